//! The gradient of a selection is a selection: nothing of the side not taken gets into a gradient, neither a NaN nor an infinity, in first
//! and second derivatives, through whatever stands behind the selection.

mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use proptest::prelude::*;
use support::{binary, environment, inner_product, input, unary, value};

/// First and second derivatives of Σ f(x) by x, where the second is that of Σ f′(x).
fn derivatives(points: &[f64], f: impl Fn(&mut Graph, NodeId) -> NodeId) -> [Vec<f64>; 2] {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[points.len()]);
    let y = f(&mut graph, x);
    let first = differentiate(&mut graph, y, &[x]).expect("has a gradient")[0];
    let second = differentiate(&mut graph, first, &[x]).expect("has a second gradient")[0];
    [first, second].map(|id| value(&graph, id, &environment(&[Tensor::from(points)])).to_f64_vec())
}

fn slopes(points: &[f64], f: impl Fn(&mut Graph, NodeId) -> NodeId) -> Vec<f64> {
    let [first, _] = derivatives(points, f);
    first
}

fn constant(graph: &mut Graph, like: NodeId, value: f64) -> NodeId {
    graph.full_like(like, value)
}

fn compare(graph: &mut Graph, x: NodeId, comparison: Compare, value: f64) -> NodeId {
    let value = graph.full_like(x, value);
    graph.add(Op::Compare(comparison), &[x, value])
}

/// select(x > 0, y, 0).
fn where_positive(graph: &mut Graph, x: NodeId, y: NodeId) -> NodeId {
    let mask = compare(graph, x, Compare::Greater, 0.0);
    let zero = graph.full_like(y, 0.0);
    graph.add(Op::Select, &[mask, y, zero])
}

#[test]
fn functions_outside_their_domain_have_no_slope() {
    let guarded = |f: fn(&mut Graph, NodeId) -> NodeId| {
        derivatives(&[-1.0, 0.0, 4.0], move |graph, x| {
            let y = f(graph, x);
            where_positive(graph, x, y)
        })
    };
    let [first, second] = guarded(|graph, x| unary(graph, Unary::Sqrt, x));
    assert_eq!((first, second), (vec![0.0, 0.0, 0.25], vec![0.0, 0.0, -1.0 / 32.0]));
    let [first, second] = guarded(|graph, x| {
        let log = unary(graph, Unary::Log, x);
        binary(graph, Binary::Mul, log, x)
    });
    assert_eq!((first, second), (vec![0.0, 0.0, 4_f64.ln() + 1.0], vec![0.0, 0.0, 0.25]));
    let [first, second] = guarded(|graph, x| {
        let one = constant(graph, x, 1.0);
        binary(graph, Binary::Div, one, x)
    });
    assert_eq!((first, second), (vec![0.0, 0.0, -1.0 / 16.0], vec![0.0, 0.0, 2.0 / 64.0]));
    let [first, second] = guarded(|graph, x| {
        let half = constant(graph, x, 0.5);
        binary(graph, Binary::Pow, x, half)
    });
    assert_eq!((first, second), (vec![0.0, 0.0, 0.25], vec![0.0, 0.0, -1.0 / 32.0]));
    let [first, second] = derivatives(&[0.0, 1e4], |graph, x| {
        let small = compare(graph, x, Compare::Less, 100.0);
        let (e, zero) = (unary(graph, Unary::Exp, x), constant(graph, x, 0.0));
        graph.add(Op::Select, &[small, e, zero])
    });
    assert_eq!((first, second), (vec![1.0, 0.0], vec![1.0, 0.0]));
}

#[test]
fn each_side_is_protected_from_the_other() {
    // −log(−x) below 0, √x above.
    let [first, second] = derivatives(&[-2.0, 4.0], |graph, x| {
        let opposite = unary(graph, Unary::Neg, x);
        let below = unary(graph, Unary::Log, opposite);
        let above = unary(graph, Unary::Sqrt, x);
        let mask = compare(graph, x, Compare::Less, 0.0);
        graph.add(Op::Select, &[mask, below, above])
    });
    assert_eq!((first, second), (vec![-0.5, 0.25], vec![-0.25, -1.0 / 32.0]));
}

