//! Files of separated values: CSV, TSV and their kin.
//!
//! In: a file, packed by gzip or not. Out: a [`Table`], or one for each piece of a file that is larger than memory.

use crate::data::column::Growing;
use crate::data::input::Input;
use crate::data::layout::{Layout, Said};
use crate::data::records::Records;
use crate::data::schema::Schema;
use crate::data::table::Table;
use crate::mistake::{counted, misuse};
use downhill_runtime::error::Error;
use std::borrow::Cow;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// How a file of separated values is read.
///
/// Its first line names the columns. A column holds numbers or texts, which become categories; a column that holds both is refused, at the
/// line and the column of the field. A field that is empty or says `NA`, `N/A`, `nan`, `NaN`, `null` or `NULL` is missing. Fields may stand in
/// quotes, lines may end in any way, a byte-order mark is passed over.
///
/// # Examples
/// ```
/// use downhill::data::csv::Csv;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("downhill-csv-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("iris.csv");
/// std::fs::write(&file, "length,width,species\n5.1,3.5,setosa\n6.2,2.8,virginica\n")?;
/// let table = Csv::new(&file).read()?;
/// let data = table.dataset("species")?; // x: f32[2, 2], y: i32[2]
/// assert_eq!(data.column("y")?.as_i32()?, [0, 1]);
///
/// // Another file, read with the columns and categories of the first.
/// let known = table.schema().without(&["species"])?;
/// let later = Csv::new("later.csv").schema(&known).parse("width,length\n3.0,5.0\n")?;
/// assert_eq!(later.inputs(&["length", "width"])?.as_f32()?, [5.0, 3.0]);
///
/// let error = Csv::new("broken.csv").parse("a,b\n1,2\n3\n").unwrap_err();
/// assert_eq!(error.to_string(), "broken.csv:3:1: this record has 1 field, the first line has 2");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Csv {
    path: PathBuf,
    separator: char,
    header: bool,
    missing: Vec<String>,
    said: Said,
}

impl Csv {
    /// The file to read.
    pub fn new(path: impl Into<PathBuf>) -> Csv {
        Csv { path: path.into(), separator: ',', header: true, missing: Vec::new(), said: Said::default() }
    }

    /// What separates fields: `,` unless another is said.
    #[must_use]
    pub fn separator(mut self, separator: char) -> Csv {
        self.separator = separator;
        self
    }

    /// The first line is a record like the others; columns are called `0`, `1`, ….
    #[must_use]
    pub fn without_header(mut self) -> Csv {
        self.header = false;
        self
    }

    /// Further texts that stand for a missing value.
    #[must_use]
    pub fn missing<T: Into<String>>(mut self, texts: impl IntoIterator<Item = T>) -> Csv {
        self.missing.extend(texts.into_iter().map(Into::into));
        self
    }

