//! Learning rates as functions of the step.
//!
//! Must hold: each is computed from the step alone, in f64, and rounded once. Behind its end a schedule stays at its last rate, but where
//! it says that it goes on.

use crate::schedules::one_cycle::{OneCycle, half_cosine, mix};
use std::fmt;
use std::sync::Arc;

/// A learning rate for every step. See [`schedules`](crate::schedules).
#[derive(Clone)]
pub struct Schedule {
    curve: Curve,
}

#[derive(Clone)]
enum Curve {
    Constant(f64),
    Linear { from: f64, to: f64, total: u64 },
    Step { rate: f64, every: u64, factor: f64 },
    Milestones { rate: f64, at: Vec<u64>, factor: f64 },
    Exponential { rate: f64, factor: f64 },
    Polynomial { rate: f64, total: u64, power: f64 },
    Cosine { from: f64, to: f64, total: u64 },
    Restarts { rate: f64, first: u64, times: u64, least: f64 },
    OneCycle(OneCycle),
    Joined(Box<Schedule>, u64, Box<Schedule>),
    Own(Arc<dyn Fn(u64) -> f64 + Send + Sync>),
}

/// Always this rate.
pub fn constant(rate: f64) -> Schedule {
    Curve::Constant(rate).into()
}

/// From one rate to another along a line of `total` steps: PyTorch's `LinearLR` with `from = rate·start_factor` and `to = rate·end_factor`.
pub fn linear(from: f64, to: f64, total: u64) -> Schedule {
    Curve::Linear { from, to, total }.into()
}

/// `rate · factor^⌊step / every⌋`: PyTorch's `StepLR`. It goes on forever.
pub fn step(rate: f64, every: u64, factor: f64) -> Schedule {
    Curve::Step { rate, every, factor }.into()
}

/// `rate`, times `factor` from each of these steps on: PyTorch's `MultiStepLR`.
pub fn milestones(rate: f64, at: &[u64], factor: f64) -> Schedule {
    Curve::Milestones { rate, at: at.to_vec(), factor }.into()
}

/// `rate · factor^step`: PyTorch's `ExponentialLR`. It goes on forever.
pub fn exponential(rate: f64, factor: f64) -> Schedule {
    Curve::Exponential { rate, factor }.into()
}

/// `rate · (1 − step / total)^power`, then 0: PyTorch's `PolynomialLR`.
pub fn polynomial(rate: f64, total: u64, power: f64) -> Schedule {
    Curve::Polynomial { rate, total, power }.into()
}

/// From `rate` to 0 along half a cosine of `total` steps: PyTorch's `CosineAnnealingLR` up to its `T_max`; then it stays there, where PyTorch's
/// rises again. [`Schedule::down_to`] says another end than 0 (Loshchilov, Hutter: SGDR, 2017).
///
/// # Examples
/// ```
/// use downhill::schedules::cosine;
///
/// let schedule = cosine(1.0, 100).down_to(0.1).warmup(10, 0.5);
/// assert_eq!([0, 5, 10, 60, 110, 1000].map(|step| schedule.rate(step)), [0.5, 0.75, 1.0, 0.55, 0.1, 0.1]);
/// ```
pub fn cosine(rate: f64, total: u64) -> Schedule {
    Curve::Cosine { from: rate, to: 0.0, total }.into()
}

/// Half a cosine of `first` steps, again and again, each `times` as long as the one before: PyTorch's `CosineAnnealingWarmRestarts`.
/// It goes on forever. [`Schedule::down_to`] says another end of each than 0.
pub fn cosine_restarts(rate: f64, first: u64, times: u64) -> Schedule {
    Curve::Restarts { rate, first, times, least: 0.0 }.into()
}

/// Up to `most` and down again within `total` steps: PyTorch's `OneCycleLR` with its defaults, which [`OneCycle`]'s fields change (Smith,
/// Topin: Super-convergence, 2018).
///
/// # Examples
/// ```
/// use downhill::schedules::{OneCycle, Schedule, one_cycle};
///
/// assert_eq!(one_cycle(0.1, 1000).rate(0), 0.004);
/// let straight = Schedule::from(OneCycle { linear: true, up: 0.5, ..OneCycle::new(0.1, 1002) });
/// assert_eq!(straight.rate(500), 0.1);
/// ```
pub fn one_cycle(most: f64, total: u64) -> Schedule {
    OneCycle::new(most, total).into()
}

