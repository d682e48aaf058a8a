//! What activations promise beyond PyTorch's numbers: gradients of first and second order, their limits, parameters, randomness, what they
//! refuse.

mod declared;
mod differences;

use declared::{input, mistake, shape, typed};
use differences::{Case, assert_differentiates};
use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::{gradient, sum};

const ROWS: &[&[usize]] = &[&[2, 4, 3]];

const fn case(name: &'static str, layer: fn(&[Value]) -> Value) -> Case {
    Case { name, inputs: ROWS, layer }
}

const CASES: &[Case] = &[
    case("hard_swish", |x| hard_swish(&x[0] * 5.0)),
    case("selu", |x| selu(&x[0])),
    case("celu", |x| celu(&x[0], 0.7)),
    case("squared_relu", |x| squared_relu(&x[0])),
    case("mish", |x| mish(&x[0])),
    case("log_sigmoid", |x| log_sigmoid(&x[0])),
    case("softsign", |x| softsign(&x[0] * 3.0)),
    case("tanh_shrink", |x| tanh_shrink(&x[0])),
    case("glu", |x| glu(&x[0], 1)),
    case("geglu", |x| geglu(&x[0], 1)),
    case("swiglu", |x| swiglu(&x[0], 1)),
    case("softmin", |x| softmin(&x[0], 1)),
    case("entropy", |x| entropy(&x[0], 1)),
    case("snake", |x| snake(&x[0], 2.0)),
    case("sine", |x| sine(&x[0], 3.0)),
    case("prelu", |x| prelu(&x[0], Prelu::default()) * &x[0]),
    case("prelu of channels", |x| {
        prelu(&x[0], Prelu { channels: Dim::from(4), init: Initializer::Constant(0.1) }) * &x[0]
    }),
];

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

/// The function and its gradient at these points, in f32 after all passes.
fn at(function: fn(&Value) -> Value, points: &[f64]) -> [Vec<f64>; 2] {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [points.len()]);
    let y = function(&x);
    let slope = gradient(sum(&y), &x);
    let mut graph = b.finish().expect("no mistakes").graph;
    for (name, value) in [("y", &y), ("slope", &slope)] {
        graph.results.push((Purpose::Output(name.into()), value.node().expect("known")));
    }
    let given = Tensor::from_f64(F32, [points.len()], points).expect("a tensor");
    let found = interpret(&optimize(&graph), &Environment::new().input("x", given), Precision::F32);
    let found = found.expect("values");
    [0, 1].map(|n| found[n].1.to_f64_vec())
}

#[test]
fn activations_have_their_limits_at_infinities_and_stay_finite_before() {
    const INFINITY: f64 = f64::INFINITY;
    type Limits = (&'static str, fn(&Value) -> Value, [f64; 2], [f64; 2]);
    let limits: [Limits; 9] = [
        ("relu6", |x| relu6(x), [0.0, 6.0], [0.0, 0.0]),
        ("hard_sigmoid", |x| hard_sigmoid(x), [0.0, 1.0], [0.0, 0.0]),
        ("hard_swish", |x| hard_swish(x), [0.0, INFINITY], [0.0, 1.0]),
        ("celu", |x| celu(x, 1.0), [-1.0, INFINITY], [0.0, 1.0]),
        ("mish", |x| mish(x), [0.0, INFINITY], [0.0, 1.0]),
        ("log_sigmoid", |x| log_sigmoid(x), [-INFINITY, 0.0], [1.0, 0.0]),
        ("softsign", |x| softsign(x), [-1.0, 1.0], [0.0, 0.0]),
        ("tanh_shrink", |x| tanh_shrink(x), [-INFINITY, INFINITY], [1.0, 1.0]),
        ("soft_shrink", |x| soft_shrink(x, 0.5), [-INFINITY, INFINITY], [1.0, 1.0]),
    ];
    for (name, function, values, slopes) in limits {
        let found = at(function, &[-INFINITY, INFINITY]);
        assert_eq!([&found[0][..], &found[1]], [&values[..], &slopes], "{name}");
        let found = at(function, &[-3e38, -1e4, -1e-30, 0.0, 1e-30, 1e4, 3e38]);
        assert!(found.iter().flatten().all(|x| x.is_finite()), "{name}: {found:?}");
        let [value, _] = at(function, &[f64::NAN]);
        assert!(value[0].is_nan(), "{name}: {value:?}");
    }
}

#[test]
fn the_small_keep_their_bits() {
    let near = |found: f64, exact: f64| (found / exact - 1.0).abs() < 1e-6;
    let [value, slope] = at(|x| tanh_shrink(x), &[1e-6, 0.25]);
    let exact = 0.25 - f64::tanh(0.25);
    assert!(near(value[0], 1e-18 / 3.0) && near(value[1], exact), "{value:?}");
    assert!(near(slope[0], 1e-12) && near(slope[1], f64::tanh(0.25).powi(2)), "{slope:?}");
    let [value, slope] = at(|x| softsign(x), &[1e-20, -1e6]);
    assert!(near(value[0], 1e-20) && near(slope[1], 1_000_001f64.powi(-2)), "{value:?} {slope:?}");
    let [value, slope] = at(|x| mish(x), &[-60.0]);
    let exact = -60.0 * f64::exp(-60.0);
    assert!(near(value[0], exact) && near(slope[0], f64::exp(-60.0) * -59.0), "{value:?} {slope:?}");
}

#[test]
fn slopes_are_drawn_while_training_and_their_mean_otherwise() {
    let count = 10_000;
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [count]);
    let (first, second) = (rrelu(&x, 0.1, 0.3), rrelu(&x, 0.1, 0.3));
    let slope = gradient(sum(&first), &x);
    let mut graph = b.finish().expect("no mistakes").graph;
    for (n, value) in [&first, &second, &slope].into_iter().enumerate() {
        graph.results.push((Purpose::Output(n.to_string().into()), value.node().expect("known")));
    }
    let points: Vec<f64> = (0..count).map(|n| if n % 10 == 0 { 2.0 } else { -1.0 }).collect();
    let given = Tensor::from_f64(F32, [count], &points).expect("a tensor");
    let found = interpret(&optimize(&graph), &Environment::new().input("x", given), Precision::F32);
    let found: Vec<Vec<f64>> = found.expect("values").iter().map(|(_, tensor)| tensor.to_f64_vec()).collect();

    assert_ne!(found[0], found[1], "two draws are two");
    let below: Vec<f64> = found[0].iter().copied().filter(|y| *y < 0.0).map(|y| -y).collect();
    assert_eq!(below.len(), 9_000);
    assert!(below.iter().all(|r| (0.099_999..0.300_001).contains(r)));
    let mean = below.iter().sum::<f64>() / 9e3;
    let spread = below.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 9e3;
    assert!((mean - 0.2).abs() < 2e-3 && (spread / (0.04 / 12.0) - 1.0).abs() < 0.05, "{mean} {spread}");
    for ((x, y), slope) in points.iter().zip(&found[0]).zip(&found[2]) {
        assert_eq!(x * slope, *y);
    }

    let b = Builder::new(Mode::Infer);
    let x = b.input("x", F32, [3]);
    assert_eq!(rrelu(&x, 0.125, 0.375).node(), leaky_relu(&x, 0.25).node());
}

