//! log and log1p. In: x. Out: the natural logarithm of x and of 1 + x.
//!
//! x = 2ᵉ·(1 + f) with 1 + f in √½..√2, taken from the bits; log(1 + f) = f − f²/2 + f³·p(f) by a minimax polynomial;
//! e·ln 2 is added in two parts.

use super::parts::INFINITY_BITS;
use super::parts::{fma_c, integer_c, keep_tiny, mul_c, polynomial, polynomial_in_halves, sub_c};
use crate::lane::builder::ProgramBuilder;
use crate::lane::program::{Binary, Compare, Reg, Unary};

/// The bits of √½ rounded up: where the exponent changes.
const SQRT_HALF: i32 = 0x3f35_04f3;
const LN2_HIGH: f32 = std::f32::consts::LN_2;
const LN2_LOW: f32 = -1.904_654_2e-9;

/// (log(1 + f) − f + f²/2)/f³ on √½ ≤ 1 + f ≤ √2.
const LOG1P: [f32; 8] = [
    -7.634_438e-2,
    1.276_156_3e-1,
    -1.316_019_7e-1,
    1.420_176e-1,
    -1.662_335_5e-1,
    2.000_122_7e-1,
    -2.500_082_3e-1,
    3.333_333e-1,
];

/// log x within 2 ulp; −∞ at ±0, NaN below, ∞ at ∞; subnormals are exact arguments.
pub fn log(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (zero, smallest) = (b.constant_f(0.0), b.constant_f(f32::MIN_POSITIVE));
    let is_subnormal = b.compare(Compare::LtF, x, smallest);
    let scaled = mul_c(b, x, 2f32.powi(23));
    let normal = b.select(is_subnormal, scaled, x);
    let (e, fraction_bits) = split(b, normal);
    let shift = b.constant_f(-23.0);
    let shift = b.select(is_subnormal, shift, zero);
    let e = b.unary(Unary::FromI32, e);
    let e = b.binary(Binary::AddF, e, shift);
    let m = b.unary(Unary::FromBits, fraction_bits);
    let f = sub_c(b, m, 1.0);
    let result = log_of_parts(b, e, f);
    let infinite = b.constant_f(f32::NEG_INFINITY);
    finish(b, x, zero, infinite, result)
}

/// `result` where x is positive and finite; else `at_zero` for x = `pole`, NaN below it, x for ∞ and NaN.
fn finish(b: &mut ProgramBuilder, x: Reg, pole: Reg, at_pole: Reg, result: Reg) -> Reg {
    let (nan, infinity) = (b.constant_f(f32::NAN), b.constant_f(f32::INFINITY));
    let below_infinity = b.compare(Compare::LtF, x, infinity);
    let finite = b.select(below_infinity, result, x);
    let below = b.compare(Compare::LtF, x, pole);
    let defined = b.select(below, nan, finite);
    let is_pole = b.compare(Compare::EqF, x, pole);
    b.select(is_pole, at_pole, defined)
}

/// e and the bits of m with x = 2ᵉ·m, m in √½..√2, for normal positive x.
fn split(b: &mut ProgramBuilder, x: Reg) -> (Reg, Reg) {
    let bits = b.unary(Unary::BitsOf, x);
    let above = integer_c(b, Binary::SubI, bits, SQRT_HALF);
    let e = integer_c(b, Binary::ShiftRightArithmetic, above, 23);
    let scale = integer_c(b, Binary::ShiftLeft, e, 23);
    (e, b.binary(Binary::SubI, bits, scale))
}

/// e·ln 2 + log(1 + f), e an integer as a float.
fn log_of_parts(b: &mut ProgramBuilder, e: Reg, f: Reg) -> Reg {
    let square = b.binary(Binary::MulF, f, f);
    let series = polynomial_in_halves(b, f, square, &LOG1P);
    let cube = b.binary(Binary::MulF, square, f);
    let small = b.binary(Binary::MulF, series, cube);
    let small = fma_c(b, e, LN2_LOW, small);
    let small = fma_c(b, square, -0.5, small);
    let sum = b.binary(Binary::AddF, f, small);
    fma_c(b, e, LN2_HIGH, sum)
}

/// log(1 + x) within 2 ulp; −∞ at −1, NaN below, ∞ at ∞, x itself for |x| < 2⁻²⁵.
pub fn log1p(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let minus_one = b.constant_f(-1.0);
    let one = b.constant_f(1.0);
    let sum = b.binary(Binary::AddF, x, one);
    let (e, fraction_bits) = split(b, sum);
    let near = fraction(b, x, e);
    // From 2²⁵ on 1 + x is x, and 2⁻ᵉ may be no normal number: take the fraction from the bits.
    let m = b.unary(Unary::FromBits, fraction_bits);
    let far = sub_c(b, m, 1.0);
    let bound = b.constant_f(2f32.powi(25));
    let is_far = b.compare(Compare::LtF, bound, x);
    let f = b.select(is_far, far, near);
    let e = b.unary(Unary::FromI32, e);
    let result = log_of_parts(b, e, f);
    let infinite = b.constant_f(f32::NEG_INFINITY);
    let result = finish(b, x, minus_one, infinite, result);
    keep_tiny(b, x, 2f32.powi(-25), result)
}

