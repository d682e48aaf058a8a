//! Loops, compiled, against the interpreter: carried, sliced, captured and stacked values, of any length, inside each other, beside a
//! step's updates, with their gradients of first and second order.

mod common;

use common::case::Case;
use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::op::{Binary, Op, Range, Reduction, Unary};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape, Type};
use std::sync::Arc;

/// The body of a loop while it is written.
struct Body(Graph);

impl Body {
    fn new() -> Body {
        Body(Graph::new())
    }

    fn input(&mut self, dims: &[&str]) -> NodeId {
        let name = format!("b{}", self.0.inputs.len()).into();
        let ty = Type::new(ElementType::F32, shape(dims));
        self.0.add_input(Input { name, ty, role: Role::Body, below: None })
    }

    /// The next values, then what is stacked.
    fn finish(mut self, results: &[NodeId]) -> Arc<Graph> {
        let named = results.iter().enumerate();
        self.0.results = named.map(|(n, &id)| (Purpose::Output(n.to_string().into()), id)).collect();
        Arc::new(self.0)
    }
}

fn shape(dims: &[&str]) -> Shape {
    let dim = |d: &&str| d.parse::<i64>().map_or_else(|_| Dim::symbol(d), Dim::from);
    Shape(dims.iter().map(dim).collect())
}

fn binary(graph: &mut Graph, op: Binary, x: NodeId, y: NodeId) -> NodeId {
    graph.add(Op::Binary(op), &[x, y])
}

fn product(graph: &mut Graph, x: NodeId, y: NodeId) -> NodeId {
    graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[x, y])
}

fn total(graph: &mut Graph, x: NodeId) -> NodeId {
    let axes = (0..graph.shape(x).rank()).collect();
    graph.add(Op::Reduce { kind: Reduction::Sum, axes }, &[x])
}

/// A loop: how many operands are carried and sliced, and which result.
fn scan(
    graph: &mut Graph,
    body: &Arc<Graph>,
    [carried, sliced]: [usize; 2],
    length: &Dim,
    operands: &[NodeId],
    result: usize,
) -> NodeId {
    let op = Op::Scan {
        body: body.clone(),
        carried,
        sliced,
        length: length.clone(),
        reversed: false,
        recompute: false,
        result,
    };
    graph.add(op, operands)
}

/// h ← tanh(x·u + h·w); yields h·h. Carried: h; sliced: x; captured: u, w.
fn elman(inputs: &str, units: &str) -> Arc<Graph> {
    let mut body = Body::new();
    let (h, x) = (body.input(&["batch", units]), body.input(&["batch", inputs]));
    let (u, w) = (body.input(&[inputs, units]), body.input(&[units, units]));
    let g = &mut body.0;
    let (from_x, from_h) = (product(g, x, u), product(g, h, w));
    let sum = binary(g, Binary::Add, from_x, from_h);
    let next = g.add(Op::Unary(Unary::Tanh), &[sum]);
    let square = binary(g, Binary::Mul, next, next);
    body.finish(&[next, square])
}

/// The same with the first turn at the end.
fn scan_back(
    graph: &mut Graph,
    body: &Arc<Graph>,
    length: &Dim,
    operands: &[NodeId],
    result: usize,
) -> NodeId {
    let op = Op::Scan {
        body: body.clone(),
        carried: 1,
        sliced: 1,
        length: length.clone(),
        reversed: true,
        recompute: false,
        result,
    };
    graph.add(op, operands)
}

/// The last state and the stacked squares of an Elman network, and its operands.
fn elman_case(time: usize, batch: usize, [inputs, units]: [usize; 2]) -> (Case, [NodeId; 2], Vec<NodeId>) {
    let mut case = Case::new();
    let (i, u) = (inputs.to_string(), units.to_string());
    let operands = vec![
        case.input("h", &["batch", &u], &[batch, units]),
        case.input("x", &["time", "batch", &i], &[time, batch, inputs]),
        case.input("u", &[&i, &u], &[inputs, units]),
        case.input("w", &[&u, &u], &[units, units]),
    ];
    let body = elman(&i, &u);
    let length = Dim::symbol("time");
    let results = [0, 1].map(|result| scan(&mut case.graph, &body, [1, 1], &length, &operands, result));
    (case, results, operands)
}

