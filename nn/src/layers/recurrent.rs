//! Recurrences over time, in layers and both directions: what `rnn`, `gru` and `lstm` have in common.
//!
//! In: `[batch, time, n]`, and a [`Cell`]. Out: [`Recurred`], or a recorded mistake.
//!
//! Must hold: what does not depend on the state, the product with the inputs of all steps, is made at once, before the loop. Beyond a
//! sample's length its state stays and its output is 0, so that in reverse it begins at its own last step: what PyTorch's packed
//! sequences give.

use super::dropout::dropout;
use super::recurrent_operands::{initial, seen_steps, sequence, step};
use super::recurrent_weights::{Cell, Weights, Widths};
use crate::builder::{Builder, Value};
use crate::call::bound;
use crate::value::{Iteration, Scan, Scanned, Slices, concatenate, expand, full, scan, select, slice};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};

/// What a recurrence may have otherwise than by default.
#[derive(Clone)]
pub struct Recurrent {
    /// How many layers, one on the outputs of the other.
    pub layers: i64,
    /// With a second recurrence from the last step to the first; outputs of both stand beside each other.
    pub bidirectional: bool,
    /// With biases?
    pub bias: bool,
    /// Which share of a layer's outputs is dropped before the next layer, while training.
    pub dropout: f64,
    /// How many steps each sample has, counted from the first: `i32[batch]`. Beyond them its state stays, and its output is 0.
    pub lengths: Option<Value>,
    /// How wide the state h is, where a product makes it narrower than the units of the gates: of an `lstm` alone.
    pub proj_size: Option<Dim>,
}

impl Default for Recurrent {
    fn default() -> Recurrent {
        Recurrent {
            layers: 1,
            bidirectional: false,
            bias: true,
            dropout: 0.0,
            lengths: None,
            proj_size: None,
        }
    }
}

/// What a recurrence gives.
#[derive(Clone)]
pub struct Recurred {
    /// The last layer's state at each step: `[batch, time, units]`, or `[batch, time, 2·units]` of both directions; `proj_size` stands for
    /// `units` where h is projected.
    pub output: Value,
    /// The states behind the last step: `[batch, units]`, or `[layers·directions, batch, units]` of several, in PyTorch's order. For an
    /// `lstm` h and c.
    pub last: Vec<Value>,
}

/// Runs `cell` over time, in all layers and directions; `start` are the states before the first step, zeros where there are none.
pub(super) fn recur(
    x: &Value,
    units: &Dim,
    cell: &Cell,
    start: &[Option<Value>],
    options: &Recurrent,
) -> Recurred {
    let builder = x.builder();
    let unknown = || Recurred { output: builder.unknown(), last: vec![builder.unknown(); cell.states.len()] };
    builder.layer(|| layers(x, units, cell, start, options)).unwrap_or_else(unknown)
}

fn layers(
    x: &Value,
    units: &Dim,
    cell: &Cell,
    start: &[Option<Value>],
    options: &Recurrent,
) -> Option<Recurred> {
    let builder = x.builder();
    let [batch, time, _] = sequence(cell.user, x, units)?;
    sensible(builder, cell, units, options)?;
    let directions: &[bool] = if options.bidirectional { &[false, true] } else { &[false] };
    let count = usize::try_from(options.layers).ok()? * directions.len();
    let seen = match &options.lengths {
        Some(lengths) => Some(seen_steps(cell.user, lengths, &batch, &time)?),
        None => None,
    };

    let projected = options.proj_size.as_ref();
    let mut starts = Vec::new();
    for (position, (name, given)) in cell.states.iter().zip(start).enumerate() {
        let shape = [batch.clone(), Widths { inputs: units, units, projected }.of_state(position).clone()];
        starts.push(match given {
            Some(given) => initial(cell.user, name, given, count, &shape)?,
            None => vec![full(builder, shape.to_vec(), 0.0); count],
        });
    }

    // What stands beyond a sample's length has no part, in gradients of weights neither, even if it is no number.
    let within = seen.as_ref().map(|seen| select(expand(seen, -1), x, 0.0));
    let (mut input, mut last) = (within.unwrap_or_else(|| x.clone()), vec![Vec::new(); cell.states.len()]);
    for layer in 0..options.layers {
        if layer > 0 {
            input = dropout(input, options.dropout);
        }
        let inputs = input.shape()?.0.pop()?;
        let mut outputs = Vec::new();
        for &reverse in directions {
            let suffix = format!("_l{layer}{}", if reverse { "_reverse" } else { "" });
            let widths = Widths { inputs: &inputs, units, projected };
            let weights = Weights::declare(builder, &suffix, widths, cell.gates, options.bias);
            let position = last[0].len();
            let states = starts.iter().map(|all| all[position].clone()).collect();
            let Scanned { yields, last: ended } =
                direction(&input, &weights, cell, states, seen.as_ref(), reverse);
            outputs.extend(yields);
            last.iter_mut().zip(ended).for_each(|(all, state)| all.push(state));
        }
        input = concatenate(builder, &outputs, -1);
    }

    let last = last.into_iter().map(|states| together(builder, states));
    Some(Recurred { output: input, last: last.collect() })
}

