//! The losses that a run must have: PyTorch's, in float64, from the same weights and data.
//!
//! In: `benches/peers/golden_final_loss.txt`. Out: a panic where a run computed something else.

use super::workload::Workload;

const RECORDS: &str = include_str!("../peers/golden_final_loss.txt");

/// The values of the record of this name.
fn record(name: &str) -> Vec<f64> {
    let mut lines = RECORDS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' '));
    let found = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words));
    let dims_and_values = found.unwrap_or_else(|| panic!("no record `{name}` in golden_final_loss.txt"));
    dims_and_values.skip(1).map(|value| value.parse().expect("a number")).collect()
}

/// Asserts that the losses of a run are the golden ones: the last, and the mean of all.
pub(crate) fn check_losses(workload: &Workload, losses: &[f32]) {
    let number = |what: &str| record(&format!("{}/{what}", workload.name))[0];
    assert_eq!(losses.len() as f64, number("steps"), "{}: steps differ", workload.name);
    let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len() as f64;
    let last = losses.last().map_or(f64::NAN, |&loss| f64::from(loss));
    for (what, found) in [("last", last), ("mean", mean)] {
        let (expected, tolerance) = (number(&format!("loss.{what}")), number("tolerance"));
        assert!(
            (found - expected).abs() <= tolerance * expected.abs(),
            "{}: {what} loss {found}, golden {expected}, tolerance {tolerance}",
            workload.name
        );
    }
}

/// Asserts that the first values of an array are the golden ones, which finds a slip in a formula.
pub(crate) fn check_head(workload: &Workload, array: &str, values: &[f32]) {
    let expected = record(&format!("{}/{array}.head", workload.name));
    assert!(
        expected.iter().zip(values).all(|(expected, value)| *expected as f32 == *value),
        "{}: `{array}` begins with {:?}, not with {expected:?}",
        workload.name,
        &values[..expected.len().min(values.len())]
    );
}
