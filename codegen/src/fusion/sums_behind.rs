//! Sums that leave a loop.
//!
//! In: a graph with loops. Out: the same, where what a loop only adds up, products or sums of each turn, is one product or sum over all turns
//! behind it: the gradients of weights that every turn uses.
//!
//! Must hold: what is decided depends on the graph alone, since it decides the order of additions. Sums of a loop that recomputes what it
//! makes stay inside: behind it, they would need the values of all turns in memory.

use downhill_graph::graph::{Graph, NodeId, Purpose, bug};
use downhill_graph::hash::Map;
use downhill_graph::loops::is_same_loop;
use downhill_graph::op::{Binary, Op, Reduction};
use downhill_graph::rebuild::{copy_into, results_of};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// What a turn adds to a sum.
#[derive(Clone, Debug)]
enum Added {
    Product { operands: [NodeId; 2], batch: Vec<(usize, usize)>, contract: Vec<(usize, usize)> },
    Sum { operand: NodeId, axes: Vec<usize> },
    Turned { added: Box<Added>, permutation: Vec<usize> },
}

/// A loop without the sums that leave it.
struct Leaner {
    /// A result of the loop as it was.
    of: NodeId,
    body: Arc<Graph>,
    carried: usize,
    /// For each result of the loop as it was: which it is now, or what is added up.
    results: Vec<Kept>,
    /// The operands that are left.
    operands: Vec<usize>,
    /// Where the turns' values of what the sums are made of are found.
    stacks: Map<NodeId, Stack>,
}

enum Kept {
    Result(usize),
    Sum(Added),
}

/// The values of a node in all turns: an operand of the loop as it was, or a result of it as it is.
#[derive(Clone, Copy)]
enum Stack {
    Operand(usize),
    Result(usize),
}

/// The graph with sums behind its loops.
pub(crate) fn sums_behind_loops(graph: &Graph) -> Cow<'_, Graph> {
    let mut lean: Vec<Leaner> = Vec::new();
    let mut heavy: Vec<NodeId> = Vec::new();
    for id in graph.ids().filter(|&id| matches!(graph.op(id), Op::Scan { .. })) {
        let known = lean.iter().map(|leaner| leaner.of).chain(heavy.iter().copied());
        if !known.into_iter().any(|other| is_same_loop(graph, id, other)) {
            match Leaner::of(graph, id) {
                Some(leaner) => lean.push(leaner),
                None => heavy.push(id),
            }
        }
    }
    if lean.is_empty() {
        return Cow::Borrowed(graph);
    }

    let mut into = graph.same_interface();
    let copies = copy_into(&mut into, graph, &mut |into, id, operands| match lean
        .iter()
        .find(|leaner| is_same_loop(graph, id, leaner.of))
    {
        Some(leaner) => leaner.rebuilt(into, graph.op(id), operands),
        None => into.add(graph.op(id).clone(), operands),
    });
    into.results = results_of(graph, &copies);
    Cow::Owned(into)
}

impl Leaner {
    /// The loop of a result without its sums; `None` where it has none.
    fn of(graph: &Graph, id: NodeId) -> Option<Leaner> {
        let Op::Scan { body, carried, sliced, recompute: false, .. } = graph.op(id) else { return None };
        let slices = *carried..carried + sliced;
        // From nothing, and one term a turn: a sum that adds up otherwise could overflow in another order.
        let starts = |place: &usize| is_zero(graph, graph.operand(id, *place));
        let sums =
            (0..*carried).filter(starts).filter_map(|place| Some((place, added_up(body, place, &slices)?)));
        let sums: Map<usize, Added> = sums.collect();
        if sums.is_empty() {
            return None;
        }

        // The same body with the inputs that are left, then whatever is to be stacked.
        let operands: Vec<usize> = (0..body.inputs.len()).filter(|place| !sums.contains_key(place)).collect();
        let mut lean = body.same_interface();
        lean.inputs = operands.iter().map(|&place| body.inputs[place].clone()).collect();
        lean.results.clear();
        let mut copies: Map<NodeId, NodeId> = Map::default();
        for node in body.ids() {
            let mut op = body.op(node).clone();
            if let Op::Input(place) = &mut op {
                let Some(left) = operands.iter().position(|left| left == place) else { continue };
                *place = left;
            }
            // What hangs on a sum is the sum itself.
            let Some(of) =
                body.operands_of(node).iter().map(|it| copies.get(it).copied()).collect::<Option<Vec<_>>>()
            else {
                continue;
            };
            lean.set_origin(body.origin(node).clone());
            let copy = lean.add(op, &of);
            copies.insert(node, copy);
        }

        let mut results: Vec<Kept> = Vec::with_capacity(body.results.len());
        for (place, (_, node)) in body.results.iter().enumerate() {
            match sums.get(&place) {
                Some(added) => results.push(Kept::Sum(added.clone())),
                None => {
                    results.push(Kept::Result(lean.results.len()));
                    lean.results.push((named(lean.results.len()), copies[node]));
                }
            }
        }
        let carried = carried - sums.len();
        let mut stacks: Map<NodeId, Stack> = Map::default();
        for node in sums.values().flat_map(Added::operands) {
            if let Op::Input(place) = body.op(node)
                && slices.contains(place)
            {
                stacks.insert(node, Stack::Operand(*place));
                continue;
            }
            let stacked = lean.results.iter().skip(carried);
            let known = stacked.map(|(_, id)| *id).position(|id| id == copies[&node]);
            let place = known.map_or(lean.results.len(), |place| carried + place);
            if place == lean.results.len() {
                lean.results.push((named(place), copies[&node]));
            }
            stacks.insert(node, Stack::Result(place));
        }
        Some(Leaner { of: id, body: Arc::new(lean), carried, results, operands, stacks })
    }

