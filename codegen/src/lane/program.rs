//! The lane program: the last form of a kernel before machine code, the same for every target.
//!
//! In: nothing; this file defines the language. Out: [`LaneProgram`], a tree of counted loops around straight-line
//! single-assignment code.
//!
//! # Semantics
//!
//! A program has pointer arguments, integer (i64) arguments, and registers that are assigned once. A register is
//! *uniform* (one value) or *varying* (one value per element of the enclosing **lane loop**). A lane loop runs its body
//! for every element of a range, in no particular order between elements: how many elements a machine works on at
//! once is the target's free choice and cannot be seen in the result. At most one lane loop is on any path from
//! the root. Uniform code inside a lane loop runs once for each block of elements; it has no effects, so that cannot be seen.
//!
//! Reductions across a lane loop have a fixed tree (so that every target computes the same bits): element `e`
//! (counted from the loop's start) is folded into partial `e % 32` in ascending order; every partial starts with `initial`. After the loop the 32 partials are
//! combined as `p[i] ⊕ p[i+16]`, then `p[i] ⊕ p[i+8]`, then `+4`, `+2`, `+1`.
//!
//! Floating-point instructions round once, to nearest even; `Fma` rounds once. Subnormals are kept. Nothing is
//! reassociated, contracted or commuted by a lowering. Two NaNs count as the same bits.
//!
//! Masks are booleans of a lane. Integers wrap. Addresses are in bytes; every access is to a 4-byte element, aligned to 4
//! bytes. A load never touches an element outside the loop's range (no over-read), a store likewise.
//! Pointers of stores never alias another pointer's *later* loads in the same loop body at a different element, nor a table.
//!
//! # Decisions
//!
//! - A lane loop folds into 32 partials, not 16: two 512-bit chains hide the latency of the multiply-add; eight 128-bit
//!   registers still fit.
//! - A lane program may have an iteration that is skipped where a mask holds in no lane (`Portion::Where`), whose values are selects
//!   by that mask: far arguments of `sin` and `cos` are reduced with 200 bits of 2/π, and near ones pay a test.

/// What a register holds: one of these per lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IEEE-754 binary32.
    F32,
    /// 32-bit integer; signedness belongs to the instruction.
    I32,
    /// True or false.
    Mask,
}

/// Bytes of an element in memory, of every kind that is there today. Programs of f64 will have a kind with elements of 8.
pub const ELEMENT_BYTES: i64 = size_of::<u32>() as i64;

/// A register, an index into [`LaneProgram::registers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u32);

/// A loop counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub u32);

/// A whole kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct LaneProgram {
    /// Number of pointer arguments.
    pub pointers: u32,
    /// Number of 64-bit integer arguments (extents, strides in bytes), which follow the pointers.
    pub integers: u32,
    /// Number of loop counters.
    pub vars: u32,
    /// Kind and variance of each register.
    pub registers: Vec<Register>,
    /// Of a program that watches values: the pointer to the word that becomes 1 where one of them was infinite or NaN; it is left as it
    /// is where none was.
    pub alarm: Option<u32>,
    /// The code.
    pub body: Vec<LaneItem>,
}

/// Kind and variance of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// What it holds.
    pub kind: Kind,
    /// True when it differs from element to element of the enclosing lane loop.
    pub varying: bool,
}

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LaneItem {
    /// `register = instruction`.
    Let(Reg, Instruction),
    /// `*address = value`: the value is F32 or I32; inside a lane loop the address varies, and a uniform value is stored
    /// to every element.
    Store {
        /// Where.
        address: Address,
        /// What.
        value: Reg,
    },
    /// Says of an F32 whether it is finite: see [`LaneProgram::alarm`]. Nothing else comes of it.
    Watch(Reg),
    /// A loop.
    Loop(LaneLoop),
}

/// An integer known when compiled or given as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integer {
    /// Known.
    Constant(i64),
    /// The n-th integer argument.
    Argument(u32),
}

/// Which part of `start..end` a loop covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Portion {
    /// Every index, one by one.
    Whole,
    /// `start`, `start+n`, … while `index + n ≤ end`: the body does `n` indices an iteration.
    Blocks(u32),
    /// One by one, the remainder of `Blocks(n)`.
    Rest(u32),
    /// One by one those of them that lie in `number·length..(number + 1)·length`.
    Chunk {
        /// The counter of a loop around this one that is no lane loop: which chunk.
        number: Var,
        /// How many indices a chunk has; more than none.
        length: Integer,
    },
    /// One iteration, for a case that is rare: a target may skip it for a block of elements if the mask holds in none of them. That cannot
    /// be seen: the iteration has no effect other than its carried values, which are `select(mask, …, inside)`.
    Where(Reg),
}

impl Portion {
    /// The mask of an iteration that may be skipped.
    pub fn mask(self) -> Option<Reg> {
        if let Portion::Where(mask) = self { Some(mask) } else { None }
    }
}

/// A counted loop. `end ≤ start` runs no iteration; carried registers then keep their initial value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneLoop {
    /// The counter; visible in the body.
    pub var: Var,
    /// First index.
    pub start: Integer,
    /// One past the last index.
    pub end: Integer,
    /// Which of them: `Whole` or a `Chunk` for a lane loop.
    pub portion: Portion,
    /// True for a lane loop: the counter is varying inside.
    pub lanes: bool,
    /// Accumulators.
    pub carried: Vec<Carried>,
    /// The code of an iteration.
    pub body: Vec<LaneItem>,
}

