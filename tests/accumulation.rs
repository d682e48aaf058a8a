//! Gradients of several batches make the step of one large batch, whatever the optimizer.

use downhill::fit::seed_of;
use downhill::optimizer::Optimizer;
use downhill::prelude::*;

network! {
    Classifier(hidden: usize) {
        input  x: [batch, 6];
        target t: i32[batch];
        let h = tanh(linear(x, hidden));
        output logits = linear(h, 3);
        loss   cross_entropy(logits, t);
    }

    Noisy() {
        input  x: [batch, 6];
        target t: i32[batch];
        let h = dropout(relu(batch_norm(linear(x, 16))), 0.5);
        output logits = linear(h, 3);
        loss   cross_entropy(logits, t);
    }

    Several() {
        input  x: [batch, 6];
        target t: i32[batch];
        let h = linear(x, 4);
        let k = linear(x, 4);
        output a = h, b = k;
        loss first = cross_entropy(h, t);
        loss second = cross_entropy(k, t);
    }

    Words() {
        input  words: i32[batch, 3];
        target t: i32[batch];
        output logits = linear(mean(embedding(words, 9, 5), axes: [1]), 3);
        loss   cross_entropy(logits, t);
    }
}

const ROWS: usize = 128;

fn numbers(rows: usize) -> (Tensor, Tensor) {
    let x: Vec<f32> = (0..rows * 6).map(|n| (n * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    let t: Vec<i32> = (0..rows as i32).map(|n| n * 29 % 31 % 3).collect();
    (Tensor::new([rows, 6], x).expect("x"), Tensor::from(t))
}

fn data(rows: usize) -> Dataset {
    let (x, t) = numbers(rows);
    Dataset::new([("x", x), ("t", t)]).expect("data")
}

fn net(optimizer: impl Into<Optimizer>) -> Model {
    Classifier::new(20).seed(3).optimizer(optimizer).build().expect("a network")
}

/// How far parameters and states are apart, in units of the greatest of each.
fn distance(a: &Model, b: &Model) -> f64 {
    let (a, b) = (a.state(), b.state());
    let pairs = a.parameters.iter().chain(&a.states).zip(b.parameters.iter().chain(&b.states));
    let apart = pairs.map(|((name, a), (other, b))| {
        assert_eq!(name, other);
        let (a, b) = (a.to_f64_vec(), b.to_f64_vec());
        let greatest = a.iter().fold(1e-6, |greatest: f64, x| greatest.max(x.abs()));
        a.iter().zip(&b).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs() / greatest))
    });
    apart.fold(0.0, f64::max)
}

fn optimizers() -> Vec<(&'static str, Optimizer)> {
    vec![
        ("sgd", sgd(0.5).into()),
        ("momentum", sgd(0.2).momentum(0.9).weight_decay(0.01).into()),
        ("adam, clipped", adam(0.01).clip_norm(0.05).into()),
        ("adamw in groups", adamw(0.01).spare_vectors().rate("logits.*", 3.0).freeze("h.bias").into()),
        ("clipped by value", rmsprop(0.01).clip_value(0.01).into()),
        ("muon", muon(0.02).others(adamw(0.01)).average(0.9).into()),
    ]
}

#[test]
fn batches_of_32_make_a_step_of_128() {
    for (name, optimizer) in optimizers() {
        let (mut whole, mut parts) = (net(optimizer.clone()), net(optimizer));
        let (x, t) = numbers(ROWS);
        let rows =
            |from: usize, to: usize| (x.rows(from..to).expect("rows"), t.rows(from..to).expect("rows"));
        for step in 0..5 {
            let large = whole.step(&x, &t).expect("a step");
            // Unequal ones in the last step: each row counts alike.
            let ends = if step < 4 { [32, 64, 96, 128] } else { [1, 40, 47, 128] };
            let (mut from, mut mean) = (0, 0.0);
            for to in ends {
                let (x, t) = rows(from, to);
                mean += parts.accumulate(&x, &t).expect("a part") * (to - from) as f32 / ROWS as f32;
                from = to;
            }
            assert_eq!(parts.steps_made(), step);
            parts.apply_gradients().expect("a step");
            assert!((large - mean).abs() < 1e-5, "{name}: {large} {mean}");
        }
        let apart = distance(&whole, &parts);
        assert!(apart < 2e-4, "{name}: {apart}");
        assert!(distance(&whole, &net(sgd(0.0))) > 0.01 || name != "sgd");
    }
}

