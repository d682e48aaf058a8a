//! Compiled code where floats are no reals: formulas whose intermediate results would overflow or vanish if factors were moved, and gradients
//! of selections whose other side is NaN or infinite. Against the interpreter, with and without passes.

mod common;

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::{Binary, Compare, Op, Range, Reduction, Unary};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::F32;
use downhill_graph::types::{Shape, Type};

fn input(graph: &mut Graph, name: &str, shape: impl Into<Shape>) -> NodeId {
    let ty = Type::new(F32, shape);
    graph.add_input(Input { name: name.into(), ty, role: Role::Input, below: None })
}

fn binary(graph: &mut Graph, function: Binary, a: NodeId, b: NodeId) -> NodeId {
    graph.add(Op::Binary(function), &[a, b])
}

fn scaled(graph: &mut Graph, factor: f64, x: NodeId) -> NodeId {
    let factor = graph.full_like(x, factor);
    binary(graph, Binary::Mul, factor, x)
}

/// The results of compiled code, held against the interpreter's.
fn results(graph: &Graph, environment: &Environment) -> Vec<Vec<f64>> {
    let expected = interpret(graph, environment, Precision::F32).expect("runs");
    let mut found = Vec::new();
    for graph in [graph.clone(), optimize(graph)] {
        let outcome = common::run(&graph, environment, &Bindings::new()).expect("compiles");
        found = outcome.results.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect::<Vec<_>>();
        for ((_, expected), found) in expected.iter().zip(&found) {
            for (expected, found) in expected.to_f64_vec().into_iter().zip(found) {
                let alike = expected == *found || (expected - found).abs() <= 1e-6 * expected.abs();
                assert!(alike, "{found}, expected {expected}\n{}", graph.to_text());
            }
        }
    }
    found
}

#[test]
fn formulas_stay_in_range() {
    let mut graph = Graph::new();
    let batch = || Shape(vec![Dim::symbol("batch")]);
    let [m, n, r, q, a] = ["m", "n", "r", "q", "a"].map(|name| input(&mut graph, name, batch()));
    let above = scaled(&mut graph, 6.674e-11, m);
    let above = binary(&mut graph, Binary::Mul, above, n);
    let below = binary(&mut graph, Binary::Mul, r, r);
    let force = binary(&mut graph, Binary::Div, above, below);
    let charge = scaled(&mut graph, 1e23, q);
    let square = binary(&mut graph, Binary::Mul, charge, charge);
    let half = scaled(&mut graph, 0.5, a);
    let mean = binary(&mut graph, Binary::Add, half, half);
    for (name, id) in [("force", force), ("square", square), ("mean", mean)] {
        graph.results.push((Purpose::Output(name.into()), id));
    }
    let environment = Environment::new()
        .input("m", [5.972e24_f32; 3])
        .input("n", [7.348e22_f32; 3])
        .input("r", [3.844e8_f32; 3])
        .input("q", [1.6e-23_f32; 3])
        .input("a", [3e38_f32; 3]);
    let found = results(&graph, &environment);
    assert!(found.iter().flatten().all(|x| x.is_finite() && *x > 1.0), "{found:?}");
}

/// select(m > 0, y, 0) and the gradient of its sum by `x`, as results.
fn select_and_differentiate(graph: &mut Graph, m: NodeId, y: NodeId, x: NodeId) {
    let zero = graph.full_like(m, 0.0);
    let mask = graph.add(Op::Compare(Compare::Greater), &[m, zero]);
    let zero = graph.full_like(y, 0.0);
    let y = graph.add(Op::Select, &[mask, y, zero]);
    let gradient = differentiate(graph, y, &[x]).expect("has a gradient")[0];
    graph.results.push((Purpose::Output("y".into()), y));
    graph.results.push((Purpose::Gradient("x".into()), gradient));
}

#[test]
fn sides_not_taken_leave_gradients_alone() {
    let shape = || Shape(vec![Dim::symbol("batch"), 3.into()]);
    let mut graph = Graph::new();
    let (x, y, m) = (input(&mut graph, "x", shape()), input(&mut graph, "y", shape()), {
        input(&mut graph, "m", shape())
    });
    let d = binary(&mut graph, Binary::Sub, x, y);
    let square = binary(&mut graph, Binary::Mul, d, d);
    select_and_differentiate(&mut graph, m, square, x);
    let (nan, infinite) = (f32::NAN, f32::INFINITY);
    let environment = Environment::new()
        .input("x", [[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]])
        .input("y", [[nan, 1.0, infinite], [1.0, nan, 5.5]])
        .input("m", [[0.0_f32, 1.0, 0.0], [1.0, 0.0, 1.0]]);
    assert_eq!(results(&graph, &environment)[1], [0.0, 2.0, 0.0, 6.0, 0.0, 1.0]);
}

#[test]
fn masks_follow_through_sums_and_slices_and_what_is_repeated() {
    let roots = |m: Tensor, f: &dyn Fn(&mut Graph, NodeId) -> NodeId, shape: Shape| {
        let mut graph = Graph::new();
        let x = input(&mut graph, "x", [2, 3]);
        let m_node = input(&mut graph, "m", shape);
        let root = graph.add(Op::Unary(Unary::Sqrt), &[x]);
        let y = f(&mut graph, root);
        select_and_differentiate(&mut graph, m_node, y, x);
        let environment =
            Environment::new().input("x", [[0.0_f32, 0.0, 0.0], [1.0, 4.0, 16.0]]).input("m", m);
        results(&graph, &environment).remove(1)
    };
    let rows =
        |graph: &mut Graph, x: NodeId| graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[x]);
    let by_rows = roots(Tensor::from([0.0_f32, 1.0]), &rows, [2].into());
    assert_eq!(by_rows, [0.0, 0.0, 0.0, 0.5, 0.25, 0.125]);
    let column = |graph: &mut Graph, x: NodeId| {
        let range = |start: i64, end: i64| Range { start: start.into(), end: end.into(), stride: 1 };
        graph.add(Op::Slice(vec![range(0, 2), range(1, 2)]), &[x])
    };
    let by_column = roots(Tensor::from([[0.0_f32], [1.0]]), &column, [2, 1].into());
    assert_eq!(by_column, [0.0, 0.0, 0.0, 0.0, 0.25, 0.0]);
    let twice = |graph: &mut Graph, x: NodeId| {
        graph.add(Op::Broadcast { shape: [2, 2, 3].into(), axes: vec![1, 2] }, &[x])
    };
    let mask = Tensor::new([2, 2, 3], vec![0.0_f32, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let by_copy = roots(mask.expect("twelve"), &twice, [2, 2, 3].into());
    assert_eq!(by_copy, [0.0, 0.0, 0.0, 1.0, 0.25, 0.0]);
}
