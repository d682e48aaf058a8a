//! Long short-term memory: over time, and one step of it.

use super::recurrent::{Recurred, Recurrent, recur, split, stepped};
use super::recurrent_rows::{BIASED, BIDIRECTIONAL, DROPPED, LAYERED, START, STEPS, options, several, units};
use super::recurrent_weights::Cell;
use crate::activations::sigmoid;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Several, X, given, optional, row_of_several};
use crate::value::{add, multiply, tanh};
use downhill_graph::dim::Dim;
use std::borrow::Borrow;

/// Long short-term memory (Hochreiter and Schmidhuber: Long Short-Term Memory; Neural Computation 9, 1997), as PyTorch's `LSTM` with
/// `batch_first`. At each step
///
/// ```text
/// i, f, g, o = σ, σ, tanh, σ of (x·weight_ih + bias_ih + h·weight_hh + bias_hh)
/// c = f·c + i·g
/// h = o·tanh(c)
/// ```
///
/// With a `proj_size`, h = (o·tanh(c))·weight_hr is so narrow (Sak, Senior, Beaufays: Long Short-Term Memory Based Recurrent Neural Network
/// Architectures; 2014).
///
/// # Shapes
/// `[batch, time, n]` to `[batch, time, units]`, in both directions `[batch, time, 2·units]`. `start` is h and c before the first step,
/// zeros where it is left out, each `[batch, units]`, or `[layers·directions, batch, units]` of several layers or directions; so are the
/// last ones. h and the outputs have `proj_size` in the place of `units`, where it is given. Parameters are PyTorch's under their names, `weight_ih_l0`, …, with weights turned: `[n, 4·units]`, the gates in the order
/// above. They start uniform in ±1/√units.
///
/// # Errors
/// Operands of other shapes or types, no units, no layers, a rate of dropout outside of 0 to 1, a `proj_size` that is not below `units`.
pub fn lstm(
    x: impl Borrow<Value>,
    units: impl Into<Dim>,
    start: [Option<Value>; 2],
    options: &Recurrent,
) -> Recurred {
    recur(x.borrow(), &units.into(), &LSTM, &start, options)
}

/// One step of an [`lstm`] of one layer: PyTorch's `LSTMCell`. Gives the next h and c.
///
/// # Shapes
/// x is `[batch, n]`; h and c are `[batch, units]`.
///
/// # Errors
/// Operands of other shapes or types.
pub fn lstm_cell(
    x: impl Borrow<Value>,
    h: impl Borrow<Value>,
    c: impl Borrow<Value>,
    bias: bool,
) -> [Value; 2] {
    stepped(&Cell { user: "lstm_cell", ..LSTM }, x.borrow(), [h.borrow(), c.borrow()], bias)
}

const LSTM: Cell = Cell { user: "lstm", states: &["h", "c"], gates: 4, separate: false, next };

fn next(given: &Value, from_state: &Value, states: &[Value]) -> Vec<Value> {
    let [input, forget, cell, output] = split(&add(given, from_state), &states[1]);
    let c = add(multiply(sigmoid(forget), &states[1]), multiply(sigmoid(input), tanh(cell)));
    vec![multiply(sigmoid(output), tanh(&c)), c]
}

fn lstm_row(builder: &Builder, given: &Arguments<'_>) -> Several {
    let Some(units) = units(given) else { return several(builder, 3) };
    let start = ["h", "c"].map(|name| given.optional_tensor(name).cloned());
    let options = Recurrent { proj_size: given.dim("proj_size").cloned(), ..options(given) };
    let Recurred { output, last } = lstm(given.tensor("x"), units.clone(), start, &options);
    Several { values: [vec![output], last].concat(), least: 1 }
}

fn lstm_cell_row(_: &Builder, given: &Arguments<'_>) -> Several {
    let [h, c] = lstm_cell(given.tensor("x"), given.tensor("h"), given.tensor("c"), given.flag("bias"));
    Several { values: vec![h, c], least: 2 }
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row_of_several(
        "lstm",
        &[
            X,
            given("units", Kind::Dim),
            LAYERED,
            BIDIRECTIONAL,
            START,
            optional("c", Kind::Tensor, Default::Unset("zeros")),
            STEPS,
            DROPPED,
            BIASED,
            optional("proj_size", Kind::Dim, Default::Unset("units")),
        ],
        "long short-term memory over [batch, time, n]: its outputs, and behind them the last h and c",
        lstm_row,
    ),
    row_of_several(
        "lstm_cell",
        &[X, given("h", Kind::Tensor), given("c", Kind::Tensor), BIASED],
        "one step of long short-term memory: the next h and c",
        lstm_cell_row,
    ),
];
