//! Heat maps: a matrix as colours.

use super::axis::Axis;
use super::cells;
use super::ink;
use super::paper::{self, Layout};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use plotters::style::RGBColor;
use std::path::Path;

/// How numbers become colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// From dark to bright: viridis.
    #[default]
    Ordered,
    /// Blue below zero, white at zero, red above; the range is as wide on both sides.
    Signed,
}

/// How a [`heat_map`] is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeatMap<'a> {
    /// Above the map.
    pub title: &'a str,
    /// What the columns are.
    pub x: &'a str,
    /// What the rows are.
    pub y: &'a str,
    /// A name for each row; their numbers, unless given.
    pub rows: &'a [String],
    /// A name for each column.
    pub columns: &'a [String],
    /// Each number in its cell, with so many decimals.
    pub decimals: Option<usize>,
    /// The numbers at the ends of the scale; those of the matrix, unless given. What is beyond has the colour of the end.
    pub range: Option<(f64, f64)>,
    /// Which colours.
    pub colours: Colours,
}

/// Draws a matrix as cells of colour into an SVG file, the first row above: attention, weights, the result of a search.
///
/// # Shapes
/// `[rows, columns]`, of any type, at most 1,000,000 cells.
///
/// # Errors
/// Another shape, or nothing in it; no number that is finite; other counts of names; a range that is none; a file that cannot be written.
///
/// # Examples
/// ```
/// use downhill::pictures::{HeatMap, heat_map};
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), downhill::Error> {
/// # let path = std::env::temp_dir().join("downhill").join("attention.svg");
/// let words = ["the", "cat", "sat"].map(String::from);
/// let attention = Tensor::from([[1.0_f32, 0.0, 0.0], [0.3, 0.7, 0.0], [0.1, 0.6, 0.3]]);
/// let options = HeatMap { title: "Attention", rows: &words, columns: &words, decimals: Some(2), ..HeatMap::default() };
/// heat_map(&path, &attention, options)?;
/// # Ok(())
/// # }
/// ```
pub fn heat_map(path: impl AsRef<Path>, values: &Tensor, options: HeatMap<'_>) -> Result<(), Error> {
    let (numbers, rows, columns) = cells::matrix(values, "a heat map")?;
    let (low, high) = range(&numbers, options)?;
    let colour_at = match options.colours {
        Colours::Ordered => ink::viridis,
        Colours::Signed => ink::sides,
    };
    // A matrix of one number has the middle of the scale.
    let share = |number: f64| if high > low { (number - low) / (high - low) } else { 0.5 };
    let shade = |&number: &f64| if number.is_nan() { ink::BROKEN } else { colour_at(share(number)) };
    let colours: Vec<RGBColor> = numbers.iter().map(shade).collect();

    let x = Axis::named(cells::names(options.columns, columns, "columns")?, options.x);
    let y = Axis::named(cells::names(options.rows, rows, "rows")?, options.y).reversed();
    let layout = Layout { size: size(rows, columns), right: 150, mesh: false };
    paper::chart(path.as_ref(), options.title, (x, y), &layout, |chart, sheet| {
        cells::paint(chart, &colours, columns, |column, row| (column as f64 - 0.5, row as f64 - 0.5))?;
        if let Some(decimals) = options.decimals {
            let texts: Vec<String> = numbers.iter().map(|number| format!("{number:.decimals$}")).collect();
            cells::write(chart, sheet, &texts, &colours, columns)?;
        }
        cells::scale(chart, sheet, (low, high), colour_at)
    })
}

/// The numbers at the ends of the scale.
fn range(numbers: &[f64], options: HeatMap<'_>) -> Result<(f64, f64), Error> {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) = options.range.unwrap_or_else(|| {
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max))
    });
    let (low, high) = match options.colours {
        Colours::Ordered => (low, high),
        Colours::Signed => (-high.abs().max(low.abs()), high.abs().max(low.abs())),
    };
    if low <= high && (high - low).is_finite() {
        return Ok((low, high));
    }
    let message = match options.range {
        Some(_) => format!("a heat map over the range from {low:e} to {high:e} was asked for"),
        None if finite().next().is_none() => "none of the numbers of a heat map is finite".into(),
        None => format!("a heat map of numbers from {low:e} to {high:e} was asked for"),
    };
    Err(Error::Usage { message, help: "a range is two finite numbers, the lesser first".into() })
}

/// Cells about as wide as high, on a sheet that is neither a thread nor a poster.
fn size(rows: usize, columns: usize) -> (u32, u32) {
    let ratio = (rows as f64 / columns as f64).clamp(0.35, 1.2);
    let width = 760.0_f64.min(760.0 / ratio * 1.1);
    ((width + 300.0) as u32, (width * ratio + 190.0) as u32)
}
