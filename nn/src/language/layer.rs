//! Layers of the user's own: what they are given must have the shapes that their heads declare.

use super::arithmetic;
use crate::builder::Builder;
use crate::call::Argument;
use downhill_graph::dim::{Agreement, Dim};
use downhill_graph::error::Error;
use downhill_graph::types::ElementType;

/// An argument of a layer, for messages.
#[derive(Clone, Copy)]
pub struct LayerInput<'a> {
    /// The layer's name.
    pub layer: &'a str,
    /// The argument's name in the layer's head.
    pub name: &'a str,
    /// What was given.
    pub argument: &'a Argument,
}

/// Runs `body` as one layer of the open binding. Inside it, values go by the names of the layer's head.
pub fn layer<R>(builder: &Builder, inputs: &[(&str, &Argument)], body: impl FnOnce() -> R) -> R {
    let nodes = inputs.iter().filter_map(|(name, argument)| match argument {
        Argument::Value(value) => Some((value.node()?, *name)),
        _ => None,
    });
    let outer: Vec<_> = nodes.map(|(node, name)| (node, builder.relabel(node, Some(name.into())))).collect();
    let result = builder.layer(body);
    // Backwards, so that a value given twice gets back the name it had before the first.
    for (node, name) in outer.into_iter().rev() {
        builder.relabel(node, name);
    }
    result
}

/// The sizes of a layer's tensor argument, one for each of the `axes` of its head: new symbols where they are not known.
pub fn given(
    builder: &Builder,
    input: LayerInput,
    element: Option<ElementType>,
    axes: &[&str],
) -> Vec<Argument> {
    let fresh = || axes.iter().map(|name| Argument::Dim(builder.fresh_dim(name))).collect();
    let LayerInput { layer, name, argument } = input;
    let Some(ty) = arithmetic::value(builder, argument).and_then(|value| value.ty()) else { return fresh() };

    let head = format!("[{}]", axes.join(", "));
    if let Some(element) = element.filter(|&element| element != ty.element) {
        let error = Error::new(format!("`{name}` of layer `{layer}` is {}, not {element}", ty.element));
        builder.error(error.note(format!("it has type {ty}; the layer takes {element}{head}")));
    }

    if ty.rank() != axes.len() {
        let error =
            Error::new(format!("`{name}` of layer `{layer}` has {}, not {}", counted(ty.rank()), axes.len()));
        builder.error(error.note(format!("it has shape {}; the layer takes {head}", ty.shape)));
        return fresh();
    }
    ty.shape.0.into_iter().map(Argument::Dim).collect()
}

fn counted(rank: usize) -> String {
    match rank {
        0 => "no axes".into(),
        1 => "1 axis".into(),
        _ => format!("{rank} axes"),
    }
}

/// Checks one axis of a layer's argument against the size that its head writes there.
pub fn fits(
    builder: &Builder,
    input: LayerInput,
    axis: usize,
    found: &Argument,
    written: &str,
    expected: &Argument,
) {
    let (Argument::Dim(found), Some(expected)) = (found, arithmetic::dim(builder, expected)) else { return };
    if builder.with_graph(|graph| graph.agrees(found, &expected)) {
        return;
    }

    let LayerInput { layer, name, argument } = input;
    let error = Error::new(format!(
        "axis {axis} of `{name}` {} {found} but layer `{layer}` takes {expected}",
        is(builder, found, &expected)
    ));

    let error = if written == expected.to_string() {
        error
    } else {
        error.note(format!("`{written}` is {expected} here"))
    };

    builder.error(match arithmetic::value(builder, argument).and_then(|value| value.shape()) {
        Some(shape) => error.note(format!("`{name}`: {shape}")),
        None => error,
    });
}

/// The `count` values that the head of a layer declares; unknown ones after a mistake.
pub fn parts(builder: &Builder, layer: &str, result: &Argument, count: usize) -> Vec<Argument> {
    let unknown = vec![Argument::Unknown; count];
    let several = match result {
        _ if count == 1 => return vec![result.clone()],
        Argument::Unknown => return unknown,
        Argument::Several(several) => several.values.len(),
        _ => 1,
    };
    match result {
        Argument::Several(together) if several == count => {
            together.values.iter().map(Argument::from).collect()
        }
        _ => {
            let gives = if several == 1 { "one".to_owned() } else { several.to_string() };
            let error = Error::new(format!("layer `{layer}` declares {count} values but gives {gives}"));
            builder.error(error.help("end its body with as many: `(a, b)`"));
            unknown
        }
    }
}

/// Checks what a layer gives against the shape that its head declares; `None` is a size that may be any.
pub fn returned(
    builder: &Builder,
    layer: &str,
    result: &Argument,
    element: Option<ElementType>,
    dims: &[Option<Argument>],
) {
    // A size that is unknown hides the others: it was told of already.
    let known = |dim: &Option<Argument>| match dim {
        None => Some(None),
        Some(dim) => arithmetic::dim(builder, dim).map(Some),
    };
    let Some(dims) = dims.iter().map(known).collect::<Option<Vec<Option<Dim>>>>() else { return };
    let Some(ty) = arithmetic::value(builder, result).and_then(|value| value.ty()) else { return };
    let agree = |(a, b): (&Dim, &Option<Dim>)| {
        b.as_ref().is_none_or(|b| builder.with_graph(|graph| graph.agrees(a, b)))
    };
    let fits = ty.rank() == dims.len() && ty.shape.dims().iter().zip(&dims).all(agree);
    let words = dims.iter().map(|dim| dim.as_ref().map_or_else(|| "_".to_owned(), Dim::to_string));
    let declared = format!("[{}]", words.collect::<Vec<_>>().join(", "));
    if !fits {
        let error = Error::new(format!("layer `{layer}` declares {declared} but gives {}", ty.shape));
        builder.error(error.help(format!("write `-> {}`, or change the body", ty.shape)));
    } else if let Some(element) = element.filter(|&element| element != ty.element) {
        builder.error(Error::new(format!("layer `{layer}` declares {element}{declared} but gives {ty}")));
    }
}

fn is(builder: &Builder, found: &Dim, expected: &Dim) -> &'static str {
    let unequal = builder.with_graph(|graph| graph.compare(found, expected)) == Agreement::Unequal;
    if unequal { "is" } else { "may not fit: it is" }
}
