//! States that a declaration updates: in which steps, from which values, and when not.
#![deny(warnings)]

use downhill::Error;
use downhill::builder::Mode;
use downhill::prelude::*;

network! {
    /// Moves to the middle of what it has seen; gives the distance from where it was before.
    layer centred(x: [batch, n]) -> [batch, n] {
        state centre: [n] = zeros();
        update centre = 0.5 * centre + 0.5 * mean(x, axes: [0]);
        x - centre
    }

    /// Two losses, of which one reaches the layer, and the other the counter alone.
    Two() {
        input  x: [batch, 2];
        input  z: [batch, 2];
        target y: [batch, 1];
        state steps: i32[1] = zeros();
        update steps = steps + 1;
        let a = linear(centred(x), 1);
        let b = linear(z, 1);
        output a, b;
        loss first = squared_error(a, y);
        loss second = squared_error(b, y);
    }
}

fn state(net: &Model, name: &str) -> Vec<f64> {
    net.state_of(name).unwrap_or_else(|error| panic!("{error}")).to_f64_vec()
}

const X: [[f32; 2]; 2] = [[1.0, 2.0], [3.0, 6.0]];
const Y: [[f32; 1]; 2] = [[1.0], [0.0]];

#[test]
fn a_step_updates_what_its_loss_reaches() {
    let mut net = Two::new().optimizer(sgd(0.1)).build().expect("a network");
    let names: Vec<String> = net.states().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["steps", "a.0.centre"]);

    net.step_loss("second", &X, &Y).expect("a step");
    assert_eq!((state(&net, "a.0.centre"), state(&net, "steps")), (vec![0.0, 0.0], vec![1.0]));
    net.step_loss("first", &X, &Y).expect("a step");
    assert_eq!((state(&net, "a.0.centre"), state(&net, "steps")), (vec![1.0, 2.0], vec![2.0]));
    net.step_loss("first", &X, &Y).expect("a step");
    assert_eq!(state(&net, "a.0.centre"), [1.5, 3.0]);
    assert_eq!(net.graph("step second").expect("a graph").to_text().matches("update ").count(), 3);
}

network! {
    layer kept(x: [batch, n]) -> [batch, n] {
        state centre: [n] = zeros();
        update centre = 0.5 * centre + 0.5 * mean(x, axes: [0]);
        x - centre
    }

    /// One instance twice in a step, once in the other.
    Shared() {
        input  x: [batch, 2];
        target y: [batch, 2];
        param w: [2] = ones();
        shared c = kept;
        let a = c(x * w);
        let b = c(2.0 * x * w);
        output a, b;
        loss both = squared_error(a + b, y);
        loss late = squared_error(b, y);
    }
}

#[test]
fn uses_of_one_instance_update_one_after_the_other() {
    let mut net = Shared::new().optimizer(sgd(0.0)).build().expect("a network");
    let y = [[0.0_f32; 2]; 2];
    // The means of x are 2 and 4: after the first use ½·2, after the second ½·1 + ½·4.
    let loss = net.step_loss("both", &X, &y).expect("a step");
    assert_eq!(state(&net, "c.centre"), [2.5, 5.0]);
    // What each use gave is made of the state before the step, 0.
    assert_eq!(f64::from(loss), 9.0 * (1.0 + 4.0 + 9.0 + 36.0) / 4.0);
    net.step_loss("late", &X, &y).expect("a step");
    assert_eq!(state(&net, "c.centre"), [0.5 * 2.5 + 2.0, 0.5 * 5.0 + 4.0]);
}

network! {
    /// Right-hand sides read what was before the step; values that the loss needs may be next values as they are.
    Kept(rows: usize) {
        input  x: [rows, 2];
        target y: [rows, 2];
        state former: [2] = zeros();
        state latter: [2] = constant(7.0);
        state middle: [2] = zeros();
        state weight: [2] = zeros();
        state last: [rows, 2] = zeros();
        state flat: [] = ones();
        state none: [2] = ones();
        param w: [2] = ones();
        let h = x * w;
        let m = mean(h, axes: [0]);
        update former = latter;
        update latter = former + 1;
        update middle = m;
        update weight = w;
        update last = x;
        update none = 0.0;
        output p = h - m + 0.0 * middle;
        loss squared = squared_error(p, y);
        loss off = squared_error(x * w + 0.0 * flat, y);
        update flat = squared_error(p, y);
    }
}

