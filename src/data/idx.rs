//! The files that MNIST and its kin come in.
//!
//! In: idx files, packed by gzip or not. Out: tensors.
//!
//! The format: two zeros, a type, the number of axes, the size of each, the elements; big-endian
//! (<https://www.fon.hum.uva.nl/praat/manual/IDX_file_format.html>).

use crate::data::input::{Input, product};
use crate::data::pieces::Pieces;
use crate::mistake::{broken, misuse};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use downhill_runtime::view::MAX_RANK;
use std::path::Path;

/// What an idx file holds: integers as i32, floats as f32 and f64.
///
/// # Errors
/// A file that cannot be read, is no idx file, or is shorter or longer than its header says.
///
/// # Examples
/// ```
/// use downhill::data::idx;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("downhill-idx-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("labels.idx");
/// std::fs::write(&file, [0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4])?; // bytes, one axis of 3
/// assert_eq!(idx::read(&file)?.as_i32()?, [5, 0, 4]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn read(path: impl AsRef<Path>) -> Result<Tensor, Error> {
    decode(Input::open(path.as_ref())?)
}

/// Pictures as networks take them: `[n, 1, height, width]`, f32 from 0 to 1.
///
/// # Errors
/// As [`read`]; a file that does not hold bytes in three axes.
pub fn images(path: impl AsRef<Path>) -> Result<Tensor, Error> {
    let mut input = Input::open(path.as_ref())?;
    let (kind, shape) = header(&mut input)?;
    let (Kind::U8, [count, height, width]) = (kind, &*shape) else {
        return Err(misuse(
            format!("{} holds {kind:?} of shape {shape:?}", path.as_ref().display()),
            "pictures are bytes in three axes; `idx::read` takes whatever there is",
        ));
    };

    let size = product(&input.path, &shape)?;
    let pixels = input.elements(size, |[byte]: [u8; 1]| f32::from(byte) / 255.0)?;
    input.end()?;
    Ok(Tensor::new([*count, 1, *height, *width], pixels)?)
}