#[test]
fn selections_in_selections_and_beside_each_other() {
    let nested = slopes(&[-1.0, 0.0, 4.0, 9.0], |graph, x| {
        let root = unary(graph, Unary::Sqrt, x);
        let small = compare(graph, x, Compare::Less, 5.0);
        let zero = constant(graph, x, 0.0);
        let inner = graph.add(Op::Select, &[small, root, zero]);
        where_positive(graph, x, inner)
    });
    assert_eq!(nested, [0.0, 0.0, 0.25, 0.0]);
    // Taken where x > 5 by the one and where x < −5 by the other: in between by none.
    let beside = slopes(&[-16.0, 0.0, 16.0], |graph, x| {
        let size = unary(graph, Unary::Abs, x);
        let root = unary(graph, Unary::Sqrt, size);
        let zero = constant(graph, x, 0.0);
        let [low, high] = [(Compare::Less, -5.0), (Compare::Greater, 5.0)]
            .map(|(comparison, bound)| compare(graph, x, comparison, bound));
        let [low, high] = [low, high].map(|mask| graph.add(Op::Select, &[mask, root, zero]));
        binary(graph, Binary::Add, low, high)
    });
    assert_eq!(beside, [-0.125, 0.0, 0.125]);
    // The same side and both sides of one mask.
    let both = slopes(&[-4.0, 0.0, 4.0], |graph, x| {
        let root = unary(graph, Unary::Sqrt, x);
        let (mask, zero) = (compare(graph, x, Compare::Greater, 0.0), constant(graph, x, 0.0));
        let inner = graph.add(Op::Select, &[mask, root, zero]);
        graph.add(Op::Select, &[mask, zero, inner])
    });
    assert_eq!(both, [0.0, 0.0, 0.0]);
    let many = slopes(&[0.0, 0.5, 4.0, 20.0], |graph, x| {
        let root = unary(graph, Unary::Sqrt, x);
        (0..12).fold(root, |y, bound| {
            let (mask, zero) =
                (compare(graph, x, Compare::Greater, f64::from(bound) / 4.0), constant(graph, x, 0.0));
            graph.add(Op::Select, &[mask, y, zero])
        })
    });
    assert_eq!(many, [0.0, 0.0, 0.25, 0.5 / 20_f64.sqrt()]);
}

#[test]
fn rules_with_selections_of_their_own() {
    let extreme = |function, bound: f64| {
        slopes(&[0.0, 4.0], move |graph, x| {
            let root = unary(graph, Unary::Sqrt, x);
            let bound = constant(graph, x, bound);
            binary(graph, function, root, bound)
        })
    };
    assert_eq!(extreme(Binary::Max, 1.0), [0.0, 0.25]);
    assert_eq!(extreme(Binary::Max, 2.0), [0.0, 0.125]);
    assert_eq!(
        slopes(&[0.0, 4.0], |graph, x| {
            let (zero, log) = (constant(graph, x, 0.0), unary(graph, Unary::Log, x));
            let opposite = unary(graph, Unary::Neg, log);
            binary(graph, Binary::Min, opposite, zero)
        })[0],
        0.0
    );
    let greatest = slopes(&[0.0, 4.0], |graph, x| {
        let root = unary(graph, Unary::Sqrt, x);
        graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![0] }, &[root])
    });
    assert_eq!(greatest, [0.0, 0.25]);
    // By the base, where the exponent is 0 and the base is made of a root at 0.
    let flat = slopes(&[0.0, 4.0], |graph, x| {
        let root = unary(graph, Unary::Sqrt, x);
        let zero = constant(graph, x, 0.0);
        binary(graph, Binary::Pow, root, zero)
    });
    assert_eq!(flat, [0.0, 0.0]);
}

