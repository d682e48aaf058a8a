//! What a use of a value demands of its elements; class indices, the most frequent such use.
//!
//! In: a value, a rule. Out: [`Demand`]. Where the check cannot be made when data is given, it makes what is computed from a
//! broken element NaN.

use super::align::spoken;
use super::elementwise::{
    and, convert, dim_value, equal, greater_equal, less, less_equal, or, select, surrogate,
};
use super::movement::{expand, index};
use crate::builder::{Builder, Value};
use crate::call::{Composite, Kind, given, row};
use downhill_graph::check::{Check, Made, ROUNDING, Rule};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, NodeId, Role};
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape};
use std::borrow::Borrow;

/// Who demands something of a value.
#[derive(Clone, Copy)]
pub(crate) struct User {
    /// The composite.
    pub(crate) name: &'static str,
    /// What the value is to it, for values without a name.
    pub(crate) role: &'static str,
    /// The likely mend where an element is broken.
    pub(crate) help: &'static str,
}

/// A demand that is to be checked.
pub(crate) struct Demand<'a> {
    value: &'a Value,
    rule: Rule,
    user: User,
    made: Option<Made>,
}

/// Demands that each element of `value` keep `rule`. A constant is judged at once; an input, also with its elements at other indices,
/// when data is bound; anything else in the graph.
pub(crate) fn demand(value: &Value, rule: Rule, user: User) -> Demand<'_> {
    let builder = value.builder();
    let Some(node) = value.node() else { return Demand { value, rule, user, made: None } };
    let constant = builder.with_graph(|graph| graph.constant_value(node));
    let input = input_below(builder, node);

    // With a constant and a known number of classes, the rule can be judged at once.
    let classes = rule.below().map_or(Some(0), Dim::as_constant);

    let made = match (constant.zip(classes), input) {
        (Some((number, classes)), _) => {
            if !rule.allows(number, classes) {
                let takes = rule.words(classes);
                let error = Error::new(format!("`{}` takes {takes}, but is given {number}", user.name));
                builder.error(error.help(user.help));
            }
            None
        }
        (None, Some(input)) => Some(Made::Bound(input)),
        (None, None) => right(value, &rule).node().map(Made::Computed),
    };

    Demand { value, rule, user, made }
}

/// The input whose elements, all of them, `node` consists of: in the body of a loop, over all iterations.
fn input_below(builder: &Builder, mut node: NodeId) -> Option<usize> {
    loop {
        let input = builder.with_graph(|graph| first_below(graph, node))?;
        if builder.with_graph(|graph| graph.inputs[input].role != Role::Body) {
            return Some(input);
        }
        node = builder.whole(input)?;
    }
}

/// The input, or what a loop gives its body, of which `node` is a view of all elements.
fn first_below(graph: &Graph, mut node: NodeId) -> Option<usize> {
    loop {
        let op = graph.op(node);
        if let Op::Input(input) = op {
            return Some(*input);
        }
        if op.class() != Class::View || !op.facts().keeps_all {
            return None;
        }
        node = graph.operand(node, 0);
    }
}

/// Mask of the elements that keep the rule.
fn right(value: &Value, rule: &Rule) -> Value {
    match rule {
        Rule::Class(count) | Rule::Index(count) => {
            and(greater_equal(value, 0.0), less(value, dim_value(value.builder(), count)))
        }
        Rule::Probability => and(greater_equal(value, -ROUNDING), less_equal(value, 1.0 + ROUNDING)),
        Rule::Sign => or(equal(value, -1.0), equal(value, 1.0)),
        Rule::FromZero => greater_equal(value, 0.0),
    }
}

impl Demand<'_> {
    /// `term`, which its user computes from the value, and NaN where the demand is broken. The derivative is that of `term` everywhere.
    pub(crate) fn poison(&self, term: Value) -> Value {
        self.keep(&term);
        let Some(Made::Computed(right)) = self.made else { return term };
        let mut right = term.builder().value(right);
        let rank = |value: &Value| value.ty().map(|ty| ty.rank());
        if matches!(self.rule, Rule::Class(_)) && rank(&term) > rank(&right) {
            right = expand(right, -1);
        }
        surrogate(select(right, &term, f64::NAN), term)
    }

    /// The same where axis `i` of the value is axis `axes[i]` of `term`. Of integers and masks, which have no NaN, nothing is made NaN.
    pub(crate) fn poison_along(&self, term: Value, axes: Vec<usize>) -> Value {
        self.keep(&term);
        let (Some(Made::Computed(right)), Some(ty)) = (self.made, term.ty()) else { return term };
        if !ty.element.is_float() {
            return term;
        }
        let builder = term.builder();
        let right = builder.apply(Op::Broadcast { shape: ty.shape, axes }, &[&builder.value(right)]);
        surrogate(select(right, &term, f64::NAN), term)
    }

    fn keep(&self, term: &Value) {
        let (Some(made), Some(value), Some(term_node)) = (self.made, self.value.node(), term.node()) else {
            return;
        };

        let builder = term.builder();
        builder.keep_check(Check {
            rule: self.rule.clone(),
            name: spoken(self.value, self.user.role),
            user: self.user.name,
            help: self.user.help,
            value,
            terms: vec![term_node],
            made,
            origin: builder.origin_with_layer(),
        });
    }
}

/// A new last axis of `classes`: 1 at the label's index, else 0, as f32.
pub fn one_hot(labels: impl Borrow<Value>, classes: &Dim) -> Value {
    let labels = labels.borrow();
    let (mask, demand) = label_mask("one_hot", labels, classes);
    demand.poison(convert(mask, ElementType::F32))
}

/// A new last axis of `classes`: true at the label's index, and nowhere for a label that is none of them, which the demand tells.
pub(crate) fn label_mask<'a>(user: &'static str, labels: &'a Value, classes: &Dim) -> (Value, Demand<'a>) {
    let (builder, rule) = (labels.builder(), Rule::Class(classes.clone()));
    let user = User {
        name: user,
        role: "the label",
        help: "labels count from 0; give it as many classes as there are",
    };

    let unknown = || (builder.unknown(), Demand { value: labels, rule: rule.clone(), user, made: None });
    let Some(ty) = labels.ty() else { return unknown() };
    if ty.element != ElementType::I32 {
        let error = Error::new(format!("{} holds no class indices: it is {ty}", spoken(labels, "the label")));
        builder.error(error.help("declare it as `i32[…]`, or convert it: `i32(…)`"));
        return unknown();
    }

    let demand = demand(labels, rule.clone(), user);
    let mut dims = ty.shape.0;
    dims.push(classes.clone());
    let (axis, shape) = (dims.len() - 1, Shape(dims));
    let spread = builder.apply(Op::Broadcast { shape: shape.clone(), axes: (0..axis).collect() }, &[labels]);
    (equal(index(builder, shape, axis), spread), demand)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[row(
    "one_hot",
    &[given("labels", Kind::Tensor), given("classes", Kind::Dim)],
    "1 at the label's index, else 0",
    |builder, given| match given.dim("classes") {
        Some(classes) => one_hot(given.tensor("labels"), classes),
        None => builder.unknown(),
    },
)];
