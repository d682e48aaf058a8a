//! Rows made fit for a network.
//!
//! In: a table, and what was measured on the rows that a network was trained on. Out: tensors.
//!
//! Must hold: held-out and later rows go through the numbers of the rows that were trained on.

use crate::columns::{Goal, rows_with};
use crate::failure::{Failure, failed};
use clap::ValueEnum;
use downhill::data::Transform;
use downhill::data::schema::{Kind, Schema};
use downhill::data::table::{Table, Values};
use downhill::prelude::*;

/// What stands for a missing number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fill {
    Mean,
    Median,
}

/// How numbers are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// Mean 0 and standard deviation 1
    Standard,
    /// From 0 to 1
    MinMax,
    /// As they are
    None,
}

/// From a table to what a network takes, and back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prepared {
    /// The columns that are predicted from.
    pub(crate) schema: Schema,
    pub(crate) target: String,
    pub(crate) goal: Goal,
    /// Of the columns of numbers; `None` without any.
    pub(crate) numbers: Option<Transform>,
    /// Of a target that is a number.
    pub(crate) unit: Option<Transform>,
}

impl Prepared {
    /// Measured on the rows that are trained on.
    pub(crate) fn measure(
        training: &Table,
        schema: Schema,
        (target, goal): (&str, Goal),
        (fill, scale): (Fill, Scale),
    ) -> Result<Prepared, Failure> {
        let mut prepared = Prepared { schema, target: target.to_owned(), goal, numbers: None, unit: None };
        let numbers = prepared.names(true);
        if !numbers.is_empty() {
            let x = training.inputs(&numbers)?;
            let filled = match fill {
                Fill::Mean => Transform::impute_mean(&x)?,
                Fill::Median => Transform::impute_median(&x)?,
            };
            prepared.numbers = Some(match scale {
                Scale::Standard => filled.then(&x, Transform::standard)?,
                Scale::MinMax => filled.then(&x, Transform::min_max)?,
                Scale::None => filled,
            });
        }
        if prepared.goal == Goal::Number {
            prepared.unit = Some(Transform::standard(&training.target(target)?)?);
        }
        Ok(prepared)
    }

    /// The names of the columns of numbers, or of texts.
    fn names(&self, numbers: bool) -> Vec<&str> {
        let columns = self.schema.columns().filter(|(_, kind)| (**kind == Kind::Number) == numbers);
        columns.map(|(name, _)| name).collect()
    }

    /// How many numbers a row of inputs has.
    pub(crate) fn width(&self) -> usize {
        let width = |kind: &Kind| match kind {
            Kind::Number => 1,
            Kind::Category(texts) => texts.len(),
        };
        self.schema.columns().map(|(_, kind)| width(kind)).sum()
    }

    /// Inputs: scaled numbers, then a 1 among zeros for each category; and the texts that are no known category, with their columns.
    pub(crate) fn inputs(&self, table: &Table) -> Result<(Tensor, Vec<(String, String)>), Failure> {
        let (table, unknown) = table.recoded(&self.schema)?;
        let mut parts = Vec::new();
        if let Some(transform) = &self.numbers {
            parts.push(transform.apply(&table.inputs(&self.names(true))?)?);
        }
        let texts = self.names(false);
        if !texts.is_empty() {
            parts.push(table.inputs(&texts)?);
        }
        let parts: Vec<&Tensor> = parts.iter().collect();
        let x = if let [only] = *parts { only.clone() } else { Tensor::concat(&parts, 1)? };
        if let Some(at) = x.as_f32()?.iter().position(|number| !number.is_finite()) {
            let row = at / self.width().max(1);
            return Err(failed(format!(
                "row {row} (from 0) holds a number that is infinite, or so once it is scaled"
            )));
        }
        Ok((x, unknown))
    }

    /// Inputs `x`, targets `y` and, of classes, the `weight` of each row, as a network is trained and judged by.
    pub(crate) fn dataset(&self, table: &Table, weights: &[f64]) -> Result<Dataset, Failure> {
        let (x, _) = self.inputs(table)?;
        if let Some(unit) = &self.unit {
            let y = unit.apply(&table.target(&self.target)?)?;
            return Ok(Dataset::new([("x", x), ("y", y)])?);
        }
        let labels = self.goal.labels(table, &self.target)?;
        let weights: Vec<f32> = labels.iter().map(|&label| weights[label as usize] as f32).collect();
        Ok(Dataset::new([("x", x), ("y", Tensor::from(labels)), ("weight", Tensor::from(weights))])?)
    }

    /// The rows whose target is there.
    pub(crate) fn with_target(&self, table: &Table) -> Result<Table, Failure> {
        Ok(table.select(&rows_with(table, &self.target)?)?)
    }

    /// What a network says, in the units of the target: probabilities `[n, classes]`, numbers `[n, 1]`.
    pub(crate) fn said(&self, net: &Model, x: &Tensor) -> Result<Tensor, Failure> {
        let said = net.predict(&Dataset::new([("x", x.clone())])?)?;
        Ok(match &self.unit {
            Some(unit) => unit.invert(&said)?,
            None => said,
        })
    }

    /// The targets as scores are measured by: classes `[n]`, i32, or numbers `[n, 1]`.
    pub(crate) fn targets(&self, table: &Table) -> Result<Tensor, Failure> {
        match &self.goal {
            Goal::Number => Ok(table.target(&self.target)?),
            Goal::Classes(..) => Ok(Tensor::from(self.goal.labels(table, &self.target)?)),
        }
    }

    /// What is said without looking at a row: the shares of the classes, or the mean.
    pub(crate) fn baseline(&self, training: &Table) -> Result<Vec<f64>, Failure> {
        match (&self.goal, training.column(&self.target)?) {
            (Goal::Number, Values::Numbers(numbers)) => {
                Ok(vec![numbers.iter().sum::<f64>() / numbers.len() as f64])
            }
            (Goal::Number, Values::Categories(_)) => Ok(vec![0.0]),
            (Goal::Classes(names, _), _) => {
                let labels = self.goal.labels(training, &self.target)?;
                let mut shares = vec![0.0; names.len()];
                labels.iter().for_each(|&label| shares[label as usize] += 1.0 / labels.len() as f64);
                Ok(shares)
            }
        }
    }
}
