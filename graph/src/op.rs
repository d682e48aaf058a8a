//! The primitives: the closed list of what a node can compute. Everything else is made of them.
//!
//! Out: [`Op`]. A variant carries attributes only; operands are edges of the graph, in order. All other facts about an op are in
//! [`crate::facts`].
//!
//! This file and `graph.rs` know each other: a loop's body is a graph of ops. Nothing else of the graph is used here.
//!
//! # Semantics
//!
//! - Shapes of elementwise operands are equal: broadcasting is explicit ([`Op::Broadcast`]), only the builder inserts it.
//! - Integers wrap. `Convert` from a float to an integer goes towards zero, saturates, and maps NaN to 0; from bool it
//!   gives 1 or 0; to bool it is `x ≠ 0`.
//! - `Max`/`Min` propagate NaN; the gradient of a tie is split in halves.
//! - A rectifier is `select(x ≤ 0, 0, x)`: its derivative at 0 is 0 and NaN passes. The sign of a zero result is not defined.
//! - The gradient of a selection is a selection: what the side not taken is, NaN and infinities included, has no part in it.
//! - `Sign` of NaN is NaN, of ±0 is 0. `Pow` is IEEE's `pow`.
//! - Comparisons with NaN are false, but `NotEqual`, which is true.
//! - Reductions of nothing: sum 0, max −∞ (integers: the least), min +∞ (the greatest). Max and min propagate NaN; on a tie the
//!   gradient is split evenly among the equal elements. `ArgMax` takes the first of equals, and the first NaN before all else.
//! - `Sum` may round after every addition; its order is not part of the meaning, but is the same on every machine.
//! - `CumulativeSum` of floats is off by some roundings of the sum of the magnitudes at most, however long the axis is. What follows an
//!   infinity is that infinity, or NaN where another NaN or the opposite infinity comes.
//! - `Gather` and `ScatterAdd` take an index outside of its axis for the nearest one inside, so that they are defined for all indices and
//!   each remains the other's adjoint. What users declare demands that there is none ([`crate::check`]). An axis without elements has no
//!   index: sizes with which something would be looked up there are refused ([`crate::sizes`]).
//! - `ScatterAdd` starts from 0 and adds what has the same index in ascending order of positions, one addition after another: the sum of
//!   n terms is off by n roundings of its partial sums at most. The sign of a zero in it is not defined.
//! - Float `Sqrt` and `Div` are correctly rounded; `exp`, `log`, … have the error bounds that code generation states, over all finite f32:
//!   the table at the head of `codegen/src/lane/math/mod.rs`.
//!
//! # Decisions
//!
//! - `softplus` is a primitive, with `logistic` as its derivative: the gradient of binary cross-entropy from logits ends as p −
//!   y.
//! - `surrogate(value, formula)` is a primitive: the value of one, the derivative of the other: the loss max(z,0) − z·y +
//!   softplus(−∣z∣) is accurate at both ends, softplus(z) − z·y has the derivative that simplifies; `stop_gradient` is its
//!   special case.
//! - `pullback(value, x, arriving, share)` gives a value one more path backwards, with a rule of its own: `share` is a formula over `arriving`,
//!   which stands for the gradient that comes. The formula is part of the graph around it and no body, so passes, loops and second
//!   derivatives meet nothing new: differentiation writes it down once more, with the gradient in the place of its stand-in.
//! - Φ is a primitive (`normal_cdf`), and so is e^(−x²/2) (`bell`), of which its derivatives and those of `erf` are made:
//!   gelu's tail, value and gradient, keeps its bits: 1 + erf(x/√2) has none left from −6 down, and through erfc the rounding
//!   of x/√2 alone costs x² ulp. Value and gradient share one exponential.
//! - One `Gather` serves rows of a table, elements along an axis and one class of a row: its axes are those of both operands, and the
//!   first ones may be shared. How many terms an element of `ScatterAdd` has is known when it runs; it is one plain chain, as in PyTorch's
//!   `index_add`. What rounding lost would need memory as large as the result, written and read once more for each term.

use crate::dim::Dim;
use crate::graph::Graph;
use crate::types::{ElementType, Literal, Shape, Type};
use std::fmt;
use std::sync::Arc;

