//! Random orders.
//!
//! In: items, a seed. Out: the items in an order that depends on the seed and on how many there are, on every machine alike.

use downhill_graph::random::threefry_of;

/// Puts `items` into an order that depends on the seed and on how many there are: Fisher and Yates' shuffle, every order equally
/// likely.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut words =
        Words { key: [seed as u32, (seed >> 32) as u32], low: [0; BLOCK], high: [0; BLOCK], next: 0 };
    for last in (1..items.len()).rev() {
        // Row numbers are u32s, so that a range fits.
        items.swap(last, words.below(last as u32 + 1) as usize);
    }
}

/// Counters of Threefry at a time, so that the compiler vectorizes it.
const BLOCK: usize = 32;

/// A stream of random words.
struct Words {
    key: [u32; 2],
    /// Of each counter of a block two words: the first comes first.
    low: [u32; BLOCK],
    high: [u32; BLOCK],
    next: u64,
}

/// Separates the random words of an order of rows from every other use of the same seed.
const ORDERS: u32 = 2 << 30;

impl Words {
    #[inline]
    fn word(&mut self) -> u32 {
        let (index, is_first) = (self.next / 2, self.next.is_multiple_of(2));
        let position = (index % BLOCK as u64) as usize;
        if position == 0 && is_first {
            self.refill(index);
        }
        self.next += 1;
        if is_first { self.low[position] } else { self.high[position] }
    }

    /// The words of the block that begins with this counter.
    fn refill(&mut self, first: u64) {
        let counters = std::array::from_fn(|offset| first + offset as u64);
        let words =
            [counters.map(|counter| counter as u32), counters.map(|counter| ORDERS | (counter >> 32) as u32)];
        [self.low, self.high] = threefry_of(self.key, words);
    }

    /// A number below `range`, each equally likely (Lemire: Fast Random Integer Generation in an Interval, 2019).
    #[inline]
    fn below(&mut self, range: u32) -> u32 {
        loop {
            let product = u64::from(self.word()) * u64::from(range);
            if product as u32 >= range || product as u32 >= range.wrapping_neg() % range {
                return (product >> 32) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_row_once() {
        let mut rows: Vec<u32> = (0..1000).collect();
        shuffle(&mut rows, 7);
        let mut again: Vec<u32> = (0..1000).collect();
        shuffle(&mut again, 7);
        assert_eq!(rows, again);
        shuffle(&mut again, 8);
        assert_ne!(rows, again);
        rows.sort_unstable();
        assert!(rows.iter().copied().eq(0..1000));
    }

    #[test]
    fn a_seed_means_the_same_order_forever() {
        let mut rows: Vec<u32> = (0..200).collect();
        shuffle(&mut rows, 0x1234_5678_9abc_def0);
        assert_eq!(rows[..8], FIRST);
    }

    const FIRST: [u32; 8] = [12, 197, 142, 133, 129, 9, 198, 126];

    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items, seed);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&count| (880..1120).contains(&count)), "{counts:?}");
    }
}
