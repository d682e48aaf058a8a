//! A model: parameters, states and the memory to work in.
//!
//! In: a program, a seed. Out: [`Model`]. Running it is in `run` and [`crate::epoch`], its state as one value in [`crate::state`].

use crate::convert::{convert, converts, first_misfit, misfit, refused};
use crate::error::Error;
use crate::given::Given;
use crate::prepare::elements;
use crate::program::Program;
use crate::report::Report;
use crate::storage::Buffer;
use crate::view::{Data, Elements, Extent};
use crate::worker::FIRST_STEP;
use crate::workspace::Workspaces;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Storage, StorageKind};
use downhill_graph::sizes::concrete;
use downhill_graph::tensor::Tensor;
use downhill_nn::summary::Summary;
use std::fmt;
use std::sync::Arc;

/// A network that can be run and trained: a [`Program`] with parameters of its own.
///
/// Inference and gradients take it by `&`, so that an `Arc<Model>` serves several threads at once; training takes it by `&mut`. A copy
/// (`net.clone()`) has the same parameters, states, random numbers to come and learning rates, and goes its own way. Several models share one
/// program and run side by side.
///
/// `{net:?}` is a line; [`Model::summary`] is a table.
pub struct Model {
    pub(crate) program: Arc<Program>,
    pub(crate) storages: Vec<Buffer>,
    pub(crate) workspaces: Workspaces,
    /// Of the initial parameters and of all random numbers drawn in training.
    pub(crate) seed: u64,
    /// Training steps made so far.
    pub(crate) steps_made: u64,
    /// The step whose random numbers gradients draw, if one was said.
    pub(crate) random_step: Option<u64>,
    /// The learning rate of each loss that has a step.
    pub(crate) rates: Vec<f32>,
    /// Batches whose gradients wait to be applied, for each of these.
    pub(crate) waiting: Vec<u64>,
    /// An epoch's order of rows.
    pub(crate) order: Vec<u32>,
}

impl Program {
    /// A model with fresh parameters. The same seed gives the same parameters on every machine.
    ///
    /// # Errors
    /// No memory for the parameters.
    pub fn model(self: &Arc<Program>, seed: u64) -> Result<Model, Error> {
        let mut storages = Vec::with_capacity(self.storages().len());
        for storage in self.storages() {
            storages.push(initial(storage, seed, self.bindings())?);
        }
        Ok(Model {
            seed,
            program: self.clone(),
            storages,
            workspaces: Workspaces::new(self, seed),
            steps_made: 0,
            random_step: None,
            rates: self.steps().iter().map(|step| step.rate).collect(),
            waiting: vec![0; self.steps().len()],
            order: Vec::new(),
        })
    }
}

impl Clone for Model {
    fn clone(&self) -> Model {
        Model {
            program: self.program.clone(),
            storages: self.storages.clone(),
            workspaces: Workspaces::new(&self.program, self.seed),
            seed: self.seed,
            steps_made: self.steps_made,
            random_step: self.random_step,
            rates: self.rates.clone(),
            waiting: self.waiting.clone(),
            order: Vec::new(),
        }
    }
}

impl fmt::Debug for Model {
    /// One line: what it is, how large, how far it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, parameters, seed) = (self.program.name(), self.parameter_count(), self.seed);
        write!(f, "Model({name}, {parameters} parameters, {} steps made, seed {seed})", self.steps_made)
    }
}

/// A learning rate is finite and not negative, as the optimizers have it.
pub(crate) fn check_rate(rate: f32) -> Result<(), Error> {
    if rate.is_finite() && rate >= 0.0 {
        return Ok(());
    }
    Err(Error::usage(
        format!("a learning rate of {rate} was given"),
        "a learning rate is a finite number from 0 on",
    ))
}

/// The rate that training takes: steps calculate with f32s.
fn checked_rate(rate: f64) -> Result<f32, Error> {
    check_rate(rate as f32).map(|()| rate as f32)
}

fn initial(storage: &Storage, seed: u64, bindings: &Bindings) -> Result<Buffer, Error> {
    let name = format!("`{}`", storage.name);
    let shape = concrete(&name, &storage.ty.shape, &Bindings::new())?;
    let mut buffer = Buffer::of(storage.ty.element, elements(&shape), &name)?;
    let values = storage.initializer.sample(&storage.name, &shape, seed, bindings);
    let values = values.map_err(|error| error.at(storage.origin.clone()))?;
    buffer.set_numbers(storage.ty.element, &values);
    Ok(buffer)
}

