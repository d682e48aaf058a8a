//! Where a gradient counts.
//!
//! In: a mask, and whether the gradient counts where it is true or where it is false. Out: [`Guard`], which the rules give and
//! `masked.rs` carries along.

use crate::graph::{Graph, NodeId};
use crate::op::{Op, Unary};

/// Where a gradient counts: where `mask` is `holds`.
#[derive(Clone, Copy)]
pub(super) struct Guard {
    pub(super) mask: NodeId,
    pub(super) holds: bool,
    /// The value is 0 already elsewhere.
    pub(super) applied: bool,
}

impl Guard {
    pub(super) fn new(mask: NodeId, holds: bool) -> Guard {
        Guard { mask, holds, applied: false }
    }

    pub(super) fn is_same(&self, other: &Guard) -> bool {
        (self.mask, self.holds) == (other.mask, other.holds)
    }

    pub(super) fn is_opposite(&self, other: &Guard) -> bool {
        self.mask == other.mask && self.holds != other.holds
    }

    /// The mask that is true where the gradient counts.
    pub(super) fn truth(&self, graph: &mut Graph) -> NodeId {
        if self.holds { self.mask } else { graph.add(Op::Unary(Unary::Not), &[self.mask]) }
    }
}
