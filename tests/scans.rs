//! `scan` in `network!`: recurrences as they are declared, against what they unroll to, on the interpreter.

use downhill::__private::graph::graph::Purpose;
use downhill::__private::graph::interpret::{Environment, Precision, interpret};
use downhill::__private::graph::tensor::Tensor;
use downhill::__private::graph::types::ElementType;
use downhill::__private::nn::builder::{Declaration, Mode};
use downhill::__private::nn::entry::{forward, gradients, step};
use downhill::__private::nn::network::Network as _;
use downhill::prelude::*;

network! {
    layer elman(x: [batch, time, n], units) -> [batch, time, units] {
        param u: [n, units] = xavier();
        param w: [units, units] = orthogonal();
        param b: [units] = zeros();
        scan step in x along time, h = zeros([batch, units]) {
            h = tanh(step @ u + h @ w + b);
            yield h
        }
    }

    /// As on the page of the language.
    pub Tagger(units: usize, tags: usize) {
        input  x: [batch, time, 3];
        target y: i32[batch, time];
        output logits = linear(elman(x, units), tags);
        loss   cross_entropy(logits, y);
    }

    /// The same over three steps, unrolled.
    pub Unrolled(units: usize, tags: usize) {
        input  a: [batch, 3];
        input  b: [batch, 3];
        input  c: [batch, 3];
        target y: i32[batch, 3];
        shared logits = steps(units, tags);
        output z = logits(a, b, c);
        loss   cross_entropy(z, y);
    }

    layer steps(first: [batch, n], second: [batch, n], third: [batch, n], units, tags) -> [batch, 3, tags] {
        param u: [n, units] = zeros();
        param w: [units, units] = zeros();
        param b: [units] = zeros();
        let h = tanh(first @ u + b);
        let i = tanh(second @ u + h @ w + b);
        let j = tanh(third @ u + i @ w + b);
        linear(concatenate(expand(h, 1), expand(i, 1), expand(j, 1), axis: 1), tags)
    }

    /// Several slices, carried values and yields; layers in the body; in reverse.
    pub Rich() {
        input  x: [batch, time, 3];
        input  z: [time, batch];
        target t: [batch];
        let (hs, sums, last, total) = scan reverse u in x along time, v in z along time,
            (h, s) = (zeros([batch, 2]), zeros([batch])), n = 0.0
        {
            (h, s) = pair(linear(concatenate(u, h), 2), s + v);
            n = n + 1.0;
            yield h;
            for turn in 0..2 { s = s + 1.0; }
            yield s
        };
        let inner = scan a in hs along -1 { yield a * 2 };
        output hs, sums, last, inner;
        loss mean(t * total) + mean(hs) + mean(last);
    }

    layer pair(a: [batch, n], b: [batch]) -> ([batch, n], [_]) {
        (tanh(a), b * 0.5)
    }
}

fn wave(dims: &[usize], by: f64) -> Tensor {
    let values: Vec<f64> = (0..dims.iter().product()).map(|n: usize| (n as f64 * by + 0.3).sin()).collect();
    Tensor::from_f64(ElementType::F64, dims, &values).expect("a tensor")
}

/// The parameters of a declaration: those of one last name are alike.
fn parameters(declaration: &Declaration, at: Environment) -> Environment {
    let storages = declaration.graph.storages.iter();
    storages.fold(at, |at, storage| {
        let dims = storage.ty.shape.evaluate(&declaration.graph.bindings).expect("numbers");
        let last = storage.name.rsplit('.').next().expect("a name");
        let seed: usize = last.bytes().map(usize::from).sum();
        at.storage(&storage.name, wave(&dims, 0.1 + seed as f64 / 1000.0))
    })
}

fn results(graph: &downhill::__private::graph::graph::Graph, at: &Environment) -> Vec<Vec<f64>> {
    let found = interpret(graph, at, Precision::F64).expect("values");
    found.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn near(found: &[Vec<f64>], expected: &[Vec<f64>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-12, "{found} where {expected} is right");
    }
}

