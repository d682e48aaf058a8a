//! Which classes are taken for which, and what is counted from it.

use crate::metrics::rows::{Metric, Rows, told_classes};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use std::fmt;

/// How often each class was taken for each. Predicted classes, integers like the labels, may stand in the place of scores.
///
/// # Examples
/// ```
/// use downhill::metrics::{Confusion, Metric};
/// use downhill::prelude::*;
///
/// let mut confusion = Confusion::new(2);
/// confusion.add(&Tensor::from([0.9_f32, 0.2, 0.8]), &Tensor::from([1_i32, 0, 0]))?;
/// assert_eq!((confusion.count(0, 1), confusion.count(1, 1)), (1, 1)); // of label 0 taken for 1, of label 1
/// assert_eq!(confusion.value(), 2.0 / 3.0); // the accuracy
/// confusion.add(&Tensor::from([1, 1]), &Tensor::from([1, 0]))?; // classes that something else has predicted
/// assert_eq!((confusion.count(0, 1), confusion.count(1, 1)), (2, 2));
/// println!("{confusion}");
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[doc(alias("confusion_matrix", "ConfusionMatrix"))]
pub struct Confusion {
    classes: usize,
    /// By label, then by prediction; none before the first row.
    counts: Vec<u64>,
}

impl Confusion {
    /// Of nothing yet, for this many classes.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: Vec::new() }
    }

    /// How many rows of this label were taken for that class; 0 for what is no class.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        let known = label < self.classes && predicted < self.classes && !self.counts.is_empty();
        if known { self.counts[label * self.classes + predicted] } else { 0 }
    }

    /// Precision, recall and F1 of each class, with the number of its rows.
    pub fn classes(&self) -> Vec<ClassScores> {
        (0..self.classes)
            .map(|class| {
                let right = self.count(class, class) as f64;
                let (rows, taken) = (self.of_label(class), self.taken_for(class));
                ClassScores {
                    precision: ratio(right, taken as f64),
                    recall: ratio(right, rows as f64),
                    f1: ratio(2.0 * right, (rows + taken) as f64),
                    rows,
                    seen: rows + taken > 0,
                }
            })
            .collect()
    }

    fn make_room(&mut self) -> Result<(), Error> {
        let size = self.classes.saturating_mul(self.classes);
        let more = size - self.counts.len();
        self.counts.try_reserve_exact(more).map_err(|_| Error::Memory {
            what: format!("a confusion of {} classes", self.classes),
            bytes: size.saturating_mul(size_of::<u64>()),
        })?;
        self.counts.resize(size, 0);
        Ok(())
    }

    fn of_label(&self, label: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(label, predicted)).sum()
    }

    fn taken_for(&self, predicted: usize) -> u64 {
        (0..self.classes).map(|label| self.count(label, predicted)).sum()
    }

    fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn right(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// One number of all classes.
    fn averaged(&self, average: Average, of: impl Fn(&ClassScores) -> f64) -> f64 {
        if self.rows() == 0 {
            return f64::NAN;
        }
        let classes = self.classes();
        match average {
            // Every row has one label and one prediction, so that all three are the share of right ones.
            Average::Micro => self.value(),
            Average::Macro => {
                let seen = classes.iter().filter(|class| class.seen);
                seen.clone().map(&of).sum::<f64>() / seen.count() as f64
            }
            Average::Weighted => {
                let sum: f64 = classes.iter().map(|class| of(class) * class.rows as f64).sum();
                sum / self.rows() as f64
            }
            Average::Class(class) => classes.get(class).map_or(f64::NAN, of),
        }
    }

    /// The correlation of labels and predictions (Gorodkin: Comparing two K-category assignments by a K-category correlation coefficient,
    /// 2004).
    fn matthews(&self) -> f64 {
        let (rows, right) = (self.rows() as f64, self.right() as f64);
        let sums: Vec<(f64, f64)> = (0..self.classes)
            .map(|class| (self.of_label(class) as f64, self.taken_for(class) as f64))
            .collect();
        let across: f64 = sums.iter().map(|(label, taken)| label * taken).sum();
        let labels: f64 = sums.iter().map(|(label, _)| label * label).sum();
        let taken: f64 = sums.iter().map(|(_, taken)| taken * taken).sum();
        let scale = ((rows * rows - labels) * (rows * rows - taken)).sqrt();
        if rows == 0.0 { f64::NAN } else { ratio(right * rows - across, scale) }
    }
}

