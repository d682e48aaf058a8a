//! Zip archives, as far as `.npz` and `.pt` files need them.
//!
//! In: the bytes of an archive. Out: its entries, unpacked.
//!
//! The format: entries, then a directory of them, then where the directory is (PKWARE's APPNOTE.TXT). An entry is stored or deflated. Must
//! hold: every place and every length is checked before it is used, and what is unpacked has the length and the checksum that it
//! should.

use crate::checksum::crc32;
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
const LARGE_END: [u8; 4] = *b"PK\x06\x06";
/// What stands for a size in an archive of more than 4 GB, where it does not fit.
const ELSEWHERE: usize = u32::MAX as usize;
/// What stands for a number of files that does not fit.
const MANY: usize = u16::MAX as usize;
/// The kind of the field that has what did not fit.
const LARGE: usize = 1;

impl<'a> Archive<'a> {
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Archive<'a>, Error> {
        match bytes.starts_with(&LOCAL) || bytes.starts_with(&END) {
            true => Ok(Archive { path, bytes }),
            false => Err(broken(path, "is no npz or pt file: it does not begin with `PK`")),
        }
    }

    fn wrong(&self, what: &str) -> Error {
        broken(self.path, format!("is broken: {what}"))
    }

    /// The bytes behind two places, whose sum may be anything.
    fn bytes<const N: usize>(&self, at: usize, behind: usize) -> Result<[u8; N], Error> {
        let rest = at.checked_add(behind).and_then(|at| self.bytes.get(at..));
        let bytes = rest.and_then(<[u8]>::first_chunk).copied();
        bytes.ok_or_else(|| self.wrong("a place is beyond its end"))
    }

    fn short(&self, at: usize, behind: usize) -> Result<usize, Error> {
        Ok(usize::from(u16::from_le_bytes(self.bytes(at, behind)?)))
    }

    fn word(&self, at: usize, behind: usize) -> Result<usize, Error> {
        Ok(u32::from_le_bytes(self.bytes(at, behind)?) as usize)
    }

    fn long(&self, at: usize, behind: usize) -> Result<usize, Error> {
        let long = u64::from_le_bytes(self.bytes(at, behind)?);
        usize::try_from(long).map_err(|_| self.wrong("a place is beyond its end"))
    }

    /// How many files there are, and where the directory of them is.
    fn directory(&self) -> Result<(usize, usize), Error> {
        // A comment may follow the end.
        let end = self.bytes.windows(4).rposition(|bytes| bytes == END);
        let end = end.ok_or_else(|| self.wrong("its directory is missing"))?;
        if end + 22 + self.short(end, 20)? != self.bytes.len() {
            return Err(self.wrong("it does not end behind its directory"));
        }
        let (count, at) = (self.short(end, 10)?, self.word(end, 16)?);
        if at != ELSEWHERE && count != MANY {
            return Ok((count, at));
        }
        // What says where the larger end is stands right before the end.
        match end.checked_sub(20).map(|locator| self.long(locator, 8)).transpose()? {
            Some(large) if self.bytes::<4>(large, 0)? == LARGE_END => {
                Ok((self.long(large, 32)?, self.long(large, 48)?))
            }
            _ => Err(self.wrong("its directory is missing")),
        }
    }

    /// The files in it, in order.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let (count, mut at) = self.directory()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            if self.bytes::<4>(at, 0)? != LISTED {
                return Err(self.wrong("its directory does not list a file"));
            }
            let [name, extra, comment] = [28, 30, 32].map(|behind| self.short(at, behind));
            let (name, extra, comment) = (name?, extra?, comment?);
            let text = self.bytes.get(at + 46..).and_then(|rest| rest.get(..name));
            let text = text.ok_or_else(|| self.wrong("a name is beyond its end"))?;

            let mut large = self.large(at + 46 + name, extra)?.into_iter();
            let mut size = |behind: usize| match self.word(at, behind)? {
                ELSEWHERE => large.next().ok_or_else(|| self.wrong("a size is missing")),
                size => Ok(size),
            };
            let (whole, packed, begin) = (size(24)?, size(20)?, size(42)?);
            entries.push(Entry {
                name: one_line(&String::from_utf8_lossy(text)),
                method: u16::from_le_bytes(self.bytes(at, 10)?),
                checksum: u32::from_le_bytes(self.bytes(at, 16)?),
                packed,
                size: whole,
                at: begin,
            });
            at += 46 + name + extra + comment;
        }
        Ok(entries)
    }

    /// The sizes of a file that its entry has no room for, from the fields behind its name.
    fn large(&self, at: usize, len: usize) -> Result<Vec<usize>, Error> {
        let mut field = at;
        while field + 4 <= at + len {
            let size = self.short(field, 2)?;
            if self.short(field, 0)? == LARGE {
                return (0..size / 8).map(|number| self.long(field + 4, 8 * number)).collect();
            }
            field += 4 + size;
        }
        Ok(Vec::new())
    }

    /// The bytes of a file.
    pub(crate) fn unpacked(&self, entry: &Entry) -> Result<Vec<u8>, Error> {
        if self.bytes::<4>(entry.at, 0)? != LOCAL {
            return Err(self.wrong("a file does not begin where its directory says"));
        }
        let start = entry.at + 30 + self.short(entry.at, 26)? + self.short(entry.at, 28)?;
        let packed = self.bytes.get(start..).and_then(|rest| rest.get(..entry.packed));
        let packed = packed.ok_or_else(|| self.wrong("a file ends beyond its end"))?;
        let bytes = match entry.method {
            0 => packed.to_vec(),
            8 => self.inflated(packed, entry)?,
            other => return Err(self.wrong(&format!("`{}` is packed by method {other}", entry.name))),
        };
        if bytes.len() != entry.size || crc32(&bytes) != entry.checksum {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one stored file that says every size and place as one of more than 4 GB does: behind names, and in a larger end.
    fn large(name: &str, content: &[u8]) -> Vec<u8> {
        let short = |number: usize| (number as u16).to_le_bytes().to_vec();
        let word = |number: usize| (number as u32).to_le_bytes().to_vec();
        let long = |number: usize| (number as u64).to_le_bytes().to_vec();
        let sum = (crc32(content) as usize, short(name.len()), name.as_bytes().to_vec());
        // Another field stands before that of the sizes.
        let field =
            [short(7), short(1), vec![0], short(LARGE), short(24), long(content.len()), long(content.len())];
        let field = [field.concat(), long(0)].concat();

        let mut bytes =
            [LOCAL.to_vec(), short(45), vec![0; 8], word(sum.0), word(ELSEWHERE), word(ELSEWHERE)].concat();
        bytes.extend(
            [sum.1.clone(), short(field.len()), sum.2.clone(), field.clone(), content.to_vec()].concat(),
        );
        let directory = bytes.len();
        bytes.extend([LISTED.to_vec(), short(45), short(45), vec![0; 8], word(sum.0)].concat());
        bytes.extend(
            [word(ELSEWHERE), word(ELSEWHERE), sum.1, short(field.len()), vec![0; 10], word(ELSEWHERE)]
                .concat(),
        );
        bytes.extend([sum.2, field].concat());
        let end = bytes.len();
        bytes.extend(
            [
                LARGE_END.to_vec(),
                long(44),
                vec![0; 12],
                long(1),
                long(1),
                long(end - directory),
                long(directory),
            ]
            .concat(),
        );
        bytes.extend([b"PK\x06\x07".to_vec(), word(0), long(end), word(1)].concat());
        bytes.extend(
            [END.to_vec(), vec![0; 4], short(MANY), short(MANY), word(ELSEWHERE), word(ELSEWHERE), short(0)]
                .concat(),
        );
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let archive = Archive::new(Path::new("large.npz"), bytes)?;
        archive.entries()?.iter().map(|entry| Ok((entry.name.clone(), archive.unpacked(entry)?))).collect()
    }

    #[test]
    fn sizes_that_do_not_fit_are_elsewhere() {
        let bytes = large("x.npy", b"elements");
        assert_eq!(read(&bytes).expect("an archive"), [("x.npy".to_owned(), b"elements".to_vec())]);
        // Cut or changed anywhere it is an error or what it was, never a panic or a place beyond its end.
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                if let Ok(files) = read(&broken) {
                    assert!(files.iter().all(|(_, content)| content == b"elements"), "bit {bit} of {at}");
                }
            }
        }
    }
}
