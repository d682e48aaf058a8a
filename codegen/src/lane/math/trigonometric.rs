//! sin and cos. In: x in radians. Out: sin x and cos x.
//!
//! x = n·π/2 + r, then a minimax polynomial for sin r or cos r, chosen and signed by n mod 4. Near arguments are reduced by Cody and
//! Waite's three parts of π/2 with fma; far ones as Payne and Hanek do it, by those bits of 2/π that matter. That costs as much as
//! everything else twice over, so it is code of its own, left out where no argument is far.

use super::parts::SIGN;
use super::parts::{fma_c, integer_c, mul_c, polynomial, round_scaled};
use crate::lane::builder::ProgramBuilder;
use crate::lane::program::{Binary, Compare, Reg, Unary};

/// π/2 in three parts of 24 bits.
const HALF_PI: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_1e-15];

/// |x| from which on it is far. Below, n has few enough bits that the three parts leave r all of its own.
const FAR: f32 = 32_768.0;

/// 2/π as a fixed-point number: 32 bits before the point, 224 after it.
const TWO_OVER_PI: [u32; 8] =
    [0, 0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab];

/// sin x within 2 ulp; NaN at ±∞; zeros keep their sign.
pub fn sin(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (n, r) = reduce(b, x);
    quadrant(b, n, r, x)
}

/// cos x within 2 ulp; NaN at ±∞.
pub fn cos(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (n, r) = reduce(b, x);
    let next = integer_c(b, Binary::AddI, n, 1);
    quadrant(b, next, r, r)
}

/// n (its two low bits count) and r with x = n·π/2 + r, |r| ≤ π/4 and hardly more.
fn reduce(b: &mut ProgramBuilder, x: Reg) -> (Reg, Reg) {
    let (n, float) = round_scaled(b, x, std::f32::consts::FRAC_2_PI);
    let mut r = x;
    for part in HALF_PI {
        r = fma_c(b, float, -part, r);
    }
    let (magnitude, far) = (b.unary(Unary::AbsF, x), b.constant_f(FAR));
    let is_far = b.compare(Compare::LeF, far, magnitude);
    let reduced = b.replace_where(is_far, &[n, r], |b| {
        let (n, r) = reduce_far(b, x);
        vec![n, r]
    });
    (reduced[0], reduced[1])
}

/// As [`reduce`], for |x| ≥ [`FAR`]; r is NaN at ±∞.
///
/// |x| = m·2ᵉ with an integer m of 24 bits. Bits of 2/π that 2ᵉ moves to 4 and above count whole turns and are left out: the 96 bits from
/// 2 down are enough, since no f32 comes closer to a multiple of π/2 than some 2⁻³⁰.
fn reduce_far(b: &mut ProgramBuilder, x: Reg) -> (Reg, Reg) {
    let bits = b.unary(Unary::BitsOf, x);
    let fraction = integer_c(b, Binary::AndI, bits, 0x7f_ffff);
    let m = integer_c(b, Binary::OrI, fraction, 0x80_0000);
    let [high, middle, low] = window(b, bits);
    // Their product with m modulo 4, as 2 bits before the point and 62 after it.
    let carry_in = high_product(b, m, low);
    let product = b.binary(Binary::MulI, m, middle);
    let rest = b.binary(Binary::AddI, product, carry_in);
    let carries = b.compare(Compare::LtU, rest, carry_in);
    let carry = b.unary(Unary::FromMask, carries);
    let top = b.binary(Binary::MulI, m, high);
    let above = high_product(b, m, middle);
    let top = b.binary(Binary::AddI, top, above);
    let top = b.binary(Binary::AddI, top, carry);
    // To the nearest integer and what is left, −½ to ½.
    let rounded = integer_c(b, Binary::AddI, top, 1 << 29);
    let n = integer_c(b, Binary::ShiftRightLogical, rounded, 30);
    let whole = integer_c(b, Binary::ShiftLeft, n, 30);
    let left = b.binary(Binary::SubI, top, whole);
    let r = quarter_turns(b, left, rest);
    // −x has the opposite of both.
    let negative = integer_c(b, Binary::ShiftRightArithmetic, bits, 31);
    let n = b.binary(Binary::XorI, n, negative);
    let n = b.binary(Binary::SubI, n, negative);
    let sign = integer_c(b, Binary::AndI, bits, SIGN);
    let r = b.unary(Unary::BitsOf, r);
    let r = b.binary(Binary::XorI, r, sign);
    let r = b.unary(Unary::FromBits, r);
    let nan_or_zero = mul_c(b, x, 0.0);
    (n, b.binary(Binary::AddF, r, nan_or_zero))
}

