//! What a caller hands in: borrowed numbers with a shape.
//!
//! In: tensors, slices, `Vec`s, arrays, `ndarray` views. Out: [`View`], through [`Data`]; several at once through [`Feed`].
//!
//! A slice or a `Vec` of numbers is *flat*: it has a length and no shape, and is taken as the rows of what it is given
//! to. `&[0.1, 0.2, 0.3, 0.4]` for an input `x: [batch, 2]` is two rows.
//!
//! What a network has no type for is converted where it is taken: f64 to f32, and whole numbers of any width to i32 or u32. So
//! `&[0.1, 0.2]` needs no suffix, and labels may be bytes or indices.

pub use crate::whole::Whole;
use downhill_graph::tensor::{Data as Owned, Tensor};
use downhill_graph::types::ElementType;
use std::ops::Range;

/// The most axes a tensor can have when it is handed in.
pub const MAX_RANK: usize = 8;

/// Borrowed numbers.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// f32.
    F32(&'a [f32]),
    /// f64.
    F64(&'a [f64]),
    /// i32.
    I32(&'a [i32]),
    /// u32.
    U32(&'a [u32]),
    /// bool.
    Bool(&'a [bool]),
    /// Whole numbers of another width.
    Whole(Whole<'a>),
}

impl<'a> Elements<'a> {
    /// Those at these positions, if there are as many.
    fn part(self, positions: Range<usize>) -> Option<Elements<'a>> {
        Some(match self {
            Elements::F32(elements) => Elements::F32(elements.get(positions)?),
            Elements::F64(elements) => Elements::F64(elements.get(positions)?),
            Elements::I32(elements) => Elements::I32(elements.get(positions)?),
            Elements::U32(elements) => Elements::U32(elements.get(positions)?),
            Elements::Bool(elements) => Elements::Bool(elements.get(positions)?),
            Elements::Whole(elements) => Elements::Whole(elements.part(positions)?),
        })
    }
}

impl Elements<'_> {
    /// Position and value of the first float that is infinite or NaN.
    pub(crate) fn first_broken(&self) -> Option<(usize, f64)> {
        match self {
            Elements::F32(elements) => {
                let position = elements.iter().position(|x| !x.is_finite())?;
                Some((position, elements[position].into()))
            }
            Elements::F64(elements) => {
                let position = elements.iter().position(|x| !x.is_finite())?;
                Some((position, elements[position]))
            }
            Elements::I32(_) | Elements::U32(_) | Elements::Bool(_) | Elements::Whole(_) => None,
        }
    }

    /// Their type; of whole numbers of another width the one that they become.
    pub fn element(&self) -> ElementType {
        match self {
            Elements::F32(_) => ElementType::F32,
            Elements::F64(_) => ElementType::F64,
            Elements::I32(_) | Elements::Whole(_) => ElementType::I32,
            Elements::U32(_) => ElementType::U32,
            Elements::Bool(_) => ElementType::Bool,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Elements::F32(elements) => elements.len(),
            Elements::F64(elements) => elements.len(),
            Elements::I32(elements) => elements.len(),
            Elements::U32(elements) => elements.len(),
            Elements::Bool(elements) => elements.len(),
            Elements::Whole(elements) => elements.len(),
        }
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn base(&self) -> *const u8 {
        match self {
            Elements::F32(elements) => elements.as_ptr().cast(),
            Elements::F64(elements) => elements.as_ptr().cast(),
            Elements::I32(elements) => elements.as_ptr().cast(),
            Elements::U32(elements) => elements.as_ptr().cast(),
            Elements::Bool(elements) => elements.as_ptr().cast(),
            Elements::Whole(elements) => elements.base(),
        }
    }
}

/// How the numbers of a [`View`] are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Rows, however many they make.
    Flat,
    /// Row-major, of this many axes; the sizes beyond are 0.
    Shaped(u8, [usize; MAX_RANK]),
    /// Not row-major, or of too many axes: what is the matter.
    Unfit(&'static str),
}

/// Borrowed numbers with a shape, row-major.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(crate) elements: Elements<'a>,
    pub(crate) extent: Extent,
}

impl<'a> View<'a> {
    /// Numbers whose shape follows from what they are given to.
    #[inline]
    pub fn flat(elements: Elements<'a>) -> View<'a> {
        View { elements, extent: Extent::Flat }
    }

    /// Numbers of this shape, row-major. A shape of another size, or of more than [`MAX_RANK`] axes, makes a view that
    /// is refused wherever it is handed in.
    #[inline]
    pub fn shaped(elements: Elements<'a>, shape: &[usize]) -> View<'a> {
        let size = shape.iter().try_fold(1usize, |size, &dim| size.checked_mul(dim));
        let extent = if shape.len() > MAX_RANK {
            Extent::Unfit("it has more than 8 axes")
        } else if size != Some(elements.len()) {
            Extent::Unfit("its length is not the product of its shape")
        } else {
            // By hand: calling a routine that copies memory takes longer.
            let dims = std::array::from_fn(|axis| shape.get(axis).copied().unwrap_or(0));
            Extent::Shaped(shape.len() as u8, dims)
        };
        View { elements, extent }
    }
}

impl<'a> View<'a> {
    /// These rows of it: of numbers with a shape, along their first axis. Other numbers, and rows that there are not, stay as they are.
    pub(crate) fn rows(self, rows: Range<usize>) -> View<'a> {
        let Extent::Shaped(rank, mut dims) = self.extent else { return self };
        let row: usize = dims.iter().take(rank.into()).skip(1).product();
        let Some(elements) = self.elements.part(rows.start * row..rows.end * row) else { return self };
        dims[0] = rows.len();
        View { elements, extent: Extent::Shaped(rank, dims) }
    }
}

/// Numbers that can be handed in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no numbers that a network can be given",
    label = "not numbers that a network can be given",
    note = "give a `Tensor`, or a slice, an array or a `Vec` of numbers or `bool`s, or of rows `[f32; N]`",
    note = "`Vec`s of `Vec`s do not lie row after row: make a tensor of all elements one after another"
)]
pub trait Data {
    /// A look at them; nothing is copied.
    fn view(&self) -> View<'_>;
}

impl Data for View<'_> {
    fn view(&self) -> View<'_> {
        *self
    }
}

