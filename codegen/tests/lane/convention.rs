//! Kernels called by code of another convention: Windows's, which has its callees keep more registers than System V's does.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Function, InstBuilder, MemFlagsData};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_codegen::code::{FunctionId, Functions};
use downhill_codegen::lane::*;
use downhill_codegen::lower::wide;
use downhill_codegen::target::{Extension, InstructionSet};
use downhill_runtime::code::Executable;
use downhill_runtime::host;
use std::arch::asm;

use crate::fixed::agree;
use crate::harness::{FOUR, VERIFIED, elementwise};

/// A function of Windows's convention that takes a list of arguments and calls a kernel with them.
fn windows_caller(functions: &mut Functions<'_>, kernel: FunctionId, arguments: i32) -> FunctionId {
    let mut function = Function::new();
    function.signature = functions.signature(1);
    function.signature.call_conv = CallConv::WindowsFastcall;
    let kernel = functions.import(kernel, &mut function);
    let mut builder_context = FunctionBuilderContext::new();
    let mut f = FunctionBuilder::new(&mut function, &mut builder_context);
    let entry = f.create_block();
    f.append_block_params_for_function_params(entry);
    f.switch_to_block(entry);
    f.seal_block(entry);
    let list = f.block_params(entry)[0];
    let values: Vec<_> =
        (0..arguments).map(|n| f.ins().load(I64, MemFlagsData::trusted(), list, n * 8)).collect();
    f.ins().call(kernel, &values);
    f.ins().return_(&[]);
    f.finalize(functions.config());
    functions.define("caller", function).expect("compiled")
}

/// Calls `code` as Windows does; true if the registers that it must keep are as they were.
fn call_and_compare(code: *const u8, arguments: *const i64) -> bool {
    let before: [u64; 20] = std::array::from_fn(|n| 0x0123_4567_89ab_cdef_u64.rotate_left(3 * n as u32));
    let mut after = [0_u64; 20];
    let after_general: u64;
    // SAFETY: 32 bytes of room above the return address and an aligned stack are Windows's convention; every register
    // that the callee may change is declared, and those set here are too.
    unsafe {
        asm!(
            "movups xmm6, [r12]", "movups xmm7, [r12 + 16]", "movups xmm8, [r12 + 32]", "movups xmm9, [r12 + 48]",
            "movups xmm10, [r12 + 64]", "movups xmm11, [r12 + 80]", "movups xmm12, [r12 + 96]",
            "movups xmm13, [r12 + 112]", "movups xmm14, [r12 + 128]", "movups xmm15, [r12 + 144]",
            "mov rdi, 77", "mov rsi, 78",
            "mov r15, rsp", "and rsp, -16", "sub rsp, 32", "call r14", "mov rsp, r15",
            "movups [r13], xmm6", "movups [r13 + 16], xmm7", "movups [r13 + 32], xmm8", "movups [r13 + 48], xmm9",
            "movups [r13 + 64], xmm10", "movups [r13 + 80], xmm11", "movups [r13 + 96], xmm12",
            "movups [r13 + 112], xmm13", "movups [r13 + 128], xmm14", "movups [r13 + 144], xmm15",
            "sub rdi, 77", "sub rsi, 78", "or rdi, rsi",
            in("r12") before.as_ptr(),
            in("r13") after.as_mut_ptr(),
            in("r14") code,
            inout("rcx") arguments => _,
            out("rdi") after_general,
            out("rsi") _,
            out("r15") _,
            clobber_abi("sysv64"),
        );
    }
    before == after && after_general == 0
}

#[test]
fn a_windows_caller_keeps_its_registers() {
    // More arguments than either convention has registers for, and every vector register in use.
    let program = elementwise(9, |b, x| {
        let terms: Vec<Reg> = (0..40).map(|n| b.binary(Binary::MulF, x[n % 9], x[(n + n / 9) % 9])).collect();
        let sum = terms.iter().fold(x[0], |sum, &term| b.binary(Binary::AddF, sum, term));
        terms.iter().fold(sum, |sum, &term| b.fma(sum, term, x[1]))
    });
    let data: Vec<u32> = (0..50).map(|n| (n as f32 * 0.01).to_bits()).collect();
    let mut expected = vec![data.clone(); 9];
    expected.push(vec![0; 50]);
    interpret::interpret(&program, &mut expected, &[50]).expect("a program");
    for (lanes, level) in
        [(InstructionSet::Avx2, Extension::Avx2), (InstructionSet::Avx512, Extension::Avx512)]
    {
        if !host::available().contains(&lanes) {
            continue;
        }
        let target = host::target_with(lanes).expect("a processor");
        let mut functions = Functions::new(&target);
        let assembled = wide::assemble(&program, level, VERIFIED).expect("assembled");
        let kernel = wide::define(&mut functions, "kernel", &program, assembled.bytes);
        let caller = windows_caller(&mut functions, kernel, 11);
        let code = functions.link().expect("an image");
        let executable = Executable::load(&code).expect("executable memory");
        let mut memory = vec![data.clone(); 9];
        memory.push(vec![0; 50]);
        let mut arguments: Vec<i64> = memory.iter_mut().map(|buffer| buffer.as_mut_ptr() as i64).collect();
        arguments.push(50);
        assert!(call_and_compare(executable.address(&code, caller), arguments.as_ptr()), "{lanes:?}");
        assert_eq!(memory, expected, "{lanes:?}");
    }
}

/// Values alive at once fill many pages of the stack.
#[test]
fn a_frame_of_many_pages() {
    let mut b = ProgramBuilder::new();
    let (input, output, e) = (b.pointer(), b.pointer(), b.var());
    b.begin_lanes(e, Integer::Constant(0), Integer::Constant(70));
    let place = |pointer| Address::new(pointer).index(e, FOUR);
    let x = b.load(Kind::F32, place(input));
    let mut chain = x;
    let values: Vec<Reg> = (0..600)
        .map(|_| {
            chain = b.fma(chain, x, x);
            chain
        })
        .collect();
    let sum = values.iter().rev().fold(x, |sum, &value| b.binary(Binary::AddF, sum, value));
    b.store(place(output), sum);
    b.end_loop(&[]);
    let data: Vec<u32> = (0..70).map(|n| (0.5 - n as f32 * 0.01).to_bits()).collect();
    let program = b.finish();
    agree(&program, &[data, vec![0; 70]], &[]);
    for level in [Extension::Avx2, Extension::Avx512] {
        let code = wide::assemble(&program, level, VERIFIED).expect("assembled").bytes;
        // `or qword ptr [rsp], 0`.
        let touched = code.windows(5).filter(|bytes| *bytes == [0x48, 0x83, 0x0c, 0x24, 0]).count();
        assert!(touched > 3, "{level:?}: {touched} pages are touched");
    }
}
