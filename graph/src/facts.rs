//! Facts about ops: each property of ops that other code decides by.
//!
//! In: an op. Out: its row ([`Op::facts`]) and what follows from its attributes: its dims, conditions on them, when it equals its operand.
//! Passes, checks, fusion and the cost model ask here; none keeps a list of ops of its own.
//!
//! A new op is a variant and, where the compiler says so: its facts here, an arm of [`crate::infer`], of the gradient rules
//! (`differentiate/rules.rs`), of the interpreter, and one of its lowering (`codegen/src/plan/build.rs`, for a view its index in
//! `codegen/src/ir/affine.rs`; for a function of numbers `codegen/src/lane/scalar.rs`).
//!
//! Must hold: no match over ops has a catch-all arm, here or anywhere (`tests/house.rs` of downhill). Code that is about certain ops alone,
//! such as a rule of simplification, uses `if let`, `let … else` or `matches!`.

mod functions;

pub use functions::{BinaryFacts, Bound, Cost, OfFinite, ReductionFacts, Slope, Takes, UnaryFacts};

use crate::dim::Dim;
use crate::op::{Op, Padding, Range, Window};
use crate::types::{Shape, Type};

/// What kind of thing an op does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A source: it has no operands.
    Source,
    /// Each element of the result comes from the elements of the operands at the same index.
    Elementwise,
    /// Moves the operand's elements to other indices, unchanged; some may be repeated or left out.
    View,
    /// Each element of the result comes from many elements of the operand.
    Fold,
    /// Each element of the result comes from the operand's elements up to its own along an axis.
    Prefix,
    /// Each element of the result is a sum of products of elements of its two operands.
    Contraction,
    /// Puts its operands beside each other, and zeros elsewhere.
    Pieces,
    /// Each element of the result is one of the first operand, at an index that the second operand holds.
    Gather,
    /// Each element of the first operand is added to one of the result, at an index that the second operand holds.
    Scatter,
    /// Runs a body in each iteration.
    Loop,
    /// The value is the first operand; only differentiation treats it differently.
    Marker,
}

/// What an op is, whatever its shapes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// `dot_general`.
    pub name: &'static str,
    /// What kind of thing it does.
    pub class: Class,
    /// How many operands it takes; `None` for one or more.
    pub operands: Option<usize>,
    /// What its derivatives by its operands depend on; the last entry is for all further operands too.
    slopes: [Slope; 3],
    /// How large its elements are.
    pub bound: Bound,
    /// What an element of it costs.
    pub cost: Cost,
    /// Each element of each operand is exactly one of the result's, unchanged.
    pub keeps_all: bool,
}

impl Facts {
    /// What the derivative by the operand at `position` is made of.
    pub fn slope(&self, position: usize) -> Slope {
        self.slopes[position.min(2)]
    }
}

