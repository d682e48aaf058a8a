//! Types of results: the only module that knows what each op takes and gives.
//!
//! In: an op, its operands' types, and what the graph says of its inputs and storages ([`Scope`]). Out: the result's type, or what does
//! not fit. The builder, the verifier and the macro (through the builder) all use it. Messages speak of operands by position; the
//! builder, which knows their names, checks the common mistakes first and in better words.

use crate::dim::Dim;
use crate::error::Error;
use crate::op::{Binary, Op, Unary, Window};
use crate::types::{ElementType, Shape, Type};

/// What inference must know of the graph that an op stands in.
pub trait Scope {
    /// The type of the input at this index.
    fn input(&self, index: usize) -> &Type;
    /// The type of the storage at this index.
    fn storage(&self, index: usize) -> &Type;
    /// Whether dims may stand for each other there.
    fn agrees(&self, a: &Dim, b: &Dim) -> bool;
}

/// The type of `op` of operands of these types.
///
/// # Errors
/// What the op does not take.
pub fn infer(scope: &dyn Scope, op: &Op, types: &[&Type]) -> Result<Type, Error> {
    check_count(op, types.len())?;
    match op {
        Op::Input(index) => Ok(scope.input(*index).clone()),
        Op::Storage(index) => Ok(scope.storage(*index).clone()),
        Op::Constant(literal) => Ok(Type::new(literal.element, Shape::scalar())),
        Op::Iota { shape, axis } => {
            require(*axis < shape.rank(), || format!("axis {axis} of a shape of rank {}", shape.rank()))?;
            Ok(Type::new(ElementType::I32, shape.clone()))
        }
        Op::DimValue { element, .. } => {
            require(*element != ElementType::Bool, || "a dim's value as a bool".into())?;
            Ok(Type::new(*element, Shape::scalar()))
        }
        Op::RandomBits { shape, .. } => Ok(Type::new(ElementType::U32, shape.clone())),
        Op::Unary(unary) => infer_unary(*unary, types[0]),
        Op::Binary(binary) => infer_binary(scope, *binary, types[0], types[1]),
        Op::Compare(_) => {
            same(scope, types[0], types[1])?;
            Ok(Type::new(ElementType::Bool, types[0].shape.clone()))
        }
        Op::Select => {
            require(types[0].element == ElementType::Bool, || format!("a mask of {}", types[0].element))?;
            same_shape(scope, &types[0].shape, &types[1].shape)?;
            same(scope, types[1], types[2])?;
            Ok(types[1].clone())
        }
        Op::Convert(element) => Ok(Type::new(*element, types[0].shape.clone())),
        Op::Reduce { axes, .. } => {
            let numeric = types[0].element != ElementType::Bool;
            require(numeric, || "a reduction of bool (convert it first)".into())?;
            check_axes(axes, types[0].rank())?;
            Ok(Type::new(types[0].element, without_axes(&types[0].shape, axes)))
        }
        Op::ArgMax { axis } => {
            check_axes(&[*axis], types[0].rank())?;
            Ok(Type::new(ElementType::I32, without_axes(&types[0].shape, &[*axis])))
        }
        Op::CumulativeSum { axis } => {
            let numeric = types[0].element != ElementType::Bool;
            require(numeric, || "a cumulative sum of bool (convert it first)".into())?;
            check_axes(&[*axis], types[0].rank())?;
            Ok(types[0].clone())
        }
        Op::Reshape(shape) => {
            let agree = scope.agrees(&shape.size(), &types[0].shape.size());
            require(agree, || format!("{} has not as many elements as {shape}", types[0].shape))?;
            Ok(Type::new(types[0].element, shape.clone()))
        }
        Op::Transpose(permutation) => infer_transpose(permutation, types[0]),
        Op::Broadcast { shape, axes } => infer_broadcast(scope, shape, axes, types[0]),
        Op::Slice(ranges) => {
            require(ranges.len() == types[0].rank(), || format!("{} ranges", ranges.len()))?;
            require(ranges.iter().all(|r| r.stride >= 1), || "a stride below 1".into())?;
            let dims = ranges.iter().map(|r| {
                let span = &(&r.end - &r.start) + &Dim::from(r.stride - 1);
                span.divide(&Dim::from(r.stride))
            });
            Ok(Type::new(types[0].element, Shape(dims.collect())))
        }
        Op::Pad(paddings) => {
            require(paddings.len() == types[0].rank(), || format!("{} paddings", paddings.len()))?;
            let dims = types[0].shape.dims().iter().zip(paddings).map(|(dim, p)| {
                let spread = if p.interior == 0 {
                    dim.clone()
                } else {
                    // n elements have n − 1 gaps; an axis that may be empty cannot have interior padding.
                    &(&Dim::from(p.interior + 1) * dim) - &Dim::from(p.interior)
                };
                &(&p.low + &spread) + &p.high
            });
            Ok(Type::new(types[0].element, Shape(dims.collect())))
        }
        Op::Concatenate { axis } => infer_concatenate(scope, *axis, types),
        Op::Reverse(axes) => {
            check_axes(axes, types[0].rank())?;
            Ok(types[0].clone())
        }
        Op::Window(window) => infer_window(window, types[0]),
        Op::Fold { window, size } => infer_fold(scope, window, size, types[0]),
        Op::Gather { axis, batch } => infer_gather(scope, *axis, *batch, types[0], types[1]),
        Op::ScatterAdd { axis, batch, size } => {
            infer_scatter(scope, (*axis, *batch, size), types[0], types[1])
        }
        Op::DotGeneral { batch, contract } => infer_dot(scope, batch, contract, types[0], types[1]),
        Op::StopGradient => Ok(types[0].clone()),
        Op::Surrogate => {
            same(scope, types[0], types[1])?;
            Ok(types[0].clone())
        }
        Op::Arriving { number: _, ty } => {
            require(ty.element.is_float(), || format!("a gradient of {}", ty.element))?;
            Ok(ty.clone())
        }
        Op::Pullback => {
            same(scope, types[0], types[2])?;
            same(scope, types[1], types[3])?;
            Ok(types[0].clone())
        }
        Op::Scan { .. } => infer_scan(scope, op, types),
    }
}

