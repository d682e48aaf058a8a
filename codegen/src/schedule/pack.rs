//! Packing: the right operand of a product is copied to panels, which each block of rows then reads contiguously.
//!
//! In: a kernel with the sizes of its variant, and its lane loops, which stand outside the loops over rows. Out: the same kernel. Where
//! it pays, each lane loop is split into strips of columns, and each strip of the right operand is first copied to a *panel*:
//!
//! ```text
//! for strip { for k { for lane { panel[k, lane] = y[k, strip·W + lane] } }  for lane { for row { Σₖ x[row, k]·panel[k, lane] } } }
//! ```
//!
//! Must hold: each sum keeps its chain of additions, so that no bit changes. So the choices made here may depend on sizes and on the
//! target.
//!
//! # Decisions
//!
//! - A right operand that is contiguous along the sum is copied to a panel strip by strip, just before the rows read it, and
//!   transposed in registers. Without the copy every read would be strided; a transposed copy of the whole operand goes through
//!   memory once more. The order of additions is one ascending chain either way.
//! - A contiguous right operand goes to panels too where it has more than 2¹⁹ elements (2¹⁵ where a strip is one line of the
//!   cache wide) and 32 rows or more read it. Each of its rows lies in a page of its own, and every block of rows would fetch
//!   these again: 75 → 100 GFLOP/s at 256×2048×2048; with AVX2, whose strips are 16 columns, 63 → 93 at 128×512×512 and 34 → 69 at
//!   1024×256×2048, as weight gradients. Smaller ones lose by the copy: 110 → 101 at 1024×64×1024.
//! - A small one goes to panels where its rows lie so far apart that the lines of a strip fight for a few sets of the first cache, and 128 rows or
//!   more read it: 128×128 behind 768 rows 85–94 → 96 GFLOP/s, behind 4,096 rows 69–92 → 97 (AMD Zen 3; the copy costs as much as 64 rows gain).
//! - The left operand is relaid ahead where a sum is long (1024 iterations and more, or not known) and the operand is not
//!   contiguous along it; otherwise it is read in place. Each iteration of such a sum reads a page of its own, which every block
//!   of rows and every strip would fetch again: the weight gradient of 1024×1024 at batch 4096 took 290 ms, now 82. At 1024×256×2048 and 2048×256×1000
//!   a copy brings −3 % to +2 %.
//! - A panel that is written in a loop is scratch of each thread. A kernel of several loop nests becomes several kernels. So threads
//!   share the strips, and also the remainder.

use crate::caches::Caches;
use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{
    Access, Buffer, Expression, Item, Kernel, Loop, ValueId, map_items, nest, rename_values, store,
    visit_items,
};
use crate::plan::arena::{ALIGNMENT, Arena};
use crate::schedule::loops::{extent, is_shared, loops, products};
use crate::target::{InstructionSet, Target};
use downhill_graph::dim::Dim;
use downhill_graph::types::ElementType;
use std::collections::BTreeSet;

/// With at least so many rows a copy costs little beside its use.
const MANY_ROWS: i64 = 32;
/// With at least so many columns a copy of all rows costs little, however long the sum.
const MANY_COLUMNS: i64 = 256;
/// With at least so many columns a copy of a left operand pays whose lines fight for a few sets of a cache.
const SOME_COLUMNS: i64 = 64;
/// With at least so many rows a copy of a right operand pays whose lines fight for a few sets of a cache.
const REPAID: i64 = 128;
/// Terms of a sum over a batch whose size is not known.
const SOME_TERMS: i64 = 256;
/// Iterations of a sum, each in a page of its own, that need more translations than the TLB holds.
const LONG: i64 = 1024;

/// Allocates scratch for the kernel at a position of the plan.
pub struct Room<'a> {
    arena: &'a mut Arena,
    position: usize,
    threads: usize,
}

