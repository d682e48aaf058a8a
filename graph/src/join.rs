//! Tensors put together.
//!
//! In: tensors of one type that fit. Out: one.

use crate::error::Error;
use crate::tensor::{Data, Element, Tensor};

impl Tensor {
    /// Tensors behind one another along an axis, as PyTorch's `cat`.
    ///
    /// # Errors
    /// No tensors; other types; shapes that differ along another axis; an axis that there is not.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let (a, b) = (Tensor::from([[1_i32, 2]]), Tensor::from([[3_i32, 4]]));
    /// assert_eq!(Tensor::concat(&[&a, &b], 0)?, Tensor::from([[1_i32, 2], [3, 4]]));
    /// assert_eq!(Tensor::concat(&[&a, &b], 1)?, Tensor::from([[1_i32, 2, 3, 4]]));
    /// assert_eq!(Tensor::stack(&[&a, &b])?.shape(), [2, 1, 2]);
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    pub fn concat(tensors: &[&Tensor], axis: usize) -> Result<Tensor, Error> {
        let [first, rest @ ..] = tensors else {
            return Err(Error::new("no tensors were given to put together"));
        };
        let shape = first.shape();
        if axis >= shape.len() {
            return Err(Error::new(format!("tensors of shape {shape:?} have no axis {axis}")));
        }
        let apart = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
        let fits =
            |other: &Tensor| other.shape().len() == shape.len() && apart(other.shape()) == apart(shape);
        if let Some(other) = rest.iter().find(|other| !fits(other)) {
            let message =
                format!("tensors of shape {shape:?} and {:?} do not fit along axis {axis}", other.shape());
            return Err(Error::new(message).help("all other axes must have one size"));
        }

        let along = tensors.iter().map(|tensor| tensor.shape()[axis]).sum();
        let joined = [&shape[..axis], &[along], &shape[axis + 1..]].concat();
        match first.data() {
            Data::F32(_) => joined_of::<f32>(tensors, axis, joined),
            Data::F64(_) => joined_of::<f64>(tensors, axis, joined),
            Data::I32(_) => joined_of::<i32>(tensors, axis, joined),
            Data::U32(_) => joined_of::<u32>(tensors, axis, joined),
            Data::Bool(_) => joined_of::<bool>(tensors, axis, joined),
        }
    }

    /// Tensors of one shape as the rows of a new first axis, as PyTorch's `stack`.
    ///
    /// # Errors
    /// No tensors; other types or shapes.
    pub fn stack(tensors: &[&Tensor]) -> Result<Tensor, Error> {
        let rows = tensors.iter().map(|tensor| (*tensor).clone().reshape([&[1], tensor.shape()].concat()));
        let rows = rows.collect::<Result<Vec<Tensor>, Error>>()?;
        Tensor::concat(&rows.iter().collect::<Vec<&Tensor>>(), 0)
    }
}

fn joined_of<E: Element>(tensors: &[&Tensor], axis: usize, shape: Vec<usize>) -> Result<Tensor, Error> {
    let slices = tensors.iter().map(|tensor| tensor.as_slice::<E>());
    let slices = slices.collect::<Result<Vec<&[E]>, Error>>()?;
    let outer: usize = shape[..axis].iter().product();
    let mut values = Vec::with_capacity(slices.iter().map(|slice| slice.len()).sum());
    for at in 0..outer {
        for slice in &slices {
            let part = slice.len() / outer;
            values.extend_from_slice(&slice[at * part..][..part]);
        }
    }
    Tensor::new(shape, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_axis_is_joined() {
        let of = |shape: [usize; 3], from: i32| {
            let size = shape.iter().product::<usize>() as i32;
            Tensor::new(shape, (from..from + size).collect()).expect("a tensor")
        };
        let joined = Tensor::concat(&[&of([2, 1, 2], 0), &of([2, 2, 2], 10)], 1).expect("joined");
        assert_eq!(joined.shape(), [2, 3, 2]);
        assert_eq!(joined.as_i32().expect("i32"), [0, 1, 10, 11, 12, 13, 2, 3, 14, 15, 16, 17]);
        let empty = Tensor::concat(&[&of([0, 1, 2], 0), &of([0, 2, 2], 0)], 1).expect("joined");
        assert_eq!(empty.shape(), [0, 3, 2]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (a, b) = (Tensor::from([[1_i32, 2]]), Tensor::from([[3_i32]]));
        let message =
            |tensors: &[&Tensor], axis| Tensor::concat(tensors, axis).expect_err("a mistake").message;
        assert_eq!(message(&[&a, &b], 0), "tensors of shape [1, 2] and [1, 1] do not fit along axis 0");
        assert_eq!(message(&[&a], 2), "tensors of shape [1, 2] have no axis 2");
        assert_eq!(message(&[], 0), "no tensors were given to put together");
        assert_eq!(message(&[&b, &Tensor::from([[1.0_f32]])], 0), "the tensor holds f32, not i32");
        assert!(Tensor::stack(&[&a, &b]).is_err() && Tensor::stack(&[]).is_err());
    }
}
