//! Which kernels threads may run without waiting for each other in between: what they touch does not meet, or each row keeps to its own part.
//!
//! In: a kernel of a variant, and how threads are to divide it. Out: a [`Member`] of a team, which says with which others it goes.
//!
//! Must hold: kernels that go together may run in any order of their ranges, and at any time, with the same bits. Of two kernels that touch the same
//! buffer, which one of them writes,
//! - either the positions that they touch lie apart,
//! - or both are divided at the same rows, and all that row i touches lies in `i·by .. (i + 1)·by`, with the same `by`.

use crate::abi::range;
use crate::ir::kernel::{Access, Buffer, Kernel};
use crate::schedule::divide::{Division, own_part};
use crate::schedule::form::buffer_of;
use crate::schedule::specialize::Instance;
use downhill_graph::dim::Dim;
use downhill_graph::hash::Map;

/// A kernel, divided in one way, or not at all.
pub(super) struct Member {
    pub(super) division: Option<Division>,
    /// The rows that it is divided at.
    pub(super) rows: Option<Dim>,
    touched: Map<Buffer, Touched>,
}

/// What a kernel does to a buffer.
struct Touched {
    stores: bool,
    /// How far the next row is, where each keeps to its own part.
    by: Option<Dim>,
    /// The first and the last position of all, where they are known.
    span: Option<[i64; 2]>,
}

impl Member {
    pub(super) fn of(instance: &Instance, division: Option<Division>) -> Member {
        let kernel = &instance.form.scheduled.kernel;
        let mut touched: Map<Buffer, Touched> = Map::default();
        for (buffer, access, stores) in kernel.accesses() {
            // Each thread has scratch of its own.
            if matches!(buffer, Buffer::Scratch(_) | Buffer::Watched) {
                continue;
            }
            let here = Touched {
                stores,
                by: division.as_ref().and_then(|by| own_part(kernel, access, &by.axes, by.unit)),
                // In a loop of the plan, each turn may find a buffer elsewhere.
                span: if instance.around.is_none() { span(kernel, access) } else { None },
            };
            let all = match touched.remove(&buffer) {
                Some(known) => known.and(here),
                None => here,
            };
            touched.insert(buffer, all);
        }
        let touched = touched.into_iter().map(|(buffer, it)| (buffer_of(&instance.numbers, buffer), it));
        let rows = division.as_ref().map(|division| division.turns.divide(&Dim::from(division.unit)));
        Member { rows, touched: touched.collect(), division }
    }

    /// Whether threads may run both without waiting for each other in between.
    pub(super) fn goes_with(&self, other: &Member) -> bool {
        let same_rows = self.rows == other.rows;
        self.touched.iter().all(|(buffer, here)| {
            other.touched.get(buffer).is_none_or(|there| {
                here.is_apart(there) || same_rows && here.by.is_some() && here.by == there.by
            })
        })
    }

    /// Which part of a kernel each of so many threads runs.
    pub(super) fn pieces(&self, threads: i64) -> impl Iterator<Item = f64> {
        let division = self.division.as_ref();
        let known =
            division.and_then(|division| Some((division.turns.as_constant()?, division.multiple.max(1))));
        (0..threads).map(move |thread| {
            let Some((turns, multiple)) = known else { return 1.0 / threads as f64 };
            let (begin, end) = range(turns, multiple, thread, threads);
            (end - begin) as f64 / turns.max(1) as f64
        })
    }
}

impl Touched {
    /// Both together.
    fn and(self, other: Touched) -> Touched {
        let both = |[first, last]: [i64; 2], [others_first, others_last]: [i64; 2]| {
            [first.min(others_first), last.max(others_last)]
        };
        Touched {
            stores: self.stores || other.stores,
            by: self.by.filter(|by| other.by.as_ref() == Some(by)),
            span: self.span.zip(other.span).map(|(span, others)| both(span, others)),
        }
    }

    /// Whether neither writes what the other one touches, as far as positions alone tell.
    fn is_apart(&self, other: &Touched) -> bool {
        let spans = self.span.zip(other.span);
        let lie_apart = spans.is_some_and(|([first, last], [others_first, others_last])| {
            last < others_first || others_last < first
        });
        lie_apart || !(self.stores || other.stores)
    }
}

/// A division at so many rows, of whose elements the loop walks through all; the division itself if its iterations are these rows.
pub(super) fn at_rows(division: &Division, rows: &Dim) -> Option<Division> {
    if division.turns == *rows {
        return Some(division.clone());
    }
    let unit = division.turns.divide(rows).as_constant().filter(|unit| *unit > 1)?;
    (rows * &Dim::from(unit) == division.turns).then(|| Division { unit, ..division.clone() })
}

/// Between which positions all of an access lies, where sizes are known.
fn span(kernel: &Kernel, access: &Access) -> Option<[i64; 2]> {
    if access.row.is_some() || access.by.is_some() {
        return None;
    }
    let first = access.at.constant.as_constant()?;
    let mut span = [first, first];
    for (axis, coefficient) in access.at.terms.iter() {
        let last = kernel.extents[axis.0 as usize].as_constant()?.checked_sub(1)?;
        let way = coefficient.as_constant()?.checked_mul(last)?;
        span[usize::from(way > 0)] = span[usize::from(way > 0)].checked_add(way)?;
    }
    Some(span)
}
