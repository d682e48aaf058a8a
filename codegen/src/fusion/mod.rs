//! Which values of a graph are stored, and which of them one kernel makes.

pub mod prepare;

pub mod fuse;

mod group;
