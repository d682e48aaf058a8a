//! Indices as affine expressions of loop counters, and how ops that only move data change them.
//!
//! In: a node and the index of an element of its result. Out: the index of the operand's element it is.
//! Must hold: a mapping never invents an axis; an index in range stays in range.

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Op, Range};
use downhill_graph::types::Shape;
use std::collections::BTreeMap;

/// A loop of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Axis(pub u32);

/// `constant + Σ coefficient·axis`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Affine {
    /// The part without axes.
    pub constant: Dim,
    /// Coefficients; none is the constant 0.
    pub terms: BTreeMap<Axis, Dim>,
}

impl Affine {
    /// The axis itself.
    pub fn axis(axis: Axis) -> Affine {
        Affine { constant: Dim::default(), terms: BTreeMap::from([(axis, Dim::from(1))]) }
    }

    /// The axis, when this is nothing else.
    pub fn as_axis(&self) -> Option<Axis> {
        match self.terms.iter().next() {
            Some((axis, one)) if self.terms.len() == 1 && one.is(1) && self.constant.is(0) => Some(*axis),
            _ => None,
        }
    }

    /// The coefficient of `axis`: 0 where it does not occur.
    pub fn coefficient(&self, axis: Axis) -> Dim {
        self.terms.get(&axis).cloned().unwrap_or_default()
    }

    /// `self + other`.
    pub fn plus(&self, other: &Affine) -> Affine {
        let mut terms = self.terms.clone();
        for (axis, coefficient) in &other.terms {
            let sum = &terms.remove(axis).unwrap_or_default() + coefficient;
            if !sum.is(0) {
                terms.insert(*axis, sum);
            }
        }
        Affine { constant: &self.constant + &other.constant, terms }
    }

    /// `self · factor`.
    pub fn times(&self, factor: &Dim) -> Affine {
        let terms = self.terms.iter().map(|(axis, c)| (*axis, c * factor)).filter(|(_, c)| !c.is(0));
        Affine { constant: &self.constant * factor, terms: terms.collect() }
    }

    /// `self + constant`.
    pub fn offset(mut self, constant: &Dim) -> Affine {
        self.constant = &self.constant + constant;
        self
    }

    /// With `axis` replaced.
    pub fn substitute(&self, axis: Axis, by: &Affine) -> Affine {
        let mut rest = self.clone();
        match rest.terms.remove(&axis) {
            Some(coefficient) => rest.plus(&by.times(&coefficient)),
            None => rest,
        }
    }

    /// Applies `change` to every dim in it.
    pub fn map_dims(&self, change: &dyn Fn(&Dim) -> Dim) -> Affine {
        let terms = self.terms.iter().map(|(axis, c)| (*axis, change(c))).filter(|(_, c)| !c.is(0));
        Affine { constant: change(&self.constant), terms: terms.collect() }
    }
}

/// Row-major strides, in elements.
pub fn strides(shape: &Shape) -> Vec<Dim> {
    let mut strides = vec![Dim::from(1); shape.rank()];
    for axis in (1..shape.rank()).rev() {
        strides[axis - 1] = &strides[axis] * &shape.dims()[axis];
    }
    strides
}

/// The position in row-major memory of the element of `shape` at `index`.
pub fn linear(shape: &Shape, index: &[Affine]) -> Affine {
    index.iter().zip(strides(shape)).fold(Affine::default(), |sum, (i, stride)| sum.plus(&i.times(&stride)))
}

/// The index of the operand's element that an element of a moving op's result is. `None` for ops that do not merely move, and
/// for reshapes that no affine index describes.
pub fn moved(graph: &Graph, node: NodeId, index: &[Affine]) -> Option<Vec<Affine>> {
    let operand_shape = || graph.shape(graph.operand(node, 0)).clone();
    match graph.op(node) {
        Op::Transpose(permutation) => {
            let mut result = vec![Affine::default(); index.len()];
            for (i, &axis) in permutation.iter().enumerate() {
                result[axis] = index[i].clone();
            }
            Some(result)
        }
        Op::Broadcast { axes, .. } => Some(axes.iter().map(|&axis| index[axis].clone()).collect()),
        Op::Slice(ranges) => {
            let shape = operand_shape();
            // Of an axis of size 1 there is one element, however it is written.
            let place = |((i, range), dim): ((&Affine, &Range), &Dim)| match dim.is(1) {
                true => Affine::default(),
                false => i.times(&Dim::from(range.stride)).offset(&range.start),
            };
            Some(index.iter().zip(ranges).zip(shape.dims()).map(place).collect())
        }
        Op::Reverse(axes) => {
            let shape = operand_shape();
            let flip = |axis: usize, i: &Affine| {
                if axes.contains(&axis) {
                    i.times(&Dim::from(-1)).offset(&(&shape.dims()[axis] - &Dim::from(1)))
                } else {
                    i.clone()
                }
            };
            Some(index.iter().enumerate().map(|(axis, i)| flip(axis, i)).collect())
        }
        Op::Reshape(shape) => reshaped(shape, &operand_shape(), index),
        Op::StopGradient | Op::Surrogate => Some(index.to_vec()),
        Op::Input(_)
        | Op::Storage(_)
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::DimValue { .. }
        | Op::RandomBits { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Convert(_)
        | Op::Reduce { .. }
        | Op::ArgMax { .. }
        | Op::Pad(_)
        | Op::Concatenate { .. }
        | Op::DotGeneral { .. }
        | Op::Scan { .. } => None,
    }
}

/// Reshapes that only add or drop axes of size 1.
fn reshaped(from: &Shape, to: &Shape, index: &[Affine]) -> Option<Vec<Affine>> {
    let kept = |shape: &Shape| shape.dims().iter().filter(|dim| !dim.is(1)).cloned().collect::<Vec<_>>();
    if kept(from) != kept(to) {
        return None;
    }
    let mut rest = from.dims().iter().zip(index).filter(|(dim, _)| !dim.is(1)).map(|(_, i)| i.clone());
    Some(
        to.dims()
            .iter()
            .map(|dim| if dim.is(1) { Affine::default() } else { rest.next().unwrap_or_default() })
            .collect(),
    )
}
