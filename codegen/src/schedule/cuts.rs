//! Where kernels over the same rows are cut: at the same rows, which are inside of no block of any of them.
//!
//! In: the kernels that threads are to share at once. Out: their divisions with cuts in common.
//!
//! # Decisions
//!
//! - Kernels whose blocks have few rows in common do not go together: 97 rows in blocks of 8 and of 14 would be cut at 56 alone.

use crate::schedule::divide::Division;
use crate::schedule::divisors::{greatest_common_divisor, least_common_multiple};
use crate::schedule::meet::Member;
use downhill_graph::dim::Dim;

/// Has kernels over the same rows cut at the same places.
pub(super) fn same_cuts(members: &mut [Member]) {
    let cut = |rows: &Dim| between_cuts(members.iter(), rows).fold(1, least_common_multiple);
    let cuts: Vec<i64> = members.iter().map(|member| member.rows.as_ref().map_or(1, cut)).collect();
    for (member, cut) in members.iter_mut().zip(cuts) {
        if let Some(division) = &mut member.division {
            division.multiple = cut * division.unit;
        }
    }
}

/// Whether so many rows, cut for all these kernels at once, make `enough` pieces, or as many as for the one that is cut least.
pub(super) fn are_fine<'m>(
    members: impl Iterator<Item = &'m Member> + Clone,
    rows: &Dim,
    enough: i64,
) -> bool {
    let Some(count) = rows.as_constant() else { return true };
    let coarsest = between_cuts(members.clone(), rows).fold(1, i64::max);
    let together = between_cuts(members, rows).fold(1, least_common_multiple);
    count / together >= enough.min(count / coarsest)
}

/// The rows between two cuts of each of these kernels that is divided at so many rows.
fn between_cuts<'m>(members: impl Iterator<Item = &'m Member>, rows: &Dim) -> impl Iterator<Item = i64> {
    let same = members.filter(move |member| member.rows.as_ref() == Some(rows));
    same.filter_map(|member| member.division.as_ref()).map(whole_rows)
}

/// Rows between which a loop may be cut. One that walks through the elements of its rows in vectors may be cut anywhere.
fn whole_rows(division: &Division) -> i64 {
    match (division.is_wide, division.unit) {
        (true, 2..) => 1,
        (_, unit) => division.multiple / greatest_common_divisor(division.multiple, unit),
    }
}
