//! Folding axes away.

use super::align::{require_float, resolve_axis, spoken};
use super::elementwise::{abs, dim_value, divide, negate, not, square};
use crate::builder::Value;
use crate::call::{AXES, Arguments, Composite, KEEP, LAST, X, of_one, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Reduction};
use downhill_graph::types::{ElementType, Shape, Type};
use std::borrow::Borrow;

/// Which axes to fold, and whether they stay as axes of size 1. By default all are folded away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Over {
    /// Negative ones count from the end; `None` for all.
    pub axes: Option<Vec<i64>>,
    /// Stay as axes of size 1, which broadcast back.
    pub keep: bool,
}

impl Over {
    /// These axes, folded away.
    pub fn axes(axes: &[i64]) -> Over {
        Over { axes: Some(axes.to_vec()), keep: false }
    }

    /// The same axes, which stay as axes of size 1.
    pub(super) fn kept(&self) -> Over {
        Over { axes: self.axes.clone(), keep: true }
    }

    /// The axes of `x`, ascending; a mistake is recorded.
    pub(super) fn resolve(&self, x: &Value, rank: usize) -> Option<Vec<usize>> {
        let Some(axes) = &self.axes else { return Some((0..rank).collect()) };
        let mut resolved =
            axes.iter().map(|&axis| resolve_axis(x, axis, rank)).collect::<Option<Vec<usize>>>()?;
        resolved.sort_unstable();
        let count = resolved.len();
        resolved.dedup();
        if resolved.len() < count {
            x.builder().error(Error::new("an axis is named twice").note(format!("axes {axes:?}")));
            return None;
        }
        Some(resolved)
    }
}

