//! Loops: what they compute, their gradients by every operand (carried, sliced, captured) to second order, and passes through
//! their bodies.

mod support;

use downhill_graph::asked::asked_inputs;
use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::op::{Binary, Op, Unary};
use downhill_graph::passes::optimize;
use downhill_graph::sizes::check as check_sizes;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape, Type};
use downhill_graph::verify::verify;
use std::sync::Arc;
use support::{Numbers, binary, environment, inner_product, input, input_of, unary, value};

fn body_input(body: &mut Graph, shape: &[usize]) -> NodeId {
    let name = format!("b{}", body.inputs.len()).into();
    let shape = Shape(shape.iter().map(|&size| Dim::from(size)).collect());
    body.add_input(Input { name, ty: Type::new(ElementType::F64, shape), role: Role::Body, below: None })
}

/// h ← tanh(x·u + h·w); yields h·h. Carried: h [2]; sliced: x [3]; captured: u [3, 2], w [2, 2].
fn elman() -> Arc<Graph> {
    let mut body = Graph::new();
    let (h, x) = (body_input(&mut body, &[2]), body_input(&mut body, &[3]));
    let (u, w) = (body_input(&mut body, &[3, 2]), body_input(&mut body, &[2, 2]));
    let dot = Op::DotGeneral { batch: vec![], contract: vec![(0, 0)] };
    let from_x = body.add(dot.clone(), &[x, u]);
    let from_h = body.add(dot, &[h, w]);
    let sum = binary(&mut body, Binary::Add, from_x, from_h);
    let next = unary(&mut body, Unary::Tanh, sum);
    let square = binary(&mut body, Binary::Mul, next, next);
    body.results = vec![(Purpose::Output("h".into()), next), (Purpose::Output("y".into()), square)];
    Arc::new(body)
}

const SHAPES: [&[usize]; 4] = [&[2], &[4, 3], &[3, 2], &[2, 2]];

fn scan(
    graph: &mut Graph,
    body: &Arc<Graph>,
    length: impl Into<Dim>,
    operands: &[NodeId],
    result: usize,
) -> NodeId {
    let op = Op::Scan {
        body: body.clone(),
        carried: 1,
        sliced: 1,
        length: length.into(),
        reversed: false,
        recompute: false,
        result,
    };
    graph.add(op, operands)
}

/// The scalar ⟨v, final h⟩ + ⟨w, stacked y⟩, the operands, and a point.
fn network() -> (Graph, NodeId, Vec<NodeId>, Vec<Tensor>) {
    let (mut graph, mut numbers) = (Graph::new(), Numbers::new(3));
    let operands: Vec<NodeId> = SHAPES.iter().map(|shape| input(&mut graph, shape)).collect();
    let (v, w) = (input(&mut graph, &[2]), input(&mut graph, &[4, 2]));
    let point = [&SHAPES[..], &[&[2], &[4, 2]]].concat();
    let point = point.into_iter().map(|shape| numbers.tensor(shape, -1.0, 1.0)).collect();
    let body = elman();
    let last = scan(&mut graph, &body, 4, &operands, 0);
    let stacked = scan(&mut graph, &body, 4, &operands, 1);
    let (a, b) = (inner_product(&mut graph, v, last), inner_product(&mut graph, w, stacked));
    let sum = binary(&mut graph, Binary::Add, a, b);
    (graph, sum, operands, point)
}

fn differences(graph: &Graph, of: NodeId, which: usize, point: &[Tensor], t: &[f64]) -> f64 {
    let moved = |by: f64| {
        let values = point[which].to_f64_vec().into_iter().zip(t).map(|(x, t)| x + by * t).collect();
        let mut point = point.to_vec();
        point[which] = Tensor::new(point[which].shape(), values).expect("the same shape");
        value(graph, of, &environment(&point)).item().expect("a scalar")
    };
    (moved(1e-5) - moved(-1e-5)) / 2e-5
}

fn assert_gradients(graph: &Graph, of: NodeId, gradients: &[NodeId], point: &[Tensor]) {
    let mut numbers = Numbers::new(8);
    for (which, &gradient) in gradients.iter().enumerate() {
        let t = numbers.tensor(point[which].shape(), -1.0, 1.0).to_f64_vec();
        let derived = value(graph, gradient, &environment(point)).to_f64_vec();
        let along: f64 = derived.iter().zip(&t).map(|(g, t)| g * t).sum();
        let expected = differences(graph, of, which, point, &t);
        assert!(
            (expected - along).abs() < 1e-6 * (1.0 + expected.abs()),
            "operand {which}: {expected} and {along}"
        );
    }
}

