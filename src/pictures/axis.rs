//! An axis: a range, linear or logarithmic, and its marks.

use super::ticks::{self, Tick};
use crate::mistake::misuse;
use downhill_runtime::error::Error;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// From the number at the near end to the one at the far end, which may be the lesser.
///
/// Points are given as [`Axis::place`] says: a logarithmic axis is a linear one of logarithms.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    near: f64,
    far: f64,
    log: bool,
    ticks: Vec<Tick>,
    faint: Vec<f64>,
    pub(super) title: String,
}

const TICKS: usize = 6;
/// How much of its range an axis goes on for beyond its numbers.
const BEYOND: f64 = 0.04;

impl Axis {
    /// Around all of these that have a place on it.
    ///
    /// # Errors
    /// None that has; numbers too far apart for floats.
    pub(super) fn around(
        numbers: impl IntoIterator<Item = f64>,
        log: bool,
        title: &str,
    ) -> Result<Axis, Error> {
        let places = numbers.into_iter().filter_map(|number| place(number, log));
        let (low, high) =
            places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
        if low > high {
            let kind = if log { "positive and finite" } else { "finite" };
            return Err(misuse(
                format!("no number for the axis `{title}` is {kind}"),
                "give numbers to be drawn",
            ));
        }
        let beyond = if high > low { (high - low) * BEYOND } else { (low.abs() * 0.1).max(0.1) };
        Axis::between(low - beyond, high + beyond, log, title)
    }

    /// Between two places, the lesser first.
    ///
    /// # Errors
    /// Places too far apart for floats.
    pub(super) fn between(low: f64, high: f64, log: bool, title: &str) -> Result<Axis, Error> {
        if !(high - low).is_finite() {
            return Err(misuse(
                format!("the axis `{title}` would go from {low:e} to {high:e}"),
                "give smaller numbers",
            ));
        }
        let (ticks, faint) = if log {
            (ticks::decades(low, high, TICKS), ticks::within_decades(low, high))
        } else {
            (ticks::linear(low, high, TICKS), Vec::new())
        };
        Ok(Axis { near: low, far: high, log, ticks, faint, title: title.into() })
    }

    /// Positions 0, 1, … with names, or without where a name is empty; the first is near.
    pub(super) fn named(names: Vec<String>, title: &str) -> Axis {
        let far = names.len() as f64 - 0.5;
        let named = names.into_iter().enumerate().filter(|(_, name)| !name.is_empty());
        let ticks = named.map(|(at, label)| Tick { at: at as f64, label }).collect();
        Axis { near: -0.5, far, log: false, ticks, faint: Vec::new(), title: title.into() }
    }

    /// The other way round.
    pub(super) fn reversed(self) -> Axis {
        Axis { near: self.far, far: self.near, ..self }
    }

    /// Where a number stands; `None` for what has no place here.
    pub(super) fn place(&self, number: f64) -> Option<f64> {
        place(number, self.log)
    }

    /// The share of the way from the near end to the far one.
    pub(super) fn share(&self, place: f64) -> f64 {
        (place - self.near) / (self.far - self.near)
    }

    pub(super) fn ends(&self) -> (f64, f64) {
        (self.near, self.far)
    }

    pub(super) fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    pub(super) fn without_ticks(self) -> Axis {
        Axis { ticks: Vec::new(), ..self }
    }
}

fn place(number: f64, log: bool) -> Option<f64> {
    let place = if log { number.log10() } else { number };
    Some(place).filter(|place| place.is_finite())
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (start, end): (i32, i32)) -> i32 {
        let share = self.share(*place).clamp(-1.0, 2.0);
        start + (share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return self.faint.clone();
        }
        self.ticks.iter().map(|tick| tick.at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.near..self.far
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.ticks.iter().find(|tick| tick.at == *place).map_or_else(String::new, |tick| tick.label.clone())
    }
}
