//! Lion.

use super::moments::{check_betas, toward};
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::value::sign;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Lion; made by [`lion`].
#[derive(Clone, Debug, PartialEq)]
pub struct Lion {
    learning_rate: f64,
    betas: (f64, f64),
    weight_decay: f64,
}

/// Lion (Chen et al.: Symbolic Discovery of Optimization Algorithms; 2023): every element moves by the learning rate, in the direction of
/// `sign(β₁·m + (1 − β₁)·g)`; then `m ← β₂·m + (1 − β₂)·g`. Weight decay is AdamW's. The authors advise a learning rate three to ten times
/// smaller than AdamW's and a weight decay as much larger; theirs is 1e-4 unless said.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, lion};
///
/// assert!(Optimizer::from(lion(1e-4).weight_decay(0.1)).check().is_ok());
/// ```
pub fn lion(learning_rate: impl Into<f64>) -> Lion {
    let learning_rate = learning_rate.into();
    Lion { learning_rate, betas: (0.9, 0.99), weight_decay: 0.0 }
}

impl Lion {
    /// The share of the momentum in the direction of a step, and how long the momentum remembers: 0.9 and 0.99 unless said.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Lion {
        Lion { betas: (first, second), ..self }
    }

    /// A step also shrinks weights by `learning_rate·weight_decay`.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Lion {
        Lion { weight_decay, ..self }
    }
}

impl UpdateRule for Lion {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_betas(self.betas)
    }

    fn append(&self, updates: &Updates) {
        let rate = updates.learning_rate();
        updates.each(|w| {
            let momentum = w.state("momentum", Initializer::Zeros);
            let direction = sign(momentum.value() * self.betas.0 + w.gradient() * (1.0 - self.betas.0));
            w.set(w.shrunk(rate, self.weight_decay) - direction * w.scalar(rate));
            momentum.set(toward(momentum.value(), w.gradient(), self.betas.1));
        });
    }
}
