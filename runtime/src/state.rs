//! All that a model has learned and where it is, as one value.
//!
//! In: a model. Out: [`State`], plain data; and a model that goes on from one.
//!
//! Must hold: a model that takes a state goes on, bit for bit, as the one that gave it would have, random numbers included. One that does
//! not fit changes nothing, and everything that does not fit is told at once.

use crate::error::Error;
use crate::gathered::{misshaped, named};
use crate::mismatch::Mismatch;
use crate::model::{Model, check_rate};
use crate::view::Data;
use downhill_graph::graph::{Storage, StorageKind};
use downhill_graph::tensor::Tensor;
use std::collections::{HashMap, HashSet};

/// All that a model has learned, and where it is: parameters, states (an optimizer's moments among them), the number of steps made, the
/// seed, the learning rates, the gradients that wait to be applied. Hyper-parameters other than the rate belong to the program, as the architecture does.
///
/// ```
/// # use downhill_runtime as downhill;
/// # use downhill_graph::types::ElementType;
/// # use downhill_graph::dim::Dim;
/// # use downhill_graph::random::Initializer;
/// # use downhill_nn::{builder::Builder, optimizers::adam, value::mean};
/// # use downhill_runtime::program::{Options, Program};
/// # let declare = |mode| {
/// #     let builder = Builder::new(mode);
/// #     let x = builder.input("x", ElementType::F32, [Dim::symbol("batch"), 2.into()]);
/// #     let w = builder.parameter("w", [2], Initializer::Ones);
/// #     builder.loss("loss", &mean(&x * &w * &w), None);
/// #     builder.finish()
/// # };
/// # let options = Options { optimizer: Some(adam(0.1).into()), ..Options::default() };
/// # let mut net = std::sync::Arc::new(Program::build("test", declare, options)?).model(0)?;
/// net.step(&[1.0, 2.0], ())?;
/// let kept = net.state();
/// let ahead = net.step(&[3.0, 4.0], ())?;
/// net.restore(&kept)?;
/// assert_eq!(net.step(&[3.0, 4.0], ())?.to_bits(), ahead.to_bits());
/// # Ok::<(), downhill::error::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By name, in the order of declaration.
    pub parameters: Vec<(String, Tensor)>,
    /// What is kept and not trained, by name: the declaration's states and those of optimizers.
    pub states: Vec<(String, Tensor)>,
    /// Training steps made.
    pub steps_made: u64,
    /// Of the random numbers that training draws.
    pub seed: u64,
    /// By the name of the loss.
    pub learning_rates: Vec<(String, f32)>,
    /// How many batches' gradients wait ([`Model::accumulate`]), by the name of the loss; losses of which none do are left out.
    pub waiting: Vec<(String, u64)>,
    /// The gradients that wait, and of how many rows they are, by name.
    pub gathered: Vec<(String, Tensor)>,
}

/// Which entries a model takes of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// Each has to be there, and no other.
    All,
    /// Those that the declaration has: what inference reads, and not what optimizers keep.
    Declared,
}

impl Model {
    /// All that it has learned, and where it is: [`Model::restore`] goes on from there.
    #[doc(alias("state_dict", "get_weights", "snapshot"))]
    pub fn state(&self) -> State {
        let of_kind = |kind: StorageKind| {
            let storages = self.program.storages().iter().zip(&self.storages);
            let of_kind = storages.filter(|(storage, _)| storage.kind == kind);
            of_kind.filter_map(|(storage, buffer)| named(storage, buffer)).collect()
        };
        let losses = || self.program.steps().iter().map(|step| step.loss.as_deref().unwrap_or_default());
        let waiting = losses().zip(&self.waiting).filter(|(_, batches)| **batches > 0);
        let waiting: Vec<(String, u64)> =
            waiting.map(|(loss, batches)| (loss.to_owned(), *batches)).collect();
        State {
            parameters: of_kind(StorageKind::Parameter),
            states: of_kind(StorageKind::State),
            steps_made: self.steps_made,
            seed: self.seed,
            learning_rates: losses().map(str::to_owned).zip(self.rates.iter().copied()).collect(),
            gathered: waiting.iter().flat_map(|(loss, _)| self.gathered(loss)).collect(),
            waiting,
        }
    }

