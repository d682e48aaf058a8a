//! Learning rates are PyTorch's, step by step (`tests/golden/schedules.py`).

use downhill::schedules::{
    OneCycle, ReduceOnPlateau, Schedule, constant, cosine, cosine_restarts, custom, exponential, linear,
    milestones, one_cycle, polynomial, step,
};

const GOLDEN: &str = include_str!("golden/schedules.txt");

fn expected(name: &str) -> Vec<f64> {
    let mut lines = GOLDEN.lines().filter_map(|line| line.split_once(' '));
    let (_, rates) = lines.find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no golden of {name}"));
    rates.split(' ').map(|rate| rate.parse().expect("a number")).collect()
}

fn compare(name: &str, rates: impl IntoIterator<Item = f32>) {
    let expected = expected(name);
    let rates: Vec<f32> = rates.into_iter().take(expected.len()).collect();
    assert_eq!(rates.len(), expected.len(), "{name}");
    for (step, (rate, expected)) in rates.into_iter().zip(expected).enumerate() {
        let error = (f64::from(rate) - expected).abs();
        assert!(error <= 1e-6 * expected.abs() + 1e-12, "{name}, step {step}: {rate}, PyTorch {expected}");
    }
}

#[test]
fn schedules_are_pytorchs() {
    let schedules: [(&str, Schedule); 13] = [
        ("constant", constant(0.1)),
        ("linear", linear(0.025, 0.05, 7)),
        ("step", step(0.1, 5, 0.3)),
        ("milestones", milestones(0.1, &[3, 3, 11], 0.5)),
        ("exponential", exponential(0.1, 0.9)),
        ("polynomial", polynomial(0.1, 9, 1.5)),
        ("cosine", cosine(0.1, 23).down_to(0.01)),
        ("restarts", cosine_restarts(0.1, 3, 2).down_to(0.02)),
        ("restarts_alike", cosine_restarts(0.1, 5, 1)),
        ("one_cycle", one_cycle(0.1, 24)),
        ("one_cycle_linear", OneCycle { linear: true, up: 0.45, ..OneCycle::new(0.1, 24) }.into()),
        (
            "one_cycle_three",
            OneCycle { three_phases: true, first_divisor: 10.0, ..OneCycle::new(0.1, 24) }.into(),
        ),
        ("warmup_cosine", cosine(0.1, 17).warmup(6, 0.1)),
    ];
    for (name, schedule) in schedules {
        compare(name, schedule.rates(0, 100));
    }
    assert_eq!(custom(|step| step as f64).rates(2, 2), [2.0, 3.0]);
}

#[test]
fn plateaus_are_pytorchs() {
    let observed = [
        1.0,
        0.9,
        0.9,
        0.89995,
        0.9,
        0.9,
        0.95,
        f64::NAN,
        0.7,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.8,
        0.6,
        0.7,
        0.7,
        0.7,
    ];
    let mut less = ReduceOnPlateau::new(0.1).factor(0.5).patience(2).cooldown(1).least(0.02);
    compare("plateau", observed.map(|value| less.observe(value)));
    let mut greater = ReduceOnPlateau::new(0.1).maximize().patience(3).threshold(0.05);
    compare("plateau_greater", observed.map(|value| greater.observe(value)));
}
