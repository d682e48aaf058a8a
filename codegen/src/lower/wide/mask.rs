//! Masks: which lanes take part. In: what is to be done, and a mask. Out: virtual code.
//!
//! With AVX-512 a mask is a mask register; with AVX2 it is a vector, all ones or all zeros in each lane. Every difference between
//! the two that is due to masks stands in this file.

use super::code::{Base, Inst, Memory, Op, Source, V};
use super::state::{Bound, MAX_PIECES, Select};
use crate::lane::Compare;
use crate::target::Extension;

/// Predicates of `vcmpps` that signal nothing.
pub(super) mod predicate {
    pub(crate) const EQUAL: i64 = 0;
    pub(crate) const UNORDERED: i64 = 3;
    pub(crate) const NOT_EQUAL: i64 = 4;
    pub(crate) const ORDERED: i64 = 7;
    pub(crate) const LESS: i64 = 17;
    pub(crate) const AT_MOST: i64 = 18;
    pub(crate) const AT_LEAST: i64 = 29;
    pub(crate) const GREATER: i64 = 30;
}

/// Bytes of half a vector of AVX2.
const HALF: i32 = 16;

/// Instructions that load and store just so many elements.
fn parts(elements: i64) -> Option<[Op; 2]> {
    match elements {
        1 => Some([Op::LoadOne, Op::StoreOne]),
        2 => Some([Op::LoadTwo, Op::StoreTwo]),
        4 => Some([Op::LoadFour, Op::StoreFour]),
        8 => Some([Op::LoadEight, Op::StoreEight]),
        _ => None,
    }
}

