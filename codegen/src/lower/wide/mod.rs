//! The wide lowering: lane programs as x86-64 machine code with AVX-512 or AVX2, the whole width of the processor.
//!
//! In: a verified [`Program`]. Out: bytes of a function, which a module is given as they are. Must hold: the code computes exactly
//! the bits of `lane::interpret`, touches no element the program does not name, and calls nothing.
//!
//! Selection makes virtual code: instructions over registers without number, in the order that runs. Registers are
//! allocated on it, and it is encoded. Modules in the order of use: virtual code and the instructions of the machine;
//! what is known of a program beforehand; selection: its state, addresses, instructions, loops, lane loops; registers; bytes.

mod code;
mod opcodes;

mod facts;

mod address;
mod gather;
mod instruction;
mod lanes;
mod loops;
mod mask;
mod select;
mod tile;
mod watch;

mod allocate;
mod encode;
mod operands;

use crate::code::{FunctionId, Functions, signature};
use crate::error::Error;
use crate::lane::{Program, verify};
use crate::target::{Level, WIDE_CONVENTION};

/// Machine code of `program` as a System V function: its arguments are 64-bit integers, pointers first; it returns nothing.
///
/// # Errors
/// What the encoder refuses.
pub fn assemble(program: &Program, level: Level) -> Result<Vec<u8>, Error> {
    if cfg!(debug_assertions) {
        verify::assert_valid(program);
    }
    let mut code = select::select(program, level);
    let assignment = allocate::allocate(&mut code);
    encode::encode(&code, &assignment).map_err(|error| Error::Backend(error.to_string()))
}

/// Makes `program` a function of its own: its arguments are all i64, pointers first; it returns nothing.
///
/// # Errors
/// What the encoder refuses.
pub fn define(
    functions: &mut Functions<'_>,
    level: Level,
    name: &str,
    program: &Program,
) -> Result<FunctionId, Error> {
    let bytes = assemble(program, level)?;
    let signature = signature(WIDE_CONVENTION, (program.pointers + program.integers) as usize);
    Ok(functions.define_bytes(name, signature, ALIGNMENT, bytes))
}

/// Of functions: that of the literals behind them.
const ALIGNMENT: usize = 64;
