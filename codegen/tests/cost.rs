//! What functions are said to cost: arithmetic and bytes of formulas that a person can count.

mod common;

use downhill_codegen::schedule::cost::{Cost, Counted, MemoryLevel, Speed};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::op::{Binary, Op, Reduction, Unary, Window};
use downhill_graph::passes::optimize;
use downhill_graph::types::{ElementType, Shape, Type};

fn input(graph: &mut Graph, name: &str, dims: &[&str]) -> NodeId {
    let shape = Shape(dims.iter().map(|dim| Dim::symbol(dim)).collect());
    let ty = Type::new(ElementType::F32, shape);
    graph.add_input(Input { name: name.into(), ty, role: Role::Input, below: None })
}

/// What each function of the graph costs whose result this is.
fn costs(mut graph: Graph, result: NodeId, fixed: &Bindings) -> Vec<Cost> {
    graph.results.push((Purpose::Output("z".into()), result));
    common::entry(&graph, fixed).functions.into_iter().map(|function| function.cost).collect()
}

fn sizes(sizes: &[(&str, i64)]) -> Bindings {
    sizes.iter().map(|&(name, size)| (name.into(), size)).collect()
}

/// `[m, k] · [k, n]`.
fn product(fixed: &Bindings) -> Cost {
    let mut graph = Graph::new();
    let (x, y) = (input(&mut graph, "x", &["m", "k"]), input(&mut graph, "y", &["k", "n"]));
    let z = graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, y]);
    costs(graph, z, fixed).remove(0)
}

fn apply(unaries: &[Unary]) -> Cost {
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", &["n"]);
    let z = unaries.iter().fold(x, |x, &unary| graph.add(Op::Unary(unary), &[x]));
    costs(graph, z, &Bindings::new()).remove(0)
}

#[test]
fn a_product_is_two_operations_a_term_and_touches_each_matrix_once() {
    let cost = product(&Bindings::new());
    let [m, k, n] = ["m", "k", "n"].map(Dim::symbol);
    assert_eq!(cost.arithmetic, &(&(&m * &k) * &n) * &Dim::from(2));
    assert_eq!(cost.read, &(&(&m * &k) + &(&k * &n)) * &Dim::from(4));
    assert_eq!(cost.written, &(&m * &n) * &Dim::from(4));
    let known = sizes(&[("m", 64), ("k", 784), ("n", 128)]);
    let counted = cost.at(&known).expect("all sizes");
    assert_eq!(counted.arithmetic, 2 * 64 * 784 * 128);
    assert_eq!(counted.bytes(), 4 * (64 * 784 + 784 * 128 + 64 * 128));
    assert_eq!(product(&known).at(&Bindings::new()).expect("no size is left open"), counted);
    assert_eq!(cost.at(&sizes(&[("m", 64)])), None);
}

/// Multiplications and additions of a fold of `[4, places, 32] · [32, taps, 16]` along its places, for each picture, input and output channel.
fn of_fold(places: i64, taps: i64, stride: i64) -> i64 {
    let numbers = |numbers: &[i64]| Shape(numbers.iter().copied().map(Dim::from).collect());
    let mut graph = Graph::new();
    let input = |graph: &mut Graph, name: &str, shape: &[i64]| {
        let ty = Type::new(ElementType::F32, numbers(shape));
        graph.add_input(Input { name: name.into(), ty, role: Role::Input, below: None })
    };
    let gradient = input(&mut graph, "gradient", &[4, places, 32]);
    let weight = input(&mut graph, "weight", &[32, taps, 16]);
    let product = Op::DotGeneral { batch: vec![], contract: vec![(2, 0)] };
    let product = graph.add(product, &[gradient, weight]);
    let [taps, stride] = [taps, stride].map(Dim::from);
    let window = Window { axis: 1, taps, stride: stride.clone(), dilation: Dim::from(1) };
    let size = &(&Dim::from(places - 1) * &stride) + &window.span();
    let folded = graph.add(Op::Fold { window, size }, &[product]);
    graph.results.push((Purpose::Output("z".into()), folded));

    let functions = common::entry(&optimize(&graph), &Bindings::new()).functions;
    let counted = functions.iter().map(|function| function.cost.at(&Bindings::new()).expect("numbers"));
    let [all, each] = [counted.map(|counted| counted.arithmetic as i64).sum(), 2 * 4 * 32 * 16];
    assert_eq!(all % each, 0, "{all} operations");
    all / each
}

