//! One half of an axis, gated by a curve of the other half (Dauphin, Fan, Auli, Grangier: Language Modeling with Gated Convolutional
//! Networks; ICML 2017. Shazeer: GLU Variants Improve Transformer; 2020).

use super::sigmoids::{gelu, sigmoid, silu};
use crate::builder::Value;
use crate::call::{Composite, LAST, X, bound, row};
use crate::value::{multiply, require_float, resolve_axis, slice, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use std::borrow::Borrow;

/// a·sigmoid(b) of the first half a and the second half b along `axis`, as PyTorch's `glu`.
///
/// # Shapes
/// `[…, 2·n, …]` to `[…, n, …]`.
///
/// # Errors
/// An axis that `x` does not have, or whose size is odd, is a mistake of the declaration; so are integers and masks.
pub fn glu(x: impl Borrow<Value>, axis: i64) -> Value {
    gated("glu", x.borrow(), axis, |b| sigmoid(b))
}

/// a·gelu(b) of the first half a and the second half b along `axis`.
///
/// # Shapes
/// Those of [`glu`].
///
/// # Errors
/// Those of [`glu`].
pub fn geglu(x: impl Borrow<Value>, axis: i64) -> Value {
    gated("geglu", x.borrow(), axis, |b| gelu(b))
}

/// a·silu(b) of the first half a and the second half b along `axis`.
///
/// # Shapes
/// Those of [`glu`].
///
/// # Errors
/// Those of [`glu`].
pub fn swiglu(x: impl Borrow<Value>, axis: i64) -> Value {
    gated("swiglu", x.borrow(), axis, |b| silu(b))
}

fn gated(user: &str, x: &Value, axis: i64, curve: impl Fn(&Value) -> Value) -> Value {
    let builder = x.builder();
    let Some(shape) = x.shape().filter(|_| require_float(x, user)) else { return builder.unknown() };
    let Some(position) = resolve_axis(x, axis, shape.rank()) else { return builder.unknown() };
    let size = &shape.dims()[position];
    if let Some(odd) = bound(builder, size).filter(|size| size % 2 != 0) {
        let error = Error::new(format!(
            "`{user}` along axis {position} of {}, which has {odd}",
            spoken(x, "the operand")
        ));
        return builder.fail(error.note(format!("its shape is {shape}")).help("halves need an even size"));
    }

    let half = size.divide(&Dim::from(2));
    if !builder.with_graph(|graph| graph.agrees(&(&half * &Dim::from(2)), size)) {
        let error = Error::new(format!("`{user}` halves a size of {size}, which only a run can tell"));
        return builder.fail(error.help("make it an argument of the network, or a number"));
    }
    let value = slice(x, axis, 0, Some(half.clone()), 1);
    multiply(value, curve(&slice(x, axis, half, None, 1)))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("glu", &[X, LAST], "a·sigmoid(b) of the halves a and b of an axis", |_, given| {
        glu(given.tensor("x"), given.integer("axis"))
    }),
    row("geglu", &[X, LAST], "a·gelu(b) of the halves a and b of an axis", |_, given| {
        geglu(given.tensor("x"), given.integer("axis"))
    }),
    row("swiglu", &[X, LAST], "a·silu(b) of the halves a and b of an axis", |_, given| {
        swiglu(given.tensor("x"), given.integer("axis"))
    }),
];
