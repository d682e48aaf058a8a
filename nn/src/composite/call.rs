//! Calling a composite by name.
//!
//! In: a name, positional and named arguments. Out: [`Arguments`], one converted value a parameter, handed to the composite; clear
//! refusals.
//!
//! Must hold: an unknown tensor, size or shape makes the result unknown; an unknown number or flag does not, since no shape hangs on it.

use super::argument::{Argument, Default, Kind, Parameter, convert};
use super::table::TABLE;
use crate::builder::{Builder, Value};
use downhill_graph::dim::Dim;
use downhill_graph::error::{Error, nearest};
use downhill_graph::random::Initializer;
use std::fmt::Write as _;

/// A function that declarations call by name.
pub struct Composite {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter],
    /// What it does, in a line.
    pub about: &'static str,
    pub(super) call: fn(&Builder, &Arguments) -> Value,
}

/// The arguments of one call, one for each parameter, converted to its kind.
pub struct Arguments {
    composite: &'static Composite,
    values: Vec<Option<Argument>>,
    rest: Vec<Value>,
}

/// The composite called `name`.
pub fn find(name: &str) -> Option<&'static Composite> {
    TABLE.iter().find(|composite| composite.name == name)
}

/// The names of all composites.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|composite| composite.name)
}

/// How a composite is called: `linear(x, units, bias: true, init: fan_in)`; empty for an unknown name.
pub fn signature(name: &str) -> String {
    find(name).map(|composite| signature_of(composite.name, composite.parameters)).unwrap_or_default()
}

pub(super) fn signature_of(name: &str, parameters: &[Parameter]) -> String {
    let mut text = format!("{name}(");
    for (position, parameter) in parameters.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{}", parameter.name);
        let _ = match parameter.default {
            None if parameter.kind == Kind::Tensors => write!(text, ", …"),
            None => Ok(()),
            Some(Default::Number(number)) => write!(text, ": {number:?}"),
            Some(Default::Bool(flag)) => write!(text, ": {flag}"),
            Some(Default::Integer(number)) => write!(text, ": {number}"),
            Some(Default::Unset(words)) => write!(text, ": {words}"),
        };
    }
    text + ")"
}

/// Calls the composite `name`. Mistakes are recorded and give the unknown value.
pub fn call(builder: &Builder, name: &str, positional: Vec<Argument>, named: Vec<(&str, Argument)>) -> Value {
    let Some(composite) = find(name) else { return builder.fail(unknown_name(name, names())) };
    match bind(builder, composite, positional, named) {
        Ok(Some(arguments)) => (composite.call)(builder, &arguments),
        Ok(None) => builder.unknown(),
        Err(error) => builder.fail(error),
    }
}

pub(super) fn unknown_name<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::new(format!("nothing is called `{name}` here"));
    match likely(name, known) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("call a function of your own by its path: `my_crate::f(x)`"),
    }
}

/// What other libraries call it, and what it is called here.
const ALIASES: [(&str, &str); 14] = [
    ("average", "mean"),
    ("bce", "binary_cross_entropy"),
    ("cat", "concatenate"),
    ("concat", "concatenate"),
    ("fully_connected", "linear"),
    ("glorot", "xavier_uniform"),
    ("glorot_uniform", "xavier_uniform"),
    ("glorot_normal", "xavier_normal"),
    ("he", "kaiming_uniform"),
    ("he_uniform", "kaiming_uniform"),
    ("he_normal", "kaiming_normal"),
    ("l2", "squared_error"),
    ("mae", "absolute_error"),
    ("swish", "silu"),
];

/// The known name that `wrong` likely means: what another library calls so, or else the [`nearest`].
pub fn likely<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    let meant = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(wrong));
    let meant = meant.and_then(|(_, name)| known.iter().find(|known| *known == name).copied());
    meant.or_else(|| nearest(wrong, known))
}

/// Arguments to parameters; `None` where the result cannot be known yet.
fn bind(
    builder: &Builder,
    composite: &'static Composite,
    positional: Vec<Argument>,
    named: Vec<(&str, Argument)>,
) -> Result<Option<Arguments>, Error> {
    let slots = place(composite.name, composite.parameters, positional, named)?;
    let mut arguments = Arguments { composite, values: Vec::new(), rest: Vec::new() };
    let mut known = true;
    for (parameter, given) in composite.parameters.iter().zip(slots) {
        let mut converted = Vec::new();
        for argument in given {
            let argument = convert(builder, composite.name, parameter, argument)?;
            known &= !matches!(argument, Argument::Unknown);
            converted.push(argument);
        }
        if parameter.kind == Kind::Tensors {
            arguments.rest = converted.into_iter().filter_map(Argument::into_value).collect();
            arguments.values.push(None);
        } else {
            arguments.values.push(converted.pop());
        }
    }
    Ok(known.then_some(arguments))
}

