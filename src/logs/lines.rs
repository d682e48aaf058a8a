//! Lines of CSV or JSON.

use crate::file::append;
use crate::fit::Record;
use crate::mistake::broken;
use downhill_runtime::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file of a line an epoch.
#[doc(alias("CSVLogger", "jsonl"))]
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
    line: fn(&Record) -> String,
}

impl Lines {
    /// Separated values. A file that is there goes on; a new one begins with a line of names.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn csv(path: impl AsRef<Path>) -> Result<Lines, Error> {
        let mut lines = Lines::open(path.as_ref(), Record::to_csv)?;
        if lines.file.metadata().is_ok_and(|file| file.len() == 0) {
            lines.write(&Record::NAMES.join(","))?;
        }
        Ok(lines)
    }

    /// An object of JSON in each line. A file that is there goes on.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn json(path: impl AsRef<Path>) -> Result<Lines, Error> {
        Lines::open(path.as_ref(), Record::to_json)
    }

    /// Writes an epoch.
    ///
    /// # Errors
    /// What the system says.
    pub fn record(&mut self, record: &Record) -> Result<(), Error> {
        self.write(&(self.line)(record))
    }

    fn open(path: &Path, line: fn(&Record) -> String) -> Result<Lines, Error> {
        Ok(Lines { path: path.into(), file: append(path)?, line })
    }

    fn write(&mut self, line: &str) -> Result<(), Error> {
        // In one piece, so that a reader sees whole lines.
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|error| broken(&self.path, format!("cannot be written: {error}")))
    }
}
