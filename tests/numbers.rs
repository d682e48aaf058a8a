//! Data as it comes: labels of any width, numbers of f64, columns with an axis too few.

use downhill::prelude::*;
use downhill::view::Feed;

network! {
    Classes() {
        input  x: [batch, 2];
        target label: i32[batch];
        output z = linear(x, 3);
        loss cross_entropy(z, label);
    }
}

network! {
    Line() {
        input  x: [batch, 1];
        target y: [batch, 1];
        output p = linear(x, 1);
        loss squared_error(p, y);
    }
}

const X: [[f32; 2]; 3] = [[0.5, -1.0], [2.0, 0.25], [1.0 / 3.0, 4.0]];
const LABELS: [i32; 3] = [2, 0, 1];

fn classes() -> Model {
    Classes::new().seed(3).optimizer(sgd(0.1)).build().expect("a network")
}

/// The parameters after two steps.
fn trained<'a>(inputs: impl Feed<'a> + Copy, labels: impl Feed<'a> + Copy) -> Vec<f64> {
    let mut net = classes();
    for _ in 0..2 {
        net.step(inputs, labels).expect("a step");
    }
    net.parameter("z.weight").expect("weights").to_f64_vec()
}

fn refusal<T>(result: Result<T, downhill::Error>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_else(|| "no error".into())
}

#[test]
fn labels_of_every_width_train_alike() {
    let expected = trained(&X, &LABELS);
    let at = LABELS.map(|label| label as usize);
    assert_eq!(trained(&X, &at), expected);
    assert_eq!(trained(&X, &LABELS.map(|label| label as u8)), expected);
    assert_eq!(trained(&X, &LABELS.map(|label| label as u16).to_vec()), expected);
    assert_eq!(trained(&X, &LABELS.map(|label| label as u32)), expected);
    assert_eq!(trained(&X, &LABELS.map(|label| label as u64)[..]), expected);
    assert_eq!(trained(&X, &LABELS.map(i64::from)), expected);
    assert_eq!(trained(&Tensor::from(X.map(|row| row.map(f64::from))), &LABELS), expected);
    assert_eq!(trained(&X.map(|row| row.map(f64::from)), &LABELS), expected);
}

#[test]
fn data_sets_take_what_steps_take() {
    let wide: Vec<[f64; 2]> = X.iter().map(|row| row.map(f64::from)).collect();
    let labels: Vec<usize> = LABELS.iter().map(|&label| label as usize).collect();
    let of_any = Dataset::of(&[("x", &wide), ("label", &labels)]).expect("data");
    let plain = Dataset::new([("x", Tensor::from(X)), ("label", Tensor::from(LABELS))]).expect("data");
    assert_eq!(of_any, plain);

    // Unsigned labels are taken by an epoch too, and rows that are not used may hold anything.
    let unsigned = Tensor::from(vec![2_u32, 0, 1, u32::MAX]);
    let longer = Tensor::from([X[0], X[1], X[2], [9.0, 9.0]]);
    let longer = Dataset::new([("x", longer), ("label", unsigned)]).expect("data");
    let epoch = Epoch { batch: 2, seed: 0 };
    let train = |data: &Dataset| {
        let mut net = classes();
        let options = EpochOptions { rows: Some(&[0, 1, 2]), ..EpochOptions::default() };
        net.epoch_with(data, epoch, options).expect("an epoch");
        net.parameter("z.weight").expect("weights")
    };
    assert_eq!(train(&longer), train(&plain));
    let error = refusal(classes().epoch(&longer, epoch));
    assert!(error.starts_with("`label` is declared as i32, but holds 4294967295 at position 3"), "{error}");
}

#[test]
fn what_a_type_does_not_hold_is_told_by_position() {
    let mut net = classes();
    assert_eq!(
        refusal(net.step(&X, &[0_usize, 1 << 40, 2])),
        "`label` is declared as i32, but holds 1099511627776 at position 1\n   \
         = help: an i32 is from -2147483648 to 2147483647"
    );
    assert_eq!(
        refusal(net.step(&X, &[0_u8, 1, 3])),
        "`label` holds class 3 at position 2, but classes are 0 to 2"
    );
    assert!(refusal(net.step(&X, &[0_i64, -1, 2])).contains("class -1 at position 1"));
    assert_eq!(refusal(net.step(&X, &[0.0, 1.0, 2.0])), "`label` is declared as i32, but was given f64");
    let error = refusal(Dataset::of(&[("x", &[1e300])]).map(|_| ()));
    assert!(error.starts_with("`x` is declared as f32, but holds 1e300 at position 0"), "{error}");
    let error = refusal(net.set_parameter("z.bias", &[1e300, 0.0, 0.0]));
    assert!(error.starts_with("`z.bias` is declared as f32, but holds 1e300 at position 0"), "{error}");
    net.set_parameter("z.bias", &[0.5, 0.25, 0.0]).expect("numbers of f64");
    assert_eq!(net.parameter("z.bias").expect("a bias").to_f64_vec(), [0.5, 0.25, 0.0]);
    assert_eq!(net.steps_made(), 0);
}

