//! What a loss demands of its labels, targets and probabilities: a broken element is an error that names its row, wherever it comes
//! from, and changes nothing.

use downhill::cause::{Place, Violation};
use downhill::prelude::*;
use downhill::{Error, network};

/// A network of one layer on `x: [batch, 2]` with this target and loss.
macro_rules! classifier {
    ($name:ident, $classes:literal, [$($target:tt)*], $($loss:tt)*) => {
        network! {
            $name() {
                input  x: [batch, 2];
                target k: $($target)*;
                let z = linear(x, $classes);
                output z;
                loss $($loss)*;
            }
        }
    };
}

classifier!(Bare, 3, [i32[batch]], cross_entropy(z, k));
classifier!(Reshaped, 3, [i32[batch, 1]], cross_entropy(z, reshape(k, [batch])));
classifier!(Less, 3, [i32[batch]], cross_entropy(z, k - 1));
classifier!(Sliced, 3, [i32[batch, 2]], cross_entropy(z, reshape(slice(k, start: 1, end: 2, axis: 1), [batch])));
classifier!(Converted, 3, [u32[batch]], cross_entropy(z, i32(k)));
classifier!(OneHot, 3, [i32[batch]], cross_entropy(z, one_hot(k - 1, 3)));
classifier!(Nll, 3, [i32[batch]], nll(log_softmax(z), k - 1));
classifier!(OfProbabilities, 3, [i32[batch]], categorical_cross_entropy(softmax(z), k - 1));
classifier!(Twice, 9, [i32[batch]], cross_entropy(z, k) + cross_entropy(slice(z, start: 0, end: 3), k));
classifier!(Hinge, 1, [[batch, 1]], hinge(z, k));
classifier!(HingeOfBits, 1, [[batch, 1]], hinge(z, 2.0 * k - 1.0));
classifier!(Logistic, 1, [[batch, 1]], logistic_loss(z, k));
classifier!(Logits, 1, [[batch, 1]], bce_with_logits(z, k));
classifier!(LogitsShifted, 1, [[batch, 1]], bce_with_logits(z, k - 1.0));
classifier!(Sigmoid, 1, [[batch, 1]], binary_cross_entropy(sigmoid(z), k));
classifier!(Probability, 1, [[batch, 1]], binary_cross_entropy(minimum(z, 1e6), k));
classifier!(Probabilities, 2, [i32[batch]], categorical_cross_entropy(minimum(z, 1e6), k));
classifier!(SoftProbabilities, 2, [[batch, 2]], categorical_cross_entropy(minimum(z, 1e6), k));

network! {
    /// Two losses over one label, with unequal classes.
    TwoLosses() {
        input  x: [batch, 2];
        target k: i32[batch];
        let z = linear(x, 9);
        output z;
        loss many = cross_entropy(z, k);
        loss few = cross_entropy(linear(x, 3), k);
    }
}

network! {
    /// A row of ones and zeros comes out.
    Shown() {
        input k: i32[batch];
        input x: [batch, 1];
        output bare = one_hot(k, 3), shifted = one_hot(k - 1, 3);
        loss mean(linear(x, 1));
    }
}

fn x(rows: usize) -> Tensor {
    Tensor::new([rows, 2], (0..2 * rows).map(|i| 0.1 * i as f32).collect::<Vec<_>>()).expect("x")
}

fn built(network: impl Network) -> Model {
    network.seed(3).optimizer(sgd(0.1)).build().expect("a network")
}

fn says<T>(result: Result<T, Error>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "nothing".into())
}

