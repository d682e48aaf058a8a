//! The rule table: what an op makes of the gradient that arrives at its result.
//!
//! In: a node, one of its operands, the gradient of the node. Out: the operand's share of it, with the operand's shape, and where it
//! counts if not everywhere (elsewhere its value means nothing). Each op has a line or a short function. Sums, pruning, masks and origins
//! are the walker's business. Rules are asked only for operands that carry a gradient.
//!
//! # Decisions
//!
//! - The gradient of a greatest or least element is split evenly among equal ones: PyTorch's `amax` and JAX do; with the first
//!   alone, a row and its mirror image would learn differently.
//! - The derivative of e^x − 1 is e^x: y + 1 cancels where elu is flat.

use super::guard::Guard;
use crate::dim::Dim;
use crate::error::Error;
use crate::graph::{Graph, NodeId, bug};
use crate::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary, Window};
use crate::rebuild::remake;
use crate::types::Shape;
use std::collections::HashMap;

/// The gradient of operand `position` of `id` where `g` is the gradient of `id`, and where it counts.
pub(super) fn pull(
    graph: &mut Graph,
    id: NodeId,
    position: usize,
    g: NodeId,
) -> Result<(NodeId, Option<Guard>), Error> {
    let op = graph.op(id).clone();
    let operands = graph.operands(id);
    let x = operands[position];

    let mut r = Rule { graph, y: id, g, guard: None };
    let share = match &op {
        Op::Input(_)
        | Op::Storage(_)
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::DimValue { .. }
        | Op::RandomBits { .. }
        | Op::Compare(_)
        | Op::ArgMax { .. }
        | Op::StopGradient
        | Op::Arriving { .. }
        | Op::Select
        | Op::Scan { .. } => bug("a gradient through an op that has no rule here"),
        Op::Unary(function) => r.unary(*function, x),
        Op::Binary(function) => r.binary(*function, position, operands[0], operands[1]),
        Op::Convert(_) => r.graph.add(Op::Convert(r.graph.ty(x).element), &[g]),
        Op::Reduce { kind: Reduction::Sum, axes } => r.spread_back(g, x, axes),
        Op::Reduce { kind: Reduction::Max | Reduction::Min, axes } => r.extremum(x, axes),
        Op::CumulativeSum { axis } => r.sum_from_behind(*axis),
        Op::Reshape(_) => r.graph.add(Op::Reshape(r.graph.shape(x).clone()), &[g]),
        Op::Transpose(permutation) => r.graph.add(Op::Transpose(inverse(permutation)), &[g]),
        Op::Broadcast { shape, axes } => {
            let new = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
            r.graph.add(Op::Reduce { kind: Reduction::Sum, axes: new }, &[g])
        }
        Op::Slice(ranges) => r.unslice(x, ranges),
        Op::Pad(paddings) => r.unpad(x, paddings),
        Op::Concatenate { axis } => r.part(*axis, &operands, position),
        Op::Reverse(axes) => r.graph.add(Op::Reverse(axes.clone()), &[g]),
        Op::Window(window) => r.fold(x, window),
        Op::Fold { window, .. } => r.graph.add(Op::Window(window.clone()), &[g]),
        Op::Gather { axis, batch } => {
            let size = r.graph.shape(x).dims()[*axis].clone();
            r.graph.add(Op::ScatterAdd { axis: *axis, batch: *batch, size }, &[g, operands[1]])
        }
        Op::ScatterAdd { axis, batch, size: _ } => {
            r.graph.add(Op::Gather { axis: *axis, batch: *batch }, &[g, operands[1]])
        }
        Op::DotGeneral { batch, contract } if position == 0 => {
            r.dot_left(operands[0], operands[1], batch, contract)
        }
        Op::DotGeneral { batch, contract } => r.dot_right(operands[0], operands[1], batch, contract),
        Op::Surrogate => g,
        Op::Pullback if position == 0 => g,
        Op::Pullback => r.share(operands[2], operands[3]),
    };

    Ok((share, r.guard))
}

/// `reduced`, which has the shape of `x` without `axes`, spread over the shape of `x`.
pub(super) fn spread_back(graph: &mut Graph, reduced: NodeId, x: NodeId, axes: &[usize]) -> NodeId {
    let shape = graph.shape(x).clone();
    let kept = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
    graph.add(Op::Broadcast { shape, axes: kept }, &[reduced])
}

struct Rule<'a> {
    graph: &'a mut Graph,
    /// The node.
    y: NodeId,
    /// Its gradient.
    g: NodeId,
    /// Where the share counts, if not everywhere.
    guard: Option<Guard>,
}