#[test]
fn a_loop_runs_its_body() {
    let mut body = Graph::new();
    let (h, x) = (body_input(&mut body, &[]), body_input(&mut body, &[]));
    let next = binary(&mut body, Binary::Add, h, x);
    body.results = vec![(Purpose::Output("h".into()), next), (Purpose::Output("before".into()), h)];
    let body = Arc::new(body);
    let mut graph = Graph::new();
    let start = input(&mut graph, &[]);
    let xs = input_of(&mut graph, ElementType::F64, [Dim::symbol("time")]);
    let last = scan(&mut graph, &body, Dim::symbol("time"), &[start, xs], 0);
    let stacked = scan(&mut graph, &body, Dim::symbol("time"), &[start, xs], 1);
    let at = environment(&[Tensor::from(10.0), Tensor::from([1.0, 2.0, 3.0])]);
    assert_eq!(value(&graph, last, &at).item(), Ok(16.0));
    assert_eq!(value(&graph, stacked, &at).to_f64_vec(), [10.0, 11.0, 13.0]);
    let empty = environment(&[Tensor::from(10.0), Tensor::from(Vec::<f64>::new())]);
    assert_eq!(value(&graph, last, &empty).item(), Ok(10.0));
    assert_eq!(value(&graph, stacked, &empty).shape(), [0]);
}

#[test]
fn gradients_of_a_recurrence_to_second_order() {
    let (mut graph, sum, operands, mut point) = network();
    let first = differentiate(&mut graph, sum, &operands).expect("gradients");
    verify(&graph).expect("sound");
    assert_gradients(&graph, sum, &first, &point);
    let mut numbers = Numbers::new(5);
    let mut sum = graph.constant(ElementType::F64, 0.0);
    for (&gradient, shape) in first.iter().zip(SHAPES) {
        let weights = input(&mut graph, shape);
        point.push(numbers.tensor(shape, -1.0, 1.0));
        let term = inner_product(&mut graph, weights, gradient);
        sum = binary(&mut graph, Binary::Add, sum, term);
    }
    let second = differentiate(&mut graph, sum, &operands).expect("second gradients");
    verify(&graph).expect("sound");
    assert_gradients(&graph, sum, &second, &point);
}

#[test]
fn a_value_that_is_carried_and_stacked_takes_both_gradients() {
    let mut body = Graph::new();
    let (h, x) = (body_input(&mut body, &[]), body_input(&mut body, &[]));
    let sum = binary(&mut body, Binary::Add, h, x);
    let next = unary(&mut body, Unary::Tanh, sum);
    body.results = vec![(Purpose::Output("h".into()), next), (Purpose::Output("y".into()), next)];

    let (mut graph, body) = (Graph::new(), Arc::new(body));
    let operands = [input(&mut graph, &[]), input(&mut graph, &[3])];
    let (last, stacked) =
        (scan(&mut graph, &body, 3, &operands, 0), scan(&mut graph, &body, 3, &operands, 1));
    let weights = input(&mut graph, &[3]);
    let of_stacked = inner_product(&mut graph, weights, stacked);
    let sum = binary(&mut graph, Binary::Add, last, of_stacked);
    let gradients = differentiate(&mut graph, sum, &operands).expect("gradients");
    let mut numbers = Numbers::new(9);
    let shapes: [&[usize]; 3] = [&[], &[3], &[3]];
    let point: Vec<Tensor> = shapes.into_iter().map(|shape| numbers.tensor(shape, -1.0, 1.0)).collect();
    assert_gradients(&graph, sum, &gradients, &point);
}

#[test]
fn only_what_is_asked_for() {
    let (mut graph, sum, operands, point) = network();
    let by_w = differentiate(&mut graph, sum, &operands[3..]).expect("a gradient")[0];
    let all = differentiate(&mut graph, sum, &operands).expect("gradients");
    let at = environment(&point);
    let (alone, among_all) = (value(&graph, by_w, &at), value(&graph, all[3], &at));
    for (a, b) in alone.to_f64_vec().iter().zip(among_all.to_f64_vec()) {
        assert!((a - b).abs() < 1e-12);
    }
}

