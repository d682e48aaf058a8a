//! Optimizers: how a step changes parameters, as data and as expressions appended to the graph.
//!
//! In: options named and defaulted as PyTorch's; parameters with their gradients. Out: states, a learning rate given at run time,
//! and an update for each parameter and state.
//!
//! Must hold: right-hand sides read what was stored before the step. Formulas are PyTorch's
//! (`torch.optim.SGD`, `Adam`, `AdamW`), with scalars that hang on the step alone computed once, as scalars.
//!
//! # Examples
//! ```
//! use downhill_nn::optimizer::{Optimizer, adamw, sgd};
//!
//! let plain: Optimizer = sgd(0.1).into();
//! assert_eq!(plain.learning_rate(), 0.1);
//! assert!(Optimizer::from(sgd(0.1).nesterov(true)).check().is_err()); // Nesterov's momentum needs momentum
//! assert!(Optimizer::from(adamw(1e-3).betas(0.9, 0.99).weight_decay(0.05)).check().is_ok());
//! ```

mod writer;

use downhill_graph::error::{Error, Origin};
use downhill_graph::graph::{Graph, Input, NodeId, Role};
use downhill_graph::op::{Binary, Op, Unary};
use downhill_graph::option::{Allowed, check, refused};
use downhill_graph::types::{ElementType, Shape, Type};
use writer::Writer;

/// How a step changes parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient descent.
    Sgd(Sgd),
    /// Adam or AdamW.
    Adam(Adam),
}

/// Stochastic gradient descent; made by [`sgd`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    learning_rate: f64,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
    weight_decay: f64,
}

/// Adam, made by [`adam`], or AdamW, made by [`adamw`].
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
    weight_decay: f64,
    decoupled: bool,
}

/// Gradient descent: `w ← w − learning_rate·g`.
pub fn sgd(learning_rate: f64) -> Sgd {
    Sgd { learning_rate, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
}

/// Adam (Kingma, Ba: Adam, a Method for Stochastic Optimization; 2015). Its weight decay is added to the gradient.
pub fn adam(learning_rate: f64) -> Adam {
    Adam { learning_rate, betas: (0.9, 0.999), epsilon: 1e-8, weight_decay: 0.0, decoupled: false }
}

/// AdamW (Loshchilov, Hutter: Decoupled Weight Decay Regularization; 2019), with PyTorch's weight decay of 0.01.
pub fn adamw(learning_rate: f64) -> Adam {
    Adam { weight_decay: 0.01, decoupled: true, ..adam(learning_rate) }
}

impl Sgd {
    /// Share of the last step's direction that is kept: 0.9 is usual.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Sgd {
        Sgd { momentum, ..self }
    }

    /// Share of the gradient that momentum leaves out.
    #[must_use]
    pub fn dampening(self, dampening: f64) -> Sgd {
        Sgd { dampening, ..self }
    }

    /// Nesterov's momentum: the gradient as it will be after the next move.
    #[must_use]
    pub fn nesterov(self, nesterov: bool) -> Sgd {
        Sgd { nesterov, ..self }
    }

    /// `weight_decay·w` is added to the gradient.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Sgd {
        Sgd { weight_decay, ..self }
    }
}

impl Adam {
    /// How long the averages of gradient and squared gradient remember.
    #[must_use]
    pub fn betas(self, first: f64, second: f64) -> Adam {
        Adam { betas: (first, second), ..self }
    }

    /// Added to the divisor; above 0.
    #[must_use]
    pub fn eps(self, epsilon: f64) -> Adam {
        Adam { epsilon, ..self }
    }

    /// Adam: `weight_decay·w` is added to the gradient. AdamW: the step also shrinks weights by `learning_rate·weight_decay`.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Adam {
        Adam { weight_decay, ..self }
    }
}

impl From<Sgd> for Optimizer {
    fn from(sgd: Sgd) -> Optimizer {
        Optimizer::Sgd(sgd)
    }
}

impl From<Adam> for Optimizer {
    fn from(adam: Adam) -> Optimizer {
        Optimizer::Adam(adam)
    }
}

/// The name of the input that every step is given.
pub const LEARNING_RATE: &str = "learning_rate";

