//! States in training steps: which updates a loss takes, and what several of one state come to.
//!
//! In: a declaration, a loss. Out: the next values of states, appended to the graph of a step.
//!
//! Must hold: values that the loss is made of are computed once, from the states as they were before the step, whatever is updated. Of the
//! several uses of one state each takes what the one before has made, as if they had been called one after the other.

use crate::declaration::{Declaration, Loss, StateUpdate};
use downhill_graph::error::Error;
use downhill_graph::graph::{Graph, NodeId, Purpose, StorageKind};
use downhill_graph::op::Op;
use downhill_graph::rebuild::{ancestors, remake};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Updates that no loss takes: a mistake each, where it was declared. A network without a loss is for inference.
pub fn unchanging(declaration: &Declaration) -> Vec<Error> {
    if declaration.losses.is_empty() {
        return Vec::new();
    }
    let reach = Reach::of(declaration);
    let never = declaration.updates.iter().filter(|update| !reach.losses(update).contains(&true));
    never
        .map(|update| {
            let name = &declaration.graph.storages[update.storage].name;
            Error::new(format!("no loss depends on what `{name}` is updated with, so no step changes it"))
                .help("use the value in a loss, or leave the update out")
                .at(update.origin.clone())
        })
        .collect()
}

/// The nodes that a step of `loss` computes for states.
pub(super) fn nodes(declaration: &Declaration, loss: &Loss) -> Vec<NodeId> {
    taken(declaration, loss).into_iter().map(|update| update.node).collect()
}

/// Appends the updates that a step of `loss` takes to its graph, which begins with that of the declaration.
pub(super) fn append(declaration: &Declaration, loss: &Loss, graph: &mut Graph) {
    let taken = taken(declaration, loss);
    let kept = ancestors(&declaration.graph, &[loss.node]);
    let mut next: BTreeMap<usize, NodeId> = BTreeMap::new();

    let mut calls: Vec<usize> = taken.iter().map(|update| update.call).collect();
    calls.dedup();
    let mut done = BTreeSet::new();
    for call in calls.into_iter().filter(|call| done.insert(*call)) {
        // Simultaneous: each sees what earlier calls made of the states that this one updates.
        let before = next.clone();
        let own = || taken.iter().filter(|update| update.call == call);
        let updated: BTreeSet<usize> = own().map(|update| update.storage).collect();
        for update in own() {
            let now = |storage: usize| before.get(&storage).filter(|_| updated.contains(&storage)).copied();
            let is_later = updated.iter().any(|&storage| before.contains_key(&storage));
            let node = if is_later { behind(graph, update.node, &kept, &now) } else { update.node };
            next.insert(update.storage, node);
        }
    }

    graph.results.extend(next.into_iter().map(|(storage, node)| (Purpose::Update(storage), node)));
}

/// The updates that `loss` takes, in the order of declaration.
fn taken<'d>(declaration: &'d Declaration, loss: &Loss) -> Vec<&'d StateUpdate> {
    let reach = Reach::of(declaration);
    let Some(position) = declaration.losses.iter().position(|known| known.name == loss.name) else {
        return Vec::new();
    };
    declaration.updates.iter().filter(|update| reach.losses(update)[position]).collect()
}

/// `node` with states as they are `now`, but for values that are `kept`.
fn behind(graph: &mut Graph, node: NodeId, kept: &[bool], now: &dyn Fn(usize) -> Option<NodeId>) -> NodeId {
    let own = own_values(graph, node, kept);
    let state = |&id: &NodeId| {
        let Op::Storage(storage) = graph.op(id) else { return None };
        Some((id, now(*storage)?))
    };
    let mut new: HashMap<NodeId, NodeId> = own.iter().filter_map(state).collect();
    remake(graph, own, &mut new);
    new.get(&node).copied().unwrap_or(node)
}

