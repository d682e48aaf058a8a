//! The native function of an entry: the loop over steps, and in it the calls of the kernels.
//!
//! In: kernels already defined, with what their arguments stand for. Out: a function `extern "C" fn(*mut Context)`
//! that keeps the promises of [`crate::abi`].
//!
//! Must hold: between the store of a loss and the first kernel that writes a storage stands the test that the loss is finite. An entry
//! that writes none has no test.

use crate::abi::{Context, InputBinding};
use crate::clif::define_built;
use crate::divide::Division;
use crate::emit::{Emitted, Number, Pointer};
use crate::error::Error;
use crate::kernel::Buffer;
use crate::target::Target;
use crate::task::RANGE;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, FuncRef, Function, InstBuilder, MemFlagsData, SigRef, Signature, StackSlot,
    StackSlotData, StackSlotKind, Type, Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module};
use downhill_graph::dim::{Dim, Symbol};
use downhill_graph::graph::bug;
use std::collections::HashMap;
use std::mem::{offset_of, size_of};
use std::sync::Arc;

/// A kernel to call.
pub(crate) struct Call {
    pub(crate) function: FuncId,
    pub(crate) emitted: Emitted,
    /// How threads share it, if they do.
    pub(crate) shared: Option<Shared>,
    /// It stores the loss.
    pub(crate) makes_loss: bool,
}

impl Call {
    /// Words that the threads which share it are handed, if it is shared: see [`crate::task`].
    fn table_words(&self) -> Option<usize> {
        let shared = self.shared.as_ref()?;
        let integers = self.emitted.integers.len() - RANGE as usize;
        Some(1 + self.emitted.pointers.len() + integers + shared.rooms.len())
    }
}

/// A kernel that threads share.
pub(crate) struct Shared {
    pub(crate) division: Division,
    /// What each of them calls: [`crate::task::define_task`].
    pub(crate) task: FuncId,
    /// Pointers of which each thread has a room of its own, and how many bytes that is.
    pub(crate) rooms: Vec<(usize, Dim)>,
}

/// What the function is made of.
pub(crate) struct Launch<'a> {
    pub(crate) calls: &'a [Call],
    /// Run-time symbols in the order of `Context::symbols`; looked-up rows are counted in the first.
    pub(crate) symbols: &'a [Arc<str>],
    /// Which inputs are looked up.
    pub(crate) looked_up: &'a dyn Fn(usize) -> bool,
    /// Random streams in the order of `Context::keys`.
    pub(crate) streams: &'a [u32],
    /// The batch in elements, when rows are looked up.
    pub(crate) batch: Option<Dim>,
    /// Whether each call is followed by one of [`crate::abi::Mark`].
    pub(crate) marked: bool,
}

/// Defines the function.
///
/// # Errors
/// What Cranelift reports.
pub(crate) fn define(
    module: &mut impl Module,
    target: &Target,
    name: &str,
    launch: &Launch<'_>,
) -> Result<FuncId, Error> {
    let mut context = module.make_context();
    context.func.signature = module.make_signature();
    context.func.signature.params = vec![AbiParam::new(I64)];
    let id = module.declare_function(name, Linkage::Export, &context.func.signature)?;
    let config = module.target_config();
    let functions: Vec<Callee> = launch
        .calls
        .iter()
        .map(|call| Callee {
            kernel: module.declare_func_in_func(call.function, &mut context.func),
            task: call
                .shared
                .as_ref()
                .map(|shared| module.declare_func_in_func(shared.task, &mut context.func)),
        })
        .collect();
    let divide = callback_signature(module, 6);
    let mark = callback_signature(module, 2);
    let mut builder_context = FunctionBuilderContext::new();
    let mut writer = Writer::begin(&mut context.func, &mut builder_context, launch, [divide, mark]);
    writer.all_steps(&functions);
    writer.f.seal_all_blocks();
    writer.f.finalize(config);
    define_built(module, target, id, &mut context)?;
    Ok(id)
}

/// The type of a function of so many words: [`crate::abi::Divide`], [`crate::abi::Mark`].
fn callback_signature(module: &impl Module, words: usize) -> Signature {
    let mut signature = module.make_signature();
    signature.params = vec![AbiParam::new(I64); words];
    signature
}

