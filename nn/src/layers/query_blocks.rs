//! Attention block by block of queries.
//!
//! In: queries, and what some of them give. Out: what all of them give.
//!
//! Must hold: no value has an axis of queries beside one of keys, forward or backward, but a mask that was given. Scores of a block are
//! computed once more on the way back ([`Scan::recompute`]); gradients of keys and values are sums that the loop carries from block to
//! block. What stands behind the last query is zeros, whose results are cut off: their gradient is 0, and so is all that they add.
//!
//! # Decisions
//!
//! - A block attends to all keys at once: its softmax is whole, as it is without blocks, and no sum is corrected later.
//! - Blocks take a third more time, since scores are computed twice, so they begin where scores are many: values and gradients of 4 × 512
//!   queries of 4 heads took 42 ms in blocks of 128 and 32 ms without (one Zen 3 core, AVX2). Blocks of 32, 64 and 128 take the same.

use super::roles::Roles;
use super::seen::{Rows, Seen};
use crate::builder::Value;
use crate::call::bound;
use crate::value::{
    Iteration, Scan, Slices, add, dim_value, index, multiply, reshape, scan, slice, zero_padded,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::types::Shape;

/// Queries of a block, where nothing else is said.
const BLOCK: i64 = 128;

/// From so many scores of a head on queries attend in blocks.
const MANY: i64 = 1024 * 1024;

/// How many queries attend at once; `None` for all. Where sizes are not known before a run, all do, unless a number is `asked` for. Nothing
/// after a mistake.
pub(super) fn block(
    roles: &Roles<'_>,
    queries: &Dim,
    keys: &Dim,
    asked: Option<&Dim>,
) -> Option<Option<Dim>> {
    let builder = roles.query.builder();
    let (count, keys) = (bound(builder, queries), bound(builder, keys));
    let Some(asked) = asked else {
        let scores = count.zip(keys).map(|(count, keys)| count.saturating_mul(keys));
        return Some(scores.filter(|&scores| scores >= MANY).map(|_| Dim::from(BLOCK)));
    };

    let block = bound(builder, asked);
    if let Some(block) = block.filter(|&block| block < 1) {
        let error = Error::new(format!("`{}` in blocks of {block} queries", roles.user));
        builder.error(error.help("a block has at least 1: 128 is a good start"));
        return None;
    }
    let is_all = block.zip(count).is_some_and(|(block, count)| block >= count);
    Some((!is_all).then(|| asked.clone()))
}

/// What the queries of `all` give, `[…, queries, width]`, of which `some` tells what those of a block do.
pub(super) fn by_block(
    queries: &Value,
    (seen, all): (&Seen, &Rows),
    block: &Dim,
    some: impl Fn(&Value, &Seen, &Rows) -> Option<Value>,
) -> Option<Value> {
    let (builder, shape) = (queries.builder(), queries.shape()?);
    let axis = shape.rank() - 2;
    let count = &shape.dims()[axis];
    let blocks = (&(count + block) - &Dim::from(1)).divide(block);
    let cut = |x: &Value, axis: usize| cut(x, axis, &blocks, block);

    let firsts = multiply(index(builder, [blocks.clone()], 0), dim_value(builder, block));
    let firsts = all.first.as_ref().map_or(firsts.clone(), |first| add(&firsts, first));
    let mut slices = vec![sliced("queries", cut(queries, axis)?, axis), sliced("first", firsts, 0)];
    let row_mask = seen.mask.as_ref().and_then(|mask| Some((mask, axis_of_queries(mask)?)));
    if let Some((mask, axis)) = row_mask {
        slices.push(sliced("mask", cut(mask, axis)?, axis));
    }

    let over = Scan { slices, recompute: true, ..Scan::default() };
    let given = scan(builder, over, |slices, _| {
        let mask = slices.get(2).cloned().or_else(|| seen.mask.clone());
        let rows = Rows { first: Some(slices[1].clone()), ahead: all.ahead.clone() };
        let given = some(&slices[0], &Seen { mask, ..seen.clone() }, &rows);
        Iteration { next: Vec::new(), yields: vec![given.unwrap_or_else(|| builder.unknown())] }
    });

    let stacked = &given.yields[0];
    let mut dims = stacked.shape()?.0;
    dims.splice(axis..axis + 2, [&blocks * block]);
    Some(slice(reshape(stacked, dims), axis as i64, 0, Some(count.clone()), 1))
}

fn sliced(name: &str, of: Value, axis: usize) -> Slices<'_> {
    Slices { name, of, axis: axis as i64 }
}

/// The axis along which a mask differs from query to query.
pub(super) fn axis_of_queries(mask: &Value) -> Option<usize> {
    let shape = mask.shape()?;
    let axis = shape.rank().checked_sub(2)?;
    (!shape.dims()[axis].is(1)).then_some(axis)
}

/// `x` with `axis` in blocks, `[…, blocks, block, …]`, and zeros behind what there is.
fn cut(x: &Value, axis: usize, blocks: &Dim, block: &Dim) -> Option<Value> {
    let mut dims = x.shape()?.0;
    let none = (Dim::default(), Dim::default());
    let mut behind = vec![none; dims.len()];
    behind[axis].1 = &(blocks * block) - &dims[axis];
    dims.splice(axis..=axis, [blocks.clone(), block.clone()]);
    Some(reshape(zero_padded(x, &behind), Shape(dims)))
}
