//! `scan` over values: what it computes, its gradients to second order, what is captured, what is drawn, checked and refused.

mod declared;
mod differences;

use declared::{input, mistake, shape, typed};
use differences::{Case, assert_differentiates};
use downhill_graph::check::Made;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::Op;
use downhill_graph::passes::optimize;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape, Type};
use downhill_graph::verify::assert_valid;
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::entry::{Watched, diagnosis, gradients};
use downhill_nn::value::*;

/// The value of a declaration's only output of interest, with inputs by name.
fn value_of(value: &Value, inputs: &[(&str, Tensor)]) -> Vec<f64> {
    let builder = value.builder();
    let node = value.node().unwrap_or_else(|| panic!("{}", builder.take_errors()[0]));
    let mut graph = builder.with_graph(|graph| graph.clone());
    graph.results = vec![(Purpose::Output("y".into()), node)];
    assert_valid(&graph);
    let run = |graph: &Graph| {
        let given = |environment: Environment, (name, tensor): &(&str, Tensor)| {
            environment.input(name, tensor.clone())
        };
        let environment = inputs.iter().fold(Environment::new(), given);
        interpret(graph, &environment, Precision::F64).expect("a value")[0].1.to_f64_vec()
    };
    let (plain, optimized) = (run(&graph), run(&optimize(&graph)));
    assert!(
        plain.iter().zip(&optimized).all(|(a, b)| (a - b).abs() < 1e-12 || a.is_nan() && b.is_nan()),
        "{plain:?} and {optimized:?}"
    );
    plain
}

fn tensor(dims: &[usize]) -> Tensor {
    let count: usize = dims.iter().product();
    Tensor::from_f64(
        ElementType::F64,
        dims,
        &(0..count).map(|n| (n as f64 * 0.7).sin()).collect::<Vec<f64>>(),
    )
    .expect("a tensor")
}

/// Sums along an axis so far, by a loop.
fn running(x: &Value, start: &Value, axis: i64, reverse: bool) -> Scanned {
    let slices = vec![Slices { name: "step", of: x.clone(), axis }];
    let over = Scan { slices, carried: vec![("h", start.clone())], reverse, ..Scan::default() };
    scan(x.builder(), over, |step, h| {
        let next = &h[0] + &step[0];
        Iteration { next: vec![next.clone()], yields: vec![next] }
    })
}

#[test]
fn it_stacks_along_the_axis_that_it_slices() {
    for axis in 0..3 {
        let b = Builder::new(Mode::Train);
        let x = input(&b, "x", &["batch", "time", "units"]);
        let start = multiply(max_over(&x, &[axis]), 0.0);
        let Scanned { yields, last } = running(&x, &start, axis, false);
        assert_eq!(shape(&yields[0]), "[batch, time, units]");
        let at = [("x", tensor(&[2, 3, 4]))];
        assert_eq!(value_of(&yields[0], &at), value_of(&cumsum(&x, axis), &at), "axis {axis}");
        assert_eq!(value_of(&last[0], &at), value_of(&sum_over(&x, &[axis]), &at), "axis {axis}");
    }
}

#[test]
fn in_reverse_each_element_belongs_to_its_slice() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time"]);
    let Scanned { yields, last } = running(&x, &full(&b, [Dim::symbol("batch")], 0.0), -1, true);
    let x = Tensor::new([1, 3], vec![1.0, 2.0, 4.0]).expect("a tensor");
    assert_eq!(value_of(&yields[0], &[("x", x.clone())]), [7.0, 6.0, 4.0]);
    assert_eq!(value_of(&last[0], &[("x", x)]), [7.0]);
}

#[test]
fn without_iterations_what_is_carried_is_what_was_given() {
    let b = Builder::new(Mode::Train);
    let (x, start) = (input(&b, "x", &["batch", "time"]), input(&b, "start", &["batch"]));
    let Scanned { yields, last } = running(&x, &start, 1, false);
    let at = [
        ("x", Tensor::new([2, 0], Vec::<f64>::new()).expect("a tensor")),
        ("start", Tensor::from([1.0, 2.0])),
    ];
    assert_eq!(value_of(&last[0], &at), [1.0, 2.0]);
    assert!(value_of(&yields[0], &at).is_empty());
}

