//! The steps of an entry: a kernel for each group of values, and for each loop of the graph the kernels of its body, which run again and
//! again.
//!
//! In: a prepared graph, fused. Out: [`Step`]s, and the bytes of each arena buffer.
//!
//! How: the body of a loop is planned like an entry whose storages are what the loop carries. Then its buffers are given their places
//! in the memory around: an input is the operand, or in each turn another slice of it; an output is a slice of the stacked result; what is
//! carried lies where the result of the whole loop does, and begins as a copy of the operand.

use crate::error::Error;
use crate::fusion::fuse::{Fused, fuse};
use crate::fusion::group::Group;
use crate::fusion::prepare::prepare;
use crate::ir::kernel::{Buffer, Kernel};
use crate::plan::arena::{copy, turn};
use crate::plan::build::{Homes, assign_homes, build, describe, memory_of};
use crate::plan::step::{Move, Repeat, Step};
use downhill_graph::dim::Dim;
use downhill_graph::error::Origin;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Exchange, Graph, NodeId, Purpose, Role, Storage, StorageKind, bug};
use downhill_graph::op::Op;
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::rebuild::copy_into;
use downhill_graph::types::Type;
use std::collections::{BTreeMap, BTreeSet};

/// The steps that make all groups, in the order of the groups, and the bytes of each arena buffer. `outputs` are the results other than
/// updates and losses, `looked_up` the inputs whose rows are looked up in the table.
///
/// # Errors
/// Ops and types that have no compiled form yet.
pub(crate) fn steps(
    graph: &Graph,
    fused: &Fused,
    outputs: &[(Purpose, Type)],
    looked_up: BTreeSet<usize>,
) -> Result<(Vec<Step>, Vec<Dim>), Error> {
    let purposes: Vec<Purpose> = outputs.iter().map(|(purpose, _)| purpose.clone()).collect();
    let mut homes = assign_homes(graph, fused, &purposes, looked_up);
    let mut arena = std::mem::take(&mut homes.arena);

    let mut steps = Vec::with_capacity(fused.groups.len());
    for group in &fused.groups {
        let is_loop = |node: NodeId| graph.op(node).class() == Class::Loop;
        if group.roots.first().is_some_and(|root| is_loop(root.node)) {
            steps.append(&mut Around { graph, homes: &homes, arena: &mut arena }.steps(group)?);
        } else {
            steps.push(Step::from(build(graph, &homes, &fused.row_updates, group)?));
        }
    }
    Ok((steps, arena))
}

/// The memory around a loop.
struct Around<'a> {
    graph: &'a Graph,
    homes: &'a Homes,
    arena: &'a mut Vec<Dim>,
}

/// The body of a loop, as an entry of its own.
struct Body {
    graph: Graph,
    /// For each output the node around whose slices it makes.
    stacked: Vec<NodeId>,
}

/// Where the buffers of a body lie.
struct Places {
    inputs: Vec<Buffer>,
    carried: Vec<Buffer>,
    outputs: Vec<Buffer>,
    /// The number of its first arena buffer.
    arena: usize,
    moves: BTreeMap<Buffer, Move>,
}

impl Around<'_> {
    /// Copies of what the loop begins with, the loop, and copies of what it has come to where more than one place asks for it.
    fn steps(&mut self, group: &Group) -> Result<Vec<Step>, Error> {
        let nodes: Vec<NodeId> = group.roots.iter().map(|root| root.node).collect();
        let Op::Scan { carried, length, .. } = self.graph.op(nodes[0]) else { bug("a loop without a body") };
        let body = Body::of(self.graph, &nodes);
        let (kernels, sizes) = body.plan()?;

        let mut steps = Vec::new();
        let is_nested = kernels.iter().any(|step| step.kernel().is_none());
        let places = self.places(&nodes, &body, is_nested, &mut steps);
        self.arena.extend(sizes);
        for place in 0..*carried {
            let operand = self.graph.operand(nodes[0], place);
            let from = memory_of(self.graph, self.homes, operand);
            steps.push(self.copy(nodes[0], self.graph.ty(operand), from, places.carried[place]));
        }

        steps.push(places.around(kernels, length));

        for &node in &nodes {
            let home = self.homes.read_from[&node];
            let others = self.homes.written_to[&node].iter().filter(|other| **other != home);
            steps.extend(others.map(|&other| self.copy(node, self.graph.ty(node), home, other)));
        }
        Ok(steps)
    }

    fn copy(&self, node: NodeId, ty: &Type, from: Buffer, to: Buffer) -> Step {
        copy(&describe(self.graph, node), ty.element, &ty.shape, from, to).into()
    }

    fn fresh(&mut self, ty: &Type) -> Buffer {
        self.arena.push(ty.bytes());
        Buffer::Arena(self.arena.len() - 1)
    }

    /// Where the body's buffers lie. Copies that this takes are added to `steps`.
    fn places(&mut self, nodes: &[NodeId], body: &Body, is_nested: bool, steps: &mut Vec<Step>) -> Places {
        let Op::Scan { carried, sliced, length, reversed, .. } = self.graph.op(nodes[0]) else {
            bug("a place in no loop")
        };
        let mut moves: BTreeMap<Buffer, Option<Move>> = BTreeMap::new();

        let taken = &self.graph.operands(nodes[0])[*carried..];
        let mut inputs = Vec::with_capacity(taken.len());
        for (place, node) in taken.iter().enumerate() {
            let ty = self.graph.ty(*node).clone();
            let by =
                (place < *sliced).then(|| along(&body.graph.inputs[place].ty.bytes(), length, *reversed));
            let mut buffer = memory_of(self.graph, self.homes, *node);
            // What is taken in two ways lies in two places.
            if moves.get(&buffer).is_some_and(|other| is_nested || *other != by) {
                let copied = self.fresh(&ty);
                steps.push(self.copy(nodes[0], &ty, buffer, copied));
                buffer = copied;
            }
            moves.insert(buffer, by);
            inputs.push(buffer);
        }

        let result = |place: usize| nodes.iter().find(|&&node| result_of(self.graph, node) == place);
        let results: Vec<Option<NodeId>> = (0..*carried).map(|place| result(place).copied()).collect();
        let carried =
            results.into_iter().zip(body.graph.storages.clone()).map(|(result, storage)| match result {
                Some(node) => self.homes.read_from[&node],
                None => self.fresh(&storage.ty),
            });
        let carried: Vec<Buffer> = carried.collect();

        let mut outputs = Vec::with_capacity(body.stacked.len());
        for (node, (_, output)) in body.stacked.iter().zip(body.outputs()) {
            let home = self.homes.read_from[node];
            moves.insert(home, Some(along(&output.bytes(), length, *reversed)));
            outputs.push(home);
        }
        let moves = moves.into_iter().filter_map(|(buffer, by)| Some((buffer, by?))).collect();
        Places { inputs, carried, outputs, arena: self.arena.len(), moves }
    }
}

