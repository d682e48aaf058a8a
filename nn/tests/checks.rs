//! Checks of a declaration: who demands what of which value, what broken elements make of the values and not of the derivatives.

#[path = "../../graph/tests/support/mod.rs"]
mod support;

use downhill_graph::check::{Check, Made, Rule};
use downhill_graph::dim::Dim;
use downhill_graph::graph::{NodeId, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::entry;
use downhill_nn::optimizers::{Optimizer, sgd};
use downhill_nn::value::{equal, full, gradient, mean, one_hot, reshape, select, squares};

/// A network of logits `[batch, 3]`, a label `i32[batch]`, a target `[batch, 3]`, and losses.
fn declared(losses: impl Fn(&Builder, &Value, &Value, &Value)) -> Declaration {
    let builder = Builder::new(Mode::Train);
    let rows = Dim::symbol("batch");
    let x = builder.input("x", F32, vec![rows.clone(), Dim::from(3)]);
    let k = builder.target("k", I32, vec![rows.clone()]);
    let y = builder.target("y", F32, vec![rows, Dim::from(3)]);
    let z = x * builder.parameter("w", [3], Initializer::Zeros);
    losses(&builder, &z, &k, &y);
    builder.finish().expect("no mistakes")
}

fn one(loss: impl Fn(&Value, &Value, &Value) -> Value) -> Declaration {
    declared(|builder, z, k, y| builder.loss("loss", &loss(z, k, y), None))
}

/// The loss and its gradient by `w`, of two rows.
fn run(declaration: &Declaration, k: [i32; 2], y: [[f32; 3]; 2]) -> (f64, Vec<f64>) {
    let graph = entry::gradients(declaration, None, &["w"]).expect("gradients");
    let at = Environment::new().input("x", [[0.5_f32, -1.0, 0.25], [1.0, 2.0, -0.5]]).input("k", k);
    let at = at.input("y", y).storage("w", [1.0_f32, -0.5, 2.0]);
    let results = interpret(&graph, &at, Precision::F64).expect("runs");
    let numbers = |place: usize| results[place].1.to_f64_vec();
    (numbers(0)[0], numbers(1))
}

fn spoken(check: &Check) -> (&str, &str, Rule, bool) {
    (check.user, &check.name, check.rule.clone(), matches!(check.made, Made::Bound(_)))
}

const Y: [[f32; 3]; 2] = [[0.0, 1.0, 0.0], [0.25, 0.25, 0.5]];

#[test]
fn every_use_is_kept() {
    let class = |count: i64| Rule::Class(Dim::from(count));
    let declaration = declared(|builder, z, k, y| {
        builder.loss("a", &cross_entropy(z, k), None);
        builder.loss("b", &squares(z * one_hot(k, &Dim::from(3))), None);
        builder.loss(
            "c",
            &squares(one_hot(reshape(k, vec![Dim::from(1), Dim::symbol("batch")]), &Dim::from(2))),
            None,
        );
        builder.loss("d", &cross_entropy(z, k - 1), None);
        builder.loss("e", &bce_with_logits(z, y), None);
        builder.loss("f", &hinge(z, y * 2.0 - 1.0), None);
    });
    let all: Vec<_> = declaration.checks.iter().map(spoken).collect();
    assert_eq!(
        all,
        [
            ("cross_entropy", "`k`", class(3), true),
            ("one_hot", "`k`", class(3), true),
            ("one_hot", "the label", class(2), true),
            ("cross_entropy", "the label", class(3), false),
            ("bce_with_logits", "`y`", Rule::Probability, true),
            ("hinge", "the label", Rule::Sign, false),
        ]
    );
    assert_eq!(declaration.graph.inputs[1].below, Some(Dim::from(2)), "the least of all bounds");
    for (place, loss) in declaration.losses.iter().enumerate() {
        let own: Vec<_> = declaration.checks_of(&[loss.node]).map(spoken).collect();
        assert_eq!(own, all[place..=place], "{}", loss.name);
    }
}

#[test]
fn poison_is_in_the_value_and_not_in_the_derivative() {
    let losses: [fn(&Value, &Value, &Value) -> Value; 5] = [
        |z, k, _| cross_entropy(z, k - 1),
        |z, k, _| negative_log_likelihood(log_softmax(z, -1), k - 1),
        |z, k, _| cross_entropy(z, one_hot(k - 1, &Dim::from(3))),
        |z, k, _| categorical_cross_entropy(softmax(z, 1), k - 1),
        |z, _, y| bce_with_logits(z, y * 1.5),
    ];
    for (number, loss) in losses.iter().enumerate() {
        let (checked, unchecked) = (one(loss), one(loss).unchecked());
        assert!(unchecked.checks.is_empty());
        let halves = [[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]];
        assert_eq!(run(&checked, [1, 3], halves), run(&unchecked, [1, 3], halves), "{number}");
        let (value, slope) = run(&checked, [1, 4], Y);
        assert!(value.is_nan() && run(&unchecked, [1, 4], Y).0.is_finite(), "{number}");
        // One-hot rows are values themselves.
        assert!(number == 2 || slope.iter().all(|slope| slope.is_finite()), "{number}: {slope:?}");
    }
}

#[test]
fn a_derivative_makes_the_checks_of_what_it_is_of() {
    let declaration = declared(|builder, z, k, _| {
        builder.loss("loss", &squares(gradient(cross_entropy(z, k - 1), z)), None);
    });
    assert!(run(&declaration, [1, 3], Y).0.is_finite());
    assert!(run(&declaration, [1, 4], Y).0.is_nan());
    let bare = declared(|builder, z, k, _| {
        builder.loss("loss", &squares(gradient(cross_entropy(z, k), z)), None);
    });
    assert_eq!(bare.checks_of(&[bare.losses[0].node]).count(), 1);
}

#[test]
fn what_a_select_leaves_aside_is_not_poison() {
    let declaration = one(|z, k, _| {
        let known = equal(k, 2);
        let row = mean(one_hot(k - 1, &Dim::from(3)) * z);
        mean(select(known, 1.0, 0.0)) + row * 0.0
    });
    assert!(run(&declaration, [1, 3], Y).0.is_finite());
    let masked = one(|z, k, _| {
        let hot = one_hot(k - 1, &Dim::from(3));
        mean(select(equal(&hot, &hot), hot, 0.0) * z)
    });
    assert!(run(&masked, [0, 4], Y).0.is_finite(), "NaN is unequal to itself");
}

#[test]
fn constants_are_judged_at_once() {
    let judged = |loss: &dyn Fn(&Value) -> Value| {
        let builder = Builder::new(Mode::Train);
        let s = builder.input("s", F32, [2]);
        loss(&s);
        builder.take_errors()
    };
    let mistakes = judged(&|s| hinge(s, 0.0));
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].message, "`hinge` takes -1 and 1, but is given 0");
    let beyond = "`bce_with_logits` takes numbers from 0 to 1, but is given";
    assert_eq!(judged(&|s| bce_with_logits(s, 1.5))[0].message, format!("{beyond} 1.5"));
    assert_eq!(
        judged(&|s| bce_with_logits(s, full(s.builder(), [2], -1.0)))[0].message,
        format!("{beyond} -1")
    );
    assert!(judged(&|s| bce_with_logits(s, 0.9)).is_empty() && judged(&|s| hinge(s, -1.0)).is_empty());
}

