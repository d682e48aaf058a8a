//! The records of a text of separated values.
//!
//! In: bytes. Out: records of fields, each with the line and the column where it begins.
//!
//! The format is that of RFC 4180: a field in quotes may hold separators, line ends, and quotes written twice. Lines end in `\n`, `\r\n` or
//! `\r`; blank lines and a byte-order mark are passed over. A quote within a field that does not begin with one is a character like any
//! other.

use crate::mistake::{broken_at, unreadable};
use downhill_runtime::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Reads one record after another.
pub(crate) struct Records {
    pub(crate) path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    separator: u8,
    /// Of the next byte, from 1.
    line: u64,
    column: u64,
    /// Whether the byte before was `\r`, so that `\n` ends no line of its own.
    returned: bool,
    /// Whether the record has quotes, so that it is more than a blank line.
    quoted: bool,
    /// The record that was read last.
    text: Vec<u8>,
    fields: Vec<Field>,
}

/// Where a field lies.
#[derive(Clone, Copy)]
struct Field {
    end: usize,
    line: u64,
    column: u64,
}

/// Where within a field the reader is.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// Behind a quote within quotes: the field ends, or the quote is doubled.
    Closed,
}

/// UTF-8's byte-order mark.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

impl Records {
    pub(crate) fn new(
        path: &Path,
        mut reader: Box<dyn BufRead + Send>,
        separator: u8,
    ) -> Result<Records, Error> {
        let start = reader.fill_buf().map_err(|error| unreadable(path, &error))?;
        if start.starts_with(MARK) {
            reader.consume(MARK.len());
        }
        let path = path.into();
        let (text, fields) = (Vec::new(), Vec::new());
        Ok(Records {
            path,
            reader,
            separator,
            line: 1,
            column: 1,
            returned: false,
            quoted: false,
            text,
            fields,
        })
    }

    /// Reads the next record. False at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        loop {
            let more = self.record()?;
            // A line of nothing is no record.
            let blank = self.fields.len() == 1 && self.text.is_empty() && !self.quoted;
            if !blank || !more {
                return Ok(!blank);
            }
        }
    }

    /// How many fields the record has.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field of the record.
    pub(crate) fn field(&self, index: usize) -> Result<&str, Error> {
        let start = index.checked_sub(1).map_or(0, |before| self.fields[before].end);
        let bytes = &self.text[start..self.fields[index].end];
        std::str::from_utf8(bytes).map_err(|_| self.wrong(index, "is no UTF-8"))
    }

    /// A mistake at a field.
    pub(crate) fn wrong(&self, index: usize, message: impl Into<String>) -> Error {
        let place =
            self.fields.get(index).map_or((self.line, self.column), |field| (field.line, field.column));
        broken_at(&self.path, place, message)
    }

    /// Reads up to the end of a line, or of all. False at the end of all.
    fn record(&mut self) -> Result<bool, Error> {
        self.text.clear();
        self.fields.clear();
        self.quoted = false;
        let mut state = State::Start;
        let mut begin = (self.line, self.column);

        loop {
            let Some(byte) = self.byte()? else {
                if state == State::Quoted {
                    return Err(broken_at(&self.path, begin, "a quote is opened here and never closed"));
                }
                self.finish(begin);
                return Ok(false);
            };
            let here = (self.line, self.column);
            let ends_line = byte == b'\n' || byte == b'\r';
            if byte == b'\n' && std::mem::take(&mut self.returned) {
                // Quotes keep `\r\n` as it is; elsewhere its second half means nothing.
                if state == State::Quoted {
                    self.text.push(byte);
                } else {
                    begin = here;
                }
                continue;
            }
            self.returned = byte == b'\r';
            self.pass(byte);

            match state {
                State::Start if byte == b'"' => (state, self.quoted) = (State::Quoted, true),
                State::Quoted if byte == b'"' => state = State::Closed,
                State::Quoted => self.text.push(byte),
                State::Closed if byte == b'"' => {
                    self.text.push(byte);
                    state = State::Quoted;
                }
                State::Start | State::Plain | State::Closed if byte == self.separator => {
                    self.finish(begin);
                    (state, begin) = (State::Start, (self.line, self.column));
                }
                State::Start | State::Plain | State::Closed if ends_line => {
                    self.finish(begin);
                    return Ok(true);
                }
                State::Closed => {
                    return Err(broken_at(&self.path, here, "something follows a closing quote"));
                }
                State::Start | State::Plain => {
                    self.text.push(byte);
                    state = State::Plain;
                }
            }
        }
    }

    fn finish(&mut self, (line, column): (u64, u64)) {
        self.fields.push(Field { end: self.text.len(), line, column });
    }

    /// Counts lines and columns: a column is a character.
    fn pass(&mut self, byte: u8) {
        if byte == b'\n' || byte == b'\r' {
            (self.line, self.column) = (self.line + 1, 1);
        } else if byte & 0xc0 != 0x80 {
            self.column += 1;
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, Error> {
        let bytes = self.reader.fill_buf().map_err(|error| unreadable(&self.path, &error))?;
        let byte = bytes.first().copied();
        self.reader.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &[u8]) -> Result<Vec<Vec<String>>, Error> {
        let reader = Box::new(std::io::Cursor::new(text.to_vec()));
        let mut records = Records::new(Path::new("a.csv"), reader, b',')?;
        let mut all = Vec::new();
        while records.advance()? {
            all.push(
                (0..records.len())
                    .map(|at| records.field(at).map(str::to_owned))
                    .collect::<Result<_, _>>()?,
            );
        }
        Ok(all)
    }

    #[test]
    fn lines_end_in_three_ways_and_quotes_keep_what_they_hold() {
        let expected = [vec!["a", "b"], vec!["1", "2"], vec!["", "x,\"y\"\r\nz"]];
        for end in ["\n", "\r\n", "\r"] {
            let text = ["\u{feff}a,b", "1,2", "", ",\"x,\"\"y\"\"\r\nz\""].join(end);
            assert_eq!(records(text.as_bytes()).expect("records"), expected, "{end:?}");
            assert_eq!(records((text + end).as_bytes()).expect("records"), expected, "{end:?}");
        }
        assert_eq!(records(b"").expect("nothing"), [] as [Vec<String>; 0]);
        assert_eq!(records(b"\n\n").expect("nothing"), [] as [Vec<String>; 0]);
        assert_eq!(records(b"\"\"\n5\" pipe").expect("records"), [[""], ["5\" pipe"]]);
    }

    #[test]
    fn mistakes_have_a_line_and_a_column() {
        let message = |text: &[u8]| records(text).expect_err("a mistake").to_string();
        assert_eq!(message(b"a,b\n1,\"2\n3"), "a.csv:2:3: a quote is opened here and never closed");
        assert_eq!(message(b"a\r\n\"1\"2"), "a.csv:2:4: something follows a closing quote");
        let latin = ["ü,ä\nö,".as_bytes(), &[0xe9]].concat();
        assert_eq!(message(&latin), "a.csv:2:3: is no UTF-8");
    }
}
