//! What share of the rows is right.

use crate::metrics::rows::{Metric, Rows, predicted, told_classes};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// What share of the rows have their greatest score (the first of equals) at their label. A row with a NaN is never right, nor is
/// one whose label is no class. NaN for no rows.
///
/// # Shapes
/// Scores (logits or probabilities) `[…, classes]`, f32, or predicted classes `[…]`, of integers; labels `[…]`, i32.
///
/// # Errors
/// Other shapes or types. One score a row is no score of classes: [`binary_accuracy`] takes it.
///
/// # Examples
/// ```
/// use downhill::prelude::*;
///
/// let scores = Tensor::from([[0.1_f32, 0.9], [0.8, 0.2]]);
/// assert_eq!(accuracy(&scores, &Tensor::from([1_i32, 1]))?, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias("accuracy_score", "sparse_categorical_accuracy"))]
pub fn accuracy(scores: &Tensor, labels: &Tensor) -> Result<f64, Error> {
    if scores.as_f32().is_err() {
        return Accuracy::new().of(scores, labels);
    }
    let (shape, numbers) = (scores.shape(), scores.as_f32()?);
    if let [_] | [_, 1] = shape {
        return Err(misuse(
            format!("scores of shape {shape:?} are one number a row"),
            "`binary_accuracy` takes probabilities of two classes; `accuracy` a score for each class, [rows, classes]",
        ));
    }
    let outer = shape.split_last().filter(|(_, outer)| *outer == labels.shape());
    let Some((&classes, _)) = outer else {
        return Err(misuse(
            format!("scores of shape {shape:?} for labels of shape {:?}", labels.shape()),
            "scores are [rows, classes], labels [rows]",
        ));
    };

    let labels = labels.as_i32()?;
    let right = labels.iter().enumerate().filter(|&(row, &label)| {
        let class = predicted_of_many(&numbers[row * classes..][..classes]);
        class.is_some_and(|class| usize::try_from(label) == Ok(class))
    });
    Ok(right.count() as f64 / labels.len() as f64)
}

/// A row of one class has a greatest score all the same.
fn predicted_of_many(scores: &[f32]) -> Option<usize> {
    if let [score] = scores { Some(0).filter(|_| !score.is_nan()) } else { predicted(scores) }
}

/// What share of the probabilities are on the side of one half that their target, 0 or 1, is on. A NaN, as probability or as target,
/// is on neither side: never right. NaN for none.
///
/// # Shapes
/// Both alike, f32.
///
/// # Errors
/// Other shapes or types.
pub fn binary_accuracy(probabilities: &Tensor, targets: &Tensor) -> Result<f64, Error> {
    let (p, y) = (probabilities.as_f32()?, targets.as_f32()?);
    if probabilities.shape() != targets.shape() {
        let (p, y) = (probabilities.shape(), targets.shape());
        return Err(misuse(
            format!("probabilities of shape {p:?} for targets of shape {y:?}"),
            "give the same shape",
        ));
    }
    let side = |value: f32| if value.is_nan() { None } else { Some(value > 0.5) };
    let right = p.iter().zip(y).filter(|&(&p, &y)| side(p).is_some() && side(p) == side(y)).count();
    Ok(right as f64 / p.len() as f64)
}

/// How many rows were right, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    right: u64,
    rows: u64,
}

impl Share {
    fn add(&mut self, right: impl Iterator<Item = bool>) {
        for right in right {
            self.right += u64::from(right);
            self.rows += 1;
        }
    }

    fn value(self) -> f64 {
        self.right as f64 / self.rows as f64
    }
}

/// What share of the rows have their greatest score (the first of equals) at their label; of one probability a row, what share lies on
/// the right side of one half. A row with a NaN is not right. Predicted classes may stand in the place of scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accuracy {
    share: Share,
}

impl Accuracy {
    /// Of nothing yet.
    pub fn new() -> Accuracy {
        Accuracy::default()
    }
}

impl Metric for Accuracy {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        if let Some(pairs) = told_classes(scores, labels, usize::MAX)? {
            self.share.add(pairs.into_iter().map(|(class, label)| class == label));
            return Ok(());
        }
        let rows = Rows::of(scores, labels)?;
        self.share.add(rows.predicted().map(|(class, label)| class == Some(label)));
        Ok(())
    }

    fn value(&self) -> f64 {
        self.share.value()
    }

    fn reset(&mut self) {
        *self = Accuracy::new();
    }
}

/// What share of the rows have their label's score among the k greatest. Of equal scores the first counts as greater; a row with a NaN is
/// not right.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    k: usize,
    share: Share,
}

impl TopK {
    /// Of nothing yet.
    pub fn new(k: usize) -> TopK {
        TopK { k, share: Share::default() }
    }
}

impl Metric for TopK {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        let rows = Rows::of(scores, labels)?;
        if rows.width == 1 {
            return Err(misuse(
                "the greatest of one score a row",
                "give a score for each class, [rows, classes]",
            ));
        }
        let k = self.k;
        self.share.add(rows.iter().map(|(scores, label)| {
            let own = scores[label];
            let above = |(at, &score): (usize, &f32)| score > own || score == own && at < label;
            let above = scores.iter().enumerate().filter(|&pair| above(pair)).count();
            above < k && !scores.iter().any(|score| score.is_nan())
        }));
        Ok(())
    }

    fn value(&self) -> f64 {
        self.share.value()
    }

    fn reset(&mut self) {
        *self = TopK::new(self.k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_counts_what_is_right() {
        let scores = Tensor::from([[0.1_f32, 0.9], [0.8, 0.2], [f32::NAN, 1.0], [2.0, 2.0]]);
        assert_eq!(accuracy(&scores, &Tensor::from([1_i32, 1, 1, 0])).expect("a share"), 0.5);
        let classes = Tensor::from([1_i32, 0, 2]);
        assert_eq!(accuracy(&classes, &Tensor::from([1_i32, 1, 2])).expect("a share"), 2.0 / 3.0);
        assert!(accuracy(&classes, &Tensor::from([1_i32, 1])).is_err());
        let p = Tensor::from([[0.2_f32], [0.9]]);
        assert_eq!(binary_accuracy(&p, &Tensor::from([[0.0_f32], [0.0]])).expect("a share"), 0.5);
        let error = accuracy(&p, &Tensor::from([0_i32, 0])).expect_err("one score").to_string();
        assert!(
            error.contains("[2, 1] are one number a row") && error.contains("`binary_accuracy`"),
            "{error}"
        );
    }

    #[test]
    fn what_is_nan_is_never_right() {
        let (p, y) = ([f32::NAN, f32::NAN, 0.2, f32::NAN], [0.0, 1.0, f32::NAN, f32::NAN]);
        assert_eq!(binary_accuracy(&Tensor::from(p), &Tensor::from(y)).expect("a share"), 0.0);
        // A label that is no class beside a row without a greatest score: both are nothing, and not equal.
        let scores = Tensor::from([[f32::NAN, 1.0], [0.0, f32::NAN]]);
        assert_eq!(accuracy(&scores, &Tensor::from([-1, 0])).expect("a share"), 0.0);
        let nothing = Tensor::new([1, 0], Vec::<f32>::new()).expect("no scores");
        assert_eq!(accuracy(&nothing, &Tensor::from([-1])).expect("a share"), 0.0);
    }
}