impl Rule<'_> {
    /// What the formula `share` is where the gradient takes the place of its stand-in.
    fn share(&mut self, arriving: NodeId, share: NodeId) -> NodeId {
        let mut replaced = HashMap::from([(arriving, self.g)]);
        let formula = self.graph.ids_from(arriving.index()).take_while(|&id| id <= share);
        remake(self.graph, formula, &mut replaced);
        replaced.get(&share).copied().unwrap_or(share)
    }

    fn unary(&mut self, function: Unary, x: NodeId) -> NodeId {
        let (y, g) = (self.y, self.g);
        match function {
            Unary::Neg => self.neg(g),
            Unary::Exp => self.mul(g, y),
            Unary::Expm1 => {
                // y + 1 would cancel where y is near −1.
                let slope = self.one(Unary::Exp, x);
                self.mul(g, slope)
            }
            Unary::Log => self.div(g, x),
            Unary::Log1p => {
                let below = self.plus(x, 1.0);
                self.div(g, below)
            }
            Unary::Sqrt => {
                let below = self.times(y, 2.0);
                self.div(g, below)
            }
            Unary::Tanh => {
                let square = self.mul(y, y);
                let slope = self.from(1.0, square);
                self.mul(g, slope)
            }
            Unary::Logistic => {
                let rest = self.from(1.0, y);
                let slope = self.mul(y, rest);
                self.mul(g, slope)
            }
            Unary::Softplus => {
                let slope = self.one(Unary::Logistic, x);
                self.mul(g, slope)
            }
            Unary::Sin => {
                let slope = self.one(Unary::Cos, x);
                self.mul(g, slope)
            }
            Unary::Cos => {
                let sine = self.one(Unary::Sin, x);
                let slope = self.neg(sine);
                self.mul(g, slope)
            }
            Unary::Erf => {
                // e^(−x²), as a square: of a rounded x² it would lose its bits where x is large.
                let root = self.one(Unary::Bell, x);
                let bell = self.mul(root, root);
                let slope = self.times(bell, std::f64::consts::FRAC_2_SQRT_PI);
                self.mul(g, slope)
            }
            Unary::NormalCdf => {
                let bell = self.one(Unary::Bell, x);
                let slope = self.times(bell, FRAC_1_SQRT_2PI);
                self.mul(g, slope)
            }
            Unary::Bell => {
                let share = self.mul(x, y);
                let slope = self.neg(share);
                self.mul(g, slope)
            }
            Unary::Abs => {
                let slope = self.one(Unary::Sign, x);
                self.mul(g, slope)
            }
            Unary::Sign | Unary::Floor | Unary::IsFinite | Unary::Ordinal | Unary::Not => {
                bug("a gradient through a step function")
            }
        }
    }

    fn binary(&mut self, function: Binary, position: usize, a: NodeId, b: NodeId) -> NodeId {
        let g = self.g;
        match (function, position) {
            (Binary::Add, _) | (Binary::Sub, 0) => g,
            (Binary::Sub, _) => self.neg(g),
            (Binary::Mul, 0) => self.mul(g, b),
            (Binary::Mul, _) => self.mul(g, a),
            (Binary::Div, 0) => self.div(g, b),
            (Binary::Div, _) => {
                let share = self.mul(g, self.y);
                let quotient = self.div(share, b);
                self.neg(quotient)
            }
            (Binary::Max, 0) => self.chosen(Compare::GreaterEqual, a, b),
            (Binary::Max, _) => self.chosen(Compare::GreaterEqual, b, a),
            (Binary::Min, 0) => self.chosen(Compare::LessEqual, a, b),
            (Binary::Min, _) => self.chosen(Compare::LessEqual, b, a),
            (Binary::Pow, 0) => self.pow_base(a, b),
            (Binary::Pow, _) => self.pow_exponent(a),
            (
                Binary::And
                | Binary::Or
                | Binary::Xor
                | Binary::ShiftLeft
                | Binary::ShiftRight
                | Binary::Threefry,
                _,
            ) => bug("a gradient through bits"),
        }
    }

    /// All of the gradient where `x` wins over `other`, half of it on a tie.
    fn chosen(&mut self, wins_or_ties: Compare, x: NodeId, other: NodeId) -> NodeId {
        let half = self.times(self.g, 0.5);
        let tie = self.graph.add(Op::Compare(Compare::Equal), &[x, other]);
        let chosen = self.graph.add(Op::Compare(wins_or_ties), &[x, other]);
        self.guard = Some(Guard::new(chosen, true));
        self.graph.add(Op::Select, &[tie, half, self.g])
    }

    /// b·aᵇ⁻¹, but 0 where b is 0: there aᵇ is 1 whatever a is, while 0·0⁻¹ would be NaN.
    fn pow_base(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let less = self.plus(b, -1.0);
        let power = self.graph.add(Op::Binary(Binary::Pow), &[a, less]);
        let slope = self.mul(b, power);
        let product = self.mul(self.g, slope);
        let zero = self.graph.full_like(b, 0.0);
        let flat = self.graph.add(Op::Compare(Compare::Equal), &[b, zero]);
        self.guard = Some(Guard::new(flat, false));
        product
    }

    /// aᵇ·ln a, with ln taken of 1 where a is 0: there the power does not move as long as it is finite, and 0·ln 0 would be NaN.
    fn pow_exponent(&mut self, a: NodeId) -> NodeId {
        let (zero, one) = (self.graph.full_like(a, 0.0), self.graph.full_like(a, 1.0));
        let at_zero = self.graph.add(Op::Compare(Compare::Equal), &[a, zero]);
        let base = self.graph.add(Op::Select, &[at_zero, one, a]);
        let logarithm = self.one(Unary::Log, base);
        let slope = self.mul(self.y, logarithm);
        self.mul(self.g, slope)
    }

    /// Split evenly among the elements that are the greatest (least).
    fn extremum(&mut self, x: NodeId, axes: &[usize]) -> NodeId {
        let extremes = self.spread_back(self.y, x, axes);
        let equal = self.graph.add(Op::Compare(Compare::Equal), &[x, extremes]);
        let ones = self.graph.add(Op::Convert(self.graph.ty(x).element), &[equal]);
        let count = self.graph.add(Op::Reduce { kind: Reduction::Sum, axes: axes.to_vec() }, &[ones]);
        let share = self.div(self.g, count);
        self.guard = Some(Guard::new(equal, true));
        self.spread_back(share, x, axes)
    }

    /// An element is part of its own sum and of all behind it: the sum of the gradient from the end of the axis on.
    fn sum_from_behind(&mut self, axis: usize) -> NodeId {
        let reversed = self.graph.add(Op::Reverse(vec![axis]), &[self.g]);
        let summed = self.graph.add(Op::CumulativeSum { axis }, &[reversed]);
        self.graph.add(Op::Reverse(vec![axis]), &[summed])
    }

    fn spread_back(&mut self, reduced: NodeId, x: NodeId, axes: &[usize]) -> NodeId {
        spread_back(self.graph, reduced, x, axes)
    }

    fn unslice(&mut self, x: NodeId, ranges: &[Range]) -> NodeId {
        let result = self.graph.shape(self.g).clone();
        if result.dims().iter().any(|dim| dim.is(0)) {
            return self.graph.full_like(x, 0.0);
        }
        let sizes = self.graph.shape(x).clone();

        let axes = ranges.iter().zip(sizes.dims()).zip(result.dims());
        let paddings = axes.map(|((range, size), count)| {
            let covered = extent(count, range.stride);
            Padding {
                low: range.start.clone(),
                high: &(size - &range.start) - &covered,
                interior: range.stride - 1,
            }
        });

        let op = Op::Pad(paddings.collect());
        self.graph.add(op, &[self.g])
    }

    fn unpad(&mut self, x: NodeId, paddings: &[Padding]) -> NodeId {
        let sizes = self.graph.shape(x).clone();
        if sizes.dims().iter().any(|dim| dim.is(0)) {
            return self.graph.full_like(x, 0.0);
        }
        let ranges = paddings.iter().zip(sizes.dims()).map(|(padding, size)| {
            let stride = padding.interior + 1;
            Range { start: padding.low.clone(), end: &padding.low + &extent(size, stride), stride }
        });
        let op = Op::Slice(ranges.collect());
        self.graph.add(op, &[self.g])
    }

    fn fold(&mut self, x: NodeId, window: &Window) -> NodeId {
        let size = self.graph.shape(x).dims()[window.axis].clone();
        self.graph.add(Op::Fold { window: window.clone(), size }, &[self.g])
    }

    /// The part of a concatenation's gradient that belongs to one operand.
    fn part(&mut self, axis: usize, operands: &[NodeId], position: usize) -> NodeId {
        let size = |id: NodeId| self.graph.shape(id).dims()[axis].clone();
        let start = operands[..position].iter().fold(Dim::default(), |sum, &id| &sum + &size(id));
        let end = &start + &size(operands[position]);
        let whole = self.graph.shape(self.g).clone();
        let mut ranges: Vec<Range> = whole.dims().iter().map(Range::whole).collect();
        ranges[axis] = Range { start, end, stride: 1 };
        self.graph.add(Op::Slice(ranges), &[self.g])
    }

    /// g · bᵀ: contracts the result's axes that come from `b` alone.
    fn dot_left(
        &mut self,
        a: NodeId,
        b: NodeId,
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
    ) -> NodeId {
        let axes = DotAxes::new(self.graph.shape(a), self.graph.shape(b), batch, contract);
        let kept = (0..batch.len()).zip(batch.iter().map(|pair| pair.1)).collect();
        let summed = axes.right_results().zip(axes.right.iter().copied()).collect();
        let product = self.graph.add(Op::DotGeneral { batch: kept, contract: summed }, &[self.g, b]);
        // The product's axes: batch, a's own, then the contracted ones in b's order.
        let mut order: Vec<usize> = batch.iter().map(|pair| pair.0).collect();
        order.extend(&axes.left);
        order.extend(sorted_by(contract, |pair| pair.1).iter().map(|pair| pair.0));
        self.reorder(product, &order)
    }

    /// aᵀ · g: contracts the result's axes that come from `a` alone.
    fn dot_right(
        &mut self,
        a: NodeId,
        b: NodeId,
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
    ) -> NodeId {
        let axes = DotAxes::new(self.graph.shape(a), self.graph.shape(b), batch, contract);
        let kept = batch.iter().map(|pair| pair.0).zip(0..batch.len()).collect();
        let summed = axes.left.iter().copied().zip(axes.left_results()).collect();
        let product = self.graph.add(Op::DotGeneral { batch: kept, contract: summed }, &[a, self.g]);
        // The product's axes: batch, the contracted ones in a's order, then b's own.
        let mut order: Vec<usize> = batch.iter().map(|pair| pair.1).collect();
        order.extend(sorted_by(contract, |pair| pair.0).iter().map(|pair| pair.1));
        order.extend(&axes.right);
        self.reorder(product, &order)
    }

    /// Axis `i` of `x` becomes axis `order[i]`.
    fn reorder(&mut self, x: NodeId, order: &[usize]) -> NodeId {
        if order.iter().copied().eq(0..order.len()) {
            return x;
        }
        self.graph.add(Op::Transpose(inverse(order)), &[x])
    }

    fn one(&mut self, function: Unary, x: NodeId) -> NodeId {
        self.graph.add(Op::Unary(function), &[x])
    }

    fn neg(&mut self, x: NodeId) -> NodeId {
        self.one(Unary::Neg, x)
    }

    fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.graph.add(Op::Binary(Binary::Mul), &[a, b])
    }

    fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.graph.add(Op::Binary(Binary::Div), &[a, b])
    }

    fn times(&mut self, x: NodeId, factor: f64) -> NodeId {
        let factor = self.graph.full_like(x, factor);
        self.mul(x, factor)
    }

    fn plus(&mut self, x: NodeId, term: f64) -> NodeId {
        let term = self.graph.full_like(x, term);
        self.graph.add(Op::Binary(Binary::Add), &[x, term])
    }

    fn from(&mut self, value: f64, x: NodeId) -> NodeId {
        let value = self.graph.full_like(x, value);
        self.graph.add(Op::Binary(Binary::Sub), &[value, x])
    }
}

