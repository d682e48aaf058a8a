//! Sums block by block: the gradients of weights and of biases.
//!
//! In: a loop over lanes on its way through packing, around sums over an axis that is long. Out: the same with blocks of that axis
//! outermost. A block stays in a cache while all rows and columns take their part of it, and the sums so far wait in scratch. Otherwise
//! every block of rows and every strip of columns would walk through all terms again.
//!
//! ```text
//! for group { sums = 0  for block { copy its operands  for strip { for lane { for row { sums[row, lane] += … } } } }  epilogue }
//! ```
//!
//! Must hold: every sum keeps its chains of additions, so no bit changes. Of a sum that is one chain, a block goes on with what the one before
//! has come to. Of a longer one, blocks add up to chunks, added as `emit/fold.rs` adds chunks. Threads share groups of rows and columns, so
//! that each finds its own sums.
//!
//! # Decisions
//!
//! - A sum over two axes, such as pictures and places, has no copies: pictures overlap. The gradient of 6→16 5×5 on 12², batch 128 (AMD
//!   Zen 3, 512 KB of L2, GFLOP/s of 103): 46 → 85.
//! - Where blocks that the first cache holds are too short for sums that are loaded and stored once a block, a block is for the second
//!   cache, and its operands are copied to panels: 4096×512×512 as a gradient of weights 48 → 79.
//! - Groups are those that read least: of 512×512 sums, which are 1 MB, four groups of 256×256 read each operand twice; groups of all rows
//!   and few columns read one of them eight times.

use super::pack::{Packing, Read, reads_of_fold};
use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::{add_compensated, chunk_of_known, terms_of_iteration};
use crate::ir::kernel::{
    Access, Accumulator, Buffer, Expression, Item, Loop, Term, ValueId, load, map_items, nest, store,
    visit_items,
};
use crate::schedule::loops::{TRANSPOSED, extent};
use downhill_graph::dim::Dim;
use downhill_graph::hash::Set;
use downhill_graph::op::Reduction;
use downhill_graph::types::{ElementType, Literal};
use std::collections::BTreeSet;

/// Terms of a block of a product: at least, and at most.
const TERMS: [i64; 2] = [64, 512];
/// Terms of a block of a sum that is no product: at least.
const FEW_TERMS: i64 = 8;
/// With fewer terms, the sums of a product stay in registers.
const MANY_TERMS: i64 = 512;
/// The most groups of rows, and of columns.
const GROUPS: i64 = 64;

/// A lane loop around sums.
struct Nest<'a> {
    /// Parallel loops around the lane loop.
    outer: Vec<Axis>,
    wide: &'a Loop,
    /// The loop over rows inside it, unless there is only one.
    rows: Option<&'a Loop>,
    sums: Vec<Sum<'a>>,
    /// What is done with the sums.
    rest: Vec<Item>,
}

/// A sum over an axis.
struct Sum<'a> {
    fold: &'a Loop,
    /// The sum inside that it goes on with, where it goes over several axes.
    inner: Option<&'a Loop>,
}

/// The rows and columns of a group, and which they are.
struct Tile {
    groups: [i64; 2],
    outer: i64,
    rows: i64,
    columns: i64,
    first_row: Affine,
    first_column: Affine,
}

/// How a sum is divided. Iterations are those of its outermost axis: pictures; those of the next one are lines.
struct Blocks {
    pictures: i64,
    /// Pictures of a chunk, which is a chain of its own; all of them where there is one chain.
    chunk: i64,
    /// What is added at once: so many pictures, or, with 1, so many lines of one.
    together: i64,
    lines: i64,
    /// Columns of a strip, where operands are copied to panels.
    strip: Option<i64>,
    /// Whether blocks are worth what they cost.
    pays: bool,
}

/// Where the sums of an accumulator wait: those of the chain that goes on, and, where there are several chains, those of all chunks before it
/// and what rounding has put in too much.
struct SoFar {
    sums: Buffer,
    long: Option<[Buffer; 2]>,
}