#[test]
fn a_recurrence_is_what_it_unrolls_to() {
    let tagger = Tagger::new(4, 2).declaration(Mode::Train).expect("a declaration");
    let unrolled = Unrolled::new(4, 2).declaration(Mode::Train).expect("a declaration");
    let names: Vec<&str> = tagger.graph.storages.iter().map(|storage| &*storage.name).collect();
    assert_eq!(names, ["logits.0.u", "logits.0.w", "logits.0.b", "logits.1.weight", "logits.1.bias"]);

    let (x, labels) = (wave(&[2, 3, 3], 0.7), Tensor::new([2, 3], vec![0, 1, 1, 0, 1, 0]).expect("labels"));
    let step = |t: usize| {
        let all = x.to_f64_vec();
        let rows: Vec<f64> = (0..2).flat_map(|row| all[row * 9 + t * 3..][..3].to_vec()).collect();
        Tensor::from_f64(ElementType::F64, [2, 3], &rows).expect("a step")
    };
    let at = Environment::new().input("x", x.clone()).input("y", labels.clone());
    let at = parameters(&tagger, at);
    let steps =
        Environment::new().input("a", step(0)).input("b", step(1)).input("c", step(2)).input("y", labels);
    let steps = parameters(&unrolled, steps);
    near(&results(&forward(&tagger).expect("f"), &at), &results(&forward(&unrolled).expect("f"), &steps));
    let of = |declaration| gradients(declaration, None, &[]).expect("gradients");
    near(&results(&of(&tagger), &at), &results(&of(&unrolled), &steps));
}

