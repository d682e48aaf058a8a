//! Updates of states while a network is declared: which call of a layer each is part of.
//!
//! In: calls of layers entered and left, next values. Out: [`StateUpdate`]s in the order of declaration. Which steps take them is said in
//! `entry/states.rs`.

use crate::declaration::StateUpdate;
use downhill_graph::error::Origin;
use downhill_graph::graph::NodeId;
use std::collections::HashSet;

/// The updates so far, and the calls in progress.
#[derive(Debug, Default)]
pub(crate) struct StateUpdates {
    all: Vec<StateUpdate>,
    /// The states that each call updates, so that none does twice.
    updated: HashSet<(usize, usize)>,
    /// Innermost last.
    open: Vec<Call>,
    calls: usize,
}

/// A call of a layer in progress.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// From 1.
    number: usize,
    /// How many updates there were before.
    first: usize,
}

impl StateUpdates {
    pub(crate) fn enter_call(&mut self) {
        self.calls += 1;
        self.open.push(Call { number: self.calls, first: self.all.len() });
    }

    pub(crate) fn leave_call(&mut self) {
        self.open.pop();
    }

    /// Adds an update to the call in progress; false where that call updates the state already.
    pub(crate) fn add(&mut self, storage: usize, node: NodeId, origin: Origin) -> bool {
        let call = self.open.last().map_or(0, |call| call.number);
        let is_first = self.updated.insert((call, storage));
        if is_first {
            self.all.push(StateUpdate { storage, node, call, gives: Vec::new(), origin });
        }
        is_first
    }

    /// What the call in progress gives.
    pub(crate) fn gives(&mut self, nodes: &[NodeId]) {
        let Some(&Call { number, first }) = self.open.last() else { return };
        // Calls within this one have updates of their own.
        for update in self.all[first..].iter_mut().filter(|update| update.call == number) {
            update.gives = nodes.to_vec();
        }
    }

    /// All of them.
    pub(crate) fn take(&mut self) -> Vec<StateUpdate> {
        std::mem::take(&mut self.all)
    }
}
