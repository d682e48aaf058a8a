//! Native code takes sizes at their word. Whatever a declaration or a view says, they agree with the memory there is, or an
//! error says why not.

use downhill_graph::dim::Dim;
use downhill_graph::error::Errors;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::optimizers::{Optimizer, sgd};
use downhill_nn::value::{argmax, exp, expand, full, mean, reshape, slice, square, sum, sum_over, transpose};
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
    let model = build(None, |builder| {
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
    let model = build(None, |builder| {
        let x = input(builder, &[Dim::symbol("batch"), Dim::symbol("a"), Dim::symbol("c")]);
        builder.output("p", &sum(&x * &weight(builder, 1)));
        Ok(())
    })
    .expect("a network");
    let forward = |shape: [usize; 3]| {
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
    let model = build(None, |builder| {
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
        assert!(message.starts_with("axis 1 of `x`, `"), "{message}");
        assert!(message.contains("is more than memory can hold"), "{message}");
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

fn dim(name: &str) -> Dim {
    Dim::symbol(name)
}

fn number(value: i64) -> Dim {
    Dim::from(value)
}

/// `(batch - 3)/2`: −1 at 2 and 0 at 3 and 4, since quotients are rounded down.
fn half_of_the_rest() -> Dim {
    (&dim("batch") - &number(3)).divide(&number(2))
}

/// Checks and code once had a meaning of sizes each: this was checked as elements 0 to 10 and read as 1 to 11.
#[test]
fn a_slice_at_a_quotient_reads_what_was_checked() {
    let model = build(None, |builder| {
        let x = input(builder, &[dim("batch"), number(10)]);
        let start = &half_of_the_rest() + &number(1);
        let y = slice(&x, 1, start.clone(), Some(&start + &number(10)), 1) * 1.0;
        builder.output("y", &y);
        Ok(())
    })
    .expect("a network");
    let x = Tensor::from([[0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]; 2]);
    assert_eq!(model.forward(&x).expect("ten columns"), x);
    let rows = Tensor::from([[0.0_f32; 10]; 4]);
    let message = model.forward(&rows).expect_err("eleven columns").to_string();
    assert!(message.starts_with("elements 1 to 11 are taken of an axis of 10"), "{message}");
    assert!(message.contains("batch = 4"), "{message}");
}

/// This once wrote eight floats behind its output.
#[test]
fn an_output_is_as_large_as_what_is_written_to_it() {
    let model = build(None, |builder| {
        let x = input(builder, &[dim("batch"), number(4)]);
        let rows = &half_of_the_rest() + &number(2);
        builder.output("y", &(full(builder, vec![rows, number(8)], 7.5) + sum(&x)));
        Ok(())
    })
    .expect("a network");
    for (batch, rows) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)] {
        let y = model.forward(&Tensor::new([batch, 4], vec![0.0_f32; 4 * batch]).expect("x")).expect("y");
        assert_eq!((y.shape(), y.as_f32().expect("f32")), (&[rows, 8][..], &vec![7.5; 8 * rows][..]));
    }
    let none = model.forward(&Tensor::new([0, 4], Vec::<f32>::new()).expect("x")).expect("no rows");
    assert_eq!(none.shape(), [0, 8]);
}

/// `20/time` with no time once counted as 20, and read behind its input.
#[test]
fn a_division_by_a_size_of_0_is_an_error() {
    let model = build(None, |builder| {
        let x = input(builder, &[dim("batch"), number(20)]);
        let s = builder.input("s", ElementType::F32, [dim("batch"), dim("time")]);
        let start = number(20).divide(&dim("time"));
        let y = slice(&x, 1, start.clone(), Some(&start + &number(20)), 1) + sum(&s);
        builder.output("y", &y);
        Ok(())
    })
    .expect("a network");
    let (x, s) = (Tensor::from([[0.0_f32; 20]]), Tensor::new([1, 0], Vec::<f32>::new()).expect("s"));
    let message = model.forward((&x, &s)).expect_err("20/0").to_string();
    assert!(message.contains("divides by `time`, which is 0"), "{message}");
    assert!(message.contains("time = 0"), "{message}");
}

#[test]
fn numbers_beyond_64_bits_are_errors_when_a_network_is_built() {
    let most = number(i64::MAX);
    let batch = dim("batch");
    let sizes = [
        &batch - &most,
        &batch * &most,
        &(&batch * &number(1 << 60)) * &number(16),
        &most + &(&batch + &most),
        batch.divide(&number(0)),
        (&batch + &number(1 << 60)).divide(&number(1 << 60)),
        &number(i64::MIN) - &batch,
    ];
    for size in &sizes {
        let model = build(Some(sgd(0.1).into()), |builder| {
            let x = input(builder, &[dim("batch"), number(3)]);
            let y = full(builder, vec![size.clone(), number(3)], 1.0) * sum(&x * &weight(builder, 1));
            builder.output("y", &y);
            builder.loss("loss", &mean(&y), None);
            Ok(())
        });
        let message = model.map(|_| ()).expect_err("no size");
        assert!(message.contains("memory can hold") || message.contains("no value"), "{size}: {message}");
        // An input's size is checked against what is given.
        let model = build(None, |builder| {
            let x = input(builder, &[dim("batch"), size.clone()]);
            let t = builder.input("t", ElementType::F32, [dim("batch")]);
            builder.output("y", &(sum(&x * &weight(builder, 1)) + sum(&t)));
            Ok(())
        });
        model.map(|_| ()).expect_err("no size");
    }
}

/// Sizes that are numbers of this call only are met before code runs.
#[test]
fn sizes_that_a_call_makes_too_large_are_errors() {
    let model = build(None, |builder| {
        let x = input(builder, &[dim("batch")]);
        let cube = &(&dim("batch") * &dim("batch")) * &(&dim("batch") * &number(1 << 40));
        builder.output("y", &(full(builder, vec![cube], 1.0) + sum(&x)));
        Ok(())
    })
    .expect("a network");
    for batch in [300_usize, 30_000] {
        let x = Tensor::new([batch], vec![0.0_f32; batch]).expect("x");
        let message = model.forward(&x).expect_err("more than memory").to_string();
        assert!(message.contains(&format!("batch = {batch}")), "{message}");
    }
    assert_eq!(model.forward(&[0.0_f32; 0]).expect("nothing").shape(), [0]);
}

/// A count is no i32 on the way to an f32: the mean of 46,341² ones was −1.
#[test]
fn a_mean_of_more_than_an_i32_counts() {
    let model = build(None, |builder| {
        let x = input(builder, &[dim("batch"), number(1)]);
        let differences = &x - &transpose(&x);
        builder.output("k", &mean(exp(-square(differences))));
        Ok(())
    })
    .expect("a network");
    let x = Tensor::new([46_341, 1], vec![0.5_f32; 46_341]).expect("x");
    let k = model.forward(&x).expect("a mean").as_f32().expect("f32")[0];
    assert!((k - 1.0).abs() < 1e-3, "{k}");
}

/// Indices are i32s: an axis that has more elements has no index of its greatest.
#[test]
fn an_index_that_no_i32_holds_is_refused() {
    let mut model = build(None, |builder| {
        let x = input(builder, &[dim("batch"), number(1 << 20)]);
        let spread = &expand(&x, 1) + &full(builder, vec![number(1), number(4096), number(1)], 0.0);
        let flat = reshape(spread, vec![dim("batch"), number(1 << 32)]);
        builder.output("k", &argmax(&flat, 1));
        Ok(())
    });
    let message = model.as_mut().map(|_| ()).expect_err("2³² elements").clone();
    assert!(message.contains("2³¹ − 1"), "{message}");
}

/// A slice of a column is its only element or nothing, and is read where the column was made: it was loaded before it was stored.
#[test]
fn a_slice_of_a_column_is_the_column_that_was_made() {
    let model = build(None, |builder| {
        let x = input(builder, &[dim("batch"), number(4)]);
        let column = slice(&x, 1, number(2), None, 3);
        builder.output("part", &slice(&column, 1, number(0), Some(dim("batch").divide(&number(3))), 1));
        builder.output("column", &column);
        Ok(())
    })
    .expect("a network");
    for batch in [2, 3, 5] {
        let x = Tensor::new([batch, 4], (1..=4 * batch).map(|i| i as f32).collect::<Vec<_>>()).expect("x");
        let outputs = model.forward_all(&x).expect("outputs");
        let (part, column) = (outputs.get("part").expect("a part"), outputs.get("column").expect("a column"));
        assert_eq!(part.shape(), [batch, batch / 3]);
        assert!(batch / 3 == 0 || part == column, "{part} of {column}");
    }
}
