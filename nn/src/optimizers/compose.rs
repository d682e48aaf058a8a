//! What any optimizer can be wrapped in: clipped gradients, groups of parameters, averages.

use super::average::Average;
use super::clip::{ClipNorm, ClipValue};
use super::groups::Groups;
use super::maximize::Maximize;
use super::rule::Optimizer;
use super::sharpness::SharpnessAware;

/// Words that change what an optimizer does. Each gives a new rule around the one it is said of, so the order tells what is done
/// first: `adam(1e-3).freeze("h.*").clip_norm(1.0)` clips all gradients that are left by one norm, `adam(1e-3).clip_norm(1.0).rate("h.*", 0.1)`
/// those of each group by its own.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{Compose, Optimizer, adamw, sgd};
///
/// let optimizer = adamw(1e-3).spare_vectors().rate("head.*", 10.0).freeze("embedding.*").clip_norm(1.0);
/// assert!(Optimizer::from(optimizer).check().is_ok());
/// assert!(Optimizer::from(sgd(0.1).average(0.999)).check().is_ok());
/// let error = Optimizer::from(sgd(0.1).clip_value(0.0)).check().unwrap_err();
/// assert_eq!(error.message, "a limit of gradients of 0");
/// ```
pub trait Compose: Into<Optimizer> {
    /// Clips each element of the gradients to ±`limit`, as PyTorch's `clip_grad_value_`. An infinite gradient is clipped too; NaN stays.
    fn clip_value(self, limit: f64) -> ClipValue {
        ClipValue::new(self.into(), limit)
    }

    /// Shortens the gradients of all parameters together to a norm of `limit` at most, as PyTorch's `clip_grad_norm_`: they are multiplied
    /// by `min(1, limit/(norm + 1e-6))`. Gradients of zeros stay zeros. With an infinite one, or NaN, the step is not finite, as without.
    /// The norm is the Euclidean one unless [`ClipNorm::norm_type`] says another. It is right wherever it is an f32 itself, also where the squares
    /// that it is made of are none; a larger one leaves zeros.
    fn clip_norm(self, limit: f64) -> ClipNorm {
        ClipNorm::new(self.into(), limit, true)
    }

    /// As [`Compose::clip_norm`], the gradient of each parameter by a norm of its own.
    fn clip_each_norm(self, limit: f64) -> ClipNorm {
        ClipNorm::new(self.into(), limit, false)
    }

    /// Makes the loss grow: the gradient's opposite takes its place.
    fn maximize(self) -> Maximize {
        Maximize::new(self.into())
    }

    /// Takes the gradients of a point uphill, at `w + radius·g/‖g‖`, the norm being of all parameters together, so that training looks for
    /// flat minima (Foret et al.: Sharpness-Aware Minimization for Efficiently Improving Generalization; 2021). The authors' radius is 0.05.
    /// Each step computes the loss and its gradients twice, of the same random numbers. The loss that it tells, and what updates states, are of
    /// the parameters as they are.
    fn sharpness_aware(self, radius: f64) -> SharpnessAware {
        SharpnessAware::new(self.into(), radius)
    }

    /// [`Groups::rate`] of a rule that is so for all parameters.
    fn rate(self, pattern: &str, factor: f64) -> Groups {
        Groups::new(self.into()).rate(pattern, factor)
    }

    /// [`Groups::decay`] of a rule that is so for all parameters.
    fn decay(self, pattern: &str, weight_decay: f64) -> Groups {
        Groups::new(self.into()).decay(pattern, weight_decay)
    }

    /// [`Groups::rule`] beside a rule for all parameters.
    fn rule(self, pattern: &str, rule: impl Into<Optimizer>) -> Groups {
        Groups::new(self.into()).rule(pattern, rule)
    }

    /// [`Groups::freeze`] of a rule that trains all parameters.
    fn freeze(self, pattern: &str) -> Groups {
        Groups::new(self.into()).freeze(pattern)
    }

    /// [`Groups::spare_vectors`] of a rule that is so for all parameters.
    fn spare_vectors(self) -> Groups {
        Groups::new(self.into()).spare_vectors()
    }

    /// Keeps an exponential average of each parameter, `decay·old + (1 − decay)·new`, as the state `h.weight.average`: what PyTorch's
    /// `AveragedModel` keeps with `get_ema_multi_avg_fn(decay)`. The first value is taken whole. The state `optimizer.step` counts the values.
    /// A model's `averaged` runs inference with the averages.
    fn average(self, decay: f64) -> Average {
        Average::exponential(self.into(), decay)
    }

    /// Keeps the mean of all values of each parameter, as PyTorch's `AveragedModel` does by itself (Izmailov et al.: Averaging Weights Leads to
    /// Wider Optima and Better Generalization; 2018), as the state `h.weight.average`. [`Average::start`] leaves the first steps out.
    fn average_all(self) -> Average {
        Average::mean(self.into())
    }
}

impl<R: Into<Optimizer>> Compose for R {}
