//! Gradients of layers, of first and second order, against central differences in a random direction, in f64.
//!
//! The leaves of a layer are its inputs and its parameters. For random weights v and directions t, s = ⟨v, layer⟩ and
//! s₂ = Σ ⟨w, ∂s/∂leaf⟩: the derivative of either along t, by differences, must be Σ ⟨gradient, t⟩.

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::rebuild::ancestors;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::F32;
use downhill_graph::types::Shape;
use downhill_nn::builder::{Builder, Mode, Value};
use downhill_nn::value::{gradient, sum};

/// A layer under test and the shapes of its float inputs.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) inputs: &'static [&'static [usize]],
    pub(crate) layer: fn(&[Value]) -> Value,
}

/// Numbers that look random and are the same every time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// In −1..1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f64 / (1 << 23) as f64 - 1.0
    }

    fn several(&mut self, dims: &[usize]) -> Vec<f64> {
        (0..dims.iter().product()).map(|_| self.next()).collect()
    }
}

/// What a layer depends on: where it is, and where it goes.
struct Leaf {
    name: String,
    is_parameter: bool,
    dims: Vec<usize>,
    value: Value,
    point: Vec<f64>,
    direction: Vec<f64>,
}

struct Setup {
    builder: Builder,
    numbers: Numbers,
    leaves: Vec<Leaf>,
    /// The weights of sums.
    weights: Environment,
}

/// A scalar, and its derivatives by each leaf that it depends on.
struct Scalar {
    value: Value,
    gradients: Vec<Option<Value>>,
}

impl Setup {
    fn leaf(&mut self, name: &str, is_parameter: bool, value: Value) {
        let dims = sizes(&value);
        let (point, direction) = (self.numbers.several(&dims), self.numbers.several(&dims));
        self.leaves.push(Leaf { name: name.into(), is_parameter, dims, value, point, direction });
    }

    /// Σ of `value` times random weights.
    fn weighted(&mut self, value: &Value) -> Value {
        let name = format!("weights of {}", self.weights.inputs.len());
        let dims = sizes(value);
        let weights = Tensor::new(&dims, self.numbers.several(&dims)).expect("as many as the shape says");
        self.weights = std::mem::take(&mut self.weights).input(&name, weights);
        sum(value * self.builder.input(&name, F32, shape(&dims)))
    }

    fn differentiated(&self, value: Value) -> Scalar {
        let node = value.node().expect("known");
        let needed = self.builder.with_graph(|graph| ancestors(graph, &[node]));
        let depends = |leaf: &Leaf| needed[leaf.value.node().expect("known").index()];
        let by = |leaf: &Leaf| depends(leaf).then(|| gradient(&value, &leaf.value));
        Scalar { gradients: self.leaves.iter().map(by).collect(), value }
    }

    /// The results of `graph` at a distance from the leaves' points along their directions.
    fn at(&self, distance: f64, graph: &Graph) -> Vec<Vec<f64>> {
        let mut environment = self.weights.clone();
        for leaf in &self.leaves {
            let moved = leaf.point.iter().zip(&leaf.direction).map(|(x, t)| x + distance * t).collect();
            let tensor = Tensor::new(&leaf.dims, moved).expect("as many as the shape says");
            environment = if leaf.is_parameter {
                environment.storage(&leaf.name, tensor)
            } else {
                environment.input(&leaf.name, tensor)
            };
        }
        let found = interpret(graph, &environment, Precision::F64).expect("values");
        found.into_iter().map(|(_, tensor)| tensor.to_f64_vec()).collect()
    }

    /// Compares what the gradients of a scalar say of its change along the directions with the change itself.
    fn compare(&self, what: &str, scalar: &Scalar, graph: &mut Graph) -> Vec<Vec<f64>> {
        const STEP: f64 = 1e-5;
        let values = std::iter::once(&scalar.value).chain(scalar.gradients.iter().flatten());
        let nodes = values.map(|value| value.node().expect("known"));
        graph.results =
            nodes.enumerate().map(|(n, node)| (Purpose::Output(n.to_string().into()), node)).collect();

        let found = self.at(0.0, graph);
        let difference = (self.at(STEP, graph)[0][0] - self.at(-STEP, graph)[0][0]) / (2.0 * STEP);
        let moving = self.leaves.iter().zip(&scalar.gradients).filter(|(_, gradient)| gradient.is_some());
        let exact: f64 = moving
            .zip(&found[1..])
            .flat_map(|((leaf, _), gradient)| gradient.iter().zip(&leaf.direction))
            .map(|(g, t)| g * t)
            .sum();
        let near = (difference - exact).abs() <= 3e-7 * exact.abs().max(1.0);
        assert!(near, "{what}: {exact} by gradients, {difference} by differences");
        found
    }
}

fn sizes(value: &Value) -> Vec<usize> {
    let shape = value.shape().unwrap_or_else(|| panic!("{}", value.builder().take_errors()[0]));
    shape.evaluate(&Bindings::new()).expect("numbers")
}

fn shape(dims: &[usize]) -> Shape {
    Shape(dims.iter().map(|&dim| Dim::from(dim)).collect())
}

/// Asserts that gradients of first and second order are those of differences, and that each leaf has one that is not 0.
pub(crate) fn assert_differentiates(case: &Case) {
    let builder = Builder::new(Mode::Train);
    let mut setup = Setup { builder, numbers: Numbers(3), leaves: Vec::new(), weights: Environment::new() };
    for (letter, dims) in ('a'..).zip(case.inputs) {
        let value = setup.builder.input(&letter.to_string(), F32, shape(dims));
        setup.leaf(&letter.to_string(), false, value);
    }

    let given: Vec<Value> = setup.leaves.iter().map(|leaf| leaf.value.clone()).collect();
    let output = setup.builder.scope("l", || (case.layer)(&given));
    for name in setup.builder.storage_names() {
        let value = setup.builder.find_storage(&name).expect("declared");
        setup.leaf(&name, true, value);
    }

    let total = setup.weighted(&output);
    let first = setup.differentiated(total);
    assert!(first.gradients.iter().all(Option::is_some), "{}: a leaf has no gradient", case.name);
    let terms: Vec<Value> =
        first.gradients.iter().flatten().map(|gradient| setup.weighted(gradient)).collect();
    let second = setup.differentiated(terms.into_iter().reduce(|a, b| a + b).expect("a gradient"));

    let mut graph =
        setup.builder.clone().finish().unwrap_or_else(|errors| panic!("{}: {errors}", case.name)).graph;
    let found = setup.compare(case.name, &first, &mut graph);
    setup.compare(&format!("{}, second order", case.name), &second, &mut graph);

    for (leaf, gradient) in setup.leaves.iter().zip(&found[1..]) {
        // What all keys share shifts a row of scores as a whole, which a softmax does not see.
        let moves = gradient.iter().any(|g| g.abs() > 1e-9) || leaf.name.ends_with("key.bias");
        assert!(moves, "{}: the gradient of {} is 0", case.name, leaf.name);
    }
}
