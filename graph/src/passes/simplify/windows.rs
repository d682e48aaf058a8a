//! Windows and what they see: folds become windows over padded values, transposes move towards the results, slices towards the operands.
//!
//! For floats: every element stays what it is. Sums keep their terms, which have no order (`op.rs`), and gain terms 0·w where a window reaches
//! into a padding: they are 0 for all finite w.

use super::rewriting::{Rewriting, add};
use crate::dim::Dim;
use crate::graph::{Graph, NodeId};
use crate::op::{Op, Padding, Range, Window};
use crate::types::Shape;

/// An op along axes of a transposed value: the transposed op of the value.
pub(super) fn of_transposed(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let x = *operands.first()?;
    let Op::Transpose(order) = graph.op(x).clone() else { return None };
    let (inside, order) = if let Op::Pad(paddings) = op {
        (Op::Pad(in_order_of(&order, paddings)), order)
    } else if let Op::Slice(ranges) = op {
        (Op::Slice(in_order_of(&order, ranges)), order)
    } else if let Op::Reverse(axes) = op {
        (Op::Reverse(sorted(axes.iter().map(|&axis| order[axis]))), order)
    } else if let Op::Reduce { kind, axes } = op {
        let inner = sorted(axes.iter().map(|&axis| order[axis]));
        let below = |axis: usize| axis - inner.iter().filter(|&&reduced| reduced < axis).count();
        let kept = (0..order.len()).filter(|axis| !axes.contains(axis)).map(|axis| below(order[axis]));
        let kept = kept.collect();
        (Op::Reduce { kind: *kind, axes: inner }, kept)
    } else if let Op::Window(window) = op {
        let axis = order[window.axis];
        let mut seen: Vec<usize> = order.iter().map(|&from| from + usize::from(from > axis)).collect();
        seen.insert(window.axis + 1, axis + 1);
        (Op::Window(Window { axis, ..window.clone() }), seen)
    } else if let Op::Fold { window, size } = op {
        let axis = order[window.axis];
        let mut folded = order.clone();
        if folded.remove(window.axis + 1) != axis + 1 {
            return None;
        }
        let folded = folded.into_iter().map(|from| from - usize::from(from > axis)).collect();
        (Op::Fold { window: Window { axis, ..window.clone() }, size: size.clone() }, folded)
    } else {
        return None;
    };

    let source = graph.operand(x, 0);
    let inside = add(graph, inside, &[source]);
    Some(add(graph, Op::Transpose(order), &[inside]))
}

/// What stands at each axis of a transposed value, in the order of the value's own axes.
fn in_order_of<T: Clone>(order: &[usize], of_axes: &[T]) -> Vec<T> {
    let mut pairs: Vec<(usize, &T)> = order.iter().copied().zip(of_axes).collect();
    pairs.sort_by_key(|(axis, _)| *axis);
    pairs.into_iter().map(|(_, item)| item.clone()).collect()
}

fn sorted(axes: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut axes: Vec<usize> = axes.collect();
    axes.sort_unstable();
    axes
}

/// Where an axis of a product comes from: a batch axis has no side.
struct Free {
    side: usize,
    axis: usize,
}

/// The free axes of a product's result, each with its operand and its axis there; `None` for batch axes.
fn free_axes(graph: &Graph, product: NodeId) -> Option<Vec<Option<Free>>> {
    let Op::DotGeneral { batch, contract } = graph.op(product) else { return None };
    let mut all: Vec<Option<Free>> = batch.iter().map(|_| None).collect();
    for side in [0, 1] {
        let own = |pair: &(usize, usize)| [pair.0, pair.1][side];
        let taken = |axis: usize| batch.iter().chain(contract).any(|pair| own(pair) == axis);
        let rank = graph.ty(graph.operand(product, side)).rank();
        all.extend((0..rank).filter(|&axis| !taken(axis)).map(|axis| Some(Free { side, axis })));
    }
    Some(all)
}

