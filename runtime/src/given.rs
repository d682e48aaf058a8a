//! A caller's data as a pointer, with its type, length and shape.
//!
//! In: a [`View`]. Out: [`Given`].

use crate::view::{Elements, Extent, View};
use crate::whole::{Whole, Width};
use downhill_graph::types::ElementType;
use std::slice::from_raw_parts;

/// Something handed in, valid for the call it was handed to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) base: *const u8,
    pub(crate) element: ElementType,
    /// Of whole numbers of a width that networks do not have.
    pub(crate) width: Option<Width>,
    pub(crate) len: usize,
    pub(crate) extent: Extent,
    /// Elements behind `base`: `len` of them, or, for a column of a data set, those of all its rows.
    pub(crate) whole: usize,
}

impl Given {
    pub(crate) fn new(view: &View<'_>) -> Given {
        let elements = &view.elements;
        let len = elements.len();
        let width = if let Elements::Whole(whole) = elements { Some(whole.width()) } else { None };
        let (base, element) = (elements.base(), elements.element());
        Given { base, element, width, len, extent: view.extent, whole: len }
    }

    /// The elements behind it.
    ///
    /// # Safety
    /// What was given is still borrowed, and has not been converted.
    pub(crate) unsafe fn elements<'a>(&self) -> Elements<'a> {
        let (base, len) = (self.base, self.whole);
        // SAFETY: a borrow of this many elements of this type was taken apart into base and length.
        unsafe {
            match (self.width, self.element) {
                (Some(Width::U8), _) => Elements::Whole(Whole::U8(from_raw_parts(base, len))),
                (Some(Width::U16), _) => Elements::Whole(Whole::U16(from_raw_parts(base.cast(), len))),
                (Some(Width::U64), _) => Elements::Whole(Whole::U64(from_raw_parts(base.cast(), len))),
                (Some(Width::I64), _) => Elements::Whole(Whole::I64(from_raw_parts(base.cast(), len))),
                (Some(Width::Usize), _) => Elements::Whole(Whole::Usize(from_raw_parts(base.cast(), len))),
                (None, ElementType::F32) => Elements::F32(from_raw_parts(base.cast(), len)),
                (None, ElementType::F64) => Elements::F64(from_raw_parts(base.cast(), len)),
                (None, ElementType::I32) => Elements::I32(from_raw_parts(base.cast(), len)),
                (None, ElementType::U32) => Elements::U32(from_raw_parts(base.cast(), len)),
                (None, ElementType::Bool) => Elements::Bool(from_raw_parts(base.cast(), len)),
            }
        }
    }

    /// Whether native code reads a slot of this type where it lies.
    pub(crate) fn is_native(&self, element: ElementType) -> bool {
        self.element == element && self.width.is_none() && element != ElementType::Bool
    }

    /// How many elements a row has, where it has rows.
    pub(crate) fn row_len(&self) -> Option<usize> {
        match self.extent {
            Extent::Shaped(rank @ 1.., dims) => Some(dims[1..usize::from(rank)].iter().product()),
            Extent::Shaped(0, _) | Extent::Flat | Extent::Unfit(_) => None,
        }
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
