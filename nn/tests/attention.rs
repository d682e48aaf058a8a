//! What attention promises beyond PyTorch's numbers: gradients of first and second order, rows that see nothing, grouped heads, how it
//! is called, what it refuses.

mod declared;
mod differences;

use declared::{input, mistake, shape, typed};
use differences::{Case, Numbers, assert_differentiates};
use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, Bool, F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::*;

/// The results, each flat, in f32 after all passes.
fn run(b: Builder, results: &[&Value], environment: &Environment) -> Vec<Vec<f64>> {
    let nodes: Vec<_> = results.iter().map(|value| value.node().expect("known")).collect();
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    graph.results = nodes
        .into_iter()
        .enumerate()
        .map(|(n, node)| (Purpose::Output(n.to_string().into()), node))
        .collect();
    let values = interpret(&optimize(&graph), environment, Precision::F32).expect("values");
    values.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn tensor(element: ElementType, dims: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_f64(element, dims, values).expect("a tensor")
}

fn random(numbers: &mut Numbers, dims: &[usize]) -> Tensor {
    let values: Vec<f64> = (0..dims.iter().product()).map(|_| numbers.next()).collect();
    tensor(F32, dims, &values)
}

fn scaled(x: &[Value], seen: Seen) -> Value {
    scaled_dot_product_attention(&x[0], &x[1], &x[2], ScaledAttention { seen, ..ScaledAttention::default() })
}

fn causal() -> Seen {
    Seen { causal: true, ..Seen::default() }
}

/// The first query of two sees the last two of three keys, the second none.
fn later(queries: &Value) -> Seen {
    let b = queries.builder();
    Seen { mask: Some(greater(index(b, [2, 3], 1), index(b, [2, 3], 0) * 2)), ..Seen::default() }
}

const CASES: &[Case] = &[
    Case {
        name: "scaled",
        inputs: &[&[2, 3, 2], &[2, 5, 2], &[2, 5, 3]],
        layer: |x| scaled(x, Seen::default()),
    },
    Case {
        name: "causal, grouped",
        inputs: &[&[1, 4, 3, 2], &[1, 2, 3, 2], &[1, 2, 3, 1]],
        layer: |x| scaled(x, causal()),
    },
    Case {
        name: "causal, more queries than keys",
        inputs: &[&[5, 2], &[3, 2], &[3, 2]],
        layer: |x| scaled(x, causal()),
    },
    Case {
        name: "a mask that hides a whole row",
        inputs: &[&[2, 2], &[3, 2], &[3, 2]],
        layer: |x| scaled(x, later(&x[0])),
    },
    Case {
        name: "an added mask",
        inputs: &[&[2, 2], &[3, 2], &[3, 2], &[2, 3]],
        layer: |x| scaled(x, Seen { mask: Some(x[3].clone()), ..Seen::default() }),
    },
    Case {
        name: "attention to itself",
        inputs: &[&[2, 3, 4]],
        layer: |x| attention(&x[0], 2, Attention { seen: causal(), ..Attention::default() }),
    },
    Case {
        name: "attention across, grouped",
        inputs: &[&[2, 3, 4], &[2, 5, 3]],
        layer: |x| {
            let key = Some(x[1].clone());
            attention(&x[0], 4, Attention { key, kv_heads: Some(Dim::from(2)), ..Attention::default() })
        },
    },
];

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

/// Values, and derivatives of both orders, of attention whose mask is declared by `seen`, over [2, 2, 3] queries and [2, 4, 3] keys.
fn with_derivatives(seen: fn(&Builder) -> Seen, environment: Environment) -> Vec<Vec<f64>> {
    let b = Builder::new(Mode::Train);
    let (query, key) = (b.input("query", F32, [2, 2, 3]), b.input("key", F32, [2, 4, 3]));
    let y = scaled(&[query.clone(), key.clone(), key.clone()], seen(&b));
    let total = sum(square(&y));
    let (by_query, by_key) = (gradient(&total, &query), gradient(&total, &key));
    let second = gradient(sum(square(&by_query)) + sum(square(&by_key)), &query);
    let mut numbers = Numbers(9);
    let environment = environment
        .input("query", random(&mut numbers, &[2, 2, 3]))
        .input("key", random(&mut numbers, &[2, 4, 3]));
    run(b, &[&y, &by_query, &second, &by_key], &environment)
}

#[test]
fn a_query_that_sees_no_key_gives_zeros_and_has_no_gradient() {
    let hidden = |b: &Builder| Seen { mask: Some(b.input("mask", Bool, [2, 4])), ..Seen::default() };
    let added = |b: &Builder| Seen { mask: Some(b.input("mask", F32, [2, 4])), ..Seen::default() };
    let lengths = |b: &Builder| Seen { lengths: Some(b.input("lengths", I32, [2])), ..Seen::default() };
    let none = f64::NEG_INFINITY;
    let mask = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
    let numbers = [none, none, none, none, 0.0, none, 0.0, 0.0];

    let by_truth = with_derivatives(hidden, Environment::new().input("mask", tensor(Bool, &[2, 4], &mask)));
    let by_number = with_derivatives(added, Environment::new().input("mask", tensor(F32, &[2, 4], &numbers)));
    assert_eq!(by_truth, by_number);
    let by_length =
        with_derivatives(lengths, Environment::new().input("lengths", tensor(I32, &[2], &[0.0, 3.0])));

    // The first query of each sample, and both of the first sample.
    for (found, blind, sees) in [(&by_truth, [0..3, 6..9], 3..6), (&by_length, [0..3, 3..6], 6..12)] {
        for values in found {
            assert!(values.iter().all(|x| x.is_finite()), "{values:?}");
        }
        for values in &found[..3] {
            assert!(blind.iter().all(|rows| values[rows.clone()].iter().all(|x| *x == 0.0)), "{values:?}");
            assert!(values[sees.clone()].iter().all(|x| *x != 0.0), "{values:?}");
        }
    }
    assert!(by_length[3][..12].iter().all(|x| *x == 0.0), "keys that nobody sees");
}

#[test]
fn lengths_count_keys_from_the_first() {
    let b = Builder::new(Mode::Train);
    let x: Vec<Value> = ["query", "key", "value"].iter().map(|name| b.input(name, F32, [4, 1, 1])).collect();
    let wide: Vec<Value> = x.iter().map(|x| concatenate(&b, &[x, x, x], 1)).collect();
    let y = scaled(&wide, Seen { lengths: Some(b.input("lengths", I32, [4])), ..Seen::default() });
    let ones = tensor(F32, &[4, 1, 1], &[1.0; 4]);
    let environment =
        Environment::new().input("query", ones.clone()).input("key", ones.clone()).input("value", ones);
    let environment = environment.input("lengths", tensor(I32, &[4], &[-1.0, 0.0, 2.0, 7.0]));
    let found = run(b, &[&y], &environment);
    assert_eq!(found[0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn scores_of_any_size_stay_finite() {
    let b = Builder::new(Mode::Train);
    let x: Vec<Value> = ["query", "key", "value"].iter().map(|name| b.input(name, F32, [1, 3, 1])).collect();
    let y = scaled(&x, causal());
    let slopes: Vec<Value> = x.iter().map(|x| gradient(sum(&y), x)).collect();
    let large = tensor(F32, &[1, 3, 1], &[1e18, -1e18, 3e17]);
    let environment = Environment::new()
        .input("query", large.clone())
        .input("key", large)
        .input("value", tensor(F32, &[1, 3, 1], &[1.0, 2.0, 3.0]));
    let found = run(b, &[&y, &slopes[0], &slopes[1], &slopes[2]], &environment);
    // The scores are ±10³⁶: each query sees the key of its own sign that it may see.
    assert_eq!(found[0], [1.0, 2.0, 1.0]);
    assert!(found.iter().flatten().all(|x| x.is_finite()), "{found:?}");
}

#[test]
fn shapes_follow_what_is_given() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "12"]);
    let memory = input(&b, "memory", &["batch", "places", "5"]);
    assert_eq!(shape(&attention(&x, 3, Attention::default())), "[batch, time, 12]");
    let across = |key: &Value| Attention { key: Some(key.clone()), ..Attention::default() };
    assert_eq!(shape(&attention(&x, 3, across(&memory))), "[batch, time, 12]");
    // Learned queries, the same for each sample.
    let queries = expand(b.parameter("queries", [7, 12], Initializer::Zeros), 0);
    assert_eq!(shape(&attention(&queries, 3, across(&memory))), "[batch, 7, 12]");
    let (width, heads) = (b.argument("width", 12), b.argument("heads", 4));
    let wide = b.input("wide", F32, [Dim::symbol("batch"), Dim::symbol("time"), width]);
    assert_eq!(shape(&attention(&wide, heads, Attention::default())), "[batch, time, width]");

    // While rustc runs, nobody knows whether heads share keys.
    let b = Builder::for_checking();
    let heads = b.open_argument("heads");
    let [batch, time] = ["batch", "time"].map(Dim::symbol);
    let query = b.input("query", F32, [batch.clone(), heads.clone(), time.clone(), Dim::from(8)]);
    let key = b.input("key", F32, [batch.clone(), Dim::from(2), time.clone(), Dim::from(8)]);
    assert_eq!(shape(&scaled(&[query, key.clone(), key], causal())), "[batch, heads, time, 8]");
    let wide = b.input("wide", F32, [batch, time, b.open_argument("width")]);
    assert_eq!(shape(&attention(&wide, heads, Attention::default())), "[batch, time, width]");
}

#[test]
fn attention_starts_as_pytorchs_and_names_its_parameters() {
    let b = Builder::new(Mode::Train);
    let (x, memory) = (input(&b, "x", &["batch", "time", "6"]), input(&b, "memory", &["batch", "time", "5"]));
    b.scope("a", || attention(&x, 3, Attention::default()));
    b.scope("b", || attention(&x, 3, Attention { key: Some(memory), bias: false, ..Attention::default() }));
    b.scope("c", || {
        attention(&x, 6, Attention { kv_heads: Some(Dim::from(2)), bias: false, ..Attention::default() })
    });
    let graph = b.finish().expect("no mistakes").graph;
    let text = |initializer: &Initializer| match initializer {
        Initializer::XavierUniform { gain } => format!("xavier {gain:.4}"),
        other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
    };
    let found: Vec<String> = graph
        .storages
        .iter()
        .map(|s| format!("{} {} {}", s.name, s.ty.shape, text(&s.initializer)))
        .collect();
    let expected = [
        "a.query.weight [6, 6] xavier 0.7071",
        "a.query.bias [6] Zeros",
        "a.key.weight [6, 6] xavier 0.7071",
        "a.key.bias [6] Zeros",
        "a.value.weight [6, 6] xavier 0.7071",
        "a.value.bias [6] Zeros",
        "a.output.weight [6, 6] FanIn",
        "a.output.bias [6] Zeros",
        "b.query.weight [6, 6] xavier 1.0000",
        "b.key.weight [5, 6] xavier 1.0000",
        "b.value.weight [5, 6] xavier 1.0000",
        "b.output.weight [6, 6] FanIn",
        "c.query.weight [6, 6] xavier 0.8660",
        "c.key.weight [6, 2] xavier 0.7071",
        "c.value.weight [6, 2] xavier 0.7071",
        "c.output.weight [6, 6] FanIn",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_key_and_a_value_stand_before_the_heads_where_they_are_given() {
    let b = Builder::new(Mode::Train);
    let (x, memory) =
        (input(&b, "x", &["batch", "time", "6"]), input(&b, "memory", &["batch", "places", "5"]));
    let (x, memory) = (|| Argument::from(&x), || Argument::from(&memory));
    let heads = || vec![("heads", Argument::from(2))];
    let gives = |positional, named| {
        let before = b.storage_names().len();
        assert_eq!(shape(&call(&b, "attention", positional, named)), "[batch, time, 6]");
        let key = b.storage_names()[before + 2].clone();
        b.find_storage(&key).and_then(|key| key.shape()).expect("a key's weight").to_string()
    };
    assert_eq!(gives(vec![x(), 2.into()], vec![]), "[6, 6]");
    assert_eq!(gives(vec![x()], heads()), "[6, 6]");
    assert_eq!(gives(vec![x(), memory(), 2.into()], vec![]), "[5, 6]");
    assert_eq!(gives(vec![x(), memory()], heads()), "[5, 6]");
    assert_eq!(gives(vec![x(), memory(), memory(), 2.into()], vec![]), "[5, 6]");
    assert_eq!(gives(vec![x(), memory(), memory()], heads()), "[5, 6]");
    assert_eq!(gives(vec![x(), 2.into()], vec![("key", memory()), ("causal", true.into())]), "[5, 6]");
    let wrong = |positional, named| mistake(&call(&b, "attention", positional, named));
    assert_eq!(
        wrong(vec![x()], vec![]),
        "`attention` misses `heads`\n   = help: it is called as `attention(query, key: query, value: key, heads, causal: false, \
         mask: none, lengths: none, kv_heads: heads, bias: true, dropout: 0.0, \
         block: by size, past_keys: none, past_values: none)`"
    );
    assert!(wrong(vec![], heads()).starts_with("`attention` misses `query`"));
    assert!(
        wrong(vec![x(), x(), x()], vec![])
            .starts_with("`heads` of `attention` must be a size, but is the value `x`")
    );
    assert!(wrong(vec![x()], vec![("head", 2.into())]).ends_with("did you mean `heads`?"));
}

#[test]
fn attention_refuses_what_does_not_fit() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "12"]);
    let with = |options| mistake(&attention(&x, 3, options));
    let heads = |heads: i64| mistake(&attention(&x, heads, Attention::default()));
    assert_eq!(
        heads(5),
        "`attention` cannot divide 12 columns into 5 heads\n   \
         = help: the number of heads must divide that of columns: 4 or 6"
    );
    assert!(heads(0).starts_with("`attention` with 0 heads"));
    assert_eq!(
        with(Attention { kv_heads: Some(Dim::from(2)), ..Attention::default() }),
        "`attention` cannot divide 3 heads into 2 kv_heads\n   \
         = help: the number of kv_heads must divide that of heads: 1 or 3"
    );
    let row = input(&b, "row", &["batch", "12"]);
    assert_eq!(
        mistake(&attention(&row, 3, Attention::default())),
        "`attention` takes [batch, time, width], but `row` is [batch, 12]\n   = help: `expand` and `reshape` add axes"
    );
    let other = input(&b, "other", &["others", "time", "12"]);
    assert_eq!(
        with(Attention { key: Some(other), ..Attention::default() }),
        "in `attention` `x` has a batch of batch but `other` of others\n   = `x`: [batch, time, 12]    `other`: [others, time, 12]\n   \
         = help: axes before the last two are equal, or the number 1"
    );
    let long = input(&b, "long", &["batch", "9", "12"]);
    assert!(
        with(Attention { value: Some(long), ..Attention::default() })
            .starts_with("in `attention` `x` has a time of time but `long` of 9")
    );
    let masked = |mask: &Value| {
        with(Attention { seen: Seen { mask: Some(mask.clone()), ..Seen::default() }, ..Attention::default() })
    };
    assert!(masked(&input(&b, "mask", &["batch", "7"])).starts_with(
        "the mask of `attention`, `mask`, is [batch, 7], which does not spread over the scores [batch, 3, time, time]"
    ));
    let bits = typed(&b, "bits", I32, &["time", "time"]);
    assert!(
        masked(&bits).starts_with(
            "the mask of `attention` holds truth values or floats, but `bits` is i32[time, time]"
        )
    );
    let lengths = |lengths: Value| {
        with(Attention { seen: Seen { lengths: Some(lengths), ..Seen::default() }, ..Attention::default() })
    };
    assert!(lengths(input(&b, "floats", &["batch"])).starts_with(
        "`attention` cannot take `floats`, which are f32[batch], for scores [batch, 3, time, time]"
    ));
    assert!(
        lengths(typed(&b, "counts", I32, &["time"]))
            .ends_with("lengths are i32[batch]: the number of keys of each sample")
    );
    assert!(with(Attention { dropout: 1.5, ..Attention::default() }).starts_with("a dropout rate of 1.5"));
}