/// The rows of a file that may be larger than memory: tensors of `rows` rows each, as [`read`] gives them, one after another.
///
/// # Errors
/// As [`read`], for each piece; pieces of no rows; an array without axes.
pub fn pieces(
    path: impl AsRef<Path>,
    rows: usize,
) -> Result<Box<dyn Iterator<Item = Result<Tensor, Error>> + Send>, Error> {
    let mut input = Input::open(path.as_ref())?;
    let (kind, shape) = header(&mut input)?;
    product(&input.path, &shape)?;
    let pieces = Pieces::new(input, shape, rows, move |input, shape| elements(kind, input, shape))?;
    Ok(Box::new(pieces))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

fn decode(mut input: Input) -> Result<Tensor, Error> {
    let (kind, shape) = header(&mut input)?;
    product(&input.path, &shape)?;
    let tensor = elements(kind, &mut input, &shape)?;
    input.end()?;
    Ok(tensor)
}

/// The next elements of a file, as many as a shape has.
fn elements(kind: Kind, input: &mut Input, shape: &[usize]) -> Result<Tensor, Error> {
    let size = shape.iter().product();
    let tensor = match kind {
        Kind::U8 => Tensor::new(shape, input.elements(size, |[byte]: [u8; 1]| i32::from(byte))?),
        Kind::I8 => Tensor::new(shape, input.elements(size, |bytes| i32::from(i8::from_be_bytes(bytes)))?),
        Kind::I16 => Tensor::new(shape, input.elements(size, |bytes| i32::from(i16::from_be_bytes(bytes)))?),
        Kind::I32 => Tensor::new(shape, input.elements(size, i32::from_be_bytes)?),
        Kind::F32 => Tensor::new(shape, input.elements(size, f32::from_be_bytes)?),
        Kind::F64 => Tensor::new(shape, input.elements(size, f64::from_be_bytes)?),
    };
    Ok(tensor?)
}

fn header(input: &mut Input) -> Result<(Kind, Vec<usize>), Error> {
    let [first, second, kind, rank] = input.exactly("the header of an idx file")?;
    if (first, second) != (0, 0) {
        return Err(broken(&input.path, "is no idx file: it does not begin with two zeros"));
    }
    let kind = match kind {
        0x08 => Kind::U8,
        0x09 => Kind::I8,
        0x0b => Kind::I16,
        0x0c => Kind::I32,
        0x0d => Kind::F32,
        0x0e => Kind::F64,
        other => {
            return Err(broken(&input.path, format!("has elements of type {other:#04x}, which idx has not")));
        }
    };
    if usize::from(rank) > MAX_RANK {
        return Err(broken(&input.path, format!("has {rank} axes; at most {MAX_RANK} can be read")));
    }
    let sizes = (0..rank).map(|_| Ok(u32::from_be_bytes(input.exactly("the sizes of its axes")?) as usize));
    Ok((kind, sizes.collect::<Result<_, Error>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<Tensor, Error> {
        decode(Input::of(Path::new("a.idx"), std::io::Cursor::new(bytes.to_vec()))?)
    }

    #[test]
    fn every_type_is_read() {
        let header = |kind: u8| vec![0, 0, kind, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let of = |kind: u8, elements: &[u8]| of(&[&header(kind), elements].concat()).expect("a tensor");
        assert_eq!(of(0x08, &[1, 255]), Tensor::from([[1_i32, 255]]));
        assert_eq!(of(0x09, &[1, 255]), Tensor::from([[1_i32, -1]]));
        assert_eq!(of(0x0b, &[1, 0, 255, 254]), Tensor::from([[256_i32, -2]]));
        assert_eq!(of(0x0c, &[0, 0, 1, 0, 255, 255, 255, 255]), Tensor::from([[256_i32, -1]]));
        assert_eq!(of(0x0d, &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0]), Tensor::from([[1.0_f32, -2.0]]));
        let doubles = [1.0_f64.to_be_bytes(), (-2.0_f64).to_be_bytes()].concat();
        assert_eq!(of(0x0e, &doubles), Tensor::from([[1.0_f64, -2.0]]));
    }

    #[test]
    fn what_is_broken_is_told() {
        let message = |bytes: &[u8]| of(bytes).expect_err("a mistake").to_string();
        assert_eq!(message(&[0, 0]), "a.idx: ends at byte 2, within the header of an idx file");
        assert_eq!(message(b"PK..."), "a.idx: is no idx file: it does not begin with two zeros");
        assert_eq!(message(&[0, 0, 7, 1]), "a.idx: has elements of type 0x07, which idx has not");
        assert_eq!(
            message(&[0, 0, 8, 1, 0, 0, 0, 3, 1, 2]),
            "a.idx: ends at byte 10, 1 byte before its elements do"
        );
        assert_eq!(
            message(&[0, 0, 8, 1, 0, 0, 0, 1, 1, 2]),
            "a.idx: goes on behind its last element, at byte 9"
        );
        // A header that asks for all memory gets none.
        let huge = [&[0, 0, 8, 3][..], &[255; 12]].concat();
        assert!(message(&huge).contains("more elements than memory can hold"), "{}", message(&huge));
        let large = [&[0, 0, 14, 1][..], &[255; 4]].concat();
        assert_eq!(message(&large), "a.idx: ends at byte 8, 34359738360 bytes before its elements do");
    }

    #[test]
    #[cfg(feature = "files")]
    fn gzip_of_several_members_is_unpacked() {
        use std::io::Write;
        let packed = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).expect("bytes");
            encoder.finish().expect("a member")
        };
        let both = [packed(&[0, 0, 8, 1, 0, 0, 0, 3, 1]), packed(&[2, 3])].concat();
        assert_eq!(of(&both).expect("a tensor"), Tensor::from([1_i32, 2, 3]));
        let cut = of(&both[..both.len() - 4]).expect_err("cut").to_string();
        assert!(cut.starts_with("a.idx: cannot be read"), "{cut}");
    }
}
