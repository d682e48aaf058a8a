//! Attention of several heads, with projections of its own.

use super::projections::{Part, Stacked, projection, starts};
use super::roles::Roles;
use super::scaled_attention::{BLOCK, CAUSAL, DROPOUT, LENGTHS, MASK, ScaledAttention, attend, seen};
use super::seen::Seen;
use super::shares::{Division, share};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Several, bound, given, optional, row_of_several};
use crate::value::{concatenate, expand, reshape, transpose_by};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;
use std::borrow::Borrow;

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
    /// How many queries attend at once, as [`ScaledAttention::block`] says.
    pub block: Option<Dim>,
    /// Keys and values of what stands before, each `[batch, past, …]` as an earlier call gave them: they are not made once more.
    pub past: Option<[Value; 2]>,
}

impl std::default::Default for Attention {
    fn default() -> Attention {
        let seen = Seen::default();
        let (dropout, block, past) = (0.0, None, None);
        Attention { key: None, value: None, seen, kv_heads: None, bias: true, dropout, block, past }
    }
}

/// What [`attention_with_past`] gives.
#[derive(Clone)]
pub struct Attended {
    /// What the queries give.
    pub output: Value,
    /// The keys of all that was attended to, those of the past first: `[batch, past + keys, kv_heads · width/heads]`.
    pub keys: Value,
    /// The values.
    pub values: Value,
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
    attention_with_past(query, heads, options).output
}

/// As [`attention`]; gives keys and values, too, so that what is written word by word makes those of each word once.
///
/// The words so far are the `past`, the new ones the query. Causal attention lets the last query see all keys, so that it is what all words
/// together would give. In two blocks of 128 columns a word took 0.2 ms behind 16 others and 1.4 ms behind 1,000, where all words at once
/// took 0.5 and 240 ms (one core, AVX2, on a busy machine).
///
/// # Shapes
/// The past is `[batch, past, kv_heads · width/heads]`, and may be empty.
///
/// # Errors
/// As [`attention`]; a past of another shape.
pub fn attention_with_past(query: impl Borrow<Value>, heads: impl Into<Dim>, options: Attention) -> Attended {
    let (query, heads) = (query.borrow(), heads.into());
    several_heads(query, &heads, &options).unwrap_or_else(|| unknown(query.builder()))
}

fn unknown(builder: &Builder) -> Attended {
    Attended { output: builder.unknown(), keys: builder.unknown(), values: builder.unknown() }
}

fn several_heads(query: &Value, heads: &Dim, options: &Attention) -> Option<Attended> {
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
        // By numbers, where they are known: PyTorch has no names for sizes.
        let same =
            |a: &Dim, b: &Dim| a == b || bound(builder, a).is_some_and(|a| Some(a) == bound(builder, b));
        let stacked = match [key_dims, value_dims].iter().all(|dims| same(&dims[2], width)) {
            _ if !same(shared, heads) => Stacked::None,
            true => Stacked::All,
            false => Stacked::Biases,
        };
        let project = |part: Part, x: &Value, units: &Dim, start| {
            projection(x, (part, stacked), units, start, options.bias)
        };
        let query = split(project(Part::Query, query, width, start), heads);
        let keys = project(Part::Key, key, &narrow, shared_start.clone());
        let values = project(Part::Value, value, &narrow, shared_start);
        let [keys, values] = match &options.past {
            Some(past) => behind(past, [keys, values])?,
            None => [keys, values],
        };
        let (key, value) = (split(keys.clone(), shared), split(values.clone(), shared));

        let roles = Roles { user: "attention", query: &query, key: &key, value: &value };
        let scaled = ScaledAttention {
            seen: with_heads(&options.seen),
            scale: None,
            dropout: options.dropout,
            block: options.block.clone(),
        };
        let together = joined(&attend(&roles, &scaled)?, width)?;
        let output = project(Part::Output, &together, width, Initializer::FanIn(width.clone()));
        Some(Attended { output, keys, values })
    })
}

/// Keys and values with those of the past before them.
fn behind(past: &[Value; 2], new: [Value; 2]) -> Option<[Value; 2]> {
    let builder = new[0].builder();
    let shape = new[0].shape()?;
    let [keys, values] = [past[0].shape()?, past[1].shape()?];
    let fits = |past: &Shape| {
        let pairs = || past.dims().iter().zip(shape.dims()).enumerate().filter(|(axis, _)| *axis != 1);
        past.rank() == 3 && builder.with_graph(|graph| pairs().all(|(_, (a, b))| graph.agrees(a, b)))
    };
    let is_one_count = || builder.with_graph(|graph| graph.agrees(&keys.dims()[1], &values.dims()[1]));
    if !fits(&keys) || !fits(&values) || !is_one_count() {
        let [batch, _, width] = shape.dims() else { return None };
        let error =
            Error::new(format!("`attention` takes [{batch}, past, {width}] as keys and values of the past"));
        let error = error.note(format!("they are {keys} and {values}"));
        builder.error(
            error.help("give those that an earlier call gave: `let (y, keys, values) = attention(…);`"),
        );
        return None;
    }
    let together = |which: usize| concatenate(builder, &[&past[which], &new[which]], 1);
    Some([together(0), together(1)])
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

fn attention_row(builder: &Builder, given: &Arguments<'_>) -> Several {
    let together = |of: Attended| Several { values: vec![of.output, of.keys, of.values], least: 1 };
    let Some(heads) = given.dim("heads") else { return together(unknown(builder)) };
    let past = ["past_keys", "past_values"].map(|name| given.optional_tensor(name).cloned());
    let past = match past {
        [Some(keys), Some(values)] => Some([keys, values]),
        [None, None] => None,
        _ => {
            let error = Error::new("`attention` takes `past_keys` and `past_values` together");
            builder.error(error.help("give both, or neither"));
            return together(unknown(builder));
        }
    };
    let options = Attention {
        key: given.optional_tensor("key").cloned(),
        value: given.optional_tensor("value").cloned(),
        seen: seen(given),
        kv_heads: given.dim("kv_heads").cloned(),
        bias: given.flag("bias"),
        dropout: given.number("dropout"),
        block: given.dim("block").cloned(),
        past,
    };
    together(attention_with_past(given.tensor("query"), heads, options))
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[row_of_several(
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
        BLOCK,
        optional("past_keys", Kind::Tensor, Default::Unset("none")),
        optional("past_values", Kind::Tensor, Default::Unset("none")),
    ],
    "attention of several heads, with projections of queries, keys, values and output; behind it all keys and values",
    attention_row,
)];
