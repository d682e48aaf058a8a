//! Passes preserve meaning: random graphs with their gradients, run before and after, at ordinary and at extreme points.

mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::interpret::{Precision, interpret};
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary, Window};
use downhill_graph::passes::{eliminate_dead, optimize, simplify};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use downhill_graph::verify::verify;
use proptest::prelude::*;
use support::{Choices, binary, environment, input, input_of, show, unary};

const UNARY: [Unary; 11] = [
    Unary::Neg,
    Unary::Neg,
    Unary::Exp,
    Unary::Tanh,
    Unary::Logistic,
    Unary::Softplus,
    Unary::Sin,
    Unary::Abs,
    Unary::Erf,
    Unary::NormalCdf,
    Unary::Bell,
];
const BINARY: [Binary; 8] =
    [Binary::Add, Binary::Sub, Binary::Mul, Binary::Mul, Binary::Div, Binary::Max, Binary::Min, Binary::Add];
/// Powers of two, so that folding is exact.
const CONSTANTS: [f64; 6] = [0.0, 1.0, -1.0, 2.0, 0.5, -0.25];

/// A divisor: the sign of a zero may change, and with it the infinity that dividing by it gives.
fn away_from_zero(graph: &mut Graph, x: NodeId) -> NodeId {
    let square = binary(graph, Binary::Mul, x, x);
    let half = graph.full_like(x, 0.5);
    binary(graph, Binary::Add, square, half)
}

/// So many indices: −1, 0, 1, … from some number on.
fn indices(graph: &mut Graph, choices: &mut Choices<'_>, count: usize) -> NodeId {
    let shape = [count as i64].into();
    let count = graph.add(Op::Iota { shape, axis: 0 }, &[]);
    let (step, start) = (choices.below(3) as f64, choices.below(3) as f64 - 1.0);
    let (step, start) = (graph.full_like(count, step), graph.full_like(count, start));
    let scaled = binary(graph, Binary::Mul, count, step);
    binary(graph, Binary::Add, scaled, start)
}

/// Adds one node made of earlier ones; every value is `[2, 3]`, or comes back to it.
fn grow(graph: &mut Graph, pool: &mut Vec<NodeId>, choices: &mut Choices<'_>) {
    let (a, b) = (choices.of(pool), choices.of(pool));
    let node = match choices.below(20) {
        0 | 1 => unary(graph, choices.of(&UNARY), a),
        2..=4 => {
            let function = choices.of(&BINARY);
            let b = if function == Binary::Div { away_from_zero(graph, b) } else { b };
            binary(graph, function, a, b)
        }
        5 | 6 => {
            let value = graph.full_like(a, choices.of(&CONSTANTS));
            let function = choices.of(&BINARY);
            match (choices.below(2), function) {
                (0, _) => binary(graph, function, a, value),
                (_, Binary::Div) => {
                    let a = away_from_zero(graph, a);
                    binary(graph, function, value, a)
                }
                _ => binary(graph, function, value, a),
            }
        }
        7 => {
            let comparison = choices.of(&[Compare::Less, Compare::GreaterEqual, Compare::Equal]);
            let mask = graph.add(Op::Compare(comparison), &[a, b]);
            let zero = graph.full_like(a, 0.0);
            let operands = choices.of(&[[mask, a, zero], [mask, zero, b], [mask, b, a]]);
            graph.add(Op::Select, &operands)
        }
        8 => {
            let turned = graph.add(Op::Transpose(vec![1, 0]), &[a]);
            let changed = unary(graph, choices.of(&UNARY), turned);
            graph.add(Op::Transpose(vec![1, 0]), &[changed])
        }
        9 => {
            let flat = graph.add(Op::Reshape([6].into()), &[a]);
            graph.add(Op::Reshape([2, 3].into()), &[flat])
        }
        10 => {
            let kind = choices.of(&[Reduction::Sum, Reduction::Max, Reduction::Sum]);
            let axis = choices.below(2);
            let folded = graph.add(Op::Reduce { kind, axes: vec![axis] }, &[a]);
            graph.add(Op::Broadcast { shape: [2, 3].into(), axes: vec![1 - axis] }, &[folded])
        }
        11 => {
            let total = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 1] }, &[a]);
            graph.spread(total, &[2, 3].into())
        }
        12 => {
            let square = graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 1)] }, &[a, b]);
            graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[square, a])
        }
        13 => {
            let range = |start: i64, end: i64| Range { start: start.into(), end: end.into(), stride: 1 };
            let column = graph.add(Op::Slice(vec![range(0, 2), range(1, 2)]), &[a]);
            let row = graph.add(Op::Slice(vec![range(0, 1), range(0, 3)]), &[b]);
            graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[column, row])
        }
        14 => {
            let range = |end: i64| Range { start: 0.into(), end: end.into(), stride: 2 };
            let thin = graph.add(Op::Slice(vec![range(2), range(3)]), &[a]);
            let padding = |low: i64, interior| Padding { low: low.into(), high: 0.into(), interior };
            graph.add(Op::Pad(vec![padding(1, 0), padding(0, 1)]), &[thin])
        }
        18 => {
            let window =
                Window { axis: 1, taps: 2.into(), stride: 1.into(), dilation: choices.of(&[1, 2]).into() };
            let seen = graph.add(Op::Window(window.clone()), &[a]);
            let seen = unary(graph, choices.of(&UNARY), seen);
            graph.add(Op::Fold { window, size: 3.into() }, &[seen])
        }
        15 => graph.add(Op::CumulativeSum { axis: choices.below(2) }, &[a]),
        16 => {
            // Some indices lie outside, some repeat.
            let axis = choices.below(2);
            let at = indices(graph, choices, 3 - axis);
            let rows = graph.add(Op::Gather { axis: 1 - axis, batch: 0 }, &[a, at]);
            let size = [2, 3][1 - axis].into();
            graph.add(Op::ScatterAdd { axis: 1 - axis, batch: 0, size }, &[rows, at])
        }
        17 => {
            let at = indices(graph, choices, 2);
            let picked = graph.add(Op::Gather { axis: 1, batch: 1 }, &[a, at]);
            graph.add(Op::ScatterAdd { axis: 1, batch: 1, size: 3.into() }, &[picked, at])
        }
        _ => choices
            .of(&[Op::StopGradient, Op::Reverse(vec![1]), Op::StopGradient].map(|op| graph.add(op, &[a]))),
    };
    pool.push(node);
}

