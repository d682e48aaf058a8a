//! L-BFGS goes PyTorch's way (`tests/golden/lbfgs.py`), and stays where numbers are finite.

use downhill::minimize::End;
use downhill::prelude::*;

network! {
    Valley() {
        input  scale: [1];
        param  at: [2] = zeros();
        output place = at * scale;
        let (x, y) = (slice(place, 0, 1), slice(place, 1, 2));
        loss   sum(100 * square(y - square(x)) + square(1 - x));
    }

    Classes() {
        input  x: [batch, 3];
        target label: i32[batch];
        param  w: [3, 3] = zeros();
        output logits = tanh(x @ w);
        loss   cross_entropy(logits, label) + 0.01 * squares(w);
    }

    /// Finite between −1 and 1 alone, with its least value at 0.9.
    Edge() {
        input  scale: [1];
        param  at: [1] = zeros();
        output place = at * scale;
        loss   sum(-log(1 - square(place)) - 9.473684 * place);
    }

    Layers(hidden: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = dropout(tanh(linear(x, hidden)), 0.1);
        output p = linear(h, 1);
        loss   fit = squared_error(p, y);
        loss   other = mean(p);
    }
}

const GOLDEN: &str = include_str!("golden/lbfgs.txt");
const X: [[f32; 3]; 5] =
    [[0.2, 0.7, -1.4], [1.6, -0.1, 0.0], [-0.3, 0.4, 0.9], [0.8, -1.2, 0.5], [-1.1, 0.6, -0.7]];
const LABELS: [i32; 5] = [0, 1, 2, 1, 0];

fn options(max_iter: usize, history_size: usize) -> Lbfgs {
    Lbfgs { max_iter, history_size, max_eval: Some(1000), ..Lbfgs::default() }
}

fn near(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 2e-3 * expected.abs().max(1.0),
        "{what}: {found}, PyTorch has {expected}"
    );
}

#[test]
fn it_goes_pytorchs_way() {
    for line in GOLDEN.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (name, iterations, history) = (words[0], words[1].parse(), words[2].parse());
        let options = options(iterations.expect("a number"), history.expect("a number"));
        let numbers: Vec<f64> = words[3..].iter().map(|word| word.parse().expect("a number")).collect();

        let (found, parameters) = if name == "valley" {
            let mut net = Valley::new().build().expect("a model");
            net.set_parameter("at", &[-1.2, 1.0]).expect("two numbers");
            let found = net.minimize(&[1.0], (), options.clone()).expect("a minimum");
            (found, net.parameter("at").expect("a parameter"))
        } else {
            let mut net = Classes::new().build().expect("a model");
            let start: [[f32; 3]; 3] =
                std::array::from_fn(|row| std::array::from_fn(|n| 0.1 * ((row * 3 + n) % 5) as f32 - 0.2));
            net.set_parameter("w", &start).expect("nine numbers");
            let found = net.minimize(&X, &LABELS, options.clone()).expect("a minimum");
            (found, net.parameter("w").expect("a parameter"))
        };
        near(line, found.loss, numbers[0]);
        assert_eq!(
            (found.evaluations, found.iterations, found.end),
            (numbers[1] as usize, options.max_iter, End::Iterations)
        );
        for (a, b) in parameters.to_f64_vec().into_iter().zip(&numbers[2..]) {
            near(line, a, *b);
        }
    }
}

#[test]
fn it_comes_to_the_end() {
    let mut net = Valley::new().build().expect("a model");
    net.set_parameter("at", &[-1.2, 1.0]).expect("two numbers");
    let found = net.minimize(&[1.0], (), options(200, 10)).expect("a minimum");
    assert!(found.loss < 1e-8 && found.end != End::Iterations, "{found}");
    let at = net.parameter("at").expect("a parameter").to_f64_vec();
    assert!(at.iter().all(|number| (number - 1.0).abs() < 1e-3), "{at:?}");
    // There, nothing is left to do.
    let again = net.minimize(&[1.0], (), options(200, 10)).expect("a minimum");
    assert!(again.iterations <= 2 && again.loss <= found.loss, "{again}");
}

#[test]
fn what_is_not_finite_is_not_gone_to() {
    let mut net = Edge::new().build().expect("a model");
    // The first length leads far beyond 1, where the logarithm is NaN.
    let long = Lbfgs { lr: 50.0, ..options(50, 10) };
    let found = net.minimize(&[1.0], (), long.clone()).expect("a minimum");
    let at = net.parameter("at").expect("a parameter").to_f64_vec()[0];
    assert!((at - 0.9).abs() < 1e-3, "{at}: {found}");

    net.set_parameter("at", &[2.0]).expect("a number");
    let error = net.minimize(&[1.0], (), long).expect_err("NaN").to_string();
    assert!(error.contains("the loss is NaN to begin with"), "{error}");
    assert_eq!(net.parameter("at").expect("a parameter").to_f64_vec(), [2.0]);
}

#[test]
fn one_of_several_losses_of_layers() {
    let mut net = Layers::new(8).seed(3).build().expect("a model");
    let y: [[f32; 1]; 5] = [[0.5], [-0.5], [1.0], [0.0], [0.25]];
    let error = net.minimize(&X, &y, Lbfgs::default()).expect_err("two losses").to_string();
    assert!(error.contains("several losses"), "{error}");
    let of = Lbfgs { loss: Some("fit".into()), ..options(100, 10) };
    let found = net.minimize(&X, &y, of.clone()).expect("a minimum");
    assert!(found.loss < 0.1 * found.first, "{found}");

    let refused = |options: Lbfgs, words: &str| {
        let error = Layers::new(8).build().expect("a model").minimize(&X, &y, options).expect_err("refused");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(Lbfgs { lr: f64::NAN, ..of.clone() }, "`lr` is NaN");
    refused(Lbfgs { history_size: 0, ..of.clone() }, "`history_size` is 0");
    refused(Lbfgs { tolerance_grad: -1.0, ..of.clone() }, "`tolerance_grad` is -1");
    refused(Lbfgs { tolerance_change: f64::INFINITY, ..of }, "`tolerance_change` is inf");
}
