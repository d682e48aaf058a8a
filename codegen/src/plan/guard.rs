//! What is checked for infinities and NaN before a step changes anything.
//!
//! In: the kernels of an entry in an order that keeps the plan's contract. Out: the same kernels, those that write storages (the
//! *updates*) last, and before them kernels that check the updates' operands. A store to [`Buffer::Watched`] checks a value.
//!
//! The guard stands before the updates. It ends the step, with all storages unchanged, if the loss is not finite or if a new value is
//! certain not to be. Must hold: whatever stops a step there would make an update infinite or NaN. That is certain
//! - of an operand that reaches an update only by sums, products and the like (`certain`): one in the arena is watched where it is stored;
//!   for an input there is a kernel that only checks it;
//! - of an update without sums whose arithmetic may turn finite numbers into others (a quotient, a logarithm): it is computed before
//!   the guard as a trial, which checks the new values and does not store them.
//!
//! What remains is overflow inside an update. It is watched where storages are written: the step then reports that it was not finite
//! after it has been made.
//!
//! # Decisions
//!
//! - The guard watches operands, not gradients: a weight gradient is never stored, so it cannot be checked before the update that
//!   it is part of; and an operand that reaches the update by sums and products alone makes it infinite or NaN with certainty.
//!   Not watched is what the loss shows already, and what a little arithmetic makes of watched values. Watching all that is stored
//!   cost 13 % of 2-50-1 at batch 64, this 4 to 7 % (64 rows of two columns are checked one by one), 1 to 4 % at 784-128-10 and
//!   batch 1, and less than the noise for larger ones.
//! - Small updates are not computed in the arena first, to be checked themselves: copies after the guard cost 2-50-1 at batch 1
//!   5 ns of 67.

use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::is_ordered;
use crate::ir::kernel::{Access, Accumulator, Buffer, Expression, Item, Kernel, Loop, ValueId, nest, store};
use crate::plan::reach::{Run, reaches_all, runs};
use crate::plan::step::Step;
use downhill_graph::dim::Dim;
use downhill_graph::facts::OfFinite;
use downhill_graph::graph::{Graph, Role};
use downhill_graph::hash::{Map, Set};
use std::collections::BTreeSet;

/// Whether a kernel changes storages.
pub(crate) fn writes_storage(kernel: &Kernel) -> bool {
    kernel.accesses().iter().any(|(buffer, _, store)| *store && matches!(buffer, Buffer::Storage(_)))
}

/// Puts the updates last, and before them the kernels that check their operands; adds watches to stores. `arena` holds the bytes of each
/// arena buffer.
pub(crate) fn guard(graph: &Graph, steps: Vec<Step>, arena: &[Dim]) -> Vec<Step> {
    let (mut steps, updates) = updates_last(steps);
    let (mut wanted, mut looks) = (Set::default(), Looks::default());
    // What the updates themselves store does not exist before the guard.
    let late: Set<Buffer> = updates.iter().flat_map(|step| step.touched().1).collect();
    // What a loop carries may well be infinite for a turn: what it has come to is looked at.
    let loops = steps.iter().filter(|step| step.kernel().is_none());
    let by_loops: Set<Buffer> = loops.flat_map(|step| step.touched().1).collect();
    for update in updates.iter().filter_map(Step::kernel) {
        let waits = update
            .accesses()
            .iter()
            .any(|(buffer, _, store)| !store && !is_storage(buffer) && late.contains(buffer));

        // A trial computes the new values, so no operand needs a check of its own.
        if must_be_tried(update) && !waits {
            looks.add(trial(update));
            continue;
        }

        for (buffer, access) in certain(update, &|buffer| is_storage(&buffer)) {
            match buffer {
                Buffer::Arena(n)
                    if reaches_all(update, buffer, access, &arena[n]) && !by_loops.contains(&buffer) =>
                {
                    _ = wanted.insert(buffer)
                }
                Buffer::Input(n) if graph.inputs[n].role == Role::Hyper => {}
                _ if late.contains(&buffer) => {}
                Buffer::Arena(_) | Buffer::Input(_) => looks.add(look(update, buffer, access)),
                _ if by_loops.contains(&buffer) => looks.add(look(update, buffer, access)),
                _ => {}
            }
        }
    }

    let mut watched = uncovered(&steps, wanted, arena);
    watched.extend(updates.iter().flat_map(|step| step.touched().1).filter(is_storage));
    steps.extend(looks.list.into_iter().map(Step::from));
    steps.extend(updates);
    let single = steps.iter_mut().filter(|step| step.repeats.is_empty());
    single.flat_map(|step| &mut step.kernels).for_each(|kernel| watch_stores(kernel, &watched));
    steps
}

