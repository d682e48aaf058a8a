//! Calls of layers: what is given against the head, then the body in a scope of its own.

use super::checker::{Checker, Frame};
use super::scope::{AbstractValue, Given, Named};
use crate::signature::{self, Axis, written};
use crate::syntax::{Expression, ExpressionKind, Layer, Location};
use downhill_graph::error::Error;
use downhill_nn::composite::{Argument, Kind};
use downhill_nn::language::{self, LayerInput};

/// Where a layer is called from: nowhere when it is checked on its own.
#[derive(Default)]
pub(super) struct Call {
    /// The arguments' locations.
    locations: Vec<Location>,
    frame: Option<Frame>,
}

impl<'a> Checker<'a> {
    pub(super) fn call_layer(
        &mut self,
        layer: &'a Layer,
        given: Vec<Given<'a>>,
        location: Location,
    ) -> AbstractValue {
        if self.calls_itself(layer, location) {
            return AbstractValue::Unknown;
        }
        let name = layer.name.to_string();

        self.at(location);
        let start = location.start;
        let called = format!("{}:{}", start.file(), start.start().line);
        let binding = if self.binding.is_empty() { String::new() } else { format!(" as `{}`", self.binding) };
        let note = format!("in layer `{name}`, called at {called}{binding}");
        let locations = given.iter().map(|given| given.expression.location).collect();
        let given = given.into_iter().map(|given| given.item).collect();
        self.called.insert(name.clone());
        let item =
            self.layer_body(layer, given, Call { locations, frame: Some(Frame { layer: name, note }) });
        self.at(location);
        item
    }

    /// Refuses a layer in its own body.
    pub(super) fn calls_itself(&mut self, layer: &'a Layer, location: Location) -> bool {
        let within = self.frames.iter().any(|frame| layer.name == frame.layer);
        if within {
            let error = Error::new(format!("layer `{}` calls itself", layer.name));
            self.error(location, error.help("a network is unrolled when it is built: repeat with `for`"));
        }
        within
    }

    /// Interprets the body of a layer in a scope of its own.
    pub(super) fn layer_body(
        &mut self,
        layer: &'a Layer,
        given: Vec<AbstractValue>,
        call: Call,
    ) -> AbstractValue {
        // A layer's body sees no names of its caller.
        let outer = std::mem::take(&mut self.scopes);
        let typed = std::mem::replace(&mut self.typed, signature::typed(layer));
        let arguments: Vec<Argument> =
            given.iter().map(|item| self.plain(item.clone(), Kind::Tensor)).collect();
        let names: Vec<String> = layer.arguments.iter().map(|argument| argument.name.to_string()).collect();
        for (name, item) in names.iter().zip(given) {
            self.scopes.declare(name, Named::Fixed("an argument of the layer", item));
        }

        let builder = self.builder.clone();
        let inputs: Vec<(&str, &Argument)> = names.iter().map(String::as_str).zip(&arguments).collect();
        let item = language::layer(&builder, &inputs, || {
            let before = self.builder.count_errors();
            self.head_fits(layer, &arguments, &call.locations);
            // What does not fit the head fits nothing behind it.
            if self.builder.count_errors() > before {
                self.unsure = true;
                return AbstractValue::Unknown;
            }
            let framed = call.frame.is_some();
            self.frames.extend(call.frame);
            self.statements(&layer.body);
            let item = self.expression(&layer.value);
            let before = self.builder.count_errors();
            self.result_fits(layer, &item);
            // What is not as the head says fits nothing behind it either.
            let item = if self.builder.count_errors() > before { AbstractValue::Unknown } else { item };
            self.unsure |= matches!(item, AbstractValue::Unknown);
            let item = self.with_gradient(layer, &inputs, item);
            if let AbstractValue::Known(result) = &item {
                language::gives(&builder, result);
            }
            if framed {
                self.frames.pop();
            }
            item
        });

        (self.scopes, self.typed) = (outer, typed);
        item
    }

    /// Checks what is given against the head of a layer; a mistake stands on the argument.
    fn head_fits(&mut self, layer: &'a Layer, arguments: &[Argument], locations: &[Location]) {
        let name = layer.name.to_string();
        let axes = signature::axes(layer);

        // First all sizes that the head names, then those that must equal them.
        let mut found = Vec::new();
        for (position, axes) in &axes {
            let argument = &layer.arguments[*position];
            let Some(ty) = &argument.ty else { continue };
            let texts: Vec<String> = ty.dims.iter().map(written).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let word = argument.name.to_string();
            let input = LayerInput { layer: &name, name: &word, argument: &arguments[*position] };
            self.at_argument(locations, *position);
            let dims = language::given(&self.builder, input, ty.element, &texts);
            for (axis, dim) in axes.iter().zip(&dims) {
                if let Axis::Binds(symbol) = axis {
                    self.scopes.declare(&symbol.to_string(), Named::Size(AbstractValue::Known(dim.clone())));
                }
            }
            found.push(dims);
        }

        for ((position, axes), dims) in axes.into_iter().zip(found) {
            let word = layer.arguments[position].name.to_string();
            for (number, (axis, dim)) in axes.iter().zip(&dims).enumerate() {
                let Axis::Equals(expression) = axis else { continue };
                let expected = Argument::Dim(self.size(expression));
                self.at_argument(locations, position);
                let input = LayerInput { layer: &name, name: &word, argument: &arguments[position] };
                language::fits(&self.builder, input, number, dim, &written(expression), &expected);
            }
        }
    }

    fn at_argument(&mut self, locations: &[Location], position: usize) {
        if let Some(location) = locations.get(position) {
            self.at(*location);
        }
    }

    fn result_fits(&mut self, layer: &'a Layer, item: &AbstractValue) {
        let Some(result) = item.clone().stand_in().filter(|_| !layer.results.is_empty()) else { return };
        let name = layer.name.to_string();
        self.at(layer.value.location);
        let parts = language::parts(&self.builder, &name, &result, layer.results.len());
        for (ty, part) in layer.results.iter().zip(parts) {
            let dims: Vec<Option<Argument>> = ty.dims.iter().map(|dim| self.returned_dim(dim)).collect();
            self.at(layer.value.location);
            language::returned(&self.builder, &name, &part, ty.element, &dims);
        }
    }

    /// What a layer gives, with the gradient that it writes.
    fn with_gradient(
        &mut self,
        layer: &'a Layer,
        inputs: &[(&str, &Argument)],
        item: AbstractValue,
    ) -> AbstractValue {
        let Some(gradient) = &layer.gradient else { return item };
        let builder = self.builder.clone();
        let (name, result) = (layer.name.to_string(), self.plain(item, Kind::Tensor));
        let given = language::own_gradient(&builder, &name, inputs, &result, |arriving| {
            self.scopes.open();
            let arriving = self.known(arriving);
            self.scopes
                .declare(&gradient.name.to_string(), Named::Fixed("the gradient that arrives", arriving));
            self.statements(&gradient.body);
            let item = self.expression(&gradient.value);
            self.scopes.close();
            self.at(gradient.value.location);
            self.plain(item, Kind::Tensor)
        });
        self.known(given)
    }

    /// A size of what a layer gives; nothing where it may be any.
    fn returned_dim(&mut self, dim: &'a Expression) -> Option<Argument> {
        let is_open = matches!(dim.kind, ExpressionKind::Whatever);
        (!is_open).then(|| Argument::Dim(self.size(dim)))
    }
}