impl Data for Tensor {
    #[inline]
    fn view(&self) -> View<'_> {
        let elements = match self.data() {
            Owned::F32(elements) => Elements::F32(elements),
            Owned::F64(elements) => Elements::F64(elements),
            Owned::I32(elements) => Elements::I32(elements),
            Owned::U32(elements) => Elements::U32(elements),
            Owned::Bool(elements) => Elements::Bool(elements),
        };
        View::shaped(elements, self.shape())
    }
}

macro_rules! data_of {
    ($($type:ty => $elements:expr),* $(,)?) => {$(
        impl Data for $type {
            fn view(&self) -> View<'_> {
                View::shaped(($elements)(std::slice::from_ref(self)), &[])
            }
        }
        impl Data for [$type] {
            fn view(&self) -> View<'_> {
                View::flat(($elements)(self))
            }
        }
        impl Data for Vec<$type> {
            fn view(&self) -> View<'_> {
                View::flat(($elements)(self))
            }
        }
        impl<const N: usize> Data for [$type; N] {
            fn view(&self) -> View<'_> {
                View::flat(($elements)(self))
            }
        }
        impl<const N: usize> Data for [[$type; N]] {
            fn view(&self) -> View<'_> {
                View::shaped(($elements)(self.as_flattened()), &[self.len(), N])
            }
        }
        impl<const N: usize> Data for Vec<[$type; N]> {
            fn view(&self) -> View<'_> {
                self.as_slice().view()
            }
        }
        impl<const N: usize, const M: usize> Data for [[$type; N]; M] {
            fn view(&self) -> View<'_> {
                self.as_slice().view()
            }
        }
        #[cfg(feature = "ndarray")]
        impl Number for $type {
            fn elements(slice: &[$type]) -> Elements<'_> {
                ($elements)(slice)
            }
        }
    )*};
}

data_of! {
    f32 => Elements::F32,
    f64 => Elements::F64,
    i32 => Elements::I32,
    u32 => Elements::U32,
    bool => Elements::Bool,
    u8 => |elements| Elements::Whole(Whole::U8(elements)),
    u16 => |elements| Elements::Whole(Whole::U16(elements)),
    u64 => |elements| Elements::Whole(Whole::U64(elements)),
    i64 => |elements| Elements::Whole(Whole::I64(elements)),
    usize => |elements| Elements::Whole(Whole::Usize(elements)),
}

/// An element of an `ndarray` that can be handed in.
#[cfg(feature = "ndarray")]
#[diagnostic::on_unimplemented(
    message = "an `ndarray` of `{Self}` cannot be given to a network",
    label = "not an array of f32, i32, u32 or bool",
    note = "convert its elements: `array.mapv(|x| x as f32)`"
)]
pub trait Number: Sized {
    /// A slice of them.
    fn elements(slice: &[Self]) -> Elements<'_>;
}

#[cfg(feature = "ndarray")]
impl<E: Number, S: ndarray::Data<Elem = E>, D: ndarray::Dimension> Data for ndarray::ArrayBase<S, D> {
    fn view(&self) -> View<'_> {
        match self.as_slice() {
            Some(elements) => View::shaped(E::elements(elements), self.shape()),
            None => View {
                elements: E::elements(&[]),
                extent: Extent::Unfit("its elements are not in row-major order (see `as_standard_layout`)"),
            },
        }
    }
}

