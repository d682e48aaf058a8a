//! One call of one entry: forward, a training step, gradients.
//!
//! In: a model, the caller's data. Out: outputs, a loss, gradients.
//!
//! Must hold: what takes a model by `&` changes nothing that another caller sees; several callers may be at work at once, each in a
//! workspace of its own.

use crate::call::Storages;
use crate::error::Error;
use crate::launch::place_both;
use crate::model::Model;
use crate::outputs::Outputs;
use crate::view::{Data, DataMut, Feed, FeedMut};
use crate::worker::{FORWARD, Worker};
use crate::workspace::Workspace;
use downhill_graph::graph::Role;
use downhill_graph::tensor::Tensor;

impl Model {
    /// Inference with the only output: `net.forward(&x)?`. Inputs in the order of declaration; several as a tuple.
    ///
    /// # Errors
    /// Inputs that do not fit; a network with several outputs.
    #[doc(alias("predict", "call", "apply", "inference"))]
    pub fn forward<'a>(&self, inputs: impl Feed<'a>) -> Result<Tensor, Error> {
        self.program.check_only_output()?;
        self.reading(|worker| {
            worker.ready(FORWARD, |interface, given| interface.place(Role::Input, &inputs, given))?;
            let mut buffer = worker.work.entries[FORWARD].output_buffer(0);
            worker.launch_once(FORWARD, &mut [buffer.view_mut()])?;
            worker.work.entries[FORWARD].tensor(0, buffer)
        })
    }

    /// Inference with all outputs by name.
    ///
    /// # Errors
    /// Inputs that do not fit.
    pub fn forward_all<'a>(&self, inputs: impl Feed<'a>) -> Result<Outputs, Error> {
        self.reading(|worker| {
            worker.ready(FORWARD, |interface, given| interface.place(Role::Input, &inputs, given))?;
            worker.outputs(FORWARD, "output")
        })
    }

    /// Inference with all outputs by name, from inputs by name.
    ///
    /// # Errors
    /// Unknown names, inputs that do not fit.
    pub fn forward_with(&self, inputs: &[(&str, &dyn Data)]) -> Result<Outputs, Error> {
        self.reading(|worker| {
            worker.ready(FORWARD, |interface, given| interface.place_named(inputs, given))?;
            worker.outputs(FORWARD, "output")
        })
    }

    /// Inference with one output of several, from the inputs that it is made of: `net.output("code", &picture)?`, several as a tuple, none as
    /// `()`. So a network holds an encoder and a decoder, a policy and its critic, and each is run alone. Compiled when first asked for.
    ///
    /// # Errors
    /// There is no such output; inputs that do not fit, or another number of them than it needs.
    ///
    /// # Examples
    /// ```ignore
    /// network! {
    ///     Coder() {
    ///         input picture: [batch, 64];
    ///         input key: [batch, 8];
    ///         output code = linear(picture, 8), drawn = linear(key, 64);
    ///     }
    /// }
    ///
    /// let code = net.output("code", &picture)?; // `key` is not needed
    /// ```
    #[doc(alias("submodule", "encode", "partial_forward"))]
    pub fn output<'a>(&self, name: &str, inputs: impl Feed<'a>) -> Result<Tensor, Error> {
        let entry = self.program.output(name)?;
        self.reading(|worker| {
            let index = worker.entry_at(entry);
            worker.ready(index, |interface, given| interface.place(Role::Input, &inputs, given))?;
            let [only] = worker.outputs(index, "output")?.into_array()?;
            Ok(only)
        })
    }

    /// Inference with the outputs written to the caller's memory; allocates nothing. For tight loops: `net.forward_into(&x, &mut p)?`, and
    /// with several outputs, in the order of declaration, `net.forward_into(&x, (&mut p, &mut v))?`. Each is a slice, a `Vec` or an array of
    /// the output's length, or a tensor of its shape.
    ///
    /// # Errors
    /// Inputs that do not fit; another number of outputs, or one of another size, shape or type.
    pub fn forward_into<'a>(&self, inputs: impl Feed<'a>, outputs: impl FeedMut) -> Result<(), Error> {
        self.program.check_output_count(outputs.count())?;
        self.reading(|worker| {
            worker.ready(FORWARD, |interface, given| interface.place(Role::Input, &inputs, given))?;
            outputs.with(|sizes, views| {
                for (output, sizes) in sizes.iter().enumerate() {
                    worker.work.entries[FORWARD].check_sizes(output, *sizes)?;
                }
                worker.launch_once(FORWARD, views).map(|_| ())
            })
        })
    }

    /// One training step: `net.step(&x, &y)?`. Gives the loss before the update. Inputs and targets in the order
    /// of declaration; several as a tuple, none as `()`.
    ///
    /// # Errors
    /// Data that does not fit, labels and targets that the loss does not take, an empty batch, a network with several losses; a loss, a
    /// gradient or an update that is not finite. The parameters are then those from before the step, but for
    /// [`Part::Made`](crate::cause::Part::Made), and the error says what was first.
    #[doc(alias("train_step", "train_on_batch", "backward", "zero_grad"))]
    pub fn step<'a>(&mut self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<f32, Error> {
        let step = self.program.step_of(None)?;
        self.training(|worker| {
            worker.train(step, |interface, given| place_both(interface, &inputs, &targets, given))
        })
    }

    /// One training step on the loss of this name.
    ///
    /// # Errors
    /// As [`Model::step`]; an unknown loss.
    pub fn step_loss<'a>(
        &mut self,
        loss: &str,
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
    ) -> Result<f32, Error> {
        let step = self.program.step_of(Some(loss))?;
        self.training(|worker| {
            worker.train(step, |interface, given| place_both(interface, &inputs, &targets, given))
        })
    }

    /// One training step from inputs and targets by name: `net.step_with(&[("x", &x), ("y", &y)])?`.
    ///
    /// # Errors
    /// As [`Model::step`]; unknown names.
    pub fn step_with(&mut self, data: &[(&str, &dyn Data)]) -> Result<f32, Error> {
        let step = self.program.step_of(None)?;
        self.training(|worker| worker.train(step, |interface, given| interface.place_named(data, given)))
    }

    /// The loss and its gradients by all parameters that it trains, without training. Compiled when first asked for. Infinities and NaN
    /// are given as they are, to be looked at.
    ///
    /// Random numbers (dropout's masks) are those of the training step to come: calls repeat them until a step is made. For others, see
    /// [`Model::set_random_step`].
    ///
    /// # Errors
    /// As [`Model::step`], but for a loss that is not finite.
    #[doc(alias("backward", "grad", "value_and_grad", "autograd"))]
    pub fn gradients<'a>(&self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<Outputs, Error> {
        self.gradients_of(None, &[], inputs, targets)
    }

    /// The gradients of a loss (the only one when none is named) by these parameters, states and inputs (all that it trains when none is
    /// named). Compiled when first asked for. Infinities and NaN are given as they are, to be looked at. Random numbers are those of
    /// [`Model::gradients`].
    ///
    /// # Errors
    /// As [`Model::gradients`]; an unknown loss, unknown names, and names of what has no gradient.
    pub fn gradients_of<'a>(
        &self,
        loss: Option<&str>,
        by: &[&str],
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
    ) -> Result<Outputs, Error> {
        self.reading(|worker| {
            let index = worker.gradients_entry(loss, by)?;
            worker.ready(index, |interface, given| place_both(interface, &inputs, &targets, given))?;
            worker.refuse_empty(index)?;
            worker.outputs(index, "gradient")
        })
    }

    /// As [`Model::gradients_of`], with the gradients written to `gradients`, in the order of `by`. Gives the loss; allocates nothing
    /// once a size is prepared. For tight loops: `net.gradients_into(None, ["x"], &x, (), [&mut slope])?`.
    ///
    /// # Errors
    /// As [`Model::gradients_of`]; a gradient of another size, shape or type; no name at all.
    pub fn gradients_into<'a, const N: usize>(
        &self,
        loss: Option<&str>,
        by: [&str; N],
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
        gradients: [&mut dyn DataMut; N],
    ) -> Result<f32, Error> {
        if N == 0 {
            return Err(Error::usage(
                "gradients by nothing were asked for",
                "name what they are by: `[\"x\"]`",
            ));
        }

        self.reading(|worker| {
            let index = worker.gradients_entry(loss, &by)?;
            worker.ready(index, |interface, given| place_both(interface, &inputs, &targets, given))?;
            worker.refuse_empty(index)?;

            for (number, gradient) in gradients.iter().enumerate() {
                worker.work.entries[index].check_sizes(number, gradient.sizes())?;
            }
            worker.launch_once(index, &mut gradients.map(|gradient| gradient.view_mut()))
        })
    }

    /// Lends a caller who shares the model a workspace, to run what changes no parameters and states.
    pub(crate) fn reading<R>(&self, body: impl FnOnce(&mut Worker<'_>) -> R) -> R {
        let Model { program, storages, seed, steps_made, random_step, rates, .. } = self;
        self.workspaces.lend(
            || Workspace::new(program, *seed),
            |work| {
                body(&mut Worker {
                    program,
                    storages: Storages::Read(storages),
                    work,
                    seed: *seed,
                    steps_made: *steps_made,
                    random_step: *random_step,
                    part: None,
                    rates,
                })
            },
        )
    }

    /// The caller who has the model alone, to run what may change parameters and states.
    pub(crate) fn training<R>(&mut self, body: impl FnOnce(&mut Worker<'_>) -> R) -> R {
        let mut worker = Worker {
            program: &self.program,
            storages: Storages::Write(&mut self.storages),
            work: self.workspaces.own(),
            seed: self.seed,
            steps_made: self.steps_made,
            random_step: self.random_step,
            part: None,
            rates: &self.rates,
        };
        let result = body(&mut worker);
        self.steps_made = worker.steps_made;
        result
    }
}
