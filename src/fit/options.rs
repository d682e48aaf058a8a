//! How to train, and what ends it.

use super::history::{Ended, Record, Resume};
use super::progress::Progress;
use super::watch::{Metric, Watch};
use crate::mistake::misuse;
use crate::schedules::{ReduceOnPlateau, Schedule};
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a callback decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next epoch comes.
    Continue,
    /// No further epoch is begun.
    Stop,
}

/// What is called after each epoch.
pub type Callback<'a> = &'a mut dyn FnMut(&mut Model, &Record) -> Result<Verdict, Error>;

/// How to train; `..Fit::default()` says the rest.
#[doc(alias("Trainer", "EarlyStopping", "callbacks", "LearnerBuilder"))]
pub struct Fit<'a> {
    /// Times that every row is seen; 1 unless said.
    pub epochs: u64,
    /// Rows a step; 32 unless said. The last batch of an epoch may be smaller.
    pub batch: usize,
    /// Batches whose gradients make one step together; 1 unless said. `batch: 32, accumulate: 4` trains as `batch: 128` does, in the memory of 32
    /// rows: see [`Model::accumulate`] for what is equal. Steps, schedules and limits count whole steps.
    pub accumulate: usize,
    /// Of the orders of rows: each epoch has another.
    pub seed: u64,
    /// Where an earlier training ended: with `resume: Some(history.resume)` on the model as it ended, after [`Model::restore`] of its state,
    /// or with what [`Training::load_training`](super::Training::load_training) gives, training goes on with the bits of one that was never
    /// interrupted. The model is as it ended where `keep_best` is false; else it has the parameters of its best epoch.
    pub resume: Option<Resume>,
    /// A file to which training is written after each epoch, and where it ends within one: the model, where training is, and the parameters
    /// of the best epoch. Whenever the process ends, the file of this epoch or of the one before is there, and
    /// [`Training::load_training`](super::Training::load_training) goes on from it.
    pub save: Option<&'a Path>,
    /// Data that is not trained on, by which epochs are judged; it goes through in batches as large as those of training. Without it they are judged by the loss of training.
    pub validation: Option<&'a Dataset>,
    /// Which loss, where there are several.
    pub loss: Option<&'a str>,
    /// The learning rate of each step, counted from the model's first. Unless said the model's own rate stays.
    pub schedule: Option<Schedule>,
    /// A rate that falls where what is watched gets no better, instead of a schedule. With [`Watch::Highest`] it is one that
    /// [maximizes](ReduceOnPlateau::maximize).
    pub plateau: Option<ReduceOnPlateau>,
    /// A number beside the loss, such as the accuracy, measured on the data that epochs are judged by.
    pub metric: Option<Metric<'a>>,
    /// What judges epochs: the loss unless said.
    pub watch: Watch,
    /// Ends when so many epochs in a row were not better than the best; never unless said.
    pub patience: Option<u64>,
    /// How much better than the best an epoch must be to count.
    pub least_gain: f64,
    /// Whether the model has the parameters of its best epoch in the end, where `validation` is given or `patience` is; true unless said.
    pub keep_best: bool,
    /// Ends after the step in which so much time has passed.
    pub time: Option<Duration>,
    /// Ends after the step in which this became true: a signal's handler or another thread may set it.
    pub stop: Option<&'a AtomicBool>,
    /// Called after each epoch.
    pub each_epoch: Option<Callback<'a>>,
    /// What is told while it trains; nothing unless said.
    pub progress: Progress,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Fit {
            epochs: 1,
            batch: 32,
            accumulate: 1,
            seed: 0,
            resume: None,
            save: None,
            validation: None,
            loss: None,
            schedule: None,
            plateau: None,
            metric: None,
            watch: Watch::Loss,
            patience: None,
            least_gain: 0.0,
            keep_best: true,
            time: None,
            stop: None,
            each_epoch: None,
            progress: Progress::Silent,
        }
    }
}

impl fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch", &self.batch)
            .field("accumulate", &self.accumulate)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Fit<'_> {
    /// Rows of a step.
    pub(super) fn rows_of_step(&self) -> usize {
        self.batch.saturating_mul(self.accumulate)
    }

    /// Refuses options that make no sense.
    pub(super) fn check(&self) -> Result<(), Error> {
        let options = self;
        if options.batch == 0 {
            return Err(misuse("training with a batch of 0 was asked for", "a batch is at least 1"));
        }
        if options.accumulate == 0 {
            return Err(misuse("steps of 0 batches were asked for", "`accumulate` is at least 1"));
        }
        if options.schedule.is_some() && options.plateau.is_some() {
            return Err(misuse("a schedule and a plateau were given", "one of them says the learning rate"));
        }
        if options.watch != Watch::Loss && options.metric.is_none() {
            return Err(misuse(
                "epochs are to be judged by a metric, but none was given",
                "give one, or watch the loss",
            ));
        }
        if options.patience == Some(0) {
            return Err(misuse(
                "a patience of 0 epochs was given",
                "it is at least 1: the first epoch is always the best",
            ));
        }
        Ok(())
    }
}

/// What ends training between two steps.
pub(super) struct Limits<'a> {
    pub(super) start: Instant,
    pub(super) time: Option<Duration>,
    pub(super) stop: Option<&'a AtomicBool>,
}

impl Limits<'_> {
    /// Why no further step is to be made, if none is.
    pub(super) fn reached(&self) -> Option<Ended> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Some(Ended::Stopped);
        }
        self.time.filter(|&time| self.start.elapsed() >= time).map(|_| Ended::Time)
    }

    /// Whether there are any.
    pub(super) fn exist(&self) -> bool {
        self.time.is_some() || self.stop.is_some()
    }
}
