//! The last change to a graph before fusion: ops that have no kernel of their own are spelled out.
//!
//! In: an optimized graph. Out: a graph of the same meaning, and which of its updates store few rows.
//! Must hold: what is decided here depends on the graph alone, not on the target or on a size fixed for a variant (the order of
//! additions depends on it).

use crate::fusion::repeated::merge_loops;
use crate::fusion::rows::{RowUpdate, updates_of_rows};
use crate::fusion::spread::{spread_values, with_border_inside};
use crate::fusion::sums_behind::sums_behind_loops;
use downhill_graph::dim::Dim;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, NodeId, bug};
use downhill_graph::infer::without_axes;
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Window};
use downhill_graph::rebuild::{copy_into, results_of};
use downhill_graph::types::{ElementType, Shape};
use std::collections::{BTreeMap, HashMap};

/// A graph that is ready for fusion.
pub struct Prepared {
    /// The graph.
    pub graph: Graph,
    /// Its updates that store few rows.
    pub(crate) row_updates: BTreeMap<NodeId, RowUpdate>,
}

/// `graph`, ready for fusion.
pub fn prepare(graph: &Graph) -> Prepared {
    let graph = &*merge_loops(graph);
    let graph = &*sums_behind_loops(graph);
    let mut prepared = graph.same_interface();
    let mut rectified = HashMap::new();
    let spread = spread_values(graph);
    let copies = copy_into(&mut prepared, graph, &mut |prepared, id, operands| {
        let op = graph.op(id);
        if let Op::ArgMax { axis } = op {
            first_of_greatest(prepared, operands[0], *axis)
        } else if let Op::Fold { window, size } = op {
            tap_by_tap(prepared, operands[0], window, size)
        } else if let (Op::Pad(paddings), true) = (op, spread.contains(&id)) {
            with_border_inside(prepared, operands[0], paddings)
        } else if *op == Op::Select {
            select(prepared, &mut rectified, operands)
        } else if op.class() == Class::Marker {
            operands[0]
        } else if let Op::Gather { axis, .. } = op {
            let size = prepared.shape(operands[0]).dims()[*axis].clone();
            if size.is(1) {
                only_element(prepared, operands[0], *axis, graph.shape(id))
            } else {
                let indices = within(prepared, operands[1], &size);
                prepared.add(op.clone(), &[operands[0], indices])
            }
        } else if let Op::ScatterAdd { axis, batch, size } = op {
            let indices = within(prepared, operands[1], size);
            let one_each = prepared.ty(indices).rank() == *batch;
            let each = (*axis, graph.shape(id));
            match one_each {
                true => put_at(prepared, operands[0], indices, each),
                false => prepared.add(op.clone(), &[operands[0], indices]),
            }
        } else {
            prepared.add(op.clone(), operands)
        }
    });
    prepared.results = results_of(graph, &copies);
    let row_updates = updates_of_rows(&mut prepared);
    Prepared { graph: prepared, row_updates }
}

/// A selection. Where it asks whether x ≤ 0 and x has been rectified, it asks that of the rectified value instead: the answer
/// is the same, NaN included, and the backward pass need not keep x.
fn select(graph: &mut Graph, rectified: &mut HashMap<NodeId, NodeId>, operands: &[NodeId]) -> NodeId {
    let [mask, x, y] = operands[..] else { bug("a selection of other than three operands") };
    let is_zero = |graph: &Graph, id: NodeId| graph.constant_value(id) == Some(0.0);
    if graph.op(mask) != &Op::Compare(Compare::LessEqual) || !is_zero(graph, graph.operand(mask, 1)) {
        return graph.add(Op::Select, operands);
    }
    let (asked, zero) = (graph.operand(mask, 0), graph.operand(mask, 1));
    if asked == y && is_zero(graph, x) {
        let positive = graph.add(Op::Select, operands);
        rectified.insert(y, positive);
        return positive;
    }
    let mask = match rectified.get(&asked) {
        Some(&positive) => graph.add(Op::Compare(Compare::LessEqual), &[positive, zero]),
        None => mask,
    };
    graph.add(Op::Select, &[mask, x, y])
}

/// The indices, those outside of an axis of this size replaced by the nearest one inside: native code reads and writes where they say.
fn within(graph: &mut Graph, indices: NodeId, size: &Dim) -> NodeId {
    let shape = graph.shape(indices).clone();
    let first = graph.full_like(indices, 0.0);
    let last = graph.add(Op::DimValue { dim: size - &Dim::from(1), element: ElementType::I32 }, &[]);
    let last = graph.spread(last, &shape);
    let not_before = graph.add(Op::Binary(Binary::Max), &[indices, first]);
    graph.add(Op::Binary(Binary::Min), &[not_before, last])
}

/// `Gather` along an axis of one element, whatever the indices are: the result's axes are those of `x` around others.
fn only_element(graph: &mut Graph, x: NodeId, axis: usize, shape: &Shape) -> NodeId {
    let rest = without_axes(graph.shape(x), &[axis]);
    let behind = shape.rank() - (rest.rank() - axis);
    let axes = (0..axis).chain(behind..shape.rank()).collect();
    let element = graph.add(Op::Reshape(rest), &[x]);
    graph.add(Op::Broadcast { shape: shape.clone(), axes }, &[element])
}

