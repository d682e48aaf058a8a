//! Loop nests made simple: fewer loops, and folds that are one sequence.
//!
//! In: a kernel as it was built, before its sizes are fixed. Out: the same kernel,
//! - loops that walk through memory as one loop would, *collapsed* to it: `[batch, time, features]` is a matrix of `batch · time` rows,
//!   and what is contiguous has one axis;
//! - folds over several axes *continued*: the inner loop starts from what the outer one has come to;
//! - folds beside each other over as many iterations *merged*, where they read the same: a mean and a mean of squares read once.
//!
//! Must hold: the order of additions is chosen here and later looks at no size. Every decision is made on dims as they stand in the
//! declaration, so all variants share it.

use crate::ir::affine::{Affine, Axis};
use crate::ir::chain::{CHAIN, is_ordered, terms};
use crate::ir::kernel::{
    Access, Accumulator, Buffer, Expression, Item, Kernel, Loop, Term, ValueId, map_items, rename_values,
    visit_items,
};
use downhill_graph::dim::Dim;
use downhill_graph::hash::Set;
use std::collections::BTreeSet;

/// A loop folds so many values at most after others were merged into it: each wants registers of its own.
const MOST_FOLDS: usize = 4;
/// Lanes beyond which combining them costs little.
const LONG: i64 = 512;

/// The kernel with simple nests.
pub(crate) fn simplify(mut kernel: Kernel) -> Kernel {
    let body = std::mem::take(&mut kernel.body);
    let body = each_loop(&mut kernel, body, &mut collapsed);
    let body = merge_items(&kernel, body);
    kernel.body = each_loop(&mut kernel, body, &mut continued);
    kernel
}

/// The items with every loop changed, the inner before the outer.
fn each_loop(
    kernel: &mut Kernel,
    items: Vec<Item>,
    change: &mut dyn FnMut(&mut Kernel, Loop) -> Loop,
) -> Vec<Item> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(match item {
            Item::Loop(outer) => {
                let body = each_loop(kernel, outer.body, change);
                Item::Loop(change(kernel, Loop { body, ..outer }))
            }
            Item::Let(..) | Item::Store(..) => item,
        });
    }
    all
}

/// A loop and the one that is its whole body, as one loop over the inner one's axis.
fn collapsed(kernel: &mut Kernel, outer: Loop) -> Loop {
    let [Item::Loop(inner)] = outer.body.as_slice() else { return outer };
    let extents = [outer.axis, inner.axis].map(|axis| kernel.extents[axis.0 as usize].clone());
    if !(is_one_fold(&outer, inner) && is_one_walk(inner, outer.axis, &extents[1])) {
        return outer;
    }

    kernel.extents[inner.axis.0 as usize] = &extents[0] * &extents[1];
    let accumulators = inner.accumulators.iter().map(|accumulator| {
        let by = |outer: &&Accumulator| outer.term == Term::Value(accumulator.result);
        let result = outer.accumulators.iter().find(by).map_or(accumulator.result, |outer| outer.result);
        Accumulator { result, ..*accumulator }
    });
    let nothing = Affine::default();
    Loop {
        axis: inner.axis,
        accumulators: accumulators.collect(),
        body: map_items(&inner.body, &|at| at.substitute(outer.axis, &nothing), &Dim::clone),
    }
}

/// The kernel with each fold that goes on with the one around as one loop with it, where both walk through memory as one. Sizes and layouts may
/// be known by now: only what is one chain of additions anyhow is changed, so no bit is. Loops over lanes stay.
pub(crate) fn collapse_chains(mut kernel: Kernel, lanes: &BTreeSet<Axis>) -> Kernel {
    let body = std::mem::take(&mut kernel.body);
    kernel.body = each_loop(&mut kernel, body, &mut |kernel, outer| one_chain(kernel, outer, lanes));
    kernel
}

