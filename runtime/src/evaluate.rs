//! Inference over whole data sets: held-out losses and predictions.
//!
//! In: a model, a data set of any size. Out: [`Evaluation`], or outputs for all rows.
//!
//! Must hold: the network is as it is for inference (no dropout, no statistics of the batch, no gradient) and changes nothing; rows go
//! through in batches, which are looked at where they lie.

use crate::bind::Interface;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::given::Given;
use crate::launch::place_both;
use crate::model::Model;
use crate::outputs::{OutputBuffer, Outputs, name_of};
use crate::prepare::elements;
use crate::view::Feed;
use crate::worker::{FORWARD, Worker};
use downhill_graph::dim::Dim;
use downhill_graph::tensor::Tensor;
use std::fmt;
use std::ops::Range;

/// Rows that go through the network at once, where nobody says how many.
const BATCH: usize = 256;

/// The losses of a network on data that it is not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// How many rows there were.
    pub rows: usize,
    /// Each loss by its name: the mean over batches, each counted by its rows.
    pub losses: Vec<(String, f64)>,
}

impl Evaluation {
    /// The loss of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, loss: &str) -> Result<f64, Error> {
        let found = self.losses.iter().find(|(name, _)| name == loss).map(|(_, value)| *value);
        found.ok_or_else(|| Error::unknown("loss", loss, self.losses.iter().map(|(name, _)| &**name)))
    }

    /// The first loss, which is the only one of most networks.
    pub fn loss(&self) -> f64 {
        self.losses.first().map_or(f64::NAN, |(_, value)| *value)
    }
}

impl fmt::Display for Evaluation {
    /// `loss 0.01234 over 1000 rows`, each loss by its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, loss)) in self.losses.iter().enumerate() {
            write!(f, "{}{name} {loss:.5}", if place == 0 { "" } else { ", " })?;
        }
        write!(f, " over {} rows", self.rows)
    }
}

