//! The parts that the functions share: signs, bounds, polynomials, constants.
//!
//! In: registers. Out: registers.

use crate::lane::builder::ProgramBuilder;
use crate::lane::program::{Binary, Compare, Reg, Unary};

pub(super) const SIGN: i32 = i32::MIN;
pub(super) const INFINITY_BITS: i32 = 0x7f80_0000;

/// −1, 0 or 1 with the sign of x; zeros keep their sign and NaN passes.
pub fn sign(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (zero, one) = (b.constant_f(0.0), b.constant_f(1.0));
    let is_zero = b.compare(Compare::EqF, x, zero);
    let is_nan = b.compare(Compare::NeF, x, x);
    let passes = b.binary(Binary::OrMask, is_zero, is_nan);
    let signed_one = copy_sign(b, one, x);
    b.select(passes, x, signed_one)
}

/// Mask: neither NaN nor infinite.
pub fn is_finite(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (magnitude, infinity) = (b.unary(Unary::AbsF, x), b.constant_f(f32::INFINITY));
    b.compare(Compare::LtF, magnitude, infinity)
}

/// A u32 that ascends with x: the bits of a negative number turned over, all others behind them, and NaN last.
pub fn ordinal(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (zero, sign, all) = (b.constant_f(0.0), b.constant_i(SIGN), b.constant_i(-1));
    let number = b.binary(Binary::AddF, x, zero); // one zero of two
    let bits = b.unary(Unary::BitsOf, number);
    let is_negative = b.compare(Compare::LtF, number, zero);
    let turned = b.select(is_negative, all, sign);
    let ordinal = b.binary(Binary::XorI, bits, turned);
    let is_broken = b.compare(Compare::NeF, x, x);
    b.select(is_broken, all, ordinal)
}

/// `magnitude` (≥ 0) with the sign of `x`.
pub(super) fn copy_sign(b: &mut ProgramBuilder, magnitude: Reg, x: Reg) -> Reg {
    let (mask, bits) = (b.constant_i(SIGN), b.unary(Unary::BitsOf, x));
    let sign = b.binary(Binary::AndI, bits, mask);
    let magnitude = b.unary(Unary::BitsOf, magnitude);
    let signed = b.binary(Binary::OrI, magnitude, sign);
    b.unary(Unary::FromBits, signed)
}

/// `min(high, max(low, x))` for NaN-free nonzero bounds: two instructions, NaN in x passes.
pub(super) fn clamp(b: &mut ProgramBuilder, x: Reg, low: f32, high: f32) -> Reg {
    let x = at_least(b, x, low);
    at_most(b, x, high)
}

pub(super) fn at_least(b: &mut ProgramBuilder, x: Reg, low: f32) -> Reg {
    let low = b.constant_f(low);
    b.binary(Binary::PickGreater, low, x)
}

pub(super) fn at_most(b: &mut ProgramBuilder, x: Reg, high: f32) -> Reg {
    let high = b.constant_f(high);
    b.binary(Binary::MinF, x, high)
}

/// Horner's rule, highest coefficient first.
pub(super) fn polynomial(b: &mut ProgramBuilder, x: Reg, coefficients: &[f32]) -> Reg {
    let mut sum = b.constant_f(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        let coefficient = b.constant_f(coefficient);
        sum = b.fma(sum, x, coefficient);
    }
    sum
}

/// As [`polynomial`], in two chains of half the length: even and odd powers. `square` is x².
pub(super) fn polynomial_in_halves(b: &mut ProgramBuilder, x: Reg, square: Reg, coefficients: &[f32]) -> Reg {
    let every_other = |from: usize| coefficients[from..].iter().step_by(2).copied().collect::<Vec<f32>>();
    let last = coefficients.len() - 1;
    let (odd, even) = (every_other((last + 1) % 2), every_other(last % 2));
    let (odd, even) = (polynomial(b, square, &odd), polynomial(b, square, &even));
    b.fma(odd, x, even)
}

pub(super) fn fma_c(b: &mut ProgramBuilder, x: Reg, factor: f32, addend: Reg) -> Reg {
    let factor = b.constant_f(factor);
    b.fma(x, factor, addend)
}

pub(super) fn mul_c(b: &mut ProgramBuilder, x: Reg, factor: f32) -> Reg {
    let factor = b.constant_f(factor);
    b.binary(Binary::MulF, x, factor)
}

pub(super) fn add_c(b: &mut ProgramBuilder, x: Reg, addend: f32) -> Reg {
    let addend = b.constant_f(addend);
    b.binary(Binary::AddF, x, addend)
}

pub(super) fn sub_c(b: &mut ProgramBuilder, x: Reg, subtrahend: f32) -> Reg {
    let subtrahend = b.constant_f(subtrahend);
    b.binary(Binary::SubF, x, subtrahend)
}

pub(super) fn integer_c(b: &mut ProgramBuilder, op: Binary, x: Reg, constant: i32) -> Reg {
    let constant = b.constant_i(constant);
    b.binary(op, x, constant)
}

/// `if |x| < bound { x } else { otherwise }`: keeps zeros' signs and subnormals exact where f(x) ≈ x.
pub(super) fn keep_tiny(b: &mut ProgramBuilder, x: Reg, bound: f32, otherwise: Reg) -> Reg {
    let (magnitude, bound) = (b.unary(Unary::AbsF, x), b.constant_f(bound));
    let tiny = b.compare(Compare::LtF, magnitude, bound);
    b.select(tiny, x, otherwise)
}

/// Adding and subtracting this rounds |x| < 2²² to an integer, which then stands in the low bits of the sum.
pub(super) const ROUNDER: f32 = 12_582_912.0;

/// `x·factor` rounded to an integer: as the raw bits of the sum with [`ROUNDER`], and as a float.
pub(super) fn round_scaled(b: &mut ProgramBuilder, x: Reg, factor: f32) -> (Reg, Reg) {
    let rounder = b.constant_f(ROUNDER);
    let sum = fma_c(b, x, factor, rounder);
    let n = b.binary(Binary::SubF, sum, rounder);
    (b.unary(Unary::BitsOf, sum), n)
}

/// 2ⁿ·2^`extra` for n in the low bits of `raw` (from [`round_scaled`]): the bits above are shifted out.
pub(super) fn power_of_two(b: &mut ProgramBuilder, raw: Reg, extra: i32) -> Reg {
    let shifted = integer_c(b, Binary::ShiftLeft, raw, 23);
    let biased = integer_c(b, Binary::AddI, shifted, (127 + extra) << 23);
    b.unary(Unary::FromBits, biased)
}
