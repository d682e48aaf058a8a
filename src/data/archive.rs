//! Zip archives, as far as `.npz` files need them.
//!
//! In: the bytes of an archive. Out: its entries, unpacked.
//!
//! The format: entries, then a directory of them, then where the directory is (PKWARE's APPNOTE.TXT). An entry is stored or deflated. Must
//! hold: every place and every length is checked before it is used, and what is unpacked has the length and the checksum that it
//! should.

use crate::mistake::{broken, one_line};
use downhill_runtime::error::Error;
use std::path::Path;

/// An archive in memory.
pub(crate) struct Archive<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

/// A file of an archive.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    method: u16,
    checksum: u32,
    packed: usize,
    size: usize,
    /// Where its own header begins.
    at: usize,
}

const END: [u8; 4] = *b"PK\x05\x06";
const LISTED: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// What stands for a size in an archive of more than 4 GB, where it does not fit.
const ELSEWHERE: u32 = u32::MAX;

impl<'a> Archive<'a> {
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Archive<'a>, Error> {
        match bytes.starts_with(&LOCAL) || bytes.starts_with(&END) {
            true => Ok(Archive { path, bytes }),
            false => Err(broken(path, "is no npz file: it does not begin with `PK`")),
        }
    }

    fn wrong(&self, what: &str) -> Error {
        broken(self.path, format!("is broken: {what}"))
    }

    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], Error> {
        let end = at.checked_add(N).ok_or_else(|| self.wrong("a place is beyond its end"))?;
        let bytes = self.bytes.get(at..end).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| self.wrong("a place is beyond its end"))
    }

    fn short(&self, at: usize) -> Result<usize, Error> {
        Ok(usize::from(u16::from_le_bytes(self.bytes(at)?)))
    }

    fn size(&self, at: usize) -> Result<usize, Error> {
        match u32::from_le_bytes(self.bytes(at)?) {
            ELSEWHERE => {
                Err(broken(self.path, "is an archive of more than 4 GB; save its arrays one by one (npy)"))
            }
            size => Ok(size as usize),
        }
    }

    /// The files in it, in order.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Error> {
        // A comment may follow the end.
        let end = self.bytes.windows(4).rposition(|bytes| bytes == END);
        let end = end.ok_or_else(|| self.wrong("its directory is missing"))?;
        let (count, mut at) = (self.short(end.saturating_add(10))?, self.size(end.saturating_add(16))?);

        let mut entries = Vec::new();
        for _ in 0..count {
            if self.bytes::<4>(at)? != LISTED {
                return Err(self.wrong("its directory does not list a file"));
            }
            let (name, extra, comment) = (self.short(at + 28)?, self.short(at + 30)?, self.short(at + 32)?);
            let text = self
                .bytes
                .get(at + 46..at + 46 + name)
                .ok_or_else(|| self.wrong("a name is beyond its end"))?;
            entries.push(Entry {
                name: one_line(&String::from_utf8_lossy(text)),
                method: u16::from_le_bytes(self.bytes(at + 10)?),
                checksum: u32::from_le_bytes(self.bytes(at + 16)?),
                packed: self.size(at + 20)?,
                size: self.size(at + 24)?,
                at: self.size(at + 42)?,
            });
            at += 46 + name + extra + comment;
        }
        Ok(entries)
    }

    /// The bytes of a file.
    pub(crate) fn unpacked(&self, entry: &Entry) -> Result<Vec<u8>, Error> {
        if self.bytes::<4>(entry.at)? != LOCAL {
            return Err(self.wrong("a file does not begin where its directory says"));
        }
        let start = entry.at + 30 + self.short(entry.at + 26)? + self.short(entry.at + 28)?;
        let packed = start.checked_add(entry.packed).and_then(|end| self.bytes.get(start..end));
        let packed = packed.ok_or_else(|| self.wrong("a file ends beyond its end"))?;
        let bytes = match entry.method {
            0 => packed.to_vec(),
            8 => self.inflated(packed, entry)?,
            other => return Err(self.wrong(&format!("`{}` is packed by method {other}", entry.name))),
        };
        if bytes.len() != entry.size || checksum(&bytes) != entry.checksum {
            return Err(self.wrong(&format!("`{}` is not what it was when it was saved", entry.name)));
        }
        Ok(bytes)
    }

    #[cfg(feature = "files")]
    fn inflated(&self, packed: &[u8], entry: &Entry) -> Result<Vec<u8>, Error> {
        use std::io::Read;
        let mut bytes = Vec::new();
        // A little more than it should have is enough to see that it has too much.
        let mut limited = flate2::read::DeflateDecoder::new(packed).take(entry.size as u64 + 1);
        let unpacked = limited.read_to_end(&mut bytes);
        unpacked.map_err(|error| self.wrong(&format!("`{}` does not unpack: {error}", entry.name)))?;
        Ok(bytes)
    }

    #[cfg(not(feature = "files"))]
    fn inflated(&self, _: &[u8], _: &Entry) -> Result<Vec<u8>, Error> {
        Err(broken(self.path, "is packed, which the feature `files` of downhill unpacks"))
    }
}

/// CRC-32 of zip and gzip, bit by bit of the reflected polynomial.
fn checksum(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|byte| {
        (0..8).fold(byte as u32, |word, _| if word & 1 == 1 { word >> 1 ^ 0xedb8_8320 } else { word >> 1 })
    });
    !bytes.iter().fold(u32::MAX, |word, &byte| table[((word ^ u32::from(byte)) & 255) as usize] ^ word >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_zip() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }
}
