//! pow. In: x and y. Out: xʸ with the special cases of IEEE 754.
//!
//! e^(y·log|x|) with log|x| and the product in two parts, so that the error does not grow with the exponent.

use super::exponential::exp_of_sum;
use super::logarithm::{is_infinite, log_in_two_parts};
use super::parts::SIGN;
use super::parts::{clamp, integer_c};
use crate::lane::builder::ProgramBuilder;
use crate::lane::program::{Binary, Compare, Reg, Unary};

/// xʸ within 2.5 ulp.
///
/// As IEEE 754: x⁰ = 1 and 1ʸ = 1 even for NaN; (−1)^±∞ = 1; x < 0 takes the sign of an odd integer y and is NaN for any other
/// y that is no integer; ±0 and ±∞ go to 0, ∞ or their negatives by the sign and oddness of y.
pub fn pow(b: &mut ProgramBuilder, x: Reg, y: Reg) -> Reg {
    let magnitude = b.unary(Unary::AbsF, x);
    let finite = finite_power(b, magnitude, y);
    let magnitude_power = extreme_base(b, magnitude, y, finite);
    let signed = with_sign(b, x, y, magnitude_power);
    special(b, x, y, signed)
}

/// aʸ for 0 < a < ∞ (anything for another a).
fn finite_power(b: &mut ProgramBuilder, a: Reg, y: Reg) -> Reg {
    let (log_high, log_low) = log_in_two_parts(b, a);
    // |log a| ≤ 104, so beyond this bound on y every power but 1's is 0 or ∞; the bound keeps products finite.
    let y = clamp(b, y, -1e12, 1e12);
    let product = b.binary(Binary::MulF, log_high, y);
    let negative = b.unary(Unary::NegF, product);
    let rest = b.fma(log_high, y, negative);
    let rest = b.fma(log_low, y, rest);
    let high = b.binary(Binary::AddF, product, rest);
    let low = b.binary(Binary::SubF, product, high);
    let low = b.binary(Binary::AddF, low, rest);
    // Where the exponent is clamped the low part means nothing and might be large.
    let low = clamp(b, low, -1e-3, 1e-3);
    exp_of_sum(b, high, low)
}

/// Replaces the power of a = 0 and a = ∞.
fn extreme_base(b: &mut ProgramBuilder, a: Reg, y: Reg, finite: Reg) -> Reg {
    let (zero, infinity) = (b.constant_f(0.0), b.constant_f(f32::INFINITY));
    let is_zero = b.compare(Compare::EqF, a, zero);
    let is_infinite = b.compare(Compare::EqF, a, infinity);
    let extreme = b.binary(Binary::OrMask, is_zero, is_infinite);
    let negative = b.compare(Compare::LtF, y, zero);
    let grows = b.binary(Binary::XorMask, is_infinite, negative);
    let limit = b.select(grows, infinity, zero);
    b.select(extreme, limit, finite)
}

/// Gives the power of |x| the sign of xʸ; NaN for a negative finite x and no integer y.
fn with_sign(b: &mut ProgramBuilder, x: Reg, y: Reg, power: Reg) -> Reg {
    let (zero, nan) = (b.constant_f(0.0), b.constant_f(f32::NAN));
    let floor = b.unary(Unary::FloorF, y);
    let is_integer = b.compare(Compare::EqF, floor, y);
    let half = super::parts::mul_c(b, y, 0.5);
    let half_floor = b.unary(Unary::FloorF, half);
    let half_differs = b.compare(Compare::NeF, half_floor, half);
    let is_odd = b.binary(Binary::AndMask, is_integer, half_differs);
    let bits = b.unary(Unary::BitsOf, x);
    let sign = integer_c(b, Binary::AndI, bits, SIGN);
    let nothing = b.constant_i(0);
    let sign = b.select(is_odd, sign, nothing);
    let power_bits = b.unary(Unary::BitsOf, power);
    let signed = b.binary(Binary::XorI, power_bits, sign);
    let signed = b.unary(Unary::FromBits, signed);
    let lowest = b.constant_f(f32::MIN);
    let negative = b.compare(Compare::LtF, x, zero);
    let finite = b.compare(Compare::LeF, lowest, x);
    let negative = b.binary(Binary::AndMask, negative, finite);
    let fraction = b.unary(Unary::NotMask, is_integer);
    let undefined = b.binary(Binary::AndMask, negative, fraction);
    b.select(undefined, nan, signed)
}

/// NaN operands, and the cases that are 1 whatever the other operand.
fn special(b: &mut ProgramBuilder, x: Reg, y: Reg, result: Reg) -> Reg {
    let (zero, one, minus_one) = (b.constant_f(0.0), b.constant_f(1.0), b.constant_f(-1.0));
    let sum = b.binary(Binary::AddF, x, y);
    let (x_nan, y_nan) = (b.compare(Compare::NeF, x, x), b.compare(Compare::NeF, y, y));
    let is_nan = b.binary(Binary::OrMask, x_nan, y_nan);
    let result = b.select(is_nan, sum, result);
    let zeroth = b.compare(Compare::EqF, y, zero);
    let of_one = b.compare(Compare::EqF, x, one);
    let of_minus_one = b.compare(Compare::EqF, x, minus_one);
    let y_infinite = is_infinite(b, y);
    let endless_turns = b.binary(Binary::AndMask, of_minus_one, y_infinite);
    let is_one = b.binary(Binary::OrMask, zeroth, of_one);
    let is_one = b.binary(Binary::OrMask, is_one, endless_turns);
    b.select(is_one, one, result)
}
