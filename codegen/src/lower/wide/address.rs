//! Addresses. In: an [`Address`]. Out: an operand in memory.
//!
//! Parts are added to the pointer outermost loop first, and every partial sum is remembered in the scope where it was
//! made; a loop calls [`Select::prepare`] on its body before it begins, so that each sum is made outside the loops
//! that do not change it. A counter times 1, 2, 4 or 8 is left to the addressing mode; any other product is, in an innermost loop, a
//! pointer that is moved along (see `loops.rs`). Of rows that lie an argument apart every fourth has a pointer of its
//! own: the three behind it are reached with the argument as index, once, twice and three times.

use super::code::{Base, Inst, Memory, Op, Source, V};
use super::state::{Bound, Part, Select};
use crate::lane::ELEMENT_BYTES;
use crate::lane::{Address, Index, Integer, LaneItem, Reg, Term, Var, for_each_address};

/// An address taken apart.
pub(super) struct Parts {
    pub(super) list: Vec<Part>,
    /// What remains of a multiple of an argument: 1, 2 or 3 times.
    pub(super) remainder: Option<(u32, i64)>,
    pub(super) offset: i64,
}

impl<'p> Select<'p> {
    /// True when neighbouring elements of the lane loop are neighbours in memory.
    pub(super) fn is_contiguous(&self, address: &Address) -> bool {
        self.lane_var.is_some_and(|var| address.is_contiguous_in(var))
    }

    /// What moves an address by another distance in each lane.
    pub(super) fn by_lane(&self, address: &Address) -> Option<Reg> {
        address.by.filter(|by| self.varies(*by))
    }

    pub(super) fn place_of_piece(&mut self, address: &Address, piece: usize) -> Memory {
        self.place(address, (piece * self.level.lanes()) as i64)
    }

    /// Makes, before a loop begins, all that addresses in its body need and the loop does not change.
    pub(super) fn prepare(&mut self, items: &'p [LaneItem]) {
        for_each_address(items, &mut |address| {
            let parts = self.parts(address, 0);
            self.sum(address.pointer, &parts.list);
            if let Some((argument, 3)) = parts.remainder {
                self.multiple(argument, 3);
            }
        });
    }

    /// Makes, at the head of a loop's body, what its counter looks up.
    pub(super) fn prepare_lookups(&mut self, var: Var, items: &'p [LaneItem]) {
        if Some(var) == self.lane_var {
            return;
        }
        for_each_address(items, &mut |address| {
            for &term in &address.terms {
                if matches!(term.index, Index::Lookup { var: looked, .. } if looked == var) {
                    self.lookup(term);
                }
            }
        });
    }

    /// The address `lane` elements on from the strip's first; of a lane that is looked up, or not: what all lanes share.
    pub(super) fn place(&mut self, address: &Address, lane: i64) -> Memory {
        let Parts { mut list, remainder, offset } = self.parts(address, lane);

        let mut index = None;
        if let Some((argument, times)) = remainder {
            let register =
                if times == 3 { self.multiple(argument, 3) } else { self.integers[argument as usize] };
            index = Some((register, if times == 2 { 2 } else { 1 }));
        } else if let Some(&last @ Part::Counter(var, Integer::Constant(scale @ (1 | 2 | 4 | 8)))) =
            list.last()
        {
            let base = self.sum(address.pointer, &list[..list.len() - 1]);
            if self.find(|scope| scope.sums.get(&(base, last))).is_none() {
                list.pop();
                index = Some((self.counter_register(var), scale as u8));
            }
        } else if let Some(&Part::By(elements)) = list.last() {
            list.pop();
            index = Some((self.elements(elements), ELEMENT_BYTES as u8));
        }

        let mut base = self.sum(address.pointer, &list);
        let offset = i32::try_from(offset).unwrap_or_else(|_| {
            let far = self.materialize(Bound::Known(offset));
            base = self.add(base, far);
            0
        });

        let (index, scale) = index.map_or((None, 1), |(index, scale)| (Some(index), scale));
        Memory { base: Base::Register(base), index, scale, offset, broadcast: false }
    }

    /// Takes an address apart, as far as its loops are open.
    pub(super) fn parts(&self, address: &Address, lane: i64) -> Parts {
        let mut parts = Parts { list: Vec::new(), remainder: None, offset: address.offset };
        let mut moving = Vec::new();
        let by = address.by.filter(|by| !self.varies(*by));
        let is_set_in = |home: Option<Var>| by.filter(|by| self.facts.home[by.0 as usize] == home);
        moving.extend(is_set_in(None).map(Part::By));
        for &var in &self.open {
            if let Some(term) = address.terms.iter().find(|term| term.index.var() == var) {
                self.term(&mut parts, &mut moving, *term, lane);
            }
            // Its value is known from within that loop on.
            moving.extend(is_set_in(Some(var)).map(Part::By));
        }
        parts.list.append(&mut moving);
        parts
    }

    fn term(&self, parts: &mut Parts, moving: &mut Vec<Part>, term: Term, lane: i64) {
        let ahead = if Some(term.index.var()) == self.lane_var { lane } else { 0 };
        match term.index {
            // Lanes that are looked up are all different.
            Index::Lookup { var, .. } if Some(var) == self.lane_var => {}
            Index::Lookup { .. } => moving.push(Part::Lookup(term)),
            Index::Var { plus, .. } => self.count(parts, moving, term, plus + ahead),
        }
    }

