//! Schedules: which loop of a kernel becomes wide, and which runs several turns at once.
//!
//! In: a kernel. Out: [`Schedule`], data that [`crate::emit::kernel`] follows.
//!
//! Must hold: the choice of lane loops is made on the kernel before any size is fixed for a variant, and the same for
//! every target, because the order of additions in a fold hangs on it (D9). The rows of a block change no bit and may be chosen freely.
//!
//! # Decisions
//!
//! - Rows left over are one smaller block, columns of a turned tile that is not square a narrower read: one by one they ran at
//!   half the speed: 47 → 90 GFLOP/s at 7×17×50, 58 → 92 at 17×785×50.
//! - Lane loops are chosen anew once sizes are fixed, where no fold would run over other lanes: with one row, a gradient's
//!   product is no sum any more: the loop along memory is the wide one then (10 classes: 0.9 µs with scatters, 0.3 without).

use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Expression, Item, Kernel, Loop, Term};
use crate::schedule::cost::{FOLD_LANES, WIDTH, assumed_turns, statement, vectors};
use crate::target::InstructionSet;
use downhill_graph::dim::Dim;
use std::collections::{BTreeMap, BTreeSet};

/// How a kernel's loops run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Loops whose turns are the lanes of vectors: at most one on a path.
    pub lanes: BTreeSet<Axis>,
    /// Loops of which several turns run together, and how many, so that what they share is loaded once.
    pub rows: BTreeMap<Axis, u32>,
}

/// Statements of a body that is done for a whole tile at once.
const TURNED: usize = 8;

/// Chooses the lane loops by an estimate of the work: a vector of statements costs as one, strided accesses cost an element each.
pub fn choose_lanes(kernel: &Kernel) -> BTreeSet<Axis> {
    let mut lanes = BTreeSet::new();
    best(kernel, &kernel.body, None, &mut lanes);
    lanes
}

/// Chooses lane loops anew where sizes have become known. `generic` was chosen before: it stands where another choice would change
/// which folds run over lanes, and so the order of their additions.
pub fn choose_lanes_again(kernel: &Kernel, generic: BTreeSet<Axis>) -> BTreeSet<Axis> {
    let mut folds = BTreeSet::new();
    kernel.visit(&mut |item| {
        if let Item::Loop(fold) = item
            && !fold.accumulators.is_empty()
            && !extent(kernel, fold.axis).is(1)
        {
            folds.insert(fold.axis);
        }
    });
    let chosen = choose_lanes(kernel);
    let agree = chosen.intersection(&folds).eq(generic.intersection(&folds));
    if agree { chosen } else { generic }
}

/// Cost of the items, which stand in a loop over `rows`, with the best choice of lane loops among them, which is added to
/// `lanes`.
fn best(kernel: &Kernel, items: &[Item], rows: Option<Axis>, lanes: &mut BTreeSet<Axis>) -> f64 {
    items
        .iter()
        .map(|item| match item {
            Item::Loop(inner) => {
                let turns = assumed_turns(kernel, inner.axis);
                let fold = if inner.accumulators.is_empty() { 0.0 } else { FOLD_LANES };
                let body = rows.map(|rows| as_packed(&inner.body, inner.axis, rows, &[]));
                let body = body.as_ref().unwrap_or(&inner.body);
                let wide =
                    (turns / WIDTH).ceil() * vectors(kernel, body, &BTreeSet::new(), Some(inner.axis)) + fold;
                let mut deeper = BTreeSet::new();
                let rows = inner.accumulators.is_empty().then_some(inner.axis);
                let narrow = turns * best(kernel, &inner.body, rows, &mut deeper);
                if wide <= narrow {
                    lanes.insert(inner.axis);
                } else {
                    lanes.append(&mut deeper);
                }
                wide.min(narrow)
            }
            other => statement(other, None),
        })
        .sum()
}

/// True when an access of a sum reads the same elements for all rows, others in each lane and each turn of the sum: what a
/// product reads of its right factor.
pub(crate) fn is_shared(access: &Access, lane: Axis, rows: Axis, sums: &[Axis]) -> bool {
    let used = |axis: Axis| !access.at.coefficient(axis).is(0);
    let looked_up = access.row.map(|(axis, _)| axis);
    used(lane)
        && !used(rows)
        && looked_up.is_none_or(|axis| axis != lane && axis != rows)
        && sums.iter().any(|&axis| used(axis) || looked_up == Some(axis))
}

