//! From scheduled kernels to lane programs.

pub mod kernel;

pub(crate) mod parts;
