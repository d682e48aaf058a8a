//! The loop over epochs.

use super::best::Best;
use super::history::{Ended, History, Record, Resume};
use super::options::{Fit, Limits, Verdict};
use super::progress::Teller;
use super::rows::{Epochs, Made};
use super::saved;
use crate::file;
use crate::mistake::{counted, misuse};
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use std::path::Path;
use std::time::Instant;

/// Training over epochs. Every [`Model`] has it.
pub trait Training {
    /// Trains on `data`: see [`fit`](crate::fit).
    ///
    /// # Errors
    /// Those of [`Model::epoch`] and [`Model::evaluate_loss`]; options that make no sense together; what a callback returns. The steps
    /// before an error are made; where the best epoch is kept, the model has its parameters.
    fn fit(&mut self, data: &Dataset, options: Fit<'_>) -> Result<History, Error>;

    /// Goes on from a file that [`Fit::save`] wrote: the model is as it was then, and what this gives is for [`Fit::resume`]. With the same
    /// data, options and optimizer training goes on with the bits of one that was never interrupted.
    ///
    /// # Errors
    /// A file that cannot be read, or does not tell where a training is; [`Error::State`], where it is another network's or of another
    /// optimizer. The model is then as it was.
    ///
    /// # Examples
    /// ```
    /// use downhill::fit::Resume;
    /// use downhill::prelude::*;
    ///
    /// network! {
    ///     Line() {
    ///         input  x: [batch, 1];
    ///         target y: [batch, 1];
    ///         output p = linear(x, 1);
    ///         loss squared_error(p, y);
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), downhill::Error> {
    /// #   let folder = std::env::temp_dir().join(format!("downhill-training-{}", std::process::id()));
    ///     let path = folder.join("run.safetensors");
    ///     let data = Dataset::of(&[("x", &[[0.5_f32], [1.0]]), ("y", &[[1.0_f32], [2.0]])])?;
    ///     for epochs in [3, 10] {
    ///         // The second time it is begun, it goes on behind the third epoch.
    ///         let mut net = Line::new().seed(1).optimizer(adam(0.1)).build()?;
    ///         let resume = if path.exists() { net.load_training(&path)? } else { Resume::default() };
    ///         let epochs = u64::saturating_sub(epochs, resume.epoch);
    ///         net.fit(&data, Fit { epochs, resume: Some(resume), save: Some(&path), ..Fit::default() })?;
    ///         assert_eq!(net.steps_made(), net.load_training(&path)?.epoch);
    ///     }
    /// #   std::fs::remove_dir_all(folder).ok();
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias("BackupAndRestore", "resume_from_checkpoint", "ckpt_path", "load_checkpoint"))]
    fn load_training(&mut self, path: impl AsRef<Path>) -> Result<Resume, Error>;
}

impl Training for Model {
    fn fit(&mut self, data: &Dataset, mut options: Fit<'_>) -> Result<History, Error> {
        options.check()?;
        let resume = options.resume.take().unwrap_or_default();
        check(self, data, &options, &resume)?;
        if resume.plateau.is_some() {
            options.plateau = resume.plateau;
        }
        let mut run = Run {
            limits: Limits { start: Instant::now(), time: options.time, stop: options.stop },
            epochs: Epochs::new(data, &options),
            teller: Teller::new(options.progress, options.epochs, data.steps(options.rows_of_step())),
            best: Best::new(&options, &resume),
            history: History { resume, ..History::default() },
            data,
            options,
        };
        let made = run.all(self);
        run.history.resume = run.resume();
        let Run { limits, teller, best, mut history, .. } = run;
        history.time = limits.start.elapsed();
        teller.end(&history);
        // After an error too: it may have come from parameters that went astray.
        best.restore(self)?;
        made.map(|()| history)
    }

    fn load_training(&mut self, path: impl AsRef<Path>) -> Result<Resume, Error> {
        saved::load(self, path.as_ref())
    }
}

