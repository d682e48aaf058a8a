//! The body of a loop, taken out of the graph that it was written into.
//!
//! In: a graph with a body behind everything else, on placeholders for what each iteration is given. Out: [`Region`], of which graphs of
//! bodies are made.
//!
//! Must hold:
//! - what is the same in every iteration is computed once, before the loop, and captured; but constants, and whole tensors turned or
//!   spread, are made inside, where they cost nothing;
//! - random bits are others in each iteration: one word is drawn before the loop, and each iteration hashes it with its number and the
//!   elements' positions. So they are never kept for all iterations, and a loop in another one draws a word in each iteration of that.

use crate::body::Open;
use downhill_graph::dim::Dim;
use downhill_graph::error::Origin;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, Input, NodeId, Role, bug};
use downhill_graph::op::{Binary, Op};
use downhill_graph::types::{ElementType, Shape, Type};
use std::collections::HashMap;
use std::sync::Arc;

/// Names of nodes for messages.
pub(crate) type Labels = HashMap<NodeId, Arc<str>>;

/// The nodes of a body, out of their graph.
pub(crate) struct Region {
    start: usize,
    first_input: usize,
    /// Its placeholders.
    inputs: Vec<Input>,
    nodes: Vec<Written>,
    places: Vec<Place>,
    /// The numbers of the iterations, where any of them draws.
    numbers: Option<NodeId>,
}

/// A node as it was written.
struct Written {
    op: Op,
    operands: Vec<NodeId>,
    ty: Type,
    origin: Origin,
    label: Option<Arc<str>>,
}

/// Where a node of a region is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In each iteration.
    Inside,
    /// In each iteration, as bits made of its number and this word.
    Drawn(NodeId),
    /// Before the loop.
    Before(NodeId),
    /// Nowhere.
    Unneeded,
}

/// A graph of a body without results, what its inputs behind the placeholders are given, and where the roots are.
pub(crate) struct Body {
    pub(crate) graph: Graph,
    pub(crate) roots: Vec<NodeId>,
    /// Sliced.
    pub(crate) drawn: Vec<NodeId>,
    /// The same in each iteration.
    pub(crate) captured: Vec<NodeId>,
}

impl Region {
    /// Takes a body out of `graph`, and writes there what `roots` need and what is the same in each of the `length` iterations.
    pub(crate) fn cut(
        graph: &mut Graph,
        labels: &mut Labels,
        open: &Open,
        length: &Dim,
        roots: &[NodeId],
    ) -> Region {
        let written = |id: NodeId| Written {
            op: graph.op(id).clone(),
            operands: graph.operands(id),
            ty: graph.ty(id).clone(),
            origin: graph.origin(id).clone(),
            label: labels.remove(&id),
        };
        let nodes: Vec<Written> = graph.ids_from(open.start).map(written).collect();
        let inputs = graph.inputs[open.inputs..].to_vec();
        graph.truncate(open.start, open.inputs);

        let places = vec![Place::Unneeded; nodes.len()];
        let (start, first_input) = (open.start, open.inputs);
        let mut region = Region { start, first_input, inputs, nodes, places, numbers: None };
        region.lay_out(graph, labels, roots);
        if region.places.iter().any(|place| matches!(place, Place::Drawn(_))) {
            let number = Op::Iota { shape: Shape(vec![length.clone()]), axis: 0 };
            let number = graph.add(number, &[]);
            region.numbers = Some(graph.add(Op::Convert(ElementType::U32), &[number]));
        }
        region
    }

    /// The position of a node in the region.
    fn position(&self, id: NodeId) -> Option<usize> {
        id.index().checked_sub(self.start)
    }

    /// Which nodes of the region `roots` need, through those alone that `passes` holds for.
    fn needed(&self, roots: &[NodeId], passes: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for position in roots.iter().filter_map(|&root| self.position(root)) {
            needed[position] = true;
        }
        for position in (0..self.nodes.len()).rev() {
            if needed[position] && passes(position) {
                for operand in self.nodes[position].operands.iter().filter_map(|&id| self.position(id)) {
                    needed[operand] = true;
                }
            }
        }
        needed
    }

    /// Says where each node is computed, and adds to `graph` what is computed before the loop.
    fn lay_out(&mut self, graph: &mut Graph, labels: &mut Labels, roots: &[NodeId]) {
        let needed = self.needed(roots, |_| true);
        let before = graph.current_origin().clone();
        for position in (0..self.nodes.len()).filter(|&position| needed[position]) {
            let Written { op, operands, origin, label, .. } = &self.nodes[position];
            let outside: Option<Vec<NodeId>> = operands.iter().map(|&id| self.before(id)).collect();
            graph.set_origin(origin.clone());
            self.places[position] = if let Op::RandomBits { stream, .. } = op {
                Place::Drawn(graph.add(Op::RandomBits { stream: *stream, shape: Shape::scalar() }, &[]))
            } else if let Some(operands) = outside.filter(|_| !self.is_placeholder(op)) {
                let node = graph.add(op.clone(), &operands);
                if let Some(label) = label {
                    labels.entry(node).or_insert_with(|| label.clone());
                }
                Place::Before(node)
            } else {
                Place::Inside
            };
        }
        graph.set_origin(before);
    }

    /// What an iteration is given; and what stands for a gradient, which another one arrives at in each iteration.
    fn is_placeholder(&self, op: &Op) -> bool {
        matches!(op, Op::Arriving { .. }) || matches!(op, Op::Input(input) if *input >= self.first_input)
    }

    /// The node that a value is before the loop, where it is the same in each iteration.
    pub(crate) fn before(&self, id: NodeId) -> Option<NodeId> {
        let Some(position) = self.position(id) else { return Some(id) };
        if let Place::Before(node) = self.places[position] { Some(node) } else { None }
    }

