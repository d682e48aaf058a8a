//! Schedules: which loop of a kernel becomes wide, and which runs several turns at once.
//!
//! In: a kernel. Out: [`Schedule`], data that [`crate::emit`] follows.
//!
//! Must hold: the choice of lane loops is made on the kernel before any size is fixed for a variant, and the same for
//! every target, because the order of additions in a fold hangs on it (D9). The rows of a block change no bit and may be chosen freely.

use crate::affine::Axis;
use crate::kernel::{Expression, Item, Kernel, Loop, Term};
use downhill_graph::dim::Dim;
use downhill_graph::op::{Binary, Unary};
use std::collections::{BTreeMap, BTreeSet};

/// How a kernel's loops run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Loops whose turns are the lanes of vectors: at most one on a path.
    pub lanes: BTreeSet<Axis>,
    /// Loops of which several turns run together, and how many, so that what they share is loaded once.
    pub rows: BTreeMap<Axis, u32>,
}

/// Turns assumed where a size is not known.
const ASSUMED_TURNS: f64 = 64.0;
/// Lanes assumed; only ratios matter.
const WIDTH: f64 = 16.0;
/// What folding the lanes of a reduction into one value costs, in statements.
const FOLD_LANES: f64 = 8.0;
/// Registers for the sums of a block of rows.
const BLOCK_SUMS: u32 = 8;

/// Chooses the lane loops by an estimate of the work: a vector of statements costs as one, strided accesses cost an element each.
pub fn choose_lanes(kernel: &Kernel) -> BTreeSet<Axis> {
    let mut lanes = BTreeSet::new();
    best(kernel, &kernel.body, &mut lanes);
    lanes
}

/// Cost of the items with the best choice of lane loops among them, which is added to `lanes`.
fn best(kernel: &Kernel, items: &[Item], lanes: &mut BTreeSet<Axis>) -> f64 {
    items.iter().map(|item| match item {
        Item::Loop(inner) => {
            let turns = turns(kernel, inner.axis);
            let fold = if inner.accumulators.is_empty() { 0.0 } else { FOLD_LANES };
            let wide = (turns / WIDTH).ceil() * cost(kernel, &inner.body, Some(inner.axis)) + fold;
            let mut deeper = BTreeSet::new();
            let narrow = turns * best(kernel, &inner.body, &mut deeper);
            if wide <= narrow {
                lanes.insert(inner.axis);
            } else {
                lanes.append(&mut deeper);
            }
            wide.min(narrow)
        }
        other => statement(other, None),
    }).sum()
}

/// Cost of the items within the lane loop of `lane`, for one vector of its turns.
fn cost(kernel: &Kernel, items: &[Item], lane: Option<Axis>) -> f64 {
    items.iter().map(|item| match item {
        Item::Loop(inner) => turns(kernel, inner.axis) * cost(kernel, &inner.body, lane) + 1.0,
        other => statement(other, lane),
    }).sum()
}

fn statement(item: &Item, lane: Option<Axis>) -> f64 {
    match item {
        Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => {
            let Some(lane) = lane else { return 1.0 };
            let stride = access.at.coefficient(lane);
            let by_row = access.row.is_some_and(|(axis, _)| axis == lane);
            if !by_row && (stride.is(0) || stride.is(1)) { 1.0 } else { WIDTH }
        }
        Item::Let(_, Expression::Constant(_) | Expression::Dim(_) | Expression::Index(_)) => 0.0,
        Item::Let(_, Expression::Unary(unary, _)) => match unary {
            Unary::Neg | Unary::Abs | Unary::Not | Unary::Floor | Unary::Sign | Unary::IsFinite => 1.0,
            _ => 16.0,
        },
        Item::Let(_, Expression::Binary(Binary::Pow, ..)) => 16.0,
        Item::Let(_, Expression::Random(..)) => 64.0,
        Item::Let(..) => 1.0,
        Item::Loop(_) => 0.0,
    }
}

fn turns(kernel: &Kernel, axis: Axis) -> f64 {
    kernel.extents[axis.0 as usize].as_constant().map_or(ASSUMED_TURNS, |turns| turns as f64)
}

/// What a kernel costs in vectors of statements, where every size is known.
pub fn work(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> Option<f64> {
    let known = kernel.extents.iter().all(|extent| extent.as_constant().is_some());
    known.then(|| work_of(kernel, &kernel.body, lanes, None))
}

fn work_of(kernel: &Kernel, items: &[Item], lanes: &BTreeSet<Axis>, lane: Option<Axis>) -> f64 {
    items.iter().map(|item| match item {
        Item::Loop(inner) if lanes.contains(&inner.axis) => {
            (turns(kernel, inner.axis) / WIDTH).ceil() * work_of(kernel, &inner.body, lanes, Some(inner.axis))
        }
        Item::Loop(inner) => turns(kernel, inner.axis) * work_of(kernel, &inner.body, lanes, lane),
        other => statement(other, lane),
    }).sum()
}

/// Blocks of rows for products: the loop around a lane loop of sums of products runs several turns together.
pub fn choose_rows(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> BTreeMap<Axis, u32> {
    let mut rows = BTreeMap::new();
    rows_in(kernel, &kernel.body, lanes, &mut rows);
    rows
}

fn rows_in(kernel: &Kernel, items: &[Item], lanes: &BTreeSet<Axis>, rows: &mut BTreeMap<Axis, u32>) {
    for inner in loops(items) {
        let sums: usize = loops(&inner.body).filter(|wide| lanes.contains(&wide.axis)).map(products).sum();
        if sums > 0 && inner.accumulators.is_empty() && !lanes.contains(&inner.axis) {
            let most = i64::from((BLOCK_SUMS / sums as u32).max(1));
            let count = extent(kernel, inner.axis).as_constant().map_or(most, |turns| most.min(turns));
            if count > 1 {
                rows.insert(inner.axis, count as u32);
            }
        } else {
            rows_in(kernel, &inner.body, lanes, rows);
        }
    }
}

fn extent(kernel: &Kernel, axis: Axis) -> &Dim {
    &kernel.extents[axis.0 as usize]
}

fn loops(items: &[Item]) -> impl Iterator<Item = &Loop> {
    items.iter().filter_map(|item| if let Item::Loop(inner) = item { Some(inner) } else { None })
}

/// Sums of products in the loops of a lane loop's body.
fn products(wide: &Loop) -> usize {
    loops(&wide.body)
        .map(|fold| fold.accumulators.iter().filter(|a| matches!(a.term, Term::Product(..))).count() + products(fold))
        .sum()
}
