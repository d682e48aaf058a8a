//! A compiled entry, as the runtime sees it.
//!
//! In: what [`crate::compile`] found out. Out: [`Entry`]: which function to call, and how to fill its
//! [`crate::abi::Context`].

use cranelift_module::FuncId;
use downhill_graph::dim::{Bindings, Dim};
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
    /// Class indices must be below this.
    pub below: Option<Dim>,
    /// Axis 0 goes through `Context::rows`.
    pub lookup: bool,
    /// False when the entry never reads it: it may be left unbound.
    pub read: bool,
}

/// The layout of intermediate values.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    /// Bytes of each buffer.
    pub sizes: Vec<Dim>,
    /// First and last kernel that uses each buffer.
    pub lifetimes: Vec<(usize, usize)>,
}
