//! Minimising over all data at once: `net.minimize(&x, &y, Lbfgs::default())?`.
//!
//! In: a model, all of its data as one batch. Out: the model with parameters where the loss is lower, and what it took. For small networks
//! and smooth losses, such as equations solved by networks, it takes few evaluations where steps on batches take thousands.
//!
//! # Examples
//! ```
//! use downhill::prelude::*;
//!
//! network! {
//!     /// A valley along a parabola (Rosenbrock: An Automatic Method for Finding the Greatest or Least Value of a Function; 1960).
//!     Valley() {
//!         input  scale: [1];
//!         param  at: [2] = zeros();
//!         output place = at * scale;
//!         let (x, y) = (slice(place, 0, 1), slice(place, 1, 2));
//!         loss   sum(100 * square(y - square(x)) + square(1 - x));
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     let mut net = Valley::new().build()?;
//!     let found = net.minimize(&[1.0], (), Lbfgs { max_iter: 100, ..Lbfgs::default() })?;
//!     println!("{found}");
//!     assert!(found.loss < 1e-6);
//!     Ok(())
//! }
//! ```

mod directions;
mod line;
mod objective;

use crate::mistake::misuse;
use directions::{Directions, dot, greatest};
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;
use downhill_runtime::view::Feed;
use line::{Point, Search};
use objective::Objective;
use std::fmt;

/// L-BFGS: steps along −H·g, H an estimate of the inverse of the second derivatives from the last gradients, each as long as a line search
/// with the strong Wolfe conditions finds it (Nocedal, Wright: Numerical Optimization; 2006, algorithms 7.4, 3.5 and 3.6). PyTorch's `LBFGS`
/// with `line_search_fn="strong_wolfe"`, with its names and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Lbfgs {
    /// Which loss is minimised; the only one where it is left out.
    pub loss: Option<String>,
    /// The length that each line search begins with, as a multiple of the direction.
    pub lr: f64,
    /// The greatest number of iterations, each of them a line search.
    pub max_iter: usize,
    /// The greatest number of evaluations, after which no iteration begins; `max_iter · 5 / 4` where it is left out.
    pub max_eval: Option<usize>,
    /// It ends where no element of the gradient is greater than this.
    pub tolerance_grad: f64,
    /// It ends where neither a parameter nor the loss changes by more than this.
    pub tolerance_change: f64,
    /// How many of the last steps the estimate is made of.
    pub history_size: usize,
}

impl Default for Lbfgs {
    fn default() -> Lbfgs {
        Lbfgs {
            loss: None,
            lr: 1.0,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
        }
    }
}

/// What [`Minimizing::minimize`] came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// The loss with the parameters that the model now has.
    pub loss: f64,
    /// The loss before.
    pub first: f64,
    /// How many iterations were made.
    pub iterations: usize,
    /// How often the loss and its gradient were computed.
    pub evaluations: usize,
    /// Why it ended.
    pub end: End,
}

/// Why a minimisation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The gradient is as small as was asked for.
    Gradient,
    /// A step changed as little as was asked for.
    Change,
    /// No way leads down from here that is more than rounding.
    Flat,
    /// All iterations were made.
    Iterations,
    /// All evaluations were made.
    Evaluations,
}

impl fmt::Display for Minimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.end {
            End::Gradient => "the gradient is small",
            End::Change => "it changes no more",
            End::Flat => "no way leads down",
            End::Iterations => "all iterations were made",
            End::Evaluations => "all evaluations were made",
        };
        let Minimum { loss, first, iterations, evaluations, end: _ } = self;
        write!(f, "loss {first:.6} to {loss:.6} in {iterations} iterations, {evaluations} evaluations: {why}")
    }
}