    /// Columns whose fields must be numbers.
    #[must_use]
    pub fn numbers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Csv {
        self.said.numbers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Columns whose fields are categories, whatever they look like: postcodes, numbered kinds.
    #[must_use]
    pub fn categories<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Csv {
        self.said.categories.extend(names.into_iter().map(Into::into));
        self
    }

    /// Columns that are left out.
    #[must_use]
    pub fn skip<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Csv {
        self.said.skip.extend(names.into_iter().map(Into::into));
        self
    }

    /// The columns to read, found by name, with their kinds and categories: those of an earlier file. Further columns are left out.
    #[must_use]
    pub fn schema(mut self, schema: &Schema) -> Csv {
        self.said.schema = Some(schema.clone());
        self
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// A file that cannot be read; records of unequally many fields; an open quote; a text where a number must be; a category that the
    /// schema does not know; no column of a name that was said. Mistakes name the file, the line and the column.
    pub fn read(&self) -> Result<Table, Error> {
        self.table(Input::open(&self.path)?.into_reader())
    }

    /// Reads a text; the path serves messages alone.
    ///
    /// # Errors
    /// As [`Csv::read`].
    pub fn parse(&self, text: impl Into<Vec<u8>>) -> Result<Table, Error> {
        let input = Input::of(&self.path, std::io::Cursor::new(text.into()))?;
        self.table(input.into_reader())
    }

    /// The names of a text's columns, without its rows; those that are to be skipped too.
    ///
    /// # Errors
    /// A text without a first line, or with a name given twice.
    pub fn names(&self, text: impl AsRef<[u8]> + Send + 'static) -> Result<Vec<String>, Error> {
        let input = Input::of(&self.path, std::io::Cursor::new(text))?;
        self.heading(input.into_reader()).map(|(_, names)| names)
    }

    /// Reads a file that may be larger than memory: a table of `rows` rows, then the next. Needs a [`schema`](Csv::schema), since one
    /// piece does not know the categories of another.
    ///
    /// # Errors
    /// As [`Csv::read`], for each piece; no schema; pieces of no rows.
    pub fn pieces(&self, rows: usize) -> Result<Pieces, Error> {
        if rows == 0 || self.said.schema.is_none() {
            return Err(misuse(
                format!("pieces of {} of `{}`", counted(rows, "row"), self.path.display()),
                "say how many rows a piece has and what the columns are: `.schema(table.schema())`",
            ));
        }
        let (records, layout) = self.begin(Input::open(&self.path)?.into_reader())?;
        Ok(Pieces { csv: self.clone(), records, layout, rows, done: false })
    }

    fn table(&self, reader: Box<dyn BufRead + Send>) -> Result<Table, Error> {
        let (mut records, mut layout) = self.begin(reader)?;
        layout.fill(&mut records, usize::MAX)?;
        layout.finish()
    }

    /// Reads the first line; `records` stands behind it.
    fn heading(&self, reader: Box<dyn BufRead + Send>) -> Result<(Records, Vec<String>), Error> {
        let Some(separator) = u8::try_from(self.separator).ok().filter(u8::is_ascii) else {
            return Err(misuse(
                format!("a separator `{}`", self.separator),
                "separators are ASCII characters",
            ));
        };
        let mut records = Records::new(&self.path, reader, separator)?;
        if !records.advance()? {
            return Err(records.wrong(0, "there is nothing in this file"));
        }

        let names: Vec<String> = match self.header {
            true => (0..records.len())
                .map(|at| Ok(records.field(at)?.trim().to_owned()))
                .collect::<Result<_, Error>>()?,
            false => (0..records.len()).map(|at| at.to_string()).collect(),
        };
        if let Some(twice) = (0..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(records.wrong(twice, format!("column `{}` is named twice", names[twice])));
        }
        Ok((records, names))
    }

    fn begin(&self, reader: Box<dyn BufRead + Send>) -> Result<(Records, Layout), Error> {
        let (records, names) = self.heading(reader)?;
        let columns = self.said.columns(&names, |_| Growing::Open(0))?;
        let missing = self.missing.clone();
        let mut layout = Layout { fields: names.len(), columns, missing };
        if !self.header {
            layout.take(&records)?;
        }
        Ok((records, layout))
    }
}

/// The pieces of a file, one table after another.
pub struct Pieces {
    csv: Csv,
    records: Records,
    layout: Layout,
    rows: usize,
    done: bool,
}

impl Iterator for Pieces {
    type Item = Result<Table, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let piece = self.piece().transpose();
        self.done = !matches!(piece, Some(Ok(_)));
        piece
    }
}

impl Pieces {
    fn piece(&mut self) -> Result<Option<Table>, Error> {
        // A file without header has given its first record already.
        let first = self.layout.rows();
        let read = first + self.layout.fill(&mut self.records, self.rows - first)?;
        let Some(schema) = self.csv.said.schema.as_ref().filter(|_| read > 0) else { return Ok(None) };
        let next = self.layout.again(schema);
        std::mem::replace(&mut self.layout, next).finish().map(Some)
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pieces of {} of {}", counted(self.rows, "row"), self.csv.path.display())
    }
}

/// A table that is read with no more said.
///
/// # Errors
/// As [`Csv::read`].
pub fn read(path: impl AsRef<Path>) -> Result<Table, Error> {
    Csv::new(path.as_ref()).read()
}

/// A text as a field of a record: in quotes where it holds what would end it.
pub fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}
