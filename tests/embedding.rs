//! Embeddings and lookups through the face: training, ties to the output layer, padding, broken indices, batches and threads.

use downhill::cause::Violation;
use downhill::prelude::*;
use downhill::{Error, InstructionSet, network};

network! {
    /// The next word from three words, with one table for words that come in and words that go out.
    Tied(words: usize, width: usize) {
        input  tokens: i32[batch, 3];
        target next: i32[batch];
        let e = embedding(tokens, words, width);
        let h = tanh(linear(reshape(e, [batch, 3 * width]), width));
        output logits = h @ transpose(e.weight);
        loss cross_entropy(logits, next);
    }
}

network! {
    /// How alike two words are, by one table for both.
    Alike(words: usize) {
        input  a: i32[batch];
        input  b: i32[batch];
        target y: [batch, 1];
        shared e = embedding(words, 4);
        output p = sum(e(a) * e(b), axis: 1, keep: true);
        loss squared_error(p, y);
    }
}

network! {
    /// A mean of words, of which 0 stands for none.
    Bag(words: usize) {
        input  tokens: i32[batch, time];
        target y: [batch, 1];
        let e = embedding(tokens, words, 5, padding: 0);
        output p = linear(mean(e, axis: 1), 1);
        loss squared_error(p, y);
    }
}

network! {
    /// Words and their positions, of which the last is the least.
    Turned(words: usize) {
        input  tokens: i32[batch, 4];
        target y: [batch, 1];
        let e = embedding(3 - tokens, words, 2, init: constant(0.5));
        let p = sum(e, axes: [1, 2]);
        output p;
        loss squared_error(reshape(p, [batch, 1]), y);
    }
}

network! {
    /// What is looked up in data.
    Looked() {
        input  x: [batch, 4];
        input  k: i32[batch];
        input  order: i32[batch, 2];
        input  column: i32[m];
        output picked = pick(x, k), found = gather(x, order), columns = take(x, column, axis: 1);
        output counts = scatter_add(x, k, 4);
        loss mean(linear(x, 1));
    }
}

fn tokens(rows: usize, columns: usize, words: usize) -> Tensor {
    let word = |i: usize| (i * i * 7 + i * 3) as i32 % words as i32;
    Tensor::new([rows, columns], (0..rows * columns).map(word).collect::<Vec<_>>()).expect("tokens")
}

fn targets(rows: usize) -> Tensor {
    Tensor::new([rows, 1], (0..rows).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>()).expect("targets")
}

fn bits(net: &Model) -> Vec<u32> {
    let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
    let tensors = names.iter().map(|name| net.parameter(name).expect("a parameter"));
    tensors.flat_map(|tensor| tensor.as_f32().expect("f32").to_vec()).map(f32::to_bits).collect()
}

#[test]
fn a_tied_table_learns() {
    let mut net = Tied::new(11, 16).seed(3).optimizer(adam(0.01)).build().expect("a network");
    let names: Vec<&str> = net.parameters().map(|(name, _)| name).collect();
    assert!(names.contains(&"e.weight"), "{names:?}");

    let x = tokens(40, 3, 11);
    let next = Tensor::from((0..40).map(|row| x.as_i32().expect("i32")[3 * row]).collect::<Vec<_>>());
    let first = net.step(&x, &next).expect("a step");
    let mut last = first;
    for _ in 0..300 {
        last = net.step(&x, &next).expect("a step");
    }
    assert!(last < 0.1 * first, "{first} → {last}");
}

#[test]
fn a_table_is_shared() {
    let mut net = Alike::new(6).seed(4).optimizer(sgd(0.05)).build().expect("a network");
    assert_eq!(net.parameters().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(), ["e.weight"]);
    let (a, b) = (Tensor::from([0, 1, 2, 5, 0]), Tensor::from([1, 2, 0, 5, 1]));
    let y = Tensor::new([5, 1], vec![1.0_f32, 0.0, -1.0, 2.0, 1.0]).expect("five");
    let first = net.step((&a, &b), &y).expect("a step");
    let last = (0..400).map(|_| net.step((&a, &b), &y).expect("a step")).last().expect("steps");
    assert!(last < 0.05 * first, "{first} → {last}");
}

