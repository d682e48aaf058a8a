//! RMSprop.

use super::moments::{check_divisor, toward};
use super::parameter::Parameter;
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{maximum, sqrt, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// RMSprop; made by [`rmsprop`].
#[derive(Clone, Debug, PartialEq)]
pub struct RmsProp {
    learning_rate: f64,
    alpha: f64,
    epsilon: f64,
    momentum: f64,
    centered: bool,
    weight_decay: f64,
}

/// RMSprop (Hinton: Neural Networks for Machine Learning, lecture 6; 2012): `w ← w − learning_rate·g/(√v + eps)`, where `v` is a running
/// mean of `g²`. PyTorch's learning rate is 0.01 unless said.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, rmsprop};
///
/// let optimizer = Optimizer::from(rmsprop(0.01).alpha(0.9).momentum(0.9).centered(true));
/// assert!(optimizer.check().is_ok());
/// ```
pub fn rmsprop(learning_rate: impl Into<f64>) -> RmsProp {
    let learning_rate = learning_rate.into();
    RmsProp { learning_rate, alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false, weight_decay: 0.0 }
}

impl RmsProp {
    /// How long the mean of squares remembers: 0.99 unless said.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> RmsProp {
        RmsProp { alpha, ..self }
    }

    /// Added to the divisor, 1e-8 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> RmsProp {
        RmsProp { epsilon, ..self }
    }

    /// Share of the last step's direction that is kept.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> RmsProp {
        RmsProp { momentum, ..self }
    }

    /// Divides by the root of the variance, `v − m²` with a running mean `m` of `g` (Graves: Generating Sequences With Recurrent Neural
    /// Networks; 2013). Where rounding makes it negative it is 0.
    #[must_use]
    pub fn centered(self, centered: bool) -> RmsProp {
        RmsProp { centered, ..self }
    }

    /// `weight_decay·w` is added to the gradient.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> RmsProp {
        RmsProp { weight_decay, ..self }
    }

    /// √v + eps, or √(v − m²) + eps.
    fn divisor(&self, w: &Parameter, gradient: &Value) -> Value {
        let squares = w.state("mean_square", Initializer::Zeros);
        let mean_square = squares.value() * self.alpha + square(gradient) * (1.0 - self.alpha);
        squares.set(&mean_square);
        if !self.centered {
            return sqrt(mean_square) + self.epsilon;
        }

        let state = w.state("mean", Initializer::Zeros);
        let mean = toward(state.value(), gradient, self.alpha);
        state.set(&mean);
        sqrt(maximum(mean_square - square(mean), 0.0)) + self.epsilon
    }
}

impl UpdateRule for RmsProp {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("an alpha", self.alpha, Allowed::ZeroToOne)?;
        check("a momentum", self.momentum, Allowed::FromZero)?;
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        updates.each(|w| {
            let gradient = w.penalized_gradient(self.weight_decay);
            let scaled = &gradient / self.divisor(w, &gradient);
            let direction = if self.momentum == 0.0 {
                scaled
            } else {
                let momentum = w.state("momentum", Initializer::Zeros);
                let velocity = momentum.value() * self.momentum + scaled;
                momentum.set(&velocity);
                velocity
            };
            w.set(w.value() - direction * w.scalar(updates.learning_rate()));
        });
    }
}
