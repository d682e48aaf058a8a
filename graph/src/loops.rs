//! Which nodes are results of one loop.

use crate::graph::{Graph, NodeId};
use crate::op::Op;
use std::sync::Arc;

/// Whether two nodes are results of one loop.
pub fn is_same_loop(graph: &Graph, one: NodeId, other: NodeId) -> bool {
    let (Op::Scan { body, .. }, Op::Scan { body: b, .. }) = (graph.op(one), graph.op(other)) else {
        return false;
    };
    takes_the_same(graph, one, other) && (Arc::ptr_eq(body, b) || body == b)
}

/// Whether two nodes are results of loops that have the same operands and turns.
pub fn takes_the_same(graph: &Graph, one: NodeId, other: NodeId) -> bool {
    let (
        Op::Scan { carried, sliced, length, reversed, recompute, .. },
        Op::Scan { carried: c, sliced: s, length: l, reversed: r, recompute: again, .. },
    ) = (graph.op(one), graph.op(other))
    else {
        return false;
    };
    (carried, sliced, length, reversed, recompute) == (c, s, l, r, again)
        && graph.operands_of(one) == graph.operands_of(other)
}

/// Which result of the loop that makes `one` another node is; `None` if it is none.
pub fn result_of(graph: &Graph, one: NodeId, other: NodeId) -> Option<usize> {
    let Op::Scan { result, .. } = graph.op(other) else { return None };
    is_same_loop(graph, one, other).then_some(*result)
}
