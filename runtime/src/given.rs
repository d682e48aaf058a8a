//! A caller's data as a pointer, with its type, length and shape.
//!
//! In: a [`View`]. Out: [`Given`].

use crate::view::{Extent, View};
use downhill_graph::types::ElementType;

/// Something handed in, valid for the call it was handed to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) base: *const u8,
    pub(crate) element: ElementType,
    pub(crate) len: usize,
    pub(crate) extent: Extent,
    /// Elements behind `base`: `len` of them, or, for a column of a data set, those of all its rows.
    pub(crate) whole: usize,
}

impl Given {
    pub(crate) fn new(view: &View<'_>) -> Given {
        let elements = &view.elements;
        let len = elements.len();
        Given { base: elements.base(), element: elements.element(), len, extent: view.extent, whole: len }
    }

    pub(crate) fn describe(&self) -> String {
        match self.extent {
            Extent::Shaped(rank, dims) => format!("{:?}", &dims[..usize::from(rank)]),
            Extent::Unfit(_) => "a view".into(),
            Extent::Flat if self.len == 1 => "1 number".into(),
            Extent::Flat => format!("{} numbers", self.len),
        }
    }

    /// Whether it is what a slot of this shape takes.
    pub(crate) fn fits(&self, shape: &[usize], len: usize) -> bool {
        match &self.extent {
            // By hand: calling a routine that compares memory takes longer.
            Extent::Shaped(rank, dims) => {
                usize::from(*rank) == shape.len() && dims.iter().zip(shape).all(|(dim, size)| dim == size)
            }
            Extent::Flat => self.len == len,
            Extent::Unfit(_) => false,
        }
    }
}
