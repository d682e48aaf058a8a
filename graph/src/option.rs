//! Options: numbers that are written as f64 and become f32 constants.
//!
//! In: what an option is called, and the number as it was written. Out: a refusal that names both, and what the number becomes.
//!
//! Must hold: what is accepted is in range as the f32 that it becomes. A number other than 0 that becomes 0 is refused too: it was
//! not meant to.

use crate::error::Error;

/// What an option must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Must {
    /// Neither infinite nor NaN.
    BeFinite,
    /// Finite, 0 or more.
    BeAtLeastZero,
    /// Finite, more than 0.
    BeAboveZero,
    /// From 0 to below 1.
    BeBelowOne,
}

impl Must {
    fn holds(self, number: f32) -> bool {
        match self {
            Must::BeFinite => number.is_finite(),
            Must::BeAtLeastZero => number.is_finite() && number >= 0.0,
            Must::BeAboveZero => number.is_finite() && number > 0.0,
            Must::BeBelowOne => (0.0..1.0).contains(&number),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Must::BeFinite => "it must be finite",
            Must::BeAtLeastZero => "it must be finite and at least 0",
            Must::BeAboveZero => "it must be finite and above 0",
            Must::BeBelowOne => "it must be at least 0 and below 1",
        }
    }
}

/// Refuses an option that is not what it must be: `what` as in "a learning rate".
pub(crate) fn check(what: &str, number: f64, must: Must) -> Result<(), Error> {
    let held = number as f32;
    if must.holds(held) && (number == 0.0 || held != 0.0) {
        return Ok(());
    }
    Err(refused(what, number).help(must.words()))
}

/// "a learning rate of 1e39, which is inf in f32".
pub(crate) fn refused(what: &str, number: f64) -> Error {
    let held = number as f32;
    let [written, kept] = [
        if is_plain(number) { format!("{number}") } else { format!("{number:e}") },
        if is_plain(f64::from(held)) { format!("{held}") } else { format!("{held:e}") },
    ];
    // Of most numbers f32 lacks only last places; just below 1 those are what counts.
    let is_near = (f64::from(held) - number).abs() < 1e-6 * number.abs() && held != 1.0;
    Error::new(if written == kept || is_near {
        format!("{what} of {written}")
    } else {
        format!("{what} of {written}, which is {kept} in f32")
    })
}

/// Whether a person writes a number without an exponent: `0.1`, but `1e39`.
fn is_plain(number: f64) -> bool {
    number == 0.0 || !number.is_finite() || (1e-5..1e16).contains(&number.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_as_the_f32_they_become() {
        let says = |number, must| check("a share", number, must).map_err(|error| error.message);
        assert_eq!(says(0.1, Must::BeBelowOne), Ok(()));
        assert_eq!(says(0.0, Must::BeAtLeastZero), Ok(()));
        assert_eq!(says(1e39, Must::BeFinite), Err("a share of 1e39, which is inf in f32".into()));
        assert_eq!(says(1e-50, Must::BeAtLeastZero), Err("a share of 1e-50, which is 0 in f32".into()));
        assert_eq!(says(0.99999999999, Must::BeBelowOne), {
            Err("a share of 0.99999999999, which is 1 in f32".into())
        });
        assert_eq!(says(-0.1, Must::BeAtLeastZero), Err("a share of -0.1".into()));
        assert_eq!(says(0.0, Must::BeAboveZero), Err("a share of 0".into()));
        assert_eq!(says(f64::NAN, Must::BeFinite), Err("a share of NaN".into()));
        assert_eq!(says(f64::INFINITY, Must::BeFinite), Err("a share of inf".into()));
    }
}
