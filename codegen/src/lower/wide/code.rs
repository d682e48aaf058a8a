//! Virtual code: machine instructions over registers without number, with loops marked.
//!
//! In: what selection wants done. Out: [`Code`], on which registers are allocated and which is then encoded.
//!
//! Must hold, and is checked by `verify.rs`: a register is set before it is read on every path; one that is set again inside
//! a loop and read there before was set before the loop too. Loops nest, and nothing jumps into one. What is jumped over sets
//! nothing for the first time that is read behind it. An instruction has at most one operand in memory.

use std::collections::HashMap;

use crate::target::Extension;

/// A virtual register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct V(pub(super) u32);

/// Which registers of the machine it may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// 64-bit integers.
    General,
    /// As wide as the level has them.
    Vector,
    /// AVX-512 masks of 16 bits.
    Mask,
}

/// A position in the code to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(pub(super) u32);

/// What an address counts from. Code is over virtual registers here and in selection; the allocator makes the same over the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base<R = V> {
    Register(R),
    /// Bytes into the literals behind the code.
    Pool(u32),
    /// Bytes into the function's frame.
    Frame(u32),
    /// The n-th argument, one of those on the stack.
    Argument(u32),
}

/// An operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory<R = V> {
    pub(super) base: Base<R>,
    pub(super) index: Option<R>,
    pub(super) scale: u8,
    pub(super) offset: i32,
    /// One element that is read into every lane.
    pub(super) broadcast: bool,
}

impl Memory {
    pub(super) fn at(base: Base) -> Memory {
        Memory { base, index: None, scale: 1, offset: 0, broadcast: false }
    }
}

impl<R> Memory<R> {
    fn map<S>(self, each: &mut impl FnMut(R) -> S) -> Memory<S> {
        let Memory { base, index, scale, offset, broadcast } = self;
        let base = match base {
            Base::Register(register) => Base::Register(each(register)),
            Base::Pool(place) => Base::Pool(place),
            Base::Frame(place) => Base::Frame(place),
            Base::Argument(number) => Base::Argument(number),
        };
        Memory { base, index: index.map(each), scale, offset, broadcast }
    }
}

/// An operand that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source<R = V> {
    None,
    Register(R),
    Memory(Memory<R>),
}

/// What the machine does. `to` is the register set, `a`, `b`, `c` are the operands; the last one may be in memory unless
/// something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    AddF,
    SubF,
    MulF,
    DivF,
    /// `a > b ? a : b`.
    MaxF,
    /// `a < b ? a : b`.
    MinF,
    AddI,
    SubI,
    MulI,
    MaxI,
    MinI,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    ShiftRightSigned,
    /// Shifts by the immediate; no operand in memory.
    ShiftLeftBy,
    ShiftRightBy,
    ShiftRightSignedBy,
    /// `a·b + c`; any one of them may be in memory.
    Fma,
    /// To a mask, or to lanes of ones and zeros; the immediate is the predicate.
    CompareF,
    CompareI,
    CompareU,
    EqualI,
    GreaterI,
    /// `mask ? b : a`; without AVX-512 the mask is `c` and `b` may be in memory.
    Blend,
    Sqrt,
    Round,
    ToI32,
    ToU32,
    FromI32,
    FromU32,
    Load,
    /// So many elements to the first lanes; the others become zero.
    LoadOne,
    LoadTwo,
    LoadFour,
    LoadEight,
    /// One element, of memory or of a register's first lane, to all lanes.
    Broadcast,
    /// The low half of a general register to all lanes.
    BroadcastGeneral,
    /// From a general register to the first lane.
    FromGeneral,
    /// The first lane to a general register, zeros come in.
    ToGeneral,
    Move,
    Zero,
    /// a = memory, b = register.
    Store,
    /// The first lanes.
    StoreOne,
    StoreTwo,
    StoreFour,
    StoreEight,
    /// Brings the line of `a` near: to be read, to be written. Outside of memory it does nothing.
    FetchToRead,
    FetchToWrite,
    /// Lanes of ones and zeros: only the lanes that `b` (loads) or `c` (stores) marks.
    LoadMarked,
    StoreMarked,
    /// Blocks of four lanes in another order: the immediate.
    Blocks,
    /// Lanes within blocks of four: the immediate.
    Permute,
    /// Of each block of four the lanes 0, 1 (2, 3) of both in turn; pairs of lanes 0 (1) of both in turn.
    MixLow,
    MixHigh,
    MixLowPairs,
    MixHighPairs,
    /// Eight elements (a half of 16 lanes, or four of 8) at 64-bit offsets: to = gathered, a = old value, memory with a vector index.
    Gather,
    Scatter,
    /// The upper half of the lanes to the lower half.
    UpperHalf,
    /// b becomes the upper half of a.
    JoinHalves,
    /// 32-bit lanes of the lower half to 64-bit ones, zeros come in.
    Extend,
    MulQ,
    BroadcastQ,
    /// Mask registers.
    MaskAnd,
    MaskAndNot,
    MaskOr,
    MaskXor,
    MaskNot,
    /// The upper eight lanes to the lower ones.
    MaskUpper,
    MaskOnes,
    MaskZeros,
    MaskMove,
    MaskLoad,
    MaskStore,
    MaskFrom,
    /// General registers.
    SetGeneral,
    MoveGeneral,
    LoadGeneral,
    /// 32 bits, zeros come in.
    LoadHalf,
    StoreGeneral,
    /// 32 bits.
    StoreHalf,
    /// `to += a`.
    Add,
    AddImmediate,
    Sub,
    /// `to *= a`.
    Mul,
    /// `to = a · immediate`.
    MulImmediate,
    ShiftRightGeneral,
    AndImmediate,
    /// The address of `a`.
    Address,
    /// `to = max(to, a)`, signed.
    AtLeast,
    /// `a / immediate`, unsigned; `b` are 24 bytes of scratch in the frame.
    Divide,
    /// The low bits of `a`, as many as `b` says; 32 bits.
    LowBits,
    /// Sets the flags: `a` with `b` or with the immediate.
    Compare,
    CompareImmediate,
    /// Sets the flags: whether the mask `a` (and `b`, the same again) holds in any lane.
    AnyLane,
    /// To the label in the immediate.
    JumpIfGreater,
    JumpIfAtMost,
    JumpIfNone,
    Label,
    /// The head of a loop and its end, behind the jump back.
    LoopHead,
    LoopEnd,
    /// An argument that comes in a register: the immediate is its number.
    Entry,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inst<R = V> {
    pub(super) op: Op,
    pub(super) to: Option<R>,
    pub(super) from: [Source<R>; 3],
    /// Lanes that take part.
    pub(super) mask: Option<R>,
    /// The other lanes of `to` stay as they are; else they become zero.
    pub(super) merges: bool,
    pub(super) immediate: i64,
}

