//! One more node of a random graph: every kind of op, on operands that fit.
//!
//! In: a generator's pool. Out: at most one value more in it. An op that fits nothing made so far adds nothing.

use super::generator::{Generator, Known, MOST_ELEMENTS};
use super::numbers::Numbers;
use downhill_graph::dim::Dim;
use downhill_graph::graph::NodeId;
use downhill_graph::op::{Binary, Compare, Op, Padding, Range, Reduction, Unary, Window};
use downhill_graph::types::ElementType::{Bool, F32, I32, U32};
use downhill_graph::types::Shape;

const COMPARE: [Compare; 6] = [
    Compare::Less,
    Compare::LessEqual,
    Compare::Equal,
    Compare::NotEqual,
    Compare::Greater,
    Compare::GreaterEqual,
];

impl Generator<'_> {
    pub(crate) fn grow(&mut self) {
        match self.choices.below(32) {
            0 | 1 => self.float_unary(),
            2..=4 => self.float_binary(),
            5 => self.divide_or_raise(),
            6 => self.integers(),
            7 => self.booleans(),
            8 => self.compare(),
            9 => self.select(),
            10 => self.convert(),
            11..=13 => self.reduce(),
            14 => self.arg_max(),
            15 | 16 => self.broadcast(),
            17 => self.transpose(),
            18 => self.slice(),
            19 => self.pad(),
            20 => self.concatenate(),
            21 => self.reshape(),
            22 | 23 => self.dot(),
            24 => self.reverse(),
            25 => self.cumulative_sum(),
            26 | 27 => self.gather(),
            28 => self.scatter_add(),
            29 | 30 => self.window(),
            _ => self.source_op(),
        }
    }

    fn float_unary(&mut self) {
        let Some(x) = self.pick_of(F32) else { return };
        let n = x.numbers;
        let function = self.choices.of(&[
            Unary::Neg,
            Unary::Tanh,
            Unary::Abs,
            Unary::Exp,
            Unary::Logistic,
            Unary::Sin,
            Unary::Softplus,
            Unary::Erf,
            Unary::NormalCdf,
            Unary::Bell,
            Unary::Cos,
            Unary::Expm1,
            Unary::Sqrt,
            Unary::Log,
            Unary::Log1p,
            Unary::Sign,
            Unary::Floor,
            Unary::IsFinite,
            Unary::Ordinal,
        ]);
        let mut node = x.node;
        let numbers = match function {
            Unary::Neg | Unary::Abs => n,
            Unary::Exp | Unary::Expm1 if n.most <= 5.0 => n.through(n.most.exp(), n.most.exp()),
            Unary::Exp | Unary::Expm1 => return,
            Unary::Tanh | Unary::Logistic => n.through(1.0, 1.0),
            Unary::Sin | Unary::Cos if n.most > 1000.0 => return,
            Unary::Sin | Unary::Cos => n.through(1.0, 1.0),
            Unary::Erf => n.through(1.0, 1.2),
            Unary::NormalCdf => n.through(1.0, 0.4),
            Unary::Bell => n.through(1.0, 0.7),
            Unary::Softplus => n.through(n.most + 0.7, 1.0),
            Unary::Sqrt | Unary::Log | Unary::Log1p => {
                node = self.away_from_zero(node);
                n.plus(Numbers::exact(0.5, 1)).through(n.most + 1.0, 2.2)
            }
            Unary::Sign | Unary::Floor | Unary::IsFinite | Unary::Ordinal if !n.is_exact() => return,
            Unary::Floor => Numbers { most: n.most + 1.0, ..n },
            Unary::Sign => Numbers { most: 1.0, ..n },
            Unary::Ordinal => any_integer(),
            Unary::IsFinite | Unary::Not => Numbers::exact(1.0, 0),
        };
        self.push(Op::Unary(function), &[node], x.sizes, numbers);
    }

    /// |x| + ½.
    fn away_from_zero(&mut self, x: NodeId) -> NodeId {
        let size = self.graph.add(Op::Unary(Unary::Abs), &[x]);
        let half = self.graph.full_like(x, 0.5);
        self.graph.add(Op::Binary(Binary::Add), &[size, half])
    }

    fn float_binary(&mut self) {
        let Some(x) = self.pick_of(F32) else { return };
        let y = self.beside(&x);
        let function = self.choices.of(&[Binary::Add, Binary::Mul, Binary::Sub, Binary::Max, Binary::Min]);
        let numbers = match function {
            Binary::Mul => x.numbers.times(y.numbers),
            Binary::Max | Binary::Min => Some(x.numbers.either(y.numbers)),
            _ => Some(x.numbers.plus(y.numbers)),
        };
        if let Some(numbers) = numbers {
            self.push(Op::Binary(function), &[x.node, y.node], x.sizes, numbers);
        }
    }

    fn divide_or_raise(&mut self) {
        let Some(x) = self.pick_of(F32) else { return };
        let y = self.beside(&x);
        let away = |n: Numbers| n.plus(Numbers::exact(0.5, 1));
        if self.choices.below(2) == 0 {
            let divisor = self.away_from_zero(y.node);
            self.push(
                Op::Binary(Binary::Div),
                &[x.node, divisor],
                x.sizes,
                x.numbers.over(away(y.numbers), 0.5),
            );
        } else if !x.numbers.extreme && !y.numbers.extreme && y.numbers.most <= 3.0 {
            // ∂(xʸ) = xʸ·(y/x·∂x + ln x·∂y), x ≥ ½.
            let (base, y_most) = (x.numbers.most + 0.5, y.numbers.most);
            let most = base.max(2.0).powf(y_most);
            let error = most * (y_most * 2.0 * away(x.numbers).error + base.max(2.0).ln() * y.numbers.error);
            let numbers = Numbers { error, ..x.numbers }.through(most, 1.0);
            let base = self.away_from_zero(x.node);
            self.push(Op::Binary(Binary::Pow), &[base, y.node], x.sizes, numbers);
        }
    }

    fn integers(&mut self) {
        let wanted = self.choices.of(&[I32, U32]);
        let Some(x) = self.pick_of(wanted) else { return };
        if self.choices.below(4) == 0 {
            let function = self.choices.of(&[Unary::Neg, Unary::Abs, Unary::Sign, Unary::Not]);
            return self.push(Op::Unary(function), &[x.node], x.sizes, any_integer());
        }
        let y = self.beside(&x);
        let function = self.choices.of(&[
            Binary::Add,
            Binary::Sub,
            Binary::Mul,
            Binary::Max,
            Binary::Min,
            Binary::And,
            Binary::Or,
            Binary::Xor,
            Binary::ShiftLeft,
            Binary::ShiftRight,
            Binary::Threefry,
        ]);
        self.push(Op::Binary(function), &[x.node, y.node], x.sizes, any_integer());
    }

    fn booleans(&mut self) {
        let Some(x) = self.pick_of(Bool) else { return self.compare() };
        let y = self.beside(&x);
        match self.choices.below(4) {
            0 => self.push(Op::Unary(Unary::Not), &[x.node], x.sizes, Numbers::exact(1.0, 0)),
            n => {
                let function = [Binary::And, Binary::Or, Binary::Xor][n - 1];
                self.push(Op::Binary(function), &[x.node, y.node], x.sizes, Numbers::exact(1.0, 0));
            }
        }
    }

    fn compare(&mut self) {
        let x = self.pick();
        let y = self.beside(&x);
        let function = self.choices.of(&COMPARE);
        if x.numbers.is_exact() && y.numbers.is_exact() || x.element != F32 {
            self.push(Op::Compare(function), &[x.node, y.node], x.sizes, Numbers::exact(1.0, 0));
        }
    }

    fn select(&mut self) {
        let x = self.pick();
        let y = self.beside(&x);
        let masks: Vec<Known> =
            self.pool.iter().filter(|m| m.element == Bool && m.dims == x.dims).cloned().collect();
        let mask = if !masks.is_empty() {
            self.choices.of(&masks).node
        } else if x.numbers.is_exact() {
            let zero = self.graph.full_like(x.node, 0.0);
            self.graph.add(Op::Compare(Compare::LessEqual), &[x.node, zero])
        } else {
            return;
        };
        self.push(Op::Select, &[mask, x.node, y.node], x.sizes, x.numbers.either(y.numbers));
    }

    fn convert(&mut self) {
        let x = self.pick();
        let to = self.choices.of(&[F32, I32, U32, Bool]);
        let numbers = match (x.element, to) {
            (F32, F32) => x.numbers,
            (F32, _) if !x.numbers.is_exact() => return,
            (F32 | I32 | U32, Bool) | (Bool, _) => Numbers::exact(1.0, 0),
            (_, F32) => x.numbers,
            _ => any_integer(),
        };
        if to == F32 && x.numbers.most > 16e6 {
            return;
        }
        // A NaN becomes 0, an infinity the last number.
        let numbers = if x.element == F32 && !x.numbers.extreme && to == I32 {
            Numbers::exact(x.numbers.most, 0)
        } else {
            numbers
        };
        self.push(Op::Convert(to), &[x.node], x.sizes, numbers);
    }

    /// Some of the axes, at least one where there is one.
    fn some_axes(&mut self, rank: usize) -> Vec<usize> {
        let bits = self.choices.below(1 << rank);
        let axes: Vec<usize> = (0..rank).filter(|axis| bits >> axis & 1 == 1).collect();
        if axes.is_empty() { (0..rank).rev().take(1).collect() } else { axes }
    }

    fn reduce(&mut self) {
        let x = self.pick();
        if x.element == Bool {
            return;
        }
        let axes = self.some_axes(x.dims.len());
        let kinds = if x.element == U32 {
            vec![Reduction::Sum]
        } else {
            vec![Reduction::Sum, Reduction::Max, Reduction::Min]
        };
        let kind = self.choices.of(&kinds);
        let count = axes.iter().map(|&axis| x.sizes[axis]).product();
        let numbers = match (x.element, kind) {
            (F32, Reduction::Sum) => x.numbers.summed(count),
            // The greatest of nothing is −∞.
            (F32, _) if count == 0 => x.numbers.with_extremes(),
            (F32, _) => x.numbers,
            _ => any_integer(),
        };
        let sizes = without(&x.sizes, &axes);
        self.push(Op::Reduce { kind, axes }, &[x.node], sizes, numbers);
    }

    fn cumulative_sum(&mut self) {
        let x = self.pick();
        if x.element == Bool || x.dims.is_empty() {
            return;
        }
        let axis = self.choices.below(x.dims.len());
        let numbers = if x.element == F32 { x.numbers.summed(x.sizes[axis]) } else { any_integer() };
        self.push(Op::CumulativeSum { axis }, &[x.node], x.sizes, numbers);
    }

    /// Elements of any value by any integers, most of which lie outside of the axis.
    fn gather(&mut self) {
        let x = self.pick();
        let Some(at) = self.pick_of(I32) else { return };
        if x.dims.is_empty() {
            return;
        }
        let axis = self.choices.below(x.dims.len());
        let batch = self.choices.below(leading(&x, &at).min(axis) + 1);
        let sizes = [&x.sizes[..axis], &at.sizes[batch..], &x.sizes[axis + 1..]].concat();
        let (rank, count) = (sizes.len(), sizes.iter().product::<usize>());
        if rank <= 6 && count <= MOST_ELEMENTS && (x.sizes[axis] > 0 || count == 0) {
            self.push(Op::Gather { axis, batch }, &[x.node, at.node], sizes, x.numbers);
        }
    }

    /// Sums of updates for which there are as many indices.
    fn scatter_add(&mut self) {
        let Some(at) = self.pick_of(I32) else { return };
        let mut fitting: Vec<(Known, usize, usize)> = Vec::new();
        for x in self.pool.iter().filter(|x| x.element != Bool) {
            for batch in 0..=leading(x, &at) {
                let own = &at.dims[batch..];
                let axes = batch..(x.dims.len() + 1).saturating_sub(own.len());
                let fits = axes.filter(|axis| x.dims[*axis..axis + own.len()] == *own);
                fitting.extend(fits.map(|axis| (x.clone(), axis, batch)));
            }
        }
        if fitting.is_empty() {
            return;
        }
        let (x, axis, batch) = self.choices.of(&fitting);
        let behind = axis + at.dims.len() - batch;
        let (size, count) = self.dim();
        let sizes = [&x.sizes[..axis], &[count], &x.sizes[behind..]].concat();
        let terms = x.sizes[axis..behind].iter().product();
        let numbers = if x.element == F32 { x.numbers.summed(terms) } else { any_integer() };
        if sizes.len() <= 6 && (count > 0 || x.size() == 0) {
            self.push(Op::ScatterAdd { axis, batch, size }, &[x.node, at.node], sizes, numbers);
        }
    }

    fn arg_max(&mut self) {
        let x = self.pick();
        if x.dims.is_empty() || x.element == U32 || !x.numbers.is_exact() {
            return;
        }
        let axis = self.choices.below(x.dims.len());
        self.push(Op::ArgMax { axis }, &[x.node], without(&x.sizes, &[axis]), Numbers::exact(130.0, 0));
    }

    fn broadcast(&mut self) {
        let x = self.pick();
        let place = self.choices.below(x.dims.len() + 1);
        let ((dim, size), mut dims, mut sizes) = (self.dim(), x.dims.clone(), x.sizes.clone());
        dims.insert(place, dim);
        sizes.insert(place, size);
        let axes = (0..dims.len()).filter(|&axis| axis != place).collect();
        if dims.len() <= 6 {
            self.push(Op::Broadcast { shape: Shape(dims), axes }, &[x.node], sizes, x.numbers);
        }
    }

    fn transpose(&mut self) {
        let x = self.pick();
        let mut order: Vec<usize> = (0..x.dims.len()).collect();
        for i in 1..order.len() {
            let j = self.choices.below(i + 1);
            order.swap(i - usize::from(j == 0), i);
            order.rotate_left(j);
        }
        let sizes = order.iter().map(|&axis| x.sizes[axis]).collect();
        self.push(Op::Transpose(order), &[x.node], sizes, x.numbers);
    }

    fn slice(&mut self) {
        let x = self.pick();
        let (mut ranges, mut sizes) = (Vec::new(), Vec::new());
        for (dim, &size) in x.dims.iter().zip(&x.sizes) {
            let start = self.choices.below(3).min(size);
            let stride = 1 + self.choices.below(3);
            let cut = self.choices.below(2).min(size - start);
            let end = dim - &Dim::from(cut);
            ranges.push(Range { start: start.into(), end, stride: stride as i64 });
            sizes.push((size - cut - start).div_ceil(stride));
        }
        self.push(Op::Slice(ranges), &[x.node], sizes, x.numbers);
    }

    fn pad(&mut self) {
        let x = self.pick();
        let (mut paddings, mut sizes) = (Vec::new(), Vec::new());
        for (dim, &size) in x.dims.iter().zip(&x.sizes) {
            let (low, high) = (self.choices.below(3), self.choices.below(3));
            // Between n elements are n − 1 gaps; nothing is said of n = 0.
            let interior = if size > 0 && dim.as_constant().is_some() { self.choices.below(3) } else { 0 };
            paddings.push(Padding { low: low.into(), high: high.into(), interior: interior as i64 });
            sizes.push(low + size + size.saturating_sub(1) * interior + high);
        }
        self.push(Op::Pad(paddings), &[x.node], sizes, x.numbers);
    }

    fn concatenate(&mut self) {
        let x = self.pick();
        if x.dims.is_empty() {
            return;
        }
        let axis = self.choices.below(x.dims.len());
        let fits = |other: &&Known| {
            other.element == x.element && without(&other.dims, &[axis]) == without(&x.dims, &[axis])
        };
        let fitting: Vec<Known> =
            self.pool.iter().filter(|other| other.dims.len() == x.dims.len()).filter(fits).cloned().collect();
        let mut parts = vec![x.clone()];
        for _ in 0..self.choices.below(3) {
            parts.push(self.choices.of(&fitting));
        }
        let mut sizes = x.sizes.clone();
        sizes[axis] = parts.iter().map(|part| part.sizes[axis]).sum();
        let numbers = parts.iter().fold(x.numbers, |all, part| all.either(part.numbers));
        let nodes: Vec<NodeId> = parts.iter().map(|part| part.node).collect();
        self.push(Op::Concatenate { axis }, &nodes, sizes, numbers);
    }

    fn reverse(&mut self) {
        let x = self.pick();
        let axes = self.some_axes(x.dims.len());
        self.push(Op::Reverse(axes), &[x.node], x.sizes, x.numbers);
    }

    /// What a window sees along an axis whose size is a number; in half of the cases added up again where it was seen, perhaps along an axis
    /// that goes on behind it.
    fn window(&mut self) {
        let x = self.pick();
        let fits = |axis: &usize| x.dims[*axis].as_constant().is_some() && x.sizes[*axis] > 0;
        let axes: Vec<usize> = (0..x.dims.len()).filter(fits).collect();
        if axes.is_empty() || x.dims.len() > 4 {
            return;
        }
        let axis = axes[self.choices.below(axes.len())];
        let size = x.sizes[axis];
        let taps = 1 + self.choices.below(size.min(3));
        let dilation = if taps == 1 { 1 } else { 1 + self.choices.below((size - 1) / (taps - 1)) };
        let stride = 1 + self.choices.below(3);
        let span = (taps - 1) * dilation + 1;
        let places = (size - span) / stride + 1;
        let window = Window { axis, taps: taps.into(), stride: stride.into(), dilation: dilation.into() };
        let mut sizes = x.sizes.clone();
        sizes.splice(axis..=axis, [places, taps]);

        let is_summed = x.element != Bool && self.choices.below(2) == 1;
        let seen = Op::Window(window.clone());
        if !is_summed {
            return self.push(seen, &[x.node], sizes, x.numbers);
        }
        let node = self.graph.add(seen, &[x.node]);
        let behind = self.choices.below(stride);
        let size = (places - 1) * stride + span + behind;
        let mut sizes = x.sizes;
        sizes[axis] = size;
        let numbers = if x.element == F32 { x.numbers.summed(taps) } else { any_integer() };
        self.push(Op::Fold { window, size: size.into() }, &[node], sizes, numbers);
    }

    /// Two neighbouring axes become one, one of an even number becomes two, or an axis of size 1 comes or goes.
    fn reshape(&mut self) {
        let x = self.pick();
        let (mut dims, mut sizes) = (x.dims.clone(), x.sizes.clone());
        let place = self.choices.below(dims.len() + 1);
        let choice = self.choices.below(4);
        if choice < 2 && place + 1 < dims.len() {
            let next = dims.remove(place + 1);
            dims[place] = &dims[place] * &next;
            sizes[place] *= sizes.remove(place + 1);
        } else if choice < 3
            && place < dims.len()
            && dims[place].as_constant().is_some_and(|n| n > 0 && n % 2 == 0)
        {
            let half = sizes[place] / 2;
            dims.splice(place..=place, [Dim::from(2), Dim::from(half)]);
            sizes.splice(place..=place, [2, half]);
        } else if place < dims.len() && dims[place].is(1) {
            dims.remove(place);
            sizes.remove(place);
        } else {
            dims.insert(place, Dim::from(1));
            sizes.insert(place, 1);
        }
        self.push(Op::Reshape(Shape(dims)), &[x.node], sizes, x.numbers);
    }

    fn dot(&mut self) {
        let (Some(x), Some(y)) = (self.pick_of(F32), self.pick_of(F32)) else { return };
        let mut free: Vec<usize> = (0..y.dims.len()).collect();
        let (mut batch, mut contract) = (Vec::new(), Vec::new());
        for (i, dim) in x.dims.iter().enumerate() {
            let matching: Vec<usize> = free.iter().copied().filter(|&j| y.dims[j] == *dim).collect();
            if matching.is_empty() {
                continue;
            }
            let j = self.choices.of(&matching);
            match self.choices.below(4) {
                0..=1 => contract.push((i, j)),
                2 => batch.push((i, j)),
                _ => continue,
            }
            free.retain(|&other| other != j);
        }
        let taken =
            |side: fn(&(usize, usize)) -> usize| batch.iter().chain(&contract).map(side).collect::<Vec<_>>();
        let count: usize = contract.iter().map(|&(i, _)| x.sizes[i]).product();
        let mut sizes: Vec<usize> = batch.iter().map(|&(i, _)| x.sizes[i]).collect();
        sizes.extend(without(&x.sizes, &taken(|pair| pair.0)));
        sizes.extend(without(&y.sizes, &taken(|pair| pair.1)));
        let Some(numbers) = x.numbers.times(y.numbers) else { return };
        if sizes.len() <= 6 && sizes.iter().product::<usize>() * count <= 20 * MOST_ELEMENTS {
            self.push(Op::DotGeneral { batch, contract }, &[x.node, y.node], sizes, numbers.summed(count));
        }
    }

    /// A value without operands.
    fn source_op(&mut self) {
        let x = self.pick();
        if self.choices.below(2) == 0 && !x.dims.is_empty() {
            let axis = self.choices.below(x.dims.len());
            let shape = Shape(x.dims.clone());
            return self.push(
                Op::Iota { shape, axis },
                &[],
                x.sizes,
                Numbers::exact(MOST_ELEMENTS as f64, 0),
            );
        }
        let (dim, size) = self.dim();
        let element = self.choices.of(&[F32, I32, U32]);
        self.push(Op::DimValue { dim, element }, &[], Vec::new(), Numbers::exact(size as f64, 0));
    }
}

/// How many axes two values have in common, from the first on.
fn leading(x: &Known, y: &Known) -> usize {
    x.dims.iter().zip(&y.dims).take_while(|(x, y)| x == y).count()
}

fn any_integer() -> Numbers {
    Numbers::exact(f64::from(u32::MAX), -8)
}

fn without<T: Clone>(all: &[T], axes: &[usize]) -> Vec<T> {
    all.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, item)| item.clone()).collect()
}
