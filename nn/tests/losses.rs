//! Every activation and loss against central differences, in every operand, first and second order; losses at extreme logits.

#[path = "../../graph/tests/support/mod.rs"]
mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::interpret::Environment;
use downhill_graph::op::Binary;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::{softplus, tanh};
use support::{Numbers, binary, inner_product, value};

const SHAPE: [usize; 2] = [3, 4];

/// A scalar function of `p` and `y`, and the intervals they are drawn from.
struct Case {
    name: &'static str,
    function: fn(&Value, &Value) -> Value,
    p: (f64, f64),
    y: (f64, f64),
}

fn cases() -> Vec<Case> {
    let case = |name, p, y, function| Case { name, function, p, y };
    // Activations are weighted by `y`, so that every element counts differently.
    let (wide, unit) = ((-2.0, 2.0), (0.1, 0.9));
    vec![
        case("relu", wide, wide, |x, y| sum_of(relu(x), y)),
        case("leaky_relu", wide, wide, |x, y| sum_of(leaky_relu(x, 0.2), y)),
        case("elu", wide, wide, |x, y| sum_of(elu(x, 0.7), y)),
        case("gelu", wide, wide, |x, y| sum_of(gelu(x), y)),
        case("gelu_tanh", wide, wide, |x, y| sum_of(gelu_tanh(x), y)),
        case("silu", wide, wide, |x, y| sum_of(silu(x), y)),
        case("softplus", wide, wide, |x, y| sum_of(softplus(x), y)),
        case("sigmoid", wide, wide, |x, y| sum_of(sigmoid(x), y)),
        case("tanh", wide, wide, |x, y| sum_of(tanh(x), y)),
        case("softmax", wide, wide, |x, y| sum_of(softmax(x, -1), y)),
        case("softmax over rows", wide, wide, |x, y| sum_of(softmax(x, 0), y)),
        case("log_softmax", wide, wide, |x, y| sum_of(log_softmax(x, -1), y)),
        case("squared_error", wide, wide, |p, y| squared_error(p, y)),
        case("absolute_error", wide, wide, |p, y| absolute_error(p, y)),
        case("huber", wide, wide, |p, y| huber(p, y, 0.8)),
        case("hinge", wide, wide, |p, y| hinge(p, y)),
        case("logistic_loss", wide, wide, |p, y| logistic_loss(p, y)),
        case("bce_with_logits", wide, unit, |z, y| bce_with_logits(z, y)),
        case("binary_cross_entropy", unit, unit, |p, y| binary_cross_entropy(p, y)),
        case("binary_cross_entropy of a sigmoid", wide, unit, |z, y| binary_cross_entropy(sigmoid(z), y)),
        case("cross_entropy", wide, unit, |z, y| cross_entropy(z, y)),
        case("categorical_cross_entropy", unit, unit, |p, y| categorical_cross_entropy(p, y)),
        case("categorical_cross_entropy of a softmax", wide, unit, |z, y| {
            categorical_cross_entropy(softmax(z, -1), y)
        }),
        case("nll", wide, unit, |l, y| negative_log_likelihood(l, y)),
    ]
}

fn sum_of(x: Value, weights: &Value) -> Value {
    downhill_nn::value::sum(x * weights)
}

/// The graph of a case, with `p`, `y` and its value.
fn build(case: &Case, labels: ElementType) -> (Graph, NodeId, NodeId, NodeId) {
    let builder = Builder::new(Mode::Train);
    let p = builder.input("p", ElementType::F32, SHAPE);
    let y = match labels {
        ElementType::I32 => builder.target("y", labels, [SHAPE[0]]),
        _ => builder.target("y", labels, SHAPE),
    };
    let loss = (case.function)(&p, &y);
    let nodes = [p, y, loss].map(|value| value.node().expect("no mistakes"));
    let graph = builder.finish().expect("no mistakes").graph;
    (graph, nodes[0], nodes[1], nodes[2])
}

