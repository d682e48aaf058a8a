//! Registers. In: virtual code. Out: a machine register for each virtual one; the code with spills written in.
//!
//! A linear scan: each register lives from where it is first set to where it is last touched, and to the end of a loop
//! that it enters alive; it has one place all that time. Where too few are left, the one that is cheapest to keep in memory
//! is kept there: read as an operand in memory where the instruction can, else through a register for that
//! instruction alone. Then the scan is done again.

use super::code::{Base, Class, Code, Inst, Memory, Op, Source, V};
use super::encode::{ARGUMENTS, GENERAL};

/// No machine register: not used, or kept in memory.
const NONE: u8 = u8::MAX;
/// How much more often a loop's body runs than what is around it.
const TURNS: f32 = 10.0;
/// A value that lies in memory anyway costs less to read from there.
const AT_HOME: f32 = 0.3;

/// The machine register of each virtual one, as a number in its class.
pub(super) struct Assignment {
    pub(super) registers: Vec<u8>,
}

/// Assigns registers, changing the code where they do not suffice.
pub(super) fn allocate(code: &mut Code) -> Assignment {
    let mut brief = vec![false; code.classes.len()];
    loop {
        let intervals = Intervals::of(code, &brief);
        match Scan::run(code, &intervals) {
            Ok(registers) => return Assignment { registers },
            Err(spilled) => {
                Rewrite::run(code, &spilled);
                // What a rewrite makes lives for one instruction.
                brief.resize(code.classes.len(), true);
            }
        }
    }
}

/// Where registers live: instruction i reads at 2i and sets at 2i + 1.
struct Intervals {
    start: Vec<u32>,
    end: Vec<u32>,
    weight: Vec<f32>,
    /// Those that live at all, by start.
    order: Vec<V>,
}

const UNSET: u32 = u32::MAX;

impl Intervals {
    fn of(code: &Code, brief: &[bool]) -> Intervals {
        let count = code.classes.len();
        let mut this = Intervals {
            start: vec![UNSET; count],
            end: vec![0; count],
            weight: vec![0.0; count],
            order: Vec::new(),
        };
        // Heads of open loops, with what came alive into them.
        let mut open: Vec<(u32, Vec<V>)> = Vec::new();
        for (number, inst) in code.instructions.iter().enumerate() {
            let at = 2 * number as u32;
            match inst.op {
                Op::LoopHead => open.push((at, Vec::new())),
                Op::LoopEnd => {
                    let (_, entered) = open.pop().unwrap_or_default();
                    entered.into_iter().for_each(|v| this.end[v.0 as usize] = at);
                }
                _ => {}
            }
            let weight = TURNS.powi(open.len().min(6) as i32);
            inst.reads(&mut |v| this.touch(v, at, weight, &mut open));
            if let Some(to) = inst.to {
                this.touch(to, at + u32::from(!inst.sets_early()), weight, &mut open);
            }
        }
        for (at, &brief) in brief.iter().enumerate() {
            let length = this.end[at].saturating_sub(this.start[at]) as f32 + 1.0;
            let home = if code.homes.contains_key(&V(at as u32)) { AT_HOME } else { 1.0 };
            this.weight[at] = if brief { f32::INFINITY } else { this.weight[at] * home / length };
        }
        this.order.sort_by_key(|v| this.start[v.0 as usize]);
        this
    }

    fn touch(&mut self, v: V, at: u32, weight: f32, open: &mut [(u32, Vec<V>)]) {
        let index = v.0 as usize;
        self.weight[index] += weight;
        if self.start[index] == UNSET {
            self.start[index] = at;
            self.order.push(v);
        } else if let Some((_, entered)) = open.iter_mut().find(|(head, _)| self.start[index] < *head)
            && entered.last() != Some(&v)
        {
            entered.push(v);
        }
        self.end[index] = self.end[index].max(at);
    }
}

struct Scan<'a> {
    code: &'a Code,
    intervals: &'a Intervals,
    registers: Vec<u8>,
    /// Free ones of each class, a bit each.
    free: [u32; 3],
    active: [Vec<V>; 3],
    spilled: Vec<V>,
}

