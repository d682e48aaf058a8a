//! Small helpers around data: splitting, encoding, scaling, counting what is right.
//!
//! In and out: tensors and data sets. What is random depends on a seed alone.

use downhill_graph::tensor::Tensor;
use downhill_runtime::dataset::Dataset;
use downhill_runtime::epoch::shuffle;
use downhill_runtime::error::Error;

fn misuse(message: impl Into<String>, help: impl Into<String>) -> Error {
    Error::Usage { message: message.into(), help: help.into() }
}

/// Two data sets with this share of the rows in the second, rounded: `let (training, validation) = split(&data, 0.2, 1)?`.
/// Which rows go where depends on the seed.
///
/// # Errors
/// A share that is not between 0 and 1.
pub fn split(data: &Dataset, share: f64, seed: u64) -> Result<(Dataset, Dataset), Error> {
    if !(0.0..=1.0).contains(&share) {
        return Err(misuse(format!("a share of {share} was asked for"), "a share is between 0 and 1"));
    }
    // A data set's rows are numbered by u32s.
    let mut rows: Vec<u32> = (0..data.rows() as u32).collect();
    shuffle(&mut rows, seed);
    let second = (data.rows() as f64 * share).round() as usize;
    let (first, second) = rows.split_at(data.rows() - second);
    Ok((data.select(first)?, data.select(second)?))
}

/// A row of zeros with a 1 at the class, for each label.
///
/// # Shapes
/// `[n]`, i32 → `[n, classes]`, f32.
///
/// # Errors
/// Labels that are no i32s in one axis; a label that is no class.
pub fn one_hot(labels: &Tensor, classes: usize) -> Result<Tensor, Error> {
    let indices = one_axis_of_labels(labels)?;
    let size = indices.len().saturating_mul(classes);

    let mut rows: Vec<f32> = Vec::new();
    rows.try_reserve_exact(size).map_err(|_| Error::Memory {
        what: format!("{} rows of {classes} classes", indices.len()),
        bytes: size.saturating_mul(size_of::<f32>()),
    })?;

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

/// What share of the rows have their greatest score (the first of equals) at their label. A row with a NaN is never right, nor is
/// one whose label is no class. NaN for no rows.
///
/// # Shapes
/// Scores (logits or probabilities) `[n, classes]`, f32; labels `[n]`, i32.
///
/// # Errors
/// Other shapes or types.
pub fn accuracy(scores: &Tensor, labels: &Tensor) -> Result<f64, Error> {
    let (indices, numbers) = (one_axis_of_labels(labels)?, scores.as_f32()?);
    let [rows, classes] = *scores.shape() else {
        return Err(misuse(
            format!("scores of shape {:?}", scores.shape()),
            "scores have two axes: rows and classes",
        ));
    };

    if rows != indices.len() {
        return Err(misuse(
            format!("{rows} rows of scores for {} labels", indices.len()),
            "give as many of each",
        ));
    }

    let right = (0..rows).filter(|&row| {
        let scores = &numbers[row * classes..][..classes];
        greatest(scores).is_some_and(|class| usize::try_from(indices[row]) == Ok(class))
    });
    Ok(right.count() as f64 / rows as f64)
}

/// What share of the probabilities are on the side of one half that their target, 0 or 1, is on. A NaN, as probability or as target,
/// is on neither side: never right. NaN for none.
///
/// # Shapes
/// Both alike, f32.
///
/// # Errors
/// Other shapes or types.
pub fn binary_accuracy(probabilities: &Tensor, targets: &Tensor) -> Result<f64, Error> {
    let (p, y) = (probabilities.as_f32()?, targets.as_f32()?);
    if probabilities.shape() != targets.shape() {
        let (p, y) = (probabilities.shape(), targets.shape());
        return Err(misuse(
            format!("probabilities of shape {p:?} for targets of shape {y:?}"),
            "give the same shape",
        ));
    }
    let side = |value: f32| if value.is_nan() { None } else { Some(value > 0.5) };
    let right = p.iter().zip(y).filter(|&(&p, &y)| side(p).is_some() && side(p) == side(y)).count();
    Ok(right as f64 / p.len() as f64)
}

/// The first of the greatest; `None` where there are no scores or one is NaN.
fn greatest(scores: &[f32]) -> Option<usize> {
    let better = |best: usize, class: usize| if scores[class] > scores[best] { class } else { best };
    (0..scores.len()).reduce(better).filter(|_| scores.iter().all(|score| !score.is_nan()))
}

fn one_axis_of_labels(labels: &Tensor) -> Result<&[i32], Error> {
    if labels.shape().len() != 1 {
        let shape = labels.shape();
        return Err(misuse(
            format!("labels of shape {shape:?}"),
            "labels have one axis: an i32 for each row",
        ));
    }
    Ok(labels.as_i32()?)
}

/// Shift and scale of each column, so that the data it was measured on has mean 0 and standard deviation 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    columns: Vec<(f64, f64)>,
}