macro_rules! reduction {
    ($($(#[$about:meta])* $name:ident, $over:ident = $kind:ident;)*) => {
        $($(#[$about])* pub fn $name(x: impl Borrow<Value>) -> Value {
            reduce(Reduction::$kind, x.borrow(), &Over::default())
        }
        #[doc = concat!("[`", stringify!($name), "`] along `axes`; negative ones count from the end.")]
        pub fn $over(x: impl Borrow<Value>, axes: &[i64]) -> Value {
            reduce(Reduction::$kind, x.borrow(), &Over::axes(axes))
        })*
    };
}

reduction! {
    /// Sum of all elements.
    sum, sum_over = Sum;
    /// The greatest of all elements; NaN where one is.
    max, max_over = Max;
    /// The least of all elements; NaN where one is.
    min, min_over = Min;
}

/// Mean of all elements.
pub fn mean(x: impl Borrow<Value>) -> Value {
    average(x.borrow(), &Over::default())
}

/// [`mean`] along `axes`; negative ones count from the end.
pub fn mean_over(x: impl Borrow<Value>, axes: &[i64]) -> Value {
    average(x.borrow(), &Over::axes(axes))
}

/// Sum of the squares of all elements: `Σ w²`, the penalty that shrinks weights.
pub fn squares(w: impl Borrow<Value>) -> Value {
    sum(square(w))
}

/// Sum of the sizes of all elements: `Σ |w|`, the penalty that makes weights 0.
pub fn absolutes(w: impl Borrow<Value>) -> Value {
    sum(abs(w))
}

/// Index of the greatest element along `axis`, as i32; the first of equals.
pub fn argmax(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    let position = x.shape().and_then(|shape| resolve_axis(x, axis, shape.rank()));
    match position {
        Some(axis) => x.builder().apply(Op::ArgMax { axis }, &[x]),
        None => x.builder().unknown(),
    }
}

/// Index of the least element along `axis`, as i32; the first of equals, and the first NaN before all else.
///
/// # Errors
/// As [`argmax`].
pub fn argmin(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    let Some(ty) = numbers(x) else { return x.builder().unknown() };
    // The least integer has no negative; `not` turns the order of all of them round.
    argmax(if ty.element.is_integer() { not(x) } else { negate(x) }, axis)
}

/// The sum of each element and of those before it along `axis`, which counts from the end when negative: yᵢ = Σ x_j over j ≤ i, as
/// PyTorch's `cumsum`. Integers wrap. The gradient is the same sum from the end of the axis on.
///
/// # Shapes
/// That of `x`, and its element type.
///
/// # Errors
/// A mask, and an axis that `x` does not have, are mistakes of the declaration: [`Builder::finish`](crate::builder::Builder::finish)
/// tells them.
///
/// # Examples
/// ```
/// use downhill_graph::interpret::{Environment, Precision, interpret};
/// use downhill_graph::types::ElementType;
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::cumsum;
///
/// let b = Builder::new(Mode::Infer);
/// let x = b.input("x", ElementType::F32, [2, 3]);
/// b.output("y", &cumsum(&x, -1));
/// let graph = downhill_nn::entry::forward(&b.finish().expect("no mistakes"))?;
///
/// let environment = Environment::new().input("x", [[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let results = interpret(&graph, &environment, Precision::F32)?;
/// assert_eq!(results[0].1.as_f32()?, [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
pub fn cumsum(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    let position = numbers(x).and_then(|ty| resolve_axis(x, axis, ty.rank()));
    match position {
        Some(axis) => x.builder().apply(Op::CumulativeSum { axis }, &[x]),
        None => x.builder().unknown(),
    }
}

/// Folds as `over` says.
pub(crate) fn reduce(kind: Reduction, x: &Value, over: &Over) -> Value {
    fold(kind, x, over).unwrap_or_else(|| x.builder().unknown())
}

fn fold(kind: Reduction, x: &Value, over: &Over) -> Option<Value> {
    let ty = numbers(x)?;
    let axes = over.resolve(x, ty.rank())?;
    let result = if axes.is_empty() {
        x.clone()
    } else {
        x.builder().apply(Op::Reduce { kind, axes: axes.clone() }, &[x])
    };

    if !over.keep || axes.is_empty() {
        return Some(result);
    }
    let kept = ty.shape.dims().iter().enumerate();
    let kept = kept.map(|(axis, dim)| if axes.contains(&axis) { Dim::from(1) } else { dim.clone() });
    Some(x.builder().apply(Op::Reshape(Shape(kept.collect())), &[&result]))
}

/// The type of `x`; a mask is a mistake.
pub(super) fn numbers(x: &Value) -> Option<Type> {
    let ty = x.ty()?;
    if ty.element == ElementType::Bool {
        let error = Error::new(format!(
            "{} is a mask, which cannot be summed or compared in size",
            spoken(x, "the operand")
        ));
        x.builder().error(error.help("convert it: `f32(…)`"));
        return None;
    }
    Some(ty)
}

/// Sum over count.
pub(crate) fn average(x: &Value, over: &Over) -> Value {
    let unknown = || x.builder().unknown();
    if !require_float(x, "mean") {
        return unknown();
    }
    let Some(shape) = x.shape() else { return unknown() };
    let Some(axes) = over.resolve(x, shape.rank()) else { return unknown() };
    let count = axes.iter().fold(Dim::from(1), |count, &axis| &count * &shape.dims()[axis]);
    let total = reduce(Reduction::Sum, x, over);
    if count.is(1) { total } else { divide(total, dim_value(x.builder(), &count)) }
}

/// What a row says of axes.
pub(super) fn over(arguments: &Arguments<'_>) -> Over {
    Over { axes: arguments.axes("axes"), keep: arguments.flag("keep") }
}

macro_rules! folding {
    ($name:literal, $kind:ident, $about:literal) => {
        row($name, &[X, AXES, KEEP], $about, |_, given| {
            reduce(Reduction::$kind, given.tensor("x"), &over(given))
        })
    };
}

/// The indices, with the axis along which they were found where it is kept.
fn kept(found: Value, given: &Arguments<'_>) -> Value {
    let (x, axis) = (given.tensor("x"), given.integer("axis"));
    if found.node().is_none() || !given.flag("keep") {
        return found;
    }
    let Some(mut shape) = x.shape() else { return found };
    let Some(position) = resolve_axis(x, axis, shape.rank()) else { return found };
    shape.0[position] = Dim::from(1);
    x.builder().apply(Op::Reshape(shape), &[&found])
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    folding!("sum", Sum, "the sum"),
    row("mean", &[X, AXES, KEEP], "the mean", |_, given| average(given.tensor("x"), &over(given))),
    folding!("max", Max, "the greatest"),
    folding!("min", Min, "the least"),
    of_one!("squares", squares, "Σ x²"),
    of_one!("absolutes", absolutes, "Σ |x|"),
    row("argmax", &[X, LAST, KEEP], "index of the greatest", |_, given| {
        kept(argmax(given.tensor("x"), given.integer("axis")), given)
    }),
    row("argmin", &[X, LAST, KEEP], "index of the least", |_, given| {
        kept(argmin(given.tensor("x"), given.integer("axis")), given)
    }),
    row("cumsum", &[X, LAST], "the sum of each element and of those before it along an axis", |_, given| {
        cumsum(given.tensor("x"), given.integer("axis"))
    }),
];
