//! How what a model is given differs from what it takes, by name.
//!
//! Out: [`Mismatch`], all of it at once.

use std::fmt;

/// How a state differs from what a model takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Names that the model has and the state has not.
    pub missing: Vec<String>,
    /// Names that the state has and the model has not.
    pub unexpected: Vec<String>,
    /// Name, what the model takes, what was found.
    pub misshaped: Vec<(String, String, String)>,
    /// The likely mend, where one is known.
    pub help: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state is another network's")?;
        for (what, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !names.is_empty() {
                write!(f, "\n   = {what}: {}", listed(names))?;
            }
        }
        for (name, expected, found) in &self.misshaped {
            write!(f, "\n   = `{name}` is {expected} but was given as {found}")?;
        }
        self.help.iter().try_for_each(|help| write!(f, "\n   = help: {help}"))
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
