//! What holds among reals and not among floats: no pass makes a finite result infinite or a normal one zero.
//!
//! Named cases first, then random graphs with their gradients over the whole range of f32. What an optimized graph gives in f32 is held
//! against the exact value, with room for the rounding errors of the graph as it was declared: a second graph computes a bound on
//! them, op by op.

mod support;

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose};
use downhill_graph::interpret::{Precision, interpret};
use downhill_graph::op::{Binary, Compare, Op, Reduction, Unary};
use downhill_graph::passes::optimize;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape};
use proptest::prelude::*;
use support::{Choices, binary, environment, input_of, show, unary};

/// The f32 value of a formula of scalars, optimized.
fn optimized(point: &[f32], build: impl Fn(&mut Graph, &[NodeId]) -> NodeId) -> f64 {
    let mut graph = Graph::new();
    let xs: Vec<NodeId> =
        point.iter().map(|_| input_of(&mut graph, ElementType::F32, Shape::scalar())).collect();
    let y = build(&mut graph, &xs);
    graph.results.push((Purpose::Output("y".into()), y));
    let point: Vec<Tensor> = point.iter().map(|&x| Tensor::scalar(x)).collect();
    let results = interpret(&optimize(&graph), &environment(&point), Precision::F32).expect("runs");
    results[0].1.item().expect("a scalar")
}

fn close(value: f64, expected: f64) {
    assert!((value - expected).abs() <= 1e-6 * expected.abs(), "{value}, not {expected}");
}

fn times(graph: &mut Graph, factor: f64, x: NodeId) -> NodeId {
    let factor = graph.full_like(x, factor);
    binary(graph, Binary::Mul, factor, x)
}

#[test]
fn the_force_between_earth_and_moon_is_finite() {
    let force = optimized(&[5.972e24, 7.348e22, 3.844e8], |graph, x| {
        let first = times(graph, 6.674e-11, x[0]);
        let above = binary(graph, Binary::Mul, first, x[1]);
        let below = binary(graph, Binary::Mul, x[2], x[2]);
        binary(graph, Binary::Div, above, below)
    });
    close(force, 6.674e-11 * 5.972e24 * 7.348e22 / (3.844e8 * 3.844e8));
}

#[test]
fn the_square_of_a_small_charge_in_large_units_is_not_zero() {
    let square = optimized(&[1.6e-23], |graph, x| {
        let q = times(graph, 1e23, x[0]);
        binary(graph, Binary::Mul, q, q)
    });
    close(square, 2.56);
}

#[test]
fn the_mean_of_two_large_numbers_is_finite() {
    for sign in [1.0, -1.0] {
        let mean = optimized(&[3e38, sign * 3e38], |graph, x| {
            let (a, b) = (times(graph, 0.5, x[0]), times(graph, 0.5, x[1]));
            binary(graph, if sign > 0.0 { Binary::Add } else { Binary::Sub }, a, b)
        });
        close(mean, 3e38);
    }
}

#[test]
fn a_constant_that_is_infinite_or_zero_in_f32_is_no_scale() {
    let masked = optimized(&[1.0, 2.0], |graph, x| {
        let scaled = times(graph, 1e39, x[0]);
        let mask = graph.add(Op::Compare(Compare::Greater), &[x[0], x[1]]);
        let zero = graph.constant(ElementType::F32, 0.0);
        graph.add(Op::Select, &[mask, scaled, zero])
    });
    assert_eq!(masked, 0.0);
    let difference = optimized(&[3e38, -3e38], |graph, x| {
        let (a, b) = (times(graph, 1e-60, x[0]), times(graph, 1e-60, x[1]));
        binary(graph, Binary::Sub, a, b)
    });
    assert_eq!(difference, 0.0);
}

