//! The pipeline from a graph to machine code, in one place.
//!
//! In: a module to put code in, a target, and the optimized graph of an entry. Out: an [`Entry`]. Each line of
//! [`Compiler::entry`] is a step with its own time; [`Compiler::dump`] shows what each gave.

use crate::emit::kernel::{Emitted, Pointer, emit};
use crate::entry::calls::{Call, Shared};
use crate::entry::description::{Entry, InputSlot, Native};
use crate::entry::launch::{self, Launch};
use crate::entry::task::define_task;
use crate::error::Error;
use crate::fusion::fuse::{Fused, fuse};
use crate::fusion::prepare::prepare;
use crate::ir::kernel::{Buffer, Kernel};
use crate::ir::verify::check;
use crate::lane::Program;
use crate::lower::clif;
use crate::lower::wide;
use crate::plan::arena::{Arena, Plan, plan};
use crate::plan::build::{Homes, assign_homes, build};
use crate::schedule::cost::Cost;
use crate::schedule::divide::Division;
use crate::schedule::form::buffer_of;
use crate::schedule::specialize::{Instance, Scheduled, guard, parts, schedule};
use crate::target::Target;
use cranelift_module::{FuncId, Module};
use downhill_graph::asked::{asked_inputs, needed_symbols};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, NodeId, Purpose, Role, bug};
use downhill_graph::hash::Map;
use downhill_graph::op::Op;
use downhill_graph::types::Type;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Compiles entries into a module. Kernels that are equal are compiled once, whichever entry they belong to.
pub struct Compiler<'m, M: Module> {
    module: &'m mut M,
    target: &'m Target,
    known: Map<Program, FuncId>,
    /// What threads call, by the number of pointers and integers that a kernel takes, and the pointers to rooms among them.
    tasks: HashMap<(u32, u32, Vec<usize>), FuncId>,
    entries: usize,
    report: Report,
    dump: Option<Show<'m>>,
    marked: bool,
}

/// Who is shown each form made on the way.
pub type Show<'m> = &'m mut dyn FnMut(Stage, &str);

/// Forms that can be shown on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Groups of values that one kernel makes.
    Fused,
    /// Kernel IR.
    Kernel,
    /// Order of kernels and the arena.
    Plan,
    /// Kernels as one variant runs them on one target: packed, with the schedule of their loops.
    Schedule,
    /// Lane programs.
    Lane,
}

/// What all variants of an entry have in common: its kernels in their order, and what they read.
#[derive(Debug)]
pub struct Planned {
    symbols: Vec<Arc<str>>,
    outputs: Vec<(Purpose, Type)>,
    looked_up: BTreeSet<usize>,
    streams: Vec<u32>,
    plan: Plan,
}

/// What compiling cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Fusion, kernels, schedules, plans.
    pub planning: Duration,
    /// Lowering, register allocation, machine code.
    pub generation: Duration,
    /// Kernels called by all entries.
    pub kernels: usize,
    /// Those that threads share.
    pub divided: usize,
    /// Functions compiled for them: equal kernels share one, and so do the kernels of a small step.
    pub functions: usize,
}

