//! Numbers of other types than a network's: f64 for f32, whole numbers of any width for i32 and u32.
//!
//! In: elements, the type that is wanted. Out: words as native code reads them, or which element does not fit.
//!
//! Must hold: a whole number is taken only where it stays what it is. An f64 is rounded to the nearest f32; one that is finite and would become
//! infinite is refused.

use crate::error::Error;
use crate::view::Elements;
use downhill_graph::types::ElementType;

/// Whether elements of one type become another's, by [`convert`].
pub(crate) fn converts(from: &Elements<'_>, to: ElementType) -> bool {
    match (from, to) {
        (Elements::F64(_), ElementType::F32) | (Elements::Bool(_), ElementType::Bool) => true,
        (Elements::Whole(_) | Elements::I32(_) | Elements::U32(_), to) => to.is_integer(),
        (Elements::F32(_) | Elements::F64(_) | Elements::Bool(_), _) => false,
    }
}

/// Writes elements as words of another type, over what `words` held.
pub(crate) fn convert(from: Elements<'_>, to: ElementType, words: &mut Vec<u32>) {
    words.clear();
    match from {
        Elements::F64(numbers) => words.extend(numbers.iter().map(|&number| (number as f32).to_bits())),
        Elements::F32(numbers) => words.extend(numbers.iter().map(|number| number.to_bits())),
        Elements::I32(numbers) => words.extend(numbers.iter().map(|&number| number as u32)),
        Elements::U32(numbers) => words.extend(numbers),
        Elements::Bool(bits) => words.extend(bits.iter().map(|&bit| u32::from(bit))),
        Elements::Whole(numbers) => numbers.words(to == ElementType::I32, words),
    }
}

/// The first position, of all or of those given, whose element the other type has not.
pub(crate) fn first_misfit(
    from: Elements<'_>,
    to: ElementType,
    mut positions: impl Iterator<Item = usize>,
) -> Option<usize> {
    let signed = to == ElementType::I32;
    positions.find(|&at| match from {
        Elements::F64(numbers) => numbers[at].is_finite() && (numbers[at] as f32).is_infinite(),
        Elements::I32(numbers) => !signed && numbers[at] < 0,
        Elements::U32(numbers) => signed && i32::try_from(numbers[at]).is_err(),
        Elements::Whole(numbers) => !numbers.fits(signed, at),
        Elements::F32(_) | Elements::Bool(_) => false,
    })
}

/// What is said of it.
#[cold]
pub(crate) fn misfit(name: &str, from: Elements<'_>, to: ElementType, position: usize) -> Error {
    let value = match from {
        Elements::F64(numbers) => format!("{:e}", numbers[position]),
        Elements::F32(numbers) => numbers[position].to_string(),
        Elements::I32(numbers) => numbers[position].to_string(),
        Elements::U32(numbers) => numbers[position].to_string(),
        Elements::Bool(bits) => bits[position].to_string(),
        Elements::Whole(numbers) => numbers.text(position),
    };
    let range = match to {
        ElementType::I32 => "an i32 is from -2147483648 to 2147483647",
        ElementType::U32 => "a u32 is from 0 to 4294967295",
        ElementType::F32 | ElementType::F64 | ElementType::Bool => "an f32 is up to 3.4e38",
    };
    Error::usage(format!("`{name}` is declared as {to}, but holds {value} at position {position}"), range)
}

/// Elements of a type that does not become the one that is wanted.
#[cold]
pub(crate) fn refused(name: &str, from: &Elements<'_>, to: ElementType) -> Error {
    match from {
        Elements::Whole(numbers) => Error::usage(
            format!("`{name}` is declared as {to}, but was given {}", numbers.width().name()),
            format!(
                "whole numbers are taken where i32 or u32 is declared; make them {to}s, as by `.map(|&n| n as {to})`"
            ),
        ),
        other => Error::Element { name: name.to_owned(), expected: to, found: other.element() },
    }
}
