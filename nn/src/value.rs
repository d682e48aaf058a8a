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

mod elementwise;
mod operators;

mod reduce;

mod movement;

mod window;

mod matmul;

mod check;

mod lookup;

mod derivative;

use crate::call::Composite;

pub use check::one_hot;
pub use derivative::gradient;
pub use elementwise::{
    abs, absolute, add, and, bell, convert, cos, dim_value, divide, equal, erf, exp, expm1, floor, full,
    greater, greater_equal, is_finite, less, less_equal, log, log1p, logistic, maximum, minimum, multiply,
    negate, normal_cdf, not, not_equal, ones, or, pow, select, sign, sin, softplus, sqrt, square,
    stop_gradient, subtract, surrogate, tanh, zeros,
};
pub use lookup::{gather, pick, scatter_add, take};
pub use matmul::matmul;
pub use movement::{concatenate, expand, flatten, index, reshape, reverse, slice, transpose, transpose_by};
pub use operand::Operand;
pub use reduce::{
    absolutes, argmax, cumsum, max, max_over, mean, mean_over, min, min_over, squares, sum, sum_over,
};
pub use window::window;

pub(crate) use align::{bare, both_shapes, require_float, resolve_axis, spoken};
pub(crate) use check::{Demand, User, demand, label_mask};
pub(crate) use lookup::rows_of;
pub(crate) use reduce::{Over, average, reduce};
pub(crate) use window::{channels_last, channels_second, zero_padded};

/// The rows of operators.
pub(crate) const OPERATORS: &[&[Composite]] = &[elementwise::OPERATORS, matmul::ROWS];

/// The rows of functions of each element.
pub(crate) const FUNCTIONS: &[&[Composite]] = &[elementwise::FUNCTIONS, derivative::ROWS];

/// The rows of reductions.
pub(crate) const REDUCTIONS: &[&[Composite]] = &[reduce::ROWS];

/// The rows of what moves or makes elements.
pub(crate) const SHAPES: &[&[Composite]] =
    &[movement::ROWS, window::ROWS, elementwise::FILLED, check::ROWS, lookup::ROWS];
