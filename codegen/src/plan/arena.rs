//! The order of kernels, and the layout of memory.
//!
//! In: kernels in an order of evaluation. Out: a [`Plan`]: the kernels in an order that also keeps the contract below, and the arena.
//!
//! # The aliasing contract
//!
//! - Every kernel of a step sees the storages as they were before the step. So a kernel that writes a storage runs after every other
//!   kernel that reads it. The new value takes a *detour* through the arena, and a copy at the end of the step moves it, where two
//!   kernels would wait for each other, and where a kernel reads elements of a storage other than the one it writes in that iteration.
//! - Storages are written after the loss is stored, and after everything that the new values depend on was checked: see
//!   [`crate::plan::guard`].
//! - Two arena buffers overlap only if their lifetimes do not. Different buffers of one kernel never overlap.
//! - Inputs, storages, outputs and the arena are distinct memory.

use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Buffer, Expression, Item, Kernel, ValueId, load, nest, store};
use crate::plan::guard::{guard, is_risky};
use crate::plan::order::{Next, Queue, storage, touched};
use crate::plan::step::{Repeat, Step};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, bug};
use downhill_graph::hash::Set;
use downhill_graph::types::{ElementType, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Kernels in the order in which they run.
#[derive(Debug)]
pub struct Plan {
    /// The kernels.
    pub kernels: Vec<Kernel>,
    /// Those that run again and again: loops around consecutive kernels, inner ones first.
    pub repeats: Vec<Repeat>,
    /// Sizes and lifetimes of the arena's buffers.
    pub arena: Arena,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kernel in &self.kernels {
            write!(f, "{kernel}")?;
        }
        for (number, kernel) in self.kernels.iter().enumerate() {
            writeln!(f, "{number}: {}", kernel.name)?;
        }
        for Repeat { kernels, turns, moves } in &self.repeats {
            writeln!(f, "kernels {} to {} run {turns} times", kernels.start, kernels.end - 1)?;
            for (buffer, by) in moves {
                writeln!(f, "  {buffer} at {} + {} a turn", by.first, by.by)?;
            }
        }
        let Arena { sizes, lifetimes } = &self.arena;
        for (number, (size, (first, last))) in sizes.iter().zip(lifetimes).enumerate() {
            writeln!(f, "arena{number}: {size} bytes, kernels {first} to {last}")?;
        }
        Ok(())
    }
}

/// Bytes to which every buffer is aligned.
pub const ALIGNMENT: usize = 64;

/// Orders steps and finds the lifetimes of arena buffers. `arena` holds the bytes of each.
pub(crate) fn plan(graph: &Graph, steps: Vec<Step>, mut arena: Vec<Dim>) -> Plan {
    let read: Set<Buffer> = steps.iter().flat_map(|step| step.touched().0).collect();
    let diverted = |kernel: &Kernel| {
        let all = [
            overtaken(kernel),
            beside_loss(kernel),
            beside_others(kernel, &read),
            of_risky_sums(kernel),
            of_sums_by_index(kernel),
        ];
        all.into_iter().flatten().collect()
    };
    let ordered = ordered(graph, steps, &mut arena, &diverted);
    let guarded = guard(graph, ordered, &arena);

    let (mut kernels, mut repeats) = (Vec::new(), Vec::new());
    for Step { kernels: own, repeats: around } in guarded {
        repeats.extend(around.into_iter().map(|repeat| repeat.behind(kernels.len())));
        kernels.extend(own);
    }
    let arena = drop_unread(&mut kernels, &mut repeats, &arena);
    Plan { kernels, repeats, arena }
}

/// The steps of one turn of a loop in their order. What the loop carries are the graph's storages: each turn sees them as they were
/// before it.
pub(crate) fn turn(graph: &Graph, steps: Vec<Step>, arena: &mut Vec<Dim>) -> Vec<Step> {
    let diverted =
        |kernel: &Kernel| [overtaken(kernel), of_sums_by_index(kernel)].into_iter().flatten().collect();
    ordered(graph, steps, arena, &diverted)
}

