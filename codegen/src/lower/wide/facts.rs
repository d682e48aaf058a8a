//! Facts about a program that selection needs first: the readers of each register, which accumulators can stay in their registers,
//! how many vectors fit the registers. In: a program. Out: [`Facts`], [`Pressure`].
//!
//! Estimates steer speed alone; no result depends on them.
//!
//! # Decisions
//!
//! - What a long sum keeps for the addition of its chunks does not count as kept: it is touched once in 512 iterations, and lies in memory
//!   where registers are few. Counted, it left room for one vector at a time, and a chain of additions waits for itself: mean and variance of 32
//!   channels over 8,192 places took 115 µs with AVX2, now 58.
//! - Only innermost loops ask for room. What is done with a product's sums is done for one vector after another, and the sums that wait meanwhile
//!   lie in memory where registers are few: a store and a load for each, beside all terms of the sum. Counted, GELU behind a layer left
//!   room for one vector at a time, so that the layer was at half its speed (768×128×512 with AVX2).

use crate::lane::{Instruction, Integer, LaneItem, LaneLoop, LaneProgram, Portion, Reg, Var};
use crate::lower::uses::Uses;
use std::ops::Range;

/// What is known about every register of a program.
pub(super) struct Facts {
    /// How often it is read.
    pub(super) count: Vec<u32>,
    /// The bits of each constant; masks are all ones or zero.
    pub(super) constants: Vec<Option<u32>>,
    /// Of an accumulator's inside: its next value may be put into the same register.
    pub(super) stays: Vec<bool>,
    /// The innermost loop in whose body it is set.
    pub(super) home: Vec<Option<Var>>,
}

impl Facts {
    pub(super) fn of(program: &LaneProgram) -> Facts {
        let registers = program.registers.len();
        let Uses { count, constants } = Uses::of(program);
        let home = crate::lower::uses::homes(program);
        let mut facts = Facts { count, constants, stays: vec![false; registers], home };
        let mut order =
            Order { program, at: 0, set: vec![0; registers], read: vec![0; registers], outer: Vec::new() };
        order.items(&program.body, &mut facts);
        facts
    }
}

/// The order of reads and sets in the text; a read in a loop of what was set before it counts as one at the loop's end.
struct Order<'a> {
    program: &'a LaneProgram,
    at: u32,
    set: Vec<u32>,
    read: Vec<u32>,
    /// For each open loop: where it began, and what of before is read in it.
    outer: Vec<(u32, Vec<Reg>)>,
}

impl Order<'_> {
    fn items(&mut self, items: &[LaneItem], facts: &mut Facts) {
        for item in items {
            self.at += 1;
            match item {
                LaneItem::Let(register, instruction) => {
                    instruction.operands().iter().for_each(|&operand| self.read(operand));
                    self.set[register.0 as usize] = self.at;
                }
                LaneItem::Store { address, value } => {
                    address.by.into_iter().chain([*value]).for_each(|register| self.read(register));
                }
                LaneItem::Watch(value) => self.read(*value),
                LaneItem::Loop(item) => self.item_loop(item, facts),
            }
        }
    }

    fn read(&mut self, register: Reg) {
        self.read[register.0 as usize] = self.at;
        let set = self.set[register.0 as usize];
        if let Some((_, outer)) = self.outer.iter_mut().find(|(start, _)| set <= *start) {
            outer.push(register);
        }
    }

    fn item_loop(&mut self, item: &LaneLoop, facts: &mut Facts) {
        item.portion.mask().into_iter().for_each(|mask| self.read(mask));
        for carried in &item.carried {
            self.read(carried.initial);
            self.set[carried.inside.0 as usize] = self.at + 1;
        }
        self.outer.push((self.at, Vec::new()));
        self.at += 1;
        self.items(&item.body, facts);
        self.at += 1;
        for carried in &item.carried {
            let inside = carried.inside.0 as usize;
            facts.stays[inside] = self.next_may_overwrite(item, carried, facts);
        }
        for carried in &item.carried {
            self.read(carried.next);
        }
        let (_, outer) = self.outer.pop().unwrap_or_default();
        outer.into_iter().for_each(|register| self.read(register));
        for carried in &item.carried {
            self.set[carried.after.0 as usize] = self.at;
        }
    }

    /// True when nothing reads the value of the iteration's start once the next one is being computed.
    fn next_may_overwrite(&self, item: &LaneLoop, carried: &crate::lane::Carried, facts: &Facts) -> bool {
        let (inside, next) = (carried.inside, carried.next);
        let carries = |other: &&crate::lane::Carried| other.next == inside || other.next == next;
        let varies = |register: Reg| self.program.registers[register.0 as usize].varying;
        if item.carried.iter().filter(carries).count() != 1 || varies(inside) != varies(next) {
            return false;
        }
        let last = self.read[inside.0 as usize];
        item.body.iter().any(|within| match within {
            LaneItem::Let(register, Instruction::Load(_)) if *register == next => false,
            LaneItem::Let(register, _) if *register == next => {
                facts.constants[next.0 as usize].is_none() && last <= self.set[next.0 as usize]
            }
            LaneItem::Loop(inner) if !inner.lanes => inner.carried.iter().any(|deeper| {
                deeper.after == next
                    && last <= self.start(inner)
                    && (deeper.initial == inside || last < self.start(inner))
                    && inner.carried.iter().filter(|other| other.initial == inside).count() <= 1
            }),
            _ => false,
        })
    }

    /// Where a loop's accumulators take their initial values.
    fn start(&self, item: &LaneLoop) -> u32 {
        item.carried.first().map_or(0, |carried| self.set[carried.inside.0 as usize] - 1)
    }
}

