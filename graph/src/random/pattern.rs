//! Initial values whose places say what they are: ones on diagonals, zeros among the rest.
//!
//! In: a shape. Out: values, row-major, or a refusal that says which shapes there are.

use crate::error::Error;

/// 1 where row and column are one, else 0.
pub(super) fn identity(name: &str, shape: &[usize]) -> Result<Vec<f64>, Error> {
    let [rows, columns] = *shape else { return Err(misfit(name, "identity", shape, "[in, out]")) };
    let one = |at: usize| f64::from(u8::from(at / columns == at % columns));
    Ok((0..rows * columns).map(one).collect())
}

/// Weights of a convolution, `[kernel…, in of a group, out]`, that hand each channel on: 1 in the middle of the kernel from an input to the
/// output of the same index in each group, else 0.
pub(super) fn dirac(name: &str, shape: &[usize], groups: usize) -> Result<Vec<f64>, Error> {
    let ([kernel @ .., inputs, outputs], 3..=5) = (shape, shape.len()) else {
        return Err(misfit(name, "dirac", shape, "[kernel…, in, out] of 3 to 5 axes"));
    };
    if groups == 0 || outputs % groups != 0 {
        let error =
            Error::new(format!("`{name}` starts with `dirac` of {groups} groups, but has {outputs} outputs"));
        return Err(error.help("the number of groups must divide that of the outputs"));
    }

    let middle = kernel.iter().fold(0, |place, size| place * size + size / 2);
    let of_group = outputs / groups;
    let mut values = vec![0.0; shape.iter().product()];
    for group in 0..groups {
        for channel in 0..of_group.min(*inputs) {
            // A kernel without elements has no middle.
            let place = (middle * inputs + channel) * outputs + group * of_group + channel;
            values.get_mut(place).into_iter().for_each(|value| *value = 1.0);
        }
    }
    Ok(values)
}

/// Sets a share of the outputs of each input, rounded up, to 0: those with the least of the numbers that `key` gives.
pub(super) fn thin(
    name: &str,
    shape: &[usize],
    sparsity: f64,
    mut values: Vec<f64>,
    key: impl Fn(usize) -> f64,
) -> Result<Vec<f64>, Error> {
    let [_, outputs] = *shape else { return Err(misfit(name, "sparse", shape, "[in, out]")) };
    let zeros = (sparsity * outputs as f64).ceil() as usize;
    for (input, row) in values.chunks_mut(outputs.max(1)).enumerate() {
        let mut order: Vec<usize> = (0..outputs).collect();
        order.sort_by(|&a, &b| key(input * outputs + a).total_cmp(&key(input * outputs + b)));
        order.iter().take(zeros).for_each(|&output| row[output] = 0.0);
    }
    Ok(values)
}

fn misfit(name: &str, initializer: &str, shape: &[usize], takes: &str) -> Error {
    let axes = shape.len();
    Error::new(format!("`{name}` starts with `{initializer}`, but has {axes} axes: {shape:?}"))
        .help(format!("`{initializer}` is for {takes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_stand_on_the_diagonal() {
        assert_eq!(identity("w", &[2, 3]), Ok(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert_eq!(identity("w", &[0, 3]), Ok(vec![]));
        let error = identity("w", &[2, 3, 4]).unwrap_err();
        assert_eq!(error.message, "`w` starts with `identity`, but has 3 axes: [2, 3, 4]");
    }

    /// PyTorch's `dirac_` of a weight `[out, in of a group, kernel…]`, by hand.
    #[test]
    fn each_channel_is_handed_on_from_the_middle() {
        let values = dirac("w", &[3, 2, 4], 2).expect("a convolution");
        let ones: Vec<usize> = (0..24).filter(|&at| values[at] != 0.0).collect();
        // (tap 1, in 0, out 0), (1, 1, 1), and the same of the second group: (1, 0, 2), (1, 1, 3).
        assert_eq!(ones, [8, 10, 13, 15]);
        let values = dirac("w", &[3, 3, 1, 2], 1).expect("a convolution");
        assert_eq!((0..18).filter(|&at| values[at] != 0.0).collect::<Vec<_>>(), [8]);
        assert_eq!(dirac("w", &[0, 2, 2], 1), Ok(vec![]));
        let error = dirac("w", &[3, 2, 4], 3).unwrap_err();
        assert_eq!(error.message, "`w` starts with `dirac` of 3 groups, but has 4 outputs");
        assert_eq!(
            dirac("w", &[3, 2], 1).unwrap_err().message,
            "`w` starts with `dirac`, but has 2 axes: [3, 2]"
        );
    }

    #[test]
    fn a_share_of_each_row_is_zero() {
        let thinned = |sparsity| thin("w", &[2, 5], sparsity, vec![1.0; 10], |at| (at * 7 % 10) as f64);
        let zeros = |sparsity| {
            let values = thinned(sparsity).expect("a matrix");
            [0, 1].map(|row| values[row * 5..][..5].iter().filter(|x| **x == 0.0).count())
        };
        assert_eq!([zeros(0.0), zeros(0.1), zeros(0.4), zeros(0.41)], [[0, 0], [1, 1], [2, 2], [3, 3]]);
        assert!(thin("w", &[10], 0.1, vec![1.0; 10], |_| 0.0).is_err());
        assert_eq!(thin("w", &[3, 0], 0.1, vec![], |_| 0.0), Ok(vec![]));
    }
}
