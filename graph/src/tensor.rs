//! Concrete typed arrays: what goes into a network and what comes out.
//!
//! In: slices, vectors, nested arrays of `f32`, `f64`, `i32`, `u32` or `bool` (`nested`: other whole numbers and rows of rows; `fill`: rules).
//! Out: [`Tensor`] (`rows`: its parts; `join`: several as one).
//! Must hold: the data is row-major and has exactly as many elements as the shape says.

use crate::error::{Error, counted};
use crate::types::ElementType;
use std::fmt;

/// A typed array in row-major order.
///
/// # Examples
/// ```
/// use downhill_graph::tensor::Tensor;
///
/// let x = Tensor::new([2, 3], vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(x.shape(), [2, 3]);
/// assert_eq!(x, Tensor::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]));
/// assert_eq!(x.as_f32()?[4], 5.0);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    shape: Sizes,
    data: Data,
}

/// The sizes of a tensor's axes; up to four take no memory of their own, so that a tensor is one allocation.
#[derive(Clone)]
enum Sizes {
    Few(u8, [usize; FEW]),
    Many(Box<[usize]>),
}

const FEW: usize = 4;

impl Sizes {
    fn new(sizes: &[usize]) -> Sizes {
        if sizes.len() > FEW {
            return Sizes::Many(sizes.into());
        }
        let few = std::array::from_fn(|axis| sizes.get(axis).copied().unwrap_or(0));
        Sizes::Few(sizes.len() as u8, few)
    }

    fn as_slice(&self) -> &[usize] {
        match self {
            Sizes::Few(rank, sizes) => &sizes[..usize::from(*rank)],
            Sizes::Many(sizes) => sizes,
        }
    }
}

impl PartialEq for Sizes {
    fn eq(&self, other: &Sizes) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl fmt::Debug for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// The elements of a [`Tensor`].
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// Signed integers.
    I32(Vec<i32>),
    /// Unsigned integers.
    U32(Vec<u32>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// A Rust type that can be the element of a [`Tensor`].
pub trait Element: Copy + Sized + sealed::Sealed + 'static {
    /// The element type it stands for.
    const ELEMENT: ElementType;
    /// Wraps a vector of it.
    fn into_data(values: Vec<Self>) -> Data;
    /// The elements, if they are of this type.
    fn of(data: &Data) -> Option<&[Self]>;
    /// The elements to be changed, if they are of this type.
    fn of_mut(data: &mut Data) -> Option<&mut [Self]>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($($rust:ty => $variant:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const ELEMENT: ElementType = ElementType::$variant;
            fn into_data(values: Vec<$rust>) -> Data {
                Data::$variant(values)
            }
            fn of(data: &Data) -> Option<&[$rust]> {
                if let Data::$variant(values) = data { Some(values) } else { None }
            }
            fn of_mut(data: &mut Data) -> Option<&mut [$rust]> {
                if let Data::$variant(values) = data { Some(values) } else { None }
            }
        }
    )*};
}
element!(f32 => F32, f64 => F64, i32 => I32, u32 => U32, bool => Bool);

