//! What composites promise beyond PyTorch's numbers: recognition, stability, randomness.

use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, F64, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::*;

/// The results, each flat, in f32 after all passes.
fn run(b: Builder, results: &[&Value], environment: &Environment) -> Vec<Vec<f64>> {
    let nodes: Vec<_> = results.iter().map(|value| value.node()).collect();
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    for (position, node) in nodes.into_iter().enumerate() {
        graph.results.push((Purpose::Output(format!("{position}").into()), node.expect("known")));
    }
    let values = interpret(&optimize(&graph), environment, Precision::F32).expect("values");
    values.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn tensor(dims: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_f64(F32, dims, values).expect("a tensor")
}

#[test]
fn losses_on_probabilities_take_the_logits() {
    let b = Builder::new(Mode::Train);
    let z = b.input("z", F32, [Dim::symbol("batch"), Dim::from(3)]);
    let y = b.target("y", F32, [Dim::symbol("batch"), Dim::from(3)]);
    assert_eq!(binary_cross_entropy(sigmoid(&z), &y).node(), bce_with_logits(&z, &y).node());
    let flat = reshape(sigmoid(&z), [Dim::from(-1)]);
    let labels = reshape(&y, [Dim::from(-1)]);
    let logits = reshape(&z, [Dim::from(-1)]);
    assert_eq!(binary_cross_entropy(&flat, &labels).node(), bce_with_logits(&logits, &labels).node());
    assert_eq!(categorical_cross_entropy(softmax(&z, -1), &y).node(), cross_entropy(&z, &y).node());
    assert_eq!(categorical_cross_entropy(softmax(&z, 1), &y).node(), cross_entropy(&z, &y).node());
    assert_ne!(categorical_cross_entropy(softmax(&z, 0), &y).node(), cross_entropy(&z, &y).node());
    let almost = exp(&z) / sum_over(exp(&z), &[0]);
    assert_ne!(categorical_cross_entropy(almost, &y).node(), cross_entropy(&z, &y).node());
    assert!(b.take_errors().is_empty());
}

#[test]
fn extreme_logits_stay_finite() {
    let rows = [1e4, -1e4, 0.0, -1e4, -1e4, 1e4, 3e4, 1e4, -3e4];
    type Loss = fn(&Value, &Value) -> Value;
    let on_targets: [(&str, Loss); 10] = [
        ("squared_error", |z, y| squared_error(z, y)),
        ("huber", |z, y| huber(z, y, 1.0)),
        ("hinge", |z, y| hinge(z, y * 2.0 - 1.0)),
        ("logistic", |z, y| logistic_loss(z, y * 2.0 - 1.0)),
        ("bce_with_logits", |z, y| bce_with_logits(z, y)),
        ("binary_cross_entropy of sigmoid", |z, y| binary_cross_entropy(sigmoid(z), y)),
        ("binary_cross_entropy", |z, y| binary_cross_entropy(sigmoid(z) * 1.0 + 0.0, y)),
        ("cross_entropy", |z, y| cross_entropy(z, y)),
        ("categorical_cross_entropy", |z, y| categorical_cross_entropy(softmax(z, -1), y)),
        ("nll", |z, y| negative_log_likelihood(log_softmax(z, -1), y)),
    ];
    for (name, loss) in on_targets {
        let b = Builder::new(Mode::Train);
        let z = b.input("z", F32, [3, 3]);
        let y = b.target("y", F32, [3, 3]);
        let value = loss(&z, &y);
        let slope = gradient(&value, &z);
        let environment = Environment::new()
            .input("z", tensor(&[3, 3], &rows))
            .input("y", tensor(&[3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
        let all = run(b, &[&value, &slope], &environment);
        assert!(all.iter().flatten().all(|x| x.is_finite()), "{name}: {all:?}");
    }
}

#[test]
fn second_derivatives_of_losses_are_right() {
    // d²/dz² of the mean over one element: σ(1 − σ), whatever the label.
    let b = Builder::new(Mode::Train);
    let z = b.input("z", F32, [4]);
    let loss = bce_with_logits(&z, 1.0) * 4.0;
    let second = gradient(gradient(&loss, &z), &z);
    let points = [-30.0, -0.5, 0.0, 2.0];
    let all = run(b, &[&second], &Environment::new().input("z", tensor(&[4], &points)));
    for (found, z) in all[0].iter().zip(points) {
        let p = 1.0 / (1.0 + f64::exp(-z));
        assert!((found - p * (1.0 - p)).abs() < 1e-6, "at {z}: {found}");
    }
}

#[test]
fn class_indices_pick_their_row() {
    let b = Builder::new(Mode::Train);
    let z = b.input("z", F32, [Dim::symbol("batch"), Dim::symbol("time"), Dim::from(3)]);
    let y = b.target("y", I32, [Dim::symbol("batch"), Dim::symbol("time")]);
    let by_index = cross_entropy(&z, &y);
    let by_probability = cross_entropy(&z, one_hot(&y, &Dim::from(3)));
    let logits: Vec<f64> = (0..12).map(|i| f64::from(i * 7 % 5)).collect();
    let labels = Tensor::from_f64(I32, [2, 2], &[0.0, 2.0, 1.0, 2.0]).expect("a tensor");
    let environment = Environment::new().input("z", tensor(&[2, 2, 3], &logits)).input("y", labels);
    let all = run(b, &[&by_index, &by_probability], &environment);
    assert!((all[0][0] - all[1][0]).abs() < 1e-6, "{all:?}");
}

#[test]
fn dropout_drops_its_share_and_keeps_the_mean() {
    let b = Builder::new(Mode::Train);
    let x = ones(&b, [100, 100]);
    let (first, second) = (dropout(&x, 0.25), dropout(&x, 0.25));
    let all = run(b, &[&first, &second], &Environment::new());
    let dropped = all[0].iter().filter(|x| **x == 0.0).count();
    assert!((2300..2700).contains(&dropped), "{dropped}");
    assert!(all[0].iter().all(|x| *x == 0.0 || (x - 4.0 / 3.0).abs() < 1e-6));
    assert_ne!(all[0], all[1], "two draws are two");

    let b = Builder::new(Mode::Infer);
    let x = b.input("x", F32, [3]);
    assert_eq!(dropout(&x, 0.25).node(), x.node());
    assert!(dropout(&x, 1.5).node().is_none());
}

#[test]
fn matmul_with_leading_axes_is_the_sum_of_products() {
    let b = Builder::new(Mode::Infer);
    let x = b.input("x", F32, [2, 3, 2]);
    let w = b.input("w", F32, [1, 2, 2]);
    let row = b.input("row", F32, [3]);
    let (product, flat) = (matmul(&x, &w), matmul(&row, &x));
    let environment = Environment::new()
        .input("x", tensor(&[2, 3, 2], &(0..12).map(f64::from).collect::<Vec<_>>()))
        .input("w", tensor(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]))
        .input("row", tensor(&[3], &[1.0, 10.0, 100.0]));
    let all = run(b, &[&product, &flat], &environment);
    assert_eq!(all[0][..4], [3.0, 4.0, 11.0, 16.0]);
    assert_eq!(all[1], [420.0, 531.0, 1086.0, 1197.0]);
}

#[test]
fn numbers_are_checked_as_the_f32_they_become() {
    let refused = |f: fn(&Value) -> Value| {
        let b = Builder::new(Mode::Train);
        let _ = f(&b.input("x", F32, [Dim::symbol("batch")]));
        b.take_errors().into_iter().map(|error| error.message).collect::<Vec<_>>()
    };
    let one = |message: &str| vec![message.to_owned()];
    assert_eq!(
        refused(|x| dropout(x, 0.999_999_999_99)),
        one("a dropout rate of 0.99999999999, which is 1 in f32")
    );
    assert_eq!(refused(|x| dropout(x, f64::NAN)), one("a dropout rate of NaN"));
    assert_eq!(refused(|x| dropout(x, 1.5)), one("a dropout rate of 1.5"));
    assert_eq!(refused(|x| dropout(x, 1.0)), Vec::<String>::new());
    let huge = "1e39, which is inf in f32";
    assert_eq!(refused(|x| leaky_relu(x, 1e39)), one(&format!("`leaky_relu` with a slope of {huge}")));
    assert_eq!(refused(|x| elu(x, 1e39)), one(&format!("`elu` with an alpha of {huge}")));
    assert_eq!(refused(|x| huber(x, 0.0, 1e39)), one(&format!("`huber` with a delta of {huge}")));
    assert_eq!(refused(|x| huber(x, 0.0, 1e-50)), one("`huber` with a delta of 1e-50, which is 0 in f32"));
    assert_eq!(refused(|x| huber(x, 0.0, 0.0)), one("`huber` with a delta of 0"));
    assert_eq!(refused(|x| full(x.builder(), [2], 1e39)), one(&format!("`full` with a value of {huge}")));
}

#[test]
fn numbers_in_formulas_must_be_held_by_f32() {
    let refused = |element, f: fn(&Value) -> Value| {
        let b = Builder::new(Mode::Train);
        let _ = f(&b.input("x", element, [Dim::symbol("batch")]));
        b.take_errors().into_iter().map(|error| error.message).collect::<Vec<_>>()
    };
    assert_eq!(refused(F32, |x| x * 1e39), ["a number of 1e39, which is inf in f32"]);
    assert_eq!(refused(F32, |x| 1e-50 * x), ["a number of 1e-50, which is 0 in f32"]);
    assert_eq!(refused(F32, |x| maximum(x, f64::NEG_INFINITY) * 0.1), Vec::<String>::new());
    assert_eq!(refused(F64, |x| x * 1e39 + 1e-50), Vec::<String>::new());
}

/// What a loss takes, and whether its operand, made of a linear layer's `z`, is certainly something else.
#[test]
fn confused_operands_are_refused_in_both_modes() {
    type Make = fn(&Value) -> Value;
    let scores: [Make; 9] = [
        |z| z.clone(),
        |z| stop_gradient(reshape(expand(z, 1), z.shape().expect("a shape"))),
        |z| -(z * 2.0 - 1.0),
        |z| dropout(z, 0.5),
        |z| relu(z),
        |z| maximum(z, 0.0),
        |z| gelu_tanh(z),
        |z| tanh(z + z),
        |z| slice(transpose(transpose(z)), 0, 0, None, 2),
    ];
    let probabilities: [Make; 4] = [
        |z| sigmoid(z),
        |z| softmax(z, 0),
        |z| dropout(stop_gradient(softmax(z, -1)), 0.1),
        |z| expand(sigmoid(z), 0),
    ];
    let neither: [Make; 7] = [
        |z| minimum(relu(z), 1.0),
        |z| (tanh(z) + 1.0) * 0.5,
        |z| sigmoid(z) + z - stop_gradient(z),
        |z| exp(log_softmax(z, -1)),
        |z| 0.25 * sigmoid(z) + 0.5,
        |z| relu(z) / (sum(relu(z)) + 1.0),
        |z| select(less(z, 0.0), 0.0, select(greater(z, 1.0), 1.0, z)),
    ];
    let of_probabilities: [Make; 2] =
        [|p| binary_cross_entropy(p, 1.0), |p| categorical_cross_entropy(p, p.builder().constant(0.5) * p)];
    let of_logits: [Make; 3] =
        [|z| bce_with_logits(z, 1.0), |z| logistic_loss(z, 1.0), |z| cross_entropy(z, z * 0.0)];
    let of_logarithms: [Make; 1] = [|l| negative_log_likelihood(l, l * 0.0)];

    for mode in [Mode::Train, Mode::Infer] {
        let b = Builder::new(mode);
        let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(4)]);
        let z = linear(&x, 3, Linear::default());
        let refuses = |loss: Make, make: Make| {
            let refused = loss(&make(&z)).node().is_none();
            let errors = b.take_errors();
            assert_eq!(refused, errors.len() == 1 && errors[0].message.contains(" takes "), "{errors:?}");
            refused
        };
        for loss in of_probabilities {
            assert!(scores.iter().all(|&make| refuses(loss, make)));
            assert!(probabilities.iter().chain(&neither).all(|&make| !refuses(loss, make)));
        }
        for loss in of_logits {
            assert!(probabilities.iter().all(|&make| refuses(loss, make)));
            assert!(scores.iter().chain(&neither).all(|&make| !refuses(loss, make)));
        }
        for loss in of_logarithms {
            assert!(scores.iter().chain(&probabilities).all(|&make| refuses(loss, make)));
            assert!(neither.iter().all(|&make| !refuses(loss, make)));
        }
        // Products of probabilities and of what is given are let pass.
        let fixed = b.state("fixed", downhill_graph::types::Type::new(F32, [3, 3]), Initializer::Zeros);
        let given = b.input(if mode == Mode::Train { "t" } else { "i" }, F32, [3, 3]);
        for passes in [matmul(softmax(&z, -1), fixed), matmul(sigmoid(&z), softmax(given, -1))] {
            assert!(binary_cross_entropy(passes, 1.0).node().is_some());
        }
    }
}

#[test]
fn cumulative_sums_and_their_gradients() {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [2, 3]);
    let y = b.input("y", I32, [4]);
    let (rows, columns, whole) = (cumsum(&x, -1), cumsum(&x, 0), cumsum(&y, 0));
    let slope = gradient(sum(square(&rows)), &x);
    let environment = Environment::new()
        .input("x", tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        .input("y", Tensor::from([3, -1, 4, -1]));
    let found = run(b, &[&rows, &columns, &whole, &slope], &environment);
    assert_eq!(found[0], [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    assert_eq!(found[1], [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    assert_eq!(found[2], [3.0, 2.0, 6.0, 5.0]);
    assert_eq!(found[3], [20.0, 18.0, 12.0, 56.0, 48.0, 30.0]);
}

#[test]
fn a_cumulative_sum_is_written_by_its_name() {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(3)]);
    b.output("p", &cumsum(exp(&x), 1));
    // Along an axis of one element nothing is summed.
    b.output("q", &cumsum(expand(&x, 1), 1));
    let declared = b.finish().expect("no mistakes");
    let graph = optimize(&downhill_nn::entry::forward(&declared).expect("a graph"));
    assert!(graph.to_formulas().contains("p = cumsum(exp(x), axis: 1)"), "{}", graph.to_formulas());
    assert_eq!(graph.to_text().matches("cumulative_sum axis 1 ").count(), 1, "{}", graph.to_text());
}
