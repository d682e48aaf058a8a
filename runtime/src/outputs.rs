//! What a call gives: tensors by name, and the memory they are written to.
//!
//! In: results of native code. Out: [`Outputs`].

use crate::error::Error;
use crate::view::{DataMut, ViewMut};
use downhill_graph::graph::Purpose;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Type};
use std::ops::Range;
use std::sync::Arc;

/// Named tensors that one call gave: outputs, or gradients with their loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// The loss; `None` where none was computed.
    pub(crate) loss: Option<f32>,
    pub(crate) named: Vec<(Arc<str>, Tensor)>,
    /// What they are, for messages.
    pub(crate) kind: &'static str,
}

impl Outputs {
    /// The tensor of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&Tensor, Error> {
        let found = self.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor);
        found.ok_or_else(|| Error::unknown(self.kind, name, self.iter().map(|(name, _)| name)))
    }

    /// All, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.named.iter().map(|(name, tensor)| (&**name, tensor))
    }

    /// All tensors in the order of declaration: `let [logits, value] = net.forward_all(&x)?.into_array()?`.
    ///
    /// # Errors
    /// There are more or fewer.
    pub fn into_array<const N: usize>(self) -> Result<[Tensor; N], Error> {
        let names: Vec<String> = self.iter().map(|(name, _)| name.to_owned()).collect();
        let kind = self.kind;
        let tensors: Vec<Tensor> = self.named.into_iter().map(|(_, tensor)| tensor).collect();
        tensors.try_into().map_err(|_| {
            Error::usage(
                format!("{N} tensors were asked for, but there are {}: {}", names.len(), names.join(", ")),
                format!("write a name for each {kind}, in this order"),
            )
        })
    }

    /// The loss whose gradients these are.
    pub fn loss(&self) -> Option<f32> {
        self.loss
    }
}

/// Masks are written as words.
pub(crate) fn stored_as(element: ElementType) -> ElementType {
    if element == ElementType::Bool { ElementType::U32 } else { element }
}

pub(crate) fn name_of(purpose: &Purpose) -> Arc<str> {
    match purpose {
        Purpose::Output(name) | Purpose::Loss(name) | Purpose::Gradient(name) => name.clone(),
        Purpose::Update(index) => format!("update {index}").into(),
    }
}

pub(crate) fn names(outputs: &[(Purpose, Type)]) -> Vec<String> {
    outputs.iter().map(|(purpose, _)| format!("`{}`", name_of(purpose))).collect()
}

/// Zeros, by an allocation that is not asked to be zeroed: system allocators are much faster at those where they are small.
fn zeros<E: Copy + Default>(len: usize) -> Vec<E> {
    let mut elements = Vec::with_capacity(len);
    elements.resize(len, E::default());
    elements
}

/// Memory for an output that becomes a tensor.
pub(crate) enum OutputBuffer {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    U32(Vec<u32>),
}

impl OutputBuffer {
    /// As [`OutputBuffer::new`], for what may be larger than memory.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn try_new(element: ElementType, len: usize) -> Result<OutputBuffer, Error> {
        fn reserved<E: Copy + Default>(len: usize) -> Result<Vec<E>, Error> {
            let mut elements = Vec::new();
            let bytes = len.saturating_mul(size_of::<E>());
            elements.try_reserve_exact(len).map_err(|_| Error::Memory { what: "outputs".into(), bytes })?;
            elements.resize(len, E::default());
            Ok(elements)
        }
        Ok(match element {
            ElementType::F32 => OutputBuffer::F32(reserved(len)?),
            ElementType::F64 => OutputBuffer::F64(reserved(len)?),
            ElementType::I32 => OutputBuffer::I32(reserved(len)?),
            ElementType::U32 | ElementType::Bool => OutputBuffer::U32(reserved(len)?),
        })
    }

    /// The place of these rows.
    pub(crate) fn rows_mut(&mut self, row_len: usize, rows: Range<usize>) -> ViewMut<'_> {
        let place = rows.start * row_len..rows.end * row_len;
        match self {
            OutputBuffer::F32(elements) => ViewMut::F32(&mut elements[place]),
            OutputBuffer::F64(elements) => ViewMut::F64(&mut elements[place]),
            OutputBuffer::I32(elements) => ViewMut::I32(&mut elements[place]),
            OutputBuffer::U32(elements) => ViewMut::U32(&mut elements[place]),
        }
    }

    pub(crate) fn new(element: ElementType, len: usize) -> OutputBuffer {
        match element {
            ElementType::F32 => OutputBuffer::F32(zeros(len)),
            ElementType::F64 => OutputBuffer::F64(zeros(len)),
            ElementType::I32 => OutputBuffer::I32(zeros(len)),
            ElementType::U32 | ElementType::Bool => OutputBuffer::U32(zeros(len)),
        }
    }

    pub(crate) fn view_mut(&mut self) -> ViewMut<'_> {
        match self {
            OutputBuffer::F32(elements) => elements.view_mut(),
            OutputBuffer::F64(elements) => ViewMut::F64(elements),
            OutputBuffer::I32(elements) => elements.view_mut(),
            OutputBuffer::U32(elements) => elements.view_mut(),
        }
    }

    pub(crate) fn into_tensor(self, shape: &[usize], element: ElementType) -> Result<Tensor, Error> {
        Ok(match self {
            OutputBuffer::F32(elements) => Tensor::new(shape, elements)?,
            OutputBuffer::F64(elements) => Tensor::new(shape, elements)?,
            OutputBuffer::I32(elements) => Tensor::new(shape, elements)?,
            OutputBuffer::U32(elements) if element == ElementType::Bool => {
                Tensor::new(shape, elements.into_iter().map(|mask| mask != 0).collect())?
            }
            OutputBuffer::U32(elements) => Tensor::new(shape, elements)?,
        })
    }
}
