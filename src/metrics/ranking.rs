//! How well scores put rows of a class before all others, for every threshold at once.
//!
//! Must hold: rows of equal scores have no order among them; they are passed together.

use crate::metrics::rows::{Metric, Rows};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// All scores so far with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    /// Scores a row; 0 before the first piece.
    width: usize,
    scores: Vec<f32>,
    labels: Vec<usize>,
}

impl Kept {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        let rows = Rows::checked(scores, labels)?;
        if self.width != 0 && self.width != rows.width {
            return Err(misuse(
                format!("{} scores a row after pieces of {}", rows.width, self.width),
                "give all pieces alike",
            ));
        }
        self.width = rows.width;
        self.scores.extend(rows.iter().flat_map(|(scores, _)| scores));
        self.labels.extend(&rows.labels);
        Ok(())
    }

    /// The mean over classes of what `of` makes of each; of two classes, of the second alone.
    fn mean(&self, of: impl Fn(&[Step]) -> f64) -> f64 {
        let classes = match self.width {
            0 => return f64::NAN,
            1 | 2 => 1..2,
            width => 0..width,
        };
        let count = classes.len();
        classes.map(|class| of(&self.steps(class))).sum::<f64>() / count as f64
    }

    /// The rows from the greatest score of a class down, those of equal scores as one step.
    fn steps(&self, class: usize) -> Vec<Step> {
        let column = if self.width == 1 { 0 } else { class };
        let mut scored: Vec<(f32, bool)> = (0..self.labels.len())
            .map(|row| (self.scores[row * self.width + column], self.labels[row] == class))
            .collect();
        // −0 is 0.
        scored.sort_unstable_by(|a, b| (b.0 + 0.0).total_cmp(&(a.0 + 0.0)));

        let steps = scored.chunk_by(|a, b| a.0 == b.0).map(|equal| {
            let of_class = equal.iter().filter(|(_, of_class)| *of_class).count();
            Step { of_class: of_class as f64, others: (equal.len() - of_class) as f64 }
        });
        steps.collect()
    }
}

/// Rows of one score.
struct Step {
    of_class: f64,
    others: f64,
}

/// The area under the curve of true positives over false positives: how likely a row of a class has a greater score than one of another, where
/// equals count half. For more than two classes the mean over classes, each against all others. NaN where a class has no rows, or all.
///
/// Keeps all scores.
///
/// # Examples
/// ```
/// use downhill::metrics::{Metric, RocAuc};
/// use downhill::prelude::*;
///
/// let mut area = RocAuc::new();
/// area.add(&Tensor::from([0.1_f32, 0.4, 0.35, 0.8]), &Tensor::from([0_i32, 0, 1, 1]))?;
/// assert_eq!(area.value(), 0.75);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RocAuc {
    kept: Kept,
}

impl RocAuc {
    /// Of nothing yet.
    pub fn new() -> RocAuc {
        RocAuc::default()
    }

    /// The curve of a class against all others: shares of false positives with shares of true positives, from (0, 0) to (1, 1), a point for each
    /// score that comes up. NaN where there is no row of the class, or none of another; nothing before the first piece. Where a row has one score, that
    /// of class 1, it is class 1 that has a curve.
    ///
    /// ```
    /// # use downhill::metrics::{Metric, RocAuc};
    /// # use downhill::prelude::*;
    /// let mut area = RocAuc::new();
    /// area.add(&Tensor::from([0.1_f32, 0.4, 0.35, 0.8]), &Tensor::from([0_i32, 0, 1, 1]))?;
    /// assert_eq!(area.curve(1), [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn curve(&self, class: usize) -> Vec<(f64, f64)> {
        if self.kept.width == 0 {
            return Vec::new();
        }
        let steps = self.kept.steps(class);
        let total = |of: fn(&Step) -> f64| steps.iter().map(of).sum::<f64>();
        let (of_class, others) = (total(|step| step.of_class), total(|step| step.others));
        let mut passed = (0.0, 0.0);
        let points = steps.iter().map(|step| {
            passed = (passed.0 + step.others, passed.1 + step.of_class);
            (passed.0 / others, passed.1 / of_class)
        });
        std::iter::once((0.0, 0.0)).chain(points).collect()
    }
}

impl Metric for RocAuc {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        self.kept.add(scores, labels)
    }

    fn value(&self) -> f64 {
        self.kept.mean(|steps| {
            let (mut above, mut pairs, mut others) = (0.0, 0.0, 0.0);
            for step in steps {
                pairs += step.others * (above + step.of_class / 2.0);
                above += step.of_class;
                others += step.others;
            }
            pairs / (above * others)
        })
    }

    fn reset(&mut self) {
        *self = RocAuc::new();
    }
}

/// The mean of precision over recall, `Σ (Rₙ − Rₙ₋₁)·Pₙ` over all thresholds, without interpolation. For more than two classes the mean over
/// classes. A class without rows counts 0.
///
/// Keeps all scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AveragePrecision {
    kept: Kept,
}

impl AveragePrecision {
    /// Of nothing yet.
    pub fn new() -> AveragePrecision {
        AveragePrecision::default()
    }
}

impl Metric for AveragePrecision {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        self.kept.add(scores, labels)
    }

    fn value(&self) -> f64 {
        if self.kept.labels.is_empty() {
            return f64::NAN;
        }
        self.kept.mean(|steps| {
            let all: f64 = steps.iter().map(|step| step.of_class).sum();
            let (mut above, mut taken, mut sum) = (0.0, 0.0, 0.0);
            for step in steps {
                above += step.of_class;
                taken += step.of_class + step.others;
                sum += step.of_class * above / taken;
            }
            if all == 0.0 { 0.0 } else { sum / all }
        })
    }

    fn reset(&mut self) {
        *self = AveragePrecision::new();
    }
}
