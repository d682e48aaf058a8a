//! Chosen programs: every instruction at its special values, reductions of every length, `define`.

use downhill_codegen::code::Functions;
use downhill_codegen::lane::interpret::interpret;
use downhill_codegen::lane::*;
use downhill_codegen::lower::clif::define;
use downhill_codegen::target::InstructionSet;
use downhill_runtime::code::Executable;
use downhill_runtime::host;

use crate::harness::{Compiled, FOUR, elementwise, reduction, same_bits};

/// Runs the interpreter and every lowering that this machine can run, and compares all memory.
pub(crate) fn agree(program: &LaneProgram, memory: &[Vec<u32>], integers: &[i64]) {
    let mut expected = memory.to_vec();
    interpret(program, &mut expected, integers).unwrap_or_else(|error| panic!("{error}\n{program}"));
    for lanes in host::available() {
        agrees(program, lanes, memory, &expected, integers);
    }
}

fn agrees(
    program: &LaneProgram,
    lanes: InstructionSet,
    memory: &[Vec<u32>],
    expected: &[Vec<u32>],
    integers: &[i64],
) {
    let mut actual = memory.to_vec();
    Compiled::with(program, lanes).run(&mut actual, integers);
    for (buffer, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        for (element, (&expected, &actual)) in expected.iter().zip(actual).enumerate() {
            assert!(
                same_bits(expected, actual),
                "{lanes:?}: p{buffer}[{element}] = {actual:#x} ({:e}), expected {expected:#x} ({:e}); integers {integers:?}\n{program}",
                f32::from_bits(actual),
                f32::from_bits(expected),
            );
        }
    }
}

const SPECIAL: [u32; 26] = [
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    1,
    0x8000_0001,
    0x4f00_0000,
    0x4eff_ffff,
    0xcf00_0000,
    0xcf00_0001,
    0x4f7f_ffff,
    0x4f80_0000,
    0x3f00_0000,
    0x3fc0_0000,
    0x4020_0000,
    0xbf00_0000,
    0x7f7f_ffff,
    0x0080_0000,
    31,
    33,
    0x7fff_ffff,
    0xffff_ffff,
];

fn unaries() -> Vec<Unary> {
    use Unary::*;
    vec![NegF, AbsF, SqrtF, FloorF, NearestF, NegI, NotI, ToI32, ToU32, FromI32, FromU32, BitsOf, FromBits]
}

fn binaries() -> Vec<Binary> {
    use Binary::*;
    let floats = [AddF, SubF, MulF, DivF, MaxF, MinF, PickGreater];
    let integers =
        [AddI, SubI, MulI, MaxI, MinI, AndI, OrI, XorI, ShiftLeft, ShiftRightLogical, ShiftRightArithmetic];
    floats.into_iter().chain(integers).collect()
}

fn compares() -> Vec<Compare> {
    use Compare::*;
    vec![EqF, NeF, LtF, LeF, EqI, NeI, LtI, LeI, LtU, LeU]
}

fn as_kind(b: &mut ProgramBuilder, x: Reg, kind: Kind) -> Reg {
    if kind == Kind::I32 { b.unary(Unary::BitsOf, x) } else { x }
}

fn as_float(b: &mut ProgramBuilder, x: Reg) -> Reg {
    match b.register(x).kind {
        Kind::F32 => x,
        Kind::I32 => b.unary(Unary::FromBits, x),
        Kind::Mask => {
            let bit = b.unary(Unary::FromMask, x);
            b.unary(Unary::FromBits, bit)
        }
    }
}

/// All pairs of special values; 26² elements leave scalars over.
fn pairs() -> Vec<Vec<u32>> {
    let all = || SPECIAL.iter().flat_map(|&x| SPECIAL.iter().map(move |&y| (x, y)));
    let mut memory =
        vec![all().map(|pair| pair.0).collect(), all().map(|pair| pair.1).collect(), vec![0; 676]];
    memory.iter_mut().for_each(|buffer: &mut Vec<u32>| buffer.truncate(675));
    memory
}

