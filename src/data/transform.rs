//! Numbers made fit for a network: measured on the training data, applied to all.
//!
//! In: tensors of rows. Out: [`Transform`]s, and tensors.

mod stage;

use self::stage::{Stage, columns};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use std::fmt;
use std::str::FromStr;

/// A function of rows that was measured on training data. Later rows, of validation and of use, go through the same numbers.
///
/// A column is all numbers at the same index of their rows. A transform is saved as text (`to_string`, `parse`); [`Transform::invert`] takes
/// a prediction back to the units of the data.
///
/// # Examples
/// ```
/// use downhill::data::Transform;
/// use downhill::prelude::*;
///
/// let training = Tensor::from([[1.0_f32, f32::NAN], [3.0, 4.0], [2.0, 8.0]]);
/// // What is missing is filled, then every column is brought between 0 and 1.
/// let fill = Transform::impute_mean(&training)?;
/// let prepare = fill.then(&training, Transform::min_max)?;
/// let x = prepare.apply(&training)?;
/// assert_eq!(x.as_f32()?[1], 0.5);
/// assert_eq!(prepare.invert(&x)?, Tensor::from([[1.0_f32, 6.0], [3.0, 4.0], [2.0, 8.0]]));
///
/// let saved = prepare.to_string();
/// assert_eq!(saved.parse::<Transform>()?, prepare);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    stages: Vec<Stage>,
}

impl Transform {
    /// `(x − mean) / deviation`, by column, so that the data it is measured on has mean 0 and standard deviation 1. A column of one value is
    /// only shifted.
    ///
    /// # Errors
    /// Numbers that are not f32s, or not finite; no rows.
    pub fn standard(x: &Tensor) -> Result<Transform, Error> {
        Transform::scale(x, |column| {
            let rows = column.len() as f64;
            let mean = column.iter().sum::<f64>() / rows;
            let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        })
    }

    /// `(x − least) / (most − least)`, by column, so that the data it is measured on is between 0 and 1. A column of one value is only
    /// shifted.
    ///
    /// # Errors
    /// As [`Transform::standard`].
    pub fn min_max(x: &Tensor) -> Result<Transform, Error> {
        Transform::scale(x, |column| {
            let least = column.iter().copied().fold(f64::INFINITY, f64::min);
            let most = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (least, if most > least { most - least } else { 1.0 })
        })
    }

    /// `ln(1 + x)`, for numbers from 0 on that range over powers of ten: prices, counts. Nothing is measured; numbers up to −1 are refused.
    pub fn log1p() -> Transform {
        Stage::Log1p.into()
    }

    /// The column's mean where a number is NaN.
    ///
    /// # Errors
    /// Numbers that are not f32s; a column that has none.
    pub fn impute_mean(x: &Tensor) -> Result<Transform, Error> {
        Transform::impute(x, |column| column.iter().sum::<f64>() / column.len() as f64)
    }

    /// The column's median where a number is NaN; of an even count the mean of both in the middle.
    ///
    /// # Errors
    /// As [`Transform::impute_mean`].
    pub fn impute_median(x: &Tensor) -> Result<Transform, Error> {
        Transform::impute(x, |column| {
            column.sort_unstable_by(f64::total_cmp);
            let middle = column.len() / 2;
            if column.len() % 2 == 1 { column[middle] } else { (column[middle - 1] + column[middle]) / 2.0 }
        })
    }

    /// These numbers where one is NaN: one for each column.
    pub fn impute_with(values: &[f64]) -> Transform {
        Stage::Impute(values.to_vec()).into()
    }

    /// A row of zeros with a 1 at the class, for each label: `[n]`, i32 → `[n, classes]`, f32. Nothing is measured.
    pub fn one_hot(classes: usize) -> Transform {
        Stage::OneHot(classes).into()
    }

    /// This transform, then the one that `measure` makes of what this one gives for `x`: the training data.
    ///
    /// # Errors
    /// Those of [`Transform::apply`] and of `measure`.
    pub fn then(
        mut self,
        x: &Tensor,
        measure: impl FnOnce(&Tensor) -> Result<Transform, Error>,
    ) -> Result<Transform, Error> {
        let next = measure(&self.apply(x)?)?;
        self.stages.extend(next.stages);
        Ok(self)
    }

    /// The rows, transformed.
    ///
    /// # Shapes
    /// As given, but for [`Transform::one_hot`].
    ///
    /// # Errors
    /// Rows of another width than it was measured on; other types.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.stages.iter().try_fold(x.clone(), |x, stage| stage.apply(&x))
    }

    /// The rows that [`Transform::apply`] made these of, up to rounding. What was filled stays filled; of rows of classes the greatest is
    /// the label.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    pub fn invert(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.stages.iter().rev().try_fold(x.clone(), |x, stage| stage.invert(&x))
    }

    fn scale(x: &Tensor, of: impl Fn(&[f64]) -> (f64, f64)) -> Result<Transform, Error> {
        let columns = columns(x)?.into_iter().enumerate().map(|(at, column)| {
            match column.iter().position(|value| !value.is_finite()) {
                None => Ok(of(&column)),
                Some(row) => Err(misuse(
                    format!("row {row} of column {at} is {}", column[row]),
                    "fill what is missing first: `Transform::impute_mean(&x)?.then(&x, Transform::standard)?`",
                )),
            }
        });
        Ok(Stage::Scale(columns.collect::<Result<_, Error>>()?).into())
    }

    fn impute(x: &Tensor, of: impl Fn(&mut Vec<f64>) -> f64) -> Result<Transform, Error> {
        let columns = columns(x)?.into_iter().enumerate().map(|(at, mut column)| {
            column.retain(|value| !value.is_nan());
            match column.is_empty() {
                false => Ok(of(&mut column)),
                true => Err(misuse(
                    format!("column {at} has no number"),
                    "leave it out, or say what stands for it: `Transform::impute_with(&[…])`",
                )),
            }
        });
        Ok(Stage::Impute(columns.collect::<Result<_, Error>>()?).into())
    }
}