impl Model {
    /// The loss as inference has it: dropout is off, batch norm takes its running statistics, nothing is differentiated and nothing changes.
    /// `net.loss(&x, &y)?` is what tells how well a network does on data that it is not trained on. Infinities and NaN are given as they are.
    /// Compiled when first asked for.
    ///
    /// # Errors
    /// Data that does not fit, labels and targets that the loss does not take, an empty batch; a network with no loss or with several.
    #[doc(alias("eval", "no_grad", "test_on_batch"))]
    pub fn loss<'a>(&self, inputs: impl Feed<'a>, targets: impl Feed<'a>) -> Result<f32, Error> {
        self.held_out(None, &inputs, &targets)
    }

    /// As [`Model::loss`], of the loss of this name.
    ///
    /// # Errors
    /// As [`Model::loss`]; an unknown loss.
    pub fn loss_of<'a>(
        &self,
        loss: &str,
        inputs: impl Feed<'a>,
        targets: impl Feed<'a>,
    ) -> Result<f32, Error> {
        self.held_out(Some(loss), &inputs, &targets)
    }

    fn held_out<'a>(
        &self,
        loss: Option<&str>,
        inputs: &impl Feed<'a>,
        targets: &impl Feed<'a>,
    ) -> Result<f32, Error> {
        let entry = self.program.held_out(self.program.loss_name(loss)?)?;
        self.reading(|worker| {
            let index = worker.entry_at(entry);
            worker.ready(index, |interface, given| place_both(interface, inputs, targets, given))?;
            worker.refuse_empty(index)?;
            worker.launch_once(index, &mut [])
        })
    }

    /// Every loss over a whole data set, as [`Model::loss`] has it: `net.evaluate(&test)?.loss()`. Rows go through in batches of 256; a loss is
    /// the mean over them, each counted by its rows, which for a loss that is a mean over rows is the mean over all rows. Of other losses,
    /// such as sums, [`Model::evaluate_loss`] says the batch.
    ///
    /// # Errors
    /// A column that is no input, or does not fit; labels and targets that a loss does not take; no rows; a network with no loss.
    #[doc(alias("eval", "test", "validate"))]
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation, Error> {
        let names: Vec<&str> = self.program.losses().collect();
        if names.is_empty() {
            self.program.loss_name(None)?;
        }
        let losses =
            names.into_iter().map(|name| Ok((name.to_owned(), self.evaluate_loss(Some(name), data, BATCH)?)));
        Ok(Evaluation { rows: data.rows(), losses: losses.collect::<Result<_, Error>>()? })
    }

    /// One loss over a whole data set, as [`Model::evaluate`] has it, in batches of so many rows: the only loss when none is named.
    ///
    /// # Errors
    /// As [`Model::evaluate`]; several losses and none named; an unknown loss; a batch of 0.
    pub fn evaluate_loss(&self, loss: Option<&str>, data: &Dataset, batch: usize) -> Result<f64, Error> {
        if data.rows() == 0 {
            return Err(Error::usage("a data set without rows has no loss", "give at least one row"));
        }
        let entry = self.program.held_out(self.program.loss_name(loss)?)?;
        self.reading(|worker| {
            let index = worker.entry_at(entry);
            worker.check_rows(index)?;
            let mut sum = 0.0;
            for rows in batches(data, batch)? {
                let loss =
                    worker.on_rows(index, data, rows.clone(), |worker| worker.launch_once(index, &mut []))?;
                sum += f64::from(loss) * rows.len() as f64;
            }
            Ok(sum / data.rows() as f64)
        })
    }

    /// The only output for every row of a data set: `net.predict(&test)?`. Columns of targets are not looked at.
    ///
    /// # Errors
    /// As [`Model::predict_all`]; a network with several outputs.
    pub fn predict(&self, data: &Dataset) -> Result<Tensor, Error> {
        self.program.check_only_output()?;
        let [only] = self.predict_all(data)?.into_array()?;
        Ok(only)
    }

    /// All outputs, by name, for every row of a data set.
    ///
    /// # Errors
    /// A column that is no input, or does not fit; an output whose first axis does not count the rows; no memory.
    pub fn predict_all(&self, data: &Dataset) -> Result<Outputs, Error> {
        self.predict_batches(data, BATCH)
    }

    /// As [`Model::predict_all`], in batches of so many rows, for networks whose intermediate values need much memory.
    ///
    /// # Errors
    /// As [`Model::predict_all`]; a batch of 0.
    pub fn predict_batches(&self, data: &Dataset, batch: usize) -> Result<Outputs, Error> {
        self.reading(|worker| worker.predicted(data, batch))
    }
}