#[test]
fn unary_instructions() {
    for op in unaries() {
        let program = elementwise(1, |b, x| {
            let x = as_kind(b, x[0], op.operand());
            let result = b.unary(op, x);
            as_float(b, result)
        });
        for length in [24, 25, 26] {
            agree(&program, &[SPECIAL[26 - length..].to_vec(), vec![0; length]], &[length as i64]);
        }
    }
}

#[test]
fn binary_instructions() {
    for op in binaries() {
        let program = elementwise(2, |b, x| {
            let (x, y) = (as_kind(b, x[0], op.kind()), as_kind(b, x[1], op.kind()));
            let result = b.binary(op, x, y);
            as_float(b, result)
        });
        agree(&program, &pairs(), &[675]);
    }
}

#[test]
fn binary_instructions_with_a_constant() {
    for op in binaries() {
        for &constant in &SPECIAL {
            for constant_first in [false, true] {
                let program = elementwise(1, |b, x| {
                    let x = as_kind(b, x[0], op.kind());
                    let constant = if op.kind() == Kind::F32 {
                        b.constant_f(f32::from_bits(constant))
                    } else {
                        b.constant_i(constant as i32)
                    };
                    let result =
                        if constant_first { b.binary(op, constant, x) } else { b.binary(op, x, constant) };
                    as_float(b, result)
                });
                agree(&program, &[SPECIAL.to_vec(), vec![0; 26]], &[26]);
            }
        }
    }
}

#[test]
fn comparisons_and_selects() {
    for op in compares() {
        let program = elementwise(2, |b, x| {
            let (left, right) = (as_kind(b, x[0], op.operand()), as_kind(b, x[1], op.operand()));
            let mask = b.compare(op, left, right);
            let not = b.unary(Unary::NotMask, mask);
            let other = b.compare(Compare::LtF, x[1], x[0]);
            let both = b.binary(Binary::XorMask, not, other);
            let either = b.binary(Binary::OrMask, mask, both);
            let third = b.select(either, mask, other);
            let first = b.select(mask, x[0], x[1]);
            let bit = as_float(b, third);
            b.select(third, first, bit)
        });
        agree(&program, &pairs(), &[675]);
    }
}

#[test]
fn reductions_of_every_length() {
    let data: Vec<u32> = (0..200).map(|i| ((i * 7919 % 613) as f32 * 0.37 - 100.0).to_bits()).collect();
    let kinds = [(0.0, Combine::AddF), (f32::NEG_INFINITY, Combine::MaxF), (f32::INFINITY, Combine::MinF)];
    for (initial, combine) in kinds {
        let light = reduction(initial, combine, Integer::Argument(0), |_, x| x);
        let heavy = reduction(initial, combine, Integer::Argument(0), math::exp);
        for n in (0..70).chain([95, 96, 97, 127, 128, 131, 200]) {
            let memory = [data.clone(), vec![0]];
            agree(&light, &memory, &[n]);
            agree(&heavy, &memory, &[n]);
            agree(&reduction(initial, combine, Integer::Constant(n), |_, x| x), &memory, &[]);
            agree(&reduction(initial, combine, Integer::Constant(n), math::tanh), &memory, &[]);
        }
    }
}

#[test]
fn a_maximum_with_nan_is_nan() {
    let mut data: Vec<u32> = (0..100).map(|i| (i as f32).to_bits()).collect();
    data[57] = f32::NAN.to_bits();
    let program = reduction(f32::NEG_INFINITY, Combine::MaxF, Integer::Argument(0), |_, x| x);
    agree(&program, &[data, vec![0]], &[100]);
}

#[test]
fn defined_as_a_function() {
    let target = host::target().expect("a supported processor");
    let mut functions = Functions::new(&target);
    let program = elementwise(1, |b, x| b.binary(Binary::AddF, x[0], x[0]));
    let id = define(&mut functions, "double", &program).expect("compiled");
    let image = functions.link().expect("an image");
    let executable = Executable::load(&image).expect("executable memory");
    let code = executable.address(&image, id);
    // SAFETY: two pointers and an integer, as the program has; the code lives until after the call.
    let code = unsafe { std::mem::transmute::<*const u8, extern "C" fn(*const f32, *mut f32, i64)>(code) };
    let (x, mut y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0; 5]);
    code(x.as_ptr(), y.as_mut_ptr(), 5);
    assert_eq!(y, [2.0, 4.0, 6.0, 8.0, 10.0]);
}