fn one_chain(kernel: &mut Kernel, outer: Loop, lanes: &BTreeSet<Axis>) -> Loop {
    let [Item::Loop(inner)] = outer.body.as_slice() else { return outer };
    let goes_on = |(around, within): (&Accumulator, &Accumulator)| {
        around.term == Term::Next(within.result) && around.inside.is_some() && around.inside == within.from
    };
    let are_one = !outer.accumulators.is_empty()
        && outer.accumulators.len() == inner.accumulators.len()
        && outer.accumulators.iter().zip(&inner.accumulators).all(goes_on)
        && ![outer.axis, inner.axis].iter().any(|axis| lanes.contains(axis));
    let iterations = kernel.extents[inner.axis.0 as usize].clone();
    let is_short = terms(kernel, &outer).is_some_and(|terms| terms <= CHAIN);
    if !(are_one && is_short && is_one_walk(inner, outer.axis, &iterations)) {
        return outer;
    }

    // An axis of its own: other loops may run over the inner one's.
    let axis = Axis(kernel.extents.len() as u32);
    kernel.extents.push(&kernel.extents[outer.axis.0 as usize] * &iterations);
    let pairs = outer.accumulators.iter().zip(&inner.accumulators);
    let accumulators =
        pairs.map(|(around, within)| Accumulator { from: around.from, result: around.result, ..*within });
    let walk = |at: &Affine| {
        at.substitute(outer.axis, &Affine::default()).substitute(inner.axis, &Affine::axis(axis))
    };
    Loop { axis, accumulators: accumulators.collect(), body: map_items(&inner.body, &walk, &Dim::clone) }
}

/// Whether both loops fold nothing, or the outer one just what the inner one has folded, in the same way.
fn is_one_fold(outer: &Loop, inner: &Loop) -> bool {
    let plain = |accumulator: &Accumulator| accumulator.from.is_none() && accumulator.inside.is_none();
    let folds = |outer: &Accumulator| {
        let of = |inner: &&Accumulator| outer.term == Term::Value(inner.result) && outer.kind == inner.kind;
        inner.accumulators.iter().filter(of).count() == 1
    };
    let is_folded = |inner: &Accumulator| {
        let by = |outer: &&Accumulator| outer.term == Term::Value(inner.result);
        outer.accumulators.iter().filter(by).count() == 1
    };
    outer.accumulators.len() == inner.accumulators.len()
        && inner.accumulators.iter().all(is_folded)
        && outer.accumulators.iter().all(|accumulator| plain(accumulator) && folds(accumulator))
        && inner.accumulators.iter().all(plain)
}

/// Whether a step of the outer loop goes just as far as all steps of the inner one.
fn is_one_walk(inner: &Loop, outer: Axis, iterations: &Dim) -> bool {
    let fits = |at: &Affine| at.coefficient(outer) == &at.coefficient(inner.axis) * iterations;
    let reaches = |access: &Access| {
        fits(&access.at) && access.row.is_none_or(|(axis, _)| axis != outer && axis != inner.axis)
    };
    let mut fit = true;
    visit_items(&inner.body, &mut |item| {
        fit &= match item {
            Item::Let(_, Expression::Load(_, access)) | Item::Store(_, access, _) => reaches(access),
            Item::Let(_, Expression::Index(at) | Expression::Random(_, at)) => fits(at),
            Item::Let(..) | Item::Loop(_) => true,
        }
    });
    fit
}

/// The kernel with the lane loop of a fold over several axes outermost among them: each lane then has a chain of its own over the other
/// axes, and lanes are combined once. A long lane loop stays where it is: combining its lanes costs little, and memory is read in order.
pub(crate) fn put_lanes_first(mut kernel: Kernel, lanes: &BTreeSet<Axis>) -> Kernel {
    let body = std::mem::take(&mut kernel.body);
    kernel.body = each_loop(&mut kernel, body, &mut |kernel, outer| with_lanes_first(kernel, outer, lanes));
    kernel
}