impl Scan<'_> {
    /// The assignment, or what must go to memory.
    fn run(code: &Code, intervals: &Intervals) -> Result<Vec<u8>, Vec<V>> {
        let vectors = if code.level.registers() == 32 { u32::MAX } else { 0xffff };
        let mut scan = Scan {
            code,
            intervals,
            registers: vec![NONE; code.classes.len()],
            // k0 means no mask.
            free: [(1 << GENERAL.len()) - 1, vectors, 0xfe],
            active: Default::default(),
            spilled: Vec::new(),
        };
        for &v in &intervals.order {
            scan.place(v);
        }
        if scan.spilled.is_empty() { Ok(scan.registers) } else { Err(scan.spilled) }
    }

    fn place(&mut self, v: V) {
        let class = self.code.class(v) as usize;
        let start = self.intervals.start[v.0 as usize];
        let (ends, registers, free) = (&self.intervals.end, &self.registers, &mut self.free[class]);
        self.active[class].retain(|other| {
            let lives = ends[other.0 as usize] >= start;
            if !lives {
                *free |= 1 << registers[other.0 as usize];
            }
            lives
        });
        if self.free[class] == 0 {
            self.make_room(v, class);
        }
        if self.free[class] == 0 {
            self.spilled.push(v);
            return;
        }
        let register = self.wish(v, class).unwrap_or(self.free[class].trailing_zeros() as u8);
        self.free[class] &= !(1 << register);
        self.registers[v.0 as usize] = register;
        self.active[class].push(v);
    }

    /// Takes the register of the one that is cheapest in memory, unless that is `v`.
    fn make_room(&mut self, v: V, class: usize) {
        let weight = |v: V| self.intervals.weight[v.0 as usize];
        let cheapest = self.active[class].iter().copied().min_by(|&x, &y| weight(x).total_cmp(&weight(y)));
        let Some(cheapest) = cheapest.filter(|&other| weight(other) < weight(v)) else {
            assert!(
                weight(v) < f32::INFINITY,
                "downhill bug: an instruction needs too many registers; please report"
            );
            return;
        };
        self.active[class].retain(|&other| other != cheapest);
        self.free[class] |= 1 << self.registers[cheapest.0 as usize];
        self.registers[cheapest.0 as usize] = NONE;
        self.spilled.push(cheapest);
    }

    /// The register that saves a move: that of an operand which dies where `v` is set, or an argument's own.
    fn wish(&self, v: V, class: usize) -> Option<u8> {
        let start = self.intervals.start[v.0 as usize];
        let inst = &self.code.instructions[start as usize / 2];
        if inst.op == Op::Entry {
            return Some(ARGUMENTS[inst.immediate as usize]);
        }
        if !matches!(inst.op, Op::Fma | Op::Move | Op::MoveGeneral | Op::MaskMove) || inst.to != Some(v) {
            return None;
        }
        // Of a product's sum the addend first.
        let dying = |source: &Source| match source {
            Source::Register(from) => {
                let register = self.registers[from.0 as usize];
                let free = register != NONE && self.free[class] & 1 << register != 0;
                (free && self.intervals.end[from.0 as usize] == start - 1).then_some(register)
            }
            _ => None,
        };
        inst.from.iter().rev().find_map(dying)
    }
}

/// Puts registers into memory.
struct Rewrite<'a> {
    code: &'a mut Code,
    /// Where each register lies that has been put there.
    places: Vec<Option<Memory>>,
    out: Vec<Inst>,
}