    /// The body that computes `roots`; `graph` is what it was cut out of.
    pub(crate) fn body(&self, graph: &Graph, roots: &[NodeId]) -> Body {
        let is_inside = |position: usize| self.places[position] == Place::Inside;
        let needed = self.needed(roots, is_inside);
        let mut writer = Writer::new(graph);
        let placeholders: Vec<NodeId> =
            self.inputs.iter().map(|input| writer.declare(&input.name, input.ty.clone())).collect();

        let mut copies: Vec<Option<NodeId>> = vec![None; self.nodes.len()];
        let words = (0..self.nodes.len()).filter(|&position| needed[position]);
        let words = words.filter_map(|position| match self.places[position] {
            Place::Drawn(word) => Some((position, word)),
            Place::Inside | Place::Before(_) | Place::Unneeded => None,
        });
        let words: Vec<(usize, NodeId)> = words.collect();
        let drawn: Vec<NodeId> = self.numbers.filter(|_| !words.is_empty()).into_iter().collect();
        let number =
            drawn.first().map(|_| writer.declare("iteration", Type::new(ElementType::U32, Shape::scalar())));
        for (position, word) in words {
            copies[position] = number.map(|number| writer.drawn(word, number, &self.nodes[position]));
        }

        for position in (0..self.nodes.len()).filter(|&position| needed[position] && is_inside(position)) {
            let Written { op, operands, origin, label, .. } = &self.nodes[position];
            let copy = if let Op::Input(input) = op {
                placeholders[*input - self.first_input]
            } else {
                let operands: Vec<NodeId> =
                    operands.iter().map(|&id| self.inside(&mut writer, &copies, id)).collect();
                writer.body.set_origin(origin.clone());
                writer.body.add(op.clone(), &operands)
            };
            if let Some(label) = label {
                writer.body.set_label(copy, label.clone());
            }
            copies[position] = Some(copy);
        }

        let roots = roots.iter().map(|&id| self.inside(&mut writer, &copies, id)).collect();
        Body { graph: writer.body, roots, drawn, captured: writer.captured }
    }

    fn inside(&self, writer: &mut Writer<'_>, copies: &[Option<NodeId>], id: NodeId) -> NodeId {
        let copy = self.position(id).and_then(|position| copies[position]);
        match (copy, self.before(id)) {
            (Some(copy), _) => copy,
            (None, Some(node)) => writer.given(node),
            (None, None) => bug("a body needs what is nowhere"),
        }
    }
}

/// Writes the graph of a body.
struct Writer<'a> {
    /// Around the loop.
    graph: &'a Graph,
    body: Graph,
    captured: Vec<NodeId>,
    /// What values of the graph around are in the body.
    known: HashMap<NodeId, NodeId>,
}

impl Writer<'_> {
    fn new(graph: &Graph) -> Writer<'_> {
        let mut body = graph.same_interface();
        body.inputs.clear();
        body.storages.clear();
        Writer { graph, body, captured: Vec::new(), known: HashMap::new() }
    }

    /// An input under `name`, or one like it.
    fn declare(&mut self, name: &str, ty: Type) -> NodeId {
        let number = self.body.inputs.len();
        let name =
            if self.body.input_index(name).is_some() { format!("{name}.{number}") } else { name.into() };
        self.body.add_input(Input { name: name.into(), ty, role: Role::Body, below: None })
    }

    /// A value of the graph around: made here where that costs nothing, else captured.
    fn given(&mut self, node: NodeId) -> NodeId {
        // From the value to what it is a view of.
        let mut views = Vec::new();
        let mut base = node;
        while !self.known.contains_key(&base) && shows_all(self.graph.op(base)) {
            views.push(base);
            base = self.graph.operand(base, 0);
        }

        let mut copy = match self.known.get(&base) {
            Some(&copy) => copy,
            None => self.base(base),
        };
        self.known.insert(base, copy);
        for view in views.into_iter().rev() {
            copy = self.body.add(self.graph.op(view).clone(), &[copy]);
            self.known.insert(view, copy);
        }
        copy
    }

    /// The bits of a draw in the iteration of this number: each element's position hashed under the word that was drawn before the loop.
    fn drawn(&mut self, word: NodeId, number: NodeId, draw: &Written) -> NodeId {
        let word = self.given(word);
        let (body, shape) = (&mut self.body, &draw.ty.shape);
        body.set_origin(draw.origin.clone());
        let key = body.add(Op::Binary(Binary::Add), &[word, number]);
        let key = body.spread(key, shape);

        let position = body.add(Op::Iota { shape: Shape(vec![shape.size()]), axis: 0 }, &[]);
        let position = body.add(Op::Convert(ElementType::U32), &[position]);
        let position = body.add(Op::Reshape(shape.clone()), &[position]);
        body.add(Op::Binary(Binary::Threefry), &[key, position])
    }

    fn base(&mut self, node: NodeId) -> NodeId {
        let op = self.graph.op(node);
        if matches!(op, Op::Constant(_) | Op::Iota { .. } | Op::DimValue { .. }) {
            return self.body.add(op.clone(), &[]);
        }
        self.captured.push(node);
        let name = if let Op::Input(input) = op {
            self.graph.inputs[*input].name.to_string()
        } else if let Op::Storage(storage) = op {
            self.graph.storages[*storage].name.to_string()
        } else {
            format!("captured.{}", self.captured.len())
        };
        self.declare(&name, self.graph.ty(node).clone())
    }
}

/// Whether an op has all elements of its operand as they are, and costs nothing.
fn shows_all(op: &Op) -> bool {
    op.class() == Class::View && op.facts().keeps_all || matches!(op, Op::Broadcast { .. })
}
