//! Instructions. In: an [`Instruction`] and the pieces to do. Out: virtual code that sets its values, to the same bits as
//! the interpreter.
//!
//! Must hold: a register that is to be set may be an accumulator that the operands still read, so it is set by the last
//! instruction alone.

use std::ops::Range;

use super::code::{Class, Inst, Memory, Op, Source, V};
use super::mask::predicate;
use super::state::{Bound, Select};
use crate::lane::{Binary, Instruction, Kind, Reg, Unary, Var};
use crate::target::Extension;

/// 2³¹ and 2³² as f32.
const TWO_31: u32 = 0x4f00_0000;
const TWO_32: u32 = 0x4f80_0000;
/// 2¹⁶ as f32.
const TWO_16: u32 = 0x4780_0000;
const SIGN: u32 = 0x8000_0000;

impl Select<'_> {
    /// Emits one instruction for the given pieces; a uniform one with the first piece.
    pub(super) fn instruction(&mut self, register: Reg, instruction: &Instruction, pieces: &Range<usize>) {
        let varying = self.varies(register);
        if !varying && pieces.start > 0 {
            return;
        }
        for piece in if varying { pieces.clone() } else { 0..1 } {
            let to = self.target(register, piece);
            self.compute(to, register, instruction, piece);
            self.set(register, piece, to);
        }
    }

    fn compute(&mut self, to: V, register: Reg, instruction: &Instruction, piece: usize) {
        match *instruction {
            Instruction::Counter { var, plus } => self.counter_value(to, register, var, plus, piece),
            Instruction::Argument(argument) => {
                let argument = self.integers[argument as usize];
                self.broadcast_general(to, argument);
            }
            Instruction::Unary(op, x) => self.unary(to, op, x, piece),
            Instruction::Binary(op, x, y) => self.binary(to, op, x, y, piece),
            Instruction::Fma(a, b, c) => {
                let operands = [a, b, c].map(|operand| self.operand(operand, piece));
                self.fma(to, operands);
            }
            Instruction::Compare(op, x, y) => {
                let (x, y) = (self.operand(x, piece), self.operand(y, piece));
                self.compare(to, op, x, y);
            }
            Instruction::Select(mask, a, b) => {
                let mask = self.value(mask, piece);
                if self.kind(register) == Kind::Mask {
                    let (a, b) = (self.value(a, piece), self.value(b, piece));
                    return self.choose_mask(to, mask, a, b);
                }
                let (a, b) = (self.operand(a, piece), self.operand(b, piece));
                self.blend(to, mask, a, b);
            }
            Instruction::ConstantF(_)
            | Instruction::ConstantI(_)
            | Instruction::ConstantMask(_)
            | Instruction::Load(_) => unreachable!("downhill bug: handled by the caller; please report"),
        }
    }

    /// `to = a·b + c`; one operand may stay in memory, best one that is multiplied.
    fn fma(&mut self, to: V, [a, b, c]: [Source; 3]) {
        let in_memory = |source: Source| matches!(source, Source::Memory(_));
        let stays = [a, b, c].iter().position(|&source| in_memory(source));
        let mut place = 0;
        let operands = [a, b, c].map(|source| {
            place += 1;
            if Some(place - 1) == stays { source } else { Source::Register(self.in_register(source)) }
        });
        self.code.push(Inst::new(Op::Fma, Some(to), &operands));
    }

    fn counter_value(&mut self, to: V, register: Reg, var: Var, plus: i64, piece: usize) {
        let counter = self.counter(var);
        let first = (piece * self.level.lanes()) as u32;

        match (self.plus(counter, plus), self.varies(register)) {
            (Bound::Known(index), true) => {
                let numbers = self.numbers((index as u32).wrapping_add(first));
                self.code.push(Inst::new(Op::Load, Some(to), &[Source::Memory(numbers)]));
            }
            (Bound::Known(index), false) => {
                let value = self.constant(index as u32);
                self.copy(to, value);
            }
            (Bound::In(index), false) => self.broadcast_general(to, index),
            (Bound::In(index), true) => {
                let start = self.vector();
                self.broadcast_general(start, index);
                let numbers = self.numbers(first);
                self.code.push(Inst::new(
                    Op::AddI,
                    Some(to),
                    &[Source::Register(start), Source::Memory(numbers)],
                ));
            }
        }
    }

    /// `to = source`.
    pub(super) fn copy(&mut self, to: V, source: Source) {
        let inst = match source {
            Source::Memory(memory) => {
                let op = if memory.broadcast { Op::Broadcast } else { Op::Load };
                let memory = Memory { broadcast: false, ..memory };
                Inst::new(op, Some(to), &[Source::Memory(memory)])
            }
            register => {
                let op = if self.code.class(to) == Class::Mask { Op::MaskMove } else { Op::Move };
                Inst::new(op, Some(to), &[register])
            }
        };
        self.code.push(inst);
    }

    fn broadcast_general(&mut self, to: V, from: V) {
        if self.level == Extension::Avx512 {
            return self.code.push(Inst::new(Op::BroadcastGeneral, Some(to), &[Source::Register(from)]));
        }
        let first = self.emit(Op::FromGeneral, &[Source::Register(from)]);
        self.code.push(Inst::new(Op::Broadcast, Some(to), &[Source::Register(first)]));
    }

    /// `to = op x`, of one instruction.
    fn one(&mut self, to: V, op: Op, x: Source, immediate: i64) {
        let folds = |broadcast| op.takes_memory(0, broadcast, self.level);
        let x = match x {
            Source::Memory(memory) if !folds(memory.broadcast) => Source::Register(self.in_register(x)),
            x => x,
        };
        self.code.push(Inst::new(op, Some(to), &[x]).immediate(immediate));
    }

    /// `to = x op y`, of one instruction.
    fn two(&mut self, to: V, op: Op, x: Source, y: Source) {
        let commutes = matches!(
            op,
            Op::AddF | Op::MulF | Op::AddI | Op::MulI | Op::MaxI | Op::MinI | Op::And | Op::Or | Op::Xor
        );
        let (mut x, mut y) = (x, y);
        if commutes && matches!(x, Source::Memory(_)) {
            (x, y) = (y, x);
        }
        let x = Source::Register(self.in_register(x));
        let y = match y {
            Source::Memory(memory) if !op.takes_memory(1, memory.broadcast, self.level) => {
                Source::Register(self.in_register(y))
            }
            y => y,
        };
        self.code.push(Inst::new(op, Some(to), &[x, y]));
    }

    /// A new register set by [`Select::two`].
    fn of_two(&mut self, op: Op, x: Source, y: Source) -> Source {
        let to = self.vector();
        self.two(to, op, x, y);
        Source::Register(to)
    }

    fn unary(&mut self, to: V, op: Unary, x: Reg, piece: usize) {
        if op.operand() == Kind::Mask {
            let mask = self.value(x, piece);
            return if op == Unary::NotMask {
                self.not_mask(to, mask)
            } else {
                self.number_of_mask(to, mask)
            };
        }
        let x = self.operand(x, piece);
        let with = |select: &mut Self, op, bits| {
            let constant = select.constant(bits);
            select.two(to, op, x, constant);
        };
        match op {
            Unary::NegF => with(self, Op::Xor, SIGN),
            Unary::AbsF => with(self, Op::And, !SIGN),
            Unary::NotI => with(self, Op::Xor, u32::MAX),
            Unary::SqrtF => self.one(to, Op::Sqrt, x, 0),
            // Without a word about inexact results.
            Unary::FloorF => self.one(to, Op::Round, x, 9),
            Unary::NearestF => self.one(to, Op::Round, x, 8),
            Unary::NegI => {
                let zero = self.constant(0);
                self.two(to, Op::SubI, zero, x);
            }
            Unary::ToI32 => self.signed_of(to, x),
            Unary::ToU32 => self.unsigned_of(to, x),
            Unary::FromI32 => self.one(to, Op::FromI32, x, 0),
            Unary::FromU32 => self.float_of_unsigned(to, x),
            Unary::BitsOf | Unary::FromBits => self.copy(to, x),
            Unary::NotMask | Unary::FromMask => {
                unreachable!("downhill bug: a mask is expected; please report")
            }
        }
    }

    /// The machine gives −2³¹ for all that does not fit.
    fn signed_of(&mut self, to: V, x: Source) {
        let x = Source::Register(self.in_register(x));
        let ordered = self.compare_floats(predicate::ORDERED, x, x);
        let limit = self.constant(TWO_31);
        let limit = Source::Register(self.in_register(limit));
        let large = self.compare_floats(predicate::AT_LEAST, x, limit);
        let number = self.vector();
        let convert = Inst::new(Op::ToI32, Some(number), &[x]);
        if self.level == Extension::Avx512 {
            self.code.push(convert.masked(Some(ordered), false));
        } else {
            let raw = self.vector();
            self.code.push(Inst { to: Some(raw), ..convert });
            self.two(number, Op::And, Source::Register(raw), Source::Register(ordered));
        }
        let greatest = self.constant(i32::MAX as u32);
        self.blend(to, large, greatest, Source::Register(number));
    }

    /// The machine gives 2³² − 1 for all that does not fit, with AVX-512; AVX2 knows signed numbers alone.
    fn unsigned_of(&mut self, to: V, x: Source) {
        let zero = self.constant(0);
        let zero = Source::Register(self.in_register(zero));
        // Zero for NaN too.
        let x = self.of_two(Op::MaxF, x, zero);
        if self.level == Extension::Avx512 {
            return self.one(to, Op::ToU32, x, 0);
        }
        let [half, whole] = [TWO_31, TWO_32].map(|bits| {
            let constant = self.constant(bits);
            Source::Register(self.in_register(constant))
        });
        let upper = Source::Register(self.compare_floats(predicate::AT_LEAST, x, half));
        let huge = Source::Register(self.compare_floats(predicate::AT_LEAST, x, whole));
        let taken = self.of_two(Op::And, half, upper);
        let rest = self.of_two(Op::SubF, x, taken);
        let number = self.vector();
        self.one(number, Op::ToI32, rest, 0);
        let sign = self.constant(SIGN);
        let top = self.of_two(Op::And, upper, sign);
        let number = self.of_two(Op::Xor, Source::Register(number), top);
        self.two(to, Op::Or, number, huge);
    }

    /// With AVX2 in two halves, whose sum is rounded once.
    fn float_of_unsigned(&mut self, to: V, x: Source) {
        if self.level == Extension::Avx512 {
            return self.one(to, Op::FromU32, x, 0);
        }
        let x = Source::Register(self.in_register(x));
        let low_bits = self.constant(0xffff);
        let low = self.of_two(Op::And, x, low_bits);
        let high = self.vector();
        self.one(high, Op::ShiftRightBy, x, 16);
        let [low, high] = [low, Source::Register(high)].map(|half| {
            let float = self.vector();
            self.one(float, Op::FromI32, half, 0);
            Source::Register(float)
        });
        let scale = self.constant(TWO_16);
        self.fma(to, [high, scale, low]);
    }

    fn binary(&mut self, to: V, op: Binary, x: Reg, y: Reg, piece: usize) {
        if op.kind() == Kind::Mask {
            let [x, y] = [x, y].map(|operand| Source::Register(self.value(operand, piece)));
            let op = self.mask_op(plain(op));
            return self.code.push(Inst::new(op, Some(to), &[x, y]));
        }
        match op {
            Binary::MaxF | Binary::MinF => self.extremum(to, op, x, y, piece),
            Binary::ShiftLeft | Binary::ShiftRightLogical | Binary::ShiftRightArithmetic => {
                self.shift(to, op, x, y, piece)
            }
            _ => {
                let (x, y) = (self.operand(x, piece), self.operand(y, piece));
                self.two(to, plain(op), x, y);
            }
        }
    }

    /// `MaxF` or `MinF`. The machine's `maxps a, b` is `a > b ? a : b`: b where either is NaN, or both are zero.
    fn extremum(&mut self, to: V, op: Binary, x: Reg, y: Reg, piece: usize) {
        let number = |register: Reg| {
            let bits = self.facts.constants[register.0 as usize];
            bits.map(f32::from_bits).filter(|value| !value.is_nan())
        };
        let (known_x, known_y) = (number(x), number(y));
        let (x, y) = (self.operand(x, piece), self.operand(y, piece));
        if known_y.is_some() {
            // Passes a NaN in x.
            self.two(to, plain(op), y, x);
        } else if known_x.is_some_and(|x| x != 0.0) {
            // Passes a NaN in y; operands that compare equal are the same bits, since x is no zero.
            self.two(to, plain(op), x, y);
        } else {
            self.passing_nan(to, op, x, y);
        }
    }

    /// `MaxF` or `MinF` of any two values.
    pub(super) fn passing_nan(&mut self, to: V, op: Binary, x: Source, y: Source) {
        let y = Source::Register(self.in_register(y));
        let ordered = self.of_two(plain(op), y, x);
        let nan = self.compare_floats(predicate::UNORDERED, y, y);
        self.blend(to, nan, y, ordered);
    }

    fn shift(&mut self, to: V, op: Binary, x: Reg, y: Reg, piece: usize) {
        let by_number = match op {
            Binary::ShiftLeft => Op::ShiftLeftBy,
            Binary::ShiftRightLogical => Op::ShiftRightBy,
            _ => Op::ShiftRightSignedBy,
        };
        let value = self.operand(x, piece);
        if let Some(bits) = self.facts.constants[y.0 as usize] {
            return self.one(to, by_number, value, i64::from(bits & 31));
        }
        let amount = self.operand(y, piece);
        let limit = self.constant(31);
        let amount = self.of_two(Op::And, amount, limit);
        self.two(to, plain(op), value, amount);
    }

    /// `to = x op y` where both are partials of a reduction.
    pub(super) fn combine_two(&mut self, to: V, op: Binary, x: V, y: V) {
        let (x, y) = (Source::Register(x), Source::Register(y));
        match op {
            Binary::MaxF | Binary::MinF => self.passing_nan(to, op, x, y),
            op => self.two(to, plain(op), x, y),
        }
    }
}

/// The machine's instruction of that name.
fn plain(op: Binary) -> Op {
    match op {
        Binary::AddF => Op::AddF,
        Binary::SubF => Op::SubF,
        Binary::MulF => Op::MulF,
        Binary::DivF => Op::DivF,
        Binary::MaxF | Binary::PickGreater => Op::MaxF,
        Binary::MinF => Op::MinF,
        Binary::AddI => Op::AddI,
        Binary::SubI => Op::SubI,
        Binary::MulI => Op::MulI,
        Binary::MaxI => Op::MaxI,
        Binary::MinI => Op::MinI,
        Binary::AndI | Binary::AndMask => Op::And,
        Binary::OrI | Binary::OrMask => Op::Or,
        Binary::XorI | Binary::XorMask => Op::Xor,
        Binary::ShiftLeft => Op::ShiftLeft,
        Binary::ShiftRightLogical => Op::ShiftRight,
        Binary::ShiftRightArithmetic => Op::ShiftRightSigned,
    }
}