/// Whether a kernel reads only what is checked, and has no sums and no functions, so that finite numbers become infinite by overflow
/// alone.
fn is_light(kernel: &Kernel, is_looked_at: &dyn Fn(Buffer) -> bool) -> bool {
    let mut light = true;
    kernel.visit(&mut |item| match item {
        Item::Let(value, Expression::Load(buffer, _)) if kernel.element(*value).is_float() => {
            light &= is_storage(buffer) || is_looked_at(*buffer)
        }
        Item::Let(_, Expression::Unary(function, _)) => {
            light &= function.facts().of_finite == OfFinite::Plain
        }
        Item::Let(_, Expression::Binary(function, ..)) => {
            light &= function.facts().of_finite == OfFinite::Plain
        }
        Item::Let(_, Expression::Random(..)) => light = false,
        Item::Loop(inner) => light &= inner.accumulators.is_empty() && !is_ordered(inner),
        Item::Let(..) | Item::Store(..) => {}
    });
    light
}

/// Of the `wanted` buffers those that must be watched. The others need no watch of their own, because an infinity or NaN in them makes the
/// loss, or a value in a watched buffer, infinite or NaN too. What a little arithmetic makes of watched buffers is not watched either,
/// which would be a good part of the work: only an overflow can come in between, and the updates show it.
fn uncovered(steps: &[Step], wanted: Set<Buffer>, arena: &[Dim]) -> Set<Buffer> {
    let (mut seen, mut watched) = (Set::from_iter([Buffer::Loss]), Set::default());

    // Backwards: the readers of a buffer are seen before the kernel that stores it.
    for step in steps.iter().rev() {
        // What a loop begins with may be infinite, and what it ends with finite.
        let Some(kernel) = step.kernel() else {
            step.touched().1.iter().for_each(|buffer| _ = seen.remove(buffer));
            continue;
        };
        let is_wanted = |buffer: &Buffer| wanted.contains(buffer) && !seen.contains(buffer);
        let open: Vec<Buffer> = stored(kernel).into_iter().filter(is_wanted).collect();
        if is_light(kernel, &|buffer| wanted.contains(&buffer) || seen.contains(&buffer)) {
            continue;
        }

        for buffer in open {
            seen.insert(buffer);
            watched.insert(buffer);
        }
        for (buffer, access) in certain(kernel, &|buffer| seen.contains(&buffer)) {
            if let Buffer::Arena(n) = buffer
                && reaches_all(kernel, buffer, access, &arena[n])
            {
                seen.insert(buffer);
            }
        }
    }
    watched
}

/// Kernels that check values before the guard, each once.
#[derive(Default)]
struct Looks {
    list: Vec<Kernel>,
    known: Set<Kernel>,
}

impl Looks {
    fn add(&mut self, kernel: Kernel) {
        if self.known.insert(kernel.clone()) {
            self.list.push(kernel);
        }
    }
}

/// Adds a watch to each store of a float to these buffers.
fn watch_stores(kernel: &mut Kernel, watched: &Set<Buffer>) {
    let values = std::mem::take(&mut kernel.values);
    let is_watched =
        |buffer: Buffer, value: ValueId| watched.contains(&buffer) && values[value.0 as usize].is_float();
    kernel.body = with_watches(std::mem::take(&mut kernel.body), &is_watched);
    kernel.values = values;
}

