//! The symbolic check of allocated code. In: the virtual code as it was selected; the code over the machine's registers. Out: every way
//! in which the second might not do what the first does, in words.
//!
//! It knows nothing of how registers were found. It follows, on every path, which virtual register's value each register of the machine and
//! each spill slot holds: an instruction puts the value of the register that it sets in one location and makes all others stale, a spill or a
//! reload copies, and where paths meet, a location holds what it holds on all of them. Checked:
//! - the instructions are the selected ones in their order, with the same operation, immediate, mask and memory; left out are only those
//!   that load a constant, put in only moves between registers and slots and loads of constants;
//! - each operand is read from where the value of its virtual register lies at that point: from a register of its class, or, where
//!   the instruction allows that, from its slot or from the constant in memory that it always equals;
//! - the register set exists, and is none that is still to be read by an instruction which sets it early; an argument is taken from
//!   where the convention puts it;
//! - callee-saved registers that are set are saved; spill slots lie within the frame, behind what selection asked for, and share no byte.

use super::code::{Base, Class, Code, Constant, Inst, Memory, Op, Source, V};
use super::flow::{Known, walk};
use super::machine::{ARGUMENTS, Allocated, Physical, Placed};
use super::text::{Violation, physical_name, virtual_name};

/// Every violation in `allocated`; empty if it does what `code` does.
pub(super) fn check(code: &Code, allocated: &Allocated) -> Vec<Violation> {
    let mut checker = Checker {
        code,
        allocated,
        constants: constants(code),
        slots: Vec::new(),
        held_in: vec![Vec::new(); code.classes.len()],
        violations: Vec::new(),
    };
    checker.order();
    checker.registers();
    checker.find_slots();
    // Values are followed through instructions that have their counterparts and registers that exist.
    if checker.violations.is_empty() {
        checker.follow();
    }
    checker.violations
}

/// What a register or slot holds.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Unknown,
    /// The present value of a virtual register.
    Of(V),
    Constant(Constant),
    /// What the caller has put there.
    Argument(u8),
}

/// What every register and slot holds: registers by [`number`], then slots.
#[derive(Clone)]
struct Places(Vec<Value>);

impl Known for Places {
    fn meet(&mut self, other: &Places) -> bool {
        let mut less = false;
        for (here, there) in self.0.iter_mut().zip(&other.0) {
            if *here != *there && *here != Value::Unknown {
                *here = Value::Unknown;
                less = true;
            }
        }
        less
    }
}

/// How many registers there may be of a class.
const MOST: usize = 32;

/// The index of a register.
fn number(register: Physical) -> usize {
    MOST * register.class as usize + usize::from(register.number)
}

/// Memory of the frame that holds a spilled value.
struct Slot {
    offset: u32,
    class: Class,
}

struct Checker<'a> {
    code: &'a Code,
    allocated: &'a Allocated,
    /// What registers hold that are set once, to something that lies in memory unchanged.
    constants: Vec<Option<Constant>>,
    slots: Vec<Slot>,
    /// Locations that have held a register's value on some path: where it may become stale.
    held_in: Vec<Vec<usize>>,
    violations: Vec<Violation>,
}

/// The constant that each register equals all along.
fn constants(code: &Code) -> Vec<Option<Constant>> {
    let mut constants = vec![None; code.classes.len()];
    let mut is_set = vec![false; code.classes.len()];
    for inst in &code.instructions {
        if let Some(to) = inst.to {
            let again = std::mem::replace(&mut is_set[to.0 as usize], true);
            constants[to.0 as usize] = code.constant(inst).filter(|_| !again);
        }
    }
    constants
}

