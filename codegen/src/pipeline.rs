//! The pipeline from the graphs of entries to machine code, in two functions: [`Planned::new`], then [`compile`].
//!
//! In: the optimized graph of each entry. Out: an [`Artifact`]. Stages are timed, verified in debug builds and shown by
//! [`Stages`].
//!
//! Must hold: what depends on the graph alone is done once for each graph, by `Planned::new`; what depends on sizes or the target once
//! for each variant, by `compile`, which may come again for sizes that are known later. Equal kernels of an image are compiled once,
//! whichever entry they belong to.
//!
//! # Decisions
//!
//! - Kernels are assembled one after another: the 11 kernels of a 784-512-512-10 step take 1.1 ms; a second thread left 1.0 ms,
//!   its start included.

use crate::artifact::Artifact;
use crate::code::{Code, FunctionId, Functions};
use crate::emit::kernel::Emitted;
use crate::emit::parts::{Part, emit_parts};
use crate::entry::calls::{Call, Called, Launch, Maker};
use crate::entry::description::{Entry, Native};
use crate::entry::launch;
use crate::entry::ports::Ports;
use crate::entry::task::Tasks;
use crate::error::Error;
use crate::fusion::fuse::fuse;
use crate::fusion::prepare::prepare;
use crate::ir;
use crate::ir::kernel::Kernel;
use crate::lane;
use crate::lower::Lowered;
use crate::lower::wide::Asked;
use crate::plan::arena::{Plan, plan};
use crate::plan::loops::steps;
use crate::plan::step::{Repeat, Step};
use crate::schedule::cost::Cost;
use crate::schedule::share::{share, shared_cost};
use crate::schedule::specialize::{Instance, Scheduled, around_calls, calls, functions, guard, schedule};
use crate::target::Target;
use downhill_graph::asked::check_told;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Purpose, bug};
use downhill_graph::hash::Set;
use downhill_graph::sizes;
use downhill_graph::stages::{Stage, Stages};
use downhill_graph::verify::{assert_valid, verify};
use std::fmt;
use std::hash::Hash;
use std::rc::Rc;

/// An entry as far as its graph alone decides it: what code for any sizes and any target is made from. It is kept by whoever may want
/// code for further sizes later.
#[derive(Debug)]
pub struct Planned {
    name: String,
    graph: Graph,
    ports: Ports,
    plan: Plan,
}

/// What code is to be made of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The entry.
    pub planned: &'a Planned,
    /// The sizes that each variant fixes; none of the generic one. The results of all variants have the same bits.
    pub variants: &'a [Bindings],
}

/// What entries are compiled for.
#[derive(Clone, Copy)]
pub struct Purposes<'a> {
    /// The processor.
    pub target: &'a Target,
    /// Whether code tells its caller where a step is ([`crate::abi::Mark`]), and entries say what their functions cost.
    pub marked: bool,
}

impl Planned {
    /// Makes of a graph all that does not depend on sizes or the target. `name` is `forward`, `step`, …; the graph is as the passes left it.
    ///
    /// # Errors
    /// Graphs that are none, and what has no compiled form.
    pub fn new(name: &str, graph: Graph, stages: &mut Stages<'_>) -> Result<Planned, Error> {
        // Its sizes are taken at their word from here on, by code without checks: in release builds too.
        stages.of(name);
        verify_source(name, &graph, stages)?;
        let ports = Ports::of(&graph);
        let prepared = stages.run(
            Stage::Prepared,
            || prepare(&graph),
            |prepared| assert_valid(&prepared.graph),
            |prepared| prepared.graph.to_text(),
        );
        let looked_up = ports.looked_up_nodes(&prepared.graph);
        let fused = stages.run(
            Stage::Fused,
            || fuse(&prepared, &looked_up),
            |fused| fused.verify(),
            |fused| fused.describe(&prepared.graph),
        );
        let prepared = prepared.graph;
        let (built, arena) = stages.try_run(
            Stage::Kernel,
            || steps(&prepared, &fused, &ports.outputs, ports.looked_up.clone()),
            |(built, _)| kernels_of(built).for_each(ir::verify::assert_valid),
            |(built, _)| texts(kernels_of(built), ""),
        )?;
        let plan = stages.run(
            Stage::Plan,
            || plan(&prepared, built, arena),
            |plan| plan.kernels.iter().for_each(ir::verify::assert_valid),
            |plan| plan.to_string(),
        );
        Ok(Planned { name: name.to_owned(), graph, ports, plan })
    }