impl From<Stage> for Transform {
    fn from(stage: Stage) -> Transform {
        Transform { stages: vec![stage] }
    }
}

impl fmt::Display for Transform {
    /// A line for each stage: `scale shift:scale …`, `log1p`, `impute value …`, `one_hot classes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stages.iter().try_for_each(|stage| writeln!(f, "{stage}"))
    }
}

impl FromStr for Transform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Transform, Error> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let stages = lines.map(|(at, line)| {
            Stage::of_line(line).ok_or_else(|| {
                misuse(
                    format!("line {} of a transform is `{line}`", at + 1),
                    "a line is `scale shift:scale …`, `log1p`, `impute value …` or `one_hot classes`",
                )
            })
        });
        Ok(Transform { stages: stages.collect::<Result<_, Error>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardised() {
        let x = Tensor::from([[1.0_f32, 5.0], [3.0, 5.0]]);
        let standard = Transform::standard(&x).expect("a standard");
        assert_eq!(standard.apply(&x).expect("scaled"), Tensor::from([[-1.0_f32, 0.0], [1.0, 0.0]]));
        assert!(standard.apply(&Tensor::from([[1.0_f32]])).is_err());
        let error = Transform::standard(&Tensor::from([[1.0_f32], [f32::NAN]])).expect_err("NaN").to_string();
        assert!(error.starts_with("row 1 of column 0 is NaN"), "{error}");
        assert!(Transform::standard(&Tensor::new([0, 2], Vec::<f32>::new()).expect("empty")).is_err());
    }

    #[test]
    fn each_is_inverted() {
        let x = Tensor::from([[0.0_f32, 5.0], [3.0, 9.0], [10.0, 6.0]]);
        let close = |a: &Tensor, b: &Tensor| {
            a.shape() == b.shape()
                && a.to_f64_vec().iter().zip(b.to_f64_vec()).all(|(a, b)| (a - b).abs() < 1e-5)
        };
        let log = Transform::log1p().then(&x, Transform::min_max).expect("both");
        for transform in [Transform::min_max(&x).expect("a range"), log, Transform::impute_with(&[1.0, 2.0])]
        {
            let there = transform.apply(&x).expect("there");
            assert!(close(&transform.invert(&there).expect("back"), &x), "{transform}");
        }
        let range = Transform::min_max(&x).expect("a range").apply(&x).expect("scaled");
        assert_eq!(range, Tensor::from([[0.0_f32, 0.0], [0.3, 1.0], [1.0, 0.25]]));
        let labels = Tensor::from([2_i32, 0]);
        let rows = Transform::one_hot(3).apply(&labels).expect("rows");
        assert_eq!(Transform::one_hot(3).invert(&rows).expect("labels"), labels);
    }

    #[test]
    fn what_is_missing_is_filled() {
        let x = Tensor::from([[1.0_f32], [f32::NAN], [2.0], [9.0], [4.0]]);
        let filled = |fill: Transform| fill.apply(&x).expect("filled").as_f32().expect("f32")[1];
        assert_eq!(filled(Transform::impute_mean(&x).expect("a mean")), 4.0);
        assert_eq!(filled(Transform::impute_median(&x).expect("a median")), 3.0);
        assert_eq!(filled(Transform::impute_with(&[7.0])), 7.0);
        let error = Transform::impute_mean(&Tensor::from([[f32::NAN]])).expect_err("nothing").to_string();
        assert!(error.starts_with("column 0 has no number"), "{error}");
    }

    #[test]
    fn every_transform_is_saved() {
        let x = Tensor::from([[0.1_f32, 5.0], [1.0 / 3.0, 9.0]]);
        let all = Transform::impute_median(&x).expect("medians").then(&x, Transform::min_max).expect("both");
        let all = all
            .then(&x, |_| Ok(Transform::log1p()))
            .expect("three")
            .then(&x, Transform::standard)
            .expect("four");
        let error = Transform::standard(&x).expect("a standard").then(&x, |_| Ok(Transform::log1p()));
        assert!(
            error
                .expect("both")
                .apply(&x)
                .expect_err("below -1")
                .to_string()
                .starts_with("-1 has no ln(1 + x)")
        );
        assert_eq!(all.to_string().parse::<Transform>().expect("a transform"), all);
        assert_eq!(Transform::one_hot(4).to_string(), "one_hot 4\n");
        for text in ["standard 1", "scale 1", "scale 1:x", "scale 1:0", "log1p 2", "one_hot", "impute a"] {
            let error = text.parse::<Transform>().expect_err("no transform").to_string();
            assert!(error.starts_with(&format!("line 1 of a transform is `{text}`")), "{error}");
        }
    }
}
