//! Random numbers of a search: by seed, trial and place.

use downhill_graph::random::threefry;

/// Separates these words from every other use of the same seed.
const SEARCH: u32 = 5 << 28;

/// A stream of numbers.
pub(super) struct Draws {
    key: [u32; 2],
    counter: [u32; 2],
}

impl Draws {
    pub(super) fn new(seed: u64, trial: u64, axis: usize) -> Draws {
        let key = threefry([seed as u32, (seed >> 32) as u32], [trial as u32, (trial >> 32) as u32]);
        Draws { key, counter: [0, SEARCH | axis as u32 & 0xfff_ffff] }
    }

    /// From 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        let [a, b] = threefry(self.key, self.counter);
        self.counter[0] += 1;
        let bits = u64::from(a) << 21 | u64::from(b) >> 11;
        bits as f64 * (-53.0_f64).exp2()
    }

    /// Of a normal distribution with mean 0 and deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)
    }

    /// Below `count`, which is at least 1.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }
}
