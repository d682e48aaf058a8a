//! Losses of the margin y·s, for labels y = ±1.

use super::confusion::{Takes, confused};
use super::operands::on_pair;
use crate::activations::relu;
use crate::builder::Value;
use crate::call::{Composite, of_pair};
use crate::value::{Demand, Operand, User, demand, multiply, negate, softplus};
use downhill_graph::check::Rule;
use std::borrow::Borrow;

/// Mean of max(0, 1 − y·s), for labels y = ±1.
pub fn hinge(s: impl Borrow<Value>, y: impl Operand) -> Value {
    on_pair("hinge", s.borrow(), y, |s, y| signs("hinge", y).poison(relu(1.0 - multiply(y, s))))
}

/// Mean of ln(1 + e^(−y·s)), for labels y = ±1.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`, arranged anew or not.
pub fn logistic_loss(s: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("logistic_loss", Takes::Logits, s.borrow()) {
        return refused;
    }
    on_pair("logistic_loss", s.borrow(), y, |s, y| {
        signs("logistic_loss", y).poison(softplus(negate(multiply(y, s))))
    })
}

/// Demands labels of −1 and 1.
fn signs<'a>(user: &'static str, y: &'a Value) -> Demand<'a> {
    let help = "for labels 0 and 1 write `2.0 * y - 1.0`, or take `bce_with_logits`";
    demand(y, Rule::Sign, User { name: user, role: "the label", help })
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    of_pair!("hinge", hinge, "mean of max(0, 1 − y·p), labels ±1"),
    of_pair!("logistic", logistic_loss, "mean of ln(1 + e^(−y·p)), labels ±1"),
    of_pair!("logistic_loss", logistic_loss, "mean of ln(1 + e^(−y·p)), labels ±1"),
];
