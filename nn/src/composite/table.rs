//! The table of composites: a line or two each.

use super::activation as a;
use super::argument::{Default, Kind, Parameter};
use super::call::{Arguments, Composite};
use super::layer::{self, Linear};
use super::loss;
use crate::builder::{Builder, Value};
use crate::value as v;
use crate::value::Over;
use downhill_graph::op::Reduction;
use downhill_graph::types::ElementType;

const fn given(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, default: None }
}

const fn optional(name: &'static str, kind: Kind, default: Default) -> Parameter {
    Parameter { name, kind, default: Some(default) }
}

const X: Parameter = given("x", Kind::Tensor);
const Y: Parameter = given("y", Kind::Tensor);
const P: Parameter = given("p", Kind::Tensor);
const SHAPE: Parameter = given("shape", Kind::Shape);
const LAST: Parameter = optional("axis", Kind::Integer, Default::Integer(-1));
const KEEP: Parameter = optional("keep", Kind::Bool, Default::Bool(false));
const AXES: Parameter = optional("axes", Kind::Axes, Default::Unset("all"));

const fn entry(
    name: &'static str,
    parameters: &'static [Parameter],
    about: &'static str,
    call: fn(&Builder, &Arguments) -> Value,
) -> Composite {
    Composite { name, parameters, about, call }
}

const LINEAR: &[Parameter] = &[
    X,
    given("units", Kind::Dim),
    optional("bias", Kind::Bool, Default::Bool(true)),
    optional("init", Kind::Initializer, Default::Unset("fan_in")),
];

fn linear(builder: &Builder, arguments: &Arguments) -> Value {
    let Some(units) = arguments.dim("units") else { return builder.unknown() };
    let options = Linear { bias: arguments.flag("bias"), init: arguments.initializer("init") };
    layer::linear(arguments.tensor("x"), units, options)
}

fn positions(builder: &Builder, arguments: &Arguments) -> Value {
    match (arguments.dim("count"), arguments.dim("width")) {
        (Some(count), Some(width)) => layer::positions(builder, count, width),
        _ => builder.unknown(),
    }
}

fn fold(kind: Reduction, arguments: &Arguments) -> Value {
    v::reduce(kind, arguments.tensor("x"), &over(arguments))
}

fn over(arguments: &Arguments) -> Over {
    Over { axes: arguments.axes("axes"), keep: arguments.flag("keep") }
}

fn gelu(_: &Builder, arguments: &Arguments) -> Value {
    let x = arguments.tensor("x");
    if arguments.flag("approximate") { a::gelu_tanh(x) } else { a::gelu(x) }
}

fn transpose(_: &Builder, arguments: &Arguments) -> Value {
    match arguments.axes("axes") {
        Some(order) => v::transpose_by(arguments.tensor("x"), &order),
        None => v::transpose(arguments.tensor("x")),
    }
}

fn slice(_: &Builder, arguments: &Arguments) -> Value {
    let start = arguments.dim("start").cloned().unwrap_or_default();
    let end = arguments.dim("end").cloned();
    v::slice(arguments.tensor("x"), arguments.integer("axis"), start, end, arguments.integer("stride"))
}

fn one_hot(builder: &Builder, arguments: &Arguments) -> Value {
    arguments
        .dim("classes")
        .map_or_else(|| builder.unknown(), |classes| v::one_hot(arguments.tensor("labels"), classes))
}

macro_rules! of_one {
    ($name:literal, $function:path, $about:literal) => {
        entry($name, &[X], $about, |_, given| $function(given.tensor("x")))
    };
}

macro_rules! of_two {
    ($name:literal, $function:path, $about:literal) => {
        entry($name, &[given("a", Kind::Tensor), given("b", Kind::Tensor)], $about, |_, given| {
            $function(given.tensor("a"), given.tensor("b"))
        })
    };
}

macro_rules! loss {
    ($name:literal, $function:path, $about:literal) => {
        entry($name, &[P, Y], $about, |_, given| $function(given.tensor("p"), given.tensor("y")))
    };
}

macro_rules! conversion {
    ($name:literal, $element:ident) => {
        entry($name, &[X], concat!("x as ", $name, " elements"), |_, given| {
            v::convert(given.tensor("x"), ElementType::$element)
        })
    };
}