/// f with 1 + f = (1 + x)·2⁻ᵉ, from x and not from the rounded sum: for e = 0 it is x itself.
fn fraction(b: &mut ProgramBuilder, x: Reg, e: Reg) -> Reg {
    let exponent = integer_c(b, Binary::ShiftLeft, e, 23);
    let one_bits = b.constant_i(0x3f80_0000);
    let scale = b.binary(Binary::SubI, one_bits, exponent);
    let scale = b.unary(Unary::FromBits, scale);
    let below = sub_c(b, scale, 1.0);
    b.fma(x, scale, below)
}

/// [`log1p`] of x in 0..=1 or NaN, without the special cases.
pub(super) fn log1p_of_fraction(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let sum = super::parts::add_c(b, x, 1.0);
    let (e, _) = split(b, sum);
    let f = fraction(b, x, e);
    let e = b.unary(Unary::FromI32, e);
    log_of_parts(b, e, f)
}

/// log x for x > 0 or ∞ as a sum high + low with about 2⁻⁴⁰ relative error (after N. Juffa).
pub(super) fn log_in_two_parts(b: &mut ProgramBuilder, x: Reg) -> (Reg, Reg) {
    let smallest = b.constant_f(f32::MIN_POSITIVE);
    let (zero, shift) = (b.constant_f(0.0), b.constant_f(-23.0));
    let is_subnormal = b.compare(Compare::LtF, x, smallest);
    let scaled = mul_c(b, x, 2f32.powi(23));
    let normal = b.select(is_subnormal, scaled, x);
    let (e, m) = split(b, normal);
    let e = b.unary(Unary::FromI32, e);
    let shift = b.select(is_subnormal, shift, zero);
    let e = b.binary(Binary::AddF, e, shift);
    let m = b.unary(Unary::FromBits, m);
    let (high, low) = twice_atanh(b, m);
    let sum = fma_c(b, e, LN2_HIGH, high);
    let carried = fma_c(b, e, -LN2_HIGH, sum);
    let error = b.binary(Binary::SubF, high, carried);
    let error = b.binary(Binary::AddF, error, low);
    let error = fma_c(b, e, LN2_LOW, error);
    let total = b.binary(Binary::AddF, sum, error);
    let rest = b.binary(Binary::SubF, sum, total);
    (total, b.binary(Binary::AddF, rest, error))
}

/// log m = 2·atanh q, q = (m − 1)/(m + 1), as high + low.
fn twice_atanh(b: &mut ProgramBuilder, m: Reg) -> (Reg, Reg) {
    let (one, two) = (b.constant_f(1.0), b.constant_f(2.0));
    let plus = b.binary(Binary::AddF, m, one);
    let minus = b.binary(Binary::SubF, m, one);
    let inverse = b.binary(Binary::DivF, one, plus);
    let q = b.binary(Binary::MulF, inverse, minus);
    // The remainder of the division: minus − q·(minus + 2).
    let negative_q = b.unary(Unary::NegF, q);
    let remainder = b.fma(negative_q, two, minus);
    let remainder = b.fma(negative_q, minus, remainder);
    let q_low = b.binary(Binary::MulF, inverse, remainder);
    let square = b.binary(Binary::MulF, q, q);
    let negative_square = b.unary(Unary::NegF, square);
    let square_low = b.fma(q, q, negative_square);
    let q_low_twice = b.binary(Binary::AddF, q_low, q_low);
    let square_low = b.fma(q, q_low_twice, square_low);
    let cube = b.binary(Binary::MulF, square, q);
    let negative_cube = b.unary(Unary::NegF, cube);
    let cube_low = b.fma(square, q, negative_cube);
    let cube_low = b.fma(square_low, q, cube_low);
    let cube_low = b.fma(square, q_low, cube_low);
    let series = polynomial(b, square, &[0.129_333_5, 0.141_992_8, 0.200_014_83, 0.333_333_25]);
    let low = b.fma(series, cube_low, q_low);
    let low = b.fma(series, cube, low);
    (b.binary(Binary::AddF, q, q), b.binary(Binary::AddF, low, low))
}

/// Mask: x is +∞ or −∞.
pub(super) fn is_infinite(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let bits = b.unary(Unary::BitsOf, x);
    let magnitude = integer_c(b, Binary::AndI, bits, i32::MAX);
    let infinity = b.constant_i(INFINITY_BITS);
    b.compare(Compare::EqI, magnitude, infinity)
}
