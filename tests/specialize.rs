//! Sizes that repeat get code of their own: when, for how many sizes, with the same bits, and not where nobody wants it.

use downhill::Specialize;
use downhill::prelude::*;
use downhill::report::Origin;
use std::sync::Arc;

network! {
    /// AdamW keeps states, dropout draws random numbers: whatever a switch of code could disturb.
    Mlp(hidden: usize) {
        input  x: [batch, 6];
        target label: i32[batch];
        let h = dropout(gelu(linear(x, hidden)), 0.3);
        output logits = linear(h, 3);
        loss cross_entropy(logits, label);
    }

    /// Sequences: two sizes come with the data.
    Sequences() {
        input  x: [batch, time];
        target y: [batch, time];
        param w: [1] = normal(0.0, 1.0);
        output p = softmax(tanh(x) * w);
        loss squared_error(p, y);
    }
}

const CALLS: u32 = Specialize::CALLS;

fn network(specialize: Specialize) -> Model {
    Mlp::new(17).seed(3).optimizer(adamw(0.01)).specialize(specialize).build().expect("a network")
}

/// So many rows of data.
fn rows(batch: usize) -> (Tensor, Vec<i32>) {
    let x = (0..batch * 6).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<f32>>();
    (Tensor::new([batch, 6], x).expect("rows"), (0..batch as i32).map(|row| row * 7 % 3).collect())
}

fn data(count: usize) -> Dataset {
    let (x, label) = rows(count);
    Dataset::new([("x", x), ("label", Tensor::from(label))]).expect("data")
}

fn step(net: &mut Model, batch: usize) -> u32 {
    let (x, label) = rows(batch);
    net.step(&x, &label).expect("a step").to_bits()
}

fn steps(net: &mut Model, batch: usize, count: u32) {
    (0..count).for_each(|_| _ = step(net, batch));
}

/// The sizes that have code of their own, as `step 8`.
fn own(net: &Model) -> Vec<String> {
    let report = net.report();
    let sizes =
        |sizes: &[(Arc<str>, i64)]| sizes.iter().map(|(_, size)| format!(" {size}")).collect::<String>();
    report.variants.iter().map(|variant| format!("{}{}", variant.entry, sizes(&variant.sizes))).collect()
}

/// Every number of a model, by its bits.
fn numbers(net: &Model) -> Vec<u32> {
    let bits = |tensor: Tensor| tensor.to_f64_vec().iter().map(|x| (*x as f32).to_bits()).collect::<Vec<_>>();
    let parameters = net.parameters().flat_map(|(name, _)| bits(net.parameter(name).expect("a parameter")));
    let states = net.states().flat_map(|(name, _)| bits(net.state_of(name).expect("a state")));
    parameters.chain(states).collect()
}

#[test]
fn a_size_that_repeats_gets_code_with_the_same_bits() {
    let (mut net, mut generic) = (network(Specialize::Automatic), network(Specialize::Never));
    for call in 0..CALLS + 20 {
        let expected: &[&str] = if call > CALLS { &["step 5"] } else { &[] };
        assert_eq!(own(&net), expected, "after {call} calls");
        assert_eq!(step(&mut net, 5), step(&mut generic, 5), "call {call}");
        assert!(numbers(&net) == numbers(&generic), "call {call}");
    }
    let report = net.report();
    assert_eq!(report.variants[0].origin, Origin::Automatic);
    assert!(!report.variants[0].time.is_zero());
    let text = report.to_string();
    let last = text.lines().last().expect("a line");
    assert!(last.starts_with("step with batch = 5 (automatic, ") && last.ends_with(" ms)"), "{text}");
    assert_eq!(generic.report().to_string().lines().count(), 1);
}