#[test]
fn a_column_is_judged_as_a_whole() {
    let mut net = Line::new().optimizer(sgd(0.1)).build().expect("a network");
    let flat = Tensor::from(vec![1.0_f32; 100]);
    let data = Dataset::new([("x", flat.clone()), ("y", flat.clone())]).expect("data");
    let expected = "`x` is declared as [batch, 1], but was given [100]: it has 1 axis, not 2; give `x.reshape([100, 1])?`";
    assert_eq!(refusal(net.epoch(&data, Epoch { batch: 8, seed: 0 })), expected);
    assert_eq!(refusal(net.evaluate(&data)), expected);

    let mut net = classes();
    let labels = Tensor::from(vec![0_i32; 100]).reshape([100, 1]).expect("a column");
    let x = Tensor::zeros([100, 2]).expect("zeros");
    let data = Dataset::new([("x", x), ("label", labels)]).expect("data");
    let expected = "`label` is declared as [batch], but was given [100, 1]: it has 2 axes, not 1; give `label.reshape([100])?`";
    assert_eq!(refusal(net.epoch(&data, Epoch { batch: 8, seed: 0 })), expected);
    let x = Tensor::zeros([100, 3]).expect("zeros");
    let data = Dataset::new([("x", x), ("label", Tensor::from(vec![0_i32; 100]))]).expect("data");
    let expected = "`x` is declared as [batch, 2], but was given [100, 3]: axis 1 has size 3, not 2";
    assert_eq!(refusal(net.epoch(&data, Epoch { batch: 8, seed: 0 })), expected);
}

#[test]
fn data_sets_are_cut_joined_and_looked_at() {
    let x = Tensor::from([[1.0_f32, 2.0], [3.0, f32::NAN], [5.0, 6.0]]);
    let data = Dataset::new([("x", x), ("y", Tensor::from([1.0_f32, 2.0, 3.0]))]).expect("data");
    assert_eq!((data.len(), data.is_empty(), data.steps(2)), (3, false, 2));
    let batches: Vec<Dataset> = data.batches(2).collect();
    assert_eq!(batches[1].column("y").expect("y"), &Tensor::from([3.0_f32]));
    let joined = Dataset::concat(&[&batches[0], &batches[1]]).expect("joined");
    assert_eq!((joined.rows(), joined.column("y").expect("y")), (3, data.column("y").expect("y")));

    let error = refusal(data.check_finite());
    assert!(error.starts_with("column `x` holds NaN in row 1, element 1"), "{error}");
    let filled = data.map("x", |x| Tensor::zeros(x.shape())).expect("mapped");
    filled.check_finite().expect("finite");
    let infinite = data.map("y", |_| Tensor::new([3], vec![0.0, f32::INFINITY, 0.0])).expect("mapped");
    let infinite = infinite.map("x", |x| Tensor::zeros(x.shape())).expect("mapped");
    assert!(refusal(infinite.check_finite()).starts_with("column `y` holds inf in row 1\n"));

    assert!(refusal(data.map("z", |z| z.clone().reshape([3]))).contains("there is no column `z`"));
    assert!(refusal(data.map("x", |_| Tensor::zeros([2]))).contains("`rows` is 2 in `x` but 3 in `y`"));
    let other = Dataset::new([("x", Tensor::zeros([1, 2]).expect("zeros"))]).expect("data");
    assert!(refusal(Dataset::concat(&[&other, &data])).starts_with("data sets of 1 and of 2 columns"));
    assert!(refusal(Dataset::concat(&[&data, &other])).contains("there is no column `y`"));
    assert!(refusal(Dataset::concat(&[])).starts_with("no data sets were given"));
}
