//! Learned positions.

use crate::builder::{Builder, Value};
use crate::call::{Composite, Kind, given, row};
use downhill_graph::dim::Dim;
use downhill_graph::random::Initializer;

/// A learned vector for each of `count` positions.
///
/// # Shapes
/// `[count, width]`, which adds to `[batch, count, width]`.
pub fn positions(builder: &Builder, count: impl Into<Dim>, width: impl Into<Dim>) -> Value {
    let start = Initializer::Normal { mean: 0.0, deviation: 0.02 };
    builder.layer(|| builder.parameter("weight", [count.into(), width.into()], start))
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] = &[row(
    "positions",
    &[given("count", Kind::Dim), given("width", Kind::Dim)],
    "a learned vector for each position",
    |builder, given| match (given.dim("count"), given.dim("width")) {
        (Some(count), Some(width)) => positions(builder, count, width),
        _ => builder.unknown(),
    },
)];
