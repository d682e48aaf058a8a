//! NumPy's files: `.npy` of one array, `.npz` of several by name.
//!
//! In: files. Out: tensors; and back.
//!
//! The format: a magic string, a version, a header in the words of Python, then the elements
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>). Integers become i32s, if they are; f16 becomes f32.

use crate::arrays::{half, turned};
use crate::data::archive::Archive;
use crate::data::header::{Header, Kind, header_text};
use crate::data::input::Input;
use crate::data::pieces::Pieces;
use crate::file;
use crate::mistake::{broken, unreadable};
use downhill_graph::tensor::{Data, Element, Tensor};
use downhill_runtime::error::Error;
use std::path::Path;

/// The array of an `.npy` file.
///
/// # Errors
/// A file that cannot be read, is no `.npy` file, or is shorter or longer than its header says; elements that no tensor has; an integer that is
/// no i32.
///
/// # Examples
/// ```
/// use downhill::data::npy;
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("downhill-npy-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("x.npy");
/// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
/// npy::write(&file, &x)?; // numpy.load reads it
/// assert_eq!(npy::read(&file)?, x);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn read(path: impl AsRef<Path>) -> Result<Tensor, Error> {
    decode(Input::open(path.as_ref())?)
}

/// The arrays of an `.npz` file by name, in the order in which they were saved. What `numpy.savez_compressed` packed needs the feature `files`.
///
/// # Errors
/// As [`read`], for each; an archive that is broken.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let archive = Archive::new(path, &bytes)?;
    let arrays = archive.entries()?.into_iter().map(|entry| {
        let name = entry.name.strip_suffix(".npy").unwrap_or(&entry.name).to_owned();
        let within = path.join(&entry.name);
        let tensor = decode(Input::of(&within, std::io::Cursor::new(archive.unpacked(&entry)?))?)?;
        Ok((name, tensor))
    });
    arrays.collect()
}

/// Writes an array that `numpy.load` reads.
///
/// # Errors
/// A file that cannot be written: the one that was there before is whole.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<(), Error> {
    let mut bytes = header_text(tensor);
    match tensor.data() {
        Data::F32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::F64(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::I32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::U32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    file::write(path, &bytes)
}

/// The rows of an `.npy` file that may be larger than memory: tensors of `rows` rows each, one after another.
///
/// # Errors
/// As [`read`], for each piece; pieces of no rows; an array without axes, or one whose first index goes fastest (`fortran_order`), whose rows do
/// not lie behind one another.
///
/// # Examples
/// ```
/// use downhill::data::npy;
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("downhill-pieces-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("x.npy");
/// npy::write(&file, &Tensor::zeros([10, 3])?)?;
/// let rows = npy::pieces(&file, 4)?.map(|piece| piece.map(|piece| piece.shape()[0]));
/// assert_eq!(rows.collect::<Result<Vec<_>, _>>()?, [4, 4, 2]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn pieces(
    path: impl AsRef<Path>,
    rows: usize,
) -> Result<Box<dyn Iterator<Item = Result<Tensor, Error>> + Send>, Error> {
    let mut input = Input::open(path.as_ref())?;
    let header = Header::read(&mut input)?;
    if header.fortran && header.shape.len() > 1 {
        return Err(broken(
            &input.path,
            "has its first index go fastest: save it in C order to read it row by row",
        ));
    }
    let shape = header.shape.clone();
    let pieces = Pieces::new(input, shape, rows, move |input, shape| elements(&header, input, shape))?;
    Ok(Box::new(pieces))
}

fn decode(mut input: Input) -> Result<Tensor, Error> {
    let header = Header::read(&mut input)?;
    let tensor = elements(&header, &mut input, &header.shape)?;
    input.end()?;
    Ok(tensor)
}

/// The next elements of a file, as many as a shape has.
fn elements(header: &Header, input: &mut Input, shape: &[usize]) -> Result<Tensor, Error> {
    let count = shape.iter().product();
    let order = Ordered { shape, fortran: header.fortran };
    match header.kind {
        Kind::Bool => order.tensor(input.elements(count, |[byte]: [u8; 1]| byte != 0)?),
        Kind::U8 => order.tensor(input.elements(count, |[byte]: [u8; 1]| i32::from(byte))?),
        Kind::I8 => order.tensor(input.elements(count, |[byte]: [u8; 1]| i32::from(byte as i8))?),
        Kind::U16 => {
            order.tensor(input.elements(count, |bytes| i32::from(u16::from_le_bytes(header.little(bytes))))?)
        }
        Kind::I16 => {
            order.tensor(input.elements(count, |bytes| i32::from(i16::from_le_bytes(header.little(bytes))))?)
        }
        Kind::I32 => order.tensor(input.elements(count, |bytes| i32::from_le_bytes(header.little(bytes)))?),
        Kind::U32 => order.tensor(input.elements(count, |bytes| u32::from_le_bytes(header.little(bytes)))?),
        Kind::I64 => {
            let wide = input.elements(count, |bytes| i64::from_le_bytes(header.little(bytes)))?;
            order.tensor(narrow(&input.path, &wide)?)
        }
        Kind::U64 => {
            let wide = input.elements(count, |bytes| u64::from_le_bytes(header.little(bytes)))?;
            order.tensor(narrow(&input.path, &wide)?)
        }
        Kind::F16 => {
            order.tensor(input.elements(count, |bytes| half(u16::from_le_bytes(header.little(bytes))))?)
        }
        Kind::F32 => order.tensor(input.elements(count, |bytes| f32::from_le_bytes(header.little(bytes)))?),
        Kind::F64 => order.tensor(input.elements(count, |bytes| f64::from_le_bytes(header.little(bytes)))?),
    }
}

/// The order of a file's elements.
struct Ordered<'a> {
    shape: &'a [usize],
    fortran: bool,
}

impl Ordered<'_> {
    fn tensor<E: Element>(&self, elements: Vec<E>) -> Result<Tensor, Error> {
        let elements = if self.fortran {
            // The first index goes fastest: the same array with its axes in reverse.
            let shape: Vec<usize> = self.shape.iter().rev().copied().collect();
            turned(&shape, &Vec::from_iter((0..shape.len()).rev()), &elements)
        } else {
            elements
        };
        Ok(Tensor::new(self.shape, elements)?)
    }
}

fn narrow<T: Copy + TryInto<i32> + std::fmt::Display>(path: &Path, wide: &[T]) -> Result<Vec<i32>, Error> {
    let narrow = wide.iter().enumerate().map(|(at, &number)| {
        number
            .try_into()
            .map_err(|_| broken(path, format!("holds {number} at position {at}, which is no i32")))
    });
    narrow.collect()
}
