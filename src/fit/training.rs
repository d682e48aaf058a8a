//! The loop over epochs.

use super::best::Best;
use super::history::{Ended, History, Record};
use super::options::{Fit, Limits, Verdict};
use super::progress::Teller;
use super::rows::{Epochs, Made};
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
    /// before an error are made.
    fn fit(&mut self, data: &Dataset, options: Fit<'_>) -> Result<History, Error>;
}

impl Training for Model {
    fn fit(&mut self, data: &Dataset, mut options: Fit<'_>) -> Result<History, Error> {
        options.check()?;
        let start = Instant::now();
        let mut epochs = Epochs::new(data, &options);
        let mut teller = Teller::new(options.progress, options.epochs, data.steps(options.batch));
        let mut best = Best::new(&options);
        let mut history = History::default();

        for number in options.first..options.first.saturating_add(options.epochs) {
            if let Some(plateau) = &options.plateau {
                match options.loss {
                    Some(loss) => self.set_learning_rate_of(loss, plateau.rate())?,
                    None => self.set_learning_rate(plateau.rate())?,
                }
            }
            let limits = Limits { start, time: options.time, stop: options.stop };
            let (made, whole) = epochs.train(self, number, &options, &limits, &mut teller)?;
            if made.rows == 0 {
                history.ended = limits.reached().unwrap_or(Ended::Epochs);
                break;
            }
            let record = judged(self, data, number, &options, made)?;
            let watched = record.watched(options.watch);
            if let (Some(plateau), Some(watched)) = (&mut options.plateau, watched) {
                plateau.observe(watched);
            }
            teller.epoch(&record);
            let is_best = best.look(self, watched);
            history.add(record, is_best);
            let verdict = match (&mut options.each_epoch, history.epochs.last()) {
                (Some(call), Some(record)) => call(self, record)?,
                _ => Verdict::Continue,
            };
            let ended = match verdict {
                Verdict::Stop => Some(Ended::Callback),
                Verdict::Continue if best.is_tired() => Some(Ended::Patience),
                Verdict::Continue => {
                    limits.reached().filter(|_| !whole || number + 1 < options.first + options.epochs)
                }
            };
            if let Some(ended) = ended {
                history.ended = ended;
                break;
            }
        }

        best.restore(self)?;
        history.time = start.elapsed();
        teller.end(&history);
        Ok(history)
    }
}

/// The record of an epoch, with what it is judged by.
fn judged(net: &Model, data: &Dataset, number: u64, options: &Fit<'_>, made: Made) -> Result<Record, Error> {
    let validation = match (options.validation, options.loss) {
        (None, _) => None,
        (Some(data), loss) => Some(net.evaluate_loss(loss, data)?),
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
