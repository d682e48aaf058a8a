//! One step of a recurrence: the cells, the parameters of one layer in one direction, and what they make of a state.

use crate::builder::{Builder, Value};
use crate::value::{add, matmul};
use downhill_graph::dim::Dim;
use downhill_graph::random::Initializer;

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
pub(super) struct Weights {
    ih: Value,
    hh: Value,
    bias: Option<(Value, Value)>,
    /// What makes h of the gates' output: `[units, proj_size]`.
    hr: Option<Value>,
}

/// How wide what a recurrence computes with is.
#[derive(Clone, Copy)]
pub(super) struct Widths<'a> {
    pub(super) inputs: &'a Dim,
    pub(super) units: &'a Dim,
    /// Of h, where it is projected.
    pub(super) projected: Option<&'a Dim>,
}

impl<'a> Widths<'a> {
    /// That of the state at this position: of h, or of another one.
    pub(super) fn of_state(self, position: usize) -> &'a Dim {
        self.projected.filter(|_| position == 0).unwrap_or(self.units)
    }
}

impl Weights {
    /// Declares them. All start uniform in ±1/√units.
    pub(super) fn declare(
        builder: &Builder,
        suffix: &str,
        widths: Widths<'_>,
        gates: i64,
        bias: bool,
    ) -> Weights {
        let Widths { inputs, units, projected } = widths;
        let width = units * &Dim::from(gates);
        let start = || Initializer::FanIn(units.clone());
        let matrix = |name: &str, rows: &Dim| {
            builder.turned(&format!("{name}{suffix}"), [rows.clone(), width.clone()], start())
        };
        let vector = |name: &str| builder.parameter(&format!("{name}{suffix}"), [width.clone()], start());
        let (ih, hh) = (matrix("weight_ih", inputs), matrix("weight_hh", widths.of_state(0)));
        let bias = bias.then(|| (vector("bias_ih"), vector("bias_hh")));
        let narrow =
            |to: &Dim| builder.turned(&format!("weight_hr{suffix}"), [units.clone(), to.clone()], start());
        Weights { ih, hh, bias, hr: projected.map(narrow) }
    }

    /// The next states of a step.
    pub(super) fn step(&self, cell: &Cell, given: &Value, states: &[Value]) -> Vec<Value> {
        let mut next = (cell.next)(given, &self.of_state(&states[0], cell), states);
        if let Some(hr) = &self.hr {
            next[0] = matmul(&next[0], hr);
        }
        next
    }

    /// What the inputs give to the gates, of one step or of all.
    pub(super) fn of_input(&self, x: &Value, cell: &Cell) -> Value {
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
