//! One scalar expression of kernel IR as lane instructions.
//!
//! In: an expression whose operands are registers. Out: the register of its value.
//! Rules are a table: one arm an op and element type. Booleans are masks in registers and 0 or 1 in memory.

use crate::lane::builder::ProgramBuilder;
use crate::lane::math;
use crate::lane::program::{Binary as B, Compare as C, Kind, Reg, Unary as U};
use downhill_graph::graph::bug;
use downhill_graph::op::{Binary, Compare, Reduction, Unary};
use downhill_graph::types::{ElementType, Literal};

/// Kernels of f64 are refused before they are emitted: lane programs have no registers for it yet.
fn no_f64() -> ! {
    bug("f64 in a lane program")
}

/// How a value of this type is held in a register.
pub(crate) fn kind(element: ElementType) -> Kind {
    match element {
        ElementType::F32 => Kind::F32,
        ElementType::F64 => no_f64(),
        ElementType::I32 | ElementType::U32 => Kind::I32,
        ElementType::Bool => Kind::Mask,
    }
}

/// A literal.
pub(crate) fn literal(b: &mut ProgramBuilder, literal: Literal) -> Reg {
    match literal.element {
        ElementType::F32 => b.constant_f(literal.value() as f32),
        ElementType::F64 => no_f64(),
        ElementType::I32 => b.constant_i(literal.value() as i32),
        ElementType::U32 => b.constant_i(literal.value() as u32 as i32),
        ElementType::Bool => b.constant_mask(literal.value() != 0.0),
    }
}

/// `unary` of `x`, of this type.
pub(crate) fn unary(b: &mut ProgramBuilder, unary: Unary, element: ElementType, x: Reg) -> Reg {
    let float = element.is_float();
    match unary {
        Unary::Neg if float => b.unary(U::NegF, x),
        Unary::Neg => b.unary(U::NegI, x),
        Unary::Exp => math::exp(b, x),
        Unary::Expm1 => math::expm1(b, x),
        Unary::Log => math::log(b, x),
        Unary::Log1p => math::log1p(b, x),
        Unary::Sqrt => b.unary(U::SqrtF, x),
        Unary::Tanh => math::tanh(b, x),
        Unary::Logistic => math::logistic(b, x),
        Unary::Softplus => math::softplus(b, x),
        Unary::Sin => math::sin(b, x),
        Unary::Cos => math::cos(b, x),
        Unary::Erf => math::erf(b, x),
        Unary::NormalCdf => math::normal_cdf(b, x),
        Unary::Bell => math::bell(b, x),
        Unary::Abs if float => b.unary(U::AbsF, x),
        Unary::Abs if element == ElementType::U32 => x,
        Unary::Abs => {
            let negative = b.unary(U::NegI, x);
            b.binary(B::MaxI, x, negative)
        }
        Unary::Sign if float => math::sign(b, x),
        Unary::Sign => {
            let (least, most) =
                (b.constant_i(if element == ElementType::U32 { 0 } else { -1 }), b.constant_i(1));
            if element == ElementType::U32 {
                let positive = b.compare(C::NeI, x, least);
                b.unary(U::FromMask, positive)
            } else {
                let below = b.binary(B::MinI, x, most);
                b.binary(B::MaxI, below, least)
            }
        }
        Unary::Floor => b.unary(U::FloorF, x),
        Unary::IsFinite => math::is_finite(b, x),
        Unary::Ordinal => math::ordinal(b, x),
        Unary::Not if element == ElementType::Bool => b.unary(U::NotMask, x),
        Unary::Not => b.unary(U::NotI, x),
    }
}

/// `binary` of `x` and `y`, both of this type.
pub(crate) fn binary(b: &mut ProgramBuilder, binary: Binary, element: ElementType, x: Reg, y: Reg) -> Reg {
    let float = element.is_float();
    let mask = element == ElementType::Bool;
    let op = match binary {
        Binary::Add => {
            if float {
                B::AddF
            } else {
                B::AddI
            }
        }
        Binary::Sub => {
            if float {
                B::SubF
            } else {
                B::SubI
            }
        }
        Binary::Mul => {
            if float {
                B::MulF
            } else {
                B::MulI
            }
        }
        Binary::Div => B::DivF,
        Binary::Max if element == ElementType::U32 => return pick_unsigned(b, y, x, x, y),
        Binary::Min if element == ElementType::U32 => return pick_unsigned(b, x, y, x, y),
        Binary::Max => {
            if float {
                B::MaxF
            } else {
                B::MaxI
            }
        }
        Binary::Min => {
            if float {
                B::MinF
            } else {
                B::MinI
            }
        }
        Binary::Pow => return math::pow(b, x, y),
        Binary::And => {
            if mask {
                B::AndMask
            } else {
                B::AndI
            }
        }
        Binary::Or => {
            if mask {
                B::OrMask
            } else {
                B::OrI
            }
        }
        Binary::Xor => {
            if mask {
                B::XorMask
            } else {
                B::XorI
            }
        }
        Binary::ShiftLeft => B::ShiftLeft,
        Binary::ShiftRight => B::ShiftRightLogical,
        Binary::Threefry => {
            let zero = b.constant_i(0);
            return random_bits(b, [x, zero], y);
        }
    };
    b.binary(op, x, y)
}

