//! What is found by index, and what is added up by index.
//!
//! In: a kernel that is being built, a node. Out: its loads, or loops of its own.
//!
//! # Decisions
//!
//! - A lookup loads from memory at a position that its index moves: the index is computed in the outermost loop that it depends on, so
//!   that a row of a table is contiguous loads. What is added by index is added by loops of its own, zeros first: the loops over positions
//!   run in order, and lanes and threads divide the others.

use crate::fusion::root::{index_of_lookup, is_view_of_all};
use crate::fusion::rows::RowUpdate;
use crate::ir::affine::{Affine, Axis, linear, moved};
use crate::ir::kernel::{Access, Buffer, Expression, Item, ValueId};
use crate::plan::build::Build;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{NodeId, bug};
use downhill_graph::op::{Binary, Op};
use downhill_graph::types::{ElementType, Literal};

/// Stands for the index of a lookup while the position of its element is computed.
const LOOKED_UP: Axis = Axis(u32::MAX);

impl Build<'_> {
    /// An element along `axis` of a value in memory, where `values` is its index, or that value behind views of it.
    pub(super) fn looked_up(
        &mut self,
        node: NodeId,
        axis: usize,
        index: &[Affine],
        values: &[ValueId],
    ) -> ValueId {
        let graph = self.graph;
        let [found] = values else { bug("a lookup without its index") };
        let own = graph.shape(node).rank() + 1 - graph.shape(graph.operand(node, 0)).rank();
        let place = Affine::axis(LOOKED_UP);
        let mut at = [&index[..axis], &[place], &index[axis + own..]].concat();

        // Views of what lies in memory are seen through.
        let mut source = graph.operand(node, 0);
        while !self.homes.read_from.contains_key(&source) && is_view_of_all(graph, source) {
            let Some(moved) = moved(graph, source, &at) else { bug("a lookup in a value that is nowhere") };
            (source, at) = (graph.operand(source, 0), moved);
        }
        // Where all indices stand for one element, it may be made in this kernel, and be in no memory yet.
        if !at.iter().any(|i| i.terms.contains_key(&LOOKED_UP)) {
            return self.value(source, &at);
        }
        let buffer = self.memory_of(source);
        let at = linear(graph.shape(source), &at);
        let (depth, outer) = (self.depth(index), self.depth(&index_of_lookup(graph, node, index)));
        let by = self.strided(outer, *found, &at.coefficient(LOOKED_UP));
        let access = Access { by, ..Access::at(at.substitute(LOOKED_UP, &Affine::default())) };
        self.set(depth, graph.ty(node).element, Expression::Load(buffer, access))
    }

    /// How many elements an index stands for: none where all indices stand for the same element.
    fn strided(&mut self, depth: usize, index: ValueId, stride: &Dim) -> Option<ValueId> {
        if stride.is(1) {
            return Some(index);
        }
        let factor = match stride.as_constant() {
            Some(0) => return None,
            Some(number) => self.literal(Literal::new(ElementType::I32, number as f64)),
            None => self.set(0, ElementType::I32, Expression::Dim(stride.clone())),
        };
        Some(self.set(depth, ElementType::I32, Expression::Binary(Binary::Mul, index, factor)))
    }

    /// `ScatterAdd`: loops over what is not looked up, and inside them one that stores zeros, then loops over the positions, in order, which
    /// add what each says.
    pub(super) fn scatter(&mut self, node: NodeId) {
        let graph = self.graph;
        let Op::ScatterAdd { axis, batch, .. } = graph.op(node) else { bug("a scatter that adds nothing") };
        let (updates, indices) = (graph.operand(node, 0), graph.operand(node, 1));
        let dims = graph.shape(node).dims();
        let element = graph.ty(node).element;

        let mut target = vec![Affine::default(); dims.len()];
        for (place, dim) in dims.iter().enumerate().filter(|(place, dim)| place != axis && !dim.is(1)) {
            target[place] = Affine::axis(self.open(dim.clone()));
        }
        let around = self.frames.len() - 1;

        let home = self.homes.read_from[&node];
        let others: Vec<Buffer> =
            self.homes.written_to[&node].iter().copied().filter(|buffer| *buffer != home).collect();
        let zero = self.literal(Literal::new(element, 0.0));
        let own_dims = &graph.shape(indices).dims()[*batch..];
        let start = if self.row_updates.values().any(|update| update.sums == node) {
            // Only what indices say is ever read. Stores outside of a loop would come last.
            if own_dims.iter().all(|dim| dim.is(1)) {
                self.open(Dim::from(1));
            }
            self.at_index(node, *axis, &target, (indices, *batch), own_dims).1
        } else {
            // A loop of one iteration, for the same reason.
            target[*axis] = Affine::axis(self.open(dims[*axis].clone()));
            Access::at(linear(graph.shape(node), &target))
        };
        let depth = self.frames.len() - 1;
        self.frames[depth].stores.push(Item::Store(home, start, zero));
        self.close_to(around);

        // So does what one index alone adds.
        if own_dims.iter().all(|dim| dim.is(1)) {
            self.open(Dim::from(1));
        }
        let (own, access) = self.at_index(node, *axis, &target, (indices, *batch), own_dims);
        let update = self.value(updates, &[&target[..*axis], &own, &target[axis + 1..]].concat());
        let depth = self.frames.len() - 1;
        let so_far = self.within(element, Expression::Load(home, access.clone()));
        let sum = self.within(element, Expression::Binary(Binary::Add, so_far, update));
        self.frames[depth].stores.push(Item::Store(home, access, sum));
        self.close_to(around);

        // Sums are made in one buffer, and none that an update may still have to leave as it is.
        if !others.is_empty() {
            target[*axis] = Affine::axis(self.open(dims[*axis].clone()));
            let at = linear(graph.shape(node), &target);
            let sum = self.within(element, Expression::Load(home, Access::at(at.clone())));
            let depth = self.frames.len() - 1;
            let copies = others.into_iter().map(|buffer| Item::Store(buffer, Access::at(at.clone()), sum));
            self.frames[depth].stores.extend(copies);
        }
        self.close_to(0);
    }

    /// New loops over the indices that are not shared, of these extents. Gives their axes, and the element of `node` that the index says:
    /// along its other axes, that at `target`.
    fn at_index(
        &mut self,
        node: NodeId,
        axis: usize,
        target: &[Affine],
        (indices, batch): (NodeId, usize),
        extents: &[Dim],
    ) -> (Vec<Affine>, Access) {
        let graph = self.graph;
        let own = self.fresh_loops(extents);
        let index = self.value(indices, &[&target[..batch], &own].concat());
        let place = [&target[..axis], &[Affine::axis(LOOKED_UP)], &target[axis + 1..]].concat();
        let at = linear(graph.shape(node), &place);
        let by = self.strided(self.frames.len() - 1, index, &at.coefficient(LOOKED_UP));
        (own, Access { by, ..Access::at(at.substitute(LOOKED_UP, &Affine::default())) })
    }

    /// An update of few rows: they are stored where indices say, one after another.
    pub(super) fn rows(&mut self, node: NodeId, update: &RowUpdate) {
        let graph = self.graph;
        let mut target = vec![Affine::default()];
        let behind = self.fresh_loops(&graph.shape(node).dims()[1..]);
        target.extend(behind.iter().cloned());

        let dims = graph.shape(update.indices).dims();
        let (own, access) = self.at_index(node, 0, &target, (update.indices, 0), dims);
        let row = self.value(update.rows, &[own, behind].concat());
        let depth = self.frames.len() - 1;
        let storages = self.homes.written_to[&node].iter().filter(|to| matches!(to, Buffer::Storage(_)));
        self.frames[depth].stores.extend(storages.map(|&to| Item::Store(to, access.clone(), row)));
        self.close_to(0);
    }
}
