//! Cumulative sums: one loop that stores what its sum has come to in each iteration.
//!
//! In: a kernel that is being built, a node. Out: its loops.
//!
//! # Decisions
//!
//! - A cumulative sum is one loop that carries its sum and the rounding error of the last addition. In one chain of plain additions,
//!   2²⁵ numbers come to 2²⁴; cut into chunks that are added later, each chunk would be read and written twice.

use crate::ir::affine::Affine;
use crate::ir::chain::add_compensated;
use crate::ir::kernel::{Accumulator, Expression, Term, ValueId};
use crate::plan::build::Build;
use downhill_graph::graph::{NodeId, bug};
use downhill_graph::op::{Binary, Op, Reduction};
use downhill_graph::types::{ElementType, Literal};

impl Build<'_> {
    /// `CumulativeSum`: independent loops over the other axes, and inside them one over the summed axis that stores what its sum has come
    /// to in each iteration.
    pub(super) fn prefix(&mut self, node: NodeId) {
        let graph = self.graph;
        let Op::CumulativeSum { axis } = graph.op(node) else { bug("a prefix that is no cumulative sum") };
        let dims = graph.shape(node).dims();
        let mut index = vec![Affine::default(); dims.len()];
        for (place, dim) in dims.iter().enumerate().filter(|(place, dim)| place != axis && !dim.is(1)) {
            index[place] = Affine::axis(self.open(dim.clone()));
        }
        index[*axis] = Affine::axis(self.open(dims[*axis].clone()));

        let element = graph.ty(node).element;
        let term = self.value(graph.operand(node, 0), &index);
        let (next, accumulators) =
            if element.is_float() { self.compensated(element, term) } else { self.plain(element, term) };
        self.store(node, &index, next);
        self.close(accumulators);
    }

    /// `so far + term`, the next value of an accumulator of the innermost loop.
    fn plain(&mut self, element: ElementType, term: ValueId) -> (ValueId, Vec<Accumulator>) {
        let so_far = self.fresh(element);
        let next = self.within(element, Expression::Binary(Binary::Add, so_far, term));
        (next, vec![self.carried(so_far, next)])
    }

    /// The same for floats of any number.
    fn compensated(&mut self, element: ElementType, term: ValueId) -> (ValueId, Vec<Accumulator>) {
        let zero = self.literal(Literal::new(element, 0.0));
        let (so_far, excess) = (self.fresh(element), self.fresh(element));
        let (items, [next, next_excess]) = add_compensated(&mut self.kernel, [so_far, excess], term, zero);
        let innermost = self.frames.len() - 1;
        self.frames[innermost].items.extend(items);
        (next, vec![self.carried(so_far, next), self.carried(excess, next_excess)])
    }

    /// What is `inside` at the start of an iteration, and `next` at its end.
    fn carried(&mut self, inside: ValueId, next: ValueId) -> Accumulator {
        let result = self.fresh(self.kernel.element(inside));
        Accumulator { inside: Some(inside), ..Accumulator::new(Reduction::Sum, result, Term::Next(next)) }
    }
}