#[test]
fn an_epoch_in_parts_is_one_of_large_batches() {
    // 300 rows: two steps of 128 and one of 44, the last of whose parts has 12.
    let data = data(300);
    for (name, optimizer) in optimizers().into_iter().take(3) {
        let (mut whole, mut parts) = (net(optimizer.clone()), net(optimizer));
        let rates = [0.02, 0.01, 0.005];
        let mut report = EpochReport::default();
        for seed in 0..3 {
            let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
            let large = whole.epoch_with(&data, Epoch { batch: 128, seed }, options).expect("an epoch");
            let options = EpochOptions { accumulate: 4, ..options };
            parts.epoch_into(&data, Epoch { batch: 32, seed }, options, &mut report).expect("an epoch");
            assert_eq!((report.losses.len(), report.rows, report.batch), (3, 300, 128), "{name}");
            assert!((large.mean() - report.mean()).abs() < 1e-5, "{name}: {large} {report}");
        }
        assert_eq!(parts.steps_made(), 9);
        let apart = distance(&whole, &parts);
        assert!(apart < 5e-4, "{name}: {apart}");
    }
}

#[test]
fn fit_counts_whole_steps() {
    let data = data(203);
    let schedule = downhill::schedules::cosine(0.02, 12);
    let options = |accumulate, batch| Fit {
        epochs: 3,
        batch,
        accumulate,
        seed: 5,
        schedule: Some(schedule.clone()),
        ..Fit::default()
    };
    let (mut whole, mut parts, mut own) = (net(adam(0.01)), net(adam(0.01)), net(adam(0.01)));
    let large = whole.fit(&data, options(1, 64)).expect("training");
    let small = parts.fit(&data, options(4, 16)).expect("training");
    for (a, b) in large.epochs.iter().zip(&small.epochs) {
        assert_eq!((a.steps, a.rows, a.learning_rate), (b.steps, b.rows, b.learning_rate));
        assert!((a.loss - b.loss).abs() < 1e-5, "{large}\n{small}");
    }
    assert!(distance(&whole, &parts) < 5e-4);
    // And a loop of one's own gives the same bits.
    for epoch in 0..3 {
        let rates = schedule.rates(own.steps_made(), data.steps(64));
        let said = EpochOptions { learning_rates: Some(&rates), accumulate: 4, ..EpochOptions::default() };
        own.epoch_with(&data, Epoch { batch: 16, seed: seed_of(5, epoch) }, said).expect("an epoch");
    }
    assert_eq!(own.state(), parts.state());
    let variants = own.report().variants;
    assert!(
        variants.iter().any(|variant| variant.entry == "accumulate" && variant.sizes[0].1 == 16),
        "{variants:?}"
    );
    // A limit ends it between steps, and it goes on from there.
    let mut resumed = net(adam(0.01));
    let limited = Fit { time: Some(std::time::Duration::ZERO), ..options(4, 16) };
    let history = resumed.fit(&data, limited).expect("training");
    let rest = Fit { resume: Some(history.resume), ..options(4, 16) };
    resumed.fit(&data, rest).expect("training");
    assert_eq!(resumed.state(), parts.state());
}

#[test]
fn batches_draw_numbers_of_their_own_and_update_statistics() {
    let build = || Noisy::new().seed(1).optimizer(sgd(0.1)).build().expect("a network");
    let (mut net, (x, t)) = (build(), numbers(32));
    let states = |net: &Model| net.state().states;
    let before = states(&net);
    assert!(before.iter().any(|(name, _)| name.ends_with("running_mean")));
    let first = net.accumulate(&x, &t).expect("a part");
    let second = net.accumulate(&x, &t).expect("a part");
    assert_ne!(first, second, "one mask for both");
    let after = states(&net);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
    assert!(changed.count() >= 2, "mean and variance");
    // Within an epoch too, and the same in every run.
    let data = {
        let (x, t) = numbers(32);
        let twice = |tensor: &Tensor| Tensor::concat(&[tensor, tensor], 0).expect("rows");
        Dataset::new([("x", twice(&x)), ("t", twice(&t))]).expect("data")
    };
    let mut runs = [build(), build()];
    let order: Vec<u32> = (0..64).collect();
    for net in &mut runs {
        let options = EpochOptions { rows: Some(&order), accumulate: 2, ..EpochOptions::default() };
        net.epoch_with(&data, Epoch { batch: 32, seed: 0 }, options).expect("an epoch");
    }
    assert_eq!(runs[0].state(), runs[1].state());
    let mut alone = build();
    alone.accumulate(&x, &t).expect("a part");
    alone.accumulate(&x, &t).expect("a part");
    alone.apply_gradients().expect("a step");
    assert_eq!(alone.state(), runs[0].state(), "one's own calls draw what an epoch draws");
}

