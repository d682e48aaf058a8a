//! Compiles a lane program to a function that takes its arguments from a list.

use cranelift_codegen::Context;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types::I64};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_codegen::code::Functions;
use downhill_codegen::lane::{Address, Combine, Integer, Kind, LaneProgram, ProgramBuilder, Reg};
use downhill_codegen::lower::clif::lower;
use downhill_codegen::lower::wide;
use downhill_codegen::target::Extension;
use downhill_codegen::target::InstructionSet;
use downhill_runtime::code::Executable;
use downhill_runtime::host;

/// Machine code of one program.
pub(crate) struct Compiled {
    code: extern "C" fn(*const i64),
    _executable: Executable,
    pub(crate) disassembly: Option<String>,
}

impl Compiled {
    /// For the widest vectors there are.
    pub(crate) fn new(program: &LaneProgram) -> Compiled {
        Compiled::with(program, host::available().pop().expect("there is always one"))
    }

    pub(crate) fn with(program: &LaneProgram, lanes: InstructionSet) -> Compiled {
        Compiled::with_disassembly(program, lanes, false)
    }

    pub(crate) fn with_disassembly(
        program: &LaneProgram,
        lanes: InstructionSet,
        disassemble: bool,
    ) -> Compiled {
        let target = host::target_with(lanes).expect("a supported processor");
        let mut functions = Functions::new(&target);
        let level = match lanes {
            InstructionSet::Portable => None,
            InstructionSet::Avx2 => Some(Extension::Avx2),
            InstructionSet::Avx512 => Some(Extension::Avx512),
        };
        let wide = level.map(|level| {
            let assembled = wide::assemble(program, level, VERIFIED).expect("assembled");
            wide::define(&mut functions, "wide", program, assembled.bytes)
        });
        let mut context = Context::new();
        context.set_disasm(disassemble);
        context.func.signature = functions.signature(1);
        let wide = wide.map(|wide| functions.import(wide, &mut context.func));
        let mut builder_context = FunctionBuilderContext::new();
        let mut f = FunctionBuilder::new(&mut context.func, &mut builder_context);
        let entry = f.create_block();
        f.append_block_params_for_function_params(entry);
        f.switch_to_block(entry);
        f.seal_block(entry);
        let list = f.block_params(entry)[0];
        let count = (program.pointers + program.integers) as i32;
        let load = |at| f.ins().load(I64, MemFlagsData::trusted(), list, at * 8);
        let arguments: Vec<_> = (0..count).map(load).collect();
        match wide {
            Some(wide) => _ = f.ins().call(wide, &arguments),
            None => {
                let (pointers, integers) = arguments.split_at(program.pointers as usize);
                lower(program, &mut f, pointers, integers);
            }
        }
        f.ins().return_(&[]);
        f.finalize(functions.config());
        let id = functions.define_in("kernel", &mut context).expect("compiled");
        let portable = context.compiled_code().and_then(|code| code.vcode.clone());
        let disassembly = match level {
            Some(level) if disassemble => {
                Some(objdump(&wide::assemble(program, level, VERIFIED).expect("assembled").bytes))
            }
            _ => portable,
        };
        let code = functions.link().expect("an image");
        let executable = Executable::load(&code).expect("executable memory");
        // SAFETY: the function was just made with this signature; its code lives as long as `Compiled` does.
        let code = unsafe {
            std::mem::transmute::<*const u8, extern "C" fn(*const i64)>(executable.address(&code, id))
        };
        Compiled { code, _executable: executable, disassembly }
    }

    /// Runs the code; each buffer must be as long as the program needs.
    pub(crate) fn run(&self, memory: &mut [Vec<u32>], integers: &[i64]) {
        let pointers = memory.iter_mut().map(|buffer| buffer.as_mut_ptr() as i64);
        let arguments: Vec<i64> = pointers.chain(integers.iter().copied()).collect();
        (self.code)(arguments.as_ptr());
    }
}

/// Machine code as text, where `objdump` is installed.
fn objdump(bytes: &[u8]) -> String {
    let file = std::env::temp_dir().join(format!("downhill-{}.bin", std::process::id()));
    std::fs::write(&file, bytes).expect("written");
    let arguments = ["-D", "-b", "binary", "-mi386:x86-64", "-Mintel"];
    let output = std::process::Command::new("objdump").args(arguments).arg(&file).output();
    let text = output
        .map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).into());
    let _ = std::fs::remove_file(file);
    text
}

/// Machine code of tests is checked in release builds too.
pub(crate) const VERIFIED: wide::Asked = wide::Asked { verify: true, text: false };

pub(crate) const FOUR: Integer = Integer::Constant(4);

/// `out[e] = function(in₀[e], in₁[e], …)` for e in 0..n.
pub(crate) fn elementwise(inputs: u32, function: impl Fn(&mut ProgramBuilder, &[Reg]) -> Reg) -> LaneProgram {
    let mut b = ProgramBuilder::new();
    let pointers: Vec<u32> = (0..inputs).map(|_| b.pointer()).collect();
    let (output, n, e) = (b.pointer(), b.integer(), b.var());
    b.begin_lanes(e, Integer::Constant(0), n);
    let inputs: Vec<Reg> =
        pointers.iter().map(|&pointer| b.load(Kind::F32, Address::new(pointer).index(e, FOUR))).collect();
    let result = function(&mut b, &inputs);
    b.store(Address::new(output).index(e, FOUR), result);
    b.end_loop(&[]);
    b.finish()
}

/// `out[0] = fold of function(in[e])`.
pub(crate) fn reduction(
    initial: f32,
    combine: Combine,
    n: Integer,
    function: impl Fn(&mut ProgramBuilder, Reg) -> Reg,
) -> LaneProgram {
    let mut b = ProgramBuilder::new();
    let (x, y, e) = (b.pointer(), b.pointer(), b.var());
    if matches!(n, Integer::Argument(_)) {
        b.integer();
    }
    let initial = b.constant_f(initial);
    b.begin_lanes(e, Integer::Constant(0), n);
    let inside = b.carry(initial, Some(combine));
    let element = b.load(Kind::F32, Address::new(x).index(e, FOUR));
    let value = function(&mut b, element);
    let next = b.binary(combine.binary(), inside, value);
    let after = b.end_loop(&[next]);
    b.store(Address::new(y), after[0]);
    b.finish()
}

/// Equal bits, any NaN being equal to any NaN where `floats` says the words are floats.
pub(crate) fn same_bits(x: u32, y: u32) -> bool {
    x == y || (f32::from_bits(x).is_nan() && f32::from_bits(y).is_nan())
}
