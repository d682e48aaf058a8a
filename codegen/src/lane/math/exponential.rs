//! exp, expm1 and the bell. In: x. Out: eˣ, eˣ − 1 and e^(−x²/2).
//!
//! x = n·ln 2 + r by Cody and Waite's two-part reduction with fma, a minimax polynomial for eʳ, and 2ⁿ put into the
//! exponent field. Coefficients: weighted minimax fits, relative error below 2⁻²⁵ before rounding.

use super::parts::{
    add_c, at_most, clamp, fma_c, keep_tiny, mul_c, polynomial, polynomial_in_halves, power_of_two,
    round_scaled, sub_c,
};
use crate::lane::builder::ProgramBuilder;
use crate::lane::program::{Binary, Reg, Unary};

const LN2_HIGH: f32 = std::f32::consts::LN_2;
/// ln 2 − `LN2_HIGH`.
const LN2_LOW: f32 = -1.904_654_2e-9;
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// eˣ within 2 ulp (1.6 measured), down through the subnormals to 0 (from −103.98) and up to ∞ (from 88.73).
///
/// 18 instructions: n is even, n = 2m with |r| ≤ ln 2, so that 2ᵐ is multiplied in twice; only the second
/// multiplication can round, and only to a subnormal.
pub fn exp(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let x = clamp(b, x, -104.0, 89.0);
    exp_clamped(b, x)
}

/// [`exp`] of x in −104..=89 or NaN.
pub(super) fn exp_clamped(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (raw, m) = round_scaled(b, x, LOG2_E / 2.0);
    let r = fma_c(b, m, -2.0 * LN2_HIGH, x);
    let r = fma_c(b, m, -2.0 * LN2_LOW, r);
    let power = reduced_exp(b, r);
    scale_twice(b, power, raw)
}

/// power·2²ᵐ for m in the low bits of `raw`: only the second multiplication can round.
fn scale_twice(b: &mut ProgramBuilder, power: Reg, raw: Reg) -> Reg {
    let root = power_of_two(b, raw, 0);
    let half = b.binary(Binary::MulF, power, root);
    b.binary(Binary::MulF, half, root)
}

/// ln 2 in 16 bits, so that its product with a small integer is exact, and the rest of it.
const LN2_SHORT: f32 = 0.693_145_75;
const LN2_REST: f32 = 1.428_606_8e-6;
/// |x| from which on e^(−x²/2) is 0: below 2⁻¹⁵⁰.
const NO_BELL: f32 = 14.5;

/// e^(−x²/2) within 2.5 ulp, down through the subnormals to 0 (from |x| = 14.42).
///
/// x² is never rounded where it matters: −x²/2 − n·ln 2 is formed by one multiply-add. An error of half an ulp in x² would be one
/// of x²/4 ulp in the result.
pub fn bell(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let magnitude = bell_argument(b, x);
    let square = b.binary(Binary::MulF, magnitude, magnitude);
    let (raw, m) = round_scaled(b, square, -LOG2_E / 4.0);
    let negative_half = mul_c(b, magnitude, -0.5);
    let shift = mul_c(b, m, -2.0 * LN2_SHORT);
    let r = b.fma(negative_half, magnitude, shift);
    let r = fma_c(b, m, -2.0 * LN2_REST, r);
    let power = reduced_exp(b, r);
    scale_twice(b, power, raw)
}

/// |x| where [`bell`] is not 0, and no more than needed beyond.
pub(super) fn bell_argument(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let magnitude = b.unary(Unary::AbsF, x);
    at_most(b, magnitude, NO_BELL)
}

/// eʳ, |r| ≤ ln 2: Horner's rule but for its first steps, which are done side by side, and where rounding hardly matters.
fn reduced_exp(b: &mut ProgramBuilder, r: Reg) -> Reg {
    let square = b.binary(Binary::MulF, r, r);
    let (first, rest) = EXP.split_at(4);
    let mut sum = polynomial_in_halves(b, r, square, first);
    for &coefficient in rest {
        let coefficient = b.constant_f(coefficient);
        sum = b.fma(sum, r, coefficient);
    }
    sum
}

/// eʳ on |r| ≤ ln 2.
const EXP: [f32; 8] =
    [1.961_134_8e-4, 1.410_468e-3, 8.336_109e-3, 4.166_126e-2, 1.666_661_4e-1, 5.000_003_6e-1, 1.0, 1.0];

/// (eʳ − 1 − r)/r² on |r| ≤ ln 2 / 2.
const EXPM1: [f32; 5] = [1.388_250_7e-3, 8.366_581e-3, 4.166_72e-2, 1.666_654_3e-1, 0.5];

/// n (raw bits, see [`round_scaled`]) and q with eˣ = 2ⁿ·(1 + q), |x − n·ln 2| ≤ ln 2 / 2.
pub(super) fn reduced_expm1(b: &mut ProgramBuilder, x: Reg) -> (Reg, Reg) {
    let (raw, n) = round_scaled(b, x, LOG2_E);
    let r = fma_c(b, n, -LN2_HIGH, x);
    let r = fma_c(b, n, -LN2_LOW, r);
    let series = polynomial(b, r, &EXPM1);
    let square = b.binary(Binary::MulF, r, r);
    (raw, b.fma(series, square, r))
}

/// eˣ − 1 within 2 ulp; −1 from −17.4 down, ∞ from 88.73, x itself for |x| < 2⁻²⁵.
pub fn expm1(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let clamped = clamp(b, x, -26.0, 89.0);
    let (raw, q) = reduced_expm1(b, clamped);
    // Half of 2ⁿ: n = 128 is in range, 2¹²⁸ is not.
    let half = power_of_two(b, raw, -1);
    let below = sub_c(b, half, 0.5);
    let halved = b.fma(q, half, below);
    let result = mul_c(b, halved, 2.0);
    keep_tiny(b, x, 2f32.powi(-25), result)
}

/// eˣ·(1 + y) for |y| « 1: [`exp`] of a sum in two parts.
pub(super) fn exp_of_sum(b: &mut ProgramBuilder, high: Reg, low: Reg) -> Reg {
    let x = clamp(b, high, -104.0, 89.0);
    let (raw, m) = round_scaled(b, x, LOG2_E / 2.0);
    let r = fma_c(b, m, -2.0 * LN2_HIGH, x);
    let r = fma_c(b, m, -2.0 * LN2_LOW, r);
    let power = reduced_exp(b, r);
    let corrected = b.fma(power, low, power);
    scale_twice(b, corrected, raw)
}

/// 1 + x.
pub(super) fn one_plus(b: &mut ProgramBuilder, x: Reg) -> Reg {
    add_c(b, x, 1.0)
}
