//! Watched values. In: values that should be finite. Out: code that tells, behind the program, whether one was not.
//!
//! x − x is 0 of what is finite and NaN of everything else, and the bits of zeros and of a NaN together are those of a NaN. So each
//! straight run collects the bits of its differences in a register of its own, which is there for that run alone; a register of the whole
//! function collects those of all runs. Neither takes the units that multiply, which are the busy ones.
//!
//! # Decisions
//!
//! - A value is watched as x − x, its bits collected: one subtraction and one `or` a vector, off the units that multiply; x·0
//!   added up was 3 % slower where weights stream from the second cache.

use std::ops::Range;

use super::code::{Base, Inst, Memory, Op, Source, V};
use super::mask::predicate;
use super::state::{Bound, Select, Watching};
use crate::lane::Reg;

impl Select<'_> {
    pub(super) fn begin_watching(&mut self) {
        if self.program.alarm.is_some() {
            let all = self.emit(Op::Zero, &[]);
            self.watching = Some(Watching { all, run: None });
        }
    }

    /// Adds `register` to what the run has watched.
    pub(super) fn watch(&mut self, register: Reg, pieces: &Range<usize>) {
        let varying = self.varies(register);
        if !varying && pieces.start > 0 {
            return;
        }
        for piece in if varying { pieces.clone() } else { 0..1 } {
            let mask = self.strip.masks[piece].filter(|_| varying);
            let value = self.operand(register, piece);
            let value = match mask {
                None => self.in_register(value),
                // Lanes beyond the loop's end hold anything.
                Some(mask) => self.kept_lanes(value, mask),
            };
            let difference = self.emit(Op::SubF, &[Source::Register(value); 2]);
            self.collect(difference);
        }
    }

    /// The first difference of a run begins its collection.
    fn collect(&mut self, difference: V) {
        let Some(watching) = &mut self.watching else { return };
        let Some(run) = watching.run else {
            watching.run = Some(difference);
            return;
        };
        let both = [run, difference].map(Source::Register);
        self.code.push(Inst::new(Op::Or, Some(run), &both));
    }

    /// Behind a straight run.
    pub(super) fn end_run(&mut self) {
        let Some(Watching { all, run }) = &mut self.watching else { return };
        if let Some(run) = run.take() {
            let both = [*all, run].map(Source::Register);
            let inst = Inst::new(Op::Or, Some(*all), &both);
            self.code.push(inst);
        }
    }

    /// Behind the program: writes 1 to the alarm if a value was not finite.
    pub(super) fn raise_alarm(&mut self) {
        let (Some(Watching { all, .. }), Some(alarm)) = (&self.watching, self.program.alarm) else { return };
        let all = Source::Register(*all);
        let broken = self.compare_floats(predicate::UNORDERED, all, all);
        let quiet = self.code.label();
        self.code.push(Inst::new(Op::AnyLane, None, &[Source::Register(broken); 2]));
        self.code.push(Inst::new(Op::JumpIfNone, None, &[]).immediate(i64::from(quiet.0)));
        let one = Source::Register(self.materialize(Bound::Known(1)));
        let place = Source::Memory(Memory::at(Base::Register(self.pointers[alarm as usize])));
        self.code.push(Inst::new(Op::StoreHalf, None, &[place, one]));
        self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(quiet.0)));
    }
}