    /// `forward`, `step`, …
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The graph it was made from.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the variant that fixes these sizes is called: `step batch 64`.
    pub fn variant_name(&self, fixed: &Bindings) -> String {
        fixed.iter().fold(self.name.clone(), |name, (symbol, size)| format!("{name} {symbol} {size}"))
    }

    /// The rows of a step in elements, where rows are looked up.
    fn batch(&self, fixed: &Bindings) -> Option<Dim> {
        let symbol = || self.ports.symbols.first().map_or("", |name| &**name);
        (!self.ports.looked_up.is_empty()).then(|| Dim::symbol(symbol()).bind(fixed))
    }
}

/// Compiles variants of planned entries to one image.
///
/// # Errors
/// Sizes that cannot be, what has no compiled form, and what Cranelift reports.
pub fn compile(
    wanted: &[Wanted<'_>],
    purposes: Purposes<'_>,
    stages: &mut Stages<'_>,
) -> Result<Artifact, Error> {
    let mut image = Image {
        purposes,
        functions: Functions::new(purposes.target),
        kernels: Lowered::default(),
        tasks: Tasks::default(),
        divided: 0,
    };
    let entries = wanted.iter().map(|Wanted { planned, variants }| {
        let variants = variants.iter().map(|fixed| image.variant(planned, fixed, stages));
        variants.collect::<Result<Vec<Entry>, Error>>()
    });
    let entries = entries.collect::<Result<Vec<_>, Error>>()?;

    stages.of("program");
    let Image { functions, kernels, divided, .. } = image;
    let code = stages.try_run(Stage::Code, || functions.link(), |_| (), |code| code.to_string())?;
    Ok(Artifact { code, entries, functions: kernels.count(), divided })
}

/// The functions of an image as it grows.
struct Image<'a> {
    purposes: Purposes<'a>,
    functions: Functions<'a>,
    kernels: Lowered,
    tasks: Tasks,
    /// Functions that threads share.
    divided: usize,
}

impl Image<'_> {
    /// Compiles an entry for the sizes that are fixed, on the target.
    fn variant(
        &mut self,
        planned: &Planned,
        fixed: &Bindings,
        stages: &mut Stages<'_>,
    ) -> Result<Entry, Error> {
        let Purposes { target, marked } = self.purposes;
        let Planned { graph, ports, plan, .. } = planned;
        let name = planned.variant_name(fixed);
        stages.of(&name);
        stages.time(Stage::Checked, || sizes::check(graph, fixed))?;

        let mut arena = plan.arena.clone();
        let instances = stages.run(
            Stage::Schedule,
            || {
                let mut scheduled = schedule(&plan.kernels, &plan.repeats, &mut arena, fixed, target);
                share(&mut scheduled, &plan.repeats, &mut arena, fixed, target);
                scheduled
            },
            |instances| {
                let forms = first_of_each(instances, |instance| instance.form.number);
                forms.for_each(|instance| ir::verify::assert_valid(&instance.form.scheduled.kernel));
            },
            |instances| texts(instances.iter().map(Instance::scheduled), ""),
        );
        let called = calls(&instances, &plan.repeats);
        let parts: Vec<&[Instance]> = called.iter().flat_map(|call| functions(call)).collect();
        let repeats: Vec<Repeat> = around_calls(&called, &plan.repeats);
        let repeats: Vec<Repeat> = repeats.into_iter().map(|repeat| repeat.bound(fixed)).collect();
        let native = |(number, call): (usize, &&[Instance])| native(call, number, &repeats);
        let natives = if marked { called.iter().enumerate().map(native).collect() } else { Vec::new() };
        let emitted = stages.try_run(
            Stage::Lane,
            || emit_parts(&parts, &arena),
            |emitted| {
                let programs = first_of_each(emitted, |part| Rc::as_ptr(&part.emitted));
                programs.for_each(|part| lane::verify::assert_valid(&part.emitted.program));
            },
            |emitted| texts(emitted, "\n"),
        )?;
        let asked = Asked { verify: stages.verifies(), text: stages.wants(Stage::Machine) };
        let lowered = stages.try_run(
            Stage::Machine,
            || lower(&emitted, &mut self.kernels, &mut self.functions, asked),
            |_| (),
            |lowered| texts(lowered.iter().filter_map(|(_, text)| text.as_ref()), "\n"),
        )?;
        let lowered: Vec<FunctionId> = lowered.into_iter().map(|(function, _)| function).collect();
        let (calls, function, numbers) = stages.try_run(
            Stage::Entry,
            || {
                let teams = called
                    .iter()
                    .map(|call| (functions(call).len(), shared_cost(call, &plan.repeats, fixed)));
                let mut maker =
                    Maker { arena: &arena, tasks: &mut self.tasks, functions: &mut self.functions };
                let calls = maker.calls(emitted, &lowered, teams)?;
                let launch = Launch {
                    calls: &calls,
                    repeats: &repeats,
                    loss: graph.results.iter().any(|(purpose, _)| matches!(purpose, Purpose::Loss(_))),
                    guard: called.iter().take_while(|call| guard(call) > 0).count(),
                    streams: &ports.streams,
                    looked_up: &|input| ports.looked_up.contains(&input),
                    batch: planned.batch(fixed),
                    marked,
                };
                let (function, numbers) = launch::define(&mut self.functions, &name, &launch)?;
                Ok::<_, Error>((calls, function, numbers))
            },
            |_| (),
            |(calls, ..)| texts(calls, "\n"),
        )?;
        self.divided +=
            calls.iter().flat_map(|call| &call.functions).filter(|one| one.shared.is_some()).count();

        arena.sizes.iter_mut().for_each(|size| *size = size.bind(fixed));
        Ok(Entry {
            name: planned.name.clone(),
            function,
            storages: graph.storages.iter().map(|it| (it.name.clone(), it.ty.clone())).collect(),
            inputs: ports.inputs.clone(),
            outputs: ports.outputs.clone(),
            symbols: ports.symbols.clone(),
            has_rows: ports.has_rows,
            numbers,
            streams: ports.streams.clone(),
            fixed: fixed.clone(),
            arena,
            functions: natives,
        })
    }
}