impl Optimizer {
    /// The learning rate when a step names none.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Optimizer::Sgd(sgd) => sgd.learning_rate,
            Optimizer::Adam(adam) => adam.learning_rate,
        }
    }

    /// Refuses options that make no sense, as the f32 that they become.
    ///
    /// # Errors
    /// What PyTorch's constructors refuse; numbers that f32 makes infinite, 0 or 1; an eps of 0.
    pub fn check(&self) -> Result<(), Error> {
        check("a learning rate", self.learning_rate(), Allowed::FromZero)?;
        match self {
            Optimizer::Sgd(sgd) => {
                check("a momentum", sgd.momentum, Allowed::FromZero)?;
                check("a weight decay", sgd.weight_decay, Allowed::FromZero)?;
                check("a dampening", sgd.dampening, Allowed::Finite)?;
                let plain = sgd.momentum > 0.0 && sgd.dampening == 0.0;
                if sgd.nesterov && !plain {
                    let error = Error::new("Nesterov's momentum without momentum, or with dampening");
                    return Err(error.help("give it `.momentum(0.9)` and no dampening"));
                }
                Ok(())
            }
            Optimizer::Adam(adam) => {
                check("a weight decay", adam.weight_decay, Allowed::FromZero)?;
                check("a first beta", adam.betas.0, Allowed::ZeroToOne)?;
                check("a second beta", adam.betas.1, Allowed::ZeroToOne)?;
                check_divisor(adam.epsilon)
            }
        }
    }

    /// Appends states and updates for `parameters`: (index of the storage, its node, its gradient). `prefix` keeps the states of several
    /// losses apart; it is empty where there is one.
    pub fn append(&self, graph: &mut Graph, prefix: &str, parameters: &[(usize, NodeId, NodeId)]) {
        let origin = graph.current_origin().clone();
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        // What belongs to no parameter was declared nowhere.
        graph.set_origin(Origin::default());
        let rate = learning_rate_input(graph);
        let mut writer = Writer { graph, prefix };
        match self {
            Optimizer::Sgd(sgd) => sgd.append(&mut writer, rate, parameters),
            Optimizer::Adam(adam) => adam.append(&mut writer, rate, parameters),
        }
        graph.set_origin(origin);
    }
}

/// Adam divides by √(second moment) + eps, and both moments of a parameter that has had no gradient yet are 0. PyTorch takes an eps
/// of 0 too; the parameter is NaN then after the first step.
fn check_divisor(epsilon: f64) -> Result<(), Error> {
    let held = epsilon as f32;
    if held.is_normal() && held > 0.0 {
        return Ok(());
    }
    let help = "it must be a normal number above 0, 1.2e-38 or more: a gradient of 0 is divided by it";
    Err(refused("an eps", epsilon).help(help))
}

fn learning_rate_input(graph: &mut Graph) -> NodeId {
    let known =
        graph.inputs.iter().position(|input| &*input.name == LEARNING_RATE && input.role == Role::Hyper);
    if let Some(index) = known {
        return graph.add(Op::Input(index), &[]);
    }
    let ty = Type::new(ElementType::F32, Shape::scalar());
    graph.add_input(Input { name: LEARNING_RATE.into(), ty, role: Role::Hyper, below: None })
}

impl Sgd {
    fn append(&self, w: &mut Writer<'_>, rate: NodeId, parameters: &[(usize, NodeId, NodeId)]) {
        // PyTorch's momentum begins as the whole first gradient; it begins at 0 here, so only dampening must wait a step.
        let dampened = self.momentum != 0.0 && self.dampening != 0.0;
        let share = dampened.then(|| {
            let (before, _) = w.step();
            let first = w.is_zero(before);
            let (whole, rest) = (w.number(1.0), w.number(1.0 - self.dampening));
            w.graph.add(Op::Select, &[first, whole, rest])
        });
        for &(storage, parameter, gradient) in parameters {
            w.begin(storage);
            let gradient = w.decayed(gradient, parameter, self.weight_decay);
            let direction = if self.momentum == 0.0 {
                gradient
            } else {
                let (state, old) = w.state(storage, "momentum");
                let kept = w.scaled(old, self.momentum);
                let added = share.map_or(gradient, |share| w.times(gradient, share));
                let velocity = w.binary(Binary::Add, kept, added);
                w.update(state, velocity);
                if self.nesterov {
                    let ahead = w.scaled(velocity, self.momentum);
                    w.binary(Binary::Add, gradient, ahead)
                } else {
                    velocity
                }
            };
            let move_by = w.times(direction, rate);
            let new = w.binary(Binary::Sub, parameter, move_by);
            w.update(storage, new);
        }
    }
}

impl Adam {
    fn append(&self, w: &mut Writer<'_>, rate: NodeId, parameters: &[(usize, NodeId, NodeId)]) {
        let (_, step) = w.step();
        let first = w.bias_correction(self.betas.0, step);
        let second = w.bias_correction(self.betas.1, step);
        let step_size = w.binary(Binary::Div, rate, first);
        let spread = w.graph.add(Op::Unary(Unary::Sqrt), &[second]);
        for &(storage, parameter, gradient) in parameters {
            w.begin(storage);
            let coupled = if self.decoupled { 0.0 } else { self.weight_decay };
            let gradient = w.decayed(gradient, parameter, coupled);
            let (mean_state, mean) = w.state(storage, "first_moment");
            let mean = w.toward(mean, gradient, self.betas.0);
            w.update(mean_state, mean);
            let (square_state, square) = w.state(storage, "second_moment");
            let kept = w.scaled(square, self.betas.1);
            let added = w.binary(Binary::Mul, gradient, gradient);
            let added = w.scaled(added, 1.0 - self.betas.1);
            let square = w.binary(Binary::Add, kept, added);
            w.update(square_state, square);

            let root = w.graph.add(Op::Unary(Unary::Sqrt), &[square]);
            let root = w.over(root, spread);
            let divisor = w.plus(root, self.epsilon);
            let direction = w.binary(Binary::Div, mean, divisor);
            let move_by = w.times(direction, step_size);
            let start = if self.decoupled { w.shrunk(parameter, rate, self.weight_decay) } else { parameter };
            let new = w.binary(Binary::Sub, start, move_by);
            w.update(storage, new);
        }
    }
}
