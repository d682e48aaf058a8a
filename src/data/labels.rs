//! Labels: texts as numbers, numbers as rows.
//!
//! In: texts, tensors of labels. Out: tensors.

use crate::data::schema::{no_category, quoted};
use crate::mistake::{misuse, reserved};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A row of zeros with a 1 at the class, for each label.
///
/// # Shapes
/// `[n]`, i32 → `[n, classes]`, f32.
///
/// # Errors
/// Labels that are no i32s in one axis; a label that is no class.
pub fn one_hot(labels: &Tensor, classes: usize) -> Result<Tensor, Error> {
    if labels.shape().len() != 1 {
        let shape = labels.shape();
        return Err(misuse(
            format!("labels of shape {shape:?}"),
            "labels have one axis: an i32 for each row",
        ));
    }
    let indices = labels.as_i32()?;
    let size = indices.len().saturating_mul(classes);
    let mut rows: Vec<f32> = reserved(size, || format!("{} rows of {classes} classes", indices.len()))?;

    rows.resize(size, 0.0);
    for (position, &label) in indices.iter().enumerate() {
        match usize::try_from(label).ok().filter(|&class| class < classes) {
            Some(class) => rows[position * classes + class] = 1.0,
            None => {
                let (value, classes) = (i64::from(label), i64::try_from(classes).unwrap_or(i64::MAX));
                return Err(Error::Class { name: "labels".into(), position, value, classes });
            }
        }
    }

    Ok(Tensor::new([indices.len(), classes], rows)?)
}

/// The names of classes, numbered in the order of their texts. It is saved as text (`to_string`, `parse`).
///
/// # Examples
/// ```
/// use downhill::data::LabelMap;
///
/// let map = LabelMap::of(["dog", "cat", "dog"])?;
/// assert_eq!(map.encode(["cat", "dog"])?.as_i32()?, [0, 1]);
/// assert_eq!(map.decode(&[1, 0])?, ["dog", "cat"]);
/// assert_eq!(map.to_string(), "labels \"cat\" \"dog\"");
/// assert_eq!(map.to_string().parse::<LabelMap>()?, map);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    names: Vec<String>,
    numbers: HashMap<String, i32>,
}

impl LabelMap {
    /// The texts that occur, each once, sorted.
    ///
    /// # Errors
    /// More than an i32 counts.
    pub fn of<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Result<LabelMap, Error> {
        let mut names: Vec<String> = texts.into_iter().map(Into::into).collect();
        names.sort();
        names.dedup();
        LabelMap::numbered(names)
    }

    fn numbered(names: Vec<String>) -> Result<LabelMap, Error> {
        if i32::try_from(names.len()).is_err() {
            return Err(misuse(format!("{} classes", names.len()), "at most 2147483647 can be numbered"));
        }
        let numbers = names.iter().cloned().zip(0..).collect();
        Ok(LabelMap { names, numbers })
    }

    /// The names by their numbers.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of each text.
    ///
    /// # Shapes
    /// n texts → `[n]`, i32.
    ///
    /// # Errors
    /// A text that is no class.
    pub fn encode<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Tensor, Error> {
        let numbers = texts.into_iter().enumerate().map(|(row, text)| {
            let text = text.as_ref();
            self.numbers.get(text).copied().ok_or_else(|| {
                misuse(
                    format!("label {row}: {}", no_category(text, "labels", &self.names)),
                    format!("classes are {:?}", self.names),
                )
            })
        });
        Ok(Tensor::from(numbers.collect::<Result<Vec<i32>, Error>>()?))
    }

    /// The text of each number.
    ///
    /// # Errors
    /// A number that is no class.
    pub fn decode(&self, numbers: &[i32]) -> Result<Vec<&str>, Error> {
        let classes = i64::try_from(self.names.len()).unwrap_or(i64::MAX);
        let name = |(position, &value): (usize, &i32)| {
            let found = usize::try_from(value).ok().and_then(|value| self.names.get(value));
            let wrong = || Error::Class { name: "labels".into(), position, value: value.into(), classes };
            found.map(String::as_str).ok_or_else(wrong)
        };
        numbers.iter().enumerate().map(name).collect()
    }
}

impl fmt::Display for LabelMap {
    /// `labels "cat" "dog"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")?;
        self.names.iter().try_for_each(|name| write!(f, " {name:?}"))
    }
}

impl FromStr for LabelMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<LabelMap, Error> {
        let names = text.trim().strip_prefix("labels").and_then(quoted);
        let names = names.ok_or_else(|| {
            misuse(format!("`{text}` is no map of labels"), "it is `labels \"first\" \"second\"`")
        })?;
        let map = LabelMap::numbered(names)?;
        match map.numbers.len() == map.names.len() {
            true => Ok(map),
            false => Err(misuse("a map of labels names one class twice", "name each once")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_rows() {
        let rows = one_hot(&Tensor::from([1_i32, 0]), 3).expect("rows");
        assert_eq!(rows, Tensor::from([[0.0_f32, 1.0, 0.0], [1.0, 0.0, 0.0]]));
        let error = one_hot(&Tensor::from([1_i32, 3]), 3).expect_err("no class");
        assert_eq!(error.to_string(), "`labels` holds class 3 at position 1, but classes are 0 to 2");
        let error = one_hot(&Tensor::from([0_i32, 0]), usize::MAX / 4).expect_err("no memory");
        assert!(matches!(error, Error::Memory { .. }), "{error}");
    }

    #[test]
    fn unknown_labels_are_told() {
        let map = LabelMap::of(["black", "white"]).expect("a map");
        let error = map.encode(["white", "blak"]).expect_err("unknown").to_string();
        assert!(
            error.starts_with("label 1: `blak` is no category of `labels`; did you mean `black`?"),
            "{error}"
        );
        assert!(map.decode(&[2]).is_err() && map.decode(&[-1]).is_err());
        assert!("labels \"a\" \"a\"".parse::<LabelMap>().is_err() && "label".parse::<LabelMap>().is_err());
    }
}
