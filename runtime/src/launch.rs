//! Running a ready entry: one call of native code.
//!
//! In: a caller at work, data in slots. Out: outputs, a loss, gradients.
//!
//! Must hold: a call of a prepared size allocates nothing but the tensors it returns. Every pointer that native code gets was checked
//! for the entry and for the sizes of the call. What may only be read is given to no entry that changes storages.

use crate::bind::Interface;
use crate::call::{Stop, Storages, Work};
use crate::demand::Extract;
use crate::error::Error;
use crate::finding::Stopped;
use crate::given::Given;
use crate::marks::Marks;
use crate::outputs::{OutputBuffer, Outputs, name_of};
use crate::view::{Feed, ViewMut};
use crate::worker::{FIRST_STEP, Worker};
use crate::workspace::Workspace;
use downhill_codegen::abi::InputBinding;
use downhill_graph::graph::{Role, bug};

impl Worker<'_> {
    /// Runs an entry that trains, on what `place` puts into its slots. Gives its loss.
    pub(crate) fn train(
        &mut self,
        index: usize,
        place: impl FnOnce(&Interface, &mut [Option<Given>]) -> Result<(), Error>,
    ) -> Result<f32, Error> {
        self.ready(index, place)?;
        self.refuse_empty(index)?;
        let loss = self.launch_once(index, &mut [])?;
        self.count_made(1);
        Ok(loss)
    }

    /// Runs an entry that reads no data, with this learning rate. Gives where it was stopped, if it was.
    pub(crate) fn launch_update(&mut self, index: usize, rate: f32) -> Result<Option<Stop>, Error> {
        // A place for each input, whatever is in it: data of another entry stays for its next call.
        let slots = self.work.entries[index].entry.interface.slots.len();
        let given = &mut self.work.frame.given;
        given.resize(given.len().max(slots), None);
        self.prepare(index)?;
        // SAFETY: no input but the rate is read, there are no outputs, and no row is looked up.
        Ok(unsafe { self.launch(index, &[], Some(&[rate]), &mut [0.0], None) })
    }

    /// Makes an entry ready: `place` puts data into its slots, which is checked; its size is prepared.
    pub(crate) fn ready(
        &mut self,
        index: usize,
        place: impl FnOnce(&Interface, &mut [Option<Given>]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let interface = &self.work.entries[index].entry.interface;
        self.work.frame.given.clear();
        self.work.frame.given.resize(interface.slots.len(), None);
        place(interface, &mut self.work.frame.given)?;
        // SAFETY: what was placed is borrowed for longer than this call.
        unsafe { self.take_in(index, None) }
    }

    /// Checks the data in the slots, and prepares its size. Rows of a data set that are not used may hold anything.
    ///
    /// # Safety
    /// The data is still borrowed; `rows` are rows of it.
    pub(crate) unsafe fn take_in(&mut self, index: usize, rows: Option<&[u32]>) -> Result<(), Error> {
        let Workspace { frame, entries, .. } = &mut *self.work;
        // SAFETY: as promised.
        unsafe { frame.convert(&entries[index].entry.interface.slots, rows) }?;
        self.prepare(index)?;
        let runnable = &self.work.entries[index];
        let interface = &runnable.entry.interface;
        let prepared = runnable.prepared();

        for (demand, &classes) in interface.demands.iter().zip(&prepared.classes) {
            if let Some(given) = &self.work.frame.given[demand.slot] {
                let row_len = interface.slots[demand.slot].row_len(&prepared.slots[demand.slot].shape);
                // SAFETY: as promised; `prepare` has checked the element type.
                unsafe { demand.check(given, classes, Extract { row_len, rows }) }?;
            }
        }
        Ok(())
    }

    /// Runs a ready entry and collects its outputs.
    pub(crate) fn outputs(&mut self, index: usize, kind: &'static str) -> Result<Outputs, Error> {
        let runnable = &self.work.entries[index];
        let has_loss = runnable.entry.loss.is_some();
        let mut buffers = runnable.output_buffers();
        let mut views: Vec<ViewMut<'_>> = buffers.iter_mut().map(OutputBuffer::view_mut).collect();
        let loss = self.launch_once(index, &mut views)?;
        let runnable = &self.work.entries[index];
        let named = buffers.into_iter().enumerate().map(|(output, buffer)| {
            Ok((name_of(&runnable.outputs()[output].0), runnable.tensor(output, buffer)?))
        });
        Ok(Outputs { loss: has_loss.then_some(loss), named: named.collect::<Result<_, Error>>()?, kind })
    }

    /// Runs a ready entry once. Gives its loss, 0 where it has none.
    pub(crate) fn launch_once(&mut self, index: usize, outputs: &mut [ViewMut<'_>]) -> Result<f32, Error> {
        self.work.entries[index].bind_outputs(outputs, &mut self.work.frame.outputs)?;
        self.count_calls(index, 1);

        let mut losses = [0.0];
        let identity = std::mem::take(&mut self.work.identity);
        let rows = self.work.entries[index].rows(&identity);
        // SAFETY: the outputs were just bound and are borrowed until this function returns; what is given was made ready; row
        // numbers are below the batch, which is how many rows every input has.
        let stopped = unsafe { self.launch(index, rows, None, &mut losses, None) };
        let [loss] = losses;

        let checked = match stopped {
            None if loss.is_finite() => Ok(()),
            // SAFETY: what is given was made ready and is still borrowed.
            None => unsafe { self.violated(index, loss) },
            Some(Stop { step, updated }) => {
                self.count_made(u64::from(updated));
                let stopped = Stopped { index, step, updated, rows, loss, rate: None };
                // SAFETY: as above.
                Err(unsafe { self.not_finite(stopped) })
            }
        };
        self.work.identity = identity;
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
        let runnable = &self.work.entries[index];
        runnable.bind_outputs(outputs, &mut self.work.frame.outputs)?;
        let rows = runnable.rows(&self.work.identity).repeat(steps);
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
        let drawn = self.drawn();
        let Workspace { arena, frame, entries, .. } = &mut *self.work;
        let runnable = &entries[index];
        let prepared = runnable.prepared();
        if runnable.entry.updates && matches!(self.storages, Storages::Read(_)) {
            bug("an entry that updates storages was given some to read");
        }
        let drawn = self.random_step.filter(|_| runnable.draws_as_said).unwrap_or(drawn);

        // Data is bound as it was given; the only other input is the learning rate, which may change with every step.
        let (rates, rate_stride) = match rates {
            Some(rates) => (rates, size_of::<f32>() as i64),
            None => (self.rates.get(index.wrapping_sub(FIRST_STEP)..).unwrap_or_default(), 0),
        };
        let rate = InputBinding {
            base: std::ptr::from_ref(rates.first().unwrap_or(&0.0)).cast(),
            row_stride: 0,
            step_stride: rate_stride,
        };
        frame.inputs.clear();
        let slots = runnable.entry.interface.slots.iter().zip(&prepared.slots).zip(&frame.given);
        frame.inputs.extend(slots.map(|((slot, prepared), given)| match slot.is_data() {
            true => InputBinding {
                base: given.map_or(std::ptr::null(), |given| given.base),
                row_stride: prepared.row_bytes,
                step_stride: 0,
            },
            false => rate,
        }));

        let work = Work {
            function: &runnable.code.function,
            storages: (&mut self.storages, &runnable.entry.storages),
            arena,
            offsets: &prepared.offsets,
            numbers: &prepared.numbers,
            rows,
            random: (&runnable.keys, drawn),
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
