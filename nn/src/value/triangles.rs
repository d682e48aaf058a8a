//! Triangles and diagonals of matrices.

use super::align::{resolve_axis, spoken};
use super::elementwise::{add, and, greater_equal, less_equal, multiply, select, subtract};
use super::movement::{index, reshape, slice, transpose_by};
use super::reduce::sum_over;
use super::told::{Told, told};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, of_two, optional, row};
use downhill_graph::dim::{Agreement, Dim};
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape};
use std::borrow::Borrow;

/// The lower triangle of the matrices of the last two axes, as PyTorch's `tril`: what is above diagonal `diagonal` is 0. Diagonals count
/// from the main one, those above it upwards.
///
/// # Shapes
/// That of `x`, `[…, rows, columns]`, and its element type. Of what is left out, infinities and NaN too, nothing is kept.
///
/// # Errors
/// A value of fewer than two axes is a mistake of the declaration.
pub fn tril(x: impl Borrow<Value>, diagonal: i64) -> Value {
    triangle("tril", x.borrow(), |above| less_equal(above, diagonal as f64))
}

/// The upper triangle of the matrices of the last two axes, as PyTorch's `triu`: what is below diagonal `diagonal` is 0.
///
/// # Shapes
/// Those of [`tril`].
///
/// # Errors
/// Those of [`tril`].
pub fn triu(x: impl Borrow<Value>, diagonal: i64) -> Value {
    triangle("triu", x.borrow(), |above| greater_equal(above, diagonal as f64))
}

/// `x` where a mask of the number of each element's diagonal holds.
fn triangle(user: &str, x: &Value, keeps: impl Fn(Value) -> Value) -> Value {
    let Some(ty) = x.ty() else { return x.builder().unknown() };
    let rank = ty.rank();
    if rank < 2 {
        return x.builder().fail(few_axes(user, x, rank));
    }
    let at = |axis: usize| index(x.builder(), ty.shape.clone(), axis);
    let mask = keeps(subtract(at(rank - 1), at(rank - 2)));
    if ty.element == ElementType::Bool { and(mask, x) } else { select(mask, x, 0.0) }
}

fn few_axes(user: &str, x: &Value, rank: usize) -> Error {
    let error = Error::new(format!(
        "`{user}` takes matrices, […, rows, columns], but {} has {rank} axes",
        spoken(x, "the operand")
    ));
    error.help("`reshape` or `expand` gives it two axes or more")
}

/// The elements of diagonal `offset` of the matrices of `axes`, as PyTorch's `diagonal`; a positive offset is above the main one.
///
/// # Shapes
/// The two axes are gone, and the diagonal is a new last one: `[rows, columns, …]` to `[…, min(rows, columns − offset)]`, or
/// `min(rows + offset, columns)` below the main one.
///
/// # Errors
/// Two axes that are one; an offset beyond the matrix; sizes that differ and are no numbers, of which nobody knows the lesser.
pub fn diagonal(x: impl Borrow<Value>, offset: i64, axes: [i64; 2]) -> Value {
    let x = x.borrow();
    along_diagonal("diagonal", x, offset, axes).unwrap_or_else(|| x.builder().unknown())
}

fn along_diagonal(user: &str, x: &Value, offset: i64, axes: [i64; 2]) -> Option<Value> {
    let rank = x.shape()?.rank();
    if rank < 2 {
        x.builder().error(few_axes(user, x, rank));
        return None;
    }
    let [rows, columns] = [resolve_axis(x, axes[0], rank)?, resolve_axis(x, axes[1], rank)?];
    if rows == columns {
        let error = Error::new(format!("`{user}` of axis {rows} with itself"));
        x.builder().error(error.help("name two axes"));
        return None;
    }

    let others = (0..rank).filter(|axis| ![rows, columns].contains(axis));
    let order: Vec<i64> = others.chain([rows, columns]).map(|axis| axis as i64).collect();
    let last = transpose_by(x, &order);
    let shape = last.shape()?;
    let [down, right] = [(-offset).max(0), offset.max(0)];
    let count = length(user, x, &shape.dims()[rank - 2..], offset)?;

    // A row each, and in each the one column that is on the diagonal.
    let rows = slice(&last, -2, down, Some(&Dim::from(down) + &count), 1);
    let mut picked = shape.0[..rank - 2].to_vec();
    picked.push(count);
    let column = add(index(x.builder(), Shape(picked), rank - 2), right as f64);
    Some(x.builder().apply(Op::Gather { axis: rank - 1, batch: rank - 1 }, &[&rows, &column]))
}

