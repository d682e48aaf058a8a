//! Learning rates that change with the steps.
//!
//! A [`Schedule`] is a plain value: it has a rate for every step, in any order, and keeps nothing. [`ReduceOnPlateau`] looks at what came
//! out instead of counting. Nothing is compiled again for another rate.
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
//!     let data = Dataset::new([("x", Tensor::from([[0.0_f32], [1.0], [2.0]])), ("y", Tensor::from([[1.0_f32], [3.0], [5.0]]))])?;
//!     let mut net = Line::new().optimizer(sgd(0.1)).build()?;
//!     let schedule = cosine(0.1, 300).warmup(10, 0.1);
//!
//!     // A rate for each step of an epoch,
//!     for seed in 0..50 {
//!         let rates = schedule.rates(net.steps_made(), data.steps(1));
//!         let options = EpochOptions { learning_rates: Some(&rates), ..EpochOptions::default() };
//!         net.epoch_with(&data, Epoch { batch: 1, seed }, options)?;
//!     }
//!     // or one before each step.
//!     while net.steps_made() < 300 {
//!         net.set_learning_rate(schedule.rate(net.steps_made()))?;
//!         net.step(data.column("x")?, data.column("y")?)?;
//!     }
//!     assert!((net.forward(&[[3.0_f32]])?.item()? - 7.0).abs() < 0.1);
//!     Ok(())
//! }
//! ```

mod one_cycle;
mod curve;
mod plateau;

pub use self::curve::{
    Schedule, constant, cosine, cosine_restarts, custom, exponential, linear, milestones, one_cycle,
    polynomial, step,
};
pub use self::one_cycle::OneCycle;
pub use self::plateau::ReduceOnPlateau;