#[test]
fn exponentials_of_unknown_size_keep_the_place_of_their_factor() {
    // e·(t/Σe), with e/Σe too small for f32 and t large: the least of the products.
    let weighted = optimized(&[-69.0, 69.0, 1e38], |graph, x| {
        let parts: Vec<NodeId> = x[..2].iter().map(|&x| graph.add(Op::Reshape([1].into()), &[x])).collect();
        let row = graph.add(Op::Concatenate { axis: 0 }, &parts);
        let e = unary(graph, Unary::Exp, row);
        let sum = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[e]);
        let share = binary(graph, Binary::Div, x[2], sum);
        let shares = graph.spread(share, &[2].into());
        let products = binary(graph, Binary::Mul, e, shares);
        graph.add(Op::Reduce { kind: Reduction::Min, axes: vec![0] }, &[products])
    });
    close(weighted, 1e38 * (-138_f64).exp());
}

#[test]
fn exponentials_beside_a_sum_that_is_not_theirs_keep_the_place_of_their_factor() {
    // e[i][j]·(t/Σₖ e[k][i]), where the columns are small and large.
    let greatest = optimized(&[-69.0, 69.0], |graph, x| {
        let parts: Vec<NodeId> = x.iter().map(|&x| graph.add(Op::Reshape([1].into()), &[x])).collect();
        let row = graph.add(Op::Concatenate { axis: 0 }, &parts);
        let square = graph.add(Op::Broadcast { shape: [2, 2].into(), axes: vec![1] }, &[row]);
        let e = unary(graph, Unary::Exp, square);
        let sums = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![0] }, &[e]);
        let small = graph.full_like(sums, 1e-25);
        let shares = binary(graph, Binary::Div, small, sums);
        let shares = graph.add(Op::Broadcast { shape: [2, 2].into(), axes: vec![0] }, &[shares]);
        let products = binary(graph, Binary::Mul, e, shares);
        graph.add(Op::Reduce { kind: Reduction::Max, axes: vec![0, 1] }, &[products])
    });
    close(greatest, 138_f64.exp() * 1e-25 / 2.0);
}

impl Choices<'_> {
    /// An f32 of any exponent, or of a moderate one, or a round number.
    fn float(&mut self) -> f64 {
        let (kind, exponent, fraction) = (self.below(4), self.below(256), self.below(256));
        let sign = if fraction % 2 == 0 { 1.0 } else { -1.0 };
        let significand = sign * (1.0 + fraction as f64 / 256.0);
        let value = match kind {
            0 => significand * 2_f64.powi(exponent as i32 % 277 - 149),
            1 => significand * 2_f64.powi(exponent as i32 % 40 - 20),
            2 => sign * 2_f64.powi(exponent as i32 % 9 - 4),
            _ => [0.0, 1.0, -1.0, 3.0, 0.1, 1e23, 6.674e-11, 0.5][exponent % 8],
        };
        f64::from(value as f32)
    }
}

/// The size of the outer axis; the inner one has three elements.
const ROWS: usize = 2;

fn shape() -> Shape {
    Shape(vec![Dim::symbol("batch"), 3.into()])
}

