//! Lane loops. In: a lane loop of the program. Out: loops over strips of elements: wide ones first, then strips of
//! four, then single elements; nothing outside the range is touched.
//!
//! Without accumulators a strip is free of its neighbours. With accumulators there are 32 partials: eight vectors in
//! registers where the body is light, else on the stack, where any strip finds its own by the element's number.

use super::estimate::LANES;
use crate::lane::ELEMENT_BYTES;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value};

use super::address::vector_flags;
use super::emitter::{Bound, Emitter, Strip, type_of};
use super::estimate::{Estimate, MAX_PIECES, REGISTERS};
use super::loops::Steps;
use crate::lane::{Carried, LaneLoop};

/// Bytes of the 32 partials of one accumulator.
const PARTIALS: i64 = 128;
/// The most instructions of a short reduction whose strips are all unrolled, with the partials in registers.
const SHORT: i64 = 128;
/// Instructions of a body that is repeated eight times with its partials in registers.
const LIGHT: usize = 12;

impl<'p> Emitter<'p, '_, '_> {
    /// A lane loop of the program.
    pub(super) fn lane_loop(&mut self, item: &'p LaneLoop) {
        let estimate = Estimate::of(self.program, &self.uses, &self.by_lanes, item);
        let (start, end) = self.ends(item);
        let range = Steps { start, end, step: 1 };
        self.lane_var = Some(item.var);
        self.push_scope();
        if range.turns().is_none_or(|elements| elements >= LANES) {
            self.keep_outside(&estimate);
        }
        match range.turns() {
            Some(0) if item.carried.is_empty() => {}
            _ if item.carried.is_empty() => self.strips(item, &estimate, range),
            Some(elements) if self.is_short_reduction(item, elements) => {
                self.short_reduction(item, range, elements)
            }
            _ => self.reduction(item, &estimate, range),
        }
        self.pop_scope();
        self.strip = Strip::SCALAR;
        self.lane_var = None;
    }

    /// Puts uniform operands, and as many constants as there are registers left, into vectors before the loop.
    fn keep_outside(&mut self, estimate: &Estimate) {
        let mut left = REGISTERS.saturating_sub(estimate.pressure(self.most_pieces(estimate)));
        for &(register, _) in &estimate.outside {
            if !self.is_constant(register) && self.by_lanes[register.0 as usize] {
                self.splat(register);
                left = left.saturating_sub(1);
            }
        }
        let mut constants: Vec<_> =
            estimate.outside.iter().filter(|&&(register, _)| self.is_constant(register)).collect();
        constants.sort_by_key(|&&(_, count)| std::cmp::Reverse(count));
        for &&(register, _) in constants.iter().take(left.saturating_sub(1)) {
            self.keep_constant(register);
        }
    }

    fn most_pieces(&self, estimate: &Estimate) -> usize {
        estimate.pieces(if estimate.has_loop { MAX_PIECES } else { 4 })
    }

    fn strips(&mut self, item: &'p LaneLoop, estimate: &Estimate, range: Steps) {
        let most = self.most_pieces(estimate);
        let known = range.turns().is_some();
        let mut index = range.start;
        for pieces in [8, 4, 2, 1] {
            // A strip width costs a copy of the body; where the extent is known only those that run are made.
            let made =
                if known || estimate.has_loop { pieces <= most } else { pieces == most || pieces == 1 };
            if made && (known || pieces != 2 || most == 2) {
                index = self.strip_loop(item, Strip::vectors(pieces), Steps { start: index, ..range });
            }
        }
        self.strip_loop(item, Strip::SCALAR, Steps { start: index, ..range });
    }

    fn strip_loop(&mut self, item: &'p LaneLoop, strip: Strip, range: Steps) -> Bound {
        self.strip = strip;
        let steps = Steps { step: strip.width(), ..range };
        let (index, _) = self.repeat(item.var, &item.body, steps, Vec::new(), &mut |emitter, _| {
            emitter.items(&item.body);
            Vec::new()
        });
        index
    }

