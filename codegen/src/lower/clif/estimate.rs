//! How much of a lane loop's body can be done at once. In: the body. Out: [`Estimate`]: how many registers are live
//! for each piece of four elements, how many instructions there are, which constants are worth a register.
//!
//! Estimates steer speed alone; no result depends on them.

use crate::lane::ELEMENT_BYTES;
use crate::lane::{Index, Instruction, LaneItem, LaneLoop, LaneProgram, Reg, Var};
use crate::lower::uses::Uses;

/// Elements of a vector of 128 bits.
pub(super) const LANES: i64 = 16 / ELEMENT_BYTES;

/// Vector registers that code may count on: sixteen on x86-64, less one for moves.
pub(super) const REGISTERS: usize = 15;
/// Most pieces of four elements in a strip.
pub(super) const MAX_PIECES: usize = 8;

/// For every register whether anything varying reads it.
pub(super) fn read_by_lanes(program: &LaneProgram) -> Vec<bool> {
    let mut read = vec![false; program.registers.len()];
    note_readers(program, &program.body, &mut read);
    read
}

fn note_readers(program: &LaneProgram, items: &[LaneItem], read: &mut [bool]) {
    let varies = |register: Reg| program.registers[register.0 as usize].varying;
    let mut note = |register: Reg, varying: bool| read[register.0 as usize] |= varying;
    for item in items {
        match item {
            // What an address is moved by is a number, not a vector.
            LaneItem::Let(_, Instruction::Load(_)) => {}
            LaneItem::Let(register, instruction) => {
                instruction.operands().iter().for_each(|&operand| note(operand, varies(*register)));
            }
            // Inside a lane loop every store varies; outside nothing is ever splatted.
            LaneItem::Store { value, .. } => note(*value, true),
            LaneItem::Watch(value) => note(*value, varies(*value)),
            LaneItem::Loop(item) => {
                for carried in &item.carried {
                    note(carried.initial, varies(carried.inside));
                    note(carried.next, varies(carried.inside));
                }
            }
        }
    }
    for item in items {
        if let LaneItem::Loop(item) = item {
            note_readers(program, &item.body, read);
        }
    }
}

/// The measures of a lane loop's body.
pub(super) struct Estimate {
    /// Live values at each point: varying ones (one for each piece) and splatted uniform ones.
    live: Vec<(usize, usize)>,
    /// Instructions, those of inner loops counted once.
    pub(super) instructions: usize,
    /// True with a loop inside.
    pub(super) has_loop: bool,
    /// True when elements are found through a table at the lane counter.
    pub(super) has_lane_lookup: bool,
    /// Uniform registers of outside, and constants of anywhere: each with its number of readers.
    pub(super) outside: Vec<(Reg, u32)>,
}

impl Estimate {
    pub(super) fn of(program: &LaneProgram, uses: &Uses, by_lanes: &[bool], item: &LaneLoop) -> Estimate {
        let registers = program.registers.len();
        let mut walk = Walk {
            program,
            uses,
            by_lanes,
            var: item.var,
            at: 0,
            defined: vec![None; registers],
            last: vec![0; registers],
            free: vec![false; registers],
            extend: Vec::new(),
            outside: vec![0; registers],
            rare: false,
            estimate: Estimate {
                live: Vec::new(),
                instructions: 0,
                has_loop: false,
                has_lane_lookup: false,
                outside: Vec::new(),
            },
        };

        walk.item_loop(item);
        walk.finish()
    }

    /// Live vector registers when `pieces` pieces are done at once. A splat that several pieces read needs one more:
    /// x86-64's fma overwrites an operand.
    pub(super) fn pressure(&self, pieces: usize) -> usize {
        let copy = |uniform: usize| usize::from(uniform > 0 && pieces > 1);
        let live = self.live.iter().map(|&(varying, uniform)| varying * pieces + uniform + copy(uniform));
        live.max().unwrap_or(0)
    }

    /// The largest number of pieces (a power of two, at most `most`) that fits the registers and keeps the code small.
    pub(super) fn pieces(&self, most: usize) -> usize {
        let fits = |pieces: &usize| self.pressure(*pieces) <= REGISTERS && self.instructions * pieces <= 128;
        if self.has_lane_lookup {
            return 1;
        }
        [8, 4, 2].into_iter().filter(|&pieces| pieces <= most).find(fits).unwrap_or(1)
    }
}