/// `ScatterAdd` where each element of the result has one index: the update there, and 0 elsewhere.
fn put_at(graph: &mut Graph, updates: NodeId, indices: NodeId, (axis, shape): (usize, &Shape)) -> NodeId {
    let spread = |graph: &mut Graph, x: NodeId, axes: Vec<usize>| {
        graph.add(Op::Broadcast { shape: shape.clone(), axes }, &[x])
    };
    let shared = (0..graph.ty(indices).rank()).collect();
    let wanted = spread(graph, indices, shared);
    let others = (0..shape.rank()).filter(|other| *other != axis).collect();
    let updates = spread(graph, updates, others);
    let index = graph.add(Op::Iota { shape: shape.clone(), axis }, &[]);
    let here = graph.add(Op::Compare(Compare::Equal), &[index, wanted]);
    let zero = graph.full_like(updates, 0.0);
    graph.add(Op::Select, &[here, updates, zero])
}

/// The least index whose element equals the maximum, or is NaN: a NaN makes the maximum NaN, which equals nothing. 0 along an
/// empty axis.
fn first_of_greatest(graph: &mut Graph, x: NodeId, axis: usize) -> NodeId {
    let shape = graph.shape(x).clone();
    let x = if graph.ty(x).element == ElementType::Bool {
        graph.add(Op::Convert(ElementType::I32), &[x])
    } else {
        x
    };
    let greatest = graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![axis] }, &[x]);
    let axes = (0..shape.rank()).filter(|&a| a != axis).collect();
    let greatest = graph.add(Op::Broadcast { shape: shape.clone(), axes }, &[greatest]);
    let equal = graph.add(Op::Compare(Compare::Equal), &[x, greatest]);
    let nan = graph.add(Op::Compare(Compare::NotEqual), &[x, x]);
    let mask = graph.add(Op::Binary(Binary::Or), &[equal, nan]);
    let never_empty = shape.dims()[axis].as_constant().is_some_and(|size| size > 0);
    let index = graph.add(Op::Iota { shape, axis }, &[]);
    let never = graph.full_like(index, f64::from(i32::MAX));
    let candidate = graph.add(Op::Select, &[mask, index, never]);
    let first = graph.add(Op::Reduce { kind: Reduction::Min, axes: vec![axis] }, &[candidate]);
    if never_empty {
        return first;
    }
    let (never, zero) = (graph.full_like(first, f64::from(i32::MAX)), graph.full_like(first, 0.0));
    let none = graph.add(Op::Compare(Compare::Equal), &[first, never]);
    graph.add(Op::Select, &[none, zero, first])
}

/// What each tap saw, where it was seen and zeros elsewhere, added up. A fold whose window hangs on the sizes of what is given stays.
fn tap_by_tap(graph: &mut Graph, x: NodeId, window: &Window, size: &Dim) -> NodeId {
    let numbers = [&window.taps, &window.stride, &window.dilation].map(Dim::as_constant);
    let [Some(taps), Some(stride), Some(dilation)] = numbers else {
        return graph.add(Op::Fold { window: window.clone(), size: size.clone() }, &[x]);
    };

    let seen = graph.shape(x).dims().to_vec();
    let places = &(&(&seen[window.axis] - &Dim::from(1)) * &window.stride) + &Dim::from(1);
    let mut flat = seen.clone();
    flat.remove(window.axis + 1);
    let tap = |graph: &mut Graph, tap: i64| {
        let mut ranges: Vec<Range> = seen.iter().map(Range::whole).collect();
        ranges[window.axis + 1] = Range { start: Dim::from(tap), end: Dim::from(tap + 1), stride: 1 };
        let slice = graph.add(Op::Slice(ranges), &[x]);
        let slice = graph.add(Op::Reshape(Shape(flat.clone())), &[slice]);

        let low = Dim::from(tap * dilation);
        let high = &(size - &low) - &places;
        let mut paddings = vec![Padding::none(); flat.len()];
        paddings[window.axis] = Padding { low, high, interior: stride - 1 };
        graph.add(Op::Pad(paddings), &[slice])
    };

    let first = tap(graph, 0);
    (1..taps).fold(first, |sum, number| {
        let next = tap(graph, number);
        graph.add(Op::Binary(Binary::Add), &[sum, next])
    })
}

/// The axis along which a value's elements lie next to each other in memory, seen through transposes of a stored value.
pub(crate) fn innermost_axis(graph: &Graph, node: NodeId) -> Option<usize> {
    if let Op::Transpose(permutation) = graph.op(node) {
        let inner = innermost_axis(graph, graph.operand(node, 0))?;
        return permutation.iter().position(|&axis| axis == inner);
    }
    let dims: &[Dim] = graph.shape(node).dims();
    dims.iter().rposition(|dim| !dim.is(1))
}
