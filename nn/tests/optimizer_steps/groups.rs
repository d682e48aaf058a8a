//! Groups of parameters: what is frozen has no gradient, patterns fit something, rules keep their states apart.

use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::op::Op;
use downhill_graph::types::ElementType::F32;
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{Linear, linear, relu, squared_error};
use downhill_nn::entry::{self, Watched};
use downhill_nn::optimizers::*;

/// 3 – 5 – 2.
fn two_layers() -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(3)]);
    let y = b.target("y", F32, [Dim::symbol("batch"), Dim::from(2)]);
    let h = b.scope("h", || relu(linear(&x, 5, Linear::default())));
    let p = b.scope("p", || linear(&h, 2, Linear::default()));
    b.loss("loss", &squared_error(p, y), None);
    b.finish().unwrap_or_else(|errors| panic!("{errors}"))
}

fn step(optimizer: impl Into<Optimizer>) -> Result<Graph, Error> {
    entry::step(&two_layers(), None, &optimizer.into())
}

/// The storages that a step changes.
fn changed(graph: &Graph) -> Vec<&str> {
    let storage = |(purpose, _): &(Purpose, _)| match purpose {
        Purpose::Update(index) => Some(*index),
        _ => None,
    };
    graph.results.iter().filter_map(storage).map(|index| &*graph.storages[index].name).collect()
}

fn products(graph: &Graph) -> usize {
    graph.ids().filter(|&id| matches!(graph.op(id), Op::DotGeneral { .. })).count()
}

#[test]
fn no_gradient_of_what_is_frozen_is_computed() {
    let whole = step(sgd(0.1)).expect("a step");
    assert_eq!(changed(&whole), ["h.weight", "h.bias", "p.weight", "p.bias"]);
    // Forward two; backward to the second weight, the hidden layer and the first weight.
    assert_eq!(products(&whole), 5);

    let head = step(adam(0.1).freeze("h.*")).expect("a step");
    let moments = ["first_moment", "second_moment"];
    let mut expected = vec!["optimizer.step".to_owned()];
    for name in ["p.weight", "p.bias"] {
        expected.extend(moments.map(|moment| format!("{name}.{moment}")));
        expected.push(name.to_owned());
    }
    let mut found = changed(&head);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(products(&head), 3, "{}", head.to_text());

    // What lies in front of what is trained is passed all the same.
    assert_eq!(products(&step(sgd(0.1).freeze("p.*")).expect("a step")), 4);
    assert_eq!(changed(&step(sgd(0.1).freeze("*").train("p.*")).expect("a step")), ["p.weight", "p.bias"]);
    let within = sgd(0.1).freeze("h.*").clip_norm(1.0).rate("p.bias", 2.0).average(0.9).maximize();
    assert_eq!(products(&step(within).expect("a step")), 3);
}

/// Nobody is told of a gradient that no step takes.
#[test]
fn the_diagnosis_watches_no_frozen_gradient() {
    let optimizer = Optimizer::from(sgd(0.1).freeze("h.*"));
    let found = entry::diagnosis(&two_layers(), None, Some(&optimizer)).expect("a diagnosis");
    let gradients = found.watched.iter().filter(|watch| watch.what == Watched::Gradient);
    assert_eq!(gradients.map(|watch| &*watch.name).collect::<Vec<_>>(), ["`p.weight`", "`p.bias`"]);
}

#[test]
fn a_pattern_that_fits_nothing_is_told() {
    let words: [Groups; 5] = [
        sgd(0.1).freeze("q.*"),
        sgd(0.1).rate("q.*", 2.0),
        sgd(0.1).decay("q.*", 2.0),
        sgd(0.1).rule("q.*", adam(0.1)),
        sgd(0.1).rule("h.*", adam(0.1).freeze("q.*")),
    ];
    for groups in words {
        let error = step(groups.clip_norm(1.0).average(0.9)).expect_err("no such name");
        assert_eq!(error.message, "no parameter is called `q.*`");
        assert_eq!(error.notes[0], "known parameters: `h.weight`, `h.bias`, `p.weight`, `p.bias`");
        assert!(error.help.is_some());
    }
}

#[test]
fn a_loss_that_trains_nothing_is_told() {
    let error = step(sgd(0.1).freeze("*")).expect_err("nothing to train");
    assert_eq!(error.message, "every parameter that loss `loss` trains is frozen");
}

#[test]
fn a_decay_that_no_rule_heeds_is_told() {
    let error = step(rprop(0.1).decay("h.weight", 0.5)).expect_err("no weight decay");
    assert_eq!(error.message, "`h.weight` is given a weight decay of 0.5, but its optimizer has none");
    assert!(step(rprop(0.1).spare_vectors()).is_ok(), "there is nothing to spare them");
    let error = step(sgd(0.1).decay("*", 0.5).rule("*.bias", rprop(0.1))).expect_err("none of the biases");
    assert!(error.message.starts_with("`h.bias`"), "{error}");
}

/// Rules of groups have states of their own, and one counter.
#[test]
fn rules_keep_their_states_apart() {
    let graph = step(nadam(0.1).rule("h.*", nadam(0.2)).rate("p.bias", 2.0)).expect("a step");
    let names: Vec<&str> = graph.storages[4..].iter().map(|storage| &*storage.name).collect();
    let products: Vec<&&str> = names.iter().filter(|name| name.ends_with("momentum_product")).collect();
    let expected =
        ["optimizer.momentum_product", "optimizer.1.momentum_product", "optimizer.2.momentum_product"];
    assert_eq!(products.into_iter().copied().collect::<Vec<_>>(), expected);
    assert_eq!(names.iter().filter(|name| **name == "optimizer.step").count(), 1);
}

/// What a step computes for a parameter, written as a formula.
fn formula(optimizer: impl Into<Optimizer>) -> String {
    step(optimizer).expect("a step").to_formulas()
}

#[test]
fn the_last_word_counts() {
    let decayed = |decay: f64| adamw(0.1).weight_decay(decay);
    assert_eq!(formula(adamw(0.1).decay("*", 0.5)), formula(decayed(0.5)));
    assert_eq!(formula(adamw(0.1).decay("h.*", 0.1).decay("*", 0.5)), formula(decayed(0.5)));
    assert_eq!(formula(adamw(0.1).decay("*", 0.5).spare_vectors()), formula(decayed(0.5).spare_vectors()));
    assert_ne!(formula(decayed(0.5).spare_vectors()), formula(decayed(0.5)));
    assert_eq!(formula(decayed(0.5).spare_vectors().decay("*.bias", 0.5)), formula(decayed(0.5)));
    assert_eq!(formula(sgd(0.1).rate("*", 2.0).rate("*", 1.0)), formula(sgd(0.1)));
    assert_eq!(formula(sgd(0.1).rule("*", adam(0.1))), formula(adam(0.1)));
}
