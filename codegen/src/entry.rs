//! A compiled entry, as the runtime sees it.
//!
//! In: what [`crate::compile`] found out. Out: [`Entry`]: which function to call, and how to fill its
//! [`crate::abi::Context`].

use crate::cost::Cost;
use crate::plan::Arena;
use cranelift_module::FuncId;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Purpose, Role};
use downhill_graph::types::Type;
use std::sync::Arc;

/// One compiled entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `forward`, `step loss`, …
    pub name: String,
    /// Its function in the module.
    pub function: FuncId,
    /// The graph's storages by name and type, in the order of `Context::storages`.
    pub storages: Vec<(Arc<str>, Type)>,
    /// The graph's inputs, in the order of `Context::inputs`.
    pub inputs: Vec<InputSlot>,
    /// Results other than updates and the loss, in the order of `Context::outputs`.
    pub outputs: Vec<(Purpose, Type)>,
    /// Run-time symbols, in the order of `Context::symbols`; the first is the one whose rows are looked up.
    pub symbols: Vec<Arc<str>>,
    /// Random streams that it draws from, in the order of `Context::keys`.
    pub streams: Vec<u32>,
    /// Sizes fixed when this variant was compiled (a batch size); empty for the generic variant.
    pub fixed: Bindings,
    /// The arena.
    pub arena: Arena,
    /// The functions that a step calls, in their order, of an entry that was made to tell where a step is. Counting what they cost takes a
    /// tenth of the time that compiling does.
    pub functions: Vec<Native>,
}

/// A function of one kernel, or of the merged kernels of a small step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    /// What each kernel makes.
    pub kernels: Vec<String>,
    /// What it does in a step, over the sizes that this variant leaves open.
    pub cost: Cost,
}

/// How an input is read.
#[derive(Clone, Debug)]
pub struct InputSlot {
    /// Name.
    pub name: Arc<str>,
    /// Type, dims over `symbols`.
    pub ty: Type,
    /// What it is for.
    pub role: Role,
    /// Axis 0 goes through `Context::rows`.
    pub lookup: bool,
    /// False when the entry never reads it: it may be left unbound.
    pub read: bool,
}
