//! Convolutions and pools with their gradients, compiled, against the interpreter: the same bits on every target, for every number of threads,
//! with the batch known or not.

mod common;

use common::case::Case;
use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Compare, Op, Reduction};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::{gradient, square, sum};

/// The value of `layer` of an input of this shape (its batch is a symbol), and the gradients of the sum of its squares by the input and all
/// parameters; in second order, too, where asked.
fn case(sizes: &[usize], second: bool, layer: impl Fn(&Value) -> Value) -> Case {
    let b = Builder::new(Mode::Train);
    let mut dims: Vec<Dim> = sizes.iter().map(|&size| Dim::from(size)).collect();
    dims[0] = Dim::symbol("batch");
    let x = b.input("x", F32, dims);
    let y = layer(&x);
    let mut loss = sum(square(&y));
    if second {
        loss = sum(square(gradient(&loss, &x)));
    }
    let (output, loss) = (y.node(), loss.node());
    let graph = b.finish().unwrap_or_else(|errors| panic!("{errors}")).graph;
    filled(graph, sizes, output.expect("known"), loss.expect("known"))
}

fn filled(mut graph: Graph, sizes: &[usize], output: NodeId, loss: NodeId) -> Case {
    let mut case = Case::new();
    let storages: Vec<NodeId> = (0..graph.storages.len()).map(|n| graph.add(Op::Storage(n), &[])).collect();
    let x = graph.add(Op::Input(0), &[]);
    let wrt: Vec<NodeId> = storages.iter().copied().chain([x]).collect();
    let gradients = differentiate(&mut graph, loss, &wrt).expect("a derivative");
    case.graph = graph;
    let tensor = case.tensor(sizes);
    case.environment = std::mem::take(&mut case.environment).input("x", tensor);
    for n in 0..storages.len() {
        let shape = case.graph.storages[n].ty.shape.evaluate(&Bindings::new()).expect("numbers");
        let (name, tensor) = (case.graph.storages[n].name.to_string(), case.tensor(&shape));
        case.environment = std::mem::take(&mut case.environment).storage(&name, tensor);
    }
    case.output("y", output);
    for (n, gradient) in gradients.into_iter().enumerate() {
        case.output(&format!("gradient{n}"), gradient);
    }
    case.graph = optimize(&case.graph);
    case
}

fn sizes(numbers: &[i64]) -> Vec<Dim> {
    numbers.iter().copied().map(Dim::from).collect()
}

struct Shape {
    x: &'static [usize],
    channels: i64,
    kernel: &'static [i64],
    stride: &'static [i64],
    padding: &'static [i64],
    dilation: &'static [i64],
    groups: i64,
}

const PLAIN: Shape = Shape {
    x: &[2, 3, 6, 5],
    channels: 4,
    kernel: &[3],
    stride: &[1],
    padding: &[0],
    dilation: &[1],
    groups: 1,
};

fn shapes() -> Vec<Shape> {
    vec![
        PLAIN,
        Shape { padding: &[1], ..PLAIN },
        Shape { stride: &[2], padding: &[1, 2], ..PLAIN },
        Shape { stride: &[2], kernel: &[2], ..PLAIN },
        Shape { stride: &[3, 2], kernel: &[2, 1], ..PLAIN },
        Shape { dilation: &[2, 1], padding: &[2, 0], ..PLAIN },
        Shape { x: &[3, 1, 9, 8], channels: 6, kernel: &[5], ..PLAIN },
        Shape { x: &[2, 4, 6, 6], channels: 6, groups: 2, padding: &[1], ..PLAIN },
        Shape { x: &[2, 6, 5, 5], channels: 6, groups: 6, padding: &[1], ..PLAIN },
        Shape { x: &[2, 3, 5, 5], channels: 6, groups: 3, stride: &[2], ..PLAIN },
        Shape { x: &[2, 17, 4, 4], channels: 19, kernel: &[1], ..PLAIN },
        Shape { x: &[3, 2, 11], channels: 5, kernel: &[4], stride: &[3], dilation: &[2], ..PLAIN },
        Shape { x: &[1, 2, 4, 3, 5], channels: 3, kernel: &[2, 1, 3], padding: &[0, 0, 1], ..PLAIN },
        Shape { x: &[0, 3, 6, 5], padding: &[1], ..PLAIN },
        Shape { x: &[1, 3, 3, 3], ..PLAIN },
    ]
}

