//! Bodies of loops that are being written: where each begins in the graph around it, and what its placeholders stand for.
//!
//! In: bodies entered and left. Out: [`Open`]. `region.rs` takes a body that is complete out of the graph.
//!
//! # Decisions
//!
//! - A body is written into the graph around it, where every value is at hand, and cut out when it is complete. So each function over
//!   values works in a body as it does elsewhere, and what is captured is found and not declared.

use downhill_graph::graph::{Graph, Input, NodeId, Role};
use downhill_graph::types::Type;

/// The bodies that are being written, innermost last.
#[derive(Default)]
pub(crate) struct Bodies {
    open: Vec<Open>,
    begun: u32,
}

/// A body that is being written.
pub(crate) struct Open {
    /// From 1.
    number: u32,
    /// Where its nodes begin.
    pub(crate) start: usize,
    /// Where its placeholders begin among the inputs.
    pub(crate) inputs: usize,
    /// What each placeholder is a slice of, where it is one.
    wholes: Vec<Option<NodeId>>,
    /// How many checks there were before.
    pub(crate) checks: usize,
}

impl Bodies {
    /// Begins one behind what `graph` has.
    pub(crate) fn enter(&mut self, graph: &Graph, checks: usize) {
        self.begun += 1;
        let (number, start, inputs) = (self.begun, graph.len(), graph.inputs.len());
        self.open.push(Open { number, start, inputs, wholes: Vec::new(), checks });
    }

    /// Declares a placeholder in the innermost one.
    pub(crate) fn declare(
        &mut self,
        graph: &mut Graph,
        name: &str,
        ty: Type,
        whole: Option<NodeId>,
    ) -> NodeId {
        if let Some(open) = self.open.last_mut() {
            open.wholes.push(whole);
        }
        graph.add_input(Input { name: name.into(), ty, role: Role::Body, below: None })
    }

    /// Ends the innermost one.
    pub(crate) fn leave(&mut self) -> Option<Open> {
        self.open.pop()
    }

    /// Whether any is being written.
    pub(crate) fn any(&self) -> bool {
        !self.open.is_empty()
    }

    /// The number of the body that a node lies in; 0 outside of all.
    pub(crate) fn holding(&self, node: NodeId) -> u32 {
        self.open.iter().rev().find(|open| node.index() >= open.start).map_or(0, |open| open.number)
    }

    /// Whether the body of this number is being written.
    pub(crate) fn is_open(&self, number: u32) -> bool {
        number == 0 || self.open.iter().any(|open| open.number == number)
    }

    /// What the placeholder at `input` is a slice of.
    pub(crate) fn whole(&self, input: usize) -> Option<NodeId> {
        let open = self.open.iter().rev().find(|open| input >= open.inputs)?;
        open.wholes.get(input - open.inputs).copied().flatten()
    }
}