    /// True when all strips may be unrolled.
    fn is_short_reduction(&mut self, item: &LaneLoop, elements: i64) -> bool {
        self.strip = Strip::SCALAR;
        let copies = elements / LANES + elements % LANES;
        elements <= 32 && copies * self.size(&item.body) <= SHORT
    }

    /// At most 32 known elements: each strip has a partial, or a lane of it, to itself.
    fn short_reduction(&mut self, item: &'p LaneLoop, range: Steps, elements: i64) {
        let Bound::Known(start) = range.start else {
            unreachable!("downhill bug: a known extent with an unknown start; please report");
        };
        let mut partials: Vec<Vec<Value>> =
            item.carried.iter().map(|carried| self.initial_partials(carried)).collect();
        for group in 0..(elements / LANES) as usize {
            let first = Bound::Known(start + LANES * group as i64);
            let inside = partials.iter().map(|partials| partials[group]).collect();
            let next = self.fold(item, Strip::vectors(1), first, inside);
            partials.iter_mut().zip(next).for_each(|(partials, next)| partials[group] = next);
        }
        let group = (elements / LANES) as usize;
        for lane in 0..(elements % LANES) as u8 {
            let element = Bound::Known(start + LANES * group as i64 + i64::from(lane));
            let inside =
                partials.iter().map(|partials| self.f.ins().extractlane(partials[group], lane)).collect();
            let next = self.fold(item, Strip::SCALAR, element, inside);
            for (partials, next) in partials.iter_mut().zip(next) {
                partials[group] = self.f.ins().insertlane(partials[group], next, lane);
            }
        }
        self.combine(item, partials);
    }

    /// One strip at a known index, its partials given and returned.
    fn fold(&mut self, item: &'p LaneLoop, strip: Strip, first: Bound, inside: Vec<Value>) -> Vec<Value> {
        self.strip = strip;
        let end = self.plus(first, strip.width());
        let steps = Steps { start: first, end, step: strip.width() };
        let (_, next) = self
            .repeat(item.var, &item.body, steps, inside, &mut |emitter, inside| emitter.turn(item, inside));
        next
    }

    /// The body of a strip: partials of each accumulator, `pieces` each, before and after.
    fn turn(&mut self, item: &'p LaneLoop, inside: &[Value]) -> Vec<Value> {
        let Strip { lanes, pieces, .. } = self.strip;
        for (carried, values) in item.carried.iter().zip(inside.chunks(pieces)) {
            values.iter().enumerate().for_each(|(piece, &value)| self.set(carried.inside, piece, value));
        }
        self.items(&item.body);
        let mut next = Vec::new();
        for carried in &item.carried {
            next.extend((0..pieces).map(|piece| self.operand(carried.next, piece, lanes > 1)));
        }
        next
    }

    fn initial_partials(&mut self, carried: &Carried) -> Vec<Value> {
        vec![self.operand(carried.initial, 0, true); MAX_PIECES]
    }

    fn reduction(&mut self, item: &'p LaneLoop, estimate: &Estimate, range: Steps) {
        let in_registers = !estimate.has_loop
            && !estimate.has_lane_lookup
            && estimate.instructions <= LIGHT
            && MAX_PIECES * item.carried.len() + estimate.pressure(1) <= REGISTERS;

        let mut partials: Vec<Vec<Value>> =
            item.carried.iter().map(|carried| self.initial_partials(carried)).collect();

        let mut index = range.start;
        if in_registers {
            self.strip = Strip { piece_by_piece: true, ..Strip::vectors(MAX_PIECES) };
            let steps = Steps { step: self.strip.width(), ..range };
            let (next, values) =
                self.repeat(item.var, &item.body, steps, partials.concat(), &mut |emitter, inside| {
                    emitter.turn(item, inside)
                });
            partials = values.chunks(MAX_PIECES).map(<[Value]>::to_vec).collect();
            index = next;
        }

        // What is left finds its own partials by the number of the element, so that any strip may take it.
        let finished = matches!((index, range.end), (Bound::Known(index), Bound::Known(end)) if index >= end);
        if !finished {
            let widest = if in_registers { 1 } else { estimate.pieces(4) };
            partials =
                self.fold_on_stack(item, Steps { start: index, ..range }, range.start, widest, &partials);
        }
        self.combine(item, partials);
    }