/// The steps in an order in which each kernel sees the storages as they were. A new value of a storage that `diverted` names takes a
/// detour; its copies come last.
fn ordered(
    graph: &Graph,
    mut steps: Vec<Step>,
    arena: &mut Vec<Dim>,
    diverted: &dyn Fn(&Kernel) -> BTreeSet<usize>,
) -> Vec<Step> {
    let mut copies: Vec<Kernel> = Vec::new();
    for kernel in steps.iter_mut().filter(|step| step.repeats.is_empty()).flat_map(|step| &mut step.kernels) {
        for storage in diverted(kernel) {
            detour(graph, kernel, storage, arena, &mut copies);
        }
    }
    let mut ordered = order(graph, steps, arena, &mut copies);
    ordered.extend(copies.into_iter().map(Step::from));
    ordered
}

/// Storages that a kernel writes and of which it reads any element other than the one it writes in the same iteration.
fn overtaken(kernel: &Kernel) -> BTreeSet<usize> {
    let accesses = kernel.accesses();
    let written = |buffer: Buffer| {
        accesses.iter().filter(move |(b, _, store)| *store && *b == buffer).map(|(_, access, _)| *access)
    };
    let apart = |(buffer, access, store): &(Buffer, &Access, bool)| {
        !store && written(*buffer).any(|target| target != *access)
    };
    accesses.iter().filter(|access| apart(access)).filter_map(|(buffer, _, _)| storage(*buffer)).collect()
}

/// Storages that a kernel writes together with the loss: the guard has not yet checked whether that is finite.
fn beside_loss(kernel: &Kernel) -> BTreeSet<usize> {
    let writes = touched(kernel).1;
    if writes.contains(&Buffer::Loss) {
        writes.into_iter().filter_map(storage).collect()
    } else {
        BTreeSet::new()
    }
}

/// Storages that a kernel without loops writes together with values that other kernels read, for example a count of steps beside the
/// rates that depend on it. With the storage diverted it can run before the guard, and so can all that read those values.
fn beside_others(kernel: &Kernel, read: &Set<Buffer>) -> BTreeSet<usize> {
    let writes = touched(kernel).1;
    let has_loop = kernel.body.iter().any(|item| matches!(item, Item::Loop(_)));
    let serves = |buffer: &Buffer| matches!(buffer, Buffer::Arena(_)) && read.contains(buffer);
    if has_loop || !writes.iter().any(serves) {
        return BTreeSet::new();
    }
    writes.into_iter().filter_map(storage).collect()
}

/// Storages that a kernel writes whose sums have terms that may be infinite or NaN although their operands are finite: the slope of a
/// root, a quotient. Only the sum shows that, so it is computed before the guard.
fn of_risky_sums(kernel: &Kernel) -> BTreeSet<usize> {
    let storages: BTreeSet<usize> = touched(kernel).1.into_iter().filter_map(storage).collect();
    if !storages.is_empty() && has_risky_sum(&kernel.body, false) { storages } else { BTreeSet::new() }
}

/// Storages that a kernel writes beside sums that it makes in memory: only when all is added do those show whether they are finite.
fn of_sums_by_index(kernel: &Kernel) -> BTreeSet<usize> {
    let is_sum = |buffer: &Buffer| !matches!(buffer, Buffer::Storage(_));
    let accesses = kernel.accesses();
    let adds = accesses.iter().any(|(buffer, access, store)| *store && access.by.is_some() && is_sum(buffer));
    if adds { touched(kernel).1.into_iter().filter_map(storage).collect() } else { BTreeSet::new() }
}

fn has_risky_sum(items: &[Item], in_sum: bool) -> bool {
    items.iter().any(|item| match item {
        Item::Let(_, expression) => in_sum && is_risky(expression),
        Item::Store(..) => false,
        Item::Loop(inner) => has_risky_sum(&inner.body, in_sum || !inner.accumulators.is_empty()),
    })
}

/// Sends a storage's new value through the arena.
fn detour(
    graph: &Graph,
    kernel: &mut Kernel,
    storage: usize,
    arena: &mut Vec<Dim>,
    copies: &mut Vec<Kernel>,
) {
    let ty = &graph.storages[storage].ty;
    arena.push(ty.bytes());
    let detour = Buffer::Arena(arena.len() - 1);
    redirect(&mut kernel.body, Buffer::Storage(storage), detour);
    copies.push(copy(&graph.storages[storage].name, ty.element, &ty.shape, detour, Buffer::Storage(storage)));
}

fn redirect(items: &mut [Item], from: Buffer, to: Buffer) {
    for item in items {
        match item {
            Item::Store(buffer, _, _) if *buffer == from => *buffer = to,
            Item::Loop(inner) => redirect(&mut inner.body, from, to),
            _ => {}
        }
    }
}

