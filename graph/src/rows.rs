//! Parts of a tensor: elements, rows, and where the greatest is.
//!
//! In: tensors, positions. Out: numbers, slices, tensors.

use crate::error::Error;
use crate::tensor::{Data, Element, Tensor};
use std::ops::{Index, IndexMut, Range};

impl Tensor {
    /// The element at these indices, one for each axis, whatever its type (booleans as 0 and 1).
    ///
    /// # Errors
    /// More or fewer indices than axes; an index beyond its axis.
    pub fn at(&self, indices: impl AsRef<[usize]>) -> Result<f64, Error> {
        let position = self.position(indices.as_ref())?;
        Ok(match self.data() {
            Data::F32(values) => values[position].into(),
            Data::F64(values) => values[position],
            Data::I32(values) => values[position].into(),
            Data::U32(values) => values[position].into(),
            Data::Bool(values) => u8::from(values[position]).into(),
        })
    }

    /// Where the element of these indices stands in row-major order.
    fn position(&self, indices: &[usize]) -> Result<usize, Error> {
        let shape = self.shape();
        let inside =
            indices.len() == shape.len() && indices.iter().zip(shape).all(|(index, size)| index < size);
        match inside {
            true => Ok(indices.iter().zip(shape).fold(0, |position, (index, size)| position * size + index)),
            false => Err(Error::new(format!("a tensor of shape {shape:?} has no element {indices:?}"))),
        }
    }

    /// A row: the part at this index of the first axis, without that axis.
    ///
    /// # Errors
    /// A number without axes; an index beyond its first axis.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// assert_eq!(x.row(1)?, Tensor::from([3.0_f32, 4.0]));
    /// assert_eq!(x.rows(1..3)?.shape(), [2, 2]);
    /// assert_eq!((x[[2, 0]], x.at([2, 0])?), (5.0, 5.0));
    /// for row in x.iter_rows::<f32>()? {
    ///     assert_eq!(row[1], row[0] + 1.0);
    /// }
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    pub fn row(&self, index: usize) -> Result<Tensor, Error> {
        let row = self.rows(index..index.saturating_add(1))?;
        let shape = row.shape()[1..].to_vec();
        row.reshape(shape)
    }

    /// The rows of these numbers.
    ///
    /// # Errors
    /// A number without axes; rows that there are not.
    pub fn rows(&self, rows: Range<usize>) -> Result<Tensor, Error> {
        let [count, rest @ ..] = self.shape() else { return Err(no_rows()) };
        if rows.start > rows.end || rows.end > *count {
            let error = Error::new(format!("a tensor of shape {:?} has no rows {rows:?}", self.shape()));
            return Err(error.help(format!("its rows are 0..{count}")));
        }
        let size = row_size(self);
        let (part, shape) = (rows.start * size..rows.end * size, [&[rows.len()], rest].concat());
        match self.data() {
            Data::F32(values) => Tensor::new(shape, values[part].to_vec()),
            Data::F64(values) => Tensor::new(shape, values[part].to_vec()),
            Data::I32(values) => Tensor::new(shape, values[part].to_vec()),
            Data::U32(values) => Tensor::new(shape, values[part].to_vec()),
            Data::Bool(values) => Tensor::new(shape, values[part].to_vec()),
        }
    }

    /// The rows as slices.
    ///
    /// # Errors
    /// Another element type; a number without axes.
    pub fn iter_rows<E: Element>(&self) -> Result<impl ExactSizeIterator<Item = &[E]>, Error> {
        let values = self.as_slice::<E>()?;
        let [count, ..] = self.shape() else { return Err(no_rows()) };
        let size = row_size(self);
        Ok((0..*count).map(move |row| &values[row * size..][..size]))
    }

