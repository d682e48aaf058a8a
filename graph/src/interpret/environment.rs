//! The tensors, sizes, seed and step that a graph is run with, and the sizes that follow from them.
//!
//! In: tensors by name, sizes by name. Out: a number for every symbol that can be found, or the contradiction.

use crate::dim::{Bindings, Dim};
use crate::error::Error;
use crate::graph::Graph;
use crate::tensor::Tensor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything outside the graph that its meaning depends on.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Inputs by name.
    pub inputs: BTreeMap<Arc<str>, Tensor>,
    /// Storages by name.
    pub storages: BTreeMap<Arc<str>, Tensor>,
    /// Sizes that the tensors do not tell.
    pub dims: Bindings,
    /// Seed of the random bits.
    pub seed: u64,
    /// Number of the step, for the random bits.
    pub step: u64,
}

impl Environment {
    /// Nothing given yet.
    pub fn new() -> Environment {
        Environment::default()
    }

    /// Gives an input.
    #[must_use]
    pub fn input(mut self, name: &str, tensor: impl Into<Tensor>) -> Environment {
        self.inputs.insert(name.into(), tensor.into());
        self
    }

    /// Gives a storage's value.
    #[must_use]
    pub fn storage(mut self, name: &str, tensor: impl Into<Tensor>) -> Environment {
        self.storages.insert(name.into(), tensor.into());
        self
    }

    /// Gives a size.
    #[must_use]
    pub fn dim(mut self, name: &str, value: i64) -> Environment {
        self.dims.insert(name.into(), value);
        self
    }

    /// The sizes of `graph`'s symbols: its own bindings, the given ones, and those that the tensors' shapes tell.
    ///
    /// # Errors
    /// A tensor with another number of axes, or sizes that contradict each other.
    pub fn bindings(&self, graph: &Graph) -> Result<Bindings, Error> {
        let mut bindings = graph.bindings.clone();
        for (name, &value) in &self.dims {
            if bindings.insert(name.clone(), value).is_some_and(|known| known != value) {
                return Err(Error::new(format!("`{name}` is {}, not {value}", graph.bindings[name])));
            }
        }

        let inputs = graph.inputs.iter().map(|input| (&input.name, &input.ty, self.inputs.get(&input.name)));
        let storages = graph
            .storages
            .iter()
            .map(|storage| (&storage.name, &storage.ty, self.storages.get(&storage.name)));

        let mut pairs = Vec::new();
        for (name, ty, tensor) in inputs.chain(storages) {
            let Some(tensor) = tensor else { continue };
            if tensor.shape().len() != ty.rank() {
                return Err(Error::new(format!(
                    "`{name}` has shape {:?}, expected {}",
                    tensor.shape(),
                    ty.shape
                )));
            }
            pairs.extend(ty.shape.dims().iter().zip(tensor.shape()).map(|(dim, &size)| (&**name, dim, size)));
        }

        bind_shapes(&mut bindings, &pairs)?;
        Ok(bindings)
    }
}

/// Finds the symbols in (tensor's name, dim, size) from the sizes and adds them to `bindings`. A dim with one unknown
/// symbol of the first degree is solved; others must come out right once their symbols are known.
///
/// # Errors
/// Sizes that contradict each other.
pub fn bind_shapes(bindings: &mut Bindings, pairs: &[(&str, &Dim, usize)]) -> Result<(), Error> {
    let mut open: Vec<&(&str, &Dim, usize)> = pairs.iter().collect();
    // A symbol that is found may let other dims be solved: again, until no more are.
    loop {
        let before = open.len();
        let mut rest = Vec::new();
        for pair in open {
            let (name, dim, size) = pair;
            let size = i64::try_from(*size).unwrap_or(i64::MAX);
            let bound = dim.bind(bindings);
            if let Some(value) = bound.as_constant() {
                if value != size {
                    return Err(contradiction(name, dim, value, size));
                }
            } else if let Some((symbol, value)) = solve(&bound, size) {
                bindings.insert(symbol, value);
            } else {
                rest.push(pair);
            }
        }
        if rest.is_empty() || rest.len() == before {
            return Ok(());
        }
        open = rest;
    }
}

fn contradiction(name: &str, dim: &Dim, value: i64, size: i64) -> Error {
    let error = Error::new(format!("`{name}` has an axis of size {size}, expected {value}"));
    if dim.as_constant().is_some() { error } else { error.note(format!("`{dim}` is {value}")) }
}

/// The symbol and its value, where `factor·symbol + rest = size` has a solution ≥ 0.
fn solve(dim: &Dim, size: i64) -> Option<(Arc<str>, i64)> {
    let names = dim.symbols();
    let [name] = names.as_slice() else { return None };
    let at =
        |value: i64| dim.substitute(&|symbol| (symbol == &**name).then(|| Dim::from(value))).as_constant();
    let rest = at(0)?;
    let (factor, left) = (at(1)?.checked_sub(rest)?, size.checked_sub(rest)?);
    if left.checked_rem(factor)? != 0 {
        return None;
    }
    let value = left.checked_div(factor)?;
    (value >= 0 && at(value) == Some(size)).then(|| (name.clone(), value))
}