/// Slices of so many bytes, one after the other, or the last one first.
fn along(bytes: &Dim, length: &Dim, reversed: bool) -> Move {
    if reversed {
        let back = &Dim::default() - bytes;
        Move { first: &(length - &Dim::from(1)) * bytes, by: back }
    } else {
        Move { first: Dim::default(), by: bytes.clone() }
    }
}

fn result_of(graph: &Graph, node: NodeId) -> usize {
    if let Op::Scan { result, .. } = graph.op(node) { *result } else { bug("a result of no loop") }
}

impl Body {
    /// The body of the loop that makes `nodes`, without what it stacks for nobody.
    fn of(graph: &Graph, nodes: &[NodeId]) -> Body {
        let Op::Scan { body, carried, .. } = graph.op(nodes[0]) else { bug("a body of no loop") };
        let mut entry = body.same_interface();
        entry.inputs.drain(..*carried);
        entry.inputs.iter_mut().for_each(|input| input.role = Role::Input);
        entry.results.clear();
        for (place, input) in body.inputs[..*carried].iter().enumerate() {
            entry.storages.push(Storage {
                name: format!("carried.{place}").into(),
                ty: input.ty.clone(),
                kind: StorageKind::State,
                initializer: Initializer::Zeros,
                exchange: Exchange::default(),
                origin: Origin::default(),
            });
        }
        let copies = copy_into(&mut entry, body, &mut |entry, id, operands| {
            let mut op = body.op(id).clone();
            if let Op::Input(place) = op {
                op = if place < *carried { Op::Storage(place) } else { Op::Input(place - carried) };
            }
            entry.add(op, operands)
        });

        let mut stacked: Vec<(usize, NodeId)> = nodes
            .iter()
            .map(|&node| (result_of(graph, node), node))
            .filter(|(place, _)| place >= carried)
            .collect();
        stacked.sort_unstable();
        for (place, (_, id)) in body.results.iter().enumerate() {
            let id = copies[id.index()];
            let stays = *entry.op(id) == Op::Storage(place);
            if place < *carried && !stays {
                entry.results.push((Purpose::Update(place), id));
            } else if place >= *carried && stacked.iter().any(|(wanted, _)| *wanted == place) {
                entry.results.push((Purpose::Output(format!("{place}").into()), id));
            }
        }
        Body { graph: optimize(&entry), stacked: stacked.into_iter().map(|(_, node)| node).collect() }
    }

    /// What each turn stacks.
    fn outputs(&self) -> Vec<(Purpose, Type)> {
        let named = self.graph.results.iter().filter(|(purpose, _)| matches!(purpose, Purpose::Output(_)));
        named.map(|(purpose, id)| (purpose.clone(), self.graph.ty(*id).clone())).collect()
    }

    /// The steps of a turn, and the bytes of its arena buffers.
    fn plan(&self) -> Result<(Vec<Step>, Vec<Dim>), Error> {
        let prepared = prepare(&self.graph);
        let fused = fuse(&prepared, &BTreeSet::new());
        let (steps, mut arena) = steps(&prepared.graph, &fused, &self.outputs(), BTreeSet::new())?;
        let steps = turn(&prepared.graph, steps, &mut arena);
        Ok((steps, arena))
    }
}

impl Places {
    /// The steps of a turn as one step that runs them so many times.
    fn around(self, turn: Vec<Step>, turns: &Dim) -> Step {
        let place = |buffer: Buffer| match buffer {
            Buffer::Input(n) => self.inputs[n],
            Buffer::Storage(n) => self.carried[n],
            Buffer::Output(n) => self.outputs[n],
            Buffer::Arena(n) => Buffer::Arena(self.arena + n),
            Buffer::Loss | Buffer::Watched | Buffer::Scratch(_) => bug("a loop without such a buffer"),
        };
        let (mut kernels, mut repeats): (Vec<Kernel>, Vec<Repeat>) = (Vec::new(), Vec::new());
        for step in turn {
            let inner = step.repeats.into_iter();
            repeats.extend(inner.map(|repeat| repeat.renamed(&place).behind(kernels.len())));
            kernels.extend(step.kernels.iter().map(|kernel| kernel.map_buffers(&mut |buffer| place(buffer))));
        }
        repeats.push(Repeat { kernels: 0..kernels.len(), turns: turns.clone(), moves: self.moves });
        Step { kernels, repeats }
    }
}
