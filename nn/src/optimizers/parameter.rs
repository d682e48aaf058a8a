//! A parameter and the states that a rule keeps of it, while the updates of a step are written.
//!
//! In: a builder with the graph of a step. Out: new storages and next values in that graph.
//!
//! Must hold: a storage's next value is set once, and has its type. Mistakes go to the builder.

use crate::builder::{Builder, Value};
use crate::value::convert;
use downhill_graph::error::Error;
use downhill_graph::graph::{Exchange, NodeId, Purpose, Storage, StorageKind};
use downhill_graph::random::Initializer;
use downhill_graph::types::{Shape, Type};
use std::borrow::Borrow;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// What all rules of a step share.
pub(super) struct Common {
    pub(super) builder: Builder,
    /// Before the names of states.
    pub(super) prefix: String,
    /// What the step makes smaller.
    pub(super) loss: NodeId,
    /// The names of all storages.
    pub(super) names: RefCell<HashSet<Arc<str>>>,
    /// The next values of storages, where they are set.
    pub(super) next: RefCell<HashMap<usize, Value>>,
    /// Storages of which a rule has asked for the weight decay.
    pub(super) decayed: RefCell<HashSet<usize>>,
    /// The number of the step, once a rule has asked for it.
    pub(super) step: OnceCell<Value>,
}

/// A parameter that the loss trains.
#[derive(Clone)]
pub struct Parameter {
    pub(super) stored: State,
    pub(super) gradient: Value,
    /// What stands for the rule's weight decay.
    pub(super) weight_decay: Option<f64>,
}

/// A tensor that a rule keeps from step to step. It keeps its value where a step sets no other.
#[derive(Clone)]
pub struct State {
    pub(super) common: Rc<Common>,
    pub(super) storage: usize,
    pub(super) value: Value,
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

    /// Its value after the step as far as it is set; its value before the step where none is.
    pub fn next(&self) -> Value {
        let set = self.stored.common.next.borrow().get(&self.stored.storage).cloned();
        set.unwrap_or_else(|| self.value().clone())
    }

    /// Its shape in numbers. Sizes of parameters are known when a step is built.
    pub fn sizes(&self) -> Vec<usize> {
        let shape = self.stored.ty().shape;
        let sizes = self.stored.common.builder.with_graph(|graph| shape.evaluate(&graph.bindings));
        sizes.unwrap_or_default()
    }

    /// The weight decay that this parameter takes: `of_rule`, unless a group says another.
    pub fn weight_decay(&self, of_rule: f64) -> f64 {
        self.stored.common.decayed.borrow_mut().insert(self.stored.storage);
        self.weight_decay.unwrap_or(of_rule)
    }

    /// The gradient with `decay·w` added, the derivative of `decay/2·Σw²`; `decay` is the rule's, and a group may say another.
    pub fn penalized_gradient(&self, decay: f64) -> Value {
        match self.weight_decay(decay) {
            0.0 => self.gradient.clone(),
            decay => &self.gradient + self.value() * decay,
        }
    }

    /// w·(1 − rate·decay), the value from which a step with decoupled weight decay starts (Loshchilov, Hutter: Decoupled Weight Decay
    /// Regularization; 2019); `decay` is the rule's, and a group may say another.
    pub fn shrunk(&self, rate: &Value, decay: f64) -> Value {
        match self.weight_decay(decay) {
            0.0 => self.value().clone(),
            decay => self.value() * self.scalar(&(1.0 - rate * decay)),
        }
    }

    /// The value from which a step starts and the gradient that it takes: weight decay shrinks the one where it is `decoupled`, else it is
    /// added to the other.
    pub fn decayed(&self, rate: &Value, decay: f64, decoupled: bool) -> (Value, Value) {
        if decoupled {
            (self.shrunk(rate, decay), self.gradient.clone())
        } else {
            (self.value().clone(), self.penalized_gradient(decay))
        }
    }

    /// A scalar such as the learning rate in the parameter's element type.
    pub fn scalar(&self, scalar: &Value) -> Value {
        convert(scalar, self.stored.ty().element)
    }
}

impl State {
    pub(super) fn declare(common: &Rc<Common>, name: &str, ty: Type, initializer: Initializer) -> State {
        let builder = &common.builder;
        let name: Arc<str> = format!("{}{name}", common.prefix).into();
        if !common.names.borrow_mut().insert(name.clone()) {
            let value =
                builder.fail(Error::new(format!("the optimizer declares state `{name}`, which there is")));
            return State { common: common.clone(), storage: usize::MAX, value };
        }

        let (storage, node) = builder.with_graph(|graph| {
            let origin = graph.current_origin().clone();
            let node = graph.add_storage(Storage {
                name,
                ty,
                kind: StorageKind::State,
                initializer,
                exchange: Exchange::default(),
                origin,
            });
            (graph.storages.len() - 1, node)
        });
        State { common: common.clone(), storage, value: builder.value(node) }
    }

    fn name(&self) -> Arc<str> {
        self.common.builder.with_graph(|graph| graph.storages[self.storage].name.clone())
    }

    pub(super) fn ty(&self) -> Type {
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
                self.common.next.borrow_mut().insert(self.storage, value.clone());
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
        let twice = self.common.next.borrow().contains_key(&self.storage);
        twice.then(|| Error::new(format!("the optimizer updates `{name}` twice")))
    }
}