fn check_count(op: &Op, found: usize) -> Result<(), Error> {
    match op.facts().operands {
        Some(expected) => require(expected == found, || format!("{found} operands for {expected}")),
        None => require(found > 0, || "no operands".into()),
    }
}

fn infer_unary(unary: Unary, x: &Type) -> Result<Type, Error> {
    let facts = unary.facts();
    require(facts.takes.accepts(x.element), || format!("{unary:?} of {}", x.element))?;
    Ok(Type::new(facts.gives.unwrap_or(x.element), x.shape.clone()))
}

fn infer_binary(scope: &dyn Scope, binary: Binary, x: &Type, y: &Type) -> Result<Type, Error> {
    same(scope, x, y)?;
    require(binary.facts().takes.accepts(x.element), || format!("{binary:?} of {}", x.element))?;
    Ok(x.clone())
}

fn infer_transpose(permutation: &[usize], x: &Type) -> Result<Type, Error> {
    let mut sorted = permutation.to_vec();
    sorted.sort_unstable();
    let complete = sorted.iter().copied().eq(0..x.rank());
    require(complete, || format!("{permutation:?} is no order of {} axes", x.rank()))?;
    Ok(Type::new(x.element, Shape(permutation.iter().map(|&axis| x.shape.dims()[axis].clone()).collect())))
}

fn infer_broadcast(scope: &dyn Scope, shape: &Shape, axes: &[usize], x: &Type) -> Result<Type, Error> {
    check_axes(axes, shape.rank())?;
    require(axes.len() == x.rank(), || format!("{} axes for rank {}", axes.len(), x.rank()))?;
    for (dim, &axis) in x.shape.dims().iter().zip(axes) {
        let target = &shape.dims()[axis];
        require(scope.agrees(dim, target), || format!("{} does not broadcast to {shape}", x.shape))?;
    }
    Ok(Type::new(x.element, shape.clone()))
}