#[test]
fn passes_keep_loops_and_simplify_their_bodies() {
    let (mut graph, sum, operands, point) = network();
    let gradients = differentiate(&mut graph, sum, &operands).expect("gradients");
    graph.results = vec![(Purpose::Output("s".into()), sum)];
    let named = gradients.iter().enumerate().map(|(i, &id)| (Purpose::Gradient(format!("x{i}").into()), id));
    graph.results.extend(named);
    let optimized = optimize(&graph);
    verify(&optimized).expect("sound");
    let at = environment(&point);
    for ((_, before), (_, after)) in graph.results.iter().zip(&optimized.results) {
        let (before, after) =
            (value(&graph, *before, &at).to_f64_vec(), value(&optimized, *after, &at).to_f64_vec());
        assert!(before.iter().zip(&after).all(|(x, y)| (x - y).abs() < 1e-9), "{before:?} became {after:?}");
    }
}

#[test]
fn bodies_are_simplified() {
    let mut body = Graph::new();
    let (h, x) = (body_input(&mut body, &[2]), body_input(&mut body, &[2]));
    let nothing = body.full_like(h, 0.0);
    let same = binary(&mut body, Binary::Add, h, nothing);
    let next = binary(&mut body, Binary::Mul, same, x);
    body.results = vec![(Purpose::Output("h".into()), next)];
    let mut graph = Graph::new();
    let (start, xs) = (input(&mut graph, &[2]), input(&mut graph, &[3, 2]));
    let last = scan(&mut graph, &Arc::new(body), 3, &[start, xs], 0);
    graph.results = vec![(Purpose::Output("y".into()), last)];
    let optimized = optimize(&graph);
    let Op::Scan { body, .. } = optimized.op(optimized.results[0].1) else { panic!("no loop is left") };
    assert_eq!(support::show(body, body.results[0].1), "mul(b0, b1)");
}

/// A loop over `x: [time]` whose iterations look up in `table: [places]` and count in `other`.
fn looks_up() -> Graph {
    let mut body = Graph::new();
    let x = body_input(&mut body, &[]);
    let ty = Type::new(ElementType::F64, [Dim::symbol("places")]);
    let table = body.add_input(Input { name: "table".into(), ty: ty.clone(), role: Role::Body, below: None });
    let index = body.constant(ElementType::I32, 0.0);
    let found = body.add(Op::Gather { axis: 0, batch: 0 }, &[table, index]);
    let other = body.add(Op::DimValue { dim: Dim::symbol("other"), element: ElementType::F64 }, &[]);
    let sum = binary(&mut body, Binary::Add, found, x);
    let sum = binary(&mut body, Binary::Mul, sum, other);
    body.results = vec![(Purpose::Output("y".into()), sum)];

    let mut graph = Graph::new();
    let length = Dim::symbol("time");
    let xs = input_of(&mut graph, ElementType::F64, [length.clone()]);
    let table = graph.add_input(Input { name: "table".into(), ty, role: Role::Input, below: None });
    input_of(&mut graph, ElementType::F64, [Dim::symbol("other")]);
    let op = Op::Scan {
        body: Arc::new(body),
        carried: 0,
        sliced: 1,
        length,
        reversed: false,
        recompute: false,
        result: 0,
    };
    let y = graph.add(op, &[xs, table]);
    graph.results = vec![(Purpose::Output("y".into()), y)];
    graph
}

#[test]
fn sizes_within_a_body_are_checked_and_asked_for() {
    let graph = looks_up();
    let bound =
        |places| [("time", 2), ("places", places), ("other", 3)].map(|(name, size)| (name.into(), size));
    assert_eq!(check_sizes(&graph, &bound(1).into()), Ok(()));
    let error = check_sizes(&graph, &bound(0).into()).expect_err("nothing to look up");
    assert!(error.message.starts_with("elements are looked up"), "{error}");
    // The third input is not read, but it tells a size that the body needs.
    let needed = optimize(&graph);
    assert!(!needed.ids().any(|id| *needed.op(id) == Op::Input(2)));
    assert_eq!(asked_inputs(&needed).into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn what_is_taken_back_was_never_there() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[2]);
    let kept = unary(&mut graph, Unary::Exp, x);
    let before = graph.clone();
    let (nodes, inputs) = (graph.len(), graph.inputs.len());
    let y = input(&mut graph, &[3]);
    let of_y = unary(&mut graph, Unary::Exp, y);
    unary(&mut graph, Unary::Log, kept);
    graph.set_label(of_y, "gone".into());
    graph.truncate(nodes, inputs);
    assert_eq!(graph, before);

    // What is added again is new, and what was there is found.
    assert_eq!(unary(&mut graph, Unary::Exp, x), kept);
    let again = unary(&mut graph, Unary::Log, kept);
    assert_eq!((again.index(), graph.len()), (nodes, nodes + 1));
    assert_eq!(graph.label(again), None);
    verify(&graph).expect("sound");
}

