//! Stored values: what computing one reads.
//!
//! In: a graph, and which of its values are stored. Out: a [`Root`] for a stored value.

use crate::fusion::rows::RowUpdate;
use crate::ir::affine::{Affine, Axis, moved};
use downhill_graph::dim::Dim;
use downhill_graph::facts::{Class, Cost};
use downhill_graph::graph::{Graph, NodeId, bug};
use downhill_graph::hash::Set;
use downhill_graph::op::Op;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A stored value.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its node.
    pub node: NodeId,
    /// The axes of its shape that are not 1, outermost first: (position in the shape, size).
    pub domain: Vec<(usize, Dim)>,
    /// The stored values and sources its computation reads.
    pub(crate) reads: Vec<Read>,
    /// It computes a transcendental function of each of its elements (rather than inside a fold).
    pub(crate) heavy: bool,
    /// How many values its computation goes through.
    pub(crate) statements: usize,
}

/// An element read: of `node`, at `index` in terms of the root's own axes (numbered by their position in `domain`) and inner ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Read {
    pub(crate) node: NodeId,
    pub(crate) index: Rc<[Affine]>,
}

/// The first axis number that is not a root's own.
const INNER_AXES: u32 = 1 << 16;

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

/// The root that stores rows of an update, which are stored themselves.
pub(crate) fn root_of_rows(graph: &Graph, node: NodeId, update: &RowUpdate) -> Root {
    let anywhere = |node: NodeId, first: u32| {
        let axes = first..first + graph.shape(node).rank() as u32;
        let index: Vec<Affine> = axes.map(|axis| Affine::axis(Axis(axis))).collect();
        Read { node, index: index.into() }
    };
    let after_rows = INNER_AXES + graph.shape(update.rows).rank() as u32;
    let reads = vec![anywhere(update.rows, INNER_AXES), anywhere(update.indices, after_rows)];
    Root { node, domain: domain(graph, node), reads, heavy: false, statements: 1 }
}

/// The root that computes a stored value.
pub(crate) fn root(graph: &Graph, stored: &BTreeSet<NodeId>, node: NodeId) -> Root {
    let domain = domain(graph, node);
    let axes: Vec<Axis> = (0..domain.len() as u32).map(Axis).collect();
    let index: Rc<[Affine]> = identity_index(graph, node, &axes).into();
    let mut walk = Walk {
        graph,
        stored,
        reads: Vec::new(),
        heavy: false,
        seen: Set::default(),
        open: Vec::new(),
        inner: INNER_AXES,
    };
    walk.definition(node, &index);
    while let Some((node, index)) = walk.open.pop() {
        walk.value(node, index);
    }
    Root { node, domain, reads: walk.reads, heavy: walk.heavy, statements: 1 + walk.seen.len() }
}

/// Follows a root's computation down to what it reads.
struct Walk<'a> {
    graph: &'a Graph,
    stored: &'a BTreeSet<NodeId>,
    reads: Vec<Read>,
    heavy: bool,
    seen: Set<Read>,
    /// Elements that are still to be looked at.
    open: Vec<(NodeId, Rc<[Affine]>)>,
    inner: u32,
}

