//! Schedules: which loops of a kernel are vectorized (*lane loops*), and which are unrolled into blocks of rows.
//!
//! In: a kernel. Out: a [`Schedule`], which [`crate::emit::kernel`] follows.
//!
//! Must hold: lane loops are chosen before any size is fixed for a variant, and alike for every target, because the order of additions
//! in a fold depends on them (D9). The number of rows in a block changes no bit and may be chosen freely.
//!
//! # Decisions
//!
//! - Remainder rows are one smaller block, and a transposed tile that is not square is read in narrower vectors. A scalar remainder ran
//!   at half the speed: 47 → 90 GFLOP/s at 7×17×50, 58 → 92 at 17×785×50.
//! - Lane loops are chosen again once sizes are fixed, where that changes no fold's lanes. With one row, for example, the product of a
//!   gradient is no longer a sum, and the loop along memory is vectorized (10 classes: 0.9 µs with scatters, 0.3 without).

use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::is_ordered;
use crate::ir::kernel::{Access, Expression, Item, Kernel, Loop, Term};
use crate::schedule::cost::{FOLD_LANES, Width, assumed_turns, statement, vectors};
use crate::target::InstructionSet;
use downhill_graph::dim::Dim;
use std::collections::{BTreeMap, BTreeSet};

/// How a kernel's loops run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Loops whose iterations are the lanes of vectors: at most one of the loops around a statement.
    pub lanes: BTreeSet<Axis>,
    /// Loops that are unrolled, and by how many iterations, so that what these share is loaded once.
    pub rows: BTreeMap<Axis, u32>,
}

/// The most statements of a body that is unrolled for a whole transposed tile.
pub(crate) const TRANSPOSED: usize = 8;

/// Chooses the lane loops by an estimate of the cost in vector statements, in which a strided access costs one for each element.
pub fn choose_lanes(kernel: &Kernel) -> BTreeSet<Axis> {
    let mut lanes = BTreeSet::new();
    Choice { kernel, width: Width::ANY, folds: None }.best(&kernel.body, None, &mut lanes);
    lanes
}

/// Chooses lane loops again once sizes are known, for vectors as the target has them. `generic` was chosen before; it is kept where the new
/// choice would vectorize other folds, and so change the order of their additions.
pub fn choose_lanes_again(
    kernel: &Kernel,
    generic: BTreeSet<Axis>,
    target: InstructionSet,
) -> BTreeSet<Axis> {
    let mut folds = BTreeSet::new();
    kernel.visit(&mut |item| {
        if let Item::Loop(fold) = item
            && is_fold(kernel, fold)
        {
            folds.insert(fold.axis);
        }
    });

    let (width, _) = target.block_columns();
    let mut chosen = BTreeSet::new();
    Choice { kernel, width: Width::of(width), folds: Some(&generic) }.best(&kernel.body, None, &mut chosen);
    let agree = chosen.intersection(&folds).eq(generic.intersection(&folds));
    if agree { chosen } else { generic }
}

/// Whether a loop folds several terms.
fn is_fold(kernel: &Kernel, inner: &Loop) -> bool {
    !inner.accumulators.is_empty() && !extent(kernel, inner.axis).is(1)
}

/// What lane loops are chosen for.
struct Choice<'a> {
    kernel: &'a Kernel,
    width: Width,
    /// The only folds that may be lane loops; `None`: any.
    folds: Option<&'a BTreeSet<Axis>>,
}