    /// What a result of the loop as it was is now.
    fn rebuilt(&self, graph: &mut Graph, op: &Op, operands: &[NodeId]) -> NodeId {
        let Op::Scan { sliced, length, reversed, recompute, result, .. } = op else {
            bug("a result of no loop")
        };
        let left: Vec<NodeId> = self.operands.iter().map(|&place| operands[place]).collect();
        let scan = |graph: &mut Graph, result: usize| {
            let (body, carried, sliced) = (self.body.clone(), self.carried, *sliced);
            let (length, reversed, recompute) = (length.clone(), *reversed, *recompute);
            graph.add(Op::Scan { body, carried, sliced, length, reversed, recompute, result }, &left)
        };
        let added = match &self.results[*result] {
            Kept::Result(now) => return scan(graph, *now),
            Kept::Sum(added) => added,
        };

        let stack = |graph: &mut Graph, node: NodeId| match self.stacks[&node] {
            Stack::Operand(place) => operands[place],
            Stack::Result(result) => scan(graph, result),
        };
        added.over_all(graph, &stack)
    }
}

fn named(number: usize) -> Purpose {
    Purpose::Output(number.to_string().into())
}

/// Whether a value is zero everywhere.
fn is_zero(graph: &Graph, id: NodeId) -> bool {
    let constant = if let Op::Broadcast { .. } = graph.op(id) { graph.operand(id, 0) } else { id };
    graph.constant_value(constant) == Some(0.0)
}

/// What each turn adds to a carried value that is nothing but the sum of that.
fn added_up(body: &Graph, place: usize, slices: &Range<usize>) -> Option<Added> {
    let input = body.ids().find(|&id| *body.op(id) == Op::Input(place))?;
    let sum = body.results[place].1;
    if *body.op(sum) != Op::Binary(Binary::Add) {
        return None;
    }
    let term = match [0, 1].map(|side| body.operand(sum, side)) {
        [x, term] if x == input => term,
        [term, x] if x == input => term,
        _ => return None,
    };

    // Nobody else looks at what it has come to.
    let users = body.ids().filter(|&user| body.operands_of(user).contains(&input)).count();
    let of_sum = body.ids().filter(|&user| body.operands_of(user).contains(&sum)).count();
    let named = |node: NodeId| body.results.iter().filter(|(_, id)| *id == node).count();
    let alone = users + named(input) == 1 && of_sum + named(sum) == 1;
    alone.then(|| Added::of(body, term, place, slices))?
}

impl Added {
    fn of(body: &Graph, term: NodeId, place: usize, slices: &Range<usize>) -> Option<Added> {
        let is_same = |input: usize| input == place || input >= slices.end;
        let is_made = |node: NodeId| !matches!(body.op(node), Op::Input(input) if is_same(*input));
        if let Op::DotGeneral { batch, contract } = body.op(term) {
            let operands = [0, 1].map(|side| body.operand(term, side));
            let made = operands.into_iter().all(is_made);
            made.then(|| Added::Product { operands, batch: batch.clone(), contract: contract.clone() })
        } else if let Op::Reduce { kind: Reduction::Sum, axes } = body.op(term) {
            let operand = body.operand(term, 0);
            is_made(operand).then(|| Added::Sum { operand, axes: axes.clone() })
        } else if let Op::Transpose(permutation) = body.op(term) {
            let added = Box::new(Added::of(body, body.operand(term, 0), place, slices)?);
            Some(Added::Turned { added, permutation: permutation.clone() })
        } else {
            None
        }
    }