impl Op {
    /// Its row.
    pub fn facts(&self) -> Facts {
        use Slope::{Function, Number, Other, Zero};
        match self {
            Op::Input(_) => source("input"),
            Op::Storage(_) => source("storage"),
            Op::Constant(_) => source("constant"),
            Op::Iota { .. } => source("iota"),
            Op::DimValue { .. } => source("dim"),
            Op::RandomBits { .. } => Facts { cost: Cost::RANDOM, ..source("random_bits") },
            Op::Unary(function) => {
                let row = function.facts();
                Facts { bound: row.bound, cost: row.cost, ..elementwise(row.name, 1, [row.slope; 3]) }
            }
            Op::Binary(function) => {
                let row = function.facts();
                let [left, right] = row.slopes;
                Facts { bound: row.bound, cost: row.cost, ..elementwise(row.name, 2, [left, right, right]) }
            }
            Op::Compare(comparison) => elementwise(comparison.name(), 2, [Zero; 3]),
            Op::Select => {
                Facts { bound: Bound::Operands, ..elementwise("select", 3, [Zero, Number, Number]) }
            }
            Op::Convert(_) => elementwise("convert", 1, [Number; 3]),
            Op::Reduce { kind, .. } => {
                let row = kind.facts();
                Facts { bound: row.bound, slopes: [row.slope; 3], ..fold("reduce") }
            }
            Op::ArgMax { .. } => fold("argmax"),
            Op::CumulativeSum { .. } => row("cumulative_sum", Class::Prefix, Some(1), [Number; 3]),
            Op::Reshape(_) => Facts { keeps_all: true, ..view("reshape") },
            Op::Transpose(_) => Facts { keeps_all: true, ..view("transpose") },
            Op::Broadcast { .. } => view("broadcast"),
            Op::Slice(_) => view("slice"),
            Op::Pad(_) => Facts { operands: Some(1), ..pieces("pad") },
            Op::Concatenate { .. } => pieces("concatenate"),
            Op::Reverse(_) => Facts { keeps_all: true, ..view("reverse") },
            Op::Window(_) => view("window"),
            Op::Fold { .. } => Facts { slopes: [Number; 3], ..fold("fold") },
            Op::Gather { .. } => Facts {
                bound: Bound::Operands,
                cost: Cost::LOOKUP,
                ..row("gather", Class::Gather, Some(2), [Number, Zero, Zero])
            },
            Op::ScatterAdd { .. } => row("scatter_add", Class::Scatter, Some(2), [Number, Zero, Zero]),
            Op::DotGeneral { .. } => row("dot_general", Class::Contraction, Some(2), [Other; 3]),
            Op::StopGradient => row("stop_gradient", Class::Marker, Some(1), [Zero; 3]),
            Op::Surrogate => row("surrogate", Class::Marker, Some(2), [Zero, Number, Number]),
            Op::Arriving { .. } => source("arriving"),
            Op::Pullback => row("pullback", Class::Marker, Some(4), [Number, Function, Zero]),
            // Which results depend on which operands only the body tells. Treating all as dependent costs only zeros.
            Op::Scan { .. } => row("scan", Class::Loop, None, [Function; 3]),
        }
    }

    /// What kind of thing it does.
    pub fn class(&self) -> Class {
        self.facts().class
    }

    /// Whether the gradient of its result reaches its operand at `position`; the operand must be a float besides.
    pub fn passes_gradient(&self, position: usize) -> bool {
        self.facts().slope(position) != Slope::Zero
    }

