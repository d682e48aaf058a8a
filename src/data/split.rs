//! Rows put into parts: training, validation and test, and folds.
//!
//! In: a data set, shares, and what must be kept together or even. Out: data sets, or numbers of rows.
//!
//! Must hold: every row is in one part, once, and parts depend on the seed alone. Rows are put into an order first, and the order is cut:
//! what [`By`] says decides the order, and where it may be cut.

use crate::data::order::{By, order};
use crate::mistake::{counted, misuse};
use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;

/// Two data sets with this share of the rows in the second, rounded: `let (training, validation) = split(&data, 0.2, 1)?`.
/// Which rows go where depends on the seed.
///
/// # Errors
/// A share that is not between 0 and 1.
#[doc(alias("train_test_split", "random_split"))]
pub fn split(data: &Dataset, share: f64, seed: u64) -> Result<(Dataset, Dataset), Error> {
    if !(0.0..=1.0).contains(&share) {
        return Err(misuse(format!("a share of {share} was asked for"), "a share is between 0 and 1"));
    }
    let order = order(data, By::Chance(seed))?.rows;
    let second = (data.rows() as f64 * share).round() as usize;
    let (first, second) = order.split_at(data.rows() - second);
    Ok((data.select(first)?, data.select(second)?))
}

/// Data sets with these shares of the rows, which add up to 1.
///
/// # Errors
/// Shares that are negative or do not add up to 1; no such column; a column of several values a row.
///
/// # Examples
/// ```
/// use downhill::data::{By, parts};
/// use downhill::prelude::*;
///
/// let x = Tensor::from((0..20).map(|row| row as f32).collect::<Vec<_>>());
/// let kind = Tensor::from((0..20).map(|row| i32::from(row < 10)).collect::<Vec<_>>());
/// let data = Dataset::new([("x", x), ("kind", kind)])?;
/// let [training, validation, test] = parts(&data, [0.6, 0.2, 0.2], By::Class("kind", 1))?;
/// assert_eq!((training.rows(), validation.rows(), test.rows()), (12, 4, 4));
/// assert_eq!(test.column("kind")?.as_i32()?.iter().sum::<i32>(), 2);
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias("train_test_split", "StratifiedShuffleSplit", "GroupShuffleSplit"))]
pub fn parts<const N: usize>(data: &Dataset, shares: [f64; N], by: By<'_>) -> Result<[Dataset; N], Error> {
    let sum: f64 = shares.iter().sum();
    if !shares.iter().all(|share| (0.0..=1.0).contains(share)) || (sum - 1.0).abs() > 1e-9 {
        return Err(misuse(
            format!("parts of {shares:?} add up to {sum}"),
            "shares are between 0 and 1 and add up to 1",
        ));
    }

    let order = order(data, by)?;
    let mut before = 0.0;
    let bounds = shares.map(|share| {
        before += share;
        order.cut((before * data.rows() as f64).round() as usize)
    });
    let mut start = 0;
    let mut sets = Vec::with_capacity(N);
    for (part, &bound) in bounds.iter().enumerate() {
        // Rounding must not leave a row to nobody.
        let end = if part + 1 == N { data.rows() } else { bound.max(start) };
        sets.push(data.select(&order.rows[start..end])?);
        start = end;
    }
    Ok(sets.try_into().unwrap_or_else(|_| unreachable!("a set for each share")))
}

/// One of several ways to divide rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The rows to train on.
    pub training: Vec<u32>,
    /// The rows to examine on.
    pub validation: Vec<u32>,
}

