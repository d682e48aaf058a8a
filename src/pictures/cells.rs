//! Rectangles of colour side by side: what heat maps, confusion matrices and decision boundaries are painted with.

use super::paper::{self, Chart, Drawn, Sheet};
use super::{ink, ticks};
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use plotters::prelude::{Color, Rectangle};
use plotters::style::RGBColor;
use plotters::style::text_anchor::HPos;

/// Names longer than this leave no room for what they name.
const LONGEST: usize = 30;

/// More cells than a screen has pixels make a file that nothing opens.
const MOST: usize = 1_000_000;

/// The numbers of a matrix by rows, with its rows and columns.
pub(super) fn matrix(values: &Tensor, what: &str) -> Result<(Vec<f64>, usize, usize), Error> {
    let complain = |help: &str| Error::Usage {
        message: format!("{what} of shape {:?} was to be drawn", values.shape()),
        help: help.into(),
    };
    match *values.shape() {
        [rows, columns] if values.is_empty() => {
            Err(complain(&format!("it has {rows} rows and {columns} columns, so there is nothing to see")))
        }
        [_, _] if values.len() > MOST => {
            Err(complain("draw a part of it, or means: at most 1,000,000 cells are drawn"))
        }
        [rows, columns] => Ok((values.to_f64_vec(), rows, columns)),
        _ => Err(complain("give two axes: rows and columns")),
    }
}

/// The names of positions, or their numbers where there are too many to be written each.
pub(super) fn names(given: &[String], count: usize, what: &str) -> Result<Vec<String>, Error> {
    if !given.is_empty() && given.len() != count {
        return Err(Error::Usage {
            message: format!("{} names were given for {count} {what}", given.len()),
            help: "give one each, or none for their numbers".into(),
        });
    }
    let each = count.div_ceil(if given.is_empty() { 16 } else { 30 });
    let name =
        |at: usize| given.get(at).map_or_else(|| at.to_string(), |name| paper::shortened(name, LONGEST));
    // An axis shows no name that is empty.
    Ok((0..count).map(|at| if at % each == 0 { name(at) } else { String::new() }).collect())
}

/// Paints a colour for each cell, by rows; `edge` says where cells begin. Equal neighbours in a row become one rectangle.
pub(super) fn paint(
    chart: &mut Chart<'_, '_>,
    colours: &[RGBColor],
    columns: usize,
    edge: impl Fn(usize, usize) -> (f64, f64),
) -> Drawn {
    let mut rectangles = Vec::new();
    for (row, colours) in colours.chunks(columns).enumerate() {
        let mut column = 0;
        for same in colours.chunk_by(|a, b| a == b) {
            let corners = [edge(column, row), edge(column + same.len(), row + 1)];
            rectangles.push(Rectangle::new(corners, same[0].filled()));
            column += same.len();
        }
    }
    chart.draw_series(rectangles)?;
    Ok(())
}

/// Words in the middles of cells, read on their colours.
pub(super) fn write(
    chart: &Chart<'_, '_>,
    sheet: &Sheet<'_>,
    texts: &[String],
    colours: &[RGBColor],
    columns: usize,
) -> Drawn {
    // How far a cell is from the next, across and down.
    let (first, next) = (chart.backend_coord(&(0.0, 0.0)), chart.backend_coord(&(1.0, 1.0)));
    let (across, down) = (f64::from((next.0 - first.0).abs()), f64::from((next.1 - first.1).abs()));
    let widest = texts.iter().map(|text| paper::width(text)).fold(1.0, f64::max);
    let size = (paper::FONT * (across * 0.8 / widest).min(1.0)).min(down * 0.7);
    // Letters this small are no longer read.
    if size < 7.0 {
        return Ok(());
    }
    for (at, (text, &colour)) in texts.iter().zip(colours).enumerate() {
        let middle = chart.backend_coord(&((at % columns) as f64, (at / columns) as f64));
        paper::words(sheet, text, middle, HPos::Center, &paper::text(size, ink::on(colour)))?;
    }
    Ok(())
}

/// The scale of colours beside the plot, from `low` below to `high` above.
pub(super) fn scale(
    chart: &Chart<'_, '_>,
    sheet: &Sheet<'_>,
    (low, high): (f64, f64),
    colour: impl Fn(f64) -> RGBColor,
) -> Drawn {
    const STRIPS: i32 = 100;
    let (across, down) = chart.plotting_area().get_pixel_range();
    let (left, height) = (across.end + 24, down.end - down.start);
    let edge = |strip: i32| down.end - height * strip / STRIPS;
    for strip in 0..STRIPS {
        let colour = colour((f64::from(strip) + 0.5) / f64::from(STRIPS)).filled();
        sheet.draw(&Rectangle::new([(left, edge(strip + 1)), (left + 26, edge(strip))], colour))?;
    }
    for tick in ticks::linear(low, high, 5) {
        let share = if high > low { (tick.at - low) / (high - low) } else { 0.5 };
        let at = (left + 34, down.end - (share * f64::from(height)).round() as i32);
        paper::words(sheet, &tick.label, at, HPos::Left, &paper::text(paper::FONT, ink::TEXT))?;
    }
    Ok(())
}
