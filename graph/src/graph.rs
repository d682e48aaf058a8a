//! The graph: what one entry of a program computes.
//!
//! In: ops and operands. Out: [`Graph`], append-only and hash-consed.
//!
//! Must hold:
//! - a node's operands have smaller ids, so ids in order are an order of evaluation;
//! - the same op on the same operands is the same node; sources carry identity in their op;
//! - every node's type is what [`crate::infer`] says;
//! - inputs, storages and results are named here: no node id outlives a pass.
//!
//! This file and `op.rs` know each other: a loop's body is a graph of ops.
//!
//! Two graphs are equal when they hold the same nodes in the same order and the same names; origins do not count.

use crate::agreement::{When, can_agree};
use crate::dim::{Agreement, Bindings, Dim};
use crate::error::{Error, Origin};
use crate::hash::{Map, hash_of};
use crate::infer::{Scope, infer};
use crate::op::Op;
use crate::random::Initializer;
use crate::types::{ElementType, Literal, Shape, Type};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A node of one graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(u32);

impl NodeId {
    /// Position in the graph.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An op with its result's type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// What it gives.
    pub ty: Type,
}

/// Who reads each node of a graph.
#[derive(Clone, Debug)]
pub struct Users {
    /// The users of all nodes, one node's behind the other's.
    users: Vec<NodeId>,
    /// Where each node's users end.
    ends: Vec<u32>,
}

impl Users {
    /// The nodes that read `id`, in order, once per read.
    pub fn of(&self, id: NodeId) -> &[NodeId] {
        let start = id.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.users[start as usize..self.ends[id.index()] as usize]
    }
}

/// What an input is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// `input`: every entry that reads it must be given it.
    Input,
    /// `target`: read by losses only.
    Target,
    /// A scalar given to every step: learning rate and the like.
    Hyper,
    /// Given by the loop around a body.
    Body,
}

/// Something given from outside.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Input {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// What for.
    pub role: Role,
    /// For an integer that is a class index: it must be below this, the least bound of all uses. A declaration's
    /// checks say which entries check it.
    pub below: Option<Dim>,
}

/// What a storage is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StorageKind {
    /// Trained.
    Parameter,
    /// Kept, not trained: optimizer moments, running statistics, step counter.
    State,
}

/// Something kept from step to step.
#[derive(Clone, PartialEq, Debug)]
pub struct Storage {
    /// Its name: `h.weight`.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// What for.
    pub kind: StorageKind,
    /// How it starts.
    pub initializer: Initializer,
    /// How files that are exchanged with PyTorch hold it.
    pub exchange: Exchange,
    /// Where it was declared.
    pub origin: Origin,
}

/// How files that are exchanged with PyTorch hold a storage. By default under its own name and with its own axes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exchange {
    /// Its axes in PyTorch's order: `[1, 0]` of a matrix that is stored the other way round. In its own order when empty.
    pub axes: Vec<usize>,
    /// The name that it has there, where that is another.
    pub renamed: Option<Renamed>,
}

/// A name in place of the last parts of a storage's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renamed {
    /// How many parts of its own name it replaces: 2 of `a.query.weight`.
    pub parts: usize,
    /// `in_proj_weight`.
    pub name: Arc<str>,
    /// Its place among the storages that are one tensor under this name, one after the other along the first axis.
    pub place: usize,
}

/// What a result is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Purpose {
    /// A named output.
    Output(Arc<str>),
    /// A scalar to minimise.
    Loss(Arc<str>),
    /// The gradient of the loss by the storage or input of this name.
    Gradient(Arc<str>),
    /// The next value of the storage at this index.
    Update(usize),
}