/// √x, moved, under a mask that leaves out where x is 0.
fn moved(points: &[f64], shape: &[usize], f: impl Fn(&mut Graph, NodeId) -> NodeId) -> Vec<f64> {
    let mut graph = Graph::new();
    let x = input(&mut graph, shape);
    let root = unary(&mut graph, Unary::Sqrt, x);
    let (y, z) = (f(&mut graph, root), f(&mut graph, x));
    let y = where_positive(&mut graph, z, y);
    let gradient = differentiate(&mut graph, y, &[x]).expect("has a gradient")[0];
    let point = Tensor::new(shape, points.to_vec()).expect("as many as the shape has");
    value(&graph, gradient, &environment(&[point])).to_f64_vec()
}

#[test]
fn masks_follow_through_movements() {
    let points = [0.0, 1.0, 4.0, 16.0, 0.0, 64.0];
    let expected = [0.0, 0.5, 0.25, 0.125, 0.0, 0.0625];
    let through = |op: Op| moved(&points, &[2, 3], move |graph, x| graph.add(op.clone(), &[x]));
    assert_eq!(through(Op::Reshape([3, 2].into())), expected);
    assert_eq!(through(Op::Transpose(vec![1, 0])), expected);
    assert_eq!(through(Op::Reverse(vec![1])), expected);
    let padding = |low: i64, interior| Padding { low: low.into(), high: 1.into(), interior };
    assert_eq!(through(Op::Pad(vec![padding(1, 0), padding(0, 1)])), expected);
    let wide = through(Op::Broadcast { shape: [4, 2, 3].into(), axes: vec![1, 2] });
    assert_eq!(wide, expected.map(|slope| 4.0 * slope));
    let range = |start: i64, end: i64| Range { start: start.into(), end: end.into(), stride: 1 };
    let cut = through(Op::Slice(vec![range(0, 2), range(0, 2)]));
    assert_eq!(cut, [0.0, 0.5, 0.0, 0.125, 0.0, 0.0]);
    let twice = moved(&points, &[2, 3], |graph, x| graph.add(Op::Concatenate { axis: 1 }, &[x, x]));
    assert_eq!(twice, expected.map(|slope| 2.0 * slope));
}

#[test]
fn a_broadcast_counts_where_one_of_its_copies_does() {
    // √v, v = (0, 4), spread over two rows and taken at (0, 1) alone.
    let mut graph = Graph::new();
    let (v, m) = (input(&mut graph, &[2]), input(&mut graph, &[2, 2]));
    let root = unary(&mut graph, Unary::Sqrt, v);
    let wide = graph.add(Op::Broadcast { shape: [2, 2].into(), axes: vec![1] }, &[root]);
    let y = where_positive(&mut graph, m, wide);
    let gradient = differentiate(&mut graph, y, &[v]).expect("has a gradient")[0];
    let at = environment(&[Tensor::from([0.0, 4.0]), Tensor::from([[0.0, 1.0], [0.0, 0.0]])]);
    assert_eq!(value(&graph, gradient, &at).to_f64_vec(), [0.0, 0.25]);
}

#[test]
fn rows_without_an_answer_leave_their_sums_out() {
    // Per row: known ? Σ (p − y)² : 0, with y NaN where unknown.
    let mut graph = Graph::new();
    let (p, y, known) = (input(&mut graph, &[2, 2]), input(&mut graph, &[2, 2]), input(&mut graph, &[2]));
    let d = binary(&mut graph, Binary::Sub, p, y);
    let squares = binary(&mut graph, Binary::Mul, d, d);
    let rows = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[squares]);
    let loss = where_positive(&mut graph, known, rows);
    let first = differentiate(&mut graph, loss, &[p]).expect("has a gradient")[0];
    let second = differentiate(&mut graph, first, &[p]).expect("has a second gradient")[0];
    let targets = Tensor::from([[f64::NAN, 1.0], [1.0, 0.5]]);
    let at = environment(&[Tensor::from([[1.0, 2.0], [3.0, 0.5]]), targets, Tensor::from([0.0, 1.0])]);
    assert_eq!(value(&graph, first, &at).to_f64_vec(), [0.0, 0.0, 4.0, 0.0]);
    assert_eq!(value(&graph, second, &at).to_f64_vec(), [0.0, 0.0, 2.0, 2.0]);
}

