//! Lane programs compiled and run against the reference interpreter, and the mathematical functions against f64.

mod bounds;
#[cfg(target_arch = "x86_64")]
mod convention;
mod fixed;
#[path = "../common/golden.rs"]
mod golden;
mod harness;
mod machine;
mod product;
mod random;
