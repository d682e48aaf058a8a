//! How sums are divided: groups of rows and columns, blocks of terms.
//!
//! In: a [`Nest`] of sums, of known sizes. Out: its [`Tile`] and its [`Blocks`], chosen by the caches.
//!
//! Must hold: nothing chosen here changes a bit of a result.

use super::pack::{Packing, Read};
use super::sum_nest::{Nest, Sum, Tile};
use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::{chunk_of_known, terms_of_iteration};
use crate::ir::kernel::{Expression, Item, Loop, ValueId, visit_items};
use crate::schedule::divisors::{divisor, divisor_or, greatest_common_divisor};
use crate::schedule::loops::extent;
use downhill_graph::dim::Dim;
use downhill_graph::types::ElementType;

/// Terms of a block of a product: at least, and at most.
const TERMS: [i64; 2] = [64, 512];
/// Terms of a block of a sum that is no product: at least.
const FEW_TERMS: i64 = 8;
/// With fewer terms, the sums of a product stay in registers.
const MANY_TERMS: i64 = 512;
/// The most groups of rows, and of columns.
const GROUPS: i64 = 64;

/// How a sum is divided. Iterations are those of its outermost axis: pictures; those of the next one are lines.
pub(super) struct Blocks {
    pub(super) pictures: i64,
    /// Pictures of a chunk, which is a chain of its own; all of them where there is one chain.
    pub(super) chunk: i64,
    /// What is added at once: so many pictures, or, with 1, so many lines of one.
    pub(super) together: i64,
    pub(super) lines: i64,
    /// Columns of a strip, where operands are copied to panels.
    pub(super) strip: Option<i64>,
    /// Whether blocks are worth what they cost.
    pub(super) pays: bool,
}

