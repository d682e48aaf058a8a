//! Loops without what nobody needs of them.
//!
//! In: a graph. Out: the same, where loops carry, stack and are given only what a result needs. A carried value is needed where its last
//! value is, or where what an iteration makes for a needed one reads it. What a loop alone was made for goes with it.
//!
//! Must hold: loops that take the same operands still do behind this, as they become one loop later: what one of them needs, all keep.

use crate::dim::Dim;
use crate::graph::{Graph, NodeId, bug};
use crate::hash::Map;
use crate::op::Op;
use crate::rebuild::{ancestors, copy_into, rebuild, rebuild_into, results_of};
use std::sync::Arc;

/// Drops what loops carry, stack and are given for nobody.
pub fn prune_loops(graph: &Graph) -> Graph {
    // Inner loops first: what they do not read the one around need not carry for them.
    let graph = rebuild(graph, &prune_loops, &mut |graph, op, operands| graph.add(op, operands));
    let mut alike = Alike::all(&graph);
    alike.values_mut().for_each(Alike::find_needed);
    alike.retain(|_, loops| !loops.needs_all());
    if alike.is_empty() {
        return graph;
    }

    let mut pruned = graph.same_interface();
    let copies = copy_into(&mut pruned, &graph, &mut |into, id, operands| {
        let copy = match Taken::of(&graph, id).and_then(|taken| alike.get(&taken)) {
            Some(loops) => loops.pruned(into, graph.op(id), operands),
            None => into.add(graph.op(id).clone(), operands),
        };
        if let Some(label) = graph.label(id) {
            into.set_label(copy, label.clone());
        }
        copy
    });
    pruned.set_origin(graph.current_origin().clone());
    pruned.results = results_of(&graph, &copies);
    rebuild(&pruned, &Graph::clone, &mut |graph, op, operands| graph.add(op, operands))
}

/// What loops take: those that take the same carry and slice the same operands, in as many iterations.
#[derive(PartialEq, Eq, Hash)]
struct Taken {
    operands: Vec<NodeId>,
    carried: usize,
    sliced: usize,
    length: Dim,
    reversed: bool,
    recompute: bool,
}

impl Taken {
    fn of(graph: &Graph, id: NodeId) -> Option<Taken> {
        let Op::Scan { body: _, carried, sliced, length, reversed, recompute, result: _ } = graph.op(id)
        else {
            return None;
        };
        let (operands, length) = (graph.operands(id), length.clone());
        let (carried, sliced, reversed, recompute) = (*carried, *sliced, *reversed, *recompute);
        Some(Taken { operands, carried, sliced, length, reversed, recompute })
    }
}

/// Loops that take the same.
struct Alike {
    carried: usize,
    /// Their bodies, and which results of each are asked for.
    bodies: Vec<(Arc<Graph>, Vec<bool>)>,
    /// Which operands any of them needs.
    needed: Vec<bool>,
}

impl Alike {
    fn all(graph: &Graph) -> Map<Taken, Alike> {
        let mut all: Map<Taken, Alike> = Map::default();
        for id in graph.ids() {
            let (Op::Scan { body, carried, result, .. }, Some(taken)) = (graph.op(id), Taken::of(graph, id))
            else {
                continue;
            };
            let needed = vec![false; taken.operands.len()];
            let alike = all.entry(taken).or_insert(Alike { carried: *carried, bodies: Vec::new(), needed });
            let place = alike.place(body).unwrap_or_else(|| {
                alike.bodies.push((body.clone(), vec![false; body.results.len()]));
                alike.bodies.len() - 1
            });
            alike.bodies[place].1[*result] = true;
        }
        all
    }

    fn place(&self, body: &Arc<Graph>) -> Option<usize> {
        self.bodies.iter().position(|(known, _)| Arc::ptr_eq(known, body) || known == body)
    }

    /// Finds the operands that are needed: of what is carried, what is asked for and what needed results read, until that is all.
    fn find_needed(&mut self) {
        for (_, asked) in &self.bodies {
            asked[..self.carried].iter().zip(&mut self.needed).for_each(|(asked, needed)| *needed |= asked);
        }
        loop {
            let before = self.needed.clone();
            for (body, asked) in &self.bodies {
                let is_root = |place: usize| if place < self.carried { before[place] } else { asked[place] };
                let results = body.results.iter().enumerate().filter(|(place, _)| is_root(*place));
                let roots: Vec<NodeId> = results.map(|(_, (_, id))| *id).collect();
                let read = ancestors(body, &roots);
                for id in body.ids().filter(|id| read[id.index()]) {
                    if let Op::Input(operand) = body.op(id) {
                        self.needed[*operand] = true;
                    }
                }
            }
            if self.needed == before {
                return;
            }
        }
    }

    /// Whether there is nothing to drop.
    fn needs_all(&self) -> bool {
        let stacked = |asked: &[bool]| asked[self.carried..].iter().all(|asked| *asked);
        self.needed.iter().all(|needed| *needed) && self.bodies.iter().all(|(_, asked)| stacked(asked))
    }

    /// The result of one of the loops, without what is not needed.
    fn pruned(&self, into: &mut Graph, op: &Op, operands: &[NodeId]) -> NodeId {
        let Op::Scan { body, carried, sliced, length, reversed, recompute, result } = op else {
            bug("a loop without a body")
        };
        let Some(place) = self.place(body) else { bug("a loop among others") };
        let asked = &self.bodies[place].1;
        let stays = |place: usize| if place < self.carried { self.needed[place] } else { asked[place] };
        let count = |places: std::ops::Range<usize>| places.filter(|&place| self.needed[place]).count();
        let pruned = Op::Scan {
            body: Arc::new(self.body(body, &stays)),
            carried: count(0..*carried),
            sliced: count(*carried..carried + sliced),
            length: length.clone(),
            reversed: *reversed,
            recompute: *recompute,
            result: (0..*result).filter(|&place| stays(place)).count(),
        };
        let kept = operands.iter().zip(&self.needed).filter(|(_, needed)| **needed);
        into.add(pruned, &kept.map(|(operand, _)| *operand).collect::<Vec<NodeId>>())
    }

    /// A body with the inputs that are needed, and the results that stay.
    fn body(&self, body: &Graph, stays: &dyn Fn(usize) -> bool) -> Graph {
        let mut asked = body.clone();
        let results = body.results.iter().enumerate().filter(|(place, _)| stays(*place));
        asked.results = results.map(|(_, result)| result.clone()).collect();

        let mut pruned = body.same_interface();
        let mut needed = self.needed.iter();
        pruned.inputs.retain(|_| needed.next().copied().unwrap_or(true));
        let position = |input: usize| self.needed[..input].iter().filter(|needed| **needed).count();
        rebuild_into(pruned, &asked, &Graph::clone, &mut |graph, op, operands| {
            let op = if let Op::Input(input) = op { Op::Input(position(input)) } else { op };
            graph.add(op, operands)
        })
    }
}
