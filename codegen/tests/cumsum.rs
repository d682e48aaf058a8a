//! Cumulative sums, compiled, against the interpreter: along every axis, of every length, fused with what is before and behind them,
//! the same bits on every target, for every number of threads, with sizes known or not.

mod common;

use common::case::Case;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{NodeId, Purpose};
use downhill_graph::op::{Binary, Op, Range, Reduction, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{F32, I32, U32};
use downhill_graph::types::{Literal, Shape};

/// Around the widths of vectors and strips.
const LENGTHS: [usize; 8] = [0, 1, 2, 7, 17, 33, 130, 5000];

fn cumsum(case: &mut Case, x: NodeId, axis: usize) -> NodeId {
    case.graph.add(Op::CumulativeSum { axis }, &[x])
}

fn reverse(case: &mut Case, x: NodeId, axis: usize) -> NodeId {
    case.graph.add(Op::Reverse(vec![axis]), &[x])
}

fn exp(case: &mut Case, x: NodeId) -> NodeId {
    case.graph.add(Op::Unary(Unary::Exp), &[x])
}

fn times(case: &mut Case, x: NodeId, y: NodeId) -> NodeId {
    case.graph.add(Op::Binary(Binary::Mul), &[x, y])
}

/// What the results are, with sizes known where `fixed`.
fn found(case: &Case, fixed: bool) -> Vec<Vec<f32>> {
    let sizes = if fixed {
        case.environment.bindings(&case.graph).expect("consistent sizes")
    } else {
        Bindings::new()
    };
    let outcome = common::run(&case.graph, &case.environment, &sizes).expect("it compiles");
    outcome.results.iter().map(|(_, tensor)| tensor.as_f32().expect("f32").to_vec()).collect()
}

fn give(case: &mut Case, name: &str, shape: &[usize], values: Vec<f32>) {
    let tensor = Tensor::new(shape, values).expect("as many as the shape says");
    case.environment = std::mem::take(&mut case.environment).input(name, tensor);
}

/// The same by Kahan's method, one addition after another.
fn by_kahan(values: impl IntoIterator<Item = f32>) -> Vec<f32> {
    let (mut sum, mut excess) = (0.0_f32, 0.0_f32);
    let add = |x: f32| {
        let more = x - excess;
        let next = sum + more;
        let too_much = (next - sum) - more;
        excess = if too_much.is_finite() { too_much } else { 0.0 };
        sum = next;
        sum
    };
    values.into_iter().map(add).collect()
}

#[test]
fn along_every_axis() {
    for rank in 1..=4 {
        for axis in 0..rank {
            for length in LENGTHS.into_iter().filter(|&length| rank < 3 || length < 100) {
                let mut sizes = [3, 17, 2, 5][..rank].to_vec();
                sizes[axis] = length;
                let mut dims: Vec<String> = sizes.iter().map(usize::to_string).collect();
                dims[axis] = "n".into();
                dims[0] = if axis == 0 { "n".into() } else { "batch".into() };

                let mut case = Case::new();
                let x = case.input("x", &dims.iter().map(String::as_str).collect::<Vec<_>>(), &sizes);
                let sums = cumsum(&mut case, x, axis);
                case.output("sums", sums);
                case.check(1e-6);
            }
        }
    }
}

#[test]
fn of_integers_that_wrap() {
    for length in LENGTHS {
        let mut case = Case::new();
        let shape = Shape(vec![Dim::symbol("n"), Dim::from(3)]);
        case.input("x", &["n", "3"], &[length, 3]);
        for (element, axis) in [(I32, 0), (I32, 1), (U32, 0), (U32, 1)] {
            let index = case.graph.add(Op::Iota { shape: shape.clone(), axis: 0 }, &[]);
            let index = case.graph.add(Op::Convert(element), &[index]);
            let large = case.graph.full_like(index, 715_827_883.0);
            let terms = times(&mut case, index, large);
            let sums = cumsum(&mut case, terms, axis);
            case.output(&format!("{element} {axis}"), sums);
        }
        case.check(0.0);
    }
}

#[test]
fn of_one_element_or_of_what_stays() {
    let mut case = Case::new();
    let x = case.input("x", &["n", "1", "6"], &[9, 1, 6]);
    let one = cumsum(&mut case, x, 1);
    let two = case.graph.constant(F32, 2.0);
    let twos = case.graph.spread(two, &Shape(vec![Dim::symbol("n"), Dim::from(2)]));
    let steps = cumsum(&mut case, twos, 0);
    let sums = cumsum(&mut case, x, 2);
    let row = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[x]);
    let shape = Shape(vec![Dim::from(1), Dim::from(6), Dim::symbol("n")]);
    let spread = case.graph.add(Op::Broadcast { shape, axes: vec![0, 1] }, &[row]);
    let of_rows = cumsum(&mut case, spread, 1);
    let of_copies = cumsum(&mut case, spread, 2);
    for (name, node) in
        [("one", one), ("steps", steps), ("sums", sums), ("of rows", of_rows), ("of copies", of_copies)]
    {
        case.output(name, node);
    }
    case.check(1e-6);
}

