//! The last change to a graph before fusion: ops that have no kernel of their own are spelled out, and products get operands laid
//! out for wide loads.
//!
//! In: an optimized graph. Out: a graph of the same meaning, and the nodes that must be stored as they stand.
//! Must hold: what is decided here depends on the graph alone, not on the target or on a size fixed for a variant (the order of
//! additions hangs on it).

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, bug};
use downhill_graph::op::{Binary, Compare, Op, Reduction};
use downhill_graph::types::{ElementType, Shape};
use std::collections::{BTreeSet, HashMap};

/// A graph ready for fusion.
#[derive(Debug)]
pub struct Prepared {
    /// The graph.
    pub graph: Graph,
    /// Nodes to store although they merely move data: operands of products, relaid.
    pub relaid: BTreeSet<NodeId>,
}

/// Prepares `graph`.
pub fn prepare(graph: &Graph) -> Prepared {
    let mut prepared = Prepared { graph: graph.same_interface(), relaid: BTreeSet::new() };
    let mut map: Vec<NodeId> = Vec::with_capacity(graph.len());
    let mut rectified = HashMap::new();
    for id in graph.ids() {
        let operands: Vec<NodeId> = graph.operands(id).iter().map(|operand| map[operand.index()]).collect();
        prepared.graph.set_origin(graph.origin(id).clone());
        let new = match graph.op(id) {
            Op::ArgMax { axis } => first_of_greatest(&mut prepared.graph, operands[0], *axis),
            Op::DotGeneral { batch, contract } => {
                product(&mut prepared, operands[0], operands[1], batch, contract)
            }
            Op::Select => select(&mut prepared.graph, &mut rectified, &operands),
            Op::StopGradient | Op::Surrogate => operands[0],
            op => prepared.graph.add(op.clone(), &operands),
        };
        map.push(new);
    }
    prepared.graph.results =
        graph.results.iter().map(|(purpose, id)| (purpose.clone(), map[id.index()])).collect();
    prepared
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

/// A product whose right operand is contiguous along an axis of the result, so that a vector of results takes a vector of it. A
/// transposed operand costs a copy, once; strided loads would cost every time it is read.
fn product(
    prepared: &mut Prepared,
    x: NodeId,
    y: NodeId,
    batch: &[(usize, usize)],
    contract: &[(usize, usize)],
) -> NodeId {
    let graph = &mut prepared.graph;
    let as_is = Op::DotGeneral { batch: batch.to_vec(), contract: contract.to_vec() };
    let taken =
        |side: &dyn Fn(&(usize, usize)) -> usize| batch.iter().chain(contract).map(side).collect::<Vec<_>>();
    let free = |shape: &Shape, taken: &[usize]| -> Vec<usize> {
        (0..shape.rank()).filter(|axis| !taken.contains(axis)).collect()
    };
    let (x_shape, y_shape) = (graph.shape(x).clone(), graph.shape(y).clone());
    let (x_free, y_free) = (free(&x_shape, &taken(&|pair| pair.0)), free(&y_shape, &taken(&|pair| pair.1)));
    let wide = |shape: &Shape, axes: &[usize]| axes.iter().any(|&axis| !shape.dims()[axis].is(1));
    let summed: Vec<usize> = contract.iter().map(|pair| pair.1).collect();
    let contiguous_in_sum = innermost_axis(graph, y).is_some_and(|axis| summed.contains(&axis));
    if !(wide(&x_shape, &x_free) && wide(&y_shape, &y_free) && contiguous_in_sum) {
        return graph.add(as_is, &[x, y]);
    }
    let order: Vec<usize> = batch.iter().map(|pair| pair.1).chain(summed).chain(y_free).collect();
    let place = |axis: usize| order.iter().position(|&a| a == axis).unwrap_or_default();
    let moved = |pairs: &[(usize, usize)]| pairs.iter().map(|&(i, j)| (i, place(j))).collect::<Vec<_>>();
    let op = Op::DotGeneral { batch: moved(batch), contract: moved(contract) };
    let relaid = graph.add(Op::Transpose(order), &[y]);
    prepared.relaid.insert(relaid);
    graph.add(op, &[x, relaid])
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

/// True for the types that kernels compute in today.
pub fn compilable(element: ElementType) -> bool {
    element != ElementType::F64
}