/// What is said of a step, without its place in this file; the step must change nothing.
fn refused(mut net: Model, k: &Tensor) -> String {
    let before: Vec<Tensor> = parameters(&net);
    let said = says(net.step(&x(k.shape()[0]), k));
    assert_eq!((before, net.steps_made()), (parameters(&net), 0));
    said.lines()
        .filter(|line| !line.contains("-->") && !line.contains("= in `loss`"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn parameters(net: &Model) -> Vec<Tensor> {
    let names: Vec<String> = net.parameters().map(|(name, _)| name.to_owned()).collect();
    names.iter().map(|name| net.parameter(name).expect("a parameter")).collect()
}

fn column(k: &[f32]) -> Tensor {
    Tensor::new([k.len(), 1], k.to_vec()).expect("a column")
}

const FROM_0: &str = "\n   = help: labels count from 0; give it as many classes as there are";

#[test]
fn a_label_that_is_no_class_is_refused_wherever_it_comes_from() {
    let bad = Tensor::from([0_i32, 2, 3, 1, 3]);
    assert_eq!(refused(built(Bare::new()), &bad), "`k` holds class 3 at position 2, but classes are 0 to 2");
    let column = Tensor::from([[0_i32], [2], [3]]);
    assert_eq!(
        refused(built(Reshaped::new()), &column),
        "`k` holds class 3 at position 2, but classes are 0 to 2"
    );
    let labels = |user: &str, value: i32, row: usize| {
        format!(
            "the label holds {value} at row {row} in step 0 of this call, but `{user}` takes classes 0 to 2{FROM_0}"
        )
    };
    let from_1 = Tensor::from([1_i32, 3, 4, 2, 1]);
    assert_eq!(refused(built(Less::new()), &from_1), labels("cross_entropy", 3, 2));
    assert_eq!(refused(built(Less::new()), &Tensor::from([3_i32, 0])), labels("cross_entropy", -1, 1));
    let pairs = Tensor::from([[7_i32, 2], [8, 0], [9, 3]]);
    assert_eq!(refused(built(Sliced::new()), &pairs), labels("cross_entropy", 3, 2));
    assert_eq!(refused(built(Converted::new()), &Tensor::from([1_u32, 3])), labels("cross_entropy", 3, 1));
    assert_eq!(refused(built(OneHot::new()), &from_1), labels("one_hot", 3, 2));
    assert_eq!(refused(built(Nll::new()), &from_1), labels("nll", 3, 2));
    assert_eq!(refused(built(OfProbabilities::new()), &from_1), labels("categorical_cross_entropy", 3, 2));
    assert_eq!(
        refused(built(Twice::new()), &Tensor::from([0_i32, 5])),
        "`k` holds class 5 at position 1, but classes are 0 to 2"
    );
}

#[test]
fn what_is_not_used_is_not_refused() {
    let mut net = built(Sliced::new());
    assert!(net.step(&x(2), &Tensor::from([[-1_i32, 0], [99, 2]])).is_ok());
    let mut net = built(TwoLosses::new());
    assert!(net.step_loss("many", &x(2), &[5, 8]).is_ok());
    assert_eq!(
        says(net.step_loss("few", &x(2), &[1, 3])),
        "`k` holds class 3 at position 1, but classes are 0 to 2"
    );
    assert_eq!(
        says(net.step_loss("many", &x(2), &[1, 9])),
        "`k` holds class 9 at position 1, but classes are 0 to 8"
    );
}

#[test]
fn labels_of_one_and_minus_one_and_targets_from_0_to_1() {
    let signs = "\n   = help: for labels 0 and 1 write `2.0 * y - 1.0`, or take `bce_with_logits`";
    let zero = column(&[1.0, -1.0, 0.0]);
    assert_eq!(
        refused(built(Hinge::new()), &zero),
        format!("`k` holds 0 at row 2, but `hinge` takes -1 and 1{signs}")
    );
    assert_eq!(
        refused(built(Logistic::new()), &zero),
        format!("`k` holds 0 at row 2, but `logistic_loss` takes -1 and 1{signs}")
    );
    assert_eq!(
        refused(built(HingeOfBits::new()), &column(&[1.0, 0.5, 0.0])),
        format!("the label holds 0 at row 1 in step 0 of this call, but `hinge` takes -1 and 1{signs}")
    );
    let shares = "\n   = help: targets are 0, 1 or shares between them; labels -1 and 1 are for `hinge` and `logistic_loss`";
    for (net, user) in [
        (built(Logits::new()), "bce_with_logits"),
        (built(Sigmoid::new()), "binary_cross_entropy"),
        (built(Probability::new()), "binary_cross_entropy"),
    ] {
        assert_eq!(
            refused(net, &column(&[1.0, 0.0, 0.5, 1.5])),
            format!("`k` holds 1.5 at row 3, but `{user}` takes numbers from 0 to 1{shares}")
        );
    }
    assert_eq!(
        refused(built(LogitsShifted::new()), &column(&[1.0, 0.5])),
        format!(
            "the target holds -0.5 at row 1 in step 0 of this call, but `bce_with_logits` takes numbers from 0 to 1{shares}"
        )
    );
    assert!(refused(built(Logits::new()), &column(&[f32::NAN])).starts_with("`k` holds NaN at row 0"));
    // What rounding makes of shares is let pass.
    assert!(built(Logits::new()).step(&x(2), &column(&[1.0 + f32::EPSILON, -1e-7])).is_ok());
}

#[test]
fn probabilities_that_are_none() {
    let set = |mut net: Model, bias: &[f32]| {
        net.set_parameter("z.weight", &Tensor::full([2, bias.len()], 0.0_f32).expect("w")).expect("w");
        net.set_parameter("z.bias", bias).expect("b");
        net
    };
    assert_eq!(
        refused(set(built(Probability::new()), &[1.25]), &column(&[1.0, 0.0])),
        "the first operand holds 1.25 at row 0 in step 0 of this call, but `binary_cross_entropy` takes numbers from 0 to 1\n   \
         = help: it takes probabilities: `sigmoid(…)`, or `bce_with_logits` for logits"
    );
    let said = "the first operand holds -2 at row 0, position 1 in it in step 0 of this call, but `categorical_cross_entropy` takes \
                numbers from 0 to 1\n   = help: it takes probabilities: `softmax(…)`, or `cross_entropy` for logits";
    // Also where it is not the class that is looked at.
    for label in [0, 1] {
        assert_eq!(refused(set(built(Probabilities::new()), &[0.5, -2.0]), &Tensor::from([label])), said);
    }
    assert_eq!(
        refused(set(built(SoftProbabilities::new()), &[0.5, -2.0]), &Tensor::from([[1.0_f32, 0.0]])),
        said
    );
    let mut right = set(built(Probabilities::new()), &[0.25, 0.75]);
    let loss = right.step(&x(3), &[0, 1, 1]).expect("a step");
    assert!((loss + (0.25_f32.ln() + 2.0 * 0.75_f32.ln()) / 3.0).abs() < 1e-6, "{loss}");
}

#[test]
fn an_epoch_names_the_row_of_the_data_and_keeps_the_steps_before() {
    let labels: Vec<i32> = (0..23).map(|row| if row == 17 { 0 } else { 1 + row % 3 }).collect();
    let data = Dataset::new([("x", x(23)), ("k", Tensor::from(labels))]).expect("data");
    let order: Vec<u32> = (0..23).rev().collect();
    let options = EpochOptions { rows: Some(&order), ..EpochOptions::default() };
    for (batch, step) in [(5, 1), (23, 0), (4, 1), (1, 5)] {
        let (mut net, mut report) = (built(Less::new()), EpochReport::default());
        let error =
            net.epoch_into(&data, Epoch { batch, seed: 0 }, options, &mut report).expect_err("row 17");
        let Error::Violation(violation) = &error else { panic!("{error}") };
        let Violation { at, value, .. } = &**violation;
        assert_eq!(
            (*at, *value, violation.step),
            (Place { row: Some(17), position: None }, -1.0, Some(step))
        );
        assert_eq!((report.losses.len(), net.steps_made()), (step, step as u64));
        let mut one_by_one = built(Less::new());
        for rows in order.chunks(batch).take(step) {
            let rows = data.select(rows).expect("rows");
            let (x, k) = (rows.column("x").expect("x"), rows.column("k").expect("k"));
            one_by_one.step(x, k).expect("a step");
        }
        assert_eq!(parameters(&net), parameters(&one_by_one));
    }
    // In the smaller, last step.
    let (mut net, rows) = (built(Less::new()), [0_u32, 1, 2, 3, 17]);
    let options = EpochOptions { rows: Some(&rows), ..EpochOptions::default() };
    let error = net.epoch_with(&data, Epoch { batch: 4, seed: 0 }, options).expect_err("row 17");
    assert!(error.to_string().starts_with("the label holds -1 at row 17 in step 1 of this call"), "{error}");
    // A column is looked at before any step.
    let targets = Dataset::new([("x", x(3)), ("k", column(&[1.0, -1.0, 0.0]))]).expect("data");
    let said = says(built(Hinge::new()).epoch(&targets, Epoch { batch: 2, seed: 1 }));
    assert!(said.starts_with("`k` holds 0 at row 2, but `hinge` takes -1 and 1"), "{said}");
}

#[test]
fn rows_that_an_epoch_leaves_out_may_hold_anything() {
    let data = |k: Tensor| Dataset::new([("x", x(4)), ("k", k)]).expect("data");
    let (classes, targets) = (Tensor::from([0_i32, -1, 2, 3]), column(&[0.0, f32::NAN, 1.0, 2.0]));
    for (mut net, k) in [(built(Bare::new()), classes), (built(Logits::new()), targets)] {
        let data = data(k);
        let mut epoch = |rows: &[u32]| {
            let options = EpochOptions { rows: Some(rows), ..EpochOptions::default() };
            says(net.epoch_with(&data, Epoch { batch: 2, seed: 0 }, options))
        };
        assert_eq!(epoch(&[2, 0, 2]), "nothing");
        // Also one of the last, smaller step is found before any step.
        let refused = epoch(&[0, 2, 3]);
        assert!(
            refused.starts_with("`k` holds 2 at row 3")
                || refused.starts_with("`k` holds class 3 at position 3")
        );
        assert_eq!(net.steps_made(), 2);
    }
}

#[test]
fn every_way_of_asking_checks() {
    let bad = Tensor::from([1_i32, 5]);
    let mut net = built(Less::new());
    let start = "the label holds 4 at row 1";
    for said in [
        says(net.step_with(&[("k", &bad), ("x", &x(2))])),
        says(net.step_loss("loss", &x(2), &bad)),
        says(net.gradients(&x(2), &bad)),
        says(net.gradients_of(None, &["x"], &x(2), &bad)),
        says(net.gradients_into(None, ["z.bias"], &x(2), &bad, [&mut [0.0_f32; 3]])),
    ] {
        assert!(said.starts_with(start), "{said}");
    }
    assert!(net.step(&x(2), &[1, 3]).is_ok());
    assert!(net.forward(&Tensor::new([0, 2], Vec::<f32>::new()).expect("nothing")).is_ok());
    let none =
        (Tensor::new([0, 2], Vec::<f32>::new()).expect("x"), Tensor::new([0], Vec::<i32>::new()).expect("k"));
    assert_eq!(says(net.step(&none.0, &none.1)), "a training step needs at least one row, but `batch` is 0");
}

#[test]
fn what_comes_out_of_a_broken_label_is_nan() {
    let net = Shown::new().build().expect("a network");
    let outputs = net.forward_all(&[1, 2]).expect("outputs");
    assert_eq!(outputs.get("shifted").expect("it"), &Tensor::from([[1.0_f32, 0.0, 0.0], [0.0, 1.0, 0.0]]));
    let broken = net.forward_all(&[0, 1]).expect("outputs");
    let shifted = broken.get("shifted").expect("it").to_f64_vec();
    assert!(shifted[..3].iter().all(|x| x.is_nan()) && shifted[3..] == [1.0, 0.0, 0.0], "{shifted:?}");
    assert_eq!(says(net.forward_all(&[0, 3])), "`k` holds class 3 at position 1, but classes are 0 to 2");
}

#[test]
fn checks_can_be_left_out() {
    let unchecked =
        |build: downhill::build::Build<_>| build.seed(3).optimizer(sgd(0.1)).checks(false).build();
    let mut less = unchecked(Less::new().checks(true)).expect("a network");
    assert!(less.step(&x(2), &[0, 4]).expect("a step").is_finite());
    let mut hinge = Hinge::new().checks(false).optimizer(sgd(0.1)).build().expect("a network");
    assert!(hinge.step(&x(2), &[0.0, 1.0]).is_ok());
    let mut bare = Bare::new().optimizer(sgd(0.1)).checks(false).build().expect("a network");
    assert!(bare.step(&x(2), &[3, -1]).is_ok());
}

#[test]
fn checks_change_no_bit_of_what_is_right() {
    let labels = [1, 2, 3, 1, 2];
    let mut checked = built(Less::new());
    let mut unchecked = Less::new().seed(3).optimizer(sgd(0.1)).checks(false).build().expect("a network");
    for _ in 0..3 {
        let (a, b) = (checked.gradients(&x(5), &labels), unchecked.gradients(&x(5), &labels));
        assert_eq!(a.expect("gradients"), b.expect("gradients"));
        assert_eq!(checked.step(&x(5), &labels), unchecked.step(&x(5), &labels));
    }
    assert_eq!(parameters(&checked), parameters(&unchecked));
    assert_eq!(checked.report().kernels, unchecked.report().kernels);
}

classifier!(Rotated, 3, [i32[batch]], cross_entropy(z, concatenate(slice(k, end: 1, axis: 0), slice(k, start: 1, axis: 0), axis: 0)));

/// The first label by itself, then the others: a piece of one row is no row of a loop.
#[test]
fn labels_of_two_pieces_are_labels() {
    let k = Tensor::from([2_i32, 0, 1, 1]);
    let (mut pieces, mut whole) = (built(Rotated::new()), built(Bare::new()));
    for _ in 0..3 {
        assert_eq!(pieces.step(&x(4), &k).expect("a step"), whole.step(&x(4), &k).expect("a step"));
    }
    let said = refused(built(Rotated::new()), &Tensor::from([2_i32, 0, 3, 1]));
    assert!(said.contains("3 at row 2"), "{said}");
}
