//! Every op's gradient, in every operand, first and second order, against central differences in random directions.
//!
//! For an op f and random v: s = ⟨v, f(x)⟩. The derivative of s along a random t, by differences, must be ⟨∂s/∂x, t⟩. The second order
//! does the same for s₂ = ⟨w, ∂s/∂x⟩. Ties and corners, where differences say nothing, are checked exactly.

mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary, Window};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Literal, Shape};
use std::collections::BTreeSet;
use support::{Numbers, binary, environment, inner_product, input, show, unary, value};

/// An op, its operands' shapes, and the interval that their elements are drawn from.
struct Case {
    op: Op,
    operands: Vec<Vec<usize>>,
    low: f64,
    high: f64,
}

fn case(op: Op, operands: &[&[usize]], low: f64, high: f64) -> Case {
    Case { op, operands: operands.iter().map(|shape| shape.to_vec()).collect(), low, high }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let unaries = [
        (Unary::Neg, -2.0, 2.0),
        (Unary::Exp, -2.0, 2.0),
        (Unary::Expm1, -2.0, 2.0),
        (Unary::Log, 0.3, 3.0),
        (Unary::Log1p, -0.6, 3.0),
        (Unary::Sqrt, 0.3, 3.0),
        (Unary::Tanh, -2.0, 2.0),
        (Unary::Logistic, -3.0, 3.0),
        (Unary::Softplus, -3.0, 3.0),
        (Unary::Sin, -3.0, 3.0),
        (Unary::Cos, -3.0, 3.0),
        (Unary::Erf, -2.0, 2.0),
        (Unary::NormalCdf, -2.0, 2.0),
        (Unary::Bell, -2.0, 2.0),
        (Unary::Abs, 0.1, 2.0),
        (Unary::Abs, -2.0, -0.1),
    ];
    cases.extend(unaries.map(|(function, low, high)| case(Op::Unary(function), &[&[2, 3]], low, high)));
    for function in
        [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min, Binary::Pow]
    {
        cases.push(case(Op::Binary(function), &[&[2, 3], &[2, 3]], 0.4, 2.0));
    }
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
        cases.push(case(Op::Reduce { kind, axes: vec![1] }, &[&[2, 3, 2]], -1.0, 1.0));
        cases.push(case(Op::Reduce { kind, axes: vec![0, 2] }, &[&[2, 3, 2]], -1.0, 1.0));
    }
    cases.extend(movements());
    cases.extend(products());
    cases.extend(lookups());
    cases
}

fn window(axis: usize, taps: i64, stride: i64, dilation: i64) -> Window {
    Window { axis, taps: taps.into(), stride: stride.into(), dilation: dilation.into() }
}

/// Indices are not moved: what is looked up is the first operand's.
fn lookups() -> Vec<Case> {
    let gather = |axis, batch, x: &[usize], indices: &[usize]| {
        case(Op::Gather { axis, batch }, &[x, indices], -1.0, 1.0)
    };
    let scatter = |axis, batch, size: i64, updates: &[usize], indices: &[usize]| {
        case(Op::ScatterAdd { axis, batch, size: size.into() }, &[updates, indices], -1.0, 1.0)
    };
    vec![
        gather(0, 0, &[5, 3], &[2, 4]),
        gather(0, 0, &[4], &[7]),
        gather(0, 0, &[4, 2], &[]),
        gather(1, 0, &[2, 3, 4], &[5]),
        gather(2, 1, &[3, 2, 4], &[3, 2]),
        gather(1, 1, &[3, 4], &[3]),
        gather(2, 2, &[2, 3, 4, 2], &[2, 3, 5]),
        scatter(0, 0, 5, &[2, 4, 3], &[2, 4]),
        scatter(0, 0, 4, &[7], &[7]),
        scatter(0, 0, 3, &[2], &[]),
        scatter(1, 0, 3, &[2, 5, 4], &[5]),
        scatter(1, 1, 4, &[3], &[3]),
        scatter(2, 1, 4, &[3, 2, 6, 2], &[3, 6]),
    ]
}

