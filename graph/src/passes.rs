//! Passes: smaller graphs of the same meaning.
//!
//! In: a graph. Out: another, with the same inputs, storages and purposes of results. Passes are free functions; all of them
//! treat the bodies of loops like the graph around them, and start from what results need.
//!
//! Must hold: a result that is finite, infinite or NaN stays so, and moves by rounding only; but where an infinity or a zero comes
//! from an intermediate result alone, a pass may give the right value instead. The sign of a zero is no part of that.

mod bind;
mod simplify;

mod loops;

pub use bind::bind;
pub use loops::prune_loops;
pub use simplify::simplify;

use crate::facts::Class;
use crate::graph::{Graph, bug};
use crate::rebuild::{live, rebuild};
use crate::verify::verify;

/// All passes, in order.
pub fn optimize(graph: &Graph) -> Graph {
    // Numbers first: equal sizes become the same size, and with them equal nodes the same node.
    let graph = checked("bind", bind(graph, &graph.bindings));
    // Nothing is differentiated any more, so the markers only hide equal nodes from each other.
    let graph = if has_gradient_markers(&graph) {
        checked("erase_gradient_markers", erase_gradient_markers(&graph))
    } else {
        graph
    };
    let graph = checked("simplify", simplify(&graph));
    if has_loops(&graph) {
        checked("prune_loops", prune_loops(&graph))
    } else if live(&graph).into_iter().all(|live| live) {
        graph
    } else {
        checked("eliminate_dead", eliminate_dead(&graph))
    }
}

/// Whether `erase_gradient_markers` may have something to do.
fn has_gradient_markers(graph: &Graph) -> bool {
    graph.ids().any(|id| matches!(graph.op(id).class(), Class::Marker | Class::Loop))
}

fn has_loops(graph: &Graph) -> bool {
    graph.ids().any(|id| graph.op(id).class() == Class::Loop)
}

/// Drops the nodes that no result needs; the tables of inputs and storages stay.
pub fn eliminate_dead(graph: &Graph) -> Graph {
    rebuild(graph, &eliminate_dead, &mut |graph, op, operands| graph.add(op, operands))
}

/// Removes what only differentiation looks at: `StopGradient`, and `Surrogate` and `Pullback`, of which the value stays.
pub fn erase_gradient_markers(graph: &Graph) -> Graph {
    rebuild(graph, &erase_gradient_markers, &mut |graph, op, operands| {
        if op.class() == Class::Marker { operands[0] } else { graph.add(op, operands) }
    })
}

/// Runs the verifier in debug builds.
fn checked(pass: &str, graph: Graph) -> Graph {
    if cfg!(debug_assertions)
        && let Err(errors) = verify(&graph)
    {
        bug(&format!("after `{pass}`: {errors}"));
    }
    graph
}
