//! Division among threads: which kernels several threads share, and which loop of such a kernel they divide.
//!
//! In: a kernel and its schedule, with all sizes bound that this variant binds. Out: a [`Division`], or `None` where the kernel stays
//! on one thread.
//!
//! Must hold: a thread runs whole iterations of a loop whose iterations are independent. So no fold is split, and no bit changes with
//! the number of threads.

use crate::ir::affine::Axis;
use crate::ir::kernel::{Buffer, Item, Kernel, Loop};
use crate::schedule::cost::{Cost, assumed_turns};
use crate::schedule::loops::Schedule;
use downhill_graph::dim::Dim;

/// The parallel loop of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Division {
    /// The loop.
    pub axis: Axis,
    /// Its iterations.
    pub turns: Dim,
    /// Ranges of threads begin and end at multiples of this many iterations, so that blocks of rows and vectors stay whole.
    pub multiple: i64,
    /// Cost of the whole kernel: [`Cost::total`].
    pub work: Dim,
}

/// Iterations of a lane loop between two cuts: vectors and cache lines stay whole.
const LANES: i64 = 64;

/// Chooses the loop to divide. `None` where no loop can be divided, each is known to be a single piece, or the work is known to be
/// less than `worth`. A kernel that is not divided knows where its loops end, which makes it faster.
pub fn divide(kernel: &Kernel, schedule: &Schedule, worth: i64) -> Option<Division> {
    let independent = independent_loops(kernel).into_iter().filter(|axis| writes_apart(kernel, *axis));
    let divisions: Vec<Division> = independent
        .map(|axis| division(kernel, schedule, axis))
        .filter(|division| division.turns.as_constant().is_none_or(|turns| turns >= 2 * division.multiple))
        .collect();

    // The loop with the most pieces; of equals the outer one.
    let pieces = |division: &Division| assumed_turns(kernel, division.axis) / division.multiple as f64;
    let best =
        divisions.into_iter().reduce(|b, other| if pieces(&other) > pieces(&b) { other } else { b })?;

    let work = Cost::of([(kernel, &schedule.lanes)]).total();
    let small = work.as_constant().is_some_and(|work| work < worth);
    (!small).then_some(Division { work, ..best })
}

fn division(kernel: &Kernel, schedule: &Schedule, axis: Axis) -> Division {
    let multiple = if schedule.lanes.contains(&axis) {
        LANES
    } else {
        schedule.rows.get(&axis).map_or(1, |&rows| i64::from(rows))
    };
    Division { axis, turns: kernel.extents[axis.0 as usize].clone(), multiple, work: Dim::default() }
}

/// The loops, from the outermost inward, that each enclose everything a kernel stores and that fold nothing.
fn independent_loops(kernel: &Kernel) -> Vec<Axis> {
    let mut axes = Vec::new();
    let mut items = kernel.body.as_slice();
    while let Some(inner) = only_loop(items).filter(|inner| inner.accumulators.is_empty()) {
        axes.push(inner.axis);
        items = &inner.body;
    }
    axes
}

/// The one loop among items, where nothing is stored outside of it: beside it only values are computed.
fn only_loop(items: &[Item]) -> Option<&Loop> {
    let mut found = None;
    for item in items {
        match item {
            Item::Let(..) => {}
            Item::Loop(inner) if found.is_none() => found = Some(inner),
            Item::Loop(_) | Item::Store(..) => return None,
        }
    }
    found
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
    use crate::abi::LEAST_WORK;
    use crate::ir::affine::Affine;
    use crate::ir::kernel::{Access, Expression, ValueId};
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
        divide(kernel, &schedule, 2 * LEAST_WORK).map(|division| division.axis)
    }

    #[test]
    fn the_loop_with_more_pieces_is_divided() {
        let source = |strides| (Buffer::Arena(0), strides);
        let tall = copy([4000, 1000], source([1000, 1]), [1000, 1]);
        assert_eq!(divided(&tall), Some(Axis(0)));
        let flat = copy([3, 4_000_000], source([4_000_000, 1]), [4_000_000, 1]);
        assert_eq!(divided(&flat), Some(Axis(1)));
        let small = copy([40, 100], source([100, 1]), [100, 1]);
        assert_eq!(divided(&small), None);
    }

    #[test]
    fn one_piece_is_not_divided() {
        let schedule = Schedule { lanes: BTreeSet::from([Axis(1)]), ..Schedule::default() };
        let among = |lanes: i64| {
            let row = copy([1, lanes], (Buffer::Arena(0), [lanes, 1]), [lanes, 1]);
            divide(&row, &schedule, 0).map(|division| division.axis)
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