/// A step of plain descent changes the rows that came up, as often as they came up.
#[test]
fn descent_changes_the_rows_that_came_up() {
    let mut first: Option<Vec<u32>> = None;
    for target in downhill::host::available() {
        for threads in [1, 2, 3] {
            for sizes in [vec![], vec![6]] {
                let network = Bag::new(5000).seed(5).optimizer(sgd(0.1)).threads(threads).target(target);
                let mut net = network.batch_sizes(sizes).build().expect("a network");
                let before = net.parameter("e.weight").expect("a table").as_f32().expect("f32").to_vec();
                let x =
                    Tensor::new([6, 4], (0..24).map(|i| [1, 2, 4999, 2, 0, 77][i % 6]).collect::<Vec<_>>());
                net.step(&x.expect("tokens"), &targets(6)).expect("a step");

                let after = net.parameter("e.weight").expect("a table").as_f32().expect("f32").to_vec();
                let rows = before.chunks(5).zip(after.chunks(5)).enumerate();
                let moved: Vec<usize> = rows.filter(|(_, (a, b))| a != b).map(|(row, _)| row).collect();
                assert_eq!(moved, [1, 2, 77, 4999]);
                let found = bits(&net);
                assert!(
                    *first.get_or_insert_with(|| found.clone()) == found,
                    "{target:?}, {threads} threads"
                );
            }
        }
    }
}

/// The same bits for every target, number of threads, way of calling and variant.
#[test]
fn however_it_is_run_the_bits_are_the_same() {
    let mut first: Option<Vec<u32>> = None;
    for target in downhill::host::available() {
        for threads in [1, 2, 3] {
            for sizes in [vec![], vec![24]] {
                let network = Tied::new(50, 96).seed(5).optimizer(sgd(0.1)).threads(threads).target(target);
                let mut net = network.batch_sizes(sizes).build().expect("a network");
                let x = tokens(96, 3, 50);
                let next = Tensor::from((0..96).map(|row| row % 50).collect::<Vec<i32>>());
                let data = Dataset::new([("tokens", x), ("next", next)]).expect("data");
                net.epoch(&data, Epoch { batch: 24, seed: 1 }).expect("an epoch");
                let found = bits(&net);
                assert!(
                    *first.get_or_insert_with(|| found.clone()) == found,
                    "{target:?}, {threads} threads"
                );
            }
        }
    }
    assert!(InstructionSet::Portable == downhill::host::available()[0]);
}

#[test]
fn padding_starts_at_0_and_stays() {
    let mut net = Bag::new(7).seed(2).optimizer(sgd(0.5)).build().expect("a network");
    let table = |net: &Model| net.parameter("e.weight").expect("a table").as_f32().expect("f32").to_vec();
    let before = table(&net);
    assert!(before[..5].iter().all(|x| *x == 0.0) && before[5..].iter().all(|x| *x != 0.0), "{before:?}");

    let x = Tensor::new([3, 4], vec![0, 0, 1, 2, 2, 0, 0, 0, 3, 1, 2, 0]).expect("tokens");
    net.step(&x, &targets(3)).expect("a step");
    let after = table(&net);
    assert_eq!(after[..5], [0.0; 5]);
    // Words that came up have moved, the others have not.
    assert!((5..20).all(|i| after[i] != before[i]), "{before:?} → {after:?}");
    assert_eq!(after[20..], before[20..]);

    // Other lengths, and no rows at all.
    assert_eq!(net.forward(&tokens(2, 9, 7)).expect("two").shape(), [2, 1]);
    let none = Tensor::new([0, 4], Vec::<i32>::new()).expect("none");
    assert_eq!(net.forward(&none).expect("none").shape(), [0, 1]);
    assert!(net.step(&none, &targets(0)).is_err());
}

