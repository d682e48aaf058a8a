//! Losses of vectors that are to lie near each other, or apart: rows of two or three operands, the features along the last axis.

use super::operands::{agree, is_pair, on_pair, signs};
use super::options::{LossOptions, REDUCTION, WEIGHT};
use crate::activations::relu;
use crate::builder::Value;
use crate::call::{Arguments, Composite, Default, Kind, Parameter, Y, given, optional, row};
use crate::value::{
    Operand, abs, both_shapes, expand, greater, less_equal, minimum, multiply, pow, require_float, select,
    spoken, sqrt, square, subtract, sum_over,
};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// max(0, margin − y·(a − b)): a is to be above b where y = 1, and below it where y = −1, as PyTorch's `MarginRankingLoss`.
///
/// # Shapes
/// `a`, `b` and `y` have one shape, but that the latter may be scalars; each element is a term.
///
/// # Errors
/// A `margin` that is not finite is a mistake of the declaration. A label that is not ±1 is refused when data is bound, or makes its term
/// NaN.
pub fn margin_ranking(
    a: impl Borrow<Value>,
    b: impl Operand,
    y: impl Operand,
    margin: f64,
    options: LossOptions,
) -> Value {
    let (a, user) = (a.borrow(), "margin_ranking");
    let b = &b.beside(a);
    if let Err(error) = check("`margin_ranking` with a margin", margin, Allowed::Finite) {
        return a.builder().fail(error);
    }
    if !is_pair(user, a, b) {
        return a.builder().unknown();
    }
    on_pair(user, a, y, &options, |a, y| {
        let help = "1 says that the first is to be greater, -1 that the second is";
        signs(user, y, help).poison(relu(margin - multiply(y, subtract(a, b))))
    })
}

/// 1 − cos where y = 1, max(0, cos − margin) where y = −1, for cos = a·b/√((a·a + 10⁻¹²)·(b·b + 10⁻¹²)), as PyTorch's
/// `CosineEmbeddingLoss`. A row of zeros has a cos of 0.
///
/// # Shapes
/// `a` and `b` are `[…, features]`, `y` is `[…]` or a scalar; a term for each row.
///
/// # Errors
/// As [`margin_ranking`].
pub fn cosine_embedding(
    a: impl Borrow<Value>,
    b: impl Borrow<Value>,
    y: impl Operand,
    margin: f64,
    options: LossOptions,
) -> Value {
    let (a, b, user) = (a.borrow(), b.borrow(), "cosine_embedding");
    if let Err(error) = check("`cosine_embedding` with a margin", margin, Allowed::Finite) {
        return a.builder().fail(error);
    }
    if !are_rows(user, a, b) {
        return a.builder().unknown();
    }
    let cos = sum_over(unit(a) * unit(b), &[-1]);
    on_pair(user, &cos, y, &options, |cos, y| {
        let help = "labels are 1 for what is alike and -1 for what is not";
        let term = select(greater(y, 0.0), 1.0 - cos, relu(subtract(cos, margin)));
        signs(user, y, help).poison(term)
    })
}

/// Each row over its length, which is √(Σx² + 10⁻¹²).
pub(super) fn unit(x: &Value) -> Value {
    let length = sqrt(sum_over(square(x), &[-1]) + 1e-12);
    let last = x.shape().map_or(0, |shape| shape.rank() as i64 - 1);
    x / expand(length, last)
}

/// Options of [`triplet_margin`], with PyTorch's names.
#[derive(Clone)]
pub struct TripletMargin {
    /// How much nearer the positive must be than the negative.
    pub margin: f64,
    /// The power of the distance: 2 is Euclid's, 1 the sum of sizes.
    pub p: f64,
    /// What is added to each difference before its distance is taken.
    pub eps: f64,
    /// Whether the negative's distance to the positive counts where it is less than that to the anchor.
    pub swap: bool,
}

impl std::default::Default for TripletMargin {
    fn default() -> TripletMargin {
        TripletMargin { margin: 1.0, p: 2.0, eps: 1e-6, swap: false }
    }
}

