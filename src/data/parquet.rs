//! Files of typed columns: Apache Parquet, as pandas, Polars, Spark and DuckDB write them.
//!
//! In: a file. Out: a [`Table`], or one for each row group of a file that is larger than memory.
//!
//! Must hold: a file's sizes are not believed; memory is asked for as values come out of its pages.

mod values;

use self::values::fill;
use crate::data::column::Growing;
use crate::data::layout::{Column, Said, table_of};
use crate::data::schema::Schema;
use crate::data::table::Table;
use crate::mistake::{broken, misuse, unreadable};
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::FileReader;
use ::parquet::file::serialized_reader::SerializedFileReader;
use ::parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use downhill_runtime::error::Error;
use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// How a Parquet file is read.
///
/// Its columns become those that [`Csv`](crate::data::csv::Csv) makes of the same table as text: numbers (decimals and those of 16 bits
/// too) as numbers, texts as categories, and so `true` and `false`; a date as the text `2024-02-29`, a time of day as `23:59:00`, both
/// together as `2024-02-29 23:59:00`, with as many digits of a second as it has, in UTC where it is of a time zone. What is null or NaN is
/// missing. Pages may be packed by Snappy, gzip, Brotli or LZ4.
///
/// # Examples
/// ```no_run
/// use downhill::data::parquet::Parquet;
///
/// # fn main() -> Result<(), downhill::Error> {
/// let table = Parquet::new("flowers.parquet").skip(["__index_level_0__"]).read()?;
/// let data = table.dataset("kind")?;
/// println!("{} rows of {}", data.rows(), table.schema());
///
/// // Another file with the columns and categories of the first, a row group at a time.
/// for piece in Parquet::new("later.parquet").schema(table.schema()).pieces()? {
///     println!("{} rows", piece?.rows());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Parquet {
    path: PathBuf,
    said: Said,
}

impl Parquet {
    /// The file to read.
    pub fn new(path: impl Into<PathBuf>) -> Parquet {
        Parquet { path: path.into(), said: Said::default() }
    }