#[test]
fn losses_wait_apart_and_tables_are_gathered() {
    let mut net = Several::new().seed(1).optimizer(adam(0.01)).build().expect("a network");
    let (x, t) = numbers(16);
    let before = net.state();
    net.accumulate_loss("first", &x, &t).expect("a part");
    net.accumulate_loss("second", &x, &t).expect("a part");
    net.apply_gradients_of("second").expect("a step");
    let after = net.state();
    let changed = |name: &str| {
        let of = |state: &downhill::state::State| {
            state.parameters.iter().find(|(known, _)| known == name).expect("there").1.clone()
        };
        of(&before) != of(&after)
    };
    assert!(!changed("h.weight") && changed("k.weight"));
    let message = net.apply_gradients_of("second").expect_err("nothing").to_string();
    assert_eq!(
        message,
        "no gradients wait to be applied\n   = help: gather some first: `net.accumulate(&x, &y)?`"
    );
    net.apply_gradients_of("first").expect("a step");
    assert!(net.apply_gradients().expect_err("several").to_string().contains("several losses"));

    let build = || Words::new().seed(1).optimizer(sgd(0.5)).build().expect("a network");
    let (mut whole, mut parts) = (build(), build());
    let words: Vec<i32> = (0..24).map(|n| n * 5 % 9).collect();
    let (words, t) = (Tensor::new([8, 3], words).expect("words"), Tensor::from([0, 1, 2, 0, 1, 2, 0, 1]));
    whole.step(&words, &t).expect("a step");
    for rows in [0..4, 4..8] {
        let part = |tensor: &Tensor| tensor.rows(rows.clone()).expect("rows");
        parts.accumulate_with(&[("words", &part(&words)), ("t", &part(&t))]).expect("a part");
    }
    parts.apply_gradients().expect("a step");
    assert!(distance(&whole, &parts) < 1e-5);
}

#[test]
fn what_waits_is_dropped_or_kept_as_said() {
    let (mut net, (x, t)) = (net(sgd(0.1)), numbers(32));
    let kept = net.state();
    net.accumulate(&x, &t).expect("a part");
    let waits = net.state();
    assert_eq!(
        (&waits.parameters, &waits.states),
        (&kept.parameters, &kept.states),
        "nothing is trained yet"
    );
    let copy = net.clone();
    let message = net
        .epoch_with(
            &data(32),
            Epoch { batch: 8, seed: 0 },
            EpochOptions { accumulate: 2, ..EpochOptions::default() },
        )
        .expect_err("some wait")
        .to_string();
    assert_eq!(
        message,
        "the gradients of 1 batch wait already\n   = help: call `apply_gradients` or `zero_gradients` first"
    );
    // A batch that fails leaves what waited.
    let broken = Tensor::new([1, 6], vec![f32::NAN; 6]).expect("x");
    assert!(net.accumulate(&broken, &[0]).expect_err("NaN").to_string().contains("NaN"));
    assert!(net.accumulate(&x, &Tensor::from([7; 32])).is_err());
    let mut copied = copy.clone();
    for net in [&mut net, &mut copied] {
        net.apply_gradients().expect("a step");
    }
    assert_eq!(net.state(), copied.state());
    // A state of before has none, nor has a model that was told to forget.
    let (mut restored, mut forgot) = (copy.clone(), copy);
    restored.restore(&kept).expect("its own");
    forgot.zero_gradients();
    for net in [&mut restored, &mut forgot] {
        assert!(net.apply_gradients().is_err());
        net.accumulate(&x, &t).expect("a part");
        net.apply_gradients().expect("a step");
        assert_eq!(net.state(), copied.state(), "what was forgotten does not count");
    }
}

#[test]
fn an_update_that_overflows_is_told() {
    let too_far = |optimizer: Optimizer| {
        let (mut net, (x, t)) = (net(optimizer), numbers(32));
        net.accumulate(&x, &t).expect("a part");
        net.set_parameter("h.weight", &[3.4e38_f32; 120]).expect("set");
        net.set_learning_rate(3e38).expect("a rate");
        let before = net.state();
        let message = net.apply_gradients().expect_err("too far").to_string();
        assert!(
            message.contains("infinite or NaN in step 0 of this call (steps made before it: 0)"),
            "{message}"
        );
        (net, before)
    };
    // Seen before anything has changed: the gradients still wait.
    let (mut net, before) = too_far(adam(0.01).into());
    assert_eq!(net.state(), before);
    net.set_learning_rate(0.01).expect("a rate");
    net.apply_gradients().expect("a step");
    // Seen in what the step has made: it counts, and nothing waits.
    let (mut net, _) = too_far(sgd(0.1).into());
    assert_eq!(net.steps_made(), 1);
    assert!(net.apply_gradients().is_err());
}

