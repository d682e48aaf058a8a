//! Trials of a search, on the disk as soon as they are done.
//!
//! Must hold: whenever the search ends, the table holds all trials that were whole until then, and no other.

use crate::report::Report;
use downhill::search::{Finding, Findings, Search, Trial};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The trials that are done, and where they are written.
pub(crate) struct Written<'a> {
    path: Option<&'a PathBuf>,
    made: Mutex<Vec<Finding>>,
}

impl<'a> Written<'a> {
    pub(crate) fn new(path: Option<&'a PathBuf>, search: &Search) -> Written<'a> {
        Written { path, made: Mutex::new(search.made().to_vec()) }
    }

    pub(crate) fn add<E: std::fmt::Display>(
        &self,
        trial: &Trial,
        result: &Result<f64, E>,
        budget: Option<u64>,
    ) -> Result<(), downhill::Error> {
        let (error, failure) = match result {
            Ok(error) => (*error, None),
            Err(failure) => (f64::INFINITY, Some(failure.to_string())),
        };
        // Written under the lock: an older table must not take the place of a newer one.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // What it was at an earlier budget.
        made.retain(|it| it.trial.number != trial.number);
        made.push(Finding { trial: trial.clone(), error, failure, budget });
        match self.path {
            Some(path) => downhill::file::write(path, Findings { trials: made.clone() }.to_csv().as_bytes()),
            None => Ok(()),
        }
    }

    /// The findings of a search that was ended. What was stopped has no error to be compared by; where nothing else is there, neither has
    /// the search.
    pub(crate) fn before_the_end(
        self,
        made: Result<Findings, downhill::Error>,
        report: &mut Report,
    ) -> Findings {
        let (mut made, whole) =
            (made.unwrap_or_default(), self.made.into_inner().unwrap_or_else(PoisonError::into_inner));
        report.note("the search was ended; `--table FILE --resume` goes on with it");
        made.trials.retain(|it| whole.iter().any(|whole| it == whole));
        made
    }
}
