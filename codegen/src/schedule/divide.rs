//! Division among threads: which loops of a kernel several threads may divide.
//!
//! In: a kernel and its schedule, with all sizes bound that this variant binds. Out: [`Division`]s, the best one first.
//!
//! Must hold: a thread runs whole iterations of a loop whose iterations are independent. So no fold is split, and no bit changes with
//! the number of threads.

use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel, Loop, visit_items};
use crate::schedule::cost::assumed_turns;
use crate::schedule::divisors::least_common_multiple;
use crate::schedule::loops::Schedule;
use downhill_graph::dim::Dim;
use downhill_graph::hash::{Map, Set};
use std::collections::BTreeSet;
use std::fmt;

/// A loop of a kernel that threads may divide, or loops that follow one another and are divided alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Division {
    /// The loops: mostly one.
    pub axes: BTreeSet<Axis>,
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

impl fmt::Display for Division {
    /// `i0, i2 at multiples of 8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.axes.iter().map(Axis::to_string).collect();
        write!(f, "{} at multiples of {}", axes.join(", "), self.multiple)
    }
}

/// Iterations of a lane loop between two cuts: vectors and cache lines stay whole.
const LANES: i64 = 64;

/// How many pieces of a loop are as good as one of another, if each thread packs everything for itself.
const PACKED_AGAIN: i64 = 8;

/// The loops that threads may divide, but for those that are known to be a single piece. Those with the most pieces come first; of
/// equals the outer one.
pub fn divisions(kernel: &Kernel, schedule: &Schedule) -> Vec<Division> {
    let independent = independent_loops(kernel)
        .into_iter()
        .map(|(axis, packs_again)| (BTreeSet::from([axis]), packs_again));
    let independent = independent.chain(loops_alike(kernel).map(|axes| (axes, false)));
    let mut divisions: Vec<Division> = independent
        .filter(|(axes, _)| writes_apart(kernel, axes))
        .filter_map(|(axes, packs_again)| division(kernel, schedule, axes, packs_again))
        .filter(|division| division.turns.as_constant().is_none_or(|turns| turns >= 2 * division.multiple))
        .collect();
    divisions.sort_by_key(|division| std::cmp::Reverse(division.pieces));
    divisions
}

/// Loops over the same turns as a division, unless vectors run along some of them alone.
fn division(
    kernel: &Kernel,
    schedule: &Schedule,
    axes: BTreeSet<Axis>,
    packs_again: bool,
) -> Option<Division> {
    let axis = *axes.first()?;
    let is_wide = schedule.lanes.contains(&axis);
    if axes.iter().any(|axis| schedule.lanes.contains(axis) != is_wide) {
        return None;
    }
    let rows = |axis: &Axis| schedule.rows.get(axis).map_or(1, |&rows| i64::from(rows));
    let multiple = if is_wide { LANES } else { axes.iter().map(rows).fold(1, least_common_multiple) };
    let pieces = assumed_turns(kernel, axis) as i64 / multiple;
    let pieces = if packs_again { pieces / PACKED_AGAIN } else { pieces };
    let turns = kernel.extents[axis.0 as usize].clone();
    Some(Division { axes, turns, is_wide, multiple, unit: 1, pieces })
}

