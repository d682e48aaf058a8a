//! The check: interprets a declaration over a real graph while rustc runs.
//!
//! In: a [`Declarations`]. Out: mistakes, each on its tokens.
//!
//! A size that is an argument is a symbol without a number. What depends on its number is *undecided* and left to `build`. What is wrong
//! for every choice of the arguments is refused here; so are sizes that agree for some runs only. All shape rules are the graph's: the
//! check calls the same functions as the expansion does.
//!
//! Must hold:
//! - nothing is refused that is right for some choice of the arguments;
//! - a value that cannot be known (a Rust function's result, a loop that changes shapes) is unknown, and so is what is
//!   computed from it, without a message.

mod scope;

mod checker;

mod layer;

mod call;

mod expression;

mod choice;

mod repeat;

mod statement;

mod scan;

use crate::diagnose::Diagnostics;
use crate::shapes::Shapes;
use crate::signature::{self, Axis};
use crate::syntax::{
    ArgumentKind, Declarations, Expression, ExpressionKind, Layer, Location, Network, Statement,
    StatementKind,
};
use checker::Checker;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::types::{Shape, Type};
use downhill_nn::builder::Builder;
use downhill_nn::composite::Argument;
use downhill_nn::entry::unchanging;
use downhill_nn::network::{sized_by_data, untold, untrained};
use scope::{AbstractValue, Named};
use std::collections::{BTreeSet, HashSet};
use syn::Ident;

/// Checks all networks, and the layers that none of them uses. Gives what the values of networks are.
pub(crate) fn program(program: &Declarations, diagnostics: &mut Diagnostics) -> Shapes {
    duplicates(program, diagnostics);
    if program.networks.is_empty() && diagnostics.is_empty() {
        let location = program.layers.first().map(|layer| Location::at(layer.name.span()));
        let error =
            Error::new("no network is declared").help("add `pub Name(arguments) { … }` that uses the layers");
        diagnostics.add(location.unwrap_or(Location::at(proc_macro2::Span::call_site())), error);
    }

    let (mut called, mut shapes) = (HashSet::new(), Shapes::default());
    for network in &program.networks {
        let mut checker = Checker::new(program, diagnostics, &mut shapes);
        checker.network(network);
        called.extend(checker.called);
    }

    for layer in program.layers.iter().filter(|layer| !called.contains(&layer.name.to_string())) {
        Checker::new(program, diagnostics, &mut shapes).lone_layer(layer);
    }
    shapes
}

/// The names in a size.
fn sizes(dim: &Expression, names: &mut BTreeSet<String>) {
    match &dim.kind {
        ExpressionKind::Name(name) => {
            names.insert(name.to_string());
        }
        ExpressionKind::Negate(operand) => sizes(operand, names),
        ExpressionKind::Binary(_, left, right) => {
            sizes(left, names);
            sizes(right, names);
        }
        _ => {}
    }
}

/// The names that a statement binds.
fn bound(statement: &Statement) -> Vec<&Ident> {
    match &statement.kind {
        StatementKind::Let { names, .. } => names.iter().collect(),
        StatementKind::Input { name, .. } => vec![name],
        StatementKind::Output(outputs) => {
            outputs.iter().filter(|it| it.value.is_some()).map(|it| &it.name).collect()
        }
        _ => Vec::new(),
    }
}

fn duplicates(program: &Declarations, diagnostics: &mut Diagnostics) {
    let mut twice = |what: &str, names: &mut dyn Iterator<Item = &Ident>| {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.to_string()) {
                diagnostics
                    .add(Location::at(name.span()), Error::new(format!("{what} `{name}` is declared twice")));
            }
        }
    };

    twice("layer", &mut program.layers.iter().map(|layer| &layer.name));
    twice("network", &mut program.networks.iter().map(|network| &network.name));
    for network in &program.networks {
        twice("argument", &mut network.arguments.iter().map(|argument| &argument.name));
    }
    for layer in &program.layers {
        twice("argument", &mut layer.arguments.iter().map(|argument| &argument.name));
    }
}

