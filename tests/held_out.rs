//! Held-out losses, evaluation and prediction over data sets: inference as a user has it, by `&`, from several threads.

use downhill::prelude::*;
use std::sync::Arc;

network! {
    /// Dropout and batch norm make training and inference differ.
    Judged(hidden: usize) {
        input  x: [batch, 3];
        target t: i32[batch];
        let h = dropout(relu(batch_norm(linear(x, hidden))), 0.5);
        output logits = linear(h, 4);
        loss   cross_entropy(logits, t);
    }

    Pair() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let p = linear(x, 1);
        let v = linear(x, 3);
        output p, v;
        loss near = squared_error(p, y);
        loss far = absolute_error(v, stop_gradient(v + 1.0));
    }

    /// For inference alone.
    Lookup(width: usize) {
        input x: [batch, 2];
        output h = tanh(batch_norm(linear(x, width)));
    }
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|n| ((n * 37 % 101) as f32 - 50.0) / 40.0).collect()
}

fn data(rows: usize) -> Dataset {
    let x = Tensor::new([rows, 3], numbers(3 * rows)).expect("x");
    let t = Tensor::from((0..rows).map(|n| (n % 4) as i32).collect::<Vec<i32>>());
    Dataset::new([("x", x), ("t", t)]).expect("data")
}

fn trained() -> Model {
    let mut net = Judged::new(8).seed(1).optimizer(adam(0.01)).build().expect("a network");
    for seed in 0..3 {
        net.epoch(&data(64), Epoch { batch: 16, seed }).expect("an epoch");
    }
    net
}

/// −ln of the softmax's probability of each label, in f64, from what `forward` gives.
fn by_hand(logits: &Tensor, labels: &[i32]) -> f64 {
    let numbers = logits.to_f64_vec();
    let rows = numbers.chunks(4).zip(labels);
    let losses =
        rows.map(|(row, &label)| row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[label as usize]);
    losses.sum::<f64>() / labels.len() as f64
}

#[test]
fn a_held_out_loss_is_that_of_inference() {
    let net = trained();
    let data = data(600);
    let (x, t) = (data.column("x").expect("x"), data.column("t").expect("t"));
    let expected = by_hand(&net.forward(x).expect("logits"), t.as_i32().expect("labels"));
    let before = net.state();
    let loss = net.loss(x, t).expect("a loss");
    assert!((f64::from(loss) - expected).abs() < 1e-5, "{loss} {expected}");
    // Batches of any size, the last one smaller.
    let evaluation = net.evaluate(&data).expect("an evaluation");
    assert_eq!(evaluation.rows, 600);
    assert!((evaluation.loss() - expected).abs() < 1e-6, "{evaluation:?} {expected}");
    assert_eq!(evaluation.get("loss").expect("the loss"), evaluation.loss());
    assert_eq!(net.state(), before);
}

#[test]
fn predictions_are_those_of_forward() {
    let net = trained();
    for rows in [0, 1, 255, 256, 257, 600] {
        let data = data(rows);
        let whole = net.forward(data.column("x").expect("x")).expect("logits");
        assert_eq!(net.predict(&data).expect("logits"), whole, "{rows} rows");
    }
    let pair = Pair::new().build().expect("a network");
    let x = Tensor::new([300, 2], numbers(600)).expect("x");
    let data = Dataset::new([("x", x.clone())]).expect("data");
    let [p, v] = pair.predict_all(&data).expect("outputs").into_array().expect("two");
    let [q, w] = pair.forward_all(&x).expect("outputs").into_array().expect("two");
    assert_eq!((p, v), (q, w));
    let message = pair.predict(&data).expect_err("several").to_string();
    assert!(message.starts_with("this network has several outputs: `p`, `v`"), "{message}");
    let message = pair.forward_all(&x).expect("outputs").into_array::<3>().expect_err("two").to_string();
    assert!(message.starts_with("3 tensors were asked for, but there are 2: p, v"), "{message}");
}

