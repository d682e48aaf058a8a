//! Hyper-parameters: which settings train best.
//!
//! In: axes (how many layers, which activation, what rate), a method, and a function that trains with a trial's settings and gives its error
//! on validation data. Out: [`Findings`], a table of all trials, the best first. Examine the best on test data that no trial has seen.
//!
//! [`Search::halving`] gives bad trials up early instead of training all to the end.
//!
//! Settings depend on the seed and the number of the trial alone, so results do not depend on the number of threads, and a search that is
//! resumed from its table goes on as if it had never ended.
//!
//! # Examples
//! ```
//! use downhill::prelude::*;
//! use downhill::search::{Method, Search, choice, log, whole};
//!
//! network! {
//!     Mlp(widths: Vec<usize>) {
//!         input  x: [batch, 1];
//!         target y: [batch, 1];
//!         let h = x;
//!         for width in widths {
//!             h = tanh(linear(h, width));
//!         }
//!         output p = linear(h, 1);
//!         loss squared_error(p, y);
//!     }
//! }
//!
//! fn main() -> Result<(), downhill::Error> {
//!     let x: Vec<f32> = (0..64).map(|n| n as f32 / 16.0 - 2.0).collect();
//!     let y: Vec<f32> = x.iter().map(|x| (2.0 * x).sin()).collect();
//!     let data = Dataset::new([("x", Tensor::new([64, 1], x)?), ("y", Tensor::new([64, 1], y)?)])?;
//!     let (training, validation) = split(&data, 0.25, 1)?;
//!
//!     let search = Search::new([("layers", whole(1..=2)), ("rate", log(1e-3..=0.1)), ("rule", choice(["adam", "sgd"]))])?;
//!     let findings = search.run(Method::Random(8), |trial| {
//!         let rate = trial.number("rate")?;
//!         let build = Mlp::new(vec![16; trial.whole("layers")?]).seed(1);
//!         let mut net = match trial.choice("rule")? {
//!             "adam" => build.optimizer(adam(rate)).build()?,
//!             _ => build.optimizer(sgd(rate)).build()?,
//!         };
//!         net.fit(&training, Fit { epochs: 10, ..Fit::default() })?;
//!         Ok(net.evaluate(&validation)?.loss())
//!     })?;
//!     println!("{findings}");
//!     let best = findings.best().expect("eight trials");
//!     assert!(best.error.is_finite() && best.trial.whole("layers")? <= 2);
//!     Ok(())
//! }
//! ```

mod draws;
mod trial;
mod axis;
mod findings;
mod grid;
mod tpe;
mod table;
mod searching;
mod halving;

pub use self::axis::{Axis, choice, log, number, whole};
pub use self::findings::{Finding, Findings};
pub use self::searching::{Method, Search};
pub use self::trial::{Setting, Trial};
