//! What a rule writes updates with: parameters, gradients, states, the learning rate, the number of the step.
//!
//! In: a graph with the gradients of a loss. Out: the same graph with states and the next value of each parameter and state.
//!
//! Must hold: every value is what was stored before the step, whatever is set meanwhile. Mistakes are recorded, as everywhere in a
//! declaration, and told by [`Updates::finish`].

use crate::builder::{Builder, Value};
use crate::value::{add, convert};
use downhill_graph::error::{Error, Origin};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role, Storage, StorageKind};
use downhill_graph::op::Op;
use downhill_graph::random::Initializer;
use downhill_graph::types::{ElementType, Shape, Type};
use std::borrow::Borrow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

/// The name of the input that every step is given.
pub const LEARNING_RATE: &str = "learning_rate";

/// The updates of one training step, while a rule writes them.
///
/// All values are of one graph. Operators and the functions of `downhill::value` work on them as on those of a declaration.
pub struct Updates {
    common: Rc<Common>,
    parameters: Vec<Parameter>,
    learning_rate: Value,
    step: OnceCell<Value>,
}

struct Common {
    builder: Builder,
    /// Before the names of states.
    prefix: String,
    /// The names of all storages.
    names: RefCell<HashSet<Arc<str>>>,
    /// Storages whose next value is set.
    set: RefCell<HashSet<usize>>,
}

/// A parameter that the loss trains.
pub struct Parameter {
    stored: State,
    gradient: Value,
}

/// A tensor that a rule keeps from step to step. It keeps its value where a step sets no other.
pub struct State {
    common: Rc<Common>,
    storage: usize,
    value: Value,
}

impl Updates {
    /// To write the updates of `parameters`: (index of the storage, its node, its gradient). `prefix` stands before the names of states.
    pub(super) fn new(graph: Graph, prefix: &str, parameters: &[(usize, NodeId, NodeId)]) -> Updates {
        let builder = Builder::resume(graph);
        // What belongs to no parameter was declared nowhere.
        builder.with_graph(|graph| graph.set_origin(Origin::default()));
        let rate = builder.with_graph(learning_rate_input);
        let learning_rate = builder.value(rate);
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        let names = builder.with_graph(|graph| graph.storages.iter().map(|it| it.name.clone()).collect());
        let (names, set) = (RefCell::new(names), RefCell::default());

        let common = Rc::new(Common { builder, prefix, names, set });
        let parameter = |&(storage, node, gradient): &(usize, NodeId, NodeId)| Parameter {
            stored: State { common: common.clone(), storage, value: common.builder.value(node) },
            gradient: common.builder.value(gradient),
        };

        let parameters = parameters.iter().map(parameter).collect();
        Updates { common, parameters, learning_rate, step: OnceCell::new() }
    }

    /// The graph with the updates, and the mistakes made.
    pub(super) fn finish(self) -> (Graph, Vec<Error>) {
        let builder = &self.common.builder;
        (builder.with_graph(std::mem::take), builder.take_errors())
    }

    /// The parameters that the loss trains, in the order of declaration.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Runs `body` for each parameter. What it writes has the parameter's location in messages, graphs and profiles.
    pub fn each(&self, mut body: impl FnMut(&Parameter)) {
        for parameter in &self.parameters {
            let origin = |graph: &mut Graph| {
                let origin = graph.storages[parameter.stored.storage].origin.clone();
                graph.set_origin(origin);
            };
            self.common.builder.with_graph(origin);
            body(parameter);
        }
        self.common.builder.with_graph(|graph| graph.set_origin(Origin::default()));
    }

    /// The learning rate of this step, an f32 scalar. The user may change it from step to step.
    pub fn learning_rate(&self) -> &Value {
        &self.learning_rate
    }

    /// The number of this step, an f32 scalar: 1 in the first. It stays at 2²⁴, where 1 − βᵗ has long been rounded to 1 for every
    /// β up to 0.999999.
    pub fn step(&self) -> &Value {
        self.step.get_or_init(|| {
            let state = self.state("step", Shape::scalar(), Initializer::Zeros);
            let after = add(state.value(), 1.0);
            state.set(&after);
            after
        })
    }

