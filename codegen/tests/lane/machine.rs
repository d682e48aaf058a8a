//! The text form of machine code, and that code for every level passes its check, whatever the machine that this runs on.

use downhill_codegen::lane::*;
use downhill_codegen::lower::wide::{Asked, assemble};
use downhill_codegen::target::Extension;

use crate::golden::assert_golden;
use crate::harness::{FOUR, VERIFIED};

/// Assembles `program` for all levels: a broken one panics.
pub(crate) fn assert_checked(program: &LaneProgram) {
    for level in [Extension::Avx2, Extension::Avx512] {
        assemble(program, level, VERIFIED).expect("assembled");
    }
}

/// `y[j] = Σ relu(x[k·stride + j])` over k, and what its lanes add up to.
fn sums() -> LaneProgram {
    let mut b = ProgramBuilder::new();
    let (x, y, total) = (b.pointer(), b.pointer(), b.pointer());
    let (n, rows, stride) = (b.integer(), b.integer(), b.integer());
    let (j, k) = (b.var(), b.var());
    let zero = b.constant_f(0.0);
    b.begin_lanes(j, Integer::Constant(0), n);
    let all = b.carry(zero, Some(Combine::AddF));
    b.begin_loop(k, Integer::Constant(0), rows, Portion::Whole, false);
    let sum = b.carry(zero, None);
    let element = b.load(Kind::F32, Address::new(x).index(k, stride).index(j, FOUR));
    let rectified = b.binary(Binary::MaxF, element, zero);
    let next = b.binary(Binary::AddF, sum, rectified);
    let after = b.end_loop(&[next]);
    b.store(Address::new(y).index(j, FOUR), after[0]);
    let next = b.binary(Binary::AddF, all, after[0]);
    let after = b.end_loop(&[next]);
    b.store(Address::new(total), after[0]);
    b.finish()
}

#[test]
fn text_of_machine_code() {
    let mut text = String::new();
    for level in [Extension::Avx2, Extension::Avx512] {
        let assembled = assemble(&sums(), level, Asked { text: true, ..VERIFIED }).expect("assembled");
        text += &assembled.text.expect("asked for");
    }
    assert_golden("sums.machine", &text);
}
