//! Sums of any length: right to a few roundings, the same bits whether their length is known or not, on every target.

mod common;

use common::case::Case;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::NodeId;
use downhill_graph::interpret::{Precision, interpret};
use downhill_graph::op::{Binary, Op, Range, Reduction};
use downhill_graph::tensor::Tensor;

/// Around the ends of chunks: a sum of 4,096 terms is one chain, and so are 32,768 over lanes.
const LENGTHS: [usize; 6] = [1, 4095, 4096, 4097, 32_769, 70_001];

/// How far a sum of so many terms may be off: up to 4,096 it is one chain of additions.
fn most_off(terms: usize) -> f64 {
    if terms > 4096 { 1e-6 } else { 4e-6 }
}

fn sum(case: &mut Case, x: NodeId, axes: &[usize]) -> NodeId {
    case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: axes.to_vec() }, &[x])
}

/// Compares every result with the interpreter's in f64, as a share of it: the numbers that are summed are positive.
fn check_relative(case: &Case, most: f64) {
    let expected =
        interpret(&case.graph, &case.environment, Precision::F64).expect("the interpreter runs it");
    let found = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
    for ((purpose, expected), (_, found)) in expected.iter().zip(&found.results) {
        for (e, f) in expected.to_f64_vec().iter().zip(found.to_f64_vec()) {
            let off = (f / e - 1.0).abs();
            assert!(off <= most, "{purpose:?}: {f}, expected {e}, off by {off:e}");
        }
    }
}

/// `x` from 0 to 1 in the place of an input.
fn make_positive(case: &mut Case, name: &str, shape: &[usize]) {
    let values: Vec<f32> = case.numbers(shape.iter().product()).iter().map(|x| (x + 1.0) / 2.0).collect();
    let tensor = Tensor::new(shape, values).expect("as many as the shape says");
    case.environment = std::mem::take(&mut case.environment).input(name, tensor);
}

/// Sums over each axis and over both, with their greatest and least beside them.
#[test]
fn sums_of_many_lengths() {
    for rows in LENGTHS {
        for columns in if rows < 5000 { vec![1, 3, 40] } else { vec![1, 2] } {
            let mut case = Case::new();
            let x = case.input("x", &["n", &columns.to_string()], &[rows, columns]);
            make_positive(&mut case, "x", &[rows, columns]);
            for axes in [vec![0], vec![0, 1]] {
                for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
                    let folded = case.graph.add(Op::Reduce { kind, axes: axes.clone() }, &[x]);
                    case.output(&format!("{kind:?} {axes:?}"), folded);
                }
            }
            case.check(1e-4);
            check_relative(&case, most_off(rows));
        }
    }
}

/// The gradients of a dense layer: products that are summed over the rows, and what is added to every row.
fn gradients([rows, inputs, units]: [usize; 3]) {
    let mut case = Case::new();
    let x = case.input("x", &["n", &inputs.to_string()], &[rows, inputs]);
    let by = case.input("by", &["n", &units.to_string()], &[rows, units]);
    make_positive(&mut case, "x", &[rows, inputs]);
    make_positive(&mut case, "by", &[rows, units]);
    let weights = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 0)] }, &[x, by]);
    let biases = [by, x].map(|values| sum(&mut case, values, &[0]));
    case.output("weights", weights);
    case.output("bias", biases[0]);
    case.output("both", biases[1]);
    case.check(1e-4);
    check_relative(&case, most_off(rows));
}

#[test]
fn gradients_over_many_rows() {
    for rows in LENGTHS {
        gradients([rows, 5, 19]);
    }
}

/// Blocks of terms that leave a rest, within one chunk and over several; wide and narrow, whichever side is larger.
#[test]
fn gradients_in_blocks() {
    for rows in [600, 5001] {
        for [inputs, units] in [[12, 64], [64, 10], [7, 48], [1, 200]] {
            gradients([rows, inputs, units]);
        }
    }
}

/// Folds over two axes that are one walk through memory, and over two that are not.
#[test]
fn sums_over_several_axes() {
    for [batch, time] in [[1, 1], [3, 5], [700, 13], [2, 9000], [9000, 2]] {
        let mut case = Case::new();
        let x = case.input("x", &["b", "t", "6"], &[batch, time, 6]);
        let by = case.input("by", &["b", "t", "21"], &[batch, time, 21]);
        make_positive(&mut case, "x", &[batch, time, 6]);
        make_positive(&mut case, "by", &[batch, time, 21]);
        let part =
            [(0, 4), (0, 18)].map(|(first, last)| Range { start: first.into(), end: last.into(), stride: 1 });
        let whole =
            |dim: &str| Range { start: 0.into(), end: downhill_graph::dim::Dim::symbol(dim), stride: 1 };
        let g = &mut case.graph;
        let x = g.add(Op::Slice(vec![whole("b"), whole("t"), part[0].clone()]), &[x]);
        let weights = g.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 0), (1, 1)] }, &[x, by]);
        let some = g.add(Op::Slice(vec![whole("b"), whole("t"), part[1].clone()]), &[by]);
        let turned = g.add(Op::Transpose(vec![1, 0, 2]), &[by]);
        let cross = g.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 1), (1, 0)] }, &[x, turned]);
        let all = sum(&mut case, some, &[0, 1, 2]);
        let rows = sum(&mut case, some, &[0, 2]);
        let outer = sum(&mut case, by, &[0, 1]);
        for (name, node) in
            [("weights", weights), ("cross", cross), ("all", all), ("rows", rows), ("outer", outer)]
        {
            case.output(name, node);
        }
        case.check(1e-4);
        check_relative(&case, most_off(0));
    }
}