#[test]
fn the_interpreter_refuses_to_read_outside() {
    let program = elementwise(1, |_, x| x[0]);
    let error = interpret(&program, &mut [vec![0; 3], vec![0; 4]], &[4]).unwrap_err();
    assert_eq!(error, "access to byte 12 of p0, which has 12 bytes");
}

#[test]
fn gathers_and_transposes() {
    let mut b = ProgramBuilder::new();
    let (x, table, y) = (b.pointer(), b.pointer(), b.pointer());
    let (n, stride) = (b.integer(), b.integer());
    let (i, j) = (b.var(), b.var());
    b.begin_loop(i, Integer::Constant(0), Integer::Constant(5), Portion::Whole, false);
    b.begin_lanes(j, Integer::Constant(0), n);
    let looked_up = b.load(Kind::F32, Address::new(x).lookup(table, j, 0, stride).index(i, FOUR));
    let row = b.load(Kind::F32, Address::new(x).lookup(table, i, 1, stride).index_plus(j, 1, FOUR));
    let column = b.load(Kind::F32, Address::new(x).index(i, FOUR).index(j, stride));
    let sum = b.binary(Binary::AddF, looked_up, row);
    let sum = b.fma(sum, column, row);
    b.store(Address::new(y).index(i, FOUR).index(j, Integer::Constant(20)), sum);
    b.end_loop(&[]);
    b.end_loop(&[]);
    let program = b.finish();
    let data: Vec<u32> = (0..400).map(|i| (i as f32).to_bits()).collect();
    let lookups: Vec<u32> = (0..24).map(|i| i * 7 % 10).collect();
    for n in 0..18 {
        agree(&program, &[data.clone(), lookups.clone(), vec![0; 100]], &[n, 80]);
    }
}

/// As many rows at once as the widest vectors have lanes: tiles are read along and turned.
#[test]
fn tiles_are_turned() {
    for (width, length) in [(8, 8), (16, 16), (16, 50), (8, 21), (16, 5), (17, 33)] {
        for known in [false, true] {
            let mut b = ProgramBuilder::new();
            let (x, y) = (b.pointer(), b.pointer());
            let (i, j) = (b.var(), b.var());
            let [rows, columns, stride] = [3 * width + 2, length, 4 * (3 * width + 2)];
            let [n, m, across, along] = [columns, rows, stride, 4 * columns]
                .map(|value| if known { Integer::Constant(value) } else { b.integer() });
            for portion in [Portion::Blocks(width as u32), Portion::Rest(width as u32)] {
                let copies = if matches!(portion, Portion::Rest(_)) { 1 } else { width };
                b.begin_loop(i, Integer::Constant(0), m, portion, false);
                b.begin_lanes(j, Integer::Constant(0), n);
                let element = |row| Address::new(x).index_plus(i, row, FOUR).index(j, across);
                let loaded: Vec<Reg> = (0..copies).map(|row| b.load(Kind::F32, element(row))).collect();
                for (row, loaded) in loaded.into_iter().enumerate() {
                    b.store(Address::new(y).index_plus(i, row as i64, along).index(j, FOUR), loaded);
                }
                b.end_loop(&[]);
                b.end_loop(&[]);
            }
            let data: Vec<u32> = (0..rows * columns).map(|i| i as u32).collect();
            let integers = if known { vec![] } else { vec![columns, rows, stride, 4 * columns] };
            agree(&b.finish(), &[data.clone(), vec![0; data.len()]], &integers);
        }
    }
}

