//! A step whose loss is not finite says what was first; gradients of such a loss can be looked at.

use downhill::cause::{Cause, Kind, Part, Place};
use downhill::prelude::*;
use downhill::{Error, network};

network! {
    /// Three layers, the middle two of one name.
    Deep() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = x;
        for _ in 0..2 {
            h = linear(h, 2);
        }
        let p = linear(h, 1);
        output p;
        loss squared_error(p, y);
    }
}

network! {
    /// A loss outside its domain.
    Root() {
        input  x: [batch, 2];
        output p = linear(x, 1);
        loss mean(log(p));
    }
}

network! {
    /// What is unknown is left out, by a mask and by an infinite constant.
    Masked() {
        input  x: [batch, 3];
        input  known: bool[batch, 3];
        target y: i32[batch];
        let z = select(known, linear(x, 3), -1.0 / 0.0);
        output z;
        loss cross_entropy(z, y);
    }
}

network! {
    /// Some numbers are dropped, and their logarithms are infinite.
    Dropped() {
        input x: [batch, 1];
        let d = dropout(x, 0.5);
        let l = log(d);
        output l;
        loss mean(l * linear(x, 1));
    }
}

network! {
    /// Class indices and one row of probabilities each, of the same logits.
    Classes() {
        input  z: [batch, 3];
        target k: i32[batch];
        target y: [batch, 3];
        let b = linear(ones([1, 1]), 3, bias: false);
        let logits = z + b;
        output logits;
        loss by_index = cross_entropy(logits, k);
        loss by_row = cross_entropy(logits, y);
        loss by_likelihood = nll(log_softmax(logits), y);
        loss by_likely_index = nll(log_softmax(logits), k);
    }
}

network! {
    /// Values that come out as inputs, constants and each other, inputs of every type, an input without rows, two losses.
    Odd(width: usize) {
        input  x: [batch, width];
        input  on: bool[batch, width];
        input  shift: [width];
        input  rank: i32[batch];
        target y: [batch, 1];
        target k: i32[batch];
        state  seen: [width] = zeros();
        let same = x * 1.0 + 0.0;
        let again = same;
        let constant = full([batch, width], 2.0);
        let sizes = f32(rank);
        let h = select(on, relu(linear(again, width) + shift + seen), constant);
        let p = linear(h, 1) + reshape(sizes, [batch, 1]) * 0.01;
        let z = linear(dropout(h, 0.2), 3);
        output p, z;
        loss value = squared_error(p, y);
        loss class = cross_entropy(z, k - 1) + mean(same) * 0.0;
    }
}

fn numbers(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::new(shape, (0..count).map(|i| 0.1 + 0.01 * i as f32).collect::<Vec<_>>()).expect("numbers")
}

fn with(mut tensor: Vec<f32>, position: usize, value: f32) -> Vec<f32> {
    tensor[position] = value;
    tensor
}

fn built(network: impl Network) -> Model {
    network.seed(3).optimizer(sgd(0.1)).build().expect("a network")
}

fn cause<T: std::fmt::Debug>(result: Result<T, Error>) -> (Part, Cause) {
    match result {
        Err(Error::NonFinite { part, cause: Some(cause), .. }) => (part, *cause),
        other => panic!("{other:?}"),
    }
}

fn row(row: usize) -> Place {
    Place { row: Some(row), position: None }
}

#[test]
fn data_comes_first() {
    let mut net = built(Deep::new());
    let (x, y) = (numbers(&[5, 2]), numbers(&[5, 1]));
    let broken = with(x.as_f32().expect("x").to_vec(), 7, f32::NAN);
    let (part, cause_of_x) = cause(net.step(&broken, &y));
    assert_eq!((part, cause_of_x.kind, cause_of_x.name.as_str()), (Part::Loss, Kind::Input, "`x`"));
    assert_eq!((cause_of_x.at, cause_of_x.value.is_nan()), (Place { row: Some(3), position: Some(1) }, true));
    let broken = with(y.as_f32().expect("y").to_vec(), 2, f32::INFINITY);
    let (_, cause_of_y) = cause(net.step_with(&[("y", &broken), ("x", &x)]));
    assert_eq!((cause_of_y.kind, cause_of_y.name.as_str(), cause_of_y.at), (Kind::Input, "`y`", row(2)));
    assert_eq!(cause_of_y.value, f64::INFINITY);
}