/// All composites, in the order of a manual.
pub(super) static TABLE: &[Composite] = &[
    // Layers.
    entry("linear", LINEAR, "x @ weight + bias", linear),
    entry("dense", LINEAR, "x @ weight + bias", linear),
    entry(
        "positions",
        &[given("count", Kind::Dim), given("width", Kind::Dim)],
        "a learned vector for each position",
        positions,
    ),
    entry(
        "dropout",
        &[X, optional("rate", Kind::Number, Default::Number(0.5))],
        "zeros at random while training",
        |_, given| a::dropout(given.tensor("x"), given.number("rate")),
    ),
    // Activations.
    of_one!("relu", a::relu, "max(x, 0)"),
    entry(
        "leaky_relu",
        &[X, optional("slope", Kind::Number, Default::Number(0.01))],
        "x, or slope·x where x ≤ 0",
        |_, given| a::leaky_relu(given.tensor("x"), given.number("slope")),
    ),
    entry(
        "elu",
        &[X, optional("alpha", Kind::Number, Default::Number(1.0))],
        "x, or alpha·(eˣ − 1) where x ≤ 0",
        |_, given| a::elu(given.tensor("x"), given.number("alpha")),
    ),
    entry("gelu", &[X, optional("approximate", Kind::Bool, Default::Bool(false))], "x·Φ(x)", gelu),
    of_one!("gelu_tanh", a::gelu_tanh, "x·Φ(x), approximated by tanh"),
    of_one!("silu", a::silu, "x·sigmoid(x)"),
    of_one!("softplus", v::softplus, "ln(1 + eˣ)"),
    of_one!("sigmoid", a::sigmoid, "1/(1 + e⁻ˣ)"),
    of_one!("tanh", v::tanh, "tanh x"),
    entry("softmax", &[X, LAST], "eˣ/Σeˣ along an axis", |_, given| {
        a::softmax(given.tensor("x"), given.integer("axis"))
    }),
    entry("log_softmax", &[X, LAST], "ln softmax along an axis", |_, given| {
        a::log_softmax(given.tensor("x"), given.integer("axis"))
    }),
    // Losses.
    loss!("squared_error", loss::squared_error, "mean of (p − y)²"),
    loss!("mse", loss::squared_error, "mean of (p − y)²"),
    loss!("absolute_error", loss::absolute_error, "mean of |p − y|"),
    loss!("l1", loss::absolute_error, "mean of |p − y|"),
    entry(
        "huber",
        &[P, Y, optional("delta", Kind::Number, Default::Number(1.0))],
        "squared error near 0, absolute beyond delta",
        |_, given| loss::huber(given.tensor("p"), given.tensor("y"), given.number("delta")),
    ),
    loss!("hinge", loss::hinge, "mean of max(0, 1 − y·p), labels ±1"),
    loss!("logistic", loss::logistic_loss, "mean of ln(1 + e^(−y·p)), labels ±1"),
    loss!("logistic_loss", loss::logistic_loss, "mean of ln(1 + e^(−y·p)), labels ±1"),
    loss!(
        "binary_cross_entropy",
        loss::binary_cross_entropy,
        "cross-entropy of probabilities of two classes"
    ),
    loss!("bce_with_logits", loss::bce_with_logits, "cross-entropy of two classes, from logits"),
    loss!(
        "cross_entropy",
        loss::cross_entropy,
        "cross-entropy from logits, with class indices or probabilities"
    ),
    loss!("categorical_cross_entropy", loss::categorical_cross_entropy, "cross-entropy of probabilities"),
    loss!("nll", loss::negative_log_likelihood, "cross-entropy of logarithms of probabilities"),
    of_one!("squares", v::squares, "Σ x²"),
    // Operators.
    of_two!("add", v::add, "a + b"),
    of_two!("subtract", v::subtract, "a − b"),
    of_two!("multiply", v::multiply, "a · b"),
    of_two!("divide", v::divide, "a / b"),
    of_two!("matmul", v::matmul, "a @ b"),
    of_one!("negate", v::negate, "−x"),
    of_two!("equal", v::equal, "a = b"),
    of_two!("not_equal", v::not_equal, "a ≠ b"),
    of_two!("less", v::less, "a < b"),
    of_two!("less_equal", v::less_equal, "a ≤ b"),
    of_two!("greater", v::greater, "a > b"),
    of_two!("greater_equal", v::greater_equal, "a ≥ b"),
    of_two!("and", v::and, "both masks"),
    of_two!("or", v::or, "either mask"),
    of_one!("not", v::not, "the other of a mask"),
    // Functions of each element.
    of_one!("exp", v::exp, "eˣ"),
    of_one!("expm1", v::expm1, "eˣ − 1"),
    of_one!("log", v::log, "ln x"),
    of_one!("log1p", v::log1p, "ln(1 + x)"),
    of_one!("sqrt", v::sqrt, "√x"),
    of_one!("square", v::square, "x²"),
    of_one!("sin", v::sin, "sin x"),
    of_one!("cos", v::cos, "cos x"),
    of_one!("erf", v::erf, "the error function"),
    of_one!("normal_cdf", v::normal_cdf, "Φ(x), the share of a standard normal distribution below x"),
    of_one!("bell", v::bell, "e^(−x²/2)"),
    of_one!("abs", v::abs, "|x|"),
    of_one!("sign", v::sign, "−1, 0 or 1"),
    of_one!("floor", v::floor, "towards −∞"),
    of_one!("is_finite", v::is_finite, "neither NaN nor infinite"),
    of_two!("maximum", v::maximum, "the greater of two"),
    of_two!("minimum", v::minimum, "the lesser of two"),
    of_two!("pow", v::pow, "a to the power b"),
    entry(
        "select",
        &[given("mask", Kind::Tensor), given("a", Kind::Tensor), given("b", Kind::Tensor)],
        "a where the mask holds, else b",
        |_, given| v::select(given.tensor("mask"), given.tensor("a"), given.tensor("b")),
    ),
    conversion!("f32", F32),
    conversion!("f64", F64),
    conversion!("i32", I32),
    conversion!("u32", U32),
    of_one!("stop_gradient", v::stop_gradient, "x, a constant to differentiation"),
    entry("gradient", &[Y, X], "∂(sum of y)/∂x", |_, given| {
        v::gradient(given.tensor("y"), given.tensor("x"))
    }),
    // Reductions.
    entry("sum", &[X, AXES, KEEP], "the sum", |_, given| fold(Reduction::Sum, given)),
    entry("mean", &[X, AXES, KEEP], "the mean", |_, given| v::average(given.tensor("x"), &over(given))),
    entry("max", &[X, AXES, KEEP], "the greatest", |_, given| fold(Reduction::Max, given)),
    entry("min", &[X, AXES, KEEP], "the least", |_, given| fold(Reduction::Min, given)),
    entry("argmax", &[X, LAST], "index of the greatest", |_, given| {
        v::argmax(given.tensor("x"), given.integer("axis"))
    }),
    // Shapes.
    entry("reshape", &[X, SHAPE], "the same elements in another shape", |_, given| {
        v::reshape(given.tensor("x"), given.shape("shape"))
    }),
    of_one!("flatten", v::flatten, "all axes but the first made one"),
    entry("expand", &[X, given("axis", Kind::Integer)], "a new axis of size 1", |_, given| {
        v::expand(given.tensor("x"), given.integer("axis"))
    }),
    entry(
        "transpose",
        &[X, optional("axes", Kind::Axes, Default::Unset("the last two swapped"))],
        "axes in another order",
        transpose,
    ),
    entry("reverse", &[X, LAST], "elements in reverse order along an axis", |_, given| {
        v::reverse(given.tensor("x"), given.integer("axis"))
    }),
    entry(
        "concatenate",
        &[given("x", Kind::Tensors), optional("axis", Kind::Integer, Default::Integer(-1))],
        "one after another along an axis",
        |builder, given| v::concatenate(builder, given.tensors(), given.integer("axis")),
    ),
    entry(
        "slice",
        &[
            X,
            optional("start", Kind::Dim, Default::Integer(0)),
            optional("end", Kind::Dim, Default::Unset("the size")),
            LAST,
            optional("stride", Kind::Integer, Default::Integer(1)),
        ],
        "a range along an axis",
        slice,
    ),
    entry("zeros", &[SHAPE], "a tensor of zeros", |builder, given| v::zeros(builder, given.shape("shape"))),
    entry("ones", &[SHAPE], "a tensor of ones", |builder, given| v::ones(builder, given.shape("shape"))),
    entry("full", &[SHAPE, given("value", Kind::Number)], "a tensor of one value", |builder, given| {
        v::full(builder, given.shape("shape"), given.number("value"))
    }),
    entry(
        "one_hot",
        &[given("labels", Kind::Tensor), given("classes", Kind::Dim)],
        "1 at the label's index, else 0",
        one_hot,
    ),
];
