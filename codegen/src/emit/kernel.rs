//! From scheduled kernels to a lane program.
//!
//! In: [`Kernel`]s that run one after another, each with its [`Schedule`]. Out: [`Emitted`]: the program, and what its arguments
//! stand for.
//!
//! A loop with a block of rows is unrolled: its body has one copy for each row of what differs between the rows, and a single copy of
//! what they share. A second loop runs the remainder.
//!
//! Must hold: no choice made here changes the order of a fold; the schedule has made all of those.
//!
//! # Decisions
//!
//! - A loop of one iteration is emitted as its body, even if it is a lane loop or a fold: the other partial results of such a fold are
//!   identities, so no bit changes. Elements at fixed positions are passed in registers from kernel to kernel of one function. A
//!   step of batch 1 is a chain of scalars: masks, gathers and combining trees of one lane, and loads of what was just stored, were
//!   most of its time.

use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::is_ordered;
use crate::ir::kernel::{
    Access, Accumulator, Buffer, Expression, Item, Kernel, Loop, Term, ValueId, dependents,
};
use crate::lane::scalar;
use crate::lane::{
    Address, Binary as B, Combine, Integer, Kind, LaneProgram, Portion, ProgramBuilder, Reg, Unary as U, Var,
    merge_lanes,
};
use crate::schedule::loops::Schedule;
use crate::schedule::specialize::Scheduled;
use downhill_graph::dim::Dim;
use downhill_graph::graph::bug;
use downhill_graph::hash::{Map, Set};
use downhill_graph::op::{Compare, Reduction};
use downhill_graph::types::ElementType;
use std::collections::BTreeSet;
use std::fmt;

/// Numbers up to this are constants in the code: sums of a few of them do not overflow. Greater ones are loaded.
const FAR: u64 = 1 << 47;

/// A lane program and the meaning of its arguments.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The code.
    pub program: LaneProgram,
    /// What each pointer argument points to.
    pub pointers: Vec<Pointer>,
    /// What each integer argument is.
    pub integers: Vec<Number>,
}

impl Emitted {
    /// What the arguments stand for, with `buffer` applied to every buffer.
    pub(crate) fn arguments(&self, buffer: impl Fn(Buffer) -> Buffer) -> (Vec<Pointer>, Vec<Number>) {
        let pointer = |pointer: &Pointer| match pointer {
            Pointer::Into(from, offset) => Pointer::Into(buffer(*from), offset.clone()),
            Pointer::Rows | Pointer::Alarm => pointer.clone(),
        };

        let number = |number: &Number| match number {
            Number::RowStride(input) => match buffer(Buffer::Input(*input)) {
                Buffer::Input(input) => Number::RowStride(input),
                other => bug(&format!("rows of {other}")),
            },
            Number::Dim(_)
            | Number::Distance(_)
            | Number::Real(_)
            | Number::Key(..)
            | Number::Begin
            | Number::End => number.clone(),
        };

        (self.pointers.iter().map(pointer).collect(), self.integers.iter().map(number).collect())
    }
}

/// What a pointer argument points to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// This many bytes into a buffer.
    Into(Buffer, Dim),
    /// The row numbers of this step.
    Rows,
    /// The alarm: [`crate::abi::Context::alarm`].
    Alarm,
}

/// What an integer argument is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// The value of a dim.
    Dim(Dim),
    /// The value of a dim that is a distance between elements, in bytes or in elements.
    Distance(Dim),
    /// The value of a dim as an f32, by its bits.
    Real(Dim),
    /// Bytes from one row of a looked-up input to the next.
    RowStride(usize),
    /// A word of a random stream's key in this step.
    Key(u32, usize),
    /// The first iteration of the divided loop that this thread runs: the first argument of a divided kernel.
    Begin,
    /// One past the last of them: its second argument.
    End,
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pointer::Into(buffer, offset) if *offset == Dim::from(0) => write!(f, "{buffer}"),
            Pointer::Into(buffer, offset) => write!(f, "{buffer} + {offset}"),
            Pointer::Rows => f.write_str("rows"),
            Pointer::Alarm => f.write_str("alarm"),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Dim(dim) | Number::Distance(dim) => write!(f, "{dim}"),
            Number::Real(dim) => write!(f, "real {dim}"),
            Number::RowStride(input) => write!(f, "row stride of input{input}"),
            Number::Key(stream, word) => write!(f, "key {stream}.{word}"),
            Number::Begin => f.write_str("begin"),
            Number::End => f.write_str("end"),
        }
    }
}

