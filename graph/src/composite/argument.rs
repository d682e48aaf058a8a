//! Calling a composite by name: kinds of parameters, forgiving conversions, clear refusals.
//!
//! In: a name, positional and named arguments. Out: [`Arguments`], one converted value a parameter, handed to the composite.
//!
//! Must hold: what is not known yet (while rustc runs) is [`Argument::Unknown`]. An unknown tensor, size or shape makes the result unknown; an
//! unknown number or flag does not, since no shape hangs on it.

use super::table::TABLE;
use crate::builder::{Builder, Value};
use crate::dim::Dim;
use crate::error::{Error, nearest};
use crate::op::Op;
use crate::random::Initializer;
use crate::types::ElementType;
use crate::value::dim_value;
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

/// A parameter of a composite.
pub struct Parameter {
    /// Its name, for named arguments.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is when not given; without one it must be given.
    pub default: Option<Default>,
}

/// What a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A value; numbers and sizes stand for scalars.
    Tensor,
    /// All remaining positional values, one or more.
    Tensors,
    /// A size.
    Dim,
    /// A number known when the network is built.
    Number,
    /// `true` or `false`.
    Bool,
    /// A whole number, such as an axis (negative ones count from the end).
    Integer,
    /// One axis or a list of axes. It may be named `axis` or `axes`.
    Axes,
    /// A list of sizes.
    Shape,
    /// How a parameter starts: `normal(0.0, 1.0)`.
    Initializer,
}

/// What a parameter is when not given.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Default {
    /// This number.
    Number(f64),
    /// This flag.
    Bool(bool),
    /// This whole number.
    Integer(i64),
    /// What the composite chooses, in words.
    Unset(&'static str),
}

/// What a declaration hands to a composite.
#[derive(Clone)]
pub enum Argument {
    /// A value of the graph.
    Value(Value),
    /// A size.
    Dim(Dim),
    /// A number.
    Number(f64),
    /// A flag.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A list of sizes or axes.
    Shape(Vec<Dim>),
    /// How a parameter starts.
    Initializer(Initializer),
    /// Something of which nothing is known yet.
    Unknown,
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
    match nearest(name, known) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("call a function of your own by its path: `my_crate::f(x)`"),
    }
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
            return Err(Error::new(format!("`{name}` takes {} but is given {given}", counted(most))).help(usage()));
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
    let missing = parameters.iter().zip(&slots).find(|(parameter, slot)| parameter.default.is_none() && slot.is_empty());
    match missing {
        Some((parameter, _)) => Err(Error::new(format!("`{name}` misses `{}`", parameter.name)).help(usage())),
        None => Ok(slots),
    }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 argument".into() } else { format!("{number} arguments") }
}

impl Parameter {
    fn answers_to(&self, word: &str) -> bool {
        self.name == word || self.kind == Kind::Axes && matches!(word, "axis" | "axes")
    }
}

/// `argument` as what the parameter takes.
pub(super) fn convert(
    builder: &Builder,
    composite: &str,
    parameter: &Parameter,
    argument: Argument,
) -> Result<Argument, Error> {
    let converted = match parameter.kind {
        Kind::Tensor | Kind::Tensors => argument.as_tensor(builder),
        Kind::Dim => argument.as_dim().map(Argument::Dim),
        Kind::Number => argument.as_number(builder).map(Argument::Number),
        Kind::Integer => argument.as_integer(builder).map(Argument::Integer),
        Kind::Bool => if let Argument::Bool(_) = argument { Some(argument.clone()) } else { None },
        Kind::Axes => argument.as_axes(builder).map(Argument::Shape),
        Kind::Shape => if let Argument::Shape(_) = argument { Some(argument.clone()) } else { None },
        Kind::Initializer => if let Argument::Initializer(_) = argument { Some(argument.clone()) } else { None },
    };
    match converted {
        Some(argument) => Ok(argument),
        None if argument.is_unknown(builder, parameter.kind) => Ok(parameter.kind.stand_in()),
        None => Err(Error::new(format!(
            "`{}` of `{composite}` must be {}, but is {}",
            parameter.name,
            parameter.kind.words(),
            argument.words(),
        ))),
    }
}

impl Kind {
    /// What the kind is called in messages.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Tensor | Kind::Tensors => "a value",
            Kind::Dim => "a size",
            Kind::Number => "a number known when the network is built",
            Kind::Bool => "`true` or `false`",
            Kind::Integer => "a whole number",
            Kind::Axes => "an axis or a list of axes",
            Kind::Shape => "a list of sizes such as `[batch, 2]`",
            Kind::Initializer => "an initialiser such as `normal(0.0, 1.0)`",
        }
    }

    /// What stands for an unknown argument: anything where no shape hangs on it.
    fn stand_in(self) -> Argument {
        match self {
            Kind::Number => Argument::Number(0.5),
            Kind::Bool => Argument::Bool(true),
            Kind::Initializer => Argument::Initializer(Initializer::Zeros),
            _ => Argument::Unknown,
        }
    }
}

