//! The gradient of a loop: another loop, backwards.
//!
//! In: all results of one loop with the gradients that arrived at them. Out: the gradients of its operands.
//!
//! The body is differentiated by the walker that calls this file; it passes itself as a function ([`Differentiate`]).
//!
//! The carried values that each iteration began with are those that the one before carried on. Where the forward loop stacks these, they
//! are there; else it runs again and stacks what its iterations begin with. The reversed loop takes one of them in each
//! iteration, runs the body on it and differentiates the body there. It carries the gradients of the carried values and the sums of
//! the captured values' gradients, but for those that are products, which are made at once behind it (`products.rs`); it stacks the
//! gradients of the slices. It is made of the same primitives, so it can be differentiated again.

use super::products::{Outside, of_all_iterations};
use crate::dim::Dim;
use crate::error::Error;
use crate::graph::{Graph, Input, NodeId, Purpose, Role};
use crate::hash::Map;
use crate::op::{self, Binary, Op};
use crate::types::{Shape, Type};
use std::ops::Range;
use std::sync::Arc;

/// One loop: its op's attributes and operands.
pub(super) struct ScanParts {
    body: Arc<Graph>,
    carried: usize,
    sliced: usize,
    length: Dim,
    operands: Vec<NodeId>,
}

/// The body of a reversed loop while it is written, and what its inputs are given.
struct Draft {
    body: Graph,
    operands: Vec<NodeId>,
}

/// The reversed loop, and which of its results is whose gradient.
struct Reversed {
    draft: Draft,
    carried: usize,
    sliced: usize,
    /// (operand of the forward loop, result of the reversed one).
    gradients: Vec<(usize, usize)>,
}

/// A draft with the gradients in it.
struct Differentiated {
    draft: Draft,
    /// Where the inputs are that are sliced; carried ones stand before them, captured ones behind.
    sliced: Range<usize>,
    /// (operand of the forward loop, its gradient): of carried values, of slices, of captured values.
    carried: Vec<(usize, NodeId)>,
    slices: Vec<(usize, NodeId)>,
    captured: Vec<(usize, NodeId)>,
}

impl Draft {
    fn of(forward: &ScanParts) -> Draft {
        let mut body = forward.body.same_interface();
        body.inputs.clear();
        Draft { body, operands: Vec::new() }
    }

    /// Declares an input that is given `operand`.
    fn declare(&mut self, ty: &Type, operand: NodeId) -> NodeId {
        let name = format!("{}", self.body.inputs.len()).into();
        self.operands.push(operand);
        self.body.add_input(Input { name, ty: ty.clone(), role: Role::Body, below: None })
    }
}

impl ScanParts {
    fn slices(&self) -> Range<usize> {
        self.carried..self.carried + self.sliced
    }

    /// The loop that a node is a result of.
    pub(super) fn of(graph: &Graph, id: NodeId) -> Option<ScanParts> {
        let Op::Scan { body, carried, sliced, length, .. } = graph.op(id) else { return None };
        let (body, carried, sliced, length) = (body.clone(), *carried, *sliced, length.clone());
        Some(ScanParts { body, carried, sliced, length, operands: graph.operands(id) })
    }

    /// How many results it has.
    pub(super) fn results(&self) -> usize {
        self.body.results.len()
    }

    /// Which of its results a node is.
    pub(super) fn result_of(&self, graph: &Graph, id: NodeId) -> Option<usize> {
        let Op::Scan { body, carried, sliced, length, result } = graph.op(id) else { return None };
        let same =
            (*carried, *sliced, length) == (self.carried, self.sliced, &self.length) && *body == self.body;
        (same && graph.operands_of(id) == self.operands).then_some(*result)
    }
}

/// What differentiates the body: the gradients by some nodes, of results with the gradients that arrive at them.
pub(super) type Differentiate =
    dyn Fn(&mut Graph, &[(NodeId, NodeId)], &[NodeId]) -> Result<Vec<NodeId>, Error>;

