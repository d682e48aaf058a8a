//! Layers against PyTorch: values and gradients of `tests/golden/layers.txt`, in f64 and in f32.

mod recorded;

use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, F32, F64};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::{gradient, sum};
use recorded::{Recorded, records};
use std::collections::BTreeMap;

/// The records of one layer by what they are: `input/x`, `parameter/weight`, `output`, ….
type Case = BTreeMap<String, Recorded>;

fn golden() -> BTreeMap<String, Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (name, record) in records("layers.txt") {
        let (case, what) = name.split_once('/').expect("a case and a part");
        cases.entry(case.into()).or_default().insert(what.into(), record);
    }
    // Attention in blocks of queries is the same attention.
    let attends = |name: &&String| name.contains("attention");
    let blocks: Vec<String> = cases.keys().filter(attends).cloned().collect();
    for name in blocks {
        cases.insert(format!("{name}{IN_BLOCKS}"), cases[&name].clone());
    }
    cases
}

/// What the name of a case of attention ends with that takes two queries at a time.
const IN_BLOCKS: &str = "_in_blocks";

/// The layer of a case, on its inputs by name.
fn layer(b: &Builder, name: &str, case: &Case, input: impl Fn(&str) -> Value) -> Value {
    let x = || input("x");
    if let Some((layer, _)) = name.split_once(':') {
        return of_windows(layer, case, &x());
    }
    match name {
        "layer_norm" => layer_norm(x(), LayerNorm::default()),
        "layer_norm_axes_2_no_bias" => {
            layer_norm(x(), LayerNorm { eps: 1e-3, bias: false, axes: 2, ..LayerNorm::default() })
        }
        "layer_norm_plain" => layer_norm(x(), LayerNorm { affine: false, ..LayerNorm::default() }),
        "rms_norm" => rms_norm(x(), RmsNorm::default()),
        "rms_norm_plain" => rms_norm(x(), RmsNorm { eps: 1e-2, affine: false, axes: 2 }),
        "group_norm" => group_norm(x(), 3, GroupNorm::default()),
        "group_norm_of_rows" => group_norm(x(), 2, GroupNorm { affine: false, ..GroupNorm::default() }),
        "instance_norm" => instance_norm(x(), InstanceNorm { affine: true, ..InstanceNorm::default() }),
        "instance_norm_plain" => instance_norm(x(), InstanceNorm::default()),
        "sinusoidal_positions" => sinusoidal_positions(b, 6, 8),
        "sinusoidal_positions_odd" => sinusoidal_positions(b, 4, 5),
        "prelu" => prelu(x(), Prelu::default()),
        "prelu_of_channels" => prelu(x(), Prelu { channels: Dim::from(3), ..Prelu::default() }),
        "rotary" => rotary(x(), 10_000.0),
        "rotary_base" => rotary(x(), 100.0),
        name if name.contains("attention") => attend(name, input),
        other => panic!("no layer for {other}"),
    }
}

/// The numbers of an option of a case; `default` where it says none.
fn option(case: &Case, name: &str, default: i64) -> Vec<Dim> {
    let numbers = case.get(&format!("option/{name}")).map(|recorded| &*recorded.values);
    numbers.map_or(vec![Dim::from(default)], |numbers| numbers.iter().map(|&n| Dim::from(n as i64)).collect())
}

