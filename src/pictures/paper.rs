//! What all charts share: a sheet with a title, two axes, and a file in the end.

use super::axis::Axis;
use super::{file, ink};
use downhill_runtime::error::Error;
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Color, DrawingArea, IntoDrawingArea, IntoFont, SVGBackend,
    TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, RGBColor};
use std::path::Path;

pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
pub(super) type Sheet<'b> = DrawingArea<SVGBackend<'b>, Shift>;
/// The SVG is made in memory: nothing but the text of downhill's own charts can fail there.
pub(super) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

pub(super) const FONT: f64 = 24.0;
/// About the width of a letter, of which text is taken to be made.
const LETTER: f64 = 0.48;

/// The sizes around the plot, and whether there are lines behind it.
pub(super) struct Layout {
    pub(super) size: (u32, u32),
    pub(super) right: u32,
    pub(super) mesh: bool,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout { size: (1200, 750), right: 40, mesh: true }
    }
}

/// Draws the axes, then what `draw` adds, and writes the file.
pub(super) fn chart(
    path: &Path,
    title: &str,
    (x, y): (Axis, Axis),
    layout: &Layout,
    draw: impl FnOnce(&mut Chart<'_, '_>, &Sheet<'_>) -> Drawn,
) -> Result<(), Error> {
    let mut svg = String::new();
    let drawn = on_sheet(&mut svg, title, (x, y), layout, draw);
    drawn.map_err(|error| Error::Usage {
        message: format!("the chart of `{}` could not be drawn: {error}", path.display()),
        help: "this is a bug of downhill's; please report it".into(),
    })?;
    // Cells that touch show no seams, whatever size the picture is shown at.
    let svg = svg.replace("<rect ", "<rect shape-rendering=\"crispEdges\" ");
    file::write(path, svg.as_bytes())
}

fn on_sheet(
    svg: &mut String,
    title: &str,
    (x, y): (Axis, Axis),
    layout: &Layout,
    draw: impl FnOnce(&mut Chart<'_, '_>, &Sheet<'_>) -> Drawn,
) -> Drawn {
    let sheet = SVGBackend::with_string(svg, layout.size).into_drawing_area();
    sheet.fill(&ink::PAPER)?;

    let upright = !fits(&x, layout);
    let (slanted, x) = if upright { (x.ticks().to_vec(), x.without_ticks()) } else { (Vec::new(), x) };
    let below = slanted.iter().map(|tick| width(&tick.label)).fold(32.0, f64::max);
    let beside = y.ticks().iter().map(|tick| width(&tick.label)).fold(0.0, f64::max);
    let titles = (if x.title.is_empty() { 12.0 } else { 44.0 }, if y.title.is_empty() { 20.0 } else { 54.0 });
    let (x_title, y_title) = (plain(&x.title), plain(&y.title));

    let mut builder = ChartBuilder::on(&sheet);
    builder.margin(16).margin_right(layout.right);
    builder.x_label_area_size((below + titles.0) as u32).y_label_area_size((beside + titles.1) as u32);
    if !title.is_empty() {
        builder.caption(plain(title), text(FONT * 1.25, ink::TEXT));
    }
    let mut chart = builder.build_cartesian_2d(x, y)?;

    let mut mesh = chart.configure_mesh();
    if !layout.mesh {
        mesh.disable_mesh();
    }
    mesh.bold_line_style(ink::MESH).light_line_style(ink::FAINT_MESH).axis_style(ink::AXIS);
    mesh.label_style(text(FONT, ink::TEXT)).axis_desc_style(text(FONT, ink::TEXT));
    mesh.x_desc(x_title).y_desc(y_title).draw()?;

    draw(&mut chart, &sheet)?;
    names_upright(&chart, &sheet, &slanted)?;
    sheet.present()
}

/// Names that have no room beside each other stand upright, ending at the axis.
fn names_upright(chart: &Chart<'_, '_>, sheet: &Sheet<'_>, ticks: &[super::ticks::Tick]) -> Drawn {
    let style = text(FONT, ink::TEXT).transform(FontTransform::Rotate270);
    let style = style.pos(Pos::new(HPos::Right, VPos::Center));
    let (_, down) = chart.plotting_area().get_pixel_range();
    for tick in ticks {
        let (across, _) = chart.backend_coord(&(tick.at, 0.0));
        sheet.draw_text(&plain(&tick.label), &style, (across, down.end + 10))?;
    }
    Ok(())
}

/// Whether the names of an axis stand beside each other without touching.
fn fits(x: &Axis, layout: &Layout) -> bool {
    let room = f64::from(layout.size.0 - layout.right) - 110.0;
    let widest = x.ticks().iter().map(|tick| width(&tick.label)).fold(0.0, f64::max);
    (widest + 8.0) * x.ticks().len() as f64 <= room
}

pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * FONT * LETTER
}

/// What XML can hold: control characters have no place in it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn text(size: f64, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour.to_rgba())
}

/// Words on the sheet, at a place in pixels.
pub(super) fn words(
    sheet: &Sheet<'_>,
    words: &str,
    at: (i32, i32),
    side: HPos,
    style: &TextStyle<'_>,
) -> Drawn {
    sheet.draw_text(&plain(words), &style.pos(Pos::new(side, VPos::Center)), at)
}