/// What is called for a kernel.
struct Callee {
    kernel: FuncRef,
    task: Option<FuncRef>,
}

struct Writer<'a, 'f> {
    f: FunctionBuilder<'f>,
    launch: &'a Launch<'a>,
    /// The type of the function that divides kernels.
    divide: SigRef,
    /// Where a divided kernel's arguments lie.
    arguments: StackSlot,
    /// The type of the function that is told where a step is, in code that tells.
    mark: Option<SigRef>,
    context: Value,
    dims: HashMap<Dim, Value>,
    /// Of buffers that stay where they are from step to step.
    buffers: HashMap<Buffer, Value>,
    /// Bytes from row to row of looked-up inputs.
    strides: HashMap<usize, Value>,
    /// The keys of the random streams in the current step.
    keys: HashMap<u32, [Value; 2]>,
    exit: Block,
    /// Number of the current step.
    step: Value,
    /// Row numbers of the current step.
    rows: Value,
}

impl<'a, 'f> Writer<'a, 'f> {
    fn begin(
        func: &'f mut Function,
        builder_context: &'f mut FunctionBuilderContext,
        launch: &'a Launch<'a>,
        [divide, mark]: [Signature; 2],
    ) -> Self {
        let mut f = FunctionBuilder::new(func, builder_context);
        let divide = f.import_signature(divide);
        let mark = launch.marked.then(|| f.import_signature(mark));
        let entry = f.create_block();
        f.append_block_params_for_function_params(entry);
        f.switch_to_block(entry);
        let context = f.block_params(entry)[0];
        let exit = f.create_block();
        // Divided kernels follow one another: one table of arguments serves them all.
        let words = launch.calls.iter().filter_map(Call::table_words).max().unwrap_or(0) as u32;
        let arguments = StackSlotData::new(StackSlotKind::ExplicitSlot, words * I64.bytes(), 3);
        let arguments = f.create_sized_stack_slot(arguments);
        Writer {
            f,
            launch,
            divide,
            arguments,
            mark,
            context,
            dims: HashMap::new(),
            buffers: HashMap::new(),
            strides: HashMap::new(),
            keys: HashMap::new(),
            exit,
            step: context,
            rows: context,
        }
    }

    fn field(&mut self, ty: Type, offset: usize) -> Value {
        self.f.ins().load(ty, MemFlagsData::trusted(), self.context, offset as i32)
    }

    /// `base[index]` of a table of pointers or 64-bit integers that the context points to.
    fn entry_of(&mut self, table: usize, index: usize) -> Value {
        let base = self.field(I64, table);
        self.f.ins().load(I64, MemFlagsData::trusted(), base, (index * size_of::<i64>()) as i32)
    }

    fn all_steps(&mut self, functions: &[Callee]) {
        let none = self.f.ins().iconst(I64, -1);
        self.f.ins().store(MemFlagsData::trusted(), none, self.context, offset_of!(Context, stopped) as i32);
        self.before_steps();
        let row_bytes =
            self.launch.batch.clone().map(|batch| self.dim(&(&batch * &Dim::from(size_of::<u32>()))));
        let zero = self.f.ins().iconst(I64, 0);
        let first_rows = self.field(I64, offset_of!(Context, rows));
        let (head, turn) = (self.f.create_block(), self.f.create_block());
        self.step = self.f.append_block_param(head, I64);
        self.rows = self.f.append_block_param(head, I64);
        self.f.ins().jump(head, &[BlockArg::Value(zero), BlockArg::Value(first_rows)]);
        self.f.switch_to_block(head);
        let steps = self.field(I64, offset_of!(Context, steps));
        let more = self.f.ins().icmp(IntCC::SignedLessThan, self.step, steps);
        self.f.ins().brif(more, turn, &[], self.exit, &[]);
        self.f.switch_to_block(turn);
        self.step_keys();
        self.mark(0);
        for (place, (call, callee)) in (1..).zip(self.launch.calls.iter().zip(functions)) {
            self.call(call, callee);
            self.mark(place);
            if call.makes_loss {
                self.stop_unless_finite();
            }
        }
        let next = self.f.ins().iadd_imm_s(self.step, 1);
        let next_rows = row_bytes.map_or(self.rows, |bytes| self.f.ins().iadd(self.rows, bytes));
        self.f.ins().jump(head, &[BlockArg::Value(next), BlockArg::Value(next_rows)]);
        self.f.switch_to_block(self.exit);
        self.f.ins().return_(&[]);
    }

