//! Watched values. In: values that should be finite. Out: code that tells, behind the program, whether one was not.
//!
//! x·0 is 0 of what is finite and NaN of everything else, and a sum with a NaN stays NaN. So each straight run adds its values,
//! times 0, in a register of its own, which is there for that run alone; a register of the whole function collects the bits of these
//! sums: those of zeros and of a NaN together are still those of a NaN. What it costs is a multiply-add a vector.

use std::ops::Range;

use super::code::{Inst, Memory, Op, Source, V};
use super::mask::predicate;
use super::select::{Bound, Select};
use crate::lane::Reg;

/// Of a program that watches values.
pub(super) struct Watching {
    /// NaN in some lane once a value was not finite.
    all: V,
    /// Of the straight run that is being made, if it has watched a value.
    run: Option<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    sum: V,
    zero: V,
}

impl Select<'_> {
    pub(super) fn begin_watching(&mut self) {
        if self.program.alarm.is_some() {
            let all = self.emit(Op::Zero, &[]);
            self.watching = Some(Watching { all, run: None });
        }
    }

    /// Adds what `register` is, times 0, to the sum of the run.
    pub(super) fn watch(&mut self, register: Reg, pieces: &Range<usize>) {
        let varying = self.varies(register);
        if !varying && pieces.start > 0 {
            return;
        }
        for piece in if varying { pieces.clone() } else { 0..1 } {
            let Run { sum, zero } = self.watched_run();
            let mask = self.strip.masks[piece].filter(|_| varying);
            let value = self.operand(register, piece);
            let value = match mask {
                None => value,
                // Lanes beyond the loop's end hold anything.
                Some(mask) => Source::Register(self.kept_lanes(value, mask)),
            };
            let [zero, so_far] = [zero, sum].map(Source::Register);
            self.code.push(Inst::new(Op::Fma, Some(sum), &[value, zero, so_far]));
        }
    }

    fn watched_run(&mut self) -> Run {
        if let Some(Watching { run: Some(run), .. }) = self.watching {
            return run;
        }
        let [sum, zero] = [(); 2].map(|()| self.emit(Op::Zero, &[]));
        let run = Run { sum, zero };
        if let Some(watching) = &mut self.watching {
            watching.run = Some(run);
        }
        run
    }

    /// Behind a straight run.
    pub(super) fn end_run(&mut self) {
        let Some(Watching { all, run }) = &mut self.watching else { return };
        if let Some(Run { sum, .. }) = run.take() {
            let both = [Source::Register(*all), Source::Register(sum)];
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
        let place = Source::Memory(Memory::at(super::code::Base::Register(self.pointers[alarm as usize])));
        self.code.push(Inst::new(Op::StoreHalf, None, &[place, one]));
        self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(quiet.0)));
    }
}
