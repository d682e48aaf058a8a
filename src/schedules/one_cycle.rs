//! Up to a rate and down again.

use std::f64::consts::PI;

/// How [`one_cycle`](crate::schedules::one_cycle()) goes up and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// The greatest rate.
    pub most: f64,
    /// How many steps there are.
    pub total: u64,
    /// The share of the steps that go up: PyTorch's `pct_start`.
    pub up: f64,
    /// What `most` is divided by for the first rate.
    pub first_divisor: f64,
    /// What the first rate is divided by for the last.
    pub last_divisor: f64,
    /// Along lines instead of cosines.
    pub linear: bool,
    /// Down to the first rate in as many steps as up, and to the last rate in those that are left.
    pub three_phases: bool,
}

impl OneCycle {
    /// PyTorch's defaults: 0.3 of the steps up, from `most / 25`, then down to `most / 250,000`, along cosines.
    pub fn new(most: f64, total: u64) -> OneCycle {
        let (up, first_divisor, last_divisor) = (0.3, 25.0, 1e4);
        OneCycle { most, total, up, first_divisor, last_divisor, linear: false, three_phases: false }
    }

    pub(crate) fn rate(&self, step: u64) -> f64 {
        let first = self.most / self.first_divisor;
        let last = first / self.last_divisor;
        let end = self.total.saturating_sub(1) as f64;
        let top = self.up * self.total as f64 - 1.0;
        let step = (step as f64).min(end);

        let between = |from: f64, to: f64, (start, end): (f64, f64)| {
            let done = if end > start { (step - start) / (end - start) } else { 1.0 };
            if self.linear { mix(from, to, done) } else { half_cosine(from, to, done) }
        };
        let back = 2.0 * self.up * self.total as f64 - 2.0;
        match self.three_phases {
            _ if step <= top => between(first, self.most, (0.0, top)),
            true if step <= back => between(self.most, first, (top, back)),
            true => between(first, last, (back, end)),
            false => between(self.most, last, (top, end)),
        }
    }
}

/// Exact at both ends.
pub(crate) fn mix(from: f64, to: f64, done: f64) -> f64 {
    if done >= 1.0 { to } else { from + (to - from) * done }
}

/// From one rate to another along half a cosine.
pub(crate) fn half_cosine(from: f64, to: f64, done: f64) -> f64 {
    if done >= 1.0 { to } else { to + (from - to) * (1.0 + (PI * done).cos()) / 2.0 }
}