/// Several slices, carried values and yields; what is captured; a layer with parameters.
fn rich(given: &[Value]) -> Value {
    let [x, z, start, scale] = given else { unreachable!() };
    let b = x.builder();
    let slices =
        vec![Slices { name: "u", of: x.clone(), axis: 1 }, Slices { name: "v", of: z.clone(), axis: 0 }];
    let over = Scan {
        slices,
        carried: vec![("h", start.clone()), ("c", start * 2.0)],
        reverse: true,
        ..Scan::default()
    };
    let Scanned { yields, last } = scan(b, over, |slices, carried| {
        let ([u, v], [h, c]) = (slices, carried) else { unreachable!() };
        let h = b.scope("h", || tanh(linear(u, 2, Linear::default()) + h * v + scale));
        let c = sin(c) * &h;
        Iteration { next: vec![h.clone(), c.clone()], yields: vec![h * &c, sum(c)] }
    });
    sum(square(&yields[0])) + sum(&yields[1] * &yields[1]) + sum(&last[0] * &last[1])
}

/// A loop over the steps of a loop.
fn nested(given: &[Value]) -> Value {
    let [x, start] = given else { unreachable!() };
    let over = |of: &Value, start: &Value| Scan {
        slices: vec![Slices { name: "step", of: of.clone(), axis: 0 }],
        carried: vec![("h", start.clone())],
        ..Scan::default()
    };
    let outer = scan(x.builder(), over(x, start), |step, h| {
        let inner = scan(x.builder(), over(&step[0], &h[0]), |inner, s| Iteration {
            next: vec![sin(&s[0] + &inner[0] * &h[0])],
            yields: vec![],
        });
        Iteration { next: inner.last, yields: vec![] }
    });
    outer.last[0].clone()
}

#[test]
fn gradients_to_second_order() {
    let inputs: &[&[usize]] = &[&[2, 3, 3], &[3, 2], &[2, 2], &[2]];
    assert_differentiates(&Case { name: "rich", inputs, layer: rich });
    assert_differentiates(&Case { name: "nested", inputs: &[&[2, 2], &[]], layer: nested });
}

#[test]
fn a_layer_in_the_body_has_one_set_of_parameters() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "3"]);
    let over = Scan { slices: vec![Slices { name: "step", of: x, axis: 1 }], ..Scan::default() };
    let y = b.scope("y", || {
        scan(&b, over, |step, _| Iteration {
            next: vec![],
            yields: vec![linear(&step[0], 4, Linear::default())],
        })
    });
    assert_eq!(shape(&y.yields[0]), "[batch, time, 4]");
    assert_eq!(b.storage_names().iter().map(|name| &**name).collect::<Vec<_>>(), ["y.weight", "y.bias"]);
}

/// The body of the only loop in the graph of `value`.
fn body_of(value: &Value) -> Graph {
    value.builder().with_graph(|graph| {
        let bodies: Vec<_> = graph
            .ids()
            .filter_map(|id| if let Op::Scan { body, .. } = graph.op(id) { Some(body.clone()) } else { None })
            .collect();
        (*bodies[0]).clone()
    })
}

#[test]
fn what_is_the_same_in_every_iteration_is_computed_before() {
    let b = Builder::new(Mode::Train);
    let (x, w) = (input(&b, "x", &["time", "3"]), input(&b, "w", &["3", "3"]));
    let over = Scan { slices: vec![Slices { name: "step", of: x, axis: 0 }], ..Scan::default() };
    let y = scan(&b, over, |step, _| {
        let once = exp(&w);
        Iteration { next: vec![], yields: vec![matmul(&step[0], transpose(once)) + full(&b, [3], 1.0)] }
    });
    let body = body_of(&y.yields[0]);
    let names: Vec<&str> = body.inputs.iter().map(|input| &*input.name).collect();
    assert_eq!(names, ["step", "captured.1"]);
    assert!(!body.ids().any(|id| body.op(id).facts().name == "exp"), "{}", body.to_text());
    let at = [("x", tensor(&[2, 3])), ("w", tensor(&[3, 3]))];
    let plain = matmul(b.value(b.with_graph(|graph| graph.add(Op::Input(0), &[]))), transpose(exp(&w))) + 1.0;
    assert_eq!(value_of(&y.yields[0], &at), value_of(&plain, &at));
}

#[test]
fn random_numbers_are_others_in_each_iteration() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["time", "64"]);
    let over = Scan { slices: vec![Slices { name: "step", of: x, axis: 0 }], ..Scan::default() };
    let y = scan(&b, over, |step, _| Iteration { next: vec![], yields: vec![dropout(&step[0], 0.5)] });
    let ones = Tensor::new([2, 64], vec![1.0; 128]).expect("a tensor");
    let found = value_of(&y.yields[0], &[("x", ones)]);
    assert!(found.iter().all(|&value| value == 0.0 || value == 2.0));
    assert_ne!(found[..64], found[64..]);
}

