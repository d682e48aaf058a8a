//! Layers: what has parameters of its own, or acts otherwise while training.

mod dropout;
mod linear;
mod positions;

use crate::call::families;

families!(linear, positions, dropout);