/// A rate of one's own for each step.
///
/// # Examples
/// ```
/// use downhill::schedules::custom;
///
/// let inverse_root = custom(|step| 0.1 / (step as f64 + 1.0).sqrt());
/// assert_eq!(inverse_root.rate(3), 0.05);
/// ```
pub fn custom(rate: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Schedule {
    Curve::Own(Arc::new(rate)).into()
}

impl From<OneCycle> for Schedule {
    fn from(cycle: OneCycle) -> Schedule {
        Curve::OneCycle(cycle).into()
    }
}

impl From<Curve> for Schedule {
    fn from(curve: Curve) -> Schedule {
        Schedule { curve }
    }
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f32 {
        self.exact(step) as f32
    }

    /// The rates of `count` steps, for [`EpochOptions::learning_rates`](crate::epoch::EpochOptions::learning_rates).
    pub fn rates(&self, first: u64, count: usize) -> Vec<f32> {
        (first..).take(count).map(|step| self.rate(step)).collect()
    }

    /// Before this schedule, `steps` steps along a line from `share` of its first rate up to it. Its own steps are counted from there on.
    #[must_use]
    pub fn warmup(self, steps: u64, share: f64) -> Schedule {
        let first = self.exact(0);
        linear(first * share, first, steps).then(steps, self)
    }

    /// This schedule for `steps` steps, then another, which counts from 0: PyTorch's `SequentialLR`.
    #[must_use]
    pub fn then(self, steps: u64, next: Schedule) -> Schedule {
        Curve::Joined(Box::new(self), steps, Box::new(next)).into()
    }

    /// Ends a [`cosine`], each cosine of [`cosine_restarts`], or a [`linear`] at this rate. Others stay as they are.
    #[must_use]
    pub fn down_to(mut self, rate: f64) -> Schedule {
        match &mut self.curve {
            Curve::Cosine { to, .. } | Curve::Linear { to, .. } => *to = rate,
            Curve::Restarts { least, .. } => *least = rate,
            Curve::Joined(_, _, next) => **next = next.as_ref().clone().down_to(rate),
            Curve::Constant(_)
            | Curve::Step { .. }
            | Curve::Milestones { .. }
            | Curve::Exponential { .. }
            | Curve::Polynomial { .. }
            | Curve::OneCycle(_)
            | Curve::Own(_) => {}
        }
        self
    }

    fn exact(&self, step: u64) -> f64 {
        match &self.curve {
            Curve::Constant(rate) => *rate,
            Curve::Linear { from, to, total } => mix(*from, *to, share(step, *total)),
            Curve::Step { rate, every, factor } => rate * factor.powf((step / (*every).max(1)) as f64),
            Curve::Milestones { rate, at, factor } => {
                rate * factor.powf(at.iter().filter(|&&milestone| step >= milestone).count() as f64)
            }
            Curve::Exponential { rate, factor } => rate * factor.powf(step as f64),
            Curve::Polynomial { rate, total, power } => match share(step, *total) {
                1.0.. => 0.0,
                done => rate * (1.0 - done).powf(*power),
            },
            Curve::Cosine { from, to, total } => half_cosine(*from, *to, share(step, *total)),
            Curve::Restarts { rate, first, times, least } => {
                half_cosine(*rate, *least, within_restart(step, (*first).max(1), (*times).max(1)))
            }
            Curve::OneCycle(cycle) => cycle.rate(step),
            Curve::Joined(first, steps, _) if step < *steps => first.exact(step),
            Curve::Joined(_, steps, next) => next.exact(step - steps),
            Curve::Own(rate) => rate(step),
        }
    }
}

/// How much of `total` steps is done, at most 1.
fn share(step: u64, total: u64) -> f64 {
    if step >= total { 1.0 } else { step as f64 / total as f64 }
}

/// How much of its cosine a step has done.
fn within_restart(step: u64, first: u64, times: u64) -> f64 {
    if times == 1 {
        return (step % first) as f64 / first as f64;
    }
    let (mut start, mut length) = (0_u64, first);
    while step - start >= length {
        start += length;
        length = length.saturating_mul(times);
    }
    (step - start) as f64 / length as f64
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.curve {
            Curve::Joined(first, steps, next) => write!(f, "{first:?} for {steps} steps, then {next:?}"),
            Curve::Own(_) => f.write_str("a schedule of one's own"),
            Curve::Constant(rate) => write!(f, "constant({rate})"),
            Curve::Linear { from, to, total } => write!(f, "linear({from}, {to}, {total})"),
            Curve::Step { rate, every, factor } => write!(f, "step({rate}, {every}, {factor})"),
            Curve::Milestones { rate, at, factor } => write!(f, "milestones({rate}, {at:?}, {factor})"),
            Curve::Exponential { rate, factor } => write!(f, "exponential({rate}, {factor})"),
            Curve::Polynomial { rate, total, power } => write!(f, "polynomial({rate}, {total}, {power})"),
            Curve::Cosine { from, to, total } => write!(f, "cosine({from}, {total}).down_to({to})"),
            Curve::Restarts { rate, first, times, least } => {
                write!(f, "cosine_restarts({rate}, {first}, {times}).down_to({least})")
            }
            Curve::OneCycle(cycle) => cycle.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joints_and_ends_are_exact() {
        let schedule = cosine(0.3, 7).down_to(0.02).warmup(3, 1.0 / 3.0).then(20, constant(0.5));
        assert_eq!(
            [0, 3, 10, 19, 20, u64::MAX].map(|step| schedule.rate(step)),
            [0.1, 0.3, 0.02, 0.02, 0.5, 0.5]
        );
        assert_eq!(polynomial(0.1, 5, 2.0).rates(4, 3), [0.004, 0.0, 0.0]);
        assert_eq!(one_cycle(1.0, 10).rate(9), one_cycle(1.0, 10).rate(u64::MAX));
        assert_eq!(cosine_restarts(1.0, 4, 2).down_to(0.5).rates(0, 5)[4], 1.0);
        assert_eq!(
            format!("{:?}", constant(0.1).then(5, linear(1.0, 0.0, 2))),
            "constant(0.1) for 5 steps, then linear(1, 0, 2)"
        );
    }

    #[test]
    fn no_step_and_no_length_is_too_much() {
        let all = [
            linear(1.0, 0.0, 0),
            step(1.0, 0, 0.1),
            milestones(1.0, &[], 0.1),
            exponential(1.0, 0.9),
            polynomial(1.0, 0, 1.0),
            cosine(1.0, 0),
            cosine_restarts(1.0, 0, 0),
            cosine_restarts(1.0, 1, 2),
            cosine_restarts(1.0, 1, u64::MAX),
            one_cycle(1.0, 0),
            one_cycle(1.0, 1),
            cosine(1.0, u64::MAX).warmup(u64::MAX, 0.0),
        ];
        for schedule in all {
            for step in [0, 1, 2, 3, 1000, u64::MAX - 1, u64::MAX] {
                let rate = schedule.rate(step);
                assert!((0.0..=1.0).contains(&rate), "{schedule:?} at {step}: {rate}");
            }
        }
    }
}
