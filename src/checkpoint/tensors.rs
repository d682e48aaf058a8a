//! Tensors as bytes of a file, and with their axes turned.
//!
//! In: tensors; views of a file. Out: bytes, little-endian; tensors. Types that downhill has not are converted where nothing is lost but
//! precision.

use crate::arrays::{self, half};
use downhill_graph::tensor::{Data, Element, Tensor};
use downhill_runtime::error::Error;
use safetensors::Dtype;

/// The type and the bytes of a tensor.
pub(super) fn bytes_of(tensor: &Tensor) -> (Dtype, Vec<u8>) {
    match tensor.data() {
        Data::F32(numbers) => (Dtype::F32, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::F64(numbers) => (Dtype::F64, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::I32(numbers) => (Dtype::I32, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::U32(numbers) => (Dtype::U32, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Data::Bool(masks) => (Dtype::BOOL, masks.iter().map(|&mask| u8::from(mask)).collect()),
    }
}

/// The tensor of these bytes; what is the matter where there is none.
pub(super) fn tensor_of(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<Tensor, String> {
    let made = match dtype {
        Dtype::F32 => Tensor::new(shape, words(bytes, f32::from_le_bytes)),
        Dtype::F64 => Tensor::new(shape, words(bytes, f64::from_le_bytes)),
        Dtype::I32 => Tensor::new(shape, words(bytes, i32::from_le_bytes)),
        Dtype::U32 => Tensor::new(shape, words(bytes, u32::from_le_bytes)),
        Dtype::BOOL => Tensor::new(shape, bytes.iter().map(|&byte| byte != 0).collect()),
        Dtype::U8 => Tensor::new(shape, words(bytes, |word| i32::from(u8::from_le_bytes(word)))),
        Dtype::I8 => Tensor::new(shape, words(bytes, |word| i32::from(i8::from_le_bytes(word)))),
        Dtype::U16 => Tensor::new(shape, words(bytes, |word| i32::from(u16::from_le_bytes(word)))),
        Dtype::I16 => Tensor::new(shape, words(bytes, |word| i32::from(i16::from_le_bytes(word)))),
        Dtype::F16 => Tensor::new(shape, words(bytes, |bits| half(u16::from_le_bytes(bits)))),
        Dtype::BF16 => Tensor::new(shape, words(bytes, of_brain)),
        Dtype::I64 => {
            let whole: Option<Vec<i32>> = words(bytes, i64::from_le_bytes)
                .into_iter()
                .map(|number| i32::try_from(number).ok())
                .collect();
            Tensor::new(shape, whole.ok_or("holds an i64 that is no i32")?)
        }
        other => return Err(format!("has elements of type {other:?}, which downhill has not")),
    };
    made.map_err(|error| error.to_string())
}

fn words<E, const N: usize>(bytes: &[u8], word: impl Fn([u8; N]) -> E) -> Vec<E> {
    bytes.as_chunks().0.iter().map(|&chunk| word(chunk)).collect()
}

/// bfloat16 is the upper half of an f32.
fn of_brain(half: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(half)) << 16)
}

/// The tensor whose axes are these of `tensor`, in this order.
pub(super) fn turned(tensor: &Tensor, axes: &[usize]) -> Result<Tensor, Error> {
    match tensor.data() {
        Data::F32(numbers) => turn(tensor.shape(), axes, numbers),
        Data::F64(numbers) => turn(tensor.shape(), axes, numbers),
        Data::I32(numbers) => turn(tensor.shape(), axes, numbers),
        Data::U32(numbers) => turn(tensor.shape(), axes, numbers),
        Data::Bool(numbers) => turn(tensor.shape(), axes, numbers),
    }
}

fn turn<E: Element>(shape: &[usize], axes: &[usize], numbers: &[E]) -> Result<Tensor, Error> {
    let sizes: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
    Ok(Tensor::new(sizes, arrays::turned(shape, axes, numbers))?)
}

/// The order of axes that undoes [`turned`].
pub(super) fn back(axes: &[usize]) -> Vec<usize> {
    let mut back = vec![0; axes.len()];
    axes.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_turned_and_turned_back() {
        let tensor = Tensor::new([2, 3, 4], (0..24).collect::<Vec<i32>>()).expect("a tensor");
        let other = turned(&tensor, &[2, 0, 1]).expect("turned");
        assert_eq!(other.shape(), [4, 2, 3]);
        assert_eq!(other.as_i32().expect("i32")[..7], [0, 4, 8, 12, 16, 20, 1]);
        assert_eq!(turned(&other, &back(&[2, 0, 1])).expect("turned"), tensor);
    }

    #[test]
    fn halves_are_read() {
        let halves: [(u16, f32); 7] = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x8000, -0.0),
            (0x7c00, f32::INFINITY),
        ];
        halves.iter().for_each(|&(bits, number)| assert_eq!(half(bits).to_bits(), number.to_bits()));
        assert!(half(0x7e00).is_nan());
        assert_eq!(of_brain([0x80, 0x3f]), 1.0);
    }

    #[test]
    fn every_type_comes_back() {
        let tensors = [
            Tensor::from([[1.5_f32, f32::NEG_INFINITY]]),
            Tensor::from([1e300_f64]),
            Tensor::from([-7, i32::MAX]),
            Tensor::from([u32::MAX]),
            Tensor::from([true, false]),
        ];
        for tensor in tensors {
            let (dtype, bytes) = bytes_of(&tensor);
            assert_eq!(tensor_of(dtype, tensor.shape(), &bytes).expect("a tensor"), tensor);
        }
        let long = [7_i64, -8].map(i64::to_le_bytes).concat();
        assert_eq!(tensor_of(Dtype::I64, &[2], &long), Ok(Tensor::from([7, -8])));
        assert!(tensor_of(Dtype::I64, &[1], &i64::MAX.to_le_bytes()).is_err());
    }
}
