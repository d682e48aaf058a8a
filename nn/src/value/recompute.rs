//! `recompute`: a part of a network that is computed once more on the way back, instead of being kept.

use super::movement::{expand, reshape};
use super::scan::{Iteration, Scan, Slices, scan};
use crate::builder::{Builder, Value};
use downhill_graph::types::Shape;

/// What `body` makes of `of`. Gradients compute what lies between once more instead of keeping it, which takes less memory and more time:
/// PyTorch's `checkpoint` (Chen et al.: Training Deep Nets with Sublinear Memory Cost; 2016).
///
/// `body` is given the values of `of` and may use any value from outside. What does not depend on `of` is computed before, and kept.
/// Random numbers, as `dropout` draws them, are the same both times.
///
/// # Shapes
/// Those of `body`.
///
/// # Errors
/// Nothing to begin with, nothing that is given back, an update of a state or a declaration of an input, output or loss in `body`, a use of
/// its values outside of it. So `batch_norm` in training stands outside.
///
/// # Examples
/// ```
/// use downhill_graph::{dim::Dim, types::ElementType};
/// use downhill_graph::random::Initializer::FanIn;
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::{matmul, recompute, tanh};
///
/// // The hidden units of a wide layer are not kept.
/// let b = Builder::new(Mode::Train);
/// let x = b.input("x", ElementType::F32, [Dim::symbol("batch"), 64.into()]);
/// let up = b.parameter("up", [64, 4096], FanIn(64.into()));
/// let down = b.parameter("down", [4096, 64], FanIn(4096.into()));
/// let y = recompute(&b, &[x], |x| vec![matmul(tanh(matmul(&x[0], &up)), &down)]);
/// assert_eq!(y[0].ty().map(|ty| ty.to_string()).as_deref(), Some("f32[batch, 64]"));
/// assert!(b.finish().is_ok());
/// ```
pub fn recompute(builder: &Builder, of: &[Value], body: impl FnOnce(&[Value]) -> Vec<Value>) -> Vec<Value> {
    let slices = of.iter().map(|x| Slices { name: "operand", of: expand(x, 0), axis: 0 }).collect();
    let once = Scan { slices, recompute: true, ..Scan::default() };
    let given = scan(builder, once, |of, _| Iteration { yields: body(of), next: Vec::new() });
    given.yields.iter().map(only).collect()
}

/// The one slice along the first axis.
fn only(stacked: &Value) -> Value {
    let Some(shape) = stacked.shape() else { return stacked.clone() };
    reshape(stacked, Shape(shape.dims()[1..].to_vec()))
}
