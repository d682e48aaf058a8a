//! The portable lowering: lane programs as Cranelift IR with 128-bit vectors, for x86-64 and aarch64 alike.
//!
//! In: a verified [`LaneProgram`] and the values of its arguments. Out: code in the function being built, or a function of
//! its own in a module. Must hold: the code computes exactly the bits of `lane::interpret`, reads and writes no element
//! the program does not name, and calls nothing.
//!
//! Cranelift's optimizer is off (see `target.rs`), so the order of instructions made here is the order that runs:
//! what a loop does not change is computed before it, and few registers are live at any point. Modules in reading
//! order: estimates that choose how much is done at once, the emitter's state, addresses, instructions, loops, lane loops.

mod estimate;

mod emitter;
mod address;
mod instruction;
mod loops;
mod lanes;

use cranelift_codegen::ir::{Function, InstBuilder, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use crate::code::{FunctionId, Functions};
use crate::error::Error;
use crate::lane::{LaneProgram, verify};
use emitter::Emitter;

/// Emits `program` at the current point of `f`, which stands behind it afterwards (in another block, perhaps).
/// `pointers` and `integers` are i64 values, one for each argument of the program.
pub fn lower(program: &LaneProgram, f: &mut FunctionBuilder, pointers: &[Value], integers: &[Value]) {
    if cfg!(debug_assertions) {
        verify::assert_valid(program);
    }
    let mut emitter = Emitter::new(program, f, pointers, integers);
    emitter.items(&program.body);
    emitter.raise_alarm();
}

/// Makes `program` a function of its own: its arguments are all i64, pointers first; it returns nothing.
///
/// # Errors
/// What Cranelift reports; also code that would need a library function.
pub fn define(functions: &mut Functions<'_>, name: &str, program: &LaneProgram) -> Result<FunctionId, Error> {
    let mut function = Function::new();
    function.signature = functions.signature((program.pointers + program.integers) as usize);
    let mut builder_context = FunctionBuilderContext::new();
    let mut f = FunctionBuilder::new(&mut function, &mut builder_context);
    let entry = f.create_block();
    f.append_block_params_for_function_params(entry);
    f.switch_to_block(entry);
    f.seal_block(entry);
    let arguments = f.block_params(entry).to_vec();
    let (pointers, integers) = arguments.split_at(program.pointers as usize);
    lower(program, &mut f, pointers, integers);
    f.ins().return_(&[]);
    f.finalize(functions.config());
    functions.define(name, function)
}
