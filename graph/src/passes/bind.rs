//! Replaces symbols by numbers.
//!
//! In: a graph and values of symbols. Out: the same graph for these sizes. Symbols without a value stay.

use crate::dim::Bindings;
use crate::graph::{Graph, Input, Storage};
use crate::random::Initializer;
use crate::rebuild::rebuild_into;
use crate::types::Type;

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
        graph.add(op.map_dims(&|dim| dim.bind(&all)), operands)
    })
}

fn bind_input(input: &mut Input, bindings: &Bindings) {
    input.ty = bind_type(&input.ty, bindings);
    input.below = input.below.as_ref().map(|dim| dim.bind(bindings));
}

fn bind_storage(storage: &mut Storage, bindings: &Bindings) {
    storage.ty = bind_type(&storage.ty, bindings);
    bind_initializer(&mut storage.initializer, bindings);
}

fn bind_initializer(initializer: &mut Initializer, bindings: &Bindings) {
    match initializer {
        Initializer::FanIn(dim) | Initializer::Dirac { groups: dim } => *dim = dim.bind(bindings),
        Initializer::ZeroRow { of, row } => {
            *row = row.bind(bindings);
            bind_initializer(of, bindings);
        }
        _ => {}
    }
}

fn bind_type(ty: &Type, bindings: &Bindings) -> Type {
    Type { element: ty.element, shape: ty.shape.bind(bindings) }
}