/// A fold of a product whose places come from one factor and whose taps come from the other: the product of what a window sees of the first
/// factor, padded, with the second one reversed. What the windows of a convolution saw is never written down for its gradient.
///
/// Σₜ g[(i − t·d)/s]·w[t] is Σᵤ h[i + u·d]·w[T−1−u] for h, which has s − 1 zeros between the elements of g and (T−1)·d before them.
pub(super) fn fold_of_product(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Fold { window, size } = op else { return None };
    let stride = window.stride.as_constant()?;
    let (order, product) = beneath_transpose(graph, operands[0]);
    let Op::DotGeneral { batch, contract } = graph.op(product).clone() else { return None };
    let free = free_axes(graph, product)?;
    let (place, tap) = (order[window.axis], order[window.axis + 1]);
    let (Some(places), Some(taps)) = (&free[place], &free[tap]) else { return None };
    if places.side == taps.side {
        return None;
    }

    let mut factors = [0, 1].map(|side| graph.operand(product, side));
    let seen = &graph.shape(factors[places.side]).dims()[places.axis];
    let padding = fold_padding(window, size, seen, stride);
    let padded = padded(graph, factors[places.side], places.axis, padding);
    let sliding = Window { axis: places.axis, stride: Dim::from(1), ..window.clone() };
    factors[places.side] = add(graph, Op::Window(sliding), &[padded]);
    factors[taps.side] = add(graph, Op::Reverse(vec![taps.axis]), &[factors[taps.side]]);

    // The taps are summed over, before all else: the innermost sum stays innermost.
    let moved = |pair: &(usize, usize)| {
        let mut pair = [pair.0, pair.1];
        pair[places.side] += usize::from(pair[places.side] > places.axis);
        (pair[0], pair[1])
    };
    let mut summed = [taps.axis; 2];
    summed[places.side] = places.axis + 1;
    let summed = std::iter::once((summed[0], summed[1])).chain(contract.iter().map(moved)).collect();
    let op = Op::DotGeneral { batch: batch.iter().map(moved).collect(), contract: summed };
    let product = add(graph, op, &factors);

    let mut order = order;
    order.remove(window.axis + 1);
    order.iter_mut().for_each(|axis| *axis -= usize::from(*axis > tap));
    Some(add(graph, Op::Transpose(order), &[product]))
}

/// The zeros around and between the places of a fold, so that a window that moves by single elements sees at each of the fold's elements the
/// places that it is seen from.
pub(super) fn fold_padding(window: &Window, size: &Dim, places: &Dim, stride: i64) -> Padding {
    let one = Dim::from(1);
    Padding {
        low: &window.span() - &one,
        high: &(size - &(&(places - &one) * &window.stride)) - &one,
        interior: stride - 1,
    }
}

/// The value that a node is a transposed view of, and the order of its axes: its own order if it is none.
pub(super) fn beneath_transpose(graph: &Graph, x: NodeId) -> (Vec<usize>, NodeId) {
    if let Op::Transpose(order) = graph.op(x) {
        return (order.clone(), graph.operand(x, 0));
    }
    ((0..graph.ty(x).rank()).collect(), x)
}

/// `x` with zeros along one axis: what a window sees of other axes is padded before it is seen, so that no window is written down.
pub(super) fn padded(graph: &mut Rewriting, x: NodeId, axis: usize, padding: Padding) -> NodeId {
    if let Op::Window(window) = graph.op(x).clone()
        && axis != window.axis
        && axis != window.axis + 1
    {
        let (source, inner) = (graph.operand(x, 0), axis - usize::from(axis > window.axis));
        let source = padded(graph, source, inner, padding);
        return add(graph, Op::Window(window), &[source]);
    }
    if let Op::Transpose(order) = graph.op(x).clone() {
        let source = graph.operand(x, 0);
        let source = padded(graph, source, order[axis], padding);
        return add(graph, Op::Transpose(order), &[source]);
    }

    let (mut paddings, mut source) = (vec![Padding::none(); graph.ty(x).rank()], x);
    if let Op::Pad(known) = graph.op(x)
        && known[axis] == Padding::none()
    {
        paddings = known.clone();
        source = graph.operand(x, 0);
    }
    paddings[axis] = padding;
    add(graph, Op::Pad(paddings), &[source])
}

/// A fold of windows that do not overlap: the places beside each other, with zeros for what no window saw.
pub(super) fn fold_apart(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Fold { window, size } = op else { return None };
    let [taps, stride, size] = [&window.taps, &window.stride, size].map(Dim::as_constant);
    let (taps, stride, size) = (taps?, stride?, size?);
    if stride < window.span().as_constant()? || !(window.dilation.is(1) || taps == 1) {
        return None;
    }

    let axis = window.axis;
    let places = graph.shape(operands[0]).dims()[axis].as_constant()?;
    // What stands behind the only place is no part of a stride.
    let step = if places == 1 { taps } else { stride };
    let covered = places.checked_mul(step)?;
    let spaced = pad_high(graph, operands[0], axis + 1, step - taps);
    let mut dims = graph.shape(spaced).dims().to_vec();
    dims.splice(axis..=axis + 1, [Dim::from(covered)]);
    let beside = add(graph, Op::Reshape(Shape(dims)), &[spaced]);
    if covered <= size {
        return Some(pad_high(graph, beside, axis, size - covered));
    }
    let mut ranges: Vec<Range> = graph.shape(beside).dims().iter().map(Range::whole).collect();
    ranges[axis].end = Dim::from(size);
    Some(add(graph, Op::Slice(ranges), &[beside]))
}

