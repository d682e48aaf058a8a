//! Training steps of whole networks: which kernels they become, that they compute what the interpreter computes, and how much
//! memory they take.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/golden.rs"]
mod golden;
mod memory;
mod nets;
mod steps;

use downhill_codegen::entry::description::Entry;
use downhill_codegen::pipeline::{self, Planned, Purposes, Wanted};
use downhill_graph::dim::Bindings;
use downhill_graph::graph::Graph;
use downhill_graph::stages::{Stage, Stages};
use downhill_nn::optimizers::{adamw, sgd};
use downhill_runtime::host;
use golden::assert_golden;

/// The compiled entry of a graph, and what the plan's stage showed.
fn compile(graph: &Graph) -> (Entry, String) {
    let target = host::target().expect("a supported processor");
    let mut text = String::new();
    let mut show = |_: &str, _: Stage, form: &str| text.push_str(form);
    let mut stages = Stages::watched(&[Stage::Plan], &mut show);
    let planned = Planned::new("step", graph.clone(), &mut stages).expect("a plan");
    let wanted = Wanted { planned: &planned, variants: &[Bindings::new()] };
    let purposes = Purposes { target: &target, marked: false };
    let mut artifact = pipeline::compile(&[wanted], purposes, &mut stages).expect("it compiles");
    drop(stages);
    (artifact.entries.remove(0).remove(0), text)
}

#[test]
fn kernels_of_a_step() {
    assert_golden("lecture_step.kernels", &compile(&nets::lecture().step()).1);
    assert_golden("classes_step.kernels", &compile(&nets::classes("classes", 64, 32, sgd(0.1)).step()).1);
    assert_golden("convolutions_step.kernels", &compile(&nets::convolutions().step()).1);
    assert_golden("residual_step.kernels", &compile(&nets::residual().step()).1);
    assert_golden("adamw_step.kernels", &compile(&nets::classes("adamw", 4, 8, adamw(0.01)).step()).1);
}
