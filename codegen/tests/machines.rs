//! Code for machines that are not this one: a target is a description, and an artifact a value.

use downhill_codegen::artifact::Artifact;
use downhill_codegen::error::Error;
use downhill_codegen::pipeline::{Planned, Purposes, Wanted, compile};
use downhill_codegen::target::{InstructionSet, Target};
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::Graph;
use downhill_graph::stages::Stages;
use downhill_graph::types::ElementType;
use downhill_nn::builder::{Builder, Mode};
use downhill_nn::composite::{Linear, linear};
use downhill_nn::entry;
use downhill_nn::optimizers::adam;
use downhill_nn::value::{square, sum, tanh};
use target_lexicon::Triple;

/// A training step of so many layers.
fn step(depth: usize) -> Graph {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", ElementType::F32, [Dim::symbol("batch"), Dim::from(24)]);
    let mut h = x;
    for n in 0..depth {
        h = b.scope(&format!("h{n}"), || tanh(linear(&h, 24, Linear::default())));
    }
    b.output("h", &h);
    b.loss("loss", &sum(square(&h)), None);
    let declaration = b.finish().expect("a declaration");
    entry::step(&declaration, None, &adam(0.1).into()).expect("a step")
}

fn compiled(name: &str, instructions: InstructionSet, depth: usize) -> Result<Artifact, Error> {
    let triple: Triple = name.parse().expect("a known machine");
    let target = Target::new(triple, instructions)?.threads(2).dividing_from(0);
    let mut stages = Stages::unwatched();
    let planned = Planned::new("step", step(depth), &mut stages)?;
    let variants = [Bindings::new(), Bindings::from([("batch".into(), 48)])];
    let wanted = Wanted { planned: &planned, variants: &variants };
    compile(&[wanted], Purposes { target: &target, marked: false }, &mut stages)
}

#[test]
fn code_is_made_for_other_machines() {
    for name in ["aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"] {
        // Few layers are one function; many go through sections, tables and functions that threads call.
        for depth in [1, 12] {
            let artifact = compiled(name, InstructionSet::Portable, depth)
                .unwrap_or_else(|error| panic!("{name}, {depth} layers: {error}"));
            assert!(artifact.divided > 0, "{name}");
            assert_eq!(artifact.code.to_string().contains("_from0"), depth > 1, "{name}");
            let variants = &artifact.entries[0];
            assert_eq!(variants.len(), 2, "{name}");
            for variant in variants {
                let symbol = artifact.code.symbol(variant.function);
                assert!(
                    symbol.size > 0 && symbol.offset + symbol.size <= artifact.code.bytes.len(),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn code_depends_on_the_target_alone() {
    for instructions in InstructionSet::ALL {
        let name = "x86_64-unknown-linux-gnu";
        for depth in [2, 12] {
            let [once, again] = [(); 2].map(|()| compiled(name, instructions, depth).expect("code"));
            assert_eq!(once.code, again.code, "{instructions:?}");
            let numbers = |artifact: &Artifact| {
                artifact.entries.iter().flatten().map(|entry| entry.numbers.clone()).collect::<Vec<_>>()
            };
            assert_eq!(numbers(&once), numbers(&again), "{instructions:?}");
        }
    }
}

#[test]
fn vectors_of_another_architecture_are_refused() {
    let refused = compiled("aarch64-unknown-linux-gnu", InstructionSet::Avx2, 1);
    assert!(matches!(refused, Err(Error::UnsupportedCpu { .. })), "{:?}", refused.map(|_| ()));
}
