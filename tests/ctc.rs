//! `ctc` in machine code: the sum over all alignments, what cannot be aligned, and a network that learns to read.

use downhill::prelude::*;
use downhill::sampling::ctc_greedy;

network! {
    /// The scores themselves.
    Scores() {
        input  z: [batch, time, 3];
        target y: i32[batch, labels];
        target counts: i32[batch];
        param  shift: [3] = zeros();
        output shifted = z + shift;
        loss exact = ctc(shifted, y, target_lengths: counts, blank: 1, reduction: sum);
        loss lenient = ctc(shifted, y, target_lengths: counts, blank: 1, zero_infinity: true, reduction: sum);
    }

    /// Reads labels from noise around them.
    Reader(units: usize) {
        input  x: [batch, time, 5];
        target y: i32[batch, labels];
        target steps: i32[batch];
        target counts: i32[batch];
        output z = linear(gru(x, units, bidirectional: true), 5);
        loss   ctc(z, y, lengths: steps, target_lengths: counts);
    }
}

const STEPS: usize = 5;

fn logits() -> Vec<f32> {
    (0..2 * STEPS * 3).map(|n| (n as f32 * 1.7).sin() * 2.0).collect()
}

/// −ln of the probability of labels, by all 3ⁿ alignments.
fn by_alignments(logits: &[f32], labels: &[i32]) -> f64 {
    let rows: Vec<Vec<f64>> = logits
        .chunks(3)
        .map(|row| {
            let total: f64 = row.iter().map(|z| f64::from(*z).exp()).sum();
            row.iter().map(|z| f64::from(*z).exp() / total).collect()
        })
        .collect();
    let mut sum = 0.0;
    for number in 0..3_usize.pow(rows.len() as u32) {
        let classes: Vec<usize> = (0..rows.len()).map(|step| number / 3_usize.pow(step as u32) % 3).collect();
        let mut read: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
        read.dedup();
        read.retain(|&class| class != 1);
        if read == labels {
            sum += classes.iter().zip(&rows).map(|(&class, row)| row[class]).product::<f64>();
        }
    }
    -sum.ln()
}

#[test]
fn all_alignments_are_summed() {
    let net = Scores::new().build().expect("a model");
    let z = Tensor::new([2, STEPS, 3], logits()).expect("a tensor");
    // What stands behind the labels that count means nothing.
    for (labels, counts) in [([[0, 2, 2], [2, 0, 9]], [3, 2]), ([[2, 2, 0], [-7, 0, 9]], [2, 0])] {
        let of = net.gradients_of(Some("exact"), &["shift"], &z, (&labels, &counts)).expect("gradients");
        let read = |row: usize| {
            by_alignments(&logits()[row * STEPS * 3..][..STEPS * 3], &labels[row][..counts[row] as usize])
        };
        let expected = read(0) + read(1);
        let found = f64::from(of.loss().expect("a loss"));
        assert!((found - expected).abs() < 1e-5 * expected, "{found} and {expected}");
    }
}

#[test]
fn what_cannot_be_aligned_stops_a_step_or_costs_nothing() {
    let mut net = Scores::new().optimizer(sgd(0.1)).build().expect("a model");
    let z = Tensor::new([2, STEPS, 3], logits()).expect("a tensor");
    let (labels, counts) = ([[0, 0, 0, 0], [0, 2, 0, 2]], [4, 4]);
    let error = net.step_loss("exact", &z, (&labels, &counts)).expect_err("an infinite loss").to_string();
    assert!(error.contains("inf"), "{error}");
    assert_eq!(net.parameter("shift").expect("a parameter").to_f64_vec(), [0.0; 3]);

    let lenient = net.step_loss("lenient", &z, (&labels, &counts)).expect("a step");
    let expected = by_alignments(&logits()[STEPS * 3..], &labels[1]);
    assert!((f64::from(lenient) - expected).abs() < 1e-5 * expected, "{lenient} and {expected}");
    assert!(
        net.parameter("shift").expect("a parameter").to_f64_vec().iter().all(|number| number.is_finite())
    );

    // A label that counts and is no class is heard of.
    let error = net.step_loss("lenient", &z, (&[[0, 7, 0, 2], [0, 2, 0, 2]], &counts)).expect_err("no class");
    assert!(error.to_string().contains('7'), "{error}");
}

#[test]
fn it_learns_to_read() {
    let mut net = Reader::new(24).seed(4).optimizer(adam(0.01)).build().expect("a model");
    let (batch, time) = (16, 12);
    let mut random = 9_u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    // Each label lasts one to three steps; a step without any stands between.
    let mut batch_of = move || {
        let (mut x, mut y) = (vec![0.0_f32; batch * time * 5], vec![0_i32; batch * 3]);
        let (mut steps, mut counts) = (vec![0_i32; batch], vec![0_i32; batch]);
        for row in 0..batch {
            counts[row] = 1 + next(3) as i32;
            let mut step = 0;
            for place in 0..counts[row] as usize {
                let label = 1 + next(4) as usize;
                y[row * 3 + place] = label as i32;
                for _ in 0..1 + next(3) {
                    x[(row * time + step) * 5 + label] = 1.0 + next(100) as f32 / 100.0;
                    step += 1;
                }
                step += 1;
            }
            steps[row] = step as i32;
        }
        let x = Tensor::new([batch, time, 5], x).expect("a tensor");
        (x, Tensor::new([batch, 3], y).expect("a tensor"), Tensor::from(steps), Tensor::from(counts))
    };
    for _ in 0..150 {
        let (x, y, steps, counts) = batch_of();
        net.step(&x, (&y, &steps, &counts)).expect("a step");
    }
    let (x, y, steps, counts) = batch_of();
    let read = ctc_greedy(&net.forward(&x).expect("scores"), 0, Some(&steps)).expect("labels");
    let (y, counts) = (y.as_i32().expect("labels"), counts.as_i32().expect("counts"));
    let right = read.iter().enumerate().filter(|(row, read)| **read == y[row * 3..][..counts[*row] as usize]);
    let right = right.count();
    assert!(right >= batch - 1, "{right} of {batch}");
}
