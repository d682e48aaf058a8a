//! What the columns of a table are.
//!
//! In: names with their kinds, or the text that a schema was saved as. Out: [`Schema`].

use crate::mistake::misuse;
use downhill_graph::error::nearest;
use downhill_runtime::error::Error;
use std::fmt;
use std::str::FromStr;

/// What a column of a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// One of these texts, which are numbered from 0.
    Category(Vec<String>),
}

impl fmt::Display for Kind {
    /// `numbers` or `texts`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Number => "numbers",
            Kind::Category(_) => "texts",
        })
    }
}

/// The columns of a table, by name, in order. It is saved as text (`to_string`, `parse`), so that later files are read as those that a
/// network was trained on.
///
/// # Examples
/// ```
/// use downhill::data::schema::{Kind, Schema};
///
/// let schema = Schema::new([("length", Kind::Number), ("kind", Kind::Category(vec!["cat".into(), "dog".into()]))])?;
/// assert_eq!(schema.to_string(), "number \"length\"\ncategory \"kind\" \"cat\" \"dog\"\n");
/// assert_eq!(schema.to_string().parse::<Schema>()?, schema);
/// assert_eq!(schema.without(&["kind"])?.names().collect::<Vec<_>>(), ["length"]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    pub(crate) columns: Vec<(String, Kind)>,
}

impl Schema {
    /// Columns in order.
    ///
    /// # Errors
    /// A name, or a category of one column, that comes twice.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Kind)>) -> Result<Schema, Error> {
        let columns: Vec<(String, Kind)> =
            columns.into_iter().map(|(name, kind)| (name.into(), kind)).collect();
        for (position, (name, kind)) in columns.iter().enumerate() {
            if columns[..position].iter().any(|(known, _)| known == name) {
                return Err(Error::Duplicate { kind: "column", name: name.clone() });
            }
            if let Kind::Category(texts) = kind
                && let Some(twice) = repeated(texts)
            {
                return Err(Error::Duplicate { kind: "category", name: twice.into() });
            }
        }
        Ok(Schema { columns })
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The columns with their kinds.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.columns.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    /// Where the column of this name stands.
    ///
    /// # Errors
    /// There is none.
    pub fn position(&self, name: &str) -> Result<usize, Error> {
        self.names().position(|known| known == name).ok_or_else(|| Error::Unknown {
            kind: "column",
            name: name.into(),
            known: self.names().map(str::to_owned).collect(),
        })
    }

    /// The texts of a column of categories, by their numbers: what the classes of a network are called.
    ///
    /// # Errors
    /// No such column; one of numbers.
    pub fn categories(&self, name: &str) -> Result<&[String], Error> {
        match &self.columns[self.position(name)?].1 {
            Kind::Category(texts) => Ok(texts),
            Kind::Number => Err(misuse(
                format!("column `{name}` holds numbers"),
                "ask for the categories of a column of texts",
            )),
        }
    }

    /// All columns but these: a schema for files that lack a target, for one.
    ///
    /// # Errors
    /// A name that no column has.
    pub fn without(&self, names: &[&str]) -> Result<Schema, Error> {
        names.iter().try_for_each(|name| self.position(name).map(|_| ()))?;
        let kept = self.columns.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Ok(Schema { columns: kept.cloned().collect() })
    }
}

/// A text that comes twice.
fn repeated(texts: &[String]) -> Option<&str> {
    let mut sorted: Vec<&str> = texts.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// `` `blak` is no category of `color`; did you mean `black`? ``.
pub(crate) fn no_category(text: &str, column: &str, texts: &[String]) -> String {
    let near = nearest(text, texts.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("`{text}` is no category of `{column}`{near}")
}

impl fmt::Display for Schema {
    /// A line for each column: its kind, its name and its categories, in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kind) in &self.columns {
            match kind {
                Kind::Number => writeln!(f, "number {name:?}")?,
                Kind::Category(texts) => {
                    write!(f, "category {name:?}")?;
                    texts.iter().try_for_each(|text| write!(f, " {text:?}"))?;
                    f.write_str("\n")?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Schema {
    type Err = Error;

    fn from_str(text: &str) -> Result<Schema, Error> {
        let columns = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let columns: Vec<(String, Kind)> = columns
            .map(|(at, line)| {
                let wrong = || {
                    misuse(
                        format!("line {} of a schema is `{line}`", at + 1),
                        "a line is `number \"name\"` or `category \"name\" \"first\" \"second\"`",
                    )
                };
                let (word, rest) = line.split_once(' ').ok_or_else(wrong)?;
                let mut texts = quoted(rest).ok_or_else(wrong)?;
                match (word, texts.len()) {
                    ("number", 1) => Ok((texts.remove(0), Kind::Number)),
                    ("category", 1..) => Ok((texts.remove(0), Kind::Category(texts))),
                    _ => Err(wrong()),
                }
            })
            .collect::<Result<_, Error>>()?;
        Schema::new(columns)
    }
}

/// Texts in quotes as `Debug` writes them.
pub(crate) fn quoted(text: &str) -> Option<Vec<String>> {
    let (mut texts, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let mut letters = rest.strip_prefix('"')?.chars();
        let mut unescaped = String::new();
        loop {
            match letters.next()? {
                '"' => break,
                '\\' => unescaped.push(escaped(&mut letters)?),
                letter => unescaped.push(letter),
            }
        }
        texts.push(unescaped);
        rest = letters.as_str().trim_start();
    }
    Some(texts)
}

/// The letter behind a `\`.
fn escaped(letters: &mut std::str::Chars<'_>) -> Option<char> {
    match letters.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        'u' => {
            let (code, rest) = letters.as_str().strip_prefix('{')?.split_once('}')?;
            *letters = rest.chars();
            char::from_u32(u32::from_str_radix(code, 16).ok()?)
        }
        same => Some(same),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_saved_and_read() {
        let odd = ["", "a b", "\"", "\\", "\n\r\t\0\u{7f}\u{301}", "ü", "'"].map(String::from).to_vec();
        let schema = Schema::new([("a \"b\"\n", Kind::Category(odd)), ("", Kind::Number)]).expect("a schema");
        assert_eq!(schema.to_string().parse::<Schema>().expect("a schema"), schema);
    }

    #[test]
    fn mistakes_are_told() {
        let message = |text: &str| text.parse::<Schema>().expect_err("a mistake").to_string();
        assert!(message("number x").starts_with("line 1 of a schema is `number x`"));
        assert!(message("\nnumber \"x").starts_with("line 2 of a schema"));
        assert!(message("text \"x\"").starts_with("line 1 of a schema"));
        assert_eq!(message("number \"x\"\nnumber \"x\""), "column `x` is given twice");
        assert_eq!(message("category \"x\" \"a\" \"a\""), "category `a` is given twice");
        let schema: Schema = "number \"length\"".parse().expect("a schema");
        let error = schema.position("lenght").expect_err("none").to_string();
        assert_eq!(error, "there is no column `lenght`; did you mean `length`?");
        assert!(schema.categories("length").is_err());
    }
}
