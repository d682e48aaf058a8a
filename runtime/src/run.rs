//! One call of one entry: forward, a training step, gradients.
//!
//! In: a model, the caller's data. Out: outputs, a loss, gradients.
//!
//! Must hold: a call of a prepared size allocates nothing but the tensors it returns. Every pointer that native code gets was checked
//! for the entry and for the sizes of the call.

use crate::bind::Interface;
use crate::call::{Stop, Work};
use crate::compiled::CompiledEntry;
use crate::demand::Extract;
use crate::error::Error;
use crate::finding::Stopped;
use crate::given::Given;
use crate::marks::Marks;
use crate::model::Model;
use crate::outputs::{OutputBuffer, Outputs, name_of, names};
use crate::runnable::Runnable;
use crate::view::{Data, DataMut, Feed, ViewMut};
use downhill_codegen::abi::InputBinding;
use downhill_graph::graph::Role;
use downhill_graph::tensor::Tensor;
use downhill_nn::optimizers::LEARNING_RATE;
use std::sync::Arc;

/// The position of `forward` among a model's entries.
pub(crate) const FORWARD: usize = 0;

impl Model {
    /// Inference with the only output: `net.forward(&x)?`. Inputs in the order of declaration; several as a tuple.
    ///
    /// # Errors
    /// Inputs that do not fit; a network with several outputs.
    pub fn forward<'a>(&mut self, inputs: impl Feed<'a>) -> Result<Tensor, Error> {
        self.only_output()?;
        self.ready(FORWARD, |interface, given| interface.place(Role::Input, &inputs, given))?;
        let mut buffer = self.entries[FORWARD].output_buffer(0);
        self.launch_once(FORWARD, &mut [buffer.view_mut()])?;
        self.entries[FORWARD].tensor(0, buffer)
    }

    /// Inference with all outputs by name.
    ///
    /// # Errors
    /// Inputs that do not fit.
    pub fn forward_all<'a>(&mut self, inputs: impl Feed<'a>) -> Result<Outputs, Error> {
        self.ready(FORWARD, |interface, given| interface.place(Role::Input, &inputs, given))?;
        self.outputs(FORWARD, "output")
    }

    /// Inference with all outputs by name, from inputs by name.
    ///
    /// # Errors
    /// Unknown names, inputs that do not fit.
    pub fn forward_with(&mut self, inputs: &[(&str, &dyn Data)]) -> Result<Outputs, Error> {
        self.ready(FORWARD, |interface, given| interface.place_named(inputs, given))?;
        self.outputs(FORWARD, "output")
    }

    /// Inference with the only output written to `output`; allocates nothing. For tight loops. `output` is a slice, a `Vec` or an array of
    /// the output's length, or a tensor of its shape.
    ///
    /// # Errors
    /// Inputs that do not fit; an output of another size, shape or type; a network with several outputs.
    pub fn forward_into<'a>(
        &mut self,
        inputs: impl Feed<'a>,
        output: &mut (impl DataMut + ?Sized),
    ) -> Result<(), Error> {
        self.only_output()?;
        self.ready(FORWARD, |interface, given| interface.place(Role::Input, &inputs, given))?;
        self.entries[FORWARD].check_sizes(0, output.sizes())?;
        self.launch_once(FORWARD, &mut [output.view_mut()]).map(|_| ())
    }

    /// One training step: `net.step(&x, &y)?`. Gives the loss before the update. Inputs and targets in the order
    /// of declaration; several as a tuple, none as `()`.
    ///
    /// # Errors
    /// Data that does not fit, labels and targets that the loss does not take, an empty batch, a network with several losses; a loss, a
    /// gradient or an update that is not finite. The parameters are then those from before the step, but for
    /// [`Part::Made`](crate::cause::Part::Made), and the error says what was first.
    pub fn step<'a>(&mut self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<f32, Error> {
        let step = self.step_of(None)?;
        self.step_at(step, &inputs, &targets)
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
        let step = self.step_of(Some(loss))?;
        self.step_at(step, &inputs, &targets)
    }

    /// One training step from inputs and targets by name: `net.step_with(&[("x", &x), ("y", &y)])?`.
    ///
    /// # Errors
    /// As [`Model::step`]; unknown names.
    pub fn step_with(&mut self, data: &[(&str, &dyn Data)]) -> Result<f32, Error> {
        let step = self.step_of(None)?;
        self.ready(step, |interface, given| interface.place_named(data, given))?;
        self.train_once(step)
    }

    /// The loss and its gradients by all parameters that it trains, without training. Compiled when first asked for. Infinities and NaN
    /// are given as they are, to be looked at.
    ///
    /// Random numbers (dropout's masks) are those of the training step to come: calls repeat them until a step is made. For others, see
    /// [`Model::set_random_step`].
    ///
    /// # Errors
    /// As [`Model::step`], but for a loss that is not finite.
    pub fn gradients<'a>(&mut self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<Outputs, Error> {
        self.gradients_of(None, &[], inputs, targets)
    }

    /// The gradients of a loss (the only one when none is named) by these parameters, states and inputs (all that it trains when none is
    /// named). Compiled when first asked for. Infinities and NaN are given as they are, to be looked at. Random numbers are those of
    /// [`Model::gradients`].
    ///
    /// # Errors
    /// As [`Model::gradients`]; an unknown loss, unknown names, and names of what has no gradient.
    pub fn gradients_of<'a>(
        &mut self,
        loss: Option<&str>,
        by: &[&str],
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
    ) -> Result<Outputs, Error> {
        let index = self.gradients_entry(loss, by)?;
        self.ready(index, |interface, given| place_both(interface, &inputs, &targets, given))?;
        self.refuse_empty(index)?;
        self.outputs(index, "gradient")
    }

    /// As [`Model::gradients_of`], with the gradients written to `gradients`, in the order of `by`. Gives the loss; allocates nothing
    /// once a size is prepared. For tight loops: `net.gradients_into(None, ["x"], &x, (), [&mut slope])?`.
    ///
    /// # Errors
    /// As [`Model::gradients_of`]; a gradient of another size, shape or type; no name at all.
    pub fn gradients_into<'a, const N: usize>(
        &mut self,
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

        let index = self.gradients_entry(loss, &by)?;
        self.ready(index, |interface, given| place_both(interface, &inputs, &targets, given))?;
        self.refuse_empty(index)?;

        for (number, gradient) in gradients.iter().enumerate() {
            self.entries[index].check_sizes(number, gradient.sizes())?;
        }
        self.launch_once(index, &mut gradients.map(|gradient| gradient.view_mut()))
    }

    /// The position of an entry of gradients.
    pub(crate) fn gradients_entry(&mut self, loss: Option<&str>, by: &[&str]) -> Result<usize, Error> {
        let entry = self.program.gradients(self.loss_name(loss)?, by)?;
        let index = self.entry_at(entry);
        self.entries[index].draws_as_said = true;
        Ok(index)
    }

    /// The position of an entry that was compiled on demand.
    pub(crate) fn entry_at(&mut self, entry: Arc<CompiledEntry>) -> usize {
        let known = self.entries.iter().position(|runnable| Arc::ptr_eq(&runnable.entry, &entry));
        known.unwrap_or_else(|| {
            self.entries.push(Runnable::new(entry, self.seed));
            self.entries.len() - 1
        })
    }

    fn step_at<'a>(
        &mut self,
        step: usize,
        inputs: &impl Feed<'a>,
        targets: &impl Feed<'a>,
    ) -> Result<f32, Error> {
        self.ready(step, |interface, given| place_both(interface, inputs, targets, given))?;
        self.train_once(step)
    }

    fn train_once(&mut self, step: usize) -> Result<f32, Error> {
        self.refuse_empty(step)?;
        let loss = self.launch_once(step, &mut [])?;
        self.steps_made += 1;
        Ok(loss)
    }

    fn only_output(&self) -> Result<(), Error> {
        let outputs = self.entries[FORWARD].outputs();
        match outputs.len() {
            1 => Ok(()),
            0 => Err(Error::usage("this network has no output", "declare one: `output p;`")),
            _ => Err(Error::usage(
                format!("this network has several outputs: {}", names(outputs).join(", ")),
                "use `forward_all`, which gives each by its name",
            )),
        }
    }

    /// The position of a loss's step among the entries; of the only one when no loss is named.
    pub(crate) fn step_of(&self, loss: Option<&str>) -> Result<usize, Error> {
        let loss = self.loss_name(loss)?;
        // After the steps come entries of gradients, which have a loss too.
        let steps = self.entries.iter().skip(FORWARD + 1).take(self.program.step_count());
        let found = steps.map(|step| step.entry.loss.as_deref()).position(|known| known == Some(loss));
        let found = found.map(|position| FORWARD + 1 + position);
        found.ok_or_else(|| {
            Error::usage(
                format!("loss `{loss}` has no training step: no optimizer was given for it"),
                "add `.optimizer(sgd(0.1))` before `.build()`",
            )
        })
    }

    /// The loss of this name; the only one when none is named.
    fn loss_name(&self, loss: Option<&str>) -> Result<&str, Error> {
        let names = || self.program.losses();
        if let Some(wanted) = loss {
            return names()
                .find(|name| *name == wanted)
                .ok_or_else(|| Error::unknown("loss", wanted, names()));
        }

        let mut all = names();
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                Err(Error::usage("this network has no loss", "declare one: `loss squared_error(p, y);`"))
            }
            (Some(first), Some(_)) => Err(Error::usage(
                "this network has several losses, and none was named",
                format!("name one, as in `step_loss(\"{first}\", …)`"),
            )),
        }
    }

    /// Makes an entry ready: `place` puts data into its slots, which is checked; its size is prepared.
    pub(crate) fn ready(
        &mut self,
        index: usize,
        place: impl FnOnce(&Interface, &mut [Option<Given>]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let interface = &self.entries[index].entry.interface;
        self.frame.given.clear();
        self.frame.given.resize(interface.slots.len(), None);
        place(interface, &mut self.frame.given)?;
        // SAFETY: what was placed is borrowed for longer than this call.
        unsafe { self.take_in(index, None) }
    }

    /// Checks the data in the slots, and prepares its size. Rows of a data set that are not used may hold anything.
    ///
    /// # Safety
    /// The data is still borrowed; `rows` are rows of it.
    pub(crate) unsafe fn take_in(&mut self, index: usize, rows: Option<&[u32]>) -> Result<(), Error> {
        if self.entries[index].entry.interface.masks {
            // SAFETY: as promised.
            unsafe { self.frame.widen_masks() };
        }
        self.prepare(index)?;
        let runnable = &self.entries[index];
        let interface = &runnable.entry.interface;
        let prepared = runnable.prepared();

        for (demand, &classes) in interface.demands.iter().zip(&prepared.classes) {
            if let Some(given) = &self.frame.given[demand.slot] {
                let row_len = interface.slots[demand.slot].row_len(&prepared.slots[demand.slot].shape);
                // SAFETY: as promised; `prepare` has checked the element type.
                unsafe { demand.check(given, classes, Extract { row_len, rows }) }?;
            }
        }
        Ok(())
    }

    /// Runs a ready entry and collects its outputs.
    fn outputs(&mut self, index: usize, kind: &'static str) -> Result<Outputs, Error> {
        let runnable = &self.entries[index];
        let has_loss = runnable.entry.loss.is_some();
        let mut buffers = runnable.output_buffers();
        let mut views: Vec<ViewMut<'_>> = buffers.iter_mut().map(OutputBuffer::view_mut).collect();
        let loss = self.launch_once(index, &mut views)?;
        let runnable = &self.entries[index];
        let named = buffers.into_iter().enumerate().map(|(output, buffer)| {
            Ok((name_of(&runnable.outputs()[output].0), runnable.tensor(output, buffer)?))
        });
        Ok(Outputs { loss: has_loss.then_some(loss), named: named.collect::<Result<_, Error>>()?, kind })
    }

    /// Runs a ready entry once. Gives its loss, 0 where it has none.
    fn launch_once(&mut self, index: usize, outputs: &mut [ViewMut<'_>]) -> Result<f32, Error> {
        self.entries[index].bind_outputs(outputs, &mut self.frame.outputs)?;
        self.count_calls(index, 1);

        let mut losses = [0.0];
        let identity = std::mem::take(&mut self.identity);
        let rows = self.entries[index].rows(&identity);
        // SAFETY: the outputs were just bound and are borrowed until this function returns; what is given was made ready; row
        // numbers are below the batch, which is how many rows every input has.
        let stopped = unsafe { self.launch(index, rows, None, &mut losses, None) };
        let [loss] = losses;

        let checked = match stopped {
            None if loss.is_finite() => Ok(()),
            // SAFETY: what is given was made ready and is still borrowed.
            None => unsafe { self.violated(index, loss) },
            Some(Stop { step, updated }) => {
                self.steps_made += u64::from(updated);
                let stopped = Stopped { index, step, updated, rows, loss, rate: None };
                // SAFETY: as above.
                Err(unsafe { self.not_finite(stopped) })
            }
        };
        self.identity = identity;
        checked.map(|()| loss)
    }

    /// Runs a ready entry `steps` times on the same data, in one call and with a learning rate of 0. Code with marks must be given some.
    /// Storages still change where an update depends on more than the rate.
    ///
    /// # Errors
    /// A loss that is not finite; an output buffer of another size or type.
    pub(crate) fn launch_many(
        &mut self,
        index: usize,
        steps: usize,
        outputs: &mut [ViewMut<'_>],
        marks: Option<&mut Marks>,
    ) -> Result<(), Error> {
        let runnable = &self.entries[index];
        runnable.bind_outputs(outputs, &mut self.frame.outputs)?;
        let rows = runnable.rows(&self.identity).repeat(steps);
        let (rates, mut losses) = (vec![0.0; steps], vec![0.0; steps]);

        // SAFETY: as in `launch_once`, for each of the steps; there is a learning rate a loss.
        match unsafe { self.launch(index, &rows, Some(&rates), &mut losses, marks) } {
            None => Ok(()),
            Some(Stop { step, updated }) => {
                let rows = &rows[..rows.len() / steps];
                let (loss, rate) = (losses[step], Some(0.0));
                let stopped = Stopped { index, step, updated, rows, loss, rate };
                // SAFETY: as above.
                Err(unsafe { self.not_finite(stopped) })
            }
        }
    }

    /// Runs a ready entry, a step for each loss. Gives the step in which something was not finite, if any.
    ///
    /// # Safety
    /// What was made ready is still borrowed, the frame's outputs are those of the prepared size, `rows` holds one number
    /// a row and step, each below the number of rows of every looked-up input; learning rates are one a step.
    pub(crate) unsafe fn launch(
        &mut self,
        index: usize,
        rows: &[u32],
        rates: Option<&[f32]>,
        losses: &mut [f32],
        marks: Option<&mut Marks>,
    ) -> Option<Stop> {
        let runnable = &self.entries[index];
        let prepared = runnable.prepared();
        let said = self.random_step.filter(|_| runnable.draws_as_said);
        let frame = &mut self.frame;

        // Data is bound as it was given; the learning rate may change with every step; other scalars stay.
        frame.inputs.clear();
        let slots = runnable
            .entry
            .interface
            .slots
            .iter()
            .zip(&prepared.slots)
            .zip(&frame.given)
            .zip(&runnable.hypers);
        frame.inputs.extend(slots.map(|(((slot, prepared), given), hyper)| match (slot.is_data(), rates) {
            (true, _) => InputBinding {
                base: given.map_or(std::ptr::null(), |given| given.base),
                row_stride: prepared.row_bytes,
                step_stride: 0,
            },
            (false, Some(rates)) if *slot.name == *LEARNING_RATE => InputBinding {
                base: rates.as_ptr().cast(),
                row_stride: 0,
                step_stride: size_of::<f32>() as i64,
            },
            (false, _) => {
                InputBinding { base: std::ptr::from_ref(hyper).cast(), row_stride: 0, step_stride: 0 }
            }
        }));

        let work = Work {
            function: &runnable.code.function,
            storages: (&mut self.storages, &runnable.entry.storages),
            arena: &mut self.arena,
            offsets: &prepared.offsets,
            numbers: &prepared.numbers,
            rows,
            random: (&runnable.keys, said.unwrap_or(self.steps_made)),
            steps: losses.len(),
            losses,
            pool: self.program.pool(),
            marks,
        };
        // SAFETY: storages have the sizes the program gives them, the arena was grown when the size was prepared; the rest is
        // this function's own condition.
        unsafe { frame.call(work) }
    }
}

pub(crate) fn place_both<'a>(
    interface: &Interface,
    inputs: &impl Feed<'a>,
    targets: &impl Feed<'a>,
    given: &mut [Option<Given>],
) -> Result<(), Error> {
    interface.place(Role::Input, inputs, given)?;
    interface.place(Role::Target, targets, given)
}
