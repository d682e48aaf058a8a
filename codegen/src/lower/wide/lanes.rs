//! Lane loops. In: a lane loop of the program. Out: loops over strips of elements: wide ones first, then single vectors,
//! then a masked remainder; nothing outside the range is touched.
//!
//! With accumulators a strip is 32 elements: its pieces are the partials, which stay in registers. The remainder
//! changes only the partials of its own elements.
//!
//! # Decisions
//!
//! - The remainder of a lane loop is loaded and stored with an instruction of exactly that width where there is one (1, 2, 4, 8
//!   lanes). A masked store cannot be forwarded to the load after it: 24 cycles instead of 9, three times a step.

use super::code::{Inst, Op, Source, V};
use super::facts::Pressure;
use super::state::{Bound, MAX_PIECES, Select, Steps, Strip};
use crate::lane::{Combine, LaneLoop};
use crate::target::Extension;

/// Partials of a reduction.
const PARTIALS: usize = 32;
/// Registers that a strip leaves free.
const SPARE: usize = 1;
/// Instructions that a body without a loop is repeated up to.
const LIGHT: usize = 12;

impl<'p> Select<'p> {
    /// A lane loop of the program.
    pub(super) fn lane_loop(&mut self, item: &'p LaneLoop) {
        let (start, end) = self.ends(item);
        let range = Steps { start, end, step: 1 };
        self.enter_loop();
        self.lane_var = Some(item.var);
        self.scopes.push(Default::default());
        self.prepare(&item.body);
        if item.carried.is_empty() {
            self.strips(item, range);
        } else {
            self.reduction(item, range);
        }
        self.scopes.pop();
        self.lane_var = None;
        self.strip = Strip::of(1);
        self.leave_loop();
    }

    /// How many vectors a strip has.
    fn pieces(&self, item: &LaneLoop, range: Steps) -> usize {
        let pressure = Pressure::of(self.program, &self.facts, item);
        let fits = |pieces: usize| pressure.with(pieces) + SPARE <= self.level.registers();
        let most = if pressure.has_loop {
            (1..=MAX_PIECES).rev().find(|&pieces| fits(pieces)).unwrap_or(1)
        } else {
            (LIGHT / pressure.instructions.max(1)).clamp(1, 4)
        };
        let Some(elements) = range.turns() else { return most };
        // As many strips as that takes, all about as wide.
        let vectors = (elements as usize).div_ceil(self.level.lanes()).max(1);
        vectors.div_ceil(vectors.div_ceil(most))
    }

    fn strips(&mut self, item: &'p LaneLoop, range: Steps) {
        let lanes = self.level.lanes() as i64;
        let most = self.pieces(item, range);
        let mut index = range.start;
        let widths: &[usize] = if range.turns().is_some() || most == 1 { &[most] } else { &[most, 1] };
        for &pieces in widths {
            self.strip = Strip::of(pieces);
            let steps = Steps { start: index, step: lanes * pieces as i64, ..range };
            index = self.repeat(item.var, &item.body, steps, &mut |select| select.items(&item.body));
        }
        let pieces = if range.turns().is_some() { most } else { 1 };
        self.rest(item, Steps { start: index, ..range }, pieces, &mut |select| select.items(&item.body));
    }

