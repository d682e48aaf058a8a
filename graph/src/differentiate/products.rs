//! Sums over the iterations of a loop that are one product of all iterations.
//!
//! In: the body of a reversed loop, gradients of captured values in it. Out: which of them need not be added up in the loop, what is
//! stacked for these, and the nodes that make them behind it.
//!
//! The gradient of a weight is a product in each iteration, hₜᵀ·δₜ, and what counts is Σₜ hₜᵀ·δₜ. That is one product of what is stacked,
//! which sums over time as it does over the batch: the loop then neither reads nor writes a matrix as large as the weight in each
//! iteration. What is stacked is small beside it, and most of it is there already: the states that the iterations began with, and the
//! gradients of slices.

use crate::facts::Class;
use crate::graph::{Graph, NodeId};
use crate::hash::Map;
use crate::op::{Binary, Op};

/// For every node of a body, whether its sum over the iterations is made of products. An operand for which `is_same` holds is the same in
/// each iteration: a product of it is none of all iterations.
pub(super) fn of_all_iterations(body: &Graph, is_same: &dyn Fn(NodeId) -> bool) -> Vec<bool> {
    let mut found = vec![false; body.len()];
    for id in body.ids() {
        let operands = body.operands_of(id);
        found[id.index()] = match is_product(body, id) {
            true => !operands.iter().any(|&operand| is_same(operand)),
            false => is_linear(body.op(id)) && operands.iter().all(|operand| found[operand.index()]),
        };
    }
    found
}

fn is_product(body: &Graph, id: NodeId) -> bool {
    matches!(body.op(id), Op::DotGeneral { .. })
}

/// Whether an op of a sum is the sum of the op.
fn is_linear(op: &Op) -> bool {
    op.class() == Class::View || matches!(op, Op::Binary(Binary::Add | Binary::Sub) | Op::Pad(_))
}

/// What is computed behind a loop.
pub(super) struct Outside {
    /// Nodes of the body, in order.
    needed: Vec<NodeId>,
    /// Those whose values of all iterations are needed.
    pub(super) stacked: Vec<NodeId>,
}

impl Outside {
    /// What the sums of `roots` over the iterations need: each root is of products.
    pub(super) fn of(body: &Graph, roots: &[NodeId]) -> Outside {
        let (mut is_needed, mut is_stacked) = (vec![false; body.len()], vec![false; body.len()]);
        roots.iter().for_each(|root| is_needed[root.index()] = true);
        for id in body.ids().rev() {
            if !is_needed[id.index()] {
                continue;
            }
            for &operand in body.operands_of(id) {
                let of = if is_product(body, id) { &mut is_stacked } else { &mut is_needed };
                of[operand.index()] = true;
            }
        }
        let those = |which: &[bool]| body.ids().filter(|id| which[id.index()]).collect();
        Outside { needed: those(&is_needed), stacked: those(&is_stacked) }
    }

    /// Adds the sums to `graph`, where `stack` is a node's value in all iterations along an axis 0: each sum by its node of the body.
    pub(super) fn write(
        &self,
        graph: &mut Graph,
        body: &Graph,
        stack: &dyn Fn(NodeId) -> NodeId,
    ) -> Map<NodeId, NodeId> {
        let mut sums: Map<NodeId, NodeId> = Map::default();
        for &id in &self.needed {
            let op = body.op(id);
            let sum = if let Op::DotGeneral { batch, contract } = op {
                let behind = |pairs: &[(usize, usize)]| pairs.iter().map(|&(a, b)| (a + 1, b + 1)).collect();
                let inner: Vec<(usize, usize)> = behind(contract);
                let op = Op::DotGeneral { batch: behind(batch), contract: [vec![(0, 0)], inner].concat() };
                let operands = [body.operand(id, 0), body.operand(id, 1)].map(stack);
                graph.add(op, &operands)
            } else {
                let operands: Vec<NodeId> =
                    body.operands_of(id).iter().map(|operand| sums[operand]).collect();
                graph.add(op.clone(), &operands)
            };
            sums.insert(id, sum);
        }
        sums
    }
}
