//! `downhill inspect`: what a file of a model holds.

use crate::columns::Goal;
use crate::failure::Failure;
use crate::report::{Report, counted, grouped, listed, number};
use crate::saved::Saved;
use downhill::checkpoint::{self, Checkpoint};
use downhill::data::schema::Kind;
use downhill::prelude::*;
use serde_json::{Value as Json, json};

/// Look into a file of a model: tensors, their statistics, and what a network was
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// What `downhill fit --save` or `net.save` wrote, or another safetensors file
    file: String,
}

impl Options {
    pub(crate) fn run(self, report: &mut Report) -> Result<(), Failure> {
        let checkpoint = checkpoint::read(&self.file)?;
        tell_origin(&self.file, &checkpoint, report)?;
        if let Some(saved) = Saved::of_notes(&checkpoint.notes) {
            tell_saved(&saved, report)?;
        }
        tell_tensors(&checkpoint, report)
    }
}

fn tell_origin(file: &str, checkpoint: &Checkpoint, report: &mut Report) -> Result<(), Failure> {
    let Checkpoint { network, steps_made, seed, learning_rates, notes, waiting, training, .. } = checkpoint;
    let mut text = match network.is_empty() {
        true => format!("{file}: tensors of another program"),
        false => {
            format!("{file}: network `{network}` after {} steps, seed {seed}", grouped(*steps_made as usize))
        }
    };
    for (loss, rate) in learning_rates {
        text += &format!("\n  learning rate of `{loss}`: {rate}");
    }
    for (loss, batches) in waiting {
        text += &format!("\n  gradients of {} wait for `{loss}`", counted(*batches as usize, "batch"));
    }
    for (key, told) in training {
        text += &format!("\n  training, {key}: {told}");
    }
    let is_own = Saved::of_notes(notes).is_some();
    let others = notes.iter().filter(|_| !is_own);
    for (key, note) in others.clone() {
        let first = note.lines().next().unwrap_or_default();
        text += &format!("\n  note `{key}`: {first}");
    }
    let rates: Vec<Json> =
        learning_rates.iter().map(|(loss, rate)| json!({ "loss": loss, "rate": rate })).collect();
    report.document("file", json!(file));
    report.document("training", training.iter().map(|(key, told)| (key.clone(), json!(told))).collect());
    report.document("notes_of_file", others.map(|(key, note)| (key.clone(), json!(note))).collect());
    let document = match network.is_empty() {
        true => Json::Null,
        false => json!({ "network": network, "steps": steps_made, "seed": seed, "learning_rates": rates }),
    };
    report.tell("origin", document, text)
}

fn tell_saved(saved: &Saved, report: &mut Report) -> Result<(), Failure> {
    let prepared = &saved.prepared;
    let columns: Vec<String> = prepared
        .schema
        .columns()
        .map(|(name, kind)| match kind {
            Kind::Number => name.to_owned(),
            Kind::Category(texts) => format!("{name} ({} texts)", texts.len()),
        })
        .collect();
    let what = match &prepared.goal {
        Goal::Classes(names, _) => format!("classes {}", listed(names.iter().map(String::as_str))),
        Goal::Number => "a number".to_owned(),
    };
    let shape = saved.shape.to_json();
    let layers = &saved.shape.layers;
    let text = format!(
        "  predicts `{}`: {what}\n  from {}\n  by {} inputs, layers {layers}, {} outputs; activation {}, dropout {}",
        prepared.target,
        listed(columns.iter().map(String::as_str)),
        grouped(saved.shape.inputs),
        saved.shape.classes.unwrap_or(1),
        shape["activation"].as_str().unwrap_or_default(),
        saved.shape.dropout,
    );
    let document = json!({
        "target": prepared.target,
        "columns": prepared.schema.names().collect::<Vec<_>>(),
        "classes": match &prepared.goal { Goal::Classes(names, _) => json!(names), Goal::Number => Json::Null },
        "network": shape,
    });
    report.tell("model", document, text)
}

fn tell_tensors(checkpoint: &Checkpoint, report: &mut Report) -> Result<(), Failure> {
    let width = checkpoint.tensors.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(6);
    let mut text = format!(
        "\n{:<width$}  {:<16}  kind       {:>11}  {:>11}  {:>11}  {:>11}  NaN, infinite",
        "tensor", "shape", "mean", "deviation", "least", "greatest"
    );
    let (mut numbers, mut json) = (0, Vec::new());
    for (name, tensor) in &checkpoint.tensors {
        let Statistics { mean, deviation, least, greatest, broken } = Statistics::of(tensor);
        let shape = format!("{:?}", tensor.shape());
        let kind = if checkpoint.states.contains(name) { "state" } else { "parameter" };
        let element = tensor.element();
        numbers += tensor.len();
        text += &format!(
            "\n{name:<width$}  {shape:<16}  {kind:<9}  {:>11}  {:>11}  {:>11}  {:>11}  {broken}",
            number(mean),
            number(deviation),
            number(least),
            number(greatest)
        );
        json.push(json!({
            "name": name, "shape": tensor.shape(), "type": element.to_string(), "kind": kind,
            "mean": mean, "deviation": deviation, "least": least, "greatest": greatest, "not_finite": broken,
        }));
    }
    text += &format!("\n{} tensors, {} numbers", grouped(checkpoint.tensors.len()), grouped(numbers));
    for (name, why) in &checkpoint.unread {
        report.note(format!("`{name}` {why}"));
    }
    report.document("numbers", json!(numbers));
    report.tell("tensors", json!(json), text)
}

/// Of the finite numbers of a tensor, and how many others there are.
struct Statistics {
    mean: f64,
    deviation: f64,
    least: f64,
    greatest: f64,
    broken: usize,
}

impl Statistics {
    fn of(tensor: &Tensor) -> Statistics {
        let all = tensor.to_f64_vec();
        let finite: Vec<f64> = all.iter().copied().filter(|number| number.is_finite()).collect();
        let count = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / count;
        let variance = finite.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count;
        Statistics {
            mean,
            deviation: variance.sqrt(),
            least: finite.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
            greatest: finite.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
            broken: all.len() - finite.len(),
        }
    }
}
