//! Elements found by index and added up by index, compiled, against the interpreter: along every axis, with axes that are shared and
//! without, fused with what is before and behind them, the same bits on every target, for every number of threads, with sizes known
//! or not.

mod common;

use common::case::Case;
use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Input, NodeId, Purpose, Role};
use downhill_graph::op::{Binary, Op, Reduction, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{Bool, F32, I32};
use downhill_graph::types::{Shape, Type};

fn gather(case: &mut Case, x: NodeId, at: NodeId, axis: usize, batch: usize) -> NodeId {
    case.graph.add(Op::Gather { axis, batch }, &[x, at])
}

fn scatter(case: &mut Case, x: NodeId, at: NodeId, (axis, batch, size): (usize, usize, Dim)) -> NodeId {
    case.graph.add(Op::ScatterAdd { axis, batch, size }, &[x, at])
}

fn binary(case: &mut Case, function: Binary, x: NodeId, y: NodeId) -> NodeId {
    case.graph.add(Op::Binary(function), &[x, y])
}

fn exp(case: &mut Case, x: NodeId) -> NodeId {
    case.graph.add(Op::Unary(Unary::Exp), &[x])
}

fn dims(names: &[&str]) -> Shape {
    Shape(names.iter().map(|d| d.parse::<i64>().map_or_else(|_| Dim::symbol(d), Dim::from)).collect())
}

/// An i32 input with these values.
fn whole_numbers(case: &mut Case, name: &str, axes: &[&str], sizes: &[usize], values: Vec<i32>) -> NodeId {
    let tensor = Tensor::new(sizes, values).expect("as many as the shape says");
    case.environment = std::mem::take(&mut case.environment).input(name, tensor);
    let ty = Type::new(I32, dims(axes));
    case.graph.add_input(Input { name: name.into(), ty, role: Role::Input, below: None })
}

/// Indices into an axis of `size`: some repeat, and one in ten or so lies outside.
fn indices(case: &mut Case, name: &str, axes: &[&str], sizes: &[usize], size: usize) -> NodeId {
    let count = sizes.iter().product();
    let numbers = case.numbers(count);
    let values = numbers.iter().map(|x| ((x * 0.55 + 0.5) * size as f32).floor() as i32).collect();
    whole_numbers(case, name, axes, sizes, values)
}

/// Names of axes for these sizes: the first two are known at run time only.
fn names(sizes: &[usize]) -> Vec<String> {
    let known = |(axis, size): (usize, &usize)| if axis < 2 { format!("s{axis}") } else { size.to_string() };
    sizes.iter().enumerate().map(known).collect()
}

fn input(case: &mut Case, name: &str, axes: &[String], sizes: &[usize]) -> NodeId {
    case.input(name, &axes.iter().map(String::as_str).collect::<Vec<_>>(), sizes)
}

/// Sizes of an operand, the axis, how many axes are shared, sizes of the indices behind those.
const SHAPES: [(&[usize], usize, usize, &[usize]); 15] = [
    (&[50, 33], 0, 0, &[7, 5]),
    (&[50, 8], 0, 0, &[40]),
    (&[9], 0, 0, &[70]),
    (&[9], 0, 0, &[3, 4, 5]),
    (&[6, 4], 0, 0, &[]),
    (&[6, 4, 3], 0, 0, &[0]),
    (&[5, 7, 20], 1, 0, &[11]),
    (&[5, 40], 1, 0, &[40]),
    (&[40, 6], 1, 1, &[]),
    (&[3, 40], 1, 1, &[21]),
    (&[4, 3, 10], 2, 2, &[17]),
    (&[4, 3, 10, 6], 2, 1, &[2, 9]),
    (&[3, 1, 130], 1, 0, &[6]),
    (&[1, 17], 0, 0, &[6]),
    (&[2, 3, 4, 5], 3, 1, &[1]),
];

/// A case with an operand or updates, and indices; `of_result` says whether the first are as large as the result of a lookup.
fn case_of(
    (sizes, axis, batch, own): (&[usize], usize, usize, &[usize]),
    of_result: bool,
) -> (Case, NodeId, NodeId, Vec<String>) {
    let mut case = Case::new();
    let axes = names(sizes);
    let own_axes: Vec<String> =
        own.iter().enumerate().map(|(n, size)| if n == 0 { "m".into() } else { size.to_string() }).collect();
    let found_sizes = [&sizes[..axis], own, &sizes[axis + 1..]].concat();
    let found_axes = [&axes[..axis], &own_axes, &axes[axis + 1..]].concat();
    let x = match of_result {
        true => input(&mut case, "x", &found_axes, &found_sizes),
        false => input(&mut case, "x", &axes, sizes),
    };
    let index_axes = [&axes[..batch], &own_axes].concat();
    let index_sizes = [&sizes[..batch], own].concat();
    let index_axes: Vec<&str> = index_axes.iter().map(String::as_str).collect();
    let at = indices(&mut case, "at", &index_axes, &index_sizes, sizes[axis]);
    (case, x, at, axes)
}

#[test]
fn elements_are_found_along_every_axis() {
    for shape @ (_, axis, batch, _) in SHAPES {
        let (mut case, x, at, _) = case_of(shape, false);
        let found = gather(&mut case, x, at, axis, batch);
        case.output("found", found);
        case.check(0.0);
    }
}

#[test]
fn updates_are_added_along_every_axis() {
    for shape @ (sizes, axis, batch, _) in SHAPES {
        for known in [false, true] {
            let (mut case, x, at, axes) = case_of(shape, true);
            // The size may be any other number.
            let size = Dim::from(if known { sizes[axis] } else { sizes[axis] + 2 });
            let sums = scatter(&mut case, x, at, (axis, batch, size));
            case.output("sums", sums);
            assert_eq!(axes.len(), case.graph.shape(sums).rank());
            case.check(1e-5);
        }
    }
}

/// A sum that is a result by itself, and looked up where it is spread over an axis: the kernel that makes it has it in no memory yet.
#[test]
fn an_element_that_all_indices_stand_for() {
    let mut case = Case::new();
    let x = case.input("x", &["n"], &[5]);
    let at = whole_numbers(&mut case, "at", &["m"], &[4], vec![0, 3, 4, 9]);
    let sum = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[x]);
    let twice = binary(&mut case, Binary::Add, sum, sum);
    let wide = case.graph.spread(twice, &dims(&["n"]));
    let one = case.graph.add(Op::DimValue { dim: 1.into(), element: I32 }, &[]);
    let found = [gather(&mut case, wide, one, 0, 0), gather(&mut case, wide, at, 0, 0)];
    for (name, value) in [("twice", twice), ("one", found[0]), ("several", found[1])] {
        case.output(name, value);
    }
    case.check(1e-6);
}

