//! A training step in parts: gradients of batches are gathered, then applied at once.
//!
//! In: a model, batches one after another. Out: a loss for each, and a step of all of them.
//!
//! Must hold: until gradients are applied nothing that is trained changes.

use crate::cause::Part;
use crate::compiled::Parts;
use crate::error::Error;
use crate::launch::place_both;
use crate::model::{Model, storage_shape};
use crate::prepare::elements;
use crate::storage::Buffer;
use crate::view::{Data, Feed};
use crate::worker::{FIRST_STEP, Worker};
use downhill_graph::error::counted;
use std::sync::Arc;

impl Model {
    /// A part of a training step: adds the gradients of a batch to those that wait, and changes no parameter. Gives the batch's loss. When
    /// all parts are in, [`Model::apply_gradients`] makes one step of them.
    ///
    /// What waits is the mean over all rows: batches count by how many they have. So four batches of 32 make, but for rounding, the step of
    /// one batch of 128, with whatever optimizer, where the loss is a mean over rows, as losses are unless they say `reduction: sum`. What looks at
    /// a batch as a whole sees the small ones: `batch_norm` takes their statistics, and updates its own with each, as in PyTorch. Each batch
    /// has dropout masks of its own.
    ///
    /// A second set of gradients is kept in memory from the first call on. What waits is a part of [`Model::state`], and of files that are
    /// saved. Compiled when first called.
    ///
    /// # Errors
    /// As [`Model::step`]: what waited is still there, but for an overflow within the mean itself, which leaves nothing. An optimizer that looks
    /// at the data of a step, as `sharpness_aware` does.
    ///
    /// # Examples
    /// ```
    /// # use downhill_runtime as downhill;
    /// # use downhill_graph::types::ElementType;
    /// # use downhill_graph::dim::Dim;
    /// # use downhill_graph::random::Initializer;
    /// # use downhill_nn::{builder::Builder, optimizers::sgd, value::{mean, square}};
    /// # use downhill_runtime::program::{Options, Program};
    /// # let declare = |mode| {
    /// #     let builder = Builder::new(mode);
    /// #     let x = builder.input("x", ElementType::F32, [Dim::symbol("batch")]);
    /// #     let w = builder.parameter("w", [1], Initializer::Ones);
    /// #     builder.loss("loss", &mean(square(&x * &w)), None);
    /// #     builder.finish()
    /// # };
    /// # let options = Options { optimizer: Some(sgd(0.1).into()), ..Options::default() };
    /// # let mut net = std::sync::Arc::new(Program::build("test", declare, options)?).model(0)?;
    /// let mut whole = net.clone();
    /// whole.step(&[1.0, 2.0, 3.0], ())?;
    ///
    /// net.accumulate(&[1.0, 2.0], ())?;
    /// net.accumulate(&[3.0], ())?;
    /// net.apply_gradients()?;
    /// assert_eq!(net.steps_made(), 1);
    /// let [a, b] = [&net, &whole].map(|net| net.parameter("w").expect("there").to_f64_vec()[0]);
    /// assert!((a - b).abs() < 1e-6);
    /// # Ok::<(), downhill::error::Error>(())
    /// ```
    #[doc(alias("backward", "no_sync", "accumulation_steps", "gradient_accumulation_steps", "MultiSteps"))]
    pub fn accumulate<'a>(&mut self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<f32, Error> {
        self.gather(None, |worker, index| {
            worker.train(index, |interface, given| place_both(interface, &inputs, &targets, given))
        })
    }

    /// As [`Model::accumulate`], of the loss of this name. Each loss has gradients of its own that wait.
    ///
    /// # Errors
    /// As [`Model::accumulate`]; an unknown loss.
    pub fn accumulate_loss<'a>(
        &mut self,
        loss: &str,
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
    ) -> Result<f32, Error> {
        self.gather(Some(loss), |worker, index| {
            worker.train(index, |interface, given| place_both(interface, &inputs, &targets, given))
        })
    }

    /// As [`Model::accumulate`], from inputs and targets by name.
    ///
    /// # Errors
    /// As [`Model::accumulate`]; unknown names.
    pub fn accumulate_with(&mut self, data: &[(&str, &dyn Data)]) -> Result<f32, Error> {
        self.gather(None, |worker, index| {
            worker.train(index, |interface, given| interface.place_named(data, given))
        })
    }

    /// Makes one training step of the gradients that wait; none are left then.
    ///
    /// # Errors
    /// No gradients wait; a network with several losses; an update that is not finite: the parameters are then those from before, and the
    /// gradients still wait.
    #[doc(alias("optimizer_step"))]
    pub fn apply_gradients(&mut self) -> Result<(), Error> {
        self.apply(None)
    }

    /// As [`Model::apply_gradients`], of the loss of this name.
    ///
    /// # Errors
    /// As [`Model::apply_gradients`]; an unknown loss.
    pub fn apply_gradients_of(&mut self, loss: &str) -> Result<(), Error> {
        self.apply(Some(loss))
    }

    /// Forgets the gradients that wait, of every loss.
    #[doc(alias("zero_grad"))]
    pub fn zero_gradients(&mut self) {
        self.waiting.fill(0);
        // The next batch gathered makes them anew, of zeros.
        self.storages.truncate(self.program.storages().len());
    }

    /// The entries of a step in parts, with memory for what they gather.
    pub(crate) fn parts(&mut self, step: usize) -> Result<Arc<Parts>, Error> {
        let loss = self.program.steps()[step - FIRST_STEP].loss.clone().unwrap_or_default();
        let parts = self.program.parts(&loss)?;
        let known = self.storages.len() - self.program.storages().len();
        for storage in parts.gathered.iter().skip(known) {
            let name = format!("`{}`", storage.name);
            self.storages.push(Buffer::of(storage.ty.element, elements(&storage_shape(storage)), &name)?);
        }
        Ok(parts)
    }

    /// The same, for steps of which no part is in yet.
    pub(crate) fn parts_to_begin(&mut self, step: usize) -> Result<Arc<Parts>, Error> {
        match self.waiting[step - FIRST_STEP] {
            0 => self.parts(step),
            waiting => Err(Error::usage(
                format!("the gradients of {} wait already", counted(waiting as usize, "batch")),
                "call `apply_gradients` or `zero_gradients` first",
            )),
        }
    }

    fn gather(
        &mut self,
        loss: Option<&str>,
        train: impl FnOnce(&mut Worker<'_>, usize) -> Result<f32, Error>,
    ) -> Result<f32, Error> {
        let step = self.program.step_of(loss)?;
        let parts = self.parts(step)?;
        let waiting = self.waiting.iter().sum();
        let gathered = self.training(|worker| {
            worker.part = Some(waiting);
            let index = worker.entry_at(parts.accumulate.clone());
            train(worker, index)
        });
        match &gathered {
            Ok(_) => self.waiting[step - FIRST_STEP] += 1,
            Err(Error::NonFinite { part: Part::Made, .. }) => self.zero_gradients(),
            Err(_) => {}
        }
        gathered.map_err(|error| not_gathered(error, self.steps_made))
    }

    fn apply(&mut self, loss: Option<&str>) -> Result<(), Error> {
        let step = self.program.step_of(loss)?;
        if self.waiting[step - FIRST_STEP] == 0 {
            return Err(Error::usage(
                "no gradients wait to be applied",
                "gather some first: `net.accumulate(&x, &y)?`",
            ));
        }
        let (parts, rate) = (self.parts(step)?, self.rates[step - FIRST_STEP]);
        let made = self.training(|worker| worker.apply(&parts, rate, 0));
        if !matches!(&made, Err(Error::NonFinite { part: Part::Update, .. })) {
            self.waiting[step - FIRST_STEP] = 0;
        }
        made
    }
}