/// A lane loop starts from nothing, so a fold never goes on within one: the two change places, or each fold is one of its own.
fn with_lanes_first(kernel: &mut Kernel, mut outer: Loop, lanes: &BTreeSet<Axis>) -> Loop {
    for at in 0..outer.accumulators.len() {
        let Term::Next(value) = outer.accumulators[at].term else { continue };
        let Some((inner, place)) = fold_of(&mut outer.body, value) else { continue };
        if lanes.contains(&inner.axis) {
            inner.accumulators[place].from = None;
            outer.accumulators[at].inside = None;
            outer.accumulators[at].term = Term::Value(value);
        }
    }

    let Some((Item::Loop(inner), values)) = outer.body.split_last() else { return outer };
    let is_short = kernel.extents[inner.axis.0 as usize].as_constant().is_some_and(|lanes| lanes < LONG);
    let is_nest = !outer.accumulators.is_empty()
        && lanes.contains(&inner.axis)
        && values.iter().all(|item| matches!(item, Item::Let(..)))
        && is_one_fold(&outer, inner);
    if !(is_nest && is_short) {
        return outer;
    }
    let body = [values, &inner.body].concat();
    let inside = Loop { axis: outer.axis, accumulators: inner.accumulators.clone(), body };
    let lane = inner.axis;
    continued(kernel, Loop { axis: lane, body: vec![Item::Loop(inside)], ..outer })
}

/// A fold whose inner folds start from what it has come to, as far as a chain is not too long for it.
fn continued(kernel: &mut Kernel, mut outer: Loop) -> Loop {
    for at in 0..outer.accumulators.len() {
        let accumulator = outer.accumulators[at];
        let Term::Value(value) = accumulator.term else { continue };
        if accumulator.inside.is_some() || uses(&outer, value) != 1 {
            continue;
        }
        let Some((inner, place)) = fold_of(&mut outer.body, value) else { continue };
        let is_short = terms(kernel, inner).is_some_and(|terms| terms <= CHAIN);
        let folded = &mut inner.accumulators[place];
        if is_short && folded.from.is_none() && folded.kind == accumulator.kind {
            kernel.values.push(kernel.element(value));
            let so_far = ValueId(kernel.values.len() as u32 - 1);
            folded.from = Some(so_far);
            outer.accumulators[at] =
                Accumulator { inside: Some(so_far), term: Term::Next(value), ..accumulator };
        }
    }
    outer
}

/// The loop among items whose fold a value is, and which of its folds.
fn fold_of(items: &mut [Item], value: ValueId) -> Option<(&mut Loop, usize)> {
    items.iter_mut().find_map(|item| match item {
        Item::Loop(inner) => {
            let place = inner.accumulators.iter().position(|accumulator| accumulator.result == value)?;
            Some((inner, place))
        }
        Item::Let(..) | Item::Store(..) => None,
    })
}

/// How often a loop uses a value.
fn uses(around: &Loop, value: ValueId) -> usize {
    let mut count = folded(around).filter(|used| *used == value).count();
    visit_items(&around.body, &mut |item| {
        count += match item {
            Item::Let(_, expression) => {
                expression.operands().into_iter().filter(|used| *used == value).count()
            }
            Item::Store(_, access, stored) => {
                usize::from(*stored == value) + usize::from(access.by == Some(value))
            }
            Item::Loop(inner) => folded(inner).filter(|used| *used == value).count(),
        }
    });
    count
}

/// What a loop's accumulators take.
fn folded(inner: &Loop) -> impl Iterator<Item = ValueId> {
    inner.accumulators.iter().flat_map(Accumulator::operands)
}

