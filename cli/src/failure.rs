//! What ends the command before its work is done.
//!
//! In: errors of the library and of the standard output. Out: [`Failure`], whose messages speak of options where the library speaks of its
//! functions.

use std::io::{self, ErrorKind};

/// Why the command ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Options that do not fit each other or the data's columns.
    Usage(String),
    /// Data, training or files.
    Failed(String),
    /// The standard output was closed by its reader.
    Deaf,
}

/// Data that cannot be worked with, and the mend.
pub(crate) fn failed(message: impl Into<String>) -> Failure {
    Failure::Failed(message.into())
}

impl From<downhill::Error> for Failure {
    fn from(error: downhill::Error) -> Failure {
        Failure::Failed(in_options(&error.to_string()))
    }
}

/// Of tensors alone.
impl From<downhill::error::Error> for Failure {
    fn from(error: downhill::error::Error) -> Failure {
        downhill::Error::from(error).into()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::Deaf,
            _ => Failure::Failed(format!("the standard output cannot be written: {error}")),
        }
    }
}

/// The library's mends by the options that do the same.
const OPTIONS: [(&str, &str); 3] =
    [("categories", "--categories"), ("missing", "--missing"), ("numbers", "--numbers")];

/// `` `.categories(["zip"])` `` as `` `--categories zip` ``.
fn in_options(message: &str) -> String {
    let mut text = message.to_owned();
    for (function, option) in OPTIONS {
        let call = format!("`.{function}([");
        while let Some(start) = text.find(&call) {
            let Some(length) = text[start..].find("])`") else { break };
            let argument = text[start + call.len()..start + length].trim_matches('"');
            let argument = if argument == "…" { "TEXT" } else { argument };
            let told = format!("`{option} {argument}`");
            text.replace_range(start..start + length + "])`".len(), &told);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mends_are_options() {
        let told = "a.csv:3:1: column `a` holds numbers, but here `x`; mend the file, or say `.categories([\"a\"])` or `.missing([…])`";
        let expected = "a.csv:3:1: column `a` holds numbers, but here `x`; mend the file, or say `--categories a` or `--missing TEXT`";
        assert_eq!(in_options(told), expected);
        assert_eq!(in_options("broken `.categories(["), "broken `.categories([");
    }
}
