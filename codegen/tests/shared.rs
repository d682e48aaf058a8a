//! Which kernels threads share at once, and that nothing is lost by it: rows of one thread never meet those of another.

mod common;

use common::calls_of_three;
use common::case::Case;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Op, Padding, Range, Unary};
use downhill_graph::types::Shape;

/// Kernels that threads share with the one before.
fn together(case: &Case, sizes: &Bindings) -> usize {
    calls_of_three(&case.graph, sizes).matches("  and function").count()
}

fn batch(size: i64) -> Bindings {
    Bindings::from([("batch".into(), size)])
}

/// `tanh(x w)`, with weights of its own.
fn layer(case: &mut Case, x: NodeId, sizes: [usize; 2]) -> NodeId {
    let w = case.storage(&format!("w{}", case.graph.storages.len()), &sizes);
    let z = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, w]);
    case.graph.add(Op::Unary(Unary::Tanh), &[z])
}

#[test]
fn layers_are_shared_at_once() {
    let mut case = Case::new();
    let mut x = case.input("x", &["batch", "9"], &[50, 9]);
    for sizes in [[9, 33], [33, 70], [70, 5], [5, 5]] {
        x = layer(&mut case, x, sizes);
    }
    case.output("y", x);
    case.check(1e-4);
    for sizes in [Bindings::new(), batch(50)] {
        assert_eq!(together(&case, &sizes), 3);
    }
}

/// What earlier layers leave free is used again only when all threads are done with it: many layers of many widths, of which each would
/// find the memory of the last but one.
#[test]
fn memory_is_not_used_again_within_a_team() {
    let mut case = Case::new();
    let mut x = case.input("x", &["batch", "8"], &[240, 8]);
    let widths = [8, 16, 8, 24, 8, 40, 16, 33, 7, 64, 8, 8, 16, 5, 90, 3, 16, 8, 70, 2];
    for pair in widths.windows(2) {
        x = layer(&mut case, x, [pair[0], pair[1]]);
    }
    case.output("y", x);
    case.check(1e-3);
    // A team has 16 kernels at most.
    assert_eq!(together(&case, &batch(240)), 19 - 2);
}

/// Rows that are moved, or that meet others, are waited for.
#[test]
fn rows_that_meet_are_not_shared_at_once() {
    type Between = fn(&mut Graph, NodeId) -> NodeId;
    let flipped: Between = |graph, x| graph.add(Op::Reverse(vec![0]), &[x]);
    let shifted: Between = |graph, x| {
        let rows = Range { start: 1.into(), end: 40.into(), stride: 1 };
        let columns = Range { start: 0.into(), end: 16.into(), stride: 1 };
        let later = graph.add(Op::Slice(vec![rows, columns]), &[x]);
        let below = Padding { high: 1.into(), ..Padding::none() };
        graph.add(Op::Pad(vec![below, Padding::none()]), &[later])
    };
    let mixed: Between =
        |graph, x| graph.add(Op::DotGeneral { batch: vec![], contract: vec![(0, 0)] }, &[x, x]);
    // As many rows of half the length, which lie in the first half of memory.
    let halved: Between = |graph, x| {
        let row = graph.add(Op::Reshape(Shape::from([640])), &[x]);
        let half = Range { start: 0.into(), end: 320.into(), stride: 1 };
        let half = graph.add(Op::Slice(vec![half]), &[row]);
        let rows = graph.add(Op::Reshape(Shape::from([40, 8])), &[half]);
        graph.add(Op::Concatenate { axis: 1 }, &[rows, rows])
    };
    // What mixes rows or cuts them anew has rows of its own, which are those of the layer behind it.
    for (between, behind) in [(flipped, 0), (shifted, 0), (halved, 1), (mixed, 1)] {
        let mut case = Case::new();
        let x = case.input("x", &["40", "8"], &[40, 8]);
        let h = layer(&mut case, x, [8, 16]);
        let moved = between(&mut case.graph, h);
        let y = layer(&mut case, moved, [16, 33]);
        case.output("h", h);
        case.output("y", y);
        case.check(1e-4);
        assert_eq!(together(&case, &Bindings::new()), behind);
    }
}

