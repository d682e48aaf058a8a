//! What training did, epoch by epoch.

use super::watch::Watch;
use crate::schedules::ReduceOnPlateau;
use downhill_runtime::state::State;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number, from 0.
    pub epoch: u64,
    /// The mean loss of a row while it was trained on: before the step that it took part in.
    pub loss: f64,
    /// The loss on the validation data after it, as inference has it.
    pub validation: Option<f64>,
    /// The metric after it.
    pub metric: Option<f64>,
    /// The learning rate of its last step.
    pub learning_rate: f32,
    /// Training steps that the model has made after it.
    pub steps: u64,
    /// Rows that it saw: fewer than there are where it was ended early.
    pub rows: usize,
    /// How long its steps took.
    pub time: Duration,
}

impl Record {
    /// The names of [`Record::values`], in their order.
    pub const NAMES: [&str; 8] =
        ["epoch", "loss", "validation", "metric", "learning_rate", "steps", "rows", "seconds"];

    /// Its numbers as texts; nothing for what was not measured.
    pub fn values(&self) -> [Option<String>; 8] {
        [
            Some(self.epoch.to_string()),
            Some(self.loss.to_string()),
            self.validation.map(|number| number.to_string()),
            self.metric.map(|number| number.to_string()),
            Some(self.learning_rate.to_string()),
            Some(self.steps.to_string()),
            Some(self.rows.to_string()),
            Some(self.time.as_secs_f64().to_string()),
        ]
    }

    /// A line of separated values, without its end.
    pub fn to_csv(&self) -> String {
        self.values().map(Option::unwrap_or_default).join(",")
    }

    /// A line of JSON, without its end; what was not measured, or is infinite or NaN, is `null`.
    pub fn to_json(&self) -> String {
        let values = self.values().map(|value| {
            let finite = value.filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
            finite.unwrap_or_else(|| "null".to_owned())
        });
        let pairs: Vec<String> =
            Record::NAMES.iter().zip(values).map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// What judges the epoch; the loss is that on the validation data, where there is any.
    pub(super) fn watched(&self, watch: Watch) -> Option<f64> {
        match watch {
            Watch::Loss => Some(self.validation.unwrap_or(self.loss)),
            Watch::Highest => self.metric,
            Watch::Lowest => self.metric,
        }
    }
}

/// Why training ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// All epochs were made.
    #[default]
    Epochs,
    /// Nothing got better for as long as [`Fit::patience`](crate::fit::Fit::patience) says.
    Patience,
    /// The time was over.
    Time,
    /// [`Fit::stop`](crate::fit::Fit::stop) became true.
    Stopped,
    /// The callback said so.
    Callback,
}

/// Where training ended, and what it waits for: what [`Fit::resume`](crate::fit::Fit::resume) goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resume {
    /// The epoch that comes next, from 0.
    pub epoch: u64,
    /// How many rows of it were seen already.
    pub row: usize,
    /// What was watched, at its best.
    pub best: Option<f64>,
    /// Epochs since then.
    pub since: u64,
    /// The parameters of the best epoch, where they are kept.
    pub weights: Option<Arc<State>>,
    /// The plateau with what it has observed.
    pub plateau: Option<ReduceOnPlateau>,
}

/// What training did. It prints as a table; [`History::to_csv`] is for other programs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In order.
    pub epochs: Vec<Record>,
    /// The position of the best of them, by what was watched.
    pub best: Option<usize>,
    /// Why it ended.
    pub ended: Ended,
    /// How long all of it took, judging and callbacks included.
    pub time: Duration,
    /// What a further training goes on from.
    pub resume: Resume,
}

impl History {
    pub(super) fn add(&mut self, record: Record, is_best: bool) {
        if is_best {
            self.best = Some(self.epochs.len());
        }
        self.epochs.push(record);
    }

    /// The best epoch.
    pub fn best(&self) -> Option<&Record> {
        self.epochs.get(self.best?)
    }

    /// The losses of training, epoch by epoch.
    pub fn losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|record| record.loss).collect()
    }

    /// The losses on the validation data, epoch by epoch; NaN where there was none.
    pub fn validations(&self) -> Vec<f64> {
        self.epochs.iter().map(|record| record.validation.unwrap_or(f64::NAN)).collect()
    }

    /// The last epoch.
    pub fn last(&self) -> Option<&Record> {
        self.epochs.last()
    }

    /// A line an epoch behind a line of names; what was not measured is empty.
    pub fn to_csv(&self) -> String {
        let lines = self.epochs.iter().map(Record::to_csv);
        std::iter::once(Record::NAMES.join(",")).chain(lines).map(|line| line + "\n").collect()
    }
}

impl fmt::Display for History {
    /// A line an epoch, the best marked; and why it ended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |number: Option<f64>| number.map_or(String::new(), |number| format!("{number:.5}"));
        writeln!(f, "epoch        loss  validation      metric        rate")?;
        for (at, record) in self.epochs.iter().enumerate() {
            let Record { epoch, loss, learning_rate, .. } = record;
            let (validation, metric) = (cell(record.validation), cell(record.metric));
            let mark = if self.best == Some(at) { "  best" } else { "" };
            writeln!(
                f,
                "{epoch:>5}  {loss:>10.5}  {validation:>10}  {metric:>10}  {learning_rate:>10.2e}{mark}"
            )?;
        }
        let why = match self.ended {
            Ended::Epochs => "all epochs were made",
            Ended::Patience => "nothing got better any more",
            Ended::Time => "the time was over",
            Ended::Stopped => "it was stopped",
            Ended::Callback => "the callback ended it",
        };
        write!(f, "{why}, after {:.2} s", self.time.as_secs_f64())
    }
}
