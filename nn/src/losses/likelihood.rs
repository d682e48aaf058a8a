//! Losses of distributions: −ln of the likelihood of counts and of numbers, and how far one distribution is from another.

use super::confusion::{Takes, confused};
use super::operands::{from_zero, is_pair, on_pair, target_shares};
use super::options::{LossOptions, REDUCTION, WEIGHT, spread};
use super::order::swapped_third;
use crate::builder::Value;
use crate::call::{Composite, Default, Kind, P, Y, given, optional, row};
use crate::value::{
    Operand, equal, exp, greater, log, maximum, multiply, select, square, subtract, surrogate,
};
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;
use std::f64::consts::TAU;

/// Options of [`poisson_nll`], with PyTorch's names.
#[derive(Clone)]
pub struct PoissonNll {
    /// Whether `p` is the logarithm of the rate, and not the rate.
    pub log_input: bool,
    /// Whether y·ln y − y + ½·ln(2πy), Stirling's ln y!, is added where y > 1. No gradient of `p` sees it.
    pub full: bool,
    /// What is added to a rate before its logarithm is taken.
    pub eps: f64,
}

impl std::default::Default for PoissonNll {
    fn default() -> PoissonNll {
        PoissonNll { log_input: true, full: false, eps: 1e-8 }
    }
}

/// −ln of the Poisson likelihood of the counts `y`, but for ln y!: eᵖ − y·p, or p − y·ln(p + eps) of a rate, as PyTorch's `PoissonNLLLoss`.
/// eᵖ is infinite in f32 where p is above 88.7.
///
/// # Shapes
/// `y` has the shape of `p` or is a scalar; each element is a term.
///
/// # Errors
/// An `eps` below 0 is a mistake of the declaration. A count, or a rate, below 0 is refused when data is bound, or makes its term NaN.
pub fn poisson_nll(p: impl Borrow<Value>, y: impl Operand, how: PoissonNll, options: LossOptions) -> Value {
    let p = p.borrow();
    if let Err(error) = check("`poisson_nll` with an eps", how.eps, Allowed::FromZero) {
        return p.builder().fail(error);
    }
    on_pair("poisson_nll", p, y, &options, |p, y| {
        let mut term = if how.log_input {
            exp(p) - multiply(y, p)
        } else {
            let help = "it is a rate; `log_input: true` takes its logarithm";
            let term = p - multiply(y, log(p + how.eps));
            from_zero("poisson_nll", p, "the first operand", help).poison(term)
        };
        if how.full {
            term = term + stirling(y);
        }
        from_zero("poisson_nll", y, "the target", "targets are counts").poison(term)
    })
}

/// ln y! by Stirling's formula where y > 1, else 0.
fn stirling(y: &Value) -> Value {
    let is_large = greater(y, 1.0);
    let y = select(&is_large, y, 1.0);
    let approximation = multiply(&y, log(&y)) - &y + log(&y * TAU) * 0.5;
    select(is_large, approximation, 0.0)
}

/// ½·(ln v + (p − y)²/v), −ln of the likelihood of `y` under a normal distribution of mean `p` and variance v, as PyTorch's
/// `GaussianNLLLoss`: v is `variance`, or `eps` where that is less, with the gradient of `variance` even there. `full` adds ½·ln 2π.
///
/// # Shapes
/// `y` has the shape of `p` or is a scalar; each element is a term. `variance` has the axes of `p`, of which ones at the end may be left
/// out, and any may be 1: `[batch]` or `[batch, 1]` is one for each row.
///
/// # Errors
/// An `eps` that is not above 0 and a `variance` that does not fit are mistakes of the declaration. A variance below 0 is refused when data
/// is bound, or makes its term NaN.
pub fn gaussian_nll(
    p: impl Borrow<Value>,
    y: impl Operand,
    variance: impl Borrow<Value>,
    full: bool,
    eps: f64,
    options: LossOptions,
) -> Value {
    let (p, variance) = (p.borrow(), variance.borrow());
    if let Err(error) = check("`gaussian_nll` with an eps", eps, Allowed::AboveZero) {
        return p.builder().fail(error);
    }
    let y = &y.beside(p);
    if !is_pair("gaussian_nll", p, y) || swapped_third("gaussian_nll", p, y, variance) {
        return p.builder().unknown();
    }

    let distance = square(subtract(p, y));
    let Some(variance) = spread("gaussian_nll", variance, "the variance", &distance) else {
        return p.builder().unknown();
    };
    let held = surrogate(maximum(&variance, eps), &variance);
    let term = (log(&held) + distance / &held) * 0.5 + if full { 0.5 * TAU.ln() } else { 0.0 };
    let help = "it is σ²; take `exp(…)` or `softplus(…)` of what may be any number";
    options.reduce("gaussian_nll", &from_zero("gaussian_nll", &variance, "the variance", help).poison(term))
}

