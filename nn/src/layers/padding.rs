//! Elements around those of a picture.

use super::sliding::{inside, of_each_axis, rank_of_picture};
use crate::builder::Value;
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, optional, row};
use crate::value::{concatenate, reshape, reverse, select, slice, spoken, zero_padded};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// How many elements a picture gets before and after its own, on each axis behind batch and channels. One number stands for all axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Border {
    /// Before the first.
    pub before: Vec<Dim>,
    /// After the last.
    pub after: Vec<Dim>,
}

impl Border {
    /// So many on all sides.
    pub fn of(size: impl Into<Dim>) -> Border {
        let sizes = vec![size.into()];
        Border { before: sizes.clone(), after: sizes }
    }
}

/// `value` around, as PyTorch's `ConstantPad1d`, `2d` and `3d`.
///
/// # Shapes
/// `[batch, channels, …]` to `[batch, channels, …]` with before + n + after of n elements.
pub fn pad(x: impl Borrow<Value>, border: &Border, value: f64) -> Value {
    let x = x.borrow();
    constant(x, border, value).unwrap_or_else(|| x.builder().unknown())
}

fn constant(x: &Value, border: &Border, value: f64) -> Option<Value> {
    let layer = "pad";
    let pairs = pairs(x, layer, border)?;
    if let Err(error) = check("`pad` with a value", value, Allowed::Finite) {
        x.builder().error(error);
        return None;
    }
    let nothing = (Dim::default(), Dim::default());
    let paddings = [&[nothing.clone(), nothing], &*pairs].concat();
    let padded = zero_padded(x, &paddings);
    if value == 0.0 {
        return Some(padded);
    }
    let Some(inside) = inside(&padded, &paddings) else { return Some(padded) };
    Some(select(inside, padded, value))
}

/// The elements mirrored at the first and the last, which are not repeated, as PyTorch's `ReflectionPad1d`, `2d` and `3d`. A border is
/// smaller than its axis.
///
/// # Shapes
/// As [`pad`].
pub fn reflect_pad(x: impl Borrow<Value>, border: &Border) -> Value {
    let x = x.borrow();
    let edge = Edge { layer: "reflect_pad", behind: 1, of: mirrored };
    edge.around(x, border).unwrap_or_else(|| x.builder().unknown())
}

/// The first and the last element again, as PyTorch's `ReplicationPad1d`, `2d` and `3d`.
///
/// # Shapes
/// As [`pad`].
pub fn replicate_pad(x: impl Borrow<Value>, border: &Border) -> Value {
    let x = x.borrow();
    let edge = Edge { layer: "replicate_pad", behind: 0, of: again };
    edge.around(x, border).unwrap_or_else(|| x.builder().unknown())
}

/// On which side of an axis a border is.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Before,
    After,
}

/// A border that is made of what stands beside it.
struct Edge {
    layer: &'static str,
    /// Elements that it needs behind those that it takes.
    behind: i64,
    /// So many elements for one side of an axis.
    of: fn(&Value, usize, &Dim, Side) -> Option<Value>,
}

impl Edge {
    /// `x` with its border, axis by axis: a corner is the border of a border.
    fn around(&self, x: &Value, border: &Border) -> Option<Value> {
        let pairs = pairs(x, self.layer, border)?;
        let mut padded = x.clone();
        for (axis, (before, after)) in (2..).zip(&pairs) {
            let mut parts = vec![padded.clone()];
            if !before.is(0) {
                self.fits(x, axis, before)?;
                parts.insert(0, (self.of)(&padded, axis, before, Side::Before)?);
            }
            if !after.is(0) {
                self.fits(x, axis, after)?;
                parts.push((self.of)(&padded, axis, after, Side::After)?);
            }
            padded = concatenate(x.builder(), &parts, axis as i64);
        }
        Some(padded)
    }

