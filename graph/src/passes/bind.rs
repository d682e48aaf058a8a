//! Puts numbers in the place of symbols.
//!
//! In: a graph and values of symbols. Out: the same graph for these sizes. Symbols without a value stay.

use crate::dim::{Bindings, Dim};
use crate::graph::{Graph, Input, Storage};
use crate::op::{Op, Padding, Range};
use crate::random::Initializer;
use crate::rebuild::rebuild_into;
use crate::types::{Shape, Type};

/// Substitutes `bindings` everywhere: in types, ops, initializers and bodies. What the graph itself binds is substituted too and
/// wins.
pub fn bind(graph: &Graph, bindings: &Bindings) -> Graph {
    let mut all = bindings.clone();
    all.extend(graph.bindings.iter().map(|(name, value)| (name.clone(), *value)));
    let mut into = graph.same_interface();
    into.inputs.iter_mut().for_each(|input| bind_input(input, &all));
    into.storages.iter_mut().for_each(|storage| bind_storage(storage, &all));
    into.bindings = all.clone();
    rebuild_into(into, graph, &|body| bind(body, &all), &mut |graph, op, operands| {
        graph.add(bind_op(op, &all), operands)
    })
}

fn bind_input(input: &mut Input, bindings: &Bindings) {
    input.ty = bind_type(&input.ty, bindings);
    input.below = input.below.as_ref().map(|dim| dim.bind(bindings));
}

fn bind_storage(storage: &mut Storage, bindings: &Bindings) {
    storage.ty = bind_type(&storage.ty, bindings);
    if let Initializer::FanIn(dim) = &mut storage.initializer {
        *dim = dim.bind(bindings);
    }
}

fn bind_type(ty: &Type, bindings: &Bindings) -> Type {
    Type { element: ty.element, shape: ty.shape.bind(bindings) }
}

fn bind_op(op: Op, bindings: &Bindings) -> Op {
    let dim = |dim: &Dim| dim.bind(bindings);
    let shape = |shape: &Shape| shape.bind(bindings);
    match op {
        Op::Iota { shape: s, axis } => Op::Iota { shape: shape(&s), axis },
        Op::DimValue { dim: d, element } => Op::DimValue { dim: dim(&d), element },
        Op::RandomBits { stream, shape: s } => Op::RandomBits { stream, shape: shape(&s) },
        Op::Reshape(s) => Op::Reshape(shape(&s)),
        Op::Broadcast { shape: s, axes } => Op::Broadcast { shape: shape(&s), axes },
        Op::Slice(ranges) => Op::Slice(
            ranges
                .iter()
                .map(|r| Range { start: dim(&r.start), end: dim(&r.end), stride: r.stride })
                .collect(),
        ),
        Op::Pad(paddings) => Op::Pad(
            paddings
                .iter()
                .map(|p| Padding { low: dim(&p.low), high: dim(&p.high), interior: p.interior })
                .collect(),
        ),
        Op::Scan { body, carried, sliced, length, result } => {
            Op::Scan { body, carried, sliced, length: dim(&length), result }
        }
        Op::Input(_)
        | Op::Storage(_)
        | Op::Constant(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Convert(_)
        | Op::Reduce { .. }
        | Op::ArgMax { .. }
        | Op::Transpose(_)
        | Op::Concatenate { .. }
        | Op::Reverse(_)
        | Op::DotGeneral { .. }
        | Op::StopGradient
        | Op::Surrogate => op,
    }
}
