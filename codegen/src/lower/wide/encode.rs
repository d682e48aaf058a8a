//! Encoding. In: code whose registers are assigned. Out: a function's machine code, with its literals after it.
//!
//! Must hold: arguments are integers by the System V convention; callee-saved registers come back as they were; the
//! upper halves of vector registers are clean at the return.

use iced_x86::{Code as X, Encoder, IcedError, Instruction, MemoryOperand, Register};

use super::code::{Base, Class, Code, Memory as AnyMemory, Op, Source as AnySource};
use super::machine::{ARGUMENTS, Allocated, Physical};
use super::opcodes;
use super::operands::{Operands, View, low, views};
use crate::target::Extension;

type Inst = super::code::Inst<Physical>;
type Memory = AnyMemory<Physical>;
type Source = AnySource<Physical>;

/// Hot loops begin at a multiple of this.
const ALIGNMENT: usize = 32;

/// Encodes allocated code, with the literals of `code`.
///
/// # Errors
/// What the encoder refuses: a bug of ours.
pub(super) fn encode(code: &Code, allocated: &Allocated) -> Result<Vec<u8>, IcedError> {
    let mut writer = Assembler {
        code,
        encoder: Encoder::new(64),
        at: 0,
        labels: vec![usize::MAX; code.labels as usize],
        jumps: Vec::new(),
        literals: Vec::new(),
        pushed: allocated.saved.iter().map(|saved| saved.register(code.level)).collect(),
        frame: allocated.frame.next_multiple_of(16) as i32,
    };
    writer.prologue()?;
    for placed in &allocated.instructions {
        writer.instruction(&placed.inst)?;
    }
    writer.epilogue()?;
    Ok(writer.finish())
}

/// Bytes of a page, on every system of this machine.
const PAGE: i32 = 4096;

struct Assembler<'a> {
    code: &'a Code,
    encoder: Encoder,
    at: usize,
    labels: Vec<usize>,
    /// Ends of jumps whose label was not known: the offset after the distance, and the label.
    jumps: Vec<(usize, u32)>,
    /// Distances to literals: where, the end of the instruction, bytes into the pool.
    literals: Vec<(usize, usize, u32)>,
    pushed: Vec<Register>,
    frame: i32,
}

