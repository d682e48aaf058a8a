//! Hashing, for finding equal nodes and kernels. In: values. Out: 64 bits, the same in every run, and maps and sets that use them.
//!
//! The hash costs one multiplication for each word. It does not resist attacks: keys come from a program's own source, so nobody chooses
//! them to collide.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map whose keys come from a program's source.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Words>>;

/// A set of what comes from a program's source.
pub type Set<T> = HashSet<T, BuildHasherDefault<Words>>;

/// The hash of a value.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = Words::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The hasher: it mixes words by rotating and multiplying.
#[derive(Clone, Debug, Default)]
pub struct Words(u64);

impl Words {
    fn add(&mut self, word: u64) {
        // The bits of the golden ratio's fraction: an odd number without a pattern.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for Words {
    fn finish(&self) -> u64 {
        // The upper bits of a product depend on all of its factors' bits, the lower ones do not.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.add(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_i64(&mut self, word: i64) {
        self.add(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word as u64);
    }
}
