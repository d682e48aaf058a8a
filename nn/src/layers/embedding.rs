//! Embeddings: a learned vector for each index.

use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, bound, given, optional, row};
use crate::value::{dim_value, equal, expand, rows_of, select, stop_gradient};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::random::Initializer;
use std::borrow::Borrow;

/// What an [`embedding`] may have otherwise than by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding {
    /// The index that stands for nothing: its vector starts as 0 and gets no gradient from here.
    pub padding: Option<Dim>,
    /// How the vectors start; by default normal with mean 0 and deviation 1, as PyTorch's do.
    pub init: Option<Initializer>,
}

/// A learned vector of `width` numbers for each index from 0 to below `count`: the rows of `weight` that `indices` say.
///
/// # Shapes
/// i32 `[…]` to `[…, width]`; `weight` is `[count, width]`. Tied to an output layer it is used again by name: `x @ transpose(e.weight)`.
///
/// # Errors
/// Indices that are no i32, and a `padding` that is no index, are mistakes of the declaration. An index that is not below `count` is refused
/// when data is bound; where indices are computed, it makes its vector NaN.
pub fn embedding(
    indices: impl Borrow<Value>,
    count: impl Into<Dim>,
    width: impl Into<Dim>,
    options: Embedding,
) -> Value {
    let (indices, count, width) = (indices.borrow(), count.into(), width.into());
    let builder = indices.builder();

    for (what, size) in [("indices", &count), ("numbers", &width)] {
        if let Some(size @ ..1) = bound(builder, size) {
            let error = Error::new(format!("`embedding` of {size} {what}"));
            return builder.fail(error.help("it needs at least 1"));
        }
    }
    if let Some(padding) = &options.padding
        && let Some(least) =
            [padding.clone(), &(&count - padding) - &Dim::from(1)].iter().filter_map(Dim::as_constant).min()
        && least < 0
    {
        let error =
            Error::new(format!("`padding` of `embedding` is {padding}, but indices are below {count}"));
        return builder.fail(error.help("it must be one of the indices, which count from 0"));
    }

    builder.layer(|| {
        let start = options.init.unwrap_or(Initializer::Normal { mean: 0.0, deviation: 1.0 });
        let start = match &options.padding {
            Some(row) => Initializer::ZeroRow { of: Box::new(start), row: row.clone() },
            None => start,
        };
        let weight = builder.parameter("weight", [count, width], start);
        let Some(rows) = rows_of("embedding", &weight, indices, 0) else { return builder.unknown() };
        match &options.padding {
            Some(padding) => {
                let is_padding = expand(equal(indices, dim_value(builder, padding)), -1);
                select(is_padding, stop_gradient(&rows), rows)
            }
            None => rows,
        }
    })
}

const PARAMETERS: &[Parameter<'static>] = &[
    given("indices", Kind::Tensor),
    given("count", Kind::Dim),
    given("width", Kind::Dim),
    optional("padding", Kind::Dim, Default::Unset("none")),
    optional("init", Kind::Initializer, Default::Unset("normal")),
];

fn embedding_row(builder: &Builder, arguments: &Arguments<'_>) -> Value {
    let (Some(count), Some(width)) = (arguments.dim("count"), arguments.dim("width")) else {
        return builder.unknown();
    };
    let options =
        Embedding { padding: arguments.dim("padding").cloned(), init: arguments.initializer("init") };
    embedding(arguments.tensor("indices"), count, width, options)
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] =
    &[row("embedding", PARAMETERS, "a learned vector for each index", embedding_row)];
