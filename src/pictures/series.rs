//! Curves: losses over epochs, and whatever else is a number against a number.

use super::axis::Axis;
use super::legend::{self, Entry};
use super::paper::{self, Chart, Drawn, Layout, Sheet};
use super::{ink, ticks};
use downhill_runtime::error::Error;
use plotters::element::{Circle, EmptyElement, Text};
use plotters::prelude::{Color, PathElement};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{RGBColor, ShapeStyle};
use std::path::Path;

/// A named line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
    mark: Option<Best>,
    dots: bool,
    line: bool,
}

/// Which point of a series is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// The first of the least, as of a loss.
    Least,
    /// The first of the greatest, as of an accuracy.
    Greatest,
}

impl<'a> Series<'a> {
    /// Through these points, in their order. What is NaN or infinite is a gap.
    pub fn new(name: &'a str, points: impl IntoIterator<Item = (f64, f64)>) -> Series<'a> {
        Series { name, points: points.into_iter().collect(), mark: None, dots: false, line: true }
    }

    /// A number for each of the epochs 1, 2, …
    pub fn epochs(name: &'a str, values: impl IntoIterator<Item = impl Into<f64>>) -> Series<'a> {
        let values = values.into_iter().map(Into::into);
        Series::new(name, values.enumerate().map(|(epoch, value)| (epoch as f64 + 1.0, value)))
    }

    /// Marks its best point and writes its numbers beside it.
    pub fn mark(self, best: Best) -> Series<'a> {
        Series { mark: Some(best), ..self }
    }

    /// A dot at each point as well, for points that were measured.
    pub fn dots(self) -> Series<'a> {
        Series { dots: true, ..self }
    }

    /// Dots alone.
    pub fn scattered(self) -> Series<'a> {
        Series { dots: true, line: false, ..self }
    }
}

/// How [`curves`] are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curves<'a> {
    /// Above the chart.
    pub title: &'a str,
    /// Below the chart: `epoch`, unless something else is said.
    pub x: &'a str,
    /// Beside the chart.
    pub y: &'a str,
    /// The y axis in powers of ten. What is not positive is a gap then.
    pub log: bool,
    /// The x axis in powers of ten.
    pub log_x: bool,
}

impl Default for Curves<'_> {
    fn default() -> Self {
        Curves { title: "", x: "epoch", y: "", log: false, log_x: false }
    }
}

/// Draws series as curves, each in its colour, into an SVG file; the names stand where the fewest points are.
///
/// # Errors
/// No series, one without points, or none with a point that has a place on the axes; a file that cannot be written.
///
/// # Examples
/// ```
/// use downhill::pictures::{Best, Curves, Series, curves};
///
/// # fn main() -> Result<(), downhill::Error> {
/// # let path = std::env::temp_dir().join("downhill").join("loss.svg");
/// let losses: Vec<f32> = (0..50).map(|epoch| (-0.2 * epoch as f32).exp()).collect();
/// let series = [Series::epochs("training", losses).mark(Best::Least)];
/// curves(&path, &series, Curves { title: "Loss", log: true, ..Curves::default() })?;
/// # Ok(())
/// # }
/// ```
pub fn curves(path: impl AsRef<Path>, series: &[Series<'_>], options: Curves<'_>) -> Result<(), Error> {
    let complain = |message: String| Error::Usage { message, help: "give each series its points".into() };
    if series.is_empty() {
        return Err(complain("curves of no series were asked for".into()));
    }
    if let Some(empty) = series.iter().find(|series| series.points.is_empty()) {
        return Err(complain(format!("series `{}` has no points", empty.name)));
    }

    // A point counts if both of its numbers have a place: half a point must not stretch an axis.
    let placed = |&(x, y): &(f64, f64)| {
        let fits = |number: f64, log: bool| number.is_finite() && (!log || number > 0.0);
        fits(x, options.log_x) && fits(y, options.log)
    };
    let points: Vec<(f64, f64)> =
        series.iter().flat_map(|series| series.points.iter().copied().filter(placed)).collect();
    if points.is_empty() {
        return Err(complain("no point of the series has a place on the axes: finite, and positive where an axis has powers of ten".into()));
    }
    let x = Axis::around(points.iter().map(|point| point.0), options.log_x, options.x)?;
    let y = Axis::around(points.iter().map(|point| point.1), options.log, options.y)?;

    let (x_axis, y_axis) = (x.clone(), y.clone());
    let place = |&(x, y): &(f64, f64)| Some((x_axis.place(x)?, y_axis.place(y)?));
    let share = |point: &(f64, f64)| place(point).map(|(x, y)| (x_axis.share(x), y_axis.share(y)));
    paper::chart(path.as_ref(), options.title, (x, y), &Layout::default(), |chart, sheet| {
        for (index, series) in series.iter().enumerate() {
            draw(chart, series, ink::class(index), place)?;
        }
        for (index, series) in series.iter().enumerate() {
            mark(chart, sheet, series, ink::class(index), place)?;
        }
        let entries: Vec<Entry<'_>> =
            series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()).map(entry).collect();
        if entries.is_empty() {
            Ok(())
        } else {
            legend::draw(chart, sheet, &entries, series.iter().flat_map(|series| covered(series, share)))
        }
    })
}

