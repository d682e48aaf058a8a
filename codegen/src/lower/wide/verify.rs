//! The verifier of virtual code. In: what selection made. Out: every violation found, in words.
//!
//! Checked:
//! - the operations are ones of the level, each with the operands of its [`Shape`](super::shape::Shape): how many, their classes,
//!   which may be in memory, and of those at most one; a mask where one is needed and nowhere else; an immediate that fits;
//! - a register is set before it is read, on every path; so one that a loop carries is set before the loop, and what is jumped over sets
//!   nothing for the first time that is read behind it. Gathers and scatters use up their mask;
//! - addresses have general registers and a scale of 1, 2, 4 or 8; a vector as index only where lanes go to places of their own; what is
//!   read of the frame and of the literals lies within them; literals and arguments are not written;
//! - loops nest and end; every label is bound once; a jump leads to a label of a loop that is open there, never into another one; the
//!   only jumps back are those at the end of a loop, to the label at its head;
//! - flags are used right behind what sets them, and what sets them is used;
//! - arguments are taken at the head before anything else happens, each once;
//! - a register that has a home is set once, to what lies there.

use super::code::{Base, Class, Code, Constant, Inst, Memory, Op, Source, V};
use super::flow::{Known, walk};
use super::machine::ARGUMENTS;
use super::shape::{Masking, Operand, Shape};
use super::text::{Violation, virtual_name};
use crate::lane::ELEMENT_BYTES;

/// Every violation in `code`; empty for code that registers may be allocated for.
pub(super) fn verify(code: &Code) -> Vec<Violation> {
    let mut verifier = Verifier { code, violations: Vec::new() };
    for (at, inst) in code.instructions.iter().enumerate() {
        verifier.shape(at, inst);
    }
    verifier.control();
    verifier.flags();
    verifier.arguments();
    verifier.homes();
    // What follows looks classes up by register.
    if verifier.violations.is_empty() {
        verifier.set_before_read();
    }
    verifier.violations.sort_by_key(|violation| violation.at);
    verifier.violations
}

struct Verifier<'a> {
    code: &'a Code,
    violations: Vec<Violation>,
}

