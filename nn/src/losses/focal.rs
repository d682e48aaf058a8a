//! Losses of masks of which most is empty: cross-entropy that looks away from what is easy, and the overlap of two masks.

use super::confusion::{Takes, confused};
use super::operands::{is_pair, on_pair, probabilities, target_shares};
use super::options::{LossOptions, REDUCTION, WEIGHT};
use crate::activations::sigmoid;
use crate::builder::Value;
use crate::call::{Arguments, Composite, Default, Kind, P, Y, optional, row};
use crate::value::{
    Operand, less_equal, logistic, multiply, negate, pow, resolve_axis, select, softplus, sum_over, surrogate,
};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// a·(1 − q)^γ·(−ln q) for the probability q = σ(z) of a 1 and σ(−z) of a 0, from logits: Lin et al. (2017), as torchvision's
/// `sigmoid_focal_loss`. a is `alpha` for a 1 and 1 − `alpha` for a 0; with `None` it is 1. A `gamma` of 0 leaves the cross-entropy.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`.
///
/// # Shapes
/// `y` has the shape of `z` or is a scalar; each element is a term.
///
/// # Errors
/// A `gamma` below 0, and an `alpha` that is not from 0 to 1, are mistakes of the declaration. A target that is not from 0 to 1 is refused
/// when data is bound, or makes its term NaN.
pub fn focal(
    z: impl Borrow<Value>,
    y: impl Operand,
    gamma: f64,
    alpha: Option<f64>,
    options: LossOptions,
) -> Value {
    let z = z.borrow();
    if let Some(refused) = confused("focal", Takes::Logits, z) {
        return refused;
    }
    let checked = check("`focal` with a gamma", gamma, Allowed::FromZero)
        .and(alpha.map_or(Ok(()), |alpha| check("`focal` with an alpha", alpha, Allowed::Share)));
    if let Err(error) = checked {
        return z.builder().fail(error);
    }

    on_pair("focal", z, y, &options, |z, y| {
        let other = 1.0 - y;
        let mut term = multiply(y, softplus(negate(z))) + multiply(&other, softplus(z));
        if gamma != 0.0 {
            let missed = multiply(y, logistic(negate(z))) + multiply(&other, logistic(z));
            term = term * power(&missed, gamma);
        }
        if let Some(alpha) = alpha {
            term = term * (y * alpha + other * (1.0 - alpha));
        }
        target_shares("focal", y).poison(term)
    })
}

/// x^γ, and 0 below 10⁻¹²: there the term is less than 10⁻¹² anyway, and derivatives of a power below 1 or 2 have no end.
fn power(x: &Value, gamma: f64) -> Value {
    let is_none = less_equal(x, 1e-12);
    select(&is_none, 0.0, pow(select(&is_none, 1.0, x), gamma))
}

/// Options of [`dice`].
#[derive(Clone)]
pub struct Dice {
    /// Whether `p` holds logits, of which the sigmoid is taken.
    pub from_logits: bool,
    /// What is added above and below: two empty masks overlap entirely. It may be 0 where no mask is empty.
    pub smooth: f64,
    /// The axes of one mask; `None` for all but the first.
    pub axes: Option<Vec<i64>>,
}

impl std::default::Default for Dice {
    fn default() -> Dice {
        Dice { from_logits: false, smooth: 1.0, axes: None }
    }
}

/// 1 − (2·Σ p·y + smooth)/(Σ p + Σ y + smooth) over the elements of each mask: what Sørensen's and Dice's overlap misses.
///
/// Refused: of probabilities, what [`binary_cross_entropy`](super::binary::binary_cross_entropy) refuses; of logits, what
/// [`bce_with_logits`](super::binary::bce_with_logits) refuses.
///
/// # Shapes
/// `y` has the shape of `p`. A term for each mask: `[batch]` of `[batch, h, w]`, and `[batch, classes]` of `[batch, classes, h, w]` with
/// `axes: [2, 3]`.
///
/// # Errors
/// A `smooth` below 0, and an axis that `p` does not have, are mistakes of the declaration. What is not from 0 to 1 is refused when data is
/// bound, or makes its term NaN.
pub fn dice(p: impl Borrow<Value>, y: impl Operand, how: Dice, options: LossOptions) -> Value {
    let p = p.borrow();
    let takes = if how.from_logits { Takes::Logits } else { Takes::Probabilities };
    if let Some(refused) = confused("dice", takes, p) {
        return refused;
    }
    if let Err(error) = check("`dice` with a smooth", how.smooth, Allowed::FromZero) {
        return p.builder().fail(error);
    }

    let y = &y.beside(p);
    overlap(p, y, &how).map_or_else(|| p.builder().unknown(), |terms| options.reduce("dice", &terms))
}

fn overlap(p: &Value, y: &Value, how: &Dice) -> Option<Value> {
    let rank = p.shape().filter(|_| is_pair("dice", p, y))?.rank();
    if rank == 0 || y.shape()?.rank() != rank {
        let error = Error::new("`dice` compares masks, but is given a number");
        p.builder().error(error.help("give both the same shape, samples along the first axis"));
        return None;
    }

    let axes = how.axes.clone().unwrap_or_else(|| (1..rank as i64).collect());
    axes.iter().map(|&axis| resolve_axis(p, axis, rank)).collect::<Option<Vec<_>>>()?;
    let share = if how.from_logits { sigmoid(p) } else { p.clone() };
    let over = |x: &Value| sum_over(x, &axes);
    let either = over(&share) + over(y) + how.smooth;
    let missed = |both: &Value| 1.0 - (over(both) * 2.0 + how.smooth) / &either;

    let both = multiply(&share, y);
    let mut poisoned = target_shares("dice", y).poison(both.clone());
    if !how.from_logits {
        let help = "it takes probabilities: `sigmoid(…)`, `softmax(…)`, or logits with `from_logits: true`";
        poisoned = probabilities("dice", p, help).poison(poisoned);
    }
    Some(if poisoned.node() == both.node() {
        missed(&both)
    } else {
        surrogate(missed(&poisoned), missed(&both))
    })
}

fn dice_row(given: &Arguments<'_>) -> Value {
    let (from_logits, smooth) = (given.flag("from_logits"), given.number("smooth"));
    let how = Dice { from_logits, smooth, axes: given.axes("axes") };
    dice(given.tensor("p"), given.tensor("y"), how, LossOptions::given(given))
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "focal",
        &[
            P,
            Y,
            optional("gamma", Kind::Number, Default::Number(2.0)),
            optional("alpha", Kind::Number, Default::Number(0.25)),
            WEIGHT,
            REDUCTION,
        ],
        "cross-entropy of two classes from logits, less where it is small; an alpha of −1 weighs both alike",
        |_, given| {
            // torchvision's −1 for none.
            let alpha = Some(given.number("alpha")).filter(|alpha| *alpha != -1.0);
            let options = LossOptions::given(given);
            focal(given.tensor("p"), given.tensor("y"), given.number("gamma"), alpha, options)
        },
    ),
    row(
        "dice",
        &[
            P,
            Y,
            optional("from_logits", Kind::Bool, Default::Bool(false)),
            optional("smooth", Kind::Number, Default::Number(1.0)),
            optional("axes", Kind::Axes, Default::Unset("all but the first")),
            WEIGHT,
            REDUCTION,
        ],
        "1 − (2·Σ p·y + smooth)/(Σ p + Σ y + smooth) of each mask",
        |_, given| dice_row(given),
    ),
];
