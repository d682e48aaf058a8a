//! A trial: a setting on each axis.

use crate::mistake::misuse;
use downhill_runtime::error::Error;
use std::fmt;

/// A setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// Of an axis of whole numbers.
    Whole(i64),
    /// Of an axis of numbers.
    Number(f64),
    /// Of an axis of words.
    Choice(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Whole(number) => write!(f, "{number}"),
            // As precise as it is: a table is read back.
            Setting::Number(number) => write!(f, "{number:?}"),
            Setting::Choice(word) => f.write_str(word),
        }
    }
}

/// What to train with.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its number, from 0; a seed of its own, where one is wanted.
    pub number: u64,
    /// By the name of the axis, in the order of axes.
    pub settings: Vec<(String, Setting)>,
}

impl Trial {
    /// The setting of an axis.
    ///
    /// # Errors
    /// There is no such axis.
    pub fn setting(&self, axis: &str) -> Result<&Setting, Error> {
        let found = self.settings.iter().find(|(name, _)| name == axis).map(|(_, setting)| setting);
        found.ok_or_else(|| Error::Unknown {
            kind: "axis",
            name: axis.into(),
            known: self.settings.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// A whole number that is no less than 0: of layers, of units.
    ///
    /// # Errors
    /// There is no such axis, or it has other settings.
    pub fn whole(&self, axis: &str) -> Result<usize, Error> {
        match self.setting(axis)? {
            Setting::Whole(number) if *number >= 0 => Ok(usize::try_from(*number).unwrap_or(usize::MAX)),
            other => Err(other_kind(axis, other, "a whole number from 0 on")),
        }
    }

    /// A number; a whole one too.
    ///
    /// # Errors
    /// There is no such axis, or it has words.
    pub fn number(&self, axis: &str) -> Result<f64, Error> {
        match self.setting(axis)? {
            Setting::Whole(number) => Ok(*number as f64),
            Setting::Number(number) => Ok(*number),
            other @ Setting::Choice(_) => Err(other_kind(axis, other, "a number")),
        }
    }

    /// A word.
    ///
    /// # Errors
    /// There is no such axis, or it has numbers.
    pub fn choice(&self, axis: &str) -> Result<&str, Error> {
        match self.setting(axis)? {
            Setting::Choice(word) => Ok(word),
            other => Err(other_kind(axis, other, "a word")),
        }
    }
}

fn other_kind(axis: &str, found: &Setting, wanted: &str) -> Error {
    misuse(
        format!("axis `{axis}` is set to {found}, which is not {wanted}"),
        "ask `whole`, `number` or `choice`, as the axis was declared",
    )
}
