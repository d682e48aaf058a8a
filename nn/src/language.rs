//! What the forms of `network!` mean, on [`Argument`]s whose kind shows only when they are used.
//!
//! In: arguments as a declaration writes them. Out: arguments, values, storages; mistakes go to the builder. The macro checks with
//! these functions while rustc runs, and the code it expands to calls the same ones when a network is built: what a formula means is
//! said here, once.
//!
//! Must hold: nothing panics on a user's mistake; whatever is unknown stays unknown and gives no message of its own.

mod arithmetic;
mod condition;
mod layer;
mod several;

mod scan;

mod own_gradient;

pub use arithmetic::{Operator, binary, compare, dim, list, negate, tensor, value};
pub use condition::{and, condition, not, or};
pub use layer::{LayerInput, fits, given, layer, parts, returned};
pub use own_gradient::own_gradient;
pub use scan::{Looped, ScanHead, SliceOf, axis, scan};
pub use several::{together, unpack};

use crate::builder::{Builder, Value};
use crate::call::{Argument, OfRust};
use crate::composite;
use crate::losses::fixed_term;
use downhill_graph::dim::{Dim, Undefined};
use downhill_graph::error::{Error, Origin, nearest};
use downhill_graph::random::Initializer;
use downhill_graph::types::{ElementType, Shape, Type};
use std::ops::Range;

/// What a Rust function gives, or a `{ … }` of a declaration, as an argument.
pub fn of_rust(given: impl OfRust) -> Argument {
    given.argument()
}

/// A location in the user's source.
pub fn place(file: &str, line: u32, column: u32) -> Origin {
    Origin { file: file.into(), line, column, ..Origin::default() }
}

/// Names the value of a binding; a mistake where it is several.
pub fn named(builder: &Builder, name: &str, argument: Argument) -> Argument {
    match argument {
        Argument::Value(value) => Argument::Value(value.named(name)),
        Argument::Several(_) => match value(builder, &argument) {
            Some(value) => Argument::Value(value.named(name)),
            None => Argument::Unknown,
        },
        other => other,
    }
}

/// The parameter called `name` (`h.weight`), as seen from the open scopes.
pub fn stored(builder: &Builder, name: &str) -> Value {
    if let Some(value) = builder.find_storage(name) {
        return value;
    }

    let known = builder.storage_names();
    let binding = name.split('.').next().unwrap_or_default();
    let near = nearest(name, known.iter().map(|name| &**name));
    let inside: Vec<String> = known
        .iter()
        .filter(|known| known.split('.').next() == Some(binding))
        .map(|name| format!("`{name}`"))
        .collect();

    let error = Error::new(format!("no parameter is called `{name}`"));
    let error = match (near, inside.is_empty()) {
        (_, false) => error.note(format!("`{binding}` has {}", inside.join(", "))),
        _ => error.note(format!("`{binding}` has no parameters")),
    };

    let member = name.rsplit('.').next().unwrap_or_default();
    builder.fail(match (near, member, composite::advice(member)) {
        (Some(near), ..) => error.help(format!("did you mean `{near}`?")),
        (None, "T" | "mT", _) => error.help(format!("write `transpose({binding})`")),
        (None, _, Some(advice)) => error.help(advice),
        (None, ..) => error,
    })
}

/// The iterations of a loop; none where a bound is not known.
pub fn turns(builder: &Builder, from: &Argument, to: &Argument) -> Range<usize> {
    let bound = |argument: &Argument| {
        let dim = dim(builder, argument)?;
        let number = builder.with_graph(|graph| dim.evaluate(&graph.bindings)).ok();
        if number.is_none() {
            let error =
                Error::new(format!("a loop up to `{dim}`, which is not known when the network is built"));
            builder.error(error.help("give the number of turns as an argument of the network"));
        }
        // A negative bound is a loop without iterations, as in Rust.
        number.map(|number| usize::try_from(number).unwrap_or(0))
    };
    match (bound(from), bound(to)) {
        (Some(from), Some(to)) => from..to,
        _ => 0..0,
    }
}

