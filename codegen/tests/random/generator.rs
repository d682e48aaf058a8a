//! Random graphs with what they are run with.
//!
//! In: bytes, each a choice. Out: [`Case`]: a graph of ops of every kind, an environment, and how exact each result must be.
//! Fewer and smaller bytes give smaller graphs, so that shrinking the bytes shrinks the graph.

use super::common::Choices;
use super::numbers::Numbers;
use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Input, NodeId, Purpose, Role, Storage, StorageKind};
use downhill_graph::interpret::Environment;
use downhill_graph::op::{Op, Reduction};
use downhill_graph::random::Initializer;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::{self, Bool, F32, I32, U32};
use downhill_graph::types::{Shape, Type};

/// Sizes at which loops change: empty, one, below and above a vector, several vectors and a rest.
const SIZES: [usize; 10] = [1, 2, 3, 0, 5, 7, 16, 17, 33, 130];
/// Elements of a value, at most: the interpreter is slow.
pub(crate) const MOST_ELEMENTS: usize = 1500;

/// A value made so far.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) node: NodeId,
    pub(crate) element: ElementType,
    pub(crate) dims: Vec<Dim>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) numbers: Numbers,
}

impl Known {
    pub(crate) fn size(&self) -> usize {
        self.sizes.iter().product()
    }
}

/// A graph, what it is run with, and what is known of its results, in their order.
pub(crate) struct Case {
    pub(crate) graph: Graph,
    pub(crate) environment: Environment,
    pub(crate) numbers: Vec<Numbers>,
}

