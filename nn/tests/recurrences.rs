//! What recurrences promise beyond PyTorch's numbers: gradients of second order, sizes that only a run tells, extremes, what they refuse.

mod declared;
mod differences;

use declared::{input, mistake, shape, typed};
use differences::{Case, assert_differentiates};
use downhill_graph::dim::Dim;
use downhill_graph::graph::Purpose;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::*;

/// All that a recurrence gives, as one value.
fn all(given: &Recurred) -> Value {
    let last = given.last.iter().map(|state| sum(square(state)) + sum(state));
    last.fold(sum(square(&given.output)) + sum(&given.output), |all, state| all + state)
}

fn plain() -> Recurrent {
    Recurrent::default()
}

fn deep() -> Recurrent {
    Recurrent { layers: 2, bidirectional: true, ..plain() }
}

/// A constant of lengths for a batch of 2.
fn lengths(x: &Value) -> Value {
    convert(index(x.builder(), [Dim::from(2)], 0) + 1, I32)
}

const CASES: &[Case] = &[
    Case {
        name: "rnn",
        inputs: &[&[2, 3, 2], &[2, 2]],
        layer: |x| all(&rnn(&x[0], 2, Nonlinearity::Tanh, Some(x[1].clone()), &plain())),
    },
    Case {
        name: "rnn of lengths",
        inputs: &[&[2, 2, 2]],
        layer: |x| {
            let options = Recurrent { lengths: Some(lengths(&x[0])), ..plain() };
            all(&rnn(&x[0], 2, Nonlinearity::Tanh, None, &options))
        },
    },
    Case {
        name: "gru",
        inputs: &[&[2, 3, 2], &[2, 2]],
        layer: |x| all(&gru(&x[0], 2, Some(x[1].clone()), &plain())),
    },
    Case {
        name: "gru, both directions",
        inputs: &[&[1, 2, 2]],
        layer: |x| all(&gru(&x[0], 1, None, &Recurrent { bidirectional: true, ..plain() })),
    },
    Case {
        name: "lstm",
        inputs: &[&[2, 3, 2], &[2, 2], &[2, 2]],
        layer: |x| all(&lstm(&x[0], 2, [Some(x[1].clone()), Some(x[2].clone())], &plain())),
    },
    Case {
        name: "lstm of layers, both directions and lengths",
        inputs: &[&[2, 2, 1]],
        layer: |x| all(&lstm(&x[0], 1, [None, None], &Recurrent { lengths: Some(lengths(&x[0])), ..deep() })),
    },
    Case {
        name: "rnn with relu",
        inputs: &[&[2, 3, 3]],
        layer: |x| all(&rnn(&x[0], 4, Nonlinearity::Relu, None, &plain())),
    },
    Case {
        name: "lstm_cell",
        inputs: &[&[2, 3], &[2, 2], &[2, 2]],
        layer: |x| {
            let [h, c] = lstm_cell(&x[0], &x[1], &x[2], true);
            h * c
        },
    },
    Case { name: "gru_cell", inputs: &[&[2, 3], &[2, 2]], layer: |x| gru_cell(&x[0], &x[1], true) },
    Case {
        name: "rnn_cell",
        inputs: &[&[2, 3], &[2, 2]],
        layer: |x| rnn_cell(&x[0], &x[1], Nonlinearity::Tanh, true),
    },
];

#[test]
fn gradients_of_first_and_second_order_are_those_of_differences() {
    CASES.iter().for_each(assert_differentiates);
}

#[test]
fn sizes_may_be_those_of_a_run() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "3"]);
    let given = lstm(&x, 4, [None, None], &plain());
    assert_eq!(shape(&given.output), "[batch, time, 4]");
    assert_eq!(given.last.iter().map(shape).collect::<Vec<_>>(), ["[batch, 4]", "[batch, 4]"]);
    let given = gru(&x, 4, None, &deep());
    assert_eq!(
        (shape(&given.output), shape(&given.last[0])),
        ("[batch, time, 8]".into(), "[4, batch, 4]".into())
    );
}

