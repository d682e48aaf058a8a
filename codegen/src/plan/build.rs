//! From a group of roots to a kernel: the loop tree is demanded from the roots down.
//!
//! In: a prepared graph, fused. Out: one [`Kernel`] for each group, which reads and writes [`Buffer`]s.
//!
//! How: a root's element at an index demands its operands' elements at the indices that [`moved`] gives. A value is
//! computed in the outermost loop inside which all its axes are known, once for each index: each open loop has a memo. A fold opens a
//! loop at the depth of its result; what needs the result comes after it in the same body.
//!
//! Must hold: stores stand last in their body, so that a value that is read and replaced in one iteration is read first.

use crate::error::Error;
use crate::fusion::fuse::Fused;
use crate::fusion::group::Group;
use crate::fusion::root::{Root, dot_axes, identity_index, index_of_lookup};
use crate::fusion::rows::RowUpdate;
use crate::fusion::spread::between_zeros;
use crate::ir::affine::{Affine, Axis, linear, moved};
use crate::ir::kernel::{Access, Accumulator, Buffer, Expression, Item, Kernel, Loop, Term, ValueId};
use crate::plan::nests::simplify;
use crate::plan::phases::{Folded, Phase, phases};
use downhill_graph::dim::Dim;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, NodeId, Purpose, bug};
use downhill_graph::hash::Map;
use downhill_graph::op::{Binary, Op, Reduction};
use downhill_graph::types::{ElementType, Literal};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The buffers of values that are stored.
#[derive(Debug)]
pub struct Homes {
    /// For each value the buffer from which other kernels read it.
    pub read_from: BTreeMap<NodeId, Buffer>,
    /// For each value all buffers to which it is written.
    pub written_to: BTreeMap<NodeId, Vec<Buffer>>,
    /// Inputs whose rows are looked up in the table.
    pub looked_up: BTreeSet<usize>,
    /// Bytes of each arena buffer.
    pub arena: Vec<Dim>,
}

/// Gives every stored value its buffers: one for each result that it is, and an arena buffer for other kernels to read, unless they can
/// read an output. (They cannot read an updated storage: it may hold the old value until the step ends.)
pub fn assign_homes(graph: &Graph, fused: &Fused, outputs: &[Purpose], looked_up: BTreeSet<usize>) -> Homes {
    let mut homes =
        Homes { read_from: BTreeMap::new(), written_to: BTreeMap::new(), looked_up, arena: Vec::new() };
    let positions: Map<&Purpose, usize> =
        outputs.iter().enumerate().map(|(position, purpose)| (purpose, position)).collect();

    let mut wanted: Map<NodeId, Vec<Buffer>> = Map::default();
    for (purpose, node) in &graph.results {
        wanted.entry(*node).or_default().push(match purpose {
            Purpose::Update(storage) => Buffer::Storage(*storage),
            Purpose::Loss(_) => Buffer::Loss,
            named => Buffer::Output(
                positions.get(named).copied().unwrap_or_else(|| bug("an output without a place")),
            ),
        });
    }

    for &node in &fused.stored {
        let mut buffers = wanted.remove(&node).unwrap_or_default();
        let readable = buffers.iter().copied().find(|buffer| matches!(buffer, Buffer::Output(_)));

        // What lies in memory already is read where it is, and needs no buffer.
        let source = matches!(graph.op(node), Op::Storage(_))
            || matches!(graph.op(node), Op::Input(n) if !homes.looked_up.contains(n));

        if !source {
            let home = readable.unwrap_or_else(|| {
                homes.arena.push(graph.ty(node).bytes());
                buffers.push(Buffer::Arena(homes.arena.len() - 1));
                Buffer::Arena(homes.arena.len() - 1)
            });
            homes.read_from.insert(node, home);
        }
        homes.written_to.insert(node, buffers);
    }
    homes
}

