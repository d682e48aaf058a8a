//! Initialisers by name: how `param a: [n, units] = normal(0.0, 1.0)` says how it starts.

use super::argument::{Argument, Default, Kind, Parameter, convert};
use super::call::{likely, place, signature_of};
use crate::builder::Builder;
use downhill_graph::error::Error;
use downhill_graph::random::Initializer;

struct Entry {
    name: &'static str,
    parameters: &'static [Parameter],
    about: &'static str,
    make: fn(&[f64]) -> Initializer,
}

const fn number(name: &'static str, default: Option<Default>) -> Parameter {
    Parameter { name, kind: Kind::Number, default }
}

const GAIN: Parameter = number("gain", Some(Default::Number(1.0)));
const SLOPE: Parameter = number("slope", Some(Default::Number(0.0)));

const fn entry(
    name: &'static str,
    parameters: &'static [Parameter],
    about: &'static str,
    make: fn(&[f64]) -> Initializer,
) -> Entry {
    Entry { name, parameters, about, make }
}

static TABLE: &[Entry] = &[
    entry("zeros", &[], "0", |_| Initializer::Zeros),
    entry("ones", &[], "1", |_| Initializer::Ones),
    entry("constant", &[number("value", None)], "this value", |n| Initializer::Constant(n[0])),
    entry("uniform", &[number("low", None), number("high", None)], "uniform in low..high", |n| {
        Initializer::Uniform { low: n[0], high: n[1] }
    }),
    entry(
        "normal",
        &[number("mean", Some(Default::Number(0.0))), number("deviation", Some(Default::Number(1.0)))],
        "normal",
        |n| Initializer::Normal { mean: n[0], deviation: n[1] },
    ),
    entry("xavier", &[GAIN], "as `xavier_uniform`", |n| Initializer::XavierUniform { gain: n[0] }),
    entry(
        "xavier_uniform",
        &[GAIN],
        "Xavier/Glorot: uniform within ±gain·√(6/(fan_in + fan_out))",
        |n| Initializer::XavierUniform { gain: n[0] },
    ),
    entry(
        "xavier_normal",
        &[GAIN],
        "Xavier/Glorot: normal with deviation gain·√(2/(fan_in + fan_out))",
        |n| Initializer::XavierNormal { gain: n[0] },
    ),
    entry("kaiming", &[SLOPE], "as `kaiming_uniform`", |n| Initializer::KaimingUniform { slope: n[0] }),
    entry("kaiming_uniform", &[SLOPE], "Kaiming/He: uniform within ±√(6/((1 + slope²)·fan_in))", |n| {
        Initializer::KaimingUniform { slope: n[0] }
    }),
    entry(
        "kaiming_normal",
        &[SLOPE],
        "Kaiming/He: normal with deviation √(2/((1 + slope²)·fan_in))",
        |n| Initializer::KaimingNormal { slope: n[0] },
    ),
    entry("orthogonal", &[GAIN], "orthonormal rows or columns, times gain", |n| Initializer::Orthogonal {
        gain: n[0],
    }),
];

/// `fan_in(size)` takes a size, which may be a symbol; the others take numbers.
static FAN_IN: &[Parameter] = &[Parameter { name: "size", kind: Kind::Dim, default: None }];

/// The names of all initialisers.
pub fn initializer_names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name).chain(["fan_in"])
}

/// How an initialiser is called: `normal(mean: 0.0, deviation: 1.0)`; empty for an unknown name.
pub fn initializer_signature(name: &str) -> String {
    if name == "fan_in" {
        return signature_of(name, FAN_IN);
    }
    let entry = TABLE.iter().find(|entry| entry.name == name);
    entry.map(|entry| signature_of(entry.name, entry.parameters)).unwrap_or_default()
}

/// What an initialiser draws, in a line; empty for an unknown name.
pub fn initializer_about(name: &str) -> &'static str {
    if name == "fan_in" {
        return "uniform within ±1/√size: what `linear` starts with, `size` being that of the last axis of x";
    }
    TABLE.iter().find(|entry| entry.name == name).map_or("", |entry| entry.about)
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("no initialiser is called `{name}`"));
    if let Some(near) = likely(name, initializer_names()) {
        return error.help(format!("did you mean `{near}`?"));
    }
    let known: Vec<String> = initializer_names().map(|name| format!("`{name}`")).collect();
    error.help(format!("there are {}", known.join(", ")))
}

/// The initialiser `name` of these arguments.
///
/// # Errors
/// An unknown name, arguments that it does not take, numbers that make no distribution.
pub fn initializer(
    builder: &Builder,
    name: &str,
    positional: Vec<Argument>,
    named: Vec<(&str, Argument)>,
) -> Result<Initializer, Error> {
    if name == "fan_in" {
        let slots = place(name, FAN_IN, positional, named)?;
        let argument = convert(builder, name, &FAN_IN[0], slots.concat().remove(0))?;
        return Ok(if let Argument::Dim(size) = argument {
            Initializer::FanIn(size)
        } else {
            Initializer::Zeros
        });
    }
    let Some(entry) = TABLE.iter().find(|entry| entry.name == name) else {
        return Err(unknown(name));
    };
    let slots = place(name, entry.parameters, positional, named)?;
    let mut numbers = Vec::new();
    let mut known = true;
    for (parameter, slot) in entry.parameters.iter().zip(slots) {
        let given = slot.into_iter().next();
        known &= !matches!(given, Some(Argument::Unknown));
        let converted = given.map(|argument| convert(builder, name, parameter, argument)).transpose()?;
        numbers.push(match (converted, parameter.default) {
            (Some(Argument::Number(number)), _) | (None, Some(Default::Number(number))) => number,
            _ => 0.0,
        });
    }
    if !known {
        return Ok(Initializer::Zeros);
    }
    let initializer = (entry.make)(&numbers);
    initializer.check()?;
    Ok(initializer)
}
