//! Addresses, loads and stores. In: an [`Address`] and a lane of the strip. Out: a base value with a constant offset.
//!
//! Terms are added outermost loop first, and every partial sum is remembered in the scope where it was made; a loop
//! calls [`Emitter::prepare`] on its body before it begins, so that each sum is made outside the loops that do not
//! change it. A counter times 1, 2, 4 or 8 is left to the addressing mode; any other product is a byte offset that
//! its loop carries along and adds to (see `loops.rs`).

use super::estimate::LANES;
use crate::lane::ELEMENT_BYTES;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};

use super::emitter::{Bound, Emitter, type_of};
use crate::lane::{Address, Index, Integer, Kind, LaneItem, Reg, Term, Var, for_each_address};

/// An address as an instruction takes it.
#[derive(Clone, Copy)]
struct Place {
    base: Value,
    offset: i32,
}

impl<'p> Emitter<'p, '_, '_> {
    /// True when neighbouring elements of the lane loop are neighbours in memory.
    pub(super) fn is_contiguous(&self, address: &Address) -> bool {
        self.lane_var.is_some_and(|var| address.is_contiguous_in(var))
    }

    pub(super) fn load_uniform(&mut self, kind: Kind, address: &Address) -> Value {
        let place = self.place(address, 0);
        self.f.ins().load(type_of(kind, false), MemFlagsData::trusted(), place.base, place.offset)
    }

    pub(super) fn load_varying(&mut self, kind: Kind, address: &Address, piece: usize) -> Value {
        if self.strip.lanes == 1 {
            return self.load_uniform(kind, address);
        }
        let (scalar, vector) = (type_of(kind, false), type_of(kind, true));
        let first = LANES * piece as i64;
        if self.is_contiguous(address) {
            let place = self.place(address, first);
            return self.f.ins().load(vector, vector_flags(), place.base, place.offset);
        }
        let place = self.place(address, first);
        let element = self.f.ins().load(scalar, MemFlagsData::trusted(), place.base, place.offset);
        let mut value = self.f.ins().scalar_to_vector(vector, element);
        for lane in 1..4 {
            let place = self.place(address, first + lane);
            let element = self.f.ins().load(scalar, MemFlagsData::trusted(), place.base, place.offset);
            value = self.f.ins().insertlane(value, element, lane as u8);
        }
        value
    }

    pub(super) fn store(&mut self, address: &Address, value: Reg, pieces: &std::ops::Range<usize>) {
        for piece in pieces.clone() {
            let vector = self.strip.lanes > 1;
            let value = self.operand(value, piece, vector);
            let first = LANES * piece as i64;
            let lanes = if vector && !self.is_contiguous(address) { LANES } else { 1 };
            for lane in 0..lanes {
                let place = self.place(address, first + lane);
                let (value, flags) = match (vector, lanes) {
                    (false, _) => (value, MemFlagsData::trusted()),
                    (true, 1) => (value, vector_flags()),
                    (true, _) => (self.f.ins().extractlane(value, lane as u8), MemFlagsData::trusted()),
                };
                self.f.ins().store(flags, value, place.base, place.offset);
            }
        }
    }

    /// Makes, before a loop begins, all that addresses in its body need and the loop does not change.
    pub(super) fn prepare(&mut self, items: &'p [LaneItem]) {
        for_each_address(items, &mut |address| {
            self.sum(address, 0);
        });
    }

    /// Makes, at the head of a loop's body, what its counter looks up.
    pub(super) fn prepare_lookups(&mut self, var: Var, items: &'p [LaneItem]) {
        let lanes = if Some(var) == self.lane_var { self.strip.width() } else { 1 };
        for_each_address(items, &mut |address| {
            for &term in &address.terms {
                if matches!(term.index, Index::Lookup { var: looked, .. } if looked == var) {
                    let shift = self.shifts[var.0 as usize];
                    (0..lanes).for_each(|lane| {
                        self.lookup(term, shift + lane);
                    });
                }
            }
        });
    }

    /// The address of element `lane` of the strip.
    fn place(&mut self, address: &Address, lane: i64) -> Place {
        let (base, offset) = self.sum(address, lane);
        match i32::try_from(offset) {
            Ok(offset) => Place { base, offset },
            Err(_) => Place { base: self.f.ins().iadd_imm_s(base, offset), offset: 0 },
        }
    }

    /// The pointer with the terms of open loops, and the constant part.
    fn sum(&mut self, address: &Address, lane: i64) -> (Value, i64) {
        let (base, mut offset) = (self.pointers[address.pointer as usize], address.offset);
        let mut base = self.moved_by(base, address, None, lane);
        for at in 0..self.open.len() {
            let var = self.open[at];
            if let Some(&term) = address.terms.iter().find(|term| term.index.var() == var) {
                base = self.add_term(base, &mut offset, term, lane);
            }
            // What an address is moved by is known from within the loop on that sets it.
            base = self.moved_by(base, address, Some(var), lane);
        }
        (base, offset)
    }

