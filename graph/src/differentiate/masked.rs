//! Gradients that are 0 where a selection did not take a value.
//!
//! The gradient of a selection is a selection: select(m, g, 0) for the side that m takes. If the 0 of the other side went on through `log`
//! at 0, or were multiplied by a NaN, it would become NaN. So the selection is postponed. During the walk a gradient is a value
//! together with the masks under which it counts ([`Masked`]). Rules of elementwise ops see the value alone. The masks are *applied*, as
//! selections, before an op that does not work element by element, and at the end.
//!
//! Must hold: where all masks hold, the gradient is the value; elsewhere it is 0, whatever the value. A mask that has been applied is
//! kept: it is applied again if the value has since passed an op that does not map 0 to 0.
//!
//! # Decisions
//!
//! - A gradient on its way is a value and the masks under which it counts; they are applied where an op does not work element
//!   by element, and again if something has made more than 0 of 0 since (`differentiate/masked.rs`): 0·∞ and 0·NaN of the side
//!   not taken stay out, in second derivatives too. A rectifier's mask is applied right behind it, as ever: graphs, kernels and
//!   bits of such networks are what they were. Products of matrices are where masks end: a row of x that is NaN reaches xᵀ·δ
//!   whatever δ is.

use super::guard::Guard;
use super::rules;
use crate::error::Error;
use crate::facts::{Class, Slope};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Compare, Op};

/// A gradient on its way.
#[derive(Clone)]
pub(super) struct Masked {
    value: NodeId,
    /// The outermost selection first.
    guards: Vec<Guard>,
}

/// More nested selections than this are merged into one mask, so that the cost of each does not grow with their number.
const MOST_GUARDS: usize = 4;

impl Masked {
    /// A gradient that counts everywhere.
    pub(super) fn everywhere(value: NodeId) -> Masked {
        Masked { value, guards: Vec::new() }
    }

    /// The gradient as a node.
    pub(super) fn applied(&self, graph: &mut Graph) -> NodeId {
        apply(graph, self.value, &self.guards)
    }

    /// The share of the gradient of `id` that its operand at `position` gets; nothing if the masks exclude each other.
    pub(super) fn pull(
        &self,
        graph: &mut Graph,
        id: NodeId,
        position: usize,
    ) -> Result<Option<Masked>, Error> {
        let op = graph.op(id).clone();
        if let Op::Select = op {
            let pulled = self.under(graph, Guard::new(graph.operand(id, 0), position == 1));
            // It is mostly applied at once: made here, the node has the origin of the selection.
            pulled.iter().for_each(|pulled| _ = pulled.applied(graph));
            return Ok(pulled);
        }

        // Elementwise rules keep the masks; before any other op they are applied.
        let (pulled, guard) = if is_elementwise(&op) {
            let (value, guard) = rules::pull(graph, id, position, self.value)?;
            let mut guards = self.guards.clone();
            if !keeps_zero(graph, id, position) {
                guards.iter_mut().for_each(|guard| guard.applied = false);
            }
            (Masked { value, guards }, guard)
        } else {
            let applied = self.applied(graph);
            let (value, guard) = rules::pull(graph, id, position, applied)?;
            let reaches = !self.guards.is_empty() && hands_on(graph.op(graph.operand(id, position)));
            let moved = if reaches { self.moved(graph, id, position)? } else { None };
            (Masked { value, guards: moved.into_iter().collect() }, guard)
        };

        Ok(match guard {
            Some(guard) => pulled.under(graph, guard),
            None => Some(pulled),
        })
    }

    /// The same gradient under one more guard; nothing if it excludes another one.
    fn under(&self, graph: &mut Graph, guard: Guard) -> Option<Masked> {
        if self.guards.iter().any(|known| known.is_opposite(&guard)) {
            return None;
        }
        let mut masked = self.clone();
        if self.guards.iter().any(|known| known.is_same(&guard)) {
            return Some(masked);
        }

        if self.guards.len() >= MOST_GUARDS {
            let mask = all(graph, &self.guards);
            masked = Masked {
                value: self.applied(graph),
                guards: vec![Guard { mask, holds: true, applied: true }],
            };
        }

        masked.guards.push(guard);
        Some(masked)
    }