/// Several [`Data`] in the order of declaration: `&x`, a tuple `(&x, &t)`, or `()` for none. `'a` is how long they are borrowed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a network is given",
    label = "expected a reference to numbers, or a tuple of such references",
    note = "give a reference, `&x`, to a `Tensor`, or to a slice, an array or a `Vec` of numbers or `bool`s, or of rows `[f32; N]`",
    note = "for several inputs give a tuple of references in the order of the declaration, `(&x, &t)`; for none `()`",
    note = "`Vec`s of `Vec`s do not lie row after row: make a tensor of all elements one after another"
)]
pub trait Feed<'a> {
    /// How many.
    fn count(&self) -> usize;
    /// Visits each, in order.
    fn visit(&self, each: impl FnMut(View<'a>));
}

impl<'a, T: Data + ?Sized> Feed<'a> for &'a T {
    fn count(&self) -> usize {
        1
    }
    #[inline]
    fn visit(&self, mut each: impl FnMut(View<'a>)) {
        each((*self).view());
    }
}

impl<'a> Feed<'a> for () {
    fn count(&self) -> usize {
        0
    }
    fn visit(&self, _: impl FnMut(View<'a>)) {}
}

macro_rules! feed_of {
    ($count:literal: $($name:ident),*) => {
        impl<'a, $($name: Data + ?Sized),*> Feed<'a> for ($(&'a $name,)*) {
            fn count(&self) -> usize {
                $count
            }
            fn visit(&self, mut each: impl FnMut(View<'a>)) {
                #[allow(non_snake_case, reason = "the types' names serve as the bindings'")]
                let ($($name,)*) = *self;
                $(each($name.view());)*
            }
        }
    };
}

feed_of!(1: A);
feed_of!(2: A, B);
feed_of!(3: A, B, C);
feed_of!(4: A, B, C, D);
feed_of!(5: A, B, C, D, E);
feed_of!(6: A, B, C, D, E, F);

/// Where an output is written: a slice, a `Vec` or an array of the output's size and element type, or a tensor of its shape. A mask is
/// written as u32, 0 for false.
#[diagnostic::on_unimplemented(
    message = "an output cannot be written to `{Self}`",
    label = "no place for an output",
    note = "give a slice, an array or a `Vec` of f32, i32 or u32 that has the output's size, or a `Tensor` of its shape"
)]
pub trait DataMut {
    /// A look at it.
    fn view_mut(&mut self) -> ViewMut<'_>;

    /// The sizes of its axes, if it has any of its own: they must be the output's. What has a length alone takes any shape of
    /// that length.
    fn sizes(&self) -> Option<&[usize]> {
        None
    }
}

/// Several [`DataMut`] in the order of declaration: `&mut p`, or a tuple `(&mut p, &mut v)`.
pub trait FeedMut {
    /// How many.
    fn count(&self) -> usize;
    /// Looks at all of them at once: the sizes of their axes, and their numbers.
    fn with<R>(self, body: impl FnOnce(&[Option<&[usize]>], &mut [ViewMut<'_>]) -> R) -> R;
}

impl<T: DataMut + ?Sized> FeedMut for &mut T {
    fn count(&self) -> usize {
        1
    }
    fn with<R>(self, body: impl FnOnce(&[Option<&[usize]>], &mut [ViewMut<'_>]) -> R) -> R {
        (self,).with(body)
    }
}

macro_rules! feed_mut_of {
    ($count:literal: $($name:ident),*) => {
        impl<$($name: DataMut + ?Sized),*> FeedMut for ($(&mut $name,)*) {
            fn count(&self) -> usize {
                $count
            }
            fn with<R>(self, body: impl FnOnce(&[Option<&[usize]>], &mut [ViewMut<'_>]) -> R) -> R {
                #[allow(non_snake_case, reason = "the types' names serve as the bindings'")]
                let ($($name,)*) = self;
                // The sizes of a tensor are borrowed from it, as its numbers are: they are copied first.
                let sizes = [$(Sizes::of($name.sizes())),*];
                body(&sizes.each_ref().map(Sizes::get), &mut [$($name.view_mut()),*])
            }
        }
    };
}

feed_mut_of!(1: A);
feed_mut_of!(2: A, B);
feed_mut_of!(3: A, B, C);
feed_mut_of!(4: A, B, C, D);
feed_mut_of!(5: A, B, C, D, E);
feed_mut_of!(6: A, B, C, D, E, F);

/// Sizes of axes, kept without allocating; nothing where there are none of its own, or too many for any output.
struct Sizes(Option<(usize, [usize; MAX_RANK])>);

impl Sizes {
    fn of(sizes: Option<&[usize]>) -> Sizes {
        Sizes(sizes.filter(|sizes| sizes.len() <= MAX_RANK).map(|sizes| {
            let mut kept = [0; MAX_RANK];
            kept[..sizes.len()].copy_from_slice(sizes);
            (sizes.len(), kept)
        }))
    }

    fn get(&self) -> Option<&[usize]> {
        self.0.as_ref().map(|(rank, sizes)| &sizes[..*rank])
    }
}

/// Numbers to be overwritten.
#[derive(Debug)]
pub enum ViewMut<'a> {
    /// f32.
    F32(&'a mut [f32]),
    /// i32.
    I32(&'a mut [i32]),
    /// u32, or what a mask is written as: 0 for false.
    U32(&'a mut [u32]),
    /// f64, which no output is: refused.
    F64(&'a mut [f64]),
    /// bool, which no output is written as: refused.
    Bool(&'a mut [bool]),
}

impl ViewMut<'_> {
    pub(crate) fn element(&self) -> ElementType {
        match self {
            ViewMut::F32(_) => ElementType::F32,
            ViewMut::I32(_) => ElementType::I32,
            ViewMut::U32(_) => ElementType::U32,
            ViewMut::F64(_) => ElementType::F64,
            ViewMut::Bool(_) => ElementType::Bool,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            ViewMut::F32(elements) => elements.len(),
            ViewMut::I32(elements) => elements.len(),
            ViewMut::U32(elements) => elements.len(),
            ViewMut::F64(elements) => elements.len(),
            ViewMut::Bool(elements) => elements.len(),
        }
    }

    pub(crate) fn base(&mut self) -> *mut u8 {
        match self {
            ViewMut::F32(elements) => elements.as_mut_ptr().cast(),
            ViewMut::I32(elements) => elements.as_mut_ptr().cast(),
            ViewMut::U32(elements) => elements.as_mut_ptr().cast(),
            ViewMut::F64(elements) => elements.as_mut_ptr().cast(),
            ViewMut::Bool(elements) => elements.as_mut_ptr().cast(),
        }
    }
}

impl DataMut for Tensor {
    fn view_mut(&mut self) -> ViewMut<'_> {
        match self.element() {
            ElementType::F32 => ViewMut::F32(self.as_mut_slice().unwrap_or_default()),
            ElementType::F64 => ViewMut::F64(self.as_mut_slice().unwrap_or_default()),
            ElementType::I32 => ViewMut::I32(self.as_mut_slice().unwrap_or_default()),
            ElementType::U32 => ViewMut::U32(self.as_mut_slice().unwrap_or_default()),
            ElementType::Bool => ViewMut::Bool(self.as_mut_slice().unwrap_or_default()),
        }
    }

    fn sizes(&self) -> Option<&[usize]> {
        Some(self.shape())
    }
}

macro_rules! data_mut_of {
    ($($type:ty => $variant:ident),*) => {$(
        impl DataMut for [$type] {
            fn view_mut(&mut self) -> ViewMut<'_> {
                ViewMut::$variant(self)
            }
        }
        impl DataMut for Vec<$type> {
            fn view_mut(&mut self) -> ViewMut<'_> {
                ViewMut::$variant(self)
            }
        }
        impl<const N: usize> DataMut for [$type; N] {
            fn view_mut(&mut self) -> ViewMut<'_> {
                ViewMut::$variant(self)
            }
        }
        impl<const N: usize, const M: usize> DataMut for [[$type; N]; M] {
            fn view_mut(&mut self) -> ViewMut<'_> {
                ViewMut::$variant(self.as_flattened_mut())
            }
        }
    )*};
}

data_mut_of!(f32 => F32, i32 => I32, u32 => U32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_arrays_have_a_shape_and_slices_a_length() {
        let rows = [[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]];
        assert!(matches!(rows.view().extent, Extent::Shaped(2, [3, 2, ..])));
        assert_eq!(rows.as_flattened().view().extent, Extent::Flat);
        assert_eq!(Tensor::from(rows).view().extent, rows.view().extent);
        assert!(matches!(1.0_f32.view().extent, Extent::Shaped(0, _)));
        assert!(matches!(View::shaped(Elements::I32(&[1, 2]), &[3]).extent, Extent::Unfit(_)));
        assert!(matches!(View::shaped(Elements::I32(&[]), &[0; 9]).extent, Extent::Unfit(_)));
    }

    #[test]
    #[cfg(feature = "ndarray")]
    fn ndarray_is_taken_where_it_is_row_major() {
        let array = ndarray::array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        assert!(matches!(Data::view(&array).extent, Extent::Shaped(2, [2, 3, ..])));
        assert!(matches!(Data::view(&array.t()).extent, Extent::Unfit(_)));
        assert_eq!(Data::view(&array.row(1)).elements.len(), 3);
    }
}