/// Refuses data that has nothing to train on, and finds out before the first epoch whether the validation data fits.
fn check(net: &Model, data: &Dataset, options: &Fit<'_>, resume: &Resume) -> Result<(), Error> {
    if data.rows() == 0 {
        return Err(misuse("there are no rows to train on", "give a data set with at least one"));
    }
    if resume.row >= data.rows() {
        return Err(misuse(
            format!(
                "training goes on behind row {} of an epoch, but the data has {}",
                resume.row,
                counted(data.rows(), "row")
            ),
            "give the data that it was trained on before",
        ));
    }
    options.save.map_or(Ok(()), file::check)?;
    let losses: Vec<&str> = net.program().losses().collect();
    if let (None, [first, _, ..]) = (options.loss, &*losses) {
        let help = format!("name one: `Fit {{ loss: Some(\"{first}\"), … }}`");
        return Err(misuse("this network has several losses, and none was named", help));
    }
    match options.validation {
        Some(validation) if validation.rows() == 0 => {
            Err(misuse("the validation data has no rows", "give at least one, or leave it out"))
        }
        Some(validation) => net.evaluate_loss(options.loss, &validation.select(&[0])?, 1).map(|_| ()),
        None => Ok(()),
    }
}

/// Training under way.
struct Run<'d, 'a> {
    data: &'d Dataset,
    options: Fit<'a>,
    limits: Limits<'a>,
    epochs: Epochs<'d>,
    teller: Teller,
    best: Best,
    history: History,
}

impl Run<'_, '_> {
    /// Where training is.
    fn resume(&self) -> Resume {
        let mut resume = Resume { plateau: self.options.plateau, ..self.history.resume.clone() };
        self.best.tell(&mut resume);
        resume
    }

    fn all(&mut self, net: &mut Model) -> Result<(), Error> {
        // A training that had ended so is not taken up for another epoch.
        if self.best.is_tired() {
            self.history.ended = Ended::Patience;
            return Ok(());
        }
        let first = self.history.resume.epoch;
        let end = first.saturating_add(self.options.epochs);
        for number in first..end {
            if let Some(ended) = self.epoch(net, number)? {
                self.history.ended = ended;
                return Ok(());
            }
            if let Some(ended) = self.limits.reached().filter(|_| number + 1 < end) {
                self.history.ended = ended;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes an epoch, or the rest of one; tells what ends training, if something does.
    fn epoch(&mut self, net: &mut Model, number: u64) -> Result<Option<Ended>, Error> {
        #[cfg(feature = "tracing")]
        let _span = tracing::info_span!("epoch", number).entered();
        let Run { options, limits, .. } = self;
        if let Some(plateau) = &options.plateau {
            match options.loss {
                Some(loss) => net.set_learning_rate_of(loss, plateau.rate())?,
                None => net.set_learning_rate(plateau.rate())?,
            }
        }
        let place = (number, std::mem::take(&mut self.history.resume.row));
        let made = self.epochs.train(net, place, options, limits, &mut self.teller)?;
        let is_whole = made.end == self.data.rows();
        (self.history.resume.epoch, self.history.resume.row) =
            if is_whole { (number.saturating_add(1), 0) } else { (number, made.end) };
        if made.rows == 0 {
            return Ok(limits.reached());
        }
        let record = judged(net, self.data, number, options, made)?;
        self.teller.epoch(&record);
        #[cfg(feature = "tracing")]
        tracing::info!(
            loss = record.loss,
            validation = record.validation,
            metric = record.metric,
            rows = record.rows
        );
        // A part of an epoch is told and judges nothing: its rest is still to come.
        let watched = record.watched(options.watch).filter(|_| is_whole);
        if let (Some(plateau), Some(watched)) = (&mut options.plateau, watched) {
            plateau.observe(watched);
        }
        let is_best = is_whole && self.best.look(net, watched);
        self.history.add(record, is_best);
        let verdict = match (&mut options.each_epoch, self.history.epochs.last()) {
            (Some(call), Some(record)) => call(net, record)?,
            _ => Verdict::Continue,
        };
        if let Some(path) = self.options.save {
            saved::save(net, path, &self.resume())?;
        }
        Ok(match verdict {
            Verdict::Stop => Some(Ended::Callback),
            Verdict::Continue if self.best.is_tired() => Some(Ended::Patience),
            Verdict::Continue if is_whole => None,
            Verdict::Continue => self.limits.reached(),
        })
    }
}

/// The record of an epoch, with what it is judged by.
fn judged(net: &Model, data: &Dataset, number: u64, options: &Fit<'_>, made: Made) -> Result<Record, Error> {
    let validation = match options.validation {
        None => None,
        Some(data) => Some(net.evaluate_loss(options.loss, data, options.batch)?),
    };
    let metric = match &options.metric {
        Some(metric) => Some(metric(net, options.validation.unwrap_or(data))?),
        None => None,
    };
    Ok(Record {
        epoch: number,
        loss: made.loss,
        validation,
        metric,
        learning_rate: made.rate,
        steps: net.steps_made(),
        rows: made.rows,
        time: made.time,
    })
}