/// The items with the values first that need no loop among them, as far as no loop stores what they may read: they stand between loops that
/// could be one. Those behind a single loop stay there.
fn values_first(items: Vec<Item>) -> Vec<Item> {
    if items.iter().filter(|item| matches!(item, Item::Loop(_))).count() < 2 {
        return items;
    }
    let (mut behind, mut stores) = (Set::default(), false);
    visit_items(&items, &mut |item| {
        if let Item::Loop(inner) = item {
            behind.extend(inner.accumulators.iter().map(|accumulator| accumulator.result));
            stores |= inner.body.iter().any(|item| matches!(item, Item::Store(..)));
        }
    });
    if stores {
        return items;
    }
    let mut is_first = |item: &Item| {
        let Item::Let(value, expression) = item else { return false };
        let waits = expression.operands().iter().any(|operand| behind.contains(operand));
        if waits {
            behind.insert(*value);
        }
        !waits
    };
    let (mut first, mut rest): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| is_first(item));
    first.append(&mut rest);
    first
}

fn merge_items(kernel: &Kernel, items: Vec<Item>) -> Vec<Item> {
    let mut merged: Vec<Item> = Vec::new();
    for item in values_first(items) {
        let Item::Loop(next) = item else {
            merged.push(item);
            continue;
        };
        let body = merge_items(kernel, next.body);
        let next = Loop { body, ..next };
        match (0..merged.len()).find(|&at| can_join(kernel, &merged[at..], &next)) {
            Some(at) => {
                let Item::Loop(first) = &mut merged[at] else { continue };
                join(first, next);
            }
            None => merged.push(Item::Loop(next)),
        }
    }
    merged
}

/// Whether a fold may run within the first of the items, which stand before it, and reads something that is read there.
fn can_join(kernel: &Kernel, before: &[Item], next: &Loop) -> bool {
    let Item::Loop(first) = &before[0] else { return false };
    let extent = |inner: &Loop| &kernel.extents[inner.axis.0 as usize];
    let both_fold = [first, next].iter().all(|fold| !fold.accumulators.is_empty() && !is_ordered(fold));
    let few = first.accumulators.len() + next.accumulators.len() <= MOST_FOLDS;
    if !(both_fold && few && extent(first) == extent(next)) {
        return false;
    }

    let (mut set, mut written) = (Set::default(), Set::default());
    visit_items(before, &mut |item| match item {
        Item::Let(value, _) => _ = set.insert(*value),
        Item::Store(buffer, ..) => _ = written.insert(*buffer),
        Item::Loop(inner) => set.extend(inner.accumulators.iter().map(|accumulator| accumulator.result)),
    });
    let (needed, loads) = taken(next);
    let stores = next.body.iter().any(|item| matches!(item, Item::Store(..)));
    let renamed = |at: &Affine| at.substitute(next.axis, &Affine::axis(first.axis));
    let shares = |load: &(Buffer, Access)| {
        let at = Access { at: renamed(&load.1.at), ..load.1.clone() };
        first.body.iter().any(|item| match item {
            Item::Let(_, Expression::Load(buffer, access)) => (*buffer, access) == (load.0, &at),
            _ => false,
        })
    };
    !stores
        && needed.is_disjoint(&set)
        && loads.iter().all(|(buffer, access)| {
            !written.contains(buffer) && access.row.is_none_or(|(axis, _)| axis != next.axis)
        })
        && loads.iter().any(shares)
}

/// The values that a fold takes from outside, and what it loads.
fn taken(fold: &Loop) -> (Set<ValueId>, Vec<(Buffer, Access)>) {
    let (mut used, mut own, mut loads) = (Set::default(), Set::default(), Vec::new());
    used.extend(folded(fold));
    visit_items(&fold.body, &mut |item| match item {
        Item::Let(value, expression) => {
            own.insert(*value);
            used.extend(expression.operands());
            if let Expression::Load(buffer, access) = expression {
                loads.push((*buffer, access.clone()));
            }
        }
        Item::Store(_, access, value) => used.extend(access.by.into_iter().chain([*value])),
        Item::Loop(inner) => {
            used.extend(folded(inner));
            own.extend(inner.accumulators.iter().map(|accumulator| accumulator.result));
        }
    });
    (used.difference(&own).copied().collect(), loads)
}

