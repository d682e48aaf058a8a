//! Attention without parameters: means of values, weighted by how well keys fit queries.

use super::dropout::dropout;
use super::query_blocks::{block, by_block};
use super::query_parts::{Operands, by_part, parts};
use super::roles::Roles;
use super::seen::{Rows, Seen};
use super::shares::{Division, share};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, bound, given, optional, row};
use crate::value::{convert, dim_value, matmul, multiply, reshape, sqrt, transpose};
use downhill_graph::dim::Dim;
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// What a [`scaled_dot_product_attention`] may have otherwise than by default.
#[derive(Clone, Default)]
pub struct ScaledAttention {
    /// Which keys are seen; all by default.
    pub seen: Seen,
    /// What scores are multiplied by; 1/√width by default.
    pub scale: Option<f64>,
    /// The rate at which weights are dropped while training.
    pub dropout: f64,
    /// How many queries attend at once, so that memory grows with their number and not with its square: see below.
    pub block: Option<Dim>,
}

/// softmax(query @ keyᵀ · scale) @ value, the softmax over the keys that are seen (Vaswani et al.: Attention Is All You Need; 2017).
///
/// Where there are fewer heads of keys and values than of queries, each serves as many heads of queries, one after another (Ainslie et al.:
/// GQA; 2023). A query that sees no key gives zeros and has no gradient.
///
/// Otherwise as PyTorch's: there such a query gives NaN, and a causal mask of fewer queries than keys lets the first query see the first
/// key alone, where here the last query sees them all.
///
/// Where the number of queries is known when the network is built and is 256 or more, causal attention goes in parts of 128 queries or more, at most
/// four, each of which leaves out the keys that none of it sees.
///
/// # Memory
/// Scores of all queries at once are `[…, queries, keys]`. With a `block` so many queries attend at a time, to all keys, and their scores
/// are computed once more for gradients: memory grows linearly with queries and keys (Rabe and Staats: Self-attention Does Not Need O(n²)
/// Memory; 2021). By default there are blocks of 128 queries where the numbers of queries and keys are known when the network is built and
/// their product is 2²⁰ or more. What is computed is the same; roundings differ.
///
/// # Shapes
/// `query` is `[…, queries, width]`, `key` `[…, keys, width]`, `value` `[…, keys, n]`; the result is `[…, queries, n]`. Grouped heads
/// are `[batch, heads, queries, width]` beside `[batch, kv_heads, keys, width]`.
pub fn scaled_dot_product_attention(
    query: impl Borrow<Value>,
    key: impl Borrow<Value>,
    value: impl Borrow<Value>,
    options: ScaledAttention,
) -> Value {
    let (query, key, value) = (query.borrow(), key.borrow(), value.borrow());
    let roles = Roles { user: "scaled_dot_product_attention", query, key, value };
    attend(&roles, &options).unwrap_or_else(|| query.builder().unknown())
}

/// As [`scaled_dot_product_attention`]; `None` after a mistake.
pub(super) fn attend(roles: &Roles<'_>, options: &ScaledAttention) -> Option<Value> {
    let [query, key, value] = roles.shapes("[…, time, width]", |rank| rank >= 2)?;
    let rank = query.rank();
    roles.same_width(&query.dims()[rank - 1], &key.dims()[rank - 1])?;
    roles.same_count(&key.dims()[rank - 2], &value.dims()[rank - 2])?;

    let group = group(roles, &query, &key)?;
    let lined = lined(&query, &key, group.as_ref());
    let leading = |shape: &Shape| shape.dims()[..rank - 2].to_vec();
    roles.same_batch(&leading(&lined), &leading(&key), &leading(&value))?;
    let (queries, keys) = (&query.dims()[rank - 2], &key.dims()[rank - 2]);
    let block = block(roles, queries, keys, options.block.as_ref())?;
    let scores = [&query.dims()[..rank - 1], std::slice::from_ref(keys)].concat();
    options.seen.fits(roles.user, &Shape(scores))?;

    let scaled = multiply(roles.query, scale(roles.query, &query, options.scale)?);
    let rows = Rows { first: None, ahead: keys - queries };
    let attend = |of: &Operands<'_>| {
        let attended =
            Attended { key: of.key, value: of.value, group: group.clone(), dropout: options.dropout };
        match &block {
            Some(block) => by_block(of.query, (of.seen, of.rows), block, |some, seen, rows| {
                attended.by(some, seen, rows)
            }),
            None => attended.by(of.query, of.seen, of.rows),
        }
    };
    let (key, value, seen) = (roles.key, roles.value, &options.seen);
    let all = Operands { query: &scaled, key, value, seen, rows: &rows };
    let parts = parts(roles.query.builder(), seen, queries, keys);
    if parts.is_empty() { attend(&all) } else { by_part(&all, &parts, attend) }
}

