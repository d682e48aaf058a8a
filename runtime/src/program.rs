//! A network as machine code.
//!
//! In: a declaration, optimizers, batch sizes. Out: a [`Program`], which models run. [`Program::build`] shows the steps of a
//! build in order.
//!
//! Must hold: a program never changes what a model sees; code that is compiled when first asked for, that of gradients, of profiles and of
//! sizes that repeat, is the only thing added to it.

use crate::compiled::{CompiledEntry, Draft, Making, Outline, Parts, Variant};
use crate::dump::{self, Dump};
use crate::error::Error;
use crate::host;
use crate::pool::{self, Pool};
use crate::report::Report;
use crate::specialize::Obtained;
pub use crate::specialize::Specialize;
use downhill_codegen::target::{InstructionSet, Target};
use downhill_graph::check::{Check, Made};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::error::Errors;
use downhill_graph::graph::{Graph, NodeId, Storage, StorageKind, Undecided, bug};
use downhill_graph::passes::bind;
use downhill_graph::sizes::concrete;
use downhill_graph::stages::{Stage, Stages};
use downhill_nn::builder::{Declaration, Mode};
use downhill_nn::entry::{self, Watch};
use downhill_nn::network::hangs_on_data;
use downhill_nn::optimizers::Optimizer;
use downhill_nn::summary::Summary;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How a network is to be built.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For every loss that has none of its own; without any, the program cannot train.
    pub optimizer: Option<Optimizer>,
    /// By the name of a loss.
    pub optimizers: Vec<(String, Optimizer)>,
    /// Batch sizes to compile variants for; every other size runs too, through a generic one.
    pub batch_sizes: Vec<usize>,
    /// Which sizes have variants: those named above, and those that repeat.
    pub specialize: Specialize,
    /// Stages to show; those that the environment asks for when `None`.
    pub dump: Option<Dump>,
    /// The vectors that code is made of; as `DOWNHILL_TARGET` says, else the widest that the machine has, when `None`.
    pub instructions: Option<InstructionSet>,
    /// Threads that share large kernels; as `DOWNHILL_THREADS` says, else 1, when `None`.
    pub threads: Option<usize>,
    /// Leaves out the checks of labels, targets and probabilities.
    pub unchecked: bool,
}

/// What finds out why a step of a loss was stopped.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) entry: Arc<CompiledEntry>,
    /// What is watched, in the order of its outputs.
    pub(crate) watched: Vec<Watch>,
}

/// What is compiled when first asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Later {
    /// A loss, and what its gradients are by: all that it trains when empty.
    Gradients(String, Vec<String>),
    /// A loss as inference has it.
    HeldOut(String),
    /// One output alone.
    Output(String),
}

/// Machine code of a network's entries, with what is known of them. Shared by the models that run it.
pub struct Program {
    name: String,
    target: Target,
    /// Threads beside the caller's, once an entry has kernels to share.
    pool: OnceLock<Pool>,
    train: Declaration,
    infer: Declaration,
    /// For every loss that has none of its own, and by the name of a loss.
    optimizers: (Option<Optimizer>, Vec<(String, Optimizer)>),
    /// The network's arguments.
    bindings: Bindings,
    batch_sizes: Vec<usize>,
    /// Whether sizes that repeat have code made.
    automatic: bool,
    dump: Dump,
    /// Whether stages are verified in this release build.
    verify: bool,
    storages: Vec<Storage>,
    forward: Arc<CompiledEntry>,
    steps: Vec<Arc<CompiledEntry>>,
    later: Mutex<Vec<(Later, Arc<CompiledEntry>)>>,
    /// By the name of a loss; nothing where one cannot be compiled.
    diagnoses: Mutex<Vec<(String, Option<Arc<Diagnosis>>)>>,
    /// By the name of a loss.
    parts: Mutex<Vec<(String, Arc<Parts>)>>,
    report: Report,
}

