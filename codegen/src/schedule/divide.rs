//! Division among threads: which loops of a kernel several threads may divide.
//!
//! In: a kernel and its schedule, with all sizes bound that this variant binds. Out: [`Division`]s, the best one first.
//!
//! Must hold: a thread runs whole iterations of a loop whose iterations are independent. So no fold is split, and no bit changes with
//! the number of threads.

use crate::ir::affine::Axis;
use crate::ir::kernel::{Buffer, Expression, Item, Kernel, Loop, visit_items};
use crate::schedule::cost::assumed_turns;
use crate::schedule::loops::Schedule;
use downhill_graph::dim::Dim;

/// A loop of a kernel that threads may divide.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Division {
    /// The loop.
    pub axis: Axis,
    /// Its iterations.
    pub turns: Dim,
    /// Whether it is a lane loop.
    pub(crate) is_wide: bool,
    /// Ranges of threads begin and end at multiples of this many iterations, so that blocks of rows and vectors stay whole.
    pub multiple: i64,
    /// So many iterations are one row of those that other kernels are divided at, too: [`crate::schedule::share`].
    pub(crate) unit: i64,
    /// How many pieces there are, with a size assumed where it is not known.
    pub(crate) pieces: i64,
}

/// Iterations of a lane loop between two cuts: vectors and cache lines stay whole.
const LANES: i64 = 64;

/// How many pieces of a loop are as good as one of another, if each thread packs everything for itself.
const PACKED_AGAIN: i64 = 8;

/// The loops that threads may divide, but for those that are known to be a single piece. Those with the most pieces come first; of
/// equals the outer one.
pub fn divisions(kernel: &Kernel, schedule: &Schedule) -> Vec<Division> {
    let independent = independent_loops(kernel).into_iter().filter(|(axis, _)| writes_apart(kernel, *axis));
    let mut divisions: Vec<Division> = independent
        .map(|(axis, packs_again)| division(kernel, schedule, axis, packs_again))
        .filter(|division| division.turns.as_constant().is_none_or(|turns| turns >= 2 * division.multiple))
        .collect();
    divisions.sort_by_key(|division| std::cmp::Reverse(division.pieces));
    divisions
}

fn division(kernel: &Kernel, schedule: &Schedule, axis: Axis, packs_again: bool) -> Division {
    let is_wide = schedule.lanes.contains(&axis);
    let rows = schedule.rows.get(&axis).map_or(1, |&rows| i64::from(rows));
    let multiple = if is_wide { LANES } else { rows };
    let pieces = assumed_turns(kernel, axis) as i64 / multiple;
    let pieces = if packs_again { pieces / PACKED_AGAIN } else { pieces };
    Division { axis, turns: kernel.extents[axis.0 as usize].clone(), is_wide, multiple, unit: 1, pieces }
}

/// The loops, from the outermost inward, that each enclose everything a kernel stores and that fold nothing; and whether something is packed
/// into scratch outside of them, which each thread does for itself.
fn independent_loops(kernel: &Kernel) -> Vec<(Axis, bool)> {
    let mut axes = Vec::new();
    let mut items = kernel.body.as_slice();
    let mut packs_again = false;
    while let Some((inner, packs)) =
        only_loop(kernel, items).filter(|(inner, _)| inner.accumulators.is_empty())
    {
        packs_again |= packs;
        axes.push((inner.axis, packs_again));
        items = &inner.body;
    }
    axes
}

/// The one loop among items, where nothing is stored outside of it: beside it only values are computed, and scratch is packed. And whether
/// the latter is so.
fn only_loop<'k>(kernel: &Kernel, items: &'k [Item]) -> Option<(&'k Loop, bool)> {
    let (mut found, mut packs) = (None, false);
    for item in items {
        match item {
            Item::Let(..) => {}
            Item::Loop(inner) if is_packing(kernel, inner) => packs = true,
            Item::Loop(inner) if found.is_none() => found = Some(inner),
            Item::Loop(_) | Item::Store(..) => return None,
        }
    }
    found.map(|inner| (inner, packs))
}

