//! Options: numbers that are written as f64 and become f32 constants.
//!
//! In: an option's name and its number as written. Out: nothing, or a refusal that says the name, the number, and the f32 it becomes.
//!
//! Must hold: what is accepted is in range as the f32 that it becomes. A number other than 0 that becomes 0 as an f32 is
//! refused too: it is surely a mistake.

use crate::error::Error;

/// What an option may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// Neither infinite nor NaN.
    Finite,
    /// Finite, 0 or more.
    FromZero,
    /// Finite, more than 0.
    AboveZero,
    /// From 0 to below 1.
    ZeroToOne,
    /// From 0 to 1.
    Share,
}

impl Allowed {
    fn holds(self, number: f32) -> bool {
        match self {
            Allowed::Finite => number.is_finite(),
            Allowed::FromZero => number.is_finite() && number >= 0.0,
            Allowed::AboveZero => number.is_finite() && number > 0.0,
            Allowed::ZeroToOne => (0.0..1.0).contains(&number),
            Allowed::Share => (0.0..=1.0).contains(&number),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Allowed::Finite => "it must be finite",
            Allowed::FromZero => "it must be finite and at least 0",
            Allowed::AboveZero => "it must be finite and above 0",
            Allowed::ZeroToOne => "it must be at least 0 and below 1",
            Allowed::Share => "it must be from 0 to 1",
        }
    }
}

/// Refuses an option that is not what it may be: `what` as in "a learning rate".
pub fn check(what: &str, number: f64, allowed: Allowed) -> Result<(), Error> {
    let held = number as f32;
    let vanishes = number != 0.0 && held == 0.0;
    match allowed.holds(held) {
        true if vanishes => Err(refused(what, number).help("write 0 if that is meant")),
        true => Ok(()),
        false => Err(refused(what, number).help(allowed.words())),
    }
}

/// "a learning rate of 1e39, which is inf in f32".
pub fn refused(what: &str, number: f64) -> Error {
    let held = number as f32;
    let [written, kept] = [
        if is_plain(number) { format!("{number}") } else { format!("{number:e}") },
        if is_plain(f64::from(held)) { format!("{held}") } else { format!("{held:e}") },
    ];
    // Ordinary rounding is not worth telling. Rounding to 1 is: some options must be below 1.
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
        let says = |number, allowed| check("a share", number, allowed).map_err(|error| error.message);
        assert_eq!(says(0.1, Allowed::ZeroToOne), Ok(()));
        assert_eq!(says(0.0, Allowed::FromZero), Ok(()));
        assert_eq!(says(1.0, Allowed::Share), Ok(()));
        assert_eq!(says(1.1, Allowed::Share), Err("a share of 1.1".into()));
        assert_eq!(says(1e39, Allowed::Finite), Err("a share of 1e39, which is inf in f32".into()));
        assert_eq!(says(1e-50, Allowed::FromZero), Err("a share of 1e-50, which is 0 in f32".into()));
        assert_eq!(says(0.99999999999, Allowed::ZeroToOne), {
            Err("a share of 0.99999999999, which is 1 in f32".into())
        });
        assert_eq!(says(-0.1, Allowed::FromZero), Err("a share of -0.1".into()));
        assert_eq!(says(0.0, Allowed::AboveZero), Err("a share of 0".into()));
        assert_eq!(says(f64::NAN, Allowed::Finite), Err("a share of NaN".into()));
        assert_eq!(says(f64::INFINITY, Allowed::Finite), Err("a share of inf".into()));
    }
}
