//! Steps: what a plan is made of. A kernel, or kernels that a loop runs again and again.
//!
//! Must hold: the kernels of a loop read and write what its *moves* name a little further on in each turn; everything else stays where it
//! is. Turns run in ascending order. No kernel of a loop writes a storage: what a loop carries lies in the arena.

use crate::ir::kernel::{Buffer, Kernel};
use crate::plan::order::touched;
use downhill_graph::dim::{Bindings, Dim};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A kernel, or a loop around several.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kernels: Vec<Kernel>,
    /// The loops around its kernels, inner ones first; none around a kernel that runs once.
    pub(crate) repeats: Vec<Repeat>,
}

/// A loop around consecutive kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Which kernels.
    pub kernels: Range<usize>,
    /// How often they run.
    pub turns: Dim,
    /// The buffers that are another part of memory in each turn.
    pub moves: BTreeMap<Buffer, Move>,
}

/// Where a turn of a loop finds a buffer, in bytes: `first + turn · by`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Move {
    /// In the first turn.
    pub first: Dim,
    /// Further on in each turn.
    pub by: Dim,
}

impl From<Kernel> for Step {
    fn from(kernel: Kernel) -> Step {
        Step { kernels: vec![kernel], repeats: Vec::new() }
    }
}

impl Step {
    /// The kernel, if it runs once.
    pub(crate) fn kernel(&self) -> Option<&Kernel> {
        if self.repeats.is_empty() { self.kernels.first() } else { None }
    }

    /// What it reads and writes.
    pub(crate) fn touched(&self) -> (BTreeSet<Buffer>, BTreeSet<Buffer>) {
        let (mut reads, mut writes) = (BTreeSet::new(), BTreeSet::new());
        for kernel in &self.kernels {
            let (read, written) = touched(kernel);
            reads.extend(read);
            writes.extend(written);
        }
        (reads, writes)
    }
}

impl Repeat {
    /// The loop with its kernels numbered from `first` on.
    pub(crate) fn behind(self, first: usize) -> Repeat {
        Repeat { kernels: self.kernels.start + first..self.kernels.end + first, ..self }
    }

    /// The loop for fixed sizes.
    pub(crate) fn bound(&self, fixed: &Bindings) -> Repeat {
        let bound = |by: &Move| Move { first: by.first.bind(fixed), by: by.by.bind(fixed) };
        let moves = self.moves.iter().map(|(buffer, by)| (*buffer, bound(by))).collect();
        Repeat { kernels: self.kernels.clone(), turns: self.turns.bind(fixed), moves }
    }

    /// The loop with its buffers renamed.
    pub(crate) fn renamed(&self, name: &dyn Fn(Buffer) -> Buffer) -> Repeat {
        let moves = self.moves.iter().map(|(buffer, by)| (name(*buffer), by.clone()));
        Repeat { moves: moves.collect(), ..self.clone() }
    }
}
