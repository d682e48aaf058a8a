//! Random numbers and initial values: Threefry, the same on every machine.
//!
//! In: seed, step, stream and element; or an initializer, a shape and a name. Out: bits; or numbers.
//!
//! Must hold:
//! - a number depends on nothing but its key: no state, no order of drawing, no threads;
//! - a storage's numbers depend on its name, so that another layer beside it changes nothing;
//! - only `libm` and correctly rounded operations are used, never the platform's `ln` or `cos`.

use crate::dim::{Bindings, Dim};
use crate::error::Error;
use crate::option::{Allowed, check, refused};

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
}

/// A key, or a counter: low word first.
pub type Words = [u32; 2];

/// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers, as Easy as 1, 2, 3; SC 2011).
pub fn threefry(key: Words, counter: Words) -> Words {
    threefry_of(key, counter.map(|word| [word])).map(|[word]| word)
}

/// The same for several counters: low words, then high words. Compilers make vectors of it, since every rotation is a constant.
fn threefry_of<const N: usize>(key: Words, counters: [[u32; N]; 2]) -> [[u32; N]; 2] {
    let schedule = [key[0], key[1], 0x1BD1_1BDA ^ key[0] ^ key[1]];
    let add = |words: [u32; N], word: u32| words.map(|x| x.wrapping_add(word));

    let mut x = [add(counters[0], schedule[0]), add(counters[1], schedule[1])];
    for group in 0..5 {
        if group % 2 == 0 {
            rounds::<N, 13, 15, 26, 6>(&mut x);
        } else {
            rounds::<N, 17, 29, 16, 24>(&mut x);
        }
        let next = schedule[(group + 2) % 3].wrapping_add(group as u32 + 1);
        x = [add(x[0], schedule[(group + 1) % 3]), add(x[1], next)];
    }

    x
}

/// Four rounds with these rotations.
fn rounds<const N: usize, const A: u32, const B: u32, const C: u32, const D: u32>(x: &mut [[u32; N]; 2]) {
    let [low, high] = x;
    for (low, high) in low.iter_mut().zip(high) {
        let mut mix = |rotation: u32| {
            *low = low.wrapping_add(*high);
            *high = high.rotate_left(rotation) ^ *low;
        };
        [A, B, C, D].into_iter().for_each(&mut mix);
    }
}

/// Constants that keep the keys of streams and those of storages apart.
const STREAMS: u32 = 0;
const STORAGES: u32 = 1;

/// The key of all steps of `stream`.
pub fn stream_seed(seed: u64, stream: u32) -> Words {
    threefry(words(seed), [stream, STREAMS])
}

/// The key of all elements of `stream` in `step`: computed once a step, it leaves one [`threefry`] an element.
pub fn stream_key(seed: u64, step: u64, stream: u32) -> Words {
    threefry(stream_seed(seed, stream), words(step))
}

/// The bits of element `element` of `stream` in `step`: the first word of the element's [`threefry`] under [`stream_key`].
pub fn random_bits(seed: u64, step: u64, stream: u32, element: u64) -> u32 {
    threefry(stream_key(seed, step, stream), words(element))[0]
}

/// Low word first.
fn words(number: u64) -> Words {
    [number as u32, (number >> 32) as u32]
}

/// Uniform numbers made together.
const AT_ONCE: usize = 64;

/// The numbers of one storage.
struct Source {
    key: Words,
}

impl Source {
    fn new(seed: u64, name: &str) -> Source {
        // FNV-1a: any hash that never changes.
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Source { key: threefry(threefry(words(seed), [0, STORAGES]), words(hash)) }
    }

    /// Uniform in 0..1 with 53 bits: those of this index and of the ones after it.
    fn uniforms<const N: usize>(&self, first: u64) -> [f64; N] {
        let indices: [Words; N] = std::array::from_fn(|n| words(first.wrapping_add(n as u64)));
        let [low, high] =
            threefry_of(self.key, [indices.map(|index| index[0]), indices.map(|index| index[1])]);
        std::array::from_fn(|n| {
            let bits = u64::from(high[n]) << 32 | u64::from(low[n]);
            (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
        })
    }

    /// Gaussian of mean 0 and deviation 1, by Box and Muller.
    fn normal(&self, index: u64) -> f64 {
        // 1 − u is in (0, 1]: its logarithm is finite.
        let [radius, angle] = self.uniforms(2 * index);
        (-2.0 * libm::log(1.0 - radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
    }
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
            Initializer::Zeros | Initializer::Ones | Initializer::FanIn(_) => Ok(()),
            Initializer::Constant(value) => check("a constant", *value, Allowed::Finite),
            Initializer::Uniform { low, high } => {
                check("a least value", *low, Allowed::Finite)?;
                check("a greatest value", *high, Allowed::Finite)?;
                if low <= high {
                    return Ok(());
                }
                let error = Error::new(format!("a least value of {low} and a greatest value of {high}"));
                Err(error.help("`low` must be at most `high`"))
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
            | Initializer::Orthogonal { gain } => check("a gain", *gain, Allowed::FromZero),
        }
    }
}

fn around_zero(bound: f64, uniform: impl Fn(f64, f64) -> Vec<f64>) -> Vec<f64> {
    uniform(-bound, bound)
}

fn unbound(name: &str, fan: &Dim) -> Error {
    Error::new(format!(
        "`{name}` starts with a fan of `{fan}`, which is no size above 0 when the network is built"
    ))
}

fn no_row(name: &str, rows: usize) -> Error {
    Error::new(format!("a row of `{name}` that is to start with 0 is none of its {rows} rows"))
        .help("rows count from 0")
}

/// (fan in, fan out) of weights laid out `[…, in, out]`, PyTorch's with the last axes swapped: leading axes are a window, which multiplies
/// both. A vector's fans are its length.
fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [n] => (*n as f64, *n as f64),
        [window @ .., n, m] => {
            let window: f64 = window.iter().map(|&size| size as f64).product();
            (*n as f64 * window, *m as f64 * window)
        }
    }
}

