//! Activations and dropout.
//!
//! Must hold: value and gradient are finite for every finite operand and keep their bits in the tails. A branch that
//! is not taken may be infinite: gradients leave it out.
//!
//! How exact values and gradients are over all finite f32, in units of the last place (`codegen/tests/activations.rs`):
//!
//! | activation | value | gradient |
//! |---|---|---|
//! | [`relu`], [`leaky_relu`] | 1 | 1 |
//! | [`elu`] | 2 | 2 |
//! | [`gelu`] | 8 | 8; 2.5·10⁻⁷ in −1.5..0, where it goes through 0 |
//! | [`gelu_tanh`] | 5; below 0 also 2⁻²² of the exponent | 20; the same, and 2.5·10⁻⁷ as gelu |
//! | [`silu`] | 4 | 10; 2.5·10⁻⁷ in −2.5..0, where it goes through 0 |
//! | [`sigmoid`] | 3.5 | 5; 2⁻²³ above 0: 1 − p has no bits of its own where p is near 1 |
//! | `tanh` | 3 | 2⁻²², for the same reason |
//! | `softplus` | 3 | 3.5 |
//!
//! A product x·p whose p is below 2⁻¹²⁶ may be off by \|x\|·2⁻¹⁴⁹ beside that: that is where p ends.

use crate::builder::{Mode, Value};
use crate::value::{
    Over, add, exp, expm1, less_equal, log, logistic, minimum, multiply, normal_cdf, reduce, require_float,
    select, spoken, square, stop_gradient, subtract,
};
use downhill_graph::error::Error;
use downhill_graph::graph::NodeId;
use downhill_graph::op::{Binary, Compare, Op, Reduction, Unary};
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Literal, Shape};
use std::borrow::Borrow;
use std::f64::consts::PI;

/// max(x, 0). Its derivative at 0 is 0; NaN passes.
pub fn relu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    select(less_equal(x, 0.0), 0.0, x)
}

/// x, or `slope`·x where x ≤ 0.
pub fn leaky_relu(x: impl Borrow<Value>, slope: f64) -> Value {
    let x = x.borrow();
    match check("`leaky_relu` with a slope", slope, Allowed::Finite) {
        Ok(()) => select(less_equal(x, 0.0), multiply(x, slope), x),
        Err(error) => x.builder().fail(error),
    }
}

/// x, or `alpha`·(eˣ − 1) where x ≤ 0.
pub fn elu(x: impl Borrow<Value>, alpha: f64) -> Value {
    let x = x.borrow();
    if let Err(error) = check("`elu` with an alpha", alpha, Allowed::Finite) {
        return x.builder().fail(error);
    }
    select(less_equal(x, 0.0), multiply(expm1(x), alpha), x)
}

/// x·Φ(x), Φ being the share of a standard normal distribution below x.
pub fn gelu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    multiply(x, normal_cdf(x))
}

/// x·Φ(x) with Φ approximated by ½ + ½·tanh(√(2/π)·(x + 0.044715·x³)).
///
/// That is the logistic function of twice the argument, which keeps its bits in the tail, where the sum cancels.
pub fn gelu_tanh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let slope = 2.0 * (2.0 / PI).sqrt();
    // From |x| = 16 on Φ is 0 or 1 whatever the slope, which must stay finite.
    let square = minimum(square(x), 256.0);
    let twice = multiply(x, add(multiply(square, 0.044715 * slope), slope));
    multiply(x, logistic(twice))
}

/// x·sigmoid(x).
pub fn silu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    multiply(x, logistic(x))
}

/// 1/(1 + e⁻ˣ).
pub fn sigmoid(x: impl Borrow<Value>) -> Value {
    logistic(x)
}

/// eˣ/Σeˣ along `axis`.
pub fn softmax(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    if !require_float(x, "softmax") {
        return x.builder().unknown();
    }
    let e = exp(shifted(x, axis));
    let total = reduce(Reduction::Sum, &e, &along(axis));
    e / total
}

/// ln softmax, without overflow.
pub fn log_softmax(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    if !require_float(x, "log_softmax") {
        return x.builder().unknown();
    }
    let s = shifted(x, axis);
    let total = reduce(Reduction::Sum, &exp(&s), &along(axis));
    subtract(s, log(total))
}

/// x less its greatest element along `axis`: the greatest is then 0 and no exponential overflows.
pub(super) fn shifted(x: &Value, axis: i64) -> Value {
    subtract(x, stop_gradient(reduce(Reduction::Max, x, &along(axis))))
}

/// One axis, kept at size 1 so that it broadcasts back.
fn along(axis: i64) -> Over {
    Over { axes: Some(vec![axis]), keep: true }
}

/// The z and axis of which `p` is the [`softmax`], if it is one.
pub(super) fn softmax_operand(p: &Value) -> Option<(Value, i64)> {
    let builder = p.builder();
    let node = p.node()?;
    let rank = p.shape()?.rank();
    // p = e / …, e = exp(z − …): what z would be; then hash-consing tells whether p is its softmax.
    let step = |id: NodeId| builder.with_graph(|graph| graph.operands(id).first().copied());
    let z = builder.value(step(step(step(node)?)?)?);
    let is_exponential = builder.with_graph(|graph| {
        let e = graph.operand(node, 0);
        matches!(graph.op(node), Op::Binary(Binary::Div))
            && matches!(graph.op(e), Op::Unary(Unary::Exp))
            && graph.shape(node) == graph.shape(z.node().unwrap_or(e))
    });
    if !is_exponential {
        return None;
    }
    (0..rank as i64).find(|&axis| softmax(&z, axis).node() == Some(node)).map(|axis| (z, axis))
}

/// While training, zero with probability `rate`, and the rest scaled by 1/(1 − rate); otherwise `x`.
pub fn dropout(x: impl Borrow<Value>, rate: f64) -> Value {
    let x = x.borrow();
    let builder = x.builder();
    if rate != 1.0
        && let Err(error) = check("a dropout rate", rate, Allowed::ZeroToOne)
    {
        return builder.fail(error.help("the rate is the share that is dropped: from 0 to 1"));
    }
    let Some(ty) = x.ty() else { return builder.unknown() };
    if !ty.element.is_float() {
        return builder
            .fail(Error::new(format!("`dropout` needs floats but {} is {ty}", spoken(x, "its operand"))));
    }
    if builder.mode() == Mode::Infer || rate == 0.0 {
        return x.clone();
    }
    if rate == 1.0 {
        return multiply(x, 0.0);
    }
    multiply(select(kept(x, &ty.shape, rate), x, 0.0), 1.0 / (1.0 - rate))
}

/// Mask that holds with probability 1 − rate.
fn kept(x: &Value, shape: &Shape, rate: f64) -> Value {
    let builder = x.builder();
    let stream = builder.random_stream();
    let bits = builder.apply(Op::RandomBits { stream, shape: shape.clone() }, &[]);
    // rate·2³² of the 2³² words fall below the threshold; the cast saturates.
    let threshold = (rate * 4_294_967_296.0).round() as u32;
    let threshold = builder.with_graph(|graph| {
        let scalar = graph.add(Op::Constant(Literal::new(ElementType::U32, f64::from(threshold))), &[]);
        graph.spread(scalar, shape)
    });
    builder.apply(Op::Compare(Compare::GreaterEqual), &[&bits, &builder.value(threshold)])
}

/// −100 where ln p is below it (as PyTorch's losses on probabilities), with a gradient that stays finite.
pub(super) fn clamped_log(p: &Value) -> Value {
    let least = libm::exp(-100.0);
    select(less_equal(p, least), -100.0, log(p))
}
