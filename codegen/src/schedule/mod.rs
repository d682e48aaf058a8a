//! Kernels as one machine runs them: what they cost, which loop is vectorized, what is packed,
//! which loop threads share.

pub mod cost;

mod divisors;

pub mod loops;

pub mod pack;

mod interchange;

mod layout;

mod blocks;

mod sum_nest;

mod sum_blocks;

mod sums;

pub mod divide;

mod panels;

pub mod form;

pub mod specialize;

mod meet;

mod cuts;

pub(crate) mod share;
