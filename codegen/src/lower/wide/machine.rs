//! Registers of the machine, and code over them. In: a class and a number. Out: a register's name, as people and iced call it;
//! [`Allocated`], what the allocator makes of virtual code.
//!
//! Must hold: functions keep the System V convention. k0 is no register that masks are kept in: as an operand it means no mask.

use iced_x86::Register;

use super::code::{Class, Inst};
use crate::target::Extension;

/// General registers in the order in which they are given out: those that need not be saved first. rsp is the frame's.
pub(super) const GENERAL: [Register; 15] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
/// The first of [`GENERAL`] that a function must give back as it was.
const SAVED_FROM: u8 = 9;
/// Arguments in registers, as positions in [`GENERAL`].
pub(super) const ARGUMENTS: [u8; 6] = [4, 3, 2, 1, 5, 6];

/// A register of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Physical {
    pub(super) class: Class,
    /// General ones by their position in [`GENERAL`], the others by the machine's own number.
    pub(super) number: u8,
}

impl Physical {
    /// Whether values may be kept in it.
    pub(super) fn is_usable(self, level: Extension) -> bool {
        let number = usize::from(self.number);
        match self.class {
            Class::General => number < GENERAL.len(),
            Class::Vector => number < level.registers(),
            Class::Mask => level == Extension::Avx512 && (1..8).contains(&number),
        }
    }

    /// Whether the caller finds in it what it held before the call.
    pub(super) fn is_callee_saved(self) -> bool {
        self.class == Class::General && self.number >= SAVED_FROM
    }

    /// The whole register, as iced calls it.
    pub(super) fn register(self, level: Extension) -> Register {
        let number = u32::from(self.number);
        match (self.class, level) {
            (Class::General, _) => GENERAL[usize::from(self.number)],
            (Class::Mask, _) => Register::K0 + number,
            (Class::Vector, Extension::Avx512) => Register::ZMM0 + number,
            (Class::Vector, Extension::Avx2) => Register::YMM0 + number,
        }
    }
}

/// Virtual code with a register of the machine for each virtual one, and with what the allocator has put between its instructions.
pub(super) struct Allocated {
    pub(super) instructions: Vec<Placed>,
    /// Callee-saved registers that are used: pushed at the head, popped at the end.
    pub(super) saved: Vec<Physical>,
    /// Bytes of the frame: what selection asked for, then spill slots.
    pub(super) frame: u32,
}

/// An instruction of allocated code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) inst: Inst<Physical>,
    /// The instruction of the virtual code that it is; none: a spill or a reload.
    pub(super) origin: Option<u32>,
}
