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
        let notes = notes.iter().map(|(key, note)| ((*key).to_owned(), (*note).to_owned())).collect();
        write(path.as_ref(), &Checkpoint { notes, ..checkpoint_of(self)? })
    }

    fn load(&mut self, path: impl AsRef<Path>) -> Result<Notes, Error> {
        let path = path.as_ref();
        let taken = taken(self, path)?.whole(path)?;
        self.restore(&taken.state)?;
        Ok(taken.notes)
    }

    fn load_parameters(&mut self, path: impl AsRef<Path>) -> Result<Notes, Error> {
        let taken = taken(self, path.as_ref())?;
        self.restore_parameters(&taken.state)?;
        Ok(taken.notes)
    }
}

/// How names of the best epoch's tensors begin; no name of a declaration has a space.
const BEST: &str = "best ";

/// All that a model is, for a file.
fn checkpoint_of(net: &Model) -> Result<Checkpoint, Error> {
    let state = net.state();
    let mut tensors = outward(net.program().storages(), &state)?;
    tensors.extend(state.gathered.iter().cloned());
    Ok(Checkpoint {
        tensors,
        gathered: state.gathered.into_iter().map(|(name, _)| name).collect(),
        waiting: state.waiting,
        states: state.states.iter().map(|(name, _)| name.clone()).collect(),
        network: net.program().name().to_owned(),
        steps_made: state.steps_made,
        seed: state.seed,
        learning_rates: state.learning_rates,
        ..Checkpoint::default()
    })
}

fn write(path: &Path, checkpoint: &Checkpoint) -> Result<(), Error> {
    file::write(path, &checkpoint.to_bytes(path)?)
}

/// Writes a model, where its training is, and what it was at its best.
pub(crate) fn save_training(
    net: &Model,
    path: &Path,
    training: Notes,
    best: Option<&State>,
) -> Result<(), Error> {
    let mut checkpoint = Checkpoint { training, ..checkpoint_of(net)? };
    if let Some(best) = best {
        let tensors = outward(net.program().storages(), best)?;
        checkpoint
            .tensors
            .extend(tensors.into_iter().map(|(name, tensor)| (format!("{BEST}{name}"), tensor)));
    }
    write(path, &checkpoint)
}

/// What a file holds for a model.
pub(crate) struct Taken {
    pub(crate) state: State,
    /// The parameters of the best epoch.
    pub(crate) best: Option<State>,
    /// Where training is.
    pub(crate) training: Notes,
    notes: Notes,
    /// The network that wrote it.
    network: String,
}

impl Taken {
    /// Refuses a file that does not say where training was.
    pub(crate) fn whole(self, path: &Path) -> Result<Taken, Error> {
        match self.network.is_empty() {
            false => Ok(self),
            true => Err(broken(
                path,
                "holds tensors alone, and not where training was: `load_parameters` takes them",
            )),
        }
    }
}

/// What a file holds for this model.
pub(crate) fn taken(net: &Model, path: &Path) -> Result<Taken, Error> {
    let file = read(path)?;
    let (mut gathered, mut best, mut tensors, mut unread) = (Vec::new(), Vec::new(), Vec::new(), file.unread);
    for (name, tensor) in file.tensors {
        match name.strip_prefix(BEST) {
            Some(own) if !file.training.is_empty() => best.push((own.to_owned(), tensor)),
            _ if file.gathered.contains(&name) => gathered.push((name, tensor)),
            _ => tensors.push((name, tensor)),
        }
    }
    let storages = net.program().storages();
    if let Some(prefix) = prefix_in(storages, &tensors) {
        let own = |name: &str| name.strip_prefix(&*prefix).map(str::to_owned);
        tensors = tensors.into_iter().filter_map(|(name, tensor)| Some((own(&name)?, tensor))).collect();
        unread = unread.into_iter().filter_map(|(name, what)| Some((own(&name)?, what))).collect();
    }
    if let Some((name, what)) = unread.iter().find(|(name, _)| is_wanted(storages, name)) {
        return Err(broken(path, format!("`{name}` {what}")));
    }
    let inward = |tensors| inward(storages, tensors, &file.states);
    let best = if best.is_empty() { None } else { Some(inward(best)?) };
    let best = best.map(|(parameters, states)| State { parameters, states, ..State::default() });
    let (parameters, states) = inward(tensors)?;
    let state = State {
        parameters,
        states,
        steps_made: file.steps_made,
        seed: file.seed,
        learning_rates: file.learning_rates,
        waiting: file.waiting,
        gathered,
    };
    Ok(Taken { state, best, training: file.training, notes: file.notes, network: file.network })
}
