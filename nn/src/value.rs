//! Arithmetic on [`Value`](crate::builder::Value)s: what formulas in a declaration are made of.
//!
//! In: values of one builder and literals. Out: values; mistakes go to the builder.
//!
//! Must hold:
//! - every function takes values or references to them, never panics, and gives the unknown value after a mistake;
//! - a literal takes the element type of the value beside it; tensors of different element types are never mixed silently;
//! - broadcasting is here and nowhere else (`align.rs`).

mod align;
mod check;
mod derivative;
mod elementwise;
mod matmul;
mod movement;
mod operators;
mod reduce;

pub use check::one_hot;
pub use derivative::gradient;
pub use elementwise::{
    abs, absolute, add, and, bell, convert, cos, dim_value, divide, equal, erf, exp, expm1, floor, full,
    greater, greater_equal, is_finite, less, less_equal, log, log1p, logistic, maximum, minimum, multiply,
    negate, normal_cdf, not, not_equal, ones, or, pow, select, sign, sin, softplus, sqrt, square,
    stop_gradient, subtract, surrogate, tanh, zeros,
};
pub use matmul::matmul;
pub use movement::{concatenate, expand, flatten, index, reshape, reverse, slice, transpose, transpose_by};
pub use operators::Operand;
pub use reduce::{argmax, max, max_over, mean, mean_over, min, min_over, squares, sum, sum_over};

pub(crate) use align::{bare, both_shapes, require_float, spoken};
pub(crate) use check::{Demand, User, demand, label_mask};
pub(crate) use reduce::{Over, average, reduce};