#[test]
fn a_running_sum_of_any_length() {
    for length in [0, 1, 2, 5, 300] {
        let mut case = Case::new();
        let start = case.input("start", &[], &[]);
        let xs = case.input("xs", &["n"], &[length]);
        let mut body = Body::new();
        let (h, x) = (body.input(&[]), body.input(&[]));
        let next = binary(&mut body.0, Binary::Add, h, x);
        let body = body.finish(&[next, h]);
        let n = Dim::symbol("n");
        let [last, before] = [0, 1].map(|r| scan(&mut case.graph, &body, [1, 1], &n, &[start, xs], r));
        case.output("last", last);
        case.output("before", before);
        case.check(1e-5);
    }
}

#[test]
fn a_recurrence_and_its_gradients() {
    for (time, batch, sizes) in
        [(1, 1, [1, 1]), (5, 3, [4, 7]), (7, 17, [3, 33]), (0, 2, [2, 3]), (4, 0, [2, 3])]
    {
        let (mut case, [last, squares], operands) = elman_case(time, batch, sizes);
        case.output("last", last);
        case.output("squares", squares);
        let sums = [last, squares].map(|x| total(&mut case.graph, x));
        let loss = binary(&mut case.graph, Binary::Add, sums[0], sums[1]);
        let gradients = differentiate(&mut case.graph, loss, &operands).expect("gradients");
        for (number, gradient) in gradients.into_iter().enumerate() {
            case.output(&format!("gradient {number}"), gradient);
        }
        case.check(1e-3);
    }
}

#[test]
fn threads_share_a_recurrence_as_a_whole() {
    let (mut case, [last, squares], _) = elman_case(7, 40, [3, 33]);
    case.output("last", last);
    case.output("squares", squares);
    case.check(1e-4);
    for sizes in [Bindings::new(), Bindings::from([("batch".into(), 40)])] {
        let calls = common::calls_of_three(&case.graph, &sizes);
        assert!(calls.contains("in all turns"), "{calls}");
    }
    // Rows that meet in a turn keep them from it.
    let mut body = Body::new();
    let (h, w) = (body.input(&["batch", "8"]), body.input(&["batch", "batch"]));
    let mixed = product(&mut body.0, w, h);
    let next = body.0.add(Op::Unary(Unary::Tanh), &[mixed]);
    let body = body.finish(&[next]);
    let mut case = Case::new();
    let operands =
        [case.input("h", &["batch", "8"], &[20, 8]), case.input("w", &["batch", "batch"], &[20, 20])];
    let last = scan(&mut case.graph, &body, [1, 0], &Dim::from(5), &operands, 0);
    case.output("last", last);
    case.check(1e-4);
    let calls = common::calls_of_three(&case.graph, &Bindings::new());
    assert!(calls.contains("threads share") && !calls.contains("in all turns"), "{calls}");
}

/// Threads that share a loop are in different turns, so what a turn leaves free is used again only behind the loop.
#[test]
fn memory_is_not_used_again_within_a_shared_loop() {
    let mut case = Case::new();
    let widths = [8, 24, 5, 40, 8];
    let mut operands = vec![case.input("h", &["batch", "8"], &[40, 8])];
    let mut body = Body::new();
    let mut h = body.input(&["batch", "8"]);
    for (number, pair) in widths.windows(2).enumerate() {
        let dims = [pair[0].to_string(), pair[1].to_string()];
        let dims = dims.each_ref().map(String::as_str);
        operands.push(case.input(&format!("w{number}"), &dims, &[pair[0], pair[1]]));
        let w = body.input(&dims);
        let z = product(&mut body.0, h, w);
        h = body.0.add(Op::Unary(Unary::Tanh), &[z]);
    }
    let body = body.finish(&[h]);
    let last = scan(&mut case.graph, &body, [1, 0], &Dim::from(30), &operands, 0);
    case.output("last", last);
    case.check(1e-4);

    let sizes = Bindings::from([("batch".into(), 40)]);
    let bytes = |threads: usize| {
        let entry = common::entry_for(threads, &case.graph, &sizes);
        let all = entry.arena.sizes.iter().map(|bytes| bytes.evaluate(&sizes).expect("known") as usize);
        (entry.arena.layout(&sizes).expect("known").bytes, all.sum::<usize>())
    };
    let (alone, shared) = (bytes(1), bytes(3));
    assert!(alone.0 < alone.1, "one thread uses memory again: {alone:?}");
    assert!(shared.0 >= shared.1, "{shared:?}");
}

