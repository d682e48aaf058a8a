//! Kernels as one variant runs them on one target.
//!
//! In: the kernels of a plan, the sizes that the variant fixes, the target. Out: [`Scheduled`] kernels, packed, with the choices made
//! for their loops, and which kernels are compiled to one function.
//!
//! Must hold: no choice made here changes a bit of a result.
//!
//! # Decisions
//!
//! - Each kernel is a function that the entry's function calls, so that equal ones are compiled once. The kernels of a small step are
//!   merged to one function before the guard and one after it: a call costs 2–3 ns, which is a good part of a small step.

use crate::ir::affine::Axis;
use crate::ir::kernel::{Buffer, Kernel};
use crate::plan::arena::Arena;
use crate::plan::guard::writes_storage;
use crate::plan::nests::{collapse_chains, put_lanes_first};
use crate::plan::step::Repeat;
use crate::schedule::cost::{Cost, work};
use crate::schedule::divide::{Division, divisions};
use crate::schedule::form::{buffer_of, form};
use crate::schedule::interchange::{put_lanes_outside, put_rows_inside};
use crate::schedule::loops::{Schedule, choose_lanes, choose_lanes_again, choose_rows};
use crate::schedule::pack::{Room, pack};
use crate::schedule::panels::panels_ahead;
use crate::target::Target;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::hash::{Map, Set};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// A kernel, and how its loops are to run.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The kernel.
    pub kernel: Kernel,
    /// Its lane loops and blocks of rows.
    pub schedule: Schedule,
    /// The loop that threads divide, if they do.
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
            writeln!(f, "  threads share {division}")?;
        }
        Ok(())
    }
}

/// A scheduled kernel that all its instances share.
#[derive(Debug)]
pub(crate) struct Form {
    /// Its number among the forms of the variant.
    pub(crate) number: usize,
    /// The kernel of this form, for one thread.
    pub(crate) scheduled: Scheduled,
    /// Its cost in vector statements, where all sizes are known.
    work: Option<f64>,
    /// The loops that threads may divide, and its cost: [`Cost::total`]. Of code for one thread neither is asked.
    pub(crate) divisions: Vec<Division>,
    pub(crate) cost: Dim,
}

/// A kernel of a variant: a form, and the buffers that it works on.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) form: Rc<Form>,
    pub(crate) name: String,
    /// For each buffer of the form its number in the entry.
    pub(crate) numbers: Vec<usize>,
    /// The kernel of the plan that it is, or is a part of.
    pub(crate) step: usize,
    /// The innermost loop around it, of those of the plan.
    pub(crate) around: Option<usize>,
    /// How threads share it, if they do.
    pub(crate) shared: Option<Shared>,
}

/// How threads share a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// The loop of it that they divide; `None` for a kernel that one of them runs while the others run the rest of the team.
    pub(crate) division: Option<Division>,
    /// Which range of iterations comes first, counted round: see [`crate::abi::Share::first`].
    pub(crate) first: i64,
    /// The number of its team: consecutive kernels that threads run without waiting for each other in between. `None` for a kernel in a loop
    /// of the plan that they share as a whole, each thread its rows in all turns.
    pub(crate) team: Option<usize>,
}

impl Instance {
    /// The arena buffers that it stores to.
    fn stored(&self) -> Vec<usize> {
        let accesses = self.form.scheduled.kernel.accesses().into_iter();
        let stored =
            accesses.filter(|(_, _, store)| *store).map(|(buffer, ..)| buffer_of(&self.numbers, buffer));
        stored.filter_map(|buffer| if let Buffer::Arena(n) = buffer { Some(n) } else { None }).collect()
    }

    /// The arena buffers that it reads or writes, its scratch included.
    pub(crate) fn arena_buffers(&self) -> Vec<usize> {
        let accesses = self.form.scheduled.kernel.accesses().into_iter();
        let touched = accesses.map(|(buffer, ..)| buffer_of(&self.numbers, buffer));
        let in_arena = |buffer| match buffer {
            Buffer::Arena(n) | Buffer::Scratch(n) => Some(n),
            Buffer::Input(_) | Buffer::Storage(_) | Buffer::Output(_) | Buffer::Loss | Buffer::Watched => {
                None
            }
        };
        touched.filter_map(in_arena).collect()
    }

    /// The loop of it that threads divide.
    pub(crate) fn division(&self) -> Option<&Division> {
        self.shared.as_ref().and_then(|shared| shared.division.as_ref())
    }

    /// The number of its team.
    pub(crate) fn team(&self) -> Option<usize> {
        self.shared.as_ref().and_then(|shared| shared.team)
    }

    /// Its form, as threads share it.
    pub(crate) fn of_form(&self) -> Scheduled {
        Scheduled { division: self.division().cloned(), ..self.form.scheduled.clone() }
    }

    /// The scheduled kernel, with the buffers of the entry.
    pub(crate) fn scheduled(&self) -> Scheduled {
        let form = self.of_form();
        let kernel = form.kernel.map_buffers(&mut |buffer| buffer_of(&self.numbers, buffer));
        Scheduled { kernel: Kernel { name: self.name.clone(), ..kernel }, ..form }
    }
}