impl Shape {
    fn case(&self, second: bool) -> Case {
        let options = || Convolution {
            stride: sizes(self.stride),
            padding: sizes(self.padding),
            dilation: sizes(self.dilation),
            groups: Dim::from(self.groups),
            ..Convolution::default()
        };
        case(self.x, second, |x| conv(x, self.channels, &sizes(self.kernel), options()))
    }
}

/// Transposed convolutions: the shape's channels are those of the result, `more` the output's padding.
fn transposed(shape: &Shape, more: &[i64], second: bool) -> Case {
    let options = || TransposedConvolution {
        stride: sizes(shape.stride),
        padding: sizes(shape.padding),
        output_padding: sizes(more),
        dilation: sizes(shape.dilation),
        groups: Dim::from(shape.groups),
        ..TransposedConvolution::default()
    };
    case(shape.x, second, |x| conv_transpose(x, shape.channels, &sizes(shape.kernel), options()))
}

fn transposed_shapes() -> Vec<(Shape, &'static [i64])> {
    vec![
        (PLAIN, &[0]),
        (Shape { stride: &[2], padding: &[1], ..PLAIN }, &[1, 0]),
        (Shape { x: &[2, 17, 3, 4], channels: 19, stride: &[2], kernel: &[2], ..PLAIN }, &[0]),
        (Shape { stride: &[1, 3], kernel: &[1, 2], dilation: &[2], ..PLAIN }, &[1, 2]),
        (Shape { x: &[2, 4, 3, 4], channels: 6, groups: 2, stride: &[2], ..PLAIN }, &[0]),
        (Shape { x: &[2, 3, 4, 3], channels: 3, groups: 3, padding: &[1], ..PLAIN }, &[0]),
        (Shape { x: &[0, 3, 4, 3], ..PLAIN }, &[0]),
    ]
}

#[test]
fn transposed_convolutions() {
    for (shape, more) in transposed_shapes() {
        let case = transposed(&shape, more, false);
        case.check(1e-5);
        assert_eq!(folds(&case.graph), 0, "{}", case.graph.to_text());
    }
    let (shape, more) = &transposed_shapes()[1];
    transposed(shape, more, true).check(1e-4);
}

#[test]
fn other_sizes() {
    let [by, to] = [Resized::By(sizes(&[2, 3])), Resized::To(sizes(&[7, 2]))];
    for resized in [by, to] {
        case(&[2, 3, 5, 4], false, |x| upsample(x, resized.clone())).check(1e-6);
        for aligned in [false, true] {
            case(&[2, 3, 5, 4], false, |x| upsample_linear(x, resized.clone(), aligned)).check(1e-5);
        }
    }
    case(&[2, 8, 3, 2], false, |x| pixel_shuffle(x, 2)).check(1e-6);
    case(&[2, 2, 4, 6], false, |x| pixel_unshuffle(x, 2)).check(1e-6);
    let border = Border { before: sizes(&[1, 0]), after: sizes(&[2, 3]) };
    case(&[2, 3, 4, 5], false, |x| pad(x, &border, 0.5)).check(1e-6);
    case(&[2, 3, 4, 5], false, |x| reflect_pad(x, &border)).check(1e-6);
    case(&[2, 3, 4, 5], false, |x| replicate_pad(x, &border)).check(1e-6);
    let around = |x: &Value| conv(reflect_pad(x, &Border::of(1)), 4, &sizes(&[3]), Convolution::default());
    case(&[2, 3, 4, 5], false, around).check(1e-5);
}

