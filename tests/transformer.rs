//! Layers of transformers in `network!`: declared as on paper, called in every way, trained, and the same for every batch.

use downhill::prelude::*;

network! {
    layer block(x: [batch, time, width], heads) -> [batch, time, width] {
        let a = x + drop_path(attention(layer_norm(x), heads, causal: true), 0.1);
        a + linear(gelu(linear(layer_norm(a), 4 * width)), width)
    }

    /// Says which of the symbols before was the last that differs from now.
    pub Reader(symbols: usize, width: usize, heads: usize, layers: usize) {
        input  x: [batch, time, symbols];
        target next: i32[batch, time];
        let h = linear(x, width) + sinusoidal_positions(time, width);
        for _ in 0..layers { h = block(h, heads); }
        output logits = linear(rms_norm(h), symbols, bias: false);
        loss   cross_entropy(logits, next);
    }
}

network! {
    layer grouped(x: [batch, time, width]) -> [batch, time, width] {
        let query = transpose(reshape(x, [batch, time, 4, width / 4]), axes: [0, 2, 1, 3]);
        let key = slice(query, end: 2, axis: 1);
        let seen = scaled_dot_product_attention(rotary(query), rotary(key), key, causal: true, scale: 0.5);
        reshape(transpose(seen, axes: [0, 2, 1, 3]), [batch, time, width])
    }

    /// Attention in every form.
    pub Forms(width: usize) {
        input  x: [batch, time, width];
        input  memory: [batch, places, 3];
        input  lengths: i32[batch];
        input  hidden: bool[batch, time, places];
        let own = attention(x, 2) + attention(x, heads: 2, bias: false);
        let across = attention(own, memory, memory, heads: 4, kv_heads: 2, dropout: 0.1, lengths: lengths);
        let masked = attention(across, memory, 2, mask: not(hidden));
        shared again = attention(heads: 2);
        let twice = again(again(masked)) + grouped(masked);
        let pooled = attention(expand(mean(twice, axes: 1), 1), twice, twice, heads: 1);
        output p = linear(reshape(group_norm(transpose(channel_dropout(pooled, 0.1)), 2), [batch, width]), 1);
        loss   mean(square(p - 1.0));
    }
}

network! {
    /// The keys that are seen are told by a mask.
    Masked() {
        input x: [batch, 300, 8];
        input seen: bool[300, 300];
        output y = scaled_dot_product_attention(x, x, x, mask: seen);
        loss sum(y * y);
    }

    /// Two parts.
    Causal() {
        input x: [batch, 300, 8];
        output y = scaled_dot_product_attention(x, x, x, causal: true);
        loss sum(y * y);
    }

    /// Two parts, each in blocks.
    Blocks() {
        input x: [batch, 300, 8];
        output y = scaled_dot_product_attention(x, x, x, causal: true, block: 64);
        loss sum(y * y);
    }
}

/// `batch` rows of `time` one-hot symbols, and at each the last symbol before it that was another (or itself).
fn sequences(batch: usize, time: usize, symbols: usize) -> (Tensor, Tensor) {
    let (mut x, mut next) = (vec![0.0_f32; batch * time * symbols], Vec::new());
    let mut state = 1_u32;
    for row in 0..batch {
        let mut seen: Vec<usize> = Vec::new();
        for place in 0..time {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let symbol = (state >> 16) as usize % symbols;
            x[(row * time + place) * symbols + symbol] = 1.0;
            seen.push(symbol);
            let other = seen.iter().rev().find(|other| **other != symbol).unwrap_or(&symbol);
            next.push(*other as i32);
        }
    }
    let x = Tensor::new([batch, time, symbols], x).expect("as many as the shape says");
    (x, Tensor::new([batch, time], next).expect("as many as the shape says"))
}

