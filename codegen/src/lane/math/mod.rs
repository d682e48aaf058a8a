//! Mathematical functions as lane programs: straight-line code appended to a program, the same for every target.
//!
//! In: a builder and operand registers. Out: a register with the result. Must hold: no table, no library call, and no branch
//! except around code that a block of elements skips where none of them needs it. NaN gives NaN; infinities, zeros of both signs and
//! subnormals give what each function states.
//!
//! # Bounds
//!
//! In ulp, over all finite f32: the distance from the exact result, in units of its last place; where that is subnormal, in 2⁻¹⁴⁹.
//! `codegen/tests/lane/bounds.rs` holds every function to its bound: dense samples of every exponent and sign with each run, all 2³²
//! patterns on demand. The largest error found stands in the last column: among all patterns with a star, else among every 31st.
//! `codegen/tests/activations.rs` holds activations and their gradients to theirs.
//!
//! | function | at most | found |
//! |---|---|---|
//! | negate, absolute value, sign, floor, least, greatest | 0 | 0 |
//! | sum, difference, product, quotient, root, multiply-add | 0.5 | 0.5 |
//! | [`exp`] | 2 | 1.56 |
//! | [`expm1`] | 2 | 1.47 |
//! | [`log`] | 2 | 0.84 |
//! | [`log1p`] | 2 | 1.41 |
//! | [`sin`] | 2 | 1.55* |
//! | [`cos`] | 2 | 1.53 |
//! | [`tanh`] | 3 | 2.46 |
//! | [`logistic`] | 3.5 | 3.33* |
//! | [`softplus`] | 3 | 2.66* |
//! | [`erf`] | 2 | 1.37 |
//! | [`normal_cdf`] | 6.5 | 6.21* |
//! | [`bell`] | 2.5 | 2.00* |
//! | [`pow`] | 2.5 | 2.05, of 2·10⁷ pairs |

mod parts;
mod exponential;
mod logarithm;
mod hyperbolic;
mod power;
mod trigonometric;

pub use exponential::{bell, exp, expm1};
pub use hyperbolic::{erf, logistic, normal_cdf, softplus, tanh};
pub use logarithm::{log, log1p};
pub use parts::{is_finite, ordinal, sign};
pub use power::pow;
pub use trigonometric::{cos, sin};