    fn operands(&self) -> Vec<NodeId> {
        match self {
            Added::Product { operands, .. } => operands.to_vec(),
            Added::Sum { operand, .. } => vec![*operand],
            Added::Turned { added, .. } => added.operands(),
        }
    }

    /// The same over all turns, whose values are the slices of stacks.
    fn over_all(&self, graph: &mut Graph, stack: &dyn Fn(&mut Graph, NodeId) -> NodeId) -> NodeId {
        let behind = |pairs: &[(usize, usize)]| pairs.iter().map(|(x, y)| (x + 1, y + 1)).collect::<Vec<_>>();
        match self {
            Added::Product { operands, batch, contract } => {
                let operands = operands.map(|operand| stack(graph, operand));
                let contract = [vec![(0, 0)], behind(contract)].concat();
                graph.add(Op::DotGeneral { batch: behind(batch), contract }, &operands)
            }
            Added::Sum { operand, axes } => {
                let operand = stack(graph, *operand);
                let axes = std::iter::once(0).chain(axes.iter().map(|axis| axis + 1)).collect();
                graph.add(Op::Reduce { kind: Reduction::Sum, axes }, &[operand])
            }
            Added::Turned { added, permutation } => {
                let whole = added.over_all(graph, stack);
                graph.add(Op::Transpose(permutation.clone()), &[whole])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::repeated::merge_loops;
    use downhill_graph::differentiate::differentiate;
    use downhill_graph::graph::{Input, Role};
    use downhill_graph::op::Unary;
    use downhill_graph::passes::optimize;
    use downhill_graph::types::{ElementType, Type};

    fn input(graph: &mut Graph, role: Role, sizes: &[i64]) -> NodeId {
        let shape: Vec<_> = sizes.iter().map(|&size| size.into()).collect();
        let (name, ty) = (format!("i{}", graph.inputs.len()).into(), Type::new(ElementType::F32, shape));
        graph.add_input(Input { name, ty, role, below: None })
    }

    /// h ← tanh(x + h·w), from zeros: the gradient of the sum of all h by w, and by what h is before.
    #[test]
    fn the_gradient_of_a_weight_is_one_product_behind_the_loop() {
        let mut body = Graph::new();
        let [h, x, w] = [[3, 4], [3, 4], [4, 4]].map(|sizes| input(&mut body, Role::Body, &sizes));
        let product = body.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[h, w]);
        let sum = body.add(Op::Binary(Binary::Add), &[x, product]);
        let next = body.add(Op::Unary(Unary::Tanh), &[sum]);
        body.results = vec![(named(0), next), (named(1), next)];

        let mut graph = Graph::new();
        let operands = [&[3, 4][..], &[9, 3, 4], &[4, 4]].map(|sizes| input(&mut graph, Role::Input, sizes));
        let (body, length) = (Arc::new(body), 9.into());
        let all =
            Op::Scan { body, carried: 1, sliced: 1, length, reversed: false, recompute: false, result: 1 };
        let all = graph.add(all, &operands);
        let loss = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 1, 2] }, &[all]);
        let gradients = differentiate(&mut graph, loss, &[operands[2], operands[0]]).expect("gradients");
        graph.results = (0..).map(named).zip(gradients).collect();

        let graph = optimize(&graph);
        let merged = merge_loops(&graph).into_owned();
        let lean = sums_behind_loops(&merged);
        let loops: Vec<NodeId> = lean.ids().filter(|&id| matches!(lean.op(id), Op::Scan { .. })).collect();
        let carried = |id: &NodeId| if let Op::Scan { carried, .. } = lean.op(*id) { *carried } else { 0 };
        assert!(loops.iter().all(|id| carried(id) == 1), "the state's gradient, and nothing else");
        let apart = loops
            .iter()
            .filter(|&&id| loops.iter().all(|&other| other >= id || !is_same_loop(&lean, id, other)));
        assert_eq!(apart.count(), 2, "one loop forward, one back");
        let Op::DotGeneral { contract, .. } = lean.op(lean.results[0].1) else { panic!("no product") };
        assert_eq!(contract[0], (0, 0), "over the turns");
    }
}
