//! The text of a graph: a line a node, for goldens, dumps and eyes.
//!
//! In: a graph. Out: text that is the same for equal graphs with equal names. Bodies of loops follow their graph, each once.

use crate::graph::{Graph, NodeId, Purpose, Role, StorageKind};
use crate::op::Op;
use crate::types::Shape;
use std::fmt::Write as _;
use std::sync::Arc;

impl Graph {
    /// A line a node: `%3 = add %1, %2 : f32[batch, 50]  // h`.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::graph::{Graph, Input, Role};
    /// use downhill_graph::op::{Op, Unary};
    /// use downhill_graph::{dim::Dim, types::ElementType, types::Type};
    ///
    /// let mut graph = Graph::new();
    /// let ty = Type::new(ElementType::F32, [Dim::symbol("n")]);
    /// let x = graph.add_input(Input { name: "x".into(), ty, role: Role::Input, below: None });
    /// graph.add(Op::Unary(Unary::Neg), &[x]);
    /// let text = graph.to_text();
    /// assert_eq!(text, "input x : f32[n]\n%0 = input x : f32[n]\n%1 = neg %0 : f32[n]\n");
    /// ```
    pub fn to_text(&self) -> String {
        let mut writer = TextWriter::default();
        writer.graph(self, "");
        let mut position = 0;
        while let Some(body) = writer.bodies.get(position).cloned() {
            let _ = writeln!(writer.text, "body @{position}:");
            writer.graph(&body, "  ");
            position += 1;
        }
        writer.text
    }
}

#[derive(Default)]
struct TextWriter {
    text: String,
    bodies: Vec<Arc<Graph>>,
}

impl TextWriter {
    fn graph(&mut self, graph: &Graph, indent: &str) {
        for input in &graph.inputs {
            let below = input.below.as_ref().map(|dim| format!(" below {dim}")).unwrap_or_default();
            let _ =
                writeln!(self.text, "{indent}{} {} : {}{below}", role_name(input.role), input.name, input.ty);
        }

        for storage in &graph.storages {
            let kind = if storage.kind == StorageKind::Parameter { "parameter" } else { "state" };
            let _ = writeln!(
                self.text,
                "{indent}{kind} {} : {}  // {:?}",
                storage.name, storage.ty, storage.initializer
            );
        }

        for id in graph.ids() {
            self.node(graph, id, indent);
        }
        for (purpose, id) in &graph.results {
            let _ = writeln!(self.text, "{indent}{} = %{}", purpose_name(graph, purpose), id.index());
        }
    }

    fn node(&mut self, graph: &Graph, id: NodeId, indent: &str) {
        let head = self.head(graph, id);
        let operands: Vec<String> =
            graph.operands(id).iter().map(|operand| format!("%{}", operand.index())).collect();
        let operands = if operands.is_empty() { String::new() } else { format!(" {}", operands.join(", ")) };
        let comment = comment(graph, id);
        let _ = writeln!(self.text, "{indent}%{} = {head}{operands} : {}{comment}", id.index(), graph.ty(id));
    }

    /// The op with its attributes.
    fn head(&mut self, graph: &Graph, id: NodeId) -> String {
        let op = graph.op(id);
        let name = op.facts().name;
        let attributes = if let Some(name) = graph.leaf_name(id) {
            name.to_string()
        } else if let Op::Scan { body, .. } = op {
            format!("@{} {}", self.body_number(body), op.attributes())
        } else {
            op.attributes()
        };
        if attributes.is_empty() { name.to_owned() } else { format!("{name} {attributes}") }
    }

    fn body_number(&mut self, body: &Arc<Graph>) -> usize {
        let known = self.bodies.iter().position(|known| Arc::ptr_eq(known, body) || known == body);
        known.unwrap_or_else(|| {
            self.bodies.push(body.clone());
            self.bodies.len() - 1
        })
    }
}

/// The node's name, or else the layer it belongs to.
fn comment(graph: &Graph, id: NodeId) -> String {
    let layer = &graph.origin(id).layer;
    match graph.label(id) {
        _ if graph.leaf_name(id).is_some() => String::new(),
        Some(name) => format!("  // {name}"),
        None if layer.is_empty() => String::new(),
        None => format!("  // in {layer}"),
    }
}

/// What an input is for, in a word.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Input => "input",
        Role::Target => "target",
        Role::Hyper => "hyper",
        Role::Body => "body_input",
    }
}

fn purpose_name(graph: &Graph, purpose: &Purpose) -> String {
    match purpose {
        Purpose::Output(name) => format!("output {name}"),
        Purpose::Loss(name) => format!("loss {name}"),
        Purpose::Gradient(name) => format!("gradient {name}"),
        Purpose::Update(index) => format!("update {}", graph.storages[*index].name),
    }
}

/// True for a shape that differs from `other` by axes of size 1 only.
pub(crate) fn differs_by_ones(shape: &Shape, other: &Shape) -> bool {
    let rest = |shape: &Shape| shape.dims().iter().filter(|dim| !dim.is(1)).cloned().collect::<Vec<_>>();
    rest(shape) == rest(other)
}
