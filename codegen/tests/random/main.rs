//! Random graphs, compiled, against the interpreter: generic and with sizes fixed.
//!
//! The number of cases is `PROPTEST_CASES`, or what a person waits for; the seed is always the same unless
//! `PROPTEST_RNG_SEED` says another, so that a failure is there again on the next run.

#[path = "../common/mod.rs"]
mod common;
mod generator;
mod grow;
mod numbers;

use common::{Outcome, bits};
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use generator::{Case, case};
use numbers::Numbers;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn config(cases: u32) -> ProptestConfig {
    let said = |name: &str| std::env::var(name).ok()?.parse().ok();
    ProptestConfig {
        cases: said("PROPTEST_CASES").map_or(cases, |cases: u64| cases as u32),
        rng_seed: RngSeed::Fixed(said("PROPTEST_RNG_SEED").unwrap_or(0)),
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..ProptestConfig::default()
    }
}

/// What compiled code found, or the first difference in words.
fn compiled(graph: &Graph, environment: &Environment, fixed: &Bindings) -> Result<Outcome, String> {
    common::run(graph, environment, fixed).map_err(|error| error.to_string())
}

fn compare(purpose: &Purpose, numbers: Numbers, expected: &Tensor, found: &Tensor) -> Result<(), String> {
    if expected.shape() != found.shape() {
        return Err(format!("{purpose:?} has shape {:?}, expected {:?}", found.shape(), expected.shape()));
    }
    for (position, (e, f)) in expected.to_f64_vec().into_iter().zip(found.to_f64_vec()).enumerate() {
        let alike = e == f || e.is_nan() && f.is_nan() || (e - f).abs() <= 1.01 * numbers.error;
        if !alike {
            return Err(format!("{purpose:?}[{position}] is {f}, expected {e} ± {}", numbers.error));
        }
    }
    Ok(())
}

fn check(Case { graph, environment, numbers }: &Case, passes: bool) -> Result<(), String> {
    let graph = if passes { optimize(graph) } else { graph.clone() };
    let expected = interpret(&graph, environment, Precision::F64).map_err(|error| error.to_string())?;
    let generic = compiled(&graph, environment, &Bindings::new())?;
    let sizes = environment.bindings(&graph).map_err(|error| error.to_string())?;
    let fixed = compiled(&graph, environment, &sizes)?;
    if is_stopped(&graph, environment, &expected, &generic)? {
        return is_stopped(&graph, environment, &expected, &fixed).map(|_| ());
    }
    for (n, (purpose, expected)) in expected.iter().enumerate() {
        compare(purpose, numbers[n], expected, &generic.results[n].1)?;
        if bits(&generic.results[n].1) != bits(&fixed.results[n].1) {
            return Err(format!(
                "{purpose:?} differs between the generic variant and the one for fixed sizes"
            ));
        }
    }
    Ok(())
}

/// Whether a step ended because an update is not finite: exactly then it must, and one that ended before its updates has made none.
fn is_stopped(
    graph: &Graph,
    environment: &Environment,
    expected: &[(Purpose, Tensor)],
    found: &Outcome,
) -> Result<bool, String> {
    let is_broken =
        |tensor: &Tensor| tensor.element().is_float() && tensor.to_f64_vec().iter().any(|x| !x.is_finite());
    let is_update = |purpose: &Purpose| matches!(purpose, Purpose::Update(_));
    let broken = expected.iter().any(|(purpose, value)| is_update(purpose) && is_broken(value));
    if broken != (found.stopped == 0) {
        return Err(format!("stopped is {}, with an update that is not finite: {broken}", found.stopped));
    }
    for (purpose, value) in &found.results {
        if let (Purpose::Update(n), true, 0) = (purpose, broken, found.updated)
            && let Some(before) = environment.storages.get(&graph.storages[*n].name)
            && bits(before) != bits(value)
        {
            return Err(format!("{purpose:?} was made by a step that ended before its updates"));
        }
    }
    Ok(broken)
}

/// `check`, with the graph in the message; a panic is a failure like any other.
fn checked(case: &Case, passes: bool) -> Result<(), TestCaseError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| check(case, passes)));
    let outcome =
        outcome.unwrap_or_else(|panic| Err(panic.downcast_ref::<String>().cloned().unwrap_or_default()));
    outcome.map_err(|message| TestCaseError::fail(format!("{message}\nin\n{}", case.graph.to_text())))
}

proptest! {
    #![proptest_config(config(120))]

    #[test]
    fn compiled_graphs_mean_what_the_interpreter_says(bytes in prop::collection::vec(any::<u8>(), 20..160), passes in any::<bool>()) {
        checked(&case(&bytes, false), passes)?;
    }

    #[test]
    fn what_is_not_finite_comes_through(bytes in prop::collection::vec(any::<u8>(), 20..100)) {
        checked(&case(&bytes, true), false)?;
    }
}

/// Each op is drawn by some of the committed cases: a generator that has forgotten one would prove nothing about it.
#[test]
fn every_op_is_drawn() {
    use downhill_graph::op::Op;
    use std::collections::BTreeSet;
    let mut drawn = BTreeSet::new();
    for seed in 0..400_u64 {
        let mut noise = seed;
        let bytes: Vec<u8> = (0..120)
            .map(|_| {
                noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (noise >> 56) as u8
            })
            .collect();
        let graph = case(&bytes, false).graph;
        for id in graph.ids() {
            let name = format!("{:?}", graph.op(id));
            let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
            drawn.insert(match graph.op(id) {
                Op::Unary(f) => format!("{f:?}"),
                Op::Binary(f) => format!("{f:?}"),
                Op::Compare(f) => format!("{f:?}"),
                _ => name,
            });
        }
    }
    // Each unary (20), binary (13) and comparison (6) counts by itself. Random bits, markers and loops are not drawn.
    let expected = [
        "Input",
        "Storage",
        "Constant",
        "Iota",
        "DimValue",
        "Select",
        "Convert",
        "Reduce",
        "ArgMax",
        "CumulativeSum",
        "Gather",
        "ScatterAdd",
        "Reshape",
        "Transpose",
        "Broadcast",
        "Slice",
        "Pad",
        "Concatenate",
        "Reverse",
        "Window",
        "Fold",
        "DotGeneral",
    ];
    for name in expected {
        assert!(drawn.contains(name), "{name} is never drawn: {drawn:?}");
    }
    assert_eq!(drawn.len(), expected.len() + 20 + 13 + 6, "{drawn:?}");
}
