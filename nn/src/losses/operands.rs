//! What losses take: pairs of one shape, rows with labels, probabilities.
//!
//! In: the operands of a loss. Out: what it makes of them, or a recorded mistake.

use super::fixed::{is_choice, is_one_class, is_softmax_of_one};
use super::options::LossOptions;
use super::order::swapped;
use crate::builder::Value;
use crate::value::{Demand, Operand, User, bare, both_shapes, demand, require_float, resolve_axis, spoken};

use downhill_graph::check::Rule;
use downhill_graph::dim::{Agreement, Dim};
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape};

/// What `options` make of `f` of two operands that are of one shape: [`is_pair`].
pub(super) fn on_pair(
    name: &str,
    p: &Value,
    y: impl Operand,
    options: &LossOptions,
    f: impl FnOnce(&Value, &Value) -> Value,
) -> Value {
    let y = &y.beside(p);
    if is_pair(name, p, y) { options.reduce(name, &f(p, y)) } else { p.builder().unknown() }
}

/// Whether two operands are of one shape; the second may be a scalar. They do not broadcast otherwise: `[batch, 1]` beside `[batch]` would
/// silently make a loss of batch² elements. A mistake is recorded.
pub(super) fn is_pair(name: &str, p: &Value, y: &Value) -> bool {
    let builder = p.builder();
    let (Some(left), Some(right)) = (p.shape(), y.shape()) else { return false };
    if is_choice(name, p) || swapped(name, p, y) || is_softmax_of_one(name, p, y) || holds_classes(name, p, y)
    {
        return false;
    }
    if !require_float(p, name) || !is_literal(y) && !require_float(y, name) {
        return false;
    }

    let agrees = right.rank() == 0 || agree(p, left.dims(), right.dims());
    if !agrees {
        let (a, b) = (spoken(p, "the first operand"), spoken(y, "the second"));
        let error = Error::new(format!("`{name}` compares {a}, which is {left}, with {b}, which is {right}"));
        builder.error(error.help(of_one_shape(p, y, &left, &right)));
    }
    agrees
}

/// The mend of two operands that are not of one shape.
fn of_one_shape(p: &Value, y: &Value, left: &Shape, right: &Shape) -> String {
    let both = "both must have the same shape, or the second be a scalar";
    if let Some(column) = column(y, p).or_else(|| column(p, y)) {
        return format!("{both}; `{column}` makes them so");
    }
    if left.rank() == right.rank() {
        let mut pairs = left.dims().iter().zip(right.dims()).enumerate();
        let differing = pairs.find(|(_, (a, b))| !agree(p, std::slice::from_ref(a), std::slice::from_ref(b)));
        return match differing {
            Some((axis, (a, b))) if a.compare(b) == Agreement::Undecided => {
                format!("{both}: axis {axis} is {a} in one and {b} in the other, so give it one name in both")
            }
            Some((axis, (a, b))) => {
                format!(
                    "{both}: axis {axis} is {a} in one and {b} in the other; what the last layer gives must be what the target has"
                )
            }
            None => both.into(),
        };
    }
    // Each step of a series beside one target for all of it.
    let (whole, short) = (left.dims(), right.dims());
    if whole.len() == short.len() + 1
        && whole.len() > 2
        && agree(p, &[&whole[..1], &whole[2..]].concat(), short)
    {
        return format!(
            "{both}: of all steps take the last, `unstack({0}, -1, axis: 1)`, or their mean, `mean({0}, axes: [1])`",
            bare(p)
        );
    }
    match left.size().compare(&right.size()) {
        Agreement::Unequal => both.into(),
        Agreement::Equal | Agreement::Undecided => format!("{both}; `reshape` makes them so"),
    }
}

/// `value` with a last axis of 1, where it is then of the other's shape.
fn column(value: &Value, other: &Value) -> Option<String> {
    let (short, long) = (value.shape()?, other.shape()?);
    let (last, leading) = long.dims().split_last()?;
    (last.is(1) && agree(value, short.dims(), leading))
        .then(|| format!("expand({}, {})", bare(value), short.rank()))
}

/// Whether two shapes are one.
pub(super) fn agree(value: &Value, a: &[Dim], b: &[Dim]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| value.builder().with_graph(|graph| graph.agrees(a, b)))
}

fn is_literal(value: &Value) -> bool {
    value.node().is_some_and(|id| value.builder().with_graph(|graph| matches!(graph.op(id), Op::Constant(_))))
}

