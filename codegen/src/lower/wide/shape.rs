//! The operands of each operation. In: an operation and the level. Out: [`Shape`], what stands where.
//!
//! The one place that says which operands an [`Op`] has: selection and the allocator ask here whether an operand may stay in memory, the
//! verifier holds every instruction to it.

use iced_x86::Code;

use super::code::{Class, Op};
use super::opcodes;
use crate::target::Extension;

/// What an operand may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Register(Class),
    /// A register, or all of it in memory: with AVX-512 also one element that is read into every lane.
    Either(Class),
    /// The first lane of a vector register, or one element in memory.
    Element,
    Memory,
    /// Memory at each lane's own offset: its index is a vector.
    Scattered,
}

/// Whether lanes can be left out by a mask register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Masking {
    Never,
    Optional,
    Always,
}

/// The operands of an operation.
pub(super) struct Shape {
    /// The class of the register that is set.
    pub(super) to: Option<Class>,
    pub(super) from: &'static [Operand],
    pub(super) mask: Masking,
}

const G: Operand = Operand::Register(Class::General);
const V: Operand = Operand::Register(Class::Vector);
const K: Operand = Operand::Register(Class::Mask);
const GM: Operand = Operand::Either(Class::General);
const VM: Operand = Operand::Either(Class::Vector);
const M: Operand = Operand::Memory;

impl Op {
    /// What operands it has; none where the level has no such instruction.
    pub(super) fn shape(self, level: Extension) -> Option<Shape> {
        let wide = level == Extension::Avx512;
        self.is_on(level).then(|| Shape {
            to: self.sets().then(|| self.class(level)),
            from: self.from(wide),
            mask: if wide { self.masking() } else { Masking::Never },
        })
    }

