//! The wide lowering: lane programs as x86-64 machine code with AVX-512 or AVX2, the whole width of the processor.
//!
//! In: a verified [`LaneProgram`]. Out: bytes of a function, as they are to lie in memory. Must hold: the code computes exactly
//! the bits of `lane::interpret`, touches no element the program does not name, and calls nothing.
//!
//! Selection makes virtual code: instructions over registers without number, in the order that runs. The machine's registers are
//! allocated for it, and it is encoded. Modules in the order of use: virtual code, its operations as instructions and their
//! operands, the machine's registers, the text form; the verifier of virtual code; selection: what is known of a program beforehand,
//! the state, addresses, masks, memory, instructions, loops, lane loops, items; the allocator and the check of what it made; bytes.
//!
//! # Decisions
//!
//! - Wide functions keep the System V convention on every system: Cranelift, which compiles their callers, saves what a Windows
//!   caller must find again; a test calls one as Windows does. Frames are touched page by page.

mod code;
mod opcodes;
mod shape;
mod machine;
mod text;

mod flow;
mod verify;

mod facts;
mod state;
mod address;
mod mask;
mod gather;
mod tile;
mod access;
mod instruction;
mod watch;
mod loops;
mod lanes;
mod select;

mod allocate;
mod check;

mod operands;
mod encode;

#[cfg(test)]
mod faults;

use crate::code::{FunctionId, Functions, signature};
use crate::error::Error;
use crate::lane::{self, LaneProgram};
use crate::target::{Extension, WIDE_CONVENTION};

/// What is asked of machine code besides its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Whether it is verified before registers are allocated and checked after; in debug builds it always is.
    pub verify: bool,
    /// Whether its text form is wanted.
    pub text: bool,
}

/// A function as machine code.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The function, its literals behind it; it is to lie at a multiple of 64 bytes.
    pub bytes: Vec<u8>,
    /// Its virtual code and its allocated code, if asked for.
    pub text: Option<String>,
}

/// Machine code of `program` as a System V function: its arguments are 64-bit integers, pointers first; it returns nothing.
///
/// # Errors
/// What the encoder refuses.
pub fn assemble(program: &LaneProgram, level: Extension, asked: Asked) -> Result<Assembled, Error> {
    let verify = asked.verify || cfg!(debug_assertions);
    if verify {
        lane::verify::assert_valid(program);
    }
    let code = select::select(program, level);
    if verify {
        assert_valid("virtual code", &verify::verify(&code), || text::selected_lines(&code));
    }
    let allocated = allocate::allocate(&code);
    if verify {
        let violations = check::check(&code, &allocated);
        assert_valid("allocated code", &violations, || text::allocated_lines(&code, &allocated));
    }
    let bytes = encode::encode(&code, &allocated).map_err(|error| Error::Backend(error.to_string()))?;
    Ok(Assembled { bytes, text: asked.text.then(|| text::text(&code, &allocated)) })
}

/// Panics with all violations in context: broken code is downhill's own mistake.
fn assert_valid(what: &str, violations: &[text::Violation], lines: impl FnOnce() -> Vec<String>) {
    if !violations.is_empty() {
        let context = text::in_context(&lines(), violations);
        panic!("downhill bug: invalid {what}; please report\n{context}");
    }
}

/// Makes the assembled code of `program` a function of its own: its arguments are all i64, pointers first; it returns nothing.
pub fn define(
    functions: &mut Functions<'_>,
    name: &str,
    program: &LaneProgram,
    bytes: Vec<u8>,
) -> FunctionId {
    let signature = signature(WIDE_CONVENTION, (program.pointers + program.integers) as usize);
    functions.define_bytes(name, signature, ALIGNMENT, bytes)
}

/// Of functions: that of the literals behind them.
const ALIGNMENT: usize = 64;
