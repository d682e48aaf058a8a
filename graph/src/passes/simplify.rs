//! Simplification: what a person would do on paper.
//!
//! In: a graph. Out: the same with local rules applied everywhere, again and again until nothing changes. A rule looks at an op and
//! its operands (already simplified) and gives the node that replaces it, or nothing. Replacements are added through
//! [`add`], so rules apply to them too. That is the one circle between this file and those of the rules.
//!
//! Must hold, so that it ends: every rule removes an op, shrinks an op's operands, or moves a scalar factor, a sign or a view towards the
//! results, never back.
//!
//! Must hold, so that it is right for floats: for finite operands a rule never makes a finite result infinite or a normal one zero;
//! each file says at its head why its rules do not.
//!
//! Not done, because it would change NaN or infinite results: 0·x → 0, x − x → 0, x/x → 1, log(exp x) → x.

mod rewriting;
mod algebra;
mod contraction;
mod folding;
mod magnitude;
mod pieces;
mod scale;
mod views;
mod windows;
mod repeated;

use crate::graph::Graph;
use crate::rebuild::rebuild;
use rewriting::{Rewriting, Rule, add};

/// Applies all rules until nothing changes.
pub fn simplify(graph: &Graph) -> Graph {
    // Each walk simplifies what it makes, too. More walks find what becomes equal only later.
    const WALKS: usize = 32;
    let walk = |graph: &Graph| {
        rebuild(graph, &simplify, &mut |graph, op, operands| {
            add(&mut Rewriting::new(graph, RULES), op, operands)
        })
    };

    let mut last = walk(graph);
    if last == *graph {
        return last;
    }

    for _ in 1..WALKS {
        let next = walk(&last);
        if next == last {
            return next;
        }
        last = next;
    }

    // Rules that could still apply would only make the graph smaller; it is right as it is.
    last
}

/// In order: the first that applies wins.
const RULES: &[Rule] = &[
    folding::constants,
    folding::dim_value,
    views::of_spread,
    views::identity,
    views::composed,
    views::transposed_broadcast,
    views::reversed_broadcast,
    views::outward,
    views::beside_transposed,
    views::beside_merged,
    windows::of_transposed,
    windows::fold_of_product,
    windows::fold_apart,
    repeated::fold_of_repeated,
    windows::slice_inward,
    repeated::slice_of_sum,
    pieces::one_behind_another,
    algebra::neg,
    algebra::add,
    algebra::sub,
    algebra::mul,
    algebra::div,
    algebra::pow,
    algebra::choice,
    scale::softmax,
    scale::reciprocal,
    scale::combine,
    scale::behind,
    scale::out_of_select,
    scale::factor,
    contraction::of_transposed,
    contraction::swapped,
    contraction::outer_product,
    contraction::reduction,
    contraction::sum_of_broadcast,
];
