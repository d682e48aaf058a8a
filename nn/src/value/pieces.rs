//! Parts of an axis by their number. A function gives one value, so each part is a call.

use super::align::{resolve_axis, spoken};
use super::movement::{reshape, slice};
use super::told::{Told, told};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use std::borrow::Borrow;

/// The element with this index along `axis`, which is gone: one of those that [`stack`](super::stack) joins, and PyTorch's `select`. A
/// negative index counts from the end.
///
/// # Shapes
/// That of `x` without `axis`.
///
/// # Errors
/// An axis that `x` does not have, and an index beyond it, are mistakes of the declaration.
pub fn unstack(x: impl Borrow<Value>, index: i64, axis: i64) -> Value {
    let x = x.borrow();
    element(x, index, axis).unwrap_or_else(|| x.builder().unknown())
}

fn element(x: &Value, index: i64, axis: i64) -> Option<Value> {
    let mut shape = x.shape()?;
    let position = resolve_axis(x, axis, shape.rank())?;
    let size = shape.0.remove(position);
    if let Some(count) = bound(x.builder(), &size).filter(|count| !(-count..*count).contains(&index)) {
        let error = Error::new(format!("`unstack` of index {index} of {}", spoken(x, "the operand")));
        let error = error.note(format!("axis {position} has {count} elements"));
        x.builder().error(error.help("indices count from 0, or from -1 at the end"));
        return None;
    }
    let start = if index < 0 { &size + &Dim::from(index) } else { Dim::from(index) };
    let end = &start + &Dim::from(1);
    Some(reshape(slice(x, axis, start, Some(end), 1), shape))
}

/// Piece `index` of `size` elements along `axis`, as PyTorch's `split`; the last piece may be shorter. Where only a run tells the size of
/// the axis, all pieces are whole.
///
/// # Shapes
/// The axis has `size` elements, or what is left.
///
/// # Errors
/// An axis that `x` does not have, a size below 1, and an index that no piece has, are mistakes of the declaration.
pub fn split(x: impl Borrow<Value>, size: impl Into<Dim>, index: i64, axis: i64) -> Value {
    let x = x.borrow();
    let unknown = || x.builder().unknown();
    let Some(shape) = x.shape() else { return unknown() };
    match resolve_axis(x, axis, shape.rank()) {
        Some(position) => piece("split", x, &size.into(), index, position).unwrap_or_else(unknown),
        None => unknown(),
    }
}

/// Piece `index` of `chunks` along `axis`, as PyTorch's `chunk`: pieces have a share of the elements, rounded up, the last one what is left.
///
/// # Shapes
/// The axis has that share.
///
/// # Errors
/// An axis that `x` does not have, fewer than 1 chunks, an index that no piece has, and a size that only a run tells and that is no multiple
/// of the chunks, are mistakes of the declaration.
pub fn chunk(x: impl Borrow<Value>, chunks: i64, index: i64, axis: i64) -> Value {
    let x = x.borrow();
    share(x, chunks, index, axis).unwrap_or_else(|| x.builder().unknown())
}

fn share(x: &Value, chunks: i64, index: i64, axis: i64) -> Option<Value> {
    let shape = x.shape()?;
    let position = resolve_axis(x, axis, shape.rank())?;
    if chunks < 1 {
        x.builder().error(Error::new(format!("`chunk` into {chunks} pieces")).help("it needs at least 1"));
        return None;
    }
    let whole = &shape.dims()[position];
    let size = match bound(x.builder(), whole) {
        Some(count) => Dim::from((count + chunks - 1) / chunks),
        None => whole.divide(&Dim::from(chunks)),
    };
    let is_exact = x.builder().with_graph(|graph| graph.agrees(&(&size * &Dim::from(chunks)), whole));
    if matches!(told(x.builder(), whole), Told::Run) && !is_exact {
        let error = Error::new(format!("`chunk` divides {whole} into {chunks}, which only a run can tell"));
        x.builder().error(error.help("make the size an argument of the network, or a number"));
        return None;
    }
    piece("chunk", x, &size, index, position)
}

fn piece(user: &str, x: &Value, size: &Dim, index: i64, axis: usize) -> Option<Value> {
    let builder = x.builder();
    let whole = x.shape()?.0.swap_remove(axis);
    let start = &Dim::from(index) * size;
    let end = match (bound(builder, &whole), bound(builder, size)) {
        (_, Some(number @ ..1)) => {
            let error = Error::new(format!("`{user}` into pieces of {number}"));
            builder.error(error.help("a piece has at least 1 element"));
            return None;
        }
        (Some(whole), Some(size)) => {
            let count = (whole + size - 1) / size;
            if !(0..count).contains(&index) {
                let error =
                    Error::new(format!("`{user}` has no piece {index} of {whole} elements by {size}"));
                builder.error(error.help(format!("pieces count from 0: there are {count}")));
                return None;
            }
            Dim::from(whole.min((index + 1) * size))
        }
        // What is told later may leave less for the last piece.
        _ if matches!(told(builder, &whole), Told::Later) || matches!(told(builder, size), Told::Later) => {
            &start + &builder.fresh_dim("piece")
        }
        _ => &start + size,
    };
    Some(slice(x, axis as i64, start, Some(end), 1))
}

const INDEX: Parameter<'static> = given("index", Kind::Integer);
const FIRST: Parameter<'static> =
    Parameter { name: "axis", kind: Kind::Integer, default: Some(Default::Integer(0)) };

fn split_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let Some(size) = given.dim("size") else { return builder.unknown() };
    split(given.tensor("x"), size.clone(), given.integer("index"), given.integer("axis"))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("unstack", &[X, INDEX, FIRST], "one element along an axis, which is gone", |_, given| {
        unstack(given.tensor("x"), given.integer("index"), given.integer("axis"))
    }),
    row("split", &[X, given("size", Kind::Dim), INDEX, FIRST], "a piece of so many elements", split_row),
    row("chunk", &[X, given("chunks", Kind::Integer), INDEX, FIRST], "a piece of so many", |_, given| {
        chunk(given.tensor("x"), given.integer("chunks"), given.integer("index"), given.integer("axis"))
    }),
];
