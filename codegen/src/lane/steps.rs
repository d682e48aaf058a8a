//! The iterations of a loop as a lowering counts them. In: a loop, its ends in the lowering's registers. Out: [`Steps`].

use super::program::{Integer, Portion};

/// An end of a loop: known, or in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound<R> {
    Known(i64),
    In(R),
}

impl<R: Copy> Bound<R> {
    /// An integer of the program, whose arguments lie in these registers.
    pub(crate) fn of(integer: Integer, arguments: &[R]) -> Bound<R> {
        match integer {
            Integer::Constant(value) => Bound::Known(value),
            Integer::Argument(argument) => Bound::In(arguments[argument as usize]),
        }
    }
}

/// `start`, `start + step`, … while `index + step ≤ end`.
#[derive(Clone, Copy)]
pub(crate) struct Steps<R> {
    pub(crate) start: Bound<R>,
    pub(crate) end: Bound<R>,
    pub(crate) step: i64,
}

impl<R: Copy> Steps<R> {
    /// The iterations of a portion of `start..end`, which is a chunk's own part where the portion is a chunk; `blocks` emits code that computes where whole blocks of so many end, if that is not known.
    pub(crate) fn of(
        portion: Portion,
        start: Bound<R>,
        end: Bound<R>,
        blocks: impl FnOnce(i64) -> R,
    ) -> Steps<R> {
        match (portion, start, end) {
            (Portion::Whole | Portion::Where(_) | Portion::Chunk { .. }, ..) => Steps { start, end, step: 1 },
            (Portion::Blocks(n), ..) => Steps { start, end, step: i64::from(n) },
            (Portion::Rest(n), Bound::Known(first), Bound::Known(last)) => {
                let n = i64::from(n);
                Steps { start: Bound::Known(first + (last - first).max(0) / n * n), end, step: 1 }
            }
            (Portion::Rest(n), ..) => Steps { start: Bound::In(blocks(i64::from(n))), end, step: 1 },
        }
    }

    /// Number of iterations, if known.
    pub(crate) fn turns(self) -> Option<i64> {
        let (Bound::Known(start), Bound::Known(end)) = (self.start, self.end) else { return None };
        Some(((end - start) / self.step).max(0))
    }

    /// The first index after all iterations, if known; else it is the counter's last value.
    pub(crate) fn behind(self) -> Option<i64> {
        match (self.turns(), self.start) {
            (Some(turns), Bound::Known(start)) => Some(start + turns * self.step),
            _ => None,
        }
    }
}