impl<'a> Room<'a> {
    /// Scratch in `arena`, for a kernel that at most so many threads share.
    pub fn new(arena: &'a mut Arena, position: usize, threads: usize) -> Room<'a> {
        Room { arena, position, threads }
    }

    /// How many threads share a kernel at most.
    pub(super) fn threads(&self) -> i64 {
        self.threads as i64
    }

    /// A buffer that all threads share.
    pub(super) fn common(&mut self, elements: &Dim, element: ElementType) -> Buffer {
        Buffer::Arena(self.add(elements, element))
    }

    /// Takes back scratch that is not used after all.
    pub(super) fn free(&mut self, scratch: Buffer) {
        if let Buffer::Scratch(n) = scratch {
            self.arena.sizes[n] = Dim::default();
        }
    }

    /// A buffer of which each thread has its own part.
    pub(super) fn own(&mut self, elements: &Dim, element: ElementType) -> Buffer {
        // Whole cache lines, where the size is known, so that no two threads write to the same line.
        let line = (ALIGNMENT / element.bytes()) as i64;
        let lines = elements
            .as_constant()
            .and_then(|elements| elements.checked_add(line - 1))
            .map(|most| Dim::from(most / line * line));
        let each = lines.as_ref().unwrap_or(elements);
        Buffer::Scratch(self.add(&(each * &Dim::from(self.threads)), element))
    }

    fn add(&mut self, elements: &Dim, element: ElementType) -> usize {
        self.arena.sizes.push(elements * &Dim::from(element.bytes()));
        self.arena.lifetimes.push((self.position, self.position));
        self.arena.sizes.len() - 1
    }
}

/// Packs a kernel. Returns kernels with their lane loops, in the order in which they run: first those that relay operands, then the
/// kernel itself, one for each of its loop nests.
pub fn pack(
    kernel: Kernel,
    lanes: BTreeSet<Axis>,
    target: &Target,
    scratch: Room<'_>,
) -> Vec<(Kernel, BTreeSet<Axis>)> {
    let body = kernel.body.clone();
    let (target, caches) = (target.instructions(), target.caches());
    let mut packing = Packing { kernel, lanes, target, caches, scratch, ahead: Vec::new(), open: Vec::new() };
    packing.kernel.body = packing.items(&body, None);
    let Packing { kernel, lanes, ahead, .. } = packing;

    // Several nests become kernels of their own where packing made them of a single one, or each is a phase of a product.
    let are_phases = || {
        loops(&body).all(|nest| nest.accumulators.is_empty())
            && loops(&body).any(|nest| products(&kernel, nest) > 0)
    };
    let is_apart = nests(&body).is_some_and(|count| count == 1 || are_phases());
    let nests = if is_apart { one_by_one(kernel) } else { vec![kernel] };
    ahead.into_iter().chain(nests.into_iter().map(|kernel| (kernel, lanes.clone()))).collect()
}

/// How many loop nests a body has; `None` where it has anything else, other than values set before them.
fn nests(body: &[Item]) -> Option<usize> {
    let values = body.iter().take_while(|item| matches!(item, Item::Let(..))).count();
    body[values..].iter().all(|item| matches!(item, Item::Loop(_))).then_some(body.len() - values)
}

/// Splits a kernel of values and loop nests into one kernel for each nest, so that threads share each of them.
fn one_by_one(kernel: Kernel) -> Vec<Kernel> {
    let values = kernel.body.iter().take_while(|item| matches!(item, Item::Let(..))).count();
    let (values, nests) = kernel.body.split_at(values);
    let alone =
        |nest: &Item| Kernel { body: [values, std::slice::from_ref(nest)].concat(), ..kernel.clone() };
    nests.iter().map(alone).collect()
}

pub(super) struct Packing<'a> {
    pub(super) kernel: Kernel,
    pub(super) lanes: BTreeSet<Axis>,
    pub(super) target: InstructionSet,
    pub(super) caches: Caches,
    pub(super) scratch: Room<'a>,
    /// Kernels that relay operands; they run first.
    pub(super) ahead: Vec<(Kernel, BTreeSet<Axis>)>,
    /// The loops around what is being packed.
    pub(super) open: Vec<Axis>,
}

/// A load in the sum of a product.
pub(super) struct Read<'a> {
    pub(super) value: ValueId,
    pub(super) buffer: Buffer,
    pub(super) access: &'a Access,
    /// The summed axes that it depends on, outermost first.
    pub(super) summed: Vec<Axis>,
}