    /// Folds what `rest` covers into partials on the stack and brings them back.
    fn fold_on_stack(
        &mut self,
        item: &'p LaneLoop,
        rest: Steps,
        first: Bound,
        widest: usize,
        partials: &[Vec<Value>],
    ) -> Vec<Vec<Value>> {
        let bytes = PARTIALS as u32 * partials.len() as u32;
        let slot = self.f.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4));
        let base = self.f.ins().stack_addr(I64, slot, 0);
        for (at, &value) in partials.iter().flatten().enumerate() {
            self.f.ins().store(vector_flags(), value, base, 16 * at as i32);
        }

        let mut index = rest.start;
        for strip in [Strip::vectors(widest), Strip::vectors(1), Strip::SCALAR] {
            // With strips of one vector the second round is the first again.
            if widest == 1 && strip.lanes == LANES as usize && strip.pieces == 1 && !same(index, rest.start) {
                continue;
            }
            self.strip = strip;
            let steps = Steps { start: index, step: strip.width(), ..rest };
            let (next, _) = self.repeat(item.var, &item.body, steps, Vec::new(), &mut |emitter, _| {
                emitter.turn_on_stack(item, base, first);
                Vec::new()
            });
            index = next;
        }

        let vector =
            |carried: &Carried| type_of(self.program.registers[carried.inside.0 as usize].kind, true);
        let types: Vec<_> = item.carried.iter().map(vector).collect();
        let load = |(at, ty)| {
            let offset = |piece: usize| (MAX_PIECES * at + piece) as i32 * 16;
            (0..MAX_PIECES).map(|piece| self.f.ins().load(ty, vector_flags(), base, offset(piece))).collect()
        };
        types.into_iter().enumerate().map(load).collect()
    }

    /// A strip whose partials lie on the stack at `base`, at its element's number modulo 32.
    fn turn_on_stack(&mut self, item: &'p LaneLoop, base: Value, first: Bound) {
        let index = self.counter(item.var);
        let index = self.materialize(index);
        let number = match first {
            Bound::Known(first) => self.f.ins().iadd_imm_s(index, -first),
            Bound::In(first) => self.f.ins().isub(index, first),
        };
        let bytes = self.f.ins().ishl_imm_u(number, i64::from(ELEMENT_BYTES.ilog2()));
        let bytes = self.f.ins().band_imm_s(bytes, PARTIALS - ELEMENT_BYTES);
        let place = self.f.ins().iadd(base, bytes);
        let Strip { lanes, pieces, .. } = self.strip;
        let offset = |at: usize| ((at / pieces) as i64 * PARTIALS) as i32 + 16 * (at % pieces) as i32;
        let mut inside = Vec::new();
        for at in 0..item.carried.len() * pieces {
            let kind = self.program.registers[item.carried[at / pieces].inside.0 as usize].kind;
            let ty = type_of(kind, lanes > 1);
            inside.push(self.f.ins().load(ty, vector_flags(), place, offset(at)));
        }
        for (at, next) in self.turn(item, &inside).into_iter().enumerate() {
            self.f.ins().store(vector_flags(), next, place, offset(at));
        }
    }

    /// The value after the loop of every accumulator.
    fn combine(&mut self, item: &LaneLoop, partials: Vec<Vec<Value>>) {
        for (carried, partials) in item.carried.iter().zip(partials) {
            let Some(combine) = carried.combine else { continue };
            let value = self.tree(combine.binary(), partials);
            debug_assert!(self.f.func.dfg.value_type(value).bits() == I32.bits());
            self.set(carried.after, 0, value);
        }
    }
}

fn same(x: Bound, y: Bound) -> bool {
    match (x, y) {
        (Bound::Known(x), Bound::Known(y)) => x == y,
        (Bound::In(x), Bound::In(y)) => x == y,
        _ => false,
    }
}
