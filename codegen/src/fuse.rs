//! Fusion: which values are stored, and which of them one kernel makes together.
//!
//! In: a prepared graph. Out: [`Fused`]: groups of *roots* (stored values) in an order of evaluation. Whatever is no root is
//! computed inside the kernels that need it.
//!
//! Must hold:
//! - no group depends on itself through another group;
//! - within a group, a root that shares a loop nest with an earlier root reads it at the very same index (it is still in a register)
//!   or after the earlier one's inner loop has ended;
//! - what is decided depends on the graph alone, never on the target (D9).

use crate::affine::{Affine, Axis, moved};
use crate::prepare::innermost_axis;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::op::{Binary, Op, Unary};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A stored value.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its node.
    pub node: NodeId,
    /// The axes of its shape that are not 1, outermost first: (position in the shape, size).
    pub domain: Vec<(usize, Dim)>,
    /// The stored values and sources its computation reads.
    reads: Vec<Read>,
    /// It computes a transcendental function of each of its elements (rather than inside a fold).
    heavy: bool,
}

/// An element read: of `node`, at `index` in terms of the root's own axes (numbered by their place in `domain`) and inner ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Read {
    node: NodeId,
    index: Vec<Affine>,
}

/// Roots that one kernel makes.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// In the order in which they are made.
    pub roots: Vec<Root>,
}

/// The outcome.
#[derive(Debug)]
pub struct Fused {
    /// The groups, each after those it reads.
    pub groups: Vec<Group>,
    /// All roots.
    pub stored: BTreeSet<NodeId>,
}

/// The first axis number that is not a root's own.
const INNER_AXES: u32 = 1 << 16;

/// Fuses. `looked_up` are the inputs whose rows go through a table: what reads them other than row by row needs a copy.
pub fn fuse(graph: &Graph, looked_up: &BTreeSet<NodeId>) -> Fused {
    let mut stored = choose_stored(graph, looked_up);
    let roots =
        |stored: &BTreeSet<NodeId>| stored.iter().map(|&node| root(graph, stored, node)).collect::<Vec<_>>();
    let first = roots(&stored);
    let copied: BTreeSet<NodeId> = first
        .iter()
        .flat_map(|root| &root.reads)
        .filter(|read| looked_up.contains(&read.node) && !by_row(read))
        .map(|read| read.node)
        .collect();
    stored.extend(&copied);
    let all = if copied.is_empty() { first } else { roots(&stored) };
    Fused { groups: group(graph, all), stored }
}

fn by_row(read: &Read) -> bool {
    let row = &read.index[0];
    let mut terms = row.terms.values();
    matches!((terms.next(), terms.next()), (Some(one), None) if one.is(1))
        && row.constant.as_constant().is_some()
}

fn choose_stored(graph: &Graph, looked_up: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let mut stored: BTreeSet<NodeId> = graph.results.iter().map(|(_, id)| *id).collect();
    let mut cost = vec![0_u32; graph.len()];
    // Scalars of sizes and hyper-parameters alone: every kernel computes them once, before its loops.
    let mut free = vec![false; graph.len()];
    for id in graph.ids() {
        let operands = graph.operands(id);
        free[id.index()] = graph.shape(id).rank() == 0
            && !matches!(
                graph.op(id),
                Op::Reduce { .. } | Op::DotGeneral { .. } | Op::Reshape(_) | Op::Slice(_) | Op::Scan { .. }
            )
            && operands.iter().all(|operand| free[operand.index()]);
        match graph.op(id) {
            Op::Reduce { .. } => {
                let summed = beneath_moves(graph, &stored, operands[0]);
                if domain(graph, id).is_empty() && gathers(graph, &stored, summed) {
                    stored.insert(summed);
                }
                stored.insert(id);
            }
            Op::Pad(_) | Op::Concatenate { .. } => {
                stored.insert(id);
            }
            Op::DotGeneral { .. } => {
                stored.insert(id);
                // Each element of an operand is read many times: computed once, in memory.
                for &operand in &operands {
                    let base = beneath_moves(graph, &stored, operand);
                    if computed(graph, base) {
                        stored.insert(base);
                    }
                }
            }
            // The element at a place of a reshaped value is found by its position in memory: there has to be one.
            Op::Reshape(_)
                if moved_anyhow(graph, id).is_none()
                    && (looked_up.contains(&operands[0]) || !in_memory(graph, operands[0])) =>
            {
                stored.insert(operands[0]);
            }
            _ => {}
        }
        let inline =
            operands.iter().filter(|operand| !stored.contains(operand)).map(|operand| cost[operand.index()]);
        cost[id.index()] = inline.fold(own_cost(graph.op(id)), u32::saturating_add);
        let users = graph.users(id);
        let repeated = users.len() > 1 || users.iter().any(|&user| widens(graph, user));
        if cost[id.index()] >= WORTH_STORING && repeated && computed(graph, id) && !free[id.index()] {
            stored.insert(id);
        }
    }
    stored
}

