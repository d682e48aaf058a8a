//! The inputs and outputs of an entry.
//!
//! In: the graph of an entry. Out: what all its variants have in common.

use crate::entry::description::InputSlot;
use downhill_graph::asked::{asked_inputs, needed_symbols};
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::op::Op;
use downhill_graph::types::Type;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is known of an entry before it is compiled.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    /// The run-time symbols that its values depend on.
    pub(crate) symbols: Vec<Arc<str>>,
    /// Whether the first symbol counts the rows of its data.
    pub(crate) has_rows: bool,
    pub(crate) inputs: Vec<InputSlot>,
    /// Results other than updates and losses, in order.
    pub(crate) outputs: Vec<(Purpose, Type)>,
    /// Inputs whose rows are looked up in the table.
    pub(crate) looked_up: BTreeSet<usize>,
    /// The random streams that it draws from.
    pub(crate) streams: Vec<u32>,
}

impl Ports {
    pub(crate) fn of(graph: &Graph) -> Ports {
        let symbols = run_symbols(graph);
        let rows = symbols.first().map(|name| Dim::symbol(name));
        let with_rows = inputs_with_rows(graph, rows.as_ref());
        let has_rows = !with_rows.is_empty();
        // A training step looks the rows of its data up in a table; other entries read contiguous rows.
        let looked_up = if graph.changes_storages() { with_rows } else { BTreeSet::new() };
        Ports {
            has_rows,
            inputs: input_slots(graph, &looked_up),
            outputs: named_results(graph),
            streams: random_streams(graph),
            looked_up,
            symbols,
        }
    }

    /// The nodes of `graph` that are inputs looked up by row.
    pub(crate) fn looked_up_nodes(&self, graph: &Graph) -> BTreeSet<NodeId> {
        let looked_up = |&id: &NodeId| matches!(graph.op(id), Op::Input(n) if self.looked_up.contains(n));
        graph.ids().filter(looked_up).collect()
    }
}

/// The symbol that counts the rows of an entry's data, if its values depend on one.
pub fn rows_symbol(graph: &Graph) -> Option<Arc<str>> {
    let first = run_symbols(graph).into_iter().next()?;
    let counts_rows = !inputs_with_rows(graph, Some(&Dim::symbol(&first))).is_empty();
    counts_rows.then_some(first)
}

fn data(graph: &Graph) -> impl Iterator<Item = (usize, &Input)> {
    let inputs = graph.inputs.iter().enumerate();
    inputs.filter(|(_, input)| matches!(input.role, Role::Input | Role::Target))
}

/// The run-time symbols that a graph's values depend on: first the one that counts the rows of its inputs, then the others in the order in
/// which they occur. Symbols that nothing depends on are left out, so that a caller need not supply their sizes.
fn run_symbols(graph: &Graph) -> Vec<Arc<str>> {
    let used = needed_symbols(graph);
    let mut symbols: Vec<Arc<str>> = Vec::new();
    let leading = data(graph).filter_map(|(_, input)| input.ty.shape.dims().first());
    let rows = leading.filter(|dim| used.iter().any(|name| **dim == Dim::symbol(name)));

    for dim in rows.take(1).chain(data(graph).flat_map(|(_, input)| input.ty.shape.dims())) {
        for name in dim.symbols() {
            if used.contains(&name) && !symbols.contains(&name) {
                symbols.push(name);
            }
        }
    }
    symbols
}

/// The positions of data whose rows this dim counts.
fn inputs_with_rows(graph: &Graph, rows: Option<&Dim>) -> BTreeSet<usize> {
    let has_rows = |input: &Input| rows.is_some() && input.ty.shape.dims().first() == rows;
    data(graph).filter(|(_, input)| has_rows(input)).map(|(position, _)| position).collect()
}

/// Results other than updates and losses, in order.
fn named_results(graph: &Graph) -> Vec<(Purpose, Type)> {
    let given = |purpose: &&(Purpose, NodeId)| matches!(purpose.0, Purpose::Output(_) | Purpose::Gradient(_));
    let results = graph.results.iter().filter(given);
    results.map(|(purpose, id)| (purpose.clone(), graph.ty(*id).clone())).collect()
}

/// How the runtime is to fill each input.
fn input_slots(graph: &Graph, looked_up: &BTreeSet<usize>) -> Vec<InputSlot> {
    let asked = asked_inputs(graph);
    let slots = graph.inputs.iter().enumerate().map(|(n, input)| InputSlot {
        name: input.name.clone(),
        ty: input.ty.clone(),
        role: input.role,
        lookup: looked_up.contains(&n),
        read: asked.contains(&n),
    });
    slots.collect()
}

/// The streams that a graph and the bodies of its loops draw from.
fn random_streams(graph: &Graph) -> Vec<u32> {
    let (mut drawn, mut open): (BTreeSet<u32>, Vec<&Graph>) = (BTreeSet::new(), vec![graph]);
    while let Some(graph) = open.pop() {
        for id in graph.ids() {
            if let Op::RandomBits { stream, .. } = graph.op(id) {
                drawn.insert(*stream);
            } else if let Op::Scan { body, .. } = graph.op(id) {
                open.push(body);
            }
        }
    }
    drawn.into_iter().collect()
}
