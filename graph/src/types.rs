//! What a value is: the type of its elements, its shape, and scalars written in a program.
//!
//! In: dims. Out: [`ElementType`], [`Shape`], [`Type`], [`Literal`].

use crate::dim::{Bindings, Dim};
use std::fmt;

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ElementType {
    /// 32-bit float: the default.
    #[default]
    F32,
    /// 64-bit float.
    F64,
    /// Signed 32-bit integer: class indices, tokens.
    I32,
    /// Unsigned 32-bit integer: random bits.
    U32,
    /// True or false.
    Bool,
}

impl ElementType {
    /// Bytes of an element in the memory of compiled code. A bool is a word, 0 or 1.
    pub fn bytes(self) -> usize {
        match self {
            ElementType::F64 => 8,
            ElementType::F32 | ElementType::I32 | ElementType::U32 | ElementType::Bool => 4,
        }
    }

    /// f32 or f64: the types that have gradients.
    pub fn is_float(self) -> bool {
        matches!(self, ElementType::F32 | ElementType::F64)
    }

    /// i32 or u32.
    pub fn is_integer(self) -> bool {
        matches!(self, ElementType::I32 | ElementType::U32)
    }

    /// As in Rust: `f32`, `bool`, …
    pub fn name(self) -> &'static str {
        match self {
            ElementType::F32 => "f32",
            ElementType::F64 => "f64",
            ElementType::I32 => "i32",
            ElementType::U32 => "u32",
            ElementType::Bool => "bool",
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sizes of the axes, outermost first; row-major in memory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Shape {
        Shape::default()
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The axes' sizes.
    pub fn dims(&self) -> &[Dim] {
        &self.0
    }

    /// Number of elements.
    pub fn size(&self) -> Dim {
        self.0.iter().fold(Dim::from(1), |size, dim| &size * dim)
    }

    /// Replaces bound symbols by their numbers.
    pub fn bind(&self, bindings: &Bindings) -> Shape {
        Shape(self.0.iter().map(|dim| dim.bind(bindings)).collect())
    }

    /// The sizes under `bindings`, or `None` where one has no value or is negative.
    pub fn evaluate(&self, bindings: &Bindings) -> Option<Vec<usize>> {
        self.0.iter().map(|dim| usize::try_from(dim.evaluate(bindings).ok()?).ok()).collect()
    }
}

impl<D: Into<Dim>, const N: usize> From<[D; N]> for Shape {
    fn from(dims: [D; N]) -> Shape {
        Shape(dims.into_iter().map(Into::into).collect())
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Shape {
        Shape(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.0.iter().map(Dim::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Element type and shape.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Type {
    /// Type of an element.
    pub element: ElementType,
    /// Sizes.
    pub shape: Shape,
}

impl Type {
    /// Bytes of its elements in the memory of compiled code.
    pub fn bytes(&self) -> Dim {
        &self.shape.size() * &Dim::from(self.element.bytes())
    }

    /// A tensor of `element`s.
    pub fn new(element: ElementType, shape: impl Into<Shape>) -> Type {
        Type { element, shape: shape.into() }
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }
}

impl fmt::Display for Type {
    /// `f32[batch, 2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.element, self.shape)
    }
}

/// A scalar in a program, compared by bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Literal {
    /// Its type.
    pub element: ElementType,
    /// Floats: the bits of the f64 value (an f32 constant keeps the value it was written with and is rounded where it is
    /// used). Integers and booleans: the value as i64.
    bits: u64,
}

impl Literal {
    /// `value` as an `element`: rounded to f32's or the integer's nearest when used; booleans are `value ≠ 0`.
    pub fn new(element: ElementType, value: f64) -> Literal {
        match element {
            ElementType::F32 | ElementType::F64 => Literal { element, bits: value.to_bits() },
            ElementType::I32 => Literal { element, bits: i64::from(value as i32) as u64 },
            ElementType::U32 => Literal { element, bits: u64::from(value as u32) },
            ElementType::Bool => Literal { element, bits: u64::from(value != 0.0) },
        }
    }

    /// The value, exactly.
    pub fn value(self) -> f64 {
        match self.element {
            ElementType::F32 | ElementType::F64 => f64::from_bits(self.bits),
            ElementType::I32 | ElementType::U32 | ElementType::Bool => self.bits as i64 as f64,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            ElementType::Bool => write!(f, "{}", self.bits != 0),
            ElementType::F32 => write!(f, "{:?}", self.value() as f32),
            _ => write!(f, "{}", self.value()),
        }
    }
}
