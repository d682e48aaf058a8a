//! Every elementwise op of every type it takes, compiled, against the interpreter: on special values and all pairs of them, at
//! lengths around those of vectors.
//!
//! The lists of ops are checked for completeness while this file is compiled: a new op has no arm there.

mod common;

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::{Binary, Compare, Op, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, Bool, F32, F64, I32, U32};
use downhill_graph::types::{Shape, Type};

/// All variants of an enum: leaving one out is an error of the compiler.
macro_rules! all {
    ($enum:ident: $($variant:ident),* $(,)?) => {{
        const _: fn($enum) = |variant| match variant { $($enum::$variant => (),)* };
        [$($enum::$variant),*]
    }};
}

const UNARY: [Unary; 20] = all![Unary: Neg, Exp, Expm1, Log, Log1p, Sqrt, Tanh, Logistic, Softplus, Sin, Cos, Erf, NormalCdf, Bell, Abs, Sign, Floor, IsFinite, Ordinal, Not];
const BINARY: [Binary; 13] =
    all![Binary: Add, Sub, Mul, Div, Max, Min, Pow, And, Or, Xor, ShiftLeft, ShiftRight, Threefry];
const COMPARE: [Compare; 6] = all![Compare: Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual];
const TYPES: [ElementType; 5] = all![ElementType: F32, F64, I32, U32, Bool];
const LENGTHS: [usize; 9] = [0, 1, 3, 4, 5, 15, 16, 17, 33];

/// Values at which something special happens.
fn special(element: ElementType) -> Vec<f64> {
    let tiny = f64::from(f32::from_bits(1));
    match element {
        F32 => vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            tiny,
            -tiny,
            f64::from(f32::MIN_POSITIVE),
            1.0,
            -1.0,
            0.5,
            -2.5,
            3.0,
            1e4,
            -1e4,
            20.0,
            -20.0,
            88.0,
            -104.0,
            f64::from(f32::MAX),
            f64::from(f32::MIN),
            2147483648.0,
            -2147483904.0,
            4294967296.0,
        ],
        I32 => [0, 1, -1, 2, -7, 31, 32, 33, 65, 255, 16777217, -16777219, i32::MIN, i32::MIN + 1, i32::MAX]
            .map(f64::from)
            .to_vec(),
        U32 => [0, 1, 2, 31, 32, 33, 65, 255, 16777217, 2147483647, 2147483648, 4294967040, u32::MAX]
            .map(f64::from)
            .to_vec(),
        Bool => vec![0.0, 1.0],
        F64 => Vec::new(),
    }
}

/// All pairs of special values, as two columns.
fn pairs(element: ElementType) -> (Vec<f64>, Vec<f64>) {
    let values = special(element);
    values.iter().flat_map(|&x| values.iter().map(move |&y| (x, y))).unzip()
}

/// How far compiled code may be off, in units of the last place of the correctly rounded result.
fn units(op: &Op) -> u32 {
    match op {
        Op::Unary(Unary::NormalCdf) => 7,
        Op::Unary(Unary::Logistic) => 4,
        Op::Unary(Unary::Tanh | Unary::Softplus | Unary::Bell) => 3,
        Op::Unary(
            Unary::Exp | Unary::Expm1 | Unary::Log | Unary::Log1p | Unary::Sin | Unary::Cos | Unary::Erf,
        ) => 2,
        Op::Binary(Binary::Pow) => 4,
        _ => 0,
    }
}

/// The place of a float in the order of all floats; both zeros have the same.
fn place(x: f32) -> i64 {
    let size = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -size } else { size }
}

fn alike(op: &Op, element: ElementType, expected: f64, found: f64) -> bool {
    match op {
        _ if element != F32 => expected == found,
        _ if expected.is_nan() || found.is_nan() => expected.is_nan() && found.is_nan(),
        _ => place(expected as f32).abs_diff(place(found as f32)) <= u64::from(units(op)),
    }
}

