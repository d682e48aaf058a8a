//! Rprop.

use super::rule::UpdateRule;
use super::updates::Updates;
use crate::value::{equal, greater, less, maximum, minimum, select, sign};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Rprop; made by [`rprop`].
#[derive(Clone, Debug, PartialEq)]
pub struct Rprop {
    learning_rate: f64,
    etas: (f64, f64),
    step_sizes: (f64, f64),
}

/// Rprop (Riedmiller, Braun: A Direct Adaptive Method for Faster Backpropagation Learning, the RPROP Algorithm; 1993), as PyTorch has it:
/// each element has a step size of its own and looks at the sign of its gradient alone. It grows while the sign stays; where the sign
/// changes it shrinks, and the element waits a step. Made for steps that see all the data.
///
/// The learning rate is the first step size; once a step is made, changing it changes nothing. PyTorch's is 0.01 unless said.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Optimizer, rprop};
///
/// assert!(Optimizer::from(rprop(0.01).etas(0.5, 1.2).step_sizes(1e-6, 50.0)).check().is_ok());
/// ```
pub fn rprop(learning_rate: impl Into<f64>) -> Rprop {
    let learning_rate = learning_rate.into();
    Rprop { learning_rate, etas: (0.5, 1.2), step_sizes: (1e-6, 50.0) }
}

impl Rprop {
    /// By what a step size shrinks, between 0 and 1, and grows, above 1: 0.5 and 1.2 unless said.
    #[must_use]
    pub fn etas(self, shrinks: f64, grows: f64) -> Rprop {
        Rprop { etas: (shrinks, grows), ..self }
    }

    /// The least and the greatest step size, above 0: 1e-6 and 50 unless said.
    #[must_use]
    pub fn step_sizes(self, least: f64, greatest: f64) -> Rprop {
        Rprop { step_sizes: (least, greatest), ..self }
    }
}

impl UpdateRule for Rprop {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a first eta", self.etas.0, Allowed::AboveZero)?;
        check("a second eta", self.etas.1, Allowed::AboveZero)?;
        check("a least step size", self.step_sizes.0, Allowed::AboveZero)?;
        check("a greatest step size", self.step_sizes.1, Allowed::AboveZero)?;
        let (shrinks, grows) = self.etas;
        if !(shrinks < 1.0 && grows > 1.0) {
            let error = Error::new(format!("etas of {shrinks} and {grows}"));
            return Err(error.help("the first must be below 1, the second above it"));
        }
        let (least, greatest) = self.step_sizes;
        if least > greatest {
            let error = Error::new(format!("a least step size of {least} above the greatest, {greatest}"));
            return Err(error.help("write the least first"));
        }
        Ok(())
    }

    fn append(&self, updates: &Updates) {
        updates.each(|w| {
            let direction = w.state("direction", Initializer::Zeros);
            let step_size = w.state("step_size", Initializer::Zeros);

            // Signs are multiplied, not gradients, whose product may be too small for a number.
            let agreement = sign(w.gradient()) * direction.value();
            let turns = less(&agreement, 0.0);
            let factor = select(greater(&agreement, 0.0), self.etas.1, select(&turns, self.etas.0, 1.0));

            // No size has been taken yet where it is 0.
            let is_new = equal(step_size.value(), 0.0);
            let size = select(is_new, w.scalar(updates.learning_rate()), step_size.value()) * factor;
            let size = minimum(maximum(size, self.step_sizes.0), self.step_sizes.1);
            step_size.set(&size);

            let heading = select(turns, 0.0, sign(w.gradient()));
            direction.set(&heading);
            w.set(w.value() - heading * size);
        });
    }
}