/// A copy of an operand's part of a block.
struct Copied {
    value: ValueId,
    buffer: Buffer,
    /// Whether it is laid out by strips, else by rows.
    by_strips: bool,
}

impl Packing<'_> {
    /// The sums in a loop, block by block; `None` where it has no such sums, or they read little.
    pub(super) fn sums_in_blocks(&mut self, around: &Loop) -> Option<Vec<Item>> {
        let nested = Nest::of(around, &self.lanes).filter(|nested| self.fits(nested))?;
        let mut tile = self.tile(&nested)?;
        let blocks: Vec<Blocks> =
            nested.sums.iter().map(|sum| self.blocks_of(&nested, &tile, sum)).collect::<Option<_>>()?;
        if !blocks.iter().any(|blocks| blocks.pays) {
            return None;
        }

        let groups = tile.groups.map(|groups| self.axis(Dim::from(groups)));
        tile.place_groups(groups);
        let (mut body, mut all) = (Vec::new(), Vec::new());
        for (sum, blocks) in nested.sums.iter().zip(&blocks) {
            let so_far: Vec<SoFar> = sum.results().map(|_| self.waiting(&tile, blocks)).collect();
            body.append(&mut self.summed(&nested, &tile, (sum, &so_far), blocks));
            all.extend(sum.results().zip(so_far));
        }
        body.append(&mut self.behind(&nested, &tile, &all));
        Some(nest(&groups, body))
    }

    /// Whether all sizes are known, and what the sums read can be read block by block.
    fn fits(&self, nested: &Nest<'_>) -> bool {
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
    fn tile(&self, nested: &Nest<'_>) -> Option<Tile> {
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

    fn blocks_of(&self, nested: &Nest<'_>, tile: &Tile, sum: &Sum<'_>) -> Option<Blocks> {
        let pictures = self.size(sum.fold.axis);
        let chunk = chunk_of_known(&self.kernel, sum.fold).unwrap_or(pictures);
        let blocks = Blocks { pictures, chunk, together: 1, lines: 1, strip: None, pays: false };
        match sum.inner {
            Some(inner) => self.blocks_of_lines(nested, tile, (sum, inner), blocks),
            None => self.blocks_of_terms(nested, tile, sum, blocks),
        }
    }

    /// Whether the terms are walked through several times.
    fn walks(&self, nested: &Nest<'_>, tile: &Tile) -> bool {
        let (lanes, vectors) = self.target.block_columns();
        let (rows, columns) = (tile.rows * tile.groups[0], tile.columns * tile.groups[1]);
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
        let together = if looked_up { 1 } else { divisor(gcd_of(chunk, pictures), near / picture) };
        let lines = if together > 1 { lines } else { divisor(lines, near / line) };
        let fits = !by_row && !by_value && (!looked_up || chunk == 1 || chunk == pictures);
        let is_short = together * lines * self.terms_of_line(inner) < FEW_TERMS;
        let pays = picture * pictures > second / 2 && self.walks(nested, tile) && !is_short;
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
        let reads = sum.reads();
        let of_term = |rows: i64, columns: i64| self.of_term(nested, sum, [rows, columns]);
        let is_product = sum.is_product();
        let all = of_term(tile.rows * tile.groups[0], tile.columns * tile.groups[1]) * blocks.pictures;
        let pays = all > second / 2
            && self.walks(nested, tile)
            && if is_product { self.is_worth(nested, tile, sum) } else { self.is_strided(nested, sum) };

        let each = of_term(tile.rows, tile.columns);
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
        let width = self.width(&Dim::from(tile.columns));
        let width = if tile.columns % width == 0 { width } else { tile.columns };
        let apart = |read: &Read<'_>| {
            let by = read.access.at.coefficient(nested.wide.axis);
            !by.is(0) && !by.is(1)
        };
        let copies = far >= least && !reads.iter().any(apart);
        copies.then(|| Blocks {
            together: divisor_or(blocks.chunk, far.min(length)),
            strip: Some(width),
            pays,
            ..blocks
        })
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
        let (terms, rows, columns) =
            (self.size(sum.fold.axis), tile.rows * tile.groups[0], tile.columns * tile.groups[1]);
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

    /// Scratch for the sums of an accumulator.
    fn waiting(&mut self, tile: &Tile, blocks: &Blocks) -> SoFar {
        let size = Dim::from(tile.outer * tile.rows * tile.columns);
        let mut buffer = || self.scratch.own(&size, ElementType::F32);
        SoFar { sums: buffer(), long: (blocks.chunk < blocks.pictures).then(|| [buffer(), buffer()]) }
    }

    /// The sums of a fold, in their scratch.
    fn summed(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        (sum, so_far): (&Sum<'_>, &[SoFar]),
        blocks: &Blocks,
    ) -> Vec<Item> {
        let starts: Vec<(Buffer, f64)> = so_far.iter().map(|so_far| (so_far.sums, 0.0)).collect();
        let Blocks { pictures, chunk, .. } = *blocks;
        if chunk >= pictures {
            let mut body = self.no_sums(nested, tile, &starts);
            body.append(&mut self.added(nested, tile, (sum, so_far), blocks, Affine::default(), pictures));
            return body;
        }

        // To −0 a chunk is added unchanged, whatever its sign: the first one is taken as it is.
        let long = so_far.iter().filter_map(|so_far| so_far.long);
        let starts: Vec<(Buffer, f64)> = long.flat_map(|long| [(long[0], -0.0), (long[1], 0.0)]).collect();
        let mut body = self.no_sums(nested, tile, &starts);
        let (whole, rest) = (pictures / chunk, pictures % chunk);
        body.append(&mut self.chunks(nested, tile, (sum, so_far), blocks, [whole, chunk, 0]));
        if rest > 0 {
            let last = self.chunks(nested, tile, (sum, so_far), blocks, [1, rest, whole * chunk]);
            body.append(&mut self.renamed(&last));
        }
        body
    }

    /// Where a sum waits: its row among those of all outer loops, and its lane.
    fn place_of_sum(&self, nested: &Nest<'_>, tile: &Tile, row: &Affine, lane: &Affine) -> Affine {
        let outer = nested.outer.iter().fold(Affine::default(), |at, axis| {
            at.times(extent(&self.kernel, *axis)).plus(&Affine::axis(*axis))
        });
        let row = outer.times(&Dim::from(tile.rows)).plus(row);
        row.times(&Dim::from(tile.columns)).plus(lane)
    }

    /// Loops over the rows of a group: none where there is one row.
    fn row_loop(&mut self, nested: &Nest<'_>, tile: &Tile) -> (Vec<Axis>, Affine) {
        match nested.rows {
            Some(_) => {
                let row = self.axis(Dim::from(tile.rows));
                (vec![row], Affine::axis(row))
            }
            None => (Vec::new(), Affine::default()),
        }
    }

    fn lane_loop(&mut self, columns: i64) -> Axis {
        let lane = self.axis(Dim::from(columns));
        self.lanes.insert(lane);
        lane
    }

    /// Sums that nothing was added to yet, and what they start from.
    fn no_sums(&mut self, nested: &Nest<'_>, tile: &Tile, buffers: &[(Buffer, f64)]) -> Vec<Item> {
        let ((rows, row), lane) = (self.row_loop(nested, tile), self.lane_loop(tile.columns));
        let at = self.place_of_sum(nested, tile, &row, &Affine::axis(lane));
        let (mut body, mut stores) = (Vec::new(), Vec::new());
        for &(buffer, start) in buffers {
            let value = self.fresh();
            body.push(Item::Let(value, Expression::Constant(Literal::new(ElementType::F32, start))));
            stores.push(store(buffer, at.clone(), value));
        }
        body.append(&mut stores);
        nest(&[&*nested.outer, &*rows, &[lane]].concat(), body)
    }

    fn fresh(&mut self) -> ValueId {
        self.kernel.values.push(ElementType::F32);
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    /// `count` chunks of `each` pictures from `start` on.
    fn chunks(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        (sum, so_far): (&Sum<'_>, &[SoFar]),
        blocks: &Blocks,
        [count, each, start]: [i64; 3],
    ) -> Vec<Item> {
        // Rows that are looked up keep their axis.
        let alone = each == 1 && count == blocks.pictures;
        let chunk = if alone { sum.fold.axis } else { self.axis(Dim::from(count)) };
        let from = Affine::axis(chunk).times(&Dim::from(each)).offset(&Dim::from(start));
        let starts: Vec<(Buffer, f64)> = so_far.iter().map(|so_far| (so_far.sums, 0.0)).collect();
        let mut body = self.no_sums(nested, tile, &starts);
        body.append(&mut self.added(nested, tile, (sum, so_far), blocks, from, each));

        let ((rows, row), lane) = (self.row_loop(nested, tile), self.lane_loop(tile.columns));
        let at = self.place_of_sum(nested, tile, &row, &Affine::axis(lane));
        let (mut more, mut stores) = (Vec::new(), Vec::new());
        for so_far in so_far {
            let Some(long) = so_far.long else { continue };
            let sum = self.fresh();
            more.push(load(sum, so_far.sums, at.clone()));
            let [mut added, mut stored] = self.add_chunk(long, &at, sum);
            more.append(&mut added);
            stores.append(&mut stored);
        }
        more.append(&mut stores);
        body.append(&mut nest(&[&*nested.outer, &*rows, &[lane]].concat(), more));
        nest(&[chunk], body)
    }

    /// Adds a chunk to the sums of all those before it: what is computed, then what is stored.
    fn add_chunk(&mut self, [sums, excess]: [Buffer; 2], at: &Affine, chunk: ValueId) -> [Vec<Item>; 2] {
        let [sum, too_much, zero] = [0; 3].map(|_| self.fresh());
        let mut all = vec![
            load(sum, sums, at.clone()),
            load(too_much, excess, at.clone()),
            Item::Let(zero, Expression::Constant(Literal::new(ElementType::F32, 0.0))),
        ];
        let (mut added, [next, kept]) = add_compensated(&mut self.kernel, [sum, too_much], chunk, zero);
        all.append(&mut added);
        [all, vec![store(sums, at.clone(), next), store(excess, at.clone(), kept)]]
    }

    /// Adds `count` pictures from `start` on to the chain of each sum.
    fn added(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        (sum, so_far): (&Sum<'_>, &[SoFar]),
        blocks: &Blocks,
        start: Affine,
        count: i64,
    ) -> Vec<Item> {
        match sum.inner {
            Some(inner) if blocks.together == 1 => {
                self.added_lines(nested, tile, (sum, inner, so_far), blocks, start, count)
            }
            _ => {
                let (each, whole) = (blocks.together, count / blocks.together);
                let mut items = Vec::new();
                if whole > 0 {
                    items = self.added_terms(nested, tile, (sum, so_far), blocks, (&start, whole, each));
                }
                let rest = count % each;
                if rest > 0 {
                    let start = start.offset(&Dim::from(whole * each));
                    let last = self.added_terms(nested, tile, (sum, so_far), blocks, (&start, 1, rest));
                    items.append(&mut self.renamed(&last));
                }
                items
            }
        }
    }

    /// `count` blocks of `each` terms from `start` on.
    fn added_terms(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        (sum, so_far): (&Sum<'_>, &[SoFar]),
        blocks: &Blocks,
        (start, count, each): (&Affine, i64, i64),
    ) -> Vec<Item> {
        let (block, term) = (self.axis(Dim::from(count)), self.axis(Dim::from(each)));
        let first = start.plus(&Affine::axis(block).times(&Dim::from(each)));
        let summed = first.plus(&Affine::axis(term));

        let (rows, row) = self.row_loop(nested, tile);
        let strips: Vec<Axis> =
            blocks.strip.map(|width| self.axis(Dim::from(tile.columns / width))).into_iter().collect();
        let width = blocks.strip.unwrap_or(tile.columns);
        let lane = self.lane_loop(width);
        let from =
            strips.first().map_or(Affine::default(), |&strip| Affine::axis(strip).times(&Dim::from(width)));
        let column = from.plus(&Affine::axis(lane));

        let (mut items, mut copied) = (Vec::new(), Vec::new());
        if blocks.strip.is_some() {
            (items, copied) = self.copies(nested, tile, sum, (&first, each, width));
        }
        let index = |at: &Affine| tile.place(nested, at, &row, &column).substitute(sum.fold.axis, &summed);
        let mut body = map_items(&sum.fold.body, &index, &Dim::clone);
        for item in &mut body {
            let Item::Let(value, expression) = item else { continue };
            let Some(copy) = copied.iter().find(|copy| copy.value == *value) else { continue };
            let (outer, inner, size) = match copy.by_strips {
                true => (Affine::axis(term), Affine::axis(lane), width),
                false => (row.clone(), Affine::axis(term), each),
            };
            let outer = match strips.first() {
                Some(&strip) if copy.by_strips => Affine::axis(strip).times(&Dim::from(each)).plus(&outer),
                _ => outer,
            };
            let at = outer.times(&Dim::from(size)).plus(&inner);
            *expression = Expression::Load(copy.buffer, Access::at(at));
        }

        let at = self.place_of_sum(nested, tile, &row, &column);
        let fold = Loop { axis: term, body, accumulators: sum.fold.accumulators.clone() };
        let added = self.going_on(fold, so_far, &at);
        let product = nest(&[&*nested.outer, &*strips, &[lane], &*rows].concat(), added);
        items.extend(product);
        nest(&[block], items)
    }

    /// Copies of what a block of `each` terms from `first` on reads for all rows of a column, or all columns of a row.
    fn copies(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        sum: &Sum<'_>,
        (first, each, width): (&Affine, i64, i64),
    ) -> (Vec<Item>, Vec<Copied>) {
        let (mut items, mut copied) = (Vec::new(), Vec::new());
        for read in sum.reads() {
            let of_row = nested.rows.is_some_and(|rows| read.access.uses(rows.axis));
            let of_column = read.access.uses(nested.wide.axis);
            if of_row == of_column {
                continue;
            }
            let term = self.axis(Dim::from(each));
            let (loops, from, to, size) = if of_column {
                let (strip, lane) = (self.axis(Dim::from(tile.columns / width)), self.lane_loop(width));
                let column = Affine::axis(strip).times(&Dim::from(width)).plus(&Affine::axis(lane));
                let from = tile.place(nested, &read.access.at, &Affine::default(), &column);
                let to = Affine::axis(strip).times(&Dim::from(each)).plus(&Affine::axis(term));
                let to = to.times(&Dim::from(width)).plus(&Affine::axis(lane));
                (vec![term, strip, lane], from, to, tile.columns * each)
            } else {
                let row = self.axis(Dim::from(tile.rows));
                self.lanes.insert(term);
                let from = tile.place(nested, &read.access.at, &Affine::axis(row), &Affine::default());
                let to = Affine::axis(row).times(&Dim::from(each)).plus(&Affine::axis(term));
                (vec![row, term], from, to, tile.rows * each)
            };
            let from = from.substitute(sum.fold.axis, &first.plus(&Affine::axis(term)));
            let (value, element) = (self.value(read.value), self.kernel.element(read.value));
            let buffer = self.scratch.own(&Dim::from(size), element);
            let body = vec![load(value, read.buffer, from), store(buffer, to, value)];
            items.append(&mut nest(&loops, body));
            copied.push(Copied { value: read.value, buffer, by_strips: of_column });
        }
        (items, copied)
    }

    /// A fold that goes on from sums in scratch, and leaves them there.
    fn going_on(&mut self, mut fold: Loop, so_far: &[SoFar], at: &Affine) -> Vec<Item> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (accumulator, so_far) in fold.accumulators.iter_mut().zip(so_far) {
            let [from, result] = [0; 2].map(|_| self.fresh());
            before.push(load(from, so_far.sums, at.clone()));
            after.push(store(so_far.sums, at.clone(), result));
            *accumulator = Accumulator { from: Some(from), result, ..*accumulator };
        }
        [before, vec![Item::Loop(fold)], after].concat()
    }

    /// `count` pictures from `start` on, so many lines of each at once.
    fn added_lines(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        (sum, inner, so_far): (&Sum<'_>, &Loop, &[SoFar]),
        blocks: &Blocks,
        start: Affine,
        count: i64,
    ) -> Vec<Item> {
        // The loop over pictures is outside of the sum, and where there is one for all of them it keeps its axis.
        let pictures = sum.fold.axis;
        let all = extent(&self.kernel, pictures).is(count);
        let keeps = all || start.as_axis() == Some(pictures);
        let mut loops = Vec::new();
        let picture = if keeps {
            loops.extend(all.then_some(pictures));
            Affine::axis(pictures)
        } else {
            let picture = self.axis(Dim::from(count));
            loops.push(picture);
            start.plus(&Affine::axis(picture))
        };

        let lines = extent(&self.kernel, inner.axis).divide(&Dim::from(blocks.lines));
        let (block, within) = (self.axis(lines), self.axis(Dim::from(blocks.lines)));
        loops.push(block);
        let line = Affine::axis(block).times(&Dim::from(blocks.lines)).plus(&Affine::axis(within));

        let ((rows, row), lane) = (self.row_loop(nested, tile), self.lane_loop(tile.columns));
        let column = Affine::axis(lane);
        let index = |at: &Affine| {
            let at = tile.place(nested, at, &row, &column);
            at.substitute(pictures, &picture).substitute(inner.axis, &line)
        };
        let body = map_items(&inner.body, &index, &Dim::clone);
        let fold = Loop { axis: within, accumulators: inner.accumulators.clone(), body };
        let at = self.place_of_sum(nested, tile, &row, &column);
        let added = self.going_on(fold, so_far, &at);
        nest(&[&*loops, &*nested.outer, &[lane], &*rows].concat(), added)
    }

    /// What is done with the whole sums, with lanes along memory.
    fn behind(&mut self, nested: &Nest<'_>, tile: &Tile, all: &[(ValueId, SoFar)]) -> Vec<Item> {
        let (rows, row) = self.row_loop(nested, tile);
        let column = self.axis(Dim::from(tile.columns));
        let along_rows = nested.is_along_rows() && self.target.tile() > 1;
        let loops = match rows.first() {
            Some(&row) if along_rows => [column, row],
            _ => [rows.first().copied().unwrap_or(column), column],
        };
        self.lanes.insert(loops[1]);
        let loops = if rows.is_empty() { &loops[1..] } else { &loops[..] };

        let lane = Affine::axis(column);
        let at = self.place_of_sum(nested, tile, &row, &lane);
        let whole = |so_far: &SoFar| so_far.long.map_or(so_far.sums, |[sums, _]| sums);
        let mut body: Vec<Item> =
            all.iter().map(|(result, so_far)| load(*result, whole(so_far), at.clone())).collect();
        let index = |at: &Affine| tile.place(nested, at, &row, &lane);
        body.append(&mut map_items(&nested.rest, &index, &Dim::clone));
        nest(&[&*nested.outer, loops].concat(), body)
    }
}

impl<'a> Nest<'a> {
    /// The sums in a loop: the lane loop, or parallel ones around it and nothing else.
    fn of(around: &'a Loop, lanes: &BTreeSet<Axis>) -> Option<Nest<'a>> {
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
        (!sums.is_empty()).then_some(Nest { outer, wide, rows, sums, rest })
    }

    fn body(&self) -> &'a [Item] {
        self.rows.map_or(&self.wide.body, |rows| &rows.body)
    }

    /// Whether a sum takes values that are computed beside it, or what is done with the sums looks anything up.
    fn is_mixed(&self) -> bool {
        let set: Set<ValueId> = self
            .rest
            .iter()
            .filter_map(|item| if let Item::Let(value, _) = item { Some(*value) } else { None })
            .chain(self.sums.iter().flat_map(Sum::results))
            .collect();
        let mut mixed = false;
        for sum in &self.sums {
            visit_items(&sum.fold.body, &mut |item| {
                mixed |= match item {
                    Item::Let(_, expression) => expression.operands().iter().any(|value| set.contains(value)),
                    Item::Store(..) => true,
                    Item::Loop(_) => false,
                };
            });
            let operands = sum.fold.accumulators.iter().flat_map(|sum| sum.term.operands());
            mixed |= operands.into_iter().any(|value| set.contains(&value));
        }
        let looks_up = |item: &Item| match item {
            Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => {
                access.row.is_some() || access.by.is_some()
            }
            Item::Let(..) | Item::Loop(_) => false,
        };
        mixed || self.rest.iter().any(looks_up)
    }

    /// Whether what is done with the sums runs along memory from row to row.
    fn is_along_rows(&self) -> bool {
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

impl<'a> Sum<'a> {
    /// A fold of sums that start from nothing and see nothing of each other, or go on with a sum inside.
    fn of(fold: &'a Loop) -> Option<Sum<'a>> {
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

    fn is_product(&self) -> bool {
        self.fold.accumulators.iter().any(|sum| matches!(sum.term, Term::Product(..)))
    }

    fn results(&self) -> impl Iterator<Item = ValueId> + use<'a> {
        self.fold.accumulators.iter().map(|sum| sum.result)
    }

    /// What it loads.
    fn reads(&self) -> Vec<Read<'a>> {
        let mut reads = Vec::new();
        reads_of_fold(self.fold, &mut Vec::new(), &mut reads);
        reads
    }
}

impl Tile {
    /// Which rows and columns the groups of these numbers have.
    fn place_groups(&mut self, [by_row, by_column]: [Axis; 2]) {
        let first = |axis: Axis, groups: i64, each: i64| match groups {
            1 => Affine::default(),
            _ => Affine::axis(axis).times(&Dim::from(each)),
        };
        self.first_row = first(by_row, self.groups[0], self.rows);
        self.first_column = first(by_column, self.groups[1], self.columns);
    }

    /// An index of a sum, as that of a row and a column of this group.
    fn place(&self, nested: &Nest<'_>, at: &Affine, row: &Affine, column: &Affine) -> Affine {
        let at = at.substitute(nested.wide.axis, &self.first_column.plus(column));
        match nested.rows {
            Some(rows) => at.substitute(rows.axis, &self.first_row.plus(row)),
            None => at,
        }
    }
}

/// The greatest divisor of `of` that is at most so much.
fn divisor(of: i64, most: i64) -> i64 {
    (1..=most.clamp(1, of)).rev().find(|part| of % part == 0).unwrap_or(1)
}

/// The same, unless it is less than half of that: then what is left over is one block more.
fn divisor_or(of: i64, most: i64) -> i64 {
    let even = divisor(of, most);
    if 2 * even >= most { even } else { most.min(of) }
}

/// The greatest number of pictures that divides a chunk and the last one.
fn gcd_of(chunk: i64, pictures: i64) -> i64 {
    let (mut a, mut b) = (chunk, pictures % chunk);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
