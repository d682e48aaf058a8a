//! Causal attention part by part: the queries of a part attend to those keys alone that the last of them sees.
//!
//! In: queries, keys and values whose numbers are known when the network is built. Out: what all queries give.
//!
//! Must hold: what is left out no query of the part sees.
//!
//! # Decisions
//!
//! - At most four parts, which make five eighths of all scores: eight would make nine sixteenths, of twice as many kernels.
//!   Values and gradients of 4 heads of 32 columns took 20 ms for 32 at 4 × 512 queries, and 93 ms for 170 at 2,048 (one Zen 3 core, AVX2, the
//!   least of several runs on a busy machine).

use super::query_blocks::axis_of_queries;
use super::seen::{Rows, Seen};
use crate::builder::{Builder, Value};
use crate::call::bound;
use crate::value::{concatenate, dim_value, slice};
use downhill_graph::dim::Dim;

/// No part has fewer queries.
const LEAST: i64 = 128;

/// The most parts.
const MOST: i64 = 4;

/// Queries that follow one another, and how many keys the last of them sees.
pub(super) struct Part {
    from: i64,
    to: i64,
    keys: i64,
}

/// What attention is of: queries, keys, values, and which keys are seen by which queries.
pub(super) struct Operands<'a> {
    pub(super) query: &'a Value,
    pub(super) key: &'a Value,
    pub(super) value: &'a Value,
    pub(super) seen: &'a Seen,
    pub(super) rows: &'a Rows,
}

/// The parts of so many queries and keys; none where all queries may see all keys, where they are few, and where a run says how many
/// there are.
pub(super) fn parts(builder: &Builder, seen: &Seen, queries: &Dim, keys: &Dim) -> Vec<Part> {
    let numbers = bound(builder, queries).zip(bound(builder, keys));
    let Some((queries, keys)) = numbers.filter(|&(_, keys)| seen.causal && keys > 0) else {
        return Vec::new();
    };
    let count = (queries / LEAST).min(MOST);
    let part = |number: i64| {
        let [from, to] = [number, number + 1].map(|number| number * queries / count);
        // A part that sees nothing keeps a key, which is hidden.
        Part { from, to, keys: (to + keys - queries).max(1) }
    };
    if count < 2 { Vec::new() } else { (0..count).map(part).collect() }
}

/// What all queries give, of which `give` tells what those of a part do.
pub(super) fn by_part(
    all: &Operands<'_>,
    parts: &[Part],
    give: impl Fn(&Operands<'_>) -> Option<Value>,
) -> Option<Value> {
    let builder = all.query.builder();
    let given = parts.iter().map(|part| {
        let query = slice(all.query, -2, part.from, Some(part.to.into()), 1);
        let [key, value] = [all.key, all.value].map(|x| slice(x, -2, 0, Some(part.keys.into()), 1));
        let seen = Seen { mask: all.seen.mask.as_ref().map(|mask| masked(mask, part)), ..all.seen.clone() };
        let first = (part.from > 0).then(|| dim_value(builder, &part.from.into()));
        let rows = Rows { first, ahead: all.rows.ahead.clone() };
        give(&Operands { query: &query, key: &key, value: &value, seen: &seen, rows: &rows })
    });
    let given = given.collect::<Option<Vec<Value>>>()?;
    Some(concatenate(builder, &given.iter().collect::<Vec<_>>(), -2))
}

/// What a mask says of a part's queries and keys.
fn masked(mask: &Value, part: &Part) -> Value {
    let of_queries = match axis_of_queries(mask) {
        Some(_) => slice(mask, -2, part.from, Some(part.to.into()), 1),
        None => mask.clone(),
    };
    let has_keys = mask.shape().and_then(|shape| shape.dims().last().map(|keys| !keys.is(1)));
    match has_keys {
        Some(true) => slice(of_queries, -1, 0, Some(part.keys.into()), 1),
        _ => of_queries,
    }
}
