//! What takes small magnitudes away.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, Parameter, X, of_one, optional, row};
use crate::value::{abs, add, less, less_equal, select, subtract, tanh};
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// x nearer to 0 by `lambda`, and 0 where |x| ≤ `lambda`: the proximal operator of λ·|x|. Its derivative at ±`lambda` is 0; NaN passes.
///
/// # Errors
/// A `lambda` that is negative or not finite is a mistake of the declaration.
pub fn soft_shrink(x: impl Borrow<Value>, lambda: f64) -> Value {
    let x = x.borrow();
    match check("`soft_shrink` with a lambda", lambda, Allowed::FromZero) {
        Ok(()) => {
            let outside = select(less(x, 0.0), add(x, lambda), subtract(x, lambda));
            select(less_equal(abs(x), lambda), 0.0, outside)
        }
        Err(error) => x.builder().fail(error),
    }
}

/// x, and 0 where |x| ≤ `lambda`. Its derivative at ±`lambda` is 0; NaN passes.
///
/// # Errors
/// A `lambda` that is negative or not finite is a mistake of the declaration.
pub fn hard_shrink(x: impl Borrow<Value>, lambda: f64) -> Value {
    let x = x.borrow();
    match check("`hard_shrink` with a lambda", lambda, Allowed::FromZero) {
        Ok(()) => select(less_equal(abs(x), lambda), 0.0, x),
        Err(error) => x.builder().fail(error),
    }
}

/// x − tanh x. Near 0, where the two are nearly equal, it is x³/3 − 2x⁵/15 + 17x⁷/315 − …, which keeps its bits; so does its gradient.
pub fn tanh_shrink(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let square = x * x;
    let series = SERIES.iter().rev().fold(x.builder().constant(0.0), |sum, &term| &square * sum + term);
    select(less(abs(x), 0.5), x * &square * series, subtract(x, tanh(x)))
}

/// The terms of (x − tanh x)/x³ in x²: those of −tanh, from Bernoulli's numbers. Those left out are below 10⁻¹⁴ within ±½.
const SERIES: [f64; 14] = [
    1.0 / 3.0,
    -2.0 / 15.0,
    17.0 / 315.0,
    -62.0 / 2_835.0,
    1_382.0 / 155_925.0,
    -21_844.0 / 6_081_075.0,
    929_569.0 / 638_512_875.0,
    -6_404_582.0 / 10_854_718_875.0,
    443_861_162.0 / 1_856_156_927_625.0,
    -18_888_466_084.0 / 194_896_477_400_625.0,
    3.927_832_388_331_683e-5,
    -1.591_890_506_932_896_4e-5,
    6.451_689_215_655_431e-6,
    -2.614_771_151_290_754_6e-6,
];

const LAMBDA: Parameter<'static> = optional("lambda", Kind::Number, Default::Number(0.5));

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("soft_shrink", &[X, LAMBDA], "x nearer to 0 by lambda", |_, given| {
        soft_shrink(given.tensor("x"), given.number("lambda"))
    }),
    row("hard_shrink", &[X, LAMBDA], "x, and 0 where |x| ≤ lambda", |_, given| {
        hard_shrink(given.tensor("x"), given.number("lambda"))
    }),
    of_one!("tanh_shrink", tanh_shrink, "x − tanh x"),
];