fn with_watches(items: Vec<Item>, is_watched: &dyn Fn(Buffer, ValueId) -> bool) -> Vec<Item> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Item::Store(buffer, access, value) if is_watched(buffer, value) => {
                all.push(Item::Store(Buffer::Watched, access.clone(), value));
                all.push(Item::Store(buffer, access, value));
            }
            Item::Loop(inner) => {
                let body = with_watches(inner.body, is_watched);
                all.push(Item::Loop(Loop { body, ..inner }));
            }
            other => all.push(other),
        }
    }
    all
}

/// The buffers that a kernel stores to.
fn stored(kernel: &Kernel) -> Vec<Buffer> {
    kernel.accesses().iter().filter(|(_, _, store)| *store).map(|(buffer, ..)| *buffer).collect()
}

fn is_storage(buffer: &Buffer) -> bool {
    matches!(buffer, Buffer::Storage(_))
}

/// Splits off the updates: steps that write storages, and those that read what one of those stores elsewhere.
fn updates_last(steps: Vec<Step>) -> (Vec<Step>, Vec<Step>) {
    let mut late: BTreeSet<Buffer> = BTreeSet::new();
    let (mut before, mut updates) = (Vec::new(), Vec::new());
    for step in steps {
        let (reads, writes) = step.touched();
        let waits = writes.iter().any(is_storage) || reads.iter().any(|buffer| late.contains(buffer));
        if waits {
            // Readers of a storage run before it is written, so they do not count as waiting for it.
            late.extend(writes.into_iter().filter(|buffer| !is_storage(buffer)));
        }

        if waits { updates.push(step) } else { before.push(step) }
    }
    (before, updates)
}

/// The loads of floats that, when infinite or NaN, make what a kernel stores to the chosen buffers infinite or NaN as well.
fn certain<'k>(kernel: &'k Kernel, stores_to: &dyn Fn(Buffer) -> bool) -> Vec<(Buffer, &'k Access)> {
    let mut values =
        Values { stores_to, open: Vec::new(), expressions: Map::default(), sums: Map::default() };
    values.items(kernel, &kernel.body, &mut Vec::new());
    let Values { mut open, expressions, sums, .. } = values;
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());

    // From the stored values back to the loads, through operations that pass infinities and NaN on.
    while let Some(value) = open.pop() {
        if !kernel.element(value).is_float() || !seen.insert(value) {
            continue;
        }
        match (expressions.get(&value), sums.get(&value)) {
            (Some((Expression::Load(buffer, access), true)), _) => found.push((*buffer, access)),
            (Some((expression, _)), _) => open.extend(passed_on(expression)),
            (None, Some(sum)) => open.extend(summed(sum)),
            (None, None) => {}
        }
    }

    found
}

/// How each value of a kernel is computed.
struct Values<'k, 's> {
    stores_to: &'s dyn Fn(Buffer) -> bool,
    /// Values that are stored to the chosen buffers.
    open: Vec<ValueId>,
    /// Each with whether it is certain to be computed for every element that it loads: no enclosing loop that the load does not depend on
    /// may be empty.
    expressions: Map<ValueId, (&'k Expression, bool)>,
    sums: Map<ValueId, &'k Accumulator>,
}

impl<'k> Values<'k, '_> {
    /// `around` are the axes of the loops around `items` that may have no iteration.
    fn items(&mut self, kernel: &'k Kernel, items: &'k [Item], around: &mut Vec<Axis>) {
        for item in items {
            match item {
                Item::Let(value, expression) => {
                    let reached = match expression {
                        Expression::Load(_, access) => {
                            access.by.is_none() && around.iter().all(|&axis| access.uses(axis))
                        }
                        _ => true,
                    };
                    self.expressions.insert(*value, (expression, reached));
                }
                Item::Store(buffer, _, value) if (self.stores_to)(*buffer) => self.open.push(*value),
                Item::Store(..) => {}
                Item::Loop(inner) => {
                    let runs = kernel.extents[inner.axis.0 as usize].as_constant().is_some_and(|n| n > 0);
                    let before = around.len();
                    around.extend((!runs).then_some(inner.axis));
                    self.items(kernel, &inner.body, around);
                    around.truncate(before);
                    self.sums.extend(inner.accumulators.iter().map(|sum| (sum.result, sum)));
                }
            }
        }
    }
}

