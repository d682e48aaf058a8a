//! Adam and AdamW.

use super::moments::{BETAS, bias_correction, check_betas, check_divisor, first_moment, second_moment};
use super::parameter::Parameter;
use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{maximum, sqrt};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Adam, made by [`adam`], or AdamW, made by [`adamw`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    decoupled: bool,
    amsgrad: bool,
}

/// Adam (Kingma, Ba: Adam, a Method for Stochastic Optimization; 2015). Its weight decay is added to the gradient.
pub fn adam(learning_rate: impl Into<f64>) -> Adam {
    let learning_rate = learning_rate.into();
    Adam { learning_rate, betas: BETAS, epsilon: 1e-8, weight_decay: 0.0, decoupled: false, amsgrad: false }
}

/// AdamW (Loshchilov, Hutter: Decoupled Weight Decay Regularization; 2019), with PyTorch's weight decay of 0.01.
pub fn adamw(learning_rate: impl Into<f64>) -> Adam {
    let learning_rate = learning_rate.into();
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

    /// AMSGrad (Reddi, Kale, Kumar: On the Convergence of Adam and Beyond; 2018): divides by the greatest mean of squares so far, so that
    /// no step grows because large gradients are long past.
    #[must_use]
    pub fn amsgrad(self, amsgrad: bool) -> Adam {
        Adam { amsgrad, ..self }
    }

    /// The mean of squares whose root divides a step.
    fn divided_by(&self, w: &Parameter, mean_square: Value) -> Value {
        if !self.amsgrad {
            return mean_square;
        }
        let greatest = w.state("greatest_second_moment", Initializer::Zeros);
        let greater = maximum(greatest.value(), mean_square);
        greatest.set(&greater);
        greater
    }
}

impl UpdateRule for Adam {
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
        let second = bias_correction(self.betas.1, step);

        // Scalars of the step alone are computed once, not for each parameter.
        let (step_size, spread) = (rate / first, sqrt(second));

        updates.each(|w| {
            let (start, gradient) = w.decayed(rate, self.weight_decay, self.decoupled);
            let mean = first_moment(w, &gradient, self.betas.0);
            let mean_square = self.divided_by(w, second_moment(w, &gradient, self.betas.1));

            let divisor = sqrt(mean_square) / w.scalar(&spread) + self.epsilon;
            let move_by = mean / divisor * w.scalar(&step_size);
            w.set(start - move_by);
        });
    }
}
