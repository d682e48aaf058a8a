//! Calls: what is called, whether the arguments fit, composites and shared instances.

use super::Checker;
use super::scope::{Given, Item, Named, Shared};
use crate::syntax::{Arguments, Expression, ExpressionKind, Layer, Place};
use downhill_graph::error::{Error, nearest};
use downhill_graph::random::Initializer;
use downhill_nn::composite::{self, Argument, Kind, Parameter};
use syn::Ident;

/// What can be called, seen from its arguments.
struct Head {
    name: String,
    parameters: Vec<HeadParameter>,
    signature: String,
}

struct HeadParameter {
    name: String,
    kind: Option<Kind>,
    required: bool,
}

impl Head {
    /// The parameter that takes all remaining positional arguments.
    fn variadic(&self) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.kind == Some(Kind::Tensors))
    }
}

impl<'a> Checker<'a> {
    pub(super) fn layer(&self, name: &str) -> Option<&'a Layer> {
        self.program.layers.iter().find(|layer| layer.name == name)
    }

    pub(super) fn call(&mut self, function: &'a Ident, arguments: &'a Arguments, place: Place) -> Item {
        let name = function.to_string();
        let shared = match self.scopes.find(&name) {
            Some(Named::Instance(shared)) => Some(shared.clone()),
            _ => None,
        };
        let callee = shared.as_ref().map_or(function, |shared| shared.function);
        let Some(head) = self.head(&callee.to_string()) else {
            self.arguments(arguments, None, 0);
            return self.unknown_function(function);
        };
        let (mut positional, mut named) = self.arguments(arguments, Some(&head), 0);
        let Some(shared) = shared else { return self.apply(&head, callee, positional, named, place) };
        positional.extend(shared.positional.iter().cloned());
        named.extend(shared.named.iter().cloned());
        let (builder, instance) = (self.builder.clone(), shared.instance);
        let outer = std::mem::replace(&mut self.binding, name);
        let item = builder.shared(instance, || self.apply(&head, callee, positional, named, place));
        self.binding = outer;
        item
    }

    fn unknown_function(&mut self, function: &Ident) -> Item {
        let (name, place) = (function.to_string(), Place::at(function.span()));
        if self.program.broken.contains(&name)
            || matches!(
                self.scopes.find(&name),
                Some(Named::Value(Item::Unknown) | Named::Fixed(_, Item::Unknown))
            )
        {
            self.unsure = true;
            return Item::Unknown;
        }
        if self.scopes.find(&name).is_some() {
            let error = Error::new(format!("`{name}` is a value, not a function"));
            return self.fail(place, error.help("write `*` between factors"));
        }
        let known: Vec<String> = self.callables();
        let error = Error::new(format!("no function is called `{name}`"));
        self.fail(place, match composite::likely(&name, known.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("declare `layer {name}(…) {{ … }}`, or call a Rust function by its path: `self::{name}(…)`")),
        })
    }

    fn callables(&self) -> Vec<String> {
        let layers = self.program.layers.iter().map(|layer| layer.name.to_string());
        layers
            .chain(composite::names().map(str::to_owned))
            .chain(self.scopes.instances().map(str::to_owned))
            .collect()
    }

    fn head(&self, name: &str) -> Option<Head> {
        if let Some(layer) = self.layer(name) {
            let names: Vec<String> =
                layer.arguments.iter().map(|argument| argument.name.to_string()).collect();
            let signature = format!("{name}({})", names.join(", "));
            let parameters =
                names.into_iter().map(|name| HeadParameter { name, kind: None, required: true }).collect();
            return Some(Head { name: name.to_owned(), parameters, signature });
        }
        let composite = composite::find(name)?;
        let parameter = |parameter: &Parameter| HeadParameter {
            name: parameter.name.to_owned(),
            kind: Some(parameter.kind),
            required: parameter.default.is_none(),
        };
        let parameters = composite.parameters.iter().map(parameter).collect();
        Some(Head { name: name.to_owned(), parameters, signature: composite::signature(name) })
    }

    /// `shared name = function(arguments)`.
    pub(super) fn declare_shared(
        &mut self,
        name: &Ident,
        function: &'a Ident,
        arguments: &'a Arguments,
    ) -> Item {
        let Some(head) = self.head(&function.to_string()) else { return self.unknown_function(function) };
        // Positional arguments of an instance follow those of each use, which is the one tensor as a rule.
        let (positional, named) = self.arguments(arguments, Some(&head), 1);
        let instance = self.builder.instance(&name.to_string());
        let shared = Shared { instance, function, positional, named };
        self.scopes.declare(&name.to_string(), Named::Instance(shared));
        Item::Unknown
    }

    /// Evaluates the arguments of a call whose first positional one is the parameter at `first`.
    #[allow(clippy::type_complexity)]
    fn arguments(
        &mut self,
        arguments: &'a Arguments,
        head: Option<&Head>,
        first: usize,
    ) -> (Vec<Given<'a>>, Vec<(&'a Ident, Given<'a>)>) {
        let kind_at = |position: usize| head.and_then(|head| head.parameters.get(first + position)?.kind);
        let kind_of = |name: &Ident| {
            head.and_then(|head| head.parameters.iter().find(|p| name == p.name.as_str())?.kind)
        };
        let positional = arguments.positional.iter().enumerate();
        let positional =
            positional.map(|(position, expression)| self.argument(expression, kind_at(position))).collect();
        let named = arguments.named.iter();
        let named =
            named.map(|(name, expression)| (name, self.argument(expression, kind_of(name)))).collect();
        (positional, named)
    }

    fn argument(&mut self, expression: &'a Expression, kind: Option<Kind>) -> Given<'a> {
        let item = match (&expression.kind, kind) {
            (ExpressionKind::Call { function, arguments }, Some(Kind::Initializer)) => {
                Item::Known(Argument::Initializer(self.initializer(function, arguments, expression.place)))
            }
            _ => self.expression(expression),
        };
        Given { expression, item }
    }

    pub(super) fn initializer(
        &mut self,
        name: &'a Ident,
        arguments: &'a Arguments,
        place: Place,
    ) -> Initializer {
        let (positional, named) = self.arguments(arguments, None, 0);
        let words: Vec<String> = named.iter().map(|(name, _)| name.to_string()).collect();
        let positional = positional.into_iter().map(|given| self.plain(given.item, Kind::Number)).collect();
        let named: Vec<Argument> =
            named.into_iter().map(|(_, given)| self.plain(given.item, Kind::Number)).collect();
        let named = words.iter().map(String::as_str).zip(named).collect();
        let known = composite::initializer_names().any(|known| name == known);
        let made = composite::initializer(&self.builder, &name.to_string(), positional, named);
        made.unwrap_or_else(|error| {
            self.error(if known { place } else { Place::at(name.span()) }, error);
            Initializer::Zeros
        })
    }

    /// Calls what `head` describes.
    fn apply(
        &mut self,
        head: &Head,
        callee: &Ident,
        positional: Vec<Given<'a>>,
        named: Vec<(&'a Ident, Given<'a>)>,
        place: Place,
    ) -> Item {
        if !self.arguments_fit(head, &positional, &named, place) {
            return Item::Unknown;
        }
        match self.layer(&callee.to_string()) {
            Some(layer) => {
                let mut given = positional;
                let by_name = |name: &Ident| {
                    named.iter().find(|(word, _)| *word == name).map(|(_, given)| given.clone())
                };
                let rest =
                    layer.arguments[given.len()..].iter().filter_map(|argument| by_name(&argument.name));
                given.extend(rest);
                self.call_layer(layer, given, place)
            }
            None => self.call_composite(head, positional, named, place),
        }
    }

    /// Counts and names of arguments, each mistake on its own token.
    fn arguments_fit(
        &mut self,
        head: &Head,
        positional: &[Given<'a>],
        named: &[(&'a Ident, Given<'a>)],
        place: Place,
    ) -> bool {
        let (name, usage) = (&head.name, format!("it is called as `{}`", head.signature));
        let variadic = head.variadic();
        if let Some(extra) = positional.get(head.parameters.len()).filter(|_| variadic.is_none()) {
            let most = head.parameters.len();
            let plural = if most == 1 { "" } else { "s" };
            let error = Error::new(format!(
                "`{name}` takes {most} argument{plural} but is given {}",
                positional.len()
            ));
            self.error(extra.expression.place, error.help(usage));
            return false;
        }
        let mut fits = true;
        let taken = positional.len().min(variadic.map_or(usize::MAX, |position| position + 1));
        let mut given: Vec<bool> = (0..head.parameters.len()).map(|position| position < taken).collect();
        for (word, _) in named {
            let answers = |parameter: &HeadParameter| {
                *word == parameter.name.as_str()
                    || parameter.kind == Some(Kind::Axes) && (*word == "axis" || *word == "axes")
            };
            let error = match head.parameters.iter().position(answers) {
                None => {
                    let near = nearest(&word.to_string(), head.parameters.iter().map(|p| p.name.as_str()));
                    let error = Error::new(format!("`{name}` has no argument `{word}`")).note(usage.clone());
                    if let Some(near) = near { error.help(format!("did you mean `{near}`?")) } else { error }
                }
                Some(position) if std::mem::replace(&mut given[position], true) => {
                    Error::new(format!("`{word}` of `{name}` is given twice")).help(usage.clone())
                }
                Some(_) => continue,
            };
            self.error(Place::at(word.span()), error);
            fits = false;
        }
        let missing =
            head.parameters.iter().zip(given).find(|(parameter, given)| parameter.required && !given);
        if let Some((parameter, _)) = missing.filter(|_| fits) {
            self.error(place, Error::new(format!("`{name}` misses `{}`", parameter.name)).help(usage));
            fits = false;
        }
        fits
    }

    fn call_composite(
        &mut self,
        head: &Head,
        positional: Vec<Given<'a>>,
        named: Vec<(&'a Ident, Given<'a>)>,
        place: Place,
    ) -> Item {
        let Some(parameters) = composite::find(&head.name).map(|composite| composite.parameters) else {
            return Item::Unknown;
        };
        let last = head.variadic().unwrap_or(parameters.len() - 1);
        let by_position = positional.into_iter().enumerate();
        let by_position = by_position.map(|(position, given)| (&parameters[position.min(last)], given));
        let words: Vec<String> = named.iter().map(|(name, _)| name.to_string()).collect();
        let by_name = words.iter().zip(named).filter_map(|(word, (_, given))| {
            Some((parameters.iter().find(|parameter| parameter.answers_to(word))?, given))
        });
        let positional = self.taken(head, by_position);
        let named = self.taken(head, by_name);
        let (Some(positional), Some(named)) = (positional, named) else { return Item::Unknown };
        let named = words.iter().map(String::as_str).zip(named).collect();
        self.at(place);
        let value = composite::call(&self.builder, &head.name, positional, named);
        self.result(value)
    }

    /// What is given, if the parameters take it; a mistake stands on its argument.
    fn taken(
        &mut self,
        head: &Head,
        given: impl Iterator<Item = (&'static Parameter, Given<'a>)>,
    ) -> Option<Vec<Argument>> {
        let mut arguments = Some(Vec::new());
        for (parameter, given) in given {
            let argument = self.plain(given.item, parameter.kind);
            if let Err(error) = composite::accepts(&self.builder, &head.name, parameter, argument.clone()) {
                self.error(given.expression.place, error);
                arguments = None;
            } else if let Some(arguments) = &mut arguments {
                arguments.push(argument);
            }
        }
        arguments
    }

    /// What stands for an item where a parameter of `kind` takes it.
    pub(super) fn plain(&self, item: Item, kind: Kind) -> Argument {
        match (item, kind) {
            (Item::Known(argument), _) => argument,
            (Item::Number, Kind::Tensor | Kind::Tensors) => Argument::Number(0.5),
            (Item::Unknown, Kind::Dim) => Argument::Dim(self.builder.fresh_dim("unknown")),
            (Item::Number | Item::Unknown, _) => Argument::Unknown,
        }
    }
}
