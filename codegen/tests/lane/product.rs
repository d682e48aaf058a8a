//! A register-blocked matrix product as a lane program: right at every size, and measured when asked.

use std::time::Instant;

use downhill_codegen::lane::*;
use downhill_codegen::lower::wide::{Asked, assemble};
use downhill_codegen::target::Extension;
use downhill_codegen::target::InstructionSet;
use downhill_runtime::host;

use crate::fixed::agree;
use crate::harness::{Compiled, FOUR, elementwise};

/// C[m,n] = A[m,k]·B[k,n], `jam` rows at a time; sizes known or given as integers, strides in bytes.
fn product(jam: u32, known: Option<[i64; 3]>) -> LaneProgram {
    let mut b = ProgramBuilder::new();
    for _ in 0..3 {
        b.pointer();
    }
    let arguments: Vec<Integer> = match known {
        Some([m, n, k]) => [m, n, k, 4 * k, 4 * n].map(Integer::Constant).to_vec(),
        None => (0..5).map(|_| b.integer()).collect(),
    };
    let (i, j, p) = (b.var(), b.var(), b.var());
    for (portion, rows) in [(Portion::Blocks(jam), jam), (Portion::Rest(jam), 1)] {
        b.begin_loop(i, Integer::Constant(0), arguments[0], portion, false);
        b.begin_lanes(j, Integer::Constant(0), arguments[1]);
        let zero = b.constant_f(0.0);
        b.begin_loop(p, Integer::Constant(0), arguments[2], Portion::Whole, false);
        let sums: Vec<Reg> = (0..rows).map(|_| b.carry(zero, None)).collect();
        let right = b.load(Kind::F32, Address::new(1).index(p, arguments[4]).index(j, FOUR));
        let mut next = Vec::new();
        for (row, &sum) in sums.iter().enumerate() {
            let left = Address::new(0).index_plus(i, row as i64, arguments[3]).index(p, FOUR);
            let left = b.load(Kind::F32, left);
            next.push(b.fma(left, right, sum));
        }
        for (row, sum) in b.end_loop(&next).into_iter().enumerate() {
            b.store(Address::new(2).index_plus(i, row as i64, arguments[4]).index(j, FOUR), sum);
        }
        b.end_loop(&[]);
        b.end_loop(&[]);
    }
    b.finish()
}

fn matrix(rows: i64, columns: i64) -> Vec<u32> {
    (0..rows * columns).map(|i| ((i * 7919 % 1013) as f32 * 0.01 - 5.0).to_bits()).collect()
}

#[test]
fn products_of_all_sizes() {
    for jam in [1, 4, 6, 8] {
        for [m, n, k] in
            [[8, 32, 16], [1, 1, 1], [13, 10, 7], [3, 50, 2], [9, 33, 0], [0, 5, 5], [16, 70, 3], [5, 3, 50]]
        {
            let memory = [matrix(m, k), matrix(k, n), vec![0x7fc0_0000; (m * n) as usize]];
            agree(&product(jam, None), &memory, &[m, n, k, 4 * k, 4 * n]);
            agree(&product(jam, Some([m, n, k])), &memory, &[]);
        }
    }
}

/// The widest vectors, or those that `DOWNHILL_TARGET` names.
fn best() -> InstructionSet {
    host::target().expect("a supported processor").instructions()
}

