//! Scores and labels, row by row.
//!
//! In: tensors. Out: [`Rows`], checked; what every metric is.

use crate::mistake::misuse;
use downhill_graph::tensor::{Data, Tensor};
use downhill_runtime::error::Error;

/// A number over a set that is seen in pieces.
pub trait Metric {
    /// Takes a piece: what a network gave, and what is right.
    ///
    /// # Errors
    /// Shapes or types that do not fit; labels that are no class; NaN where it has no meaning. Nothing is added then.
    fn add(&mut self, scores: &Tensor, labels: &Tensor) -> Result<(), Error>;

    /// The metric of all pieces so far.
    fn value(&self) -> f64;

    /// Forgets all pieces.
    fn reset(&mut self);

    /// The metric of one piece alone: `F1::new(3, Average::Macro).of(&scores, &labels)?`.
    ///
    /// # Errors
    /// As [`Metric::add`].
    fn of(mut self, scores: &Tensor, labels: &Tensor) -> Result<f64, Error>
    where
        Self: Sized,
    {
        self.reset();
        self.add(scores, labels)?;
        Ok(self.value())
    }
}

/// Scores of classes with their labels.
pub(crate) struct Rows<'a> {
    scores: &'a [f32],
    /// Numbers a row; 1 where the score is that of the second of two classes.
    pub(crate) width: usize,
    pub(crate) labels: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Scores and labels as the head of [`metrics`](crate::metrics) says, none of the scores NaN.
    pub(crate) fn checked(scores: &'a Tensor, labels: &Tensor) -> Result<Rows<'a>, Error> {
        let rows = Rows::of(scores, labels)?;
        match rows.scores.iter().position(|score| score.is_nan()) {
            None => Ok(rows),
            Some(at) => Err(misuse(
                format!("the score of row {} is NaN", at / rows.width),
                "look for what made it; `net.step` says where a NaN came from",
            )),
        }
    }

    /// As [`Rows::checked`], with NaN let through.
    pub(crate) fn of(scores: &'a Tensor, labels: &Tensor) -> Result<Rows<'a>, Error> {
        let (shape, numbers) = (scores.shape(), scores.as_f32()?);
        let of_classes = shape.split_last().filter(|(_, outer)| *outer == labels.shape());
        let (width, rows) = match of_classes {
            Some((&width, _)) if width != 1 || labels.shape().len() == 1 => (width, labels.len()),
            _ if numbers.len() == labels.len() && is_flat(shape) && is_flat(labels.shape()) => {
                (1, labels.len())
            }
            _ => return Err(unlike(shape, labels.shape())),
        };
        if width == 0 && rows > 0 {
            return Err(misuse("scores of no classes", "give a score for each class"));
        }
        let classes = if width == 1 { 2 } else { width };
        Ok(Rows { scores: numbers, width, labels: classes_of("labels", labels, classes)? })
    }

    /// How many classes the labels are of.
    pub(crate) fn classes(&self) -> usize {
        if self.width == 1 { 2 } else { self.width }
    }

    /// Every row's scores with its label.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a [f32], usize)> {
        // Without rows there is nothing to cut.
        self.scores.chunks_exact(self.width.max(1)).zip(self.labels.iter().copied())
    }

    /// Every row's predicted class with its label.
    pub(crate) fn predicted(&self) -> impl Iterator<Item = (Option<usize>, usize)> {
        self.iter().map(|(scores, label)| (predicted(scores), label))
    }

    /// Refuses what is no probability.
    pub(crate) fn refuse_logits(&self) -> Result<(), Error> {
        // Rounding of a softmax may leave the range by a little.
        let fits = |p: f32| (-1e-5..=1.0 + 1e-5).contains(&p);
        match self.scores.iter().position(|&p| !fits(p)) {
            None => Ok(()),
            Some(at) => Err(misuse(
                format!("row {} holds {}, which is no probability", at / self.width, self.scores[at]),
                "give probabilities: `output p = softmax(z);` or `output p = sigmoid(z);`",
            )),
        }
    }
}

/// Predicted classes with their labels, both below `classes`, where integers were given in the place of scores; nothing where scores were.
pub(crate) fn told_classes(
    predicted: &Tensor,
    labels: &Tensor,
    classes: usize,
) -> Result<Option<Vec<(usize, usize)>>, Error> {
    if !matches!(predicted.data(), Data::I32(_) | Data::U32(_)) {
        return Ok(None);
    }
    if predicted.shape() != labels.shape() {
        let (p, y) = (predicted.shape(), labels.shape());
        return Err(misuse(
            format!("predicted classes of shape {p:?} for labels of shape {y:?}"),
            "give a class for each label, or scores, f32, [rows, classes]",
        ));
    }
    let predicted = classes_of("predicted classes", predicted, classes)?;
    let labels = classes_of("labels", labels, classes)?;
    Ok(Some(predicted.into_iter().zip(labels).collect()))
}

/// The class of the greatest score, the first of equals; of one score whether it is above one half. `None` where one is NaN.
pub(crate) fn predicted(scores: &[f32]) -> Option<usize> {
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    match scores {
        [probability] => Some(usize::from(*probability > 0.5)),
        _ => (0..scores.len()).reduce(|best, at| if scores[at] > scores[best] { at } else { best }),
    }
}

/// One number a row: `[n]` or `[n, 1]`.
fn is_flat(shape: &[usize]) -> bool {
    matches!(shape, [_] | [_, 1])
}

fn unlike(scores: &[usize], labels: &[usize]) -> Error {
    misuse(
        format!("scores of shape {scores:?} for labels of shape {labels:?}"),
        "scores are [rows, classes] for labels [rows]; those of two classes may be [rows] or [rows, 1]",
    )
}

/// Labels as classes, of whatever type they are.
fn classes_of(name: &str, labels: &Tensor, classes: usize) -> Result<Vec<usize>, Error> {
    let count = i64::try_from(classes).unwrap_or(i64::MAX);
    let found = |position: usize, value: i64| match usize::try_from(value) {
        Ok(class) if class < classes => Ok(class),
        _ => Err(Error::Class { name: name.into(), position, value, classes: count }),
    };
    let real = |(position, value): (usize, f64)| match value.fract() == 0.0 {
        true => found(position, value as i64),
        false => {
            Err(misuse(format!("label {value} in row {position}"), "labels are whole numbers, from 0 on"))
        }
    };
    match labels.data() {
        Data::I32(values) => values.iter().enumerate().map(|(at, &value)| found(at, value.into())).collect(),
        Data::U32(values) => values.iter().enumerate().map(|(at, &value)| found(at, value.into())).collect(),
        Data::Bool(values) => values.iter().enumerate().map(|(at, &value)| found(at, value.into())).collect(),
        Data::F32(values) => values.iter().map(|&value| value.into()).enumerate().map(real).collect(),
        Data::F64(values) => values.iter().copied().enumerate().map(real).collect(),
    }
}