fn movements() -> Vec<Case> {
    let range = |start: i64, end: i64, stride| Range { start: start.into(), end: end.into(), stride };
    let padding = |low: i64, high: i64, interior| Padding { low: low.into(), high: high.into(), interior };
    let wide: Shape = [4, 2, 3].into();
    vec![
        case(Op::Convert(ElementType::F32), &[&[3]], -1.0, 1.0),
        case(Op::Reshape([3, 2].into()), &[&[2, 3]], -1.0, 1.0),
        case(Op::Transpose(vec![2, 0, 1]), &[&[2, 3, 4]], -1.0, 1.0),
        case(Op::Broadcast { shape: wide.clone(), axes: vec![1, 2] }, &[&[2, 3]], -1.0, 1.0),
        case(Op::Broadcast { shape: wide.clone(), axes: vec![0, 2] }, &[&[4, 3]], -1.0, 1.0),
        case(Op::Broadcast { shape: wide, axes: vec![] }, &[&[]], -1.0, 1.0),
        case(Op::Slice(vec![range(1, 4, 1), range(0, 5, 2)]), &[&[5, 6]], -1.0, 1.0),
        case(Op::Slice(vec![range(1, 8, 3)]), &[&[9]], -1.0, 1.0),
        case(Op::Slice(vec![range(2, 2, 1)]), &[&[4]], -1.0, 1.0),
        case(Op::Pad(vec![padding(1, 2, 0), padding(0, 1, 2)]), &[&[2, 3]], -1.0, 1.0),
        case(Op::Concatenate { axis: 1 }, &[&[2, 3], &[2, 1], &[2, 2]], -1.0, 1.0),
        case(Op::Concatenate { axis: 0 }, &[&[2]], -1.0, 1.0),
        case(Op::Reverse(vec![0, 2]), &[&[2, 3, 2]], -1.0, 1.0),
        case(Op::Window(window(0, 2, 1, 1)), &[&[4]], -1.0, 1.0),
        case(Op::Window(window(1, 3, 2, 1)), &[&[2, 8, 2]], -1.0, 1.0),
        case(Op::Window(window(0, 2, 3, 2)), &[&[9, 2]], -1.0, 1.0),
        case(Op::Fold { window: window(0, 2, 1, 1), size: 4.into() }, &[&[3, 2]], -1.0, 1.0),
        case(Op::Fold { window: window(1, 3, 2, 1), size: 8.into() }, &[&[2, 3, 3, 2]], -1.0, 1.0),
        case(Op::Fold { window: window(0, 2, 3, 2), size: 9.into() }, &[&[3, 2, 2]], -1.0, 1.0),
        case(Op::CumulativeSum { axis: 0 }, &[&[4]], -1.0, 1.0),
        case(Op::CumulativeSum { axis: 0 }, &[&[3, 2]], -1.0, 1.0),
        case(Op::CumulativeSum { axis: 1 }, &[&[2, 3, 2]], -1.0, 1.0),
        case(Op::CumulativeSum { axis: 2 }, &[&[2, 2, 3]], -1.0, 1.0),
        case(Op::Surrogate, &[&[3], &[3]], -1.0, 1.0),
        case(Op::Select, &[&[4], &[4], &[4]], -1.0, 1.0),
    ]
}

