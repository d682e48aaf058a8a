//! Panels of what stays the same in a loop of the plan: packed once before the loop, instead of in each turn.
//!
//! In: a packed kernel, and which of its buffers stay the same in all turns. Out: kernels that pack such panels, then the kernel without
//! what they do. Those that only pack what stays the same run before the loop: see [`crate::schedule::specialize`].
//!
//! Must hold: a panel holds what scratch did, one strip behind the other, so that no bit changes.
//!
//! # Decisions
//!
//! - An LSTM of 128 units packed its recurrent weights, 256 KB, in each of 64 turns, which was a fifth of its product's time.

use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel, Loop};
use crate::schedule::divide::is_packing;
use crate::schedule::pack::Room;
use downhill_graph::dim::Dim;
use downhill_graph::hash::Set;

/// The kernels that pack panels ahead, then the kernel.
pub(crate) fn panels_ahead(mut kernel: Kernel, steady: &Set<Buffer>, room: &mut Room<'_>) -> Vec<Kernel> {
    let mut kernels = Vec::new();
    while let Some(ahead) = panel_ahead(&mut kernel, steady, room) {
        kernels.push(ahead);
    }
    kernels.push(kernel);
    kernels
}

/// Takes one panel out of a kernel: the kernel that packs it.
fn panel_ahead(kernel: &mut Kernel, steady: &Set<Buffer>, room: &mut Room<'_>) -> Option<Kernel> {
    let place = kernel.body.iter().position(|item| matches!(item, Item::Loop(_)))?;
    let Item::Loop(strips) = &kernel.body[place] else { return None };
    let packs = |item: &Item| matches!(item, Item::Loop(inner) if packed(kernel, inner, steady).is_some());
    let inside = strips.body.iter().position(packs).filter(|_| strips.accumulators.is_empty())?;
    let Item::Loop(packing) = &strips.body[inside] else { return None };
    let (scratch, strip) = packed(kernel, packing, steady)?;

    let axis = strips.axis;
    let count = &kernel.extents[axis.0 as usize];
    let element = kernel.element_of(scratch);
    let panel = room.common(&(count * &strip), element);
    room.free(scratch);
    let mut packing = vec![Item::Loop(Loop { body: vec![strips.body[inside].clone()], ..strips.clone() })];
    redirect(&mut packing, scratch, panel, &Affine::axis(axis).times(&strip));
    let ahead = Kernel { body: packing, ..kernel.clone() };

    let Item::Loop(strips) = &mut kernel.body[place] else { return None };
    strips.body.remove(inside);
    redirect(&mut kernel.body, scratch, panel, &Affine::axis(axis).times(&strip));
    Some(ahead)
}

/// The scratch that a loop packs of what stays the same, and the elements of it that it writes.
fn packed(kernel: &Kernel, packing: &Loop, steady: &Set<Buffer>) -> Option<(Buffer, Dim)> {
    if !is_packing(kernel, packing) {
        return None;
    }
    let own = Kernel { body: vec![Item::Loop(packing.clone())], ..kernel.clone() };
    let accesses = own.accesses();
    let stays = |(buffer, access, _): &(Buffer, &Access, bool)| {
        steady.contains(buffer) && access.row.is_none() && access.by.is_none()
    };
    let mut stores = accesses.iter().filter(|(_, _, store)| *store);
    let (scratch, written, _) = stores.next()?;
    if stores.next().is_some() || !accesses.iter().filter(|(_, _, store)| !store).all(stays) {
        return None;
    }
    Some((*scratch, Dim::from(elements(kernel, &written.at)?)))
}

/// How many elements lie from 0 to the last one, where that is known.
fn elements(kernel: &Kernel, at: &Affine) -> Option<i64> {
    let last = |(axis, by): (&Axis, &Dim)| {
        let turns = kernel.extents[axis.0 as usize].as_constant()?;
        by.as_constant()?.checked_mul(turns - 1)
    };
    let start = Some(1 + at.constant.as_constant()?);
    at.terms.iter().map(last).fold(start, |sum, last| sum?.checked_add(last?))
}

/// Has what was in scratch lie in a panel, `further` on.
fn redirect(items: &mut [Item], scratch: Buffer, panel: Buffer, further: &Affine) {
    for item in items {
        match item {
            Item::Let(_, Expression::Load(buffer, access)) | Item::Store(buffer, access, _)
                if *buffer == scratch =>
            {
                *buffer = panel;
                access.at = access.at.plus(further);
            }
            Item::Loop(inner) => redirect(&mut inner.body, scratch, panel, further),
            Item::Let(..) | Item::Store(..) => {}
        }
    }
}