#[test]
fn an_optimizer_that_looks_at_data_is_refused() {
    let mut net = net(sgd(0.1).sharpness_aware(0.05));
    let (x, t) = numbers(8);
    let message = net.accumulate(&x, &t).expect_err("no data is left").to_string();
    assert!(
        message.contains("the optimizer looks at data, `x`, which gathered gradients leave behind"),
        "{message}"
    );
    let zero = EpochOptions { accumulate: 0, ..EpochOptions::default() };
    assert!(net.epoch_with(&data(8), Epoch { batch: 4, seed: 0 }, zero).is_err());
    assert!(net.fit(&data(8), Fit { accumulate: 0, ..Fit::default() }).is_err());
}

/// Gradients of two losses wait, of unequally many batches, each with dropout masks of its own.
fn in_the_midst() -> Model {
    network! {
        Both() {
            input  x: [batch, 6];
            target t: i32[batch];
            let h = dropout(linear(x, 8), 0.5);
            let k = dropout(linear(x, 4), 0.5);
            output a = linear(h, 3), b = k;
            loss first = cross_entropy(a, t);
            loss second = cross_entropy(k, t);
        }
    }
    let mut net = Both::new().seed(4).optimizer(adam(0.01)).build().expect("a network");
    let (x, t) = numbers(12);
    for (loss, batches) in [("second", 1), ("first", 2)] {
        net.step_loss(loss, &x, &t).expect("a step");
        for _ in 0..batches {
            net.accumulate_loss(loss, &x, &t).expect("a part");
        }
    }
    net
}

/// Some more of it.
fn go_on(net: &mut Model) -> Vec<u32> {
    let (x, t) = numbers(20);
    let mut seen = Vec::new();
    for loss in ["first", "second", "first"] {
        seen.push(net.accumulate_loss(loss, &x, &t).expect("a part").to_bits());
        net.apply_gradients_of(loss).expect("a step");
    }
    seen.push(net.step_loss("first", &x, &t).expect("a step").to_bits());
    seen
}

#[test]
fn training_goes_on_in_the_midst_of_a_step() {
    let mut net = in_the_midst();
    let state = net.state();
    assert_eq!(state.waiting, [("first".to_owned(), 2), ("second".to_owned(), 1)]);
    let path = std::env::temp_dir().join(format!("downhill-midst-{}.safetensors", std::process::id()));
    net.save(&path).expect("a file");
    let ahead = go_on(&mut net);

    // Into a model of the same program, into one that never gathered anything, and from a file.
    let program = net.program().clone();
    let mut same = program.model(9).expect("a model");
    same.restore(&state).expect("its own");
    let mut fresh = in_the_midst().program().model(8).expect("a model");
    fresh.restore(&state).expect("the same network");
    let mut loaded = program.model(7).expect("a model");
    loaded.load(&path).expect("the same network");
    for other in [&mut same, &mut fresh, &mut loaded] {
        assert_eq!(other.state(), state);
        assert_eq!(go_on(other), ahead);
        assert_eq!(other.state(), net.state());
    }

    // Inference takes of the file what it reads.
    let mut served = program.model(6).expect("a model");
    served.load_parameters(&path).expect("the same network");
    assert_eq!((served.state().parameters, served.state().waiting.len()), (state.parameters.clone(), 0));
    std::fs::remove_file(&path).ok();
}

#[test]
fn gradients_that_do_not_fit_are_told_and_change_nothing() {
    let net = in_the_midst();
    let state = net.state();
    let refused = |state: &downhill::state::State| {
        let mut net = net.clone();
        let message = net.restore(state).expect_err("it does not fit").to_string();
        assert_eq!(net.state(), self::in_the_midst().state(), "{message}");
        message
    };
    let (mut missing, mut strange, mut other, mut none) =
        (state.clone(), state.clone(), state.clone(), state.clone());
    let (name, _) = missing.gathered.remove(0);
    assert!(refused(&missing).contains(&format!("missing: `{name}`")));
    strange.gathered[0].1 = Tensor::from([0.0_f32; 7]);
    assert!(refused(&strange).contains("but was given as f32[7]"));
    other.waiting[0].0 = "third".to_owned();
    assert!(refused(&other).contains("unexpected: `gradients of loss third`"));
    none.waiting[0].1 = u64::MAX;
    assert!(refused(&none).contains("gradients of 18446744073709551615 batches"));
}
