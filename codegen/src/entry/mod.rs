//! Entries: what the runtime is told of them, and the function that it calls, which calls the kernels.

pub mod description;

pub mod ports;

pub(crate) mod task;

pub(crate) mod calls;

mod steps;

mod shared;

pub(crate) mod launch;