#[test]
fn every_entry_counts_for_itself() {
    let mut net = network(Specialize::Automatic);
    let (x, label) = rows(4);
    let mut logits = vec![0.0_f32; 12];
    let before = net.forward(&x).expect("logits");
    for _ in 0..CALLS {
        net.forward_into(&x, &mut logits).expect("logits");
    }
    assert_eq!(own(&net), ["forward 4"]);
    assert_eq!(before.as_f32().expect("f32"), &logits[..]);

    let gradients = |net: &mut Model| {
        let outputs = net.gradients(&x, &label).expect("gradients");
        let parameters = net.parameters().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        parameters.iter().map(|name| outputs.get(name).expect("a gradient").clone()).collect::<Vec<_>>()
    };
    let first = gradients(&mut net);
    (0..CALLS).for_each(|_| assert!(gradients(&mut net) == first));
    assert_eq!(own(&net), ["forward 4", "gradients 4"]);
}

#[test]
fn an_epoch_has_its_batch_compiled_at_once() {
    let (mut net, mut generic) = (network(Specialize::Automatic), network(Specialize::Never));
    let data = data(20);
    for seed in 0..=u64::from(CALLS) {
        let epochs = [&mut net, &mut generic]
            .map(|net| net.epoch(&data, Epoch { batch: 8, seed }).expect("an epoch").losses);
        assert_eq!(epochs[0], epochs[1]);
        // The 4 rows that are left over are one step an epoch.
        let expected: &[&str] = if seed == u64::from(CALLS) { &["step 4", "step 8"] } else { &["step 8"] };
        assert_eq!(own(&net), expected, "epoch {seed}");
    }
    assert!(numbers(&net) == numbers(&generic));

    let mut whole = network(Specialize::Automatic);
    whole.epoch(&data, Epoch { batch: 64, seed: 0 }).expect("an epoch");
    assert_eq!(own(&whole), ["step 20"], "fewer rows than a batch are one batch");
}

#[test]
fn the_least_recently_used_makes_way_and_comes_back() {
    let (mut net, mut generic) = (network(Specialize::Automatic), network(Specialize::Never));
    let most = Specialize::MOST;
    let mut both = |batch: usize, count: u32| {
        for _ in 0..count {
            assert_eq!(step(&mut net, batch), step(&mut generic, batch), "a batch of {batch}");
        }
        own(&net)
    };
    let named = |sizes: &[usize]| sizes.iter().map(|size| format!("step {size}")).collect::<Vec<_>>();
    for batch in 1..=most {
        assert_eq!(both(batch, CALLS + 1), named(&(1..=batch).collect::<Vec<_>>()));
    }
    both(1, 1);
    both(3, 1);
    assert_eq!(both(20, CALLS + 1), named(&[1, 3, 4, 5, 6, 7, 8, 20]));

    // One made way, so that a size needs twice as many calls.
    assert_eq!(both(2, 2 * CALLS), named(&[1, 3, 4, 5, 6, 7, 8, 20]));
    assert_eq!(both(2, 1), named(&[1, 2, 3, 5, 6, 7, 8, 20]));
    assert_eq!(both(20, 1).len(), most);
    assert!(numbers(&net) == numbers(&generic));
}

#[test]
fn never_and_named_never_compile() {
    let compiled = |build: downhill::build::Build<Mlp>| {
        let mut net = build.optimizer(adamw(0.01)).build().expect("a network");
        let before = own(&net);
        steps(&mut net, 5, CALLS + 5);
        net.epoch(&data(20), Epoch { batch: 8, seed: 0 }).expect("an epoch");
        (0..CALLS + 5).for_each(|_| _ = net.forward(&rows(5).0).expect("logits"));
        let profile = net.profile(&rows(5).0, &rows(5).1).expect("a profile");
        (before, own(&net), profile.variant.is_some())
    };
    let never = compiled(Mlp::new(4).specialize(Specialize::Never));
    assert_eq!(never, (vec![], vec![], false));
    let none = compiled(Mlp::new(4).specialize(Specialize::Named));
    assert_eq!(none, (vec![], vec![], false));
    let named = vec!["forward 5".to_owned(), "step 5".to_owned()];
    let some = compiled(Mlp::new(4).specialize(Specialize::Named).batch_sizes([5]));
    assert_eq!(some, (named.clone(), named, true));

    let error = Mlp::new(4).specialize(Specialize::Never).batch_sizes([5]).build().expect_err("both");
    let says = "batch sizes were named, and no size is to have code of its own\n   \
                = help: leave `.batch_sizes(…)` out, or say `.specialize(Specialize::Named)`";
    assert_eq!(error.to_string(), says);
}