#[test]
fn a_broken_index_is_refused_when_it_is_given() {
    let mut net = Bag::new(7).seed(2).optimizer(sgd(0.5)).build().expect("a network");
    let before = bits(&net);
    for (broken, word) in [(7, "7"), (-1, "-1"), (i32::MAX, "2147483647"), (i32::MIN, "-2147483648")] {
        let x = Tensor::new([2, 2], vec![1, 2, broken, 0]).expect("tokens");
        let said = |error: Error| error.to_string();
        let expected =
            format!("`tokens` holds {word} at row 1, position 0 in it, but `embedding` takes indices 0 to 6");
        let step = net.step(&x, &targets(2)).map_err(said).expect_err("a broken index");
        assert!(step.starts_with(&expected), "{step}");
        assert!(step.contains("= help: indices count from 0 along the axis"), "{step}");
        let forward = net.forward(&x).map_err(said).expect_err("a broken index");
        assert!(forward.starts_with(&expected), "{forward}");
    }
    assert_eq!(before, bits(&net));
}

#[test]
fn a_broken_index_that_is_computed_stops_the_step() {
    let mut net = Turned::new(4).seed(2).optimizer(sgd(0.5)).build().expect("a network");
    let right = Tensor::new([2, 4], vec![0, 1, 2, 3, 3, 3, 0, 0]).expect("tokens");
    assert_eq!(net.forward(&right).expect("sums").as_f32().expect("f32"), [4.0, 4.0]);

    let before = bits(&net);
    for broken in [4, -1, i32::MIN, i32::MAX] {
        let x = Tensor::new([2, 4], vec![0, 1, 2, 3, 3, broken, 0, 0]).expect("tokens");
        let sums = net.forward(&x).expect("sums");
        assert!(sums.as_f32().expect("f32")[1].is_nan() && sums.as_f32().expect("f32")[0] == 4.0);
        let error = net.step(&x, &targets(2)).expect_err("a broken index");
        let Error::Violation(violation) = &error else { panic!("{error}") };
        let Violation { user, takes, value, .. } = &**violation;
        assert_eq!((user.as_str(), takes.as_str()), ("embedding", "indices 0 to 3"));
        assert_eq!(*value, f64::from(3_i32.wrapping_sub(broken)));
        assert_eq!(before, bits(&net));
    }
}

#[test]
fn what_is_looked_up_in_data() {
    let net = Looked::new().seed(1).optimizer(sgd(0.1)).build().expect("a network");
    let x = Tensor::new([2, 4], (0..8).map(|i| i as f32).collect::<Vec<_>>()).expect("numbers");
    let (k, order) = (Tensor::from([3, 1]), Tensor::new([2, 2], vec![0, 3, 2, 2]).expect("four"));
    let column = Tensor::from([1, 1, 0]);
    let inputs: [(&str, &dyn downhill::view::Data); 4] =
        [("x", &x), ("k", &k), ("order", &order), ("column", &column)];
    let outputs = net.forward_with(&inputs).expect("outputs");
    let found = |name: &str| outputs.get(name).expect("an output").as_f32().expect("f32").to_vec();
    assert_eq!(found("picked"), [3.0, 5.0]);
    assert_eq!(found("found"), [0.0, 3.0, 6.0, 6.0]);
    assert_eq!(found("columns"), [1.0, 1.0, 0.0, 5.0, 5.0, 4.0]);
    let mut counts = [0.0; 16];
    (0..4).for_each(|i| (counts[12 + i], counts[4 + i]) = (i as f32, 4.0 + i as f32));
    assert_eq!(found("counts"), counts);

    let beyond = Tensor::from([1, 4, 0]);
    let broken: [(&str, &dyn downhill::view::Data); 4] =
        [("x", &x), ("k", &k), ("order", &order), ("column", &beyond)];
    let error = net.forward_with(&broken).expect_err("a broken index").to_string();
    assert!(error.contains("`column` holds 4") && error.contains("`take` takes indices 0 to 3"), "{error}");
}
