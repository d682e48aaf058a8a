//! What `torch.save` wrote: a zip archive of a pickle and of the elements that its tensors show.
//!
//! In: the bytes of a file. Out: its tensors by name; what lies within dictionaries and lists is named by the way to it: `model.h.weight`.
//!
//! Must hold: nothing is executed ([`pickle`](super::pickle)), and every place and every size is checked before an element is read or memory is
//! asked for. All tensors together take a few times the file's size at most.

use super::exchange::Named;
use super::pickle::{self, Id, Kind, Known, Pickle, Value};
use super::tensors::tensor_of;
use crate::arrays::strided;
use crate::data::archive::{Archive, Entry};
use crate::mistake::broken;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use safetensors::Dtype;
use std::collections::HashMap;
use std::path::Path;

/// How a file begins that `torch.save` wrote before version 1.6.
const OLD: [u8; 14] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// How deep dictionaries lie within one another at most.
const DEEPEST: usize = 16;
/// How long a name is at most.
const LONGEST: usize = 1000;
/// Bytes of tensors for each byte of their file: parameters that are shared are listed several times.
const TIMES: usize = 16;

/// Tensors, and those that could not be read with the reason.
type Found = (Named, Vec<(String, String)>);

/// Whether `torch.save` wrote a file that begins so.
pub(super) fn is_of_torch(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK") || bytes.starts_with(&OLD)
}

/// The tensors of a file.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Found, Error> {
    if bytes.starts_with(&OLD) {
        let message =
            "is in the form that `torch.save` wrote before version 1.6; save it anew, with PyTorch of today";
        return Err(broken(path, message));
    }
    let archive = Archive::new(path, bytes)?;
    let entries: HashMap<String, Entry> =
        archive.entries()?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let folder = entries.keys().find_map(|name| name.strip_suffix("data.pkl"));
    let folder = folder
        .ok_or_else(|| broken(path, "is a zip archive without a `data.pkl`: `torch.save` wrote none"))?;
    if entries.contains_key(&format!("{folder}constants.pkl")) {
        return Err(broken(path, "is a module of TorchScript; save its `state_dict()`"));
    }
    if let Some(order) = entries.get(&format!("{folder}byteorder"))
        && archive.unpacked(order)? != b"little"
    {
        return Err(broken(path, "was saved by a machine with the highest byte first"));
    }

    let pickle = archive.unpacked(&entries[&format!("{folder}data.pkl")])?;
    let pickle = pickle::read(&pickle).map_err(|what| broken(path, format!("holds {what}")))?;
    let mut reader = Reader {
        path,
        archive: &archive,
        entries: &entries,
        folder,
        pickle: &pickle,
        unpacked: HashMap::new(),
        room: bytes.len().saturating_mul(TIMES),
        visits: 0,
        found: Found::default(),
    };
    reader.walk(pickle.root, "", 0)?;
    Ok(reader.found)
}

/// A file whose pickle is known.
struct Reader<'a> {
    path: &'a Path,
    archive: &'a Archive<'a>,
    entries: &'a HashMap<String, Entry>,
    /// Before the names of its entries.
    folder: &'a str,
    pickle: &'a Pickle,
    /// The elements that tensors show, by the names of their entries.
    unpacked: HashMap<String, Vec<u8>>,
    /// Bytes that tensors may still take.
    room: usize,
    visits: usize,
    found: Found,
}

