//! Attention block by block of queries is attention: values, derivatives of both orders, masks, what is left over at the end, times that
//! only a run knows; and no value of it has all queries beside all keys.

mod declared;
mod differences;

use declared::{input, mistake};
use differences::{Case, Numbers, assert_differentiates};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::Op;
use downhill_graph::passes::optimize;
use downhill_graph::rebuild::live;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{Bool, F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::*;

fn scaled(x: &[Value], seen: Seen, block: Option<i64>) -> Value {
    let block = block.map(Dim::from);
    scaled_dot_product_attention(
        &x[0],
        &x[1],
        &x[2],
        ScaledAttention { seen, block, ..ScaledAttention::default() },
    )
}

fn causal() -> Seen {
    Seen { causal: true, ..Seen::default() }
}

const CASES: &[Case] = &[
    Case {
        name: "blocks of two",
        inputs: &[&[2, 4, 2], &[2, 5, 2], &[2, 5, 3]],
        layer: |x| scaled(x, Seen::default(), Some(2)),
    },
    Case {
        name: "causal, grouped, a block that is not full",
        inputs: &[&[1, 4, 5, 2], &[1, 2, 3, 2], &[1, 2, 3, 1]],
        layer: |x| scaled(x, causal(), Some(3)),
    },
    Case {
        name: "an added mask",
        inputs: &[&[3, 2], &[4, 2], &[4, 2], &[3, 4]],
        layer: |x| scaled(x, Seen { mask: Some(x[3].clone()), ..Seen::default() }, Some(2)),
    },
    Case {
        name: "attention to itself",
        inputs: &[&[2, 3, 4]],
        layer: |x| {
            let block = Some(Dim::from(2));
            attention(&x[0], 2, Attention { seen: causal(), block, ..Attention::default() })
        },
    },
    Case {
        name: "what is recomputed",
        inputs: &[&[2, 3], &[3, 4]],
        layer: |x| recompute(x[0].builder(), x, |x| vec![tanh(matmul(tanh(&x[0]), &x[1]))]).remove(0),
    },
];

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

/// How many samples and heads, queries and keys there are.
struct Sizes {
    outer: usize,
    queries: usize,
    keys: usize,
}

fn random(numbers: &mut Numbers, dims: &[usize]) -> Tensor {
    Tensor::new(dims, (0..dims.iter().product()).map(|_| numbers.next()).collect::<Vec<f64>>())
        .expect("a tensor")
}

/// Values of attention and its derivatives of first and second order, over times that a run says: a graph of them.
fn derivatives(seen: &dyn Fn(&Builder) -> Seen, block: Option<i64>) -> Graph {
    derivatives_over(["2", "queries", "keys"], 2, seen, block)
}

/// The same over these times, up to this order.
fn derivatives_over(
    [outer, queries, keys]: [&str; 3],
    order: usize,
    seen: &dyn Fn(&Builder) -> Seen,
    block: Option<i64>,
) -> Graph {
    let b = Builder::new(Mode::Train);
    let x: Vec<Value> = [("query", queries), ("key", keys), ("value", keys)]
        .map(|(name, time)| input(&b, name, &[outer, outer, time, "3"]))
        .into();
    let y = scaled(&x, seen(&b), block);
    let mut results = vec![y.clone()];
    results.extend(x.iter().map(|x| gradient(sum(square(&y)), x)));
    if order > 1 {
        let steepness = results[1..].iter().map(|slope| sum(square(slope))).reduce(|a, b| a + b);
        results.push(gradient(steepness.expect("three"), &x[0]));
    }

    let nodes: Vec<_> = results.iter().map(|value| value.node().expect("known")).collect();
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    let named = nodes.into_iter().enumerate().map(|(n, node)| (Purpose::Output(n.to_string().into()), node));
    graph.results = named.collect();
    optimize(&graph)
}

/// The results for these sizes, each flat.
fn run(graph: &Graph, sizes: &Sizes) -> Vec<Vec<f64>> {
    let mut numbers = Numbers(5);
    let mut environment = Environment::new();
    for (name, time) in [("query", sizes.queries), ("key", sizes.keys), ("value", sizes.keys)] {
        environment = environment.input(name, random(&mut numbers, &[sizes.outer, sizes.outer, time, 3]));
    }
    let mask: Vec<f64> = (0..sizes.queries * sizes.keys).map(|n| f64::from(u8::from(n % 3 == 0))).collect();
    environment = environment
        .input("mask", Tensor::from_f64(Bool, [sizes.queries, sizes.keys], &mask).expect("a mask"));
    environment = environment.input("lengths", Tensor::from_f64(I32, [2], &[3.0, 0.0]).expect("lengths"));
    let values = interpret(graph, &environment, Precision::F64).expect("values");
    values.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

#[test]
fn blocks_give_what_all_queries_at_once_give() {
    let masked = |b: &Builder| {
        let shape = [Dim::symbol("queries"), Dim::symbol("keys")];
        Seen { mask: Some(b.input("mask", Bool, shape)), ..Seen::default() }
    };
    let lengths = |b: &Builder| Seen { lengths: Some(b.input("lengths", I32, [2])), ..causal() };
    type Masks<'a> = &'a dyn Fn(&Builder) -> Seen;
    let kinds: [(&str, Masks<'_>); 4] = [
        ("all", &|_| Seen::default()),
        ("causal", &|_| causal()),
        ("masked", &masked),
        ("lengths", &lengths),
    ];
    for (name, seen) in kinds {
        let (plain, blocks) = (derivatives(seen, None), derivatives(seen, Some(4)));
        for sizes in
            [[8, 8], [9, 8], [3, 5], [1, 1], [7, 2]].map(|[queries, keys]| Sizes { outer: 2, queries, keys })
        {
            assert_alike(name, [&plain, &blocks], &sizes);
        }
    }
}

#[test]
fn parts_of_causal_attention_give_what_all_queries_at_once_give() {
    let masked = |b: &Builder| {
        let shape = [Dim::symbol("queries"), Dim::symbol("keys")];
        Seen { mask: Some(b.input("mask", Bool, shape)), ..causal() }
    };
    let plain = derivatives_over(["1", "queries", "keys"], 1, &|_| causal(), None);
    for (queries, keys, block) in [(260, 100, None), (257, 300, Some(100))] {
        let (times, sizes) = ([queries.to_string(), keys.to_string()], Sizes { outer: 1, queries, keys });
        let parts = derivatives_over(["1", &times[0], &times[1]], 1, &|_| causal(), block);
        assert_alike("causal", [&plain, &parts], &sizes);
        assert!(largest(&parts, 0) < (queries * keys) as i64, "each part has scores of its own");
    }
    let mask = |b: &Builder| Seen { mask: Some(b.input("mask", Bool, [256, 256])), ..causal() };
    let parts = derivatives_over(["1", "256", "256"], 1, &mask, None);
    let plain = derivatives_over(["1", "queries", "keys"], 1, &masked, None);
    assert_alike("masked", [&plain, &parts], &Sizes { outer: 1, queries: 256, keys: 256 });
}

/// Asserts that two graphs have the same results, up to rounding.
fn assert_alike(name: &str, [plain, other]: [&Graph; 2], sizes: &Sizes) {
    let (expected, found) = (run(plain, sizes), run(other, sizes));
    for (n, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let near = |(x, y): (&f64, &f64)| (x - y).abs() <= 1e-12 * x.abs().max(1.0);
        let at = format!("{name}, {} × {}: result {n}", sizes.queries, sizes.keys);
        assert_eq!(expected.len(), found.len(), "{at}");
        assert!(expected.iter().zip(found).all(near), "{at}");
    }
}

/// The most elements of a value that a step computes, loops included, where `queries` and `keys` are `time`.
fn largest(graph: &Graph, time: i64) -> i64 {
    let sizes: Bindings = ["queries", "keys"].map(|name| (name.into(), time)).into_iter().collect();
    let needed = live(graph);
    let of = |id| {
        let own = graph.shape(id).size().evaluate(&sizes).expect("a size");
        let Op::Scan { body, .. } = graph.op(id) else { return own };
        own.max(largest(body, time))
    };
    graph.ids().filter(|id| needed[id.index()]).map(of).max().unwrap_or(0)
}

#[test]
fn no_value_has_all_queries_beside_all_keys() {
    let (plain, blocks) = (derivatives(&|_| causal(), None), derivatives(&|_| causal(), Some(4)));
    assert!(largest(&plain, 1000) >= 4 * 1000 * 1000);
    assert_eq!(largest(&blocks, 1000), 4 * 4 * 1000);
}

#[test]
fn sizes_decide_where_nothing_is_said() {
    let loops = |queries: i64, keys: i64, block: Option<i64>| {
        let b = Builder::new(Mode::Train);
        let x = [("query", queries), ("key", keys), ("value", keys)]
            .map(|(name, time)| b.input(name, F32, [2, time, 8]));
        let y = scaled(&x, Seen::default(), block);
        let node = y.node().expect("known");
        b.with_graph(|graph| {
            graph.ids().filter(|id| *id <= node).any(|id| matches!(graph.op(id), Op::Scan { .. }))
        })
    };
    assert!(!loops(1023, 1024, None));
    assert!(loops(1024, 1024, None));
    assert!(loops(512, 4096, None));
    assert!(loops(8, 8, Some(4)));
    assert!(!loops(2048, 2048, Some(2048)));
}

#[test]
fn weights_that_are_dropped_differ_from_block_to_block() {
    let b = Builder::new(Mode::Train);
    let ones = full(&b, [8, 1], 1.0);
    let options = ScaledAttention { dropout: 0.5, block: Some(4.into()), ..ScaledAttention::default() };
    let x = b.input("x", F32, [8, 16]);
    let keys = full(&b, [64, 16], 0.0);
    let y = scaled_dot_product_attention(&x, &keys, full(&b, [64, 1], 1.0), options);
    let slope = gradient(sum(&y * &ones), &y);
    let results = [&y, &slope].map(|value| value.node().expect("known"));
    let mut graph = b.finish().expect("no mistakes").graph;
    graph.results = results.iter().map(|&node| (Purpose::Output(format!("{node:?}").into()), node)).collect();
    let environment = Environment::new().input("x", random(&mut Numbers(1), &[8, 16]));
    let values = interpret(&optimize(&graph), &environment, Precision::F64).expect("values");
    let sums = values[0].1.to_f64_vec();
    // Of 64 weights of 1/64 about half are left, twice as large.
    assert!(sums.iter().all(|sum| (0.5..1.5).contains(sum)), "{sums:?}");
    assert_ne!(sums[..4], sums[4..]);
}

#[test]
fn a_block_has_queries() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "12"]);
    let options = ScaledAttention { block: Some(0.into()), ..ScaledAttention::default() };
    assert_eq!(
        mistake(&scaled_dot_product_attention(&x, &x, &x, options)),
        "`scaled_dot_product_attention` in blocks of 0 queries\n   = help: a block has at least 1: 128 is a good start"
    );
}
