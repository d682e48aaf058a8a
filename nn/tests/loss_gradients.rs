//! The forms that losses' gradients end in once they are simplified.

#[path = "../../graph/tests/support/mod.rs"]
mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::op::{Binary, Op, Unary};
use downhill_graph::passes::optimize;
use downhill_graph::types::{ElementType, Shape};
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{
    CrossEntropy, LossOptions, bce_with_logits, binary_cross_entropy, cross_entropy, cross_entropy_with,
    sigmoid, softmax, squared_error,
};
use support::show;

/// The gradient of a loss by its input `z`, optimized.
fn loss_gradient(declare: impl Fn(&Builder)) -> String {
    let builder = Builder::new(Mode::Train);
    declare(&builder);
    let Declaration { mut graph, losses, .. } = builder.finish().expect("a right declaration");
    let z = graph.add(Op::Input(graph.input_index("z").expect("declared")), &[]);
    let gradient = differentiate(&mut graph, losses[0].node, &[z]).expect("has a gradient")[0];
    graph.results.push((Purpose::Gradient("z".into()), gradient));
    let graph = optimize(&graph);
    show(&graph, graph.results[0].1)
}

#[test]
fn gradients_of_losses_end_as_on_paper() {
    let shape = || Shape(vec![Dim::symbol("batch"), 1.into()]);
    let from_logits = loss_gradient(|b| {
        let (z, y) = (b.input("z", ElementType::F32, shape()), b.target("y", ElementType::F32, shape()));
        b.loss("loss", &bce_with_logits(z, y), None);
    });
    assert_eq!(from_logits, "mul(sub(logistic(z), y), spread(div(1, batch)))");
    let from_probabilities = loss_gradient(|b| {
        let (z, y) = (b.input("z", ElementType::F32, shape()), b.target("y", ElementType::F32, shape()));
        b.loss("loss", &binary_cross_entropy(sigmoid(z), y), None);
    });
    assert_eq!(from_probabilities, from_logits);
    let squares = loss_gradient(|b| {
        let (z, y) = (b.input("z", ElementType::F32, shape()), b.target("y", ElementType::F32, shape()));
        b.loss("loss", &squared_error(z, y), None);
    });
    assert_eq!(squares, "mul(sub(z, y), spread(div(2, batch)))");
}

#[test]
fn gradients_of_cross_entropies_end_in_softmax_minus_labels() {
    let rows = || Shape(vec![Dim::symbol("batch"), 10.into()]);
    let by_labels = loss_gradient(|b| {
        let z = b.input("z", ElementType::F32, rows());
        let y = b.target("y", ElementType::I32, [Dim::symbol("batch")]);
        b.loss("loss", &cross_entropy(z, y), None);
    });
    let e = "exp(sub(z, broadcast[0](max[1](z))))";
    let p = format!("div({e}, broadcast[0](sum[1]({e})))");
    let labels = "f32(equal(iota { shape: [batch, 10], axis: 1 }(), broadcast[0](y)))";
    assert_eq!(by_labels, format!("mul(sub({p}, {labels}), spread(div(1, batch)))"));
    let by_probabilities = loss_gradient(|b| {
        let (z, y) = (b.input("z", ElementType::F32, rows()), b.target("y", ElementType::F32, rows()));
        b.loss("loss", &cross_entropy(z, y), None);
    });
    let by_weighted_labels = loss_gradient(|b| {
        let z = b.input("z", ElementType::F32, rows());
        let y = b.target("y", ElementType::I32, [Dim::symbol("batch")]);
        let w = b.target("w", ElementType::F32, [Dim::symbol("batch")]);
        let terms = LossOptions { weight: Some(w), ..LossOptions::default() };
        let options = CrossEntropy { terms, ..CrossEntropy::default() };
        b.loss("loss", &cross_entropy_with(z, y, options), None);
    });
    // (softmax − label)·w/batch, the weight taken once a row.
    let weight = "mul(w, spread(div(1, batch)))";
    let own = "equal(iota { shape: [batch, 10], axis: 1 }(), broadcast[0](y))";
    let total = format!("div(broadcast[0]({weight}), reshape[batch, 1](sum[1]({e})))");
    assert_eq!(
        by_weighted_labels,
        format!(
            "add(select({own}, broadcast[0](neg({weight})), spread(0)), mul(broadcast[0](reshape[batch]({total})), {e}))"
        )
    );
    // The labels may be any numbers: 1/batch stays where it is.
    let scaled = "mul(y, spread(div(1, batch)))";
    let weighted = format!("mul(broadcast[0](div(sum[1]({scaled}), sum[1]({e}))), {e})");
    assert_eq!(by_probabilities, format!("sub({weighted}, {scaled})"));
}

#[test]
fn the_softmax_of_the_gradient_is_that_of_the_output() {
    let builder = Builder::new(Mode::Train);
    let z = builder.input("z", ElementType::F32, Shape(vec![Dim::symbol("batch"), 10.into()]));
    let y = builder.target("y", ElementType::I32, [Dim::symbol("batch")]);
    builder.output("p", &softmax(&z, -1));
    builder.loss("loss", &cross_entropy(&z, &y), None);
    let Declaration { mut graph, outputs, losses, .. } = builder.finish().expect("a right declaration");
    let z = z.node().expect("known");
    let gradient = differentiate(&mut graph, losses[0].node, &[z]).expect("has a gradient")[0];
    graph.results =
        vec![(Purpose::Output("p".into()), outputs[0].1), (Purpose::Gradient("z".into()), gradient)];
    let graph = optimize(&graph);
    let exponentials = graph.ids().filter(|&id| *graph.op(id) == Op::Unary(Unary::Exp)).count();
    let quotients =
        graph.ids().filter(|&id| *graph.op(id) == Op::Binary(Binary::Div) && graph.ty(id).rank() > 0).count();
    assert_eq!((exponentials, quotients), (1, 1));
}
