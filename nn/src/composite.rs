//! Composites: layers, activations, losses and formulas under the names that a declaration calls them by.
//!
//! In: a name and arguments, positional ones first. Out: a value, built from primitives; mistakes go to the builder.
//!
//! Must hold: `network!` knows no composite but through [`find`], [`call`] and [`initializer`], so what it accepts while rustc runs and
//! what its expansion does are the same thing. A function of a user's own needs no entry: it is called by its path.

mod activation;
mod argument;
mod call;
mod confusion;
mod initializer;
mod layer;
mod loss;
mod table;

pub use activation::{dropout, elu, gelu, gelu_tanh, leaky_relu, log_softmax, relu, sigmoid, silu, softmax};
pub use argument::{Argument, Default, Kind, Parameter, accepts};
pub use call::{Arguments, Composite, call, find, likely, names, signature};
pub use initializer::{initializer, initializer_about, initializer_names, initializer_signature};
pub use layer::{Linear, linear, positions};
pub use loss::{
    absolute_error, bce_with_logits, binary_cross_entropy, categorical_cross_entropy, cross_entropy, hinge,
    huber, logistic_loss, negative_log_likelihood, squared_error,
};
