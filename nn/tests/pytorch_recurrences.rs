//! Recurrences against PyTorch: outputs, last states, gradients and steps of `tests/golden/recurrences.txt`, in f64 and in f32.

mod recorded;

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, F64, I32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::{Argument, results};
use downhill_nn::value::{gradient, sum};
use recorded::{Recorded, records};
use std::collections::BTreeMap;

type Case = BTreeMap<String, Recorded>;

fn golden() -> BTreeMap<String, Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (name, record) in records("recurrences.txt") {
        let (case, what) = name.split_once('/').expect("a case and a part");
        cases.entry(case.into()).or_default().insert(what.into(), record);
    }
    cases
}

/// What is recorded as `prefix/NAME`, by name.
fn under<'a>(case: &'a Case, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Recorded)> {
    case.iter()
        .filter_map(move |(what, recorded)| Some((what.strip_prefix(prefix)?.strip_prefix('/')?, recorded)))
}

/// The layer of a case, called as declarations call it: its outputs by name.
fn outputs(
    b: &Builder,
    layer: &str,
    case: &Case,
    inputs: &BTreeMap<&str, Value>,
) -> Vec<(&'static str, Value)> {
    let mut named: Vec<(&str, Argument)> = under(case, "option")
        .map(|(name, recorded)| match (name, recorded.values[0] as i64) {
            ("bias" | "bidirectional" | "relu", flag) => (name, Argument::Bool(flag == 1)),
            (_, number) => (name, Argument::Integer(number)),
        })
        .collect();
    named.extend(inputs.iter().map(|(name, value)| (*name, Argument::from(value))));
    let given = b.scope("l", || results(b, layer, Vec::new(), named));
    let values = match given {
        Argument::Several(several) => several.values,
        Argument::Value(value) => vec![value],
        other => panic!("{layer} gives {:?}", matches!(other, Argument::Unknown)),
    };
    let names: &[&str] = if layer.ends_with("cell") { &["h", "c"] } else { &["y", "h", "c"] };
    names.iter().copied().zip(values).collect()
}

/// The graph of a case: outputs, then the loss, then the gradient of each leaf that PyTorch gives one of.
fn graph_of(name: &str, case: &Case) -> Graph {
    let b = Builder::new(Mode::Train);
    let declare = |name: &str, recorded: &Recorded| {
        let element = if name == "lengths" { I32 } else { F32 };
        b.input(name, element, Shape(recorded.dims.iter().map(|&dim| Dim::from(dim)).collect()))
    };
    let inputs: BTreeMap<&str, Value> =
        under(case, "input").map(|(name, recorded)| (name, declare(name, recorded))).collect();
    let outputs = outputs(&b, name.split(':').next().expect("a layer"), case, &inputs);

    let weighted = |(what, value): &(&str, Value)| {
        sum(value * declare(&format!("upstream/{what}"), &case[&format!("upstream/{what}")]))
    };
    let total = outputs.iter().map(weighted).reduce(|a, b| a + b).expect("an output");
    let mut found: Vec<(String, Value)> =
        outputs.iter().map(|(what, value)| (format!("output/{what}"), value.clone())).collect();
    found.push(("loss".into(), total.clone()));
    for (leaf, _) in under(case, "gradient") {
        let stored = || b.find_storage(&format!("l.{leaf}")).unwrap_or_else(|| panic!("{name}: {leaf}"));
        let value = inputs.get(leaf).cloned().unwrap_or_else(stored);
        found.push((format!("gradient/{leaf}"), gradient(&total, value)));
    }

    assert_eq!(b.storage_names().len(), under(case, "parameter").count(), "{name}");
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{name}: {errors}")).graph;
    let named =
        found.iter().map(|(what, value)| (Purpose::Output((&**what).into()), value.node().expect("known")));
    graph.results = named.collect();
    graph
}

/// The results of a graph by name.
fn run(
    graph: &Graph,
    case: &Case,
    parameters: &BTreeMap<String, Vec<f64>>,
    precision: Precision,
) -> BTreeMap<String, Vec<f64>> {
    let float = if precision == Precision::F64 { F64 } else { F32 };
    let given = |name: &str, dims: &[usize], values: &[f64]| {
        let element = if name == "lengths" { I32 } else { float };
        Tensor::from_f64(element, dims, values).expect("a tensor")
    };
    let mut at = Environment::new();
    for (name, recorded) in under(case, "input") {
        at = at.input(name, given(name, &recorded.dims, &recorded.values));
    }
    for (name, recorded) in under(case, "upstream") {
        at = at.input(&format!("upstream/{name}"), given(name, &recorded.dims, &recorded.values));
    }
    for (name, recorded) in under(case, "parameter") {
        at = at.storage(&format!("l.{name}"), given(name, &recorded.dims, &parameters[name]));
    }
    let found = interpret(graph, &at, precision).expect("values");
    let name = |purpose: &Purpose| match purpose {
        Purpose::Output(name) => name.to_string(),
        other => panic!("{other:?}"),
    };
    found.into_iter().map(|(purpose, tensor)| (name(&purpose), tensor.to_f64_vec())).collect()
}

fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (position, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * b.abs().max(1.0),
            "{what}[{position}]: {a} where PyTorch has {b}"
        );
    }
}

fn assert_is_pytorchs(precision: Precision, passes: bool, tolerance: f64) {
    let golden = golden();
    assert_eq!(golden.len(), 25);
    for (name, case) in &golden {
        let graph = graph_of(name, case);
        let graph = if passes { optimize(&graph) } else { graph };
        let mut parameters: BTreeMap<String, Vec<f64>> = under(case, "parameter")
            .map(|(name, recorded)| (name.to_owned(), recorded.values.clone()))
            .collect();
        let found = run(&graph, case, &parameters, precision);
        for (what, values) in found.iter().filter(|(what, _)| *what != "loss") {
            assert_near(&format!("{name}/{what}"), values, &case[what].values, tolerance);
        }

        // Steps of plain descent.
        for (step, expected) in case["losses"].values.iter().enumerate() {
            let found = run(&graph, case, &parameters, precision);
            assert_near(&format!("{name}, step {step}"), &found["loss"], &[*expected], tolerance);
            for (leaf, values) in &mut parameters {
                let by = &found[&format!("gradient/{leaf}")];
                values.iter_mut().zip(by).for_each(|(value, by)| *value -= 0.1 * by);
            }
        }
    }
}

#[test]
fn double_precision_is_pytorchs() {
    assert_is_pytorchs(Precision::F64, false, 1e-12);
}

#[test]
fn single_precision_is_near() {
    assert_is_pytorchs(Precision::F32, true, 1e-5);
}
