//! Blocks: products in pieces that stay in the second cache.
//!
//! In: a product on its way through packing, as a lane loop around a loop over rows. Out: the same product, block by block, where its
//! operands are larger than the cache and are read several times.
//!
//! Must hold: every sum keeps its chain of additions, so no bit changes.
//!
//! # Decisions
//!
//! - 4096×512×512, of which each operand has 8 MB, in a step that does not fit in the third cache (AMD Zen 3, 512 KB of L2, GFLOP/s of
//!   103): rows in blocks took the forward product from 40 to 80. Read strip by strip, each operand would come from memory 32 times.
//! - Half the second cache is for what is read again, the rest for what passes through it. Blocks have at most 240 rows: from there on the panels
//!   that each block reads again cost less than one addition in a hundred.
//! - A narrow result goes through scratch: 512×10 written across its rows, an element at a time, took twice as long as its sums
//!   (update of 64×128×10: 32 → 92 GFLOP/s).

use super::pack::{Packing, Read, looks_up, reads_of};
use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Expression, Item, Loop, Term, load, map_items, nest, rename_values, store};
use crate::schedule::loops::{TRANSPOSED, extent, is_shared};
use downhill_graph::dim::Dim;
use downhill_graph::op::Reduction;

/// Rows that are whole blocks of any target's registers.
const WHOLE_BLOCKS: i64 = 24;
/// The most rows of a block that stays in cache: more bring nothing.
const MOST_ROWS: i64 = 240;

/// The most columns of a result that is narrow.
const MOST_NARROW: i64 = 32;

/// A product of a row's operand, which differs from row to row, and a column's, which all rows share, with nothing else in its sum.
struct Product<'a> {
    wide: &'a Loop,
    rows: &'a Loop,
    fold: &'a Loop,
    shared: Read<'a>,
}

impl Packing<'_> {
    /// The product with a loop over blocks of rows around it, each of which stays in the second cache while all strips are multiplied with it;
    /// `None` where the rows are few, or the strips too large to be read again for each block.
    pub(super) fn rows_in_blocks(&mut self, wide: &Loop) -> Option<Vec<Item>> {
        let [Item::Loop(rows)] = wide.body.as_slice() else { return None };
        let block = self.block_of_rows(wide, rows)?;
        let count = extent(&self.kernel, rows.axis).clone();
        let whole = count.divide(&Dim::from(block));
        let covered = &whole * &Dim::from(block);
        let rest = &count - &covered;

        let (number, row) = (self.axis(whole), self.axis(Dim::from(block)));
        let at = Affine::axis(number).times(&Dim::from(block)).plus(&Affine::axis(row));
        let within = with_rows(wide, rows, row, &at);
        self.open.push(number);
        let body = self.strips(&within).unwrap_or_else(|| vec![Item::Loop(within)]);
        self.open.pop();
        let mut nests = nest(&[number], body);

        if !rest.is(0) {
            let row = self.axis(rest);
            let last = with_rows(wide, rows, row, &Affine::axis(row).offset(&covered));
            let last = self.strips(&last).unwrap_or_else(|| vec![Item::Loop(last)]);
            nests.append(&mut self.renamed(&last));
        }
        Some(nests)
    }

    /// How many rows a block has: half the second cache holds them.
    fn block_of_rows(&self, wide: &Loop, rows: &Loop) -> Option<i64> {
        let reads = reads_of(&rows.body);
        let by_row =
            |read: &Read<'_>| read.access.row.is_some_and(|(axis, _)| axis == rows.axis || axis == wide.axis);
        let by_value = |read: &Read<'_>| read.access.by.is_some();
        if reads.iter().any(|read| by_row(read) || by_value(read)) || looks_up(&rows.body, rows.axis) {
            return None;
        }

        // What a row reads for itself, and what all columns read, in bytes.
        let bytes = |read: &Read<'_>| {
            Some(read.depth(&self.kernel).as_constant()? * self.kernel.element(read.value).bytes() as i64)
        };
        let (shared, own): (Vec<_>, Vec<_>) =
            reads.iter().partition(|read| is_shared(read.access, wide.axis, rows.axis, &read.summed));
        let sum = |reads: Vec<&Read<'_>>| reads.into_iter().map(bytes).sum::<Option<i64>>();
        let (column, row) = (sum(shared)?, sum(own)?);
        let columns = extent(&self.kernel, wide.axis).as_constant()?;
        let second = self.caches.second.bytes as i64;

        let (lanes, most) = self.target.block_columns();
        let block = second / 2 / row.max(1) / WHOLE_BLOCKS * WHOLE_BLOCKS;
        let pays = columns > lanes * most && block >= 2 * lanes * most && column * columns <= 4 * second;
        let many = extent(&self.kernel, rows.axis).as_constant().is_some_and(|rows| rows >= 4 * block);
        (pays && many).then_some(block.min(MOST_ROWS))
    }

    /// A product whose lanes lie apart in what it reads and writes behind its sums, where its few rows lie next to each other: the sums of a
    /// strip go to scratch, and what is done with them runs along memory. `None` for any other product.
    pub(super) fn narrow_result(&mut self, wide: &Loop) -> Option<Vec<Item>> {
        let product = Product::of(wide)?;
        let [count, lanes] =
            [product.rows.axis, wide.axis].map(|axis| extent(&self.kernel, axis).as_constant());
        let (count, lanes) = (count?, lanes?);
        let rest = &product.rows.body[1..];
        let along_rows = |item: &Item| match item {
            Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => {
                access.at.coefficient(product.rows.axis).is(1) && access.at.coefficient(wide.axis).is(count)
            }
            Item::Let(..) => true,
            Item::Loop(_) => false,
        };
        let width = 2 * i64::from(self.target.tile());
        let is_narrow = (2..=MOST_NARROW).contains(&count) && rest.len() < TRANSPOSED && lanes >= width;
        if !(is_narrow && self.target.tile() > 1 && rest.iter().all(along_rows))
            || self.pays(&product.shared, wide.axis, product.rows.axis)
        {
            return None;
        }

        let (whole, left) = (lanes / width, lanes % width);
        let strip = self.axis(Dim::from(whole));
        let start = Affine::axis(strip).times(&Dim::from(width));
        let body = self.narrow_strip(&product, (count, width), &start);
        let mut strips = nest(&[strip], body);
        if left > 0 {
            let start = Affine::default().offset(&Dim::from(whole * width));
            let last = self.narrow_strip(&product, (count, left), &start);
            // One nest, so that both parts stay in one kernel and with one thread.
            let (axis, body) = (self.axis(Dim::from(1)), self.renamed(&last));
            strips.append(&mut nest(&[axis], body));
        }
        Some(strips)
    }

    /// The sums of `width` lanes from `start` on, then what is done with them.
    fn narrow_strip(
        &mut self,
        product: &Product<'_>,
        (count, width): (i64, i64),
        start: &Affine,
    ) -> Vec<Item> {
        let result = product.fold.accumulators[0].result;
        let sums = self.scratch.own(&Dim::from(count * width), self.kernel.element(result));
        let [lane, again] = [width; 2].map(|width| self.axis(Dim::from(width)));
        let [row, column] = [count; 2].map(|count| self.axis(Dim::from(count)));
        self.lanes.extend([lane, column]);
        let place =
            |row: Axis, lane: Axis| Affine::axis(row).times(&Dim::from(width)).plus(&Affine::axis(lane));
        let moved = |items: &[Item], lane: Axis, row: Axis| {
            let lane = start.plus(&Affine::axis(lane));
            let index = |at: &Affine| {
                at.substitute(product.wide.axis, &lane).substitute(product.rows.axis, &Affine::axis(row))
            };
            map_items(items, &index, &Dim::clone)
        };

        let mut fold = moved(&product.rows.body[..1], lane, row);
        fold.push(store(sums, place(row, lane), result));
        let read = self.value(result);
        let rest =
            rename_values(&product.rows.body[1..], &|value| if value == result { read } else { value });
        let rest = [vec![load(read, sums, place(column, again))], moved(&rest, again, column)].concat();
        [nest(&[lane, row], fold), nest(&[again, column], rest)].concat()
    }
}

