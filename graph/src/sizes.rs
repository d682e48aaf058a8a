//! What must hold of sizes once they are known. Machine code relies on it without checks of its own.
//!
//! In: a graph, the values of symbols. Out: nothing, or the first value whose sizes make no sense.
//!
//! It checks that
//! 1. every dim of a shape and of an op has a value ([`Dim::evaluate`]), and one that memory can hold;
//! 2. sizes are not negative, and no value has more elements than memory can hold;
//! 3. a slice lies inside its axis, a window fits in it, and no padding is negative;
//! 4. indices, positions and sizes that are counted in an `i32` fit in one;
//! 5. an axis in which something is looked up has elements;
//! 6. the body of a loop holds all of this, whatever its number of iterations.
//!
//! Dims whose symbols are not bound are not checked: while only the arguments of a network are known, they depend on the data.

use crate::dim::{Bindings, Dim, Undefined};
use crate::error::Error;
use crate::facts::Demand;
use crate::graph::{Graph, NodeId};
use crate::op::{Op, Window};
use crate::types::Shape;

/// More bytes than any process can have.
pub const MOST_BYTES: i64 = 1 << 47;

/// Bytes of the widest element.
const WIDEST: i64 = 8;

/// Most elements of one value, and the greatest number that a size or a position may be written with.
const MOST: i64 = MOST_BYTES / WIDEST;

/// Checks all values of a graph.
///
/// # Errors
/// The first that breaks a rule, with its shape, the sizes and its origin.
pub fn check(graph: &Graph, bindings: &Bindings) -> Result<(), Error> {
    for id in graph.ids() {
        let subject = || graph.label(id).map_or_else(|| "a value".to_owned(), |label| format!("`{label}`"));
        check_shape(&subject, graph.shape(id), bindings)
            .and_then(|()| check_attributes(graph, id, bindings))
            .map_err(|error| placed(graph, id, error, bindings))?;
        if let Op::Scan { body, .. } = graph.op(id) {
            check(body, bindings)?;
        }
    }
    Ok(())
}

/// The sizes of a shape all of whose symbols are bound. `subject` is what messages call its owner.
///
/// # Errors
/// A dim without a value, a negative one, more elements than memory can hold.
pub fn concrete(subject: &str, shape: &Shape, bindings: &Bindings) -> Result<Vec<usize>, Error> {
    check_shape(&|| subject.to_owned(), shape, bindings)?;
    let size = |dim: &Dim| match dim.evaluate(bindings).map(usize::try_from) {
        Ok(Ok(size)) => Ok(size),
        Ok(Err(_)) => Err(Error::new(format!("{subject} of shape {shape} has no size"))),
        Err(reason) => Err(Error::new(format!("{subject} of shape {shape} has no size: {reason}"))),
    };
    shape.dims().iter().map(size).collect::<Result<_, _>>().map_err(|error| with_sizes(error, bindings))
}

/// Says what the symbols were and where the value was declared.
fn placed(graph: &Graph, id: NodeId, error: Error, bindings: &Bindings) -> Error {
    let error = error.note(format!("the shape is {}", graph.shape(id)));
    with_sizes(error, bindings).at(graph.origin(id).clone())
}

fn with_sizes(error: Error, bindings: &Bindings) -> Error {
    let sizes: Vec<String> = bindings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if sizes.is_empty() { error } else { error.note(format!("with {}", sizes.join(", "))) }
}

fn check_shape(subject: &dyn Fn() -> String, shape: &Shape, bindings: &Bindings) -> Result<(), Error> {
    // What is not known counts as 1. Axes of size 0 are looked for first: beside one, any other size is allowed.
    let mut elements = i64::from(!shape.dims().iter().any(|dim| dim.evaluate(bindings) == Ok(0)));
    for (axis, dim) in shape.dims().iter().enumerate() {
        let what = || format!("axis {axis} of {}, `{dim}`,", subject());
        let Some(size) = value(&what, dim, bindings)? else { continue };
        if size < 0 {
            return Err(Error::new(format!("{} has the size {size}", what().trim_end_matches(',')))
                .help("a size must not be negative for the sizes of what is given"));
        }
        elements = elements
            .checked_mul(size)
            .filter(|count| *count <= MOST)
            .ok_or_else(|| Error::new(format!("{} has more elements than memory can hold", subject())))?;
    }

    Ok(())
}