impl<'m, M: Module> Compiler<'m, M> {
    /// A compiler that puts code into `module`.
    pub fn new(module: &'m mut M, target: &'m Target) -> Compiler<'m, M> {
        Compiler {
            module,
            target,
            known: Map::default(),
            tasks: HashMap::new(),
            entries: 0,
            report: Report::default(),
            dump: None,
            marked: false,
        }
    }

    /// Shows every form made from now on.
    #[must_use]
    pub fn dump(mut self, show: Show<'m>) -> Compiler<'m, M> {
        self.dump = Some(show);
        self
    }

    /// Entries made from now on tell their caller where a step is ([`crate::abi::Mark`]) and say what their functions cost.
    #[must_use]
    pub fn marked(self) -> Compiler<'m, M> {
        Compiler { marked: true, ..self }
    }

    /// What compiling has cost so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Compiles the graph of one entry. `fixed` are run sizes that this variant is for (a batch size); its results have the same bits
    /// as the generic variant's.
    ///
    /// # Errors
    /// What has no compiled form, and what Cranelift reports.
    pub fn entry(&mut self, name: &str, graph: &Graph, fixed: &Bindings) -> Result<Entry, Error> {
        let planned = self.plan(graph)?;
        self.variant(name, graph, &planned, fixed)
    }

    /// What depends on the graph alone, for all variants of an entry.
    ///
    /// # Errors
    /// What has no compiled form.
    pub fn plan(&mut self, graph: &Graph) -> Result<Planned, Error> {
        let start = Instant::now();
        let symbols = run_symbols(graph);
        let outputs = named_results(graph);
        let looked_up = looked_up_inputs(graph, symbols.first());
        let prepared = prepare(graph);
        let fused = fuse(&prepared, &input_nodes(&prepared, &looked_up));
        self.show(Stage::Fused, || describe_groups(&prepared, &fused));
        let purposes: Vec<Purpose> = outputs.iter().map(|(purpose, _)| purpose.clone()).collect();
        let homes = assign_homes(&prepared, &fused, &purposes, looked_up);
        let kernels = fused
            .groups
            .iter()
            .map(|group| build(&prepared, &homes, group))
            .collect::<Result<Vec<_>, _>>()?;
        let Homes { looked_up, arena, .. } = homes;
        check(&kernels);
        let plan = plan(&prepared, kernels, arena);
        check(&plan.kernels);
        self.show(Stage::Kernel, || plan.kernels.iter().map(Kernel::to_string).collect());
        self.show(Stage::Plan, || describe_plan(&plan));
        let streams = random_streams(&prepared);
        self.report.planning += start.elapsed();
        Ok(Planned { symbols, outputs, looked_up, streams, plan })
    }

    /// Compiles what was planned of `graph` for the run sizes `fixed`.
    ///
    /// # Errors
    /// What Cranelift reports.
    pub fn variant(
        &mut self,
        name: &str,
        graph: &Graph,
        planned: &Planned,
        fixed: &Bindings,
    ) -> Result<Entry, Error> {
        let start = Instant::now();
        let Planned { symbols, outputs, looked_up, streams, plan } = planned;
        let mut arena = plan.arena.clone();
        let scheduled = schedule(&plan.kernels, &mut arena, fixed, self.target);
        self.show(Stage::Schedule, || scheduled.iter().map(|it| it.scheduled().to_string()).collect());
        let parts = parts(&scheduled);
        let functions =
            if self.marked { parts.iter().map(|part| describe(part)).collect() } else { Vec::new() };
        self.report.planning += start.elapsed();
        let start = Instant::now();
        let calls = self.calls(&parts, &arena)?;
        let bind = |dim: &Dim| dim.bind(fixed);
        let batch =
            (!looked_up.is_empty()).then(|| bind(&Dim::symbol(symbols.first().map_or("", |name| &**name))));
        let launch = Launch {
            calls: &calls,
            loss: graph.results.iter().any(|(purpose, _)| matches!(purpose, Purpose::Loss(_))),
            guard: parts.iter().take_while(|part| guard(part) > 0).count(),
            streams,
            looked_up: &|n| looked_up.contains(&n),
            batch,
            marked: self.marked,
        };
        self.entries += 1;
        let (function, numbers) =
            launch::define(self.module, self.target, &format!("entry{}", self.entries), &launch)?;
        self.report.generation += start.elapsed();
        self.report.kernels += scheduled.len();
        arena.sizes.iter_mut().for_each(|size| *size = bind(size));
        Ok(Entry {
            name: name.to_owned(),
            function,
            storages: graph
                .storages
                .iter()
                .map(|storage| (storage.name.clone(), storage.ty.clone()))
                .collect(),
            inputs: input_slots(graph, looked_up),
            outputs: outputs.clone(),
            symbols: symbols.clone(),
            numbers,
            streams: streams.clone(),
            fixed: fixed.clone(),
            arena,
            functions,
        })
    }

    /// The functions of an entry's parts, and how they are called. Kernels of one form share their function.
    fn calls(&mut self, parts: &[&[Instance]], arena: &Arena) -> Result<Vec<Call>, Error> {
        let overlap = |x: Buffer, y: Buffer| arena.may_overlap(x, y);
        let mut known: HashMap<usize, (FuncId, Rc<Emitted>)> = HashMap::new();
        let mut calls = Vec::new();
        for part in parts {
            let (function, emitted, numbers) = match part {
                [alone] => {
                    let (function, emitted) = match known.get(&alone.form.number) {
                        Some(known) => known.clone(),
                        // All of its buffers are in use at once.
                        None => self.part(std::slice::from_ref(&alone.form.scheduled), &|_, _| false)?,
                    };
                    known.insert(alone.form.number, (function, emitted.clone()));
                    (function, emitted, Some(&alone.numbers))
                }
                several => {
                    let kernels: Vec<Scheduled> = several.iter().map(Instance::scheduled).collect();
                    let (function, emitted) = self.part(&kernels, &overlap)?;
                    (function, emitted, None)
                }
            };
            self.show(Stage::Lane, || {
                let names: Vec<&str> = part.iter().map(|instance| instance.name.as_str()).collect();
                format!("{}\n{}", names.join("; "), emitted.program)
            });
            let (pointers, integers) = emitted.arguments(|buffer| match numbers {
                Some(numbers) => buffer_of(numbers, buffer),
                None => buffer,
            });
            let division = part.iter().find_map(|kernel| kernel.form.scheduled.division.clone());
            self.report.divided += usize::from(division.is_some());
            calls.push(Call {
                function,
                shared: division.map(|it| self.shared(it, &pointers, integers.len(), arena)).transpose()?,
                pointers,
                integers,
            });
        }
        Ok(calls)
    }

    /// The function of kernels that run one after another.
    fn part(
        &mut self,
        kernels: &[Scheduled],
        overlap: &dyn Fn(Buffer, Buffer) -> bool,
    ) -> Result<(FuncId, Rc<Emitted>), Error> {
        let emitted = emit(kernels, overlap);
        Ok((self.kernel(&emitted.program)?, Rc::new(emitted)))
    }

    /// A function `extern "C" fn(*mut Context)` that runs a lane program once a step. Of the context it reads what the program's
    /// arguments stand for, and `steps`.
    ///
    /// # Errors
    /// What Cranelift reports.
    pub fn program(&mut self, emitted: Emitted) -> Result<FuncId, Error> {
        let function = self.kernel(&emitted.program)?;
        let Emitted { pointers, integers, .. } = emitted;
        let calls = [Call { function, shared: None, pointers, integers }];
        let launch = Launch {
            calls: &calls,
            loss: false,
            guard: 1,
            streams: &[],
            looked_up: &|_| false,
            batch: None,
            marked: false,
        };
        self.entries += 1;
        let (function, numbers) =
            launch::define(self.module, self.target, &format!("entry{}", self.entries), &launch)?;
        if !numbers.is_empty() {
            bug("a lane program by itself hangs on sizes");
        }
        Ok(function)
    }

    /// The function of a kernel, made now or before.
    fn kernel(&mut self, program: &Program) -> Result<FuncId, Error> {
        if let Some(&known) = self.known.get(program) {
            return Ok(known);
        }
        let name = format!("kernel{}", self.known.len());
        let function = match self.target.lanes().level() {
            Some(level) => wide::define(self.module, level, &name, program)?,
            None => clif::define(self.module, self.target, &name, program)?,
        };
        self.known.insert(program.clone(), function);
        self.report.functions += 1;
        Ok(function)
    }

    /// The way to a kernel that threads share.
    fn shared(
        &mut self,
        division: Division,
        pointers: &[Pointer],
        integers: usize,
        arena: &Arena,
    ) -> Result<Shared, Error> {
        let threads = Dim::from(self.target.thread_count());
        let room = |(place, pointer): (usize, &Pointer)| match pointer {
            Pointer::Into(Buffer::Scratch(n), _) => Some((place, arena.sizes[*n].divide(&threads))),
            _ => None,
        };
        let rooms: Vec<(usize, Dim)> = pointers.iter().enumerate().filter_map(room).collect();
        let places: Vec<usize> = rooms.iter().map(|(place, _)| *place).collect();
        let (pointers, integers) = (pointers.len() as u32, integers as u32);
        let task = match self.tasks.get(&(pointers, integers, places.clone())) {
            Some(&known) => known,
            None => define_task(self.module, self.target, (pointers, integers), &places)?,
        };
        self.tasks.insert((pointers, integers, places), task);
        Ok(Shared { division, task, rooms })
    }

    fn show(&mut self, stage: Stage, text: impl FnOnce() -> String) {
        if let Some(dump) = &mut self.dump {
            dump(stage, &text());
        }
    }
}

