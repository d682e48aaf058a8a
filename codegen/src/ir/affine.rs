//! Indices as affine expressions of loop counters, and how ops that only move data map them.
//!
//! In: a node that only moves data, and the index of an element of its result. Out: the index of that element in its operand.
//!
//! Must hold: a mapping never invents an axis; an index in range stays in range.

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Op, Range, Window};
use downhill_graph::types::Shape;
use std::sync::Arc;

/// A loop of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Axis(pub u32);

/// `constant + Σ coefficient·axis`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Affine {
    /// The part without axes.
    pub constant: Dim,
    /// Coefficients; none is the constant 0.
    pub terms: Terms,
}

/// Coefficients by axis, in the order of axes. There are few of them, and many copies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Terms(Arc<[(Axis, Dim)]>);

impl Terms {
    /// The terms, which may name an axis several times, added up.
    fn sum(mut terms: Vec<(Axis, Dim)>) -> Terms {
        terms.sort_by_key(|(axis, _)| *axis);
        terms.dedup_by(|(axis, coefficient), (before, sum)| {
            let same = axis == before;
            if same {
                *sum = &*sum + coefficient;
            }
            same
        });
        terms.retain(|(_, coefficient)| !coefficient.is(0));
        Terms(terms.into())
    }

    /// Axes and coefficients.
    pub fn iter(&self) -> impl Iterator<Item = (&Axis, &Dim)> {
        self.0.iter().map(|(axis, coefficient)| (axis, coefficient))
    }

    /// The axes.
    pub fn keys(&self) -> impl Iterator<Item = &Axis> {
        self.0.iter().map(|(axis, _)| axis)
    }

    /// The coefficients.
    pub fn values(&self) -> impl Iterator<Item = &Dim> {
        self.0.iter().map(|(_, coefficient)| coefficient)
    }

    /// The coefficient of an axis, where it is not 0.
    pub fn get(&self, axis: &Axis) -> Option<&Dim> {
        self.0.iter().find(|(known, _)| known == axis).map(|(_, coefficient)| coefficient)
    }

    /// Whether an axis has a coefficient other than 0.
    pub fn contains_key(&self, axis: &Axis) -> bool {
        self.get(axis).is_some()
    }
}

impl FromIterator<(Axis, Dim)> for Terms {
    fn from_iter<I: IntoIterator<Item = (Axis, Dim)>>(terms: I) -> Terms {
        Terms::sum(terms.into_iter().collect())
    }
}

impl Affine {
    /// The axis itself.
    pub fn axis(axis: Axis) -> Affine {
        Affine { constant: Dim::default(), terms: Terms([(axis, Dim::from(1))].into()) }
    }

    /// The axis, when this is nothing else.
    pub fn as_axis(&self) -> Option<Axis> {
        match &*self.terms.0 {
            [(axis, one)] if one.is(1) && self.constant.is(0) => Some(*axis),
            _ => None,
        }
    }

    /// The coefficient of `axis`: 0 where it does not occur.
    pub fn coefficient(&self, axis: Axis) -> Dim {
        self.terms.get(&axis).cloned().unwrap_or_default()
    }

    /// `self + other`.
    pub fn plus(&self, other: &Affine) -> Affine {
        let constant = &self.constant + &other.constant;
        let terms = match (self.terms.0.is_empty(), other.terms.0.is_empty()) {
            (_, true) => self.terms.clone(),
            (true, _) => other.terms.clone(),
            _ => Terms::sum([&*self.terms.0, &*other.terms.0].concat()),
        };
        Affine { constant, terms }
    }

    /// `self · factor`.
    pub fn times(&self, factor: &Dim) -> Affine {
        if factor.is(1) {
            return self.clone();
        }
        self.map_dims(&|dim| dim * factor)
    }

    /// `self + constant`.
    pub fn offset(mut self, constant: &Dim) -> Affine {
        self.constant = &self.constant + constant;
        self
    }

    /// With `axis` replaced.
    pub fn substitute(&self, axis: Axis, by: &Affine) -> Affine {
        let Some(coefficient) = self.terms.get(&axis) else { return self.clone() };
        let others = self.terms.0.iter().filter(|(other, _)| *other != axis).cloned();
        let rest = Affine { constant: self.constant.clone(), terms: others.collect() };
        rest.plus(&by.times(coefficient))
    }

    /// Applies `change` to every dim in it.
    pub fn map_dims(&self, change: &dyn Fn(&Dim) -> Dim) -> Affine {
        let terms = self.terms.iter().map(|(axis, coefficient)| (*axis, change(coefficient)));
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
    let (mut constant, mut terms) = (Dim::default(), Vec::with_capacity(index.len()));
    for (i, stride) in index.iter().zip(strides(shape)) {
        constant = &constant + &(&i.constant * &stride);
        terms.extend(i.terms.iter().map(|(axis, coefficient)| (*axis, coefficient * &stride)));
    }
    Affine { constant, terms: Terms::sum(terms) }
}

/// The index in the operand of an element of an op that only moves data. `None` for all other ops, and
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
            // An axis of size 1 has one element, at index 0.
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
        Op::Window(Window { axis, stride, dilation, .. }) => {
            let seen = index[*axis].times(stride).plus(&index[axis + 1].times(dilation));
            let mut result = index.to_vec();
            result.splice(*axis..=axis + 1, [seen]);
            Some(result)
        }
        Op::Reshape(shape) => reshaped(&operand_shape(), shape, index),
        Op::StopGradient | Op::Surrogate | Op::Pullback => Some(index.to_vec()),
        Op::Input(_)
        | Op::Storage(_)
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::DimValue { .. }
        | Op::RandomBits { .. }
        | Op::Arriving { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Convert(_)
        | Op::Reduce { .. }
        | Op::ArgMax { .. }
        | Op::CumulativeSum { .. }
        | Op::Pad(_)
        | Op::Concatenate { .. }
        | Op::Fold { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::DotGeneral { .. }
        | Op::Scan { .. } => None,
    }
}

/// Reshapes that split axes, or add or drop axes of size 1.
fn reshaped(from: &Shape, to: &Shape, index: &[Affine]) -> Option<Vec<Affine>> {
    let mut parts = to.dims().iter().zip(index).filter(|(dim, _)| !dim.is(1));
    let mut moved = Vec::with_capacity(from.rank());
    for whole in from.dims() {
        let (mut size, mut at) = (Dim::from(1), Affine::default());
        while size != *whole {
            let (part, i) = parts.next()?;
            size = &size * part;
            at = at.times(part).plus(i);
        }
        moved.push(at);
    }
    parts.next().is_none().then_some(moved)
}
