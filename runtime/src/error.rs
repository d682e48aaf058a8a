//! What can go wrong between a declaration and its numbers.
//!
//! Out: [`Error`], one enum for all of downhill. Each says what was expected and what was found; none is a panic, and none
//! stands for a bug of downhill's own.

use crate::cause::{Cause, Part, Violation};
use crate::mismatch::Mismatch;
use downhill_graph::error::{Errors, nearest};
use downhill_graph::types::ElementType;
use std::fmt;
use std::path::PathBuf;

/// Why downhill could not do what it was asked for.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Mistakes in a network's declaration, all at once.
    Network(Errors),
    /// No machine code could be made.
    Code(downhill_codegen::error::Error),
    /// No memory.
    Memory {
        /// For what.
        what: String,
        /// How much was asked for.
        bytes: usize,
    },
    /// A name that nothing has.
    Unknown {
        /// `parameter`, `input`, `loss`, …
        kind: &'static str,
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A name given twice.
    Duplicate {
        /// `input`, `column`, …
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Too few or too many tensors.
    Count {
        /// What they were given to.
        entry: String,
        /// `inputs`, `targets`, …
        kind: &'static str,
        /// The names of what is expected.
        expected: Vec<String>,
        /// How many were given.
        found: usize,
    },
    /// An input that an entry reads was not given.
    Missing {
        /// What it was not given to.
        entry: String,
        /// The input.
        name: String,
    },
    /// Another type of element.
    Element {
        /// Of what.
        name: String,
        /// The declared type.
        expected: ElementType,
        /// The given type.
        found: ElementType,
    },
    /// Another shape.
    Shape {
        /// Of what.
        name: String,
        /// As declared: `[batch, 2]`.
        expected: String,
        /// As given: `[5, 3]`, or `7 numbers`.
        found: String,
        /// What does not fit.
        reason: String,
    },
    /// The sizes of what was given are sizes under which the network makes no sense: an axis would be negative, have no
    /// value or be more than memory can hold, or elements would be taken from outside of one.
    Sizes(downhill_graph::error::Error),
    /// Two inputs give one symbol two values.
    Disagreement {
        /// The symbol.
        symbol: String,
        /// An input, and the value by it.
        first: (String, i64),
        /// Another.
        second: (String, i64),
    },
    /// A class index that is no class.
    Class {
        /// Of which input.
        name: String,
        /// Position in row-major order.
        position: usize,
        /// The index.
        value: i64,
        /// How many classes there are.
        classes: i64,
    },
    /// A value that its use does not allow: a label that is no class, a target that is no probability.
    Violation(Box<Violation>),
    /// A loss, a gradient or an update became infinite or NaN; the parameters are those from before that step, but for
    /// [`Part::Made`].
    NonFinite {
        /// The loss.
        loss: String,
        /// What of its step is not finite.
        part: Part,
        /// The parameters and states whose gradients or updates are not finite, where the loss is.
        concerned: Vec<String>,
        /// The first value that is not finite; `None` where it could not be found.
        cause: Option<Box<Cause>>,
        /// The step in this call, from 0.
        step: usize,
        /// How many steps the model had made before it.
        steps_before: u64,
    },
    /// A training step without rows.
    EmptyBatch {
        /// The symbol that is 0.
        symbol: String,
    },
    /// A state that is not this network's, with all that does not fit.
    State(Box<Mismatch>),
    /// A file that cannot be read, or does not hold what it should.
    File {
        /// The file.
        path: PathBuf,
        /// Line and column of a text, from 1.
        place: Option<(u64, u64)>,
        /// What is the matter.
        message: String,
    },
    /// Something was asked of a network that it does not offer as it was built.
    Usage {
        /// What is the matter.
        message: String,
        /// How to mend it.
        help: String,
    },
}

impl Error {
    pub(crate) fn unknown<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Error {
        Error::Unknown { kind, name: name.to_owned(), known: known.into_iter().map(str::to_owned).collect() }
    }

    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Error {
        Error::Usage { message: message.into(), help: help.into() }
    }
}

/// The same words as `Display`: a `main` that returns this error prints them.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Network(errors) => errors.fmt(f),
            Error::Code(error) => error.fmt(f),
            Error::Memory { what, bytes } => write!(f, "no memory for {what} ({bytes} bytes)"),
            Error::Unknown { kind, name, known } => write_unknown(f, kind, name, known),
            Error::Duplicate { kind, name } => write!(f, "{kind} `{name}` is given twice"),
            Error::Count { entry, kind, expected, found } => {
                write!(f, "`{entry}` takes {}", Listed(expected, kind))?;
                write!(f, ", but {found} {} given", if *found == 1 { "was" } else { "were" })
            }
            Error::Missing { entry, name } => {
                write!(f, "`{entry}` reads input `{name}`, which was not given")
            }
            Error::Element { name, expected, found } => {
                write!(f, "`{name}` is declared as {expected}, but was given {found}")
            }
            Error::Shape { name, expected, found, reason } => {
                write!(f, "`{name}` is declared as {expected}, but was given {found}: {reason}")
            }
            Error::Sizes(error) => error.fmt(f),
            Error::Disagreement { symbol, first, second } => {
                write!(f, "`{symbol}` is {} in `{}` but {} in `{}`", first.1, first.0, second.1, second.0)
            }
            Error::Class { name, position, value, classes } => {
                write!(f, "`{name}` holds class {value} at position {position}, but ")?;
                match classes {
                    ..=0 => f.write_str("there are no classes"),
                    1 => f.write_str("the only class is 0"),
                    _ => write!(f, "classes are 0 to {}", classes - 1),
                }
            }
            Error::Violation(violation) => violation.fmt(f),
            Error::NonFinite { loss, part, concerned, cause, step, steps_before } => {
                let finite = |of| format!("loss `{loss}` is finite but {of} {}", shortened(concerned));
                let what = match part {
                    Part::Loss => format!("loss `{loss}`"),
                    Part::Gradient => finite("the gradient by"),
                    Part::Update => finite("the next value of"),
                    Part::Made => shortened(concerned),
                };
                write!(
                    f,
                    "{what} became infinite or NaN in step {step} of this call (steps made before it: {steps_before}); "
                )?;
                if *part == Part::Made {
                    let what = "nothing showed it before that step had made its updates, so these values are lost, and the other \
                                parameters are those from behind it. Set them, or build the network anew, with smaller data or a lower \
                                learning rate: a sum, or the square that an optimizer makes of a gradient, went beyond 3.4e38";
                    return f.write_str(what);
                }
                f.write_str("its parameters are those from before that step. ")?;
                match cause {
                    Some(cause) => write!(f, "The first value that is not finite is {cause}"),
                    None => f.write_str(
                        "Look for NaN in the data, a learning rate that is too high, or functions outside their domain",
                    ),
                }
            }
            Error::EmptyBatch { symbol } => {
                write!(f, "a training step needs at least one row, but `{symbol}` is 0")
            }
            Error::State(mismatch) => mismatch.fmt(f),
            Error::File { path, place: None, message } => write!(f, "{}: {message}", path.display()),
            Error::File { path, place: Some((line, column)), message } => {
                write!(f, "{}:{line}:{column}: {message}", path.display())
            }
            Error::Usage { message, help } => write!(f, "{message}\n   = help: {help}"),
        }
    }
}