/// Carried: a, b, c [2]; sliced: x, z [2]; captured: u [2]. a ← a + x; b ← b·z + a; c ← c + b·u; yields a·a and c.
fn three() -> Arc<Graph> {
    let mut body = Graph::new();
    let [a, b, c, x, z, u] = std::array::from_fn(|_| body_input(&mut body, &[2]));
    let next_a = binary(&mut body, Binary::Add, a, x);
    let product = binary(&mut body, Binary::Mul, b, z);
    let next_b = binary(&mut body, Binary::Add, product, a);
    let product = binary(&mut body, Binary::Mul, b, u);
    let next_c = binary(&mut body, Binary::Add, c, product);
    let square = binary(&mut body, Binary::Mul, a, a);
    let results = [next_a, next_b, next_c, square, c].into_iter().enumerate();
    body.results = results.map(|(n, id)| (Purpose::Output(format!("{n}").into()), id)).collect();
    Arc::new(body)
}

/// How many values a graph's loops carry, slice, capture and stack.
fn taken(graph: &Graph) -> Vec<[usize; 4]> {
    let loops = graph.ids().filter_map(|id| {
        let Op::Scan { body, carried, sliced, .. } = graph.op(id) else { return None };
        let captured = graph.operands_of(id).len() - carried - sliced;
        Some([*carried, *sliced, captured, body.results.len() - carried])
    });
    loops.collect()
}

#[test]
fn what_nobody_needs_is_not_carried() {
    let body = three();
    // The result that is asked for, and what its loop takes then.
    for (result, expected) in
        [(0, [1, 1, 0, 0]), (1, [2, 2, 0, 0]), (2, [3, 2, 1, 0]), (3, [1, 1, 0, 1]), (4, [3, 2, 1, 1])]
    {
        let (mut graph, mut numbers) = (Graph::new(), Numbers::new(5));
        let shapes: [&[usize]; 6] = [&[2], &[2], &[2], &[4, 2], &[4, 2], &[2]];
        let given: Vec<NodeId> = shapes.iter().map(|shape| input(&mut graph, shape)).collect();
        let point: Vec<Tensor> = shapes.iter().map(|shape| numbers.tensor(shape, -1.0, 1.0)).collect();
        // What only the loop needs goes, too.
        let operands: Vec<NodeId> = given.iter().map(|&x| unary(&mut graph, Unary::Exp, x)).collect();
        let op = |result| Op::Scan {
            body: body.clone(),
            carried: 3,
            sliced: 2,
            length: 4.into(),
            reversed: false,
            recompute: false,
            result,
        };
        let y = graph.add(op(result), &operands);
        graph.results = vec![(Purpose::Output("y".into()), y)];
        let optimized = optimize(&graph);
        verify(&optimized).expect("a graph that holds");
        assert_eq!(taken(&optimized), [expected]);
        let exponentials = optimized.ids().filter(|&id| *optimized.op(id) == Op::Unary(Unary::Exp)).count();
        assert_eq!(exponentials, expected[..3].iter().sum::<usize>());
        let whole = value(&graph, y, &environment(&point)).to_f64_vec();
        let pruned = value(&optimized, optimized.results[0].1, &environment(&point)).to_f64_vec();
        assert_eq!(whole, pruned);

        // Two results of one loop remain results of one loop.
        let other = graph.add(op(0), &operands);
        graph.results.push((Purpose::Output("other".into()), other));
        let both = taken(&optimize(&graph));
        assert!(both.windows(2).all(|pair| pair[0] == pair[1]), "{both:?}");
    }
}
