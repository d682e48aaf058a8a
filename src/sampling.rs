//! The next element of a sequence from scores: the greatest, one drawn at random, or that of the likeliest sequence; and labels read from a
//! sequence that is longer than they are.
//!
//! In: scores, what a network says of each class: logits, or logarithms of probabilities. Out: indices of classes. What is random
//! depends on a seed alone and is the same on every machine. A score of −∞ is a class that never comes.
//!
//! ```
//! use downhill::prelude::*;
//! use downhill::sampling::{Sampling, greedy, sample};
//!
//! # fn main() -> Result<(), downhill::Error> {
//! let scores = Tensor::from([[0.1_f32, 2.0, 0.3], [1.5, 1.4, -3.0]]);
//! assert_eq!(greedy(&scores)?, Tensor::from([1, 0]));
//! let likely = Sampling { temperature: 0.8, top_k: Some(2), ..Sampling::default() };
//! let drawn = sample(&scores, likely, 7)?;
//! assert!(drawn.as_i32()?[1] != 2); // the third is none of the two greatest
//! # Ok(())
//! # }
//! ```

mod rows;
mod choice;
mod beam;
mod ctc;

pub use beam::{Beam, BeamSearch, beam_search};
pub use choice::{Sampling, distribution, greedy, sample};
pub use ctc::{ctc_greedy, ctc_search};