/// The graph being made.
pub(crate) struct Generator<'a> {
    pub(crate) graph: Graph,
    pub(crate) choices: Choices<'a>,
    pub(crate) pool: Vec<Known>,
    environment: Environment,
    /// Values of the symbols `b` and `t`.
    symbols: [(&'static str, usize); 2],
    noise: u64,
    extremes: bool,
}

/// The case that `bytes` choose. With `extremes`, NaN and infinities are among the inputs.
pub(crate) fn case(bytes: &[u8], extremes: bool) -> Case {
    let mut choices = Choices::new(bytes);
    let symbols = [("b", choices.of(&SIZES)), ("t", choices.of(&SIZES[..8]))];
    let mut generator = Generator {
        graph: Graph::new(),
        choices,
        pool: Vec::new(),
        environment: Environment::new(),
        symbols,
        noise: 1,
        extremes,
    };
    for _ in 0..2 + generator.choices.below(3) {
        generator.source();
    }
    while !generator.choices.is_done() {
        generator.grow();
    }
    generator.finish()
}

impl Generator<'_> {
    /// The dim of an axis and its size here: a symbol's that an input tells, or a number.
    pub(crate) fn dim(&mut self) -> (Dim, usize) {
        let (dim, size) = self.any_dim();
        let told = self.graph.inputs.iter().any(|input| input.ty.shape.dims().contains(&dim));
        (if told { dim } else { Dim::from(size) }, size)
    }

    fn any_dim(&mut self) -> (Dim, usize) {
        match self.choices.below(5) {
            0 | 1 => {
                let size = self.choices.of(&SIZES);
                (Dim::from(size), size)
            }
            2 => (Dim::symbol(self.symbols[1].0), self.symbols[1].1),
            _ => (Dim::symbol(self.symbols[0].0), self.symbols[0].1),
        }
    }

    fn dims(&mut self, constant: bool) -> (Vec<Dim>, Vec<usize>) {
        let (mut dims, mut sizes) = (Vec::new(), Vec::new());
        for _ in 0..self.choices.of(&[2, 1, 3, 0, 4, 2, 6, 5]) {
            let (dim, size) = self.any_dim();
            if sizes.iter().product::<usize>() * size <= MOST_ELEMENTS / 4 {
                dims.push(if constant { Dim::from(size) } else { dim });
                sizes.push(size);
            }
        }
        (dims, sizes)
    }

    fn noise(&mut self) -> u64 {
        self.noise = self.noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.noise >> 33
    }

    fn number(&mut self, element: ElementType, smooth: bool) -> f64 {
        let noise = self.noise();
        match element {
            F32 if self.extremes && noise.is_multiple_of(16) => {
                [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0][noise as usize / 16 % 4]
            }
            F32 if smooth => f64::from((noise % (1 << 24)) as f32 / (1 << 22) as f32 - 2.0),
            F32 => (noise % 33) as f64 / 8.0 - 2.0,
            Bool => (noise % 2) as f64,
            I32 | U32 if !smooth || !noise.is_multiple_of(8) => {
                (noise % 7) as f64 - if element == I32 { 3.0 } else { 0.0 }
            }
            I32 => [f64::from(i32::MIN), f64::from(i32::MAX), 1e6, -1e6][noise as usize / 8 % 4],
            _ => [f64::from(u32::MAX), 2147483648.0, 1e6, 40.0][noise as usize / 8 % 4],
        }
    }

    /// An input or a storage, filled with numbers.
    fn source(&mut self) {
        let element = self.choices.of(&[F32, F32, F32, I32, F32, U32, Bool]);
        let smooth = self.choices.below(2) == 1;
        let is_storage = self.choices.below(4) == 3;
        let (dims, sizes) = self.dims(is_storage);
        let values: Vec<f64> = (0..sizes.iter().product()).map(|_| self.number(element, smooth)).collect();
        let tensor = Tensor::from_f64(element, sizes.clone(), &values).expect("as many as the shape says");
        let ty = Type::new(element, Shape(dims.clone()));
        let environment = std::mem::take(&mut self.environment);
        let node = if is_storage {
            let name = format!("s{}", self.graph.storages.len());
            self.environment = environment.storage(&name, tensor);
            let origin = Default::default();
            self.graph.add_storage(Storage {
                name: name.into(),
                ty,
                kind: StorageKind::State,
                initializer: Initializer::Zeros,
                exchange: Default::default(),
                origin,
            })
        } else {
            let name = format!("x{}", self.graph.inputs.len());
            self.environment = environment.input(&name, tensor);
            // Sizes are told by inputs: one that no input has yet makes this an input.
            let is_told = |dim: &Dim| {
                let mut given = self.graph.inputs.iter().filter(|input| input.role == Role::Input);
                dim.as_constant().is_some() || given.any(|input| input.ty.shape.dims().contains(dim))
            };
            let all_told = dims.iter().all(is_told);
            let role = match self.choices.of(&[Role::Input, Role::Target]) {
                _ if sizes.is_empty() => Role::Hyper,
                Role::Target if !all_told => Role::Input,
                role => role,
            };
            self.graph.add_input(Input { name: name.into(), ty, role, below: None })
        };
        let numbers = match (element, smooth) {
            (F32, false) => Numbers::exact(2.0, 3),
            (F32, true) => Numbers::exact(2.0, 22),
            (_, false) => Numbers::exact(6.0, 0),
            _ => Numbers::exact(f64::from(u32::MAX), -8),
        };
        let numbers = if self.extremes && element == F32 { numbers.with_extremes() } else { numbers };
        self.pool.push(Known { node, element, dims, sizes, numbers });
    }

    /// Any value made so far, the latest most often.
    pub(crate) fn pick(&mut self) -> Known {
        let back = self.choices.below(2 * self.pool.len());
        self.pool[self.pool.len() - 1 - if back < self.pool.len() { back } else { 0 }].clone()
    }

    /// A value of this element type: one made so far, or one converted.
    pub(crate) fn pick_of(&mut self, wanted: ElementType) -> Option<Known> {
        let known = self.pick();
        if known.element == wanted {
            Some(known)
        } else {
            self.pool.iter().rev().find(|known| known.element == wanted).cloned()
        }
    }

    /// A value that fits beside `known`: of its type, made so far, or a constant spread.
    pub(crate) fn beside(&mut self, known: &Known) -> Known {
        let alike: Vec<Known> = self
            .pool
            .iter()
            .filter(|other| other.element == known.element && other.dims == known.dims)
            .cloned()
            .collect();
        if self.choices.below(4) != 3 && !alike.is_empty() {
            return self.choices.of(&alike);
        }
        let value: f64 = self.choices.of(&[1.0, 0.0, 2.0, -1.0, 0.5, -0.25, 3.0]);
        let value = if known.element == F32 { value } else { value.abs().floor() };
        Known {
            node: self.graph.full_like(known.node, value),
            numbers: Numbers::exact(value.abs(), 2),
            ..known.clone()
        }
    }

    /// Adds a node and puts its value into the pool, unless it is too large or too far off.
    pub(crate) fn push(&mut self, op: Op, operands: &[NodeId], sizes: Vec<usize>, numbers: Numbers) {
        if sizes.iter().product::<usize>() > MOST_ELEMENTS || !(numbers.is_exact() || numbers.is_tame()) {
            return;
        }
        let node = self.graph.add(op, operands);
        let ty = self.graph.ty(node);
        self.pool.push(Known { node, element: ty.element, dims: ty.shape.dims().to_vec(), sizes, numbers });
    }

    /// Results: outputs from the end of the pool, a loss, and updates of storages wherever a value fits.
    fn finish(mut self) -> Case {
        let mut numbers = Vec::new();
        let mut results = Vec::new();
        let outputs: Vec<Known> = self.pool.iter().rev().take(4).cloned().collect();
        for known in &outputs {
            results.push((Purpose::Output(format!("y{}", results.len()).into()), known.node));
            numbers.push(known.numbers);
        }
        let float = self.pool.iter().rev().find(|known| known.element == F32).cloned();
        if let Some(known) = float.filter(|known| !known.numbers.extreme) {
            let axes = (0..known.dims.len()).collect();
            results.push((
                Purpose::Loss("loss".into()),
                self.graph.add(Op::Reduce { kind: Reduction::Sum, axes }, &[known.node]),
            ));
            numbers.push(known.numbers.summed(known.size()));
        }
        for storage in 0..self.graph.storages.len() {
            let ty = self.graph.storages[storage].ty.clone();
            let fits = |known: &&Known| known.element == ty.element && known.dims == ty.shape.dims();
            if let Some(known) = self.pool.iter().rev().find(fits) {
                results.push((Purpose::Update(storage), known.node));
                numbers.push(known.numbers);
            }
        }
        self.graph.results = results;
        Case { graph: self.graph, environment: self.environment, numbers }
    }
}
