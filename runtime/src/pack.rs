//! Rows that lie scattered, put side by side before the steps of an epoch read them.
//!
//! In: the columns of a data set, row numbers. Out: the same rows in order, in memory that is kept.
//!
//! Must hold: native code sees the same numbers as where they lie, so that no bit of any result depends on it.
//!
//! Decisions: a narrow row that is looked up costs a miss of the cache in each kernel that reads it, one after another. Gathered before, misses
//! overlap, and the kernels read one stream. A piece is small enough to stay in the second cache until its steps have read it. What an epoch
//! over a million rows in random order costs more than in order fell so from 56 to 16 ns a row for 2-50-1, from 27 to 12 for 2-8-1, and over
//! four million rows from 54 to 18 (Zen 3, two shared cores at work, time of the thread alone); what is left are the misses themselves.

use crate::bind::Slot;
use crate::given::Given;
use crate::prepare::PreparedSlot;

/// Rows that are wider, in words, are read well where they lie.
const NARROW: usize = 32;
/// Columns that are smaller, in words, stay in the nearest caches anyway.
const SMALL: usize = 1 << 14;
/// Words that are packed at a time.
const PIECE: usize = 1 << 14;

/// Memory for packed rows, kept from epoch to epoch.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// By slot.
    words: Vec<Vec<u32>>,
    /// Where the rows of each slot lie, while it is given others.
    bases: Vec<*const u8>,
}

// SAFETY: the pointers are made again for every epoch and never read behind it.
unsafe impl Send for Packed {}

/// How many steps' rows are packed at a time; `None` where rows are read well where they lie.
pub(crate) fn steps_at_once(
    slots: &[Slot],
    prepared: &[PreparedSlot],
    given: &[Option<Given>],
    rows: &[u32],
    batch: usize,
) -> Option<usize> {
    let read = || slots.iter().zip(prepared).zip(given).filter(|((slot, _), _)| is_packed(slot));
    let width: usize = read().map(|((_, prepared), _)| words(prepared)).sum();
    let all: usize = read().filter_map(|(_, given)| given.as_ref()).map(|given| given.whole).sum();
    let scattered = || rows.windows(2).any(|pair| pair[1] != pair[0].wrapping_add(1));
    let fits = (1..=NARROW).contains(&width) && all > SMALL && scattered();
    fits.then(|| (PIECE / (width * batch)).max(1))
}

/// Words of a row.
fn words(prepared: &PreparedSlot) -> usize {
    usize::try_from(prepared.row_bytes).unwrap_or(0) / size_of::<u32>()
}

fn is_packed(slot: &Slot) -> bool {
    slot.read && slot.is_data() && slot.lookup
}

impl Packed {
    /// Notes where the rows of all slots lie.
    pub(crate) fn begin(&mut self, given: &[Option<Given>]) {
        self.words.resize(given.len().max(self.words.len()), Vec::new());
        self.bases.clear();
        self.bases.extend(given.iter().map(|given| given.map_or(std::ptr::null(), |given| given.base)));
    }

    /// Packs these rows, and gives the slots what was packed.
    ///
    /// # Safety
    /// What was given is still borrowed, its elements are words, and every row is one of its rows.
    pub(crate) unsafe fn pack(
        &mut self,
        slots: &[Slot],
        prepared: &[PreparedSlot],
        given: &mut [Option<Given>],
        rows: &[u32],
    ) {
        let each = slots.iter().zip(prepared).zip(given).zip(self.bases.iter().zip(&mut self.words));
        for (((slot, prepared), given), (&base, packed)) in each {
            let Some(given) = given.as_mut().filter(|_| is_packed(slot)) else { continue };
            // SAFETY: the caller's promise.
            let all = unsafe { std::slice::from_raw_parts(base.cast::<u32>(), given.whole) };
            gather(all, words(prepared), rows, packed);
            given.base = packed.as_ptr().cast();
        }
    }

    /// Gives the slots their rows where they lie.
    pub(crate) fn end(&mut self, given: &mut [Option<Given>]) {
        for (given, &base) in given.iter_mut().zip(&self.bases) {
            if let Some(given) = given {
                given.base = base;
            }
        }
    }
}

/// How many rows before it is copied a row is asked for.
const AHEAD: usize = 24;
/// Words of a line of the cache.
const LINE: usize = 16;

/// Rows of so many words, in the order of their numbers.
fn gather(all: &[u32], width: usize, rows: &[u32], packed: &mut Vec<u32>) {
    match width {
        1 => gather_of::<1>(all, rows, packed),
        2 => gather_of::<2>(all, rows, packed),
        3 => gather_of::<3>(all, rows, packed),
        4 => gather_of::<4>(all, rows, packed),
        8 => gather_of::<8>(all, rows, packed),
        16 => gather_of::<16>(all, rows, packed),
        _ => {
            packed.clear();
            for (at, &row) in rows.iter().enumerate() {
                ask_for(all, rows.get(at + AHEAD), width);
                packed.extend_from_slice(&all[row as usize * width..][..width]);
            }
        }
    }
}

/// Rows of a length that the compiler knows.
fn gather_of<const N: usize>(all: &[u32], rows: &[u32], packed: &mut Vec<u32>) {
    packed.resize(rows.len() * N, 0);
    for (at, to) in packed.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        ask_for(all, rows.get(at + AHEAD), N);
        to.copy_from_slice(&all[rows[at] as usize * N..][..N]);
    }
}

/// Has the lines of a row brought near. Which rows there are is checked where they are copied.
#[inline(always)]
fn ask_for(all: &[u32], row: Option<&u32>, width: usize) {
    let Some(&row) = row else { return };
    let start = all.as_ptr().wrapping_add(row as usize * width);
    prefetch(start);
    for line in 1..=(width - 1) / LINE {
        prefetch(start.wrapping_add(line * LINE));
    }
    if width > LINE / 4 {
        prefetch(start.wrapping_add(width - 1));
    }
}

/// Has the line of the cache at an address brought near.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which may be of any address and reads nothing that a program sees.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn prefetch<T>(_: *const T) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_whatever_their_width() {
        for width in 1..20 {
            let all: Vec<u32> = (0..10 * width as u32).collect();
            let (rows, mut packed) = ([7, 0, 7, 3], vec![9; 200]);
            gather(&all, width, &rows, &mut packed);
            let expected = rows.iter().flat_map(|&row| &all[row as usize * width..][..width]);
            assert!(packed.iter().eq(expected), "{width}");
        }
    }
}
