//! Checks: what the elements of a value must be for the use that is made of it.
//!
//! In: a use that looks up, compares or takes a logarithm. Out: [`Check`]s, which a declaration keeps in a list.
//!
//! Must hold: no broken element is dropped silently. An input that is used as it was given is checked when data is bound, which costs a
//! step nothing. Everywhere else the use computes NaN from a broken element (its *poison*), in the value but not in the derivative. The
//! loss is then NaN, which ends a step before any update; the check itself says why.

use crate::dim::Dim;
use crate::error::Origin;
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::rebuild::rebuild;

/// What an element must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A class index: from 0 to below this.
    Class(Dim),
    /// An index along an axis of this size.
    Index(Dim),
    /// From 0 to 1, but for rounding.
    Probability,
    /// −1 or 1.
    Sign,
    /// 0 or more.
    FromZero,
}

/// How far beyond 0 and 1 sums that were rounded may lie.
pub const ROUNDING: f64 = 1e-5;

impl Rule {
    /// The number that class indices, and indices along an axis, are below.
    pub fn below(&self) -> Option<&Dim> {
        match self {
            Rule::Class(count) | Rule::Index(count) => Some(count),
            Rule::Probability | Rule::Sign | Rule::FromZero => None,
        }
    }

    /// Whether it allows `value`; `classes` is the value of what an index is below. NaN is never allowed.
    pub fn allows(&self, value: f64, classes: i64) -> bool {
        match self {
            Rule::Class(_) | Rule::Index(_) => value >= 0.0 && value < classes as f64,
            Rule::Probability => (-ROUNDING..=1.0 + ROUNDING).contains(&value),
            Rule::Sign => value.abs() == 1.0,
            Rule::FromZero => value >= 0.0,
        }
    }

    /// What it allows, in words that follow "takes".
    pub fn words(&self, classes: i64) -> String {
        match self {
            Rule::Class(_) if classes <= 0 => "no class: there are none".into(),
            Rule::Class(_) if classes == 1 => "class 0 alone".into(),
            Rule::Class(_) => format!("classes 0 to {}", classes - 1),
            Rule::Index(_) if classes <= 0 => "no index: there is nothing to look up".into(),
            Rule::Index(_) if classes == 1 => "index 0 alone".into(),
            Rule::Index(_) => format!("indices 0 to {}", classes - 1),
            Rule::Probability => "numbers from 0 to 1".into(),
            Rule::Sign => "-1 and 1".into(),
            Rule::FromZero => "numbers from 0".into(),
        }
    }
}

/// One use of a value, and what it demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What each element must be.
    pub rule: Rule,
    /// What messages call the value: its name in backticks, or what it is to its user.
    pub name: String,
    /// The composite that demands it.
    pub user: &'static str,
    /// The likely mend.
    pub help: &'static str,
    /// The value.
    pub value: NodeId,
    /// What the user computes from it: an entry that needs one of these nodes must make the check.
    pub terms: Vec<NodeId>,
    /// Where the check is made.
    pub made: Made,
    /// Where the use was declared.
    pub origin: Origin,
}

/// Where a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// When data is bound to the input at this index, whose elements the value consists of.
    Bound(usize),
    /// In the graph: the mask, shaped as the value, of elements that are right.
    Computed(NodeId),
}

/// The graph without poison: for networks that are to be built without checks.
pub fn without_poison(graph: &Graph) -> Graph {
    rebuild(graph, &without_poison, &mut |graph, op, operands| {
        let poisoned = op == Op::Surrogate && is_poison(graph, operands[0], operands[1]);
        if poisoned { operands[1] } else { graph.add(op, operands) }
    })
}

/// Whether `value` is `select(right, term, NaN)`.
fn is_poison(graph: &Graph, value: NodeId, term: NodeId) -> bool {
    let operands = graph.operands(value);
    *graph.op(value) == Op::Select
        && operands[1] == term
        && graph.constant_value(operands[2]).is_some_and(f64::is_nan)
}
