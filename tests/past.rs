//! A text written word by word, with the keys and values of what stands before: what all words together give, at the cost of one.

use downhill::prelude::*;
use std::time::Instant;

network! {
    layer block(x: [batch, time, width], heads, past_keys, past_values) -> ([batch, time, width], [batch, _, _], [batch, _, _]) {
        let (a, keys, values) = attention(
            layer_norm(x), heads: heads, causal: true, kv_heads: 2, past_keys: past_keys, past_values: past_values
        );
        let b = x + a;
        (b + linear(gelu(linear(layer_norm(b), 4 * width)), width), keys, values)
    }

    layer learning(x: [batch, time, width], heads) -> [batch, time, width] {
        let a = attention(layer_norm(x), heads: heads, causal: true, kv_heads: 2);
        let b = x + a;
        b + linear(gelu(linear(layer_norm(b), 4 * width)), width)
    }

    /// All words at once.
    Whole(width: usize) {
        input  words: i32[batch, time];
        input  places: i32[batch, time];
        let x = embedding(words, 11, width) + embedding(places, 2000, width);
        let first = learning(x, 4);
        let second = learning(first, 4);
        output score = linear(layer_norm(second), 11);
    }

    /// Some words behind others.
    Next(width: usize) {
        input  words: i32[batch, time];
        input  places: i32[batch, time];
        input  keys_1: [batch, past, width / 2];
        input  values_1: [batch, past, width / 2];
        input  keys_2: [batch, past, width / 2];
        input  values_2: [batch, past, width / 2];
        let x = embedding(words, 11, width) + embedding(places, 2000, width);
        let (first, k1, v1) = block(x, 4, keys_1, values_1);
        let (second, k2, v2) = block(first, 4, keys_2, values_2);
        output score = linear(layer_norm(second), 11);
        output k1, v1, k2, v2;
    }
}

const WIDTH: usize = 32;

fn words(batch: usize, range: std::ops::Range<usize>) -> Tensor {
    let numbers =
        (0..batch).flat_map(|row| range.clone().map(move |place| ((place * place + row) % 11) as i32));
    Tensor::new([batch, range.len()], numbers.collect::<Vec<i32>>()).expect("a tensor")
}

fn places(batch: usize, range: std::ops::Range<usize>) -> Tensor {
    let numbers = (0..batch).flat_map(|_| range.clone().map(|place| place as i32));
    Tensor::new([batch, range.len()], numbers.collect::<Vec<i32>>()).expect("a tensor")
}

/// Scores of these words, and the keys and values of all words until then.
fn next(net: &Model, batch: usize, range: std::ops::Range<usize>, past: &[Tensor]) -> (Tensor, Vec<Tensor>) {
    let (words, places) = (words(batch, range.clone()), places(batch, range));
    let [k1, v1, k2, v2] = past else { panic!("four tensors of the past") };
    let given = net.forward_all((&words, &places, k1, v1, k2, v2)).unwrap_or_else(|error| panic!("{error}"));
    let [score, k1, v1, k2, v2] = given.into_array().expect("five outputs");
    (score, vec![k1, v1, k2, v2])
}

fn nothing(batch: usize, width: usize) -> Vec<Tensor> {
    vec![Tensor::new([batch, 0, width / 2], Vec::<f32>::new()).expect("an empty tensor"); 4]
}

#[test]
fn word_by_word_is_all_at_once() {
    let (batch, time) = (2, 9);
    let whole = Whole::new(WIDTH).seed(5).build().expect("a model");
    let mut one = Next::new(WIDTH).seed(6).build().expect("a model");
    one.copy_parameters_from(&whole).expect("the same parameters");
    let all = whole.forward((&words(batch, 0..time), &places(batch, 0..time))).expect("scores");
    let all = all.as_f32().expect("floats");

    // Several words first, then each by itself; or each by itself from the first on.
    for first in [4, 1] {
        let (mut from, mut past) = (0, nothing(batch, WIDTH));
        for until in first..=time {
            let (score, with) = next(&one, batch, from..until, &past);
            assert_eq!(with[0].shape(), [batch, until, WIDTH / 2]);
            let found = score.as_f32().expect("floats");
            for row in 0..batch {
                let expected = &all[(row * time + from) * 11..(row * time + until) * 11];
                let found = &found[row * (until - from) * 11..][..(until - from) * 11];
                let far = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far < 1e-5, "words {from} to {until} of text {row}: {far}");
            }
            (from, past) = (until, with);
        }
    }
}

/// What a word costs behind so many others; `cargo test --test past -- --nocapture` shows it.
#[test]
fn a_word_costs_a_word() {
    let width = 128;
    let whole = Whole::new(width).seed(5).build().expect("a model");
    let one = Next::new(width).seed(5).build().expect("a model");
    for count in [16, 64, 256, 1000] {
        let (_, past) = next(&one, 1, 0..count, &nothing(1, width));
        let least = |work: &mut dyn FnMut()| {
            let times = (0..12).map(|_| {
                let start = Instant::now();
                work();
                start.elapsed().as_secs_f64()
            });
            times.fold(f64::INFINITY, f64::min)
        };
        let (text, at) = (words(1, 0..count + 1), places(1, 0..count + 1));
        let of_all = least(&mut || _ = whole.forward((&text, &at)).expect("scores"));
        let of_one = least(&mut || _ = next(&one, 1, count..count + 1, &past));
        println!("behind {count:4} words: {:6.0} µs, of all {:6.0} µs", of_one * 1e6, of_all * 1e6);
        // Of two hundred words and more, one takes less than a third on any machine, however busy.
        assert!(count < 200 || of_one < of_all / 3.0, "{of_one} and {of_all}");
    }
}

#[test]
fn a_past_that_does_not_fit_is_told() {
    use downhill::builder::{Builder, Mode};
    use downhill::composite::{Attention, attention};
    let b = Builder::new(Mode::Train);
    let x = b.input("x", Default::default(), [2, 3, 8]);
    let past = [[2, 5, 8], [2, 4, 8]].map(|shape| b.input(&format!("{shape:?}"), Default::default(), shape));
    let y = attention(&x, 2, Attention { past: Some(past), ..Attention::default() });
    assert!(y.node().is_none());
    let error = b.take_errors()[0].to_string();
    assert!(
        error.contains("`attention` takes [2, past, 8]") && error.contains("[2, 5, 8] and [2, 4, 8]"),
        "{error}"
    );
}