#[test]
fn a_fold_of_a_product_multiplies_with_no_zeros_between_places() {
    // 8 places of 3 taps see 17 elements: 9 by their first and last taps, and 8 by those in the middle.
    assert_eq!(of_fold(8, 3, 2), 9 * 2 + 8);
    // Each of 3 · 8 + 1 elements by one tap of four, or two.
    assert_eq!(of_fold(8, 4, 3), 9 * 2 + 8 + 8);
    assert_eq!(of_fold(8, 2, 2), 8 + 8);
    assert_eq!(of_fold(8, 3, 1), 10 * 3);
}

#[test]
fn panels_are_no_traffic() {
    // x·yᵀ, whose right factor is copied strip by strip on the way.
    let known = sizes(&[("m", 64), ("k", 512), ("n", 256)]);
    let mut graph = Graph::new();
    let (x, y) = (input(&mut graph, "x", &["m", "k"]), input(&mut graph, "y", &["n", "k"]));
    let z = graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 1)] }, &[x, y]);
    let all = costs(graph, z, &known);
    let counted: Vec<Counted> = all.iter().map(|cost| cost.at(&known).expect("all sizes")).collect();
    let [only] = counted[..] else { panic!("one kernel, not {}", counted.len()) };
    assert_eq!(only.arithmetic, 2 * 64 * 512 * 256);
    assert_eq!((only.read, only.written), (4 * (64 * 512 + 256 * 512), 4 * 64 * 256));
}

#[test]
fn lanes_that_a_loop_leaves_empty_take_time_all_the_same() {
    let of = |n: i64| {
        let known = sizes(&[("m", 8), ("k", 100), ("n", n)]);
        product(&known).at(&known).expect("all sizes")
    };
    assert_eq!(of(17).arithmetic, 2 * 8 * 100 * 17);
    assert_eq!(of(17).wide, of(32).wide);
}

#[test]
fn functions_count_as_what_their_lane_programs_do() {
    let n = Dim::symbol("n");
    let [negation, root, exponential, tangent] =
        [&[Unary::Neg][..], &[Unary::Sqrt], &[Unary::Exp], &[Unary::Tanh]].map(apply);
    assert_eq!((negation.arithmetic, negation.wide), (Dim::default(), n.clone()));
    assert_eq!(root.arithmetic, n.clone());
    let each = |cost: &Cost| cost.at(&sizes(&[("n", 1)])).expect("the only size").arithmetic;
    for cost in [&exponential, &tangent] {
        assert!((10..60).contains(&each(cost)), "{}", cost.arithmetic);
    }
    assert_eq!(each(&apply(&[Unary::Exp, Unary::Tanh])), each(&exponential) + each(&tangent));
    assert_eq!(exponential.read, &n * &Dim::from(4));
}

#[test]
fn what_is_the_same_in_every_turn_counts_once() {
    // z[i, j] = exp(x[i]) + y[i, j]
    let mut graph = Graph::new();
    let (x, y) = (input(&mut graph, "x", &["m"]), input(&mut graph, "y", &["m", "n"]));
    let exponential = graph.add(Op::Unary(Unary::Exp), &[x]);
    let shape = graph.shape(y).clone();
    let wide = graph.add(Op::Broadcast { shape, axes: vec![0] }, &[exponential]);
    let z = graph.add(Op::Binary(Binary::Add), &[wide, y]);
    let all = costs(graph, z, &Bindings::new());
    let known = sizes(&[("m", 1), ("n", 1)]);
    let per_row = apply(&[Unary::Exp]).at(&sizes(&[("n", 1)])).expect("the only size").arithmetic;
    let total =
        |sizes: &Bindings| all.iter().map(|cost| cost.at(sizes).expect("all sizes").arithmetic).sum::<u64>();
    assert_eq!(total(&known), per_row + 1);
    assert_eq!(total(&sizes(&[("m", 10), ("n", 1000)])), 10 * per_row + 10_000);
}

