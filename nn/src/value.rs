//! Arithmetic on [`Value`](crate::builder::Value)s: what formulas in a declaration are made of.
//!
//! In: values of one builder and literals. Out: values; mistakes go to the builder.
//!
//! Must hold:
//! - every function takes values or references to them, never panics, and gives the unknown value after a mistake;
//! - a literal takes the element type of the value beside it; tensors of different element types are never mixed silently;
//! - broadcasting is here and nowhere else (`align.rs`).

mod align;
mod operand;
mod told;

mod elementwise;
mod operators;

mod reduce;

mod division;
mod limits;
mod rounding;

mod angles;

mod hyperbolic;

mod truth;
mod variance;

mod norm;
mod powers;

mod movement;

mod arrange;
mod pieces;
mod triangles;

mod einsum;

mod window;

mod matmul;

mod check;

mod random;

mod lookup;

mod scan;

mod cumulative;
mod histogram;

mod order;
mod sorting;

mod derivative;

mod own_gradient;

mod gamma;

mod recompute;

use crate::call::Composite;

pub use angles::{acos, asin, atan, atan2, sinc, tan};
pub use arrange::{flip, repeat, roll, stack, tile};
pub use check::one_hot;
pub use cumulative::{cummax, cummin, cumprod};
pub use derivative::gradient;
pub use division::{floor_divide, fmod, remainder, trunc_divide};
pub use einsum::einsum;
pub use elementwise::{
    abs, absolute, add, and, bell, convert, cos, dim_value, divide, equal, erf, exp, expm1, floor, full,
    greater, greater_equal, is_finite, less, less_equal, log, log1p, logistic, maximum, minimum, multiply,
    negate, normal_cdf, not, not_equal, ones, or, pow, select, sign, sin, softplus, sqrt, square,
    stop_gradient, subtract, surrogate, tanh, zeros,
};
pub use gamma::{digamma, lgamma};
pub use histogram::histogram;
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh};
pub use limits::clamp;
pub use lookup::{gather, pick, scatter_add, take};
pub use matmul::matmul;
pub use movement::{concatenate, expand, flatten, index, reshape, reverse, slice, transpose, transpose_by};
pub use norm::{log_sum_exp, norm, normalize};
pub use operand::Operand;
pub use own_gradient::with_gradient;
pub use pieces::{chunk, split, unstack};
pub use powers::{exp2, hypot, log2, log10, reciprocal, rsqrt};
pub use random::{bernoulli, normal, normal_like, uniform, uniform_like};
pub use recompute::recompute;
pub use reduce::{
    Over, absolutes, argmax, argmin, cumsum, max, max_over, mean, mean_over, min, min_over, squares, sum,
    sum_over,
};
pub use rounding::{ceil, fract, round, round_to, trunc};
pub use scan::{Iteration, Scan, Scanned, Slices, scan};
pub use sorting::{Interpolation, argsort, median, quantile, sort, top_k, top_k_indices};
pub use triangles::{diagonal, outer, trace, tril, triu};
pub use truth::{all, any, count};
pub use variance::{standard_deviation, variance};
pub use window::window;

pub(crate) use align::{bare, both_shapes, require_float, resolve_axis, spoken};
pub(crate) use check::{Demand, User, demand, label_mask};
pub(crate) use lookup::rows_of;
pub(crate) use reduce::{average, reduce};
pub(crate) use window::{channels_last, channels_second, zero_padded};

/// The rows of operators.
pub(crate) const OPERATORS: &[&[Composite]] = &[elementwise::OPERATORS, matmul::ROWS, einsum::ROWS];

/// The rows of functions of each element.
pub(crate) const FUNCTIONS: &[&[Composite]] = &[
    elementwise::FUNCTIONS,
    powers::ROWS,
    angles::ROWS,
    hyperbolic::ROWS,
    gamma::ROWS,
    rounding::ROWS,
    division::ROWS,
    limits::ROWS,
    derivative::ROWS,
];

/// The rows of reductions.
pub(crate) const REDUCTIONS: &[&[Composite]] = &[
    reduce::ROWS,
    truth::ROWS,
    variance::ROWS,
    norm::ROWS,
    cumulative::ROWS,
    sorting::ROWS,
    histogram::ROWS,
];

/// The rows of what moves or makes elements.
pub(crate) const SHAPES: &[&[Composite]] = &[
    movement::ROWS,
    arrange::ROWS,
    pieces::ROWS,
    triangles::ROWS,
    window::ROWS,
    elementwise::FILLED,
    check::ROWS,
    random::ROWS,
    lookup::ROWS,
];
