//! Ops of constants are constants: rounded op by op, as the declared ops would round.

use super::rewriting::Rewriting;
use crate::graph::{Graph, NodeId};
use crate::interpret::scalar::{self, Precision};
use crate::op::Op;
use crate::types::{ElementType, Literal};

/// An elementwise op of scalar constants: computed as the interpreter computes it, f32 values rounded to f32.
pub(super) fn constants(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let values: Vec<(ElementType, f64)> =
        operands.iter().map(|&id| constant(graph, id)).collect::<Option<_>>()?;

    let (from, x) = *values.first()?;
    let value = if let Op::Unary(function) = op {
        scalar::unary(*function, from, x)
    } else if let Op::Binary(function) = op {
        scalar::binary(*function, from, x, values[1].1)
    } else if let Op::Compare(comparison) = op {
        scalar::compare(*comparison, x, values[1].1)
    } else if let Op::Select = op {
        values[if x != 0.0 { 1 } else { 2 }].1
    } else if let Op::Convert(to) = op {
        scalar::convert(from, *to, x)
    } else {
        return None;
    };

    let element = graph.infer(op, operands).ok()?.element;
    Some(graph.constant(element, Precision::F32.round(element, value)))
}

/// The value of a dim that is a number.
pub(super) fn dim_value(graph: &mut Rewriting, op: &Op, _: &[NodeId]) -> Option<NodeId> {
    let Op::DimValue { dim, element } = op else { return None };
    let value = scalar::wrap(*element, dim.as_constant()? as f64);
    Some(graph.constant(*element, Precision::F32.round(*element, value)))
}

fn constant(graph: &Graph, id: NodeId) -> Option<(ElementType, f64)> {
    let Op::Constant(literal) = graph.op(id) else { return None };
    Some((literal.element, rounded(*literal)))
}

fn rounded(literal: Literal) -> f64 {
    Precision::F32.round(literal.element, literal.value())
}
