//! What a rule writes updates with: parameters, gradients, states, the learning rate, the number of the step.
//!
//! In: a graph with the gradients of a loss. Out: the same graph with states and the next value of each parameter and state.
//!
//! A rule may hand a step on to another one: as it is, for some parameters alone, with other gradients or another learning rate.
//!
//! Must hold: every value is what was stored before the step, whatever is set meanwhile. Mistakes are recorded, as everywhere in a
//! declaration, and told by [`Updates::finish`].

use super::parameter::{Common, Parameter, State};
use crate::builder::{Builder, Value};
use crate::value::add;
use downhill_graph::differentiate::differentiate;
use downhill_graph::error::{Error, Origin};
use downhill_graph::graph::{Graph, Input, NodeId, Role};
use downhill_graph::op::Op;
use downhill_graph::random::Initializer;
use downhill_graph::rebuild::{ancestors, remake};
use downhill_graph::types::{ElementType, Shape, Type};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// The name of the input that every step is given.
pub const LEARNING_RATE: &str = "learning_rate";

/// The updates of one training step, while a rule writes them.
///
/// All values are of one graph. Operators and the functions of `downhill::value` work on them as on those of a declaration.
pub struct Updates {
    common: Rc<Common>,
    parameters: Vec<Parameter>,
    learning_rate: Value,
    /// Before the names of states that belong to no parameter.
    part: String,
}

