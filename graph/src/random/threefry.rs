//! Random bits: Threefry, the same on every machine.
//!
//! In: seed, step, stream and element. Out: bits, which depend on nothing else: no state, no order of drawing, no threads.

/// A key, or a counter: low word first.
pub type Words = [u32; 2];

/// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers, as Easy as 1, 2, 3; SC 2011).
pub fn threefry(key: Words, counter: Words) -> Words {
    threefry_of(key, counter.map(|word| [word])).map(|[word]| word)
}

/// The same for several counters: low words, then high words. Compilers make vectors of it, since every rotation is a constant.
pub fn threefry_of<const N: usize>(key: Words, counters: [[u32; N]; 2]) -> [[u32; N]; 2] {
    let schedule = [key[0], key[1], 0x1BD1_1BDA ^ key[0] ^ key[1]];
    let add = |words: [u32; N], word: u32| words.map(|x| x.wrapping_add(word));

    let mut x = [add(counters[0], schedule[0]), add(counters[1], schedule[1])];
    for group in 0..5 {
        if group % 2 == 0 {
            rounds::<N, 13, 15, 26, 6>(&mut x);
        } else {
            rounds::<N, 17, 29, 16, 24>(&mut x);
        }
        let next = schedule[(group + 2) % 3].wrapping_add(group as u32 + 1);
        x = [add(x[0], schedule[(group + 1) % 3]), add(x[1], next)];
    }

    x
}

/// Four rounds with these rotations.
fn rounds<const N: usize, const A: u32, const B: u32, const C: u32, const D: u32>(x: &mut [[u32; N]; 2]) {
    let [low, high] = x;
    for (low, high) in low.iter_mut().zip(high) {
        let mut mix = |rotation: u32| {
            *low = low.wrapping_add(*high);
            *high = high.rotate_left(rotation) ^ *low;
        };
        [A, B, C, D].into_iter().for_each(&mut mix);
    }
}

/// Constants that keep the keys of streams and those of storages apart.
const STREAMS: u32 = 0;
pub(super) const STORAGES: u32 = 1;

/// The key of all steps of `stream`.
pub fn stream_seed(seed: u64, stream: u32) -> Words {
    threefry(words(seed), [stream, STREAMS])
}

/// The key of all elements of `stream` in `step`: computed once a step, it leaves one [`threefry`] an element.
pub fn stream_key(seed: u64, step: u64, stream: u32) -> Words {
    threefry(stream_seed(seed, stream), words(step))
}

/// The bits of element `element` of `stream` in `step`: the first word of the element's [`threefry`] under [`stream_key`].
pub fn random_bits(seed: u64, step: u64, stream: u32, element: u64) -> u32 {
    threefry(stream_key(seed, step, stream), words(element))[0]
}

/// Low word first.
pub(super) fn words(number: u64) -> Words {
    [number as u32, (number >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random123's own known answers for threefry2x32, 20 rounds.
    #[test]
    fn threefry_answers_as_published() {
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        assert_eq!(
            threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]),
            [0xc492_3a9c, 0x483d_f7a0]
        );
    }

    /// These bits are part of what a seed means: they never change.
    #[test]
    fn a_seed_means_the_same_forever() {
        assert_eq!([0, 1, 1 << 40].map(|element| random_bits(1, 2, 3, element)), GOLDEN_BITS);
    }

    const GOLDEN_BITS: [u32; 3] = [3_287_600_783, 3_728_976_779, 1_792_213_098];
}
