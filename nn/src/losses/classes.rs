//! Losses of several classes that are judged one by one: margins, and labels that may hold together.

use super::confusion::{Takes, confused};
use super::operands::{is_index, is_pair, takes_rows, target_shares};
use super::options::{CLASS_WEIGHT, LossOptions, REDUCTION, WEIGHT};
use super::targets::takes_weight;
use crate::activations::relu;
use crate::builder::Value;
use crate::call::{Arguments, Composite, Default, Kind, P, Y, given, optional, row};
use crate::value::{
    Operand, expand, label_mask, mean_over, multiply, negate, select, softplus, spoken, square, sum_over,
};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// Options of [`multi_margin`], with PyTorch's names.
#[derive(Clone)]
pub struct MultiMargin {
    /// 1 or 2: the power of what lacks of the margin.
    pub p: i64,
    /// How far the score of the label must be above all others.
    pub margin: f64,
    /// A factor of the rows of each class, `[classes]`. A mean divides by the number of rows all the same.
    pub class_weight: Option<Value>,
}

impl std::default::Default for MultiMargin {
    fn default() -> MultiMargin {
        MultiMargin { p: 1, margin: 1.0, class_weight: None }
    }
}

/// Σ max(0, margin − s_y + s_j)ᵖ/classes over the classes j that are not the label y, as PyTorch's `MultiMarginLoss`: a hinge of several
/// classes (Crammer and Singer, 2001).
///
/// # Shapes
/// `s` is `[…, classes]`, `y` is `i32[…]`; a term for each row.
///
/// # Errors
/// A `p` that is neither 1 nor 2, a `margin` that is not finite and a `class_weight` that is not `[classes]` are mistakes of the
/// declaration. A label that is no class is refused when data is bound, or makes its term NaN.
pub fn multi_margin(
    s: impl Borrow<Value>,
    y: impl Borrow<Value>,
    how: MultiMargin,
    options: LossOptions,
) -> Value {
    let (s, y) = (s.borrow(), y.borrow());
    let checked = check("`multi_margin` with a margin", how.margin, Allowed::Finite);
    if let Err(error) = checked.and(if matches!(how.p, 1 | 2) { Ok(()) } else { Err(no_power(how.p)) }) {
        return s.builder().fail(error);
    }
    margins(s, y, &how).map_or_else(|| s.builder().unknown(), |terms| options.reduce("multi_margin", &terms))
}

fn no_power(p: i64) -> Error {
    Error::new(format!("`multi_margin` with a p of {p}")).help("it is 1, or 2 for squares")
}

fn margins(s: &Value, y: &Value, how: &MultiMargin) -> Option<Value> {
    if y.ty().is_some() && !is_index(y) {
        let error = Error::new(format!(
            "`multi_margin` takes class indices, but {} holds none",
            spoken(y, "the label")
        ));
        s.builder().error(error.help("declare it as `i32[…]`, or convert it: `i32(…)`"));
        return None;
    }
    if !takes_rows("multi_margin", s, y, -1) {
        return None;
    }

    let classes = s.shape()?.0.pop()?;
    let (mask, demand) = label_mask("multi_margin", y, &classes);
    let own = expand(sum_over(select(&mask, s, 0.0), &[-1]), -1);
    let lacks = relu(s - own + how.margin);
    let lacks = select(&mask, 0.0, if how.p == 2 { square(lacks) } else { lacks });
    let mut terms = mean_over(lacks, &[-1]);
    if let Some(weight) = &how.class_weight {
        takes_weight("multi_margin", weight, &classes)?;
        terms = terms * sum_over(select(&mask, weight, 0.0), &[-1]);
    }
    Some(demand.poison(terms))
}

/// The mean over the classes of −w·(y·ln σ(z) + (1 − y)·ln σ(−z)), as PyTorch's `MultiLabelSoftMarginLoss`, whose `weight` is `class_weight`
/// here: any number of labels may hold for one row.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`.
///
/// # Shapes
/// `z` is `[…, classes]`, `y` has its shape or is a scalar, `class_weight` is `[classes]`; a term for each row.
///
/// # Errors
/// A `class_weight` of another shape is a mistake of the declaration. A target that is not from 0 to 1 is refused when data is bound, or
/// makes its term NaN.
pub fn multilabel_soft_margin(
    z: impl Borrow<Value>,
    y: impl Operand,
    class_weight: Option<&Value>,
    options: LossOptions,
) -> Value {
    let (z, user) = (z.borrow(), "multilabel_soft_margin");
    if let Some(refused) = confused(user, Takes::Logits, z) {
        return refused;
    }
    let y = &y.beside(z);
    of_labels(user, z, y, class_weight)
        .map_or_else(|| z.builder().unknown(), |terms| options.reduce(user, &terms))
}

fn of_labels(user: &'static str, z: &Value, y: &Value, class_weight: Option<&Value>) -> Option<Value> {
    let mut dims = z.shape().filter(|_| is_pair(user, z, y))?.0;
    let Some(classes) = dims.pop() else {
        let error = Error::new(format!("`{user}` of a scalar"));
        z.builder().error(error.help("the last axis of its first operand holds the classes"));
        return None;
    };
    let mut term = multiply(y, softplus(negate(z))) + multiply(1.0 - y, softplus(z));
    if let Some(weight) = class_weight {
        takes_weight(user, weight, &classes)?;
        term = multiply(term, weight);
    }
    Some(mean_over(target_shares(user, y).poison(term), &[-1]))
}

fn multi_margin_row(given: &Arguments<'_>) -> Value {
    let class_weight = given.optional_tensor("class_weight").cloned();
    let how = MultiMargin { p: given.integer("p"), margin: given.number("margin"), class_weight };
    multi_margin(given.tensor("s"), given.tensor("y"), how, LossOptions::given(given))
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "multi_margin",
        &[
            given("s", Kind::Tensor),
            Y,
            optional("p", Kind::Integer, Default::Integer(1)),
            optional("margin", Kind::Number, Default::Number(1.0)),
            CLASS_WEIGHT,
            WEIGHT,
            REDUCTION,
        ],
        "Σ max(0, margin − s_y + s_j)ᵖ/classes over the classes j beside the label y",
        |_, given| multi_margin_row(given),
    ),
    row(
        "multilabel_soft_margin",
        &[P, Y, CLASS_WEIGHT, WEIGHT, REDUCTION],
        "cross-entropy of each class's label from logits, the mean over the classes",
        |_, given| {
            let (class_weight, options) = (given.optional_tensor("class_weight"), LossOptions::given(given));
            multilabel_soft_margin(given.tensor("p"), given.tensor("y"), class_weight, options)
        },
    ),
];
