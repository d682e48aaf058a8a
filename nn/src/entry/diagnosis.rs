//! The entry that tells why a step was stopped.
//!
//! In: a declaration, a loss, its optimizer. Out: [`Diagnosis`], a graph that writes every value of interest and changes nothing.

use super::training::{append_updates, differentiated, find_loss};
use crate::builder::{Declaration, Loss};
use crate::optimizers::Optimizer;
use downhill_graph::check::{Check, Made};
use downhill_graph::error::{Error, Origin};
use downhill_graph::graph::{Graph, NodeId, Purpose, Storage};
use downhill_graph::op::Op;
use downhill_graph::passes::optimize;
use downhill_graph::rebuild::ancestors;
use std::collections::HashMap;
use std::sync::Arc;

/// What a step computes, in the order in which it does, with every value of interest as an output: for finding out why a step was
/// stopped.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Its outputs are the values watched and, behind the value of a check, its mask.
    pub graph: Graph,
    /// What is watched, in the order of the outputs.
    pub watched: Vec<Watch>,
}

/// A value that is watched.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What it is.
    pub what: Watched,
    /// What messages call it.
    pub name: String,
    /// Where it was declared.
    pub origin: Origin,
    /// Whether it is computed from an infinite constant, so that only NaN tells of a mistake.
    pub may_be_infinite: bool,
}

/// What a watched value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The value of which a check speaks.
    Check(Box<Check>),
    /// A named value, or the last one of a layer.
    Value,
    /// The loss.
    Loss,
    /// The gradient by a parameter.
    Gradient,
    /// The next value of a parameter, or of a state that an optimizer keeps.
    Update,
    /// The next value of a state that the declaration updates.
    StateUpdate,
}

/// The diagnosis of a step of `loss`; without `optimizer` of its gradients.
///
/// # Errors
/// As [`crate::entry::step`].
pub fn diagnosis(
    declaration: &Declaration,
    loss: Option<&str>,
    optimizer: Option<&Optimizer>,
) -> Result<Diagnosis, Error> {
    let loss = find_loss(declaration, loss)?;
    let (mut graph, parameters) = differentiated(declaration, loss, optimizer)?;

    // In the order of a step: values, the loss, gradients, updates.
    let mut watches = watched_values(declaration, loss);
    let name = |index: usize| format!("`{}`", declaration.graph.storages[index].name);
    let watch = |what, name, origin| Watch { what, name, origin, may_be_infinite: false };
    watches.push((loss.node, watch(Watched::Loss, format!("`{}`", loss.name), loss.origin.clone())));
    for &(index, _, gradient) in &parameters {
        let origin = declaration.graph.storages[index].origin.clone();
        watches.push((gradient, watch(Watched::Gradient, name(index), origin)));
    }

    graph.results.clear();
    if let Some(optimizer) = optimizer {
        append_updates(declaration, loss, optimizer, &mut graph, &parameters)?;
    }

    for (purpose, node) in std::mem::take(&mut graph.results) {
        let Purpose::Update(index) = purpose else { continue };
        let Storage { name, origin, ty, .. } = &graph.storages[index];
        if ty.element.is_float() {
            let is_declared = declaration.updates.iter().any(|update| update.storage == index);
            let what = if is_declared { Watched::StateUpdate } else { Watched::Update };
            watches.push((node, watch(what, format!("`{name}`"), origin.clone())));
        }
    }

    // Each watched value is an output; the mask of a check follows its value.
    for (node, watch) in &watches {
        let mask = match &watch.what {
            Watched::Check(check) => {
                if let Made::Computed(mask) = check.made {
                    Some(mask)
                } else {
                    None
                }
            }
            _ => None,
        };
        for node in [*node].into_iter().chain(mask) {
            let name = graph.results.len().to_string();
            graph.results.push((Purpose::Output(name.into()), node));
        }
    }

    Ok(Diagnosis { graph: optimize(&graph), watched: watches.into_iter().map(|(_, watch)| watch).collect() })
}

/// The declared values to watch among those that a loss needs, in the order of declaration: named values, the last value of each
/// layer, values that are checked.
fn watched_values(declaration: &Declaration, loss: &Loss) -> Vec<(NodeId, Watch)> {
    let graph = &declaration.graph;
    let needed = ancestors(graph, &[loss.node]);
    let infinite = infinite_by_intent(graph);
    let is_source = |id: NodeId| matches!(graph.op(id), Op::Input(_) | Op::Storage(_) | Op::Constant(_));
    let of_interest = |&id: &NodeId| {
        needed[id.index()] && graph.ty(id).element.is_float() && !is_source(id) && id != loss.node
    };
    let layer = |id: NodeId| graph.origin(id).layer.clone();
    let last: HashMap<Arc<str>, NodeId> = graph.ids().filter(of_interest).map(|id| (layer(id), id)).collect();

    let mut watches = Vec::new();
    for id in graph.ids().filter(of_interest) {
        let name = match graph.label(id) {
            Some(label) => format!("`{label}`"),
            None if !layer(id).is_empty() && last[&layer(id)] == id => format!("`{}`", layer(id)),
            None => continue,
        };
        let origin = graph.origin(id).clone();
        let may_be_infinite = infinite[id.index()];
        watches.push((id, Watch { what: Watched::Value, name, origin, may_be_infinite }));
    }

    for check in declaration.checks_of(&[loss.node]).filter(|check| matches!(check.made, Made::Computed(_))) {
        let (name, origin) = (check.name.clone(), check.origin.clone());
        let what = Watched::Check(Box::new(check.clone()));
        watches.push((
            check.value,
            Watch { what, name, origin, may_be_infinite: infinite[check.value.index()] },
        ));
    }

    watches.sort_by_key(|(id, _)| *id);
    tell_apart(graph, &mut watches);
    watches
}

/// Values of one name, as the iterations of a loop make them, are told apart by the last parameter that they read.
fn tell_apart(graph: &Graph, watches: &mut [(NodeId, Watch)]) {
    let mut times: HashMap<String, usize> = HashMap::new();
    watches.iter().for_each(|(_, watch)| *times.entry(watch.name.clone()).or_default() += 1);

    let mut last_read: Vec<Option<usize>> = vec![None; graph.len()];
    for id in graph.ids() {
        last_read[id.index()] = if let Op::Storage(index) = graph.op(id) {
            Some(*index)
        } else {
            graph.operands_of(id).iter().filter_map(|operand| last_read[operand.index()]).max()
        };
    }

    for (id, watch) in watches {
        if let (Some(2..), Some(index)) = (times.get(&watch.name), last_read[id.index()]) {
            watch.name += &format!(" behind `{}`", graph.storages[index].name);
        }
    }
}

/// For every node, whether it is computed from an infinite constant.
fn infinite_by_intent(graph: &Graph) -> Vec<bool> {
    let mut infinite = vec![false; graph.len()];
    for id in graph.ids() {
        let is_infinite = matches!(graph.op(id), Op::Constant(literal) if literal.value().is_infinite());
        infinite[id.index()] =
            is_infinite || graph.operands_of(id).iter().any(|operand| infinite[operand.index()]);
    }
    infinite
}
