//! Kinds of operands and results. In: an instruction. Out: which registers it reads and what kind each must have.
//!
//! One table for the builder, the verifier and the lowerings.

use super::program::*;

impl Instruction {
    /// The registers it reads, in order.
    pub fn operands(&self) -> Operands {
        let (list, count) = match *self {
            Instruction::Load(Address { by: Some(by), .. }) => ([by, Reg(0), Reg(0)], 1),
            Instruction::Load(Address { by: None, .. })
            | Instruction::ConstantF(_)
            | Instruction::ConstantI(_)
            | Instruction::ConstantMask(_)
            | Instruction::Counter { .. }
            | Instruction::Argument(_) => ([Reg(0); 3], 0),
            Instruction::Unary(_, x) => ([x, Reg(0), Reg(0)], 1),
            Instruction::Binary(_, x, y) | Instruction::Compare(_, x, y) => ([x, y, Reg(0)], 2),
            Instruction::Fma(a, b, c) | Instruction::Select(a, b, c) => ([a, b, c], 3),
        };
        Operands { list, count }
    }

    /// True for `ConstantF`, `ConstantI` and `ConstantMask`.
    pub fn is_constant(&self) -> bool {
        matches!(self, Instruction::ConstantF(_) | Instruction::ConstantI(_) | Instruction::ConstantMask(_))
    }
}

/// Up to three registers.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    list: [Reg; 3],
    count: usize,
}

impl std::ops::Deref for Operands {
    type Target = [Reg];

    fn deref(&self) -> &[Reg] {
        &self.list[..self.count]
    }
}

impl Unary {
    /// Kind of the operand.
    pub fn operand(self) -> Kind {
        match self {
            Unary::NegF | Unary::AbsF | Unary::SqrtF | Unary::FloorF | Unary::NearestF => Kind::F32,
            Unary::ToI32 | Unary::ToU32 | Unary::BitsOf => Kind::F32,
            Unary::NegI | Unary::NotI | Unary::FromI32 | Unary::FromU32 | Unary::FromBits => Kind::I32,
            Unary::NotMask | Unary::FromMask => Kind::Mask,
        }
    }

    /// Kind of the result.
    pub fn result(self) -> Kind {
        match self {
            Unary::NegF | Unary::AbsF | Unary::SqrtF | Unary::FloorF | Unary::NearestF => Kind::F32,
            Unary::FromI32 | Unary::FromU32 | Unary::FromBits => Kind::F32,
            Unary::NegI | Unary::NotI | Unary::ToI32 | Unary::ToU32 | Unary::BitsOf | Unary::FromMask => {
                Kind::I32
            }
            Unary::NotMask => Kind::Mask,
        }
    }
}

impl Binary {
    /// Kind of both operands and of the result.
    pub fn kind(self) -> Kind {
        match self {
            Binary::AddF | Binary::SubF | Binary::MulF | Binary::DivF => Kind::F32,
            Binary::MaxF | Binary::MinF | Binary::PickGreater => Kind::F32,
            Binary::AddI | Binary::SubI | Binary::MulI | Binary::MaxI | Binary::MinI => Kind::I32,
            Binary::AndI | Binary::OrI | Binary::XorI => Kind::I32,
            Binary::ShiftLeft | Binary::ShiftRightLogical | Binary::ShiftRightArithmetic => Kind::I32,
            Binary::AndMask | Binary::OrMask | Binary::XorMask => Kind::Mask,
        }
    }
}

impl Compare {
    /// Kind of both operands.
    pub fn operand(self) -> Kind {
        match self {
            Compare::EqF | Compare::NeF | Compare::LtF | Compare::LeF => Kind::F32,
            Compare::EqI | Compare::NeI | Compare::LtI | Compare::LeI | Compare::LtU | Compare::LeU => {
                Kind::I32
            }
        }
    }
}

impl Combine {
    /// Kind of what is combined.
    pub fn kind(self) -> Kind {
        self.binary().kind()
    }

    /// The instruction that combines two partials.
    pub fn binary(self) -> Binary {
        match self {
            Combine::AddF => Binary::AddF,
            Combine::MaxF => Binary::MaxF,
            Combine::MinF => Binary::MinF,
            Combine::AddI => Binary::AddI,
            Combine::MaxI => Binary::MaxI,
            Combine::MinI => Binary::MinI,
        }
    }
}
