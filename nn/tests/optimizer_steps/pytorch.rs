//! Steps of optimizers, and of what surrounds them, against `tests/golden/optimizers.txt`, in f64 and in f32.

use super::recorded::{Recorded, records};
use super::stepped::{Start, Stepped};
use downhill_graph::interpret::Precision;
use downhill_nn::optimizers::*;
use std::collections::BTreeMap;

const PARAMETERS: [&str; 3] = ["wide", "tall", "bias"];
const STEPS: usize = 9;

fn optimizer(case: &str) -> Optimizer {
    match case {
        "rmsprop" => rmsprop(0.01).into(),
        "rmsprop_momentum" => rmsprop(0.02).alpha(0.9).eps(1e-6).momentum(0.9).weight_decay(0.1).into(),
        "rmsprop_centered" => rmsprop(0.02).centered(true).maximize().into(),
        "adagrad" => adagrad(0.01).into(),
        "adagrad_options" => {
            adagrad(0.1).lr_decay(0.2).weight_decay(0.1).initial_accumulator(0.5).eps(1e-4).into()
        }
        "adadelta" => adadelta(1.0).into(),
        "adadelta_options" => adadelta(0.5).rho(0.8).eps(1e-3).weight_decay(0.1).into(),
        "adamax" => adamax(2e-3).into(),
        "adamax_options" => adamax(0.05).betas(0.8, 0.95).eps(1e-3).weight_decay(0.1).into(),
        "nadam" => nadam(2e-3).into(),
        "nadam_options" => {
            nadam(0.05).betas(0.8, 0.95).eps(1e-3).weight_decay(0.1).momentum_decay(0.1).into()
        }
        "nadam_decoupled" => nadam(0.05).weight_decay(0.1).decoupled_weight_decay(true).into(),
        "radam" => radam(1e-3).into(),
        "radam_options" => radam(0.05).betas(0.8, 0.9).eps(1e-3).weight_decay(0.1).into(),
        "radam_decoupled" => {
            radam(0.05).betas(0.9, 0.8).weight_decay(0.1).decoupled_weight_decay(true).into()
        }
        "radam_short" => radam(0.05).betas(0.9, 0.5).into(),
        "amsgrad" => adam(1e-3).amsgrad(true).into(),
        "amsgrad_decoupled" => adamw(0.05).betas(0.8, 0.7).amsgrad(true).into(),
        "rprop" => rprop(0.01).into(),
        "rprop_options" => rprop(0.1).etas(0.4, 1.5).step_sizes(0.05, 0.2).into(),
        "muon" => muon(1e-3).into(),
        "muon_options" => {
            let options = muon(0.02).weight_decay(0.05).momentum(0.8).nesterov(false).eps(0.1).iterations(3);
            let options = options.coefficients(2.0, -1.5, 0.5).adjust(MuonRate::MatchRmsAdamw);
            options.others(adamw(0.005).weight_decay(0.0)).into()
        }
        "muon_spectral" => muon(0.02).adjust(MuonRate::SpectralUnclamped).into(),
        "lion" => lion(1e-4).into(),
        "lion_options" => lion(0.02).betas(0.8, 0.95).weight_decay(0.1).into(),
        "lamb" => lamb(1e-3).into(),
        "lamb_options" => lamb(0.05).betas(0.8, 0.95).eps(1e-3).weight_decay(0.0).into(),
        "schedule_free" => schedule_free(2.5e-3).into(),
        "schedule_free_options" => {
            schedule_free(0.05).betas(0.7, 0.95).eps(1e-3).weight_decay(0.1).warmup(4).into()
        }
        other => surrounded(other),
    }
}

fn surrounded(case: &str) -> Optimizer {
    let plain = sgd(0.1);
    match case {
        "clip_value" => plain.clip_value(0.3).into(),
        "clip_norm" => plain.clip_norm(1.5).into(),
        "clip_norm_1" => plain.clip_norm(1.5).norm_type(1.0).into(),
        "clip_norm_3" => plain.clip_norm(1.5).norm_type(3.0).into(),
        "clip_norm_greatest" => plain.clip_norm(0.5).norm_type(f64::INFINITY).into(),
        "clip_each_norm" => plain.clip_each_norm(1.5).into(),
        "groups" => adamw(0.01).spare_vectors().rate("t*", 0.5).decay("tall", 0.3).into(),
        "groups_rules" => nadam(0.01).rule("tall", nadam(0.02).betas(0.8, 0.9)).rule("bias", plain).into(),
        "average" => plain.average(0.8).into(),
        "average_all" => plain.average_all().into(),
        other => panic!("no optimizer for {other}"),
    }
}

/// What a case records: steps, names, values.
type Case<'a> = Vec<(usize, &'a str, &'a [f64])>;

fn cases(records: &BTreeMap<String, Recorded>) -> BTreeMap<&str, Case<'_>> {
    let mut cases: BTreeMap<&str, Case<'_>> = BTreeMap::new();
    for (name, record) in records {
        if let [case, step, what] = name.split('/').collect::<Vec<_>>()[..] {
            cases.entry(case).or_default().push((step.parse().expect("a step"), what, &record.values));
        }
    }
    cases
}

/// What there is after each step.
fn run(records: &BTreeMap<String, Recorded>, optimizer: &Optimizer, precision: Precision) -> Vec<Stepped> {
    let starts = PARAMETERS.map(|name| {
        let Recorded { dims, values } = &records[&format!("initial/{name}")];
        Start { name, dims, values }
    });
    let mut stepped = Stepped::new(&starts, optimizer, precision);
    let after = |turn: usize| {
        let gradients = PARAMETERS.map(|name| {
            let all = &records[&format!("gradient/{name}")].values;
            let count = all.len() / STEPS;
            &all[turn * count..(turn + 1) * count]
        });
        stepped.step(&gradients);
        stepped.clone()
    };
    (0..STEPS).map(after).collect()
}

fn assert_follows(precision: Precision, tolerance: f64) {
    let records: BTreeMap<String, Recorded> = records("optimizers.txt").into_iter().collect();
    let cases = cases(&records);
    assert!(cases.len() >= 39, "{}", cases.len());
    for (case, expected) in cases {
        let after = run(&records, &optimizer(case), precision);
        for (step, name, values) in expected {
            let found = after[step - 1].values(name);
            assert_eq!(found.len(), values.len(), "{case} {name}");
            for (position, (found, expected)) in found.iter().zip(values).enumerate() {
                let near = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
                assert!(near, "{case}, step {step}: {name}[{position}] is {found}, not {expected}");
            }
        }
    }
}

#[test]
fn double_precision_is_pytorchs() {
    assert_follows(Precision::F64, 1e-12);
}

#[test]
fn single_precision_is_near() {
    assert_follows(Precision::F32, 1e-5);
}