#[test]
fn slices_carried_values_and_yields_may_be_several() {
    let rich = Rich::new().declaration(Mode::Train).expect("a declaration");
    let names: Vec<&str> = rich.graph.storages.iter().map(|storage| &*storage.name).collect();
    assert_eq!(names, ["hs.h.weight", "hs.h.bias"]);
    let at = Environment::new()
        .input("x", wave(&[2, 3, 3], 0.7))
        .input("z", Tensor::from_f64(ElementType::F64, [3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("z"))
        .input("t", wave(&[2], 0.2));
    let at = parameters(&rich, at);
    let found = results(&forward(&rich).expect("f"), &at);
    // s ← (s + v)/2, yielded with 2 more, from the last step to the first.
    let by_hand = |z: [f64; 3]| {
        let (mut s, mut yields) = (0.0, [0.0; 3]);
        for t in [2, 1, 0] {
            s = (s + z[t]) * 0.5 + 2.0;
            yields[t] = s;
        }
        yields
    };
    near(&found[1..2], &[[by_hand([1.0, 3.0, 5.0]), by_hand([2.0, 4.0, 6.0])].concat()]);
    // What is carried in the end is what the first step gave.
    let first: Vec<f64> = (0..2).flat_map(|row| found[0][row * 6..][..2].to_vec()).collect();
    near(&found[2..3], &[first]);
    near(&found[3..], &[found[0].iter().map(|h| 2.0 * h).collect()]);
}

network! {
    /// Pictures to words: attention and a cell in the body.
    layer decoder(words: i32[batch, time], memory: [batch, places, width], vocab, units) -> [batch, time, vocab] {
        let e = embedding(words, vocab, units);
        let hs = scan word in e along time, (h, c) = (zeros([batch, units]), zeros([batch, units])) {
            let seen = attention(expand(h, 1), key: memory, value: memory, heads: 1);
            (h, c) = lstm_cell(concatenate(word, flatten(seen)), h, c);
            yield h
        };
        linear(hs, vocab)
    }

    /// A word at a time.
    pub Captions(vocab: usize, units: usize) {
        input  words: i32[batch, time];
        input  memory: [batch, 4, 6];
        target next: i32[batch, time];
        output logits = decoder(words, memory, vocab, units);
        loss   cross_entropy(logits, next);
    }

    /// Recurrences of the library: the outputs alone, with the last states, with options, in a value.
    pub Sequences(units: usize, deep: usize) {
        input  x: [batch, time, 3];
        input  lengths: i32[batch];
        target t: [batch];
        let (y, h, c) = lstm(x, units);
        let z = gru(y, units, lengths: lengths, bidirectional: true);
        let (last, state) = rnn(z, 2, h: h @ ones([units, 2]), relu: true);
        output logits = linear(gru(last, units, layers: deep), 1);
        loss squared_error(flatten(sum(logits, axis: 1)), expand(t + sum(c, axis: 1) + sum(state, axis: 1), 1));
    }
}

#[test]
fn layers_work_in_bodies_and_recurrences_in_formulas() {
    let captions = Captions::new(5, 4).declaration(Mode::Train).expect("a declaration");
    let names: Vec<&str> = captions.graph.storages.iter().map(|storage| &*storage.name).collect();
    assert_eq!(names[0], "logits.e.weight");
    assert_eq!(names[1], "logits.hs.seen.query.weight");
    assert_eq!(
        names[9..13].join(" "),
        "logits.hs.h.weight_ih logits.hs.h.weight_hh logits.hs.h.bias_ih logits.hs.h.bias_hh"
    );
    let words = || Tensor::new([2, 3], vec![0, 1, 4, 3, 2, 0]).expect("words");
    let at = Environment::new()
        .input("words", words())
        .input("memory", wave(&[2, 4, 6], 0.3))
        .input("next", words());
    let at = parameters(&captions, at);
    let found = results(&gradients(&captions, None, &[]).expect("gradients"), &at);
    for (name, by) in names.iter().zip(&found[1..]) {
        // What all keys share shifts a row of scores as a whole, which a softmax does not see.
        let moves = by.iter().any(|by| by.abs() > 1e-9) || name.ends_with("key.bias");
        assert!(moves && by.iter().all(|by| by.is_finite()), "{name}: {by:?}");
    }

    let sequences = Sequences::new(4, 2).declaration(Mode::Train).expect("a declaration");
    let names: Vec<&str> = sequences.graph.storages.iter().map(|storage| &*storage.name).collect();
    assert_eq!(names.len(), 4 + 8 + 4 + 8 + 2);
    assert_eq!(
        [names[0], names[8], names[12]],
        ["y.weight_ih_l0", "z.weight_ih_l0_reverse", "last.weight_ih_l0"]
    );
    assert_eq!([names[23], names[24]], ["logits.0.bias_hh_l1", "logits.1.weight"]);
}

network! {
    /// Gives two values, and keeps how often it was used.
    layer counted(x: [batch, n]) -> ([batch, n], [batch]) {
        state uses: [1] = zeros();
        update uses = uses + 1.0;
        (2.0 * x, sum(x, axis: 1))
    }

    /// Its loss needs the second value alone.
    pub Counted() {
        input x: [batch, 3];
        param w: [3] = ones();
        let (twice, total) = counted(x * w);
        output twice;
        loss mean(total * total);
    }
}

#[test]
fn a_layer_of_several_values_is_updated_where_one_of_them_is_used() {
    let counted = Counted::new().declaration(Mode::Train).expect("a declaration");
    let step = step(&counted, None, &sgd(0.1).into()).expect("a step");
    assert!(step.results.iter().any(|(purpose, _)| *purpose == Purpose::Update(1)));
}

network! {
    layer running(x: [batch, time, n]) -> [batch, time, n] {
        scan step in x along time, h = zeros([batch, n]) {
            h = h + step;
            yield h
        }
    }

    /// The sizes of all axes are equal: an axis is found by the name that the head gives it.
    pub Equal() {
        input x: [3, 3, 3];
        output y = running(x);
        param w: [3] = zeros();
        loss mean(y * w);
    }
}

#[test]
fn an_axis_is_found_by_its_name_where_sizes_are_equal() {
    let equal = Equal::new().declaration(Mode::Infer).expect("a declaration");
    let x = Tensor::from_f64(ElementType::F64, [3, 3, 3], &(0..27).map(f64::from).collect::<Vec<_>>())
        .expect("x");
    let found = results(&forward(&equal).expect("f"), &Environment::new().input("x", x));
    assert_eq!(found[0][3..9], [3.0, 5.0, 7.0, 9.0, 12.0, 15.0]);
}
