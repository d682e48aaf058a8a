//! Random numbers and initial values: Threefry, the same on every machine.
//!
//! In: seed, step, stream and element; or an initializer, a shape and a name. Out: bits; or numbers.
//!
//! Must hold:
//! - a number depends on nothing but its key: no state, no order of drawing, no threads;
//! - a storage's numbers depend on its name, so that another layer beside it changes nothing;
//! - only `libm` and correctly rounded operations are used, never the platform's `ln` or `cos`.

mod threefry;

mod source;
mod numbers;

mod fan;
mod orthogonal;
mod pattern;
mod quantile;

mod initializer;

pub use fan::Fan;
pub use initializer::Initializer;
pub use numbers::{normals, uniforms};
pub use threefry::{Words, random_bits, stream_key, stream_seed, threefry, threefry_of};
