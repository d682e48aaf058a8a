//! Running means of gradients and of their squares: what Adam and its relatives are made of.

use super::parameter::Parameter;
use crate::builder::Value;
use crate::value::{expm1, negate, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check, refused};
use downhill_graph::random::Initializer;

/// How long the means of the gradient and of its square remember, as Adam's are unless said.
pub(super) const BETAS: (f64, f64) = (0.9, 0.999);

/// The running mean of `gradient` after this step, kept as the state `first_moment`.
pub(super) fn first_moment(w: &Parameter, gradient: &Value, beta: f64) -> Value {
    let moment = w.state("first_moment", Initializer::Zeros);
    let mean = toward(moment.value(), gradient, beta);
    moment.set(&mean);
    mean
}

/// The running mean of the square of `gradient` after this step, kept as the state `second_moment`.
pub(super) fn second_moment(w: &Parameter, gradient: &Value, beta: f64) -> Value {
    let moment = w.state("second_moment", Initializer::Zeros);
    let mean = moment.value() * beta + square(gradient) * (1.0 - beta);
    moment.set(&mean);
    mean
}

/// beta·old + (1 − beta)·new, as PyTorch's `lerp` rounds it: from the nearer end.
pub(super) fn toward(old: &Value, new: &Value, beta: f64) -> Value {
    let difference = new - old;
    if beta > 0.5 { old + difference * (1.0 - beta) } else { new - difference * beta }
}

/// 1 − betaᵗ, as −expm1(t·ln beta): exact to the last bits even where betaᵗ is near 1.
pub(super) fn bias_correction(beta: f64, step: &Value) -> Value {
    match beta {
        0.0 => step.builder().constant(1.0),
        _ => negate(expm1(step * libm::log(beta))),
    }
}

/// Refuses shares that are not from 0 to below 1.
pub(super) fn check_betas(betas: (f64, f64)) -> Result<(), Error> {
    check("a first beta", betas.0, Allowed::ZeroToOne)?;
    check("a second beta", betas.1, Allowed::ZeroToOne)
}

/// A running mean of squares is 0 for a parameter that has had no gradient yet, so that its root alone is no divisor. PyTorch takes an
/// eps of 0 too; the parameter is NaN then after the first step.
pub(super) fn check_divisor(epsilon: f64) -> Result<(), Error> {
    let held = epsilon as f32;
    if held.is_normal() && held > 0.0 {
        return Ok(());
    }
    let help = "it must be a normal number above 0, 1.2e-38 or more: a gradient of 0 is divided by it";
    Err(refused("an eps", epsilon).help(help))
}
