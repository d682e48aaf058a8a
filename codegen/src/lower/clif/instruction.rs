//! Instructions. In: an [`Instruction`] and the pieces to do. Out: its values; on vectors and scalars the same bits.
//!
//! Masks are all ones or all zeros in each lane of an `i32x4`, and 0 or 1 in an `i8` as a scalar.

use super::estimate::LANES;
use std::ops::Range;

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F32X4, I32, I32X4};
use cranelift_codegen::ir::{InstBuilder, Type, Value};

use super::emitter::{Bound, Emitter, bits_flags, type_of};
use crate::lane::{Binary, Compare, Instruction, Kind, Reg, Unary, Var};

impl Emitter<'_, '_, '_> {
    /// Emits one instruction for the given pieces; a uniform one with the first piece.
    pub(super) fn instruction(&mut self, register: Reg, instruction: &Instruction, pieces: &Range<usize>) {
        let varying = self.varies(register);
        if !varying && pieces.start > 0 {
            return;
        }
        let pieces = if varying { pieces.clone() } else { 0..1 };
        let vector = self.is_vector(register);
        for piece in pieces {
            let value = self.result(register, instruction, piece, vector);
            self.set(register, piece, value);
        }
    }

    fn result(&mut self, register: Reg, instruction: &Instruction, piece: usize, vector: bool) -> Value {
        match *instruction {
            Instruction::Counter { var, plus } => self.counter_value(var, plus, piece, vector),
            Instruction::Argument(argument) => self.f.ins().ireduce(I32, self.integers[argument as usize]),
            Instruction::Unary(op, x) => {
                let x = self.operand(x, piece, vector);
                self.unary(op, x, vector)
            }
            Instruction::Binary(op @ (Binary::MaxF | Binary::MinF), x, y) => {
                self.extremum(op, x, y, piece, vector)
            }
            Instruction::Binary(
                op @ (Binary::ShiftLeft | Binary::ShiftRightLogical | Binary::ShiftRightArithmetic),
                x,
                y,
            ) if vector => self.shift(op, x, y, piece),
            Instruction::Binary(op, x, y) => {
                let (x, y) = (self.operand(x, piece, vector), self.operand(y, piece, vector));
                self.binary(op, x, y, vector)
            }
            Instruction::Fma(a, b, c) => {
                let [a, b, c] = [a, b, c].map(|operand| self.operand(operand, piece, vector));
                self.f.ins().fma(a, b, c)
            }
            Instruction::Compare(op, x, y) => {
                let (x, y) = (self.operand(x, piece, vector), self.operand(y, piece, vector));
                self.compare(op, x, y)
            }
            Instruction::Select(mask, a, b) => {
                let [mask, a, b] = [mask, a, b].map(|operand| self.operand(operand, piece, vector));
                let kind = self.program.registers[register.0 as usize].kind;
                self.choose(mask, a, b, kind, vector)
            }
            Instruction::ConstantF(_)
            | Instruction::ConstantI(_)
            | Instruction::ConstantMask(_)
            | Instruction::Load(_) => unreachable!("downhill bug: handled by the emitter; please report"),
        }
    }

    fn counter_value(&mut self, var: Var, plus: i64, piece: usize, vector: bool) -> Value {
        let index = self.counter(var);
        let scalar = match self.plus(index, plus + self.shifts[var.0 as usize]) {
            Bound::Known(index) => self.f.ins().iconst(I32, i64::from(index as u32)),
            Bound::In(index) => self.f.ins().ireduce(I32, index),
        };
        if !vector {
            return scalar;
        }
        let first = LANES as u32 * piece as u32;
        let lanes = self.vector_of(I32X4, [first, first + 1, first + 2, first + 3]);
        let splat = self.f.ins().splat(I32X4, scalar);
        self.f.ins().iadd(splat, lanes)
    }

    fn unary(&mut self, op: Unary, x: Value, vector: bool) -> Value {
        let (float, integer) = (type_of(Kind::F32, vector), type_of(Kind::I32, vector));
        match op {
            Unary::NegF => self.f.ins().fneg(x),
            Unary::AbsF => self.f.ins().fabs(x),
            Unary::SqrtF => self.f.ins().sqrt(x),
            Unary::FloorF => self.f.ins().floor(x),
            Unary::NearestF => self.f.ins().nearest(x),
            Unary::NegI => self.f.ins().ineg(x),
            Unary::NotI => self.f.ins().bnot(x),
            Unary::NotMask if vector => self.f.ins().bnot(x),
            Unary::NotMask => self.f.ins().bxor_imm_u(x, 1),
            Unary::ToI32 => self.f.ins().fcvt_to_sint_sat(integer, x),
            Unary::ToU32 => self.f.ins().fcvt_to_uint_sat(integer, x),
            Unary::FromI32 => self.f.ins().fcvt_from_sint(float, x),
            Unary::FromU32 => self.f.ins().fcvt_from_uint(float, x),
            // A true lane is −1.
            Unary::FromMask if vector => self.f.ins().ineg(x),
            Unary::FromMask => self.f.ins().uextend(I32, x),
            Unary::BitsOf => self.reinterpret(integer, x),
            Unary::FromBits => self.reinterpret(float, x),
        }
    }

    fn reinterpret(&mut self, ty: Type, x: Value) -> Value {
        self.f.ins().bitcast(ty, bits_flags(), x)
    }

    /// The values of a binary instruction other than a vector shift.
    pub(super) fn binary(&mut self, op: Binary, x: Value, y: Value, vector: bool) -> Value {
        match op {
            Binary::AddF => self.f.ins().fadd(x, y),
            Binary::SubF => self.f.ins().fsub(x, y),
            Binary::MulF => self.f.ins().fmul(x, y),
            Binary::DivF => self.f.ins().fdiv(x, y),
            Binary::MaxF | Binary::MinF => {
                let passes_left = self.pick(op, y, x, vector);
                let ordered = self.f.ins().fcmp(FloatCC::Unordered, y, y);
                self.choose(ordered, y, passes_left, Kind::F32, vector)
            }
            Binary::PickGreater => self.pick(Binary::MaxF, x, y, vector),
            Binary::AddI => self.f.ins().iadd(x, y),
            Binary::SubI => self.f.ins().isub(x, y),
            Binary::MulI => self.f.ins().imul(x, y),
            Binary::MaxI => self.f.ins().smax(x, y),
            Binary::MinI => self.f.ins().smin(x, y),
            Binary::AndI | Binary::AndMask => self.f.ins().band(x, y),
            Binary::OrI | Binary::OrMask => self.f.ins().bor(x, y),
            Binary::XorI | Binary::XorMask => self.f.ins().bxor(x, y),
            Binary::ShiftLeft => self.f.ins().ishl(x, y),
            Binary::ShiftRightLogical => self.f.ins().ushr(x, y),
            Binary::ShiftRightArithmetic => self.f.ins().sshr(x, y),
        }
    }

    /// x where x is beyond y, else y, also when either is NaN: the pattern that x86-64's `maxps` and `minps` are.
    fn pick(&mut self, op: Binary, x: Value, y: Value, vector: bool) -> Value {
        let (small, large) = if op == Binary::MaxF { (y, x) } else { (x, y) };
        let beyond = self.f.ins().fcmp(FloatCC::LessThan, small, large);
        self.choose(beyond, x, y, Kind::F32, vector)
    }

    /// `MaxF` or `MinF`: one instruction where one operand is known and no NaN, three otherwise.
    fn extremum(&mut self, op: Binary, x: Reg, y: Reg, piece: usize, vector: bool) -> Value {
        let known = |bits: Option<u32>| bits.map(f32::from_bits).filter(|value| !value.is_nan());
        let (known_x, known_y) = (known(self.constant_bits(x)), known(self.constant_bits(y)));
        let (x, y) = (self.operand(x, piece, vector), self.operand(y, piece, vector));
        if known_y.is_some() {
            // Passes a NaN in x.
            self.pick(op, y, x, vector)
        } else if known_x.is_some_and(|x| x != 0.0) {
            // Passes a NaN in y; operands that compare equal are the same bits, since x is no zero.
            self.pick(op, x, y, vector)
        } else {
            self.binary(op, x, y, vector)
        }
    }

    /// Vectors shift by one amount for all lanes; different amounts go lane by lane.
    fn shift(&mut self, op: Binary, x: Reg, y: Reg, piece: usize) -> Value {
        let x = self.operand(x, piece, true);
        if !self.varies(y) {
            let amount = self.operand(y, piece, false);
            return self.binary(op, x, amount, true);
        }
        let amounts = self.operand(y, piece, true);
        let mut result = x;
        for lane in 0..4 {
            let element = self.f.ins().extractlane(x, lane);
            let amount = self.f.ins().extractlane(amounts, lane);
            let shifted = self.binary(op, element, amount, false);
            result = self.f.ins().insertlane(result, shifted, lane);
        }
        result
    }

    fn compare(&mut self, op: Compare, x: Value, y: Value) -> Value {
        match op {
            Compare::EqF => self.f.ins().fcmp(FloatCC::Equal, x, y),
            Compare::NeF => self.f.ins().fcmp(FloatCC::NotEqual, x, y),
            Compare::LtF => self.f.ins().fcmp(FloatCC::LessThan, x, y),
            Compare::LeF => self.f.ins().fcmp(FloatCC::LessThanOrEqual, x, y),
            Compare::EqI => self.f.ins().icmp(IntCC::Equal, x, y),
            Compare::NeI => self.f.ins().icmp(IntCC::NotEqual, x, y),
            Compare::LtI => self.f.ins().icmp(IntCC::SignedLessThan, x, y),
            Compare::LeI => self.f.ins().icmp(IntCC::SignedLessThanOrEqual, x, y),
            Compare::LtU => self.f.ins().icmp(IntCC::UnsignedLessThan, x, y),
            Compare::LeU => self.f.ins().icmp(IntCC::UnsignedLessThanOrEqual, x, y),
        }
    }

    fn choose(&mut self, mask: Value, a: Value, b: Value, kind: Kind, vector: bool) -> Value {
        if !vector {
            return self.f.ins().select(mask, a, b);
        }
        let mask = if kind == Kind::F32 { self.reinterpret(F32X4, mask) } else { mask };
        self.f.ins().bitselect(mask, a, b)
    }

    /// `op` over the 32 partials in eight vectors: p[i] ⊕ p[i+16], then +8, +4, +2, +1.
    pub(super) fn tree(&mut self, op: Binary, mut partials: Vec<Value>) -> Value {
        while partials.len() > 1 {
            let upper = partials.split_off(partials.len() / 2);
            let pairs = partials.iter().zip(upper);
            partials = pairs.map(|(&lower, upper)| self.binary(op, lower, upper, true)).collect();
        }
        let [p0, p1, p2, p3] = [0, 1, 2, 3].map(|lane| self.f.ins().extractlane(partials[0], lane));
        let even = self.binary(op, p0, p2, false);
        let odd = self.binary(op, p1, p3, false);
        debug_assert!(matches!(self.f.func.dfg.value_type(even), F32 | I32));
        self.binary(op, even, odd, false)
    }
}
