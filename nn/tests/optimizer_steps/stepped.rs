//! Steps of an optimizer in the interpreter, with gradients that a test says: the loss Σ w·g has the gradient g by w, whatever w is.

use downhill_graph::differentiate::differentiate;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, NodeId, Purpose, Storage};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::op::Op;
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, F32, F64};
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::entry;
use downhill_nn::optimizers::{LEARNING_RATE, Optimizer};
use downhill_nn::value::sum;
use std::collections::BTreeMap;

/// A parameter: its name, sizes and values before the first step.
pub(crate) struct Start<'a> {
    pub(crate) name: &'a str,
    pub(crate) dims: &'a [usize],
    pub(crate) values: &'a [f64],
}

/// Parameters and an optimizer's states, from step to step.
#[derive(Clone)]
pub(crate) struct Stepped {
    graph: Graph,
    precision: Precision,
    rate: f64,
    parameters: usize,
    storages: BTreeMap<String, Tensor>,
}

impl Stepped {
    pub(crate) fn new(start: &[Start<'_>], optimizer: &Optimizer, precision: Precision) -> Stepped {
        optimizer.check().unwrap_or_else(|error| panic!("{error}"));
        let graph = step(start, optimizer, precision);
        let initial = |storage: &Storage| {
            let dims = storage.ty.shape.evaluate(&graph.bindings).expect("numbers");
            let known = start.iter().find(|start| *start.name == *storage.name);
            let sample =
                || storage.initializer.sample(&storage.name, &dims, 0, &graph.bindings).expect("values");
            let values = known.map_or_else(sample, |start| start.values.to_vec());
            (storage.name.to_string(), tensor(precision, &dims, &values))
        };
        let storages = graph.storages.iter().map(initial).collect();
        Stepped { rate: optimizer.learning_rate(), parameters: start.len(), graph, precision, storages }
    }

    /// The learning rate of the steps to come.
    pub(crate) fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// Makes a step with these gradients, one for each parameter.
    pub(crate) fn step(&mut self, gradients: &[&[f64]]) {
        let rate = tensor(self.precision, &[], &[self.rate]);
        let mut environment = Environment::new().input(LEARNING_RATE, rate);
        assert_eq!(gradients.len(), self.parameters);
        for (storage, gradient) in self.graph.storages.iter().zip(gradients) {
            let dims = storage.ty.shape.evaluate(&self.graph.bindings).expect("numbers");
            let gradient = tensor(self.precision, &dims, gradient);
            environment = environment.input(&format!("g.{}", storage.name), gradient);
        }
        for (name, value) in &self.storages {
            environment = environment.storage(name, value.clone());
        }
        for (purpose, value) in interpret(&self.graph, &environment, self.precision).expect("a step") {
            if let Purpose::Update(index) = purpose {
                self.storages.insert(self.graph.storages[index].name.to_string(), value);
            }
        }
    }

    /// The values of a parameter or state.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.storages.get(name).unwrap_or_else(|| panic!("no storage {name}")).to_f64_vec()
    }

    /// The names of the states.
    pub(crate) fn states(&self) -> Vec<&str> {
        self.graph.storages[self.parameters..].iter().map(|storage| &*storage.name).collect()
    }
}

fn element(precision: Precision) -> ElementType {
    if precision == Precision::F64 { F64 } else { F32 }
}

fn tensor(precision: Precision, dims: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_f64(element(precision), dims, values).expect("as many as the shape says")
}

fn declaration(start: &[Start<'_>]) -> Declaration {
    let b = Builder::new(Mode::Train);
    let term = |start: &Start<'_>| {
        let shape = Shape(start.dims.iter().map(|&dim| Dim::from(dim)).collect());
        let gradient = b.input(&format!("g.{}", start.name), F32, shape.clone());
        sum(b.parameter(start.name, shape, Initializer::Zeros) * gradient)
    };
    let loss = start.iter().map(term).reduce(|a, b| a + b).expect("a parameter");
    b.loss("loss", &loss, None);
    b.finish().unwrap_or_else(|errors| panic!("{errors}"))
}

/// In f64 without passes, which fold f32 constants with f32's rounding.
fn step(start: &[Start<'_>], optimizer: &Optimizer, precision: Precision) -> Graph {
    let declaration = declaration(start);
    if precision == Precision::F32 {
        return entry::step(&declaration, None, optimizer).unwrap_or_else(|error| panic!("{error}"));
    }

    let mut graph = declaration.graph;
    let parameters: Vec<NodeId> = (0..start.len()).map(|index| graph.add(Op::Storage(index), &[])).collect();
    let loss = declaration.losses[0].node;
    let gradients = differentiate(&mut graph, loss, &parameters).expect("gradients");
    let trained: Vec<_> = (0..).zip(parameters).zip(gradients).map(|((n, node), g)| (n, node, g)).collect();
    optimizer.append(&mut graph, "", loss, &trained).unwrap_or_else(|error| panic!("{error}"));
    graph
}
