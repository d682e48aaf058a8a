//! Activations, losses and lookups against PyTorch: values and gradients of `tests/golden/ops.txt`, in f64 and in f32.

mod recorded;

use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, F32, I32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::{equal, expand};
use downhill_nn::value::{
    gather, gradient, pick, scatter_add, select, softplus, stop_gradient, sum, take, tanh,
};
use recorded::{Recorded, records};
use std::collections::BTreeMap;

fn golden() -> BTreeMap<String, BTreeMap<String, Recorded>> {
    let mut cases: BTreeMap<String, BTreeMap<String, Recorded>> = BTreeMap::new();
    for (name, record) in records("ops.txt") {
        let (case, what) = name.rsplit_once('/').expect("a case and a part");
        cases.entry(case.into()).or_default().insert(what.into(), record);
    }
    cases
}

fn activation(name: &str, x: &Value) -> Value {
    match name {
        "op/relu" => relu(x),
        "op/leaky_relu_0.2" => leaky_relu(x, 0.2),
        "op/elu_1" => elu(x, 1.0),
        "op/elu_0.7" => elu(x, 0.7),
        "op/gelu_erf" => gelu(x),
        "op/gelu_tanh" => gelu_tanh(x),
        "op/silu" => silu(x),
        "op/softplus" => softplus(x),
        "op/sigmoid" => sigmoid(x),
        "op/tanh" => tanh(x),
        "op/softmax" => softmax(x, -1),
        "op/log_softmax" => log_softmax(x, -1),
        other => panic!("no activation for {other}"),
    }
}

fn loss(name: &str, p: &Value, y: &Value) -> Value {
    match name.trim_start_matches("loss/") {
        "mse" => squared_error(p, y),
        "l1" => absolute_error(p, y),
        "huber_1" => huber(p, y, 1.0),
        "huber_0.5" => huber(p, y, 0.5),
        "hinge" => hinge(p, y),
        "logistic" | "logistic_moderate" => logistic_loss(p, y),
        "binary_cross_entropy" | "binary_cross_entropy_edge" => binary_cross_entropy(p, y),
        "bce_with_logits" => bce_with_logits(p, y),
        "cross_entropy_indices" | "cross_entropy_indices_moderate" | "cross_entropy_probabilities" => {
            cross_entropy(p, y)
        }
        other => panic!("no loss for {other}"),
    }
}

fn lookup(name: &str, x: &Value, indices: &Value) -> Value {
    match name.trim_start_matches("lookup/") {
        "embedding" => take(x, indices, 0),
        "embedding_padding" => {
            // As `embedding` does it with a weight of its own.
            let rows = take(x, indices, 0);
            select(expand(equal(indices, 2.0), -1), stop_gradient(&rows), rows)
        }
        "gather_0" => gather(x, indices, 0),
        "gather_1" => gather(x, indices, -1),
        "index_select_0" => take(x, indices, 0),
        "index_select_1" => take(x, indices, 1),
        "pick_1" => pick(x, indices, 1),
        "index_add_0" => scatter_add(x, indices, 4, 0),
        other => panic!("no lookup for {other}"),
    }
}

fn declare(b: &Builder, name: &str, element: ElementType, case: &Recorded) -> Value {
    b.input(name, element, Shape(case.dims.iter().map(|&dim| Dim::from(dim)).collect()))
}

/// Output and gradient as the interpreter has them.
fn run(
    name: &str,
    case: &BTreeMap<String, Recorded>,
    precision: Precision,
    passes: bool,
) -> (Vec<f64>, Vec<f64>) {
    let b = Builder::new(Mode::Train);
    let x = declare(&b, "x", F32, &case["input"]);
    let (second, element, output, total) = if let Some(target) = case.get("target") {
        let element = if name.contains("indices") { I32 } else { F32 };
        let y = declare(&b, "y", element, target);
        let output = loss(name, &x, &y);
        (target, element, output.clone(), output)
    } else {
        let upstream = declare(&b, "y", F32, &case["upstream"]);
        let output = match case.get("indices") {
            Some(indices) => lookup(name, &x, &declare(&b, "indices", I32, indices)),
            None => activation(name, &x),
        };
        (&case["upstream"], F32, output.clone(), sum(output * upstream))
    };
    let slope = gradient(&total, &x);
    let declared = b.finish().unwrap_or_else(|errors| panic!("{name}: {errors}"));
    let mut graph = declared.graph;
    graph.results.push((Purpose::Output("output".into()), output.node().expect("known")));
    graph.results.push((Purpose::Gradient("x".into()), slope.node().expect("known")));
    let graph = if passes { optimize(&graph) } else { graph };
    let wide = |element: ElementType| {
        if precision == Precision::F64 && element == F32 { ElementType::F64 } else { element }
    };
    let given = |case: &Recorded, element| {
        Tensor::from_f64(wide(element), case.dims.clone(), &case.values).expect("a tensor")
    };
    let mut environment =
        Environment::new().input("x", given(&case["input"], F32)).input("y", given(second, element));
    if let Some(indices) = case.get("indices") {
        environment = environment.input("indices", given(indices, I32));
    }
    let results =
        interpret(&graph, &environment, precision).unwrap_or_else(|error| panic!("{name}: {error}"));
    (results[0].1.to_f64_vec(), results[1].1.to_f64_vec())
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], relative: f64, absolute: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let scale = relative * b.abs() + absolute;
        assert!((a - b).abs() <= scale, "{what}[{i}]: {a} where PyTorch has {b}");
    }
}

#[test]
fn double_precision_is_pytorchs() {
    for (name, case) in &golden() {
        // Without passes: they fold f32 constants with f32's rounding.
        let (output, slope) = run(name, case, Precision::F64, false);
        // PyTorch's 10⁻¹² of the edge case is a float: 4·10⁻⁹ less than 10⁻¹².
        let relative = if name.ends_with("_edge") { 1e-8 } else { 1e-12 };
        assert_close(&format!("{name} output"), &output, &case["output"].values, relative, 2e-14);
        assert_close(&format!("{name} gradient"), &slope, &case["gradient"].values, relative, 2e-14);
    }
}

#[test]
fn single_precision_is_near_and_finite() {
    for (name, case) in &golden() {
        let (output, slope) = run(name, case, Precision::F32, true);
        assert_close(&format!("{name} output"), &output, &case["output"].values, 3e-6, 1e-6);
        assert_close(&format!("{name} gradient"), &slope, &case["gradient"].values, 3e-6, 1e-6);
    }
}
