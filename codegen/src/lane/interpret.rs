//! The reference interpreter: what a lane program means. In: a [`LaneProgram`], its memory as lists of 4-byte elements, its
//! integers. Out: the memory as the program leaves it.
//!
//! Naive on purpose: one element at a time, one instruction at a time. Every lowering is tested against it, bit for bit.
//! Must hold: the program has passed the verifier; an access outside a buffer is an error, not a panic.

use super::program::*;

/// Runs `program` on `memory`, one buffer for each pointer argument.
///
/// # Errors
/// Names the first access that is unaligned or outside its buffer.
pub fn interpret(program: &LaneProgram, memory: &mut [Vec<u32>], integers: &[i64]) -> Result<(), String> {
    assert_eq!(
        memory.len(),
        program.pointers as usize,
        "downhill bug: a buffer for every pointer; please report"
    );
    assert_eq!(
        integers.len(),
        program.integers as usize,
        "downhill bug: a value for every integer; please report"
    );
    let registers = vec![0; program.registers.len()];
    let vars = vec![0; program.vars as usize];
    let mut machine = Machine { memory, integers, registers, vars, alarmed: false };
    machine.run(&program.body)?;
    if let Some(alarm) = program.alarm.filter(|_| machine.alarmed) {
        let element = machine.element(alarm, 0)?;
        machine.memory[alarm as usize][element] = 1;
    }
    Ok(())
}

/// Floats by their bits, masks as 0 and 1.
struct Machine<'a> {
    memory: &'a mut [Vec<u32>],
    integers: &'a [i64],
    registers: Vec<u32>,
    vars: Vec<i64>,
    /// Whether a watched value was not finite.
    alarmed: bool,
}

impl Machine<'_> {
    fn run(&mut self, items: &[LaneItem]) -> Result<(), String> {
        for item in items {
            match item {
                LaneItem::Let(register, instruction) => {
                    self.registers[register.0 as usize] = self.value(instruction)?
                }
                LaneItem::Store { address, value } => {
                    let (buffer, element) = self.locate(address)?;
                    self.memory[buffer][element] = self.get(*value);
                }
                LaneItem::Watch(value) => self.alarmed |= !f32::from_bits(self.get(*value)).is_finite(),
                LaneItem::Loop(item) if item.lanes => self.lane_loop(item)?,
                LaneItem::Loop(item) => self.counted_loop(item)?,
            }
        }
        Ok(())
    }

    fn counted_loop(&mut self, item: &LaneLoop) -> Result<(), String> {
        let mut state: Vec<u32> = item.carried.iter().map(|carried| self.get(carried.initial)).collect();
        for index in self.indices(item) {
            self.turn(item, index, &mut state)?;
        }
        for (carried, value) in item.carried.iter().zip(state) {
            self.registers[carried.after.0 as usize] = value;
        }
        Ok(())
    }

    fn lane_loop(&mut self, item: &LaneLoop) -> Result<(), String> {
        let initial: Vec<u32> = item.carried.iter().map(|carried| self.get(carried.initial)).collect();
        let mut partials = vec![initial; 32];
        for (element, index) in self.indices(item).into_iter().enumerate() {
            let mut partial = std::mem::take(&mut partials[element % 32]);
            self.turn(item, index, &mut partial)?;
            partials[element % 32] = partial;
        }
        for (at, carried) in item.carried.iter().enumerate() {
            let Some(combine) = carried.combine else { continue };
            let mut tree: Vec<u32> = partials.iter().map(|partial| partial[at]).collect();
            for distance in [16, 8, 4, 2, 1] {
                for i in 0..distance {
                    tree[i] = binary(combine.binary(), tree[i], tree[i + distance]);
                }
            }
            self.registers[carried.after.0 as usize] = tree[0];
        }
        Ok(())
    }

    fn turn(&mut self, item: &LaneLoop, index: i64, state: &mut [u32]) -> Result<(), String> {
        self.vars[item.var.0 as usize] = index;
        for (carried, &value) in item.carried.iter().zip(&*state) {
            self.registers[carried.inside.0 as usize] = value;
        }
        self.run(&item.body)?;
        for (carried, value) in item.carried.iter().zip(state) {
            *value = self.get(carried.next);
        }
        Ok(())
    }

    fn indices(&self, item: &LaneLoop) -> Vec<i64> {
        let (start, end) = (self.integer(item.start), self.integer(item.end));
        let blocks = |n: u32| start + (end - start).max(0) / i64::from(n) * i64::from(n);
        match item.portion {
            Portion::Whole | Portion::Where(_) => (start..end).collect(),
            Portion::Blocks(n) => (start..blocks(n)).step_by(n as usize).collect(),
            Portion::Rest(n) => (blocks(n)..end).collect(),
            Portion::Chunk { number, length } => {
                let length = self.integer(length);
                let first = self.vars[number.0 as usize] * length;
                (start.max(first)..end.min(first + length)).collect()
            }
        }
    }

    fn integer(&self, integer: Integer) -> i64 {
        match integer {
            Integer::Constant(value) => value,
            Integer::Argument(argument) => self.integers[argument as usize],
        }
    }

    fn get(&self, register: Reg) -> u32 {
        self.registers[register.0 as usize]
    }

    /// The buffer and the element in it that an address means.
    fn locate(&self, address: &Address) -> Result<(usize, usize), String> {
        let mut bytes = address.offset;
        for term in &address.terms {
            let index = match term.index {
                Index::Var { var, plus } => self.vars[var.0 as usize] + plus,
                Index::Lookup { table, var, plus } => {
                    let place = (self.vars[var.0 as usize] + plus) * ELEMENT_BYTES;
                    i64::from(self.memory[table as usize][self.element(table, place)?])
                }
            };
            bytes += index * self.integer(term.stride);
        }
        bytes += address.by.map_or(0, |by| i64::from(self.get(by)) * ELEMENT_BYTES);
        Ok((address.pointer as usize, self.element(address.pointer, bytes)?))
    }

    fn element(&self, pointer: u32, bytes: i64) -> Result<usize, String> {
        let length = self.memory[pointer as usize].len();
        let element =
            usize::try_from(bytes / ELEMENT_BYTES).ok().filter(|&element| bytes >= 0 && element < length);
        match element {
            Some(element) if bytes % ELEMENT_BYTES == 0 => Ok(element),
            _ => Err(format!(
                "access to byte {bytes} of p{pointer}, which has {} bytes",
                length * size_of::<u32>()
            )),
        }
    }

    fn value(&self, instruction: &Instruction) -> Result<u32, String> {
        Ok(match instruction {
            Instruction::ConstantF(bits) => *bits,
            Instruction::ConstantI(value) => *value as u32,
            Instruction::ConstantMask(value) => u32::from(*value),
            Instruction::Load(address) => {
                let (buffer, element) = self.locate(address)?;
                self.memory[buffer][element]
            }
            Instruction::Counter { var, plus } => (self.vars[var.0 as usize] + plus) as u32,
            Instruction::Argument(argument) => self.integers[*argument as usize] as u32,
            Instruction::Unary(op, x) => unary(*op, self.get(*x)),
            Instruction::Binary(op, x, y) => binary(*op, self.get(*x), self.get(*y)),
            Instruction::Fma(a, b, c) => {
                let [a, b, c] = [a, b, c].map(|&register| f32::from_bits(self.get(register)));
                a.mul_add(b, c).to_bits()
            }
            Instruction::Compare(op, x, y) => u32::from(compare(*op, self.get(*x), self.get(*y))),
            Instruction::Select(mask, a, b) => self.get(if self.get(*mask) != 0 { *a } else { *b }),
        })
    }
}

