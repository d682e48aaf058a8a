//! What declarations hand over, and what is taken: kinds of parameters, and arguments as each of them.
//!
//! Must hold: what is not known yet (while rustc runs) is [`Argument::Unknown`].

use crate::builder::{Builder, Value};
use downhill_graph::dim::Dim;
use downhill_graph::op::Op;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use std::sync::Arc;

/// A parameter of what can be called.
#[derive(Clone, Copy)]
pub struct Parameter<'a> {
    /// Its name, for named arguments.
    pub name: &'a str,
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
    /// One size or a list of sizes.
    Sizes,
    /// [`Kind::Sizes`], or the word `same`.
    Padding,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An equation of axes in quotes: `"ij,jk->ik"`.
    Equation,
    /// How a parameter starts: `normal(0.0, 1.0)`.
    Initializer,
    /// Whatever is given: what a layer of the user's own makes of it shows later.
    Any,
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
    /// This word.
    Word(&'static str),
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
    /// A word that a parameter knows, such as `same` of `padding`.
    Word(&'static str),
    /// Text in quotes.
    Text(Arc<str>),
    /// Several values together.
    Several(Several),
    /// Something of which nothing is known yet.
    Unknown,
}

/// Values that come together, as a recurrence gives its outputs and its last state.
#[derive(Clone)]
pub struct Several {
    /// The values.
    pub values: Vec<Value>,
    /// How many of the first ones may stand for all: of one, it is the value where one is wanted.
    pub least: usize,
}

impl Several {
    /// The value where one is wanted; `None` where that would leave out what counts.
    pub fn alone(&self) -> Option<&Value> {
        self.values.first().filter(|_| self.least == 1)
    }
}

impl Parameter<'_> {
    /// Whether a named argument `word` is this one.
    pub fn answers_to(&self, word: &str) -> bool {
        self.name == word || self.kind == Kind::Axes && matches!(word, "axis" | "axes")
    }
}

impl Default {
    /// As the argument that it stands for.
    pub(super) fn argument(self) -> Option<Argument> {
        match self {
            Default::Number(number) => Some(Argument::Number(number)),
            Default::Bool(flag) => Some(Argument::Bool(flag)),
            Default::Integer(number) => Some(Argument::Integer(number)),
            Default::Word(word) => Some(Argument::Word(word)),
            Default::Unset(_) => None,
        }
    }
}

impl Kind {
    /// The words that are taken, where nothing else is called so.
    pub fn vocabulary(self) -> &'static [&'static str] {
        match self {
            Kind::Padding => &["same"],
            Kind::Word(words) => words,
            _ => &[],
        }
    }

    /// What the kind is called in messages.
    pub fn words(self) -> String {
        let words = match self {
            Kind::Equation => "an equation of axes in quotes, such as `\"ij,jk->ik\"`",
            Kind::Tensor | Kind::Tensors => "a value",
            Kind::Dim => "a size",
            Kind::Number => "a number known when the network is built",
            Kind::Bool => "`true` or `false`",
            Kind::Integer => "a whole number",
            Kind::Axes => "an axis or a list of axes",
            Kind::Shape => "a list of sizes such as `[batch, 2]`",
            Kind::Sizes => "a size or a list of sizes",
            Kind::Padding => "a size, a list of sizes or `same`",
            Kind::Word(words) => return alternatives(words),
            Kind::Initializer => "an initialiser such as `normal(0.0, 1.0)`",
            Kind::Any => "anything",
        };
        words.into()
    }

    /// The placeholder for an unknown argument: any value will do where no shape depends on it.
    pub(super) fn stand_in(self) -> Argument {
        match self {
            Kind::Number => Argument::Number(0.5),
            Kind::Bool => Argument::Bool(true),
            Kind::Initializer => Argument::Initializer(Initializer::Zeros),
            _ => Argument::Unknown,
        }
    }
}

/// `` `mean`, `sum` or `none` ``.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

impl Argument {
    /// What messages call it.
    pub(crate) fn words(&self) -> String {
        match self {
            Argument::Value(value) if value.label().starts_with('`') => {
                format!("the value {}", value.label())
            }
            Argument::Value(_) => "a value".into(),
            Argument::Dim(dim) => format!("the size `{dim}`"),
            Argument::Number(number) => format!("the number `{number}`"),
            Argument::Bool(flag) => format!("`{flag}`"),
            Argument::Integer(number) => format!("the number `{number}`"),
            Argument::Shape(_) => "a list".into(),
            Argument::Initializer(_) => "an initialiser".into(),
            Argument::Word(word) => format!("`{word}`"),
            Argument::Text(text) => format!("the text `\"{text}\"`"),
            Argument::Several(several) => format!("{} values together", several.values.len()),
            Argument::Unknown => "not known".into(),
        }
    }

    pub(super) fn is_unknown(&self, builder: &Builder, kind: Kind) -> bool {
        match self {
            Argument::Unknown => true,
            Argument::Value(value) => value.node().is_none(),
            // A size that is a number only later, where a number is wanted.
            Argument::Dim(dim) => {
                let takes_numbers = !matches!(
                    kind,
                    Kind::Shape | Kind::Initializer | Kind::Bool | Kind::Word(_) | Kind::Equation
                );
                takes_numbers && bound(builder, dim).is_none()
            }
            Argument::Shape(dims) => {
                kind == Kind::Axes && dims.iter().any(|dim| bound(builder, dim).is_none())
            }
            _ => false,
        }
    }

