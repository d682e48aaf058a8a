//! What kernels cost in vectors of statements: the estimate that lane loops are chosen by, and that tells small steps from large ones.
//!
//! In: a kernel. Out: a number; a vector of statements counts as one, whatever a machine takes for it.
//!
//! Must hold: the choice of lane loops, and with it the order of additions, hangs on this. It looks at no target and at no
//! [`super::Speed`] (D9), and is changed only where the bits of results may change with it.

use crate::ir::affine::Axis;
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel};
use downhill_graph::facts::Cost;
use std::collections::BTreeSet;

/// Turns assumed where a size is not known.
const ASSUMED_TURNS: f64 = 64.0;
/// Lanes assumed; only ratios matter.
pub(crate) const WIDTH: f64 = 16.0;
/// What folding the lanes of a reduction into one value costs, in statements.
pub(crate) const FOLD_LANES: f64 = 8.0;

/// What a kernel costs in vectors of statements, where every size is known.
pub fn work(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> Option<f64> {
    let known = kernel.extents.iter().all(|extent| extent.as_constant().is_some());
    known.then(|| vectors(kernel, &kernel.body, lanes, None))
}

/// Vectors of statements of items within these lane loops, for one vector of turns of `lane`, the lane loop around them.
pub(crate) fn vectors(kernel: &Kernel, items: &[Item], lanes: &BTreeSet<Axis>, lane: Option<Axis>) -> f64 {
    items
        .iter()
        .map(|item| match item {
            Item::Loop(inner) if lanes.contains(&inner.axis) => {
                (assumed_turns(kernel, inner.axis) / WIDTH).ceil()
                    * vectors(kernel, &inner.body, lanes, Some(inner.axis))
            }
            Item::Loop(inner) => {
                // Turning costs something too, where all lanes wait for it.
                let each = vectors(kernel, &inner.body, lanes, lane);
                assumed_turns(kernel, inner.axis) * each + lane.map_or(0.0, |_| 1.0)
            }
            other => statement(other, lane),
        })
        .sum()
}

/// What a statement costs in vectors: strided accesses cost an element each.
pub(crate) fn statement(item: &Item, lane: Option<Axis>) -> f64 {
    match item {
        // What is watched beside its store changes no choice.
        Item::Store(Buffer::Watched, ..) => 0.0,
        Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => access_cost(access, lane),
        Item::Let(_, Expression::Constant(_) | Expression::Dim(_) | Expression::Index(_)) => 0.0,
        Item::Let(_, Expression::Unary(function, _)) => f64::from(function.facts().cost.statements),
        Item::Let(_, Expression::Binary(function, ..)) => f64::from(function.facts().cost.statements),
        Item::Let(_, Expression::Random(..)) => f64::from(Cost::RANDOM.statements),
        Item::Let(..) => f64::from(Cost::LIGHT.statements),
        Item::Loop(_) => 0.0,
    }
}

pub(super) fn access_cost(access: &Access, lane: Option<Axis>) -> f64 {
    let Some(lane) = lane else { return 1.0 };
    let stride = access.at.coefficient(lane);
    let by_row = access.row.is_some_and(|(axis, _)| axis == lane);
    if !by_row && (stride.is(0) || stride.is(1)) { 1.0 } else { WIDTH }
}

/// How often a loop turns, with a size assumed where it is not known.
pub fn assumed_turns(kernel: &Kernel, axis: Axis) -> f64 {
    kernel.extents[axis.0 as usize].as_constant().map_or(ASSUMED_TURNS, |turns| turns as f64)
}
