//! Values made of pieces: `pad` and `concatenate`.
//!
//! In: a kernel that is being built, a node. Out: loop nests of its own, one for each piece and for each border.
//!
//! # Decisions
//!
//! - `pad` and `concatenate` are loop nests of their own that store pieces. So kernels need no masked loads; the two ops are rare in
//!   training steps.
//! - Zeros are stored where no piece is: stored everywhere first, they took as long as the piece.

use crate::ir::affine::Affine;
use crate::plan::build::Build;
use downhill_graph::dim::Dim;
use downhill_graph::graph::NodeId;
use downhill_graph::op::{Op, Padding};
use downhill_graph::types::Literal;

impl Build<'_> {
    /// `Pad` and `Concatenate`: a loop nest that stores zeros (`Pad` only), then one for each piece.
    pub(super) fn pieces(&mut self, node: NodeId) {
        let graph = self.graph;
        let operands = graph.operands(node);
        let rank = graph.shape(node).rank();
        if let Op::Pad(paddings) = graph.op(node) {
            let dims = graph.shape(node).dims();
            if paddings.iter().any(|padding| padding.interior > 0) {
                self.zeros(node, dims, vec![Affine::default(); rank]);
            } else {
                self.borders(node, graph.shape(operands[0]).dims(), paddings);
            }
        }

        let mut start = vec![Dim::default(); rank];
        for operand in operands {
            let index = self.fresh_loops(graph.shape(operand).dims());
            let value = self.value(operand, &index);
            let target: Vec<Affine> = if let Op::Pad(paddings) = graph.op(node) {
                let spread = |(i, p): (&Affine, &Padding)| i.times(&Dim::from(p.interior + 1)).offset(&p.low);
                index.iter().zip(paddings).map(spread).collect()
            } else {
                index.iter().zip(&start).map(|(i, start)| i.clone().offset(start)).collect()
            };
            self.store(node, &target, value);
            self.close_to(0);
            if let Op::Concatenate { axis } = graph.op(node) {
                start[*axis] = &start[*axis] + &graph.shape(operand).dims()[*axis];
            }
        }
    }

    /// Stores zeros before and behind a padded value, along one axis after the other: of the axes before it the middle alone, which is all that
    /// is left to fill.
    fn borders(&mut self, node: NodeId, inner: &[Dim], paddings: &[Padding]) {
        let mut dims = self.graph.shape(node).dims().to_vec();
        let mut start = vec![Dim::default(); dims.len()];
        for (axis, padding) in paddings.iter().enumerate() {
            let behind = &padding.low + &inner[axis];
            for (from, count) in [(Dim::default(), &padding.low), (behind, &padding.high)] {
                if !count.is(0) {
                    dims[axis] = count.clone();
                    start[axis] = from;
                    let start = start.iter().map(|start| Affine::default().offset(start));
                    self.zeros(node, &dims, start.collect());
                }
            }
            dims[axis] = inner[axis].clone();
            start[axis] = padding.low.clone();
        }
    }

    /// Stores zeros over `dims`, from an index on.
    fn zeros(&mut self, node: NodeId, dims: &[Dim], start: Vec<Affine>) {
        let mut axes = self.fresh_loops(dims);
        if let (1, Some(dim)) = (self.frames.len(), dims.first()) {
            // Stores outside of loops come last, so after those of the piece: a loop of one iteration keeps the order.
            axes[0] = Affine::axis(self.open(dim.clone()));
        }
        let zero = self.literal(Literal::new(self.graph.ty(node).element, 0.0));
        let at: Vec<Affine> = axes.iter().zip(&start).map(|(axis, start)| axis.plus(start)).collect();
        self.store(node, &at, zero);
        self.close_to(0);
    }
}
