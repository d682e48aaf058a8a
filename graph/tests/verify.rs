//! Corrupted graphs are caught, with every violation reported.

mod support;

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Input, Purpose, Role, Storage, StorageKind};
use downhill_graph::op::{Op, Reduction, Unary};
use downhill_graph::random::Initializer;
use downhill_graph::types::{ElementType, Shape, Type};
use downhill_graph::verify::verify;
use std::sync::Arc;
use support::{input, input_of, unary};

fn messages(graph: &Graph) -> Vec<String> {
    verify(graph)
        .err()
        .map_or_else(Vec::new, |errors| errors.0.into_iter().map(|error| error.message).collect())
}

fn assert_caught(graph: &Graph, part: &str) {
    let found = messages(graph);
    assert!(found.iter().any(|message| message.contains(part)), "`{part}` is not among {found:?}");
}

/// exp of an input of two elements, as output `y`.
fn right() -> Graph {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[2]);
    let y = unary(&mut graph, Unary::Exp, x);
    graph.results.push((Purpose::Output("y".into()), y));
    graph
}

fn with_storage(graph: &mut Graph, name: &str) {
    let ty = Type::new(ElementType::F64, [3]);
    let (kind, initializer) = (StorageKind::Parameter, Initializer::Zeros);
    graph.add_storage(Storage {
        name: name.into(),
        ty,
        kind,
        initializer,
        exchange: Default::default(),
        origin: Default::default(),
    });
}

#[test]
fn a_right_graph_passes() {
    assert_eq!(messages(&right()), Vec::<String>::new());
}

#[test]
fn sources_and_types() {
    let mut graph = right();
    graph.inputs[0].ty = Type::new(ElementType::F64, [3]);
    assert_caught(&graph, "has type f64[2], inferred f64[3]");
    let mut graph = right();
    graph.inputs.clear();
    assert_caught(&graph, "reads input 0, which is not");
    let mut graph = right();
    with_storage(&mut graph, "w");
    graph.storages.clear();
    assert_caught(&graph, "reads storage 0, which is not");
}

#[test]
fn names_and_roles() {
    let mut graph = right();
    input(&mut graph, &[2]);
    graph.inputs[1].name = "x0".into();
    graph.inputs[1].below = Some(Dim::from(3));
    graph.inputs[1].role = Role::Body;
    with_storage(&mut graph, "w");
    with_storage(&mut graph, "w");
    assert_caught(&graph, "two inputs are called `x0`");
    assert_caught(&graph, "two storages are called `w`");
    assert_caught(&graph, "has an upper bound");
    assert_caught(&graph, "has the role Body");
    assert_eq!(messages(&graph).len(), 4);
}

#[test]
fn sizes() {
    let mut graph = right();
    graph.add(Op::Iota { shape: Shape(vec![Dim::from(-1)]), axis: 0 }, &[]);
    assert_caught(&graph, "has shape [-1]");
}

#[test]
fn results() {
    let mut graph = right();
    with_storage(&mut graph, "w");
    let y = graph.results[0].1;
    let foreign = {
        let mut other = Graph::new();
        (0..9).map(|_| input(&mut other, &[2])).last().expect("nine")
    };
    graph.results.extend([
        (Purpose::Output("y".into()), y),
        (Purpose::Output("z".into()), foreign),
        (Purpose::Loss("l".into()), y),
        (Purpose::Gradient("w".into()), y),
        (Purpose::Gradient("v".into()), y),
        (Purpose::Update(0), y),
        (Purpose::Update(7), y),
    ]);
    for part in [
        "two results are Output(\"y\")",
        "which is not",
        "is loss `l`",
        "is the gradient of `w`, which has f64[3]",
        "is the gradient of `v`, which is not",
        "is the update of storage 0, which has f64[3]",
        "is the update of storage 7, which is not",
    ] {
        assert_caught(&graph, part);
    }
    let mut graph = Graph::new();
    let n = input_of(&mut graph, ElementType::I32, [2]);
    graph.results.push((Purpose::Gradient("x0".into()), n));
    assert_caught(&graph, "which is no float");
}

#[test]
fn bodies() {
    let mut body = Graph::new();
    let ty = Type::new(ElementType::F64, [2]);
    let h = body.add_input(Input { name: "h".into(), ty, role: Role::Body, below: None });
    let next = unary(&mut body, Unary::Tanh, h);
    body.results.push((Purpose::Output("h".into()), next));
    let run = |body: Graph| {
        let mut graph = Graph::new();
        let x = input(&mut graph, &[2]);
        let scan = Op::Scan {
            body: Arc::new(body),
            carried: 1,
            sliced: 0,
            length: 3.into(),
            reversed: false,
            result: 0,
        };
        let y = graph.add(scan, &[x]);
        graph.results.push((Purpose::Output("y".into()), y));
        graph
    };
    assert_eq!(messages(&run(body.clone())), Vec::<String>::new());
    let mut with_update = body.clone();
    with_storage(&mut with_update, "w");
    with_update.results.push((Purpose::Update(0), next));
    assert_caught(&run(with_update.clone()), "in the loop at node 1: the body of a loop has storages");
    assert_caught(&run(with_update), "the body of a loop updates storage 0");
    let mut with_input = body;
    with_input.inputs[0].role = Role::Input;
    assert_caught(&run(with_input), "input `h` has the role Input");
}

#[test]
fn printing_names_the_op() {
    let mut graph = right();
    graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[graph.results[0].1]);
    graph.inputs[0].ty = Type::new(ElementType::F32, [2]);
    assert_caught(&graph, "node 0 (Input(0)) has type f64[2], inferred f32[2]");
}
