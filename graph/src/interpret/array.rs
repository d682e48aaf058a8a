//! Arrays of numbers, naively: movement, reduction, contraction.
//!
//! In: arrays whose elements are f64, whatever they stand for. Out: the same. Every function is the textbook's loop over
//! indices; nothing here is meant to be fast. Shapes that do not fit are an [`Error`]: a graph with symbolic sizes can be given
//! sizes that contradict each other.

use super::scalar;
use crate::error::Error;
use crate::op::{Binary, Reduction};
use crate::types::ElementType;

/// A row-major array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// First index, first beyond, step.
pub(crate) type Span = (usize, usize, usize);

impl Array {
    pub(crate) fn scalar(value: f64) -> Array {
        Array { shape: Vec::new(), data: vec![value] }
    }

    /// The element at every index.
    pub(crate) fn build(shape: Vec<usize>, mut element: impl FnMut(&[usize]) -> f64) -> Array {
        let size: usize = shape.iter().product();
        let mut index = vec![0; shape.len()];
        let mut data = Vec::with_capacity(size);
        for _ in 0..size {
            data.push(element(&index));
            advance(&mut index, &shape);
        }
        Array { shape, data }
    }

    pub(crate) fn at(&self, index: &[usize]) -> f64 {
        self.data[position(&self.shape, index)]
    }

    pub(crate) fn map(&self, function: impl Fn(f64) -> f64) -> Array {
        Array { shape: self.shape.clone(), data: self.data.iter().map(|&x| function(x)).collect() }
    }

    pub(crate) fn zip(&self, other: &Array, function: impl Fn(f64, f64) -> f64) -> Result<Array, Error> {
        same_shape(self, other)?;
        let data = self.data.iter().zip(&other.data).map(|(&x, &y)| function(x, y)).collect();
        Ok(Array { shape: self.shape.clone(), data })
    }

    pub(crate) fn select(mask: &Array, a: &Array, b: &Array) -> Result<Array, Error> {
        same_shape(mask, a)?;
        same_shape(mask, b)?;
        let pairs = a.data.iter().zip(&b.data);
        let data = mask.data.iter().zip(pairs).map(|(&m, (&x, &y))| if m != 0.0 { x } else { y }).collect();
        Ok(Array { shape: a.shape.clone(), data })
    }

    pub(crate) fn reshape(&self, shape: Vec<usize>) -> Result<Array, Error> {
        if shape.iter().product::<usize>() != self.data.len() {
            return Err(Error::new(format!("{:?} has not as many elements as {shape:?}", self.shape)));
        }
        Ok(Array { shape, data: self.data.clone() })
    }

    pub(crate) fn transpose(&self, permutation: &[usize]) -> Array {
        let shape = permutation.iter().map(|&axis| self.shape[axis]).collect();
        let mut source = vec![0; self.shape.len()];
        Array::build(shape, |index| {
            for (&axis, &i) in permutation.iter().zip(index) {
                source[axis] = i;
            }
            self.at(&source)
        })
    }

    pub(crate) fn broadcast(&self, shape: Vec<usize>, axes: &[usize]) -> Result<Array, Error> {
        if axes.iter().zip(&self.shape).any(|(&axis, &size)| shape[axis] != size) {
            return Err(Error::new(format!("{:?} does not broadcast to {shape:?}", self.shape)));
        }
        Ok(Array::build(shape, |index| {
            let source: Vec<usize> = axes.iter().map(|&axis| index[axis]).collect();
            self.at(&source)
        }))
    }

    pub(crate) fn slice(&self, spans: &[Span]) -> Result<Array, Error> {
        if spans.iter().zip(&self.shape).any(|(&(start, end, _), &size)| start > end || end > size) {
            return Err(Error::new(format!("{:?} has no slice {spans:?}", self.shape)));
        }
        let shape = spans.iter().map(|&(start, end, stride)| (end - start).div_ceil(stride)).collect();
        Ok(Array::build(shape, |index| {
            let source: Vec<usize> =
                spans.iter().zip(index).map(|(&(start, _, stride), &i)| start + i * stride).collect();
            self.at(&source)
        }))
    }

