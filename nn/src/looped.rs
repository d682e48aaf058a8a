//! A loop, made of a body that is complete.
//!
//! In: the graph that the body was written into, what the loop is given. Out: the loop's results.
//!
//! Must hold: a check that was written in the body is made for all iterations, where anything is used that the loop gives. Its mask and
//! the value are stacked by a loop of its own, which only a diagnosis runs: a step pays nothing for it.

use crate::body::Open;
use crate::region::{Body, Labels, Region};
use downhill_graph::check::{Check, Made};
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::op::Op;
use std::sync::Arc;

/// What a loop is given, and which nodes of its body are results.
pub(crate) struct Loop {
    /// What is carried, before the first iteration.
    pub(crate) initial: Vec<NodeId>,
    /// What is sliced along axis 0.
    pub(crate) sliced: Vec<NodeId>,
    /// The number of iterations.
    pub(crate) length: Dim,
    /// Whether the first iteration takes the last slices, and gives the last ones of what is stacked.
    pub(crate) reversed: bool,
    /// Whether its gradient computes what an iteration makes anew.
    pub(crate) recompute: bool,
    /// In the body: what is carried on, with its names, then what is stacked.
    pub(crate) results: Vec<(Arc<str>, NodeId)>,
}

/// Takes the body out of `graph` and adds the loop there. Without a loop, the body and its checks are dropped.
pub(crate) fn close(
    graph: &mut Graph,
    labels: &mut Labels,
    checks: &mut Vec<Check>,
    open: &Open,
    of: Option<&Loop>,
) -> Vec<NodeId> {
    let own = checks.split_off(open.checks.min(checks.len()));
    let Some(of) = of else {
        Region::cut(graph, labels, open, &Dim::default(), &[]);
        return Vec::new();
    };

    let results: Vec<NodeId> = of.results.iter().map(|(_, node)| *node).collect();
    let checked = own.iter().flat_map(|check| [check.value].into_iter().chain(mask(check)));
    let roots: Vec<NodeId> = results.iter().copied().chain(checked).collect();
    let region = Region::cut(graph, labels, open, &of.length, &roots);

    let names: Vec<Arc<str>> = of.results.iter().map(|(name, _)| name.clone()).collect();
    let given = add(graph, of, region.body(graph, &results), &names);
    for check in own {
        let check = for_all_iterations(graph, of, &region, &given, check);
        checks.push(check);
    }
    given
}

/// The mask of a check that is made in the graph.
fn mask(check: &Check) -> Option<NodeId> {
    if let Made::Computed(mask) = check.made { Some(mask) } else { None }
}

/// Adds the loop of a body whose roots are its results: `names` says which are carried and stacked, further ones are stacked, too.
fn add(graph: &mut Graph, of: &Loop, body: Body, names: &[Arc<str>]) -> Vec<NodeId> {
    let Body { graph: mut inner, roots, drawn, captured } = body;
    let name = |position: usize| match names.get(position) {
        Some(name) => name.clone(),
        None => position.to_string().into(),
    };
    let results = roots.into_iter().enumerate();
    inner.results = results.map(|(position, root)| (Purpose::Output(name(position)), root)).collect();

    let (carried, count) = (of.initial.len(), inner.results.len());
    let sliced = of.sliced.len() + drawn.len();
    let operands = [&of.initial[..], &of.sliced, &drawn, &captured].concat();
    let body = Arc::new(inner);
    let result = |result| Op::Scan {
        body: body.clone(),
        carried,
        sliced,
        length: of.length.clone(),
        reversed: of.reversed,
        recompute: of.recompute,
        result,
    };
    (0..count).map(|position| graph.add(result(position), &operands)).collect()
}

/// A check of the body as one of all iterations, for those who use what the loop has `given`.
fn for_all_iterations(
    graph: &mut Graph,
    of: &Loop,
    region: &Region,
    given: &[NodeId],
    check: Check,
) -> Check {
    // Its value is looked at only where its mask is computed.
    let Some(mask) = mask(&check) else {
        let before = check.terms.iter().map(|&term| region.before(term)).collect::<Option<Vec<NodeId>>>();
        let value = region.before(check.value).unwrap_or(given[0]);
        return Check { value, terms: before.unwrap_or_else(|| given.to_vec()), ..check };
    };

    let before = |&id: &NodeId| region.before(id);
    let terms = || check.terms.iter().map(before).collect::<Option<Vec<NodeId>>>();
    if let (Some(value), Some(mask), Some(terms)) = (before(&check.value), before(&mask), terms()) {
        return Check { value, terms, made: Made::Computed(mask), ..check };
    }

    let carried = of.results.iter().take(of.initial.len());
    let (names, mut roots): (Vec<Arc<str>>, Vec<NodeId>) = carried.cloned().unzip();
    roots.extend([check.value, mask]);
    let stacked = add(graph, of, region.body(graph, &roots), &names);
    let (value, mask) = (stacked[names.len()], stacked[names.len() + 1]);
    Check { value, terms: given.to_vec(), made: Made::Computed(mask), ..check }
}