/// Runs a fold within another one. What both load is loaded once.
fn join(first: &mut Loop, next: Loop) {
    let axis = Affine::axis(first.axis);
    let body = map_items(&next.body, &|at| at.substitute(next.axis, &axis), &Dim::clone);

    let mut twice: Vec<(ValueId, ValueId)> = Vec::new();
    for item in body {
        let same = |known: &Item| match (known, &item) {
            (
                Item::Let(value, Expression::Load(buffer, access)),
                Item::Let(_, Expression::Load(other, at)),
            ) => ((buffer, access) == (other, at)).then_some(*value),
            _ => None,
        };
        match (&item, first.body.iter().find_map(same)) {
            (Item::Let(value, _), Some(known)) => twice.push((*value, known)),
            _ => first.body.push(item),
        }
    }

    let name =
        |value: ValueId| twice.iter().find(|(second, _)| *second == value).map_or(value, |(_, first)| *first);
    first.accumulators.extend(next.accumulators);
    let whole = rename_values(&[Item::Loop(first.clone())], &name);
    if let Some(Item::Loop(renamed)) = whole.into_iter().next() {
        *first = renamed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::verify::verify;
    use downhill_graph::op::Reduction;
    use downhill_graph::types::ElementType;

    fn at(terms: &[(u32, Dim)]) -> Access {
        let part = |(axis, by): &(u32, Dim)| Affine::axis(Axis(*axis)).times(by);
        Access::at(terms.iter().map(part).fold(Affine::default(), |sum, next| sum.plus(&next)))
    }

    fn load(value: u32, input: usize, terms: &[(u32, Dim)]) -> Item {
        Item::Let(ValueId(value), Expression::Load(Buffer::Input(input), at(terms)))
    }

    fn sum(axis: u32, result: u32, term: Term, body: Vec<Item>) -> Item {
        let accumulators = vec![Accumulator::new(Reduction::Sum, ValueId(result), term)];
        Item::Loop(Loop { axis: Axis(axis), accumulators, body })
    }

    fn each(axis: u32, body: Vec<Item>) -> Item {
        Item::Loop(Loop { axis: Axis(axis), accumulators: Vec::new(), body })
    }

    fn kernel(extents: Vec<Dim>, values: usize, body: Vec<Item>) -> Kernel {
        Kernel { name: "k".into(), extents, values: vec![ElementType::F32; values], body }
    }

    fn text(kernel: &Kernel) -> String {
        assert_eq!(verify(kernel), Vec::<String>::new(), "{kernel}");
        kernel.to_string()
    }

    /// `output0[n] = Σ input0[b, t] · input1[b, t, n]` over `b` and `t`, of which the second factor's rows lie `row` elements apart.
    fn gradient(time: Dim, row: Dim) -> Kernel {
        let step = &time * &row;
        let factors = vec![
            load(0, 0, &[(1, time.clone()), (2, Dim::from(1))]),
            load(1, 1, &[(1, step), (2, row), (0, Dim::from(1))]),
        ];
        let inner = sum(2, 2, Term::Product(ValueId(0), ValueId(1)), factors);
        let outer = sum(1, 3, Term::Value(ValueId(2)), vec![inner]);
        let store = Item::Store(Buffer::Output(0), at(&[(0, Dim::from(1))]), ValueId(3));
        kernel(vec![Dim::from(8), Dim::symbol("b"), time], 4, vec![each(0, vec![outer, store])])
    }

    #[test]
    fn folds_that_are_one_walk_are_one_fold() {
        let expected = "kernel k
  for i0 in 0..8
    for i2 in 0..b*t
      v0 = input0[i2]
      v1 = input1[i0 + 8*i2]
      v3 = Sum v0 * v1
    output0[i0] = v3
";
        assert_eq!(text(&simplify(gradient(Dim::symbol("t"), Dim::from(8)))), expected);
    }

    #[test]
    fn a_fold_goes_on_with_a_short_one_inside() {
        let mut apart = gradient(Dim::from(5), Dim::from(8));
        // Every batch has a row that is left out.
        let Item::Loop(each) = &mut apart.body[0] else { panic!("a loop") };
        each.body[0] = {
            let factors =
                vec![load(0, 0, &[(1, Dim::from(6)), (2, Dim::from(1))]), load(1, 1, &[(2, Dim::from(8))])];
            let inner = sum(2, 2, Term::Product(ValueId(0), ValueId(1)), factors);
            sum(1, 3, Term::Value(ValueId(2)), vec![inner])
        };
        let expected = "kernel k
  for i0 in 0..8
    for i1 in 0..b
      for i2 in 0..5
        v0 = input0[6*i1 + i2]
        v1 = input1[8*i2]
        v2 = Sum v0 * v1 from v4
      v3 = Sum next v2 inside v4
    output0[i0] = v3
";
        let continued = simplify(apart);
        assert_eq!(text(&continued), expected);

        // The lanes change places with the rows around them, and each has a chain of its own.
        let expected = "kernel k
  for i0 in 0..8
    for i2 in 0..5
      for i1 in 0..b
        v0 = input0[6*i1 + i2]
        v1 = input1[8*i2]
        v2 = Sum v0 * v1
      v3 = Sum v2
    output0[i0] = v3
";
        assert_eq!(text(&put_lanes_first(continued, &BTreeSet::from([Axis(2)]))), expected);
    }

    #[test]
    fn what_is_contiguous_has_one_axis() {
        let [b, t] = ["b", "t"].map(Dim::symbol);
        let whole = |row: &Dim| vec![(0, &t * row), (1, row.clone()), (2, Dim::from(1))];
        let copy = |from: &Dim, to: &Dim| {
            let store = Item::Store(Buffer::Output(0), at(&whole(to)), ValueId(0));
            let body = vec![each(0, vec![each(1, vec![each(2, vec![load(0, 0, &whole(from)), store])])])];
            kernel(vec![b.clone(), t.clone(), Dim::from(6)], 1, body)
        };
        let flat = "kernel k\n  for i2 in 0..6*b*t\n    v0 = input0[i2]\n    output0[i2] = v0\n";
        assert_eq!(text(&simplify(copy(&Dim::from(6), &Dim::from(6)))), flat);
        // Rows of which a part is copied stay rows.
        let rows = "kernel k
  for i1 in 0..b*t
    for i2 in 0..6
      v0 = input0[9*i1 + i2]
      output0[6*i1 + i2] = v0
";
        assert_eq!(text(&simplify(copy(&Dim::from(9), &Dim::from(6)))), rows);
    }

    #[test]
    fn folds_that_read_the_same_are_merged() {
        let n = Dim::symbol("n");
        let one = |axis| [(axis, Dim::from(1))];
        let square = Item::Let(
            ValueId(2),
            Expression::Binary(downhill_graph::op::Binary::Mul, ValueId(1), ValueId(1)),
        );
        let body = |second: usize| {
            vec![
                sum(0, 3, Term::Value(ValueId(0)), vec![load(0, 0, &one(0))]),
                sum(1, 4, Term::Value(ValueId(2)), vec![load(1, second, &one(1)), square.clone()]),
                Item::Store(Buffer::Output(0), Access::at(Affine::default()), ValueId(3)),
                Item::Store(Buffer::Output(1), Access::at(Affine::default()), ValueId(4)),
            ]
        };
        let merged = "kernel k
  for i0 in 0..n
    v0 = input0[i0]
    v2 = Mul v0 v0
    v3 = Sum v0
    v4 = Sum v2
  output0[0] = v3
  output1[0] = v4
";
        assert_eq!(text(&simplify(kernel(vec![n.clone(), n.clone()], 5, body(0)))), merged);
        let apart = kernel(vec![n.clone(), n.clone()], 5, body(1));
        assert_eq!(simplify(apart.clone()), apart, "they read nothing in common");
        let longer = kernel(vec![n.clone(), &n + &Dim::from(1)], 5, body(0));
        assert_eq!(simplify(longer.clone()), longer, "they are of different lengths");
    }
}