fn infer_concatenate(scope: &dyn Scope, axis: usize, types: &[&Type]) -> Result<Type, Error> {
    check_axes(&[axis], types[0].rank())?;
    let mut dims = types[0].shape.dims().to_vec();
    for other in &types[1..] {
        let alike = other.element == types[0].element && other.rank() == types[0].rank();
        require(alike, || format!("{} beside {}", types[0], other))?;
        for (position, (a, b)) in types[0].shape.dims().iter().zip(other.shape.dims()).enumerate() {
            require(position == axis || scope.agrees(a, b), || format!("{} beside {}", types[0], other))?;
        }
        dims[axis] = &dims[axis] + &other.shape.dims()[axis];
    }
    Ok(Type::new(types[0].element, Shape(dims)))
}

fn infer_window(window: &Window, x: &Type) -> Result<Type, Error> {
    check_axes(&[window.axis], x.rank())?;
    let mut dims = x.shape.dims().to_vec();
    let seen = [window.places(&dims[window.axis]), window.taps.clone()];
    dims.splice(window.axis..=window.axis, seen);
    Ok(Type::new(x.element, Shape(dims)))
}

fn infer_fold(scope: &dyn Scope, window: &Window, size: &Dim, x: &Type) -> Result<Type, Error> {
    require(x.element != ElementType::Bool, || "a fold of bool (convert it first)".into())?;
    let taps = window.axis + 1;
    check_axes(&[window.axis, taps], x.rank())?;
    let mut dims = x.shape.dims().to_vec();
    let seen = [window.places(size), window.taps.clone()];
    for (found, expected) in dims[window.axis..=taps].iter().zip(&seen) {
        require(scope.agrees(found, expected), || {
            format!("{} is not what windows of {} see of {size} elements", x.shape, window.taps)
        })?;
    }
    dims.splice(window.axis..=taps, [size.clone()]);
    Ok(Type::new(x.element, Shape(dims)))
}

fn infer_gather(
    scope: &dyn Scope,
    axis: usize,
    batch: usize,
    x: &Type,
    indices: &Type,
) -> Result<Type, Error> {
    check_axes(&[axis], x.rank())?;
    let own = own_axes(scope, (axis, batch), x, indices)?;
    let dims = x.shape.dims();
    Ok(Type::new(x.element, Shape([&dims[..axis], own, &dims[axis + 1..]].concat())))
}

fn infer_scatter(
    scope: &dyn Scope,
    (axis, batch, size): (usize, usize, &Dim),
    updates: &Type,
    indices: &Type,
) -> Result<Type, Error> {
    let numeric = updates.element != ElementType::Bool;
    require(numeric, || "a sum of bool (convert it first)".into())?;
    let own = own_axes(scope, (axis, batch), updates, indices)?;
    let dims = updates.shape.dims();
    let behind = axis + own.len();
    let fits = behind <= dims.len() && dims[axis..behind].iter().zip(own).all(|(a, b)| scope.agrees(a, b));
    require(fits, || format!("{updates} has no element for each of {indices} from axis {axis} on"))?;
    Ok(Type::new(
        updates.element,
        Shape([&dims[..axis], std::slice::from_ref(size), &dims[behind..]].concat()),
    ))
}

/// The axes of indices behind the first `batch`, which they share with `x`.
fn own_axes<'a>(
    scope: &dyn Scope,
    (axis, batch): (usize, usize),
    x: &Type,
    indices: &'a Type,
) -> Result<&'a [Dim], Error> {
    require(indices.element == ElementType::I32, || format!("indices of {}", indices.element))?;
    let within = batch <= axis && axis <= x.rank() && batch <= indices.rank();
    require(within, || format!("{batch} axes before axis {axis} shared by {x} and {indices}"))?;
    let (shared, own) = indices.shape.dims().split_at(batch);
    let alike = shared.iter().zip(x.shape.dims()).all(|(a, b)| scope.agrees(a, b));
    require(alike, || format!("{x} and {indices} differ in the first {batch} axes"))?;
    Ok(own)
}

