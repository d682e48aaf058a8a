//! What losses take: pairs of one shape, rows with labels, probabilities.
//!
//! In: the operands of a loss. Out: a mean, or a recorded mistake.

use crate::builder::Value;
use crate::value::{Demand, Operand, User, bare, both_shapes, demand, mean, require_float, spoken};
use downhill_graph::check::Rule;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape};

/// The mean of `f` of two operands of one shape; the second may be a scalar. They do not broadcast otherwise: `[batch, 1]` beside
/// `[batch]` would silently make a loss of batch² elements.
pub(super) fn on_pair(
    name: &str,
    p: &Value,
    y: impl Operand,
    f: impl FnOnce(&Value, &Value) -> Value,
) -> Value {
    let (builder, y) = (p.builder(), &y.beside(p));
    let (Some(left), Some(right)) = (p.shape(), y.shape()) else { return builder.unknown() };
    if !require_float(p, name) || !is_literal(y) && !require_float(y, name) {
        return builder.unknown();
    }

    if right.rank() > 0 && !agree(p, left.dims(), right.dims()) {
        let (a, b) = (spoken(p, "the first operand"), spoken(y, "the second"));
        let error = Error::new(format!("`{name}` compares {a}, which is {left}, with {b}, which is {right}"));
        let both = "both must have the same shape, or the second be a scalar";
        let help = match column(y, p).or_else(|| column(p, y)) {
            Some(column) => format!("{both}; `{column}` makes them so"),
            None => format!("{both}; `reshape` makes them so"),
        };
        return builder.fail(error.help(help));
    }

    mean(f(p, y))
}

/// `value` with a last axis of 1, where it is then of the other's shape.
fn column(value: &Value, other: &Value) -> Option<String> {
    let (short, long) = (value.shape()?, other.shape()?);
    let (last, leading) = long.dims().split_last()?;
    (last.is(1) && agree(value, short.dims(), leading))
        .then(|| format!("expand({}, {})", bare(value), short.rank()))
}

fn agree(value: &Value, a: &[Dim], b: &[Dim]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| value.builder().with_graph(|graph| graph.agrees(a, b)))
}

fn is_literal(value: &Value) -> bool {
    value.node().is_some_and(|id| value.builder().with_graph(|graph| matches!(graph.op(id), Op::Constant(_))))
}

/// Whether a loss over rows can take these operands; a mistake is recorded.
pub(super) fn takes_rows(name: &str, z: &Value, y: &Value) -> bool {
    let (Some(left), Some(right)) = (z.ty(), y.ty()) else { return false };
    if !require_float(z, name) {
        return false;
    }

    if left.rank() == 0 {
        let error = Error::new(format!("`{name}` of a scalar")).note(both_shapes(z, y));
        z.builder().error(error.help("the last axis of its first operand holds the classes"));
        return false;
    }

    let rows = if is_index(y) { &left.shape.dims()[..left.rank() - 1] } else { left.shape.dims() };
    if !agree(z, rows, right.shape.dims()) {
        let (a, b) = (spoken(z, "the first operand"), spoken(y, "the second"));
        let expected = Shape(rows.to_vec());
        let error =
            Error::new(format!("`{name}` needs {b} to be {expected} for {a}, but it is {}", right.shape));
        let help = "labels are class indices, `i32` with one axis less, or probabilities of the same shape";
        z.builder().error(error.note(both_shapes(z, y)).help(help));
        return false;
    }

    is_index(y) || require_float(y, name)
}

/// Whether labels are class indices.
pub(super) fn is_index(y: &Value) -> bool {
    y.ty().is_some_and(|ty| ty.element == ElementType::I32)
}

/// Demands probabilities.
pub(super) fn probabilities<'a>(user: &'static str, p: &'a Value, help: &'static str) -> Demand<'a> {
    demand(p, Rule::Probability, User { name: user, role: "the first operand", help })
}