#[test]
fn a_transformer_learns_what_came_before() -> Result<(), downhill::Error> {
    let mut net = Reader::new(4, 16, 2, 1).seed(3).optimizer(adam(0.01)).build()?;
    let (x, next) = sequences(16, 8, 4);
    let first = net.step(&x, &next)?;
    let mut last = first;
    for _ in 0..150 {
        last = net.step(&x, &next)?;
    }
    assert!(last < 0.5 * first, "the loss went from {first} to {last}");

    // What comes later changes nothing: attention is causal.
    let (whole, start) = (net.forward(&x)?, sequences(16, 8, 4).0);
    let mut changed = start.as_f32()?.to_vec();
    let row = 8 * 4;
    changed[row - 4..row].rotate_left(1);
    let other = net.forward(&Tensor::new([16, 8, 4], changed)?)?;
    let (whole, other) = (whole.as_f32()?, other.as_f32()?);
    assert_eq!(whole[..row - 4], other[..row - 4]);
    assert_ne!(whole[row - 4..row], other[row - 4..row]);
    Ok(())
}

#[test]
fn attention_is_called_in_every_form() -> Result<(), downhill::Error> {
    let mut net = Forms::new(8).seed(1).optimizer(sgd(0.05)).build()?;
    let names: Vec<&str> = net.parameters().map(|(name, _)| name).collect();
    for name in [
        "own.0.query.weight",
        "across.key.bias",
        "masked.output.bias",
        "again.value.weight",
        "pooled.key.bias",
    ] {
        assert!(names.contains(&name), "{name} is none of {names:?}");
    }
    assert!(!names.contains(&"own.1.query.bias"));

    let numbers = |count: usize| (0..count).map(|n| ((n * 37 % 19) as f32 - 9.0) / 9.0).collect::<Vec<_>>();
    let x = Tensor::new([3, 5, 8], numbers(120))?;
    let memory = Tensor::new([3, 4, 3], numbers(36))?;
    // The second sample sees nothing of its memory.
    let lengths = Tensor::from([4, 0, 2]);
    let hidden =
        Tensor::new([3, 5, 4], (0..60).map(|n| (20..40).contains(&n) || n % 3 == 0).collect::<Vec<bool>>())?;
    let first = net.step((&x, &memory, &lengths, &hidden), ())?;
    let mut last = first;
    for _ in 0..20 {
        last = net.step((&x, &memory, &lengths, &hidden), ())?;
    }
    assert!(last.is_finite() && last < first, "the loss went from {first} to {last}");
    assert_eq!(net.forward((&x, &memory, &lengths, &hidden))?.shape(), [3, 1]);
    Ok(())
}

/// What attention gives and its gradient.
fn attended(net: &mut Model, x: &Tensor, seen: Option<&Tensor>) -> Result<[Vec<f32>; 2], downhill::Error> {
    let (y, by_x) = match seen {
        Some(seen) => (net.forward((x, seen))?, net.gradients_of(None, &["x"], (x, seen), ())?),
        None => (net.forward(x)?, net.gradients_of(None, &["x"], x, ())?),
    };
    Ok([y.as_f32()?.to_vec(), by_x.get("x").expect("asked for").as_f32()?.to_vec()])
}

#[test]
fn parts_and_blocks_of_causal_attention_are_what_a_mask_says() -> Result<(), downhill::Error> {
    let numbers: Vec<f32> = (0..2 * 300 * 8).map(|n| (n * 7919 % 1013) as f32 / 506.5 - 1.0).collect();
    let x = Tensor::new([2, 300, 8], numbers)?;
    let seen = Tensor::new([300, 300], (0..300 * 300).map(|n| n % 300 <= n / 300).collect::<Vec<bool>>())?;
    let expected = attended(&mut Masked::new().build()?, &x, Some(&seen))?;
    let causal = attended(&mut Causal::new().build()?, &x, None)?;
    let blocks = attended(&mut Blocks::new().build()?, &x, None)?;
    for found in [&causal, &blocks] {
        for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
            assert!((expected - found).abs() <= 1e-5 * expected.abs().max(1.0), "{found} is not {expected}");
        }
    }

    // The same bits for every target and number of threads, and with the batch fixed.
    for target in downhill::host::available() {
        let mut net = Causal::new().target(target).threads(3).batch_sizes([2]).build()?;
        assert!(attended(&mut net, &x, None)? == causal, "parts on {target:?}");
        let mut net = Blocks::new().target(target).threads(3).batch_sizes([2]).build()?;
        assert!(attended(&mut net, &x, None)? == blocks, "blocks on {target:?}");
    }
    Ok(())
}