/// Builds the kernel of a group.
///
/// # Errors
/// Ops and types that have no compiled form yet.
pub(crate) fn build(
    graph: &Graph,
    homes: &Homes,
    row_updates: &BTreeMap<NodeId, RowUpdate>,
    group: &Group,
) -> Result<Kernel, Error> {
    let name = group.roots.iter().map(|root| describe(graph, root.node)).collect::<Vec<_>>().join(", ");
    let kernel = Kernel { name, extents: Vec::new(), values: Vec::new(), body: Vec::new() };
    let mut build =
        Build { graph, homes, row_updates, kernel, frames: vec![Frame::default()], phase: None, error: None };

    for phase in phases(graph, &homes.read_from, group) {
        build.close_to(0);
        build.phase = Some(phase);
        group.roots.iter().for_each(|root| build.root(root));
    }
    let others = if build.phase.is_some() { &[] } else { &*group.roots };

    for root in others {
        if let Some(update) = row_updates.get(&root.node) {
            build.rows(root.node, update);
            continue;
        }
        match graph.op(root.node).class() {
            Class::Pieces => build.pieces(root.node),
            Class::Prefix => build.prefix(root.node),
            Class::Scatter => build.scatter(root.node),
            Class::Source
            | Class::Elementwise
            | Class::View
            | Class::Fold
            | Class::Contraction
            | Class::Gather
            | Class::Loop
            | Class::Marker => build.root(root),
        }
    }

    build.close_to(0);
    let outermost = build.frames.pop().unwrap_or_default();
    build.kernel.body = outermost.finish();

    match build.error {
        Some(error) => Err(error),
        None => Ok(simplify(build.kernel)),
    }
}

/// Where a value lies that is in memory.
pub(crate) fn memory_of(graph: &Graph, homes: &Homes, node: NodeId) -> Buffer {
    let op = graph.op(node);
    if let Some(&buffer) = homes.read_from.get(&node) {
        buffer
    } else if let Op::Input(n) = op {
        Buffer::Input(*n)
    } else if let Op::Storage(n) = op {
        Buffer::Storage(*n)
    } else {
        bug("a value that is read at a position, and is not in memory")
    }
}

/// `h`, or `dot` where the layer has no name.
pub(crate) fn describe(graph: &Graph, node: NodeId) -> String {
    let origin = graph.origin(node);
    let op = format!("{:?}", graph.op(node));
    let op: String = op.chars().take_while(|c| c.is_alphanumeric()).collect();
    if origin.layer.is_empty() { op } else { format!("{}:{op}", origin.layer) }
}

/// An open loop.
#[derive(Default)]
pub(super) struct Frame {
    axis: Option<Axis>,
    pub(super) items: Vec<Item>,
    pub(super) stores: Vec<Item>,
    memo: Map<(NodeId, Rc<[Affine]>), ValueId>,
    literals: Map<Literal, ValueId>,
}

impl Frame {
    fn finish(mut self) -> Vec<Item> {
        self.items.append(&mut self.stores);
        self.items
    }
}

/// A kernel that is being built.
pub(super) struct Build<'a> {
    pub(super) graph: &'a Graph,
    pub(super) homes: &'a Homes,
    pub(super) row_updates: &'a BTreeMap<NodeId, RowUpdate>,
    pub(super) kernel: Kernel,
    pub(super) frames: Vec<Frame>,
    /// Of results that are made phase by phase, the one that is being made.
    phase: Option<Phase>,
    error: Option<Error>,
}

/// An element whose operands are being made.
struct Pending {
    node: NodeId,
    index: Rc<[Affine]>,
    operands: Vec<NodeId>,
    /// The values of its first operands, as far as they are computed.
    values: Vec<ValueId>,
}

impl Pending {
    fn new(graph: &Graph, node: NodeId, index: Rc<[Affine]>) -> Pending {
        Pending { node, index, operands: graph.operands(node), values: Vec::new() }
    }
}

