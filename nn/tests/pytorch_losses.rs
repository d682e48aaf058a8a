//! Losses and their options against PyTorch: values and gradients of `tests/golden/losses.txt`, in f64 and in f32, and second derivatives
//! against differences. Each is called by its name and its arguments' names, as a declaration does.

mod recorded;

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::rebuild::ancestors;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, F64, I32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::{self, Argument, Kind};
use downhill_nn::value::{gradient, sum};
use recorded::{Recorded, records};
use std::collections::BTreeMap;

/// The records of one variant by what they are: `input/p`, `option/delta`, `output`, ….
type Case = BTreeMap<String, Recorded>;

const REDUCTIONS: [&str; 4] = ["mean", "sum", "none", "batchmean"];

fn golden() -> BTreeMap<String, Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (name, record) in records("losses.txt") {
        let (case, what) = name.split_once('/').expect("a case and a part");
        cases.entry(case.into()).or_default().insert(what.into(), record);
    }
    cases
}

/// What is recorded as `prefix/NAME`, by name.
fn under<'a>(case: &'a Case, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Recorded)> {
    case.iter().filter_map(move |(what, recorded)| Some((what.strip_prefix(prefix)?, recorded)))
}

/// The loss of a case, and its inputs by name.
struct Declared {
    builder: Builder,
    inputs: BTreeMap<String, Value>,
    loss: Value,
}

fn declared(name: &str, case: &Case) -> Declared {
    let builder = Builder::new(Mode::Train);
    let (loss, _) = name.split_once(':').expect("a loss and a variant");
    let composite = composite::find(loss).unwrap_or_else(|| panic!("{loss} is no loss"));

    let mut inputs: BTreeMap<String, Value> = BTreeMap::new();
    let mut named: Vec<(&str, Argument)> = Vec::new();
    for (input, recorded) in under(case, "input/") {
        let element = if is_counted(input) { I32 } else { F32 };
        let called = if input == "label" { "y" } else { input };
        let value = builder.input(input, element, shape(recorded));
        named.push((called, value.clone().into()));
        inputs.insert(input.into(), value);
    }
    for (option, recorded) in under(case, "option/") {
        let kind = composite.parameters.iter().find(|parameter| parameter.name == option).map(|it| it.kind);
        let number = recorded.values[0];
        let argument = match kind.unwrap_or_else(|| panic!("{loss} has no {option}")) {
            Kind::Word(_) => Argument::Word(REDUCTIONS[number as usize]),
            Kind::Bool => Argument::Bool(number == 1.0),
            _ => Argument::Number(number),
        };
        named.push((option, argument));
    }

    let loss = composite::call(&builder, loss, Vec::new(), named);
    Declared { builder, inputs, loss }
}

/// Class indices and lengths.
fn is_counted(input: &str) -> bool {
    ["label", "lengths", "target_lengths"].contains(&input)
}

/// A scalar is recorded as one element.
fn shape(recorded: &Recorded) -> Shape {
    Shape(recorded.dims.iter().map(|&dim| Dim::from(dim)).collect())
}

/// The graph that gives these results.
fn graph_of(builder: Builder, results: &[Value]) -> Graph {
    let mut graph = builder.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    let nodes = results.iter().map(|value| value.node().expect("known"));
    graph.results =
        nodes.enumerate().map(|(n, node)| (Purpose::Output(n.to_string().into()), node)).collect();
    graph
}

/// The results of `graph` at the recorded inputs, or at those of `others`.
fn values(
    graph: &Graph,
    case: &Case,
    others: &BTreeMap<String, Vec<f64>>,
    precision: Precision,
) -> Vec<Vec<f64>> {
    let float = if precision == Precision::F64 { F64 } else { F32 };
    let mut environment = Environment::new();
    for (name, recorded) in under(case, "input/").chain([("upstream", &case["upstream"])]) {
        let element = if is_counted(name) { I32 } else { float };
        let numbers = others.get(name).unwrap_or(&recorded.values);
        let tensor = Tensor::from_f64(element, recorded.dims.clone(), numbers).expect("a tensor");
        environment = environment.input(name, tensor);
    }
    for (name, numbers) in others {
        let Some(leaf) = name.strip_prefix(WEIGHTS) else { continue };
        let dims = case[&format!("input/{leaf}")].dims.clone();
        environment = environment.input(name, Tensor::from_f64(float, dims, numbers).expect("a tensor"));
    }
    let found = interpret(graph, &environment, precision).expect("values");
    found.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

/// What the names of weights of a leaf's gradient begin with.
const WEIGHTS: &str = "weights of ";

/// Σ of the output times the upstream.
fn total(declared: &Declared, case: &Case) -> Value {
    // What has no axes is recorded with one.
    let upstream = declared.builder.input("upstream", F32, shape(&case["upstream"]));
    let is_scalar = declared.loss.shape().is_some_and(|shape| shape.rank() == 0);
    sum(&declared.loss * if is_scalar { sum(upstream) } else { upstream })
}

/// How far the values are that are furthest away.
fn assert_is_pytorchs(precision: Precision, passes: bool, tolerance: f64) -> f64 {
    let mut furthest: f64 = 0.0;
    for (name, case) in &golden() {
        let declared = declared(name, case);
        assert!(declared.loss.node().is_some(), "{name}: {:?}", declared.builder.take_errors());
        let total = total(&declared, case);
        let (mut results, mut expected) = (vec![declared.loss.clone()], vec![&case["output"].values]);
        for (leaf, recorded) in under(case, "gradient/") {
            results.push(gradient(&total, &declared.inputs[leaf]));
            expected.push(&recorded.values);
        }

        // PyTorch's 10⁻¹² of rows of zeros is a float: 4·10⁻⁹ less than 10⁻¹².
        let tolerance = if name.contains("edge") { tolerance.max(1e-8) } else { tolerance };
        let graph = graph_of(declared.builder, &results);
        let graph = if passes { optimize(&graph) } else { graph };
        let found = values(&graph, case, &BTreeMap::new(), precision);
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found.len(), expected.len(), "{name}, result {place}");
            for (a, b) in found.iter().zip(expected) {
                let error = (a - b).abs() / b.abs().max(1.0);
                assert!(error <= tolerance, "{name}, result {place}: {a} where PyTorch has {b}");
                furthest = if name.contains("edge") { furthest } else { furthest.max(error) };
            }
        }
    }
    furthest
}

