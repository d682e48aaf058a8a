//! Fusion: which values are stored, and which of those share a kernel.
//!
//! In: a prepared graph. Out: [`Fused`]: groups of *roots* (stored values) in an order of evaluation. Every other value is computed
//! inside the kernels that need it.
//!
//! Must hold: all choices depend on the graph alone, never on the target (D9).
//!
//! # Decisions
//!
//! - A value whose recomputation would take 512 others is stored, and a kernel of 1,024 statements takes no more roots: compile time
//!   grows faster than the length of a function. No bit depends on it.

use super::group::{Group, group};
use super::root::{Read, domain, is_view_of_all, moved_anyhow, root, root_of_rows};
use crate::fusion::prepare::{Prepared, innermost_axis};
use crate::fusion::rows::RowUpdate;
use crate::fusion::spread::{is_bare, spread_values};
use downhill_graph::facts::{Class, Cost};
use downhill_graph::graph::{Graph, NodeId, bug};
use downhill_graph::op::Op;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The result of fusion.
#[derive(Debug)]
pub struct Fused {
    /// The groups, each after those it reads.
    pub groups: Vec<Group>,
    /// All roots.
    pub stored: BTreeSet<NodeId>,
    /// The updates among them that store few rows.
    pub(crate) row_updates: BTreeMap<NodeId, RowUpdate>,
}

impl Fused {
    /// Panics unless every stored value is a root of one group, and groups stand behind those that they read.
    pub(crate) fn verify(&self) {
        let mut made: BTreeSet<NodeId> = BTreeSet::new();
        for (number, group) in self.groups.iter().enumerate() {
            for root in &group.roots {
                if !made.insert(root.node) {
                    bug(&format!("%{} is made twice, again in group {number}", root.node.index()));
                }
                let missing = |read: &&Read| self.stored.contains(&read.node) && !made.contains(&read.node);
                if let Some(read) = root.reads.iter().find(missing) {
                    let (node, read) = (root.node.index(), read.node.index());
                    bug(&format!("%{node} of group {number} reads %{read} before it is made"));
                }
            }
        }
        if made != self.stored {
            bug("values that are stored are not those that groups make");
        }
    }

    /// The groups with their roots, in words.
    pub(crate) fn describe(&self, graph: &Graph) -> String {
        let mut text = String::new();
        for (number, group) in self.groups.iter().enumerate() {
            let _ = writeln!(text, "group {number}");
            for root in &group.roots {
                let _ = writeln!(text, "  %{}: {}", root.node.index(), graph.ty(root.node));
            }
        }
        text
    }
}

/// Fuses. `looked_up` are the inputs whose rows go through a table: what reads them other than row by row needs a copy.
pub fn fuse(Prepared { graph, row_updates }: &Prepared, looked_up: &BTreeSet<NodeId>) -> Fused {
    let mut stored = choose_stored(graph, looked_up);
    // Their indices are read again when the rows are stored, so they are computed once.
    for update in row_updates.values() {
        stored.extend([update.rows, update.indices]);
    }
    let root_of = |stored: &BTreeSet<NodeId>, node: NodeId| match row_updates.get(&node) {
        Some(update) => root_of_rows(graph, node, update),
        None => root(graph, stored, node),
    };
    let roots =
        |stored: &BTreeSet<NodeId>| stored.iter().map(|&node| root_of(stored, node)).collect::<Vec<_>>();
    let first = roots(&stored);
    let copied: BTreeSet<NodeId> = first
        .iter()
        .flat_map(|root| &root.reads)
        .filter(|read| looked_up.contains(&read.node) && !by_row(read))
        .map(|read| read.node)
        .collect();
    stored.extend(&copied);
    let all = if copied.is_empty() { first } else { roots(&stored) };
    let groups = group(graph, all, row_updates.keys().copied().collect());
    Fused { groups, stored, row_updates: row_updates.clone() }
}

fn by_row(read: &Read) -> bool {
    let row = &read.index[0];
    let mut terms = row.terms.values();
    matches!((terms.next(), terms.next()), (Some(one), None) if one.is(1))
        && row.constant.as_constant().is_some()
}

