//! From a file to rows that are trained on, judged by and held out; and a network trained on them.
//!
//! In: options. Out: [`Divided`] rows; a model with the weights of its best epoch.
//!
//! Must hold: rows are divided before anything is measured on them.

use crate::columns::{Goal, Judged, judge, places, rows_with};
use crate::failure::{Failure, failed};
use crate::guessed::Guessed;
use crate::network::Shape;
use crate::options::{Data, Settings};
use crate::prepared::Prepared;
use crate::report::{Report, counted, grouped};
use crate::source::Source;
use downhill::data::table::Table;
use downhill::data::{By, parts};
use downhill::fit::{History, Progress};
use downhill::prelude::*;
use serde_json::{Value as Json, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Rows made fit and put into parts.
pub(crate) struct Divided {
    pub(crate) prepared: Prepared,
    pub(crate) training: Dataset,
    pub(crate) validation: Option<Dataset>,
    /// Rows that nothing was decided by.
    pub(crate) test: Option<Table>,
    /// What is said without looking at a row.
    pub(crate) baseline: Vec<f64>,
    pub(crate) reading: Json,
}

/// Reads, judges columns, divides rows, and tells what was guessed.
pub(crate) fn divided(options: &Data, report: &mut Report) -> Result<Divided, Failure> {
    let (name, all) = read(options)?;
    let target = &*options.target;
    let (goal, why) = Goal::of(&all, target, options.task)?;
    let table = all.select(&rows_with(&all, target)?)?;
    let without = all.rows() - table.rows();
    if without > 0 {
        report.note(format!("{} without a value of `{target}` left out", counted(without, "row")));
    }

    let [training, validation, test] = cut(&table, &goal, options)?;
    let by = (target, options.group.as_deref());
    let Judged { schema, left_out } = judge(&training, by, options.max_categories)?;
    let prepared = Prepared::measure(&training, schema, (target, goal), (options.fill, options.scale))?;
    let guessed = Guessed {
        data: &name,
        rows: all.rows(),
        training: &training,
        prepared: &prepared,
        why,
        left_out: &left_out,
    };
    report.tell("guessed", guessed.to_json(), guessed.text())?;
    let rows = [&training, &validation, &test].map(Table::rows);
    let [first, second, third] = rows.map(grouped);
    report.tell(
        "rows",
        json!({ "training": rows[0], "validation": rows[1], "test": rows[2], "without_target": without }),
        format!("  rows        {first} to train on, {second} to judge epochs by, {third} held out"),
    )?;

    let baseline = prepared.baseline(&training)?;
    let weights = weights(&baseline, options.balance);
    Ok(Divided {
        training: prepared.dataset(&training, &weights)?,
        validation: if validation.rows() > 0 { Some(prepared.dataset(&validation, &weights)?) } else { None },
        test: (test.rows() > 0).then_some(test),
        baseline,
        reading: options.reading.to_json(),
        prepared,
    })
}

/// What a row of each class counts: 1, or so much that all classes count alike (scikit-learn's `balanced`).
fn weights(shares: &[f64], balanced: bool) -> Vec<f64> {
    let balance = |&share: &f64| if share > 0.0 { 1.0 / (share * shares.len() as f64) } else { 0.0 };
    shares.iter().map(|share| if balanced { balance(share) } else { 1.0 }).collect()
}

/// What messages call the rows, and all of them.
fn read(options: &Data) -> Result<(String, Table), Failure> {
    let source = Source::open(&options.data, &options.reading)?;
    let Data { skip, categories, numbers, .. } = options.clone();
    let needed: Vec<&String> = options.group.iter().chain(&options.time).chain([&options.target]).collect();
    let said = [&skip, &categories, &numbers].into_iter().flatten();
    said.chain(needed.iter().copied()).try_for_each(|column| source.check(column))?;
    if let Some(skipped) = needed.into_iter().find(|column| skip.contains(column)) {
        return Err(Failure::Usage(format!("`--skip {skipped}` leaves out what another option needs")));
    }
    let name = source.name.clone();
    Ok((name, source.table(|csv| csv.skip(skip).categories(categories).numbers(numbers))?))
}

/// Rows to train on, to judge epochs by, and to hold out: by chance, with all classes in all parts alike, unless something else is said.
fn cut(table: &Table, goal: &Goal, options: &Data) -> Result<[Table; 3], Failure> {
    let Data { validation, test, seed, target, group, time, .. } = options;
    if validation + test >= 1.0 {
        return Err(Failure::Usage("`--validation` and `--test` leave no rows to train on".into()));
    }
    let numbers = Tensor::from((0..table.rows() as i32).collect::<Vec<i32>>());
    let (key, by) = match (group, time, goal) {
        (Some(group), ..) => (places(table, group)?, By::Group("key", *seed)),
        (None, Some(time), _) => (places(table, time)?, By::Time("key")),
        (None, None, Goal::Classes(..)) => (goal.labels(table, target)?, By::Class("key", *seed)),
        (None, None, Goal::Number) => (vec![0; table.rows()], By::Chance(*seed)),
    };
    let rows = Dataset::new([("row", numbers), ("key", Tensor::from(key))])?;
    let sets = parts(&rows, [1.0 - validation - test, *validation, *test], by)?;

    let shares = [1.0, *validation, *test];
    if let Some(part) = (0..3).find(|&part| shares[part] > 0.0 && sets[part].rows() == 0) {
        let what = ["to train on", "to judge epochs by (`--validation`)", "to hold out (`--test`)"][part];
        return Err(failed(format!("too few rows with a target ({}): none is left {what}", table.rows())));
    }
    let [training, validation, test] = sets.map(|set| -> Result<Table, Failure> {
        let rows: Vec<usize> = set.column("row")?.as_i32()?.iter().map(|&row| row as usize).collect();
        Ok(table.select(&rows)?)
    });
    Ok([training?, validation?, test?])
}

impl Divided {
    /// The network for these rows.
    pub(crate) fn shape(&self, settings: &Settings) -> Shape {
        Shape {
            inputs: self.prepared.width(),
            layers: settings.layers.clone(),
            activation: settings.activation,
            dropout: settings.dropout,
            batch_norm: settings.batch_norm,
            classes: match &self.prepared.goal {
                Goal::Classes(names, _) => Some(names.len()),
                Goal::Number => None,
            },
        }
    }

    /// A network before its first step.
    pub(crate) fn built(&self, settings: &Settings, seed: u64) -> Result<Model, Failure> {
        let optimizer = settings.optimizer.optimizer(settings.rate, settings.weight_decay)?;
        self.shape(settings).build(seed, settings.threads, Some(optimizer))
    }

    /// How to train it; the rest of the options is the caller's.
    pub(crate) fn fit<'a>(&'a self, settings: &Settings, seed: u64, stop: &'a AtomicBool) -> Fit<'a> {
        let judges = self.validation.is_some() && !settings.no_early_stopping;
        Fit {
            epochs: settings.epochs,
            batch: settings.batch,
            seed,
            validation: self.validation.as_ref(),
            patience: judges.then_some(settings.patience),
            stop: Some(stop),
            ..Fit::default()
        }
    }

    /// Trains with what is told on a terminal alone.
    pub(crate) fn train(&self, net: &mut Model, settings: &Settings, seed: u64) -> Result<History, Failure> {
        let stop = stop()?;
        let progress = if stderr().is_terminal() { Progress::Shown } else { Progress::Silent };
        Ok(net.fit(&self.training, Fit { progress, ..self.fit(settings, seed, &stop) })?)
    }
}

/// Becomes true with the first Ctrl-C; the second one ends the process.
pub(crate) fn stop() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let ends = flag::register_conditional_shutdown(signal, 128 + signal, stop.clone());
        let both = ends.and_then(|_| flag::register(signal, stop.clone()));
        both.map_err(|error| failed(format!("signals cannot be listened to: {error}")))?;
    }
    Ok(stop)
}
