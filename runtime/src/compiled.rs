//! Entries as machine code.
//!
//! In: [`Draft`]s, an entry's graph each. Out: [`CompiledEntry`]s: the code of an entry's variants, and how it is called.
//!
//! Must hold: what was made of the graph alone stays with the entry, so that code for a further size begins there.

use crate::bind::Interface;
use crate::code::{Executable, Function};
use crate::error::Error;
use crate::report::{Origin, Report, VariantReport};
use crate::specialize::OwnCode;
use downhill_codegen::entry::description::Entry;
use downhill_codegen::pipeline::{Planned, Purposes, Wanted, compile};
use downhill_codegen::target::Target;
use downhill_graph::asked::rows_symbol;
use downhill_graph::check::Check;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Purpose, Storage, bug};
use downhill_graph::stages::{Stage, Stages};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One entry: its graph and the code of its variants.
#[derive(Debug)]
pub(crate) struct CompiledEntry {
    /// Its graph, and what variants are made from.
    planned: Arc<Planned>,
    /// The loss it is about.
    pub(crate) loss: Option<Arc<str>>,
    pub(crate) interface: Interface,
    pub(crate) checks: Vec<Check>,
    /// Which of the program's storages it uses, in its own order.
    pub(crate) storages: Vec<usize>,
    /// The learning rate before anyone set it.
    pub(crate) rate: f32,
    /// Whether it changes storages.
    pub(crate) updates: bool,
    /// The generic one first, then those for named sizes.
    variants: Vec<Arc<Variant>>,
    /// Those for sizes that repeat, where such sizes have any.
    pub(crate) own: Option<OwnCode<Variant>>,
    /// Whether its code tells where it is.
    pub(crate) has_marks: bool,
    /// The same with marks, once it was asked for.
    pub(crate) marked: Mutex<Option<Arc<CompiledEntry>>>,
}

/// An entry's code for some sizes.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) entry: Entry,
    pub(crate) function: Function,
    /// What is told of it; nothing of a generic one.
    pub(crate) report: Option<VariantReport>,
}

/// The entries of a step in parts.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Gives the loss of a batch and adds its gradients to those gathered.
    pub(crate) accumulate: Arc<CompiledEntry>,
    /// Makes the step.
    pub(crate) apply: Arc<CompiledEntry>,
    /// What is gathered, for all losses whose steps had been made in parts by then, behind the program's storages.
    pub(crate) gathered: Vec<Storage>,
    /// Where what this loss gathers begins in it; it goes to the end.
    pub(crate) own: usize,
}

/// An entry that is to be compiled.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) loss: Option<Arc<str>>,
    pub(crate) graph: Graph,
    /// The learning rate before anyone set it.
    pub(crate) rate: f32,
    /// What its uses of data demand.
    pub(crate) checks: Vec<Check>,
}

/// An entry of which all is known but its code.
pub(crate) struct Outline {
    planned: Arc<Planned>,
    loss: Option<Arc<str>>,
    rate: f32,
    checks: Vec<Check>,
}

impl Draft {
    /// Makes of the graph what does not depend on sizes or the target.
    pub(crate) fn plan(self, stages: &mut Stages<'_>) -> Result<Outline, Error> {
        let Draft { name, loss, graph, rate, checks } = self;
        let planned = Arc::new(Planned::new(&name, graph, stages)?);
        Ok(Outline { planned, loss, rate, checks })
    }
}

impl CompiledEntry {
    fn new(outline: Outline, variants: Vec<Arc<Variant>>, making: &Making<'_>) -> CompiledEntry {
        let Outline { planned, loss, rate, checks } = outline;
        let generic = &variants[0].entry;
        let interface = Interface::new(planned.name(), generic, &planned.graph().bindings, &checks);
        let known: HashMap<&str, usize> =
            making.storages.iter().enumerate().map(|(index, storage)| (&*storage.name, index)).collect();
        let index = |name: &Arc<str>| {
            known.get(&**name).copied().unwrap_or_else(|| bug("an entry's storage is not the program's"))
        };
        // Without symbols the generic code is made for the only size there is.
        let own = making.automatic && !interface.symbols.is_empty();
        CompiledEntry {
            storages: generic.storages.iter().map(|(name, _)| index(name)).collect(),
            rate,
            updates: planned.graph().results.iter().any(|(purpose, _)| matches!(purpose, Purpose::Update(_))),
            planned,
            loss,
            checks,
            interface,
            variants,
            own: own.then(OwnCode::default),
            has_marks: making.marked,
            marked: Mutex::default(),
        }
    }

    /// `forward`, `step`, `step judge`, `gradients`.
    pub(crate) fn name(&self) -> &str {
        self.planned.name()
    }

    pub(crate) fn graph(&self) -> &Graph {
        self.planned.graph()
    }

    /// The same entry, to be compiled anew.
    pub(crate) fn outline(&self) -> Outline {
        let (planned, loss, checks) = (self.planned.clone(), self.loss.clone(), self.checks.clone());
        Outline { planned, loss, rate: 0.0, checks }
    }

    /// The variant for any sizes.
    pub(crate) fn generic(&self) -> &Arc<Variant> {
        &self.variants[0]
    }