/// What a node computes from its operands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// The n-th entry of [`Graph::inputs`]. No operands.
    Input(usize),
    /// The n-th entry of [`Graph::storages`], as it was before the entry ran. No operands.
    Storage(usize),
    /// A scalar. No operands.
    Constant(Literal),
    /// The index along `axis` of each element of `shape`, as i32. No operands.
    Iota {
        /// Result shape.
        shape: Shape,
        /// Which index.
        axis: usize,
    },
    /// The value of a dim as a scalar of this (non-bool) type. No operands.
    DimValue {
        /// The dim.
        dim: Dim,
        /// The type.
        element: ElementType,
    },
    /// Uniform u32 bits: Threefry of (seed, step, stream, element's index). No operands.
    RandomBits {
        /// Which stream; the builder hands them out, so two draws stay two.
        stream: u32,
        /// Result shape.
        shape: Shape,
    },
    /// Elementwise, one operand.
    Unary(Unary),
    /// Elementwise, two operands.
    Binary(Binary),
    /// Elementwise, two operands, to bool.
    Compare(Compare),
    /// (bool, a, b): a where true, else b.
    Select,
    /// To another element type.
    Convert(ElementType),
    /// Folds `axes` (ascending) away.
    Reduce {
        /// How.
        kind: Reduction,
        /// Which axes of the operand.
        axes: Vec<usize>,
    },
    /// The index of the greatest element along `axis`, as i32.
    ArgMax {
        /// Which axis of the operand.
        axis: usize,
    },
    /// The sum of each element and of those before it along `axis`.
    CumulativeSum {
        /// Which axis.
        axis: usize,
    },
    /// The same elements in row-major order under another shape of equal size.
    Reshape(Shape),
    /// Result axis `i` is operand axis `permutation[i]`.
    Transpose(Vec<usize>),
    /// Operand axis `i` becomes result axis `axes[i]` (ascending, of equal size); the other axes of `shape` are new.
    Broadcast {
        /// Result shape.
        shape: Shape,
        /// Where each operand axis goes.
        axes: Vec<usize>,
    },
    /// Elements `start`, `start + stride`, … before `end`, along each axis.
    Slice(Vec<Range>),
    /// Zeros around, and between, the operand's elements: the adjoint of `Slice`.
    Pad(Vec<Padding>),
    /// Operands one after another along `axis`; at least one operand.
    Concatenate {
        /// Which axis.
        axis: usize,
    },
    /// Elements in reverse order along `axes` (ascending).
    Reverse(Vec<usize>),
    /// What a window sees that moves along an axis: two axes for one.
    Window(Window),
    /// Each element of a window added to the place where it was seen, along an axis of `size` elements: the adjoint of `Window`. What no
    /// window saw is 0. The elements of a place are added in the order of the taps.
    Fold {
        /// Of the window.
        window: Window,
        /// Of the result's axis.
        size: Dim,
    },
    /// (x, indices): elements of `x` whose index along `axis` is an i32 of `indices`. The first `batch` axes (`axis` or fewer) of both
    /// operands are one and the same. Result axes: those of `x` before `axis`, then those of `indices` behind the shared ones, then those of
    /// `x` behind `axis`: `y[b.., a.., i.., r..] = x[b.., a.., indices[b.., i..], r..]`.
    Gather {
        /// Which axis of `x`.
        axis: usize,
        /// How many axes are shared.
        batch: usize,
    },
    /// (updates, indices): the adjoint of `Gather` by `x`, whose `axis` has `size` elements. Each element of the result is the sum of the
    /// updates that have its index: `y[b.., a.., k, r..] = Σ updates[b.., a.., i.., r..]` over the `i` with `indices[b.., i..] = k`.
    ScatterAdd {
        /// Which axis of the result.
        axis: usize,
        /// How many axes of updates and indices are shared.
        batch: usize,
        /// The result's size along `axis`.
        size: Dim,
    },
    /// Product of two tensors: sums over `contract` pairs of axes, keeps `batch` pairs together.
    /// Result axes: batch (in the order of the pairs), then lhs's others, then rhs's others.
    DotGeneral {
        /// (lhs axis, rhs axis) kept.
        batch: Vec<(usize, usize)>,
        /// (lhs axis, rhs axis) summed over.
        contract: Vec<(usize, usize)>,
    },
    /// The operand, as a constant to differentiation.
    StopGradient,
    /// (value, surrogate): the value; its derivative is the surrogate's. For formulas whose exact derivative is known in a better
    /// form than the rules find from the way the value is computed.
    Surrogate,
    /// What stands in formulas of a [`Op::Pullback`] for the gradient that arrives there. As a value it is 0. No operands.
    Arriving {
        /// Which one; the builder hands them out, so that formulas within formulas keep theirs apart.
        number: u32,
        /// Type of the gradient.
        ty: Type,
    },
    /// (value, x, arriving, share): the value. The gradient that arrives at it goes on to the value, and what the formula `share` makes of
    /// it, when it takes the place of `arriving`, to x.
    Pullback,
    /// One result of a loop of `length` iterations. Operands: carried initial values, sliced tensors (axis 0 has `length`), captured
    /// values. The body's inputs are in the same order (a sliced one without its axis 0); its outputs are the next carried values, then
    /// values to stack along a new axis 0. Nodes that differ only in `result` are one loop.
    Scan {
        /// The body.
        body: Arc<Graph>,
        /// How many operands are carried.
        carried: usize,
        /// How many operands are sliced.
        sliced: usize,
        /// Number of iterations.
        length: Dim,
        /// Whether the first iteration takes the last slices, and stacks the last values.
        reversed: bool,
        /// Whether its gradient computes the values of an iteration anew from what the iteration began with, instead of keeping them.
        recompute: bool,
        /// Which result: final carried values first, then stacked ones.
        result: usize,
    },
}