/// The value of a dim, `None` where a symbol is not bound.
fn value(what: &dyn Fn() -> String, dim: &Dim, bindings: &Bindings) -> Result<Option<i64>, Error> {
    let beyond = || Error::new(format!("{} is more than memory can hold", what()));
    if dim.greatest_number() > MOST as u64 && !dim.overflows() {
        return Err(beyond());
    }
    match dim.evaluate(bindings) {
        Ok(value) if value.unsigned_abs() > MOST as u64 => Err(beyond()),
        Ok(value) => Ok(Some(value)),
        Err(Undefined::Unbound(_)) => Ok(None),
        Err(reason @ (Undefined::Overflow | Undefined::DivisionByZero(_))) => {
            Err(Error::new(format!("{} has no value: {reason}", what())))
        }
    }
}

fn check_attributes(graph: &Graph, id: NodeId, bindings: &Bindings) -> Result<(), Error> {
    let op = graph.op(id);
    for dim in op.dims() {
        // A dim used as a number need only have a value, of any magnitude.
        if matches!(op, Op::DimValue { .. }) && dim.evaluate(bindings).is_ok() {
            continue;
        }
        value(&|| format!("`{dim}`"), dim, bindings)?;
    }
    let operands: Vec<&Shape> = graph.operands_of(id).iter().map(|&operand| graph.shape(operand)).collect();
    op.demands(&operands).iter().try_for_each(|demand| check_demand(demand, bindings))
}

fn check_demand(demand: &Demand, bindings: &Bindings) -> Result<(), Error> {
    let size = |dim: &Dim| dim.evaluate(bindings).ok();
    match demand {
        Demand::Within(range, dim) => {
            let [start, end, size] = [&range.start, &range.end, dim].map(size);
            let ordered = |a: Option<i64>, b: Option<i64>| a.zip(b).is_none_or(|(a, b)| a <= b);
            let inside = ordered(Some(0), start) && ordered(start, end) && ordered(end, size);
            if inside && range.stride <= MOST { Ok(()) } else { Err(outside(range, dim, bindings)) }
        }
        Demand::Fits(window, dim) => fits(window, dim, bindings),
        Demand::NotNegative(dim) if size(dim).is_some_and(|value| value < 0) => {
            Err(Error::new("an axis is padded by less than nothing")
                .help("a padding must not be negative for the sizes of what is given"))
        }
        Demand::NotNegative(_) => Ok(()),
        Demand::Counted(what, count) => counted_in_32_bits(what, count, bindings),
        Demand::Inhabited(axis, lookups)
            if size(axis) == Some(0) && size(lookups).is_some_and(|count| count > 0) =>
        {
            Err(Error::new("elements are looked up in an axis without elements")
                .help("give the axis a size, or no indices"))
        }
        Demand::Inhabited(..) => Ok(()),
    }
}

fn outside(range: &crate::op::Range, size: &Dim, bindings: &Bindings) -> Error {
    let spoken =
        |dim: &Dim| dim.evaluate(bindings).map_or_else(|_| format!("`{dim}`"), |value| value.to_string());
    let [start, end, size] = [&range.start, &range.end, size].map(spoken);
    Error::new(format!("elements {start} to {end} are taken of an axis of {size}"))
        .help("0 ≤ start ≤ end ≤ size must hold for the sizes of what is given")
}

fn fits(window: &Window, size: &Dim, bindings: &Bindings) -> Result<(), Error> {
    let numbers = [("taps", &window.taps), ("stride", &window.stride), ("dilation", &window.dilation)];
    for (what, dim) in numbers {
        if let Ok(number @ ..1) = dim.evaluate(bindings) {
            return Err(Error::new(format!("a window's {what} of {number}")).help("it must be at least 1"));
        }
    }
    match (window.span().evaluate(bindings), size.evaluate(bindings)) {
        (Ok(span), Ok(size)) if span > size => {
            Err(Error::new(format!("a window that spans {span} elements does not fit in an axis of {size}"))
                .help("take a smaller window, a smaller dilation or more padding"))
        }
        _ => Ok(()),
    }
}

fn counted_in_32_bits(what: &str, count: &Dim, bindings: &Bindings) -> Result<(), Error> {
    match count.evaluate(bindings) {
        Ok(count) if count > i64::from(i32::MAX) => {
            Err(Error::new(format!("{count} {what} are more than 2³¹ − 1"))
                .help("they are counted in 31 bits: take smaller batches"))
        }
        _ => Ok(()),
    }
}
