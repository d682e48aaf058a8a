//! A file as a stream of bytes, unpacked where it is compressed.
//!
//! In: a path, or bytes in memory. Out: [`Input`].
//!
//! Must hold: memory is asked for as bytes arrive, never because a header says so.

use crate::mistake::{broken, counted, unreadable};
use downhill_runtime::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A file that is being read.
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// Bytes read so far, unpacked.
    at: u64,
}

/// What the first bytes of a gzip member are.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How many bytes are read at a time.
const PIECE: u64 = 1 << 16;

impl Input {
    /// Opens a file. What gzip packed, in one member or several, is unpacked.
    pub(crate) fn open(path: &Path) -> Result<Input, Error> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Input::of(path, BufReader::new(file))
    }

    /// Takes bytes from anywhere; `path` is what messages call them.
    pub(crate) fn of(path: &Path, mut reader: impl BufRead + Send + 'static) -> Result<Input, Error> {
        let start = reader.fill_buf().map_err(|error| unreadable(path, &error))?;
        let reader = if start.starts_with(&GZIP) { unpacked(path, reader)? } else { Box::new(reader) };
        Ok(Input { path: path.into(), reader, at: 0 })
    }

    /// The rest as a reader of bytes.
    pub(crate) fn into_reader(self) -> Box<dyn BufRead + Send> {
        self.reader
    }

    /// The next `N` bytes.
    pub(crate) fn exactly<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        let read =
            read_up_to(&mut self.reader, &mut bytes).map_err(|error| unreadable(&self.path, &error))?;
        if read < N {
            let at = self.at + read as u64;
            return Err(broken(&self.path, format!("ends at byte {at}, within {what}")));
        }
        self.at += N as u64;
        Ok(bytes)
    }

    /// The next `count` pieces of `N` bytes, each through `decode`, which gives `None` for what it does not take.
    pub(crate) fn elements<T, const N: usize>(
        &mut self,
        count: usize,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Error> {
        let bytes = (count as u64).saturating_mul(N as u64);
        let mut elements = Vec::new();
        let mut piece = Vec::new();
        let mut rest = bytes;

        while rest > 0 {
            piece.clear();
            // A piece holds whole elements: no element has more than eight bytes.
            let wanted = rest.min(PIECE);
            let read = (&mut self.reader).take(wanted).read_to_end(&mut piece);
            let read = read.map_err(|error| unreadable(&self.path, &error))? as u64;
            self.at += read;
            if read < wanted {
                let missing = counted((rest - read) as usize, "byte");
                let message = format!("ends at byte {}, {missing} before its elements do", self.at);
                return Err(broken(&self.path, message));
            }
            rest -= read;
            if elements.try_reserve(piece.len() / N).is_err() {
                let what = format!("the elements of {}", self.path.display());
                return Err(Error::Memory { what, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) });
            }
            elements.extend(piece.as_chunks().0.iter().map(|&bytes| decode(bytes)));
        }
        Ok(elements)
    }

    /// Refuses bytes behind the last element.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        let rest = self.reader.fill_buf().map_err(|error| unreadable(&self.path, &error))?;
        if rest.is_empty() {
            return Ok(());
        }
        Err(broken(&self.path, format!("goes on behind its last element, at byte {}", self.at)))
    }
}

/// Reads until the bytes are full or there are no more.
fn read_up_to(reader: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match reader.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(feature = "files")]
fn unpacked(_: &Path, reader: impl BufRead + Send + 'static) -> Result<Box<dyn BufRead + Send>, Error> {
    Ok(Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader))))
}

#[cfg(not(feature = "files"))]
fn unpacked(path: &Path, _: impl BufRead + Send + 'static) -> Result<Box<dyn BufRead + Send>, Error> {
    Err(broken(path, "is packed by gzip, which the feature `files` of downhill unpacks"))
}

/// The product of sizes, if memory could hold as many elements.
pub(crate) fn product(path: &Path, shape: &[usize]) -> Result<usize, Error> {
    let size = shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim));
    size.filter(|&size| size <= isize::MAX as usize / 8).ok_or_else(|| {
        broken(path, format!("has the shape {shape:?}, which has more elements than memory can hold"))
    })
}