impl Rewrite<'_> {
    fn run(code: &mut Code, spilled: &[V]) {
        let mut places = vec![None; code.classes.len()];
        for &v in spilled {
            places[v.0 as usize] = Some(match code.homes.get(&v) {
                Some(&home) => home,
                None => {
                    let size = if code.class(v) == Class::Vector { 4 * code.level.lanes() as u32 } else { 8 };
                    code.frame = code.frame.next_multiple_of(size) + size;
                    Memory::at(Base::Frame(code.frame - size))
                }
            });
        }
        let instructions = std::mem::take(&mut code.instructions);
        let mut rewrite = Rewrite { out: Vec::with_capacity(instructions.len() * 5 / 4), code, places };
        instructions.into_iter().for_each(|inst| rewrite.instruction(inst));
        rewrite.code.instructions = rewrite.out;
    }

    fn place(&self, v: V) -> Option<Memory> {
        self.places.get(v.0 as usize).copied().flatten()
    }

    fn instruction(&mut self, mut inst: Inst) {
        let place = inst.to.and_then(|to| self.place(to));
        if let (Some(_), Some(to)) = (place, inst.to)
            && self.code.homes.contains_key(&to)
        {
            // It lies there already.
            return;
        }
        let mut fetched: Vec<(V, V)> = Vec::new();
        let mut in_memory = inst.from.iter().any(|source| matches!(source, Source::Memory(_)));
        for position in 0..3 {
            inst.from[position] = match inst.from[position] {
                Source::Register(v) => match self.place(v) {
                    Some(memory)
                        if !in_memory && self.once(&inst, v) && self.folds(&inst, position, memory) =>
                    {
                        in_memory = true;
                        if inst.op == Op::Move {
                            inst.op = if memory.broadcast { Op::Broadcast } else { Op::Load };
                        }
                        let broadcast = memory.broadcast && inst.op != Op::Broadcast;
                        Source::Memory(Memory { broadcast, ..memory })
                    }
                    Some(memory) => Source::Register(self.fetch(v, memory, &mut fetched)),
                    None => Source::Register(v),
                },
                Source::Memory(memory) => Source::Memory(self.address(memory, &mut fetched)),
                Source::None => Source::None,
            };
        }
        if let Some((mask, memory)) = inst.mask.and_then(|mask| Some((mask, self.place(mask)?))) {
            inst.mask = Some(self.fetch(mask, memory, &mut fetched));
        }
        let (Some(to), Some(memory)) = (inst.to, place) else {
            self.out.push(inst);
            return;
        };
        let brief = if inst.reads_target() { self.fetch(to, memory, &mut fetched) } else { self.fresh(to) };
        inst.to = Some(brief);
        self.out.push(inst);
        let op = match self.code.class(to) {
            Class::General => Op::StoreGeneral,
            Class::Vector => Op::Store,
            Class::Mask => Op::MaskStore,
        };
        self.out.push(Inst::new(op, None, &[Source::Memory(memory), Source::Register(brief)]));
    }

    fn once(&self, inst: &Inst, v: V) -> bool {
        inst.from.iter().filter(|source| **source == Source::Register(v)).count() == 1
    }

    fn folds(&self, inst: &Inst, position: usize, memory: Memory) -> bool {
        inst.op == Op::Move || inst.op.takes_memory(position, memory.broadcast, self.code.level)
    }

    fn fresh(&mut self, like: V) -> V {
        let class = self.code.class(like);
        self.places.push(None);
        self.code.register(class)
    }

    /// A register for this instruction alone.
    fn fetch(&mut self, v: V, memory: Memory, fetched: &mut Vec<(V, V)>) -> V {
        if let Some(&(_, brief)) = fetched.iter().find(|(known, _)| *known == v) {
            return brief;
        }
        let brief = self.fresh(v);
        let op = match self.code.class(v) {
            Class::General => Op::LoadGeneral,
            Class::Vector if memory.broadcast => Op::Broadcast,
            Class::Vector => Op::Load,
            Class::Mask => Op::MaskLoad,
        };
        let memory = Memory { broadcast: false, ..memory };
        self.out.push(Inst::new(op, Some(brief), &[Source::Memory(memory)]));
        fetched.push((v, brief));
        brief
    }

    fn address(&mut self, mut memory: Memory, fetched: &mut Vec<(V, V)>) -> Memory {
        if let Base::Register(base) = memory.base
            && let Some(place) = self.place(base)
        {
            memory.base = Base::Register(self.fetch(base, place, fetched));
        }
        if let Some(index) = memory.index
            && let Some(place) = self.place(index)
        {
            memory.index = Some(self.fetch(index, place, fetched));
        }
        memory
    }
}
