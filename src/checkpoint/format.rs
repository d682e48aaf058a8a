//! The file: safetensors, with what is no tensor as texts in its header.
//!
//! In: named tensors, texts. Out: bytes; and back, or what is the matter with a file.
//!
//! Must hold: nothing of a file is believed before it is checked; sizes that a header tells ask for no memory beyond the file's own.

use super::exchange::Named;
use super::tensors::{bytes_of, tensor_of};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Where a model was, beside its tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Every tensor by its name in the file, in the order of names.
    pub tensors: Vec<(String, Tensor)>,
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
    /// What else was said when it was saved.
    pub notes: BTreeMap<String, String>,
}

/// What a note's key begins with in the header.
const NOTE: &str = "note.";
/// What the key of a loss's rate begins with.
const RATE: &str = "learning_rate.";

impl Checkpoint {
    /// The file's bytes.
    pub(super) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let told = |(key, value): (&str, String)| (key.to_owned(), value);
        let fixed = [
            ("format", "pt".to_owned()),
            ("writer", "downhill".to_owned()),
            ("network", self.network.clone()),
            ("steps_made", self.steps_made.to_string()),
            ("seed", self.seed.to_string()),
            ("states", self.states.join("\n")),
        ];
        let mut header: HashMap<String, String> = fixed.into_iter().map(told).collect();
        header.extend(
            self.learning_rates.iter().map(|(loss, rate)| (format!("{RATE}{loss}"), rate.to_string())),
        );
        header.extend(self.notes.iter().map(|(key, note)| (format!("{NOTE}{key}"), note.clone())));
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
        let no_file = |error| broken(path, format!("is no safetensors file: {error}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(no_file)?;
        let header = metadata.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(bytes).map_err(no_file)?;
        let mut tensors: Named = Vec::new();
        for (name, view) in file.iter() {
            let tensor = tensor_of(view.dtype(), view.shape(), view.data());
            let tensor = tensor.map_err(|what| broken(path, format!("`{name}` {what}")))?;
            tensors.push((name.to_owned(), tensor));
        }
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));

        let mut checkpoint = Checkpoint { tensors, ..Checkpoint::default() };
        for (key, value) in header {
            checkpoint.take(path, &key, value)?;
        }
        checkpoint.learning_rates.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(checkpoint)
    }

    fn take(&mut self, path: &Path, key: &str, value: String) -> Result<(), Error> {
        let no_number =
            |_| broken(path, format!("says `{value}` for `{key}`, which is no number of its kind"));
        match key {
            "network" => self.network = value,
            "states" => self.states = value.lines().map(str::to_owned).collect(),
            "steps_made" => self.steps_made = value.parse().map_err(|_| no_number(()))?,
            "seed" => self.seed = value.parse().map_err(|_| no_number(()))?,
            _ => {
                if let Some(loss) = key.strip_prefix(RATE) {
                    self.learning_rates.push((loss.to_owned(), value.parse().map_err(|_| no_number(()))?));
                } else if let Some(note) = key.strip_prefix(NOTE) {
                    self.notes.insert(note.to_owned(), value);
                }
            }
        }
        Ok(())
    }
}

/// What a safetensors file holds, whoever wrote it.
///
/// # Errors
/// A file that cannot be read, is no safetensors file, or has tensors of a type that downhill has not.
pub fn read(path: impl AsRef<Path>) -> Result<Checkpoint, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| broken(path, format!("cannot be read: {error}")))?;
    Checkpoint::of_bytes(path, &bytes)
}

fn broken(path: &Path, message: String) -> Error {
    Error::File { path: path.into(), place: None, message }
}
