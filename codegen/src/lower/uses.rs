//! The readers of a program's registers, which every lowering needs first. In: a program. Out: [`Uses`].

use crate::lane::{Instruction, LaneItem, LaneProgram};

/// What is known about every register of a program.
pub(super) struct Uses {
    /// How often it is read.
    pub(super) count: Vec<u32>,
    /// The bits of each constant; masks are all ones or zero.
    pub(super) constants: Vec<Option<u32>>,
}

impl Uses {
    pub(super) fn of(program: &LaneProgram) -> Uses {
        let registers = program.registers.len();
        let mut uses = Uses { count: vec![0; registers], constants: vec![None; registers] };
        uses.items(&program.body);
        uses
    }

    fn items(&mut self, items: &[LaneItem]) {
        for item in items {
            match item {
                LaneItem::Let(register, instruction) => {
                    self.constants[register.0 as usize] = bits(instruction);
                    instruction.operands().iter().for_each(|operand| self.count[operand.0 as usize] += 1);
                }
                LaneItem::Store { value, .. } | LaneItem::Watch(value) => self.count[value.0 as usize] += 1,
                LaneItem::Loop(item) => {
                    item.portion.mask().into_iter().for_each(|mask| self.count[mask.0 as usize] += 1);
                    for carried in &item.carried {
                        self.count[carried.initial.0 as usize] += 1;
                        self.count[carried.next.0 as usize] += 1;
                    }
                    self.items(&item.body);
                }
            }
        }
    }
}

fn bits(instruction: &Instruction) -> Option<u32> {
    match *instruction {
        Instruction::ConstantF(bits) => Some(bits),
        Instruction::ConstantI(value) => Some(value as u32),
        Instruction::ConstantMask(value) => Some(if value { u32::MAX } else { 0 }),
        _ => None,
    }
}
