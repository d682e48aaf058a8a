//! Training over epochs: `net.fit(&data, Fit { epochs: 20, batch: 32, ..Fit::default() })?`.
//!
//! In: a model, data to train on and, if wanted, to be judged by. Out: a [`History`], and the model as it was at its best.
//!
//! `fit` is a loop around [`Model::epoch_with`](crate::model::Model::epoch_with) and
//! [`Model::evaluate_loss`](crate::model::Model::evaluate_loss), which you may as well write yourself: with the seeds of
//! [`seed_of`] it gives the same bits.
//!
//! # Examples
//! ```
//! use downhill::prelude::*;
//! use downhill::schedules::cosine;
//!
//! network! {
//!     Line() {
//!         input  x: [batch, 1];
//!         target y: [batch, 1];
//!         output p = linear(x, 1);
//!         loss squared_error(p, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     let x: Vec<f32> = (0..100).map(|n| n as f32 / 50.0 - 1.0).collect();
//!     let y: Vec<f32> = x.iter().map(|x| 3.0 * x + 1.0).collect();
//!     let data = Dataset::new([("x", Tensor::new([100, 1], x)?), ("y", Tensor::new([100, 1], y)?)])?;
//!     let (training, validation) = split(&data, 0.2, 1)?;
//!
//!     let mut net = Line::new().optimizer(sgd(0.1)).build()?;
//!     let options = Fit {
//!         epochs: 50,
//!         batch: 8,
//!         validation: Some(&validation),
//!         patience: Some(5),
//!         schedule: Some(cosine(0.2, 500)),
//!         ..Fit::default()
//!     };
//!     let history = net.fit(&training, options)?;
//!     println!("{history}");
//!     assert!(net.evaluate(&validation)?.loss() < 1e-3);
//!     Ok(())
//! }
//! ```

mod watch;
mod history;
mod progress;
mod options;
mod rows;
mod best;
mod saved;
mod training;

pub use self::history::{Ended, History, Record, Resume};
pub use self::options::{Callback, Fit, Verdict};
pub use self::progress::Progress;
pub use self::rows::seed_of;
pub use self::training::Training;
pub use self::watch::{Metric, Watch};