impl Tensor {
    /// `data` in row-major order under `shape`.
    ///
    /// # Errors
    /// As many elements as the shape has are needed.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let error = Tensor::new([2, 2], vec![1.0_f32]).unwrap_err();
    /// assert_eq!(error.message, "1 element for the shape [2, 2], which has 4");
    /// ```
    pub fn new<E: Element>(shape: impl AsRef<[usize]>, data: Vec<E>) -> Result<Tensor, Error> {
        let shape = shape.as_ref();
        match shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim)) {
            Some(size) if size == data.len() => {
                Ok(Tensor { shape: Sizes::new(shape), data: E::into_data(data) })
            }
            Some(size) => {
                let elements = counted(data.len(), "element");
                Err(Error::new(format!("{elements} for the shape {shape:?}, which has {size}")))
            }
            None => Err(Error::new(format!("the shape {shape:?} has more elements than memory can hold"))),
        }
    }

    /// One number, without axes.
    pub fn scalar<E: Element>(value: E) -> Tensor {
        Tensor { shape: Sizes::new(&[]), data: E::into_data(vec![value]) }
    }

    /// `value` everywhere.
    ///
    /// # Errors
    /// A shape that memory cannot hold.
    pub fn full<E: Element>(shape: impl AsRef<[usize]>, value: E) -> Result<Tensor, Error> {
        let shape = shape.as_ref();
        let mut data = Vec::new();
        match shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim)) {
            Some(size) if data.try_reserve_exact(size).is_ok() => {
                data.resize(size, value);
                Ok(Tensor { data: E::into_data(data), shape: Sizes::new(shape) })
            }
            _ => Err(Error::new(format!("the shape {shape:?} has more elements than memory can hold"))),
        }
    }

    /// Elements of type `element` nearest to `values`: floats are rounded, integers saturate, booleans are `value ≠ 0`.
    ///
    /// # Errors
    /// As many elements as the shape has are needed.
    pub fn from_f64(
        element: ElementType,
        shape: impl AsRef<[usize]>,
        values: &[f64],
    ) -> Result<Tensor, Error> {
        match element {
            ElementType::F32 => Tensor::new(shape, values.iter().map(|&v| v as f32).collect()),
            ElementType::F64 => Tensor::new(shape, values.to_vec()),
            ElementType::I32 => Tensor::new(shape, values.iter().map(|&v| v as i32).collect()),
            ElementType::U32 => Tensor::new(shape, values.iter().map(|&v| v as u32).collect()),
            ElementType::Bool => Tensor::new(shape, values.iter().map(|&v| v != 0.0).collect()),
        }
    }

    /// Sizes of the axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        self.shape.as_slice()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::U32(values) => values.len(),
            Data::Bool(values) => values.len(),
        }
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Type of an element.
    pub fn element(&self) -> ElementType {
        match &self.data {
            Data::F32(_) => ElementType::F32,
            Data::F64(_) => ElementType::F64,
            Data::I32(_) => ElementType::I32,
            Data::U32(_) => ElementType::U32,
            Data::Bool(_) => ElementType::Bool,
        }
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, taken out.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The elements as a slice of `E`.
    ///
    /// # Errors
    /// Another element type.
    pub fn as_slice<E: Element>(&self) -> Result<&[E], Error> {
        E::of(&self.data)
            .ok_or_else(|| Error::new(format!("the tensor holds {}, not {}", self.element(), E::ELEMENT)))
    }

    /// The elements as a slice of `E`, to be changed.
    ///
    /// # Errors
    /// Another element type.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let mut x = Tensor::from([1.0_f32, 2.0]);
    /// x.as_mut_slice::<f32>()?[1] = 5.0;
    /// assert_eq!(x, Tensor::from([1.0_f32, 5.0]));
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    pub fn as_mut_slice<E: Element>(&mut self) -> Result<&mut [E], Error> {
        let found = self.element();
        E::of_mut(&mut self.data)
            .ok_or_else(|| Error::new(format!("the tensor holds {found}, not {}", E::ELEMENT)))
    }

    /// The elements as `f32`.
    ///
    /// # Errors
    /// Another element type.
    pub fn as_f32(&self) -> Result<&[f32], Error> {
        self.as_slice()
    }

    /// The elements as `f64`.
    ///
    /// # Errors
    /// Another element type.
    pub fn as_f64(&self) -> Result<&[f64], Error> {
        self.as_slice()
    }

    /// The elements as `i32`.
    ///
    /// # Errors
    /// Another element type.
    pub fn as_i32(&self) -> Result<&[i32], Error> {
        self.as_slice()
    }

    /// The elements as `u32`.
    ///
    /// # Errors
    /// Another element type.
    pub fn as_u32(&self) -> Result<&[u32], Error> {
        self.as_slice()
    }

    /// The elements as `bool`.
    ///
    /// # Errors
    /// Another element type.
    pub fn as_bool(&self) -> Result<&[bool], Error> {
        self.as_slice()
    }

    /// The only element of a tensor of one, whatever its type (booleans as 0 and 1).
    ///
    /// # Errors
    /// More or fewer elements than one.
    pub fn item(&self) -> Result<f64, Error> {
        match self.to_f64_vec().as_slice() {
            [value] => Ok(*value),
            values => Err(Error::new(format!("one element was expected, the tensor has {}", values.len()))),
        }
    }

    /// All elements as `f64`, exactly (booleans as 0 and 1).
    pub fn to_f64_vec(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Data::F64(values) => values.clone(),
            Data::I32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Data::U32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Data::Bool(values) => values.iter().map(|&v| f64::from(u8::from(v))).collect(),
        }
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// A shape of another size.
    pub fn reshape(mut self, shape: impl AsRef<[usize]>) -> Result<Tensor, Error> {
        let shape = shape.as_ref();
        if shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim)) != Some(self.len()) {
            return Err(Error::new(format!(
                "a tensor of shape {:?} does not reshape to {shape:?}",
                self.shape
            )));
        }
        self.shape = Sizes::new(shape);
        Ok(self)
    }
}

