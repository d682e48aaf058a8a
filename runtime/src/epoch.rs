//! Many steps in one native call: an epoch over a data set.
//!
//! In: a data set, a batch size, an order of rows. Out: an [`EpochReport`], with a loss for each step.
//!
//! Must hold:
//! - n steps in one call give, bit for bit, the results of n calls of one step on the same rows;
//! - the remainder of the rows, where the batch does not divide them, is a last, smaller step, as in PyTorch: nothing is dropped;
//! - an epoch allocates nothing if its report has held one of as many steps before.

use crate::accumulate::not_gathered;
use crate::bind::Interface;
use crate::call::Stop;
use crate::compiled::Parts;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::finding::Stopped;
use crate::given::Given;
use crate::model::{Model, check_rate};
use crate::pack::steps_at_once;
use crate::prepare::elements;
pub use crate::shuffle::shuffle;
use crate::sizes::number_rows;
use crate::specialize::Specialize;
use crate::view::Extent;
use crate::worker::{FIRST_STEP, Worker};
use crate::workspace::Workspace;
use downhill_graph::error::counted;
use std::fmt;
use std::time::{Duration, Instant};

/// How to go through a data set once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Rows a step.
    pub batch: usize,
    /// Of the order of rows: another seed is another order, the same on every machine.
    pub seed: u64,
}

/// What else can be said of an epoch; `EpochOptions::default()` says nothing.
#[derive(Clone, Copy, Debug)]
pub struct EpochOptions<'a> {
    /// Which loss to train, where there are several.
    pub loss: Option<&'a str>,
    /// A learning rate for each step; they are not kept.
    pub learning_rates: Option<&'a [f32]>,
    /// The rows in this order instead of the seed's; a row may be left out or come several times.
    pub rows: Option<&'a [u32]>,
    /// Batches that make one step together, 1 unless said: a step of `accumulate · batch` rows in the memory of one of `batch`. See
    /// [`Model::accumulate`].
    pub accumulate: usize,
}

impl Default for EpochOptions<'_> {
    fn default() -> Self {
        EpochOptions { loss: None, learning_rates: None, rows: None, accumulate: 1 }
    }
}

/// What an epoch did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochReport {
    /// The loss of each step, before its update.
    pub losses: Vec<f32>,
    /// How many rows were trained on.
    pub rows: usize,
    /// Rows of each step but the last.
    pub batch: usize,
    /// How long it took.
    pub time: Duration,
}

impl EpochReport {
    /// The mean loss of a row: every step counts as much as it had rows. NaN after an epoch of nothing.
    pub fn mean(&self) -> f64 {
        let rows = |step: usize| self.batch.min(self.rows - (step * self.batch).min(self.rows));
        let sum: f64 =
            self.losses.iter().enumerate().map(|(step, &loss)| f64::from(loss) * rows(step) as f64).sum();
        sum / self.rows as f64
    }

    /// Steps a second.
    pub fn steps_per_second(&self) -> f64 {
        self.losses.len() as f64 / self.time.as_secs_f64()
    }
}

impl fmt::Display for EpochReport {
    /// `loss 0.01234 over 1000 rows, 63 steps in 0.05 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loss, rows, steps) = (self.mean(), self.rows, self.losses.len());
        write!(f, "loss {loss:.5} over {rows} rows, {steps} steps in {:.2} s", self.time.as_secs_f64())
    }
}

impl Model {
    /// Trains on every row of a data set once, in a random order: `net.epoch(&data, Epoch { batch: 64, seed: 1 })?`.
    ///
    /// # Errors
    /// A column that is no input, or does not fit; labels and targets that the loss does not take; a batch of 0; a loss, a gradient or an
    /// update that is not finite, as in [`Model::step`]: the steps before that one are made.
    pub fn epoch(&mut self, data: &Dataset, epoch: Epoch) -> Result<EpochReport, Error> {
        self.epoch_with(data, epoch, EpochOptions::default())
    }

    /// As [`Model::epoch`], with a named loss, a schedule of learning rates, or an order of rows.
    ///
    /// # Errors
    /// As [`Model::epoch`]; too few or too many learning rates; a row that is none.
    pub fn epoch_with(
        &mut self,
        data: &Dataset,
        epoch: Epoch,
        options: EpochOptions<'_>,
    ) -> Result<EpochReport, Error> {
        let mut report = EpochReport::default();
        self.epoch_into(data, epoch, options, &mut report)?;
        Ok(report)
    }

