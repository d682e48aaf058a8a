//! Compiled entries against the interpreter, over ops, layouts and odd sizes.

mod common;

use common::case::Case;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{NodeId, Purpose};
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape};

const F32: ElementType = ElementType::F32;

const SIZES: [usize; 8] = [0, 1, 2, 3, 7, 17, 50, 130];

#[test]
fn products_in_all_layouts() {
    for (m, k, n) in [
        (1, 1, 1),
        (1, 50, 1),
        (3, 2, 50),
        (8, 16, 16),
        (9, 17, 33),
        (64, 20, 10),
        (1, 30, 40),
        (5, 0, 4),
        (0, 3, 4),
        (13, 40, 1),
        (17, 21, 100),
        (7, 50, 145),
        (50, 7, 113),
    ] {
        for (x_axis, y_axis) in [(1, 0), (0, 0), (1, 1), (0, 1)] {
            let mut case = Case::new();
            let x = if x_axis == 1 {
                case.input("x", &["b", "k"], &[m, k])
            } else {
                case.input("x", &["k", "b"], &[k, m])
            };
            let y = if y_axis == 0 {
                case.input("y", &["k", "n"], &[k, n])
            } else {
                case.input("y", &["n", "k"], &[n, k])
            };
            let z =
                case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(x_axis, y_axis)] }, &[x, y]);
            let z = case.graph.add(Op::Unary(Unary::Tanh), &[z]);
            case.output("z", z);
            case.check(1e-5);
        }
    }
}

#[test]
fn batched_products() {
    let before = common::divided();
    let mut case = Case::new();
    let x = case.input("x", &["b", "4", "m", "k"], &[3, 4, 5, 6]);
    let y = case.input("y", &["b", "4", "n", "k"], &[3, 4, 70, 6]);
    let z = case.graph.add(Op::DotGeneral { batch: vec![(0, 0), (1, 1)], contract: vec![(3, 3)] }, &[x, y]);
    let both =
        case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 0), (1, 1), (2, 2)] }, &[z, z]);
    case.output("z", z);
    case.output("both", both);
    case.check(1e-5);
    assert!(common::divided() > before, "with several threads kernels are divided");
}

/// Too large a right factor to be read where it lies by as many rows as there may be; by the few of the fixed variant it is.
#[test]
fn a_product_of_a_large_factor() {
    let mut case = Case::new();
    let x = case.input("x", &["b", "600"], &[3, 600]);
    let y = case.storage("y", &[600, 1000]);
    let z = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, y]);
    case.output("z", z);
    case.check(1e-4);
}

/// The right factor is strided in a kernel that does more with each row than the product.
#[test]
fn a_fold_over_rows_of_a_product_with_a_transposed_factor() {
    for rows in [1, 9, 40] {
        let mut case = Case::new();
        let x = case.input("x", &["b", "30"], &[rows, 30]);
        let y = case.storage("y", &[70, 30]);
        let z = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 1)] }, &[x, y]);
        let greatest = case.graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![1] }, &[z]);
        case.output("z", z);
        case.output("greatest", greatest);
        case.check(1e-5);
    }
}

#[test]
fn reductions_over_any_axes() {
    for &a in &SIZES {
        for &b in &SIZES[..6] {
            for axes in [vec![0], vec![1], vec![0, 1]] {
                let mut case = Case::new();
                let x = case.input("x", &["a", "b"], &[a, b]);
                for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
                    let r = case.graph.add(Op::Reduce { kind, axes: axes.clone() }, &[x]);
                    case.output(&format!("{kind:?}"), r);
                }
                case.check(1e-5);
            }
        }
    }
}

