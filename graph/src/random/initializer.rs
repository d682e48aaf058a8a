//! How storages start.
//!
//! In: an initializer, a shape, a seed and a name. Out: numbers, or a refusal that says which would do.

use super::fan::{Fan, fans};
use super::orthogonal::orthogonal;
use super::pattern;
use super::quantile::Truncated;
use super::source::{AT_ONCE, Source};
use crate::dim::{Bindings, Dim};
use crate::error::Error;
use crate::option::{Allowed, check, refused};
use std::sync::Arc;

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
    /// A bound of `gain·√(3/fan)` or, if normal, a deviation of `gain/√fan`: what all scales by fans are made of.
    Scaled {
        /// Gain.
        gain: f64,
        /// By which fan.
        fan: Fan,
        /// Gaussian, or else uniform.
        is_normal: bool,
    },
    /// Gaussian, of which only what lies between two bounds is drawn.
    TruncatedNormal {
        /// Mean of the whole distribution.
        mean: f64,
        /// Its standard deviation.
        deviation: f64,
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
    },
    /// The identity of `[in, out]`.
    Identity,
    /// Weights of a convolution, `[kernel…, in of a group, out]`, that hand each channel on.
    Dirac {
        /// Groups of the convolution.
        groups: Dim,
    },
    /// Gaussian of mean 0, with a share of the outputs of each input 0, in `[in, out]` (Martens: Deep Learning via Hessian-free Optimization;
    /// ICML 2010).
    Sparse {
        /// The share that is 0, rounded up to whole outputs.
        sparsity: f64,
        /// Standard deviation of the others.
        deviation: f64,
    },
    /// Uniform in ±1/√fan: what PyTorch's `Linear` starts weight and bias with.
    FanIn(Dim),
    /// As `of`, but for the row of this index, which is 0: the row of a table that stands for no word.
    ZeroRow {
        /// How the other rows start.
        of: Box<Initializer>,
        /// Which row.
        row: Dim,
    },
    /// Orthonormal rows or columns (the fewer of them), times `gain`.
    Orthogonal {
        /// Gain.
        gain: f64,
    },
    /// These values.
    Values {
        /// The shape that they have.
        shape: Vec<usize>,
        /// The values, row-major.
        values: Arc<[f64]>,
    },
}

impl Initializer {
    /// The values, row-major, that the storage `name` of this shape starts with. Round them once for f32.
    ///
    /// # Errors
    /// A fan that `bindings` leave open; numbers that make no distribution; values beyond f32.
    pub fn sample(
        &self,
        name: &str,
        shape: &[usize],
        seed: u64,
        bindings: &Bindings,
    ) -> Result<Vec<f64>, Error> {
        self.check()?;
        let count: usize = shape.iter().product();
        let source = Source::new(seed, name);

        let uniform = |low: f64, high: f64| {
            let mut values = Vec::with_capacity(count.next_multiple_of(AT_ONCE));
            for first in (0..count as u64).step_by(AT_ONCE) {
                values.extend(source.uniforms::<AT_ONCE>(first).map(|u| low + (high - low) * u));
            }
            values.truncate(count);
            values
        };

        let normal =
            |mean: f64, spread: f64| (0..count as u64).map(|i| mean + spread * source.normal(i)).collect();

        let (fan_in, fan_out) = fans(shape);
        let rectified = |slope: &f64| (1.0 + slope * slope) * fan_in;

        let values = match self {
            Initializer::Zeros => vec![0.0; count],
            Initializer::Ones => vec![1.0; count],
            Initializer::Constant(value) => vec![*value; count],
            Initializer::Uniform { low, high } => uniform(*low, *high),
            Initializer::Normal { mean, deviation } => normal(*mean, *deviation),
            Initializer::XavierUniform { gain } => {
                around_zero(gain * (6.0 / (fan_in + fan_out)).sqrt(), uniform)
            }
            Initializer::XavierNormal { gain } => normal(0.0, gain * (2.0 / (fan_in + fan_out)).sqrt()),
            Initializer::KaimingUniform { slope } => around_zero((6.0 / rectified(slope)).sqrt(), uniform),
            Initializer::KaimingNormal { slope } => normal(0.0, (2.0 / rectified(slope)).sqrt()),
            Initializer::Scaled { gain, fan, is_normal: true } => normal(0.0, gain / fan.of(shape).sqrt()),
            Initializer::Scaled { gain, fan, is_normal: false } => {
                around_zero(gain * (3.0 / fan.of(shape)).sqrt(), uniform)
            }
            Initializer::TruncatedNormal { mean, deviation, low, high } => {
                let drawn = truncated(*mean, *deviation, *low, *high)?;
                // Rounded, a number may leave its bounds.
                let within = |u: f64| (mean + deviation * drawn.at(u)).clamp(*low, *high);
                uniform(0.0, 1.0).into_iter().map(within).collect()
            }
            Initializer::Identity => pattern::identity(name, shape)?,
            Initializer::Dirac { groups } => {
                let groups = groups.evaluate(bindings).ok().and_then(|groups| usize::try_from(groups).ok());
                pattern::dirac(name, shape, groups.unwrap_or(0))?
            }
            Initializer::Sparse { sparsity, deviation } => {
                // Behind the numbers that the values take.
                let key = |at: usize| source.uniforms::<1>((2 * count + at) as u64)[0];
                pattern::thin(name, shape, *sparsity, normal(0.0, *deviation), key)?
            }
            Initializer::FanIn(fan) => {
                let fan =
                    fan.evaluate(bindings).ok().filter(|&fan| fan > 0).ok_or_else(|| unbound(name, fan))?;
                around_zero(1.0 / (fan as f64).sqrt(), uniform)
            }
            Initializer::ZeroRow { of, row } => {
                let mut values = of.sample(name, shape, seed, bindings)?;
                let width = shape.iter().skip(1).product::<usize>();
                let rows = shape.first().copied().unwrap_or(0);
                let row = row.evaluate(bindings).ok().and_then(|row| usize::try_from(row).ok());
                let Some(row) = row.filter(|row| *row < rows) else { return Err(no_row(name, rows)) };
                values[row * width..(row + 1) * width].fill(0.0);
                values
            }
            Initializer::Orthogonal { gain } => orthogonal(&source, shape, *gain),
            Initializer::Values { shape: given, values } if given == shape => values.to_vec(),
            Initializer::Values { shape: given, .. } => return Err(of_other_shape(name, shape, given)),
        };

        // Numbers within f32 may make values beyond it: some of a normal distribution lie far out.
        match values.iter().find(|&&value| !(value as f32).is_finite()) {
            Some(&value) => Err(refused(&format!("`{name}` would start with a value"), value)
                .help("start it with smaller numbers")),
            None => Ok(values),
        }
    }

