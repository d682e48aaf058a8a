//! The workloads of `benches/peers/README.md` on downhill's side.
//!
//! In: a workload's name, the file of golden losses. Out: [`Trainer`]s, [`Caller`]s and a [`Differentiator`], ready to be timed.
//!
//! Must hold: data, initial weights and order of rows are those of the peers, to the bit; nothing here is timed.

pub(crate) mod elementwise;
pub(crate) mod golden;
pub(crate) mod numbers;
pub(crate) mod networks;
pub(crate) mod workload;