/// Whether a value is made of several that would have to be stored for it: a fold to one number shares no loop with what makes
/// them, so that one array is written and read for it instead of each of theirs.
fn gathers(graph: &Graph, stored: &BTreeSet<NodeId>, value: NodeId) -> bool {
    let fold = |node: NodeId| matches!(graph.op(node), Op::Reduce { .. } | Op::DotGeneral { .. });
    let made: BTreeSet<NodeId> = root(graph, stored, value)
        .reads
        .iter()
        .map(|read| read.node)
        .filter(|&node| computed(graph, node) && !fold(node))
        .collect();
    computed(graph, value) && !stored.contains(&value) && made.len() > 1
}

/// A value that costs as much as this many additions is computed once and stored when it is needed twice.
const WORTH_STORING: u32 = 4;

/// What a transcendental function costs, in additions.
const TRANSCENDENTAL: u32 = 16;

fn own_cost(op: &Op) -> u32 {
    match op {
        Op::Unary(Unary::Neg | Unary::Abs | Unary::Not | Unary::Floor | Unary::IsFinite | Unary::Sign) => 1,
        Op::Unary(Unary::Sqrt) | Op::Binary(Binary::Div) => 4,
        Op::Unary(_) | Op::Binary(Binary::Pow) => TRANSCENDENTAL,
        Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Convert(_) => 1,
        Op::RandomBits { .. } => 64,
        _ => 0,
    }
}

/// Neither a source nor a mere move: something arithmetic made it.
fn computed(graph: &Graph, id: NodeId) -> bool {
    let source = matches!(
        graph.op(id),
        Op::Input(_) | Op::Storage(_) | Op::Constant(_) | Op::Iota { .. } | Op::DimValue { .. }
    );
    !source && !is_move(graph, id)
}

/// Lies in memory, or is the same everywhere.
fn in_memory(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::Input(_) | Op::Storage(_) | Op::Constant(_))
}

fn is_move(graph: &Graph, id: NodeId) -> bool {
    matches!(
        graph.op(id),
        Op::Transpose(_) | Op::Broadcast { .. } | Op::Slice(_) | Op::Reverse(_) | Op::Reshape(_)
    )
}

/// True for a broadcast that repeats its operand.
fn widens(graph: &Graph, id: NodeId) -> bool {
    match graph.op(id) {
        Op::Broadcast { shape, axes } => {
            shape.dims().iter().enumerate().any(|(axis, dim)| !axes.contains(&axis) && !dim.is(1))
        }
        _ => false,
    }
}

fn beneath_moves(graph: &Graph, stored: &BTreeSet<NodeId>, mut id: NodeId) -> NodeId {
    while is_move(graph, id) && !stored.contains(&id) {
        id = graph.operand(id, 0);
    }
    id
}

/// The index mapping of a move, at a place in general position.
fn moved_anyhow(graph: &Graph, id: NodeId) -> Option<Vec<Affine>> {
    let index: Vec<Affine> =
        (0..graph.shape(id).rank() as u32).map(|axis| Affine::axis(Axis(axis))).collect();
    moved(graph, id, &index)
}