#[test]
fn scaled_attention_refuses_what_does_not_fit() {
    let b = Builder::new(Mode::Train);
    let query = input(&b, "query", &["batch", "6", "time", "8"]);
    let key = |name: &str, heads: &str, width: &str| input(&b, name, &["batch", heads, "time", width]);
    let of = |key: &Value| mistake(&scaled(&[query.clone(), key.clone(), key.clone()], Seen::default()));
    assert_eq!(
        of(&key("narrow", "6", "7")),
        "in `scaled_dot_product_attention` `query` has a width of 8 but `narrow` of 7\n   \
         = `query`: [batch, 6, time, 8]    `narrow`: [batch, 6, time, 7]\n   \
         = help: each query is multiplied with each key: project one of them to the width of the other"
    );
    assert!(
        of(&key("four", "4", "8")).starts_with(
            "`scaled_dot_product_attention` cannot divide 6 heads of queries into 4 heads of keys"
        )
    );
    assert!(
        of(&key("unknown", "heads", "8"))
            .starts_with("in `scaled_dot_product_attention` `query` has a batch of 6 but `unknown` of heads")
    );
    assert!(of(&input(&b, "flat", &["time", "8"])).starts_with("`query` has 4 axes but `flat` has 2"));
    assert!(
        of(&sum(&query)).starts_with(
            "`scaled_dot_product_attention` takes [..., time, width]".replace("...", "…").as_str()
        )
    );
    let scale = ScaledAttention { scale: Some(f64::INFINITY), ..ScaledAttention::default() };
    assert!(
        mistake(&scaled_dot_product_attention(&query, &query, &query, scale)).starts_with("a scale of inf")
    );
    let rows = input(&b, "rows", &["time", "8"]);
    let lengths = Seen { lengths: Some(typed(&b, "lengths", I32, &["batch"])), ..Seen::default() };
    assert!(mistake(&scaled(&[rows.clone(), rows.clone(), rows], lengths)).contains("there is one sample"));
}

#[test]
fn dropout_of_weights_is_for_training_alone() {
    for (mode, differs) in [(Mode::Train, true), (Mode::Infer, false)] {
        let b = Builder::new(mode);
        let x = b.input("x", F32, [1, 8, 2]);
        let dropping = ScaledAttention { dropout: 0.5, ..ScaledAttention::default() };
        let y = scaled_dot_product_attention(&x, &x, &x, dropping);
        let whole = scaled_dot_product_attention(&x, &x, &x, ScaledAttention::default());
        assert_eq!(y.node() != whole.node(), differs);
    }
}
