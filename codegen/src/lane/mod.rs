//! Lane programs: the language in which every kernel's inner work is written once for all targets.
//!
//! In: the arithmetic of kernels. Out: a verified [`LaneProgram`] that a target's lowering turns into machine code.
//! Modules in reading order: the language, making programs, merging their loops, mathematical functions, the text form, the
//! iterations of loops as lowerings count them, the verifier, and the interpreter, which is the reference for every lowering.

mod program;
mod kinds;

mod builder;
pub mod interpret;
pub mod math;
pub(crate) mod scalar;
mod merge;
mod steps;
mod text;
pub mod verify;
mod walk;

pub use builder::ProgramBuilder;
pub(crate) use merge::merge_lanes;
pub use program::*;
pub(crate) use steps::{Bound, Steps};
pub(crate) use text::word_of;
pub(crate) use walk::{for_each_address, runs};
