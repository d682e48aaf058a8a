//! A tree-structured Parzen estimator: settings like those of good trials and unlike those of the rest (Bergstra, Bardenet, Bengio, Kégl:
//! Algorithms for Hyper-Parameter Optimization; NIPS 2011).

use super::axis::Axis;
use super::draws::Draws;
use super::trial::Setting;

/// Trials that are drawn at random before there is anything to learn from.
pub(super) const STARTUP: usize = 10;
/// The share of trials that count as good.
const GOOD: f64 = 0.15;
/// Candidates of which the likeliest to be good is taken.
const CANDIDATES: usize = 24;

/// A setting for an axis, from the places of the trials so far, the best first.
pub(super) fn suggest(axis: &Axis, places: &[f64], draws: &mut Draws) -> Setting {
    let good = ((places.len() as f64 * GOOD).ceil() as usize).clamp(1, places.len());
    let (good, rest) = places.split_at(good);
    let (good, rest) = (Mixture::new(good), Mixture::new(rest));
    let gain = |place: f64| good.density(place, axis) / rest.density(place, axis);
    let mut best = (f64::NEG_INFINITY, 0.5);
    for _ in 0..CANDIDATES {
        let place = good.draw(draws);
        let gain = gain(place);
        if gain > best.0 {
            best = (gain, place);
        }
    }
    axis.at(best.1)
}

/// Normal curves around places, and a flat one beside them, all of one weight. A curve is as wide as the way to its farther neighbour.
struct Mixture {
    /// Centres and widths.
    curves: Vec<(f64, f64)>,
}

impl Mixture {
    fn new(centres: &[f64]) -> Mixture {
        let mut centres = centres.to_vec();
        centres.sort_by(f64::total_cmp);
        // Never so narrow that nothing else is tried.
        let least = 1.0 / (centres.len() as f64 + 2.0).min(100.0);
        let curves = centres.iter().enumerate().map(|(at, &centre)| {
            let below = at.checked_sub(1).map_or(0.0, |below| centres[below]);
            let above = centres.get(at + 1).copied().unwrap_or(1.0);
            (centre, (centre - below).max(above - centre).max(least))
        });
        Mixture { curves: curves.collect() }
    }

    fn draw(&self, draws: &mut Draws) -> f64 {
        let part = draws.below(self.curves.len() + 1);
        match self.curves.get(part) {
            Some((centre, width)) => reflected(centre + width * draws.normal()),
            None => draws.unit(),
        }
    }

    /// Of settings that are counted, the places of one setting are one.
    fn density(&self, place: f64, axis: &Axis) -> f64 {
        let place = axis.place(&axis.at(place)).unwrap_or(place);
        let curve = |(centre, width): &(f64, f64)| {
            let distance = (place - centre) / width;
            libm::exp(-0.5 * distance * distance) / (width * libm::sqrt(std::f64::consts::TAU))
        };
        (1.0 + self.curves.iter().map(curve).sum::<f64>()) / (self.curves.len() + 1) as f64
    }
}

/// Back into 0 to 1, as from a mirror at each end.
fn reflected(place: f64) -> f64 {
    let turned = place.rem_euclid(2.0);
    if turned > 1.0 { 2.0 - turned } else { turned }
}