    /// Goes on from a state of the same network with the same optimizer: the steps to come have the same bits as if they had been made
    /// where the state was taken, dropout and gradients that wait included. Other gradients that waited are forgotten.
    ///
    /// # Errors
    /// [`Error::State`], with every name that is missing, unexpected or of another type or shape; a learning rate that is none; with
    /// gradients that wait, what [`Model::accumulate`] cannot compile. The model is then as it was.
    #[doc(alias("load_state_dict", "set_weights", "load_record"))]
    pub fn restore(&mut self, state: &State) -> Result<(), Error> {
        state.learning_rates.iter().try_for_each(|(_, rate)| check_rate(*rate))?;
        let mut mismatch = self.compare(state, Taken::All);
        let known: Vec<&str> = self.program.steps().iter().filter_map(|step| step.loss.as_deref()).collect();
        let given: Vec<&str> = state.learning_rates.iter().map(|(loss, _)| &**loss).collect();
        let rate_of = |loss: &&&str| format!("learning rate of loss {loss}");
        mismatch.missing.extend(known.iter().filter(|loss| !given.contains(loss)).map(|loss| rate_of(&loss)));
        mismatch
            .unexpected
            .extend(given.iter().filter(|loss| !known.contains(loss)).map(|loss| rate_of(&loss)));
        let waiting = self.compare_gathered(&state.waiting, &state.gathered, &mut mismatch)?;
        if mismatch != Mismatch::default() {
            if self.compare(state, Taken::Declared) == Mismatch::default() {
                let help = "only what optimizers keep differs: build it with the same one, or take the parameters alone (`restore_parameters`, `load_parameters`)";
                mismatch.help = Some(help.to_owned());
            }
            return Err(Error::State(Box::new(mismatch)));
        }

        self.take(state, Taken::All);
        for (step, rate) in self.program.steps().iter().zip(&mut self.rates) {
            let given = state.learning_rates.iter().find(|(loss, _)| step.loss.as_deref() == Some(loss));
            *rate = given.map_or(*rate, |(_, given)| *given);
        }
        (self.steps_made, self.seed) = (state.steps_made, state.seed);
        self.workspaces.set_seed(state.seed);
        self.zero_gradients();
        self.take_gathered(&waiting, &state.gathered)
    }

    /// Takes what inference reads from a state: the parameters, and the states of the declaration, such as running statistics. What
    /// optimizers keep stays as it is, and so do the steps made, the seed and the learning rates. So a network that was built for inference
    /// takes what one with an optimizer has learned.
    ///
    /// # Errors
    /// [`Error::State`], with every name that is missing, unexpected or of another type or shape. The model is then as it was.
    pub fn restore_parameters(&mut self, state: &State) -> Result<(), Error> {
        let mut mismatch = self.compare(state, Taken::Declared);
        if mismatch != Mismatch::default() {
            let shares = mismatch.misshaped.is_empty() && mismatch.missing.is_empty();
            mismatch.help = shares.then(|| "`copy_shared_parameters_from` takes what both have".to_owned());
            return Err(Error::State(Box::new(mismatch)));
        }
        self.take(state, Taken::Declared);
        Ok(())
    }

    /// As [`Model::restore_parameters`], from another model: `target.copy_parameters_from(&online)?`.
    ///
    /// # Errors
    /// As [`Model::restore_parameters`].
    pub fn copy_parameters_from(&mut self, other: &Model) -> Result<(), Error> {
        self.restore_parameters(&other.state())
    }