    fn count(&self, parts: &mut Parts, moving: &mut Vec<Part>, term: Term, plus: i64) {
        let var = term.index.var();
        let known = match self.vars[var.0 as usize] {
            Some(Bound::Known(index)) => index + plus,
            _ => {
                if term.stride != Integer::Constant(0) {
                    moving.push(Part::Counter(var, term.stride));
                }
                plus
            }
        };

        match term.stride {
            Integer::Constant(stride) => parts.offset += known * stride,
            Integer::Argument(_) if known == 0 => {}
            Integer::Argument(argument) => {
                // Every fourth row has a pointer of its own, the three behind it an index.
                let fourths = known.rem_euclid(4);
                let whole = if parts.remainder.is_none() { known - fourths } else { known };
                if whole != 0 {
                    parts.list.push(Part::Multiple(argument, whole));
                }
                if whole != known {
                    parts.remainder = Some((argument, fourths));
                }
            }
        }
    }

    /// A pointer with parts added.
    pub(super) fn sum(&mut self, pointer: u32, parts: &[Part]) -> V {
        let mut base = self.pointers[pointer as usize];
        for &part in parts {
            base = match self.find(|scope| scope.sums.get(&(base, part))) {
                Some(known) => known,
                None => {
                    let sum = self.add_part(base, part);
                    self.scope().sums.insert((base, part), sum);
                    sum
                }
            };
        }
        base
    }

    fn add_part(&mut self, base: V, part: Part) -> V {
        match part {
            Part::Multiple(argument, times) => {
                let product = self.multiple(argument, times);
                self.add(base, product)
            }
            Part::Counter(var, Integer::Constant(scale @ (1 | 2 | 4 | 8))) => {
                let index = Some(self.counter_register(var));
                let memory = Memory { index, scale: scale as u8, ..Memory::at(Base::Register(base)) };
                self.emit(Op::Address, &[Source::Memory(memory)])
            }
            Part::Counter(var, stride) => {
                let product = self.counter_product(var, stride);
                self.add(base, product)
            }
            Part::Lookup(term) => {
                let product = self.lookup(term);
                self.add(base, product)
            }
            Part::By(register) => {
                let index = Some(self.elements(register));
                let memory = Memory { index, scale: ELEMENT_BYTES as u8, ..Memory::at(Base::Register(base)) };
                self.emit(Op::Address, &[Source::Memory(memory)])
            }
        }
    }

    fn add(&mut self, x: V, y: V) -> V {
        let memory = Memory { index: Some(y), ..Memory::at(Base::Register(x)) };
        self.emit(Op::Address, &[Source::Memory(memory)])
    }

    /// A stride argument times a known number.
    pub(super) fn multiple(&mut self, argument: u32, times: i64) -> V {
        if times == 1 {
            return self.integers[argument as usize];
        }
        let part = Part::Multiple(argument, times);
        if let Some(known) = self.find(|scope| scope.parts.get(&part)) {
            return known;
        }
        let product = self.scaled(self.integers[argument as usize], Integer::Constant(times));
        self.scope().parts.insert(part, product);
        product
    }

    fn counter_product(&mut self, var: Var, stride: Integer) -> V {
        let part = Part::Counter(var, stride);
        if let Some(known) = self.find(|scope| scope.parts.get(&part)) {
            return known;
        }
        let counter = self.counter_register(var);
        let product = self.scaled(counter, stride);
        self.scope().parts.insert(part, product);
        product
    }

    /// `index · stride`, in a new register.
    pub(super) fn scaled(&mut self, index: V, stride: Integer) -> V {
        match stride {
            Integer::Constant(stride) => match i32::try_from(stride) {
                Ok(_) => {
                    let to = self.general();
                    let from = [Source::Register(index)];
                    self.code.push(Inst::new(Op::MulImmediate, Some(to), &from).immediate(stride));
                    to
                }
                Err(_) => {
                    let far = self.materialize(Bound::Known(stride));
                    self.product(far, index)
                }
            },
            Integer::Argument(argument) => self.product(index, self.integers[argument as usize]),
        }
    }

    fn product(&mut self, x: V, y: V) -> V {
        let to = self.emit(Op::MoveGeneral, &[Source::Register(x)]);
        self.code.push(Inst::new(Op::Mul, Some(to), &[Source::Register(y)]));
        to
    }

    /// The counter of an open loop.
    pub(super) fn counter(&self, var: Var) -> Bound {
        let bound = self.vars[var.0 as usize];
        bound.unwrap_or_else(|| panic!("downhill bug: counter v{} is not open; please report", var.0))
    }

    fn counter_register(&mut self, var: Var) -> V {
        let counter = self.counter(var);
        self.materialize(counter)
    }

    fn lookup(&mut self, term: Term) -> V {
        let part = Part::Lookup(term);
        if let Some(known) = self.find(|scope| scope.parts.get(&part)) {
            return known;
        }
        let Index::Lookup { table, var, plus } = term.index else {
            unreachable!("downhill bug: not a lookup; please report");
        };
        let memory = self.table_place(table, var, plus);
        let entry = self.emit(Op::LoadHalf, &[Source::Memory(memory)]);
        let product = self.scaled(entry, term.stride);
        self.scope().parts.insert(part, product);
        product
    }

    /// The number that a register holds in all lanes.
    pub(super) fn elements(&mut self, register: Reg) -> V {
        let part = Part::By(register);
        if let Some(known) = self.find(|scope| scope.parts.get(&part)) {
            return known;
        }
        let value = self.value(register, 0);
        let number = self.emit(Op::ToGeneral, &[Source::Register(value)]);
        self.scope().parts.insert(part, number);
        number
    }

    /// Where the entry of a table at a counter lies.
    pub(super) fn table_place(&mut self, table: u32, var: Var, plus: i64) -> Memory {
        let mut address = Address::new(table);
        address
            .terms
            .push(Term { index: Index::Var { var, plus }, stride: Integer::Constant(ELEMENT_BYTES) });
        self.place(&address, 0)
    }
}