impl Checker<'_> {
    fn check(&mut self, at: usize, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation { at, what: what() });
        }
    }

    /// Every selected instruction is there once and in order, unless all it does is load a constant.
    fn order(&mut self) {
        let (code, allocated) = (self.code, self.allocated);
        let mut next = 0;
        for (at, placed) in allocated.instructions.iter().enumerate() {
            let Some(origin) = placed.origin.map(|origin| origin as usize) else {
                self.check(at, copies(&placed.inst), || "neither selected nor a spill or reload".to_owned());
                continue;
            };
            self.check(at, next <= origin, || "instructions are in another order than selected".to_owned());
            self.left_out(at, next..origin);
            next = next.max(origin + 1);
            match code.instructions.get(origin) {
                Some(selected) => self.same(at, selected, &placed.inst),
                None => self.check(at, false, || "there is no such selected instruction".to_owned()),
            }
        }
        self.left_out(allocated.instructions.len(), next..code.instructions.len());
    }

    fn left_out(&mut self, at: usize, range: std::ops::Range<usize>) {
        for inst in self.code.instructions.get(range).unwrap_or_default() {
            let constant = inst.to.is_some_and(|to| self.constants[to.0 as usize].is_some());
            self.check(at, constant, || format!("{:?} is left out before this", inst.op));
        }
    }

    /// Two instructions that differ in their registers alone, and in operands that have gone to memory.
    fn same(&mut self, at: usize, selected: &Inst, inst: &Inst<Physical>) {
        let loads = selected.op == Op::Move
            && matches!(inst.op, Op::Load | Op::Broadcast)
            && matches!(inst.from[0], Source::Memory(_));
        let same = (inst.op == selected.op || loads)
            && inst.immediate == selected.immediate
            && inst.merges == selected.merges
            && inst.mask.is_some() == selected.mask.is_some()
            && inst.to.is_some() == selected.to.is_some();
        self.check(at, same, || format!("{:?} was selected", selected.op));

        let mut in_memory = 0;
        for position in 0..inst.from.len() {
            let fits = match (selected.from[position], inst.from[position]) {
                (Source::None, Source::None) | (Source::Register(_), Source::Register(_)) => true,
                (Source::Register(_), Source::Memory(memory)) => {
                    in_memory += 1;
                    loads || inst.op.takes_memory(position, memory.broadcast, self.code.level)
                }
                (Source::Memory(wanted), Source::Memory(memory)) => {
                    in_memory += 1;
                    is_same_form(&wanted, &memory)
                }
                _ => false,
            };
            self.check(at, fits && in_memory <= 1, || format!("operand {position} is not the one selected"));
        }
    }

    /// Registers exist, have the class of what they stand for, and are saved where the caller wants them back.
    fn registers(&mut self) {
        let (code, allocated) = (self.code, self.allocated);
        for (at, placed) in allocated.instructions.iter().enumerate() {
            placed.inst.reads(&mut |register| self.usable(at, register));
            let Some(to) = placed.inst.to else { continue };
            self.usable(at, to);
            let kept = !to.is_callee_saved() || allocated.saved.contains(&to);
            let name = || physical_name(to, code.level);
            self.check(at, kept, || format!("{} is set and not saved", name()));

            // An index is read when lanes of the target are set already.
            let early = placed.inst.sets_early();
            let read = placed.inst.from.iter().any(|source| match source {
                Source::Register(register) => *register == to,
                Source::Memory(memory) => memory.index == Some(to),
                Source::None => false,
            });
            self.check(at, !(early && read), || format!("{} is set before it is read", name()));
        }
        for &register in &allocated.saved {
            let usable = register.is_callee_saved() && register.is_usable(code.level);
            self.check(0, usable, || format!("{} need not be saved", physical_name(register, code.level)));
        }
    }

    fn usable(&mut self, at: usize, register: Physical) {
        let usable = register.is_usable(self.code.level);
        self.check(at, usable, || physical_name(register, self.code.level));
    }

    /// Slots are what spills write.
    fn find_slots(&mut self) {
        let allocated = self.allocated;
        let (used, frame) = (self.code.frame, allocated.frame);
        self.check(0, used <= frame, || format!("a frame of {frame} bytes, of which the code uses {used}"));
        let mut slots: Vec<(u32, u32, Class, usize)> = Vec::new();
        for (at, placed) in allocated.instructions.iter().enumerate() {
            let Placed { inst, .. } = placed;
            if placed.origin.is_some() || !inst.op.stores() {
                continue;
            }
            let [Source::Memory(Memory { base: Base::Frame(place), offset, .. }), Source::Register(from), _] =
                inst.from
            else {
                continue;
            };

            let start = place.wrapping_add_signed(offset);
            let end = start.saturating_add(inst.op.bytes(self.code.level));
            let inside = self.code.frame <= start && end <= allocated.frame;
            self.check(at, inside, || {
                format!("a spill to bytes {start}..{end}, which are no room for spills")
            });
            slots.push((start, end, from.class, at));
        }

        slots.sort_unstable_by_key(|&(start, end, class, at)| (start, end, class as u8, at));
        slots.dedup_by_key(|&mut (start, end, class, _)| (start, end, class));
        for pair in slots.windows(2) {
            let apart = pair[0].1 <= pair[1].0;
            self.check(pair[1].3, apart, || format!("a spill over another slot, at {}", pair[0].0));
        }
        self.slots = slots.into_iter().map(|(offset, _, class, _)| Slot { offset, class }).collect();
    }

    /// The index of the slot that an operand names, if it is one of this class.
    fn slot(&self, memory: &Memory<Physical>, class: Class) -> Option<usize> {
        let Base::Frame(place) = memory.base else { return None };
        let start = place.wrapping_add_signed(memory.offset);
        let at = self.slots.binary_search_by_key(&start, |slot| slot.offset).ok()?;
        let whole = memory.index.is_none() && !memory.broadcast && self.slots[at].class == class;
        whole.then_some(3 * MOST + at)
    }

    /// Follows values through the code.
    fn follow(&mut self) {
        let allocated = self.allocated;
        let list: Vec<&Inst<Physical>> = allocated.instructions.iter().map(|placed| &placed.inst).collect();
        let mut head = Places(vec![Value::Unknown; 3 * MOST + self.slots.len()]);
        for (argument, &register) in ARGUMENTS.iter().enumerate() {
            head.0[number(Physical { class: Class::General, number: register })] =
                Value::Argument(argument as u8);
        }
        walk(&list, self.code.labels, head, |at, places, last| {
            let placed = &allocated.instructions[at];
            match placed.origin {
                None => self.copy(at, &placed.inst, places, last),
                Some(origin) => {
                    let selected = &self.code.instructions[origin as usize];
                    if last {
                        self.operands(at, selected, &placed.inst, places);
                    }
                    self.effects(selected, &placed.inst, places);
                }
            }
        });
    }

    /// A spill or a reload.
    fn copy(&mut self, at: usize, inst: &Inst<Physical>, places: &mut Places, last: bool) {
        if let Some(to) = inst.to {
            let value = match inst.from[0] {
                Source::Memory(memory) => self.in_memory(inst.op, &memory, to.class, places),
                Source::Register(from) if from.class == to.class => places.0[number(from)],
                _ => Value::Unknown,
            };
            return self.put(number(to), value, places);
        }
        let slot = match inst.from {
            [Source::Memory(memory), Source::Register(from), _] => {
                self.slot(&memory, from.class).map(|slot| (slot, places.0[number(from)]))
            }
            _ => None,
        };
        match slot {
            Some((slot, value)) => self.put(slot, value, places),
            None => self.check(at, !last, || "a spill to no slot".to_owned()),
        }
    }

    fn put(&mut self, place: usize, value: Value, places: &mut Places) {
        places.0[place] = value;
        if let Value::Of(v) = value
            && !self.held_in[v.0 as usize].contains(&place)
        {
            self.held_in[v.0 as usize].push(place);
        }
    }

    /// What an operand in memory holds: a slot's value, or a constant.
    fn in_memory(&self, op: Op, memory: &Memory<Physical>, class: Class, places: &Places) -> Value {
        match memory.base {
            Base::Frame(_) if op != Op::Broadcast => {
                self.slot(memory, class).map_or(Value::Unknown, |slot| places.0[slot])
            }
            _ => {
                let every = memory.broadcast || op == Op::Broadcast;
                Constant::of(memory, every, class).map_or(Value::Unknown, Value::Constant)
            }
        }
    }

    /// Every operand is read from where its value lies.
    fn operands(&mut self, at: usize, selected: &Inst, inst: &Inst<Physical>, places: &Places) {
        if selected.op == Op::Entry {
            let argument = Value::Argument(selected.immediate as u8);
            let fits = inst.to.is_some_and(|to| places.0[number(to)] == argument);
            return self.check(at, fits, || format!("argument {} is not there", selected.immediate));
        }

        for (wanted, source) in selected.from.iter().zip(&inst.from) {
            match (wanted, source) {
                (Source::Register(v), Source::Register(register)) => self.read(at, *v, *register, places),
                (Source::Register(v), Source::Memory(memory)) => {
                    let value = self.in_memory(inst.op, memory, self.code.class(*v), places);
                    self.holds(at, *v, value, || "memory".to_owned());
                }
                (Source::Memory(wanted), Source::Memory(memory)) => {
                    if let (Base::Register(v), Base::Register(register)) = (wanted.base, memory.base) {
                        self.read(at, v, register, places);
                    }
                    if let (Some(v), Some(register)) = (wanted.index, memory.index) {
                        self.read(at, v, register, places);
                    }
                }
                _ => {}
            }
        }

        if let (Some(v), Some(register)) = (selected.mask, inst.mask) {
            self.read(at, v, register, places);
        }
        if let (true, Some(v), Some(register)) = (selected.reads_target(), selected.to, inst.to) {
            self.read(at, v, register, places);
        }
    }

    fn read(&mut self, at: usize, v: V, register: Physical, places: &Places) {
        let value = places.0[number(register)];
        let value = if register.class == self.code.class(v) { value } else { Value::Unknown };
        self.holds(at, v, value, || physical_name(register, self.code.level));
    }

    /// Checks that a register or slot holds the value that is to be read from it.
    fn holds(&mut self, at: usize, v: V, value: Value, place: impl FnOnce() -> String) {
        if !self.is(value, v) {
            let (wanted, found) = (virtual_name(self.code, v), self.words(value));
            let what = format!("{wanted} is read from {}, which holds {found}", place());
            self.violations.push(Violation { at, what });
        }
    }

    fn is(&self, value: Value, v: V) -> bool {
        match value {
            Value::Of(held) => held == v,
            Value::Constant(held) => {
                self.constants[v.0 as usize].is_some_and(|constant| constant.equals(held, self.code))
            }
            Value::Unknown | Value::Argument(_) => false,
        }
    }

    fn words(&self, value: Value) -> String {
        match value {
            Value::Unknown => "nothing that is known on every path".to_owned(),
            Value::Of(v) => virtual_name(self.code, v),
            Value::Constant(_) => "another constant".to_owned(),
            Value::Argument(number) => format!("argument {number}"),
        }
    }

    /// What an instruction sets, and what becomes stale by it.
    fn effects(&mut self, selected: &Inst, inst: &Inst<Physical>, places: &mut Places) {
        if let (Some(v), Some(register)) = (selected.used_up(), inst.used_up()) {
            self.forget(v, places);
            places.0[number(register)] = Value::Unknown;
        }
        if let (Some(v), Some(register)) = (selected.to, inst.to) {
            self.forget(v, places);
            let value = if register.class == self.code.class(v) { Value::Of(v) } else { Value::Unknown };
            self.put(number(register), value, places);
        }
    }

    fn forget(&self, v: V, places: &mut Places) {
        for &place in &self.held_in[v.0 as usize] {
            if places.0[place] == Value::Of(v) {
                places.0[place] = Value::Unknown;
            }
        }
    }
}

