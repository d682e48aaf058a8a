//! Which values of a graph are stored, and which of them one kernel makes.

pub(crate) mod rows;

pub(crate) mod repeated;

pub mod prepare;

pub mod root;

pub mod group;

pub mod fuse;
