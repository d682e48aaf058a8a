//! What an entry must be given: the inputs that it reads, and those that tell the sizes it needs, the number of rows first.
//!
//! In: the graph of an entry. Out: indices of inputs, symbols, or the sizes that none of them tells.

use crate::agreement::told_by;
use crate::dim::Dim;
use crate::error::Error;
use crate::graph::{Graph, Input, NodeId, Purpose, Role};
use crate::op::Op;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Indices of the inputs that an entry must be given: all it reads, and, for each size that it needs and none of these tells, the first
/// input that tells it. Inputs that tell all their own sizes are preferred, then those with that many rows.
pub fn asked_inputs(graph: &Graph) -> BTreeSet<usize> {
    told(graph).0
}

/// The symbols that an entry's values depend on, and those in the shapes of what it asks for.
pub fn needed_symbols(graph: &Graph) -> BTreeSet<Arc<str>> {
    let of_nodes = graph.ids().flat_map(|id| needed_dims(graph, id)).flat_map(Dim::symbols);
    of_nodes.chain(asked_inputs(graph).into_iter().flat_map(|input| symbols_of(graph, input))).collect()
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
pub fn run_symbols(graph: &Graph) -> Vec<Arc<str>> {
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
pub fn inputs_with_rows(graph: &Graph, rows: Option<&Dim>) -> BTreeSet<usize> {
    let has_rows = |input: &Input| rows.is_some() && input.ty.shape.dims().first() == rows;
    data(graph).filter(|(_, input)| has_rows(input)).map(|(position, _)| position).collect()
}

/// Refuses an entry, called `name`, that needs a size which none of its possible inputs tells.
///
/// # Errors
/// The size, and where it is needed.
pub fn check_told(graph: &Graph, name: &str) -> Result<(), Error> {
    match told(graph).1.first() {
        Some((symbol, id)) => Err(untold(graph, name, symbol).at(graph.origin(*id).clone())),
        None => Ok(()),
    }
}

/// The inputs that an entry asks for, and the sizes that nothing tells, each with a node that needs it. Targets are there where a loss is.
fn told(graph: &Graph) -> (BTreeSet<usize>, Vec<(Arc<str>, NodeId)>) {
    let has_loss = graph.results.iter().any(|(purpose, _)| matches!(purpose, Purpose::Loss(_)));
    let of_role = |role: Role| (0..graph.inputs.len()).filter(move |&input| graph.inputs[input].role == role);
    let given: Vec<usize> = of_role(Role::Input).chain(of_role(Role::Target).filter(|_| has_loss)).collect();

    let mut asked: BTreeSet<usize> = read_inputs(graph).collect();
    let (mut untold, mut seen) = (Vec::new(), BTreeSet::new());
    let needed = graph.ids().flat_map(|id| needed_dims(graph, id).into_iter().map(move |dim| (id, dim)));
    for (id, dim) in needed {
        // What is asked for has sizes of its own, which must be told as well.
        let mut open: Vec<Arc<str>> = dim.symbols();
        while let Some(symbol) = open.pop() {
            if !seen.insert(symbol.clone()) || asked.iter().any(|&input| tells(graph, input, &symbol)) {
                continue;
            }
            let telling = given.iter().copied().filter(|&input| tells(graph, input, &symbol));
            // `min_by_key` takes the first of equals.
            match telling.min_by_key(|&input| (!tells_all(graph, input), !counts(graph, input, &symbol))) {
                Some(input) => {
                    asked.insert(input);
                    open.extend(symbols_of(graph, input));
                }
                None => untold.push((symbol, id)),
            }
        }
    }
    (asked, untold)
}

/// The dims that a node's code can need: those of its shape, those in its attributes (bounds of slices, padding, …), and those of all
/// nodes in the body of a loop.
fn needed_dims(graph: &Graph, id: NodeId) -> Vec<&Dim> {
    let op = graph.op(id);
    let mut dims: Vec<&Dim> = graph.shape(id).dims().iter().chain(op.dims()).collect();
    if let Op::Scan { body, .. } = op {
        dims.extend(body.ids().flat_map(|inner| needed_dims(body, inner)));
    }
    dims
}

fn symbols_of(graph: &Graph, input: usize) -> impl Iterator<Item = Arc<str>> {
    graph.inputs[input].ty.shape.dims().iter().flat_map(Dim::symbols)
}

/// Whether an input has as many rows as `symbol` says.
fn counts(graph: &Graph, input: usize, symbol: &str) -> bool {
    graph.inputs[input].ty.shape.dims().first() == Some(&Dim::symbol(symbol))
}

/// Whether the shape of an input tells every size that stands in it.
fn tells_all(graph: &Graph, input: usize) -> bool {
    symbols_of(graph, input).all(|symbol| tells(graph, input, &symbol))
}

fn read_inputs(graph: &Graph) -> impl Iterator<Item = usize> {
    graph.ids().filter_map(|id| if let Op::Input(n) = graph.op(id) { Some(*n) } else { None })
}

/// Nothing that the entry `name` is given tells the size `symbol`.
pub fn untold(graph: &Graph, name: &str, symbol: &str) -> Error {
    let target = (0..graph.inputs.len())
        .find(|&input| graph.inputs[input].role == Role::Target && tells(graph, input, symbol));
    let note = match target {
        Some(input) => format!("only target `{}` does, which losses are given", graph.inputs[input].name),
        None => "a product or a quotient of sizes does not tell its parts".to_owned(),
    };
    Error::new(format!("nothing that `{name}` is given tells the size of `{symbol}`"))
        .note(note)
        .help(format!("declare an input that has `{symbol}` as an axis"))
}

/// Whether the shape of an input tells a size.
fn tells(graph: &Graph, input: usize, symbol: &str) -> bool {
    let dims = graph.inputs[input].ty.shape.dims();
    dims.iter().filter_map(told_by).any(|told| *told.symbol == *symbol)
}
