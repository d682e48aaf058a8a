//! LAMB.

use super::moments::{BETAS, bias_correction, check_betas, check_divisor, first_moment, second_moment};
use super::norm::norm;
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{and, greater, select, sqrt};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};

/// LAMB; made by [`lamb`].
#[derive(Clone, Debug, PartialEq)]
pub struct Lamb {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
}

/// LAMB (You et al.: Large Batch Optimization for Deep Learning, Training BERT in 76 Minutes; 2020, algorithm 2): with Adam's direction
/// `r = m̂/(√v̂ + eps)` and `u = r + weight_decay·w`, each parameter moves by a share of its own length:
/// `w ← w − learning_rate·‖w‖/‖u‖·u`. Where either norm is 0 the factor is 1. The weight decay is the paper's, 0.01, unless said; its
/// learning rates are some 0.001 to 0.02.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, lamb};
///
/// assert!(Optimizer::from(lamb(2e-3).weight_decay(0.1)).check().is_ok());
/// ```
pub fn lamb(learning_rate: impl Into<f64>) -> Lamb {
    let learning_rate = learning_rate.into();
    Lamb { learning_rate, betas: BETAS, epsilon: 1e-6, weight_decay: 0.01 }
}

impl Lamb {
    /// How long the averages of gradient and squared gradient remember: 0.9 and 0.999 unless said.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Lamb {
        Lamb { betas: (first, second), ..self }
    }

    /// Added to the divisor, 1e-6 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Lamb {
        Lamb { epsilon, ..self }
    }

    /// `weight_decay·w` is added to the direction: 0.01 unless said.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Lamb {
        Lamb { weight_decay, ..self }
    }
}

/// ‖w‖/‖u‖; 1 where either is 0.
fn trust(w: &Value, direction: &Value) -> Value {
    let [Some(length), Some(moved)] = [w, direction].map(|value| norm([value])) else {
        return w.builder().constant(1.0);
    };
    let moves = and(greater(&length, 0.0), greater(&moved, 0.0));
    // What is not selected is divided by 1.
    let divisor = select(&moves, moved, 1.0);
    select(moves, length, 1.0) / divisor
}

impl UpdateRule for Lamb {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check_betas(self.betas)?;
        check_divisor(self.epsilon)
    }

    fn append(&self, updates: &Updates) {
        let (rate, step) = (updates.learning_rate(), updates.step());
        let first = bias_correction(self.betas.0, step);
        let spread = sqrt(bias_correction(self.betas.1, step));
        updates.each(|w| {
            let mean = first_moment(w, w.gradient(), self.betas.0) / w.scalar(&first);
            let mean_square = second_moment(w, w.gradient(), self.betas.1);
            let adapted = mean / (sqrt(mean_square) / w.scalar(&spread) + self.epsilon);

            let direction = match w.weight_decay(self.weight_decay) {
                0.0 => adapted,
                decay => adapted + w.value() * decay,
            };
            let step_size = trust(w.value(), &direction) * rate;
            w.set(w.value() - direction * w.scalar(&step_size));
        });
    }
}
