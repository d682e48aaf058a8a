//! Tensors from what programs have: rows of rows, whole numbers of any width.
//!
//! In: vectors. Out: tensors. Must hold: what cannot be a tensor is an error that says which row or which number.

use crate::error::{Error, counted};
use crate::tensor::{Element, Tensor};

impl<E: Element> TryFrom<Vec<Vec<E>>> for Tensor {
    type Error = Error;

    /// Rows that are equally long.
    fn try_from(rows: Vec<Vec<E>>) -> Result<Tensor, Error> {
        Tensor::try_from(rows.as_slice())
    }
}

impl<E: Element> TryFrom<&[Vec<E>]> for Tensor {
    type Error = Error;

    /// Rows that are equally long.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let x = Tensor::try_from(vec![vec![1.0_f32, 2.0], vec![3.0, 4.0]])?;
    /// assert_eq!(x.shape(), [2, 2]);
    /// let error = Tensor::try_from(vec![vec![1.0_f32, 2.0], vec![3.0]]).unwrap_err();
    /// assert_eq!(error.message, "row 1 has 1 element, row 0 has 2");
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    fn try_from(rows: &[Vec<E>]) -> Result<Tensor, Error> {
        let width = rows.first().map_or(0, Vec::len);
        if let Some(at) = rows.iter().position(|row| row.len() != width) {
            let found = counted(rows[at].len(), "element");
            return Err(Error::new(format!("row {at} has {found}, row 0 has {width}")));
        }
        Tensor::new([rows.len(), width], rows.concat())
    }
}

macro_rules! small {
    ($($narrow:ty),*) => {$(
        impl From<Vec<$narrow>> for Tensor {
            /// As i32s.
            fn from(numbers: Vec<$narrow>) -> Tensor {
                Tensor::from(numbers.as_slice())
            }
        }

        impl From<&[$narrow]> for Tensor {
            /// As i32s.
            fn from(numbers: &[$narrow]) -> Tensor {
                Tensor::from(numbers.iter().map(|&number| i32::from(number)).collect::<Vec<i32>>())
            }
        }
    )*};
}

small!(u8, u16, i8, i16);

macro_rules! wide {
    ($($wide:ty),*) => {$(
        impl TryFrom<Vec<$wide>> for Tensor {
            type Error = Error;

            /// As i32s.
            fn try_from(numbers: Vec<$wide>) -> Result<Tensor, Error> {
                Tensor::try_from(numbers.as_slice())
            }
        }

        impl TryFrom<&[$wide]> for Tensor {
            type Error = Error;

            /// As i32s.
            fn try_from(numbers: &[$wide]) -> Result<Tensor, Error> {
                let narrow = numbers.iter().enumerate().map(|(at, &number)| {
                    i32::try_from(number).map_err(|_| Error::new(format!("{number} at position {at} is no i32")))
                });
                Ok(Tensor::from(narrow.collect::<Result<Vec<i32>, Error>>()?))
            }
        }
    )*};
}

wide!(usize, u64, i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_become_i32s() {
        assert_eq!(Tensor::from(vec![1_u8, 255]), Tensor::from([1_i32, 255]));
        assert_eq!(Tensor::from(&[-1_i16, 2][..]), Tensor::from([-1_i32, 2]));
        assert_eq!(Tensor::try_from(vec![1_usize, 2]), Ok(Tensor::from([1_i32, 2])));
        let error = Tensor::try_from(vec![1_i64, 1 << 40]).expect_err("too large");
        assert_eq!(error.message, "1099511627776 at position 1 is no i32");
        assert_eq!(
            Tensor::try_from(Vec::<Vec<f32>>::new()).map(|tensor| tensor.shape().to_vec()),
            Ok(vec![0, 0])
        );
    }
}
