//! Chains: which additions of a sum follow one another, and where a new chain begins.
//!
//! In: a kernel before its sizes are fixed. Out: lengths that depend on it alone, so that every variant and target adds in the same order;
//! which loops must run in order; and how sums are added that rounding must not spoil.

use crate::ir::kernel::{Accumulator, Expression, Item, Kernel, Loop, Term, ValueId, visit_items};
use downhill_graph::op::{Binary, Unary};
use downhill_graph::types::ElementType;

/// The most terms of one chain of additions. A longer sum is cut into chunks (`emit/fold.rs`).
pub(crate) const CHAIN: i64 = 4096;

/// The terms of a chunk of a longer sum.
const CHUNK: i64 = 512;

/// How many iterations of `inside` terms each have so many terms, rounded down; at least one.
fn iterations_of(terms: i64, inside: i64) -> i64 {
    (terms / inside.max(1)).max(1)
}

/// Iterations that are one chain at most, and those of a chunk where there are more, of a loop whose iterations have `inside` terms each.
pub(crate) fn chain_and_chunk(inside: i64) -> [i64; 2] {
    [CHAIN, CHUNK].map(|terms| iterations_of(terms, inside))
}

/// The iterations of a chunk of a fold whose length is known, which is no loop over lanes; `None` where it is one chain.
pub(crate) fn chunk_of_known(kernel: &Kernel, fold: &Loop) -> Option<i64> {
    let iterations = kernel.extents[fold.axis.0 as usize].as_constant()?;
    let [chain, chunk] = chain_and_chunk(terms_of_iteration(kernel, fold).unwrap_or(1));
    (iterations > chain).then_some(chunk)
}

/// The terms that an iteration of a fold adds to its chains: those of the loops inside that go on with them. `None` where that is
/// not known, or longer than a chain.
pub(crate) fn terms_of_iteration(kernel: &Kernel, fold: &Loop) -> Option<i64> {
    fold.accumulators.iter().try_fold(1, |most: i64, accumulator| {
        let Some(inner) = continues_in(fold, accumulator) else { return Some(most) };
        let terms = terms(kernel, inner)?;
        (terms <= CHAIN).then_some(most.max(terms))
    })
}

/// The terms of the chain that a whole fold is, if its iterations are known.
pub(crate) fn terms(kernel: &Kernel, fold: &Loop) -> Option<i64> {
    let iterations = kernel.extents[fold.axis.0 as usize].as_constant()?;
    iterations.checked_mul(terms_of_iteration(kernel, fold)?)
}

/// Whether the iterations of a loop see what those before them have come to, other than by a fold that goes on with it, or may store to one
/// element: they run one after another, so the loop is no lane loop, and is not cut.
pub(crate) fn is_ordered(inner: &Loop) -> bool {
    let seen = |accumulator: &&Accumulator| accumulator.inside.is_some();
    inner.accumulators.iter().filter(seen).any(|accumulator| continues_in(inner, accumulator).is_none())
        || may_store_again(inner)
}

/// Whether two iterations of a loop may store to one element: what moves the store is known only when it runs.
fn may_store_again(inner: &Loop) -> bool {
    let mut found = false;
    visit_items(&inner.body, &mut |item| {
        if let Item::Store(_, access, _) = item {
            found |= access.by.is_some() && !access.at.terms.contains_key(&inner.axis);
        }
    });
    found
}

/// The loop inside a fold that goes on with what an accumulator has come to.
fn continues_in<'k>(fold: &'k Loop, accumulator: &Accumulator) -> Option<&'k Loop> {
    let Term::Next(value) = accumulator.term else { return None };
    fold.body.iter().find_map(|item| match item {
        Item::Loop(inner) => {
            let goes_on = |a: &Accumulator| a.result == value && a.from == accumulator.inside;
            inner.accumulators.iter().any(goes_on).then_some(inner)
        }
        Item::Let(..) | Item::Store(..) => None,
    })
}

/// `sum + term` by Kahan's method, where `excess` is what additions before have put into the sum too much, and is taken from the term. Of a
/// sum that is no longer finite nothing is too much. Gives what is to be computed, and the next sum and excess.
pub(crate) fn add_compensated(
    kernel: &mut Kernel,
    [sum, excess]: [ValueId; 2],
    term: ValueId,
    zero: ValueId,
) -> (Vec<Item>, [ValueId; 2]) {
    let (element, mut items) = (kernel.element(term), Vec::new());
    let mut set = |element: ElementType, expression: Expression| {
        kernel.values.push(element);
        let value = ValueId(kernel.values.len() as u32 - 1);
        items.push(Item::Let(value, expression));
        value
    };
    let more = set(element, Expression::Binary(Binary::Sub, term, excess));
    let next = set(element, Expression::Binary(Binary::Add, sum, more));

    let added = set(element, Expression::Binary(Binary::Sub, next, sum));
    let too_much = set(element, Expression::Binary(Binary::Sub, added, more));
    let is_finite = set(ElementType::Bool, Expression::Unary(Unary::IsFinite, too_much));
    let next_excess = set(element, Expression::Select(is_finite, too_much, zero));
    (items, [next, next_excess])
}
