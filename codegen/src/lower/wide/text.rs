//! The text form of machine code, for people, golden tests and violations. In: virtual code, or allocated code. Out: the same text
//! every time, a line an instruction, loops indented.
//!
//! Virtual registers are `r1` (general), `v2` (vector) and `m3` (mask); after allocation they have the machine's names. `[frame+32]` is
//! memory of the function's own, `[pool+64]` a literal, `[argument 7]` one that came on the stack; `(all)` reads one element into every lane.
//! `where m3` leaves the other lanes zero, `where m3 else v2` as they were.

use super::code::{Base, Class, Code, Inst, Memory, Op, Source, V};
use super::machine::{Allocated, Physical};
use crate::lane::word_of;
use crate::target::Extension;

/// A rule that an instruction breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The number of the instruction.
    pub(super) at: usize,
    pub(super) what: String,
}

/// Lines shown before one that breaks a rule.
const CONTEXT: usize = 3;

/// Virtual code, a line an instruction.
pub(super) fn selected_lines(code: &Code) -> Vec<String> {
    indented(code.instructions.iter().map(|inst| (inst.op, line(inst, &|v| virtual_name(code, v)))))
}

/// Allocated code, a line an instruction.
pub(super) fn allocated_lines(code: &Code, allocated: &Allocated) -> Vec<String> {
    let name = |register| physical_name(register, code.level);
    indented(allocated.instructions.iter().map(|placed| {
        let text = line(&placed.inst, &name);
        let text = match (placed.origin, placed.inst.to) {
            (Some(_), _) => text,
            (None, Some(_)) => format!("{text}  ; reload"),
            (None, None) => format!("{text}  ; spill"),
        };
        (placed.inst.op, text)
    }))
}

/// Both forms of a function and its literals.
pub(super) fn text(code: &Code, allocated: &Allocated) -> String {
    let level = word_of(&code.level);
    let mut text = format!("selected for {level}, frame {}\n", code.frame);
    let mut list = |lines: Vec<String>| lines.iter().for_each(|line| text += &format!("  {line}\n"));
    list(selected_lines(code));

    let saved = allocated.saved.iter().map(|&register| physical_name(register, code.level));
    let saved: Vec<String> = saved.collect();
    let saves = if saved.is_empty() { String::new() } else { format!(", saves {}", saved.join(" ")) };
    text += &format!("allocated for {level}, frame {}{saves}\n", allocated.frame);
    let mut list = |lines: Vec<String>| lines.iter().for_each(|line| text += &format!("  {line}\n"));
    list(allocated_lines(code, allocated));

    for (number, words) in code.pool.words.chunks(8).enumerate() {
        let words: Vec<String> = words.iter().map(|word| format!("{word:08x}")).collect();
        text += &format!("pool+{}: {}\n", 32 * number, words.join(" "));
    }
    text
}

/// Violations under the lines that they are about, with some lines before each.
pub(super) fn in_context(lines: &[String], violations: &[Violation]) -> String {
    let mut text = String::new();
    let mut shown = 0;
    for (number, line) in lines.iter().enumerate() {
        let near = violations.iter().any(|violation| (number..=number + CONTEXT).contains(&violation.at));
        if !near {
            continue;
        }
        if number > shown {
            text += "   …\n";
        }
        shown = number + 1;
        text += &format!("{number:5}  {line}\n");
        for violation in violations.iter().filter(|violation| violation.at == number) {
            text += &format!("     ^ {}\n", violation.what);
        }
    }
    for violation in violations.iter().filter(|violation| violation.at >= lines.len()) {
        text += &format!("     at the end: {}\n", violation.what);
    }
    text
}

/// The name of a virtual register.
pub(super) fn virtual_name(code: &Code, v: V) -> String {
    let letter = match code.classes.get(v.0 as usize) {
        Some(Class::General) => 'r',
        Some(Class::Vector) => 'v',
        Some(Class::Mask) => 'm',
        None => '?',
    };
    format!("{letter}{}", v.0)
}

/// The machine's own name of a register.
pub(super) fn physical_name(register: Physical, level: Extension) -> String {
    if register.is_usable(level) {
        format!("{:?}", register.register(level)).to_lowercase()
    } else {
        format!("no {:?} register {}", register.class, register.number)
    }
}

/// Each line by the loops around it.
fn indented(lines: impl Iterator<Item = (Op, String)>) -> Vec<String> {
    let mut depth = 0_usize;
    let indent = |(op, line): (Op, String)| {
        depth = depth.saturating_sub(usize::from(op == Op::LoopEnd));
        let line = format!("{:1$}{line}", "", 2 * depth);
        depth += usize::from(op == Op::LoopHead);
        line
    };
    lines.map(indent).collect()
}

fn line<R: Copy>(inst: &Inst<R>, name: &impl Fn(R) -> String) -> String {
    match inst.op {
        Op::LoopHead => return "loop".to_owned(),
        Op::LoopEnd => return "end".to_owned(),
        Op::Label => return format!("L{}:", inst.immediate),
        op if op.is_jump() => return format!("{} L{}", word_of(&op), inst.immediate),
        _ => {}
    }

    let mut text = inst.to.map_or_else(String::new, |to| format!("{} = ", name(to)));
    text += &word_of(&inst.op);
    let overwritten = inst.to.filter(|_| inst.op.changes_target()).map(name);
    let operands = inst.from.iter().filter_map(|source| match source {
        Source::None => None,
        Source::Register(register) => Some(name(*register)),
        Source::Memory(place) => Some(memory(place, name)),
    });
    let shown = inst.op.has_immediate() || matches!(inst.op, Op::SetGeneral | Op::Entry | Op::Divide);
    let immediate = shown.then(|| inst.immediate.to_string());
    for (number, operand) in overwritten.into_iter().chain(operands).chain(immediate).enumerate() {
        text += if number == 0 { " " } else { ", " };
        text += &operand;
    }

    if let Some(mask) = inst.mask {
        text += &format!(" where {}", name(mask));
    }
    match inst.to {
        Some(to) if inst.mask.is_some() && inst.merges => text += &format!(" else {}", name(to)),
        _ => {}
    }
    text
}

fn memory<R: Copy>(memory: &Memory<R>, name: &impl Fn(R) -> String) -> String {
    let mut text = match memory.base {
        Base::Register(base) => name(base),
        Base::Pool(place) => format!("pool+{place}"),
        Base::Frame(place) => format!("frame+{place}"),
        Base::Argument(number) => format!("argument {number}"),
    };
    if let Some(index) = memory.index {
        text += &format!(" + {}", name(index));
        if memory.scale != 1 {
            text += &format!("·{}", memory.scale);
        }
    }
    match memory.offset {
        0 => {}
        offset if offset < 0 => text += &format!(" - {}", offset.unsigned_abs()),
        offset => text += &format!(" + {offset}"),
    }
    format!("[{text}]{}", if memory.broadcast { " (all)" } else { "" })
}
