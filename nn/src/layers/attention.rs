//! Attention of several heads, with projections of its own.

use super::roles::Roles;
use super::scaled_attention::{CAUSAL, DROPOUT, LENGTHS, MASK, ScaledAttention, attend, seen};
use super::seen::Seen;
use super::shares::{Division, share};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, bound, given, optional, row};
use crate::value::{add, expand, matmul, reshape, transpose_by};
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Exchange, Renamed};
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;
use std::borrow::Borrow;
use std::f64::consts::FRAC_1_SQRT_2;

/// What an [`attention`] may have otherwise than by default.
#[derive(Clone)]
pub struct Attention {
    /// What keys are made of; the queries' own rows by default, which makes it self-attention.
    pub key: Option<Value>,
    /// What values are made of; the rows that keys are made of by default.
    pub value: Option<Value>,
    /// Which keys are seen; all by default. A mask of three axes is `[batch, queries, keys]`.
    pub seen: Seen,
    /// How many heads keys and values have; as many as queries by default.
    pub kv_heads: Option<Dim>,
    /// With a bias in each of the four projections?
    pub bias: bool,
    /// The rate at which weights are dropped while training.
    pub dropout: f64,
}

impl std::default::Default for Attention {
    fn default() -> Attention {
        let seen = Seen::default();
        Attention { key: None, value: None, seen, kv_heads: None, bias: true, dropout: 0.0 }
    }
}

/// Attention of `heads` heads: queries, keys and values are projected, each head attends by itself
/// ([`scaled_dot_product_attention`](super::scaled_attention::scaled_dot_product_attention)), and what they give is projected together
/// (Vaswani et al.: Attention Is All You Need; 2017).
///
/// PyTorch's `MultiheadAttention` with `batch_first`, which starts alike; its masks of truth values are the opposite of these, where true
/// means that a key is seen.
///
/// # Shapes
/// `query` is `[batch, queries, width]`, and so is the result; what keys and values are made of is `[batch, keys, …]`. `query.weight` is
/// `[width, width]`, `key.weight` and `value.weight` have `kv_heads · width/heads` columns, `output.weight` is `[width, width]`.
///
/// # Errors
/// A number of heads that does not divide the width is a mistake of the declaration.
pub fn attention(query: impl Borrow<Value>, heads: impl Into<Dim>, options: Attention) -> Value {
    let (query, heads) = (query.borrow(), heads.into());
    several_heads(query, &heads, &options).unwrap_or_else(|| query.builder().unknown())
}

fn several_heads(query: &Value, heads: &Dim, options: &Attention) -> Option<Value> {
    let builder = query.builder();
    let key = options.key.as_ref().unwrap_or(query);
    let value = options.value.as_ref().unwrap_or(key);
    let roles = Roles { user: "attention", query, key, value };
    let shapes = roles.shapes("[batch, time, width]", |rank| rank == 3)?;
    let [query_dims, key_dims, value_dims] = shapes.each_ref().map(Shape::dims);
    roles.same_batch(&query_dims[..1], &key_dims[..1], &value_dims[..1])?;
    roles.same_count(&key_dims[1], &value_dims[1])?;

    let width = &query_dims[2];
    let words = Division { user: "attention", whole: "columns", parts: "heads" };
    let each = share(builder, width, heads, &words)?;
    let (shared, narrow) = match &options.kv_heads {
        Some(shared) => {
            let words = Division { user: "attention", whole: "heads", parts: "kv_heads" };
            share(builder, heads, shared, &words)?;
            (shared, shared * &each)
        }
        None => (heads, width.clone()),
    };

    let is_one_width = [key_dims, value_dims].iter().all(|dims| dims[2] == *width);
    let [start, shared_start] = starts(builder, is_one_width, heads, shared);
    let split = |x: Value, heads: &Dim| by_head(&x, heads, &each);
    builder.layer(|| {
        let stacked = match (&options.kv_heads, is_one_width) {
            (Some(_), _) => Stacked::None,
            (None, true) => Stacked::All,
            (None, false) => Stacked::Biases,
        };
        let project = |part: Part, x: &Value, units: &Dim, start| {
            projection(x, (part, stacked), units, start, options.bias)
        };
        let query = split(project(Part::Query, query, width, start), heads);
        let key = split(project(Part::Key, key, &narrow, shared_start.clone()), shared);
        let value = split(project(Part::Value, value, &narrow, shared_start), shared);

        let roles = Roles { user: "attention", query: &query, key: &key, value: &value };
        let scaled =
            ScaledAttention { seen: with_heads(&options.seen), scale: None, dropout: options.dropout };
        let together = joined(&attend(&roles, &scaled)?, width)?;
        Some(project(Part::Output, &together, width, Initializer::FanIn(width.clone())))
    })
}

/// How the weights of queries start, and those of keys and values: all three as one Xavier matrix where they work on rows of one width, as
/// PyTorch's do, and each by itself otherwise.
fn starts(builder: &Builder, is_one_width: bool, heads: &Dim, shared: &Dim) -> [Initializer; 2] {
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
enum Part {
    Query,
    Key,
    Value,
    Output,
}

/// Which parameters of queries, keys and values are one tensor in PyTorch: none where it has no such attention.
#[derive(Clone, Copy)]
enum Stacked {
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
fn projection(
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

/// `[batch, time, heads · each]` as `[batch, heads, time, each]`.
fn by_head(x: &Value, heads: &Dim, each: &Dim) -> Value {
    let Some(shape) = x.shape() else { return x.clone() };
    let dims = vec![shape.dims()[0].clone(), shape.dims()[1].clone(), heads.clone(), each.clone()];
    transpose_by(reshape(x, dims), &[0, 2, 1, 3])
}

/// `[batch, heads, time, each]` as `[batch, time, width]`.
fn joined(x: &Value, width: &Dim) -> Option<Value> {
    let shape = x.shape()?;
    let dims = vec![shape.dims()[0].clone(), shape.dims()[2].clone(), width.clone()];
    Some(reshape(transpose_by(x, &[0, 2, 1, 3]), dims))
}

/// The same for each head.
fn with_heads(seen: &Seen) -> Seen {
    let is_of_samples = |mask: &Value| mask.shape().is_some_and(|shape| shape.rank() == 3);
    let spread = |mask: &Value| if is_of_samples(mask) { expand(mask, 1) } else { mask.clone() };
    Seen { mask: seen.mask.as_ref().map(spread), ..seen.clone() }
}

fn attention_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let Some(heads) = given.dim("heads") else { return builder.unknown() };
    let options = Attention {
        key: given.optional_tensor("key").cloned(),
        value: given.optional_tensor("value").cloned(),
        seen: seen(given),
        kv_heads: given.dim("kv_heads").cloned(),
        bias: given.flag("bias"),
        dropout: given.number("dropout"),
    };
    attention(given.tensor("query"), heads, options)
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[row(
    "attention",
    &[
        given("query", Kind::Tensor),
        optional("key", Kind::Tensor, Default::Unset("query")),
        optional("value", Kind::Tensor, Default::Unset("key")),
        given("heads", Kind::Dim),
        CAUSAL,
        MASK,
        LENGTHS,
        optional("kv_heads", Kind::Dim, Default::Unset("heads")),
        optional("bias", Kind::Bool, Default::Bool(true)),
        DROPOUT,
    ],
    "attention of several heads, with projections of queries, keys, values and output",
    attention_row,
)];
