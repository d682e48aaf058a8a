//! Models to files, and files to models.

use super::exchange::{inward, is_wanted, outward, prefix_in};
use super::format::{Checkpoint, read};
use crate::file;
use crate::mistake::broken;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use downhill_runtime::state::State;
use std::collections::BTreeMap;
use std::path::Path;

/// What else was said when a model was saved.
pub type Notes = BTreeMap<String, String>;

#[doc(alias("safetensors", "pt", "pth", "torch_load", "save_weights", "load_weights", "Recorder"))]
/// Files of models. Every [`Model`] has it. See [`checkpoint`](crate::checkpoint).
pub trait Saving {
    /// Writes all that it has learned, and where it is.
    ///
    /// # Errors
    /// A file that cannot be written: the one that was there before is whole.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.save_with(path, &[])
    }

    /// As [`Saving::save`], with notes of your own: the epoch, the classes' names, how data was scaled.
    ///
    /// # Errors
    /// As [`Saving::save`].
    fn save_with(&self, path: impl AsRef<Path>, notes: &[(&str, &str)]) -> Result<(), Error>;

    /// Goes on from a file of the same network with the same optimizer, with the same bits. Gives the notes.
    ///
    /// # Errors
    /// A file that cannot be read or is none of downhill's; [`Error::State`] with every name that does not fit. The model is then as it was.
    fn load(&mut self, path: impl AsRef<Path>) -> Result<Notes, Error>;

    /// Takes what inference reads from a file, which PyTorch may have written. Gives the notes.
    ///
    /// # Errors
    /// As [`Saving::load`]; what optimizers keep is not looked at.
    fn load_parameters(&mut self, path: impl AsRef<Path>) -> Result<Notes, Error>;
}

impl Saving for Model {
    fn save_with(&self, path: impl AsRef<Path>, notes: &[(&str, &str)]) -> Result<(), Error> {
        let state = self.state();
        let mut tensors = outward(self.program().storages(), &state)?;
        tensors.extend(state.gathered.iter().cloned());
        let checkpoint = Checkpoint {
            tensors,
            gathered: state.gathered.into_iter().map(|(name, _)| name).collect(),
            waiting: state.waiting,
            states: state.states.iter().map(|(name, _)| name.clone()).collect(),
            network: self.program().name().to_owned(),
            steps_made: state.steps_made,
            seed: state.seed,
            learning_rates: state.learning_rates,
            notes: notes.iter().map(|(key, note)| ((*key).to_owned(), (*note).to_owned())).collect(),
            unread: Vec::new(),
        };
        let path = path.as_ref();
        file::write(path, &checkpoint.to_bytes(path)?)
    }

    fn load(&mut self, path: impl AsRef<Path>) -> Result<Notes, Error> {
        let path = path.as_ref();
        let (state, notes, network) = taken(self, path)?;
        if network.is_empty() {
            let message = "holds tensors alone, and not where training was: `load_parameters` takes them";
            return Err(broken(path, message));
        }
        self.restore(&state)?;
        Ok(notes)
    }

    fn load_parameters(&mut self, path: impl AsRef<Path>) -> Result<Notes, Error> {
        let (state, notes, _) = taken(self, path.as_ref())?;
        self.restore_parameters(&state)?;
        Ok(notes)
    }
}

/// The state that a file holds for this model, its notes, and the name of the network that wrote it.
fn taken(net: &Model, path: &Path) -> Result<(State, Notes, String), Error> {
    let file = read(path)?;
    let (is_gathered, mut unread) = (|name: &String| file.gathered.contains(name), file.unread);
    let (gathered, mut tensors): (Vec<_>, Vec<_>) =
        file.tensors.into_iter().partition(|(name, _)| is_gathered(name));
    let storages = net.program().storages();
    if let Some(prefix) = prefix_in(storages, &tensors) {
        let own = |name: &str| name.strip_prefix(&*prefix).map(str::to_owned);
        tensors = tensors.into_iter().filter_map(|(name, tensor)| Some((own(&name)?, tensor))).collect();
        unread = unread.into_iter().filter_map(|(name, what)| Some((own(&name)?, what))).collect();
    }
    if let Some((name, what)) = unread.iter().find(|(name, _)| is_wanted(storages, name)) {
        return Err(broken(path, format!("`{name}` {what}")));
    }
    let (parameters, states) = inward(storages, tensors, &file.states)?;
    let state = State {
        parameters,
        states,
        steps_made: file.steps_made,
        seed: file.seed,
        learning_rates: file.learning_rates,
        waiting: file.waiting,
        gathered,
    };
    Ok((state, file.notes, file.network))
}
