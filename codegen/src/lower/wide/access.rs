//! Loads, stores and operands. In: a register of the program, and which piece of it. Out: its value, in a register or as an operand in
//! memory.
//!
//! A load waits until its value is read, and becomes an operand of its only reader where it can.

use super::code::{Inst, Memory, Op, Source, V};
use super::state::{Held, Select};
use crate::lane::{Address, Kind, Reg};
use crate::target::Extension;

impl Select<'_> {
    pub(super) fn load(&mut self, register: Reg, address: &Address, piece: usize) -> V {
        if self.varies(register)
            && !self.is_contiguous(address)
            && let Some(loaded) = self.load_tile(register, address, piece)
        {
            return loaded;
        }
        let to = self.target(register, piece);
        if self.varies(register) {
            self.load_varying(to, address, piece);
        } else {
            let memory = self.place(address, 0);
            self.code.push(Inst::new(Op::Broadcast, Some(to), &[Source::Memory(memory)]));
        }
        self.set(register, piece, to);
        to
    }

    /// The value of a register as an operand: in memory where its load or constant can be that.
    pub(super) fn operand(&mut self, register: Reg, piece: usize) -> Source {
        if let Some(bits) = self.facts.constants[register.0 as usize] {
            return match self.kind(register) {
                Kind::Mask => Source::Register(self.constant_mask(bits != 0)),
                _ => self.constant(bits),
            };
        }

        let piece = if self.varies(register) { piece } else { 0 };
        if let Held::In(value) = self.values[register.0 as usize][piece] {
            return Source::Register(value);
        }

        // It is a load that waits for its readers; this may be the only one.
        let waiting = self.deferred.iter().find(|(waiting, _)| *waiting == register);
        let Some(&(_, address)) = waiting else {
            panic!("downhill bug: register {} has no value yet; please report", register.0)
        };
        if !self.becomes_operand(register, address, piece) {
            return Source::Register(self.load(register, address, piece));
        }

        self.values[register.0 as usize][piece] = Held::Consumed;
        if self.varies(register) {
            Source::Memory(self.place_of_piece(address, piece))
        } else {
            Source::Memory(Memory { broadcast: true, ..self.place(address, 0) })
        }
    }

    fn becomes_operand(&self, register: Reg, address: &Address, piece: usize) -> bool {
        if self.facts.count[register.0 as usize] != 1 {
            return false;
        }
        if self.varies(register) {
            self.is_contiguous(address) && self.strip.masks[piece].is_none()
        } else {
            self.level == Extension::Avx512 && self.strip.pieces == 1
        }
    }

    /// The value of a register in a register.
    pub(super) fn value(&mut self, register: Reg, piece: usize) -> V {
        let source = self.operand(register, piece);
        self.in_register(source)
    }

    pub(super) fn load_varying(&mut self, to: V, address: &Address, piece: usize) {
        if !self.is_contiguous(address) {
            return self.gather(to, address, piece);
        }
        let memory = self.place_of_piece(address, piece);
        self.load_lanes(to, memory, piece);
    }

    pub(super) fn store(&mut self, address: &Address, value: Reg, pieces: &std::ops::Range<usize>) {
        for piece in pieces.clone() {
            let value = self.value(value, piece);
            if self.lane_var.is_none() {
                let memory = self.place(address, 0);
                self.code.push(Inst::new(
                    Op::StoreOne,
                    None,
                    &[Source::Memory(memory), Source::Register(value)],
                ));
            } else if self.is_contiguous(address) {
                let memory = self.place_of_piece(address, piece);
                self.store_lanes(memory, value, piece);
            } else {
                self.scatter(value, address, piece);
            }
        }
    }
}