#[test]
fn an_epoch_names_the_row_of_the_data() {
    let x = with(numbers(&[11, 2]).as_f32().expect("x").to_vec(), 2 * 6, f32::NAN);
    let x = Tensor::new([11, 2], x).expect("x");
    let data = Dataset::new([("x", x), ("y", numbers(&[11, 1]))]).expect("data");
    for (batch, seed) in [(1, 1), (3, 2), (4, 3), (11, 4), (20, 5)] {
        let mut net = built(Deep::new());
        let (_, cause) = cause(net.epoch(&data, Epoch { batch, seed }));
        assert_eq!((cause.name.as_str(), cause.at), ("`x`", Place { row: Some(6), position: Some(0) }));
    }
}

#[test]
fn parameters_and_values_that_grow() {
    let (x, y) = (numbers(&[3, 2]), numbers(&[3, 1]));
    let mut net = built(Deep::new());
    net.set_parameter_unchecked("h.1.bias", &[0.0, f32::NAN]).expect("a bias");
    let (_, broken) = cause(net.step(&x, &y));
    assert_eq!((broken.kind, broken.name.as_str()), (Kind::Parameter, "`h.1.bias`"));
    assert_eq!(broken.at, Place { row: None, position: Some(1) });

    let mut net = built(Deep::new());
    for name in ["h.0.weight", "h.1.weight"] {
        net.set_parameter(name, &Tensor::full([2, 2], 1e25_f32).expect("weights")).expect("weights");
    }
    let (part, grown) = cause(net.step(&x, &y));
    assert_eq!((part, grown.kind, grown.name.as_str()), (Part::Loss, Kind::Value, "`h` behind `h.1.bias`"));
    assert_eq!((grown.at, grown.value), (Place { row: Some(0), position: Some(0) }, f64::INFINITY));
    assert!(grown.origin.file.ends_with("tests/diagnosis.rs"), "{:?}", grown.origin);
    assert!(
        net.step(&x, &y).expect_err("again").to_string().contains("inf in `h` behind `h.1.bias` at row 0")
    );
}

#[test]
fn the_loss_itself() {
    let mut net = built(Root::new());
    net.set_parameter("p.bias", &[-5.0]).expect("a bias");
    let (part, found) = cause(net.step(&numbers(&[4, 2]), ()));
    assert_eq!(
        (part, found.kind, found.name.as_str(), found.at),
        (Part::Loss, Kind::Loss, "`loss`", Place::default())
    );
}

#[test]
fn infinities_that_are_meant_are_not_blamed() {
    let mut net = built(Masked::new());
    let (x, k) = (numbers(&[2, 3]), Tensor::from([0_i32, 2]));
    let known = Tensor::from([[true, true, false], [false, true, true]]);
    assert!(net.step((&x, &known), &k).is_ok());
    net.set_parameter("z.weight", &Tensor::full([3, 3], f32::MAX).expect("weights")).expect("weights");
    net.set_parameter("z.bias", &[f32::MAX, 0.0, 0.0]).expect("a bias");
    let (_, found) = cause(net.step((&Tensor::full([2, 3], 1.0_f32).expect("x"), &known), &k));
    assert_ne!((found.value, found.name.as_str()), (f64::NEG_INFINITY, "`z`"));
}