/// Copies all of a value.
pub(crate) fn copy(name: &str, element: ElementType, shape: &Shape, from: Buffer, to: Buffer) -> Kernel {
    let at = Affine::axis(Axis(0));
    let body = vec![load(ValueId(0), from, at.clone()), store(to, at, ValueId(0))];
    Kernel {
        name: format!("{name}:copy"),
        extents: vec![shape.size()],
        values: vec![element],
        body: nest(&[Axis(0)], body),
    }
}

/// Orders steps so that readers of a storage come before its writer; stays close to the given order.
fn order(graph: &Graph, steps: Vec<Step>, arena: &mut Vec<Dim>, copies: &mut Vec<Kernel>) -> Vec<Step> {
    let mut queue = Queue::new(steps.iter().map(Step::touched));
    let mut waiting: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let mut done: Vec<Step> = Vec::with_capacity(waiting.len());

    while let Some(next) = queue.next() {
        match next {
            Next::Run(step) => done.extend(waiting[step].take()),
            Next::Divert(step, storage) => {
                for kernel in waiting[step].iter_mut().flat_map(|step| &mut step.kernels) {
                    detour(graph, kernel, storage, arena, copies);
                }
            }
        }
    }

    if queue.left() > 0 {
        bug("kernels wait for each other");
    }
    done
}

/// Removes stores to arena buffers that nothing loads, renumbers the others and finds their lifetimes.
fn drop_unread(kernels: &mut [Kernel], repeats: &mut [Repeat], sizes: &[Dim]) -> Arena {
    let mut lifetimes: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (position, kernel) in kernels.iter().enumerate() {
        for (buffer, _, store) in kernel.accesses() {
            if let (Buffer::Arena(n), false) = (buffer, store) {
                lifetimes.entry(n).or_insert((position, position)).1 = position;
            }
        }
    }

    // A lifetime begins with the first store.
    for (position, kernel) in kernels.iter_mut().enumerate() {
        keep_stores(&mut kernel.body, &mut |n| {
            let lifetime = lifetimes.get_mut(&n);
            lifetime.map(|lifetime| lifetime.0 = lifetime.0.min(position)).is_some()
        });
    }

    // What lives beyond a loop lives in all of its turns.
    for Repeat { kernels, .. } in &*repeats {
        for (first, last) in lifetimes.values_mut() {
            let is_within = kernels.contains(first) && kernels.contains(last);
            let meets = *first < kernels.end && *last >= kernels.start;
            if meets && !is_within {
                (*first, *last) = ((*first).min(kernels.start), (*last).max(kernels.end - 1));
            }
        }
    }

    let numbers: BTreeMap<usize, usize> =
        lifetimes.keys().enumerate().map(|(new, &old)| (old, new)).collect();
    kernels.iter_mut().for_each(|kernel| renumber(&mut kernel.body, &numbers));
    for repeat in repeats {
        let unread = |buffer: &Buffer| matches!(buffer, Buffer::Arena(n) if !numbers.contains_key(n));
        repeat.moves.retain(|buffer, _| !unread(buffer));
        *repeat = repeat.renamed(&|buffer| match buffer {
            Buffer::Arena(n) => Buffer::Arena(numbers[&n]),
            other => other,
        });
    }
    Arena {
        sizes: lifetimes.keys().map(|&n| sizes[n].clone()).collect(),
        lifetimes: lifetimes.into_values().collect(),
    }
}

fn keep_stores(items: &mut Vec<Item>, wanted: &mut dyn FnMut(usize) -> bool) {
    items.retain_mut(|item| match item {
        Item::Store(Buffer::Arena(n), _, _) => wanted(*n),
        Item::Loop(inner) => {
            keep_stores(&mut inner.body, wanted);
            !(inner.body.is_empty() && inner.accumulators.is_empty())
        }
        _ => true,
    });
}

fn renumber(items: &mut [Item], numbers: &BTreeMap<usize, usize>) {
    for item in items {
        match item {
            Item::Let(_, Expression::Load(Buffer::Arena(n), _)) | Item::Store(Buffer::Arena(n), _, _) => {
                *n = numbers[n]
            }
            Item::Loop(inner) => renumber(&mut inner.body, numbers),
            _ => {}
        }
    }
}

/// With more buffers, one order of laying them out must do: the time of each grows with their square.
const MOST_TRIED: usize = 1024;