/// The graph of one entry.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    /// The operands of all nodes, one node's behind the other's.
    operands: Vec<NodeId>,
    /// Where each node's operands end.
    ends: Vec<u32>,
    /// For each hash of op and operands, the last node that has it.
    known: Map<u64, NodeId>,
    /// For each node, the previous one of the same hash.
    same_hash: Vec<Option<NodeId>>,
    origins: Vec<Origin>,
    labels: Map<NodeId, Arc<str>>,
    current: Origin,
    /// What is given.
    pub inputs: Vec<Input>,
    /// What is kept.
    pub storages: Vec<Storage>,
    /// What comes out.
    pub results: Vec<(Purpose, NodeId)>,
    /// Known values of symbols (build values such as `hidden`).
    pub bindings: Bindings,
    /// Symbols that have no number here but are none of a run either: arguments while a network is checked, sizes that nobody knows.
    pub open: BTreeMap<Arc<str>, When>,
    /// What to make of dims that may or may not agree.
    pub undecided: Undecided,
}

/// What to make of dims that agree for some values of the symbols only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Undecided {
    /// An error: the graph must hold for every size.
    #[default]
    Reject,
    /// Accepted where some numbers of the arguments make them agree: these will be known later (while rustc runs).
    Accept,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// An empty graph with the same inputs, storages, bindings and strictness: what a pass fills.
    pub fn same_interface(&self) -> Graph {
        Graph {
            inputs: self.inputs.clone(),
            storages: self.storages.clone(),
            bindings: self.bindings.clone(),
            open: self.open.clone(),
            undecided: self.undecided,
            ..Graph::default()
        }
    }

    /// Appends `op`, or finds it. The node inherits the current origin.
    ///
    /// # Errors
    /// Operands that the op does not take.
    pub fn try_add(&mut self, op: Op, operands: &[NodeId]) -> Result<NodeId, Error> {
        self.find_or_push(op, operands).map_err(|refused| refused.1)
    }

    /// As [`Graph::try_add`]; gives back an op that is refused.
    fn find_or_push(&mut self, op: Op, operands: &[NodeId]) -> Result<NodeId, Box<(Op, Error)>> {
        let hash = hash_of(&(&op, operands));
        let first = self.known.get(&hash).copied();

        // Nodes of the same hash are a chain, the newest first.
        let mut same = first;
        while let Some(id) = same {
            if self.operands_of(id) == operands && *self.op(id) == op {
                return Ok(id);
            }
            same = self.same_hash[id.index()];
        }

        let ty = match self.infer(&op, operands) {
            Ok(ty) => ty,
            Err(error) => return Err(Box::new((op, error))),
        };

        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { op, ty });
        self.operands.extend(operands);
        self.ends.push(self.operands.len() as u32);
        self.origins.push(self.current.clone());
        self.same_hash.push(first);
        self.known.insert(hash, id);
        Ok(id)
    }

    /// As [`Graph::try_add`] for downhill's own code, where a refusal is a bug.
    ///
    /// # Panics
    /// Where inference refuses.
    #[track_caller]
    pub fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        match self.find_or_push(op, operands) {
            Ok(id) => id,
            Err(refused) => {
                let (op, error) = *refused;
                let types: Vec<String> = operands.iter().map(|&id| self.ty(id).to_string()).collect();
                bug(&format!("{op:?} of ({}): {error}", types.join(", ")))
            }
        }
    }

    /// The type that `op` of `operands` has here.
    ///
    /// # Errors
    /// Operands that the op does not take.
    pub fn infer(&self, op: &Op, operands: &[NodeId]) -> Result<Type, Error> {
        let types: Vec<&Type> = operands.iter().map(|&id| self.ty(id)).collect();
        infer(self, op, &types)
    }

    /// Nodes added from now on come from here.
    pub fn set_origin(&mut self, origin: Origin) -> Origin {
        std::mem::replace(&mut self.current, origin)
    }

    /// Where nodes added now come from.
    pub fn current_origin(&self) -> &Origin {
        &self.current
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True without nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes, operands before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.len() as u32).map(NodeId)
    }

    /// The nodes from position `first` on.
    pub fn ids_from(&self, first: usize) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (first as u32..self.len() as u32).map(NodeId)
    }

    /// Takes back all nodes but the first `nodes`, and all inputs but the first `inputs`: what was written there is the body of a loop,
    /// which has a graph of its own.
    pub fn truncate(&mut self, nodes: usize, inputs: usize) {
        for id in self.ids_from(nodes).rev() {
            let hash = hash_of(&(self.op(id), self.operands_of(id)));
            match self.same_hash[id.index()] {
                Some(previous) => self.known.insert(hash, previous),
                None => self.known.remove(&hash),
            };
            self.labels.remove(&id);
        }

        self.nodes.truncate(nodes);
        self.ends.truncate(nodes);
        self.origins.truncate(nodes);
        self.same_hash.truncate(nodes);
        self.operands.truncate(self.ends.last().map_or(0, |&end| end as usize));
        self.inputs.truncate(inputs);
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Its op.
    pub fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    /// Its type.
    pub fn ty(&self, id: NodeId) -> &Type {
        &self.node(id).ty
    }

    /// Its shape.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.node(id).ty.shape
    }

    /// Where it was declared.
    pub fn origin(&self, id: NodeId) -> &Origin {
        &self.origins[id.index()]
    }

    /// What the declaration calls it, if it has a name. Names do not count when graphs are compared.
    pub fn label(&self, id: NodeId) -> Option<&Arc<str>> {
        self.labels.get(&id)
    }

    /// The name of the input or the storage that a node reads.
    pub(crate) fn leaf_name(&self, id: NodeId) -> Option<&Arc<str>> {
        if let Op::Input(index) = self.op(id) {
            Some(&self.inputs[*index].name)
        } else if let Op::Storage(index) = self.op(id) {
            Some(&self.storages[*index].name)
        } else {
            None
        }
    }

    /// Names a node for pictures and texts; the first name stays.
    pub fn set_label(&mut self, id: NodeId, label: Arc<str>) {
        self.labels.entry(id).or_insert(label);
    }

    /// Its operands, in order.
    pub fn operands(&self, id: NodeId) -> Vec<NodeId> {
        self.operands_of(id).to_vec()
    }

    /// The same, borrowed.
    pub fn operands_of(&self, id: NodeId) -> &[NodeId] {
        let start = id.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.operands[start as usize..self.ends[id.index()] as usize]
    }

    /// The operand at `position`.
    ///
    /// # Panics
    /// Where the op has fewer.
    pub fn operand(&self, id: NodeId, position: usize) -> NodeId {
        self.operands_of(id)[position]
    }

    /// The nodes that read each node.
    pub fn users(&self) -> Users {
        let mut ends = vec![0_u32; self.len() + 1];
        self.operands.iter().for_each(|operand| ends[operand.index()] += 1);

        let mut end = 0;
        for count in &mut ends {
            // For now, where each begins: filling moves it to the end.
            end += std::mem::replace(count, end);
        }

        let mut users = vec![NodeId(0); self.operands.len()];
        for id in self.ids() {
            for operand in self.operands_of(id) {
                let end = &mut ends[operand.index()];
                users[*end as usize] = id;
                *end += 1;
            }
        }

        Users { users, ends }
    }

    /// Compares two dims under what is known of the symbols.
    pub fn compare(&self, a: &Dim, b: &Dim) -> Agreement {
        if a == b {
            return Agreement::Equal;
        }
        match a.compare(b) {
            Agreement::Undecided => a.bind(&self.bindings).compare(&b.bind(&self.bindings)),
            decided => decided,
        }
    }

    /// Whether dims may stand for each other here: equal, or perhaps equal for every run where that is accepted.
    pub fn agrees(&self, a: &Dim, b: &Dim) -> bool {
        match self.compare(a, b) {
            Agreement::Equal => true,
            Agreement::Unequal => false,
            Agreement::Undecided => {
                self.undecided == Undecided::Accept && can_agree(a, b, &|name| self.when(name))
            }
        }
    }

    /// When a symbol is known.
    pub fn when(&self, symbol: &str) -> When {
        match self.open.get(symbol) {
            Some(when) => *when,
            None if self.bindings.contains_key(symbol) => When::Build,
            None => When::Run,
        }
    }

    /// The result with this purpose.
    pub fn result(&self, purpose: &Purpose) -> Option<NodeId> {
        self.results.iter().find(|(p, _)| p == purpose).map(|(_, id)| *id)
    }

    /// Whether it changes a storage, as a training step does.
    pub fn changes_storages(&self) -> bool {
        self.results.iter().any(|(purpose, _)| matches!(purpose, Purpose::Update(_)))
    }

    /// The index of the storage called `name`.
    pub fn storage_index(&self, name: &str) -> Option<usize> {
        self.storages.iter().position(|storage| &*storage.name == name)
    }

    /// The index of the input called `name`.
    pub fn input_index(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|input| &*input.name == name)
    }

    /// Declares an input and gives its node.
    pub fn add_input(&mut self, input: Input) -> NodeId {
        self.inputs.push(input);
        self.add(Op::Input(self.inputs.len() - 1), &[])
    }

    /// Declares a storage and gives its node.
    pub fn add_storage(&mut self, storage: Storage) -> NodeId {
        self.storages.push(storage);
        self.add(Op::Storage(self.storages.len() - 1), &[])
    }

    /// A scalar constant.
    pub fn constant(&mut self, element: ElementType, value: f64) -> NodeId {
        self.add(Op::Constant(Literal::new(element, value)), &[])
    }

    /// `value` spread over the shape of `like`, in its element type.
    pub fn full_like(&mut self, like: NodeId, value: f64) -> NodeId {
        let ty = self.ty(like).clone();
        let scalar = self.constant(ty.element, value);
        self.spread(scalar, &ty.shape)
    }

    /// A scalar spread over `shape`.
    pub fn spread(&mut self, scalar: NodeId, shape: &Shape) -> NodeId {
        if shape.rank() == 0 {
            return scalar;
        }
        self.add(Op::Broadcast { shape: shape.clone(), axes: Vec::new() }, &[scalar])
    }

    /// The scalar constant a node is or spreads, if it does.
    pub fn constant_value(&self, id: NodeId) -> Option<f64> {
        let mut id = id;
        loop {
            let op = self.op(id);
            if let Op::Constant(literal) = op {
                return Some(literal.value());
            }
            let (Op::Broadcast { .. } | Op::Reshape(_) | Op::Convert(ElementType::F32 | ElementType::F64)) =
                op
            else {
                return None;
            };
            id = self.operand(id, 0);
        }
    }
}

impl Scope for Graph {
    fn input(&self, index: usize) -> &Type {
        &self.inputs[index].ty
    }

    fn storage(&self, index: usize) -> &Type {
        &self.storages[index].ty
    }

    fn agrees(&self, a: &Dim, b: &Dim) -> bool {
        Graph::agrees(self, a, b)
    }
}

impl PartialEq for Graph {
    fn eq(&self, other: &Graph) -> bool {
        self.len() == other.len()
            && self.inputs == other.inputs
            && self.storages == other.storages
            && self.results == other.results
            && self
                .ids()
                .all(|id| self.operands_of(id) == other.operands_of(id) && self.node(id) == other.node(id))
    }
}

impl Eq for Graph {}

impl Hash for Graph {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inputs.hash(state);
        self.results.hash(state);
        for id in self.ids() {
            self.node(id).hash(state);
            self.operands_of(id).hash(state);
        }
    }
}

/// Reports a broken invariant of downhill itself.
///
/// # Panics
/// Always.
#[track_caller]
#[cold]
pub fn bug(what: &str) -> ! {
    panic!("downhill bug: {what}; please report it with the network that shows it")
}
