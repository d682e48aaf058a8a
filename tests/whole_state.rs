//! A model's state as one value: copies, resuming with the same bits, what does not fit.

use downhill::prelude::*;

network! {
    Noisy(hidden: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = dropout(relu(batch_norm(linear(x, hidden))), 0.3);
        output p = linear(h, 1);
        loss   squared_error(p, y);
    }

    Other() {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = relu(linear(x, 5));
        output p = linear(h, 1);
        loss   squared_error(p, y);
    }
}

const Y: [f32; 4] = [1.0, 0.0, -1.0, 2.0];

fn x(step: usize) -> Tensor {
    let numbers = (0..12).map(|n| ((n + 5 * step) * 29 % 31) as f32 / 15.0 - 1.0);
    Tensor::new([4, 3], numbers.collect::<Vec<f32>>()).expect("x")
}

fn noisy(seed: u64) -> Model {
    Noisy::new(6).seed(seed).optimizer(adamw(0.01)).build().expect("a network")
}

fn train(net: &mut Model, steps: std::ops::Range<usize>) -> Vec<u32> {
    steps.map(|step| net.step(&x(step), &Y).expect("a step").to_bits()).collect()
}

#[test]
fn a_restored_model_goes_on_with_the_same_bits() {
    let mut net = noisy(7);
    train(&mut net, 0..5);
    net.set_learning_rate(0.03).expect("a rate");
    let state = net.state();
    let ahead = train(&mut net, 5..12);
    // Another seed, another number of steps, prepared sizes and random numbers of its own.
    let mut other = noisy(8);
    train(&mut other, 0..3);
    other.restore(&state).expect("the same network");
    assert_eq!(other.learning_rate().expect("a rate"), 0.03);
    assert_eq!((other.steps_made(), other.state()), (5, state.clone()));
    assert_eq!(train(&mut other, 5..12), ahead);
    assert_eq!(other.state(), net.state());
    // And back.
    net.restore(&state).expect("the same network");
    assert_eq!(train(&mut net, 5..12), ahead);
}

#[test]
fn a_copy_goes_its_own_way() {
    let mut net = noisy(7);
    train(&mut net, 0..5);
    let mut copy = net.clone();
    assert_eq!(copy.state(), net.state());
    let ahead = train(&mut copy, 5..9);
    assert_ne!(copy.state(), net.state());
    assert_eq!(train(&mut net, 5..9), ahead);
}

#[test]
fn what_does_not_fit_is_told_at_once_and_changes_nothing() {
    let mut net = noisy(7);
    let other = Other::new().optimizer(sgd(0.1)).build().expect("a network");
    let before = net.state();
    let error = net.restore(&other.state()).expect_err("another network");
    let message = error.to_string();
    assert!(matches!(error, downhill::Error::State(_)), "{message}");
    for words in [
        "missing: `h.0.weight`, `h.0.bias`, `h.1.weight`",
        "unexpected: `h.weight`, `h.bias`",
        "the state is another network's",
    ] {
        assert!(message.contains(words), "{words} in {message}");
    }
    let wide = Noisy::new(7).optimizer(adamw(0.01)).build().expect("a network");
    let message = net.restore(&wide.state()).expect_err("another width").to_string();
    assert!(message.contains("`p.weight` is f32[6, 1] but was given as f32[7, 1]"), "{message}");
    let mut twice = net.state();
    twice.parameters.push(("p.bias".into(), Tensor::from([1.0_f32, 2.0])));
    assert!(net.restore(&twice).expect_err("twice").to_string().contains("`p.bias once more`"));
    let mut broken = net.state();
    broken.learning_rates[0].1 = f32::NAN;
    assert!(net.restore(&broken).expect_err("no rate").to_string().contains("learning rate of NaN"));
    assert_eq!(net.state(), before);
}

#[test]
fn inference_takes_what_training_has_learned() {
    let mut net = noisy(7);
    train(&mut net, 0..5);
    let mut served = Noisy::new(6).seed(1).build().expect("a network");
    served.copy_parameters_from(&net).expect("the same network");
    assert_eq!(served.forward(&x(0)).expect("p"), net.forward(&x(0)).expect("p"));
    assert_eq!((served.steps_made(), served.state().seed), (0, 1));
    // Without the optimizer's moments it is no state to go on training from.
    let message = net.restore(&served.state()).expect_err("no moments").to_string();
    assert!(
        message.contains("missing: `optimizer.step`") && message.contains("`restore_parameters`"),
        "{message}"
    );
    let narrow = Noisy::new(5).build().expect("a network");
    let message = served.copy_parameters_from(&narrow).expect_err("another width").to_string();
    assert_eq!(message.matches("but was given as").count(), 7, "{message}");
}