/// 0 where there is nothing to divide by.
fn ratio(above: f64, below: f64) -> f64 {
    if below == 0.0 { 0.0 } else { above / below }
}

impl Metric for Confusion {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        if let Some(pairs) = told_classes(scores, labels, self.classes)? {
            self.make_room()?;
            pairs
                .into_iter()
                .for_each(|(predicted, label)| self.counts[label * self.classes + predicted] += 1);
            return Ok(());
        }
        let rows = Rows::checked(scores, labels)?;
        if rows.classes() != self.classes && !rows.labels.is_empty() {
            return Err(misuse(
                format!("scores of {} classes for a metric of {}", rows.classes(), self.classes),
                "make the metric for as many classes as there are scores in a row",
            ));
        }
        self.make_room()?;
        for (predicted, label) in rows.predicted() {
            // No score is NaN, so that every row has a greatest.
            let Some(predicted) = predicted else { continue };
            self.counts[label * self.classes + predicted] += 1;
        }
        Ok(())
    }

    /// The accuracy: the share of the rows on the diagonal.
    fn value(&self) -> f64 {
        self.right() as f64 / self.rows() as f64
    }

    fn reset(&mut self) {
        self.counts.clear();
    }
}

impl fmt::Display for Confusion {
    /// A line for each label, a column for each prediction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.counts.iter().map(|count| count.to_string().len()).max().unwrap_or(1);
        let width = widest.max(self.classes.to_string().len()).max(2);
        write!(f, "label \\ predicted")?;
        (0..self.classes).try_for_each(|class| write!(f, " {class:>width$}"))?;
        for label in 0..self.classes {
            write!(f, "\n{label:>17}")?;
            (0..self.classes).try_for_each(|class| write!(f, " {:>width$}", self.count(label, class)))?;
        }
        Ok(())
    }
}

/// How well one class is told from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores {
    /// Which share of those taken for it are of it; 0 where none is.
    pub precision: f64,
    /// Which share of those of it are taken for it; 0 where there is none.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How many rows have its label.
    pub rows: u64,
    /// Whether it is a label or a prediction of any row.
    seen: bool,
}

/// How the scores of classes become one number: scikit-learn's `average`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The mean of the classes that are a label or a prediction of any row.
    Macro,
    /// Of all rows together.
    Micro,
    /// The mean of the classes, each as heavy as it has rows.
    Weighted,
    /// Of this class alone; `Class(1)` is what `binary` says elsewhere.
    Class(usize),
}

macro_rules! averaged {
    ($($(#[$doc:meta])* $name:ident: $field:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            average: Average,
            confusion: Confusion,
        }

        impl $name {
            /// Of nothing yet, for this many classes. [`Average`] says how they become one number.
            pub fn new(classes: usize, average: Average) -> $name {
                $name { average, confusion: Confusion::new(classes) }
            }
        }

        impl Metric for $name {
            fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
                self.confusion.add(scores, labels)
            }

            fn value(&self) -> f64 {
                self.confusion.averaged(self.average, |class| class.$field)
            }

            fn reset(&mut self) {
                self.confusion.reset();
            }
        }
    )*};
}

averaged! {
    /// Which share of those taken for a class are of it. 0 for a class that nothing is taken for.
    Precision: precision,
    /// Which share of those of a class are taken for it. 0 for a class without rows.
    Recall: recall,
    /// The harmonic mean of precision and recall, `2·right / (labels + predictions)`. 0 for a class that never comes up.
    F1: f1
}

/// Matthews' correlation of labels and predictions, −1 to 1. 0 where all rows have one label, or one prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct Matthews {
    confusion: Confusion,
}

impl Matthews {
    /// Of nothing yet, for this many classes.
    pub fn new(classes: usize) -> Matthews {
        Matthews { confusion: Confusion::new(classes) }
    }
}

impl Metric for Matthews {
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error> {
        self.confusion.add(scores, labels)
    }

    fn value(&self) -> f64 {
        self.confusion.matthews()
    }

    fn reset(&mut self) {
        self.confusion.reset();
    }
}
