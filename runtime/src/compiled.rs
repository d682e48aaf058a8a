//! Entries as machine code.
//!
//! In: [`Draft`]s, an entry's graph each. Out: [`CompiledEntry`]s: the code of an entry's variants, and how it is called.

use crate::bind::Interface;
use crate::code::{Executable, Function};
use crate::error::Error;
use crate::report::Report;
use downhill_codegen::entry::description::Entry;
use downhill_codegen::entry::ports::rows_symbol;
use downhill_codegen::pipeline::{Purposes, Source, compile};
use downhill_codegen::target::Target;
use downhill_graph::check::Check;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Storage, bug};
use downhill_graph::stages::{Stage, Stages};
use downhill_nn::optimizers::LEARNING_RATE;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// One entry: its graph and the code of its variants.
#[derive(Debug)]
pub(crate) struct CompiledEntry {
    /// `forward`, `step`, `step judge`, `gradients`.
    pub(crate) name: String,
    /// The loss it is about.
    pub(crate) loss: Option<Arc<str>>,
    pub(crate) graph: Graph,
    pub(crate) interface: Interface,
    pub(crate) checks: Vec<Check>,
    /// Which of the program's storages it uses, in its own order.
    pub(crate) storages: Vec<usize>,
    /// Values of the scalar inputs before anyone set them, by slot; 0 for other slots.
    pub(crate) hypers: Vec<f32>,
    /// The generic one first.
    variants: Vec<Variant>,
    /// The same with marks, once it was asked for.
    pub(crate) marked: Mutex<Option<Arc<CompiledEntry>>>,
}

/// An entry's code for some sizes.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) entry: Entry,
    pub(crate) function: Function,
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

impl CompiledEntry {
    fn new(draft: Draft, variants: Vec<Variant>, storages: &[Storage]) -> CompiledEntry {
        let generic = &variants[0].entry;
        let interface = Interface::new(&draft.name, generic, &draft.graph.bindings, &draft.checks);
        let known: HashMap<&str, usize> =
            storages.iter().enumerate().map(|(index, storage)| (&*storage.name, index)).collect();
        let index = |name: &Arc<str>| {
            known.get(&**name).copied().unwrap_or_else(|| bug("an entry's storage is not the program's"))
        };
        let hyper = |name: &str| if name == LEARNING_RATE { draft.rate } else { 0.0 };
        CompiledEntry {
            storages: generic.storages.iter().map(|(name, _)| index(name)).collect(),
            hypers: generic.inputs.iter().map(|input| hyper(&input.name)).collect(),
            name: draft.name,
            loss: draft.loss,
            graph: draft.graph,
            checks: draft.checks,
            interface,
            variants,
            marked: Mutex::default(),
        }
    }

    /// The variant for these sizes: one that was compiled for them, or the generic one.
    pub(crate) fn variant(&self, sizes: &Bindings) -> (usize, &Variant) {
        let fits = |variant: &Variant| {
            variant.entry.fixed.iter().all(|(name, value)| sizes.get(name) == Some(value))
        };
        let special = self.variants.iter().rposition(fits).unwrap_or(0);
        (special, &self.variants[special])
    }

    pub(crate) fn variant_at(&self, index: usize) -> &Variant {
        &self.variants[index]
    }
}

/// What entries are compiled for.
pub(crate) struct Making<'a> {
    pub(crate) storages: &'a [Storage],
    pub(crate) target: &'a Target,
    pub(crate) batch_sizes: &'a [usize],
    /// Whether the code tells where it is.
    pub(crate) marked: bool,
}

impl Making<'_> {
    /// Machine code for each draft, in one piece of memory.
    pub(crate) fn compile(
        &self,
        drafts: Vec<Draft>,
        stages: &mut Stages<'_>,
        report: &mut Report,
    ) -> Result<Vec<Arc<CompiledEntry>>, Error> {
        let sources: Vec<Source<'_>> = drafts
            .iter()
            .map(|Draft { name, graph, .. }| Source { name, graph, variants: self.variants(graph) })
            .collect();
        let purposes = Purposes { target: self.target, marked: self.marked };
        let artifact = compile(&sources, purposes, stages)?;
        report.entries += drafts.len();
        report.kernels += artifact.functions;
        report.divided += artifact.divided;
        report.code_bytes += artifact.code.bytes.len();

        let executable = stages.time(Stage::Load, || Executable::load(&artifact.code))?;
        let entries = drafts.into_iter().zip(artifact.entries).map(|(draft, entries)| {
            let variants = entries.into_iter().map(|entry| {
                // SAFETY: the code generator defines every entry's function with the signature of `codegen::abi`, in the image that
                // was loaded.
                let function = unsafe { executable.function(&artifact.code, entry.function) };
                Variant { entry, function }
            });
            Arc::new(CompiledEntry::new(draft, variants.collect(), self.storages))
        });
        Ok(entries.collect())
    }

    /// The sizes of an entry's variants: each batch size once, where its data have rows.
    fn variants(&self, graph: &Graph) -> Vec<Bindings> {
        let mut variants = Vec::new();
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