impl Select<'_> {
    fn wide_masks(&self) -> bool {
        self.level == Extension::Avx512
    }

    /// Loads the lanes of a piece that are elements.
    pub(super) fn load_lanes(&mut self, to: V, memory: Memory, piece: usize) {
        let inst = match self.strip.masks[piece] {
            Some(_) if let Some([load, _]) = self.part(piece) => {
                Inst::new(load, Some(to), &[Source::Memory(memory)])
            }
            Some(mask) if !self.wide_masks() => {
                Inst::new(Op::LoadMarked, Some(to), &[Source::Register(mask), Source::Memory(memory)])
            }
            mask => Inst::new(Op::Load, Some(to), &[Source::Memory(memory)]).masked(mask, false),
        };
        self.code.push(inst);
    }

    /// Loads so many elements to the first lanes; what the other lanes hold is not said.
    pub(super) fn load_first(&mut self, to: V, memory: Memory, elements: usize) {
        let memory = Source::Memory(memory);
        let inst = if elements == self.level.lanes() {
            Inst::new(Op::Load, Some(to), &[memory])
        } else if let Some([load, _]) = parts(elements as i64) {
            Inst::new(load, Some(to), &[memory])
        } else if self.wide_masks() {
            let mask = self.first_lanes(elements);
            Inst::new(Op::Load, Some(to), &[memory]).masked(Some(mask), false)
        } else {
            let mask = Source::Register(self.first_lanes(elements));
            Inst::new(Op::LoadMarked, Some(to), &[mask, memory])
        };
        self.code.push(inst);
    }

    /// Stores the lanes of a piece that are elements.
    pub(super) fn store_lanes(&mut self, memory: Memory, value: V, piece: usize) {
        if let Some(store) = self.behind_half(piece) {
            // A half and what is behind it: a masked store takes as long as ten others.
            let upper = self.emit_half(value);
            self.code.push(Inst::new(
                Op::StoreFour,
                None,
                &[Source::Memory(memory), Source::Register(value)],
            ));
            let behind = Memory { offset: memory.offset + HALF, ..memory };
            self.code.push(Inst::new(store, None, &[Source::Memory(behind), Source::Register(upper)]));
            return;
        }
        let (memory, value) = (Source::Memory(memory), Source::Register(value));
        let inst = match self.strip.masks[piece] {
            Some(_) if let Some([_, store]) = self.part(piece) => Inst::new(store, None, &[memory, value]),
            Some(mask) if !self.wide_masks() => {
                Inst::new(Op::StoreMarked, None, &[memory, Source::Register(mask), value])
            }
            mask => Inst::new(Op::Store, None, &[memory, value]).masked(mask, true),
        };
        self.code.push(inst);
    }

    /// Instructions that load and store the elements of a piece that has as many as some instruction moves. Unlike what a mask
    /// has stored, what these have can be loaded before it has reached the cache.
    fn part(&self, piece: usize) -> Option<[Op; 2]> {
        let Some(Bound::Known(rest)) = self.strip.rest else { return None };
        parts(rest - (piece * self.level.lanes()) as i64)
    }

    /// The instruction that stores what is behind the first half of a piece of AVX2, where there is one.
    fn behind_half(&self, piece: usize) -> Option<Op> {
        let Some(Bound::Known(rest)) = self.strip.rest else { return None };
        let behind = rest - (piece * self.level.lanes()) as i64 - 4;
        if self.wide_masks() || !(1..4).contains(&behind) {
            return None;
        }
        parts(behind).map(|[_, store]| store)
    }

    fn emit_half(&mut self, value: V) -> V {
        let upper = self.vector();
        self.code.push(Inst::new(Op::UpperHalf, Some(upper), &[Source::Register(value)]).immediate(1));
        upper
    }

    /// Moves the lanes of a piece that are elements.
    pub(super) fn merge(&mut self, to: V, from: V, piece: usize) {
        match self.strip.masks[piece] {
            Some(mask) if !self.wide_masks() => {
                self.blend(to, mask, Source::Register(from), Source::Register(to))
            }
            mask => {
                self.code.push(Inst::new(Op::Move, Some(to), &[Source::Register(from)]).masked(mask, true))
            }
        }
    }

    /// `to = mask ? a : b`; `a` may be in memory.
    pub(super) fn blend(&mut self, to: V, mask: V, a: Source, b: Source) {
        let b = Source::Register(self.in_register(b));
        let inst = if self.wide_masks() {
            Inst::new(Op::Blend, Some(to), &[b, a]).masked(Some(mask), false)
        } else {
            let a = if is_broadcast(a) { Source::Register(self.in_register(a)) } else { a };
            Inst::new(Op::Blend, Some(to), &[b, a, Source::Register(mask)])
        };
        self.code.push(inst);
    }

    /// `to = if mask { a } else { b }`, all of them masks.
    pub(super) fn choose_mask(&mut self, to: V, mask: V, a: V, b: V) {
        let [a, b] = [a, b].map(Source::Register);
        if !self.wide_masks() {
            return self.blend(to, mask, a, b);
        }
        let chosen = self.emit(Op::MaskAnd, &[Source::Register(mask), a]);
        let other = self.emit(Op::MaskAndNot, &[Source::Register(mask), b]);
        self.code.push(Inst::new(Op::MaskOr, Some(to), &[Source::Register(chosen), Source::Register(other)]));
    }

    /// A value's lanes that are elements, zeros in the others.
    pub(super) fn kept_lanes(&mut self, value: Source, mask: V) -> V {
        let value = Source::Register(self.in_register(value));
        if self.wide_masks() {
            let to = self.vector();
            self.code.push(Inst::new(Op::Move, Some(to), &[value]).masked(Some(mask), false));
            return to;
        }
        self.emit(Op::And, &[value, Source::Register(mask)])
    }

    /// The same in every lane.
    pub(super) fn constant_mask(&mut self, value: bool) -> V {
        match (self.wide_masks(), value) {
            (true, true) => self.emit(Op::MaskOnes, &[]),
            (true, false) => self.emit(Op::MaskZeros, &[]),
            (false, value) => {
                let constant = self.constant(if value { u32::MAX } else { 0 });
                self.in_register(constant)
            }
        }
    }

    /// `to = !mask`.
    pub(super) fn not_mask(&mut self, to: V, mask: V) {
        if self.wide_masks() {
            return self.code.push(Inst::new(Op::MaskNot, Some(to), &[Source::Register(mask)]));
        }
        let ones = self.constant(u32::MAX);
        self.code.push(Inst::new(Op::Xor, Some(to), &[Source::Register(mask), ones]));
    }

    /// `to =` 1 or 0 in each lane.
    pub(super) fn number_of_mask(&mut self, to: V, mask: V) {
        let inst = if self.wide_masks() {
            let one = Memory { broadcast: false, ..self.code.literal(1) };
            Inst::new(Op::Broadcast, Some(to), &[Source::Memory(one)]).masked(Some(mask), false)
        } else {
            let one = self.constant(1);
            Inst::new(Op::And, Some(to), &[Source::Register(mask), one])
        };
        self.code.push(inst);
    }

    /// The instruction on masks that is `op` on vectors.
    pub(super) fn mask_op(&self, op: Op) -> Op {
        match op {
            Op::And if self.wide_masks() => Op::MaskAnd,
            Op::Or if self.wide_masks() => Op::MaskOr,
            Op::Xor if self.wide_masks() => Op::MaskXor,
            other => other,
        }
    }

    /// A mask of a comparison of floats.
    pub(super) fn compare_floats(&mut self, predicate: i64, x: Source, y: Source) -> V {
        let to = self.code.register(Op::CompareF.class(self.level));
        self.code.push(Inst::new(Op::CompareF, Some(to), &[x, y]).immediate(predicate));
        to
    }

    /// `to = x op y`.
    pub(super) fn compare(&mut self, to: V, op: Compare, x: Source, y: Source) {
        let (mut x, mut y, mut swapped) = (x, y, false);
        if matches!(x, Source::Memory(_)) && matches!(y, Source::Register(_)) {
            (x, y, swapped) = (y, x, true);
        }
        let x = Source::Register(self.in_register(x));

        let floats = |one, other| Some(if swapped { other } else { one });
        let predicate = match op {
            Compare::EqF => Some(predicate::EQUAL),
            Compare::NeF => Some(predicate::NOT_EQUAL),
            Compare::LtF => floats(predicate::LESS, predicate::GREATER),
            Compare::LeF => floats(predicate::AT_MOST, predicate::AT_LEAST),
            _ => None,
        };
        if let Some(predicate) = predicate {
            return self.code.push(Inst::new(Op::CompareF, Some(to), &[x, y]).immediate(predicate));
        }

        if !self.wide_masks() {
            return self.compare_integers_avx2(to, op, x, y, swapped);
        }
        // Of the eight predicates of vpcmpd: =, <, ≤, ≠, and with operands swapped >, ≥.
        let predicate = match op {
            Compare::EqI => 0,
            Compare::NeI => 4,
            Compare::LtI | Compare::LtU => {
                if swapped {
                    6
                } else {
                    1
                }
            }
            _ => {
                if swapped {
                    5
                } else {
                    2
                }
            }
        };
        let unsigned = matches!(op, Compare::LtU | Compare::LeU);
        let code = if unsigned { Op::CompareU } else { Op::CompareI };
        self.code.push(Inst::new(code, Some(to), &[x, y]).immediate(predicate));
    }

    /// There are = and > alone, signed.
    fn compare_integers_avx2(&mut self, to: V, op: Compare, x: Source, y: Source, swapped: bool) {
        let (mut x, mut y) = if swapped { (y, x) } else { (x, y) };
        if matches!(op, Compare::LtU | Compare::LeU) {
            let [moved_x, moved_y] = [x, y].map(|operand| {
                let operand = Source::Register(self.in_register(operand));
                let sign = self.constant(0x8000_0000);
                Source::Register(self.emit(Op::Xor, &[operand, sign]))
            });
            (x, y) = (moved_x, moved_y);
        }
        let [x, y] = [x, y].map(|operand| Source::Register(self.in_register(operand)));
        let (code, operands, negated) = match op {
            Compare::EqI => (Op::EqualI, [x, y], false),
            Compare::NeI => (Op::EqualI, [x, y], true),
            Compare::LtI | Compare::LtU => (Op::GreaterI, [y, x], false),
            _ => (Op::GreaterI, [x, y], true),
        };
        if !negated {
            return self.code.push(Inst::new(code, Some(to), &operands));
        }
        let mask = self.emit(code, &operands);
        self.not_mask(to, mask);
    }

    /// Masks of a strip's pieces when `rest` elements are left; pieces without any are left out.
    pub(super) fn rest_masks(&mut self, rest: Bound, pieces: usize) -> (usize, [Option<V>; MAX_PIECES]) {
        let lanes = self.level.lanes();
        let mut masks = [None; MAX_PIECES];
        match rest {
            Bound::Known(rest) => {
                let rest = rest as usize;
                if !rest.is_multiple_of(lanes) {
                    masks[rest / lanes] = Some(self.first_lanes(rest % lanes));
                }
                (rest.div_ceil(lanes), masks)
            }
            Bound::In(rest) if self.wide_masks() => {
                let ones = self.materialize(Bound::Known(i64::from(u32::MAX)));
                let low = self.emit(Op::LowBits, &[Source::Register(ones), Source::Register(rest)]);
                for (piece, mask) in masks.iter_mut().enumerate().take(pieces) {
                    if piece > 0 {
                        self.code
                            .push(Inst::new(Op::ShiftRightGeneral, Some(low), &[]).immediate(lanes as i64));
                    }
                    *mask = Some(self.emit(Op::MaskFrom, &[Source::Register(low)]));
                }
                (pieces, masks)
            }
            Bound::In(rest) => {
                let rest = self.emit(Op::FromGeneral, &[Source::Register(rest)]);
                let rest = Source::Register(self.emit(Op::Broadcast, &[Source::Register(rest)]));
                for (piece, mask) in masks.iter_mut().enumerate().take(pieces) {
                    let numbers = self.numbers((piece * lanes) as u32);
                    *mask = Some(self.emit(Op::GreaterI, &[rest, Source::Memory(numbers)]));
                }
                (pieces, masks)
            }
        }
    }

    /// The first `count` lanes.
    fn first_lanes(&mut self, count: usize) -> V {
        if self.wide_masks() {
            let bits = self.materialize(Bound::Known((1 << count) - 1));
            return self.emit(Op::MaskFrom, &[Source::Register(bits)]);
        }
        let marks: Vec<u32> = (0..8).map(|lane| if lane < count { u32::MAX } else { 0 }).collect();
        let memory = Memory::at(Base::Pool(self.code.pool.place(&marks)));
        self.emit(Op::Load, &[Source::Memory(memory)])
    }

    /// `first`, `first + 1`, … in the lanes: a literal.
    pub(super) fn numbers(&mut self, first: u32) -> Memory {
        let words: Vec<u32> = (0..self.level.lanes() as u32).map(|lane| first.wrapping_add(lane)).collect();
        Memory::at(Base::Pool(self.code.pool.place(&words)))
    }
}

fn is_broadcast(source: Source) -> bool {
    matches!(source, Source::Memory(Memory { broadcast: true, .. }))
}
