//! Orders of rows that are cut into parts.
//!
//! In: a data set, and what must be kept together or even. Out: [`Order`].

use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::epoch::shuffle;
use downhill_runtime::error::Error;
use std::collections::HashMap;

/// What decides which rows go where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// Chance, with this seed.
    Chance(u64),
    /// Chance, with every class of the named column in all parts alike, to a row (stratified).
    Class(&'a str, u64),
    /// Chance, with rows of one value of the named column in one part: the pictures of one patient, the texts of one author.
    Group(&'a str, u64),
    /// The order in which they stand: first come the rows to train on.
    Order,
    /// The order of the named column's values, such as times; of equals the first.
    Time(&'a str),
}

/// An order of rows, and where it may be cut: anywhere, or at the ends of groups.
pub(crate) struct Order {
    pub(crate) rows: Vec<u32>,
    /// The ends of groups; `None` where it may be cut anywhere.
    pub(crate) ends: Option<Vec<usize>>,
}

impl Order {
    /// The nearest place where it may be cut.
    pub(crate) fn cut(&self, at: usize) -> usize {
        match &self.ends {
            None => at.min(self.rows.len()),
            Some(ends) => {
                let places = std::iter::once(0).chain(ends.iter().copied());
                places.min_by_key(|&end| end.abs_diff(at)).unwrap_or(0)
            }
        }
    }
}

/// The order in which rows are cut.
pub(crate) fn order(data: &Dataset, by: By<'_>) -> Result<Order, Error> {
    // A data set's rows are numbered by u32s.
    let mut rows: Vec<u32> = (0..data.rows() as u32).collect();
    match by {
        By::Order => {}
        By::Chance(seed) => shuffle(&mut rows, seed),
        By::Time(column) => {
            let times = values(data, column)?;
            if let Some(row) = times.iter().position(|time| time.is_nan()) {
                return Err(misuse(
                    format!("row {row} of `{column}` is NaN"),
                    "an order needs a number in each row",
                ));
            }
            rows.sort_by(|&a, &b| times[a as usize].total_cmp(&times[b as usize]));
        }
        By::Class(column, seed) => {
            shuffle(&mut rows, seed);
            interleave(&mut rows, &values(data, column)?);
        }
        By::Group(column, seed) => return grouped(rows, &values(data, column)?, seed),
    }
    Ok(Order { rows, ends: None })
}

/// Orders rows so that any stretch has of each class as much as all have, to a row: the k-th of n rows of a class stands at (k + ½) / n.
fn interleave(rows: &mut Vec<u32>, classes: &[f64]) {
    let mut counts: HashMap<u64, u64> = HashMap::new();
    let class = |row: u32| classes[row as usize].to_bits();
    let ranks: Vec<u64> = rows.iter().map(|&row| next_of(counts.entry(class(row)).or_insert(0))).collect();
    let place = |(&row, &rank): (&u32, &u64)| (rank as f64 + 0.5) / counts[&class(row)] as f64;

    let mut placed: Vec<(f64, u32)> = rows.iter().zip(&ranks).map(|pair| (place(pair), *pair.0)).collect();
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.clear();
    rows.extend(placed.into_iter().map(|(_, row)| row));
}

fn next_of(count: &mut u64) -> u64 {
    *count += 1;
    *count - 1
}

fn grouped(mut rows: Vec<u32>, groups: &[f64], seed: u64) -> Result<Order, Error> {
    let group = |row: u32| groups[row as usize].to_bits();
    let mut known: Vec<u64> = Vec::new();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    for &row in &rows {
        numbers.entry(group(row)).or_insert_with(|| {
            known.push(group(row));
            known.len() - 1
        });
    }
    shuffle(&mut known, seed);
    for (place, group) in known.iter().enumerate() {
        numbers.insert(*group, place);
    }

    rows.sort_by_key(|&row| numbers[&group(row)]);
    let mut ends: Vec<usize> = (1..rows.len()).filter(|&at| group(rows[at - 1]) != group(rows[at])).collect();
    ends.extend((!rows.is_empty()).then_some(rows.len()));
    Ok(Order { rows, ends: Some(ends) })
}

/// The values of a column of one value a row.
fn values(data: &Dataset, column: &str) -> Result<Vec<f64>, Error> {
    let tensor: &Tensor = data.column(column)?;
    if tensor.len() != data.rows() {
        return Err(misuse(
            format!("column `{column}` has the shape {:?}", tensor.shape()),
            "rows are put into parts by a column of one value a row",
        ));
    }
    // 0 and −0 are one value.
    Ok(tensor.to_f64_vec().into_iter().map(|value| value + 0.0).collect())
}