/// A range along an axis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Range {
    /// First index.
    pub start: Dim,
    /// One past the last.
    pub end: Dim,
    /// Step, ≥ 1.
    pub stride: i64,
}

impl Range {
    /// All of an axis of this size.
    pub fn whole(size: &Dim) -> Range {
        Range { start: Dim::default(), end: size.clone(), stride: 1 }
    }
}

/// `1..n` or `0..n by 2`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)?;
        if self.stride == 1 { Ok(()) } else { write!(f, " by {}", self.stride) }
    }
}

/// Zeros along an axis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Padding {
    /// Before.
    pub low: Dim,
    /// After.
    pub high: Dim,
    /// Between neighbours.
    pub interior: i64,
}

impl Padding {
    /// No zeros at all.
    pub fn none() -> Padding {
        Padding { low: Dim::default(), high: Dim::default(), interior: 0 }
    }
}

/// `1+1` or `0+n between 2`.
impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.low, self.high)?;
        if self.interior == 0 { Ok(()) } else { write!(f, " between {}", self.interior) }
    }
}

/// A window that moves along `axis`. Of that axis it makes two: the window's *place*, and the *tap* in it. The element is the operand's at
/// `place·stride + tap·dilation`. There are as many places as windows fit in: what is left at the end is not seen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// Along which axis; the taps' axis follows it.
    pub axis: usize,
    /// Elements that a window sees, ≥ 1.
    pub taps: Dim,
    /// From place to place, ≥ 1.
    pub stride: Dim,
    /// From tap to tap, ≥ 1.
    pub dilation: Dim,
}

impl Window {
    /// From the first element that a window sees to its last, both counted.
    pub fn span(&self) -> Dim {
        &(&(&self.taps - &Dim::from(1)) * &self.dilation) + &Dim::from(1)
    }

    /// How many windows fit in an axis of this size.
    pub fn places(&self, size: &Dim) -> Dim {
        &(size - &self.span()).divide(&self.stride) + &Dim::from(1)
    }
}

/// `axis 1: 3 by 2`, with `dilated 4` behind it where it is.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "axis {}: {}", self.axis, self.taps)?;
        if !self.stride.is(1) {
            write!(f, " by {}", self.stride)?;
        }
        if self.dilation.is(1) { Ok(()) } else { write!(f, " dilated {}", self.dilation) }
    }
}

/// Elementwise functions of one operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unary {
    /// −x; wraps on integers.
    Neg,
    /// eˣ.
    Exp,
    /// eˣ − 1, accurate near 0.
    Expm1,
    /// ln x.
    Log,
    /// ln(1 + x), accurate near 0.
    Log1p,
    /// √x.
    Sqrt,
    /// tanh x.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Logistic,
    /// ln(1 + eˣ), without overflow; its derivative is `Logistic`.
    Softplus,
    /// sin x, of any x.
    Sin,
    /// cos x, of any x.
    Cos,
    /// The error function.
    Erf,
    /// Φ(x), the share of a standard normal distribution below x: accurate in its tail, where 1 + erf(x/√2) cancels.
    NormalCdf,
    /// e^(−x²/2), of x² as it is, not rounded: what the derivatives of `Erf` and `NormalCdf` are made of.
    Bell,
    /// |x|.
    Abs,
    /// −1, 0 or 1.
    Sign,
    /// Towards −∞.
    Floor,
    /// Neither NaN nor infinite; gives bool.
    IsFinite,
    /// A u32 that ascends with an f32: equal numbers, and the two zeros, have one; NaN has the greatest. Of an f64 that of the nearest f32.
    Ordinal,
    /// Logical on bool, bitwise on integers.
    Not,
}

/// Elementwise functions of two operands of one type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Binary {
    /// x + y.
    Add,
    /// x − y.
    Sub,
    /// x · y.
    Mul,
    /// x / y (floats).
    Div,
    /// The greater.
    Max,
    /// The lesser.
    Min,
    /// xʸ (floats).
    Pow,
    /// Logical on bool, bitwise on integers.
    And,
    /// Logical on bool, bitwise on integers.
    Or,
    /// Logical on bool, bitwise on integers.
    Xor,
    /// x « (y mod 32) (integers).
    ShiftLeft,
    /// x » (y mod 32), zeros come in (integers).
    ShiftRight,
    /// Random bits: the first word of Threefry of counter y under key x (integers; both have 0 as their second word).
    Threefry,
}

/// Comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compare {
    /// =
    Equal,
    /// ≠
    NotEqual,
    /// <
    Less,
    /// ≤
    LessEqual,
    /// >
    Greater,
    /// ≥
    GreaterEqual,
}

/// Ways to fold an axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduction {
    /// Σ.
    Sum,
    /// Greatest.
    Max,
    /// Least.
    Min,
}
