//! Why a step was stopped: what the diagnosis of it found.
//!
//! Out: [`Violation`], a value that its use does not allow, and [`Cause`], the first value that is not finite; both say which element.

use downhill_graph::error::{Error, Origin};
use std::fmt;

/// Which element of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The row, where the tensor has rows: of the data set in an epoch, else of the batch.
    pub row: Option<usize>,
    /// The position in row-major order, in the row where there is one; `None` where there is one element only.
    pub position: Option<usize>,
}

impl Place {
    /// The element at `position` of `len`, in rows of `row_len` where the tensor has rows.
    pub(crate) fn new(position: usize, len: usize, row_len: Option<usize>) -> Place {
        match row_len.filter(|&row_len| row_len > 0) {
            Some(1) => Place { row: Some(position), position: None },
            Some(row_len) => Place { row: Some(position / row_len), position: Some(position % row_len) },
            None => Place { row: None, position: (len > 1).then_some(position) },
        }
    }
}

impl fmt::Display for Place {
    /// Nothing for the only element, else ` at row 3, position 1 in it`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, self.position) {
            (Some(row), None) => write!(f, " at row {row}"),
            (Some(row), Some(position)) => write!(f, " at row {row}, position {position} in it"),
            (None, Some(position)) => write!(f, " at position {position}"),
            (None, None) => Ok(()),
        }
    }
}

/// A value that its use does not allow.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// What holds it: a name in backticks, or what it is to its user.
    pub name: String,
    /// Which element.
    pub at: Place,
    /// The value.
    pub value: f64,
    /// The composite that does not allow it.
    pub user: String,
    /// What that takes.
    pub takes: String,
    /// The likely mend.
    pub help: String,
    /// Where the use was declared.
    pub origin: Origin,
    /// The step of the call that it stopped, from 0; `None` where it was found before any.
    pub step: Option<usize>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { name, at, value, user, takes, .. } = self;
        let step = self.step.map(|step| format!(" in step {step} of this call")).unwrap_or_default();
        let message = format!("{name} holds {value}{at}{step}, but `{user}` takes {takes}");
        Error::new(message).at(self.origin.clone()).help(&self.help).fmt(f)
    }
}

/// What of a step was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The loss.
    Loss,
    /// The loss is finite, and the gradient by a parameter is not.
    Gradient,
    /// The gradients are finite, and the next value of a parameter or state is not.
    Update,
    /// Only what the step has made of parameters and states is not finite: a sum that overflowed within their update, which nothing
    /// showed before. They are no longer what they were before it.
    Made,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data.
    Input,
    /// A parameter, as it was before the step.
    Parameter,
    /// A state, as it was before the step.
    State,
    /// A named value of the declaration, or the last one of a layer.
    Value,
    /// The loss.
    Loss,
    /// The gradient by a parameter.
    Gradient,
    /// The next value of a parameter, or of a state that an optimizer keeps.
    Update,
    /// The next value of a state that the declaration updates.
    StateUpdate,
}

/// The first value of a step that is not finite, in the order in which it is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// What it is.
    pub kind: Kind,
    /// Its name in backticks, or what it is to the composite that uses it; of a gradient or update, the parameter's or state's.
    pub name: String,
    /// Its first element that is not finite.
    pub at: Place,
    /// That element.
    pub value: f64,
    /// Where it was declared; nowhere where messages need no origin.
    pub origin: Origin,
}

impl Cause {
    /// What to do about it.
    fn help(&self) -> &'static str {
        match self.kind {
            Kind::Input => "look for NaN and infinities in the data",
            Kind::Parameter | Kind::State => "give it finite values, or build the network anew",
            Kind::Value => {
                "all that it is computed from is finite: it has grown too large, which a lower learning rate mends, or a function \
                 stands there outside its domain"
            }
            Kind::Loss => {
                "all that it is computed from is finite: a logarithm, root or quotient stands in it outside its domain, or numbers \
                 have grown too large, which a lower learning rate mends"
            }
            Kind::Gradient => {
                "a root, quotient or power has an infinite derivative there, or factors have grown too large"
            }
            Kind::StateUpdate => {
                "its `update` leaves the domain of a root, a logarithm or a quotient, or numbers have grown too large"
            }
            Kind::Update => {
                "its gradient is finite: lower the learning rate, or keep the optimizer's divisor from 0 (`eps`)"
            }
        }
    }
}

impl fmt::Display for Cause {
    /// `NaN in input `x` at row 3; look for …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Input => "input ",
            Kind::Parameter => "parameter ",
            Kind::State => "state ",
            Kind::Loss => "loss ",
            Kind::Value => "",
            Kind::Gradient => "the gradient by ",
            Kind::Update | Kind::StateUpdate => "the next value of ",
        };
        write!(f, "{} in {what}{}{}", self.value, self.name, self.at)?;
        let Origin { file, line, .. } = &self.origin;
        if !file.is_empty() {
            write!(f, " ({file}:{line})")?;
        }
        write!(f, ": {}", self.help())
    }
}
