//! The normal distribution between two bounds, by the inverse of its distribution function.
//!
//! In: bounds, and a number in 0..1. Out: the number that has this share of the distribution below it.

use std::f64::consts::FRAC_1_SQRT_2;

/// A normal distribution of mean 0 and deviation 1, of which only what lies between two bounds is drawn.
pub(super) struct Truncated {
    bounds: [f64; 2],
    /// Turned round: bounds above the mean have their share in the lower tail, where it keeps its bits.
    is_mirrored: bool,
    /// The share below each bound.
    shares: [f64; 2],
}

impl Truncated {
    /// Between `low` and `high`; `None` where f64 knows no share of it, some 38 deviations from the mean.
    pub(super) fn new(low: f64, high: f64) -> Option<Truncated> {
        let is_mirrored = low > 0.0;
        let bounds = if is_mirrored { [-high, -low] } else { [low, high] };
        let shares = bounds.map(share_below);
        (shares[0] < shares[1]).then_some(Truncated { bounds, is_mirrored, shares })
    }

    /// The number with the share `uniform`, in 0..1, of the distribution between the bounds below it.
    pub(super) fn at(&self, uniform: f64) -> f64 {
        let [low, high] = self.shares;
        let found = quantile(low + (high - low) * uniform).clamp(self.bounds[0], self.bounds[1]);
        if self.is_mirrored { -found } else { found }
    }
}

/// Φ(x).
fn share_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The x with Φ(x) = p: an approximation within 4.5·10⁻⁴ (Abramowitz and Stegun: Handbook of Mathematical Functions, 26.2.23), and two steps
/// of Halley's method, each of which cubes the error.
fn quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }

    let t = (-2.0 * libm::log(p)).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut x = above / below - t;
    for _ in 0..2 {
        let density = libm::exp(-0.5 * x * x) / std::f64::consts::TAU.sqrt();
        let step = (share_below(x) - p) / density;
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_the_inverse_of_the_share() {
        for x in [-37.0, -20.0, -6.0, -2.0, -0.5, -1e-3, 0.0, 0.3, 1.0, 4.0] {
            let found = quantile(share_below(x));
            assert!((found - x).abs() < 1e-10 * x.abs().max(1.0), "{found} for {x}");
        }
    }

    #[test]
    fn a_tail_on_either_side_is_drawn_within_its_bounds() {
        for (low, high) in [(5.0, 6.0), (-6.0, -5.0), (30.0, 31.0), (-2.0, 2.0)] {
            let drawn = Truncated::new(low, high).expect("a share");
            let numbers: Vec<f64> = (0..1000).map(|n| drawn.at(f64::from(n) / 1000.0)).collect();
            assert!(numbers.iter().all(|x| (low..=high).contains(x)), "{low} {high}");
            assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{low} {high}");
        }
        assert!(Truncated::new(40.0, 41.0).is_none());
    }
}
