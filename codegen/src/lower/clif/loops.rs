//! Counted loops. In: a range, values carried through, a closure that emits an iteration. Out: the code, and the carried
//! values after it.
//!
//! A loop tests at its head. One known to have one iteration, or a few short ones, is unrolled. Products of the counter
//! with strides that no addressing mode has are carried as byte offsets and added to.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types::I64};

use super::emitter::{Bound, Emitter};
use crate::lane::{Index, Integer, LaneItem, LaneLoop, Portion, Reg, Var, for_each_address};

/// The most instructions of an unrolled loop.
const WRITTEN_OUT: i64 = 48;

/// Addresses that may be held in registers across a loop around other loops.
const MOST_BASES: usize = 6;

/// The iterations of a loop.
pub(super) type Steps = crate::lane::Steps<Value>;

/// Emits an iteration: from the carried values to the next ones.
pub(super) type Turn<'t, 'p, 'f, 'b> = &'t mut dyn FnMut(&mut Emitter<'p, 'f, 'b>, &[Value]) -> Vec<Value>;

impl<'p, 'f, 'b> Emitter<'p, 'f, 'b> {
    /// A counted loop of the program.
    pub(super) fn counted_loop(&mut self, item: &'p LaneLoop) {
        let steps = self.steps(item);
        let mut initial = Vec::new();
        for carried in &item.carried {
            let (vector, pieces) = (self.is_vector(carried.inside), self.pieces_of(carried.inside));
            initial.extend((0..pieces).map(|piece| self.operand(carried.initial, piece, vector)));
        }
        let mut turn = |emitter: &mut Emitter<'p, 'f, 'b>, state: &[Value]| {
            emitter.bind(item.carried.iter().map(|carried| carried.inside), state);
            emitter.items(&item.body);
            let mut next = Vec::new();
            for carried in &item.carried {
                let (vector, pieces) = (emitter.is_vector(carried.inside), emitter.pieces_of(carried.inside));
                next.extend((0..pieces).map(|piece| emitter.operand(carried.next, piece, vector)));
            }
            next
        };
        let last = match item.portion {
            Portion::Where(mask) => self.where_any(mask, item, &initial, &mut turn),
            // At most one iteration: there is nothing to unroll.
            Portion::Chunk { length: Integer::Constant(1), .. } if steps.turns().is_none() => {
                self.rolled_loop(item.var, &item.body, steps, initial, &mut turn).1
            }
            Portion::Whole | Portion::Blocks(_) | Portion::Rest(_) | Portion::Chunk { .. } => {
                self.repeat(item.var, &item.body, steps, initial, &mut turn).1
            }
        };
        self.bind(item.carried.iter().map(|carried| carried.after), &last);
    }

    /// An iteration where the mask holds in a lane of any piece, else nothing.
    fn where_any(
        &mut self,
        mask: Reg,
        item: &'p LaneLoop,
        initial: &[Value],
        turn: Turn<'_, 'p, 'f, 'b>,
    ) -> Vec<Value> {
        let vector = self.is_vector(mask);
        let mut any = self.operand(mask, 0, vector);
        for piece in 1..self.pieces_of(mask) {
            let other = self.operand(mask, piece, vector);
            any = self.f.ins().bor(any, other);
        }
        let any = if vector { self.f.ins().vany_true(any) } else { any };

        let (body, exit) = (self.f.create_block(), self.f.create_block());
        let last = self.parameters(exit, initial);
        self.f.ins().brif(any, body, &[], exit, &arguments(initial));

        self.f.seal_block(body);
        self.f.switch_to_block(body);
        let next = self.in_body(item.var, Bound::Known(0), &item.body, |emitter| turn(emitter, initial));
        self.f.ins().jump(exit, &arguments(&next));

        self.f.seal_block(exit);
        self.f.switch_to_block(exit);
        last
    }

    fn pieces_of(&self, register: Reg) -> usize {
        if self.varies(register) { self.strip.pieces } else { 1 }
    }

    /// Sets registers from the values a loop carries: one for each piece of a varying register.
    fn bind(&mut self, registers: impl Iterator<Item = Reg>, values: &[Value]) {
        let mut values = values.iter();
        for register in registers {
            for (piece, &value) in values.by_ref().take(self.pieces_of(register)).enumerate() {
                self.set(register, piece, value);
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
                let (number, length) = (self.materialize(number), self.integer(length));
                let length = self.materialize(length);
                let first = self.f.ins().imul(number, length);
                (Bound::In(first), Bound::In(self.f.ins().iadd(first, length)))
            }
        };
        let start = match (start, first) {
            (Bound::Known(x), Bound::Known(y)) => Bound::Known(x.max(y)),
            // Counters are never negative.
            (Bound::Known(..=0), first) => first,
            (x, y) => {
                let (x, y) = (self.materialize(x), self.materialize(y));
                Bound::In(self.f.ins().smax(x, y))
            }
        };
        let end = match (end, behind) {
            (Bound::Known(x), Bound::Known(y)) => Bound::Known(x.min(y)),
            (x, y) => {
                let (x, y) = (self.materialize(x), self.materialize(y));
                Bound::In(self.f.ins().smin(x, y))
            }
        };
        (start, end)
    }

    fn steps(&mut self, item: &LaneLoop) -> Steps {
        let (start, end) = self.ends(item);
        Steps::of(item.portion, start, end, |n| self.end_of_blocks(start, end, n))
    }

    /// Where blocks of `n` end.
    fn end_of_blocks(&mut self, start: Bound, end: Bound, n: i64) -> Value {
        let (start, end) = (self.materialize(start), self.materialize(end));
        let length = self.f.ins().isub(end, start);
        let zero = self.f.ins().iconst(I64, 0);
        let length = self.f.ins().smax(length, zero);
        let covered = if n.count_ones() == 1 {
            self.f.ins().band_imm_s(length, -n)
        } else {
            let n = self.f.ins().iconst(I64, n);
            let blocks = self.f.ins().udiv(length, n);
            self.f.ins().imul(blocks, n)
        };
        self.f.ins().iadd(start, covered)
    }

    /// Emits a loop over `steps` with `var` as its counter; `items` is what an iteration contains. Returns the first index not
    /// covered and the carried values.
    pub(super) fn repeat(
        &mut self,
        var: Var,
        items: &'p [LaneItem],
        steps: Steps,
        initial: Vec<Value>,
        turn: Turn<'_, 'p, 'f, 'b>,
    ) -> (Bound, Vec<Value>) {
        if self.is_short(items, steps) {
            return self.written_out(var, items, steps, initial, turn);
        }

        let turns = self.unrolled(items, initial.len());
        if turns == 1 || steps.turns().is_some_and(|known| known < 2 * turns) {
            return self.rolled_loop(var, items, steps, initial, turn);
        }

        // Several iterations in one, then the remainder.
        let several = Steps { step: steps.step * turns, ..steps };
        let (index, state) = self.rolled_loop(var, items, several, initial, &mut |emitter, state| {
            let mut state = state.to_vec();
            for number in 0..turns {
                emitter.shifts[var.0 as usize] = number * steps.step;
                emitter.push_scope();
                emitter.prepare_lookups(var, items);
                state = turn(emitter, &state);
                emitter.pop_scope();
            }
            emitter.shifts[var.0 as usize] = 0;
            state
        });

        let rest = Steps { start: index, ..steps };
        if self.is_short(items, rest) {
            self.written_out(var, items, rest, state, turn)
        } else {
            self.rolled_loop(var, items, rest, state, turn)
        }
    }

    fn is_short(&self, items: &[LaneItem], steps: Steps) -> bool {
        steps.turns().is_some_and(|turns| turns <= 1 || turns * self.size(items) <= WRITTEN_OUT)
    }

    /// A known number of iterations, completely unrolled.
    fn written_out(
        &mut self,
        var: Var,
        items: &'p [LaneItem],
        steps: Steps,
        initial: Vec<Value>,
        turn: Turn<'_, 'p, 'f, 'b>,
    ) -> (Bound, Vec<Value>) {
        let (Some(turns), Bound::Known(start)) = (steps.turns(), steps.start) else {
            unreachable!("downhill bug: a loop of unknown extent written out; please report");
        };
        let mut state = initial;
        for index in (0..turns).map(|number| start + number * steps.step) {
            state = self.in_body(var, Bound::Known(index), items, |emitter| turn(emitter, &state));
        }
        (Bound::Known(start + turns * steps.step), state)
    }

    /// Runs `emit` with `var` open at `index` and a scope of its own.
    fn in_body<T>(
        &mut self,
        var: Var,
        index: Bound,
        items: &'p [LaneItem],
        emit: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = self.vars[var.0 as usize].replace(index);
        self.open.push(var);
        self.push_scope();
        self.prepare_lookups(var, items);
        let result = emit(self);
        self.pop_scope();
        self.open.pop();
        self.vars[var.0 as usize] = outer;
        result
    }

    /// How many iterations of a light loop that carries vectors are unrolled: x86-64's fma leaves its sum in another register than it came
    /// from, and only between unrolled iterations does that cost no move.
    fn unrolled(&self, items: &[LaneItem], carried: usize) -> i64 {
        let has_loop = items.iter().any(|item| matches!(item, LaneItem::Loop(_)));
        let size = self.size(items);
        if carried == 0 || self.strip.lanes == 1 || has_loop || self.strip.piece_by_piece {
            return 1;
        }
        // Few accumulators wait for their sums anyway.
        let most = if carried < 6 { 2 } else { 4 };
        let fitting = if size <= 32 {
            4
        } else if size <= 64 {
            2
        } else {
            1
        };
        most.min(fitting)
    }

    /// The loop itself. It tests at its head, where every carried value is a block parameter: a value that went both to
    /// the next iteration and to the exit would count as read twice, and no load could become an operand of what
    /// computes it.
    fn rolled_loop(
        &mut self,
        var: Var,
        items: &'p [LaneItem],
        steps: Steps,
        initial: Vec<Value>,
        turn: Turn<'_, 'p, 'f, 'b>,
    ) -> (Bound, Vec<Value>) {
        if steps.turns() == Some(0) {
            return (steps.start, initial);
        }
        if worth_preparing(items) {
            self.prepare(items);
        }

        // Products of the counter that no addressing mode has are carried as offsets.
        let strides = carried_strides(var, items);
        let start = self.materialize(steps.start);
        let last = self.plus(steps.end, -steps.step);
        let last = self.materialize(last);
        let offsets: Vec<Value> =
            strides.iter().map(|&stride| self.scaled_start(steps.start, start, stride)).collect();
        let advances: Vec<Value> = strides.iter().map(|&stride| self.advance(stride, steps.step)).collect();

        let (head, body, exit) = (self.f.create_block(), self.f.create_block(), self.f.create_block());
        let first: Vec<Value> = [start].into_iter().chain(offsets).chain(initial).collect();
        let parameters = self.parameters(head, &first);
        self.f.ins().jump(head, &arguments(&first));
        self.f.switch_to_block(head);

        let (index, rest) = (parameters[0], &parameters[1..]);
        let more = self.f.ins().icmp(IntCC::SignedLessThanOrEqual, index, last);
        self.f.ins().brif(more, body, &[], exit, &[]);
        self.f.seal_block(body);
        self.f.seal_block(exit);
        self.f.switch_to_block(body);

        let (offsets, state) = rest.split_at(strides.len());
        let next_state = self.in_body(var, Bound::In(index), items, |emitter| {
            for (&stride, &offset) in strides.iter().zip(offsets) {
                emitter.scope().offsets.insert((var, stride), offset);
            }
            turn(emitter, state)
        });
        let next = self.f.ins().iadd_imm_s(index, steps.step);
        let next_offsets: Vec<Value> = offsets
            .iter()
            .zip(advances)
            .map(|(&offset, advance)| self.f.ins().iadd(offset, advance))
            .collect();
        let next: Vec<Value> = [next].into_iter().chain(next_offsets).chain(next_state).collect();
        self.f.ins().jump(head, &arguments(&next));
        self.f.seal_block(head);

        self.f.switch_to_block(exit);
        let after = steps.behind().map_or(Bound::In(index), Bound::Known);
        (after, state.to_vec())
    }

    fn scaled_start(&mut self, start: Bound, value: Value, stride: Integer) -> Value {
        match (start, stride) {
            (Bound::Known(start), Integer::Constant(stride)) => self.f.ins().iconst(I64, start * stride),
            (Bound::Known(0), _) => self.f.ins().iconst(I64, 0),
            _ => self.scaled(value, stride),
        }
    }

    /// What an iteration adds to a byte offset.
    fn advance(&mut self, stride: Integer, step: i64) -> Value {
        match stride {
            Integer::Constant(stride) => self.f.ins().iconst(I64, stride * step),
            Integer::Argument(argument) if step == 1 => self.integers[argument as usize],
            Integer::Argument(argument) => self.f.ins().imul_imm_s(self.integers[argument as usize], step),
        }
    }

    fn parameters(&mut self, block: cranelift_codegen::ir::Block, like: &[Value]) -> Vec<Value> {
        let types: Vec<_> = like.iter().map(|&value| self.f.func.dfg.value_type(value)).collect();
        types.into_iter().map(|ty| self.f.append_block_param(block, ty)).collect()
    }

    /// Instructions in `items` for all pieces of a strip, inner loops counted once.
    pub(super) fn size(&self, items: &[LaneItem]) -> i64 {
        let pieces = self.strip.pieces as i64;
        let size = |item: &LaneItem| match item {
            LaneItem::Let(_, instruction) if instruction.is_constant() => 0,
            LaneItem::Let(register, _) if !self.varies(*register) => 1,
            LaneItem::Let(..) | LaneItem::Store { .. } => pieces,
            LaneItem::Watch(_) => 2 * pieces,
            LaneItem::Loop(item) => 4 + self.size(&item.body),
        };
        items.iter().map(size).sum()
    }
}