/// One layer in one direction.
fn direction(
    x: &Value,
    weights: &Weights,
    cell: &Cell,
    states: Vec<Value>,
    seen: Option<&Value>,
    reverse: bool,
) -> Scanned {
    let slices = |name, of: &Value| Slices { name, of: of.clone(), axis: 1 };
    let mut sliced = vec![slices("x", &weights.of_input(x, cell))];
    sliced.extend(seen.map(|seen| slices("seen", seen)));
    let carried = cell.states.iter().copied().zip(states).collect();
    scan(x.builder(), Scan { slices: sliced, carried, reverse, ..Scan::default() }, |slices, states| {
        let next = weights.step(cell, &slices[0], states);
        let Some(seen) = slices.get(1) else { return Iteration { yields: vec![next[0].clone()], next } };
        let seen = expand(seen, -1);
        let output = select(&seen, &next[0], 0.0);
        let kept = next.iter().zip(states).map(|(next, state)| select(&seen, next, state));
        Iteration { next: kept.collect(), yields: vec![output] }
    })
}

/// The gates, each as wide as the state.
pub(super) fn split<const GATES: usize>(gates: &Value, state: &Value) -> [Value; GATES] {
    let units = state.shape().and_then(|mut shape| shape.0.pop()).unwrap_or_default();
    std::array::from_fn(|number| {
        let (start, end) = (&units * &Dim::from(number), &units * &Dim::from(number + 1));
        slice(gates, -1, start, Some(end), 1)
    })
}

/// One step of a cell on `[batch, n]`: the next states.
pub(super) fn stepped<const STATES: usize>(
    cell: &Cell,
    x: &Value,
    states: [&Value; STATES],
    bias: bool,
) -> [Value; STATES] {
    let builder = x.builder();
    let states = states.map(Value::clone);
    let next = next_of(cell, x, &states, bias).and_then(|next| <[Value; STATES]>::try_from(next).ok());
    next.unwrap_or_else(|| std::array::from_fn(|_| builder.unknown()))
}

fn next_of(cell: &Cell, x: &Value, states: &[Value], bias: bool) -> Option<Vec<Value>> {
    let builder = x.builder();
    let [batch, inputs] = step(cell.user, x)?;
    let [_, units] = step(cell.user, &states[0])?;
    let shape = [batch, units.clone()];
    for (name, state) in cell.states.iter().zip(states) {
        initial(cell.user, name, state, 1, &shape)?;
    }
    builder.layer(|| {
        let widths = Widths { inputs: &inputs, units: &units, projected: None };
        let weights = Weights::declare(builder, "", widths, cell.gates, bias);
        Some(weights.step(cell, &weights.of_input(x, cell), states))
    })
}

/// The only state, or all of them along a new first axis.
fn together(builder: &Builder, states: Vec<Value>) -> Value {
    if let [only] = &states[..] {
        return only.clone();
    }
    let rows: Vec<Value> = states.iter().map(|state| expand(state, 0)).collect();
    concatenate(builder, &rows, 0)
}

fn sensible(builder: &Builder, cell: &Cell, units: &Dim, options: &Recurrent) -> Option<()> {
    let user = cell.user;
    if let Some(narrow) = &options.proj_size
        && !is_narrower(builder, cell, narrow, units)
    {
        return None;
    }
    if options.layers < 1 {
        builder.error(
            Error::new(format!("`{user}` with {} layers", options.layers)).help("it needs at least 1"),
        );
        return None;
    }
    match check("a dropout rate", options.dropout, Allowed::ZeroToOne) {
        Err(error) if options.dropout != 1.0 => {
            builder.error(error.help("the rate is the share that is dropped: from 0 to 1"));
            None
        }
        _ => Some(()),
    }
}

/// Whether h can be projected to a width of `narrow`; a mistake is recorded.
fn is_narrower(builder: &Builder, cell: &Cell, narrow: &Dim, units: &Dim) -> bool {
    if cell.states.len() == 1 {
        let error = Error::new(format!("`{}` with a `proj_size`", cell.user));
        builder.error(error.help("only the state h of an `lstm` is projected"));
        return false;
    }
    let (width, whole) = (bound(builder, narrow), bound(builder, units));
    let is_less = width.is_none_or(|width| width >= 1 && whole.is_none_or(|whole| width < whole));
    if !is_less {
        let error = Error::new(format!("`{}` with a `proj_size` of {narrow} for {units} units", cell.user));
        builder.error(error.help("it makes the state narrower: at least 1, and below the number of units"));
    }
    is_less
}