    /// Moves every parameter by a share τ towards another model's, θ ← (1 − τ)·θ + τ·θ′, and takes its states as they are: what
    /// target networks of DDPG, SAC and DQN do after each step (Lillicrap et al.: Continuous control with deep reinforcement learning, 2015).
    /// `target.move_parameters_towards(&online, 0.005)?`; a share of 1 is [`Model::copy_parameters_from`].
    ///
    /// # Errors
    /// A share outside of 0 to 1; as [`Model::restore_parameters`]. The model is then as it was.
    #[doc(alias("soft_update", "polyak_update", "polyak", "ema", "lerp"))]
    pub fn move_parameters_towards(&mut self, other: &Model, share: impl Into<f64>) -> Result<(), Error> {
        let share = share.into();
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::usage(
                format!("parameters were to be moved by a share of {share}"),
                "the share of the way to the other model is from 0 to 1, such as 0.005",
            ));
        }
        let mut state = other.state();
        let mismatch = self.compare(&state, Taken::Declared);
        if share < 1.0 && mismatch == Mismatch::default() {
            let (stays, moves) = ((1.0 - share) as f32, share as f32);
            for (name, theirs) in &mut state.parameters {
                let own = self.parameter(name)?;
                let pairs = own.as_f32()?.iter().zip(theirs.as_f32()?);
                let moved: Vec<f32> = pairs.map(|(own, theirs)| stays * own + moves * theirs).collect();
                *theirs = Tensor::new(own.shape(), moved)?;
            }
        }
        self.restore_parameters(&state)
    }

    /// Takes every parameter and state of the declaration that both models have by name, and leaves the others: a decoder of its own takes
    /// what it needs of an autoencoder, a network for inference what it needs of one with more heads. Gives how many were taken.
    ///
    /// # Errors
    /// They share no name; [`Error::State`], where a shared one has another type or shape. The model is then as it was.
    pub fn copy_shared_parameters_from(&mut self, other: &Model) -> Result<usize, Error> {
        self.restore_shared_parameters(&other.state())
    }

    /// As [`Model::copy_shared_parameters_from`], of a state.
    ///
    /// # Errors
    /// As [`Model::copy_shared_parameters_from`].
    pub fn restore_shared_parameters(&mut self, state: &State) -> Result<usize, Error> {
        let misshaped = self.compare(state, Taken::Declared).misshaped;
        if !misshaped.is_empty() {
            return Err(Error::State(Box::new(Mismatch { misshaped, ..Mismatch::default() })));
        }
        let wanted = self.program.storages().iter().filter(|storage| self.takes(storage, Taken::Declared));
        let is_given =
            |storage: &&Storage| state.of(storage.kind).iter().any(|(name, _)| **name == *storage.name);
        let shared = wanted.filter(is_given).count();
        if shared == 0 {
            let help = "names begin with those of bindings: `h.weight`; call them alike in both networks";
            return Err(Error::usage("the networks share no parameter by name", help));
        }
        self.take(state, Taken::Declared);
        Ok(shared)
    }

    /// Whether it takes this storage of a state.
    fn takes(&self, storage: &Storage, taken: Taken) -> bool {
        taken == Taken::All || storage.kind == StorageKind::Parameter || self.program.declares(&storage.name)
    }

    fn compare(&self, state: &State, taken: Taken) -> Mismatch {
        let mut mismatch = Mismatch::default();
        for kind in [StorageKind::Parameter, StorageKind::State] {
            let of_kind = || self.program.storages().iter().filter(|storage| storage.kind == kind);
            let (given, by_name) = (state.of(kind), state.by_name(kind));
            let mut seen = HashSet::new();
            let twice = given.iter().filter(|(name, _)| !seen.insert(&**name));
            mismatch.unexpected.extend(twice.map(|(name, _)| format!("{name} once more")));
            for storage in of_kind().filter(|storage| self.takes(storage, taken)) {
                match by_name.get(&*storage.name) {
                    None => mismatch.missing.push(storage.name.to_string()),
                    Some(tensor) => mismatch.misshaped.extend(misshaped(storage, tensor)),
                }
            }
            // What optimizers keep differs from one to the next: where it is not taken, it is not compared.
            if taken == Taken::All || kind == StorageKind::Parameter {
                let known: HashSet<&str> = of_kind().map(|storage| &*storage.name).collect();
                let unknown = given.iter().filter(|(name, _)| !known.contains(&**name));
                mismatch.unexpected.extend(unknown.map(|(name, _)| name.clone()));
            }
        }
        mismatch
    }

    /// Overwrites what has been compared.
    fn take(&mut self, state: &State, taken: Taken) {
        let program = self.program.clone();
        let given = [StorageKind::Parameter, StorageKind::State].map(|kind| (kind, state.by_name(kind)));
        for (index, storage) in program.storages().iter().enumerate() {
            let of_kind = given.iter().find(|(kind, _)| *kind == storage.kind);
            let found = of_kind.and_then(|(_, by_name)| by_name.get(&*storage.name));
            if let Some(tensor) = found.filter(|_| self.takes(storage, taken)) {
                self.storages[index].set_elements(tensor.view().elements);
            }
        }
    }
}

impl State {
    fn by_name(&self, kind: StorageKind) -> HashMap<&str, &Tensor> {
        self.of(kind).iter().map(|(name, tensor)| (&**name, tensor)).collect()
    }

    fn of(&self, kind: StorageKind) -> &[(String, Tensor)] {
        match kind {
            StorageKind::Parameter => &self.parameters,
            StorageKind::State => &self.states,
        }
    }
}