#[test]
fn an_input_that_is_looked_up_in_the_body_is_checked_as_it_is_given() {
    let b = Builder::new(Mode::Train);
    let words = typed(&b, "words", ElementType::I32, &["batch", "time"]);
    let over = Scan { slices: vec![Slices { name: "word", of: words, axis: 1 }], ..Scan::default() };
    let y = scan(&b, over, |word, _| Iteration {
        next: vec![],
        yields: vec![embedding(&word[0], 5, 2, Embedding::default())],
    });
    b.loss("loss", &sum(&y.yields[0]), None);
    let declaration = b.finish().expect("a declaration");
    assert_eq!(declaration.checks.len(), 1);
    assert_eq!(declaration.checks[0].made, Made::Bound(0));
    assert_eq!(declaration.graph.inputs[0].below, Some(Dim::from(5)));
    assert_eq!(declaration.checks_of(&[declaration.losses[0].node]).count(), 1);
}

#[test]
fn a_check_in_the_body_is_made_for_all_iterations() {
    let b = Builder::new(Mode::Train);
    let (p, y) = (input(&b, "p", &["time", "2"]), input(&b, "y", &["time", "2"]));
    let slices = vec![Slices { name: "p", of: p, axis: 0 }, Slices { name: "y", of: y, axis: 0 }];
    let losses = scan(&b, Scan { slices, ..Scan::default() }, |slices, _| {
        let [p, y] = slices else { unreachable!() };
        Iteration { next: vec![], yields: vec![binary_cross_entropy(sigmoid(p) * 3.0, y)] }
    });
    let loss = sum(&losses.yields[0]);
    let by_p = b.value(b.with_graph(|graph| graph.add(Op::Input(0), &[])));
    let slope = gradient(&loss, by_p);
    b.loss("loss", &loss, None);
    let at = [
        ("p", Tensor::new([2, 2], vec![-2.0, -3.0, -1.0, 4.0]).expect("p")),
        ("y", Tensor::new([2, 2], vec![1.0; 4]).expect("y")),
    ];
    assert!(value_of(&loss, &at)[0].is_nan());
    assert!(value_of(&slope, &at)[0].is_nan());

    let declaration = b.finish().expect("a declaration");
    let told = diagnosis(&declaration, None, None).expect("a diagnosis");
    assert_valid(&told.graph);
    assert!(told.watched.iter().any(|watch| matches!(watch.what, Watched::Check(_))));
    let unchecked = declaration.clone().unchecked();
    assert_valid(&unchecked.graph);
    assert!(!forward_of(&unchecked, &at)[0].is_nan());

    let loss = declaration.losses[0].node;
    let masks: Vec<_> = declaration
        .checks_of(&[loss])
        .filter_map(|check| if let Made::Computed(mask) = check.made { Some(mask) } else { None })
        .collect();
    let mut graph = declaration.graph.clone();
    graph.results = vec![(Purpose::Output("mask".into()), masks[0])];
    let environment = at
        .iter()
        .fold(Environment::new(), |environment, (name, tensor)| environment.input(name, tensor.clone()));
    let found = interpret(&graph, &environment, Precision::F64).expect("a mask")[0].1.to_f64_vec();
    assert_eq!(found, [1.0, 1.0, 1.0, 0.0]);
}

/// The loss of a declaration.
fn forward_of(declaration: &Declaration, at: &[(&str, Tensor)]) -> Vec<f64> {
    let mut graph = declaration.graph.clone();
    graph.results = vec![(Purpose::Output("loss".into()), declaration.losses[0].node)];
    let given =
        |environment: Environment, (name, tensor): &(&str, Tensor)| environment.input(name, tensor.clone());
    let environment = at.iter().fold(Environment::new(), given);
    interpret(&graph, &environment, Precision::F64).expect("a loss")[0].1.to_f64_vec()
}

#[test]
fn a_graph_with_a_loop_can_be_read() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["time", "2"]);
    let w = b.parameter("w", [2], Initializer::Ones);
    let over = Scan {
        slices: vec![Slices { name: "step", of: x, axis: 0 }],
        carried: vec![("h", &w * 0.0)],
        ..Scan::default()
    };
    let y = scan(&b, over, |step, h| {
        let next = tanh(&step[0] * &w + &h[0]);
        Iteration { yields: vec![next.clone()], next: vec![next] }
    });
    b.loss("loss", &sum(&y.yields[0]), None);
    let graph = gradients(&b.finish().expect("a declaration"), None, &[]).expect("gradients");
    assert!(graph.to_text().contains("scan @1 result"), "{}", graph.to_text());
    assert!(graph.to_formulas().contains("scan"), "{}", graph.to_formulas());
    assert!(graph.to_dot().contains("scan"), "{}", graph.to_dot());
}

