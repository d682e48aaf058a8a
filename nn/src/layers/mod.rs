//! Layers: what has parameters of its own, or acts otherwise while training.

mod shares;

mod dropout;
mod linear;
mod norms;
mod positions;

use crate::call::families;

families!(linear, norms, positions, dropout);
