//! Muon.

use super::adam::{Adam, adamw};
use super::moments::toward;
use super::norm::norm;
use super::parameter::Parameter;
use super::rule::{Optimizer, UpdateRule, check_rates};
use super::updates::Updates;
use crate::builder::Value;
use crate::value::{matmul, maximum, transpose};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

/// How [`Muon`] fits the learning rate to a matrix of so many inputs and outputs: PyTorch's `adjust_lr_fn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuonRate {
    /// √max(1, outputs/inputs), as in the first implementation.
    #[default]
    Original,
    /// 0.2·√max(inputs, outputs), so that updates are as long as AdamW's and its learning rates and weight decays serve (Liu et al.: Muon is
    /// Scalable for LLM Training; 2025).
    MatchRmsAdamw,
    /// √(outputs/inputs).
    SpectralUnclamped,
}

impl MuonRate {
    fn factor(self, inputs: usize, outputs: usize) -> f64 {
        let (inputs, outputs) = (inputs.max(1) as f64, outputs as f64);
        match self {
            MuonRate::Original => (outputs / inputs).max(1.0).sqrt(),
            MuonRate::MatchRmsAdamw => 0.2 * inputs.max(outputs).sqrt(),
            MuonRate::SpectralUnclamped => (outputs / inputs).sqrt(),
        }
    }
}

/// Muon; made by [`muon`].
#[derive(Clone, Debug)]
pub struct Muon {
    learning_rate: f64,
    weight_decay: f64,
    momentum: f64,
    nesterov: bool,
    coefficients: (f64, f64, f64),
    epsilon: f64,
    iterations: usize,
    rate: MuonRate,
    others: Adam,
}

/// Muon (Jordan et al.: Muon, An optimizer for hidden layers in neural networks; 2024): the momentum of a matrix is brought near to the
/// nearest matrix with orthogonal rows or columns before the step, so that all its directions move alike.
///
/// It is for matrices. Other parameters, such as biases and kernels of convolutions, move by AdamW ([`Muon::others`]). The authors train
/// embeddings and the last layer by AdamW too: say so with
/// [`Compose::rule`](super::Compose::rule). A matrix is taken as [inputs, outputs], as layers declare theirs.
///
/// With the momentum `m ← momentum·m + (1 − momentum)·g` and, with Nesterov's, `u = momentum·m + (1 − momentum)·g`, else `u = m`:
/// `X = u/max(‖u‖, eps)`, then five times `X ← a·X + (b·A + c·A²)·X` with `A = X·Xᵀ`, then
/// `w ← w·(1 − learning_rate·weight_decay) − learning_rate·factor·X`, the factor as [`MuonRate`] says. Options and defaults are those of
/// `torch.optim.Muon`, whose learning rate is 0.001 unless said. PyTorch rounds the iteration to bfloat16; it is computed in f32 here.
///
/// # Examples
/// ```
/// use downhill_nn::optimizers::{MuonRate, Optimizer, adamw, muon};
///
/// let optimizer = Optimizer::from(muon(0.02).others(adamw(3e-4)));
/// assert!(optimizer.check().is_ok());
/// assert!(Optimizer::from(muon(1e-3).adjust(MuonRate::MatchRmsAdamw)).check().is_ok());
/// ```
pub fn muon(learning_rate: impl Into<f64>) -> Muon {
    let learning_rate = learning_rate.into();
    Muon {
        learning_rate,
        weight_decay: 0.1,
        momentum: 0.95,
        nesterov: true,
        coefficients: (3.4445, -4.775, 2.0315),
        epsilon: 1e-7,
        iterations: 5,
        rate: MuonRate::Original,
        others: adamw(learning_rate),
    }
}

