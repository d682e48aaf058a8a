//! The order of a loss's operands: what the network computes comes first, what it is to be comes second.
//!
//! In: the operands of a loss. Out: a recorded mistake where the first one is certainly not computed: a target, or an input beside a
//! second operand that parameters make.
//!
//! # Decisions
//!
//! - Swapped operands are refused: such a loss takes the logarithm or the slope of labels and trains nothing, without a word.
//! - Losses of a difference whose sign does not count are the same either way round, and so are those of two embeddings.

use crate::builder::Value;
use crate::value::bare;
use downhill_graph::error::Error;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, NodeId, Role};
use downhill_graph::op::Op;
use std::collections::BTreeSet;

/// Losses whose operands may change places.
const SYMMETRIC: [&str; 6] =
    ["squared_error", "absolute_error", "huber", "smooth_l1", "log_cosh", "cosine_embedding"];

/// Whether the loss `name` is given its operands in the wrong order; the mistake is recorded.
pub(super) fn swapped(name: &str, p: &Value, y: &Value) -> bool {
    let (Some(first), Some(second), false) = (p.node(), y.node(), SYMMETRIC.contains(&name)) else {
        return false;
    };

    let builder = p.builder();
    let (role, computed) = builder.with_graph(|graph| (data(graph, first), is_trained(graph, second)));
    let what = match role {
        Some(Role::Target) => "a target",
        Some(Role::Input) if computed => "an input",
        _ => return false,
    };

    let error =
        Error::new(format!("`{name}` takes what the network computes first, but `{}` is {what}", bare(p)));
    builder.error(if computed {
        error.help(format!("write `{name}({}, {})`", bare(y), bare(p)))
    } else {
        error.help("its first operand is the prediction, made of parameters; the target follows")
    });
    true
}

/// Whether the target stands in the place of a third operand, and what the network computes in that of the target; the mistake is recorded.
pub(super) fn swapped_third(name: &str, p: &Value, y: &Value, third: &Value) -> bool {
    let (Some(second), Some(last)) = (y.node(), third.node()) else { return false };
    let builder = p.builder();
    let is_swapped =
        builder.with_graph(|graph| is_trained(graph, second) && data(graph, last) == Some(Role::Target));
    if is_swapped {
        let error = Error::new(format!(
            "`{name}` takes the target second, but `{}` is what the network computes",
            bare(y)
        ));
        builder.error(error.help(format!("write `{name}({}, {}, {})`", bare(p), bare(third), bare(y))));
    }
    is_swapped
}

/// What the data is for whose elements `node` has, arranged or converted.
fn data(graph: &Graph, mut node: NodeId) -> Option<Role> {
    loop {
        let op = graph.op(node);
        if let Op::Input(input) = op {
            return Some(graph.inputs[*input].role);
        }
        let same = op.class() == Class::View || matches!(op, Op::Convert(_) | Op::StopGradient);
        if !same {
            return None;
        }
        node = graph.operand(node, 0);
    }
}

/// Whether a storage makes `node`.
fn is_trained(graph: &Graph, node: NodeId) -> bool {
    let (mut open, mut seen) = (vec![node], BTreeSet::new());
    while let Some(node) = open.pop() {
        if matches!(graph.op(node), Op::Storage(_)) {
            return true;
        }
        if seen.insert(node) {
            open.extend(graph.operands(node));
        }
    }
    false
}