/// Every op on operands of this type, with the nodes of its operands.
fn all_ops(graph: &mut Graph, element: ElementType, x: NodeId, y: NodeId) -> Vec<(Op, NodeId)> {
    let candidates =
        UNARY.map(Op::Unary).into_iter().chain(BINARY.map(Op::Binary)).chain(COMPARE.map(Op::Compare));
    // Inference says which types an op takes.
    let mut made: Vec<(Op, NodeId)> = candidates
        .filter_map(|op| {
            let operands: &[NodeId] = if matches!(op, Op::Unary(_)) { &[x] } else { &[x, y] };
            graph.try_add(op.clone(), operands).ok().map(|node| (op, node))
        })
        .collect();
    for to in TYPES.into_iter().filter(|to| *to != F64) {
        made.push((Op::Convert(to), graph.add(Op::Convert(to), &[x])));
    }
    let mask = graph.add(Op::Compare(Compare::LessEqual), &[x, y]);
    made.push((Op::Select, graph.add(Op::Select, &[mask, y, x])));
    if element == F32 {
        let zero = graph.full_like(x, 0.0);
        let negative = graph.add(Op::Compare(Compare::LessEqual), &[x, zero]);
        made.push((Op::Select, graph.add(Op::Select, &[negative, zero, x])));
    }
    made
}

fn check(element: ElementType, xs: &[f64], ys: &[f64]) {
    let mut graph = Graph::new();
    let ty = Type::new(element, Shape(vec![Dim::symbol("n")]));
    let [x, y] = ["x", "y"].map(|name| {
        graph.add_input(Input { name: name.into(), ty: ty.clone(), role: Role::Input, below: None })
    });
    let made = all_ops(&mut graph, element, x, y);
    graph.results = made
        .iter()
        .enumerate()
        .map(|(n, (_, node))| (Purpose::Output(format!("{n}").into()), *node))
        .collect();
    let tensor = |values: &[f64]| {
        Tensor::from_f64(element, [values.len()], values).expect("as many as the shape says")
    };
    let environment = Environment::new().input("x", tensor(xs)).input("y", tensor(ys));
    let expected = interpret(&graph, &environment, Precision::F32).expect("the interpreter runs it");
    let found = common::run(&graph, &environment, &Bindings::new()).expect("it compiles");
    assert_eq!(found.stopped, -1);
    for (((op, node), (_, expected)), (_, found)) in made.iter().zip(&expected).zip(&found.results) {
        let result = graph.ty(*node).element;
        for (n, (e, f)) in expected.to_f64_vec().into_iter().zip(found.to_f64_vec()).enumerate() {
            assert!(
                alike(op, result, e, f),
                "{op:?} of {element} {} and {} is {f:e}, expected {e:e} (element {n} of {})",
                xs[n],
                ys[n],
                xs.len()
            );
        }
    }
}

/// Pairs in windows of each length, so that every value stands in whole vectors and in what is left over.
fn check_all(element: ElementType) {
    let (xs, ys) = pairs(element);
    check(element, &xs, &ys);
    for (n, length) in LENGTHS.into_iter().enumerate() {
        let window =
            |values: &[f64]| values.iter().cycle().skip(37 * n).take(length).copied().collect::<Vec<_>>();
        check(element, &window(&xs), &window(&ys));
    }
}

#[test]
fn floats() {
    check_all(F32);
}

#[test]
fn signed_integers() {
    check_all(I32);
}

#[test]
fn unsigned_integers() {
    check_all(U32);
}

#[test]
fn booleans() {
    check_all(Bool);
}

/// Of each type, as many ops as its meaning has: an op that inference stopped taking would silently drop out of these tests.
#[test]
fn ops_by_type() {
    let count = |element: ElementType| {
        let mut graph = Graph::new();
        let x = graph.add_input(Input {
            name: "x".into(),
            ty: Type::new(element, Shape::scalar()),
            role: Role::Input,
            below: None,
        });
        all_ops(&mut graph, element, x, x).len()
    };
    let (comparisons, conversions, select) = (6, 4, 1);
    let common = comparisons + conversions + select;
    assert_eq!(count(F32), 19 + 7 + common + 1, "all unary but `not`; + − · / max min pow; the rectifier");
    assert_eq!(count(I32), 4 + 11 + common, "neg abs sign not; + − · max min, and or xor, shifts, hash");
    assert_eq!(count(U32), 4 + 11 + common);
    assert_eq!(count(Bool), 1 + 3 + common, "not; and or xor");
}
