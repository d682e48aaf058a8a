//! The plain recurrence: over time, and one step of it.

use super::recurrent::{Recurred, Recurrent, recur, stepped};
use super::recurrent_rows::{BIASED, BIDIRECTIONAL, DROPPED, LAYERED, START, STEPS, options, several, units};
use super::recurrent_weights::Cell;
use crate::activations::relu;
use crate::builder::{Builder, Value};
use crate::call::{
    Arguments, Composite, Default, Kind, Parameter, Several, X, given, optional, row, row_of_several,
};
use crate::value::{add, tanh};
use downhill_graph::dim::Dim;
use std::borrow::Borrow;

/// What a plain recurrence makes of its sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, std::default::Default)]
pub enum Nonlinearity {
    /// tanh.
    #[default]
    Tanh,
    /// max(0, x).
    Relu,
}

impl Nonlinearity {
    fn cell(self, user: &'static str) -> Cell {
        let next = match self {
            Nonlinearity::Tanh => curved,
            Nonlinearity::Relu => rectified,
        };
        Cell { user, states: &["h"], gates: 1, separate: false, next }
    }
}

/// A recurrence (Elman: Finding Structure in Time; Cognitive Science 14, 1990), as PyTorch's `RNN` with `batch_first`. At each step
/// h = tanh(x·weight_ih + bias_ih + h·weight_hh + bias_hh), or with relu for tanh.
///
/// # Shapes
/// `[batch, time, n]` to `[batch, time, units]`, in both directions `[batch, time, 2·units]`. `start` is h before the first step, zeros
/// where it is left out, `[batch, units]`, or `[layers·directions, batch, units]` of several layers or directions; so is the last one.
/// Parameters are PyTorch's under their names, `weight_ih_l0`, …, with weights turned: `[n, units]`. They start uniform in ±1/√units.
///
/// # Errors
/// Operands of other shapes or types, no units, no layers, a rate of dropout outside of 0 to 1.
pub fn rnn(
    x: impl Borrow<Value>,
    units: impl Into<Dim>,
    nonlinearity: Nonlinearity,
    start: Option<Value>,
    options: &Recurrent,
) -> Recurred {
    recur(x.borrow(), &units.into(), &nonlinearity.cell("rnn"), &[start], options)
}

/// One step of an [`rnn`] of one layer: PyTorch's `RNNCell`. Gives the next h.
///
/// # Shapes
/// x is `[batch, n]`, h is `[batch, units]`.
///
/// # Errors
/// Operands of other shapes or types.
pub fn rnn_cell(
    x: impl Borrow<Value>,
    h: impl Borrow<Value>,
    nonlinearity: Nonlinearity,
    bias: bool,
) -> Value {
    let [h] = stepped(&nonlinearity.cell("rnn_cell"), x.borrow(), [h.borrow()], bias);
    h
}

fn curved(given: &Value, from_state: &Value, _: &[Value]) -> Vec<Value> {
    vec![tanh(add(given, from_state))]
}

fn rectified(given: &Value, from_state: &Value, _: &[Value]) -> Vec<Value> {
    vec![relu(add(given, from_state))]
}

const RELU: Parameter<'static> = optional("relu", Kind::Bool, Default::Bool(false));

fn nonlinearity(given: &Arguments<'_>) -> Nonlinearity {
    if given.flag("relu") { Nonlinearity::Relu } else { Nonlinearity::Tanh }
}

fn rnn_row(builder: &Builder, given: &Arguments<'_>) -> Several {
    let Some(units) = units(given) else { return several(builder, 2) };
    let (x, start) = (given.tensor("x"), given.optional_tensor("h").cloned());
    let Recurred { output, last } = rnn(x, units.clone(), nonlinearity(given), start, &options(given));
    Several { values: [vec![output], last].concat(), least: 1 }
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row_of_several(
        "rnn",
        &[X, given("units", Kind::Dim), LAYERED, BIDIRECTIONAL, RELU, START, STEPS, DROPPED, BIASED],
        "h = tanh(x·W + h·U + b), or relu, over [batch, time, n]: its outputs, and behind them the last h",
        rnn_row,
    ),
    row(
        "rnn_cell",
        &[X, given("h", Kind::Tensor), RELU, BIASED],
        "one step of a plain recurrence: the next h",
        |_, given| rnn_cell(given.tensor("x"), given.tensor("h"), nonlinearity(given), given.flag("bias")),
    ),
];
