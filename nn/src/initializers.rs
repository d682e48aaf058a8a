//! Initialisers by name: how `param a: [n, units] = normal(0.0, 1.0)` says how it starts.
//!
//! In: a name and arguments, as a declaration writes them. Out: an [`Initializer`], or mistakes.

use crate::builder::Builder;
use crate::call::{Argument, Arguments, Default, Head, Kind, Mistake, Parameter, given, judge_given, likely};
use downhill_graph::error::Error;
use downhill_graph::graph::bug;
use downhill_graph::random::Initializer;

/// An initialiser that declarations call by name.
pub struct NamedInitializer {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter<'static>],
    /// What it draws, in a line.
    pub about: &'static str,
    make: fn(&Arguments<'_>) -> Initializer,
}

const fn number(name: &'static str, default: Option<Default>) -> Parameter<'static> {
    Parameter { name, kind: Kind::Number, default }
}

const GAIN: Parameter<'static> = number("gain", Some(Default::Number(1.0)));
const SLOPE: Parameter<'static> = number("slope", Some(Default::Number(0.0)));

const fn entry(
    name: &'static str,
    parameters: &'static [Parameter<'static>],
    about: &'static str,
    make: fn(&Arguments<'_>) -> Initializer,
) -> NamedInitializer {
    NamedInitializer { name, parameters, about, make }
}

static TABLE: &[NamedInitializer] = &[
    entry("zeros", &[], "0", |_| Initializer::Zeros),
    entry("ones", &[], "1", |_| Initializer::Ones),
    entry("constant", &[number("value", None)], "this value", |given| {
        Initializer::Constant(given.number("value"))
    }),
    entry("uniform", &[number("low", None), number("high", None)], "uniform in low..high", |given| {
        Initializer::Uniform { low: given.number("low"), high: given.number("high") }
    }),
    entry(
        "normal",
        &[number("mean", Some(Default::Number(0.0))), number("deviation", Some(Default::Number(1.0)))],
        "normal",
        |given| Initializer::Normal { mean: given.number("mean"), deviation: given.number("deviation") },
    ),
    entry("xavier", &[GAIN], "as `xavier_uniform`", |given| Initializer::XavierUniform {
        gain: given.number("gain"),
    }),
    entry(
        "xavier_uniform",
        &[GAIN],
        "Xavier/Glorot: uniform within ±gain·√(6/(fan_in + fan_out))",
        |given| Initializer::XavierUniform { gain: given.number("gain") },
    ),
    entry(
        "xavier_normal",
        &[GAIN],
        "Xavier/Glorot: normal with deviation gain·√(2/(fan_in + fan_out))",
        |given| Initializer::XavierNormal { gain: given.number("gain") },
    ),
    entry("kaiming", &[SLOPE], "as `kaiming_uniform`", |given| Initializer::KaimingUniform {
        slope: given.number("slope"),
    }),
    entry(
        "kaiming_uniform",
        &[SLOPE],
        "Kaiming/He: uniform within ±√(6/((1 + slope²)·fan_in))",
        |given| Initializer::KaimingUniform { slope: given.number("slope") },
    ),
    entry(
        "kaiming_normal",
        &[SLOPE],
        "Kaiming/He: normal with deviation √(2/((1 + slope²)·fan_in))",
        |given| Initializer::KaimingNormal { slope: given.number("slope") },
    ),
    entry("orthogonal", &[GAIN], "orthonormal rows or columns, times gain", |given| {
        Initializer::Orthogonal { gain: given.number("gain") }
    }),
    entry(
        "fan_in",
        &[given("size", Kind::Dim)],
        "uniform within ±1/√size: what `linear` starts with, `size` being that of the last axis of x",
        |given| given.dim("size").cloned().map_or(Initializer::Zeros, Initializer::FanIn),
    ),
];

impl NamedInitializer {
    /// What its arguments are judged by.
    pub fn head(&self) -> Head<'static> {
        Head { name: self.name, parameters: self.parameters }
    }

    /// What it draws from, with these arguments; zeros where they are not known yet.
    ///
    /// # Errors
    /// Numbers that make no distribution.
    pub fn make(&self, arguments: &Arguments<'_>) -> Result<Initializer, Error> {
        if !arguments.certain() {
            return Ok(Initializer::Zeros);
        }
        let initializer = (self.make)(arguments);
        initializer.check()?;
        Ok(initializer)
    }
}

/// All initialisers, in the order of a manual.
pub fn initializers() -> impl Iterator<Item = &'static NamedInitializer> {
    TABLE.iter()
}

/// The initialiser called `name`.
///
/// # Errors
/// An unknown name.
pub fn find_initializer(name: &str) -> Result<&'static NamedInitializer, Error> {
    initializers().find(|known| known.name == name).ok_or_else(|| unknown(name))
}

/// The initialiser `name` of these arguments.
///
/// # Errors
/// An unknown name, arguments that it does not take, numbers that make no distribution; the first of several mistakes.
pub fn initializer(
    builder: &Builder,
    name: &str,
    positional: Vec<Argument>,
    named: Vec<(&str, Argument)>,
) -> Result<Initializer, Error> {
    let initializer = find_initializer(name)?;
    let first = |mistakes: Vec<Mistake>| match mistakes.into_iter().next() {
        Some(mistake) => mistake.error,
        None => bug("a call is refused without a mistake"),
    };
    let arguments = judge_given(builder, initializer.head(), &positional, &named).map_err(first)?;
    initializer.make(&arguments)
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("no initialiser is called `{name}`"));
    if let Some(near) = likely(name, initializers().map(|known| known.name)) {
        return error.help(format!("did you mean `{near}`?"));
    }
    let known: Vec<String> = initializers().map(|known| format!("`{}`", known.name)).collect();
    error.help(format!("there are {}", known.join(", ")))
}