    /// Calls a kernel, or has it divided among threads.
    fn call(&mut self, call: &Call, callee: &Callee) {
        let mut arguments: Vec<Value> =
            call.emitted.pointers.iter().map(|pointer| self.pointer(pointer)).collect();
        let range = |number: &&Number| matches!(number, Number::Begin | Number::End);
        let integers = call.emitted.integers.iter().filter(|number| !range(number));
        arguments.extend(integers.map(|number| self.number(number)));
        match (&call.shared, callee.task) {
            (Some(Shared { division, rooms, .. }), Some(task)) => {
                let address = self.f.ins().func_addr(I64, callee.kernel);
                arguments.insert(0, address);
                arguments.extend(rooms.iter().map(|(_, bytes)| self.dim(bytes)));
                self.divide(division, task, &arguments);
            }
            _ => _ = self.f.ins().call(callee.kernel, &arguments),
        }
    }

    fn divide(&mut self, division: &Division, task: FuncRef, arguments: &[Value]) {
        let slot = self.arguments;
        for (place, &argument) in arguments.iter().enumerate() {
            self.f.ins().stack_store(I64, argument, slot, place as i32 * I64.bytes() as i32);
        }
        let pool = self.field(I64, offset_of!(Context, pool));
        let divide = self.field(I64, offset_of!(Context, divide));
        let task = self.f.ins().func_addr(I64, task);
        let table = self.f.ins().stack_addr(I64, slot, 0);
        let (turns, work) = (self.dim(&division.turns), self.dim(&division.work));
        let multiple = self.f.ins().iconst(I64, division.multiple);
        let all = [pool, task, table, turns, multiple, work];
        self.f.ins().call_indirect(self.divide, divide, &all);
    }

    /// What does not change from step to step is computed before the loop: sizes, strides, places of buffers.
    fn before_steps(&mut self) {
        for call in self.launch.calls {
            for number in &call.emitted.integers {
                match number {
                    Number::Dim(dim) => _ = self.dim(dim),
                    Number::RowStride(input) => _ = self.row_stride(*input),
                    Number::Key(..) | Number::Begin | Number::End => {}
                }
            }
            for pointer in &call.emitted.pointers {
                let Pointer::Into(buffer, offset) = pointer else { continue };
                self.dim(offset);
                let moves = match buffer {
                    Buffer::Loss => true,
                    Buffer::Input(n) => !(self.launch.looked_up)(*n),
                    Buffer::Storage(_) | Buffer::Output(_) | Buffer::Arena(_) | Buffer::Scratch(_) => false,
                };
                if !moves {
                    let place = self.buffer(*buffer);
                    self.buffers.insert(*buffer, place);
                }
            }
            if let Some(shared) = &call.shared {
                self.dim(&shared.division.turns);
                self.dim(&shared.division.work);
                shared.rooms.iter().for_each(|(_, bytes)| _ = self.dim(bytes));
            }
        }
    }

    /// Tells the caller where the step is, in code that was asked to.
    fn mark(&mut self, place: i64) {
        let Some(signature) = self.mark else { return };
        let (marks, mark) =
            (self.field(I64, offset_of!(Context, marks)), self.field(I64, offset_of!(Context, mark)));
        let place = self.f.ins().iconst(I64, place);
        self.f.ins().call_indirect(signature, mark, &[marks, place]);
    }

    /// Ends the call where this step's loss is infinite or NaN: all ones in the exponent.
    fn stop_unless_finite(&mut self) {
        let place = self.buffer(Buffer::Loss);
        let bits = self.f.ins().load(I32, MemFlagsData::trusted(), place, 0);
        let exponent = self.f.ins().band_imm_u(bits, 0x7f80_0000);
        let broken = self.f.ins().icmp_imm_u(IntCC::Equal, exponent, 0x7f80_0000);
        let (stop, go_on) = (self.f.create_block(), self.f.create_block());
        self.f.ins().brif(broken, stop, &[], go_on, &[]);
        self.f.switch_to_block(stop);
        self.f.ins().store(
            MemFlagsData::trusted(),
            self.step,
            self.context,
            offset_of!(Context, stopped) as i32,
        );
        self.f.ins().jump(self.exit, &[]);
        self.f.switch_to_block(go_on);
    }

