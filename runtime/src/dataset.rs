//! Data to train on: named columns of equally many rows.
//!
//! In: tensors, or whatever is data. Out: [`Dataset`]; orders of its rows.
//!
//! Must hold: columns are of types that networks have. f64s become f32s, once, when a data set is made.

use crate::convert::{convert, first_misfit, misfit};
use crate::error::Error;
use crate::prepare;
use crate::view::{Data, Elements as Viewed, Extent, View};
use downhill_graph::error::counted;
use downhill_graph::graph::bug;
use downhill_graph::tensor::{Data as Elements, Element, Tensor};
use downhill_graph::types::ElementType;

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
    /// Columns by the names of the inputs and targets they are for. A column of f64s becomes one of f32s, which networks take.
    ///
    /// # Errors
    /// No columns, a name given twice, a tensor without axes, columns of unequally many rows, or more rows than a u32 counts; an f64 that no f32
    /// holds.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Tensor)>) -> Result<Dataset, Error> {
        let columns: Vec<(String, Tensor)> = columns
            .into_iter()
            .map(|(name, tensor)| {
                let name = name.into();
                Ok((name.clone(), narrowed(&name, tensor)?))
            })
            .collect::<Result<_, Error>>()?;
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

    /// Columns of whatever is data: `Dataset::of(&[("x", &x), ("label", &labels)])?`. f64s become f32s, whole numbers of any width i32s; what has
    /// no shape of its own is one number a row.
    ///
    /// # Errors
    /// As [`Dataset::new`]; a number that its type does not hold.
    ///
    /// # Examples
    /// ```
    /// use downhill_runtime::dataset::Dataset;
    ///
    /// let (x, label): (Vec<[f64; 2]>, Vec<u8>) = (vec![[0.5, 1.0], [2.0, 3.0]], vec![1, 0]);
    /// let data = Dataset::of(&[("x", &x), ("label", &label)])?;
    /// assert_eq!(data.column("x")?.as_f32()?, [0.5, 1.0, 2.0, 3.0]);
    /// assert_eq!(data.column("label")?.as_i32()?, [1, 0]);
    /// # Ok::<(), downhill_runtime::error::Error>(())
    /// ```
    pub fn of(columns: &[(&str, &dyn Data)]) -> Result<Dataset, Error> {
        let tensors = columns.iter().map(|(name, data)| Ok((*name, tensor_of(name, data.view())?)));
        Dataset::new(tensors.collect::<Result<Vec<_>, Error>>()?)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows there are, as [`Dataset::rows`].
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
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
                format!("the data set has {}", counted(self.rows, "row")),
            ));
        }
        let columns = self.columns.iter().map(|(name, tensor)| Ok((name.clone(), select(tensor, rows)?)));
        Ok(Dataset { columns: columns.collect::<Result<_, Error>>()?, rows: rows.len() })
    }

    /// Data sets of `batch` rows each, in order; the last may have fewer. Batches of 0 rows are batches of 1.
    ///
    /// # Examples
    /// ```
    /// use downhill_graph::tensor::Tensor;
    /// use downhill_runtime::dataset::Dataset;
    ///
    /// let data = Dataset::new([("x", Tensor::from([1.0_f32, 2.0, 3.0]))])?;
    /// let rows: Vec<usize> = data.batches(2).map(|batch| batch.rows()).collect();
    /// assert_eq!(rows, [2, 1]);
    /// # Ok::<(), downhill_runtime::error::Error>(())
    /// ```
    pub fn batches(&self, batch: usize) -> impl Iterator<Item = Dataset> {
        let batch = batch.max(1);
        (0..self.steps(batch)).map(move |step| {
            let rows = step * batch..self.rows.min((step + 1) * batch);
            let part = |tensor: &Tensor| {
                tensor.rows(rows.clone()).unwrap_or_else(|_| bug("rows of a batch are there"))
            };
            let columns = self.columns.iter().map(|(name, tensor)| (name.clone(), part(tensor)));
            Dataset { columns: columns.collect(), rows: rows.len() }
        })
    }

    /// The rows of all of them, one set behind another.
    ///
    /// # Errors
    /// No sets; sets with other columns, or columns of other types or rows.
    pub fn concat(sets: &[&Dataset]) -> Result<Dataset, Error> {
        let Some(first) = sets.first() else {
            return Err(Error::usage("no data sets were given", "give at least one"));
        };
        let columns = first.columns().map(|(name, _)| {
            let parts = sets.iter().map(|set| set.column(name)).collect::<Result<Vec<_>, _>>()?;
            Ok((name, Tensor::concat(&parts, 0)?))
        });
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        match sets.iter().find(|set| set.columns.len() != columns.len()) {
            None => Dataset::new(columns),
            Some(other) => Err(Error::usage(
                format!("data sets of {} and of {} columns", columns.len(), other.columns.len()),
                "join sets of the same columns",
            )),
        }
    }

    /// The same columns, but for this one, which becomes what `of` makes of it: `data.map("x", |x| scale.apply(x))?`.
    ///
    /// # Errors
    /// There is no such column; an error of `of`; other rows than the other columns have.
    pub fn map<E: Into<Error>>(
        &self,
        name: &str,
        of: impl FnOnce(&Tensor) -> Result<Tensor, E>,
    ) -> Result<Dataset, Error> {
        let mut made = Some(of(self.column(name)?).map_err(Into::into)?);
        let columns = self.columns().map(|(known, tensor)| {
            let tensor = if known == name { made.take() } else { None }.unwrap_or_else(|| tensor.clone());
            (known, tensor)
        });
        Dataset::new(columns.collect::<Vec<_>>())
    }

    /// Refuses a number that is infinite or NaN.
    ///
    /// # Errors
    /// The first one, by column and row.
    pub fn check_finite(&self) -> Result<(), Error> {
        for (name, view) in self.views() {
            let Some((position, value)) = view.elements.first_broken() else { continue };
            let row_len = prepare::elements(&self.column(name)?.shape()[1..]).max(1);
            let (row, at) = (position / row_len, position % row_len);
            let place = if row_len == 1 { String::new() } else { format!(", element {at}") };
            return Err(Error::usage(
                format!("column `{name}` holds {value} in row {row}{place}"),
                "leave such rows out, or fill what is missing",
            ));
        }
        Ok(())
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = (&str, View<'_>)> {
        self.columns().map(|(name, tensor)| (name, tensor.view()))
    }
}