impl Program {
    /// Builds a network: graph, gradients, updates, machine code. `declare` is called for each mode.
    ///
    /// # Errors
    /// Mistakes in the declaration, unknown losses, sizes that are none, and what the machine lacks.
    pub fn build(
        name: &str,
        declare: impl Fn(Mode) -> Result<Declaration, Errors>,
        options: Options,
    ) -> Result<Program, Error> {
        let verify = dump::verify_from_environment()?;
        let dump = options.dump.clone().map_or_else(Dump::from_environment, Ok)?;
        let threads = options.threads.map_or_else(pool::threads_from_environment, pool::check)?;
        let mut show = |entry: &str, stage: Stage, text: &str| dump.show(name, entry, stage, text);
        let mut stages = Stages::watched(dump.stages(), &mut show).verifying(verify);
        let target = stages
            .time(Stage::Target, || options.instructions.map_or_else(host::target, host::target_with))?;
        let target = target.threads(threads);
        let infer = stages.time(Stage::Graph, || declare(Mode::Infer))?;
        let train = stages.time(Stage::Graph, || declare(Mode::Train))?;
        check_decided(&infer)?;
        check_decided(&train)?;
        let checked = |declaration: Declaration| {
            if options.unchecked { declaration.unchecked() } else { declaration }
        };
        let (infer, train) = (checked(infer), checked(train));
        check_options(&train, &options)?;
        for (mode, declaration) in [("infer", &infer), ("train", &train)] {
            stages.of(mode);
            stages.show(Stage::Graph, || declaration.graph.to_text());
        }
        let mut drafts = vec![plan_forward(&infer, &mut stages)?];
        drafts.extend(plan_steps(&train, &options, &mut stages)?);
        let storages = union_of_storages(&train, &drafts)?;
        check_storages(&storages)?;
        let outlines = drafts.into_iter().map(|draft| draft.plan(&mut stages));
        let outlines = outlines.collect::<Result<Vec<Outline>, Error>>()?;
        let automatic = options.specialize == Specialize::Automatic;
        let making = Making {
            storages: &storages,
            target: &target,
            batch_sizes: &options.batch_sizes,
            automatic,
            marked: false,
        };
        let mut report = Report::default();
        let mut entries = making.compile(outlines, &mut stages, &mut report)?.into_iter();
        report.take_times(&stages);
        drop(stages);
        let forward = entries.next().unwrap_or_else(|| bug("no forward entry"));
        let program = Program {
            name: name.to_owned(),
            pool: OnceLock::new(),
            target,
            bindings: train.graph.bindings.clone(),
            train,
            infer,
            optimizers: (options.optimizer, options.optimizers),
            batch_sizes: options.batch_sizes,
            automatic,
            dump,
            verify,
            storages,
            forward,
            steps: entries.collect(),
            later: Mutex::default(),
            diagnoses: Mutex::default(),
            parts: Mutex::default(),
            report,
        };
        program.start_threads(&program.report)?;
        Ok(program)
    }

    /// Starts the threads, if there are kernels to share and they do not run yet.
    fn start_threads(&self, report: &Report) -> Result<(), Error> {
        if report.divided > 0 && self.pool.get().is_none() {
            // Of two that start them at once, one keeps its own; the other's end with it.
            let _ = self.pool.set(Pool::new(self.target.thread_count())?);
        }
        Ok(())
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What building it took, and which sizes have code of their own by now.
    pub fn report(&self) -> Report {
        let known = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        let mut later: Vec<Arc<CompiledEntry>> = known.iter().map(|(_, entry)| entry.clone()).collect();
        drop(known);
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        later.extend(parts.iter().flat_map(|(_, parts)| [parts.accumulate.clone(), parts.apply.clone()]));
        drop(parts);
        let variants = self.entries().chain(later).flat_map(|entry| entry.own_variants().collect::<Vec<_>>());
        Report { variants: variants.collect(), ..self.report.clone() }
    }

    /// The network as a table: its values, their shapes, their parameters.
    pub fn summary(&self) -> Summary {
        Summary::new(&self.name, &self.infer, &self.storages)
    }

    /// The vectors that its code is made of.
    pub fn instructions(&self) -> InstructionSet {
        self.target.instructions()
    }

    /// Threads that its code is made for. As many run as the process has processors for.
    pub fn threads(&self) -> usize {
        self.target.thread_count()
    }

    /// The names of the losses, in the order of declaration.
    pub fn losses(&self) -> impl Iterator<Item = &str> {
        self.train.losses.iter().map(|loss| &*loss.name)
    }

    /// The graph of an entry: `forward`, `step`; where a network has several losses, `step judge`.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn graph(&self, entry: &str) -> Result<&Graph, Error> {
        let entries = || std::iter::once(&self.forward).chain(&self.steps);
        let found = entries().find(|known| known.name() == entry);
        found
            .map(|entry| entry.graph())
            .ok_or_else(|| Error::unknown("entry", entry, entries().map(|entry| entry.name())))
    }

