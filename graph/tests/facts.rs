//! Facts of ops against the interpreter, which says what ops are.

use downhill_graph::dim::Dim;
use downhill_graph::facts::{Bound, OfFinite, Slope, Takes};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::{Binary, Op, Padding, Range, Reduction, Unary};
use downhill_graph::types::{ElementType, Shape, Type};
use std::collections::BTreeSet;

const UNARIES: [Unary; 20] = [
    Unary::Neg,
    Unary::Exp,
    Unary::Expm1,
    Unary::Log,
    Unary::Log1p,
    Unary::Sqrt,
    Unary::Tanh,
    Unary::Logistic,
    Unary::Softplus,
    Unary::Sin,
    Unary::Cos,
    Unary::Erf,
    Unary::NormalCdf,
    Unary::Bell,
    Unary::Abs,
    Unary::Sign,
    Unary::Floor,
    Unary::IsFinite,
    Unary::Ordinal,
    Unary::Not,
];

const BINARIES: [Binary; 13] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Max,
    Binary::Min,
    Binary::Pow,
    Binary::And,
    Binary::Or,
    Binary::Xor,
    Binary::ShiftLeft,
    Binary::ShiftRight,
    Binary::Threefry,
];

const FINITE: [f32; 15] =
    [0.0, -0.0, 1e-40, -1e-40, 0.3, -0.7, 1.0, -1.0, 2.5, -3.0, 80.0, -90.0, 1e30, f32::MAX, f32::MIN];
const BROKEN: [f32; 3] = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];

fn input(graph: &mut Graph, name: &str) -> NodeId {
    let ty = Type::new(ElementType::F32, [Dim::symbol("n")]);
    graph.add_input(Input { name: name.into(), ty, role: Role::Input, below: None })
}

/// What an op of float vectors gives: in f64, where nothing of the size of an f32 overflows by arithmetic alone.
fn values(op: Op, operands: &[&[f32]]) -> Vec<f64> {
    let (mut graph, mut environment) = (Graph::new(), Environment::new());
    let mut nodes = Vec::new();
    for (name, data) in ["x", "y"].iter().zip(operands) {
        nodes.push(input(&mut graph, name));
        environment = environment.input(name, data.to_vec());
    }
    let y = graph.add(op, &nodes);
    graph.results.push((Purpose::Output("y".into()), y));
    match interpret(&graph, &environment, Precision::F64) {
        Ok(results) => results[0].1.to_f64_vec(),
        Err(error) => panic!("{error}"),
    }
}

/// All pairs of some numbers, as two lists.
fn pairs(first: &[f32], second: &[f32]) -> (Vec<f32>, Vec<f32>) {
    first.iter().flat_map(|&x| second.iter().map(move |&y| (x, y))).unzip()
}

/// The bound that the facts promise, given the magnitudes of operands.
fn most(bound: Bound, magnitudes: &[f64]) -> f64 {
    match bound {
        Bound::Unknown => f64::INFINITY,
        Bound::One => 1.0,
        Bound::Operands => magnitudes.iter().copied().fold(0.0, f64::max),
        Bound::Sum => magnitudes.iter().sum(),
        Bound::Product => magnitudes.iter().product(),
    }
}

#[test]
fn functions_of_one_operand_are_what_their_facts_say() {
    let mut checked = 0;
    for function in UNARIES.into_iter().filter(|function| function.facts().takes != Takes::Bits) {
        let facts = function.facts();
        for (x, y) in FINITE.iter().zip(values(Op::Unary(function), &[&FINITE])) {
            assert!(facts.of_finite == OfFinite::Others || y.is_finite(), "{function:?} of {x} is {y}");
            let most = most(facts.bound, &[f64::from(x.abs())]);
            assert!(y.is_nan() || y.abs() <= most, "{function:?} of {x} is {y}, beyond {most}");
            checked += 1;
        }
        for (x, y) in BROKEN.iter().zip(values(Op::Unary(function), &[&BROKEN])) {
            assert!(!facts.hands_on || !y.is_finite(), "{function:?} of {x} is {y}");
        }
    }
    assert_eq!(checked, 19 * FINITE.len());
}