/// Gram–Schmidt over Gaussian vectors: the rows, or the columns where they are fewer. Each vector is orthogonalised twice, as once loses
/// orthogonality to rounding.
fn orthogonal(source: &Source, shape: &[usize], gain: f64) -> Vec<f64> {
    let columns = shape.last().copied().unwrap_or(1);
    let rows: usize = shape[..shape.len().saturating_sub(1)].iter().product();
    let (count, length) = (rows.min(columns), rows.max(columns));

    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for i in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|j| source.normal((i * length + j) as u64)).collect();
        for _ in 0..2 {
            for other in &basis {
                let along = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        basis.push(vector);
    }

    let element =
        |row: usize, column: usize| if rows <= columns { basis[row][column] } else { basis[column][row] };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(r, c)| gain * element(r, c))
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(initializer: &Initializer, shape: &[usize]) -> Vec<f64> {
        initializer.sample("h.weight", shape, 7, &Bindings::new()).expect("a distribution")
    }

    /// Random123's own known answers for threefry2x32, 20 rounds.
    #[test]
    fn threefry_answers_as_published() {
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        assert_eq!(
            threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]),
            [0xc492_3a9c, 0x483d_f7a0]
        );
    }

    /// These bits are part of what a seed means: they never change.
    #[test]
    fn a_seed_means_the_same_forever() {
        assert_eq!([0, 1, 1 << 40].map(|element| random_bits(1, 2, 3, element)), GOLDEN_BITS);
        let normal = sample(&Initializer::Normal { mean: 0.0, deviation: 1.0 }, &[3]);
        assert_eq!(normal.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), GOLDEN_NORMAL);
        let uniform = sample(&Initializer::Uniform { low: -1.0, high: 1.0 }, &[3]);
        assert_eq!(uniform.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), GOLDEN_UNIFORM);
    }

    const GOLDEN_BITS: [u32; 3] = [3_287_600_783, 3_728_976_779, 1_792_213_098];
    const GOLDEN_NORMAL: [u64; 3] = [0x3fe8_e39d_df0c_2b6b, 0xbfda_3ffb_851d_40f8, 0x3fab_afc7_e770_e646];
    const GOLDEN_UNIFORM: [u64; 3] = [0xbfdc_d05c_7657_25b8, 0xbfed_8051_4d6c_3a9e, 0xbfdc_d9c3_67ca_4dc8];

    /// Weights lie as [in, out]: 100 in, 400 out.
    #[test]
    fn normal_initializers_have_the_deviation_of_their_fans() {
        let cases = [
            (Initializer::XavierNormal { gain: 2.0 }, 2.0 * (2.0 / 500.0_f64).sqrt()),
            (Initializer::KaimingNormal { slope: 0.0 }, (2.0 / 100.0_f64).sqrt()),
            (Initializer::KaimingNormal { slope: 1.0 }, (1.0 / 100.0_f64).sqrt()),
        ];
        for (initializer, expected) in cases {
            let numbers = sample(&initializer, &[100, 400]);
            let deviation = (numbers.iter().map(|x| x * x).sum::<f64>() / 40_000.0).sqrt();
            assert!(
                (deviation / expected - 1.0).abs() < 0.02,
                "{initializer:?}: {deviation}, expected {expected}"
            );
        }
    }

    #[test]
    fn a_row_that_stands_for_nothing_is_zero() {
        let normal = Initializer::Normal { mean: 0.0, deviation: 1.0 };
        let table = |row: Dim, shape: &[usize]| {
            let padded = Initializer::ZeroRow { of: Box::new(normal.clone()), row };
            padded.sample("h.weight", shape, 7, &Bindings::new()).map_err(|error| error.message)
        };
        let (all, padded) = (sample(&normal, &[4, 3]), table(Dim::from(2), &[4, 3]).expect("four rows"));
        assert_eq!((&padded[..6], &padded[6..9], &padded[9..]), (&all[..6], &[0.0; 3][..], &all[9..]));
        let message = "a row of `h.weight` that is to start with 0 is none of its 4 rows";
        assert_eq!(table(Dim::from(4), &[4, 3]), Err(message.into()));
        assert_eq!(table(Dim::symbol("n"), &[4, 3]), Err(message.into()));
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let normal = sample(&Initializer::Normal { mean: 2.0, deviation: 3.0 }, &[100, 400]);
        let mean = normal.iter().sum::<f64>() / 40_000.0;
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0;
        assert!((mean - 2.0).abs() < 0.06 && (variance - 9.0).abs() < 0.3, "{mean} {variance}");
        let uniform = sample(&Initializer::FanIn(Dim::from(4)), &[100, 400]);
        assert!(uniform.iter().all(|x| x.abs() <= 0.5) && uniform.iter().any(|x| x.abs() > 0.499));
    }

    #[test]
    fn fans_are_pytorchs() {
        let bound = |initializer: Initializer| {
            sample(&initializer, &[300, 100]).iter().fold(0.0_f64, |m, x| m.max(x.abs()))
        };
        assert!((bound(Initializer::XavierUniform { gain: 1.0 }) - (6.0 / 400.0_f64).sqrt()).abs() < 1e-4);
        assert!((bound(Initializer::KaimingUniform { slope: 0.0 }) - (6.0 / 300.0_f64).sqrt()).abs() < 1e-4);
    }

    #[test]
    fn a_storage_has_numbers_of_its_own() {
        let start = Initializer::Normal { mean: 0.0, deviation: 1.0 };
        let other = start.sample("h.bias", &[3], 7, &Bindings::new()).expect("a distribution");
        assert_ne!(sample(&start, &[3]), other);
    }

    #[test]
    fn orthogonal_is() {
        for (rows, columns) in [(5, 3), (3, 5), (4, 4)] {
            let w = sample(&Initializer::Orthogonal { gain: 1.0 }, &[rows, columns]);
            let row = |i: usize| w[i * columns..(i + 1) * columns].to_vec();
            let column = |j: usize| (0..rows).map(|i| w[i * columns + j]).collect::<Vec<f64>>();
            let vectors: Vec<Vec<f64>> = if rows <= columns {
                (0..rows).map(row).collect()
            } else {
                (0..columns).map(column).collect()
            };
            for (i, a) in vectors.iter().enumerate() {
                for (j, b) in vectors.iter().enumerate() {
                    assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn numbers_are_checked_as_the_f32_they_become() {
        let refused = |initializer: Initializer| initializer.check().unwrap_err().message;
        let normal = |mean, deviation| Initializer::Normal { mean, deviation };
        assert_eq!(refused(normal(0.0, 1e39)), "a deviation of 1e39, which is inf in f32");
        assert_eq!(refused(normal(-1e39, 1.0)), "a mean of -1e39, which is -inf in f32");
        assert_eq!(refused(normal(0.0, -0.5)), "a deviation of -0.5");
        assert_eq!(refused(Initializer::Constant(1e39)), "a constant of 1e39, which is inf in f32");

        assert_eq!(
            refused(Initializer::Uniform { low: -1e39, high: 0.0 }),
            "a least value of -1e39, which is -inf in f32"
        );

        assert_eq!(
            refused(Initializer::Uniform { low: 0.0, high: 1e39 }),
            "a greatest value of 1e39, which is inf in f32"
        );

        assert_eq!(refused(Initializer::Orthogonal { gain: 1e39 }), "a gain of 1e39, which is inf in f32");
        assert_eq!(refused(Initializer::XavierNormal { gain: 1e39 }), "a gain of 1e39, which is inf in f32");
        assert_eq!(
            refused(Initializer::KaimingUniform { slope: 1e39 }),
            "a slope of 1e39, which is inf in f32"
        );
    }

    #[test]
    fn no_value_is_beyond_f32() {
        let wide = Initializer::Normal { mean: 0.0, deviation: 2e38 };
        assert!(wide.check().is_ok());
        let error = wide.sample("w", &[100], 7, &Bindings::new()).unwrap_err().message;
        assert!(
            error.starts_with("`w` would start with a value of ") && error.ends_with("inf in f32"),
            "{error}"
        );
    }

    #[test]
    fn no_distribution_is_an_error() {
        assert!(Initializer::Uniform { low: 1.0, high: 0.0 }.check().is_err());
        assert!(Initializer::Normal { mean: 0.0, deviation: f64::NAN }.check().is_err());
        assert!(Initializer::FanIn(Dim::symbol("n")).sample("w", &[1], 0, &Bindings::new()).is_err());
    }
}
