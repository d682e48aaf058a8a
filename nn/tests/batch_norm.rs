//! `batch_norm` against PyTorch's of `tests/golden/batch_norm.txt`, interpreted in f64 and f32: output, running statistics, inference,
//! first and second derivatives; and what it does at the edges.
//!
//! The format stands at the head of that file; `tests/golden/batch_norm.py` makes it.

mod recorded;

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, F64};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::entry::{forward, step};
use downhill_nn::optimizers::{Optimizer, sgd};
use downhill_nn::value::{gradient, square, sum};
use recorded::{Recorded, records};
use std::collections::BTreeMap;

/// The cases of operations, each with its parts by name.
fn golden() -> BTreeMap<String, BTreeMap<String, Recorded>> {
    let mut cases: BTreeMap<String, BTreeMap<String, Recorded>> = BTreeMap::new();
    for (name, record) in records("batch_norm.txt") {
        if let ["op", case, part] = name.splitn(3, '/').collect::<Vec<_>>()[..] {
            cases.entry(case.into()).or_default().insert(part.into(), record);
        }
    }
    assert_eq!(cases.len(), 4);
    cases
}

fn shape(dims: &[usize]) -> Shape {
    // The batch is a size that each run brings.
    let dims = dims.iter().enumerate();
    Shape(dims.map(|(axis, &dim)| if axis == 0 { Dim::symbol("batch") } else { Dim::from(dim) }).collect())
}

struct Built {
    declaration: Declaration,
    output: Value,
    others: Vec<Value>,
}

fn build(case: &BTreeMap<String, Recorded>, mode: Mode) -> Built {
    let b = Builder::new(mode);
    let given = |name: &str| b.input(name, F32, shape(&case["input"].dims));
    let (input, upstream, direction) = (given("input"), given("upstream"), given("direction"));
    let options =
        BatchNorm { momentum: case["momentum"].values[0], eps: case["eps"].values[0], affine: true };
    let output = b.scope("h", || batch_norm(&input, options));

    let total = sum(&output * upstream);
    b.output("output", &output);
    b.loss("loss", &total, None);

    // In inference a second derivative is 0.
    let mut others = Vec::new();
    if mode == Mode::Train {
        let stored = |name: &str| b.find_storage(name).expect("a parameter");
        let by = [&input, &stored("h.weight"), &stored("h.bias")];
        others.extend(by.into_iter().map(|by| gradient(&total, by)));
        others.push(gradient(sum(&others[0] * direction), &input));
    }
    Built { declaration: b.finish().unwrap_or_else(|errors| panic!("{errors}")), output, others }
}

fn environment(
    case: &BTreeMap<String, Recorded>,
    precision: Precision,
    running: Option<(&[f64], &[f64])>,
) -> Environment {
    let element = if precision == Precision::F64 { F64 } else { F32 };
    let tensor = |dims: &[usize], values: &[f64]| Tensor::from_f64(element, dims, values).expect("a tensor");
    let of = |name: &str| tensor(&case[name].dims, &case[name].values);
    let channels = case["weight"].values.len();
    let (zeros, ones) = (vec![0.0; channels], vec![1.0; channels]);
    let (mean, variance) = running.unwrap_or((&zeros, &ones));
    ["input", "upstream", "direction"]
        .into_iter()
        .fold(Environment::new(), |environment, name| environment.input(name, of(name)))
        .input("learning_rate", tensor(&[], &[0.0]))
        .storage("h.weight", of("weight"))
        .storage("h.bias", of("bias"))
        .storage("h.running_mean", tensor(&[channels], mean))
        .storage("h.running_var", tensor(&[channels], variance))
}

fn results(graph: &Graph, environment: &Environment, precision: Precision) -> Vec<(Purpose, Vec<f64>)> {
    let found = interpret(graph, environment, precision).unwrap_or_else(|error| panic!("{error}"));
    found.into_iter().map(|(purpose, tensor)| (purpose, tensor.to_f64_vec())).collect()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3_f64, |scale, value| scale.max(value.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a} where PyTorch has {b}");
    }
}

/// Everything of a case, without passes in f64 (they fold constants as f32) and with them in f32.
fn assert_case(name: &str, case: &BTreeMap<String, Recorded>, precision: Precision, tolerance: f64) {
    let passes = |graph: Graph| if precision == Precision::F32 { optimize(&graph) } else { graph };
    let close = |what: &str, found: &[f64]| {
        assert_close(&format!("{name} {what}"), found, &case[what].values, tolerance);
    };

    let Built { declaration, output, others, .. } = build(case, Mode::Train);
    let updates: Vec<(Purpose, NodeId)> =
        declaration.updates.iter().map(|update| (Purpose::Update(update.storage), update.node)).collect();
    assert_eq!(updates.len(), 2);
    let mut graph = declaration.graph;
    let wanted = [&output].into_iter().chain(&others).enumerate();
    let wanted = wanted
        .map(|(number, value)| (Purpose::Output(format!("{number}").into()), value.node().expect("known")));
    graph.results = wanted.chain(updates).collect();
    let given = environment(case, precision, None);
    let found = results(&passes(graph), &given, precision);
    let parts = ["output", "gradient/input", "gradient/weight", "gradient/bias", "second"];
    for (part, (_, values)) in parts.into_iter().zip(&found) {
        close(part, values);
    }
    let (mean, variance) = (&found[5].1, &found[6].1);
    close("running_mean", mean);
    close("running_var", variance);

    let graph = forward(&build(case, Mode::Infer).declaration).expect("inference");
    let given = environment(case, precision, Some((mean, variance)));
    let found = results(&passes(graph), &given, precision);
    assert_eq!(found.len(), 1, "inference updates nothing");
    close("inference", &found[0].1);
}

