//! Counted loops. In: a range, a closure that makes an iteration. Out: the code, and the first index not covered.
//!
//! A loop is tested before it begins and at its end. One known to have one iteration, or a few short ones, is unrolled.
//! In an innermost loop, an address
//! that depends on its counter and needs more than an addressing mode is a pointer that each iteration advances.
//!
//! # Decisions
//!
//! - The cache lines of the epilogue, which is read and written right after a long fold, are prefetched before the fold. Otherwise an
//!   optimizer's update of a matrix of 8 MB and more waits for them: +2 to +7 % at 1024×256×2048, 2048×256×2048 and 2048×256×1000.

use super::code::{Inst, Label, Op, Source, V};
use super::state::{Bound, Part, Select, Steps};
use crate::lane::{
    Address, Carried, Instruction, Integer, LaneItem, LaneLoop, Portion, Reg, Var, for_each_address,
};

/// Iterations of a fold that take longer than a memory access.
const LONG: i64 = 64;
/// The most instructions of an unrolled loop within another loop; an outermost one runs once, and may be longer.
const WRITTEN_OUT: i64 = 64;

impl<'p> Select<'p> {
    /// A counted loop of the program.
    pub(super) fn counted_loop(&mut self, item: &'p LaneLoop) {
        let steps = self.steps(item);
        let is_loop = steps.turns() != Some(1);
        if is_loop {
            self.enter_loop();
        }

        let places: Vec<Vec<V>> = item.carried.iter().map(|carried| self.begin(carried)).collect();

        // What an innermost loop does for one piece it does for all: they share its operands.
        let has_loop = item.body.iter().any(|item| matches!(item, LaneItem::Loop(_)));
        let outer = std::mem::replace(&mut self.strip.piece_by_piece, has_loop);

        let left_out = item.portion.mask().map(|mask| self.jump_unless_any(mask));
        self.rare = left_out.is_some();
        self.repeat(item.var, &item.body, steps, &mut |select| {
            select.turn(item, &places);
        });
        self.rare = false;
        if let Some(label) = left_out {
            self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(label.0)));
        }

        self.strip.piece_by_piece = outer;
        for (carried, places) in item.carried.iter().zip(&places) {
            let waits = is_loop && self.lane_var.is_some() && !self.targets.contains_key(&carried.after);
            for (piece, &place) in places.iter().enumerate() {
                let kept = if waits { self.kept(place) } else { place };
                self.set(carried.after, piece, kept);
            }
        }
        if is_loop {
            self.leave_loop();
        }
    }

    /// A sum behind its loop, in a register of its own: where what follows needs more registers than there are, it waits in memory from here
    /// on, and not in the loop. Where it does not wait, this is no instruction.
    fn kept(&mut self, place: V) -> V {
        let kept = self.code.register(self.code.class(place));
        self.copy(kept, Source::Register(place));
        kept
    }

    /// Prefetches the epilogue's cache lines before a long fold: in a product those are elements of a large matrix that nothing else has
    /// touched, and the next block's multiply-adds would wait for them.
    pub(super) fn fetch_ahead(&mut self, item: &'p LaneLoop, behind: &'p [LaneItem]) {
        let is_nest = |item: &LaneItem| match item {
            LaneItem::Loop(inner) => !matches!(inner.portion, Portion::Chunk { .. }),
            _ => false,
        };
        let is_fold = !item.carried.is_empty() && !item.body.iter().any(is_nest);
        // Asked of the loop itself: its steps are computed once, where it runs. A loop over chunks is long.
        let has_chunks = item.body.iter().any(|item| matches!(item, LaneItem::Loop(_)));
        let is_short = match (item.start, item.end) {
            (Integer::Constant(start), Integer::Constant(end)) => !has_chunks && end - start < LONG,
            _ => false,
        };
        if self.lane_var.is_none() || !is_fold || is_short {
            return;
        }

        let run = || behind.iter().take_while(|item| !matches!(item, LaneItem::Loop(_)));
        let stored = run()
            .filter_map(|item| if let LaneItem::Store { address, .. } = item { Some(address) } else { None });
        // What an address is moved by may be set behind the fold.
        let is_known = |address: &&Address| self.is_contiguous(address) && address.by.is_none();
        let stored: Vec<&Address> = stored.filter(is_known).collect();
        let loaded = run().filter_map(|item| match item {
            LaneItem::Let(_, Instruction::Load(address)) => Some(address),
            _ => None,
        });
        let loaded: Vec<&Address> =
            loaded.filter(|address| is_known(address) && !stored.contains(address)).collect();

        // Addresses are computed again after the fold: registers kept over it are worth more.
        self.scopes.push(Default::default());
        for (op, addresses) in [(Op::FetchToWrite, stored), (Op::FetchToRead, loaded)] {
            for address in addresses {
                for piece in 0..self.strip.pieces {
                    let place = self.place_of_piece(address, piece);
                    self.code.push(Inst::new(op, None, &[Source::Memory(place)]));
                }
            }
        }
        self.scopes.pop();
    }

    pub(super) fn pieces_of(&self, register: Reg) -> usize {
        if self.varies(register) { self.strip.pieces } else { 1 }
    }

    /// Jumps to the label where the mask holds in no lane of any piece.
    fn jump_unless_any(&mut self, mask: Reg) -> Label {
        let mut any = self.value(mask, 0);
        for piece in 1..self.pieces_of(mask) {
            let (or, other) = (self.mask_op(Op::Or), self.value(mask, piece));
            any = self.emit(or, &[Source::Register(any), Source::Register(other)]);
        }
        let label = self.code.label();
        self.code.push(Inst::new(Op::AnyLane, None, &[Source::Register(any); 2]));
        self.code.push(Inst::new(Op::JumpIfNone, None, &[]).immediate(i64::from(label.0)));
        label
    }

    /// The registers of an accumulator, one for each piece, set to its initial value.
    fn begin(&mut self, carried: &Carried) -> Vec<V> {
        let pieces = self.pieces_of(carried.inside);
        let places: Vec<V> = (0..pieces).map(|piece| self.target(carried.after, piece)).collect();
        for (piece, &place) in places.iter().enumerate() {
            self.start_with(place, carried.initial, piece);
        }
        places
    }

    pub(super) fn start_with(&mut self, place: V, initial: Reg, piece: usize) {
        if self.facts.constants[initial.0 as usize] == Some(0)
            && self.kind(initial) != crate::lane::Kind::Mask
        {
            return self.code.push(Inst::new(Op::Zero, Some(place), &[]));
        }
        let initial = self.operand(initial, piece);
        if initial != Source::Register(place) {
            self.copy(place, initial);
        }
    }

    /// One iteration: from the accumulators' values to the next ones, in the same registers.
    fn turn(&mut self, item: &'p LaneLoop, places: &[Vec<V>]) {
        for (carried, places) in item.carried.iter().zip(places) {
            places.iter().enumerate().for_each(|(piece, &place)| self.set(carried.inside, piece, place));
            if self.facts.stays[carried.inside.0 as usize] {
                self.targets.insert(carried.next, places.clone());
            }
        }
        self.items(&item.body);
        let mut moves = Vec::new();
        for (carried, places) in item.carried.iter().zip(places) {
            self.targets.remove(&carried.next);
            for (piece, &place) in places.iter().enumerate() {
                moves.push((place, self.value(carried.next, piece)));
            }
        }
        self.move_together(moves, |select, to, from, _| select.copy(to, Source::Register(from)));
    }

    /// A parallel move: a register that is set before it is read is saved first.
    pub(super) fn move_together(
        &mut self,
        mut moves: Vec<(V, V)>,
        mut each: impl FnMut(&mut Self, V, V, usize),
    ) {
        for at in 1..moves.len() {
            let (to, from) = moves[at];
            if to != from && moves[..at].iter().any(|&(earlier, other)| earlier == from && earlier != other) {
                let aside = self.code.register(self.code.class(from));
                self.copy(aside, Source::Register(from));
                moves[at].1 = aside;
            }
        }
        for (at, (to, from)) in moves.into_iter().enumerate() {
            if to != from {
                each(self, to, from, at);
            }
        }
    }

    /// Where a loop starts and ends; of a chunk its part.
    pub(super) fn ends(&mut self, item: &LaneLoop) -> (Bound, Bound) {
        let (start, end) = (self.integer(item.start), self.integer(item.end));
        let Portion::Chunk { number, length } = item.portion else { return (start, end) };

        let (first, behind) = match (self.counter(number), length) {
            (Bound::Known(number), Integer::Constant(length)) => {
                (Bound::Known(number * length), Bound::Known((number + 1) * length))
            }
            (number, length) => {
                let number = self.materialize(number);
                let first = Bound::In(self.scaled(number, length));
                (first, self.sum_of(first, length))
            }
        };
        (self.greater(start, first), self.lesser(end, behind))
    }

    fn sum_of(&mut self, x: Bound, y: Integer) -> Bound {
        let Bound::In(y) = self.integer(y) else {
            let Integer::Constant(y) = y else { return x };
            return self.plus(x, y);
        };
        let x = self.materialize(x);
        let sum = self.emit(Op::MoveGeneral, &[Source::Register(x)]);
        self.code.push(Inst::new(Op::Add, Some(sum), &[Source::Register(y)]));
        Bound::In(sum)
    }

    fn greater(&mut self, x: Bound, y: Bound) -> Bound {
        match (x, y) {
            (Bound::Known(x), Bound::Known(y)) => Bound::Known(x.max(y)),
            // Counters are never negative.
            (Bound::Known(..=0), other) => other,
            _ => {
                let (x, y) = (self.materialize(x), self.materialize(y));
                let most = self.emit(Op::MoveGeneral, &[Source::Register(x)]);
                self.code.push(Inst::new(Op::AtLeast, Some(most), &[Source::Register(y)]));
                Bound::In(most)
            }
        }
    }

    /// The sum of two numbers without the greater one.
    fn lesser(&mut self, x: Bound, y: Bound) -> Bound {
        if let (Bound::Known(x), Bound::Known(y)) = (x, y) {
            return Bound::Known(x.min(y));
        }
        let (x, y) = (self.materialize(x), self.materialize(y));
        let most = self.emit(Op::MoveGeneral, &[Source::Register(x)]);
        self.code.push(Inst::new(Op::AtLeast, Some(most), &[Source::Register(y)]));
        let least = self.emit(Op::MoveGeneral, &[Source::Register(x)]);
        self.code.push(Inst::new(Op::Add, Some(least), &[Source::Register(y)]));
        self.code.push(Inst::new(Op::Sub, Some(least), &[Source::Register(most)]));
        Bound::In(least)
    }

    fn steps(&mut self, item: &LaneLoop) -> Steps {
        let (start, end) = self.ends(item);
        Steps::of(item.portion, start, end, |n| self.end_of_blocks(start, end, n))
    }

    /// Where blocks of `n` end.
    fn end_of_blocks(&mut self, start: Bound, end: Bound, n: i64) -> V {
        let (first, end) = (self.materialize(start), self.materialize(end));
        let length = self.emit(Op::MoveGeneral, &[Source::Register(end)]);
        self.code.push(Inst::new(Op::Sub, Some(length), &[Source::Register(first)]));
        let zero = self.materialize(Bound::Known(0));
        self.code.push(Inst::new(Op::AtLeast, Some(length), &[Source::Register(zero)]));
        let covered = if n.count_ones() == 1 {
            self.code.push(Inst::new(Op::AndImmediate, Some(length), &[]).immediate(-n));
            length
        } else {
            let room = self.room_of(24);
            let blocks = self.general();
            let divide =
                Inst::new(Op::Divide, Some(blocks), &[Source::Register(length), Source::Memory(room)]);
            self.code.push(divide.immediate(n));
            self.scaled(blocks, Integer::Constant(n))
        };
        self.code.push(Inst::new(Op::Add, Some(covered), &[Source::Register(first)]));
        covered
    }

    /// Makes a loop over `steps` with `var` as its counter; `items` is what an iteration contains. Returns the first index not
    /// covered.
    pub(super) fn repeat(
        &mut self,
        var: Var,
        items: &'p [LaneItem],
        steps: Steps,
        turn: &mut dyn FnMut(&mut Self),
    ) -> Bound {
        let (Some(turns), Bound::Known(start)) = (steps.turns(), steps.start) else {
            return self.rolled(var, items, steps, turn);
        };
        let most = if self.depth == 1 { 4 * WRITTEN_OUT } else { WRITTEN_OUT };
        if turns > 1 && turns * self.size(items) > most {
            return self.rolled(var, items, steps, turn);
        }
        for index in (0..turns).map(|number| start + number * steps.step) {
            self.in_body(var, Bound::Known(index), items, turn);
        }
        Bound::Known(start + turns * steps.step)
    }

    /// Runs `turn` with `var` open at `index` and a scope of its own.
    pub(super) fn in_body(
        &mut self,
        var: Var,
        index: Bound,
        items: &'p [LaneItem],
        turn: &mut dyn FnMut(&mut Self),
    ) {
        self.scopes.push(Default::default());
        self.open_body(var, index, items, turn);
        self.scopes.pop();
    }

    fn open_body(&mut self, var: Var, index: Bound, items: &'p [LaneItem], turn: &mut dyn FnMut(&mut Self)) {
        let outer = self.vars[var.0 as usize].replace(index);
        self.open.push(var);
        self.prepare_lookups(var, items);
        turn(self);
        self.open.pop();
        self.vars[var.0 as usize] = outer;
    }

    fn rolled(
        &mut self,
        var: Var,
        items: &'p [LaneItem],
        steps: Steps,
        turn: &mut dyn FnMut(&mut Self),
    ) -> Bound {
        self.enter_loop();
        self.prepare(items);

        let counter = self.general();
        match steps.start {
            Bound::Known(start) => {
                self.code.push(Inst::new(Op::SetGeneral, Some(counter), &[]).immediate(start))
            }
            Bound::In(start) => {
                self.code.push(Inst::new(Op::MoveGeneral, Some(counter), &[Source::Register(start)]));
            }
        }

        let last = self.plus(steps.end, -steps.step);
        let pointers = self.moving_pointers(var, counter, items, steps);

        // Tested before it begins, unless it is known to have an iteration.
        let (head, exit) = (self.code.label(), self.code.label());
        if steps.turns().is_none() {
            self.compare_with(counter, last);
            self.code.push(Inst::new(Op::JumpIfGreater, None, &[]).immediate(i64::from(exit.0)));
        }

        self.code.push(Inst::new(Op::LoopHead, None, &[]));
        self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(head.0)));
        self.scopes.push(Default::default());
        for pointer in &pointers {
            self.scope().sums.insert(pointer.key, pointer.register);
        }
        self.open_body(var, Bound::In(counter), items, turn);
        self.scopes.pop();

        for pointer in pointers {
            self.advance(pointer.register, pointer.advance);
        }
        self.advance(counter, Bound::Known(steps.step));
        self.compare_with(counter, last);
        self.code.push(Inst::new(Op::JumpIfAtMost, None, &[]).immediate(i64::from(head.0)));
        self.code.push(Inst::new(Op::LoopEnd, None, &[]));
        self.code.push(Inst::new(Op::Label, None, &[]).immediate(i64::from(exit.0)));

        self.leave_loop();
        steps.behind().map_or(Bound::In(counter), Bound::Known)
    }

    pub(super) fn compare_with(&mut self, x: V, bound: Bound) {
        let x = Source::Register(x);
        let inst = match bound {
            Bound::Known(value) if i32::try_from(value).is_ok() => {
                Inst::new(Op::CompareImmediate, None, &[x]).immediate(value)
            }
            bound => {
                let bound = self.materialize(bound);
                Inst::new(Op::Compare, None, &[x, Source::Register(bound)])
            }
        };
        self.code.push(inst);
    }

    fn advance(&mut self, register: V, by: Bound) {
        let inst = match by {
            Bound::Known(by) => Inst::new(Op::AddImmediate, Some(register), &[]).immediate(by),
            Bound::In(by) => Inst::new(Op::Add, Some(register), &[Source::Register(by)]),
        };
        self.code.push(inst);
    }

    /// Pointers of an innermost loop that its iterations move along, at their first iteration.
    fn moving_pointers(&mut self, var: Var, counter: V, items: &'p [LaneItem], steps: Steps) -> Vec<Moving> {
        let mut moving: Vec<Moving> = Vec::new();
        if items.iter().any(|item| matches!(item, LaneItem::Loop(_))) {
            return moving;
        }

        let pieces = if Some(var) == self.lane_var { self.strip.pieces } else { 1 };
        let width = self.level.lanes();

        // Open for a moment, so that addresses are taken apart as the body will do it.
        let outer = self.vars[var.0 as usize].replace(Bound::In(counter));
        self.open.push(var);
        for_each_address(items, &mut |address| {
            for lane in (0..pieces).map(|piece| (piece * width) as i64) {
                let mut parts = self.parts(address, lane);
                let Some(part @ Part::Counter(moved, stride)) = parts.list.pop() else { continue };
                let by_mode = matches!(stride, Integer::Constant(1 | 2 | 4 | 8)) && parts.remainder.is_none();
                if moved != var || by_mode {
                    continue;
                }
                let base = self.sum(address.pointer, &parts.list);
                if moving.iter().all(|pointer| pointer.key != (base, part)) {
                    let pointer = self.moving(base, part, stride, steps);
                    moving.push(pointer);
                }
            }
        });

        self.open.pop();
        self.vars[var.0 as usize] = outer;
        moving
    }

    fn moving(&mut self, base: V, part: Part, stride: Integer, steps: Steps) -> Moving {
        let register = self.emit(Op::MoveGeneral, &[Source::Register(base)]);
        match (steps.start, stride) {
            (Bound::Known(0), _) => {}
            (Bound::Known(start), Integer::Constant(stride)) if i32::try_from(start * stride).is_ok() => {
                self.advance(register, Bound::Known(start * stride));
            }
            (start, stride) => {
                let start = self.materialize(start);
                let product = self.scaled(start, stride);
                self.advance(register, Bound::In(product));
            }
        }
        let advance = match stride {
            Integer::Constant(stride) if i32::try_from(stride * steps.step).is_ok() => {
                Bound::Known(stride * steps.step)
            }
            Integer::Constant(stride) => Bound::In(self.materialize(Bound::Known(stride * steps.step))),
            Integer::Argument(argument) => Bound::In(self.multiple(argument, steps.step)),
        };
        Moving { key: (base, part), register, advance }
    }

    /// Instructions in `items` for all pieces of a strip, inner loops counted once.
    pub(super) fn size(&self, items: &[LaneItem]) -> i64 {
        let pieces = self.strip.pieces as i64;
        let size = |item: &LaneItem| match item {
            LaneItem::Let(_, instruction) if instruction.is_constant() => 0,
            LaneItem::Let(register, _) if !self.varies(*register) => 1,
            LaneItem::Let(..) | LaneItem::Store { .. } | LaneItem::Watch(_) => pieces,
            LaneItem::Loop(item) => 4 + self.size(&item.body),
        };
        items.iter().map(size).sum()
    }
}

/// A pointer that an innermost loop moves along.
struct Moving {
    /// The sum that it stands for in the loop's body.
    key: (V, Part),
    register: V,
    advance: Bound,
}
