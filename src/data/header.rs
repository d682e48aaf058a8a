//! The header of an `.npy` file.
//!
//! In: bytes. Out: [`Header`]; and a header's bytes for a tensor.

use crate::data::input::{Input, product};
use crate::mistake::broken;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use downhill_runtime::error::Error;
use downhill_runtime::view::MAX_RANK;

/// What the elements of a file are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

/// What stands before the elements.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    big: bool,
    /// Whether the first index goes fastest.
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
}

const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// NumPy itself refuses longer headers.
const LONGEST: usize = 10_000;

impl Header {
    pub(crate) fn read(input: &mut Input) -> Result<Header, Error> {
        let magic: [u8; 6] = input.exactly("the header of an npy file")?;
        if magic != MAGIC {
            return Err(broken(&input.path, "is no npy file: it does not begin with `\\x93NUMPY`"));
        }
        let [major, _] = input.exactly("its version")?;
        let len = match major {
            1 => usize::from(u16::from_le_bytes(input.exactly("the length of its header")?)),
            2 | 3 => u32::from_le_bytes(input.exactly("the length of its header")?) as usize,
            _ => {
                return Err(broken(
                    &input.path,
                    format!("has version {major} of the format; 1 to 3 are known"),
                ));
            }
        };
        if len > LONGEST {
            return Err(broken(
                &input.path,
                format!("has a header of {len} bytes; at most {LONGEST} are read"),
            ));
        }
        let text = input.elements(len, |[byte]: [u8; 1]| byte)?;
        let text = String::from_utf8_lossy(&text);
        let parsed = parse(&text)
            .map_err(|what| broken(&input.path, format!("{what} in its header `{}`", text.trim())));
        let (kind, big, fortran, shape) = parsed?;
        if shape.len() > MAX_RANK {
            return Err(broken(
                &input.path,
                format!("has {} axes; at most {MAX_RANK} can be read", shape.len()),
            ));
        }
        product(&input.path, &shape)?;
        Ok(Header { kind, big, fortran, shape })
    }

    /// Bytes of an element, the lowest first.
    pub(crate) fn little<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.big {
            bytes.reverse();
        }
        bytes
    }
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse(text: &str) -> Result<(Kind, bool, bool, Vec<usize>), String> {
    let value = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':")).ok_or_else(|| format!("no `{key}`"))?;
        Ok::<&str, String>(rest.trim_start())
    };

    let descr = value("descr")?;
    let name = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(name, _)| name);
    let name = name.ok_or("elements of several fields")?;
    let (order, name) = name.split_at_checked(1).ok_or("no type of elements")?;
    let kind = match name {
        "b1" => Kind::Bool,
        "u1" => Kind::U8,
        "i1" => Kind::I8,
        "u2" => Kind::U16,
        "i2" => Kind::I16,
        "u4" => Kind::U32,
        "i4" => Kind::I32,
        "u8" => Kind::U64,
        "i8" => Kind::I64,
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        _ => return Err(format!("elements of type `{order}{name}`, which no tensor has,")),
    };

    let fortran = match value("fortran_order")? {
        order if order.starts_with("True") => true,
        order if order.starts_with("False") => false,
        _ => return Err("neither `True` nor `False` for `fortran_order`".into()),
    };
    let sizes = value("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (sizes, _) = sizes.ok_or("no tuple for `shape`")?;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(|size| size.parse().map_err(|_| format!("a size `{size}`")));
    Ok((kind, order == ">", fortran, shape.collect::<Result<_, String>>()?))
}

/// The header of a tensor: version 1, padded so that elements begin at a multiple of 64.
pub(crate) fn header_text(tensor: &Tensor) -> Vec<u8> {
    let descr = match tensor.element() {
        ElementType::F32 => "<f4",
        ElementType::F64 => "<f8",
        ElementType::I32 => "<i4",
        ElementType::U32 => "<u4",
        ElementType::Bool => "|b1",
    };
    let sizes: String = tensor.shape().iter().map(|size| format!("{size}, ")).collect();
    let mut text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    let before = MAGIC.len() + 4;
    let end = (before + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', end - before - text.len() - 1));
    text.push('\n');
    // A tensor has few axes: a header is far shorter than a u16 counts.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&MAGIC[..], &[1, 0], &len.to_le_bytes(), text.as_bytes()].concat()
}
