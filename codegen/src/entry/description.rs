//! A compiled entry, as the runtime sees it.
//!
//! In: what [`crate::pipeline`] compiled. Out: an [`Entry`]: which function to call, and how to fill its
//! [`crate::abi::Context`].
//!
//! # Decisions
//!
//! - Native code loads every number that depends on sizes from a table, so that each is evaluated in one way only. Once, checks
//!   rounded a quotient down while `sdiv` truncated it.

use crate::code::FunctionId;
use crate::plan::arena::Arena;
use crate::schedule::cost::Cost;
use downhill_graph::dim::{Bindings, Dim, Undefined};
use downhill_graph::graph::{Purpose, Role};
use downhill_graph::types::Type;
use std::sync::Arc;

/// One compiled entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `forward`, `step loss`, …
    pub name: String,
    /// Its function in the image.
    pub function: FunctionId,
    /// The graph's storages by name and type, in the order of `Context::storages`.
    pub storages: Vec<(Arc<str>, Type)>,
    /// The graph's inputs, in the order of `Context::inputs`.
    pub inputs: Vec<InputSlot>,
    /// Results other than updates and the loss, in the order of `Context::outputs`.
    pub outputs: Vec<(Purpose, Type)>,
    /// Run-time symbols; the first is the one whose rows are looked up.
    pub symbols: Vec<Arc<str>>,
    /// Whether the first symbol counts the rows of its data.
    pub has_rows: bool,
    /// What native code loads, in the order of `Context::numbers`.
    pub numbers: Vec<Quantity>,
    /// Random streams that it draws from, in the order of `Context::keys`.
    pub streams: Vec<u32>,
    /// Sizes fixed when this variant was compiled (a batch size); empty for the generic variant.
    pub fixed: Bindings,
    /// The arena.
    pub arena: Arena,
    /// The functions that a step calls, in their order; filled only for an entry that is compiled with marks. Counting their cost takes a
    /// tenth of the time of compiling.
    pub functions: Vec<Native>,
}

/// A number that depends on sizes. It is evaluated once for each size, by [`Quantity::at`]; native code loads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The value of a dim: iterations of a loop.
    Whole(Dim),
    /// The value of a dim that is a distance between elements. One beyond 64 bits may be any number: a value with such a stride has no
    /// elements, or its size would have been an error.
    Distance(Dim),
    /// The f32 nearest to the value of a dim, by its bits.
    Real(Dim),
    /// The cost of a kernel, from which the number of threads follows: one beyond 64 bits counts as the greatest number.
    Work(Dim),
}

impl Quantity {
    /// Its number for these sizes.
    ///
    /// # Errors
    /// A dim that has no value.
    pub fn at(&self, sizes: &Bindings) -> Result<i64, Undefined> {
        match self {
            Quantity::Whole(dim) => dim.evaluate(sizes),
            // As the interpreter converts: to f64, then to f32.
            Quantity::Real(dim) => Ok(i64::from((dim.evaluate(sizes)? as f64 as f32).to_bits())),
            Quantity::Work(dim) | Quantity::Distance(dim) => match dim.evaluate(sizes) {
                Err(Undefined::Overflow) => Ok(i64::MAX),
                known => known,
            },
        }
    }
}

/// A function of one kernel, or of the merged kernels of a small step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    /// The name of each kernel: what it makes.
    pub kernels: Vec<String>,
    /// Its cost in a step, over the sizes that this variant leaves open.
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
    /// Its rows (axis 0) are looked up through `Context::rows`.
    pub lookup: bool,
    /// False when the entry neither reads it nor takes a size from it: it may be left unbound.
    pub read: bool,
}
