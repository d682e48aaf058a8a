//! Initialisers by name: how `param a: [n, units] = normal(0.0, 1.0)` says how it starts.
//!
//! In: a name and arguments, as a declaration writes them. Out: an [`Initializer`], or mistakes.

use crate::builder::Builder;
use crate::call::{
    Argument, Arguments, Default, Head, Kind, Mistake, Parameter, given, judge_given, mended, optional,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::bug;
use downhill_graph::random::{Fan, Initializer};

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
const DEVIATION: Parameter<'static> = number("deviation", Some(Default::Number(1.0)));
const MEAN: Parameter<'static> = number("mean", Some(Default::Number(0.0)));
const MODE: Parameter<'static> =
    optional("mode", Kind::Word(&["fan_in", "fan_out"]), Default::Word("fan_in"));

const FOLLOWED_BY: Kind = Kind::Word(&["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]);
const AFTER_XAVIER: Parameter<'static> = optional("nonlinearity", FOLLOWED_BY, Default::Word("linear"));
const AFTER_KAIMING: Parameter<'static> = optional("nonlinearity", FOLLOWED_BY, Default::Word("leaky_relu"));

/// What keeps the size of signals from layer to layer where this nonlinearity follows: PyTorch's `calculate_gain`.
fn gain_before(nonlinearity: Option<&str>, slope: f64) -> f64 {
    match nonlinearity {
        Some("tanh") => 5.0 / 3.0,
        Some("relu") => std::f64::consts::SQRT_2,
        Some("leaky_relu") => (2.0 / (1.0 + slope * slope)).sqrt(),
        Some("selu") => 0.75,
        _ => 1.0,
    }
}

/// Of all but `linear` the gain is that of the nonlinearity, times the one that is given.
fn xavier_gain(given: &Arguments<'_>) -> f64 {
    // PyTorch's slope of a leaky rectifier that is not given.
    given.number("gain") * gain_before(given.word("nonlinearity"), 0.01)
}

fn kaiming(given: &Arguments<'_>, is_normal: bool) -> Initializer {
    let (slope, nonlinearity) = (given.number("slope"), given.word("nonlinearity"));
    match (given.word("mode"), nonlinearity, is_normal) {
        (Some("fan_in"), Some("leaky_relu"), true) => Initializer::KaimingNormal { slope },
        (Some("fan_in"), Some("leaky_relu"), false) => Initializer::KaimingUniform { slope },
        (mode, ..) => {
            let fan = if mode == Some("fan_out") { Fan::Out } else { Fan::In };
            Initializer::Scaled { gain: gain_before(nonlinearity, slope), fan, is_normal }
        }
    }
}

/// SIREN's: within ±1/fan_in for the layer that sees the inputs, else within ±√(6/fan_in)/omega.
fn siren(given: &Arguments<'_>) -> Initializer {
    let (gain, fan) = if given.flag("first") {
        (3f64.sqrt().recip(), Fan::InSquared)
    } else {
        (std::f64::consts::SQRT_2 / given.number("omega"), Fan::In)
    };
    Initializer::Scaled { gain, fan, is_normal: false }
}

const fn entry(
    name: &'static str,
    parameters: &'static [Parameter<'static>],
    about: &'static str,
    make: fn(&Arguments<'_>) -> Initializer,
) -> NamedInitializer {
    NamedInitializer { name, parameters, about, make }
}

const XAVIER: &[Parameter<'static>] = &[GAIN, AFTER_XAVIER];
const KAIMING: &[Parameter<'static>] = &[SLOPE, MODE, AFTER_KAIMING];
const LECUN_UNIFORM: Initializer = Initializer::Scaled { gain: 1.0, fan: Fan::In, is_normal: false };

static TABLE: &[NamedInitializer] = &[
    entry("zeros", &[], "0", |_| Initializer::Zeros),
    entry("ones", &[], "1", |_| Initializer::Ones),
    entry("constant", &[number("value", None)], "this value", |given| {
        Initializer::Constant(given.number("value"))
    }),
    entry("uniform", &[number("low", None), number("high", None)], "uniform in low..high", |given| {
        Initializer::Uniform { low: given.number("low"), high: given.number("high") }
    }),
    entry("normal", &[MEAN, DEVIATION], "normal", |given| Initializer::Normal {
        mean: given.number("mean"),
        deviation: given.number("deviation"),
    }),
    entry(
        "truncated_normal",
        &[
            MEAN,
            DEVIATION,
            number("low", Some(Default::Number(-2.0))),
            number("high", Some(Default::Number(2.0))),
        ],
        "normal, of which only what lies in low..high is drawn",
        |given| {
            let [mean, deviation, low, high] =
                ["mean", "deviation", "low", "high"].map(|name| given.number(name));
            Initializer::TruncatedNormal { mean, deviation, low, high }
        },
    ),
    entry("xavier", XAVIER, "as `xavier_uniform`", |given| Initializer::XavierUniform {
        gain: xavier_gain(given),
    }),
    entry(
        "xavier_uniform",
        XAVIER,
        "Xavier/Glorot: uniform within ±gain·√(6/(fan_in + fan_out))",
        |given| Initializer::XavierUniform { gain: xavier_gain(given) },
    ),
    entry(
        "xavier_normal",
        XAVIER,
        "Xavier/Glorot: normal with deviation gain·√(2/(fan_in + fan_out))",
        |given| Initializer::XavierNormal { gain: xavier_gain(given) },
    ),
    entry("kaiming", KAIMING, "as `kaiming_uniform`", |given| kaiming(given, false)),
    entry(
        "kaiming_uniform",
        KAIMING,
        "Kaiming/He: uniform within ±gain·√(3/fan), gain² being 2/(1 + slope²)",
        |given| kaiming(given, false),
    ),
    entry(
        "kaiming_normal",
        KAIMING,
        "Kaiming/He: normal with deviation gain/√fan, gain² being 2/(1 + slope²)",
        |given| kaiming(given, true),
    ),
    entry("lecun", &[], "as `lecun_uniform`", |_| LECUN_UNIFORM),
    entry("lecun_uniform", &[], "LeCun: uniform within ±√(3/fan_in)", |_| LECUN_UNIFORM),
    entry("lecun_normal", &[], "LeCun: normal with deviation 1/√fan_in", |_| Initializer::Scaled {
        gain: 1.0,
        fan: Fan::In,
        is_normal: true,
    }),
    entry(
        "siren",
        &[number("omega", Some(Default::Number(30.0))), optional("first", Kind::Bool, Default::Bool(false))],
        "what `sine` follows: uniform within ±√(6/fan_in)/omega, of the first layer ±1/fan_in",
        siren,
    ),
    entry("identity", &[], "the identity of [in, out]", |_| Initializer::Identity),
    entry(
        "dirac",
        &[optional("groups", Kind::Dim, Default::Integer(1))],
        "a convolution that hands its channels on",
        |given| Initializer::Dirac { groups: given.dim("groups").cloned().unwrap_or(Dim::from(1)) },
    ),
    entry(
        "sparse",
        &[number("sparsity", None), number("deviation", Some(Default::Number(0.01)))],
        "normal, with a share of the outputs of each input 0",
        |given| Initializer::Sparse {
            sparsity: given.number("sparsity"),
            deviation: given.number("deviation"),
        },
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
    entry(
        "values",
        &[given("of", Kind::Initializer)],
        "the elements of a tensor of the same shape: `values({ table })`",
        |given| given.initializer("of").unwrap_or(Initializer::Zeros),
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
    if name == "full" {
        return error.help("the shape stands before it: `param b: [8] = constant(0.1);`");
    }
    mended(error, name, initializers().map(|known| known.name)).unwrap_or_else(|error| {
        let known: Vec<String> = initializers().map(|known| format!("`{}`", known.name)).collect();
        error.note(format!("there are {}", known.join(", "))).help(
            "the usual ones are `xavier_uniform()` and `kaiming_uniform()` for weights, `zeros()` for biases, `normal(0.0, 0.02)` for tables",
        )
    })
}
