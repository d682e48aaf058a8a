//! Elements of other programs' arrays: axes in another order, views, numbers of 16 bits.
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
    let of_axes = |of: &[usize]| -> Vec<usize> { axes.iter().map(|&axis| of[axis]).collect() };
    strided(elements, 0, &of_axes(shape), &of_axes(&strides))
}

/// An array of these sizes, row-major, whose element at indices i lies at `offset` + Σ i·strides. All of them are there.
pub(crate) fn strided<E: Copy>(elements: &[E], offset: usize, sizes: &[usize], strides: &[usize]) -> Vec<E> {
    if sizes.contains(&0) {
        return Vec::new();
    }
    let count = sizes.iter().product();
    let mut indices = vec![0; sizes.len()];
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let place: usize = indices.iter().zip(strides).map(|(index, stride)| index * stride).sum();
        taken.push(elements[offset + place]);
        for (index, &size) in indices.iter_mut().zip(sizes).rev() {
            *index += 1;
            if *index < size {
                break;
            }
            *index = 0;
        }
    }
    taken
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