impl Verifier<'_> {
    fn check(&mut self, at: usize, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation { at, what: what() });
        }
    }

    fn has_class(&self, v: V, class: Class) -> bool {
        self.code.classes.get(v.0 as usize) == Some(&class)
    }

    fn register(&mut self, at: usize, v: V, class: Class) {
        let fits = self.has_class(v, class);
        self.check(at, fits, || format!("{} is no {class:?} register", virtual_name(self.code, v)));
    }

    fn shape(&mut self, at: usize, inst: &Inst) {
        let Some(shape) = inst.op.shape(self.code.level) else {
            return self.check(at, false, || format!("{:?} has no {:?}", self.code.level, inst.op));
        };
        match (inst.to, shape.to) {
            (Some(to), Some(class)) => self.register(at, to, class),
            (None, None) => {}
            (to, _) => {
                let word = if to.is_some() { "sets no register" } else { "sets a register" };
                self.check(at, false, || format!("{:?} {word}", inst.op));
            }
        }

        let in_memory = inst.from.iter().filter(|source| matches!(source, Source::Memory(_))).count();
        self.check(at, in_memory <= 1, || format!("{in_memory} operands are in memory"));
        for position in 0..inst.from.len() {
            self.operand(at, inst, position, shape.from.get(position).copied());
        }

        self.mask(at, inst, &shape);
        self.immediate(at, inst);
    }

    fn operand(&mut self, at: usize, inst: &Inst, position: usize, wanted: Option<Operand>) {
        let source = inst.from[position];
        match (wanted, source) {
            (None, Source::None) => {}
            (Some(Operand::Register(class) | Operand::Either(class)), Source::Register(v)) => {
                self.register(at, v, class);
            }
            (Some(Operand::Element), Source::Register(v)) => self.register(at, v, Class::Vector),
            (Some(Operand::Either(_)), Source::Memory(memory)) => {
                let fits = inst.op.takes_memory(position, memory.broadcast, self.code.level);
                self.check(at, fits, || format!("operand {position} is read into every lane"));
                self.memory(at, inst, memory, Class::General);
            }
            (Some(Operand::Memory | Operand::Element), Source::Memory(memory)) => {
                self.check(at, !memory.broadcast, || format!("operand {position} is read into every lane"));
                self.memory(at, inst, memory, Class::General);
            }
            (Some(Operand::Scattered), Source::Memory(memory)) => {
                self.check(at, memory.index.is_some(), || "lanes have no places of their own".to_owned());
                self.memory(at, inst, memory, Class::Vector);
            }
            (wanted, _) => {
                self.check(at, false, || match wanted {
                    None => format!("operand {position} is one too many"),
                    Some(wanted) => format!("operand {position} is not {wanted:?}"),
                });
            }
        }
    }

    fn memory(&mut self, at: usize, inst: &Inst, memory: Memory, index: Class) {
        let is_scale = matches!(memory.scale, 1 | 2 | 4 | 8);
        self.check(at, is_scale, || format!("an index is scaled by {}", memory.scale));
        if let Some(v) = memory.index {
            self.register(at, v, index);
        }

        let bytes = if memory.broadcast { ELEMENT_BYTES as u32 } else { inst.op.bytes(self.code.level) };
        let writes = inst.op.stores();
        match memory.base {
            Base::Register(base) => self.register(at, base, Class::General),
            Base::Pool(place) => {
                let size = (size_of::<u32>() * self.code.pool.words.len()) as u32;
                self.own(at, "the literals", place, memory, bytes, size);
                self.check(at, !writes, || "a literal is written".to_owned());
            }
            Base::Frame(place) => self.own(at, "the frame", place, memory, bytes, self.code.frame),
            Base::Argument(number) => {
                let on_stack = number as usize >= ARGUMENTS.len();
                self.check(at, on_stack, || format!("argument {number} is not on the stack"));
                let whole = memory.index.is_none() && memory.offset == 0;
                self.check(at, whole, || format!("a part of argument {number}"));
                self.check(at, !writes, || "an argument is written".to_owned());
            }
        }
    }

    /// Memory of the function's own: within it, and at an offset known now.
    fn own(&mut self, at: usize, what: &str, place: u32, memory: Memory, bytes: u32, size: u32) {
        let start = i64::from(place) + i64::from(memory.offset);
        let inside = memory.index.is_none() && start >= 0 && start + i64::from(bytes) <= i64::from(size);
        self.check(at, inside, || {
            format!("bytes {start}..{} lie outside of {what}", start + i64::from(bytes))
        });
    }

    fn mask(&mut self, at: usize, inst: &Inst, shape: &Shape) {
        match (inst.mask, shape.mask) {
            (Some(mask), Masking::Optional | Masking::Always) => self.register(at, mask, Class::Mask),
            (Some(_), Masking::Never) => self.check(at, false, || format!("{:?} takes no mask", inst.op)),
            (None, Masking::Always) => self.check(at, false, || format!("{:?} wants a mask", inst.op)),
            (None, _) => {}
        }
    }

    fn immediate(&mut self, at: usize, inst: &Inst) {
        let value = inst.immediate;
        let fits = match inst.op {
            Op::SetGeneral | Op::Entry | Op::Label => true,
            op if op.is_jump() => true,
            Op::Divide => (1..=i64::from(i32::MAX)).contains(&value),
            Op::AddImmediate | Op::MulImmediate | Op::AndImmediate | Op::CompareImmediate => {
                i32::try_from(value).is_ok()
            }
            op if op.has_immediate() => u8::try_from(value).is_ok(),
            _ => value == 0,
        };
        self.check(at, fits, || format!("the immediate {value} does not fit"));
    }

    /// Loops, labels and jumps.
    fn control(&mut self) {
        let code = self.code;
        // The loops around each instruction, by their heads.
        let mut open: Vec<usize> = Vec::new();
        let mut around: Vec<Vec<usize>> = Vec::new();
        let mut bound: Vec<Option<usize>> = vec![None; code.labels as usize];
        for (at, inst) in code.instructions.iter().enumerate() {
            if inst.op == Op::LoopEnd {
                let head = open.pop();
                self.check(at, head.is_some(), || "a loop ends that has not begun".to_owned());
            }
            if inst.op == Op::LoopHead {
                open.push(at);
            }
            around.push(if inst.op.is_control() { open.clone() } else { Vec::new() });
            if inst.op == Op::Label {
                match bound.get_mut(inst.immediate as usize) {
                    Some(place @ None) => *place = Some(at),
                    Some(_) => self.check(at, false, || format!("L{} is bound twice", inst.immediate)),
                    None => self.check(at, false, || format!("L{} is unknown", inst.immediate)),
                }
            }
        }
        for head in open {
            self.check(head, false, || "a loop does not end".to_owned());
        }

        for (at, inst) in code.instructions.iter().enumerate().filter(|(_, inst)| inst.op.is_jump()) {
            let label = inst.immediate;
            let Some(target) = bound.get(label as usize).copied().flatten() else {
                self.check(at, false, || format!("L{label} is not bound"));
                continue;
            };
            let inside = around[at].starts_with(&around[target]);
            self.check(at, inside, || format!("L{label} lies in a loop that is not open here"));
            if target > at {
                continue;
            }
            let ends = code.instructions.get(at + 1).is_some_and(|next| next.op == Op::LoopEnd);
            let to_head = target > 0 && around[at].last() == Some(&(target - 1));
            self.check(at, ends && to_head, || format!("a jump back to L{label} that ends no loop"));
        }
    }

    /// Nothing stands between what sets the flags and the jump that uses them.
    fn flags(&mut self) {
        let setter = |inst: Option<&Inst>| match inst.map(|inst| inst.op) {
            Some(Op::Compare | Op::CompareImmediate) => Some(false),
            Some(Op::AnyLane) => Some(true),
            _ => None,
        };
        let list = &self.code.instructions;
        for (at, inst) in list.iter().enumerate() {
            let before = setter(at.checked_sub(1).and_then(|before| list.get(before)));
            let fits = match inst.op {
                Op::JumpIfNone => before == Some(true),
                Op::JumpIfGreater | Op::JumpIfAtMost => before == Some(false),
                _ => before.is_none(),
            };
            self.check(at, fits, || "flags are set and used by different instructions".to_owned());
        }
        let at_end = setter(list.last()).is_none();
        self.check(list.len().saturating_sub(1), at_end, || "flags are set at the end".to_owned());
    }

    fn arguments(&mut self) {
        let list = &self.code.instructions;
        let first = list.iter().position(|inst| inst.op != Op::Entry).unwrap_or(list.len());
        for (at, inst) in list.iter().enumerate().filter(|(_, inst)| inst.op == Op::Entry) {
            let number = inst.immediate;
            self.check(at, at < first, || format!("argument {number} is taken behind the head"));
            let in_register = (0..ARGUMENTS.len() as i64).contains(&number);
            self.check(at, in_register, || format!("argument {number} comes in no register"));
            let again = list[..at].iter().any(|other| other.op == Op::Entry && other.immediate == number);
            self.check(at, !again, || format!("argument {number} is taken twice"));
        }
    }

    fn homes(&mut self) {
        let mut sets = vec![0_u32; self.code.classes.len()];
        for to in self.code.instructions.iter().filter_map(|inst| inst.to) {
            sets.get_mut(to.0 as usize).into_iter().for_each(|count| *count += 1);
        }
        for (at, inst) in self.code.instructions.iter().enumerate() {
            let Some((to, home)) = inst.to.and_then(|to| Some((to, *self.code.homes.get(&to)?))) else {
                continue;
            };
            let once = sets.get(to.0 as usize) == Some(&1);
            let class = self.code.classes.get(to.0 as usize).copied().unwrap_or(Class::Mask);
            let there = Constant::of(&home, home.broadcast, class);
            let fits = once
                && there.is_some_and(|there| {
                    self.code.constant(inst).is_some_and(|constant| constant.equals(there, self.code))
                });
            let name = || virtual_name(self.code, to);
            self.check(at, fits, || format!("{} is not what lies at its home", name()));
        }
    }

    fn set_before_read(&mut self) {
        let code = self.code;
        let list: Vec<&Inst> = code.instructions.iter().collect();
        let head = Set { words: vec![0; code.classes.len().div_ceil(64)] };
        walk(&list, code.labels, head, |at, set, last| {
            let inst = list[at];
            if last {
                inst.reads(&mut |v| {
                    self.check(at, set.has(v), || {
                        format!("{} is read before it is set", virtual_name(code, v))
                    });
                });
            }
            inst.used_up().into_iter().for_each(|mask| set.change(mask, false));
            inst.to.into_iter().for_each(|to| set.change(to, true));
        });
    }
}

/// Registers that are set.
#[derive(Clone)]
struct Set {
    words: Vec<u64>,
}

impl Set {
    fn has(&self, v: V) -> bool {
        self.words[v.0 as usize / 64] >> (v.0 % 64) & 1 == 1
    }

    fn change(&mut self, v: V, set: bool) {
        let (word, bit) = (&mut self.words[v.0 as usize / 64], 1 << (v.0 % 64));
        *word = if set { *word | bit } else { *word & !bit };
    }
}

impl Known for Set {
    fn meet(&mut self, other: &Set) -> bool {
        let mut less = false;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            less |= *word & !other != 0;
            *word &= other;
        }
        less
    }
}
