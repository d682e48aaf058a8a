//! The logarithm of the gamma function, and its derivative.
//!
//! In: floats. Out: a series around 1 and 2, where the function is 0 and keeps its bits; up to 8.5 and below ½ the recurrence leads there;
//! beyond, Stirling's series; of negative x the reflection (Abramowitz and Stegun: Handbook of Mathematical Functions, 6.1).

use super::align::require_float;
use super::angles::magnitude;
use super::derivative::gradient;
use super::elementwise::{divide, greater_equal, less, log, log1p, select, sin, square};
use super::reduce::sum;
use super::rounding::round;
use crate::builder::Value;
use crate::call::{Composite, of_one};
use std::borrow::Borrow;
use std::f64::consts::{PI, TAU};

/// ln |Γ(x)|, as PyTorch's `lgamma`: within 5 units where x is above 0. It is ∞ at 0 and at negative whole numbers; near its zeros
/// below 0 it has no bits of its own.
///
/// # Errors
/// Integers and masks are mistakes of the declaration.
pub fn lgamma(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if !require_float(x, "lgamma") {
        return x.builder().unknown();
    }
    // Γ(x)·Γ(1 − x) = π/sin πx, with a sine of what x is off from a whole number.
    let off = x - round(x);
    let sine = magnitude(&sin(off * PI));
    let reflected = PI.ln() - log(sine) - of_positive(&(1.0 - x));
    select(less(x, 0.0), reflected, of_positive(x))
}

/// The derivative of [`lgamma`], Γ′(x)/Γ(x), as PyTorch's `digamma`: within 5 units, and 2⁻²¹ where x is above ½.
///
/// # Errors
/// Those of [`lgamma`].
pub fn digamma(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "digamma") { gradient(sum(lgamma(x)), x) } else { x.builder().unknown() }
}

/// ln Γ(x) of x ≥ 0.
fn of_positive(x: &Value) -> Value {
    // Γ(x) = Γ(x + 1)/x, once or twice.
    let around_one = near_two(&(x - 1.0)) - log1p(x - 1.0);
    let around_zero = near_two(x) - log1p(x) - log(x);
    let low = select(less(x, 0.5), around_zero, around_one);
    let middle = select(less(x, 8.5), stepped(x), stirling(x));
    select(less(x, 1.5), low, middle)
}

/// ln Γ(x) of x in 1.5..8.5: ln((x − 1)·(x − 2)·…) and, of what is left in 1.5..2.5, ln Γ.
fn stepped(x: &Value) -> Value {
    let start = (x.clone(), x.builder().constant(1.0));
    let (left, product) = (1..=6).fold(start, |(left, product), step| {
        let below = x - f64::from(step);
        let is_above = greater_equal(&below, 1.5);
        (select(&is_above, &below, left), select(is_above, &product * &below, product))
    });
    near_two(&(left - 2.0)) + log(product)
}

/// ln Γ(2 + z) = (1 − γ)·z + Σ (ζ(k) − 1)·(−z)ᵏ/k, of |z| ≤ ½.
fn near_two(z: &Value) -> Value {
    let series = SERIES.iter().rev().fold(z.builder().constant(0.0), |sum, &term| z * sum + term);
    z * (z * series + (1.0 - EULER))
}

/// Stirling's series, of x ≥ 8.5.
fn stirling(x: &Value) -> Value {
    let inverse = divide(x.builder().constant(1.0), x);
    let squared = square(&inverse);
    let tail = STIRLING.iter().rev().fold(x.builder().constant(0.0), |sum, &term| &squared * sum + term);
    (x - 0.5) * (log(x) - 1.0) + (0.5 * TAU.ln() - 0.5) + inverse * tail
}

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// (−1)ᵏ·(ζ(k) − 1)/k from k = 2 on. Those left out are below 10⁻¹⁶ within ±½.
const SERIES: [f64; 26] = [
    0.322_467_033_424_113_3,
    -0.067_352_301_053_198_1,
    0.020_580_808_427_784_553,
    -0.007_385_551_028_673_988,
    0.002_890_510_330_741_523,
    -0.001_192_753_911_703_261_2,
    0.000_509_669_524_743_042_6,
    -0.000_223_154_758_453_579_36,
    9.945_751_278_180_857e-5,
    -4.492_623_673_813_315_6e-5,
    2.050_721_277_567_068_8e-5,
    -9.439_488_275_268_398e-6,
    4.374_866_789_907_486_5e-6,
    -2.039_215_753_801_366e-6,
    9.551_412_130_407_415e-7,
    -4.492_469_198_764_565e-7,
    2.120_718_480_555_466_7e-7,
    -1.004_322_482_396_810_2e-7,
    4.769_810_169_363_98e-8,
    -2.271_109_460_894_316_4e-8,
    1.083_865_921_489_695_3e-8,
    -5.183_475_041_970_047e-9,
    2.483_674_543_802_478_5e-9,
    -1.192_140_140_586_091_2e-9,
    5.731_367_241_678_861e-10,
    -2.759_522_885_124_233_4e-10,
];

/// The terms of Stirling's series, from 1/(12·x) on: Bernoulli's numbers B₂ₖ/(2k·(2k − 1)).
const STIRLING: [f64; 7] =
    [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1_260.0, -1.0 / 1_680.0, 1.0 / 1_188.0, -691.0 / 360_360.0, 1.0 / 156.0];

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] =
    &[of_one!("lgamma", lgamma, "ln |Γ(x)|"), of_one!("digamma", digamma, "the derivative of lgamma")];