/// Minimising over all data at once. Every [`Model`] has it, with an optimizer or without.
pub trait Minimizing {
    /// Moves the parameters to where the loss of these inputs and targets is lower, never higher: see [`Lbfgs`].
    ///
    /// States stay what they are; random numbers, as `dropout` draws them, are the same in all evaluations. A place where the loss or its
    /// gradient is infinite or NaN is never gone to: the line search takes shorter ways.
    ///
    /// # Errors
    /// Those of [`Model::gradients`]; options that make no sense; a loss or a gradient that is not finite to begin with. The parameters are
    /// then what they were, or the best that were found until then.
    fn minimize<'a>(
        &mut self,
        inputs: impl Feed<'a> + Copy,
        targets: impl Feed<'a> + Copy,
        options: Lbfgs,
    ) -> Result<Minimum, Error>;
}

impl Minimizing for Model {
    fn minimize<'a>(
        &mut self,
        inputs: impl Feed<'a> + Copy,
        targets: impl Feed<'a> + Copy,
        options: Lbfgs,
    ) -> Result<Minimum, Error> {
        options.check()?;
        let loss = options.loss.as_deref();
        let (mut objective, start) =
            Objective::new(self, |net| net.gradients_of(loss, &[], inputs, targets))?;
        if !start.is_finite() {
            return Err(misuse(
                format!("the loss is {} to begin with, or its gradient is not finite", start.loss),
                "begin with other parameters: `net.diagnose(…)` says where the number comes from",
            ));
        }
        let found = options.descend(&mut objective, start);
        // After an error too: an evaluation has left its parameters behind.
        objective.settle()?;
        found
    }
}

impl Lbfgs {
    fn check(&self) -> Result<(), Error> {
        let refuse = |name: &str, found: f64, help: &str| {
            Err(misuse(format!("`{name}` is {found}"), format!("`{name}` is {help}")))
        };
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return refuse("lr", self.lr, "a finite number above 0: 1 is usual");
        }
        if self.history_size == 0 {
            return refuse("history_size", 0.0, "1 or more");
        }
        for (name, tolerance) in
            [("tolerance_grad", self.tolerance_grad), ("tolerance_change", self.tolerance_change)]
        {
            if !(tolerance.is_finite() && tolerance >= 0.0) {
                return refuse(name, tolerance, "a finite number from 0 on");
            }
        }
        Ok(())
    }

    fn descend(&self, objective: &mut Objective<'_>, mut here: Point) -> Result<Minimum, Error> {
        let first = here.loss;
        let most = self.max_eval.unwrap_or(self.max_iter * 5 / 4);
        let mut directions = Directions::new(self.history_size);
        let (mut iterations, mut evaluations) = (0, 1);
        let end = loop {
            if greatest(&here.gradient) <= self.tolerance_grad {
                break End::Gradient;
            }
            if iterations == self.max_iter {
                break End::Iterations;
            }
            if evaluations >= most {
                break End::Evaluations;
            }

            let direction = directions.next(&here.gradient);
            let slope = dot(&here.gradient, &direction);
            if slope > -self.tolerance_change || !slope.is_finite() {
                break End::Flat;
            }
            iterations += 1;

            // Before anything is known of its scale, the first step is no longer than 1 in all.
            let total: f64 = here.gradient.iter().map(|g| g.abs()).sum();
            let first_length = if iterations == 1 { (1.0 / total).min(1.0) * self.lr } else { self.lr };
            let search = Search { direction: &direction, slope, tolerance_change: self.tolerance_change };
            let (length, there, made) =
                search.run(&here, first_length, &mut |t| objective.at(&direction, t))?;
            evaluations += made;
            objective.go(&direction, length);

            directions.learn(&direction, length, &here.gradient, &there.gradient);
            let moved = greatest(&direction) * length;
            let change = (there.loss - here.loss).abs();
            here = there;
            if greatest(&here.gradient) > self.tolerance_grad
                && (moved <= self.tolerance_change || change < self.tolerance_change)
            {
                break End::Change;
            }
        };
        Ok(Minimum { loss: here.loss, first, iterations, evaluations, end })
    }
}