fn unary(op: Unary, x: u32) -> u32 {
    let f = f32::from_bits(x);
    match op {
        Unary::NegF => x ^ 0x8000_0000,
        Unary::AbsF => x & 0x7fff_ffff,
        Unary::SqrtF => f.sqrt().to_bits(),
        Unary::FloorF => f.floor().to_bits(),
        Unary::NearestF => f.round_ties_even().to_bits(),
        Unary::NegI => x.wrapping_neg(),
        Unary::NotI => !x,
        Unary::NotMask => x ^ 1,
        Unary::ToI32 => f as i32 as u32,
        Unary::ToU32 => f as u32,
        Unary::FromI32 => (x as i32 as f32).to_bits(),
        Unary::FromU32 => (x as f32).to_bits(),
        Unary::FromMask | Unary::BitsOf | Unary::FromBits => x,
    }
}

fn binary(op: Binary, x: u32, y: u32) -> u32 {
    let (f, g) = (f32::from_bits(x), f32::from_bits(y));
    let (i, j) = (x as i32, y as i32);
    match op {
        Binary::AddF => (f + g).to_bits(),
        Binary::SubF => (f - g).to_bits(),
        Binary::MulF => (f * g).to_bits(),
        Binary::DivF => (f / g).to_bits(),
        Binary::MaxF | Binary::MinF if f.is_nan() || g.is_nan() => f32::NAN.to_bits(),
        Binary::MaxF => {
            if f < g {
                y
            } else {
                x
            }
        }
        Binary::MinF => {
            if g < f {
                y
            } else {
                x
            }
        }
        Binary::PickGreater => {
            if g < f {
                x
            } else {
                y
            }
        }
        Binary::AddI => x.wrapping_add(y),
        Binary::SubI => x.wrapping_sub(y),
        Binary::MulI => x.wrapping_mul(y),
        Binary::MaxI => i.max(j) as u32,
        Binary::MinI => i.min(j) as u32,
        Binary::AndI | Binary::AndMask => x & y,
        Binary::OrI | Binary::OrMask => x | y,
        Binary::XorI | Binary::XorMask => x ^ y,
        Binary::ShiftLeft => x << (y & 31),
        Binary::ShiftRightLogical => x >> (y & 31),
        Binary::ShiftRightArithmetic => (i >> (y & 31)) as u32,
    }
}

fn compare(op: Compare, x: u32, y: u32) -> bool {
    let (f, g) = (f32::from_bits(x), f32::from_bits(y));
    match op {
        Compare::EqF => f == g,
        Compare::NeF => f != g,
        Compare::LtF => f < g,
        Compare::LeF => f <= g,
        Compare::EqI => x == y,
        Compare::NeI => x != y,
        Compare::LtI => (x as i32) < y as i32,
        Compare::LeI => x as i32 <= y as i32,
        Compare::LtU => x < y,
        Compare::LeU => x <= y,
    }
}
