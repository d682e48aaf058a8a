//! What training entries have in common: which loss, what it trains, gradients, updates.

use super::states;
use crate::declaration::{Declaration, Loss};
use crate::optimizers::Optimizer;
use downhill_graph::differentiate::differentiate;
use downhill_graph::error::{Error, nearest};
use downhill_graph::graph::{Graph, NodeId, StorageKind};
use downhill_graph::op::Op;
use downhill_graph::rebuild::ancestors;
use downhill_graph::sizes;
use std::collections::BTreeSet;

/// A parameter that a loss trains: the storage's index, its node, its gradient.
pub(super) type Trained = (usize, NodeId, NodeId);

/// The declared values with the gradients of a loss by all that it trains, but for what `optimizer` freezes.
pub(super) fn differentiated(
    declaration: &Declaration,
    loss: &Loss,
    optimizer: Option<&Optimizer>,
) -> Result<(Graph, Vec<Trained>), Error> {
    let mut graph = start(declaration)?;
    let trained = match optimizer {
        Some(optimizer) => not_frozen(trained(&mut graph, loss), declaration, loss, optimizer)?,
        None => trained(&mut graph, loss),
    };
    let nodes: Vec<NodeId> = trained.iter().map(|(_, node)| *node).collect();
    let gradients = differentiate(&mut graph, loss.node, &nodes)?;
    let parameters =
        trained.into_iter().zip(gradients).map(|((index, node), gradient)| (index, node, gradient)).collect();
    Ok((graph, parameters))
}

/// Of what a loss trains, what `optimizer` does not freeze.
pub(super) fn not_frozen(
    mut trained: Vec<(usize, NodeId)>,
    declaration: &Declaration,
    loss: &Loss,
    optimizer: &Optimizer,
) -> Result<Vec<(usize, NodeId)>, Error> {
    // Of the whole network: an optimizer of several losses may name what one of them trains.
    let storages = declaration.graph.storages.iter();
    let parameters = storages.filter(|storage| storage.kind == StorageKind::Parameter);
    let names: Vec<&str> = parameters.map(|storage| &*storage.name).collect();
    optimizer.check_names(&names)?;

    let is_something = !trained.is_empty();
    trained.retain(|(index, _)| optimizer.trains(&declaration.graph.storages[*index].name));
    if is_something && trained.is_empty() {
        let error = Error::new(format!("every parameter that loss `{}` trains is frozen", loss.name));
        return Err(error.help("leave one to be trained, or give this loss no optimizer"));
    }
    Ok(trained)
}

pub(super) fn append_updates(
    declaration: &Declaration,
    loss: &Loss,
    optimizer: &Optimizer,
    graph: &mut Graph,
    parameters: &[Trained],
) -> Result<(), Error> {
    optimizer.append(graph, prefix(declaration, loss), loss.node, parameters)?;
    states::append(declaration, loss, graph);
    Ok(())
}

/// What stands before the names of an optimizer's states: with several losses each has an optimizer of its own, with states of its own.
pub(super) fn prefix<'a>(declaration: &Declaration, loss: &'a Loss) -> &'a str {
    if declaration.losses.len() > 1 { &loss.name } else { "" }
}

/// The loss called `name`, or the only one.
///
/// # Errors
/// An unknown name, no loss at all, several and none named.
pub fn find_loss<'a>(declaration: &'a Declaration, name: Option<&str>) -> Result<&'a Loss, Error> {
    let names = || declaration.losses.iter().map(|loss| &*loss.name);
    match (name, declaration.losses.as_slice()) {
        (_, []) => Err(Error::new("the network declares no loss").help("add `loss …;` to train it")),
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::new("the network declares several losses")
            .note(listed("they are", names()))
            .help("name one of them")),
        (Some(name), losses) => losses
            .iter()
            .find(|loss| &*loss.name == name)
            .ok_or_else(|| unknown(&format!("no loss is called `{name}`"), name, "losses", names())),
    }
}

/// A copy of the declared values without results.
///
/// # Errors
/// Sizes that make no sense for the network's arguments, such as a negative one.
pub(super) fn start(declaration: &Declaration) -> Result<Graph, Error> {
    let mut graph = declaration.graph.clone();
    graph.results.clear();
    sizes::check(&graph, &graph.bindings)?;
    Ok(graph)
}

/// The parameters that a loss trains: those it names, or all it depends on, with their nodes.
pub(super) fn trained(graph: &mut Graph, loss: &Loss) -> Vec<(usize, NodeId)> {
    let all: Vec<usize> = match &loss.over {
        Some(over) => over.clone(),
        None => {
            let reached = ancestors(graph, &[loss.node]);
            let storage =
                |id: NodeId| if let Op::Storage(index) = graph.op(id) { Some(*index) } else { None };
            let read = graph.ids().filter(|id| reached[id.index()]).filter_map(storage);
            // In the order of declaration, whichever is read first.
            read.collect::<BTreeSet<usize>>().into_iter().collect()
        }
    };

    let parameters = all.into_iter().filter(|&index| {
        graph.storages.get(index).is_some_and(|s| s.kind == StorageKind::Parameter && s.ty.element.is_float())
    });
    let parameters: Vec<usize> = parameters.collect();
    parameters.into_iter().map(|index| (index, graph.add(Op::Storage(index), &[]))).collect()
}

pub(super) fn unknown<'a>(
    message: &str,
    name: &str,
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Error {
    let error = Error::new(message).note(listed(&format!("known {what}:"), known.clone()));
    match nearest(name, known) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn listed<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("{what} {}", names.join(", "))
}
