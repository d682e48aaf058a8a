//! From a declared network to one that runs.
//!
//! In: what `network!` makes, and how to build it. Out: a [`Model`], or every mistake.

use downhill_nn::network::Network;
use downhill_nn::optimizers::Optimizer;
use downhill_runtime::dump::Dump;
use downhill_runtime::error::Error;
use downhill_runtime::host::InstructionSet;
use downhill_runtime::model::Model;
use downhill_runtime::program::{Options, Program, Specialize};
use std::sync::Arc;

/// Says how a network is to be built; each of these starts a [`Build`]. Every network has them.
pub trait Configure: Network + Sized {
    /// The seed of the parameters' initial values; 0 unless said.
    fn seed(self, seed: u64) -> Build<Self> {
        Build::new(self).seed(seed)
    }

    /// How a step changes parameters, for every loss that has no optimizer of its own.
    fn optimizer(self, optimizer: impl Into<Optimizer>) -> Build<Self> {
        Build::new(self).optimizer(optimizer)
    }

    /// The optimizer of one loss.
    fn optimizer_for(self, loss: &str, optimizer: impl Into<Optimizer>) -> Build<Self> {
        Build::new(self).optimizer_for(loss, optimizer)
    }

    /// Batch sizes to compile code of their own for when the network is built. Every other size runs too, with the same bits.
    fn batch_sizes(self, sizes: impl IntoIterator<Item = usize>) -> Build<Self> {
        Build::new(self).batch_sizes(sizes)
    }

    /// Which sizes have code of their own: those that are named and those that repeat, unless said. [`Build::specialize`] says more.
    fn specialize(self, specialize: Specialize) -> Build<Self> {
        Build::new(self).specialize(specialize)
    }

    /// Threads that share the large kernels of a step, the caller's included; 1, or what the environment variable
    /// `DOWNHILL_THREADS` says, unless said. The results have the same bits for every number.
    fn threads(self, threads: usize) -> Build<Self> {
        Build::new(self).threads(threads)
    }

    /// Whether labels, targets and probabilities are checked; they are unless said. [`Build::checks`] says more.
    fn checks(self, checks: bool) -> Build<Self> {
        Build::new(self).checks(checks)
    }

    /// The vectors that machine code is made of; the widest that the processor has, or those that the environment variable
    /// `DOWNHILL_TARGET` names, unless said. The results have the same bits for all of them.
    fn target(self, target: InstructionSet) -> Build<Self> {
        Build::new(self).target(target)
    }

    /// Builds it for inference: without an optimizer there are no training steps.
    ///
    /// # Errors
    /// As [`Build::build`].
    fn build(self) -> Result<Model, Error> {
        Build::new(self).build()
    }
}

impl<N: Network> Configure for N {}

/// A network with the options it is to be built with.
///
/// ```
/// use downhill::prelude::*;
///
/// network! {
///     pub Line() {
///         input  x: [batch, 1];
///         target y: [batch, 1];
///         output p = linear(x, 1);
///         loss squared_error(p, y);
///     }
/// }
///
/// # fn main() -> Result<(), downhill::Error> {
/// let mut net = Line::new().seed(7).optimizer(sgd(0.1).momentum(0.9)).batch_sizes([64]).build()?;
/// let loss = net.step(&[0.5], &[1.0])?;
/// # assert!(loss.is_finite());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Build<N> {
    network: N,
    seed: u64,
    options: Options,
}

impl<N: Network> Build<N> {
    fn new(network: N) -> Build<N> {
        Build { network, seed: 0, options: Options::default() }
    }

    /// The seed of the parameters' initial values; 0 unless said.
    #[must_use]
    pub fn seed(self, seed: u64) -> Build<N> {
        Build { seed, ..self }
    }

    /// How a step changes parameters, for every loss that has no optimizer of its own.
    #[must_use]
    pub fn optimizer(mut self, optimizer: impl Into<Optimizer>) -> Build<N> {
        self.options.optimizer = Some(optimizer.into());
        self
    }

    /// The optimizer of one loss.
    #[must_use]
    pub fn optimizer_for(mut self, loss: &str, optimizer: impl Into<Optimizer>) -> Build<N> {
        self.options.optimizers.push((loss.to_owned(), optimizer.into()));
        self
    }

