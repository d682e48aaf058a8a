//! What an entry hands to threads: functions that they share, and loops.
//!
//! In: a shared call, with its arguments, or a loop. Out: Cranelift IR that fills in a [`Share`] for each function and the tables of their
//! arguments, on the stack, and calls [`crate::abi::Divide`].

use crate::abi::{Context, Share};
use crate::entry::calls::{Call, SharedCall};
use crate::entry::description::Quantity;
use crate::entry::steps::{Callee, StepWriter};
use crate::schedule::divide::Division;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{FuncRef, InstBuilder, StackSlotData, StackSlotKind, Value};
use downhill_graph::dim::Dim;
use std::mem::{offset_of, size_of};

impl StepWriter<'_, '_, '_> {
    /// The body of a function that has threads share a loop, whose function is `turns`.
    pub(crate) fn share_loop(&mut self, turns: FuncRef, rows: &Division, work: &Dim) {
        let words = 3;
        let bytes = size_of::<Share>() as u32 + words * I64.bytes();
        let handed = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
        self.arguments = self.f.create_sized_stack_slot(handed);
        let table = size_of::<Share>();
        for (number, word) in self.parameters.clone().into_iter().enumerate() {
            self.hand(word, table + number * I64.bytes() as usize);
        }
        let iterations = self.dim(&rows.turns.divide(&Dim::from(rows.unit)));
        self.hand_share(0, table, turns, iterations, [rows.multiple / rows.unit, 0]);
        let work = self.quantity(Quantity::Work(work.clone()));
        self.divide(1, work);
        self.f.ins().jump(self.exit, &[]);
        self.f.switch_to_block(self.exit);
        self.f.ins().return_(&[]);
    }

    /// Has threads share functions; where sizes come with the call, only if they make it worth that.
    pub(super) fn call_shared(&mut self, call: &Call, callees: &[Callee], arguments: &[Vec<Value>]) {
        let work = self.quantity(Quantity::Work(call.work.clone()));
        // What both ways need is loaded before them.
        for shared in call.functions.iter().filter_map(|called| called.shared.as_ref()) {
            self.dim(&shared.turns());
            shared.scratch.iter().for_each(|(_, bytes)| _ = self.dim(bytes));
        }
        if call.work.as_constant().is_some() {
            return self.call_together(call, callees, arguments, work);
        }

        let [alone, together, behind] = [0; 3].map(|_| self.f.create_block());
        let is_little = self.f.ins().icmp_imm_s(IntCC::SignedLessThan, work, self.worth);
        self.f.ins().brif(is_little, alone, &[], together, &[]);

        self.f.switch_to_block(alone);
        for ((called, callee), arguments) in call.functions.iter().zip(callees).zip(arguments) {
            let mut all = arguments.clone();
            if let Some(division) = called.shared.as_ref().and_then(|shared| shared.division.as_ref()) {
                let range = [self.f.ins().iconst(I64, 0), self.dim(&division.turns)];
                all.splice(called.pointers.len()..called.pointers.len(), range);
            }
            self.f.ins().call(callee.kernel, &all);
        }
        self.f.ins().jump(behind, &[]);

        self.f.switch_to_block(together);
        self.call_together(call, callees, arguments, work);
        self.f.ins().jump(behind, &[]);
        self.f.switch_to_block(behind);
    }

    /// Hands the functions to the threads: a [`Share`] for each of them, and behind these the tables of their arguments.
    fn call_together(&mut self, call: &Call, callees: &[Callee], arguments: &[Vec<Value>], work: Value) {
        let mut table = call.functions.len() * size_of::<Share>();
        for (number, ((called, callee), arguments)) in
            call.functions.iter().zip(callees).zip(arguments).enumerate()
        {
            let (Some(shared), Some(task)) = (&called.shared, callee.task) else { continue };
            let turns = self.dim(&shared.turns());
            self.hand_share(number, table, task, turns, [shared.multiple(), shared.first]);
            for value in self.table(shared, callee.kernel, arguments) {
                self.hand(value, table);
                table += I64.bytes() as usize;
            }
        }

        self.divide(call.functions.len(), work);
    }

    /// Hands over a function: where it is among those of this call, and where the table of its arguments lies.
    fn hand_share(
        &mut self,
        number: usize,
        table: usize,
        task: FuncRef,
        turns: Value,
        [multiple, first]: [i64; 2],
    ) {
        let at = |field: usize| number * size_of::<Share>() + field;
        let arguments = self.f.ins().stack_addr(I64, self.arguments, table as i32);
        let task = self.f.ins().func_addr(I64, task);
        let [multiple, first] = [multiple, first].map(|n| self.f.ins().iconst(I64, n));
        self.hand(task, at(offset_of!(Share, task)));
        self.hand(arguments, at(offset_of!(Share, arguments)));
        self.hand(turns, at(offset_of!(Share, iterations)));
        self.hand(multiple, at(offset_of!(Share, multiple)));
        self.hand(first, at(offset_of!(Share, first)));
    }

    /// Has threads run the functions that were handed over.
    fn divide(&mut self, count: usize, work: Value) {
        let pool = self.field(I64, offset_of!(Context, pool));
        let divide = self.field(I64, offset_of!(Context, divide));
        let shares = self.f.ins().stack_addr(I64, self.arguments, 0);
        let count = self.f.ins().iconst(I64, count as i64);
        self.f.ins().call_indirect(self.divide, divide, &[pool, shares, count, work]);
    }

    /// The table of a function's arguments: see [`crate::entry::task`].
    fn table(&mut self, shared: &SharedCall, kernel: FuncRef, arguments: &[Value]) -> Vec<Value> {
        let mut table = vec![self.f.ins().func_addr(I64, kernel)];
        table.extend(arguments);
        table.extend(shared.scratch.iter().map(|(_, bytes)| self.dim(bytes)));
        table
    }

    /// Stores a word of what threads are handed.
    fn hand(&mut self, value: Value, at: usize) {
        self.f.ins().stack_store(I64, value, self.arguments, at as i32);
    }
}
