//! `with_gradient`: a value whose gradient is a formula of one's own.

use super::align::{require_float, spoken};
use super::elementwise::stop_gradient;
use crate::builder::Value;
use downhill_graph::error::Error;
use downhill_graph::graph::{Graph, NodeId, StorageKind};
use downhill_graph::op::Op;
use std::borrow::Borrow;
use std::collections::HashSet;

/// `value`, whose gradient by the values `of` is what `gradient` makes of the gradient that arrives: PyTorch's `autograd.Function`, JAX's
/// `custom_vjp`. How `value` was computed tells no gradient any more.
///
/// `gradient` is given what arrives, of the type of `value`, and gives a value for each of `of`, in their order. It may use any value, and
/// need not be linear. Gradients of second order differentiate what it wrote, by what arrives and by all else that it uses.
///
/// # Shapes
/// Each value that `gradient` gives has the shape of the one that it is the gradient of; a scalar is spread over it.
///
/// # Errors
/// Values that are no floats; a gradient that gives more or fewer values, or others shapes; one that declares a parameter or a state; a
/// `value` made of a parameter that is not among `of`, as it would never be trained.
///
/// # Examples
/// ```
/// use downhill_graph::{dim::Dim, types::ElementType};
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::{gradient, round, with_gradient};
///
/// // Rounds, and hands the gradient straight through (Bengio et al.: Estimating or Propagating Gradients; 2013).
/// let b = Builder::new(Mode::Train);
/// let x = b.input("x", ElementType::F32, [Dim::symbol("batch")]);
/// let y = with_gradient(round(&x), &[x.clone()], |g| vec![g.clone()]);
/// assert!(gradient(&y, &x).node().is_some());
/// assert!(b.finish().is_ok());
/// ```
pub fn with_gradient(
    value: impl Borrow<Value>,
    of: &[Value],
    gradient: impl FnOnce(&Value) -> Vec<Value>,
) -> Value {
    let value = value.borrow();
    let builder = value.builder();
    let storages = || builder.with_graph(|graph| graph.storages.len());
    let arriving = value.ty().filter(|ty| ty.element.is_float()).map(|ty| builder.arriving(ty).named("g"));

    let before = storages();
    let shares = gradient(arriving.as_ref().unwrap_or(&builder.unknown()));
    if storages() > before {
        let error = Error::new("a gradient declares parameters or states");
        return builder.fail(error.help("it is a formula alone: declare them outside, where they are used"));
    }

    let fits = require_float(value, "with_gradient")
        && of.iter().all(|x| require_float(x, "with_gradient"))
        && one_for_each(value, of, &shares)
        && is_taught(value, of);
    let Some(arriving) = arriving.filter(|_| fits) else { return builder.unknown() };
    let mut result = stop_gradient(value);
    for (x, share) in of.iter().zip(&shares) {
        let Some(share) = shaped_as(x, share) else { return builder.unknown() };
        result = builder.apply(Op::Pullback, &[&result, x, &arriving, &share]);
    }
    result
}

/// Whether there is a gradient for each value; a mistake is recorded.
fn one_for_each(value: &Value, of: &[Value], shares: &[Value]) -> bool {
    if of.len() == shares.len() {
        return true;
    }
    let counted = |count: usize| if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
    let message = format!("a gradient gives {} but is one by {}", counted(shares.len()), counted(of.len()));
    let names: Vec<String> = of.iter().map(|x| spoken(x, "a value without a name")).collect();
    let error = Error::new(message).note(format!("it is one by {}", names.join(", ")));
    value
        .builder()
        .error(error.help("give one for each, in their order: `(a, b)`; one that gets none, `0.0`"));
    false
}

/// The gradient of `x`, in its shape; a mistake is recorded where it has another.
fn shaped_as(x: &Value, share: &Value) -> Option<Value> {
    let (ty, found) = (x.ty()?, share.ty()?);
    let builder = x.builder();
    if found.rank() == 0 && found.element == ty.element {
        let node = share.node()?;
        return Some(builder.value(builder.with_graph(|graph| graph.spread(node, &ty.shape))));
    }
    let agree = |graph: &mut Graph| {
        let mut dims = ty.shape.dims().iter().zip(found.shape.dims());
        dims.all(|(a, b)| graph.agrees(a, b))
    };
    if found.element == ty.element && found.rank() == ty.rank() && builder.with_graph(agree) {
        return Some(share.clone());
    }
    let of = spoken(x, "a value");
    let error = Error::new(format!("the gradient by {of} is {found} but {of} is {ty}"));
    builder.error(error.help("a gradient has the shape of what it is one by: sum over what was broadcast"));
    None
}

/// Whether all parameters that `value` is made of are made use of through `of`; a mistake is recorded, as others would get no gradient.
fn is_taught(value: &Value, of: &[Value]) -> bool {
    let builder = value.builder();
    let Some(parameter) = builder.with_graph(|graph| untaught(graph, value.node()?, of)) else { return true };
    let name = builder.value(parameter).label();
    let error = Error::new(format!("{name} would not be trained: a gradient of one's own gives it none"));
    builder.error(error.help(format!(
        "declare {name} outside and hand it in as an operand, or say that it stays: `stop_gradient`"
    )));
    false
}

/// A parameter that gradients would reach from `value` without the values `of`.
fn untaught(graph: &Graph, value: NodeId, of: &[Value]) -> Option<NodeId> {
    let mut seen: HashSet<NodeId> = of.iter().filter_map(Value::node).collect();
    let mut open = vec![value];
    while let Some(id) = open.pop() {
        if !graph.ty(id).element.is_float() || !seen.insert(id) {
            continue;
        }
        let op = graph.op(id);
        if let Op::Storage(index) = op
            && graph.storages[*index].kind == StorageKind::Parameter
        {
            return Some(id);
        }
        let operands = graph.operands_of(id).iter().enumerate();
        open.extend(
            operands.filter(|(position, _)| op.passes_gradient(*position)).map(|(_, &operand)| operand),
        );
    }
    None
}
