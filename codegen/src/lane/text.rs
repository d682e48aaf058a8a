//! The text form of a lane program, for people and golden tests. In: a [`LaneProgram`]. Out: the same text every time.
//!
//! `f3`, `i4`, `m5` are registers by kind (`f3.` with a dot varies), `p0` pointers, `n1` integer arguments, `v2` counters.

use std::fmt::{self, Display, Formatter};

use super::program::*;

impl Display for LaneProgram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "program p×{} n×{}", self.pointers, self.integers)?;
        match self.alarm {
            Some(alarm) => writeln!(f, " alarm p{alarm}")?,
            None => writeln!(f)?,
        }
        Text { program: self }.items(f, &self.body, 1)
    }
}

struct Text<'a> {
    program: &'a LaneProgram,
}

impl Text<'_> {
    fn items(&self, f: &mut Formatter<'_>, items: &[LaneItem], depth: usize) -> fmt::Result {
        for item in items {
            write!(f, "{:1$}", "", depth * 2)?;
            match item {
                LaneItem::Let(register, instruction) => {
                    writeln!(f, "{} = {}", self.register(*register), self.instruction(instruction))?;
                }
                LaneItem::Store { address, value } => writeln!(f, "[{address}] = {}", self.register(*value))?,
                LaneItem::Watch(value) => writeln!(f, "watch {}", self.register(*value))?,
                LaneItem::Loop(item) => self.item_loop(f, item, depth)?,
            }
        }
        Ok(())
    }

    fn item_loop(&self, f: &mut Formatter<'_>, item: &LaneLoop, depth: usize) -> fmt::Result {
        let word = if item.lanes { "lanes" } else { "for" };
        write!(f, "{word} v{} in {}..{}", item.var.0, item.start, item.end)?;
        match item.portion {
            Portion::Whole => writeln!(f)?,
            Portion::Blocks(n) => writeln!(f, " by {n}")?,
            Portion::Rest(n) => writeln!(f, " rest of {n}")?,
            Portion::Chunk { number, length } => writeln!(f, " chunk v{} of {length}", number.0)?,
            Portion::Where(mask) => writeln!(f, " where {}", self.register(mask))?,
        }
        for Carried { initial, inside, next, after, combine } in &item.carried {
            let [initial, inside, next, after] = [initial, inside, next, after].map(|&r| self.register(r));
            write!(f, "{:1$}carry ", "", depth * 2 + 2)?;
            write!(f, "{inside} = {initial} then {next} after {after}")?;
            match combine {
                Some(combine) => writeln!(f, " by {}", word_of(combine))?,
                None => writeln!(f)?,
            }
        }
        self.items(f, &item.body, depth + 1)
    }

    fn instruction(&self, instruction: &Instruction) -> String {
        let operands: Vec<String> = instruction.operands().iter().map(|&r| self.register(r)).collect();
        let operands = operands.join(" ");
        match instruction {
            Instruction::ConstantF(bits) => format!("{:?}", f32::from_bits(*bits)),
            Instruction::ConstantI(value) => format!("{value}"),
            Instruction::ConstantMask(value) => format!("{value}"),
            Instruction::Load(address) => format!("[{address}]"),
            Instruction::Counter { var, plus } => format!("v{}{}", var.0, Plus(*plus)),
            Instruction::Argument(argument) => format!("n{argument}"),
            Instruction::Unary(op, _) => format!("{} {operands}", word_of(op)),
            Instruction::Binary(op, ..) => format!("{} {operands}", word_of(op)),
            Instruction::Fma(..) => format!("fma {operands}"),
            Instruction::Compare(op, ..) => format!("{} {operands}", word_of(op)),
            Instruction::Select(..) => format!("select {operands}"),
        }
    }

    fn register(&self, register: Reg) -> String {
        let Some(&Register { kind, varying }) = self.program.registers.get(register.0 as usize) else {
            return format!("?{}", register.0);
        };
        let letter = match kind {
            Kind::F32 => 'f',
            Kind::I32 => 'i',
            Kind::Mask => 'm',
        };
        format!("{letter}{}{}", register.0, if varying { "." } else { "" })
    }
}

/// `MaxF` as `max_f`.
pub(crate) fn word_of(op: &impl fmt::Debug) -> String {
    let mut word = String::new();
    for letter in format!("{op:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

struct Plus(i64);

impl Display for Plus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "{:+}", self.0) }
    }
}

impl Display for Integer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Integer::Constant(value) => write!(f, "{value}"),
            Integer::Argument(argument) => write!(f, "n{argument}"),
        }
    }
}

impl Display for Index {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Index::Var { var, plus: 0 } => write!(f, "v{}", var.0),
            Index::Var { var, plus } => write!(f, "(v{}{})", var.0, Plus(*plus)),
            Index::Lookup { table, var, plus } => write!(f, "p{table}[v{}{}]", var.0, Plus(*plus)),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "p{}{}", self.pointer, Plus(self.offset))?;
        for term in &self.terms {
            write!(f, " + {}·{}", term.index, term.stride)?;
        }
        self.by.map_or(Ok(()), |by| write!(f, " + i{}·4", by.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Address, Binary, Combine, Compare, Integer, Kind, Portion, ProgramBuilder, Unary};

    #[test]
    fn golden() {
        let mut b = ProgramBuilder::new();
        let (x, y, n) = (b.pointer(), b.pointer(), b.integer());
        let (i, j) = (b.var(), b.var());
        let zero = b.constant_f(0.0);
        b.begin_loop(i, Integer::Constant(0), Integer::Constant(8), Portion::Blocks(2), false);
        b.begin_lanes(j, Integer::Constant(0), n);
        let sum = b.carry(zero, Some(Combine::AddF));
        let row = Address::new(x).index_plus(i, 1, Integer::Constant(128)).index(j, Integer::Constant(4));
        let element = b.load(Kind::F32, row);
        let rectified = b.binary(Binary::MaxF, element, zero);
        let next = b.binary(Binary::AddF, sum, rectified);
        let after = b.end_loop(&[next]);
        b.store(Address::new(y).offset(4).lookup(0, i, 0, Integer::Constant(4)), after[0]);
        b.end_loop(&[]);
        let expected = "\
program p×2 n×1
  f0 = 0.0
  for v0 in 0..8 by 2
    lanes v1 in 0..n0
      carry f1. = f0 then f5. after f2 by add_f
      f3. = [p0 + (v0+1)·128 + v1·4]
      f4. = max_f f3. f0
      f5. = add_f f1. f4.
    [p1+4 + p0[v0]·4] = f2
";
        assert_eq!(b.finish().to_string(), expected);
    }

    #[test]
    fn a_turn_that_may_be_left_out() {
        let mut b = ProgramBuilder::new();
        let (x, zero) = (b.pointer(), b.constant_f(0.0));
        let element = b.load(Kind::F32, Address::new(x));
        let negative = b.compare(Compare::LtF, element, zero);
        let replaced = b.replace_where(negative, &[element], |b| vec![b.unary(Unary::NegF, element)]);
        b.store(Address::new(x), replaced[0]);
        let expected = "\
program p×1 n×0
  f0 = 0.0
  f1 = [p0]
  m2 = lt_f f1 f0
  for v0 in 0..1 where m2
    carry f3 = f1 then f6 after f4
    f5 = neg_f f1
    f6 = select m2 f5 f3
  [p0] = f4
";
        assert_eq!(b.finish().to_string(), expected);
    }
}
