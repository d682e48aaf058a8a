//! Kernels as one machine runs them: what they cost, which loop is wide, what is packed ahead, what threads share.

pub mod cost;

pub mod loops;

pub mod pack;

pub mod divide;

pub mod form;

pub mod specialize;