/// What one index adds, in two places: the second is copied after the addition.
#[test]
fn one_update_of_two_results() {
    let mut case = Case::new();
    let x = case.input("x", &["1", "8"], &[1, 8]);
    let at = whole_numbers(&mut case, "at", &["1"], &[1], vec![4]);
    let sums = scatter(&mut case, x, at, (0, 0, 10.into()));
    case.output("sums", sums);
    case.output("again", sums);
    case.check(0.0);
}

/// Computed tables, tables seen through views, lookups of lookups, what uses them, and their gradients of first and second order.
#[test]
fn between_other_ops() {
    for [rows, width, batch, time] in [[5, 3, 2, 3], [33, 17, 7, 1], [50, 64, 1, 9], [9, 130, 11, 4]] {
        let mut case = Case::new();
        let (n, w) = (rows.to_string(), width.to_string());
        let table = case.input("table", &[&n, &w], &[rows, width]);
        let y = case.input("y", &["batch", "time", &w], &[batch, time, width]);
        let at = indices(&mut case, "at", &["batch", "time"], &[batch, time], rows);
        let columns = indices(&mut case, "columns", &["k"], &[5], width);

        let found = gather(&mut case, table, at, 0, 0);
        let scaled = binary(&mut case, Binary::Mul, found, y);
        let powers = exp(&mut case, table);
        let of_powers = gather(&mut case, powers, at, 0, 0);
        let both = binary(&mut case, Binary::Add, scaled, of_powers);
        let mean = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[both]);
        let turned = case.graph.add(Op::Transpose(vec![1, 0]), &[table]);
        let of_columns = gather(&mut case, turned, columns, 0, 0);
        let across = gather(&mut case, turned, at, 1, 0);
        let again = gather(&mut case, found, columns, 2, 0);
        let product =
            case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(2, 1)] }, &[found, table]);
        let total = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0, 1, 2] }, &[again]);

        let square = binary(&mut case, Binary::Mul, both, both);
        let loss = exp(&mut case, square);
        let gradients = differentiate(&mut case.graph, loss, &[table, y]).expect("has gradients");
        let cube = binary(&mut case, Binary::Mul, gradients[0], table);
        let second = differentiate(&mut case.graph, cube, &[table, y]).expect("has gradients");
        let named = [
            ("found", found),
            ("scaled", scaled),
            ("mean", mean),
            ("of columns", of_columns),
            ("across", across),
            ("again", again),
            ("product", product),
            ("total", total),
        ];
        named.into_iter().for_each(|(name, node)| case.output(name, node));
        for (number, gradient) in gradients.into_iter().chain(second).enumerate() {
            case.output(&format!("gradient {number}"), gradient);
        }
        case.check(2e-3);
    }
}

