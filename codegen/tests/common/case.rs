//! A graph, what it is given, and the comparison with the interpreter.

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role, Storage, StorageKind};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Shape, Type};

const F32: ElementType = ElementType::F32;

/// A graph under test with its environment.
pub(crate) struct Case {
    pub(crate) graph: Graph,
    pub(crate) environment: Environment,
    seed: u64,
}

impl Case {
    pub(crate) fn new() -> Case {
        Case { graph: Graph::new(), environment: Environment::new(), seed: 1 }
    }

    pub(crate) fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| {
                self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (self.seed >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    pub(crate) fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let values = self.numbers(shape.iter().product());
        Tensor::new(shape, values).expect("as many as the shape says")
    }

    /// An input with axes named `dims` (numbers stay numbers), filled at random with sizes `sizes`.
    pub(crate) fn input(&mut self, name: &str, dims: &[&str], sizes: &[usize]) -> NodeId {
        let dims: Vec<Dim> =
            dims.iter().map(|d| d.parse::<i64>().map_or_else(|_| Dim::symbol(d), Dim::from)).collect();
        let tensor = self.tensor(sizes);
        self.environment = std::mem::take(&mut self.environment).input(name, tensor);
        self.graph.add_input(Input {
            name: name.into(),
            ty: Type::new(F32, Shape(dims)),
            role: Role::Input,
            below: None,
        })
    }

    pub(crate) fn storage(&mut self, name: &str, sizes: &[usize]) -> NodeId {
        let tensor = self.tensor(sizes);
        self.environment = std::mem::take(&mut self.environment).storage(name, tensor);
        let shape = Shape(sizes.iter().map(|&n| Dim::from(n)).collect());
        self.graph.add_storage(Storage {
            name: name.into(),
            ty: Type::new(F32, shape),
            kind: StorageKind::Parameter,
            initializer: Initializer::Zeros,
            exchange: Default::default(),
            origin: Default::default(),
        })
    }

    pub(crate) fn output(&mut self, name: &str, node: NodeId) {
        self.graph.results.push((Purpose::Output(name.into()), node));
    }

    /// Runs both ways, generic and with every size fixed; the two variants must agree in every bit.
    pub(crate) fn check(&self, tolerance: f64) {
        let expected =
            interpret(&self.graph, &self.environment, Precision::F64).expect("the interpreter runs it");
        let generic = super::run(&self.graph, &self.environment, &Bindings::new()).expect("it compiles");
        let sizes = self.environment.bindings(&self.graph).expect("consistent sizes");
        let fixed = super::run(&self.graph, &self.environment, &sizes).expect("it compiles");
        for (((purpose, expected), (_, found)), (_, same)) in
            expected.iter().zip(&generic.results).zip(&fixed.results)
        {
            assert_eq!(expected.shape(), found.shape(), "{purpose:?}");
            for (position, (e, f)) in expected.to_f64_vec().iter().zip(found.to_f64_vec()).enumerate() {
                let close =
                    (e - f).abs() <= tolerance * e.abs().max(1.0) || (e.is_nan() && f.is_nan()) || *e == f;
                assert!(close, "{purpose:?}[{position}] is {f}, expected {e}");
            }
            assert_eq!(
                super::bits(found),
                super::bits(same),
                "{purpose:?} differs between the generic variant and the one for fixed sizes"
            );
        }
    }
}