/// Adds one node made of earlier ones; every value is `[batch, 3]`, or comes back to it. Masks compare inputs, so that rounding
/// decides nothing.
fn grow(graph: &mut Graph, pool: &mut Vec<NodeId>, choices: &mut Choices<'_>) {
    let (a, b) = (choices.of(pool), choices.of(pool));
    let node = match choices.below(16) {
        0..=2 => binary(graph, choices.of(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Div]), a, b),
        3..=6 => {
            let constant = graph.full_like(a, choices.float());
            let function = choices.of(&[Binary::Mul, Binary::Mul, Binary::Div, Binary::Add]);
            let operands = choices.of(&[[a, constant], [constant, a]]);
            binary(graph, function, operands[0], operands[1])
        }
        7 => {
            // A sum or difference of values scaled alike.
            let constant = graph.full_like(a, choices.float());
            let (a, b) = (binary(graph, Binary::Mul, a, constant), binary(graph, Binary::Mul, constant, b));
            binary(graph, choices.of(&[Binary::Add, Binary::Sub]), a, b)
        }
        8 => {
            let one = graph.constant(ElementType::F32, choices.of(&[1.0, 2.0, 0.3]));
            let size = graph.add(Op::DimValue { dim: Dim::symbol("batch"), element: ElementType::F32 }, &[]);
            let scale = binary(graph, Binary::Div, one, size);
            let scale = graph.spread(scale, &shape());
            binary(graph, Binary::Mul, a, scale)
        }
        9 => unary(graph, choices.of(&[Unary::Neg, Unary::Tanh, Unary::Logistic]), a),
        10 => {
            let mask = graph.add(Op::Compare(Compare::Less), &[pool[0], pool[1]]);
            let zero = graph.full_like(a, 0.0);
            let operands = choices.of(&[[mask, a, zero], [mask, zero, b], [mask, b, a]]);
            graph.add(Op::Select, &operands)
        }
        11 | 12 => {
            let axis = choices.below(2);
            let folded = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![axis] }, &[a]);
            graph.add(Op::Broadcast { shape: shape(), axes: vec![1 - axis] }, &[folded])
        }
        13 => {
            let square = graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 1)] }, &[a, b]);
            graph.add(Op::DotGeneral { batch: vec![], contract: vec![(1, 0)] }, &[square, a])
        }
        14 => {
            let exponent = graph.full_like(a, choices.of(&[2.0, 3.0, -1.0]));
            binary(graph, Binary::Pow, a, exponent)
        }
        _ => {
            // What differentiating a log-sum-exp gives.
            let e = unary(graph, Unary::Exp, a);
            let sum = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[e]);
            let above = graph.add(Op::Reduce { kind: Reduction::Sum, axes: vec![1] }, &[b]);
            let constant = graph.full_like(above, choices.float());
            let above = choices.of(&[above, constant]);
            let share = binary(graph, Binary::Div, above, sum);
            let share = graph.add(Op::Broadcast { shape: shape(), axes: vec![0] }, &[share]);
            binary(graph, Binary::Mul, e, share)
        }
    };
    pool.push(node);
}

fn random_graph(bytes: &[u8], with_gradients: bool) -> Graph {
    let mut graph = Graph::new();
    let mut pool: Vec<NodeId> = (0..2).map(|_| input_of(&mut graph, ElementType::F32, shape())).collect();
    let wrt = pool.clone();
    let mut choices = Choices::new(bytes);
    for _ in 0..(bytes.len() / 6).clamp(1, 12) {
        grow(&mut graph, &mut pool, &mut choices);
    }
    let last = *pool.last().expect("inputs at least");
    graph.results.push((Purpose::Output("y".into()), last));
    if with_gradients {
        let gradients = differentiate(&mut graph, last, &wrt).expect("all ops have gradients");
        let named =
            gradients.into_iter().enumerate().map(|(i, id)| (Purpose::Gradient(format!("x{i}").into()), id));
        graph.results.extend(named);
    }
    graph
}

/// What bounds the rounding errors of a graph's nodes, as nodes behind them.
struct Errors {
    graph: Graph,
    of: Vec<NodeId>,
}

impl Errors {
    /// `graph` with bounds on the errors of its results as its results.
    fn graph(graph: &Graph) -> Graph {
        let mut errors = Errors { graph: graph.clone(), of: Vec::new() };
        for id in graph.ids() {
            let error = errors.propagated(id);
            let error = errors.rounded(id, error);
            errors.of.push(error);
        }
        for (_, id) in &mut errors.graph.results {
            *id = errors.of[id.index()];
        }
        errors.graph
    }

    fn size(&mut self, id: NodeId) -> NodeId {
        unary(&mut self.graph, Unary::Abs, id)
    }

    fn add(&mut self, terms: &[NodeId]) -> NodeId {
        terms[1..].iter().fold(terms[0], |sum, &term| binary(&mut self.graph, Binary::Add, sum, term))
    }