    /// As [`Model::epoch_with`], into a report that is used again: allocates nothing once it has held an epoch as long. After an
    /// error the report holds the losses of the steps that were made.
    ///
    /// # Errors
    /// As [`Model::epoch_with`].
    pub fn epoch_into(
        &mut self,
        data: &Dataset,
        epoch: Epoch,
        options: EpochOptions<'_>,
        report: &mut EpochReport,
    ) -> Result<(), Error> {
        let (start, steps_before) = (Instant::now(), self.steps_made);
        report.losses.clear();
        (report.rows, report.batch) = (0, epoch.batch.saturating_mul(options.accumulate));
        let step = self.program.step_of(options.loss)?;
        let parts = match options.accumulate {
            0 => {
                return Err(Error::usage(
                    "steps of 0 batches were asked for",
                    "a step is of 1 batch at least",
                ));
            }
            1 => None,
            _ => Some(self.parts_to_begin(step)?),
        };
        let mut order = std::mem::take(&mut self.order);
        let trained = self.training(|worker| {
            worker.train_rows((step, parts.as_deref()), data, epoch, options, &mut order, report)
        });
        self.order = order;

        // The report keeps the losses of the steps that were made.
        if trained.is_err() {
            if parts.is_some() {
                self.zero_gradients();
            }
            let made = (self.steps_made - steps_before) as usize;
            report.losses.truncate(made);
            report.rows = report.rows.min(made.saturating_mul(report.batch));
        }
        report.time = start.elapsed();
        trained
    }
}

