//! How the machine does it: from the graph of an entry to machine code in a module.
//!
//! Modules stand in the order in which data passes them: what native code is called with ([`abi`], [`target`]); fusion
//! ([`prepare`], [`fuse`]); kernels ([`kernel`], [`build`]); their order and memory ([`plan`]); lane programs and costs
//! ([`lane`], [`cost`]); kernels as they run ([`schedule`], [`pack`], [`divide`], [`specialize`]) and their lane programs
//! ([`emit`]); machine code ([`clif`] for every machine, [`wide`] for x86-64, `task`, `launch`); and [`compile`], the pipeline
//! itself. This crate is generic over where code is put (`cranelift_module::Module`), runs none of it and holds no `unsafe`.
#![forbid(unsafe_code)]

pub mod error;

pub mod abi;
pub mod target;

pub mod affine;

pub mod prepare;

pub mod fuse;

pub mod kernel;

pub mod verify;

pub mod build;

mod order;

pub mod guard;

pub mod plan;

pub mod lane;

mod scalar;

pub mod cost;

pub mod schedule;

pub mod pack;

pub mod divide;

mod form;

pub mod specialize;

pub mod emit;

pub mod peak;

pub mod clif;

pub mod wide;

mod task;

mod launch;

pub mod entry;

pub mod compile;