impl Updates {
    /// To write the updates of `parameters` of `loss`: (index of the storage, its node, its gradient). `prefix` stands before the names of
    /// states.
    pub(super) fn new(
        graph: Graph,
        prefix: &str,
        loss: NodeId,
        parameters: &[(usize, NodeId, NodeId)],
    ) -> Updates {
        let builder = Builder::resume(graph);
        // What belongs to no parameter was declared nowhere.
        builder.with_graph(|graph| graph.set_origin(Origin::default()));
        let rate = builder.with_graph(learning_rate_input);
        let learning_rate = builder.value(rate);
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        let names = builder.with_graph(|graph| graph.storages.iter().map(|it| it.name.clone()).collect());
        let names = RefCell::new(names);

        let (next, decayed, step) = (RefCell::default(), RefCell::default(), OnceCell::new());
        let common = Rc::new(Common { builder, prefix, loss, names, next, decayed, step });
        let parameter = |&(storage, node, gradient): &(usize, NodeId, NodeId)| Parameter {
            stored: State { common: common.clone(), storage, value: common.builder.value(node) },
            gradient: common.builder.value(gradient),
            weight_decay: None,
        };

        let parameters = parameters.iter().map(parameter).collect();
        Updates { common, parameters, learning_rate, part: String::new() }
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
    /// β up to 0.999999. All rules of a step count with one state, `optimizer.step`.
    pub fn step(&self) -> &Value {
        self.common.step.get_or_init(|| {
            let state = self.scalar_state("optimizer.step", Shape::scalar(), Initializer::Zeros);
            let after = add(state.value(), 1.0);
            state.set(&after);
            after
        })
    }

    /// A state that belongs to no parameter: an f32 tensor, called `optimizer.name`.
    pub fn state(&self, name: &str, shape: impl Into<Shape>, initializer: Initializer) -> State {
        self.scalar_state(&format!("optimizer.{}{name}", self.part), shape.into(), initializer)
    }

    fn scalar_state(&self, name: &str, shape: Shape, initializer: Initializer) -> State {
        let origin = self.common.builder.with_graph(|graph| {
            let origin = graph.current_origin().clone();
            graph.set_origin(Origin::default());
            origin
        });
        let state = State::declare(&self.common, name, Type::new(ElementType::F32, shape), initializer);
        self.common.builder.with_graph(|graph| graph.set_origin(origin));
        state
    }

    /// The same step for a rule within this one, with other gradients of the parameters.
    #[must_use]
    pub fn with_gradients(&self, mut gradient: impl FnMut(&Parameter) -> Value) -> Updates {
        let mut parameters = Vec::with_capacity(self.parameters.len());
        self.each(|parameter| {
            let gradient = gradient(parameter);
            let (found, own) = (gradient.ty(), parameter.stored.ty());
            if let Some(found) = found.filter(|found| *found != own) {
                let name = parameter.name();
                let message = format!("the optimizer's gradient of `{name}` is {found}, not {own}");
                self.common.builder.error(Error::new(message));
            }
            parameters.push(Parameter { gradient, ..parameter.clone() });
        });
        Updates { parameters, ..self.again() }
    }

    /// The same step for a rule within this one, with the gradients that the loss has where each parameter is what `point` says: of the same
    /// inputs and random numbers. The loss is computed once more for them.
    #[must_use]
    pub fn with_gradients_at(&self, mut point: impl FnMut(&Parameter) -> Value) -> Updates {
        let mut points = Vec::with_capacity(self.parameters.len());
        self.each(|parameter| points.push(point(parameter)));
        let gradients = self.gradients_at(&points);
        let mut gradients = gradients.into_iter();
        self.with_gradients(|_| gradients.next().unwrap_or_else(|| self.common.builder.unknown()))
    }

    fn gradients_at(&self, points: &[Value]) -> Vec<Value> {
        let builder = &self.common.builder;
        let Some(points) = points.iter().map(Value::node).collect::<Option<Vec<NodeId>>>() else {
            return Vec::new();
        };

        let own = self.parameters.iter().filter_map(|parameter| parameter.value().node());
        let mut replaced: HashMap<NodeId, NodeId> = own.zip(points.iter().copied()).collect();
        let gradients = builder.with_graph(|graph| {
            let loss = self.common.loss;
            let needed = ancestors(graph, &[loss]);
            let nodes: Vec<NodeId> = graph.ids().filter(|id| needed[id.index()]).collect();
            remake(graph, nodes, &mut replaced);
            differentiate(graph, replaced.get(&loss).copied().unwrap_or(loss), &points)
        });
        match gradients {
            Ok(gradients) => gradients.into_iter().map(|node| builder.value(node)).collect(),
            Err(error) => {
                builder.error(error);
                Vec::new()
            }
        }
    }

    /// The same step for a rule within this one, of those parameters alone that `keep` says.
    #[must_use]
    pub fn only(&self, mut keep: impl FnMut(&Parameter) -> bool) -> Updates {
        let parameters = self.parameters.iter().filter(|parameter| keep(parameter)).cloned().collect();
        Updates { parameters, ..self.again() }
    }

    /// The same step for a rule within this one, with another learning rate: an f32 scalar.
    #[must_use]
    pub fn with_learning_rate(&self, learning_rate: &Value) -> Updates {
        Updates { learning_rate: learning_rate.clone(), ..self.again() }
    }

    /// The same step for a rule within this one, whose weight decay `decay` replaces where it gives one.
    #[must_use]
    pub fn with_weight_decay(&self, decay: impl Fn(&Parameter) -> Option<f64>) -> Updates {
        let parameter = |parameter: &Parameter| Parameter {
            weight_decay: decay(parameter).or(parameter.weight_decay),
            ..parameter.clone()
        };
        Updates { parameters: self.parameters.iter().map(parameter).collect(), ..self.again() }
    }

    /// Records a mistake for each parameter that is given a weight decay which no rule has asked for.
    pub(super) fn check_decays(&self) {
        for parameter in &self.parameters {
            let is_heeded = self.common.decayed.borrow().contains(&parameter.stored.storage);
            if let Some(decay) = parameter.weight_decay.filter(|&decay| decay != 0.0 && !is_heeded) {
                let name = parameter.name();
                let message =
                    format!("`{name}` is given a weight decay of {decay}, but its optimizer has none");
                self.common
                    .builder
                    .error(Error::new(message).help("leave it out, or take an optimizer that has one"));
            }
        }
    }

    /// The same step for one of several rules within this one: states that belong to no parameter are called `optimizer.part.name`.
    #[must_use]
    pub fn part(&self, part: &str) -> Updates {
        Updates { part: format!("{}{part}.", self.part), ..self.again() }
    }

    fn again(&self) -> Updates {
        Updates {
            common: self.common.clone(),
            parameters: self.parameters.clone(),
            learning_rate: self.learning_rate.clone(),
            part: self.part.clone(),
        }
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