/// How many vectors a lane loop's body keeps at once.
pub(super) struct Pressure {
    /// At each point of its innermost loops: those there once for each piece, and those there once.
    live: Vec<(usize, usize)>,
    /// Instructions, those of inner loops counted once.
    pub(super) instructions: usize,
    pub(super) has_loop: bool,
}

impl Pressure {
    pub(super) fn of(program: &LaneProgram, facts: &Facts, item: &LaneLoop) -> Pressure {
        let registers = program.registers.len();
        let mut walk = Walk {
            program,
            facts,
            at: 0,
            innermost: false,
            rare: false,
            set: vec![None; registers],
            last: vec![0; registers],
            entered: Vec::new(),
            carried: Vec::new(),
            crosses: vec![false; registers],
            runs: vec![0; registers],
            run: 0,
            free: vec![false; registers],
            waits: vec![false; registers],
            inside: Vec::new(),
            instructions: 0,
            has_loop: false,
        };
        walk.body(item);
        walk.finish()
    }

    /// Vector registers used when `pieces` are done at once.
    pub(super) fn with(&self, pieces: usize) -> usize {
        self.live.iter().map(|&(many, once)| many * pieces + once).max().unwrap_or(0)
    }
}

struct Walk<'a> {
    program: &'a LaneProgram,
    facts: &'a Facts,
    at: usize,
    /// In a loop without loops, within the lane loop.
    innermost: bool,
    /// In the addition of a chunk to those before it.
    rare: bool,
    set: Vec<Option<usize>>,
    last: Vec<usize>,
    entered: Vec<(usize, Vec<Reg>)>,
    /// What the loops around carry: at the start of an iteration, and next.
    carried: Vec<(Reg, Reg)>,
    /// Read in another straight run than it was set in, or set within a loop: there for all pieces at once.
    crosses: Vec<bool>,
    runs: Vec<usize>,
    run: usize,
    /// Costs no register.
    free: Vec<bool>,
    /// A load that is made when it is first read.
    waits: Vec<bool>,
    /// The points of innermost loops.
    inside: Vec<Range<usize>>,
    instructions: usize,
    has_loop: bool,
}

