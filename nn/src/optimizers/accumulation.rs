//! The mean gradient of several batches: one rule gathers it, the other makes a step of it.
//!
//! Must hold: every row counts alike, whichever batch it came in. After batches of n₁, n₂, … rows with the gradients g₁, g₂, … of their
//! means, what was gathered is Σnₖ·gₖ / Σnₖ, and after one batch its gradient to the bit.

use super::rule::{Optimizer, UpdateRule};
use super::updates::Updates;
use crate::value::{less_equal, select};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;

/// The names of what is kept: with a space, which no name of a declaration has.
const MEAN: &str = "mean gradient";
const ROWS: &str = "rows gathered";

/// A rule that adds a batch to what was gathered. It changes no parameter.
#[derive(Clone, Debug)]
pub(crate) struct Gather {
    /// What the step will be made with.
    pub(crate) optimizer: Optimizer,
    /// The rows of a batch.
    pub(crate) rows: Dim,
}

/// A rule that hands on what was gathered, and begins anew.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    pub(crate) optimizer: Optimizer,
}

impl UpdateRule for Gather {
    fn learning_rate(&self) -> f64 {
        self.optimizer.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        self.optimizer.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn append(&self, updates: &Updates) {
        let rows = updates.state(ROWS, Shape::scalar(), Initializer::Zeros);
        let own = rows.value().builder().dim_value(&self.rows);
        let all = rows.value() + &own;
        rows.set(&all);
        let (is_first, share) = (less_equal(rows.value(), 0.0), own / all);

        // A running mean: a sum of rows times gradients could leave the range of an f32.
        updates.each(|w| {
            let mean = w.state(MEAN, Initializer::Zeros);
            let moved = mean.value() + (w.gradient() - mean.value()) * w.scalar(&share);
            mean.set(select(&is_first, w.gradient(), moved));
        });
    }
}

impl UpdateRule for Gathered {
    fn learning_rate(&self) -> f64 {
        self.optimizer.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        self.optimizer.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn append(&self, updates: &Updates) {
        self.optimizer.write(&updates.with_gradients(|w| w.state(MEAN, Initializer::Zeros).value().clone()));
        let rows = updates.state(ROWS, Shape::scalar(), Initializer::Zeros);
        rows.set(rows.value().builder().constant(0.0));
    }
}