/// The axes of a shape that are not 1.
pub fn domain(graph: &Graph, node: NodeId) -> Vec<(usize, Dim)> {
    graph.shape(node).dims().iter().cloned().enumerate().filter(|(_, dim)| !dim.is(1)).collect()
}

/// Index of an element of `node`, given the axis of each entry of its domain; axes of size 1 have index 0.
pub fn identity_index(graph: &Graph, node: NodeId, axes: &[Axis]) -> Vec<Affine> {
    let mut index = vec![Affine::default(); graph.shape(node).rank()];
    for ((position, _), axis) in domain(graph, node).iter().zip(axes) {
        index[*position] = Affine::axis(*axis);
    }
    index
}

fn root(graph: &Graph, stored: &BTreeSet<NodeId>, node: NodeId) -> Root {
    let domain = domain(graph, node);
    let axes: Vec<Axis> = (0..domain.len() as u32).map(Axis).collect();
    let index = identity_index(graph, node, &axes);
    let mut walk =
        Walk { graph, stored, reads: Vec::new(), heavy: false, seen: HashSet::new(), inner: INNER_AXES };
    walk.definition(node, &index);
    Root { node, domain, reads: walk.reads, heavy: walk.heavy }
}

/// Follows a root's computation down to what it reads.
struct Walk<'a> {
    graph: &'a Graph,
    stored: &'a BTreeSet<NodeId>,
    reads: Vec<Read>,
    heavy: bool,
    seen: HashSet<Read>,
    inner: u32,
}

impl Walk<'_> {
    fn value(&mut self, node: NodeId, index: &[Affine]) {
        let read = Read { node, index: index.to_vec() };
        if !self.seen.insert(read.clone()) {
            return;
        }
        if self.stored.contains(&node) || matches!(self.graph.op(node), Op::Input(_) | Op::Storage(_)) {
            self.reads.push(read);
        } else {
            self.definition(node, index);
        }
    }

    fn definition(&mut self, node: NodeId, index: &[Affine]) {
        let operands = self.graph.operands(node);
        let mut axes = index.iter().flat_map(|i| i.terms.keys());
        let each_element =
            axes.next().is_some_and(|axis| axis.0 < INNER_AXES) && axes.all(|axis| axis.0 < INNER_AXES);
        self.heavy |= each_element && own_cost(self.graph.op(node)) >= TRANSCENDENTAL;
        match self.graph.op(node) {
            Op::Input(_) | Op::Storage(_) => self.reads.push(Read { node, index: index.to_vec() }),
            Op::Reduce { .. } | Op::DotGeneral { .. } | Op::Pad(_) | Op::Concatenate { .. } => {
                for (side, operand) in operands.into_iter().enumerate() {
                    let index = self.fresh(self.graph.shape(operand).rank(), index, node, side);
                    self.value(operand, &index);
                }
            }
            Op::Reshape(_) if moved(self.graph, node, index).is_none() => {
                let index = self.unrelated(self.graph.shape(operands[0]).rank());
                self.value(operands[0], &index);
            }
            _ if is_move(self.graph, node) => {
                if let Some(index) = moved(self.graph, node, index) {
                    self.value(operands[0], &index);
                }
            }
            _ => operands.iter().for_each(|&operand| self.value(operand, index)),
        }
    }

    fn unrelated(&mut self, rank: usize) -> Vec<Affine> {
        let first = self.inner;
        self.inner += rank as u32;
        (first..self.inner).map(|axis| Affine::axis(Axis(axis))).collect()
    }

    /// The index of the operand at `side` of a folding op: the result's where an axis is kept, an inner axis elsewhere.
    fn fresh(&mut self, rank: usize, index: &[Affine], node: NodeId, side: usize) -> Vec<Affine> {
        let mut result = self.unrelated(rank);
        match self.graph.op(node) {
            Op::Reduce { axes, .. } => {
                let kept = (0..rank).filter(|axis| !axes.contains(axis));
                kept.zip(index).for_each(|(axis, i)| result[axis] = i.clone());
            }
            Op::DotGeneral { batch, contract } => {
                let kept = &dot_axes(self.graph, node, batch, contract)[side];
                kept.iter().for_each(|&(axis, place)| result[axis] = index[place].clone());
            }
            _ => {}
        }
        result
    }
}