impl Packing<'_> {
    /// Packs the items of a body. `around` is the loop around them, unless that is a fold.
    pub(super) fn items(&mut self, items: &[Item], around: Option<Axis>) -> Vec<Item> {
        let mut packed = Vec::new();
        for item in items {
            let Item::Loop(inner) = item else {
                packed.push(item.clone());
                continue;
            };

            if let Some(mut blocks) = self.sums_in_blocks(inner) {
                packed.append(&mut blocks);
            } else if !self.lanes.contains(&inner.axis) {
                let around = inner.accumulators.is_empty().then_some(inner.axis);
                self.open.push(inner.axis);
                let body = self.items(&inner.body, around);
                self.open.pop();
                packed.push(Item::Loop(Loop { body, ..inner.clone() }));
            } else if let Some(mut strips) = self.product(inner) {
                packed.append(&mut strips);
            } else {
                packed.push(Item::Loop(self.relaid_for(inner, around)));
            }
        }
        packed
    }

    /// A lane loop that stays inside a loop over rows: what all rows share, and is strided along the lanes, is relaid ahead.
    fn relaid_for(&mut self, wide: &Loop, around: Option<Axis>) -> Loop {
        let Some(rows) = around else { return wide.clone() };
        let mut relaid = Vec::new();
        for read in reads_of(&wide.body) {
            let strided = !read.access.at.coefficient(wide.axis).is(1);
            if strided
                && is_shared(read.access, wide.axis, rows, &read.summed)
                && !self.is_written(read.buffer)
            {
                let inner: Vec<Axis> = read.summed.iter().copied().chain([wide.axis]).collect();
                relaid.push((read.value, self.relay(&read, &inner)));
            }
        }
        reading(wide, &relaid).unwrap_or_else(|| wide.clone())
    }

    /// The strips of a lane loop around a loop over rows of sums of products; `None` where nothing is packed.
    fn product(&mut self, wide: &Loop) -> Option<Vec<Item>> {
        let [Item::Loop(rows)] = wide.body.as_slice() else { return None };
        if !(wide.accumulators.is_empty() && rows.accumulators.is_empty() && products(&self.kernel, wide) > 0)
        {
            return None;
        }
        if let Some(together) = self.with_lanes_together(wide, rows) {
            return Some(self.product(&together).unwrap_or_else(|| vec![Item::Loop(together)]));
        }
        let relaid = self.with_rows_relaid(wide, rows);
        if let Some(blocks) = relaid.as_ref().and_then(|relaid| self.sums_in_blocks(relaid)) {
            return Some(blocks);
        }
        let wide = relaid.as_ref().unwrap_or(wide);
        let packed = self.narrow_result(wide).or_else(|| self.rows_in_blocks(wide));
        let packed = packed.or_else(|| self.strips(wide));
        packed.or_else(|| relaid.map(|relaid| vec![Item::Loop(relaid)]))
    }

    /// The lane loop with the left operand of a long sum relaid ahead, so that each row is contiguous; `None` where nothing is relaid.
    /// Otherwise each iteration of the sum would read a page of its own, again for every block of rows and every strip.
    fn with_rows_relaid(&mut self, wide: &Loop, rows: &Loop) -> Option<Loop> {
        let mut relaid = Vec::new();
        for read in reads_of(&rows.body) {
            let along = |axis: &Axis| read.access.at.coefficient(*axis).is(1);
            let of_row = read.access.at.coefficient(rows.axis).is(1)
                && read.access.at.coefficient(wide.axis).is(0)
                && read.access.by.is_none()
                && !read.summed.iter().any(along);
            if of_row && self.is_long(&read, wide.axis, rows.axis) && !self.is_written(read.buffer) {
                relaid.push((read.value, self.relay(&read, &read.summed)));
            }
        }

        reading(wide, &relaid)
    }

    /// Whether a sum is long enough for a copy of the left operand to pay. Where its length is known at run time only, whether the copy is
    /// used enough.
    fn is_long(&self, read: &Read<'_>, lane: Axis, rows: Axis) -> bool {
        let [depth, columns, rows] = [
            read.depth(&self.kernel).as_constant(),
            extent(&self.kernel, lane).as_constant(),
            extent(&self.kernel, rows).as_constant(),
        ];

        let columns = columns.unwrap_or(0);
        if columns >= SOME_COLUMNS && self.fights(read, depth) {
            return true;
        }

        match depth {
            Some(depth) => {
                depth >= LONG && columns >= MANY_ROWS && depth * rows.unwrap_or(0) > self.target.near()
            }
            None => columns >= MANY_COLUMNS && rows.is_some_and(|rows| rows >= MANY_ROWS),
        }
    }

    /// Whether the lines that a sum reads one after another, of one row or a few, do not fit beside each other in the first cache, because they
    /// lie so far apart that they belong to few of its sets. A sum of unknown length counts as one of some length.
    fn fights(&self, read: &Read<'_>, depth: Option<i64>) -> bool {
        let [axis] = read.summed[..] else { return false };
        if read.access.row.is_some() {
            return false;
        }
        let bytes = self.kernel.element(read.value).bytes() as u64;
        let stride = read.access.at.coefficient(axis).as_constant().map(i64::unsigned_abs);
        let lines = stride.map(|stride| self.caches.first.lines_apart(stride.saturating_mul(bytes)));
        lines.is_some_and(|lines| depth.unwrap_or(SOME_TERMS) as u64 > lines)
    }

    /// The strips of a product; `None` where its right operand is read in place.
    pub(super) fn strips(&mut self, wide: &Loop) -> Option<Vec<Item>> {
        let [Item::Loop(rows)] = wide.body.as_slice() else { return None };
        let mut reads = reads_of(&rows.body);
        reads.retain(|read| {
            is_shared(read.access, wide.axis, rows.axis, &read.summed)
                && self.pays(read, wide.axis, rows.axis)
        });

        if reads.is_empty() || looks_up(&rows.body, wide.axis) {
            return None;
        }
        let columns = extent(&self.kernel, wide.axis).clone();
        let width = Dim::from(self.width(&columns));

        // Whole strips, then a narrower one for the remainder.
        let whole = columns.divide(&width);
        let rest = &columns - &(&whole * &width);

        let mut strips = Vec::new();
        if whole.is(1) {
            strips.append(&mut self.strip(wide, &reads, None, &Affine::default(), &width));
        } else if !whole.is(0) {
            let axis = self.axis(whole.clone());
            let start = Affine::axis(axis).times(&width);
            let body = self.strip(wide, &reads, Some(axis), &start, &width);
            strips.append(&mut nest(&[axis], body));
        }

        if !rest.is(0) {
            let start = Affine::default().offset(&(&whole * &width));
            let last = self.strip(wide, &reads, None, &start, &rest);

            // Both bodies come from the same loop: the second needs values of its own.
            strips.append(&mut if strips.is_empty() { last } else { self.renamed(&last) });
        }
        Some(strips)
    }

    /// Adds a kernel that copies an operand ahead of this one; in the copy the axes `inner` lie innermost. Returns where it is read then.
    pub(super) fn relay(&mut self, read: &Read<'_>, inner: &[Axis]) -> (Buffer, Access) {
        let used = read.access.at.terms.keys().copied().chain(read.access.row.map(|(axis, _)| axis));
        let outer: BTreeSet<Axis> = used.filter(|axis| !inner.contains(axis)).collect();
        let axes: Vec<Axis> = outer.into_iter().chain(inner.iter().copied()).collect();
        let extents: Vec<Dim> = axes.iter().map(|axis| extent(&self.kernel, *axis).clone()).collect();

        let renamed =
            |axis: Axis| axes.iter().position(|known| *known == axis).map_or(axis, |n| Axis(n as u32));
        let terms = read.access.at.terms.iter().map(|(axis, c)| (renamed(*axis), c.clone())).collect();
        let from = Access {
            row: read.access.row.map(|(axis, plus)| (renamed(axis), plus)),
            at: Affine { constant: read.access.at.constant.clone(), terms },
            by: None,
        };
        let places: Vec<Affine> = axes.into_iter().map(Affine::axis).collect();
        let at = in_order(&places, &extents);
        (self.copied_ahead(read, from, extents), Access::at(at))
    }

    /// Adds a kernel ahead of this one that copies what a read reads, as an access over the axes 0, 1, … of these extents. In the copy they lie in
    /// their order, the last one innermost, along which its lanes are.
    pub(super) fn copied_ahead(&mut self, read: &Read<'_>, from: Access, extents: Vec<Dim>) -> Buffer {
        let mut loops: Vec<Axis> = (0..extents.len() as u32).map(Axis).collect();
        let places: Vec<Affine> = loops.iter().copied().map(Affine::axis).collect();
        let (to, lanes) =
            (Access::at(in_order(&places, &extents)), loops.last().copied().into_iter().collect());

        // What it is contiguous along stands around the lanes: tiles are then transposed in registers.
        if let Some(along) = loops.iter().position(|axis| from.at.coefficient(*axis).is(1))
            && along + 1 < loops.len()
        {
            let along = loops.remove(along);
            loops.insert(loops.len() - 1, along);
        }

        let element = self.kernel.element(read.value);
        let elements = extents.iter().fold(Dim::from(1), |product, extent| &product * extent);
        let buffer = self.scratch.common(&elements, element);
        let body = vec![
            Item::Let(ValueId(0), Expression::Load(read.buffer, from)),
            Item::Store(buffer, to, ValueId(0)),
        ];
        let name = format!("{}:relaid", self.kernel.name);
        let copy = Kernel { name, extents, values: vec![element], body: nest(&loops, body) };
        self.ahead.push((copy, lanes));
        buffer
    }

    /// True for strided reads, and for those of an operand too large for the cache: a strip of it spans as many pages as the sum has
    /// iterations, and each block of rows would fetch them again. True too where the lines of a strip fight for a few sets of the first cache,
    /// and many rows would fetch them again.
    pub(super) fn pays(&self, read: &Read<'_>, lane: Axis, rows: Axis) -> bool {
        if !read.access.at.coefficient(lane).is(1) {
            return true;
        }
        let depth = read.depth(&self.kernel);
        let rows = extent(&self.kernel, rows).as_constant();
        let elements = (&depth * extent(&self.kernel, lane)).as_constant();
        let is_far = elements.is_some_and(|elements| elements > self.target.near());
        let fights = || depth.as_constant().is_some_and(|depth| self.fights(read, Some(depth)));
        is_far && rows.is_none_or(|rows| rows >= MANY_ROWS)
            || rows.is_some_and(|rows| rows >= REPAID) && fights()
    }

    /// Columns of a strip: as many as a block of registers holds, fewer where that leaves no remainder or a wider last strip.
    pub(super) fn width(&self, columns: &Dim) -> i64 {
        let (lanes, most) = self.target.block_columns();
        let Some(columns) = columns.as_constant() else { return lanes * most };
        if columns <= lanes * most {
            return columns.max(1);
        }
        let fits = |vectors: &i64| columns % (lanes * vectors) == 0;
        let strips = (columns as u64).div_ceil((lanes * most) as u64);
        let even = (columns as u64).div_ceil(lanes as u64).div_ceil(strips) as i64;
        // A strip of half as many vectors reads nearly twice as much for each sum.
        lanes * (most - 1..=most).rev().filter(|vectors| 2 * vectors > most).find(fits).unwrap_or(even)
    }

    /// A strip of `width` columns from `start` on, which is one of many where it has a `number`. Its panels are made just before it; ahead of
    /// the whole kernel where loops around it would make the same ones again.
    fn strip(
        &mut self,
        wide: &Loop,
        reads: &[Read<'_>],
        number: Option<Axis>,
        start: &Affine,
        width: &Dim,
    ) -> Vec<Item> {
        let stays = |read: &Read<'_>| !self.open.iter().any(|&axis| read.access.uses(axis));
        let is_ahead =
            !self.open.is_empty() && reads.iter().all(|read| stays(read) && !self.is_written(read.buffer));

        let sizes = reads.iter().map(|read| &read.depth(&self.kernel) * width);
        let each = sizes.fold(Dim::default(), |sum, size| &sum + &size);
        // What is packed together is multiplied together, so it has one type.
        let element = reads.first().map_or(ElementType::F32, |read| self.kernel.element(read.value));
        let (panels, first) = match number {
            Some(axis) if is_ahead => {
                let all = &each * extent(&self.kernel, axis);
                (self.scratch.common(&all, element), Affine::axis(axis).times(&each))
            }
            None if is_ahead || self.open.is_empty() => {
                (self.scratch.common(&each, element), Affine::default())
            }
            // Inside a loop, whose iterations threads may share, each thread has its own.
            Some(_) | None => (self.scratch.own(&each, element), Affine::default()),
        };

        let lane = self.axis(width.clone());
        self.lanes.insert(lane);
        let columns = start.plus(&Affine::axis(lane));
        let (mut packed, mut copies) = (Vec::new(), Vec::new());
        let mut at = first;
        for read in reads {
            copies.append(&mut self.copy(read, wide.axis, start, width, (panels, &at)));
            let access = Access::at(read.in_panel(&self.kernel, lane, width, &at));
            packed.push((read.value, (panels, access)));
            at = at.offset(&(&read.depth(&self.kernel) * width));
        }

        let body = map_items(&wide.body, &|at| at.substitute(wide.axis, &columns), &Dim::clone);
        let body = replace_loads(&body, &packed);
        let product = nest(&[lane], body);
        if !is_ahead {
            return [copies, product].concat();
        }
        let copies = nest(number.as_slice(), copies);
        let name = format!("{}:packed", self.kernel.name);
        self.ahead.push((Kernel { name, body: copies, ..self.kernel.clone() }, self.lanes.clone()));
        product
    }

    /// Whether the kernel itself writes a buffer, which then cannot be copied ahead of it.
    pub(super) fn is_written(&self, buffer: Buffer) -> bool {
        self.kernel.accesses().iter().any(|(other, _, store)| *store && *other == buffer)
    }

    /// The loop nest that fills a panel, which begins at an index of its buffer.
    fn copy(
        &mut self,
        read: &Read<'_>,
        columns: Axis,
        start: &Affine,
        width: &Dim,
        (panels, first): (Buffer, &Affine),
    ) -> Vec<Item> {
        let lane = self.axis(width.clone());
        self.lanes.insert(lane);
        let mut from = read.access.clone();
        let mut to = read.in_panel(&self.kernel, lane, width, first);
        from.at = from.at.substitute(columns, &start.plus(&Affine::axis(lane)));

        // The axis along which the operand is contiguous goes innermost.
        let mut order = read.summed.clone();
        order.sort_by_key(|axis| read.access.at.coefficient(*axis).is(1));
        let mut axes = vec![lane];
        for axis in order.iter().rev() {
            let fresh = self.axis(extent(&self.kernel, *axis).clone());
            from.at = from.at.substitute(*axis, &Affine::axis(fresh));
            from.row = from.row.map(|(row, plus)| (if row == *axis { fresh } else { row }, plus));
            to = to.substitute(*axis, &Affine::axis(fresh));
            axes.push(fresh);
        }

        let value = self.value(read.value);
        let body = vec![Item::Let(value, Expression::Load(read.buffer, from)), store(panels, to, value)];
        axes.reverse();
        nest(&axes, body)
    }

    /// The items with fresh values, because a kernel sets each value once.
    pub(super) fn renamed(&mut self, items: &[Item]) -> Vec<Item> {
        let mut set = BTreeSet::new();
        values_set(items, &mut set);
        let first = self.kernel.values.len() as u32;
        for value in &set {
            self.value(*value);
        }
        let name = |value: ValueId| match set.iter().position(|known| *known == value) {
            Some(index) => ValueId(first + index as u32),
            None => value,
        };
        rename_values(items, &name)
    }

    pub(super) fn axis(&mut self, iterations: Dim) -> Axis {
        self.kernel.extents.push(iterations);
        Axis(self.kernel.extents.len() as u32 - 1)
    }

    /// A new value of the type of another.
    pub(super) fn value(&mut self, like: ValueId) -> ValueId {
        self.kernel.values.push(self.kernel.element(like));
        ValueId(self.kernel.values.len() as u32 - 1)
    }
}

