//! Entries: the graphs that a program is made of.
//!
//! In: a [`Declaration`]. Out: one optimized graph for what is to be run: `forward` gives the outputs, `gradients` a loss and
//! derivatives of it, `step` a loss and the next values of parameters and states, `accumulate` and `apply` a step in parts, `diagnosis` all
//! that tells why a step was stopped.
//!
//! Must hold: all entries of a declaration have the same storages in the same order (an optimizer's states behind them), so
//! that they run over the same memory. Inputs that an entry does not read stay in its table.

mod states;

mod training;

mod diagnosis;

pub use diagnosis::{Diagnosis, Watch, Watched, diagnosis};
pub use states::unchanging;
pub use training::find_loss;

use crate::declaration::{Declaration, Loss};
use crate::optimizers::{Gather, Gathered, Optimizer};
use downhill_graph::asked::rows_symbol;
use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::{Graph, NodeId, Purpose, Role};
use downhill_graph::op::Op;
use downhill_graph::passes::optimize;
use downhill_graph::rebuild::ancestors;
use downhill_graph::stages::{Stage, Stages};
use downhill_graph::verify::assert_valid;
use std::sync::Arc;
use training::{append_updates, differentiated, not_frozen, prefix, start, trained, unknown};

/// The declared outputs.
///
/// # Errors
/// A size that comes out negative for the network's arguments.
pub fn forward(declaration: &Declaration) -> Result<Graph, Error> {
    forward_in(declaration, &mut Stages::unwatched())
}

/// The same as stages of a build.
///
/// # Errors
/// As [`forward`].
pub fn forward_in(declaration: &Declaration, stages: &mut Stages<'_>) -> Result<Graph, Error> {
    let mut graph = start(declaration)?;
    let outputs = declaration.outputs.iter();
    graph.results = outputs.map(|(name, id)| (Purpose::Output(name.clone()), *id)).collect();
    Ok(passes(&graph, stages))
}

/// One of the declared outputs alone.
///
/// # Errors
/// There is no such output; a size that comes out negative for the network's arguments.
pub fn output(declaration: &Declaration, name: &str) -> Result<Graph, Error> {
    let mut graph = start(declaration)?;
    let found = declaration.outputs.iter().find(|(known, _)| **known == *name);
    let Some((name, id)) = found else {
        let known = declaration.outputs.iter().map(|(name, _)| &**name);
        return Err(unknown(&format!("no output is called `{name}`"), name, "outputs", known));
    };
    graph.results = vec![(Purpose::Output(name.clone()), *id)];
    Ok(optimize(&graph))
}

/// The stage of the passes.
fn passes(graph: &Graph, stages: &mut Stages<'_>) -> Graph {
    stages.run(Stage::Passes, || optimize(graph), assert_valid, Graph::to_text)
}

/// A loss and its gradients by storages and inputs; by all that the loss trains when `wrt` names none. `loss` may be left out
/// where there is one only.
///
/// # Errors
/// Unknown names, several losses and none named, values that are no floats, operations without a gradient.
pub fn gradients(declaration: &Declaration, loss: Option<&str>, wrt: &[&str]) -> Result<Graph, Error> {
    let loss = find_loss(declaration, loss)?;
    if let Some((_, twice)) = wrt.iter().enumerate().find(|(index, name)| wrt[..*index].contains(*name)) {
        let error = Error::new(format!("the gradient by `{twice}` is asked for twice"));
        return Err(error.help("name each parameter, state and input once"));
    }

    let mut graph = start(declaration)?;
    let wanted: Vec<(Arc<str>, NodeId)> = if wrt.is_empty() {
        let trained = trained(&mut graph, loss);
        trained.into_iter().map(|(index, node)| (graph.storages[index].name.clone(), node)).collect()
    } else {
        wrt.iter().map(|name| find_leaf(&mut graph, name)).collect::<Result<_, _>>()?
    };

    let nodes: Vec<NodeId> = wanted.iter().map(|(_, node)| *node).collect();
    let gradients = differentiate(&mut graph, loss.node, &nodes)?;
    let names = wanted.into_iter().map(|(name, _)| name);
    Ok(derived(graph, loss, names.zip(gradients).collect()))
}

/// The graph of a loss and these gradients of it.
fn derived(mut graph: Graph, loss: &Loss, gradients: Vec<(Arc<str>, NodeId)>) -> Graph {
    graph.results = vec![(Purpose::Loss(loss.name.clone()), loss.node)];
    graph.results.extend(gradients.into_iter().map(|(name, node)| (Purpose::Gradient(name), node)));
    optimize(&graph)
}

/// A loss alone. `loss` may be left out where there is one only.
///
/// # Errors
/// Unknown names, several losses and none named; a size that comes out negative for the network's arguments.
pub fn loss(declaration: &Declaration, loss: Option<&str>) -> Result<Graph, Error> {
    let loss = find_loss(declaration, loss)?;
    Ok(derived(start(declaration)?, loss, Vec::new()))
}

/// One training step: a loss and the update of all that it trains. `loss` may be left out where there is one only.
///
/// # Errors
/// Options of the optimizer that make no sense, unknown names, several losses and none named, operations without a gradient.
pub fn step(declaration: &Declaration, loss: Option<&str>, optimizer: &Optimizer) -> Result<Graph, Error> {
    step_in(declaration, loss, optimizer, &mut Stages::unwatched())
}

