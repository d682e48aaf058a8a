//! Adagrad.

use super::moments::check_divisor;
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{sqrt, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Adagrad; made by [`adagrad`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adagrad {
    learning_rate: f64,
    rate_decay: f64,
    initial_accumulator: f64,
    epsilon: f64,
    weight_decay: f64,
}

/// Adagrad (Duchi, Hazan, Singer: Adaptive Subgradient Methods for Online Learning and Stochastic Optimization; 2011):
/// `w ← w − learning_rate·g/(√s + eps)`, where `s` is the sum of `g²` over all steps. PyTorch's learning rate is 0.01 unless said.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, adagrad};
///
/// let optimizer = Optimizer::from(adagrad(0.01).lr_decay(1e-3).initial_accumulator(0.1));
/// assert!(optimizer.check().is_ok());
/// ```
pub fn adagrad(learning_rate: impl Into<f64>) -> Adagrad {
    let learning_rate = learning_rate.into();
    Adagrad { learning_rate, rate_decay: 0.0, initial_accumulator: 0.0, epsilon: 1e-10, weight_decay: 0.0 }
}

impl Adagrad {
    /// The learning rate of step t, from 1, is divided by `1 + (t − 1)·lr_decay`.
    #[must_use]
    pub fn lr_decay(self, rate_decay: f64) -> Adagrad {
        Adagrad { rate_decay, ..self }
    }

    /// What the sum of squares begins with.
    #[must_use]
    pub fn initial_accumulator(self, initial_accumulator: f64) -> Adagrad {
        Adagrad { initial_accumulator, ..self }
    }

    /// Added to the divisor, 1e-10 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Adagrad {
        Adagrad { epsilon, ..self }
    }

    /// `weight_decay·w` is added to the gradient.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Adagrad {
        Adagrad { weight_decay, ..self }
    }

    /// The learning rate of this step.
    fn rate(&self, updates: &Updates) -> Value {
        match self.rate_decay {
            0.0 => updates.learning_rate().clone(),
            decay => updates.learning_rate() / ((updates.step() - 1.0) * decay + 1.0),
        }
    }
}

impl UpdateRule for Adagrad {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a decay of the learning rate", self.rate_decay, Allowed::FromZero)?;
        check("an initial accumulator", self.initial_accumulator, Allowed::FromZero)?;
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let rate = self.rate(updates);
        updates.each(|w| {
            let gradient = w.penalized_gradient(self.weight_decay);
            let squares = w.state("sum_of_squares", Initializer::Constant(self.initial_accumulator));
            let sum = squares.value() + square(&gradient);
            squares.set(&sum);
            w.set(w.value() - gradient / (sqrt(sum) + self.epsilon) * w.scalar(&rate));
        });
    }
}
