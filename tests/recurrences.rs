//! Recurrences, declared as one would write them: they build, train, answer, and give the same bits for every target and number of threads.

use downhill::InstructionSet;
use downhill::prelude::*;

network! {
    layer elman(x: [batch, time, n], units) -> [batch, time, units] {
        param u: [n, units] = xavier_uniform();
        param w: [units, units] = orthogonal();
        param b: [units] = zeros();
        scan step in x along time, h = zeros([batch, units]) {
            h = tanh(step @ u + h @ w + b);
            yield h
        }
    }

    /// A recurrence of one's own: a tag for each step.
    pub Tagger(units: usize, tags: usize) {
        input  x: [batch, time, 5];
        target y: i32[batch, time];
        output logits = linear(elman(x, units), tags);
        loss   cross_entropy(logits, y);
    }
}

network! {
    /// Two layers in both directions, with dropout between them and lengths.
    Both(units: usize) {
        input  x: [batch, time, 5];
        input  lengths: i32[batch];
        target y: [batch, time];
        let h = lstm(x, units, layers: 2, bidirectional: true, dropout: 0.25, lengths: lengths);
        let g = gru(h, units, lengths: lengths);
        output p = reshape(linear(g, 1), [batch, time]);
        loss   squared_error(p, y);
    }
}

network! {
    /// How often a running sum has been positive: only what is carried can know.
    Sums(units: usize) {
        input  x: [batch, time, 1];
        target y: [batch, 1];
        let (all, h) = rnn(x, units);
        output p = linear(h, 1);
        loss   squared_error(p, y);
    }
}

fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|n| (n * 7919 % 10_007) as f32 / 5_003.5 - 1.0).collect()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.as_f32().expect("f32").iter().map(|value| value.to_bits()).collect()
}

/// Whether the sum of the first inputs so far is above zero: what a step sees does not tell.
fn tagged(batch: usize, time: usize) -> (Tensor, Tensor) {
    let x = noise(batch * time * 5);
    let mut tags = Vec::new();
    for row in x.chunks(time * 5) {
        let mut sum = 0.0;
        for step in row.chunks(5) {
            sum += step[0];
            tags.push(i32::from(sum > 0.0));
        }
    }
    let x = Tensor::new([batch, time, 5], x).expect("as many as the shape says");
    (x, Tensor::new([batch, time], tags).expect("a tag for each step"))
}

#[test]
fn a_recurrence_of_ones_own_learns_what_it_must_remember() {
    let mut net = Tagger::new(16, 2).seed(3).optimizer(adam(0.01)).build().expect("it builds");
    let (x, y) = tagged(24, 20);
    let first = net.step(&x, &y).expect("a step");
    let last = (0..150).map(|_| net.step(&x, &y).expect("a step")).last().expect("a loss");
    assert!(first > 0.6 && last < 0.15, "{first} to {last}");
    assert_eq!(net.forward(&x).expect("logits").shape(), [24, 20, 2]);
    // Longer ones run through the same code.
    let (longer, tags) = tagged(4, 50);
    let logits = net.forward(&longer).expect("logits");
    let tags = tags.as_i32().expect("i32").to_vec();
    let right =
        logits.as_f32().expect("f32").chunks(2).zip(tags).filter(|(z, tag)| (z[1] > z[0]) == (*tag == 1));
    assert!(right.count() > 150, "of 200");
}

/// The bits of some steps' losses, of all parameters, and of an answer.
fn trained(target: InstructionSet, threads: usize, sizes: &[usize]) -> Vec<u32> {
    let build = Both::new(24).seed(5).optimizer(adam(0.01)).target(target).threads(threads);
    let mut net = build.batch_sizes(sizes.to_vec()).build().expect("it builds");
    let mut all = Vec::new();
    for (batch, time) in [(7, 9), (16, 4), (1, 1), (3, 30)] {
        let x = Tensor::new([batch, time, 5], noise(batch * time * 5)).expect("steps");
        let y = Tensor::new([batch, time], noise(batch * time)).expect("targets");
        let lengths: Vec<i32> = (0..batch).map(|row| 1 + (row * 5 % time) as i32).collect();
        for _ in 0..2 {
            let loss = net.step((&x, &lengths), &y).expect("a step");
            assert!(loss.is_finite());
            all.push(loss.to_bits());
        }
        all.extend(bits(&net.forward((&x, &lengths)).expect("an answer")));
    }
    let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        all.extend(bits(&net.parameter(&name).expect("a parameter")));
    }
    all
}

#[test]
fn the_same_bits_for_every_target_thread_and_variant() {
    let one = trained(InstructionSet::Portable, 1, &[]);
    for target in downhill::host::available() {
        for (threads, sizes) in [(1, &[][..]), (1, &[7, 16]), (3, &[][..]), (2, &[16])] {
            assert!(trained(target, threads, sizes) == one, "{target:?}, {threads} threads, {sizes:?}");
        }
    }
}

#[test]
fn ten_thousand_steps_of_time() {
    let mut net = Sums::new(4).seed(1).optimizer(sgd(1e-3)).build().expect("it builds");
    let x = Tensor::new([2, 10_000, 1], noise(20_000)).expect("steps");
    let y = Tensor::new([2, 1], vec![0.5_f32, -0.5]).expect("targets");
    let losses: Vec<f32> = (0..3).map(|_| net.step(&x, &y).expect("a step")).collect();
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    assert!(losses[2] < losses[0], "{losses:?}");
}
