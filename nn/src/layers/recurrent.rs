//! Recurrences over time, in layers and both directions: what `rnn`, `gru` and `lstm` have in common.
//!
//! In: `[batch, time, n]`, and a [`Cell`]. Out: [`Recurred`], or a recorded mistake.
//!
//! Must hold: what does not depend on the state, the product with the inputs of all steps, is made at once, before the loop. Beyond a
//! sample's length its state stays and its output is 0, so that in reverse it begins at its own last step: what PyTorch's packed
//! sequences give.

use super::dropout::dropout;
use super::recurrent_operands::{initial, seen_steps, sequence, step};
use crate::builder::{Builder, Value};
use crate::value::{
    Iteration, Scan, Scanned, Slices, add, concatenate, expand, full, matmul, scan, select, slice,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;

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
}

impl Default for Recurrent {
    fn default() -> Recurrent {
        Recurrent { layers: 1, bidirectional: false, bias: true, dropout: 0.0, lengths: None }
    }
}

/// What a recurrence gives.
#[derive(Clone)]
pub struct Recurred {
    /// The last layer's state at each step: `[batch, time, units]`, or `[batch, time, 2·units]` of both directions.
    pub output: Value,
    /// The states behind the last step: `[batch, units]`, or `[layers·directions, batch, units]` of several, in PyTorch's order. For an
    /// `lstm` h and c.
    pub last: Vec<Value>,
}

/// How a state follows from the one before.
pub(super) struct Cell {
    /// What messages call the layer.
    pub(super) user: &'static str,
    /// Names of its states; the first is the output.
    pub(super) states: &'static [&'static str],
    /// How many gates it has, each as wide as the state.
    pub(super) gates: i64,
    /// Whether the bias of the state's product is part of that product, and not of the input's.
    pub(super) separate: bool,
    /// The next states of x·W, h·U and the states.
    pub(super) next: fn(&Value, &Value, &[Value]) -> Vec<Value>,
}

/// The parameters of one layer in one direction, with names and gates as PyTorch's and products turned: `[n, gates·units]`.
struct Weights {
    ih: Value,
    hh: Value,
    bias: Option<(Value, Value)>,
}

impl Weights {
    /// Declares them. All start uniform in ±1/√units.
    fn declare(
        builder: &Builder,
        suffix: &str,
        inputs: &Dim,
        units: &Dim,
        gates: i64,
        bias: bool,
    ) -> Weights {
        let width = units * &Dim::from(gates);
        let start = || Initializer::FanIn(units.clone());
        let matrix = |name: &str, rows: &Dim| {
            builder.turned(&format!("{name}{suffix}"), [rows.clone(), width.clone()], start())
        };
        let vector = |name: &str| builder.parameter(&format!("{name}{suffix}"), [width.clone()], start());
        let (ih, hh) = (matrix("weight_ih", inputs), matrix("weight_hh", units));
        let bias = bias.then(|| (vector("bias_ih"), vector("bias_hh")));
        Weights { ih, hh, bias }
    }

    /// What the inputs give to the gates, of one step or of all.
    fn of_input(&self, x: &Value, cell: &Cell) -> Value {
        let product = matmul(x, &self.ih);
        match &self.bias {
            Some((own, _)) if cell.separate => add(product, own),
            Some((own, other)) => add(product, add(own, other)),
            None => product,
        }
    }

    /// What the state gives to the gates.
    fn of_state(&self, h: &Value, cell: &Cell) -> Value {
        let product = matmul(h, &self.hh);
        match &self.bias {
            Some((_, bias)) if cell.separate => add(product, bias),
            _ => product,
        }
    }
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
    sensible(builder, cell.user, options)?;
    let directions: &[bool] = if options.bidirectional { &[false, true] } else { &[false] };
    let count = usize::try_from(options.layers).ok()? * directions.len();
    let seen = match &options.lengths {
        Some(lengths) => Some(seen_steps(cell.user, lengths, &batch, &time)?),
        None => None,
    };

    let shape = [batch, units.clone()];
    let mut starts = Vec::new();
    for (name, given) in cell.states.iter().zip(start) {
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
            let weights = Weights::declare(builder, &suffix, &inputs, units, cell.gates, options.bias);
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
    scan(x.builder(), Scan { slices: sliced, carried, reverse }, |slices, states| {
        let next = (cell.next)(&slices[0], &weights.of_state(&states[0], cell), states);
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
        let weights = Weights::declare(builder, "", &inputs, &units, cell.gates, bias);
        Some((cell.next)(&weights.of_input(x, cell), &weights.of_state(&states[0], cell), states))
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

fn sensible(builder: &Builder, user: &str, options: &Recurrent) -> Option<()> {
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
