//! Kernel IR: trees of loops around scalar statements, the indices they read at, and what must hold of them.

pub mod affine;

pub mod kernel;

pub(crate) mod chain;

pub mod verify;
