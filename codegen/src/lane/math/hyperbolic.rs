//! The saturating functions of neural networks. In: x. Out: tanh, the logistic function, softplus, erf and Φ of x.
//!
//! Each goes through e^−|x|, which neither overflows nor cancels, and restores the sign last.

use super::exponential::{bell, bell_argument, exp_clamped, one_plus, reduced_expm1};
use super::logarithm::log1p_of_fraction;
use super::parts::SIGN;
use super::parts::{add_c, at_least, at_most, copy_sign, integer_c, polynomial, power_of_two, sub_c};
use crate::lane::builder::ProgramBuilder;
use crate::lane::program::{Binary, Compare, Instruction, Reg, Unary};

/// tanh x within 3 ulp; exactly ±1 from |x| ≥ 9.02; zeros keep their sign.
pub fn tanh(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let magnitude = b.unary(Unary::AbsF, x);
    let magnitude = at_most(b, magnitude, 10.0);
    let twice = b.binary(Binary::AddF, magnitude, magnitude);
    let (raw, q) = reduced_expm1(b, twice);
    let scale = power_of_two(b, raw, 0);
    let below = sub_c(b, scale, 1.0);
    let expm1 = b.fma(q, scale, below);
    let denominator = add_c(b, expm1, 2.0);
    let result = b.binary(Binary::DivF, expm1, denominator);
    copy_sign(b, result, x)
}

/// −|x|. The sign of x does not matter: where x is −y or |y|, this is −|y|, which another function may have asked for.
fn negative_magnitude(b: &mut ProgramBuilder, mut x: Reg) -> Reg {
    while let Some(&Instruction::Unary(Unary::NegF | Unary::AbsF, y)) = b.definition(x) {
        x = y;
    }
    let bits = b.unary(Unary::BitsOf, x);
    let bits = integer_c(b, Binary::OrI, bits, SIGN);
    b.unary(Unary::FromBits, bits)
}

/// e^−|x|.
fn decay(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let x = negative_magnitude(b, x);
    let x = at_least(b, x, -104.0);
    exp_clamped(b, x)
}

/// 1 / (1 + e^−x) within 3.5 ulp: eˣ down through the subnormals for very negative x, exactly 1 from 17.4 up.
pub fn logistic(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (zero, one) = (b.constant_f(0.0), b.constant_f(1.0));
    let decay = decay(b, x);
    let denominator = one_plus(b, decay);
    let negative = b.compare(Compare::LtF, x, zero);
    let numerator = b.select(negative, decay, one);
    b.binary(Binary::DivF, numerator, denominator)
}

/// log(1 + eˣ) within 3 ulp: eˣ for very negative x, x for large x.
pub fn softplus(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let zero = b.constant_f(0.0);
    let decay = decay(b, x);
    let rest = log1p_of_fraction(b, decay);
    let rectified = b.binary(Binary::PickGreater, zero, x);
    b.binary(Binary::AddF, rectified, rest)
}

/// erf x within 2 ulp; exactly ±1 from |x| ≥ 3.93; zeros keep their sign.
///
/// x + x·p(x²) near zero, 1 − e^p(|x|) beyond; both always computed (polynomials after N. Juffa).
pub fn erf(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let magnitude = b.unary(Unary::AbsF, x);
    let square = b.binary(Binary::MulF, x, x);
    let series = polynomial(b, square, &ERF_NEAR);
    let near = b.fma(series, x, x);
    let far_magnitude = at_most(b, magnitude, 6.0);
    let exponent = polynomial(b, far_magnitude, &ERF_FAR);
    let minus = b.unary(Unary::NegF, far_magnitude);
    let exponent = b.fma(exponent, far_magnitude, minus);
    let decay = exp_clamped(b, exponent);
    let one = b.constant_f(1.0);
    let far = b.binary(Binary::SubF, one, decay);
    let far = copy_sign(b, far, x);
    let bound = b.constant_f(0.927_734_4);
    let is_far = b.compare(Compare::LtF, bound, magnitude);
    let result = b.select(is_far, far, near);
    // Below 2⁻¹⁰⁰ the sum x + x·p would round twice among subnormals.
    keep_tiny_scaled(b, x, result)
}

/// erf x ≈ 2/√π·x for |x| < 2⁻¹⁰⁰ too: the product of a subnormal is exact enough only when formed at once.
fn keep_tiny_scaled(b: &mut ProgramBuilder, x: Reg, otherwise: Reg) -> Reg {
    let slope = b.constant_f(std::f32::consts::FRAC_2_SQRT_PI);
    let linear = b.binary(Binary::MulF, x, slope);
    let (magnitude, bound) = (b.unary(Unary::AbsF, x), b.constant_f(2f32.powi(-100)));
    let tiny = b.compare(Compare::LtF, magnitude, bound);
    b.select(tiny, linear, otherwise)
}

/// Φ(x), the share of a standard normal distribution below x, within 6.5 ulp: down through the subnormals to 0 (from −14.2), exactly 1
/// from 5.42 up.
///
/// Φ(−t) = e^(−t²/2)·m(t) with a quotient of polynomials m, all of whose coefficients are positive: nothing cancels, so the tail keeps
/// its bits. Above 0 it is 1 − Φ(−x), which is ½ and more.
pub fn normal_cdf(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (zero, one) = (b.constant_f(0.0), b.constant_f(1.0));
    let bell = bell(b, x);
    let t = bell_argument(b, x);
    let (above, below) = (polynomial(b, t, &NORMAL_TAIL.0), polynomial(b, t, &NORMAL_TAIL.1));
    let ratio = b.binary(Binary::DivF, above, below);
    let tail = b.binary(Binary::MulF, bell, ratio);
    let rest = b.binary(Binary::SubF, one, tail);
    let negative = b.compare(Compare::LtF, x, zero);
    b.select(negative, tail, rest)
}

/// Φ(−t)·e^(t²/2) on 0 ≤ t ≤ 14.5 as a quotient: a minimax fit, relative error 2⁻²⁶·⁶.
const NORMAL_TAIL: ([f32; 5], [f32; 6]) = (
    [4.116_356e-3, 4.063_354e-2, 1.832_360_5e-1, 4.382_962e-1, 0.5],
    [1.031_805_4e-2, 1.018_596_4e-1, 4.694_73e-1, 1.202_507, 1.674_477_3, 1.0],
);

const ERF_NEAR: [f32; 6] =
    [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1];

const ERF_FAR: [f32; 7] = [
    -1.728_534_7e-5,
    3.831_972e-4,
    -3.883_964_4e-3,
    2.425_462_2e-2,
    -1.067_778_8e-1,
    -6.348_467e-1,
    -1.287_175_1e-1,
];