impl Walk<'_> {
    fn value(&mut self, node: NodeId, index: Rc<[Affine]>) {
        let read = Read { node, index };
        if self.seen.contains(&read) {
            return;
        }
        if self.stored.contains(&node) || matches!(self.graph.op(node), Op::Input(_) | Op::Storage(_)) {
            self.reads.push(read.clone());
        } else {
            self.definition(node, &read.index);
        }
        self.seen.insert(read);
    }

    /// Leaves its operands to be looked at.
    fn definition(&mut self, node: NodeId, index: &Rc<[Affine]>) {
        let (operands, facts) = (self.graph.operands(node), self.graph.op(node).facts());
        let mut axes = index.iter().flat_map(|i| i.terms.keys());
        let each_element =
            axes.next().is_some_and(|axis| axis.0 < INNER_AXES) && axes.all(|axis| axis.0 < INNER_AXES);
        self.heavy |= each_element && facts.cost.again >= Cost::TRANSCENDENTAL.again;
        match facts.class {
            Class::Source => {
                if matches!(self.graph.op(node), Op::Input(_) | Op::Storage(_)) {
                    self.reads.push(Read { node, index: index.clone() });
                }
            }
            Class::Fold | Class::Contraction | Class::Pieces | Class::Scatter => {
                for (side, operand) in operands.into_iter().enumerate() {
                    let index = self.fresh(self.graph.shape(operand).rank(), index, node, side);
                    self.open.push((operand, index.into()));
                }
            }
            Class::Gather => {
                let at = index_of_lookup(self.graph, node, index);
                self.open.push((operands[1], at.into()));
                let anywhere = self.anywhere(self.graph.shape(operands[0]).rank());
                self.open.push((operands[0], anywhere.into()));
            }
            Class::View => {
                let rank = self.graph.shape(operands[0]).rank();
                let index = moved(self.graph, node, index).unwrap_or_else(|| self.unrelated(rank));
                self.open.push((operands[0], index.into()));
            }
            // A loop runs as a whole once its operands are in memory.
            Class::Loop => {
                for operand in operands {
                    let anywhere = self.anywhere(self.graph.shape(operand).rank());
                    self.open.push((operand, anywhere.into()));
                }
            }
            // The element of its operand that a sum goes on with is read in the same iteration.
            Class::Elementwise | Class::Prefix | Class::Marker => {
                self.open.extend(operands.into_iter().map(|operand| (operand, index.clone())));
            }
        }
    }

    fn unrelated(&mut self, rank: usize) -> Vec<Affine> {
        let first = self.inner;
        self.inner += rank as u32;
        (first..self.inner).map(|axis| Affine::axis(Axis(axis))).collect()
    }

    /// An index of which nothing is known, not even that it goes along an axis.
    fn anywhere(&mut self, rank: usize) -> Vec<Affine> {
        let [one, other] = [(); 2].map(|()| self.unrelated(rank));
        one.iter().zip(&other).map(|(one, other)| one.plus(other)).collect()
    }

    /// The index of the operand at `side` of a folding op: the result's where an axis is kept, an inner axis elsewhere.
    fn fresh(&mut self, rank: usize, index: &[Affine], node: NodeId, side: usize) -> Vec<Affine> {
        let mut result = self.unrelated(rank);
        let op = self.graph.op(node);
        if let Op::Reduce { axes, .. } = op {
            let kept = (0..rank).filter(|axis| !axes.contains(axis));
            kept.zip(index).for_each(|(axis, i)| result[axis] = i.clone());
        } else if let Op::DotGeneral { batch, contract } = op {
            let kept = &dot_axes(self.graph, node, batch, contract)[side];
            kept.iter().for_each(|&(axis, place)| result[axis] = index[place].clone());
        } else if let Op::ScatterAdd { axis, batch, .. } = op {
            // Of the updates, then of the indices: what is looked up has loops of its own.
            let own = self.graph.shape(self.graph.operand(node, 1)).rank() - batch;
            if side == 0 {
                result[..*axis].clone_from_slice(&index[..*axis]);
                result[axis + own..].clone_from_slice(&index[axis + 1..]);
            } else {
                result[..*batch].clone_from_slice(&index[..*batch]);
            }
            let dims = self.graph.shape(self.graph.operand(node, side)).dims();
            let ones = dims.iter().enumerate().filter(|(_, dim)| dim.is(1));
            ones.for_each(|(axis, _)| result[axis] = Affine::default());
        } else if op.class() == Class::Pieces {
            // A piece has no loop over an axis of one element.
            let piece = self.graph.shape(self.graph.operand(node, side));
            let ones = piece.dims().iter().enumerate().filter(|(_, dim)| dim.is(1));
            ones.for_each(|(axis, _)| result[axis] = Affine::default());
        }
        result
    }
}

/// Where the index that an element of a `Gather` is found by stands among the indices.
pub(crate) fn index_of_lookup(graph: &Graph, node: NodeId, index: &[Affine]) -> Vec<Affine> {
    let Op::Gather { axis, batch } = graph.op(node) else { bug("an index of what is not looked up") };
    let own = graph.shape(graph.operand(node, 1)).rank() - batch;
    [&index[..*batch], &index[*axis..axis + own]].concat()
}

/// Whether a node is a view, by an index, of a value with no more elements: what is looked up behind it has positions that an i32 holds,
/// since it has them before it.
pub(crate) fn is_view_of_all(graph: &Graph, node: NodeId) -> bool {
    let op = graph.op(node);
    let leaves_none_out = matches!(op, Op::Transpose(_) | Op::Broadcast { .. } | Op::Reshape(_));
    leaves_none_out && moved_anyhow(graph, node).is_some()
}

/// The index mapping of a move, at an index with an axis of its own in every position.
pub(crate) fn moved_anyhow(graph: &Graph, id: NodeId) -> Option<Vec<Affine>> {
    let index: Vec<Affine> =
        (0..graph.shape(id).rank() as u32).map(|axis| Affine::axis(Axis(axis))).collect();
    moved(graph, id, &index)
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
