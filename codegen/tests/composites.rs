//! Functions that are made of several primitives, with their gradients, as compiled code against the interpreter: with sizes that are known and
//! with sizes that come with the call.

mod common;

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::{glu, rrelu, sine, softmin};
use downhill_nn::value::*;

type Function = (&'static str, fn(&Value) -> Value);

fn rows() -> Over {
    Over::axes(&[1])
}

/// Of a value `[5, 6]`.
const FUNCTIONS: &[Function] = &[
    ("variance", |x| variance(x, 1.0, &rows())),
    ("standard_deviation", |x| standard_deviation(x, 1.0, &Over::default())),
    ("norm", |x| norm(x, 2.0, &rows())),
    ("norm, p 3", |x| norm(x, 3.0, &Over::axes(&[0]))),
    ("normalize", |x| normalize(x, 2.0, 1, 1e-12)),
    ("log_sum_exp", |x| log_sum_exp(x, &rows())),
    ("clamp", |x| clamp(x, Some(-0.5), Some(0.5))),
    ("tril", |x| tril(x, 1)),
    ("triu", |x| triu(x, -1)),
    ("diagonal", |x| diagonal(slice(x, 1, 0, Some(Dim::from(5)), 1), 0, [0, 1])),
    ("flip", |x| flip(x, None)),
    ("roll", |x| roll(x, 2, Some(1))),
    ("roll rows", |x| roll(x, -1, Some(0))),
    ("tile", |x| tile(x, &[Dim::from(2), Dim::from(3)])),
    ("repeat", |x| repeat(x, 2, Some(0))),
    ("stack", |x| stack(x.builder(), &[x, x], 1)),
    ("outer", |x| outer(sum_over(x, &[0]), sum_over(x, &[1]))),
    ("einsum", |x| einsum(x.builder(), "ij,kj,kl->il", &[x, x, x])),
    ("einsum of elements", |x| einsum(x.builder(), "ij,ij->j", &[x, x])),
    ("any", |x| select(any(greater(x, 0.9), &rows()), sum_over(x, &[1]), 0.0)),
    ("all", |x| select(all(less(x, 0.9), &rows()), sum_over(x, &[1]), 0.0)),
    ("count", |x| convert(count(greater(x, 0.0), &rows()), F32) * sum_over(x, &[1])),
    ("argmin", |x| convert(argmin(x, 1), F32) * sum_over(x, &[1])),
    ("sort", |x| sort(x, 1, true)),
    ("sort rows", |x| sort(x, 0, false)),
    ("sort many", |x| sort(tile(x, &[Dim::from(1), Dim::from(43)]), 1, false)),
    ("argsort", |x| convert(argsort(x, 1, false), F32) * x),
    ("top_k", |x| top_k(x, 2, 1, true)),
    ("median", |x| median(x, 1, false)),
    ("quantile", |x| quantile(x, 0.3, Interpolation::Linear, 1, false)),
    ("cumprod", |x| cumprod(x, 1)),
    ("cummax", |x| cummax(x, 1)),
    ("cummin", |x| cummin(x, 1)),
    ("unstack", |x| unstack(x, -1, 1)),
    ("split", |x| split(x, 4, 1, 1)),
    ("chunk", |x| chunk(x, 2, 1, 1)),
    ("atan2", |x| atan2(x, flip(x, Some(&[1])))),
    ("hypot", |x| hypot(x, flip(x, Some(&[1])))),
    ("histogram", |x| convert(histogram(x, 6, -1.0, 0.5), F32) * x),
    ("floor_divide", |x| by_seven(x, |a, b| floor_divide(a, b))),
    ("trunc_divide", |x| by_seven(x, |a, b| trunc_divide(a, b))),
    ("remainder", |x| by_seven(x, |a, b| remainder(a, b))),
    ("fmod", |x| by_seven(x, |a, b| fmod(a, b))),
    ("floor_divide of floats", |x| floor_divide(x * 7.0, 0.75) * x),
    ("trunc_divide of floats", |x| trunc_divide(x * 7.0, -0.75) * x),
    ("remainder of floats", |x| remainder(x * 7.0, 0.75)),
    ("fmod of floats", |x| fmod(x * 7.0, 0.75)),
    ("cumprod of rows", |x| cumprod(x * 1.5, 0)),
    ("cummax of rows", |x| cummax(x, 0)),
    ("with_gradient", |x| with_gradient(round(x * 3.0), std::slice::from_ref(x), |g| vec![tanh(g) * x])),
    ("glu", |x| glu(x, 1)),
    ("softmin", |x| softmin(x, 1)),
    ("sine", |x| sine(x, 30.0)),
    ("rrelu", |x| rrelu(x, 0.1, 0.3)),
];

/// A function of integers, among them 0 and such as f32 does not hold.
fn by_seven(x: &Value, function: fn(&Value, &Value) -> Value) -> Value {
    let whole = convert(x * 1.6e9, I32) + 1;
    let small = convert(flip(x, None) * 30.0, I32);
    let found = function(&whole, &small);
    // In two parts that f32 holds.
    let [high, low] =
        [floor_divide(&found, 65_536), remainder(&found, 65_536)].map(|part| convert(part, F32));
    (high + low * 1e-3) * 1e-3 + x
}

fn assert_compiled(name: &str, function: fn(&Value) -> Value, rows: Dim, fixed: &Bindings) {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [rows, Dim::from(6)]);
    let y = function(&x);
    let slope = gradient(sum(square(&y)), &x);
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{name}: {errors}")).graph;
    graph.results.push((Purpose::Output("y".into()), y.node().expect("known")));
    graph.results.push((Purpose::Gradient("x".into()), slope.node().expect("known")));

    let numbers: Vec<f32> = (0..30).map(|n| ((n * 37 % 41) as f32 - 20.0) / 20.0).collect();
    let environment = Environment::new().input("x", Tensor::new([5, 6], numbers).expect("a tensor"));
    let expected =
        interpret(&graph, &environment, Precision::F32).unwrap_or_else(|error| panic!("{name}: {error}"));
    let found = common::run(&optimize(&graph), &environment, fixed);
    let found = found.unwrap_or_else(|error| panic!("{name}: {error}")).results;
    for ((purpose, found), (_, expected)) in found.iter().zip(&expected) {
        assert_eq!(found.shape(), expected.shape(), "{name}: {purpose:?}");
        for (a, b) in found.to_f64_vec().into_iter().zip(expected.to_f64_vec()) {
            assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{name}: {purpose:?} has {a}, not {b}");
        }
    }
}

#[test]
fn functions_are_compiled_as_they_are_defined() {
    for (name, function) in FUNCTIONS {
        assert_compiled(name, *function, Dim::from(5), &Bindings::new());
    }
}

#[test]
fn functions_are_compiled_for_any_size() {
    // The diagonal is of a square.
    for (name, function) in FUNCTIONS.iter().filter(|(name, _)| *name != "diagonal") {
        assert_compiled(name, *function, Dim::symbol("batch"), &Bindings::new());
    }
}
