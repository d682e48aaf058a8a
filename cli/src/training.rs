//! From a file to rows that are trained on, judged by and held out; and a network trained on them.
//!
//! In: options. Out: [`Divided`] rows; a model with the weights of its best epoch.
//!
//! Must hold: rows are divided before anything is measured on them.

use crate::columns::{Goal, Judged, judge, places, rows_with};
use crate::failure::{Failure, failed};
use crate::network::Shape;
use crate::options::{Data, Settings};
use crate::prepared::Prepared;
use crate::report::{Report, counted, grouped, listed};
use crate::source::Source;
use downhill::data::schema::Kind;
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
    let target = &*options.target;
    let source = Source::open(&options.data, &options.reading)?;
    let said = [&options.skip, &options.categories, &options.numbers];
    let by = options.group.iter().chain(&options.time);
    let mut said = said.into_iter().flatten().chain(by.clone()).chain([&options.target]);
    said.try_for_each(|column| source.check(column))?;
    if let Some(skipped) = by.chain([&options.target]).find(|column| options.skip.contains(column)) {
        return Err(Failure::Usage(format!("`--skip {skipped}` leaves out what another option needs")));
    }
    let name = source.name.clone();
    let table = source.table(|csv| {
        csv.skip(options.skip.clone()).categories(options.categories.clone()).numbers(options.numbers.clone())
    })?;
    let (goal, why) = Goal::of(&table, target, options.task)?;
    let rows = rows_with(&table, target)?;
    let without = table.rows() - rows.len();
    if without > 0 {
        report.note(format!("{} without a value of `{target}` left out", counted(without, "row")));
    }
    let (all, table) = (table.rows(), table.select(&rows)?);

    let [training, validation, test] = cut(&table, &goal, options)?;
    let Judged { schema, left_out } =
        judge(&training, (target, options.group.as_deref()), options.max_categories)?;
    let prepared = Prepared::measure(&training, schema, (target, goal), (options.fill, options.scale))?;
    tell(report, (&name, all), &training, &prepared, why, &left_out)?;
    let rows = [training.rows(), validation.rows(), test.rows()];
    report.tell(
        "rows",
        json!({ "training": rows[0], "validation": rows[1], "test": rows[2], "without_target": without }),
        format!(
            "  rows        {} to train on, {} to judge epochs by, {} held out",
            grouped(rows[0]),
            grouped(rows[1]),
            grouped(rows[2])
        ),
    )?;
    Ok(Divided {
        training: prepared.dataset(&training)?,
        validation: if validation.rows() > 0 { Some(prepared.dataset(&validation)?) } else { None },
        test: (test.rows() > 0).then_some(test),
        baseline: prepared.baseline(&training)?,
        reading: options.reading.to_json(),
        prepared,
    })
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

/// What the columns were taken for.
fn tell(
    report: &mut Report,
    (name, rows): (&str, usize),
    training: &Table,
    prepared: &Prepared,
    why: Option<String>,
    left_out: &[(String, String)],
) -> Result<(), Failure> {
    let names = |numbers: bool| {
        let columns = prepared.schema.columns().filter(move |(_, kind)| (**kind == Kind::Number) == numbers);
        columns.map(|(name, _)| name)
    };
    let mut text = format!("{name}: {}\n", counted(rows, "row"));
    let (task, what) = match &prepared.goal {
        Goal::Classes(names, _) => {
            let listed = listed(names.iter().map(String::as_str));
            ("classification", format!("{}: {listed}", counted(names.len(), "class")))
        }
        Goal::Number => ("regression", "a number".to_owned()),
    };
    text += &format!("  task        {task}");
    if let Some(why) = &why {
        text += &format!(", since {why}");
    }
    text += &format!("\n  target      {}, {what}\n", prepared.target);
    for (kind, numbers) in [("numbers   ", true), ("categories", false)] {
        if names(numbers).next().is_some() {
            text += &format!("  {kind}  {}\n", listed(names(numbers)));
        }
    }
    let missing = training.missing();
    let missing: Vec<String> = missing.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    if !missing.is_empty() {
        text += &format!("  missing     {}\n", listed(missing.iter().map(String::as_str)));
    }
    // Of many columns that are left out for one reason, one line.
    let mut reasons: Vec<&str> = left_out.iter().map(|(_, why)| &**why).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for why in reasons {
        let of_reason = left_out.iter().filter(|(_, it)| it == why).map(|(name, _)| &**name);
        text += &format!("  left out    {}: {why}\n", listed(of_reason));
    }

    let classes = match &prepared.goal {
        Goal::Classes(names, _) => json!(names),
        Goal::Number => Json::Null,
    };
    let left_out: Vec<Json> =
        left_out.iter().map(|(name, why)| json!({ "column": name, "why": why })).collect();
    let document = json!({
        "data": name,
        "rows": rows,
        "task": task,
        "why": why,
        "target": prepared.target,
        "classes": classes,
        "numbers": names(true).collect::<Vec<_>>(),
        "categories": names(false).collect::<Vec<_>>(),
        "left_out": left_out,
    });
    report.tell("guessed", document, text.trim_end())
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
