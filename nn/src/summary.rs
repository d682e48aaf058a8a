//! A network as a table: its values, their shapes, the parameters that each brings.
//!
//! In: a declaration for inference, the storages of a program. Out: [`Summary`], plain data that prints as a table.
//!
//! Must hold: every parameter is counted once, in the first value that reads it, or in the last row where no value does.

use crate::declaration::Declaration;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, NodeId, Role, Storage, StorageKind};
use downhill_graph::op::Op;
use downhill_graph::types::Type;
use std::collections::HashSet;
use std::fmt;

/// What a network is made of: a line for each input and each value that is named straight in the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The network's name.
    pub name: String,
    /// In the order of declaration.
    pub rows: Vec<Row>,
    /// Numbers of all parameters.
    pub parameters: usize,
    /// Bytes of all parameters.
    pub parameter_bytes: usize,
    /// Bytes of what is kept and not trained: running statistics, what optimizers keep.
    pub state_bytes: usize,
}

/// A value of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name; `input x` of an input.
    pub name: String,
    /// Its type, with the network's arguments as numbers: `[batch, 128]`, `i32[batch]`.
    pub ty: String,
    /// The parameters that it is the first to read, with their sizes.
    pub parameters: Vec<(String, Vec<usize>)>,
}

impl Row {
    /// How many numbers its parameters hold.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

impl Summary {
    /// Of the declaration of a network, and of all that its program stores.
    pub fn new(name: &str, declaration: &Declaration, storages: &[Storage]) -> Summary {
        let graph = &declaration.graph;
        let inputs = graph.inputs.iter().filter(|input| input.role == Role::Input);
        let inputs = inputs.map(|input| Row {
            name: format!("input {}", input.name),
            ty: told(&input.ty, &graph.bindings),
            parameters: Vec::new(),
        });
        let mut rows: Vec<Row> = inputs.collect();
        let mut reads =
            Reads { graph, seen: vec![false; graph.len()], counted: vec![false; graph.storages.len()] };
        for (name, node) in named(declaration) {
            let parameters = reads.first(node);
            rows.push(Row { name, ty: told(graph.ty(node), &graph.bindings), parameters });
        }
        let rest = reads.rest();
        if !rest.is_empty() {
            rows.push(Row { name: "read by losses alone".into(), ty: String::new(), parameters: rest });
        }
        let total = |kind: StorageKind, bytes: bool| {
            let of_kind = storages.iter().filter(|storage| storage.kind == kind);
            let size = |storage: &Storage| if bytes { storage.ty.element.bytes() } else { 1 };
            of_kind
                .map(|storage| sizes(&storage.ty, &graph.bindings).iter().product::<usize>() * size(storage))
                .sum()
        };
        Summary {
            name: name.to_owned(),
            rows,
            parameters: total(StorageKind::Parameter, false),
            parameter_bytes: total(StorageKind::Parameter, true),
            state_bytes: total(StorageKind::State, true),
        }
    }
}

/// The values that are named straight in the network, then outputs that have no name of their own.
fn named(declaration: &Declaration) -> Vec<(String, NodeId)> {
    let graph = &declaration.graph;
    let losses: HashSet<NodeId> = declaration.losses.iter().map(|loss| loss.node).collect();
    let is_declared = |id: NodeId| {
        let is_source = matches!(graph.op(id), Op::Input(_) | Op::Storage(_) | Op::Constant(_));
        !is_source && !losses.contains(&id)
    };
    let mut named: Vec<(String, NodeId)> = Vec::new();
    for id in graph.ids().filter(|&id| is_declared(id)) {
        let Some(label) = graph.label(id) else { continue };
        // Within a layer, the path of bindings has a part for each layer around; numbers are iterations.
        let layer = &graph.origin(id).layer;
        let parts = layer.split('.').filter(|part| part.parse::<usize>().is_err()).count();
        if parts <= 1 {
            let is_iteration = layer.contains('.') && layer.starts_with(&**label);
            named.push((if is_iteration { layer.to_string() } else { label.to_string() }, id));
        }
    }
    let known: HashSet<NodeId> = named.iter().map(|(_, id)| *id).collect();
    let outputs = declaration.outputs.iter().filter(|(_, id)| !known.contains(id));
    named.extend(outputs.map(|(name, id)| (name.to_string(), *id)));
    named
}

/// What values read that were not looked at before.
struct Reads<'g> {
    graph: &'g Graph,
    seen: Vec<bool>,
    counted: Vec<bool>,
}

