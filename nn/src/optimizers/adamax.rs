//! Adamax.

use super::moments::{BETAS, bias_correction, check_betas, check_divisor, first_moment};
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::value::{abs, maximum};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Adamax; made by [`adamax`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adamax {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
}

/// Adamax (Kingma, Ba: Adam, a Method for Stochastic Optimization; 2015, section 7.1): Adam with the greatest gradient so far, fading, in
/// place of the root of mean squares: `u ← max(β₂·u, |g| + eps)`, `w ← w − learning_rate/(1 − β₁ᵗ)·m/u`. Nothing is squared, so that no
/// gradient is too large for it. PyTorch's learning rate is 0.002 unless said.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, adamax};
///
/// assert!(Optimizer::from(adamax(2e-3).betas(0.9, 0.99)).check().is_ok());
/// ```
pub fn adamax(learning_rate: impl Into<f64>) -> Adamax {
    let learning_rate = learning_rate.into();
    Adamax { learning_rate, betas: BETAS, epsilon: 1e-8, weight_decay: 0.0 }
}

impl Adamax {
    /// How long the mean of gradients, and the greatest of them, remember: 0.9 and 0.999 unless said.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Adamax {
        Adamax { betas: (first, second), ..self }
    }

    /// Added to each |g|, 1e-8 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Adamax {
        Adamax { epsilon, ..self }
    }

    /// `weight_decay·w` is added to the gradient.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Adamax {
        Adamax { weight_decay, ..self }
    }
}

impl UpdateRule for Adamax {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_betas(self.betas)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let step_size = updates.learning_rate() / bias_correction(self.betas.0, updates.step());
        updates.each(|w| {
            let gradient = w.penalized_gradient(self.weight_decay);
            let mean = first_moment(w, &gradient, self.betas.0);

            let state = w.state("greatest", Initializer::Zeros);
            let greatest = maximum(state.value() * self.betas.1, abs(&gradient) + self.epsilon);
            state.set(&greatest);
            w.set(w.value() - mean / greatest * w.scalar(&step_size));
        });
    }
}