#[test]
fn several_losses_are_told_by_name() {
    let net = Pair::new().seed(2).build().expect("a network");
    let (x, y) = ([[1.0, 2.0], [0.5, -1.0]], [[1.0], [0.0]]);
    let near = net.loss_of("near", &x, &y).expect("a loss");
    let data = Dataset::new([
        ("x", Tensor::from([[1.0_f32, 2.0], [0.5, -1.0]])),
        ("y", Tensor::from([[1.0_f32], [0.0]])),
    ]);
    let evaluation = net.evaluate(&data.expect("data")).expect("losses");
    assert_eq!(evaluation.losses, [("near".to_owned(), f64::from(near)), ("far".to_owned(), 1.0)]);
    assert!(net.loss(&x, &y).expect_err("several").to_string().contains("several losses"));
    assert!(evaluation.get("nearest").expect_err("unknown").to_string().contains("`nearest`"));
}

#[test]
fn outputs_are_written_where_the_caller_says() {
    let net = Pair::new().seed(2).build().expect("a network");
    let x = [[1.0, 2.0], [0.5, -1.0]];
    let (mut p, mut v) = ([[0.0_f32]; 2], [0.0_f32; 6]);
    net.forward_into(&x, (&mut p, &mut v)).expect("outputs");
    let all = net.forward_all(&x).expect("outputs");
    assert_eq!(all.get("p").expect("p").as_f32().expect("f32"), p.as_flattened());
    assert_eq!(all.get("v").expect("v").as_f32().expect("f32"), v);
    let message = net.forward_into(&x, &mut p).expect_err("two outputs").to_string();
    assert!(message.contains("`p`") && message.contains("`v`"), "{message}");
    let mut wide = Tensor::from([[0.0_f32; 4]; 2]);
    let message = net.forward_into(&x, (&mut p, &mut wide)).expect_err("a misfit").to_string();
    assert!(message.contains("`v`"), "{message}");
}

#[test]
fn rows_of_the_data_set_are_named() {
    let net = trained();
    let mut labels = vec![0_i32; 700];
    labels[613] = 9;
    let x = Tensor::new([700, 3], numbers(2100)).expect("x");
    let broken = Dataset::new([("x", x), ("t", Tensor::from(labels))]).expect("data");
    let message = net.evaluate(&broken).expect_err("no class").to_string();
    assert_eq!(message, "`t` holds class 9 at position 613, but classes are 0 to 3");
    let none = Dataset::new([("x", Tensor::new([0, 3], Vec::<f32>::new()).expect("x"))]).expect("data");
    assert!(net.evaluate(&none).expect_err("no rows").to_string().contains("without rows"));
}

#[test]
fn threads_share_a_model() {
    let net = Arc::new(trained());
    let x = Tensor::new([50, 3], numbers(150)).expect("x");
    let labels: Vec<i32> = (0..50).map(|n| n % 4).collect();
    let (expected, loss) = (net.forward(&x).expect("logits"), net.loss(&x, &labels).expect("a loss"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (net, x, labels, expected) = (net.clone(), &x, &labels, &expected);
            scope.spawn(move || {
                for rows in (1..50).chain([50; 50]) {
                    let part =
                        Tensor::new([rows, 3], x.as_f32().expect("f32")[..3 * rows].to_vec()).expect("rows");
                    let logits = net.forward(&part).expect("logits");
                    assert_eq!(logits.as_f32(), Ok(&expected.as_f32().expect("f32")[..4 * rows]));
                    assert!(net.gradients(x, labels).expect("gradients").loss().expect("a loss").is_finite());
                }
                assert_eq!(net.loss(x, labels).expect("a loss").to_bits(), loss.to_bits());
            });
        }
    });
}

#[test]
fn a_network_without_a_loss_is_for_inference() {
    let mut net = Lookup::new(3).seed(1).build().expect("a network");
    assert_eq!(net.forward(&[[1.0, 2.0]]).expect("h").shape(), [1, 3]);
    let words = |error: downhill::Error| error.to_string();
    for message in [
        words(net.step(&[[1.0, 2.0]], ()).expect_err("no loss")),
        words(net.loss(&[[1.0, 2.0]], ()).expect_err("no loss")),
        words(net.gradients(&[[1.0, 2.0]], ()).expect_err("no loss")),
    ] {
        assert!(message.starts_with("this network has no loss\n   = help: declare one"), "{message}");
    }
    let untrained =
        Judged::new(2).build().expect("a network").set_learning_rate(0.1).expect_err("no optimizer");
    assert!(untrained.to_string().contains("no optimizer"), "{untrained}");
}
