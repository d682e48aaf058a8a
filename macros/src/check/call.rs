//! Calls of composites, layers and shared instances. `downhill_nn` judges whether arguments fit; this file puts each mistake on its
//! tokens.

use super::checker::Checker;
use super::scope::{AbstractValue, Given, Handed, Named, Shared};
use crate::callee::{Callee, Function};
use crate::signature::spelled;
use crate::syntax::{Arguments, Expression, ExpressionKind, Layer, Location};
use downhill_graph::error::{Error, nearest};
use downhill_graph::random::Initializer;
use downhill_nn::composite::{self, Argument, Head, Kind, Mistake, Parameter, find_initializer, judge};
use syn::Ident;

/// `mistakes` of a call whose arguments stand as in another library: the first, with the call as it is written here.
fn in_form(mut mistakes: Vec<Mistake>, head: Head<'_>, handed: &Handed<'_>) -> Vec<Mistake> {
    let positional: Vec<String> = handed.positional.iter().map(|given| spelled(given.expression)).collect();
    let named: Vec<_> =
        handed.named.iter().map(|(name, given)| (name.to_string(), spelled(given.expression))).collect();
    let says_usage = |mistake: &Mistake| {
        mistake.error.help.as_ref().is_some_and(|help| help.starts_with("it is called as"))
    };
    if mistakes.iter().all(says_usage)
        && let Some(form) = composite::form(head.name, &positional, &named)
    {
        mistakes.truncate(1);
        mistakes.iter_mut().for_each(|mistake| mistake.error.help = Some(format!("write `{form}`")));
    }
    mistakes
}