/// The same as stages of a build.
///
/// # Errors
/// As [`step`].
pub fn step_in(
    declaration: &Declaration,
    loss: Option<&str>,
    optimizer: &Optimizer,
    stages: &mut Stages<'_>,
) -> Result<Graph, Error> {
    optimizer.check()?;
    let loss = find_loss(declaration, loss)?;
    let (mut graph, parameters) =
        stages.time(Stage::Gradient, || differentiated(declaration, loss, Some(optimizer)))?;
    stages.show(Stage::Gradient, || {
        let gradients = parameters.iter().map(|&(index, _, node)| (graph.storages[index].name.clone(), node));
        derived(graph.clone(), loss, gradients.collect()).to_formulas()
    });
    graph.results = vec![(Purpose::Loss(loss.name.clone()), loss.node)];
    stages.time(Stage::Updates, || append_updates(declaration, loss, optimizer, &mut graph, &parameters))?;
    stages.show(Stage::Updates, || graph.to_text());
    Ok(passes(&graph, stages))
}

/// A part of a training step: the loss of a batch, whose gradients are added to those gathered. States that the loss updates, such as running
/// statistics, change with each batch.
///
/// # Errors
/// As [`step_in`].
pub fn accumulate_in(
    declaration: &Declaration,
    name: Option<&str>,
    optimizer: &Optimizer,
    stages: &mut Stages<'_>,
) -> Result<Graph, Error> {
    let rows = rows_symbol(&loss(declaration, name)?);
    // A loss of no rows is counted by its batches.
    let rows = rows.map_or_else(|| Dim::from(1), |symbol| Dim::symbol(&symbol));
    let gather = Optimizer::from(Gather { optimizer: optimizer.clone(), rows });
    step_in(declaration, name, &gather, stages)
}

/// The rest of a step in parts: the update of all that a loss trains, by the gradients gathered, which both entries call by the same names.
///
/// # Errors
/// As [`step_in`]; an optimizer that looks at data.
pub fn apply_in(
    declaration: &Declaration,
    name: Option<&str>,
    optimizer: &Optimizer,
    stages: &mut Stages<'_>,
) -> Result<Graph, Error> {
    optimizer.check()?;
    let (mut graph, loss) = (start(declaration)?, find_loss(declaration, name)?);
    let trained = trained(&mut graph, loss);
    let trained = not_frozen(trained, declaration, loss, optimizer)?;
    // The rule puts what was gathered into the place of each gradient.
    let parameters: Vec<(usize, NodeId, NodeId)> =
        trained.into_iter().map(|(index, node)| (index, node, node)).collect();
    let gathered = Optimizer::from(Gathered { optimizer: optimizer.clone() });
    stages.time(Stage::Updates, || {
        gathered.append(&mut graph, prefix(declaration, loss), loss.node, &parameters)
    })?;
    refuse_data(&graph)?;
    stages.show(Stage::Updates, || graph.to_text());
    Ok(passes(&graph, stages))
}

/// Refuses updates that read an input, of which nothing is left when they are made.
fn refuse_data(graph: &Graph) -> Result<(), Error> {
    let results: Vec<NodeId> = graph.results.iter().map(|(_, node)| *node).collect();
    let needed = ancestors(graph, &results);
    let input = graph.ids().filter(|id| needed[id.index()]).find_map(|id| {
        let Op::Input(index) = graph.op(id) else { return None };
        Some(&graph.inputs[*index]).filter(|input| input.role != Role::Hyper)
    });
    match input {
        None => Ok(()),
        Some(input) => {
            let message = format!(
                "the optimizer looks at data, `{}`, which gathered gradients leave behind",
                input.name
            );
            let help =
                "take one that reads gradients alone (not `sharpness_aware`), or make steps of whole batches";
            Err(Error::new(message).help(help))
        }
    }
}

/// The declared nodes that a step of `loss` computes: the loss, and what states are updated with.
///
/// # Errors
/// An unknown name.
pub fn roots_of_step(declaration: &Declaration, loss: &str) -> Result<Vec<NodeId>, Error> {
    let loss = find_loss(declaration, Some(loss))?;
    let updates = states::nodes(declaration, loss);
    Ok([loss.node].into_iter().chain(updates).collect())
}

/// The storage or float input called `name`, with its node.
fn find_leaf(graph: &mut Graph, name: &str) -> Result<(Arc<str>, NodeId), Error> {
    let op = match (graph.storage_index(name), graph.input_index(name)) {
        (Some(index), _) => Op::Storage(index),
        (None, Some(index)) => Op::Input(index),
        (None, None) => {
            let storages = graph.storages.iter().map(|storage| &*storage.name);
            let known = storages.chain(graph.inputs.iter().map(|input| &*input.name));
            return Err(unknown(&format!("no parameter or input is called `{name}`"), name, "names", known));
        }
    };

    let node = graph.add(op, &[]);
    if !graph.ty(node).element.is_float() {
        return Err(Error::new(format!(
            "`{name}` is {} and has no gradient: only floats have",
            graph.ty(node)
        )));
    }

    Ok((name.into(), node))
}
