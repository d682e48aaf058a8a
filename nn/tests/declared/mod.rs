//! What tests of values and layers ask of a declaration: inputs by the names of their axes, shapes in words, the only mistake, values and gradients.
#![allow(dead_code)]

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{NodeId, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, F32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Value};
use downhill_nn::value::sum;

pub(crate) fn input(builder: &Builder, name: &str, dims: &[&str]) -> Value {
    typed(builder, name, F32, dims)
}

/// Axes that are numbers are as long as they say; others have that symbol.
pub(crate) fn typed(builder: &Builder, name: &str, element: ElementType, dims: &[&str]) -> Value {
    let dims = dims.iter().map(|text| text.parse::<i64>().map_or_else(|_| Dim::symbol(text), Dim::from));
    builder.input(name, element, Shape(dims.collect()))
}

pub(crate) fn shape(value: &Value) -> String {
    let errors = value.builder().take_errors();
    assert!(errors.is_empty(), "{}", errors[0]);
    value.shape().map_or_else(|| "unknown".into(), |shape| shape.to_string())
}

/// The only mistake recorded, in full.
pub(crate) fn mistake(value: &Value) -> String {
    let errors = value.builder().take_errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(value.node().is_none());
    errors[0].to_string()
}

/// The loss and its gradient by each of `leaves`, in f32 after all passes.
pub(crate) fn run(
    builder: Builder,
    loss: &Value,
    leaves: &[&Value],
    environment: &Environment,
) -> Vec<Vec<f64>> {
    let (loss, total) = (loss.node().expect("known"), sum(loss).node().expect("known"));
    let leaves: Vec<NodeId> = leaves.iter().map(|leaf| leaf.node().expect("known")).collect();
    let mut graph = builder.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    let gradients = differentiate(&mut graph, total, &leaves).expect("gradients");
    let results = [loss].into_iter().chain(gradients).enumerate();
    graph.results = results.map(|(place, node)| (Purpose::Output(place.to_string().into()), node)).collect();
    let values = interpret(&optimize(&graph), environment, Precision::F32).expect("values");
    values.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

pub(crate) fn tensor(dims: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_f64(F32, dims, values).expect("a tensor")
}
