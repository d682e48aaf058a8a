//! Random numbers and initial values: Threefry, the same on every machine.
//!
//! In: an initializer, a shape, a seed. Out: numbers.

use crate::dim::Dim;

/// How a storage starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Initializer {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// This value.
    Constant(f64),
    /// Uniform in `low..high`.
    Uniform {
        /// Least.
        low: f64,
        /// Greatest (excluded).
        high: f64,
    },
    /// Gaussian.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        deviation: f64,
    },
    /// Xavier/Glorot, uniform: bound `gain·√(6/(fan_in + fan_out))`.
    XavierUniform {
        /// Gain.
        gain: f64,
    },
    /// Xavier/Glorot, normal: deviation `gain·√(2/(fan_in + fan_out))`.
    XavierNormal {
        /// Gain.
        gain: f64,
    },
    /// Kaiming/He for rectifiers, uniform: bound `√(6/((1 + slope²)·fan_in))`.
    KaimingUniform {
        /// Slope of the leaky rectifier that follows; 0 for relu.
        slope: f64,
    },
    /// Kaiming/He for rectifiers, normal: deviation `√(2/((1 + slope²)·fan_in))`.
    KaimingNormal {
        /// Slope of the leaky rectifier that follows; 0 for relu.
        slope: f64,
    },
    /// Uniform in ±1/√fan: what PyTorch's `Linear` starts weight and bias with.
    FanIn(Dim),
}