    /// The graph of a loss and its gradients by these parameters, states and inputs (all that it trains when none is named): what
    /// the chain rule made, before any optimizer. `to_formulas` writes it as on paper.
    ///
    /// # Errors
    /// There is no such loss, or nothing of such a name.
    pub fn gradient_graph(&self, loss: &str, by: &[&str]) -> Result<Graph, Error> {
        Ok(entry::gradients(&self.train, Some(loss), by)?)
    }

    /// What its code was made for.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.get()
    }

    /// The network's arguments.
    pub(crate) fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// Parameters and states of all entries: what a model keeps.
    pub fn storages(&self) -> &[Storage] {
        &self.storages
    }

    pub(crate) fn storage_of(&self, kind: StorageKind, name: &str) -> Result<usize, Error> {
        let mut known = self.storages.iter();
        known.position(|storage| storage.kind == kind && &*storage.name == name).ok_or_else(|| {
            let word = if kind == StorageKind::Parameter { "parameter" } else { "state" };
            let names = self.storages.iter().filter(|storage| storage.kind == kind);
            Error::unknown(word, name, names.map(|storage| &*storage.name))
        })
    }

    /// `forward`, then a step for each loss.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Arc<CompiledEntry>> {
        std::iter::once(&self.forward).chain(&self.steps).cloned()
    }

    pub(crate) fn forward(&self) -> &CompiledEntry {
        &self.forward
    }

    /// A step for each loss that has an optimizer.
    pub(crate) fn steps(&self) -> &[Arc<CompiledEntry>] {
        &self.steps
    }

    /// Whether a state is one of the declaration's: others are the optimizers'.
    pub fn declares(&self, storage: &str) -> bool {
        self.train.graph.storages.iter().any(|declared| *declared.name == *storage)
    }

    /// The entry that gives a loss and its gradients by these storages and inputs, or by all it trains; compiled when first
    /// asked for.
    pub(crate) fn gradients(&self, loss: &str, by: &[&str]) -> Result<Arc<CompiledEntry>, Error> {
        let key = || Later::Gradients(loss.to_owned(), by.iter().map(|&name| name.to_owned()).collect());
        let same =
            |known: &Later| matches!(known, Later::Gradients(of, names) if of == loss && names.iter().eq(by));
        self.later(same, key, || {
            Ok(Draft {
                name: entry_name(&self.train, "gradients", loss),
                loss: Some(loss.into()),
                graph: entry::gradients(&self.train, Some(loss), by)?,
                rate: 0.0,
                checks: checks_of_loss(&self.train, loss),
            })
        })
    }

    /// The entry that gives a loss as inference has it, without a gradient; compiled when first asked for.
    pub(crate) fn held_out(&self, loss: &str) -> Result<Arc<CompiledEntry>, Error> {
        let same = |known: &Later| matches!(known, Later::HeldOut(of) if of == loss);
        self.later(
            same,
            || Later::HeldOut(loss.to_owned()),
            || {
                Ok(Draft {
                    name: entry_name(&self.train, "loss", loss),
                    loss: Some(loss.into()),
                    graph: entry::loss(&self.infer, Some(loss))?,
                    rate: 0.0,
                    checks: checks_of_loss(&self.infer, loss),
                })
            },
        )
    }

    /// The entry that gives one output, from the inputs that it is made of; compiled when first asked for.
    pub(crate) fn output(&self, name: &str) -> Result<Arc<CompiledEntry>, Error> {
        let same = |known: &Later| matches!(known, Later::Output(of) if of == name);
        let key = || Later::Output(name.to_owned());
        self.later(same, key, || {
            let nodes = self.infer.outputs.iter().filter(|(known, _)| **known == *name);
            let nodes: Vec<NodeId> = nodes.map(|(_, node)| *node).collect();
            Ok(Draft {
                name: format!("output {name}"),
                loss: None,
                graph: entry::output(&self.infer, name)?,
                rate: 0.0,
                checks: self.infer.checks_of(&nodes).cloned().collect(),
            })
        })
    }

    fn later(
        &self,
        same: impl Fn(&Later) -> bool,
        key: impl FnOnce() -> Later,
        draft: impl FnOnce() -> Result<Draft, Error>,
    ) -> Result<Arc<CompiledEntry>, Error> {
        let mut known = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entry)) = known.iter().find(|(key, _)| same(key)) {
            return Ok(entry.clone());
        }
        let draft = draft()?;
        let entry = self.compile_later(self.making(false), |stages| draft.plan(stages))?;
        known.push((key(), entry.clone()));
        Ok(entry)
    }

    /// The same entry in code that tells where it is: what profiles are made with. Compiled when first asked for.
    pub(crate) fn marked(&self, entry: &CompiledEntry) -> Result<Arc<CompiledEntry>, Error> {
        let mut known = entry.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(marked) = &*known {
            return Ok(marked.clone());
        }
        let marked = self.compile_later(self.making(true), |_| Ok(entry.outline()))?;
        *known = Some(marked.clone());
        Ok(marked)
    }

    /// What finds out why a step of this loss was stopped; compiled when first asked for.
    pub(crate) fn diagnosis(&self, loss: &str) -> Option<Arc<Diagnosis>> {
        let mut known = self.diagnoses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, diagnosis)) = known.iter().find(|(name, _)| name == loss) {
            return diagnosis.clone();
        }
        let diagnosis = self.compile_diagnosis(loss).ok().map(Arc::new);
        known.push((loss.to_owned(), diagnosis.clone()));
        diagnosis
    }

    fn compile_diagnosis(&self, loss: &str) -> Result<Diagnosis, Error> {
        let optimizer = optimizer_of(&self.optimizers.0, &self.optimizers.1, loss);
        let entry::Diagnosis { graph, watched } = entry::diagnosis(&self.train, Some(loss), optimizer)?;
        let name = entry_name(&self.train, "diagnosis", loss);
        let draft = Draft { name, loss: None, graph, rate: 0.0, checks: Vec::new() };
        let making = Making { batch_sizes: &[], automatic: false, ..self.making(false) };
        Ok(Diagnosis { entry: self.compile_later(making, |stages| draft.plan(stages))?, watched })
    }

    /// The entries that make a step of this loss, which has an optimizer, in parts.
    ///
    /// # Errors
    /// An optimizer that looks at data; what the machine lacks.
    pub(crate) fn parts(&self, loss: &str) -> Result<Arc<Parts>, Error> {
        let mut added = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, parts)) = added.iter().find(|(name, _)| name == loss) {
            return Ok(parts.clone());
        }
        let before = added.last().map_or(&[][..], |(_, last)| &last.gathered);
        let parts = Arc::new(self.staged(|stages, report| {
            let drafts = self.draft_parts(loss, stages)?;
            let mut storages = [&*self.storages, before].concat();
            append_new(&mut storages, &drafts[0].graph);
            let making = Making { storages: &storages, ..self.making(false) };
            let outlines =
                drafts.into_iter().map(|draft| draft.plan(stages)).collect::<Result<_, Error>>()?;
            let [accumulate, apply] = making
                .compile(outlines, stages, report)?
                .try_into()
                .unwrap_or_else(|_| bug("two drafts, but not two entries"));
            let gathered = storages.split_off(self.storages.len());
            Ok(Parts { accumulate, apply, gathered, own: before.len() })
        })?);
        added.push((loss.to_owned(), parts.clone()));
        Ok(parts)
    }

    fn draft_parts(&self, loss: &str, stages: &mut Stages<'_>) -> Result<[Draft; 2], Error> {
        let (all, own) = &self.optimizers;
        let optimizer = optimizer_of(all, own, loss).unwrap_or_else(|| bug("a step without an optimizer"));
        let [accumulate, apply] =
            ["accumulate", "apply_gradients"].map(|what| entry_name(&self.train, what, loss));
        let roots = entry::roots_of_step(&self.train, loss)?;
        stages.of(&accumulate);
        let accumulate = Draft {
            name: accumulate.clone(),
            loss: Some(loss.into()),
            graph: entry::accumulate_in(&self.train, Some(loss), optimizer, stages)?,
            rate: 0.0,
            checks: self.train.checks_of(&roots).cloned().collect(),
        };
        stages.of(&apply);
        let graph = entry::apply_in(&self.train, Some(loss), optimizer, stages)?;
        Ok([accumulate, Draft { name: apply, loss: None, graph, rate: 0.0, checks: Vec::new() }])
    }

    /// Whether a step of this loss computes checks.
    pub(crate) fn computes_checks(&self, loss: &str) -> bool {
        checks_of_loss(&self.train, loss).iter().any(|check| matches!(check.made, Made::Computed(_)))
    }

    /// The code of an entry for these sizes of its symbols alone; compiled for the first who asks.
    pub(crate) fn own_code(&self, entry: &CompiledEntry, sizes: &[i64]) -> Obtained<Variant> {
        let Some(own) = &entry.own else { return Obtained::Never };
        let making = self.making(entry.has_marks);
        own.obtain(sizes, || {
            self.staged(|stages, report| making.compile_variant(entry, sizes, stages, report))
        })
    }

    /// What its entries are compiled for.
    fn making(&self, marked: bool) -> Making<'_> {
        Making {
            storages: &self.storages,
            target: &self.target,
            batch_sizes: &self.batch_sizes,
            automatic: self.automatic,
            marked,
        }
    }

    fn compile_later(
        &self,
        making: Making<'_>,
        plan: impl FnOnce(&mut Stages<'_>) -> Result<Outline, Error>,
    ) -> Result<Arc<CompiledEntry>, Error> {
        let compiled = self.staged(|stages, report| making.compile(vec![plan(stages)?], stages, report))?;
        Ok(compiled.into_iter().next().unwrap_or_else(|| bug("an outline without an entry")))
    }

    /// Compiles something after the build. The threads start, if it has the first kernels to share.
    fn staged<T>(
        &self,
        compile: impl FnOnce(&mut Stages<'_>, &mut Report) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut report = Report::default();
        let mut show = |entry: &str, stage: Stage, text: &str| self.dump.show(&self.name, entry, stage, text);
        let mut stages = Stages::watched(self.dump.stages(), &mut show).verifying(self.verify);
        let compiled = compile(&mut stages, &mut report)?;
        self.start_threads(&report)?;
        Ok(compiled)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Refuses a declaration in which sizes agree perhaps: shapes are trusted by code that no longer compares them.
fn check_decided(declaration: &Declaration) -> Result<(), Error> {
    match declaration.graph.undecided {
        Undecided::Reject => Ok(()),
        Undecided::Accept => {
            Err(Error::usage("the declaration was made for checking alone", "make it with `Builder::new`"))
        }
    }
}

fn check_options(train: &Declaration, options: &Options) -> Result<(), Error> {
    for (position, (loss, _)) in options.optimizers.iter().enumerate() {
        if !train.losses.iter().any(|known| &*known.name == loss) {
            return Err(Error::unknown("loss", loss, train.losses.iter().map(|loss| &*loss.name)));
        }
        if options.optimizers[..position].iter().any(|(known, _)| known == loss) {
            return Err(Error::Duplicate { kind: "optimizer of loss", name: loss.clone() });
        }
    }
    if let Some(size) = options.batch_sizes.iter().find(|&&size| size == 0 || size > u32::MAX as usize) {
        let help = format!("batch sizes are 1 to {}: rows are counted in 32 bits", u32::MAX);
        return Err(Error::usage(format!("a batch size of {size} was given"), help));
    }
    if options.specialize == Specialize::Never && !options.batch_sizes.is_empty() {
        return Err(Error::usage(
            "batch sizes were named, and no size is to have code of its own",
            "leave `.batch_sizes(…)` out, or say `.specialize(Specialize::Named)`",
        ));
    }
    Ok(())
}

/// `step` where there is one loss, else `step judge`.
fn entry_name(train: &Declaration, what: &str, loss: &str) -> String {
    if train.losses.len() == 1 { what.to_owned() } else { format!("{what} {loss}") }
}

fn plan_forward(infer: &Declaration, stages: &mut Stages<'_>) -> Result<Draft, Error> {
    stages.of("forward");
    let outputs: Vec<NodeId> = infer.outputs.iter().map(|(_, node)| *node).collect();
    let checks = infer.checks_of(&outputs).cloned().collect();
    Ok(Draft {
        name: "forward".into(),
        loss: None,
        graph: entry::forward_in(infer, stages)?,
        rate: 0.0,
        checks,
    })
}

fn plan_steps(train: &Declaration, options: &Options, stages: &mut Stages<'_>) -> Result<Vec<Draft>, Error> {
    let mut drafts = Vec::new();
    for loss in &train.losses {
        let Some(optimizer) = optimizer_of(&options.optimizer, &options.optimizers, &loss.name) else {
            continue;
        };
        let name = entry_name(train, "step", &loss.name);
        stages.of(&name);
        drafts.push(Draft {
            name,
            loss: Some(loss.name.clone()),
            graph: entry::step_in(train, Some(&loss.name), optimizer, stages)?,
            rate: optimizer.learning_rate() as f32,
            checks: train.checks_of(&entry::roots_of_step(train, &loss.name)?).cloned().collect(),
        });
    }
    Ok(drafts)
}

/// The optimizer of a loss: its own, or the one for all.
fn optimizer_of<'a>(
    all: &'a Option<Optimizer>,
    own: &'a [(String, Optimizer)],
    loss: &str,
) -> Option<&'a Optimizer> {
    let own = own.iter().find(|(name, _)| name == loss).map(|(_, optimizer)| optimizer);
    own.or(all.as_ref())
}

/// The checks that computing this loss is to make.
fn checks_of_loss(train: &Declaration, loss: &str) -> Vec<Check> {
    let nodes: Vec<NodeId> =
        train.losses.iter().filter(|known| *known.name == *loss).map(|loss| loss.node).collect();
    train.checks_of(&nodes).cloned().collect()
}

/// Every storage of any entry, once, in the order of declaration: parameters, then what optimizers keep, then what gradients
/// to come alone may read. Entries share memory by its name, so a name means the same to all of them.
fn union_of_storages(train: &Declaration, drafts: &[Draft]) -> Result<Vec<Storage>, Error> {
    let declared = bind(&train.graph, &train.graph.bindings).storages;
    let mut union: Vec<Storage> = Vec::new();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for storage in drafts.iter().flat_map(|draft| &draft.graph.storages).chain(&declared) {
        match places.get(&storage.name).map(|&place| &union[place]) {
            None => {
                places.insert(storage.name.clone(), union.len());
                union.push(storage.clone());
            }
            Some(known) if known.kind == storage.kind && known.ty == storage.ty => {}
            Some(known) => {
                return Err(Error::usage(
                    format!("`{}` is {} in one entry and {} in another", storage.name, known.ty, storage.ty),
                    "give it the same shape in training and inference, or another name",
                ));
            }
        }
    }
    Ok(union)
}

/// Adds the storages of a graph that are not there yet.
fn append_new(storages: &mut Vec<Storage>, graph: &Graph) {
    let first = storages.len();
    let is_new = |storage: &&Storage| storages[..first].iter().all(|known| known.name != storage.name);
    let new: Vec<Storage> = graph.storages.iter().filter(is_new).cloned().collect();
    storages.extend(new);
}

/// Refuses sizes that are not known when a network is built, and sizes that no memory holds, before anything is made of them.
fn check_storages(storages: &[Storage]) -> Result<(), Error> {
    let told = |storage: &Storage| storage.ty.shape.dims().iter().flat_map(Dim::symbols).next();
    let mistakes: Vec<_> =
        storages.iter().filter_map(|storage| Some(hangs_on_data(storage, &told(storage)?))).collect();
    if !mistakes.is_empty() {
        return Err(Errors(mistakes).into());
    }
    for Storage { name, ty, .. } in storages {
        concrete(&format!("`{name}`"), &ty.shape, &Bindings::new())?;
    }
    Ok(())
}
