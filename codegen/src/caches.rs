//! The caches of a processor, as far as schedules ask for them. In: sizes and ways, read by whoever knows the machine. Out: [`Caches`].
//!
//! Must hold: what is chosen by caches changes no bit of a result.

/// Bytes of a line.
pub(crate) const LINE: u64 = 64;

/// A cache of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cache {
    /// How much it holds.
    pub bytes: u64,
    /// How many lines of one set it holds.
    pub ways: u64,
}

/// The two caches that a core has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caches {
    /// The nearest, for data.
    pub first: Cache,
    /// The next.
    pub second: Cache,
}

impl Default for Caches {
    /// What processors have at least: 32 KiB of 8 ways, and 256 KiB of 8 ways.
    fn default() -> Caches {
        Caches { first: Cache { bytes: 32 << 10, ways: 8 }, second: Cache { bytes: 256 << 10, ways: 8 } }
    }
}

impl Cache {
    /// How many lines it holds at once that lie `stride` bytes apart. A stride that is a large power of two hits few sets.
    pub(crate) fn lines_apart(self, stride: u64) -> u64 {
        let ways = self.ways.max(1);
        let period = (self.bytes / ways).max(LINE);
        let sets = period / common_divisor(stride.max(1), period).max(LINE);
        sets.max(1) * ways
    }
}

fn common_divisor(mut x: u64, mut y: u64) -> u64 {
    while y != 0 {
        (x, y) = (y, x % y);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_of_a_large_power_of_two_fights_for_few_sets() {
        let first = Caches::default().first;
        assert_eq!(first.lines_apart(64), 512, "all of it");
        assert_eq!(first.lines_apart(4096), 8, "one set");
        assert_eq!(first.lines_apart(8192), 8);
        assert_eq!(first.lines_apart(2048), 16);
        assert_eq!(first.lines_apart(784 * 4), 512, "an odd number of lines");
        assert_eq!(first.lines_apart(4000), 512);
        assert_eq!(Cache { bytes: 48 << 10, ways: 12 }.lines_apart(4096), 12);
    }
}