/// What a loop multiplies with and changes is packed anew in each turn.
#[test]
fn what_a_loop_changes_is_packed_in_each_turn() {
    for k in [8, 33] {
        let (mut case, width) = (Case::new(), k.to_string());
        let operands =
            [case.input("h", &["batch", &width], &[20, k]), case.input("w", &[&width, &width], &[k, k])];
        let mut body = Body::new();
        let (h, w) = (body.input(&["batch", &width]), body.input(&[&width, &width]));
        let g = &mut body.0;
        let z = g.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 1)] }, &[h, w]);
        let next = g.add(Op::Unary(Unary::Tanh), &[z]);
        let share = g.full_like(w, 0.75);
        let less = binary(g, Binary::Mul, w, share);
        let body = body.finish(&[next, less]);
        for result in [0, 1] {
            let node = scan(&mut case.graph, &body, [2, 0], &Dim::from(4), &operands, result);
            case.output(&format!("{result}"), node);
        }
        case.check(1e-4);
    }
}

#[test]
fn a_recurrence_from_the_end() {
    for (time, batch, sizes) in [(1, 2, [2, 3]), (5, 3, [4, 7])] {
        let (mut case, _, operands) = elman_case(time, batch, sizes);
        let [inputs, units] = sizes.map(|size| size.to_string());
        let (body, length) = (elman(&inputs, &units), Dim::symbol("time"));
        let results = [0, 1].map(|result| scan_back(&mut case.graph, &body, &length, &operands, result));
        let sums = results.map(|x| total(&mut case.graph, x));
        let loss = binary(&mut case.graph, Binary::Mul, sums[0], sums[1]);
        let gradients = differentiate(&mut case.graph, loss, &operands).expect("gradients");
        for (number, node) in results.into_iter().chain(gradients).enumerate() {
            case.output(&format!("{number}"), node);
        }
        case.check(1e-3);
    }
}

#[test]
fn gradients_of_second_order() {
    let (mut case, [last, squares], operands) = elman_case(4, 3, [2, 5]);
    let sums = [last, squares].map(|x| total(&mut case.graph, x));
    let loss = binary(&mut case.graph, Binary::Add, sums[0], sums[1]);
    let first = differentiate(&mut case.graph, loss, &operands).expect("gradients");
    let squares: Vec<NodeId> = first.iter().map(|&g| binary(&mut case.graph, Binary::Mul, g, g)).collect();
    let sums: Vec<NodeId> = squares.into_iter().map(|x| total(&mut case.graph, x)).collect();
    let sum = sums.into_iter().reduce(|x, y| binary(&mut case.graph, Binary::Add, x, y)).expect("some");
    for (number, gradient) in
        differentiate(&mut case.graph, sum, &operands).expect("gradients").into_iter().enumerate()
    {
        case.output(&format!("second {number}"), gradient);
    }
    case.check(1e-3);
}

/// What is carried changes places, a value is carried as it is, and slices come from the end.
#[test]
fn values_that_change_places() {
    let mut case = Case::new();
    let (a, b) = (case.input("a", &["k"], &[9]), case.input("b", &["k"], &[9]));
    let stays = case.input("stays", &["k"], &[9]);
    let xs = case.input("xs", &["n", "k"], &[4, 9]);
    let mut body = Body::new();
    let [p, q, same] = [0; 3].map(|_| body.input(&["k"]));
    let (x, backwards) = (body.input(&["k"]), body.input(&["k"]));
    let all = body.input(&["n", "k"]);
    let next = binary(&mut body.0, Binary::Add, q, x);
    let both = binary(&mut body.0, Binary::Mul, backwards, same);
    let sum = body.0.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[all]);
    let seen = binary(&mut body.0, Binary::Add, both, sum);
    let body = body.finish(&[next, p, same, seen, p]);
    let n = Dim::symbol("n");
    let reversed = case.graph.add(Op::Reverse(vec![0]), &[xs]);
    for result in 0..5 {
        let node = scan(&mut case.graph, &body, [3, 2], &n, &[a, b, stays, xs, reversed, xs], result);
        case.output(&format!("{result}"), node);
    }
    case.check(1e-5);
}

