//! Training steps of whole networks: which kernels they become, that they compute what the interpreter computes, and how much
//! memory they take.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/golden.rs"]
mod golden;
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
use downhill_graph::optimizer::{adamw, sgd};
use golden::assert_golden;

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