/// What `node` is made of, but for values that are `kept`, in ascending order. Storages are read anew.
fn own_values(graph: &Graph, node: NodeId, kept: &[bool]) -> BTreeSet<NodeId> {
    let is_own = |id: NodeId| {
        let is_kept = kept.get(id.index()).copied().unwrap_or(false);
        !is_kept || matches!(graph.op(id), Op::Storage(_))
    };
    let (mut own, mut open) = (BTreeSet::new(), vec![node]);
    while let Some(node) = open.pop() {
        if is_own(node) && own.insert(node) {
            open.extend(graph.operands_of(node));
        }
    }
    own
}

/// What each loss depends on.
struct Reach<'d> {
    graph: &'d Graph,
    /// For each loss, the nodes that it needs.
    needed: Vec<Vec<bool>>,
    /// Nodes that depend on an input.
    of_data: Vec<bool>,
}

impl Reach<'_> {
    fn of(declaration: &Declaration) -> Reach<'_> {
        let graph = &declaration.graph;
        let none = declaration.updates.is_empty();
        let losses = declaration.losses.iter().filter(|_| !none);
        let mut of_data = vec![false; graph.len()];
        for id in graph.ids() {
            let is_input = matches!(graph.op(id), Op::Input(_));
            of_data[id.index()] = is_input || graph.operands_of(id).iter().any(|it| of_data[it.index()]);
        }
        Reach { graph, needed: losses.map(|loss| ancestors(graph, &[loss.node])).collect(), of_data }
    }

    /// For each loss, whether its steps take the update.
    fn losses(&self, update: &StateUpdate) -> Vec<bool> {
        let either = |a: Vec<bool>, b: Vec<bool>| a.into_iter().zip(b).map(|(a, b)| a | b).collect();
        let of_each = update.gives.iter().map(|&node| self.that_need(node));
        let of_result = of_each.reduce(either).filter(|losses| losses.contains(&true));
        // A loss may see through what a layer gives, as one of probabilities sees the logits.
        of_result.unwrap_or_else(|| {
            let is_of_data = self.of_data[update.node.index()];
            if is_of_data {
                self.that_need_data_of(update.node)
            } else {
                self.that_need_parameters_of(update.node)
            }
        })
    }

    fn that_need(&self, node: NodeId) -> Vec<bool> {
        self.needed.iter().map(|needed| needed[node.index()]).collect()
    }

    /// The losses that need one of the last values, on the way to `node`, that any loss needs.
    fn that_need_data_of(&self, node: NodeId) -> Vec<bool> {
        let mut losses = vec![false; self.needed.len()];
        self.walk(node, &mut |node| {
            if !self.of_data[node.index()] {
                return false;
            }
            let own = self.that_need(node);
            losses.iter_mut().zip(&own).for_each(|(loss, own)| *loss |= own);
            !own.contains(&true)
        });
        losses
    }

    /// The losses that need a parameter that `node` needs; all where it needs none, as a counter.
    fn that_need_parameters_of(&self, node: NodeId) -> Vec<bool> {
        let (mut losses, mut needs_any) = (vec![false; self.needed.len()], false);
        self.walk(node, &mut |node| {
            if let Op::Storage(index) = self.graph.op(node)
                && self.graph.storages[*index].kind == StorageKind::Parameter
            {
                needs_any = true;
                losses.iter_mut().zip(self.that_need(node)).for_each(|(loss, own)| *loss |= own);
            }
            true
        });
        if needs_any { losses } else { vec![true; self.needed.len()] }
    }

    /// Looks at `node` and at what it is made of, once each; further down only where `look` says so.
    fn walk(&self, node: NodeId, look: &mut dyn FnMut(NodeId) -> bool) {
        let (mut seen, mut open) = (HashSet::new(), vec![node]);
        while let Some(node) = open.pop() {
            if seen.insert(node) && look(node) {
                open.extend(self.graph.operands_of(node));
            }
        }
    }
}
