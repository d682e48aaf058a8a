//! Ops of constants are constants: rounded op by op, as the declared ops would round.

use crate::graph::{Graph, NodeId};
use crate::interpret::scalar::{self, Precision};
use crate::op::Op;
use crate::types::{ElementType, Literal};

/// An elementwise op of scalar constants: computed as the interpreter computes it, f32 values rounded to f32.
pub(super) fn constants(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let values: Vec<(ElementType, f64)> =
        operands.iter().map(|&id| constant(graph, id)).collect::<Option<_>>()?;
    let (from, x) = *values.first()?;
    let value = match op {
        Op::Unary(function) => scalar::unary(*function, from, x),
        Op::Binary(function) => scalar::binary(*function, from, x, values[1].1),
        Op::Compare(comparison) => scalar::compare(*comparison, x, values[1].1),
        Op::Select => values[if x != 0.0 { 1 } else { 2 }].1,
        Op::Convert(to) => scalar::convert(from, *to, x),
        _ => return None,
    };
    let element = crate::infer::infer(graph, op, operands).ok()?.element;
    Some(graph.constant(element, Precision::F32.round(element, value)))
}

/// The value of a dim that is a number.
pub(super) fn dim_value(graph: &mut Graph, op: &Op, _: &[NodeId]) -> Option<NodeId> {
    let Op::DimValue { dim, element } = op else { return None };
    let value = scalar::wrap(*element, dim.as_constant()? as f64);
    Some(graph.constant(*element, Precision::F32.round(*element, value)))
}

fn constant(graph: &Graph, id: NodeId) -> Option<(ElementType, f64)> {
    match graph.op(id) {
        Op::Constant(literal) => Some((literal.element, rounded(*literal))),
        _ => None,
    }
}

fn rounded(literal: Literal) -> f64 {
    Precision::F32.round(literal.element, literal.value())
}
