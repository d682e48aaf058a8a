//! What the tests of gradients and passes share: small graphs over f64 inputs `x0`, `x1`, …, run by the interpreter.
#![allow(dead_code)]

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::{Binary, Op, Reduction, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape, Type};

/// A list of choices; when it ends, all are the first.
pub(crate) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes.iter())
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count
    }

    pub(crate) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// Numbers that look random and are the same every time.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// In 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let values = (0..shape.iter().product()).map(|_| self.within(low, high)).collect();
        Tensor::new(shape, values).expect("as many as the shape has")
    }
}

/// Declares the f64 input `x<n>`.
pub(crate) fn input(graph: &mut Graph, shape: &[usize]) -> NodeId {
    let dims = shape.iter().map(|&size| Dim::from(size)).collect::<Vec<_>>();
    input_of(graph, ElementType::F64, dims)
}

/// Declares the input `x<n>`.
pub(crate) fn input_of(graph: &mut Graph, element: ElementType, shape: impl Into<Shape>) -> NodeId {
    let name = format!("x{}", graph.inputs.len()).into();
    graph.add_input(Input { name, ty: Type::new(element, shape), role: Role::Input, below: None })
}

/// Gives `tensors` to the inputs in order.
pub(crate) fn environment(tensors: &[Tensor]) -> Environment {
    let numbered = tensors.iter().enumerate();
    numbered.fold(Environment::new(), |environment, (i, tensor)| environment.input(&format!("x{i}"), tensor))
}

/// The value of a node.
pub(crate) fn value(graph: &Graph, id: NodeId, environment: &Environment) -> Tensor {
    let mut graph = graph.clone();
    graph.results = vec![(Purpose::Output("value".into()), id)];
    interpret(&graph, environment, Precision::F64).expect("runs").remove(0).1
}

pub(crate) fn unary(graph: &mut Graph, function: Unary, x: NodeId) -> NodeId {
    graph.add(Op::Unary(function), &[x])
}

pub(crate) fn binary(graph: &mut Graph, function: Binary, a: NodeId, b: NodeId) -> NodeId {
    graph.add(Op::Binary(function), &[a, b])
}

/// Σ a·b over all elements.
pub(crate) fn inner_product(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    let product = binary(graph, Binary::Mul, a, b);
    let axes = (0..graph.ty(a).rank()).collect();
    graph.add(Op::Reduce { kind: Reduction::Sum, axes }, &[product])
}

/// A node as a formula: `mul(sub(logistic(x0), x1), spread(div(1, batch)))`.
pub(crate) fn show(graph: &Graph, id: NodeId) -> String {
    let operands: Vec<String> = graph.operands(id).into_iter().map(|operand| show(graph, operand)).collect();
    let name = match graph.op(id) {
        Op::Input(index) => return graph.inputs[*index].name.to_string(),
        Op::Storage(index) => return graph.storages[*index].name.to_string(),
        Op::Constant(literal) => return literal.value().to_string(),
        Op::DimValue { dim, .. } => return dim.to_string(),
        Op::Unary(function) => format!("{function:?}"),
        Op::Binary(function) => format!("{function:?}"),
        Op::Compare(function) => format!("{function:?}"),
        Op::Reduce { kind, axes } => format!("{kind:?}{axes:?}"),
        Op::Broadcast { axes, .. } if axes.is_empty() => "spread".into(),
        Op::Broadcast { axes, .. } => format!("Broadcast{axes:?}"),
        Op::Convert(element) => element.to_string(),
        Op::Reshape(shape) => format!("Reshape{shape}"),
        Op::DotGeneral { batch, contract } => format!("Dot{batch:?}{contract:?}"),
        other => format!("{other:?}"),
    };
    let name = if name.chars().next().is_some_and(char::is_alphabetic) { name.to_lowercase() } else { name };
    format!("{name}({})", operands.join(", "))
}