/// The mistake of a loop over `x: [batch, time, 3]` that starts with `start` and goes on with `next`.
fn wrong(start: &[i64], next: impl FnOnce(&Value, &Value) -> Value) -> String {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["batch", "time", "3"]);
    let start = full(&b, start.iter().map(|&size| Dim::from(size)).collect::<Vec<Dim>>(), 0.0);
    let over = Scan {
        slices: vec![Slices { name: "step", of: x, axis: 1 }],
        carried: vec![("h", start)],
        ..Scan::default()
    };
    let found =
        scan(&b, over, |step, h| Iteration { next: vec![next(&step[0], &h[0])], yields: vec![h[0].clone()] });
    mistake(&found.last[0])
}

#[test]
fn a_carried_value_keeps_its_type() {
    assert_eq!(
        wrong(&[], |step, h| step + h),
        "`h` is carried as f32[], but its next value is f32[batch, 3]\n   = help: start with that shape, `h = zeros([batch, 3])`, or make the next value like the first"
    );
    assert_eq!(
        wrong(&[2], |_, h| convert(h, ElementType::I32)),
        "`h` is carried as f32[2], but its next value is i32[2]\n   = help: convert it: `f32(…)`"
    );
}

#[test]
fn what_a_body_may_not() {
    let declared = |declare: &dyn Fn(&Builder)| {
        let b = Builder::new(Mode::Train);
        let x = input(&b, "x", &["time"]);
        scan(
            &b,
            Scan { slices: vec![Slices { name: "step", of: x, axis: 0 }], ..Scan::default() },
            |step, _| {
                declare(&b);
                Iteration { next: vec![], yields: vec![step[0].clone()] }
            },
        );
        let errors = b.take_errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string()
    };
    let help = "\n   = help: declare it outside: the body may use values from there";
    assert_eq!(
        declared(&|b| b.output("y", &b.constant(1.0))),
        format!("output `y` within the body of a `scan`{help}")
    );
    assert_eq!(
        declared(&|b| b.loss("l", &b.constant(1.0), None)),
        format!("loss `l` within the body of a `scan`{help}")
    );
    assert_eq!(
        declared(&|b| drop(input(b, "z", &["time"]))),
        format!("input `z` within the body of a `scan`{help}")
    );
    assert_eq!(
        declared(&|b| {
            let state = b.state("seen", Type::new(ElementType::F32, [2]), Initializer::Zeros);
            b.update(&state, &(&state + 1.0));
        }),
        "`seen` would be updated in every iteration of a `scan`\n   = help: carry what changes from iteration to iteration, \
         and update the state behind the scan"
    );
}

#[test]
fn a_value_of_the_body_is_of_no_use_outside() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["time"]);
    let mut kept = None;
    scan(&b, Scan { slices: vec![Slices { name: "step", of: x, axis: 0 }], ..Scan::default() }, |step, _| {
        kept = Some(&step[0] * 2.0);
        Iteration { next: vec![], yields: vec![step[0].clone()] }
    });
    assert_eq!(
        mistake(&exp(kept.expect("a value"))),
        "a value of the body of a `scan` is used outside of it\n   = help: the body gives what is used outside: yield it, or carry it"
    );
}

#[test]
fn slices_have_one_length_and_something_comes_out() {
    let b = Builder::new(Mode::Train);
    let (x, y) = (input(&b, "x", &["batch", "3"]), input(&b, "y", &["4", "2"]));
    let slices = vec![Slices { name: "a", of: x.clone(), axis: 1 }, Slices { name: "b", of: y, axis: 0 }];
    let found = scan(&b, Scan { slices, ..Scan::default() }, |slices, _| Iteration {
        next: vec![],
        yields: vec![slices[0].clone()],
    });
    assert_eq!(
        mistake(&found.yields[0]),
        "`x` has 3 slices but `y` has 4\n   = `x`: [batch, 3]    `y`: [4, 2]\n   = help: tensors that a `scan` runs over have the \
         same length along their axes"
    );

    let over = Scan { slices: vec![Slices { name: "a", of: x, axis: 1 }], ..Scan::default() };
    scan(&b, over, |_, _| Iteration::default());
    assert_eq!(
        b.take_errors()[0].to_string(),
        "the body of a `scan` yields nothing and carries nothing\n   = help: end it with what each iteration gives: `yield h`"
    );
    scan(&b, Scan::default(), |_, _| Iteration { next: vec![], yields: vec![b.constant(1.0)] });
    assert!(b.take_errors()[0].message.starts_with("a `scan` over nothing"));
}

