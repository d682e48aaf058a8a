//! The readers of a program's registers, which every lowering needs first. In: a program. Out: [`Uses`].

use crate::lane::{Instruction, LaneItem, LaneProgram, Var};

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
                LaneItem::Store { address, value } => {
                    let read = address.by.into_iter().chain([*value]);
                    read.for_each(|register| self.count[register.0 as usize] += 1);
                }
                LaneItem::Watch(value) => self.count[value.0 as usize] += 1,
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

/// For each register the innermost loop in whose body it is set; none for what is set outside of loops.
pub(super) fn homes(program: &LaneProgram) -> Vec<Option<Var>> {
    let mut homes = vec![None; program.registers.len()];
    note_homes(&program.body, None, &mut homes);
    homes
}

fn note_homes(items: &[LaneItem], around: Option<Var>, homes: &mut [Option<Var>]) {
    for item in items {
        match item {
            LaneItem::Let(register, _) => homes[register.0 as usize] = around,
            LaneItem::Store { .. } | LaneItem::Watch(_) => {}
            LaneItem::Loop(inner) => {
                for carried in &inner.carried {
                    homes[carried.inside.0 as usize] = Some(inner.var);
                    homes[carried.after.0 as usize] = around;
                }
                note_homes(&inner.body, Some(inner.var), homes);
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
