//! Lane programs compiled and run against the reference interpreter, and the mathematical functions against f64.

mod bounds;
mod fixed;
mod harness;
mod product;
mod random;
