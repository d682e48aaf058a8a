//! The file: safetensors, with what is no tensor as texts in its header.
//!
//! In: named tensors, texts. Out: bytes; and back, or what is the matter with a file.
//!
//! Must hold: nothing of a file is believed before it is checked; sizes that a header tells ask for no memory beyond the file's own.

use super::exchange::Named;
use super::tensors::{bytes_of, tensor_of};
use super::torch;
use crate::mistake::{broken, unreadable};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Where a model was, beside its tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Every tensor by its name in the file, in the order of names.
    pub tensors: Vec<(String, Tensor)>,
    /// Tensors that could not be read, and why: of a type that downhill has not.
    pub unread: Vec<(String, String)>,
    /// Which of them are kept and not trained, as far as the file says.
    pub states: Vec<String>,
    /// The network's name; empty in a file that downhill did not write.
    pub network: String,
    /// Training steps made.
    pub steps_made: u64,
    /// The seed of random numbers.
    pub seed: u64,
    /// Learning rates by the name of the loss.
    pub learning_rates: Vec<(String, f32)>,
    /// How many batches' gradients wait to be applied, by the name of the loss.
    pub waiting: Vec<(String, u64)>,
    /// Which tensors are those gradients.
    pub gathered: Vec<String>,
    /// Where a training is that [`Fit::save`](crate::fit::Fit::save) wrote down; nothing in other files. Tensors whose names begin with `best `
    /// are those of its best epoch.
    pub training: BTreeMap<String, String>,
    /// What else was said when it was saved.
    pub notes: BTreeMap<String, String>,
}

/// The header's entry that downhill writes.
const OWN: &str = "downhill";

impl Checkpoint {
    /// The file's bytes.
    pub(super) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let rates: BTreeMap<&str, String> =
            self.learning_rates.iter().map(|(loss, rate)| (&**loss, rate.to_string())).collect();
        let waiting: BTreeMap<&str, u64> =
            self.waiting.iter().map(|(loss, count)| (&**loss, *count)).collect();
        let mut told = json!({
            "network": self.network,
            "steps_made": self.steps_made,
            "seed": self.seed,
            "learning_rates": rates,
            "states": self.states,
            "notes": self.notes,
        });
        if !waiting.is_empty() {
            (told["waiting"], told["gathered"]) = (json!(waiting), json!(self.gathered));
        }
        if !self.training.is_empty() {
            told["training"] = json!(self.training);
        }
        // One text, so that a state has the same bytes whenever it is saved: the header's own entries are in no order.
        let header = HashMap::from([(OWN.to_owned(), told.to_string())]);
        let bytes: Vec<_> =
            self.tensors.iter().map(|(name, tensor)| (name, tensor, bytes_of(tensor))).collect();
        let views = bytes.iter().map(|(name, tensor, (dtype, bytes))| {
            Ok(((*name).clone(), TensorView::new(*dtype, tensor.shape().to_vec(), bytes)?))
        });
        let views: Result<Vec<_>, safetensors::SafeTensorError> = views.collect();
        let made = views.and_then(|views| serialize(views, Some(header)));
        made.map_err(|error| broken(path, format!("cannot be written: {error}")))
    }

    /// What these bytes of a file say.
    pub(super) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Checkpoint, Error> {
        if torch::is_of_torch(bytes) {
            let (tensors, unread) = torch::read(path, bytes)?;
            return Ok(Checkpoint { tensors, unread, ..Checkpoint::default() }.sorted());
        }
        let no_file = |error| broken(path, format!("is no safetensors file: {error}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(no_file)?;
        let header = metadata.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(bytes).map_err(no_file)?;
        let (mut tensors, mut unread): (Named, Vec<(String, String)>) = Default::default();
        for (name, view) in file.iter() {
            match tensor_of(view.dtype(), view.shape(), view.data()) {
                Ok(tensor) => tensors.push((name.to_owned(), tensor)),
                Err(what) => unread.push((name.to_owned(), what)),
            }
        }
        let mut checkpoint = Checkpoint { tensors, unread, ..Checkpoint::default() }.sorted();
        if let Some(told) = header.get(OWN) {
            checkpoint.take(told).ok_or_else(|| broken(path, format!("has a broken entry `{OWN}`")))?;
        }
        Ok(checkpoint)
    }

    /// In the order of names.
    fn sorted(mut self) -> Checkpoint {
        self.unread.sort();
        self.tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        self
    }

    /// Takes what is no tensor; nothing where it is not what was written.
    fn take(&mut self, told: &str) -> Option<()> {
        let told: Value = serde_json::from_str(told).ok()?;
        self.network = told["network"].as_str()?.to_owned();
        self.steps_made = told["steps_made"].as_u64()?;
        self.seed = told["seed"].as_u64()?;
        for (loss, rate) in told["learning_rates"].as_object()? {
            self.learning_rates.push((loss.clone(), rate.as_str()?.parse().ok()?));
        }
        for state in told["states"].as_array()? {
            self.states.push(state.as_str()?.to_owned());
        }
        // Where no gradients wait, nothing is said of them.
        if let Some(waiting) = told.get("waiting") {
            for (loss, count) in waiting.as_object()? {
                self.waiting.push((loss.clone(), count.as_u64()?));
            }
            for name in told["gathered"].as_array()? {
                self.gathered.push(name.as_str()?.to_owned());
            }
        }
        self.notes = texts(&told["notes"])?;
        self.training = told.get("training").map_or_else(|| Some(BTreeMap::new()), texts)?;
        Some(())
    }
}

fn texts(told: &Value) -> Option<BTreeMap<String, String>> {
    told.as_object()?.iter().map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))).collect()
}

/// What a safetensors file holds, whoever wrote it, or a file of `torch.save`: of that the tensors, named by the way to them, such as
/// `model.h.weight`.
///
/// # Errors
/// A file that cannot be read, or is none of these; a file of `torch.save` that names more than tensors need.
pub fn read(path: impl AsRef<Path>) -> Result<Checkpoint, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Checkpoint::of_bytes(path, &bytes)
}
