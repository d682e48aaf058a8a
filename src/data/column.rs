//! A column that grows field by field.
//!
//! In: the fields of a column. Out: its kind and its values.
//!
//! Must hold: a column whose kind is not given has one kind. A text among numbers is a mistake, not a reason to read numbers as texts.

use crate::data::schema::{Kind, no_category};
use crate::data::table::Values;
use std::collections::HashMap;

/// What is known of a column so far.
pub(crate) enum Growing {
    /// So many fields, all of them missing.
    Open(usize),
    /// `true` where the kind was asked for.
    Numbers(Vec<f64>, bool),
    /// Texts are numbered as they come; `true` where the kind was asked for.
    Texts { numbers: HashMap<String, i32>, values: Vec<i32>, asked: bool },
    /// The categories are known beforehand.
    Fixed { texts: Vec<String>, numbers: HashMap<String, i32>, values: Vec<i32> },
}

impl Growing {
    pub(crate) fn numbers() -> Growing {
        Growing::Numbers(Vec::new(), true)
    }

    pub(crate) fn texts() -> Growing {
        Growing::Texts { numbers: HashMap::new(), values: Vec::new(), asked: true }
    }

    pub(crate) fn of(kind: &Kind) -> Growing {
        match kind {
            Kind::Number => Growing::numbers(),
            Kind::Category(texts) => {
                // A schema has at most as many categories as a file has lines.
                let numbers = texts.iter().zip(0..).map(|(text, number)| (text.clone(), number)).collect();
                Growing::Fixed { texts: texts.clone(), numbers, values: Vec::new() }
            }
        }
    }

    /// How many fields it has taken.
    pub(crate) fn len(&self) -> usize {
        match self {
            Growing::Open(missing) => *missing,
            Growing::Numbers(values, _) => values.len(),
            Growing::Texts { values, .. } | Growing::Fixed { values, .. } => values.len(),
        }
    }

    /// Takes a field, `None` where it is missing, or says why not.
    pub(crate) fn push(&mut self, field: Option<&str>, name: &str) -> Result<(), String> {
        if let (Growing::Open(missing), Some(text)) = (&*self, field) {
            *self = match number(text) {
                Some(_) => Growing::Numbers(vec![f64::NAN; *missing], false),
                None => Growing::Texts { numbers: HashMap::new(), values: vec![-1; *missing], asked: false },
            };
        }

        match (self, field) {
            (Growing::Open(missing), _) => *missing += 1,
            (Growing::Numbers(values, _), None) => values.push(f64::NAN),
            (Growing::Texts { values, .. } | Growing::Fixed { values, .. }, None) => values.push(-1),
            (Growing::Numbers(values, asked), Some(text)) => values.push(checked(text, name, *asked)?),
            (Growing::Texts { numbers, values, asked }, Some(text)) => {
                if !*asked && number(text).is_some() {
                    return Err(mixed(name, &format!("texts, but here the number `{text}`")));
                }
                let next = numbers.len() as i32;
                values.push(match numbers.get(text) {
                    Some(&known) => known,
                    None => *numbers.entry(text.to_owned()).or_insert(next),
                });
            }
            (Growing::Fixed { texts, numbers, values }, Some(text)) => {
                values.push(*numbers.get(text).ok_or_else(|| no_category(text, name, texts))?);
            }
        }
        Ok(())
    }

    /// Takes a number of a file whose columns have types; NaN is missing. `text` is what a column of texts takes.
    #[cfg(feature = "parquet")]
    pub(crate) fn push_number(
        &mut self,
        value: f64,
        text: impl FnOnce() -> String,
        name: &str,
    ) -> Result<(), String> {
        match self {
            _ if value.is_nan() => self.push(None, name),
            Growing::Numbers(values, _) => {
                values.push(held(value, name)?);
                Ok(())
            }
            Growing::Open(_) | Growing::Texts { .. } | Growing::Fixed { .. } => {
                self.push(Some(&text()), name)
            }
        }
    }

    /// The column. Categories are in the order of their texts.
    pub(crate) fn finish(self) -> (Kind, Values) {
        match self {
            Growing::Open(missing) => (Kind::Number, Values::Numbers(vec![f64::NAN; missing])),
            Growing::Numbers(values, _) => (Kind::Number, Values::Numbers(values)),
            Growing::Fixed { texts, values, .. } => (Kind::Category(texts), Values::Categories(values)),
            Growing::Texts { numbers, mut values, .. } => {
                let mut found: Vec<(String, i32)> = numbers.into_iter().collect();
                found.sort();
                let mut sorted = vec![0; found.len()];
                for ((_, number), place) in found.iter().zip(0..) {
                    sorted[*number as usize] = place;
                }
                for value in values.iter_mut().filter(|value| **value >= 0) {
                    *value = sorted[*value as usize];
                }
                let texts = found.into_iter().map(|(text, _)| text).collect();
                (Kind::Category(texts), Values::Categories(values))
            }
        }
    }
}

/// A number as Rust writes them, with blanks around it.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn checked(text: &str, name: &str, asked: bool) -> Result<f64, String> {
    let Some(value) = number(text) else {
        return Err(match asked {
            true => format!("column `{name}` takes numbers, but here is `{text}`"),
            false => mixed(name, &format!("numbers, but here `{text}`")),
        });
    };
    held(value, name)
}

/// A number that networks can take.
fn held(value: f64, name: &str) -> Result<f64, String> {
    if value.is_finite() && (value as f32).is_infinite() {
        return Err(format!("`{value:e}` in column `{name}` is beyond what an f32 holds"));
    }
    Ok(value)
}

fn mixed(name: &str, what: &str) -> String {
    format!(
        "column `{name}` holds {what}; mend the file, or say `.categories([{name:?}])` or `.missing([…])`"
    )
}
