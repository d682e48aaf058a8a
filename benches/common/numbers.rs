//! Numbers that Rust and Python compute alike, to the bit: splitmix64. The formulas stand in `benches/peers/README.md`.
//!
//! In: a seed. Out: integers, f32s in [−1, 1), a permutation.

/// A stream of splitmix64.
pub(crate) struct Stream(u64);

impl Stream {
    /// The stream that starts at this seed.
    pub(crate) fn new(seed: u64) -> Stream {
        Stream(seed)
    }

    /// The next output.
    pub(crate) fn integer(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [−1, 1), without rounding.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.integer() >> 40) as f32 / 8_388_608.0 - 1.0
    }

    /// Below `classes`.
    pub(crate) fn class(&mut self, classes: usize) -> i32 {
        ((self.integer() >> 40) % classes as u64) as i32
    }
}

/// This many [`Stream::unit`]s of a stream, each times `scale`.
pub(crate) fn units(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut stream = Stream::new(seed);
    (0..count).map(|_| stream.unit() * scale).collect()
}

/// The numbers below `count` in the order of Fisher and Yates, from the last place down.
pub(crate) fn permutation(seed: u64, count: u32) -> Vec<u32> {
    let mut stream = Stream::new(seed);
    let mut order: Vec<u32> = (0..count).collect();
    for place in (1..count as usize).rev() {
        let other = (stream.integer() % (place as u64 + 1)) as usize;
        order.swap(place, other);
    }
    order
}
