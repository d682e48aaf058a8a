//! Updates that change few rows of a table: those that were looked up.
//!
//! In: a prepared graph. Out: the updates whose new value differs from the old one only in rows that indices say, each with these rows,
//! whose computation is added to the graph; the update itself stays as it is.
//!
//! Must hold: no bit changes. A row that no index says has the gradient 0, and w − 0·η is w, for any finite η (of a zero the sign may be
//! another); a row that several indices say is computed from the whole sum of its updates for each of them, and stored as often.
//!
//! # Decisions
//!
//! - A step of plain descent on a table of 50,000 × 128 that looks up 4,096 rows took 6.2 ms, of which the sums, zeros first, and the
//!   update of the whole table took 4.2; with the rows alone that were looked up it takes 1.2 ms, however long the table is (Zen 3, AVX2,
//!   one thread, the least of 60 steps on a busy machine; PyTorch 2.15 there: 8.1 ms, with sparse gradients 3.2).
//! - It pays where indices are few beside the rows, which must be decided before sizes are known: a size that is not known counts as 64.
//!   An index costs some rows' worth of memory, so there must be four rows for it.

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::op::{Binary, Op};
use downhill_graph::types::{ElementType, Shape};
use std::collections::BTreeMap;

/// An update of few rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowUpdate {
    /// The new rows, one for each index.
    pub(crate) rows: NodeId,
    /// Where they stand in the table.
    pub(crate) indices: NodeId,
    /// The sums of the gradient, of which only these rows are read.
    pub(crate) sums: NodeId,
}

/// Indices assumed where a size is not known.
const ASSUMED: i64 = 64;
/// Rows that there must be for each index.
const ROWS_FOR_EACH: i64 = 4;

/// Finds the updates of few rows, and adds what they store.
pub(crate) fn updates_of_rows(graph: &mut Graph) -> BTreeMap<NodeId, RowUpdate> {
    let users = graph.users();
    let mut results = BTreeMap::new();
    graph.results.iter().for_each(|(_, id)| *results.entry(*id).or_insert(0) += 1);
    let is_inner = |id: NodeId| users.of(id).len() == 1 && !results.contains_key(&id);

    let mut found = Vec::new();
    for (purpose, id) in &graph.results {
        if matches!(purpose, Purpose::Update(_)) && results[id] == 1 && users.of(*id).is_empty() {
            found.extend(Descent::of(graph, *id).filter(|step| is_inner(step.scaled) && is_inner(step.sums)));
        }
    }
    found.into_iter().map(|step| (step.updated, step.of_rows(graph))).collect()
}

/// `table − sums·rate`.
struct Descent {
    updated: NodeId,
    table: NodeId,
    scaled: NodeId,
    sums: NodeId,
    /// Which operand of the product the sums are.
    side: usize,
    rate: NodeId,
    indices: NodeId,
}

impl Descent {
    fn of(graph: &Graph, updated: NodeId) -> Option<Descent> {
        let [table, scaled] = operands(graph, updated, Binary::Sub)?;
        let factors = operands(graph, scaled, Binary::Mul)?;
        let side = factors.iter().position(|&id| is_sum(graph, id))?;
        let (sums, spread) = (factors[side], factors[1 - side]);
        let is_spread = matches!(graph.op(spread), Op::Broadcast { axes, .. } if axes.is_empty());
        let is_table =
            matches!(graph.op(table), Op::Storage(_)) && graph.ty(table).element == ElementType::F32;
        let indices = graph.operand(sums, 1);
        let pays = is_few(graph.shape(indices), &graph.shape(table).dims()[0]);
        let rate = is_spread.then(|| graph.operand(spread, 0))?;
        (is_table && pays).then_some(Descent { updated, table, scaled, sums, side, rate, indices })
    }

    /// The same of the rows that indices say.
    fn of_rows(&self, graph: &mut Graph) -> RowUpdate {
        graph.set_origin(graph.origin(self.updated).clone());
        let [table, sums] = [self.table, self.sums]
            .map(|whole| graph.add(Op::Gather { axis: 0, batch: 0 }, &[whole, self.indices]));
        let shape = graph.shape(sums).clone();
        let rate = graph.add(Op::Broadcast { shape, axes: Vec::new() }, &[self.rate]);
        let factors = if self.side == 0 { [sums, rate] } else { [rate, sums] };
        let scaled = graph.add(Op::Binary(Binary::Mul), &factors);
        let rows = graph.add(Op::Binary(Binary::Sub), &[table, scaled]);
        RowUpdate { rows, indices: self.indices, sums: self.sums }
    }
}

fn operands(graph: &Graph, id: NodeId, function: Binary) -> Option<[NodeId; 2]> {
    (*graph.op(id) == Op::Binary(function)).then(|| [graph.operand(id, 0), graph.operand(id, 1)])
}

/// Sums by index along the first axis.
fn is_sum(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.op(id), Op::ScatterAdd { axis: 0, batch: 0, .. })
}

fn is_few(indices: &Shape, rows: &Dim) -> bool {
    let assumed = |dim: &Dim| dim.as_constant().unwrap_or(ASSUMED);
    let count = indices.dims().iter().try_fold(1_i64, |count, dim| count.checked_mul(assumed(dim)));
    let needed = count.and_then(|count| count.checked_mul(ROWS_FOR_EACH));
    needed.zip(rows.as_constant()).is_some_and(|(needed, rows)| needed <= rows)
}
