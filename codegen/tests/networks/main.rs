//! Training steps of whole networks: which kernels they become, that they compute what the interpreter computes, and how much
//! memory they take.

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod nets;
mod steps;

use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::default_libcall_names;
use downhill_codegen::entry::description::Entry;
use downhill_codegen::pipeline::{Compiler, Stage};
use downhill_codegen::target::Target;
use downhill_graph::dim::Bindings;
use downhill_graph::graph::Graph;
use downhill_nn::optimizers::{adamw, sgd};
use std::path::Path;

/// The compiled entry of a graph, and what some stages showed.
fn compile(graph: &Graph, stages: &[Stage]) -> (Entry, String) {
    let target = Target::host().expect("a supported processor");
    let mut module = JITModule::new(JITBuilder::with_isa(target.isa().clone(), default_libcall_names()));
    let mut text = String::new();
    let mut show = |stage: Stage, form: &str| {
        if stages.contains(&stage) {
            text.push_str(form);
        }
    };
    let entry = Compiler::new(&mut module, &target)
        .dump(&mut show)
        .entry("step", graph, &Bindings::new())
        .expect("it compiles");
    // SAFETY: nothing in the module was called, and no address was taken from it.
    unsafe { module.free_memory() };
    (entry, text)
}

/// `text` as it was when last looked at by a person. `DOWNHILL_BLESS=1` writes it anew.
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("DOWNHILL_BLESS").is_some() {
        std::fs::create_dir_all(path.with_file_name("")).expect("a writable folder");
        std::fs::write(&path, text).expect("a writable folder");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} changed; DOWNHILL_BLESS=1 writes it anew");
}

#[test]
fn kernels_of_a_step() {
    let forms = [Stage::Kernel, Stage::Plan];
    assert_golden("lecture_step.kernels", &compile(&nets::lecture().step(), &forms).1);
    assert_golden(
        "classes_step.kernels",
        &compile(&nets::classes("classes", 64, 32, sgd(0.1)).step(), &forms).1,
    );
    assert_golden(
        "adamw_step.kernels",
        &compile(&nets::classes("adamw", 4, 8, adamw(0.01)).step(), &forms).1,
    );
}