/// The error of a batch that was not gathered. Where only the mean showed that its gradient is not finite, nothing of that is left, but no
/// parameter has changed.
pub(crate) fn not_gathered(error: Error, steps_before: u64) -> Error {
    let Error::NonFinite { loss, part: Part::Made, step, .. } = error else { return error };
    Error::NonFinite { loss, part: Part::Gradient, concerned: Vec::new(), cause: None, step, steps_before }
}

impl Worker<'_> {
    /// Makes a step, the `number`-th of this call, of what was gathered.
    pub(crate) fn apply(&mut self, parts: &Parts, rate: f32, number: usize) -> Result<(), Error> {
        self.part = None;
        let index = self.entry_at(parts.apply.clone());
        let stopped = self.launch_update(index, rate)?;
        let is_made = stopped.is_none_or(|stop| stop.updated);
        let steps_before = self.steps_made;
        self.count_made(u64::from(is_made));
        if stopped.is_none() {
            return Ok(());
        }
        let loss = parts.accumulate.loss.as_deref().unwrap_or_default().to_owned();
        let (part, concerned) =
            if is_made { (Part::Made, self.broken_storages()) } else { (Part::Update, Vec::new()) };
        Err(Error::NonFinite { loss, part, concerned, cause: None, step: number, steps_before })
    }
}