impl Assembler<'_> {
    fn prologue(&mut self) -> Result<(), IcedError> {
        for register in self.pushed.clone() {
            self.put(Instruction::with1(X::Push_r64, register)?)?;
        }
        // Page by page, each touched: a stack grows, or its end is noticed, one page at a time.
        let mut rest = self.frame;
        while rest > PAGE {
            self.put(Instruction::with2(X::Sub_rm64_imm32, Register::RSP, PAGE)?)?;
            let top = MemoryOperand::with_base(Register::RSP);
            self.put(Instruction::with2(X::Or_rm64_imm8, top, 0)?)?;
            rest -= PAGE;
        }
        if rest > 0 {
            self.put(Instruction::with2(X::Sub_rm64_imm32, Register::RSP, rest)?)?;
        }
        Ok(())
    }

    fn epilogue(&mut self) -> Result<(), IcedError> {
        if self.frame > 0 {
            self.put(Instruction::with2(X::Add_rm64_imm32, Register::RSP, self.frame)?)?;
        }
        for register in self.pushed.clone().into_iter().rev() {
            self.put(Instruction::with1(X::Pop_r64, register)?)?;
        }
        self.put(Instruction::with(X::VEX_Vzeroupper))?;
        self.put(Instruction::with(X::Retnq))
    }

    fn put(&mut self, instruction: Instruction) -> Result<(), IcedError> {
        self.at += self.encoder.encode(&instruction, self.at as u64)?;
        Ok(())
    }

    /// Puts an instruction that may name a literal: the distance to it is written later.
    fn put_with(&mut self, instruction: Instruction, memory: Option<&Memory>) -> Result<(), IcedError> {
        let start = self.at;
        self.put(instruction)?;
        if let Some(Memory { base: Base::Pool(place), offset, .. }) = memory {
            let displacement = start + self.encoder.get_constant_offsets().displacement_offset();
            self.literals.push((displacement, self.at, place.wrapping_add_signed(*offset)));
        }
        Ok(())
    }

    /// The part of a register that an operand is.
    fn register(&self, register: Physical, view: View) -> Register {
        let whole = register.register(self.code.level);
        let number = u32::from(register.number);
        match (register.class, view) {
            (Class::General, View::Low) => low(whole),
            (Class::General | Class::Mask, _) => whole,
            (Class::Vector, View::Block | View::Low) => Register::XMM0 + number,
            (Class::Vector, View::Half) if self.code.level == Extension::Avx2 => Register::XMM0 + number,
            (Class::Vector, View::Half) => Register::YMM0 + number,
            (Class::Vector, View::Whole) => whole,
        }
    }

    fn memory(&self, memory: &Memory) -> MemoryOperand {
        let index = memory.index.map_or(Register::None, |index| self.register(index, View::Whole));
        let above = 8 * (self.pushed.len() as i32 + 1) + self.frame;
        let (base, offset) = match memory.base {
            Base::Register(base) => (self.register(base, View::Whole), memory.offset),
            Base::Frame(place) => (Register::RSP, place as i32 + memory.offset),
            Base::Argument(number) => {
                (Register::RSP, above + 8 * (number as i32 - ARGUMENTS.len() as i32) + memory.offset)
            }
            // A target far enough that the distance takes four bytes; the true one is written at the end.
            Base::Pool(_) => (Register::RIP, self.at as i32 + 0x1000),
        };
        // 1: as few bytes as it takes.
        let size = u32::from(offset != 0);
        MemoryOperand::new(
            base,
            index,
            u32::from(memory.scale),
            i64::from(offset),
            size,
            memory.broadcast,
            Register::None,
        )
    }

    fn finish(mut self) -> Vec<u8> {
        let mut bytes = self.encoder.take_buffer();
        for (end, label) in self.jumps {
            let distance = (self.labels[label as usize] as i64 - end as i64) as i32;
            bytes[end - 4..end].copy_from_slice(&distance.to_le_bytes());
        }
        if !self.code.pool.words.is_empty() {
            bytes.resize(bytes.len().next_multiple_of(64), 0);
        }
        for (place, end, target) in self.literals {
            let distance = (bytes.len() + target as usize - end) as i32;
            bytes[place..place + 4].copy_from_slice(&distance.to_le_bytes());
        }
        bytes.extend(self.code.pool.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }

    fn instruction(&mut self, inst: &Inst) -> Result<(), IcedError> {
        match inst.op {
            Op::Entry | Op::LoopEnd => Ok(()),
            Op::Label => {
                self.labels[inst.immediate as usize] = self.at;
                Ok(())
            }
            Op::LoopHead => {
                while !self.at.is_multiple_of(ALIGNMENT) {
                    let missing = (ALIGNMENT - self.at % ALIGNMENT).min(NOPS.len());
                    NOPS[missing - 1].iter().for_each(|&byte| self.encoder.write_u8(byte));
                    self.at += missing;
                }
                Ok(())
            }
            Op::JumpIfGreater => self.jump(X::Jg_rel32_64, inst),
            Op::JumpIfAtMost => self.jump(X::Jle_rel32_64, inst),
            Op::JumpIfNone => self.jump(X::Je_rel32_64, inst),
            Op::Fma => self.fma(inst),
            Op::Divide => self.divide(inst),
            Op::Move | Op::MoveGeneral | Op::MaskMove if self.is_idle(inst) => Ok(()),
            _ => self.regular(inst),
        }
    }

    /// A move of a register to itself.
    fn is_idle(&self, inst: &Inst) -> bool {
        let Source::Register(from) = inst.from[0] else { return false };
        inst.to == Some(from)
    }

    fn jump(&mut self, code: X, inst: &Inst) -> Result<(), IcedError> {
        self.put(Instruction::with_branch(code, self.at as u64)?)?;
        self.jumps.push((self.at, inst.immediate as u32));
        Ok(())
    }

    /// Everything whose operands stand in the order of the instruction.
    fn regular(&mut self, inst: &Inst) -> Result<(), IcedError> {
        let (to, views) = views(inst.op);
        let mut operands = Operands::default();
        let mut memory = None;
        if let Some(target) = inst.to {
            operands.register(self.register(target, to));
        }

        for (source, view) in inst.from.iter().zip(views) {
            match source {
                Source::None => {}
                Source::Register(v) => operands.register(self.register(*v, view)),
                Source::Memory(place) => {
                    operands.memory = Some((operands.count(), self.memory(place)));
                    memory = Some(place);
                }
            }
        }

        let mut instruction = self.made(inst, &operands)?;
        if let Some(mask) = inst.mask {
            instruction.set_op_mask(self.register(mask, View::Whole));

            // Of these none zeroes the lanes that take no part.
            let stores = matches!(inst.op, Op::Store | Op::StoreOne | Op::Scatter | Op::Gather | Op::Blend);
            let compares = matches!(inst.op, Op::CompareF | Op::CompareI | Op::CompareU);
            instruction.set_zeroing_masking(!inst.merges && !stores && !compares);
        }
        self.put_with(instruction, memory)
    }

    fn made(&mut self, inst: &Inst, operands: &Operands) -> Result<Instruction, IcedError> {
        let level = self.code.level;
        let first = operands.registers.first().copied().unwrap_or_default();
        match inst.op {
            Op::Zero if level == Extension::Avx512 => {
                Instruction::with3(X::EVEX_Vpxord_xmm_k1z_xmm_xmmm128b32, first, first, first)
            }
            Op::Zero => Instruction::with3(X::VEX_Vpxor_xmm_xmm_xmmm128, first, first, first),
            Op::MaskOnes => Instruction::with3(X::VEX_Kxnorw_kr_kr_kr, first, first, first),
            Op::MaskZeros => Instruction::with3(X::VEX_Kxorw_kr_kr_kr, first, first, first),
            Op::Broadcast => operands.make(self.broadcast(operands.memory.is_some()), None),
            Op::SetGeneral => match (u32::try_from(inst.immediate), i32::try_from(inst.immediate)) {
                (Ok(value), _) => Instruction::with2(X::Mov_r32_imm32, low(first), value),
                (_, Ok(value)) => Instruction::with2(X::Mov_rm64_imm32, first, value),
                _ => Instruction::with2(X::Mov_r64_imm64, first, inst.immediate),
            },
            Op::AtLeast => {
                let least = operands.registers[1];
                self.put(Instruction::with2(X::Cmp_r64_rm64, first, least)?)?;
                Instruction::with2(X::Cmovl_r64_rm64, first, least)
            }
            op => {
                let code = opcodes::code(op, level);
                let is_short = i8::try_from(inst.immediate).is_ok();
                let code = if is_short { opcodes::short(code) } else { code };
                operands.make(code, inst.op.has_immediate().then_some(inst.immediate))
            }
        }
    }

    fn broadcast(&self, from_memory: bool) -> X {
        match (self.code.level, from_memory) {
            (Extension::Avx512, _) => X::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            (Extension::Avx2, true) => X::VEX_Vbroadcastss_ymm_m32,
            (Extension::Avx2, false) => X::VEX_Vbroadcastss_ymm_xmm,
        }
    }

    /// `to = a·b + c`: the form is the one that overwrites an operand which lies in `to` already.
    fn fma(&mut self, inst: &Inst) -> Result<(), IcedError> {
        let Some(to) = inst.to else { return Ok(()) };
        let target = self.register(to, View::Whole);
        let [mut a, mut b, c] = inst.from;
        if matches!(a, Source::Memory(_)) {
            (a, b) = (b, a);
        }

        // A form overwrites the addend or a factor, so look for one that lies in `to`.
        let here = |writer: &Self, source: Source| match source {
            Source::Register(v) => writer.register(v, View::Whole) == target,
            _ => false,
        };

        if here(self, c) {
            return self.fma_form(0, target, a, b);
        }
        if here(self, b) {
            (a, b) = (b, a);
        }
        if here(self, a) {
            return match b {
                Source::Memory(_) => self.fma_form(2, target, c, b),
                _ => self.fma_form(1, target, b, c),
            };
        }

        // None does: one of them is moved there first.
        if matches!(b, Source::Memory(_)) {
            self.fetch(target, b)?;
            self.fma_form(1, target, a, c)
        } else {
            self.fetch(target, c)?;
            self.fma_form(0, target, a, b)
        }
    }

    /// 0: `to += x·y`; 1: `to = x·to + y`; 2: `to = to·y + x`.
    fn fma_form(&mut self, form: usize, to: Register, x: Source, y: Source) -> Result<(), IcedError> {
        let codes = match self.code.level {
            Extension::Avx512 => [
                X::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
                X::EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er,
                X::EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er,
            ],
            Extension::Avx2 => [
                X::VEX_Vfmadd231ps_ymm_ymm_ymmm256,
                X::VEX_Vfmadd213ps_ymm_ymm_ymmm256,
                X::VEX_Vfmadd132ps_ymm_ymm_ymmm256,
            ],
        };

        let Source::Register(x) = x else {
            unreachable!("downhill bug: two operands in memory; please report")
        };
        let x = self.register(x, View::Whole);

        match y {
            Source::Memory(memory) => {
                let operand = self.memory(&memory);
                self.put_with(Instruction::with3(codes[form], to, x, operand)?, Some(&memory))
            }
            Source::Register(y) => {
                let y = self.register(y, View::Whole);
                self.put(Instruction::with3(codes[form], to, x, y)?)
            }
            Source::None => unreachable!("downhill bug: an operand is missing; please report"),
        }
    }

    /// `to = source`.
    fn fetch(&mut self, to: Register, source: Source) -> Result<(), IcedError> {
        let level = self.code.level;
        match source {
            Source::Memory(memory) if memory.broadcast => {
                let operand = self.memory(&Memory { broadcast: false, ..memory });
                self.put_with(Instruction::with2(self.broadcast(true), to, operand)?, Some(&memory))
            }
            Source::Memory(memory) => {
                let operand = self.memory(&memory);
                self.put_with(Instruction::with2(opcodes::code(Op::Load, level), to, operand)?, Some(&memory))
            }
            Source::Register(v) => {
                let from = self.register(v, View::Whole);
                self.put(Instruction::with2(opcodes::code(Op::Move, level), to, from)?)
            }
            Source::None => Ok(()),
        }
    }

    /// Division wants rax and rdx: both are saved in the frame, where the divisor lies too (see `code.frame`).
    fn divide(&mut self, inst: &Inst) -> Result<(), IcedError> {
        let (Some(to), [Source::Register(from), Source::Memory(room), _]) = (inst.to, inst.from) else {
            unreachable!("downhill bug: a division without its operands; please report")
        };
        let (to, from) = (self.register(to, View::Whole), self.register(from, View::Whole));
        let place = |offset: i32| self.memory(&Memory { offset, ..room });
        let [rax, rdx, number] = [place(0), place(8), place(16)];
        self.put(Instruction::with2(X::Mov_rm64_r64, rax, Register::RAX)?)?;
        self.put(Instruction::with2(X::Mov_rm64_r64, rdx, Register::RDX)?)?;
        self.put(Instruction::with2(X::Mov_rm64_imm32, number, inst.immediate as i32)?)?;
        self.put(Instruction::with2(X::Mov_r64_rm64, Register::RAX, from)?)?;
        self.put(Instruction::with2(X::Xor_r32_rm32, Register::EDX, Register::EDX)?)?;
        self.put(Instruction::with1(X::Div_rm64, number)?)?;
        self.put(Instruction::with2(X::Mov_rm64_r64, number, Register::RAX)?)?;
        self.put(Instruction::with2(X::Mov_r64_rm64, Register::RAX, rax)?)?;
        self.put(Instruction::with2(X::Mov_r64_rm64, Register::RDX, rdx)?)?;
        self.put(Instruction::with2(X::Mov_r64_rm64, to, number)?)
    }
}

/// Instructions that do nothing, by length.
const NOPS: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];
