//! The losses that a run must have: PyTorch's, in float64, from the same weights and data.
//!
//! In: `benches/peers/golden_final_loss.txt`. Out: a panic where a run computed something else.

const RECORDS: &str = include_str!("../peers/golden_final_loss.txt");

/// The values of the record of this name.
fn record(name: &str) -> Vec<f64> {
    let mut lines = RECORDS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' '));
    let found = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words));
    let dims_and_values = found.unwrap_or_else(|| panic!("no record `{name}` in golden_final_loss.txt"));
    dims_and_values.skip(1).map(|value| value.parse().expect("a number")).collect()
}

/// Asserts that the losses of a run of this workload are the golden ones: the last, and the mean of all.
pub(crate) fn check_losses(workload: &str, losses: &[f32]) {
    let steps = record(&format!("{workload}/steps"))[0];
    assert_eq!(losses.len() as f64, steps, "{workload}: steps differ");
    check_close(workload, "loss.last", &losses[losses.len() - 1..]);
    check_close(workload, "loss.mean", &[mean(losses) as f32]);
}

/// Asserts that numbers are the golden ones, within the workload's tolerance.
pub(crate) fn check_close(workload: &str, what: &str, found: &[f32]) {
    let tolerance = record(&format!("{workload}/tolerance"))[0];
    let expected = record(&format!("{workload}/{what}"));
    assert_eq!(expected.len(), found.len(), "{workload}: {what}");
    for (&found, &expected) in found.iter().zip(&expected) {
        assert!(
            (f64::from(found) - expected).abs() <= tolerance * expected.abs(),
            "{workload}: {what} {found}, golden {expected}, tolerance {tolerance}",
        );
    }
}

/// The mean, added up in float64.
pub(crate) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
}

/// Asserts that the first values of an array are the golden ones, which finds a slip in a formula.
pub(crate) fn check_head(workload: &str, array: &str, values: &[f32]) {
    let expected = record(&format!("{workload}/{array}.head"));
    assert!(
        expected.iter().zip(values).all(|(expected, value)| *expected as f32 == *value),
        "{workload}: `{array}` begins with {:?}, not with {expected:?}",
        &values[..expected.len().min(values.len())]
    );
}
