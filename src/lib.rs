//! Neural-network training as a symbolic graph compiler: declare a network, get machine code.
//!
//! A network is declared with [`network!`]. From that one declaration downhill builds a symbolic graph, derives the
//! gradients by the chain rule, adds the optimizer's update, fuses the training step into few kernels, compiles them to
//! machine code in milliseconds with Cranelift, and runs them without allocating.
//!
//! ```
//! use downhill::prelude::*;
//!
//! network! {
//!     /// Two inputs, one hidden layer, one probability.
//!     pub Classifier(hidden: usize) {
//!         input  x: [batch, 2];
//!         target y: [batch, 1];
//!
//!         let h = relu(linear(x, hidden));
//!         let p = sigmoid(linear(h, 1));
//!
//!         output p;
//!         loss   binary_cross_entropy(p, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     let mut net = Classifier::new(50).seed(7).optimizer(sgd(1.0)).build()?;
//!     let x = Tensor::from([[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//!     let y = Tensor::from([[0.0_f32], [1.0], [1.0], [0.0]]);
//!     let first = net.step(&x, &y)?; // one training step; the loss before it
//!     let data = Dataset::new([("x", x.clone()), ("y", y)])?;
//!     for seed in 0..200 {
//!         net.epoch(&data, Epoch { batch: 2, seed })?; // every row once, in one native call
//!     }
//!     assert!(net.gradients(&x, data.column("y")?)?.loss() < Some(first));
//!     println!("{}", net.forward(&x)?); // inference
//!     Ok(())
//! }
//! ```
//!
//! # What can be handed in
//! [`Tensor`](tensor::Tensor)s, slices, `Vec`s, arrays, nested arrays, and `ndarray` views with the feature
//! `ndarray`: whatever is [`Data`](view::Data). Numbers without a shape are taken as rows. Several inputs are a tuple:
//! `net.step((&x, &t), &y)`. f64s become f32s, and labels may be whole numbers of any width.
//!
//! [`data`] reads files and makes numbers fit, [`metrics`] measures what comes out, [`schedules`] are learning rates.
//!
//! # Formulas of your own
//! A network calls an ordinary Rust function by its path, `self::swish(x)`. The function works on
//! [`Value`](builder::Value)s with operators, the functions in [`value`] (`exp`, `tanh`, `sum_over`, `matmul`, …) and the layers,
//! activations and losses in [`composite`]; its backward pass comes by itself.
//!
//! ```
//! use downhill::prelude::*;
//! use downhill::value::{exp, square};
//!
//! fn bell(x: &Value) -> Value {
//!     exp(-square(x))
//! }
//! ```
//!
//! # Layers that keep something
//! A `state` of a declaration is kept from call to call; its `update` is taken by the training steps whose loss reaches it, never by
//! `forward`. `batch_norm` keeps its running statistics so. [`Model::state_of`](model::Model::state_of) reads one.
//!
//! ```
//! use downhill::prelude::*;
//!
//! network! {
//!     /// Inputs around a running mean.
//!     layer centred(x: [batch, n]) -> [batch, n] {
//!         state centre: [n] = zeros();
//!         update centre = 0.5 * centre + 0.5 * mean(x, axes: [0]);
//!         x - centre
//!     }
//!
//!     Line() {
//!         input  x: [batch, 2];
//!         target y: [batch, 1];
//!         let h = centred(x);
//!         output p = linear(h, 1);
//!         loss squared_error(p, y);
//!     }
//! }
//!
//! # fn main() -> Result<(), downhill::Error> {
//! let mut net = Line::new().optimizer(sgd(0.1)).build()?;
//! net.step(&[[1.0, 2.0], [3.0, 4.0]], &[[1.0], [0.0]])?;
//! assert_eq!(net.state_of("h.centre")?.to_f64_vec(), [1.0, 1.5]);
//! # Ok(())
//! # }
//! ```
//!
//! A Rust function that is called by its path does the same with [`Builder::state`](builder::Builder::state) and
//! [`Builder::update`](builder::Builder::update).
//!
//! # Optimizers
//! [`optimizer`] holds them all. Whatever is an [`UpdateRule`](optimizer::UpdateRule) is given to `.optimizer(…)` as `sgd` and `adam` are; one
//! of your own writes its formula with the same values and functions. [`Compose`](optimizer::Compose) holds what is said of any of them:
//!
//! ```
//! use downhill::prelude::*;
//!
//! let large = adamw(3e-4).spare_vectors().rate("head.*", 10.0).freeze("embedding.*").clip_norm(1.0).average(0.999);
//! let pictures = muon(0.02).others(adamw(3e-4)).clip_value(1.0);
//! # let _ = (large, pictures);
//! ```
//!
//! # Seeing what happens
//! [`Model::graph`](model::Model::graph) gives the graph of `forward` or `step`, [`Model::report`](model::Model::report) where
//! the build's time went, and the environment variable [`DOWNHILL_DUMP`](dump) shows the stages of a build.
//! [`Model::profile`](model::Model::profile) says where the time of a step goes, beside what this machine can do.
//!
//! ```
//! # use downhill::prelude::*;
//! # network! {
//! #     Line() {
//! #         input  x: [batch, 2];
//! #         target y: [batch, 1];
//! #         output p = linear(x, 1);
//! #         loss squared_error(p, y);
//! #     }
//! # }
//! # fn main() -> Result<(), downhill::Error> {
//! # let mut net = Line::new().optimizer(sgd(0.1)).build()?;
//! let profile = net.profile(&[[1.0, 2.0], [3.0, 4.0]], &[[1.0], [0.0]])?;
//! println!("{profile}"); // a line for each native function
//! let total = profile.total();
//! println!("{} operations in {:.3e} s", total.cost.arithmetic, total.measured);
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `tracing`, the stages of builds (`stage`, at the level of debugging) and the epochs of `fit` (`epoch`, with an event of its
//! loss) are spans of that crate.
//!
//! With the feature `pictures`, `downhill::pictures` draws curves, heat maps, confusion matrices, decision boundaries and histograms, and
//! puts pictures into grids.
#![forbid(unsafe_code)]

pub use downhill_graph::{dim, error, graph, op, option, random, tensor, types};
pub use downhill_macros::network;
pub use downhill_nn::optimizers as optimizer;
pub use downhill_nn::{builder, composite, network, summary, value};
pub use downhill_runtime::error::Error;
pub use downhill_runtime::host::InstructionSet;
pub use downhill_runtime::program::Specialize;
pub use downhill_runtime::{
    cause, dataset, dump, epoch, evaluate, host, mismatch, model, outputs, profile, program, report, state,
    view,
};

pub mod build;

mod mistake;
mod arrays;
mod checksum;
pub mod file;

pub mod data;
pub mod metrics;
pub mod schedules;

pub mod checkpoint;
pub mod fit;
pub mod minimize;

pub mod logs;

pub mod many;
pub mod search;

pub mod sampling;

#[cfg(feature = "pictures")]
pub mod pictures;

/// What most programs need: `use downhill::prelude::*;`.
pub mod prelude {
    pub use crate::build::Configure;
    pub use crate::checkpoint::Saving;
    pub use crate::data::{one_hot, split};
    pub use crate::fit::{Fit, Training};
    pub use crate::metrics::{accuracy, binary_accuracy};
    pub use crate::minimize::{Lbfgs, Minimizing};
    pub use downhill_graph::tensor::Tensor;
    pub use downhill_macros::network;
    pub use downhill_nn::builder::Value;
    pub use downhill_nn::network::Network;
    pub use downhill_nn::optimizers::{
        Compose, MuonRate, adadelta, adagrad, adam, adamax, adamw, lamb, lion, muon, nadam, radam, rmsprop,
        rprop, schedule_free, sgd,
    };
    pub use downhill_runtime::dataset::Dataset;
    pub use downhill_runtime::epoch::{Epoch, EpochOptions, EpochReport};
    pub use downhill_runtime::model::Model;
    pub use downhill_runtime::outputs::Outputs;
    pub use downhill_runtime::program::Program;
}

/// What the expansion of [`network!`] names; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use downhill_graph as graph;
    pub use downhill_nn as nn;
}

/// Pages whose code is compiled and run.
macro_rules! pages {
    ($($name:ident: $file:literal,)*) => {$(
        #[cfg(doctest)]
        #[doc = include_str!($file)]
        struct $name;
    )*};
}

pages! {
    Readme: "../README.md",
    FirstNetwork: "../docs/first-network.md",
    Layers: "../docs/layers.md",
    Losses: "../docs/losses.md",
    Optimizers: "../docs/optimizers.md",
    DataPage: "../docs/data.md",
    TrainingPage: "../docs/training.md",
    Searching: "../docs/searching.md",
    SavingPage: "../docs/saving.md",
    Speed: "../docs/speed.md",
    Reproducibility: "../docs/reproducibility.md",
    Command: "../docs/command.md",
    Programs: "../docs/programs.md",
    FromPyTorch: "../docs/from-pytorch.md",
    FromKeras: "../docs/from-keras.md",
    Errors: "../docs/errors.md",
    NotThere: "../docs/not-there.md",
}
