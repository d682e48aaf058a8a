//! Conditions: what is true or false when the network is built, and chooses between the branches of an `if`.
//!
//! A comparison of tensors is a mask, which each run computes: `select` takes it, an `if` does not.

use crate::builder::{Builder, Value};
use crate::call::Argument;
use downhill_graph::agreement::When;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::rebuild::ancestors;
use std::sync::Arc;

/// Whether the condition of `asks` (`if`, `&&`) holds; `None` after a mistake and where it is unknown.
pub fn condition(builder: &Builder, asks: &str, argument: &Argument) -> Option<bool> {
    let help = match argument {
        Argument::Bool(flag) => return Some(*flag),
        Argument::Unknown => return None,
        Argument::Value(value) if value.node().is_none() => return None,
        Argument::Value(value) => {
            builder.error(undecided(asks, value));
            return None;
        }
        Argument::Dim(_) | Argument::Integer(_) | Argument::Number(_) => "compare it, as in `depth > 0`",
        Argument::Shape(_) | Argument::Initializer(_) | Argument::Word(_) => {
            "compare numbers, sizes or arguments"
        }
    };
    let error = Error::new(format!("`{asks}` needs `true` or `false`, but this is {}", argument.words()));
    builder.error(error.help(help));
    None
}

/// `!argument`.
pub fn not(builder: &Builder, argument: &Argument) -> Argument {
    condition(builder, "!", argument).map_or(Argument::Unknown, |flag| Argument::Bool(!flag))
}

/// `left && right`; the right one counts where the left one holds.
pub fn and(builder: &Builder, left: &Argument, right: impl FnOnce() -> Argument) -> Argument {
    connected(builder, "&&", left, right)
}

/// `left || right`; the right one counts where the left one does not hold.
pub fn or(builder: &Builder, left: &Argument, right: impl FnOnce() -> Argument) -> Argument {
    connected(builder, "||", left, right)
}

fn connected(builder: &Builder, asks: &str, left: &Argument, right: impl FnOnce() -> Argument) -> Argument {
    let decides = asks == "||";
    let holds = match condition(builder, asks, left) {
        Some(left) if left == decides => Some(decides),
        Some(_) => condition(builder, asks, &right()),
        None => None,
    };
    holds.map_or(Argument::Unknown, Argument::Bool)
}

/// What only a run decides.
fn undecided(asks: &str, value: &Value) -> Error {
    if let Some(symbol) = run_size(value) {
        return Error::new(format!(
            "`{symbol}` is not known when the network is built, but `{asks}` decides then"
        ))
        .help("compare arguments of the network, or sizes made of them");
    }

    let what = match value.label() {
        label if label.starts_with('`') => format!("{label} is a tensor"),
        _ => "this is a tensor".to_owned(),
    };
    let error = Error::new(format!(
        "{what}, which each run computes, but `{asks}` decides when the network is built"
    ));
    error.help(match asks {
        "if" => "choose element by element: `select(mask, a, b)`",
        "!" => "of a mask write `not(mask)`",
        "||" => "of masks write `or(a, b)`",
        _ => "of masks write `and(a, b)`",
    })
}

/// The first size that only a run tells, of a value that is made of sizes alone.
fn run_size(value: &Value) -> Option<Arc<str>> {
    let node = value.node()?;
    value.builder().with_graph(|graph| {
        let needed = ancestors(graph, &[node]);
        let mut found = None;
        for op in graph.ids().filter(|id| needed[id.index()]).map(|id| graph.op(id)) {
            if matches!(op, Op::Input(_) | Op::Storage(_)) {
                return None;
            }
            if let Op::DimValue { dim, .. } = op {
                let symbols = dim.symbols();
                found = found.or_else(|| symbols.into_iter().find(|it| graph.when(it) == When::Run));
            }
        }
        found
    })
}
