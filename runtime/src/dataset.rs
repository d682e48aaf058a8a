//! Data to train on: named columns of equally many rows.
//!
//! In: tensors. Out: [`Dataset`]; orders of its rows.

use crate::error::Error;
use crate::prepare;
use crate::view::{Data, View};
use downhill_graph::tensor::{Data as Elements, Element, Tensor};

/// Named tensors whose first axes, the rows, are equally long.
///
/// # Examples
/// ```
/// use downhill_graph::tensor::Tensor;
/// use downhill_runtime::dataset::Dataset;
///
/// let x = Tensor::from([[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let y = Tensor::from([[0.0_f32], [1.0], [1.0], [0.0]]);
/// let xor = Dataset::new([("x", x), ("y", y)])?;
/// assert_eq!(xor.rows(), 4);
/// assert_eq!(xor.column("y")?.shape(), [4, 1]);
/// # Ok::<(), downhill_runtime::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    columns: Vec<(String, Tensor)>,
    rows: usize,
}

impl Dataset {
    /// Columns by the names of the inputs and targets they are for.
    ///
    /// # Errors
    /// No columns, a name given twice, a tensor without axes, columns of unequally many rows, or more rows than a u32 counts.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Tensor)>) -> Result<Dataset, Error> {
        let columns: Vec<(String, Tensor)> =
            columns.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
        let Some((first, rows)) =
            columns.first().map(|(name, tensor)| (name, tensor.shape().first().copied()))
        else {
            return Err(Error::usage("a data set has no columns", "give at least one: `[(\"x\", x)]`"));
        };
        let rows = rows.unwrap_or(0);
        for (position, (name, tensor)) in columns.iter().enumerate() {
            if columns[..position].iter().any(|(known, _)| known == name) {
                return Err(Error::Duplicate { kind: "column", name: name.clone() });
            }
            match tensor.shape().first() {
                None => {
                    return Err(Error::usage(
                        format!("column `{name}` has no rows: it is a single number"),
                        "give a tensor whose first axis counts the rows",
                    ));
                }
                Some(&found) if found != rows => {
                    return Err(Error::Disagreement {
                        symbol: "rows".into(),
                        first: (first.clone(), saturated(rows)),
                        second: (name.clone(), saturated(found)),
                    });
                }
                Some(_) => {}
            }
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::usage(
                format!("a data set of {rows} rows"),
                "at most 4294967295 rows can be numbered",
            ));
        }
        Ok(Dataset { columns, rows })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many steps an epoch of this batch makes, the last of which may be smaller.
    pub fn steps(&self, batch: usize) -> usize {
        self.rows.div_ceil(batch.max(1))
    }

    /// The columns in order.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.columns.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The column of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn column(&self, name: &str) -> Result<&Tensor, Error> {
        let found = self.columns().find(|(known, _)| *known == name).map(|(_, tensor)| tensor);
        found.ok_or_else(|| Error::unknown("column", name, self.columns().map(|(name, _)| name)))
    }

    /// The rows of these numbers, in this order; a number may come several times.
    ///
    /// # Errors
    /// A number that is no row's.
    pub fn select(&self, rows: &[u32]) -> Result<Dataset, Error> {
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= self.rows) {
            return Err(Error::usage(
                format!("there is no row {row}"),
                format!("there are {} rows", self.rows),
            ));
        }
        let columns = self.columns.iter().map(|(name, tensor)| Ok((name.clone(), select(tensor, rows)?)));
        Ok(Dataset { columns: columns.collect::<Result<_, Error>>()?, rows: rows.len() })
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = (&str, View<'_>)> {
        self.columns().map(|(name, tensor)| (name, tensor.view()))
    }
}

fn saturated(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn select(tensor: &Tensor, rows: &[u32]) -> Result<Tensor, Error> {
    match tensor.data() {
        Elements::F32(elements) => gather(tensor, elements, rows),
        Elements::F64(elements) => gather(tensor, elements, rows),
        Elements::I32(elements) => gather(tensor, elements, rows),
        Elements::U32(elements) => gather(tensor, elements, rows),
        Elements::Bool(elements) => gather(tensor, elements, rows),
    }
}

fn gather<E: Element>(tensor: &Tensor, elements: &[E], rows: &[u32]) -> Result<Tensor, Error> {
    let size = prepare::elements(&tensor.shape()[1..]);
    let picked = rows.iter().flat_map(|&row| &elements[row as usize * size..][..size]).copied().collect();
    let shape = [&[rows.len()], &tensor.shape()[1..]].concat();
    Ok(Tensor::new(shape, picked)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Tensor {
        Tensor::from((0..count).map(|i| i as f32).collect::<Vec<_>>())
    }

    fn message(columns: impl IntoIterator<Item = (&'static str, Tensor)>) -> String {
        Dataset::new(columns).expect_err("a mistake").to_string()
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(message([]), "a data set has no columns\n   = help: give at least one: `[(\"x\", x)]`");
        assert_eq!(message([("x", numbers(3)), ("x", numbers(3))]), "column `x` is given twice");
        assert_eq!(message([("x", numbers(3)), ("y", numbers(4))]), "`rows` is 3 in `x` but 4 in `y`");
        assert!(message([("x", Tensor::from(1.0_f32))]).starts_with("column `x` has no rows"));
    }

    #[test]
    fn rows_are_selected_in_order() {
        let data = Dataset::new([("x", Tensor::from([[1_i32, 2], [3, 4], [5, 6]]))]).expect("data");
        let picked = data.select(&[2, 0, 2]).expect("rows");
        assert_eq!(picked.column("x").expect("x"), &Tensor::from([[5_i32, 6], [1, 2], [5, 6]]));
        assert!(data.select(&[3]).is_err());
        assert_eq!(data.steps(2), 2);
    }
}