#[test]
fn the_step_is_repeated_with_its_own_random_numbers() {
    let mut net = Dropped::new().seed(5).optimizer(sgd(0.0)).build().expect("a network");
    let x = Tensor::full([64, 1], 0.5_f32).expect("x");
    let data = Dataset::new([("x", x)]).expect("data");
    let mut stopped = 0;
    for seed in 0..20 {
        let Err(error) = net.epoch(&data, Epoch { batch: 1, seed }) else { continue };
        let Error::NonFinite { cause: Some(cause), .. } = &error else { panic!("{error}") };
        assert_eq!((cause.name.as_str(), cause.value), ("`l`", f64::NEG_INFINITY), "{error}");
        stopped += 1;
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn a_class_that_cannot_be_costs_nothing_where_it_is_not_meant() {
    let (z, k) = ([[0.5, f32::NEG_INFINITY, 1.0], [0.1, 0.2, f32::NEG_INFINITY]], [2_i32, 0]);
    let y = [[0.0_f32, 0.0, 1.0], [1.0, 0.0, 0.0]];
    let mut net = built(Classes::new());
    let looked_at = |loss: &str| {
        let gradients = net.gradients_of(Some(loss), &["z", "b.weight"], &z, (&k, &y)).expect("gradients");
        let numbers = gradients.iter().flat_map(|(_, gradient)| gradient.to_f64_vec());
        numbers.chain(gradients.loss().map(f64::from)).collect::<Vec<f64>>()
    };
    let expected = looked_at("by_index");
    assert!(expected.iter().all(|number| number.is_finite()), "{expected:?}");
    for loss in ["by_row", "by_likelihood", "by_likely_index"] {
        let found = looked_at(loss);
        assert!(
            found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "{loss}: {found:?} {expected:?}"
        );
    }
    for loss in ["by_index", "by_row", "by_likelihood", "by_likely_index"] {
        assert!(net.step_loss(loss, &z, (&k, &y)).is_ok());
    }
    // Where it is meant, it costs everything.
    assert!(net.step_loss("by_row", &z, (&k, &[[0.0_f32, 1.0, 0.0], [1.0, 0.0, 0.0]])).is_err());
}

#[test]
fn whatever_is_declared_can_be_watched() {
    let build = |threads: usize, sizes: &[usize]| {
        let odd = Odd::new(4)
            .seed(1)
            .optimizer_for("value", adam(0.1))
            .optimizer_for("class", sgd(0.1).momentum(0.9));
        odd.threads(threads).batch_sizes(sizes.iter().copied()).build().expect("a network")
    };
    let rows = 7;
    let (x, y) = (numbers(&[rows, 4]), numbers(&[rows, 1]));
    let on = Tensor::new([rows, 4], (0..4 * rows).map(|i| i % 3 != 0).collect::<Vec<_>>()).expect("a mask");
    let (rank, k) = (Tensor::from(vec![3_i32; rows]), Tensor::from(vec![2_i32; rows]));
    for mut net in [build(1, &[]), build(2, &[7])] {
        for loss in ["value", "class"] {
            let mut step =
                |shift: &[f32], y: &Tensor, k: &Tensor| net.step_loss(loss, (&x, &on, shift, &rank), (y, k));
            assert!(step(&[0.0; 4], &y, &k).is_ok(), "{loss}");
            let (_, shift) = cause(step(&[0.0, 0.0, f32::NAN, 0.0], &y, &k));
            assert_eq!((shift.name.as_str(), shift.at), ("`shift`", Place { row: None, position: Some(2) }));
            let broken = with(y.as_f32().expect("y").to_vec(), 3, f32::INFINITY);
            let broken = Tensor::new([rows, 1], broken).expect("y");
            match loss {
                "value" => assert_eq!(cause(step(&[0.0; 4], &broken, &k)).1.at, row(3)),
                _ => assert!(step(&[0.0; 4], &broken, &k).is_ok(), "it does not read y"),
            }
        }
        let bad = Tensor::from(vec![1_i32, 2, 3, 4, 1, 2, 3]);
        let error = net.step_loss("class", (&x, &on, &[0.0; 4], &rank), (&y, &bad)).expect_err("a class 3");
        assert!(error.to_string().starts_with("the label holds 3 at row 3 in step 0"), "{error}");
        net.set_parameter("h.weight", &Tensor::full([4, 4], 3e38_f32).expect("w")).expect("w");
        let (_, grown) = cause(net.step_loss("value", (&x, &on, &[0.0; 4], &rank), (&y, &k)));
        assert_eq!((grown.kind, grown.name.as_str()), (Kind::Value, "`h`"));
    }
    let untrained = Odd::new(4).build().expect("a network");
    let bad = Tensor::from(vec![1_i32, 2, 3, 0, 1, 2, 3]);
    let error = untrained.gradients_of(Some("class"), &["x"], (&x, &on, &[0.0; 4], &rank), (&y, &bad));
    assert!(error.expect_err("a class -1").to_string().starts_with("the label holds -1 at row 3, but"));
}

#[test]
fn gradients_of_a_broken_loss_can_be_looked_at() {
    let mut net = built(Root::new());
    net.set_parameter("p.bias", &[-5.0]).expect("a bias");
    let x = numbers(&[4, 2]);
    let gradients = net.gradients(&x, ()).expect("gradients");
    assert!(gradients.loss().expect("a loss").is_nan());
    assert!(gradients.get("p.bias").expect("it").as_f32().expect("f32")[0].is_finite(), "1/p is finite");
    let mut slope = [0.0_f32; 2];
    let loss = net.gradients_into(None, ["p.weight"], &x, (), [&mut slope]).expect("gradients");
    assert!(loss.is_nan() && slope.iter().all(|slope| *slope < 0.0), "{slope:?}");
    let gradients = net.gradients_of(None, &["x"], &[f32::NAN, 1.0], ()).expect("gradients");
    assert!(gradients.get("x").expect("x").as_f32().expect("f32").iter().all(|slope| slope.is_nan()));
}
