//! Native code takes sizes at their word. Whatever a declaration or a view says, they agree with the memory there is, or an
//! error says why not.

use downhill_graph::builder::{Builder, Declaration, Mode, Value};
use downhill_graph::dim::Dim;
use downhill_graph::error::Errors;
use downhill_graph::optimizer::{Optimizer, sgd};
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use downhill_graph::value::{mean, slice, sum, sum_over};
use downhill_runtime::dataset::Dataset;
use downhill_runtime::epoch::{Epoch, EpochOptions, EpochReport};
use downhill_runtime::model::Model;
use downhill_runtime::program::{Options, Program};
use downhill_runtime::view::{Elements, View};
use std::sync::Arc;

fn build(
    optimizer: Option<Optimizer>,
    declare: impl Fn(&Builder) -> Result<(), Errors>,
) -> Result<Model, String> {
    let declare = |mode: Mode| -> Result<Declaration, Errors> {
        let builder = Builder::new(mode);
        declare(&builder)?;
        builder.finish()
    };
    let options = Options { optimizer, ..Options::default() };
    let program = Program::build("test", declare, options).map_err(|error| error.to_string())?;
    Arc::new(program).model(1).map_err(|error| error.to_string())
}

fn input(builder: &Builder, shape: &[Dim]) -> Value {
    builder.input("x", ElementType::F32, shape.to_vec())
}

fn weight(builder: &Builder, size: i64) -> Value {
    sum(builder.parameter("w", [Dim::from(size)], Initializer::Zeros))
}

#[test]
fn a_parameter_has_one_size_in_all_entries() {
    let model = build(Some(sgd(0.1).into()), |builder| {
        let x = input(builder, &[Dim::symbol("batch")]);
        let y = &x * &weight(builder, if builder.mode() == Mode::Train { 100_000 } else { 1 });
        builder.output("p", &y);
        builder.loss("loss", &mean(&y), None);
        Ok(())
    });
    let message = model.map(|_| ()).expect_err("a step would write beyond what forward knows");
    assert!(message.starts_with("`w` is f32[1] in one entry and f32[100000] in another"), "{message}");
}

#[test]
fn a_parameter_of_training_alone_has_a_gradient() {
    let mut model = build(None, |builder| {
        let x = input(builder, &[Dim::symbol("batch")]);
        builder.output("p", &x);
        if builder.mode() == Mode::Train {
            builder.loss("loss", &mean(&x * &weight(builder, 1)), None);
        }
        Ok(())
    })
    .expect("a network");
    let outputs = model.gradients(&[1.0_f32, 3.0], ()).expect("gradients");
    assert_eq!(outputs.loss(), Some(0.0));
}

#[test]
fn the_size_of_an_input_that_is_not_read_need_not_be_told() {
    let mut model = build(Some(sgd(0.1).into()), |builder| {
        let x = input(builder, &[Dim::symbol("batch"), Dim::from(2)]);
        let t = builder.target("t", ElementType::F32, [Dim::symbol("time")]);
        let y = &x * &weight(builder, 1);
        builder.output("p", &y);
        builder.loss("loss", &(mean(&y) + mean(&t)), None);
        Ok(())
    })
    .expect("a network");
    assert_eq!(model.forward(&[[1.0_f32, 2.0]]).expect("an output").shape(), [1, 2]);
    assert_eq!(model.step(&[[1.0_f32, 2.0]], &[3.0_f32, 5.0]).expect("a loss"), 4.0);
}

#[test]
fn sizes_whose_product_overflows_are_errors_or_nothing() {
    let mut model = build(None, |builder| {
        let x = input(builder, &[Dim::symbol("batch"), Dim::symbol("a"), Dim::symbol("c")]);
        builder.output("p", &sum(&x * &weight(builder, 1)));
        Ok(())
    })
    .expect("a network");
    let mut forward = |shape: [usize; 3]| {
        let view = View::shaped(Elements::F32(&[]), &shape);
        model.forward(&view).map(|tensor| tensor.shape().to_vec()).map_err(|error| error.to_string())
    };
    assert_eq!(forward([0, 1 << 40, 1 << 40]), Ok(vec![]));
    for size in [1 << 63, usize::MAX] {
        let message = forward([0, size, 1]).expect_err("no axis is as long");
        assert!(message.contains("axis 1 is longer than memory"), "{message}");
    }
}

#[test]
fn a_slice_beyond_its_axis_is_an_error() {
    let mut model = build(None, |builder| {
        let x = input(builder, &[Dim::symbol("batch"), Dim::symbol("time")]);
        builder.output("p", &slice(&x * &weight(builder, 1), 1, 2, Some(Dim::from(5)), 1));
        Ok(())
    })
    .expect("a network");
    assert_eq!(model.forward(&[[1.0_f32; 6]]).expect("an output").shape(), [1, 3]);
    for message in [model.forward(&[[1.0_f32; 4]]), model.forward(&[[1.0_f32; 1]])] {
        let message = message.expect_err("elements that are not there").to_string();
        assert!(message.starts_with("elements 2 to 5 are taken of an axis of"), "{message}");
    }
}

#[test]
fn a_declaration_made_for_checking_is_not_run() {
    let declare = |_| {
        let builder = Builder::for_checking();
        let x = input(&builder, &[Dim::symbol("batch")]);
        let other = &Dim::symbol("batch") * &builder.open_argument("other");
        let y = builder.input("y", ElementType::F32, [other]);
        builder.output("p", &(x + y));
        builder.finish()
    };
    let program = Program::build("test", declare, Options::default());
    let message = program.map(|_| ()).expect_err("sizes that need not agree").to_string();
    assert!(message.contains("was made for checking"), "{message}");
}

#[test]
fn values_that_no_memory_holds_are_refused_before_code_is_made() {
    for size in [1 << 61, i64::MAX] {
        let model = build(None, |builder| {
            let x = input(builder, &[Dim::symbol("batch"), Dim::from(size), Dim::from(3)]);
            builder.output("p", &sum_over(&x * &weight(builder, 1), &[1]));
            Ok(())
        });
        let message = model.map(|_| ()).expect_err("too large");
        assert!(message.starts_with("no memory for a value of shape"), "{message}");
    }
}

#[test]
fn a_report_holds_the_steps_made_and_no_others() {
    let mut model = build(Some(sgd(0.1).into()), |builder| {
        let x = input(builder, &[Dim::symbol("batch"), Dim::from(2)]);
        builder.loss("loss", &mean(&x * &weight(builder, 1)), None);
        Ok(())
    })
    .expect("a network");
    let (fits, other) = (Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]), Tensor::from([[1.0_f32], [2.0]]));
    let mut report = EpochReport::default();
    let mut epoch = |x: &Tensor, report: &mut EpochReport| {
        let data = Dataset::new([("x", x.clone())]).expect("data");
        model.epoch_into(&data, Epoch { batch: 1, seed: 1 }, EpochOptions::default(), report)
    };
    epoch(&fits, &mut report).expect("an epoch");
    assert_eq!((report.losses.len(), report.rows), (2, 2));
    epoch(&other, &mut report).expect_err("rows of another size");
    assert_eq!((report.losses.len(), report.rows), (0, 0));
}