impl Reads<'_> {
    /// The parameters that `node` reads and that are not counted yet; they are from here on. No node is looked at twice.
    fn first(&mut self, node: NodeId) -> Vec<(String, Vec<usize>)> {
        let (mut open, mut read) = (vec![node], Vec::new());
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut self.seen[id.index()], true) {
                continue;
            }
            if let Op::Storage(index) = self.graph.op(id)
                && !std::mem::replace(&mut self.counted[*index], true)
            {
                read.push(*index);
            }
            open.extend(self.graph.operands_of(id));
        }
        read.sort_unstable();
        self.listed(read)
    }

    fn rest(&self) -> Vec<(String, Vec<usize>)> {
        self.listed((0..self.counted.len()).filter(|&index| !self.counted[index]).collect())
    }

    fn listed(&self, indices: Vec<usize>) -> Vec<(String, Vec<usize>)> {
        let storages = indices.into_iter().map(|index| &self.graph.storages[index]);
        let parameters = storages.filter(|storage| storage.kind == StorageKind::Parameter);
        parameters.map(|it| (it.name.to_string(), sizes(&it.ty, &self.graph.bindings))).collect()
    }
}

fn sizes(ty: &Type, bindings: &Bindings) -> Vec<usize> {
    ty.shape.evaluate(bindings).unwrap_or_default()
}

/// A type with the network's arguments as numbers.
fn told(ty: &Type, bindings: &Bindings) -> String {
    let dims: Vec<String> = ty.shape.dims().iter().map(|dim| dim.bind(bindings).to_string()).collect();
    let dims = format!("[{}]", dims.join(", "));
    if ty.element.is_float() { dims } else { format!("{}{dims}", ty.element) }
}

/// `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let groups = (0..digits.len()).filter(|&at| at > 0 && at % 3 == first);
    groups.rev().fold(digits.clone(), |mut text, at| {
        text.insert(at, ',');
        text
    })
}

fn bytes(count: usize) -> String {
    match count {
        ..1024 => format!("{count} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

impl fmt::Display for Summary {
    /// A table with a line a value, and the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |heading: &str, cells: &mut dyn Iterator<Item = usize>| {
            cells.max().unwrap_or(0).max(heading.chars().count())
        };
        let names = width("value", &mut self.rows.iter().map(|row| row.name.chars().count()));
        let types = width("shape", &mut self.rows.iter().map(|row| row.ty.chars().count()));
        writeln!(f, "{}\n", self.name)?;
        writeln!(f, "{:<names$}  {:<types$}  {:>12}  of", "value", "shape", "parameters")?;
        for row in &self.rows {
            let told: Vec<String> =
                row.parameters.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
            let count = if told.is_empty() { String::new() } else { grouped(row.count()) };
            let line = format!("{:<names$}  {:<types$}  {count:>12}  {}", row.name, row.ty, told.join(", "));
            writeln!(f, "{}", line.trim_end())?;
        }
        let (count, size) = (grouped(self.parameters), bytes(self.parameter_bytes));
        write!(f, "\n{count} parameters, {size}; states {}", bytes(self.state_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let told = [0, 7, 999, 1000, 12_345, 123_456, 1_234_567].map(grouped);
        assert_eq!(told, ["0", "7", "999", "1,000", "12,345", "123,456", "1,234,567"]);
        assert_eq!([bytes(12), bytes(2048), bytes(3 << 20)], ["12 bytes", "2.0 KiB", "3.0 MiB"]);
    }
}