    fn product(&mut self, op: &Op, a: NodeId, b: NodeId) -> NodeId {
        let (x, y) = (self.size(a), self.size(b));
        let (dx, dy) = (self.of[a.index()], self.of[b.index()]);
        let terms = [[x, dy], [dx, y], [dx, dy]].map(|pair| self.graph.add(op.clone(), &pair));
        self.add(&terms)
    }

    /// above/(size − error); without bound where that may be a division by 0.
    fn over_distance(&mut self, above: NodeId, size: NodeId, error: NodeId) -> NodeId {
        let distance = binary(&mut self.graph, Binary::Sub, size, error);
        let quotient = binary(&mut self.graph, Binary::Div, above, distance);
        let unknown = self.graph.full_like(size, f64::INFINITY);
        let apart = self.graph.add(Op::Compare(Compare::Greater), &[size, error]);
        self.graph.add(Op::Select, &[apart, quotient, unknown])
    }

    /// The half of a last place that storing a computed result in f32 adds.
    fn rounded(&mut self, id: NodeId, error: NodeId) -> NodeId {
        let moves = matches!(
            self.graph.op(id),
            Op::Input(_) | Op::Constant(_) | Op::Broadcast { .. } | Op::Reshape(_) | Op::Transpose(_)
        );
        if moves || !self.graph.ty(id).element.is_float() {
            return error;
        }
        let size = self.size(id);
        let relative = times(&mut self.graph, 2_f64.powi(-24), size);
        let least = self.graph.full_like(id, 2_f64.powi(-150));
        let error = self.add(&[error, relative, least]);
        // Nothing is claimed behind an overflow.
        let (greatest, unknown) =
            (self.graph.full_like(id, f64::from(f32::MAX)), self.graph.full_like(id, f64::INFINITY));
        let reach = self.add(&[size, error]);
        let inside = self.graph.add(Op::Compare(Compare::LessEqual), &[reach, greatest]);
        self.graph.add(Op::Select, &[inside, error, unknown])
    }

    /// What the errors of the operands do to the result.
    fn propagated(&mut self, id: NodeId) -> NodeId {
        let (op, operands) = (self.graph.op(id).clone(), self.graph.operands(id));
        let errors: Vec<NodeId> = operands.iter().map(|operand| self.of[operand.index()]).collect();
        match &op {
            Op::Input(_) | Op::Constant(_) | Op::DimValue { .. } => self.graph.full_like(id, 0.0),
            Op::Compare(_)
            | Op::Convert(_)
            | Op::Unary(Unary::Not)
            | Op::Binary(Binary::And | Binary::Or) => id,
            Op::Unary(Unary::Neg | Unary::Tanh | Unary::Abs) => errors[0],
            Op::Unary(Unary::Exp | Unary::Logistic) => {
                let growth = unary(&mut self.graph, Unary::Expm1, errors[0]);
                binary(&mut self.graph, Binary::Mul, growth, id)
            }
            Op::Binary(Binary::Add | Binary::Sub) => self.add(&errors),
            Op::Binary(Binary::Mul) | Op::DotGeneral { .. } => self.product(&op, operands[0], operands[1]),
            Op::Binary(Binary::Div) => {
                let (quotient, below) = (self.size(id), self.size(operands[1]));
                let moved = binary(&mut self.graph, Binary::Mul, quotient, errors[1]);
                let moved = self.add(&[errors[0], moved]);
                self.over_distance(moved, below, errors[1])
            }
            Op::Binary(Binary::Pow) => {
                // |n·xⁿ|·(e/|x|) for small e, with room for others and for n·ln x.
                let (power, base) = (self.size(id), self.size(operands[0]));
                let relative = self.over_distance(errors[0], base, errors[0]);
                let product = binary(&mut self.graph, Binary::Mul, power, relative);
                times(&mut self.graph, 8.0, product)
            }
            Op::Select => self.graph.add(op, &[operands[0], errors[1], errors[2]]),
            Op::Reduce { kind: Reduction::Sum, .. }
            | Op::Broadcast { .. }
            | Op::Reshape(_)
            | Op::Transpose(_) => self.graph.add(op, &errors),
            other => panic!("no bound for {other:?}"),
        }
    }
}

