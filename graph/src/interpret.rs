//! The interpreter: the definition of what a graph means.
//!
//! In: a graph, an [`Environment`] (tensors by name, sizes, seed and step), a [`Precision`]. Out: every result with its purpose.
//! Everything else, passes and machine code alike, is tested against it; it is naive and meant to be plainly right.
//!
//! Must hold: the semantics at the head of [`crate::op`]. Updates read the storages from before the entry ran. In
//! [`Precision::F64`] floats come out as f64 tensors, in [`Precision::F32`] as the graph's types.

pub(crate) mod scalar;
mod array;
mod environment;

pub use environment::{Environment, bind_shapes};
pub use scalar::Precision;

use crate::dim::{Bindings, Dim, Undefined};
use crate::error::Error;
use crate::graph::{Graph, NodeId, Purpose};
use crate::op::Op;
use crate::random::random_bits;
use crate::rebuild::live;
use crate::tensor::Tensor;
use crate::types::{ElementType, Shape};
use array::Array;
use std::collections::HashSet;
use std::rc::Rc;

/// Computes every result of `graph`.
///
/// # Errors
/// A tensor that a result needs and that is missing, has another type or a shape that does not fit; sizes that are unknown or
/// contradict each other.
///
/// # Examples
/// ```
/// use downhill_graph::graph::{Graph, Input, Purpose, Role};
/// use downhill_graph::interpret::{Environment, Precision, interpret};
/// use downhill_graph::op::{Op, Unary};
/// use downhill_graph::{dim::Dim, types::ElementType, types::Type};
///
/// let mut graph = Graph::new();
/// let ty = Type::new(ElementType::F32, [Dim::symbol("n")]);
/// let x = graph.add_input(Input { name: "x".into(), ty, role: Role::Input, below: None });
/// let y = graph.add(Op::Unary(Unary::Neg), &[x]);
/// graph.results.push((Purpose::Output("y".into()), y));
///
/// let environment = Environment::new().input("x", [1.0_f32, 2.0]);
/// let results = interpret(&graph, &environment, Precision::F32)?;
/// assert_eq!(results[0].1.as_f32()?, [-1.0, -2.0]);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
pub fn interpret(
    graph: &Graph,
    environment: &Environment,
    precision: Precision,
) -> Result<Vec<(Purpose, Tensor)>, Error> {
    let bindings = environment.bindings(graph)?;
    let machine = Machine { bindings, precision, seed: environment.seed, step: environment.step };
    let live = live(graph);

    let (mut read_inputs, mut read_storages) = (HashSet::new(), HashSet::new());
    for id in graph.ids().filter(|id| live[id.index()]) {
        if let Op::Input(index) = graph.op(id) {
            read_inputs.insert(*index);
        } else if let Op::Storage(index) = graph.op(id) {
            read_storages.insert(*index);
        }
    }

    let mut inputs = Vec::new();
    for (index, input) in graph.inputs.iter().enumerate() {
        let given = environment.inputs.get(&input.name);
        let needed = read_inputs.contains(&index);
        inputs.push(if needed { Some(machine.load("input", &input.name, &input.ty, given)?) } else { None });
    }

    let mut storages = Vec::new();
    for (index, storage) in graph.storages.iter().enumerate() {
        let given = environment.storages.get(&storage.name);
        let needed = read_storages.contains(&index);
        storages.push(if needed {
            Some(machine.load("storage", &storage.name, &storage.ty, given)?)
        } else {
            None
        });
    }

    let values = machine.run(graph, &inputs, &storages)?;
    let named = graph.results.iter().zip(values);
    named
        .map(|((purpose, id), value)| Ok((purpose.clone(), machine.store(graph.ty(*id).element, &value)?)))
        .collect()
}

struct Machine {
    bindings: Bindings,
    precision: Precision,
    seed: u64,
    step: u64,
}

type Value = Rc<Array>;

impl Machine {
    fn load(
        &self,
        what: &str,
        name: &str,
        ty: &crate::types::Type,
        given: Option<&Tensor>,
    ) -> Result<Value, Error> {
        let Some(tensor) = given else { return Err(Error::new(format!("{what} `{name}` is not given"))) };
        // f64 tensors stand for f32 values when gradients are checked.
        let fits = tensor.element() == ty.element || tensor.element().is_float() && ty.element.is_float();
        let shape = self.shape(&ty.shape)?;
        if !fits || tensor.shape() != shape {
            let found = format!("{}{:?}", tensor.element(), tensor.shape());
            return Err(Error::new(format!("{what} `{name}` is {found}, expected {}{shape:?}", ty.element)));
        }
        let data = tensor.to_f64_vec().into_iter().map(|x| self.precision.round(ty.element, x)).collect();
        Ok(Rc::new(Array { shape, data }))
    }

