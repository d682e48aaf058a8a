//! A network as a type: what `network!` makes of a declaration.
//!
//! In: a builder to declare into. Out: a checked [`Declaration`].

use crate::builder::{Builder, Declaration, Mode};
use crate::entry::unchanging;
use downhill_graph::agreement::{When, can_agree, told_by};
use downhill_graph::asked;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::error::{Error, Errors, Origin};
use downhill_graph::graph::{Graph, NodeId, Role, Storage, StorageKind};
use downhill_graph::op::Op;
use std::collections::HashSet;

/// A declared network with its arguments: `network!` implements it for the struct it makes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no network",
    label = "no network",
    note = "`network! {{ pub Name(arguments) {{ … }} }}` declares one; `Name::new(arguments)` is a value of it"
)]
pub trait Network {
    /// The network's name.
    fn name(&self) -> &str;

    /// Declares inputs, values, outputs and losses, in the order they were written.
    fn declare(&self, builder: &Builder);

    /// The network's graph, for training or for inference.
    ///
    /// # Errors
    /// All mistakes that these arguments let show.
    fn declaration(&self, mode: Mode) -> Result<Declaration, Errors> {
        let builder = Builder::new(mode);
        self.declare(&builder);
        let bindings = builder.with_graph(|graph| graph.bindings.clone());
        let declaration = builder.finish().map_err(|errors| with_numbers(errors, &bindings))?;
        // What is trained is a question of the training graph: others may leave out a loss's terms.
        let mistakes = if mode == Mode::Train {
            [untrained(&declaration), unchanging(&declaration)].concat()
        } else {
            Vec::new()
        };
        if mistakes.is_empty() { Ok(declaration) } else { Err(Errors(mistakes)) }
    }
}

/// Adds to each mistake the numbers of the arguments that it mentions: messages write a size as the symbol it was declared with.
fn with_numbers(errors: Errors, bindings: &Bindings) -> Errors {
    let speaks_of = |error: &Error, name: &str| {
        let texts = std::iter::once(&error.message).chain(&error.notes);
        let is_word =
            |text: &String| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
        texts.into_iter().any(is_word)
    };
    let with_numbers = |error: Error| {
        let spoken = bindings.iter().filter(|(name, _)| speaks_of(&error, name));
        let numbers: Vec<String> = spoken.map(|(name, number)| format!("{name} = {number}")).collect();
        if numbers.is_empty() { error } else { error.note(format!("with {}", numbers.join(", "))) }
    };
    Errors(errors.0.into_iter().map(with_numbers).collect())
}

/// Parameters that no loss trains: a mistake each, where the parameter was declared.
///
/// A parameter that an output depends on is let pass when a loss trains another one of its layer: a loss made of derivatives sees
/// no constant term, so that `bias` drops out where `weight` does not. A network without a loss is for inference.
pub fn untrained(declaration: &Declaration) -> Vec<Error> {
    let graph = &declaration.graph;
    if declaration.losses.is_empty() {
        return Vec::new();
    }
    let mut trained = vec![false; graph.storages.len()];
    for loss in &declaration.losses {
        let reached = ancestors(graph, [loss.node], Through::Derivatives);
        let over: Option<HashSet<usize>> = loss.over.as_ref().map(|over| over.iter().copied().collect());
        for index in reached {
            trained[index] |= over.as_ref().is_none_or(|over| over.contains(&index));
        }
    }

    let shown = ancestors(graph, declaration.outputs.iter().map(|(_, node)| *node), Through::Values);
    let shown: HashSet<usize> = shown.into_iter().collect();

    let layer = |index: usize| graph.storages[index].name.rsplit_once('.').map(|(layer, _)| layer);
    let trained_layers: HashSet<&str> =
        (0..trained.len()).filter(|&index| trained[index]).filter_map(layer).collect();
    let is_forgotten = |&index: &usize| {
        let drops_out =
            || shown.contains(&index) && layer(index).is_some_and(|layer| trained_layers.contains(layer));
        graph.storages[index].kind == StorageKind::Parameter && !trained[index] && !drops_out()
    };

    (0..trained.len()).filter(is_forgotten).map(|index| forgotten(&graph.storages[index])).collect()
}

