//! What every loss takes beside its operands: a weight of its terms, and what is made of them.
//!
//! In: the terms of a loss, one for each element or for each row. Out: their mean, their sum or themselves, or a recorded mistake.
//!
//! Must hold: a loss is one number unless `reduction: none` says otherwise. Weights do not count in a mean: it divides by the number of
//! terms, as PyTorch's `binary_cross_entropy` with a `weight`. Only where a loss says so does it divide by something else.

use crate::builder::Value;
use crate::call::{Arguments, Default as Unless, Kind, Parameter, optional};
use crate::value::{dim_value, divide, equal, mean, multiply, require_float, reshape, select, spoken, sum};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;

/// What is made of the terms of a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossReduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// The terms themselves.
    None,
    /// Their sum over the size of their first axis: of divergences of distributions, the mean of those of the rows.
    BatchMean,
}

/// What every loss takes beside its operands.
///
/// # Shapes
/// `weight` has the axes of the loss's terms, of which ones at the end may be left out, and any may be 1: what is left out or 1 is
/// repeated. So `[batch]` weighs the rows of `[batch, features]`, `[1, features]` its columns.
#[derive(Clone, Default)]
pub struct LossOptions {
    /// A factor of each term. The mean divides by the number of terms all the same. Gradients reach it: `stop_gradient` keeps them out.
    pub weight: Option<Value>,
    /// What is made of the terms.
    pub reduction: LossReduction,
}

impl LossOptions {
    /// Those of a call.
    pub(super) fn given(arguments: &Arguments<'_>) -> LossOptions {
        let reduction = match arguments.word("reduction") {
            Some("sum") => LossReduction::Sum,
            Some("none") => LossReduction::None,
            Some("batchmean") => LossReduction::BatchMean,
            _ => LossReduction::Mean,
        };
        LossOptions { weight: arguments.optional_tensor("weight").cloned(), reduction }
    }

    /// What they make of the terms of the loss `user`.
    pub(super) fn reduce(&self, user: &str, terms: &Value) -> Value {
        self.reduced(user, terms, |terms| mean(terms))
    }

    /// The same, where a mean divides by `total` instead of the number of terms. It is 0 where that is 0.
    pub(super) fn reduce_by(&self, user: &str, terms: &Value, total: &Value) -> Value {
        self.reduced(user, terms, |terms| divide(sum(terms), select(equal(total, 0.0), 1.0, total)))
    }

    fn reduced(&self, user: &str, terms: &Value, mean: impl FnOnce(&Value) -> Value) -> Value {
        let weighted = match &self.weight {
            Some(weight) => match spread(user, weight, "the weight", terms) {
                Some(weight) => multiply(terms, weight),
                None => return terms.builder().unknown(),
            },
            None => terms.clone(),
        };

        match self.reduction {
            LossReduction::Mean => mean(&weighted),
            LossReduction::Sum => sum(weighted),
            LossReduction::None => weighted,
            LossReduction::BatchMean => match weighted.shape().and_then(|shape| shape.0.into_iter().next()) {
                Some(rows) => divide(sum(&weighted), dim_value(weighted.builder(), &rows)),
                None => weighted,
            },
        }
    }
}

/// `factor` with as many axes as `terms`, lined up at the first; it broadcasts to them. A mistake is recorded.
pub(super) fn spread(user: &str, factor: &Value, role: &str, terms: &Value) -> Option<Value> {
    let (builder, own, whole) = (terms.builder(), factor.shape()?, terms.shape()?);
    let is_number = own.rank() == 0;
    if !is_number && !require_float(factor, user) {
        return None;
    }

    let fits = |(own, dim): (&Dim, &Dim)| own.is(1) || builder.with_graph(|graph| graph.agrees(own, dim));
    if own.rank() > whole.rank() || !own.dims().iter().zip(whole.dims()).all(fits) {
        let name = spoken(factor, role);
        let error = Error::new(format!("{name} of `{user}` is {own}, which does not fit its terms, {whole}"));
        builder.error(
            error.help("axes are lined up at the first; those at the end, and those of size 1, are repeated"),
        );
        return None;
    }

    let mut dims = own.0;
    dims.resize(if is_number { 0 } else { whole.rank() }, Dim::from(1));
    Some(reshape(factor, dims))
}

pub(super) const WEIGHT: Parameter<'static> = optional("weight", Kind::Tensor, Unless::Unset("none"));
pub(super) const CLASS_WEIGHT: Parameter<'static> =
    optional("class_weight", Kind::Tensor, Unless::Unset("none"));
pub(super) const REDUCTION: Parameter<'static> =
    optional("reduction", Kind::Word(&["mean", "sum", "none"]), Unless::Word("mean"));

/// The row of a loss of `p` and `y`.
macro_rules! of_pair {
    ($name:literal, $function:path, $about:literal) => {
        $crate::call::row(
            $name,
            &[
                $crate::call::P,
                $crate::call::Y,
                $crate::losses::options::WEIGHT,
                $crate::losses::options::REDUCTION,
            ],
            $about,
            |_, given| {
                let options = $crate::losses::options::LossOptions::given(given);
                $function(given.tensor("p"), given.tensor("y"), options)
            },
        )
    };
}

pub(super) use of_pair;
