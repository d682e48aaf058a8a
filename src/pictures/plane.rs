//! What a classifier says of a plane: its decision boundary.

use super::axis::Axis;
use super::paper::{self, Chart, Drawn, Layout};
use super::{cells, contour, ink};
use crate::mistake::misuse;
use downhill_graph::tensor::Tensor;
use downhill_runtime::error::Error;
use plotters::element::Circle;
use plotters::prelude::{Color, PathElement};
use plotters::style::{RGBColor, ShapeStyle};
use std::path::Path;

/// How a decision [`boundary`] is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary<'a> {
    /// Above the picture.
    pub title: &'a str,
    /// What is across.
    pub x: &'a str,
    /// What is up.
    pub y: &'a str,
    /// From where to where, across and up; around the points, unless given.
    pub range: Option<[(f64, f64); 2]>,
    /// At so many places along each side is the classifier asked.
    pub cells: usize,
}

impl Default for Boundary<'_> {
    fn default() -> Self {
        Boundary { title: "", x: "", y: "", range: None, cells: 100 }
    }
}

/// Draws what a classifier says everywhere on a plane, the line where it changes its mind, and points of known class, into an SVG file. A
/// point that it takes for another class has a black ring.
///
/// # Shapes
/// Points `[n, 2]`, f32; labels `[n]`, i32, or `[n, 1]`, f32, of 0 and 1. `predict` is given places `[m, 2]` and gives probabilities of class 1,
/// `[m]` or `[m, 1]`, or scores `[m, classes]`, of which the greatest tells the class.
///
/// # Errors
/// Other shapes and types, or no points; a range that is none; fewer than 2 cells or more than 1,000; what `predict` fails with; a file that
/// cannot be written.
///
/// # Examples
/// ```
/// use downhill::pictures::{Boundary, boundary};
/// use downhill::prelude::*;
///
/// # fn main() -> Result<(), downhill::Error> {
/// # let path = std::env::temp_dir().join("downhill").join("boundary.svg");
/// let points = Tensor::from([[0.0_f32, 0.0], [1.0, 0.5], [0.2, 0.9]]);
/// let labels = Tensor::from([0, 1, 0]);
/// // `|places| net.forward(places)` for a network.
/// let predict = |places: &Tensor| {
///     let p = places.as_f32()?.chunks(2).map(|place| 1.0 / (1.0 + (4.0 - 8.0 * place[0]).exp()));
///     Ok(Tensor::from(p.collect::<Vec<f32>>()))
/// };
/// boundary(&path, &points, &labels, predict, Boundary { title: "Left and right", ..Boundary::default() })?;
/// # Ok(())
/// # }
/// ```
pub fn boundary(
    path: impl AsRef<Path>,
    points: &Tensor,
    labels: &Tensor,
    mut predict: impl FnMut(&Tensor) -> Result<Tensor, Error>,
    options: Boundary<'_>,
) -> Result<(), Error> {
    let (places, classes) = (pairs(points)?, classes(labels)?);
    if places.len() != classes.len() {
        return Err(misuse(
            format!("{} points were given with {} labels", places.len(), classes.len()),
            "give a label for each point",
        ));
    }
    if !(2..=1000).contains(&options.cells) {
        let message = format!("a boundary of {0} by {0} cells was asked for", options.cells);
        return Err(misuse(message, "give 2 to 1,000; 100 are enough for most"));
    }

    let (x, y) = axes(&places, options)?;
    let grid = grid(&x, &y, options.cells);
    let said = Said::of(&predict(&Tensor::from(grid))?, options.cells * options.cells)?;
    let said_of_points = Said::of(&predict(points)?, places.len())?;

    let layout = Layout { size: (900, 820), right: 40, mesh: false };
    let (x_edges, y_edges) = (edges(&x, options.cells), edges(&y, options.cells));
    paper::chart(path.as_ref(), options.title, (x, y), &layout, |chart, _| {
        let colours: Vec<RGBColor> = (0..options.cells * options.cells).map(|at| said.colour(at)).collect();
        cells::paint(chart, &colours, options.cells, |column, row| {
            (x_edges(column as f64), y_edges(row as f64))
        })?;
        for field in said.fields() {
            let pieces = contour::zero(&field, options.cells).into_iter();
            // The classifier was asked in the middles of cells.
            let pieces = pieces.map(|ends| ends.map(|(x, y)| (x_edges(x + 0.5), y_edges(y + 0.5))));
            let line = ShapeStyle { color: ink::TEXT.to_rgba(), filled: true, stroke_width: 2 };
            chart.draw_series(pieces.map(|ends| PathElement::new(ends, line)))?;
        }
        for (at, &(x, y)) in places.iter().enumerate() {
            if x.is_finite() && y.is_finite() {
                dot(chart, (x, y), classes[at], said_of_points.class(at) == Some(classes[at]))?;
            }
        }
        Ok(())
    })
}