impl Inst {
    pub(super) fn new(op: Op, to: Option<V>, from: &[Source]) -> Inst {
        let mut list = [Source::None; 3];
        list[..from.len()].copy_from_slice(from);
        Inst { op, to, from: list, mask: None, merges: false, immediate: 0 }
    }

    pub(super) fn immediate(self, immediate: i64) -> Inst {
        Inst { immediate, ..self }
    }

    pub(super) fn masked(self, mask: Option<V>, merges: bool) -> Inst {
        Inst { mask, merges, ..self }
    }
}

impl<R: Copy> Inst<R> {
    /// True when what `to` held is read.
    pub(super) fn reads_target(&self) -> bool {
        self.op.changes_target() || (self.merges && self.mask.is_some())
    }

    /// True when `to` must not share a register with anything read.
    pub(super) fn sets_early(&self) -> bool {
        matches!(self.op, Op::Gather)
    }

    /// The mask that gathers and scatters leave empty.
    pub(super) fn used_up(&self) -> Option<R> {
        self.mask.filter(|_| matches!(self.op, Op::Gather | Op::Scatter))
    }

    /// The registers read, those of addresses and masks too.
    pub(super) fn reads(&self, visit: &mut impl FnMut(R)) {
        for source in self.from {
            match source {
                Source::None => {}
                Source::Register(register) => visit(register),
                Source::Memory(memory) => {
                    if let Base::Register(base) = memory.base {
                        visit(base);
                    }
                    memory.index.into_iter().for_each(&mut *visit);
                }
            }
        }
        self.mask.into_iter().for_each(&mut *visit);
        if self.reads_target() {
            self.to.into_iter().for_each(visit);
        }
    }

    /// The same over other registers.
    pub(super) fn map<S>(&self, mut each: impl FnMut(R) -> S) -> Inst<S> {
        let from = self.from.map(|source| match source {
            Source::None => Source::None,
            Source::Register(register) => Source::Register(each(register)),
            Source::Memory(memory) => Source::Memory(memory.map(&mut each)),
        });
        Inst {
            op: self.op,
            to: self.to.map(&mut each),
            from,
            mask: self.mask.map(&mut each),
            merges: self.merges,
            immediate: self.immediate,
        }
    }
}

/// A function's code.
pub(super) struct Code {
    pub(super) level: Extension,
    pub(super) instructions: Vec<Inst>,
    pub(super) classes: Vec<Class>,
    /// Where the value of a register lies in memory all along: it need not be kept.
    pub(super) homes: HashMap<V, Memory>,
    pub(super) pool: Pool,
    pub(super) labels: u32,
    /// Bytes of the frame.
    pub(super) frame: u32,
}