/// With what makes the terms, and what uses the sums, in kernels beside or within.
#[test]
fn between_other_ops() {
    for sizes in [[1, 1], [5, 17], [33, 7], [130, 33], [3, 1000], [1000, 3]] {
        for axis in [0, 1] {
            let mut case = Case::new();
            let x = case.input("x", &["batch", "n"], &sizes);
            let y = case.input("y", &["batch", "n"], &sizes);
            let powers = exp(&mut case, x);
            let sums = cumsum(&mut case, powers, axis);
            let scaled = times(&mut case, sums, y);
            let again = cumsum(&mut case, scaled, axis);
            let total = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![axis] }, &[sums]);
            let product = times(&mut case, x, y);
            let backward = reverse(&mut case, product, axis);
            let backward = cumsum(&mut case, backward, axis);
            let backward = reverse(&mut case, backward, axis);
            let turned = case.graph.add(Op::Transpose(vec![1, 0]), &[x]);
            let turned = cumsum(&mut case, turned, axis);
            let across = cumsum(&mut case, sums, 1 - axis);
            let named = [
                ("scaled", scaled),
                ("again", again),
                ("total", total),
                ("backward", backward),
                ("turned", turned),
                ("across", across),
            ];
            named.into_iter().for_each(|(name, node)| case.output(name, node));
            case.check(1e-3);
        }
    }
}

/// Parts, and what is put together of parts.
#[test]
fn between_pieces() {
    let mut case = Case::new();
    let x = case.input("x", &["n", "9"], &[21, 9]);
    let whole = Range { start: 0.into(), end: Dim::symbol("n"), stride: 1 };
    let some = Range { start: 1.into(), end: 8.into(), stride: 3 };
    let part = case.graph.add(Op::Slice(vec![whole, some]), &[x]);
    let sums = cumsum(&mut case, part, 0);
    let both = case.graph.add(Op::Concatenate { axis: 1 }, &[sums, x]);
    let rows = cumsum(&mut case, both, 1);
    let columns = cumsum(&mut case, both, 0);
    let flat = case.graph.add(Op::Reshape(Shape(vec![&Dim::symbol("n") * &Dim::from(12)])), &[both]);
    let all = cumsum(&mut case, flat, 0);
    for (name, node) in [("sums", sums), ("rows", rows), ("columns", columns), ("all", all)] {
        case.output(name, node);
    }
    case.check(1e-6);
}

#[test]
fn what_is_not_finite_stays_so() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let rows = [
        vec![1.0, inf, 2.0, -3.0, 5.0, 0.0],
        vec![1.0, 2.0, -inf, 4.0, inf, 1.0],
        vec![nan, 1.0, 2.0, 3.0, 4.0, 5.0],
        vec![1.0, 2.0, 3.0, 4.0, 5.0, nan],
        // An overflow is as final; what does not overflow comes back.
        vec![f32::MAX, f32::MAX, -f32::MAX, -f32::MAX, 1.0, 1.0],
        vec![f32::MAX, 1.0, -f32::MAX, 2.0, 3.0, 4.0],
        // Sums whose rounding would overflow.
        vec![1.0 - f32::MAX, f32::MAX, f32::MAX, -f32::MAX, 3.0, -4.0],
    ];
    let expected: Vec<f32> = rows.iter().flat_map(|row| by_kahan(row.iter().copied())).collect();
    assert_eq!(expected[..4], [1.0, inf, inf, inf]);
    assert_eq!(expected[24..30], [f32::MAX, inf, inf, inf, inf, inf]);
    for turned in [false, true] {
        let mut case = Case::new();
        let (dims, sizes) = if turned { (["6", "n"], [6, 7]) } else { (["n", "6"], [7, 6]) };
        let x = case.input("x", &dims, &sizes);
        let at = |place: usize| if turned { (place % 7, place / 7) } else { (place / 6, place % 6) };
        give(&mut case, "x", &sizes, (0..42).map(|place| rows[at(place).0][at(place).1]).collect());
        let sums = cumsum(&mut case, x, usize::from(!turned));
        case.output("sums", sums);
        for fixed in [false, true] {
            for (place, &sum) in found(&case, fixed)[0].iter().enumerate() {
                let (row, column) = at(place);
                let expected = expected[6 * row + column];
                let same = sum == expected || sum.is_nan() && expected.is_nan();
                assert!(same, "sum {column} of row {row} is {sum}, expected {expected}");
            }
        }
    }
}

