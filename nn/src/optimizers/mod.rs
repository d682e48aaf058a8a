//! Optimizers: how a step changes parameters, as data and as expressions appended to the graph.
//!
//! In: options named and defaulted as PyTorch's; parameters with their gradients. Out: states, a learning rate given at run time,
//! and an update for each parameter and state.
//!
//! An optimizer is an [`UpdateRule`], which anyone can write; [`sgd`], [`adam`] and [`adamw`] are such rules.
//!
//! Must hold: right-hand sides read what was stored before the step. Formulas of the rules here are PyTorch's
//! (`torch.optim.SGD`, `Adam`, `AdamW`), with scalars that depend on the step alone computed once, as scalars.
//!
//! # Examples
//! ```
//! use downhill_nn::optimizers::{Optimizer, adamw, sgd};
//!
//! let plain: Optimizer = sgd(0.1).into();
//! assert_eq!(plain.learning_rate(), 0.1);
//! assert!(Optimizer::from(sgd(0.1).nesterov(true)).check().is_err()); // Nesterov's momentum needs momentum
//! assert!(Optimizer::from(adamw(1e-3).betas(0.9, 0.99).weight_decay(0.05)).check().is_ok());
//! ```
//!
//! # Decisions
//!
//! - Options are checked as the f32 that they become, and an eps of 0 is refused although PyTorch takes it: `sgd(1e39)` is a
//!   rate of ∞; with an eps of 0 a parameter whose gradient is 0 becomes 0/0.

mod updates;

mod rule;

mod adam;

mod sgd;

pub use adam::{Adam, adam, adamw};
pub use rule::{Optimizer, UpdateRule};
pub use sgd::{Sgd, sgd};
pub use updates::{LEARNING_RATE, Parameter, State, Updates};
