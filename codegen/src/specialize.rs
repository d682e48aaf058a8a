//! Kernels as one variant runs them on one target.
//!
//! In: a [`Plan`], the sizes that the variant fixes, the target. Out: [`Scheduled`] kernels, packed, with all that was chosen for
//! their loops, and which of them one function runs.
//!
//! Must hold: what is chosen here changes no bit.

use crate::affine::Axis;
use crate::cost::work;
use crate::divide::{Division, divide};
use crate::guard::writes_storage;
use crate::kernel::Kernel;
use crate::pack::{Room, pack};
use crate::plan::Plan;
use crate::schedule::{Schedule, choose_lanes, choose_lanes_again, choose_rows, put_lanes_outside};
use crate::target::Target;
use crate::verify::check;
use downhill_graph::dim::Bindings;
use std::collections::BTreeSet;
use std::fmt;

/// A kernel with the way its loops are to run.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The kernel.
    pub kernel: Kernel,
    /// Its schedule.
    pub schedule: Schedule,
    /// How threads share it.
    pub division: Option<Division>,
}

impl fmt::Display for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kernel)?;
        for axis in &self.schedule.lanes {
            writeln!(f, "  {axis} wide")?;
        }
        for (axis, rows) in &self.schedule.rows {
            writeln!(f, "  {rows} turns of {axis} together")?;
        }
        if let Some(division) = &self.division {
            writeln!(f, "  threads share {} at multiples of {}", division.axis, division.multiple)?;
        }
        Ok(())
    }
}

/// Kernels as they run, in their order; room that they need of their own is added to the arena.
pub(crate) fn schedule(plan: &mut Plan, fixed: &Bindings, target: &Target) -> Vec<Scheduled> {
    let lanes: Vec<BTreeSet<Axis>> = plan.kernels.iter().map(choose_lanes).collect();
    let kernels = plan.kernels.iter().zip(lanes).enumerate();
    let scheduled = kernels.flat_map(|(position, (kernel, lanes))| {
        let room = Room::new(&mut plan.arena, position, target.thread_count());
        specialize(kernel, lanes, fixed, target, room)
    });
    scheduled.collect()
}

/// Fixes sizes, then chooses what may differ between variants and targets.
fn specialize(
    kernel: &Kernel,
    lanes: BTreeSet<Axis>,
    fixed: &Bindings,
    target: &Target,
    room: Room<'_>,
) -> Vec<Scheduled> {
    let kernel = kernel.map_dims(&|dim| dim.bind(fixed));
    let lanes = choose_lanes_again(&kernel, lanes);
    let kernel = put_lanes_outside(&kernel, &lanes);
    let schedule = |(kernel, lanes): (Kernel, BTreeSet<Axis>)| {
        check(std::slice::from_ref(&kernel));
        let rows = choose_rows(&kernel, &lanes, target.lanes());
        let schedule = Schedule { lanes, rows };
        let division = target.worth().and_then(|worth| divide(&kernel, &schedule, worth));
        Scheduled { kernel, schedule, division }
    };
    pack(kernel, lanes, target.lanes(), room).into_iter().map(schedule).collect()
}

/// A step that costs less than this many vectors of statements is one straight function up to its updates, and one after that: calls
/// would be a good part of its time.
const SMALL_STEP: f64 = 20_000.0;

/// The kernels of each function. One that threads share is alone: they would all do what stands beside it. The guard stands between
/// two functions.
pub(crate) fn parts(kernels: &[Scheduled]) -> Vec<&[Scheduled]> {
    let work = kernels.iter().map(|k| work(&k.kernel, &k.schedule.lanes)).sum::<Option<f64>>();
    let shared = kernels.iter().any(|kernel| kernel.division.is_some());
    if !shared && work.is_some_and(|work| work < SMALL_STEP) {
        let (before, updates) = kernels.split_at(guard(kernels));
        [before, updates].into_iter().filter(|part| !part.is_empty()).collect()
    } else {
        kernels.chunks(1).collect()
    }
}

/// The place of the guard: before the first kernel that writes a storage.
pub(crate) fn guard(kernels: &[Scheduled]) -> usize {
    kernels.iter().position(|scheduled| writes_storage(&scheduled.kernel)).unwrap_or(kernels.len())
}