impl Standard {
    /// Measures the columns of `x`: all numbers at the same index of their rows. A column of one value is only shifted.
    ///
    /// # Errors
    /// Numbers that are not f32s; a tensor without rows.
    pub fn of(x: &Tensor) -> Result<Standard, Error> {
        let numbers = x.as_f32()?;
        let (rows, width) = rows_and_width(x)?;
        if rows == 0 {
            return Err(misuse("a standard of no rows was asked for", "measure it on the training data"));
        }
        let columns = (0..width).map(|column| {
            let column = || numbers.iter().skip(column).step_by(width).map(|&value| f64::from(value));
            let mean = column().sum::<f64>() / rows as f64;
            let variance = column().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64;
            (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
        });
        Ok(Standard { columns: columns.collect() })
    }

    /// `(x − mean) / deviation`, by column.
    ///
    /// # Errors
    /// Rows of another width than it was measured on.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let (_, width) = rows_and_width(x)?;
        if width != self.columns.len() {
            let measured = self.columns.len();
            return Err(misuse(
                format!("rows of {width} numbers for a standard of {measured}"),
                "give rows alike",
            ));
        }
        let scaled = x.as_f32()?.iter().zip(self.columns.iter().cycle());
        let scaled = scaled.map(|(&value, (mean, deviation))| ((f64::from(value) - mean) / deviation) as f32);
        Ok(Tensor::new(x.shape(), scaled.collect())?)
    }
}

fn rows_and_width(x: &Tensor) -> Result<(usize, usize), Error> {
    match x.shape() {
        [] => Err(misuse("a single number has no rows", "give a tensor whose first axis counts rows")),
        // Beside an axis of nothing the others may be of any size.
        [rows, rest @ ..] => {
            Ok((*rows, rest.iter().fold(1_usize, |width, &size| width.saturating_mul(size))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_keeps_every_row_once() {
        let data = Dataset::new([("x", Tensor::from((0..10).collect::<Vec<i32>>()))]).expect("data");
        let (first, second) = split(&data, 0.2, 3).expect("a split");
        assert_eq!((first.rows(), second.rows()), (8, 2));
        let values = |data: &Dataset| data.column("x").expect("x").as_i32().expect("i32").to_vec();
        let mut all = [values(&first), values(&second)].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10));
        assert!(split(&data, f64::NAN, 0).is_err());
    }

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
    fn accuracy_counts_what_is_right() {
        let scores = Tensor::from([[0.1_f32, 0.9], [0.8, 0.2], [f32::NAN, 1.0], [2.0, 2.0]]);
        assert_eq!(accuracy(&scores, &Tensor::from([1_i32, 1, 1, 0])).expect("a share"), 0.5);
        let p = Tensor::from([[0.2_f32], [0.9]]);
        assert_eq!(binary_accuracy(&p, &Tensor::from([[0.0_f32], [0.0]])).expect("a share"), 0.5);
    }

    #[test]
    fn what_is_nan_is_never_right() {
        let (p, y) = ([f32::NAN, f32::NAN, 0.2, f32::NAN], [0.0, 1.0, f32::NAN, f32::NAN]);
        assert_eq!(binary_accuracy(&Tensor::from(p), &Tensor::from(y)).expect("a share"), 0.0);
        // A label that is no class beside a row without a greatest score: both are nothing, and not equal.
        let scores = Tensor::from([[f32::NAN, 1.0], [0.0, f32::NAN]]);
        assert_eq!(accuracy(&scores, &Tensor::from([-1, 0])).expect("a share"), 0.0);
        let nothing = Tensor::new([1, 0], Vec::<f32>::new()).expect("no scores");
        assert_eq!(accuracy(&nothing, &Tensor::from([-1])).expect("a share"), 0.0);
    }

    #[test]
    fn columns_are_standardised() {
        let x = Tensor::from([[1.0_f32, 5.0], [3.0, 5.0]]);
        let standard = Standard::of(&x).expect("a standard");
        assert_eq!(standard.apply(&x).expect("scaled"), Tensor::from([[-1.0_f32, 0.0], [1.0, 0.0]]));
        assert!(standard.apply(&Tensor::from([[1.0_f32]])).is_err());
    }
}