impl Model {
    /// The machine code it runs. `net.program().model(seed)` is a second network of the same kind, without compiling again.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// What building its program took, and which sizes have code of their own by now.
    pub fn report(&self) -> Report {
        self.program.report()
    }

    /// How long building its program took.
    pub fn compile_time(&self) -> std::time::Duration {
        self.report().compile_time()
    }

    /// The graph of an entry: `forward`, `step`; where a network has several losses, `step judge`.
    ///
    /// # Errors
    /// There is no such entry.
    pub fn graph(&self, entry: &str) -> Result<&Graph, Error> {
        self.program.graph(entry)
    }

    /// How many training steps it has made.
    pub fn steps_made(&self) -> u64 {
        self.steps_made
    }

    /// Whose random numbers the gradients to come draw, and inference where it draws any (`normal([batch, 8], inference: true)`): those of
    /// training step `step`, counted from 0. With `None`, as in the beginning, they are those of the step to come, so that all gradients
    /// between two steps have the same dropout masks.
    ///
    /// Training draws its own, whatever is said here. The same seed, step and declaration give the same numbers.
    /// `for n in 0..100 { net.set_random_step(Some(n)); net.gradients_into(None, ["w"], &x, &y, [&mut slope])?; … }` draws a hundred masks.
    pub fn set_random_step(&mut self, step: Option<u64>) {
        self.random_step = step;
    }