/// The kernels that packing makes of a form, and the sizes of the scratch buffers that they need.
struct Special {
    forms: Vec<Rc<Form>>,
    scratch: Vec<Dim>,
}

/// Schedules kernels, in their order. Scratch buffers that they need are added to `arena`. What a kernel of a loop prepares alike in each
/// turn, such as a panel of weights, is prepared before the loop.
pub(crate) fn schedule(
    kernels: &[Kernel],
    repeats: &[Repeat],
    arena: &mut Arena,
    fixed: &Bindings,
    target: &Target,
) -> Vec<Instance> {
    // By form, and by which of its buffers stay the same in all turns of a loop.
    let mut known: Map<(Kernel, Vec<Buffer>), Special> = Map::default();
    let (mut instances, mut count) = (Vec::new(), 0);
    let (mut before, mut steady) = (0, None);

    for (position, kernel) in kernels.iter().enumerate() {
        // Outer loops stand behind inner ones.
        let around = |repeat: &Repeat| repeat.kernels.contains(&position);
        let [inner, outer] = [repeats.iter().position(around), repeats.iter().rposition(around)];
        if outer.is_none_or(|outer| repeats[outer].kernels.start == position) {
            before = instances.len();
            steady = outer.map(|outer| Steady::of(kernels, repeats, &repeats[outer].kernels));
        }

        let (form, mut numbers) = form(kernel);
        let buffers = numbers.len();
        let stay = steady.as_ref().map(|steady| steady.read_by(&form, &numbers)).unwrap_or_default();
        let special = known.entry((form, stay)).or_insert_with_key(|(form, stay)| {
            let special = specialize(form, (buffers, stay), fixed, target, count);
            count += special.forms.len();
            special
        });

        // Each instance has scratch of its own, which lives only while it runs.
        for size in &special.scratch {
            numbers.push(arena.sizes.len());
            arena.sizes.push(size.clone());
            arena.lifetimes.push((position, position));
        }

        for form in &special.forms {
            let instance = Instance {
                form: form.clone(),
                name: kernel.name.clone(),
                numbers: numbers.clone(),
                step: position,
                around: inner,
                shared: None,
            };
            match steady.as_ref().filter(|steady| steady.includes(&instance, buffers)) {
                Some(steady) => {
                    for buffer in instance.stored() {
                        arena.lifetimes[buffer] = (steady.kernels.start, steady.kernels.end - 1);
                    }
                    let step = steady.kernels.start;
                    instances.insert(before, Instance { step, around: None, ..instance });
                    before += 1;
                }
                None => {
                    // Scratch that it makes is made in each turn.
                    if let Some(steady) = &mut steady {
                        steady.changes.extend(instance.stored().into_iter().map(Buffer::Arena));
                    }
                    instances.push(instance);
                }
            }
        }
    }
    instances
}

/// What stays the same in all turns of a loop and of those inside it.
struct Steady {
    kernels: Range<usize>,
    /// What does not.
    changes: Set<Buffer>,
}

impl Steady {
    fn of(kernels: &[Kernel], repeats: &[Repeat], range: &Range<usize>) -> Steady {
        let stores = kernels[range.clone()].iter().flat_map(|kernel| kernel.accesses());
        let stored = stores.filter(|(_, _, store)| *store).map(|(buffer, ..)| buffer);
        let inside = repeats.iter().filter(|repeat| range.contains(&repeat.kernels.start));
        let moved = inside.flat_map(|repeat| repeat.moves.keys().copied());
        Steady { kernels: range.clone(), changes: stored.chain(moved).collect() }
    }

    /// Buffers that a form reads and that stay the same.
    fn read_by(&self, form: &Kernel, numbers: &[usize]) -> Vec<Buffer> {
        let loads = form.accesses().into_iter().filter(|(_, _, store)| !store).map(|(buffer, ..)| buffer);
        let mut stay: Vec<Buffer> =
            loads.filter(|buffer| !self.changes.contains(&buffer_of(numbers, *buffer))).collect();
        stay.sort_unstable();
        stay.dedup();
        stay
    }

    /// Whether a kernel makes nothing but scratch, which is numbered behind the `buffers` of its form, of what stays the same.
    fn includes(&self, instance: &Instance, buffers: usize) -> bool {
        let kernel = &instance.form.scheduled.kernel;
        kernel.accesses().into_iter().all(|(buffer, _, store)| match store {
            true => matches!(buffer, Buffer::Arena(n) if n >= buffers),
            false => {
                !matches!(buffer, Buffer::Scratch(_))
                    && !self.changes.contains(&buffer_of(&instance.numbers, buffer))
            }
        })
    }
}

