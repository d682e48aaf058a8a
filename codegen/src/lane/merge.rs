//! Merges lane loops over the same elements. In: a program, and which pointers may reach the same memory. Out: the program
//! with such loops merged where one reads what the other does, so that values stay in registers.
//!
//! Must hold: every element sees the loads and stores in the order in which it saw them before; no fold changes.
//!
//! # Decisions
//!
//! - Lane loops of one function over the same elements become one where the second reads what the first does (`lane/merge.rs`):
//!   values stay in registers, and an exponential is computed once for the loss and its derivative; kernels stay as they are
//!   for everyone else, and the arena's lifetimes say what must not move past what.

use super::program::*;
use std::collections::{HashMap, HashSet};

/// The most iterations of a loop inside a lane loop that is merged: longer ones keep registers for themselves alone.
const SHORT: i64 = 4;

/// Merges. `overlap` says of two different pointers whether they may reach the same memory.
pub(crate) fn merge_lanes(program: LaneProgram, overlap: &dyn Fn(u32, u32) -> bool) -> LaneProgram {
    let LaneProgram { registers, body, .. } = program;
    let body = Merge { registers: &registers, overlap }.items(body);
    LaneProgram { registers, body, ..program }
}

struct Merge<'a> {
    registers: &'a [Register],
    overlap: &'a dyn Fn(u32, u32) -> bool,
}

/// What items do to memory, and the registers they read.
#[derive(Default)]
struct Effects<'a> {
    loads: Vec<&'a Address>,
    stores: Vec<&'a Address>,
    uses: HashSet<Reg>,
}

impl<'a> Effects<'a> {
    fn of(items: &'a [LaneItem]) -> Effects<'a> {
        let mut effects = Effects::default();
        effects.add(items);
        effects
    }

    fn add(&mut self, items: &'a [LaneItem]) {
        for item in items {
            match item {
                LaneItem::Let(_, Instruction::Load(address)) => {
                    self.loads.push(address);
                    self.uses.extend(address.by);
                }
                LaneItem::Let(_, instruction) => self.uses.extend(instruction.operands().iter()),
                LaneItem::Store { address, value } => {
                    self.stores.push(address);
                    self.uses.extend(address.by);
                    self.uses.insert(*value);
                }
                LaneItem::Watch(value) => _ = self.uses.insert(*value),
                LaneItem::Loop(inner) => {
                    self.uses
                        .extend(inner.carried.iter().flat_map(|carried| [carried.initial, carried.next]));
                    self.uses.extend(inner.portion.mask());
                    self.add(&inner.body);
                }
            }
        }
    }

    fn reads(&self, carried: &[Carried]) -> bool {
        carried.iter().any(|carried| self.uses.contains(&carried.after))
    }
}

impl Merge<'_> {
    fn items(&self, items: Vec<LaneItem>) -> Vec<LaneItem> {
        let mut done: Vec<LaneItem> = Vec::new();
        for item in items {
            let merged = match item {
                LaneItem::Loop(second) if second.lanes => match self.partner(&done, &second) {
                    Some(at) => match done.remove(at) {
                        LaneItem::Loop(first) => LaneItem::Loop(self.joined(first, second)),
                        other => other,
                    },
                    None => LaneItem::Loop(second),
                },
                LaneItem::Loop(once) if turns(&once) == Some(1) => {
                    let body = self.items(once.body);
                    LaneItem::Loop(LaneLoop { body, ..once })
                }
                other => other,
            };
            done.push(merged);
        }
        done
    }

    /// The index of the lane loop that `second` can be merged with.
    fn partner(&self, done: &[LaneItem], second: &LaneLoop) -> Option<usize> {
        (0..done.len()).rev().find(|&at| {
            let LaneItem::Loop(first) = &done[at] else { return false };
            let alike = first.lanes
                && (first.start, first.end, first.portion) == (second.start, second.end, second.portion);
            alike
                && is_short(&first.body)
                && is_short(&second.body)
                && self.can_run_together(first, second)
                && self.can_wait(first, &done[at + 1..])
        })
    }

    /// True when `first` may run behind `items`.
    fn can_wait(&self, first: &LaneLoop, items: &[LaneItem]) -> bool {
        let (own, others) = (Effects::of(&first.body), Effects::of(items));
        let apart = |x: &[&Address], y: &[&Address]| !x.iter().any(|x| y.iter().any(|y| self.meet(x, y)));
        apart(&own.stores, &others.loads)
            && apart(&own.stores, &others.stores)
            && apart(&own.loads, &others.stores)
            && !others.reads(&first.carried)
    }