    /// Refuses numbers that make no distribution.
    ///
    /// # Errors
    /// Numbers that are not finite in f32, a negative deviation, an empty range.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Initializer::Zeros
            | Initializer::Ones
            | Initializer::FanIn(_)
            | Initializer::Identity
            | Initializer::Values { .. }
            | Initializer::Dirac { .. } => Ok(()),
            Initializer::Constant(value) => check("a constant", *value, Allowed::Finite),
            Initializer::Uniform { low, high } => check_range(*low, *high),
            Initializer::TruncatedNormal { mean, deviation, low, high } => {
                check("a mean", *mean, Allowed::Finite)?;
                check("a deviation", *deviation, Allowed::AboveZero)?;
                check_range(*low, *high)?;
                truncated(*mean, *deviation, *low, *high).map(|_| ())
            }
            Initializer::Sparse { sparsity, deviation } => {
                check("a sparsity", *sparsity, Allowed::ZeroToOne)?;
                check("a deviation", *deviation, Allowed::FromZero)
            }
            Initializer::Normal { mean, deviation } => {
                check("a mean", *mean, Allowed::Finite)?;
                check("a deviation", *deviation, Allowed::FromZero)
            }
            Initializer::ZeroRow { of, .. } => of.check(),
            Initializer::KaimingUniform { slope } | Initializer::KaimingNormal { slope } => {
                check("a slope", *slope, Allowed::Finite)
            }
            Initializer::XavierUniform { gain }
            | Initializer::XavierNormal { gain }
            | Initializer::Scaled { gain, .. }
            | Initializer::Orthogonal { gain } => check("a gain", *gain, Allowed::FromZero),
        }
    }
}

fn check_range(low: f64, high: f64) -> Result<(), Error> {
    check("a least value", low, Allowed::Finite)?;
    check("a greatest value", high, Allowed::Finite)?;
    if low <= high {
        return Ok(());
    }
    let error = Error::new(format!("a least value of {low} and a greatest value of {high}"));
    Err(error.help("`low` must be at most `high`"))
}

/// The part of a normal distribution between two bounds, in deviations from its mean.
fn truncated(mean: f64, deviation: f64, low: f64, high: f64) -> Result<Truncated, Error> {
    let [from, to] = [low, high].map(|bound| (bound - mean) / deviation);
    Truncated::new(from, to).ok_or_else(|| {
        let error = Error::new(format!(
            "nothing of a normal distribution of mean {mean} and deviation {deviation} lies in {low}..{high}"
        ));
        error.help("bounds that differ, within 38 deviations of the mean")
    })
}

fn around_zero(bound: f64, uniform: impl Fn(f64, f64) -> Vec<f64>) -> Vec<f64> {
    uniform(-bound, bound)
}

fn unbound(name: &str, fan: &Dim) -> Error {
    Error::new(format!(
        "`{name}` starts with a fan of `{fan}`, which is no size above 0 when the network is built"
    ))
}

fn of_other_shape(name: &str, shape: &[usize], given: &[usize]) -> Error {
    Error::new(format!("`{name}` has shape {shape:?} but would start with values of shape {given:?}"))
        .help("give it a tensor of its own shape")
}

fn no_row(name: &str, rows: usize) -> Error {
    Error::new(format!("a row of `{name}` that is to start with 0 is none of its {rows} rows"))
        .help("rows count from 0")
}

#[cfg(test)]
mod tests;
