//! Layers: what has parameters of its own, or acts otherwise while training.

mod shares;

mod dropout;
mod linear;
mod norms;
mod positions;

mod roles;
mod seen;

mod scaled_attention;

mod attention;

use crate::call::families;

pub use seen::Seen;

families!(linear, norms, attention, scaled_attention, positions, dropout);
