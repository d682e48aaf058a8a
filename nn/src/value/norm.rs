//! How large the elements along some axes are together: norms, and the logarithm of a sum of exponentials.

use super::align::require_float;
use super::elementwise::{
    abs, add, and, convert, divide, equal, exp, greater, less, log, maximum, multiply, not_equal, pow,
    select, square, stop_gradient, subtract,
};
use super::reduce::{Over, over, reduce};
use super::variance::{moderate, root};
use crate::builder::{Builder, Value};
use crate::call::{AXES, Arguments, Composite, Default, KEEP, Kind, Parameter, X, optional, row};
use downhill_graph::error::Error;
use downhill_graph::op::Reduction;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// (Σ|x|ᵖ)^(1/p) over `over`, as PyTorch's `linalg.vector_norm`: p = 2 is the Euclidean length, ∞ the greatest magnitude, −∞ the least, 0
/// the number of elements that are not 0.
///
/// Magnitudes are divided by the greatest (of a negative p, the least), so that no power overflows. Where all elements are 0 the gradient
/// is 0; so it is for an element that is 0, whatever p. A greatest or least magnitude hands its gradient to its equals in equal parts.
///
/// # Shapes
/// Those of [`sum`](super::sum) over the same axes.
///
/// # Errors
/// Integers and masks, axes that `x` does not have, and a p that is NaN are mistakes of the declaration.
///
/// # Examples
/// ```
/// use downhill_graph::interpret::{Environment, Precision, interpret};
/// use downhill_graph::types::ElementType;
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::{Over, norm};
///
/// let b = Builder::new(Mode::Infer);
/// let x = b.input("x", ElementType::F32, [2, 2]);
/// b.output("y", &norm(&x, 2.0, &Over::axes(&[1])));
/// let graph = downhill_nn::entry::forward(&b.finish().expect("no mistakes"))?;
///
/// let environment = Environment::new().input("x", [[3.0_f32, 4.0], [0.0, 0.0]]);
/// let results = interpret(&graph, &environment, Precision::F32)?;
/// assert_eq!(results[0].1.as_f32()?, [5.0, 0.0]);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
pub fn norm(x: impl Borrow<Value>, p: f64, over: &Over) -> Value {
    let x = x.borrow();
    measured("norm", x, p, over).unwrap_or_else(|| x.builder().unknown())
}

fn measured(user: &str, x: &Value, p: f64, over: &Over) -> Option<Value> {
    if !require_float(x, user) {
        return None;
    }
    if p.is_nan() || p.is_finite() && p != 0.0 && p as f32 == 0.0 {
        let error = Error::new(format!("`{user}` with a p of {p}"));
        x.builder().error(error.help("take 2, 1, another number or an infinity"));
        return None;
    }

    let size = abs(x);
    Some(if p == f64::INFINITY {
        reduce(Reduction::Max, &size, over)
    } else if p == f64::NEG_INFINITY {
        reduce(Reduction::Min, &size, over)
    } else if p == 0.0 {
        reduce(Reduction::Sum, &convert(not_equal(x, 0.0), x.ty()?.element), over)
    } else if p == 1.0 {
        reduce(Reduction::Sum, &size, over)
    } else {
        by_powers(&size, p, over)
    })
}

/// The norm of a p that is neither 0, 1 nor infinite.
fn by_powers(size: &Value, p: f64, over: &Over) -> Value {
    let extreme = if p > 0.0 { Reduction::Max } else { Reduction::Min };
    let unit = |over: &Over| moderate(&reduce(extreme, size, over));
    let scaled = divide(size, unit(&over.kept()));
    let total = |terms: &Value| reduce(Reduction::Sum, terms, over);
    let length =
        if p == 2.0 { root(&total(&square(scaled))) } else { outer_root(&total(&powers(&scaled, p)), p) };
    multiply(length, unit(over))
}

/// Each element to the power p; an element that is 0 moves nothing.
fn powers(size: &Value, p: f64) -> Value {
    let power = pow(size, p);
    select(equal(size, 0.0), stop_gradient(&power), &power)
}

/// The p-th root of a sum; without a gradient where there is none.
fn outer_root(total: &Value, p: f64) -> Value {
    let root = pow(total, 1.0 / p);
    let is_smooth = and(greater(total, 0.0), less(total, f64::INFINITY));
    select(is_smooth, &root, stop_gradient(&root))
}

/// x/max(‖x‖ₚ, eps) along `axis`, as PyTorch's `normalize`. A row of zeros stays one, and its gradient is finite.
///
/// # Shapes
/// That of `x`.
///
/// # Errors
/// Those of [`norm`]; an `eps` that is not above 0.
pub fn normalize(x: impl Borrow<Value>, p: f64, axis: i64, eps: f64) -> Value {
    let x = x.borrow();
    if let Err(error) = check("`normalize` with an eps", eps, Allowed::AboveZero) {
        return x.builder().fail(error);
    }
    let along = Over { axes: Some(vec![axis]), keep: true };
    match measured("normalize", x, p, &along) {
        Some(length) => divide(x, maximum(length, eps)),
        None => x.builder().unknown(),
    }
}

/// ln Σeˣ over `over`, as PyTorch's `logsumexp`: the greatest element is taken out first, so that nothing overflows. It is −∞ where all
/// elements are, with a gradient of 0, and of no elements.
///
/// # Shapes
/// Those of [`sum`](super::sum) over the same axes.
///
/// # Errors
/// Integers and masks, and axes that `x` does not have, are mistakes of the declaration.
pub fn log_sum_exp(x: impl Borrow<Value>, over: &Over) -> Value {
    let x = x.borrow();
    if !require_float(x, "log_sum_exp") {
        return x.builder().unknown();
    }
    let shift = |over: &Over| finite(&reduce(Reduction::Max, x, over));
    let total = reduce(Reduction::Sum, &exp(subtract(x, shift(&over.kept()))), over);
    let logarithm = log(&total);
    let moved = select(greater(&total, 0.0), &logarithm, stop_gradient(&logarithm));
    add(moved, shift(over))
}

/// x as a constant, or 0 where it is infinite: from an infinity nothing can be taken out.
fn finite(x: &Value) -> Value {
    let is_finite = and(greater(x, f64::NEG_INFINITY), less(x, f64::INFINITY));
    select(is_finite, stop_gradient(x), 0.0)
}

const P: Parameter<'static> = optional("p", Kind::Number, Default::Number(2.0));

fn norm_row(_: &Builder, given: &Arguments<'_>) -> Value {
    norm(given.tensor("x"), given.number("p"), &over(given))
}

fn normalize_row(_: &Builder, given: &Arguments<'_>) -> Value {
    normalize(given.tensor("x"), given.number("p"), given.integer("axis"), given.number("eps"))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("norm", &[X, P, AXES, KEEP], "(Σ|x|ᵖ)^(1/p)", norm_row),
    row(
        "normalize",
        &[
            X,
            P,
            optional("axis", Kind::Integer, Default::Integer(1)),
            optional("eps", Kind::Number, Default::Number(1e-12)),
        ],
        "x/max(norm along an axis, eps)",
        normalize_row,
    ),
    row("log_sum_exp", &[X, AXES, KEEP], "ln Σeˣ, without overflow", |_, given| {
        log_sum_exp(given.tensor("x"), &over(given))
    }),
];
