//! Kernels as one variant runs them on one target.
//!
//! In: the kernels of a plan, the sizes that the variant fixes, the target. Out: [`Scheduled`] kernels, packed, with all that was chosen for
//! their loops, and which of them one function runs.
//!
//! Must hold: what is chosen here changes no bit.
//!
//! # Decisions
//!
//! - Kernels are functions, called by the entry's function; those of a small step are one function up to its loss and one after
//!   it: equal ones are compiled once; a call costs 2–3 ns, which is a good part of a small step.

use crate::ir::affine::Axis;
use crate::ir::kernel::Kernel;
use crate::plan::arena::Arena;
use crate::plan::guard::writes_storage;
use crate::schedule::cost::work;
use crate::schedule::divide::{Division, divide};
use crate::schedule::form::{buffer_of, form};
use crate::schedule::loops::{Schedule, choose_lanes, choose_lanes_again, choose_rows, put_lanes_outside};
use crate::schedule::pack::{Room, pack};
use crate::target::Target;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::hash::Map;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

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

/// What is chosen for a form.
#[derive(Debug)]
pub(crate) struct Form {
    /// Tells it from others of the variant.
    pub(crate) number: usize,
    /// The kernel of this form.
    pub(crate) scheduled: Scheduled,
    /// What it costs, where that is known.
    work: Option<f64>,
}

/// A kernel of a variant: a form, and which memory it works on.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) form: Rc<Form>,
    pub(crate) name: String,
    /// The numbers in the entry of the form's buffers.
    pub(crate) numbers: Vec<usize>,
}

impl Instance {
    /// The kernel itself.
    pub(crate) fn scheduled(&self) -> Scheduled {
        let scheduled = &self.form.scheduled;
        let kernel = scheduled.kernel.map_buffers(&mut |buffer| buffer_of(&self.numbers, buffer));
        Scheduled { kernel: Kernel { name: self.name.clone(), ..kernel }, ..scheduled.clone() }
    }
}

/// The forms that kernels of one form become, and how large the buffers are that they need besides.
struct Special {
    forms: Vec<Rc<Form>>,
    room: Vec<Dim>,
}

/// Kernels as they run, in their order; room that they need of their own is added to `arena`.
pub(crate) fn schedule(
    kernels: &[Kernel],
    arena: &mut Arena,
    fixed: &Bindings,
    target: &Target,
) -> Vec<Instance> {
    let mut known: Map<Kernel, Special> = Map::default();
    let (mut instances, mut count) = (Vec::new(), 0);
    for (position, kernel) in kernels.iter().enumerate() {
        let (form, mut numbers) = form(kernel);
        let buffers = numbers.len();
        let special = known.entry(form).or_insert_with_key(|form| {
            let special = specialize(form, buffers, fixed, target, count);
            count += special.forms.len();
            special
        });
        for size in &special.room {
            numbers.push(arena.sizes.len());
            arena.sizes.push(size.clone());
            arena.lifetimes.push((position, position));
        }
        instances.extend(special.forms.iter().map(|form| Instance {
            form: form.clone(),
            name: kernel.name.clone(),
            numbers: numbers.clone(),
        }));
    }
    instances
}

/// Fixes sizes, then chooses what may differ between variants and targets. The form has so many buffers; forms made of it are numbered
/// from `first` on.
fn specialize(form: &Kernel, buffers: usize, fixed: &Bindings, target: &Target, first: usize) -> Special {
    let lanes = choose_lanes(form);
    let kernel = form.map_dims(&|dim| dim.bind(fixed));
    let lanes = choose_lanes_again(&kernel, lanes);
    let kernel = put_lanes_outside(&kernel, &lanes);
    // Buffers that are added are numbered behind the form's own.
    let mut arena = Arena { sizes: vec![Dim::default(); buffers], lifetimes: vec![(0, 0); buffers] };
    let room = Room::new(&mut arena, 0, target.thread_count());
    let scheduled = |(kernel, lanes): (Kernel, BTreeSet<Axis>)| {
        let rows = choose_rows(&kernel, &lanes, target.instructions());
        let schedule = Schedule { lanes, rows };
        let division = target.worth().and_then(|worth| divide(&kernel, &schedule, worth));
        Scheduled { kernel, schedule, division }
    };
    let packed = pack(kernel, lanes, target.instructions(), room).into_iter().map(scheduled);
    let forms = packed.zip(first..).map(|(scheduled, number)| {
        let work = work(&scheduled.kernel, &scheduled.schedule.lanes);
        Rc::new(Form { number, scheduled, work })
    });
    Special { forms: forms.collect(), room: arena.sizes.split_off(buffers) }
}

/// A step that costs less than this many vectors of statements is one straight function up to its updates, and one after that: calls
/// would be a good part of its time.
const SMALL_STEP: f64 = 20_000.0;

/// The kernels of each function. One that threads share is alone: they would all do what stands beside it. The guard stands between
/// two functions.
pub(crate) fn parts(kernels: &[Instance]) -> Vec<&[Instance]> {
    let work = kernels.iter().map(|kernel| kernel.form.work).sum::<Option<f64>>();
    let shared = kernels.iter().any(|kernel| kernel.form.scheduled.division.is_some());
    if !shared && work.is_some_and(|work| work < SMALL_STEP) {
        let (before, updates) = kernels.split_at(guard(kernels));
        [before, updates].into_iter().filter(|part| !part.is_empty()).collect()
    } else {
        kernels.chunks(1).collect()
    }
}

/// The place of the guard: before the first kernel that writes a storage.
pub(crate) fn guard(kernels: &[Instance]) -> usize {
    let updates = |kernel: &Instance| writes_storage(&kernel.form.scheduled.kernel);
    kernels.iter().position(updates).unwrap_or(kernels.len())
}
