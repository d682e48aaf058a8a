//! Losses of operands at the ends of their ranges: huge logits, certain probabilities, equal rows, NaN, and no rows at all.

mod declared;

use declared::{input, run, tensor};
use downhill_graph::interpret::Environment;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::sum_over;

fn terms() -> LossOptions {
    LossOptions { reduction: LossReduction::None, ..LossOptions::default() }
}

/// A loss of `p` and `y`, and the operands that it is given.
type Extreme = (&'static str, fn(&Value, &Value) -> Value, [f64; 6], [f64; 6]);

#[test]
fn operands_at_the_ends_of_their_ranges_have_finite_gradients() {
    let (logits, shares) = ([1e4, -1e4, 1e4, -1e4, 0.0, 1e4], [1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let (certain, signs) = ([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], [1.0, 1.0, -1.0, -1.0, 1.0, -1.0]);
    let zeros = [0.0; 6];
    let cases: [Extreme; 18] = [
        ("smooth_l1", |p, y| smooth_l1(p, y, 1.0, terms()), logits, shares),
        ("log_cosh", |p, y| log_cosh(p, y, terms()), logits, shares),
        ("log_cosh of equals", |p, y| log_cosh(p, y, terms()), shares, shares),
        ("pinball", |p, y| pinball(p, y, 0.1, terms()), logits, logits),
        ("bce_with_logits", |p, y| bce_with_logits_with(p, y, Some(&(y + 3.0)), terms()), logits, shares),
        ("focal", |p, y| focal(p, y, 2.0, Some(0.25), terms()), logits, shares),
        ("focal below 1", |p, y| focal(p, y, 0.5, None, terms()), logits, shares),
        (
            "dice of logits",
            |p, y| dice(p, y, Dice { from_logits: true, ..Dice::default() }, terms()),
            logits,
            shares,
        ),
        ("dice", |p, y| dice(p, y, Dice::default(), terms()), zeros, zeros),
        ("multilabel_soft_margin", |p, y| multilabel_soft_margin(p, y, None, terms()), logits, shares),
        ("gaussian_nll", |p, y| gaussian_nll(p, y, y, true, 1e-6, terms()), [2.0; 6], certain),
        (
            "kl_divergence",
            |p, y| kl_divergence(p, y, false, terms()),
            [-1e4, 0.0, -1e4, 0.0, -1.0, 0.0],
            certain,
        ),
        ("margin_ranking", |p, y| margin_ranking(p, p, y, 0.0, terms()), logits, signs),
        ("cosine_embedding of zeros", |p, y| cosine_embedding(p, y, 1.0, 0.0, terms()), zeros, shares),
        ("cosine_embedding", |p, y| cosine_embedding(p, y, -1.0, 0.0, terms()), [1e15; 6], [1e15; 6]),
        ("triplet_margin", |p, y| triplet_margin(p, p, y, TripletMargin::default(), terms()), logits, logits),
        ("triplet_margin of equals", triplet_of_equals, zeros, zeros),
        ("info_nce of zeros", |p, y| info_nce(p, y, 0.07, true, terms()), zeros, logits),
    ];
    for (name, loss, p, y) in cases {
        let b = Builder::new(Mode::Train);
        let (left, right) = (input(&b, "p", &["2", "3"]), input(&b, "y", &["2", "3"]));
        let loss = loss(&left, &right);
        let environment = Environment::new().input("p", tensor(&[2, 3], &p)).input("y", tensor(&[2, 3], &y));
        let found = run(b, &loss, &[&left], &environment);
        assert!(found.iter().flatten().all(|x| x.is_finite()), "{name}: {found:?}");
    }
}

/// Distances of exactly 0, of a power that has no slope there.
fn triplet_of_equals(p: &Value, y: &Value) -> Value {
    triplet_margin(p, p, y, TripletMargin { p: 1.5, eps: 0.0, ..TripletMargin::default() }, terms())
}

/// A loss of rows by its name, of as many operands as it takes.
const BY_NAME: [(&str, &[&str]); 21] = [
    ("squared_error", &["p", "y"]),
    ("absolute_error", &["p", "y"]),
    ("huber", &["p", "y"]),
    ("smooth_l1", &["p", "y"]),
    ("log_cosh", &["p", "y"]),
    ("hinge", &["p", "y"]),
    ("soft_margin", &["p", "y"]),
    ("hinge_embedding", &["p", "y"]),
    ("binary_cross_entropy", &["p", "y"]),
    ("bce_with_logits", &["p", "y"]),
    ("cross_entropy", &["p", "y"]),
    ("nll", &["p", "y"]),
    ("multilabel_soft_margin", &["p", "y"]),
    ("focal", &["p", "y"]),
    ("dice", &["p", "y"]),
    ("poisson_nll", &["p", "y"]),
    ("gaussian_nll", &["p", "y", "variance"]),
    ("kl_divergence", &["p", "y"]),
    ("margin_ranking", &["a", "b", "y"]),
    ("triplet_margin", &["anchor", "positive", "negative"]),
    ("info_nce", &["a", "b"]),
];

/// The loss called `name` of `rows` rows of ones, the first operand's first element another number.
fn of_rows(name: &str, operands: &[&str], rows: usize, first: f64, reduction: &'static str) -> Vec<f64> {
    let b = Builder::new(Mode::Train);
    let (mut given, mut environment) = (Vec::new(), Environment::new());
    for (place, operand) in operands.iter().enumerate() {
        given.push((*operand, Argument::from(input(&b, operand, &[&rows.to_string(), "2"]))));
        let mut numbers = vec![1.0; 2 * rows];
        if place == 0 && rows > 0 {
            numbers[0] = first;
        }
        environment = environment.input(operand, tensor(&[rows, 2], &numbers));
    }
    given.push(("reduction", Argument::Word(reduction)));
    let loss = call(&b, name, Vec::new(), given);
    assert!(loss.node().is_some(), "{name}: {:?}", b.take_errors());
    run(b, &loss, &[], &environment).remove(0)
}

#[test]
fn nan_is_heard_of_in_every_loss() {
    for (name, operands) in BY_NAME {
        assert!(of_rows(name, operands, 2, 0.5, "mean")[0].is_finite(), "{name}");
        assert!(of_rows(name, operands, 2, f64::NAN, "mean")[0].is_nan(), "{name}");
        let terms = of_rows(name, operands, 2, f64::NAN, "none");
        // Of rows that are compared with each other, all are concerned.
        let of_others = &terms[terms.len() / 2..];
        assert!(name == "info_nce" || of_others.iter().all(|term| term.is_finite()), "{name}: {terms:?}");
    }
}

#[test]
fn no_rows_have_a_sum_of_0_and_no_mean() {
    for (name, operands) in BY_NAME {
        assert_eq!(of_rows(name, operands, 0, 0.0, "sum"), [0.0], "{name}");
        assert_eq!(of_rows(name, operands, 0, 0.0, "none"), [0.0; 0], "{name}");
        assert!(of_rows(name, operands, 0, 0.0, "mean")[0].is_nan(), "{name}");
    }
}

#[test]
fn small_differences_keep_their_digits_in_log_cosh() {
    let b = Builder::new(Mode::Train);
    let p = input(&b, "p", &["3"]);
    let loss = log_cosh(&p, 0.0, terms());
    let points = [1e-6, 1e-3, 0.3];
    let found = run(b, &loss, &[&p], &Environment::new().input("p", tensor(&[3], &points)));
    for (place, point) in points.into_iter().enumerate() {
        let expected = if point < 1e-2 { point * point / 2.0 } else { f64::cosh(point).ln() };
        assert!((found[0][place] / expected - 1.0).abs() < 1e-5, "{found:?}");
        assert!((found[1][place] / point.tanh() - 1.0).abs() < 1e-5, "{found:?}");
    }
}

#[test]
fn broken_operands_make_nan_where_they_are_computed() {
    type Make = fn(&Value) -> Value;
    let cases: [(&str, Make); 6] = [
        ("kl_divergence", |y| kl_divergence(log_softmax(y, -1), y * 2.0, false, LossOptions::default())),
        ("gaussian_nll", |y| gaussian_nll(y, 0.0, y - 2.0, false, 1e-6, LossOptions::default())),
        ("poisson_nll", |y| poisson_nll(y, y - 2.0, PoissonNll::default(), LossOptions::default())),
        ("focal", |y| focal(y, y + 1.0, 2.0, None, LossOptions::default())),
        ("dice", |y| dice(y, y * 2.0, Dice::default(), LossOptions::default())),
        ("cosine_embedding", |y| cosine_embedding(y, y, sum_over(y, &[-1]), 0.0, LossOptions::default())),
    ];
    for (name, loss) in cases {
        let b = Builder::new(Mode::Train);
        let y = input(&b, "y", &["1", "2"]);
        let loss = loss(&y);
        let environment = Environment::new().input("y", tensor(&[1, 2], &[0.75, 0.25]));
        let found = run(b, &loss, &[&y], &environment);
        // The sum of the two shares is a right label.
        let is_right = name == "cosine_embedding";
        assert_eq!(found[0][0].is_nan(), !is_right, "{name}: {found:?}");
        assert!(found[1].iter().all(|slope| slope.is_finite()), "{name}: {found:?}");
    }
}