    fn store(&self, element: ElementType, value: &Array) -> Result<Tensor, Error> {
        let kept =
            if self.precision == Precision::F64 && element.is_float() { ElementType::F64 } else { element };
        Tensor::from_f64(kept, value.shape.clone(), &value.data)
    }

    /// The values of the results.
    fn run(
        &self,
        graph: &Graph,
        inputs: &[Option<Value>],
        storages: &[Option<Value>],
    ) -> Result<Vec<Value>, Error> {
        let live = live(graph);
        let mut values: Vec<Option<Value>> = vec![None; graph.len()];
        for id in graph.ids().filter(|id| live[id.index()]) {
            let operands: Vec<Value> =
                graph.operands(id).into_iter().map(|id| known(&values[id.index()])).collect();
            let op = graph.op(id);
            let value = if let Op::Input(index) = op {
                known(&inputs[*index])
            } else if let Op::Storage(index) = op {
                known(&storages[*index])
            } else {
                let computed = self.compute(graph, id, op, &operands);
                Rc::new(computed.map_err(|error| error.at(graph.origin(id).clone()))?)
            };
            values[id.index()] = Some(value);
        }

        Ok(graph.results.iter().map(|(_, id)| known(&values[id.index()])).collect())
    }

    fn compute(&self, graph: &Graph, id: NodeId, op: &Op, operands: &[Value]) -> Result<Array, Error> {
        let ty = graph.ty(id);
        let exact = self.apply(graph, id, op, operands)?;
        if exact.shape != self.shape(&ty.shape)? {
            return Err(Error::new(format!("{:?} where {} was expected", exact.shape, ty.shape)));
        }
        Ok(exact.map(|x| self.precision.round(ty.element, x)))
    }

    fn apply(&self, graph: &Graph, id: NodeId, op: &Op, x: &[Value]) -> Result<Array, Error> {
        let operand_element = || graph.ty(graph.operand(id, 0)).element;
        match op {
            Op::Input(_) | Op::Storage(_) => crate::graph::bug("sources are read where the values are"),
            Op::Constant(literal) => Ok(Array::scalar(literal.value())),
            Op::Iota { shape, axis } => Ok(Array::build(self.shape(shape)?, |index| index[*axis] as f64)),
            Op::DimValue { dim, element } => Ok(Array::scalar(scalar::wrap(*element, self.dim(dim)? as f64))),
            Op::RandomBits { stream, shape } => {
                let mut elements = 0_u64..;
                Ok(Array::build(self.shape(shape)?, |_| {
                    f64::from(random_bits(self.seed, self.step, *stream, elements.next().unwrap_or_default()))
                }))
            }
            Op::Unary(f) => Ok(x[0].map(|a| scalar::unary(*f, operand_element(), a))),
            Op::Binary(f) => x[0].zip(&x[1], |a, b| scalar::binary(*f, operand_element(), a, b)),
            Op::Compare(f) => x[0].zip(&x[1], |a, b| scalar::compare(*f, a, b)),
            Op::Select => Array::select(&x[0], &x[1], &x[2]),
            Op::Convert(to) => Ok(x[0].map(|a| scalar::convert(operand_element(), *to, a))),
            Op::Reduce { kind, axes } => Ok(x[0].reduce(*kind, operand_element(), axes)),
            Op::ArgMax { axis } => Ok(x[0].arg_max(*axis)),
            Op::CumulativeSum { axis } => Ok(x[0].cumulative_sum(operand_element(), *axis)),
            Op::Reshape(shape) => x[0].reshape(self.shape(shape)?),
            Op::Transpose(permutation) => Ok(x[0].transpose(permutation)),
            Op::Broadcast { shape, axes } => x[0].broadcast(self.shape(shape)?, axes),
            Op::Slice(ranges) => {
                let spans =
                    ranges.iter().map(|r| Ok((self.size(&r.start)?, self.size(&r.end)?, r.stride as usize)));
                x[0].slice(&spans.collect::<Result<Vec<_>, Error>>()?)
            }
            Op::Pad(paddings) => {
                let lows = paddings
                    .iter()
                    .map(|p| self.size(&p.high).and(Ok((self.size(&p.low)?, p.interior as usize))));
                Ok(x[0].pad(self.shape(&graph.ty(id).shape)?, &lows.collect::<Result<Vec<_>, Error>>()?))
            }
            Op::Concatenate { axis } => {
                Array::concatenate(&x.iter().map(|part| &**part).collect::<Vec<_>>(), *axis)
            }
            Op::Reverse(axes) => Ok(x[0].reverse(axes)),
            Op::Window(window) => {
                x[0].window(window.axis, self.sizes([&window.taps, &window.stride, &window.dilation])?)
            }
            Op::Fold { window, size } => {
                let sizes = self.sizes([&window.taps, &window.stride, &window.dilation])?;
                x[0].fold(operand_element(), window.axis, sizes, self.size(size)?)
            }
            Op::Gather { axis, batch } => x[0].gather(&x[1], *axis, *batch),
            Op::ScatterAdd { axis, batch, size } => {
                x[0].scatter_add(&x[1], operand_element(), (*axis, *batch, self.size(size)?))
            }
            Op::DotGeneral { batch, contract } => x[0].dot(&x[1], batch, contract),
            Op::StopGradient | Op::Surrogate | Op::Pullback => Ok((*x[0]).clone()),
            Op::Arriving { number: _, ty } => Ok(Array::build(self.shape(&ty.shape)?, |_| 0.0)),
            Op::Scan { body, carried, sliced, length, reversed, recompute: _, result } => {
                let iterations = self.size(length)?;
                self.scan(body, [*carried, *sliced], (iterations, *reversed), x)?
                    .into_iter()
                    .nth(*result)
                    .map_or_else(|| crate::graph::bug("a scan without this result"), Ok)
            }
        }
    }

