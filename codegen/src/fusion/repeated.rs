//! Loops that are one.
//!
//! In: a graph with loops. Out: the same, where loops over the same operands that carry the same are one.

use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::hash::Map;
use downhill_graph::op::Op;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether two nodes are results of one loop.
pub(crate) fn is_same_loop(graph: &Graph, one: NodeId, other: NodeId) -> bool {
    let (
        Op::Scan { body, carried, sliced, length, reversed, .. },
        Op::Scan { body: b, carried: c, sliced: s, length: l, reversed: r, .. },
    ) = (graph.op(one), graph.op(other))
    else {
        return false;
    };
    (carried, sliced, length, reversed) == (c, s, l, r)
        && graph.operands_of(one) == graph.operands_of(other)
        && (Arc::ptr_eq(body, b) || body == b)
}

/// A loop that several were merged to.
struct Merged {
    body: Graph,
    carried: usize,
}

/// The graph with loops that take the same and carry the same made one: the gradient of a loop runs it once more, to keep what each turn
/// began with.
pub(crate) fn merge_loops(graph: &Graph) -> Cow<'_, Graph> {
    let mut alike: BTreeMap<(Vec<NodeId>, usize, usize, bool, String), Vec<Arc<Graph>>> = BTreeMap::new();
    for id in graph.ids() {
        if let Op::Scan { body, carried, sliced, length, reversed, .. } = graph.op(id) {
            let key = (graph.operands(id), *carried, *sliced, *reversed, length.to_string());
            let bodies = alike.entry(key).or_default();
            if !bodies.contains(body) {
                bodies.push(body.clone());
            }
        }
    }
    alike.retain(|_, bodies| bodies.len() > 1);
    if alike.is_empty() {
        return Cow::Borrowed(graph);
    }

    // For each body the one that it is part of, and which of that one's results are its own.
    let mut homes: Vec<(Vec<NodeId>, Arc<Graph>, Arc<Graph>, Vec<usize>)> = Vec::new();
    for ((operands, carried, ..), bodies) in alike {
        let mut merged = Merged { body: bodies[0].same_interface(), carried };
        let parts: Option<Vec<Vec<usize>>> = bodies.iter().map(|body| merged.add(body)).collect();
        let Some(parts) = parts else { continue };
        let whole = Arc::new(merged.body);
        for (body, part) in bodies.into_iter().zip(parts) {
            homes.push((operands.clone(), body, whole.clone(), part));
        }
    }

    let mut into = graph.same_interface();
    let mut copies: Vec<NodeId> = Vec::with_capacity(graph.len());
    for id in graph.ids() {
        into.set_origin(graph.origin(id).clone());
        let operands: Vec<NodeId> = graph.operands_of(id).iter().map(|it| copies[it.index()]).collect();
        let mut op = graph.op(id).clone();
        if let Op::Scan { body, result, .. } = &mut op {
            let own = |(operands, part, ..): &&(Vec<NodeId>, Arc<Graph>, Arc<Graph>, Vec<usize>)| {
                operands == graph.operands_of(id) && part == body
            };
            if let Some((_, _, whole, part)) = homes.iter().find(own) {
                (*body, *result) = (whole.clone(), part[*result]);
            }
        }
        copies.push(into.add(op, &operands));
    }
    into.results = graph.results.iter().map(|(purpose, id)| (purpose.clone(), copies[id.index()])).collect();
    Cow::Owned(into)
}

impl Merged {
    /// Adds what another body makes. Which results those are; `None` if it carries something else.
    fn add(&mut self, body: &Graph) -> Option<Vec<usize>> {
        let mut copies: Vec<NodeId> = Vec::with_capacity(body.len());
        for id in body.ids() {
            let operands: Vec<NodeId> = body.operands_of(id).iter().map(|it| copies[it.index()]).collect();
            self.body.set_origin(body.origin(id).clone());
            copies.push(self.body.add(body.op(id).clone(), &operands));
        }
        let made: Vec<NodeId> = body.results.iter().map(|(_, id)| copies[id.index()]).collect();
        let is_first = self.body.results.is_empty();
        let mut known: Map<NodeId, usize> = Map::default();
        for (place, (_, id)) in self.body.results.iter().enumerate().skip(self.carried) {
            known.entry(*id).or_insert(place);
        }
        let mut own = Vec::with_capacity(made.len());
        for (place, id) in made.into_iter().enumerate() {
            if place < self.carried && !is_first {
                (self.body.results[place].1 == id).then_some(())?;
                own.push(place);
                continue;
            }
            let next = self.body.results.len();
            let at = if place < self.carried { next } else { *known.entry(id).or_insert(next) };
            if at == next {
                self.body.results.push((Purpose::Output(next.to_string().into()), id));
            }
            own.push(at);
        }
        Some(own)
    }
}