impl Argument {
    fn words(&self) -> String {
        match self {
            Argument::Value(value) if value.label().starts_with('`') => format!("the value {}", value.label()),
            Argument::Value(_) => "a value".into(),
            Argument::Dim(dim) => format!("the size `{dim}`"),
            Argument::Number(number) => format!("the number `{number}`"),
            Argument::Bool(flag) => format!("`{flag}`"),
            Argument::Integer(number) => format!("the number `{number}`"),
            Argument::Shape(_) => "a list".into(),
            Argument::Initializer(_) => "an initialiser".into(),
            Argument::Unknown => "not known".into(),
        }
    }

    fn is_unknown(&self, builder: &Builder, kind: Kind) -> bool {
        match self {
            Argument::Unknown => true,
            Argument::Value(value) => value.node().is_none(),
            // A size that is a number only later, where a number is wanted.
            Argument::Dim(dim) => kind != Kind::Shape && kind != Kind::Initializer && bound(builder, dim).is_none(),
            Argument::Shape(dims) => kind == Kind::Axes && dims.iter().any(|dim| bound(builder, dim).is_none()),
            _ => false,
        }
    }

    fn into_value(self) -> Option<Value> {
        if let Argument::Value(value) = self { Some(value) } else { None }
    }

    fn as_tensor(&self, builder: &Builder) -> Option<Argument> {
        match self {
            Argument::Value(_) => Some(self.clone()),
            Argument::Number(number) => Some(Argument::Value(builder.constant(*number))),
            Argument::Integer(number) => Some(Argument::Value(builder.constant(*number as f64))),
            Argument::Dim(dim) => Some(Argument::Value(dim_value(builder, dim))),
            Argument::Unknown => Some(Argument::Value(builder.unknown())),
            Argument::Bool(_) | Argument::Shape(_) | Argument::Initializer(_) => None,
        }
    }

    fn as_dim(&self) -> Option<Dim> {
        match self {
            Argument::Dim(dim) => Some(dim.clone()),
            Argument::Integer(number) => Some(Dim::from(*number)),
            Argument::Number(number) => whole(*number).map(Dim::from),
            Argument::Value(value) => literal(value).and_then(whole).map(Dim::from),
            _ => None,
        }
    }

    fn as_number(&self, builder: &Builder) -> Option<f64> {
        match self {
            Argument::Number(number) => Some(*number),
            Argument::Integer(number) => Some(*number as f64),
            Argument::Dim(dim) => bound(builder, dim).map(|number| number as f64),
            Argument::Value(value) => literal(value),
            _ => None,
        }
    }

    fn as_integer(&self, builder: &Builder) -> Option<i64> {
        self.as_number(builder).and_then(whole)
    }

    fn as_axes(&self, builder: &Builder) -> Option<Vec<Dim>> {
        match self {
            Argument::Shape(dims) => dims.iter().map(|dim| bound(builder, dim).map(Dim::from)).collect(),
            _ => self.as_integer(builder).map(|axis| vec![Dim::from(axis)]),
        }
    }
}

/// The number a size is, by itself or by the arguments of the network.
fn bound(builder: &Builder, dim: &Dim) -> Option<i64> {
    builder.with_graph(|graph| dim.evaluate(&graph.bindings))
}

/// The number a value is, when it is a literal.
fn literal(value: &Value) -> Option<f64> {
    let node = value.node()?;
    value.builder().with_graph(|graph| match graph.op(node) {
        Op::Constant(literal) if literal.element != ElementType::Bool => Some(literal.value()),
        _ => None,
    })
}

fn whole(number: f64) -> Option<i64> {
    // 2^53: beyond it not every whole number is an f64.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

impl Arguments {
    fn get(&self, name: &str) -> (&'static Parameter, Option<&Argument>) {
        match self.composite.parameters.iter().position(|parameter| parameter.name == name) {
            Some(position) => (&self.composite.parameters[position], self.values[position].as_ref()),
            None => crate::graph::bug(&format!("`{}` has no parameter `{name}`", self.composite.name)),
        }
    }

    /// The value given for a [`Kind::Tensor`].
    pub(super) fn tensor(&self, name: &str) -> &Value {
        match self.get(name).1 {
            Some(Argument::Value(value)) => value,
            _ => crate::graph::bug(&format!("`{name}` of `{}` is no tensor", self.composite.name)),
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

macro_rules! from {
    ($($from:ty => $variant:ident;)*) => {
        $(impl From<$from> for Argument {
            fn from(value: $from) -> Argument {
                Argument::$variant(value.into())
            }
        })*
    };
}

from! {
    Value => Value;
    Dim => Dim;
    &Dim => Dim;
    f64 => Number;
    f32 => Number;
    bool => Bool;
    i32 => Integer;
    i64 => Integer;
    u32 => Integer;
    Vec<Dim> => Shape;
    Initializer => Initializer;
}

impl From<&Value> for Argument {
    fn from(value: &Value) -> Argument {
        Argument::Value(value.clone())
    }
}

impl From<usize> for Argument {
    fn from(value: usize) -> Argument {
        Argument::Dim(Dim::from(value))
    }
}
