//! How large values can be, as far as their ops tell: what rules ask that hold among the reals, but among floats only within
//! bounds.
//!
//! Bounds are powers of two. Rounding keeps them: 2ᵏ is a float, and rounding never passes one. NaN is outside of all bounds; a size
//! is taken to be 1 or more, since a mean over nothing is NaN in whatever form it is written.

use super::{operands_of, spread_scalar};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Reduction, Unary};
use crate::types::{ElementType, Literal};

/// 2^low ≤ |x| ≤ 2^high.
#[derive(Clone, Copy)]
pub(super) struct Magnitude {
    pub(super) low: i32,
    pub(super) high: i32,
}

/// Scales have magnitudes of 2⁻¹⁰⁰ to 2¹⁰⁰: normal in f32 and with room on both sides.
const WINDOW: i32 = 100;

/// How many ops a question looks through.
const DEPTH: u32 = 8;

/// The magnitude of a scalar made of constants and sizes alone, if it lies in the window.
pub(super) fn of_scale(graph: &Graph, scalar: NodeId) -> Option<Magnitude> {
    scale_within(graph, scalar, DEPTH)
}

fn scale_within(graph: &Graph, scalar: NodeId, depth: u32) -> Option<Magnitude> {
    if depth == 0 || graph.ty(scalar).rank() != 0 || !graph.ty(scalar).element.is_float() {
        return None;
    }
    let operand = |position| scale_within(graph, graph.operand(scalar, position), depth - 1);
    let size = Some(Magnitude { low: 0, high: 63 });
    let magnitude = match graph.op(scalar) {
        Op::Constant(literal) => of_literal(*literal)?,
        Op::DimValue { .. } => size?,
        Op::Convert(_) if matches!(graph.op(graph.operand(scalar, 0)), Op::DimValue { .. }) => size?,
        Op::Unary(Unary::Neg) => operand(0)?,
        Op::Binary(Binary::Mul) => {
            let (a, b) = (operand(0)?, operand(1)?);
            Magnitude { low: a.low + b.low, high: a.high + b.high }
        }
        Op::Binary(Binary::Div) => {
            let (a, b) = (operand(0)?, operand(1)?);
            Magnitude { low: a.low - b.high, high: a.high - b.low }
        }
        _ => return None,
    };
    (magnitude.low >= -WINDOW && magnitude.high <= WINDOW).then_some(magnitude)
}

/// The magnitude of a float as its type holds it, if it is a normal number.
fn of_literal(literal: Literal) -> Option<Magnitude> {
    let value = held(literal);
    let low = ((value.to_bits() >> MANTISSA) & 0x7ff) as i32 - 1023;
    let exact = value.to_bits() << (64 - MANTISSA) == 0;
    (value.is_normal()).then_some(Magnitude { low, high: if exact { low } else { low + 1 } })
}

/// Bits of an f64 behind the point.
const MANTISSA: u32 = 52;

fn held(literal: Literal) -> f64 {
    match literal.element {
        ElementType::F32 => f64::from(literal.value() as f32),
        _ => literal.value(),
    }
}

/// The k of a constant ±2ᵏ, spread or not.
pub(super) fn power_of_two(graph: &Graph, id: NodeId) -> Option<i32> {
    let Op::Constant(literal) = graph.op(spread_scalar(graph, id)?) else { return None };
    let magnitude = literal.element.is_float().then(|| of_literal(*literal))??;
    (magnitude.low == magnitude.high).then_some(magnitude.low)
}

/// Whether no element can be greater than 2^high in magnitude.
pub(super) fn is_within(graph: &Graph, id: NodeId, high: i32) -> bool {
    bound(graph, id, DEPTH).is_some_and(|bound| bound <= high)
}

/// The least k that ops show of which all elements are within ±2ᵏ.
fn bound(graph: &Graph, id: NodeId, depth: u32) -> Option<i32> {
    if depth == 0 {
        return None;
    }
    if let Some(scale) = spread_scalar(graph, id).and_then(|scalar| of_scale(graph, scalar)) {
        return Some(scale.high);
    }
    let operand = |position| bound(graph, graph.operand(id, position), depth - 1);
    let greater = |a, b| Some(operand(a)?.max(operand(b)?));
    match graph.op(id) {
        Op::Constant(literal) if held(*literal) == 0.0 => Some(0),
        Op::Unary(Unary::Tanh | Unary::Logistic | Unary::Erf | Unary::Sign) => Some(0),
        Op::Unary(Unary::Neg | Unary::Abs) => operand(0),
        Op::Convert(_) => match graph.ty(graph.operand(id, 0)).element {
            ElementType::Bool => Some(0),
            ElementType::I32 | ElementType::U32 => Some(32),
            ElementType::F32 | ElementType::F64 => operand(0),
        },
        Op::Binary(Binary::Div) => is_share(graph, id).then_some(0),
        Op::Binary(Binary::Mul) => Some(operand(0)? + operand(1)?),
        Op::Binary(Binary::Add | Binary::Sub) => Some(greater(0, 1)? + 1),
        Op::Binary(Binary::Max | Binary::Min) => greater(0, 1),
        Op::Select => greater(1, 2),
        Op::Reduce { kind: Reduction::Max | Reduction::Min, .. }
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Broadcast { .. }
        | Op::Slice(_)
        | Op::Reverse(_) => operand(0),
        _ => None,
    }
}

/// Whether the node is e/Σe of exponentials: a sum of terms that are not negative is no less than any of them, rounded or not.
fn is_share(graph: &Graph, id: NodeId) -> bool {
    let Some((e, sums)) = operands_of(graph, id, Binary::Div) else { return false };
    matches!(graph.op(sums), Op::Broadcast { .. })
        && is_sum_beside(graph, graph.op(sums), graph.operand(sums, 0), e)
}

/// Whether `sum`, seen through `view`, has beside each of the exponentials `e` a sum of which that is a term.
pub(super) fn is_sum_beside(graph: &Graph, view: &Op, sum: NodeId, e: NodeId) -> bool {
    let (Op::Broadcast { axes: placed, .. }, Op::Reduce { kind: Reduction::Sum, axes }) =
        (view, graph.op(sum))
    else {
        return false;
    };
    let kept = (0..graph.shape(e).rank()).filter(|axis| !axes.contains(axis));
    graph.operand(sum, 0) == e
        && matches!(graph.op(e), Op::Unary(Unary::Exp))
        && placed.iter().copied().eq(kept)
}