    /// Names and shapes of the parameters, in the order of declaration.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Vec<usize>)> {
        self.listed(StorageKind::Parameter)
    }

    /// Names and shapes of the states: what is kept and not trained, an optimizer's moments among them.
    pub fn states(&self) -> impl Iterator<Item = (&str, Vec<usize>)> {
        self.listed(StorageKind::State)
    }

    /// A copy of a parameter: `net.parameter("h.weight")?`.
    ///
    /// # Errors
    /// There is no such parameter.
    pub fn parameter(&self, name: &str) -> Result<Tensor, Error> {
        self.read(StorageKind::Parameter, name)
    }

    /// A copy of one state: `net.state_of("h.running_mean")?`. All of them are in [`Model::state`].
    ///
    /// # Errors
    /// There is no such state.
    pub fn state_of(&self, name: &str) -> Result<Tensor, Error> {
        self.read(StorageKind::State, name)
    }

    /// Overwrites a parameter.
    ///
    /// # Errors
    /// There is no such parameter; another type or shape; a number that is infinite or NaN.
    pub fn set_parameter(&mut self, name: &str, value: &(impl Data + ?Sized)) -> Result<(), Error> {
        if let Some((position, found)) = value.view().elements.first_broken() {
            return Err(Error::usage(
                format!("the value for parameter `{name}` holds {found} at position {position}"),
                "give finite numbers, or say `set_parameter_unchecked`",
            ));
        }
        self.write(StorageKind::Parameter, name, value)
    }

    /// Overwrites a parameter, with infinities and NaN too.
    ///
    /// # Errors
    /// There is no such parameter; another type or shape.
    pub fn set_parameter_unchecked(&mut self, name: &str, value: &(impl Data + ?Sized)) -> Result<(), Error> {
        self.write(StorageKind::Parameter, name, value)
    }

    /// Overwrites a state.
    ///
    /// # Errors
    /// There is no such state; another type or shape.
    pub fn set_state(&mut self, name: &str, value: &(impl Data + ?Sized)) -> Result<(), Error> {
        self.write(StorageKind::State, name, value)
    }

    /// The network as a table: `println!("{}", net.summary())` tells its values, their shapes, and the parameters that each brings.
    #[doc(alias("print", "info", "num_params"))]
    pub fn summary(&self) -> Summary {
        self.program.summary()
    }

    /// How many numbers its parameters hold.
    #[doc(alias("count_params", "num_parameters"))]
    pub fn parameter_count(&self) -> usize {
        self.parameters().map(|(_, shape)| elements(&shape)).sum()
    }

    /// The learning rate of the steps to come, of the only loss that has steps.
    ///
    /// # Errors
    /// No loss has an optimizer, or several have.
    #[doc(alias("lr"))]
    pub fn learning_rate(&self) -> Result<f32, Error> {
        self.check_trains()?;
        match *self.rates {
            [rate] => Ok(rate),
            _ => Err(Error::usage(
                "several losses have learning rates",
                format!(
                    "name one: `net.learning_rate_of(\"{}\")`",
                    self.program.steps()[0].loss.as_deref().unwrap_or_default()
                ),
            )),
        }
    }

    /// The learning rate of the steps to come, of one loss.
    ///
    /// # Errors
    /// There is no such loss, or it has no step.
    pub fn learning_rate_of(&self, loss: &str) -> Result<f32, Error> {
        Ok(self.rates[self.program.step_of(Some(loss))? - FIRST_STEP])
    }

    /// The learning rate of the steps to come, of every loss. Nothing is compiled again.
    ///
    /// # Errors
    /// A rate that is negative, infinite or NaN; no loss has an optimizer.
    #[doc(alias("lr", "scheduler"))]
    pub fn set_learning_rate(&mut self, rate: impl Into<f64>) -> Result<(), Error> {
        let rate = checked_rate(rate.into())?;
        self.check_trains()?;
        self.rates.fill(rate);
        Ok(())
    }

    /// The learning rate of the steps to come, of one loss.
    ///
    /// # Errors
    /// There is no such loss, or it has no step; a rate that is negative, infinite or NaN.
    pub fn set_learning_rate_of(&mut self, loss: &str, rate: impl Into<f64>) -> Result<(), Error> {
        let rate = checked_rate(rate.into())?;
        let step = self.program.step_of(Some(loss))?;
        self.rates[step - FIRST_STEP] = rate;
        Ok(())
    }

    /// The learning rate of a loss; of the only one that has steps when none is named.
    ///
    /// # Errors
    /// Those of [`Model::learning_rate`] and [`Model::learning_rate_of`].
    pub fn rate_of(&self, loss: Option<&str>) -> Result<f32, Error> {
        loss.map_or_else(|| self.learning_rate(), |loss| self.learning_rate_of(loss))
    }

    fn check_trains(&self) -> Result<(), Error> {
        if self.rates.is_empty() {
            let help = "add `.optimizer(sgd(0.1))` before `.build()`";
            return Err(Error::usage("this network has no optimizer, so there is no learning rate", help));
        }
        Ok(())
    }

    fn listed(&self, kind: StorageKind) -> impl Iterator<Item = (&str, Vec<usize>)> {
        let of_kind = self.program.storages().iter().filter(move |storage| storage.kind == kind);
        of_kind.map(|storage| (&*storage.name, storage_shape(storage)))
    }

    fn read(&self, kind: StorageKind, name: &str) -> Result<Tensor, Error> {
        let index = self.program.storage_of(kind, name)?;
        let storage = &self.program.storages()[index];
        self.storages[index].tensor(storage.ty.element, storage_shape(storage))
    }

    fn write(&mut self, kind: StorageKind, name: &str, value: &(impl Data + ?Sized)) -> Result<(), Error> {
        let index = self.program.storage_of(kind, name)?;
        let storage = &self.program.storages()[index];
        let (view, shape) = (value.view(), storage_shape(storage));
        let element = storage.ty.element;
        let is_native = Given::new(&view).width.is_none() && view.elements.element() == element;
        if !is_native && !converts(&view.elements, element) {
            return Err(refused(name, &view.elements, element));
        }
        let reason = match view.extent {
            Extent::Unfit(reason) => Some(reason.to_owned()),
            Extent::Flat if view.elements.len() != elements(&shape) => {
                Some(format!("it takes {}", elements(&shape)))
            }
            Extent::Shaped(rank, dims) if dims[..usize::from(rank)] != shape => {
                Some("the shapes differ".to_owned())
            }
            _ => None,
        };
        if let Some(reason) = reason {
            let (expected, found) = (storage.ty.shape.to_string(), Given::new(&view).describe());
            return Err(Error::Shape { name: name.to_owned(), expected, found, reason });
        }
        if is_native {
            self.storages[index].set_elements(view.elements);
            return Ok(());
        }
        if let Some(at) = first_misfit(view.elements, element, 0..view.elements.len()) {
            return Err(misfit(name, view.elements, element, at));
        }
        let mut words = Vec::new();
        convert(view.elements, element, &mut words);
        self.storages[index].set_elements(Elements::U32(&words));
        Ok(())
    }
}

pub(crate) fn storage_shape(storage: &Storage) -> Vec<usize> {
    storage.ty.shape.evaluate(&Bindings::new()).unwrap_or_default()
}
