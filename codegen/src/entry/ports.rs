//! The inputs and outputs of an entry.
//!
//! In: the graph of an entry. Out: what all its variants have in common.

use crate::entry::description::InputSlot;
use downhill_graph::asked::{asked_inputs, inputs_with_rows, run_symbols};
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
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
