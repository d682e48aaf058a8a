//! Profiles: what they count is exact, what they print can be read, and the model does not notice.

use downhill::prelude::*;
use downhill::profile::{Machine, Profile, Profiled};

network! {
    /// Dropout draws random numbers, AdamW keeps states: what a profile must leave alone.
    Mlp(hidden: usize) {
        input  x: [batch, 96];
        target t: i32[batch];
        let h = dropout(relu(linear(x, hidden)), 0.5);
        output logits = linear(h, 7);
        loss cross_entropy(logits, t);
    }

    Pair() {
        input  x: [batch, 3];
        target y: [batch, 1];
        let p = linear(x, 1);
        output p;
        loss near = squared_error(p, y);
        loss far = absolute_error(p, y);
    }
}

const BATCH: usize = 64;

fn batch() -> (Tensor, Vec<i32>) {
    let x = (0..BATCH * 96).map(|i| (i * 7919 % 1013) as f32 / 1013.0).collect::<Vec<f32>>();
    (Tensor::new([BATCH, 96], x).expect("a batch"), (0..BATCH as i32).map(|i| i % 7).collect())
}

fn network(hidden: usize) -> Model {
    Mlp::new(hidden)
        .seed(3)
        .optimizer(adamw(0.01))
        .batch_sizes([BATCH])
        .threads(1)
        .build()
        .expect("a network")
}

/// Every number of a model, by its bits.
fn numbers(net: &Model) -> Vec<u32> {
    let bits = |tensor: Tensor| tensor.to_f64_vec().iter().map(|x| (*x as f32).to_bits()).collect::<Vec<_>>();
    let parameters = net.parameters().flat_map(|(name, _)| bits(net.parameter(name).expect("a parameter")));
    let states = net.states().flat_map(|(name, _)| bits(net.state_of(name).expect("a state")));
    parameters.chain(states).collect()
}

#[test]
fn products_count_as_what_they_are() {
    let (x, t) = batch();
    let mut net = network(160);
    let profile = net.profile(&x, &t).expect("a profile");
    assert_eq!((profile.entry.as_str(), &profile.sizes[..]), ("step", &[("batch".into(), BATCH as i64)][..]));
    // Forward and weight gradient of both layers, input gradient of the second: two operations a term.
    let products = 2 * BATCH as u64 * 160 * (2 * 96 + 3 * 7);
    let total = profile.total();
    assert!(total.cost.arithmetic > products, "{} operations, {products} of products", total.cost.arithmetic);
    assert!(total.cost.arithmetic < products + products / 2, "{profile}");
    // AdamW reads and writes a weight and two moments in place.
    assert!(total.cost.updated >= 3 * 4 * 96 * 160, "{:?}", total.cost);
    let first = &profile.rows[0];
    assert!(first.kernels[0].contains("Dot"), "{:?}", first.kernels);
    assert!(first.cost.arithmetic >= 2 * BATCH as u64 * 96 * 160);
    assert!(first.cost.read >= 4 * (BATCH * 96 + 96 * 160 + 160) as u64, "{:?}", first.cost);
    assert!(first.cost.written >= 4 * (BATCH * 160) as u64, "{:?}", first.cost);
}

#[test]
fn a_product_alone_is_exact() {
    network! {
        Product() {
            input  x: [batch, 96];
            target z: [batch, 160];
            param w: [96, 160] = normal(0.0, 1.0);
            output y = x @ w;
            loss squared_error(y, z);
        }
    }
    let mut net = Product::new().build().expect("a network");
    let profile = net.profile_of(Profiled::Forward, &batch().0, ()).expect("a profile");
    assert_eq!(profile.rows.len(), 1);
    let cost = profile.rows[0].cost;
    assert_eq!(cost.arithmetic, 2 * BATCH as u64 * 96 * 160);
    assert_eq!(cost.read, 4 * (BATCH * 96 + 96 * 160) as u64);
    assert_eq!(cost.written, 4 * (BATCH * 160) as u64);
    assert_eq!(profile.total().cost, cost);
    assert_eq!(profile.entry, "forward");
}

#[test]
fn the_model_is_left_as_it_was() {
    let (x, t) = batch();
    let (mut net, mut twin) = (network(32), network(32));
    for model in [&mut net, &mut twin] {
        model.step(&x, &t).expect("a step");
    }
    let before = numbers(&net);
    net.profile(&x, &t).expect("a profile");
    net.profile_of(Profiled::Forward, &x, ()).expect("a profile");
    net.profile_of(Profiled::Gradients(None, &["x"]), &x, &t).expect("a profile");
    assert_eq!(numbers(&net), before);
    assert_eq!(net.steps_made(), 1);
    for _ in 0..3 {
        let losses = [&mut net, &mut twin].map(|model| model.step(&x, &t).expect("a step").to_bits());
        assert_eq!(losses[0], losses[1], "the same random numbers, the same parameters");
    }
    assert_eq!(numbers(&net), numbers(&twin));
}