fn products() -> Vec<Case> {
    let dot = |batch: &[(usize, usize)], contract: &[(usize, usize)], a: &[usize], b: &[usize]| {
        case(Op::DotGeneral { batch: batch.to_vec(), contract: contract.to_vec() }, &[a, b], -1.0, 1.0)
    };
    vec![
        dot(&[], &[(1, 0)], &[2, 3], &[3, 4]),
        dot(&[], &[(0, 1)], &[3, 2], &[4, 3]),
        dot(&[], &[], &[2], &[3]),
        dot(&[], &[(0, 0)], &[3], &[3]),
        dot(&[(0, 0)], &[(2, 1)], &[2, 3, 4], &[2, 4, 5]),
        dot(&[(1, 2)], &[(0, 1)], &[4, 2, 3], &[5, 4, 2]),
        dot(&[(2, 0), (0, 3)], &[(1, 1)], &[2, 3, 4, 5], &[4, 3, 6, 2]),
        dot(&[(1, 1)], &[(3, 0), (0, 2)], &[2, 3, 4, 5], &[5, 3, 2, 2]),
    ]
}

/// Numbers from −1 to 1 as indices from −1 to 4, of which the outermost lie outside of some axes; they do not move with the numbers.
fn as_indices(graph: &mut Graph, x: NodeId) -> NodeId {
    let (scale, shift) = (graph.full_like(x, 3.0), graph.full_like(x, 1.5));
    let scaled = binary(graph, Binary::Mul, x, scale);
    let shifted = binary(graph, Binary::Add, scaled, shift);
    let whole = unary(graph, Unary::Floor, shifted);
    graph.add(Op::Convert(ElementType::I32), &[whole])
}