/// Numbers that are no floats, and what is the same everywhere.
#[test]
fn of_other_types() {
    let mut case = Case::new();
    let x = case.input("x", &["n", "6"], &[9, 6]);
    let at = indices(&mut case, "at", &["m"], &[40], 9);
    let zero = case.graph.full_like(x, 0.0);
    let mask = case.graph.add(Op::Compare(downhill_graph::op::Compare::Greater), &[x, zero]);
    let masks = gather(&mut case, mask, at, 0, 0);
    let counts = case.graph.add(Op::Iota { shape: dims(&["n", "6"]), axis: 1 }, &[]);
    let whole = gather(&mut case, counts, at, 0, 0);
    let added = scatter(&mut case, whole, at, (0, 0, 11.into()));
    let same = gather(&mut case, zero, at, 0, 0);
    let same = scatter(&mut case, same, at, (0, 0, 3.into()));
    let row = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[x]);
    let rows = case.graph.add(Op::Broadcast { shape: dims(&["n", "6"]), axes: vec![1] }, &[row]);
    let spread = gather(&mut case, rows, at, 0, 0);
    assert_eq!([masks, whole].map(|id| case.graph.ty(id).element), [Bool, I32]);
    for (name, node) in
        [("masks", masks), ("whole", whole), ("added", added), ("same", same), ("spread", spread)]
    {
        case.output(name, node);
    }
    case.check(1e-5);
}

/// 100,000 updates of three rows: the bits of one addition after another, for any number of threads and any target.
#[test]
fn many_updates_of_one_row_are_one_chain() {
    const COUNT: usize = 100_000;
    let mut case = Case::new();
    let x = case.input("x", &["n", "200"], &[COUNT, 200]);
    let values: Vec<i32> = (0..COUNT).map(|n| [4, 4, 0, 4, 2][n % 5]).collect();
    let at = whole_numbers(&mut case, "at", &["n"], &[COUNT], values.clone());
    let sums = scatter(&mut case, x, at, (0, 0, 5.into()));
    case.output("sums", sums);

    let Some(tensor) = case.environment.inputs.get("x") else { panic!("an input") };
    let mut expected = vec![0.0_f32; 5 * 200];
    for (row, &at) in tensor.as_f32().expect("f32").chunks(200).zip(&values) {
        expected[at as usize * 200..].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }

    let before = common::divided();
    let found = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
    assert!(common::divided() > before, "no thread shares the columns");
    assert!(
        found.results[0].1.as_f32().expect("f32") == expected,
        "not the bits of one addition after another"
    );
    let sizes = case.environment.bindings(&case.graph).expect("consistent sizes");
    let fixed = common::run(&case.graph, &case.environment, &sizes).expect("it compiles");
    assert!(fixed.results[0].1.as_f32().expect("f32") == expected, "sizes that are known change the bits");
}