    /// True when no element of one loop meets another element of the other one, and something is read or written by both.
    fn can_run_together(&self, first: &LaneLoop, second: &LaneLoop) -> bool {
        let (one, other) = (Effects::of(&first.body), Effects::of(&second.body));
        let same = |x: &Address, y: &Address| is_same_element(x, first.var, y, second.var);
        let fits = |x: &[&Address], y: &[&Address]| {
            x.iter().all(|x| y.iter().all(|y| !self.meet(x, y) || same(x, y)))
        };
        let shares = one.loads.iter().chain(&one.stores).any(|x| other.loads.iter().any(|y| same(x, y)));
        shares
            && fits(&one.stores, &other.loads)
            && fits(&one.stores, &other.stores)
            && fits(&one.loads, &other.stores)
            && !other.reads(&first.carried)
            && !second.carried.iter().any(|next| first.carried.iter().any(|sum| sum.after == next.initial))
    }

    fn meet(&self, x: &Address, y: &Address) -> bool {
        x.pointer == y.pointer || (self.overlap)(x.pointer, y.pointer)
    }

    fn joined(&self, first: LaneLoop, second: LaneLoop) -> LaneLoop {
        let mut write = Merged { merge: self, var: (second.var, first.var), ..Merged::new(self) };
        write.items(first.body);
        write.items(second.body);
        let carried = first.carried.into_iter().chain(second.carried);
        let carried = carried.map(|carried| write.carried(carried)).collect();
        LaneLoop { carried, body: write.body, var: first.var, ..second }
    }
}

/// Copies items into one body, in which nothing is loaded or computed twice.
struct Merged<'a> {
    merge: &'a Merge<'a>,
    /// A counter, and the one that it becomes.
    var: (Var, Var),
    /// Registers that are others by now.
    same: HashMap<Reg, Reg>,
    known: HashMap<(Instruction, Kind), Reg>,
    /// What lies at an address.
    memory: Vec<(Address, Reg)>,
    body: Vec<LaneItem>,
}

impl<'a> Merged<'a> {
    fn new(merge: &'a Merge<'a>) -> Merged<'a> {
        Merged {
            merge,
            var: (Var(0), Var(0)),
            same: HashMap::new(),
            known: HashMap::new(),
            memory: Vec::new(),
            body: Vec::new(),
        }
    }

    fn items(&mut self, items: Vec<LaneItem>) {
        for item in items {
            match item {
                LaneItem::Let(register, instruction) => {
                    let instruction = self.instruction(instruction);
                    self.set(register, instruction);
                }
                LaneItem::Store { address, value } => {
                    let (address, value) = (self.address(address), self.register(value));
                    self.forget(&address);
                    self.memory.push((address.clone(), value));
                    self.body.push(LaneItem::Store { address, value });
                }
                LaneItem::Watch(value) => {
                    let watched = LaneItem::Watch(self.register(value));
                    self.body.push(watched);
                }
                LaneItem::Loop(inner) => {
                    let inner = self.inner(inner);
                    self.body.push(LaneItem::Loop(inner));
                }
            }
        }
    }

    /// A loop within, which has what was known before it and leaves nothing behind.
    fn inner(&mut self, inner: LaneLoop) -> LaneLoop {
        for address in Effects::of(&inner.body).stores {
            let address = self.address(address.clone());
            self.forget(&address);
        }
        let portion = match inner.portion {
            Portion::Where(mask) => Portion::Where(self.register(mask)),
            other => other,
        };
        let outer = std::mem::take(&mut self.body);
        let (known, memory) = (self.known.clone(), self.memory.clone());
        self.items(inner.body);
        (self.known, self.memory) = (known, memory);
        let body = std::mem::replace(&mut self.body, outer);
        let carried = inner.carried.into_iter().map(|carried| self.carried(carried)).collect();
        LaneLoop { portion, carried, body, ..inner }
    }

    fn set(&mut self, register: Reg, instruction: Instruction) {
        let own = self.merge.registers[register.0 as usize];
        let known = match &instruction {
            Instruction::Load(address) => {
                let fits = |(at, value): &&(Address, Reg)| {
                    at == address && self.merge.registers[value.0 as usize] == own
                };
                self.memory.iter().find(fits).map(|(_, value)| *value)
            }
            other => self.known.get(&(other.clone(), own.kind)).copied(),
        };
        if let Some(known) = known {
            self.same.insert(register, known);
            return;
        }
        match &instruction {
            Instruction::Load(address) => self.memory.push((address.clone(), register)),
            other => _ = self.known.insert((other.clone(), own.kind), register),
        }
        self.body.push(LaneItem::Let(register, instruction));
    }

    fn forget(&mut self, stored: &Address) {
        let merge = self.merge;
        self.memory.retain(|(address, _)| !merge.meet(address, stored));
    }

    fn carried(&self, carried: Carried) -> Carried {
        let (initial, next) = (self.register(carried.initial), self.register(carried.next));
        Carried { initial, next, ..carried }
    }

    fn register(&self, register: Reg) -> Reg {
        self.same.get(&register).copied().unwrap_or(register)
    }

    fn counter(&self, var: Var) -> Var {
        if var == self.var.0 { self.var.1 } else { var }
    }

    fn instruction(&self, instruction: Instruction) -> Instruction {
        let r = |register: Reg| self.register(register);
        match instruction {
            Instruction::Load(address) => Instruction::Load(self.address(address)),
            Instruction::Counter { var, plus } => Instruction::Counter { var: self.counter(var), plus },
            Instruction::Unary(op, x) => Instruction::Unary(op, r(x)),
            Instruction::Binary(op, x, y) => Instruction::Binary(op, r(x), r(y)),
            Instruction::Fma(a, b, c) => Instruction::Fma(r(a), r(b), r(c)),
            Instruction::Compare(op, x, y) => Instruction::Compare(op, r(x), r(y)),
            Instruction::Select(mask, a, b) => Instruction::Select(r(mask), r(a), r(b)),
            Instruction::ConstantF(_)
            | Instruction::ConstantI(_)
            | Instruction::ConstantMask(_)
            | Instruction::Argument(_) => instruction,
        }
    }

    fn address(&self, mut address: Address) -> Address {
        address.by = address.by.map(|by| self.register(by));
        for term in &mut address.terms {
            match &mut term.index {
                Index::Var { var, .. } | Index::Lookup { var, .. } => *var = self.counter(*var),
            }
        }
        address
    }
}

