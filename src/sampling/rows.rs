//! Scores row by row, checked.
//!
//! In: a tensor of scores. Out: its rows, each with a class that can come.

use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// Scores of which each row has a greatest.
pub(super) struct Rows<'a> {
    scores: &'a [f32],
    /// How many classes a row has.
    pub(super) classes: usize,
    /// The axes before the last.
    pub(super) leading: &'a [usize],
}

impl<'a> Rows<'a> {
    /// Takes `[…, classes]` apart.
    ///
    /// # Errors
    /// Elements that are no f32s; no axis; rows without a class that can come; a score that is NaN or +∞.
    pub(super) fn of(scores: &'a Tensor) -> Result<Rows<'a>, Error> {
        let Some((&classes, leading)) = scores.shape().split_last() else {
            return Err(misuse(
                "scores without an axis were given",
                "the last axis of scores counts the classes: [rows, classes]",
            ));
        };
        if classes == 0 || i32::try_from(classes).is_err() {
            return Err(misuse(
                format!("scores of {classes} classes were given"),
                "indices of classes are i32s: give scores of 1 class or more",
            ));
        }
        let rows = Rows { scores: scores.as_f32()?, classes, leading };
        rows.iter().enumerate().try_for_each(|(row, scores)| check(row, scores))?;
        Ok(rows)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [f32]> {
        self.scores.chunks_exact(self.classes)
    }
}

fn check(row: usize, scores: &[f32]) -> Result<(), Error> {
    if let Some(class) = scores.iter().position(|&score| score.is_nan() || score == f32::INFINITY) {
        return Err(misuse(
            format!("the score of class {class} in row {row} is {}", scores[class]),
            "scores are finite, or −∞ for what never comes",
        ));
    }
    if scores.iter().all(|&score| score == f32::NEG_INFINITY) {
        return Err(misuse(
            format!("all scores of row {row} are −∞"),
            "leave one class at least that can come",
        ));
    }
    Ok(())
}

/// The index of the greatest, the first of equals.
pub(super) fn greatest(scores: &[f32]) -> usize {
    let better = |best: usize, class: usize| if scores[class] > scores[best] { class } else { best };
    (0..scores.len()).reduce(better).unwrap_or(0)
}

/// Class indices from the greatest score to the least, of equals the first first.
pub(super) fn descending(scores: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..scores.len()).collect();
    classes.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal));
    classes
}

/// ln Σeˣ, without overflow.
pub(super) fn log_sum_exp(scores: &[f32]) -> f64 {
    let highest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = scores.iter().map(|&score| libm::exp(f64::from(score) - highest)).sum();
    highest + libm::log(sum)
}