/// What a function of these kernels is, for reports.
fn describe(part: &[Instance]) -> Native {
    let kernels: Vec<Scheduled> = part.iter().map(Instance::scheduled).collect();
    Native {
        cost: Cost::of(kernels.iter().map(|scheduled| (&scheduled.kernel, &scheduled.schedule.lanes))),
        kernels: kernels.into_iter().map(|scheduled| scheduled.kernel.name).collect(),
    }
}

/// The run-time symbols that a graph's values hang on: first the one that counts the rows of its inputs, then the others as they
/// come. Those that nothing needs are left out: nobody need say how large they are.
fn run_symbols(graph: &Graph) -> Vec<Arc<str>> {
    let used = needed_symbols(graph);
    let mut symbols: Vec<Arc<str>> = Vec::new();
    let data = || graph.inputs.iter().filter(|input| matches!(input.role, Role::Input | Role::Target));
    let leading = data().filter_map(|input| input.ty.shape.dims().first());
    let rows = leading.filter(|dim| used.iter().any(|name| **dim == Dim::symbol(name)));
    for dim in rows.take(1).chain(data().flat_map(|input| input.ty.shape.dims())) {
        for name in dim.symbols() {
            if used.contains(&name) && !symbols.contains(&name) {
                symbols.push(name);
            }
        }
    }
    symbols
}

