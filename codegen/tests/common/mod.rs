//! Runs the graph of an entry as machine code, for comparison with the interpreter.
#![allow(dead_code, reason = "not every test needs all of it")]

use downhill_codegen::abi::{Context, InputBinding};
use downhill_codegen::artifact::Artifact;
use downhill_codegen::caches::{Cache, Caches};
use downhill_codegen::entry::description::Entry;
use downhill_codegen::error::Error;
use downhill_codegen::pipeline::{Planned, Purposes, Wanted, compile};
use downhill_codegen::target::{InstructionSet, Target};
use downhill_graph::dim::Bindings;
use downhill_graph::graph::{Graph, Input, Purpose};
use downhill_graph::interpret::Environment;
use downhill_graph::random::stream_seed;
use downhill_graph::stages::{Stage, Stages};
use downhill_graph::tensor::{Data, Tensor};
use downhill_graph::types::{ElementType, Type};
use downhill_runtime::code::{Executable, Function};
use downhill_runtime::host;
use std::collections::BTreeMap;

pub(crate) mod case;
mod memory;

pub(crate) mod hand;

pub(crate) mod units;

#[allow(unused_imports, reason = "not every test counts them")]
pub(crate) use hand::divided;
use hand::{Arena, HANDS, Hand, Layout, Order};
use memory::Memory;

/// A list of choices; when it ends, all are the first.
pub(crate) struct Choices<'a>(std::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes.iter())
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count
    }

    pub(crate) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.len() == 0
    }
}

fn to_words(tensor: &Tensor) -> Vec<u32> {
    match tensor.data() {
        Data::F32(values) => values.iter().map(|x| x.to_bits()).collect(),
        Data::I32(values) => values.iter().map(|&x| x as u32).collect(),
        Data::U32(values) => values.clone(),
        Data::Bool(values) => values.iter().map(|&x| u32::from(x)).collect(),
        Data::F64(_) => panic!("compiled code has no f64"),
    }
}

fn from_words(ty: &Type, sizes: &Bindings, words: &[u32]) -> Tensor {
    let shape = ty.shape.evaluate(sizes).expect("sizes are known");
    match ty.element {
        ElementType::F32 => Tensor::new(shape, words.iter().map(|&w| f32::from_bits(w)).collect::<Vec<_>>()),
        ElementType::I32 => Tensor::new(shape, words.iter().map(|&w| w as i32).collect::<Vec<_>>()),
        ElementType::U32 => Tensor::new(shape, words.to_vec()),
        ElementType::Bool => Tensor::new(shape, words.iter().map(|&w| w != 0).collect::<Vec<_>>()),
        ElementType::F64 => panic!("compiled code has no f64"),
    }
    .expect("as many words as elements")
}

/// The elements by their bits; any NaN equals any other.
pub(crate) fn bits(tensor: &Tensor) -> Vec<u64> {
    tensor.to_f64_vec().into_iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
}

/// What one call of an entry left behind.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// Results by purpose, in the order of the graph's results.
    pub(crate) results: Vec<(Purpose, Tensor)>,
    /// `Context::stopped`.
    pub(crate) stopped: i64,
    /// `Context::updated`.
    pub(crate) updated: i64,
}

impl Outcome {
    /// Panics where another call, which `what` says, came to anything else.
    pub(crate) fn assert_same(&self, other: &Outcome, what: &dyn Fn() -> String) {
        let end = |outcome: &Outcome| (outcome.stopped, outcome.updated);
        assert_eq!(end(self), end(other), "{}", what());
        for ((purpose, one), (_, other)) in self.results.iter().zip(&other.results) {
            assert_eq!(bits(one), bits(other), "{purpose:?} differs: {}", what());
        }
    }
}

/// Compiles `graph`, with the sizes in `fixed` fixed, and runs one step of it in `environment`: on every target that this machine
/// has, whole and divided, whose results must be the same bits.
pub(crate) fn run(graph: &Graph, environment: &Environment, fixed: &Bindings) -> Result<Outcome, Error> {
    let mut first: Option<Outcome> = None;
    let targets = host::available().into_iter().flat_map(|lanes| [(lanes, 1), (lanes, 3)]);
    for (lanes, threads) in targets {
        let outcome = run_on(lanes, threads, graph, environment, fixed)?;
        let what = || format!("{threads} threads on {lanes:?}");
        first.get_or_insert_with(|| outcome.clone()).assert_same(&outcome, &what);
    }
    Ok(first.expect("the portable target is always there"))
}