/// 96 bits of 2/π, times 2ᵉ, from that of 2 on; `bits` are those of x = ±m·2ᵉ.
fn window(b: &mut ProgramBuilder, bits: Reg) -> [Reg; 3] {
    let exponent = integer_c(b, Binary::ShiftRightLogical, bits, 23);
    let exponent = integer_c(b, Binary::AndI, exponent, 255);
    // e is the exponent less 150; the bit 2ᵏ of 2/π stands in place 31 − k, and k = 1 − e.
    let place = integer_c(b, Binary::SubI, exponent, 120);
    let word = integer_c(b, Binary::ShiftRightLogical, place, 5);
    let mut words = [0, 1, 2, 3].map(|at| b.constant_i(TWO_OVER_PI[at] as i32));
    for skipped in 1..=4 {
        let number = b.constant_i(skipped as i32);
        let is_word = b.compare(Compare::EqI, word, number);
        for (at, kept) in words.iter_mut().enumerate() {
            let other = b.constant_i(TWO_OVER_PI[at + skipped] as i32);
            *kept = b.select(is_word, other, *kept);
        }
    }
    let shift = integer_c(b, Binary::AndI, place, 31);
    let rest = integer_c(b, Binary::XorI, shift, 31);
    [0, 1, 2].map(|at| {
        let upper = b.binary(Binary::ShiftLeft, words[at], shift);
        // By 32 less the shift, which may be 32: in two steps.
        let lower = integer_c(b, Binary::ShiftRightLogical, words[at + 1], 1);
        let lower = b.binary(Binary::ShiftRightLogical, lower, rest);
        b.binary(Binary::OrI, upper, lower)
    })
}

/// The upper 32 bits of the product, unsigned: from products of halves, as one multiplies by hand.
fn high_product(b: &mut ProgramBuilder, x: Reg, y: Reg) -> Reg {
    let mut halves =
        |x: Reg| (integer_c(b, Binary::ShiftRightLogical, x, 16), integer_c(b, Binary::AndI, x, 0xffff));
    let ((x_high, x_low), (y_high, y_low)) = (halves(x), halves(y));
    let low = b.binary(Binary::MulI, x_low, y_low);
    let carry = integer_c(b, Binary::ShiftRightLogical, low, 16);
    let cross = b.binary(Binary::MulI, x_high, y_low);
    let cross = b.binary(Binary::AddI, cross, carry);
    let cross_low = integer_c(b, Binary::AndI, cross, 0xffff);
    let other = b.binary(Binary::MulI, x_low, y_high);
    let other = b.binary(Binary::AddI, other, cross_low);
    let high = b.binary(Binary::MulI, x_high, y_high);
    let cross = integer_c(b, Binary::ShiftRightLogical, cross, 16);
    let other = integer_c(b, Binary::ShiftRightLogical, other, 16);
    let high = b.binary(Binary::AddI, high, cross);
    b.binary(Binary::AddI, high, other)
}

/// (`left` + `rest`·2⁻³²)·2⁻³⁰ quarter turns in radians, `left` signed and `rest` not: 24 bits are a float as they are, the next 31,
/// signed too, are enough of the rest.
fn quarter_turns(b: &mut ProgramBuilder, left: Reg, rest: Reg) -> Reg {
    let rounded = integer_c(b, Binary::AddI, left, 32);
    let high = integer_c(b, Binary::ShiftRightArithmetic, rounded, 6);
    let low = integer_c(b, Binary::ShiftLeft, left, 26);
    let low = integer_c(b, Binary::ShiftRightArithmetic, low, 1);
    let rest = integer_c(b, Binary::ShiftRightLogical, rest, 7);
    let low = b.binary(Binary::OrI, low, rest);
    let (high, low) = (b.unary(Unary::FromI32, high), b.unary(Unary::FromI32, low));
    let low = mul_c(b, low, HALF_PI[0] * 2f32.powi(-55));
    let low = fma_c(b, high, HALF_PI[1] * 2f32.powi(-24), low);
    fma_c(b, high, HALF_PI[0] * 2f32.powi(-24), low)
}

/// ±sin r or ±cos r by the two low bits of `n`; `tiny` is the result where r = 0 in an even quadrant: it has the
/// right sign of zero.
fn quadrant(b: &mut ProgramBuilder, n: Reg, r: Reg, tiny: Reg) -> Reg {
    let zero_i = b.constant_i(0);
    let square = b.binary(Binary::MulF, r, r);
    let series = polynomial(b, square, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let cube = b.binary(Binary::MulF, square, r);
    let sine = b.fma(series, cube, r);
    let cosine = polynomial(b, square, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5, 1.0]);
    let odd = integer_c(b, Binary::AndI, n, 1);
    let is_even = b.compare(Compare::EqI, odd, zero_i);
    let magnitude = b.select(is_even, sine, cosine);
    let sign = integer_c(b, Binary::AndI, n, 2);
    let sign = integer_c(b, Binary::ShiftLeft, sign, 30);
    let bits = b.unary(Unary::BitsOf, magnitude);
    let signed = b.binary(Binary::XorI, bits, sign);
    let result = b.unary(Unary::FromBits, signed);
    let zero = b.constant_f(0.0);
    let is_zero = b.compare(Compare::EqF, tiny, zero);
    if tiny == r {
        return result;
    }
    b.select(is_zero, tiny, result)
}