/// Results that are given out, in order.
fn named_results(graph: &Graph) -> Vec<(Purpose, Type)> {
    let given = |purpose: &&(Purpose, NodeId)| matches!(purpose.0, Purpose::Output(_) | Purpose::Gradient(_));
    let results = graph.results.iter().filter(given);
    results.map(|(purpose, id)| (purpose.clone(), graph.ty(*id).clone())).collect()
}

/// A training step takes the rows of its data through a table; other entries are given rows that lie in order.
fn looked_up_inputs(graph: &Graph, rows: Option<&Arc<str>>) -> BTreeSet<usize> {
    let Some(rows) = rows.filter(|_| trains(graph)) else { return BTreeSet::new() };
    let by_row = |input: &downhill_graph::graph::Input| {
        matches!(input.role, Role::Input | Role::Target)
            && input.ty.shape.dims().first() == Some(&Dim::symbol(rows))
    };
    graph.inputs.iter().enumerate().filter(|(_, input)| by_row(input)).map(|(n, _)| n).collect()
}

/// Whether an entry changes storages.
fn trains(graph: &Graph) -> bool {
    graph.results.iter().any(|(purpose, _)| matches!(purpose, Purpose::Update(_)))
}

fn input_nodes(graph: &Graph, wanted: &BTreeSet<usize>) -> BTreeSet<NodeId> {
    graph.ids().filter(|&id| matches!(graph.op(id), Op::Input(n) if wanted.contains(n))).collect()
}

/// How the runtime is to fill each input.
fn input_slots(graph: &Graph, looked_up: &BTreeSet<usize>) -> Vec<InputSlot> {
    let asked = asked_inputs(graph);
    let slots = graph.inputs.iter().enumerate().map(|(n, input)| InputSlot {
        name: input.name.clone(),
        ty: input.ty.clone(),
        role: input.role,
        lookup: looked_up.contains(&n),
        read: asked.contains(&n),
    });
    slots.collect()
}

fn random_streams(graph: &Graph) -> Vec<u32> {
    let drawn = graph
        .ids()
        .filter_map(|id| if let Op::RandomBits { stream, .. } = graph.op(id) { Some(*stream) } else { None });
    drawn.collect::<BTreeSet<u32>>().into_iter().collect()
}

fn describe_groups(prepared: &Graph, fused: &Fused) -> String {
    let mut text = String::new();
    for (number, group) in fused.groups.iter().enumerate() {
        let _ = writeln!(text, "group {number}");
        for root in &group.roots {
            let _ = writeln!(text, "  %{}: {}", root.node.index(), prepared.ty(root.node));
        }
    }
    text
}

fn describe_plan(plan: &Plan) -> String {
    let mut text = String::new();
    for (number, kernel) in plan.kernels.iter().enumerate() {
        let _ = writeln!(text, "{number}: {}", kernel.name);
    }
    for (number, (size, (first, last))) in plan.arena.sizes.iter().zip(&plan.arena.lifetimes).enumerate() {
        let _ = writeln!(text, "arena{number}: {size} bytes, kernels {first} to {last}");
    }
    text
}
