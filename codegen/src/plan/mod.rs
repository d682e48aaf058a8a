//! From groups of values to an entry's kernels: their loops, their order, and the memory of intermediate values.

pub(crate) mod nests;

mod phases;

pub mod build;

mod lookups;
mod pieces;
mod prefix;

mod order;

pub mod step;

mod reach;

pub mod guard;

pub mod arena;

pub(crate) mod loops;
