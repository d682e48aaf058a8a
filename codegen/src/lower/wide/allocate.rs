//! Registers. In: virtual code. Out: the same over the machine's registers, with spills and reloads between its instructions.
//!
//! A linear scan: each virtual register lives from its first definition to its last use, or to the end of a loop that it enters alive. It
//! has one machine register for all that time. Where there are too few, the one that is cheapest to spill is spilled: it is read as an
//! operand in memory where the instruction allows that, else through a register for that instruction alone. Then the scan is
//! done again.
//!
//! Measured against `regalloc2` 0.15.2 (Cranelift's, its backtracking algorithm; moves, multiply-adds and two-address instructions
//! with reuse constraints where the operand dies, operands in memory allowed where the instruction can). Instructions that each adds
//! to the innermost loops of a training step (loads, stores, moves; in brackets operands read from memory instead of a register),
//! and µs for the allocation of all of its functions; release build, best of five, AMD EPYC (family 25, model 1), busy:
//!
//! | step, vectors           | here     |  µs | `regalloc2` |   µs |
//! |-------------------------|---------:|----:|------------:|-----:|
//! | 2-50-1 ×1, AVX2         |    6 (4) | 112 |      11 (1) |  425 |
//! | 2-50-1 ×64, AVX2        |  43 (76) | 286 |    121 (68) | 1687 |
//! | 784-128-10 ×1, AVX2     |    0 (0) | 206 |       0 (0) | 1050 |
//! | 784-128-10 ×64, AVX2    |  25 (64) | 353 |     46 (66) | 1884 |
//! | 784-512-512-10, AVX2    |  25 (64) | 368 |     50 (66) | 1882 |
//! | elementwise, AVX2       |  13 (36) |  94 |     23 (37) |  531 |
//! | 2-50-1 ×1, AVX-512      |    0 (0) |  58 |       0 (0) |  195 |
//! | 2-50-1 ×64, AVX-512     |  30 (27) | 172 |     84 (12) |  980 |
//! | elementwise, AVX-512    |  10 (16) |  52 |      12 (16) |  472 |
//!
//! So this one stays: it adds fewer instructions to inner loops, in a quarter to a ninth of the time. Most of the difference are constants,
//! which it reads in place and the other one copies to a slot first, and moves between halves of split live ranges.

use super::code::{Base, Class, Code, Inst, Memory, Op, Source, V};
use super::machine::{ARGUMENTS, Allocated, GENERAL, Physical, Placed};

/// No machine register: not used, or kept in memory.
const NONE: u8 = u8::MAX;
/// How much more often a loop's body runs than what is around it.
const TURNS: f32 = 10.0;
/// A value that lies in memory anyway costs less to read from there.
const AT_HOME: f32 = 0.3;

/// Assigns registers, and keeps values in memory where they do not suffice.
pub(super) fn allocate(code: &Code) -> Allocated {
    let mut work = Work::of(code);
    loop {
        let intervals = Intervals::of(&work);
        match Scan::run(&work, &intervals) {
            Ok(registers) => return work.allocated(&registers),
            Err(spilled) => Rewrite::run(&mut work, &spilled),
        }
    }
}

/// Code on its way: as it was selected, then with more and more values in memory.
struct Work<'a> {
    code: &'a Code,
    instructions: Vec<Inst>,
    /// Of each instruction the selected one that it is; none: a spill or a reload.
    origins: Vec<Option<u32>>,
    /// Of selected registers, then of those made for one instruction alone.
    classes: Vec<Class>,
    frame: u32,
}

