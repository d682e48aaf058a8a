//! Adam and AdamW.

use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{expm1, negate, sqrt, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check, refused};
use downhill_graph::random::Initializer;

/// Adam, made by [`adam`], or AdamW, made by [`adamw`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    decoupled: bool,
}

/// Adam (Kingma, Ba: Adam, a Method for Stochastic Optimization; 2015). Its weight decay is added to the gradient.
pub fn adam(learning_rate: f64) -> Adam {
    Adam { learning_rate, betas: (0.9, 0.999), epsilon: 1e-8, weight_decay: 0.0, decoupled: false }
}

/// AdamW (Loshchilov, Hutter: Decoupled Weight Decay Regularization; 2019), with PyTorch's weight decay of 0.01.
pub fn adamw(learning_rate: f64) -> Adam {
    Adam { weight_decay: 0.01, decoupled: true, ..adam(learning_rate) }
}

impl Adam {
    /// How long the averages of gradient and squared gradient remember.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Adam {
        Adam { betas: (first, second), ..self }
    }

    /// Added to the divisor; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Adam {
        Adam { epsilon, ..self }
    }

    /// Adam: `weight_decay·w` is added to the gradient. AdamW: the step also shrinks weights by `learning_rate·weight_decay`.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Adam {
        Adam { weight_decay, ..self }
    }
}

impl UpdateRule for Adam {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check("a first beta", self.betas.0, Allowed::ZeroToOne)?;
        check("a second beta", self.betas.1, Allowed::ZeroToOne)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let (rate, step) = (updates.learning_rate(), updates.step());
        let first = bias_correction(self.betas.0, step);
        let second = bias_correction(self.betas.1, step);

        // Scalars of the step alone are computed once, not for each parameter.
        let (step_size, spread) = (rate / first, sqrt(second));

        updates.each(|w| {
            let gradient = match self.weight_decay {
                decay if decay != 0.0 && !self.decoupled => w.gradient() + w.value() * decay,
                _ => w.gradient().clone(),
            };

            let first_moment = w.state("first_moment", Initializer::Zeros);
            let mean = toward(first_moment.value(), &gradient, self.betas.0);
            first_moment.set(&mean);

            let second_moment = w.state("second_moment", Initializer::Zeros);
            let kept = second_moment.value() * self.betas.1;
            let mean_square = kept + square(&gradient) * (1.0 - self.betas.1);
            second_moment.set(&mean_square);

            let divisor = sqrt(mean_square) / w.scalar(&spread) + self.epsilon;
            let move_by = mean / divisor * w.scalar(&step_size);

            // AdamW shrinks the weight itself.
            let start = match self.weight_decay {
                decay if decay != 0.0 && self.decoupled => w.value() * w.scalar(&(1.0 - rate * decay)),
                _ => w.value().clone(),
            };
            w.set(start - move_by);
        });
    }
}

/// Adam divides by √(second moment) + eps, and both moments of a parameter that has had no gradient yet are 0. PyTorch takes an eps
/// of 0 too; the parameter is NaN then after the first step.
fn check_divisor(epsilon: f64) -> Result<(), Error> {
    let held = epsilon as f32;
    if held.is_normal() && held > 0.0 {
        return Ok(());
    }
    let help = "it must be a normal number above 0, 1.2e-38 or more: a gradient of 0 is divided by it";
    Err(refused("an eps", epsilon).help(help))
}

/// beta·old + (1 − beta)·new, as PyTorch's `lerp` rounds it: from the nearer end.
fn toward(old: &Value, new: &Value, beta: f64) -> Value {
    let difference = new - old;
    if beta > 0.5 { old + difference * (1.0 - beta) } else { new - difference * beta }
}

/// 1 − betaᵗ, as −expm1(t·ln beta): exact to the last bits even where betaᵗ is near 1.
fn bias_correction(beta: f64, step: &Value) -> Value {
    match beta {
        0.0 => step.builder().constant(1.0),
        _ => negate(expm1(step * libm::log(beta))),
    }
}
