//! Sums in a loop over lanes: what can be added block by block.
//!
//! In: a loop on its way through packing. Out: a [`Nest`] of it, and the [`Tile`] of rows and columns that a group of its sums has.

use super::pack::{Read, reads_of_fold};
use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Accumulator, Expression, Item, Loop, Term, ValueId, visit_items};
use crate::schedule::loops::TRANSPOSED;
use downhill_graph::dim::Dim;
use downhill_graph::hash::Set;
use downhill_graph::op::Reduction;
use std::collections::BTreeSet;

/// A lane loop around sums.
pub(super) struct Nest<'a> {
    /// Parallel loops around the lane loop.
    pub(super) outer: Vec<Axis>,
    pub(super) wide: &'a Loop,
    /// The loop over rows inside it, unless there is only one.
    pub(super) rows: Option<&'a Loop>,
    pub(super) sums: Vec<Sum<'a>>,
    /// What is done with the sums, and what is computed beside them.
    pub(super) rest: Vec<Item>,
    /// Of that, what the sums take: it is computed again for each block.
    pub(super) beside: Vec<Item>,
}

/// A sum over an axis.
pub(super) struct Sum<'a> {
    pub(super) fold: &'a Loop,
    /// The sum inside that it goes on with, where it goes over several axes.
    pub(super) inner: Option<&'a Loop>,
}

/// The rows and columns of a group, and which they are.
pub(super) struct Tile {
    pub(super) groups: [i64; 2],
    pub(super) outer: i64,
    pub(super) rows: i64,
    pub(super) columns: i64,
    pub(super) first_row: Affine,
    pub(super) first_column: Affine,
}

impl<'a> Nest<'a> {
    /// The sums in a loop: the lane loop, or parallel ones around it and nothing else.
    pub(super) fn of(around: &'a Loop, lanes: &BTreeSet<Axis>) -> Option<Nest<'a>> {
        let (mut outer, mut wide) = (Vec::new(), around);
        while !lanes.contains(&wide.axis) {
            let ([Item::Loop(inner)], true) = (wide.body.as_slice(), wide.accumulators.is_empty()) else {
                return None;
            };
            outer.push(wide.axis);
            wide = inner;
        }
        if !wide.accumulators.is_empty() {
            return None;
        }
        let rows = match wide.body.as_slice() {
            [Item::Loop(rows)] if rows.accumulators.is_empty() => Some(rows),
            _ => None,
        };

        let (mut sums, mut rest) = (Vec::new(), Vec::new());
        for item in rows.map_or(&wide.body, |rows| &rows.body) {
            match item {
                Item::Loop(fold) => sums.push(Sum::of(fold)?),
                other => rest.push(other.clone()),
            }
        }
        let beside = taken(&sums, &rest);
        (!sums.is_empty()).then_some(Nest { outer, wide, rows, sums, rest, beside })
    }

    pub(super) fn body(&self) -> &'a [Item] {
        self.rows.map_or(&self.wide.body, |rows| &rows.body)
    }

    /// Whether a sum takes what another one has come to, or what is done with the sums looks anything up.
    pub(super) fn is_mixed(&self) -> bool {
        let results: Set<ValueId> = self.sums.iter().flat_map(Sum::results).collect();
        let of_results = |item: &Item| match item {
            Item::Let(_, expression) => expression.operands().iter().any(|value| results.contains(value)),
            Item::Store(..) | Item::Loop(_) => true,
        };
        let looks_up = |item: &Item| match item {
            Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => {
                access.row.is_some() || access.by.is_some()
            }
            Item::Let(..) | Item::Loop(_) => false,
        };
        let by_sums =
            self.sums.iter().any(|sum| sum.stores() || sum.takes().any(|value| results.contains(&value)));
        by_sums || self.beside.iter().any(of_results) || self.rest.iter().any(looks_up)
    }

    /// Whether what is done with the sums runs along memory from row to row.
    pub(super) fn is_along_rows(&self) -> bool {
        let Some(rows) = self.rows else { return false };
        let mut along = self.rest.len() < TRANSPOSED;
        for item in &self.rest {
            if let Item::Store(_, access, _) = item {
                let [row, lane] = [rows.axis, self.wide.axis].map(|axis| access.at.coefficient(axis));
                along &= row.is(1) && !lane.is(1);
            }
        }
        along
    }
}

