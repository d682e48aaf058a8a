//! Tensors made by a rule: zeros, ramps, random numbers.
//!
//! In: a shape, a seed. Out: tensors of f32. Must hold: a shape that memory cannot hold is an error, and random numbers depend on their
//! seed alone.

use crate::error::Error;
use crate::random::{normals, uniforms};
use crate::tensor::Tensor;

impl Tensor {
    /// Zeros, f32.
    ///
    /// # Errors
    /// A shape that memory cannot hold.
    pub fn zeros(shape: impl AsRef<[usize]>) -> Result<Tensor, Error> {
        Tensor::full(shape, 0.0_f32)
    }

    /// Ones, f32.
    ///
    /// # Errors
    /// A shape that memory cannot hold.
    pub fn ones(shape: impl AsRef<[usize]>) -> Result<Tensor, Error> {
        Tensor::full(shape, 1.0_f32)
    }

    /// Random numbers of mean 0 and standard deviation 1, f32. Equal seeds give equal numbers, on every machine.
    ///
    /// # Errors
    /// A shape that memory cannot hold.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// let x = Tensor::randn([1000, 2], 7)?;
    /// assert_eq!(x, Tensor::randn([1000, 2], 7)?);
    /// assert!((x.to_f64_vec().iter().sum::<f64>() / 2000.0).abs() < 0.1);
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    pub fn randn(shape: impl AsRef<[usize]>, seed: u64) -> Result<Tensor, Error> {
        filled(shape, normals(seed).map(|number| number as f32))
    }

    /// Random numbers from 0 to below 1, each as likely, f32. Equal seeds give equal numbers, on every machine.
    ///
    /// # Errors
    /// A shape that memory cannot hold.
    pub fn rand(shape: impl AsRef<[usize]>, seed: u64) -> Result<Tensor, Error> {
        // Rounding must not make a 1.
        filled(shape, uniforms(seed).map(|number| (number as f32).min(1.0 - f32::EPSILON / 2.0)))
    }

    /// `start`, `start + step`, … up to below `end` (down to above it, if `step` is negative), f32.
    ///
    /// # Errors
    /// A step of 0 or away from the end; numbers that are not finite; more of them than memory holds.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    ///
    /// assert_eq!(Tensor::arange(0.0, 1.0, 0.25)?, Tensor::from([0.0_f32, 0.25, 0.5, 0.75]));
    /// assert_eq!(Tensor::arange(3.0, 0.0, -1.0)?, Tensor::from([3.0_f32, 2.0, 1.0]));
    /// # Ok::<(), downhill_graph::error::Error>(())
    /// ```
    pub fn arange(start: f32, end: f32, step: f32) -> Result<Tensor, Error> {
        let [from, to, by] = [start, end, step].map(f64::from);
        let count = ((to - from) / by).ceil();
        // Of nothing by nothing, and of what is not finite, the count is NaN or infinite.
        if !count.is_finite() || count < 0.0 {
            let error = Error::new(format!("no steps of {step} lead from {start} to {end}"));
            return Err(error.help("give finite numbers, and a step towards the end"));
        }
        filled([count as usize], (0_u64..).map(|at| (from + at as f64 * by) as f32))
    }

    /// A square matrix of zeros with ones on its diagonal, f32.
    ///
    /// # Errors
    /// A size that memory cannot hold.
    pub fn eye(size: usize) -> Result<Tensor, Error> {
        let mut matrix = Tensor::zeros([size, size])?;
        matrix.as_mut_slice::<f32>()?.iter_mut().step_by(size + 1).for_each(|one| *one = 1.0);
        Ok(matrix)
    }
}

fn filled(shape: impl AsRef<[usize]>, numbers: impl Iterator<Item = f32>) -> Result<Tensor, Error> {
    let mut tensor = Tensor::zeros(shape)?;
    tensor.as_mut_slice::<f32>()?.iter_mut().zip(numbers).for_each(|(element, number)| *element = number);
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_give_what_they_say() {
        assert_eq!(Tensor::eye(2), Ok(Tensor::from([[1.0_f32, 0.0], [0.0, 1.0]])));
        assert_eq!(Tensor::eye(0).map(|tensor| tensor.len()), Ok(0));
        assert_eq!(Tensor::arange(1.0, 1.0, 0.5).map(|tensor| tensor.len()), Ok(0));
        assert_eq!(Tensor::arange(0.0, 1.01, 0.5), Ok(Tensor::from([0.0_f32, 0.5, 1.0])));
        let uniform = Tensor::rand([10_000], 3).expect("numbers").to_f64_vec();
        assert!(uniform.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = uniform.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let normal = Tensor::randn([10_000], 3).expect("numbers").to_f64_vec();
        let variance = normal.iter().map(|number| number * number).sum::<f64>() / 10_000.0;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        assert_ne!(Tensor::randn([8], 1), Tensor::randn([8], 2));
    }

    #[test]
    fn mistakes_are_errors() {
        for (start, end, step) in
            [(0.0, 1.0, 0.0), (0.0, 1.0, -1.0), (0.0, f32::INFINITY, 1.0), (f32::NAN, 1.0, 1.0)]
        {
            let error = Tensor::arange(start, end, step).expect_err("no steps").message;
            assert_eq!(error, format!("no steps of {step} lead from {start} to {end}"));
        }
        assert!(Tensor::arange(0.0, 1e38, 1e-38).is_err());
        assert!(Tensor::eye(usize::MAX).is_err() && Tensor::randn([1 << 60], 0).is_err());
    }
}