/// Where the elements of a tensor lie.
struct Shown<'a> {
    kind: Kind,
    entry: &'a str,
    /// Elements in that entry.
    len: usize,
    offset: usize,
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: impl std::fmt::Display) -> Error {
        broken(self.path, format!("is broken: {what}"))
    }

    /// Takes the tensors in a value.
    fn walk(&mut self, id: Id, name: &str, depth: usize) -> Result<(), Error> {
        // A value may lie in several places, and in itself.
        self.visits += 1;
        if name.len() > LONGEST {
            return Err(self.wrong(format!("a name has more than {LONGEST} bytes")));
        }
        if depth > DEEPEST || self.visits > 4 * self.pickle.values.len() {
            return Err(self.wrong("its dictionaries lie within one another without end"));
        }
        let pickle = self.pickle;
        match &pickle.values[id] {
            Value::Dict(entries) => {
                for &(key, value) in entries {
                    let key = match &pickle.values[key] {
                        Value::Text(text) => text.clone(),
                        Value::Whole(number) => number.to_string(),
                        _ => continue,
                    };
                    self.walk(value, &within(name, &key), depth + 1)?;
                }
            }
            Value::Items(items) => {
                for (place, &item) in items.iter().enumerate() {
                    self.walk(item, &within(name, &place.to_string()), depth + 1)?;
                }
            }
            Value::Tensor(parts) => {
                let shown = self.shown(parts).ok_or_else(|| self.wrong(format!("`{name}` is no tensor")))?;
                match self.tensor(&shown).map_err(|what| self.wrong(format!("`{name}` {what}")))? {
                    Ok(tensor) => self.found.0.push((name.to_owned(), tensor)),
                    Err(what) => self.found.1.push((name.to_owned(), what)),
                }
            }
            Value::Other | Value::Whole(_) | Value::Text(_) | Value::Name(_) | Value::Outside(_) => {}
        }
        Ok(())
    }

    /// What `_rebuild_tensor_v2` was given: a storage, an offset, sizes, strides.
    fn shown(&self, parts: &[Id]) -> Option<Shown<'a>> {
        let values = &self.pickle.values;
        let &[storage, offset, sizes, strides] = parts else { return None };
        let Value::Outside(storage) = values[storage] else { return None };
        let Value::Items(storage) = &values[storage] else { return None };
        let &[_, kind, entry, _, len] = &**storage else { return None };
        let (Value::Name(Known::Storage(kind)), Value::Text(entry)) = (&values[kind], &values[entry]) else {
            return None;
        };
        let (sizes, strides) = (self.wholes(sizes)?, self.wholes(strides)?);
        let shown =
            Shown { kind: *kind, entry, len: self.whole(len)?, offset: self.whole(offset)?, sizes, strides };
        (shown.sizes.len() == shown.strides.len()).then_some(shown)
    }

    fn whole(&self, id: Id) -> Option<usize> {
        let Value::Whole(number) = self.pickle.values[id] else { return None };
        usize::try_from(number).ok()
    }

    fn wholes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Items(items) = &self.pickle.values[id] else { return None };
        items.iter().map(|&item| self.whole(item)).collect()
    }

    /// A tensor, or why downhill has none such; or what is the matter with the file.
    fn tensor(&mut self, shown: &Shown<'_>) -> Result<Result<Tensor, String>, String> {
        let (dtype, size) = type_of(shown.kind);
        let count = shown.count().ok_or("shows elements that are not there")?;
        if count > shown.len {
            return Err("shows elements several times; save it as `tensor.contiguous()`".into());
        }
        // As what it becomes, whose elements have four bytes at least.
        let bytes = count.saturating_mul(size.max(4));
        self.room =
            self.room.checked_sub(bytes).ok_or("is one of too many tensors that show the same elements")?;
        let elements = self.elements(shown, size)?;
        let elements = match size {
            1 => shown.of(elements.as_chunks::<1>().0),
            2 => shown.of(elements.as_chunks::<2>().0),
            4 => shown.of(elements.as_chunks::<4>().0),
            _ => shown.of(elements.as_chunks::<8>().0),
        };
        Ok(tensor_of(dtype, &shown.sizes, &elements))
    }

    /// The bytes of the entry that a tensor shows a part of.
    fn elements(&mut self, shown: &Shown<'_>, size: usize) -> Result<&[u8], String> {
        if !self.unpacked.contains_key(shown.entry) {
            let name = format!("{}data/{}", self.folder, shown.entry);
            let entry =
                self.entries.get(&name).ok_or_else(|| format!("shows `{name}`, which is not there"))?;
            let bytes = self.archive.unpacked(entry).map_err(|error| error.to_string())?;
            self.unpacked.insert(shown.entry.to_owned(), bytes);
        }
        let bytes = &self.unpacked[shown.entry];
        match shown.len.checked_mul(size) == Some(bytes.len()) {
            true => Ok(bytes),
            false => Err("has another number of elements than its entry".into()),
        }
    }
}

impl Shown<'_> {
    /// How many elements it has, all of which are there; `None` where they are not.
    fn count(&self) -> Option<usize> {
        let count = self.sizes.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))?;
        if count == 0 {
            return Some(0);
        }
        let mut last = self.offset;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides) {
            last = last.checked_add((size - 1).checked_mul(stride)?)?;
        }
        (last < self.len).then_some(count)
    }

    /// Its elements, row-major.
    fn of<const N: usize>(&self, elements: &[[u8; N]]) -> Vec<u8> {
        strided(elements, self.offset, &self.sizes, &self.strides).into_iter().flatten().collect()
    }
}

fn type_of(kind: Kind) -> (Dtype, usize) {
    match kind {
        Kind::Bool => (Dtype::BOOL, 1),
        Kind::U8 => (Dtype::U8, 1),
        Kind::I8 => (Dtype::I8, 1),
        Kind::I16 => (Dtype::I16, 2),
        Kind::I32 => (Dtype::I32, 4),
        Kind::I64 => (Dtype::I64, 8),
        Kind::F16 => (Dtype::F16, 2),
        Kind::BF16 => (Dtype::BF16, 2),
        Kind::F32 => (Dtype::F32, 4),
        Kind::F64 => (Dtype::F64, 8),
    }
}

/// The name of what lies within something of another name.
fn within(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}