/// Caches so small that operands of tests do not fit in them.
const SMALL: Caches =
    Caches { first: Cache { bytes: 1 << 10, ways: 2 }, second: Cache { bytes: 32 << 10, ways: 4 } };

/// The calls of code for three threads, however small their kernels, for these sizes.
pub(crate) fn calls_of_three(graph: &Graph, sizes: &Bindings) -> String {
    let target = host::target_with(InstructionSet::Portable).expect("the portable target");
    let target = target.threads(3).dividing_from(0);
    let mut text = String::new();
    let mut show = |_: &str, _: Stage, form: &str| text.push_str(form);
    let mut stages = Stages::watched(&[Stage::Entry], &mut show);
    let planned = Planned::new("test", graph.clone(), &mut stages).expect("a plan");
    let wanted = Wanted { planned: &planned, variants: std::slice::from_ref(sizes) };
    compile(&[wanted], Purposes { target: &target, marked: false }, &mut stages).expect("it compiles");
    drop(stages);
    text
}

/// Runs one step. Code for several threads is made for small caches, and is run again with its ranges in other orders and its memory laid out
/// otherwise: the bits must be the same.
pub(crate) fn run_on(
    lanes: InstructionSet,
    threads: usize,
    graph: &Graph,
    environment: &Environment,
    fixed: &Bindings,
) -> Result<Outcome, Error> {
    // Every kernel with a loop to divide is divided, however small.
    let target = host::target_with(lanes).expect("vectors that this machine has");
    let target = target.threads(threads).dividing_from(0);
    let target = if threads > 1 { target.with_caches(SMALL) } else { target };
    let (artifact, entry) = compiled(graph, fixed, &target, false)?;
    let executable = Executable::load(&artifact.code).expect("executable memory");
    // SAFETY: the function of an entry, of the code that was loaded.
    let native = unsafe { executable.function(&artifact.code, entry.function) };

    let hands = if threads > 1 { &HANDS[..] } else { &[(Order::Forwards, Layout::Apart)] };
    let mut first: Option<Outcome> = None;
    for &(order, layout) in hands {
        let outcome = call(graph, environment, &entry, &native, (&Hand::new(order, threads), layout));
        let what = || format!("{order:?}, {layout:?}, {threads} threads on {lanes:?}");
        first.get_or_insert_with(|| outcome.clone()).assert_same(&outcome, &what);
    }
    Ok(first.expect("some order"))
}

/// The code of a graph for these sizes: the generic variant for none.
fn compiled(
    graph: &Graph,
    fixed: &Bindings,
    target: &Target,
    marked: bool,
) -> Result<(Artifact, Entry), Error> {
    let mut stages = Stages::unwatched();
    let planned = Planned::new("test", graph.clone(), &mut stages)?;
    let wanted = Wanted { planned: &planned, variants: std::slice::from_ref(fixed) };
    let mut artifact = compile(&[wanted], Purposes { target, marked }, &mut stages)?;
    let entry = artifact.entries.pop().and_then(|mut variants| variants.pop()).expect("a variant");
    Ok((artifact, entry))
}

/// Rows at the odd places of a table, in descending order; NaN at the even ones.
fn in_a_table(words: &[u32], rows: usize) -> Vec<u32> {
    let row = words.len() / rows.max(1);
    let mut table = vec![f32::NAN.to_bits(); 2 * words.len()];
    for (place, values) in words.chunks_exact(row.max(1)).enumerate() {
        let start = (2 * (rows - 1 - place) + 1) * row;
        table[start..start + row].copy_from_slice(values);
    }
    table
}