    /// A state that belongs to no parameter: an f32 tensor, called `optimizer.name`.
    pub fn state(&self, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> State {
        let origin = self.common.builder.with_graph(|graph| {
            let origin = graph.current_origin().clone();
            graph.set_origin(Origin::default());
            origin
        });
        let ty = Type::new(ElementType::F32, shape);
        let state = State::declare(&self.common, &format!("optimizer.{name}"), ty, initializer);
        self.common.builder.with_graph(|graph| graph.set_origin(origin));
        state
    }
}

fn learning_rate_input(graph: &mut Graph) -> NodeId {
    let known =
        graph.inputs.iter().position(|input| &*input.name == LEARNING_RATE && input.role == Role::Hyper);
    if let Some(index) = known {
        return graph.add(Op::Input(index), &[]);
    }
    let ty = Type::new(ElementType::F32, Shape::scalar());
    graph.add_input(Input { name: LEARNING_RATE.into(), ty, role: Role::Hyper, below: None })
}

impl Parameter {
    /// Its name: `h.weight`.
    pub fn name(&self) -> Arc<str> {
        self.stored.name()
    }

    /// Its value before the step.
    pub fn value(&self) -> &Value {
        &self.stored.value
    }

    /// The derivative of the loss by it, of the same shape.
    pub fn gradient(&self) -> &Value {
        &self.gradient
    }

    /// Sets its value after the step. Where none is set, the parameter stays as it is.
    pub fn set(&self, value: impl Borrow<Value>) {
        self.stored.set(value);
    }

    /// A state of this parameter, of its type and shape: called `momentum`, it is `h.weight.momentum` to the user.
    pub fn state(&self, name: &str, initializer: Initializer) -> State {
        let ty = self.stored.ty();
        self.declare(name, ty, initializer)
    }

    /// As [`Parameter::state`], of another shape: what is kept of each row or column.
    pub fn state_of(&self, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> State {
        let ty = Type::new(self.stored.ty().element, shape);
        self.declare(name, ty, initializer)
    }

    fn declare(&self, name: &str, ty: Type, initializer: Initializer) -> State {
        let name = format!("{}.{name}", self.name());
        State::declare(&self.stored.common, &name, ty, initializer)
    }

    /// A scalar such as the learning rate in the parameter's element type.
    pub fn scalar(&self, scalar: &Value) -> Value {
        convert(scalar, self.stored.ty().element)
    }
}

impl State {
    fn declare(common: &Rc<Common>, name: &str, ty: Type, initializer: Initializer) -> State {
        let builder = &common.builder;
        let name: Arc<str> = format!("{}{name}", common.prefix).into();
        if !common.names.borrow_mut().insert(name.clone()) {
            let value =
                builder.fail(Error::new(format!("the optimizer declares state `{name}`, which there is")));
            return State { common: common.clone(), storage: usize::MAX, value };
        }

        let (storage, node) = builder.with_graph(|graph| {
            let origin = graph.current_origin().clone();
            let node = graph.add_storage(Storage { name, ty, kind: StorageKind::State, initializer, origin });
            (graph.storages.len() - 1, node)
        });
        State { common: common.clone(), storage, value: builder.value(node) }
    }

    fn name(&self) -> Arc<str> {
        self.common.builder.with_graph(|graph| graph.storages[self.storage].name.clone())
    }

    fn ty(&self) -> Type {
        self.common.builder.with_graph(|graph| graph.storages[self.storage].ty.clone())
    }

    /// Its value before the step.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Sets its value after the step, once.
    pub fn set(&self, value: impl Borrow<Value>) {
        let (builder, value) = (&self.common.builder, value.borrow());
        // A state that could not be declared is told of already.
        if self.value.node().is_none() {
            return;
        }
        match self.refused(value) {
            Some(error) => builder.error(error),
            None => {
                let update = value.node().map(|node| (Purpose::Update(self.storage), node));
                builder.with_graph(|graph| graph.results.extend(update));
            }
        }
    }

    fn refused(&self, value: &Value) -> Option<Error> {
        let (name, own) = (self.name(), self.ty());
        // First: of another graph nothing can be asked.
        if !value.builder().is(&self.common.builder) {
            return Some(Error::new(format!(
                "the optimizer's update of `{name}` is a value of another graph"
            )));
        }

        let Some(ty) = value.ty() else {
            return Some(Error::new(format!("the optimizer's update of `{name}` is unknown")));
        };

        if ty != own {
            return Some(Error::new(format!("the optimizer's update of `{name}` is {ty}, not {own}")));
        }
        let twice = !self.common.set.borrow_mut().insert(self.storage);
        twice.then(|| Error::new(format!("the optimizer updates `{name}` twice")))
    }
}