#[test]
fn double_precision_is_pytorchs() {
    // Without passes: they fold f32 constants with f32's rounding.
    println!("within {:.1e}", assert_is_pytorchs(Precision::F64, false, 1e-12));
}

#[test]
fn single_precision_is_near() {
    println!("within {:.1e}", assert_is_pytorchs(Precision::F32, true, 1e-5));
}

/// Numbers in −1..1 that are others for each name.
fn several(name: &str, count: usize) -> Vec<f64> {
    let mut state = name.bytes().fold(7_u64, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Σ ⟨w, ∂total/∂leaf⟩, and the weights w by the names of their inputs.
fn weighted_slopes(
    declared: &Declared,
    total: &Value,
    leaves: &[(&str, &Recorded)],
) -> (Value, BTreeMap<String, Vec<f64>>) {
    let mut weights = BTreeMap::new();
    let terms: Vec<Value> = leaves
        .iter()
        .map(|(leaf, recorded)| {
            let name = format!("{WEIGHTS}{leaf}");
            weights.insert(name.clone(), several(&name, recorded.values.len()));
            let given = declared.builder.input(&name, F32, shape(recorded));
            sum(gradient(total, &declared.inputs[*leaf]) * given)
        })
        .collect();
    (terms.into_iter().reduce(|a, b| a + b).expect("a gradient"), weights)
}

/// For s = Σ upstream · loss and s₂ = Σ ⟨w, ∂s/∂leaf⟩: how s₂ changes along a random direction, by differences and as derived.
#[test]
fn second_derivatives_are_those_of_differences() {
    const STEP: f64 = 1e-5;
    let (mut tried, mut curved) = (0, 0);
    for (name, case) in golden().iter().filter(|(name, _)| !name.contains("edge")) {
        let declared = declared(name, case);
        let total = total(&declared, case);
        let leaves: Vec<(&str, &Recorded)> = under(case, "gradient/").collect();
        let (sloped, others) = weighted_slopes(&declared, &total, &leaves);
        let needed = declared.builder.with_graph(|graph| ancestors(graph, &[sloped.node().expect("known")]));
        let depends = |leaf: &str| needed[declared.inputs[leaf].node().expect("known").index()];
        let bent: Vec<_> = leaves.iter().filter(|(leaf, _)| depends(leaf)).collect();
        let mut results = vec![sloped.clone()];
        results.extend(bent.iter().map(|(leaf, _)| gradient(&sloped, &declared.inputs[*leaf])));

        let graph = graph_of(declared.builder, &results);
        let at = |distance: f64| {
            let mut moved = others.clone();
            for (leaf, _) in &leaves {
                let here = &case[&format!("input/{leaf}")].values;
                let steps = several(leaf, here.len()).into_iter().map(|t| t * distance);
                moved.insert((*leaf).into(), here.iter().zip(steps).map(|(x, t)| x + t).collect());
            }
            values(&graph, case, &moved, Precision::F64)
        };

        let (here, difference) = (at(0.0), (at(STEP)[0][0] - at(-STEP)[0][0]) / (2.0 * STEP));
        let directions = bent.iter().map(|(leaf, recorded)| several(leaf, recorded.values.len()));
        let derived: f64 =
            here[1..].iter().flatten().zip(directions.flatten()).map(|(slope, t)| slope * t).sum();
        let near = (difference - derived).abs() <= 1e-6 * derived.abs().max(1.0);
        assert!(near, "{name}: {derived} as derived, {difference} by differences");
        (tried, curved) = (tried + 1, curved + usize::from(derived.abs() > 1e-9));
    }
    // Hinges and absolute differences have none, but when their weights have a gradient.
    assert!(curved * 2 > tried, "{curved} of {tried} have second derivatives");
}
