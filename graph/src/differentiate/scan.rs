//! The gradient of a loop: another loop, backwards.
//!
//! In: all results of one loop with the gradients that arrived at them. Out: the gradients of its operands.
//!
//! The body is differentiated by the walker that calls this file; it passes itself as a function ([`Differentiate`]).
//!
//! How: a turn of the new loop is the forward body and the gradients of its operands. It carries the gradients of the carried values and the
//! sums of the captured values' gradients; it stacks the gradients of the slices. Of the forward body's values those that its
//! gradients need and that are costly (products, transcendental functions) are not computed again: the forward loop stacks them, as it does
//! the carried values that a turn began with. A loop that is to recompute them stacks the carried values alone, and its gradient is such a
//! loop, too. It is made of the same primitives, so it can be differentiated again.

use crate::dim::Dim;
use crate::error::Error;
use crate::facts::{Class, Cost};
use crate::graph::{Graph, Input, NodeId, Purpose, Role};
use crate::op::{Binary, Op};
use crate::rebuild::copy_into;
use crate::types::Type;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// One loop: its op's attributes and operands.
pub(super) struct ScanParts {
    body: Arc<Graph>,
    carried: usize,
    sliced: usize,
    length: Dim,
    reversed: bool,
    recompute: bool,
    operands: Vec<NodeId>,
}

impl ScanParts {
    fn slices(&self) -> Range<usize> {
        self.carried..self.carried + self.sliced
    }

    /// The loop that a node is a result of.
    pub(super) fn of(graph: &Graph, id: NodeId) -> Option<ScanParts> {
        let Op::Scan { body, carried, sliced, length, reversed, recompute, .. } = graph.op(id) else {
            return None;
        };
        let (body, carried, sliced, length) = (body.clone(), *carried, *sliced, length.clone());
        let (reversed, recompute) = (*reversed, *recompute);
        Some(ScanParts { body, carried, sliced, length, reversed, recompute, operands: graph.operands(id) })
    }

    /// How many results it has.
    pub(super) fn results(&self) -> usize {
        self.body.results.len()
    }

    /// A result of the loop with another body of the same interface.
    fn result(&self, graph: &mut Graph, body: &Arc<Graph>, result: usize) -> NodeId {
        let scan = Op::Scan {
            body: body.clone(),
            carried: self.carried,
            sliced: self.sliced,
            length: self.length.clone(),
            reversed: self.reversed,
            recompute: self.recompute,
            result,
        };
        graph.add(scan, &self.operands)
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
    let turn = Turn::new(forward, arrived, wanted, differentiate)?;
    let backward = turn.backward(graph, forward, arrived);
    let body = backward.body.clone();

    let mut gradients = Vec::with_capacity(turn.operands.len());
    for (result, &operand) in turn.operands.iter().enumerate() {
        if wanted[operand] {
            gradients.push((forward.operands[operand], backward.result(graph, &body, result)));
        }
    }
    Ok(gradients)
}

/// The forward body and, behind it, the gradients of its operands.
struct Turn {
    graph: Graph,
    /// For each node of the forward body its copy.
    copies: Vec<NodeId>,
    /// The inputs beside those of the forward body: gradients of carried values, sums of gradients of captured ones; and for stacked
    /// results the gradient of the slice.
    carried: Vec<(usize, NodeId)>,
    stacked: Vec<(usize, NodeId)>,
    /// How many of the carried are gradients of carried values.
    moving: usize,
    /// Whose gradients it makes, in the order of its results: of what is carried, then of slices.
    operands: Vec<usize>,
}

impl Turn {
    fn new(
        forward: &ScanParts,
        arrived: &[Option<NodeId>],
        wanted: &[bool],
        differentiate: &Differentiate,
    ) -> Result<Turn, Error> {
        // Carried floats, captured and sliced values whose gradients are wanted.
        let is_float = |position: &usize| forward.body.inputs[*position].ty.element.is_float();
        let moving: Vec<usize> = (0..forward.carried).filter(is_float).collect();
        let captured = (forward.slices().end..forward.operands.len()).filter(|&i| wanted[i]);
        let captured: Vec<usize> = captured.collect();
        let slices: Vec<usize> = forward.slices().filter(|&i| wanted[i]).collect();

        let mut graph = forward.body.same_interface();
        graph.results.clear();
        let body = &forward.body;
        let copies =
            copy_into(&mut graph, body, &mut |graph, id, operands| graph.add(body.op(id).clone(), operands));
        let ty = |operand: usize| forward.body.inputs[operand].ty.clone();
        let carried = [&moving[..], &captured[..]].concat();
        let carried: Vec<(usize, NodeId)> =
            carried.into_iter().map(|operand| (operand, declare(&mut graph, ty(operand)))).collect();
        let stacked = (forward.carried..arrived.len()).filter(|&result| arrived[result].is_some());
        let slice = |result: usize| forward.body.ty(forward.body.results[result].1).clone();
        let stacked: Vec<(usize, NodeId)> =
            stacked.map(|result| (result, declare(&mut graph, slice(result)))).collect();

        // Carried values and slices have gradients of their own in each turn; those of captured values are summed.
        let seeds = carried[..moving.len()].iter().chain(&stacked);
        let made = |result: usize| copies[forward.body.results[result].1.index()];
        let seeds: Vec<(NodeId, NodeId)> = seeds.map(|&(result, seed)| (made(result), seed)).collect();
        let operands = [moving.clone(), captured, slices].concat();
        let inputs: Vec<NodeId> =
            (0..forward.operands.len()).map(|place| graph.add(Op::Input(place), &[])).collect();
        let wrt: Vec<NodeId> = operands.iter().map(|&operand| inputs[operand]).collect();
        let mut gradients = differentiate(&mut graph, &seeds, &wrt)?;
        for (gradient, &(_, sum)) in gradients[moving.len()..].iter_mut().zip(&carried[moving.len()..]) {
            *gradient = graph.add(Op::Binary(Binary::Add), &[sum, *gradient]);
        }
        let named = gradients.iter().enumerate().map(|(i, &id)| (Purpose::Output(format!("{i}").into()), id));
        graph.results = named.collect();
        Ok(Turn { graph, copies, carried, stacked, moving: moving.len(), operands })
    }