fn infer_dot(
    scope: &dyn Scope,
    batch: &[(usize, usize)],
    contract: &[(usize, usize)],
    x: &Type,
    y: &Type,
) -> Result<Type, Error> {
    require(x.element == y.element && x.element.is_float(), || format!("a product of {x} and {y}"))?;
    let pairs = || batch.iter().chain(contract);
    let (mut left, mut right): (Vec<usize>, Vec<usize>) = pairs().copied().unzip();

    // An axis takes part once.
    left.sort_unstable();
    right.sort_unstable();
    check_axes(&left, x.rank())?;
    check_axes(&right, y.rank())?;

    for &(i, j) in pairs() {
        let (a, b) = (&x.shape.dims()[i], &y.shape.dims()[j]);
        require(scope.agrees(a, b), || format!("{a} and {b} in a product of {x} and {y}"))?;
    }

    let kept = batch.iter().map(|&(i, _)| x.shape.dims()[i].clone());
    let dims = kept.chain(without_axes(&x.shape, &left).0).chain(without_axes(&y.shape, &right).0);
    Ok(Type::new(x.element, Shape(dims.collect())))
}

fn infer_scan(scope: &dyn Scope, op: &Op, types: &[&Type]) -> Result<Type, Error> {
    let Op::Scan { body, carried, sliced, length, reversed: _, recompute: _, result } = op else {
        return Err(Error::new("not a scan"));
    };
    require(types.len() == body.inputs.len(), || {
        format!("{} operands for {} inputs", types.len(), body.inputs.len())
    })?;
    require(carried + sliced <= types.len() && *carried <= body.results.len(), || "too few operands".into())?;
    require(*result < body.results.len(), || format!("result {result} of {}", body.results.len()))?;

    for (position, (ty, input)) in types.iter().zip(&body.inputs).enumerate() {
        let is_sliced = (*carried..carried + sliced).contains(&position);
        let slice = if is_sliced {
            require(ty.rank() > 0 && scope.agrees(&ty.shape.dims()[0], length), || {
                format!("{ty} has no {length} slices")
            })?;
            Type::new(ty.element, Shape(ty.shape.dims()[1..].to_vec()))
        } else {
            (*ty).clone()
        };
        same(scope, &slice, &input.ty)?;
    }

    for (input, (_, id)) in body.inputs.iter().zip(&body.results).take(*carried) {
        same(scope, &input.ty, body.ty(*id))?;
    }
    let ty = body.ty(body.results[*result].1).clone();
    if result < carried {
        return Ok(ty);
    }
    Ok(Type::new(ty.element, Shape([vec![length.clone()], ty.shape.0].concat())))
}

/// `shape` less `axes`.
pub fn without_axes(shape: &Shape, axes: &[usize]) -> Shape {
    Shape(
        shape
            .dims()
            .iter()
            .enumerate()
            .filter(|(axis, _)| !axes.contains(axis))
            .map(|(_, dim)| dim.clone())
            .collect(),
    )
}

fn check_axes(axes: &[usize], rank: usize) -> Result<(), Error> {
    let ascending = axes.windows(2).all(|pair| pair[0] < pair[1]);
    require(ascending && axes.iter().all(|&axis| axis < rank), || format!("axes {axes:?} of rank {rank}"))
}

fn same(scope: &dyn Scope, x: &Type, y: &Type) -> Result<(), Error> {
    require(x.element == y.element, || format!("{} and {}", x.element, y.element))?;
    same_shape(scope, &x.shape, &y.shape)
}

fn same_shape(scope: &dyn Scope, x: &Shape, y: &Shape) -> Result<(), Error> {
    let alike = x.rank() == y.rank() && x.dims().iter().zip(y.dims()).all(|(a, b)| scope.agrees(a, b));
    require(alike, || format!("{x} and {y} differ"))
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::new(message())) }
}
