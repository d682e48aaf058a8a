//! From scheduled kernels to lane programs.

pub mod kernel;

mod fold;

pub(crate) mod parts;