    /// Columns of texts that must be numbers.
    #[must_use]
    pub fn numbers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Parquet {
        self.said.numbers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Columns whose values are categories, whatever their type: postcodes, numbered kinds.
    #[must_use]
    pub fn categories<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Parquet {
        self.said.categories.extend(names.into_iter().map(Into::into));
        self
    }

    /// Columns that are left out.
    #[must_use]
    pub fn skip<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Parquet {
        self.said.skip.extend(names.into_iter().map(Into::into));
        self
    }

    /// The columns to read, found by name, with their kinds and categories: those of an earlier file. Further columns are left out.
    #[must_use]
    pub fn schema(mut self, schema: &Schema) -> Parquet {
        self.said.schema = Some(schema.clone());
        self
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// A file that cannot be read or is broken; a column that is nested, or of a type that is neither number nor text; pages packed by
    /// Zstandard or LZO; a text where a number must be; a category that the schema does not know; no column of a name that was said.
    /// Mistakes name the file, the row and the column.
    pub fn read(&self) -> Result<Table, Error> {
        let columns = self.guarded(|| {
            let file = self.open()?;
            let mut columns = self.columns(&file)?;
            for group in 0..file.num_row_groups() {
                self.fill(&file, group, &mut columns)?;
            }
            Ok(columns)
        });
        table_of(columns?)
    }

    /// Reads a file that may be larger than memory: a table of each of its row groups, one after another. Needs a
    /// [`schema`](Parquet::schema), since one piece does not know the categories of another.
    ///
    /// # Errors
    /// As [`Parquet::read`], for each piece; no schema.
    pub fn pieces(&self) -> Result<Pieces, Error> {
        if self.said.schema.is_none() {
            return Err(misuse(
                format!("pieces of `{}`", self.path.display()),
                "say what the columns are: `.schema(table.schema())`",
            ));
        }
        let file = self.guarded(|| {
            let file = self.open()?;
            self.columns(&file).map(|_| file)
        });
        Ok(Pieces { of: self.clone(), file: file?, next: 0, ended: false })
    }

    /// What panics within the library becomes an error: some broken pages make it do so.
    fn guarded<T>(&self, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        // Nothing that was half made is looked at afterwards.
        let read = catch_unwind(AssertUnwindSafe(read));
        read.unwrap_or_else(|_| Err(broken(&self.path, "is broken: a page does not hold what it says")))
    }

    fn open(&self) -> Result<SerializedFileReader<File>, Error> {
        let file = File::open(&self.path).map_err(|error| unreadable(&self.path, &error))?;
        SerializedFileReader::new(file).map_err(|error| self.wrong(&error))
    }

    /// The columns to fill.
    fn columns(&self, file: &SerializedFileReader<File>) -> Result<Vec<Column>, Error> {
        let schema = file.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
        if let Some(twice) = (0..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(broken(&self.path, format!("column `{}` is named twice", names[twice])));
        }
        let kind = |field| match leaf(schema, field) {
            Some((_, column)) if values::is_text(column) => Growing::texts(),
            _ => Growing::numbers(),
        };
        let columns = self.said.columns(&names, kind)?;
        let strange = columns.iter().find_map(|column| match leaf(schema, column.field) {
            None => Some((column, "holds lists or further columns".to_owned())),
            Some((_, leaf)) => values::refused(leaf).map(|what| (column, what)),
        });
        match strange {
            None => Ok(columns),
            Some((Column { name, .. }, what)) => {
                Err(broken(&self.path, format!("column `{name}` {what}; leave it out: `.skip([{name:?}])`")))
            }
        }
    }

    /// Adds the rows of a row group.
    fn fill(
        &self,
        file: &SerializedFileReader<File>,
        group: usize,
        columns: &mut [Column],
    ) -> Result<(), Error> {
        let reader = file.get_row_group(group).map_err(|error| self.wrong(&error))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let before = columns.first().map_or(0, |column| column.growing.len());
        // Later columns have to be as long as the first.
        let mut rows = None;
        for Column { name, field, growing } in columns {
            let Some((at, leaf)) = leaf(schema, *field) else { continue };
            if at >= reader.num_columns() {
                return Err(broken(&self.path, format!("row group {group} has no column `{name}`")));
            }
            if let Some(codec) = unknown_codec(reader.metadata().column(at).compression()) {
                return Err(broken(&self.path, codec));
            }
            let column = reader.get_column_reader(at).map_err(|error| self.wrong(&error))?;
            fill(column, leaf, growing, name).map_err(|mistake| broken(&self.path, mistake))?;
            let made = growing.len() - before;
            let expected = *rows.get_or_insert(made);
            if made != expected || usize::try_from(reader.metadata().num_rows()) != Ok(made) {
                let told = format!("row group {group} has {} rows", reader.metadata().num_rows());
                return Err(broken(&self.path, format!("{told}, but {made} values in column `{name}`")));
            }
        }
        Ok(())
    }

    fn wrong(&self, error: &ParquetError) -> Error {
        broken(&self.path, values::told(error))
    }
}

/// The one column of values that a field of the table is, and its place among them; nothing where it is nested.
fn leaf(schema: &SchemaDescriptor, field: usize) -> Option<(usize, &ColumnDescriptor)> {
    let at = (0..schema.num_columns()).find(|&at| schema.get_column_root_idx(at) == field)?;
    let column = &schema.columns()[at];
    let is_flat = column.path().parts().len() == 1 && column.max_rep_level() == 0;
    is_flat.then_some((at, &**column))
}

/// What is told of pages that cannot be unpacked.
fn unknown_codec(codec: Compression) -> Option<String> {
    let name = match codec {
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::BROTLI(_)
        | Compression::LZ4
        | Compression::LZ4_RAW => return None,
        Compression::ZSTD(_) => "Zstandard",
        Compression::LZO => "LZO",
    };
    Some(format!("its pages are packed by {name}; write it with `compression=\"snappy\"`"))
}

/// The row groups of a file, one table after another.
pub struct Pieces {
    of: Parquet,
    file: SerializedFileReader<File>,
    next: usize,
    ended: bool,
}

impl Iterator for Pieces {
    type Item = Result<Table, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.next >= self.file.num_row_groups() {
            return None;
        }
        let piece = self.of.guarded(|| {
            let mut columns = self.of.columns(&self.file)?;
            self.of.fill(&self.file, self.next, &mut columns)?;
            table_of(columns)
        });
        self.next += 1;
        self.ended = piece.is_err();
        Some(piece)
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pieces of {}", self.of.path.display())
    }
}

/// A file that is read with no more said.
///
/// # Errors
/// As [`Parquet::read`].
pub fn read(path: impl AsRef<Path>) -> Result<Table, Error> {
    Parquet::new(path.as_ref()).read()
}
