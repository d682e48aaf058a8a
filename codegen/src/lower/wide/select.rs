//! Selection. In: a program. Out: virtual code of it.
//!
//! The one place that calls all of the others: items in order, straight runs between loops by the strip's order, loops for
//! all pieces at once. What loops and lane loops contain comes back here.

use std::ops::Range;

use super::code::{Base, Code, Inst, Memory, Op, Source};
use super::machine::ARGUMENTS;
use super::state::{Held, Select};
use crate::lane::{Instruction, LaneItem, LaneProgram, runs};
use crate::target::Extension;

/// Virtual code of `program`.
pub(super) fn select(program: &LaneProgram, level: Extension) -> Code {
    let mut select = Select::new(program, level);
    select.arguments();
    select.begin_watching();
    select.items(&program.body);
    select.raise_alarm();
    select.code.drop_unread();
    select.code
}

impl<'p> Select<'p> {
    fn arguments(&mut self) {
        let arguments = self.program.pointers + self.program.integers;
        for number in 0..arguments {
            let v = self.general();
            if number < ARGUMENTS.len() as u32 {
                self.code.push(Inst::new(Op::Entry, Some(v), &[]).immediate(i64::from(number)));
            } else {
                let home = Memory::at(Base::Argument(number));
                self.code.homes.insert(v, home);
                self.code.push(Inst::new(Op::LoadGeneral, Some(v), &[Source::Memory(home)]));
            }
            let list = if number < self.program.pointers { &mut self.pointers } else { &mut self.integers };
            list.push(v);
        }
    }

    /// Items in order: straight runs between loops by the strip's order, loops for all pieces at once.
    pub(super) fn items(&mut self, items: &'p [LaneItem]) {
        let mut behind = items;
        for run in runs(items) {
            behind = &behind[run.len()..];
            match run {
                [LaneItem::Loop(item)] if item.lanes => self.lane_loop(item),
                [LaneItem::Loop(item)] => {
                    self.fetch_ahead(item, behind);
                    self.counted_loop(item);
                }
                _ if self.strip.piece_by_piece => {
                    for piece in 0..self.strip.pieces {
                        self.run(run, piece..piece + 1);
                    }
                }
                _ => self.run(run, 0..self.strip.pieces),
            }
        }
    }

    fn run(&mut self, items: &'p [LaneItem], pieces: Range<usize>) {
        for item in items {
            match item {
                LaneItem::Let(_, instruction) if instruction.is_constant() => {}
                // What it is found by may be replaced before a reader comes.
                LaneItem::Let(register, Instruction::Load(address)) if address.by.is_some() => {
                    let own = if self.varies(*register) { pieces.clone() } else { 0..1 };
                    if self.varies(*register) || pieces.start == 0 {
                        own.for_each(|piece| _ = self.load(*register, address, piece));
                    }
                }
                LaneItem::Let(register, Instruction::Load(address)) => {
                    let own = if self.varies(*register) { pieces.clone() } else { 0..1 };
                    if self.varies(*register) || pieces.start == 0 {
                        own.for_each(|piece| self.values[register.0 as usize][piece] = Held::Nothing);
                        self.deferred.push((*register, address));
                    }
                }
                LaneItem::Let(register, instruction) => self.instruction(*register, instruction, &pieces),
                LaneItem::Store { address, value } => {
                    self.flush(&pieces);
                    self.store(address, *value, &pieces);
                }
                LaneItem::Watch(value) => self.watch(*value, &pieces),
                LaneItem::Loop(_) => unreachable!("downhill bug: a loop in a straight run; please report"),
            }
        }
        self.flush(&pieces);
        self.end_run();
    }

    /// Makes the loads that still wait and have a reader.
    fn flush(&mut self, pieces: &Range<usize>) {
        // A tile is made of loads that wait together: the list stays until all are made.
        for waiting in 0..self.deferred.len() {
            let (register, address) = self.deferred[waiting];
            if self.facts.count[register.0 as usize] == 0 {
                continue;
            }
            let own = if self.varies(register) { pieces.clone() } else { 0..1 };
            for piece in own {
                if self.values[register.0 as usize][piece] == Held::Nothing {
                    self.load(register, address, piece);
                }
            }
        }
        self.deferred.clear();
    }
}
