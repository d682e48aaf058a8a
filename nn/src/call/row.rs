//! The rows of the table of composites: what each family of functions says of its own.
//!
//! A family's file ends in its `ROWS`; a folder's `mod.rs` gathers those of its families with [`families!`].

use super::argument::{Argument, Default, Kind, Parameter, Several};
use super::judge::{Arguments, Head};
use crate::builder::{Builder, Value};

/// A function that declarations call by name.
pub struct Composite {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter<'static>],
    /// What it does, in a line.
    pub about: &'static str,
    call: Gives,
}

/// What a composite gives.
enum Gives {
    One(fn(&Builder, &Arguments<'_>) -> Value),
    Several(fn(&Builder, &Arguments<'_>) -> Several),
}

impl Composite {
    /// Whether it gives several values.
    pub fn gives_several(&self) -> bool {
        matches!(self.call, Gives::Several(_))
    }

    /// What its arguments are judged by.
    pub fn head(&self) -> Head<'static> {
        Head { name: self.name, parameters: self.parameters }
    }

    /// Its value; the unknown one where a tensor, size or shape is unknown. An unknown number or flag does not matter: no shape depends
    /// on it.
    pub fn apply(&self, builder: &Builder, arguments: &Arguments<'_>) -> Argument {
        let is_unknown = |argument: &Argument| matches!(argument, Argument::Unknown);
        let unknown = arguments.all().any(is_unknown);
        match self.call {
            Gives::One(_) if unknown => Argument::Value(builder.unknown()),
            Gives::Several(_) if unknown => Argument::Unknown,
            Gives::One(call) => Argument::Value(call(builder, arguments)),
            Gives::Several(call) => Argument::Several(call(builder, arguments)),
        }
    }
}

pub(crate) const fn row(
    name: &'static str,
    parameters: &'static [Parameter<'static>],
    about: &'static str,
    call: fn(&Builder, &Arguments<'_>) -> Value,
) -> Composite {
    Composite { name, parameters, about, call: Gives::One(call) }
}

/// The row of a function that gives several values.
pub(crate) const fn row_of_several(
    name: &'static str,
    parameters: &'static [Parameter<'static>],
    about: &'static str,
    call: fn(&Builder, &Arguments<'_>) -> Several,
) -> Composite {
    Composite { name, parameters, about, call: Gives::Several(call) }
}

pub(crate) const fn given(name: &'static str, kind: Kind) -> Parameter<'static> {
    Parameter { name, kind, default: None }
}

pub(crate) const fn optional(name: &'static str, kind: Kind, default: Default) -> Parameter<'static> {
    Parameter { name, kind, default: Some(default) }
}

pub(crate) const X: Parameter<'static> = given("x", Kind::Tensor);
pub(crate) const Y: Parameter<'static> = given("y", Kind::Tensor);
pub(crate) const P: Parameter<'static> = given("p", Kind::Tensor);
pub(crate) const SHAPE: Parameter<'static> = given("shape", Kind::Shape);
pub(crate) const LAST: Parameter<'static> = optional("axis", Kind::Integer, Default::Integer(-1));
pub(crate) const KEEP: Parameter<'static> = optional("keep", Kind::Bool, Default::Bool(false));
pub(crate) const AXES: Parameter<'static> = optional("axes", Kind::Axes, Default::Unset("all"));

/// The row of a function of `x`.
macro_rules! of_one {
    ($name:literal, $function:path, $about:literal) => {
        $crate::call::row($name, &[$crate::call::X], $about, |_, given| $function(given.tensor("x")))
    };
}

/// The row of a function of `a` and `b`.
macro_rules! of_two {
    ($name:literal, $function:path, $about:literal) => {
        $crate::call::row(
            $name,
            &[
                $crate::call::given("a", $crate::call::Kind::Tensor),
                $crate::call::given("b", $crate::call::Kind::Tensor),
            ],
            $about,
            |_, given| $function(given.tensor("a"), given.tensor("b")),
        )
    };
}

/// What a folder's families export: their functions, and the rows of all.
macro_rules! families {
    ($($family:ident),* $(,)?) => {
        $(pub use $family::*;)*

        /// The rows of each family.
        pub(crate) const ROWS: &[&[$crate::call::Composite]] = &[$($family::ROWS),*];
    };
}

pub(crate) use {families, of_one, of_two};