/// The items of a lane loop with what all rows share read along the lanes, as it will be when it is packed (`pack.rs`): the
/// copy costs little beside what all rows do with it.
fn as_packed(items: &[Item], lane: Axis, rows: Axis, sums: &[Axis]) -> Vec<Item> {
    let packed = |item: &Item| match item {
        Item::Let(value, Expression::Load(buffer, access)) if is_shared(access, lane, rows, sums) => {
            let along = Access { row: None, at: Affine::axis(lane) };
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

/// The kernel with each lane loop of sums of products around the loop over rows that was around it: what a strip of
/// lanes reads of one factor is then read again for every block of rows while it is near, and not all of it for each. So does
/// one of few rows. Moves whole chains of additions alone, so no bit changes.
pub fn put_lanes_outside(kernel: &Kernel, lanes: &BTreeSet<Axis>) -> Kernel {
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

/// Few rows are written out, and a lane loop around them can run together with others over the same lanes.
fn has_few(kernel: &Kernel, rows: &Loop) -> bool {
    extent(kernel, rows.axis).as_constant().is_some_and(|turns| turns <= 4)
}

/// True when the loop over rows stands within the lane loop.
fn has_rows(kernel: &Kernel, wide: &Loop) -> bool {
    loops(&wide.body).any(|rows| rows.accumulators.is_empty() && products(kernel, rows) > 0)
}

fn are_independent(x: &Loop, y: &Loop) -> bool {
    x.accumulators.is_empty() && y.accumulators.is_empty()
}

/// Blocks of rows for products: the loop around a lane loop of sums of products runs several turns together.
/// `target` says how many sums it keeps, and how wide a square tile is.
pub fn choose_rows(kernel: &Kernel, lanes: &BTreeSet<Axis>, target: InstructionSet) -> BTreeMap<Axis, u32> {
    let (sums, width) = (target.block_sums(), target.tile());
    let mut blocks = Blocks { kernel, lanes, sums, width, rows: BTreeMap::new() };
    blocks.find(&kernel.body);
    blocks.rows
}

struct Blocks<'a> {
    kernel: &'a Kernel,
    lanes: &'a BTreeSet<Axis>,
    sums: u32,
    width: u32,
    rows: BTreeMap<Axis, u32>,
}

impl Blocks<'_> {
    fn find(&mut self, items: &[Item]) {
        for inner in loops(items) {
            if self.lanes.contains(&inner.axis) {
                self.find_within(&inner.body);
                continue;
            }
            if inner.accumulators.is_empty() && self.is_turned(inner) {
                self.insert(inner.axis, self.width);
                continue;
            }
            let wide = || loops(&inner.body).filter(|wide| self.lanes.contains(&wide.axis));
            let sums = wide().map(|wide| products(self.kernel, wide)).sum();
            if sums > 0 && inner.accumulators.is_empty() && !wide().any(|wide| has_rows(self.kernel, wide)) {
                self.block(inner.axis, sums);
            } else {
                self.find(&inner.body);
            }
        }
    }

    /// The same where the lane loop stands outside.
    fn find_within(&mut self, items: &[Item]) {
        for inner in loops(items).filter(|inner| inner.accumulators.is_empty()) {
            let sums = products(self.kernel, inner);
            if sums > 0 {
                self.block(inner.axis, sums);
            }
        }
    }

    fn block(&mut self, axis: Axis, sums: usize) {
        let most = (self.sums / sums as u32).max(1);
        let Some(turns) = extent(self.kernel, axis).as_constant() else { return self.insert(axis, most) };
        // No rows left over, or as few blocks as there can be, all about as high.
        let fewest = (most * 5).div_ceil(8);
        let whole = (fewest..=most).rev().find(|&rows| turns % i64::from(rows) == 0);
        let turns = turns.max(1) as u64;
        let even = turns.div_ceil(turns.div_ceil(u64::from(most))) as u32;
        self.insert(axis, whole.unwrap_or(even));
    }

    fn insert(&mut self, axis: Axis, most: u32) {
        let most = i64::from(most);
        let count = extent(self.kernel, axis).as_constant().map_or(most, |turns| most.min(turns));
        if count > 1 {
            self.rows.insert(axis, count as u32);
        }
    }

    /// True when a short lane loop without loops in it reads across what the loop around it reads along: a square tile
    /// of both, as many rows as there are lanes, is read along and turned.
    fn is_turned(&self, rows: &Loop) -> bool {
        let [Item::Loop(wide)] = rows.body.as_slice() else { return false };
        let across = |item: &Item| match item {
            Item::Let(_, Expression::Load(_, access)) => {
                let stride = access.at.coefficient(wide.axis);
                let strided = !stride.is(0) && !stride.is(1) && access.row.is_none();
                strided && access.at.coefficient(rows.axis).is(1)
            }
            _ => false,
        };
        let short = wide.body.len() <= TURNED && wide.accumulators.is_empty();
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

/// Sums of products in the loops of a lane loop's body. A sum of one product is none: it shares nothing with its neighbours.
pub(crate) fn products(kernel: &Kernel, wide: &Loop) -> usize {
    let sums = |fold: &Loop| match extent(kernel, fold.axis).is(1) {
        true => 0,
        false => fold.accumulators.iter().filter(|a| matches!(a.term, Term::Product(..))).count(),
    };
    loops(&wide.body).map(|fold| sums(fold) + products(kernel, fold)).sum()
}