/// The op of inputs; masks of `Select` are `x > 0`, and the result is brought back to f64.
fn build(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> NodeId {
    let mut operands = operands.to_vec();
    if *op == Op::Select {
        let zero = graph.full_like(operands[0], 0.0);
        operands[0] = graph.add(Op::Compare(Compare::Greater), &[operands[0], zero]);
    }
    if matches!(op, Op::Gather { .. } | Op::ScatterAdd { .. }) {
        operands[1] = as_indices(graph, operands[1]);
    }
    let y = graph.add(op.clone(), &operands);
    if graph.ty(y).element == ElementType::F64 { y } else { graph.add(Op::Convert(ElementType::F64), &[y]) }
}

/// The derivative of `of` along `t` in input `which`, by differences, against what `gradient` says.
fn compare_with_differences(
    graph: &Graph,
    of: NodeId,
    (which, gradient): (usize, NodeId),
    point: &[Tensor],
    numbers: &mut Numbers,
    what: &str,
) {
    let step = 1e-5;
    let t = numbers.tensor(point[which].shape(), -1.0, 1.0);
    let moved = |sign: f64| {
        let values =
            point[which].to_f64_vec().into_iter().zip(t.to_f64_vec()).map(|(x, t)| x + sign * step * t);
        let mut point = point.to_vec();
        point[which] = Tensor::new(point[which].shape(), values.collect()).expect("the same shape");
        value(graph, of, &environment(&point)).item().expect("a scalar")
    };
    let by_differences = (moved(1.0) - moved(-1.0)) / (2.0 * step);
    let derived = value(graph, gradient, &environment(point)).to_f64_vec();
    let along: f64 = derived.iter().zip(t.to_f64_vec()).map(|(g, t)| g * t).sum();
    let close = (by_differences - along).abs() <= 1e-6 * (1.0 + by_differences.abs());
    assert!(close, "{what}, operand {which}: differences say {by_differences}, the rule {along}");
}

fn check(case: &Case, seed: u64) {
    let numbers = &mut Numbers::new(seed);
    let mut graph = Graph::new();
    let xs: Vec<NodeId> = case.operands.iter().map(|shape| input(&mut graph, shape)).collect();
    let mut point: Vec<Tensor> =
        case.operands.iter().map(|shape| numbers.tensor(shape, case.low, case.high)).collect();
    let y = build(&mut graph, &case.op, &xs);
    let sizes: Vec<usize> =
        graph.shape(y).dims().iter().map(|d| d.as_constant().expect("a number") as usize).collect();
    let v = input(&mut graph, &sizes);
    point.push(numbers.tensor(&sizes, -1.0, 1.0));
    let s = inner_product(&mut graph, v, y);
    let gradients = differentiate(&mut graph, s, &xs).expect("has gradients");
    // The value of a surrogate does not move with what it differentiates by.
    let skipped = if case.op == Op::Surrogate { xs.len() } else { 0 };
    for (which, &gradient) in gradients.iter().enumerate().skip(skipped) {
        let what = format!("{:?}", case.op);
        compare_with_differences(&graph, s, (which, gradient), &point, numbers, &what);
    }
    let mut s2 = graph.constant(ElementType::F64, 0.0);
    for (x, gradient) in xs.iter().zip(&gradients) {
        let shape = value(&graph, *x, &environment(&point)).shape().to_vec();
        let w = input(&mut graph, &shape);
        point.push(numbers.tensor(&shape, -1.0, 1.0));
        let term = inner_product(&mut graph, w, *gradient);
        s2 = binary(&mut graph, Binary::Add, s2, term);
    }
    let second = differentiate(&mut graph, s2, &xs).expect("has second gradients");
    for (which, &gradient) in second.iter().enumerate().skip(skipped) {
        let what = format!("second order of {:?}", case.op);
        compare_with_differences(&graph, s2, (which, gradient), &point, numbers, &what);
    }
}

#[test]
fn every_gradient_agrees_with_differences() {
    for (index, case) in cases().iter().enumerate() {
        check(case, 17 + index as u64);
        check(case, 1000 + index as u64);
    }
}

/// The variant's name, and whether it has a gradient (`cases` must then hold it). No `_` arm: a new variant asks for a case.
fn expectation(op: &Op) -> (String, bool) {
    match op {
        Op::Unary(function) => match function {
            Unary::Sign | Unary::Floor | Unary::IsFinite | Unary::Ordinal | Unary::Not => {
                (format!("{function:?}"), false)
            }
            Unary::Neg | Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log1p | Unary::Sqrt => {
                (format!("{function:?}"), true)
            }
            Unary::Tanh
            | Unary::Logistic
            | Unary::Softplus
            | Unary::Sin
            | Unary::Cos
            | Unary::Erf
            | Unary::NormalCdf
            | Unary::Bell
            | Unary::Abs => (format!("{function:?}"), true),
        },
        Op::Binary(function) => match function {
            Binary::And
            | Binary::Or
            | Binary::Xor
            | Binary::ShiftLeft
            | Binary::ShiftRight
            | Binary::Threefry => (format!("{function:?}"), false),
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::Max
            | Binary::Min
            | Binary::Pow => (format!("{function:?}"), true),
        },
        Op::Reduce { kind, .. } => match kind {
            Reduction::Sum | Reduction::Max | Reduction::Min => (format!("reduce {kind:?}"), true),
        },
        Op::Input(_) | Op::Storage(_) | Op::Constant(_) | Op::Iota { .. } => ("source".into(), false),
        Op::DimValue { .. } | Op::RandomBits { .. } | Op::Arriving { .. } => ("source".into(), false),
        Op::Compare(_) | Op::ArgMax { .. } | Op::StopGradient => {
            ("constant to differentiation".into(), false)
        }
        Op::Select => ("select".into(), true),
        Op::Convert(_) => ("convert".into(), true),
        Op::Reshape(_) => ("reshape".into(), true),
        Op::Transpose(_) => ("transpose".into(), true),
        Op::Broadcast { .. } => ("broadcast".into(), true),
        Op::Slice(_) => ("slice".into(), true),
        Op::Pad(_) => ("pad".into(), true),
        Op::Concatenate { .. } => ("concatenate".into(), true),
        Op::CumulativeSum { .. } => ("cumulative sum".into(), true),
        Op::Reverse(_) => ("reverse".into(), true),
        Op::Window(_) => ("window".into(), true),
        Op::Fold { .. } => ("fold".into(), true),
        Op::Gather { .. } => ("gather".into(), true),
        Op::ScatterAdd { .. } => ("scatter add".into(), true),
        Op::DotGeneral { .. } => ("dot".into(), true),
        Op::Surrogate => ("surrogate".into(), true),
        // Its gradient is what its formula says: `a_pullback_follows_its_formula`.
        Op::Pullback => ("pullback".into(), false),
        // It has a gradient; its cases stand in `scans.rs`.
        Op::Scan { .. } => ("scan".into(), false),
    }
}

#[test]
fn every_op_with_a_gradient_has_a_case() {
    let covered: BTreeSet<String> = cases().iter().map(|case| expectation(&case.op).0).collect();
    assert!(cases().iter().all(|case| expectation(&case.op).1));
    let expected = [
        "Neg",
        "Exp",
        "Expm1",
        "Log",
        "Log1p",
        "Sqrt",
        "Tanh",
        "Logistic",
        "Softplus",
        "Sin",
        "Cos",
        "Erf",
        "NormalCdf",
        "Bell",
        "Abs",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Max",
        "Min",
        "Pow",
        "reduce Sum",
        "reduce Max",
        "reduce Min",
        "select",
        "convert",
        "reshape",
        "transpose",
        "broadcast",
        "slice",
        "pad",
        "concatenate",
        "cumulative sum",
        "fold",
        "gather",
        "scatter add",
        "reverse",
        "dot",
        "surrogate",
        "window",
    ];
    let expected: BTreeSet<String> = expected.iter().map(|name| name.to_string()).collect();
    assert_eq!(covered, expected);
}

/// The gradient of Σ f(x) at `points`.
fn slopes(points: &[f64], f: impl Fn(&mut Graph, NodeId) -> NodeId) -> Vec<f64> {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[points.len()]);
    let y = f(&mut graph, x);
    let gradient = differentiate(&mut graph, y, &[x]).expect("has a gradient")[0];
    value(&graph, gradient, &environment(&[Tensor::from(points)])).to_f64_vec()
}