impl Worker<'_> {
    fn train_rows(
        &mut self,
        (step, parts): (usize, Option<&Parts>),
        data: &Dataset,
        epoch: Epoch,
        options: EpochOptions<'_>,
        order: &mut Vec<u32>,
        report: &mut EpochReport,
    ) -> Result<(), Error> {
        if epoch.batch == 0 {
            return Err(Error::usage("an epoch with a batch of 0 was asked for", "a batch is at least 1"));
        }

        let rows = order_of_rows(data, epoch.seed, options.rows, order)?;
        let steps = rows.len().div_ceil(report.batch);
        if let Some(rates) = options.learning_rates
            && rates.len() != steps
        {
            return Err(Error::usage(
                format!("{} given for {}", counted(rates.len(), "learning rate"), counted(steps, "step")),
                "give one a step; `data.steps(batch)` says how many there are",
            ));
        }
        options.learning_rates.unwrap_or_default().iter().try_for_each(|&rate| check_rate(rate))?;
        self.check_columns(step, data)?;

        report.losses.resize(steps, 0.0);
        report.rows = rows.len();
        if let Some(parts) = parts {
            let rate = |at: usize, own: &[f32]| {
                options.learning_rates.map_or(own[step - FIRST_STEP], |rates| rates[at])
            };
            return self.train_in_parts(parts, data, (rows, epoch.batch), rate, report);
        }

        // All full batches in one call, then the remainder in another.
        let full = rows.len() / epoch.batch;
        let (full_rows, rest) = rows.split_at(full * epoch.batch);
        let (full_rates, last_rate) = match options.learning_rates {
            Some(rates) => (Some(&rates[..full]), Some(&rates[full..])),
            None => (None, None),
        };

        let made = self.train_batches(
            step,
            data,
            (full_rows, epoch.batch, rows),
            full_rates,
            &mut report.losses[..full],
            0,
        );
        made.and_then(|()| match rest.is_empty() {
            true => Ok(()),
            false => self.train_batches(
                step,
                data,
                (rest, rest.len(), rows),
                last_rate,
                &mut report.losses[full..],
                full,
            ),
        })
    }

    /// Makes a step of every so many batches: their gradients are gathered, then applied.
    fn train_in_parts(
        &mut self,
        parts: &Parts,
        data: &Dataset,
        (rows, batch): (&[u32], usize),
        rate: impl Fn(usize, &[f32]) -> f32,
        report: &mut EpochReport,
    ) -> Result<(), Error> {
        let (index, of_step, steps) =
            (self.entry_at(parts.accumulate.clone()), report.batch, report.losses.len());
        // Behind the losses of steps stand those of a step's batches, until the last is made.
        report.losses.resize(steps + of_step.min(rows.len()).div_ceil(batch), 0.0);
        let mut ready = 0;
        for (step, of_step) in rows.chunks(of_step).enumerate() {
            self.part = Some(0);
            let (full, rest) = of_step.split_at(of_step.len() / batch * batch);
            let mut sum = 0.0;
            for (part, batch) in [(full, batch), (rest, rest.len())] {
                if part.is_empty() {
                    continue;
                }
                if batch != ready {
                    let calls = if rest.len() == batch { 1 } else { often(rows.len() / batch) };
                    self.make_ready(index, data, (batch, rows), calls)?;
                    ready = batch;
                }
                let losses = &mut report.losses[steps..][..part.len() / batch];
                // SAFETY: as in `train_batches`; no learning rate is read.
                let stopped = unsafe { self.launch_steps(index, (part, batch), None, losses) }?;
                if let Some(Stop { step: at, updated }) = stopped {
                    let (rows, loss) = (&part[at * batch..][..batch], losses[at]);
                    let stopped = Stopped { index, step, updated, rows, loss, rate: None };
                    // SAFETY: the columns are borrowed until this function returns.
                    let error = unsafe { self.not_finite(stopped) };
                    return Err(not_gathered(error, self.steps_made));
                }
                sum += losses.iter().map(|&loss| f64::from(loss) * batch as f64).sum::<f64>();
            }
            report.losses[step] = (sum / of_step.len() as f64) as f32;
            let rate = rate(step, self.rates);
            self.apply(parts, rate, step)?;
        }
        report.losses.truncate(steps);
        Ok(())
    }

    /// Makes an entry ready for batches of this size, for an epoch that uses these rows. So many calls of this size are
    /// about to come.
    fn make_ready(
        &mut self,
        index: usize,
        data: &Dataset,
        (batch, used): (usize, &[u32]),
        calls: usize,
    ) -> Result<(), Error> {
        let interface = &self.work.entries[index].entry.interface;
        self.work.frame.given.clear();
        self.work.frame.given.resize(interface.slots.len(), None);
        place_columns(interface, data, batch, &mut self.work.frame.given);
        // SAFETY: the caller borrows the columns until it has launched what is made ready; every row is one of theirs.
        unsafe { self.take_in(index, Some(used)) }?;
        self.count_calls(index, u32::try_from(calls).unwrap_or(u32::MAX));
        self.work.frame.outputs.clear();
        Ok(())
    }

    /// Makes a step of `batch` rows for each loss. `used` are all rows that the epoch uses; `before` of its steps have been made.
    fn train_batches(
        &mut self,
        step: usize,
        data: &Dataset,
        (rows, batch, used): (&[u32], usize, &[u32]),
        rates: Option<&[f32]>,
        losses: &mut [f32],
        before: usize,
    ) -> Result<(), Error> {
        if losses.is_empty() {
            return Ok(());
        }
        // The smaller batch at the end is one step of many. The others come again in the next epoch.
        let calls = if before > 0 { 1 } else { often(losses.len()) };
        self.make_ready(step, data, (batch, used), calls)?;

        // SAFETY: the columns are borrowed until this function returns and have `data.rows()` rows, which every row number is
        // below; `rows` has `batch` numbers a loss; a step has no outputs; there is a learning rate a loss.
        let stopped = unsafe { self.launch_steps(step, (rows, batch), rates, losses) }?;
        let Some(Stop { step: at, updated }) = stopped else { return Ok(()) };

        let stopped = Stopped {
            index: step,
            step: before + at,
            updated,
            rows: &rows[at * batch..][..batch],
            loss: losses[at],
            rate: rates.map(|rates| rates[at]),
        };
        // SAFETY: the columns are borrowed until this function returns.
        Err(unsafe { self.not_finite(stopped) })
    }

    /// Makes a step of `batch` rows for each loss, from rows where they lie, or packed piece by piece. Gives the step that was stopped, if
    /// any.
    ///
    /// # Safety
    /// What was made ready is still borrowed, `rows` has `batch` numbers a loss, each of a row that is there, and there is a learning rate a
    /// loss.
    unsafe fn launch_steps(
        &mut self,
        step: usize,
        (rows, batch): (&[u32], usize),
        rates: Option<&[f32]>,
        losses: &mut [f32],
    ) -> Result<Option<Stop>, Error> {
        let Workspace { entries, frame, identity, packed, .. } = &mut *self.work;
        let (slots, ready) = (&entries[step].entry.interface.slots, &entries[step].prepared().slots);
        let Some(at_once) = steps_at_once(slots, ready, &frame.given, rows, batch) else {
            // SAFETY: as promised.
            let stopped = unsafe { self.launch(step, rows, rates, losses, None) };
            self.count_made(made(stopped, losses.len()) as u64);
            return Ok(stopped);
        };

        let at_once = at_once.min(losses.len());
        number_rows(identity, at_once * batch)?;
        packed.begin(&frame.given);
        let (numbers, mut first, mut stopped) = (std::mem::take(identity), 0, None);
        while first < losses.len() && stopped.is_none() {
            let steps = first..losses.len().min(first + at_once);
            let Workspace { entries, frame, packed, .. } = &mut *self.work;
            let (slots, ready) = (&entries[step].entry.interface.slots, &entries[step].prepared().slots);
            let (piece, count) = (&rows[steps.start * batch..steps.end * batch], steps.len());
            // SAFETY: as promised; `take_in` has converted what was given to words.
            unsafe { packed.pack(slots, ready, &mut frame.given, piece) };

            let (numbers, rates) = (&numbers[..count * batch], rates.map(|rates| &rates[steps.clone()]));
            // SAFETY: as promised; what is packed has a row for each number, and is kept until the next piece.
            let stop = unsafe { self.launch(step, numbers, rates, &mut losses[steps], None) };
            self.count_made(made(stop, count) as u64);
            stopped = stop.map(|stop| Stop { step: first + stop.step, ..stop });
            first += count;
        }
        self.work.identity = numbers;
        self.work.packed.end(&mut self.work.frame.given);
        Ok(stopped)
    }

    /// Refuses columns that are no inputs or have other rows, and inputs without rows.
    fn check_columns(&self, step: usize, data: &Dataset) -> Result<(), Error> {
        let interface = &self.work.entries[step].entry.interface;
        for (name, column) in data.columns() {
            let slot = &interface.slots[interface.data_slot(name)?];
            if slot.read {
                slot.check_column(column.shape())?;
            }
        }
        match interface.slots.iter().find(|slot| slot.read && slot.is_data() && !slot.lookup) {
            None => Ok(()),
            Some(slot) => Err(Error::usage(
                format!("input `{}`: {} has no rows to train on one after another", slot.name, slot.shape),
                "train with `step`, which takes such an input whole",
            )),
        }
    }
}