/// The operands that, when not finite, make the value not finite, whatever the others are.
fn passed_on(expression: &Expression) -> Vec<ValueId> {
    match *expression {
        Expression::Unary(function, x) if function.facts().hands_on => vec![x],
        Expression::Binary(function, x, y) => {
            let operands = [x, y].into_iter().zip(function.facts().hands_on);
            operands.filter_map(|(operand, hands_on)| hands_on.then_some(operand)).collect()
        }
        _ => Vec::new(),
    }
}

fn summed(sum: &Accumulator) -> Vec<ValueId> {
    if sum.kind.facts().hands_on { sum.term.operands() } else { Vec::new() }
}

/// A kernel that checks all elements that an access reaches, contiguous ones in the innermost loop.
fn look(kernel: &Kernel, buffer: Buffer, access: &Access) -> Kernel {
    let by_row = access.row.map(|(axis, _)| Run::of(kernel, access, axis));
    let all: Vec<Run> = by_row.into_iter().chain(runs(kernel, access).into_iter().rev()).collect();
    let loops: Vec<Axis> = (0..all.len() as u32).map(Axis).collect();

    let (mut at, mut watched_at) = (Affine::default().offset(&access.at.constant), Affine::default());
    for (axis, run) in loops.iter().zip(&all) {
        at = at.plus(&Affine::axis(*axis).times(&run.stride));
        watched_at = watched_at.plus(&Affine::axis(*axis));
    }
    let access = Access { row: access.row.map(|(_, plus)| (Axis(0), plus)), at, by: None };
    let load = Item::Let(ValueId(0), Expression::Load(buffer, access));
    let watch = store(Buffer::Watched, watched_at, ValueId(0));

    Kernel {
        name: format!("{buffer}:look"),
        extents: all.into_iter().map(|run| run.count).collect(),
        values: vec![kernel.element_of(buffer)],
        body: nest(&loops, vec![load, watch]),
    }
}

/// Whether an update has no sums, but arithmetic that can make finite numbers infinite or NaN other than by overflow.
fn must_be_tried(kernel: &Kernel) -> bool {
    let (mut folds, mut risky) = (false, false);
    kernel.visit(&mut |item| match item {
        Item::Let(_, expression) => risky |= is_risky(expression),
        Item::Loop(inner) => folds |= !inner.accumulators.is_empty(),
        Item::Store(..) => {}
    });
    risky && !folds && writes_storage(kernel)
}

/// Whether a value may be infinite or NaN although its operands are finite, other than by overflow. Of what is looked up by index, nothing
/// is known: most of it may never be read.
pub(crate) fn is_risky(expression: &Expression) -> bool {
    match expression {
        Expression::Load(_, access) => access.by.is_some(),
        Expression::Unary(function, _) => function.facts().of_finite == OfFinite::Others,
        Expression::Binary(function, ..) => function.facts().of_finite == OfFinite::Others,
        _ => false,
    }
}

/// The kernel with its new values checked instead of stored.
fn trial(kernel: &Kernel) -> Kernel {
    Kernel { name: format!("{}:try", kernel.name), body: tried(kernel, &kernel.body), ..kernel.clone() }
}

fn tried(kernel: &Kernel, items: &[Item]) -> Vec<Item> {
    let item = |item: &Item| match item {
        Item::Store(Buffer::Storage(_), access, value) if kernel.element(*value).is_float() => {
            Some(Item::Store(Buffer::Watched, access.clone(), *value))
        }
        Item::Store(..) => None,
        Item::Loop(inner) => Some(Item::Loop(Loop { body: tried(kernel, &inner.body), ..inner.clone() })),
        Item::Let(..) => Some(item.clone()),
    };
    items.iter().filter_map(item).collect()
}