fn of_windows(layer: &str, case: &Case, x: &Value) -> Value {
    let numbers = |name, default| option(case, name, default);
    let [kernel, padding, dilation] =
        [("kernel", 1), ("padding", 0), ("dilation", 1)].map(|(name, default)| numbers(name, default));
    let pooling = || {
        let stride = case.contains_key("option/stride").then(|| numbers("stride", 1));
        Pooling { stride, padding: padding.clone(), dilation: dilation.clone() }
    };
    match layer {
        "conv" => {
            let (stride, groups) = (numbers("stride", 1), numbers("groups", 1)[0].clone());
            let bias = numbers("bias", 1)[0].is(1);
            let same = numbers("same", 0)[0].is(1);
            let options = Convolution { stride, padding, same, dilation, groups, bias, init: None };
            conv(x, numbers("channels", 1)[0].clone(), &kernel, options)
        }
        "max_pool" => max_pool(x, &kernel, pooling()),
        "average_pool" => average_pool(x, &kernel, pooling(), numbers("counted", 1)[0].is(1)),
        "global_average_pool" => global_average_pool(x),
        "adaptive_average_pool" => adaptive_average_pool(x, &numbers("sizes", 1)),
        "conv_transpose" => {
            let (stride, groups) = (numbers("stride", 1), numbers("groups", 1)[0].clone());
            let (output_padding, bias) = (numbers("output_padding", 0), numbers("bias", 1)[0].is(1));
            let options =
                TransposedConvolution { stride, padding, output_padding, dilation, groups, bias, init: None };
            conv_transpose(x, numbers("channels", 1)[0].clone(), &kernel, options)
        }
        "upsample" => upsample(x, resized(case)),
        "upsample_linear" => upsample_linear(x, resized(case), numbers("align_corners", 0)[0].is(1)),
        "pixel_shuffle" => pixel_shuffle(x, numbers("factor", 1)[0].clone()),
        "pixel_unshuffle" => pixel_unshuffle(x, numbers("factor", 1)[0].clone()),
        "pad" => pad(x, &border(case), case.get("option/value").map_or(0.0, |value| value.values[0])),
        "reflect_pad" => reflect_pad(x, &border(case)),
        "replicate_pad" => replicate_pad(x, &border(case)),
        other => panic!("no layer for {other}"),
    }
}

fn resized(case: &Case) -> Resized {
    let is_scaled = case.contains_key("option/scale");
    if is_scaled { Resized::By(option(case, "scale", 1)) } else { Resized::To(option(case, "sizes", 1)) }
}

fn border(case: &Case) -> Border {
    Border { before: option(case, "before", 0), after: option(case, "after", 0) }
}

/// A layer of attention.
fn attend(name: &str, input: impl Fn(&str) -> Value) -> Value {
    let (name, block) = match name.strip_suffix(IN_BLOCKS) {
        Some(name) => (name, Some(Dim::from(2))),
        None => (name, None),
    };
    if let Some(case) = name.strip_prefix("scaled_dot_product_attention") {
        let options = ScaledAttention { block, ..scaled_options(case, &input) };
        return scaled_dot_product_attention(input("query"), input("key"), input("value"), options);
    }
    let case = name.strip_prefix("attention").expect("attention");
    let (heads, options) = attention_options(case, &input);
    attention(input("query"), heads, Attention { block, ..options })
}

fn scaled_options(case: &str, input: &impl Fn(&str) -> Value) -> ScaledAttention {
    let masked = |name| Seen { mask: Some(input(name)), ..Seen::default() };
    let (seen, scale) = match case {
        "" => (Seen::default(), None),
        "_causal" | "_causal_of_fewer_queries" => (Seen { causal: true, ..Seen::default() }, None),
        "_seen" => (masked("seen"), None),
        "_added" => (masked("added"), None),
        "_grouped" => (Seen::default(), Some(0.3)),
        other => panic!("no options for {other}"),
    };
    ScaledAttention { seen, scale, ..ScaledAttention::default() }
}

fn attention_options(case: &str, input: &impl Fn(&str) -> Value) -> (i64, Attention) {
    let (all, seen) = (Attention::default(), Seen::default());
    match case {
        "" => (2, all),
        "_causal_no_bias" => (3, Attention { seen: Seen { causal: true, ..seen }, bias: false, ..all }),
        "_across" => (2, Attention { key: Some(input("key")), value: Some(input("value")), ..all }),
        "_of_lengths" => (2, Attention { seen: Seen { lengths: Some(input("lengths")), ..seen }, ..all }),
        "_seen" => (2, Attention { seen: Seen { mask: Some(input("seen")), ..seen }, ..all }),
        "_grouped" => (4, Attention { kv_heads: Some(Dim::from(2)), ..all }),
        other => panic!("no options for {other}"),
    }
}