    /// The backward loop, and in `graph` its operands.
    fn backward(&self, graph: &mut Graph, forward: &ScanParts, arrived: &[Option<NodeId>]) -> ScanParts {
        let kept = self.kept(forward);
        let mut body = self.graph.same_interface();
        body.inputs.clear();
        body.results.clear();
        let (mut operands, mut known) = (Vec::new(), BTreeMap::new());
        let mut take = |body: &mut Graph, node: NodeId, operand: NodeId| {
            known.insert(node, declare(body, self.graph.ty(node).clone()));
            operands.push(operand);
        };

        for (place, &(operand, seed)) in self.carried.iter().enumerate() {
            let arrived = if place < self.moving { arrived[operand] } else { None };
            let start = arrived.unwrap_or_else(|| graph.full_like(forward.operands[operand], 0.0));
            take(&mut body, seed, start);
        }
        for &(result, seed) in &self.stacked {
            if let Some(gradient) = arrived[result] {
                take(&mut body, seed, gradient);
            }
        }
        let whole = Arc::new(with_results(&forward.body, &kept));
        for (number, id) in kept.iter().enumerate() {
            let stack = forward.result(graph, &whole, forward.results() + number);
            take(&mut body, self.copies[id.index()], stack);
        }
        let needed = self.needed(&kept);
        let mut inputs: Vec<Option<NodeId>> = vec![None; self.graph.inputs.len()];
        for id in self.graph.ids() {
            if let Op::Input(place) = self.graph.op(id) {
                inputs[*place] = Some(id);
            }
        }
        let taken = |place: &usize| inputs[*place].filter(|id| needed[id.index()]);
        let slices: Vec<(usize, NodeId)> =
            forward.slices().filter_map(|place| Some((place, taken(&place)?))).collect();
        slices.iter().for_each(|&(place, id)| take(&mut body, id, forward.operands[place]));
        let sliced = self.stacked.len() + kept.len() + slices.len();
        for place in forward.slices().end..forward.operands.len() {
            if let Some(id) = taken(&place) {
                take(&mut body, id, forward.operands[place]);
            }
        }

        for id in self.graph.ids().filter(|id| needed[id.index()]) {
            if known.contains_key(&id) {
                continue;
            }
            let operands: Vec<NodeId> = self.graph.operands_of(id).iter().map(|it| known[it]).collect();
            body.set_origin(self.graph.origin(id).clone());
            known.insert(id, body.add(self.graph.op(id).clone(), &operands));
        }
        let results = self.graph.results.iter();
        body.results = results.map(|(purpose, id)| (purpose.clone(), known[id])).collect();
        ScanParts {
            body: Arc::new(body),
            carried: self.carried.len(),
            sliced,
            length: forward.length.clone(),
            reversed: !forward.reversed,
            recompute: forward.recompute,
            operands,
        }
    }

    /// The nodes of the forward body that the forward loop is to stack, as far as gradients need them: what a turn began with, and costly
    /// values unless they are to be recomputed.
    fn kept(&self, forward: &ScanParts) -> Vec<NodeId> {
        let is_kept = |id: NodeId| {
            let op = forward.body.op(id);
            if let Op::Input(place) = op {
                return *place < forward.carried;
            }
            if forward.recompute {
                return false;
            }
            let facts = op.facts();
            let is_product = matches!(facts.class, Class::Contraction | Class::Loop);
            is_product || facts.cost.again >= Cost::TRANSCENDENTAL.again
        };
        let candidates: Vec<NodeId> = forward.body.ids().filter(|&id| is_kept(id)).collect();
        let needed = self.needed(&candidates);
        candidates.into_iter().filter(|id| needed[self.copies[id.index()].index()]).collect()
    }

    /// For each node whether a result needs it, if these nodes of the forward body are given.
    fn needed(&self, given: &[NodeId]) -> Vec<bool> {
        let (mut is_given, mut needed) = (vec![false; self.graph.len()], vec![false; self.graph.len()]);
        given.iter().for_each(|id| is_given[self.copies[id.index()].index()] = true);
        self.graph.results.iter().for_each(|(_, id)| needed[id.index()] = true);
        for id in self.graph.ids().rev() {
            if needed[id.index()] && !is_given[id.index()] {
                self.graph.operands_of(id).iter().for_each(|operand| needed[operand.index()] = true);
            }
        }
        needed
    }
}

/// An input of a body.
fn declare(body: &mut Graph, ty: Type) -> NodeId {
    let name = format!("{}", body.inputs.len()).into();
    body.add_input(Input { name, ty, role: Role::Body, below: None })
}

/// A body that stacks some of its values as well.
fn with_results(body: &Graph, stacked: &[NodeId]) -> Graph {
    let mut body = body.clone();
    for &id in stacked {
        let name = format!("kept.{}", body.results.len());
        body.results.push((Purpose::Output(name.into()), id));
    }
    body
}