/// Kernels that have nothing to do with each other are shared at once, over whatever rows; one that has none is a single thread's.
#[test]
fn kernels_that_do_not_meet_are_shared_at_once() {
    let mut case = Case::new();
    let small = case.input("a", &["3", "3"], &[3, 3]);
    for (name, rows) in [("x", 40), ("z", 33)] {
        let x = case.input(name, &[&rows.to_string(), "8"], &[rows, 8]);
        let y = layer(&mut case, x, [8, 16]);
        case.output(name, y);
    }
    let alone = layer(&mut case, small, [3, 3]);
    case.output("a", alone);
    case.check(1e-4);
    let calls = calls_of_three(&case.graph, &Bindings::new());
    assert_eq!(together(&case, &Bindings::new()), 2, "{calls}");
}

/// The parts of a value that is put together are made by loops of one kernel, which are divided alike.
#[test]
fn parts_of_a_value_are_divided_alike() {
    let mut case = Case::new();
    let x = case.input("x", &["batch", "8"], &[50, 8]);
    let parts = [16, 16, 16].map(|width| layer(&mut case, x, [8, width]));
    let parts = parts.map(|part| case.graph.add(Op::Unary(Unary::Logistic), &[part]));
    let whole = case.graph.add(Op::Concatenate { axis: 1 }, &parts);
    let y = layer(&mut case, whole, [48, 33]);
    case.output("whole", whole);
    case.output("y", y);
    case.check(1e-4);
    let calls = calls_of_three(&case.graph, &batch(50));
    assert!(calls.contains("threads share i0, i"), "{calls}");
}

/// What is packed for a kernel amid a team is packed ahead of it by one thread, unless that is work for several.
#[test]
fn small_panels_are_packed_ahead() {
    let calls = |[rows, depth, columns]: [usize; 3], contract: (usize, usize)| {
        let mut case = Case::new();
        let x = case.input("x", &["40", "64"], &[40, 64]);
        let h = layer(&mut case, x, [64, 16]);
        let a = if contract.0 == 0 { [depth, rows] } else { [rows, depth] };
        let b = if contract.1 == 0 { [depth, columns] } else { [columns, depth] };
        let [a, b] = [("a", a), ("b", b)].map(|(name, sizes)| case.storage(name, &sizes));
        let z = case.graph.add(Op::DotGeneral { batch: vec![], contract: vec![contract] }, &[a, b]);
        case.output("h", h);
        case.output("z", z);
        calls_of_three(&case.graph, &Bindings::new())
    };
    let alone = |calls: &str| calls.lines().filter(|line| !line.contains("thread")).count();
    // A panel of a few columns; the left operand of a long sum.
    for (text, count) in [(calls([40, 33, 8], (1, 1)), 1), (calls([256, 4096, 64], (0, 0)), 0)] {
        assert_eq!(alone(&text), count, "{text}");
    }
}

/// Blocks of narrow and of wide layers have few rows in common where their number is prime: what goes together is still cut into pieces.
#[test]
fn rows_are_cut_into_pieces_whatever_their_number() {
    for rows in [97, 96] {
        let mut case = Case::new();
        let mut x = case.input("x", &[&rows.to_string(), "9"], &[rows, 9]);
        for sizes in [[9, 33], [33, 4], [4, 33]] {
            x = layer(&mut case, x, sizes);
        }
        case.output("y", x);
        case.check(1e-4);
        let calls = calls_of_three(&case.graph, &Bindings::new());
        let multiples = calls.lines().filter_map(|line| line.split_once("at multiples of "));
        let multiples: Vec<usize> = multiples.map(|(_, rows)| rows.parse().expect("a number")).collect();
        assert!(multiples.len() > 2 && multiples.iter().all(|by| rows / by >= 4), "{calls}");
    }
}

/// A value of many parts is shared as one of few, in a time that grows with their number.
#[test]
fn many_parts_are_divided_alike() {
    let mut case = Case::new();
    let parts: Vec<NodeId> = (0..400)
        .map(|part| {
            let x = case.input(&format!("x{part}"), &["batch", "2"], &[50, 2]);
            case.graph.add(Op::Unary(Unary::Tanh), &[x])
        })
        .collect();
    let whole = case.graph.add(Op::Concatenate { axis: 1 }, &parts);
    case.output("whole", whole);
    let calls = calls_of_three(&case.graph, &batch(50));
    assert!(calls.contains("threads share i0, i"), "{calls}");
}
