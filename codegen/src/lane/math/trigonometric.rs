//! sin and cos. In: x in radians. Out: sin x and cos x.
//!
//! x = n·π/2 + r by a three-part Cody–Waite reduction with fma, then a minimax polynomial for sin r or cos r, chosen and
//! signed by n mod 4.

use super::{Binary, Compare, ProgramBuilder, Reg, Unary};
use super::{clamp, fma_c, integer_c, polynomial, round_scaled};

/// π/2 in three parts of 24 bits.
const HALF_PI: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_1e-15];

/// sin x within 2 ulp for |x| ≤ 10⁴; error below 10⁻⁶ up to 10⁶, always in −1..=1 for finite x; NaN at ±∞.
pub fn sin(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (raw, r) = reduce(b, x);
    quadrant(b, raw, r, x)
}

/// cos x, with the bounds of [`sin`].
pub fn cos(b: &mut ProgramBuilder, x: Reg) -> Reg {
    let (raw, r) = reduce(b, x);
    let next = integer_c(b, Binary::AddI, raw, 1);
    quadrant(b, next, r, r)
}

fn reduce(b: &mut ProgramBuilder, x: Reg) -> (Reg, Reg) {
    let (raw, n) = round_scaled(b, x, std::f32::consts::FRAC_2_PI);
    let mut r = x;
    for part in HALF_PI {
        r = fma_c(b, n, -part, r);
    }
    // Keeps the polynomials in −1..=1 where the reduction has lost all bits.
    (raw, clamp(b, r, -0.9, 0.9))
}

/// ±sin r or ±cos r by the two low bits of `raw`; `tiny` is the result where r = 0 in an even quadrant: it has the
/// right sign of zero.
fn quadrant(b: &mut ProgramBuilder, raw: Reg, r: Reg, tiny: Reg) -> Reg {
    let zero_i = b.constant_i(0);
    let square = b.binary(Binary::MulF, r, r);
    let series = polynomial(b, square, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let cube = b.binary(Binary::MulF, square, r);
    let sine = b.fma(series, cube, r);
    let cosine = polynomial(b, square, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5, 1.0]);
    let odd = integer_c(b, Binary::AndI, raw, 1);
    let is_even = b.compare(Compare::EqI, odd, zero_i);
    let magnitude = b.select(is_even, sine, cosine);
    let sign = integer_c(b, Binary::AndI, raw, 2);
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
