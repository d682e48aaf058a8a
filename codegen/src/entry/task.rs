//! What threads call of a kernel that they share: a small function that takes the kernel's arguments from a table.
//!
//! In: how many arguments a kernel has, and which of them point to room that each thread has of its own. Out: a
//! [`crate::abi::Task`], the same for all kernels of such arguments.
//!
//! # Decisions
//!
//! - A kernel that threads share is called through a small function that takes its arguments from a table: one for each number
//!   of arguments, so that kernels stay plain functions.

use crate::code::{FunctionId, Functions, signature};
use crate::error::Error;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Function, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_graph::graph::bug;
use std::collections::HashMap;

/// A kernel that threads share begins its integers with this many that say which turns are to be done.
pub(crate) const RANGE: u32 = 2;

/// What threads call, by the number of pointers and integers that a kernel takes, and which pointers are to rooms of their own.
#[derive(Default)]
pub(crate) struct Tasks {
    known: HashMap<(u32, u32, Vec<usize>), FunctionId>,
}

impl Tasks {
    /// What a thread calls of such a kernel, made now or before.
    ///
    /// # Errors
    /// What Cranelift reports.
    pub(crate) fn function(
        &mut self,
        functions: &mut Functions<'_>,
        (pointers, integers): (u32, u32),
        rooms: Vec<usize>,
    ) -> Result<FunctionId, Error> {
        if let Some(&known) = self.known.get(&(pointers, integers, rooms.clone())) {
            return Ok(known);
        }
        let task = define_task(functions, (pointers, integers), &rooms)?;
        self.known.insert((pointers, integers, rooms), task);
        Ok(task)
    }
}

/// Defines what a thread calls of a kernel with so many pointers and integers: a [`crate::abi::Task`]. Its arguments are the kernel's
/// address, the pointers, the integers but for the first two, which are the range, and the bytes of a thread's room for each
/// of the pointers `rooms`.
///
/// # Errors
/// What Cranelift reports.
fn define_task(
    functions: &mut Functions<'_>,
    (pointers, integers): (u32, u32),
    rooms: &[usize],
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
    let [table, begin, end, place] = f.block_params(block)[..] else {
        bug("a task of other than four arguments")
    };

    // The table holds the kernel's address, its pointers, its integers behind the range, and a size for each room.
    let count = 1 + pointers + integers - RANGE + rooms.len() as u32;
    let mut values: Vec<Value> = (0..count as i32)
        .map(|n| f.ins().load(I64, MemFlagsData::trusted(), table, n * I64.bytes() as i32))
        .collect();
    let address = values.remove(0);

    // Each thread has its own piece of a room.
    for (&room, bytes) in rooms.iter().zip(values.split_off(values.len() - rooms.len())) {
        let before = f.ins().imul(place, bytes);
        values[room] = f.ins().iadd(values[room], before);
    }
    let range = pointers as usize;
    values.splice(range..range, [begin, end]);
    f.ins().call_indirect(kernel, address, &values);
    f.ins().return_(&[]);
    f.finalize(functions.config());

    let names: String = rooms.iter().map(|room| format!("_{room}")).collect();
    functions.define(&format!("task{pointers}_{integers}_rooms{names}"), function)
}