/// Layers of one input, with its shape in each iteration.
type Inner = (&'static str, &'static [usize], fn(&Value) -> Value);

const INNER: &[Inner] = &[
    ("linear", &[2, 3], |x| linear(x, 4, Linear::default())),
    ("layer_norm", &[2, 3], |x| layer_norm(x, LayerNorm::default())),
    ("attention", &[2, 3, 4], |x| attention(x, 2, Attention::default())),
    ("conv", &[2, 1, 4, 4], |x| conv(x, 2, &[3.into()], Convolution::default())),
    ("max_pool", &[2, 1, 4, 4], |x| max_pool(x, &[2.into()], Pooling::default())),
    ("batch_norm", &[2, 3], |x| batch_norm(x, BatchNorm::default())),
    ("softmax of a selection", &[2, 3], |x| softmax(select(greater(x, 0.0), x, square(x)), -1)),
    ("cumsum", &[2, 3], |x| cumsum(x, 1)),
    ("pick", &[2, 3], |x| pick(x, argmax(x, 1), 1)),
    ("gru", &[2, 3, 2], |x| gru(x, 2, None, &Recurrent::default()).output),
    ("gradient", &[2, 3], |x| gradient(sum(tanh(linear(x, 2, Linear::default()))), x)),
];

#[test]
fn layers_in_a_body_are_what_they_are_outside() {
    for (name, dims, layer) in INNER {
        let b = Builder::new(Mode::Infer);
        let of = |first: Option<usize>| first.into_iter().chain(dims.iter().copied()).collect::<Vec<usize>>();
        let x = b.input("x", ElementType::F32, shape_of(&of(Some(3))));
        let shared = b.instance("l");
        let over = Scan { slices: vec![Slices { name: "step", of: x.clone(), axis: 0 }], ..Scan::default() };
        let inside = scan(&b, over, |step, _| Iteration {
            next: vec![],
            yields: vec![b.shared(shared, || layer(&step[0]))],
        });
        let steps = (0..3).map(|t| {
            let step = reshape(slice(&x, 0, t, Some(Dim::from(t + 1)), 1), shape_of(dims));
            expand(b.shared(shared, || layer(&step)), 0)
        });
        let outside = concatenate(&b, &steps.collect::<Vec<Value>>(), 0);
        let away = sum(square(&inside.yields[0] - &outside));
        let size = sum(square(&outside));

        let node = |value: &Value| value.node().unwrap_or_else(|| panic!("{name}: {}", b.take_errors()[0]));
        let results = [node(&away), node(&size)];
        let mut graph = b.finish().unwrap_or_else(|errors| panic!("{name}: {errors}")).graph;
        graph.results = results.map(|node| (Purpose::Output(node.index().to_string().into()), node)).to_vec();
        assert_valid(&graph);
        let mut at = Environment::new().input("x", tensor(&of(Some(3))));
        for storage in &graph.storages {
            let dims = storage.ty.shape.evaluate(&graph.bindings).expect("numbers");
            let values =
                tensor(&dims).to_f64_vec().into_iter().map(|value| value + 1.1).collect::<Vec<f64>>();
            at = at.storage(&storage.name, Tensor::new(&dims, values).expect("a tensor"));
        }
        for graph in [&graph, &optimize(&graph)] {
            let found = interpret(graph, &at, Precision::F64).expect("values");
            let [away, size] = [0, 1].map(|result| found[result].1.to_f64_vec()[0]);
            assert!(away < 1e-20 && size > 1e-3, "{name}: {away} beside {size}");
        }
    }
}

fn shape_of(dims: &[usize]) -> Shape {
    Shape(dims.iter().map(|&dim| Dim::from(dim)).collect())
}

#[test]
fn a_norm_of_batches_updates_no_state_in_a_body() {
    let b = Builder::new(Mode::Train);
    let x = input(&b, "x", &["time", "batch", "3"]);
    let over = Scan { slices: vec![Slices { name: "step", of: x, axis: 0 }], ..Scan::default() };
    scan(&b, over, |step, _| Iteration {
        next: vec![],
        yields: vec![batch_norm(&step[0], BatchNorm::default())],
    });
    let errors = b.take_errors();
    assert!(errors[0].message.ends_with("would be updated in every iteration of a `scan`"), "{errors:?}");
}
