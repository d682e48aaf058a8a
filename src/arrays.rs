//! Elements of other programs' arrays: axes in another order, numbers of 16 bits.
//!
//! In: elements as a file has them. Out: elements as tensors have them.

/// The elements of an array of this shape, with these of its axes in this order, row-major.
pub(crate) fn turned<E: Copy>(shape: &[usize], axes: &[usize], elements: &[E]) -> Vec<E> {
    if elements.is_empty() {
        // Beside an axis of nothing the others may be of any size.
        return Vec::new();
    }
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    let mut indices = vec![0; axes.len()];
    let mut turned = Vec::with_capacity(elements.len());
    for _ in 0..elements.len() {
        turned.push(
            elements[indices.iter().zip(axes).map(|(index, &axis)| index * strides[axis]).sum::<usize>()],
        );
        for (index, &axis) in indices.iter_mut().zip(axes).rev() {
            *index += 1;
            if *index < shape[axis] {
                break;
            }
            *index = 0;
        }
    }
    turned
}

/// A number of IEEE 754's binary16, as the f32 that it is.
pub(crate) fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    };
    if sign == 1 { -size } else { size }
}