fn arguments(values: &[Value]) -> Vec<BlockArg> {
    values.iter().map(|&value| BlockArg::Value(value)).collect()
}

/// The strides that `var` is multiplied with in `items`, less those of addressing modes, each once.
fn carried_strides(var: Var, items: &[LaneItem]) -> Vec<Integer> {
    let mut strides = Vec::new();
    for_each_address(items, &mut |address| {
        for term in &address.terms {
            let counted = matches!(term.index, Index::Var { var: counted, .. } if counted == var);
            let scalable = matches!(term.stride, Integer::Constant(0 | 1 | 2 | 4 | 8));
            if counted && !scalable && !strides.contains(&term.stride) {
                strides.push(term.stride);
            }
        }
    });
    strides
}

/// True when the addresses in a loop's body may all be held in registers while it runs: always in an innermost loop.
fn worth_preparing(items: &[LaneItem]) -> bool {
    if !items.iter().any(|item| matches!(item, LaneItem::Loop(_))) {
        return true;
    }
    let mut bases = Vec::new();
    for_each_address(items, &mut |address| {
        let runs = address.terms.iter().map(|term| (term.index, term.stride));
        let known_rows = runs.map(|(index, stride)| match (index, stride) {
            (Index::Var { var, .. }, Integer::Constant(_)) => (Index::Var { var, plus: 0 }, stride),
            other => other,
        });
        let base = (address.pointer, known_rows.collect::<Vec<_>>());
        if !bases.contains(&base) {
            bases.push(base);
        }
    });
    bases.len() <= MOST_BASES
}