#[test]
fn a_named_size_is_not_made_again() {
    let build = Mlp::new(4).optimizer(sgd(0.1)).batch_sizes([5]);
    let mut net = build.build().expect("a network");
    steps(&mut net, 5, CALLS + 5);
    assert_eq!(own(&net), ["forward 5", "step 5"]);
    assert!(net.report().variants.iter().all(|variant| variant.origin == Origin::Named));
    assert!(net.report().variants.iter().all(|variant| !variant.time.is_zero()));
    steps(&mut net, 6, CALLS + 1);
    assert_eq!(own(&net), ["forward 5", "step 5", "step 6"]);
}

#[test]
fn calls_that_fail_and_empty_batches_do_not_count() {
    let mut net = network(Specialize::Automatic);
    let (x, label) = rows(5);
    let empty = Tensor::new([0, 6], Vec::<f32>::new()).expect("no rows");
    for _ in 0..=CALLS {
        assert!(net.step(&x, &[0, 1, 2]).is_err(), "another number of labels");
        assert!(net.step(&x, &[0, 1, 2, 3, 0]).is_err(), "a class that is none");
        assert!(net.step(&empty, &Vec::<i32>::new()).is_err(), "no rows");
        assert_eq!(net.forward(&empty).expect("no logits").shape(), [0, 3]);
        assert!(net.forward_into(&x, &mut [0.0_f32; 4]).is_err(), "too few logits");
    }
    assert_eq!(own(&net), [] as [&str; 0]);
    steps(&mut net, 5, CALLS);
    assert_eq!(own(&net), [] as [&str; 0]);
    net.step(&x, &label).expect("a step");
    assert_eq!(own(&net), ["step 5"]);
}

#[test]
fn two_sizes_are_one_pair() {
    let build = |specialize| Sequences::new().seed(1).optimizer(sgd(0.01)).specialize(specialize);
    let mut net = build(Specialize::Automatic).build().expect("a network");
    let mut generic = build(Specialize::Never).build().expect("a network");
    let mut both = |batch: usize, time: usize| {
        let values = |scale: f32| (0..batch * time).map(|i| (i % 7) as f32 * scale).collect::<Vec<_>>();
        let [x, y] = [0.1, 0.2].map(|scale| Tensor::new([batch, time], values(scale)).expect("sequences"));
        let losses = [&mut net, &mut generic].map(|net| net.step(&x, &y).expect("a step").to_bits());
        assert_eq!(losses[0], losses[1], "{batch} of {time}");
        let outputs = [&mut net, &mut generic].map(|net| net.forward(&x).expect("outputs"));
        assert!(outputs[0] == outputs[1], "{batch} of {time}");
    };
    for (batch, time) in [(3, 20), (3, 33), (5, 20)] {
        (0..CALLS + 10).for_each(|_| both(batch, time));
    }
    let entries =
        ["forward", "step"].map(|entry| [" 3 20", " 3 33", " 5 20"].map(|sizes| format!("{entry}{sizes}")));
    assert_eq!(own(&net), entries.concat());
    assert!(numbers(&net) == numbers(&generic));
    let text = net.report().to_string();
    assert!(text.contains("\nstep with batch = 3, time = 20 (automatic, "), "{text}");
}