/// Where the arena's buffers lie, for known sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Byte offset of each buffer.
    pub offsets: Vec<i64>,
    /// Bytes of the whole arena.
    pub bytes: usize,
}

/// The memory of intermediate values.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    /// Bytes of each buffer.
    pub sizes: Vec<Dim>,
    /// First and last kernel that uses each buffer.
    pub lifetimes: Vec<(usize, usize)>,
}

impl Arena {
    /// Whether two different buffers may share memory: only arena buffers whose lifetimes are disjoint.
    pub(crate) fn may_overlap(&self, x: Buffer, y: Buffer) -> bool {
        let (Buffer::Arena(x) | Buffer::Scratch(x), Buffer::Arena(y) | Buffer::Scratch(y)) = (x, y) else {
            return false;
        };
        let (x, y) = (self.lifetimes[x], self.lifetimes[y]);
        x.1 < y.0 || y.1 < x.0
    }

    /// Lays the buffers out, each at the lowest offset where it overlaps no buffer of an overlapping lifetime: the largest first, and, where that
    /// leaves gaps, those that live longest, are most of both, or begin first or end last. The smallest arena wins, the first of equals. `None` when `sizes` leaves a
    /// symbol unknown, or where a size is beyond what memory can hold.
    pub fn layout(&self, sizes: &Bindings) -> Option<Layout> {
        let bytes = self.sizes.iter().map(|size| {
            usize::try_from(size.evaluate(sizes).ok()?).ok()?.checked_next_multiple_of(ALIGNMENT)
        });
        let bytes: Vec<usize> = bytes.collect::<Option<_>>()?;

        let length = |buffer: usize| self.lifetimes[buffer].1 - self.lifetimes[buffer].0 + 1;
        let keys: [&dyn Fn(usize) -> u128; 5] = [
            &|buffer| bytes[buffer] as u128,
            &|buffer| bytes[buffer] as u128 * length(buffer) as u128,
            &|buffer| length(buffer) as u128,
            &|buffer| u128::MAX - self.lifetimes[buffer].0 as u128,
            &|buffer| self.lifetimes[buffer].1 as u128,
        ];
        let mut best = self.laid_out(&bytes, keys[0])?;
        let worst = self.worst_moment(&bytes);
        for key in &keys[1..] {
            if best.bytes <= worst || bytes.len() > MOST_TRIED {
                break;
            }
            best = self.laid_out(&bytes, key).filter(|other| other.bytes < best.bytes).unwrap_or(best);
        }
        Some(best)
    }

    /// What lives at the worst moment: no arena is smaller.
    fn worst_moment(&self, bytes: &[usize]) -> usize {
        let moments = self.lifetimes.iter().map(|lifetime| lifetime.1 + 2).max().unwrap_or(0);
        let mut changes = vec![0_i128; moments];
        for ((first, last), bytes) in self.lifetimes.iter().zip(bytes) {
            changes[*first] += *bytes as i128;
            changes[last + 1] -= *bytes as i128;
        }
        let (mut live, mut most) = (0, 0);
        for change in changes {
            live += change;
            most = most.max(live);
        }
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// The layout of buffers in the order of `key`, the greatest first.
    fn laid_out(&self, bytes: &[usize], key: &dyn Fn(usize) -> u128) -> Option<Layout> {
        let mut order: Vec<usize> = (0..bytes.len()).collect();
        order.sort_by_key(|&buffer| (std::cmp::Reverse(key(buffer)), buffer));

        // Those laid out so far, by offset: (offset, buffer).
        let mut placed: Vec<(usize, usize)> = Vec::with_capacity(bytes.len());
        let mut offsets = vec![0_i64; bytes.len()];
        let mut total = 0;

        for buffer in order {
            let (first, last) = self.lifetimes[buffer];
            let mut offset = 0_usize;

            // The first gap between buffers that are alive at the same time, from offset 0 up.
            for &(start, other) in &placed {
                if self.lifetimes[other].0 > last || first > self.lifetimes[other].1 {
                    continue;
                }
                if offset.checked_add(bytes[buffer])? <= start {
                    break;
                }
                offset = offset.max(start + bytes[other]);
            }

            total = total.max(offset.checked_add(bytes[buffer])?);
            offsets[buffer] = i64::try_from(offset).ok()?;
            placed.insert(placed.partition_point(|known| *known <= (offset, buffer)), (offset, buffer));
        }

        i64::try_from(total).ok()?;
        Some(Layout { offsets, bytes: total })
    }
}