/// An accumulator carried from iteration to iteration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Carried {
    /// Value before the first iteration; defined outside the loop. For a lane loop: uniform, and an identity of `combine`.
    pub initial: Reg,
    /// Value at the start of an iteration.
    pub inside: Reg,
    /// Value at the end of an iteration; defined in the body.
    pub next: Reg,
    /// Value after the loop. For a lane loop: uniform, combined over the fixed tree.
    pub after: Reg,
    /// How partials combine: `Some` for a lane loop, `None` otherwise.
    pub combine: Option<Combine>,
}

/// How the partials of a lane loop become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// F32 addition.
    AddF,
    /// F32 maximum that propagates NaN, as [`Binary::MaxF`].
    MaxF,
    /// F32 minimum that propagates NaN, as [`Binary::MinF`].
    MinF,
    /// Wrapping I32 addition.
    AddI,
    /// Signed I32 maximum.
    MaxI,
    /// Signed I32 minimum.
    MinI,
}

/// `pointer + offset + Σ index·stride`, in bytes, and 4 for each element that `by` says. Varying when a term's index is the lane loop's
/// counter, or `by` varies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Which pointer argument.
    pub pointer: u32,
    /// Constant part.
    pub offset: i64,
    /// The rest; at most one term for each `Var`.
    pub terms: Vec<Term>,
    /// An I32, read as unsigned: so many elements further on. Where it varies, no term has the lane loop's counter.
    pub by: Option<Reg>,
}

/// `index · stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// What is multiplied.
    pub index: Index,
    /// Bytes.
    pub stride: Integer,
}

/// A loop counter with a constant added, or an entry of a table at that position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// `var + plus`.
    Var {
        /// The counter.
        var: Var,
        /// Added.
        plus: i64,
    },
    /// `table[var + plus]`, an unsigned 32-bit entry. A table is never stored to by the program.
    Lookup {
        /// The pointer argument that is the table.
        table: u32,
        /// The counter.
        var: Var,
        /// Added to the counter.
        plus: i64,
    },
}

/// What a register is set to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// An f32 by its bits.
    ConstantF(u32),
    /// An integer.
    ConstantI(i32),
    /// A mask.
    ConstantMask(bool),
    /// A 4-byte element; the register's kind (F32 or I32) says how it is read.
    Load(Address),
    /// `index` as I32 (a loop counter, varying if it is the lane loop's).
    Counter {
        /// The counter.
        var: Var,
        /// Added.
        plus: i64,
    },
    /// An integer argument, truncated to I32 (uniform).
    Argument(u32),
    /// One operand.
    Unary(Unary, Reg),
    /// Two operands.
    Binary(Binary, Reg, Reg),
    /// `a·b + c`, rounded once.
    Fma(Reg, Reg, Reg),
    /// Comparison to a mask.
    Compare(Compare, Reg, Reg),
    /// `if mask { a } else { b }`, for any kind.
    Select(Reg, Reg, Reg),
}

/// Instructions of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// −x: flips the sign bit.
    NegF,
    /// |x|: clears the sign bit.
    AbsF,
    /// Correctly rounded square root.
    SqrtF,
    /// Towards −∞.
    FloorF,
    /// To the nearest integer, ties to even.
    NearestF,
    /// −x, wrapping.
    NegI,
    /// Bitwise not.
    NotI,
    /// Logical not.
    NotMask,
    /// f32 → i32: towards zero, saturating, NaN → 0.
    ToI32,
    /// f32 → u32: towards zero, saturating, NaN → 0.
    ToU32,
    /// i32 → f32, to nearest even.
    FromI32,
    /// u32 → f32, to nearest even.
    FromU32,
    /// Mask → 1 or 0.
    FromMask,
    /// The bits of an f32; of a NaN, those of some NaN.
    BitsOf,
    /// The f32 of these bits.
    FromBits,
}

/// Instructions of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// x + y.
    AddF,
    /// x − y.
    SubF,
    /// x · y.
    MulF,
    /// x / y.
    DivF,
    /// Maximum; NaN if either is NaN. Of two zeros either may come (the same one on every target: `select(x < y, y, x)` where neither is NaN).
    MaxF,
    /// Minimum; NaN if either is NaN; `select(y < x, y, x)` where neither is NaN.
    MinF,
    /// Exactly `select(y < x, x, y)`: x86's `maxps x, y`. With x = +0 it is a rectifier that passes NaN in y.
    PickGreater,
    /// x + y, wrapping.
    AddI,
    /// x − y, wrapping.
    SubI,
    /// x · y, wrapping.
    MulI,
    /// Signed maximum.
    MaxI,
    /// Signed minimum.
    MinI,
    /// Bitwise.
    AndI,
    /// Bitwise.
    OrI,
    /// Bitwise.
    XorI,
    /// x « (y & 31).
    ShiftLeft,
    /// x » (y & 31), zeros come in.
    ShiftRightLogical,
    /// x » (y & 31), sign bits come in.
    ShiftRightArithmetic,
    /// Logical.
    AndMask,
    /// Logical.
    OrMask,
    /// Logical.
    XorMask,
}

/// Comparisons. On F32 every one but `Ne` is false when an operand is NaN; `Ne` is then true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// x = y on F32.
    EqF,
    /// x ≠ y on F32.
    NeF,
    /// x < y on F32.
    LtF,
    /// x ≤ y on F32.
    LeF,
    /// x = y on I32.
    EqI,
    /// x ≠ y on I32.
    NeI,
    /// Signed x < y.
    LtI,
    /// Signed x ≤ y.
    LeI,
    /// Unsigned x < y.
    LtU,
    /// Unsigned x ≤ y.
    LeU,
}
