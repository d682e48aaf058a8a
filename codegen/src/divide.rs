//! Division among threads: which kernels several threads share, and what of them one thread takes.
//!
//! In: a kernel and its schedule, sizes fixed as far as they will be. Out: [`Division`], or that the kernel stays on one thread.
//!
//! Must hold: a thread takes whole turns of a loop whose turns are independent of each other, so no fold is cut and no bit
//! changes, however many threads there are.

use crate::affine::Axis;
use crate::cost::{assumed_turns, assumed_work, work};
use crate::kernel::{Item, Kernel, Loop};
use crate::schedule::Schedule;
use downhill_graph::dim::Dim;

/// The loop of a kernel whose turns are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// The loop.
    pub axis: Axis,
    /// Its turns.
    pub turns: Dim,
    /// Threads meet at multiples of this many turns: blocks of rows and vectors stay whole.
    pub multiple: i64,
    /// Fewer turns than this are not worth a thread.
    pub least: i64,
}

/// Work, in vectors of statements, that outweighs waking a thread and waiting for it: about 10 µs.
const LEAST_WORK: f64 = 40_000.0;
/// Turns of a lane loop between two cuts: vectors and lines of the cache stay whole.
const LANES: i64 = 64;

/// Chooses the loop, where there is one and the work is not known to be small.
pub fn divide(kernel: &Kernel, schedule: &Schedule) -> Option<Division> {
    if work(kernel, &schedule.lanes).is_some_and(|work| work < 2.0 * LEAST_WORK) {
        return None;
    }
    let whole = assumed_work(kernel, &schedule.lanes);
    let divisions = independent_loops(kernel).into_iter().map(|axis| {
        let turns = assumed_turns(kernel, axis);
        let multiple = if schedule.lanes.contains(&axis) {
            LANES
        } else {
            schedule.rows.get(&axis).map_or(1, |&rows| i64::from(rows))
        };
        let least = ((LEAST_WORK * turns / whole).ceil() as i64).max(1);
        Division { axis, turns: kernel.extents[axis.0 as usize].clone(), multiple, least }
    });
    // The loop that can be cut in the most places; of equals the outer one.
    let places = |division: &Division| assumed_turns(kernel, division.axis) / division.multiple as f64;
    divisions.reduce(|best, other| if places(&other) > places(&best) { other } else { best })
}

/// The loop around all that a kernel does, and the one in it that is all that it does.
fn independent_loops(kernel: &Kernel) -> Vec<Axis> {
    let mut axes = Vec::new();
    let mut items = kernel.body.as_slice();
    while let Some(inner) = only_loop(items).filter(|inner| inner.accumulators.is_empty()) {
        axes.push(inner.axis);
        items = &inner.body;
    }
    axes
}

/// The loop among items that does everything that is seen: beside it values are merely computed.
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
