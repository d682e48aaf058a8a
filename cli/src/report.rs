//! What the command says.
//!
//! In: parts of a report, each as text and as JSON. Out: texts as they come, or one JSON document at the end.

use crate::failure::Failure;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::io::{self, Write};

/// A report under way.
pub(crate) struct Report {
    /// The document, where JSON was asked for.
    document: Option<Map<String, Value>>,
    notes: Vec<String>,
    /// Whether there is more to do than to be read.
    outlives: bool,
}

impl Report {
    pub(crate) fn new(is_json: bool) -> Report {
        Report { document: is_json.then(Map::new), notes: Vec::new(), outlives: false }
    }

    /// Files are to be written, too: a reader that goes away ends nothing.
    pub(crate) fn outlive(&mut self) {
        self.outlives = true;
    }

    /// Whether nothing but the document may be on the standard output.
    pub(crate) fn is_json(&self) -> bool {
        self.document.is_some()
    }

    /// A part of the report: its name and value in the document, its lines as text.
    pub(crate) fn tell(&mut self, name: &str, value: Value, text: impl Display) -> Result<(), Failure> {
        self.document(name, value);
        self.text(text)
    }

    /// Lines that the document has elsewhere.
    pub(crate) fn text(&mut self, text: impl Display) -> Result<(), Failure> {
        match self.document {
            Some(_) => Ok(()),
            None => match writeln!(io::stdout().lock(), "{text}").map_err(Failure::from) {
                Err(Failure::Deaf) if self.outlives => Ok(()),
                written => written,
            },
        }
    }

    /// A part of the report that texts do not have.
    pub(crate) fn document(&mut self, name: &str, value: Value) {
        if let Some(document) = &mut self.document {
            document.insert(name.to_owned(), value);
        }
    }

    /// What a user should know and did not ask for.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        match self.document {
            Some(_) => self.notes.push(text),
            None => aside("note", &text),
        }
    }

    /// The document, if it is one.
    pub(crate) fn end(self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if let Some(mut document) = self.document {
            document.insert("notes".to_owned(), json!(self.notes));
            writeln!(out, "{:#}", Value::Object(document))?;
        }
        Ok(out.flush()?)
    }
}

/// A line on the standard error output, which may be closed.
pub(crate) fn aside(kind: &str, text: &str) {
    _ = writeln!(io::stderr().lock(), "{kind}: {text}");
}

/// `1 row`, `2 rows`, `1,797 rows`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    let ending = match (count, what) {
        (1, _) => "",
        (_, "class" | "batch") => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", grouped(count))
}

/// `1,234,567`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Names for a line: the first of many.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", grouped(names.len() - SHOWN));
    }
    text
}

/// A number for a table: four digits behind the point, or powers of ten.
pub(crate) fn number(number: f64) -> String {
    match number.abs() {
        _ if number.is_nan() => "–".to_owned(),
        0.0 => "0".to_owned(),
        1e-3..1e6 => format!("{number:.4}"),
        _ => format!("{number:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            (grouped(7), grouped(1797), grouped(1_234_567)),
            ("7".into(), "1,797".into(), "1,234,567".into())
        );
        assert_eq!((counted(1, "row"), counted(2, "class")), ("1 row".into(), "2 classes".into()));
        assert_eq!(listed(["a", "b"]), "a, b");
        assert_eq!(
            (number(0.5), number(f64::NAN), number(1e-9)),
            ("0.5000".into(), "–".into(), "1.000e-9".into())
        );
    }
}
