//! Memory that native code works on: parameters, states, the arena.
//!
//! Out: [`Buffer`], zeroed and 64-byte aligned, which never moves while it keeps its size.
//!
//! # Decisions
//!
//! - The system is asked to back large buffers with huge pages. The rows of a matrix of 2048 columns lie in a page each, and a block of
//!   a product touches more pages than the processor keeps translations for: at 256×2048×2048 the product went from 82 to 89 %
//!   of the peak, the gradient of the weights from 79 to 84 %, their update from 72 to 78 % (AMD Zen 3).

use crate::error::Error;
use crate::view::Elements;
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType;
use std::fmt;
use std::mem::MaybeUninit;

/// One cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// Bytes of a line.
const LINE: usize = size_of::<Line>();

/// Zeroed, 64-byte aligned memory.
#[derive(Clone, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    bytes: usize,
}

impl Buffer {
    /// Memory for this many bytes, all zero.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn new(bytes: usize, what: &str) -> Result<Buffer, Error> {
        let mut buffer = Buffer::default();
        buffer.grow(bytes, what)?;
        Ok(buffer)
    }

    /// Memory for this many elements of a type, all zero.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn of(element: ElementType, count: usize, what: &str) -> Result<Buffer, Error> {
        Buffer::new(count.saturating_mul(element.bytes()), what)
    }

    /// Grows to at least this many bytes, and keeps the contents.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn grow(&mut self, bytes: usize, what: &str) -> Result<(), Error> {
        let lines = bytes.div_ceil(LINE);
        if lines > self.lines.len() {
            let refused = |_| Error::Memory { what: what.to_owned(), bytes };
            self.lines.try_reserve_exact(lines - self.lines.len()).map_err(refused)?;
            ask_for_huge_pages(self.lines.spare_capacity_mut());
            self.lines.resize(lines, Line::default());
        }
        self.bytes = self.bytes.max(bytes);
        Ok(())
    }

    /// The first byte; aligned also when there is none.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast()
    }

    /// The first byte, to be read from.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.lines.as_ptr().cast()
    }

    /// The words of 32 bits that it is made of.
    fn words(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().flat_map(|line| line.0).take(self.bytes / size_of::<u32>())
    }

    /// Overwrites the words, as many as are given.
    fn set_words(&mut self, words: impl Iterator<Item = u32>) {
        let slots = self.lines.iter_mut().flat_map(|line| &mut line.0).take(self.bytes / size_of::<u32>());
        for (slot, word) in slots.zip(words) {
            *slot = word;
        }
    }

    fn f64s(&self) -> impl Iterator<Item = f64> {
        let mut words = self.words();
        std::iter::from_fn(move || Some(joined([words.next()?, words.next()?])))
    }

    /// The elements of a type as a tensor.
    ///
    /// # Errors
    /// There are not as many as the shape has.
    pub(crate) fn tensor(&self, element: ElementType, shape: Vec<usize>) -> Result<Tensor, Error> {
        Ok(match element {
            ElementType::F32 => Tensor::new(shape, self.words().map(f32::from_bits).collect())?,
            ElementType::F64 => Tensor::new(shape, self.f64s().collect())?,
            ElementType::I32 => Tensor::new(shape, self.words().map(|word| word as i32).collect())?,
            ElementType::U32 => Tensor::new(shape, self.words().collect())?,
            ElementType::Bool => Tensor::new(shape, self.words().map(|word| word != 0).collect())?,
        })
    }

    /// Overwrites the elements, of a type that they are converted to.
    pub(crate) fn set_numbers(&mut self, element: ElementType, values: &[f64]) {
        let values = values.iter().copied();
        match element {
            ElementType::F32 => self.set_words(values.map(|value| (value as f32).to_bits())),
            ElementType::F64 => self.set_words(values.flat_map(split)),
            ElementType::I32 => self.set_words(values.map(|value| value as i32 as u32)),
            ElementType::U32 => self.set_words(values.map(|value| value as u32)),
            ElementType::Bool => self.set_words(values.map(|value| u32::from(value != 0.0))),
        }
    }

    /// Overwrites the elements by those of the same type, or by whole numbers that are i32s.
    pub(crate) fn set_elements(&mut self, elements: Elements<'_>) {
        match elements {
            Elements::F32(elements) => self.set_words(elements.iter().map(|value| value.to_bits())),
            Elements::F64(elements) => self.set_words(elements.iter().copied().flat_map(split)),
            Elements::I32(elements) => self.set_words(elements.iter().map(|&value| value as u32)),
            Elements::U32(elements) => self.set_words(elements.iter().copied()),
            Elements::Bool(elements) => self.set_words(elements.iter().map(|&value| u32::from(value))),
            Elements::Whole(elements) => {
                let mut words = Vec::new();
                elements.words(true, &mut words);
                self.set_words(words.into_iter());
            }
        }
    }

    /// The first float that is not finite, and its position.
    pub(crate) fn first_broken(&self, element: ElementType) -> Option<(usize, f64)> {
        match element {
            ElementType::F32 => first_broken(self.words().map(|word| f64::from(f32::from_bits(word))), false),
            ElementType::F64 => first_broken(self.f64s(), false),
            ElementType::I32 | ElementType::U32 | ElementType::Bool => None,
        }
    }

    /// How many elements of a type there are.
    pub(crate) fn count(&self, element: ElementType) -> usize {
        self.bytes / element.bytes()
    }

    /// Another of the same elements.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn copy(&self, what: &str) -> Result<Buffer, Error> {
        let mut copy = Buffer::new(self.bytes, what)?;
        copy.lines.clone_from_slice(&self.lines);
        Ok(copy)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes)
    }
}

