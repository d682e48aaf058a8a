//! Straight pieces in place of curves: cheap, and exactly flat outside.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, X, of_one, optional, row};
use crate::value::{add, divide, greater_equal, less_equal, multiply, select};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// min(max(x, 0), 6). Its derivative at 0 and at 6 is 0; NaN passes.
pub fn relu6(x: impl Borrow<Value>) -> Value {
    between(x.borrow(), [0.0, 6.0], |x| x.clone(), [0.0, 6.0])
}

/// min(max(x, `min`), `max`). Its derivative at both is 0; NaN passes.
///
/// # Errors
/// Limits that are not finite, and a `min` that is not below `max`, are mistakes of the declaration.
pub fn hard_tanh(x: impl Borrow<Value>, min: f64, max: f64) -> Value {
    let x = x.borrow();
    for (what, number) in [("`hard_tanh` with a min", min), ("`hard_tanh` with a max", max)] {
        if let Err(error) = check(what, number, Allowed::Finite) {
            return x.builder().fail(error);
        }
    }
    if min >= max {
        let error = Error::new(format!("`hard_tanh` with a min of {min} and a max of {max}"));
        return x.builder().fail(error.help("`min` must be below `max`"));
    }
    between(x, [min, max], |x| x.clone(), [min, max])
}

/// x/6 + ½ between −3 and 3, 0 below and 1 above. Its derivative at both ends is 0.
pub fn hard_sigmoid(x: impl Borrow<Value>) -> Value {
    between(x.borrow(), [-3.0, 3.0], |x| divide(add(x, 3.0), 6.0), [0.0, 1.0])
}

/// x·(x + 3)/6 between −3 and 3, 0 below and x above (Howard et al.: Searching for MobileNetV3; ICCV 2019). Its derivative is 0 at −3 and 1
/// at 3.
pub fn hard_swish(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let middle = divide(multiply(x, add(x, 3.0)), 6.0);
    select(less_equal(x, -3.0), 0.0, select(greater_equal(x, 3.0), x, middle))
}

/// A function between two ends, and the numbers outside them.
fn between(x: &Value, ends: [f64; 2], inside: impl Fn(&Value) -> Value, outside: [f64; 2]) -> Value {
    let upper = select(greater_equal(x, ends[1]), outside[1], inside(x));
    select(less_equal(x, ends[0]), outside[0], upper)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_one!("relu6", relu6, "min(max(x, 0), 6)"),
    of_one!("hard_sigmoid", hard_sigmoid, "x/6 + ½, from 0 to 1"),
    of_one!("hard_swish", hard_swish, "x·hard_sigmoid(x)"),
    row(
        "hard_tanh",
        &[
            X,
            optional("min", Kind::Number, Default::Number(-1.0)),
            optional("max", Kind::Number, Default::Number(1.0)),
        ],
        "x within limits, flat at them",
        |_, given| hard_tanh(given.tensor("x"), given.number("min"), given.number("max")),
    ),
];
