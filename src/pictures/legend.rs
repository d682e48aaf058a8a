//! The names of series, in the corner of a chart that has the fewest points.

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

/// Draws a box with a row for each series.
pub(super) fn draw(
    chart: &Chart<'_, '_>,
    sheet: &Sheet<'_>,
    entries: &[Entry<'_>],
    corner: (bool, bool),
) -> Drawn {
    let widest = entries.iter().map(|entry| paper::width(entry.name)).fold(0.0, f64::max);
    let (width, height) = (widest as i32 + SAMPLE + MARGIN, entries.len() as i32 * ROW + 12);
    let (across, down) = chart.plotting_area().get_pixel_range();
    let left = if corner.0 { across.end - MARGIN - width } else { across.start + MARGIN };
    let top = if corner.1 { down.start + MARGIN } else { down.end - MARGIN - height };

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

/// Right or left, and above or below: where the fewest points are, given as shares of the axes.
pub(super) fn emptiest_corner(points: impl Iterator<Item = (f64, f64)>) -> (bool, bool) {
    let corners = [(true, true), (true, false), (false, true), (false, false)];
    let mut counts = [0_usize; 4];
    for (x, y) in points {
        for (count, (right, above)) in counts.iter_mut().zip(corners) {
            let inside =
                (if right { x > 0.55 } else { x < 0.45 }) && (if above { y > 0.65 } else { y < 0.35 });
            *count += usize::from(inside);
        }
    }
    let emptiest = (0..corners.len()).min_by_key(|&corner| counts[corner]);
    emptiest.map_or(corners[0], |corner| corners[corner])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_no_points_are() {
        let falling = (0..50).map(|i| (f64::from(i) / 50.0, (-0.2 * f64::from(i)).exp()));
        assert_eq!(emptiest_corner(falling), (true, true));
        let rising = (0..50).map(|i| (f64::from(i) / 50.0, 1.0 - (-0.2 * f64::from(i)).exp()));
        assert_eq!(emptiest_corner(rising), (true, false));
    }
}
