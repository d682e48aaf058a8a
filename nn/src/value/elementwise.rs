//! Functions of each element: one primitive (or two) apiece.
//!
//! How exact they are. Arithmetic and roots are the f32 that is nearest to the exact result. Where a function says “within n units”, the
//! result of compiled code differs from the exact one by at most n units in the last place, for every finite f32, tiny and huge ones too.
//! It has the same bits on every machine.

use super::align::{coerce, require_float, spoken, stretch_together};
use super::operand::Operand;
use crate::builder::{Builder, Value};
use crate::call::{Composite, Kind, SHAPE, X, given, of_one, of_two, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Binary, Compare, Op, Unary};
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Literal, Shape};
use std::borrow::Borrow;

macro_rules! unary_float {
    ($($(#[$about:meta])* $name:ident = $op:ident;)*) => {
        $($(#[$about])* pub fn $name(x: impl Borrow<Value>) -> Value {
            float_function(stringify!($name), Unary::$op, x.borrow())
        })*
    };
}

unary_float! {
    /// eˣ, within 2 units.
    exp = Exp;
    /// eˣ − 1, accurate near 0: within 2 units.
    expm1 = Expm1;
    /// Natural logarithm, within 2 units.
    log = Log;
    /// ln(1 + x), accurate near 0: within 2 units.
    log1p = Log1p;
    /// √x.
    sqrt = Sqrt;
    /// sin x of x in radians, however large, within 2 units.
    sin = Sin;
    /// cos x of x in radians, however large, within 2 units.
    cos = Cos;
    /// The error function, within 2 units.
    erf = Erf;
    /// Φ(x), the share of a standard normal distribution below x, within 6.5 units: in its tail too, where 1 + erf(x/√2) has none left.
    normal_cdf = NormalCdf;
    /// e^(−x²/2), within 2.5 units.
    bell = Bell;
    /// tanh x, within 3 units.
    tanh = Tanh;
    /// 1/(1 + e⁻ˣ), within 3.5 units.
    logistic = Logistic;
    /// ln(1 + eˣ), without overflow, within 3 units.
    softplus = Softplus;
    /// Rounds towards −∞.
    floor = Floor;
    /// Mask: neither NaN nor infinite.
    is_finite = IsFinite;
}

fn float_function(name: &str, op: Unary, x: &Value) -> Value {
    if require_float(x, name) { x.builder().apply(Op::Unary(op), &[x]) } else { x.builder().unknown() }
}

/// −x.
pub fn negate(x: impl Borrow<Value>) -> Value {
    number_function("-", Unary::Neg, x.borrow())
}

/// |x|.
pub fn abs(x: impl Borrow<Value>) -> Value {
    number_function("abs", Unary::Abs, x.borrow())
}

/// |x|: [`abs`] under its full name.
pub fn absolute(x: impl Borrow<Value>) -> Value {
    abs(x)
}

/// −1, 0 or 1.
pub fn sign(x: impl Borrow<Value>) -> Value {
    number_function("sign", Unary::Sign, x.borrow())
}

fn number_function(name: &str, op: Unary, x: &Value) -> Value {
    if x.ty().is_some_and(|ty| ty.element == ElementType::Bool) {
        return x.builder().fail(mask_refused(name, x));
    }
    x.builder().apply(Op::Unary(op), &[x])
}

fn mask_refused(name: &str, x: &Value) -> Error {
    Error::new(format!("`{name}` needs numbers but {} is a mask", spoken(x, "its operand")))
        .help("convert it: `f32(…)`")
}

/// x².
pub fn square(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    multiply(x, x)
}

/// Logical not of each truth value; bitwise not of integers.
pub fn not(x: impl Borrow<Value>) -> Value {
    x.borrow().builder().apply(Op::Unary(Unary::Not), &[x.borrow()])
}

macro_rules! binary {
    ($($(#[$about:meta])* $name:ident = $op:ident, $sign:literal, $takes:ident;)*) => {
        $($(#[$about])* pub fn $name(a: impl Borrow<Value>, b: impl Operand) -> Value {
            binary($sign, Binary::$op, Takes::$takes, a.borrow(), b)
        })*
    };
}

/// What element types a function of two takes.
enum Takes {
    Numbers,
    Floats,
    Bits,
}

binary! {
    /// a + b.
    add = Add, "+", Numbers;
    /// a − b.
    subtract = Sub, "-", Numbers;
    /// a · b, element by element.
    multiply = Mul, "*", Numbers;
    /// a / b.
    divide = Div, "/", Floats;
    /// aᵇ, within 2.5 units.
    pow = Pow, "pow", Floats;
    /// The greater of the two; NaN where either is.
    maximum = Max, "maximum", Numbers;
    /// The lesser of the two; NaN where either is.
    minimum = Min, "minimum", Numbers;
    /// Both masks (or bits).
    and = And, "and", Bits;
    /// Either mask (or bits).
    or = Or, "or", Bits;
}

fn binary(sign: &str, op: Binary, takes: Takes, a: &Value, b: impl Operand) -> Value {
    let builder = a.builder();
    let b = b.beside(a);
    let Some(pair) = together(a, &b) else { return builder.unknown() };

    let Some(element) = pair[0].ty().map(|ty| ty.element) else { return builder.unknown() };
    match takes {
        Takes::Floats if !require_float(&pair[0], sign) => builder.unknown(),
        Takes::Numbers if element == ElementType::Bool => builder.fail(mask_refused(sign, &pair[0])),
        Takes::Bits if element.is_float() => {
            let error = Error::new(format!(
                "`{sign}` needs masks but {} is {element}",
                spoken(&pair[0], "its operand")
            ));
            builder.fail(error.help("compare it first, as in `x > 0`"))
        }
        _ => builder.apply(Op::Binary(op), &[&pair[0], &pair[1]]),
    }
}

fn together(a: &Value, b: &Value) -> Option<Vec<Value>> {
    let pair = coerce(&[a, b])?;
    stretch_together(&[&pair[0], &pair[1]])
}

macro_rules! comparison {
    ($($(#[$about:meta])* $name:ident = $op:ident;)*) => {
        $($(#[$about])* pub fn $name(a: impl Borrow<Value>, b: impl Operand) -> Value {
            compare(Compare::$op, a.borrow(), b)
        })*
    };
}

comparison! {
    /// Mask of a = b.
    equal = Equal;
    /// Mask of a ≠ b.
    not_equal = NotEqual;
    /// Mask of a < b.
    less = Less;
    /// Mask of a ≤ b.
    less_equal = LessEqual;
    /// Mask of a > b.
    greater = Greater;
    /// Mask of a ≥ b.
    greater_equal = GreaterEqual;
}

fn compare(op: Compare, a: &Value, b: impl Operand) -> Value {
    match together(a, &b.beside(a)) {
        Some(pair) => a.builder().apply(Op::Compare(op), &[&pair[0], &pair[1]]),
        None => a.builder().unknown(),
    }
}

/// `a` where `mask` holds, else `b`.
pub fn select(mask: impl Borrow<Value>, a: impl Operand, b: impl Operand) -> Value {
    let mask = mask.borrow();
    let builder = mask.builder();

    let (a, b) = (a.beside(mask), b.beside(mask));
    if mask.ty().is_some_and(|ty| ty.element != ElementType::Bool) {
        let error =
            Error::new(format!("`select` needs a mask but {} is none", spoken(mask, "its first operand")));
        return builder.fail(error.help("compare it first, as in `select(x > 0, a, b)`"));
    }

    let Some(pair) = coerce(&[&a, &b]) else { return builder.unknown() };
    match stretch_together(&[mask, &pair[0], &pair[1]]) {
        Some(all) => builder.apply(Op::Select, &[&all[0], &all[1], &all[2]]),
        None => builder.unknown(),
    }
}

/// To another element type.
pub fn convert(x: impl Borrow<Value>, element: ElementType) -> Value {
    let x = x.borrow();
    match x.ty() {
        Some(ty) if ty.element == element => x.clone(),
        _ => x.builder().apply(Op::Convert(element), &[x]),
    }
}

/// `x`, as a constant to differentiation.
pub fn stop_gradient(x: impl Borrow<Value>) -> Value {
    x.borrow().builder().apply(Op::StopGradient, &[x.borrow()])
}

/// The value of `value` with the derivative of `derivative`, which is the same function in a form that differentiates better.
pub fn surrogate(value: impl Borrow<Value>, derivative: impl Borrow<Value>) -> Value {
    let (value, derivative) = (value.borrow(), derivative.borrow());
    value.builder().apply(Op::Surrogate, &[value, derivative])
}

/// The number a size stands for, as an f32 scalar; it follows the element type beside it.
pub fn dim_value(builder: &Builder, dim: &Dim) -> Value {
    builder.dim_value(dim)
}

/// A tensor of zeros.
pub fn zeros(builder: &Builder, shape: impl Into<Shape>) -> Value {
    full(builder, shape, 0.0)
}

/// A tensor of ones.
pub fn ones(builder: &Builder, shape: impl Into<Shape>) -> Value {
    full(builder, shape, 1.0)
}

/// A tensor of one f32 value.
pub fn full(builder: &Builder, shape: impl Into<Shape>, value: f64) -> Value {
    let shape = shape.into();
    if let Err(error) = check("`full` with a value", value, Allowed::Finite) {
        return builder.fail(error);
    }
    let node = builder.with_graph(|graph| {
        let scalar = graph.add(Op::Constant(Literal::new(ElementType::F32, value)), &[]);
        graph.spread(scalar, &shape)
    });
    builder.value(node)
}

macro_rules! conversion {
    ($name:literal, $element:ident) => {
        row($name, &[X], concat!("x as ", $name, " elements"), |_, given| {
            convert(given.tensor("x"), ElementType::$element)
        })
    };
}

/// What declarations call operators by.
pub(super) const OPERATORS: &[Composite] = &[
    of_two!("add", add, "a + b"),
    of_two!("subtract", subtract, "a − b"),
    of_two!("multiply", multiply, "a · b"),
    of_two!("divide", divide, "a / b"),
    of_one!("negate", negate, "−x"),
    of_two!("equal", equal, "a = b"),
    of_two!("not_equal", not_equal, "a ≠ b"),
    of_two!("less", less, "a < b"),
    of_two!("less_equal", less_equal, "a ≤ b"),
    of_two!("greater", greater, "a > b"),
    of_two!("greater_equal", greater_equal, "a ≥ b"),
    of_two!("and", and, "both masks"),
    of_two!("or", or, "either mask"),
    of_one!("not", not, "the other of a mask"),
];

/// What declarations call functions of each element by.
pub(super) const FUNCTIONS: &[Composite] = &[
    of_one!("exp", exp, "eˣ"),
    of_one!("expm1", expm1, "eˣ − 1"),
    of_one!("log", log, "ln x"),
    of_one!("log1p", log1p, "ln(1 + x)"),
    of_one!("sqrt", sqrt, "√x"),
    of_one!("square", square, "x²"),
    of_one!("sin", sin, "sin x"),
    of_one!("cos", cos, "cos x"),
    of_one!("erf", erf, "the error function"),
    of_one!("normal_cdf", normal_cdf, "Φ(x), the share of a standard normal distribution below x"),
    of_one!("bell", bell, "e^(−x²/2)"),
    of_one!("abs", abs, "|x|"),
    of_one!("sign", sign, "−1, 0 or 1"),
    of_one!("floor", floor, "towards −∞"),
    of_one!("is_finite", is_finite, "neither NaN nor infinite"),
    of_two!("maximum", maximum, "the greater of two"),
    of_two!("minimum", minimum, "the lesser of two"),
    of_two!("pow", pow, "a to the power b"),
    row(
        "select",
        &[given("mask", Kind::Tensor), given("a", Kind::Tensor), given("b", Kind::Tensor)],
        "a where the mask holds, else b",
        |_, given| select(given.tensor("mask"), given.tensor("a"), given.tensor("b")),
    ),
    conversion!("f32", F32),
    conversion!("f64", F64),
    conversion!("i32", I32),
    conversion!("u32", U32),
    of_one!("stop_gradient", stop_gradient, "x, a constant to differentiation"),
];

/// What declarations call tensors of one value by.
pub(super) const FILLED: &[Composite] = &[
    row("zeros", &[SHAPE], "a tensor of zeros", |builder, given| zeros(builder, given.shape("shape"))),
    row("ones", &[SHAPE], "a tensor of ones", |builder, given| ones(builder, given.shape("shape"))),
    row("full", &[SHAPE, given("value", Kind::Number)], "a tensor of one value", |builder, given| {
        full(builder, given.shape("shape"), given.number("value"))
    }),
];