#[test]
fn slopes_that_are_learned_are_one_or_one_for_each_channel() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "6", "time"]);
    let of_channels = Prelu { channels: Dim::from(6), ..Prelu::default() };
    assert_eq!(shape(&b.scope("a", || prelu(&x, Prelu::default()))), "[batch, 6, time]");
    assert_eq!(shape(&b.scope("b", || prelu(&x, of_channels))), "[batch, 6, time]");
    assert_eq!(shape(&b.scope("c", || prelu(input(&b, "row", &["batch"]), Prelu::default()))), "[batch]");
    let few = Prelu { channels: Dim::from(5), ..Prelu::default() };
    assert_eq!(
        mistake(&prelu(&x, few)),
        "`prelu` of 5 channels, but `x` has 6\n   = its shape is [batch, 6, time]\n   \
         = help: the size of axis 1, or 1 for all elements alike"
    );
    let graph = b.finish().expect("no mistakes").graph;
    let storages: Vec<String> = graph.storages.iter().map(|s| format!("{} {}", s.name, s.ty.shape)).collect();
    assert_eq!(storages, ["a.weight [1]", "b.weight [6]", "c.weight [1]"]);
    assert!(graph.storages.iter().all(|storage| storage.initializer == Initializer::Constant(0.25)));
}

#[test]
fn activations_refuse_what_they_cannot_take() {
    let b = Builder::new(Mode::Train);
    let (x, odd) = (input(&b, "x", &["batch", "4"]), input(&b, "odd", &["batch", "5"]));
    let whole = typed(&b, "whole", I32, &["4"]);
    assert_eq!(mistake(&celu(&x, 0.0)), "`celu` with an alpha of 0\n   = help: x is divided by it");
    assert_eq!(mistake(&snake(&x, 0.0)), "`snake` with an alpha of 0\n   = help: the wave is divided by it");
    assert!(mistake(&threshold(&x, f64::NAN, 0.0)).starts_with("`threshold` with a threshold of NaN"));
    assert!(mistake(&sine(&x, f64::INFINITY)).starts_with("`sine` with an omega of inf"));
    assert!(mistake(&soft_shrink(&x, -1.0)).starts_with("`soft_shrink` with a lambda of -1"));
    assert!(mistake(&hard_shrink(&x, -1.0)).starts_with("`hard_shrink` with a lambda of -1"));
    assert_eq!(
        mistake(&hard_tanh(&x, 1.0, 1.0)),
        "`hard_tanh` with a min of 1 and a max of 1\n   = help: `min` must be below `max`"
    );
    assert_eq!(
        mistake(&rrelu(&x, 0.5, 0.25)),
        "`rrelu` with a lower of 0.5 and an upper of 0.25\n   = help: `lower` must be at most `upper`"
    );
    assert_eq!(
        mistake(&glu(&odd, -1)),
        "`glu` along axis 1 of `odd`, which has 5\n   = its shape is [batch, 5]\n   = help: halves need an even size"
    );
    assert_eq!(
        mistake(&swiglu(&x, 0)),
        "`swiglu` halves a size of batch, which only a run can tell\n   \
         = help: make it an argument of the network, or a number"
    );
    type Refused = (&'static str, fn(&Value) -> Value);
    let refused: [Refused; 7] = [
        ("softmin", |x| softmin(x, 0)),
        ("entropy", |x| entropy(x, 0)),
        ("sine", |x| sine(x, 1.0)),
        ("snake", |x| snake(x, 1.0)),
        ("prelu", |x| prelu(x, Prelu::default())),
        ("rrelu", |x| rrelu(x, 0.1, 0.2)),
        ("geglu", |x| geglu(x, 0)),
    ];
    for (name, refused) in refused {
        let told = format!("`{name}` needs floats but `whole` is i32[4]");
        assert!(mistake(&refused(&whole)).starts_with(&told), "{name}");
    }
}
