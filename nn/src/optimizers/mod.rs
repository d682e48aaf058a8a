//! Optimizers: how a step changes parameters, as data and as expressions appended to the graph.
//!
//! In: options named and defaulted as PyTorch's; parameters with their gradients. Out: states, a learning rate given at run time,
//! and an update for each parameter and state.
//!
//! An optimizer is an [`UpdateRule`], which anyone can write; [`sgd`], [`adam`] and the others are such rules. What surrounds them are rules
//! too, which hand a step on to another one ([`Compose`]): clipped gradients, groups of parameters, averages.
//!
//! Must hold: right-hand sides read what was stored before the step. Formulas of the rules here are PyTorch's
//! (`torch.optim`), or those of the paper that a rule names, with scalars that depend on the step alone computed once, as scalars.
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

mod parameter;

mod updates;

mod rule;

mod moments;

mod accumulation;

mod norm;

mod sgd;

mod adam;

mod rmsprop;

mod adagrad;

mod adadelta;

mod adamax;

mod nadam;

mod radam;

mod rprop;

mod lion;

mod lamb;

mod muon;

mod average;

mod schedule_free;

mod clip;

mod maximize;

mod sharpness;

mod pattern;

mod groups;

mod compose;

pub(crate) use accumulation::{Gather, Gathered};
pub use adadelta::{Adadelta, adadelta};
pub use adagrad::{Adagrad, adagrad};
pub use adam::{Adam, adam, adamw};
pub use adamax::{Adamax, adamax};
pub use average::{AVERAGE, Average};
pub use clip::{ClipNorm, ClipValue};
pub use compose::Compose;
pub use groups::Groups;
pub use lamb::{Lamb, lamb};
pub use lion::{Lion, lion};
pub use maximize::Maximize;
pub use muon::{Muon, MuonRate, muon};
pub use nadam::{Nadam, nadam};
pub use parameter::{Parameter, State};
pub use radam::{Radam, radam};
pub use rmsprop::{RmsProp, rmsprop};
pub use rprop::{Rprop, rprop};
pub use rule::{Optimizer, UpdateRule};
pub use schedule_free::{ScheduleFree, schedule_free};
pub use sgd::{Sgd, sgd};
pub use sharpness::SharpnessAware;
pub use updates::{LEARNING_RATE, Updates};
