//! A step whose loss, gradient or update is not finite says so at that step, and leaves the parameters as they were: only what could
//! not be known before it was made is lost, and named.

use downhill::cause::Part;
use downhill::prelude::*;
use downhill::{Error, InstructionSet, network};

network! {
    /// The length of the weights beside a mean that is flat in them: √0 has no slope.
    Length() {
        input x: [batch, 2];
        param w: [2, 1] = zeros();
        param b: [1] = constant(0.5);
        output p = x @ w + b;
        loss mean(p) + sqrt(sum(square(w)));
    }
}

network! {
    /// Outputs saturate, so that the loss does not see how large the layers before them are.
    Saturated(hidden: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = tanh(linear(x, hidden));
        output p = sigmoid(linear(h, 1));
        loss squared_error(p, y);
    }
}

network! {
    /// The slope of the loss by `w` is the sum of x.
    Sum() {
        input x: [batch, 1];
        param w: [1] = zeros();
        output p = x * w;
        loss sum(p);
    }
}

fn everything(net: &Model) -> Vec<(String, Tensor)> {
    let parameters = net.parameters().map(|(name, _)| (name.to_owned(), net.parameter(name)));
    let states = net.states().map(|(name, _)| (name.to_owned(), net.state_of(name)));
    parameters.chain(states).map(|(name, value)| (name, value.expect("a value"))).collect()
}

/// The part of the step that was not finite, on every target and with threads; nothing may change in it.
fn part_of(
    build: impl Fn(InstructionSet, usize) -> Model,
    step: impl Fn(&mut Model) -> Result<f32, Error>,
) -> Part {
    let mut parts = Vec::new();
    for lanes in downhill::host::available() {
        for threads in [1, 2] {
            let mut net = build(lanes, threads);
            let (before, made) = (everything(&net), net.steps_made());
            let error = step(&mut net).expect_err("something that is not finite");
            let Error::NonFinite { part, .. } = &error else { panic!("{error}") };
            assert_eq!((everything(&net), net.steps_made()), (before, made), "{lanes:?}: {error}");
            parts.push(*part);
        }
    }
    parts.dedup();
    assert_eq!(parts.len(), 1);
    parts[0]
}

#[test]
fn a_slope_that_is_not_finite_stops_the_step() {
    for adam_too in [false, true] {
        let build = |lanes, threads| {
            let net = Length::new().seed(1).target(lanes).threads(threads);
            let net = if adam_too { net.optimizer(adam(0.1)) } else { net.optimizer(sgd(0.1)) };
            net.build().expect("a network")
        };
        let part = part_of(build, |net| net.step(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], ()));
        assert_eq!(part, Part::Gradient);
    }
}

/// ∞ in the data saturates: the loss is finite, and 0·∞ in the gradient is not.
#[test]
fn data_that_the_loss_does_not_see_is_seen() {
    for hidden in [1, 5, 16, 50, 70] {
        for rows in [1, 2, 33] {
            for sizes in [vec![], vec![rows]] {
                let build = |lanes, threads| {
                    let net = Saturated::new(hidden).seed(1).target(lanes).threads(threads);
                    net.optimizer(sgd(0.1)).batch_sizes(sizes.clone()).build().expect("a network")
                };
                let mut x = vec![0.25_f32; 3 * rows];
                x[3 * rows - 1] = f32::NEG_INFINITY;
                let x = Tensor::new([rows, 3], x).expect("x");
                let y = Tensor::full([rows, 1], 0.5_f32).expect("y");
                assert_eq!(part_of(build, |net| net.step(&x, &y)), Part::Gradient, "{hidden} {rows}");
            }
        }
    }
}

/// No element of the data is large enough to be told from others: their sum overflows in the very update.
#[test]
fn what_only_the_update_shows_is_named() {
    for lanes in downhill::host::available() {
        let mut net = Sum::new().target(lanes).optimizer(sgd(1.0)).build().expect("a network");
        let good = net.step(&[[1.0], [2.0]], ()).expect("a step");
        assert_eq!(good, 0.0);
        net.set_parameter("w", &[0.0_f32]).expect("a parameter");
        let error = net.step(&[[3e38], [3e38]], ()).expect_err("a sum beyond f32");
        let Error::NonFinite { part, concerned, step, steps_before, .. } = &error else { panic!("{error}") };
        let left = net.parameter("w").expect("a parameter").to_f64_vec();
        match part {
            Part::Made => assert!(concerned == &["w"] && left[0].is_infinite(), "{error}"),
            _ => assert_eq!(left, [0.0], "{error}"),
        }
        assert_eq!((*step, *steps_before), (0, 1));
        assert!(error.to_string().contains("`w`"), "{error}");
    }
}

/// In an epoch the steps before it are made, and no more.
#[test]
fn an_epoch_stops_at_the_step() {
    let build = || Saturated::new(8).seed(1).optimizer(sgd(0.1)).build().expect("a network");
    let (mut net, mut other) = (build(), build());
    let mut x = vec![[0.25_f32, -1.0, 0.5]; 40];
    x[25][1] = f32::INFINITY;
    let rows: Vec<u32> = (0..40).collect();
    let y = [[0.5_f32]; 40];
    let data = |rows: usize| {
        Dataset::new([("x", Tensor::from(x[..rows].to_vec())), ("y", Tensor::from(y[..rows].to_vec()))])
    };
    let options = |rows| EpochOptions { rows: Some(rows), ..EpochOptions::default() };
    let epoch = Epoch { batch: 8, seed: 1 };
    let error = net.epoch_with(&data(40).expect("data"), epoch, options(&rows)).expect_err("an infinity");
    let Error::NonFinite { part: Part::Gradient, step: 3, steps_before: 3, .. } = &error else {
        panic!("{error}")
    };
    other.epoch_with(&data(24).expect("data"), epoch, options(&rows[..24])).expect("an epoch");
    assert_eq!((everything(&net), net.steps_made()), (everything(&other), 3));
}

network! {
    /// The slope of a root is infinite at 0; it is summed over the rows into the slope of `a`.
    Roots() {
        input x: [batch, 4];
        param a: [4] = zeros();
        output p = x * a;
        loss sum(sqrt(p));
    }
}

#[test]
fn slopes_that_only_a_sum_over_rows_shows_stop_the_step() {
    for rows in [1, 2, 5] {
        for sizes in [vec![], vec![rows]] {
            let build = |lanes, threads| {
                let net = Roots::new().target(lanes).threads(threads).batch_sizes(sizes.clone());
                net.optimizer(sgd(0.1)).build().expect("a network")
            };
            let x = Tensor::full([rows, 4], 1.0_f32).expect("x");
            assert_eq!(part_of(build, |net| net.step(&x, ())), Part::Gradient);
        }
    }
}