fn pad_high(graph: &mut Rewriting, x: NodeId, axis: usize, zeros: i64) -> NodeId {
    if zeros == 0 {
        return x;
    }
    padded(graph, x, axis, Padding { high: Dim::from(zeros), ..Padding::none() })
}

/// A slice of what windows make: of a product, of what a window sees, of a padded value. Less is computed, seen and padded.
pub(super) fn slice_inward(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Slice(ranges) = op else { return None };
    let x = operands[0];
    if ranges.iter().any(|range| range.stride != 1) {
        return None;
    }
    slice_of_product(graph, ranges, x)
        .or_else(|| slice_of_window(graph, ranges, x))
        .or_else(|| slice_of_padded(graph, ranges, x))
}

/// Only where a factor is what a window sees: others are read again for each of their parts.
fn slice_of_product(graph: &mut Rewriting, ranges: &[Range], product: NodeId) -> Option<NodeId> {
    let Op::DotGeneral { .. } = graph.op(product) else { return None };
    let free = free_axes(graph, product)?;
    let mut factors = [0, 1].map(|side| graph.operand(product, side));
    let mut parts =
        factors.map(|factor| graph.shape(factor).dims().iter().map(Range::whole).collect::<Vec<_>>());
    for ((range, free), dim) in ranges.iter().zip(free).zip(graph.shape(product).dims()) {
        if *range == Range::whole(dim) {
            continue;
        }
        let Free { side, axis } = free?;
        if !matches!(graph.op(factors[side]), Op::Window(_)) {
            return None;
        }
        parts[side][axis] = range.clone();
    }
    for (factor, parts) in factors.iter_mut().zip(parts) {
        *factor = add(graph, Op::Slice(parts), &[*factor]);
    }
    let op = graph.op(product).clone();
    Some(add(graph, op, &factors))
}

fn slice_of_window(graph: &mut Rewriting, ranges: &[Range], seen: NodeId) -> Option<NodeId> {
    let Op::Window(window) = graph.op(seen).clone() else { return None };
    let source = graph.operand(seen, 0);
    let mut ranges = ranges.to_vec();
    let taps = ranges.remove(window.axis + 1);
    let places = &mut ranges[window.axis];
    if taps != Range::whole(&window.taps) {
        return None;
    }
    if *places == Range::whole(&graph.shape(seen).dims()[window.axis]) {
        *places = Range::whole(&graph.shape(source).dims()[window.axis]);
    } else {
        // From the first element of the first window to the last one of the last: their number must be known, and not be 0.
        let count = (&places.end - &places.start).as_constant()?;
        window.stride.as_constant().filter(|_| count > 0)?;
        let start = &places.start * &window.stride;
        let last = &(&places.end - &Dim::from(1)) * &window.stride;
        *places = Range { start, end: &last + &window.span(), stride: 1 };
    }
    let part = add(graph, Op::Slice(ranges), &[source]);
    Some(add(graph, Op::Window(window), &[part]))
}

/// Where the slice ends within the padding on both sides.
fn slice_of_padded(graph: &mut Rewriting, ranges: &[Range], x: NodeId) -> Option<NodeId> {
    let Op::Pad(paddings) = graph.op(x).clone() else { return None };
    let dims = graph.shape(x).dims().to_vec();
    let cut = |((padding, range), dim): ((&Padding, &Range), &Dim)| {
        let [low, high] = [&padding.low - &range.start, &padding.high - &(dim - &range.end)];
        let is_within = |dim: &Dim| dim.as_constant().is_some_and(|number| number >= 0);
        let same = |new: &Dim, old: &Dim| new == old || is_within(new);
        let fits = same(&low, &padding.low) && same(&high, &padding.high);
        fits.then_some(Padding { low, high, interior: padding.interior })
    };
    let paddings = paddings.iter().zip(ranges).zip(&dims).map(cut).collect::<Option<Vec<_>>>()?;
    let source = graph.operand(x, 0);
    Some(add(graph, Op::Pad(paddings), &[source]))
}
