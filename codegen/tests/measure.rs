//! Measurements, none of which can fail: how near products come to the peak that a loop of multiply-adds reaches, on every target.
//!
//! `cargo test --release -p downhill-codegen --test measure -- --ignored --nocapture`

mod common;

use downhill_codegen::target::Lanes;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role};
use downhill_graph::interpret::Environment;
use downhill_graph::op::{Binary, Op};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape, Type};

struct Case {
    graph: Graph,
    environment: Environment,
}

impl Case {
    fn new() -> Case {
        Case { graph: Graph::new(), environment: Environment::new() }
    }

    fn input(&mut self, name: &str, dims: [&str; 2], sizes: [usize; 2]) -> NodeId {
        let values: Vec<f32> =
            (0..sizes[0] * sizes[1]).map(|i| (i * 7919 % 1013) as f32 * 0.002 - 1.0).collect();
        let tensor = Tensor::new(sizes, values).expect("as many as the shape says");
        self.environment = std::mem::take(&mut self.environment).input(name, tensor);
        let shape = Shape(dims.iter().map(|dim| Dim::symbol(dim)).collect());
        self.graph.add_input(Input {
            name: name.into(),
            ty: Type::new(ElementType::F32, shape),
            role: Role::Input,
            below: None,
        })
    }

    /// Seconds of a step, the best of some runs, and seconds of compiling.
    fn measure(&self, lanes: Lanes, fixed: &Bindings, work: f64) -> (f64, f64) {
        let steps = (5e7 / work).clamp(2.0, 1e4) as usize;
        let mut best = (f64::MAX, f64::MAX);
        for _ in 0..2 {
            let outcome =
                common::run_on(lanes, 1, &self.graph, &self.environment, fixed, steps).expect("it compiles");
            best = (best.0.min(outcome.seconds), best.1.min(outcome.compiling));
        }
        best
    }
}

/// `[m, k] · [k, n]`, either factor laid out the other way round; `updated`: taken from a matrix, as an optimizer does.
fn product([m, k, n]: [usize; 3], turned: [bool; 2], updated: bool) -> (Case, Bindings) {
    let mut case = Case::new();
    let x = if turned[0] { case.input("x", ["k", "m"], [k, m]) } else { case.input("x", ["m", "k"], [m, k]) };
    let y = if turned[1] { case.input("y", ["n", "k"], [n, k]) } else { case.input("y", ["k", "n"], [k, n]) };
    let contract = vec![(usize::from(!turned[0]), usize::from(turned[1]))];
    let w = updated.then(|| case.input("w", ["m", "n"], [m, n]));
    let sizes = case.environment.bindings(&case.graph).expect("consistent sizes");
    let z = case.graph.add(Op::DotGeneral { batch: vec![], contract }, &[x, y]);
    let z = w.map_or(z, |w| case.graph.add(Op::Binary(Binary::Sub), &[w, z]));
    case.graph.results.push((Purpose::Output("z".into()), z));
    (case, sizes)
}

/// Whether the environment asks for this, or for nothing in particular.
fn asked(variable: &str, value: &str) -> bool {
    std::env::var(variable).map_or(true, |asked| asked.is_empty() || asked == value)
}

/// `SHAPE=128,512,512`, `FORM=x·yᵀ` and `DOWNHILL_TARGET=avx512` measure these alone.
#[test]
#[ignore = "a measurement"]
fn products() {
    // Rows, sum, columns. Layers of 784-128-10, 784-512-512-10 and 1024-2048-2048-1000: forward, weight gradient (transposed left
    // factor), input gradient (transposed right factor); then edges.
    let shapes = [
        [64, 784, 128],
        [784, 64, 128],
        [64, 128, 10],
        [128, 784, 512],
        [128, 512, 512],
        [784, 128, 512],
        [512, 128, 512],
        [256, 1024, 2048],
        [256, 2048, 2048],
        [256, 2048, 1000],
        [256, 1000, 2048],
        [1024, 256, 2048],
        [2048, 256, 2048],
        [2048, 256, 1000],
        [1, 784, 128],
        [1, 128, 784],
        [7, 17, 50],
        [50, 50, 50],
        [17, 785, 50],
        [128, 64, 64],
    ];
    let forms = [
        ("x·y", [false, false], false),
        ("w−xᵀ·y", [true, false], true),
        ("xᵀ·y", [true, false], false),
        ("x·yᵀ", [false, true], false),
    ];
    for lanes in Lanes::available().into_iter().rev().filter(|lanes| asked("DOWNHILL_TARGET", lanes.name())) {
        for [m, k, n] in shapes.into_iter().filter(|[m, k, n]| asked("SHAPE", &format!("{m},{k},{n}"))) {
            let work = 2.0 * (m * k * n) as f64;
            print!("{} {m}×{k}×{n}:", lanes.name());
            for (name, turned, updated) in forms.into_iter().filter(|(name, ..)| asked("FORM", name)) {
                let (case, sizes) = product([m, k, n], turned, updated);
                let (fixed, compiling) = case.measure(lanes, &sizes, work);
                let (generic, _) = case.measure(lanes, &Bindings::new(), work);
                let [fixed, generic] = [fixed, generic].map(|seconds| work / seconds / 1e9);
                print!(
                    "  {name} {fixed:.1} fixed, {generic:.1} generic GFLOP/s, {:.0} µs to compile;",
                    compiling * 1e6
                );
            }
            println!();
        }
    }
}

#[test]
#[ignore = "shows kernels and lane programs"]
fn programs() {
    for (shape, turned) in
        [([128, 512, 512], [false, true]), ([1, 784, 128], [false, true]), ([128, 512, 512], [true, false])]
    {
        let (case, sizes) = product(shape, turned, false);
        println!("{}", common::lane_programs(&case.graph, &sizes));
    }
}
