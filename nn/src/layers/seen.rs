//! Which keys a query of an attention sees, and the weights that it gives to them.
//!
//! In: scores, `[…, queries, keys]`, of all queries or of some that follow one another. Out: weights of the same shape, or a recorded
//! mistake.
//!
//! Must hold: a row whose keys are all hidden gets weights of 0 and has no gradient, where the softmax of nothing but −∞ would be NaN. So
//! hidden scores become a finite number below all others, and what a softmax makes of them is left out.

use crate::activations::softmax;
use crate::builder::Value;
use crate::value::{add, and, dim_value, greater, index, less, less_equal, reshape, select, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::types::{ElementType, Shape};

/// Which keys each query of an attention sees: those that all of these let it see.
#[derive(Clone, Default)]
pub struct Seen {
    /// Key j is seen by query i where j ≤ i + keys − queries: the last query sees all keys, the one before all but the last.
    pub causal: bool,
    /// A mask that holds where a key is seen, or numbers that are added to the scores, of which −∞ hides a key. It spreads over
    /// `[…, queries, keys]`.
    pub mask: Option<Value>,
    /// How many keys of each sample are seen, counted from the first: `i32[batch]`. What is beyond their number means all of them, what is
    /// below 0 none.
    pub lengths: Option<Value>,
}

/// What stands for the score of a key that is not seen.
const HIDDEN: f64 = f32::MIN as f64;

/// Which queries scores belong to.
pub(super) struct Rows {
    /// The number of the first one, where that is not 0.
    pub(super) first: Option<Value>,
    /// How many keys there are in all, less all queries.
    pub(super) ahead: Dim,
}

impl Seen {
    /// Whether masks and lengths fit scores of this shape; a mistake is recorded where they do not.
    pub(super) fn fits(&self, user: &str, scores: &Shape) -> Option<()> {
        self.lengths.as_ref().map_or(Some(()), |lengths| takes_lengths(user, lengths, scores))?;
        self.mask.as_ref().map_or(Some(()), |mask| takes_mask(user, mask, scores))
    }

    /// The softmax of each row of `scores` over the keys that are seen; 0 for the others. Masks and lengths fit.
    pub(super) fn weights(&self, scores: &Value, rows: &Rows) -> Option<Value> {
        let shape = scores.shape()?;
        let (mut scores, mut masks) = (scores.clone(), Vec::new());
        if self.causal {
            masks.push(causal(&scores, &shape, rows));
        }
        if let Some(lengths) = &self.lengths {
            masks.push(within(lengths, &shape));
        }

        if let Some(mask) = &self.mask {
            if mask.ty()?.element == ElementType::Bool {
                masks.push(mask.clone());
            } else {
                masks.push(greater(mask, f64::NEG_INFINITY));
                scores = add(scores, mask);
            }
        }

        let Some(seen) = masks.into_iter().reduce(and) else { return Some(softmax(scores, -1)) };
        Some(select(&seen, softmax(select(&seen, scores, HIDDEN), -1), 0.0))
    }
}

/// Mask `[queries, keys]` of j ≤ i + keys − queries.
fn causal(scores: &Value, shape: &Shape, rows: &Rows) -> Value {
    let (builder, axes) = (scores.builder(), &shape.dims()[shape.rank() - 2..]);
    let [query, key] = [0, 1].map(|axis| index(builder, axes.to_vec(), axis));
    let query = rows.first.as_ref().map_or(query.clone(), |first| add(query, first));
    let last = if rows.ahead.is(0) { query } else { add(query, dim_value(builder, &rows.ahead)) };
    less_equal(key, last)
}

/// Mask `[batch, 1, …, keys]` of the keys below a sample's length.
fn within(lengths: &Value, shape: &Shape) -> Value {
    let mut column = vec![shape.dims()[0].clone()];
    column.resize(shape.rank(), Dim::from(1));
    let keys = shape.dims()[shape.rank() - 1].clone();
    less(index(lengths.builder(), [keys], 0), reshape(lengths, column))
}

/// Refuses lengths that are not one for each sample.
fn takes_lengths(user: &str, lengths: &Value, shape: &Shape) -> Option<()> {
    let (builder, ty) = (lengths.builder(), lengths.ty()?);
    let batch = &shape.dims()[0];
    let fits = shape.rank() > 2
        && ty.element == ElementType::I32
        && ty.rank() == 1
        && builder.with_graph(|graph| graph.agrees(&ty.shape.dims()[0], batch));
    if !fits {
        let name = spoken(lengths, "the lengths");
        let error = Error::new(format!("`{user}` cannot take {name}, which are {ty}, for scores {shape}"));
        builder.error(error.help(match shape.rank() {
            2 => "there is one sample: give queries and keys a batch, or `mask` what is seen".into(),
            _ => format!("lengths are i32[{batch}]: the number of keys of each sample"),
        }));
        return None;
    }
    Some(())
}

/// Refuses a mask that holds integers or does not spread over scores of `shape`.
fn takes_mask(user: &str, mask: &Value, shape: &Shape) -> Option<()> {
    let (builder, ty) = (mask.builder(), mask.ty()?);
    let name = spoken(mask, "the mask");
    if ty.element.is_integer() {
        let error =
            Error::new(format!("the mask of `{user}` holds truth values or floats, but {name} is {ty}"));
        builder.error(error.help("compare it, as in `mask > 0`: true means that a key is seen"));
        return None;
    }

    let mut pairs = ty.shape.dims().iter().rev().zip(shape.dims().iter().rev());
    let agrees =
        |(own, other): (&Dim, &Dim)| own.is(1) || builder.with_graph(|graph| graph.agrees(own, other));
    if ty.rank() > shape.rank() || !pairs.all(agrees) {
        let error = Error::new(format!(
            "the mask of `{user}`, {name}, is {}, which does not spread over the scores {shape}",
            ty.shape
        ));
        builder.error(error.help(
            "axes are lined up at the last, the keys; those that are missing or of size 1 are repeated",
        ));
        return None;
    }
    Some(())
}
