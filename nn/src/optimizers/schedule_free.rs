//! Schedule-free AdamW.

use super::average::AVERAGE;
use super::moments::{BETAS, bias_correction, check_betas, check_divisor, second_moment};
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{equal, greater, minimum, select, sqrt, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;

/// Schedule-free AdamW; made by [`schedule_free`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleFree {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    warmup: usize,
}

/// Schedule-free AdamW (Defazio et al.: The Road Less Scheduled; 2024, algorithm 1): the learning rate need not fall, because what is
/// learned is an average of all steps. The authors' learning rate is 0.0025 unless said.
///
/// There are three points. `z` makes AdamW's steps, `x` is the average of all `z`, and gradients are taken between them, at
/// `y = (1 − β₁)·z + β₁·x`:
///
/// - `v ← β₂·v + (1 − β₂)·g²`, `γₜ = learning_rate·√(1 − β₂ᵗ)·min(1, t/warmup)`,
/// - `z ← z − γₜ·(g/(√v + eps) + weight_decay·y)`,
/// - `x ← (1 − c)·x + c·z` with `c = γₜ²/Σγ²`.
///
/// The parameter is `y`, which training needs; `x`, which is to be used, is its state `h.weight.average`. A model's `averaged` runs inference
/// with it. `z` is the state `h.weight.fast`.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, schedule_free};
///
/// assert!(Optimizer::from(schedule_free(2.5e-3).warmup(1000).weight_decay(0.01)).check().is_ok());
/// ```
pub fn schedule_free(learning_rate: impl Into<f64>) -> ScheduleFree {
    let learning_rate = learning_rate.into();
    ScheduleFree { learning_rate, betas: BETAS, epsilon: 1e-8, weight_decay: 0.0, warmup: 0 }
}

impl ScheduleFree {
    /// Where gradients are taken between `z`, at 0, and `x`, at 1, and how long the mean of squares remembers: 0.9 and 0.999 unless said.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> ScheduleFree {
        ScheduleFree { betas: (first, second), ..self }
    }

    /// Added to the divisor, 1e-8 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> ScheduleFree {
        ScheduleFree { epsilon, ..self }
    }

    /// A step also shrinks weights by `γₜ·weight_decay·y`.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> ScheduleFree {
        ScheduleFree { weight_decay, ..self }
    }

    /// Over how many steps the learning rate rises from 0: none unless said.
    #[must_use]
    pub fn warmup(self, steps: usize) -> ScheduleFree {
        ScheduleFree { warmup: steps, ..self }
    }

    /// γₜ, and the share of this step in the average.
    fn rate_and_share(&self, updates: &Updates) -> (Value, Value) {
        let step = updates.step();
        let corrected = updates.learning_rate() * sqrt(bias_correction(self.betas.1, step));
        let rate = match self.warmup {
            0 => corrected,
            warmup => corrected * minimum(step / warmup as f64, 1.0),
        };

        let squares = updates.state("rate_squares", Shape::scalar(), Initializer::Zeros);
        let sum = squares.value() + square(&rate);
        squares.set(&sum);
        // While all rates were 0 there is nothing to average.
        let has_moved = greater(&sum, 0.0);
        let share = select(&has_moved, square(&rate), 0.0) / select(has_moved, sum, 1.0);
        (rate, share)
    }
}

impl UpdateRule for ScheduleFree {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_betas(self.betas)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let (rate, share) = self.rate_and_share(updates);
        let is_first = equal(updates.step(), 1.0);
        updates.each(|w| {
            // All three points begin where the parameter does.
            let [average, fast] = [AVERAGE, "fast"].map(|name| w.state(name, Initializer::Zeros));
            let [x, z] = [&average, &fast].map(|point| select(&is_first, w.value(), point.value()));

            let mean_square = second_moment(w, w.gradient(), self.betas.1);
            let adapted = w.gradient() / (sqrt(mean_square) + self.epsilon);
            let direction = match w.weight_decay(self.weight_decay) {
                0.0 => adapted,
                decay => adapted + w.value() * decay,
            };

            let z = z - direction * w.scalar(&rate);
            let x = &x + (&z - &x) * w.scalar(&share);
            fast.set(&z);
            average.set(&x);
            w.set(&z + (x - &z) * self.betas.0);
        });
    }
}