/// Where values count: `mask` is true in these places.
const MASK: [f64; 6] = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0];

/// A sum over selections of values that are made of `x` and of `spoiled`, as the bytes say: values beside each other in a pool,
/// elementwise, and moved there and back.
fn random_sum(graph: &mut Graph, bytes: &[u8], x: NodeId, spoiled: NodeId, mask: NodeId) -> NodeId {
    let mask = compare(graph, mask, Compare::Greater, 0.0);
    let mut pool = vec![binary(graph, Binary::Mul, x, spoiled), x, spoiled];
    let mut total = graph.constant(ElementType::F64, 0.0);
    for chunk in bytes.chunks_exact(3) {
        let pick = |byte: u8| pool[usize::from(byte) % pool.len()];
        let (a, b) = (pick(chunk[1]), pick(chunk[2]));
        let node = match chunk[0] % 10 {
            0 => binary(graph, Binary::Add, a, b),
            1 => binary(graph, Binary::Mul, a, b),
            2 => binary(graph, Binary::Div, a, b),
            3 => unary(graph, Unary::Log, a),
            4 => unary(graph, Unary::Tanh, a),
            5 => unary(graph, Unary::Sqrt, a),
            6 => binary(graph, Binary::Max, a, b),
            7 => {
                let flat = graph.add(Op::Reshape([6].into()), &[a]);
                let flat = unary(graph, Unary::Sin, flat);
                graph.add(Op::Reshape([2, 3].into()), &[flat])
            }
            8 => {
                let turned = graph.add(Op::Transpose(vec![1, 0]), &[a]);
                let turned = unary(graph, Unary::Exp, turned);
                graph.add(Op::Transpose(vec![1, 0]), &[turned])
            }
            _ => {
                let lower = graph.add(Op::Compare(Compare::Less), &[a, b]);
                graph.add(Op::Select, &[lower, a, b])
            }
        };
        pool.push(node);
        if chunk[0] >= 128 {
            let zero = graph.full_like(node, 0.0);
            let chosen = graph.add(Op::Select, &[mask, node, zero]);
            let part = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 1] }, &[chosen]);
            total = binary(graph, Binary::Add, total, part);
        }
    }
    total
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What stands in places that count nowhere changes no gradient, in first and second order.
    #[test]
    fn spoiled_places_change_nothing(
        bytes in prop::collection::vec(any::<u8>(), 3..36),
        at in prop::collection::vec(0.5..2.0_f64, 12),
        poison in prop::sample::select(vec![f64::NAN, f64::INFINITY, 0.0, -1.0]),
    ) {
        let mut graph = Graph::new();
        let [x, spoiled, mask, v] = [(); 4].map(|()| input(&mut graph, &[2, 3]));
        let total = random_sum(&mut graph, &bytes, x, spoiled, mask);
        let first = differentiate(&mut graph, total, &[x]).expect("has a gradient")[0];
        let along = inner_product(&mut graph, v, first);
        let second = differentiate(&mut graph, along, &[x]).expect("has a second gradient")[0];
        let tensor = |values: Vec<f64>| Tensor::new([2, 3], values).expect("six");
        let of = |poison: Option<f64>, id: NodeId| {
            let place = |i: usize| if MASK[i] > 0.0 { at[6 + i] } else { poison.unwrap_or(at[6 + i]) };
            let spoiled = (0..6).map(place).collect();
            let point = [tensor(at[..6].to_vec()), tensor(spoiled), tensor(MASK.to_vec()), tensor(vec![1.0; 6])];
            value(&graph, id, &environment(&point)).to_f64_vec()
        };
        for id in [first, second] {
            for (clean, spoiled) in of(None, id).into_iter().zip(of(Some(poison), id)) {
                prop_assert!(clean == spoiled || clean.is_nan() && spoiled.is_nan(), "{clean} became {spoiled}");
            }
        }
    }
}
