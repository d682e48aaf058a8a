//! Random orders.
//!
//! In: items, a seed. Out: the items in an order that depends on the seed and on how many there are, on every machine alike.
//!
//! Decisions: in cache, what a swap costs is its random number. Those of SplitMix64 take a fifth of the time of Threefry's: 3.1 ns a row
//! instead of 6.1 up to 100,000 rows (one Zen 3 core, `cargo bench --bench shuffled`). Dealing rows into buckets that fit the cache, and then
//! shuffling each, was tried and is no faster below four million rows: swaps that are known ahead miss the cache side by side.

use crate::pack::prefetch;
use downhill_graph::random::threefry_from;

/// Puts `items` into an order that depends on the seed and on how many there are: Fisher and Yates' shuffle, every order equally
/// likely.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    match items.len() <= FEW {
        true => swaps(items, &mut Words::of(seed)),
        false => swaps(items, &mut Mixed::of(seed)),
    }
}

/// So many items are shuffled by words of Threefry.
const FEW: usize = 1 << 12;

fn swaps<T>(items: &mut [T], words: &mut impl Random) {
    let (mut left, mut others) = (items.len(), [0; SWAPS]);
    while left > 1 {
        // What is swapped is known before it is, so that misses of the cache overlap.
        let count = SWAPS.min(left - 1);
        for (back, other) in others[..count].iter_mut().enumerate() {
            // Row numbers are u32s, so that a range fits.
            *other = words.below((left - back) as u32) as usize;
            prefetch(&raw const items[*other]);
        }
        for (back, &other) in others[..count].iter().enumerate() {
            items.swap(left - back - 1, other);
        }
        left -= count;
    }
}

/// How many swaps are looked up ahead.
const SWAPS: usize = 64;

/// Random words.
trait Random {
    fn word(&mut self) -> u32;

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

/// Counters of Threefry at a time, so that the compiler vectorizes it.
const BLOCK: usize = 32;

/// A stream of random words: those of Threefry.
struct Words {
    key: [u32; 2],
    block: [[u32; 2]; BLOCK],
    next: u64,
}

/// Separates the random words of an order of rows from every other use of the same seed.
const ORDERS: u32 = 2 << 30;

impl Words {
    fn of(seed: u64) -> Words {
        Words { key: [seed as u32, (seed >> 32) as u32], block: [[0; 2]; BLOCK], next: 0 }
    }
}

impl Random for Words {
    #[inline]
    fn word(&mut self) -> u32 {
        let (index, half) = (self.next / 2, (self.next % 2) as usize);
        let position = (index % BLOCK as u64) as usize;
        if position == 0 && half == 0 {
            self.block = threefry_from(self.key, index, ORDERS);
        }
        self.next += 1;
        self.block[position][half]
    }
}

/// A stream of random words: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), from a state that
/// Threefry makes of the seed.
struct Mixed {
    state: u64,
    /// The upper half of the last number, if it was not used.
    upper: Option<u32>,
}

impl Mixed {
    fn of(seed: u64) -> Mixed {
        let mut words = Words::of(seed);
        Mixed { state: u64::from(words.word()) | u64::from(words.word()) << 32, upper: None }
    }
}

impl Random for Mixed {
    #[inline]
    fn word(&mut self) -> u32 {
        if let Some(upper) = self.upper.take() {
            return upper;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        self.upper = Some((mixed >> 32) as u32);
        mixed as u32
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
    fn an_order_is_that_of_one_swap_after_another() {
        for count in [0, 1, 2, 64, 65, 66, 1000] {
            let mut swapped: Vec<u32> = (0..count).collect();
            let mut words = Words::of(7);
            for last in (1..swapped.len()).rev() {
                swapped.swap(last, words.below(last as u32 + 1) as usize);
            }
            let mut rows: Vec<u32> = (0..count).collect();
            shuffle(&mut rows, 7);
            assert_eq!(rows, swapped, "{count}");
        }
    }

    #[test]
    fn a_seed_means_the_same_order_forever() {
        for (count, first) in [(200, FIRST), (FEW as u32 + 1, FIRST_OF_MANY)] {
            let mut rows: Vec<u32> = (0..count).collect();
            shuffle(&mut rows, 0x1234_5678_9abc_def0);
            assert_eq!(rows[..8], first, "{count}");
        }
    }

    const FIRST_OF_MANY: [u32; 8] = [2366, 306, 1304, 4040, 4094, 3731, 4096, 3515];
    const FIRST: [u32; 8] = [12, 197, 142, 133, 129, 9, 198, 126];

    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let (mut few, mut many) = ([0, 1, 2], [3, 4, 5]);
            shuffle(&mut few, seed);
            swaps(&mut many, &mut Mixed::of(seed));
            *counts.entry(few).or_insert(0) += 1;
            *counts.entry(many).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 12);
        assert!(counts.values().all(|&count| (880..1120).contains(&count)), "{counts:?}");
    }
}