/// Emits kernels, one after another, as one program. `overlap` says which buffers may share memory.
pub fn emit(kernels: &[Scheduled], overlap: &dyn Fn(Buffer, Buffer) -> bool) -> Emitted {
    let mut emitted = Emitted { program: LaneProgram::default(), pointers: Vec::new(), integers: Vec::new() };
    let mut b = ProgramBuilder::new();
    if kernels.iter().any(|kernel| kernel.division.is_some()) {
        emitted.integers.extend([Number::Begin, Number::End]);
    }

    let mut memory = Map::default();

    // A row is looked up by a loop counter: where that loop is emitted as its body, one loop of one iteration encloses everything.
    let by_row = kernels.iter().any(|Scheduled { kernel, .. }| looks_up_one_row(kernel));
    let once = b.var();
    if by_row {
        b.begin_loop(once, Integer::Constant(0), Integer::Constant(1), Portion::Whole, false);
    }

    for Scheduled { kernel, schedule, division } in kernels {
        let mut definitions = Map::default();
        kernel.visit(&mut |item| {
            if let Item::Let(value, expression) = item {
                definitions.insert(*value, expression);
            }
        });

        let mut emit = Emit {
            kernel,
            schedule,
            divided: division.as_ref().map(|division| &division.axes),
            definitions,
            b: &mut b,
            pointers: &mut emitted.pointers,
            integers: &mut emitted.integers,
            once,
            vars: Map::default(),
            registers: Map::default(),
            memory: &mut memory,
            depth: 0,
            block: None,
        };
        emit.items(&kernel.body);
    }
    if by_row {
        b.end_loop(&[]);
    }

    emitted.pointers.iter().for_each(|_| _ = b.pointer());
    emitted.integers.iter().for_each(|_| _ = b.integer());
    let pointers = emitted.pointers.clone();

    // Lane loops that follow one another are merged; the closure says which pointers may reach the same memory.
    let program = merge_lanes(b.finish(), &|x, y| match (&pointers[x as usize], &pointers[y as usize]) {
        (Pointer::Into(x, _), Pointer::Into(y, _)) => x == y || overlap(*x, *y),
        _ => false,
    });
    Emitted { program, ..emitted }
}

/// A block of unrolled rows that is being emitted.
struct Block {
    axis: Axis,
    rows: usize,
    /// The values that differ between the rows.
    differ: Set<ValueId>,
}

/// An element whose position no loop changes: its buffer, the looked-up row if there is one, the index.
type Element = (Buffer, Option<i64>, Dim);

/// The indices of a loop.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) start: Integer,
    pub(super) end: Integer,
    pub(super) portion: Portion,
}

pub(super) struct Emit<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) schedule: &'a Schedule,
    /// The loops of which each thread runs a range.
    divided: Option<&'a BTreeSet<Axis>>,
    definitions: Map<ValueId, &'a Expression>,
    pub(super) b: &'a mut ProgramBuilder,
    pointers: &'a mut Vec<Pointer>,
    integers: &'a mut Vec<Number>,
    /// The counter of a loop of one iteration around a program that looks up one row: a lookup needs a counter, and this one stands for
    /// every axis of one iteration.
    once: Var,
    vars: Map<Axis, Var>,
    /// For each value its register, or one for each row of the block.
    registers: Map<ValueId, Vec<Reg>>,
    /// Elements that were read or written outside of loops and not changed since: later kernels take them from registers. Arena buffers
    /// that share memory do no harm: each is written before it is read, and not read after its lifetime.
    memory: &'a mut Map<Element, Reg>,
    /// How many loops are open.
    depth: usize,
    block: Option<Block>,
}

