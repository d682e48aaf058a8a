//! What threads call of a kernel that they share: a small function that takes the kernel's arguments from a table.
//!
//! In: how many arguments a kernel has, and which of them point to room that each thread has of its own. Out: a
//! [`crate::abi::Task`], the same for all kernels of such arguments.

use crate::error::Error;
use crate::lower::clif::define_built;
use crate::target::Target;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module};
use downhill_graph::graph::bug;

/// A kernel that threads share begins its integers with this many that say which turns are to be done.
pub(crate) const RANGE: u32 = 2;

/// Defines what a thread calls of a kernel with so many pointers and integers: a [`crate::abi::Task`]. Its arguments are the kernel's
/// address, the pointers, the integers but for the first two, which are the range, and the bytes of a thread's room for each
/// of the pointers `rooms`.
///
/// # Errors
/// What Cranelift reports.
pub(crate) fn define_task(
    module: &mut impl Module,
    target: &Target,
    (pointers, integers): (u32, u32),
    rooms: &[usize],
) -> Result<FuncId, Error> {
    let mut context = module.make_context();
    context.func.signature = module.make_signature();
    context.func.signature.params = vec![AbiParam::new(I64); 4];
    let names: String = rooms.iter().map(|room| format!("_{room}")).collect();
    let name = format!("task{pointers}_{integers}_rooms{names}");
    let id = module.declare_function(&name, Linkage::Local, &context.func.signature)?;
    let mut kernel = module.make_signature();
    kernel.params = vec![AbiParam::new(I64); (pointers + integers) as usize];
    kernel.call_conv = target.kernel_convention();
    let mut builder_context = FunctionBuilderContext::new();
    let mut f = FunctionBuilder::new(&mut context.func, &mut builder_context);
    let kernel = f.import_signature(kernel);
    let block = f.create_block();
    f.append_block_params_for_function_params(block);
    f.switch_to_block(block);
    f.seal_block(block);
    let [table, begin, end, place] = f.block_params(block)[..] else {
        bug("a task of other than four arguments")
    };
    let count = 1 + pointers + integers - RANGE + rooms.len() as u32;
    let mut values: Vec<Value> = (0..count as i32)
        .map(|n| f.ins().load(I64, MemFlagsData::trusted(), table, n * I64.bytes() as i32))
        .collect();
    let address = values.remove(0);
    for (&room, bytes) in rooms.iter().zip(values.split_off(values.len() - rooms.len())) {
        let before = f.ins().imul(place, bytes);
        values[room] = f.ins().iadd(values[room], before);
    }
    let range = pointers as usize;
    values.splice(range..range, [begin, end]);
    f.ins().call_indirect(kernel, address, &values);
    f.ins().return_(&[]);
    f.finalize(module.target_config());
    define_built(module, target, id, &mut context)?;
    Ok(id)
}
