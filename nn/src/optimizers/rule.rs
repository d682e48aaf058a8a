//! What an optimizer is: a rule that says of each parameter how a step changes it.

use super::updates::Updates;
use downhill_graph::error::Error;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::option::{Allowed, check};
use std::fmt::Debug;
use std::sync::Arc;

/// A rule by which a step changes parameters. Whatever has it can be given to `.optimizer(…)`.
///
/// A crate that depends on `downhill` finds what the example uses in `downhill::{error, option, random, optimizer, value}`.
///
/// The rule runs once, when a step is built. What it writes is compiled with the step: it costs what its formula costs.
///
/// # Examples
/// RMSProp (Hinton, 2012): each gradient is divided by the root of a running mean of its square.
/// ```
/// use downhill_graph::error::Error;
/// use downhill_graph::option::{Allowed, check};
/// use downhill_graph::random::Initializer;
/// use downhill_nn::optimizers::{Optimizer, UpdateRule, Updates};
/// use downhill_nn::value::{sqrt, square};
///
/// #[derive(Debug)]
/// struct RmsProp {
///     learning_rate: f64,
///     decay: f64,
/// }
///
/// impl UpdateRule for RmsProp {
///     fn learning_rate(&self) -> f64 {
///         self.learning_rate
///     }
///
///     fn check(&self) -> Result<(), Error> {
///         check("a decay", self.decay, Allowed::ZeroToOne)
///     }
///
///     fn append(&self, updates: &Updates) {
///         let rate = updates.learning_rate();
///         updates.each(|w| {
///             let squares = w.state("squares", Initializer::Zeros);
///             let mean = squares.value() * self.decay + square(w.gradient()) * (1.0 - self.decay);
///             squares.set(&mean);
///             w.set(w.value() - w.gradient() / (sqrt(mean) + 1e-8) * rate);
///         });
///     }
/// }
///
/// let optimizer = Optimizer::from(RmsProp { learning_rate: 0.01, decay: 0.9 });
/// assert!(optimizer.check().is_ok());
/// let error = Optimizer::from(RmsProp { learning_rate: 0.01, decay: 1.0 }).check().unwrap_err();
/// assert_eq!(error.message, "a decay of 1");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no optimizer",
    label = "no optimizer",
    note = "give one of downhill's, such as `adam(1e-3)` or `sgd(0.1).momentum(0.9)`, or implement `UpdateRule`"
)]
pub trait UpdateRule: Debug + Send + Sync + 'static {
    /// The learning rate when a step names none; it must be 0 or more, which is checked before [`UpdateRule::check`].
    fn learning_rate(&self) -> f64;

    /// Refuses options that make no sense; [`check`](fn@check) words a number's refusal.
    ///
    /// # Errors
    /// What is refused, and what may be written instead.
    fn check(&self) -> Result<(), Error>;

    /// The optimizer that the rule hands steps on to, if there is one: it answers for what this rule does not say itself.
    fn inner(&self) -> Option<&Optimizer> {
        None
    }

    /// Refuses names that the rule looks for and that none of the network's parameters has. A rule that hands steps on to others asks them.
    ///
    /// # Errors
    /// What it looks for, and the names that there are.
    fn check_names(&self, names: &[&str]) -> Result<(), Error> {
        self.inner().map_or(Ok(()), |inner| inner.check_names(names))
    }

    /// Whether the rule trains the parameter of this name, as it does unless it says otherwise. One that it does not is frozen: a step computes
    /// no gradient by it, and [`UpdateRule::append`] is not given it. A rule that hands steps on to others asks them.
    fn trains(&self, name: &str) -> bool {
        self.inner().is_none_or(|inner| inner.trains(name))
    }

    /// Writes the next value of each parameter, and of the states that the rule declares. Mistakes are recorded and told when the step is built.
    fn append(&self, updates: &Updates);
}

/// Refuses a rule within another one of learning rate `outer` whose own rate has no ratio to that, and what the rule itself refuses.
pub(super) fn check_rates(outer: f64, inner: &Optimizer) -> Result<(), Error> {
    inner.check()?;
    if outer == 0.0 && inner.learning_rate() != 0.0 {
        let error = Error::new(format!("a learning rate of {} beside one of 0", inner.learning_rate()));
        return Err(error.help("rates within an optimizer are multiples of its own: give it one above 0"));
    }
    Ok(())
}

/// How a step changes parameters: any [`UpdateRule`]. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Optimizer(Arc<dyn UpdateRule>);

impl<R: UpdateRule> From<R> for Optimizer {
    fn from(rule: R) -> Optimizer {
        Optimizer(Arc::new(rule))
    }
}

impl Optimizer {
    /// The learning rate when a step names none.
    pub fn learning_rate(&self) -> f64 {
        self.0.learning_rate()
    }

    /// Refuses options that make no sense, as the f32 that they become.
    ///
    /// # Errors
    /// A learning rate that is negative or not finite, and what the rule refuses.
    pub fn check(&self) -> Result<(), Error> {
        check("a learning rate", self.learning_rate(), Allowed::FromZero)?;
        self.0.check()
    }

    /// Refuses names that the rule looks for and that none of the network's parameters, all of these names, has.
    ///
    /// # Errors
    /// What it looks for, and the names that there are.
    pub fn check_names(&self, names: &[&str]) -> Result<(), Error> {
        self.0.check_names(names)
    }

    /// Whether it trains the parameter of this name; if not, the parameter is frozen.
    pub fn trains(&self, name: &str) -> bool {
        self.0.trains(name)
    }

    /// Writes updates for another rule, which hands a step on to this one.
    pub fn write(&self, updates: &Updates) {
        self.0.append(updates);
    }

    /// As [`Optimizer::write`], for a rule whose learning rate is `outer`: this one's own keeps its ratio to it, whatever rate a step is
    /// given.
    pub fn write_beside(&self, outer: f64, updates: &Updates) {
        let own = self.learning_rate();
        if own == outer {
            return self.write(updates);
        }
        self.write(&updates.with_learning_rate(&(updates.learning_rate() * (own / outer))));
    }

    /// Appends states and updates for `parameters` of `loss`: (index of the storage, its node, its gradient). `prefix` keeps the states of
    /// several losses apart; it is empty where there is one.
    ///
    /// # Errors
    /// The first mistake in what the rule writes; a rule that updates nothing. The graph then holds what was written up to there.
    pub fn append(
        &self,
        graph: &mut Graph,
        prefix: &str,
        loss: NodeId,
        parameters: &[(usize, NodeId, NodeId)],
    ) -> Result<(), Error> {
        let origin = graph.current_origin().clone();
        let updates = Updates::new(std::mem::take(graph), prefix, loss, parameters);
        self.0.append(&updates);
        let (written, mistakes) = updates.finish();
        *graph = written;
        graph.set_origin(origin);

        // Without an update nothing would be trained, and the step would not be one.
        let nothing = || Error::new("the optimizer updates nothing").help("call `set` on what it is given");
        let missing = (!parameters.is_empty() && !graph.changes_storages()).then(nothing);
        match mistakes.into_iter().next().or(missing) {
            Some(mistake) => Err(mistake.note("written by the optimizer's rule")),
            None => Ok(()),
        }
    }
}
