//! Functions called by their names against PyTorch: values and gradients of `tests/golden/functions.txt`, in f64 and in f32.

mod recorded;

use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, Bool, F32, F64, I32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::{Argument, Kind, call, find};
use downhill_nn::value::{gradient, sum};
use recorded::{Recorded, records};
use std::collections::BTreeMap;

/// The records of one call by what they are: `input/0`, `option/axis`, `output`, ….
type Case = BTreeMap<String, Recorded>;

fn golden() -> BTreeMap<String, Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (name, record) in records("functions.txt") {
        let (case, what) = name.split_once('/').expect("a case and a part");
        cases.entry(case.into()).or_default().insert(what.into(), record);
    }
    cases
}

/// The positional arguments in their order: what each is called, its elements, its record.
fn inputs(case: &Case) -> Vec<(&str, ElementType, &Recorded)> {
    let mut inputs: Vec<(&str, ElementType, &Recorded)> = case
        .iter()
        .filter_map(|(what, recorded)| Some((what.strip_prefix("input/")?, recorded)))
        .map(|(what, recorded)| match what.split_once('/') {
            Some(("index", number)) => (number, I32, recorded),
            Some(("mask", number)) => (number, Bool, recorded),
            Some((other, _)) => panic!("an input of kind {other}"),
            None => (what, F32, recorded),
        })
        .collect();
    inputs.sort_by_key(|(number, ..)| *number);
    inputs
}

/// The named arguments, each as its parameter takes it.
fn options<'a>(function: &str, case: &'a Case) -> Vec<(&'a str, Argument)> {
    let parameters = find(function).unwrap_or_else(|| panic!("nothing is called {function}")).parameters;
    let of = |name: &str, recorded: &Recorded| {
        let parameter = parameters.iter().find(|parameter| parameter.answers_to(name));
        match parameter.unwrap_or_else(|| panic!("{function} has no {name}")).kind {
            Kind::Axes | Kind::Shape | Kind::Sizes => {
                Argument::Shape(recorded.values.iter().map(|&n| Dim::from(n as i64)).collect())
            }
            Kind::Word(words) => Argument::Word(words[recorded.values[0] as usize]),
            Kind::Bool => Argument::Bool(recorded.values[0] != 0.0),
            _ => Argument::Number(recorded.values[0]),
        }
    };
    let named = case.iter().filter_map(|(what, recorded)| Some((what.strip_prefix("option/")?, recorded)));
    named.map(|(name, recorded)| (name, of(name, recorded))).collect()
}

fn declare(b: &Builder, name: &str, element: ElementType, recorded: &Recorded) -> Value {
    b.input(name, element, Shape(recorded.dims.iter().map(|&dim| Dim::from(dim)).collect()))
}

/// The output, and each gradient that PyTorch gives, as the interpreter has them.
fn run(name: &str, case: &Case, precision: Precision, passes: bool) -> Vec<(String, Vec<f64>)> {
    let b = Builder::new(Mode::Train);
    let (function, variant) = name.split_once(':').expect("a function and a case");
    let given: Vec<Value> = inputs(case).iter().map(|(n, element, x)| declare(&b, n, *element, x)).collect();
    let equation = (function == "einsum").then(|| Argument::from(variant));
    let arguments = equation.into_iter().chain(given.iter().map(Argument::from)).collect();
    let output = call(&b, function, arguments, options(function, case));

    let mut results = vec![("output".to_owned(), output.clone())];
    if let Some(upstream) = case.get("upstream") {
        let total = sum(&output * declare(&b, "upstream", F32, upstream));
        for ((number, ..), value) in inputs(case).iter().zip(&given) {
            if case.contains_key(&format!("gradient/{number}")) {
                results.push((format!("gradient/{number}"), gradient(&total, value)));
            }
        }
    }

    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{name}: {errors}")).graph;
    let nodes = results.iter().map(|(what, value)| (what, value.node().expect("known")));
    graph.results = nodes.map(|(what, node)| (Purpose::Output((&**what).into()), node)).collect();
    let graph = if passes { optimize(&graph) } else { graph };
    let found = interpret(&graph, &environment(case, precision), precision)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    results.into_iter().zip(found).map(|((what, _), (_, tensor))| (what, tensor.to_f64_vec())).collect()
}

fn environment(case: &Case, precision: Precision) -> Environment {
    let tensor = |element: ElementType, recorded: &Recorded| {
        let element = if precision == Precision::F64 && element == F32 { F64 } else { element };
        Tensor::from_f64(element, recorded.dims.clone(), &recorded.values).expect("a tensor")
    };
    let environment =
        inputs(case).into_iter().fold(Environment::new(), |all, (number, element, recorded)| {
            all.input(number, tensor(element, recorded))
        });
    match case.get("upstream") {
        Some(upstream) => environment.input("upstream", tensor(F32, upstream)),
        None => environment,
    }
}

/// The greatest distance of each function from PyTorch, against 1 or the value, whichever is more.
fn distances(precision: Precision, passes: bool, tolerance: f64) -> BTreeMap<String, f64> {
    let mut worst: BTreeMap<String, f64> = BTreeMap::new();
    let mut beyond = Vec::new();
    for (name, case) in &golden() {
        let function = name.split(':').next().unwrap_or_default();
        for (what, found) in run(name, case, precision, passes) {
            let expected = &case[&what].values;
            assert_eq!(found.len(), expected.len(), "{name}/{what}");
            for (position, (a, b)) in found.iter().zip(expected).enumerate() {
                let same = a == b || a.is_nan() && b.is_nan();
                let off = if same { 0.0 } else { (a - b).abs() / b.abs().max(1.0) };
                // A distance that is NaN is too much.
                if off.is_nan() || off > tolerance {
                    beyond.push(format!("{name}/{what}[{position}]: {a} where PyTorch has {b}"));
                }
                let worst = worst.entry(function.into()).or_default();
                *worst = worst.max(off);
            }
        }
    }
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
    worst
}

#[test]
fn double_precision_is_pytorchs() {
    // Without passes: they fold f32 constants with f32's rounding.
    let worst = distances(Precision::F64, false, 1e-12);
    worst.iter().for_each(|(function, off)| println!("{function}: {off:.1e}"));
}

#[test]
fn single_precision_is_near() {
    let worst = distances(Precision::F32, true, 1e-5);
    worst.iter().for_each(|(function, off)| println!("{function}: {off:.1e}"));
}

#[test]
fn gradients_are_compared_but_of_functions_that_have_none() {
    let mut has_gradient: BTreeMap<String, bool> = BTreeMap::new();
    for (name, case) in golden() {
        let function = name.split(':').next().unwrap_or_default();
        *has_gradient.entry(function.into()).or_default() |= case.contains_key("gradient/0");
    }
    let without: Vec<&str> =
        has_gradient.iter().filter(|(_, has)| !**has).map(|(function, _)| &**function).collect();
    let stepwise = [
        "all",
        "any",
        "argmin",
        "argsort",
        "count",
        "floor_divide",
        "histogram",
        "top_k_indices",
        "trunc_divide",
    ];
    assert_eq!(without, stepwise);
}