fn seconds(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..60 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// Multiply-adds of registers alone, `turns` times eight for each of 48 elements.
fn multiply_adds(turns: i64) -> LaneProgram {
    let mut b = ProgramBuilder::new();
    let (x, y, j, p) = (b.pointer(), b.pointer(), b.var(), b.var());
    let factor = b.load(Kind::F32, Address::new(x));
    b.begin_lanes(j, Integer::Constant(0), Integer::Constant(48));
    let zero = b.constant_f(0.0);
    let element = b.load(Kind::F32, Address::new(x).index(j, FOUR));
    b.begin_loop(p, Integer::Constant(0), Integer::Constant(turns), Portion::Whole, false);
    let sums: Vec<Reg> = (0..8).map(|_| b.carry(zero, None)).collect();
    let next: Vec<Reg> = sums.into_iter().map(|sum| b.fma(factor, element, sum)).collect();
    for (row, sum) in b.end_loop(&next).into_iter().enumerate() {
        b.store(Address::new(y).offset(192 * row as i64).index(j, FOUR), sum);
    }
    b.end_loop(&[]);
    b.finish()
}

/// Seconds that code generation takes for a program.
fn seconds_to_assemble(program: &LaneProgram) -> f64 {
    let level = match best() {
        InstructionSet::Avx2 => Extension::Avx2,
        _ => Extension::Avx512,
    };
    seconds(|| drop(assemble(program, level, Asked::default())))
}

#[test]
#[ignore = "a measurement: cargo test --release -p downhill-codegen --test lane -- --ignored --nocapture"]
fn measure_products() {
    let peak = Compiled::with(&multiply_adds(10_000), best());
    let time = seconds(|| peak.run(&mut [vec![0; 48], vec![0; 384]], &[]));
    println!("peak of multiply-adds: {:.1} GFLOP/s", 2.0 * 10_000.0 * 8.0 * 48.0 / time / 1e9);
    let [m, n, k] = [96, 144, 784];
    for jam in [1, 4, 6, 8] {
        for known in [None, Some([m, n, k])] {
            let compiled = Compiled::with_disassembly(&product(jam, known), best(), true);
            let mut memory = [matrix(m, k), matrix(k, n), vec![0; (m * n) as usize]];
            let integers: &[i64] = if known.is_some() { &[] } else { &[m, n, k, 4 * k, 4 * n] };
            let time = seconds(|| compiled.run(&mut memory, integers));
            println!(
                "{jam} rows, known {}: {:.1} GFLOP/s, {:.0} µs to assemble",
                known.is_some(),
                2.0 * (m * n * k) as f64 / time / 1e9,
                seconds_to_assemble(&product(jam, known)) * 1e6
            );
            if std::env::var("DISASSEMBLE").is_ok_and(|which| which == format!("{jam}{}", known.is_some())) {
                println!("{}", compiled.disassembly.as_deref().unwrap_or_default());
            }
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn measure_functions() {
    type Function = fn(&mut ProgramBuilder, Reg) -> Reg;
    let functions: [(&str, Function); 11] = [
        ("copy", |_, x| x),
        ("exp", math::exp),
        ("tanh", math::tanh),
        ("logistic", math::logistic),
        ("softplus", math::softplus),
        ("log", math::log),
        ("erf", math::erf),
        ("normal_cdf", math::normal_cdf),
        ("bell", math::bell),
        ("sin", math::sin),
        ("pow", |b, x| math::pow(b, x, x)),
    ];
    for (name, function) in functions {
        let program = elementwise(1, |b, x| function(b, x[0]));
        let instructions = program
            .to_string()
            .lines()
            .filter(|line| !line.ends_with(char::is_numeric) || line.contains(' '))
            .count();
        let start = Instant::now();
        let compiled = Compiled::with(&program, best());
        let compile = start.elapsed();
        let compile_only = seconds(|| drop(Compiled::with(&program, best())));
        let input = (0..4096).map(|i| (i as f32 * 0.003 - 6.0).to_bits()).collect();
        let mut memory = [input, vec![0; 4096]];
        let time = seconds(|| (0..10).for_each(|_| compiled.run(&mut memory, &[4096]))) / 10.0;
        println!(
            "{name}: {:.0} ns for 4096, {:.2} elements/ns, {instructions} lines, compile {compile:?}, again {:.0} µs, {:.0} µs to assemble",
            time * 1e9,
            4096e-9 / time,
            compile_only * 1e6,
            seconds_to_assemble(&program) * 1e6
        );
        if std::env::var("DISASSEMBLE").is_ok_and(|which| which == name) {
            let compiled = Compiled::with_disassembly(&program, best(), true);
            println!("{}", compiled.disassembly.as_deref().unwrap_or_default());
        }
    }
}
