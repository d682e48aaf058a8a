//! How good a network is, measured over whole sets in pieces.
//!
//! In: scores and labels, a piece at a time. Out: a number for all of them, as scikit-learn would give it for the whole.
//!
//! A [`Metric`] is given every piece by `add` and asked for its `value` at the end. It keeps sums; what depends on an order of all scores
//! ([`RocAuc`], [`AveragePrecision`]) keeps the scores. Sums are in f64, whatever the pieces are.
//!
//! # Shapes
//! Scores of classes are `[…, classes]`, f32, their labels `[…]`, of integers. Scores of two classes may be the probability of the second alone, as
//! `[n]` or `[n, 1]`; their labels, 0 and 1, are then of any type, as `[n]` or `[n, 1]`. Where the class alone counts (accuracy, confusion and what is
//! made of it), predicted classes, integers like the labels, may stand in the place of scores. Predicted numbers and their targets are alike, f32.
//!
//! # What is not defined
//! No rows give NaN. A NaN among scores is refused, but by [`Accuracy`] and [`TopK`], where such a row is not right. Each metric says what
//! it gives where its formula divides by zero.
//!
//! # Examples
//! ```
//! use downhill::metrics::{Accuracy, Average, F1, Metric};
//! use downhill::prelude::*;
//!
//! let (mut right, mut f1) = (Accuracy::new(), F1::new(3, Average::Macro));
//! for (scores, labels) in [
//!     ([[0.7_f32, 0.2, 0.1], [0.1, 0.8, 0.1]], [0_i32, 1]),
//!     ([[0.3, 0.3, 0.4], [0.2, 0.7, 0.1]], [2, 0]),
//! ] {
//!     let (scores, labels) = (Tensor::from(scores), Tensor::from(labels));
//!     right.add(&scores, &labels)?;
//!     f1.add(&scores, &labels)?;
//! }
//! assert_eq!(right.value(), 0.75);
//! assert!((f1.value() - 7.0 / 9.0).abs() < 1e-12);
//! // Of one piece alone, here of classes that were predicted:
//! assert_eq!(Accuracy::new().of(&Tensor::from([1, 2, 0]), &Tensor::from([1, 2, 2]))?, 2.0 / 3.0);
//! # Ok::<(), downhill::Error>(())
//! ```

mod rows;
mod accuracy;
mod confusion;
mod ranking;
mod probability;
mod regression;

pub use self::accuracy::{Accuracy, TopK, accuracy, binary_accuracy};
pub use self::confusion::{Average, Confusion, F1, Matthews, Precision, Recall};
pub use self::probability::{Brier, CalibrationError, LogLoss, Perplexity};
pub use self::ranking::{AveragePrecision, RocAuc};
pub use self::regression::{
    MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, R2, RootMeanSquaredError,
};
pub use self::rows::Metric;