#[test]
fn softmax_rows_in_one_kernel() {
    for &(rows, columns) in &[(1, 1), (5, 10), (64, 17), (3, 130)] {
        let mut case = Case::new();
        let x = case.input("x", &["batch", "10"], &[rows, 10]);
        let w = case.storage("w", &[10, columns]);
        let z = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, w]);
        let shape = case.graph.shape(z).clone();
        let greatest = case.graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![1] }, &[z]);
        let greatest = case.graph.add(Op::Broadcast { shape: shape.clone(), axes: vec![0] }, &[greatest]);
        let shifted = case.graph.add(Op::Binary(Binary::Sub), &[z, greatest]);
        let e = case.graph.add(Op::Unary(Unary::Exp), &[shifted]);
        let sum = case.graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[e]);
        let sum = case.graph.add(Op::Broadcast { shape, axes: vec![0] }, &[sum]);
        let p = case.graph.add(Op::Binary(Binary::Div), &[e, sum]);
        case.output("p", p);
        let best = case.graph.add(Op::ArgMax { axis: 1 }, &[p]);
        case.output("best", best);
        case.check(1e-5);
    }
}

#[test]
fn moves_fold_into_accesses() {
    let mut case = Case::new();
    let x = case.input("x", &["b", "6", "5"], &[4, 6, 5]);
    let g = &mut case.graph;
    let t = g.add(Op::Transpose(vec![2, 0, 1]), &[x]);
    let ranges = [(0, 5, 2), (1, 3, 1), (2, 6, 3)];
    let s = g.add(
        Op::Slice(
            ranges.iter().map(|&(a, b, stride)| Range { start: a.into(), end: b.into(), stride }).collect(),
        ),
        &[t],
    );
    let r = g.add(Op::Reverse(vec![0, 2]), &[s]);
    let flat =
        g.add(Op::Reshape(Shape(vec![(&(&g.shape(r).dims()[0].clone() * &2.into()) * &2.into())])), &[r]);
    let sine = g.add(Op::Unary(Unary::Sin), &[flat]);
    let p = g.add(Op::Pad(vec![Padding { low: 2.into(), high: 1.into(), interior: 1 }]), &[sine]);
    let c = g.add(Op::Concatenate { axis: 0 }, &[p, flat, p]);
    let index = g.add(Op::Iota { shape: g.shape(c).clone(), axis: 0 }, &[]);
    let index = g.add(Op::Convert(F32), &[index]);
    let out = g.add(Op::Binary(Binary::Mul), &[c, index]);
    case.output("out", out);
    case.output("r", r);
    case.output("x", x);
    case.check(1e-5);
}

#[test]
fn a_flattened_batch() {
    for rows in [0, 1, 5] {
        let mut case = Case::new();
        let x = case.input("x", &["b", "3", "4"], &[rows, 3, 4]);
        let flat = case.graph.add(Op::Reshape(Shape(vec![Dim::symbol("b"), 12.into()])), &[x]);
        let w = case.storage("w", &[12, 5]);
        let z = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[flat, w]);
        case.output("z", z);
        case.check(1e-5);
    }
}

/// Rows against columns of one value: what makes the value may not be fused with what reads other rows of it.
#[test]
fn a_product_of_a_value_with_itself() {
    for batch in [(0, 1), (1, 0)] {
        let mut case = Case::new();
        let x = case.input("x", &["b", "b"], &[5, 5]);
        let y = case.graph.add(Op::Unary(Unary::Tanh), &[x]);
        let z = case
            .graph
            .add(Op::DotGeneral { batch: vec![batch], contract: vec![(batch.1, batch.0)] }, &[y, y]);
        case.output("z", z);
        case.check(1e-5);
    }
}

/// Every storage takes a value made of others' old values: in a circle, transposed, and after a product of itself.
/// With known sizes, where counters are numbers, an element for all lanes lies beside those of a tile, and is no part of it.
#[test]
fn products_of_the_columns_of_few_rows() {
    for rows in [1, 2, 3, 4, 5, 7, 8, 9, 16, 17] {
        for columns in [2, 3, 4] {
            let mut case = Case::new();
            let x = case.input("x", &["b", "5", &columns.to_string()], &[rows, 5, columns]);
            let twice = case.graph.add(Op::Binary(Binary::Add), &[x, x]);
            let dot = Op::DotGeneral { batch: vec![], contract: vec![(1, 1)] };
            let products = case.graph.add(dot, &[twice, twice]);
            case.output("products", products);
            case.check(1e-5);
        }
    }
}

