//! Many models at once: seeds, folds, settings, each trained by itself on a core of its own.
//!
//! In: jobs, and what to do with one. Out: what came of each, in the order of the jobs, the same as one after another.
//!
//! Machine code is compiled once: build a [`Program`](crate::program::Program), and let each job make its model of it.
//!
//! # Examples
//! ```
//! use downhill::many;
//! use downhill::prelude::*;
//!
//! network! {
//!     Line() {
//!         input  x: [batch, 1];
//!         target y: [batch, 1];
//!         output p = linear(x, 1);
//!         loss squared_error(p, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     let x: Vec<f32> = (0..60).map(|n| n as f32 / 30.0 - 1.0).collect();
//!     let y: Vec<f32> = x.iter().map(|x| 3.0 * x + 1.0).collect();
//!     let data = Dataset::new([("x", Tensor::new([60, 1], x)?), ("y", Tensor::new([60, 1], y)?)])?;
//!     let program = Line::new().optimizer(sgd(0.2)).program()?;
//!
//!     // An ensemble: ten seeds, and the mean of what they say.
//!     let models = many::each(0..10, |seed| {
//!         let mut net = program.model(seed)?;
//!         net.fit(&data, Fit { epochs: 20, seed, ..Fit::default() })?;
//!         Ok(net)
//!     })?;
//!     let said = many::mean_prediction(&models, &data)?;
//!     assert_eq!(said.shape(), [60, 1]);
//!
//!     // Five folds: how well it does on what it has not seen.
//!     let folds = downhill::data::folds(&data, 5, downhill::data::By::Chance(1))?;
//!     let scores = many::cross_validate(&data, &folds, |training, validation| {
//!         let mut net = program.model(1)?;
//!         net.fit(training, Fit { epochs: 20, ..Fit::default() })?;
//!         Ok(net.evaluate(validation)?.loss())
//!     })?;
//!     println!("{scores}"); // 0.0012 ± 0.0004 over 5 folds
//!     assert!(scores.mean() < 0.1);
//!     Ok(())
//! }
//! ```

use crate::data::Fold;
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use std::fmt;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

/// What comes of each job, on as many threads as the process has cores for. A job that begins takes the place of one that is done.
///
/// # Errors
/// The first of the jobs' errors, in their order; jobs behind it may have been made as well.
pub fn each<J: Send, R: Send>(
    jobs: impl IntoIterator<Item = J>,
    work: impl Fn(J) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    on_threads(thread::available_parallelism().map_or(1, NonZero::get), jobs, work)
}

/// As [`each`], on at most so many threads, the caller's included.
///
/// # Errors
/// As [`each`].
pub fn on_threads<J: Send, R: Send>(
    threads: usize,
    jobs: impl IntoIterator<Item = J>,
    work: impl Fn(J) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let jobs: Vec<J> = jobs.into_iter().collect();
    let count = jobs.len();
    let open = Mutex::new(jobs.into_iter().enumerate());
    let next = || open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let run = || {
        let mut made = Vec::new();
        while let Some((place, job)) = next() {
            made.push((place, work(job)));
        }
        made
    };
    let mut made = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(count)).map(|_| scope.spawn(run)).collect();
        let mut made = run();
        for other in others {
            // A panic in a job is the caller's, on whichever thread it came.
            made.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        made
    });
    made.sort_by_key(|(place, _)| *place);
    made.into_iter().map(|(_, result)| result).collect()
}

/// The mean of what several models say of a data set: of probabilities or values, not of classes.
///
/// # Errors
/// No models; as [`Model::predict`].
pub fn mean_prediction(models: &[Model], data: &Dataset) -> Result<Tensor, Error> {
    let Some((first, others)) = models.split_first() else {
        return Err(misuse("the mean of no models was asked for", "give at least one"));
    };
    let first = first.predict(data)?;
    let mut sums = first.to_f64_vec();
    for other in others {
        let said = other.predict(data)?;
        if said.shape() != first.shape() {
            return Err(misuse(
                format!("one model says {:?} numbers and another {:?}", first.shape(), said.shape()),
                "models of an ensemble have the same outputs",
            ));
        }
        sums.iter_mut().zip(said.to_f64_vec()).for_each(|(sum, number)| *sum += number);
    }
    let means: Vec<f32> = sums.iter().map(|sum| (sum / models.len() as f64) as f32).collect();
    Ok(Tensor::new(first.shape(), means)?)
}

/// Scores of the folds of a cross-validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// In the order of the folds.
    pub scores: Vec<f64>,
}

impl Scores {
    /// Their mean; NaN of none.
    pub fn mean(&self) -> f64 {
        self.scores.iter().sum::<f64>() / self.scores.len() as f64
    }

    /// Their standard deviation, of the sample: what the next fold may differ by. NaN of fewer than two.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.scores.iter().map(|score| (score - mean).powi(2)).sum();
        (squares / (self.scores.len() as f64 - 1.0)).sqrt()
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ± {:.4} over {} folds", self.mean(), self.deviation(), self.scores.len())
    }
}

/// Trains and examines once for each fold, on all cores: `score` is given the data to train on and the data to examine on.
///
/// # Errors
/// What `score` returns; a fold of other rows than the data's.
pub fn cross_validate(
    data: &Dataset,
    folds: &[Fold],
    score: impl Fn(&Dataset, &Dataset) -> Result<f64, Error> + Sync,
) -> Result<Scores, Error> {
    let scores = each(folds, |fold| score(&data.select(&fold.training)?, &data.select(&fold.validation)?))?;
    Ok(Scores { scores })
}
