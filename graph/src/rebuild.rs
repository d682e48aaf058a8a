//! Rebuilds a graph node by node: every pass is made of this.
//!
//! In: a graph and what to do with each op. Out: a new graph with the same inputs, storages and purposes of results.
//! Must hold: only nodes that a result needs are visited, operands before users; nodes keep their origins and names; equal nodes become
//! one as they are added; bodies of loops are passed on to the same pass.

use crate::graph::{Graph, NodeId, Purpose};
use crate::op::Op;
use std::collections::HashMap;
use std::sync::Arc;

/// For every node, whether a result needs it.
pub fn live(graph: &Graph) -> Vec<bool> {
    let roots: Vec<NodeId> = graph.results.iter().map(|(_, id)| *id).collect();
    ancestors(graph, &roots)
}

/// For every node, whether one of `roots` is it or needs it.
pub fn ancestors(graph: &Graph, roots: &[NodeId]) -> Vec<bool> {
    let mut needed = vec![false; graph.len()];
    for root in roots {
        needed[root.index()] = true;
    }
    for id in graph.ids().rev() {
        if needed[id.index()] {
            for operand in graph.operands_of(id) {
                needed[operand.index()] = true;
            }
        }
    }
    needed
}

/// Appends those of `nodes`, in ascending order, that are made of replaced ones, once more, made of what takes their place: `replaced` maps
/// nodes to that, and grows by every node that is appended. What is made of none of them stays as it is.
///
/// # Examples
/// ```
/// use downhill_graph::graph::Graph;
/// use downhill_graph::op::{Op, Unary};
/// use downhill_graph::rebuild::remake;
/// use downhill_graph::types::ElementType;
/// use std::collections::HashMap;
///
/// let mut graph = Graph::new();
/// let [x, other] = [1.0, 2.0].map(|value| graph.constant(ElementType::F32, value));
/// let y = graph.add(Op::Unary(Unary::Exp), &[x]);
/// let mut replaced = HashMap::from([(x, other)]);
/// remake(&mut graph, [x, y], &mut replaced);
/// assert_eq!(graph.operands(replaced[&y]), [other]);
/// ```
pub fn remake(
    graph: &mut Graph,
    nodes: impl IntoIterator<Item = NodeId>,
    replaced: &mut HashMap<NodeId, NodeId>,
) {
    let outer = graph.current_origin().clone();
    // Operands have smaller ids: each comes before its users.
    for id in nodes {
        let operands = graph.operands(id);
        if replaced.contains_key(&id) || !operands.iter().any(|operand| replaced.contains_key(operand)) {
            continue;
        }
        let operands: Vec<NodeId> =
            operands.into_iter().map(|operand| replaced.get(&operand).copied().unwrap_or(operand)).collect();
        graph.set_origin(graph.origin(id).clone());
        let copy = graph.add(graph.op(id).clone(), &operands);
        replaced.insert(id, copy);
    }
    graph.set_origin(outer);
}

/// Adds all nodes of `graph` to `into`, as `rule` makes of each node and its operands in `into`; gives what became of each. Origins are
/// kept; results are the caller's to say.
pub fn copy_into(
    into: &mut Graph,
    graph: &Graph,
    rule: &mut dyn FnMut(&mut Graph, NodeId, &[NodeId]) -> NodeId,
) -> Vec<NodeId> {
    let mut copies: Vec<NodeId> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        let operands: Vec<NodeId> = graph.operands_of(id).iter().map(|it| copies[it.index()]).collect();
        into.set_origin(graph.origin(id).clone());
        copies.push(rule(into, id, &operands));
    }
    copies
}

/// The results of `graph` among the copies of its nodes.
pub fn results_of(graph: &Graph, copies: &[NodeId]) -> Vec<(Purpose, NodeId)> {
    graph.results.iter().map(|(purpose, id)| (purpose.clone(), copies[id.index()])).collect()
}

/// Adds `graph`'s live nodes to `into` and maps the results. `rule` adds each node, given its op and its operands in `into`. `into`
/// starts as [`Graph::same_interface`] or a changed copy of it; bodies go through `body` first.
pub fn rebuild_into(
    mut into: Graph,
    graph: &Graph,
    body: &dyn Fn(&Graph) -> Graph,
    rule: &mut dyn FnMut(&mut Graph, Op, &[NodeId]) -> NodeId,
) -> Graph {
    let live = live(graph);
    let mut copies: Vec<Option<NodeId>> = vec![None; graph.len()];
    let copy_of = |copies: &[Option<NodeId>], id: NodeId| match copies[id.index()] {
        Some(copy) => copy,
        None => crate::graph::bug("a live node has a dead operand"),
    };

    for id in graph.ids().filter(|id| live[id.index()]) {
        let operands: Vec<NodeId> =
            graph.operands_of(id).iter().map(|&operand| copy_of(&copies, operand)).collect();
        into.set_origin(graph.origin(id).clone());
        let op = with_body(graph.op(id), body);
        let new = rule(&mut into, op, &operands);
        if let Some(label) = graph.label(id) {
            into.set_label(new, label.clone());
        }
        copies[id.index()] = Some(new);
    }

    into.set_origin(graph.current_origin().clone());
    into.results =
        graph.results.iter().map(|(purpose, id)| (purpose.clone(), copy_of(&copies, *id))).collect();
    into
}

/// As [`rebuild_into`] an empty graph of the same interface.
pub fn rebuild(
    graph: &Graph,
    body: &dyn Fn(&Graph) -> Graph,
    rule: &mut dyn FnMut(&mut Graph, Op, &[NodeId]) -> NodeId,
) -> Graph {
    rebuild_into(graph.same_interface(), graph, body, rule)
}

fn with_body(op: &Op, pass: &dyn Fn(&Graph) -> Graph) -> Op {
    let mut op = op.clone();
    if let Op::Scan { body, .. } = &mut op {
        *body = Arc::new(pass(body));
    }
    op
}