#[test]
fn functions_of_two_operands_are_what_their_facts_say() {
    let all: Vec<f32> = FINITE.into_iter().chain(BROKEN).collect();
    let takes_floats = |binary: &Binary| binary.facts().takes.accepts(ElementType::F32);
    for function in BINARIES.into_iter().filter(takes_floats) {
        let facts = function.facts();
        let (left, right) = pairs(&FINITE, &FINITE);
        for (z, (x, y)) in values(Op::Binary(function), &[&left, &right]).iter().zip(left.iter().zip(&right))
        {
            assert!(facts.of_finite == OfFinite::Others || z.is_finite(), "{function:?} of {x}, {y} is {z}");
            let most = most(facts.bound, &[f64::from(x.abs()), f64::from(y.abs())]);
            assert!(z.is_nan() || z.abs() <= most, "{function:?} of {x}, {y} is {z}, beyond {most}");
        }
        let (broken, others) = pairs(&BROKEN, &all);
        for (position, operands) in [[&broken[..], &others], [&others, &broken]].iter().enumerate() {
            let whole = values(Op::Binary(function), operands).into_iter().all(|z| !z.is_finite());
            assert!(whole || !facts.hands_on[position], "{function:?} with a broken operand {position}");
        }
    }
}

#[test]
fn gradients_pass_where_facts_say_so() {
    use downhill_graph::differentiate::differentiate;
    let ops = UNARIES.into_iter().map(Op::Unary).chain(BINARIES.into_iter().map(Op::Binary));
    let mut passed = 0;
    for op in ops {
        let mut graph = Graph::new();
        let inputs = [input(&mut graph, "x"), input(&mut graph, "y")];
        let operands = &inputs[..op.facts().operands.unwrap_or(1)];
        let floats = graph.infer(&op, operands).is_ok_and(|ty| ty.element.is_float());
        if !floats {
            assert!((0..2).all(|position| !op.passes_gradient(position)), "{op:?}");
            continue;
        }
        let y = graph.add(op.clone(), operands);
        let gradients = differentiate(&mut graph, y, operands).unwrap_or_else(|error| panic!("{error}"));
        for (position, gradient) in gradients.into_iter().enumerate() {
            let is_zero = graph.constant_value(gradient) == Some(0.0);
            assert_eq!(is_zero, op.facts().slope(position) == Slope::Zero, "{op:?}, operand {position}");
            passed += usize::from(!is_zero);
        }
    }
    assert!(passed > 20, "{passed}");
}

#[test]
fn folds_begin_with_what_changes_nothing() {
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
        let start = kind.of_nothing(ElementType::F32) as f32;
        let all: Vec<f32> = FINITE.into_iter().chain(BROKEN).collect();
        let starts = vec![start; all.len()];
        let folded = values(Op::Binary(kind.facts().function), &[&starts, &all]);
        for (x, y) in all.iter().zip(folded) {
            assert!(f64::from(*x) == y || x.is_nan() && y.is_nan(), "{kind:?} of {start} and {x} is {y}");
        }
        let nothing = values(Op::Reduce { kind, axes: vec![0] }, &[&[]]);
        assert_eq!(nothing, [f64::from(start)]);
    }
}

#[test]
fn names_are_told_apart() {
    let unaries = UNARIES.map(|function| function.facts().name);
    let binaries = BINARIES.map(|function| function.facts().name);
    let names: BTreeSet<&str> = unaries.into_iter().chain(binaries).collect();
    assert_eq!(names.len(), UNARIES.len() + BINARIES.len());
}

#[test]
fn dims_are_seen_and_changed_alike() {
    let [n, m] = ["n", "m"].map(Dim::symbol);
    let shape = Shape(vec![n.clone(), m.clone()]);
    let range = |start: &Dim, end: &Dim| Range { start: start.clone(), end: end.clone(), stride: 2 };
    let padding = Padding { low: n.clone(), high: m.clone(), interior: 0 };
    let ops = [
        Op::Iota { shape: shape.clone(), axis: 0 },
        Op::RandomBits { stream: 3, shape: shape.clone() },
        Op::DimValue { dim: &n * &m, element: ElementType::F32 },
        Op::Reshape(shape.clone()),
        Op::Broadcast { shape, axes: vec![1] },
        Op::Slice(vec![range(&n, &m), range(&m, &n)]),
        Op::Pad(vec![padding]),
        Op::ScatterAdd { axis: 0, batch: 0, size: &n + &m },
    ];
    let bindings = [("n".into(), 3), ("m".into(), 5)].into();
    for op in ops {
        let bound: Vec<Dim> = op.dims().into_iter().map(|dim| dim.bind(&bindings)).collect();
        assert!(!bound.is_empty() && op.dims().iter().all(|dim| !dim.symbols().is_empty()), "{op:?}");
        assert_eq!(op.clone().map_dims(&|dim| dim.clone()), op);
        let changed = op.map_dims(&|dim| dim.bind(&bindings));
        assert_eq!(changed.dims(), bound.iter().collect::<Vec<_>>());
    }
}