/// Whether an instruction only moves a whole value between a register and another, or memory of the function's own.
fn copies(inst: &Inst<Physical>) -> bool {
    let plain = inst.mask.is_none() && inst.immediate == 0;
    let own = |memory: &Memory<Physical>| memory.index.is_none() && !matches!(memory.base, Base::Register(_));
    let [first, second, Source::None] = &inst.from else { return false };
    plain
        && match (inst.to.map(|to| to.class), first, second) {
            (Some(Class::General), Source::Memory(memory), Source::None) => {
                inst.op == Op::LoadGeneral && own(memory)
            }
            (Some(Class::Vector), Source::Memory(memory), Source::None) => {
                matches!(inst.op, Op::Load | Op::Broadcast) && own(memory)
            }
            (Some(Class::Mask), Source::Memory(memory), Source::None) => {
                inst.op == Op::MaskLoad && own(memory)
            }
            (Some(class), Source::Register(from), Source::None) => {
                from.class == class && matches!(inst.op, Op::Move | Op::MoveGeneral | Op::MaskMove)
            }
            (None, Source::Memory(memory), Source::Register(from)) => {
                let op = match from.class {
                    Class::General => Op::StoreGeneral,
                    Class::Vector => Op::Store,
                    Class::Mask => Op::MaskStore,
                };
                inst.op == op && own(memory)
            }
            _ => false,
        }
}

/// Whether two operands in memory differ in their registers alone.
fn is_same_form(wanted: &Memory, memory: &Memory<Physical>) -> bool {
    let base = match (wanted.base, memory.base) {
        (Base::Register(_), Base::Register(_)) => true,
        (Base::Pool(wanted), Base::Pool(place)) | (Base::Frame(wanted), Base::Frame(place)) => {
            wanted == place
        }
        (Base::Argument(wanted), Base::Argument(number)) => wanted == number,
        _ => false,
    };
    base && wanted.index.is_some() == memory.index.is_some()
        && (wanted.scale, wanted.offset, wanted.broadcast) == (memory.scale, memory.offset, memory.broadcast)
}
