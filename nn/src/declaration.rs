//! A declared network: the graph of its values, what comes out, what is minimised, what is checked.
//!
//! In: what [`crate::builder::Builder::finish`] gives. Out: [`Declaration`], which entries are made of.

use downhill_graph::check::{Check, without_poison};
use downhill_graph::error::Origin;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::rebuild::ancestors;
use std::sync::Arc;

/// Whether the graph being built is for training or for inference; dropout and the like look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Mode {
    /// For a training step.
    Train,
    /// For `forward`.
    Infer,
}

/// A loss: a scalar to minimise.
#[derive(Clone, Debug)]
pub struct Loss {
    /// `loss` when it was given no name.
    pub name: Arc<str>,
    /// The scalar.
    pub node: NodeId,
    /// Indices of the storages to train; `None` for all.
    pub over: Option<Vec<usize>>,
    /// Where it was declared.
    pub origin: Origin,
}

/// How a state changes in the training steps whose loss reaches it.
#[derive(Clone, Debug)]
pub struct StateUpdate {
    /// Index of the state's storage.
    pub storage: usize,
    /// Its next value.
    pub node: NodeId,
    /// The call of a layer that it is part of, from 1; 0 straight in the network. Those of one call are simultaneous.
    pub call: usize,
    /// What that call gives, where it is known.
    pub gives: Vec<NodeId>,
    /// Where it was declared.
    pub origin: Origin,
}

/// A declared network: the graph of its values, what comes out, what is minimised.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// Every value of the declaration; inputs, storages, bindings.
    pub graph: Graph,
    /// Named outputs in order.
    pub outputs: Vec<(Arc<str>, NodeId)>,
    /// Losses in order.
    pub losses: Vec<Loss>,
    /// How states change, in order; none for inference, which reads them only.
    pub updates: Vec<StateUpdate>,
    /// What uses of its values demand of them, in the order of the uses.
    pub checks: Vec<Check>,
    /// Mode it was built in.
    pub mode: Mode,
}

impl Declaration {
    /// The checks that are to be made where these nodes are computed.
    pub fn checks_of(&self, roots: &[NodeId]) -> impl Iterator<Item = &Check> {
        let needed = ancestors(&self.graph, roots);
        self.checks.iter().filter(move |check| check.terms.iter().any(|term| needed[term.index()]))
    }

    /// The same without checks: broken elements give whatever they give.
    #[must_use]
    pub fn unchecked(mut self) -> Declaration {
        let nodes: Vec<NodeId> = self.nodes().into_iter().map(|node| *node).collect();
        self.graph.results = nodes.into_iter().map(|node| (Purpose::Output("".into()), node)).collect();
        self.graph = without_poison(&self.graph);
        let nodes = std::mem::take(&mut self.graph.results).into_iter().map(|(_, node)| node);
        for (kept, node) in self.nodes().into_iter().zip(nodes) {
            *kept = node;
        }
        self.checks.clear();
        self
    }

    /// All nodes that it names, in an order of its own.
    fn nodes(&mut self) -> Vec<&mut NodeId> {
        let outputs = self.outputs.iter_mut().map(|(_, node)| node);
        let losses = self.losses.iter_mut().map(|loss| &mut loss.node);
        let updates = self.updates.iter_mut();
        let updates = updates.flat_map(|update| [&mut update.node].into_iter().chain(&mut update.gives));
        outputs.chain(losses).chain(updates).collect()
    }
}