impl Read<'_> {
    /// Iterations of the sum.
    pub(super) fn depth(&self, kernel: &Kernel) -> Dim {
        self.summed.iter().fold(Dim::from(1), |product, axis| &product * extent(kernel, *axis))
    }

    /// Its index in a panel that begins at `first`.
    fn in_panel(&self, kernel: &Kernel, lane: Axis, width: &Dim, first: &Affine) -> Affine {
        let mut at = Affine::default();
        for axis in &self.summed {
            at = at.times(extent(kernel, *axis)).plus(&Affine::axis(*axis));
        }
        at.times(width).plus(&Affine::axis(lane)).plus(first)
    }
}

/// True when `axis` looks up rows of an input: a lookup takes the counter of one axis, so that axis cannot be split into strips.
pub(super) fn looks_up(items: &[Item], axis: Axis) -> bool {
    let mut found = false;
    visit_items(items, &mut |item| {
        if let Item::Let(_, Expression::Load(_, Access { row: Some((row, _)), .. })) = item {
            found |= *row == axis;
        }
    });
    found
}

/// Loads of the sums in a body.
pub(super) fn reads_of(items: &[Item]) -> Vec<Read<'_>> {
    let mut reads = Vec::new();
    reads_within(items, &mut Vec::new(), &mut reads);
    reads
}

