//! Lane programs that measure the peak rates of a core, with which the rates of other work are compared.
//!
//! In: how much to do. Out: [`Emitted`] programs that work on the context's storages, each 0 or 1.
//!
//! Must hold: instructions wait for none but their own chain, and there are more chains than an instruction has latency.

use crate::emit::kernel::{Emitted, Pointer};
use crate::ir::kernel::Buffer;
use crate::lane::{Address, Binary, Integer, Kind, Portion, ProgramBuilder, Reg, Unary, Var};
use downhill_graph::dim::Dim;

/// Sums that do not wait for each other; with their operands they fit the 16 registers of the smallest target.
const CHAINS: i64 = 12;
/// Multiply-adds of each chain in an iteration, so that loop overhead does not show.
const LINKS: i64 = 4;
/// Vectors in an iteration of the loops that move memory.
const UNROLLED: i64 = 8;
/// Bytes of an element.
const ELEMENT: i64 = size_of::<f32>() as i64;

/// Floating-point operations of [`multiply_adds`].
pub fn operations(lanes: u32, iterations: u32) -> u64 {
    2 * (CHAINS * LINKS) as u64 * u64::from(lanes) * u64::from(iterations)
}

/// A loop of this many iterations of fused multiply-adds on vectors of `lanes` elements. Storage 0 holds two vectors, its first one is
/// overwritten by the sums.
pub fn multiply_adds(lanes: u32, iterations: u32) -> Emitted {
    program(1, lanes, |b, lane| {
        let vector = |n: i64| element(0, lane).offset(n * i64::from(lanes) * ELEMENT);
        let (x, y) = (b.load(Kind::F32, vector(0)), b.load(Kind::F32, vector(1)));
        // Chains differ, so that none may be taken for another.
        let sums = chains(b, CHAINS, [1, i64::from(iterations)], |b, _, chain, sum| {
            let factors = if chain % 2 == 0 { (x, y) } else { (y, x) };
            (0..LINKS).fold(sum, |sum, _| b.fma(factors.0, factors.1, sum))
        });
        let sum = add(b, &sums);
        b.store(vector(0), sum);
    })
}

/// Reads about `bytes` bytes of storage 0, in ascending order and again and again, and adds them up; the second part of the result is
/// how many it reads in all. Storage 1 takes a vector.
pub fn read(lanes: u32, bytes: u64) -> (Emitted, u64) {
    let (iterations, moved) = iterations_of(lanes, bytes);
    let emitted = program(2, lanes, |b, lane| {
        let sums = chains(b, UNROLLED, iterations, |b, iteration, n, sum| {
            let loaded = b.load(Kind::F32, vector_of(0, lane, lanes, iteration, n));
            b.binary(Binary::AddF, loaded, sum)
        });
        let sum = add(b, &sums);
        b.store(element(1, lane), sum);
    });
    (emitted, moved)
}

/// Copies about `bytes / 2` bytes of storage 0 to storage 1, again and again; the second part of the result is how many it reads
/// and writes in all.
pub fn copy(lanes: u32, bytes: u64) -> (Emitted, u64) {
    let (iterations, moved) = iterations_of(lanes, bytes / 2);
    let emitted = program(2, lanes, |b, lane| {
        nest(b, iterations, |b, iteration| {
            for n in 0..UNROLLED {
                let loaded = b.load(Kind::F32, vector_of(0, lane, lanes, iteration, n));
                b.store(vector_of(1, lane, lanes, iteration, n), loaded);
            }
        });
    });
    (emitted, 2 * moved)
}

/// Reads and writes about `bytes / 2` bytes of storage 0 in place, again and again; the second part of the result is how many it reads
/// and writes in all.
pub fn update(lanes: u32, bytes: u64) -> (Emitted, u64) {
    let (iterations, moved) = iterations_of(lanes, bytes / 2);
    let emitted = program(1, lanes, |b, lane| {
        nest(b, iterations, |b, iteration| {
            for n in 0..UNROLLED {
                let loaded = b.load(Kind::F32, vector_of(0, lane, lanes, iteration, n));
                let negated = b.unary(Unary::NegF, loaded);
                b.store(vector_of(0, lane, lanes, iteration, n), negated);
            }
        });
    });
    (emitted, 2 * moved)
}

/// A lane loop over one vector, on `storages` storages.
fn program(storages: usize, lanes: u32, body: impl FnOnce(&mut ProgramBuilder, Var)) -> Emitted {
    let mut b = ProgramBuilder::new();
    let pointers = (0..storages).map(|n| Pointer::Into(Buffer::Storage(n), Dim::default())).collect();
    (0..storages).for_each(|_| _ = b.pointer());
    let lane = b.var();
    b.begin_lanes(lane, Integer::Constant(0), Integer::Constant(i64::from(lanes)));
    body(&mut b, lane);
    b.end_loop(&[]);
    Emitted { program: b.finish(), pointers, integers: Vec::new() }
}

/// Two nested loops that carry `count` values; in each iteration `next` computes each from the inner counter, its number and its last
/// value.
fn chains(
    b: &mut ProgramBuilder,
    count: i64,
    [outer, inner]: [i64; 2],
    next: impl Fn(&mut ProgramBuilder, Var, i64, Reg) -> Reg,
) -> Vec<Reg> {
    let zero = b.constant_f(0.0);
    begin(b, outer);
    let starts: Vec<Reg> = (0..count).map(|_| b.carry(zero, None)).collect();
    let iteration = begin(b, inner);
    let sums: Vec<Reg> = starts.iter().map(|&start| b.carry(start, None)).collect();
    let after: Vec<Reg> = (0..).zip(&sums).map(|(n, &sum)| next(b, iteration, n, sum)).collect();
    let after = b.end_loop(&after);
    b.end_loop(&after)
}

/// Two nested loops that carry nothing.
fn nest(b: &mut ProgramBuilder, [outer, inner]: [i64; 2], body: impl Fn(&mut ProgramBuilder, Var)) {
    begin(b, outer);
    let iteration = begin(b, inner);
    body(b, iteration);
    b.end_loop(&[]);
    b.end_loop(&[]);
}

fn begin(b: &mut ProgramBuilder, iterations: i64) -> Var {
    let iteration = b.var();
    b.begin_loop(iteration, Integer::Constant(0), Integer::Constant(iterations), Portion::Whole, false);
    iteration
}

fn add(b: &mut ProgramBuilder, terms: &[Reg]) -> Reg {
    let start = b.constant_f(0.0);
    terms.iter().fold(start, |sum, &term| b.binary(Binary::AddF, sum, term))
}

fn element(storage: u32, lane: Var) -> Address {
    Address::new(storage).index(lane, Integer::Constant(ELEMENT))
}

/// The n-th vector of an iteration.
fn vector_of(storage: u32, lane: Var, lanes: u32, iteration: Var, n: i64) -> Address {
    let vector = i64::from(lanes) * ELEMENT;
    element(storage, lane).offset(n * vector).index(iteration, Integer::Constant(UNROLLED * vector))
}

/// Iterations of two loops of which the inner one moves at most so many bytes, and the bytes that both move in all: enough for loop
/// overhead not to show.
fn iterations_of(lanes: u32, bytes: u64) -> ([i64; 2], u64) {
    const ENOUGH: u64 = 1 << 20;
    let iteration = (UNROLLED * i64::from(lanes) * ELEMENT) as u64;
    let inner = (bytes / iteration).max(1);
    let outer = ENOUGH.div_ceil(inner * iteration);
    ([outer as i64, inner as i64], outer * inner * iteration)
}