/// 1/√(2π): the height of the standard normal distribution.
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// The axes that each operand of a product keeps for itself.
struct DotAxes {
    batch: usize,
    left: Vec<usize>,
    right: Vec<usize>,
}

impl DotAxes {
    fn new(a: &Shape, b: &Shape, batch: &[(usize, usize)], contract: &[(usize, usize)]) -> DotAxes {
        let pairs = || batch.iter().chain(contract);
        DotAxes {
            batch: batch.len(),
            left: (0..a.rank()).filter(|axis| pairs().all(|pair| pair.0 != *axis)).collect(),
            right: (0..b.rank()).filter(|axis| pairs().all(|pair| pair.1 != *axis)).collect(),
        }
    }

    /// Where `left` stands in the result.
    fn left_results(&self) -> std::ops::Range<usize> {
        self.batch..self.batch + self.left.len()
    }

    /// Where `right` stands in the result.
    fn right_results(&self) -> std::ops::Range<usize> {
        let start = self.batch + self.left.len();
        start..start + self.right.len()
    }
}

fn sorted_by(pairs: &[(usize, usize)], key: impl Fn(&(usize, usize)) -> usize) -> Vec<(usize, usize)> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by_key(key);
    sorted
}

/// How many elements `count` elements cover at this stride.
fn extent(count: &Dim, stride: i64) -> Dim {
    if stride == 1 { count.clone() } else { &(&Dim::from(stride) * count) - &Dim::from(stride - 1) }
}

/// The permutation that undoes `permutation`.
pub(super) fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (to, &from) in permutation.iter().enumerate() {
        inverse[from] = to;
    }
    inverse
}