fn choose_stored(graph: &Graph, looked_up: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let mut spread = spread_values(graph);
    spread.retain(|id| matches!(graph.op(*id), Op::Pad(paddings) if is_bare(paddings)));
    let mut stored: BTreeSet<NodeId> = graph.results.iter().map(|(_, id)| *id).collect();
    let users = graph.users();
    let mut cost = vec![0_u32; graph.len()];
    // How many values a user would compute for it, itself included, where it is not stored.
    let mut length = vec![0_u32; graph.len()];
    // Scalars of sizes and hyper-parameters alone: every kernel computes them once, before its loops.
    let mut free = vec![false; graph.len()];
    for id in graph.ids() {
        let operands = graph.operands(id);
        let class = graph.op(id).class();
        free[id.index()] = graph.shape(id).rank() == 0
            && matches!(class, Class::Source | Class::Elementwise | Class::Marker)
            && operands.iter().all(|operand| free[operand.index()]);
        match class {
            Class::Fold => {
                let summed = beneath_moves(graph, &stored, operands[0]);
                if domain(graph, id).is_empty() && gathers(graph, &stored, summed) {
                    stored.insert(summed);
                }
                stored.insert(id);
            }
            // An element is found by its position in memory.
            Class::Gather => {
                let source = beneath_views_of_all(graph, &stored, operands[0]);
                if !in_memory(graph, source) {
                    stored.insert(source);
                }
            }
            // Products see its elements alone, without the zeros between them.
            Class::Pieces if spread.contains(&id) => {
                let elements = beneath_moves(graph, &stored, operands[0]);
                if computed(graph, elements) {
                    stored.insert(elements);
                }
                continue;
            }
            Class::Pieces | Class::Scatter => {
                stored.insert(id);
            }
            Class::Prefix => {
                let operand = beneath_moves(graph, &stored, operands[0]);
                if is_costly_to_sum(graph, id, cost[operand.index()]) && computed(graph, operand) {
                    stored.insert(operand);
                }
                stored.insert(id);
            }
            Class::Contraction => {
                stored.insert(id);
                // Each element of an operand is read many times: computed once, in memory.
                for &operand in &operands {
                    let base = beneath_moves(graph, &stored, operand);
                    if computed(graph, base) && !spread.contains(&base) {
                        stored.insert(base);
                    }
                }
            }
            // An element of a reshaped value is found by its position in memory, so the value must be stored.
            Class::View
                if moved_anyhow(graph, id).is_none()
                    && (looked_up.contains(&operands[0]) || !in_memory(graph, operands[0])) =>
            {
                stored.insert(operands[0]);
            }
            // What each turn reads lies in memory.
            Class::Loop => {
                let lies = |node: &&NodeId| matches!(graph.op(**node), Op::Input(_) | Op::Storage(_));
                stored.extend(operands.iter().filter(|node| !lies(node)));
                stored.insert(id);
            }
            Class::View | Class::Source | Class::Elementwise | Class::Marker => {}
        }
        let inline = || operands.iter().filter(|operand| !stored.contains(operand)).map(|id| id.index());
        cost[id.index()] =
            inline().map(|id| cost[id]).fold(graph.op(id).facts().cost.again, u32::saturating_add);
        length[id.index()] = inline().map(|id| length[id]).fold(1, u32::saturating_add);
        let users = users.of(id);
        let repeated = users.len() > 1 || users.iter().any(|&user| widens(graph, user));
        let worth = cost[id.index()] >= WORTH_STORING && repeated && computed(graph, id) && !free[id.index()];
        if worth || length[id.index()] >= LONG {
            stored.insert(id);
        }
    }
    stored
}

/// Whether a value is made of several that would have to be stored for it: a fold to one number shares no loop with what makes
/// them, so that one array is written and read for it instead of each of theirs.
fn gathers(graph: &Graph, stored: &BTreeSet<NodeId>, value: NodeId) -> bool {
    let fold = |node: NodeId| matches!(graph.op(node).class(), Class::Fold | Class::Contraction);
    let made: BTreeSet<NodeId> = root(graph, stored, value)
        .reads
        .iter()
        .map(|read| read.node)
        .filter(|&node| computed(graph, node) && !fold(node))
        .collect();
    computed(graph, value) && !stored.contains(&value) && made.len() > 1
}

/// Whether the operand of a cumulative sum is better computed in a kernel of its own: along the innermost axis, sums run one element
/// at a time, and so would a function that a whole vector takes no longer for.
fn is_costly_to_sum(graph: &Graph, sum: NodeId, cost: u32) -> bool {
    let Op::CumulativeSum { axis } = graph.op(sum) else { return false };
    cost >= Cost::TRANSCENDENTAL.again && innermost_axis(graph, graph.operand(sum, 0)) == Some(*axis)
}

/// A value that costs as much as this many additions is computed once and stored when it is needed twice.
const WORTH_STORING: u32 = 4;

/// A value whose recomputation would take so many others is stored, so that no kernel grows without bound.
const LONG: u32 = 512;

/// Neither a source nor a mere move: something arithmetic made it.
fn computed(graph: &Graph, id: NodeId) -> bool {
    let facts = graph.op(id).facts();
    match facts.class {
        // Random bits are a source, but a computed one.
        Class::Source => facts.cost > Cost::NOTHING,
        Class::View => false,
        Class::Elementwise
        | Class::Fold
        | Class::Prefix
        | Class::Contraction
        | Class::Pieces
        | Class::Gather
        | Class::Scatter
        | Class::Loop
        | Class::Marker => true,
    }
}

/// Lies in memory, or is the same everywhere.
fn in_memory(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Input(_) | Op::Storage(_) | Op::Constant(_))
}

fn is_move(graph: &Graph, id: NodeId) -> bool {
    graph.op(id).class() == Class::View
}

/// True for a broadcast that repeats its operand.
fn widens(graph: &Graph, id: NodeId) -> bool {
    let Op::Broadcast { shape, axes } = graph.op(id) else { return false };
    shape.dims().iter().enumerate().any(|(axis, dim)| !axes.contains(&axis) && !dim.is(1))
}

fn beneath_moves(graph: &Graph, stored: &BTreeSet<NodeId>, mut id: NodeId) -> NodeId {
    while is_move(graph, id) && !stored.contains(&id) {
        id = graph.operand(id, 0);
    }
    id
}

/// What a lookup reads: see [`is_view_of_all`].
fn beneath_views_of_all(graph: &Graph, stored: &BTreeSet<NodeId>, mut id: NodeId) -> NodeId {
    while !stored.contains(&id) && is_view_of_all(graph, id) {
        id = graph.operand(id, 0);
    }
    id
}
