//! Training steps of whole networks: which kernels they become, that they compute what the interpreter computes, and how much
//! memory they take.

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod nets;
mod steps;

use downhill_codegen::entry::description::Entry;
use downhill_codegen::pipeline::{self, Purposes, Source};
use downhill_graph::graph::Graph;
use downhill_graph::stages::{Stage, Stages};
use downhill_nn::optimizer::{adamw, sgd};
use downhill_runtime::host;
use std::path::Path;

/// The compiled entry of a graph, and what the plan's stage showed.
fn compile(graph: &Graph) -> (Entry, String) {
    let target = host::target().expect("a supported processor");
    let mut text = String::new();
    let mut show = |_: &str, _: Stage, form: &str| text.push_str(form);
    let mut stages = Stages::watched(&[Stage::Plan], &mut show);
    let source = Source { name: "step", graph, variants: Vec::new() };
    let purposes = Purposes { target: &target, marked: false };
    let mut artifact = pipeline::compile(&[source], purposes, &mut stages).expect("it compiles");
    drop(stages);
    (artifact.entries.remove(0).remove(0), text)
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
    assert_golden("lecture_step.kernels", &compile(&nets::lecture().step()).1);
    assert_golden("classes_step.kernels", &compile(&nets::classes("classes", 64, 32, sgd(0.1)).step()).1);
    assert_golden("adamw_step.kernels", &compile(&nets::classes("adamw", 4, 8, adamw(0.01)).step()).1);
}