    /// Records a mistake where an axis has too few elements for a border, as far as that is known.
    fn fits(&self, x: &Value, axis: usize, count: &Dim) -> Option<()> {
        let (builder, layer, size) = (x.builder(), self.layer, x.shape()?.dims()[axis].clone());
        let number = |dim: &Dim| bound(builder, dim);
        let name = spoken(x, "the operand");
        if number(&size) == Some(0) && number(count).is_some_and(|count| count > 0) {
            let error = Error::new(format!("`{layer}` of nothing: axis {axis} of {name} has no elements"));
            builder.error(error.help("`pad` takes what has no elements"));
            return None;
        }

        let most = &size - &Dim::from(self.behind);
        if self.behind > 0 && number(&(&most - count)).is_some_and(|rest| rest < 0) {
            let known = |dim: &Dim| number(dim).map_or_else(|| dim.clone(), Dim::from);
            let [size, most, count] = [&size, &most, count].map(known);
            let error = Error::new(format!(
                "`{layer}` mirrors {count} elements, but axis {axis} of {name} has {size}"
            ));
            let help = format!("pad by at most {most}, or with `replicate_pad`");
            builder.error(error.note("the element at the edge is not repeated").help(help));
            return None;
        }
        Some(())
    }
}

fn mirrored(x: &Value, axis: usize, count: &Dim, side: Side) -> Option<Value> {
    let (shape, one, along) = (x.shape()?, Dim::from(1), axis as i64);
    let last = &shape.dims()[axis] - &one;
    let (start, end) = match side {
        Side::Before => (one.clone(), count + &one),
        Side::After => (&last - count, last),
    };
    Some(reverse(slice(x, along, start, Some(end), 1), along))
}

fn again(x: &Value, axis: usize, count: &Dim, side: Side) -> Option<Value> {
    let (mut shape, one) = (x.shape()?, Dim::from(1));
    let (start, end) = match side {
        Side::Before => (Dim::default(), one),
        Side::After => (&shape.dims()[axis] - &one, shape.dims()[axis].clone()),
    };
    let edge = slice(x, axis as i64, start, Some(end), 1);

    // The axis of one element goes, and comes back with as many as are wanted.
    shape.0.remove(axis);
    let edge = reshape(edge, shape.clone());
    shape.0.insert(axis, count.clone());
    let axes = (0..shape.rank()).filter(|&other| other != axis).collect();
    Some(x.builder().apply(Op::Broadcast { shape, axes }, &[&edge]))
}

/// (before, after) of each axis behind batch and channels; mistakes are recorded.
fn pairs(x: &Value, layer: &str, border: &Border) -> Option<Vec<(Dim, Dim)>> {
    let axes = rank_of_picture(x, layer)? - 2;
    let before = of_each_axis(x, layer, "`before`", &border.before, axes, 0)?;
    let after = of_each_axis(x, layer, "`after`", &border.after, axes, 0)?;
    Some(before.into_iter().zip(after).collect())
}

const BEFORE: Parameter<'static> = given("before", Kind::Sizes);
const AFTER: Parameter<'static> = optional("after", Kind::Sizes, Default::Unset("before"));
const AROUND: &[Parameter<'static>] = &[X, BEFORE, AFTER];

fn border(given: &Arguments<'_>) -> Border {
    let (before, after) = (given.shape("before"), given.shape("after"));
    let after = if after.is_empty() { before.clone() } else { after };
    Border { before, after }
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "pad",
        &[X, BEFORE, AFTER, optional("value", Kind::Number, Default::Number(0.0))],
        "a value around the axes behind batch and channels",
        |_, given| pad(given.tensor("x"), &border(given), given.number("value")),
    ),
    row("reflect_pad", AROUND, "the elements mirrored at the edges, which are not repeated", |_, given| {
        reflect_pad(given.tensor("x"), &border(given))
    }),
    row("replicate_pad", AROUND, "the elements at the edges again", |_, given| {
        replicate_pad(given.tensor("x"), &border(given))
    }),
];