/// max(0, margin + d(anchor, positive) − d(anchor, negative)) for d(a, b) = (Σ |a − b + eps|ᵖ)^(1/p), as PyTorch's `TripletMarginLoss`.
/// The derivative of a distance of 0 is 0.
///
/// # Shapes
/// All three are `[…, features]`; a term for each row.
///
/// # Errors
/// A `p` or a `margin` that is not above 0, and an `eps` below 0, are mistakes of the declaration.
pub fn triplet_margin(
    anchor: impl Borrow<Value>,
    positive: impl Borrow<Value>,
    negative: impl Borrow<Value>,
    how: TripletMargin,
    options: LossOptions,
) -> Value {
    let (anchor, positive, negative) = (anchor.borrow(), positive.borrow(), negative.borrow());
    let checked = check("`triplet_margin` with a margin", how.margin, Allowed::AboveZero)
        .and(check("`triplet_margin` with a p", how.p, Allowed::AboveZero))
        .and(check("`triplet_margin` with an eps", how.eps, Allowed::FromZero));
    if let Err(error) = checked {
        return anchor.builder().fail(error);
    }
    if !are_rows("triplet_margin", anchor, positive) || !are_rows("triplet_margin", anchor, negative) {
        return anchor.builder().unknown();
    }

    let between = |a, b| distance(&(subtract(a, b) + how.eps), how.p);
    let mut far = between(anchor, negative);
    if how.swap {
        far = minimum(far, between(positive, negative));
    }
    options.reduce("triplet_margin", &relu(between(anchor, positive) - far + how.margin))
}

/// (Σ |d|ᵖ)^(1/p) of each row.
fn distance(d: &Value, p: f64) -> Value {
    let size = abs(d);
    if p == 1.0 {
        return sum_over(size, &[-1]);
    }
    let total = sum_over(if p == 2.0 { square(d) } else { positive_power(&size, p) }, &[-1]);
    let is_none = less_equal(&total, 0.0);
    let held = select(&is_none, 1.0, total);
    select(is_none, 0.0, if p == 2.0 { sqrt(held) } else { pow(held, 1.0 / p) })
}

/// xᵖ for x of 0 or more, flat at 0.
fn positive_power(x: &Value, p: f64) -> Value {
    let is_none = less_equal(x, 0.0);
    select(&is_none, 0.0, pow(select(&is_none, 1.0, x), p))
}

/// Whether two operands have one shape of at least one axis; a mistake is recorded.
pub(super) fn are_rows(user: &str, a: &Value, b: &Value) -> bool {
    let (Some(left), Some(right)) = (a.shape(), b.shape()) else { return false };
    if left.rank() == 0 || !agree(a, left.dims(), right.dims()) {
        let (first, second) = (spoken(a, "the first operand"), spoken(b, "the second"));
        let error = Error::new(format!("`{user}` compares rows of {first} with those of {second}"));
        let help = "both must have the same shape, with features along the last axis";
        a.builder().error(error.note(both_shapes(a, b)).help(help));
        return false;
    }
    require_float(a, user) && require_float(b, user)
}

fn margin_ranking_row(given: &Arguments<'_>) -> Value {
    let [a, b, y] = ["a", "b", "y"].map(|name| given.tensor(name));
    margin_ranking(a, b, y, given.number("margin"), LossOptions::given(given))
}

fn cosine_embedding_row(given: &Arguments<'_>) -> Value {
    let [a, b, y] = ["a", "b", "y"].map(|name| given.tensor(name));
    cosine_embedding(a, b, y, given.number("margin"), LossOptions::given(given))
}

fn triplet_margin_row(given: &Arguments<'_>) -> Value {
    let [anchor, positive, negative] = ["anchor", "positive", "negative"].map(|name| given.tensor(name));
    let [margin, p, eps] = ["margin", "p", "eps"].map(|name| given.number(name));
    let how = TripletMargin { margin, p, eps, swap: given.flag("swap") };
    triplet_margin(anchor, positive, negative, how, LossOptions::given(given))
}

pub(super) const A: Parameter<'static> = given("a", Kind::Tensor);
pub(super) const B: Parameter<'static> = given("b", Kind::Tensor);

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "margin_ranking",
        &[A, B, Y, optional("margin", Kind::Number, Default::Number(0.0)), WEIGHT, REDUCTION],
        "max(0, margin − y·(a − b)), labels ±1",
        |_, given| margin_ranking_row(given),
    ),
    row(
        "cosine_embedding",
        &[A, B, Y, optional("margin", Kind::Number, Default::Number(0.0)), WEIGHT, REDUCTION],
        "1 − cos of rows a and b where y = 1, max(0, cos − margin) where y = −1",
        |_, given| cosine_embedding_row(given),
    ),
    row(
        "triplet_margin",
        &[
            given("anchor", Kind::Tensor),
            given("positive", Kind::Tensor),
            given("negative", Kind::Tensor),
            optional("margin", Kind::Number, Default::Number(1.0)),
            optional("p", Kind::Number, Default::Number(2.0)),
            optional("eps", Kind::Number, Default::Number(1e-6)),
            optional("swap", Kind::Bool, Default::Bool(false)),
            WEIGHT,
            REDUCTION,
        ],
        "max(0, margin + the anchor's distance to the positive − that to the negative)",
        |_, given| triplet_margin_row(given),
    ),
];