/// A loop over columns in a loop over rows, and the gradient of both.
#[test]
fn loops_in_loops() {
    let mut inner = Body::new();
    let (h, x, by) = (inner.input(&["k"]), inner.input(&["k"]), inner.input(&["k"]));
    let scaled = binary(&mut inner.0, Binary::Mul, h, by);
    let sum = binary(&mut inner.0, Binary::Add, scaled, x);
    let next = inner.0.add(Op::Unary(Unary::Sin), &[sum]);
    let inner = inner.finish(&[next, scaled]);

    let mut outer = Body::new();
    let (h, x, by) = (outer.input(&["k"]), outer.input(&["m", "k"]), outer.input(&["k"]));
    let m = Dim::symbol("m");
    let [last, stack] = [0, 1].map(|result| scan(&mut outer.0, &inner, [1, 1], &m, &[h, x, by], result));
    let outer = outer.finish(&[last, stack]);

    for [n, m, k] in [[3, 4, 5], [1, 1, 1], [2, 0, 3], [0, 2, 3], [3, 2, 40]] {
        let mut case = Case::new();
        let operands = [
            case.input("h", &["k"], &[k]),
            case.input("x", &["n", "m", "k"], &[n, m, k]),
            case.input("by", &["k"], &[k]),
        ];
        let n = Dim::symbol("n");
        let results = [0, 1].map(|result| scan(&mut case.graph, &outer, [1, 1], &n, &operands, result));
        case.output("last", results[0]);
        case.output("stack", results[1]);
        let sums = results.map(|x| total(&mut case.graph, x));
        let loss = binary(&mut case.graph, Binary::Mul, sums[0], sums[1]);
        for (number, gradient) in
            differentiate(&mut case.graph, loss, &operands).expect("gradients").into_iter().enumerate()
        {
            case.output(&format!("gradient {number}"), gradient);
        }
        case.check(1e-3);
    }
}

/// The outer loop reads what the inner one has written last, from the rows of other threads: where a loop moves a buffer, positions alone say
/// nothing.
#[test]
fn rows_that_meet_behind_an_inner_loop_are_waited_for() {
    let mut inner = Body::new();
    let (g, x) = (inner.input(&["200"]), inner.input(&["200"]));
    let sum = binary(&mut inner.0, Binary::Add, g, x);
    let next = inner.0.add(Op::Unary(Unary::Sin), &[sum]);
    let inner = inner.finish(&[next, next]);

    let mut outer = Body::new();
    let (h, x) = (outer.input(&["200"]), outer.input(&["3", "200"]));
    let g = &mut outer.0;
    let [last, steps] = [0, 1].map(|result| scan(g, &inner, [1, 1], &Dim::from(3), &[h, x], result));
    let end = Range { start: 2.into(), end: 3.into(), stride: 1 };
    let step = g.add(Op::Slice(vec![end, Range::whole(&Dim::from(200))]), &[steps]);
    let step = g.add(Op::Reshape(shape(&["200"])), &[step]);
    let others = g.add(Op::Reverse(vec![0]), &[step]);
    let next = binary(g, Binary::Sub, last, others);
    let outer = outer.finish(&[next]);

    let mut case = Case::new();
    let operands = [case.input("h", &["200"], &[200]), case.input("x", &["4", "3", "200"], &[4, 3, 200])];
    let last = scan(&mut case.graph, &outer, [1, 1], &Dim::from(4), &operands, 0);
    case.output("last", last);
    case.check(1e-4);
    let calls = common::calls_of_three(&case.graph, &Bindings::new());
    assert!(calls.contains("threads share") && !calls.contains("in all turns"), "{calls}");
}

/// A step: the loss comes from a loop, its gradient updates a parameter, and what the loop has come to is kept.
#[test]
fn a_step_around_a_loop() {
    let mut case = Case::new();
    let state = case.storage("state", &[6, 5]);
    let w = case.storage("w", &[5, 5]);
    let xs = case.input("x", &["time", "6", "5"], &[8, 6, 5]);
    let mut body = Body::new();
    let (h, x, w_in) = (body.input(&["6", "5"]), body.input(&["6", "5"]), body.input(&["5", "5"]));
    let from_h = product(&mut body.0, h, w_in);
    let sum = binary(&mut body.0, Binary::Add, from_h, x);
    let next = body.0.add(Op::Unary(Unary::Tanh), &[sum]);
    let body = body.finish(&[next, next]);
    let time = Dim::symbol("time");
    let g = &mut case.graph;
    let [last, all] = [0, 1].map(|result| scan(g, &body, [1, 1], &time, &[state, xs, w], result));
    let loss = total(g, all);
    let gradient = differentiate(g, loss, &[w]).expect("a gradient")[0];
    let updated = binary(g, Binary::Sub, w, gradient);
    g.results =
        vec![(Purpose::Loss("loss".into()), loss), (Purpose::Update(0), last), (Purpose::Update(1), updated)];
    case.check(1e-4);
}

