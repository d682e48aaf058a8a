//! RAdam.

use super::moments::{BETAS, bias_correction, check_betas, check_divisor, first_moment, second_moment};
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{expm1, greater, less, maximum, select, sqrt, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};

/// RAdam; made by [`radam`].
#[derive(Clone, Debug, PartialEq)]
pub struct Radam {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    decoupled: bool,
}

/// RAdam (Liu et al.: On the Variance of the Adaptive Learning Rate and Beyond; 2020): Adam that makes plain steps along its first moment
/// until the second one is known well enough. With `ρ∞ = 2/(1 − β₂) − 1`, `ρₜ = ρ∞ − 2t·β₂ᵗ/(1 − β₂ᵗ)` and `m̂ = m/(1 − β₁ᵗ)`:
///
/// - while `ρₜ ≤ 5`: `w ← w − learning_rate·m̂`;
/// - then: `w ← w − learning_rate·r·m̂·√(1 − β₂ᵗ)/(√v + eps)`, `r² = (ρₜ − 4)(ρₜ − 2)ρ∞/((ρ∞ − 4)(ρ∞ − 2)ρₜ)`.
///
/// PyTorch's learning rate is 0.001 unless said.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, radam};
///
/// assert!(Optimizer::from(radam(1e-3).betas(0.9, 0.99)).check().is_ok());
/// ```
pub fn radam(learning_rate: impl Into<f64>) -> Radam {
    let learning_rate = learning_rate.into();
    Radam { learning_rate, betas: BETAS, epsilon: 1e-8, weight_decay: 0.0, decoupled: false }
}

impl Radam {
    /// How long the averages of gradient and squared gradient remember: 0.9 and 0.999 unless said.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Radam {
        Radam { betas: (first, second), ..self }
    }

    /// Added to the divisor, 1e-8 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Radam {
        Radam { epsilon, ..self }
    }

    /// `weight_decay·w` is added to the gradient, or shrinks weights: see [`Radam::decoupled_weight_decay`].
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Radam {
        Radam { weight_decay, ..self }
    }

    /// Whether weight decay shrinks weights by `learning_rate·weight_decay`, as AdamW's, in place of changing the gradient.
    #[must_use]
    pub fn decoupled_weight_decay(self, decoupled: bool) -> Radam {
        Radam { decoupled, ..self }
    }

    /// How many steps the second moment is made of, at last.
    fn longest(&self) -> f64 {
        2.0 / (1.0 - self.betas.1) - 1.0
    }

    /// Of how many steps the second moment is made now, ρₜ. The two terms of its formula are near each other while t is small; written with
    /// `x = −t·ln β₂` their difference is `c + 2/(−ln β₂)·(1 − x/(eˣ − 1))`, in which nothing cancels.
    fn length(&self, step: &Value) -> Value {
        let rate = -libm::log(self.betas.1);
        let rest = self.longest() - 2.0 / rate;
        missing(&(step * rate)) * (2.0 / rate) + rest
    }

    /// The factor of a step that divides by the second moment, and whether this step does; nothing where none ever will.
    fn rectified(&self, updates: &Updates) -> Option<(Value, Value)> {
        let longest = self.longest();
        if longest <= 5.0 {
            return None;
        }
        let length = self.length(updates.step());
        let known = (longest - 4.0) * (longest - 2.0) / longest;
        let share = (&length - 4.0) * (&length - 2.0) / &length / known;
        let spread = bias_correction(self.betas.1, updates.step());
        // Not selected where it is negative, and no NaN there.
        Some((sqrt(maximum(share, 0.0) * spread), greater(length, 5.0)))
    }
}

/// 1 − x/(eˣ − 1) of x above 0. Below a half it is its Taylor series up to x¹⁰, which is off by 10⁻¹³ at most.
fn missing(x: &Value) -> Value {
    let y = square(x);
    let mut series = &y * (5.0 / 66.0 / -3_628_800.0) + 1.0 / 1_209_600.0;
    for term in [-1.0 / 30_240.0, 1.0 / 720.0, -1.0 / 12.0] {
        series = series * &y + term;
    }
    let series = series * &y + x * 0.5;
    select(less(x, 0.5), series, 1.0 - x / expm1(x))
}

impl UpdateRule for Radam {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_betas(self.betas)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let rate = updates.learning_rate();
        let step_size = rate / bias_correction(self.betas.0, updates.step());
        let rectified = self.rectified(updates);
        updates.each(|w| {
            let (start, gradient) = w.decayed(rate, self.weight_decay, self.decoupled);
            let mean = first_moment(w, &gradient, self.betas.0);
            let mean_square = second_moment(w, &gradient, self.betas.1);

            let factor = match &rectified {
                Some((factor, is_known)) => {
                    let adapted = w.scalar(factor) / (sqrt(mean_square) + self.epsilon);
                    mean * select(is_known, adapted, 1.0)
                }
                None => mean,
            };
            w.set(start - factor * w.scalar(&step_size));
        });
    }
}