#[test]
fn updates_are_simultaneous_and_may_be_what_the_loss_is_made_of() {
    for lanes in downhill::host::available() {
        for threads in [1, 2] {
            let net = Kept::new(2).optimizer(sgd(0.5)).target(lanes).threads(threads).build();
            let mut net = net.expect("a network");
            let y = [[0.0_f32; 2]; 2];
            let loss = net.step_loss("squared", &X, &y).expect("a step");
            assert_eq!((state(&net, "former"), state(&net, "latter")), (vec![7.0; 2], vec![1.0; 2]));
            assert_eq!((state(&net, "middle"), state(&net, "weight")), (vec![2.0, 4.0], vec![1.0; 2]));
            assert_eq!((state(&net, "last"), state(&net, "none")), (vec![1.0, 2.0, 3.0, 6.0], vec![0.0; 2]));
            assert_eq!((f64::from(loss), state(&net, "flat")), (2.5, vec![2.5]));

            let w = net.parameter("w").expect("a parameter").to_f64_vec();
            net.step_loss("squared", &X, &y).expect("a step");
            assert_eq!((state(&net, "former"), state(&net, "latter")), (vec![1.0; 2], vec![8.0; 2]));
            assert_eq!((state(&net, "middle"), state(&net, "weight")), (vec![2.0 * w[0], 4.0 * w[1]], w));
        }
    }
}

#[test]
fn without_checks_the_updates_are_the_same() {
    let mut net = Two::new().optimizer(sgd(0.1)).checks(false).build().expect("a network");
    net.step_loss("first", &X, &Y).expect("a step");
    net.step_loss("second", &X, &Y).expect("a step");
    assert_eq!((state(&net, "a.0.centre"), state(&net, "steps")), (vec![1.0, 2.0], vec![2.0]));
}

#[test]
fn only_steps_change_states() {
    let mut net = Two::new().optimizer(sgd(0.1)).build().expect("a network");
    net.forward_all((&X, &X)).expect("outputs");
    net.gradients_of(Some("first"), &[], (&X, &X), &Y).expect("gradients");
    assert_eq!((state(&net, "a.0.centre"), state(&net, "steps")), (vec![0.0, 0.0], vec![0.0]));

    // Inference reads what steps have made.
    net.set_state("a.0.centre", &[1.0, 1.0]).expect("a state");
    let moved = net.forward_all((&X, &X)).expect("outputs");
    net.set_state("a.0.centre", &[0.0, 0.0]).expect("a state");
    assert_ne!(moved.get("a"), net.forward_all((&X, &X)).expect("outputs").get("a"));
}

#[test]
fn many_steps_in_one_call_update_as_single_ones() {
    let make = || Counted::new().optimizer(adam(0.01)).seed(3).build().expect("a network");
    let (mut one, mut many) = (make(), make());
    let x: Vec<f32> = (0..24).map(|i| (i * 7 % 11) as f32).collect();
    let x = Tensor::new([12, 2], x).expect("x");
    let data = Dataset::new([("x", x.clone())]).expect("data");
    let rows: Vec<u32> = (0..12).collect();
    let options = EpochOptions { rows: Some(&rows), ..EpochOptions::default() };
    many.epoch_with(&data, Epoch { batch: 4, seed: 0 }, options).expect("an epoch");
    let values = x.to_f64_vec();
    for step in 0..3 {
        let part: Vec<f32> = values[step * 8..][..8].iter().map(|&value| value as f32).collect();
        one.step(&Tensor::new([4, 2], part).expect("a part"), ()).expect("a step");
    }

    assert_eq!(state(&many, "seen"), [12.0]);
    for (name, _) in one.states() {
        assert_eq!(one.state_of(name).expect("a state"), many.state_of(name).expect("a state"), "{name}");
    }
}

network! {
    /// Rows seen, and the root of a running mean.
    Counted() {
        input x: [batch, 2];
        state seen: i32[] = zeros();
        state level: [] = ones();
        update seen = seen + i32(sum(x * 0.0 + 0.5));
        update level = sqrt(0.5 * level + 0.5 * mean(x));
        output p = linear(x, 1) - level;
        loss mean(square(p));
    }
}

