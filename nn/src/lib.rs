//! What users declare with: the builder and its values, layers, activations, losses, initialisers, optimizers, the meaning of each form of
//! `network!`, and the entries that are made of a declaration.
//!
//! In: calls in the order of a declaration. Out: graphs of `downhill-graph`, which are all that the compiler sees.
//!
//! Modules stand in the order in which data passes them: each uses only what stands above it. Users' mistakes are recorded with their
//! origin and never thrown. This crate knows nothing of machine code, does no I/O and holds no `unsafe`.
#![forbid(unsafe_code)]

mod naming;

pub mod instance;

pub mod declaration;

mod states;

mod body;
mod region;

mod looped;

pub mod builder;

mod call;

pub mod value;

mod initializers;

mod activations;

mod layers;

mod losses;

pub mod composite;

pub mod optimizers;

pub mod entry;

pub mod summary;

pub mod language;

pub mod network;