#[test]
fn double_precision_is_pytorchs() {
    for (name, case) in &golden() {
        // A mean of 1000 beside a variance of 1 costs six digits of the derivatives.
        assert_case(name, case, Precision::F64, if name == "offset" { 1e-9 } else { 1e-12 });
    }
}

#[test]
fn single_precision_is_near() {
    for (name, case) in golden().iter().filter(|(name, _)| *name != "offset") {
        assert_case(name, case, Precision::F32, 1e-5);
    }
}

/// Both walks over the batch count: with E[x²] − E[x]² nothing of a variance of 1 would be left beside a mean of 1000.
#[test]
fn a_mean_far_from_zero_leaves_the_variance() {
    let case = &golden()["offset"];
    let Built { declaration, output, .. } = build(case, Mode::Train);
    let mut graph = declaration.graph;
    graph.results = vec![(Purpose::Output("output".into()), output.node().expect("known"))];
    let given = environment(case, Precision::F32, None);
    let found = results(&optimize(&graph), &given, Precision::F32);
    assert_close("output", &found[0].1, &case["output"].values, 1e-3);
}

fn run_step(rows: usize, dims: &[usize], affine: bool) -> BTreeMap<String, Vec<f64>> {
    let b = Builder::new(Mode::Train);
    let all: Vec<usize> = [rows].iter().chain(dims).copied().collect();
    let x = b.input("x", F32, shape(&all));
    let w = b.parameter("w", [dims[0]], downhill_graph::random::Initializer::Ones);
    let beside: Vec<usize> =
        dims.iter().enumerate().map(|(axis, &dim)| if axis == 0 { dim } else { 1 }).collect();
    let scaled =
        &x * downhill_nn::value::reshape(&w, Shape(beside.iter().map(|&dim| Dim::from(dim)).collect()));
    let h = b.scope("h", || batch_norm(scaled, BatchNorm { affine, ..BatchNorm::default() }));
    b.loss("loss", &sum(square(h + 1.0)), None);
    let declaration = b.finish().unwrap_or_else(|errors| panic!("{errors}"));
    let graph = step(&declaration, None, &Optimizer::from(sgd(0.1))).expect("a step");

    let values: Vec<f64> = (0..all.iter().product()).map(|i| (i * i % 7) as f64).collect();
    let mut given = Environment::new()
        .input("x", Tensor::from_f64(F32, all, &values).expect("x"))
        .input("learning_rate", Tensor::from_f64(F32, Vec::<usize>::new(), &[0.1]).expect("a rate"));
    for storage in &graph.storages {
        let start =
            if storage.name.ends_with("weight") || &*storage.name == "w" || storage.name.ends_with("var") {
                1.0
            } else {
                0.0
            };
        let dims = storage.ty.shape.evaluate(&Bindings::new()).expect("numbers");
        let values = vec![start; dims.iter().product()];
        given = given.storage(&storage.name, Tensor::from_f64(F32, dims, &values).expect("a storage"));
    }
    let name = |purpose: &Purpose| match purpose {
        Purpose::Update(index) => graph.storages[*index].name.to_string(),
        other => format!("{other:?}"),
    };
    let found = results(&graph, &given, Precision::F32);
    found.into_iter().map(|(purpose, values)| (name(&purpose), values)).collect()
}

#[test]
fn one_number_in_a_channel_gives_finite_numbers() {
    let found = run_step(1, &[2], true);
    assert!(found.values().flatten().all(|value| value.is_finite()), "{found:?}");
    // The variance of one number is 0, and so is what its distance from the mean divides.
    assert_close("running_var", &found["h.running_var"], &[0.9, 0.9], 1e-6);
    assert_close("running_mean", &found["h.running_mean"], &[0.0, 0.1], 1e-6);
    assert_eq!(found["w"], [1.0, 1.0]);
}

#[test]
fn a_constant_channel_gives_finite_numbers_and_no_affine_leaves_parameters_out() {
    let found = run_step(3, &[2, 2], false);
    let names: Vec<&str> = found.keys().map(String::as_str).filter(|name| !name.contains("Loss")).collect();
    assert_eq!(names, ["h.running_mean", "h.running_var", "w"]);
    assert!(found.values().flatten().all(|value| value.is_finite()), "{found:?}");
}

#[test]
fn mistakes() {
    let refused = |x: &[usize], options: BatchNorm| {
        let b = Builder::new(Mode::Train);
        let x = b.input("x", F32, shape(x));
        batch_norm(&x, options);
        b.take_errors().into_iter().map(|error| error.message).collect::<Vec<_>>()
    };

    let all = BatchNorm::default();
    assert_eq!(refused(&[3], all), ["`batch_norm` needs a batch and channels but `x` is [batch]"]);
    assert_eq!(refused(&[3, 2], BatchNorm { momentum: 1.5, ..all }), ["a momentum of 1.5"]);
    assert_eq!(refused(&[3, 2], BatchNorm { eps: 0.0, ..all }), ["an eps of 0"]);
    assert_eq!(refused(&[3, 2], BatchNorm { momentum: 1.0, ..all }), [""; 0]);
}
