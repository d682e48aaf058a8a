//! Training steps of whole networks: which kernels they become, and that they compute what the interpreter computes.

mod common;

use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::default_libcall_names;
use downhill_codegen::compile::{Compiler, Stage};
use downhill_codegen::target::Target;
use downhill_graph::builder::{Builder, Mode, Value};
use downhill_graph::composite::{Linear, binary_cross_entropy, cross_entropy, linear, relu, sigmoid};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::entry::step;
use downhill_graph::graph::Graph;
use downhill_graph::optimizer::{Optimizer, sgd};
use downhill_graph::types::ElementType::{F32, I32};

fn declared(declare: impl FnOnce(&Builder)) -> downhill_graph::builder::Declaration {
    let builder = Builder::new(Mode::Train);
    declare(&builder);
    builder.finish().expect("a right declaration")
}

fn dense(b: &Builder, name: &str, x: &Value, units: usize) -> Value {
    b.scope(name, || linear(x, units, Linear::default()))
}

/// 2-50-1: the lecture's net.
fn seed_net() -> Graph {
    let declaration = declared(|b| {
        let x = b.input("x", F32, [Dim::symbol("batch"), 2.into()]);
        let y = b.target("y", F32, [Dim::symbol("batch"), 1.into()]);
        let h = relu(dense(b, "h", &x, 50));
        let p = sigmoid(dense(b, "p", &h, 1));
        b.output("p", &p);
        b.loss("loss", &binary_cross_entropy(&p, &y), None);
    });
    step(&declaration, None, &Optimizer::from(sgd(1.0))).expect("a training step")
}

/// 784-128-10.
fn mlp() -> Graph {
    let declaration = declared(|b| {
        let x = b.input("x", F32, [Dim::symbol("batch"), 784.into()]);
        let y = b.target("label", I32, [Dim::symbol("batch")]);
        let h = relu(dense(b, "h", &x, 128));
        let z = dense(b, "logits", &h, 10);
        b.output("logits", &z);
        b.loss("loss", &cross_entropy(&z, &y), None);
    });
    step(&declaration, None, &Optimizer::from(sgd(0.1))).expect("a training step")
}

fn dump(graph: &Graph, fixed: &Bindings, stages: &[Stage]) -> String {
    let target = Target::host().expect("a supported processor");
    let mut module = JITModule::new(JITBuilder::with_isa(target.isa().clone(), default_libcall_names()));
    let mut text = String::new();
    let mut show = |stage: Stage, form: &str| {
        if stages.contains(&stage) {
            text.push_str(form);
        }
    };
    let mut compiler = Compiler::new(&mut module, &target).dump(&mut show);
    compiler.entry("step", graph, fixed).expect("it compiles");
    println!("{:?}", compiler.report());
    text
}

#[test]
fn kernels() {
    for graph in [seed_net(), mlp()] {
        println!("{}", dump(&graph, &Bindings::new(), &[Stage::Kernel, Stage::Plan]));
    }
}