    /// Batch sizes to compile code of their own for when the network is built. Every other size runs too, with the same bits, through code
    /// that takes its sizes from each call. That code is slower for small batches, for those that are no multiple of a block of rows, and
    /// for very large ones. Each size takes some milliseconds to build. Sizes that repeat need not be named: see [`Build::specialize`].
    #[must_use]
    pub fn batch_sizes(mut self, sizes: impl IntoIterator<Item = usize>) -> Build<N> {
        self.options.batch_sizes.extend(sizes);
        self
    }

    /// Which sizes have code of their own. Unless said, those that are named ([`Build::batch_sizes`]) and those that repeat: a size has code
    /// made by the call of `epoch` that first uses it, or the call of `step`, `forward` or `gradients` that uses it once more after
    /// [`Specialize::CALLS`] such calls. That call takes some milliseconds longer, those that follow are faster, and all give the
    /// same bits. A thread that must not wait names its sizes and says [`Specialize::Named`].
    ///
    /// ```
    /// use downhill::prelude::*;
    /// use downhill::Specialize;
    ///
    /// # network! {
    /// #     pub Line() {
    /// #         input  x: [batch, 1];
    /// #         target y: [batch, 1];
    /// #         output p = linear(x, 1);
    /// #         loss squared_error(p, y);
    /// #     }
    /// # }
    /// # fn main() -> Result<(), downhill::Error> {
    /// let mut net = Line::new().optimizer(sgd(0.1)).build()?;
    /// for _ in 0..=Specialize::CALLS {
    ///     net.step(&[0.5, 1.0], &[1.0, 0.0])?;
    /// }
    /// println!("{}", net.report()); // ends with: step with batch = 2 (automatic, 2.1 ms)
    /// assert_eq!(net.report().variants[0].sizes[0].1, 2);
    ///
    /// let named = Line::new().optimizer(sgd(0.1)).batch_sizes([2]).specialize(Specialize::Named);
    /// let mut steady = named.build()?; // its steps never compile
    /// assert!(steady.step(&[0.5, 1.0], &[1.0, 0.0])?.is_finite());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn specialize(mut self, specialize: Specialize) -> Build<N> {
        self.options.specialize = specialize;
        self
    }

    /// Threads that share the large kernels of a step, the caller's included; 1, or what the environment variable
    /// `DOWNHILL_THREADS` says, unless said. The results have the same bits for every number. Small kernels stay on one thread.
    /// A [`Program`] with such kernels starts threads of its own, no more than the process has processors for. They sleep between calls
    /// and end with the program. When two models of one program run at the same time, the second one runs on its caller's thread alone.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Build<N> {
        self.options.threads = Some(threads);
        self
    }

    /// The vectors that machine code is made of; the widest that the processor has, or those that the environment variable
    /// `DOWNHILL_TARGET` names, unless said. The results have the same bits for all of them.
    #[must_use]
    pub fn target(mut self, target: InstructionSet) -> Build<N> {
        self.options.instructions = Some(target);
        self
    }

    /// Whether class indices, labels of −1 and 1, targets and probabilities are checked; they are unless said. A step with a broken one is
    /// an error that names its row. An input that is used as it was given is checked when it is given, which takes some nanoseconds a
    /// call and next to nothing in an epoch. A computed value is checked in the step itself, by a comparison of each element.
    ///
    /// Without checks a class index that is none picks nothing, and other broken elements give what the formula gives.
    #[must_use]
    pub fn checks(mut self, checks: bool) -> Build<N> {
        self.options.unchecked = !checks;
        self
    }

    /// Stages of the build to show, instead of those that the environment variable `DOWNHILL_DUMP` names.
    #[must_use]
    pub fn dump(mut self, dump: Dump) -> Build<N> {
        self.options.dump = Some(dump);
        self
    }

    /// Graph, gradients, machine code, parameters.
    ///
    /// # Errors
    /// Mistakes that the network's arguments let show, all at once; options that make no sense; what the machine lacks.
    pub fn build(self) -> Result<Model, Error> {
        let seed = self.seed;
        self.program()?.model(seed)
    }

    /// The machine code alone; `program.model(seed)` makes networks that run it.
    ///
    /// # Errors
    /// As [`Build::build`].
    pub fn program(self) -> Result<Arc<Program>, Error> {
        let declare = |mode| self.network.declaration(mode);
        Program::build(self.network.name(), declare, self.options).map(Arc::new)
    }
}