    pub(super) fn as_tensor(&self, builder: &Builder) -> Option<Argument> {
        match self {
            Argument::Value(_) => Some(self.clone()),
            Argument::Number(number) => Some(Argument::Value(builder.constant(*number))),
            Argument::Integer(number) => Some(Argument::Value(builder.constant(*number as f64))),
            Argument::Dim(dim) => Some(Argument::Value(builder.dim_value(dim))),
            Argument::Unknown => Some(Argument::Value(builder.unknown())),
            Argument::Bool(flag) => Some(Argument::Value(builder.flag(*flag))),
            Argument::Several(several) => several.alone().cloned().map(Argument::Value),
            Argument::Shape(_) | Argument::Initializer(_) | Argument::Word(_) | Argument::Text(_) => None,
        }
    }

    pub(super) fn as_dim(&self) -> Option<Dim> {
        match self {
            Argument::Dim(dim) => Some(dim.clone()),
            Argument::Integer(number) => Some(Dim::from(*number)),
            Argument::Number(number) => whole(*number).map(Dim::from),
            Argument::Value(value) => literal(value).and_then(whole).map(Dim::from),
            _ => None,
        }
    }

    pub(super) fn as_number(&self, builder: &Builder) -> Option<f64> {
        match self {
            Argument::Number(number) => Some(*number),
            Argument::Integer(number) => Some(*number as f64),
            Argument::Dim(dim) => bound(builder, dim).map(|number| number as f64),
            Argument::Value(value) => literal(value),
            _ => None,
        }
    }

    pub(super) fn as_integer(&self, builder: &Builder) -> Option<i64> {
        self.as_number(builder).and_then(whole)
    }

    pub(super) fn as_axes(&self, builder: &Builder) -> Option<Vec<Dim>> {
        match self {
            Argument::Shape(dims) => dims.iter().map(|dim| bound(builder, dim).map(Dim::from)).collect(),
            _ => self.as_integer(builder).map(|axis| vec![Dim::from(axis)]),
        }
    }
}

/// The number a size is, by itself or by the arguments of the network.
pub(crate) fn bound(builder: &Builder, dim: &Dim) -> Option<i64> {
    builder.with_graph(|graph| dim.evaluate(&graph.bindings)).ok()
}

/// The number a value is, when it is a literal.
fn literal(value: &Value) -> Option<f64> {
    let node = value.node()?;
    value.builder().with_graph(|graph| {
        let Op::Constant(literal) = graph.op(node) else { return None };
        (literal.element != ElementType::Bool).then(|| literal.value())
    })
}

fn whole(number: f64) -> Option<i64> {
    // 2^53: beyond it not every whole number is an f64.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
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
    Several => Several;
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

impl From<&str> for Argument {
    fn from(text: &str) -> Argument {
        Argument::Text(text.into())
    }
}

impl From<&Value> for Argument {
    fn from(value: &Value) -> Argument {
        Argument::Value(value.clone())
    }
}

impl From<&[usize]> for Argument {
    fn from(sizes: &[usize]) -> Argument {
        Argument::Shape(sizes.iter().map(|&size| Dim::from(size)).collect())
    }
}

impl From<&Vec<usize>> for Argument {
    fn from(sizes: &Vec<usize>) -> Argument {
        Argument::from(sizes.as_slice())
    }
}

impl From<Vec<usize>> for Argument {
    fn from(sizes: Vec<usize>) -> Argument {
        Argument::from(sizes.as_slice())
    }
}

impl From<usize> for Argument {
    fn from(value: usize) -> Argument {
        Argument::Dim(Dim::from(value))
    }
}

/// What Rust gives to a declaration: the value of a function that is called by its path, or of `{ … }`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a network computes with",
    label = "neither a `Value` nor a number",
    note = "a Rust function gives a `Value`; `{{ … }}` gives a `Value`, an integer, a float, a `bool` or a `Vec<usize>`"
)]
pub trait OfRust {
    /// As an argument.
    fn argument(self) -> Argument;
}

macro_rules! of_rust {
    ($($type:ty),* $(,)?) => {
        $(impl OfRust for $type {
            fn argument(self) -> Argument {
                self.into()
            }
        })*
    };
}

/// How a parameter starts: with the elements of the tensor.
impl OfRust for &Tensor {
    fn argument(self) -> Argument {
        let values = self.to_f64_vec().into();
        Argument::Initializer(Initializer::Values { shape: self.shape().to_vec(), values })
    }
}

impl OfRust for Tensor {
    fn argument(self) -> Argument {
        (&self).argument()
    }
}

// One by one: of all that can be made into an argument rustc would name the conversion that is missing.
of_rust!(
    Argument,
    Value,
    &Value,
    Several,
    Dim,
    &Dim,
    f64,
    f32,
    bool,
    i32,
    i64,
    u32,
    usize,
    Vec<Dim>,
    Vec<usize>,
    &Vec<usize>,
    &[usize],
    &str,
    Initializer,
);
