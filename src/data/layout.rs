//! The columns of a file: which are read, and those of separated values filled record by record.
//!
//! In: what was said of columns, records. Out: a [`Table`].

use crate::data::column::Growing;
use crate::data::records::Records;
use crate::data::schema::Schema;
use crate::data::table::Table;
use crate::mistake::counted;
use downhill_runtime::error::Error;

/// The columns of a file that is being read.
pub(crate) struct Layout {
    /// How many fields a record has.
    pub(crate) fields: usize,
    pub(crate) columns: Vec<Column>,
    /// Texts that stand for a missing value beside [`MISSING`].
    pub(crate) missing: Vec<String>,
}

/// A column, and which of a record's fields it takes.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) field: usize,
    pub(crate) growing: Growing,
}

/// What was said of a file's columns before it is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Those whose fields must be numbers.
    pub(crate) numbers: Vec<String>,
    /// Those whose fields are categories, whatever they look like.
    pub(crate) categories: Vec<String>,
    /// Those that are left out.
    pub(crate) skip: Vec<String>,
    /// All that are read, of an earlier file.
    pub(crate) schema: Option<Schema>,
}

impl Said {
    /// The columns to fill, of a file's; `kind` begins one of which nothing was said.
    pub(crate) fn columns(
        &self,
        names: &[String],
        kind: impl Fn(usize) -> Growing,
    ) -> Result<Vec<Column>, Error> {
        let position = |wanted: &str| {
            names.iter().position(|name| name == wanted).ok_or_else(|| Error::Unknown {
                kind: "column",
                name: wanted.into(),
                known: names.to_vec(),
            })
        };
        if let Some(schema) = &self.schema {
            let columns = schema.columns().map(|(name, kind)| {
                Ok(Column { name: name.into(), field: position(name)?, growing: Growing::of(kind) })
            });
            return columns.collect();
        }

        for said in [&self.numbers, &self.categories, &self.skip].into_iter().flatten() {
            position(said)?;
        }
        let kept = names.iter().enumerate().filter(|(_, name)| !self.skip.contains(name));
        let columns = kept.map(|(field, name)| {
            let growing = match (self.categories.contains(name), self.numbers.contains(name)) {
                (true, _) => Growing::texts(),
                (false, true) => Growing::numbers(),
                (false, false) => kind(field),
            };
            Column { name: name.clone(), field, growing }
        });
        Ok(columns.collect())
    }
}

/// The table of columns that are filled.
pub(crate) fn table_of(columns: Vec<Column>) -> Result<Table, Error> {
    let (mut kinds, mut values) = (Vec::new(), Vec::new());
    for column in columns {
        let (kind, of_column) = column.growing.finish();
        kinds.push((column.name, kind));
        values.push(of_column);
    }
    Table::new(Schema::new(kinds)?, values)
}

/// What stands for a value that is missing.
const MISSING: [&str; 7] = ["", "NA", "N/A", "nan", "NaN", "null", "NULL"];

impl Layout {
    /// How many records it has taken.
    pub(crate) fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.growing.len())
    }

    /// Reads up to so many records. Gives how many there were.
    pub(crate) fn fill(&mut self, records: &mut Records, rows: usize) -> Result<usize, Error> {
        let mut read = 0;
        while read < rows && records.advance()? {
            self.take(records)?;
            read += 1;
        }
        Ok(read)
    }

    /// Takes a record.
    pub(crate) fn take(&mut self, records: &Records) -> Result<(), Error> {
        if records.len() != self.fields {
            let found = counted(records.len(), "field");
            // The first field too many, if there is one.
            let at = if records.len() > self.fields { self.fields } else { 0 };
            let message = format!("this record has {found}, the first line has {}", self.fields);
            return Err(records.wrong(at, message));
        }
        for Column { name, field, growing } in &mut self.columns {
            let text = records.field(*field)?;
            let is_missing = MISSING.contains(&text.trim()) || self.missing.iter().any(|said| said == text);
            let text = (!is_missing).then_some(text);
            growing.push(text, name).map_err(|message| records.wrong(*field, message))?;
        }
        Ok(())
    }

    /// The same columns, of the kinds of a schema, without rows.
    pub(crate) fn again(&self, schema: &Schema) -> Layout {
        let columns = self.columns.iter().zip(schema.columns()).map(|(column, (_, kind))| Column {
            name: column.name.clone(),
            field: column.field,
            growing: Growing::of(kind),
        });
        Layout { fields: self.fields, columns: columns.collect(), missing: self.missing.clone() }
    }

    pub(crate) fn finish(self) -> Result<Table, Error> {
        table_of(self.columns)
    }
}
