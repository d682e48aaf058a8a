//! Stochastic gradient descent.

use super::rule::UpdateRule;
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{equal, select};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// Stochastic gradient descent; made by [`sgd`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    learning_rate: f64,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
    weight_decay: f64,
}

/// Gradient descent: `w ← w − learning_rate·g`.
pub fn sgd(learning_rate: impl Into<f64>) -> Sgd {
    let learning_rate = learning_rate.into();
    Sgd { learning_rate, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
}

impl Sgd {
    /// Share of the last step's direction that is kept: 0.9 is usual.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Sgd {
        Sgd { momentum, ..self }
    }

    /// Share of the gradient that momentum leaves out.
    #[must_use]
    pub fn dampening(self, dampening: f64) -> Sgd {
        Sgd { dampening, ..self }
    }

    /// Nesterov's momentum: the gradient as it will be after the next move.
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Sgd {
        Sgd { nesterov, ..self }
    }

    /// `weight_decay·w` is added to the gradient.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Sgd {
        Sgd { weight_decay, ..self }
    }

    /// The share of the gradient that momentum takes in. PyTorch's momentum begins as the whole first gradient; it begins at 0 here, so
    /// only dampening must wait a step.
    fn share(&self, updates: &Updates) -> Option<Value> {
        let dampened = self.momentum != 0.0 && self.dampening != 0.0;
        dampened.then(|| select(equal(updates.step(), 1.0), 1.0, 1.0 - self.dampening))
    }
}

impl UpdateRule for Sgd {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a momentum", self.momentum, Allowed::FromZero)?;
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check("a dampening", self.dampening, Allowed::Finite)?;
        if self.nesterov && !(self.momentum > 0.0 && self.dampening == 0.0) {
            let error = Error::new("Nesterov's momentum without momentum, or with dampening");
            return Err(error.help("give it `.momentum(0.9)` and no dampening"));
        }
        Ok(())
    }

    fn append(&self, updates: &Updates) {
        let share = self.share(updates);
        updates.each(|w| {
            let gradient = w.penalized_gradient(self.weight_decay);
            let direction = if self.momentum == 0.0 {
                gradient
            } else {
                let momentum = w.state("momentum", Initializer::Zeros);
                let kept = momentum.value() * self.momentum;
                let added = share.as_ref().map_or(gradient.clone(), |share| &gradient * w.scalar(share));
                let velocity = kept + added;
                momentum.set(&velocity);
                if self.nesterov { gradient + velocity * self.momentum } else { velocity }
            };
            w.set(w.value() - direction * w.scalar(updates.learning_rate()));
        });
    }
}