fn reads_within<'a>(items: &'a [Item], sums: &mut Vec<Axis>, reads: &mut Vec<Read<'a>>) {
    for fold in loops(items).filter(|inner| !inner.accumulators.is_empty()) {
        reads_of_fold(fold, sums, reads);
    }
}

/// The loads of a sum inside of others.
pub(super) fn reads_of_fold<'a>(fold: &'a Loop, sums: &mut Vec<Axis>, reads: &mut Vec<Read<'a>>) {
    sums.push(fold.axis);
    for item in &fold.body {
        if let Item::Let(value, Expression::Load(buffer, access)) = item {
            let used = |axis: &&Axis| {
                !access.at.coefficient(**axis).is(0) || access.row.is_some_and(|(row, _)| row == **axis)
            };
            let summed = sums.iter().filter(used).copied().collect();
            reads.push(Read { value: *value, buffer: *buffer, access, summed });
        }
    }
    reads_within(&fold.body, sums, reads);
    sums.pop();
}

/// Where indices along dimensions of these extents lie among each other, the last one innermost.
pub(super) fn in_order(places: &[Affine], extents: &[Dim]) -> Affine {
    places.iter().zip(extents).fold(Affine::default(), |at, (place, extent)| at.times(extent).plus(place))
}

/// A loop with some loads replaced by loads from elsewhere; `None` without any.
pub(super) fn reading(around: &Loop, replaced: &[(ValueId, (Buffer, Access))]) -> Option<Loop> {
    let loads = || Loop { body: replace_loads(&around.body, replaced), ..around.clone() };
    (!replaced.is_empty()).then(loads)
}