/// Whether a loss over rows can take these operands, whose classes lie along `axis`; a mistake is recorded.
pub(super) fn takes_rows(name: &str, z: &Value, y: &Value, axis: i64) -> bool {
    let (Some(left), Some(right)) = (z.ty(), y.ty()) else { return false };
    if is_choice(name, z) {
        return false;
    }
    if swapped(name, z, y) || !require_float(z, name) {
        return false;
    }

    if left.rank() == 0 {
        let error = Error::new(format!("`{name}` of a scalar")).note(both_shapes(z, y));
        z.builder().error(error.help("an axis of its first operand holds the classes"));
        return false;
    }

    let Some(axis) = resolve_axis(z, axis, left.rank()) else { return false };
    if is_one_class(name, z, y, &left.shape.dims()[axis]) {
        return false;
    }
    let rows = |axis: usize| {
        let mut rows = left.shape.clone();
        if is_index(y) {
            rows.0.remove(axis);
        }
        rows
    };
    let expected = rows(axis);
    if !agree(z, expected.dims(), right.shape.dims()) {
        let (a, b) = (spoken(z, "the first operand"), spoken(y, "the second"));
        let error =
            Error::new(format!("`{name}` needs {b} to be {expected} for {a}, but it is {}", right.shape));
        let other = (0..left.rank()).find(|other| agree(z, rows(*other).dims(), right.shape.dims()));
        let help = match other {
            Some(other) => {
                format!("`axis: {other}` says that the classes are there; they are along axis {axis}")
            }
            None => labels_as(z, y, axis),
        };
        z.builder().error(error.note(both_shapes(z, y)).help(help));
        return false;
    }

    is_index(y) || require_float(y, name)
}

/// What labels must be for logits `z`, whose classes lie along `axis`.
fn labels_as(z: &Value, y: &Value, axis: usize) -> String {
    let (mut rows, found) = (z.shape().unwrap_or_default(), y.shape().unwrap_or_default());
    if axis < rows.rank() {
        rows.0.remove(axis);
    }
    let name = bare(y);
    let behind = found.dims().split_last().filter(|(last, _)| last.is(1)).map(|(_, leading)| leading);
    if !is_index(y) && agree(z, rows.dims(), found.dims()) {
        return format!("labels are class indices: declare `target {name}: i32{rows}`");
    }
    match behind {
        Some(leading) if is_index(y) && agree(z, rows.dims(), leading) => {
            format!(
                "labels have no axis of their own: declare `i32{rows}`, or take `reshape({name}, {rows})`"
            )
        }
        _ => "labels are class indices, `i32` with one axis less, or probabilities of the same shape".into(),
    }
}

/// Whether `y` holds a class index for each row of `p`, which a loss of pairs cannot take; the mistake is recorded.
fn holds_classes(name: &str, p: &Value, y: &Value) -> bool {
    let (Some(left), Some(right)) = (p.shape(), y.shape()) else { return false };
    let Some((_, rows)) = left.dims().split_last().filter(|(last, _)| !last.is(1)) else { return false };
    let found = is_index(y) && agree(p, rows, right.dims());
    if found {
        let (a, b) = (spoken(p, "the first operand"), spoken(y, "the second"));
        let error = Error::new(format!(
            "`{name}` compares {a}, which is {left}, with class indices: {b} is i32{right}"
        ));
        let help = format!("`cross_entropy({}, {})` takes logits and class indices", bare(p), bare(y));
        p.builder().error(error.help(help));
    }
    found
}

/// Whether labels are class indices.
pub(super) fn is_index(y: &Value) -> bool {
    y.ty().is_some_and(|ty| ty.element == ElementType::I32)
}

/// Demands probabilities.
pub(super) fn probabilities<'a>(user: &'static str, p: &'a Value, help: &'static str) -> Demand<'a> {
    demand(p, Rule::Probability, User { name: user, role: "the first operand", help })
}

/// Demands targets from 0 to 1.
pub(super) fn target_shares<'a>(user: &'static str, y: &'a Value) -> Demand<'a> {
    let help = "targets are 0, 1 or shares between them; labels -1 and 1 are for `hinge` and `logistic_loss`";
    demand(y, Rule::Probability, User { name: user, role: "the target", help })
}

/// Demands labels of −1 and 1.
pub(super) fn signs<'a>(user: &'static str, y: &'a Value, help: &'static str) -> Demand<'a> {
    demand(y, Rule::Sign, User { name: user, role: "the label", help })
}

/// Demands numbers of 0 or more.
pub(super) fn from_zero<'a>(
    user: &'static str,
    value: &'a Value,
    role: &'static str,
    help: &'static str,
) -> Demand<'a> {
    demand(value, Rule::FromZero, User { name: user, role, help })
}