/// `if a < c { x } else { y }`, unsigned.
fn pick_unsigned(b: &mut ProgramBuilder, a: Reg, c: Reg, x: Reg, y: Reg) -> Reg {
    let less = b.compare(C::LtU, a, c);
    b.select(less, x, y)
}

/// A comparison of `x` and `y`, both of this type.
pub(crate) fn compare(b: &mut ProgramBuilder, compare: Compare, element: ElementType, x: Reg, y: Reg) -> Reg {
    if element == ElementType::Bool {
        let (x, y) = (b.unary(U::FromMask, x), b.unary(U::FromMask, y));
        return self::compare(b, compare, ElementType::I32, x, y);
    }
    let (equal, unequal, less, less_equal) = match element {
        ElementType::I32 => (C::EqI, C::NeI, C::LtI, C::LeI),
        ElementType::U32 => (C::EqI, C::NeI, C::LtU, C::LeU),
        _ => (C::EqF, C::NeF, C::LtF, C::LeF),
    };
    match compare {
        Compare::Equal => b.compare(equal, x, y),
        Compare::NotEqual => b.compare(unequal, x, y),
        Compare::Less => b.compare(less, x, y),
        Compare::LessEqual => b.compare(less_equal, x, y),
        Compare::Greater => b.compare(less, y, x),
        Compare::GreaterEqual => b.compare(less_equal, y, x),
    }
}

/// `x` from one type to another.
pub(crate) fn convert(b: &mut ProgramBuilder, from: ElementType, to: ElementType, x: Reg) -> Reg {
    use ElementType::{Bool, F32, F64, I32, U32};
    match (from, to) {
        (F64, _) | (_, F64) => no_f64(),
        (Bool, Bool) | (F32, F32) | (I32 | U32, I32 | U32) => x,
        (Bool, I32 | U32) => b.unary(U::FromMask, x),
        (Bool, F32) => {
            let (one, zero) = (b.constant_f(1.0), b.constant_f(0.0));
            b.select(x, one, zero)
        }
        (I32, F32) => b.unary(U::FromI32, x),
        (U32, F32) => b.unary(U::FromU32, x),
        (F32, I32) => b.unary(U::ToI32, x),
        (F32, U32) => b.unary(U::ToU32, x),
        (F32, Bool) => {
            let zero = b.constant_f(0.0);
            b.compare(C::NeF, x, zero)
        }
        (I32 | U32, Bool) => {
            let zero = b.constant_i(0);
            b.compare(C::NeI, x, zero)
        }
    }
}

/// What a fold starts with.
pub(crate) fn identity(b: &mut ProgramBuilder, kind: Reduction, element: ElementType) -> Reg {
    if element == ElementType::Bool {
        bug("a fold of booleans");
    }
    literal(b, Literal::new(element, kind.of_nothing(element)))
}

/// The bits of one element of a random stream: `downhill_graph::random::threefry` of its position, first word.
pub(crate) fn random_bits(b: &mut ProgramBuilder, key: [Reg; 2], element: Reg) -> Reg {
    const ROTATIONS: [[i32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let parity = b.constant_i(0x1BD1_1BDA);
    let mixed = b.binary(B::XorI, key[0], key[1]);
    let schedule = [key[0], key[1], b.binary(B::XorI, parity, mixed)];
    // The position's high word is 0: sizes of random tensors beyond 2³² are refused when they are prepared.
    let mut x = [b.binary(B::AddI, element, schedule[0]), schedule[1]];
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            x[0] = b.binary(B::AddI, x[0], x[1]);
            let turned = rotate_left(b, x[1], rotation);
            x[1] = b.binary(B::XorI, turned, x[0]);
        }
        x[0] = b.binary(B::AddI, x[0], schedule[(group + 1) % 3]);
        let number = b.constant_i(group as i32 + 1);
        let word = b.binary(B::AddI, schedule[(group + 2) % 3], number);
        x[1] = b.binary(B::AddI, x[1], word);
    }
    x[0]
}

fn rotate_left(b: &mut ProgramBuilder, x: Reg, by: i32) -> Reg {
    let (left, right) = (b.constant_i(by), b.constant_i(32 - by));
    let high = b.binary(B::ShiftLeft, x, left);
    let low = b.binary(B::ShiftRightLogical, x, right);
    b.binary(B::OrI, high, low)
}
