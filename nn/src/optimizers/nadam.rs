//! NAdam.

use super::moments::{BETAS, bias_correction, check_betas, check_divisor, first_moment, second_moment};
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{exp, sqrt};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;

/// NAdam; made by [`nadam`].
#[derive(Clone, Debug, PartialEq)]
pub struct Nadam {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    momentum_decay: f64,
    decoupled: bool,
}

/// NAdam (Dozat: Incorporating Nesterov Momentum into Adam; 2016): with `μₜ = β₁·(1 − ½·0.96^(t·momentum_decay))`, their product `Mₜ` up
/// to step t, Adam's moments `m` and `v`, and `d = √(v/(1 − β₂ᵗ)) + eps`,
/// `w ← w − learning_rate·((1 − μₜ)/(1 − Mₜ)·g/d + μₜ₊₁/(1 − Mₜ·μₜ₊₁)·m/d)`. PyTorch's learning rate is 0.002 unless said.
///
/// `M` is the state `optimizer.momentum_product`.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, nadam};
///
/// assert!(Optimizer::from(nadam(2e-3).weight_decay(0.01).decoupled_weight_decay(true)).check().is_ok());
/// ```
pub fn nadam(learning_rate: impl Into<f64>) -> Nadam {
    let learning_rate = learning_rate.into();
    Nadam {
        learning_rate,
        betas: BETAS,
        epsilon: 1e-8,
        weight_decay: 0.0,
        momentum_decay: 4e-3,
        decoupled: false,
    }
}

impl Nadam {
    /// How long the averages of gradient and squared gradient remember: 0.9 and 0.999 unless said.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Nadam {
        Nadam { betas: (first, second), ..self }
    }

    /// Added to the divisor, 1e-8 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Nadam {
        Nadam { epsilon, ..self }
    }

    /// `weight_decay·w` is added to the gradient, or shrinks weights: see [`Nadam::decoupled_weight_decay`].
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Nadam {
        Nadam { weight_decay, ..self }
    }

    /// Whether weight decay shrinks weights by `learning_rate·weight_decay`, as AdamW's, in place of changing the gradient.
    #[must_use]
    pub fn decoupled_weight_decay(self, decoupled: bool) -> Nadam {
        Nadam { decoupled, ..self }
    }

    /// How fast the momentum rises towards β₁: 0.004 unless said.
    #[must_use]
    pub fn momentum_decay(self, momentum_decay: f64) -> Nadam {
        Nadam { momentum_decay, ..self }
    }

    /// μ of a step.
    fn momentum(&self, step: &Value) -> Value {
        let faded = exp(step * (self.momentum_decay * libm::log(0.96)));
        (1.0 - faded * 0.5) * self.betas.0
    }

    /// What the gradient and the first moment are multiplied by in this step.
    fn shares(&self, updates: &Updates) -> (Value, Value) {
        let [now, next] = [0.0, 1.0].map(|later| self.momentum(&(updates.step() + later)));
        let state = updates.state("momentum_product", Shape::scalar(), Initializer::Ones);
        let product = state.value() * &now;
        state.set(&product);

        let rate = updates.learning_rate();
        let of_gradient = (1.0 - now) / (1.0 - &product) * rate;
        let of_mean = &next / (1.0 - product * &next) * rate;
        (of_gradient, of_mean)
    }
}

impl UpdateRule for Nadam {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check("a decay of the momentum", self.momentum_decay, Allowed::FromZero)?;
        check_betas(self.betas)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let spread = sqrt(bias_correction(self.betas.1, updates.step()));
        let (of_gradient, of_mean) = self.shares(updates);
        updates.each(|w| {
            let (start, gradient) = w.decayed(updates.learning_rate(), self.weight_decay, self.decoupled);
            let mean = first_moment(w, &gradient, self.betas.0);
            let mean_square = second_moment(w, &gradient, self.betas.1);

            let divisor = sqrt(mean_square) / w.scalar(&spread) + self.epsilon;
            let direction = gradient * w.scalar(&of_gradient) + mean * w.scalar(&of_mean);
            w.set(start - direction / divisor);
        });
    }
}
