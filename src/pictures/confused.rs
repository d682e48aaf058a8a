//! Confusion matrices: what a classifier takes for what.

use super::axis::Axis;
use super::cells;
use super::ink;
use super::paper::{self, Layout};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use plotters::style::RGBColor;
use std::path::Path;

/// How a [`confusion`] matrix is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confusion<'a> {
    /// Above the matrix.
    pub title: &'a str,
    /// A name for each class; their numbers, unless given.
    pub classes: &'a [String],
}

/// Draws how many rows of each class (down) were taken for each class (across) into an SVG file. A cell is as dark as its share of the
/// rows of its class.
///
/// # Shapes
/// `[classes, classes]`, of any type.
///
/// # Errors
/// Another shape, or nothing in it; counts that are negative, infinite or NaN; another count of names; a file that cannot be written.
///
/// # Examples
/// ```
/// use downhill::pictures::{Confusion, confusion};
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), downhill::Error> {
/// # let path = std::env::temp_dir().join("downhill").join("confusion.svg");
/// let counts = Tensor::from([[48, 2, 0], [1, 45, 4], [0, 7, 43]]);
/// let classes = ["cat", "dog", "wolf"].map(String::from);
/// confusion(&path, &counts, Confusion { title: "Animals", classes: &classes })?;
/// # Ok(())
/// # }
/// ```
pub fn confusion(path: impl AsRef<Path>, counts: &Tensor, options: Confusion<'_>) -> Result<(), Error> {
    let (numbers, classes, columns) = cells::matrix(counts, "a confusion matrix")?;
    let complain = |message: String, help: &str| Err(Error::Usage { message, help: help.into() });
    if classes != columns {
        let message = format!("a confusion matrix of shape {:?} was to be drawn", counts.shape());
        return complain(message, "give a row and a column for each class");
    }
    if let Some(at) = numbers.iter().position(|count| !count.is_finite() || *count < 0.0) {
        let (count, row, column) = (numbers[at], at / classes, at % classes);
        return complain(
            format!("a count of {count} in row {row}, column {column}"),
            "counts are finite, and 0 or more",
        );
    }

    let rows = numbers.chunks(classes);
    let shares = rows.flat_map(|row| row.iter().map(|count| count / row.iter().sum::<f64>().max(1e-300)));
    let colours: Vec<RGBColor> = shares.map(ink::counts).collect();
    let texts: Vec<String> = numbers.iter().map(|count| count.to_string()).collect();

    let names = || cells::names(options.classes, classes, "classes");
    let (x, y) = (Axis::named(names()?, "taken for"), Axis::named(names()?, "is").reversed());
    let layout = Layout { size: (900, 860), right: 40, mesh: false };
    paper::chart(path.as_ref(), options.title, (x, y), &layout, |chart, sheet| {
        cells::paint(chart, &colours, classes, |column, row| (column as f64 - 0.5, row as f64 - 0.5))?;
        cells::write(chart, sheet, &texts, &colours, classes)
    })
}
