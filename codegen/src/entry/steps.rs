//! The code of an entry's functions: loads from the context, calls of kernels, the guard, the loop over steps.
//!
//! In: a [`Launch`], and the calls that this function makes. Out: Cranelift IR.
//!
//! Must hold: what is loaded before the loop over steps stays the same from step to step.

use crate::abi::{Context, InputBinding};
use crate::code::Functions;
use crate::emit::kernel::{Number, Pointer};
use crate::entry::calls::{Call, Called, Launch, Section, Stretch, handed_bytes, stretches};
use crate::entry::description::Quantity;
use crate::ir::kernel::Buffer;
use crate::plan::step::{Move, Repeat};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, I32, I64};
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, FuncRef, Function, InstBuilder, JumpTableData, MemFlagsData, SigRef,
    StackSlot, StackSlotData, StackSlotKind, Type, Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_graph::dim::Dim;
use downhill_graph::graph::bug;
use std::collections::{HashMap, HashSet};
use std::mem::{offset_of, size_of};
use std::ops::Range;

/// The numbers that an entry's functions load, each once.
#[derive(Default)]
pub(crate) struct Numbers {
    pub(crate) list: Vec<Quantity>,
    indices: HashMap<Quantity, usize>,
}

impl Numbers {
    /// The index of a number in the list; it is added if it is not there.
    fn index(&mut self, quantity: &Quantity) -> usize {
        if let Some(&index) = self.indices.get(quantity) {
            return index;
        }
        self.list.push(quantity.clone());
        self.indices.insert(quantity.clone(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// The byte offset of a buffer's entry in the context's table for buffers of its kind.
fn table_offset(buffer: Buffer) -> usize {
    match buffer {
        Buffer::Input(n) => n * size_of::<InputBinding>(),
        Buffer::Storage(n) | Buffer::Output(n) | Buffer::Arena(n) | Buffer::Scratch(n) => {
            n * size_of::<i64>()
        }
        Buffer::Loss | Buffer::Watched => bug("a buffer without a table"),
    }
}

/// The functions to call for a kernel: the kernel, and the task if threads share it.
pub(crate) struct Callee {
    pub(crate) kernel: FuncRef,
    pub(crate) task: Option<FuncRef>,
}

/// Writes one function of an entry.
pub(crate) struct StepWriter<'a, 'n, 'f> {
    pub(crate) f: FunctionBuilder<'f>,
    launch: &'a Launch<'a>,
    /// The calls that stand in this function.
    calls: Vec<&'a Call>,
    /// The signature of the function that divides kernels among threads.
    pub(super) divide: SigRef,
    /// What a kernel must do to be divided.
    pub(super) worth: i64,
    /// What threads are handed: a [`Share`] for each function, and the tables of their arguments.
    pub(super) arguments: StackSlot,
    /// The signature of the function that marks call, in code with marks.
    mark: Option<SigRef>,
    /// The parameters of the function; the first is the context.
    pub(super) parameters: Vec<Value>,
    context: Value,
    /// The numbers that are loaded, in the order of `Context::numbers`, and the values of those that are loaded already.
    numbers: &'n mut Numbers,
    loaded: HashMap<Quantity, Value>,
    /// The addresses of buffers that stay the same from step to step.
    buffers: HashMap<Buffer, Value>,
    /// In a section: the byte offsets of buffers' entries in their tables, as loaded from the table of calls.
    from_table: HashMap<Buffer, Value>,
    /// Bytes from row to row of looked-up inputs.
    strides: HashMap<usize, Value>,
    /// The keys of the random streams in the current step.
    keys: HashMap<u32, [Value; 2]>,
    pub(super) exit: Block,
    /// Number of the current step.
    step: Value,
    /// Row numbers of the current step.
    rows: Value,
    /// The loops around the call that is being written, and the numbers of their turns.
    turns: Vec<(&'a Repeat, Value)>,
    /// The rows of a thread, in a function that each thread runs for its own.
    range: Option<OwnRange>,
}

/// A thread's rows, and its index.
#[derive(Clone, Copy)]
struct OwnRange {
    begin: Value,
    end: Value,
    thread: Value,
}

impl<'a, 'n, 'f> StepWriter<'a, 'n, 'f> {
    pub(crate) fn begin(
        functions: &Functions<'_>,
        func: &'f mut Function,
        builder_context: &'f mut FunctionBuilderContext,
        launch: &'a Launch<'a>,
        calls: impl Iterator<Item = &'a Call>,
        numbers: &'n mut Numbers,
    ) -> Self {
        let calls: Vec<&Call> = calls.collect();
        let mut f = FunctionBuilder::new(func, builder_context);
        let divide = f.import_signature(functions.signature(4));
        let mark = launch.marked.then(|| f.import_signature(functions.signature(2)));
        let entry = f.create_block();
        f.append_block_params_for_function_params(entry);
        f.switch_to_block(entry);
        let parameters = f.block_params(entry).to_vec();
        let context = parameters[0];
        let exit = f.create_block();

        // Shared calls are made one after another, so they share the memory of what threads are handed.
        let bytes = calls.iter().filter(|call| call.is_shared()).map(|call| handed_bytes(call)).max();
        let arguments = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes.unwrap_or(0), 3);
        let arguments = f.create_sized_stack_slot(arguments);

        StepWriter {
            f,
            launch,
            calls,
            divide,
            worth: functions.target().worth().unwrap_or(0),
            arguments,
            mark,
            parameters,
            context,
            numbers,
            loaded: HashMap::new(),
            buffers: HashMap::new(),
            from_table: HashMap::new(),
            strides: HashMap::new(),
            keys: HashMap::new(),
            exit,
            step: context,
            rows: context,
            turns: Vec::new(),
            range: None,
        }
    }

    pub(super) fn field(&mut self, ty: Type, offset: usize) -> Value {
        self.f.ins().load(ty, MemFlagsData::trusted(), self.context, offset as i32)
    }

    /// `base[index]` of a table of pointers or 64-bit integers that the context points to.
    fn entry_of(&mut self, table: usize, index: usize) -> Value {
        let base = self.field(I64, table);
        self.f.ins().load(I64, MemFlagsData::trusted(), base, (index * size_of::<i64>()) as i32)
    }

    /// The body of a section's function; `first` is the number of its first call. The guard is its caller's.
    pub(crate) fn section(&mut self, first: usize, section: &Section<'_>, functions: &[Vec<Callee>]) {
        [self.step, self.rows] = [1, 2].map(|position| self.parameters[position]);
        self.keys_of_calls();
        self.run_table(first, section, functions);
        self.f.switch_to_block(self.exit);
        self.f.ins().return_(&[]);
    }

    /// The body of the function of a loop around the calls of these numbers. If threads share the loop, it is a [`crate::abi::Task`], whose table
    /// holds what the function of any other loop takes.
    pub(crate) fn looped(&mut self, calls: Range<usize>, functions: &[Vec<Callee>]) {
        match self.parameters[..] {
            [table, begin, end, thread] => {
                self.range = Some(OwnRange { begin, end, thread });
                let word = |f: &mut FunctionBuilder<'_>, n: u32| {
                    f.ins().load(I64, MemFlagsData::trusted(), table, (n * I64.bytes()) as i32)
                };
                [self.context, self.step, self.rows] = [0, 1, 2].map(|n| word(&mut self.f, n));
            }
            _ => [self.step, self.rows] = [1, 2].map(|position| self.parameters[position]),
        }
        self.keys_of_calls();
        // What turns use is loaded before them.
        self.before_steps();
        for repeat in self.launch.repeats.iter().filter(|repeat| calls.contains(&repeat.kernels.start)) {
            self.dim(&repeat.turns);
            for by in repeat.moves.values() {
                self.quantity(Quantity::Distance(by.first.clone()));
                self.quantity(Quantity::Distance(by.by.clone()));
            }
        }
        self.run_stretches(calls.clone(), calls.start, functions);
        self.f.ins().jump(self.exit, &[]);
        self.f.switch_to_block(self.exit);
        self.f.ins().return_(&[]);
    }

    /// Calls inside the loops that are open, with the loops among them. `first` is the number of this function's first call.
    fn run_stretches(&mut self, calls: Range<usize>, first: usize, functions: &[Vec<Callee>]) {
        let open: Vec<&Repeat> = self.turns.iter().map(|(repeat, _)| *repeat).collect();
        for Stretch { calls, repeat } in stretches(calls, self.launch.repeats, &open) {
            let Some(repeat) = repeat else {
                for number in calls {
                    self.call(self.calls[number - first], &functions[number - first]);
                    self.mark_at((number + 1) as i64);
                }
                continue;
            };
            let [head, body, behind] = [0; 3].map(|_| self.f.create_block());
            let turn = self.f.append_block_param(head, I64);
            let turns = self.dim(&repeat.turns);
            let zero = self.f.ins().iconst(I64, 0);
            self.f.ins().jump(head, &[BlockArg::Value(zero)]);
            self.f.switch_to_block(head);
            let more = self.f.ins().icmp(IntCC::SignedLessThan, turn, turns);
            self.f.ins().brif(more, body, &[], behind, &[]);

            self.f.switch_to_block(body);
            self.turns.push((repeat, turn));
            self.run_stretches(calls, first, functions);
            self.turns.pop();
            let next = self.f.ins().iadd_imm_s(turn, 1);
            self.f.ins().jump(head, &[BlockArg::Value(next)]);
            self.f.switch_to_block(behind);
        }
    }

    /// The body of the entry's own function.
    pub(crate) fn all_steps(&mut self, functions: &[Vec<Callee>], sections: &[Vec<FuncRef>; 2]) {
        let none = self.f.ins().iconst(I64, -1);
        self.f.ins().store(MemFlagsData::trusted(), none, self.context, offset_of!(Context, stopped) as i32);
        self.before_steps();

        // The head of the loop: the step and its row numbers.
        let row_bytes =
            self.launch.batch.clone().map(|batch| self.dim(&(&batch * &Dim::from(size_of::<u32>()))));
        let zero = self.f.ins().iconst(I64, 0);
        let first_rows = self.field(I64, offset_of!(Context, rows));
        let (head, body) = (self.f.create_block(), self.f.create_block());
        self.step = self.f.append_block_param(head, I64);
        self.rows = self.f.append_block_param(head, I64);
        self.f.ins().jump(head, &[BlockArg::Value(zero), BlockArg::Value(first_rows)]);
        self.f.switch_to_block(head);
        let steps = self.field(I64, offset_of!(Context, steps));
        let more = self.f.ins().icmp(IntCC::SignedLessThan, self.step, steps);
        self.f.ins().brif(more, body, &[], self.exit, &[]);
        self.f.switch_to_block(body);

        // One step: the calls before the guard, the guard, the updates.
        self.keys_of_calls();
        self.mark_at(0);
        let guard = self.launch.guard.min(self.launch.calls.len());
        let [before, updates] = sections;
        // Either this function makes the calls itself, or sections make them: the other loop is empty.
        let own = functions.len();
        self.run_calls(0..guard.min(own), functions);
        self.run_sections(before);
        self.guard(guard);
        self.run_calls(guard.min(own)..own, functions);
        self.run_sections(updates);
        if guard < self.launch.calls.len() {
            self.stop_if_alarmed(1);
        }

        let next = self.f.ins().iadd_imm_s(self.step, 1);
        let next_rows = row_bytes.map_or(self.rows, |bytes| self.f.ins().iadd(self.rows, bytes));
        self.f.ins().jump(head, &[BlockArg::Value(next), BlockArg::Value(next_rows)]);

        self.f.switch_to_block(self.exit);
        self.f.ins().return_(&[]);
    }

    fn run_calls(&mut self, calls: std::ops::Range<usize>, functions: &[Vec<Callee>]) {
        for number in calls {
            self.call(self.calls[number], &functions[number]);
            self.mark_at((number + 1) as i64);
        }
    }

    /// The calls of a section, the first of which has the number `first`. Its table is a part of `Context::numbers`: a record for each call,
    /// which is the number of its case and then the offsets of its buffers' entries; at the end the number of cases, which ends the
    /// loop. The guard is the caller's.
    fn run_table(&mut self, first: usize, section: &Section<'_>, functions: &[Vec<Callee>]) {
        let begin = self.numbers.list.len();
        for (case, buffers) in &section.calls {
            self.numbers.list.push(Quantity::Whole(Dim::from(*case)));
            let offsets = buffers.iter().map(|buffer| Quantity::Whole(Dim::from(table_offset(*buffer))));
            self.numbers.list.extend(offsets);
        }
        self.numbers.list.push(Quantity::Whole(Dim::from(section.cases.len())));

        let table = self.field(I64, offset_of!(Context, numbers));
        let begin = self.f.ins().iadd_imm_s(table, (begin * size_of::<i64>()) as i64);
        let first = self.f.ins().iconst(I64, first as i64);
        let head = self.f.create_block();
        let (record, number) = (self.f.append_block_param(head, I64), self.f.append_block_param(head, I64));
        self.f.ins().jump(head, &[BlockArg::Value(begin), BlockArg::Value(first)]);
        self.f.switch_to_block(head);

        // A jump to the case of this record; the number behind the last case leaves the loop.
        let case = self.f.ins().load(I64, MemFlagsData::trusted(), record, 0);
        let case = self.f.ins().ireduce(I32, case);
        let blocks: Vec<Block> = section.cases.iter().map(|_| self.f.create_block()).collect();
        let pool = &mut self.f.func.dfg.value_lists;
        let targets: Vec<BlockCall> = blocks.iter().map(|&block| BlockCall::new(block, [], pool)).collect();
        let default = BlockCall::new(self.exit, [], pool);
        let table = self.f.create_jump_table(JumpTableData::new(default, &targets));
        self.f.ins().br_table(case, table);

        for ((call, callee), block) in section.cases.iter().zip(functions).zip(blocks) {
            self.f.switch_to_block(block);
            let words = self.read_record(call, record);
            self.call(call, callee);
            let next = self.f.ins().iadd_imm_s(record, (words * size_of::<i64>()) as i64);
            let next_number = self.f.ins().iadd_imm_s(number, 1);
            self.mark(next_number);
            self.f.ins().jump(head, &[BlockArg::Value(next), BlockArg::Value(next_number)]);
        }
    }

    /// Loads the offsets of a call's buffers from its record. Values that were loaded for another case are forgotten: its block does not
    /// dominate this one. Returns the words of the record.
    fn read_record(&mut self, call: &Call, record: Value) -> usize {
        self.loaded.clear();
        self.strides.clear();
        let buffers = call.buffers();
        let words = 1..;
        self.from_table = HashMap::new();
        for (&buffer, word) in buffers.iter().zip(words) {
            let offset = (word * size_of::<i64>()) as i32;
            let entry = self.f.ins().load(I64, MemFlagsData::trusted(), record, offset);
            self.from_table.insert(buffer, entry);
        }
        1 + buffers.len()
    }

    fn run_sections(&mut self, sections: &[FuncRef]) {
        for &section in sections {
            self.f.ins().call(section, &[self.context, self.step, self.rows]);
        }
    }

    /// Calls a function, or has threads share functions.
    fn call(&mut self, call: &Call, callees: &[Callee]) {
        let arguments: Vec<Vec<Value>> = call.functions.iter().map(|called| self.arguments(called)).collect();
        if call.is_shared() {
            self.call_shared(call, callees, &arguments);
            return;
        }
        for (callee, arguments) in callees.iter().zip(&arguments) {
            self.f.ins().call(callee.kernel, arguments);
        }
    }

    /// The arguments of a function: pointers, then integers; without a range of iterations, unless this function runs one.
    fn arguments(&mut self, called: &Called) -> Vec<Value> {
        let pointers = called.pointers.iter().map(|pointer| self.pointer(pointer));
        let mut arguments: Vec<Value> = pointers.collect();
        let Some(OwnRange { begin, end, thread }) = self.range else {
            arguments.extend(called.own_integers().map(|number| self.number(number)));
            return arguments;
        };
        // Each thread has its own part of scratch.
        for (position, bytes) in called.shared.iter().flat_map(|shared| &shared.scratch) {
            let bytes = self.dim(bytes);
            let before = self.f.ins().imul(thread, bytes);
            arguments[*position] = self.f.ins().iadd(arguments[*position], before);
        }
        let unit = called.shared.as_ref().and_then(|shared| shared.division.as_ref()).map_or(1, |by| by.unit);
        for number in &called.integers {
            let number = match number {
                Number::Begin => self.f.ins().imul_imm_s(begin, unit),
                Number::End => self.f.ins().imul_imm_s(end, unit),
                other => self.number(other),
            };
            arguments.push(number);
        }
        arguments
    }

    /// Loads before the loop what does not change from step to step: sizes, strides, addresses of buffers.
    fn before_steps(&mut self) {
        for call in self.calls.clone() {
            call.functions.iter().for_each(|called| self.before_steps_of(called));
            if call.is_shared() {
                self.quantity(Quantity::Work(call.work.clone()));
            }
        }
    }

    fn before_steps_of(&mut self, called: &Called) {
        for number in called.own_integers() {
            match number {
                Number::Key(..) => {}
                number => _ = self.number(number),
            }
        }

        for pointer in &called.pointers {
            let Pointer::Into(buffer, offset) = pointer else { continue };
            self.quantity(Quantity::Distance(offset.clone()));
            let moves = match buffer {
                Buffer::Loss => true,
                Buffer::Input(n) => !(self.launch.looked_up)(*n),
                Buffer::Storage(_)
                | Buffer::Output(_)
                | Buffer::Arena(_)
                | Buffer::Scratch(_)
                | Buffer::Watched => false,
            };

            // A loss, and an input that is not looked up, move with the step.
            if !moves {
                let address = self.buffer(*buffer);
                self.buffers.insert(*buffer, address);
            }
        }

        if let Some(shared) = &called.shared {
            self.dim(&shared.turns());
            shared.scratch.iter().for_each(|(_, bytes)| _ = self.dim(bytes));
        }
    }

    /// In code with marks, tells the runtime how many calls of the step are done.
    fn mark_at(&mut self, number: i64) {
        if self.mark.is_some() {
            let number = self.f.ins().iconst(I64, number);
            self.mark(number);
        }
    }

    fn mark(&mut self, number: Value) {
        let Some(signature) = self.mark else { return };
        // Of threads that run the same loop, the first one tells.
        let behind = self.range.map(|OwnRange { thread, .. }| {
            let [tells, behind] = [0; 2].map(|_| self.f.create_block());
            self.f.ins().brif(thread, behind, &[], tells, &[]);
            self.f.switch_to_block(tells);
            behind
        });
        let (marks, mark) =
            (self.field(I64, offset_of!(Context, marks)), self.field(I64, offset_of!(Context, mark)));
        self.f.ins().call_indirect(signature, mark, &[marks, number]);
        if let Some(behind) = behind {
            self.f.ins().jump(behind, &[]);
            self.f.switch_to_block(behind);
        }
    }

    /// Ends the call before this step has changed anything, if its loss or an operand of its updates is not finite. `position` is that of the
    /// first call that writes a storage; there is no guard if there is none.
    fn guard(&mut self, position: usize) {
        if position == self.launch.calls.len() {
            return;
        }
        if self.launch.loss {
            self.stop_unless_finite();
        }
        self.stop_if_alarmed(0);
    }

    /// Ends the call if a watched value was not finite.
    fn stop_if_alarmed(&mut self, updated: i64) {
        let alarm = self.field(I32, offset_of!(Context, alarm));
        self.stop_if(alarm, updated);
    }

    /// Ends the call if this step's loss is infinite or NaN: its exponent is all ones.
    fn stop_unless_finite(&mut self) {
        let loss = self.buffer(Buffer::Loss);
        let bits = self.f.ins().load(I32, MemFlagsData::trusted(), loss, 0);
        let exponent = self.f.ins().band_imm_u(bits, 0x7f80_0000);
        let broken = self.f.ins().icmp_imm_u(IntCC::Equal, exponent, 0x7f80_0000);
        self.stop_if(broken, 0);
    }

    fn stop_if(&mut self, broken: Value, updated: i64) {
        let (stop, go_on) = (self.f.create_block(), self.f.create_block());
        self.f.ins().brif(broken, stop, &[], go_on, &[]);
        self.f.switch_to_block(stop);
        self.f.ins().store(
            MemFlagsData::trusted(),
            self.step,
            self.context,
            offset_of!(Context, stopped) as i32,
        );

        let updated = self.f.ins().iconst(I64, updated);
        let field = offset_of!(Context, updated) as i32;
        self.f.ins().store(MemFlagsData::trusted(), updated, self.context, field);
        self.f.ins().jump(self.exit, &[]);

        self.f.switch_to_block(go_on);
    }

    /// The keys, in this step, of the streams that the calls draw from: `downhill_graph::random::stream_key`.
    fn keys_of_calls(&mut self) {
        let integers = self.calls.iter().flat_map(|call| &call.functions).flat_map(|called| &called.integers);
        let drawn = integers.filter_map(|number| match number {
            Number::Key(stream, _) => Some(*stream),
            _ => None,
        });
        let drawn: HashSet<u32> = drawn.collect();
        if drawn.is_empty() {
            return;
        }

        // The counter is the number of the step over all calls, in two words.
        let first = self.field(I64, offset_of!(Context, first_step));
        let step = self.f.ins().iadd(first, self.step);
        let high = self.f.ins().ushr_imm_u(step, 32);
        let counter = [step, high].map(|word| self.f.ins().ireduce(I32, word));
        let table = self.field(I64, offset_of!(Context, keys));
        let streams = self.launch.streams.iter().enumerate().filter(|(_, stream)| drawn.contains(stream));

        for (position, stream) in streams {
            let word = |f: &mut FunctionBuilder<'_>, n: usize| {
                f.ins().load(
                    I32,
                    MemFlagsData::trusted(),
                    table,
                    (position * size_of::<[u32; 2]>() + n * size_of::<u32>()) as i32,
                )
            };
            let seed = [word(&mut self.f, 0), word(&mut self.f, 1)];
            let key = self.threefry(seed, counter).map(|word| self.f.ins().uextend(I64, word));
            self.keys.insert(*stream, key);
        }
    }

    /// `downhill_graph::random::threefry`.
    fn threefry(&mut self, key: [Value; 2], counter: [Value; 2]) -> [Value; 2] {
        const ROTATIONS: [[i64; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
        let ins = &mut self.f;
        let mixed = ins.ins().bxor(key[0], key[1]);
        let schedule = [key[0], key[1], ins.ins().bxor_imm_u(mixed, 0x1BD1_1BDA)];

        let mut x = [ins.ins().iadd(counter[0], schedule[0]), ins.ins().iadd(counter[1], schedule[1])];

        for group in 0..5 {
            for rotation in ROTATIONS[group % 2] {
                x[0] = ins.ins().iadd(x[0], x[1]);
                let rotated = ins.ins().rotl_imm_u(x[1], rotation);
                x[1] = ins.ins().bxor(rotated, x[0]);
            }

            x[0] = ins.ins().iadd(x[0], schedule[(group + 1) % 3]);
            let word = ins.ins().iadd_imm_u(schedule[(group + 2) % 3], group as i64 + 1);
            x[1] = ins.ins().iadd(x[1], word);
        }
        x
    }

    fn number(&mut self, number: &Number) -> Value {
        match number {
            Number::Dim(dim) => self.dim(dim),
            Number::Distance(dim) => self.quantity(Quantity::Distance(dim.clone())),
            Number::Real(dim) => self.quantity(Quantity::Real(dim.clone())),
            Number::RowStride(input) => self.row_stride(*input),
            Number::Key(stream, word) => self.keys[stream][*word],
            Number::Begin | Number::End => bug("a range of turns is the thread's to say"),
        }
    }

    fn row_stride(&mut self, input: usize) -> Value {
        if let Some(&known) = self.strides.get(&input) {
            return known;
        }
        let stride = self.binding(input, offset_of!(InputBinding, row_stride));
        self.strides.insert(input, stride);
        stride
    }

    fn binding(&mut self, input: usize, field: usize) -> Value {
        let (slot, offset) = self.slot(offset_of!(Context, inputs), Buffer::Input(input));
        self.f.ins().load(I64, MemFlagsData::trusted(), slot, offset + field as i32)
    }

    fn pointer(&mut self, pointer: &Pointer) -> Value {
        match pointer {
            Pointer::Rows => self.rows,
            Pointer::Alarm => self.f.ins().iadd_imm_s(self.context, offset_of!(Context, alarm) as i64),
            Pointer::Into(buffer, offset) => {
                let base = self.buffer(*buffer);
                let base = self.moved(*buffer, base);
                if offset.is(0) {
                    return base;
                }
                let offset = self.quantity(Quantity::Distance(offset.clone()));
                self.f.ins().iadd(base, offset)
            }
        }
    }

    /// Where a buffer begins in this turn of the loops around.
    fn moved(&mut self, buffer: Buffer, mut base: Value) -> Value {
        for (repeat, turn) in self.turns.clone() {
            let Some(Move { first, by }) = repeat.moves.get(&buffer) else { continue };
            let by = self.quantity(Quantity::Distance(by.clone()));
            let further = self.f.ins().imul(turn, by);
            base = self.f.ins().iadd(base, further);
            if !first.is(0) {
                let first = self.quantity(Quantity::Distance(first.clone()));
                base = self.f.ins().iadd(base, first);
            }
        }
        base
    }

    /// The entry of a buffer in a table of the context: an address and an offset from it.
    fn slot(&mut self, table: usize, buffer: Buffer) -> (Value, i32) {
        let base = self.field(I64, table);
        match self.from_table.get(&buffer) {
            Some(&offset) => (self.f.ins().iadd(base, offset), 0),
            None => (base, table_offset(buffer) as i32),
        }
    }

    fn table_entry(&mut self, table: usize, buffer: Buffer) -> Value {
        let (slot, offset) = self.slot(table, buffer);
        self.f.ins().load(I64, MemFlagsData::trusted(), slot, offset)
    }

    fn buffer(&mut self, buffer: Buffer) -> Value {
        if let Some(&known) = self.buffers.get(&buffer) {
            return known;
        }
        match buffer {
            Buffer::Storage(_) => self.table_entry(offset_of!(Context, storages), buffer),
            Buffer::Output(_) => self.table_entry(offset_of!(Context, outputs), buffer),
            Buffer::Watched => bug("what is only watched is no memory"),
            Buffer::Loss => {
                let losses = self.field(I64, offset_of!(Context, losses));
                let offset = self.f.ins().imul_imm_s(self.step, i64::from(F32.bytes()));
                self.f.ins().iadd(losses, offset)
            }
            Buffer::Arena(_) | Buffer::Scratch(_) => {
                let arena = self.field(I64, offset_of!(Context, arena));
                let offset = self.table_entry(offset_of!(Context, offsets), buffer);
                self.f.ins().iadd(arena, offset)
            }
            Buffer::Input(n) => {
                let base = self.binding(n, offset_of!(InputBinding, base));
                if (self.launch.looked_up)(n) {
                    return base;
                }
                let stride = self.binding(n, offset_of!(InputBinding, step_stride));
                let offset = self.f.ins().imul(self.step, stride);
                self.f.ins().iadd(base, offset)
            }
        }
    }

    pub(super) fn dim(&mut self, dim: &Dim) -> Value {
        self.quantity(Quantity::Whole(dim.clone()))
    }

    /// A number that depends on sizes. It is loaded where it is first needed: before the loop over steps.
    pub(super) fn quantity(&mut self, quantity: Quantity) -> Value {
        if let Some(&value) = self.loaded.get(&quantity) {
            return value;
        }

        let value = match &quantity {
            Quantity::Whole(dim) | Quantity::Distance(dim) | Quantity::Work(dim)
                if dim.as_constant().is_some() =>
            {
                self.f.ins().iconst(I64, dim.as_constant().unwrap_or(0))
            }
            _ => {
                let index = self.numbers.index(&quantity);
                self.entry_of(offset_of!(Context, numbers), index)
            }
        };

        self.loaded.insert(quantity, value);
        value
    }
}
