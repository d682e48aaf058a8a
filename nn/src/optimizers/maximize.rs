//! Steps uphill.

use super::rule::{Optimizer, UpdateRule};
use super::updates::Updates;
use downhill_graph::error::Error;

/// A rule that hands the opposite of each gradient on, so that the loss grows: PyTorch's option `maximize`, of every optimizer.
#[derive(Clone, Debug)]
pub struct Maximize {
    inner: Optimizer,
}

impl Maximize {
    pub(super) fn new(inner: Optimizer) -> Maximize {
        Maximize { inner }
    }
}

impl UpdateRule for Maximize {
    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        self.inner.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.inner)
    }

    fn append(&self, updates: &Updates) {
        self.inner.write(&updates.with_gradients(|w| -w.gradient()));
    }
}
