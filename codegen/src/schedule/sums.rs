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
//! - What a sum takes of values beside it, such as a channel's mean, is loaded and computed again for each block. So the sums of a norm's gradient
//!   are added block by block: four sums over three values of 32 channels at 8,192 places 273 → 209 µs, of 16 channels at 32,768 404 → 297.
//! - Lines of fewer than eight terms are added so many at once that the second cache holds them: the gradient of 32→64 4×4 by 2 on 14², batch 64,
//!   whose lines have seven, was not added block by block, and copied each picture's windows: 6.7 → 3.4 ms.
//! - What all rows share and is strided along the lanes is relaid ahead, since a block of lines is read in place: the gradient of a transposed
//!   convolution by its input, 128→64 4×4 on 7×7, batch 64, 139 → 14 ms.
//! - Groups are those that read least: of 512×512 sums, which are 1 MB, four groups of 256×256 read each operand twice; groups of all rows
//!   and few columns read one of them eight times.

use super::pack::{Packing, Read, reading, reads_of_fold};
use super::sum_blocks::Blocks;
use super::sum_nest::{Nest, Sum, Tile};
use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::add_compensated;
use crate::ir::kernel::{
    Access, Accumulator, Buffer, Expression, Item, Loop, ValueId, load, map_items, nest, store,
};
use crate::schedule::loops::extent;
use downhill_graph::dim::Dim;
use downhill_graph::types::{ElementType, Literal};

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
        if let Some(relaid) = self.with_columns_relaid(around, &nested) {
            return Some(self.items(&[Item::Loop(relaid)], None));
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

    /// The loop with what all rows share relaid ahead, where it is strided along the lanes: a block of it would be read one element after another;
    /// `None` where nothing is.
    fn with_columns_relaid(&mut self, around: &Loop, nested: &Nest<'_>) -> Option<Loop> {
        let mut relaid = Vec::new();
        for read in nested.sums.iter().flat_map(Sum::reads) {
            let by_lane = read.access.at.coefficient(nested.wide.axis);
            let of_rows = nested.rows.is_some_and(|rows| read.access.uses(rows.axis));
            let is_shared = !of_rows && !nested.outer.iter().any(|axis| read.access.uses(*axis));
            let is_looked_up = read.access.row.is_some() || read.access.by.is_some();
            // Of one row alone each element is read once, and what windows read would be written once for each of them.
            let is_used = nested.rows.is_some() && !self.is_of_windows(&read);
            if !by_lane.is(0) && !by_lane.is(1) && is_shared && is_used && !is_looked_up {
                let inner: Vec<Axis> = read.summed.iter().copied().chain([nested.wide.axis]).collect();
                relaid.push((read.value, self.relay(&read, &inner)));
            }
        }
        reading(around, &relaid)
    }

    /// Whether the loops that a read depends on have more iterations than there are elements that it reaches.
    fn is_of_windows(&self, read: &Read<'_>) -> bool {
        let (mut iterations, mut reach) = (1_i64, 1_i64);
        for (axis, by) in read.access.at.terms.iter() {
            let turns = extent(&self.kernel, *axis).as_constant().unwrap_or(i64::MAX);
            let by = by.as_constant().map_or(0, i64::abs);
            iterations = iterations.saturating_mul(turns);
            reach = reach.saturating_add(by.saturating_mul(turns.saturating_sub(1).max(0)));
        }
        iterations > reach
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
        let block = self.axis(Dim::from(count));
        let first = start.plus(&Affine::axis(block).times(&Dim::from(each)));
        let index = |at: &Affine, term: &Affine| at.substitute(sum.fold.axis, &first.plus(term));
        let added = self.block(nested, tile, (sum.fold, so_far), (blocks.strip, each), &index);
        nest(&[block], added)
    }

    /// A block of `each` iterations of a fold, for all rows and columns of a group; its operands are copied first where there is a width of
    /// strips. `index` is an index in the iteration that it is given.
    fn block(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        (fold, so_far): (&Loop, &[SoFar]),
        (strip, each): (Option<i64>, i64),
        index: &dyn Fn(&Affine, &Affine) -> Affine,
    ) -> Vec<Item> {
        let term = self.axis(Dim::from(each));
        let (rows, row) = self.row_loop(nested, tile);
        let strips: Vec<Axis> =
            strip.map(|width| self.axis(Dim::from(tile.columns / width))).into_iter().collect();
        let width = strip.unwrap_or(tile.columns);
        let lane = self.lane_loop(width);
        let number = strips.first().map_or(Affine::default(), |&strip| Affine::axis(strip));
        let column = number.times(&Dim::from(width)).plus(&Affine::axis(lane));

        let (mut items, mut copied) = (Vec::new(), Vec::new());
        if strip.is_some() {
            (items, copied) = self.copies(nested, tile, fold, (each, width), index);
        }
        let within = |at: &Affine| index(&tile.place(nested, at, &row, &column), &Affine::axis(term));
        let mut body = map_items(&fold.body, &within, &Dim::clone);
        for item in &mut body {
            let Item::Let(value, expression) = item else { continue };
            let Some(copy) = copied.iter().find(|copy| copy.value == *value) else { continue };
            let at = match copy.by_strips {
                true => in_panel(&number, (&Affine::axis(term), each), (&Affine::axis(lane), width)),
                false => row.times(&Dim::from(each)).plus(&Affine::axis(term)),
            };
            *expression = Expression::Load(copy.buffer, Access::at(at));
        }

        let at = self.place_of_sum(nested, tile, &row, &column);
        let fold = Loop { axis: term, body, accumulators: fold.accumulators.clone() };
        let of_group = |at: &Affine| tile.place(nested, at, &row, &column);
        let mut added = map_items(&nested.beside, &of_group, &Dim::clone);
        added.append(&mut self.going_on(fold, so_far, &at));
        if !nested.beside.is_empty() {
            added = self.renamed(&added);
        }
        items.extend(nest(&[&*nested.outer, &*strips, &[lane], &*rows].concat(), added));
        items
    }

    /// Copies of what a block of `each` iterations reads for all rows of a column, or all columns of a row.
    fn copies(
        &mut self,
        nested: &Nest<'_>,
        tile: &Tile,
        fold: &Loop,
        (each, width): (i64, i64),
        index: &dyn Fn(&Affine, &Affine) -> Affine,
    ) -> (Vec<Item>, Vec<Copied>) {
        let (mut items, mut copied) = (Vec::new(), Vec::new());
        let mut reads = Vec::new();
        reads_of_fold(fold, &mut Vec::new(), &mut reads);
        for read in reads {
            let of_row = nested.rows.is_some_and(|rows| read.access.uses(rows.axis));
            let of_column = read.access.uses(nested.wide.axis);
            if of_row == of_column {
                continue;
            }
            let axis = self.axis(Dim::from(each));
            let term = Affine::axis(axis);
            let (loops, [row, column], to, size) = if of_column {
                let (strip, lane) = (self.axis(Dim::from(tile.columns / width)), self.lane_loop(width));
                let (number, lane_of) = (Affine::axis(strip), Affine::axis(lane));
                let column = number.times(&Dim::from(width)).plus(&lane_of);
                let to = in_panel(&number, (&term, each), (&lane_of, width));
                (vec![axis, strip, lane], [Affine::default(), column], to, tile.columns * each)
            } else {
                let row = self.axis(Dim::from(tile.rows));
                self.lanes.insert(axis);
                let to = Affine::axis(row).times(&Dim::from(each)).plus(&term);
                (vec![row, axis], [Affine::axis(row), Affine::default()], to, tile.rows * each)
            };
            let from = index(&tile.place(nested, &read.access.at, &row, &column), &term);
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
        let block = self.axis(lines);
        loops.push(block);
        let index = |at: &Affine, line: &Affine| {
            let line = Affine::axis(block).times(&Dim::from(blocks.lines)).plus(line);
            at.substitute(pictures, &picture).substitute(inner.axis, &line)
        };
        let added = self.block(nested, tile, (inner, so_far), (blocks.strip, blocks.lines), &index);
        nest(&loops, added)
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

/// Where a term of a strip's lane lies among panels, one for each strip.
fn in_panel(strip: &Affine, (term, terms): (&Affine, i64), (lane, width): (&Affine, i64)) -> Affine {
    strip.times(&Dim::from(terms)).plus(term).times(&Dim::from(width)).plus(lane)
}