    /// The index of the greatest element along the last axis, i32: the class of each row of scores. The first of equals; a NaN counts as
    /// greater than any number, as in PyTorch.
    ///
    /// # Shapes
    /// `[…, n]` → `[…]`.
    ///
    /// # Errors
    /// Elements that are not f32; a last axis of nothing, or none.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let scores = Tensor::from([[0.1_f32, 0.9], [0.7, 0.3]]);
    /// assert_eq!(scores.argmax()?, Tensor::from([1, 0]));
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    pub fn argmax(&self) -> Result<Tensor, Error> {
        let values = self.as_f32()?;
        let Some((&size @ 1.., outer)) = self.shape().split_last() else {
            return Err(Error::new(format!(
                "a tensor of shape {:?} has no greatest along its last axis",
                self.shape()
            )));
        };
        let greater = |a: f32, b: f32| a > b || a.is_nan() && !b.is_nan();
        let indices = values.chunks_exact(size).map(|row| {
            let best = (0..size).reduce(|best, at| if greater(row[at], row[best]) { at } else { best });
            // An axis is at most as long as memory, and an index beyond i32 is one of two thousand million classes.
            best.and_then(|best| i32::try_from(best).ok()).unwrap_or(i32::MAX)
        });
        Tensor::new(outer, indices.collect())
    }
}

fn no_rows() -> Error {
    Error::new("a tensor without axes has no rows")
}

/// Elements of a row. Beside an axis of nothing the others may be of any size.
fn row_size(tensor: &Tensor) -> usize {
    if tensor.is_empty() { 0 } else { tensor.shape()[1..].iter().product() }
}

/// `x[[i, j]]` of f32s.
///
/// # Panics
/// As a slice does: with an index beyond its axis, more or fewer indices than axes, and elements that are not f32. [`Tensor::at`] gives an
/// error instead.
impl<const N: usize> Index<[usize; N]> for Tensor {
    type Output = f32;

    #[track_caller]
    fn index(&self, indices: [usize; N]) -> &f32 {
        let found = self.position(&indices).and_then(|position| Ok(&self.as_f32()?[position]));
        found.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// `x[[i, j]] = 1.0` of f32s.
///
/// # Panics
/// As `x[[i, j]]` does.
impl<const N: usize> IndexMut<[usize; N]> for Tensor {
    #[track_caller]
    fn index_mut(&mut self, indices: [usize; N]) -> &mut f32 {
        let position = self.position(&indices).unwrap_or_else(|error| panic!("{error}"));
        match self.as_mut_slice::<f32>() {
            Ok(values) => &mut values[position],
            Err(error) => panic!("{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_stands_there() {
        let mut x = Tensor::new([2, 2, 3], (0..12).map(|n| n as f32).collect::<Vec<_>>()).expect("a tensor");
        assert_eq!(x[[1, 0, 2]], 8.0);
        x[[1, 0, 2]] = -1.0;
        assert_eq!(x.at([1, 0, 2]), Ok(-1.0));
        assert_eq!(x.row(0).map(|row| row.shape().to_vec()), Ok(vec![2, 3]));
        assert_eq!(x.rows(1..1).map(|rows| rows.shape().to_vec()), Ok(vec![0, 2, 3]));
        assert_eq!(Tensor::from([true, false]).at([1]), Ok(0.0));
        let scores = Tensor::from([[1.0_f32, 1.0], [f32::NAN, 2.0], [f32::NEG_INFINITY, f32::NEG_INFINITY]]);
        assert_eq!(scores.argmax(), Ok(Tensor::from([0, 0, 0])));
        let none = Tensor::new([3, 0], Vec::<f32>::new()).expect("rows of nothing");
        assert_eq!(none.iter_rows::<f32>().map(|rows| rows.len()), Ok(3));
        assert!(none.argmax().is_err());
    }

    #[test]
    fn mistakes_are_errors() {
        let x = Tensor::from([[1_i32, 2], [3, 4]]);
        assert_eq!(x.at([2, 0]).expect_err("none").message, "a tensor of shape [2, 2] has no element [2, 0]");
        assert!(x.at([0]).is_err() && x.argmax().is_err() && x.iter_rows::<f32>().is_err());
        assert_eq!(x.rows(1..3).expect_err("none").message, "a tensor of shape [2, 2] has no rows 1..3");
        assert!(x.row(usize::MAX).is_err() && Tensor::from(1_i32).row(0).is_err());
        let panicked = std::panic::catch_unwind(|| Tensor::from([1.0_f32])[[1]]);
        assert!(panicked.is_err());
    }
}