    /// The keys of this step: `downhill_graph::random::stream_key`.
    fn step_keys(&mut self) {
        if self.launch.streams.is_empty() {
            return;
        }
        let first = self.field(I64, offset_of!(Context, first_step));
        let step = self.f.ins().iadd(first, self.step);
        let high = self.f.ins().ushr_imm_u(step, 32);
        let counter = [step, high].map(|word| self.f.ins().ireduce(I32, word));
        let table = self.field(I64, offset_of!(Context, keys));
        for (place, stream) in self.launch.streams.iter().enumerate() {
            let word = |f: &mut FunctionBuilder<'_>, n: usize| {
                f.ins().load(
                    I32,
                    MemFlagsData::trusted(),
                    table,
                    (place * size_of::<[u32; 2]>() + n * size_of::<u32>()) as i32,
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
                let turned = ins.ins().rotl_imm_u(x[1], rotation);
                x[1] = ins.ins().bxor(turned, x[0]);
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
        let table = self.field(I64, offset_of!(Context, inputs));
        let offset = input * size_of::<InputBinding>() + field;
        self.f.ins().load(I64, MemFlagsData::trusted(), table, offset as i32)
    }

    fn pointer(&mut self, pointer: &Pointer) -> Value {
        match pointer {
            Pointer::Rows => self.rows,
            Pointer::Into(buffer, offset) => {
                let base = self.buffer(*buffer);
                if offset.is(0) {
                    return base;
                }
                let offset = self.dim(offset);
                self.f.ins().iadd(base, offset)
            }
        }
    }

    fn buffer(&mut self, buffer: Buffer) -> Value {
        if let Some(&known) = self.buffers.get(&buffer) {
            return known;
        }
        match buffer {
            Buffer::Storage(n) => self.entry_of(offset_of!(Context, storages), n),
            Buffer::Output(n) => self.entry_of(offset_of!(Context, outputs), n),
            Buffer::Loss => {
                let losses = self.field(I64, offset_of!(Context, losses));
                let offset = self.f.ins().imul_imm_s(self.step, i64::from(F32.bytes()));
                self.f.ins().iadd(losses, offset)
            }
            Buffer::Arena(n) | Buffer::Scratch(n) => {
                let arena = self.field(I64, offset_of!(Context, arena));
                let offset = self.entry_of(offset_of!(Context, offsets), n);
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

    /// The value of a dim, computed where it is first asked for: before the loop over steps.
    fn dim(&mut self, dim: &Dim) -> Value {
        if let Some(&value) = self.dims.get(dim) {
            return value;
        }
        let mut sum = self.f.ins().iconst(I64, 0);
        for (symbols, coefficient) in dim.terms() {
            let mut product = self.f.ins().iconst(I64, *coefficient);
            for symbol in symbols {
                let factor = self.symbol(symbol);
                product = self.f.ins().imul(product, factor);
            }
            sum = self.f.ins().iadd(sum, product);
        }
        self.dims.insert(dim.clone(), sum);
        sum
    }

    fn symbol(&mut self, symbol: &Symbol) -> Value {
        match symbol {
            Symbol::Named(name) => {
                let place = self.launch.symbols.iter().position(|known| known == name);
                let place = place.unwrap_or_else(|| bug(&format!("the size `{name}` is nobody's input's")));
                self.entry_of(offset_of!(Context, symbols), place)
            }
            Symbol::Quotient(pair) => {
                let (numerator, denominator) = (self.dim(&pair.0), self.dim(&pair.1));
                // A size of 0 below the line would trap; 1 gives a number that no loop over an empty axis uses.
                let zero = self.f.ins().icmp_imm_s(IntCC::Equal, denominator, 0);
                let one = self.f.ins().iconst(I64, 1);
                let denominator = self.f.ins().select(zero, one, denominator);
                self.f.ins().sdiv(numerator, denominator)
            }
        }
    }
}
