//! Operands laid out anew: what a product reads with a stride from lane to lane, many times, is copied ahead with its lanes side by side.
//!
//! In: a product on its way through packing, its lanes outermost. Out: the same product of the copy.
//!
//! Must hold: every element that is read is copied, and only those lie in the copy; no bit changes.
//!
//! # Decisions
//!
//! - A convolution to one channel or three has too few of them for lanes, so its lanes are places. Those of pictures with channels last lie
//!   apart, and each is read once for every tap of the window: six channels to one, 5×5, 128 pictures of 28×28 took 19 ms, the copy and
//!   the product together 1.3 (AMD Zen 3). Windows overlap, so it is the operand that is copied, not what each sum reads.

use super::pack::{Packing, Read, in_order, reading, reads_of};
use crate::ir::affine::{Affine, Axis};
use crate::ir::kernel::{Access, Buffer, Loop};
use crate::schedule::loops::extent;
use downhill_graph::dim::Dim;

/// How often each element is read at least for a copy to pay.
const OFTEN: i64 = 4;

/// A dimension of an operand: how far its elements lie apart, and how many there are.
struct Dimension {
    stride: i64,
    size: i64,
    /// The loops that walk along it, each with the elements of one step.
    walks: Vec<(Axis, i64)>,
}

impl Packing<'_> {
    /// The lane loop of a product around its loop over rows, with its strided operands laid out anew; `None` where there is none, or it is read
    /// too seldom.
    pub(super) fn with_lanes_together(&mut self, wide: &Loop, rows: &Loop) -> Option<Loop> {
        let mut relaid = Vec::new();
        for read in reads_of(&rows.body) {
            if !self.is_written(read.buffer)
                && let Some(dimensions) = self.dimensions_of(&read, wide.axis)
            {
                relaid.push((read.value, self.lay_out(&read, wide.axis, dimensions)));
            }
        }
        reading(wide, &relaid)
    }

    /// The dimensions that a read walks through, the nearest elements first; `None` where they cannot be told, its lanes lie side by side already,
    /// or each element is read seldom.
    fn dimensions_of(&self, read: &Read<'_>, lane: Axis) -> Option<Vec<Dimension>> {
        let Access { at, row: None, by: None } = read.access else { return None };
        let mut terms = Vec::new();
        for (axis, by) in at.terms.iter() {
            let turns = extent(&self.kernel, *axis).as_constant().filter(|turns| *turns > 0)?;
            terms.push((by.as_constant().filter(|by| *by > 0)?, turns, *axis));
        }
        terms.sort_unstable();

        let mut dimensions: Vec<Dimension> = Vec::new();
        // How many elements those so far span together.
        let mut span = 1_i64;
        for &(by, turns, axis) in &terms {
            // A window moves within the dimension that its taps walk through.
            match dimensions.last_mut().filter(|last| by < span || by == last.stride) {
                Some(last) if by % last.stride == 0 => {
                    let step = by / last.stride;
                    last.size = last.size.checked_add(step.checked_mul(turns - 1)?)?;
                    last.walks.push((axis, step));
                }
                Some(_) => return None,
                None => dimensions.push(Dimension { stride: by, size: turns, walks: vec![(axis, 1)] }),
            }
            span = span.checked_add(by.checked_mul(turns - 1)?)?;
        }

        let of_lane = at.coefficient(lane).as_constant()?;
        let has_lane = of_lane > 1 && dimensions.iter().any(|dimension| dimension.stride == of_lane);
        let reads = terms.iter().try_fold(1_i64, |reads, (_, turns, _)| reads.checked_mul(*turns))?;
        let size = |elements: i64, dimension: &Dimension| elements.checked_mul(dimension.size);
        let elements = dimensions.iter().try_fold(1, size)?;
        (has_lane && elements > 0 && reads / elements >= OFTEN).then_some(dimensions)
    }

    /// Adds a kernel that copies an operand ahead of this one, the dimension of the lanes innermost. Returns where it is read then.
    fn lay_out(&mut self, read: &Read<'_>, lane: Axis, mut dimensions: Vec<Dimension>) -> (Buffer, Access) {
        let of_lane = read.access.at.coefficient(lane);
        dimensions.reverse();
        dimensions.sort_by_key(|dimension| of_lane.is(dimension.stride));
        let extents: Vec<Dim> = dimensions.iter().map(|dimension| Dim::from(dimension.size)).collect();

        let constant = Affine::default().offset(&read.access.at.constant);
        let from = dimensions.iter().zip(0..).fold(constant, |from, (dimension, number)| {
            from.plus(&Affine::axis(Axis(number)).times(&Dim::from(dimension.stride)))
        });
        let place = |dimension: &Dimension| {
            dimension.walks.iter().fold(Affine::default(), |place, (axis, step)| {
                place.plus(&Affine::axis(*axis).times(&Dim::from(*step)))
            })
        };
        let places: Vec<Affine> = dimensions.iter().map(place).collect();
        let at = in_order(&places, &extents);
        (self.copied_ahead(read, Access::at(from), extents), Access::at(at))
    }
}
