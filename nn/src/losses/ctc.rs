//! Connectionist temporal classification: sequences of labels that are shorter than what they are read from, and not aligned with it.
//!
//! In: logits of each step, labels, lengths. Out: −ln of the probability of the labels, over all alignments, or a recorded mistake.
//!
//! How: labels with a blank before, between and behind them are the *states* of an alignment. A loop over time carries the logarithm of the
//! probability of being in each state, summed over all ways there. Gradients are those of the loop.
//!
//! # Decisions
//!
//! - What cannot be has a logarithm of −10³⁰ and not of −∞: differences of infinities are NaN. −10³⁰ absorbs whatever is added to it, and no
//!   alignment that can be comes near it. The loss of labels that cannot be is infinite all the same, and its gradient 0.
//! - Logits are taken, as by `cross_entropy`: `log_softmax` makes nothing else of logarithms of probabilities, so PyTorch's operand serves too.

use super::confusion::{Takes, confused};
use super::operands::{agree, is_index};
use super::options::{LossOptions, LossReduction, REDUCTION, WEIGHT};
use crate::activations::log_softmax;
use crate::builder::Value;
use crate::call::{Arguments, Composite, Default as Unless, Kind, P, Y, optional, row};
use crate::value::{
    Demand, Iteration, Scan, Slices, User, add, and, concatenate, convert, demand, divide, equal, exp,
    expand, full, greater, index, less, less_equal, log, maximum, minimum, multiply, negate, not_equal, pick,
    require_float, reshape, scan, select, slice, spoken, stop_gradient, subtract, sum_over, zero_padded,
};
use downhill_graph::check::Rule;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape};
use std::borrow::Borrow;

/// What [`ctc`] takes beside logits and labels, with PyTorch's names.
#[derive(Clone, Default)]
pub struct Ctc {
    /// How many steps of each sample count, `i32[batch]`; all where it is left out.
    pub lengths: Option<Value>,
    /// How many labels of each sample count, `i32[batch]`; all where it is left out. The others may be anything.
    pub target_lengths: Option<Value>,
    /// The class that stands for no label.
    pub blank: i64,
    /// Whether labels that no alignment has, which would cost ∞, cost 0.
    pub zero_infinity: bool,
    /// The weight of each sample, and what is made of their terms. A mean divides each term by the number of its labels, if it has any.
    pub terms: LossOptions,
}

/// −ln p(y) of each sample, with p(y) = Σ Πₜ softmax(z)ₜ over all ways to read y in as many steps: each label over one or more of them, blanks
/// anywhere, and one at least between equal labels. PyTorch's `CTCLoss` (Graves et al.: Connectionist Temporal Classification; ICML 2006).
///
/// Logits and logarithms of probabilities are taken alike. Labels without an alignment, as in fewer steps than labels and repeats, cost ∞,
/// which stops a step, or 0 with `zero_infinity`.
///
/// Refused: what [`super::cross_entropy`] refuses.
///
/// # Shapes
/// `z` is `[batch, time, classes]`, the blank among the classes, and `y` is `i32[batch, labels]`. A term for each sample. (PyTorch has time
/// first: `transpose(z, axes: [1, 0, 2])`.)
///
/// # Errors
/// Operands of other shapes, and a `blank` below 0, are mistakes of the declaration. A label that is no class is refused when data is bound,
/// or makes its term NaN. Lengths beyond an axis count all of it.
pub fn ctc(z: impl Borrow<Value>, y: impl Borrow<Value>, options: Ctc) -> Value {
    let (z, y) = (z.borrow(), y.borrow());
    confused(USER, Takes::Logits, z)
        .or_else(|| terms(z, y, &options).map(|(terms, labels)| reduced(&terms, &labels, &options)))
        .unwrap_or_else(|| z.builder().unknown())
}

const USER: &str = "ctc";

/// The logarithm of what cannot be.
const NEVER: f64 = -1e30;

/// What the options make of the terms of samples with so many labels.
fn reduced(terms: &Value, labels: &Value, options: &Ctc) -> Value {
    let Some(ty) = terms.ty() else { return terms.clone() };
    if options.terms.reduction != LossReduction::Mean {
        return options.terms.reduce(USER, terms);
    }
    options.terms.reduce(USER, &divide(terms, convert(maximum(labels, 1.0), ty.element)))
}

