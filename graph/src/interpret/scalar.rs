//! What each elementwise op computes, for one element.
//!
//! In: elements as f64 (integers exactly, booleans as 0 and 1) and their type. Out: the same. Constant folding uses these very
//! functions, so a folded constant is what the interpreter would have computed.

use crate::op::{Binary, Compare, Unary};
use crate::random::threefry;
use crate::types::ElementType;

/// How exactly floats are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precision {
    /// All floats in f64, nothing rounded to f32: for checking gradients.
    F64,
    /// f32 values are rounded after every op, as compiled code does (sums once, at their end).
    F32,
}

impl Precision {
    /// `value` as an `element` holds it in this precision.
    pub fn round(self, element: ElementType, value: f64) -> f64 {
        match (self, element) {
            (Precision::F32, ElementType::F32) => f64::from(value as f32),
            _ => value,
        }
    }
}

/// One operand.
pub(crate) fn unary(function: Unary, element: ElementType, x: f64) -> f64 {
    match function {
        Unary::Neg => wrap(element, -x),
        Unary::Exp => libm::exp(x),
        Unary::Expm1 => libm::expm1(x),
        Unary::Log => libm::log(x),
        Unary::Log1p => libm::log1p(x),
        Unary::Sqrt => libm::sqrt(x),
        Unary::Tanh => libm::tanh(x),
        Unary::Logistic => logistic(x),
        Unary::Softplus => softplus(x),
        Unary::Sin => libm::sin(x),
        Unary::Cos => libm::cos(x),
        Unary::Erf => libm::erf(x),
        Unary::NormalCdf => 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        Unary::Bell => libm::exp(-0.5 * x * x),
        Unary::Abs => wrap(element, libm::fabs(x)),
        Unary::Sign => sign(x),
        Unary::Floor => libm::floor(x),
        Unary::IsFinite => truth(x.is_finite()),
        Unary::Ordinal => f64::from(ordinal(x as f32)),
        Unary::Not if element == ElementType::Bool => truth(x == 0.0),
        Unary::Not => from_bits(element, !to_bits(x)),
    }
}

/// The bits of a float ascend with its magnitude: those of a negative number are turned over, and all others lie behind them.
fn ordinal(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    match x.is_nan() {
        true => u32::MAX,
        false if bits >> 31 == 1 => !bits,
        false => bits | 1 << 31,
    }
}

/// Two operands of one type.
pub(crate) fn binary(function: Binary, element: ElementType, x: f64, y: f64) -> f64 {
    match function {
        Binary::Add => wrap(element, x + y),
        Binary::Sub => wrap(element, x - y),
        Binary::Mul if element.is_integer() => from_bits(element, to_bits(x).wrapping_mul(to_bits(y))),
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Max => greater(x, y),
        Binary::Min => lesser(x, y),
        Binary::Pow => libm::pow(x, y),
        Binary::And => from_bits(element, to_bits(x) & to_bits(y)),
        Binary::Or => from_bits(element, to_bits(x) | to_bits(y)),
        Binary::Xor => from_bits(element, to_bits(x) ^ to_bits(y)),
        Binary::ShiftLeft => from_bits(element, to_bits(x).wrapping_shl(to_bits(y))),
        Binary::ShiftRight => from_bits(element, to_bits(x).wrapping_shr(to_bits(y))),
        Binary::Threefry => from_bits(element, threefry([to_bits(x), 0], [to_bits(y), 0])[0]),
    }
}

/// Comparison, to 1 or 0.
pub(crate) fn compare(comparison: Compare, x: f64, y: f64) -> f64 {
    truth(match comparison {
        Compare::Equal => x == y,
        Compare::NotEqual => x != y,
        Compare::Less => x < y,
        Compare::LessEqual => x <= y,
        Compare::Greater => x > y,
        Compare::GreaterEqual => x >= y,
    })
}

/// From one element type to another.
pub(crate) fn convert(from: ElementType, to: ElementType, x: f64) -> f64 {
    match to {
        ElementType::F32 | ElementType::F64 => x,
        ElementType::Bool => truth(x != 0.0),
        // `as` goes towards zero, saturates and maps NaN to 0; between integers the bits stay.
        ElementType::I32 if from.is_float() => f64::from(x as i32),
        ElementType::U32 if from.is_float() => f64::from(x as u32),
        ElementType::I32 | ElementType::U32 => wrap(to, x),
    }
}

/// The greater; NaN if either is.
pub(crate) fn greater(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y { x } else { y }
}

/// The lesser; NaN if either is.
pub(crate) fn lesser(x: f64, y: f64) -> f64 {
    if x.is_nan() || x < y { x } else { y }
}

/// An integer brought back into the range of its type; floats as they are.
pub(crate) fn wrap(element: ElementType, x: f64) -> f64 {
    if element.is_integer() { from_bits(element, to_bits(x)) } else { x }
}

fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

fn softplus(x: f64) -> f64 {
    greater(x, 0.0) + libm::log1p(libm::exp(-libm::fabs(x)))
}

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else if x.is_nan() {
        x
    } else {
        0.0
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// The low 32 bits of an integer.
fn to_bits(x: f64) -> u32 {
    x as i64 as u32
}

fn from_bits(element: ElementType, bits: u32) -> f64 {
    match element {
        ElementType::I32 => f64::from(bits as i32),
        ElementType::U32 => f64::from(bits),
        ElementType::Bool => f64::from(bits & 1),
        ElementType::F32 | ElementType::F64 => crate::graph::bug("bits of a float"),
    }
}
