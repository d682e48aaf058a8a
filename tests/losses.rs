//! Losses with options, written in `network!` and compiled: their numbers are those of the formulas.

use downhill::prelude::*;

network! {
    /// A policy and the value of its states, trained on actions that were taken.
    Agent() {
        input  state: [batch, 2];
        target action: i32[batch];
        target advantage: [batch];
        target worth: [batch];
        param w: [2, 3] = zeros();
        param v: [2, 1] = zeros();
        let logits = state @ w;
        let value = reshape(state @ v, [batch]);
        output logits;
        loss cross_entropy(logits, action, weight: advantage) + 0.5 * squared_error(value, worth, reduction: sum);
    }

    /// The value of each action, of which the one that was taken is judged.
    Values() {
        input  state: [batch, 2];
        target action: i32[batch];
        target worth: [batch];
        target importance: [batch];
        param w: [2, 3] = ones();
        let q = state @ w;
        output q;
        loss huber(pick(q, action), worth, delta: 1.0, weight: importance);
    }

    /// Pixels of classes along axis 1, of which some have no label.
    Pixels(smoothing: f64, total: bool) {
        input  image: [batch, 3, h, w];
        target label: i32[batch, h, w];
        param scale: [3, 1, 1] = ones();
        let sum = image * scale;
        output sum;
        loss cross_entropy(
            sum, label, axis: 1, ignore_index: -100, label_smoothing: smoothing,
            reduction: if total { sum } else { mean },
        );
    }

    /// Numbers with the variance that they are told with.
    Doubtful() {
        input  x: [batch, 1];
        target y: [batch, 1];
        target variance: [batch];
        output p = linear(x, 1, bias: false, init: zeros());
        loss gaussian_nll(p, y, variance);
    }
}

/// Small weights, of parameters that are chosen by their names.
fn shrinks(p: &Value) -> Value {
    downhill::composite::penalty(p.builder(), 1e-3, 1e-3, |name| name.ends_with("weight"))
}

network! {
    /// One layer for each loss that learns nothing else.
    Palette() {
        input  x: [batch, 4];
        target label: i32[batch];
        target y: [batch, 3];
        let signs = 2.0 * y - 1.0;
        let z = linear(x, 3);
        let a = linear(x, 3);
        let b = linear(x, 3);
        let differences = smooth_l1(z, y, beta: 0.5) + log_cosh(z, y) + pinball(z, y, 0.3);
        let margins = soft_margin(a, signs) + hinge_embedding(square(a), signs) + multi_margin(a, label, p: 2);
        let masks = focal(z, y) + dice(z, y, from_logits: true, reduction: sum) + multilabel_soft_margin(z, y);
        let likelihoods = gaussian_nll(b, y, exp(z)) + poisson_nll(b, y, full: true)
            + kl_divergence(log_softmax(b), softmax(y), reduction: batchmean);
        let pairs = margin_ranking(a, b, signs, margin: 0.1) + info_nce(a, y, temperature: 0.5, symmetric: true)
            + cosine_embedding(a, y, 1.0) + triplet_margin(a, y, b, swap: true);
        let rows = cross_entropy(z, label, class_weight: ones([3]), label_smoothing: 0.1)
            + nll(log_softmax(a), label, ignore_index: 0)
            + bce_with_logits(b, y, pos_weight: 2.0, weight: mean(y, axes: [1]));
        output z;
        loss differences + margins + masks + likelihoods + pairs + rows + self::shrinks(z);
    }
}

#[test]
fn all_losses_are_compiled_and_fall() -> Result<(), downhill::Error> {
    let mut net = Palette::new().seed(3).optimizer(sgd(0.02)).build()?;
    let rows = [[1.0, 0.0, 0.5, -1.0], [0.0, 1.0, -0.5, 0.5], [-1.0, 0.25, 1.0, 0.0]];
    let targets = ([0, 1, 2], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]);
    let losses: Vec<f32> =
        (0..30).map(|_| net.step(&rows, (&targets.0, &targets.1))).collect::<Result<_, _>>()?;
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    assert!(losses[29] < 0.8 * losses[0], "{losses:?}");
    Ok(())
}

fn near(found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() < 1e-5, "{found} where {expected} is right");
}

#[test]
fn a_policy_takes_the_worth_of_its_actions() -> Result<(), downhill::Error> {
    let mut net = Agent::new().optimizer(sgd(1.0)).build()?;
    let (states, worth) = ([[1.0, 0.0], [0.0, 1.0]], [2.0, 0.0]);
    let loss = net.step(&states, (&[2, 0], &[3.0, -1.0], &worth))?;
    // Each action has a chance of a third.
    near(loss, (3.0 - 1.0) * 3_f64.ln() / 2.0 + 0.5 * 4.0);
    let logits = net.forward(&states)?;
    let step = |share: f64, advantage: f64| share * advantage / 2.0;
    near(logits.as_f32()?[2], step(2.0 / 3.0, 3.0));
    near(logits.as_f32()?[3], step(2.0 / 3.0, -1.0));
    Ok(())
}

#[test]
fn a_value_takes_the_worth_of_the_action_taken() -> Result<(), downhill::Error> {
    let mut net = Values::new().optimizer(sgd(0.1)).build()?;
    let loss = net.step(&[[1.0, 0.0], [0.0, 1.0]], (&[1, 2], &[1.5, 4.0], &[1.0, 0.5]))?;
    near(loss, (0.125 + 0.5 * 2.5) / 2.0);
    Ok(())
}

#[test]
fn pixels_without_a_label_do_not_count() -> Result<(), downhill::Error> {
    let image = Tensor::new([1, 3, 1, 2], vec![0.0_f32, 1.0, 0.0, 2.0, 0.0, 3.0])?;
    let rows = [3_f64.ln(), (1_f64.exp() + 2_f64.exp() + 3_f64.exp()).ln() - 2.0];
    let label = |labels: [i32; 2]| Tensor::new([1, 1, 2], labels.to_vec());
    for (total, expected) in [(false, rows[0]), (true, rows[0])] {
        let mut net = Pixels::new(0.0, total).optimizer(sgd(0.1)).build()?;
        near(net.step(&image, &label([2, -100])?)?, expected);
        near(net.step(&image, &label([-100, -100])?)?, 0.0);
    }
    let mut net = Pixels::new(0.0, true).optimizer(sgd(0.1)).build()?;
    near(net.step(&image, &label([0, 1])?)?, rows[0] + rows[1]);
    let refused = net.step(&image, &label([0, 5])?).expect_err("5 is no class");
    assert!(refused.to_string().contains("cross_entropy"), "{refused}");
    Ok(())
}

#[test]
fn a_variance_below_0_is_refused() -> Result<(), downhill::Error> {
    let mut net = Doubtful::new().optimizer(sgd(0.1)).build()?;
    near(net.step(&[[1.0], [1.0]], (&[[2.0], [0.0]], &[4.0, 1.0]))?, 0.5 * (4_f64.ln() + 1.0) / 2.0);
    let refused = net.step(&[[1.0], [1.0]], (&[[2.0], [0.0]], &[4.0, -1.0])).expect_err("-1 is no variance");
    assert!(refused.to_string().contains("numbers from 0"), "{refused}");
    Ok(())
}
