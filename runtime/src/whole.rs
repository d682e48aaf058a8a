//! Whole numbers of widths that networks do not have: bytes, indices, counts.
//!
//! Out: [`Whole`], borrowed numbers, which become i32s or u32s where they are taken.

use std::ops::Range;

/// Borrowed whole numbers of another type than i32 and u32.
#[derive(Clone, Copy, Debug)]
pub enum Whole<'a> {
    /// u8.
    U8(&'a [u8]),
    /// u16.
    U16(&'a [u16]),
    /// u64.
    U64(&'a [u64]),
    /// i64.
    I64(&'a [i64]),
    /// usize.
    Usize(&'a [usize]),
}

/// The type of [`Whole`] numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    U8,
    U16,
    U64,
    I64,
    Usize,
}

macro_rules! each {
    ($whole:expr, $numbers:ident => $body:expr) => {
        match $whole {
            Whole::U8($numbers) => $body,
            Whole::U16($numbers) => $body,
            Whole::U64($numbers) => $body,
            Whole::I64($numbers) => $body,
            Whole::Usize($numbers) => $body,
        }
    };
}

impl<'a> Whole<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        each!(self, numbers => numbers.len())
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn base(&self) -> *const u8 {
        each!(self, numbers => numbers.as_ptr().cast())
    }

    pub(crate) fn width(&self) -> Width {
        match self {
            Whole::U8(_) => Width::U8,
            Whole::U16(_) => Width::U16,
            Whole::U64(_) => Width::U64,
            Whole::I64(_) => Width::I64,
            Whole::Usize(_) => Width::Usize,
        }
    }

    /// Those at these positions, if there are as many.
    pub(crate) fn part(self, positions: Range<usize>) -> Option<Whole<'a>> {
        Some(match self {
            Whole::U8(numbers) => Whole::U8(numbers.get(positions)?),
            Whole::U16(numbers) => Whole::U16(numbers.get(positions)?),
            Whole::U64(numbers) => Whole::U64(numbers.get(positions)?),
            Whole::I64(numbers) => Whole::I64(numbers.get(positions)?),
            Whole::Usize(numbers) => Whole::Usize(numbers.get(positions)?),
        })
    }

    /// The number at a position, for messages.
    pub(crate) fn text(&self, position: usize) -> String {
        each!(self, numbers => numbers[position].to_string())
    }

    /// Appends each as an i32's bits, or as a u32.
    pub(crate) fn words(&self, signed: bool, words: &mut Vec<u32>) {
        match signed {
            true => each!(self, numbers => words.extend(numbers.iter().map(|&number| as_i32(number) as u32))),
            false => each!(self, numbers => words.extend(numbers.iter().map(|&number| as_u32(number)))),
        }
    }

    /// Whether the number at a position is an i32, or a u32.
    pub(crate) fn fits(&self, signed: bool, position: usize) -> bool {
        match signed {
            true => each!(self, numbers => is_i32(numbers[position])),
            false => each!(self, numbers => is_u32(numbers[position])),
        }
    }
}

fn is_i32(number: impl TryInto<i32>) -> bool {
    number.try_into().is_ok()
}

fn is_u32(number: impl TryInto<u32>) -> bool {
    number.try_into().is_ok()
}

/// 0 for what is none: it is looked at once more where words are checked.
fn as_i32(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(0)
}

fn as_u32(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(0)
}

impl Width {
    /// As in Rust.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Width::U8 => "u8",
            Width::U16 => "u16",
            Width::U64 => "u64",
            Width::I64 => "i64",
            Width::Usize => "usize",
        }
    }
}