    /// Its attributes, as written behind its name in text; those that depend on the graph are left out.
    pub fn attributes(&self) -> String {
        match self {
            Op::Constant(literal) => literal.to_string(),
            Op::Iota { shape: _, axis } => format!("axis {axis}"),
            Op::DimValue { dim, element: _ } => dim.to_string(),
            Op::RandomBits { stream, shape: _ } => format!("stream {stream}"),
            Op::Arriving { number, ty: _ } => number.to_string(),
            Op::Convert(element) => element.to_string(),
            Op::Reduce { kind, axes } => format!("{} axes {axes:?}", kind.facts().name),
            Op::ArgMax { axis } | Op::CumulativeSum { axis } | Op::Concatenate { axis } => {
                format!("axis {axis}")
            }
            Op::Transpose(order) => format!("{order:?}"),
            Op::Broadcast { shape: _, axes } => format!("axes {axes:?}"),
            Op::Slice(ranges) => format!("[{}]", list(ranges)),
            Op::Pad(paddings) => format!("[{}]", list(paddings)),
            Op::Reverse(axes) => format!("{axes:?}"),
            Op::Window(window) => window.to_string(),
            Op::Fold { window, size } => format!("{window} to {size}"),
            Op::Gather { axis, batch: 0 } => format!("axis {axis}"),
            Op::Gather { axis, batch } => format!("axis {axis} batch {batch}"),
            Op::ScatterAdd { axis, batch: 0, size } => format!("axis {axis} size {size}"),
            Op::ScatterAdd { axis, batch, size } => format!("axis {axis} batch {batch} size {size}"),
            Op::DotGeneral { batch, contract } if batch.is_empty() => format!("contract {contract:?}"),
            Op::DotGeneral { batch, contract } => format!("batch {batch:?} contract {contract:?}"),
            Op::Scan { body: _, carried, sliced, length, reversed, recompute, result } => {
                let order = if *reversed { " reversed" } else { "" };
                let again = if *recompute { " recompute" } else { "" };
                format!("result {result} carried {carried} sliced {sliced} length {length}{order}{again}")
            }
            Op::Input(_)
            | Op::Storage(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Reshape(_)
            | Op::StopGradient
            | Op::Surrogate
            | Op::Pullback => String::new(),
        }
    }

    /// Whether its value is its first operand, given that operand's type and the number of operands.
    pub fn is_identity(&self, x: &Type, operands: usize) -> bool {
        let shape = &x.shape;
        match self {
            Op::Reshape(to) => to == shape,
            Op::Transpose(permutation) => permutation.iter().copied().eq(0..shape.rank()),
            Op::Broadcast { shape: to, axes } => to == shape && axes.len() == shape.rank(),
            Op::Slice(ranges) => {
                ranges.iter().zip(shape.dims()).all(|(range, dim)| *range == Range::whole(dim))
            }
            Op::Pad(paddings) => paddings.iter().all(|padding| *padding == Padding::none()),
            Op::Reverse(axes) => axes.iter().all(|&axis| shape.dims()[axis].is(1)),
            Op::Concatenate { .. } => operands == 1,
            Op::CumulativeSum { axis } => shape.dims()[*axis].is(1),
            Op::Convert(element) => x.element == *element,
            Op::Input(_)
            | Op::Storage(_)
            | Op::Constant(_)
            | Op::Iota { .. }
            | Op::DimValue { .. }
            | Op::RandomBits { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Reduce { .. }
            | Op::ArgMax { .. }
            | Op::Window(_)
            | Op::Fold { .. }
            | Op::Gather { .. }
            | Op::ScatterAdd { .. }
            | Op::DotGeneral { .. }
            | Op::StopGradient
            | Op::Surrogate
            | Op::Arriving { .. }
            | Op::Pullback
            | Op::Scan { .. } => false,
        }
    }
}

/// A row without more to say.
fn row(name: &'static str, class: Class, operands: Option<usize>, slopes: [Slope; 3]) -> Facts {
    let (bound, cost, keeps_all) = (Bound::Unknown, Cost::NOTHING, false);
    Facts { name, class, operands, slopes, bound, cost, keeps_all }
}

fn source(name: &'static str) -> Facts {
    row(name, Class::Source, Some(0), [Slope::Zero; 3])
}

fn elementwise(name: &'static str, operands: usize, slopes: [Slope; 3]) -> Facts {
    Facts { cost: Cost::LIGHT, ..row(name, Class::Elementwise, Some(operands), slopes) }
}

fn view(name: &'static str) -> Facts {
    Facts { bound: Bound::Operands, ..row(name, Class::View, Some(1), [Slope::Number; 3]) }
}

fn fold(name: &'static str) -> Facts {
    row(name, Class::Fold, Some(1), [Slope::Zero; 3])
}

fn pieces(name: &'static str) -> Facts {
    Facts { keeps_all: true, ..row(name, Class::Pieces, None, [Slope::Number; 3]) }
}

/// Visits the dims among an op's attributes: shapes, bounds of slices, padding.
macro_rules! walk_dims {
    ($op:expr, $iter:ident) => {
        match $op {
            Op::Iota { shape, .. }
            | Op::RandomBits { shape, .. }
            | Op::Reshape(shape)
            | Op::Broadcast { shape, .. }
            | Op::Arriving { ty: Type { shape, .. }, .. } => shape.0.$iter().collect(),
            Op::DimValue { dim, .. } => vec![dim],
            Op::Slice(ranges) => ranges.$iter().flat_map(|Range { start, end, .. }| [start, end]).collect(),
            Op::Pad(paddings) => paddings.$iter().flat_map(|Padding { low, high, .. }| [low, high]).collect(),
            Op::Window(Window { axis: _, taps, stride, dilation }) => vec![taps, stride, dilation],
            Op::Fold { window: Window { axis: _, taps, stride, dilation }, size } => {
                vec![taps, stride, dilation, size]
            }
            Op::ScatterAdd { size, .. } => vec![size],
            Op::Scan { length, .. } => vec![length],
            Op::Input(_)
            | Op::Storage(_)
            | Op::Constant(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Convert(_)
            | Op::Reduce { .. }
            | Op::ArgMax { .. }
            | Op::CumulativeSum { .. }
            | Op::Transpose(_)
            | Op::Concatenate { .. }
            | Op::Reverse(_)
            | Op::Gather { .. }
            | Op::DotGeneral { .. }
            | Op::StopGradient
            | Op::Surrogate
            | Op::Pullback => Vec::new(),
        }
    };
}

/// What must hold of an op's dims once they are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Demand<'a> {
    /// 0 ≤ start ≤ end ≤ the size of the axis.
    Within(&'a Range, &'a Dim),
    /// At least one window fits in the size of the axis, and it has taps and moves.
    Fits(&'a Window, &'a Dim),
    /// Not negative.
    NotNegative(&'a Dim),
    /// It must fit in an i32, which counts it.
    Counted(&'static str, Dim),
    /// An axis of this size must have elements, unless there are no elements of this number that are looked up in it.
    Inhabited(&'a Dim, Dim),
}

impl Op {
    /// The dims among its attributes: shapes, bounds of slices, padding.
    pub fn dims(&self) -> Vec<&Dim> {
        walk_dims!(self, iter)
    }

    /// The same op with its dims changed.
    pub fn map_dims(mut self, change: &dyn Fn(&Dim) -> Dim) -> Op {
        let dims: Vec<&mut Dim> = walk_dims!(&mut self, iter_mut);
        dims.into_iter().for_each(|dim| *dim = change(dim));
        self
    }

    /// What must hold of its dims once they are known, given the operands' shapes.
    pub fn demands<'a>(&'a self, operands: &[&'a Shape]) -> Vec<Demand<'a>> {
        match self {
            Op::Slice(ranges) => {
                let axes = ranges.iter().zip(operands[0].dims());
                axes.map(|(range, size)| Demand::Within(range, size)).collect()
            }
            Op::Pad(_) => self.dims().into_iter().map(Demand::NotNegative).collect(),
            Op::Window(window) => vec![Demand::Fits(window, &operands[0].dims()[window.axis])],
            Op::Fold { window, size } => vec![Demand::Fits(window, size)],
            // Positions are counted over the whole shape.
            Op::RandomBits { shape, .. } => vec![Demand::Counted("random elements", shape.size())],
            Op::Iota { shape, axis } => {
                vec![Demand::Counted("counted elements", shape.dims()[*axis].clone())]
            }
            Op::ArgMax { axis } => {
                let size = operands[0].dims()[*axis].clone();
                vec![Demand::Counted("elements of which the index of the greatest is asked", size)]
            }
            Op::Gather { axis, batch } => {
                let places = without(operands[0], *axis).chain(operands[1].dims().iter().skip(*batch));
                let size = &operands[0].dims()[*axis];
                looked_up(size, operands[0].size(), places.fold(Dim::from(1), |count, dim| &count * dim))
            }
            Op::ScatterAdd { axis, batch, size } => {
                let own = operands[1].rank().saturating_sub(*batch);
                let mut kept = operands[0].dims().to_vec();
                kept.drain(*axis..*axis + own);
                looked_up(size, &Shape(kept).size() * size, operands[0].size())
            }
            Op::DimValue { dim, element } if element.is_integer() => {
                vec![Demand::Counted("things that a size counts as an integer", dim.clone())]
            }
            Op::Input(_)
            | Op::Storage(_)
            | Op::Constant(_)
            | Op::DimValue { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Convert(_)
            | Op::Reduce { .. }
            | Op::CumulativeSum { .. }
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Broadcast { .. }
            | Op::Concatenate { .. }
            | Op::Reverse(_)
            | Op::DotGeneral { .. }
            | Op::StopGradient
            | Op::Surrogate
            | Op::Arriving { .. }
            | Op::Pullback
            | Op::Scan { .. } => Vec::new(),
        }
    }
}

/// What lookups along an axis of `size` ask for: an element to find, and positions that an i32 holds.
fn looked_up(size: &Dim, elements: Dim, lookups: Dim) -> Vec<Demand<'_>> {
    vec![Demand::Inhabited(size, lookups), Demand::Counted("elements that are looked up by index", elements)]
}

/// The dims of `shape` but that of `axis`.
fn without(shape: &Shape, axis: usize) -> impl Iterator<Item = &Dim> {
    shape.dims().iter().enumerate().filter(move |(other, _)| *other != axis).map(|(_, dim)| dim)
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
