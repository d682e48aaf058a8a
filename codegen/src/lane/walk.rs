//! Walks over a program that every lowering takes.
//!
//! In: items. Out: what they hold, inner loops included, in the order of the code.

use super::program::{Address, Instruction, Item};

/// Visits every address that is loaded from or stored to.
pub(crate) fn for_each_address<'p>(items: &'p [Item], visit: &mut dyn FnMut(&'p Address)) {
    for item in items {
        match item {
            Item::Let(_, Instruction::Load(address)) | Item::Store { address, .. } => visit(address),
            Item::Let(..) | Item::Watch(_) => {}
            Item::Loop(item) => for_each_address(&item.body, visit),
        }
    }
}