#[test]
fn updates_are_simultaneous() {
    let mut case = Case::new();
    let (a, b, c) = (case.storage("a", &[6, 6]), case.storage("b", &[6, 6]), case.storage("c", &[6, 6]));
    let x = case.input("x", &["n"], &[3]);
    let g = &mut case.graph;
    let loss = g.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[x]);
    let turned = g.add(Op::Transpose(vec![1, 0]), &[c]);
    let product = g.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[b, b]);
    let next = [b, g.add(Op::Binary(Binary::Add), &[product, a]), turned];
    g.results.push((Purpose::Loss("loss".into()), loss));
    next.iter().enumerate().for_each(|(n, &node)| g.results.push((Purpose::Update(n), node)));
    case.check(1e-5);
    case.environment = case.environment.clone().input("x", [f32::NAN, 0.0, 0.0]);
    let stopped = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
    assert_eq!(stopped.stopped, 0);
    for (n, name) in ["a", "b", "c"].iter().enumerate() {
        assert_eq!(
            stopped.results[n + 1].1,
            case.environment.storages[*name],
            "an update before the loss was known to be finite"
        );
    }
}

/// The loss needs a new value of a storage: with it, before it, or as it.
#[test]
fn a_loss_of_updated_values() {
    for (shape, same_kernel) in [(vec![], true), (vec![3], false)] {
        let mut case = Case::new();
        let (s, x) = (case.storage("s", &shape), case.input("x", &["n"], &[2]));
        let axes = (0..shape.len()).collect();
        let g = &mut case.graph;
        let new = g.add(Op::Unary(Unary::Neg), &[s]);
        let given = g.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[x]);
        let total = g.add(Op::Reduce { kind: Reduction::Sum, axes }, &[new]);
        let loss = if same_kernel { new } else { g.add(Op::Binary(Binary::Add), &[total, given]) };
        g.results.push((Purpose::Loss("loss".into()), loss));
        g.results.push((Purpose::Update(0), new));
        case.output("new", new);
        case.output("old", s);
        case.check(1e-6);
        case.environment = case.environment.clone().input("x", [f32::NAN, 0.0]);
        let stopped = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
        assert_eq!(stopped.stopped, if same_kernel { -1 } else { 0 });
        if !same_kernel {
            assert_eq!(
                stopped.results[1].1, case.environment.storages["s"],
                "an update before the loss was known to be finite"
            );
        }
    }
}

/// A scalar's update and a loss made of it fall into one kernel.
#[test]
fn a_loss_beside_an_update() {
    let mut case = Case::new();
    let s = case.storage("s", &[]);
    let new = case.graph.add(Op::Unary(Unary::Log), &[s]);
    case.graph.results.push((Purpose::Loss("loss".into()), new));
    case.graph.results.push((Purpose::Update(0), new));
    case.environment = case.environment.clone().storage("s", 0.0_f32);
    let stopped = common::run(&case.graph, &case.environment, &Bindings::new()).expect("it compiles");
    assert_eq!(stopped.stopped, 0);
    assert_eq!(
        stopped.results[1].1,
        Tensor::scalar(0.0_f32),
        "an update before the loss was known to be finite"
    );
}

#[test]
fn folds_and_copies_of_empty_axes() {
    let mut case = Case::new();
    let (x, y) = (case.input("x", &["b", "0", "3"], &[2, 0, 3]), case.input("y", &["b", "t"], &[2, 0]));
    for kind in [Reduction::Sum, Reduction::Max, Reduction::Min] {
        let folded = case.graph.add(Op::Reduce { kind, axes: vec![1] }, &[x]);
        case.output(&format!("{kind:?}"), folded);
    }
    let negative = case.graph.add(Op::Unary(Unary::Neg), &[x]);
    case.output("negative", negative);
    case.output("y", y);
    case.check(0.0);
}

