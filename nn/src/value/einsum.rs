//! Sums of products by the names of axes.
//!
//! In: an equation and operands. Out: products of matrices where an axis is summed over, products of elements elsewhere.

use super::align::{require_float, spoken};
use super::elementwise::multiply;
use super::movement::transpose_by;
use super::reduce::sum_over;
use super::triangles::diagonal;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Equation, Kind, Label, given, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::Shape;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// The sum of products that an equation names, as PyTorch's `einsum`: `ij,jk->ik` is the product of matrices. Axes of one letter are one
/// axis; a letter that the result lacks is summed over; one that an operand has twice is its diagonal. `...` stands for all other axes,
/// lined up at the last. Without `->` the result has the letters that stand once, in the order of the alphabet. Operands are multiplied
/// from left to right.
///
/// # Shapes
/// One letter for each axis. Axes of one letter are equal, or the number 1, which stretches.
///
/// # Errors
/// An equation that cannot be read, as many operands as it does not name, letters that are not as many as axes, sizes of one letter that
/// differ, and integers and masks are mistakes of the declaration.
///
/// # Examples
/// ```
/// use downhill_graph::interpret::{Environment, Precision, interpret};
/// use downhill_graph::types::ElementType;
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::einsum;
///
/// let b = Builder::new(Mode::Infer);
/// let x = b.input("x", ElementType::F32, [2, 2]);
/// let w = b.input("w", ElementType::F32, [2]);
/// b.output("y", &einsum(&b, "ij,j->i", &[&x, &w]));
/// let graph = downhill_nn::entry::forward(&b.finish().expect("no mistakes"))?;
///
/// let environment = Environment::new().input("x", [[1.0_f32, 2.0], [3.0, 4.0]]).input("w", [10.0_f32, 1.0]);
/// let results = interpret(&graph, &environment, Precision::F32)?;
/// assert_eq!(results[0].1.as_f32()?, [12.0, 34.0]);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
pub fn einsum<V: Borrow<Value>>(builder: &Builder, equation: &str, operands: &[V]) -> Value {
    let operands: Vec<&Value> = operands.iter().map(Borrow::borrow).collect();
    match Equation::parse(equation) {
        Ok(parsed) => summed(builder, equation, &parsed, &operands).unwrap_or_else(|| builder.unknown()),
        Err(error) => builder.fail(error),
    }
}

/// A value and what its axes are called, each once.
struct Labelled {
    value: Value,
    labels: Vec<Label>,
}

fn summed(builder: &Builder, text: &str, equation: &Equation, operands: &[&Value]) -> Option<Value> {
    let (named, given) = (equation.operands.len(), operands.len());
    if named != given {
        let error = Error::new(format!("`einsum` of {given} operands by `{text}`, which names {named}"));
        builder.error(error.help("a comma stands between operands"));
        return None;
    }
    let rests = operands.iter().zip(&equation.operands).map(|(operand, term)| {
        if !require_float(operand, "einsum") {
            return None;
        }
        let shape = operand.shape()?;
        term.rest(shape.rank()).or_else(|| {
            let name = spoken(operand, "an operand");
            let letters = term.count();
            let error = Error::new(format!("`{text}` has {letters} letters for {name}, which is {shape}"));
            builder.error(error.help("a letter for each axis, or `...` for those without one"));
            None
        })
    });
    let rests = rests.collect::<Option<Vec<usize>>>()?;

    let labelled = operands.iter().zip(&equation.operands).zip(&rests);
    let labelled: Vec<Labelled> =
        labelled.map(|((&operand, term), &rest)| diagonals(operand.clone(), term.labels(rest))).collect();
    let sizes = sizes(builder, text, &labelled)?;
    let mut labelled: Vec<Labelled> =
        labelled.into_iter().map(|operand| operand.without_stretched(&sizes)).collect();

    let result = equation.result(rests.into_iter().max().unwrap_or(0));
    let mut product = labelled.remove(0).folded(|label| needed(label, &labelled, &result));
    while !labelled.is_empty() {
        let next = labelled.remove(0);
        let next = next.folded(|label| product.labels.contains(&label) || needed(label, &labelled, &result));
        product = product.times(next, &sizes, |label| needed(label, &labelled, &result));
    }
    Some(product.folded(|label| result.contains(&label)).spread(&result, &sizes).value)
}

/// Whether the result, or an operand that is still to come, has this axis.
fn needed(label: Label, later: &[Labelled], result: &[Label]) -> bool {
    result.contains(&label) || later.iter().any(|operand| operand.labels.contains(&label))
}

/// Takes the diagonal of axes that have one label.
fn diagonals(mut value: Value, mut labels: Vec<Label>) -> Labelled {
    let twice = |labels: &[Label]| {
        (0..labels.len()).find_map(|first| {
            let second = labels.iter().skip(first + 1).position(|label| *label == labels[first])?;
            Some((first, first + 1 + second))
        })
    };
    while let Some((first, second)) = twice(&labels) {
        value = diagonal(&value, 0, [first as i64, second as i64]);
        let label = labels.remove(second);
        labels.remove(first);
        labels.push(label);
    }
    Labelled { value, labels }
}

