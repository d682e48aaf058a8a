//! Entries of a declaration: what they give, and what they say to wrong names.

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::Op;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape};
use downhill_graph::verify::verify;
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{Linear, bce_with_logits, linear, relu, squared_error};
use downhill_nn::entry::{find_loss, forward, gradients, step};
use downhill_nn::optimizers::{Optimizer, adamw, sgd};

fn batch_of(columns: usize) -> Shape {
    Shape(vec![Dim::symbol("batch"), Dim::from(columns)])
}

/// Two inputs, three rectifiers, one logit; one loss, or two over one layer each.
fn network(several: bool) -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", ElementType::F32, batch_of(2));
    let y = b.target("y", ElementType::F32, batch_of(1));
    let h = b.scope("h", || relu(linear(&x, 3, Linear::default())));
    let z = b.scope("z", || linear(&h, 1, Linear::default()));
    b.output("z", &z);
    if several {
        b.loss("first", &bce_with_logits(&z, &y), Some(vec![0, 1]));
        b.loss("second", &squared_error(&z, &y), Some(vec![2, 3]));
    } else {
        b.loss("loss", &bce_with_logits(&z, &y), None);
    }
    b.finish().expect("a right declaration")
}

fn environment() -> Environment {
    Environment::new()
        .input("x", [[0.5_f32, -1.0], [2.0, 1.0]])
        .input("y", [[1.0_f32], [0.0]])
        .input("learning_rate", 0.5_f32)
        .storage("h.weight", [[0.5_f32, -0.25, 1.0], [0.75, 0.5, -1.0]])
        .storage("h.bias", [0.1_f32, 0.2, -0.1])
        .storage("z.weight", [[1.0_f32], [-1.0], [0.5]])
        .storage("z.bias", [0.25_f32])
}

fn purposes(graph: &Graph) -> Vec<Purpose> {
    graph.results.iter().map(|(purpose, _)| purpose.clone()).collect()
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.storages.iter().map(|storage| &*storage.name).collect()
}

#[test]
fn entries_give_what_they_promise() {
    let declaration = network(false);
    let outputs = forward(&declaration).expect("forward");
    assert_eq!(purposes(&outputs), [Purpose::Output("z".into())]);
    assert_eq!(names(&outputs), ["h.weight", "h.bias", "z.weight", "z.bias"]);
    let derived = gradients(&declaration, None, &["x", "z.bias"]).expect("gradients");
    let expected =
        [Purpose::Loss("loss".into()), Purpose::Gradient("x".into()), Purpose::Gradient("z.bias".into())];
    assert_eq!(purposes(&derived), expected);
    let all = gradients(&declaration, Some("loss"), &[]).expect("gradients");
    assert_eq!(all.results.len(), 5);
    let trained = step(&declaration, None, &sgd(0.5).into()).expect("a step");
    assert_eq!(trained.results.len(), 5);
    for graph in [&outputs, &derived, &all, &trained] {
        verify(graph).expect("sound");
        assert!(graph.ids().all(|id| !matches!(graph.op(id), Op::StopGradient | Op::Surrogate)));
    }
}

#[test]
fn a_step_of_plain_descent_is_parameter_less_rate_times_gradient() {
    let declaration = network(false);
    let environment = environment();
    let run = |graph: &Graph| interpret(graph, &environment, Precision::F64).expect("runs");
    let gradients = run(&gradients(&declaration, None, &[]).expect("gradients"));
    let step = step(&declaration, None, &sgd(0.5).into()).expect("a step");
    let updates = run(&step);
    assert_eq!(gradients[0].1, updates[0].1, "the same loss");
    for ((_, gradient), (purpose, update)) in gradients[1..].iter().zip(&updates[1..]) {
        let Purpose::Update(index) = purpose else { panic!("{purpose:?}") };
        let before = environment.storages[&step.storages[*index].name].to_f64_vec();
        let expected = before.iter().zip(gradient.to_f64_vec()).map(|(w, g)| w - 0.5 * g);
        for (expected, found) in expected.zip(update.to_f64_vec()) {
            assert!((expected - found).abs() < 1e-12);
        }
    }
}

#[test]
fn gradients_agree_with_differences() {
    let declaration = network(false);
    let graph = gradients(&declaration, None, &["h.weight"]).expect("gradients");
    let loss = |weights: &[f64]| {
        let weights = Tensor::new([2, 3], weights.to_vec()).expect("six");
        let results =
            interpret(&graph, &environment().storage("h.weight", weights), Precision::F64).expect("runs");
        (results[0].1.item().expect("a scalar"), results[1].1.to_f64_vec())
    };
    let at = environment().storages["h.weight"].to_f64_vec();
    let (_, derived) = loss(&at);
    for index in 0..at.len() {
        let moved = |by: f64| {
            let mut weights = at.clone();
            weights[index] += by;
            loss(&weights).0
        };
        let by_differences = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((by_differences - derived[index]).abs() < 1e-8);
    }
}

#[test]
fn each_loss_trains_its_own() {
    let declaration = network(true);
    let first = step(&declaration, Some("first"), &sgd(0.1).into()).expect("a step");
    assert_eq!(purposes(&first)[1..], [Purpose::Update(0), Purpose::Update(1)]);
    let second = step(&declaration, Some("second"), &adamw(0.1).into()).expect("a step");
    assert!(purposes(&second).contains(&Purpose::Update(3)));
    assert!(!purposes(&second).contains(&Purpose::Update(0)));
    assert_eq!(names(&second)[..4], names(&first)[..4]);
}

#[test]
fn wrong_names_are_answered_with_the_right_ones() {
    let one = network(false);
    let error = gradients(&one, None, &["h.wieght"]).expect_err("unknown");
    assert_eq!(error.message, "no parameter or input is called `h.wieght`");
    assert_eq!(error.help.as_deref(), Some("did you mean `h.weight`?"));
    assert_eq!(error.notes, ["known names: `h.weight`, `h.bias`, `z.weight`, `z.bias`, `x`, `y`"]);
    let two = network(true);
    let error = find_loss(&two, None).expect_err("ambiguous");
    assert_eq!(error.message, "the network declares several losses");
    assert_eq!(error.notes, ["they are `first`, `second`"]);
    let error = step(&two, Some("secnd"), &sgd(0.1).into()).expect_err("unknown");
    assert_eq!(error.help.as_deref(), Some("did you mean `second`?"));
    let nonsense: Optimizer = sgd(-1.0).into();
    assert!(step(&one, None, &nonsense).is_err());
    let mut without = network(false);
    without.losses.clear();
    assert_eq!(find_loss(&without, None).expect_err("none").message, "the network declares no loss");
}
