//! Reverse-mode differentiation.
//!
//! In: a graph, a node, and the nodes to differentiate with respect to. Out: the gradients of the sum of the node's elements, appended to
//! the same graph as ordinary nodes, so that they can be differentiated again.
//!
//! The rules (`rules.rs`) know one op each. The walker here does everything else, once for all rules:
//!
//! - it finds the nodes on a path from a wanted node to the result: only they get a gradient;
//! - it adds up contributions;
//! - it keeps the masks under which a gradient counts (`masked.rs`: the gradient of a selection is a selection);
//! - it gives each gradient node the origin of the node it belongs to.
//!
//! One recursion cannot be avoided: to pass a loop (`scan.rs`), the walker differentiates the loop's body, which is another walk.

mod guard;
mod rules;
mod masked;
mod scan;

use crate::error::Error;
use crate::graph::{Graph, NodeId};
use crate::loops::result_of;
use crate::rebuild::ancestors;
use masked::Masked;
use scan::ScanParts;

/// Appends the gradients of the sum of `of`'s elements by each of `wrt`; zeros where there is no path.
///
/// # Errors
/// Values that are no floats, and operations without a gradient.
///
/// # Examples
/// ```
/// use downhill_graph::differentiate::differentiate;
/// use downhill_graph::graph::{Graph, Input, Purpose, Role};
/// use downhill_graph::interpret::{Environment, Precision, interpret};
/// use downhill_graph::op::{Op, Unary};
/// use downhill_graph::types::{ElementType, Type};
///
/// let mut graph = Graph::new();
/// let ty = Type::new(ElementType::F32, [2]);
/// let x = graph.add_input(Input { name: "x".into(), ty, role: Role::Input, below: None });
/// let y = graph.add(Op::Unary(Unary::Exp), &[x]);
/// let gradient = differentiate(&mut graph, y, &[x])?[0];
/// graph.results.push((Purpose::Gradient("x".into()), gradient));
/// let results = interpret(&graph, &Environment::new().input("x", [0.0_f32, 1.0]), Precision::F32)?;
/// assert_eq!(results[0].1.as_f32()?, [1.0, std::f32::consts::E]);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
pub fn differentiate(graph: &mut Graph, of: NodeId, wrt: &[NodeId]) -> Result<Vec<NodeId>, Error> {
    for &id in [of].iter().chain(wrt) {
        if !graph.ty(id).element.is_float() {
            let message = format!("a value of type {} has no gradient: only floats have", graph.ty(id));
            return Err(Error::new(message).at(graph.origin(id).clone()));
        }
    }
    let seed = graph.full_like(of, 1.0);
    differentiate_from(graph, &[(of, seed)], wrt)
}

/// As [`differentiate`], for several results with the given gradients arriving at them.
fn differentiate_from(
    graph: &mut Graph,
    seeds: &[(NodeId, NodeId)],
    wrt: &[NodeId],
) -> Result<Vec<NodeId>, Error> {
    let origin = graph.current_origin().clone();
    let mut walker = Walker::new(graph, seeds, wrt);
    let walked = walker.walk();
    let gradients: Vec<Option<NodeId>> = wrt.iter().map(|&id| walker.gradient(id)).collect();
    graph.set_origin(origin);
    walked?;
    Ok(gradients
        .into_iter()
        .zip(wrt)
        .map(|(gradient, &id)| gradient.unwrap_or_else(|| graph.full_like(id, 0.0)))
        .collect())
}

struct Walker<'a> {
    graph: &'a mut Graph,
    /// Nodes on a path from a wanted node to a seeded one.
    on_path: Vec<bool>,
    /// What has arrived so far.
    gradients: Vec<Option<Masked>>,
}

impl<'a> Walker<'a> {
    fn new(graph: &'a mut Graph, seeds: &[(NodeId, NodeId)], wrt: &[NodeId]) -> Walker<'a> {
        let roots: Vec<NodeId> = seeds.iter().map(|(root, _)| *root).collect();

        // A node is on a path if it depends on a wanted node and a root needs it.
        let mut on_path = vec![false; graph.len()];
        for id in wrt {
            on_path[id.index()] = true;
        }

        for id in graph.ids().filter(|&id| graph.ty(id).element.is_float()) {
            let op = graph.op(id);
            let carries = |(position, operand): (usize, NodeId)| {
                on_path[operand.index()] && op.passes_gradient(position)
            };
            if graph.operands(id).into_iter().enumerate().any(carries) {
                on_path[id.index()] = true;
            }
        }

        for (on_path, needed) in on_path.iter_mut().zip(ancestors(graph, &roots)) {
            *on_path &= needed;
        }

        let mut walker = Walker { gradients: vec![None; graph.len()], graph, on_path };
        for &(root, seed) in seeds {
            walker.arrive(root, Masked::everywhere(seed));
        }
        walker
    }

    fn walk(&mut self) -> Result<(), Error> {
        // Two seeds of one node were added up behind the nodes that were there.
        let beyond = self.graph.len() - self.on_path.len();
        for id in self.graph.ids().rev().skip(beyond) {
            let op = self.graph.op(id).clone();
            self.graph.set_origin(self.graph.origin(id).clone());
            if let Some(forward) = ScanParts::of(self.graph, id) {
                self.through_loop(id, &forward)?;
                continue;
            }
            let Some(gradient) = self.gradients[id.index()].clone() else { continue };
            for (position, operand) in self.graph.operands(id).into_iter().enumerate() {
                if self.on_path[operand.index()]
                    && op.passes_gradient(position)
                    && let Some(contribution) = gradient.pull(self.graph, id, position)?
                {
                    self.arrive(operand, contribution);
                }
            }
        }
        Ok(())
    }

    /// Propagates gradients through the loop of which `id` is a result. This is done once, at the loop's first result: all users of all
    /// its results have been visited by then.
    fn through_loop(&mut self, id: NodeId, forward: &ScanParts) -> Result<(), Error> {
        let mut arrived: Vec<Option<NodeId>> = vec![None; forward.results()];
        for member in self.graph.ids().take(self.on_path.len()) {
            if let Some(result) = result_of(self.graph, id, member) {
                if member < id {
                    return Ok(());
                }
                arrived[result] = self.gradient(member);
            }
        }

        if arrived.iter().all(Option::is_none) {
            return Ok(());
        }
        let wanted = |operand: &NodeId| self.on_path[operand.index()];
        let wanted: Vec<bool> = self.graph.operands_of(id).iter().map(wanted).collect();
        for (operand, gradient) in scan::pull(self.graph, forward, &arrived, &wanted, &differentiate_from)? {
            self.arrive(operand, Masked::everywhere(gradient));
        }
        Ok(())
    }

    /// What has arrived at a node, as a node.
    fn gradient(&mut self, at: NodeId) -> Option<NodeId> {
        self.gradients[at.index()].as_ref().map(|gradient| gradient.applied(self.graph))
    }

    fn arrive(&mut self, at: NodeId, contribution: Masked) {
        if !self.on_path[at.index()] {
            return;
        }
        let sum = match self.gradients[at.index()].take() {
            Some(sum) => sum.plus(self.graph, &contribution),
            None => contribution,
        };
        self.gradients[at.index()] = Some(sum);
    }
}
