//! Networks for pictures and text, declared as one would write them: they build, train, and answer.

use downhill::prelude::*;

network! {
    layer block(x: [batch, c, h, w], channels, stride) -> [batch, channels, _, _] {
        let y = relu(batch_norm(conv(x, channels, kernel: 3, stride: stride, padding: 1, bias: false)));
        y = batch_norm(conv(y, channels, kernel: 3, padding: 1, bias: false));
        let skip = if stride == 1 { x } else { batch_norm(conv(x, channels, kernel: 1, stride: stride, bias: false)) };
        relu(y + skip)
    }

    /// A residual network for pictures of three colours.
    pub ResNet(widths: Vec<usize>, blocks: usize, classes: usize) {
        input  image: [batch, 3, 16, 16];
        target label: i32[batch];
        let h = relu(batch_norm(conv(image, 8, kernel: 3, padding: 1, bias: false)));
        for width in widths {
            for turn in 0..blocks { h = block(h, width, stride: if turn == 0 && width > 8 { 2 } else { 1 }); }
        }
        output logits = linear(global_average_pool(h), classes);
        loss   cross_entropy(logits, label);
    }
}

network! {
    layer block(x: [batch, time, width], heads) -> [batch, time, width] {
        let a = x + attention(layer_norm(x), heads, causal: true);
        a + linear(gelu(linear(layer_norm(a), 4 * width)), width)
    }

    /// A language model.
    pub Gpt(vocab: usize, context: usize, width: usize, heads: usize, layers: usize) {
        input  tokens: i32[batch, context];
        target next:   i32[batch, context];
        let h = embedding(tokens, vocab, width) + positions(context, width);
        for _ in 0..layers { h = block(h, heads); }
        output logits = linear(layer_norm(h), vocab, bias: false);
        loss   cross_entropy(logits, next);
    }
}

/// Pictures whose colours tell their class.
fn pictures(count: usize) -> (Tensor, Vec<i32>) {
    let label = |n: usize| n % 3;
    let noise = |n: usize| (n * 7919 % 10_007) as f32 / 10_007.0 - 0.5;
    let pixel = |n: usize| {
        let (picture, colour) = (n / 768, n / 256 % 3);
        noise(n) + if colour == label(picture) { 1.0 } else { 0.0 }
    };
    let x = Tensor::new([count, 3, 16, 16], (0..count * 768).map(pixel).collect::<Vec<f32>>());
    (x.expect("as many as the shape says"), (0..count).map(|n| label(n) as i32).collect())
}

#[test]
fn a_residual_network_learns_colours() {
    let mut net =
        ResNet::new(vec![8, 16], 2, 3).seed(1).optimizer(sgd(0.1).momentum(0.9)).build().expect("it builds");
    let (x, y) = pictures(12);
    let first = net.step(&x, &y).expect("a step");
    let last = (0..25).map(|_| net.step(&x, &y).expect("a step")).last().expect("steps");
    assert!(first > 0.8 && last < 0.1, "{first} to {last}");

    // In inference the running statistics stand for the batch's: one picture alone is known, too.
    let (one, label) = (x.as_f32().expect("f32")[768..2 * 768].to_vec(), y[1]);
    let logits = net.forward(&Tensor::new([1, 3, 16, 16], one).expect("one picture")).expect("an answer");
    let logits = logits.as_f32().expect("f32").to_vec();
    let best = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    assert_eq!(best, Some(label as usize), "{logits:?}");
}

#[test]
fn a_language_model_learns_what_follows() {
    let mut net = Gpt::new(7, 12, 16, 2, 2).seed(1).optimizer(adam(0.01)).build().expect("it builds");
    // Each token is followed by the one two further on; three rows begin elsewhere.
    let token = |n: usize| ((n / 12 * 3 + n % 12 * 2) % 7) as i32;
    let x = Tensor::new([3, 12], (0..36).map(token).collect::<Vec<i32>>()).expect("three rows");
    let y =
        Tensor::new([3, 12], (0..36).map(|n| (token(n) + 2) % 7).collect::<Vec<i32>>()).expect("three rows");
    let first = net.step(&x, &y).expect("a step");
    let last = (0..60).map(|_| net.step(&x, &y).expect("a step")).last().expect("steps");
    assert!(first > 1.5 && last < 0.1, "{first} to {last}");
}