    /// The masks moved to the operand of an op that moves elements; `None` if the op mixes elements.
    fn moved(&self, graph: &mut Graph, id: NodeId, position: usize) -> Result<Option<Guard>, Error> {
        let op = graph.op(id).clone();
        let x = graph.operand(id, position);
        let (mask, holds) = match self.guards[..] {
            [guard] => (guard.mask, guard.holds),
            _ => (all(graph, &self.guards), true),
        };

        let moved = match op.class() {
            Class::View | Class::Pieces if op.facts().keeps_all => {
                (rules::pull(graph, id, position, mask)?.0, holds)
            }
            // The mask of what a broadcast repeats is the operand's own, or true where it is true for one of the copies.
            Class::View if matches!(op, Op::Broadcast { .. }) && graph.op(mask) == &op => {
                (graph.operand(mask, 0), holds)
            }
            Class::Scatter => (rules::pull(graph, id, position, mask)?.0, holds),
            Class::View | Class::Gather => {
                let truth = Guard::new(mask, holds).truth(graph);
                let ones = graph.add(Op::Convert(graph.ty(x).element), &[truth]);
                let counts = rules::pull(graph, id, position, ones)?.0;
                let zero = graph.full_like(counts, 0.0);
                (graph.add(Op::Compare(Compare::Greater), &[counts, zero]), true)
            }
            Class::Fold => {
                let Op::Reduce { axes, .. } = &op else { return Ok(None) };
                (rules::spread_back(graph, mask, x, axes), holds)
            }
            Class::Source
            | Class::Elementwise
            | Class::Pieces
            | Class::Prefix
            | Class::Contraction
            | Class::Loop
            | Class::Marker => return Ok(None),
        };

        let is_mask = graph.ty(moved.0).element == graph.ty(mask).element;
        Ok(is_mask.then_some(Guard { mask: moved.0, holds: moved.1, applied: true }))
    }

    /// The sum of two gradients of one node: under the masks that both have, where either counts.
    pub(super) fn plus(&self, graph: &mut Graph, other: &Masked) -> Masked {
        let pairs = self.guards.iter().zip(&other.guards);
        let shared = pairs.clone().take_while(|(a, b)| a.is_same(b)).count();
        let both = pairs.take(shared).map(|(a, b)| Guard { applied: a.applied && b.applied, ..*a });
        let mut guards: Vec<Guard> = both.collect();

        // Under opposite masks exactly one of the two counts: a selection instead of a sum.
        let (left, right) = (&self.guards[shared..], &other.guards[shared..]);
        if let ([a], [b]) = (left, right)
            && a.is_opposite(b)
        {
            let (yes, no) = if a.holds { (self.value, other.value) } else { (other.value, self.value) };
            let value = graph.add(Op::Select, &[a.mask, yes, no]);
            return Masked { value, guards };
        }

        let terms = [apply(graph, self.value, left), apply(graph, other.value, right)];
        let value = graph.add(Op::Binary(Binary::Add), &terms);
        if !left.is_empty() && !right.is_empty() {
            let masks = [all(graph, left), all(graph, right)];
            let mask = graph.add(Op::Binary(Binary::Or), &masks);
            guards.push(Guard { mask, holds: true, applied: true });
        }

        Masked { value, guards }
    }
}

/// `value` where all of `guards` hold, else 0.
fn apply(graph: &mut Graph, value: NodeId, guards: &[Guard]) -> NodeId {
    let mut value = value;
    for guard in guards.iter().filter(|guard| !guard.applied) {
        let zero = graph.full_like(value, 0.0);
        let (yes, no) = if guard.holds { (value, zero) } else { (zero, value) };
        value = graph.add(Op::Select, &[guard.mask, yes, no]);
    }
    value
}

/// The mask that is true where all of `guards` hold, of which there is one or more.
fn all(graph: &mut Graph, guards: &[Guard]) -> NodeId {
    let mut mask = guards[0].truth(graph);
    for guard in &guards[1..] {
        let truth = guard.truth(graph);
        mask = graph.add(Op::Binary(Binary::And), &[mask, truth]);
    }
    mask
}

/// Whether an op works element by element, on floats.
fn is_elementwise(op: &Op) -> bool {
    op.class() == Class::Elementwise || *op == Op::Surrogate
}

/// Whether masks are passed on through an op; to others they need not be moved.
fn hands_on(op: &Op) -> bool {
    matches!(op.class(), Class::View | Class::Pieces | Class::Gather | Class::Scatter | Class::Fold)
        || is_elementwise(op)
}

/// Whether the rule of an elementwise op maps a gradient of 0 to 0 whatever its operands are.
fn keeps_zero(graph: &Graph, id: NodeId, position: usize) -> bool {
    match graph.op(id).facts().slope(position) {
        Slope::Number => true,
        Slope::Other => is_scalar_number(graph, graph.operand(id, 1 - position)),
        Slope::Zero | Slope::Function => false,
    }
}

/// A size, or a constant that is finite and not 0, spread or not.
fn is_scalar_number(graph: &Graph, id: NodeId) -> bool {
    let is_spread = matches!(graph.op(id), Op::Broadcast { axes, .. } if axes.is_empty());
    let scalar = if is_spread { graph.operand(id, 0) } else { id };
    let is_number = |value: f64| (value as f32).is_normal();
    matches!(graph.op(scalar), Op::DimValue { .. }) || graph.constant_value(scalar).is_some_and(is_number)
}