/// The terms of the samples, and how many labels each has.
fn terms(z: &Value, y: &Value, options: &Ctc) -> Option<(Value, Value)> {
    let Sizes { batch, time, labels, classes } = Sizes::of(z, y)?;
    let builder = z.builder();
    let blank = blank(z, options.blank, &classes)?;
    let steps = counted(z, options.lengths.as_ref(), "lengths", &batch, &time)?;
    let count = counted(z, options.target_lengths.as_ref(), "target_lengths", &batch, &labels)?;

    // Labels beyond a sample's own are blanks, whatever they were.
    let number = index(builder, [batch.clone(), labels.clone()], 1);
    let own = match &options.target_lengths {
        Some(_) => select(less(number, expand(&count, 1)), y, blank),
        None => y.clone(),
    };
    let help = "labels count from 0, the blank among them; give it as many classes as there are";
    let demand = demand(&own, Rule::Index(classes), User { name: USER, role: "the label", help });

    let states = States::of(&own, [&batch, &labels], blank);
    let last = states.run(&log_softmax(z, -1), &steps)?;
    let term = unreached(&negate(behind(&last, &count)), options.zero_infinity);
    Some((told(&demand, &own, term), count))
}

/// The sizes that operands must agree on.
struct Sizes {
    batch: Dim,
    time: Dim,
    labels: Dim,
    classes: Dim,
}

impl Sizes {
    fn of(z: &Value, y: &Value) -> Option<Sizes> {
        let (builder, found, given) = (z.builder(), z.shape()?, y.ty()?);
        if !require_float(z, USER) {
            return None;
        }
        let (a, b) = (spoken(z, "its first operand"), spoken(y, "the labels"));
        let Ok([batch, time, classes]) = <[Dim; 3]>::try_from(found.0.clone()) else {
            let error = Error::new(format!("`ctc` takes [batch, time, classes], but {a} is {found}"));
            builder.error(error.help("a sample alone gets a batch by `expand(z, 0)`"));
            return None;
        };
        let dims = given.shape.dims();
        if !is_index(y) || dims.len() != 2 || !agree(z, &dims[..1], std::slice::from_ref(&batch)) {
            let error =
                Error::new(format!("`ctc` needs {b} to be i32[{batch}, labels], but they are {given}"));
            let help = "one row of class indices for each sample, filled up where it is short: `target_lengths:` says how many count";
            builder.error(error.help(help));
            return None;
        }
        let labels = dims[1].clone();
        Some(Sizes { batch, time, labels, classes })
    }
}

/// The blank as a number; a mistake where it is no class.
fn blank(z: &Value, blank: i64, classes: &Dim) -> Option<f64> {
    let below = classes.as_constant().is_none_or(|classes| blank < classes);
    if blank >= 0 && below {
        return Some(blank as f64);
    }
    let error = Error::new(format!("`ctc` with a blank of {blank}, which is none of the {classes} classes"));
    z.builder().error(error.help("the blank is a class that no label has: 0 unless `blank:` says otherwise"));
    None
}

/// How many of `all` count in each sample: i32[batch].
fn counted(z: &Value, given: Option<&Value>, role: &str, batch: &Dim, all: &Dim) -> Option<Value> {
    let builder = z.builder();
    let most = builder.apply(Op::DimValue { dim: all.clone(), element: ElementType::I32 }, &[]);
    let Some(given) = given else {
        let shape = Shape(vec![batch.clone()]);
        return Some(builder.apply(Op::Broadcast { shape, axes: Vec::new() }, &[&most]));
    };
    let ty = given.ty()?;
    if !is_index(given) || !agree(z, ty.shape.dims(), std::slice::from_ref(batch)) {
        let error = Error::new(format!("`ctc` needs `{role}` to be i32[{batch}], but they are {ty}"));
        builder.error(error.help("a number for each sample: how many of its steps, or of its labels, count"));
        return None;
    }
    Some(minimum(maximum(given, 0.0), most))
}

/// The states of alignments: blanks at even positions, labels at odd ones.
struct States {
    /// The class of each, `i32[batch, states]`.
    classes: Value,
    /// Whether it may follow the one two before: a label that is another one than the label before it.
    skips: Value,
}

impl States {
    fn of(labels: &Value, [batch, count]: [&Dim; 2], blank: f64) -> States {
        let builder = labels.builder();
        let blanks = |shape: &[&Dim]| {
            let shape: Vec<Dim> = shape.iter().map(|&dim| dim.clone()).collect();
            convert(full(builder, shape, blank), ElementType::I32)
        };
        let (one, twice) = (Dim::from(1), &Dim::from(2) * count);
        let pairs = concatenate(builder, &[blanks(&[batch, count, &one]), expand(labels, -1)], -1);
        let flat = reshape(pairs, vec![batch.clone(), twice]);
        let classes = concatenate(builder, &[flat, blanks(&[batch, &one])], -1);
        // What lies before the first is 0 here, and cannot have been there anyway.
        let before = later(&classes, 2, 0.0);
        let skips = and(not_equal(&classes, blank), not_equal(&classes, before));
        States { classes, skips }
    }