#[test]
fn errors_are_those_of_a_step_and_change_nothing() {
    let (x, t) = batch();
    let mut net = network(32);
    let before = numbers(&net);
    let message = |result: Result<Profile, downhill::Error>| result.expect_err("a mistake").to_string();
    assert!(message(net.profile(&[0.0_f32; 5], &t)).contains("`x`"));
    assert!(message(net.profile_of(Profiled::Step(Some("los")), &x, &t)).contains("no loss `los`"));
    assert!(message(net.profile_of(Profiled::Gradients(None, &["z"]), &x, &t)).contains("`z`"));
    let endless = Tensor::new([BATCH, 96], vec![f32::INFINITY; BATCH * 96]).expect("a batch");
    assert!(message(net.profile(&endless, &t)).contains("infinite or NaN"));
    assert_eq!(numbers(&net), before);
    let mut untrained = Mlp::new(8).build().expect("a network");
    assert!(message(untrained.profile(&x, &t)).contains("no optimizer"));
}

#[test]
fn each_loss_has_a_profile() {
    let mut net = Pair::new().optimizer(sgd(0.1)).build().expect("a network");
    let (x, y) = ([[1.0_f32, 2.0, 3.0], [3.0, 2.0, 1.0]], [[1.0_f32], [2.0]]);
    let error = net.profile(&x, &y).expect_err("two losses");
    assert!(error.to_string().contains("several losses"), "{error}");
    let profile = net.profile_of(Profiled::Step(Some("far")), &x, &y).expect("a profile");
    assert_eq!(profile.entry, "step far");
    assert!(profile.steps > 0 && profile.step > 0.0);
    assert!(profile.rows.iter().all(|row| row.measured >= row.least && row.least >= 0.0));
}

#[test]
fn the_table_says_what_the_rows_say() {
    let (x, t) = batch();
    let mut net = network(160);
    let profile = net.profile(&x, &t).expect("a profile");
    let text = profile.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("step with batch = 64: "), "{text}");
    assert!(lines[1].starts_with("one core ("), "{text}");
    assert_eq!(lines.len(), 4 + profile.rows.len() + 1, "{text}");
    assert!(lines[3].starts_with("function") && lines[3].ends_with("of memory"), "{text}");
    assert!(lines.last().is_some_and(|line| line.starts_with("all ")), "{text}");
    for (line, row) in lines[4..].iter().zip(&profile.rows) {
        let name: String = row.kernels[0].chars().take(20).collect();
        assert!(line.starts_with(&name), "{text}");
    }
    let widths: Vec<usize> = lines[3..].iter().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|&width| width == widths[0]), "columns stand under one another:\n{text}");
}

#[test]
fn a_machine_is_measured_once() {
    let machine = Machine::measure().expect("a machine");
    assert_eq!(machine, Machine::measure().expect("a machine"));
    assert!(machine.speed.arithmetic > 0.0 && machine.speed.lanes >= 4);
    let bytes: Vec<u64> = machine.speed.levels.iter().map(|level| level.bytes).collect();
    assert!(bytes.is_sorted() && bytes.len() > 3);
    assert!(
        machine.speed.levels.iter().all(|level| level.read > 0.0 && level.copy > 0.0 && level.update > 0.0)
    );
    assert_eq!(machine.to_string().matches("iB: ").count(), bytes.len(), "{machine}");
}

#[test]
fn threads_are_named() {
    let (x, t) = batch();
    let build = Mlp::new(512).optimizer(adamw(0.01)).batch_sizes([BATCH]);
    let mut net = build.threads(2).build().expect("a network");
    assert!(net.report().divided > 0);
    let profile = net.profile(&x, &t).expect("a profile");
    let processors = std::thread::available_parallelism().map_or(1, |processors| processors.get());
    assert_eq!((profile.threads, net.program().threads()), (processors.min(2), 2));
    let text = profile.to_string();
    let named = text.starts_with("step with batch = 64 on 2 threads, beside one core's limits: ");
    assert_eq!(named, profile.threads == 2, "{text}");
    assert_eq!(network(8).profile(&x, &t).expect("a profile").threads, 1);
}
