//! The matrix product `@`.
//!
//! # Shapes
//! The last axis of the left meets the second-last of the right (or its only one). Leading axes are kept together and broadcast as
//! elementwise ones are. A vector on the left is a row, on the right a column, and its axis is gone from the result. As there, a size that
//! only a run tells is not put beside itself by an axis that is added: `[batch, n] @ [batch, n, m]` must say whether a row meets its
//! own matrix (`expand(x, 1)`) or every one (`expand(x, 0)`).

use super::align::{
    Laid, bare, both_shapes, coerce, common_dims, factor, paired, put_beside_itself, require_float, spoken,
    stretch,
};
use crate::builder::Value;
use crate::call::{Composite, of_two};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::Shape;
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

    if let Some(error) = beside_itself(a, b, &x, &y) {
        builder.error(error);
        return None;
    }

    // Where one side has no leading axes there is nothing to broadcast.
    if x.rank() <= 2 || y.rank() <= 2 {
        return Some(plain(a, b, x.rank(), y.rank()));
    }

    let Ok(leading) = builder.with_graph(|graph| common_dims(graph, leading(&x), leading(&y))) else {
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

/// The mistake where an operand that lacks leading axes would get one as long as an axis of its own.
fn beside_itself(a: &Value, b: &Value, x: &Shape, y: &Shape) -> Option<Error> {
    let (own, other) = (leading(x), leading(y));
    let rank = own.len().max(other.len());
    let mut laid = [Laid::new(own, rank), Laid::new(other, rank)];
    if own.len() == other.len() {
        return None;
    }

    // Rows come from the left alone, columns from the right: both stand beside the leading axes.
    if x.rank() > 1 {
        laid[0].dims.push(Some(x.dims()[x.rank() - 2].clone()));
        laid[1].dims.push(None);
    }

    if y.rank() > 1 {
        laid[0].dims.push(None);
        laid[1].dims.push(Some(y.dims()[y.rank() - 1].clone()));
    }

    let found = a.builder().with_graph(|graph| paired(graph, &laid))?;
    let dim = |axis: usize| laid.iter().find_map(|laid| laid.dims[axis].clone()).unwrap_or(Dim::from(1));
    let common = Shape((0..laid[0].dims.len()).map(dim).collect());
    let (lacking, complete) = if found.lacking == 0 { (a, b) } else { (b, a) };
    let error = put_beside_itself((complete, lacking), &common, &found.symbol);
    let every = format!("`expand({}, 0)` says that every pair is meant", bare(lacking));

    let is_row = found.lacking == 0 && found.own == rank && found.absent + 1 == rank;
    Some(if is_row && x.rank() == 2 {
        error.help(format!("`expand({}, 1)` gives each row its own matrix; {every}", bare(lacking)))
    } else {
        error.help(every)
    })
}

/// All axes but the last two.
fn leading(shape: &Shape) -> &[Dim] {
    &shape.dims()[..shape.rank().saturating_sub(2)]
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
    let x = a.shape().unwrap_or_default();
    if x.rank() == 2 && y.rank() == 2 && y.dims()[1] == x.dims()[0] {
        return format!("`{} @ {}` would fit: rows are samples", named(b, "right"), named(a, "left"));
    }
    let is_parameter =
        b.node().is_some_and(|id| b.builder().with_graph(|graph| matches!(graph.op(id), Op::Storage(_))));

    let name = b.label();
    if is_parameter && name.starts_with('`') {
        let mut dims = y.dims().to_vec();
        let rows = dims.len().saturating_sub(2);
        // A matrix that is written the other way round, as in PyTorch.
        if dims.len() == 2 && dims[1] == *m {
            dims.swap(0, 1);
        } else {
            dims[rows] = m.clone();
        }
        return format!("declare `param {}: {}`", name.trim_matches('`'), Shape(dims));
    }

    if y.rank() >= 2 && y.dims()[y.rank() - 1] == *m {
        return format!("`{} @ transpose({})` would fit", named(a, "left"), named(b, "right"));
    }
    "columns of the left must be rows of the right".into()
}

fn named(value: &Value, instead: &str) -> String {
    if value.label().starts_with('`') { factor(value) } else { instead.into() }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[of_two!("matmul", matmul, "a @ b")];
