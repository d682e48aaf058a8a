//! What can go wrong while machine code is made. In: nothing. Out: [`Error`].
//!
//! Only what depends on the machine or on the code generator's own limits stands here; what a user can mend in a network
//! is reported before code generation starts.

use downhill_graph::error::{self, Errors};
use std::fmt;

/// Why no machine code could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The processor lacks something that the generated code's results depend on.
    UnsupportedCpu {
        /// What is missing, in words.
        missing: String,
    },
    /// Something that has no compiled form yet.
    Unsupported(String),
    /// A graph that is none, or whose sizes cannot be: mistakes of the network.
    Network(Errors),
    /// Cranelift refused: its own words.
    Backend(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnsupportedCpu { missing } => {
                write!(f, "this processor cannot run downhill's code: {missing}")
            }
            Error::Unsupported(what) => f.write_str(what),
            Error::Network(mistakes) => mistakes.fmt(f),
            Error::Backend(message) => write!(f, "the code generator failed: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Errors> for Error {
    fn from(mistakes: Errors) -> Error {
        Error::Network(mistakes)
    }
}

impl From<error::Error> for Error {
    fn from(mistake: error::Error) -> Error {
        Error::Network(mistake.into())
    }
}