/// Calls that have code made for a size at once: so many now, and as many again in the next epoch.
fn often(calls: usize) -> usize {
    calls.max(Specialize::CALLS as usize + 1)
}

/// How many of these steps have changed the model.
fn made(stopped: Option<Stop>, steps: usize) -> usize {
    stopped.map_or(steps, |stop| stop.step + usize::from(stop.updated))
}

/// Puts every column into its slot as a batch of its rows.
fn place_columns(interface: &Interface, data: &Dataset, batch: usize, given: &mut [Option<Given>]) {
    for (name, view) in data.views() {
        let Ok(slot) = interface.data_slot(name) else { continue };
        let mut column = Given::new(&view);
        if let Extent::Shaped(rank, dims) = &mut column.extent {
            dims[0] = batch;
            column.len = elements(&dims[..usize::from(*rank)]);
        }
        given[slot] = Some(column);
    }
}

/// The rows to visit: those given, checked, or all in the seed's order.
fn order_of_rows<'a>(
    data: &Dataset,
    seed: u64,
    given: Option<&'a [u32]>,
    order: &'a mut Vec<u32>,
) -> Result<&'a [u32], Error> {
    if let Some(rows) = given {
        // The greatest of all is found faster than the first that is too great.
        return match rows.iter().max().filter(|&&row| row as usize >= data.rows()) {
            Some(row) => Err(Error::usage(
                format!("there is no row {row}"),
                format!("the data set has {}", counted(data.rows(), "row")),
            )),
            None => Ok(rows),
        };
    }

    order.clear();
    number_rows(order, data.rows())?;
    shuffle(order, seed);
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_counts_rows() {
        let report = EpochReport { losses: vec![1.0, 4.0], rows: 3, batch: 2, ..EpochReport::default() };
        assert_eq!(report.mean(), 2.0);
    }
}
