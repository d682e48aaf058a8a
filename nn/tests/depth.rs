//! Graphs of very many nodes, one behind the other: declared, differentiated, simplified, verified, computed and written in a thread of
//! little stack.

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::random::Initializer;
use downhill_graph::types::ElementType;
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{BatchNorm, batch_norm};
use downhill_nn::entry;
use downhill_nn::optimizers::sgd;
use downhill_nn::value::{abs, multiply, reshape, sum, tanh, transpose};
use std::thread;

/// Runs `work` in a thread of little stack, in which a recursion over a graph would end the process.
fn with_little_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 << 10).spawn(work).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// h ← h + h·0.001, so many turns; the loss is Σh².
fn chain(turns: usize) -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", ElementType::F32, [Dim::symbol("batch")]);
    let w = b.parameter("w", [1], Initializer::Ones);
    let mut h = &x * &w;
    for _ in 0..turns {
        h = &h + multiply(&h, 0.001);
    }
    b.output("p", &h);
    b.loss("loss", &sum(&h * &h), None);
    b.finish().expect("a declaration")
}

fn step(turns: usize) -> Graph {
    entry::step(&chain(turns), None, &sgd(0.1).into()).expect("a step")
}

#[test]
fn long_chains_are_differentiated_and_simplified() {
    with_little_stack(|| {
        // A step has a product and a sum a turn, and as many for the gradient.
        const TURNS: usize = if cfg!(debug_assertions) { 10_000 } else { 50_000 };
        let step = step(TURNS);
        assert!(step.len() >= 4 * TURNS, "{} nodes", step.len());
    });
}

/// So many layers with states of their own, and one that is used as often.
fn kept(turns: usize) -> Declaration {
    let b = Builder::new(Mode::Train);
    let mut h = b.input("x", ElementType::F32, [Dim::symbol("batch"), Dim::from(2)]);
    let shared = b.instance("s");
    for turn in 0..turns {
        h = b.turn(turn, || b.scope("h", || batch_norm(&h, BatchNorm::default())));
        h = b.shared(shared, || batch_norm(tanh(&h), BatchNorm::default()));
    }
    b.loss("loss", &sum(&h * &h), None);
    b.finish().expect("a declaration")
}

#[test]
fn many_states_are_updated() {
    with_little_stack(|| {
        const TURNS: usize = if cfg!(debug_assertions) { 300 } else { 2_000 };
        let step = entry::step(&kept(TURNS), None, &sgd(0.1).into()).expect("a step");
        let updates = step.results.iter().filter(|(purpose, _)| matches!(purpose, Purpose::Update(_)));
        assert_eq!(updates.count(), 4 * (TURNS + 1));
    });
    let length = |turns| entry::step(&kept(turns), None, &sgd(0.1).into()).expect("a step").len();
    let (few, many) = (length(50), length(100));
    assert!(many < 2 * few + 100, "{few} nodes, then {many}");
}

#[test]
fn nodes_grow_with_turns_and_no_faster() {
    let (few, many) = (step(500).len(), step(1_000).len());
    assert!(many < 2 * few + 100, "{few} nodes, then {many}");
}

#[test]
fn long_chains_are_computed() {
    with_little_stack(|| {
        let graph = entry::forward(&chain(10_000)).expect("a graph");
        let environment = Environment::new().input("x", [1.0_f32]).storage("w", [1.0_f32]);
        let results = interpret(&graph, &environment, Precision::F64).expect("a result");
        let expected = 1.001_f64.powi(10_000);
        let found = results[0].1.to_f64_vec()[0];
        assert!((found - expected).abs() < 1e-6 * expected, "{found}, not {expected}");
    });
}

/// Functions of one value, each used once, which are one expression on paper.
fn nested(turns: usize) -> Graph {
    let b = Builder::new(Mode::Infer);
    let x = b.input("x", ElementType::F32, [Dim::symbol("batch")]);
    let y = (0..turns).fold(x, |h, _| abs(-tanh(h)));
    b.output("y", &y);
    entry::forward(&b.finish().expect("a declaration")).expect("a graph")
}

#[test]
fn forms_of_deep_expressions_start_anew() {
    with_little_stack(|| {
        const TURNS: usize = 10_000;
        let graph = nested(TURNS);
        let texts = [graph.to_text(), graph.to_formulas(), graph.to_dot()];
        for text in &texts {
            assert_eq!(text.matches("tanh").count(), TURNS);
            let longest = text.lines().map(|line| line.len()).max().unwrap_or_default();
            assert!(longest < 2_000, "a line of {longest} bytes");
        }
        // And of shared values, each of which has a line.
        let step = step(5_000);
        assert!(step.to_formulas().lines().count() > 5_000);
        assert!(step.to_dot().lines().count() > 5_000);
    });
}

#[test]
fn views_do_not_pile_up() {
    with_little_stack(|| {
        let b = Builder::new(Mode::Infer);
        let x = b.input("x", ElementType::F32, [4, 6]);
        let y = (0..2_000).fold(x, |h, _| tanh(transpose(reshape(h, [8, 3]))).reshape_to([4, 6]));
        b.output("y", &y);
        let declaration = b.finish().expect("a declaration");
        let graph = entry::forward(&declaration).expect("a graph");
        let mut plain = declaration.graph.clone();
        plain.results =
            declaration.outputs.iter().map(|(name, id)| (Purpose::Output(name.clone()), *id)).collect();
        let elements: Vec<f32> = (0..24).map(|i| i as f32 / 8.0 - 1.0).collect();
        let input = downhill_graph::tensor::Tensor::new([4, 6], elements).expect("a tensor");
        let environment = Environment::new().input("x", input);
        let both =
            [&graph, &plain].map(|graph| interpret(graph, &environment, Precision::F64).expect("a result"));
        assert_eq!(both[0][0].1.to_f64_vec(), both[1][0].1.to_f64_vec());
    });
}

trait ReshapeTo {
    fn reshape_to(self, shape: [usize; 2]) -> Self;
}

impl ReshapeTo for downhill_nn::builder::Value {
    fn reshape_to(self, shape: [usize; 2]) -> Self {
        reshape(self, shape)
    }
}