impl<'a> Product<'a> {
    fn of(wide: &'a Loop) -> Option<Product<'a>> {
        let [Item::Loop(rows)] = wide.body.as_slice() else { return None };
        let Some((Item::Loop(fold), rest)) = rows.body.split_first() else { return None };
        let [sum] = fold.accumulators.as_slice() else { return None };
        let is_plain = sum.kind == Reduction::Sum
            && matches!(sum.term, Term::Product(..))
            && sum.from.is_none()
            && sum.inside.is_none()
            && rest.iter().all(|item| !matches!(item, Item::Loop(_)));

        let reads: Result<[Read<'a>; 2], _> = reads_of(&rows.body).try_into();
        let Ok([x, y]) = reads else { return None };
        let is_looked_up = |access: &Access| access.row.is_some() || access.by.is_some();
        let is_by_row = rest.iter().any(|item| match item {
            Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => is_looked_up(access),
            Item::Let(..) | Item::Loop(_) => false,
        });
        let looked_up = is_by_row || is_looked_up(x.access) || is_looked_up(y.access);
        if !is_plain || looked_up || fold.body.len() != 2 {
            return None;
        }
        let shared = |read: &Read<'_>| {
            is_shared(read.access, wide.axis, rows.axis, &read.summed)
                && read.access.at.coefficient(wide.axis).is(1)
        };
        let own = |read: &Read<'_>| read.access.uses(rows.axis) && !read.access.uses(wide.axis);
        if own(&x) && shared(&y) {
            Some(Product { wide, rows, fold, shared: y })
        } else if own(&y) && shared(&x) {
            Some(Product { wide, rows, fold, shared: x })
        } else {
            None
        }
    }
}

/// A product over other rows: its loop over rows runs over `axis`, and each is the row `at`.
fn with_rows(wide: &Loop, rows: &Loop, axis: Axis, at: &Affine) -> Loop {
    let body = map_items(&rows.body, &|index| index.substitute(rows.axis, at), &Dim::clone);
    Loop { body: nest(&[axis], body), ..wide.clone() }
}
