//! The names of series, at the edge of a chart where the fewest points are.

use super::ink;
use super::paper::{self, Chart, Drawn, Sheet};
use plotters::element::Circle;
use plotters::prelude::{Color, PathElement, Rectangle};
use plotters::style::text_anchor::HPos;
use plotters::style::{RGBColor, ShapeStyle};

/// A series' name, its colour, and whether it is a line.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) colour: RGBColor,
    pub(super) line: bool,
}

const ROW: i32 = 32;
const MARGIN: i32 = 16;
/// The room of a sample of the line.
const SAMPLE: i32 = 52;

/// Draws a box with a row for each series, where the fewest of these points are, which are shares of the axes.
pub(super) fn draw(
    chart: &Chart<'_, '_>,
    sheet: &Sheet<'_>,
    entries: &[Entry<'_>],
    points: impl Iterator<Item = (f64, f64)>,
) -> Drawn {
    let widest = entries.iter().map(|entry| paper::width(entry.name)).fold(0.0, f64::max);
    let (width, height) = (widest as i32 + SAMPLE + MARGIN, entries.len() as i32 * ROW + 12);
    let (across, down) = chart.plotting_area().get_pixel_range();
    let room = (across.end - across.start - 2 * MARGIN - width, down.end - down.start - 2 * MARGIN - height);
    let share =
        |pixels: i32, range: &std::ops::Range<i32>| f64::from(pixels) / f64::from(range.end - range.start);
    let (right, above) =
        emptiest(points, (share(width + 2 * MARGIN, &across), share(height + 2 * MARGIN, &down)));
    let left = across.start + MARGIN + (right * f64::from(room.0)) as i32;
    let top = down.start + MARGIN + ((1.0 - above) * f64::from(room.1)) as i32;

    let ground = [(left, top), (left + width, top + height)];
    sheet.draw(&Rectangle::new(ground, ink::PAPER.mix(0.85).filled()))?;
    sheet.draw(&Rectangle::new(ground, ink::MESH))?;
    for (row, entry) in entries.iter().enumerate() {
        let middle = top + 6 + ROW / 2 + row as i32 * ROW;
        let style = ShapeStyle { color: entry.colour.to_rgba(), filled: true, stroke_width: 4 };
        if entry.line {
            sheet.draw(&PathElement::new([(left + 12, middle), (left + 42, middle)], style))?;
        } else {
            sheet.draw(&Circle::new((left + 27, middle), 6, style))?;
        }
        let style = paper::text(paper::FONT, ink::TEXT);
        paper::words(sheet, entry.name, (left + SAMPLE, middle), HPos::Left, &style)?;
    }
    Ok(())
}

/// Where a box of this size has the fewest points behind it: how far right and how far up, from 0 to 1.
fn emptiest(points: impl Iterator<Item = (f64, f64)>, (width, height): (f64, f64)) -> (f64, f64) {
    let places =
        [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.5), (0.0, 0.5), (0.5, 1.0), (0.5, 0.0)];
    let mut counts = [0_usize; 8];
    for (x, y) in points {
        for (count, (right, above)) in counts.iter_mut().zip(places) {
            let (left, below) = (right * (1.0 - width), above * (1.0 - height));
            *count +=
                usize::from((left..=left + width).contains(&x) && (below..=below + height).contains(&y));
        }
    }
    let emptiest = (0..places.len()).min_by_key(|&place| counts[place]);
    emptiest.map_or(places[0], |place| places[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_no_points_are() {
        let falling = (0..50).map(|i| (f64::from(i) / 50.0, (-0.2 * f64::from(i)).exp()));
        assert_eq!(emptiest(falling, (0.3, 0.3)), (1.0, 1.0));
        let rising = (0..50).map(|i| (f64::from(i) / 50.0, 1.0 - (-0.2 * f64::from(i)).exp()));
        assert_eq!(emptiest(rising, (0.3, 0.3)), (1.0, 0.0));
    }
}
