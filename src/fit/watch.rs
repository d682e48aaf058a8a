//! What judges epochs.

use downhill_runtime::dataset::Dataset;
use downhill_runtime::error::Error;
use downhill_runtime::model::Model;

/// A number that a model is measured by on some data.
pub type Metric<'a> = &'a dyn Fn(&Model, &Dataset) -> Result<f64, Error>;

/// What judges epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// The loss, on the validation data where there is any: the lowest is the best.
    #[default]
    Loss,
    /// The metric: the highest is the best, as of an accuracy.
    Highest,
    /// The metric: the lowest is the best, as of an error.
    Lowest,
}