impl Muon {
    /// A step also shrinks matrices by `learning_rate·weight_decay`: 0.1 unless said.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Muon {
        Muon { weight_decay, ..self }
    }

    /// How long the mean of gradients remembers: 0.95 unless said.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Muon {
        Muon { momentum, ..self }
    }

    /// Nesterov's momentum, which is on unless said.
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Muon {
        Muon { nesterov, ..self }
    }

    /// The coefficients `a`, `b`, `c` of an iteration: 3.4445, −4.7750, 2.0315 unless said.
    #[must_use]
    pub fn coefficients(self, a: f64, b: f64, c: f64) -> Muon {
        Muon { coefficients: (a, b, c), ..self }
    }

    /// The least norm that a direction is divided by, 1e-7 unless said; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Muon {
        Muon { epsilon, ..self }
    }

    /// How many iterations a step makes, below 100: 5 unless said.
    #[must_use]
    pub fn iterations(self, iterations: usize) -> Muon {
        Muon { iterations, ..self }
    }

    /// How the learning rate is fitted to a matrix.
    #[must_use]
    pub fn adjust(self, rate: MuonRate) -> Muon {
        Muon { rate, ..self }
    }

    /// What moves parameters that are no matrices: `adamw` with the same learning rate unless said. Where the learning rate is changed, that
    /// of the others keeps its ratio to it.
    #[must_use]
    pub fn others(self, others: Adam) -> Muon {
        Muon { others, ..self }
    }

    /// Writes the update of a matrix.
    fn matrix(&self, w: &Parameter, rate: &Value) {
        let momentum = w.state("momentum", Initializer::Zeros);
        let mean = toward(momentum.value(), w.gradient(), self.momentum);
        momentum.set(&mean);
        let direction = if self.nesterov { toward(&mean, w.gradient(), self.momentum) } else { mean };

        let [inputs, outputs] = w.sizes()[..] else { return };
        let step_size = rate * self.rate.factor(inputs, outputs);
        let orthogonal = self.orthogonalized(w, &direction, inputs <= outputs);
        w.set(w.shrunk(rate, self.weight_decay) - orthogonal * w.scalar(&step_size));
    }

    /// `direction` with its singular values brought near 1 by the Newton-Schulz iteration; the matrix of products is of the shorter axis.
    fn orthogonalized(&self, w: &Parameter, direction: &Value, is_wide: bool) -> Value {
        let Some(length) = norm([direction]) else { return direction.clone() };
        let (a, b, c) = self.coefficients;
        let mut x = direction / w.scalar(&maximum(length, self.epsilon));
        for _ in 0..self.iterations {
            let products = if is_wide { matmul(&x, transpose(&x)) } else { matmul(transpose(&x), &x) };
            let change = &products * b + matmul(&products, &products) * c;
            let changed = if is_wide { matmul(change, &x) } else { matmul(&x, change) };
            x = x * a + changed;
        }
        x
    }
}

impl UpdateRule for Muon {
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn check(&self) -> Result<(), Error> {
        check("a weight decay", self.weight_decay, Allowed::FromZero)?;
        check("a momentum", self.momentum, Allowed::ZeroToOne)?;
        check("an eps", self.epsilon, Allowed::AboveZero)?;
        for (name, coefficient) in ["a", "b", "c"].into_iter().zip(<[f64; 3]>::from(self.coefficients)) {
            check(&format!("a coefficient `{name}`"), coefficient, Allowed::Finite)?;
        }
        if self.iterations >= 100 {
            let error = Error::new(format!("{} iterations of Newton and Schulz", self.iterations));
            return Err(error.help("5 are usual, and 99 the most"));
        }
        check_rates(self.learning_rate, &self.others.clone().into())
    }

    fn append(&self, updates: &Updates) {
        let is_matrix = |w: &Parameter| w.sizes().len() == 2;
        updates.only(is_matrix).each(|w| self.matrix(w, updates.learning_rate()));
        let others = Optimizer::from(self.others.clone());
        others.write_beside(self.learning_rate, &updates.only(|w| !is_matrix(w)));
    }
}
