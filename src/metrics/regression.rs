//! How far predicted numbers are from their targets.
//!
//! Rows are `[n]` or `[n, …]`; the numbers at one index of all rows are a column. A metric of several columns is the mean of theirs.

use crate::metrics::rows::Metric;
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;

/// Sums over the columns of all pieces.
#[derive(Clone, Debug, Default, PartialEq)]
struct Columns {
    rows: u64,
    columns: Vec<Column>,
}

/// What is kept of a column. The mean and the spread of targets are Welford's, which lose no digits to an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Column {
    absolute: f64,
    square: f64,
    share: f64,
    mean: f64,
    spread: f64,
}

impl Columns {
    fn add(&mut self, predicted: &Tensor, targets: &Tensor) -> Result<(), Error> {
        let (p, y) = (predicted.as_f32()?, targets.as_f32()?);
        let (rows, width) = rows_and_width(predicted, targets)?;
        if rows == 0 {
            return Ok(());
        }
        if let Some(at) = p.iter().zip(y).position(|(p, y)| p.is_nan() || y.is_nan()) {
            let which = if p[at].is_nan() { "prediction" } else { "target" };
            return Err(misuse(
                format!("the {which} in row {} is NaN", at / width),
                "leave such rows out, or look for what made it",
            ));
        }
        if !self.columns.is_empty() && self.columns.len() != width {
            return Err(misuse(
                format!("rows of {width} numbers after rows of {}", self.columns.len()),
                "give all pieces alike",
            ));
        }

        self.columns.resize(width, Column::default());
        for (p, y) in p.chunks_exact(width).zip(y.chunks_exact(width)) {
            self.rows += 1;
            for (column, (&p, &y)) in self.columns.iter_mut().zip(p.iter().zip(y)) {
                column.add(f64::from(p), f64::from(y), self.rows);
            }
        }
        Ok(())
    }

    /// The mean over columns.
    fn mean(&self, of: impl Fn(&Column, f64) -> f64) -> f64 {
        let rows = self.rows as f64;
        self.columns.iter().map(|column| of(column, rows)).sum::<f64>() / self.columns.len() as f64
    }
}

impl Column {
    fn add(&mut self, p: f64, y: f64, rows: u64) {
        let error = p - y;
        self.absolute += error.abs();
        self.square += error * error;
        self.share += error.abs() / y.abs().max(f64::EPSILON);
        let before = y - self.mean;
        self.mean += before / rows as f64;
        self.spread += before * (y - self.mean);
    }
}

/// Rows and numbers a row of both; `[n]` and `[n, 1]` are alike.
fn rows_and_width(predicted: &Tensor, targets: &Tensor) -> Result<(usize, usize), Error> {
    let (p, y) = (predicted.shape(), targets.shape());
    let bare =
        |shape: &[usize]| shape.strip_suffix(&[1]).filter(|rest| !rest.is_empty()).unwrap_or(shape).to_vec();
    if p.is_empty() || bare(p) != bare(y) {
        return Err(misuse(
            format!("predictions of shape {p:?} for targets of shape {y:?}"),
            "give the same shape",
        ));
    }
    Ok((p[0], predicted.len().checked_div(p[0]).unwrap_or(0)))
}

macro_rules! of_columns {
    ($($(#[$about:meta])* $name:ident: $value:expr),* $(,)?) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            columns: Columns,
        }

        impl $name {
            /// Of nothing yet.
            pub fn new() -> $name {
                $name::default()
            }
        }

        impl Metric for $name {
            fn add(&mut self, predicted: &Tensor, targets: &Tensor) -> Result<(), Error> {
                self.columns.add(predicted, targets)
            }

            fn value(&self) -> f64 {
                self.columns.mean($value)
            }

            fn reset(&mut self) {
                *self = $name::new();
            }
        }
    )*};
}

of_columns! {
    /// The mean of |p − y|.
    ///
    /// # Examples
    /// ```
    /// use downhill::metrics::{MeanAbsoluteError, Metric, R2};
    /// use downhill::prelude::*;
    ///
    /// let (predicted, targets) = (Tensor::from([1.0_f32, 2.0, 4.0]), Tensor::from([1.0_f32, 2.0, 3.0]));
    /// let (mut error, mut r2) = (MeanAbsoluteError::new(), R2::new());
    /// error.add(&predicted, &targets)?;
    /// r2.add(&predicted, &targets)?;
    /// assert_eq!((error.value(), r2.value()), (1.0 / 3.0, 0.5));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "mae")]
    MeanAbsoluteError: |column, rows| column.absolute / rows,
    /// The mean of (p − y)².
    #[doc(alias = "mse")]
    MeanSquaredError: |column, rows| column.square / rows,
    /// The root of the mean of (p − y)².
    #[doc(alias = "rmse")]
    RootMeanSquaredError: |column, rows| (column.square / rows).sqrt(),
    /// The mean of |p − y| / |y|, as a share: 0.1 is ten per cent. Targets are taken no nearer to 0 than an f64's epsilon, so that one of 0 gives
    /// a huge number.
    #[doc(alias = "mape")]
    MeanAbsolutePercentageError: |column, rows| column.share / rows,
    /// Which share of the targets' variance the predictions explain: 1 − Σ (p − y)² / Σ (y − mean)². Of targets that are all equal 1 where the
    /// predictions are, and 0 where they are not; NaN for fewer than two rows.
    #[doc(alias = "r2_score")]
    R2: r_squared,
}

fn r_squared(column: &Column, rows: f64) -> f64 {
    match (rows < 2.0, column.square == 0.0, column.spread == 0.0) {
        (true, ..) => f64::NAN,
        (_, true, _) => 1.0,
        (_, _, true) => 0.0,
        _ => 1.0 - column.square / column.spread,
    }
}