impl Walk<'_> {
    fn body(&mut self, item: &LaneLoop) {
        item.portion.mask().into_iter().for_each(|mask| self.read(mask));
        for carried in &item.carried {
            self.read(carried.initial);
        }

        self.at += 1;
        self.run += 1;
        self.entered.push((self.at, Vec::new()));
        for carried in &item.carried {
            self.set(carried.inside);
            self.crosses[carried.inside.0 as usize] = true;
            // A sum that goes on with that of the loop around stays in its register.
            let goes_on = self.carried.contains(&(carried.initial, carried.after));
            let stays = goes_on && self.facts.stays[carried.initial.0 as usize];
            self.free[carried.inside.0 as usize] |= stays || is_over_chunks(item);
        }

        let around = self.carried.len();
        self.carried.extend(item.carried.iter().map(|carried| (carried.inside, carried.next)));
        self.items(&item.body);
        self.carried.truncate(around);
        self.at += 1;
        for carried in &item.carried {
            self.read(carried.next);
            // It takes over the register of the value at the iteration's start.
            self.free[carried.next.0 as usize] |= self.facts.stays[carried.inside.0 as usize];
            let end = self.at;
            self.last[carried.inside.0 as usize] = end;
        }

        let (_, outer) = self.entered.pop().unwrap_or_default();
        outer.into_iter().for_each(|register| self.last[register.0 as usize] = self.at);
        self.run += 1;
        for carried in &item.carried {
            self.set(carried.after);
            self.crosses[carried.after.0 as usize] = true;
        }
    }

    fn items(&mut self, items: &[LaneItem]) {
        for item in items {
            self.at += 1;
            match item {
                LaneItem::Let(register, instruction) => {
                    self.instructions += usize::from(!instruction.is_constant());
                    instruction.operands().iter().for_each(|&operand| self.read(operand));
                    self.set(*register);
                    let at = register.0 as usize;
                    let waits = matches!(instruction, Instruction::Load(address) if address.by.is_none());
                    self.free[at] = self.rare
                        || instruction.is_constant()
                        || (waits && self.facts.count[at] == 1 && self.program.registers[at].varying);
                    self.waits[at] = waits;
                }
                LaneItem::Store { address, value } => {
                    self.instructions += 1;
                    address.by.into_iter().chain([*value]).for_each(|register| self.read(register));
                }
                LaneItem::Watch(value) => {
                    self.instructions += 1;
                    self.read(*value);
                }
                LaneItem::Loop(inner) => {
                    self.has_loop |= inner.portion.mask().is_none();
                    self.innermost = !inner.body.iter().any(|item| matches!(item, LaneItem::Loop(_)));
                    self.rare = matches!(inner.portion, Portion::Chunk { length: Integer::Constant(1), .. });
                    let (is_innermost, start) = (self.innermost, self.at);
                    self.body(inner);
                    if is_innermost {
                        self.inside.push(start..self.at + 1);
                    }
                    (self.innermost, self.rare) = (false, false);
                }
            }
        }
    }

    fn set(&mut self, register: Reg) {
        let at = register.0 as usize;
        (self.set[at], self.last[at], self.runs[at]) = (Some(self.at), self.at, self.run);
        self.crosses[at] |= self.innermost;
        self.free[at] |= self.rare;
    }

    fn read(&mut self, register: Reg) {
        let at = register.0 as usize;
        if std::mem::take(&mut self.waits[at]) && self.runs[at] == self.run {
            self.set[at] = Some(self.at);
        }
        self.last[at] = self.at;
        self.crosses[at] |= self.runs[at] != self.run;
        let Some(set) = self.set[at] else { return };
        if let Some((_, outer)) = self.entered.iter_mut().find(|(start, _)| set < *start) {
            outer.push(register);
        }
    }

    fn finish(self) -> Pressure {
        let mut live = vec![(0, 0); self.at + 2];
        for (register, set) in self.set.iter().enumerate() {
            let Some(set) = *set else { continue };
            if self.free[register] {
                continue;
            }
            let many = self.program.registers[register].varying && self.crosses[register];
            let end = self.last[register].max(set + usize::from(self.facts.count[register] > 0));
            for point in &mut live[set..end] {
                point.0 += usize::from(many);
                point.1 += usize::from(!many);
            }
        }
        let live = self.inside.into_iter().flat_map(|points| live[points].to_vec()).collect();
        Pressure { live, instructions: self.instructions, has_loop: self.has_loop }
    }
}

/// Whether the iterations of a loop are chunks of a long sum.
fn is_over_chunks(item: &LaneLoop) -> bool {
    let is_chunk = |item: &LaneItem| match item {
        LaneItem::Loop(inner) => matches!(inner.portion, Portion::Chunk { .. }),
        _ => false,
    };
    item.body.iter().any(is_chunk)
}
