//! A line search with the strong Wolfe conditions.
//!
//! In: a place, a direction that leads down, what the loss is along it. Out: how far to go, where the loss is lower by enough and its slope
//! has flattened by enough; where that is not found, the lowest place that was.
//!
//! How: longer and longer steps until such lengths lie between two, then cubics through both ends, whose lowest points are tried (Nocedal,
//! Wright: algorithms 3.5 and 3.6, equation 3.59). Constants, limits and what counts as progress are those of PyTorch's `LBFGS`, so that
//! both go the same way. A loss that is not finite counts as infinite: it ends a bracket, and a half takes the place of the cubic.

use super::directions::{dot, greatest};
use downhill_runtime::error::Error;

/// The loss and its gradient at a place.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) loss: f64,
    pub(super) gradient: Vec<f64>,
}

impl Point {
    pub(super) fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

/// Along what is searched.
pub(super) struct Search<'a> {
    pub(super) direction: &'a [f64],
    /// The slope at the beginning, below 0.
    pub(super) slope: f64,
    /// Brackets within which no parameter changes by more than this are not divided.
    pub(super) tolerance_change: f64,
}

/// A length that was tried.
#[derive(Clone)]
struct Tried {
    length: f64,
    slope: f64,
    point: Point,
}

/// Of the slope at the beginning, how much the loss must fall by.
const ENOUGH: f64 = 1e-4;
/// Of the slope at the beginning, how much may be left.
const FLAT: f64 = 0.9;
/// The greatest number of lengths behind the first.
const MOST: usize = 25;

/// The loss along a line.
type Along<'a> = dyn FnMut(f64) -> Result<Point, Error> + 'a;

/// What a search for a bracket found.
enum Found {
    /// A length that will do.
    Good(Tried),
    /// Two between which there is one.
    Between([Tried; 2]),
}

impl Search<'_> {
    /// How far to go, what is there, and how many places were looked at. The first length to try is `first`.
    pub(super) fn run(
        &self,
        here: &Point,
        first: f64,
        along: &mut Along<'_>,
    ) -> Result<(f64, Point, usize), Error> {
        let mut made = 0;
        let mut tried = |length: f64| {
            made += 1;
            let mut point = along(length)?;
            if !point.is_finite() {
                point.loss = f64::INFINITY;
            }
            Ok(Tried { length, slope: dot(&point.gradient, self.direction), point })
        };

        let start = Tried { length: 0.0, slope: self.slope, point: here.clone() };
        let (found, trials) = self.bracket(&start, tried(first)?, &mut tried)?;
        let found = match found {
            Found::Good(good) => good,
            Found::Between(ends) => self.within(&start, ends, trials, &mut tried)?,
        };
        // Where nothing lower was found, it stays.
        let found = if found.point.loss <= here.loss { found } else { start };
        Ok((found.length, found.point, made))
    }

    /// Goes further and further; gives how often.
    fn bracket(
        &self,
        start: &Tried,
        mut next: Tried,
        tried: &mut dyn FnMut(f64) -> Result<Tried, Error>,
    ) -> Result<(Found, usize), Error> {
        let mut last = start.clone();
        for trials in 0..MOST {
            let is_higher =
                self.is_too_high(start, &next) || trials > 1 && next.point.loss >= last.point.loss;
            if !is_higher && self.is_flat(&next) {
                return Ok((Found::Good(next), trials));
            }
            if is_higher || next.slope >= 0.0 {
                return Ok((Found::Between([last, next]), trials));
            }
            let limits = [next.length + 0.01 * (next.length - last.length), next.length * 10.0];
            let further = lowest(&last, &next, limits);
            last = std::mem::replace(&mut next, tried(further)?);
        }
        Ok((Found::Between([start.clone(), next]), MOST))
    }

    /// Narrows a bracket until a length in it will do.
    fn within(
        &self,
        start: &Tried,
        mut ends: [Tried; 2],
        trials: usize,
        tried: &mut dyn FnMut(f64) -> Result<Tried, Error>,
    ) -> Result<Tried, Error> {
        let is_lower = |ends: &[Tried; 2]| usize::from(ends[0].point.loss > ends[1].point.loss);
        let (mut low, mut is_slow) = (is_lower(&ends), false);
        for _ in trials..MOST {
            let [least, most] = limits(&ends);
            if (most - least) * greatest(self.direction) < self.tolerance_change {
                break;
            }
            let mut length = lowest(&ends[0], &ends[1], [least, most]);
            (length, is_slow) = away_from_ends(length, [least, most], is_slow);

            let next = tried(length)?;
            if self.is_too_high(start, &next) || next.point.loss >= ends[low].point.loss {
                ends[1 - low] = next;
                low = is_lower(&ends);
                continue;
            }
            if self.is_flat(&next) {
                return Ok(next);
            }
            if next.slope * (ends[1 - low].length - ends[low].length) >= 0.0 {
                ends[1 - low] = ends[low].clone();
            }
            ends[low] = next;
        }
        let [first, second] = ends;
        Ok(if low == 0 { first } else { second })
    }

    fn is_too_high(&self, start: &Tried, next: &Tried) -> bool {
        next.point.loss > start.point.loss + ENOUGH * next.length * self.slope
    }

    fn is_flat(&self, next: &Tried) -> bool {
        next.slope.abs() <= -FLAT * self.slope
    }
}

fn limits(ends: &[Tried; 2]) -> [f64; 2] {
    let [a, b] = [ends[0].length, ends[1].length];
    [a.min(b), a.max(b)]
}

/// A length that is not too near to an end for the second time, and whether it is near to one now.
fn away_from_ends(length: f64, [least, most]: [f64; 2], was_slow: bool) -> (f64, bool) {
    let margin = 0.1 * (most - least);
    if (most - length).min(length - least) >= margin {
        return (length, false);
    }
    if !was_slow && length > least && length < most {
        return (length, true);
    }
    let is_above = (length - most).abs() < (length - least).abs();
    (if is_above { most - margin } else { least + margin }, false)
}

/// Where the cubic through two places with their slopes is lowest, within limits; their middle where there is no such cubic.
fn lowest(a: &Tried, b: &Tried, [least, most]: [f64; 2]) -> f64 {
    let (a, b) = if a.length <= b.length { (a, b) } else { (b, a) };
    let secant = (a.point.loss - b.point.loss) / (a.length - b.length);
    let bend = a.slope + b.slope - 3.0 * secant;
    let root = (bend * bend - a.slope * b.slope).sqrt();
    let share = (b.slope + root - bend) / (b.slope - a.slope + 2.0 * root);
    let length = b.length - (b.length - a.length) * share;
    if length.is_finite() { length.clamp(least, most) } else { (least + most) / 2.0 }
}
