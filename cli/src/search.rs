//! `downhill search`: which settings train best on a file.

use crate::axes::{Spans, Tried};
use crate::drawn;
use crate::failure::{Failure, failed};
use crate::network::{Activation, Layers, Rule};
use crate::options::{Data, Settings, count};
use crate::report::{Report, counted};
use crate::training::{Divided, divided, stop};
use crate::written::Written;
use clap::ValueEnum;
use downhill::fit::Resume;
use downhill::prelude::*;
use downhill::search::{Axis, Findings, Method, Search};
use serde_json::{Map, Value as Json, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// How settings are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// Every combination
    Grid,
    /// At random
    Random,
    /// Like the good ones before
    Tpe,
    /// At random, the worse half given up twice on the way
    Halving,
}

/// Try settings, and say which train best
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    spans: Spans,
    /// How settings are chosen
    #[arg(long, default_value = "random", help_heading = "Search")]
    method: How,
    /// How many settings are tried, but by a grid
    #[arg(long, value_parser = count, default_value_t = 20, help_heading = "Search")]
    trials: usize,
    /// Of a grid, how many values of each range
    #[arg(long, value_parser = count, default_value_t = 3, help_heading = "Search")]
    points: usize,
    /// Epochs of a trial, at most
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value_t = 50, help_heading = "Search")]
    epochs: u64,
    /// Ends a trial after so many epochs in a row that were not better than its best
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 10, help_heading = "Search")]
    patience: u64,
    /// Trials at once [default: as many as there are processors]
    #[arg(long, value_parser = count, help_heading = "Search")]
    threads: Option<usize>,
    /// A table of all trials, as CSV, written whenever one is done
    #[arg(long, value_name = "FILE", help_heading = "Search")]
    table: Option<PathBuf>,
    /// Go on from the table of the same search, if it is there
    #[arg(long, requires = "table", help_heading = "Search")]
    resume: bool,
    /// A folder for pictures: the error along each axis, and over two of few values
    #[arg(long, value_name = "FOLDER", help_heading = "Search")]
    pictures: Option<PathBuf>,
}

impl Options {
    pub(crate) fn run(self, report: &mut Report) -> Result<(), Failure> {
        if self.data.validation == 0.0 {
            return Err(Failure::Usage(
                "a search judges settings by the rows of `--validation`, which is 0".into(),
            ));
        }
        let picture = self.pictures.as_ref().map(|folder| folder.join("x"));
        let files: Vec<PathBuf> = self.table.clone().into_iter().chain(picture).collect();
        files.iter().try_for_each(downhill::file::check)?;
        if !files.is_empty() {
            report.outlive();
        }

        let (tried, axes) = self.spans.axes(self.settings())?;
        let search = self.search(&axes)?;
        let divided = divided(&self.data, report)?;
        let findings = self.searched(&search, &divided, &tried, report)?;
        self.tell(&findings, &tried, report)?;
        match &self.pictures {
            Some(folder) => drawn::search(folder, &findings, &axes),
            None => Ok(()),
        }
    }

    /// What no axis says.
    fn settings(&self) -> Settings {
        Settings {
            layers: Layers(Vec::new()),
            activation: Activation::Relu,
            dropout: 0.0,
            batch_norm: false,
            optimizer: Rule::Adam,
            rate: 1e-3,
            weight_decay: 0.0,
            batch: 32,
            epochs: self.epochs,
            patience: self.patience,
            no_early_stopping: false,
            // Trials share the processors, not steps.
            threads: Some(1),
        }
    }