/// What a loop takes may be a constant, a view, or made beside it; what it makes may be used in part.
#[test]
fn operands_that_do_not_lie_in_memory() {
    let mut case = Case::new();
    let xs = case.input("x", &["n", "8"], &[5, 8]);
    let g = &mut case.graph;
    let zero = g.constant(ElementType::F32, 0.0);
    let zeros = g.spread(zero, &shape(&["4"]));
    let half = Range { start: 2.into(), end: 6.into(), stride: 1 };
    let part = g.add(Op::Slice(vec![Range::whole(&Dim::symbol("n")), half]), &[xs]);
    let exp = g.add(Op::Unary(Unary::Exp), &[part]);
    let mut body = Body::new();
    let (h, x, y) = (body.input(&["4"]), body.input(&["4"]), body.input(&["4"]));
    let sum = binary(&mut body.0, Binary::Add, h, x);
    let both = binary(&mut body.0, Binary::Mul, sum, y);
    let body = body.finish(&[sum, both, y]);
    let n = Dim::symbol("n");
    let last = scan(g, &body, [1, 2], &n, &[zeros, part, exp], 0);
    let stack = scan(g, &body, [1, 2], &n, &[zeros, part, exp], 1);
    let turned = g.add(Op::Transpose(vec![1, 0]), &[stack]);
    let square = binary(g, Binary::Mul, last, last);
    case.output("square", square);
    case.output("turned", turned);
    case.check(1e-5);
}

/// What a loop begins with is a storage's next value, which the loop does not even look at.
#[test]
fn a_loop_that_begins_with_an_update() {
    let mut case = Case::new();
    let state = case.storage("state", &[4]);
    let xs = case.input("x", &["time", "4"], &[3, 4]);
    let mut body = Body::new();
    let (_, x) = (body.input(&["4"]), body.input(&["4"]));
    let next = binary(&mut body.0, Binary::Mul, x, x);
    let body = body.finish(&[next]);
    let g = &mut case.graph;
    let share = g.full_like(state, 0.9);
    let updated = binary(g, Binary::Mul, state, share);
    let last = scan(g, &body, [1, 1], &Dim::symbol("time"), &[updated, xs], 0);
    let loss = total(g, last);
    g.results = vec![
        (Purpose::Loss("loss".into()), loss),
        (Purpose::Update(0), updated),
        (Purpose::Output("last".into()), last),
    ];
    case.check(1e-6);
}

fn tensor(case: &mut Case, name: &str, shape: &[usize], values: &[f32]) {
    let tensor = Tensor::new(shape, values.to_vec()).expect("as many as the shape says");
    case.environment = std::mem::take(&mut case.environment).storage(name, tensor);
}

/// A loop makes a finite loss of an infinite beginning; the gradient in front of it is none.
#[test]
fn what_a_loop_washes_away_changes_nothing() {
    let mut case = Case::new();
    let (v, w) = (case.storage("v", &[2, 2]), case.storage("w", &[2, 2]));
    let x = case.storage("x", &[1, 2]);
    tensor(&mut case, "v", &[2, 2], &[1e30, 0.0, 0.0, 0.0]);
    tensor(&mut case, "x", &[1, 2], &[1e30, 0.0]);
    let xs = case.input("xs", &["time", "1", "2"], &[3, 1, 2]);
    let mut body = Body::new();
    let (h, step) = (body.input(&["1", "2"]), body.input(&["1", "2"]));
    let sum = binary(&mut body.0, Binary::Add, h, step);
    let next = body.0.add(Op::Unary(Unary::Tanh), &[sum]);
    let body = body.finish(&[next]);
    let g = &mut case.graph;
    let first = product(g, x, v);
    let start = product(g, first, w);
    let last = scan(g, &body, [1, 1], &Dim::symbol("time"), &[start, xs], 0);
    let square = binary(g, Binary::Mul, last, last);
    let loss = total(g, square);
    let gradients = differentiate(g, loss, &[v, w]).expect("gradients");
    let updated = [(v, gradients[0]), (w, gradients[1])].map(|(w, by)| binary(g, Binary::Sub, w, by));
    g.results = vec![
        (Purpose::Loss("loss".into()), loss),
        (Purpose::Update(0), updated[0]),
        (Purpose::Update(1), updated[1]),
    ];
    for sizes in [Bindings::new(), case.environment.bindings(&case.graph).expect("sizes")] {
        let outcome = common::run(&case.graph, &case.environment, &sizes).expect("it compiles");
        assert_eq!((outcome.stopped, outcome.updated), (0, 0), "before anything is changed");
        assert!(outcome.results[0].1.item().expect("a loss").is_finite());
        for (name, (_, found)) in ["v", "w"].iter().zip(&outcome.results[1..]) {
            assert_eq!(common::bits(found), common::bits(&case.environment.storages[*name]), "{name}");
        }
    }
}

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % n as u64) as usize
    }
}

