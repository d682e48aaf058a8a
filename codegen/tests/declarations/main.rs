//! Random declarations, from the builder to machine code between guard pages.
//!
//! For each: what is said of its sizes before any code runs, the interpreter, generic code and code with the sizes fixed agree, on
//! targets and numbers of threads that take turns. `DOWNHILL_CASES` says how many are tried, `DOWNHILL_SEED` from which on.

#[path = "../common/mod.rs"]
mod common;
mod generator;
mod palette;

use common::Outcome;
use downhill_codegen::target::InstructionSet;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::sizes;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Type};
use downhill_nn::builder::Declaration;
use downhill_nn::composite;
use downhill_nn::entry;
use downhill_nn::optimizers::{Optimizer, adam, sgd};
use downhill_runtime::host;
use generator::{CLASSES, Run, declare};

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }
}

/// How a case ended.
#[derive(Default, Debug)]
struct Counts {
    /// The declaration was refused.
    mistakes: usize,
    /// An entry was refused for its sizes.
    refused: usize,
    /// Entries that ran.
    ran: usize,
    /// Steps among them that were stopped.
    stopped: usize,
}

/// A number in the environment.
fn said(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What long runs have found, each mended: a slice of a column of one element, zeros around a piece in an axis of one element.
const FOUND: [u64; 2] = [1_000_448, 1_057_140];

#[test]
fn declarations_mean_the_same_to_everyone() {
    let (cases, first) = (said("DOWNHILL_CASES").unwrap_or(200), said("DOWNHILL_SEED").unwrap_or(0));
    FOUND.into_iter().for_each(|seed| try_case(seed, &mut Counts::default()));
    let mut counts = Counts::default();
    for seed in first..first + cases {
        // Said before, for a fault that ends the process.
        if cases <= 1000 {
            println!("seed {seed}");
        }
        try_case(seed, &mut counts);
    }
    println!("{cases} cases from {first}: {counts:?}");
    // A generator that is refused or stopped all the time would prove nothing.
    if cases >= 200 {
        let enough = cases as usize / 20;
        assert!(counts.ran > 10 * enough && counts.refused > enough && counts.stopped > enough, "{counts:?}");
    }
}

#[test]
fn every_built_in_is_drawn() {
    for name in composite::names() {
        let is_given = palette::given(name).is_some();
        let is_left_out = palette::NOT_DRAWN.iter().any(|(other, _)| *other == name);
        assert!(
            is_given != is_left_out,
            "`{name}` is drawn, or left out with a reason: {is_given}, {is_left_out}"
        );
    }
    let listed = palette::GIVEN.iter().flat_map(|(names, _)| names.split_whitespace());
    for name in listed.chain(palette::NOT_DRAWN.iter().map(|(name, _)| *name)) {
        assert!(composite::find(name).is_some(), "there is no `{name}`");
    }
}

#[test]
fn every_built_in_means_the_same_to_everyone() {
    let calls = said("DOWNHILL_CASES").map_or(1, |cases| 1 + cases / 200);
    let mut noise = Noise(5);
    for name in composite::names().filter(|name| palette::given(name).is_some()) {
        let built_in = composite::find(name).expect("it is listed");
        let mut counts = Counts::default();
        for turn in 0..calls {
            println!("{name}, call {turn}");
            let bytes: Vec<u8> = (0..40).map(|_| noise.next() as u8).collect();
            let (declaration, run) = palette::declare(built_in, &bytes);
            let declaration = declaration.unwrap_or_else(|errors| panic!("{name}: {errors}"));
            try_declaration(turn, &declaration, &run, &mut counts);
        }
        assert!(counts.ran > 0, "{name} never ran: {counts:?}");
    }
}

fn try_case(seed: u64, counts: &mut Counts) {
    let mut noise = Noise(seed);
    let length = 20 + noise.next() % 80;
    let bytes: Vec<u8> = (0..length).map(|_| noise.next() as u8).collect();
    let (declaration, run) = declare(&bytes);
    match declaration {
        Ok(declaration) => try_declaration(seed, &declaration, &run, counts),
        Err(_) => counts.mistakes += 1,
    }
}

fn try_declaration(seed: u64, declaration: &Declaration, run: &Run, counts: &mut Counts) {
    let optimizer: Optimizer = if seed.is_multiple_of(3) { adam(0.5).into() } else { sgd(0.5).into() };
    let entries: [fn(&Declaration, &Optimizer) -> Result<Graph, _>; 3] = [
        |declaration, _| entry::forward(declaration),
        |declaration, optimizer| entry::step(declaration, None, optimizer),
        |declaration, _| entry::gradients(declaration, None, &[]),
    ];
    for (place, make) in entries.into_iter().enumerate() {
        match make(declaration, &optimizer) {
            Ok(graph) => try_entry(seed + place as u64, &graph, run, counts)
                .unwrap_or_else(|message| panic!("seed {seed}: {message}\nin\n{}", graph.to_text())),
            Err(_) => counts.refused += 1,
        }
    }
}

fn try_entry(turn: u64, graph: &Graph, run: &Run, counts: &mut Counts) -> Result<(), String> {
    if graph.results.is_empty() {
        return Ok(());
    }
    let environment = environment(graph, run);
    let interpreted = |precision| interpret(graph, &environment, precision);
    if let Err(reason) = sizes::check(graph, &run.sizes) {
        counts.refused += 1;
        let reason = reason.to_string();
        let is_limit = reason.contains("memory can hold") || reason.contains("2³¹ − 1");
        return match interpreted(Precision::F64) {
            Ok(_) if !is_limit => Err(format!("the interpreter takes what is refused: {reason}")),
            _ => Ok(()),
        };
    }
    let exact = interpreted(Precision::F64).map_err(|error| format!("the interpreter refuses: {error}"))?;
    let rounded = interpreted(Precision::F32).map_err(|error| format!("in f32: {error}"))?;
    let all: Vec<(InstructionSet, usize)> =
        host::available().into_iter().flat_map(|lanes| [(lanes, 1), (lanes, 3)]).collect();
    let on = |n: u64, fixed: &Bindings| {
        let (lanes, threads) = all[(turn + n) as usize % all.len()];
        common::run_on(lanes, threads, graph, &environment, fixed).map_err(|error| error.to_string())
    };
    let (generic, fixed) = (on(0, &Bindings::new())?, on(1 + turn / 7, &run.sizes)?);
    counts.ran += 1;
    if is_stopped(graph, &environment, &exact, &generic)? {
        counts.stopped += 1;
        return is_stopped(graph, &environment, &exact, &fixed).map(|_| ());
    }
    for (n, (purpose, exact)) in exact.iter().enumerate() {
        compare(purpose, exact, &rounded[n].1, &generic.results[n].1)?;
        if bits(&generic.results[n].1) != bits(&fixed.results[n].1) {
            return Err(format!("{purpose:?} differs between generic code and code for fixed sizes"));
        }
    }
    Ok(())
}

/// What f32 loses is what the interpreter loses in f32, up to the order of its additions.
fn compare(purpose: &Purpose, exact: &Tensor, rounded: &Tensor, found: &Tensor) -> Result<(), String> {
    if exact.shape() != found.shape() {
        return Err(format!("{purpose:?} has shape {:?}, expected {:?}", found.shape(), exact.shape()));
    }
    let (exact, rounded, found) = (exact.to_f64_vec(), rounded.to_f64_vec(), found.to_f64_vec());
    let finite = |value: f64| if value.is_finite() { value.abs() } else { 0.0 };
    let lost = exact.iter().zip(&rounded).map(|(e, r)| finite(e - r)).fold(0.0, f64::max);
    let most = exact.iter().map(|e| finite(*e)).fold(0.0, f64::max);
    let tolerance = 8.0 * lost + 2e-6 * most + 1e-6;
    for (position, (e, f)) in exact.iter().zip(&found).enumerate() {
        if !((e - f).abs() <= tolerance || e == f || e.is_nan() && f.is_nan()) {
            return Err(format!("{purpose:?}[{position}] is {f}, expected {e} ± {tolerance:e}"));
        }
    }
    Ok(())
}

fn bits(tensor: &Tensor) -> Vec<u64> {
    tensor.to_f64_vec().into_iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
}

/// Whether a step was stopped: exactly where its loss or an update is not finite, and then nothing has changed, unless only the updates
/// showed it.
fn is_stopped(
    graph: &Graph,
    environment: &Environment,
    exact: &[(Purpose, Tensor)],
    found: &Outcome,
) -> Result<bool, String> {
    let is_broken =
        |tensor: &Tensor| tensor.element().is_float() && tensor.to_f64_vec().iter().any(|x| !x.is_finite());
    let of = |kind: fn(&Purpose) -> bool| exact.iter().filter(move |(purpose, _)| kind(purpose));
    let trains = of(|purpose| matches!(purpose, Purpose::Update(_))).next().is_some();
    let decides = of(|purpose| matches!(purpose, Purpose::Update(_) | Purpose::Loss(_)))
        .any(|(_, value)| is_broken(value));
    if (trains && decides) != (found.stopped == 0) {
        let broken = found.results.iter().filter(|(_, value)| is_broken(value)).map(|(purpose, _)| purpose);
        return Err(format!(
            "stopped is {}, updated {}, where something is not finite: {decides}; found so: {:?}",
            found.stopped,
            found.updated,
            broken.collect::<Vec<_>>()
        ));
    }
    for (purpose, value) in &found.results {
        if let (Purpose::Update(n), 0, 0) = (purpose, found.stopped, found.updated)
            && let Some(before) = environment.storages.get(&graph.storages[*n].name)
            && bits(before) != bits(value)
        {
            return Err(format!("{purpose:?} was made by a step that ended before its updates"));
        }
    }
    Ok(found.stopped == 0)
}

/// Small whole numbers for inputs and parameters; an optimizer's states as amid a training.
fn environment(graph: &Graph, run: &Run) -> Environment {
    let mut noise = Noise(11);
    let mut tensor = |ty: &Type, number: &mut dyn FnMut(u64) -> f64| {
        let shape = ty.shape.evaluate(&run.sizes).expect("shapes of what is given are known");
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| number(noise.next())).collect();
        Tensor::from_f64(ty.element, shape, &values).expect("as many as the shape says")
    };
    let mut environment = Environment::new();
    for input in &graph.inputs {
        let classes = if run.labels_fit { CLASSES } else { CLASSES + 1 } as u64;
        let tensor = tensor(&input.ty, &mut |noise| match (&*input.name, input.ty.element) {
            ("learning_rate", _) => 0.5,
            (name, _) if let Some(number) = palette::number(name, noise) => number,
            (_, ElementType::I32) => (noise % classes) as f64,
            _ => (noise % 5) as f64 - 2.0,
        });
        environment = environment.input(&input.name, tensor);
    }
    for storage in &graph.storages {
        let tensor = tensor(&storage.ty, &mut |noise| match &*storage.name {
            "w" | "v" => (noise % 5) as f64 - 2.0,
            // Where it is 0, the least rounding of a gradient of 0 becomes a whole step.
            name if name.ends_with("second_moment") => 1.0,
            "optimizer.step" => 3.0,
            _ => 0.0,
        });
        environment = environment.storage(&storage.name, tensor);
    }
    environment
}
