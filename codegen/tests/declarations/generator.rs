//! Random declarations: sizes with quotients, differences and products, broadcasts, slices, selections, labels, a loss.
//!
//! In: bytes, each a choice. Out: a [`Declaration`] or its mistakes, and what it is run with. Numbers are small whole ones, so that sums
//! and products of them are exact in f32 and nothing hangs on the order of additions where a comparison decides.

use super::common::Choices;
use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::error::Errors;
use downhill_graph::random::Initializer;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_graph::types::{Shape, Type};
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::{bce_with_logits, cross_entropy, relu, sigmoid, softmax};
use downhill_nn::value::*;

/// What a declaration is run with: the values of its symbols, and whether labels are classes.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) sizes: Bindings,
    pub(crate) labels_fit: bool,
}

pub(crate) const CLASSES: i64 = 3;

/// A value made so far.
#[derive(Clone)]
struct Made {
    value: Value,
    /// Its elements are whole numbers, or halves of such.
    exact: bool,
    /// No element is greater.
    most: f64,
}

struct Generator<'a> {
    builder: Builder,
    choices: Choices<'a>,
    pool: Vec<Made>,
    sizes: Bindings,
}

/// The declaration that `bytes` choose.
pub(crate) fn declare(bytes: &[u8]) -> (Result<Declaration, Errors>, Run) {
    let mut choices = Choices::new(bytes);
    let batch = choices.of(&[2_i64, 3, 1, 4, 0, 5, 17, 33]);
    let time = choices.of(&[3_i64, 1, 2, 0, 4, 7, 16]);
    let sizes = Bindings::from([("batch".into(), batch), ("time".into(), time)]);
    let run = Run { sizes: sizes.clone(), labels_fit: choices.below(4) > 0 };
    let builder = Builder::new(Mode::Train);
    let mut generator = Generator { builder: builder.clone(), choices, pool: Vec::new(), sizes };
    generator.sources();
    for _ in 0..2 + generator.choices.below(7) {
        generator.grow();
    }
    generator.finish();
    (builder.finish(), run)
}