impl Code {
    pub(super) fn new(level: Extension) -> Code {
        Code {
            level,
            instructions: Vec::new(),
            classes: Vec::new(),
            homes: HashMap::new(),
            pool: Pool::default(),
            labels: 0,
            frame: 0,
        }
    }

    pub(super) fn register(&mut self, class: Class) -> V {
        self.classes.push(class);
        V(self.classes.len() as u32 - 1)
    }

    pub(super) fn class(&self, v: V) -> Class {
        self.classes[v.0 as usize]
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub(super) fn push(&mut self, inst: Inst) {
        self.instructions.push(inst);
    }

    /// The literal `bits` in every lane, as an operand.
    pub(super) fn literal(&mut self, bits: u32) -> Memory {
        let broadcast = self.level == Extension::Avx512;
        let place = if broadcast { self.pool.place(&[bits]) } else { self.pool.place(&[bits; 8]) };
        Memory { broadcast, ..Memory::at(Base::Pool(place)) }
    }
}

impl Code {
    /// Drops what sets a register that nothing reads.
    pub(super) fn drop_unread(&mut self) {
        let mut readers = vec![0_u32; self.classes.len()];
        for inst in &self.instructions {
            inst.reads(&mut |v| readers[v.0 as usize] += 1);
        }
        let mut kept: Vec<Inst> = Vec::with_capacity(self.instructions.len());
        for inst in std::mem::take(&mut self.instructions).into_iter().rev() {
            if inst.op != Op::Entry && inst.to.is_some_and(|to| readers[to.0 as usize] == 0) {
                inst.reads(&mut |v| readers[v.0 as usize] -= 1);
            } else {
                kept.push(inst);
            }
        }
        kept.reverse();
        self.instructions = kept;
    }
}

/// A value that never changes, by where it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    Zero,
    /// Bytes into the literals: a vector of them.
    Lanes(u32),
    /// Bytes into the literals: one of them in every lane.
    Every(u32),
    /// The n-th argument, one of those on the stack.
    Argument(u32),
}

impl Constant {
    /// What lies at `memory` for a register of this class, one element in every lane or all of it.
    pub(super) fn of<R>(memory: &Memory<R>, every: bool, class: Class) -> Option<Constant> {
        match (&memory.base, class) {
            _ if memory.index.is_some() => None,
            (Base::Pool(place), Class::Vector) => {
                let place = place.checked_add_signed(memory.offset)?;
                Some(if every { Constant::Every(place) } else { Constant::Lanes(place) })
            }
            (Base::Argument(number), Class::General) if memory.offset == 0 => {
                Some(Constant::Argument(*number))
            }
            _ => None,
        }
    }

    /// Whether `held` has the same bits.
    pub(super) fn equals(self, held: Constant, code: &Code) -> bool {
        let zeros = |place: u32, count: usize| {
            let words = code.pool.words.iter().skip(place as usize / size_of::<u32>()).take(count);
            words.filter(|&&word| word == 0).count() == count
        };
        match (self, held) {
            (Constant::Zero, Constant::Every(place)) => zeros(place, 1),
            (Constant::Zero, Constant::Lanes(place)) => zeros(place, code.level.lanes()),
            _ => self == held,
        }
    }
}

impl Code {
    /// What an instruction sets its register to, if that is a constant.
    pub(super) fn constant(&self, inst: &Inst) -> Option<Constant> {
        match (inst.op, inst.from[0]) {
            _ if inst.mask.is_some() => None,
            (Op::Zero, _) => Some(Constant::Zero),
            (Op::Load, Source::Memory(memory)) => Constant::of(&memory, false, Class::Vector),
            (Op::Broadcast, Source::Memory(memory)) => Constant::of(&memory, true, Class::Vector),
            (Op::LoadGeneral, Source::Memory(memory)) => Constant::of(&memory, false, Class::General),
            _ => None,
        }
    }
}

/// Literals behind the code.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) words: Vec<u32>,
    known: HashMap<Vec<u32>, u32>,
}

impl Pool {
    /// Where these words lie, in bytes from the pool's start; a power of two of them, aligned to their size.
    pub(super) fn place(&mut self, words: &[u32]) -> u32 {
        if let Some(&place) = self.known.get(words) {
            return place;
        }
        while !self.words.len().is_multiple_of(words.len()) {
            self.words.push(0);
        }
        let place = (size_of::<u32>() * self.words.len()) as u32;
        self.words.extend_from_slice(words);
        self.known.insert(words.to_vec(), place);
        place
    }
}