impl<'a> Checker<'a> {
    pub(super) fn layer(&self, name: &str) -> Option<&'a Layer> {
        self.program.layers.iter().find(|layer| layer.name == name)
    }

    pub(super) fn call(
        &mut self,
        function: &'a Ident,
        arguments: &'a Arguments,
        location: Location,
    ) -> AbstractValue {
        let name = function.to_string();
        let shared = match self.scopes.find(&name) {
            Some(Named::Instance(shared)) => Some(shared.clone()),
            _ => None,
        };

        let called = shared.as_ref().map_or(function, |shared| shared.function);
        let Some(callee) = Callee::find(self.program, called) else {
            // What another library has for it may take what does not exist here.
            if composite::advice(&name).is_none() {
                self.arguments(arguments, &[], 0);
            }
            return self.unknown_function(function);
        };

        let mut handed = self.arguments(arguments, &callee.parameters(), 0);
        let Some(shared) = shared else { return self.apply(&callee, &handed, location) };
        handed.positional.extend(shared.handed.positional);
        handed.named.extend(shared.handed.named);
        let builder = self.builder.clone();
        let outer = std::mem::replace(&mut self.binding, name);
        let item = builder.shared(shared.instance, || self.apply(&callee, &handed, location));
        self.binding = outer;
        item
    }

    pub(super) fn unknown_function(&mut self, function: &Ident) -> AbstractValue {
        let (name, location) = (function.to_string(), Location::at(function.span()));
        if self.program.broken.contains(&name)
            || matches!(
                self.scopes.find(&name),
                Some(Named::Value(AbstractValue::Unknown) | Named::Fixed(_, AbstractValue::Unknown))
            )
        {
            self.unsure = true;
            return AbstractValue::Unknown;
        }

        if let Some(Named::Rust) = self.scopes.find(&name) {
            let error = Error::new(format!("`{name}` is an argument of Rust, which is not called here"));
            let help = "functions are named where they are called, `self::swish(x)`; which of two, a flag decides: `if smooth { tanh(x) } else { relu(x) }`";
            return self.fail(location, error.help(help));
        }
        if self.scopes.find(&name).is_some() {
            // The mistake is in the declaration: it is told once.
            if let Some(Named::Value(item)) = self.scopes.find_mut(&name) {
                *item = AbstractValue::Unknown;
            }
            let error = Error::new(format!("`{name}` is a value, not a function"));
            let help = format!(
                "one that is applied, `{name}(x)`, is declared by `shared {name} = linear(8);`, without the value; between factors stands `*`"
            );
            return self.fail(location, error.help(help));
        }

        let callables = self.callables();
        let known = || callables.iter().map(String::as_str);
        let starts = composite::likely(&name, composite::initializers().map(|it| it.name));
        if find_initializer(&name).is_ok() || starts.is_some() && composite::likely(&name, known()).is_none()
        {
            let called = starts.filter(|known| **known != *name);
            let called = called.map_or(String::new(), |known| format!(", `{known}` here"));
            let starts = starts.unwrap_or(&name);
            let error = Error::new(format!("`{name}` is an initialiser{called}, not a function"));
            let error = error.note(
                "random numbers, fresh in every training step, are `normal`, `uniform` and `bernoulli`",
            );
            return self.fail(
                location,
                error
                    .help(format!("declare a parameter that starts so: `param w: [n, units] = {starts}();`")),
            );
        }

        let error = Error::new(format!("no function is called `{name}`"));
        let mended = composite::mended(error, &name, known());
        self.fail(location, mended.unwrap_or_else(|error| {
            error.help(format!("declare `layer {name}(…) {{ … }}`, or call a Rust function by its path: `self::{name}(…)`"))
        }))
    }

    fn callables(&self) -> Vec<String> {
        let layers = self.program.layers.iter().map(|layer| layer.name.to_string());
        layers
            .chain(composite::names().map(str::to_owned))
            .chain(self.scopes.instances().map(str::to_owned))
            .collect()
    }

    /// `shared name = function(arguments)`.
    pub(super) fn declare_shared(
        &mut self,
        name: &Ident,
        function: &'a Ident,
        arguments: &'a Arguments,
    ) -> AbstractValue {
        let Some(callee) = Callee::find(self.program, function) else {
            self.scopes.declare(&name.to_string(), Named::Value(AbstractValue::Unknown));
            return self.unknown_function(function);
        };
        // Positional arguments of an instance follow those of each use, which is the one tensor as a rule.
        let handed = self.arguments(arguments, &callee.parameters(), 1);
        self.refuse_value(name, function, arguments, &handed);
        let instance = self.builder.instance(&name.to_string());
        let shared = Shared { instance, function, handed };
        self.scopes.declare(&name.to_string(), Named::Instance(shared));
        AbstractValue::Unknown
    }

    /// An instance is made without the value that each use gives.
    fn refuse_value(&mut self, name: &Ident, function: &Ident, arguments: &Arguments, handed: &Handed<'a>) {
        let is_value = |given: &Given<'_>| {
            matches!(given.item, AbstractValue::Known(Argument::Value(_) | Argument::Several(_)))
        };
        let Some(expression) = arguments.positional.first() else { return };
        let is_call = matches!(expression.kind, ExpressionKind::Call { .. });
        // Another value may follow the one of each use, as that of `attention` does.
        let alone = composite::find(&function.to_string())
            .is_some_and(|it| it.parameters.iter().filter(|it| matches!(it.kind, Kind::Tensor)).count() == 1);
        if !handed.positional.first().is_some_and(is_value) || !(is_call || alone) {
            return;
        }
        let error = Error::new(format!("`shared {name}` is given a value, which each of its uses gives"));
        let help = match is_call {
            true => format!(
                "what joins functions is a layer: `layer {name}(x) {{ {function}({}) }}`; `shared g = {name};` then has one set of parameters",
                crate::signature::written(expression)
            ),
            false => format!("leave it out: `shared {name} = {function}(…);`, then `{name}(x)`"),
        };
        self.error(expression.location, error.help(help));
    }

    /// Evaluates the arguments of a call whose first positional one is the one at `first` of `parameters`.
    fn arguments(
        &mut self,
        arguments: &'a Arguments,
        parameters: &[Parameter<'_>],
        first: usize,
    ) -> Handed<'a> {
        let head = Head { name: "", parameters };
        let positional = arguments.positional.iter().enumerate();
        let positional = positional
            .map(|(position, expression)| self.argument(expression, head.kind_at(first + position)))
            .collect();
        let named = arguments.named.iter();
        let named = named
            .map(|(name, expression)| {
                let word = name.to_string();
                let kind = head.kind_of(&word);
                // What no call takes is a mistake by its name alone; a word may be its value.
                let is_word = || match &expression.kind {
                    ExpressionKind::Name(word) => self.scopes.find(&word.to_string()).is_none(),
                    _ => false,
                };
                match kind.is_none() && (composite::argument_advice(&word).is_some() || is_word()) {
                    true => (name, Given { expression, item: AbstractValue::Unknown }),
                    false => (name, self.argument(expression, kind)),
                }
            })
            .collect();
        Handed { positional, named }
    }

    fn argument(&mut self, expression: &'a Expression, kind: Option<Kind>) -> Given<'a> {
        Given { expression, item: self.expression_as(expression, kind) }
    }

    /// An expression where an argument of `kind` is taken.
    pub(super) fn expression_as(&mut self, expression: &'a Expression, kind: Option<Kind>) -> AbstractValue {
        match (&expression.kind, kind) {
            (ExpressionKind::Call { function, arguments }, Some(Kind::Initializer)) => AbstractValue::Known(
                Argument::Initializer(self.initializer(function, arguments, expression.location)),
            ),
            (ExpressionKind::If(choice), _) => self.choice(choice, kind, expression.location),
            (ExpressionKind::Name(name), Some(Kind::Initializer))
                if self.scopes.find(&name.to_string()).is_none() =>
            {
                self.uncalled_initializer(name)
            }
            (ExpressionKind::Shape(_), Some(Kind::Tensors)) => {
                let error = Error::new("values stand one after another, not in a list");
                self.fail(
                    expression.location,
                    error.help("leave out the brackets: `concatenate(a, b)`, `stack(a, b)`"),
                )
            }
            (ExpressionKind::Name(name), _) => self.word(name, kind).unwrap_or_else(|| self.name(name)),
            _ => self.expression(expression),
        }
    }

    /// The mistake of an initialiser without parentheses.
    fn uncalled_initializer(&mut self, name: &Ident) -> AbstractValue {
        let location = Location::at(name.span());
        let error = match find_initializer(&name.to_string()) {
            Ok(known) => {
                Error::new(format!("`{name}` is not called")).help(format!("write `{}()`", known.name))
            }
            Err(error) => error,
        };
        self.fail(location, error)
    }

    /// A word that a parameter of `kind` knows; nothing where the name may mean something else.
    pub(super) fn word(&mut self, name: &Ident, kind: Option<Kind>) -> Option<AbstractValue> {
        let vocabulary = kind.map_or(&[][..], Kind::vocabulary);
        let (text, location) = (name.to_string(), Location::at(name.span()));
        // Where words alone are taken, nothing else can be meant.
        let is_word = matches!(kind, Some(Kind::Word(_)));
        let is_named = self.scopes.find(&text).is_some();
        match vocabulary.iter().find(|word| **word == text) {
            Some(word) if is_word || !is_named => Some(AbstractValue::Known(Argument::Word(word))),
            Some(word) => {
                let error = Error::new(format!("`{word}` is a word here, and a name of this network"));
                Some(self.fail(location, error.help("give it another name")))
            }
            None if is_word => {
                let takes = format!("it must be {}", kind.map(Kind::words).unwrap_or_default());
                let error = Error::new(format!("`{text}` is no word here"));
                let error = match nearest(&text, vocabulary.iter().copied()) {
                    Some(near) => error.note(takes).help(format!("did you mean `{near}`?")),
                    None => error.help(takes),
                };
                Some(self.fail(location, error))
            }
            None => None,
        }
    }

    pub(super) fn initializer(
        &mut self,
        name: &'a Ident,
        arguments: &'a Arguments,
        location: Location,
    ) -> Initializer {
        let initializer = match find_initializer(&name.to_string()) {
            Ok(initializer) => initializer,
            Err(error) => {
                self.arguments(arguments, &[], 0);
                self.error(Location::at(name.span()), error);
                return Initializer::Zeros;
            }
        };

        let handed = self.arguments(arguments, initializer.parameters, 0);
        let Some(arguments) = self.judged(initializer.head(), &handed, location) else {
            return Initializer::Zeros;
        };

        initializer.make(&arguments).unwrap_or_else(|error| {
            self.error(location, error);
            Initializer::Zeros
        })
    }

    /// Calls a layer or a composite.
    fn apply(&mut self, callee: &Callee<'a>, handed: &Handed<'a>, location: Location) -> AbstractValue {
        let parameters = callee.parameters();
        let head = Head { name: &callee.name, parameters: &parameters };
        match callee.function {
            Function::Layer(layer) => {
                let words = handed.words();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                match head.assign(handed.positional.len(), &words) {
                    Ok(spots) => {
                        let given = spots.into_iter().flatten().filter_map(|spot| handed.at(spot).cloned());
                        self.call_layer(layer, given.collect(), location)
                    }
                    Err(mistakes) => {
                        self.mistaken(mistakes, handed, location);
                        AbstractValue::Unknown
                    }
                }
            }
            Function::Composite(composite) => {
                self.at(location);
                let Some(arguments) = self.judged(head, handed, location) else {
                    return AbstractValue::Unknown;
                };
                let given = composite.apply(&self.builder, &arguments);
                self.known(given)
            }
        }
    }

    /// The arguments, each as its parameter's kind, or mistakes.
    fn judged<'h>(
        &mut self,
        head: Head<'h>,
        handed: &Handed<'a>,
        location: Location,
    ) -> Option<composite::Arguments<'h>> {
        let words = handed.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let judged = judge(&self.builder, head, handed.positional.len(), &words, &mut |spot, kind| {
            handed.at(spot).map_or(Argument::Unknown, |given| self.plain(given.item.clone(), kind))
        });
        judged.map_err(|mistakes| self.mistaken(in_form(mistakes, head, handed), handed, location)).ok()
    }

    /// Puts each mistake on its token.
    pub(super) fn mistaken(&mut self, mistakes: Vec<Mistake>, handed: &Handed<'a>, location: Location) {
        for mistake in mistakes {
            self.error(handed.location(mistake.at, location), mistake.error);
        }
    }

    /// The argument that a parameter of `kind` is given for a value that may be unknown.
    pub(super) fn plain(&self, item: AbstractValue, kind: Kind) -> Argument {
        let stands = match (&item, kind) {
            (AbstractValue::Known(_), _) => true,
            (AbstractValue::Number | AbstractValue::Flag, Kind::Tensor | Kind::Tensors) => true,
            (AbstractValue::Flag, kind) => !matches!(kind, Kind::Bool | Kind::Any),
            (AbstractValue::Number, kind) => {
                matches!(kind, Kind::Bool | Kind::Shape | Kind::Initializer | Kind::Word(_) | Kind::Equation)
            }
            (AbstractValue::List, _) => !matches!(kind, Kind::Shape | Kind::Axes | Kind::Any),
            (AbstractValue::Unknown, Kind::Dim) => return Argument::Dim(self.builder.fresh_dim("unknown")),
            (AbstractValue::Unknown, _) => false,
        };
        item.stand_in().filter(|_| stands).unwrap_or(Argument::Unknown)
    }
}
