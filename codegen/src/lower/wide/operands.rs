//! Operands as iced wants them. In: an operation. Out: which part of its register each operand is; the instruction of a list of
//! operands.

use iced_x86::{Code as X, IcedError, Instruction, MemoryOperand, Register};

use super::code::Op;

/// How many bits of a vector register an operand is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum View {
    Whole,
    Half,
    /// 128 bits.
    Block,
    /// The low 32 bits of a general register.
    Low,
}

/// The lower 32 bits of a general register.
pub(super) fn low(register: Register) -> Register {
    Register::EAX + (register as u32 - Register::RAX as u32)
}

/// Which part of its register each operand is: `to`, then the others.
pub(super) fn views(op: Op) -> (View, [View; 3]) {
    use View::*;
    match op {
        // The lower part suffices: the rest becomes zero with it.
        Op::Zero => (Block, [Block; 3]),
        Op::Broadcast => (Whole, [Block; 3]),
        Op::LoadOne | Op::LoadTwo | Op::LoadFour => (Block, [Block; 3]),
        Op::StoreOne | Op::StoreTwo | Op::StoreFour => (Block, [Block; 3]),
        Op::LoadEight | Op::StoreEight => (Half, [Half; 3]),
        Op::BroadcastGeneral | Op::MaskFrom => (Whole, [Low; 3]),
        Op::FromGeneral => (Block, [Low; 3]),
        Op::ToGeneral => (Low, [Block; 3]),
        Op::LoadHalf | Op::StoreHalf | Op::LowBits => (Low, [Low; 3]),
        Op::Gather => (Half, [Half; 3]),
        Op::Scatter => (Half, [Half; 3]),
        Op::UpperHalf => (Half, [Whole; 3]),
        Op::JoinHalves => (Whole, [Whole, Half, Whole]),
        Op::Extend => (Whole, [Half; 3]),
        _ => (Whole, [Whole; 3]),
    }
}

/// Operands of an instruction in its order.
#[derive(Default)]
pub(super) struct Operands {
    pub(super) registers: Vec<Register>,
    /// With the number of registers before it.
    pub(super) memory: Option<(usize, MemoryOperand)>,
}

impl Operands {
    pub(super) fn count(&self) -> usize {
        self.registers.len()
    }

    pub(super) fn register(&mut self, register: Register) {
        self.registers.push(register);
    }

    pub(super) fn make(&self, code: X, immediate: Option<i64>) -> Result<Instruction, IcedError> {
        let r = &self.registers;
        let i = immediate.map(|immediate| immediate as i32);
        match (r.len(), self.memory, i) {
            (1, None, Some(i)) => Instruction::with2(code, r[0], i),
            (2, None, None) => Instruction::with2(code, r[0], r[1]),
            (2, None, Some(i)) => Instruction::with3(code, r[0], r[1], i),
            (3, None, None) => Instruction::with3(code, r[0], r[1], r[2]),
            (3, None, Some(i)) => Instruction::with4(code, r[0], r[1], r[2], i),
            (4, None, None) => Instruction::with4(code, r[0], r[1], r[2], r[3]),
            (0, Some((0, m)), None) => Instruction::with1(code, m),
            (0, Some((0, m)), Some(i)) => Instruction::with2(code, m, i),
            (1, Some((0, m)), None) => Instruction::with2(code, m, r[0]),
            (1, Some((_, m)), None) => Instruction::with2(code, r[0], m),
            (1, Some((_, m)), Some(i)) => Instruction::with3(code, r[0], m, i),
            (2, Some((0, m)), None) => Instruction::with3(code, m, r[0], r[1]),
            (2, Some((1, m)), None) => Instruction::with3(code, r[0], m, r[1]),
            (2, Some((_, m)), None) => Instruction::with3(code, r[0], r[1], m),
            (2, Some((_, m)), Some(i)) => Instruction::with4(code, r[0], r[1], m, i),
            (3, Some((_, m)), None) => Instruction::with4(code, r[0], r[1], m, r[2]),
            _ => unreachable!("downhill bug: no instruction has such operands; please report"),
        }
    }
}