#[test]
fn the_greatest_of_nothing_and_of_booleans() {
    for size in [0, 1, 4] {
        let mut case = Case::new();
        let x = case.input("x", &["b", "t"], &[3, size]);
        let zero = case.graph.full_like(x, 0.0);
        let mask = case.graph.add(Op::Compare(Compare::Less), &[zero, x]);
        for (name, node) in [("floats", x), ("booleans", mask)] {
            let best = case.graph.add(Op::ArgMax { axis: 1 }, &[node]);
            case.output(name, best);
        }
        case.check(0.0);
    }
}

#[test]
fn a_rectifier_passes_nan_and_stops_at_zero() {
    let mut case = Case::new();
    let x = case.input("x", &["n"], &[7]);
    let zero = case.graph.full_like(x, 0.0);
    let mask = case.graph.add(Op::Compare(Compare::LessEqual), &[x, zero]);
    let relu = case.graph.add(Op::Select, &[mask, zero, x]);
    case.output("relu", relu);
    case.output("mask", mask);
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, 1e-45, -1e-45];
    case.environment = case.environment.clone().input("x", values);
    case.check(0.0);
}

#[test]
fn random_bits_are_the_interpreters() {
    for step in [0, 5, 1 << 33] {
        let mut case = Case::new();
        let x = case.input("x", &["n"], &[37]);
        let shape = case.graph.shape(x).clone();
        for stream in [0, 3] {
            let bits = case.graph.add(Op::RandomBits { stream, shape: shape.clone() }, &[]);
            case.output(&format!("bits{stream}"), bits);
        }
        let float = case.graph.add(Op::Unary(Unary::Exp), &[x]);
        case.output("y", float);
        case.environment.seed = 0x1234_5678_9abc_def0;
        case.environment.step = step;
        case.check(1e-5);
    }
}

/// So many rows that they are multiplied block by block, with a remainder; the right factor is read in place, packed, or turned.
#[test]
fn a_product_of_many_rows() {
    for (rows, inner, columns) in [(231, 40, 40), (200, 85, 33), (192, 40, 130)] {
        for turned in [false, true] {
            let mut case = Case::new();
            let x = case.input("x", &["b", &inner.to_string()], &[rows, inner]);
            let y = case.storage("y", &if turned { [columns, inner] } else { [inner, columns] });
            let contract = vec![(1, usize::from(turned))];
            let z = case.graph.add(Op::DotGeneral { batch: vec![], contract }, &[x, y]);
            let z = case.graph.add(Op::Unary(Unary::Abs), &[z]);
            case.output("z", z);
            case.check(1e-4);
        }
    }
}

/// An update by the product of two inputs, summed over their rows. Returns the inputs besides.
fn update_by_product([rows, inner, columns]: [usize; 3]) -> (Case, [NodeId; 2]) {
    let mut case = Case::new();
    let x = case.input("x", &["b", &inner.to_string()], &[rows, inner]);
    let by = case.input("by", &["b", &columns.to_string()], &[rows, columns]);
    let w = case.storage("w", &[inner, columns]);
    let g = &mut case.graph;
    let product = g.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 0)] }, &[x, by]);
    let updated = g.add(Op::Binary(Binary::Sub), &[w, product]);
    g.results.push((Purpose::Update(0), updated));
    (case, [x, by])
}

/// Sums so long that they are taken block by block where the cache is small, then used by an update.
#[test]
fn a_gradient_of_many_rows() {
    for sizes in [[512, 30, 128], [640, 25, 192], [1024, 32, 64]] {
        let (mut case, [x, by]) = update_by_product(sizes);
        let turned = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 0)] }, &[by, x]);
        case.output("turned", turned);
        case.check(1e-4);
    }
}

/// A result of few columns, whose update reads and writes along memory while the lanes of its sums lie apart.
#[test]
fn a_narrow_update() {
    let sizes =
        [[128, 100, 10], [64, 37, 10], [33, 520, 3], [20, 64, 9], [7, 130, 32], [7, 16, 10], [1, 16, 10]];
    for sizes in sizes {
        update_by_product(sizes).0.check(1e-5);
    }
}
