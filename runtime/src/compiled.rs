//! Entries as machine code.
//!
//! In: [`Plan`]s, an entry's graph each. Out: [`CompiledEntry`]s: the code of an entry's variants, and how it is called.
//!
//! Must hold: every graph is verified before code is made of it, in release builds too.

use crate::bind::Interface;
use crate::code::{Assembly, Function};
use crate::dump::{Dump, Stage};
use crate::error::Error;
use crate::report::Report;
use cranelift_module::Module;
use downhill_codegen::entry::description::Entry;
use downhill_codegen::pipeline::Compiler;
use downhill_codegen::target::Target;
use downhill_graph::asked::check_told;
use downhill_graph::check::Check;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Storage, bug};
use downhill_graph::optimizer::LEARNING_RATE;
use downhill_graph::sizes::check;
use downhill_graph::verify::verify;
use std::cell::RefCell;
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

/// Refuses a graph that code must not be made of.
fn verify_plan(plan: &Plan) -> Result<(), Error> {
    verify(&plan.graph)?;
    check(&plan.graph, &Bindings::new())?;
    check_told(&plan.graph, &plan.name)?;
    Ok(())
}

/// An entry's code for some sizes.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) entry: Entry,
    pub(crate) function: Function,
}

/// An entry that is to be compiled.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) loss: Option<Arc<str>>,
    pub(crate) graph: Graph,
    /// The learning rate before anyone set it.
    pub(crate) rate: f32,
    /// What its uses of data demand.
    pub(crate) checks: Vec<Check>,
}

impl CompiledEntry {
    fn interface(plan: &Plan, generic: &Entry) -> Interface {
        Interface::new(&plan.name, &generic.inputs, &generic.symbols, &plan.graph.bindings, &plan.checks)
    }

    fn new(plan: Plan, variants: Vec<Variant>, storages: &[Storage]) -> CompiledEntry {
        let generic = &variants[0].entry;
        let interface = CompiledEntry::interface(&plan, generic);
        let known: HashMap<&str, usize> =
            storages.iter().enumerate().map(|(index, storage)| (&*storage.name, index)).collect();
        let index = |name: &Arc<str>| {
            known.get(&**name).copied().unwrap_or_else(|| bug("an entry's storage is not the program's"))
        };
        let hyper = |name: &str| if name == LEARNING_RATE { plan.rate } else { 0.0 };
        CompiledEntry {
            storages: generic.storages.iter().map(|(name, _)| index(name)).collect(),
            hypers: generic.inputs.iter().map(|input| hyper(&input.name)).collect(),
            name: plan.name,
            loss: plan.loss,
            graph: plan.graph,
            checks: plan.checks,
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
    pub(crate) program: &'a str,
    pub(crate) storages: &'a [Storage],
    pub(crate) target: &'a Target,
    pub(crate) batch_sizes: &'a [usize],
    /// Whether the code tells where it is.
    pub(crate) marked: bool,
}

impl Making<'_> {
    /// Machine code for each plan, in one piece of memory.
    pub(crate) fn compile(
        &self,
        plans: Vec<Plan>,
        dump: &Dump,
        report: &mut Report,
    ) -> Result<Vec<Arc<CompiledEntry>>, Error> {
        let mut assembly = Assembly::new(self.target)?;
        let mut compiled: Vec<Vec<Entry>> = Vec::new();
        for plan in &plans {
            // In release builds too: from here on sizes are taken at their word, by code without checks.
            report.stage("verify", || verify_plan(plan))?;
            dump.show(self.program, &plan.name, Stage::Passes, || plan.graph.to_text());
        }
        let forms = RefCell::new(Vec::new());
        let mut collect = |stage, text: &str| forms.borrow_mut().push((stage, text.to_owned()));
        let mut compiler = Compiler::new(&mut assembly.module, self.target);
        if self.marked {
            compiler = compiler.marked();
        }
        if dump.wants_code() {
            compiler = compiler.dump(&mut collect);
        }
        for plan in &plans {
            let variants = self.variants(&mut compiler, plan, &|variant| {
                dump.show_code(self.program, variant, forms.take());
            })?;
            compiled.push(variants);
        }
        let made = compiler.report().clone();
        report.add("plan", made.planning);
        report.add("generate", made.generation);
        report.entries += plans.len();
        report.kernels += made.functions;
        report.divided += made.divided;
        report.code_bytes += assembly.code_bytes();
        let finished = report.stage("finish", || assembly.finish())?;
        let entries = plans.into_iter().zip(compiled).map(|(plan, entries)| {
            let variants = entries.into_iter().map(|entry| {
                // SAFETY: the code generator defines every entry's function with the signature of `codegen::abi`.
                let function = unsafe { finished.function(entry.function) };
                Variant { entry, function }
            });
            Arc::new(CompiledEntry::new(plan, variants.collect(), self.storages))
        });
        Ok(entries.collect())
    }

    /// The generic variant of an entry, then one for each batch size if it has rows; `made` is told of each.
    fn variants<M: Module>(
        &self,
        compiler: &mut Compiler<'_, M>,
        plan: &Plan,
        made: &dyn Fn(&str),
    ) -> Result<Vec<Entry>, Error> {
        let planned = compiler.plan(&plan.graph)?;
        let generic = compiler.variant(&plan.name, &plan.graph, &planned, &Bindings::new())?;
        made(&plan.name);
        let interface = CompiledEntry::interface(plan, &generic);
        let mut variants = vec![generic];
        let rows = interface.rows.map(|rows| &interface.symbols[rows]);
        for (rows, &size) in
            rows.into_iter().flat_map(|rows| self.batch_sizes.iter().map(move |size| (rows, size)))
        {
            let fixed = Bindings::from([(rows.clone(), i64::try_from(size).unwrap_or(i64::MAX))]);
            if !variants.iter().any(|variant| variant.fixed == fixed) {
                check(&plan.graph, &fixed)?;
                variants.push(compiler.variant(&plan.name, &plan.graph, &planned, &fixed)?);
                made(&format!("{} {rows} {size}", plan.name));
            }
        }
        Ok(variants)
    }
}