impl Emit<'_> {
    fn items(&mut self, items: &[Item]) {
        let is_loop = |item: &Item| matches!(item, Item::Loop(_));
        let mut is_behind_sums = false;
        for run in items.chunk_by(|before, item| !is_loop(before) && !is_loop(item)) {
            match run {
                [Item::Loop(inner)] => {
                    is_behind_sums = true;
                    match self.schedule.rows.get(&inner.axis) {
                        Some(&rows) if self.block.is_none() => self.blocks(inner, rows),
                        _ => self.plain_loop(inner, Portion::Whole, 0),
                    }
                }
                _ => self.run(run, is_behind_sums),
            }
        }
    }

    /// Items without a loop. What stands behind the sums of several rows is done row by row: of all rows at once it would want as many
    /// registers for each of its values, and the sums before it would have to be narrower.
    fn run(&mut self, run: &[Item], is_behind_sums: bool) {
        let rows = self.block.as_ref().filter(|_| is_behind_sums).map_or(1, |block| block.rows);
        for row in 0..rows {
            // Of so many copies, those that are made in this turn.
            let own = |copies: usize| if rows == 1 { 0..copies } else { row..(row + 1).min(copies) };
            for item in run {
                match item {
                    Item::Let(value, expression) => {
                        for row in own(self.copies(*value)) {
                            let register = self.expression(*value, expression, row);
                            let registers = self.registers.entry(*value).or_default();
                            registers.truncate(row);
                            registers.push(register);
                        }
                    }
                    Item::Store(buffer, access, value) => {
                        own(self.rows_of(access)).for_each(|row| self.store(*buffer, access, *value, row));
                    }
                    Item::Loop(_) => bug("a loop in a run without loops"),
                }
            }
        }
    }

    /// How many stores an access stands for: one serves all rows where it does not depend on the row.
    fn rows_of(&self, access: &Access) -> usize {
        let axis = self.block.as_ref().map(|block| block.axis);
        let by_value = access.by.is_some_and(|by| self.copies(by) > 1);
        let moves = by_value || axis.is_some_and(|axis| access.uses(axis));
        self.block.as_ref().filter(|_| moves).map_or(1, |block| block.rows)
    }

    /// How many registers a value has here: one for each row where the rows differ.
    fn copies(&self, value: ValueId) -> usize {
        self.block.as_ref().filter(|block| block.differ.contains(&value)).map_or(1, |block| block.rows)
    }

    /// The register of a value in a row.
    fn register(&self, value: ValueId, row: usize) -> Reg {
        match self.registers.get(&value).map(Vec::as_slice) {
            Some([one]) => *one,
            Some(several) => several[row],
            None => bug("a value of a kernel used before it is set"),
        }
    }

    /// Whole blocks of rows, then the remainder: one smaller block where its size is known, else a loop over single rows.
    fn blocks(&mut self, inner: &Loop, rows: u32) {
        self.block(inner, rows, 0);
        match self.kernel.extents[inner.axis.0 as usize].as_constant() {
            Some(extent) => {
                let rest = extent % i64::from(rows);
                if rest > 0 {
                    self.block(inner, rest as u32, extent - rest);
                }
            }
            None => self.plain_loop(inner, Portion::Rest(rows), 0),
        }
    }

    /// A loop over blocks of `rows` rows, from row `first` on.
    fn block(&mut self, inner: &Loop, rows: u32, first: i64) {
        let mut differ = Set::default();
        dependents(&inner.body, inner.axis, &mut differ);
        self.block = Some(Block { axis: inner.axis, rows: rows as usize, differ });
        self.plain_loop(inner, Portion::Blocks(rows), first);
        self.block = None;
    }

    /// A loop, from iteration `first` on.
    fn plain_loop(&mut self, inner: &Loop, portion: Portion, first: i64) {
        if self.kernel.extents[inner.axis.0 as usize].is(0) {
            // No iterations, so the body is not emitted: a stride of the empty axis is 0 too, and all rows would store to one address.
            let starts = self.starts(inner);
            let results = inner.accumulators.iter().map(|accumulator| accumulator.result);
            self.registers.extend(results.zip(starts));
            return;
        }
        if is_once(self.kernel, inner.axis) {
            return self.once(inner);
        }

        // The body may run several times: what it stores is not in a register when it starts.
        self.forget_stored(&inner.body);
        self.depth += 1;
        let [start, end] = self.range(inner.axis);
        // A thread whose range ends before `first` runs none of this: cuts lie between blocks.
        let start = if first > 0 { Integer::Constant(first) } else { start };
        let starts = self.starts(inner);
        let after = match self.chunk(inner) {
            Some(length) => self.long_fold(inner, length, &starts),
            None => self.turns(inner, Range { start, end, portion }, &starts),
        };
        for (accumulator, after) in inner.accumulators.iter().zip(after) {
            self.registers.insert(accumulator.result, after);
        }
        self.depth -= 1;
    }

    /// A loop over a range, its accumulators from `starts` on. Gives their values after it, one for each row where the rows differ.
    pub(super) fn turns(&mut self, inner: &Loop, range: Range, starts: &[Vec<Reg>]) -> Vec<Vec<Reg>> {
        let var = self.b.var();
        self.vars.insert(inner.axis, var);
        let lanes = self.schedule.lanes.contains(&inner.axis);
        if lanes && is_ordered(inner) {
            bug("a loop that runs in order is a lane loop");
        }
        self.b.begin_loop(var, range.start, range.end, range.portion, lanes);

        // Each accumulator is carried through the loop, once for each row where the rows differ.
        let mut inside: Vec<Vec<Reg>> = Vec::new();
        for (accumulator, starts) in inner.accumulators.iter().zip(starts) {
            let combine = lanes.then(|| combine(accumulator.kind, self.kernel.element(accumulator.result)));
            let carried: Vec<Reg> = starts.iter().map(|&start| self.b.carry(start, combine)).collect();
            self.registers.extend(accumulator.inside.map(|value| (value, carried.clone())));
            inside.push(carried);
        }

        self.items(&inner.body);

        let mut next = Vec::new();
        for (accumulator, inside) in inner.accumulators.iter().zip(&inside) {
            next.extend(
                inside
                    .iter()
                    .enumerate()
                    .map(|(row, &so_far)| self.fold_in(accumulator, so_far, row))
                    .collect::<Vec<_>>(),
            );
        }
        let mut after = self.b.end_loop(&next).into_iter();
        inside.iter().map(|inside| after.by_ref().take(inside.len()).collect()).collect()
    }

    /// What each accumulator of a loop starts with, once for each row where the rows differ.
    fn starts(&mut self, inner: &Loop) -> Vec<Vec<Reg>> {
        let mut start = |a: &Accumulator| {
            let rows = 0..self.copies(a.result);
            match a.from {
                Some(from) => rows.map(|row| self.register(from, row)).collect(),
                None => {
                    let identity = scalar::identity(self.b, a.kind, self.kernel.element(a.result));
                    vec![identity; rows.len()]
                }
            }
        };
        inner.accumulators.iter().map(&mut start).collect()
    }

    /// A loop of one iteration is emitted as its body, even a lane loop: the other partial results of its folds are identities.
    fn once(&mut self, inner: &Loop) {
        let starts = self.starts(inner);
        for (accumulator, starts) in inner.accumulators.iter().zip(&starts) {
            self.registers.extend(accumulator.inside.map(|value| (value, starts.clone())));
        }
        self.items(&inner.body);
        for (accumulator, starts) in inner.accumulators.iter().zip(&starts) {
            let rows = starts.iter().enumerate();
            let folded = rows.map(|(row, &start)| self.fold_in(accumulator, start, row)).collect();
            self.registers.insert(accumulator.result, folded);
        }
    }

    /// The first value of a loop's counter and the end: this thread's range if the loop is divided.
    fn range(&mut self, axis: Axis) -> [Integer; 2] {
        if self.divided.is_some_and(|axes| axes.contains(&axis)) {
            return [Number::Begin, Number::End].map(|number| self.integer(number));
        }
        let iterations = self.kernel.extents[axis.0 as usize].clone();
        [Integer::Constant(0), self.integer(Number::Dim(iterations))]
    }

    fn fold_in(&mut self, accumulator: &Accumulator, so_far: Reg, row: usize) -> Reg {
        let element = self.kernel.element(accumulator.result);
        match accumulator.term {
            Term::Product(x, y) => {
                let (x, y) = (self.register(x, row), self.register(y, row));
                self.b.fma(x, y, so_far)
            }
            Term::Value(value) => {
                let value = self.register(value, row);
                let op = accumulator.kind.facts().function;
                scalar::binary(self.b, op, element, so_far, value)
            }
            Term::Next(value) => self.register(value, row),
        }
    }

    fn expression(&mut self, value: ValueId, expression: &Expression, row: usize) -> Reg {
        let element = self.kernel.element(value);
        match expression {
            Expression::Constant(literal) => scalar::literal(self.b, *literal),
            Expression::Load(buffer, access) => match scalar::kind(element) {
                Kind::Mask => {
                    let stored = self.load(Kind::I32, value, (*buffer, access), row);
                    scalar::convert(self.b, ElementType::I32, ElementType::Bool, stored)
                }
                kind => self.load(kind, value, (*buffer, access), row),
            },
            Expression::Index(at) => self.index(at, row),
            Expression::Random(stream, at) => {
                let key = [0, 1].map(|word| position(self.integers, Number::Key(*stream, word)));
                let key = key.map(|argument| self.b.argument(argument));
                let element = self.index(at, row);
                scalar::random_bits(self.b, key, element)
            }
            Expression::Dim(dim) if element.is_float() => self.real(dim),
            Expression::Dim(dim) => self.whole(Number::Dim(dim.clone())),
            Expression::Unary(unary, x) => {
                let register = self.register(*x, row);
                scalar::unary(self.b, *unary, self.kernel.element(*x), register)
            }
            Expression::Binary(binary, x, y) => {
                let (a, c) = (self.register(*x, row), self.register(*y, row));
                scalar::binary(self.b, *binary, self.kernel.element(*x), a, c)
            }
            Expression::Compare(compare, x, y) => {
                let (a, c) = (self.register(*x, row), self.register(*y, row));
                scalar::compare(self.b, *compare, self.kernel.element(*x), a, c)
            }
            Expression::Select(mask, x, y) => {
                let [m, a, c] = [*mask, *x, *y].map(|operand| self.register(operand, row));
                if self.is_rectifier(*mask, *x, *y) {
                    self.b.binary(B::PickGreater, a, c)
                } else {
                    self.b.select(m, a, c)
                }
            }
            Expression::Convert(x) => {
                let register = self.register(*x, row);
                scalar::convert(self.b, self.kernel.element(*x), element, register)
            }
        }
    }

    /// True for `select(y ≤ 0, 0, y)`, which is one instruction that passes NaN on. For −0 it may give a zero of either sign, which no
    /// comparison tells apart.
    fn is_rectifier(&self, mask: ValueId, x: ValueId, y: ValueId) -> bool {
        let zero = |value: ValueId| matches!(self.definitions.get(&value), Some(Expression::Constant(l)) if l.element == ElementType::F32 && l.value() == 0.0 && l.value().is_sign_positive());
        zero(x)
            && matches!(self.definitions.get(&mask), Some(Expression::Compare(Compare::LessEqual, a, c)) if *a == y && zero(*c))
    }

    fn store(&mut self, buffer: Buffer, access: &Access, value: ValueId, row: usize) {
        let mut register = self.register(value, row);
        // What is watched goes to the alarm, not to memory.
        if buffer == Buffer::Watched {
            let alarm = position(self.pointers, Pointer::Alarm);
            return self.b.watch(alarm, register);
        }
        if self.b.register(register).kind == Kind::Mask {
            register = self.b.unary(U::FromMask, register);
        }

        let address = self.address(buffer, access, value, row);
        self.b.store(address, register);

        // Other accesses to the buffer may have named this element, so all of it is forgotten.
        self.memory.retain(|element, _| element.0 != buffer);
        if let Some(element) = self.fixed_element(buffer, access).filter(|_| self.depth == 0) {
            self.memory.insert(element, register);
        }
    }

    fn load(&mut self, kind: Kind, value: ValueId, (buffer, access): (Buffer, &Access), row: usize) -> Reg {
        let element = self.fixed_element(buffer, access);
        let known = element.as_ref().and_then(|element| self.memory.get(element));
        if let Some(&known) = known.filter(|known| self.b.register(**known).kind == kind) {
            return known;
        }
        let address = self.address(buffer, access, value, row);
        let loaded = self.b.load(kind, address);
        if let Some(element) = element.filter(|_| self.depth == 0) {
            self.memory.insert(element, loaded);
        }
        loaded
    }

    /// Forgets the registers that hold elements of buffers that `items` write.
    fn forget_stored(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Store(buffer, ..) => self.memory.retain(|element, _| element.0 != *buffer),
                Item::Loop(inner) => self.forget_stored(&inner.body),
                Item::Let(..) => {}
            }
        }
    }

    /// The element of an access that no loop changes.
    fn fixed_element(&self, buffer: Buffer, access: &Access) -> Option<Element> {
        let fixed = access.by.is_none() && access.at.terms.keys().all(|&axis| is_once(self.kernel, axis));
        let row = match access.row {
            Some((axis, plus)) if is_once(self.kernel, axis) => Some(plus),
            Some(_) => return None,
            None => None,
        };
        fixed.then(|| (buffer, row, access.at.constant.clone()))
    }

    /// The address of elements of a value's type.
    fn address(&mut self, buffer: Buffer, access: &Access, value: ValueId, row: usize) -> Address {
        let bytes = Dim::from(self.kernel.element(value).bytes());
        let constant = &access.at.constant * &bytes;

        // A constant offset is part of the address; one that is large or depends on sizes is part of the pointer.
        let (fixed, rest) = match constant.as_constant() {
            Some(fixed) if fixed.unsigned_abs() <= FAR => (fixed, Dim::default()),
            _ => (0, constant),
        };

        let pointer = position(self.pointers, Pointer::Into(buffer, rest));
        let mut address = Address::new(pointer).offset(fixed);
        let (kernel, schedule) = (self.kernel, self.schedule);
        let mut by = access.by.map(|by| self.register(by, row));

        // What differs from lane to lane is one number: the lane loop's own part is added to it.
        let is_lane = |axis: &Axis| schedule.lanes.contains(axis);
        let by_lane = by.is_some_and(|by| self.b.register(by).varying);
        if let Some(register) = by.filter(|_| by_lane && access.at.terms.keys().any(is_lane)) {
            let own = access.at.terms.iter().filter(|(axis, _)| is_lane(axis));
            let terms = own.map(|(axis, coefficient)| (*axis, coefficient.clone())).collect();
            let own = self.index(&Affine { constant: Dim::default(), terms }, row);
            by = Some(self.b.binary(B::AddI, register, own));
        }

        let left_out = |axis: &Axis| is_once(kernel, *axis) || by_lane && is_lane(axis);
        for (axis, coefficient) in access.at.terms.iter().filter(|(axis, _)| !left_out(axis)) {
            let stride = self.integer(Number::Distance(coefficient * &bytes));
            address = address.index_plus(self.vars[axis], self.plus(*axis, row), stride);
        }

        if let (Some((axis, plus)), Buffer::Input(input)) = (access.row, buffer) {
            let table = position(self.pointers, Pointer::Rows);
            let stride = self.integer(Number::RowStride(input));
            let var = if is_once(self.kernel, axis) { self.once } else { self.vars[&axis] };
            address = address.lookup(table, var, plus + self.plus(axis, row), stride);
        }
        Address { by, ..address }
    }

    /// What an unrolled row adds to the counter of an axis.
    fn plus(&self, axis: Axis, row: usize) -> i64 {
        if self.block.as_ref().is_some_and(|block| block.axis == axis) { row as i64 } else { 0 }
    }

    /// A number as an operand of loops and addresses.
    pub(super) fn integer(&mut self, number: Number) -> Integer {
        if let Number::Dim(dim) | Number::Distance(dim) = &number
            && let Some(constant) = dim.as_constant().filter(|constant| constant.unsigned_abs() <= FAR)
        {
            return Integer::Constant(constant);
        }
        Integer::Argument(position(self.integers, number))
    }

    /// A number as an i32 in a register.
    fn whole(&mut self, number: Number) -> Reg {
        match self.integer(number) {
            Integer::Constant(value) => self.b.constant_i(value as i32),
            Integer::Argument(argument) => self.b.argument(argument),
        }
    }

    /// The value of a dim as an f32 in a register, rounded once: an i32 would not hold every size.
    fn real(&mut self, dim: &Dim) -> Reg {
        if let Some(constant) = dim.as_constant() {
            return self.b.constant_f(constant as f64 as f32);
        }
        let argument = position(self.integers, Number::Real(dim.clone()));
        let bits = self.b.argument(argument);
        self.b.unary(U::FromBits, bits)
    }

    fn index(&mut self, at: &Affine, row: usize) -> Reg {
        let mut sum: Option<Reg> = None;
        let kernel = self.kernel;
        for (axis, coefficient) in at.terms.iter().filter(|(axis, _)| !is_once(kernel, **axis)) {
            let mut term = self.b.counter(self.vars[axis], self.plus(*axis, row));
            if !coefficient.is(1) {
                let factor = self.whole(Number::Distance(coefficient.clone()));
                term = self.b.binary(B::MulI, term, factor);
            }
            sum = Some(sum.map_or(term, |sum| self.b.binary(B::AddI, sum, term)));
        }

        match sum {
            Some(sum) if at.constant.is(0) => sum,
            Some(sum) => {
                let constant = self.whole(Number::Distance(at.constant.clone()));
                self.b.binary(B::AddI, sum, constant)
            }
            None => self.whole(Number::Distance(at.constant.clone())),
        }
    }
}

/// The position of `item` in `list`; it is added if it is not there.
fn position<T: PartialEq>(list: &mut Vec<T>, item: T) -> u32 {
    let found = list.iter().position(|known| *known == item);
    found.unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    }) as u32
}

fn combine(kind: Reduction, element: ElementType) -> Combine {
    match (kind, element.is_float()) {
        (Reduction::Sum, true) => Combine::AddF,
        (Reduction::Max, true) => Combine::MaxF,
        (Reduction::Min, true) => Combine::MinF,
        (Reduction::Sum, false) => Combine::AddI,
        (Reduction::Max, false) => Combine::MaxI,
        (Reduction::Min, false) => Combine::MinI,
    }
}

/// Whether the loop over an axis has exactly one iteration.
fn is_once(kernel: &Kernel, axis: Axis) -> bool {
    kernel.extents[axis.0 as usize].is(1)
}

/// Whether a kernel looks up a row by an axis of one iteration.
fn looks_up_one_row(kernel: &Kernel) -> bool {
    let rows = kernel.accesses().into_iter().filter_map(|(_, access, _)| access.row);
    rows.into_iter().any(|(axis, _)| is_once(kernel, axis))
}
