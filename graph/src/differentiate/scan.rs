//! The gradient of a loop: another loop, backwards.
//!
//! In: all results of one loop with the gradients that arrived at them. Out: the gradients of its operands.
//!
//! The body is differentiated by the walker that calls this file; it passes itself as a function ([`Differentiate`]).
//!
//! The forward loop runs again and stacks the carried values that each iteration began with. The reversed loop takes one of them in each
//! iteration, runs the body on it and differentiates the body there. It carries the gradients of the carried values and the sums of
//! the captured values' gradients; it stacks the gradients of the slices. It is made of the same primitives, so it can be
//! differentiated again.

use crate::dim::Dim;
use crate::error::Error;
use crate::graph::{Graph, Input, NodeId, Purpose, Role};
use crate::op::{Binary, Op};
use crate::types::Type;
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

/// The reversed loop: its body, its operands, and which of its results is whose gradient.
struct Reversed {
    body: Graph,
    operands: Vec<NodeId>,
    carried: usize,
    sliced: usize,
    /// (operand of the forward loop, result of the reversed one).
    gradients: Vec<(usize, usize)>,
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
    let reversed = reverse(graph, forward, arrived, wanted, differentiate)?;
    let body = Arc::new(reversed.body);

    let mut gradients = Vec::with_capacity(reversed.gradients.len());
    for (operand, result) in reversed.gradients {
        let scan = Op::Scan {
            body: body.clone(),
            carried: reversed.carried,
            sliced: reversed.sliced,
            length: forward.length.clone(),
            result,
        };
        let mut gradient = graph.add(scan, &reversed.operands);
        if forward.slices().contains(&operand) {
            gradient = graph.add(Op::Reverse(vec![0]), &[gradient]);
        }
        gradients.push((forward.operands[operand], gradient));
    }

    Ok(gradients)
}

/// Makes the reversed loop and, in `graph`, its operands.
fn reverse(
    graph: &mut Graph,
    forward: &ScanParts,
    arrived: &[Option<NodeId>],
    wanted: &[bool],
    differentiate: &Differentiate,
) -> Result<Reversed, Error> {
    // Indices of operands: carried floats, captured and sliced values whose gradients are wanted. Indices of stacked results that a
    // gradient arrived at.
    let is_float = |position: &usize| forward.body.inputs[*position].ty.element.is_float();
    let moving: Vec<usize> = (0..forward.carried).filter(is_float).collect();
    let captured: Vec<usize> =
        (forward.slices().end..forward.operands.len()).filter(|&i| wanted[i]).collect();
    let slices: Vec<usize> = forward.slices().filter(|&i| wanted[i]).collect();
    let stacked: Vec<usize> = (forward.carried..arrived.len()).filter(|&i| arrived[i].is_some()).collect();

    let mut body = forward.body.same_interface();
    body.inputs.clear();
    let mut operands = Vec::new();
    let mut declare = |body: &mut Graph, ty: &Type, operand: NodeId| {
        let name = format!("{}", body.inputs.len()).into();
        operands.push(operand);
        body.add_input(Input { name, ty: ty.clone(), role: Role::Body, below: None })
    };

    // Carried: gradients of the carried values, sums of the captured values' gradients.
    let mut seeds = Vec::new();
    for &i in &moving {
        let zeros = graph.full_like(forward.operands[i], 0.0);
        seeds.push((i, declare(&mut body, &forward.body.inputs[i].ty, arrived[i].unwrap_or(zeros))));
    }
    let mut sums = Vec::new();
    for &i in &captured {
        let zeros = graph.full_like(forward.operands[i], 0.0);
        sums.push(declare(&mut body, &forward.body.inputs[i].ty, zeros));
    }

    // Sliced, from the last iteration to the first: what each began with, its slices, the gradients of what it stacked.
    let mut inputs = Vec::new();
    for (i, began) in residuals(graph, forward).into_iter().enumerate() {
        inputs.push(declare(&mut body, &forward.body.inputs[i].ty, began));
    }
    for i in forward.slices() {
        let slices = graph.add(Op::Reverse(vec![0]), &[forward.operands[i]]);
        inputs.push(declare(&mut body, &forward.body.inputs[i].ty, slices));
    }
    for &i in &stacked {
        let Some(gradient) = arrived[i] else { continue };
        let gradients = graph.add(Op::Reverse(vec![0]), &[gradient]);
        let ty = forward.body.ty(forward.body.results[i].1);
        seeds.push((i, declare(&mut body, ty, gradients)));
    }
    let sliced = forward.carried + forward.sliced + stacked.len();

    // Captured: the same values in every iteration.
    for i in forward.slices().end..forward.operands.len() {
        inputs.push(declare(&mut body, &forward.body.inputs[i].ty, forward.operands[i]));
    }

    let parts = (&moving[..], &captured[..], &sums[..], &slices[..]);
    let gradients = differentiate_body(&mut body, forward, &inputs, &seeds, parts, differentiate)?;
    Ok(Reversed {
        body,
        operands,
        carried: moving.len() + captured.len(),
        sliced,
        gradients: keep(gradients, wanted),
    })
}

/// Puts the forward body into the reversed one, differentiates it there and names the results: (operand, result).
fn differentiate_body(
    body: &mut Graph,
    forward: &ScanParts,
    inputs: &[NodeId],
    seeds: &[(usize, NodeId)],
    (moving, captured, sums, slices): (&[usize], &[usize], &[NodeId], &[usize]),
    differentiate: &Differentiate,
) -> Result<Vec<(usize, usize)>, Error> {
    let results = inline(body, &forward.body, inputs);
    let seeds: Vec<(NodeId, NodeId)> = seeds.iter().map(|&(result, seed)| (results[result], seed)).collect();
    let operands: Vec<usize> = [moving, captured, slices].concat();
    let wrt: Vec<NodeId> = operands.iter().map(|&operand| inputs[operand]).collect();

    // Carried values and slices have gradients of their own in each iteration; those of captured values are summed.
    let mut gradients = differentiate(body, &seeds, &wrt)?;
    for (gradient, &sum) in gradients[moving.len()..].iter_mut().zip(sums) {
        *gradient = body.add(Op::Binary(Binary::Add), &[sum, *gradient]);
    }
    let named = gradients.iter().enumerate().map(|(i, &id)| (Purpose::Output(format!("{i}").into()), id));
    body.results = named.collect();
    Ok(operands.into_iter().enumerate().map(|(result, operand)| (operand, result)).collect())
}

/// The gradients that are wanted.
fn keep(gradients: Vec<(usize, usize)>, wanted: &[bool]) -> Vec<(usize, usize)> {
    gradients.into_iter().filter(|(operand, _)| wanted[*operand]).collect()
}

/// The values that each iteration began with, stacked from the last to the first.
fn residuals(graph: &mut Graph, forward: &ScanParts) -> Vec<NodeId> {
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
    let mut copies: Vec<NodeId> = Vec::with_capacity(body.len());
    for id in body.ids() {
        let operands: Vec<NodeId> =
            body.operands(id).into_iter().map(|operand| copies[operand.index()]).collect();
        into.set_origin(body.origin(id).clone());
        let op = body.op(id);
        copies.push(if let Op::Input(index) = op { inputs[*index] } else { into.add(op.clone(), &operands) });
    }
    body.results.iter().map(|(_, id)| copies[id.index()]).collect()
}
