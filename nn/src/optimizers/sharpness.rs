//! Sharpness-aware steps.

use super::norm::norm;
use super::parameter::Parameter;
use super::rule::{Optimizer, UpdateRule};
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{abs, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};

/// A rule that hands on the gradients of a point uphill, where the loss is about the greatest near the parameters.
#[derive(Clone, Debug)]
pub struct SharpnessAware {
    inner: Optimizer,
    radius: f64,
    adaptive: bool,
}

/// Added to a norm that divides, as the authors have it.
const MARGIN: f64 = 1e-12;

impl SharpnessAware {
    pub(super) fn new(inner: Optimizer, radius: f64) -> SharpnessAware {
        SharpnessAware { inner, radius, adaptive: false }
    }

    /// Measures distances in units of each weight, so that scaling weights changes nothing (Kwon et al.: ASAM, Adaptive Sharpness-Aware
    /// Minimization; 2021): `w + radius·w²·g/‖|w|·g‖`. The authors' radius is some ten times larger then.
    #[must_use]
    pub fn adaptive(self, adaptive: bool) -> SharpnessAware {
        SharpnessAware { adaptive, ..self }
    }

    /// What the norm is of.
    fn measured(&self, w: &Parameter) -> Value {
        if self.adaptive { abs(w.value()) * w.gradient() } else { w.gradient().clone() }
    }

    /// Uphill from a parameter, as long as its gradient.
    fn uphill(&self, w: &Parameter) -> Value {
        if self.adaptive { square(w.value()) * w.gradient() } else { w.gradient().clone() }
    }
}

impl UpdateRule for SharpnessAware {
    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        check("a radius", self.radius, Allowed::FromZero)?;
        self.inner.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.inner)
    }

    fn append(&self, updates: &Updates) {
        let measured: Vec<Value> = updates.parameters().iter().map(|w| self.measured(w)).collect();
        let Some(length) = norm(&measured) else { return };
        let scale = self.radius / (length + MARGIN);
        self.inner.write(&updates.with_gradients_at(|w| w.value() + self.uphill(w) * w.scalar(&scale)));
    }
}