/// The gradients of those operands of a loop that are wanted: (operand, gradient), given what arrived at the loop's results.
pub(super) fn pull(
    graph: &mut Graph,
    forward: &ScanParts,
    arrived: &[Option<NodeId>],
    wanted: &[bool],
    differentiate: &Differentiate,
) -> Result<Vec<(NodeId, NodeId)>, Error> {
    let found = reverse(graph, forward, arrived, wanted, differentiate)?;

    // What is a product of all iterations is made behind the loop.
    let is_same =
        |id: NodeId| matches!(found.draft.body.op(id), Op::Input(input) if *input >= found.sliced.end);
    let products = of_all_iterations(&found.draft.body, &is_same);
    let (outside, summed): (Vec<_>, Vec<_>) =
        found.captured.iter().copied().partition(|(_, gradient)| products[gradient.index()]);
    let roots: Vec<NodeId> = outside.iter().map(|(_, gradient)| *gradient).collect();
    let plan = Outside::of(&found.draft.body, &roots);

    let (reversed, stacks) = complete(graph, forward, &found, &summed, &plan.stacked);
    let body = Arc::new(reversed.draft.body);
    let result = |graph: &mut Graph, result: usize| {
        let (carried, sliced, length) = (reversed.carried, reversed.sliced, forward.length.clone());
        graph.add(Op::Scan { body: body.clone(), carried, sliced, length, result }, &reversed.draft.operands)
    };

    let mut gradients = Vec::with_capacity(reversed.gradients.len() + outside.len());
    for &(operand, position) in reversed.gradients.iter().filter(|(operand, _)| wanted[*operand]) {
        let mut gradient = result(graph, position);
        if forward.slices().contains(&operand) {
            gradient = graph.add(Op::Reverse(vec![0]), &[gradient]);
        }
        gradients.push((forward.operands[operand], gradient));
    }

    let mut stacked: Map<NodeId, NodeId> = Map::default();
    for (node, stack) in stacks {
        let stack = match stack {
            Stack::Given(operand) => operand,
            Stack::Result(position) => result(graph, position),
        };
        stacked.insert(node, stack);
    }
    let sums = plan.write(graph, &found.draft.body, &|node| stacked[&node]);
    gradients.extend(outside.iter().map(|(operand, gradient)| (forward.operands[*operand], sums[gradient])));
    Ok(gradients)
}

/// Where the values of a node in all iterations are.
enum Stack {
    /// They are given to the reversed loop.
    Given(NodeId),
    /// They are this result of it.
    Result(usize),
}

