//! What threads call to run their range of a shared kernel: a small function that takes the kernel's arguments from a table.
//!
//! In: how many arguments a kernel has, and which of them point to scratch, of which each thread has a part of its own. Out: a
//! [`crate::abi::Task`], one for all kernels with such arguments.
//!
//! # Decisions
//!
//! - Threads call a shared kernel through a small function that takes the arguments from a table; there is one for each number of
//!   arguments. So kernels stay plain functions.

use crate::code::{FunctionId, Functions, signature};
use crate::error::Error;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Function, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_graph::graph::bug;
use std::collections::HashMap;

/// The first two integers of a shared kernel are the range of iterations to run.
pub(crate) const RANGE: u32 = 2;

/// The functions made so far, by the numbers of pointers and integers that a kernel takes, and by which pointers are to scratch.
#[derive(Default)]
pub(crate) struct Tasks {
    known: HashMap<(u32, u32, Vec<usize>), FunctionId>,
}

impl Tasks {
    /// The function that threads call for such a kernel; it is made on first use.
    ///
    /// # Errors
    /// What Cranelift reports.
    pub(crate) fn function(
        &mut self,
        functions: &mut Functions<'_>,
        (pointers, integers): (u32, u32),
        scratch: Vec<usize>,
    ) -> Result<FunctionId, Error> {
        if let Some(&known) = self.known.get(&(pointers, integers, scratch.clone())) {
            return Ok(known);
        }
        let task = define_task(functions, (pointers, integers), &scratch)?;
        self.known.insert((pointers, integers, scratch), task);
        Ok(task)
    }
}

/// Defines the function that threads call for a kernel with so many pointers and integers: a [`crate::abi::Task`]. Its table holds the
/// kernel's address, the pointers, the integers without the range, and for each of the pointers `scratch` the bytes of one
/// thread's part.
///
/// # Errors
/// What Cranelift reports.
fn define_task(
    functions: &mut Functions<'_>,
    (pointers, integers): (u32, u32),
    scratch: &[usize],
) -> Result<FunctionId, Error> {
    let mut function = Function::new();
    function.signature = functions.signature(4);
    let mut builder_context = FunctionBuilderContext::new();
    let mut f = FunctionBuilder::new(&mut function, &mut builder_context);
    let convention = functions.target().kernel_convention();
    let kernel = f.import_signature(signature(convention, (pointers + integers) as usize));

    let block = f.create_block();
    f.append_block_params_for_function_params(block);
    f.switch_to_block(block);
    f.seal_block(block);
    let [table, begin, end, thread] = f.block_params(block)[..] else {
        bug("a task of other than four arguments")
    };

    // The table: address, pointers, integers, bytes of scratch.
    let count = 1 + pointers + integers - RANGE + scratch.len() as u32;
    let mut values: Vec<Value> = (0..count as i32)
        .map(|n| f.ins().load(I64, MemFlagsData::trusted(), table, n * I64.bytes() as i32))
        .collect();
    let address = values.remove(0);

    // Each thread has its own part of scratch, by its index in the pool.
    for (&pointer, bytes) in scratch.iter().zip(values.split_off(values.len() - scratch.len())) {
        let before = f.ins().imul(thread, bytes);
        values[pointer] = f.ins().iadd(values[pointer], before);
    }

    let range = pointers as usize;
    values.splice(range..range, [begin, end]);
    f.ins().call_indirect(kernel, address, &values);
    f.ins().return_(&[]);
    f.finalize(functions.config());

    let names: String = scratch.iter().map(|pointer| format!("_{pointer}")).collect();
    functions.define(&format!("task{pointers}_{integers}_scratch{names}"), function)
}
