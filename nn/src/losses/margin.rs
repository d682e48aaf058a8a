//! Losses of the margin y·s, for labels y = ±1.

use super::confusion::{Takes, confused};
use super::operands::{on_pair, signs};
use super::options::{LossOptions, REDUCTION, WEIGHT, of_pair};
use crate::activations::relu;
use crate::builder::Value;
use crate::call::{Composite, Default as Unless, Kind, P, Y, optional, row};
use crate::value::{Operand, greater, multiply, negate, select, softplus};
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// Mean of max(0, 1 − y·s), for labels y = ±1.
pub fn hinge(s: impl Borrow<Value>, y: impl Operand) -> Value {
    hinge_with(s, y, LossOptions::default())
}

/// max(0, 1 − y·s), for labels y = ±1.
///
/// # Shapes
/// `y` has the shape of `s` or is a scalar; each element is a term.
pub fn hinge_with(s: impl Borrow<Value>, y: impl Operand, options: LossOptions) -> Value {
    on_pair("hinge", s.borrow(), y, &options, |s, y| {
        signs("hinge", y, HELP).poison(relu(1.0 - multiply(y, s)))
    })
}

/// Mean of ln(1 + e^(−y·s)), for labels y = ±1.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`, arranged anew or not.
pub fn logistic_loss(s: impl Borrow<Value>, y: impl Operand) -> Value {
    logistic_loss_with(s, y, LossOptions::default())
}

/// ln(1 + e^(−y·s)), for labels y = ±1, as PyTorch's `SoftMarginLoss`.
///
/// Refused: what [`logistic_loss`] refuses.
///
/// # Shapes
/// As [`hinge_with`].
pub fn logistic_loss_with(s: impl Borrow<Value>, y: impl Operand, options: LossOptions) -> Value {
    if let Some(refused) = confused("logistic_loss", Takes::Logits, s.borrow()) {
        return refused;
    }
    on_pair("logistic_loss", s.borrow(), y, &options, |s, y| {
        signs("logistic_loss", y, HELP).poison(softplus(negate(multiply(y, s))))
    })
}

/// The distance d where y = 1, and max(0, margin − d) where y = −1, as PyTorch's `HingeEmbeddingLoss`.
///
/// # Shapes
/// As [`hinge_with`].
///
/// # Errors
/// A `margin` that is not finite is a mistake of the declaration.
pub fn hinge_embedding(d: impl Borrow<Value>, y: impl Operand, margin: f64, options: LossOptions) -> Value {
    let d = d.borrow();
    if let Err(error) = check("`hinge_embedding` with a margin", margin, Allowed::Finite) {
        return d.builder().fail(error);
    }
    on_pair("hinge_embedding", d, y, &options, |d, y| {
        let help = "labels are 1 for what is alike and -1 for what is not; for 0 and 1 write `2.0 * y - 1.0`";
        let apart = relu(margin - d);
        signs("hinge_embedding", y, help).poison(select(greater(y, 0.0), d, apart))
    })
}

const HELP: &str = "for labels 0 and 1 write `2.0 * y - 1.0`, or take `bce_with_logits`";

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    of_pair!("hinge", hinge_with, "max(0, 1 − y·p), labels ±1"),
    of_pair!("logistic", logistic_loss_with, "ln(1 + e^(−y·p)), labels ±1"),
    of_pair!("logistic_loss", logistic_loss_with, "ln(1 + e^(−y·p)), labels ±1"),
    of_pair!("soft_margin", logistic_loss_with, "ln(1 + e^(−y·p)), labels ±1"),
    row(
        "hinge_embedding",
        &[P, Y, optional("margin", Kind::Number, Unless::Number(1.0)), WEIGHT, REDUCTION],
        "the distance p where y = 1, max(0, margin − p) where y = −1",
        |_, given| {
            let options = LossOptions::given(given);
            hinge_embedding(given.tensor("p"), given.tensor("y"), given.number("margin"), options)
        },
    ),
];