/// A named batch leaves the length of sequences open: pairs that repeat have code of their own all the same.
#[test]
fn a_named_batch_and_a_length_that_repeats() {
    let net = Sequences::new().seed(1).optimizer(sgd(0.01)).batch_sizes([3]);
    let mut net = net.build().expect("a network");
    let x = Tensor::new([3, 20], vec![0.5_f32; 60]).expect("sequences");
    for _ in 0..CALLS + 2 {
        net.step(&x, &x).expect("a step");
    }
    let report = net.report();
    let own: Vec<_> = report.variants.iter().filter(|variant| variant.origin == Origin::Automatic).collect();
    let [variant] = own.as_slice() else { panic!("{report}") };
    assert_eq!(variant.sizes.iter().map(|(_, size)| *size).collect::<Vec<_>>(), [3, 20]);
}

#[test]
fn a_profile_says_which_code_ran() {
    let (x, label) = rows(5);
    let build =
        |specialize| Mlp::new(4).optimizer(sgd(0.1)).specialize(specialize).build().expect("a network");
    let profile = build(Specialize::Automatic).profile(&x, &label).expect("a profile");
    let variant = profile.variant.as_ref().expect("code for a batch of 5");
    assert_eq!((variant.origin, variant.sizes[0].1), (Origin::Automatic, 5));
    let text = profile.to_string();
    assert!(text.contains("; code for this size, automatic, compiled in "), "{text}");
    let profile = build(Specialize::Never).profile(&x, &label).expect("a profile");
    assert_eq!(profile.variant, None);
    let text = profile.to_string();
    assert!(text.lines().next().is_some_and(|line| line.ends_with("; code for any size")), "{text}");
}

#[test]
fn a_step_that_fails_in_its_own_code_says_why() {
    let message = |specialize| {
        let mut net = network(specialize);
        steps(&mut net, 5, CALLS + 3);
        let mut x = rows(5).0.as_f32().expect("f32").to_vec();
        x[7] = f32::NAN;
        let error = net.step(&x, &rows(5).1).expect_err("NaN").to_string();
        (error, numbers(&net), step(&mut net, 5))
    };
    assert!(message(Specialize::Automatic) == message(Specialize::Never));
}

/// Models on several threads turn from size to size, so that code is made and makes way while others run it.
#[test]
fn models_share_code_that_comes_and_goes() {
    let train = |mut net: Model, first: usize| {
        for round in 0..12 {
            let batch = 1 + (first + round * 5) % 11;
            steps(&mut net, batch, CALLS / 2);
            net.epoch(&data(40), Epoch { batch: batch + 1, seed: round as u64 }).expect("an epoch");
        }
        numbers(&net)
    };
    let build = |specialize| {
        let build = Mlp::new(9).optimizer(adamw(0.01)).specialize(specialize);
        build.program().expect("a program")
    };
    let generic = build(Specialize::Never);
    let program = build(Specialize::Automatic);
    std::thread::scope(|scope| {
        for first in 0..4 {
            let model = |program: &Arc<Program>| program.model(first as u64).expect("a model");
            let (expected, net) = (model(&generic), model(&program));
            scope.spawn(move || assert!(train(net, first) == train(expected, first), "model {first}"));
        }
    });
    assert!(own(&program.model(0).expect("a model")).len() <= Specialize::MOST);
}

#[test]
fn a_second_model_takes_the_code_that_the_first_had_made() {
    let build = Mlp::new(9).optimizer(adamw(0.01));
    let program = build.program().expect("a program");
    let (mut first, mut second) = (program.model(0).expect("a model"), program.model(0).expect("a model"));
    steps(&mut second, 5, 1);
    steps(&mut first, 5, CALLS + 1);
    assert_eq!(own(&second), ["step 5"]);
    let made = second.report().variants;
    steps(&mut second, 5, CALLS);
    assert_eq!(second.report().variants, made, "not made again");
    assert!(numbers(&first) == numbers(&second));
}