/// `count` folds: each row is examined on in one of them, and trained on in the others. By [`By::Order`] and [`By::Time`] a fold trains on
/// what comes before: there are `count` + 1 pieces, and fold k examines on the piece behind its k + 1 first.
///
/// An epoch takes a fold's rows as they are (`EpochOptions { rows: Some(&fold.training), … }`); `data.select(&fold.training)?` copies them.
///
/// # Errors
/// Fewer than two folds, or fewer than one for the order of rows; more than there are rows or groups; as [`parts`].
///
/// # Examples
/// ```
/// use downhill::data::{By, folds};
/// use downhill::prelude::*;
///
/// let data = Dataset::new([("x", Tensor::from([0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0]))])?;
/// for fold in folds(&data, 3, By::Chance(1))? {
///     assert_eq!((fold.training.len(), fold.validation.len()), (4, 2));
/// }
/// let by_order = folds(&data, 2, By::Order)?;
/// assert_eq!((&*by_order[1].training, &*by_order[1].validation), (&[0, 1, 2, 3][..], &[4, 5][..]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias("KFold", "StratifiedKFold", "GroupKFold", "TimeSeriesSplit", "cross_validation"))]
pub fn folds(data: &Dataset, count: usize, by: By<'_>) -> Result<Vec<Fold>, Error> {
    let one_way = matches!(by, By::Order | By::Time(_));
    let least = if one_way { 1 } else { 2 };
    let order = order(data, by)?;
    let pieces = if one_way { count.saturating_add(1) } else { count };
    let there_are = order.ends.as_ref().map_or(data.rows(), Vec::len);
    if count < least || pieces > there_are {
        let what = if order.ends.is_some() { "group" } else { "row" };
        return Err(misuse(
            format!("{} of {}", counted(count, "fold"), counted(there_are, what)),
            format!("take {least} or more, and no more than there are {what}s"),
        ));
    }

    let bounds: Vec<usize> = (0..=pieces)
        .map(|piece| order.cut((piece as u128 * data.rows() as u128 / pieces as u128) as usize))
        .collect();
    if let Some(empty) = bounds.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(misuse(
            format!("fold {empty} of {count} would have no rows: the groups are too unequal"),
            "take fewer folds",
        ));
    }
    let rows = &order.rows;
    Ok((0..count)
        .map(|fold| match one_way {
            true => Fold {
                training: rows[..bounds[fold + 1]].to_vec(),
                validation: rows[bounds[fold + 1]..bounds[fold + 2]].to_vec(),
            },
            false => Fold {
                training: [&rows[..bounds[fold]], &rows[bounds[fold + 1]..]].concat(),
                validation: rows[bounds[fold]..bounds[fold + 1]].to_vec(),
            },
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_graph::tensor::Tensor;

    fn data(rows: usize, of: impl Fn(usize) -> i32) -> Dataset {
        let numbers = Tensor::from((0..rows as i32).collect::<Vec<_>>());
        let kinds = Tensor::from((0..rows).map(of).collect::<Vec<_>>());
        Dataset::new([("x", numbers), ("kind", kinds)]).expect("data")
    }

    fn values_of(data: &Dataset, column: &str) -> Vec<i32> {
        data.column(column).expect("a column").as_i32().expect("i32").to_vec()
    }

    fn is_every_row_once(sets: &[&Dataset], rows: i32) -> bool {
        let mut all: Vec<i32> = sets.iter().flat_map(|set| values_of(set, "x")).collect();
        all.sort_unstable();
        all.into_iter().eq(0..rows)
    }

    #[test]
    fn a_split_keeps_every_row_once() {
        let data = data(10, |_| 0);
        let (first, second) = split(&data, 0.2, 3).expect("a split");
        assert_eq!((first.rows(), second.rows()), (8, 2));
        assert!(is_every_row_once(&[&first, &second], 10));
        assert!(split(&data, f64::NAN, 0).is_err());
        assert!(parts(&data, [0.5, 0.4], By::Order).is_err() && parts(&data, [], By::Order).is_err());
        let [only] = parts(&data, [1.0], By::Order).expect("a part");
        assert_eq!(only, data);
    }

    #[test]
    fn classes_are_in_all_parts_alike() {
        // 70 of class 0, 23 of class 1, 7 of class 2.
        let data = data(100, |row| i32::from(row >= 70) + i32::from(row >= 93));
        let [training, validation, test] =
            parts(&data, [0.6, 0.2, 0.2], By::Class("kind", 5)).expect("parts");
        assert_eq!((training.rows(), validation.rows(), test.rows()), (60, 20, 20));
        assert!(is_every_row_once(&[&training, &validation, &test], 100));
        for (set, share) in [(&training, 0.6), (&validation, 0.2), (&test, 0.2)] {
            for (class, all) in [(0, 70.0), (1, 23.0), (2, 7.0)] {
                let count = values_of(set, "kind").iter().filter(|&&kind| kind == class).count() as f64;
                assert!((count - all * share).abs() <= 1.0, "{count} of class {class}");
            }
        }
        for fold in folds(&data, 5, By::Class("kind", 1)).expect("folds") {
            let kinds = values_of(&data.select(&fold.validation).expect("rows"), "kind");
            assert!((4..=5).contains(&kinds.iter().filter(|&&kind| kind == 1).count()));
        }
    }

    #[test]
    fn groups_stay_together() {
        let data = data(40, |row| row as i32 / 3);
        let [training, test] = parts(&data, [0.7, 0.3], By::Group("kind", 2)).expect("parts");
        assert!(is_every_row_once(&[&training, &test], 40));
        let (first, second) = (values_of(&training, "kind"), values_of(&test, "kind"));
        assert!(!second.is_empty() && second.iter().all(|kind| !first.contains(kind)));
        assert!((26..=30).contains(&training.rows()), "{}", training.rows());
        let folds = folds(&data, 4, By::Group("kind", 2)).expect("folds");
        let mut seen: Vec<u32> = folds.iter().flat_map(|fold| fold.validation.clone()).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..40));
        let error = super::folds(&data, 15, By::Group("kind", 2)).expect_err("too many").to_string();
        assert!(error.starts_with("15 folds of 14 groups"), "{error}");
    }

    #[test]
    fn time_goes_one_way() {
        let data = data(12, |row| (row as i32 * 5) % 12);
        let [training, test] = parts(&data, [0.75, 0.25], By::Time("kind")).expect("parts");
        assert_eq!(
            (values_of(&training, "kind"), values_of(&test, "kind")),
            ((0..9).collect(), vec![9, 10, 11])
        );
        for fold in folds(&data, 3, By::Time("kind")).expect("folds") {
            let kinds = |rows: &[u32]| values_of(&data.select(rows).expect("rows"), "kind");
            assert!(kinds(&fold.training).iter().max() < kinds(&fold.validation).iter().min());
            assert_eq!(fold.validation.len(), 3);
        }
        assert!(folds(&data, 12, By::Order).is_err() && folds(&data, 0, By::Order).is_err());
        assert!(folds(&data, 1, By::Chance(0)).is_err() && folds(&data, usize::MAX, By::Order).is_err());
        assert!(parts(&data, [1.0], By::Time("when")).is_err());
    }
}