/// The arguments of each parameter: at most one, but for [`Kind::Tensors`].
pub(super) fn place(
    name: &str,
    parameters: &[Parameter],
    positional: Vec<Argument>,
    named: Vec<(&str, Argument)>,
) -> Result<Vec<Vec<Argument>>, Error> {
    let usage = || format!("it is called as `{}`", signature_of(name, parameters));
    let mut slots: Vec<Vec<Argument>> = parameters.iter().map(|_| Vec::new()).collect();
    let variadic = parameters.iter().position(|parameter| parameter.kind == Kind::Tensors);
    let given = positional.len();
    for (position, argument) in positional.into_iter().enumerate() {
        let target = variadic.map_or(position, |variadic| position.min(variadic));
        let Some(slot) = slots.get_mut(target) else {
            let most = parameters.len();
            return Err(
                Error::new(format!("`{name}` takes {} but is given {given}", counted(most))).help(usage())
            );
        };
        slot.push(argument);
    }
    for (word, argument) in named {
        let Some(position) = parameters.iter().position(|parameter| parameter.answers_to(word)) else {
            let near = nearest(word, parameters.iter().map(|parameter| parameter.name));
            let error = Error::new(format!("`{name}` has no argument `{word}`")).note(usage());
            return Err(match near {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            });
        };
        if !slots[position].is_empty() {
            return Err(Error::new(format!("`{word}` of `{name}` is given twice")).help(usage()));
        }
        slots[position].push(argument);
    }
    let missing = parameters
        .iter()
        .zip(&slots)
        .find(|(parameter, slot)| parameter.default.is_none() && slot.is_empty());
    match missing {
        Some((parameter, _)) => {
            Err(Error::new(format!("`{name}` misses `{}`", parameter.name)).help(usage()))
        }
        None => Ok(slots),
    }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 argument".into() } else { format!("{number} arguments") }
}

impl Arguments {
    fn get(&self, name: &str) -> (&'static Parameter, Option<&Argument>) {
        match self.composite.parameters.iter().position(|parameter| parameter.name == name) {
            Some(position) => (&self.composite.parameters[position], self.values[position].as_ref()),
            None => {
                downhill_graph::graph::bug(&format!("`{}` has no parameter `{name}`", self.composite.name))
            }
        }
    }

    /// The value given for a [`Kind::Tensor`].
    pub(super) fn tensor(&self, name: &str) -> &Value {
        match self.get(name).1 {
            Some(Argument::Value(value)) => value,
            _ => downhill_graph::graph::bug(&format!("`{name}` of `{}` is no tensor", self.composite.name)),
        }
    }

    /// The values given for a [`Kind::Tensors`].
    pub(super) fn tensors(&self) -> &[Value] {
        &self.rest
    }

    /// The size given for a [`Kind::Dim`]; `None` when unset.
    pub(super) fn dim(&self, name: &str) -> Option<&Dim> {
        match self.get(name).1 {
            Some(Argument::Dim(dim)) => Some(dim),
            _ => None,
        }
    }

    /// The number given, or the default.
    pub(super) fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            (_, Some(Argument::Number(number))) => *number,
            (Parameter { default: Some(Default::Number(number)), .. }, _) => *number,
            _ => f64::NAN,
        }
    }

    /// The whole number given, or the default.
    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.get(name) {
            (_, Some(Argument::Integer(number))) => *number,
            (Parameter { default: Some(Default::Integer(number)), .. }, _) => *number,
            _ => 0,
        }
    }

    /// The flag given, or the default.
    pub(super) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            (_, Some(Argument::Bool(flag))) => *flag,
            (Parameter { default: Some(Default::Bool(flag)), .. }, _) => *flag,
            _ => false,
        }
    }

    /// The axes given; `None` when unset.
    pub(super) fn axes(&self, name: &str) -> Option<Vec<i64>> {
        match self.get(name).1 {
            Some(Argument::Shape(dims)) => dims.iter().map(Dim::as_constant).collect(),
            _ => None,
        }
    }

    /// The sizes given for a [`Kind::Shape`].
    pub(super) fn shape(&self, name: &str) -> Vec<Dim> {
        match self.get(name).1 {
            Some(Argument::Shape(dims)) => dims.clone(),
            _ => Vec::new(),
        }
    }

    /// The initialiser given; `None` when unset.
    pub(super) fn initializer(&self, name: &str) -> Option<Initializer> {
        match self.get(name).1 {
            Some(Argument::Initializer(initializer)) => Some(initializer.clone()),
            _ => None,
        }
    }
}