impl<E: Element> From<E> for Tensor {
    fn from(value: E) -> Tensor {
        Tensor::scalar(value)
    }
}

impl<E: Element> From<Vec<E>> for Tensor {
    fn from(values: Vec<E>) -> Tensor {
        Tensor { shape: Sizes::new(&[values.len()]), data: E::into_data(values) }
    }
}

impl<E: Element> From<&[E]> for Tensor {
    fn from(values: &[E]) -> Tensor {
        Tensor::from(values.to_vec())
    }
}

impl<E: Element, const N: usize> From<[E; N]> for Tensor {
    fn from(values: [E; N]) -> Tensor {
        Tensor::from(values.to_vec())
    }
}

impl<E: Element, const N: usize> From<&[[E; N]]> for Tensor {
    fn from(rows: &[[E; N]]) -> Tensor {
        Tensor { shape: Sizes::new(&[rows.len(), N]), data: E::into_data(rows.concat()) }
    }
}

impl<E: Element, const N: usize> From<Vec<[E; N]>> for Tensor {
    fn from(rows: Vec<[E; N]>) -> Tensor {
        Tensor::from(rows.as_slice())
    }
}

impl<E: Element, const N: usize, const M: usize> From<[[E; N]; M]> for Tensor {
    fn from(rows: [[E; N]; M]) -> Tensor {
        Tensor::from(rows.as_slice())
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Tensor {
        tensor.clone()
    }
}

impl fmt::Display for Tensor {
    /// `f32[2, 3] 1 2 3 4 5 6`, at most eight elements.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{}{:?}", self.element(), self.shape)?;
        for value in self.to_f64_vec().iter().take(SHOWN) {
            match self.data {
                Data::Bool(_) => write!(f, " {}", *value != 0.0)?,
                Data::F32(_) => write!(f, " {}", *value as f32)?,
                Data::F64(_) | Data::I32(_) | Data::U32(_) => write!(f, " {value}")?,
            }
        }
        if self.len() > SHOWN { f.write_str(" …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_keep_shape_and_order() {
        let rows = vec![[1_i32, 2], [3, 4], [5, 6]];
        let tensor = Tensor::from(rows);
        assert_eq!(tensor.shape(), [3, 2]);
        assert_eq!(tensor.as_i32().expect("i32"), [1, 2, 3, 4, 5, 6]);
        assert_eq!(tensor.to_string(), "i32[3, 2] 1 2 3 4 5 6");
        assert_eq!(Tensor::from(2.5_f32).item(), Ok(2.5));
        assert_eq!(Tensor::from([true, false]).to_f64_vec(), [1.0, 0.0]);
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(Tensor::new([usize::MAX, 2], Vec::<f32>::new()).is_err());
        assert!(Tensor::new([2], vec![1.0_f32]).is_err());
        assert!(Tensor::full([usize::MAX], 1.0_f32).is_err());
        assert!(Tensor::full([1 << 40, 1 << 20], 1.0_f32).is_err());
        assert!(Tensor::from([1.0_f32]).as_i32().is_err());
        assert!(Tensor::from([1.0_f32, 2.0]).item().is_err());
        assert!(Tensor::from([1.0_f32, 2.0]).reshape([3]).is_err());
        assert!(Tensor::new([0, 7], Vec::<f32>::new()).expect("empty").is_empty());
    }
}