/// Storages are looked up, and updated by what was added by index.
#[test]
fn of_storages() {
    let mut case = Case::new();
    let table = case.storage("table", &[19, 21]);
    case.storage("sums", &[19, 21]);
    case.storage("moved", &[8, 21]);
    let at = indices(&mut case, "at", &["batch"], &[8], 19);
    let y = case.input("y", &["batch", "21"], &[8, 21]);
    let found = gather(&mut case, table, at, 0, 0);
    let loss = binary(&mut case, Binary::Mul, found, y);
    let gradient = differentiate(&mut case.graph, loss, &[table]).expect("has a gradient")[0];
    let rate = case.graph.full_like(gradient, 0.5);
    let step = binary(&mut case, Binary::Mul, gradient, rate);
    let next = binary(&mut case, Binary::Sub, table, step);
    let first_rows = case.graph.add(Op::Iota { shape: dims(&["8"]), axis: 0 }, &[]);
    let rows = gather(&mut case, table, first_rows, 0, 0);
    case.output("found", found);
    case.output("the sums", gradient);
    for (number, node) in [next, gradient, rows].into_iter().enumerate() {
        case.graph.results.push((Purpose::Update(number), node));
    }
    case.check(1e-6);
}

/// The rows of a training step's data are looked up in a table themselves.
#[test]
fn of_rows_that_are_looked_up() {
    for rows in [1, 2, 40, 75] {
        let mut case = Case::new();
        let table = case.storage("table", &[9, 6]);
        let x = case.input("x", &["batch", "6"], &[rows, 6]);
        let at = indices(&mut case, "at", &["batch", "3"], &[rows, 3], 9);
        let of_row = indices(&mut case, "class", &["batch"], &[rows], 6);
        let found = gather(&mut case, table, at, 0, 0);
        let picked = gather(&mut case, x, of_row, 1, 1);
        let permuted = gather(&mut case, x, of_row, 0, 0);
        let loss = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[found]);
        let loss = binary(&mut case, Binary::Mul, loss, x);
        let gradient = differentiate(&mut case.graph, loss, &[table]).expect("has a gradient")[0];
        case.graph.results.push((Purpose::Update(0), gradient));
        for (name, node) in [("found", found), ("picked", picked), ("permuted", permuted)] {
            case.output(name, node);
        }
        case.check(1e-5);
    }
}

/// What is not finite is seen, before a storage is written.
#[test]
fn an_update_that_is_not_finite_is_seen() {
    for (value, stops) in [(1.0, false), (f32::NAN, true), (f32::INFINITY, true)] {
        for of_table in [false, true] {
            let mut case = Case::new();
            case.storage("s", &[4, 5]);
            let x = case.input("x", &["4", "5"], &[4, 5]);
            let mut values = case.numbers(20);
            values[7] = value;
            let tensor = Tensor::new([4, 5], values).expect("twenty");
            case.environment = std::mem::take(&mut case.environment).input("x", tensor);
            let at = whole_numbers(&mut case, "at", &["4"], &[4], vec![1, 1, 3, 0]);
            let next = match of_table {
                true => gather(&mut case, x, at, 0, 0),
                false => scatter(&mut case, x, at, (0, 0, 4.into())),
            };
            let loss = case.graph.constant(F32, 1.0);
            case.graph.results.push((Purpose::Loss("loss".into()), loss));
            case.graph.results.push((Purpose::Update(0), next));
            let outcome = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
            assert_eq!(outcome.stopped == 0, stops, "with {value}, looked up: {of_table}");
            assert!(!stops || outcome.updated == 0, "storages are as they were");
        }
    }
}

