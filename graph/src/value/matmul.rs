//! The matrix product `@`.
//!
//! # Shapes
//! The last axis of the left meets the second-last of the right (or its only one). Leading axes are kept together and broadcast as
//! elementwise ones are. A vector on the left is a row, on the right a column, and its axis is gone from the result.

use super::align::{both_shapes, coerce, common_dims, require_float, spoken, stretch};
use crate::builder::Value;
use crate::dim::Dim;
use crate::error::Error;
use crate::op::Op;
use crate::types::Shape;
use std::borrow::Borrow;

/// `a @ b`.
pub fn matmul(a: impl Borrow<Value>, b: impl Borrow<Value>) -> Value {
    let (a, b) = (a.borrow(), b.borrow());
    let unknown = || a.builder().unknown();
    let Some(pair) = coerce(&[a, b]) else { return unknown() };
    if !require_float(&pair[0], "@") {
        return unknown();
    }
    product(&pair[0], &pair[1]).unwrap_or_else(unknown)
}

fn product(a: &Value, b: &Value) -> Option<Value> {
    let (x, y) = (a.shape()?, b.shape()?);
    let builder = a.builder();
    for (value, shape) in [(a, &x), (b, &y)] {
        if shape.rank() == 0 {
            let error =
                Error::new(format!("`@` with a scalar: {} has no axes", spoken(value, "one operand")));
            builder.error(error.note(both_shapes(a, b)).help("use `*` to scale"));
            return None;
        }
    }
    let (columns, rows) = (x.rank() - 1, y.rank().saturating_sub(2));
    if !builder.with_graph(|graph| graph.agrees(&x.dims()[columns], &y.dims()[rows])) {
        builder.error(misfit(a, b, &x, &y));
        return None;
    }
    if x.rank() <= 2 || y.rank() <= 2 {
        return Some(plain(a, b, x.rank(), y.rank()));
    }
    let leading =
        builder.with_graph(|graph| common_dims(graph, &x.dims()[..x.rank() - 2], &y.dims()[..y.rank() - 2]));
    let Ok(leading) = leading else {
        let error = Error::new(format!(
            "leading axes of {} and {} do not fit",
            spoken(a, "the left"),
            spoken(b, "the right")
        ));
        builder.error(
            error.note(both_shapes(a, b)).help("all axes but the last two must be equal, or the number 1"),
        );
        return None;
    };
    let rank = leading.len() + 2;
    let whole = |shape: &Shape| Shape([&leading, &shape.dims()[shape.rank() - 2..]].concat());
    let batch = (0..rank - 2).map(|axis| (axis, axis)).collect();
    let contract = vec![(rank - 1, rank - 2)];
    Some(
        builder
            .apply(Op::DotGeneral { batch, contract }, &[&stretch(a, &whole(&x)), &stretch(b, &whole(&y))]),
    )
}

/// Products of which one side has no leading axes.
fn plain(a: &Value, b: &Value, left: usize, right: usize) -> Value {
    let contract = vec![(left - 1, right.saturating_sub(2))];
    let result = a.builder().apply(Op::DotGeneral { batch: Vec::new(), contract }, &[a, b]);
    let leading = right.saturating_sub(2);
    if leading == 0 || left == 1 {
        return result;
    }
    // The left's row axis came first: put it behind the right's leading axes.
    let order = (1..=leading).chain([0, leading + 1]).collect();
    a.builder().apply(Op::Transpose(order), &[&result])
}

fn misfit(a: &Value, b: &Value, x: &Shape, y: &Shape) -> Error {
    let (m, n) = (&x.dims()[x.rank() - 1], &y.dims()[y.rank().saturating_sub(2)]);
    let counted = if x.rank() == 1 { "elements" } else { "columns" };
    let unit = if y.rank() == 1 { "elements" } else { "rows" };
    let (left, right) = (spoken(a, "the left operand"), spoken(b, "the right operand"));
    Error::new(format!("{left} has {m} {counted} but {right} has {n} {unit}"))
        .note(both_shapes(a, b))
        .help(mend(a, b, m, y))
}

/// The likely mend: the declaration of a parameter that follows, or a transpose that fits.
fn mend(a: &Value, b: &Value, m: &Dim, y: &Shape) -> String {
    let is_parameter =
        b.node().is_some_and(|id| b.builder().with_graph(|graph| matches!(graph.op(id), Op::Storage(_))));
    let name = b.label();
    if is_parameter && name.starts_with('`') {
        let mut dims = y.dims().to_vec();
        let rows = dims.len().saturating_sub(2);
        dims[rows] = m.clone();
        return format!("declare `param {}: {}`", name.trim_matches('`'), Shape(dims));
    }
    if y.rank() >= 2 && y.dims()[y.rank() - 1] == *m {
        return format!("`{} @ transpose({})` would fit", bare(a, "left"), bare(b, "right"));
    }
    "columns of the left must be rows of the right".into()
}

fn bare(value: &Value, instead: &str) -> String {
    spoken(value, instead).trim_matches('`').to_owned()
}
