//! Pictures of what happened: charts as SVG and grids of pictures as PNG, with the feature `pictures`.
//!
//! In: numbers, tensors, a path. Out: a file, whole or not at all; folders that are missing are made. Each function has a struct of
//! options whose `Default` is a picture worth showing. What is NaN or infinite is a gap in a curve, is left out of a histogram and
//! counted in its title, and is magenta wherever it has a cell.
//!
//! ```
//! use downhill::pictures::{Best, Curves, Series, curves};
//!
//! # fn main() -> Result<(), downhill::Error> {
//! let training = [0.69, 0.41, 0.22, 0.12, 0.07];
//! let validation = [0.70, 0.45, 0.31, 0.33, 0.38];
//! let series = [Series::epochs("training", training), Series::epochs("validation", validation).mark(Best::Least)];
//! let path = std::env::temp_dir().join("downhill").join("curves.svg");
//! curves(&path, &series, Curves { title: "Loss", y: "cross entropy", ..Curves::default() })?;
//! assert!(std::fs::read_to_string(path).is_ok_and(|svg| svg.contains("validation")));
//! # Ok(())
//! # }
//! ```

mod ink;
mod ticks;
mod axis;
mod paper;
mod legend;
mod series;
mod cells;
mod map;
mod confused;
mod contour;
mod plane;
mod bars;
mod mosaic;

pub use bars::{Histogram, histogram};
pub use confused::{Confusion, confusion};
pub use map::{Colours, HeatMap, heat_map};
pub use mosaic::{Grid, grid};
pub use plane::{Boundary, boundary};
pub use series::{Best, Curves, Series, curves};