impl Worker<'_> {
    fn predicted(&mut self, data: &Dataset, batch: usize) -> Result<Outputs, Error> {
        self.check_rows(FORWARD)?;
        let mut whole: Vec<(Vec<usize>, OutputBuffer)> = Vec::new();
        for rows in batches(data, batch)? {
            self.on_rows(FORWARD, data, rows.clone(), |worker| {
                if whole.is_empty() {
                    whole = worker.room_for(data.rows())?;
                }
                let views = whole.iter_mut();
                let views = views.map(|(shape, buffer)| buffer.rows_mut(elements(&shape[1..]), rows.clone()));
                worker.launch_once(FORWARD, &mut views.collect::<Vec<_>>())
            })?;
        }
        let outputs = self.work.entries[FORWARD].outputs();
        let named = whole.into_iter().zip(outputs).map(|((shape, buffer), (purpose, ty))| {
            Ok((name_of(purpose), buffer.into_tensor(&shape, ty.element)?))
        });
        Ok(Outputs { loss: None, named: named.collect::<Result<_, Error>>()?, kind: "output" })
    }

    /// Memory for the outputs of `all` rows, by what is ready for a batch of them.
    fn room_for(&self, all: usize) -> Result<Vec<(Vec<usize>, OutputBuffer)>, Error> {
        let runnable = &self.work.entries[FORWARD];
        let interface = &runnable.entry.interface;
        let counts = interface.rows.map(|rows| &*interface.symbols[rows]);
        let outputs = runnable.prepared().outputs.iter().zip(runnable.outputs());
        let room = outputs.map(|((shape, _), (purpose, ty))| {
            let is_counted = |dim: &Dim| dim.symbols().iter().any(|symbol| Some(&**symbol) == counts);
            let has_rows = match ty.shape.dims().split_first() {
                Some((first, rest)) => {
                    counts.is_some_and(|rows| *first == Dim::symbol(rows)) && !rest.iter().any(is_counted)
                }
                None => false,
            };
            if !has_rows {
                let (name, shape) = (name_of(purpose), &ty.shape);
                return Err(Error::usage(
                    format!(
                        "output `{name}`, {shape}, is not made of rows that can be put one after the other"
                    ),
                    "use `forward_all`, which gives outputs of one batch as they are",
                ));
            }
            let shape = [&[all], &shape[1..]].concat();
            let buffer = OutputBuffer::try_new(ty.element, elements(&shape))?;
            Ok((shape, buffer))
        });
        room.collect()
    }

    /// Refuses an entry that takes something whole, not row by row.
    fn check_rows(&self, index: usize) -> Result<(), Error> {
        let interface = &self.work.entries[index].entry.interface;
        match interface.slots.iter().find(|slot| slot.read && slot.is_data() && !slot.has_rows()) {
            None => Ok(()),
            Some(slot) => Err(Error::usage(
                format!("input `{}`: {} has no rows that go through in batches", slot.name, slot.shape),
                "use `forward_all` or `loss`, which take such an input whole",
            )),
        }
    }

    /// Runs an entry on these rows of a data set. Errors tell rows of the data set.
    fn on_rows<R>(
        &mut self,
        index: usize,
        data: &Dataset,
        rows: Range<usize>,
        run: impl FnOnce(&mut Self) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let said = self.random_step;
        // Inference that draws numbers draws others for each batch: those of steps that training never comes to.
        self.random_step = Some(said.unwrap_or(self.steps_made).wrapping_add((rows.start as u64) << 32));
        let ready = self.ready(index, |interface, given| place_rows(interface, data, rows.clone(), given));
        let made = ready.and_then(|()| run(self)).map_err(|error| behind(error, data, rows.start));
        self.random_step = said;
        made
    }
}

/// Puts these rows of each column that the entry reads into its slot.
fn place_rows(
    interface: &Interface,
    data: &Dataset,
    rows: Range<usize>,
    given: &mut [Option<Given>],
) -> Result<(), Error> {
    for (name, view) in data.views() {
        let slot = interface.data_slot(name)?;
        if interface.slots[slot].read {
            interface.slots[slot].check_column(data.column(name)?.shape())?;
        }
        given[slot] = Some(Given::new(&view.rows(rows.clone())));
    }
    Ok(())
}

/// The error of rows of which the first is number `first` of a data set.
fn behind(error: Error, data: &Dataset, first: usize) -> Error {
    match error {
        Error::Class { name, position, value, classes } => {
            let row_len = data.column(&name).map_or(0, |column| elements(&column.shape()[1..]));
            Error::Class { name, position: position + first * row_len, value, classes }
        }
        Error::Violation(mut violation) => {
            violation.at.row = violation.at.row.map(|row| row + first);
            Error::Violation(violation)
        }
        other => other,
    }
}

/// At least one, so that the shapes of outputs are known of a data set without rows too.
fn batches(data: &Dataset, batch: usize) -> Result<impl Iterator<Item = Range<usize>>, Error> {
    if batch == 0 {
        return Err(Error::usage("batches of 0 rows were asked for", "a batch is at least 1"));
    }
    let rows = data.rows();
    Ok((0..rows.max(1)).step_by(batch).map(move |first| first..rows.min(first.saturating_add(batch))))
}