/// The size of each label: that of the axes which do not stretch.
fn sizes(builder: &Builder, text: &str, operands: &[Labelled]) -> Option<BTreeMap<Label, Dim>> {
    let mut sizes: BTreeMap<Label, (Dim, &Value)> = BTreeMap::new();
    for operand in operands {
        for (&label, dim) in operand.labels.iter().zip(operand.value.shape()?.dims()) {
            let (known, owner) = sizes.entry(label).or_insert_with(|| (dim.clone(), &operand.value));
            if known.is(1) {
                (*known, *owner) = (dim.clone(), &operand.value);
            } else if !dim.is(1) && !builder.with_graph(|graph| graph.agrees(known, dim)) {
                let letter = match label {
                    Label::Letter(letter) => format!("`{letter}`"),
                    Label::Rest(_) => "an axis of `...`".into(),
                };
                let (a, b) = (spoken(owner, "one operand"), spoken(&operand.value, "another"));
                let error = Error::new(format!("{letter} of `{text}` is {known} in {a} but {dim} in {b}"));
                builder.error(error.help("axes of one letter are equal, or the number 1"));
                return None;
            }
        }
    }
    Some(sizes.into_iter().map(|(label, (dim, _))| (label, dim)).collect())
}

impl Labelled {
    /// Without the axes of size 1 that stand for a longer one.
    fn without_stretched(self, sizes: &BTreeMap<Label, Dim>) -> Labelled {
        let Some(shape) = self.value.shape() else { return self };
        let kept = self.labels.iter().zip(shape.0).filter(|(label, dim)| !dim.is(1) || sizes[label].is(1));
        let (labels, dims): (Vec<Label>, Vec<Dim>) = kept.map(|(label, dim)| (*label, dim)).unzip();
        if labels.len() == self.labels.len() {
            return self;
        }
        Labelled { value: self.value.builder().apply(Op::Reshape(Shape(dims)), &[&self.value]), labels }
    }

    /// Summed over the axes that nobody needs.
    fn folded(self, is_needed: impl Fn(Label) -> bool) -> Labelled {
        let gone = self.labels.iter().enumerate().filter(|(_, label)| !is_needed(**label));
        let axes: Vec<i64> = gone.map(|(axis, _)| axis as i64).collect();
        if axes.is_empty() {
            return self;
        }
        let labels = self.labels.iter().copied().filter(|label| is_needed(*label)).collect();
        Labelled { value: sum_over(&self.value, &axes), labels }
    }

    /// The product, summed over the axes of both that nobody needs any more.
    fn times(
        self,
        other: Labelled,
        sizes: &BTreeMap<Label, Dim>,
        is_needed: impl Fn(Label) -> bool,
    ) -> Labelled {
        let place = |label: &Label| other.labels.iter().position(|own| own == label);
        let shared: Vec<(usize, usize)> =
            self.labels.iter().enumerate().filter_map(|(axis, label)| Some((axis, place(label)?))).collect();
        let (batch, contract): (Vec<_>, Vec<_>) =
            shared.into_iter().partition(|&(axis, _)| is_needed(self.labels[axis]));

        // The axes of the product in its order: those of both, then each side's own.
        let own = |labels: &[Label], also: &[Label]| -> Vec<Label> {
            labels.iter().copied().filter(|label| !also.contains(label)).collect()
        };
        let mut labels: Vec<Label> = batch.iter().map(|&(axis, _)| self.labels[axis]).collect();
        labels.extend(own(&self.labels, &other.labels));
        labels.extend(own(&other.labels, &self.labels));

        if contract.is_empty() {
            let [left, right] = [self.spread(&labels, sizes), other.spread(&labels, sizes)];
            return Labelled { value: multiply(left.value, right.value), labels };
        }
        let product = Op::DotGeneral { batch, contract };
        Labelled { value: self.value.builder().apply(product, &[&self.value, &other.value]), labels }
    }

    /// With exactly these axes, in their order; those that it lacks are repeated.
    fn spread(self, labels: &[Label], sizes: &BTreeMap<Label, Dim>) -> Labelled {
        let place = |label: &Label| self.labels.iter().position(|own| own == label);
        let order: Vec<i64> = labels.iter().filter_map(place).map(|axis| axis as i64).collect();
        let value = transpose_by(&self.value, &order);
        let axes: Vec<usize> = (0..labels.len()).filter(|&axis| place(&labels[axis]).is_some()).collect();
        if axes.len() == labels.len() {
            return Labelled { value, labels: labels.to_vec() };
        }
        let shape = Shape(labels.iter().map(|label| sizes[label].clone()).collect());
        let value = value.builder().apply(Op::Broadcast { shape, axes }, &[&value]);
        Labelled { value, labels: labels.to_vec() }
    }
}

fn einsum_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    einsum(builder, given.text("equation"), &given.tensors("x"))
}

/// What declarations call this function by.
pub(super) const ROWS: &[Composite] = &[row(
    "einsum",
    &[given("equation", Kind::Equation), given("x", Kind::Tensors)],
    "the sum of products that an equation of axes names: `einsum(\"ij,jk->ik\", a, b)`",
    einsum_row,
)];