/// f64s as f32s; other tensors as they are.
fn narrowed(name: &str, tensor: Tensor) -> Result<Tensor, Error> {
    match tensor.element() {
        ElementType::F64 => tensor_of(name, tensor.view()),
        ElementType::F32 | ElementType::I32 | ElementType::U32 | ElementType::Bool => Ok(tensor),
    }
}

/// What a view shows, of a type that networks have.
fn tensor_of(name: &str, view: View<'_>) -> Result<Tensor, Error> {
    let shape = match view.extent {
        Extent::Flat => vec![view.elements.len()],
        Extent::Shaped(rank, dims) => dims[..usize::from(rank)].to_vec(),
        Extent::Unfit(reason) => {
            return Err(Error::usage(
                format!("column `{name}` cannot be taken: {reason}"),
                "give it row by row",
            ));
        }
    };

    let to = match view.elements.element() {
        ElementType::F64 => ElementType::F32,
        same => same,
    };
    if let Some(at) = first_misfit(view.elements, to, 0..view.elements.len()) {
        return Err(misfit(name, view.elements, to, at));
    }
    let tensor = match view.elements {
        Viewed::F32(numbers) => Tensor::new(shape, numbers.to_vec()),
        Viewed::I32(numbers) => Tensor::new(shape, numbers.to_vec()),
        Viewed::U32(numbers) => Tensor::new(shape, numbers.to_vec()),
        Viewed::Bool(bits) => Tensor::new(shape, bits.to_vec()),
        Viewed::F64(numbers) => Tensor::new(shape, numbers.iter().map(|&number| number as f32).collect()),
        Viewed::Whole(_) => {
            let mut words = Vec::new();
            convert(view.elements, to, &mut words);
            Tensor::new(shape, words.into_iter().map(|word| word as i32).collect())
        }
    };
    Ok(tensor?)
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
