//! A trained model as a file: weights, and in the header all that is needed to use them on a file of rows.
//!
//! In: a model and how its rows were prepared; a path. Out: a safetensors file, which other programs read too; and back.

use crate::columns::Goal;
use crate::failure::{Failure, failed};
use crate::network::Shape;
use crate::prepared::Prepared;
use downhill::checkpoint;
use downhill::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The note of a file that the command wrote.
const NOTE: &str = "table";

/// All but the weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saved {
    pub(crate) shape: Shape,
    pub(crate) prepared: Prepared,
    /// What is said without looking at a row.
    pub(crate) baseline: Vec<f64>,
    /// How files were read.
    pub(crate) reading: Json,
}

impl Saved {
    /// Writes the file, whole or not at all.
    pub(crate) fn save(&self, net: &Model, path: &str) -> Result<(), Failure> {
        Ok(net.save_with(path, &[(NOTE, &self.to_json().to_string())])?)
    }

    /// A file that [`Saved::save`] wrote, and its network, for inference.
    pub(crate) fn load(path: &str, threads: Option<usize>) -> Result<(Saved, Model), Failure> {
        let notes = checkpoint::read(path)?.notes;
        let saved = Saved::of_notes(&notes).ok_or_else(|| {
            failed(format!("{path}: is no model that `downhill fit --save` wrote; `downhill inspect {path}` says what it holds"))
        })?;
        let mut net = saved.shape.build(0, threads, None)?;
        net.load_parameters(path)?;
        Ok((saved, net))
    }

    /// What the notes of a file say, where they are of such a model.
    pub(crate) fn of_notes(notes: &BTreeMap<String, String>) -> Option<Saved> {
        Saved::of_json(&serde_json::from_str(notes.get(NOTE)?).ok()?)
    }

    fn to_json(&self) -> Json {
        let Prepared { schema, target, goal, numbers, unit } = &self.prepared;
        let text = |transform: &Option<_>| transform.as_ref().map(ToString::to_string);
        json!({
            "version": 1,
            "network": self.shape.to_json(),
            "columns": schema.to_string(),
            "target": target,
            "classes": match goal { Goal::Classes(names, _) => Some(names), Goal::Number => None },
            "classes_are_numbers": matches!(goal, Goal::Classes(_, true)),
            "inputs": text(numbers),
            "outputs": text(unit),
            "baseline": self.baseline,
            "reading": self.reading,
        })
    }

    fn of_json(json: &Json) -> Option<Saved> {
        if json["version"].as_u64()? != 1 {
            return None;
        }
        let texts = |list: &Json| {
            let texts = list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>()
        };
        let transform = |text: &Json| match text.as_str() {
            Some(text) => text.parse().ok().map(Some),
            None => Some(None),
        };
        let goal = match &json["classes"] {
            Json::Null => Goal::Number,
            names => Goal::Classes(texts(names)?, json["classes_are_numbers"].as_bool()?),
        };
        let prepared = Prepared {
            schema: json["columns"].as_str()?.parse().ok()?,
            target: json["target"].as_str()?.to_owned(),
            goal,
            numbers: transform(&json["inputs"])?,
            unit: transform(&json["outputs"])?,
        };
        let (shape, baseline) = (Shape::of_json(&json["network"])?, json["baseline"].as_array()?);
        let classes = match &prepared.goal {
            Goal::Classes(names, _) => Some(names.len()),
            Goal::Number => None,
        };
        let baseline: Vec<f64> = baseline.iter().map(Json::as_f64).collect::<Option<_>>()?;
        // A file may say anything: what does not fit itself is none.
        let fits = shape.classes == classes
            && shape.inputs == prepared.width()
            && baseline.len() == classes.unwrap_or(1)
            && prepared.unit.is_some() == classes.is_none();
        fits.then(|| Saved { shape, prepared, baseline, reading: json["reading"].clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Layers};

    #[test]
    fn what_is_saved_is_read() {
        let saved = Saved {
            shape: Shape {
                inputs: 3,
                layers: Layers(vec![4]),
                activation: Activation::Tanh,
                dropout: 0.25,
                batch_norm: false,
                classes: Some(2),
            },
            prepared: Prepared {
                schema: "number \"a \\\"b\\\"\"\ncategory \"c\" \"x\" \"y\"\n".parse().expect("a schema"),
                target: "y".into(),
                goal: Goal::Classes(vec!["no".into(), "yes".into()], false),
                numbers: Some("impute 0.5\nscale 0.5:2\n".parse().expect("a transform")),
                unit: None,
            },
            baseline: vec![0.25, 0.75],
            reading: json!({ "no_header": false, "missing": ["?"] }),
        };
        assert_eq!(Saved::of_json(&saved.to_json()), Some(saved.clone()));
        let mut other = saved.clone();
        other.shape.inputs = 4;
        assert_eq!(Saved::of_json(&other.to_json()), None);
        assert_eq!(Saved::of_json(&json!({})), None);
    }
}