/// A graph of two inputs with its last value, its sum, and the sum's gradients as results.
fn random_graph(bytes: &[u8], element: ElementType) -> Graph {
    let mut graph = Graph::new();
    let mut pool = match element {
        ElementType::F64 => vec![input(&mut graph, &[2, 3]), input(&mut graph, &[2, 3])],
        _ => vec![input_of(&mut graph, element, [2, 3]), input_of(&mut graph, element, [2, 3])],
    };
    let wrt = pool.clone();
    let mut choices = Choices::new(bytes);
    for _ in 0..bytes.len() / 5 {
        grow(&mut graph, &mut pool, &mut choices);
    }
    let last = *pool.last().expect("inputs at least");
    let gradients = differentiate(&mut graph, last, &wrt).expect("all ops have gradients");
    graph.results.push((Purpose::Output("y".into()), last));
    let named =
        gradients.into_iter().enumerate().map(|(i, id)| (Purpose::Gradient(format!("x{i}").into()), id));
    graph.results.extend(named);
    graph
}

/// Every result as a formula.
fn formulas(graph: &Graph) -> String {
    let lines = graph.results.iter().map(|(purpose, id)| format!("{purpose:?} = {}", show(graph, *id)));
    lines.collect::<Vec<_>>().join("\n")
}

fn values(graph: &Graph, point: &[Tensor], precision: Precision) -> Vec<f64> {
    let results = interpret(graph, &environment(point), precision).expect("runs");
    results.into_iter().flat_map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn point() -> impl Strategy<Value = Vec<Tensor>> {
    let ordinary = prop_oneof![8 => -2.0..2.0_f64, 1 => Just(0.0), 1 => Just(1.0)];
    let tensor = prop::collection::vec(ordinary, 6).prop_map(|v| Tensor::new([2, 3], v).expect("six"));
    prop::collection::vec(tensor, 2)
}

fn extreme_point() -> impl Strategy<Value = Vec<Tensor>> {
    let extreme = prop_oneof![
        4 => -2.0..2.0_f64,
        1 => Just(0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY)
    ];
    let tensor = prop::collection::vec(extreme, 6).prop_map(|v| Tensor::new([2, 3], v).expect("six"));
    prop::collection::vec(tensor, 2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn optimize_preserves_meaning(bytes in prop::collection::vec(any::<u8>(), 5..60), at in point()) {
        let graph = random_graph(&bytes, ElementType::F64);
        verify(&graph).expect("sound");
        let optimized = optimize(&graph);
        verify(&optimized).expect("sound");
        let (before, after) = (values(&graph, &at, Precision::F64), values(&optimized, &at, Precision::F64));
        let scale = before.iter().copied().filter(|x| x.is_finite()).fold(1.0, |scale: f64, x| scale.max(x.abs()));
        for (x, y) in before.iter().zip(&after) {
            let alike = x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-6 * scale;
            prop_assert!(alike, "{x} became {y}\n{}\n{}", formulas(&graph), formulas(&optimize(&graph)));
        }
    }

    #[test]
    fn what_is_not_finite_stays_so(bytes in prop::collection::vec(any::<u8>(), 5..40), at in extreme_point()) {
        let graph = random_graph(&bytes, ElementType::F64);
        let (before, after) =
            (values(&graph, &at, Precision::F64), values(&optimize(&graph), &at, Precision::F64));
        for (x, y) in before.iter().zip(&after) {
            let alike = (x.is_nan() && y.is_nan()) || x == y || (x.is_finite() && y.is_finite());
            prop_assert!(alike, "{x} became {y}\n{}\n{}", formulas(&graph), formulas(&optimize(&graph)));
        }
    }

    #[test]
    fn simplification_settles(bytes in prop::collection::vec(any::<u8>(), 5..100)) {
        let graph = random_graph(&bytes, ElementType::F32);
        let once = simplify(&graph);
        prop_assert_eq!(&once, &simplify(&once));
        prop_assert!(once.len() <= 2 * eliminate_dead(&graph).len());
    }

    #[test]
    fn dead_nodes_carry_no_meaning(bytes in prop::collection::vec(any::<u8>(), 5..60), at in point()) {
        let graph = random_graph(&bytes, ElementType::F64);
        let (before, after) =
            (values(&graph, &at, Precision::F64), values(&eliminate_dead(&graph), &at, Precision::F64));
        for (x, y) in before.iter().zip(&after) {
            prop_assert!(x == y || (x.is_nan() && y.is_nan()));
        }
    }
}