#[test]
fn ties_are_split() {
    let half = |function| {
        slopes(&[1.0, 2.0, 3.0], |graph, x| {
            let two = graph.full_like(x, 2.0);
            binary(graph, function, x, two)
        })
    };
    assert_eq!(half(Binary::Max), [0.0, 0.5, 1.0]);
    assert_eq!(half(Binary::Min), [1.0, 0.5, 0.0]);
    let greatest = slopes(&[3.0, 1.0, 3.0, 3.0], |graph, x| {
        graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![0] }, &[x])
    });
    assert_eq!(greatest, [1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]);
    let both = slopes(&[2.0], |graph, x| binary(graph, Binary::Max, x, x));
    assert_eq!(both, [1.0]);
}

#[test]
fn corners_are_finite() {
    let relu = slopes(&[-1.0, 0.0, 2.0], |graph, x| {
        let zero = graph.full_like(x, 0.0);
        let mask = graph.add(Op::Compare(Compare::LessEqual), &[x, zero]);
        graph.add(Op::Select, &[mask, zero, x])
    });
    assert_eq!(relu, [0.0, 0.0, 1.0]);
    assert_eq!(slopes(&[-2.0, 0.0, 2.0], |graph, x| unary(graph, Unary::Abs, x)), [-1.0, 0.0, 1.0]);
    assert_eq!(slopes(&[-1e4, 0.0, 1e4], |graph, x| unary(graph, Unary::Softplus, x)), [0.0, 0.5, 1.0]);
    let power = |exponent: f64| {
        move |graph: &mut Graph, x: NodeId| {
            let y = graph.full_like(x, exponent);
            binary(graph, Binary::Pow, x, y)
        }
    };
    assert_eq!(slopes(&[0.0, -3.0, 2.0], power(2.0)), [0.0, -6.0, 4.0]);
    assert_eq!(slopes(&[0.0, -3.0], power(1.0)), [1.0, 1.0]);
    assert_eq!(slopes(&[0.0, -3.0, f64::INFINITY], power(0.0)), [0.0, 0.0, 0.0]);
    // By the exponent: 0 where the base is 0, 8·ln 2 at 2³.
    let by_exponent = |base: f64| {
        slopes(&[3.0], move |graph, y| {
            let x = graph.full_like(y, base);
            binary(graph, Binary::Pow, x, y)
        })[0]
    };
    assert_eq!(by_exponent(0.0), 0.0);
    assert!((by_exponent(2.0) - 8.0 * std::f64::consts::LN_2).abs() < 1e-12);
}

