//! Activations: functions of each element, and of rows.
//!
//! Must hold: value and gradient are finite for every finite operand and keep their bits in the tails. A branch that
//! is not taken may be infinite: gradients leave it out.
//!
//! How exact values and gradients are over all finite f32, in units of the last place (`codegen/tests/activations.rs`, `functions.rs`):
//!
//! | activation | value | gradient |
//! |---|---|---|
//! | [`relu`], [`leaky_relu`] | 1 | 1 |
//! | [`elu`] | 2 | 2 |
//! | [`gelu`] | 8 | 8; 2.5·10⁻⁷ in −1.5..0, where it goes through 0 |
//! | [`gelu_tanh`] | 5; below 0 also 2⁻²² of the exponent | 20; the same, and 2.5·10⁻⁷ as gelu |
//! | [`silu`] | 4 | 10; 2.5·10⁻⁷ in −2.5..0, where it goes through 0 |
//! | [`sigmoid`] | 3.5 | 5; 2⁻²³ above 0: 1 − p has no bits of its own where p is near 1 |
//! | `tanh` | 3 | 2⁻²², for the same reason |
//! | `softplus` | 3 | 3.5 |
//! | [`selu`], [`celu`] | 3 | 3 |
//! | [`mish`] | 8 | 10, and 2.5·10⁻⁷ |
//! | [`log_sigmoid`] | 3 | 3.5 |
//! | [`softsign`] | 2 | 5 |
//! | [`tanh_shrink`] | 15 | 5 |
//! | [`squared_relu`] | 0.5 | 0.5 |
//! | [`hard_swish`] | 2, and 2⁻²² | 2, and 2⁻²³ |
//!
//! A product x·p whose p is below 2⁻¹²⁶ may be off by \|x\|·2⁻¹⁴⁹ beside that: that is where p ends.

mod rectifiers;
mod sloped;

mod hard;
mod shrinking;

mod sigmoids;

mod gated;

mod softmax;
mod waves;

use crate::call::families;

families!(rectifiers, sloped, hard, shrinking, sigmoids, gated, softmax, waves);

pub(crate) use softmax::{shifted, softmax_operand};
