//! What the targets of rows say: a class, or a share of each; how much each counts, and which rows count at all.
//!
//! In: class indices, or shares of classes, and [`CrossEntropy`]. Out: [`Targets`], or a recorded mistake.
//!
//! # Decisions
//!
//! - A batch of nothing but ignored rows has a mean of 0 and no gradient. PyTorch's is NaN, which would stop the training.
//! - No class is ignored unless `ignore_index` says so: where PyTorch leaves out labels of −100 by itself, they are refused here, as all
//!   labels are that are no class.

use super::operands::{agree, is_index, takes_rows};
use super::options::LossOptions;
use crate::builder::Value;
use crate::value::{
    convert, dim_value, divide, equal, label_mask, multiply, not_equal, require_float, resolve_axis, select,
    spoken, sum, sum_over, transpose_by,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::ElementType;

/// Options of a cross-entropy, with PyTorch's names.
#[derive(Clone)]
pub struct CrossEntropy {
    /// A factor of each class, `[classes]`. Where targets are class indices, the mean divides by the sum of the factors of the rows'
    /// classes, else by the number of rows.
    pub class_weight: Option<Value>,
    /// The share of each target that is divided among all classes, from 0 to 1: (1 − s)·y + s/classes stands for y.
    pub label_smoothing: f64,
    /// The class index of rows that do not count: their terms are 0, and a mean does not divide by them. It may be no class, such as −100.
    pub ignore_index: Option<i64>,
    /// The axis of the classes, negative ones from the end: −1, or 1 for `[batch, classes, …]`, PyTorch's order.
    pub axis: i64,
    /// The weight of each row, and what is made of the rows' terms.
    pub terms: LossOptions,
}

impl Default for CrossEntropy {
    fn default() -> CrossEntropy {
        let terms = LossOptions::default();
        CrossEntropy { class_weight: None, label_smoothing: 0.0, ignore_index: None, axis: -1, terms }
    }
}

/// The targets of rows whose classes lie last.
pub(super) struct Targets<'a> {
    user: &'static str,
    options: &'a CrossEntropy,
    /// Class indices, all of them classes, or shares.
    pub(super) y: Value,
    /// Mask of the rows that count; `None` where all do.
    counted: Option<Value>,
    classes: Dim,
    element: ElementType,
}

impl<'a> Targets<'a> {
    /// Those of `y` for rows of `z`, and `z` with its classes last. `None` after a mistake.
    pub(super) fn new(
        user: &'static str,
        z: &Value,
        y: &Value,
        options: &'a CrossEntropy,
    ) -> Option<(Value, Targets<'a>)> {
        if !takes_rows(user, z, y, options.axis) {
            return None;
        }
        let what = format!("`{user}` with a label smoothing");
        if let Err(error) = check(&what, options.label_smoothing, Allowed::Share) {
            z.builder().error(error);
            return None;
        }

        let z = classes_last(z, options.axis)?;
        let (classes, element) = (z.shape()?.0.pop()?, z.ty()?.element);
        if let Some(weight) = &options.class_weight {
            takes_weight(user, weight, &classes)?;
        }

        let (mut y, mut counted) =
            (if is_index(y) { y.clone() } else { classes_last(y, options.axis)? }, None);
        if let Some(ignored) = options.ignore_index {
            if !is_index(&y) {
                let name = spoken(&y, "the target");
                let error =
                    Error::new(format!("`{user}` ignores a class index, but {name} holds shares of classes"));
                z.builder().error(error.help("leave rows out with a `weight:` of 0 for each"));
                return None;
            }
            counted = Some(not_equal(&y, ignored as f64));
            y = select(equal(&y, ignored as f64), 0.0, &y);
        }
        Some((z, Targets { user, options, y, counted, classes, element }))
    }

    /// Whether the class of a row is all that its term depends on.
    pub(super) fn are_plain_labels(&self) -> bool {
        is_index(&self.y) && self.options.class_weight.is_none() && self.options.label_smoothing == 0.0
    }

    /// `term` of the weighted and smoothed share of each class; a broken label makes it NaN.
    pub(super) fn of_shares(&self, term: impl FnOnce(&Value) -> Value) -> Value {
        if !is_index(&self.y) {
            return term(&self.weighted(self.smoothed(self.y.clone())));
        }
        let (mask, demand) = label_mask(self.user, &self.y, &self.classes);
        demand.poison(term(&self.weighted(self.smoothed(convert(mask, self.element)))))
    }

    fn smoothed(&self, shares: Value) -> Value {
        let smoothing = self.options.label_smoothing;
        if smoothing == 0.0 {
            return shares;
        }
        let builder = shares.builder().clone();
        let each = divide(builder.constant(smoothing), dim_value(&builder, &self.classes));
        shares * (1.0 - smoothing) + convert(each, self.element)
    }

    fn weighted(&self, shares: Value) -> Value {
        self.options.class_weight.iter().fold(shares, multiply)
    }

    /// What the options make of the rows' terms.
    pub(super) fn reduce(&self, rows: &Value) -> Value {
        let rows = match &self.counted {
            Some(counted) => select(counted, rows, 0.0),
            None => rows.clone(),
        };
        let terms = &self.options.terms;
        match self.total() {
            Some(total) => terms.reduce_by(self.user, &rows, &total),
            None => terms.reduce(self.user, &rows),
        }
    }

    /// What a mean divides by, where it is not the number of rows.
    fn total(&self) -> Option<Value> {
        let weights = self.options.class_weight.as_ref().filter(|_| is_index(&self.y)).map(|weight| {
            let (mask, _) = label_mask(self.user, &self.y, &self.classes);
            sum_over(select(mask, weight, 0.0), &[-1])
        });
        let counts = match (&self.counted, weights) {
            (Some(counted), Some(weights)) => select(counted, weights, 0.0),
            (Some(counted), None) => convert(counted, self.element),
            (None, weights) => weights?,
        };
        Some(sum(counts))
    }
}

/// `z` with the classes, which lie along `axis`, last.
fn classes_last(z: &Value, axis: i64) -> Option<Value> {
    let rank = z.shape()?.rank();
    let axis = resolve_axis(z, axis, rank)?;
    if axis + 1 == rank {
        return Some(z.clone());
    }
    let order: Vec<i64> =
        (0..rank).filter(|other| *other != axis).chain([axis]).map(|axis| axis as i64).collect();
    Some(transpose_by(z, &order))
}

/// Whether there is a weight for each class; a mistake is recorded.
pub(super) fn takes_weight(user: &str, weight: &Value, classes: &Dim) -> Option<()> {
    let shape = weight.shape().filter(|_| require_float(weight, user))?;
    if agree(weight, shape.dims(), std::slice::from_ref(classes)) {
        return Some(());
    }
    let name = spoken(weight, "the `class_weight`");
    let error = Error::new(format!(
        "`{user}` needs {name} to be [{classes}], one weight for each class, but it is {shape}"
    ));
    weight.builder().error(error.help("`weight:` is for rows and elements"));
    None
}
