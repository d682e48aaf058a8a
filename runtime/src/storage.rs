//! Memory that native code works on: parameters, states, the arena.
//!
//! Out: [`Buffer`], zeroed and 64-byte aligned, which never moves while it keeps its size.

use crate::error::Error;

/// One cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// Zeroed, 64-byte aligned memory for 4-byte elements.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    elements: usize,
}

impl Buffer {
    /// Room for this many 4-byte elements.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn new(elements: usize, what: &str) -> Result<Buffer, Error> {
        let mut buffer = Buffer::default();
        buffer.grow(elements, what)?;
        buffer.elements = elements;
        Ok(buffer)
    }

    /// Makes room for at least this many 4-byte elements; what was there is kept.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn grow(&mut self, elements: usize, what: &str) -> Result<(), Error> {
        let lines = elements.div_ceil(16);
        if lines > self.lines.len() {
            let refused = |_| Error::Memory { what: what.to_owned(), bytes: elements.saturating_mul(4) };
            self.lines.try_reserve_exact(lines - self.lines.len()).map_err(refused)?;
            self.lines.resize(lines, Line::default());
        }
        self.elements = self.elements.max(elements);
        Ok(())
    }

    /// The first byte; aligned also when there is none.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast()
    }

    /// The elements' bits.
    pub(crate) fn bits(&self) -> impl Iterator<Item = u32> {
        self.lines.iter().flat_map(|line| line.0).take(self.elements)
    }

    /// Another of the same elements.
    ///
    /// # Errors
    /// No memory; `what` says for what.
    pub(crate) fn copy(&self, what: &str) -> Result<Buffer, Error> {
        let mut copy = Buffer::new(self.elements, what)?;
        copy.lines.clone_from_slice(&self.lines);
        Ok(copy)
    }

    /// Overwrites the elements' bits, as many as are given.
    pub(crate) fn set_bits(&mut self, bits: impl Iterator<Item = u32>) {
        let slots = self.lines.iter_mut().flat_map(|line| &mut line.0).take(self.elements);
        for (slot, value) in slots.zip(bits) {
            *slot = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_keep_what_they_hold() {
        let mut buffer = Buffer::new(19, "a test").expect("memory");
        buffer.set_bits(1..=19);
        assert_eq!(buffer.as_mut_ptr().addr() % 64, 0);
        buffer.grow(40, "a test").expect("memory");
        assert_eq!(buffer.bits().take(20).sum::<u32>(), 190);
        let copy = buffer.copy("a test").expect("memory");
        assert!(copy.bits().eq(buffer.bits()));
        assert_eq!(Buffer::default().as_mut_ptr().addr() % 64, 0);
    }

    #[test]
    fn too_much_is_an_error() {
        let error = Buffer::new(usize::MAX / 4, "`h.weight`").expect_err("no machine has this");
        assert!(error.to_string().starts_with("no memory for `h.weight`"), "{error}");
    }
}
