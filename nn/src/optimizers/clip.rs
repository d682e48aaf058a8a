//! Gradients that are clipped before a rule sees them.

use super::norm::{greatest, norm, total};
use super::rule::{Optimizer, UpdateRule};
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{abs, greater, maximum, minimum, pow, select};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check, refused};

/// A rule that clips each element of the gradients to ±limit and hands them on, as PyTorch's `clip_grad_value_`.
#[derive(Clone, Debug)]
pub struct ClipValue {
    inner: Optimizer,
    limit: f64,
}

/// A rule that shortens gradients longer than a limit and hands them on, as PyTorch's `clip_grad_norm_`.
#[derive(Clone, Debug)]
pub struct ClipNorm {
    inner: Optimizer,
    limit: f64,
    /// The p of a norm.
    power: f64,
    /// Whether the norm is of all gradients together.
    is_global: bool,
}

/// Added to a norm that divides, as PyTorch has it.
const MARGIN: f64 = 1e-6;

impl ClipValue {
    pub(super) fn new(inner: Optimizer, limit: f64) -> ClipValue {
        ClipValue { inner, limit }
    }
}

impl ClipNorm {
    pub(super) fn new(inner: Optimizer, limit: f64, is_global: bool) -> ClipNorm {
        ClipNorm { inner, limit, power: 2.0, is_global }
    }

    /// Which norm: (Σ|g|ᵖ)^(1/p), 2 unless said; with an infinite p the greatest |g|.
    #[must_use]
    pub fn norm_type(self, p: f64) -> ClipNorm {
        ClipNorm { power: p, ..self }
    }

    /// What gradients of this norm are multiplied by: `min(1, limit/(norm + 1e-6))`.
    fn factor(&self, norm: &Value) -> Value {
        minimum(self.limit / (norm + MARGIN), 1.0)
    }

    fn norm<'v>(&self, gradients: impl IntoIterator<Item = &'v Value> + Clone) -> Option<Value> {
        match self.power {
            2.0 => norm(gradients),
            1.0 => total(gradients, |g| abs(g)),
            f64::INFINITY => greatest(gradients),
            p => power_norm(gradients, p),
        }
    }
}

/// (Σ|g|ᵖ)^(1/p), in units of the greatest |g|, so that no power is infinite.
fn power_norm<'v>(gradients: impl IntoIterator<Item = &'v Value> + Clone, p: f64) -> Option<Value> {
    let greatest = greatest(gradients.clone())?;
    let unit = select(greater(&greatest, 0.0), &greatest, 1.0);
    let sum = total(gradients, |g| pow(abs(g) / &unit, p))?;
    Some(greatest * pow(sum, 1.0 / p))
}

impl UpdateRule for ClipValue {
    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        check("a limit of gradients", self.limit, Allowed::AboveZero)?;
        self.inner.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.inner)
    }

    fn append(&self, updates: &Updates) {
        let clipped = |g: &Value| maximum(minimum(g, self.limit), -self.limit);
        self.inner.write(&updates.with_gradients(|w| clipped(w.gradient())));
    }
}

impl UpdateRule for ClipNorm {
    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn check(&self) -> Result<(), Error> {
        check("a limit of the gradients' norm", self.limit, Allowed::AboveZero)?;
        let is_power = self.power == f64::INFINITY || self.power.is_finite() && self.power as f32 >= 1.0;
        if !is_power {
            return Err(refused("a norm with a power", self.power).help("it must be 1 or more"));
        }
        self.inner.check()
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.inner)
    }

    fn append(&self, updates: &Updates) {
        let all = || updates.parameters().iter().map(|w| w.gradient());
        let common = if self.is_global { self.norm(all()).map(|norm| self.factor(&norm)) } else { None };
        let clipped = updates.with_gradients(|w| {
            let own = || self.norm([w.gradient()]).map(|norm| self.factor(&norm));
            match common.clone().or_else(own) {
                Some(factor) => w.gradient() * w.scalar(&factor),
                None => w.gradient().clone(),
            }
        });
        self.inner.write(&clipped);
    }
}
