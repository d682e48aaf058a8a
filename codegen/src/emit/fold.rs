//! Long sums.
//!
//! In: a loop that folds. Out: loops over chunks of its iterations, whose sums are added with what was lost in rounding carried along.
//!
//! Must hold: where a chunk ends depends on the length of the sum and on the kernel before sizes are fixed (which loop has the lanes, what
//! the loops inside go on with: `ir/chain.rs`), and on nothing else; so all variants and targets add in the same order. A fold that
//! ends within its first chunk has the bits of a plain one. A sum that goes on from another is short.
//!
//! # Decisions
//!
//! - A sum in f32 that is one chain of n additions is off by up to n roundings: the mean of 10⁷ numbers by 6.6 %, and 2²⁵ ones came to
//!   2²⁴. A sum of at most 4,096 terms stays one chain, at no cost, and is off by some 1e-6. A longer one is cut into chunks of 512; their sums
//!   are added by Kahan's method (W. Kahan, "Further remarks on reducing truncation errors", 1965), whose error does not grow with
//!   their number. Adding them pairwise would need memory for a partial sum of each level; this needs one more register for each sum,
//!   and six instructions a chunk.
//! - A lane loop has 32 chains, so its chunks have 32 · 1,024 terms: combining the lanes costs what some dozen additions do.
//! - Generic code does not know how many chunks there are. The loop over them runs once for a short sum, and the addition, a loop over
//!   this chunk among those after the first, not at all: a test, and the registers that it keeps in memory.

use super::kernel::{Emit, Number, Range};
use crate::ir::chain::{CHAIN, chain_and_chunk, is_ordered, terms, terms_of_iteration};
use crate::ir::kernel::{Accumulator, Loop};
use crate::lane::scalar;
use crate::lane::{Binary, Compare, Integer, Portion, Reg};
use crate::schedule::loops::extent;
use downhill_graph::dim::Dim;
use downhill_graph::op::Reduction;

/// The terms of a chunk of a lane loop, which has 32 chains.
const LANES_CHUNK: i64 = 32 * 1024;

impl Emit<'_> {
    /// How many iterations a chunk of a loop has; `None` for a loop that is known to be one, runs in order, or adds no floats.
    pub(super) fn chunk(&self, inner: &Loop) -> Option<Dim> {
        let inside = terms_of_iteration(self.kernel, inner).unwrap_or(1);
        let starts = inner.accumulators.iter().all(|accumulator| accumulator.from.is_none());
        let sums = inner.accumulators.iter().any(|accumulator| self.adds_floats(accumulator));
        if !sums || is_ordered(inner) {
            return None;
        }
        if !starts {
            debug_assert!(
                terms(self.kernel, inner).is_some_and(|terms| terms <= CHAIN),
                "downhill bug: a long sum goes on from another one; please report"
            );
            return None;
        }

        let extent = extent(self.kernel, inner.axis);
        let is_long = |most: i64| extent.as_constant().is_none_or(|iterations| iterations > most);
        if self.schedule.lanes.contains(&inner.axis) {
            let chunk = (LANES_CHUNK / inside.max(1)).max(1);
            return is_long(chunk).then(|| Dim::from(chunk));
        }
        let [chain, chunk] = chain_and_chunk(inside);
        // 1 for what is one chain, else 0.
        let is_chain = Dim::from(1).divide(&(&Dim::from(1) + &extent.divide(&Dim::from(chain + 1))));
        is_long(chain).then(|| &Dim::from(chunk) + &(&is_chain * &Dim::from(chain - chunk)))
    }

    fn adds_floats(&self, accumulator: &Accumulator) -> bool {
        accumulator.kind == Reduction::Sum && self.kernel.element(accumulator.result).is_float()
    }

    /// A loop in chunks of `length` iterations, each of which starts from `starts`. Gives the values of the accumulators after all of them.
    pub(super) fn long_fold(&mut self, inner: &Loop, length: Dim, starts: &[Vec<Reg>]) -> Vec<Vec<Reg>> {
        let iterations = extent(self.kernel, inner.axis).clone();
        let chunks = (&(&iterations + &length) - &Dim::from(1)).divide(&length);
        let [end, chunks, length] = [iterations, chunks, length].map(|dim| self.integer(Number::Dim(dim)));
        let zero = self.b.constant_f(0.0);

        let number = self.b.var();
        self.b.begin_loop(number, Integer::Constant(0), chunks, Portion::Whole, false);
        let mut so_far: Vec<Vec<SoFar>> = Vec::new();
        for (accumulator, starts) in inner.accumulators.iter().zip(starts) {
            let adds = self.adds_floats(accumulator);
            let mut carry = |&start| SoFar {
                value: self.b.carry(start, None),
                lost: adds.then(|| self.b.carry(zero, None)),
            };
            so_far.push(starts.iter().map(&mut carry).collect());
        }

        let range = Range { start: Integer::Constant(0), end, portion: Portion::Chunk { number, length } };
        let folded = self.turns(inner, range, starts);

        // The first chunk's sum is taken as it is: this loop has an iteration for every other one.
        let later = self.b.var();
        let this = Portion::Chunk { number, length: Integer::Constant(1) };
        self.b.begin_loop(later, Integer::Constant(1), chunks, this, false);
        let mut sums = Vec::new();
        for (so_far, folded) in so_far.iter().flatten().zip(folded.iter().flatten()) {
            if let Some(lost) = so_far.lost {
                self.b.carry(*folded, None);
                self.b.carry(zero, None);
                sums.push((so_far.value, lost, *folded));
            }
        }
        let next: Vec<Reg> =
            sums.into_iter().flat_map(|(sum, lost, more)| self.add(sum, lost, more)).collect();
        let mut summed = self.b.end_loop(&next).into_iter();

        let mut next = Vec::new();
        for ((accumulator, so_far), folded) in inner.accumulators.iter().zip(&so_far).zip(&folded) {
            for (so_far, &folded) in so_far.iter().zip(folded) {
                match so_far.lost {
                    Some(_) => next.extend(summed.by_ref().take(2)),
                    None => {
                        let element = self.kernel.element(accumulator.result);
                        let op = accumulator.kind.facts().function;
                        next.push(scalar::binary(self.b, op, element, so_far.value, folded));
                    }
                }
            }
        }

        let mut after = self.b.end_loop(&next).into_iter();
        let mut value = |so_far: &SoFar| {
            let value = after.next();
            if so_far.lost.is_some() {
                after.next();
            }
            value
        };
        so_far.iter().map(|rows| rows.iter().filter_map(&mut value).collect()).collect()
    }

    /// `sum + more` and what is too much in it. Of a sum that is infinite nothing is lost.
    fn add(&mut self, sum: Reg, lost: Reg, more: Reg) -> [Reg; 2] {
        let zero = self.b.constant_f(0.0);
        let more = self.b.binary(Binary::SubF, more, lost);
        let next = self.b.binary(Binary::AddF, sum, more);
        let added = self.b.binary(Binary::SubF, next, sum);
        let lost = self.b.binary(Binary::SubF, added, more);
        let nothing = self.b.binary(Binary::SubF, lost, lost);
        let is_finite = self.b.compare(Compare::EqF, nothing, zero);
        [next, self.b.select(is_finite, lost, zero)]
    }
}

/// An accumulator between two chunks.
struct SoFar {
    value: Reg,
    /// Of a sum, what its last addition has put in too much.
    lost: Option<Reg>,
}