    /// What is left at the end, in one masked strip.
    fn rest(&mut self, item: &'p LaneLoop, range: Steps, pieces: usize, turn: &mut dyn FnMut(&mut Self)) {
        let rest = match (range.start, range.end) {
            (Bound::Known(start), Bound::Known(end)) if start >= end => return,
            (Bound::Known(start), Bound::Known(end)) => Bound::Known(end - start),
            (start, end) => {
                let (start, end) = (self.materialize(start), self.materialize(end));
                let rest = self.emit(Op::MoveGeneral, &[Source::Register(end)]);
                self.code.push(Inst::new(Op::Sub, Some(rest), &[Source::Register(start)]));
                Bound::In(rest)
            }
        };
        let count = match (range.start, rest) {
            (Bound::Known(start), Bound::Known(rest)) => {
                return self.known_rest(item, start, rest, pieces, turn);
            }
            (_, Bound::Known(_)) => return self.rest_strip(item, range.start, rest, pieces, turn),
            (_, Bound::In(count)) => count,
        };
        let end = self.code.label();
        self.compare_with(count, Bound::Known(0));
        self.code.push(Inst::new(Op::JumpIfAtMost, None, &[]).immediate(i64::from(end.0)));
        self.rest_strip(item, range.start, rest, pieces, turn);
        self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(end.0)));
    }

    /// Two strips without masks where two instructions move what is left, and little is done with it: what a mask has stored
    /// delays every load near it.
    fn known_rest(
        &mut self,
        item: &'p LaneLoop,
        start: i64,
        rest: i64,
        pieces: usize,
        turn: &mut dyn FnMut(&mut Self),
    ) {
        let lanes = self.level.lanes() as i64;
        let first = rest - rest % lanes + (1 << (rest % lanes).checked_ilog2().unwrap_or(0));
        let is_light = item.carried.is_empty() && self.size(&item.body) <= LIGHT as i64;
        if (rest % lanes).count_ones() != 2 || !is_light {
            return self.rest_strip(item, Bound::Known(start), Bound::Known(rest), pieces, turn);
        }
        self.rest_strip(item, Bound::Known(start), Bound::Known(first), pieces, turn);
        self.rest_strip(item, Bound::Known(start + first), Bound::Known(rest - first), pieces, turn);
    }

    fn rest_strip(
        &mut self,
        item: &'p LaneLoop,
        start: Bound,
        rest: Bound,
        pieces: usize,
        turn: &mut dyn FnMut(&mut Self),
    ) {
        let (pieces, masks) = self.rest_masks(rest, pieces);
        self.strip = Strip { masks, rest: Some(rest), ..Strip::of(pieces) };
        self.in_body(item.var, start, &item.body, turn);
    }

    fn reduction(&mut self, item: &'p LaneLoop, range: Steps) {
        let pieces = PARTIALS / self.level.lanes();
        self.strip = Strip::of(pieces);
        let mut partials: Vec<Vec<V>> = Vec::new();
        for carried in &item.carried {
            let class = self.class(self.kind(carried.inside));
            let places: Vec<V> = (0..pieces).map(|_| self.code.register(class)).collect();
            places.iter().for_each(|&place| self.start_with(place, carried.initial, 0));
            partials.push(places);
        }
        let steps = Steps { step: PARTIALS as i64, ..range };
        let index = self.repeat(item.var, &item.body, steps, &mut |select| select.fold(item, &partials));
        let rest = Steps { start: index, ..range };
        self.rest(item, rest, pieces, &mut |select| select.fold(item, &partials));
        for (carried, partials) in item.carried.iter().zip(&partials) {
            let Some(combine) = carried.combine else { continue };
            let to = self.target(carried.after, 0);
            self.combine(to, combine, partials);
            self.set(carried.after, 0, to);
        }
    }

    /// The body of a strip, its partials before and after in the same registers.
    fn fold(&mut self, item: &'p LaneLoop, partials: &[Vec<V>]) {
        let pieces = self.strip.pieces;
        let masked = self.strip.masks.iter().any(Option::is_some);
        for (carried, places) in item.carried.iter().zip(partials) {
            places.iter().enumerate().for_each(|(piece, &place)| self.set(carried.inside, piece, place));
            if self.facts.stays[carried.inside.0 as usize] && !masked {
                self.targets.insert(carried.next, places.clone());
            }
        }
        self.items(&item.body);
        let mut moves = Vec::new();
        for (carried, places) in item.carried.iter().zip(partials) {
            self.targets.remove(&carried.next);
            for (piece, &place) in places.iter().enumerate().take(pieces) {
                moves.push((place, self.value(carried.next, piece)));
            }
        }
        self.move_together(moves, |select, to, from, at| select.merge(to, from, at % pieces));
    }

    /// The partials over the fixed tree: p[i] ⊕ p[i + 16], then + 8, + 4, + 2, + 1. Only the first lane is the result.
    fn combine(&mut self, to: V, combine: Combine, partials: &[V]) {
        let op = combine.binary();
        let mut partials = partials.to_vec();
        while partials.len() > 1 {
            let upper = partials.split_off(partials.len() / 2);
            for (lower, upper) in partials.iter_mut().zip(upper) {
                let sum = self.vector();
                self.combine_two(sum, op, *lower, upper);
                *lower = sum;
            }
        }

        let mut value = partials[0];
        // Halves of 16 lanes, of 8 lanes, pairs, neighbours.
        let folds: &[(Op, i64)] = match self.level {
            Extension::Avx512 => {
                &[(Op::Blocks, 0x4e), (Op::Blocks, 0xb1), (Op::Permute, 0x4e), (Op::Permute, 0xb1)]
            }
            Extension::Avx2 => &[(Op::Blocks, 0x01), (Op::Permute, 0x4e), (Op::Permute, 0xb1)],
        };

        for &(op_of_lanes, order) in folds {
            let source = Source::Register(value);
            let other = self.vector();
            let from = if op_of_lanes == Op::Blocks { vec![source, source] } else { vec![source] };
            self.code.push(Inst::new(op_of_lanes, Some(other), &from).immediate(order));
            let sum = self.vector();
            self.combine_two(sum, op, value, other);
            value = sum;
        }

        self.code.push(Inst::new(Op::Broadcast, Some(to), &[Source::Register(value)]));
    }
}
