//! Interchanged loops: which of the parallel loops around sums of products is the loop over rows, and which stands outside.
//!
//! In: a kernel, its lane loops. Out: the same kernel with other loops outside.
//!
//! Must hold: only loops that fold nothing change places, and each sum moves as a whole, so no bit changes.
//!
//! # Decisions
//!
//! - A loop over rows is one that the vectors of a product do not depend on: rows then share what they load, and what they read for themselves is
//!   one number each. The gradient of a transposed convolution's weights, whose window moves with the kernel's lines but not with the
//!   channels, took its lines as rows and walked through all pictures for each channel: 128→64 4×4 on 7×7, batch 64: 43 ms, with channels as
//!   rows 14 (AMD Zen 3; at its peak the products would take 8).

use crate::ir::affine::Axis;
use crate::ir::chain::is_ordered;
use crate::ir::kernel::{Access, Item, Kernel, Loop};
use crate::schedule::loops::{extent, products};
use crate::schedule::pack::reads_of;
use std::collections::BTreeSet;

/// Puts a loop over rows that shares vectors directly around each lane loop of sums of products.
pub(crate) fn put_rows_inside(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> Kernel {
    Kernel { body: rows_inside(kernel, &kernel.body, lanes), ..kernel.clone() }
}

fn rows_inside(kernel: &Kernel, items: &[Item], lanes: &BTreeSet<Axis>) -> Vec<Item> {
    let each = |item: &Item| match item {
        Item::Loop(outer) if !lanes.contains(&outer.axis) => {
            let inside = with_rows_inside(kernel, outer, lanes);
            let body = || rows_inside(kernel, &outer.body, lanes);
            Item::Loop(inside.unwrap_or_else(|| Loop { body: body(), ..outer.clone() }))
        }
        other => other.clone(),
    };
    items.iter().map(each).collect()
}

/// A nest of parallel loops around a lane loop of products, with the nearest better one of them innermost; `None` where there is no such nest, or none is
/// better than the one that is.
fn with_rows_inside(kernel: &Kernel, outer: &Loop, lanes: &BTreeSet<Axis>) -> Option<Loop> {
    let mut around = vec![outer];
    let wide = loop {
        let last = *around.last()?;
        let [Item::Loop(inner)] = last.body.as_slice() else { return None };
        if !last.accumulators.is_empty() || is_ordered(last) {
            return None;
        }
        if lanes.contains(&inner.axis) {
            break inner;
        }
        around.push(inner);
    };
    if !wide.accumulators.is_empty() || is_ordered(wide) || products(kernel, wide) == 0 {
        return None;
    }

    // How many vectors rows would load for themselves. Of loops with few turns rows are no block.
    let reads = reads_of(&wide.body);
    let vectors = |axis: Axis| {
        let own = |access: &Access| access.uses(axis) && access.uses(wide.axis);
        reads.iter().filter(|read| own(read.access)).count()
    };
    let is_short = |axis: Axis| extent(kernel, axis).as_constant().is_some_and(|turns| turns < FEW);
    let (last, others) = around.split_last()?;
    let own = vectors(last.axis);
    let best = others.iter().rev().find(|other| !is_short(other.axis) && vectors(other.axis) < own)?;

    let axes = others.iter().map(|other| other.axis).filter(|axis| *axis != best.axis);
    let inside = Loop { axis: best.axis, accumulators: Vec::new(), body: vec![Item::Loop(wide.clone())] };
    let place =
        |inner: Loop, axis: Axis| Loop { axis, accumulators: Vec::new(), body: vec![Item::Loop(inner)] };
    Some(axes.chain([last.axis]).rev().fold(inside, place))
}

/// With fewer turns a loop is no loop over rows.
const FEW: i64 = 4;

/// Interchanges loops: a lane loop of sums of products moves around the loop over rows that enclosed it. Each strip of the shared
/// operand then stays in cache while all blocks of rows read it. A loop of few rows is interchanged too. Only whole chains of
/// additions move, so no bit changes.
pub(crate) fn put_lanes_outside(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> Kernel {
    Kernel { body: lanes_outside(kernel, &kernel.body, lanes), ..kernel.clone() }
}

fn lanes_outside(kernel: &Kernel, items: &[Item], lanes: &BTreeSet<Axis>) -> Vec<Item> {
    items
        .iter()
        .map(|item| {
            let Item::Loop(rows) = item else { return item.clone() };
            match rows.body.as_slice() {
                [Item::Loop(wide)]
                    if lanes.contains(&wide.axis)
                        && are_independent(rows, wide)
                        && (products(kernel, wide) > 0 || has_few(kernel, rows)) =>
                {
                    let inside = Loop { body: wide.body.clone(), ..rows.clone() };
                    Item::Loop(Loop { body: vec![Item::Loop(inside)], ..wide.clone() })
                }
                _ => Item::Loop(Loop { body: lanes_outside(kernel, &rows.body, lanes), ..rows.clone() }),
            }
        })
        .collect()
}

/// Few rows are unrolled completely, and a lane loop around them can be merged with others over the same lanes.
fn has_few(kernel: &Kernel, rows: &Loop) -> bool {
    extent(kernel, rows.axis).as_constant().is_some_and(|rows| rows <= 4)
}

fn are_independent(x: &Loop, y: &Loop) -> bool {
    x.accumulators.is_empty() && y.accumulators.is_empty()
}