#[test]
fn second_order_of_a_power_at_zero() {
    let mut graph = Graph::new();
    let x = input(&mut graph, &[3]);
    let three = graph.full_like(x, 3.0);
    let y = binary(&mut graph, Binary::Pow, x, three);
    let first = differentiate(&mut graph, y, &[x]).expect("first")[0];
    let second = differentiate(&mut graph, first, &[x]).expect("second")[0];
    let at = environment(&[Tensor::from([0.0, -1.0, 2.0])]);
    assert_eq!(value(&graph, second, &at).to_f64_vec(), [0.0, -6.0, 12.0]);
}

#[test]
fn no_path_gives_zeros_and_stops_are_respected() {
    let mut graph = Graph::new();
    let (x, y) = (input(&mut graph, &[2]), input(&mut graph, &[2]));
    let stopped = graph.add(Op::StopGradient, &[x]);
    let product = binary(&mut graph, Binary::Mul, x, stopped);
    let gradients = differentiate(&mut graph, product, &[x, y]).expect("gradients");
    let at = environment(&[Tensor::from([3.0, 4.0]), Tensor::from([1.0, 1.0])]);
    assert_eq!(value(&graph, gradients[0], &at).to_f64_vec(), [3.0, 4.0]);
    assert_eq!(value(&graph, gradients[1], &at).to_f64_vec(), [0.0, 0.0]);
}

#[test]
fn a_surrogate_gives_its_own_derivative() {
    let slope = slopes(&[0.5, 2.0], |graph, x| {
        let value = unary(graph, Unary::Exp, x);
        let surrogate = binary(graph, Binary::Mul, x, x);
        graph.add(Op::Surrogate, &[value, surrogate])
    });
    assert_eq!(slope, [1.0, 4.0]);
}

#[test]
fn a_pullback_follows_its_formula() {
    // The value is x², the gradient g³·x: not linear in what arrives.
    let cubed = |graph: &mut Graph, x: NodeId| {
        let value = binary(graph, Binary::Mul, x, x);
        let value = graph.add(Op::StopGradient, &[value]);
        let arriving = graph.add(Op::Arriving { number: 0, ty: graph.ty(x).clone() }, &[]);
        let square = binary(graph, Binary::Mul, arriving, arriving);
        let cube = binary(graph, Binary::Mul, square, arriving);
        let share = binary(graph, Binary::Mul, cube, x);
        graph.add(Op::Pullback, &[value, x, arriving, share])
    };
    assert_eq!(slopes(&[0.5, 2.0], cubed), [0.5, 2.0]);
    let tripled = |graph: &mut Graph, x: NodeId| {
        let (y, three) = (cubed(graph, x), graph.full_like(x, 3.0));
        binary(graph, Binary::Mul, y, three)
    };
    assert_eq!(slopes(&[0.5, 2.0], tripled), [13.5, 54.0]);
    // (x·y)' = y + g³·x, where x itself arrives as g: x² + x⁴.
    let through = |graph: &mut Graph, x: NodeId| {
        let y = cubed(graph, x);
        binary(graph, Binary::Mul, y, x)
    };
    assert_eq!(slopes(&[2.0], through), [4.0 + 16.0]);
    // Of second order: 4x³ of the formula, and of y what it says itself, 1³·x.
    let slope = |graph: &mut Graph, x: NodeId| {
        let y = through(graph, x);
        differentiate(graph, y, &[x]).expect("a gradient")[0]
    };
    assert_eq!(slopes(&[2.0], slope), [4.0 * 8.0 + 2.0]);
}

