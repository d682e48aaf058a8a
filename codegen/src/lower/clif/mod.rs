//! The portable lowering: lane programs as Cranelift IR with 128-bit vectors, for x86-64 and aarch64 alike.
//!
//! In: a verified [`Program`] and the values of its arguments. Out: code in the function being built, or a function of
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

use cranelift_codegen::Context;
use cranelift_codegen::FinalizedRelocTarget;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, ExternalName, InstBuilder, Value, types::I64};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module, ModuleReloc};

use crate::error::Error;
use crate::lane::{Program, verify};
use crate::target::Target;
use emitter::Emitter;

/// Emits `program` at the current point of `f`, which stands behind it afterwards (in another block, perhaps).
/// `pointers` and `integers` are i64 values, one for each argument of the program.
pub fn lower(program: &Program, f: &mut FunctionBuilder, pointers: &[Value], integers: &[Value]) {
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
pub fn define(
    module: &mut impl Module,
    target: &Target,
    name: &str,
    program: &Program,
) -> Result<FuncId, Error> {
    let mut context = module.make_context();
    let arguments = (program.pointers + program.integers) as usize;
    context.func.signature.params = vec![AbiParam::new(I64); arguments];
    let id = module.declare_function(name, Linkage::Local, &context.func.signature)?;
    let mut builder_context = FunctionBuilderContext::new();
    let mut f = FunctionBuilder::new(&mut context.func, &mut builder_context);
    let entry = f.create_block();
    f.append_block_params_for_function_params(entry);
    f.switch_to_block(entry);
    f.seal_block(entry);
    let arguments = f.block_params(entry).to_vec();
    let (pointers, integers) = arguments.split_at(program.pointers as usize);
    lower(program, &mut f, pointers, integers);
    f.ins().return_(&[]);
    f.finalize(module.target_config());
    define_built(module, target, id, &mut context)?;
    Ok(id)
}

/// Compiles a finished function and defines it, refusing any call of a library function (made code must run
/// without one).
///
/// # Errors
/// What Cranelift reports, and the name of a library function that would be called.
pub fn define_built(
    module: &mut impl Module,
    target: &Target,
    id: FuncId,
    context: &mut Context,
) -> Result<(), Error> {
    let isa = target.isa().as_ref();
    let compiled = context.compile(isa, &mut ControlPlane::default());
    compiled.map_err(|error| Error::Backend(format!("{:?}", error.inner)))?;

    let Some(compiled) = context.compiled_code() else {
        return Err(Error::Backend("no code came of a compiled function".to_string()));
    };

    let relocations = compiled.buffer.relocs();
    for relocation in relocations {
        if let FinalizedRelocTarget::ExternalName(ExternalName::LibCall(call)) = &relocation.target {
            return Err(Error::Backend(format!("generated code would call the library function `{call}`")));
        }
    }

    let alignment = u64::from(compiled.buffer.alignment)
        .max(u64::from(isa.function_alignment().minimum))
        .max(isa.symbol_alignment());
    let relocations: Vec<ModuleReloc> = relocations
        .iter()
        .map(|relocation| ModuleReloc::from_mach_reloc(relocation, &context.func, id))
        .collect();

    module.define_function_bytes(id, alignment, compiled.code_buffer(), &relocations)?;
    Ok(())
}