/// Values, pointers, masks and accumulators that no machine has registers for.
#[test]
fn more_than_there_are_registers() {
    for known in [false, true] {
        let mut b = ProgramBuilder::new();
        let inputs: Vec<u32> = (0..24).map(|_| b.pointer()).collect();
        let (output, n, i, e) = (b.pointer(), b.integer(), b.var(), b.var());
        let n = if known { Integer::Constant(37) } else { n };
        let strides: Vec<Integer> = (0..5).map(|_| b.integer()).collect();
        b.begin_loop(i, Integer::Constant(0), Integer::Constant(3), Portion::Whole, false);
        let zero = b.constant_f(0.0);
        b.begin_lanes(e, Integer::Constant(0), n);
        let sums: Vec<Reg> = (0..9).map(|_| b.carry(zero, Some(Combine::AddF))).collect();
        let mut loaded = Vec::new();
        for (number, &input) in inputs.iter().enumerate() {
            let address = Address::new(input).index(i, strides[number % 5]).index(e, FOUR);
            let once = b.load(Kind::F32, address.clone());
            let twice = b.load(Kind::F32, address.offset(4));
            loaded.extend([once, twice]);
        }
        let masks: Vec<Reg> = (0..12).map(|m| b.compare(Compare::LtF, loaded[m], loaded[m + 20])).collect();
        let mut total = loaded[0];
        for (number, &value) in loaded.iter().enumerate() {
            let chosen = b.select(masks[number % 12], value, total);
            total = b.fma(value, chosen, loaded[(number * 7 + 3) % 48]);
        }
        for &mask in &masks {
            total = b.select(mask, total, loaded[1]);
        }
        b.store(Address::new(output).index(i, Integer::Constant(400)).index(e, FOUR), total);
        let next: Vec<Reg> =
            sums.iter().enumerate().map(|(at, &sum)| b.binary(Binary::AddF, sum, loaded[at * 5])).collect();
        let after = b.end_loop(&next);
        for (at, sum) in after.into_iter().enumerate() {
            b.store(Address::new(output).index(i, Integer::Constant(36)).offset(2000 + 4 * at as i64), sum);
        }
        b.end_loop(&[]);
        let program = b.finish();
        let input = |seed: u32| {
            (0..200).map(|i| (((i * 37 + seed * 11) % 64) as f32 * 0.03 - 1.0).to_bits()).collect()
        };
        let mut memory: Vec<Vec<u32>> = (0..24).map(input).collect();
        memory.push(vec![0; 600]);
        for length in [37, 1, 64] {
            agree(&program, &memory, &[length, 4, 8, 0, 40, 100]);
        }
    }
}

/// `1/x` of each element is watched: quiet where none is 0, whatever lies beyond the end; loud where one is, at any place.
#[test]
fn a_watched_value_that_is_not_finite_is_told_of() {
    for argument in [false, true] {
        for elements in (0..70_i64).chain([127, 128, 200]) {
            let mut b = ProgramBuilder::new();
            let (x, y, alarm, e) = (b.pointer(), b.pointer(), b.pointer(), b.var());
            let end = if argument { b.integer() } else { Integer::Constant(elements) };
            b.begin_lanes(e, Integer::Constant(0), end);
            let value = b.load(Kind::F32, Address::new(x).index(e, FOUR));
            let one = b.constant_f(1.0);
            let inverse = b.binary(Binary::DivF, one, value);
            b.watch(alarm, inverse);
            b.store(Address::new(y).index(e, FOUR), inverse);
            b.end_loop(&[]);
            let program = b.finish();
            let integers: Vec<i64> = argument.then_some(elements).into_iter().collect();
            let places = [None, Some(0), Some(elements / 2), Some(elements - 1)];
            for place in places.into_iter().filter(|place| place.is_none_or(|at| (0..elements).contains(&at)))
            {
                let mut words = vec![2.0_f32.to_bits(); elements as usize];
                place.into_iter().for_each(|at| words[at as usize] = 0);
                let memory = [words, vec![0; elements as usize], vec![0]];
                let mut told = memory.to_vec();
                interpret(&program, &mut told, &integers).expect("in bounds");
                assert_eq!(told[2], [u32::from(place.is_some())]);
                agree(&program, &memory, &integers);
            }
        }
    }
}
