//! What to compute: dims, shapes, ops, differentiation, passes, the reference interpreter, and forms to read.
//!
//! Modules stand in the order in which data passes them, each using only what stands above it. One circle cannot be avoided: the body of
//! a loop is a graph, so `op`, which holds it, and `infer`, which looks into it, use [`graph`], which is made of ops. This crate knows
//! nothing of machine code, does no I/O and holds no `unsafe`.
#![forbid(unsafe_code)]

pub mod error;
pub mod option;

pub mod dim;
pub mod types;

pub mod agreement;

pub mod op;
pub mod facts;

pub mod infer;

pub mod stages;

pub mod hash;

pub mod random;

pub mod graph;
pub mod loops;

pub mod tensor;
mod nested;
mod fill;
mod rows;
mod join;

pub mod asked;
pub mod rebuild;

pub mod interpret;
pub mod verify;

pub mod sizes;

pub mod differentiate;

pub mod passes;

pub mod check;

pub mod text;

pub mod formula;

pub mod dot;
