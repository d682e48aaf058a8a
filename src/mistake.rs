//! Mistakes of callers and of files, in one form.
//!
//! Out: [`Error`]s that say what is the matter and how to mend it, and where in a file.

pub(crate) use downhill_graph::error::counted;
use downhill_runtime::error::Error;
use std::path::Path;

pub(crate) fn misuse(message: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Usage { message: message.into(), help: help.into() }
}

/// A file that does not hold what it should.
pub(crate) fn broken(path: &Path, message: impl Into<String>) -> Error {
    Error::File { path: path.into(), place: None, message: one_line(&message.into()) }
}

/// A text that does not hold what it should, at a line and a column, both from 1.
pub(crate) fn broken_at(path: &Path, place: (u64, u64), message: impl Into<String>) -> Error {
    Error::File { path: path.into(), place: Some(place), message: one_line(&message.into()) }
}

/// A text in which line ends and the like, which a file may hold anywhere, are written out.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { line.extend(letter.escape_debug()) } else { line.push(letter) }
    }
    line
}

/// What the system says of a file.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    broken(path, format!("cannot be read: {error}"))
}

/// Memory for `len` elements, or an error instead of an end of the process.
pub(crate) fn reserved<T>(len: usize, what: impl FnOnce() -> String) -> Result<Vec<T>, Error> {
    let mut room = Vec::new();
    match room.try_reserve_exact(len) {
        Ok(()) => Ok(room),
        Err(_) => Err(Error::Memory { what: what(), bytes: len.saturating_mul(size_of::<T>()) }),
    }
}
