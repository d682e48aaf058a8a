//! Gated recurrent units: over time, and one step of them.

use super::recurrent::{Recurred, Recurrent, recur, split, stepped};
use super::recurrent_rows::{BIASED, BIDIRECTIONAL, DROPPED, LAYERED, START, STEPS, options, several, units};
use super::recurrent_weights::Cell;
use crate::activations::sigmoid;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Kind, Several, X, given, row, row_of_several};
use crate::value::{add, multiply, subtract, tanh};
use downhill_graph::dim::Dim;
use std::borrow::Borrow;

/// Gated recurrent units (Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder; EMNLP 2014), as PyTorch's `GRU` with
/// `batch_first`. At each step
///
/// ```text
/// r, z = σ(x·weight_ih + bias_ih + h·weight_hh + bias_hh)
/// n = tanh(x·weight_ih + bias_ih + r·(h·weight_hh + bias_hh))
/// h = (1 − z)·n + z·h
/// ```
///
/// # Shapes
/// `[batch, time, n]` to `[batch, time, units]`, in both directions `[batch, time, 2·units]`. `start` is h before the first step, zeros
/// where it is left out, `[batch, units]`, or `[layers·directions, batch, units]` of several layers or directions; so is the last one.
/// Parameters are PyTorch's under their names, `weight_ih_l0`, …, with weights turned: `[n, 3·units]`, the gates in the order above. They
/// start uniform in ±1/√units.
///
/// # Errors
/// Operands of other shapes or types, no units, no layers, a rate of dropout outside of 0 to 1.
pub fn gru(
    x: impl Borrow<Value>,
    units: impl Into<Dim>,
    start: Option<Value>,
    options: &Recurrent,
) -> Recurred {
    recur(x.borrow(), &units.into(), &GRU, &[start], options)
}

/// One step of a [`gru`] of one layer: PyTorch's `GRUCell`. Gives the next h.
///
/// # Shapes
/// x is `[batch, n]`, h is `[batch, units]`.
///
/// # Errors
/// Operands of other shapes or types.
pub fn gru_cell(x: impl Borrow<Value>, h: impl Borrow<Value>, bias: bool) -> Value {
    let [h] = stepped(&Cell { user: "gru_cell", ..GRU }, x.borrow(), [h.borrow()], bias);
    h
}

const GRU: Cell = Cell { user: "gru", states: &["h"], gates: 3, separate: true, next };

fn next(given: &Value, from_state: &Value, states: &[Value]) -> Vec<Value> {
    let h = &states[0];
    let ([r, z, n], [r_of_h, z_of_h, n_of_h]) = (split(given, h), split(from_state, h));
    let (r, z) = (sigmoid(add(r, r_of_h)), sigmoid(add(z, z_of_h)));
    let n = tanh(add(n, multiply(r, n_of_h)));
    vec![add(multiply(subtract(h.builder().constant(1.0), &z), n), multiply(z, h))]
}

fn gru_row(builder: &Builder, given: &Arguments<'_>) -> Several {
    let Some(units) = units(given) else { return several(builder, 2) };
    let start = given.optional_tensor("h").cloned();
    let Recurred { output, last } = gru(given.tensor("x"), units.clone(), start, &options(given));
    Several { values: [vec![output], last].concat(), least: 1 }
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row_of_several(
        "gru",
        &[X, given("units", Kind::Dim), LAYERED, BIDIRECTIONAL, START, STEPS, DROPPED, BIASED],
        "gated recurrent units over [batch, time, n]: their outputs, and behind them the last h",
        gru_row,
    ),
    row(
        "gru_cell",
        &[X, given("h", Kind::Tensor), BIASED],
        "one step of gated recurrent units: the next h",
        |_, given| gru_cell(given.tensor("x"), given.tensor("h"), given.flag("bias")),
    ),
];
