//! Which values of a graph are stored, and which of them one kernel makes.

pub(crate) mod rows;

pub(crate) mod repeated;

pub(crate) mod sums_behind;

pub mod root;

pub(crate) mod spread;

pub mod prepare;

pub mod group;

pub mod fuse;