    fn from(self, wide: bool) -> &'static [Operand] {
        use Op::*;
        match self {
            AddF | SubF | MulF | DivF | MaxF | MinF | AddI | SubI | MulI | MaxI | MinI | And | Or | Xor
            | ShiftLeft | ShiftRight | ShiftRightSigned | CompareF | CompareI | CompareU | EqualI
            | GreaterI => &[V, VM],
            Blend if wide => &[V, VM],
            Blend => &[V, VM, V],
            Fma => &[VM, VM, VM],
            Sqrt | Round | ToI32 | ToU32 | FromI32 | FromU32 => &[VM],
            ShiftLeftBy | ShiftRightBy | ShiftRightSignedBy | Permute | UpperHalf | Extend | Move
            | ToGeneral => &[V],
            Blocks | MixLow | MixHigh | MixLowPairs | MixHighPairs | JoinHalves | MulQ => &[V, V],

            Load | LoadOne | LoadTwo | LoadFour | LoadEight => &[M],
            Store | StoreOne | StoreTwo | StoreFour | StoreEight => &[M, V],
            LoadMarked => &[V, M],
            StoreMarked => &[M, V, V],
            Gather => &[Operand::Scattered],
            Scatter => &[Operand::Scattered, V],
            FetchToRead | FetchToWrite => &[M],
            Broadcast => &[Operand::Element],
            BroadcastGeneral | BroadcastQ | FromGeneral | MaskFrom => &[G],

            MaskAnd | MaskAndNot | MaskOr | MaskXor => &[K, K],
            MaskNot | MaskUpper | MaskMove => &[K],
            MaskLoad => &[M],
            MaskStore => &[M, K],
            AnyLane if wide => &[K, K],
            AnyLane => &[V, V],

            MoveGeneral | Add | Sub | Mul | MulImmediate | CompareImmediate => &[GM],
            Compare => &[G, GM],
            AtLeast => &[G],
            LowBits => &[G, G],
            LoadGeneral | LoadHalf | Address => &[M],
            StoreGeneral | StoreHalf => &[M, G],
            Divide => &[G, M],

            Zero | MaskOnes | MaskZeros | SetGeneral | AddImmediate | ShiftRightGeneral | AndImmediate => &[],
            JumpIfGreater | JumpIfAtMost | JumpIfNone | Label | LoopHead | LoopEnd | Entry => &[],
        }
    }

    fn is_on(self, level: Extension) -> bool {
        use Op::*;
        match self {
            // Those that are no instruction, or another one from case to case.
            MaskOnes | MaskZeros => level == Extension::Avx512,
            Fma | Zero | Broadcast | SetGeneral | AtLeast | Divide | Entry => true,
            op if op.is_control() => true,
            op => opcodes::code(op, level) != Code::INVALID,
        }
    }

    /// Whether it writes to memory that its operand names.
    pub(super) fn stores(self) -> bool {
        use Op::*;
        matches!(
            self,
            Store | StoreOne | StoreTwo | StoreFour | StoreEight | StoreMarked | Scatter | MaskStore
        ) || matches!(self, StoreGeneral | StoreHalf)
    }

    /// Whether it sets a register.
    fn sets(self) -> bool {
        use Op::*;
        let others = matches!(self, FetchToRead | FetchToWrite | Compare | CompareImmediate | AnyLane);
        !others && !self.stores() && !self.is_control()
    }

    /// Jumps, and marks for them: no instruction that computes.
    pub(super) fn is_control(self) -> bool {
        self.is_jump() || matches!(self, Op::Label | Op::LoopHead | Op::LoopEnd)
    }

    pub(super) fn is_jump(self) -> bool {
        matches!(self, Op::JumpIfGreater | Op::JumpIfAtMost | Op::JumpIfNone)
    }

    fn masking(self) -> Masking {
        use Op::*;
        match self {
            Blend | Gather | Scatter => Masking::Always,
            Load | Store | Move | Broadcast | ToI32 => Masking::Optional,
            _ => Masking::Never,
        }
    }

    /// The class of the register that it sets, if it sets one.
    pub(super) fn class(self, level: Extension) -> Class {
        use Op::*;
        match self {
            CompareF | CompareI | CompareU if level == Extension::Avx512 => Class::Mask,
            MaskAnd | MaskAndNot | MaskOr | MaskXor | MaskNot | MaskUpper | MaskOnes | MaskZeros
            | MaskMove | MaskLoad | MaskFrom => Class::Mask,
            SetGeneral | MoveGeneral | ToGeneral | LoadGeneral | LoadHalf | Add | AddImmediate | Sub
            | Mul | MulImmediate | ShiftRightGeneral | AndImmediate | Address | AtLeast | Divide
            | LowBits | Entry => Class::General,
            _ => Class::Vector,
        }
    }

    /// Whether operand `position` may lie in memory instead of in a register; `broadcast` as one element for all lanes.
    pub(super) fn takes_memory(self, position: usize, broadcast: bool, level: Extension) -> bool {
        match self.from(level == Extension::Avx512).get(position) {
            Some(Operand::Either(Class::Vector)) => !broadcast || level == Extension::Avx512,
            Some(Operand::Either(_)) => !broadcast,
            _ => false,
        }
    }

    /// Bytes that its operand in memory has, where that is no single element read into every lane.
    pub(super) fn bytes(self, level: Extension) -> u32 {
        use Op::*;
        match self {
            FetchToRead | FetchToWrite | Address => 0,
            MaskLoad | MaskStore => 2,
            LoadOne | StoreOne | Broadcast | LoadHalf | StoreHalf => 4,
            LoadTwo | StoreTwo | LoadGeneral | StoreGeneral | MoveGeneral | Add | Sub | Mul
            | MulImmediate | Compare | CompareImmediate => 8,
            LoadFour | StoreFour => 16,
            Divide => 24,
            LoadEight | StoreEight => 32,
            _ => level.vector_bytes(),
        }
    }

    /// Whether what `to` held is read, by an instruction of all lanes.
    pub(super) fn changes_target(self) -> bool {
        use Op::*;
        matches!(self, Add | AddImmediate | Sub | Mul | ShiftRightGeneral | AndImmediate | AtLeast)
    }

    /// Whether the immediate is an operand.
    pub(super) fn has_immediate(self) -> bool {
        use Op::*;
        matches!(
            self,
            ShiftLeftBy
                | ShiftRightBy
                | ShiftRightSignedBy
                | CompareF
                | CompareI
                | CompareU
                | Round
                | Blocks
                | Permute
        ) || matches!(self, UpperHalf | JoinHalves | MaskUpper | AddImmediate | MulImmediate)
            || matches!(self, ShiftRightGeneral | AndImmediate | CompareImmediate)
    }
}