/// Differentiates the forward body in the body of a reversed loop and makes, in `graph`, what that is given.
fn reverse(
    graph: &mut Graph,
    forward: &ScanParts,
    arrived: &[Option<NodeId>],
    wanted: &[bool],
    differentiate: &Differentiate,
) -> Result<Differentiated, Error> {
    // Indices of operands: carried floats, captured and sliced values whose gradients are wanted. Indices of stacked results that a
    // gradient arrived at.
    let types = |position: usize| &forward.body.inputs[position].ty;
    let moving: Vec<usize> =
        (0..forward.carried).filter(|&position| types(position).element.is_float()).collect();
    let captured: Vec<usize> =
        (forward.slices().end..forward.operands.len()).filter(|&i| wanted[i]).collect();
    let slices: Vec<usize> = forward.slices().filter(|&i| wanted[i]).collect();
    let stacked: Vec<usize> = (forward.carried..arrived.len()).filter(|&i| arrived[i].is_some()).collect();

    // Carried: gradients of the carried values.
    let (mut draft, mut seeds) = (Draft::of(forward), Vec::new());
    for &i in &moving {
        let zeros = graph.full_like(forward.operands[i], 0.0);
        seeds.push((i, draft.declare(types(i), arrived[i].unwrap_or(zeros))));
    }

    // Sliced, from the last iteration to the first: what each began with, its slices, the gradients of what it stacked.
    let mut inputs = Vec::new();
    for (i, began) in residuals(graph, forward).into_iter().enumerate() {
        inputs.push(draft.declare(types(i), began));
    }
    for i in forward.slices() {
        let slices = graph.add(Op::Reverse(vec![0]), &[forward.operands[i]]);
        inputs.push(draft.declare(types(i), slices));
    }
    for &i in &stacked {
        let Some(gradient) = arrived[i] else { continue };
        let gradients = graph.add(Op::Reverse(vec![0]), &[gradient]);
        let ty = forward.body.ty(forward.body.results[i].1);
        seeds.push((i, draft.declare(ty, gradients)));
    }
    let sliced = moving.len()..draft.operands.len();

    // Captured: the same values in every iteration.
    for i in forward.slices().end..forward.operands.len() {
        inputs.push(draft.declare(types(i), forward.operands[i]));
    }

    let results = inline(&mut draft.body, &forward.body, &inputs);
    let seeds: Vec<(NodeId, NodeId)> = seeds.iter().map(|&(result, seed)| (results[result], seed)).collect();
    let operands = [&moving[..], &slices, &captured].concat();
    let wrt: Vec<NodeId> = operands.iter().map(|&operand| inputs[operand]).collect();
    let found = differentiate(&mut draft.body, &seeds, &wrt)?;

    let mut all = operands.into_iter().zip(found);
    let mut take = |count: usize| all.by_ref().take(count).collect();
    let (carried, of_slices) = (take(moving.len()), take(slices.len()));
    Ok(Differentiated { draft, sliced, carried, slices: of_slices, captured: take(captured.len()) })
}

/// The reversed loop, which adds up the gradients of `summed` and stacks what is `needed` of all iterations.
fn complete(
    graph: &mut Graph,
    forward: &ScanParts,
    found: &Differentiated,
    summed: &[(usize, NodeId)],
    needed: &[NodeId],
) -> (Reversed, Vec<(NodeId, Stack)>) {
    let Differentiated { draft, sliced, carried, slices, .. } = found;

    // The same inputs, and the sums so far behind those that are carried.
    let mut whole = Draft::of(forward);
    let given = |whole: &mut Draft, position: usize| {
        whole.declare(&draft.body.inputs[position].ty, draft.operands[position])
    };
    let mut inputs: Vec<NodeId> = (0..sliced.start).map(|position| given(&mut whole, position)).collect();
    let mut sums = Vec::new();
    for &(operand, _) in summed {
        let zeros = graph.full_like(forward.operands[operand], 0.0);
        sums.push(whole.declare(&forward.body.inputs[operand].ty, zeros));
    }
    inputs.extend((sliced.start..draft.operands.len()).map(|position| given(&mut whole, position)));

    // Results: gradients that are carried, sums, gradients of slices, and what else is stacked.
    let named = [&carried[..], summed, slices].concat();
    let mut results: Vec<NodeId> = named.iter().map(|(_, gradient)| *gradient).collect();
    let mut stacks = Vec::new();
    for &node in needed {
        let given = if let Op::Input(input) = draft.body.op(node) {
            sliced.contains(input).then_some(*input)
        } else {
            None
        };
        let stack = match given {
            Some(input) => Stack::Given(draft.operands[input]),
            None => Stack::Result(stacked_at(&mut results, carried.len() + summed.len(), node)),
        };
        stacks.push((node, stack));
    }

    let mut copies = copied(&mut whole.body, &draft.body, &inputs, &results);
    for (position, &sum) in sums.iter().enumerate() {
        let next = &mut copies[carried.len() + position];
        *next = whole.body.add(Op::Binary(Binary::Add), &[sum, *next]);
    }
    let purposes = copies.into_iter().enumerate().map(|(i, id)| (Purpose::Output(format!("{i}").into()), id));
    whole.body.results = purposes.collect();

    let gradients = named.into_iter().enumerate().map(|(result, (operand, _))| (operand, result)).collect();
    let (carried, sliced) = (carried.len() + summed.len(), sliced.len());
    (Reversed { draft: whole, carried, sliced, gradients }, stacks)
}

