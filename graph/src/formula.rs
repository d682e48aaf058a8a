//! A graph as formulas: what a person would write on paper.
//!
//! In: a graph, best an entry's, simplified. Out: a line for each named or shared value, then one for each result:
//! `∂loss/∂h.weight = xᵀ · ((p − y)/batch · p.weightᵀ ⊙ [h > 0])`.
//!
//! `·` is the matrix product, or a number times a tensor; `⊙` multiplies element by element; `[…]` is 1 where the comparison holds,
//! else 0. Broadcasts, conversions between floats, markers of differentiation and axes of size 1 are not written.

mod expression;

pub(crate) use expression::{Expressions, is_transparent};

use crate::graph::{Graph, NodeId, Purpose};
use crate::op::Op;
use crate::rebuild::live;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

impl Graph {
    /// The graph's results as formulas, with a line for each value that has a name or is used more than once.
    pub fn to_formulas(&self) -> String {
        let names = names(self);
        let expressions = Expressions { graph: self, name: &|id| names.get(&id).cloned() };

        let mut text = String::new();
        for (&id, name) in &names {
            if !is_leaf(self, id) {
                let _ = writeln!(text, "{name} = {}", expressions.definition(id));
            }
        }

        if !text.is_empty() {
            text.push('\n');
        }

        // Gradients are written with the loss's name.
        let loss = self.results.iter().find_map(|(purpose, _)| match purpose {
            Purpose::Loss(name) => Some(name.clone()),
            _ => None,
        });
        let loss = loss.as_deref().unwrap_or("loss");

        for (purpose, id) in &self.results {
            let left = match purpose {
                Purpose::Output(name) | Purpose::Loss(name) => format!("{name} ="),
                Purpose::Gradient(name) => format!("∂{loss}/∂{name} ="),
                Purpose::Update(index) => format!("{} ←", self.storages[*index].name),
            };
            let right = expressions.text(*id);
            if left != format!("{right} =") {
                let _ = writeln!(text, "{left} {right}");
            }
        }

        text
    }
}

/// An expression nested as deeply as this gets a line and a name of its own.
pub(crate) const DEEPEST: usize = 32;

/// What values are called: inputs, storages and the declaration's names; `t1`, `t2`, … where one is used more than once or has become
/// too deep to be read.
fn names(graph: &Graph) -> BTreeMap<NodeId, String> {
    let live = live(graph);
    let reads = reads(graph, &live);
    let losses = graph.results.iter().filter_map(|(purpose, id)| match purpose {
        Purpose::Loss(name) => Some((*id, name.clone())),
        _ => None,
    });
    let losses: HashMap<NodeId, _> = losses.collect();

    // Per node: how deeply expressions are nested in what is written for it.
    let mut depth = vec![0_usize; graph.len()];
    let mut names = BTreeMap::new();
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut shared = 0;
    for id in graph.ids().filter(|id| live[id.index()]) {
        let inside = graph.operands_of(id).iter().map(|operand| depth[operand.index()]);
        let deep = inside.max().map_or(0, |inside| inside + 1);
        depth[id.index()] = deep;

        let label = graph.leaf_name(id).or(graph.label(id)).or(losses.get(&id)).cloned();
        let name = match label {
            Some(label) => label.to_string(),
            None if deep >= DEEPEST || reads[id.index()] > 1 && is_worth_a_line(graph, id) => {
                shared += 1;
                format!("t{shared}")
            }
            None => continue,
        };

        // A named value is written as its name.
        depth[id.index()] = 0;
        let count = taken.entry(name.clone()).or_default();
        *count += 1;
        names.insert(id, if *count == 1 { name } else { format!("{name}#{count}") });
    }

    names
}

/// How often formulas mention each node. A read of a node that is not written counts for the node behind it.
fn reads(graph: &Graph, live: &[bool]) -> Vec<usize> {
    let mut reads = vec![0; graph.len()];
    for (_, id) in &graph.results {
        reads[id.index()] += 1;
    }
    for id in graph.ids().rev().filter(|id| live[id.index()]) {
        // An operand of an expression that is written at each use is read once for each use.
        let times = if is_transparent(graph, id) { reads[id.index()] } else { 1 };
        for operand in expression::mentioned(graph, id) {
            reads[operand.index()] += times;
        }
    }
    reads
}

fn is_leaf(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Input(_) | Op::Storage(_))
}

/// Whether a value gets a line of its own. What is as short as a name does not, nor does a comparison with a number, which reads well
/// inside an expression.
fn is_worth_a_line(graph: &Graph, id: NodeId) -> bool {
    let short =
        matches!(graph.op(id), Op::Constant(_) | Op::DimValue { .. } | Op::Iota { .. } | Op::Compare(_));
    !short && !is_transparent(graph, id) && !is_short_transpose(graph, id)
}

fn is_short_transpose(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Transpose(_)) && is_leaf(graph, graph.operand(id, 0))
}
