//! Threads that share the kernels of a step: the same bits for every number of them, on every target.

use downhill::prelude::*;
use downhill::{Error, Specialize};

network! {
    /// Wide enough that its products are divided.
    Wide(width: usize) {
        input  x: [batch, 96];
        target label: i32[batch];
        let h = gelu(linear(x, width));
        h = dropout(relu(linear(h, width)), 0.2);
        output logits = linear(h, 10);
        loss cross_entropy(logits, label);
    }
}

const ROWS: usize = 300;

fn data() -> Dataset {
    let x: Vec<f32> = (0..ROWS * 96).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let label: Vec<i32> = (0..ROWS as i32).map(|row| row * 7 % 10).collect();
    Dataset::new([("x", Tensor::new([ROWS, 96], x).expect("rows")), ("label", Tensor::from(label))])
        .expect("data")
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.as_f32().expect("f32").iter().map(|value| value.to_bits()).collect()
}

/// The bits of losses, parameters and outputs of a short training with batches of 128, 100 and 8.
fn trained(net: &mut Model) -> Vec<u32> {
    let data = data();
    let mut all = Vec::new();
    for (seed, batch) in [(1, 128), (2, 100), (3, 8)] {
        let report = net.epoch(&data, Epoch { batch, seed }).expect("an epoch");
        all.extend(report.losses.iter().map(|loss| loss.to_bits()));
    }
    let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        all.extend(bits(&net.parameter(&name).expect("a parameter")));
    }
    all.extend(bits(&net.forward(data.column("x").expect("x")).expect("logits")));
    all
}

fn network(threads: usize) -> downhill::build::Build<Wide> {
    Wide::new(512).seed(5).optimizer(adam(0.002)).batch_sizes([128]).threads(threads)
}

#[test]
fn the_same_bits_for_every_number_of_threads_and_every_target() {
    let one = trained(&mut network(1).build().expect("a network"));
    for threads in [2, 3, 5] {
        let mut net = network(threads).build().expect("a network");
        assert!(net.report().divided > 10, "{threads} threads: {} kernels are divided", net.report().divided);
        assert!(trained(&mut net) == one, "{threads} threads");
    }
    // Generic code, which compares the work of each call with what a thread is worth.
    for threads in [1, 3] {
        let generic = Wide::new(512).seed(5).optimizer(adam(0.002)).threads(threads);
        let mut net = generic.specialize(Specialize::Never).build().expect("a network");
        assert!(trained(&mut net) == one, "generic code on {threads} threads");
    }
    for target in downhill::host::available() {
        let net = network(2).target(target).build();
        assert!(trained(&mut net.expect("a network")) == one, "{target:?}");
    }
}

network! {
    /// So many kernels that a step calls them through a table.
    Tall(depth: usize, width: usize) {
        input  x: [batch, 96];
        target label: i32[batch];
        let h = x;
        for _ in 0..depth {
            h = dropout(relu(linear(h, width)), 0.1);
        }
        output logits = linear(h, 10);
        loss cross_entropy(logits, label);
    }
}

#[test]
fn a_long_step_has_the_same_bits_too_and_says_where_it_is() {
    let build = |threads| Tall::new(9, 256).seed(5).optimizer(sgd(0.05)).batch_sizes([128]).threads(threads);
    let one = trained(&mut build(1).build().expect("a network"));
    let mut net = build(3).build().expect("a network");
    assert!(net.report().divided > 10, "{} kernels are divided", net.report().divided);
    let (x, label) = (data().column("x").expect("x").clone(), vec![3; ROWS]);
    let profile = net.profile(&x, &label).expect("a profile");
    assert!(profile.rows.len() > 16, "{profile}");
    assert!(trained(&mut net) == one);
}

#[test]
fn models_side_by_side_on_a_program_with_threads() {
    let program = network(2).program().expect("a program");
    let one = trained(&mut program.model(5).expect("a network"));
    let all: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..3).map(|_| scope.spawn(|| trained(&mut program.model(5).expect("a network")))).collect();
        runs.into_iter().map(|run| run.join().expect("no panic")).collect()
    });
    assert!(all.iter().all(|other| *other == one));
}

#[test]
fn no_threads_is_an_error() {
    let error = network(0).build().expect_err("nobody to work");
    assert!(matches!(error, Error::Usage { .. }), "{error}");
    assert!(error.to_string().contains("0 threads were asked for"), "{error}");
}

#[test]
fn one_thread_and_small_networks_have_nothing_to_share() {
    assert_eq!(network(1).build().expect("a network").report().divided, 0);
    let small = Wide::new(4).optimizer(adam(0.002)).batch_sizes([8]).threads(4);
    let generic = Wide::new(4).optimizer(adam(0.002)).threads(4).build().expect("a network").report().divided;
    assert_eq!(small.build().expect("a network").report().divided, generic, "a batch of 8 is one thread's");
}