/// For each operand of a product: (its axis, the result's axis) of all axes that are not summed over.
pub fn dot_axes(
    graph: &Graph,
    node: NodeId,
    batch: &[(usize, usize)],
    contract: &[(usize, usize)],
) -> [Vec<(usize, usize)>; 2] {
    let mut next = batch.len();
    [0, 1].map(|side| {
        let own = |pair: &(usize, usize)| if side == 0 { pair.0 } else { pair.1 };
        let mut kept: Vec<(usize, usize)> =
            batch.iter().enumerate().map(|(place, pair)| (own(pair), place)).collect();
        for axis in 0..graph.shape(graph.operand(node, side)).rank() {
            if !batch.iter().chain(contract).any(|pair| own(pair) == axis) {
                kept.push((axis, next));
                next += 1;
            }
        }
        kept
    })
}

/// Groups being made, with what they depend on.
struct Grouping<'a> {
    graph: &'a Graph,
    groups: Vec<Group>,
    /// All groups that a group needs, directly or not.
    needs: Vec<BTreeSet<usize>>,
    home: BTreeMap<NodeId, usize>,
    updates: BTreeSet<NodeId>,
    losses: BTreeSet<NodeId>,
}

fn group(graph: &Graph, roots: Vec<Root>) -> Vec<Group> {
    let results = |wanted: fn(&Purpose) -> bool| {
        graph.results.iter().filter(|(p, _)| wanted(p)).map(|(_, id)| *id).collect()
    };
    let mut grouping = Grouping {
        graph,
        groups: Vec::new(),
        needs: Vec::new(),
        home: BTreeMap::new(),
        updates: results(|purpose| matches!(purpose, Purpose::Update(_))),
        losses: results(|purpose| matches!(purpose, Purpose::Loss(_))),
    };
    // A storage may change only after the loss is known to be finite: losses are placed before updates.
    let (updates, others): (Vec<Root>, Vec<Root>) =
        roots.into_iter().partition(|root| grouping.updates.contains(&root.node));
    let early = grouping.needed_by(&others, &updates);
    let mut late: Vec<Root> = Vec::new();
    for root in others {
        if early.contains(&root.node) { grouping.place(root) } else { late.push(root) }
    }
    late.extend(updates);
    late.sort_by_key(|root| root.node);
    late.into_iter().for_each(|root| grouping.place(root));
    grouping.in_order()
}