#[test]
fn convolutions() {
    for shape in shapes() {
        shape.case(false).check(1e-5);
    }
    let same = || Convolution { same: true, dilation: sizes(&[1, 3]), ..Convolution::default() };
    case(PLAIN.x, false, |x| conv(x, 4, &sizes(&[4, 2]), same())).check(1e-5);
}

/// Batches that are summed over block by block: in one chain, in chunks of several pictures, in chunks of one.
#[test]
fn convolutions_of_many_pictures() {
    let shapes: [&[usize]; 4] = [&[40, 3, 8, 8], &[150, 3, 8, 8], &[9, 2, 26, 26], &[131, 2, 9, 10]];
    for x in shapes {
        case(x, false, |x| conv(x, 5, &sizes(&[3]), Convolution::default())).check(1e-4);
    }
}

/// Too few channels for lanes: places are lanes, and what they read is laid out anew.
#[test]
fn convolutions_of_few_channels() {
    let shapes = [
        Shape { x: &[3, 12, 11, 13], channels: 1, padding: &[1], ..PLAIN },
        Shape {
            x: &[2, 9, 10, 9],
            channels: 3,
            kernel: &[5],
            stride: &[2],
            dilation: &[1, 2],
            padding: &[4],
            ..PLAIN
        },
        Shape { x: &[5, 1, 14, 12], channels: 7, kernel: &[5], ..PLAIN },
    ];
    shapes.iter().for_each(|shape| shape.case(false).check(1e-4));
    for channels in [1, 20] {
        let up = Shape { x: &[5, 24, 7, 7], channels, kernel: &[4], stride: &[2], padding: &[1], ..PLAIN };
        transposed(&up, &[0], false).check(1e-4);
    }
}

#[test]
fn convolutions_in_second_order() {
    for shape in shapes() {
        shape.case(true).check(1e-4);
    }
}

#[test]
fn no_window_of_a_convolution_is_written_down() {
    for shape in shapes() {
        let graph = shape.case(false).graph;
        assert_eq!(folds(&graph), 0, "{}", graph.to_text());
    }
}

fn folds(graph: &Graph) -> usize {
    graph.ids().filter(|id| matches!(graph.op(*id), Op::Fold { .. })).count()
}

#[test]
fn pools() {
    let options = |stride: Option<&[i64]>, padding: &[i64], dilation: &[i64]| Pooling {
        stride: stride.map(sizes),
        padding: sizes(padding),
        dilation: sizes(dilation),
    };
    let kinds: [(&[usize], &[i64], Pooling); 8] = [
        (&[2, 3, 6, 8], &[2], options(None, &[0], &[1])),
        (&[2, 3, 7, 5], &[2], options(None, &[0], &[1])),
        (&[2, 17, 7, 9], &[3], options(Some(&[2]), &[1], &[1])),
        (&[2, 3, 6, 6], &[2, 3], options(Some(&[1, 3]), &[1, 0], &[1])),
        (&[3, 2, 12], &[3], options(Some(&[4]), &[0], &[1])),
        (&[1, 2, 4, 4, 4], &[2], options(None, &[0], &[1])),
        (&[0, 2, 4, 4], &[2], options(None, &[0], &[1])),
        (&[2, 3, 8, 8], &[2], options(Some(&[2]), &[1], &[2])),
    ];
    for (x, kernel, options) in kinds {
        case(x, false, |x| max_pool(x, &sizes(kernel), options.clone())).check(1e-6);
        let plain = Pooling { dilation: sizes(&[1]), ..options };
        for counted in [true, false] {
            case(x, false, |x| average_pool(x, &sizes(kernel), plain.clone(), counted)).check(1e-6);
        }
    }
    case(&[2, 3, 7, 5], false, |x| global_average_pool(x)).check(1e-6);
    case(&[2, 3, 7, 5], false, |x| adaptive_average_pool(x, &sizes(&[3, 5]))).check(1e-6);
    let equal_parts = case(&[2, 3, 8, 6], false, |x| adaptive_average_pool(x, &sizes(&[4, 3])));
    equal_parts.check(1e-6);
    let is_product = |id: &NodeId| matches!(equal_parts.graph.op(*id), Op::DotGeneral { .. });
    assert_eq!(equal_parts.graph.ids().filter(is_product).count(), 0, "{}", equal_parts.graph.to_text());
}

