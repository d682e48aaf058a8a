//! The gradient of a selection is a selection, also of a loss that a declaration makes.

#[path = "../../graph/tests/support/mod.rs"]
mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::interpret::Environment;
use downhill_graph::types::{ElementType, Shape};
use downhill_nn::builder::{Builder, Mode};
use downhill_nn::value::{select, square, sum};
use support::value;

#[test]
fn a_loss_over_known_targets_moves_nothing_else() {
    let builder = Builder::new(Mode::Train);
    let shape = || Shape(vec![Dim::symbol("batch")]);
    let p = builder.input("p", ElementType::F32, shape());
    let y = builder.target("y", ElementType::F32, shape());
    let known = builder.input("known", ElementType::Bool, shape());
    builder.loss("loss", &sum(select(&known, square(&p - &y), 0.0)), None);
    let declaration = builder.finish().expect("a right declaration");
    let mut graph = declaration.graph;
    let p = p.node().expect("known");
    let gradient = differentiate(&mut graph, declaration.losses[0].node, &[p]).expect("has a gradient")[0];
    let at = Environment::new()
        .input("p", [1.0_f32, 2.0, 3.0])
        .input("y", [f32::NAN, 1.0, f32::INFINITY])
        .input("known", [false, true, false]);
    assert_eq!(value(&graph, gradient, &at).to_f64_vec(), [0.0, 2.0, 0.0]);
}