/// The functions of lane programs, each with its text if that is asked for and it was made now.
fn lower(
    parts: &[Part],
    kernels: &mut Lowered,
    functions: &mut Functions<'_>,
    asked: Asked,
) -> Result<Vec<(FunctionId, Option<String>)>, Error> {
    parts.iter().map(|part| kernels.function(functions, &part.emitted.program, asked)).collect()
}

/// Refuses a graph that is none.
fn verify_source(name: &str, graph: &Graph, stages: &mut Stages<'_>) -> Result<(), Error> {
    stages.time(Stage::Checked, || {
        verify(graph)?;
        Ok(check_told(graph, name)?)
    })
}

fn kernels_of(steps: &[Step]) -> impl Iterator<Item = &Kernel> {
    steps.iter().flat_map(|step| &step.kernels)
}

/// Those that have a key as the first: what shares it is verified once.
fn first_of_each<T, K: Eq + Hash>(all: &[T], key: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    let mut seen = Set::default();
    all.iter().filter(move |one| seen.insert(key(one)))
}

/// What a call of these kernels, which happens once in each turn of the loops around it, is for reports.
fn native(call: &[Instance], number: usize, repeats: &[Repeat]) -> Native {
    let kernels: Vec<Scheduled> = call.iter().map(Instance::scheduled).collect();
    let around = repeats.iter().filter(|repeat| repeat.kernels.contains(&number));
    let turns = around.fold(Dim::from(1), |turns, repeat| &turns * &repeat.turns);
    let cost = Cost::of(kernels.iter().map(|scheduled| (&scheduled.kernel, &scheduled.schedule.lanes)));
    Native {
        cost: cost.times(&turns),
        kernels: kernels.into_iter().map(|scheduled| scheduled.kernel.name).collect(),
    }
}

/// A function `extern "C" fn(*mut Context)` for each lane program, which runs it once a step. Of the context it reads what the program's
/// arguments stand for, and `steps`.
///
/// # Errors
/// What Cranelift reports.
pub fn compile_programs(programs: Vec<Emitted>, target: &Target) -> Result<(Code, Vec<FunctionId>), Error> {
    let mut functions = Functions::new(target);
    let mut lowered = Lowered::default();
    let mut made = Vec::new();
    for (number, Emitted { program, pointers, integers }) in programs.into_iter().enumerate() {
        let (function, _) = lowered.function(&mut functions, &program, Asked::default())?;
        let functions_called = vec![Called { function, shared: None, pointers, integers }];
        let calls = [Call { functions: functions_called, work: Dim::default() }];
        let launch = Launch {
            calls: &calls,
            repeats: &[],
            loss: false,
            guard: 1,
            streams: &[],
            looked_up: &|_| false,
            batch: None,
            marked: false,
        };
        let (function, numbers) = launch::define(&mut functions, &format!("program{number}"), &launch)?;
        if !numbers.is_empty() {
            bug("a lane program by itself hangs on sizes");
        }
        made.push(function);
    }
    Ok((functions.link()?, made))
}

fn texts<T: fmt::Display>(all: impl IntoIterator<Item = T>, between: &str) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(between)
}
