//! Walks over a program that every lowering takes.
//!
//! In: items. Out: what they hold, inner loops included, in the order of the code.

use super::program::{Address, Instruction, LaneItem};

/// Items in order: runs of straight code, and loops by themselves.
pub(crate) fn runs(items: &[LaneItem]) -> impl Iterator<Item = &[LaneItem]> {
    let is_loop = |item: &LaneItem| matches!(item, LaneItem::Loop(_));
    items.chunk_by(move |one, next| !is_loop(one) && !is_loop(next))
}

/// Visits every address that is loaded from or stored to.
pub(crate) fn for_each_address<'p>(items: &'p [LaneItem], visit: &mut dyn FnMut(&'p Address)) {
    for item in items {
        match item {
            LaneItem::Let(_, Instruction::Load(address)) | LaneItem::Store { address, .. } => visit(address),
            LaneItem::Let(..) | LaneItem::Watch(_) => {}
            LaneItem::Loop(item) => for_each_address(&item.body, visit),
        }
    }
}