    /// The logarithms of probabilities of the states behind the last step of each sample.
    fn run(&self, logarithms: &Value, steps: &Value) -> Option<Value> {
        let (builder, ty) = (logarithms.builder(), logarithms.ty()?);
        let shape = self.classes.shape()?;
        // [batch, time, states]; a class that cannot be has −∞.
        let given = builder.apply(Op::Gather { axis: 2, batch: 1 }, &[logarithms, &self.classes]);
        let given = maximum(given, NEVER);

        // Before the first step an alignment is in the first blank, which it may stay in or leave for the first label.
        let is_first = equal(index(builder, shape, 1), 0.0);
        let start = convert(select(is_first, builder.constant(0.0), builder.constant(NEVER)), ty.element);

        let time = ty.shape.dims()[1].clone();
        let number = index(builder, [time], 0);
        let slices =
            vec![Slices { name: "given", of: given, axis: 1 }, Slices { name: "step", of: number, axis: 0 }];
        let over = Scan { slices, carried: vec![("ways", start)], ..Scan::default() };
        let skips = &self.skips;
        let ended = scan(builder, over, |slices, carried| {
            let ways = &carried[0];
            let [one, two] = [1, 2].map(|by| later(ways, by, NEVER));
            let two = select(skips, two, NEVER);
            let next = add(together(&[ways, &one, &two]), &slices[0]);
            let seen = less(&slices[1], steps);
            Iteration { next: vec![select(expand(seen, -1), next, ways)], yields: Vec::new() }
        });
        ended.last.into_iter().next()
    }
}

/// Rows with their elements moved `by` to the right, and `instead` where none comes.
fn later(rows: &Value, by: i64, instead: f64) -> Value {
    let Some(shape) = rows.shape() else { return rows.clone() };
    let width = shape.dims()[1].clone();
    let none = (Dim::default(), Dim::default());
    let padded = zero_padded(rows, &[none, (Dim::from(by), Dim::default())]);
    let moved = slice(padded, 1, 0, Some(width), 1);
    if instead == 0.0 {
        return moved;
    }
    select(less(index(rows.builder(), shape, 1), by as f64), instead, moved)
}

/// ln Σ eˣ of numbers of which none is infinite.
fn together(logarithms: &[&Value]) -> Value {
    let most = logarithms[1..].iter().fold(logarithms[0].clone(), |most, x| maximum(most, *x));
    let most = stop_gradient(most);
    let shares = logarithms.iter().map(|x| exp(subtract(*x, &most)));
    let total = shares.reduce(add).unwrap_or_else(|| most.clone());
    add(log(total), most)
}

/// The logarithm of having read all `count` labels: in the last label or in the blank behind it.
fn behind(last: &Value, count: &Value) -> Value {
    let blank = multiply(count, 2.0);
    let label = maximum(subtract(&blank, 1.0), 0.0);
    let in_label = select(greater(count, 0.0), pick(last, label, -1), NEVER);
    together(&[&pick(last, blank, -1), &in_label])
}

/// What samples cost that have no alignment.
fn unreached(costs: &Value, zero_infinity: bool) -> Value {
    let builder = costs.builder();
    let instead = builder.constant(if zero_infinity { 0.0 } else { f64::INFINITY });
    select(less_equal(costs, -NEVER / 2.0), costs, instead)
}

/// Each term, and NaN where one of its labels is no class.
fn told(demand: &Demand<'_>, labels: &Value, term: Value) -> Value {
    let Some(ty) = term.ty() else { return term };
    let zeros = multiply(convert(labels, ty.element), 0.0);
    add(term, sum_over(demand.poison(zeros), &[-1]))
}

fn options(given: &Arguments<'_>) -> Ctc {
    Ctc {
        lengths: given.optional_tensor("lengths").cloned(),
        target_lengths: given.optional_tensor("target_lengths").cloned(),
        blank: given.integer("blank"),
        zero_infinity: given.flag("zero_infinity"),
        terms: LossOptions::given(given),
    }
}

/// What declarations call this loss by.
pub(super) const ROWS: &[Composite] = &[row(
    "ctc",
    &[
        P,
        Y,
        optional("lengths", Kind::Tensor, Unless::Unset("all steps")),
        optional("target_lengths", Kind::Tensor, Unless::Unset("all labels")),
        optional("blank", Kind::Integer, Unless::Integer(0)),
        optional("zero_infinity", Kind::Bool, Unless::Bool(false)),
        WEIGHT,
        REDUCTION,
    ],
    "−ln of the probability of labels [batch, labels] that are not aligned with logits [batch, time, classes]",
    |_, given| ctc(given.tensor("p"), given.tensor("y"), options(given)),
)];
