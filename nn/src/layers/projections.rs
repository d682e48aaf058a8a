//! The projections of attention: their parameters, how they start, and what PyTorch calls them.

use crate::builder::{Builder, Value};
use crate::call::bound;
use crate::value::{add, matmul};
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Exchange, Renamed};
use downhill_graph::random::Initializer;
use std::f64::consts::FRAC_1_SQRT_2;

/// How the weights of queries start, and those of keys and values: all three as one Xavier matrix where they work on rows of one width, as
/// PyTorch's do, and each by itself otherwise.
pub(super) fn starts(builder: &Builder, is_one_width: bool, heads: &Dim, shared: &Dim) -> [Initializer; 2] {
    let xavier = |gain| Initializer::XavierUniform { gain };
    let (heads, shared) = (bound(builder, heads), bound(builder, shared));
    match heads.zip(shared).filter(|_| is_one_width) {
        // √(6/(fan in + all columns)) as a multiple of each matrix' own bound.
        Some((heads, shared)) => {
            [xavier((heads as f64 / (heads + shared) as f64).sqrt()), xavier(FRAC_1_SQRT_2)]
        }
        None => [xavier(1.0), xavier(1.0)],
    }
}

/// A projection of attention.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Query,
    Key,
    Value,
    Output,
}

/// Which parameters of queries, keys and values are one tensor in PyTorch: none where it has no such attention.
#[derive(Clone, Copy)]
pub(super) enum Stacked {
    All,
    Biases,
    None,
}

impl Part {
    /// What its parameters stand under.
    fn name(self) -> &'static str {
        match self {
            Part::Query => "query",
            Part::Key => "key",
            Part::Value => "value",
            Part::Output => "output",
        }
    }

    /// PyTorch's name of its weight or bias, and its place in it.
    fn renamed(self, parameter: &str, stacked: Stacked) -> Option<Renamed> {
        let named = |name: &str, place| Some(Renamed { parts: 2, name: name.into(), place });
        let (letter, place) = match self {
            Part::Query => ("q", 0),
            Part::Key => ("k", 1),
            Part::Value => ("v", 2),
            Part::Output => return named(&format!("out_proj.{parameter}"), 0),
        };
        match (stacked, parameter) {
            (Stacked::None, _) => None,
            (Stacked::Biases, "weight") => named(&format!("{letter}_proj_weight"), 0),
            (Stacked::All | Stacked::Biases, _) => named(&format!("in_proj_{parameter}"), place),
        }
    }
}

/// x @ weight + bias, with parameters under the part's name.
pub(super) fn projection(
    x: &Value,
    (part, stacked): (Part, Stacked),
    units: &Dim,
    start: Initializer,
    bias: bool,
) -> Value {
    let builder = x.builder();
    let Some(inputs) = x.shape().and_then(|shape| shape.dims().last().cloned()) else {
        return builder.unknown();
    };
    builder.scope(part.name(), || {
        let weight = builder.parameter("weight", [inputs, units.clone()], start);
        let renamed = part.renamed("weight", stacked);
        builder.exchange(&weight, Exchange { axes: vec![1, 0], renamed });
        let product = matmul(x, weight);
        if !bias {
            return product;
        }
        let bias = builder.parameter("bias", [units.clone()], Initializer::Zeros);
        let renamed = part.renamed("bias", stacked);
        builder.exchange(&bias, Exchange { renamed, ..Exchange::default() });
        add(product, bias)
    })
}