#[test]
fn what_is_not_finite_changes_no_state() {
    for lanes in downhill::host::available() {
        let mut net = Counted::new().optimizer(sgd(0.1)).target(lanes).build().expect("a network");
        net.step(&[[1.0, 3.0]], ()).expect("a step");
        let before =
            (state(&net, "seen"), state(&net, "level"), net.parameter("p.weight").expect("a weight"));
        // The loss is not finite; then it is, and a root of a negative number is none.
        let root = "the next value of `level` (tests/states.rs:";
        for (x, part) in [([[f32::MAX, f32::MAX]], "loss `loss`"), ([[-9.0, -9.0]], root)] {
            let error = net.step(&x, ()).expect_err("something that is not finite");
            assert!(matches!(error, Error::NonFinite { .. }), "{error}");
            assert!(error.to_string().contains(part), "{error}");
            let after =
                (state(&net, "seen"), state(&net, "level"), net.parameter("p.weight").expect("a weight"));
            assert_eq!(before, after, "{error}");
        }
    }
}

network! {
    /// What the loss is made of is the next value as it is: finite where the loss is not.
    Early() {
        input x: [batch, 2];
        param w: [2] = ones();
        state middle: [2] = zeros();
        state last: [2] = zeros();
        let m = mean(x * w, axes: [0]);
        update middle = m;
        update last = w;
        output p = m;
        loss log(sum(m));
    }
}

#[test]
fn a_value_of_the_loss_is_no_next_value_before_the_loss_is_known() {
    for lanes in downhill::host::available() {
        for threads in [1, 2] {
            let net = Early::new().optimizer(sgd(0.1)).target(lanes).threads(threads).build();
            let mut net = net.expect("a network");
            for x in [[[-1.0, -2.0]], [[0.0, 0.0]]] {
                net.step(&x, ()).expect_err("a logarithm of a negative number, and of 0");
                assert_eq!((state(&net, "middle"), state(&net, "last")), (vec![0.0; 2], vec![0.0; 2]));
            }
            net.step(&[[1.0, 2.0]], ()).expect("a step");
            assert_eq!((state(&net, "middle"), state(&net, "last")), (vec![1.0, 2.0], vec![1.0; 2]));
        }
    }
}

/// A layer in Rust: an average of what it was given.
fn averaged(x: &Value) -> Value {
    use downhill::random::Initializer;
    use downhill::types::{ElementType, Type};
    let builder = x.builder();
    let average = builder.state("average", Type::new(ElementType::F32, [2_usize]), Initializer::Zeros);
    builder.update(&average, &(&average * 0.5 + downhill::value::mean_over(x, &[0]) * 0.5));
    x - average
}

network! {
    /// Two layers on one value: each loss reaches one of them, though both take the same mean.
    Heads() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = x / 2.0;
        let a = self::averaged(h);
        let b = self::averaged(h);
        output p = linear(a, 1), q = linear(b, 1);
        loss first = squared_error(p, y);
        loss second = squared_error(q, y);
    }
}

#[test]
fn layers_in_rust_update_states_where_their_value_is_used() {
    let mut net = Heads::new().optimizer(sgd(0.1)).build().expect("a network");
    net.step_loss("first", &X, &Y).expect("a step");
    assert_eq!((state(&net, "a.average"), state(&net, "b.average")), (vec![0.5, 1.0], vec![0.0, 0.0]));
    net.step_loss("second", &X, &Y).expect("a step");
    assert_eq!((state(&net, "a.average"), state(&net, "b.average")), (vec![0.5, 1.0], vec![0.5, 1.0]));
}

network! {
    /// What only arguments let show: a state whose update has another shape, and one updated in each iteration.
    Late(width: usize, turns: usize) {
        input  x: [batch, 3];
        target y: [batch, 3];
        state middle: [width] = zeros();
        state count: [] = zeros();
        update middle = mean(x, axes: [0]);
        for _ in 0..turns { update count = count + 1; }
        output p = linear(x, 3);
        loss squared_error(p, y);
    }
}

#[test]
fn what_only_arguments_decide_is_refused_when_built() {
    assert!(Late::new(3, 1).declaration(Mode::Train).is_ok());
    let refused = Late::new(4, 1).declaration(Mode::Train).expect_err("3 for 4").to_string();
    assert!(refused.contains("the update of `middle` is f32[3], but the state is f32[width]"), "{refused}");
    let refused = Late::new(3, 2).declaration(Mode::Train).expect_err("two updates").to_string();
    assert!(
        refused.contains("`count` is updated twice") && refused.contains("tests/states.rs:"),
        "{refused}"
    );
}
