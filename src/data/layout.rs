//! The columns of a file of separated values, filled record by record.
//!
//! In: records. Out: a [`Table`].

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
        let (mut kinds, mut values) = (Vec::new(), Vec::new());
        for column in self.columns {
            let (kind, of_column) = column.growing.finish();
            kinds.push((column.name, kind));
            values.push(of_column);
        }
        Table::new(Schema::new(kinds)?, values)
    }
}
