//! `gradient(g) { … }` behind the value of a layer.

use super::arithmetic;
use crate::builder::{Builder, Value};
use crate::call::Argument;
use crate::value::with_gradient;
use downhill_graph::error::Error;

/// What a layer gives, with a gradient of its own by those of its arguments that are tensors of floats, in the order of the head.
pub fn own_gradient(
    builder: &Builder,
    layer: &str,
    arguments: &[(&str, &Argument)],
    result: &Argument,
    gradient: impl FnOnce(Argument) -> Argument,
) -> Argument {
    if let Argument::Several(_) = result {
        let error = Error::new(format!("layer `{layer}` gives several values and a gradient of its own"));
        builder.error(error.help("such a layer gives one value: write one for each of them"));
        return Argument::Unknown;
    }

    let of: Vec<Value> = arguments.iter().filter_map(|(_, argument)| differentiable(argument)).collect();
    let value = arithmetic::value(builder, result).unwrap_or_else(|| builder.unknown());
    with_gradient(value, &of, |arriving| shares(builder, gradient(arriving.into()), of.len())).into()
}

/// A tensor of floats, or one of which nothing is known yet.
fn differentiable(argument: &Argument) -> Option<Value> {
    let Argument::Value(value) = argument else { return None };
    value.ty().is_none_or(|ty| ty.element.is_float()).then(|| value.clone())
}

/// The values that a gradient gives; as many unknown ones as are asked for where nothing is known of it.
fn shares(builder: &Builder, given: Argument, count: usize) -> Vec<Value> {
    match given {
        Argument::Several(several) => several.values,
        Argument::Unknown => vec![builder.unknown(); count],
        one => vec![arithmetic::tensor(builder, &one)],
    }
}
