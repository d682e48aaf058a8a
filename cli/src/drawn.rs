//! Pictures of a training, of what came of it, and of a search.
//!
//! In: a history, predictions and targets, findings, a folder. Out: SVG files in it.

use crate::columns::Goal;
use crate::failure::Failure;
use crate::scores::confusion;
use downhill::fit::History;
use downhill::metrics::{Metric, RocAuc};
use downhill::pictures::{self, Best, Curves, HeatMap, Series};
use downhill::prelude::*;
use downhill::search::{Axis, Findings};
use std::path::Path;

/// The losses over epochs: `losses.svg`.
pub(crate) fn losses(folder: &Path, history: &History) -> Result<(), Failure> {
    let mut series = vec![Series::epochs("training", history.losses())];
    if history.epochs.iter().any(|record| record.validation.is_some()) {
        series.push(Series::epochs("validation", history.validations()).mark(Best::Least));
    }
    let options = Curves { title: "Loss", y: "loss", ..Curves::default() };
    Ok(pictures::curves(folder.join("losses.svg"), &series, options)?)
}

/// What held-out rows were taken for: `confusion.svg` and `roc.svg` of classes, `predicted.svg` of numbers.
pub(crate) fn predictions(
    folder: &Path,
    said: &Tensor,
    targets: &Tensor,
    goal: &Goal,
) -> Result<(), Failure> {
    match goal {
        Goal::Classes(names, _) => {
            matrix(folder, said, targets, names)?;
            roc(folder, said, targets, names)
        }
        Goal::Number => {
            let targets = targets.to_f64_vec();
            let ends = [f64::min, f64::max].map(|of| targets.iter().copied().reduce(of).unwrap_or(0.0));
            let points = targets.into_iter().zip(said.to_f64_vec());
            let right = Series::new("as it is", ends.map(|end| (end, end)));
            let series = [Series::new("predicted", points).scattered(), right];
            let options = Curves { title: "Held-out rows", x: "is", y: "predicted", ..Curves::default() };
            Ok(pictures::curves(folder.join("predicted.svg"), &series, options)?)
        }
    }
}

/// More classes would be cells that nobody can read.
const MOST_CLASSES: usize = 40;

fn matrix(folder: &Path, said: &Tensor, labels: &Tensor, names: &[String]) -> Result<(), Failure> {
    if names.len() > MOST_CLASSES {
        return Ok(());
    }
    let counts = confusion(said, labels, names.len())?;
    let cells = (0..names.len()).flat_map(|label| (0..names.len()).map(move |taken| (label, taken)));
    let cells: Vec<f32> = cells.map(|(label, taken)| counts.count(label, taken) as f32).collect();
    let cells = Tensor::new([names.len(), names.len()], cells)?;
    let options = pictures::Confusion { title: "Held-out rows", classes: names };
    Ok(pictures::confusion(folder.join("confusion.svg"), &cells, options)?)
}

/// A curve for each class; of two, for the second. Classes without rows have none.
fn roc(folder: &Path, said: &Tensor, labels: &Tensor, names: &[String]) -> Result<(), Failure> {
    const MOST_CURVES: usize = 8;
    let mut area = RocAuc::new();
    area.add(said, labels)?;
    let classes = if names.len() == 2 { 1..2 } else { 0..names.len().min(MOST_CURVES) };
    let curves = classes.map(|class| (&*names[class], area.curve(class)));
    let mut series: Vec<Series> = curves
        .filter(|(_, points)| points.iter().all(|(x, y)| x.is_finite() && y.is_finite()))
        .map(|(name, points)| Series::new(name, points))
        .collect();
    if series.is_empty() {
        return Ok(());
    }
    series.push(Series::new("by chance", [(0.0, 0.0), (1.0, 1.0)]));
    let options = Curves { title: "ROC", x: "false positives", y: "true positives", ..Curves::default() };
    Ok(pictures::curves(folder.join("roc.svg"), &series, options)?)
}

/// The error over the settings of each axis of numbers, `AXIS.svg`; and over the pairs of settings of two axes, `errors.svg`, where those that
/// were tried are few.
pub(crate) fn search(
    folder: &Path,
    findings: &Findings,
    axes: &[(&'static str, Axis)],
) -> Result<(), Failure> {
    for (name, axis) in axes {
        let points: Vec<(f64, f64)> = findings
            .trials
            .iter()
            .filter_map(|it| Some((it.trial.number(name).ok()?, it.error)))
            .filter(|(_, error)| error.is_finite())
            .collect();
        if !points.is_empty() {
            let series = [Series::new("", points).scattered().mark(Best::Least)];
            let log_x = matches!(axis, Axis::Log(..));
            let options = Curves { title: "Trials", x: name, y: "error", log_x, ..Curves::default() };
            pictures::curves(folder.join(format!("{name}.svg")), &series, options)?;
        }
    }

    const MOST_SETTINGS: usize = 16;
    let few = axes.iter().map(|(name, _)| *name).filter(|name| {
        let (settings, _, _) = findings.by(name, name);
        (2..=MOST_SETTINGS).contains(&settings.len())
    });
    let few: Vec<&str> = few.take(2).collect();
    let &[down, across] = &*few else { return Ok(()) };
    let (rows, columns, errors) = findings.by(down, across);
    let errors: Vec<f32> =
        errors.iter().map(|&error| if error.is_finite() { error as f32 } else { f32::NAN }).collect();
    if errors.iter().all(|error| error.is_nan()) {
        return Ok(());
    }
    let errors = Tensor::new([rows.len(), columns.len()], errors)?;
    let options = HeatMap {
        title: "The least error; magenta was not tried",
        x: across,
        y: down,
        rows: &rows,
        columns: &columns,
        decimals: Some(3),
        ..HeatMap::default()
    };
    Ok(pictures::heat_map(folder.join("errors.svg"), &errors, options)?)
}
