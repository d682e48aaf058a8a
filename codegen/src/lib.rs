//! How the machine does it: from the graph of an entry to machine code.
//!
//! Modules stand in the order in which data passes them, and each uses only those above it: what native code is called with
//! ([`abi`]), what it is made for ([`caches`], [`target`]) and what becomes of it ([`code`]); kernels as trees of loops ([`ir`]); which values they make ([`fusion`]), in which
//! order and memory ([`plan`]); the language of wide work ([`lane`]); kernels as a machine runs them ([`schedule`]) and as lane programs
//! ([`emit`]); machine code ([`lower`]); the function of an entry ([`entry`]); what comes out ([`artifact`]); and the [`pipeline`] itself. This crate runs none of the code
//! that it makes and holds no `unsafe`.
#![forbid(unsafe_code)]

pub mod error;

pub mod abi;
pub mod caches;
pub mod target;

pub mod code;

pub mod ir;

pub mod fusion;

pub mod lane;

pub mod plan;

pub mod schedule;

pub mod emit;

pub mod lower;

pub mod entry;

pub mod artifact;

pub mod peak;

pub mod pipeline;
