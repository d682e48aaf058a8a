//! `gradient(y, x)`: a derivative as an ordinary value.

use super::align::{require_float, spoken};
use crate::builder::Value;
use crate::differentiate::differentiate;
use crate::error::Error;
use std::borrow::Borrow;

/// ∂(sum of y)/∂x, shaped as `x`; it can be differentiated again. A mistake where `y` does not depend on `x`.
pub fn gradient(y: impl Borrow<Value>, x: impl Borrow<Value>) -> Value {
    let (y, x) = (y.borrow(), x.borrow());
    let builder = y.builder();
    let (Some(of), Some(by)) = (y.node(), x.node()) else { return builder.unknown() };
    if !require_float(y, "gradient") || !require_float(x, "gradient") {
        return builder.unknown();
    }
    if !builder.with_graph(|graph| crate::rebuild::ancestors(graph, &[of])[by.index()]) {
        let (y, x) = (spoken(y, "the first operand"), spoken(x, "the second"));
        let error = Error::new(format!("{y} does not depend on {x}"));
        return builder.fail(error.help("`gradient(y, x)` needs an `x` that `y` was computed from"));
    }
    match builder.with_graph(|graph| differentiate(graph, of, &[by])) {
        Ok(gradients) => builder.value(gradients[0]),
        Err(error) => builder.fail(error),
    }
}
