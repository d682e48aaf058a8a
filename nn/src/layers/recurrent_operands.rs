//! What a recurrence is given: a sequence, lengths, states before the first step.
//!
//! In: values as a declaration hands them over. Out: what the recurrence computes with, or a recorded mistake.

use crate::builder::Value;
use crate::call::bound;
use crate::value::{index, less, require_float, reshape, slice, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::types::ElementType;

/// The sizes of `x`, which is `[batch, time, n]`, for a state of so many units.
pub(super) fn sequence(user: &str, x: &Value, units: &Dim) -> Option<[Dim; 3]> {
    let shape = x.shape()?;
    let help = "a sequence without a batch gets one by `expand(x, 0)`";
    let sizes = sizes(user, x, "[batch, time, n]", help, <[Dim; 3]>::try_from(shape.0).ok())?;
    at_least_one(user, x, units)?;
    Some(sizes)
}

/// The sizes of `x`, which is one step, `[batch, n]`.
pub(super) fn step(user: &str, x: &Value) -> Option<[Dim; 2]> {
    let shape = x.shape()?;
    let help = "a `scan` takes the steps of a sequence one after the other";
    sizes(user, x, "[batch, n]", help, <[Dim; 2]>::try_from(shape.0).ok())
}

fn sizes<T>(user: &str, x: &Value, takes: &str, help: &str, sizes: Option<T>) -> Option<T> {
    if !require_float(x, user) {
        return None;
    }
    if sizes.is_none() {
        let shape = x.shape()?;
        let error =
            Error::new(format!("`{user}` takes {takes}, but {} is {shape}", spoken(x, "its operand")));
        x.builder().error(error.help(help));
    }
    sizes
}

fn at_least_one(user: &str, x: &Value, units: &Dim) -> Option<()> {
    if let Some(units @ ..1) = bound(x.builder(), units) {
        x.builder().error(Error::new(format!("`{user}` with {units} units")).help("it needs at least 1"));
        return None;
    }
    Some(())
}

/// Mask `[batch, time]` of the steps below a sample's length.
pub(super) fn seen_steps(user: &str, lengths: &Value, batch: &Dim, time: &Dim) -> Option<Value> {
    let (builder, ty) = (lengths.builder(), lengths.ty()?);
    let fits = ty.element == ElementType::I32
        && ty.rank() == 1
        && builder.with_graph(|graph| graph.agrees(&ty.shape.dims()[0], batch));
    if !fits {
        let name = spoken(lengths, "the lengths");
        let error = Error::new(format!("`{user}` cannot take {name}, which are {ty}, as lengths"));
        builder.error(error.help(format!("lengths are i32[{batch}]: the number of steps of each sample")));
        return None;
    }
    Some(less(index(builder, [time.clone()], 0), reshape(lengths, vec![batch.clone(), Dim::from(1)])))
}

/// The `count` states that a state before the first step, called `name`, consists of, each of `shape`.
pub(super) fn initial(
    user: &str,
    name: &str,
    given: &Value,
    count: usize,
    shape: &[Dim; 2],
) -> Option<Vec<Value>> {
    let (builder, ty) = (given.builder(), given.ty()?);
    if !require_float(given, user) {
        return None;
    }
    let dims = ty.shape.dims();
    let is = |dims: &[Dim]| {
        builder.with_graph(|graph| dims.iter().zip(shape).all(|(own, other)| graph.agrees(own, other)))
    };
    if dims.len() == 2 && count == 1 && is(dims) {
        return Some(vec![given.clone()]);
    }
    let has = |first: &Dim| builder.with_graph(|graph| graph.agrees(first, &Dim::from(count)));
    if dims.len() == 3 && has(&dims[0]) && is(&dims[1..]) {
        let one = |number: i64| {
            let row = slice(given, 0, number, Some(Dim::from(number + 1)), 1);
            reshape(row, shape.to_vec())
        };
        return Some((0..count as i64).map(one).collect());
    }

    let [batch, units] = shape;
    let takes =
        if count == 1 { format!("[{batch}, {units}]") } else { format!("[{count}, {batch}, {units}]") };
    let label = spoken(given, "the state");
    let error = Error::new(format!("`{user}` takes {takes} as `{name}`, but {label} is {}", ty.shape));
    let several =
        "one state for each layer and direction: layer 0 forward, layer 0 in reverse, layer 1 forward, …";
    builder.error(if count == 1 { error } else { error.help(several) });
    None
}
