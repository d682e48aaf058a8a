//! The verifier: run after every pass in debug builds and tests.
//!
//! In: a graph. Out: nothing, or every violation at once. It checks that
//! 1. operands stand before their users;
//! 2. inputs and storages that nodes name exist, and names of each are distinct;
//! 3. every node's type is what [`crate::infer`] says of its op and operands;
//! 4. no two nodes are the same op of the same operands;
//! 5. sizes that are numbers are not negative;
//! 6. purposes of results are distinct, and their nodes exist;
//! 7. a loss is a float scalar; a gradient has the type of the float storage or input it names; an update has the type of its
//!    storage;
//! 8. only integer inputs have an upper bound;
//! 9. the body of a loop holds all of this, and has neither storages nor updates, and all its inputs are the loop's
//!    ([`Role::Body`]), while outside of loops none are.

use crate::error::{Error, Errors};
use crate::graph::{Graph, NodeId, Purpose, Role, bug};
use crate::hash::Map;
use crate::op::Op;
use crate::types::{Shape, Type};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Checks every invariant.
///
/// # Errors
/// All violations, each with the node it was found at.
pub fn verify(graph: &Graph) -> Result<(), Errors> {
    let mut verifier = Verifier { graph, path: String::new(), errors: Vec::new() };
    verifier.graph(false);
    if verifier.errors.is_empty() { Ok(()) } else { Err(Errors(verifier.errors)) }
}

/// Reports a graph that breaks an invariant as downhill's bug.
///
/// # Panics
/// When there is a violation.
pub fn assert_valid(graph: &Graph) {
    if let Err(violations) = verify(graph) {
        bug(&violations.to_string());
    }
}

struct Verifier<'a> {
    graph: &'a Graph,
    /// Which loops the graph lies in, for messages.
    path: String,
    errors: Vec<Error>,
}

impl Verifier<'_> {
    fn graph(&mut self, is_body: bool) {
        self.interface(is_body);
        let graph = self.graph;
        let mut seen: Map<(&Op, &[NodeId]), NodeId> = Map::default();
        for id in graph.ids() {
            let operands = graph.operands_of(id);
            if let Some(first) = seen.insert((graph.op(id), operands), id) {
                self.report(id, format!("is the same as node {}", first.index()));
            }
            self.node(id, operands);
        }
        self.results(is_body);
    }

    fn interface(&mut self, is_body: bool) {
        let graph = self.graph;
        let mut names = HashSet::new();
        for input in &graph.inputs {
            if !names.insert(&input.name) {
                self.complain(format!("two inputs are called `{}`", input.name));
            }
            if (input.role == Role::Body) != is_body {
                self.complain(format!("input `{}` has the role {:?}", input.name, input.role));
            }
            if input.below.is_some() && !input.ty.element.is_integer() {
                self.complain(format!("input `{}` of {} has an upper bound", input.name, input.ty.element));
            }
        }

        let mut names = HashSet::new();
        for storage in &graph.storages {
            if !names.insert(&storage.name) {
                self.complain(format!("two storages are called `{}`", storage.name));
            }
        }

        if is_body && !graph.storages.is_empty() {
            self.complain("the body of a loop has storages".into());
        }
    }

    fn node(&mut self, id: NodeId, operands: &[NodeId]) {
        if let Some(late) = operands.iter().find(|operand| **operand >= id) {
            return self.report(id, format!("reads node {}, which stands behind it", late.index()));
        }
        let graph = self.graph;

        let op = graph.op(id);
        if let Op::Input(index) = op
            && *index >= graph.inputs.len()
        {
            return self.report(id, format!("reads input {index}, which is not"));
        }

        if let Op::Storage(index) = op
            && *index >= graph.storages.len()
        {
            return self.report(id, format!("reads storage {index}, which is not"));
        }

        if let Op::Scan { body, .. } = op {
            self.body(id, body);
        }

        match graph.infer(op, operands) {
            Ok(ty) if ty == *graph.ty(id) => {}
            Ok(ty) => self.report(id, format!("has type {}, inferred {ty}", graph.ty(id))),
            Err(error) => self.report(id, format!("does not fit its operands: {}", error.message)),
        }

        if graph.shape(id).dims().iter().any(|dim| dim.as_constant().is_some_and(|size| size < 0)) {
            self.report(id, format!("has shape {}", graph.shape(id)));
        }
    }

    fn body(&mut self, id: NodeId, body: &Graph) {
        let path = format!("{}in the loop at node {}: ", self.path, id.index());
        let mut inner = Verifier { graph: body, path, errors: Vec::new() };
        inner.graph(true);
        self.errors.append(&mut inner.errors);
    }

    fn results(&mut self, is_body: bool) {
        let graph = self.graph;
        let mut purposes = HashSet::new();
        let storages: HashMap<&Arc<str>, &Type> =
            graph.storages.iter().map(|storage| (&storage.name, &storage.ty)).collect();

        for (purpose, id) in &graph.results {
            if !purposes.insert(purpose) {
                self.complain(format!("two results are {purpose:?}"));
            }
            if id.index() >= graph.len() {
                self.complain(format!("{purpose:?} is node {}, which is not", id.index()));
                continue;
            }
            let ty = graph.ty(*id);
            match purpose {
                Purpose::Output(_) => {}
                Purpose::Loss(name) if ty.rank() != 0 || !ty.element.is_float() => {
                    self.report(*id, format!("of type {ty} is loss `{name}`"));
                }
                Purpose::Loss(_) => {}
                Purpose::Gradient(name) => {
                    let storage = storages.get(name).copied();
                    let input = graph.inputs.iter().find(|input| input.name == *name).map(|i| &i.ty);
                    self.stands_for(*id, &format!("the gradient of `{name}`"), storage.or(input), true);
                }
                Purpose::Update(index) if is_body => {
                    self.complain(format!("the body of a loop updates storage {index}"));
                }
                Purpose::Update(index) => {
                    let storage = graph.storages.get(*index).map(|storage| &storage.ty);
                    self.stands_for(*id, &format!("the update of storage {index}"), storage, false);
                }
            }
        }
    }

    /// The node must have the type of what it is the gradient or next value of.
    fn stands_for(&mut self, id: NodeId, what: &str, expected: Option<&Type>, is_gradient: bool) {
        let ty = self.graph.ty(id);
        match expected {
            None => self.report(id, format!("is {what}, which is not")),
            Some(e) if e.element != ty.element || !self.agree(&e.shape, &ty.shape) => {
                self.report(id, format!("of type {ty} is {what}, which has {e}"));
            }
            Some(e) if is_gradient && !e.element.is_float() => {
                self.report(id, format!("is {what}, which is no float"))
            }
            Some(_) => {}
        }
    }

    fn agree(&self, a: &Shape, b: &Shape) -> bool {
        a.rank() == b.rank() && a.dims().iter().zip(b.dims()).all(|(x, y)| self.graph.agrees(x, y))
    }

    fn report(&mut self, id: NodeId, what: String) {
        let op =
            if id.index() < self.graph.len() { format!(" ({:?})", self.graph.op(id)) } else { String::new() };
        let error = Error::new(format!("{}node {}{op} {what}", self.path, id.index()));
        self.errors.push(match id.index() < self.graph.len() {
            true => error.at(self.graph.origin(id).clone()),
            false => error,
        });
    }

    fn complain(&mut self, what: String) {
        self.errors.push(Error::new(format!("{}{what}", self.path)));
    }
}