/// The items with some loads replaced by loads from elsewhere.
fn replace_loads(items: &[Item], replaced: &[(ValueId, (Buffer, Access))]) -> Vec<Item> {
    let load = |item: &Item| match item {
        Item::Let(value, _) => match replaced.iter().find(|(known, _)| known == value) {
            Some((_, (buffer, access))) => Item::Let(*value, Expression::Load(*buffer, access.clone())),
            None => item.clone(),
        },
        Item::Loop(inner) => Item::Loop(Loop { body: replace_loads(&inner.body, replaced), ..inner.clone() }),
        other => other.clone(),
    };
    items.iter().map(load).collect()
}

fn values_set(items: &[Item], set: &mut BTreeSet<ValueId>) {
    for item in items {
        match item {
            Item::Let(value, _) => _ = set.insert(*value),
            Item::Store(..) => {}
            Item::Loop(inner) => {
                values_set(&inner.body, set);
                set.extend(inner.accumulators.iter().flat_map(|a| [a.result].into_iter().chain(a.inside)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::Cache;
    use crate::ir::kernel::{Accumulator, Term};
    use downhill_graph::op::Reduction;
    use downhill_graph::types::ElementType;

    /// `input0[m, k] · input1`, whose element `[k, n]` lies at `right`; its lane loop stands outside.
    fn product([m, k, n]: [i64; 3], right: &dyn Fn(&Affine, &Affine) -> Affine) -> Kernel {
        let [row, sum, lane] = [0, 1, 2].map(Axis);
        let axis = |axis| Affine::axis(axis);
        let load = |value, input, at| {
            Item::Let(ValueId(value), Expression::Load(Buffer::Input(input), Access::at(at)))
        };
        let term = Term::Product(ValueId(0), ValueId(1));
        let fold = Loop {
            axis: sum,
            accumulators: vec![Accumulator::new(Reduction::Sum, ValueId(2), term)],
            body: vec![
                load(0, 0, axis(row).times(&Dim::from(k)).plus(&axis(sum))),
                load(1, 1, right(&axis(sum), &axis(lane))),
            ],
        };
        let at = axis(row).times(&Dim::from(n)).plus(&axis(lane));
        let store = Item::Store(Buffer::Output(0), Access::at(at), ValueId(2));
        let rows = Loop { axis: row, accumulators: Vec::new(), body: vec![Item::Loop(fold), store] };
        let body =
            vec![Item::Loop(Loop { axis: lane, accumulators: Vec::new(), body: vec![Item::Loop(rows)] })];
        let extents = [m, k, n].map(Dim::from).to_vec();
        Kernel { name: "z".into(), extents, values: vec![ElementType::F32; 3], body }
    }

    /// For a second cache of 1 MiB.
    fn packed(kernel: &Kernel) -> (Vec<(Kernel, BTreeSet<Axis>)>, Arena) {
        let second = Cache { bytes: 1 << 20, ways: 16 };
        packed_for(kernel, InstructionSet::Avx512, Caches { second, ..Caches::default() })
    }

    fn packed_for(
        kernel: &Kernel,
        instructions: InstructionSet,
        caches: Caches,
    ) -> (Vec<(Kernel, BTreeSet<Axis>)>, Arena) {
        let mut arena = Arena::default();
        let scratch = Room::new(&mut arena, 3, 2);
        let target = Target::new("x86_64-unknown-linux-gnu".parse().expect("a machine"), instructions);
        let target = target.expect("a target that code can be made for").with_caches(caches);
        (pack(kernel.clone(), BTreeSet::from([Axis(2)]), &target, scratch), arena)
    }

    /// Caches of 1 KiB and of 16 KiB.
    fn small() -> Caches {
        let cache = |bytes| Cache { bytes, ways: 4 };
        Caches { first: cache(1 << 10), second: cache(16 << 10) }
    }

    fn text(kernels: &[(Kernel, BTreeSet<Axis>)]) -> String {
        for (kernel, _) in kernels {
            assert_eq!(crate::ir::verify::verify(kernel), Vec::<String>::new(), "{kernel}");
        }
        kernels.iter().map(|(kernel, _)| kernel.to_string()).collect()
    }

    #[test]
    fn many_rows_go_block_by_block_past_panels_that_are_made_once() {
        let kernel = product([200, 40, 32], &|sum, lane| lane.times(&Dim::from(40)).plus(sum));
        let (kernels, arena) = packed_for(&kernel, InstructionSet::Avx2, small());
        let text = text(&kernels);
        let blocks = "  for i3 in 0..4
    for i5 in 0..2
      for i6 in 0..16
        for i4 in 0..48
          for i1 in 0..40
            v0 = input0[i1 + 1920*i3 + 40*i4]
            v1 = arena0[16*i1 + 640*i5 + i6]
            v2 = Sum v0 * v1
          output0[1536*i3 + 32*i4 + 16*i5 + i6] = v2
";
        assert!(text.contains(blocks), "{text}");
        assert!(text.starts_with("kernel z:packed\n  for i5 in 0..2\n"), "{text}");
        assert!(text.contains("for i9 in 0..8\n"), "the rows left:\n{text}");
        // All panels, which every block of rows reads; for the rows left, a panel of each thread.
        assert_eq!(arena.sizes[0], Dim::from(2 * 40 * 16 * 4));
    }

    #[test]
    fn long_sums_go_block_by_block_and_start_from_what_they_have_come_to() {
        // The rows of the left operand lie next to each other, as those of a gradient.
        let mut kernel = product([30, 512, 64], &|sum, lane| sum.times(&Dim::from(64)).plus(lane));
        let turned = Affine::axis(Axis(0)).plus(&Affine::axis(Axis(1)).times(&Dim::from(30)));
        kernel.body = replace_loads(&kernel.body, &[(ValueId(0), (Buffer::Input(0), Access::at(turned)))]);
        let caches = Caches { second: Cache { bytes: 64 << 10, ways: 4 }, ..small() };
        let (kernels, arena) = packed_for(&kernel, InstructionSet::Avx2, caches);
        let text = text(&kernels);
        let sums = "        for i10 in 0..2
          for i11 in 0..16
            for i9 in 0..30
              v6 = scratch0[32*i9 + 16*i10 + i11]
              for i8 in 0..64
                v0 = scratch1[i8 + 64*i9]
                v1 = scratch2[16*i8 + 1024*i10 + i11]
                v7 = Sum v0 * v1 from v6
              scratch0[32*i9 + 16*i10 + i11] = v7
";
        assert!(text.contains(sums), "{text}");
        let end = "      for i17 in 0..30
        for i18 in 0..32
          v2 = scratch0[32*i17 + i18]
          output0[32*i4 + 64*i17 + i18] = v2
";
        assert!(text.ends_with(end), "{text}");
        // For each of two threads the sums, and a block of either operand.
        assert_eq!(arena.sizes, [2 * 30 * 32 * 4, 2 * 30 * 64 * 4, 2 * 64 * 32 * 4].map(Dim::from));
    }

    #[test]
    fn strided_columns_go_to_panels_and_the_remainder_to_a_narrower_one() {
        let kernel = product([5, 7, 100], &|sum, lane| lane.times(&Dim::from(7)).plus(sum));
        let (kernels, arena) = packed(&kernel);
        let text = "kernel z
  for i3 in 0..2
    for i6 in 0..7
      for i5 in 0..48
        v3 = input1[336*i3 + 7*i5 + i6]
        scratch0[i5 + 48*i6] = v3
    for i4 in 0..48
      for i0 in 0..5
        for i1 in 0..7
          v0 = input0[7*i0 + i1]
          v1 = scratch0[48*i1 + i4]
          v2 = Sum v0 * v1
        output0[100*i0 + 48*i3 + i4] = v2
kernel z
  for i9 in 0..7
    for i8 in 0..4
      v8 = input1[7*i8 + i9 + 672]
      arena1[i8 + 4*i9] = v8
kernel z
  for i7 in 0..4
    for i0 in 0..5
      for i1 in 0..7
        v5 = input0[7*i0 + i1]
        v6 = arena1[4*i1 + i7]
        v7 = Sum v5 * v6
      output0[100*i0 + i7 + 96] = v7
";
        let found: String = kernels.iter().map(|(kernel, _)| kernel.to_string()).collect();
        assert_eq!(found, text);
        assert_eq!(kernels[0].1, [2, 4, 5, 7, 8].map(Axis).into());
        // A panel of the strips for each of two threads, one of the rest for both.
        assert_eq!(arena.sizes, [2 * 4 * 7 * 48, 4 * 7 * 4].map(Dim::from));
        assert_eq!(arena.lifetimes, [(3, 3), (3, 3)]);
    }

    #[test]
    fn strips_leave_no_remainder_where_they_can() {
        let (kernels, _) = packed(&product([5, 7, 64], &|sum, lane| lane.times(&Dim::from(7)).plus(sum)));
        assert!(kernels[0].0.to_string().starts_with("kernel z\n  for i3 in 0..2\n"), "two strips of 32");
        let (kernels, _) = packed(&product([5, 7, 40], &|sum, lane| lane.times(&Dim::from(7)).plus(sum)));
        assert!(
            kernels[0].0.to_string().starts_with("kernel z\n  for i5 in 0..7\n"),
            "no loop over one strip"
        );
    }

    #[test]
    fn neighbouring_columns_stay_where_they_are_unless_they_are_many() {
        let along = |n: i64| move |sum: &Affine, lane: &Affine| sum.times(&Dim::from(n)).plus(lane);
        for (sizes, copied) in [([64, 512, 512], false), ([64, 1024, 2048], true), ([8, 1024, 2048], false)] {
            let kernel = product(sizes, &along(sizes[2]));
            let (kernels, arena) = packed(&kernel);
            assert_eq!(kernels[0].0 != kernel, copied, "{sizes:?}");
            assert_eq!(arena.sizes.len(), usize::from(copied), "{sizes:?}");
        }
    }
}
