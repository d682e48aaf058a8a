//! What compiling gives: a plain value, of which a runtime makes executable memory, or a tool a file.
//!
//! In: nothing. Out: [`Artifact`]. It holds no address and knows nothing of who runs it; sizes that calls bring stand in it as dims.

use crate::code::Code;
use crate::entry::description::Entry;

/// Compiled entries and their code.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// All of their functions. Those of entries are `extern "C" fn(*mut Context)`, see [`crate::abi::Context`].
    pub code: Code,
    /// The variants of each entry, the generic one first, in the order of what was compiled.
    pub entries: Vec<Vec<Entry>>,
    /// Functions compiled for them: equal kernels share one, and so do the kernels of a small step.
    pub functions: usize,
    /// Functions that threads share, counted as often as they are called.
    pub divided: usize,
}
