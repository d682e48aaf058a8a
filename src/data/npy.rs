//! NumPy's files: `.npy` of one array, `.npz` of several by name.
//!
//! In: files. Out: tensors; and back.
//!
//! The format: a magic string, a version, a header in the words of Python, then the elements
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>). Integers become i32s, if they are; f16 becomes f32.

use crate::data::archive::Archive;
use crate::data::header::{Header, Kind, header_text};
use crate::data::input::Input;
use crate::data::mistake::{broken, unreadable};
use downhill_graph::tensor::{Data, Tensor};
use downhill_runtime::error::Error;
use std::io::Write;
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
/// A file that cannot be written.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<(), Error> {
    let path = path.as_ref();
    let mut bytes = header_text(tensor);
    match tensor.data() {
        Data::F32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::F64(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::I32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::U32(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    let written = std::fs::File::create(path).and_then(|mut file| file.write_all(&bytes));
    written.map_err(|error| broken(path, format!("cannot be written: {error}")))
}

fn decode(mut input: Input) -> Result<Tensor, Error> {
    let header = Header::read(&mut input)?;
    let count = header.size;
    let tensor = match header.kind {
        Kind::Bool => of(&header, input.elements(count, |[byte]: [u8; 1]| byte != 0)?),
        Kind::U8 => of(&header, input.elements(count, |[byte]: [u8; 1]| i32::from(byte))?),
        Kind::I8 => of(&header, input.elements(count, |[byte]: [u8; 1]| i32::from(byte as i8))?),
        Kind::U16 => {
            of(&header, input.elements(count, |bytes| i32::from(u16::from_le_bytes(header.little(bytes))))?)
        }
        Kind::I16 => {
            of(&header, input.elements(count, |bytes| i32::from(i16::from_le_bytes(header.little(bytes))))?)
        }
        Kind::I32 => of(&header, input.elements(count, |bytes| i32::from_le_bytes(header.little(bytes)))?),
        Kind::U32 => of(&header, input.elements(count, |bytes| u32::from_le_bytes(header.little(bytes)))?),
        Kind::I64 => {
            let wide = input.elements(count, |bytes| i64::from_le_bytes(header.little(bytes)))?;
            of(&header, narrow(&input.path, &wide)?)
        }
        Kind::U64 => {
            let wide = input.elements(count, |bytes| u64::from_le_bytes(header.little(bytes)))?;
            of(&header, narrow(&input.path, &wide)?)
        }
        Kind::F16 => {
            of(&header, input.elements(count, |bytes| half(u16::from_le_bytes(header.little(bytes))))?)
        }
        Kind::F32 => of(&header, input.elements(count, |bytes| f32::from_le_bytes(header.little(bytes)))?),
        Kind::F64 => of(&header, input.elements(count, |bytes| f64::from_le_bytes(header.little(bytes)))?),
    };
    input.end()?;
    tensor
}

/// A tensor of elements in the order of the file.
fn of<E: downhill_graph::tensor::Element>(header: &Header, elements: Vec<E>) -> Result<Tensor, Error> {
    let elements = if header.fortran { row_major(&header.shape, &elements) } else { elements };
    Ok(Tensor::new(&header.shape, elements)?)
}

/// Elements whose first index goes fastest, in the order in which the last does.
fn row_major<E: Copy>(shape: &[usize], elements: &[E]) -> Vec<E> {
    let mut indices = vec![0_usize; shape.len()];
    let mut ordered = Vec::with_capacity(elements.len());
    for _ in 0..elements.len() {
        let position =
            indices.iter().zip(shape).rev().fold(0, |position, (index, size)| position * size + index);
        ordered.push(elements[position]);
        for (index, &size) in indices.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < size {
                break;
            }
            *index = 0;
        }
    }
    ordered
}

fn narrow<T: Copy + TryInto<i32> + std::fmt::Display>(path: &Path, wide: &[T]) -> Result<Vec<i32>, Error> {
    let narrow = wide.iter().enumerate().map(|(at, &number)| {
        number
            .try_into()
            .map_err(|_| broken(path, format!("holds {number} at position {at}, which is no i32")))
    });
    narrow.collect()
}

/// An f16's bits as the f32 that it is.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    };
    if sign == 1 { -size } else { size }
}