    /// The base moved by as many elements as a register says that is set in this loop, if the address has one.
    fn moved_by(&mut self, base: Value, address: &Address, home: Option<Var>, lane: i64) -> Value {
        let Some(by) = address.by.filter(|by| self.homes[by.0 as usize] == home) else { return base };
        let lane = if self.is_vector(by) { lane } else { 0 };
        let bytes = match self.find(|scope| scope.moved.get(&(by, lane))) {
            Some(known) => known,
            None => {
                let value = self.operand(by, (lane / LANES) as usize, self.is_vector(by));
                let element = if self.is_vector(by) {
                    self.f.ins().extractlane(value, (lane % LANES) as u8)
                } else {
                    value
                };
                let elements = self.f.ins().uextend(I64, element);
                let bytes = self.scaled(elements, Integer::Constant(ELEMENT_BYTES));
                self.scope().moved.insert((by, lane), bytes);
                bytes
            }
        };
        self.add(base, bytes)
    }

    fn add_term(&mut self, mut base: Value, offset: &mut i64, term: Term, lane: i64) -> Value {
        let var = term.index.var();
        let lane = if Some(var) == self.lane_var { lane } else { 0 } + self.shifts[var.0 as usize];
        match (term.index, term.stride) {
            (Index::Lookup { .. }, _) => {
                let looked_up = self.lookup(term, lane);
                self.add(base, looked_up)
            }
            (Index::Var { var, plus }, Integer::Constant(stride)) => {
                *offset += (plus + lane) * stride;
                self.add_counter(base, offset, var, term.stride)
            }
            (Index::Var { var, plus }, Integer::Argument(argument)) => {
                if plus + lane != 0 {
                    let multiple = self.multiple(argument, plus + lane);
                    base = self.add(base, multiple);
                }
                self.add_counter(base, offset, var, term.stride)
            }
        }
    }

    /// `base + var·stride`; what is known now goes to `offset`.
    fn add_counter(&mut self, base: Value, offset: &mut i64, var: Var, stride: Integer) -> Value {
        match (self.vars[var.0 as usize], stride) {
            (_, Integer::Constant(0)) | (Some(Bound::Known(0)), _) => base,
            (Some(Bound::Known(index)), Integer::Constant(stride)) => {
                *offset += index * stride;
                base
            }
            (Some(Bound::Known(index)), Integer::Argument(argument)) => {
                let multiple = self.multiple(argument, index);
                self.add(base, multiple)
            }
            _ => {
                let product = self.counter_offset(var, stride);
                self.add(base, product)
            }
        }
    }

    fn add(&mut self, x: Value, y: Value) -> Value {
        if let Some(known) = self.find(|scope| scope.sums.get(&(x, y))) {
            return known;
        }
        let sum = self.f.ins().iadd(x, y);
        self.scope().sums.insert((x, y), sum);
        sum
    }

    /// A stride argument times a known number.
    fn multiple(&mut self, argument: u32, factor: i64) -> Value {
        if factor == 1 {
            return self.integers[argument as usize];
        }
        if let Some(known) = self.find(|scope| scope.multiples.get(&(argument, factor))) {
            return known;
        }
        let product = self.f.ins().imul_imm_s(self.integers[argument as usize], factor);
        self.scope().multiples.insert((argument, factor), product);
        product
    }

    /// The value of an open counter times a stride.
    fn counter_offset(&mut self, var: Var, stride: Integer) -> Value {
        if let Some(known) = self.find(|scope| scope.offsets.get(&(var, stride))) {
            return known;
        }
        let index = self.counter(var);
        let index = self.materialize(index);
        let product = self.scaled(index, stride);
        self.scope().offsets.insert((var, stride), product);
        product
    }

    /// `index · stride`.
    pub(super) fn scaled(&mut self, index: Value, stride: Integer) -> Value {
        match stride {
            Integer::Constant(stride) if stride > 0 && stride.count_ones() == 1 => {
                self.f.ins().ishl_imm_u(index, i64::from(stride.trailing_zeros()))
            }
            Integer::Constant(stride) => self.f.ins().imul_imm_s(index, stride),
            Integer::Argument(argument) => self.f.ins().imul(index, self.integers[argument as usize]),
        }
    }

    /// The counter of an open loop.
    pub(super) fn counter(&self, var: Var) -> Bound {
        let bound = self.vars[var.0 as usize];
        bound.unwrap_or_else(|| panic!("downhill bug: counter v{} is not open; please report", var.0))
    }

    fn lookup(&mut self, term: Term, lane: i64) -> Value {
        if let Some(known) = self.find(|scope| scope.lookups.get(&(term, lane))) {
            return known;
        }
        let Index::Lookup { table, var, plus } = term.index else {
            unreachable!("downhill bug: not a lookup; please report");
        };
        let mut offset = (plus + lane) * ELEMENT_BYTES;
        let base = self.add_counter(
            self.pointers[table as usize],
            &mut offset,
            var,
            Integer::Constant(ELEMENT_BYTES),
        );
        let (base, offset) = match i32::try_from(offset) {
            Ok(offset) => (base, offset),
            Err(_) => (self.f.ins().iadd_imm_s(base, offset), 0),
        };
        let entry = self.f.ins().load(I32, MemFlagsData::trusted(), base, offset);
        let entry = self.f.ins().uextend(I64, entry);
        let product = self.scaled(entry, term.stride);
        self.scope().lookups.insert((term, lane), product);
        product
    }
}

/// Four elements are aligned to one only.
pub(super) fn vector_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
