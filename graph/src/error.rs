//! Mistakes of the user: what was wrong, where, what was expected, how to mend it.
//!
//! Out: [`Error`], one mistake, and [`Errors`], all that were found at once. Never used for downhill's own bugs, which
//! panic and ask for a report.

use std::fmt;
use std::sync::Arc;

/// Where something was declared.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// The path of bindings it was declared in: `h`, `h.0`; empty at the top.
    pub layer: Arc<str>,
    /// Source file; empty when unknown.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The macro's number for the token, so that an error found while rustc runs stands on it; 0 when there is none.
    pub token: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was wrong, in one line: lower case, no final period, the offender in backticks.
    pub message: String,
    /// Where.
    pub origin: Origin,
    /// Facts: the layer, the shapes.
    pub notes: Vec<String>,
    /// The likely mend.
    pub help: Option<String>,
}

impl Error {
    /// A mistake whose origin is not known yet.
    pub fn new(message: impl Into<String>) -> Error {
        Error { message: message.into(), origin: Origin::default(), notes: Vec::new(), help: None }
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Error {
        self.notes.push(note.into());
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.help = Some(help.into());
        self
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Error {
        self.origin = origin;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.origin.file.is_empty() {
            write!(f, "\n  --> {}", self.origin)?;
        }
        if !self.origin.layer.is_empty() {
            write!(f, "\n   = in `{}`", self.origin.layer)?;
        }
        for note in &self.notes {
            write!(f, "\n   = {note}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n   = help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// All mistakes found; never empty when returned as an `Err`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Errors(pub Vec<Error>);

impl From<Error> for Errors {
    fn from(error: Error) -> Errors {
        Errors(vec![error])
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// The known name nearest to `wrong`, for "did you mean": at most a third of the letters (and at least one) may differ.
///
/// A name that differs only in case comes first. Names of one letter are near nothing else: each is near every other.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wrong.chars().count() / 3).max(1);
    let distance = |name: &str| {
        if name.to_lowercase() == wrong.to_lowercase() {
            return Some(0);
        }
        let long = [name, wrong].into_iter().all(|name| name.chars().nth(1).is_some());
        Some(edit_distance(wrong, name)).filter(|distance| long && *distance <= limit)
    };
    known.into_iter().filter_map(|name| Some((distance(name)?, name))).min().map(|(_, name)| name)
}

/// `1 row`, `3 rows`.
pub fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// Levenshtein's distance with adjacent swaps counted once (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }

    rows[a.len()][b.len()]
}
