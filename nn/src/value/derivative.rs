//! `gradient(y, x)`: a derivative as an ordinary value.

use super::align::{require_float, spoken};
use super::elementwise::{equal, select, surrogate};
use super::reduce::sum;
use crate::builder::Value;
use crate::call::{Composite, X, Y, row};
use downhill_graph::check::{Check, Made};
use downhill_graph::differentiate::differentiate;
use downhill_graph::error::Error;
use std::borrow::Borrow;

/// ∂(sum of y)/∂x, shaped as `x`; it can be differentiated again. A mistake where `y` does not depend on `x`.
pub fn gradient(y: impl Borrow<Value>, x: impl Borrow<Value>) -> Value {
    let (y, x) = (y.borrow(), x.borrow());
    let builder = y.builder();
    let (Some(of), Some(by)) = (y.node(), x.node()) else { return builder.unknown() };
    if !require_float(y, "gradient") || !require_float(x, "gradient") {
        return builder.unknown();
    }

    if !builder.with_graph(|graph| downhill_graph::rebuild::ancestors(graph, &[of])[by.index()]) {
        let (y, x) = (spoken(y, "the first operand"), spoken(x, "the second"));
        let error = Error::new(format!("{y} does not depend on {x}"));
        return builder.fail(error.help("`gradient(y, x)` needs an `x` that `y` was computed from"));
    }

    match builder.with_graph(|graph| differentiate(graph, of, &[by])) {
        Ok(gradients) => with_checks(y, builder.value(gradients[0])),
        Err(error) => builder.fail(error),
    }
}

/// The derivative of a value with checks makes the same checks: it is NaN where one is broken. The poison of the value does not do that,
/// as it has no derivative.
fn with_checks(y: &Value, derivative: Value) -> Value {
    let builder = y.builder();
    let (checks, Some(term)) = (builder.checks_below(y), derivative.node()) else { return derivative };
    let mut poisoned = derivative.clone();
    for check in checks {
        if let Made::Computed(right) = check.made {
            let broken = sum(select(builder.value(right), 0.0, 1.0));
            poisoned = surrogate(select(equal(broken, 0.0), &poisoned, f64::NAN), poisoned);
        }
        builder.keep_check(Check { terms: vec![term], ..check });
    }
    poisoned
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[row("gradient", &[Y, X], "∂(sum of y)/∂x", |_, given| {
    gradient(given.tensor("y"), given.tensor("x"))
})];