    /// The variant for these sizes, of the interface's symbols: one that was compiled for them, or the generic one.
    pub(crate) fn variant(&self, sizes: &[i64]) -> Arc<Variant> {
        let symbols = || self.interface.symbols.iter().zip(sizes);
        let fits = |variant: &&Arc<Variant>| {
            let mut fixed = variant.entry.fixed.iter();
            fixed.all(|(name, value)| symbols().any(|(known, size)| known == name && size == value))
        };
        let named = self.variants[1..].iter().rev().find(fits).cloned();
        let own = || self.own.as_ref()?.find(sizes);
        own().or(named).unwrap_or_else(|| self.generic().clone())
    }

    /// How many calls with these sizes a variant runs before they have code of their own; 0 where they get none.
    pub(crate) fn calls_before_own(&self, variant: &Variant, sizes: &[i64]) -> u32 {
        let is_open = variant.entry.fixed.len() < self.interface.symbols.len();
        match &self.own {
            Some(own) if is_open && !sizes.contains(&0) => own.calls(),
            _ => 0,
        }
    }

    /// The sizes that have code of their own.
    pub(crate) fn own_variants(&self) -> impl Iterator<Item = VariantReport> {
        let made = self.own.iter().flat_map(OwnCode::all);
        self.variants.iter().cloned().chain(made).filter_map(|variant| variant.report.clone())
    }
}

/// What entries are compiled for.
pub(crate) struct Making<'a> {
    pub(crate) storages: &'a [Storage],
    pub(crate) target: &'a Target,
    pub(crate) batch_sizes: &'a [usize],
    /// Whether sizes that repeat have code made.
    pub(crate) automatic: bool,
    /// Whether the code tells where it is.
    pub(crate) marked: bool,
}

impl Making<'_> {
    /// Machine code for each entry, in one piece of memory.
    pub(crate) fn compile(
        &self,
        outlines: Vec<Outline>,
        stages: &mut Stages<'_>,
        report: &mut Report,
    ) -> Result<Vec<Arc<CompiledEntry>>, Error> {
        let variants: Vec<Vec<Bindings>> =
            outlines.iter().map(|outline| self.variants(outline.planned.graph())).collect();
        let wanted = outlines.iter().zip(&variants);
        let wanted: Vec<Wanted<'_>> =
            wanted.map(|(outline, variants)| Wanted { planned: &outline.planned, variants }).collect();
        let loaded = self.load(&wanted, stages, report)?;
        report.entries += outlines.len();

        let entries = outlines.into_iter().zip(loaded).map(|(outline, loaded)| {
            let variants = loaded.into_iter().map(|(entry, function)| {
                let time = stages.time_of(&outline.planned.variant_name(&entry.fixed));
                let told = (!entry.fixed.is_empty()).then(|| told(&entry, Origin::Named, time));
                Arc::new(Variant { entry, function, report: told })
            });
            let variants = variants.collect();
            Arc::new(CompiledEntry::new(outline, variants, self))
        });
        Ok(entries.collect())
    }

    /// A further variant of an entry, for these sizes of its symbols.
    pub(crate) fn compile_variant(
        &self,
        entry: &CompiledEntry,
        sizes: &[i64],
        stages: &mut Stages<'_>,
        report: &mut Report,
    ) -> Result<Variant, Error> {
        let start = Instant::now();
        let fixed = entry.interface.bindings(sizes, &Bindings::new());
        let wanted = Wanted { planned: &entry.planned, variants: &[fixed] };
        let loaded = self.load(&[wanted], stages, report)?.into_iter().flatten().next();
        let (entry, function) = loaded.unwrap_or_else(|| bug("a variant was not compiled"));
        let report = Some(told(&entry, Origin::Automatic, start.elapsed()));
        Ok(Variant { entry, function, report })
    }

    /// Compiles variants and puts them into executable memory.
    fn load(
        &self,
        wanted: &[Wanted<'_>],
        stages: &mut Stages<'_>,
        report: &mut Report,
    ) -> Result<Vec<Vec<(Entry, Function)>>, Error> {
        let purposes = Purposes { target: self.target, marked: self.marked };
        let artifact = compile(wanted, purposes, stages)?;
        report.kernels += artifact.functions;
        report.divided += artifact.divided;
        report.code_bytes += artifact.code.bytes.len();

        let executable = stages.time(Stage::Load, || Executable::load(&artifact.code))?;
        let load = |entry: Entry| {
            // SAFETY: the code generator defines every entry's function with the signature of `codegen::abi`, in the image that
            // was loaded.
            let function = unsafe { executable.function(&artifact.code, entry.function) };
            (entry, function)
        };
        Ok(artifact.entries.into_iter().map(|variants| variants.into_iter().map(load).collect()).collect())
    }

    /// The sizes of an entry's variants: none of the generic one, then each batch size once, where its data have rows.
    fn variants(&self, graph: &Graph) -> Vec<Bindings> {
        let mut variants = vec![Bindings::new()];
        if self.batch_sizes.is_empty() {
            return variants;
        }
        let Some(rows) = rows_symbol(graph) else { return variants };
        for &size in self.batch_sizes {
            let fixed = Bindings::from([(rows.clone(), i64::try_from(size).unwrap_or(i64::MAX))]);
            if !variants.contains(&fixed) {
                variants.push(fixed);
            }
        }
        variants
    }
}

/// What is told of a variant for these sizes.
fn told(entry: &Entry, origin: Origin, time: Duration) -> VariantReport {
    let fixed = entry.symbols.iter().filter_map(|name| Some((name.clone(), *entry.fixed.get(name)?)));
    VariantReport { entry: entry.name.clone(), sizes: fixed.collect(), origin, time }
}
