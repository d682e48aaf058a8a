//! Composites: layers, activations, losses and formulas under the names that a declaration calls them by.
//!
//! In: a name and arguments, positional ones first. Out: a value, built from primitives; mistakes go to the builder.
//!
//! Must hold: `network!` knows no composite but through [`find`], so what it accepts while rustc runs and
//! what its expansion does are the same thing. A function of a user's own needs no row: it is called by its path.

pub use crate::activations::*;
use crate::builder::{Builder, Value};
use crate::call::judge_given;
pub use crate::call::{
    Argument, Arguments, Composite, Default, Head, Kind, Mistake, OfRust, Parameter, Several, Spot, advice,
    aliases, argument_advice, form, forms, judge, likely, likely_argument, mended, name_advice,
};
pub use crate::initializers::{NamedInitializer, find_initializer, initializer, initializers};
pub use crate::layers::*;
pub use crate::losses::*;
use crate::{activations, layers, losses, value};
use downhill_graph::error::Error;

/// All composites, in the order of a manual: the title of each group, and the rows of its families.
const TABLE: &[(&str, &[&[Composite]])] = &[
    ("Layers", layers::ROWS),
    ("Activations", activations::ROWS),
    ("Losses", losses::ROWS),
    ("Operators", value::OPERATORS),
    ("Functions of each element", value::FUNCTIONS),
    ("Reductions", value::REDUCTIONS),
    ("Shapes", value::SHAPES),
];

/// All composites in the groups of a manual, each with its title.
pub fn groups() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static Composite>)> {
    TABLE.iter().map(|(title, families)| (*title, families.iter().copied().flatten()))
}

/// The composite called `name`.
pub fn find(name: &str) -> Option<&'static Composite> {
    groups().flat_map(|(_, composites)| composites).find(|composite| composite.name == name)
}

/// Whether `name` is a loss, or likely means one.
pub fn is_loss(name: &str) -> bool {
    let is_row = |name: &str| losses::ROWS.iter().copied().flatten().any(|row| row.name == name);
    likely(name, names()).is_some_and(is_row)
}

/// Whether a name is that of an activation, here or elsewhere.
pub fn is_activation(name: &str) -> bool {
    let is_row = |name: &str| activations::ROWS.iter().copied().flatten().any(|row| row.name == name);
    likely(name, names()).is_some_and(is_row)
}

/// The names of all composites.
pub fn names() -> impl Iterator<Item = &'static str> {
    groups().flat_map(|(_, composites)| composites).map(|composite| composite.name)
}

/// How a composite is called: `linear(x, units, bias: true, init: fan_in)`; empty for an unknown name.
pub fn signature(name: &str) -> String {
    find(name).map(|composite| composite.head().signature()).unwrap_or_default()
}

/// Calls the composite `name`: its value, or the first of several where it stands for all. Mistakes are recorded and give the unknown
/// value.
pub fn call(builder: &Builder, name: &str, positional: Vec<Argument>, named: Vec<(&str, Argument)>) -> Value {
    match results(builder, name, positional, named) {
        Argument::Value(value) => value,
        Argument::Several(several) => several.alone().cloned().unwrap_or_else(|| {
            builder.fail(Error::new(format!("`{name}` gives {} values", several.values.len())))
        }),
        _ => builder.unknown(),
    }
}

/// Calls the composite `name`: all that it gives. Mistakes are recorded and give the unknown value.
pub fn results(
    builder: &Builder,
    name: &str,
    positional: Vec<Argument>,
    named: Vec<(&str, Argument)>,
) -> Argument {
    let Some(composite) = find(name) else { return builder.fail(unknown(name)).into() };
    match judge_given(builder, composite.head(), &positional, &named) {
        Ok(arguments) => composite.apply(builder, &arguments),
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| builder.error(mistake.error));
            builder.unknown().into()
        }
    }
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("nothing is called `{name}` here"));
    mended(error, name, names())
        .unwrap_or_else(|error| error.help("call a function of your own by its path: `my_crate::f(x)`"))
}
