//! Running it: machine code and its owner, storage, the call into native code, epochs.
//!
//! Modules stand in the order in which data passes them. The only `unsafe` of downhill is here: the memory of machine code
//! ([`code`]), the call into it (`call`, `launch`, `epoch`), by several threads (`pool`, `float_control`), the marks that it calls
//! (`marks`, `machine`), and reading data behind a checked pointer (`given`, `pack`, `demand`,
//! `diagnose`).

pub mod cause;
pub mod mismatch;
pub mod error;

pub mod host;
pub mod dump;
pub mod report;

mod whole;
pub mod view;
mod convert;
pub mod outputs;

mod given;
mod demand;
mod bind;

pub mod code;
mod specialize;
mod compiled;
mod prepare;

mod float_control;
mod pool;
pub mod program;

mod storage;
mod marks;
mod call;
mod runnable;
mod pack;
mod workspace;
mod worker;
mod choice;
mod sizes;

mod finding;
mod diagnose;
mod launch;

pub mod model;
mod run;
mod accumulate;
mod gathered;
pub mod state;
mod averages;

pub mod dataset;
mod shuffle;
pub mod epoch;
pub mod evaluate;

mod machine;
pub mod profile;
