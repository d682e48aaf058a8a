//! The forms to read of a 2-50-1 network, frozen in `tests/golden`. `DOWNHILL_BLESS=1` writes them anew.

use downhill_graph::dim::Dim;
use downhill_graph::error::Origin;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{Linear, binary_cross_entropy, cross_entropy, linear, relu, sigmoid};
use downhill_nn::entry::{forward, gradients, step};
use downhill_nn::optimizers::{adamw, sgd};
use downhill_nn::value::{concatenate, gradient, mean, square, squares};
use std::path::Path;

fn line(b: &Builder, line: u32) {
    b.at(Origin { file: "src/main.rs".into(), line, column: 9, ..Origin::default() });
}

fn seed() -> Declaration {
    let b = Builder::new(Mode::Train);
    let batch = Dim::symbol("batch");
    line(&b, 6);
    let x = b.input("x", F32, [batch.clone(), Dim::from(2)]);
    line(&b, 7);
    let y = b.target("y", F32, [batch, Dim::from(1)]);
    line(&b, 9);
    let h = b.scope("h", || relu(linear(&x, b.argument("hidden", 50), Linear::default())).named("h"));
    line(&b, 10);
    let p = b.scope("p", || sigmoid(linear(&h, 1, Linear::default())).named("p"));
    b.output("p", &p);
    line(&b, 13);
    b.loss("loss", &binary_cross_entropy(p, y), None);
    b.finish().expect("no mistakes")
}

fn classifier() -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(64)]);
    let y = b.target("label", I32, [Dim::symbol("batch")]);
    let logits = b.scope("logits", || linear(&x, 10, Linear::default()).named("logits"));
    let weight = b.scope("logits", || b.find_storage("weight"));
    let penalty = weight.map_or_else(|| b.constant(0.0), |weight| squares(weight) * 1e-4);
    b.loss("loss", &(cross_entropy(logits, y) + penalty), None);
    b.finish().expect("no mistakes")
}

fn heat() -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(1)]);
    let u = b
        .scope("u", || {
            linear(downhill_nn::value::tanh(linear(&x, 8, Linear::default())), 1, Linear::default())
        })
        .named("u");
    let slope = gradient(&u, &x).named("slope");
    b.loss("loss", &mean(square(slope - 1.0)), None);
    b.finish().expect("no mistakes")
}

fn frozen(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("DOWNHILL_BLESS").is_some() {
        std::fs::write(&path, text).expect("a writable folder");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} changed; DOWNHILL_BLESS=1 writes it anew");
}

#[test]
fn text_of_a_step() {
    frozen("seed_step.txt", &step(&seed(), None, &sgd(1.0).into()).expect("a step").to_text());
    frozen("seed_declared.txt", &seed().graph.to_text());
}

#[test]
fn formulas_of_gradients() {
    frozen("seed_gradients.formulas", &gradients(&seed(), None, &[]).expect("gradients").to_formulas());
    frozen(
        "classifier_gradients.formulas",
        &gradients(&classifier(), None, &[]).expect("gradients").to_formulas(),
    );
    frozen("heat_gradients.formulas", &gradients(&heat(), None, &[]).expect("gradients").to_formulas());
}

#[test]
fn formulas_of_steps() {
    frozen("seed_sgd.formulas", &step(&seed(), None, &sgd(1.0).into()).expect("a step").to_formulas());
    frozen("seed_adamw.formulas", &step(&seed(), None, &adamw(1e-3).into()).expect("a step").to_formulas());
}

#[test]
fn pictures() {
    frozen("seed_step.dot", &step(&seed(), None, &sgd(1.0).into()).expect("a step").to_dot());
    frozen("seed_adamw.dot", &step(&seed(), None, &adamw(1e-3).into()).expect("a step").to_dot());
    frozen("classifier_gradients.dot", &gradients(&classifier(), None, &[]).expect("gradients").to_dot());
}

#[test]
fn a_call_inside_a_concatenation_keeps_its_parenthesis() {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [2]);
    b.output("joined", &concatenate(&b, &[&x, &sigmoid(&x)], 0));
    let declaration = b.finish().expect("no mistakes");
    let formulas = forward(&declaration).expect("a graph").to_formulas();
    assert_eq!(formulas, "joined = concatenate(x, sigmoid(x), axis: 0)\n");
}
