//! The order of the elements along an axis.
//!
//! In: a value, its axis last. Out: for each place the index of the element that comes there. NaN is more than all numbers; equal elements
//! keep their order.
//!
//! # Decisions
//!
//! - Up to [`COUNTED`] elements are compared each with each: the place of one is the number of those before it, n² comparisons in one kernel.
//!   So are f64s, whatever their number.
//! - More, and as many as only a run tells, are sorted by the digits of a u32 that ascends with them, the last digit first (D. E. Knuth, “The
//!   Art of Computer Programming”, volume 3, 5.2.5, algorithm R): by each digit an element goes behind all those of lesser digits and those of
//!   the same digit before it. Digits are turns of one loop: an axis of any length is built in the same time, and takes time in proportion.
//! - A digit has 16 values. How often each has come is kept for every element, 64 bytes; 8 values took half of that and were no faster for it,
//!   4 were slower. Networks of exchanges, n·log² n in vectors, were three times as slow at 1,000 elements and ten times at 100,000.

use super::align::{coerce, stretch_together};
use super::elementwise::{and, convert, equal, greater, less, not, not_equal, or};
use super::lookup::{found_at, pick};
use super::movement::{expand, index};
use super::reduce::{cumsum, sum_over};
use super::scan::{Iteration, Scan, Slices, scan};
use super::told::{Told, told};
use crate::builder::Value;
use downhill_graph::dim::Dim;
use downhill_graph::op::{Binary, Op, Unary};
use downhill_graph::types::ElementType;

/// So many elements are compared each with each; of more, digits are faster.
const COUNTED: i64 = 256;

/// The bits of a digit.
const BITS: u32 = 4;

/// The values of a digit.
const VALUES: i64 = 1 << BITS;

/// The index of the element that comes to each place along the last axis, as i32.
pub(super) fn order(x: &Value, descending: bool) -> Option<Value> {
    let ty = x.ty()?;
    let size = ty.shape.dims().last()?;
    let is_short = matches!(told(x.builder(), size), Told::Now(..=COUNTED) | Told::Later);
    if is_short || ty.element == ElementType::F64 { counted(x, descending) } else { by_digits(x, descending) }
}

/// Each element compared with each: row i with column j.
fn counted(x: &Value, descending: bool) -> Option<Value> {
    let ty = x.ty()?;
    let (rows, columns) = (expand(x, -1), expand(x, -2));
    let mut comes_first = if descending { greater(&columns, &rows) } else { less(&columns, &rows) };
    let mut is_equal = equal(&columns, &rows);
    if ty.element.is_float() {
        let [row, column] = [&rows, &columns].map(|side| not_equal(side, side));
        let [broken, whole] = if descending { [&column, &row] } else { [&row, &column] };
        comes_first = or(comes_first, and(broken, not(whole)));
        is_equal = or(is_equal, and(row, column));
    }

    let at = index(x.builder(), ty.shape.clone(), ty.rank() - 1);
    let is_earlier = less(expand(&at, -2), expand(&at, -1));
    let before = or(comes_first, and(is_equal, is_earlier));
    put(&at, &sum_over(convert(before, ElementType::I32), &[-1]))
}

/// Sorted by digit after digit, from the last one on.
fn by_digits(x: &Value, descending: bool) -> Option<Value> {
    let (builder, ty) = (x.builder(), x.ty()?);
    let ordinal = ordinal(x, ty.element)?;
    let ordinal = if descending { not(ordinal) } else { ordinal };

    let digits = index(builder, vec![Dim::from(i64::from(u32::BITS / BITS))], 0);
    let end = ty.rank() - 1;
    let over = Scan {
        slices: vec![Slices { name: "digit", of: digits, axis: 0 }],
        carried: vec![("order", index(builder, ty.shape, end))],
        ..Scan::default()
    };
    let sorted = scan(builder, over, |digit, order| {
        let next = by_digit(&ordinal, &order[0], &digit[0]);
        Iteration { next: vec![next.unwrap_or_else(|| builder.unknown())], yields: Vec::new() }
    });
    sorted.last.into_iter().next()
}

/// A u32 that ascends with each element.
fn ordinal(x: &Value, element: ElementType) -> Option<Value> {
    let bits = convert(x, ElementType::U32);
    match element {
        ElementType::I32 => bitwise(Binary::Xor, &bits, &x.builder().constant(2f64.powi(31))),
        ElementType::U32 => Some(bits),
        ElementType::F32 | ElementType::F64 | ElementType::Bool => {
            Some(x.builder().apply(Op::Unary(Unary::Ordinal), &[x]))
        }
    }
}

/// `order`, sorted by one digit of the elements.
fn by_digit(ordinal: &Value, order: &Value, number: &Value) -> Option<Value> {
    let found = found_at(ordinal, order)?;
    let shift = convert(number * f64::from(BITS), ElementType::U32);
    let rest = bitwise(Binary::ShiftRight, &found, &shift)?;
    let digit = convert(and(rest, (VALUES - 1) as f64), ElementType::I32);

    let values = index(order.builder(), vec![Dim::from(VALUES)], 0);
    let has = convert(equal(expand(&digit, -1), values), ElementType::I32);
    let each = sum_over(&has, &[-2]);
    let lesser = found_at(&(cumsum(&each, -1) - each), &digit)?;
    let same = pick(cumsum(has, -2), &digit, -1);
    put(order, &(lesser + same - 1.0))
}

/// `x` with each element at its place along the last axis.
fn put(x: &Value, place: &Value) -> Option<Value> {
    let shape = x.shape()?;
    let end = shape.rank() - 1;
    let size = shape.dims()[end].clone();
    Some(x.builder().apply(Op::ScatterAdd { axis: end, batch: end, size }, &[x, place]))
}

fn bitwise(op: Binary, x: &Value, y: &Value) -> Option<Value> {
    let pair = coerce(&[x, y])?;
    let pair = stretch_together(&[&pair[0], &pair[1]])?;
    Some(x.builder().apply(Op::Binary(op), &[&pair[0], &pair[1]]))
}