impl Work<'_> {
    fn of(code: &Code) -> Work<'_> {
        Work {
            code,
            instructions: code.instructions.clone(),
            origins: (0..code.instructions.len() as u32).map(Some).collect(),
            classes: code.classes.clone(),
            frame: code.frame,
        }
    }

    fn class(&self, v: V) -> Class {
        self.classes[v.0 as usize]
    }

    /// Whether a register was made for one instruction, to bring a value from memory or there.
    fn is_brief(&self, v: V) -> bool {
        v.0 as usize >= self.code.classes.len()
    }

    fn allocated(self, registers: &[u8]) -> Allocated {
        let physical = |v: V| Physical { class: self.classes[v.0 as usize], number: registers[v.0 as usize] };
        let placed = |(inst, &origin): (&Inst, &Option<u32>)| Placed { inst: inst.map(physical), origin };
        let instructions = self.instructions.iter().zip(&self.origins).map(placed).collect();

        let used = |&register: &Physical| {
            let pairs = || self.classes.iter().zip(registers);
            pairs().any(|(&class, &number)| register == Physical { class, number })
        };
        let general = (0..GENERAL.len() as u8).map(|number| Physical { class: Class::General, number });
        let saved = general.filter(|register| register.is_callee_saved()).filter(used).collect();
        Allocated { instructions, saved, frame: self.frame }
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
    fn of(work: &Work) -> Intervals {
        let count = work.classes.len();
        let mut this = Intervals {
            start: vec![UNSET; count],
            end: vec![0; count],
            weight: vec![0.0; count],
            order: Vec::new(),
        };

        // Heads of open loops, with what came alive into them.
        let mut open: Vec<(u32, Vec<V>)> = Vec::new();
        for (number, inst) in work.instructions.iter().enumerate() {
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

        for at in 0..count {
            let v = V(at as u32);
            let length = this.end[at].saturating_sub(this.start[at]) as f32 + 1.0;
            let home = if work.code.homes.contains_key(&v) { AT_HOME } else { 1.0 };
            this.weight[at] = if work.is_brief(v) { f32::INFINITY } else { this.weight[at] * home / length };
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
    work: &'a Work<'a>,
    intervals: &'a Intervals,
    registers: Vec<u8>,
    /// Free ones of each class, a bit each.
    free: [u32; 3],
    active: [Vec<V>; 3],
    spilled: Vec<V>,
}

impl Scan<'_> {
    /// The assignment, or what must go to memory.
    fn run(work: &Work, intervals: &Intervals) -> Result<Vec<u8>, Vec<V>> {
        let vectors = if work.code.level.registers() == 32 { u32::MAX } else { 0xffff };
        let mut scan = Scan {
            work,
            intervals,
            registers: vec![NONE; work.classes.len()],
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
        let class = self.work.class(v) as usize;
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
        let inst = &self.work.instructions[start as usize / 2];
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
struct Rewrite<'a, 'c> {
    work: &'a mut Work<'c>,
    /// Where each register lies that has been put there.
    places: Vec<Option<Memory>>,
    out: Vec<Inst>,
    origins: Vec<Option<u32>>,
}

impl Rewrite<'_, '_> {
    fn run(work: &mut Work, spilled: &[V]) {
        let mut places = vec![None; work.classes.len()];
        for &v in spilled {
            places[v.0 as usize] = Some(match work.code.homes.get(&v) {
                Some(&home) => home,
                None => {
                    let is_vector = work.class(v) == Class::Vector;
                    let size = if is_vector { work.code.level.vector_bytes() } else { 8 };
                    work.frame = work.frame.next_multiple_of(size) + size;
                    Memory::at(Base::Frame(work.frame - size))
                }
            });
        }

        let instructions = std::mem::take(&mut work.instructions);
        let before = std::mem::take(&mut work.origins);
        let room = instructions.len() * 5 / 4;
        let mut rewrite =
            Rewrite { out: Vec::with_capacity(room), origins: Vec::with_capacity(room), work, places };
        for (inst, origin) in instructions.into_iter().zip(before) {
            rewrite.instruction(inst, origin);
        }
        rewrite.work.instructions = rewrite.out;
        rewrite.work.origins = rewrite.origins;
    }

    fn put(&mut self, inst: Inst, origin: Option<u32>) {
        self.out.push(inst);
        self.origins.push(origin);
    }

    fn place(&self, v: V) -> Option<Memory> {
        self.places.get(v.0 as usize).copied().flatten()
    }

    fn instruction(&mut self, mut inst: Inst, origin: Option<u32>) {
        let place = inst.to.and_then(|to| self.place(to));
        if let (Some(_), Some(to)) = (place, inst.to)
            && self.work.code.homes.contains_key(&to)
        {
            // It lies there already.
            return;
        }

        // Operands stay in memory where the instruction can read one there, and come to a register else.
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
            return self.put(inst, origin);
        };
        let brief = if inst.reads_target() { self.fetch(to, memory, &mut fetched) } else { self.fresh(to) };
        inst.to = Some(brief);
        self.put(inst, origin);
        let op = match self.work.class(to) {
            Class::General => Op::StoreGeneral,
            Class::Vector => Op::Store,
            Class::Mask => Op::MaskStore,
        };
        self.put(Inst::new(op, None, &[Source::Memory(memory), Source::Register(brief)]), None);
    }

    fn once(&self, inst: &Inst, v: V) -> bool {
        inst.from.iter().filter(|source| **source == Source::Register(v)).count() == 1
    }

    fn folds(&self, inst: &Inst, position: usize, memory: Memory) -> bool {
        inst.op == Op::Move || inst.op.takes_memory(position, memory.broadcast, self.work.code.level)
    }

    fn fresh(&mut self, like: V) -> V {
        self.places.push(None);
        self.work.classes.push(self.work.class(like));
        V(self.work.classes.len() as u32 - 1)
    }

    /// A register for this instruction alone.
    fn fetch(&mut self, v: V, memory: Memory, fetched: &mut Vec<(V, V)>) -> V {
        if let Some(&(_, brief)) = fetched.iter().find(|(known, _)| *known == v) {
            return brief;
        }
        let brief = self.fresh(v);
        let op = match self.work.class(v) {
            Class::General => Op::LoadGeneral,
            Class::Vector if memory.broadcast => Op::Broadcast,
            Class::Vector => Op::Load,
            Class::Mask => Op::MaskLoad,
        };
        let memory = Memory { broadcast: false, ..memory };
        self.put(Inst::new(op, Some(brief), &[Source::Memory(memory)]), None);
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
