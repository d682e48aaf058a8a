//! What tests of values and layers ask of a declaration: inputs by the names of their axes, shapes in words, the only mistake.
#![allow(dead_code)]

use downhill_graph::dim::Dim;
use downhill_graph::types::ElementType::{self, F32};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Value};

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