#[test]
fn infinite_logits_cost_what_class_indices_say() {
    let z = |z: &Value| z + 0.0;
    let at = |k: [i32; 2]| {
        let y = k.map(|k| [0, 1, 2].map(|class| if class == k { 1.0_f32 } else { 0.0 }));
        let x = [[f32::NEG_INFINITY, 1.0, 0.5], [0.25, f32::NEG_INFINITY, -3.0]];
        Environment::new().input("x", x).input("k", k).input("y", y).storage("w", [1.0_f32, 1.0, 1.0])
    };
    let found = |declaration: &Declaration, k: [i32; 2]| {
        let graph = entry::gradients(declaration, None, &["x"]).expect("gradients");
        let results = interpret(&graph, &at(k), Precision::F32).expect("runs");
        results.iter().flat_map(|(_, tensor)| tensor.to_f64_vec()).collect::<Vec<f64>>()
    };
    let (by_index, by_row) = (one(|x, k, _| cross_entropy(z(x), k)), one(|x, _, y| cross_entropy(z(x), y)));
    for k in [[1, 0], [2, 2], [1, 2]] {
        let (expected, found) = (found(&by_index, k), found(&by_row, k));
        assert!(expected.iter().all(|number| number.is_finite()), "{expected:?}");
        assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-6), "{expected:?} {found:?}");
    }
    assert_eq!(found(&by_row, [0, 2])[0], f64::INFINITY);
}

#[test]
fn a_diagnosis_gives_every_value_of_interest_in_order() {
    let declaration = declared(|builder, z, k, _| {
        let h = builder.scope("h", || z * 2.0).named("h");
        builder.loss("loss", &cross_entropy(&h, k - 1), None);
    });
    let optimizer: Optimizer = sgd(0.5).momentum(0.9).into();
    let diagnosis = entry::diagnosis(&declaration, None, Some(&optimizer)).expect("a diagnosis");
    let names: Vec<&str> = diagnosis.watched.iter().map(|watch| watch.name.as_str()).collect();
    assert_eq!(names, ["`h`", "the label", "`loss`", "`w`", "`w.momentum`", "`w`"]);
    // A check has its mask behind it.
    assert_eq!(diagnosis.graph.results.len(), 7);
    let numbered = |(place, (purpose, _)): (usize, &(Purpose, NodeId))| {
        *purpose == Purpose::Output(place.to_string().into())
    };
    assert!(diagnosis.graph.results.iter().enumerate().all(numbered));
    let at = Environment::new().input("x", [[0.5_f32, -1.0, 0.25], [1.0, 2.0, -0.5]]).input("k", [4, 1]);
    let at =
        at.storage("w", [1.0_f32; 3]).storage("w.momentum", [0.0_f32; 3]).input("learning_rate", 0.5_f32);
    let results = interpret(&diagnosis.graph, &at, Precision::F32).expect("runs");
    assert_eq!(results[1].1, Tensor::from([3_i32, 0]));
    assert_eq!(results[2].1, Tensor::from([false, true]));
}