#[test]
fn a_matrix_read_twice_through_one_index_is_touched_once() {
    // Mean of squares of a row: x is read by one fold and by the next loop.
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", &["m", "n"]);
    let sum = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[x]);
    let shape = graph.shape(x).clone();
    let wide = graph.add(Op::Broadcast { shape, axes: vec![0] }, &[sum]);
    let z = graph.add(Op::Binary(Binary::Sub), &[x, wide]);
    let all = costs(graph, z, &Bindings::new());
    assert_eq!(all.len(), 1, "one kernel does both");
    let elements = &Dim::symbol("m") * &Dim::symbol("n");
    assert_eq!(all[0].read, &elements * &Dim::from(4));
    assert_eq!(all[0].written, &elements * &Dim::from(4));
    assert_eq!(all[0].arithmetic, &elements * &Dim::from(2));
}

#[test]
fn a_sum_reads_one_array_and_not_every_part_of_its_terms() {
    // Σ exp(x)·tanh(x), beside exp(x) − tanh(x), which needs both parts too.
    let mut graph = Graph::new();
    let x = input(&mut graph, "x", &["n"]);
    let parts = [Unary::Exp, Unary::Tanh].map(|unary| graph.add(Op::Unary(unary), &[x]));
    let term = graph.add(Op::Binary(Binary::Mul), &parts);
    let sum = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[term]);
    let difference = graph.add(Op::Binary(Binary::Sub), &parts);
    graph.results.push((Purpose::Output("sum".into()), sum));
    let all = costs(graph, difference, &Bindings::new());
    let [made, folded] = &all[..] else { panic!("two kernels, not {}", all.len()) };
    let bytes = &Dim::symbol("n") * &Dim::from(4);
    assert_eq!((&made.read, &made.written), (&bytes, &(&bytes + &bytes)));
    assert_eq!((&folded.read, &folded.written), (&bytes, &Dim::from(4)));
}

#[test]
fn time_is_bound_by_arithmetic_or_by_the_level_that_holds_the_data() {
    let speed = Speed {
        arithmetic: 3.2e9,
        lanes: 16,
        levels: vec![
            MemoryLevel { bytes: 1000, read: 1e9, copy: 2e9, update: 4e9 },
            MemoryLevel { bytes: 10_000, read: 1e8, copy: 2e8, update: 4e8 },
        ],
    };
    let counted =
        |wide, narrow, read, written| Counted { arithmetic: 0, wide, narrow, read, written, updated: 0 };
    let is = |found: f64, expected: f64| {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found}, not {expected}")
    };
    // 1e8 vectors a second.
    is(counted(1600, 0, 4, 0).seconds(&speed), 1e-6);
    is(counted(1600, 100, 4, 0).seconds(&speed), 2e-6);
    is(counted(16, 0, 1000, 0).seconds(&speed), 1e-6);
    is(counted(16, 0, 600, 400).seconds(&speed), 200.0 / 1e9 + 800.0 / 2e9);
    is(counted(16, 0, 0, 1000).seconds(&speed), 1000.0 / 2e9);
    is(counted(16, 0, 2000, 0).seconds(&speed), 2e-5);
    // 900 bytes that are written where they were read, and 100 more that are read.
    is(Counted { updated: 900, ..counted(16, 0, 1000, 900) }.seconds(&speed), 1800.0 / 4e9 + 100.0 / 1e9);
    // The last level is as large as it takes.
    is(counted(16, 0, 100_000, 0).seconds(&speed), 1e-3);
}