fn values(graph: &Graph, point: &[Tensor], precision: Precision) -> Vec<f64> {
    let results = interpret(graph, &environment(point), precision).expect("runs");
    results.into_iter().flat_map(|(_, tensor)| tensor.to_f64_vec()).collect()
}

fn formulas(graph: &Graph) -> String {
    let lines = graph.results.iter().map(|(purpose, id)| format!("{purpose:?} = {}", show(graph, *id)));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_normal(x: f64) -> bool {
    x.is_finite() && x.abs() >= f64::from(f32::MIN_POSITIVE)
}

/// Why the optimized graph's `after` is wrong, where the declared one gives `before` and exact numbers give `exact`.
fn fault(before: f64, after: f64, exact: f64, error: f64) -> Option<&'static str> {
    // A bound that is NaN or negative says nothing.
    let known = error >= 0.0 && error.is_finite() && exact.is_finite();
    if before.is_finite() && !after.is_finite() {
        return Some("finite became infinite");
    }
    if is_normal(before) && after == 0.0 && known && error < 0.25 * before.abs() {
        return Some("a normal number became zero");
    }
    (before.is_finite() && known && (after - exact).abs() > 8.0 * error).then_some("more than rounding")
}

/// Whether something is divided by 0: the sign of a zero is no part of a graph's meaning, and the infinity has it.
fn divides_by_zero(graph: &Graph, at: &[Tensor]) -> bool {
    let mut graph = graph.clone();
    let divisor = |id| match graph.op(id) {
        Op::Binary(Binary::Div) => Some(graph.operand(id, 1)),
        Op::Binary(Binary::Pow) => Some(graph.operand(id, 0)),
        _ => None,
    };
    graph.results = graph.ids().filter_map(divisor).map(|id| (Purpose::Output("".into()), id)).collect();
    values(&graph, at, Precision::F32).contains(&0.0)
}

fn check(graph: &Graph, at: &[Tensor]) -> Result<(), TestCaseError> {
    if divides_by_zero(graph, at) {
        return Ok(());
    }
    let simple = optimize(graph);
    let (before, after) = (values(graph, at, Precision::F32), values(&simple, at, Precision::F32));
    let (exact, errors) =
        (values(graph, at, Precision::F64), values(&Errors::graph(graph), at, Precision::F64));
    for (((before, after), exact), error) in before.into_iter().zip(after).zip(exact).zip(errors) {
        let fault = fault(before, after, exact, error);
        prop_assert!(
            fault.is_none(),
            "{fault:?}: {before} became {after}, exact {exact} ± {error}\n{}\n{}",
            formulas(graph),
            formulas(&simple)
        );
    }
    Ok(())
}

fn point() -> impl Strategy<Value = Vec<Tensor>> {
    let tensor = prop::collection::vec(any::<u8>(), 4 * 3 * ROWS).prop_map(|bytes| {
        let mut choices = Choices::new(&bytes);
        let values: Vec<f32> = (0..3 * ROWS).map(|_| choices.float() as f32).collect();
        Tensor::new([ROWS, 3], values).expect("as many as the shape has")
    });
    prop::collection::vec(tensor, 2)
}

/// How many random graphs; `DOWNHILL_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("DOWNHILL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formulas_stay_in_range(bytes in prop::collection::vec(any::<u8>(), 6..60), at in point()) {
        check(&random_graph(&bytes, false), &at)?;
    }

    #[test]
    fn gradients_stay_in_range(bytes in prop::collection::vec(any::<u8>(), 6..36), at in point()) {
        check(&random_graph(&bytes, true), &at)?;
    }
}
