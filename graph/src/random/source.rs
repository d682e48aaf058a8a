//! The numbers of one storage: uniform and Gaussian ones by their index.

use super::threefry::{STORAGES, Words, threefry, threefry_of, words};

/// Uniform numbers made together.
pub(super) const AT_ONCE: usize = 64;

/// The numbers of one storage.
pub(super) struct Source {
    key: Words,
}

impl Source {
    pub(super) fn new(seed: u64, name: &str) -> Source {
        // FNV-1a: any hash that never changes.
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Source { key: threefry(threefry(words(seed), [0, STORAGES]), words(hash)) }
    }

    /// Uniform in 0..1 with 53 bits: those of this index and of the ones after it.
    pub(super) fn uniforms<const N: usize>(&self, first: u64) -> [f64; N] {
        let indices: [Words; N] = std::array::from_fn(|n| words(first.wrapping_add(n as u64)));
        let [low, high] =
            threefry_of(self.key, [indices.map(|index| index[0]), indices.map(|index| index[1])]);
        std::array::from_fn(|n| {
            let bits = u64::from(high[n]) << 32 | u64::from(low[n]);
            (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
        })
    }

    /// Gaussian of mean 0 and deviation 1, by Box and Muller.
    pub(super) fn normal(&self, index: u64) -> f64 {
        // 1 − u is in (0, 1]: its logarithm is finite.
        let [radius, angle] = self.uniforms(2 * index);
        (-2.0 * libm::log(1.0 - radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
    }
}
