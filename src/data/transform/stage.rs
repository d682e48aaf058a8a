//! One step of a transform: its numbers, and its text.
//!
//! In: what was measured, rows, or the line that a stage was saved as. Out: [`Stage`], rows.

use crate::data::labels::one_hot;
use crate::mistake::{counted, misuse};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// `(x − shift) / scale`, by column.
    Scale(Vec<(f64, f64)>),
    /// `ln(1 + x)`.
    Log1p,
    /// What stands where a column has no number.
    Impute(Vec<f64>),
    /// A row of zeros with a 1 at the class.
    OneHot(usize),
}

impl Stage {
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        match self {
            Stage::Scale(columns) => by_column(x, columns, |value, (shift, scale)| (value - shift) / scale),
            Stage::Log1p => logarithm(x),
            Stage::Impute(columns) => {
                by_column(x, columns, |value, &fill| if value.is_nan() { fill } else { value })
            }
            Stage::OneHot(classes) => one_hot(x, *classes),
        }
    }

    pub(crate) fn invert(&self, x: &Tensor) -> Result<Tensor, Error> {
        match self {
            Stage::Scale(columns) => by_column(x, columns, |value, (shift, scale)| value * scale + shift),
            Stage::Log1p => each(x, f64::exp_m1),
            Stage::Impute(_) => Ok(x.clone()),
            Stage::OneHot(classes) => labels_of(x, *classes),
        }
    }
}

/// `of` each number and what was measured of its column.
fn by_column<M>(x: &Tensor, measured: &[M], of: impl Fn(f64, &M) -> f64) -> Result<Tensor, Error> {
    let (_, width) = rows_and_width(x)?;
    if width != measured.len() {
        let columns = counted(measured.len(), "column");
        return Err(misuse(
            format!("rows of {} for a transform of {columns}", counted(width, "number")),
            "give rows as those that it was measured on",
        ));
    }
    let numbers = x.as_f32()?.iter().zip(measured.iter().cycle());
    Ok(Tensor::new(
        x.shape(),
        numbers.map(|(&value, of_column)| of(value.into(), of_column) as f32).collect(),
    )?)
}

fn logarithm(x: &Tensor) -> Result<Tensor, Error> {
    match x.as_f32()?.iter().find(|&&value| value <= -1.0) {
        None => each(x, f64::ln_1p),
        Some(value) => Err(misuse(
            format!("{value} has no ln(1 + x)"),
            "take it of numbers from 0 on, before they are scaled around 0",
        )),
    }
}

fn each(x: &Tensor, of: impl Fn(f64) -> f64) -> Result<Tensor, Error> {
    Ok(Tensor::new(x.shape(), x.as_f32()?.iter().map(|&value| of(value.into()) as f32).collect())?)
}

fn labels_of(x: &Tensor, classes: usize) -> Result<Tensor, Error> {
    let numbers = x.as_f32()?;
    let (_, width) = rows_and_width(x)?;
    if width != classes || classes == 0 {
        return Err(misuse(
            format!("rows of {} for {}", counted(width, "score"), counted(classes, "class")),
            "give a score for each class",
        ));
    }
    let greatest = |row: &[f32]| (0..classes).reduce(|best, at| if row[at] > row[best] { at } else { best });
    let labels = numbers.chunks_exact(classes).map(|row| greatest(row).unwrap_or(0) as i32);
    Ok(Tensor::from(labels.collect::<Vec<i32>>()))
}

/// The numbers of each column.
pub(crate) fn columns(x: &Tensor) -> Result<Vec<Vec<f64>>, Error> {
    let numbers = x.as_f32()?;
    let (rows, width) = rows_and_width(x)?;
    if rows == 0 {
        return Err(misuse("a transform was to be measured on no rows", "measure it on the training data"));
    }
    let column = |at: usize| numbers.iter().skip(at).step_by(width).map(|&value| f64::from(value)).collect();
    Ok((0..width).map(column).collect())
}

fn rows_and_width(x: &Tensor) -> Result<(usize, usize), Error> {
    match x.shape() {
        [] => Err(misuse("a single number has no rows", "give a tensor whose first axis counts rows")),
        // Beside an axis of nothing the others may be of any size.
        [rows, rest @ ..] => {
            Ok((*rows, rest.iter().fold(1_usize, |width, &size| width.saturating_mul(size))))
        }
    }
}

impl fmt::Display for Stage {
    /// `scale shift:scale …`, `log1p`, `impute value …`, `one_hot classes`. Every number is written so that it is read as it was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Scale(columns) => {
                f.write_str("scale")?;
                columns.iter().try_for_each(|(shift, scale)| write!(f, " {shift}:{scale}"))
            }
            Stage::Log1p => f.write_str("log1p"),
            Stage::Impute(values) => {
                f.write_str("impute")?;
                values.iter().try_for_each(|value| write!(f, " {value}"))
            }
            Stage::OneHot(classes) => write!(f, "one_hot {classes}"),
        }
    }
}

impl Stage {
    /// What a line says, if it says one.
    pub(crate) fn of_line(line: &str) -> Option<Stage> {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        let stage = match kind {
            "scale" => Stage::Scale(words.by_ref().map(scaled).collect::<Option<_>>()?),
            "log1p" => Stage::Log1p,
            "impute" => Stage::Impute(words.by_ref().map(number).collect::<Option<_>>()?),
            "one_hot" => Stage::OneHot(words.next()?.parse().ok()?),
            _ => return None,
        };
        words.next().is_none().then_some(stage)
    }
}

fn scaled(word: &str) -> Option<(f64, f64)> {
    let (shift, scale) = word.split_once(':')?;
    Some((number(shift)?, number(scale).filter(|&scale| scale > 0.0)?))
}

fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite())
}