/// Fixes sizes, then chooses what may differ between variants and targets. `buffers` is how many buffers the form has, `stay` are those that
/// stay the same in all turns of a loop around it; the forms that are made of it are numbered from `first` on.
fn specialize(
    form: &Kernel,
    (buffers, stay): (usize, &[Buffer]),
    fixed: &Bindings,
    target: &Target,
    first: usize,
) -> Special {
    // Lane loops are chosen before sizes are bound: they decide the order of additions, which all variants share.
    let lanes = choose_lanes(form);
    let form = put_lanes_first(form.clone(), &lanes);
    let kernel = form.map_dims(&|dim| dim.bind(fixed));
    let lanes = choose_lanes_again(&kernel, lanes, target.instructions());
    let kernel = put_lanes_outside(&put_rows_inside(&kernel, &lanes), &lanes);

    // Scratch buffers are numbered after the form's own.
    let mut arena = Arena { sizes: vec![Dim::default(); buffers], lifetimes: vec![(0, 0); buffers] };
    let scratch = Room::new(&mut arena, 0, target.thread_count());

    let scheduled = |(kernel, lanes): (Kernel, BTreeSet<Axis>)| {
        let kernel = collapse_chains(kernel, &lanes);
        let rows = choose_rows(&kernel, &lanes, target.instructions());
        Scheduled { kernel, schedule: Schedule { lanes, rows }, division: None }
    };

    let mut packed = pack(kernel, lanes, target, scratch);
    if !stay.is_empty() {
        let (stay, mut room) =
            (stay.iter().copied().collect(), Room::new(&mut arena, 0, target.thread_count()));
        let ahead = packed.into_iter().flat_map(|(kernel, lanes)| {
            panels_ahead(kernel, &stay, &mut room).into_iter().map(move |kernel| (kernel, lanes.clone()))
        });
        packed = ahead.collect();
    }
    let forms = packed.into_iter().map(scheduled).zip(first..).map(|(scheduled, number)| {
        let Scheduled { kernel, schedule, .. } = &scheduled;
        let work = work(kernel, &schedule.lanes);
        let (divisions, cost) = match target.worth() {
            Some(_) => (divisions(kernel, schedule), Cost::of([(kernel, &schedule.lanes)]).total()),
            None => (Vec::new(), Dim::default()),
        };
        Rc::new(Form { number, scheduled, work, divisions, cost })
    });

    Special { forms: forms.collect(), scratch: arena.sizes.split_off(buffers) }
}

/// A step that costs less than this many vector statements is one function up to its updates and one for them: calls would be a good
/// part of its time.
const SMALL_STEP: f64 = 20_000.0;

/// The kernels of each call: a team that threads share, all kernels of a small step, or else one kernel. Only where threads share none are
/// kernels merged: every thread would run those beside a shared one. The guard stands between two calls, and so do the ends of loops.
pub(crate) fn calls<'a>(kernels: &'a [Instance], repeats: &[Repeat]) -> Vec<&'a [Instance]> {
    let (before, updates) = kernels.split_at(guard(kernels));
    let stretches =
        [before, updates].into_iter().flat_map(|kernels| kernels.chunk_by(|a, b| a.around == b.around));
    let is_small = |kernels: &[Instance]| {
        let work = kernels.iter().map(|kernel| kernel.form.work).sum::<Option<f64>>();
        // Kernels of one function are given one range of rows.
        let by_rows = |kernel: &Instance| kernel.division().is_none_or(|division| division.unit == 1);
        let shared = kernels.iter().any(|kernel| kernel.team().is_some() || !by_rows(kernel));
        !shared && work.is_some_and(|work| work < SMALL_STEP)
    };
    // One turn of a loop is a small step of its own.
    let whole = repeats.is_empty().then(|| is_small(kernels));
    let calls = stretches.map(|stretch| match whole.unwrap_or_else(|| is_small(stretch)) {
        true => vec![stretch],
        false => stretch.chunk_by(|a, b| a.team().is_some() && a.team() == b.team()).collect(),
    });
    calls.flatten().collect()
}

/// The kernels of each function of a call: one for each kernel that threads share, one for kernels that are merged.
pub(crate) fn functions(call: &[Instance]) -> std::slice::Chunks<'_, Instance> {
    let is_team = call.first().is_some_and(|kernel| kernel.team().is_some());
    call.chunks(if is_team { 1 } else { call.len().max(1) })
}

/// The loops around calls, in terms of these.
pub(crate) fn around_calls(calls: &[&[Instance]], repeats: &[Repeat]) -> Vec<Repeat> {
    let is_inside = |call: &&[Instance], repeat: &Repeat| {
        let own = call.first().and_then(|kernel| kernel.around).map(|around| &repeats[around].kernels);
        own.is_some_and(|own| own.start >= repeat.kernels.start && own.end <= repeat.kernels.end)
    };
    let around = |repeat: &Repeat| {
        let first = calls.iter().position(|call| is_inside(call, repeat)).unwrap_or(0);
        let count = calls.iter().filter(|call| is_inside(call, repeat)).count();
        Repeat { kernels: first..first + count, ..repeat.clone() }
    };
    repeats.iter().map(around).collect()
}

/// The position of the guard: before the first kernel that writes a storage.
pub(crate) fn guard(kernels: &[Instance]) -> usize {
    let updates = |kernel: &Instance| writes_storage(&kernel.form.scheduled.kernel);
    kernels.iter().position(updates).unwrap_or(kernels.len())
}
