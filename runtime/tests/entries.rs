//! Entries of one model: which runs when.

use downhill_graph::dim::Dim;
use downhill_graph::types::ElementType;
use downhill_nn::builder::Builder;
use downhill_nn::value::mean;
use downhill_runtime::program::{Options, Program};
use std::sync::Arc;

#[test]
fn gradients_of_nothing_are_no_step() {
    let declare = |mode| {
        let builder = Builder::new(mode);
        let x = builder.input("x", ElementType::F32, [Dim::symbol("batch")]);
        builder.loss("loss", &mean(&x), None);
        builder.finish()
    };
    let program = Program::build("test", declare, Options::default()).expect("a program");
    let mut model = Arc::new(program).model(1).expect("a model");
    let gradients = model.gradients(&[1.0_f32, 3.0], ()).expect("a loss alone");
    assert_eq!(gradients.loss(), Some(2.0));
    let error = model.step(&[1.0_f32, 3.0], ()).expect_err("no optimizer");
    assert!(error.to_string().contains("has no training step"), "{error}");
}