impl<'a> Checker<'a> {
    fn network(&mut self, network: &'a Network) {
        for argument in &network.arguments {
            let name = argument.name.to_string();
            let named = match argument.kind {
                ArgumentKind::Size => {
                    Named::Argument(AbstractValue::Known(Argument::Dim(self.builder.open_argument(&name))))
                }
                ArgumentKind::Number => Named::Argument(AbstractValue::Number),
                ArgumentKind::Bool => Named::Argument(AbstractValue::Flag),
                ArgumentKind::Sizes => Named::Argument(AbstractValue::List),
                ArgumentKind::Rust => Named::Rust,
            };
            self.scopes.declare(&name, named);
        }

        self.bound = network.body.iter().flat_map(bound).map(Ident::to_string).collect();
        self.typed = signature::typed_inputs(&network.body);
        self.statements(&network.body);
        self.report();
        if !self.broken {
            self.conclude(network, Location::at(network.name.span()));
        }
    }

    /// Checks what a network must have: an output, and where it has targets a loss.
    fn conclude(&mut self, network: &Network, location: Location) {
        use crate::syntax::StatementKind::{Input, Loss, Output};
        let name = &network.name;
        let has_loss = network.body.iter().any(|statement| matches!(statement.kind, Loss { .. }));
        let is_target = |statement: &Statement| matches!(statement.kind, Input { target: true, .. });
        if !has_loss && network.body.iter().any(is_target) {
            let error = Error::new(format!("network `{name}` has a target and no loss"));
            let error = error.help("say what to minimise: `loss squared_error(p, y);`");
            self.error(location, error.note("a network for inference alone has neither"));
        }

        if !network.body.iter().any(|statement| matches!(statement.kind, Output(_))) {
            let error = Error::new(format!("network `{name}` has no output"));
            self.error(location, error.help("say what `forward` gives: `output p;`"));
        }

        if self.unsure {
            return;
        }

        let builder = std::mem::replace(&mut self.builder, Builder::for_checking());
        let missing = builder
            .finish()
            .map(|it| [untrained(&it), unchanging(&it), untold(&it), sized_by_data(&it)].concat())
            .unwrap_or_else(|errors| errors.0);

        for error in missing {
            self.add(error);
        }
        if !self.unsure {
            self.note_unused(network);
        }
    }

    /// Notes inputs and targets that nothing uses, but for one that alone tells a size, and one whose name begins with `_`.
    fn note_unused(&mut self, network: &Network) {
        let inputs = network.body.iter().filter_map(|statement| match &statement.kind {
            StatementKind::Input { name, ty, target } => Some((name, &ty.dims, *target)),
            _ => None,
        });
        let (used, unused): (Vec<_>, Vec<_>) =
            inputs.partition(|(name, ..)| self.used.contains(&name.to_string()));

        for (name, dims, target) in unused {
            let (mut own, mut told) = (BTreeSet::new(), BTreeSet::new());
            dims.iter().for_each(|dim| sizes(dim, &mut own));
            told.extend(network.arguments.iter().map(|argument| argument.name.to_string()));
            // `forward` is given no targets.
            let telling = used.iter().filter(|(_, _, is_target)| target || !is_target);
            telling.flat_map(|(_, dims, _)| *dims).for_each(|dim| sizes(dim, &mut told));
            if own.is_subset(&told) && !name.to_string().starts_with('_') {
                self.shapes.unused.push(name.clone());
            }
        }
    }

    /// Checks a layer that nothing calls, with symbols for all its sizes.
    fn lone_layer(&mut self, layer: &'a Layer) {
        let mut given: Vec<AbstractValue> = layer.arguments.iter().map(|_| AbstractValue::Unknown).collect();
        for (position, axes) in signature::axes(layer) {
            let argument = &layer.arguments[position];
            let symbols = axes.iter().map(|axis| match axis {
                Axis::Binds(name) => Some(self.builder.open_dim(&name.to_string())),
                Axis::Equals(expression) => match expression.kind {
                    ExpressionKind::Integer(number) => Some(Dim::from(number)),
                    _ => None,
                },
            });
            // A size that is a formula needs the call to be known.
            if let (Some(dims), Some(ty)) = (symbols.collect::<Option<Vec<Dim>>>(), &argument.ty) {
                let ty = Type::new(ty.element.unwrap_or_default(), Shape(dims));
                given[position] = AbstractValue::value(self.builder.input(
                    &argument.name.to_string(),
                    ty.element,
                    ty.shape,
                ));
            }
        }

        self.lone = true;
        self.layer_body(layer, given, layer::Call::default());
        self.report();
    }
}