#[test]
fn parameters_are_named_and_start_as_pytorchs() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "3"]);
    b.scope("l", || lstm(&x, 4, [None, None], &deep()));
    let names = b.storage_names();
    assert_eq!(names.len(), 16);
    assert_eq!(*names[5], *"l.weight_hh_l0_reverse");
    assert_eq!(*names[8], *"l.weight_ih_l1");
    let graph = b.finish().expect("a declaration").graph;
    let found =
        |index: usize| (graph.storages[index].ty.to_string(), graph.storages[index].initializer.clone());
    assert_eq!(found(8), ("f32[8, 16]".into(), Initializer::FanIn(4.into())));
    assert_eq!(found(2), ("f32[16]".into(), Initializer::FanIn(4.into())));
}

/// The results of values on inputs, with parameters of `weight`, in f32 behind all passes.
fn run(values: &[&Value], inputs: &[(&str, Tensor)], weight: f64) -> Vec<Vec<f64>> {
    let b = values[0].builder().clone();
    let nodes: Vec<_> =
        values.iter().map(|value| value.node().unwrap_or_else(|| panic!("{:?}", b.take_errors()))).collect();
    let mut graph = b.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    let named = nodes.into_iter().enumerate().map(|(n, node)| (Purpose::Output(n.to_string().into()), node));
    graph.results = named.collect();
    let mut at = Environment::new();
    for (name, tensor) in inputs {
        at = at.input(name, tensor.clone());
    }
    for storage in &graph.storages {
        let dims = storage.ty.shape.evaluate(&graph.bindings).expect("numbers");
        let count = dims.iter().product();
        at = at.storage(&storage.name, Tensor::from_f64(F32, dims, &vec![weight; count]).expect("a tensor"));
    }
    let found = interpret(&optimize(&graph), &at, Precision::F32).expect("values");
    found.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn tensor(dims: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_f64(F32, dims, values).expect("a tensor")
}

/// Output and gradient by x of each recurrence over `x` with these options.
fn outputs(x: &[f64], dims: &[usize], options: fn(&Builder) -> Recurrent, lengths: &[i32]) -> Vec<Vec<f64>> {
    let layers: [fn(&Value, &Recurrent) -> Recurred; 3] = [
        |x, options| rnn(x, 2, Nonlinearity::Tanh, None, options),
        |x, options| gru(x, 2, None, options),
        |x, options| lstm(x, 2, [None, None], options),
    ];
    let results = layers.into_iter().flat_map(|layer| {
        let b = Builder::new(Mode::Train);
        let value = input(&b, "x", &["batch", "time", "1"]);
        let given = layer(&value, &options(&b));
        let by = gradient(sum(square(&given.output)), &value);
        let weight = b.find_storage("weight_ih_l0").expect("a weight");
        let by_weight = gradient(sum(square(&given.output)), weight);
        let at = [("x", tensor(dims, x)), ("lengths", Tensor::from(lengths.to_vec()))];
        run(&[&given.output, &by, &by_weight], &at, 0.5)
    });
    results.collect()
}

#[test]
fn extremes_give_numbers() {
    for values in
        outputs(&[1e4, -1e4, f64::INFINITY, f64::NEG_INFINITY], &[4, 1, 1], |_| plain(), &[]).chunks(3)
    {
        assert!(values[0].iter().all(|value| value.abs() <= 1.0), "{values:?}");
    }
    for values in outputs(&[1e4, -1e4, 0.0, -0.0], &[1, 4, 1], |_| plain(), &[]) {
        assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
    }
    assert!(outputs(&[f64::NAN], &[1, 1, 1], |_| plain(), &[])[0][0].is_nan());
}

#[test]
fn an_empty_batch_and_no_time_give_nothing() {
    for dims in [[0, 3, 1], [2, 0, 1]] {
        for values in outputs(&[], &dims, |_| deep(), &[]).chunks(3) {
            assert!(values[0].is_empty() && values[1].is_empty());
            assert!(values[2].iter().all(|&by| by == 0.0));
        }
    }
}

#[test]
fn what_is_beyond_a_length_has_no_part() {
    let of_lengths =
        |b: &Builder| Recurrent { lengths: Some(typed(b, "lengths", I32, &["batch"])), ..deep() };
    let nan = f64::NAN;
    let with = outputs(&[0.3, 0.7, nan, nan, nan, nan], &[2, 3, 1], of_lengths, &[2, 0]);
    let without = outputs(&[0.3, 0.7], &[1, 2, 1], |_| deep(), &[]);
    for (with, without) in with.chunks(3).zip(without.chunks(3)) {
        // Two steps of four numbers, then one and a whole sample of zeros.
        assert_eq!(with[0][..8], without[0]);
        assert!(with[0][8..].iter().all(|&value| value == 0.0));
        assert_eq!(with[1], [&without[1][..], &[0.0; 4]].concat());
        assert_eq!(with[2], without[2]);
    }
}

#[test]
fn dropout_is_between_layers_and_while_training() {
    let found = |mode, layers| {
        let b = Builder::new(mode);
        let x = input(&b, "x", &["1", "4", "1"]);
        let given = gru(&x, 8, None, &Recurrent { layers, dropout: 0.5, ..plain() });
        run(&[&given.output], &[("x", tensor(&[1, 4, 1], &[0.1, 0.2, 0.3, 0.4]))], 0.5)
    };
    assert_ne!(found(Mode::Train, 2), found(Mode::Infer, 2));
    assert_eq!(found(Mode::Train, 1), found(Mode::Infer, 1));
}

#[test]
fn what_they_refuse() {
    let refused = |dims: &[&str], call: &dyn Fn(&Builder, &Value) -> Value| {
        let b = Builder::new(Mode::Train);
        let x = input(&b, "x", dims);
        mistake(&call(&b, &x))
    };
    let three = &["batch", "time", "3"][..];
    assert_eq!(
        refused(&["batch", "3"], &|_, x| lstm(x, 4, [None, None], &plain()).output),
        "`lstm` takes [batch, time, n], but `x` is [batch, 3]\n   = help: a sequence without a batch gets one by `expand(x, 0)`"
    );
    assert_eq!(
        refused(three, &|_, x| gru_cell(x, x, true)),
        "`gru_cell` takes [batch, n], but `x` is [batch, time, 3]\n   = help: a `scan` takes the steps of a sequence one after the other"
    );
    assert_eq!(
        refused(three, &|_, x| gru(x, 0, None, &plain()).output),
        "`gru` with 0 units\n   = help: it needs at least 1"
    );
    assert_eq!(
        refused(three, &|_, x| gru(x, 2, None, &Recurrent { layers: 0, ..plain() }).output),
        "`gru` with 0 layers\n   = help: it needs at least 1"
    );
    assert_eq!(
        refused(three, &|b, x| gru(x, 2, Some(input(b, "h", &["batch", "3"])), &plain()).output),
        "`gru` takes [batch, 2] as `h`, but `h` is [batch, 3]"
    );
    assert_eq!(
        refused(three, &|b, x| lstm(x, 2, [None, Some(input(b, "c", &["batch", "2"]))], &deep()).output),
        "`lstm` takes [4, batch, 2] as `c`, but `c` is [batch, 2]\n   = help: one state for each layer and direction: layer 0 forward, \
         layer 0 in reverse, layer 1 forward, …"
    );
    assert_eq!(
        refused(three, &|b, x| {
            let lengths = Some(input(b, "n", &["batch"]));
            gru(x, 2, None, &Recurrent { lengths, ..plain() }).output
        }),
        "`gru` cannot take `n`, which are f32[batch], as lengths\n   = help: lengths are i32[batch]: the number of steps of each sample"
    );
    assert!(
        refused(three, &|_, x| gru(x, 2, None, &Recurrent { dropout: 1.5, ..plain() }).output)
            .ends_with("help: the rate is the share that is dropped: from 0 to 1")
    );
    assert!(
        refused(three, &|_, x| gru(convert(x, I32), 2, None, &plain()).output).starts_with("`gru` needs"),
    );
}