    /// `paddings`: before, between. What comes after follows from `shape`.
    pub(crate) fn pad(&self, shape: Vec<usize>, paddings: &[(usize, usize)]) -> Array {
        Array::build(shape, |index| {
            let source =
                index.iter().zip(paddings).zip(&self.shape).map(|((&i, &(low, interior)), &size)| {
                    let offset = i.checked_sub(low)?;
                    let inside = offset % (interior + 1) == 0 && offset / (interior + 1) < size;
                    inside.then_some(offset / (interior + 1))
                });
            source.collect::<Option<Vec<usize>>>().map_or(0.0, |source| self.at(&source))
        })
    }

    pub(crate) fn concatenate(parts: &[&Array], axis: usize) -> Result<Array, Error> {
        let mut shape = parts[0].shape.clone();
        for part in &parts[1..] {
            let alike = part.shape.iter().zip(&shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
            if !alike {
                return Err(Error::new(format!("{:?} beside {:?}", parts[0].shape, part.shape)));
            }
            shape[axis] += part.shape[axis];
        }

        Ok(Array::build(shape, |index| {
            let mut source = index.to_vec();
            let mut rest = parts.iter();
            loop {
                let Some(part) = rest.next() else { crate::graph::bug("an index beyond the parts") };
                if source[axis] < part.shape[axis] {
                    return part.at(&source);
                }
                source[axis] -= part.shape[axis];
            }
        }))
    }

    pub(crate) fn reverse(&self, axes: &[usize]) -> Array {
        let mut source = vec![0; self.shape.len()];
        Array::build(self.shape.clone(), |index| {
            source.copy_from_slice(index);
            for &axis in axes {
                source[axis] = self.shape[axis] - 1 - index[axis];
            }
            self.at(&source)
        })
    }

    /// What a window of so many `taps`, a `stride` from place to place and a `dilation` from tap to tap, sees along `axis`.
    pub(crate) fn window(&self, axis: usize, window: [usize; 3]) -> Result<Array, Error> {
        let [taps, stride, dilation] = window;
        let places = places(self.shape[axis], window)?;
        let mut shape = self.shape.clone();
        shape.splice(axis..=axis, [places, taps]);
        Ok(Array::build(shape, |index| {
            let mut source = index.to_vec();
            source.splice(axis..=axis + 1, [index[axis] * stride + index[axis + 1] * dilation]);
            self.at(&source)
        }))
    }

    /// The sum of what the windows along an axis of this size saw of each of its elements, tap by tap.
    pub(crate) fn fold(
        &self,
        element: ElementType,
        axis: usize,
        window: [usize; 3],
        size: usize,
    ) -> Result<Array, Error> {
        let [taps, stride, dilation] = window;
        let places = places(size, window)?;
        if self.shape[axis..=axis + 1] != [places, taps] {
            return Err(Error::new(format!("{:?} is not what windows see of {size} elements", self.shape)));
        }

        let mut shape = self.shape.clone();
        shape.splice(axis..=axis + 1, [size]);
        Ok(Array::build(shape, |index| {
            let mut sum = Reduction::Sum.of_nothing(element);
            for tap in 0..taps {
                let Some(offset) = index[axis].checked_sub(tap * dilation) else { break };
                if offset % stride == 0 && offset / stride < places {
                    let mut source = index.to_vec();
                    source.splice(axis..=axis, [offset / stride, tap]);
                    sum = scalar::binary(Binary::Add, element, sum, self.at(&source));
                }
            }
            sum
        }))
    }

    pub(crate) fn reduce(&self, kind: Reduction, element: ElementType, axes: &[usize]) -> Array {
        let shape: Vec<usize> = without(&self.shape, axes);
        let mut data = vec![kind.of_nothing(element); shape.iter().product()];
        let mut index = vec![0; self.shape.len()];
        for &x in &self.data {
            let into = &mut data[position(&shape, &without(&index, axes))];
            *into = scalar::binary(kind.facts().function, element, *into, x);
            advance(&mut index, &self.shape);
        }
        Array { shape, data }
    }

    /// The sum of each element and of those before it along `axis`.
    pub(crate) fn cumulative_sum(&self, element: ElementType, axis: usize) -> Array {
        let shape = without(&self.shape, &[axis]);
        let mut sums = vec![Reduction::Sum.of_nothing(element); shape.iter().product()];
        let mut index = vec![0; self.shape.len()];
        let mut data = Vec::with_capacity(self.data.len());
        for &x in &self.data {
            let sum = &mut sums[position(&shape, &without(&index, &[axis]))];
            *sum = scalar::binary(Binary::Add, element, *sum, x);
            data.push(*sum);
            advance(&mut index, &self.shape);
        }
        Array { shape: self.shape.clone(), data }
    }

    /// The first NaN before all else, then the first of the greatest; 0 along an empty axis.
    pub(crate) fn arg_max(&self, axis: usize) -> Array {
        let shape = without(&self.shape, &[axis]);
        Array::build(shape, |index| {
            let mut source = index.to_vec();
            source.insert(axis, 0);
            let mut best: Option<(usize, f64)> = None;
            for i in 0..self.shape[axis] {
                source[axis] = i;
                let x = self.at(&source);
                if best.is_none_or(|(_, y)| !y.is_nan() && (x.is_nan() || x > y)) {
                    best = Some((i, x));
                }
            }
            best.map_or(0.0, |(i, _)| i as f64)
        })
    }

    /// Elements along `axis` at the indices that `indices` holds; the first `batch` axes are shared.
    pub(crate) fn gather(&self, indices: &Array, axis: usize, batch: usize) -> Result<Array, Error> {
        let own = &indices.shape[batch..];
        let shape = [&self.shape[..axis], own, &self.shape[axis + 1..]].concat();
        let lookups = shape.iter().product();
        let size = inhabited(self.shape[axis], lookups)?;
        shared(self, indices, batch)?;
        Ok(Array::build(shape, |index| {
            let (before, rest) = index.split_at(axis);
            let (own, behind) = rest.split_at(own.len());
            let found = nearest(indices.at(&[&before[..batch], own].concat()), size);
            self.at(&[before, &[found], behind].concat())
        }))
    }

    /// What has the same index, added in ascending order: `(axis, batch, size)` as in [`crate::op::Op::ScatterAdd`].
    pub(crate) fn scatter_add(
        &self,
        indices: &Array,
        element: ElementType,
        (axis, batch, size): (usize, usize, usize),
    ) -> Result<Array, Error> {
        let own = &indices.shape[batch..];
        let behind = axis + own.len();
        shared(self, indices, batch)?;
        if self.shape[axis..behind] != *own {
            return Err(Error::new(format!("{:?} by indices of {:?}", self.shape, indices.shape)));
        }
        let size_or_one = inhabited(size, self.data.len())?;

        let shape = [&self.shape[..axis], &[size], &self.shape[behind..]].concat();
        let mut data = vec![Reduction::Sum.of_nothing(element); shape.iter().product()];
        let mut index = vec![0; self.shape.len()];
        for &x in &self.data {
            let at = indices.at(&[&index[..batch], &index[axis..behind]].concat());
            let found = nearest(at, size_or_one);
            let into = &mut data[position(&shape, &[&index[..axis], &[found], &index[behind..]].concat())];
            *into = scalar::binary(Binary::Add, element, *into, x);
            advance(&mut index, &self.shape);
        }
        Ok(Array { shape, data })
    }

    pub(crate) fn dot(
        &self,
        other: &Array,
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
    ) -> Result<Array, Error> {
        let pairs = || batch.iter().chain(contract);
        if pairs().any(|&(i, j)| self.shape[i] != other.shape[j]) {
            return Err(Error::new(format!("a product of {:?} and {:?}", self.shape, other.shape)));
        }

        // The result's axes: batch, free ones of the left, free ones of the right.
        let free = |rank: usize, taken: Vec<usize>| {
            (0..rank).filter(|axis| !taken.contains(axis)).collect::<Vec<_>>()
        };
        let left_free = free(self.shape.len(), pairs().map(|&(i, _)| i).collect());
        let right_free = free(other.shape.len(), pairs().map(|&(_, j)| j).collect());
        let mut shape: Vec<usize> = batch.iter().map(|&(i, _)| self.shape[i]).collect();
        shape.extend(left_free.iter().map(|&axis| self.shape[axis]));
        shape.extend(right_free.iter().map(|&axis| other.shape[axis]));
        let extents: Vec<usize> = contract.iter().map(|&(i, _)| self.shape[i]).collect();

        let (mut left, mut right) = (vec![0; self.shape.len()], vec![0; other.shape.len()]);
        Ok(Array::build(shape, |index| {
            let (kept, rest) = index.split_at(batch.len());
            for (&(i, j), &at) in batch.iter().zip(kept) {
                (left[i], right[j]) = (at, at);
            }
            left_free.iter().zip(rest).for_each(|(&axis, &at)| left[axis] = at);
            right_free.iter().zip(&rest[left_free.len()..]).for_each(|(&axis, &at)| right[axis] = at);

            let mut contracted = vec![0; extents.len()];
            let mut sum = 0.0;
            for _ in 0..extents.iter().product() {
                for (&(i, j), &at) in contract.iter().zip(&contracted) {
                    (left[i], right[j]) = (at, at);
                }
                sum += self.at(&left) * other.at(&right);
                advance(&mut contracted, &extents);
            }
            sum
        }))
    }
}

/// The index in an axis that lies nearest to one that was asked for.
fn nearest(index: f64, size: usize) -> usize {
    (index.max(0.0) as usize).min(size - 1)
}

/// The size of an axis in which elements are looked up, 1 where nothing is.
fn inhabited(size: usize, lookups: usize) -> Result<usize, Error> {
    match (size, lookups) {
        (_, 0) => Ok(1),
        (0, _) => Err(Error::new("elements are looked up in an axis without elements")),
        (size, _) => Ok(size),
    }
}

fn shared(x: &Array, indices: &Array, batch: usize) -> Result<(), Error> {
    if x.shape[..batch] == indices.shape[..batch] {
        return Ok(());
    }
    Err(Error::new(format!("{:?} by indices of {:?}", x.shape, indices.shape)))
}

fn same_shape(a: &Array, b: &Array) -> Result<(), Error> {
    if a.shape == b.shape {
        return Ok(());
    }
    Err(Error::new(format!("{:?} and {:?} differ", a.shape, b.shape)))
}

fn without(values: &[usize], axes: &[usize]) -> Vec<usize> {
    values.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, &value)| value).collect()
}

fn position(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |position, (&size, &i)| position * size + i)
}

/// The next index in row-major order.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (i, &size) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < size {
            return;
        }
        *i = 0;
    }
}

/// How many windows of `[taps, stride, dilation]` fit in an axis.
fn places(size: usize, [taps, stride, dilation]: [usize; 3]) -> Result<usize, Error> {
    if taps == 0 || stride == 0 || dilation == 0 || (taps - 1).saturating_mul(dilation) >= size {
        let window = format!("{taps} taps, {stride} from place to place, {dilation} from tap to tap");
        return Err(Error::new(format!("a window of {window} does not fit in {size} elements")));
    }
    Ok((size - 1 - (taps - 1) * dilation) / stride + 1)
}
