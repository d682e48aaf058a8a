//! One epoch: its order of rows, its learning rates, in as many native calls as its limits and its progress ask for.
//!
//! Must hold: however many calls an epoch is made in, its bits are the same.

use super::options::{Fit, Limits};
use super::progress::Teller;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::epoch::{Epoch, EpochOptions, EpochReport, shuffle};
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use std::time::{Duration, Instant};

/// A call that is looked at between takes about so long.
const LOOK: Duration = Duration::from_millis(50);

/// What of an epoch was made.
pub(super) struct Made {
    pub(super) loss: f64,
    pub(super) rate: f32,
    pub(super) rows: usize,
    /// The place of the order at which it ended.
    pub(super) end: usize,
    pub(super) time: Duration,
}

/// The memory that epochs are made with.
pub(super) struct Epochs<'a> {
    data: &'a Dataset,
    /// Rows of a step.
    of_step: usize,
    order: Vec<u32>,
    report: EpochReport,
}

impl<'a> Epochs<'a> {
    pub(super) fn new(data: &'a Dataset, options: &Fit<'_>) -> Epochs<'a> {
        Epochs { data, of_step: options.rows_of_step(), order: Vec::new(), report: EpochReport::default() }
    }

    /// Trains on every row from place `first` of the order on, or until a limit is reached.
    pub(super) fn train(
        &mut self,
        net: &mut Model,
        (number, first): (u64, usize),
        options: &Fit<'_>,
        limits: &Limits<'_>,
        teller: &mut Teller,
    ) -> Result<Made, Error> {
        let start = Instant::now();
        // The rows of a data set are numbered by u32s.
        self.order.clear();
        self.order.extend(0..self.data.rows() as u32);
        shuffle(&mut self.order, seed_of(options.seed, number));

        let looks = limits.exist() || teller.looks();
        let (mut sum, mut done, mut steps) = (0.0, first, if looks { 1 } else { usize::MAX });
        while done < self.order.len() && limits.reached().is_none() {
            let rows = steps.saturating_mul(self.of_step).min(self.order.len() - done);
            let called = Instant::now();
            self.call(net, done..done + rows, options)?;
            // Step by step, so that the sum does not depend on where calls end.
            for (step, &loss) in self.report.losses.iter().enumerate() {
                sum += f64::from(loss) * (rows - step * self.of_step).min(self.of_step) as f64;
            }
            done += rows;
            let (made, took) = (self.report.losses.len(), called.elapsed().as_secs_f64().max(1e-9));
            // At most twice as many at once as before: the first call may have compiled something.
            let fitting = (made as f64 * LOOK.as_secs_f64() / took) as usize;
            steps = if looks { fitting.clamp(1, 2 * made) } else { usize::MAX };
            teller.steps(number, made, sum / (done - first) as f64);
        }
        let rate = match &options.schedule {
            Some(schedule) => schedule.rate(net.steps_made().saturating_sub(1)),
            None => net.rate_of(options.loss)?,
        };
        let rows = done - first;
        Ok(Made { loss: sum / rows as f64, rate, rows, end: done, time: start.elapsed() })
    }

    /// Makes the steps of these places of the order in one call.
    fn call(
        &mut self,
        net: &mut Model,
        places: std::ops::Range<usize>,
        options: &Fit<'_>,
    ) -> Result<(), Error> {
        let rows = &self.order[places];
        let rates = options.schedule.as_ref();
        let rates = rates.map(|schedule| schedule.rates(net.steps_made(), rows.len().div_ceil(self.of_step)));
        let epoch = Epoch { batch: options.batch, seed: 0 };
        let said = EpochOptions {
            loss: options.loss,
            learning_rates: rates.as_deref(),
            rows: Some(rows),
            accumulate: options.accumulate,
        };
        net.epoch_into(self.data, epoch, said, &mut self.report)
    }
}

/// The seed of an epoch's order: other epochs, and the same one under another seed, have others.
pub fn seed_of(seed: u64, epoch: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(epoch)
}
