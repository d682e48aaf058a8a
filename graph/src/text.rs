//! The text of a graph: a line a node, for goldens, dumps and eyes.
//!
//! In: a graph. Out: text that is the same for equal graphs with equal names. Bodies of loops follow their graph, each once.

use crate::graph::{Graph, NodeId, Purpose, Role, StorageKind};
use crate::op::{Op, Padding, Range};
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
        let mut writer = Writer::default();
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
struct Writer {
    text: String,
    bodies: Vec<Arc<Graph>>,
}

impl Writer {
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
        let head = self.head(graph, graph.op(id));
        let operands: Vec<String> =
            graph.operands(id).iter().map(|operand| format!("%{}", operand.index())).collect();
        let operands = if operands.is_empty() { String::new() } else { format!(" {}", operands.join(", ")) };
        let comment = comment(graph, id);
        let _ = writeln!(self.text, "{indent}%{} = {head}{operands} : {}{comment}", id.index(), graph.ty(id));
    }

    /// The op with its attributes.
    fn head(&mut self, graph: &Graph, op: &Op) -> String {
        match op {
            Op::Input(index) => format!("input {}", graph.inputs[*index].name),
            Op::Storage(index) => format!("storage {}", graph.storages[*index].name),
            Op::Scan { body, carried, sliced, length, result } => {
                let number = self.body_number(body);
                format!("scan @{number} result {result} carried {carried} sliced {sliced} length {length}")
            }
            other => attributes(other),
        }
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
    match (graph.op(id), graph.label(id)) {
        (Op::Input(_) | Op::Storage(_), _) => String::new(),
        (_, Some(name)) => format!("  // {name}"),
        (_, None) if layer.is_empty() => String::new(),
        (_, None) => format!("  // in {layer}"),
    }
}

/// The op's name and attributes, where they do not hang on the graph.
fn attributes(op: &Op) -> String {
    match op {
        Op::Constant(literal) => format!("constant {literal}"),
        Op::Iota { shape: _, axis } => format!("iota axis {axis}"),
        Op::DimValue { dim, element: _ } => format!("dim {dim}"),
        Op::RandomBits { stream, shape: _ } => format!("random_bits stream {stream}"),
        Op::Reduce { kind, axes } => format!("reduce {} axes {axes:?}", lower(kind)),
        Op::ArgMax { axis } => format!("argmax axis {axis}"),
        Op::Transpose(order) => format!("transpose {order:?}"),
        Op::Broadcast { shape: _, axes } => format!("broadcast axes {axes:?}"),
        Op::Slice(ranges) => format!("slice [{}]", list(ranges, range_text)),
        Op::Pad(paddings) => format!("pad [{}]", list(paddings, padding_text)),
        Op::Concatenate { axis } => format!("concatenate axis {axis}"),
        Op::Reverse(axes) => format!("reverse {axes:?}"),
        Op::DotGeneral { batch, contract } => {
            let batch = if batch.is_empty() { String::new() } else { format!(" batch {batch:?}") };
            format!("dot_general{batch} contract {contract:?}")
        }
        other => op_name(other),
    }
}

/// The op's name: `add`, `reduce_sum`.
pub(crate) fn op_name(op: &Op) -> String {
    match op {
        Op::Unary(unary) => lower(unary),
        Op::Binary(binary) => lower(binary),
        Op::Compare(compare) => lower(compare),
        Op::Convert(element) => format!("convert {element}"),
        Op::Input(_) => "input".into(),
        Op::Storage(_) => "storage".into(),
        Op::Constant(_) => "constant".into(),
        Op::Iota { .. } => "iota".into(),
        Op::DimValue { .. } => "dim".into(),
        Op::RandomBits { .. } => "random_bits".into(),
        Op::Select => "select".into(),
        Op::Reduce { kind, .. } => format!("reduce_{}", lower(kind)),
        Op::ArgMax { .. } => "argmax".into(),
        Op::Reshape(_) => "reshape".into(),
        Op::Transpose(_) => "transpose".into(),
        Op::Broadcast { .. } => "broadcast".into(),
        Op::Slice(_) => "slice".into(),
        Op::Pad(_) => "pad".into(),
        Op::Concatenate { .. } => "concatenate".into(),
        Op::Reverse(_) => "reverse".into(),
        Op::DotGeneral { .. } => "dot_general".into(),
        Op::StopGradient => "stop_gradient".into(),
        Op::Surrogate => "surrogate".into(),
        Op::Scan { .. } => "scan".into(),
    }
}

/// `LessEqual` as `less_equal`.
fn lower(variant: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{variant:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// `1..n` or `0..n by 2`.
pub(crate) fn range_text(range: &Range) -> String {
    let stride = if range.stride == 1 { String::new() } else { format!(" by {}", range.stride) };
    format!("{}..{}{stride}", range.start, range.end)
}

fn padding_text(padding: &Padding) -> String {
    let interior =
        if padding.interior == 0 { String::new() } else { format!(" between {}", padding.interior) };
    format!("{}+{}{interior}", padding.low, padding.high)
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
