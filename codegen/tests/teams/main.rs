//! Random networks on one thread and on several, whose ranges run in orders that no pool may take for granted: the same bits.
//!
//! `DOWNHILL_CASES` says how many are tried, `DOWNHILL_SEED` from which on.

#[path = "../common/mod.rs"]
mod common;
mod generator;

use downhill_graph::dim::Bindings;
use downhill_graph::graph::Graph;
use downhill_graph::interpret::Environment;
use downhill_graph::sizes;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Type};
use downhill_nn::builder::Declaration;
use downhill_nn::entry;
use downhill_nn::optimizers::{Optimizer, adam, sgd};
use downhill_runtime::host;
use generator::{Dice, SYMBOLS, network};

/// How many networks were refused, and how many entries ran.
#[derive(Default, Debug)]
struct Counts {
    mistakes: usize,
    refused: usize,
    ran: usize,
    stopped: usize,
}

#[test]
fn any_order_of_ranges_gives_the_same_bits() {
    let said = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let (cases, first) = (said("DOWNHILL_CASES").unwrap_or(12), said("DOWNHILL_SEED").unwrap_or(0));
    let mut counts = Counts::default();
    for seed in first..first + cases {
        // Said before, for a fault that ends the process.
        println!("seed {seed}");
        try_case(seed, &mut counts);
    }
    println!("{cases} cases from {first}: {counts:?}");
    // A generator that is refused or stopped all the time would prove nothing.
    assert!(counts.ran > cases as usize / 2 && counts.ran > 2 * counts.stopped, "{counts:?}");
}

fn try_case(seed: u64, counts: &mut Counts) {
    let mut dice = Dice(seed);
    let (declaration, sizes) = network(&mut dice);
    let Ok(declaration) = declaration else {
        counts.mistakes += 1;
        return;
    };
    let optimizer: Optimizer =
        if dice.below(2) == 0 { adam(0.1).into() } else { sgd(0.1).momentum(0.9).into() };
    let entries: [fn(&Declaration, &Optimizer) -> Result<Graph, _>; 4] = [
        |declaration, optimizer| entry::step(declaration, None, optimizer),
        |declaration, optimizer| entry::step(declaration, None, optimizer),
        |declaration, _| entry::gradients(declaration, None, &[]),
        |declaration, _| entry::forward(declaration),
    ];
    let graph = entries[dice.below(4)](&declaration, &optimizer).expect("an entry");
    if sizes::check(&graph, &sizes).is_err() {
        counts.refused += 1;
        return;
    }

    let environment = environment(&graph, &sizes);
    let lanes = dice.of(&host::available());
    let fixed = if dice.below(3) == 0 { Bindings::new() } else { sizes };
    let one = common::run_on(lanes, 1, &graph, &environment, &fixed).expect("it compiles");
    let threads = dice.of(&[2, 3, 5, 16]);
    let several = common::run_on(lanes, threads, &graph, &environment, &fixed).expect("it compiles");
    one.assert_same(&several, &|| format!("seed {seed}, {threads} threads on {lanes:?}, {fixed:?}"));
    counts.ran += 1;
    counts.stopped += usize::from(one.stopped >= 0);
}

/// Inputs, parameters and an optimizer's states as they may be amid a training.
fn environment(graph: &Graph, sizes: &Bindings) -> Environment {
    let mut dice = Dice(7);
    let mut tensor = |ty: &Type, number: &mut dyn FnMut(f64) -> f64| {
        let shape = ty.shape.evaluate(sizes).expect("known sizes");
        let unit = |dice: &mut Dice| dice.below(1 << 20) as f64 / f64::from(1 << 20);
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| number(unit(&mut dice))).collect();
        Tensor::from_f64(ty.element, shape, &values).expect("as many as the shape says")
    };
    let mut environment = Environment::new();
    for input in &graph.inputs {
        let tensor = tensor(&input.ty, &mut |unit| match (&*input.name, input.ty.element) {
            ("learning_rate", _) => 0.1,
            (name, ElementType::I32) if name.starts_with("lengths") => {
                (unit * (sizes["time"] + 1) as f64).floor()
            }
            ("ids", _) => (unit * SYMBOLS as f64).floor(),
            (_, ElementType::I32) => (unit * 3.0).floor(),
            _ => 4.0 * unit - 2.0,
        });
        environment = environment.input(&input.name, tensor);
    }
    for storage in &graph.storages {
        let is_positive = ["second_moment", "running_var"].iter().any(|end| storage.name.ends_with(end));
        let tensor = tensor(&storage.ty, &mut |unit| match &*storage.name {
            "optimizer.step" => 3.0,
            _ if is_positive => 0.01 + 0.1 * unit,
            _ => unit - 0.5,
        });
        environment = environment.storage(&storage.name, tensor);
    }
    environment
}
