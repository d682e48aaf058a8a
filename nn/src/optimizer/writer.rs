//! Expressions of updates: arithmetic between tensors and scalars, states, results.

use downhill_graph::graph::{Graph, NodeId, Purpose, Storage, StorageKind};
use downhill_graph::op::{Binary, Compare, Op, Unary};
use downhill_graph::random::Initializer;
use downhill_graph::types::{ElementType, Shape, Type};

/// Writes expressions whose scalars follow the parameter's type and shape.
pub(super) struct Writer<'a> {
    pub(super) graph: &'a mut Graph,
    /// Before the names of states.
    pub(super) prefix: String,
}

impl Writer<'_> {
    /// Nodes from now on come from where the parameter was declared.
    pub(super) fn begin(&mut self, storage: usize) {
        let origin = self.graph.storages[storage].origin.clone();
        self.graph.set_origin(origin);
    }

    pub(super) fn binary(&mut self, op: Binary, a: NodeId, b: NodeId) -> NodeId {
        self.graph.add(Op::Binary(op), &[a, b])
    }

    pub(super) fn number(&mut self, value: f64) -> NodeId {
        self.graph.constant(ElementType::F32, value)
    }

    /// The f32 scalar `scalar` in the type and shape of `like`.
    fn like(&mut self, scalar: NodeId, like: NodeId) -> NodeId {
        let ty = self.graph.ty(like).clone();
        let scalar = if ty.element == ElementType::F32 {
            scalar
        } else {
            self.graph.add(Op::Convert(ty.element), &[scalar])
        };
        self.graph.spread(scalar, &ty.shape)
    }

    pub(super) fn times(&mut self, x: NodeId, scalar: NodeId) -> NodeId {
        let scalar = self.like(scalar, x);
        self.binary(Binary::Mul, x, scalar)
    }

    pub(super) fn over(&mut self, x: NodeId, scalar: NodeId) -> NodeId {
        let scalar = self.like(scalar, x);
        self.binary(Binary::Div, x, scalar)
    }

    pub(super) fn scaled(&mut self, x: NodeId, factor: f64) -> NodeId {
        let factor = self.graph.full_like(x, factor);
        self.binary(Binary::Mul, x, factor)
    }

    pub(super) fn plus(&mut self, x: NodeId, number: f64) -> NodeId {
        let number = self.graph.full_like(x, number);
        self.binary(Binary::Add, x, number)
    }

    /// gradient + decay·parameter.
    pub(super) fn decayed(&mut self, gradient: NodeId, parameter: NodeId, decay: f64) -> NodeId {
        if decay == 0.0 {
            return gradient;
        }
        let pull = self.scaled(parameter, decay);
        self.binary(Binary::Add, gradient, pull)
    }

    /// parameter·(1 − rate·decay).
    pub(super) fn shrunk(&mut self, parameter: NodeId, rate: NodeId, decay: f64) -> NodeId {
        if decay == 0.0 {
            return parameter;
        }
        let share = self.scaled(rate, decay);
        let one = self.number(1.0);
        let rest = self.binary(Binary::Sub, one, share);
        self.times(parameter, rest)
    }

    /// beta·old + (1 − beta)·new, as PyTorch's `lerp` rounds it: from the nearer end.
    pub(super) fn toward(&mut self, old: NodeId, new: NodeId, beta: f64) -> NodeId {
        let difference = self.binary(Binary::Sub, new, old);
        if beta > 0.5 {
            let part = self.scaled(difference, 1.0 - beta);
            self.binary(Binary::Add, old, part)
        } else {
            let part = self.scaled(difference, beta);
            self.binary(Binary::Sub, new, part)
        }
    }

    /// 1 − betaᵗ, as −expm1(t·ln beta): exact to the last bits even where betaᵗ is near 1.
    pub(super) fn bias_correction(&mut self, beta: f64, step: NodeId) -> NodeId {
        if beta == 0.0 {
            return self.number(1.0);
        }
        let exponent = self.scaled(step, libm::log(beta));
        let less = self.graph.add(Op::Unary(Unary::Expm1), &[exponent]);
        self.graph.add(Op::Unary(Unary::Neg), &[less])
    }

    pub(super) fn is_zero(&mut self, scalar: NodeId) -> NodeId {
        let zero = self.number(0.0);
        self.graph.add(Op::Compare(Compare::Equal), &[scalar, zero])
    }

    /// The number of steps before and with this one. In f32 it stays at 2²⁴, where betaᵗ is long below
    /// rounding for every beta up to 0.999999.
    pub(super) fn step(&mut self) -> (NodeId, NodeId) {
        let name = format!("{}optimizer.step", self.prefix);
        let ty = Type::new(ElementType::F32, Shape::scalar());
        let (storage, before) = self.declare(name, ty);
        let after = self.plus(before, 1.0);
        self.update(storage, after);
        (before, after)
    }

    /// A state shaped as the parameter.
    pub(super) fn state(&mut self, parameter: usize, kind: &str) -> (usize, NodeId) {
        let storage = &self.graph.storages[parameter];
        let (name, ty) = (format!("{}{}.{kind}", self.prefix, storage.name), storage.ty.clone());
        self.declare(name, ty)
    }

    fn declare(&mut self, name: String, ty: Type) -> (usize, NodeId) {
        let origin = self.graph.current_origin().clone();
        let initializer = Initializer::Zeros;
        let storage = Storage { name: name.into(), ty, kind: StorageKind::State, initializer, origin };
        let node = self.graph.add_storage(storage);
        (self.graph.storages.len() - 1, node)
    }

    pub(super) fn update(&mut self, storage: usize, value: NodeId) {
        self.graph.results.push((Purpose::Update(storage), value));
    }
}
