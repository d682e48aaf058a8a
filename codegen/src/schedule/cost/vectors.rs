//! The cost of a kernel in vector statements: lane loops are chosen by this estimate, and it tells small steps from large ones.
//!
//! In: a kernel. Out: a number. A statement on one vector counts as one, however long a machine takes for it.
//!
//! Must hold: the choice of lane loops, and with it the order of additions, depends on this estimate. So it depends neither on the
//! target nor on a [`super::Speed`] (D9). Change it only where the bits of results may change.

use crate::ir::affine::Axis;
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel, ValueId, dependents};
use downhill_graph::dim::Dim;
use downhill_graph::facts::Cost;
use downhill_graph::hash::Set;
use std::collections::BTreeSet;

/// Iterations assumed where a size is not known.
const ASSUMED_ITERATIONS: f64 = 64.0;
/// What the estimate knows of vectors.
#[derive(Clone, Copy)]
pub(crate) struct Width {
    /// Lanes of a vector.
    lanes: f64,
    /// Storing them one by one.
    scattered: f64,
    /// Fetching a line of the cache for them.
    line: f64,
}

/// Elements of a line of the cache.
const LINE: f64 = 16.0;

impl Width {
    /// Where the target must not matter.
    pub(crate) const ANY: Width = Width { lanes: 16.0, scattered: 16.0, line: 0.0 };

    /// Of a target with so many lanes. To store a lane by itself takes a shuffle and a store, as long as four multiply-adds. Lanes far from
    /// each other take a line of the cache each: pictures as the lanes of a convolution's gradient took 25 ms, places of a picture 1 ms
    /// (six channels to one, 5×5, 128 pictures of 28×28).
    pub(crate) fn of(lanes: i64) -> Width {
        Width { lanes: lanes as f64, scattered: 4.0 * lanes as f64, line: 1.0 }
    }

    /// What the lines cost that lanes so far apart lie in.
    fn lines(self, stride: &Dim) -> f64 {
        let apart = stride.as_constant().map_or(LINE, |stride| (stride.unsigned_abs() as f64).min(LINE));
        self.line * self.lanes * apart / LINE
    }

    /// How many vectors so many iterations are.
    pub(crate) fn vectors(self, iterations: f64) -> f64 {
        (iterations / self.lanes).ceil()
    }
}
/// Cost of combining the lanes of a reduction into one value, in statements.
pub(crate) const FOLD_LANES: f64 = 8.0;

/// Cost of a kernel in vector statements, where every size is known.
pub fn work(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> Option<f64> {
    let known = kernel.extents.iter().all(|extent| extent.as_constant().is_some());
    known.then(|| vectors(kernel, &kernel.body, lanes, None, Width::ANY))
}

/// Cost of items in vector statements. `lanes` are the lane loops among them; `lane` is the lane loop around them, of which one vector of
/// iterations is counted, `width` of them.
pub(crate) fn vectors(
    kernel: &Kernel,
    items: &[Item],
    lanes: &BTreeSet<Axis>,
    lane: Option<Axis>,
    width: Width,
) -> f64 {
    items
        .iter()
        .map(|item| match item {
            Item::Loop(inner) if lanes.contains(&inner.axis) => {
                width.vectors(assumed_turns(kernel, inner.axis))
                    * vectors(kernel, &inner.body, lanes, Some(inner.axis), width)
            }
            Item::Loop(inner) => {
                // Inside a lane loop, the counter and branch of an iteration hold up all lanes, so they count as well.
                let each = vectors(kernel, &inner.body, lanes, lane, width);
                assumed_turns(kernel, inner.axis) * each + lane.map_or(0.0, |_| 1.0)
            }
            other => statement(kernel, other, lane, width),
        })
        .sum()
}

/// Cost of a statement in vector statements: a strided access costs one for each element.
pub(crate) fn statement(kernel: &Kernel, item: &Item, lane: Option<Axis>, width: Width) -> f64 {
    match item {
        // Watching a value beside its store must not change the choice of lane loops.
        Item::Store(Buffer::Watched, ..) => 0.0,
        Item::Let(_, Expression::Load(_, access)) => {
            access_cost(kernel, access, lane, &|by| width.lanes + width.lines(by))
        }
        Item::Store(_, access, _) => {
            access_cost(kernel, access, lane, &|by| width.scattered + width.lines(by))
        }
        Item::Let(_, Expression::Constant(_) | Expression::Dim(_) | Expression::Index(_)) => 0.0,
        Item::Let(_, Expression::Unary(function, _)) => f64::from(function.facts().cost.statements),
        Item::Let(_, Expression::Binary(function, ..)) => f64::from(function.facts().cost.statements),
        Item::Let(_, Expression::Random(..)) => f64::from(Cost::RANDOM.statements),
        Item::Let(..) => f64::from(Cost::LIGHT.statements),
        Item::Loop(_) => 0.0,
    }
}

/// Cost of reading or writing the lanes of a vector; `one_by_one` gives it where they lie so far apart, or somewhere.
pub(super) fn access_cost(
    kernel: &Kernel,
    access: &Access,
    lane: Option<Axis>,
    one_by_one: &dyn Fn(&Dim) -> f64,
) -> f64 {
    let Some(lane) = lane else { return 1.0 };
    let stride = access.at.coefficient(lane);
    let by_row = access.row.is_some_and(|(axis, _)| axis == lane);
    let by_value = access.by.is_some_and(|by| depends(kernel, by, lane));
    if !by_row && !by_value && (stride.is(0) || stride.is(1)) { 1.0 } else { one_by_one(&stride) }
}

/// Whether a value depends on the counter of a loop.
pub(super) fn depends(kernel: &Kernel, value: ValueId, axis: Axis) -> bool {
    let mut differ = Set::default();
    dependents(&kernel.body, axis, &mut differ);
    differ.contains(&value)
}

/// Iterations of a loop, with a size assumed where it is not known.
pub fn assumed_turns(kernel: &Kernel, axis: Axis) -> f64 {
    kernel.extents[axis.0 as usize].as_constant().map_or(ASSUMED_ITERATIONS, |iterations| iterations as f64)
}