impl Generator<'_> {
    fn sources(&mut self) {
        let b = self.builder.clone();
        let (batch, time) = (Dim::symbol("batch"), Dim::symbol("time"));
        let x = b.input("x", F32, [batch.clone(), Dim::from(4)]);
        let s = b.input("s", F32, [batch, time.clone()]);
        let t = b.input("t", F32, [time, Dim::from(1)]);
        let w = b.parameter("w", [4, 3], Initializer::Zeros);
        let v = b.parameter("v", [4], Initializer::Zeros);
        self.pool.extend([x, s, t, w, v].map(|value| Made { value, exact: true, most: 2.0 }));
    }

    /// A size, now and then one that no memory has.
    fn dim(&mut self, depth: usize) -> Dim {
        match self.choices.below(if depth == 0 { 5 } else { 10 }) {
            0 | 1 => Dim::symbol(self.choices.of(&["batch", "time"])),
            2 | 3 => Dim::from(self.choices.of(&[1_i64, 2, 3, 0, 5])),
            4 => match self.choices.below(24) {
                0 => Dim::from(self.choices.of(&[1_i64 << 60, i64::MAX, -3, 1 << 45])),
                _ => Dim::from(4),
            },
            5 | 6 => &self.dim(depth - 1) - &self.dim(depth - 1),
            7 => self.dim(depth - 1).divide(&self.dim(depth - 1)),
            8 => self.dim(depth - 1).divide(&Dim::from(self.choices.of(&[2_i64, 3]))),
            _ => match self.choices.below(3) {
                0 => &self.dim(depth - 1) * &self.dim(depth - 1),
                _ => &self.dim(depth - 1) + &self.dim(depth - 1),
            },
        }
    }

    fn pick(&mut self) -> Made {
        // Recent values are likelier, so that chains grow.
        let back = self.choices.below(4).min(self.pool.len() - 1);
        let at = if self.choices.below(3) == 0 { back } else { self.pool.len() - 1 - back };
        self.pool[at].clone()
    }

    fn keep(&mut self, value: Value, exact: bool, most: f64) {
        let mistakes = !self.builder.take_errors().is_empty();
        let Some(shape) = value.shape().filter(|_| !mistakes) else { return };
        let size = |dim: &Dim| dim.evaluate(&self.sizes).map_or(1, |size| size.clamp(0, 1 << 20));
        let elements = shape.dims().iter().fold(1_i64, |all, dim| all.saturating_mul(size(dim).max(1)));
        if elements <= 2000 && most <= f64::from(1 << 20) {
            self.pool.push(Made { value, exact, most });
        }
    }

    fn axis(&mut self, value: &Value) -> i64 {
        let rank = value.shape().map_or(0, |shape| shape.rank());
        self.choices.below(rank.max(1)) as i64
    }

    fn elements(&self, value: &Value) -> f64 {
        let dims = value.shape().map(|shape| shape.0).unwrap_or_default();
        dims.iter().map(|dim| dim.evaluate(&self.sizes).map_or(1.0, |size| size.max(1) as f64)).product()
    }

    fn grow(&mut self) {
        let Made { value: x, exact, most } = self.pick();
        match self.choices.below(18) {
            0 | 1 => {
                let other = self.pick();
                let (value, most) = match self.choices.below(4) {
                    0 => (add(&x, &other.value), most + other.most),
                    1 => (subtract(&x, &other.value), most + other.most),
                    2 => (multiply(&x, &other.value), most * other.most),
                    _ => (maximum(&x, &other.value), most.max(other.most)),
                };
                self.keep(value, exact && other.exact, most);
            }
            2 => {
                let (value, most) = match self.choices.below(4) {
                    0 => (negate(&x), most),
                    1 => (abs(&x), most),
                    2 if exact => (relu(&x), most),
                    _ => (square(&x), most * most),
                };
                self.keep(value, exact, most);
            }
            3..=5 => {
                let (axis, start, length) = (self.axis(&x), self.dim(2), self.dim(1));
                let stride = self.choices.of(&[1_i64, 1, 2, 3]);
                let end = &start + &length;
                let end = if self.choices.below(3) == 0 { None } else { Some(end) };
                self.keep(slice(&x, axis, start, end, stride), exact, most);
            }
            6 | 7 => {
                let dims = vec![self.dim(2), self.dim(1)];
                let filled = full(&self.builder, dims, self.choices.of(&[1.0, -2.0, 0.0]));
                self.keep(add(filled, sum(&x)), exact, most * self.elements(&x) + 2.0);
            }
            8 => {
                let (other, axis) = (self.pick(), self.axis(&x));
                let joined = concatenate(&self.builder, &[&x, &other.value], axis);
                self.keep(joined, exact && other.exact, most.max(other.most));
            }
            9 => {
                let axis = self.axis(&x);
                let (value, exact, most) = match self.choices.below(4) {
                    0 => (sum_over(&x, &[axis]), exact, most * self.elements(&x)),
                    1 if exact => (max_over(&x, &[axis]), true, most),
                    2 => (cumsum(&x, axis), exact, most * self.elements(&x)),
                    _ => (mean_over(&x, &[axis]), false, most),
                };
                self.keep(value, exact, most);
            }
            10 => {
                let axis = self.axis(&x);
                let value = match self.choices.below(4) {
                    0 => transpose(&x),
                    1 => expand(&x, axis),
                    2 => reverse(&x, axis),
                    _ => reshape(&x, [-1]),
                };
                self.keep(value, exact, most);
            }
            11 => {
                let (a, b) = (self.pick(), self.pick());
                if exact && a.exact {
                    let chosen = select(less(&x, &a.value), &x, &b.value);
                    self.keep(chosen, b.exact, most.max(b.most));
                }
            }
            12 => {
                let dim = self.dim(1);
                let scaled = multiply(&x, dim_value(&self.builder, &dim));
                let size = dim.evaluate(&self.sizes).map_or(1.0, |size| size.unsigned_abs() as f64);
                self.keep(scaled, exact, most * size);
            }
            13 => {
                let other = self.pick();
                self.keep(
                    matmul(&x, &other.value),
                    exact && other.exact,
                    40.0 * self.elements(&x) * most * other.most,
                );
            }
            14 => {
                let value = if self.choices.below(2) == 0 { tanh(&x) } else { sigmoid(&x) };
                self.keep(value, false, 1.0);
            }
            15 => {
                let axis = self.axis(&x);
                let value = if self.choices.below(2) == 0 { cummax(&x, axis) } else { cummin(&x, axis) };
                if exact {
                    self.keep(value, true, most);
                }
            }
            16 if exact => {
                let by = self.choices.of(&[2.0, -3.0, 0.5]);
                let (value, most) = match self.choices.below(4) {
                    0 => (remainder(&x, by), 3.0),
                    1 => (fmod(&x, by), 3.0),
                    2 => (floor_divide(&x, by) + &x, 3.0 * most + 1.0),
                    _ => (trunc_divide(&x, by) + &x, 3.0 * most + 1.0),
                };
                self.keep(value, true, most);
            }
            _ => self.grow_own_gradient(&x),
        }
    }

    /// A value whose gradients are others than those of how it was made.
    fn grow_own_gradient(&mut self, x: &Value) {
        let (other, choice) = (self.pick().value, self.choices.below(3));
        let value = add(tanh(x), sum(tanh(&other)));
        let own = with_gradient(value, &[x.clone(), other.clone()], |g| match choice {
            0 => vec![multiply(sum(g), cos(x)), multiply(tanh(&other), 0.5)],
            1 => vec![clamp(sum(square(g)), Some(0.0), Some(2.0)), sum(g)],
            _ => vec![sum(g) * 0.0, sum(multiply(g, 2.0))],
        });
        self.keep(own, false, 2001.0);
    }

    /// Outputs, and a loss in which the parameters are.
    fn finish(&mut self) {
        let b = self.builder.clone();
        for (place, made) in self.pool.iter().skip(3).rev().take(3).enumerate() {
            b.output(&format!("y{place}"), &made.value);
        }
        let (x, w) = (self.pool[0].value.clone(), self.pool[3].value.clone());
        let z = matmul(&x, &w);
        let target = self.loss_of_labels(&z);
        let last = self.pick();
        let seen = if self.choices.below(2) == 0 { sum(&last.value) } else { mean(&last.value) };
        let loss = match self.choices.below(3) {
            0 => sum(&z) + seen,
            1 => target,
            _ => target + seen,
        };
        b.loss("loss", &loss, None);
        for name in ["a", "b"] {
            self.state(name, &z);
        }
    }

    /// A state that steps change: by what the loss needs as it is, by sums of it, by parameters, or in turn with another state.
    fn state(&mut self, name: &str, z: &Value) {
        let b = self.builder.clone();
        let Made { value, .. } = self.pick();
        let is_fixed = |dim: &Dim| dim.as_constant().is_some_and(|size| size >= 0);
        let shape = value.shape().filter(|shape| shape.dims().iter().all(is_fixed));
        let (next, shape) = match (self.choices.below(5), shape) {
            (0, _) => return,
            (1 | 2, Some(shape)) if value.ty().is_some_and(|ty| ty.element == F32) => (value, shape),
            (3, _) => (sum_over(z, &[0]), Shape::from([3])),
            _ => (sum(&value), Shape::scalar()),
        };

        let ty = Type::new(F32, shape);
        let state = b.state(name, ty.clone(), Initializer::Zeros);
        match self.choices.below(4) {
            0 => b.update(&state, &next),
            1 => {
                let other = b.state(&format!("{name}_before"), ty, Initializer::Zeros);
                b.update(&other, &state);
                b.update(&state, &(&other + next));
            }
            _ => b.update(&state, &(&state * 0.5 + next * 0.5)),
        }
    }

    /// Labels in one of the forms in which they come.
    fn loss_of_labels(&mut self, z: &Value) -> Value {
        let b = self.builder.clone();
        let labels = b.target("k", I32, [Dim::symbol("batch")]);
        let k = match self.choices.below(5) {
            0 => labels.clone(),
            1 => reshape(expand(&labels, 1), vec![Dim::symbol("batch")]),
            2 => reverse(reverse(&labels, 0), 0),
            3 => &(&labels + &convert(full(&b, [1], 1.0), I32)) - &convert(full(&b, [1], 1.0), I32),
            _ => slice(&labels, 0, 0, None, 1),
        };
        match self.choices.below(4) {
            0 => bce_with_logits(z, one_hot(&k, &Dim::from(CLASSES))),
            1 => mean(square(softmax(z, -1) - one_hot(&k, &Dim::from(CLASSES)))),
            _ => cross_entropy(z, &k),
        }
    }
}