impl Choice<'_> {
    /// Cost of items with the best choice of lane loops among them, which is added to `lanes`. `rows` is the loop directly around the items,
    /// unless that is a fold.
    fn best(&self, items: &[Item], rows: Option<Axis>, lanes: &mut BTreeSet<Axis>) -> f64 {
        let cost = |item: &Item| match item {
            Item::Loop(inner) => self.best_of_loop(inner, rows, lanes),
            other => statement(self.kernel, other, None, self.width),
        };
        items.iter().map(cost).sum()
    }

    fn best_of_loop(&self, inner: &Loop, rows: Option<Axis>, lanes: &mut BTreeSet<Axis>) -> f64 {
        let Choice { kernel, width, folds } = *self;
        let iterations = assumed_turns(kernel, inner.axis);
        let fold = if inner.accumulators.is_empty() { 0.0 } else { FOLD_LANES };

        // This loop as the lane loop, if it may be one: what all rows share counts as packed.
        let body = rows.map(|rows| as_packed(&inner.body, inner.axis, rows, &[]));
        let body = body.as_ref().unwrap_or(&inner.body);
        let is_kept = folds.is_some_and(|folds| is_fold(kernel, inner) && !folds.contains(&inner.axis));
        let wide = if is_ordered(inner) || is_kept {
            f64::INFINITY
        } else {
            width.vectors(iterations) * vectors(kernel, body, &BTreeSet::new(), Some(inner.axis), width)
                + fold
        };

        // Or this loop runs over scalars, and lane loops are chosen inside it.
        let mut deeper = BTreeSet::new();
        let rows = inner.accumulators.is_empty().then_some(inner.axis);
        let narrow = iterations * self.best(&inner.body, rows, &mut deeper);

        if wide <= narrow {
            lanes.insert(inner.axis);
        } else {
            lanes.append(&mut deeper);
        }
        wide.min(narrow)
    }
}

/// True when an access in a sum reads the same elements for all rows, but others in each lane and each iteration of the sum, as a
/// product reads its right operand.
pub(crate) fn is_shared(access: &Access, lane: Axis, rows: Axis, sums: &[Axis]) -> bool {
    let used = |axis: Axis| !access.at.coefficient(axis).is(0);
    let looked_up = access.row.map(|(axis, _)| axis);
    used(lane)
        && !used(rows)
        && access.by.is_none()
        && looked_up.is_none_or(|axis| axis != lane && axis != rows)
        && sums.iter().any(|&axis| used(axis) || looked_up == Some(axis))
}

/// The items of a lane loop as if packed (`pack.rs`): what all rows share is read with stride 1 along the lanes. The cost of the copy is
/// ignored, because all rows use it.
fn as_packed(items: &[Item], lane: Axis, rows: Axis, sums: &[Axis]) -> Vec<Item> {
    let packed = |item: &Item| match item {
        Item::Let(value, Expression::Load(buffer, access)) if is_shared(access, lane, rows, sums) => {
            let along = Access::at(Affine::axis(lane));
            Item::Let(*value, Expression::Load(*buffer, along))
        }
        Item::Loop(inner) => {
            let sum = (!inner.accumulators.is_empty()).then_some(inner.axis);
            let sums: Vec<Axis> = sums.iter().copied().chain(sum).collect();
            Item::Loop(Loop { body: as_packed(&inner.body, lane, rows, &sums), ..inner.clone() })
        }
        other => other.clone(),
    };

    items.iter().map(packed).collect()
}

/// True when a loop over rows of products stands inside the lane loop.
fn has_rows(kernel: &Kernel, wide: &Loop) -> bool {
    loops(&wide.body).any(|rows| rows.accumulators.is_empty() && products(kernel, rows) > 0)
}

/// Blocks of rows for products: the loop over rows of sums of products is unrolled, so that several rows share each load. `target` says
/// how many sums fit in registers, and how wide a square tile is.
pub fn choose_rows(kernel: &Kernel, lanes: &BTreeSet<Axis>, target: InstructionSet) -> BTreeMap<Axis, u32> {
    let mut blocks = Blocks { kernel, lanes, target, width: target.tile(), rows: BTreeMap::new() };
    blocks.find(&kernel.body);
    blocks.rows
}

struct Blocks<'a> {
    kernel: &'a Kernel,
    lanes: &'a BTreeSet<Axis>,
    target: InstructionSet,
    width: u32,
    rows: BTreeMap<Axis, u32>,
}