fn pairs(points: &Tensor) -> Result<Vec<(f64, f64)>, Error> {
    let numbers = points.as_f32()?;
    match *points.shape() {
        [_, 2] if !points.is_empty() => {
            Ok(numbers.chunks(2).map(|pair| (f64::from(pair[0]), f64::from(pair[1]))).collect())
        }
        _ => Err(misuse(
            format!("points of shape {:?} were given", points.shape()),
            "give two numbers for each of one or more points: [n, 2]",
        )),
    }
}

fn classes(labels: &Tensor) -> Result<Vec<usize>, Error> {
    let class = |&label: &f64| if label >= 0.0 && label.fract() == 0.0 { Some(label as usize) } else { None };
    let classes: Option<Vec<usize>> = labels.to_f64_vec().iter().map(class).collect();
    match (classes, labels.shape()) {
        (Some(classes), [_] | [_, 1]) => Ok(classes),
        (None, [_] | [_, 1]) => Err(misuse("a label is no class", "classes are 0, 1, 2, …")),
        (_, shape) => Err(misuse(format!("labels of shape {shape:?} were given"), "give one for each point")),
    }
}

fn axes(places: &[(f64, f64)], options: Boundary<'_>) -> Result<(Axis, Axis), Error> {
    if let Some([x, y]) = options.range {
        if !(x.0 < x.1 && y.0 < y.1) {
            return Err(misuse(
                format!("a boundary over {x:?} by {y:?} was asked for"),
                "give the lesser number first",
            ));
        }
        return Ok((Axis::between(x.0, x.1, false, options.x)?, Axis::between(y.0, y.1, false, options.y)?));
    }
    let x = Axis::around(places.iter().map(|place| place.0), false, options.x)?;
    Ok((x, Axis::around(places.iter().map(|place| place.1), false, options.y)?))
}

/// Where the cell at a position begins, along an axis.
fn edges(axis: &Axis, cells: usize) -> impl Fn(f64) -> f64 + use<> {
    let (low, high) = axis.ends();
    move |position| low + (high - low) * position / cells as f64
}

/// The middles of all cells, by rows from below.
fn grid(x: &Axis, y: &Axis, cells: usize) -> Vec<[f32; 2]> {
    let (x, y) = (edges(x, cells), edges(y, cells));
    let place = |at: usize| [x((at % cells) as f64 + 0.5) as f32, y((at / cells) as f64 + 0.5) as f32];
    (0..cells * cells).map(place).collect()
}

/// What was said of places: scores of classes, by places.
struct Said {
    scores: Vec<f64>,
    classes: usize,
    /// Scores are 1 − p and p.
    probability: bool,
}

impl Said {
    fn of(predicted: &Tensor, places: usize) -> Result<Said, Error> {
        let numbers = predicted.to_f64_vec();
        match *predicted.shape() {
            [rows] | [rows, 1] if rows == places => {
                let scores = numbers.iter().flat_map(|p| [1.0 - p, *p]).collect();
                Ok(Said { scores, classes: 2, probability: true })
            }
            [rows, classes] if rows == places && classes > 1 => {
                Ok(Said { scores: numbers, classes, probability: false })
            }
            _ => Err(misuse(
                format!("predictions of shape {:?} were made for {places} places", predicted.shape()),
                "give a probability for each, or a score for each class",
            )),
        }
    }

    fn scores(&self, place: usize) -> &[f64] {
        &self.scores[place * self.classes..][..self.classes]
    }

    /// The first of the greatest scores; `None` where one is NaN.
    fn class(&self, place: usize) -> Option<usize> {
        let scores = self.scores(place);
        let best =
            (0..scores.len()).reduce(|best, class| if scores[class] > scores[best] { class } else { best });
        best.filter(|_| scores.iter().all(|score| !score.is_nan()))
    }

    /// Paler where the classifier is less sure, if it says how sure it is.
    fn colour(&self, place: usize) -> RGBColor {
        let Some(class) = self.class(place) else { return ink::BROKEN };
        // In a few steps, so that neighbours are alike and the file stays small.
        let sure =
            if self.probability { ((self.scores(place)[class] - 0.5) * 16.0).round() / 8.0 } else { 0.8 };
        ink::mix(ink::PAPER, ink::class(class), 0.08 + 0.42 * sure)
    }

    /// For each class but one, by how much its score is above all others': zero is where the class ends.
    fn fields(&self) -> impl Iterator<Item = Vec<f64>> + '_ {
        let places = self.scores.len() / self.classes;
        (1..self.classes).map(move |class| {
            let above = |place: usize| {
                let scores = self.scores(place);
                let others = (0..self.classes).filter(|&other| other != class).map(|other| scores[other]);
                scores[class] - others.fold(f64::NEG_INFINITY, f64::max)
            };
            (0..places).map(above).collect()
        })
    }
}

/// A point in its class's colour; with a black ring where it is taken for another.
fn dot(chart: &mut Chart<'_, '_>, at: (f64, f64), class: usize, right: bool) -> Drawn {
    let (rim, radius) = if right { (ink::PAPER, 6) } else { (ink::TEXT, 8) };
    let filled = |colour: RGBColor| ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 1 };
    chart
        .draw_series([Circle::new(at, radius, filled(rim)), Circle::new(at, 5, filled(ink::class(class)))])?;
    Ok(())
}