impl Build<'_> {
    fn root(&mut self, root: &Root) {
        let mut extents: Vec<Dim> = root.domain.iter().map(|(_, dim)| dim.clone()).collect();
        self.phase.iter().for_each(|phase| phase.narrow(&mut extents));
        let axes = self.open_loops(&extents);
        let mut index = identity_index(self.graph, root.node, &axes);
        self.phase.iter().for_each(|phase| phase.place(&axes, &mut index));
        let value = self.define(root.node, &index);
        self.store(root.node, &index, value);
    }

    /// Opens loops of these extents, keeping those open whose extents agree; gives their axes.
    fn open_loops(&mut self, extents: &[Dim]) -> Vec<Axis> {
        let open: Vec<Axis> = self.frames.iter().filter_map(|frame| frame.axis).collect();
        let shared = open
            .iter()
            .zip(extents)
            .take_while(|(axis, extent)| &self.kernel.extents[axis.0 as usize] == *extent)
            .count();

        self.close_to(shared);
        let mut axes = open[..shared].to_vec();
        for extent in &extents[shared..] {
            axes.push(self.open(extent.clone()));
        }
        axes
    }

    pub(super) fn open(&mut self, extent: Dim) -> Axis {
        let axis = Axis(self.kernel.extents.len() as u32);
        self.kernel.extents.push(extent);
        self.frames.push(Frame { axis: Some(axis), ..Frame::default() });
        axis
    }

    /// Ends the loops deeper than `depth`.
    pub(super) fn close_to(&mut self, depth: usize) {
        while self.frames.len() > depth + 1 {
            self.close(Vec::new());
        }
    }

    /// Ends the innermost loop.
    pub(super) fn close(&mut self, accumulators: Vec<Accumulator>) {
        let Some(frame) = self.frames.pop() else { bug("a loop closed twice") };
        let (Some(axis), Some(parent)) = (frame.axis, self.frames.last_mut()) else {
            bug("the outermost body closed")
        };
        parent.items.push(Item::Loop(Loop { axis, accumulators, body: frame.finish() }));
    }

    /// The depth of the innermost open loop that an index uses.
    pub(super) fn depth(&self, index: &[Affine]) -> usize {
        let uses = |axis: &Axis| index.iter().any(|i| i.terms.contains_key(axis));
        self.frames.iter().rposition(|frame| frame.axis.as_ref().is_some_and(uses)).unwrap_or(0)
    }

    pub(super) fn fresh(&mut self, element: ElementType) -> ValueId {
        self.kernel.values.push(element);
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    pub(super) fn set(&mut self, depth: usize, element: ElementType, expression: Expression) -> ValueId {
        let value = self.fresh(element);
        self.frames[depth].items.push(Item::Let(value, expression));
        value
    }

    /// The element of `node` at `index`. Its operands are computed first. Those that are not there yet wait on an explicit stack, so that long
    /// chains of ops do not overflow the call stack.
    pub(super) fn value(&mut self, node: NodeId, index: &[Affine]) -> ValueId {
        let index: Rc<[Affine]> = index.into();
        if let Some(value) = self.at_hand(node, &index) {
            return value;
        }
        let mut open = vec![Pending::new(self.graph, node, index)];
        while let Some(pending) = open.last_mut() {
            if let Some((operand, at)) = self.next_operand(pending) {
                match self.at_hand(operand, &at) {
                    Some(value) => pending.values.push(value),
                    None => open.push(Pending::new(self.graph, operand, at)),
                }
                continue;
            }

            let Some(pending) = open.pop() else { break };
            let value = self.set_node(pending.node, &pending.index, &pending.values);
            self.remember(pending.node, pending.index, value);
            match open.last_mut() {
                Some(user) => user.values.push(value),
                None => return value,
            }
        }
        bug("a value that is never made")
    }

    /// An element that is computed already, or that can be loaded.
    fn at_hand(&mut self, node: NodeId, index: &Rc<[Affine]>) -> Option<ValueId> {
        let key = (node, index.clone());
        let depth = self.depth(index);
        if let Some(&value) = self.frames[depth].memo.get(&key) {
            return Some(value);
        }
        let buffer = *self.homes.read_from.get(&node)?;
        let value = self.load(buffer, node, linear(self.graph.shape(node), index));
        self.frames[depth].memo.insert(key, value);
        Some(value)
    }

    pub(super) fn remember(&mut self, node: NodeId, index: Rc<[Affine]>, value: ValueId) {
        let depth = self.depth(&index);
        self.frames[depth].memo.insert((node, index), value);
    }

    /// The next operand's element that is needed; a fold asks for its operands itself, inside its loop.
    fn next_operand(&self, pending: &Pending) -> Option<(NodeId, Rc<[Affine]>)> {
        let operand = *pending.operands.get(pending.values.len())?;
        match self.graph.op(pending.node).class() {
            Class::Elementwise => Some((operand, pending.index.clone())),
            Class::View => Some((operand, moved(self.graph, pending.node, &pending.index)?.into())),
            // Only the index is computed: the element that it says lies in memory.
            Class::Gather => pending.values.is_empty().then(|| {
                let at = index_of_lookup(self.graph, pending.node, &pending.index);
                (pending.operands[1], at.into())
            }),
            Class::Marker => pending.values.is_empty().then(|| (operand, pending.index.clone())),
            // The only ones that are computed within another kernel: `fusion/spread.rs`.
            Class::Pieces => {
                let Op::Pad(paddings) = self.graph.op(pending.node) else { return None };
                let at = || between_zeros(paddings, &pending.index).into();
                pending.values.is_empty().then(|| (operand, at()))
            }
            Class::Source
            | Class::Fold
            | Class::Prefix
            | Class::Contraction
            | Class::Scatter
            | Class::Loop => None,
        }
    }

    /// Computes the element of `node` at `index`, even if the node has a buffer that it could be loaded from.
    fn define(&mut self, node: NodeId, index: &[Affine]) -> ValueId {
        let mut pending = Pending::new(self.graph, node, index.into());
        while let Some((operand, at)) = self.next_operand(&pending) {
            let value = self.value(operand, &at);
            pending.values.push(value);
        }
        let value = self.set_node(node, index, &pending.values);
        self.remember(node, pending.index, value);
        value
    }

    /// Computes the element of `node` at `index` from those of its operands.
    fn set_node(&mut self, node: NodeId, index: &[Affine], values: &[ValueId]) -> ValueId {
        let graph = self.graph;
        let element = graph.ty(node).element;
        let depth = self.depth(index);
        match graph.op(node) {
            Op::Input(n) if self.homes.looked_up.contains(n) => self.load_row(*n, node, index),
            Op::Input(n) => self.load(Buffer::Input(*n), node, linear(graph.shape(node), index)),
            Op::Storage(n) => self.load(Buffer::Storage(*n), node, linear(graph.shape(node), index)),
            Op::Constant(literal) => self.literal(*literal),
            Op::Arriving { .. } => self.literal(Literal::new(element, 0.0)),
            Op::Iota { axis, .. } => self.set(depth, element, Expression::Index(index[*axis].clone())),
            Op::DimValue { dim, .. } => self.set(0, element, Expression::Dim(dim.clone())),
            Op::Reduce { kind, axes } => self.reduce(graph.operand(node, 0), index, *kind, axes),
            Op::DotGeneral { batch, contract } => self.dot(node, index, batch, contract),
            Op::Unary(unary) => self.set(depth, element, Expression::Unary(*unary, values[0])),
            Op::Binary(binary) => self.set(depth, element, Expression::Binary(*binary, values[0], values[1])),
            Op::Compare(compare) => {
                self.set(depth, element, Expression::Compare(*compare, values[0], values[1]))
            }
            Op::Select => self.set(depth, element, Expression::Select(values[0], values[1], values[2])),
            Op::Convert(_) => self.set(depth, element, Expression::Convert(values[0])),
            Op::RandomBits { stream, shape } => {
                self.set(depth, element, Expression::Random(*stream, linear(shape, index)))
            }
            Op::Fold { window, .. } => {
                let taps = format!("the taps of a window are `{}`, which is no number yet", window.taps);
                self.error.get_or_insert(Error::Unsupported(taps));
                self.fresh(element)
            }
            Op::Gather { axis, .. } => self.looked_up(node, *axis, index, values),
            Op::Transpose(_)
            | Op::Broadcast { .. }
            | Op::Slice(_)
            | Op::Reverse(_)
            | Op::Window(_)
            | Op::Reshape(_)
            | Op::Pad(_)
            | Op::StopGradient
            | Op::Surrogate
            | Op::Pullback => match values {
                [same] => *same,
                _ => self.relabelled(node, graph.operand(node, 0), index),
            },
            Op::Concatenate { .. }
            | Op::CumulativeSum { .. }
            | Op::ScatterAdd { .. }
            | Op::ArgMax { .. }
            | Op::Scan { .. } => {
                bug("an op that is a kernel of its own, or was spelled out, inside a kernel")
            }
        }
    }

    /// An element of a reshaped value: the same position in memory.
    fn relabelled(&mut self, node: NodeId, operand: NodeId, index: &[Affine]) -> ValueId {
        if let Op::Constant(literal) = self.graph.op(operand) {
            return self.literal(*literal);
        }
        self.load(self.memory_of(operand), operand, linear(self.graph.shape(node), index))
    }

    /// Where a value lies that is read at positions of its own.
    pub(super) fn memory_of(&self, node: NodeId) -> Buffer {
        memory_of(self.graph, self.homes, node)
    }

    pub(super) fn literal(&mut self, literal: Literal) -> ValueId {
        if let Some(&value) = self.frames[0].literals.get(&literal) {
            return value;
        }
        let value = self.set(0, literal.element, Expression::Constant(literal));
        self.frames[0].literals.insert(literal, value);
        value
    }

    pub(super) fn load(&mut self, buffer: Buffer, node: NodeId, at: Affine) -> ValueId {
        let depth = self.depth(std::slice::from_ref(&at));
        self.set(depth, self.graph.ty(node).element, Expression::Load(buffer, Access::at(at)))
    }

    fn load_row(&mut self, input: usize, node: NodeId, index: &[Affine]) -> ValueId {
        let depth = self.depth(index);
        let row = index[0].terms.keys().next().copied().zip(index[0].constant.as_constant());
        let Some(row) = row else { bug("a looked-up input read other than by row") };
        let mut within = index.to_vec();
        within[0] = Affine::default();
        let at = linear(self.graph.shape(node), &within);
        self.set(
            depth,
            self.graph.ty(node).element,
            Expression::Load(Buffer::Input(input), Access { row: Some(row), ..Access::at(at) }),
        )
    }

    pub(super) fn store(&mut self, node: NodeId, index: &[Affine], value: ValueId) {
        let depth = self.frames.len() - 1;
        let at = linear(self.graph.shape(node), index);
        for &buffer in &self.homes.written_to[&node] {
            let access = Access::at(at.clone());
            self.frames[depth].stores.push(Item::Store(buffer, access, value));
        }
    }

    /// Runs `work` as if no loop deeper than `depth` were open, then opens those again.
    pub(super) fn at_depth<R>(&mut self, depth: usize, work: impl FnOnce(&mut Self) -> R) -> R {
        let deeper = self.frames.split_off(depth + 1);
        let result = work(self);
        self.frames.extend(deeper);
        result
    }

    fn reduce(&mut self, operand: NodeId, index: &[Affine], kind: Reduction, axes: &[usize]) -> ValueId {
        let shape = self.graph.shape(operand).clone();
        let mut full = vec![Affine::default(); shape.rank()];
        let kept = (0..shape.rank()).filter(|axis| !axes.contains(axis));
        kept.zip(index).for_each(|(axis, i)| full[axis] = i.clone());

        let folded: Vec<Folded> = axes.iter().map(|&axis| Folded::whole(axis, &shape.dims()[axis])).collect();

        let element = self.graph.ty(operand).element;
        if element == ElementType::U32 && kind != Reduction::Sum {
            self.error.get_or_insert(Error::Unsupported(
                "the greatest or least of u32 has no compiled form yet".into(),
            ));
        }

        self.at_depth(self.depth(index), |build| {
            build.fold(kind, element, &folded, full, &mut |build, full| {
                Term::Value(build.value(operand, full))
            })
        })
    }

    fn dot(
        &mut self,
        node: NodeId,
        index: &[Affine],
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
    ) -> ValueId {
        let operands = self.graph.operands(node);
        let (x, y) = (operands[0], operands[1]);
        let kept = dot_axes(self.graph, node, batch, contract);
        let element = self.graph.ty(x).element;
        let dims = self.graph.shape(x).dims();
        let mut folded: Vec<Folded> =
            contract.iter().map(|&(axis, _)| Folded::whole(axis, &dims[axis])).collect();
        if self.phase.iter().any(|phase| !phase.keeps_terms(node, &mut folded)) {
            return self.literal(Literal::new(element, 0.0));
        }

        // The operands' indices along the axes that the result keeps.
        let mut full = vec![Affine::default(); self.graph.shape(x).rank()];
        kept[0].iter().for_each(|&(axis, from)| full[axis] = index[from].clone());
        let mut other = vec![Affine::default(); self.graph.shape(y).rank()];
        kept[1].iter().for_each(|&(axis, from)| other[axis] = index[from].clone());

        self.at_depth(self.depth(index), |build| {
            build.fold(Reduction::Sum, element, &folded, full, &mut |build, full| {
                let mut right = other.clone();
                contract.iter().for_each(|&(i, j)| right[j] = full[i].clone());
                Term::Product(build.value(x, full), build.value(y, &right))
            })
        })
    }

    /// Nested loops over `folded` axes of the operand, each of which folds the results of the next inner one. One element needs no loop.
    fn fold(
        &mut self,
        kind: Reduction,
        element: ElementType,
        folded: &[Folded],
        mut full: Vec<Affine>,
        leaf: &mut dyn FnMut(&mut Self, &[Affine]) -> Term,
    ) -> ValueId {
        let mut axes = Vec::new();
        for folded in folded {
            let from_first = if folded.count.is(1) {
                Affine::default()
            } else {
                axes.push(self.open(folded.count.clone()));
                Affine::axis(axes[axes.len() - 1]).times(&Dim::from(folded.step))
            };
            full[folded.axis] = from_first.offset(&Dim::from(folded.first));
        }

        let mut term = leaf(self, &full);
        for _ in &axes {
            let result = self.fresh(element);
            self.close(vec![Accumulator::new(kind, result, term)]);
            term = Term::Value(result);
        }

        // Without a loop, a product is a plain multiplication.
        match term {
            Term::Value(value) | Term::Next(value) => value,
            Term::Product(x, y) => {
                let depth = self.frames.len() - 1;
                self.set(depth, element, Expression::Binary(Binary::Mul, x, y))
            }
        }
    }

    /// Sets a value in the innermost loop.
    pub(super) fn within(&mut self, element: ElementType, expression: Expression) -> ValueId {
        self.set(self.frames.len() - 1, element, expression)
    }

    /// New loops over `dims`, and the index they make; axes of size 1 need none.
    pub(super) fn fresh_loops(&mut self, dims: &[Dim]) -> Vec<Affine> {
        dims.iter()
            .map(|dim| if dim.is(1) { Affine::default() } else { Affine::axis(self.open(dim.clone())) })
            .collect()
    }
}