impl Packing<'_> {
    /// Whether all sizes are known, and what the sums read can be read block by block.
    pub(super) fn fits(&self, nested: &Nest<'_>) -> bool {
        let known = |axis: Axis| extent(&self.kernel, axis).as_constant().is_some_and(|size| size > 0);
        let mut axes = nested.outer.iter().copied().chain([nested.wide.axis]);
        let is_f32 = |result: ValueId| self.kernel.element(result) == ElementType::F32;
        let is_plain = |sum: &Sum<'_>| {
            let looked_up = |read: &Read<'_>| read.access.row.is_some() || read.access.by.is_some();
            let reads = sum.reads();
            known(sum.fold.axis)
                && sum.inner.is_none_or(|inner| known(inner.axis))
                && terms_of_iteration(&self.kernel, sum.fold).is_some()
                && sum.results().all(is_f32)
                && !reads.iter().any(|read| self.is_written(read.buffer))
                && (sum.inner.is_some() || !reads.iter().any(looked_up))
        };
        axes.all(known)
            && (nested.outer.is_empty() || nested.sums.iter().any(|sum| sum.inner.is_some()))
            && nested.rows.is_none_or(|rows| known(rows.axis))
            && nested.sums.iter().all(is_plain)
            && !self.has_lanes(nested.body())
            && !nested.is_mixed()
            && !nested.beside.iter().any(|item| self.reads_written(item))
    }

    fn reads_written(&self, item: &Item) -> bool {
        matches!(item, Item::Let(_, Expression::Load(buffer, _)) if self.is_written(*buffer))
    }

    fn has_lanes(&self, items: &[Item]) -> bool {
        let mut found = false;
        visit_items(items, &mut |item| {
            found |= matches!(item, Item::Loop(inner) if self.lanes.contains(&inner.axis));
        });
        found
    }

    fn size(&self, axis: Axis) -> i64 {
        extent(&self.kernel, axis).as_constant().unwrap_or(1)
    }

    /// The groups that read least among those that threads can share, and whose sums half the second cache holds.
    pub(super) fn tile(&self, nested: &Nest<'_>) -> Option<Tile> {
        let outer: i64 = nested.outer.iter().map(|&axis| self.size(axis)).product();
        let (rows, columns) =
            (nested.rows.map_or(1, |rows| self.size(rows.axis)), self.size(nested.wide.axis));
        let threads = if self.open.is_empty() { self.scratch.threads() } else { 1 };
        let (least, width) = (i64::from(self.target.block_sums()), self.width(&Dim::from(columns)));

        let each = 4 * outer * nested.sums.iter().map(|sum| sum.results().count() as i64).sum::<i64>();
        let half = self.caches.second.bytes as i64 / 2;
        let goes = nested.sums.iter().any(|sum| sum.inner.is_some());
        let reads: Vec<Read<'_>> = nested.sums.iter().flat_map(Sum::reads).collect();
        // How often each read is made again, over all groups.
        let again = |[by_row, by_column]: [i64; 2]| -> i64 {
            let times = |read: &Read<'_>| {
                let is_of_row = nested.rows.is_some_and(|rows| read.access.uses(rows.axis));
                let is_of_column = read.access.uses(nested.wide.axis);
                let least = [(is_of_row, rows), (is_of_column, columns)];
                let size: i64 = least.iter().map(|&(used, size)| if used { size } else { 1 }).product();
                size * if is_of_row { 1 } else { by_row } * if is_of_column { 1 } else { by_column }
            };
            reads.iter().map(times).sum()
        };

        let divisors = |of: i64| (1..=GROUPS.min(of)).filter(move |groups| of % groups == 0);
        let by_row = divisors(rows).filter(|groups| *groups == 1 || rows / groups >= least);
        let of_columns = if columns % width == 0 { columns / width } else { 1 };
        let all = by_row.flat_map(|by_row| divisors(of_columns).map(move |by_column| [by_row, by_column]));
        // A block of products has so many terms that its sums are loaded and stored seldom.
        let products: Vec<&Sum<'_>> =
            nested.sums.iter().filter(|sum| sum.inner.is_none() && sum.is_product()).collect();
        let is_held = |[by_row, by_column]: &[i64; 2]| {
            let sizes = [rows / by_row, columns / by_column];
            let of_term: i64 = products.iter().map(|sum| self.of_term(nested, sum, sizes)).sum();
            each * sizes[0] * sizes[1] <= half && of_term * TERMS[0] <= half / 2
        };
        let order = |groups: &[i64; 2]| {
            // Threads share one of the two loops over groups.
            let shared = groups[0].max(groups[1]);
            let is_ragged = shared % threads != 0 && shared < 4 * threads;
            (shared < threads, is_ragged, !is_held(groups), again(*groups), groups[0] * groups[1])
        };
        let groups = all.min_by_key(order)?;
        let shared = groups[0].max(groups[1]) >= threads;
        ((is_held(&groups) || goes) && shared).then(|| Tile {
            groups,
            outer,
            rows: rows / groups[0],
            columns: columns / groups[1],
            first_row: Affine::default(),
            first_column: Affine::default(),
        })
    }

    pub(super) fn blocks_of(&self, nested: &Nest<'_>, tile: &Tile, sum: &Sum<'_>) -> Option<Blocks> {
        let pictures = self.size(sum.fold.axis);
        let chunk = chunk_of_known(&self.kernel, sum.fold).unwrap_or(pictures);
        let blocks = Blocks { pictures, chunk, together: 1, lines: 1, strip: None, pays: false };
        match sum.inner {
            Some(inner) => self.blocks_of_lines(nested, tile, (sum, inner), blocks),
            None => self.blocks_of_terms(nested, tile, sum, blocks),
        }
    }

    /// Whether the terms are walked through several times: what makes several sums at once is done one vector after another.
    fn walks(&self, nested: &Nest<'_>, tile: &Tile) -> bool {
        let (lanes, most) = self.target.block_columns();
        let is_several = |sum: &Sum<'_>| !sum.is_product() && sum.results().count() > 1;
        let vectors = if nested.sums.iter().any(is_several) { 1 } else { most };
        let [rows, columns] = tile.whole();
        !nested.outer.is_empty() || rows > i64::from(self.target.block_sums()) || columns > lanes * vectors
    }

    fn blocks_of_lines(
        &self,
        nested: &Nest<'_>,
        tile: &Tile,
        (sum, inner): (&Sum<'_>, &Loop),
        blocks: Blocks,
    ) -> Option<Blocks> {
        // What a picture reads, in bytes, and what a line of it reads.
        let (fold, reads) = (sum.fold.axis, sum.reads());
        let is_row = |read: &Read<'_>| read.access.row.is_some_and(|(axis, _)| axis == fold);
        let lines = self.size(inner.axis);
        let line = |read: &Read<'_>| self.of_turn(nested, read, inner.axis, [tile.rows, tile.columns]);
        let picture = |read: &Read<'_>| {
            if is_row(read) {
                return Some(self.row_of(read)? * self.bytes(read));
            }
            let far = read.access.at.coefficient(fold).as_constant()?.abs() * self.bytes(read);
            let own = line(read);
            Some(if own == 0 { far } else { far.min(own * lines) })
        };
        let picture = reads.iter().map(picture).sum::<Option<i64>>()?.max(1);
        let line = reads.iter().map(line).sum::<i64>().max(1);

        // What is added at once stays in the first cache, with the sums, while all rows and columns take their part of it.
        let [first, second] = [self.caches.first.bytes, self.caches.second.bytes].map(|bytes| bytes as i64);
        let near = first * 3 / 4;
        let Blocks { pictures, chunk, .. } = blocks;
        let by_row = reads.iter().any(|read| read.access.row.is_some() && !is_row(read));
        let by_value = reads.iter().any(|read| read.access.by.is_some());
        let looked_up = reads.iter().any(is_row);
        let together =
            if looked_up { 1 } else { divisor(greatest_common_divisor(chunk, pictures), near / picture) };
        let fits = !by_row && !by_value && (!looked_up || chunk == 1 || chunk == pictures);
        let walks = picture * pictures > second / 2 && self.walks(nested, tile);

        // Lines of a product too long for the first cache are copied, for the second, where each is one term.
        let in_place = if together > 1 { lines } else { divisor(lines, near / line) };
        let far = divisor(lines, second / 4 / line);
        let has_loop = inner.body.iter().any(|item| matches!(item, Item::Loop(_)));
        let is_flat = !has_loop && sum.is_product() && !looked_up && nested.outer.is_empty();
        if together == 1
            && in_place < TERMS[0]
            && far >= 2 * in_place
            && is_flat
            && fits
            && self.is_contiguous(nested, sum)
        {
            let strip = Some(self.strip_of(tile));
            return Some(Blocks { together, lines: far, strip, pays: walks && far >= FEW_TERMS, ..blocks });
        }
        // Where one picture is added at once. Lines of few terms would have their sums loaded and stored for next to nothing: more of them at once
        // stay in the second cache.
        let is_few = |lines: i64| together * lines * self.terms_of_line(inner) < FEW_TERMS;
        let lines = if is_few(in_place) { far } else { in_place };
        let is_short = is_few(lines);
        let pays = walks && !is_short;
        fits.then_some(Blocks { together, lines, pays, ..blocks })
    }

    fn blocks_of_terms(
        &self,
        nested: &Nest<'_>,
        tile: &Tile,
        sum: &Sum<'_>,
        blocks: Blocks,
    ) -> Option<Blocks> {
        let [first, second] = [self.caches.first.bytes, self.caches.second.bytes].map(|bytes| bytes as i64);
        let is_product = sum.is_product();
        let all = self.of_term(nested, sum, tile.whole()) * blocks.pictures;
        let pays = all > second / 2
            && self.walks(nested, tile)
            && if is_product { self.is_worth(nested, tile, sum) } else { self.is_strided(nested, sum) };

        let each = self.of_term(nested, sum, [tile.rows, tile.columns]);
        let least = if is_product { TERMS[0] } else { FEW_TERMS };
        let near = first * 3 / 4 / each;
        let length = blocks.chunk.min(TERMS[1]);
        if near >= least || !is_product {
            return Some(Blocks {
                together: divisor_or(blocks.chunk, near.max(least).min(length)),
                pays,
                ..blocks
            });
        }

        // Blocks for the second cache, whose operands are copied.
        let far = second / 4 / each;
        let copies = far >= least && nested.outer.is_empty() && self.is_contiguous(nested, sum);
        copies.then(|| Blocks {
            together: divisor_or(blocks.chunk, far.min(length)),
            strip: Some(self.strip_of(tile)),
            pays,
            ..blocks
        })
    }

    /// Whether what a sum reads for its columns lies next to each other, so that it can be copied to panels.
    fn is_contiguous(&self, nested: &Nest<'_>, sum: &Sum<'_>) -> bool {
        sum.reads().iter().all(|read| {
            let by = read.access.at.coefficient(nested.wide.axis);
            by.is(0) || by.is(1)
        })
    }

    /// The width of strips, all of which are equal: all columns where they divide into no such strips.
    fn strip_of(&self, tile: &Tile) -> i64 {
        let width = self.width(&Dim::from(tile.columns));
        if tile.columns % width == 0 { width } else { tile.columns }
    }

    /// Bytes that one term of all sums takes for so many rows and columns.
    fn of_term(&self, nested: &Nest<'_>, sum: &Sum<'_>, sizes: [i64; 2]) -> i64 {
        sum.reads().iter().map(|read| self.of_turn(nested, read, sum.fold.axis, sizes)).sum::<i64>().max(1)
    }

    fn bytes(&self, read: &Read<'_>) -> i64 {
        self.kernel.element(read.value).bytes() as i64
    }

    /// Bytes of a read that one turn of a sum's loop takes for so many rows and columns; 0 where all turns take the same.
    fn of_turn(&self, nested: &Nest<'_>, read: &Read<'_>, axis: Axis, [rows, columns]: [i64; 2]) -> i64 {
        let of_rows = nested.rows.filter(|it| read.access.uses(it.axis)).map_or(1, |_| rows);
        let of_columns = if read.access.uses(nested.wide.axis) { columns } else { 1 };
        let outer = nested.outer.iter().filter(|axis| read.access.uses(**axis));
        let inner = read.summed.iter().skip_while(|summed| **summed != axis).skip(1);
        let elements: i64 = outer.chain(inner).map(|&axis| self.size(axis)).product();
        let elements = of_rows * of_columns * elements;
        let distance = read.access.at.coefficient(axis).as_constant().map_or(1, i64::abs);
        (if distance == 1 { elements } else { elements.min(distance) }) * self.bytes(read)
    }

    /// Terms that one line adds to each sum.
    fn terms_of_line(&self, inner: &Loop) -> i64 {
        terms_of_iteration(&self.kernel, inner).unwrap_or(1)
    }

    /// Whether a sum reads with strides along its terms what differs from sum to sum.
    fn is_strided(&self, nested: &Nest<'_>, sum: &Sum<'_>) -> bool {
        let own = |read: &Read<'_>| nested.rows.is_none_or(|rows| read.access.uses(rows.axis));
        let along = |read: &Read<'_>| read.access.at.coefficient(sum.fold.axis).is(1);
        sum.reads().iter().any(|read| own(read) && !along(read))
    }

    /// Whether the sums of a product are better off in memory: they are long, and a block of rows would leave the second cache, or read a
    /// line for each of its terms.
    fn is_worth(&self, nested: &Nest<'_>, tile: &Tile, sum: &Sum<'_>) -> bool {
        let second = self.caches.second.bytes as i64;
        let (terms, [rows, columns]) = (self.size(sum.fold.axis), tile.whole());
        let width = self.width(&Dim::from(columns));
        let at_once = (i64::from(self.target.block_sums()) + width) * 4;
        let is_large =
            rows * terms * 4 > 2 * second && columns >= 4 * width && rows * width * 4 <= second / 4;
        terms >= MANY_TERMS && (self.is_strided(nested, sum) || terms * at_once > second / 2 || is_large)
    }

    /// Elements of a row that is looked up, as far as a read goes within it.
    fn row_of(&self, read: &Read<'_>) -> Option<i64> {
        let last = read.access.at.terms.iter().map(|(axis, by)| {
            let turns = extent(&self.kernel, *axis).as_constant()? - 1;
            Some(by.as_constant()?.abs() * turns)
        });
        last.sum()
    }
}
