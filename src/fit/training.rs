//! The loop over epochs.

use super::best::Best;
use super::history::{Ended, History, Record};
use super::options::{Fit, Limits, Verdict};
use super::progress::Teller;
use super::rows::{Epochs, Made};
use crate::mistake::misuse;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use std::time::Instant;

/// Training over epochs. Every [`Model`] has it.
pub trait Training {
    /// Trains on `data`: see [`fit`](crate::fit).
    ///
    /// # Errors
    /// Those of [`Model::epoch`] and [`Model::evaluate_loss`]; options that make no sense together; what a callback returns. The steps
    /// before an error are made; where the best epoch is kept, the model has its parameters.
    fn fit(&mut self, data: &Dataset, options: Fit<'_>) -> Result<History, Error>;
}

impl Training for Model {
    fn fit(&mut self, data: &Dataset, mut options: Fit<'_>) -> Result<History, Error> {
        options.check()?;
        check(self, data, &options)?;
        let resume = options.resume.take().unwrap_or_default();
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
        let Run { limits, teller, best, options, mut history, .. } = run;
        (history.resume.best, history.resume.since) = best.so_far();
        history.resume.plateau = options.plateau;
        history.time = limits.start.elapsed();
        teller.end(&history);
        // After an error too: it may have come from parameters that went astray.
        best.restore(self)?;
        made.map(|()| history)
    }
}

/// Refuses data that has nothing to train on, and finds out before the first epoch whether the validation data fits.
fn check(net: &Model, data: &Dataset, options: &Fit<'_>) -> Result<(), Error> {
    if data.rows() == 0 {
        return Err(misuse("there are no rows to train on", "give a data set with at least one"));
    }
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
    fn all(&mut self, net: &mut Model) -> Result<(), Error> {
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
        Ok(match verdict {
            Verdict::Stop => Some(Ended::Callback),
            Verdict::Continue if self.best.is_tired() => Some(Ended::Patience),
            Verdict::Continue if is_whole => None,
            Verdict::Continue => limits.reached(),
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