struct Walk<'a> {
    program: &'a LaneProgram,
    uses: &'a Uses,
    by_lanes: &'a [bool],
    var: Var,
    at: usize,
    defined: Vec<Option<usize>>,
    last: Vec<usize>,
    /// Registers that cost nothing: loads that are read once, from where they are read.
    free: Vec<bool>,
    /// For each open loop its start and the registers of outside read in it.
    extend: Vec<(usize, Vec<Reg>)>,
    outside: Vec<u32>,
    /// In an iteration that is mostly skipped.
    rare: bool,
    estimate: Estimate,
}

impl Walk<'_> {
    fn items(&mut self, items: &[LaneItem]) {
        for item in items {
            self.at += 1;
            match item {
                LaneItem::Let(register, instruction) => {
                    self.estimate.instructions += usize::from(!instruction.is_constant());
                    for &operand in instruction.operands().iter() {
                        self.read(operand);
                    }
                    self.define(*register);
                    if let Instruction::Load(address) = instruction {
                        self.free[register.0 as usize] =
                            self.uses.count[register.0 as usize] == 1 && address.by.is_none();
                        self.address(address);
                    }
                    self.free[register.0 as usize] |= instruction.is_constant();
                }
                LaneItem::Store { address, value } => {
                    self.estimate.instructions += 1;
                    self.address(address);
                    address.by.into_iter().chain([*value]).for_each(|register| self.read(register));
                }
                LaneItem::Watch(value) => {
                    self.estimate.instructions += 2;
                    self.read(*value);
                }
                LaneItem::Loop(item) => {
                    let rare = item.portion.mask().is_some();
                    self.estimate.has_loop |= !rare;
                    let instructions = self.estimate.instructions;
                    self.rare = rare;
                    self.item_loop(item);
                    if std::mem::take(&mut self.rare) {
                        self.estimate.instructions = instructions + 1;
                    }
                }
            }
        }
    }

    fn item_loop(&mut self, item: &LaneLoop) {
        item.portion.mask().into_iter().for_each(|mask| self.read(mask));
        for carried in &item.carried {
            self.read(carried.initial);
        }
        self.at += 1;
        self.extend.push((self.at, Vec::new()));
        for carried in &item.carried {
            self.define(carried.inside);
        }
        self.items(&item.body);
        self.at += 1;
        for carried in &item.carried {
            self.read(carried.next);
        }
        let (_, outer) = self.extend.pop().unwrap_or_default();
        for register in outer {
            self.last[register.0 as usize] = self.at;
        }
        for carried in &item.carried {
            self.define(carried.after);
        }
    }

    fn address(&mut self, address: &crate::lane::Address) {
        let looked_up = |index: Index| matches!(index, Index::Lookup { var, .. } if var == self.var);
        self.estimate.has_lane_lookup |= address.terms.iter().any(|term| looked_up(term.index));
    }

    fn define(&mut self, register: Reg) {
        self.defined[register.0 as usize] = Some(self.at);
        self.last[register.0 as usize] = self.at;
    }

    fn read(&mut self, register: Reg) {
        let at = register.0 as usize;
        self.last[at] = self.at;
        let defined = self.defined[at].filter(|_| self.uses.constants[at].is_none());
        let Some(defined) = defined else {
            self.outside[at] += u32::from(!self.rare);
            return;
        };
        for (start, outer) in &mut self.extend {
            if defined < *start {
                outer.push(register);
                break;
            }
        }
    }

    fn finish(mut self) -> Estimate {
        let mut live = vec![(0, 0); self.at + 2];
        for (register, defined) in self.defined.iter().enumerate() {
            let Some(defined) = *defined else { continue };
            if self.free[register] {
                continue;
            }
            let varying = self.program.registers[register].varying;
            for point in &mut live[defined..self.last[register].max(defined)] {
                point.0 += usize::from(varying);
                point.1 += usize::from(!varying && self.by_lanes[register]);
            }
        }
        self.estimate.live = live;
        let outside = self.outside.iter().enumerate().filter(|&(_, &count)| count > 0);
        self.estimate.outside = outside.map(|(register, &count)| (Reg(register as u32), count)).collect();
        self.estimate
    }
}