fn forgotten(storage: &Storage) -> Error {
    let origin = Origin { layer: "".into(), ..storage.origin.clone() };
    Error::new(format!("no loss depends on parameter `{}`, so it is never trained", storage.name))
        .help("use its value in a loss, leave it out, or declare it as `state`")
        .at(origin)
}

/// Outputs with a size that no input tells, whatever the arguments are: a mistake each, where the value was made.
pub fn untold(declaration: &Declaration) -> Vec<Error> {
    let graph = &declaration.graph;
    let inputs = graph.inputs.iter().filter(|input| input.role == Role::Input);
    let axes: Vec<&Dim> = inputs.flat_map(|input| input.ty.shape.dims()).collect();

    // An axis that an argument is a factor of may tell more than it seems to.
    let may_tell = |axis: &Dim, symbol: &str| {
        let symbols = axis.symbols();
        let is_there = symbols.iter().any(|name| **name == *symbol);
        is_there && symbols.iter().any(|name| graph.when(name) != When::Run)
            || told_by(axis).is_some_and(|told| *told.symbol == *symbol)
    };
    let is_untold =
        |symbol: &str| graph.when(symbol) == When::Run && !axes.iter().any(|axis| may_tell(axis, symbol));

    let mut errors = Vec::new();
    for (_, node) in &declaration.outputs {
        let symbols = graph.shape(*node).dims().iter().flat_map(Dim::symbols);
        if let Some(symbol) = symbols.into_iter().find(|symbol| is_untold(symbol)) {
            errors.push(asked::untold(graph, "forward", &symbol).at(graph.origin(*node).clone()));
        }
    }

    errors
}

/// Parameters and states whose size depends on the data, whatever the arguments are: a mistake each, where it was declared.
pub fn sized_by_data(declaration: &Declaration) -> Vec<Error> {
    let graph = &declaration.graph;
    // What becomes a number may be any, which this stands for.
    let any = "any number";
    let when = |name: &str| if name == any { When::Build } else { graph.when(name) };
    let depends = |dim: &&Dim| !can_agree(dim, &Dim::symbol(any), &when);
    let told = graph.storages.iter().filter_map(|storage| {
        let dim = storage.ty.shape.dims().iter().find(depends)?;
        let symbol = dim.symbols().into_iter().find(|symbol| when(symbol) == When::Run)?;
        Some(hangs_on_data(storage, &symbol))
    });
    told.collect()
}

/// The size of a storage is told by `symbol`, which only a run brings.
pub fn hangs_on_data(storage: &Storage, symbol: &str) -> Error {
    let Storage { name, ty, kind, origin, .. } = storage;
    let what = if *kind == StorageKind::Parameter { "parameter" } else { "state" };
    let column = match ty.shape.dims().first() {
        Some(rows) if *rows == Dim::symbol(symbol) && name.ends_with(".weight") && symbol == "batch" => {
            "; numbers of which each row has one are a column: `expand(x, 1)`"
        }
        _ => "",
    };
    Error::new(format!("the size of {what} `{name}`, {}, hangs on the data", ty.shape))
        .help(format!("make `{symbol}` an argument of the network, or a number{column}"))
        .at(origin.clone())
}

/// What counts as depending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    /// The value changes with it.
    Values,
    /// The derivative sees it.
    Derivatives,
}

/// Indices of the storages that `nodes` depend on.
fn ancestors(graph: &Graph, nodes: impl IntoIterator<Item = NodeId>, through: Through) -> Vec<usize> {
    let mut reached = vec![false; graph.len()];
    for node in nodes {
        reached[node.index()] = true;
    }

    // Operands have smaller ids: one pass backwards sees every user first.
    let mut storages = Vec::new();
    for id in graph.ids().rev() {
        let op = graph.op(id);
        let is_hidden = through == Through::Derivatives && *op == Op::StopGradient;
        if !reached[id.index()] || is_hidden {
            continue;
        }
        if let Op::Storage(index) = op {
            storages.push(*index);
        }
        graph.operands_of(id).iter().for_each(|operand| reached[operand.index()] = true);
    }

    storages
}