/// Two sums of what is read once.
#[test]
fn sums_beside_each_other() {
    for rows in [0, 1, 50, 5000, 40_000] {
        let mut case = Case::new();
        let x = case.input("x", &["n", "7"], &[rows, 7]);
        let by = case.input("by", &["n", "7"], &[rows, 7]);
        let square = case.graph.add(Op::Binary(Binary::Mul), &[x, x]);
        let both = case.graph.add(Op::Binary(Binary::Mul), &[x, by]);
        for (name, node) in [("x", x), ("square", square), ("both", both), ("by", by)] {
            for axes in [vec![0], vec![0, 1]] {
                let folded = sum(&mut case, node, &axes);
                case.output(&format!("{name} {axes:?}"), folded);
            }
        }
        case.check(1e-4);
    }
}

/// Two sums of what is read once, less a number and times another one of each column: what is computed beside the sums is so for each block.
#[test]
fn sums_that_take_what_is_computed_beside_them() {
    for (rows, columns) in [(3000, 40), (5001, 24), (9000, 20)] {
        let mut case = Case::new();
        let dims = ["n", &*columns.to_string()];
        let x = case.input("x", &dims, &[rows, columns]);
        let by = case.input("by", &dims, &[rows, columns]);
        let [mean, scale] = ["mean", "scale"].map(|name| case.input(name, &dims[1..], &[columns]));
        let binary = |case: &mut Case, op: Binary, x, y| case.graph.add(Op::Binary(op), &[x, y]);
        let wide = |case: &mut Case, of_column: NodeId| {
            let shape = case.graph.shape(x).clone();
            case.graph.add(Op::Broadcast { shape, axes: vec![1] }, &[of_column])
        };
        let squared = binary(&mut case, Binary::Mul, scale, scale);
        let [mean, squared] = [mean, squared].map(|of_column| wide(&mut case, of_column));
        let centred = binary(&mut case, Binary::Sub, x, mean);
        let product = binary(&mut case, Binary::Mul, by, centred);
        let scaled = binary(&mut case, Binary::Mul, by, squared);
        for (name, node) in [("by", by), ("product", product), ("scaled", scaled)] {
            let folded = sum(&mut case, node, &[0]);
            case.output(name, folded);
        }
        case.check(1e-4);
    }
}

/// What is infinite or NaN comes through, wherever it stands, and so does an overflow within a chunk or between two.
#[test]
fn sums_of_what_is_not_finite() {
    let n = 70_001;
    for (place, value, expected) in [
        (0, f32::INFINITY, f32::INFINITY),
        (40_000, f32::INFINITY, f32::INFINITY),
        (70_000, f32::NEG_INFINITY, f32::NEG_INFINITY),
        (33_000, f32::NAN, f32::NAN),
    ] {
        let mut values = vec![1.0_f32; n];
        values[place] = value;
        sums_to(values, expected);
    }
    let mut two = vec![0.0_f32; n];
    (two[5], two[60_000]) = (f32::MAX, f32::MAX);
    sums_to(two.clone(), f32::INFINITY);
    // A sum that was infinite stays so, whatever comes after it, but for what is infinite itself.
    two.push(-f32::MAX);
    sums_to(two.clone(), f32::INFINITY);
    two.push(f32::NEG_INFINITY);
    sums_to(two, f32::NAN);
}

fn sums_to(values: Vec<f32>, expected: f32) {
    let mut case = Case::new();
    let n = values.len();
    let x = case.input("x", &["n", "1"], &[n, 1]);
    let y = case.input("y", &["n", "2"], &[n, 2]);
    let twice: Vec<f32> = values.iter().flat_map(|&x| [x, x]).collect();
    let environment = std::mem::take(&mut case.environment);
    case.environment = environment
        .input("x", Tensor::new(vec![n, 1], values).expect("a column"))
        .input("y", Tensor::new(vec![n, 2], twice).expect("two columns"));
    let lanes = sum(&mut case, x, &[0]);
    let columns = sum(&mut case, y, &[0]);
    case.output("lanes", lanes);
    case.output("columns", columns);
    let sizes: Bindings = [("n".into(), n as i64)].into_iter().collect();
    for sizes in [Bindings::new(), sizes] {
        let found = common::run(&case.graph, &case.environment, &sizes).expect("it compiles");
        for (purpose, found) in &found.results {
            for &sum in &found.to_f64_vec() {
                let same = sum == f64::from(expected) || sum.is_nan() && expected.is_nan();
                assert!(same, "{purpose:?} is {sum}, expected {expected}");
            }
        }
    }
}