/// The position of a node among the results that are stacked, which begin at `first`; it becomes the last where it is none.
fn stacked_at(results: &mut Vec<NodeId>, first: usize, node: NodeId) -> usize {
    let found = results[first..].iter().position(|&known| known == node);
    found.map_or_else(
        || {
            results.push(node);
            results.len() - 1
        },
        |position| first + position,
    )
}

/// The values that each iteration began with, stacked from the last to the first.
fn residuals(graph: &mut Graph, forward: &ScanParts) -> Vec<NodeId> {
    let (carried, stacked) = forward.body.results.split_at(forward.carried);
    let place = |next: NodeId| stacked.iter().position(|(_, id)| *id == next);
    let places: Option<Vec<usize>> = carried.iter().map(|(_, next)| place(*next)).collect();
    match places {
        Some(places) => {
            places.into_iter().enumerate().map(|(i, place)| behind_start(graph, forward, i, place)).collect()
        }
        None => stacked_again(graph, forward),
    }
}

/// What was carried first, and then all but the last of what the stacked result at `place` holds, from the last to the first.
fn behind_start(graph: &mut Graph, forward: &ScanParts, carried: usize, place: usize) -> NodeId {
    let result = forward.carried + place;
    let ScanParts { body, carried: count, sliced, length, operands } = forward;
    let scan =
        Op::Scan { body: body.clone(), carried: *count, sliced: *sliced, length: length.clone(), result };
    let stack = graph.add(scan, operands);

    let start = operands[carried];
    let row = Shape([&[Dim::from(1)], graph.shape(start).dims()].concat());
    let first = graph.add(Op::Reshape(row), &[start]);
    let all = graph.add(Op::Concatenate { axis: 0 }, &[first, stack]);
    // Also without iterations there is the start, which none begins with.
    let mut ranges: Vec<op::Range> = graph.shape(all).dims().iter().map(op::Range::whole).collect();
    ranges[0] = op::Range::whole(length);
    let began = graph.add(Op::Slice(ranges), &[all]);
    graph.add(Op::Reverse(vec![0]), &[began])
}

/// The same by running the forward loop again.
fn stacked_again(graph: &mut Graph, forward: &ScanParts) -> Vec<NodeId> {
    let mut body = (*forward.body).clone();
    let first = body.results.len();
    for i in 0..forward.carried {
        let began = body.add(Op::Input(i), &[]);
        let name = format!("began.{}", body.results.len());
        body.results.push((Purpose::Output(name.into()), began));
    }

    let body = Arc::new(body);
    let stacks = (0..forward.carried).map(|i| {
        let scan = Op::Scan {
            body: body.clone(),
            carried: forward.carried,
            sliced: forward.sliced,
            length: forward.length.clone(),
            result: first + i,
        };
        let stack = graph.add(scan, &forward.operands);
        graph.add(Op::Reverse(vec![0]), &[stack])
    });

    stacks.collect()
}

/// Adds the nodes of `body` with `inputs` instead of its inputs; gives its results.
fn inline(into: &mut Graph, body: &Graph, inputs: &[NodeId]) -> Vec<NodeId> {
    let results: Vec<NodeId> = body.results.iter().map(|(_, id)| *id).collect();
    copied(into, body, inputs, &results)
}

/// Adds the nodes of `body` with `inputs` instead of its inputs; gives what `wanted` are there.
fn copied(into: &mut Graph, body: &Graph, inputs: &[NodeId], wanted: &[NodeId]) -> Vec<NodeId> {
    let mut copies: Vec<NodeId> = Vec::with_capacity(body.len());
    for id in body.ids() {
        let operands: Vec<NodeId> =
            body.operands(id).into_iter().map(|operand| copies[operand.index()]).collect();
        into.set_origin(body.origin(id).clone());
        let op = body.op(id);
        copies.push(if let Op::Input(index) = op { inputs[*index] } else { into.add(op.clone(), &operands) });
    }
    wanted.iter().map(|id| copies[id.index()]).collect()
}
