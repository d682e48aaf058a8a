//! Averages of weights over the steps of a training.

use super::moments::toward;
use super::rule::{Optimizer, UpdateRule};
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{less_equal, maximum, select};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// The name of the state that holds the average of a parameter: `h.weight.average` is that of `h.weight`.
pub const AVERAGE: &str = "average";

/// A rule that keeps an average of each parameter that another rule moves.
#[derive(Clone, Debug)]
pub struct Average {
    inner: Optimizer,
    kind: Kind,
    start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// decay·old + (1 − decay)·new.
    Exponential(f64),
    /// Of all values alike.
    Mean,
}

impl Average {
    pub(super) fn exponential(inner: Optimizer, decay: f64) -> Average {
        Average { inner, kind: Kind::Exponential(decay), start: 0 }
    }

    pub(super) fn mean(inner: Optimizer) -> Average {
        Average { inner, kind: Kind::Mean, start: 0 }
    }

    /// How many steps are left out first; until then the average is the parameter itself.
    #[must_use]
    pub fn start(self, steps: usize) -> Average {
        Average { start: steps, ..self }
    }

    /// The average of the values so far and of `new`, the `count`-th one.
    fn with(&self, old: &Value, new: &Value, count: &Value) -> Value {
        match self.kind {
            Kind::Exponential(decay) => toward(old, new, decay),
            Kind::Mean => old + (new - old) / maximum(count, 1.0),
        }
    }
}

impl UpdateRule for Average {
    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        if let Kind::Exponential(decay) = self.kind {
            check("a decay of the average", decay, Allowed::ZeroToOne)?;
        }
        self.inner.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.inner)
    }

    fn append(&self, updates: &Updates) {
        self.inner.write(updates);
        let count = updates.step() - self.start as f64;
        let is_first = less_equal(&count, 1.0);
        updates.each(|w| {
            let average = w.state(AVERAGE, Initializer::Zeros);
            let new = w.next();
            let with_new = self.with(average.value(), &new, &w.scalar(&count));
            average.set(select(&is_first, new, with_new));
        });
    }
}
