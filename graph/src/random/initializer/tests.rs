//! Moments, fans, patterns, and what is refused.

use super::*;
use crate::random::orthogonal::dot;

fn sample(initializer: &Initializer, shape: &[usize]) -> Vec<f64> {
    initializer.sample("h.weight", shape, 7, &Bindings::new()).expect("a distribution")
}

/// These numbers are part of what a seed means: they never change.
#[test]
fn a_seed_means_the_same_forever() {
    let normal = sample(&Initializer::Normal { mean: 0.0, deviation: 1.0 }, &[3]);
    assert_eq!(normal.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), GOLDEN_NORMAL);
    let uniform = sample(&Initializer::Uniform { low: -1.0, high: 1.0 }, &[3]);
    assert_eq!(uniform.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), GOLDEN_UNIFORM);
}

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
fn scales_by_fans_are_right_for_convolutions_too() {
    // 3 · 5 taps, 8 in, 32 out.
    let shape = [3, 5, 8, 32];
    for (fan, connections) in
        [(Fan::In, 120.0), (Fan::Out, 480.0), (Fan::Mean, 300.0), (Fan::InSquared, 14_400.0)]
    {
        let numbers = |is_normal| sample(&Initializer::Scaled { gain: 2.0, fan, is_normal }, &shape);
        let deviation = |numbers: &[f64]| (numbers.iter().map(|x| x * x).sum::<f64>() / 3840.0).sqrt();
        let (normal, uniform, exact) = (numbers(true), numbers(false), 2.0 / f64::sqrt(connections));
        assert!((deviation(&normal) / exact - 1.0).abs() < 0.04, "{fan:?}");
        assert!((deviation(&uniform) / exact - 1.0).abs() < 0.04, "{fan:?}");
        let greatest = uniform.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        assert!(greatest <= exact * 3f64.sqrt() && greatest > 0.99 * exact * 3f64.sqrt(), "{fan:?}");
    }
    let again = sample(&Initializer::Scaled { gain: 1.0, fan: Fan::In, is_normal: true }, &[1]);
    assert_eq!(again, sample(&Initializer::Normal { mean: 0.0, deviation: 1.0 }, &[1]));
}

#[test]
fn a_truncated_normal_has_its_moments() {
    let cut = |mean, deviation, low, high| Initializer::TruncatedNormal { mean, deviation, low, high };
    let numbers = sample(&cut(1.0, 2.0, -1.0, 3.0), &[100, 400]);
    assert!(numbers.iter().all(|x| (-1.0..=3.0).contains(x)));
    let mean = numbers.iter().sum::<f64>() / 40_000.0;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0;
    // 1 − 2φ(1)/(2Φ(1) − 1) of the whole variance.
    assert!(
        (mean - 1.0).abs() < 0.02 && (variance / (4.0 * 0.291_125_1) - 1.0).abs() < 0.02,
        "{mean} {variance}"
    );
    assert_eq!(numbers, sample(&cut(1.0, 2.0, -1.0, 3.0), &[100, 400]));

    let refused = |initializer: Initializer| initializer.check().unwrap_err().message;
    assert_eq!(refused(cut(0.0, 0.0, -1.0, 1.0)), "a deviation of 0");
    assert_eq!(refused(cut(0.0, 1.0, 1.0, -1.0)), "a least value of 1 and a greatest value of -1");
    assert_eq!(
        refused(cut(0.0, 1.0, 50.0, 60.0)),
        "nothing of a normal distribution of mean 0 and deviation 1 lies in 50..60"
    );
}

#[test]
fn sparse_weights_are_drawn_for_each_input() {
    let sparse = Initializer::Sparse { sparsity: 0.25, deviation: 0.5 };
    let numbers = sample(&sparse, &[300, 8]);
    let zeros: Vec<Vec<bool>> =
        numbers.chunks(8).map(|row| row.iter().map(|x| *x == 0.0).collect()).collect();
    assert!(zeros.iter().all(|row| row.iter().filter(|zero| **zero).count() == 2));
    assert!((0..8).all(|output| zeros.iter().any(|row| row[output])), "an output is never 0");
    let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 1800.0;
    assert!((variance / 0.25 - 1.0).abs() < 0.1, "{variance}");
    let other = sparse.sample("h.weight", &[300, 8], 8, &Bindings::new()).expect("a distribution");
    assert!(numbers != other && numbers == sample(&sparse, &[300, 8]));
    assert_eq!(
        Initializer::Sparse { sparsity: 1.5, deviation: 0.5 }.check().unwrap_err().message,
        "a sparsity of 1.5"
    );
}

#[test]
fn orthogonal_is_near_as_f32_too() {
    for shape in [&[96, 24][..], &[24, 96], &[3, 3, 4, 16]] {
        let columns = shape[shape.len() - 1];
        let w: Vec<f32> =
            sample(&Initializer::Orthogonal { gain: 1.0 }, shape).iter().map(|x| *x as f32).collect();
        let rows = w.len() / columns;
        let element = |vector: usize, at: usize| {
            f64::from(if rows <= columns { w[vector * columns + at] } else { w[at * columns + vector] })
        };
        let mut off = 0.0_f64;
        for i in 0..rows.min(columns) {
            for j in 0..rows.min(columns) {
                let product: f64 = (0..rows.max(columns)).map(|at| element(i, at) * element(j, at)).sum();
                off += (product - f64::from(u8::from(i == j))).powi(2);
            }
        }
        assert!(off.sqrt() < 1e-5, "{shape:?}: {}", off.sqrt());
    }
}

#[test]
fn orthogonal_is() {
    for (rows, columns) in [(5, 3), (3, 5), (4, 4)] {
        let w = sample(&Initializer::Orthogonal { gain: 1.0 }, &[rows, columns]);
        let row = |i: usize| w[i * columns..(i + 1) * columns].to_vec();
        let column = |j: usize| (0..rows).map(|i| w[i * columns + j]).collect::<Vec<f64>>();
        let vectors: Vec<Vec<f64>> =
            if rows <= columns { (0..rows).map(row).collect() } else { (0..columns).map(column).collect() };
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
    assert_eq!(refused(Initializer::KaimingUniform { slope: 1e39 }), "a slope of 1e39, which is inf in f32");
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
