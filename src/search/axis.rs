//! An axis of a search: what a setting may be.
//!
//! Must hold: every axis maps settings to places from 0 to 1 and back, so that methods know no kinds.

use super::trial::Setting;
use std::ops::RangeInclusive;

/// What a setting may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// A whole number, ends included.
    Whole(i64, i64),
    /// A number, as likely anywhere.
    Number(f64, f64),
    /// A number above 0, as likely in every power of ten.
    Log(f64, f64),
    /// One of several words.
    Choice(Vec<String>),
}

/// A whole number, ends included: layers, units.
pub fn whole(range: RangeInclusive<i64>) -> Axis {
    Axis::Whole(*range.start(), *range.end())
}

/// A number that is as likely anywhere: a rate of dropout.
pub fn number(range: RangeInclusive<f64>) -> Axis {
    Axis::Number(*range.start(), *range.end())
}

/// A number above 0 that is as likely in every power of ten: a learning rate, a weight decay.
pub fn log(range: RangeInclusive<f64>) -> Axis {
    Axis::Log(*range.start(), *range.end())
}

/// One of several words: an activation, a loss, an optimizer.
pub fn choice<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Axis {
    Axis::Choice(words.into_iter().map(Into::into).collect())
}

impl Axis {
    /// What is wrong with it, if anything is.
    pub(super) fn mistake(&self) -> Option<String> {
        match self {
            Axis::Whole(low, high) if low > high => Some(format!("goes from {low} to {high}")),
            Axis::Number(low, high) | Axis::Log(low, high)
                if !(low.is_finite() && high.is_finite() && low <= high) =>
            {
                Some(format!("goes from {low} to {high}"))
            }
            Axis::Log(low, _) if *low <= 0.0 => Some(format!("begins at {low}, which has no logarithm")),
            Axis::Choice(words) if words.is_empty() => Some("has no words to choose from".into()),
            _ => None,
        }
    }

    /// How many settings there are, where they can be counted.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Axis::Whole(low, high) => usize::try_from(high.abs_diff(*low)).ok()?.checked_add(1),
            Axis::Choice(words) => Some(words.len()),
            Axis::Number(..) | Axis::Log(..) => None,
        }
    }

    /// The setting at a place from 0 to 1: of what can be counted, each has an equal part.
    pub(super) fn at(&self, place: f64) -> Setting {
        let place = place.clamp(0.0, 1.0);
        let part = |count: usize| ((place * count as f64) as usize).min(count.saturating_sub(1));
        match self {
            Axis::Whole(low, _) => {
                Setting::Whole(low.saturating_add_unsigned(part(self.count().unwrap_or(usize::MAX)) as u64))
            }
            Axis::Number(low, high) => Setting::Number(mix(*low, *high, place)),
            // Without rounding at the ends.
            Axis::Log(low, _) if place == 0.0 => Setting::Number(*low),
            Axis::Log(_, high) if place == 1.0 => Setting::Number(*high),
            Axis::Log(low, high) => {
                let number = libm::exp(mix(libm::log(*low), libm::log(*high), place));
                Setting::Number(number.clamp(*low, *high))
            }
            Axis::Choice(words) => Setting::Choice(words[part(words.len())].clone()),
        }
    }

    /// The place of a setting: the middle of its part where settings are counted. `None` of one that the axis has not.
    pub(super) fn place(&self, setting: &Setting) -> Option<f64> {
        let middle = |position: u64| self.count().map(|count| (position as f64 + 0.5) / count as f64);
        match (self, setting) {
            (Axis::Whole(low, high), Setting::Whole(number)) if (low..=high).contains(&number) => {
                middle(number.abs_diff(*low))
            }
            (Axis::Number(low, high), Setting::Number(number)) if (low..=high).contains(&number) => {
                Some(share(*low, *high, *number))
            }
            (Axis::Log(low, high), Setting::Number(number)) if (low..=high).contains(&number) => {
                Some(share(libm::log(*low), libm::log(*high), libm::log(*number)))
            }
            (Axis::Choice(words), Setting::Choice(word)) => {
                middle(words.iter().position(|known| known == word)? as u64)
            }
            _ => None,
        }
    }
}

fn mix(low: f64, high: f64, place: f64) -> f64 {
    low * (1.0 - place) + high * place
}

fn share(low: f64, high: f64, number: f64) -> f64 {
    if high > low { (number - low) / (high - low) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_settings_are_one_to_one() {
        let axes =
            [whole(-2..=7), number(-1.0..=3.0), log(1e-5..=1.0), choice(["a", "b", "c"]), whole(4..=4)];
        for axis in axes {
            for place in [0.0, 0.13, 0.5, 0.77, 1.0] {
                let setting = axis.at(place);
                let again = axis.at(axis.place(&setting).expect("a place"));
                match (&setting, &again) {
                    (Setting::Number(a), Setting::Number(b)) => {
                        assert!((a - b).abs() <= 1e-12 * a.abs(), "{a} {b}")
                    }
                    _ => assert_eq!(setting, again),
                }
            }
        }
        assert_eq!(
            log(1e-4..=1e-2).at(0.5),
            Setting::Number(libm::exp(libm::log(1e-4) / 2.0 + libm::log(1e-2) / 2.0))
        );
        assert_eq!(whole(0..=9).at(1.0), Setting::Whole(9));
        assert_eq!(whole(i64::MIN..=i64::MAX).at(0.0), Setting::Whole(i64::MIN));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(log(0.0..=1.0).mistake().is_some_and(|what| what.contains("no logarithm")));
        assert!(number(f64::NAN..=1.0).mistake().is_some() && choice::<&str>([]).mistake().is_some());
        #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
        let reversed = whole(3..=1);
        assert_eq!(reversed.mistake(), Some("goes from 3 to 1".into()));
        assert_eq!(log(1e-3..=1.0).mistake(), None);
    }
}