/// `` `a`, `b`, `c` and 2 more``.
fn shortened(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "a parameter".into(),
        1..=3 => shown.join(", "),
        all => format!("{} and {} more", shown.join(", "), all - 3),
    }
}

/// `2 inputs (`x`, `t`)`.
struct Listed<'a>(&'a [String], &'a str);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => write!(f, "no {}s", self.1),
            [name] => write!(f, "1 {} ({name})", self.1),
            _ => write!(f, "{} {}s ({})", names.len(), self.1, names.join(", ")),
        }
    }
}

fn write_unknown(f: &mut fmt::Formatter<'_>, kind: &str, name: &str, known: &[String]) -> fmt::Result {
    write!(f, "there is no {kind} `{name}`")?;
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        return write!(f, "; did you mean `{near}`?");
    }
    match known {
        [] => write!(f, "; there are none"),
        [only] => write!(f, "; there is only `{only}`"),
        _ => {
            let shown: Vec<String> = known.iter().take(8).map(|name| format!("`{name}`")).collect();
            write!(f, "; there are {}{}", shown.join(", "), if known.len() > 8 { ", …" } else { "" })
        }
    }
}

impl std::error::Error for Error {}

impl From<Errors> for Error {
    fn from(errors: Errors) -> Error {
        Error::Network(errors)
    }
}

impl From<downhill_graph::error::Error> for Error {
    fn from(error: downhill_graph::error::Error) -> Error {
        Error::Network(error.into())
    }
}

impl From<downhill_codegen::error::Error> for Error {
    fn from(error: downhill_codegen::error::Error) -> Error {
        match error {
            downhill_codegen::error::Error::Network(mistakes) => Error::Network(mistakes),
            other => Error::Code(other),
        }
    }
}