impl Grouping<'_> {
    /// The roots that do not need an updated value: all but those that read one.
    fn needed_by(&self, others: &[Root], updates: &[Root]) -> BTreeSet<NodeId> {
        let mut late: BTreeSet<NodeId> = updates.iter().map(|root| root.node).collect();
        let mut early = BTreeSet::new();
        for root in others {
            if root.reads.iter().any(|read| late.contains(&read.node)) {
                late.insert(root.node);
            } else {
                early.insert(root.node);
            }
        }
        early
    }

    fn place(&mut self, root: Root) {
        let mut direct: BTreeSet<usize> =
            root.reads.iter().filter_map(|read| self.home.get(&read.node)).copied().collect();
        let is_update = self.updates.contains(&root.node);
        if is_update {
            direct.extend(self.losses.iter().filter_map(|loss| self.home.get(loss)));
        }
        // What made the operands comes first: they may still be in registers.
        let others = (0..self.groups.len()).rev().filter(|candidate| !direct.contains(candidate));
        let found = direct
            .iter()
            .rev()
            .copied()
            .chain(others)
            .find(|&candidate| self.accepts(candidate, &root, &direct, is_update));
        let home = found.unwrap_or_else(|| {
            self.groups.push(Group::default());
            self.needs.push(BTreeSet::new());
            self.groups.len() - 1
        });
        self.home.insert(root.node, home);
        self.groups[home].roots.push(root);
        direct.remove(&home);
        let mut needs: BTreeSet<usize> = direct.iter().flat_map(|&group| self.needs[group].clone()).collect();
        needs.extend(direct);
        for group in 0..self.groups.len() {
            if group == home || self.needs[group].contains(&home) {
                self.needs[group].extend(&needs);
            }
        }
    }

    fn accepts(&self, candidate: usize, root: &Root, direct: &BTreeSet<usize>, is_update: bool) -> bool {
        let group = &self.groups[candidate];
        let through_another =
            direct.iter().any(|&other| other != candidate && self.needs[other].contains(&candidate));
        let makes_loss = group.roots.iter().any(|other| self.losses.contains(&other.node));
        if through_another || (is_update && makes_loss) || self.stands_alone(root) {
            return false;
        }
        if group.roots.iter().any(|other| self.stands_alone(other)) {
            return false;
        }
        let is_product =
            |root: &Root| root.domain.len() > 1 && matches!(self.graph.op(root.node), Op::DotGeneral { .. });
        let product = group.roots.iter().any(is_product);
        let reads_it = direct.contains(&candidate);
        if is_product(root) || (product && !reads_it) {
            return false;
        }
        group.roots.iter().all(|other| {
            let shared = shared_axes(root, other);
            if self.wastes_lanes(root, other) || self.wastes_lanes(other, root) {
                return false;
            }
            let fits = shared == root.domain.len() && shared == other.domain.len()
                || (!product
                    && reads_it
                    && shared > 0
                    && shared == root.domain.len().min(other.domain.len()));
            fits && root
                .reads
                .iter()
                .filter(|read| read.node == other.node)
                .all(|read| in_step(read, other, shared))
        })
    }

    /// Whether costly work of `root`, wide in a kernel of its own, would be done one element at a time beside `other`: because the
    /// lanes of that kernel belong to a fold, or to an axis that `root` does not have.
    fn wastes_lanes(&self, root: &Root, other: &Root) -> bool {
        let takes_lanes = match root.domain.len().cmp(&other.domain.len()) {
            Ordering::Less => !folds_innermost(self.graph, root.node),
            Ordering::Equal => folds_innermost(self.graph, other.node),
            Ordering::Greater => false,
        };
        root.heavy && takes_lanes
    }

    /// Made by several loop nests of its own: zeros first, then pieces.
    fn stands_alone(&self, root: &Root) -> bool {
        matches!(self.graph.op(root.node), Op::Pad(_) | Op::Concatenate { .. })
    }

    /// Groups in an order of evaluation that stays close to the order in which they were made.
    fn in_order(self) -> Vec<Group> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        // A group needs strictly more groups than any group it needs.
        order.sort_by_key(|&group| (self.needs[group].len(), group));
        let mut groups: Vec<Option<Group>> = self.groups.into_iter().map(Some).collect();
        order.into_iter().filter_map(|group| groups[group].take()).collect()
    }
}

/// Whether a fold goes over elements that lie next to each other, so that its lanes are best along the fold.
fn folds_innermost(graph: &Graph, node: NodeId) -> bool {
    let folded: Vec<usize> = match graph.op(node) {
        Op::Reduce { axes, .. } => axes.clone(),
        Op::DotGeneral { contract, .. } if domain(graph, node).len() <= 1 => {
            contract.iter().map(|pair| pair.0).collect()
        }
        _ => return false,
    };
    innermost_axis(graph, graph.operand(node, 0)).is_some_and(|axis| folded.contains(&axis))
}

/// How many outer axes two roots have in common.
fn shared_axes(a: &Root, b: &Root) -> usize {
    a.domain.iter().zip(&b.domain).take_while(|((_, x), (_, y))| x == y).count()
}

/// True when `read`, an element of `other`, is of the same turn of the `shared` outer loops.
fn in_step(read: &Read, other: &Root, shared: usize) -> bool {
    (0..shared).all(|place| {
        let (position, _) = other.domain[place];
        read.index[position].as_axis() == Some(Axis(place as u32))
    })
}
