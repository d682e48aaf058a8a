//! Steps of optimizers, and of what surrounds them, in the interpreter: against PyTorch and the papers, at the edges of numbers, in groups.

#[path = "../recorded/mod.rs"]
mod recorded;
mod stepped;

mod around;
mod edges;
mod groups;
mod options;
mod pytorch;
mod sharpness;
