//! How well probabilities tell what is uncertain.

use crate::metrics::rows::{Metric, Rows};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// A mean over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    sum: f64,
    rows: u64,
}

impl Mean {
    fn add(&mut self, of_rows: impl Iterator<Item = f64>) {
        for value in of_rows {
            self.sum += value;
            self.rows += 1;
        }
    }

    fn value(self) -> f64 {
        self.sum / self.rows as f64
    }
}

/// The mean of −log p of the right class. Probabilities are taken no nearer to 0 and 1 than an f32's epsilon, so that one that is wrong
/// and certain costs 15.9 and not everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogLoss {
    mean: Mean,
}

impl LogLoss {
    /// Of nothing yet.
    pub fn new() -> LogLoss {
        LogLoss::default()
    }
}

impl Metric for LogLoss {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        let rows = Rows::checked(scores, labels)?;
        rows.refuse_logits()?;
        let eps = f64::from(f32::EPSILON);
        self.mean.add(rows.iter().map(|(p, label)| -of_class(p, label).clamp(eps, 1.0 - eps).ln()));
        Ok(())
    }

    fn value(&self) -> f64 {
        self.mean.value()
    }

    fn reset(&mut self) {
        *self = LogLoss::new();
    }
}

/// The probability of a class, from a row's probabilities.
fn of_class(p: &[f32], class: usize) -> f64 {
    match p {
        [second] if class == 0 => 1.0 - f64::from(*second),
        [second] => f64::from(*second),
        _ => f64::from(p[class]),
    }
}

/// The mean square of how far probabilities are from what came: of one probability a row `(p − y)²`; of several the sum over classes, 0 to 2
/// (Brier: Verification of forecasts expressed in terms of probability, 1950).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brier {
    mean: Mean,
}

impl Brier {
    /// Of nothing yet.
    pub fn new() -> Brier {
        Brier::default()
    }
}

impl Metric for Brier {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        let rows = Rows::checked(scores, labels)?;
        rows.refuse_logits()?;
        let square = |p: f32, came: bool| (f64::from(p) - f64::from(u8::from(came))).powi(2);
        self.mean.add(rows.iter().map(|(p, label)| match p {
            [second] => square(*second, label == 1),
            _ => p.iter().enumerate().map(|(class, &p)| square(p, class == label)).sum(),
        }));
        Ok(())
    }

    fn value(&self) -> f64 {
        self.mean.value()
    }

    fn reset(&mut self) {
        *self = Brier::new();
    }
}

/// How many words a model of texts is as good as guessing among: `exp` of the mean of −log softmax(z) at the right one. Takes logits.
///
/// # Examples
/// ```
/// use downhill::metrics::{Metric, Perplexity};
/// use downhill::prelude::*;
///
/// let mut perplexity = Perplexity::new().ignore(0); // padding
/// let logits = Tensor::new([1, 3, 4], vec![0.0_f32; 12])?; // [batch, time, words]
/// perplexity.add(&logits, &Tensor::from([[2_i32, 1, 0]]))?;
/// assert!((perplexity.value() - 4.0).abs() < 1e-12);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Perplexity {
    mean: Mean,
    ignored: Option<usize>,
}

impl Perplexity {
    /// Of nothing yet.
    pub fn new() -> Perplexity {
        Perplexity::default()
    }

    /// Leaves out the rows of this label.
    #[must_use]
    pub fn ignore(mut self, label: usize) -> Perplexity {
        self.ignored = Some(label);
        self
    }
}

impl Metric for Perplexity {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        let rows = Rows::checked(scores, labels)?;
        if rows.width == 1 {
            return Err(misuse("one logit a row", "give a logit for each class, [rows, classes]"));
        }
        let counted = rows.iter().filter(|(_, label)| Some(*label) != self.ignored);
        self.mean.add(counted.map(|(logits, label)| surprise(logits, label)));
        Ok(())
    }

    fn value(&self) -> f64 {
        self.mean.value().exp()
    }

    fn reset(&mut self) {
        self.mean = Mean::default();
    }
}

/// −log softmax(z) at a class, with the greatest logit taken off first.
fn surprise(logits: &[f32], class: usize) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |logit: f32| f64::from(logit) - f64::from(most);
    let sum: f64 = logits.iter().map(|&logit| above(logit).exp()).sum();
    sum.ln() - above(logits[class])
}

/// How far confidence is from being right: rows are put into bins of equal width by the probability of the class they are taken for, and the
/// distances between a bin's mean probability and its share of right rows are averaged, each as heavy as it has rows (Guo, Pleiss, Sun,
/// Weinberger: On Calibration of Modern Neural Networks, 2017). A bin reaches up to its upper bound, which belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationError {
    /// Rows, right rows, sum of confidences.
    bins: Vec<(u64, u64, f64)>,
}

impl CalibrationError {
    /// Of nothing yet, with this many bins (15 in the paper).
    ///
    /// # Errors
    /// No bins, or more than 65,536.
    pub fn new(bins: usize) -> Result<CalibrationError, Error> {
        match bins {
            1..=65536 => Ok(CalibrationError { bins: vec![(0, 0, 0.0); bins] }),
            _ => Err(misuse(
                format!("a calibration error of {bins} bins"),
                "take 1 to 65536; the paper takes 15",
            )),
        }
    }
}

impl Metric for CalibrationError {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        let rows = Rows::checked(scores, labels)?;
        rows.refuse_logits()?;
        let count = self.bins.len();
        for ((p, label), (class, _)) in rows.iter().zip(rows.predicted()) {
            let class = class.unwrap_or(0);
            let confidence = of_class(p, class);
            let at = ((confidence * count as f64).ceil() as usize).clamp(1, count) - 1;
            let (rows, right, sum) = &mut self.bins[at];
            *rows += 1;
            *right += u64::from(class == label);
            *sum += confidence;
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        let rows: u64 = self.bins.iter().map(|(rows, ..)| rows).sum();
        let distances = self.bins.iter().map(|(_, right, sum)| (*right as f64 - sum).abs());
        distances.sum::<f64>() / rows as f64
    }

    fn reset(&mut self) {
        self.bins.fill((0, 0, 0.0));
    }
}