/// A body of bounded functions over `[batch, k]`, with products by what is captured.
fn random_body(dice: &mut Dice, [carried, sliced]: [usize; 2], k: &str) -> Arc<Graph> {
    let mut body = Body::new();
    let mut values: Vec<NodeId> = (0..carried + sliced).map(|_| body.input(&["batch", k])).collect();
    let weights = [body.input(&[k, k]), body.input(&[k, k])];
    for _ in 0..3 + dice.below(6) {
        let [x, y] = [0; 2].map(|_| values[dice.below(values.len())]);
        let g = &mut body.0;
        let next = match dice.below(7) {
            0 => binary(g, Binary::Add, x, y),
            1 => binary(g, Binary::Sub, x, y),
            2 => g.add(Op::Unary(Unary::Tanh), &[x]),
            3 => g.add(Op::Unary(Unary::Logistic), &[x]),
            4 => {
                let bounded = g.add(Op::Unary(Unary::Sin), &[y]);
                binary(g, Binary::Mul, x, bounded)
            }
            _ => {
                let bounded = g.add(Op::Unary(Unary::Tanh), &[x]);
                let half = g.full_like(bounded, 0.25);
                let product = product(g, bounded, weights[dice.below(2)]);
                binary(g, Binary::Mul, product, half)
            }
        };
        values.push(next);
    }
    let bounded = |body: &mut Body, x: NodeId| body.0.add(Op::Unary(Unary::Tanh), &[x]);
    let mut results = Vec::new();
    for _ in 0..carried {
        // Now and then what is carried is left alone, or changes places.
        let value = values[dice.below(values.len())];
        let next = if dice.below(3) == 0 { values[dice.below(carried)] } else { bounded(&mut body, value) };
        results.push(next);
    }
    for _ in 0..1 + dice.below(2) {
        results.push(values[dice.below(values.len())]);
    }
    body.finish(&results)
}

#[test]
fn random_loops_and_their_gradients() {
    let seed = std::env::var("DOWNHILL_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let cases = std::env::var("DOWNHILL_CASES").map_or(12, |cases| cases.parse().expect("a number"));
    for number in seed..seed + cases {
        let mut dice = Dice(number);
        let [carried, sliced] = [1 + dice.below(3), 1 + dice.below(2)];
        let [time, batch, k] = [dice.below(5), 1 + dice.below(9), [1, 3, 8, 17][dice.below(4)]];
        let (mut case, width) = (Case::new(), k.to_string());
        let body = random_body(&mut dice, [carried, sliced], &width);
        let mut operands: Vec<NodeId> =
            (0..carried).map(|n| case.input(&format!("h{n}"), &["batch", &width], &[batch, k])).collect();
        for n in 0..sliced {
            operands.push(case.input(&format!("x{n}"), &["time", "batch", &width], &[time, batch, k]));
        }
        operands.extend((0..2).map(|n| case.input(&format!("w{n}"), &[&width, &width], &[k, k])));

        let length = Dim::symbol("time");
        let [reversed, recompute] = [(); 2].map(|()| dice.below(2) == 0);
        let results: Vec<NodeId> = (0..body.results.len())
            .map(|result| {
                let (body, length) = (body.clone(), length.clone());
                case.graph
                    .add(Op::Scan { body, carried, sliced, length, reversed, recompute, result }, &operands)
            })
            .collect();
        let sums: Vec<NodeId> = results.iter().map(|&x| total(&mut case.graph, x)).collect();
        let loss = sums.into_iter().reduce(|x, y| binary(&mut case.graph, Binary::Add, x, y)).expect("some");
        let gradients = differentiate(&mut case.graph, loss, &operands).expect("gradients");
        for (place, node) in results.into_iter().chain(gradients).enumerate() {
            case.output(&format!("case {number}: {place}"), node);
        }
        case.graph = downhill_graph::passes::optimize(&case.graph);
        case.check(2e-3);
    }
}