network! {
    Coder() {
        input  x: [batch, 3];
        let code = linear(x, 2);
        let picture = linear(code, 3);
        output picture, code;
        loss   squared_error(picture, x);
    }

    /// The second half of it.
    Decoder() {
        input  code: [batch, 2];
        output picture = linear(code, 3);
    }
}

#[test]
fn a_part_of_a_network_takes_what_it_needs() {
    let mut coder = Coder::new().seed(3).optimizer(adam(0.1)).build().expect("a network");
    coder.step(&x(0), ()).expect("a step");
    let mut decoder = Decoder::new().build().expect("a network");
    let message = decoder.copy_parameters_from(&coder).expect_err("more than it takes").to_string();
    assert!(
        message.contains("unexpected: `code.weight`") && message.contains("copy_shared_parameters_from"),
        "{message}"
    );
    assert_eq!(decoder.copy_shared_parameters_from(&coder).expect("both have it"), 2);
    let [picture, code] = coder.forward_all(&x(0)).expect("outputs").into_array().expect("two");
    assert_eq!(decoder.forward(&code).expect("a picture"), picture);
    let message = decoder.copy_shared_parameters_from(&noisy(1)).expect_err("nothing").to_string();
    assert!(message.starts_with("the networks share no parameter by name"), "{message}");
}

#[test]
fn a_target_network_follows() {
    let mut net = noisy(7);
    train(&mut net, 0..5);
    let mut target = Noisy::new(6).seed(1).build().expect("a network");
    let (before, wanted) = (target.state(), net.state());
    target.move_parameters_towards(&net, 0.25).expect("the same network");
    for (((name, own), (_, old)), (_, new)) in
        target.state().parameters.iter().zip(&before.parameters).zip(&wanted.parameters)
    {
        let pairs = old.to_f64_vec().into_iter().zip(new.to_f64_vec());
        for (found, (old, new)) in own.to_f64_vec().into_iter().zip(pairs) {
            assert!((found - (0.75 * old + 0.25 * new)).abs() < 1e-6, "{name}: {found} of {old} and {new}");
        }
    }
    // What is no parameter is taken as it is, as running statistics are.
    for (name, _) in &before.states {
        assert_eq!(target.state_of(name).expect("a state"), net.state_of(name).expect("a state"), "{name}");
    }

    target.move_parameters_towards(&net, 1.0).expect("all the way");
    assert_eq!(target.forward(&x(0)).expect("p"), net.forward(&x(0)).expect("p"));
    let there = target.state();
    for share in [-0.1, 1.5, f64::NAN] {
        let message = target.move_parameters_towards(&net, share).expect_err("no share").to_string();
        assert!(message.contains("from 0 to 1"), "{message}");
    }
    let narrow = Noisy::new(5).build().expect("a network");
    target.move_parameters_towards(&narrow, 0.5).expect_err("another width");
    assert_eq!(target.state(), there);
}

#[test]
fn one_output_needs_its_own_inputs() {
    network! {
        Pair(width: usize) {
            input  picture: [batch, 3];
            input  key: [batch, width];
            let code = linear(picture, width);
            output code, drawn = linear(key, 3), sum = code + key;
        }
    }
    let net = Pair::new(2).seed(3).build().expect("a network");
    let (picture, key) = ([[0.5_f32, -1.0, 2.0]], [[1.0_f32, 3.0]]);
    let [code, drawn, sum] = net.forward_all((&picture, &key)).expect("outputs").into_array().expect("three");
    assert_eq!(net.output("code", &picture).expect("a code"), code);
    assert_eq!(net.output("drawn", &key).expect("a picture"), drawn);
    assert_eq!(net.output("sum", (&picture, &key)).expect("a sum"), sum);
    // All inputs may be given, too.
    assert_eq!(net.output("code", (&picture, &key)).expect("a code"), code);
    let message = net.output("drawn", ()).expect_err("no key").to_string();
    assert!(message.contains("`key`") && !message.contains("`picture`"), "{message}");
    let message = net.output("drwan", &key).expect_err("misspelt").to_string();
    assert!(message.contains("no output is called `drwan`") && message.contains("`drawn`"), "{message}");
}

#[test]
fn a_model_is_told_in_a_line() {
    let mut net = noisy(7);
    train(&mut net, 0..2);
    assert_eq!(format!("{net:?}"), "Model(Noisy, 43 parameters, 2 steps made, seed 7)");
    assert_eq!(net.parameter_count(), 43);
}

#[test]
fn numbers_that_are_none_are_refused_unless_told() {
    let mut net = noisy(7);
    let message = net.set_parameter("p.bias", &[f32::NAN]).expect_err("NaN").to_string();
    assert!(message.starts_with("the value for parameter `p.bias` holds NaN at position 0"), "{message}");
    net.set_parameter_unchecked("p.bias", &[f32::INFINITY]).expect("a bias");
    assert_eq!(net.parameter("p.bias").expect("a bias").to_f64_vec(), [f64::INFINITY]);
}
