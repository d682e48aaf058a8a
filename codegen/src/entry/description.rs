//! A compiled entry, as the runtime sees it.
//!
//! In: what [`crate::pipeline`] found out. Out: [`Entry`]: which function to call, and how to fill its
//! [`crate::abi::Context`].
//!
//! # Decisions
//!
//! - Native code loads every number that hangs on sizes from a table: a quotient was rounded down by checks and truncated by
//!   `sdiv`; one evaluation cannot disagree with itself.

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
    /// The functions that a step calls, in their order, of an entry that was made to tell where a step is. Counting what they cost takes a
    /// tenth of the time that compiling does.
    pub functions: Vec<Native>,
}

/// A number that hangs on sizes. It is worked out once a size, by [`Quantity::at`]; native code loads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The value of a dim: turns of a loop.
    Whole(Dim),
    /// The value of a dim that is a distance between elements. One beyond 64 bits stands for any number: a value with such a stride
    /// has no elements, or it would have been refused.
    Distance(Dim),
    /// The f32 nearest to the value of a dim, by its bits.
    Real(Dim),
    /// What a kernel costs, which only says how many threads are worth it: numbers beyond 64 bits are the greatest.
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
    /// False when the entry neither reads it nor needs a size that it tells: it may be left unbound.
    pub read: bool,
}