impl Blocks<'_> {
    fn find(&mut self, items: &[Item]) {
        for inner in loops(items) {
            if self.lanes.contains(&inner.axis) {
                self.find_within(&inner.body, inner.axis);
                continue;
            }
            if inner.accumulators.is_empty() && !is_ordered(inner) && self.is_transposed(inner) {
                self.insert(inner.axis, self.width);
                continue;
            }

            let wide = || loops(&inner.body).filter(|wide| self.lanes.contains(&wide.axis));
            let sums = wide().map(|wide| products(self.kernel, wide)).sum();
            let widest = wide().map(|wide| self.vectors(wide.axis)).max().unwrap_or(1);
            if sums > 0 && inner.accumulators.is_empty() && !wide().any(|wide| has_rows(self.kernel, wide)) {
                self.block(inner.axis, sums, widest);
            } else {
                self.find(&inner.body);
            }
        }
    }

    /// The same where the lane loop stands outside the loop over rows.
    fn find_within(&mut self, items: &[Item], lane: Axis) {
        for inner in loops(items).filter(|inner| inner.accumulators.is_empty()) {
            let sums = products(self.kernel, inner);
            if sums > 0 {
                self.block(inner.axis, sums, self.vectors(lane));
            }
        }
    }

    /// How many vectors of a lane loop are computed at once.
    fn vectors(&self, lane: Axis) -> u32 {
        let (lanes, most) = self.target.block_columns();
        let all =
            extent(self.kernel, lane).as_constant().map_or(most, |columns| (columns + lanes - 1) / lanes);
        all.clamp(1, most) as u32
    }

    /// Rows of so many `sums`, each of so many vectors: as many as leave no register free, so narrow results have more of them.
    fn block(&mut self, axis: Axis, sums: usize, vectors: u32) {
        let (_, widest) = self.target.block_columns();
        let most = (self.target.block_sums() * widest as u32 / vectors / sums as u32).max(1);
        let Some(count) = extent(self.kernel, axis).as_constant() else { return self.insert(axis, most) };

        // Blocks without a remainder where they are nearly full; else as few blocks as possible, of about equal height.
        let fewest = (most * 5).div_ceil(8);
        let whole = (fewest..=most).rev().find(|&rows| count % i64::from(rows) == 0);
        let count = count.max(1) as u64;
        let even = count.div_ceil(count.div_ceil(u64::from(most))) as u32;
        self.insert(axis, whole.unwrap_or(even));
    }

    fn insert(&mut self, axis: Axis, most: u32) {
        let most = i64::from(most);
        let count = extent(self.kernel, axis).as_constant().map_or(most, |rows| most.min(rows));
        if count > 1 {
            self.rows.insert(axis, count as u32);
        }
    }

    /// True when a short innermost lane loop reads with a stride, where the loop around it moves by one element: a square tile of as many
    /// rows as lanes is then loaded along memory and transposed in registers.
    fn is_transposed(&self, rows: &Loop) -> bool {
        let [Item::Loop(wide)] = rows.body.as_slice() else { return false };
        let across = |item: &Item| match item {
            Item::Let(_, Expression::Load(_, access)) => {
                let stride = access.at.coefficient(wide.axis);
                let strided = !stride.is(0) && !stride.is(1) && access.row.is_none() && access.by.is_none();
                strided && access.at.coefficient(rows.axis).is(1)
            }
            _ => false,
        };

        let short = wide.body.len() <= TRANSPOSED && wide.accumulators.is_empty();

        self.width > 1
            && self.lanes.contains(&wide.axis)
            && short
            && loops(&wide.body).count() == 0
            && wide.body.iter().any(across)
    }
}

pub(crate) fn extent(kernel: &Kernel, axis: Axis) -> &Dim {
    &kernel.extents[axis.0 as usize]
}

pub(crate) fn loops(items: &[Item]) -> impl Iterator<Item = &Loop> {
    items.iter().filter_map(|item| if let Item::Loop(inner) = item { Some(inner) } else { None })
}

/// Counts the sums of products in a lane loop's body. A sum of a single product does not count: rows would share nothing.
pub(crate) fn products(kernel: &Kernel, wide: &Loop) -> usize {
    let sums = |fold: &Loop| match extent(kernel, fold.axis).is(1) {
        true => 0,
        false => fold.accumulators.iter().filter(|a| matches!(a.term, Term::Product(..))).count(),
    };
    loops(&wide.body).map(|fold| sums(fold) + products(kernel, fold)).sum()
}