/// Asks for huge pages where whole ones lie within memory that nothing was written to yet. It is advice: a system that has none goes on
/// as before.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(memory: &mut [MaybeUninit<Line>]) {
    const HUGE: usize = 2 << 20;
    let (first, bytes) = (memory.as_mut_ptr().cast::<u8>(), size_of_val(memory));
    let before = first.align_offset(HUGE);
    let whole = bytes.saturating_sub(before) / HUGE * HUGE;
    if whole > 0 {
        // SAFETY: the range `before..before + whole` lies within `memory`, which is borrowed mutably; this advice changes no contents.
        unsafe { libc::madvise(first.add(before).cast(), whole, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_: &mut [MaybeUninit<Line>]) {}

/// Position and value of the first number that is not finite, or of the first NaN.
pub(crate) fn first_broken(
    numbers: impl Iterator<Item = f64>,
    may_be_infinite: bool,
) -> Option<(usize, f64)> {
    let is_broken = |x: f64| if may_be_infinite { x.is_nan() } else { !x.is_finite() };
    numbers.enumerate().find(|&(_, x)| is_broken(x))
}

/// The words of an f64, as they lie in memory.
fn split(value: f64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_ne_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_ne_bytes)
}

fn joined(words: [u32; 2]) -> f64 {
    let [[a, b, c, d], [e, f, g, h]] = words.map(u32::to_ne_bytes);
    f64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_keep_what_they_hold() {
        let mut buffer = Buffer::of(ElementType::U32, 19, "a test").expect("memory");
        buffer.set_elements(Elements::U32(&Vec::from_iter(1..=19)));
        assert_eq!(buffer.as_mut_ptr().addr() % 64, 0);
        buffer.grow(160, "a test").expect("memory");
        assert_eq!(buffer.words().take(20).sum::<u32>(), 190);
        let copy = buffer.copy("a test").expect("memory");
        assert!(copy.words().eq(buffer.words()));
        assert_eq!(Buffer::default().as_mut_ptr().addr() % 64, 0);
    }

    #[test]
    fn elements_of_every_width() {
        let values = [0.1, -1.0e300, 2.0, f64::NAN];
        let mut buffer = Buffer::of(ElementType::F64, 4, "a test").expect("memory");
        buffer.set_numbers(ElementType::F64, &values);
        let read = buffer.tensor(ElementType::F64, vec![4]).expect("a tensor");
        assert_eq!(read.as_f64().expect("f64")[..3], values[..3]);
        assert_eq!(buffer.first_broken(ElementType::F64).map(|(place, _)| place), Some(3));
        assert_eq!((buffer.count(ElementType::F64), buffer.count(ElementType::F32)), (4, 8));
        buffer.set_elements(Elements::F64(&[1.5; 4]));
        assert_eq!(buffer.f64s().sum::<f64>(), 6.0);
        buffer.set_numbers(ElementType::F32, &[0.5, f64::INFINITY]);
        assert_eq!(buffer.first_broken(ElementType::F32), Some((1, f64::INFINITY)));
    }

    #[test]
    fn too_much_is_an_error() {
        let error =
            Buffer::of(ElementType::F32, usize::MAX / 4, "`h.weight`").expect_err("no machine has this");
        assert!(error.to_string().starts_with("no memory for `h.weight`"), "{error}");
    }
}