/// The elements of an input.
fn element(name: &str) -> ElementType {
    match name {
        "lengths" => ElementType::I32,
        "seen" => ElementType::Bool,
        _ => F32,
    }
}

fn declare(b: &Builder, name: &str, recorded: &Recorded) -> Value {
    b.input(name, element(name), Shape(recorded.dims.iter().map(|&dim| Dim::from(dim)).collect()))
}

/// What is recorded as `prefix/NAME`, by name.
fn under<'a>(case: &'a Case, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Recorded)> {
    case.iter().filter_map(move |(what, recorded)| Some((what.strip_prefix(prefix)?, recorded)))
}

/// The output, and each gradient that PyTorch gives, as the interpreter has them.
fn run(name: &str, case: &Case, precision: Precision, passes: bool) -> BTreeMap<String, Vec<f64>> {
    let b = Builder::new(Mode::Train);
    let inputs: BTreeMap<&str, Value> =
        under(case, "input/").map(|(name, recorded)| (name, declare(&b, name, recorded))).collect();
    let output = b.scope("l", || layer(&b, name, case, |name| inputs[name].clone()));
    let total = sum(&output * declare(&b, "upstream", &case["upstream"]));

    let mut results = vec![("output".to_owned(), output)];
    for (leaf, _) in under(case, "gradient/") {
        let stored = || b.find_storage(&format!("l.{leaf}")).unwrap_or_else(|| panic!("{name}: {leaf}"));
        let value = inputs.get(leaf).cloned().unwrap_or_else(stored);
        results.push((format!("gradient/{leaf}"), gradient(&total, value)));
    }

    let parameters = under(case, "parameter/").count();
    assert_eq!(b.storage_names().len(), parameters, "{name} has {:?}", b.storage_names());
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{name}: {errors}")).graph;
    graph.results = results
        .iter()
        .map(|(what, value)| (Purpose::Output((&**what).into()), value.node().expect("known")))
        .collect();

    let graph = if passes { optimize(&graph) } else { graph };
    let found = interpret(&graph, &environment(case, precision), precision)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    results.into_iter().zip(found).map(|((what, _), (_, tensor))| (what, tensor.to_f64_vec())).collect()
}

fn environment(case: &Case, precision: Precision) -> Environment {
    let given = |recorded: &Recorded, element: ElementType| {
        let element = if precision == Precision::F64 && element == F32 { F64 } else { element };
        Tensor::from_f64(element, recorded.dims.clone(), &recorded.values).expect("a tensor")
    };
    let mut environment = Environment::new().input("upstream", given(&case["upstream"], F32));
    for (name, recorded) in under(case, "input/") {
        environment = environment.input(name, given(recorded, element(name)));
    }
    for (name, recorded) in under(case, "parameter/") {
        environment = environment.storage(&format!("l.{name}"), given(recorded, F32));
    }
    environment
}

fn assert_is_pytorchs(precision: Precision, passes: bool, tolerance: f64) {
    for (name, case) in &golden() {
        for (what, found) in run(name, case, precision, passes) {
            let expected = &case[&what].values;
            assert_eq!(found.len(), expected.len(), "{name}/{what}");
            for (position, (a, b)) in found.iter().zip(expected).enumerate() {
                let same = a == b || a.is_nan() && b.is_nan();
                let near = same || (a - b).abs() <= tolerance * b.abs().max(1.0);
                assert!(near, "{name}/{what}[{position}]: {a} where PyTorch has {b}");
            }
        }
    }
}

#[test]
fn double_precision_is_pytorchs() {
    // Without passes: they fold f32 constants with f32's rounding.
    assert_is_pytorchs(Precision::F64, false, 1e-12);
}

#[test]
fn single_precision_is_near() {
    assert_is_pytorchs(Precision::F32, true, 1e-5);
}