    fn search(&self, axes: &[(&'static str, Axis)]) -> Result<Search, Failure> {
        let search = Search::new(axes.iter().cloned())?.seed(self.data.seed);
        let search = self.threads.map_or(search.clone(), |threads| search.threads(threads));
        match &self.table {
            Some(path) if self.resume && path.exists() => {
                let told = |error: &dyn std::fmt::Display| failed(format!("{}: {error}", path.display()));
                let table = std::fs::read_to_string(path).map_err(|error| told(&error))?;
                search.resume(&table).map_err(|error| told(&error))
            }
            _ => Ok(search),
        }
    }

    fn searched(
        &self,
        search: &Search,
        divided: &Divided,
        tried: &Tried,
        report: &mut Report,
    ) -> Result<Findings, Failure> {
        let method = match self.method {
            How::Grid => Method::Grid(self.points),
            How::Random => Method::Random(self.trials),
            How::Tpe => Method::Tpe(self.trials),
            How::Halving => return self.halved(search, divided, tried, report),
        };
        let stop = stop()?;
        let written = Written::new(self.table.as_ref(), search);
        let made = search.run(method, |trial| {
            let settings = tried.of(trial)?;
            let result = trained(divided, &settings, self.data.seed, &stop);
            if !stop.load(Ordering::Relaxed) {
                written.add(trial, &result, None)?;
            }
            result
        });
        match stop.load(Ordering::Relaxed) {
            true => Ok(written.before_the_end(made, report)),
            false => Ok(made?),
        }
    }

    /// Trials that go on to the next budget keep their model; one of which only a table tells is trained from the start, to the same bits.
    fn halved(
        &self,
        search: &Search,
        divided: &Divided,
        tried: &Tried,
        report: &mut Report,
    ) -> Result<Findings, Failure> {
        let stop = stop()?;
        let mut budgets = vec![self.epochs.div_ceil(4), self.epochs.div_ceil(2), self.epochs];
        budgets.dedup();
        let written = Written::new(self.table.as_ref(), search);
        let made = search.halving(self.trials, &budgets, |trial, budget, kept: Option<Kept>| {
            let settings = tried.of(trial)?;
            let made = trained_to(budget, kept, divided, &settings, self.data.seed, &stop);
            if !stop.load(Ordering::Relaxed) {
                written.add(trial, &made.as_ref().map(|(error, _)| *error), Some(budget))?;
            }
            made
        });
        match stop.load(Ordering::Relaxed) {
            true => Ok(written.before_the_end(made, report)),
            false => Ok(made?),
        }
    }

    fn tell(&self, findings: &Findings, tried: &Tried, report: &mut Report) -> Result<(), Failure> {
        let trials = findings.trials.iter().map(|it| {
            let settings =
                it.trial.settings.iter().map(|(name, setting)| (name.clone(), json!(setting.to_string())));
            json!({
                "trial": it.trial.number,
                "error": it.error,
                "failure": it.failure,
                "settings": settings.collect::<Map<String, Json>>(),
            })
        });
        let trials: Vec<Json> = trials.collect();
        report.tell(
            "trials",
            json!(trials),
            format!(
                "\n{}: the error is the loss on the rows that judge\n{findings}",
                counted(findings.trials.len(), "trial")
            ),
        )?;
        let Some(best) = findings.best() else { return Ok(()) };
        // It trains on the same rows with the same seed, so that it gives the same network.
        let words = [self.data.arguments(), tried.of(&best.trial)?.arguments()].concat();
        let command = format!("downhill fit {}", words.join(" "));
        report.tell(
            "best",
            json!({ "trial": best.trial.number, "error": best.error, "fit": command }),
            format!("\nthe best: {command}"),
        )
    }
}

/// The loss of the best epoch on the rows that judge.
fn trained(
    divided: &Divided,
    settings: &Settings,
    seed: u64,
    stop: &AtomicBool,
) -> Result<f64, downhill::Error> {
    if stop.load(Ordering::Relaxed) {
        return Err(stopped());
    }
    let mut net = divided.built(settings, seed).map_err(unbuilt)?;
    let history = net.fit(&divided.training, divided.fit(settings, seed, stop))?;
    history.resume.best.ok_or_else(stopped)
}

/// A model and where its training is.
type Kept = (Box<Model>, Resume);

/// Trains until so many epochs are made; gives the loss of the best so far.
fn trained_to(
    budget: u64,
    kept: Option<Kept>,
    divided: &Divided,
    settings: &Settings,
    seed: u64,
    stop: &AtomicBool,
) -> Result<(f64, Kept), downhill::Error> {
    if stop.load(Ordering::Relaxed) {
        return Err(stopped());
    }
    let (mut net, resume) = match kept {
        Some(kept) => kept,
        None => (Box::new(divided.built(settings, seed).map_err(unbuilt)?), Resume::default()),
    };
    let options = Fit {
        epochs: budget.saturating_sub(resume.epoch),
        patience: None,
        keep_best: false,
        resume: Some(resume),
        ..divided.fit(settings, seed, stop)
    };
    let history = net.fit(&divided.training, options)?;
    let best = history.resume.best.ok_or_else(stopped)?;
    Ok((best, (net, history.resume)))
}

fn stopped() -> downhill::Error {
    downhill::Error::Usage { message: "it was stopped".into(), help: "go on with `--resume`".into() }
}

/// Trials tell failures as the library's errors.
fn unbuilt(failure: Failure) -> downhill::Error {
    let message = match failure {
        Failure::Usage(message) | Failure::Failed(message) => message,
        Failure::Deaf => String::new(),
    };
    downhill::Error::Usage { message, help: "leave out what cannot be built".into() }
}
