//! Positions: learned, of waves, and as a rotation.
//!
//! Waves and rotations have no parameters: they are computed for as many positions as a run has. Angles are f32, and so off by up to some
//! 10⁻⁷ of themselves, as PyTorch's are.

use crate::builder::{Builder, Value};
use crate::call::{Composite, Default, Kind, X, given, optional, row};
use crate::value::{
    add, concatenate, convert, cos, dim_value, equal, floor, index, multiply, negate, pow, require_float,
    reshape, select, sin, slice, spoken, subtract,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;
use downhill_graph::types::ElementType;
use std::borrow::Borrow;

/// A learned vector for each of `count` positions.
///
/// # Shapes
/// `[count, width]`, which adds to `[batch, count, width]`.
pub fn positions(builder: &Builder, count: impl Into<Dim>, width: impl Into<Dim>) -> Value {
    let start = Initializer::Normal { mean: 0.0, deviation: 0.02 };
    builder.layer(|| builder.parameter("weight", [count.into(), width.into()], start))
}

/// Waves for each of `count` positions: column 2i of position p is sin(p/10000^(2i/width)), and column 2i + 1 is the cosine of the same
/// (Vaswani et al.: Attention Is All You Need; 2017).
///
/// # Shapes
/// `[count, width]`, which adds to `[batch, count, width]`; `count` may be a size that only a run tells.
pub fn sinusoidal_positions(builder: &Builder, count: impl Into<Dim>, width: impl Into<Dim>) -> Value {
    let (count, width) = (count.into(), width.into());
    let column = convert(index(builder, [1.into(), width.clone()], 1), ElementType::F32);
    let even = multiply(floor(&column * 0.5), 2.0);
    let angle = angles(&count, &even, &width, 10_000.0);
    select(equal(&even, column), sin(&angle), cos(angle))
}

/// Rotary positions: for each position p, columns i and i + width/2 are turned together by the angle p·base^(−2i/width), so that products
/// of queries and keys depend on how far they are apart (Su et al.: RoFormer; 2021).
///
/// Columns are paired by halves, as in most PyTorch code (`rotate_half`), and not with their neighbours as in the paper: weights that were
/// trained with the one are no weights for the other.
///
/// # Shapes
/// That of `x`, `[…, time, width]`, with an even width.
///
/// # Errors
/// An odd width, or one that only a run tells, is a mistake of the declaration.
pub fn rotary(x: impl Borrow<Value>, base: f64) -> Value {
    let x = x.borrow();
    turned(x, base).unwrap_or_else(|| x.builder().unknown())
}

fn turned(x: &Value, base: f64) -> Option<Value> {
    let builder = x.builder();
    let ty = x.ty().filter(|_| require_float(x, "rotary"))?;
    if let Err(error) = check("`rotary` with a base", base, Allowed::AboveZero) {
        builder.error(error);
        return None;
    }
    let [.., time, width] = ty.shape.dims() else {
        let error = Error::new(format!(
            "`rotary` takes […, time, width], but {} is {}",
            spoken(x, "its operand"),
            ty.shape
        ));
        builder.error(error.help("`expand` adds an axis of size 1"));
        return None;
    };

    let half = width.divide(&Dim::from(2));
    let both = &half + &half;
    if !builder.with_graph(|graph| graph.agrees(&both, width)) {
        let name = spoken(x, "its operand");
        let error = Error::new(format!("`rotary` turns pairs of columns, but {name} has {width}"));
        builder.error(error.note(format!("its shape is {}", ty.shape)).help(match width.as_constant() {
            Some(width) => format!("give it an even width, such as {} or {}", width - 1, width + 1),
            None => "give it an even width that is known when the network is built".into(),
        }));
        return None;
    }

    let column = convert(index(builder, [1.into(), half.clone()], 1), ty.element);
    let angle = angles(time, &multiply(column, 2.0), width, base);
    let (sine, cosine) = (sin(&angle), cos(angle));
    let (a, b) = (slice(x, -1, 0, Some(half.clone()), 1), slice(x, -1, half, Some(both), 1));
    let first = subtract(multiply(&a, &cosine), multiply(&b, &sine));
    let second = add(multiply(b, cosine), multiply(a, sine));
    Some(reshape(concatenate(builder, &[first, second], -1), ty.shape))
}

/// p·base^(−column/width) for each of `count` positions p.
fn angles(count: &Dim, column: &Value, width: &Dim, base: f64) -> Value {
    let (builder, element) = (column.builder(), column.ty().map(|ty| ty.element).unwrap_or_default());
    let position = convert(index(builder, [count.clone(), 1.into()], 0), element);
    let exponent = negate(column / dim_value(builder, width));
    multiply(position, pow(builder.constant(base), exponent))
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "positions",
        &[given("count", Kind::Dim), given("width", Kind::Dim)],
        "a learned vector for each position",
        |builder, given| match (given.dim("count"), given.dim("width")) {
            (Some(count), Some(width)) => positions(builder, count, width),
            _ => builder.unknown(),
        },
    ),
    row(
        "sinusoidal_positions",
        &[given("count", Kind::Dim), given("width", Kind::Dim)],
        "waves for each position",
        |builder, given| match (given.dim("count"), given.dim("width")) {
            (Some(count), Some(width)) => sinusoidal_positions(builder, count, width),
            _ => builder.unknown(),
        },
    ),
    row(
        "rotary",
        &[X, optional("base", Kind::Number, Default::Number(10_000.0))],
        "columns i and i + width/2 of each position, turned together by an angle that grows with the position",
        |_, given| rotary(given.tensor("x"), given.number("base")),
    ),
];