#[test]
fn gradients_by_inner_nodes_and_pruning() {
    let mut graph = Graph::new();
    let (x, y) = (input(&mut graph, &[]), input(&mut graph, &[]));
    let h = unary(&mut graph, Unary::Exp, x);
    let z = binary(&mut graph, Binary::Mul, h, y);
    let gradients = differentiate(&mut graph, z, &[h, x]).expect("gradients");
    let before = graph.len();
    assert_eq!(show(&graph, gradients[0]), "mul(1, x1)");
    // Asking for y alone makes nothing new for x.
    differentiate(&mut graph, z, &[y]).expect("gradient");
    assert_eq!(graph.len(), before + 1);
}

#[test]
fn what_is_not_looked_up_has_no_slope() {
    let rows = |indices: &[i32], f: fn(&mut Graph, NodeId) -> NodeId| {
        let indices = indices.to_vec();
        slopes(&[-1.0, 0.5, 0.0, 2.0], move |graph, x| {
            let y = f(graph, x);
            let at: Vec<NodeId> = indices
                .iter()
                .map(|&i| {
                    let index = graph.constant(ElementType::I32, f64::from(i));
                    graph.add(Op::Broadcast { shape: [1].into(), axes: vec![] }, &[index])
                })
                .collect();
            let at = graph.add(Op::Concatenate { axis: 0 }, &at);
            graph.add(Op::Gather { axis: 0, batch: 0 }, &[y, at])
        })
    };
    assert_eq!(rows(&[1, 3, 3, 3], |_, x| x), [0.0, 1.0, 0.0, 3.0]);
    // An index outside is the nearest one inside, for the gradient too.
    assert_eq!(rows(&[-5, 9], |_, x| x), [1.0, 0.0, 0.0, 1.0]);
    // What a selection leaves out stays out, looked up or not.
    let chosen = |graph: &mut Graph, x: NodeId| {
        let zero = graph.full_like(x, 0.0);
        let mask = graph.add(Op::Compare(Compare::Greater), &[x, zero]);
        let logarithm = unary(graph, Unary::Log, x);
        graph.add(Op::Select, &[mask, logarithm, zero])
    };
    assert_eq!(rows(&[2, 1, 0], chosen), [0.0, 2.0, 0.0, 0.0]);
}

#[test]
fn integers_have_no_gradient() {
    let mut graph = Graph::new();
    let n = support::input_of(&mut graph, ElementType::I32, [2]);
    let x = input(&mut graph, &[2]);
    assert!(differentiate(&mut graph, n, &[x]).is_err());
    assert!(differentiate(&mut graph, x, &[n]).is_err());
    let literal = graph.add(Op::Constant(Literal::new(ElementType::Bool, 1.0)), &[]);
    assert!(differentiate(&mut graph, literal, &[x]).is_err());
}

#[test]
fn an_element_is_part_of_all_sums_behind_it() {
    let weighted = |graph: &mut Graph, x: NodeId| {
        let sums = graph.add(Op::CumulativeSum { axis: 0 }, &[x]);
        let first = Range { start: 0.into(), end: 2.into(), stride: 1 };
        graph.add(Op::Slice(vec![first]), &[sums])
    };
    assert_eq!(slopes(&[1.0, 5.0, -2.0], weighted), [2.0, 1.0, 0.0]);
    // What a selection leaves out stays out, whatever it is.
    let chosen = |graph: &mut Graph, x: NodeId| {
        let zero = graph.full_like(x, 0.0);
        let mask = graph.add(Op::Compare(Compare::Greater), &[x, zero]);
        let root = unary(graph, Unary::Log, x);
        let known = graph.add(Op::Select, &[mask, root, zero]);
        graph.add(Op::CumulativeSum { axis: 0 }, &[known])
    };
    assert_eq!(slopes(&[-1.0, 0.5, 0.0, 2.0], chosen), [0.0, 6.0, 0.0, 0.5]);
}
