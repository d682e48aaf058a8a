//! Memory of which a single element too many is seen: pages that must not be touched lie around it.

use region::{Allocation, Protection, alloc, page, protect};

/// A buffer that ends where a guard page begins or begins where one ends. What is left of its pages holds a pattern that must survive.
pub(crate) struct Memory {
    pages: Allocation,
    /// Where the buffer begins, in words behind the first guard page.
    start: usize,
    len: usize,
}

const PATTERN: u32 = 0xdead_beef;

impl Memory {
    pub(crate) fn new(words: &[u32]) -> Memory {
        let page = page::size();
        let inside = (words.len() * 4).max(1).next_multiple_of(page);
        let pages = alloc(inside + 2 * page, Protection::NONE).expect("address space");
        // SAFETY: this part of the allocation is its own pages, which nobody else knows of.
        unsafe { protect(pages.as_ptr::<u8>().add(page), inside, Protection::READ_WRITE) }.expect("memory");
        // By turns, as lengths come: ends at the guard behind it, or begins at the one before it.
        let start = if words.len().is_multiple_of(3) { 0 } else { inside / 4 - words.len() };
        let mut memory = Memory { pages, start, len: words.len() };
        memory.whole_mut().fill(PATTERN);
        memory.whole_mut()[start..start + words.len()].copy_from_slice(words);
        memory
    }

    /// What lies between the guards.
    fn whole(&self) -> &[u32] {
        let page = page::size();
        // SAFETY: these pages were made readable and written when this was made; native code writes through pointers between borrows.
        unsafe {
            std::slice::from_raw_parts(
                self.pages.as_ptr::<u8>().add(page).cast(),
                self.pages.len() / 4 - page / 2,
            )
        }
    }

    fn whole_mut(&mut self) -> &mut [u32] {
        let (page, words) = (page::size(), self.pages.len() / 4 - page::size() / 2);
        // SAFETY: as in `whole`; they begin as zeros.
        unsafe { std::slice::from_raw_parts_mut(self.pages.as_mut_ptr::<u8>().add(page).cast(), words) }
    }

    pub(crate) fn words(&self) -> &[u32] {
        let (whole, end) = (self.whole(), self.start + self.len);
        let around = whole[..self.start].iter().chain(&whole[end..]);
        assert!(around.into_iter().all(|&word| word == PATTERN), "native code wrote beside a buffer");
        &whole[self.start..end]
    }

    pub(crate) fn pointer(&mut self) -> *mut u8 {
        let start = self.start;
        self.whole_mut()[start..].as_mut_ptr().cast()
    }
}