/// The iterations of a loop over a list: each size, and the number that it is. None where one is not known.
pub fn elements(builder: &Builder, list: &Argument) -> Vec<(usize, Argument)> {
    let Argument::Shape(sizes) = list else {
        no_list(builder, list);
        return Vec::new();
    };

    let number = |size: &Dim| match builder.with_graph(|graph| size.evaluate(&graph.bindings)) {
        Ok(number) => match usize::try_from(number) {
            Ok(number) => Some((number, Argument::Dim(size.clone()))),
            Err(_) => {
                builder.error(Error::new(format!("a size of {number}")));
                None
            }
        },
        Err(Undefined::Unbound(_)) => {
            let error =
                Error::new(format!("a loop over `{size}`, which is not known when the network is built"));
            builder.error(error.help("give the size as an argument of the network"));
            None
        }
        Err(reason) => {
            builder.error(Error::new(format!("`{size}` is no size: {reason}")));
            None
        }
    };
    sizes.iter().map(number).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Refuses what a loop is to run over and what is no list.
pub fn no_list(builder: &Builder, argument: &Argument) {
    let help = match argument {
        // Of what is unknown nothing is said.
        Argument::Unknown | Argument::Shape(_) => return,
        Argument::Value(value) if value.node().is_none() => return,
        Argument::Integer(number) => format!("count: `0..{number}`"),
        Argument::Dim(dim) => format!("count: `0..{dim}`"),
        Argument::Value(_) => {
            "the steps of a sequence are a `scan`: `scan step in x along time, h = zeros([batch, n]) { h = …; yield h }`"
                .into()
        }
        Argument::Number(_)
        | Argument::Bool(_)
        | Argument::Initializer(_)
        | Argument::Several(_)
        | Argument::Word(_)
        | Argument::Text(_) => {
            "write `0..depth`, a list such as `[16, 32]` or an argument of type `Vec<usize>`".into()
        }
    };
    let error = Error::new(format!("a loop needs a list of sizes, but this is {}", argument.words()));
    builder.error(error.help(help));
}

/// `input name: element[dims]`.
pub fn input(builder: &Builder, name: &str, element: ElementType, dims: &[Argument]) -> Argument {
    builder.input(name, element, shape(builder, dims)).into()
}

/// `target name: element[dims]`.
pub fn target(builder: &Builder, name: &str, element: ElementType, dims: &[Argument]) -> Argument {
    builder.target(name, element, shape(builder, dims)).into()
}

/// `param name: [dims] = initializer`.
pub fn param(builder: &Builder, name: &str, dims: &[Argument], initializer: Initializer) -> Argument {
    builder.parameter(name, shape(builder, dims), initializer).into()
}

/// `state name: element[dims] = initializer`.
pub fn state(
    builder: &Builder,
    name: &str,
    element: ElementType,
    dims: &[Argument],
    initializer: Initializer,
) -> Argument {
    builder.state(name, Type::new(element, shape(builder, dims)), initializer).into()
}

/// A composite called by its name.
pub fn call(builder: &Builder, name: &str, positional: &[Argument], named: &[(&str, Argument)]) -> Argument {
    composite::results(builder, name, positional.to_vec(), named.to_vec())
}

/// An initialiser by its name; zeros after a mistake.
pub fn initializer(
    builder: &Builder,
    name: &str,
    positional: &[Argument],
    named: &[(&str, Argument)],
) -> Initializer {
    composite::initializer(builder, name, positional.to_vec(), named.to_vec()).unwrap_or_else(|error| {
        builder.error(error);
        Initializer::Zeros
    })
}

/// `update name = argument`. A number stands for a tensor of it.
pub fn update(builder: &Builder, state: &Argument, argument: &Argument) {
    let Some(state) = value(builder, state) else { return };
    let number = match argument {
        Argument::Number(number) => Some(*number),
        Argument::Integer(number) => Some(*number as f64),
        _ => None,
    };
    let next = match (number, state.node()) {
        (Some(number), Some(node)) => {
            Some(builder.value(builder.with_graph(|graph| graph.full_like(node, number))))
        }
        _ => value(builder, argument),
    };
    if let Some(next) = next {
        builder.update(&state, &next);
    }
}

/// Says what the layer's call in progress gives.
pub fn gives(builder: &Builder, result: &Argument) {
    match result {
        Argument::Value(value) => builder.gives(value),
        Argument::Several(several) => builder.gives_all(&several.values),
        _ => {}
    }
}

/// `output name`.
pub fn output(builder: &Builder, name: &str, argument: &Argument) {
    if let Some(value) = value(builder, argument) {
        builder.output(name, &value);
    }
}

/// `loss name = argument`, over the storages of some instances or over all.
pub fn loss(builder: &Builder, name: &str, argument: &Argument, over: Option<Vec<usize>>) {
    let Some(value) = value(builder, argument) else { return };
    match fixed_term(&value) {
        Some(error) => builder.error(error),
        None => builder.loss(name, &value, over),
    }
}

/// Sizes of a declared tensor; a mistake is recorded where one is none or is negative.
pub fn shape(builder: &Builder, dims: &[Argument]) -> Shape {
    let size = |argument: &Argument| {
        let size = dim(builder, argument)?;
        match builder.with_graph(|graph| size.evaluate(&graph.bindings)) {
            Ok(number) if number < 0 => {
                let written = if size.is(number) { String::new() } else { format!(" `{size}`") };
                builder.error(Error::new(format!("a size{written} of {number}")));
            }
            Ok(_) | Err(Undefined::Unbound(_)) => {}
            Err(reason) => builder.error(Error::new(format!("`{size}` is no size: {reason}"))),
        }
        Some(size)
    };
    Shape(
        dims.iter().map(|argument| size(argument).unwrap_or_else(|| builder.fresh_dim("unknown"))).collect(),
    )
}
