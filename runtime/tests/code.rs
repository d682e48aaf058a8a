//! The home of machine code, on functions made by hand: code runs, is never writable once it does, and goes with its last owner.

use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use downhill_codegen::abi::{Context, Share};
use downhill_codegen::code::Functions;
use downhill_runtime::code::{Executable, Function};
use downhill_runtime::host;
use std::ffi::c_void;
use std::mem::offset_of;

/// A function that writes `value` to `Context::stopped`.
fn stopping_at(value: i64) -> Function {
    let target = host::target().expect("this machine");
    let mut functions = Functions::new(&target);
    let mut function = ir::Function::new();
    function.signature = functions.signature(1);
    let mut scratch = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut scratch);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_block(block);
    let (argument, number) = (builder.block_params(block)[0], builder.ins().iconst(types::I64, value));
    builder.ins().store(MemFlagsData::trusted(), number, argument, offset_of!(Context, stopped) as i32);
    builder.ins().return_(&[]);
    builder.finalize(functions.config());
    let id = functions.define("stop", function).expect("code");
    let code = functions.link().expect("an image");
    let executable = Executable::load(&code).expect("executable memory");
    // SAFETY: the function takes one pointer, as `abi` says, and stands in this code.
    unsafe { executable.function(&code, id) }
}

unsafe extern "C" fn whole(_: *const c_void, shares: *const Share, count: i64, _: i64) {
    // SAFETY: native code's own shares.
    let shares = unsafe { std::slice::from_raw_parts(shares, count as usize) };
    for share in shares {
        // SAFETY: native code's own task and arguments.
        unsafe { (share.task)(share.arguments, 0, share.iterations, 0) };
    }
}

fn call(function: &Function) -> i64 {
    let mut context = Context {
        storages: std::ptr::null(),
        inputs: std::ptr::null(),
        outputs: std::ptr::null(),
        arena: std::ptr::null_mut(),
        offsets: std::ptr::null(),
        numbers: std::ptr::null(),
        rows: std::ptr::null(),
        keys: std::ptr::null(),
        first_step: 0,
        losses: std::ptr::null_mut(),
        steps: 0,
        stopped: 0,
        updated: 0,
        alarm: 0,
        pool: std::ptr::null(),
        divide: whole,
        marks: std::ptr::null_mut(),
        mark: None,
    };
    // SAFETY: the function writes to the context only.
    unsafe { function.call(&mut context) };
    context.stopped
}

#[test]
fn code_outlives_its_module_and_serves_many_threads() {
    let functions: Vec<Function> = (0..8).map(stopping_at).collect();
    std::thread::scope(|scope| {
        for (value, function) in functions.iter().enumerate() {
            scope.spawn(move || assert_eq!(call(function), value as i64));
        }
    });
    let copy = functions[3].clone();
    drop(functions);
    assert_eq!(call(&copy), 3);
}

#[test]
#[cfg(target_os = "linux")]
fn no_page_is_writable_and_executable() {
    let function = stopping_at(5);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let flags: Vec<&str> = maps.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(!flags.iter().any(|flags| flags.contains('w') && flags.contains('x')), "{maps}");
    assert_eq!(call(&function), 5);
}
