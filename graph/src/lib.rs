//! What to compute: dims, shapes, ops, differentiation, optimizers, passes, the reference interpreter, and forms to read.
//!
//! Modules stand in the order in which data passes them. This crate knows nothing of machine code, does no I/O and holds no `unsafe`.
#![forbid(unsafe_code)]

pub mod error;
mod option;

pub mod dim;
pub mod types;

pub mod agreement;

pub mod op;

pub mod infer;

pub mod hash;

pub mod random;

pub mod graph;

pub mod tensor;

pub mod asked;
pub mod rebuild;

pub mod interpret;
pub mod verify;

pub mod sizes;

pub mod differentiate;

pub mod passes;

mod naming;

pub mod instance;

pub mod check;

pub mod declaration;

pub mod builder;

pub mod value;

pub mod composite;

pub mod optimizer;

pub mod entry;

pub mod language;

pub mod network;

pub mod text;

pub mod formula;

pub mod dot;