/// Whether two accesses of two loops are, iteration by iteration, to the same element and to no other iteration's.
fn is_same_element(x: &Address, x_var: Var, y: &Address, y_var: Var) -> bool {
    let ([first], [second]) = (x.terms.as_slice(), y.terms.as_slice()) else { return false };
    let alike = match (first.index, second.index) {
        (Index::Var { var: a, plus: m }, Index::Var { var: b, plus: n }) => {
            (a, b, m) == (x_var, y_var, n) && first.stride == Integer::Constant(ELEMENT_BYTES)
        }
        _ => false,
    };
    alike
        && (x.pointer, x.offset, first.stride) == (y.pointer, y.offset, second.stride)
        && x.by.is_none()
        && y.by.is_none()
}

fn is_short(items: &[LaneItem]) -> bool {
    items.iter().all(|item| match item {
        LaneItem::Loop(inner) => turns(inner).is_some_and(|turns| turns <= SHORT) && is_short(&inner.body),
        _ => true,
    })
}

fn turns(item: &LaneLoop) -> Option<i64> {
    match (item.start, item.end) {
        (Integer::Constant(start), Integer::Constant(end)) => Some(end - start),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{ProgramBuilder, interpret::interpret};

    const ELEMENTS: i64 = 50;

    /// `y = x + x`, then to z, and summed, what is read `ahead` elements on in y; with a store to the first pointer between, where `between`.
    fn program(ahead: i64, between: bool) -> LaneProgram {
        let mut b = ProgramBuilder::new();
        let [x, y, sum, z] = [b.pointer(), b.pointer(), b.pointer(), b.pointer()];
        let at = |pointer, var| Address::new(pointer).index(var, Integer::Constant(ELEMENT_BYTES));
        let zero = b.constant_f(0.0);
        let first = b.var();
        b.begin_lanes(first, Integer::Constant(0), Integer::Constant(ELEMENTS));
        let value = b.load(Kind::F32, at(x, first));
        let twice = b.binary(Binary::AddF, value, value);
        b.store(at(y, first), twice);
        b.end_loop(&[]);
        if between {
            b.store(Address::new(x), zero);
        }
        let second = b.var();
        b.begin_lanes(second, Integer::Constant(0), Integer::Constant(ELEMENTS));
        let so_far = b.carry(zero, Some(Combine::AddF));
        let value = b.load(Kind::F32, at(y, second).offset(ELEMENT_BYTES * ahead));
        let next = b.binary(Binary::AddF, so_far, value);
        b.store(at(z, second), value);
        let total = b.end_loop(&[next])[0];
        b.store(Address::new(sum), total);
        b.finish()
    }

    /// How many loops are left, and whether y is still read; with `overlap`, z may lie where x lies.
    fn check(program: LaneProgram, overlap: bool) -> (usize, bool) {
        let merged = merge_lanes(program.clone(), &|one, other| overlap && one + other == 3);
        crate::lane::verify::assert_valid(&merged);
        let x: Vec<u32> = (0..60).map(|i| (i as f32).to_bits()).collect();
        let mut memory = [(); 2].map(|()| vec![x.clone(), x.clone(), vec![0], x.clone()]);
        interpret(&program, &mut memory[0], &[]).expect("in bounds");
        interpret(&merged, &mut memory[1], &[]).expect("in bounds");
        assert_eq!(memory[0], memory[1]);
        let loops = merged.body.iter().filter(|item| matches!(item, LaneItem::Loop(_))).count();
        (loops, Effects::of(&merged.body).loads.iter().any(|address| address.pointer == 1))
    }

    #[test]
    fn what_one_loop_stores_and_the_next_one_loads_stays_in_a_register() {
        assert_eq!(check(program(0, false), false), (1, false));
    }

    #[test]
    fn loops_stay_apart_where_elements_would_meet() {
        assert_eq!(check(program(1, false), false), (2, true), "another element");
        assert_eq!(check(program(0, true), false), (2, true), "a store between");
        assert_eq!(check(program(0, false), true), (2, true), "memory that is shared");
    }
}
