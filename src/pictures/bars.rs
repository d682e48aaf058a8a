//! Histograms: how often numbers lie where.

use super::axis::Axis;
use super::ink;
use super::paper::{self, Layout};
use crate::mistake::misuse;
use downhill_runtime::error::Error;
use plotters::prelude::{Color, Rectangle};
use std::path::Path;

/// How a [`histogram`] is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Histogram<'a> {
    /// Above the chart.
    pub title: &'a str,
    /// What is counted.
    pub x: &'a str,
    /// How many bars; as many as the numbers need, unless given.
    pub bins: Option<usize>,
    /// From where to where; all of the numbers, unless given. What lies beyond is left out.
    pub range: Option<(f64, f64)>,
}

/// More bars than this are no bars any more.
const MOST_BINS: usize = 1000;

/// Draws how many of the numbers lie in each of some ranges of equal width into an SVG file: losses of many seeds, weights of a layer. Bars
/// hold their lower end, the last its upper end too. How many numbers are left out is said in the title.
///
/// Without `bins`, a bar is as wide as Freedman and Diaconis say (1981), 2·(the middle half's width)/∛n, or as Sturges says (1926) if
/// that is narrower: `bins='auto'` of numpy.
///
/// # Errors
/// No number within the range; a range that is none; no bins or more than 1,000; a file that cannot be written.
///
/// # Examples
/// ```
/// use downhill::pictures::{Histogram, histogram};
///
/// # fn main() -> Result<(), downhill::Error> {
/// # let path = std::env::temp_dir().join("downhill").join("losses.svg");
/// let losses: Vec<f32> = (0..30).map(|seed| 0.3 + (seed as f32).sin() / 10.0).collect();
/// histogram(&path, losses, Histogram { title: "Thirty seeds", x: "loss", ..Histogram::default() })?;
/// # Ok(())
/// # }
/// ```
pub fn histogram(
    path: impl AsRef<Path>,
    values: impl IntoIterator<Item = impl Into<f64>>,
    options: Histogram<'_>,
) -> Result<(), Error> {
    let mut values: Vec<f64> = values.into_iter().map(Into::into).collect();
    let all = values.len();
    let (lowest, highest) = options.range.unwrap_or((f64::MIN, f64::MAX));
    values.retain(|value| value.is_finite() && (lowest..=highest).contains(value));
    values.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
        return Err(misuse(
            format!("none of {all} numbers can be drawn in a histogram"),
            "give finite numbers within its range",
        ));
    };

    let (low, high) = options.range.unwrap_or((first, last));
    // Numbers that are all the same stand in the middle of a bar.
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let bins = options.bins.unwrap_or_else(|| bins(&values));
    if !(1..=MOST_BINS).contains(&bins) {
        return Err(misuse(format!("a histogram of {bins} bars was asked for"), "give 1 to 1,000"));
    }

    let counts = count(&values, (low, high), bins);
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let edge = |bin: usize| low + (high - low) * bin as f64 / bins as f64;
    let x = Axis::around([low, high], false, options.x)?;
    let y = Axis::between(0.0, most * 1.06, false, "how many")?;
    paper::chart(
        path.as_ref(),
        &title(options.title, all - values.len()),
        (x, y),
        &Layout::default(),
        |chart, _| {
            let bars = counts.iter().enumerate().map(|(bin, &count)| {
                let mut bar =
                    Rectangle::new([(edge(bin), 0.0), (edge(bin + 1), count as f64)], ink::class(0).filled());
                bar.set_margin(0, 0, 1, 1);
                bar
            });
            chart.draw_series(bars)?;
            Ok(())
        },
    )
}

fn title(title: &str, left_out: usize) -> String {
    match left_out {
        0 => title.into(),
        _ => format!("{title} (without {left_out} that are not finite or lie beyond)").trim_start().into(),
    }
}

fn count(values: &[f64], (low, high): (f64, f64), bins: usize) -> Vec<usize> {
    let mut counts = vec![0; bins];
    for value in values {
        let bin = (value - low) / (high - low) * bins as f64;
        counts[(bin as usize).min(bins - 1)] += 1;
    }
    counts
}

/// How many bars sorted numbers need.
fn bins(values: &[f64]) -> usize {
    let n = values.len() as f64;
    let quarter = |share: f64| values[((n - 1.0) * share).round() as usize];
    let sturges = n.log2() + 1.0;
    let width = 2.0 * (quarter(0.75) - quarter(0.25)) / n.cbrt();
    let range = values[values.len() - 1] - values[0];
    let freedman = if width > 0.0 { range / width } else { 0.0 };
    (freedman.max(sturges).ceil() as usize).clamp(1, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_once() {
        assert_eq!(count(&[0.0, 0.5, 0.99, 1.0, 2.0, 3.0], (0.0, 3.0), 3), [3, 1, 2]);
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(bins(&values), 11);
        assert_eq!(bins(&[1.0; 8]), 4);
    }
}