/// The derivative of `of` by the input `name` along a random direction, by differences and as derived.
fn compare(graph: &Graph, of: NodeId, name: &str, gradient: NodeId, at: &Environment, numbers: &mut Numbers) {
    let here = at.inputs[name].to_f64_vec();
    let t = numbers.tensor(&SHAPE, -1.0, 1.0).to_f64_vec();
    let moved = |by: f64| {
        let there: Vec<f64> = here.iter().zip(&t).map(|(x, t)| x + by * t).collect();
        let at = at.clone().input(name, Tensor::new(SHAPE, there).expect("the same shape"));
        value(graph, of, &at).item().expect("a scalar")
    };
    let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
    let along: f64 = value(graph, gradient, at).to_f64_vec().iter().zip(&t).map(|(g, t)| g * t).sum();
    assert!((expected - along).abs() < 1e-6 * (1.0 + expected.abs()), "by {name}: {expected} and {along}");
}

#[test]
fn activations_and_losses_agree_with_differences_to_second_order() {
    for (index, case) in cases().iter().enumerate() {
        println!("{}", case.name);
        let numbers = &mut Numbers::new(41 + index as u64);
        let (mut graph, p, y, loss) = build(case, ElementType::F32);
        let mut at = Environment::new()
            .input("p", numbers.tensor(&SHAPE, case.p.0, case.p.1))
            .input("y", numbers.tensor(&SHAPE, case.y.0, case.y.1));
        let first = differentiate(&mut graph, loss, &[p, y]).expect("gradients");
        compare(&graph, loss, "p", first[0], &at, numbers);
        compare(&graph, loss, "y", first[1], &at, numbers);
        let mut sum = graph.constant(ElementType::F32, 0.0);
        for (name, gradient) in ["v", "w"].into_iter().zip(first) {
            let ty = graph.ty(p).clone();
            let role = downhill_graph::graph::Role::Input;
            let weights =
                graph.add_input(downhill_graph::graph::Input { name: name.into(), ty, role, below: None });
            at = at.input(name, numbers.tensor(&SHAPE, -1.0, 1.0));
            let term = inner_product(&mut graph, weights, gradient);
            sum = binary(&mut graph, Binary::Add, sum, term);
        }
        let second = differentiate(&mut graph, sum, &[p, y]).expect("second gradients");
        compare(&graph, sum, "p", second[0], &at, numbers);
        compare(&graph, sum, "y", second[1], &at, numbers);
    }
}

#[test]
fn losses_with_class_indices_agree_with_differences() {
    let losses: [fn(&Value, &Value) -> Value; 2] =
        [|z, y| cross_entropy(z, y), |l, y| negative_log_likelihood(l, y)];
    for function in losses {
        let case = Case { name: "", function, p: (0.0, 0.0), y: (0.0, 0.0) };
        let (mut graph, p, _, loss) = build(&case, ElementType::I32);
        let numbers = &mut Numbers::new(7);
        let at = Environment::new().input("p", numbers.tensor(&SHAPE, -2.0, 2.0)).input("y", [0_i32, 3, 1]);
        let gradient = differentiate(&mut graph, loss, &[p]).expect("a gradient")[0];
        compare(&graph, loss, "p", gradient, &at, numbers);
    }
}

#[test]
fn extreme_logits_stay_finite_in_f32() {
    use downhill_graph::graph::Purpose;
    use downhill_graph::interpret::{Precision, interpret};
    use downhill_graph::passes::optimize;
    let names =
        ["bce_with_logits", "binary_cross_entropy of a sigmoid", "cross_entropy", "logistic_loss", "hinge"];
    for case in cases().iter().filter(|case| names.contains(&case.name)) {
        let (mut graph, p, _, loss) = build(case, ElementType::F32);
        let gradient = differentiate(&mut graph, loss, &[p]).expect("a gradient")[0];
        graph.results = vec![(Purpose::Loss("loss".into()), loss), (Purpose::Gradient("p".into()), gradient)];
        let logits = [[1e4_f32, -1e4, 0.0, 1e4], [-1e4, -1e4, -1e4, 1e4], [1e4, 1e4, 1e4, 1e4]];
        let labels = [[1.0_f32, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let at = Environment::new().input("p", logits).input("y", labels);
        for graph in [optimize(&graph), graph] {
            for (_, tensor) in interpret(&graph, &at, Precision::F32).expect("runs") {
                assert!(tensor.to_f64_vec().iter().all(|x| x.is_finite()), "{}: {tensor}", case.name);
            }
        }
    }
}
