//! Where rows come from: a file, or the standard input.
//!
//! In: a path or `-`, and how to read it. Out: the names of its columns, a [`Table`].

use crate::failure::{Failure, failed};
use crate::report::{Report, listed};
use downhill::data::csv::Csv;
use downhill::data::schema::{Kind, Schema};
use downhill::data::table::Table;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

/// How files of separated values are read.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reading {
    /// What separates fields: a character, or `tab` [default: whichever of `,`, `;` and tab the first line has most of]
    #[arg(long, value_parser = separator, help_heading = "Data")]
    separator: Option<char>,
    /// The first line is a row like the others; columns are called 0, 1, …
    #[arg(long, help_heading = "Data")]
    no_header: bool,
    /// Further texts that stand for a missing value, beside nothing, NA, N/A, nan, null
    #[arg(long, value_name = "TEXT", value_delimiter = ',', help_heading = "Data")]
    missing: Vec<String>,
}

fn separator(text: &str) -> Result<char, String> {
    let mut letters = text.chars();
    match (text, letters.next(), letters.next()) {
        ("tab" | "\\t", ..) => Ok('\t'),
        (_, Some(letter), None) if letter.is_ascii() && !['"', '\n', '\r'].contains(&letter) => Ok(letter),
        _ => Err("give one ASCII character, or `tab`".to_owned()),
    }
}

impl Reading {
    /// As those of an earlier file, where nothing else is said.
    pub(crate) fn or(mut self, earlier: &Value) -> Reading {
        self.no_header |= earlier["no_header"].as_bool().unwrap_or(false);
        let texts = earlier["missing"].as_array().into_iter().flatten();
        self.missing.extend(texts.filter_map(|text| text.as_str().map(str::to_owned)));
        self
    }

    /// The arguments that say the same.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let separator =
            self.separator.map(|letter| if letter == '\t' { "tab".into() } else { letter.to_string() });
        let separator = separator.map(|text| ["--separator".to_owned(), text]).into_iter().flatten();
        let missing = self.missing.iter().flat_map(|text| ["--missing".to_owned(), text.clone()]);
        separator.chain(self.no_header.then(|| "--no-header".to_owned())).chain(missing).collect()
    }

    /// What later files are read alike by.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "no_header": self.no_header, "missing": self.missing })
    }
}

/// Rows to be read.
pub(crate) struct Source {
    /// What messages call it.
    pub(crate) name: String,
    bytes: Arc<[u8]>,
    csv: Csv,
    /// The names of all columns.
    pub(crate) names: Vec<String>,
}

impl Source {
    /// Takes all bytes, and looks at the first line.
    pub(crate) fn open(path: &str, reading: &Reading) -> Result<Source, Failure> {
        let (name, bytes) = match path {
            "-" => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
                ("standard input".to_owned(), read)
            }
            path => (path.to_owned(), std::fs::read(path)),
        };
        let bytes: Arc<[u8]> =
            bytes.map_err(|error| failed(format!("{name}: cannot be read: {error}")))?.into();
        let csv = Csv::new(&name).missing(reading.missing.clone());
        let csv = if reading.no_header { csv.without_header() } else { csv };
        let separators = reading.separator.map_or(vec![',', ';', '\t'], |said| vec![said]);

        let mut found: Option<(Csv, Vec<String>)> = None;
        for separator in separators {
            let csv = csv.clone().separator(separator);
            // A name that comes twice by one separator may come once by another.
            let names = match (csv.names(bytes.clone()), &found) {
                (Ok(names), _) => names,
                (Err(error), None) => return Err(error.into()),
                (Err(_), Some(_)) => continue,
            };
            if found.as_ref().is_none_or(|(_, most)| names.len() > most.len()) {
                found = Some((csv, names));
            }
        }
        let (csv, names) = found.ok_or_else(|| failed(format!("{name}: has no columns")))?;
        Ok(Source { name, bytes, csv, names })
    }

    /// Refuses a column that there is not.
    pub(crate) fn check(&self, column: &str) -> Result<(), Failure> {
        if self.names.iter().any(|name| name == column) {
            return Ok(());
        }
        let (kind, known) = ("column", self.names.clone());
        let error = downhill::Error::Unknown { kind, name: column.to_owned(), known };
        Err(failed(format!("{}: {error}", self.name)))
    }

    /// All rows, with columns of guessed kinds but for what `how` says.
    pub(crate) fn table(self, how: impl FnOnce(Csv) -> Csv) -> Result<Table, Failure> {
        Ok(how(self.csv).parse(&*self.bytes)?)
    }

    /// The columns of a schema, each read as what it was, and others as texts; what else the file has is noted, but for the target.
    pub(crate) fn known(
        self,
        schema: &Schema,
        others: &[&str],
        target: &str,
        report: &mut Report,
    ) -> Result<Table, Failure> {
        let missing: Vec<&str> =
            schema.names().filter(|name| !self.names.iter().any(|it| it == name)).collect();
        if !missing.is_empty() {
            let all = listed(self.names.iter().map(String::as_str));
            let which = if missing.len() == 1 {
                "a column that the model reads is"
            } else {
                "columns that the model reads are"
            };
            return Err(failed(format!(
                "{}: {which} not there: {}; it has {all}",
                self.name,
                missing.join(", ")
            )));
        }

        let is_read = |name: &str| others.contains(&name) || schema.names().any(|it| it == name);
        let extra: Vec<String> = self.names.iter().filter(|name| !is_read(name)).cloned().collect();
        let ignored: Vec<&str> = extra.iter().map(String::as_str).filter(|name| *name != target).collect();
        if !ignored.is_empty() {
            report.note(format!("columns that the model does not read: {}", listed(ignored)));
        }
        let of = |numbers: bool| {
            let columns = schema.columns().filter(move |(_, kind)| (**kind == Kind::Number) == numbers);
            columns.map(|(name, _)| name.to_owned())
        };
        let others =
            others.iter().filter(|name| schema.position(name).is_err()).map(|name| (*name).to_owned());
        let (numbers, texts): (Vec<_>, Vec<_>) = (of(true).collect(), of(false).chain(others).collect());
        self.table(|csv| csv.skip(extra).numbers(numbers).categories(texts))
    }
}
