//! Attention without parameters: means of values, weighted by how well keys fit queries.

use super::dropout::dropout;
use super::roles::Roles;
use super::seen::Seen;
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
}

/// softmax(query @ keyᵀ · scale) @ value, the softmax over the keys that are seen (Vaswani et al.: Attention Is All You Need; 2017).
///
/// Where there are fewer heads of keys and values than of queries, each serves as many heads of queries, one after another (Ainslie et al.:
/// GQA; 2023). A query that sees no key gives zeros and has no gradient.
///
/// Otherwise as PyTorch's: there such a query gives NaN, and a causal mask of fewer queries than keys lets the first query see the first
/// key alone, where here the last query sees them all.
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

    let grouped = grouped(roles, &query, &key)?;
    let lined = grouped.as_ref().unwrap_or(&query);
    let leading = |shape: &Shape| shape.dims()[..rank - 2].to_vec();
    roles.same_batch(&leading(lined), &leading(&key), &leading(&value))?;

    let scaled = multiply(roles.query, scale(roles.query, &query, options.scale)?);
    let scores = matmul(reshape(scaled, lined.clone()), transpose(roles.key));
    let weights = options.seen.weights(roles.user, &apart(&scores, &query, grouped.is_some()))?;
    let weights = dropout(weights, options.dropout);

    let lined = scores.shape()?;
    Some(apart(&matmul(reshape(weights, lined), roles.value), &query, grouped.is_some()))
}

/// The shape of queries whose heads that share a key stand one after another, `[…, kv_heads, heads/kv_heads · queries, width]`; `None`
/// where each head has keys of its own. Nothing after a mistake.
fn grouped(roles: &Roles<'_>, query: &Shape, key: &Shape) -> Option<Option<Shape>> {
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
    let group = share(builder, heads, shared, &words)?;
    let mut dims = query.0.clone();
    dims[axis] = shared.clone();
    dims[axis + 1] = &group * &dims[axis + 1];
    Some(Some(Shape(dims)))
}

/// `lined`, which was computed of queries lined up by [`grouped`], with each head by itself.
fn apart(lined: &Value, query: &Shape, is_grouped: bool) -> Value {
    let Some(shape) = lined.shape().filter(|_| is_grouped) else { return lined.clone() };
    let (mut dims, axis) = (shape.0, query.rank() - 3);
    dims[axis..axis + 2].clone_from_slice(&query.dims()[axis..axis + 2]);
    reshape(lined, dims)
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
    ],
    "softmax(query @ keyᵀ · scale) @ value over the keys that are seen",
    scaled_row,
)];