fn call(
    graph: &Graph,
    environment: &Environment,
    entry: &Entry,
    native: &Function,
    (hand, layout): (&Hand, Layout),
) -> Outcome {
    let sizes = environment.bindings(graph).expect("consistent sizes");
    let words = |ty: &Type| ty.shape.evaluate(&sizes).expect("sizes are known").iter().product::<usize>();
    let mut storages: Vec<Memory> = graph
        .storages
        .iter()
        .map(|s| {
            environment
                .storages
                .get(&s.name)
                .map_or_else(|| Memory::new(&vec![0; words(&s.ty)]), |t| Memory::new(&to_words(t)))
        })
        .collect();
    let input_words = |input: &Input| environment.inputs.get(&input.name).map_or_else(Vec::new, to_words);
    let mut inputs: Vec<Memory> = graph
        .inputs
        .iter()
        .zip(&entry.inputs)
        .map(|(input, slot)| match input_words(input) {
            words if slot.lookup => Memory::new(&in_a_table(&words, sizes[&entry.symbols[0]] as usize)),
            words => Memory::new(&words),
        })
        .collect();
    let mut outputs: Vec<Memory> =
        entry.outputs.iter().map(|(_, ty)| Memory::new(&vec![0; words(ty)])).collect();
    let numbers: Vec<i64> = entry.numbers.iter().map(|n| n.at(&sizes).expect("sizes are known")).collect();
    let arena = Arena::new(entry, &sizes, layout);
    // What is looked up lies in every other row of a table, the last one first, with NaN between.
    let batch = entry.symbols.first().map_or(0, |name| sizes[name]) as u32;
    let rows: Vec<u32> = (0..batch).map(|row| 2 * (batch - 1 - row) + 1).collect();
    let mut losses = [0.0_f32];
    let keys: Vec<[u32; 2]> =
        entry.streams.iter().map(|&stream| stream_seed(environment.seed, stream)).collect();
    let storage_pointers: Vec<*mut u8> = storages.iter_mut().map(Memory::pointer).collect();
    let output_pointers: Vec<*mut u8> = outputs.iter_mut().map(Memory::pointer).collect();
    let bindings: Vec<InputBinding> = inputs
        .iter_mut()
        .zip(&graph.inputs)
        .map(|(memory, input)| {
            let row: i64 = input
                .ty
                .shape
                .dims()
                .iter()
                .skip(1)
                .map(|dim| dim.evaluate(&sizes).expect("known"))
                .product();
            InputBinding { base: memory.pointer(), row_stride: 4 * row, step_stride: 0 }
        })
        .collect();
    let mut context = Context {
        storages: storage_pointers.as_ptr(),
        inputs: bindings.as_ptr(),
        outputs: output_pointers.as_ptr(),
        // Offsets from nowhere are addresses.
        arena: std::ptr::null_mut(),
        offsets: arena.1.as_ptr(),
        numbers: numbers.as_ptr(),
        rows: rows.as_ptr(),
        keys: keys.as_ptr(),
        first_step: environment.step,
        losses: losses.as_mut_ptr(),
        steps: 1,
        stopped: 0,
        updated: 0,
        alarm: 0,
        pool: std::ptr::from_ref(hand).cast(),
        divide: hand::divide,
        marks: std::ptr::null_mut(),
        mark: None,
    };
    // SAFETY: every pointer is to memory as large as the entry says for these sizes.
    unsafe { native.call(&mut context) };
    arena.assert_whole();
    inputs.iter().for_each(|memory| _ = memory.words());
    let mut named: BTreeMap<Purpose, Tensor> = BTreeMap::new();
    for ((purpose, ty), memory) in entry.outputs.iter().zip(&outputs) {
        named.insert(purpose.clone(), from_words(ty, &sizes, memory.words()));
    }
    let results = graph
        .results
        .iter()
        .map(|(purpose, _)| {
            let tensor = match purpose {
                Purpose::Update(n) => from_words(&graph.storages[*n].ty, &sizes, storages[*n].words()),
                Purpose::Loss(_) => Tensor::scalar(losses[0]),
                other => named[other].clone(),
            };
            (purpose.clone(), tensor)
        })
        .collect();
    Outcome { results, stopped: context.stopped, updated: context.updated }
}

/// What is known of a graph's entry in code for so many threads, which divides every kernel however small.
pub(crate) fn entry_for(threads: usize, graph: &Graph, fixed: &Bindings) -> Entry {
    let target = host::target().expect("a supported processor").threads(threads).dividing_from(0);
    compiled(graph, fixed, &target, false).expect("it compiles").1
}

/// What is known of a graph's compiled entry, with what its functions cost.
pub(crate) fn entry(graph: &Graph, fixed: &Bindings) -> Entry {
    let target = host::target().expect("a supported processor");
    compiled(graph, fixed, &target, true).expect("it compiles").1
}