/// What queries attend to.
struct Attended<'a> {
    key: &'a Value,
    value: &'a Value,
    /// How many heads of queries share one of keys, where they do.
    group: Option<Dim>,
    /// The rate at which weights are dropped.
    dropout: f64,
}

impl Attended<'_> {
    /// What queries give that are scaled already.
    fn by(&self, queries: &Value, seen: &Seen, rows: &Rows) -> Option<Value> {
        let (query, key) = (queries.shape()?, self.key.shape()?);
        let lined = lined(&query, &key, self.group.as_ref());
        let apart = |x: &Value| apart(x, &query, self.group.is_some());
        let scores = matmul(reshape(queries, lined), transpose(self.key));
        let weights = dropout(seen.weights(&apart(&scores), rows)?, self.dropout);
        Some(apart(&matmul(reshape(weights, scores.shape()?), self.value)))
    }
}

/// How many heads of queries share one of keys; `None` where each has keys of its own. Nothing after a mistake.
fn group(roles: &Roles<'_>, query: &Shape, key: &Shape) -> Option<Option<Dim>> {
    let builder = roles.query.builder();
    let Some(axis) = query.rank().checked_sub(3).filter(|&axis| axis > 0) else { return Some(None) };
    let (heads, shared) = (&query.dims()[axis], &key.dims()[axis]);
    let has_own_keys = match bound(builder, heads).zip(bound(builder, shared)) {
        Some((heads, shared)) => heads == shared,
        // While rustc runs, arguments may still make groups of them. Sizes of a run never do.
        None => heads == shared || !builder.with_graph(|graph| graph.agrees(heads, shared)),
    };
    if heads.is(1) || has_own_keys {
        return Some(None);
    }

    let words = Division { user: roles.user, whole: "heads of queries", parts: "heads of keys" };
    share(builder, heads, shared, &words).map(Some)
}

/// The shape of queries whose heads that share a key stand one after another: `[…, kv_heads, group · queries, width]`.
fn lined(query: &Shape, key: &Shape, group: Option<&Dim>) -> Shape {
    let mut shape = query.clone();
    if let Some(group) = group {
        let axis = shape.rank() - 3;
        shape.0[axis] = key.dims()[axis].clone();
        shape.0[axis + 1] = group * &shape.0[axis + 1];
    }
    shape
}

/// `x`, which was computed of queries lined up by [`lined`], with each head by itself.
fn apart(x: &Value, query: &Shape, is_grouped: bool) -> Value {
    let Some(shape) = x.shape().filter(|_| is_grouped) else { return x.clone() };
    let (mut dims, axis) = (shape.0, query.rank() - 3);
    dims[axis..axis + 2].clone_from_slice(&query.dims()[axis..axis + 2]);
    reshape(x, dims)
}

/// What queries of this shape are multiplied by.
fn scale(query: &Value, shape: &Shape, given: Option<f64>) -> Option<Value> {
    let builder = query.builder();
    if let Some(scale) = given {
        let checked = check("a scale", scale, Allowed::Finite).map_err(|error| builder.error(error));
        return checked.ok().map(|()| builder.constant(scale));
    }
    let width: &Dim = shape.dims().last()?;
    let width = convert(dim_value(builder, width), query.ty()?.element);
    Some(1.0 / sqrt(width))
}

pub(super) const CAUSAL: Parameter<'static> = optional("causal", Kind::Bool, Default::Bool(false));
pub(super) const MASK: Parameter<'static> = optional("mask", Kind::Tensor, Default::Unset("none"));
pub(super) const LENGTHS: Parameter<'static> = optional("lengths", Kind::Tensor, Default::Unset("none"));
pub(super) const DROPOUT: Parameter<'static> = optional("dropout", Kind::Number, Default::Number(0.0));
pub(super) const BLOCK: Parameter<'static> = optional("block", Kind::Dim, Default::Unset("by size"));

/// What `causal`, `mask` and `lengths` of a call say.
pub(super) fn seen(given: &Arguments<'_>) -> Seen {
    Seen {
        causal: given.flag("causal"),
        mask: given.optional_tensor("mask").cloned(),
        lengths: given.optional_tensor("lengths").cloned(),
    }
}

fn scaled_row(_: &Builder, given: &Arguments<'_>) -> Value {
    let options = ScaledAttention {
        seen: seen(given),
        scale: given.optional_number("scale"),
        dropout: given.number("dropout"),
        block: given.dim("block").cloned(),
    };
    let [query, key, value] = ["query", "key", "value"].map(|name| given.tensor(name));
    scaled_dot_product_attention(query, key, value, options)
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[row(
    "scaled_dot_product_attention",
    &[
        given("query", Kind::Tensor),
        given("key", Kind::Tensor),
        given("value", Kind::Tensor),
        CAUSAL,
        MASK,
        LENGTHS,
        optional("scale", Kind::Number, Default::Unset("1/√width")),
        DROPOUT,
        BLOCK,
    ],
    "softmax(query @ keyᵀ · scale) @ value over the keys that are seen",
    scaled_row,
)];
