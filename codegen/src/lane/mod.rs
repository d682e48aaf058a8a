//! Lane programs: the language in which every kernel's inner work is written once for all targets.
//!
//! In: what kernels want computed. Out: a verified [`LaneProgram`] that a target's lowering turns into machine code.
//! Modules stand in the order in which data passes them: the language, making programs, merging their loops, mathematical functions on
//! top of it, text, the turns of loops as lowerings count them, the verifier, and the interpreter, which is the reference for every lowering.

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
pub(crate) use walk::for_each_address;
