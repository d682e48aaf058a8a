//! Sums of padded values that nowhere overlap are one value, piece behind piece: the gradient of what was cut in parts.
//!
//! For floats: every element of the sum is one term and zeros, and becomes that term.

use super::rewriting::{Rewriting, add};
use crate::dim::Dim;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Padding};

/// The most terms of one sum.
const MOST: usize = 64;

/// A value with zeros before and behind it along one axis.
struct Piece {
    value: NodeId,
    axis: usize,
    low: i64,
    high: Dim,
}

/// A sum of pieces that lie one behind the other.
pub(super) fn one_behind_another(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    if *op != Op::Binary(Binary::Add) {
        return None;
    }
    let mut pieces = pieces(graph, operands)?;
    pieces.sort_by_key(|piece| piece.low);
    let axis = pieces[0].axis;
    let is_behind = |[one, other]: &[Piece; 2]| {
        let size = &graph.shape(one.value).dims()[axis];
        other.axis == axis && &Dim::from(one.low) + size == Dim::from(other.low)
    };
    if !pieces.array_windows().all(is_behind) {
        return None;
    }

    let mut paddings = vec![Padding::none(); graph.shape(pieces[0].value).rank()];
    let high = pieces.last().map(|piece| piece.high.clone()).unwrap_or_default();
    paddings[axis] = Padding { low: Dim::from(pieces[0].low), high, ..Padding::none() };
    let parts = pieces.iter().flat_map(|piece| {
        let is_along = matches!(graph.op(piece.value), Op::Concatenate { axis: along } if *along == axis);
        if is_along { graph.operands(piece.value) } else { vec![piece.value] }
    });
    let parts: Vec<NodeId> = parts.collect();
    let whole = add(graph, Op::Concatenate { axis }, &parts);
    let is_whole = paddings.iter().all(|padding| *padding == Padding::none());
    Some(if is_whole { whole } else { add(graph, Op::Pad(paddings), &[whole]) })
}

/// The terms of a sum of sums, if all are pieces.
fn pieces(graph: &Graph, operands: &[NodeId]) -> Option<Vec<Piece>> {
    let (mut open, mut pieces) = (operands.to_vec(), Vec::new());
    while let Some(node) = open.pop() {
        if *graph.op(node) == Op::Binary(Binary::Add) && pieces.len() + open.len() < MOST {
            open.extend(graph.operands(node));
        } else {
            pieces.push(Piece::of(graph, node)?);
        }
    }
    Some(pieces)
}

impl Piece {
    fn of(graph: &Graph, node: NodeId) -> Option<Piece> {
        let Op::Pad(paddings) = graph.op(node) else { return None };
        let mut padded = paddings.iter().enumerate().filter(|(_, padding)| **padding != Padding::none());
        let ((axis, padding), None) = (padded.next()?, padded.next()) else { return None };
        let low = padding.low.as_constant().filter(|low| *low >= 0 && padding.interior == 0)?;
        Some(Piece { value: graph.operand(node, 0), axis, low, high: padding.high.clone() })
    }
}
