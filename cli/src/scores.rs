//! How good predictions are, beside what is right without looking at a row.
//!
//! In: predictions, targets, and the constant prediction of the rows that were trained on. Out: [`Score`]s.

use crate::columns::Goal;
use crate::failure::Failure;
use crate::report::number;
use downhill::metrics::{
    Accuracy, Average, Confusion, F1, LogLoss, MeanAbsoluteError, Metric, R2, RocAuc, RootMeanSquaredError,
};
use downhill::prelude::*;
use serde_json::{Map, Value as Json, json};

/// A measure of the model and of the constant prediction.
pub(crate) struct Score {
    name: &'static str,
    /// The name in JSON.
    key: &'static str,
    model: f64,
    baseline: f64,
}

/// Scores of predictions: accuracy, F1, area under the curve and log loss of classes; errors of numbers.
pub(crate) fn scores(
    said: &Tensor,
    targets: &Tensor,
    goal: &Goal,
    baseline: &[f64],
) -> Result<Vec<Score>, Failure> {
    let rows = said.shape().first().copied().unwrap_or(0);
    let constant: Vec<f32> = (0..rows).flat_map(|_| baseline.iter().map(|&number| number as f32)).collect();
    let constant = Tensor::new([rows, baseline.len()], constant)?;
    let mut scores = Vec::new();
    for (name, key, make) in measures(goal) {
        let of = |said: &Tensor| -> Result<f64, Failure> {
            let mut metric = make();
            metric.add(said, targets)?;
            Ok(metric.value())
        };
        scores.push(Score { name, key, model: of(said)?, baseline: of(&constant)? });
    }
    Ok(scores)
}

type Measure = (&'static str, &'static str, Box<dyn Fn() -> Box<dyn Metric>>);

fn measures(goal: &Goal) -> Vec<Measure> {
    match goal {
        Goal::Classes(names, _) => {
            let classes = names.len();
            vec![
                ("accuracy", "accuracy", Box::new(|| Box::new(Accuracy::new()))),
                ("F1 (mean of classes)", "f1", Box::new(move || Box::new(F1::new(classes, Average::Macro)))),
                ("area under the ROC", "auc", Box::new(|| Box::new(RocAuc::new()))),
                ("log loss", "log_loss", Box::new(|| Box::new(LogLoss::new()))),
            ]
        }
        Goal::Number => vec![
            ("RMSE", "rmse", Box::new(|| Box::new(RootMeanSquaredError::new()))),
            ("MAE", "mae", Box::new(|| Box::new(MeanAbsoluteError::new()))),
            ("R²", "r2", Box::new(|| Box::new(R2::new()))),
        ],
    }
}

/// A table of scores.
pub(crate) fn table(scores: &[Score]) -> String {
    let mut text = format!("{:<22}{:>12}{:>12}", "", "model", "baseline");
    for Score { name, model, baseline, .. } in scores {
        text += &format!("\n{name:<22}{:>12}{:>12}", number(*model), number(*baseline));
    }
    text
}

/// What is not defined is null.
pub(crate) fn to_json(scores: &[Score]) -> Json {
    let of = |pick: fn(&Score) -> f64| {
        scores.iter().map(|score| (score.key.to_owned(), json!(pick(score)))).collect::<Map<String, Json>>()
    };
    json!({ "model": of(|score| score.model), "baseline": of(|score| score.baseline) })
}

/// Precision, recall and F1 of each class by its name; nothing of a number, or of more classes than are read one by one.
pub(crate) fn by_class(
    said: &Tensor,
    labels: &Tensor,
    goal: &Goal,
) -> Result<Option<(String, Json)>, Failure> {
    const MOST: usize = 30;
    let Goal::Classes(names, _) = goal else { return Ok(None) };
    let confusion = confusion(said, labels, names.len())?;
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, 40);
    let mut text = format!("{:<width$}  precision  recall      F1  rows", "class");
    let mut json = Map::new();
    for (name, class) in names.iter().zip(confusion.classes()) {
        text += &format!(
            "\n{name:<width$}  {:>9.4}  {:>6.4}  {:>6.4}  {:>4}",
            class.precision, class.recall, class.f1, class.rows
        );
        let of_class = json!({ "precision": class.precision, "recall": class.recall, "f1": class.f1, "rows": class.rows });
        json.insert(name.clone(), of_class);
    }
    Ok((names.len() <= MOST).then_some((text, Json::Object(json))))
}

/// How often each class was taken for each.
pub(crate) fn confusion(said: &Tensor, labels: &Tensor, classes: usize) -> Result<Confusion, Failure> {
    let mut confusion = Confusion::new(classes);
    confusion.add(said, labels)?;
    Ok(confusion)
}
