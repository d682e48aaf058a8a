//! The search itself: trials in their order, several at once.
//!
//! Must hold: a trial's settings depend on the seed, its number and, for TPE, on the trials of earlier rounds; never on threads.

use super::axis::Axis;
use super::draws::Draws;
use super::findings::{Finding, Findings};
use super::trial::{Setting, Trial};
use super::{grid, table, tpe};
use crate::many;
use crate::mistake::misuse;
use downhill_runtime::error::Error;
use std::sync::Mutex;

/// How settings are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every combination, with at most so many settings of an axis of numbers, ends included.
    Grid(usize),
    /// So many trials at random.
    Random(usize),
    /// So many trials, each like the good ones before it.
    Tpe(usize),
}

/// Trials of a round of TPE, which learn from the rounds before.
const ROUND: usize = 4;

/// Axes to search over.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    names: Vec<String>,
    axes: Vec<Axis>,
    seed: u64,
    threads: Option<usize>,
    pub(super) made: Vec<Finding>,
}

impl Search {
    /// Over these axes, by name.
    ///
    /// # Errors
    /// No axes, a name given twice, an axis that holds nothing.
    pub fn new<N: Into<String>>(axes: impl IntoIterator<Item = (N, Axis)>) -> Result<Search, Error> {
        let (names, axes): (Vec<String>, Vec<Axis>) =
            axes.into_iter().map(|(name, axis)| (name.into(), axis)).unzip();
        if axes.is_empty() {
            return Err(misuse(
                "a search over no axes",
                "give at least one: `[(\"rate\", log(1e-4..=0.1))]`",
            ));
        }
        for (at, (name, axis)) in names.iter().zip(&axes).enumerate() {
            if names[..at].contains(name) || table::OWN.contains(&&**name) {
                return Err(Error::Duplicate { kind: "axis", name: name.clone() });
            }
            if let Some(mistake) = axis.mistake() {
                return Err(misuse(
                    format!("axis `{name}` {mistake}"),
                    "give the lower end first, and something to choose from",
                ));
            }
        }
        Ok(Search { names, axes, seed: 0, threads: None, made: Vec::new() })
    }

    /// Of what is chosen at random; 0 unless said.
    #[must_use]
    pub fn seed(self, seed: u64) -> Search {
        Search { seed, ..self }
    }

    /// How many trials are made at once; as many as there are cores unless said. The findings are the same.
    #[must_use]
    pub fn threads(self, threads: usize) -> Search {
        Search { threads: Some(threads), ..self }
    }

    /// Takes the trials of a table that [`Findings::to_csv`] made as made: [`Search::run`] those of its kind, [`Search::halving`] its own.
    ///
    /// # Errors
    /// A table of other axes, or that is none.
    pub fn resume(mut self, csv: &str) -> Result<Search, Error> {
        self.made.extend(table::read(&self.names, &self.axes, csv)?);
        Ok(self)
    }

    /// The trials that [`Search::resume`] took.
    pub fn made(&self) -> &[Finding] {
        &self.made
    }

    /// Makes all trials that were not made before: `train` is given one and gives its error, of which the lowest is the best. A trial that
    /// ends with an error of its own, or with NaN, is told in the findings, and the others go on.
    ///
    /// # Errors
    /// A method of no trials, a grid that is too large; the first failure, where all trials failed.
    pub fn run(
        &self,
        method: Method,
        train: impl Fn(&Trial) -> Result<f64, Error> + Sync,
    ) -> Result<Findings, Error> {
        let count = self.count(method)?;
        // One of a halving may be in the midst of it.
        let is_whole = |made: &&Finding| made.trial.number < count && made.budget.is_none();
        let mut findings = Findings { trials: self.made.iter().filter(is_whole).cloned().collect() };
        let first_failure = Mutex::new(None);
        let mut number = 0;
        while number < count {
            let round =
                if matches!(method, Method::Tpe(_)) { number.saturating_add(ROUND as u64) } else { count };
            let round = round.min(count);
            // What a round learns from is what came before it, however much of it was made at once.
            let before = Findings {
                trials: findings.trials.iter().filter(|it| it.trial.number < number).cloned().collect(),
            };
            let is_made = |number: &u64| findings.trials.iter().any(|made| made.trial.number == *number);
            let open: Vec<Trial> = (number..round)
                .filter(|number| !is_made(number))
                .map(|number| self.trial(method, number, &before))
                .collect();
            let made = self.on_threads(open, |trial| {
                let (error, failure) = match train(&trial) {
                    Ok(error) if error.is_nan() => (f64::INFINITY, Some("its error is NaN".to_owned())),
                    Ok(error) => (error, None),
                    Err(error) => {
                        let told = error.to_string();
                        first_failure
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .get_or_insert(error);
                        (f64::INFINITY, Some(told))
                    }
                };
                Ok(Finding { trial, error, failure, budget: None })
            })?;
            findings.trials.extend(made);
            number = round;
        }
        findings.sort();
        let failure = first_failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match failure {
            Some(failure) if findings.best().is_none() => Err(failure),
            _ => Ok(findings),
        }
    }

    pub(super) fn on_threads<J: Send, R: Send>(
        &self,
        jobs: Vec<J>,
        work: impl Fn(J) -> Result<R, Error> + Sync,
    ) -> Result<Vec<R>, Error> {
        match self.threads {
            Some(threads) => many::on_threads(threads, jobs, work),
            None => many::each(jobs, work),
        }
    }

    /// How many trials a method makes.
    pub(super) fn count(&self, method: Method) -> Result<u64, Error> {
        const MOST: u64 = 1 << 20;
        let (count, help) = match method {
            Method::Grid(0) => (0, "give at least 1 setting an axis"),
            Method::Grid(points) => (
                grid::size(&self.axes, points).unwrap_or(u64::MAX),
                "take fewer settings an axis, or `Method::Random`",
            ),
            Method::Random(count) | Method::Tpe(count) => (count as u64, "from 1 to 1048576"),
        };
        if count == 0 || count > MOST {
            return Err(misuse(format!("a search of {count} trials"), help));
        }
        Ok(count)
    }

    pub(super) fn trial(&self, method: Method, number: u64, before: &Findings) -> Trial {
        let settings = match method {
            Method::Grid(points) => grid::settings(&self.axes, points, number).unwrap_or_default(),
            Method::Random(_) => self.drawn(number),
            // One of each round is drawn, so that no part of an axis is given up for good.
            Method::Tpe(_) if before.trials.len() < tpe::STARTUP || number.is_multiple_of(ROUND as u64) => {
                self.drawn(number)
            }
            Method::Tpe(_) => self.suggested(number, before),
        };
        Trial { number, settings: self.names.iter().cloned().zip(settings).collect() }
    }

    fn drawn(&self, number: u64) -> Vec<Setting> {
        let axes = self.axes.iter().enumerate();
        axes.map(|(at, axis)| axis.at(Draws::new(self.seed, number, at).unit())).collect()
    }

    fn suggested(&self, number: u64, before: &Findings) -> Vec<Setting> {
        let mut before = before.clone();
        before.sort();
        let axes = self.names.iter().zip(&self.axes).enumerate();
        axes.map(|(at, (name, axis))| {
            let settings = before.trials.iter().filter_map(|made| made.trial.setting(name).ok());
            let places: Vec<f64> = settings.filter_map(|setting| axis.place(setting)).collect();
            let mut draws = Draws::new(self.seed, number, at);
            if places.is_empty() { axis.at(draws.unit()) } else { tpe::suggest(axis, &places, &mut draws) }
        })
        .collect()
    }
}