/// Several loops over the same turns that fold nothing, one behind the other, and nothing stored outside of them: parts of one value.
fn loops_alike(kernel: &Kernel) -> Option<BTreeSet<Axis>> {
    let loops = kernel.body.iter().filter_map(|item| match item {
        Item::Let(..) => None,
        Item::Store(..) => Some(None),
        Item::Loop(inner) => Some(Some(inner).filter(|inner| inner.accumulators.is_empty())),
    });
    let axes = loops.map(|inner| inner.map(|inner| inner.axis)).collect::<Option<Vec<Axis>>>()?;
    let turns = |axis: &Axis| &kernel.extents[axis.0 as usize];
    let alike = axes.windows(2).all(|two| turns(&two[0]) == turns(&two[1]));
    (axes.len() > 1 && alike).then(|| axes.into_iter().collect())
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
pub(super) fn is_packing(kernel: &Kernel, packing: &Loop) -> bool {
    let (mut own, mut copies) = (Vec::new(), packing.accumulators.is_empty());
    visit_items(&packing.body, &mut |item| match item {
        Item::Let(_, expression) => copies &= matches!(expression, Expression::Load(..)),
        Item::Store(buffer, ..) => own.push(*buffer),
        Item::Loop(inner) => copies &= inner.accumulators.is_empty(),
    });
    let stores = kernel.accesses().into_iter().filter(|(buffer, _, store)| *store && own.contains(buffer));
    copies && stores.count() == own.len() && own.iter().all(|buffer| matches!(buffer, Buffer::Scratch(_)))
}

/// True when no iteration of these loops touches what another one writes: every access to a written buffer moves by the same stride with
/// its loop, and that stride is not zero; where there are several loops, each iteration keeps to its own part. Scratch is ignored, because
/// each thread has its own.
fn writes_apart(kernel: &Kernel, axes: &BTreeSet<Axis>) -> bool {
    let mut accesses = kernel.accesses();
    accesses.retain(|(buffer, ..)| !matches!(buffer, Buffer::Scratch(_) | Buffer::Watched));
    let written: Set<Buffer> =
        accesses.iter().filter(|(_, _, store)| *store).map(|(buffer, ..)| *buffer).collect();
    let mut strides: Map<Buffer, Dim> = Map::default();
    accesses.iter().filter(|(buffer, ..)| written.contains(buffer)).all(|(buffer, access, _)| {
        let by = match axes.len() {
            1 => Some(stride(access, axes)).filter(|_| access.row.is_none()),
            _ => own_part(kernel, access, axes, 1),
        };
        by.is_some_and(|by| !by.is(0) && *strides.entry(*buffer).or_insert_with(|| by.clone()) == by)
    })
}

/// By how much an access moves with the one of these loops that it is in.
fn stride(access: &Access, axes: &BTreeSet<Axis>) -> Dim {
    let own = access.at.terms.iter().filter(|(axis, _)| axes.contains(axis));
    own.fold(Dim::default(), |sum, (_, coefficient)| &sum + coefficient)
}

/// How far an access moves with `unit` iterations of the one of these loops that it is in, if the positions of all of them lie in
/// `i·by .. (i + 1)·by`, for the i-th of them.
pub(super) fn own_part(kernel: &Kernel, access: &Access, axes: &BTreeSet<Axis>, unit: i64) -> Option<Dim> {
    let step = stride(access, axes);
    if step.is(0) || access.row.is_some() || access.by.is_some() {
        return None;
    }
    let by = &step * &Dim::from(unit);
    let last = &furthest(kernel, &access.at, axes)? + &(&step * &Dim::from(unit - 1));
    let room = &(&by - &last) - &Dim::from(1);
    is_never_negative(&room).then_some(by)
}

/// The greatest position in the first iteration of these loops, where the least is not negative.
fn furthest(kernel: &Kernel, at: &Affine, axes: &BTreeSet<Axis>) -> Option<Dim> {
    let mut last = is_never_negative(&at.constant).then(|| at.constant.clone())?;
    for (other, coefficient) in at.terms.iter().filter(|(other, _)| !axes.contains(other)) {
        if !is_never_negative(coefficient) {
            return None;
        }
        let turns = &kernel.extents[other.0 as usize] - &Dim::from(1);
        last = &last + &(coefficient * &turns);
    }
    Some(last)
}

/// Whether a dim is a sum of sizes and numbers that are not negative.
fn is_never_negative(dim: &Dim) -> bool {
    !dim.overflows() && dim.terms().all(|(_, coefficient)| coefficient >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::kernel::ValueId;
    use downhill_graph::types::ElementType;

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
        divisions(kernel, &schedule).first().and_then(|division| division.axes.first().copied())
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
            divisions(&row, &schedule).first().and_then(|division| division.axes.first().copied())
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

    /// Rows of eight elements: their parts, a few of their elements, what reaches into the next row or begins before the first.
    #[test]
    fn a_row_keeps_to_its_own_part() {
        let own = |first: i64, by: i64, elements: i64, unit: i64| {
            let kernel = copy([40, elements], (Buffer::Arena(0), [8, 1]), [8, 1]);
            let row = Affine::axis(Axis(0)).times(&Dim::from(by));
            let access = Access::at(row.plus(&Affine::axis(Axis(1))).offset(&Dim::from(first)));
            let by = own_part(&kernel, &access, &BTreeSet::from([Axis(0)]), unit);
            by.and_then(|by| by.as_constant())
        };
        assert_eq!([own(0, 8, 8, 1), own(3, 8, 5, 1), own(0, 4, 4, 2)], [Some(8); 3]);
        assert_eq!([own(0, 8, 12, 1), own(3, 8, 6, 1), own(-1, 8, 8, 1), own(0, 4, 5, 2)], [None; 4]);
    }
}
