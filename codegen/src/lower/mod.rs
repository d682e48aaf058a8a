//! From lane programs to machine code: one lowering for every machine, one for wide vectors of x86-64.

mod uses;

pub mod clif;

pub mod wide;