/// How many elements the diagonal has.
fn length(user: &str, x: &Value, sizes: &[Dim], offset: i64) -> Option<Dim> {
    let builder = x.builder();
    let [rows, columns] = [&sizes[0] - &Dim::from((-offset).max(0)), &sizes[1] - &Dim::from(offset.max(0))];
    let count = match [told(builder, &rows), told(builder, &columns)] {
        [Told::Now(m), Told::Now(n)] => Dim::from(m.min(n)),
        _ if builder.with_graph(|graph| graph.compare(&sizes[0], &sizes[1])) == Agreement::Equal => {
            &sizes[0] - &Dim::from(offset.abs())
        }
        // Which is the lesser is told when the network is built.
        [Told::Later, Told::Later | Told::Now(_)] | [Told::Now(_), Told::Later] => {
            builder.fresh_dim("diagonal")
        }
        _ => {
            let error = Error::new(format!(
                "`{user}` of {} by {}, of which only a run tells the lesser",
                sizes[0], sizes[1]
            ));
            builder.error(error.help("`slice` it to a square first"));
            return None;
        }
    };
    if count.as_constant().is_some_and(|count| count < 0) {
        let error =
            Error::new(format!("`{user}` with an offset of {offset}, beyond {} by {}", sizes[0], sizes[1]));
        x.builder().error(error.help("offsets count from the main diagonal, positive ones upwards"));
        return None;
    }
    Some(count)
}

/// The sum of the main diagonal of the matrices of the last two axes, as PyTorch's `trace`.
///
/// # Shapes
/// `[…, rows, columns]` to `[…]`.
///
/// # Errors
/// Those of [`diagonal`].
pub fn trace(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    match along_diagonal("trace", x, 0, [-2, -1]) {
        Some(diagonal) => sum_over(diagonal, &[-1]),
        None => x.builder().unknown(),
    }
}

/// Each element of one vector times each of the other, as PyTorch's `outer`.
///
/// # Shapes
/// `[n]` and `[m]` to `[n, m]`.
///
/// # Errors
/// Operands of other than one axis are a mistake of the declaration.
pub fn outer(a: impl Borrow<Value>, b: impl Borrow<Value>) -> Value {
    let (a, b) = (a.borrow(), b.borrow());
    let builder = a.builder();
    let mut sides = Vec::new();
    for (vector, place) in [(a, 0), (b, 1)] {
        let Some(shape) = vector.shape() else { return builder.unknown() };
        let [size] = shape.dims() else {
            let name = spoken(vector, "an operand");
            let error = Error::new(format!("`outer` takes vectors, but {name} has {} axes", shape.rank()));
            return builder
                .fail(error.note(format!("its shape is {shape}")).help("`reshape` it to one axis"));
        };
        let mut dims = vec![Dim::from(1), Dim::from(1)];
        dims[place] = size.clone();
        sides.push(reshape(vector, dims));
    }
    multiply(&sides[0], &sides[1])
}

const DIAGONAL: Parameter<'static> = optional("diagonal", Kind::Integer, Default::Integer(0));

fn diagonal_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let axes = given.axes("axes").unwrap_or_else(|| vec![0, 1]);
    let [rows, columns] = axes[..] else {
        let error = Error::new(format!("`diagonal` of {} axes", axes.len()));
        return builder.fail(error.help("a matrix has two: `axes: [0, 1]`"));
    };
    diagonal(given.tensor("x"), given.integer("offset"), [rows, columns])
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("tril", &[X, DIAGONAL], "the lower triangle of the last two axes", |_, given| {
        tril(given.tensor("x"), given.integer("diagonal"))
    }),
    row("triu", &[X, DIAGONAL], "the upper triangle of the last two axes", |_, given| {
        triu(given.tensor("x"), given.integer("diagonal"))
    }),
    row(
        "diagonal",
        &[
            X,
            optional("offset", Kind::Integer, Default::Integer(0)),
            optional("axes", Kind::Axes, Default::Unset("the first two")),
        ],
        "the elements of a diagonal",
        diagonal_row,
    ),
    row("trace", &[X], "the sum of the main diagonal of the last two axes", |_, given| {
        trace(given.tensor("x"))
    }),
    of_two!("outer", outer, "each element of a times each of b"),
];
