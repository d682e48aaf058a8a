//! Losses: scalars to minimise, means over all elements (or rows), as PyTorch's defaults.
//!
//! What a loss demands of labels, targets and probabilities, it checks (see [`downhill_graph::check`]).
//!
//! Must hold: logits of ±10⁴ give finite losses and gradients. Losses on probabilities recognise the sigmoid or softmax that made
//! them and take the logits instead: p·(1 − p) cannot be cancelled in f32 afterwards.

mod options;

mod order;

mod fixed;

mod operands;

mod targets;

mod confusion;

mod squared;

mod margin;

mod binary;

mod cross_entropy;

mod classes;

mod focal;

mod likelihood;

mod similarity;

mod contrastive;

mod ctc;

mod penalty;

use crate::call::families;

pub(crate) use fixed::fixed_term;
pub use options::{LossOptions, LossReduction};
pub use penalty::penalty;
pub use targets::CrossEntropy;

families!(squared, margin, binary, cross_entropy, classes, focal, likelihood, similarity, contrastive, ctc);