    /// All results of a loop: final carried values, then the stacked ones.
    fn scan(
        &self,
        body: &Graph,
        [carried, sliced]: [usize; 2],
        (iterations, reversed): (usize, bool),
        x: &[Value],
    ) -> Result<Vec<Array>, Error> {
        let inner = Machine { bindings: self.inner_bindings(body), ..*self };
        let mut state: Vec<Value> = x[..carried].to_vec();

        let mut stacks: Vec<Vec<f64>> = vec![Vec::new(); body.results.len() - carried];
        for iteration in 0..iterations {
            let mut inputs: Vec<Option<Value>> = state.into_iter().map(Some).collect();
            for whole in &x[carried..carried + sliced] {
                let place = if reversed { iterations - 1 - iteration } else { iteration };
                inputs.push(Some(Rc::new(slice_of(whole, place)?)));
            }
            inputs.extend(x[carried + sliced..].iter().cloned().map(Some));
            let mut results = inner.run(body, &inputs, &[])?;
            let yielded = results.split_off(carried);
            state = results;
            for (stack, value) in stacks.iter_mut().zip(yielded) {
                stack.extend(&value.data);
            }
        }

        let finals = state.iter().map(|value| Ok((**value).clone()));
        let stacked = stacks.into_iter().zip(&body.results[carried..]).map(|(data, (_, id))| {
            let each = (data.len() / iterations.max(1)).max(1);
            let data = if reversed { data.rchunks(each).flatten().copied().collect() } else { data };
            let shape = [vec![iterations], inner.shape(&body.ty(*id).shape)?].concat();
            Ok(Array { shape, data })
        });
        finals.chain(stacked).collect()
    }

    fn inner_bindings(&self, body: &Graph) -> Bindings {
        let mut bindings = body.bindings.clone();
        bindings.extend(self.bindings.iter().map(|(name, value)| (name.clone(), *value)));
        bindings
    }

    fn shape(&self, shape: &Shape) -> Result<Vec<usize>, Error> {
        shape.dims().iter().map(|dim| self.size(dim)).collect()
    }

    fn dim(&self, dim: &Dim) -> Result<i64, Error> {
        dim.evaluate(&self.bindings).map_err(|reason| match reason {
            Undefined::Unbound(_) => Error::new(reason.to_string()),
            _ => Error::new(format!("`{dim}` is no size: {reason}")),
        })
    }

    fn sizes<const N: usize>(&self, dims: [&Dim; N]) -> Result<[usize; N], Error> {
        let mut sizes = [0; N];
        for (size, dim) in sizes.iter_mut().zip(dims) {
            *size = self.size(dim)?;
        }
        Ok(sizes)
    }

    fn size(&self, dim: &Dim) -> Result<usize, Error> {
        let value = self.dim(dim)?;
        usize::try_from(value)
            .map_err(|_| Error::new(format!("the size `{dim}` is {value}, which is negative")))
    }
}

fn slice_of(whole: &Array, iteration: usize) -> Result<Array, Error> {
    if iteration >= whole.shape[0] {
        return Err(Error::new(format!("{:?} has no slice {iteration}", whole.shape)));
    }
    let shape = whole.shape[1..].to_vec();
    let size: usize = shape.iter().product();
    Ok(Array { data: whole.data[iteration * size..(iteration + 1) * size].to_vec(), shape })
}

fn known(value: &Option<Value>) -> Value {
    match value {
        Some(value) => value.clone(),
        None => crate::graph::bug("a value is read before it is computed"),
    }
}