/// y·(ln y − p), for logarithms `p` of probabilities, as PyTorch's `KLDivLoss`: summed over the classes, how far the distribution `y` is from
/// that of `p`. Where y is 0 it is 0. With `log_target`, `y` holds logarithms too: eʸ·(y − p).
///
/// The mean is that of all elements, as PyTorch's. [`LossReduction::BatchMean`](super::options::LossReduction::BatchMean), `batchmean` in a
/// declaration, is the mean of the divergences of the rows.
///
/// Refused: what is no logarithm by its last operation, `sigmoid`, `softmax`, or a product with a parameter (a linear layer).
///
/// # Shapes
/// `y` has the shape of `p` or is a scalar; each element is a term.
///
/// # Errors
/// A probability `y` that is not from 0 to 1 is refused when data is bound, or makes its term NaN.
pub fn kl_divergence(
    p: impl Borrow<Value>,
    y: impl Operand,
    log_target: bool,
    options: LossOptions,
) -> Value {
    if let Some(refused) = confused("kl_divergence", Takes::Logarithms, p.borrow()) {
        return refused;
    }
    on_pair("kl_divergence", p.borrow(), y, &options, |p, y| {
        if log_target {
            // What cannot be costs nothing, whatever p says of it.
            let is_none = equal(y, f64::NEG_INFINITY);
            let meant = select(&is_none, 0.0, y);
            return select(is_none, 0.0, multiply(exp(&meant), subtract(&meant, p)));
        }
        let is_none = equal(y, 0.0);
        let meant = select(&is_none, 1.0, y);
        let term = select(is_none, 0.0, multiply(y, subtract(log(meant), p)));
        target_shares("kl_divergence", y).poison(term)
    })
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "poisson_nll",
        &[
            P,
            Y,
            optional("log_input", Kind::Bool, Default::Bool(true)),
            optional("full", Kind::Bool, Default::Bool(false)),
            optional("eps", Kind::Number, Default::Number(1e-8)),
            WEIGHT,
            REDUCTION,
        ],
        "−ln of the Poisson likelihood of counts y: eᵖ − y·p, or p − y·ln p of a rate",
        |_, given| {
            let (log_input, full, eps) = (given.flag("log_input"), given.flag("full"), given.number("eps"));
            let how = PoissonNll { log_input, full, eps };
            poisson_nll(given.tensor("p"), given.tensor("y"), how, LossOptions::given(given))
        },
    ),
    row(
        "gaussian_nll",
        &[
            P,
            Y,
            given("variance", Kind::Tensor),
            optional("full", Kind::Bool, Default::Bool(false)),
            optional("eps", Kind::Number, Default::Number(1e-6)),
            WEIGHT,
            REDUCTION,
        ],
        "½·(ln variance + (p − y)²/variance)",
        |_, given| {
            let (p, y, variance) = (given.tensor("p"), given.tensor("y"), given.tensor("variance"));
            let (full, eps) = (given.flag("full"), given.number("eps"));
            gaussian_nll(p, y, variance, full, eps, LossOptions::given(given))
        },
    ),
    row(
        "kl_divergence",
        &[
            P,
            Y,
            optional("log_target", Kind::Bool, Default::Bool(false)),
            WEIGHT,
            optional("reduction", Kind::Word(&["mean", "sum", "none", "batchmean"]), Default::Word("mean")),
        ],
        "y·(ln y − p), of logarithms p of probabilities",
        |_, given| {
            let (log_target, options) = (given.flag("log_target"), LossOptions::given(given));
            kl_divergence(given.tensor("p"), given.tensor("y"), log_target, options)
        },
    ),
];
