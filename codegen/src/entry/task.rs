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

/// The first two integers of a kernel that is divided are the range of iterations to run.
const RANGE: u32 = 2;

/// What tells apart the functions that threads call.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct TaskShape {
    /// How many pointers and integers the kernel takes.
    pub(crate) pointers: u32,
    pub(crate) integers: u32,
    /// Whether the first two integers are a range of iterations.
    pub(crate) takes_range: bool,
    /// Which of the pointers are to scratch.
    pub(crate) scratch: Vec<usize>,
}

/// The functions made so far.
#[derive(Default)]
pub(crate) struct Tasks {
    known: HashMap<TaskShape, FunctionId>,
}

impl Tasks {
    /// The function that threads call for such a kernel; it is made on first use.
    ///
    /// # Errors
    /// What Cranelift reports.
    pub(crate) fn function(
        &mut self,
        functions: &mut Functions<'_>,
        shape: TaskShape,
    ) -> Result<FunctionId, Error> {
        if let Some(&known) = self.known.get(&shape) {
            return Ok(known);
        }
        let task = define_task(functions, &shape)?;
        self.known.insert(shape, task);
        Ok(task)
    }
}

/// Defines the function that threads call for a kernel of this shape: a [`crate::abi::Task`]. Its table holds the
/// kernel's address, the pointers, the integers without the range, and for each of the pointers to scratch the bytes of one
/// thread's part.
///
/// # Errors
/// What Cranelift reports.
fn define_task(functions: &mut Functions<'_>, shape: &TaskShape) -> Result<FunctionId, Error> {
    let TaskShape { pointers, integers, takes_range, scratch } = shape;
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
    let range_words = if *takes_range { RANGE } else { 0 };
    let count = 1 + pointers + integers - range_words + scratch.len() as u32;
    let mut values: Vec<Value> = (0..count as i32)
        .map(|n| f.ins().load(I64, MemFlagsData::trusted(), table, n * I64.bytes() as i32))
        .collect();
    let address = values.remove(0);

    // Each thread has its own part of scratch, by its index in the pool.
    for (&pointer, bytes) in scratch.iter().zip(values.split_off(values.len() - scratch.len())) {
        let before = f.ins().imul(thread, bytes);
        values[pointer] = f.ins().iadd(values[pointer], before);
    }

    if *takes_range {
        let range = *pointers as usize;
        values.splice(range..range, [begin, end]);
    }
    f.ins().call_indirect(kernel, address, &values);
    f.ins().return_(&[]);
    f.finalize(functions.config());

    let names: String = scratch.iter().map(|pointer| format!("_{pointer}")).collect();
    let kind = if *takes_range { "task" } else { "whole" };
    functions.define(&format!("{kind}{pointers}_{integers}_scratch{names}"), function)
}