/// Whether a loop does nothing but copy into scratch what nobody else writes there.
fn is_packing(kernel: &Kernel, packing: &Loop) -> bool {
    let (mut own, mut copies) = (Vec::new(), packing.accumulators.is_empty());
    visit_items(&packing.body, &mut |item| match item {
        Item::Let(_, expression) => copies &= matches!(expression, Expression::Load(..)),
        Item::Store(buffer, ..) => own.push(*buffer),
        Item::Loop(inner) => copies &= inner.accumulators.is_empty(),
    });
    let stores = kernel.accesses().into_iter().filter(|(buffer, _, store)| *store && own.contains(buffer));
    copies && stores.count() == own.len() && own.iter().all(|buffer| matches!(buffer, Buffer::Scratch(_)))
}

/// True when no iteration of a loop touches what another one writes: every access to a written buffer moves by the same stride with
/// the loop, and that stride is not zero. Scratch is ignored, because each thread has its own.
fn writes_apart(kernel: &Kernel, axis: Axis) -> bool {
    let accesses = kernel.accesses();
    let shared = |buffer: &Buffer| !matches!(buffer, Buffer::Scratch(_) | Buffer::Watched);
    accesses.iter().filter(|(buffer, _, store)| *store && shared(buffer)).all(|(buffer, written, _)| {
        let by = written.at.coefficient(axis);
        let mut same = accesses.iter().filter(|(other, _, _)| other == buffer);
        !by.is(0) && same.all(|(_, access, _)| access.row.is_none() && access.at.coefficient(axis) == by)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::affine::Affine;
    use crate::ir::kernel::{Access, ValueId};
    use downhill_graph::types::ElementType;
    use std::collections::BTreeSet;

    /// `for i0 { for i1 { arena1[written] = arena0[read] } }`, its inner loop a lane loop.
    fn copy(extents: [i64; 2], read: (Buffer, [i64; 2]), written: [i64; 2]) -> Kernel {
        let access = |[outer, inner]: [i64; 2]| {
            let part = |axis, by| Affine::axis(Axis(axis)).times(&Dim::from(by));
            Access::at(part(0, outer).plus(&part(1, inner)))
        };
        let body = vec![
            Item::Let(ValueId(0), Expression::Load(read.0, access(read.1))),
            Item::Store(Buffer::Arena(1), access(written), ValueId(0)),
        ];
        let nest = |axis, body| vec![Item::Loop(Loop { axis: Axis(axis), accumulators: Vec::new(), body })];
        Kernel {
            name: "copy".into(),
            extents: extents.map(Dim::from).to_vec(),
            values: vec![ElementType::F32],
            body: nest(0, nest(1, body)),
        }
    }

    fn divided(kernel: &Kernel) -> Option<Axis> {
        let schedule = Schedule { lanes: BTreeSet::from([Axis(1)]), ..Schedule::default() };
        divisions(kernel, &schedule).first().map(|division| division.axis)
    }

    #[test]
    fn the_loop_with_more_pieces_is_divided() {
        let source = |strides| (Buffer::Arena(0), strides);
        let tall = copy([4000, 1000], source([1000, 1]), [1000, 1]);
        assert_eq!(divided(&tall), Some(Axis(0)));
        let flat = copy([3, 4_000_000], source([4_000_000, 1]), [4_000_000, 1]);
        assert_eq!(divided(&flat), Some(Axis(1)));
    }

    #[test]
    fn one_piece_is_not_divided() {
        let schedule = Schedule { lanes: BTreeSet::from([Axis(1)]), ..Schedule::default() };
        let among = |lanes: i64| {
            let row = copy([1, lanes], (Buffer::Arena(0), [lanes, 1]), [lanes, 1]);
            divisions(&row, &schedule).first().map(|division| division.axis)
        };
        assert_eq!([2 * LANES - 1, 2 * LANES].map(among), [None, Some(Axis(1))]);
    }

    #[test]
    fn iterations_that_touch_what_others_write_are_not_divided() {
        let stays = copy([4000, 1000], (Buffer::Arena(0), [1000, 1]), [0, 1]);
        assert_eq!(divided(&stays), Some(Axis(1)));
        let shifts = copy([4000, 1000], (Buffer::Arena(1), [1001, 1]), [1000, 1]);
        assert_eq!(divided(&shifts), Some(Axis(1)));
        let both = copy([4000, 1000], (Buffer::Arena(1), [1001, 2]), [1000, 1]);
        assert_eq!(divided(&both), None);
    }
}