/// The error of a sum does not grow with its length, and its bits are those of one addition after another.
#[test]
fn long_sums_are_right() {
    for columns in [1, 16] {
        let rows = (1 << 22) / columns;
        let mut case = Case::new();
        let x = case.input("x", &["n", &columns.to_string()], &[rows, columns]);
        let values: Vec<f32> = match columns {
            1 => vec![0.1; rows],
            _ => case.numbers(rows * columns).iter().map(|x| (x + 1.0) / 2.0).collect(),
        };
        give(&mut case, "x", &[rows, columns], values.clone());
        let sums = cumsum(&mut case, x, 0);
        case.output("sums", sums);
        let generic = found(&case, false).remove(0);
        assert!(generic == found(&case, true)[0], "sizes that are known change the bits");

        for column in 0..columns {
            let column = |all: &[f32]| all[column..].iter().step_by(columns).copied().collect::<Vec<_>>();
            let (values, sums) = (column(&values), column(&generic));
            assert!(by_kahan(values.iter().copied()) == sums, "not the bits of Kahan's additions");
            let mut exact = 0.0_f64;
            for (x, sum) in values.iter().zip(sums) {
                exact += f64::from(*x);
                assert!((f64::from(sum) / exact - 1.0).abs() <= 2e-7, "{sum}, expected {exact}");
            }
        }
    }
}

/// The loops over the other axes are shared among threads.
#[test]
fn rows_are_divided() {
    for axis in [0, 1] {
        let mut case = Case::new();
        let x = case.input("x", &["300", "200"], &[300, 200]);
        let sums = cumsum(&mut case, x, axis);
        case.output("sums", sums);
        let before = common::divided();
        case.check(1e-6);
        assert!(common::divided() > before, "no thread shares sums along axis {axis}");
    }
    let mut case = Case::new();
    let x = case.input("x", &["300"], &[300]);
    let sums = cumsum(&mut case, x, 0);
    case.output("sums", sums);
    let before = common::divided();
    case.check(1e-6);
    assert_eq!(common::divided(), before, "one chain of additions is shared");
}

/// A storage becomes its own sums, in place where each iteration reads what it writes.
#[test]
fn of_storages_in_place() {
    for axis in [0, 1] {
        let mut case = Case::new();
        let s = case.storage("s", &[19, 21]);
        let t = case.storage("t", &[19, 21]);
        let sums = cumsum(&mut case, s, axis);
        let backward = reverse(&mut case, t, axis);
        let backward = cumsum(&mut case, backward, axis);
        let both = times(&mut case, s, t);
        case.output("both", both);
        case.graph.results.push((Purpose::Update(0), sums));
        case.graph.results.push((Purpose::Update(1), backward));
        case.check(1e-6);
    }
}

/// The rows of a training step's data are looked up in a table, along whichever axis they are summed.
#[test]
fn of_rows_that_are_looked_up() {
    for rows in [1, 2, 40, 75] {
        let mut case = Case::new();
        let x = case.input("x", &["batch", "6"], &[rows, 6]);
        case.storage("s", &[6]);
        case.storage("t", &[6]);
        let powers = exp(&mut case, x);
        for (number, axis) in [(0, 0), (1, 1)] {
            let sums = cumsum(&mut case, powers, axis);
            let backward = reverse(&mut case, x, axis);
            let backward = cumsum(&mut case, backward, axis);
            let both = times(&mut case, sums, backward);
            let update = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[both]);
            case.graph.results.push((Purpose::Update(number), update));
            case.output(&format!("backward {axis}"), backward);
        }
        case.check(1e-4);
    }
}

/// An update that is not finite ends the step.
#[test]
fn an_update_that_is_not_finite_is_seen() {
    for (value, stops) in [(1.0, false), (f32::NAN, true), (f32::INFINITY, true)] {
        let mut case = Case::new();
        case.storage("s", &[4, 5]);
        let x = case.input("x", &["4", "5"], &[4, 5]);
        let mut values = case.numbers(20);
        values[7] = value;
        give(&mut case, "x", &[4, 5], values);
        let sums = cumsum(&mut case, x, 1);
        let loss = case.graph.add(Op::Constant(Literal::new(F32, 1.0)), &[]);
        case.graph.results.push((Purpose::Loss("loss".into()), loss));
        case.graph.results.push((Purpose::Update(0), sums));
        let outcome = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
        assert_eq!(outcome.stopped == 0, stops, "with {value}");
        assert!(!stops || outcome.updated == 0, "storages are as they were");
    }
}