/// What sums take of the items beside them, directly or not, in order.
fn taken(sums: &[Sum<'_>], rest: &[Item]) -> Vec<Item> {
    let mut wanted: Set<ValueId> = sums.iter().flat_map(Sum::takes).collect();
    let mut taken = Vec::new();
    for item in rest.iter().rev() {
        if let Item::Let(value, expression) = item
            && wanted.contains(value)
        {
            wanted.extend(expression.operands());
            taken.push(item.clone());
        }
    }
    taken.reverse();
    taken
}

impl<'a> Sum<'a> {
    /// A fold of sums that start from nothing and see nothing of each other, or go on with a sum inside.
    pub(super) fn of(fold: &'a Loop) -> Option<Sum<'a>> {
        let is_sum = |sum: &Accumulator| sum.kind == Reduction::Sum && sum.from.is_none();
        if fold.accumulators.is_empty() || !fold.accumulators.iter().all(is_sum) {
            return None;
        }
        let has_loop = fold.body.iter().any(|item| matches!(item, Item::Loop(_)));
        if !has_loop {
            let is_plain = |sum: &Accumulator| sum.inside.is_none() && !matches!(sum.term, Term::Next(_));
            return fold.accumulators.iter().all(is_plain).then_some(Sum { fold, inner: None });
        }
        let [Item::Loop(inner)] = fold.body.as_slice() else { return None };
        let goes_on = |(sum, within): (&Accumulator, &Accumulator)| {
            sum.term == Term::Next(within.result) && sum.inside.is_some() && within.from == sum.inside
        };
        let same = fold.accumulators.len() == inner.accumulators.len();
        let all = same && fold.accumulators.iter().zip(&inner.accumulators).all(goes_on);
        all.then_some(Sum { fold, inner: Some(inner) })
    }

    /// Whether it adds products.
    pub(super) fn is_product(&self) -> bool {
        let adds = &self.inner.unwrap_or(self.fold).accumulators;
        adds.iter().any(|sum| matches!(sum.term, Term::Product(..)))
    }

    /// The values that its terms are made of.
    fn takes(&self) -> impl Iterator<Item = ValueId> + use<> {
        let mut taken = Vec::new();
        visit_items(std::slice::from_ref(&Item::Loop(self.fold.clone())), &mut |item| match item {
            Item::Let(_, expression) => taken.extend(expression.operands()),
            Item::Loop(fold) => taken.extend(fold.accumulators.iter().flat_map(|sum| sum.term.operands())),
            Item::Store(..) => {}
        });
        taken.into_iter()
    }

    fn stores(&self) -> bool {
        let mut stores = false;
        visit_items(&self.fold.body, &mut |item| stores |= matches!(item, Item::Store(..)));
        stores
    }

    pub(super) fn results(&self) -> impl Iterator<Item = ValueId> + use<'a> {
        self.fold.accumulators.iter().map(|sum| sum.result)
    }

    /// What it loads.
    pub(super) fn reads(&self) -> Vec<Read<'a>> {
        let mut reads = Vec::new();
        reads_of_fold(self.fold, &mut Vec::new(), &mut reads);
        reads
    }
}

impl Tile {
    /// The rows and columns of all groups.
    pub(super) fn whole(&self) -> [i64; 2] {
        [self.rows * self.groups[0], self.columns * self.groups[1]]
    }

    /// Which rows and columns the groups of these numbers have.
    pub(super) fn place_groups(&mut self, [by_row, by_column]: [Axis; 2]) {
        let first = |axis: Axis, groups: i64, each: i64| match groups {
            1 => Affine::default(),
            _ => Affine::axis(axis).times(&Dim::from(each)),
        };
        self.first_row = first(by_row, self.groups[0], self.rows);
        self.first_column = first(by_column, self.groups[1], self.columns);
    }

    /// An index of a sum, as that of a row and a column of this group.
    pub(super) fn place(&self, nested: &Nest<'_>, at: &Affine, row: &Affine, column: &Affine) -> Affine {
        let at = at.substitute(nested.wide.axis, &self.first_column.plus(column));
        match nested.rows {
            Some(rows) => at.substitute(rows.axis, &self.first_row.plus(row)),
            None => at,
        }
    }
}