/// Where a series has ink: its points, and places along the lines between them.
fn covered(
    series: &Series<'_>,
    share: impl Fn(&(f64, f64)) -> Option<(f64, f64)>,
) -> impl Iterator<Item = (f64, f64)> {
    let points: Vec<Option<(f64, f64)>> = series.points.iter().map(share).collect();
    let steps = if series.line { 16 } else { 1 };
    (0..points.len() * steps).filter_map(move |at| {
        let (from, part) = (points[at / steps]?, (at % steps) as f64 / steps as f64);
        let to = points.get(at / steps + 1).copied().flatten().unwrap_or(from);
        Some((from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part))
    })
}

fn entry<'a>((index, series): (usize, &Series<'a>)) -> Entry<'a> {
    Entry { name: series.name, colour: ink::class(index), line: series.line }
}

/// Each stretch between gaps is a line.
fn draw(
    chart: &mut Chart<'_, '_>,
    series: &Series<'_>,
    colour: RGBColor,
    place: impl Fn(&(f64, f64)) -> Option<(f64, f64)>,
) -> Drawn {
    let style = ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 3 };
    let places: Vec<Option<(f64, f64)>> = series.points.iter().map(place).collect();
    for stretch in places.split(Option::is_none) {
        let points: Vec<(f64, f64)> = stretch.iter().copied().flatten().collect();
        // A point between two gaps is a dot, or nobody would see it.
        if series.dots || points.len() == 1 {
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 5, style)))?;
        }
        if series.line && points.len() > 1 {
            chart.draw_series([PathElement::new(points, style)])?;
        }
    }
    Ok(())
}

/// A ring around the best point, and its numbers.
fn mark(
    chart: &mut Chart<'_, '_>,
    sheet: &Sheet<'_>,
    series: &Series<'_>,
    colour: RGBColor,
    place: impl Fn(&(f64, f64)) -> Option<(f64, f64)>,
) -> Drawn {
    let Some(best) = series.mark else { return Ok(()) };
    let better = |a: f64, b: f64| if best == Best::Least { a < b } else { a > b };
    let points = series.points.iter().filter_map(|point| Some((*point, place(point)?)));
    let Some(((x, y), at)) = points.reduce(|a, b| if better(b.0.1, a.0.1) { b } else { a }) else {
        return Ok(());
    };

    let ring = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: 3 };
    let words = format!("{} at {}", ticks::number(y, 0.0), ticks::number(x, 0.0));
    // The words stay on the sheet: to the left of a point on the right.
    let (pixel, _) = chart.backend_coord(&at);
    let room = f64::from(sheet.dim_in_pixel().0) - f64::from(pixel) - 40.0;
    let (side, aside) = if room > paper::width(&words) { (HPos::Left, 12) } else { (HPos::Right, -12) };
    let up = if best == Best::Least { -16 } else { 16 };
    let style = paper::text(paper::FONT, colour).pos(Pos::new(side, VPos::Center));
    let ring = EmptyElement::at(at) + Circle::new((0, 0), 9, ring) + Text::new(words, (aside, up), style);
    chart.draw_series(std::iter::once(ring))?;
    Ok(())
}
