//! Loops that are one.
//!
//! In: a graph with loops. Out: the same, where loops over the same operands that carry the same are one.

use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::hash::Map;
use downhill_graph::loops::takes_the_same;
use downhill_graph::op::Op;
use downhill_graph::rebuild::{copy_into, results_of};
use std::borrow::Cow;
use std::sync::Arc;

/// Loops that take the same.
struct Alike {
    /// A result of one of them.
    of: NodeId,
    bodies: Vec<Arc<Graph>>,
}

/// A loop that several were merged to.
struct Merged {
    body: Graph,
    carried: usize,
}

/// What loops that take the same are together.
struct Whole {
    alike: Alike,
    body: Arc<Graph>,
    /// For each of their bodies, which of the whole one's results are its own.
    results: Vec<Vec<usize>>,
}

/// The graph with loops that take the same and carry the same made one: the gradient of a loop runs it once more, to keep what each turn
/// began with.
pub(crate) fn merge_loops(graph: &Graph) -> Cow<'_, Graph> {
    let mut all: Vec<Alike> = Vec::new();
    for id in graph.ids() {
        let Op::Scan { body, .. } = graph.op(id) else { continue };
        match all.iter_mut().find(|alike| takes_the_same(graph, id, alike.of)) {
            Some(alike) if alike.bodies.contains(body) => {}
            Some(alike) => alike.bodies.push(body.clone()),
            None => all.push(Alike { of: id, bodies: vec![body.clone()] }),
        }
    }
    all.retain(|alike| alike.bodies.len() > 1);
    let wholes: Vec<Whole> = all.into_iter().filter_map(|alike| Whole::of(graph, alike)).collect();
    if wholes.is_empty() {
        return Cow::Borrowed(graph);
    }

    let mut into = graph.same_interface();
    let copies = copy_into(&mut into, graph, &mut |into, id, operands| {
        let mut op = graph.op(id).clone();
        if let Op::Scan { body, result, .. } = &mut op
            && let Some(whole) = wholes.iter().find(|whole| takes_the_same(graph, id, whole.alike.of))
            && let Some(part) = whole.alike.bodies.iter().position(|part| part == body)
        {
            (*body, *result) = (whole.body.clone(), whole.results[part][*result]);
        }
        into.add(op, operands)
    });
    into.results = results_of(graph, &copies);
    Cow::Owned(into)
}

impl Whole {
    /// Loops as one; `None` where they carry different things.
    fn of(graph: &Graph, alike: Alike) -> Option<Whole> {
        let Op::Scan { carried, .. } = graph.op(alike.of) else { return None };
        let mut merged = Merged { body: alike.bodies[0].same_interface(), carried: *carried };
        let results = alike.bodies.iter().map(|body| merged.add(body)).collect::<Option<_>>()?;
        Some(Whole { body: Arc::new(merged.body), results, alike })
    }
}

impl Merged {
    /// Adds what another body makes. Which results those are; `None` if it carries something else.
    fn add(&mut self, body: &Graph) -> Option<Vec<usize>> {
        let plain = &mut |into: &mut Graph, id, operands: &[NodeId]| into.add(body.op(id).clone(), operands);
        let copies = copy_into(&mut self.body, body, plain);
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
