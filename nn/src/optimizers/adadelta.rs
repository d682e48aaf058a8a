//! Adadelta.

use super::moments::check_divisor;
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::value::{sqrt, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Adadelta; made by [`adadelta`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adadelta {
    learning_rate: f64,
    rho: f64,
    epsilon: f64,
    weight_decay: f64,
}

/// Adadelta (Zeiler: ADADELTA, An Adaptive Learning Rate Method; 2012): with running means `v` of `g²` and `u` of `δ²`,
/// `δ = √(u + eps)/√(v + eps)·g` and `w ← w − learning_rate·δ`. The paper's learning rate, and PyTorch's, is 1.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, adadelta};
///
/// assert!(Optimizer::from(adadelta(1.0).rho(0.95)).check().is_ok());
/// ```
pub fn adadelta(learning_rate: impl Into<f64>) -> Adadelta {
    let learning_rate = learning_rate.into();
    Adadelta { learning_rate, rho: 0.9, epsilon: 1e-6, weight_decay: 0.0 }
}

impl Adadelta {
    /// How long the means remember: 0.9 unless said.
    #[must_use]
    pub fn rho(self, rho: f64) -> Adadelta {
        Adadelta { rho, ..self }
    }

    /// Added to both means under their roots, 1e-6 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Adadelta {
        Adadelta { epsilon, ..self }
    }

    /// `weight_decay·w` is added to the gradient.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Adadelta {
        Adadelta { weight_decay, ..self }
    }
}

impl UpdateRule for Adadelta {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a rho", self.rho, Allowed::ZeroToOne)?;
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        updates.each(|w| {
            let gradient = w.penalized_gradient(self.weight_decay);
            let [squares, moved] =
                ["mean_square", "mean_square_move"].map(|name| w.state(name, Initializer::Zeros));

            let mean_square = squares.value() * self.rho + square(&gradient) * (1.0 - self.rho);
            let ratio = sqrt(moved.value() + self.epsilon) / sqrt(&mean_square + self.epsilon);
            squares.set(&mean_square);

            let move_by = gradient * ratio;
            moved.set(moved.value() * self.rho + square(&move_by) * (1.0 - self.rho));
            w.set(w.value() - move_by * w.scalar(updates.learning_rate()));
        });
    }
}