/// `w − η·Σ`, where the sums are those of updates by index: few rows of the table are written, each once for every index.
fn descent(sizes: [usize; 2], of: &[usize], values: Option<Vec<i32>>) -> Case {
    let [rows, width] = sizes;
    let mut case = Case::new();
    let table = case.storage("table", &[rows, width]);
    let rate = case.input("rate", &[], &[]);
    let known: Vec<String> = of.iter().skip(1).map(usize::to_string).collect();
    let axes: Vec<&str> = ["batch"].into_iter().chain(known.iter().map(String::as_str)).collect();
    let at = match values {
        Some(values) => whole_numbers(&mut case, "at", &axes, of, values),
        None => indices(&mut case, "at", &axes, of, rows),
    };
    let w = width.to_string();
    let y_axes: Vec<&str> = axes.iter().copied().chain([w.as_str()]).collect();
    let y = case.input("y", &y_axes, &[of, &[width]].concat());
    let found = gather(&mut case, table, at, 0, 0);
    let product = binary(&mut case, Binary::Mul, found, y);
    let product = binary(&mut case, Binary::Mul, product, found);
    let gradient = differentiate(&mut case.graph, product, &[table]).expect("has a gradient")[0];
    let rate = case.graph.spread(rate, &dims(&[&rows.to_string(), &w]));
    let step = binary(&mut case, Binary::Mul, gradient, rate);
    let next = binary(&mut case, Binary::Sub, table, step);
    let axes = (0..=of.len()).collect();
    let loss = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes }, &[product]);
    case.graph.results.push((Purpose::Loss("loss".into()), loss));
    case.graph.results.push((Purpose::Update(0), next));
    case
}

#[test]
fn few_rows_are_updated() {
    for sizes in [[300, 1], [300, 5], [257, 130], [1000, 64]] {
        for batch in [0, 1, 2, 7, 40] {
            descent(sizes, &[batch], None).check(1e-5);
        }
        descent(sizes, &[9, 1], None).check(1e-5);
    }
    for [rows, time] in [[600, 2], [1100, 4]] {
        descent([rows, 20], &[5, time], None).check(1e-5);
        descent([rows, 20], &[0, time], None).check(1e-5);
    }
}

/// A row that comes up again and again has one sum, in the order in which it came up, and one update of it.
#[test]
fn a_row_that_comes_up_again_is_updated_once() {
    let values: Vec<i32> = (0..500).map(|i| [3, 3, 299, 3, 0, 7][i % 6]).collect();
    let case = descent([300, 70], &[500], Some(values.clone()));
    case.check(1e-4);
    let read = |name: &str| case.environment.inputs[name].as_f32().expect("f32").to_vec();
    let (y, rate) = (read("y"), read("rate")[0]);
    let before = case.environment.storages["table"].as_f32().expect("f32").to_vec();
    let mut expected = before.clone();
    for row in [3, 299, 0, 7] {
        for column in 0..70 {
            let w = before[row * 70 + column];
            let of_row = values.iter().enumerate().filter(|(_, at)| **at as usize == row);
            let sum = of_row.fold(0.0_f32, |sum, (n, _)| {
                let y = y[n * 70 + column];
                sum + (w * y + w * y)
            });
            expected[row * 70 + column] = w - sum * rate;
        }
    }
    let outcome = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
    let after = outcome.results[1].1.as_f32().expect("f32").to_vec();
    let touched = [3, 299, 0, 7];
    for (place, ((after, expected), before)) in after.iter().zip(&expected).zip(&before).enumerate() {
        if touched.contains(&(place / 70)) {
            assert!(
                (after - expected).abs() <= 1e-4 * expected.abs().max(1.0),
                "{place}: {after}, {expected}"
            );
        } else {
            assert_eq!(after.to_bits(), before.to_bits(), "{place} was not looked up");
        }
    }
}

/// Nothing is written where a new row is not finite.
#[test]
fn rows_that_are_not_finite_are_not_stored() {
    for (value, stops) in [(1.0, false), (f32::NAN, true), (f32::INFINITY, true), (f32::NEG_INFINITY, true)] {
        let mut case = descent([300, 5], &[4], Some(vec![1, 2, 2, 3]));
        let mut values = case.numbers(20);
        values[13] = value;
        let tensor = Tensor::new([4, 5], values).expect("twenty");
        case.environment = std::mem::take(&mut case.environment).input("y", tensor);
        // The loss does not tell.
        let loss = case.graph.constant(F32, 1.0);
        case.graph.results[0].1 = loss;
        let outcome = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
        let before = case.environment.storages["table"].as_f32().expect("f32");
        let after = outcome.results[1].1.as_f32().expect("f32");
        assert_eq!((outcome.stopped == 0, before == after), (stops, stops), "with {value}");
        assert!(!stops || outcome.updated == 0, "storages are as they were");
    }
}