/// x → conv → relu → pool → conv → relu, as in a network: layouts meet.
#[test]
fn a_stack_stores_nothing_transposed() {
    let case = case(&[2, 3, 12, 12], false, |x| {
        let kernel = sizes(&[3]);
        let padded = Convolution { padding: sizes(&[1]), ..Convolution::default() };
        let h = relu(conv(x, 8, &kernel, padded.clone()));
        let h = max_pool(h, &sizes(&[2]), Pooling::default());
        let h = batch_norm(conv(h, 16, &kernel, padded), BatchNorm::default());
        global_average_pool(relu(h))
    });
    case.check(1e-5);
    // Those of the picture itself, which the first product and its gradient read in another order.
    let transposed = |id: &NodeId| matches!(case.graph.op(*id), Op::Transpose(_));
    let transposes: Vec<usize> =
        case.graph.ids().filter(transposed).map(|id| case.graph.shape(id).rank()).collect();
    assert_eq!(transposes, [6, 4], "{}", case.graph.to_text());
}

/// x → conv → batch norm → relu → pool → conv: the pool's gradient is in windows, and the norm's beside it.
#[test]
fn a_pool_behind_a_norm_stores_nothing_transposed() {
    let case = case(&[2, 3, 12, 12], false, |x| {
        let kernel = sizes(&[3]);
        let padded = Convolution { padding: sizes(&[1]), ..Convolution::default() };
        let h = batch_norm(conv(x, 8, &kernel, padded.clone()), BatchNorm::default());
        let h = max_pool(relu(h), &sizes(&[2]), Pooling::default());
        global_average_pool(relu(conv(h, 16, &kernel, padded)))
    });
    // A bias before a norm has no gradient but for rounding.
    case.check(1e-4);
    let transposed = |id: &NodeId| matches!(case.graph.op(*id), Op::Transpose(_));
    let transposes: Vec<usize> =
        case.graph.ids().filter(transposed).map(|id| case.graph.shape(id).rank()).collect();
    assert_eq!(transposes, [6, 4], "{}", case.graph.to_text());
}

/// Sums over pictures and lines that are no products of floats, and those of nothing.
#[test]
fn other_sums_over_two_axes() {
    for length in [8, 0] {
        let mut case = Case::new();
        let x = case.input("x", &["batch", "2", "t", "40"], &[600, 2, length, 40]);
        let zero = case.graph.full_like(x, 0.0);
        let positive = case.graph.add(Op::Compare(Compare::Greater), &[x, zero]);
        let count = case.graph.add(Op::Convert(I32), &[positive]);
        for (name, value) in [("count", count), ("sum", x)] {
            let sum = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 2] }, &[value]);
            case.output(name, sum);
        }
        case.check(1e-4);
    }
}

/// Products so small that each chunk of their sum is −0: it stays so, block by block or not.
#[test]
fn sums_of_nothing_but_roundings() {
    let mut case = case(&[150, 3, 8, 8], false, |x| conv(x, 5, &sizes(&[3]), Convolution::default()));
    let tiny = |case: &mut Case, name: &str, shape: &[usize], value: f32| {
        Tensor::new(shape, vec![value; shape.iter().product()]).map(|tensor| {
            case.environment = std::mem::take(&mut case.environment).input(name, tensor);
        })
    };
    tiny(&mut case, "x", &[150, 3, 8, 8], -1e-25).expect("as many as the shape says");
    case.check(1e-4);
}
